//! What a figure depends on: the machine, the commit, and versions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use selvedge_testing::{machine, printed};

/// A line for each fact that the system tells: what, and its value.
pub(crate) fn describe(folder: &Path) -> Vec<(String, String)> {
    let mut facts = machine(folder);
    // The load of the last minute: above 0, somebody else was measured too.
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next();
    facts.extend(load.map(|load| ("load before".to_owned(), load.to_owned())));
    facts
}

/// The commit that is measured.
pub(crate) fn commit() -> String {
    printed("git", &["describe", "--always", "--dirty"]).unwrap_or_else(|| "unknown".to_owned())
}

/// The versions of what is measured in this process; those of the peers in Python come from there.
pub(crate) fn versions() -> BTreeMap<String, String> {
    let (major, minor, release) = hdf5::library_version();
    let rust = printed("rustc", &["--version"]).unwrap_or_default();
    let rust = rust.split(' ').nth(1).unwrap_or("unknown");
    let versions = [
        ("Selvedge", env!("CARGO_PKG_VERSION").to_owned()),
        ("HDF5 of Selvedge", format!("{major}.{minor}.{release}")),
        ("Rust", rust.to_owned()),
    ];
    let owned = |(what, value): (&str, String)| (what.to_owned(), value);
    versions.map(owned).into()
}
