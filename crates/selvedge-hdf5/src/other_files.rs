//! Which files may be opened beside the one that was named: those inside of some folders where that was asked
//! for, else sources of virtual datasets in the folder of the file.
//!
//! A file can name others: by external links, as sources of a virtual dataset, as external storage. Who
//! made it chose the names, and who opens it may not know him. A virtual dataset is nothing without its
//! sources, which are HDF5 files themselves and mostly lie beside it; a link or storage can be anything.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf, absolute};
use std::sync::Arc;

use rustix::io::Errno;
use selvedge_base::{FileError, Mutex, disk, open_regular};

/// Which files may be opened beside the one that was named.
#[derive(Clone, Debug, Default)]
pub(crate) enum OtherFiles {
    /// None at all.
    #[default]
    None,
    /// Sources of virtual datasets beside the file.
    Sources(Arc<Sources>),
    /// All inside of one of these folders, whose paths have no links in them.
    Inside(Arc<[PathBuf]>),
}

/// The sources of the virtual datasets of a file.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The folder of the file, whose path has no links in it.
    folder: PathBuf,
    /// Those that were [looked at](OtherFiles::open_source), by paths without links.
    found: Mutex<HashSet<PathBuf>>,
}

/// Whether both let open the same files.
impl PartialEq for OtherFiles {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Sources(one), Self::Sources(other)) => Arc::ptr_eq(one, other),
            (Self::Inside(one), Self::Inside(other)) => one == other,
            _ => false,
        }
    }
}

thread_local! {
    /// The first file that was [refused](refusal) to this thread. libhdf5 asks for files within the calls of
    /// whoever wants to know, and tells no reason.
    static REFUSED: RefCell<Option<Refusal>> = const { RefCell::new(None) };
    /// The first file that libhdf5 could not open in this thread while it [worked with a dataset](with_sources),
    /// although it may.
    static FAILED: RefCell<Option<(PathBuf, io::Error)>> = const { RefCell::new(None) };
    /// Whether libhdf5, in this thread, works with a dataset that is open, and asks for no file but for its
    /// sources. Else it may be following a link.
    static DATASET: Cell<bool> = const { Cell::new(false) };
}

/// Calls `work`, which has libhdf5 work with a dataset that is open and follow no link: it may open the
/// sources of it that were [looked at](OtherFiles::open_source).
///
/// # Errors
///
/// That one of them could not be opened: libhdf5 would give fill values for it.
pub(crate) fn with_sources<T>(work: impl FnOnce() -> T) -> Result<T, FileError> {
    FAILED.take();
    let before = DATASET.replace(true);
    let result = work();
    DATASET.set(before);
    match FAILED.take() {
        Some((path, error)) => Err(FileError::io(&path, "open")(error)),
        None => Ok(result),
    }
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
    /// Nobody asked for other files, and it is a source in another folder.
    Elsewhere,
    /// There are none beside an object.
    Alone,
    /// It lies outside of these folders.
    Outside(Arc<[PathBuf]>),
    /// It is a folder, a pipe, a socket or a device.
    NotRegular,
    /// It would be open for writing.
    ToBeWritten,
    /// Another program has it open for writing.
    BeingWritten,
    /// The system does not open it.
    Failed(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str(
                "other files than sources of virtual datasets in the folder of the file are read only where \
                 that is asked for, and inside of a folder (`follow_links`; `--follow-links[=DIR]`)",
            ),
            Self::Elsewhere => f.write_str(
                "its name leads out of the folder of the file, and sources of virtual datasets in another one are read \
                 only where that is asked for, and inside of a folder (`follow_links_inside`; `--follow-links=DIR`)",
            ),
            Self::Alone => f.write_str(
                "no other file is opened beside this one; where it is an object, fetch both into one folder (`pull`)",
            ),
            Self::Outside(folders) => {
                let folders = folders.iter().map(|folder| folder.display().to_string());
                let folders = folders.collect::<Vec<_>>().join(" and ");
                write!(
                    f,
                    "it lies outside of {folders}, inside of which links are followed \
                     (`follow_links_inside`; `--follow-links=DIR`)"
                )
            }
            Self::NotRegular => f.write_str("it is a folder, a pipe, a socket or a device"),
            Self::BeingWritten => f.write_str("another program has it open for writing"),
            Self::Failed(why) => write!(f, "the system does not open it: {why}"),
            Self::ToBeWritten => f.write_str("no file but the one that was named is changed"),
        }
    }
}

