//! A run that the recorder compressed: no fault, and told as what it is.

use crate::common::Place;
use selvedge_hdf5::{Compression, Recorder, bf16};
use selvedge_testing::python;

/// The same values, by h5py with its zlib.
const GZIP: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1]) as f, h5py.File(sys.argv[2], "w") as g:
    W = g.create_dataset("W", data=f["W"][:], chunks=(1, 512, 1024), compression="gzip", compression_opts=1, shuffle=True)
    W.attrs["logical_dtype"] = "bfloat16"
"#;

#[test]
fn the_recorders_streams_are_no_fault_and_those_of_zlib_are() {
    let place = Place::new();
    let folder = place.path("tensors/Thimble");
    let (ours, zlib) = (folder.join("thimble_1.h5"), folder.join("thimble_2.h5"));
    let mut run = Recorder::create(&ours)
        .steps(20)
        .tensor::<bf16>("W", [512, 1024])
        .compression(Compression::Fast)
        .notebook("1.5d_train.ipynb")
        .start()
        .unwrap();
    let weights: Vec<bf16> = (0..512_u32 * 1024)
        .map(|n| bf16::from_bits((n.wrapping_mul(0x9E37_79B1) >> 16) as u16 & 0x83FF))
        .collect();
    for _ in 0..20 {
        run.append(|step| step.put("W", &weights)).unwrap();
    }
    run.finish().unwrap();
    python::run(GZIP, [&ours, &zlib]);
    // An archive has chunks of several steps, which are those that the planner has for it.
    for (name, compression) in [(3, "temporal"), (4, "fast")] {
        let [from, to] = [1, name].map(|nth| format!("tensors/Thimble/thimble_{nth}.h5"));
        place.print(&["rechunk", &from, &to, "--compression", compression]);
    }

    let text = place.print(&["inspect", "tensors/Thimble/thimble_1.h5"]);
    // Where a line is broken does not matter.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "20 chunks, compressed",
        "shuffle, gzip-1 by selvedge-deflate ",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("selvedge_encoder"), "{text}");
    let faults: Vec<String> = place.findings(&["--select", "TRJ", "tensors"]);
    assert!(
        faults.iter().all(|fault| fault.contains("thimble_2.h5")),
        "{faults:?}"
    );
    assert!(
        faults.iter().any(|fault| fault.ends_with("TRJ001")),
        "{faults:?}"
    );
}
