//! The invariants of the dependency graph, as `cargo tree` tells them: crates point down only, and nothing below
//! `selvedge-hdf5` and nothing in `xtask` links HDF5.

mod common;

use std::collections::BTreeSet;
use std::process::Command;

use common::{crates, packages, root};

/// The crates of ours that each crate may depend on, directly or not. A new crate gets a line here.
const MAY_USE: &[(&str, &[&str])] = &[
    ("selvedge-base", &[]),
    ("selvedge-bf16", &[]),
    ("selvedge-deflate", &["selvedge-bf16"]),
    ("selvedge-safetensors", &["selvedge-base", "selvedge-bf16"]),
    (
        "selvedge-hdf5",
        &["selvedge-base", "selvedge-bf16", "selvedge-deflate"],
    ),
    (
        "selvedge-object",
        &[
            "selvedge-base",
            "selvedge-bf16",
            "selvedge-deflate",
            "selvedge-hdf5",
        ],
    ),
    ("selvedge-conventions", &["selvedge-base"]),
    ("selvedge-report", &["selvedge-base", "selvedge-bf16"]),
    (
        "selvedge-view",
        &["selvedge-base", "selvedge-bf16", "selvedge-report"],
    ),
    (
        "selvedge-cli",
        &[
            "selvedge-base",
            "selvedge-bf16",
            "selvedge-conventions",
            "selvedge-deflate",
            "selvedge-hdf5",
            "selvedge-report",
            "selvedge-safetensors",
            "selvedge-view",
        ],
    ),
    (
        "selvedge-python",
        &[
            "selvedge-base",
            "selvedge-bf16",
            "selvedge-cli",
            "selvedge-conventions",
            "selvedge-deflate",
            "selvedge-hdf5",
            "selvedge-report",
            "selvedge-safetensors",
            "selvedge-view",
        ],
    ),
];

/// The crates that may link HDF5.
const LINKS_HDF5: &[&str] = &[
    "selvedge-hdf5",
    "selvedge-object",
    "selvedge-cli",
    "selvedge-python",
];

/// The names of all packages that a package is built from, without itself, for normal and build dependencies.
fn tree(package: &str) -> BTreeSet<String> {
    tree_with(package, &[])
}

/// The same of a package that is built with these features.
fn tree_with(package: &str, features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}", "--package", package])
        .args(["--features", &features.join(",")])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "{package}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("names are Unicode");
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let mut tree: BTreeSet<String> = names.map(str::to_owned).collect();
    assert!(
        tree.remove(package),
        "{package} is not in its own tree:\n{text}"
    );
    tree
}

fn links_hdf5(package: &str) -> bool {
    let tree = tree(package);
    ["hdf5-metno", "hdf5-metno-sys", "hdf5-metno-src"]
        .iter()
        .any(|name| tree.contains(*name))
}

#[test]
fn hdf5_is_linked_where_it_belongs_and_nowhere_else() {
    for package in crates() {
        let may = LINKS_HDF5.contains(&&*package);
        assert_eq!(links_hdf5(&package), may, "{package}: does it link HDF5?");
    }
}

/// The integrations of selvedge-safetensors are features that cost nothing when off.
#[test]
fn features_that_are_off_bring_nothing() {
    let tree = tree("selvedge-safetensors");
    for name in ["ndarray", "candle-core"] {
        assert!(!tree.contains(name), "{name} is in the tree: {tree:?}");
    }
}

/// Object stores are a feature of the program and of the Python package: neither they nor the recorder have anything of
/// them without that.
#[test]
fn object_stores_are_in_no_tree_that_did_not_ask() {
    let with = tree("selvedge-object");
    let asked = ["selvedge-cli", "selvedge-python"];
    let asked = asked.map(|package| (package, tree_with(package, &["object-store"])));
    for name in ["object_store", "tokio", "reqwest", "rustls"] {
        assert!(
            with.contains(name),
            "{name} is not in the tree of selvedge-object"
        );
        for (package, tree) in &asked {
            assert!(
                tree.contains(name),
                "{name} is not in the tree of {package} with its feature"
            );
        }
        for package in ["selvedge-hdf5", "selvedge-cli", "selvedge-python"] {
            assert!(
                !tree(package).contains(name),
                "{name} is in the tree of {package}"
            );
        }
    }
    for name in ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls"] {
        assert!(
            !with.contains(name),
            "TLS goes by ring, and {name} is in the tree"
        );
    }
}

#[test]
fn xtask_depends_on_nothing() {
    assert_eq!(tree("xtask"), BTreeSet::new());
}

#[test]
fn crates_point_down_only() {
    let ours: BTreeSet<String> = crates().into_iter().collect();
    for package in &ours {
        let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| name == package) else {
            panic!("{package} is a new crate: add what it may depend on to MAY_USE");
        };
        let tree = tree(package);
        for used in tree.intersection(&ours) {
            assert!(
                may_use.contains(&&**used),
                "{package} must not depend on {used}"
            );
        }
    }
}

/// A library that depended on the demo or the benches would drag their dependencies along.
#[test]
fn nothing_depends_on_packages_outside_crates() {
    let outside = [
        "xtask",
        "selvedge-benches",
        "selvedge-soak",
        "selvedge-testing",
        "thimble",
    ];
    assert_eq!(
        packages().len(),
        crates().len() + outside.len(),
        "a new package? add it above"
    );
    for package in crates() {
        let tree = tree(&package);
        assert!(
            outside.iter().all(|name| !tree.contains(*name)),
            "{package}: {tree:?}"
        );
    }
}
