//! What of our dependencies runs while the project is built: build scripts and procedural macros, with what each is
//! for. Both do what they like with the rights of whoever builds, so a new one is read before it gets its line here.

mod common;

use std::collections::BTreeSet;
use std::process::Command;

use common::root;
use serde_json::Value;

/// Build scripts. None of them fetches anything from a network.
const BUILD_SCRIPTS: &[(&str, &[&str])] = &[
    (
        "sets flags for the version of the compiler, the system or the features",
        &[
            "ahash",
            "anyhow",
            "constant_time_eq",
            "corosensei",
            "crc32fast",
            "crossbeam-deque",
            "crossbeam-epoch",
            "crossbeam-utils",
            "generic-array",
            "getrandom",
            "httparse",
            "icu_normalizer_data",
            "icu_properties_data",
            "jsonschema-value",
            "libc",
            "libm",
            "matrixmultiply",
            "nix",
            "num-traits",
            "object",
            "parking_lot_core",
            "paste",
            "portable-atomic",
            "proc-macro2",
            "quote",
            "radium",
            "ref-cast",
            "rustix",
            "rustls",
            "rustversion",
            "serde",
            "serde_core",
            "serde_json",
            "thiserror",
            "zerocopy",
            "zmij",
        ],
    ),
    ("does nothing but for its own tests", &["pulldown-cmark"]),
    (
        "sets flags for the Python that is built for, which it starts and asks unless it is told not to",
        &["pyo3", "pyo3-ffi"],
    ),
    ("sets a flag for the features", &["pyo3-macros-backend"]),
    (
        "writes the names of this system as source, and asks the compiler for its version",
        &["target-lexicon"],
    ),
    (
        "tells the linker where Python's symbols come from",
        &["selvedge-python"],
    ),
    (
        "keeps a second version of itself out, by the key `links`",
        &["rayon-core"],
    ),
    (
        "writes source that it has computed",
        &["pulp", "unicode-general-category", "unicode_names2"],
    ),
    (
        "compiles C, C++ or assembly that is in its package",
        &[
            "esaxx-rs",
            "libdeflate-sys",
            "libz-sys",
            "lzf-sys",
            "psm",
            "ring",
            "stacker",
        ],
    ),
    (
        "compiles HDF5, which is in its package, with CMake",
        &["hdf5-metno-src"],
    ),
    (
        "finds the HDF5 that was compiled, and its version",
        &["hdf5-metno", "hdf5-metno-sys", "hdf5-metno-types"],
    ),
];

/// Procedural macros.
const PROC_MACROS: &[(&str, &[&str])] = &[
    (
        "errors, and what types are called",
        &["displaydoc", "thiserror-impl"],
    ),
    (
        "asynchronous functions, and what they tell while they run",
        &[
            "async-trait",
            "futures-macro",
            "tokio-macros",
            "tracing-attributes",
        ],
    ),
    ("data as JSON and back", &["monostate-impl", "serde_derive"]),
    ("command lines", &["clap_derive"]),
    ("views of bytes", &["bytemuck_derive", "zerocopy-derive"]),
    ("types of HDF5", &["hdf5-metno-derive"]),
    ("modules, classes and functions of Python", &["pyo3-macros"]),
    (
        "methods of the types of ruff's parser: which variant one is, what memory it takes",
        &["get-size-derive2", "is-macro"],
    ),
    (
        "code that other macros of dependencies are made of",
        &[
            "attribute-derive-macro",
            "darling_macro",
            "derive-where",
            "derive_builder_macro",
            "dyn-stack-macros",
            "macro_rules_attribute-proc_macro",
            "manyhow-macros",
            "paste",
            "pastey",
            "quote-use-macros",
            "ref-cast-impl",
            "rustversion",
            "seq-macro",
            "strum_macros",
        ],
    ),
    (
        "values that borrow, or are emptied, of dependencies of candle and of URLs",
        &[
            "yoke-derive",
            "zerofrom-derive",
            "zeroize_derive",
            "zerovec-derive",
        ],
    ),
];

/// What cargo says of all packages that this system builds, with all features.
fn metadata() -> Value {
    let host = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc starts");
    let host = String::from_utf8(host.stdout).expect("names are Unicode");
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--all-features",
        ])
        .args(["--filter-platform", host.expect("rustc names the system")])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The names of the packages that have a target of the kind, ours and others.
fn found(metadata: &Value, kind: &str) -> BTreeSet<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let nodes = list(&metadata["resolve"]["nodes"]);
    let built: BTreeSet<String> = nodes.iter().map(|node| node["id"].to_string()).collect();
    let has = |target: &Value| list(&target["kind"]).iter().any(|found| found == kind);
    let packages = list(&metadata["packages"]);
    assert!(packages.len() > 100, "only {} packages", packages.len());
    let packages = packages
        .iter()
        .filter(|package| built.contains(&package["id"].to_string()))
        .filter(|package| list(&package["targets"]).iter().any(has));
    packages
        .map(|package| package["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn what_runs_while_we_build_has_been_read() {
    let metadata = metadata();
    for (kind, listed) in [("custom-build", BUILD_SCRIPTS), ("proc-macro", PROC_MACROS)] {
        let found = found(&metadata, kind);
        let listed = listed.iter().flat_map(|(_, names)| *names);
        let listed: BTreeSet<String> = listed.map(|name| (*name).to_owned()).collect();
        let new: Vec<_> = found.difference(&listed).collect();
        assert!(
            new.is_empty(),
            "{kind}: {new:?} run while we build: read what they do, and add them with it"
        );
        // Other systems build some packages less.
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            let gone: Vec<_> = listed.difference(&found).collect();
            assert!(gone.is_empty(), "{kind}: {gone:?} are listed and not built");
        }
    }
}
