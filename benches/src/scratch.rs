//! The folder for the files of a run, and the page cache around them.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Result;
use crate::workload::Workload;

/// A sample is deleted before the next is made, but a file system gives its blocks back when it
/// likes: so this many of the largest file have to fit.
const FILES: u64 = 3;

/// A folder that is deleted with everything in it at the end.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes a folder in `parent`.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn new(parent: &Path) -> Result<Self> {
        fs::create_dir_all(parent)?;
        let folder = tempfile::Builder::new()
            .prefix("selvedge-bench-")
            .tempdir_in(parent)?;
        Ok(Self { folder })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Whether files of `bytes` fit.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn fits(&self, bytes: u64) -> Result<bool> {
        Ok(self.free()? / FILES >= bytes)
    }

    fn free(&self) -> Result<u64> {
        let status = rustix::fs::statvfs(self.path())?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }

    /// Cuts the workload's steps to what fits, and says so.
    ///
    /// # Errors
    ///
    /// Those of the file system, and a disk without room for a hundred steps.
    pub fn fit(&self, workload: &mut Workload) -> Result<Option<String>> {
        let free = self.free()?;
        let most = free / FILES / workload.step_bytes;
        if workload.steps <= most {
            return Ok(None);
        }
        if most < 100 {
            let folder = self.path().display();
            return Err(
                format!("{folder} has only {free} bytes left; set SELVEDGE_BENCH_DIR").into(),
            );
        }
        workload.steps = most;
        Ok(Some(format!(
            "cut to {most} steps: the disk has {free} bytes left"
        )))
    }

    /// Deletes `path`, and waits until nothing is left to be written: what one contender left in the
    /// page cache would be written during the time of the next.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn settle(&self, path: &Path) -> Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        rustix::fs::sync();
        Ok(())
    }

    /// Drops `path`, which has been written back, from the page cache: the next reader waits for the
    /// disk. `false` on systems where a process cannot ask for that.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn evict(&self, path: &Path) -> Result<bool> {
        let file = fs::File::open(path)?;
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        drop(file);
        Ok(cfg!(target_os = "linux"))
    }
}
