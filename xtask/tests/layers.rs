//! Imports run down: in each library crate a module names only modules that ARCHITECTURE.md lists before it.
//!
//! The map of each crate is a table "from the bottom up", and its first column gives the order, row by row and from
//! left to right: files, and folders as a whole (`layout/`). A path counts by where it leads, through any number of
//! `pub use`, so nothing hides behind the crate's root. The root itself, and a `mod.rs` that is no part of the map, only
//! gather what others define.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::rust::Modules;
use common::{crates, root};

/// The first column of the map of a crate.
fn map(architecture: &str, name: &str) -> Option<Vec<String>> {
    let heading = format!("In `crates/{name}/src`, from the bottom up:");
    let mut lines = architecture.lines().skip_while(|line| *line != heading);
    lines.next()?;
    let table = lines
        .skip_while(|line| line.is_empty())
        .take_while(|line| line.starts_with('|'));
    let cells = table.filter_map(|line| line.split('|').nth(1));
    let entries = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    Some(entries.map(str::to_owned).collect())
}

/// The place in the map of a file: its own, or that of the innermost folder that has one.
fn place(map: &[String], file: &Path) -> Option<usize> {
    let places = map.iter().enumerate();
    let found = places.filter(|(_, entry)| match entry.strip_suffix('/') {
        // The file of a module that has a folder belongs to it.
        Some(folder) => file.starts_with(folder) || file.with_extension("") == Path::new(folder),
        None => file == Path::new(entry),
    });
    found.max_by_key(|(_, entry)| entry.len()).map(|(at, _)| at)
}

/// What is wrong with the imports of the crate whose sources are at `src`.
fn findings(src: &Path, map: &[String]) -> Vec<String> {
    let modules = Modules::read(src);
    let mut findings = Vec::new();
    for entry in map {
        if !src.join(entry).exists() {
            findings.push(format!("`{entry}` is in the map and not in the tree"));
        }
    }
    for (path, module) in modules.iter() {
        let file = module.file.display();
        let is_root = path.is_empty();
        let here = place(map, &module.file);
        if here.is_none() && !is_root && !module.file.ends_with("mod.rs") {
            findings.push(format!("{file} is not in the map"));
        }
        let mut told = BTreeSet::new();
        for (named, found) in modules.named(path) {
            let other = &modules.get(&found).file;
            if !told.insert(other) {
                continue;
            }
            let Some(there) = place(map, other) else {
                if here.is_some() {
                    let other = other.display();
                    findings.push(format!(
                        "{file}: `{named}` is defined in {other}, which is above all"
                    ));
                }
                continue;
            };
            if here.is_some_and(|here| here < there) {
                let entry = &map[there];
                findings.push(format!("{file}: `{named}` runs up, to `{entry}`"));
            }
        }
    }
    findings
}

#[test]
fn imports_run_down() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map");
    let mut all = Vec::new();
    for name in crates() {
        let Some(map) = map(&architecture, &name) else {
            all.push(format!(
                "ARCHITECTURE.md has no map of {name} from the bottom up"
            ));
            continue;
        };
        let src = root().join("crates").join(&name).join("src");
        let found = findings(&src, &map);
        all.extend(
            found
                .into_iter()
                .map(|finding| format!("{name}: {finding}")),
        );
    }
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

#[test]
fn the_check_can_fail() {
    let src = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layers");
    let _ = fs::remove_dir_all(&src);
    fs::create_dir_all(src.join("top")).expect("a folder");
    for (file, text) in [
        (
            "lib.rs",
            "mod low;\nmod middle;\nmod top;\npub use top::Top;\npub struct Root;\n",
        ),
        (
            "low.rs",
            "// use crate::top::Top;\nuse crate::middle as m;\nfn f() { m::g(\"crate::top::Top\") }\n\
             #[cfg(test)]\nmod tests { use crate::Top; }\n",
        ),
        (
            "middle.rs",
            "use {crate::{Root, Top}, super::low::f};\npub(crate) fn g(_: &str) {}\n",
        ),
        ("top/mod.rs", "mod part;\npub use self::part::Top;\n"),
        (
            "top/part.rs",
            "use crate::middle;\npub struct Top;\nfn h() { middle::g(\"\") }\n",
        ),
        ("other.rs", "use crate::Top;\n"),
    ] {
        fs::write(src.join(file), text).expect("a file");
    }
    let map = ["low.rs", "middle.rs", "top/", "gone.rs"].map(str::to_owned);
    assert_eq!(
        findings(&src, &map),
        [
            "`gone.rs` is in the map and not in the tree",
            "low.rs: `m::g` runs up, to `middle.rs`",
            "middle.rs: `crate::Root` is defined in lib.rs, which is above all",
            "middle.rs: `crate::Top` runs up, to `top/`",
        ]
    );
    let map = ["low.rs", "top/"].map(str::to_owned);
    assert!(findings(&src, &map).contains(&"middle.rs is not in the map".to_owned()));
}