impl OtherFiles {
    /// Those inside of `folder` or of the one of the file at `path`, wherever links in their paths lead.
    ///
    /// # Errors
    ///
    /// Why there is no such folder.
    pub(crate) fn inside(path: &Path, folder: Option<&Path>) -> io::Result<Self> {
        let mut folders = vec![folder_of(path)];
        if let Some(folder) = folder {
            let folder = folder.canonicalize()?;
            if !folder.is_dir() {
                return Err(ErrorKind::NotADirectory.into());
            }
            folders.push(folder);
            folders.dedup();
        }
        Ok(Self::Inside(folders.into()))
    }

    /// The sources of the virtual datasets of the file at `path` that lie in its folder or below it.
    pub(crate) fn sources_of(path: &Path) -> Self {
        Self::Sources(Arc::new(Sources {
            folder: folder_of(path),
            found: Mutex::default(),
        }))
    }

    /// Whether those may be opened that links lead to.
    pub(crate) fn any(&self) -> bool {
        matches!(self, Self::Inside(_))
    }

    /// Why a file is not opened that a link leads to, where [none](Self::any) is.
    pub(crate) fn why_not(&self) -> Why {
        match self {
            Self::None => Why::Alone,
            Self::Sources(_) | Self::Inside(_) => Why::NotAsked,
        }
    }

    /// Opens another file for reading, or to be written too, which is refused. A file that is refused is
    /// not opened, and where nobody asked for others not looked at; nothing is waited for.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) with the reason, and those of the system.
    pub(crate) fn open(&self, path: &Path, write: bool) -> io::Result<File> {
        let folders = match self {
            Self::Inside(folders) if !write => folders,
            Self::Inside(_) => return Err(refuse(path, Why::ToBeWritten)),
            Self::Sources(sources) if !write && DATASET.get() => {
                let found = sources.found.lock();
                return match path.canonicalize() {
                    Ok(path) if found.contains(&path) => open_source(&path),
                    // It was there a moment ago.
                    Err(error) if absolute(path).is_ok_and(|path| found.contains(&path)) => {
                        Err(fail(path, error))
                    }
                    _ => Err(refuse(path, Why::NotAsked)),
                };
            }
            _ => return Err(refuse(path, self.why_not())),
        };
        let found = path.canonicalize()?;
        if !folders.iter().any(|folder| found.starts_with(folder)) {
            return Err(refuse(path, Why::Outside(Arc::clone(folders))));
        }
        match DATASET.get() {
            true => open_source(&found),
            false => open_other(&found),
        }
    }

    /// Refuses a source of a virtual dataset whose name alone says that it lies elsewhere: it is not even
    /// looked at.
    pub(crate) fn check_source(&self, name: &Path) -> io::Result<()> {
        let Self::Sources(sources) = self else {
            return Ok(());
        };
        let leads_up = name.components().any(|part| part == Component::ParentDir);
        if leads_up || (name.is_absolute() && !name.starts_with(&sources.folder)) {
            return Err(refuse(name, Why::Elsewhere));
        }
        Ok(())
    }

    /// Opens a source of a virtual dataset for reading. libhdf5 may open it, too, from then on.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub(crate) fn open_source(&self, path: &Path) -> io::Result<File> {
        let Self::Sources(sources) = self else {
            return self.open(path, false);
        };
        let found = path.canonicalize()?;
        if !found.starts_with(&sources.folder) {
            return Err(refuse(path, Why::Elsewhere));
        }
        let file = open_other(&found)?;
        sources.found.lock().insert(found);
        Ok(file)
    }
}

/// The folder of the file at `path`, by a path without links. A file that is not there is told by whoever opens
/// it.
fn folder_of(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.parent().unwrap_or(&path).to_owned()
}

/// Opens a source for libhdf5, which is not told why there is none: whoever asked it is.
fn open_source(path: &Path) -> io::Result<File> {
    open_other(path).map_err(|error| fail(path, error))
}

/// Keeps why libhdf5 could not open a source, and returns it.
fn fail(path: &Path, error: io::Error) -> io::Error {
    let told = match error.kind() {
        ErrorKind::NotFound => io::Error::new(error.kind(), "it was there a moment ago"),
        _ => io::Error::new(error.kind(), with_advice(&error)),
    };
    let failed = (path.to_owned(), told);
    FAILED.with_borrow_mut(|first| {
        first.get_or_insert(failed);
    });
    error
}

