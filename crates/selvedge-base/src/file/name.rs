//! Names: behind links, on the way, and given once.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::FileError;
use crate::text::fnv1a;

/// Bytes of the longest name that file systems have.
const LONGEST_NAME: usize = 255;

/// The file that is meant by `path`: the one that a symbolic link leads to, as an `open` for writing would
/// take it. It need not be there.
///
/// # Errors
///
/// [`FileError::IsFolder`], and [`FileError::Io`] for an empty path and for links in a circle.
pub fn target(path: &Path) -> Result<PathBuf, FileError> {
    const MOST_LINKS: usize = 40;
    if path.as_os_str().is_empty() {
        let empty = io::Error::new(io::ErrorKind::InvalidInput, "the path is empty");
        return Err(FileError::io(path, "write to")(empty));
    }
    let is_folder = || FileError::IsFolder {
        path: path.to_owned(),
    };
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(is_folder());
    }
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&target) {
            Ok(link) => target = target.parent().unwrap_or(Path::new("")).join(link),
            Err(_) if target.is_dir() || target.file_name().is_none() => return Err(is_folder()),
            Err(_) => return Ok(target),
        }
    }
    Err(FileError::io(path, "follow the symbolic links of")(
        io::Error::other("too many levels of symbolic links"),
    ))
}

/// The folder of a file; that of a bare name is the current one.
pub(super) fn folder_of(path: &Path) -> &Path {
    or_here(path.parent().unwrap_or(Path::new("")))
}

/// The folder itself, where a relative path ends, which has no name for it.
pub(super) fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

/// The name under which the file at `target` is written until it is complete.
pub(super) fn partial_path(target: &Path) -> PathBuf {
    affixed(target, ".", ".partial")
}

/// The name under which the growing file at `target` is written until it is finished.
pub(super) fn unfinished_path(target: &Path) -> PathBuf {
    affixed(target, "", ".unfinished")
}

/// The name that a file of this name is to have when it is complete, if it is named as files are until then.
/// One that would have been too long is cut.
#[must_use]
pub fn name_when_complete(name: &str) -> Option<&str> {
    let hidden = name.strip_prefix('.');
    hidden
        .and_then(|name| name.strip_suffix(".partial"))
        .or_else(|| name.strip_suffix(".unfinished"))
}

fn affixed(path: &Path, before: &str, after: &str) -> PathBuf {
    let own = path.file_name().unwrap_or_default();
    let mut name = OsString::from(before);
    if own.len() + before.len() + after.len() <= LONGEST_NAME {
        name.push(own);
    } else {
        // What is left of it, and a number that tells it from others that begin so.
        let bytes = own.as_bytes();
        let mut kept = LONGEST_NAME - 40;
        // Within a character of UTF-8 the name would be no text any more.
        while kept > 0 && bytes.get(kept).is_some_and(|byte| byte & 0xC0 == 0x80) {
            kept -= 1;
        }
        name.push(OsStr::from_bytes(&bytes[..kept]));
        name.push(format!("-{:016x}", fnv1a(bytes)));
    }
    name.push(after);
    path.with_file_name(name)
}

/// Renames `from` to `to`, and fails where `to` exists.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`], and those of renaming.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        other => return Ok(other?),
    }
    // A file system without the flag. A second name is never an old one's, either.
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without second names: the check and the renaming are then two calls.
        Err(_) if to.symlink_metadata().is_err() => fs::rename(from, to),
        Err(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_characters_and_told_apart() {
        let shown = |path: PathBuf| path.display().to_string();
        assert_eq!(shown(partial_path(Path::new("a/x.h5"))), "a/.x.h5.partial");
        assert_eq!(shown(unfinished_path(Path::new("x"))), "x.unfinished");
        for (name, expected) in [
            (".x.h5.partial", Some("x.h5")),
            ("x.unfinished", Some("x")),
            ("x.partial", None),
            (".x.h5", None),
        ] {
            assert_eq!(name_when_complete(name), expected);
        }
        let longest = format!("{}a.h5", "ü".repeat(125));
        let other = format!("{}b.h5", "ü".repeat(125));
        let [one, two] = [&longest, &other].map(|name| partial_path(Path::new(name)));
        assert_ne!(one, two);
        for path in [one, two] {
            assert!(path.to_str().is_some_and(|name| name.len() <= LONGEST_NAME));
        }
    }

    #[test]
    fn a_name_is_given_once() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        let error = rename_new(&from, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&to).unwrap(), "old");
        fs::remove_file(&to).unwrap();
        rename_new(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "new");
        assert!(!from.exists());
    }
}
