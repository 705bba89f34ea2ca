//! Files that lie elsewhere, such as in an object store: the same values by few requests, and errors that are told.

use std::path::Path;

use crate::common::elsewhere::{Elsewhere, Request};
use selvedge_hdf5::{Compression, ReadError, Reader, Rechunk, Recorder, bf16, verify_checksums};
use selvedge_testing::python;

/// Elements of a step: 32 KiB.
const ELEMENTS: usize = 16 << 10;

/// Everything that a file holds.
fn contents(file: &Reader) -> Result<String, ReadError> {
    let mut all = format!(
        "{:?}{:?}{:?}",
        file.attributes(),
        file.notes(),
        file.state()
    );
    for tensor in file.tensors() {
        let values = tensor.read_bytes()?;
        let attributes = tensor.attributes()?;
        all += &format!(
            "{}{:?}{attributes:?}{values:?}",
            tensor.name(),
            tensor.shape()
        );
    }
    Ok(all + &format!("{:?}", verify_checksums(file, |_| ())?.tensors))
}

/// A run of 40 steps of which half of the bytes compress.
fn record(path: &Path, compression: Compression) {
    let mut run = Recorder::create(path)
        .steps(40)
        .compression(compression)
        .tensor::<bf16>("W", [ELEMENTS / 64, 64])
        .start()
        .unwrap();
    for number in 0..40_u64 {
        let mut state = number;
        let bits = (0..ELEMENTS).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            bf16::from_bits(0x3F00 | u16::from(state.to_le_bytes()[7]))
        });
        let values: Vec<bf16> = bits.collect();
        run.append(|row| row.put("W", &values[..])).unwrap();
    }
    run.finish().unwrap();
}

#[test]
fn files_of_each_format_are_what_they_are_on_the_disk() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut read = 0;
    for entry in std::fs::read_dir(golden).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "h5") {
            let found = Elsewhere::new(&path).open().unwrap();
            let expected = Reader::open(&path).unwrap();
            assert!(
                contents(&found).unwrap() == contents(&expected).unwrap(),
                "{path:?}"
            );
            read += 1;
        }
    }
    assert!(read > 15);
}

#[test]
fn a_read_is_one_request_of_what_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    for compression in [Compression::None, Compression::Fast] {
        record(&path, compression);
        let elsewhere = Elsewhere::new(&path);
        let file = elsewhere.open().unwrap();
        let tensor = file.tensor("W").unwrap();
        let local = Reader::open(&path).unwrap();
        let local = local.tensor("W").unwrap();
        // The index of chunks is known from then on.
        tensor.read::<bf16>().unwrap();
        elsewhere.taken();
        let step = tensor.read_step::<bf16>(7).unwrap();
        assert!(step == local.read_step::<bf16>(7).unwrap());
        let one = elsewhere.taken();
        assert!(
            matches!(one[..], [Request::Values(1, bytes)] if bytes <= 2 * ELEMENTS),
            "{one:?}"
        );
        if compression == Compression::None {
            assert_eq!(one, [Request::Values(1, 2 * ELEMENTS)]);
        }
        let rows = |tensor: &selvedge_hdf5::Tensor| {
            let selection = tensor.select().every(3).rows([200, 3, 4, 3]);
            (
                selection.read::<u16>().unwrap(),
                selection.read_f32().unwrap(),
            )
        };
        assert!(rows(tensor) == rows(local));
        let taken = elsewhere.taken();
        assert!(
            matches!(taken[..], [Request::Values(..), Request::Values(..)]),
            "{taken:?}"
        );
        std::fs::remove_file(&path).unwrap();
    }
}

