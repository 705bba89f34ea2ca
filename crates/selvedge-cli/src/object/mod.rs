//! Files in object stores, of a program that was built with them; one without them says so.

#[cfg(feature = "object-store")]
mod by_store;
mod moved;
#[cfg(not(feature = "object-store"))]
mod without;

use std::path::Path;

use anyhow::bail;
#[cfg(feature = "object-store")]
pub(crate) use by_store::{discard, end_uploads, open, pull, push};
pub(crate) use moved::{Discarded, Pulled, Pushed};
#[cfg(not(feature = "object-store"))]
pub(crate) use without::{discard, end_uploads, open, pull, push};

/// The URL that a path is, if it is one: `s3://bucket/run.h5`.
pub(crate) fn url(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let (scheme, _) = text.split_once("://")?;
    let mut bytes = scheme.bytes();
    let is_scheme = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some(text)
}

/// Checks that a file that is to be read lies on this machine.
///
/// # Errors
///
/// That it is an object, and what fetches it.
pub(crate) fn check_read_here(path: &Path) -> anyhow::Result<()> {
    if let Some(scheme) = url(path).map(scheme) {
        bail!(
            "{scheme}://… is in an object store, and this command reads files of this machine; `selvedge pull URL FILE` \
             makes one of it"
        );
    }
    Ok(())
}

/// Checks that a new file comes to lie on this machine.
///
/// # Errors
///
/// That it would be an object, and what makes one.
pub(crate) fn check_written_here(path: &Path) -> anyhow::Result<()> {
    if let Some(scheme) = url(path).map(scheme) {
        bail!(
            "{scheme}://… is in an object store, and what is written is a file of this machine; name one, and \
             `selvedge push FILE URL` puts it there"
        );
    }
    Ok(())
}

/// What a URL begins with. Of the rest nothing is told: there can be a password in it.
fn scheme(url: &str) -> &str {
    url.split("://").next().unwrap_or_default()
}
