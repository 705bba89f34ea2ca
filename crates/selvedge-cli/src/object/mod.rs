//! Files in object stores, of a program that was built with them; one without them says so.

#[cfg(feature = "object-store")]
mod by_store;
mod moved;
#[cfg(not(feature = "object-store"))]
mod without;

use std::path::Path;

#[cfg(feature = "object-store")]
pub(crate) use by_store::{open, pull, push};
pub(crate) use moved::{Pulled, Pushed};
#[cfg(not(feature = "object-store"))]
pub(crate) use without::{open, pull, push};

/// The URL that a path is, if it is one: `s3://bucket/run.h5`.
pub(crate) fn url(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let (scheme, _) = text.split_once("://")?;
    let mut bytes = scheme.bytes();
    let is_scheme = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some(text)
}
