//! Reading small files whole that somebody else made: configuration, notebooks, settings of git.
//!
//! Under such a name there can be anything. A pipe waits for its writer, a device or a file of `/proc`
//! may have no end, and a text can be larger than the memory. So only a regular file is read, and of it
//! no more than was asked for.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::disk;
use crate::units::Bytes;

/// The longest text file that is read whole, in bytes, where nothing else is said: configuration, a
/// baseline, settings of git.
pub const LONGEST_TEXT: u64 = 16 << 20;

/// What a file stands for whose content lies elsewhere and has not been fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// An object of Git LFS.
    GitLfs,
    /// A key of git-annex; only its unlocked files are such.
    GitAnnex,
}

impl Pointer {
    /// By what the file begins with; `None` of any other file.
    #[must_use]
    pub fn of(start: &[u8]) -> Option<Self> {
        match start {
            _ if start.starts_with(b"version https://git-lfs") => Some(Self::GitLfs),
            _ if start.starts_with(b"/annex/objects/") => Some(Self::GitAnnex),
            _ => None,
        }
    }
}

/// Opens the file at `path` for reading, if it is a regular one. It waits for nobody.
///
/// # Errors
///
/// The system's, and what it is that is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // To open a device can be to do something with it, so most are told before.
    check(&fs::metadata(path)?)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    // There can be another file under the name by now.
    check(&file.metadata()?)?;
    Ok(file)
}

/// Checks that it is a regular file.
pub(crate) fn check(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let what = if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    let what = format!("it is {what}, and no regular file");
    Err(io::Error::new(ErrorKind::InvalidInput, what))
}

/// Opens a file that is open once more, for reading, with a position and locks of its own.
///
/// It is the same file, also where another one has got its name since. Where the system cannot open it
/// so, it is opened by `path`, one of its names.
///
/// # Errors
///
/// The errors of opening, and [`io::ErrorKind::NotFound`] where `path` is no name of it any more.
pub fn reopen_regular(file: &File, path: &Path) -> io::Result<File> {
    if let Some(path) = disk::path_of(file) {
        return open_regular(&path);
    }
    let again = open_regular(path)?;
    match disk::is_same(&again.metadata()?, &file.metadata()?) {
        true => Ok(again),
        false => Err(io::Error::new(
            ErrorKind::NotFound,
            "another file has got its name",
        )),
    }
}

/// Reads the regular file at `path` into `buffer`, which is emptied before.
///
/// # Errors
///
/// The errors of [`open_regular`], and [`ErrorKind::FileTooLarge`] where it has more than `most` bytes.
pub fn read_regular(path: &Path, most: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    let file = open_regular(path)?;
    let length = file.metadata()?.len();
    let too_large = || {
        let what = format!("it has more than {}, the most that is read", Bytes(most));
        io::Error::new(ErrorKind::FileTooLarge, what)
    };
    if length > most {
        return Err(too_large());
    }
    let room = usize::try_from(length).unwrap_or(usize::MAX);
    buffer.try_reserve(room.saturating_add(1))?;
    // It may say less than it has, as those of `/proc` do, or grow.
    file.take(most + 1).read_to_end(buffer)?;
    if buffer.len() as u64 > most {
        buffer.clear();
        return Err(too_large());
    }
    Ok(())
}

/// The text of the regular file at `path`.
///
/// # Errors
///
/// The errors of [`read_regular`], with [`LONGEST_TEXT`], and [`ErrorKind::InvalidData`] where it is not
/// UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    read_regular(path, LONGEST_TEXT, &mut bytes)?;
    String::from_utf8(bytes)
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, error.utf8_error()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use selvedge_testing::make_pipe;

    use super::*;

    /// Each is asked for without a writer at its other end, so a wait would have no end.
    #[test]
    fn what_is_no_regular_file_is_told_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let check = |path: &Path, expected: &str| {
            let found = open_regular(path).unwrap_err().to_string();
            assert!(found.contains(expected), "{path:?}: {found}");
            assert!(read_text(path).is_err());
        };
        let pipe = folder.path().join("pipe");
        make_pipe(&pipe);
        check(&pipe, "a pipe");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        check(&link, "a pipe");
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        check(&socket, "a socket");
        check(Path::new("/dev/zero"), "a device");
        check(Path::new("/dev/null"), "a device");
        check(folder.path(), "is a directory");
        check(&folder.path().join("none"), "No such file");
    }

    #[test]
    fn no_more_is_read_than_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        fs::write(&path, "12345").unwrap();
        let mut buffer = vec![1];
        read_regular(&path, 5, &mut buffer).unwrap();
        assert_eq!(buffer, b"12345");
        let error = read_regular(&path, 4, &mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_eq!(
            error.to_string(),
            "it has more than 4 B, the most that is read"
        );
        // A hole of a terabyte takes no room on the disk, and must take none in memory.
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        assert_eq!(
            read_text(&path).unwrap_err().kind(),
            ErrorKind::FileTooLarge
        );
    }

    /// Files of `/proc` are regular, and say that they have no bytes.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_says_it_is_empty_is_read_up_to_the_limit() {
        let path = Path::new("/proc/self/status");
        let mut buffer = Vec::new();
        read_regular(path, LONGEST_TEXT, &mut buffer).unwrap();
        assert!(buffer.starts_with(b"Name:"));
        let error = read_regular(path, 10, &mut buffer).unwrap_err();
        assert_eq!((error.kind(), buffer.len()), (ErrorKind::FileTooLarge, 0));
    }

    /// A file that was just opened had its name taken by another one, which was opened in its place.
    #[test]
    fn an_open_file_is_opened_once_more_whatever_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["x.h5", "y.h5"].map(|name| folder.path().join(name));
        fs::write(&path, "old").unwrap();
        fs::write(&other, "new").unwrap();
        let file = File::open(&path).unwrap();
        fs::rename(&other, &path).unwrap();
        let again = reopen_regular(&file, &path);
        if disk::path_of(&file).is_none() {
            assert_eq!(again.unwrap_err().kind(), ErrorKind::NotFound);
            return;
        }
        assert_eq!(io::read_to_string(again.unwrap()).unwrap(), "old");
    }
}
