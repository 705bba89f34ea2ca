//! Which files may be opened beside the one that was named: none, or those inside of a folder.
//!
//! A file can name others: by external links, as sources of a virtual dataset, as external storage. Who
//! made it chose the names, and who opens it may not know him.

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use selvedge_base::open_regular;

/// Which files may be opened beside the one that was named: those inside of this folder, whose path has no
/// links in it; `None` where none may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OtherFiles(Option<Arc<Path>>);

thread_local! {
    /// The first file that was [refused](refusal) to this thread. libhdf5 asks for files within the calls of
    /// whoever wants to know, and tells no reason.
    static REFUSED: RefCell<Option<Refusal>> = const { RefCell::new(None) };
}

/// The first file that was refused to this thread since this was called the last time.
pub(crate) fn refusal() -> Option<Refusal> {
    REFUSED.take()
}

/// A file that is not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) file: PathBuf,
    pub(crate) why: Why,
}

/// Why a file is not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nobody asked for other files.
    NotAsked,
    /// It lies outside of this folder.
    Outside(PathBuf),
    /// It is a folder, a pipe, a socket or a device.
    NotRegular,
    /// It would be open for writing.
    ToBeWritten,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str(
                "other files are read only where that is asked for, and inside of a folder \
                 (`follow_links`; `--follow-links[=DIR]`)",
            ),
            Self::Outside(folder) => write!(
                f,
                "it lies outside of {}, inside of which links are followed",
                folder.display()
            ),
            Self::NotRegular => f.write_str("it is a folder, a pipe, a socket or a device"),
            Self::ToBeWritten => f.write_str("no file but the one that was named is changed"),
        }
    }
}

impl OtherFiles {
    /// Those inside of `folder`, wherever links in its path lead.
    ///
    /// # Errors
    ///
    /// Why there is no such folder.
    pub(crate) fn inside(folder: &Path) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        if !folder.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(Self(Some(folder.into())))
    }

    /// Whether any may be opened.
    pub(crate) fn any(&self) -> bool {
        self.0.is_some()
    }

    /// Opens another file for reading, or to be written too, which is refused. A file that is refused is
    /// not opened, and where nobody asked for others not looked at; nothing is waited for.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) with the reason, and those of the system.
    pub(crate) fn open(&self, path: &Path, write: bool) -> io::Result<File> {
        let refuse = |why: Why| {
            let error = io::Error::new(ErrorKind::PermissionDenied, why.to_string());
            let file = path.to_owned();
            REFUSED.with_borrow_mut(|refused| {
                refused.get_or_insert(Refusal { file, why });
            });
            error
        };
        let Some(folder) = &self.0 else {
            return Err(refuse(Why::NotAsked));
        };
        if write {
            return Err(refuse(Why::ToBeWritten));
        }
        let found = path.canonicalize()?;
        if !found.starts_with(&**folder) {
            return Err(refuse(Why::Outside(folder.to_path_buf())));
        }
        match open_regular(&found) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidInput | ErrorKind::IsADirectory
                ) =>
            {
                Err(refuse(Why::NotRegular))
            }
            opened => opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OtherFiles, Why, refusal};

    #[test]
    fn only_files_inside_of_the_folder_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("in")).unwrap();
        for name in ["in/a", "b"] {
            std::fs::write(path(name), "text").unwrap();
        }
        std::os::unix::fs::symlink("../b", path("in/link")).unwrap();
        std::os::unix::fs::symlink("a", path("in/near")).unwrap();
        let inside = OtherFiles::inside(&path("in")).unwrap();
        let why = |others: &OtherFiles, name: &str, write: bool| {
            let opened = others.open(&path(name), write);
            let refused = refusal();
            assert_eq!(opened.is_ok(), refused.is_none());
            refused.map(|refusal| refusal.why)
        };
        let outside = Some(Why::Outside(path("in").canonicalize().unwrap()));
        assert_eq!(why(&inside, "in/a", false), None);
        assert_eq!(why(&inside, "in/near", false), None);
        assert_eq!(why(&inside, "in/a", true), Some(Why::ToBeWritten));
        assert_eq!(why(&inside, "b", false), outside);
        assert_eq!(why(&inside, "in/../b", false), outside);
        assert_eq!(why(&inside, "in/link", false), outside);
        assert_eq!(why(&inside, "in", false), Some(Why::NotRegular));
        assert_eq!(
            why(&OtherFiles::default(), "in/a", false),
            Some(Why::NotAsked)
        );
        assert!(OtherFiles::inside(&path("none")).is_err());
        assert!(OtherFiles::inside(&path("b")).is_err());
    }
}
