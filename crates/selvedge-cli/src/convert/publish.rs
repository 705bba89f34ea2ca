//! A file that gets its name when it is complete.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use selvedge_hdf5::Reader;

/// Where the file is built: `.NAME.converting`, beside the place that it will have. What a kill
/// leaves there is replaced by the next conversion.
pub(super) fn hidden(path: &Path) -> anyhow::Result<PathBuf> {
    let Some(name) = path.file_name().filter(|_| !path.is_dir()) else {
        bail!(
            "{} is a folder; expected the name of a file",
            path.display()
        );
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".converting");
    if let Some(folder) = folder(path) {
        let made = fs::create_dir_all(folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    Ok(path.with_file_name(hidden))
}

/// Whether `path` is the name of this open file.
pub(super) fn is_named(file: &File, path: &Path) -> bool {
    let found = file.metadata().ok().zip(path.symlink_metadata().ok());
    found.is_some_and(|(file, named)| (file.dev(), file.ino()) == (named.dev(), named.ino()))
}

/// Removes a file that did not get its name.
pub(super) struct Unnamed(Option<PathBuf>);

impl Unnamed {
    /// The file at `path`, which this process made.
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Some(path))
    }

    /// Puts the file on the disk and gives it the name `path`.
    pub(super) fn publish(mut self, path: &Path, overwrite: bool) -> anyhow::Result<()> {
        let Some(hidden) = self.0.clone() else {
            return Ok(());
        };
        let failed = || format!("cannot put {} on the disk", path.display());
        let file = File::open(&hidden).with_context(failed)?;
        file.sync_all().with_context(failed)?;
        if overwrite {
            check_writers(path)?;
            fs::rename(&hidden, path)
        } else {
            rename_new(&hidden, path)
        }
        .with_context(|| format!("cannot give its name to {}", path.display()))?;
        self.0 = None;
        let folder = folder(path).unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .with_context(failed)
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// Renames a file to a name that there is not yet: a link fails where there is one.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links.
        Err(_) if to.symlink_metadata().is_err() => fs::rename(from, to),
        Err(error) => Err(error),
    }
}

/// Fails where somebody writes the HDF5 file that is to be replaced: what comes after would be lost.
pub(super) fn check_writers(path: &Path) -> anyhow::Result<()> {
    match Reader::open(path) {
        Err(error @ selvedge_hdf5::Error::LockedByHdf5 { .. }) => Err(error.into()),
        Ok(file) if file.has_recorder().unwrap_or(false) => {
            bail!("a recorder is writing {}; finish it first", path.display())
        }
        _ => Ok(()),
    }
}

fn folder(path: &Path) -> Option<&Path> {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
}
