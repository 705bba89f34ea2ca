//! `selvedge rechunk`.

mod common;

use std::fs;

use common::{Place, finished, live, masked};
use insta::assert_snapshot;
use selvedge_hdf5::Reader;
use selvedge_testing::python;

/// Prints whether both files hold the same datasets, as h5py reads them, and the chunks of `W`.
const SAME: &str = "
import sys, h5py, numpy as np
one, two = (h5py.File(path) for path in sys.argv[1:])
assert set(one) == set(two), (set(one), set(two))
for name in one:
    a, b = one[name][...], two[name][...]
    assert a.dtype == b.dtype and a.shape == b.shape, name
    assert a.tobytes() == b.tobytes(), name
print(two['W'].chunks, two['W'].attrs.get('logical_dtype'), two.attrs['learning_rate'])
";

/// A trajectory as h5py writes it: compressed, without a marker.
const BY_H5PY: &str = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w') as f:
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(16, 64, 64)
    f.create_dataset('W', data=bits, maxshape=(None, 64, 64), chunks=(1, 64, 64), compression='gzip')
    half = np.linspace(-2, 2, 16 * 8, dtype=np.float16).reshape(16, 8).astype(np.float32)
    bf16 = (half.view(np.uint32) & 0xFFFF0000).view(np.float32)
    bf16[0, 0] = 1e5
    f.create_dataset('half', data=bf16.astype(np.float16), maxshape=(None, 8), chunks=(4, 8))
    f.attrs['learning_rate'] = 1e-3
";

#[test]
fn chunks_for_another_purpose_and_the_same_values() {
    let place = Place::new();
    let [input, output] = ["thimble_1.h5", "thimble_1_tokens.h5"].map(|name| place.path(name));
    finished(&input);
    let args = ["rechunk", "thimble_1.h5", "thimble_1_tokens.h5"];
    let purpose = ["--for", "tokens", "--chunk-target", "100B"];
    let all: Vec<&str> = args.into_iter().chain(purpose).collect();

    let dry: Vec<&str> = all.iter().copied().chain(["--dry-run"]).collect();
    let plan = place.print(&dry);
    assert_snapshot!(masked(&plan));
    assert!(!output.exists(), "a dry run writes nothing");
    assert_eq!(fs::read_dir(place.path(".")).unwrap().count(), 1);

    let done = place.print(&all);
    let (shown, summary) = done.rsplit_once("thimble_1_tokens.h5: ").unwrap();
    assert_eq!(masked(shown), masked(&plan), "the plan is what is made");
    assert!(
        summary.starts_with("7 steps, 370 B written and verified in "),
        "{summary}"
    );
    let seen = python::run(SAME, [&input, &output]);
    assert_eq!(seen, "(2, 6, 4) bfloat16 0.001");
    let text = place.print(&[
        "verify",
        "thimble_1.h5",
        "thimble_1_tokens.h5",
        "--attributes",
    ]);
    assert!(text.contains("are equal, bit for bit: 3 tensors"), "{text}");
}

#[test]
fn a_file_that_is_there_is_kept() {
    let place = Place::new();
    finished(&place.path("thimble_1.h5"));
    fs::write(place.path("old.h5"), "precious").unwrap();
    let refused = place.run(&["rechunk", "thimble_1.h5", "old.h5"]);
    assert_eq!((refused.code, &*refused.stdout), (2, ""));
    assert!(
        refused
            .stderr
            .starts_with("error: old.h5 exists already; another name keeps it, --overwrite"),
        "{}",
        refused.stderr
    );
    assert_eq!(fs::read(place.path("old.h5")).unwrap(), b"precious");
    // Onto itself.
    let itself = ["rechunk", "thimble_1.h5", "thimble_1.h5", "--for", "steps"];
    assert_eq!(place.run(&itself).code, 2);
    let itself: Vec<&str> = itself.into_iter().chain(["--overwrite"]).collect();
    place.print(&itself);
    let file = Reader::open(place.path("thimble_1.h5")).unwrap();
    assert_eq!(file.committed_steps(), 7);
}

#[test]
fn a_compressed_file_of_h5py_gets_its_markers() {
    let place = Place::new();
    let path = place.path("seed.h5");
    python::on_file(BY_H5PY, &path);
    let text = place.print(&[
        "rechunk",
        "seed.h5",
        "thimble_1.h5",
        "--assume-bf16",
        "W",
        "--as-bf16",
        "half",
        "--checksums",
    ]);
    assert!(
        text.contains("`half` was float16 and is bfloat16 now: all 128 values can have been"),
        "{text}"
    );
    assert!(text.contains("1 infinite"), "{text}");
    let inspected = place.print(&["inspect", "thimble_1.h5"]);
    assert!(inspected.contains("half    bfloat16"), "{inspected}");
    assert!(inspected.contains("W       bfloat16"), "{inspected}");
    let found = place.print(&["verify", "thimble_1.h5"]);
    assert_eq!(found, "thimble_1.h5: 131.33 kB match their checksums\n");
    // The bits are those that h5py wrote, all 65,536 of them.
    let bits = "
import sys, h5py, numpy as np
w = h5py.File(sys.argv[1])['W'][:]
assert (w.ravel() == np.arange(1 << 16, dtype=np.uint16)).all()
";
    python::on_file(bits, &place.path("thimble_1.h5"));
}

#[test]
fn what_cannot_be_done_is_said() {
    let place = Place::new();
    finished(&place.path("thimble_1.h5"));
    fs::write(place.path("text.h5"), "no tensors").unwrap();
    for (args, expected) in [
        (&["none.h5", "out.h5"][..], "cannot open none.h5"),
        (&["text.h5", "out.h5"], "text.h5"),
        (
            &["thimble_1.h5", "out.h5", "--as-bf16", "W"],
            "--as-bf16 takes a float16 tensor, and `W` is bfloat16",
        ),
        (
            &["thimble_1.h5", "out.h5", "--assume-bf16", "X"],
            "has no tensor `X`",
        ),
        (
            &["thimble_1.h5", "out.h5", "--assume-bf16", "losses"],
            "--assume-bf16 takes a uint16 tensor, and `losses` is float32",
        ),
        (
            &["thimble_1.h5", "out.h5", "--for", "tokn"],
            "invalid value 'tokn'",
        ),
        (&["thimble_1.h5", "out.h5", "--memory", "1kB"], "memory"),
    ] {
        let args: Vec<&str> = ["rechunk"].iter().chain(args).copied().collect();
        let run = place.run(&args);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{args:?}");
        assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
        assert!(!place.path("out.h5").exists());
    }
}

#[test]
fn a_run_that_is_being_recorded() {
    let place = Place::new();
    let run = live(&place.path("live.h5"));
    let text = place.print(&["rechunk", "live.h5", "so_far.h5"]);
    assert!(text.contains("5 steps"), "{text}");
    run.finish().unwrap();
}
