//! Which format a file has: by its contents, not by its name.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use selvedge_base::{FileError, Pointer, is_pulled, is_push_journal, nearest, open_regular};
use serde::Serialize;

use super::Unreadable;
use crate::source::{npy, npz};

/// The formats that there are readers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    Hdf5,
    Safetensors,
    /// One array of `NumPy`.
    Npy,
    /// Arrays of `NumPy` in a zip archive.
    Npz,
}

const HDF5: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// The longest header of a safetensors file, in bytes.
const MAX_HEADER: u64 = 100_000_000;
/// As much of a file as is quoted where its format is unknown, in bytes.
const QUOTED: usize = 16;

impl Format {
    /// Looks at the first bytes of the file at `path`.
    ///
    /// # Errors
    ///
    /// Where there is no such file, or it is none of these formats.
    pub(crate) fn detect(path: &Path) -> Result<Self, Unreadable> {
        // Before it is opened: a pipe would wait for its writer.
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(path)),
            Err(error) => return Err(FileError::io(path, "open")(error).into()),
        };
        let path_buf = || path.to_owned();
        if metadata.is_dir() {
            return Err(folder(path));
        }
        if !metadata.is_file() {
            return Err(Unreadable::Special { path: path_buf() });
        }
        if metadata.len() == 0 {
            return Err(Unreadable::Empty { path: path_buf() });
        }
        if is_pulled(path) {
            return Err(Unreadable::Pulled { path: path_buf() });
        }
        if is_push_journal(path) {
            return Err(Unreadable::PushJournal { path: path_buf() });
        }
        if path.extension().is_some_and(|end| end == "unfinished") {
            return Err(Unreadable::Unfinished { path: path_buf() });
        }
        let file = open_regular(path).map_err(FileError::io(path, "open"))?;
        let mut buffer = [0; 32];
        let count = file.read_at(&mut buffer, 0);
        let count = count.map_err(FileError::io(path, "read"))?;
        let start = &buffer[..count];
        if is_hdf5(&file, metadata.len()) {
            return Ok(Self::Hdf5);
        }
        if start.starts_with(npy::MAGIC) {
            return Ok(Self::Npy);
        }
        if npz::MAGIC.iter().any(|magic| start.starts_with(magic)) {
            return Ok(Self::Npz);
        }
        if Pointer::of(start).is_some() {
            return Err(Unreadable::Pointer { path: path_buf() });
        }
        // A file of the right name is given to its reader, which says best what is wrong with it.
        let named = path.extension().is_some_and(|end| end == "safetensors");
        if named || is_safetensors(start, metadata.len()) {
            return Ok(Self::Safetensors);
        }
        let quoted = &start[..count.min(QUOTED)];
        Err(Unreadable::UnknownFormat {
            path: path_buf(),
            start: format!("\"{}\"", quoted.escape_ascii()),
        })
    }

    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hdf5 => "HDF5",
            Self::Safetensors => "safetensors",
            Self::Npy => ".npy of NumPy",
            Self::Npz => ".npz of NumPy",
        }
    }
}

/// HDF5's signature is at the start, or after a user block of 512 bytes, 1024, and so on.
fn is_hdf5(file: &File, len: u64) -> bool {
    let blocks = std::iter::successors(Some(512_u64), |block| block.checked_mul(2));
    std::iter::once(0)
        .chain(blocks.take_while(|&block| block < len))
        .any(|at| {
            let mut found = [0; HDF5.len()];
            file.read_exact_at(&mut found, at).is_ok() && found == HDF5
        })
}

fn is_safetensors(start: &[u8], len: u64) -> bool {
    let Some((length, rest)) = start.split_first_chunk() else {
        return false;
    };
    let length = u64::from_le_bytes(*length);
    rest.first() == Some(&b'{') && length <= MAX_HEADER && length <= len
}

/// Checks that there is something at `path`, for files that are read here and are no tensor files.
///
/// # Errors
///
/// That there is not.
pub(crate) fn check_there(path: &Path) -> Result<(), Unreadable> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(path)),
        // What else hinders it is told by whoever opens it.
        _ => Ok(()),
    }
}

/// The error of a file that is not there: of a link that leads nowhere, or of nothing.
fn missing(path: &Path) -> Unreadable {
    if let Ok(target) = fs::read_link(path) {
        return Unreadable::Dangling {
            path: path.to_owned(),
            target,
        };
    }
    let folders: Vec<&Path> = path.ancestors().skip(1).collect();
    let named = folders
        .into_iter()
        .rev()
        .filter(|folder| !folder.as_os_str().is_empty());
    Unreadable::Missing {
        path: path.to_owned(),
        folder: named
            .into_iter()
            .find(|folder| !folder.exists())
            .map(Path::to_owned),
        instead: similar(path),
    }
}

/// The error of a folder in the place of a file.
pub(crate) fn folder(path: &Path) -> Unreadable {
    const ENDINGS: [&str; 5] = ["h5", "hdf5", "safetensors", "npy", "npz"];
    let entries = fs::read_dir(path).into_iter().flatten();
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let is_tensor_file = |name: &OsString| {
        let ending = Path::new(name).extension().and_then(OsStr::to_str);
        ending.is_some_and(|ending| ENDINGS.contains(&ending))
    };
    let mut inside: Vec<OsString> = names.filter(is_tensor_file).collect();
    inside.sort_unstable();
    Unreadable::Folder {
        path: path.to_owned(),
        inside,
    }
}

/// A file beside the one that is missing, whose name differs in little.
fn similar(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    let found = nearest(name, names.iter().map(String::as_str))?;
    Some(path.with_file_name(found))
}
