//! What can go wrong between a path and a complete file under it, and how errors are told with their causes.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::text::shell_path;

/// Displays an error with its sources, for a text that must stand alone: `cannot open a.h5: no such file`.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// Makes the `Debug` of errors their message with its [sources](Chain): what `unwrap` and a `main` that
/// returns an error print.
#[macro_export]
macro_rules! debug_as_chain {
    ($($error:ty),+) => {$(
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", $crate::Chain(self))
            }
        }
    )+};
}

/// Why a file could not be read, locked, written under its partial name, or given its final one.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused an operation on a file or folder.
    #[error("cannot {action} {}{}", path.display(), advice(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A folder, where the name of a file was expected.
    #[error("{} is a folder; expected the name of a file", path.display())]
    IsFolder {
        /// The path that was given.
        path: PathBuf,
    },
    /// A pipe, a socket or a device, which a rename would replace by a file.
    #[error(
        "{} is not a regular file but {found}, which is not replaced; write under another name",
        path.display()
    )]
    NotRegular {
        /// The path that was given.
        path: PathBuf,
        /// What it is, with its article.
        found: &'static str,
    },
    /// There is a file of this name, and it was not to be replaced.
    #[error(
        "{} exists already; write under another name, or allow that it is replaced (`overwrite`; `--overwrite`)",
        path.display()
    )]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// The file that was to be replaced is write-protected.
    #[error(
        "{} is write-protected; make it writable (`chmod u+w`) or write under another name",
        path.display()
    )]
    WriteProtected {
        /// The file.
        path: PathBuf,
    },
    /// Another writer is at work on the same file.
    #[error(
        "{} is writing {}{}; wait for it or stop it (in a notebook: `finish` or delete the old one, \
         or restart the kernel)", who(partial.as_deref()), path.display(), within(partial.as_deref())
    )]
    InUse {
        /// The file.
        path: PathBuf,
        /// The other name under which it is written until it is complete; `None` where it is written
        /// under its own.
        partial: Option<PathBuf>,
    },
    /// Another program holds the lock that HDF5 programs take for writing.
    #[error("another program has {} open for writing; close it there first", path.display())]
    OpenForWriting {
        /// The file.
        path: PathBuf,
    },
    /// Another program has the file open, which nobody else may have open while it changes.
    #[error("{} is open elsewhere; close it there first", path.display())]
    OpenElsewhere {
        /// The file.
        path: PathBuf,
    },
    /// A growing file was left unfinished, and holds what nobody has looked at.
    #[error(
        "{} was left by a writer that did not finish; make {} of it (`recover`; `selvedge recover {}`), \
         or delete it to start anew (`discard_unfinished(true)`)", unfinished.display(), path.display(),
        shell_path(unfinished)
    )]
    Unfinished {
        /// The file that was to be.
        path: PathBuf,
        /// The file that was left.
        unfinished: PathBuf,
    },
    /// There is nothing that an earlier writer left.
    #[error(
        "there is nothing to recover for {}: expected {}", path.display(), unfinished.display()
    )]
    NothingLeft {
        /// The file that was to be.
        path: PathBuf,
        /// The file that an unfinished writer would have left.
        unfinished: PathBuf,
    },
    /// Something that no writer makes has the name that a file is written under.
    #[error(
        "{} is {found}, which no writer leaves there; remove it, or move the file it stands for \
         here", path.display()
    )]
    InTheWay {
        /// The partial name.
        path: PathBuf,
        /// What it is, with its article.
        found: &'static str,
    },
    /// The file on its way is no longer under its partial name.
    #[error(
        "another program removed or replaced {} while it was written, so there is nothing to give \
         the name to; write it again", path.display()
    )]
    Replaced {
        /// The partial name.
        path: PathBuf,
    },
    /// A handle that another process made, of which this one is a copy that `fork` made.
    #[error(
        "{handle} of {} belongs to process {process}, from which this one was forked; go on with it \
         there, or make another one here", path.display()
    )]
    OtherProcess {
        /// The file.
        path: PathBuf,
        /// What was made, such as `this recorder`.
        handle: &'static str,
        /// The process that made it.
        process: u32,
    },
}

debug_as_chain!(FileError);

/// What there is to do about an error of the system, in brackets.
fn advice(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE) => " (raise the limit of open files, `ulimit -n`)",
        _ => "",
    }
}

impl FileError {
    /// The error of the system at this `action`, as in "cannot {action} {path}".
    pub fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }

    /// The file or folder that it is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::IsFolder { path }
            | Self::NotRegular { path, .. }
            | Self::AlreadyExists { path }
            | Self::WriteProtected { path }
            | Self::InUse { path, .. }
            | Self::OpenForWriting { path }
            | Self::OpenElsewhere { path }
            | Self::Unfinished { path, .. }
            | Self::NothingLeft { path, .. }
            | Self::InTheWay { path, .. }
            | Self::Replaced { path }
            | Self::OtherProcess { path, .. } => path,
        }
    }
}

/// Under its own name a file is written by those who record steps.
fn who(partial: Option<&Path>) -> &'static str {
    partial.map_or("another recorder", |_| "another recorder or save")
}

fn within(partial: Option<&Path>) -> String {
    partial.map_or_else(String::new, |partial| format!(", in {}", partial.display()))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use selvedge_testing::{check_messages, each_variant};

    use super::FileError;

    #[test]
    fn messages_name_the_file_and_leave_the_cause_to_the_source() {
        let path = || "a.h5".into();
        let refused = FileError::io(Path::new("a.h5"), "open")(io::Error::other("refused"));
        assert_eq!(format!("{refused:?}"), "cannot open a.h5: refused");
        let all = each_variant!(FileError {
            Io { path: path(), action: "open", source: io::Error::other("refused") }
            IsFolder { path: path() }
            NotRegular { path: path(), found: "a pipe" }
            AlreadyExists { path: path() }
            WriteProtected { path: path() }
            InUse { path: path(), partial: Some(".a.h5.partial".into()) }
            OpenForWriting { path: path() }
            OpenElsewhere { path: path() }
            Unfinished { path: path(), unfinished: "a.h5.unfinished".into() }
            NothingLeft { path: path(), unfinished: "a.h5.unfinished".into() }
            InTheWay { path: path(), found: "a folder" }
            Replaced { path: path() }
            OtherProcess { path: path(), handle: "this recorder", process: 7 }
        });
        check_messages(&all, 1);
        assert!(all.iter().all(|error| error.to_string().contains("a.h5")));
    }
}