/// Keeps that the system does not open a file that is there, where libhdf5 follows a link: it would be told as one
/// that is not there.
pub(crate) fn not_followed(path: &Path, error: io::Error) -> io::Error {
    let is_there = error.raw_os_error().is_some() && error.kind() != ErrorKind::NotFound;
    if is_there && !DATASET.get() {
        refuse(path, Why::Failed(with_advice(&error)));
    }
    error
}

/// An error of opening a source, and what helps where there are too many of them.
pub(crate) fn with_advice(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE) => format!(
            "{error}; raise the limit of open files (`ulimit -n`): files that a file names stay open with it"
        ),
        _ => error.to_string(),
    }
}

/// Opens the file at a path without links, and keeps HDF5 programs from writing it as long as it is open.
fn open_other(path: &Path) -> io::Result<File> {
    let file = open_regular(path).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::IsADirectory => refuse(path, Why::NotRegular),
        _ => error,
    })?;
    match disk::share(&file) {
        true => Ok(file),
        false => Err(refuse(path, Why::BeingWritten)),
    }
}

/// The error that the file at `path` is not opened, which is [kept](refusal), too.
fn refuse(path: &Path, why: Why) -> io::Error {
    let error = io::Error::new(ErrorKind::PermissionDenied, why.to_string());
    let file = path.to_owned();
    REFUSED.with_borrow_mut(|refused| {
        refused.get_or_insert(Refusal { file, why });
    });
    error
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{OtherFiles, Why, refusal, with_sources};

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
        std::fs::create_dir(path("own")).unwrap();
        std::fs::write(path("own/view"), "text").unwrap();
        let inside = OtherFiles::inside(&path("own/view"), Some(&path("in"))).unwrap();
        let why = |others: &OtherFiles, name: &str, write: bool| {
            let opened = others.open(&path(name), write);
            let refused = refusal();
            assert_eq!(opened.is_ok(), refused.is_none());
            refused.map(|refusal| refusal.why)
        };
        let folders = ["own", "in"].map(|name| path(name).canonicalize().unwrap());
        let outside = Some(Why::Outside(folders.into()));
        assert_eq!(why(&inside, "own/view", false), None);
        assert_eq!(why(&inside, "in/a", false), None);
        assert_eq!(why(&inside, "in/near", false), None);
        assert_eq!(why(&inside, "in/a", true), Some(Why::ToBeWritten));
        assert_eq!(why(&inside, "b", false), outside);
        assert_eq!(why(&inside, "in/../b", false), outside);
        assert_eq!(why(&inside, "in/link", false), outside);
        assert_eq!(why(&inside, "in", false), Some(Why::NotRegular));
        assert_eq!(why(&OtherFiles::default(), "in/a", false), Some(Why::Alone));
        let sources = OtherFiles::sources_of(&path("in/view"));
        assert_eq!(why(&sources, "in/a", false), Some(Why::NotAsked));
        let folder = path("in").canonicalize().unwrap();
        assert!(sources.open_source(&folder.join("a")).is_ok());
        assert_eq!(why(&sources, "in/a", false), Some(Why::NotAsked));
        with_sources(|| {
            assert_eq!(why(&sources, "in/a", false), None);
            assert_eq!(why(&sources, "in/near", false), None);
            assert_eq!(why(&sources, "in/a", true), Some(Why::NotAsked));
        })
        .unwrap();
        // What libhdf5 would take for a gap is an error.
        std::fs::rename(path("in/a"), path("in/c")).unwrap();
        let opened = with_sources(|| sources.open(&folder.join("a"), false));
        assert!(opened.unwrap_err().to_string().contains("in/a"));
        with_sources(|| ()).unwrap();
        std::fs::rename(path("in/c"), path("in/a")).unwrap();
        let refused = || refusal().map(|refusal| refusal.why);
        for name in ["../a", "in/../../a", "/dev/null"] {
            assert!(sources.check_source(Path::new(name)).is_err());
            assert_eq!(refused(), Some(Why::Elsewhere));
        }
        assert!(sources.check_source(Path::new("b/a")).is_ok());
        assert!(sources.check_source(&folder.join("a")).is_ok());
        for name in ["b", "in/../b", "in/link"] {
            assert!(sources.open_source(&path(name)).is_err());
            assert_eq!(refused(), Some(Why::Elsewhere));
            assert_eq!(why(&sources, name, false), Some(Why::NotAsked));
        }
        for none in ["none", "b"] {
            assert!(OtherFiles::inside(&path("own/view"), Some(&path(none))).is_err());
        }
    }
}