/// A chunk of several steps that was decoded is kept, as it is for a file of this machine.
#[test]
fn an_archive_fetches_a_chunk_once() {
    let folder = tempfile::tempdir().unwrap();
    let (path, archive) = (
        folder.path().join("run_1.h5"),
        folder.path().join("archive.h5"),
    );
    record(&path, Compression::None);
    Rechunk::new(&path, &archive)
        .compression(Compression::Temporal)
        .run(|_| ())
        .unwrap();
    let elsewhere = Elsewhere::new(&archive);
    let file = elsewhere.open().unwrap();
    let tensor = file.tensor("W").unwrap();
    let local = Reader::open(&path).unwrap();
    tensor.read_step::<bf16>(0).unwrap();
    elsewhere.taken();
    assert_eq!(
        tensor.read_step::<bf16>(1).unwrap(),
        local.tensor("W").unwrap().read_step::<bf16>(1).unwrap()
    );
    assert_eq!(elsewhere.taken(), []);
    assert!(tensor.read::<bf16>().unwrap() == local.tensor("W").unwrap().read::<bf16>().unwrap());
}

/// A request that fails is an error, or was of no use: never other values.
#[test]
fn no_fault_is_silent() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for name in [
        "format3_finished.h5",
        "format3_fast.h5",
        "format3_temporal.h5",
        "format1_open_killed.h5",
    ] {
        let path = golden.join(name);
        let expected = contents(&Reader::open(&path).unwrap()).unwrap();
        let (mut nth, mut told) = (0, 0);
        loop {
            let elsewhere = Elsewhere::new(&path);
            elsewhere.fail_after(nth);
            let found = elsewhere
                .open()
                .map_err(ReadError::from)
                .and_then(|file| contents(&file));
            match found {
                Ok(found) => assert!(found == expected, "{name}, request {nth}"),
                Err(error) => {
                    let text = selvedge_base::Chain(&error).to_string();
                    assert!(text.contains("store://bucket/run_1.h5"), "{text}");
                    told += 1;
                }
            }
            if !elsewhere.has_failed() {
                break;
            }
            nth += 1;
        }
        assert!(told > nth / 2, "{name}: {told} of {nth}");
    }
}

#[test]
fn a_file_elsewhere_is_not_changed_and_names_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    record(&path, Compression::None);
    let file = Elsewhere::new(&path).open().unwrap();
    assert_eq!(file.is_open_for_writing(), None);
    assert!(file.has_recorder().is_err());
    let error = file.check_in_place().unwrap_err().to_string();
    assert!(error.contains("store://bucket/run_1.h5"), "{error}");
}

/// A file that is there, to which a file elsewhere leads in each way, by its path.
const LEADS_HERE: &str = r#"
import sys, h5py, numpy as np
here = sys.argv[1] + ".here"
with h5py.File(here, "w") as f:
    f["secret"] = np.arange(4, dtype=np.uint16)
open(sys.argv[1] + ".raw", "wb").write(bytes(8))
with h5py.File(sys.argv[1], "w") as f:
    f["link"] = h5py.ExternalLink(here, "/secret")
    view = h5py.VirtualLayout((4,), np.uint16)
    view[:] = h5py.VirtualSource(here, "secret", (4,))
    f.create_virtual_dataset("view", view)
    f.create_dataset("raw", (4,), np.uint16, external=[(sys.argv[1] + ".raw", 0, 8)])
"#;

#[test]
fn nothing_of_this_machine_is_opened_for_a_file_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leads.h5");
    python::on_file(LEADS_HERE, &path);
    let local = Reader::options().follow_links().open(&path).unwrap();
    assert_eq!(
        local.tensor("view").unwrap().read::<u16>().unwrap(),
        [0, 1, 2, 3]
    );
    let options = Reader::options().follow_links_inside(folder.path());
    let file = options.open_ranges(&path, Elsewhere::new(&path)).unwrap();
    assert!(file.tensor("link").is_err());
    for name in ["view", "raw"] {
        let error = file.tensor(name).unwrap().read::<u16>().unwrap_err();
        assert!(!error.is_damage(), "{name}: {error}");
    }
}
