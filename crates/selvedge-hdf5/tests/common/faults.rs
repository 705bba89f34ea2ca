//! What the tests of faults share.

use std::fs;
use std::path::{Path, PathBuf};

use selvedge_base::Chain;
use selvedge_hdf5::{RecordError, Recorder, RecorderBuilder, StorageError};

use super::sample::{SMALL, Shape, append, declare};

/// A folder and the path of a run in it.
pub(crate) fn new_path() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run_1.h5");
    (folder, path)
}

/// A recorder of the sample, at work, with `steps` committed steps.
pub(crate) fn begin(builder: RecorderBuilder, shape: Shape, steps: u64) -> Recorder {
    let mut run = declare(builder, shape).start().expect("start");
    for _ in 0..steps {
        append(&mut run, shape).expect("append");
    }
    assert_eq!(run.commit().expect("commit"), steps);
    run
}

/// A finished run of the sample.
pub(crate) fn finished(path: &Path, steps: u64) {
    let run = begin(Recorder::create(path), SMALL, steps);
    assert_eq!(run.finish().expect("finish").steps, steps);
}

/// An error that names the file; all of its sources in one text.
pub(crate) fn named(error: &dyn std::error::Error, path: &Path) -> String {
    let text = error.to_string();
    assert!(
        text.contains(&path.display().to_string()),
        "`{text}` does not name {}",
        path.display()
    );
    let text = Chain(error).to_string();
    println!("{text}");
    text
}

/// The names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// The cause of a [`RecordError::Stopped`], and the committed steps that it tells.
pub(crate) fn cause(error: RecordError) -> (std::sync::Arc<StorageError>, u64) {
    match error {
        RecordError::Stopped {
            source, committed, ..
        } => (source, committed),
        other => panic!("expected `Stopped`, found {other:?}"),
    }
}

/// Appends until the recorder refuses.
pub(crate) fn append_until_stopped(run: &mut Recorder, shape: Shape) -> RecordError {
    for _ in 0..100_000 {
        if let Err(error) = append(run, shape) {
            return error;
        }
    }
    panic!("no error in 100,000 steps");
}

/// Runs of known length and open-ended ones.
pub(crate) fn builders(path: &Path) -> [RecorderBuilder; 2] {
    [
        Recorder::create(path).steps(1000),
        Recorder::create(path).chunk_target(480),
    ]
}
