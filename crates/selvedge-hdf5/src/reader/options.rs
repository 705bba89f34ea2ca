//! How a file is opened, where that is not as any file is.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Reader;
use crate::other_files::OtherFiles;
use crate::ranges::RangeReader;
use crate::{StorageError, ffi};

/// What is done for a file beside reading it: nothing, unless it is asked for here, but that the sources of
/// virtual datasets are read if they lie in the folder of the file or below it. A file of a stranger can name
/// any other file, and any filter.
///
/// ```
/// # use selvedge_hdf5::Reader;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("view.h5");
/// # hdf5::File::create(&path)?.close()?;
/// let file = Reader::options().follow_links().open(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing happens before `open`"]
pub struct ReaderOptions {
    links: Links,
    plugins: bool,
}

/// Which links to other files are followed.
#[derive(Clone, Debug, Default)]
enum Links {
    #[default]
    None,
    /// Those that stay in the folder of the file.
    Beside,
    /// Those that stay there, or in this folder.
    Inside(PathBuf),
}

impl ReaderOptions {
    /// Reads other files that the file names, if they lie in the folder of the file or below it: at the
    /// other end of external links, as sources of virtual datasets, and as external storage. A path counts
    /// as it is when all links of the file system in it have been followed. No such file is ever written.
    /// Default: sources of virtual datasets alone; others are [told](Reader::notes) and not opened.
    pub fn follow_links(mut self) -> Self {
        self.links = Links::Beside;
        self
    }

    /// As [`follow_links`](Self::follow_links), and of files in `folder` or below it, too.
    pub fn follow_links_inside(mut self, folder: impl Into<PathBuf>) -> Self {
        self.links = Links::Inside(folder.into());
        self
    }

    /// Lets libhdf5 load filters that are not part of this program, which is to run their code, from the
    /// folders that the environment names in `HDF5_PLUGIN_PATH`, and from no other. From then on it does so
    /// for all files of this process. Default: no.
    pub fn load_plugins(mut self) -> Self {
        self.plugins = true;
        self
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::open`]; [`StorageError::File`] where there is no folder inside of which links are to be
    /// followed.
    pub fn open(&self, path: impl Into<PathBuf>) -> Result<Reader, StorageError> {
        self.open_as(path.into(), None)
    }

    /// Opens the file at `path`, or the one that is open as `held` and was opened by that path.
    pub(crate) fn open_as(
        &self,
        path: PathBuf,
        held: Option<&File>,
    ) -> Result<Reader, StorageError> {
        if self.plugins {
            ffi::load_plugins();
        }
        let others = self.others(&path)?;
        Reader::open_beside(path, held, &others)
    }

    /// Opens a file that lies elsewhere, and whose bytes `ranges` has. In errors it goes by `name`, such as its
    /// URL. It is read and never changed, and no other file is opened beside it, nor followed to.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open), and those of `ranges`.
    pub fn open_ranges(
        &self,
        name: impl Into<PathBuf>,
        ranges: Arc<dyn RangeReader>,
    ) -> Result<Reader, StorageError> {
        if self.plugins {
            ffi::load_plugins();
        }
        Reader::open_ranges(name.into(), ranges)
    }

    fn others(&self, path: &Path) -> Result<OtherFiles, StorageError> {
        let folder = match &self.links {
            Links::None => return Ok(OtherFiles::sources_of(path)),
            Links::Beside => None,
            Links::Inside(folder) => Some(&**folder),
        };
        OtherFiles::inside(path, folder).map_err(|error| {
            StorageError::io(folder.unwrap_or(path), "follow links inside of", error)
        })
    }
}
