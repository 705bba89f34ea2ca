//! Fetching an object into a file: whole or not at all, and on from where it was interrupted.

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{contents, gathered, record};
use selvedge_base::Chain;
use selvedge_hdf5::{Compression, Reader, add_checksums};
use selvedge_object::{ObjectError, ObjectOptions, Pulled, pull};
use selvedge_testing::naming::Writer;
use selvedge_testing::objects::{Fault, ObjectServer};

fn fetch(url: &str, path: &Path, overwrite: bool) -> Result<Pulled, ObjectError> {
    let options = ObjectOptions::default().timeout(Duration::from_secs(5));
    pull(url, path, overwrite, &options, |_, _| ())
}

#[test]
fn a_trajectory_comes_as_it_is_and_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (
        folder.path().join("run_1.h5"),
        folder.path().join("copy.h5"),
    );
    record(&path, Compression::Fast, 24, true);
    add_checksums(&path, |_| ()).unwrap();
    let server = ObjectServer::start();
    let url = server.put("run_1.h5", gathered(&path));
    let pulled = fetch(&url, &copy, false).unwrap();
    assert!(
        pulled.verified > (24 * 3 * 32) << 10 && pulled.resumed == 0,
        "{pulled:?}"
    );
    let expected = contents(&Reader::open(&path).unwrap()).unwrap();
    assert!(contents(&Reader::open(&copy).unwrap()).unwrap() == expected);
    // A file that is there is kept, or replaced.
    let error = fetch(&url, &copy, false).unwrap_err().to_string();
    assert!(error.contains("exists already"), "{error}");
    fetch(&url, &copy, true).unwrap();
    // A value that is another one by now.
    let mut bytes = gathered(&path);
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    let url = server.put("run_1.h5", bytes);
    let damaged = folder.path().join("damaged.h5");
    let error = fetch(&url, &damaged, false).unwrap_err().to_string();
    assert!(error.contains("is damaged") && !damaged.exists(), "{error}");
}

#[test]
fn a_large_one_goes_on_where_it_was_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.bin");
    let bytes: Vec<u8> = (0..150_u32 << 18).flat_map(u32::to_le_bytes).collect();
    let server = ObjectServer::start();
    let url = server.put("large.bin", bytes.clone());
    // The first request is that of opening; a batch is eight. Permission is asked for once.
    server.fault(12, Fault::Status(403));
    let error = fetch(&url, &path, false).unwrap_err().to_string();
    assert!(error.contains("403") && !path.exists(), "{error}");
    server.taken();
    let pulled = fetch(&url, &path, false).unwrap();
    assert_eq!(
        (pulled.bytes, pulled.resumed),
        (150 << 20, (64 << 20) + 4096)
    );
    assert!(fs::read(&path).unwrap() == bytes);
    let fetched: u64 = server
        .taken()
        .iter()
        .map(|range| range.end - range.start)
        .sum();
    assert!(fetched < 100 << 20, "{fetched}");
    // One that was begun of another object is begun anew.
    fs::remove_file(&path).unwrap();
    server.fault(12, Fault::Status(403));
    fetch(&url, &path, false).unwrap_err();
    let other: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
    server.fault(0, Fault::Replace(other.clone()));
    assert_eq!(fetch(&url, &path, false).unwrap().resumed, 0);
    assert!(fs::read(&path).unwrap() == other);
    // One that changes on the way is no file.
    fs::remove_file(&path).unwrap();
    server.fault(12, Fault::Replace(bytes));
    let error = fetch(&url, &path, false).unwrap_err().to_string();
    assert!(error.contains("was changed") && !path.exists(), "{error}");
}

/// A large trajectory was a file of HDF5 under the name of one on its way while its values were held against its
/// checksums: after a call that was killed meanwhile, or that found them wrong, no other one went on or began anew.
#[test]
fn one_that_ended_at_its_last_stage_is_no_hindrance() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (
        folder.path().join("run_1.h5"),
        folder.path().join("copy.h5"),
    );
    let left = folder.path().join("copy.h5.unfinished");
    record(&path, Compression::None, 720, true);
    add_checksums(&path, |_| ()).unwrap();
    let bytes = gathered(&path);
    let size = bytes.len() as u64;
    assert!(size > 64 << 20, "{size}");
    let server = ObjectServer::start();
    // Values that are wrong are fetched anew: they can have become so on their way.
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    let url = server.put("run_1.h5", damaged);
    for _ in 0..2 {
        let error = fetch(&url, &copy, false).unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
        assert!(!copy.exists() && !left.exists());
    }
    // All bytes are there, and its values were not yet held against the checksums.
    let url = server.put("run_1.h5", bytes.clone());
    server.fault(9, Fault::Status(403));
    fetch(&url, &copy, false).unwrap_err();
    let begun = fs::read(&left).unwrap();
    let text = String::from_utf8_lossy(&begun[..512]);
    let journal: Vec<&str> = text.lines().take(2).collect();
    let journal = format!("{}\n{size}\n", journal.join("\n"));
    let mut all = bytes.clone();
    all[..4096].fill(0);
    all[..journal.len()].copy_from_slice(journal.as_bytes());
    fs::write(&left, &all).unwrap();
    let pulled = fetch(&url, &copy, false).unwrap();
    assert_eq!((pulled.bytes, pulled.resumed), (size, size));
    assert!(pulled.verified > 60 << 20, "{pulled:?}");
    assert!(fs::read(&copy).unwrap() == bytes && !left.exists());
    // It has its head, and no name.
    fs::rename(&copy, &left).unwrap();
    assert_eq!(fetch(&url, &copy, false).unwrap().resumed, 0);
    assert!(fs::read(&copy).unwrap() == bytes && !left.exists());
}

/// What a recorder left under the name of a file on its way is not written over.
#[test]
fn what_others_left_unfinished_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (path, left) = (
        folder.path().join("W.bin"),
        folder.path().join("W.bin.unfinished"),
    );
    fs::write(&left, "rows of a recorder").unwrap();
    let server = ObjectServer::start();
    let url = server.put("W.bin", vec![7; 70 << 20]);
    let error = fetch(&url, &path, false).unwrap_err().to_string();
    assert!(error.contains("unfinished"), "{error}");
    assert_eq!(fs::read(&left).unwrap(), b"rows of a recorder");
}

/// Objects of which each has one value.
struct Values(ObjectServer);

impl Writer for Values {
    fn ending(&self) -> &'static str {
        "bin"
    }

    fn write(&self, path: &Path, value: u8, overwrite: bool) -> Result<(), String> {
        let url = self.0.put(&value.to_string(), vec![value; 3]);
        fetch(&url, path, overwrite)
            .map(drop)
            .map_err(|error| Chain(&error).to_string())
    }

    fn read(&self, path: &Path) -> u8 {
        *fs::read(path).expect("read").last().expect("a value")
    }
}

/// Without a full disk: there every `write` of a thread fails, also what wakes the runtime.
mod contract {
    selvedge_testing::naming_contract! { @but_a_full_disk super::Values(super::ObjectServer::start()) }
}
