//! Why a file cannot be looked into.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use selvedge_base::text::shell_path;
use selvedge_base::{FileError, debug_as_chain};
use selvedge_hdf5::{Bytes, ReadError, StorageError};

use crate::source::{ArrayError, Kind};

/// A file that is no tensor file, or a damaged one, whose message names the path; or one of its tensors.
#[derive(thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    File(#[from] FileError),
    /// A file in an object store.
    #[error("{0:#}")]
    Object(anyhow::Error),
    #[error("there is no {}{}", path.display(), also(path, instead, folder))]
    Missing {
        path: PathBuf,
        /// The first folder of its path that is not there, either.
        folder: Option<PathBuf>,
        /// What there is under a name like it.
        instead: Option<PathBuf>,
    },
    /// A symbolic link.
    #[error(
        "{} is a link to {}, which is not there; name the file itself, or make the link anew",
        path.display(), target.display()
    )]
    Dangling {
        path: PathBuf,
        /// What it says where it leads.
        target: PathBuf,
    },
    #[error(
        "{} is a folder{}", path.display(), within(path, inside)
    )]
    Folder {
        path: PathBuf,
        /// The names of the tensor files in it.
        inside: Vec<OsString>,
    },
    #[error("{} is no regular file; expected an HDF5, safetensors, .npy or .npz file: save what it gives as one", path.display())]
    Special { path: PathBuf },
    #[error(
        "{} is empty; expected an HDF5, safetensors, .npy or .npz file. The program that was to write it \
         stopped before it wrote anything, or the disk was full", path.display()
    )]
    Empty { path: PathBuf },
    #[error(
        "{} is a pointer of Git LFS or git-annex and not the file itself; `git lfs pull` or `git annex get` fetches it",
        path.display()
    )]
    Pointer { path: PathBuf },
    #[error(
        "{} is neither HDF5 nor safetensors nor an array of NumPy: it starts with {start}; expected \
         \"\\x89HDF\" for HDF5, 8 bytes with the length of a header and \"{{\" for safetensors, \
         \"\\x93NUMPY\" for .npy, or \"PK\" for .npz", path.display()
    )]
    UnknownFormat {
        path: PathBuf,
        /// Its first bytes, escaped and quoted.
        start: String,
    },
    #[error(
        "{} is not finished: its writer is at work or died; if it died, \
         `selvedge recover {}` makes a file of the rows that are there",
        path.display(), shell_path(path)
    )]
    Unfinished { path: PathBuf },
    #[error(
        "{} is a part of a file out of an object store: the same `selvedge pull` goes on with it, and without that it \
         can be deleted",
        path.display()
    )]
    Pulled { path: PathBuf },
    #[error(
        "{} is the journal of an upload into an object store: the same `selvedge push` goes on with that, and with \
         --discard gives it up",
        path.display()
    )]
    PushJournal { path: PathBuf },
    #[error(
        "a step of tensor `{tensor}` needs {} of memory, which the system does not give",
        Bytes(*bytes)
    )]
    NoMemory {
        tensor: String,
        /// Bytes that were asked for.
        bytes: u64,
    },
    /// A tensor whose values are not read.
    #[error("tensor `{tensor}` of {} {why}", path.display())]
    Tensor {
        path: PathBuf,
        tensor: String,
        /// What it is or holds, as a clause about it.
        why: String,
    },
    #[error("{}, and `{tensor}` is {what}", flag(assumed))]
    Assumed {
        tensor: String,
        assumed: &'static Kind,
        /// What it is.
        what: String,
    },
    #[error(transparent)]
    Array(#[from] ArrayError),
    #[error(transparent)]
    Hdf5(#[from] ReadError),
    #[error(transparent)]
    Safetensors(#[from] selvedge_safetensors::ReadError),
}

debug_as_chain!(Unreadable);

impl From<StorageError> for Unreadable {
    fn from(error: StorageError) -> Self {
        Self::Hdf5(error.into())
    }
}

impl Unreadable {
    /// Whether it says that there is no file of the name.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Dangling { .. })
    }

    /// Whether it says that values are lost: they should be in the file, and reading them failed.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Hdf5(error) => error.is_damage(),
            Self::Safetensors(error) => error.is_damage(),
            Self::Array(_) => true,
            _ => false,
        }
    }
}

/// What the flag takes that says what a tensor is.
fn flag(assumed: &Kind) -> String {
    match assumed.name {
        "bfloat16" => "--assume-bf16 takes a uint16 tensor".to_owned(),
        name => format!("--assume takes bits without a type for {name}"),
    }
}

fn also(path: &Path, instead: &Option<PathBuf>, folder: &Option<PathBuf>) -> String {
    let is_pattern = |path: &Path| {
        path.as_os_str()
            .as_bytes()
            .iter()
            .any(|c| b"*?[".contains(c))
    };
    match instead {
        _ if path == Path::new("-") => {
            "; a file is named by its path, for standard input is not read".to_owned()
        }
        Some(path) => format!("; did you mean {}?", path.display()),
        None if folder.is_none() && is_pattern(path) => {
            "; no file has a name like that, or it stands in quotes, where a shell does not look for any".to_owned()
        }
        None => match folder {
            Some(folder) => format!(", for there is no folder {}", folder.display()),
            None => String::new(),
        },
    }
}

/// What to name in place of a folder.
fn within(folder: &Path, inside: &[OsString]) -> String {
    let [first, rest @ ..] = inside else {
        return " without a tensor file; name a file".to_owned();
    };
    let one = shell_path(&folder.join(first));
    let ending = Path::new(first).extension().unwrap_or_default();
    let is_alike = |name: &&OsString| Path::new(name).extension() == Some(ending);
    match rest.iter().find(is_alike) {
        None => format!("; name what is in it, such as {one}"),
        // The shell has to find the star outside of quotes.
        Some(_) => format!(
            "; name what is in it, such as {one}, or where several are taken {}/*.{}",
            shell_path(folder),
            ending.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::{Path, PathBuf};

    use selvedge_base::FileError;
    use selvedge_hdf5::StorageError;
    use selvedge_safetensors::{HeaderError, ReadError};
    use selvedge_testing::{check_messages, each_variant};

    use super::Unreadable;
    use crate::source::{ArrayError, Kind};

    #[test]
    fn messages_are_clauses_and_leave_the_cause_to_the_source() {
        let path = || PathBuf::from("a.h5");
        let (word, refused) = (|| "W".to_owned(), || io::Error::other("refused"));
        let file = || FileError::io(Path::new("a.h5"), "open")(refused());
        let assumed = Kind::named("bfloat16").expect("a dtype");
        let header = ReadError::Header {
            path: path(),
            source: HeaderError::TooShort { found: 3 },
        };
        let all = each_variant!(Unreadable {
            File(file())
            Object(anyhow::anyhow!("cannot read s://b/a.h5"))
            Missing { path: path(), folder: None, instead: Some(path()) }
            Dangling { path: path(), target: path() }
            Folder { path: path(), inside: vec!["b.h5".into(), "c.h5".into()] }
            Special { path: path() }
            Empty { path: path() }
            Pointer { path: path() }
            UnknownFormat { path: path(), start: word() }
            Unfinished { path: path() }
            Pulled { path: path() }
            PushJournal { path: path() }
            NoMemory { tensor: word(), bytes: 1 }
            Tensor { path: path(), tensor: word(), why: word() }
            Assumed { tensor: word(), assumed, what: word() }
            Array(ArrayError::io(Path::new("a.npy"), "cannot be opened", refused()))
            Hdf5(StorageError::from(file()).into())
            Safetensors(header)
        });
        check_messages(&all, 4);
    }
}
