//! Objects, by `selvedge-object`.

use std::path::Path;
use std::time::Duration;

use selvedge_hdf5::{Reader, ReaderOptions};
use selvedge_object::{ObjectOptions, PushEvent};

use super::moved::{Discarded, Ended, Pulled, Pushed};
use crate::progress::Progress;

/// Opens the HDF5 file that is the object at `url`.
pub(crate) fn open(url: &str, options: &ReaderOptions) -> anyhow::Result<Reader> {
    let stores = ObjectOptions::default();
    Ok(selvedge_object::open_with(url, &stores, options)?)
}

/// Puts a file into a store; `note` is told what somebody should know who waits for that.
pub(crate) fn push(
    path: &Path,
    url: &str,
    overwrite: bool,
    mut note: impl FnMut(&str) + Send,
) -> anyhow::Result<Pushed> {
    let (stores, mut progress) = (ObjectOptions::default(), Progress::new(0));
    let follow = |event| match event {
        PushEvent::Reached { done, total } => progress.reach("sent and read back", done, total),
        PushEvent::Anew { reason } => note(&format!("all is sent anew: {reason}")),
        PushEvent::NotResumable { reason } => note(&format!(
            "if this `push` is interrupted, the next one begins anew: {reason}"
        )),
        _ => {}
    };
    let pushed = selvedge_object::push(path, url, overwrite, &stores, follow);
    progress.finish();
    let pushed = pushed?;
    Ok(Pushed {
        bytes: pushed.bytes,
        resumed: pushed.resumed,
        gathered: pushed.gathered,
    })
}

pub(crate) fn discard(path: &Path, url: &str) -> anyhow::Result<Discarded> {
    use selvedge_object::Discarded as Found;

    let stores = ObjectOptions::default();
    Ok(match selvedge_object::discard_push(path, url, &stores)? {
        Found::Upload { bytes } => Discarded::Upload(bytes),
        Found::Object { bytes } => Discarded::Object(bytes),
        Found::Journal => Discarded::Journal,
        _ => Discarded::Nothing,
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

/// How long the end of an upload may take when the program is interrupted.
const ENDING: Duration = Duration::from_secs(10);

/// Ends what is being sent, and returns what became of it.
pub(crate) fn end_uploads() -> Ended {
    let ended = selvedge_object::end_uploads(ENDING);
    Ended {
        kept: ended.kept,
        read_back: ended.read_back,
        aborted: ended.aborted,
        left: ended.left,
    }
}
