//! Where things are in the workspace.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod rust;

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
}

/// The directories of all packages, relative to the root: `members` of the workspace, spelt out.
pub(crate) fn packages() -> Vec<PathBuf> {
    let mut packages: Vec<PathBuf> = ["benches", "testing/soak", "testing/support", "xtask"]
        .map(PathBuf::from)
        .into();
    for parent in ["crates", "examples"] {
        packages.extend(subdirectories(parent).map(|name| Path::new(parent).join(name)));
    }
    packages.retain(|package| root().join(package).join("Cargo.toml").is_file());
    packages
}

/// The names of the directories in `crates/`, which are those of the crates.
pub(crate) fn crates() -> Vec<String> {
    let crates: Vec<_> = subdirectories("crates").collect();
    assert!(crates.len() >= 2, "{crates:?}: is this the root?");
    crates
}

fn subdirectories(parent: &str) -> impl Iterator<Item = String> {
    let parent = root().join(parent);
    let entries = parent
        .read_dir()
        .unwrap_or_else(|error| panic!("{parent:?}: {error}"));
    entries
        .map(|entry| entry.expect("the directory can be listed"))
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().into_string().expect("names are Unicode"))
}
