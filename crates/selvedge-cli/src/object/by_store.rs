//! Objects, by `selvedge-object`.

use std::path::Path;
use std::time::Duration;

use selvedge_hdf5::{Reader, ReaderOptions};
use selvedge_object::ObjectOptions;

use super::moved::{Pulled, Pushed};
use crate::progress::Progress;

/// Opens the HDF5 file that is the object at `url`.
pub(crate) fn open(url: &str, options: &ReaderOptions) -> anyhow::Result<Reader> {
    let stores = ObjectOptions::default();
    Ok(selvedge_object::open_with(url, &stores, options)?)
}

pub(crate) fn push(path: &Path, url: &str, overwrite: bool) -> anyhow::Result<Pushed> {
    let (stores, mut progress) = (ObjectOptions::default(), Progress::new(0));
    let follow = |done, total| progress.reach("sent and read back", done, total);
    let pushed = selvedge_object::push(path, url, overwrite, &stores, follow);
    progress.finish();
    let pushed = pushed?;
    Ok(Pushed {
        bytes: pushed.bytes,
        gathered: pushed.gathered,
    })
}

pub(crate) fn pull(url: &str, path: &Path, overwrite: bool) -> anyhow::Result<Pulled> {
    let (stores, mut progress) = (ObjectOptions::default(), Progress::new(0));
    let follow = |done, total| progress.reach("fetched", done, total);
    let pulled = selvedge_object::pull(url, path, overwrite, &stores, follow);
    progress.finish();
    let pulled = pulled?;
    Ok(Pulled {
        bytes: pulled.bytes,
        resumed: pulled.resumed,
        verified: pulled.verified,
    })
}

/// How long a store may take to abort an upload when the program is interrupted.
const ABORTING: Duration = Duration::from_secs(10);

/// Aborts what is being sent, if there is something, and returns whether the store did so.
pub(crate) fn abort_uploads() -> Option<bool> {
    selvedge_object::abort_uploads(ABORTING)
}
