//! No objects: a program that was built without them.

use std::path::Path;

use selvedge_hdf5::{Reader, ReaderOptions};

use super::moved::{Discarded, Ended, Pulled, Pushed};

/// That this program has nothing to reach an object with.
fn refused<T>(url: &str) -> anyhow::Result<T> {
    if !url.contains("://") {
        let name = url.trim_start_matches('/');
        anyhow::bail!("`{url}` is no URL; expected that of an object, such as s3://bucket/{name}");
    }
    let scheme = super::scheme(url);
    anyhow::bail!(
        "{scheme}://… is an object, and this program was built without what reaches those; in a copy of Selvedge's \
         source `cargo install --locked --path crates/selvedge-cli --features object-store` makes one that does"
    )
}

pub(crate) fn open(url: &str, _: &ReaderOptions) -> anyhow::Result<Reader> {
    refused(url)
}

pub(crate) fn push(
    _: &Path,
    url: &str,
    _: bool,
    _: impl FnMut(&str) + Send,
) -> anyhow::Result<Pushed> {
    refused(url)
}

pub(crate) fn discard(_: &Path, url: &str) -> anyhow::Result<Discarded> {
    refused(url)
}

pub(crate) fn pull(url: &str, _: &Path, _: bool) -> anyhow::Result<Pulled> {
    refused(url)
}

pub(crate) fn end_uploads() -> Ended {
    Ended::default()
}
