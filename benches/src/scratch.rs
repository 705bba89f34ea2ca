//! The folder for the files of a run, and the page cache around them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use selvedge_base::disk::free_bytes;

use crate::Result;
use crate::numbers::bytes;
use crate::sections::Spec;

/// A sample is deleted before the next is made, but a file system gives its blocks back when it
/// likes: so this many of the largest file have to fit.
const FILES: u64 = 3;

/// The folder of a run, and the file beside it that is locked while the run lives.
const FOLDER: &str = "selvedge-bench";
const LOCK: &str = "selvedge-bench.lock";

/// A folder that is deleted with everything in it at the end.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    settles: bool,
    /// Its lock goes with the process.
    _lock: File,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is deleted by the next run.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Scratch {
    /// Makes a folder in `parent`, without what a run has left that was killed. With `settles`, `settle` waits for the
    /// disk.
    ///
    /// # Errors
    ///
    /// Another run is at work there, whose times would be those of two; and the errors of the file system.
    pub fn new(parent: &Path, settles: bool) -> Result<Self> {
        fs::create_dir_all(parent)?;
        let (folder, lock) = (parent.join(FOLDER), File::create(parent.join(LOCK))?);
        if lock.try_lock().is_err() {
            let what = "another bench is at work there; wait for its end, or choose another place with --scratch";
            return Err(format!("{}: {what}", folder.display()).into());
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(Self {
            folder,
            settles,
            _lock: lock,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// A path in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// How many things of `size` bytes a file can have: `count`, or less where the disk is too small, with a note
    /// that says so.
    pub(crate) fn fit(&self, count: u64, size: u64, fewest: u64) -> Result<(u64, Option<String>)> {
        // Some network file systems do not say.
        let free = free_bytes(self.path()).unwrap_or(u64::MAX);
        let most = free / FILES / size.max(1);
        let left = bytes(free as f64);
        if count <= most {
            return Ok((count, None));
        }
        if most < fewest {
            let what = "left; choose another place with --scratch";
            return Err(format!("{} has only {left} {what}", self.path().display()).into());
        }
        let note = format!("Scaled down from {count} to {most}: the disk has {left} left.");
        Ok((most, Some(note)))
    }

    /// Deletes `path`, a file or a folder, and in a full run waits until nothing is left to be written: what one
    /// contender left in the page cache would be written during the time of the next. A short run has not the time:
    /// what was deleted is no longer written, and what others write takes as long as it takes.
    pub(crate) fn settle(&self, path: &Path) -> Result<()> {
        match path.is_dir() {
            true => fs::remove_dir_all(path)?,
            false if path.exists() => fs::remove_file(path)?,
            false => {}
        }
        if self.settles {
            rustix::fs::sync();
        }
        Ok(())
    }

    /// Drops `path`, which has been written back, from the page cache where the group reads from the disk (`-cold`): the
    /// next reader waits for that. `false` on systems where a process cannot ask for it.
    pub(crate) fn evict(&self, spec: &Spec, path: &Path) -> Result<bool> {
        if !spec.name.ends_with("-cold") {
            return Ok(true);
        }
        let file = fs::File::open(path)?;
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        drop(file);
        Ok(cfg!(target_os = "linux"))
    }
}

#[cfg(test)]
mod tests {
    use super::Scratch;

    #[test]
    fn what_a_killed_run_left_is_deleted_and_one_that_lives_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join("selvedge-bench/sample");
        std::fs::create_dir_all(left.parent().unwrap()).unwrap();
        std::fs::write(&left, "left").unwrap();
        let alive = Scratch::new(parent.path(), false).unwrap();
        assert!(!left.exists() && alive.path().exists());
        let error = Scratch::new(parent.path(), false).unwrap_err();
        assert!(error.to_string().contains("another bench"), "{error}");
        drop(alive);
        assert!(!left.parent().unwrap().exists());
        assert!(Scratch::new(parent.path(), false).is_ok());
    }

    #[test]
    fn a_small_disk_scales_down_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path(), false).unwrap();
        assert_eq!(scratch.fit(100, 1, 10).unwrap(), (100, None));
        // No disk has room for a million files of a terabyte.
        let (count, note) = scratch.fit(1 << 60, 1 << 10, 1).unwrap();
        assert!(count < 1 << 60);
        assert!(note.unwrap().starts_with("Scaled down from"));
        let error = scratch.fit(1 << 60, 1 << 10, 1 << 60).unwrap_err();
        assert!(error.to_string().contains("--scratch"), "{error}");
    }
}
