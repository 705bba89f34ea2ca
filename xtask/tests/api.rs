//! What each library offers, in `docs/generated/api`: a line for each thing that is public. A change of it is seen in review.
//!
//! The lines are made of rustdoc's JSON, which the pinned toolchain gives to nobody but itself; `RUSTC_BOOTSTRAP` says
//! that this is what it is for, to rustdoc alone.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{crates, root};

/// Set to anything, it has the lists written instead of compared.
const UPDATE: &str = "SELVEDGE_UPDATE_API";

#[test]
fn what_is_public_is_what_is_listed() {
    let folder = documented();
    let lists = root().join("docs/generated/api");
    let mut wrong = Vec::new();
    let mut expected: Vec<String> = Vec::new();
    // What Python calls is listed by the package's own stubs.
    for name in crates().iter().filter(|name| *name != "selvedge-python") {
        let json = folder.join(format!("{}.json", name.replace('-', "_")));
        let api = public_api::Builder::from_rustdoc_json(&json)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .omit_auto_derived_impls(true)
            .build()
            .unwrap_or_else(|error| panic!("{}: {error}", json.display()));
        let found: String = api.items().map(|item| format!("{item}\n")).collect();
        let list = lists.join(format!("{name}.txt"));
        if std::env::var_os(UPDATE).is_some() {
            fs::create_dir_all(&lists).expect("a folder");
            fs::write(&list, &found).expect("a list");
        }
        let committed = fs::read_to_string(&list).unwrap_or_default();
        wrong.extend(differences(name, &committed, &found));
        expected.push(format!("{name}.txt"));
    }
    let listed = lists.read_dir().expect("docs/generated/api");
    let mut listed: Vec<String> = listed
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    listed.sort();
    expected.sort();
    assert_eq!(
        listed, expected,
        "docs/generated/api has a list for each crate, and nothing else"
    );
    assert!(
        wrong.is_empty(),
        "\n{}\nIf that is meant, say so in CHANGELOG.md, and have the lists written anew:\n  \
         {UPDATE}=1 cargo test -p xtask --test api",
        wrong.join("\n")
    );
}

/// The lines that only one of the two has.
fn differences(name: &str, committed: &str, found: &str) -> Vec<String> {
    let only = |sign, a: &str, b: &str| -> Vec<String> {
        let others: std::collections::BTreeSet<&str> = b.lines().collect();
        a.lines()
            .filter(|line| !others.contains(line))
            .map(|line| format!("{sign} {name}: {line}"))
            .collect()
    };
    [only('-', committed, found), only('+', found, committed)].concat()
}

/// Has all libraries documented as JSON, and returns where that is. The build products are those that the pages of
/// `cargo doc` are made with.
fn documented() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let rustdoc = target.join("rustdoc-as-json");
    fs::write(
        &rustdoc,
        "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n",
    )
    .expect("a script");
    fs::set_permissions(&rustdoc, fs::Permissions::from_mode(0o755)).expect("its mode");
    let target = target.parent().expect("the target directory");
    let output = Command::new(env!("CARGO"))
        .args(["doc", "--workspace", "--lib", "--all-features", "--no-deps"])
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTDOC", &rustdoc)
        .env(
            "RUSTDOCFLAGS",
            "-Zunstable-options --output-format json --cap-lints allow",
        )
        .output()
        .expect("cargo can be started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    target.join("doc")
}
