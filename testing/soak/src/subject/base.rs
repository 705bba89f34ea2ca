//! The files that lie there before: made once, and copied for each attempt.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use selvedge_hdf5::{Error, Reader};
use selvedge_safetensors::Save;

use super::{Base, OPEN, SUBJECTS, Subject};
use crate::sample::TENSORS;
use crate::trace::Fault;
use crate::victim::{ELEMENTS, Work};

/// Files with their paths in the folder.
type Files = Vec<(PathBuf, Vec<u8>)>;

impl Subject {
    /// Puts into `folder` what lies there before.
    pub(crate) fn lay(&self, folder: &Path) -> io::Result<()> {
        static MADE: Mutex<BTreeMap<&'static str, Arc<Files>>> = Mutex::new(BTreeMap::new());
        let made = || MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made().get(self.name).cloned();
        let files = match known {
            Some(files) => files,
            // Not under the lock: one base is made from another.
            None => {
                let files = Arc::new(self.make().map_err(io::Error::other)?);
                made().entry(self.name).or_insert(files).clone()
            }
        };
        for (path, bytes) in &*files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, bytes)?;
        }
        Ok(())
    }

    fn make(&self) -> Result<Files, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = self.path(folder.path());
        match self.base {
            Base::Nothing => return Ok(Vec::new()),
            Base::Run(recording, finish) => {
                let record = || -> Result<(), Error> {
                    let mut run = recording.start(&path)?;
                    while run.appended() < recording.until {
                        crate::sample::append(&mut run, recording.shape())?;
                    }
                    run.commit()?;
                    if finish {
                        run.finish()?;
                    }
                    Ok(())
                };
                record().map_err(|error| format!("the base of {}: {error:?}", self.name))?;
            }
            Base::Ahead => return ahead(),
            Base::OldVersion => {
                let values = [0_u32; ELEMENTS];
                Save::new(&path)
                    .scalar("version", 0_u32)
                    .tensor("W", [ELEMENTS], &values)
                    .tensor("V", [ELEMENTS], &values)
                    .write()
                    .map_err(|error| error.to_string())?;
            }
            Base::Unfinished => return unfinished(),
        }
        files(folder.path())
    }
}

/// A run that was killed between two writes of extents: the last such moment.
fn ahead() -> Result<Files, String> {
    let subject = subject(Work::Record(OPEN))?;
    let calls = {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        subject.run_whole(folder.path(), false)?.calls.len()
    };
    for at in (0..calls).rev() {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        subject.run(folder.path(), Some((at, Fault::Kill)), false)?;
        let file = Reader::open(subject.path(folder.path())).map_err(|error| error.to_string())?;
        let extent = |name: &&str| file.tensor(name).ok()?.extent();
        let ahead = TENSORS
            .iter()
            .filter(|name| extent(name) > Some(file.committed_steps()));
        if ahead.count() > 1 {
            return files(folder.path());
        }
    }
    Err("no kill leaves a tensor ahead of the others".to_owned())
}

/// What is left of a growing file whose writer was killed within a row.
fn unfinished() -> Result<Files, String> {
    let subject = subject(Work::Grow { sync: false })?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let whole = subject.run_whole(folder.path(), false)?;
    let row = 4 * ELEMENTS;
    let mut rows = whole.calls.iter().enumerate();
    let last = rows.rfind(|(_, call)| call.len == row);
    let (at, _) = last.ok_or("no row is written by one call")?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    subject.run(folder.path(), Some((at, Fault::Tear(row / 2))), false)?;
    files(folder.path())
}

fn subject(work: Work) -> Result<Subject, String> {
    let found = SUBJECTS.iter().find(|subject| subject.work == work);
    found
        .copied()
        .ok_or_else(|| format!("no subject does {work:?}"))
}

fn files(folder: &Path) -> Result<Files, String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).map_err(|error| error.to_string())?;
            let inside = path
                .strip_prefix(folder)
                .map_err(|error| error.to_string())?;
            files.push((inside.to_owned(), bytes));
        }
    }
    Ok(files)
}
