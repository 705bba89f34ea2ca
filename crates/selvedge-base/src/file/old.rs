//! What is at the name that a new file is to have.

use std::fs::Metadata;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::{FileError, LockedFile, disk};

/// Checks that a new file may get the name `target`, which is no link; `None` where there is
/// nothing, else what is known of the file that it replaces.
///
/// # Errors
///
/// [`FileError::AlreadyExists`], [`FileError::IsFolder`], [`FileError::NotRegular`] and
/// [`FileError::WriteProtected`].
pub fn check_target(target: &Path, overwrite: bool) -> Result<Option<Metadata>, FileError> {
    let Ok(old) = target.symlink_metadata() else {
        return Ok(None);
    };
    let path = target.to_owned();
    let kind = old.file_type();
    if kind.is_dir() {
        return Err(FileError::IsFolder { path });
    }
    if !overwrite {
        return Err(FileError::AlreadyExists { path });
    }
    // A rename would replace a pipe or a device, `/dev/null` for one, by a file.
    if !kind.is_file() {
        let found = match () {
            () if kind.is_fifo() => "a pipe",
            () if kind.is_socket() => "a socket",
            () if kind.is_symlink() => "a symbolic link",
            () => "a device",
        };
        return Err(FileError::NotRegular { path, found });
    }
    // A rename asks the folder only, and would replace what somebody has protected.
    if !disk::may_write(target) {
        return Err(FileError::WriteProtected { path });
    }
    Ok(Some(old))
}

/// Claims the file at `target`, if there is one that may be replaced: whoever writes it keeps it, and
/// nobody may start to meanwhile, whose steps would be lost.
pub(super) fn claim(target: &Path, overwrite: bool) -> Result<Option<LockedFile>, FileError> {
    if check_target(target, overwrite)?.is_none() {
        return Ok(None);
    }
    LockedFile::claim(target).map(Some)
}
