//! Other programs at the file of a recorder: each time the next call says what happened.

use std::fs;

use selvedge_hdf5::{Recorder, StorageError};
use selvedge_testing::python;

use crate::common::faults::{begin, builders, cause, named, names, new_path};
use crate::common::sample::{SMALL, append};

/// Goes on after something was done to the file; returns what the recorder says.
fn go_on(mut run: Recorder) -> (std::sync::Arc<StorageError>, u64) {
    // The next call, or the one after the writer looked.
    let error = append(&mut run, SMALL)
        .and_then(|_| run.commit())
        .expect_err("the file is not the recorder's any more");
    let text = named(&error, run.path());
    assert!(!text.contains("steps in the file"), "it is gone: {text}");
    let first = cause(error);
    let (again, _) = cause(append(&mut run, SMALL).expect_err("stopped"));
    assert_eq!(again.to_string(), first.0.to_string());
    let (again, _) = cause(run.finish().expect_err("stopped"));
    assert_eq!(again.to_string(), first.0.to_string());
    first
}

#[test]
fn h5py_truncates_the_file() {
    let (_folder, path) = new_path();
    for builder in builders(&path) {
        let run = begin(builder, SMALL, 100);
        // With its lock h5py fails, but has truncated the file before it asks for it.
        let said = python::on_file(
            "import h5py, sys\ntry: h5py.File(sys.argv[1], 'w')\nexcept OSError as e: print(e)",
            &path,
        );
        assert!(said.contains("lock"), "{said}");
        let (source, committed) = go_on(run);
        assert!(
            matches!(
                *source,
                StorageError::Truncated { .. } | StorageError::Overwritten { .. }
            ),
            "{source:?}"
        );
        assert_eq!(committed, 100);
        fs::remove_file(&path).expect("remove");
    }
}

#[test]
fn h5py_writes_another_file_over_it() {
    let (_folder, path) = new_path();
    for elements in [1, 1_000_000] {
        for builder in builders(&path) {
            let run = begin(builder, SMALL, 100);
            python::run(
                "import h5py, sys\nimport numpy as np\n\
                 f = h5py.File(sys.argv[1], 'w', locking=False)\n\
                 f['mine'] = np.ones(int(sys.argv[2]))\nf.close()",
                [path.as_os_str(), elements.to_string().as_ref()],
            );
            let (source, _) = go_on(run);
            assert!(
                matches!(
                    *source,
                    StorageError::Truncated { .. } | StorageError::Overwritten { .. }
                ),
                "{source:?}"
            );
            // What is there now belongs to the other program, and was left alone.
            let sum = python::on_file(
                "import h5py, sys\nprint(int(h5py.File(sys.argv[1])['mine'][:].sum()))",
                &path,
            );
            assert_eq!(sum, elements.to_string());
            fs::remove_file(&path).expect("remove");
        }
    }
}

#[test]
fn the_file_is_deleted() {
    let (folder, path) = new_path();
    for builder in builders(&path) {
        let run = begin(builder, SMALL, 10);
        fs::remove_file(&path).expect("remove");
        let (source, committed) = go_on(run);
        assert!(
            matches!(*source, StorageError::Deleted { .. }),
            "{source:?}"
        );
        assert_eq!(committed, 10);
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn the_file_is_replaced() {
    let (folder, path) = new_path();
    let other = folder.path().join("other.h5");
    for builder in builders(&path) {
        let run = begin(builder, SMALL, 10);
        fs::write(&other, "somebody's").expect("write");
        fs::rename(&other, &path).expect("rename");
        let (source, _) = go_on(run);
        assert!(
            matches!(*source, StorageError::Deleted { .. }),
            "{source:?}"
        );
        assert_eq!(fs::read(&path).expect("read"), b"somebody's");
        fs::remove_file(&path).expect("remove");
    }
}
