//! Giving a new file its name, when it is complete.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::lock::share;
use crate::{Error, sys};

/// Makes the folder of a new file at `path`; fails where there is a file and it is not to be
/// replaced, or where no file can be. Returns the first folder above that was there before: those
/// below it are new, and to be put on the medium with the file.
pub(crate) fn make_folder(path: &Path, overwrite: bool) -> Result<PathBuf, Error> {
    if path.is_dir() || path.file_name().is_none() {
        let error = io::ErrorKind::IsADirectory.into();
        return Err(Error::io(path, "create", error));
    }
    if !overwrite && path.symlink_metadata().is_ok() {
        return Err(Error::AlreadyExists {
            path: path.to_owned(),
        });
    }
    let folder = folder(path);
    let oldest = folder.ancestors().find(|folder| folder.is_dir());
    let oldest = oldest.unwrap_or(Path::new(".")).to_owned();
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::io(folder, "create the folder", error))?;
    Ok(oldest)
}

/// Renames `partial`, which is open as `file`, to `path`. Where `synced` names the first folder above
/// that is older than the file, its data are put on the medium before, and the names below that
/// folder after.
pub(crate) fn publish(
    partial: &Path,
    path: &Path,
    file: &File,
    overwrite: bool,
    synced: Option<&Path>,
) -> Result<(), Error> {
    share(path, file)?;
    if synced.is_some() {
        sys::sync_data(file).map_err(|error| Error::io(path, "sync", error))?;
    }
    let renamed = if overwrite {
        std::fs::rename(partial, path)
    } else {
        sys::rename_new(partial, path)
    };
    match renamed {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let path = path.to_owned();
            return Err(Error::AlreadyExists { path });
        }
        Err(error) => return Err(Error::io(path, "give its name to", error)),
    }
    if let Some(oldest) = synced {
        for folder in folder(path).ancestors() {
            let folder = or_here(folder);
            sync(folder)?;
            if folder == oldest {
                break;
            }
        }
    }
    Ok(())
}

/// Gives a new file the permissions of the `old` one that it is to replace and, as far as this user
/// may, its owner.
pub(crate) fn inherit(path: &Path, old: &File, new: &File) -> Result<(), Error> {
    let failed = |error| Error::io(path, "keep the permissions of", error);
    let old = old.metadata().map_err(failed)?;
    let found = new.metadata().map_err(failed)?;
    if (found.uid(), found.gid()) != (old.uid(), old.gid()) {
        // Root may, and others did not expect it.
        let _ = std::os::unix::fs::fchown(new, Some(old.uid()), Some(old.gid()));
    }
    if found.mode() == old.mode() {
        return Ok(());
    }
    new.set_permissions(old.permissions()).map_err(failed)
}

/// Puts the name of the file at `path` on the medium.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    sync(folder(path))
}

fn sync(folder: &Path) -> Result<(), Error> {
    sys::sync_directory(folder).map_err(|error| Error::io(folder, "sync", error))
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    or_here(path.parent().unwrap_or(Path::new("")))
}

/// The folder itself, where a relative path ends, which has no name for it.
fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}
