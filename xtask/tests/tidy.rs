//! Invariants of the source tree that no compiler checks.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::rust::tokens;
use common::{crates, packages, root};

/// What a check found: every line is a file, a place and a complaint.
fn check(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// Files that git tracks or would track, relative to the root, with their text. Binary files are left out.
fn files() -> Vec<(PathBuf, String)> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .expect("git lists the files of the project");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names = String::from_utf8(output.stdout).expect("file names are Unicode");
    let files: Vec<_> = names
        .split_terminator('\0')
        .filter_map(|name| {
            Some((
                PathBuf::from(name),
                fs::read_to_string(root().join(name)).ok()?,
            ))
        })
        .collect();
    assert!(
        files.len() > 20,
        "only {} files: is this the root?",
        files.len()
    );
    files
}

fn rust_files() -> impl Iterator<Item = (PathBuf, String)> {
    files()
        .into_iter()
        .filter(|(path, _)| has_extension(path, &["rs"]))
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
}

/// `src/lib.rs`, `src/main.rs`, `build.rs`, and each file directly in `src/bin`, `tests`, `benches` and `examples`.
fn is_crate_root(path: &Path) -> bool {
    let Some(package) = packages()
        .into_iter()
        .find(|package| path.starts_with(package))
    else {
        return false;
    };
    let inside = path.strip_prefix(&package).expect("just found");
    let parent = inside.parent().unwrap_or(Path::new(""));
    ["src/lib.rs", "src/main.rs", "build.rs"]
        .iter()
        .any(|root| inside == Path::new(root))
        || ["src/bin", "tests", "benches", "examples"]
            .iter()
            .any(|dir| parent == Path::new(dir))
}

/// `path:line: what` for each line that the predicate complains of.
fn lines(path: &Path, text: &str, complaint: impl Fn(&str) -> Option<String>) -> Vec<String> {
    (1..)
        .zip(text.lines())
        .filter_map(|(number, line)| {
            complaint(line).map(|what| format!("{}:{number}: {what}", path.display()))
        })
        .collect()
}

#[test]
fn crate_roots_start_with_documentation() {
    let roots: Vec<_> = rust_files()
        .filter(|(path, _)| is_crate_root(path))
        .collect();
    assert!(
        roots
            .iter()
            .any(|(path, _)| path == Path::new("xtask/tests/tidy.rs"))
    );
    assert!(
        roots
            .iter()
            .any(|(path, _)| path == Path::new("crates/selvedge-bf16/src/lib.rs"))
    );
    let findings: Vec<_> = roots
        .iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| {
            format!(
                "{}: a crate root starts with its `//!` documentation",
                path.display()
            )
        })
        .collect();
    check(&findings);
}

/// What the list of a suite does not name is not compiled, and its tests never run.
#[test]
fn every_file_of_a_suite_is_in_its_list() {
    let suites = rust_files().filter(|(path, _)| {
        let folder = path.parent();
        folder.is_some_and(|folder| folder.ends_with("tests/suite"))
    });
    let suites: Vec<PathBuf> = suites.map(|(path, _)| path).collect();
    assert!(suites.len() > 60, "only {}", suites.len());
    let is_left_out = |path: &&PathBuf| {
        let list = fs::read_to_string(root().join(path.with_file_name("main.rs")));
        let name = path.file_stem().expect("a name").to_string_lossy();
        name != "main" && !list.is_ok_and(|list| list.contains(&format!("\nmod {name};\n")))
    };
    let told = |path: &PathBuf| format!("{}: not in the `main.rs` beside it", path.display());
    check(
        &suites
            .iter()
            .filter(is_left_out)
            .map(told)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn files_are_short() {
    let findings: Vec<_> = rust_files()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 600)
        .map(|(path, lines)| {
            format!(
                "{}: {lines} lines; split it, the limit is 600",
                path.display()
            )
        })
        .collect();
    check(&findings);
}

#[test]
fn nothing_is_left_for_later() {
    // In two pieces each, so that this file does not find itself.
    let patterns = [
        ("#[ig", "nore"),
        ("to", "do!("),
        ("unimple", "mented!("),
        ("db", "g!("),
    ]
    .map(joined);
    let findings: Vec<_> = rust_files()
        .flat_map(|(path, text)| {
            lines(&path, &text, |line| {
                patterns
                    .iter()
                    .find(|pattern| calls(line, pattern))
                    .map(|hit| format!("`{hit}`"))
            })
        })
        .collect();
    check(&findings);
}

/// Whether the pattern stands in the line, and not as the end of a longer name.
fn calls(line: &str, pattern: &str) -> bool {
    line.match_indices(pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

fn has_unsafe_code(text: &str) -> bool {
    tokens(text).iter().any(|token| token == "unsafe")
}

/// Sources of packages, without their tests: relative to the root, with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let of_a_package = |path: &Path| {
        let mut packages = packages().into_iter();
        packages.any(|package| path.starts_with(package.join("src")))
    };
    let mut sources: Vec<_> = rust_files()
        .filter(|(path, _)| of_a_package(path))
        .collect();
    sources.sort();
    sources
}

#[test]
fn unsafe_code_is_where_the_map_says() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map");
    let invariant = "**Architecture Invariant:** only these files have `unsafe` code:";
    let paragraphs = architecture.split("\n\n");
    let mut paragraphs = paragraphs.filter_map(|paragraph| paragraph.strip_prefix(invariant));
    let paragraph = paragraphs.next().expect("the invariant");
    let listed = paragraph.split('`').skip(1).step_by(2);
    let mut listed: Vec<PathBuf> = listed
        .filter(|path| path.contains("/src/"))
        .map(PathBuf::from)
        .collect();
    listed.sort();
    let sources = sources().into_iter();
    let found = sources.filter(|(_, text)| has_unsafe_code(text));
    let found: Vec<PathBuf> = found.map(|(path, _)| path).collect();
    assert_eq!(
        found, listed,
        "left: those that have it; right: those that ARCHITECTURE.md lists"
    );
}

/// Opening by a path waits where a pipe lies there, and reading to the end has no end where it is a device.
#[test]
fn files_of_others_are_opened_in_one_place() {
    let allowed = [
        // The place.
        "crates/selvedge-base/src/regular.rs",
        // Folders, to put them on the disk.
        "crates/selvedge-base/src/file/partial.rs",
        // A file of the system about this process.
        "crates/selvedge-cli/src/interrupt.rs",
    ];
    let findings: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| path.starts_with("crates") && !path.ends_with("tests.rs"))
        .filter(|(path, _)| !allowed.iter().any(|allowed| path == Path::new(allowed)))
        .flat_map(|(path, text)| {
            let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            lines(&path, code, opens_by_path)
        })
        .collect();
    check(&findings);
}

fn opens_by_path(line: &str) -> Option<String> {
    let named = [
        "File::open(",
        "fs::read(",
        "read_to_string(",
        "print!(",
        "println!(",
        "eprint!(",
        "eprintln!(",
    ];
    let comment = line.trim_start().starts_with("//");
    let found = named.iter().find(|name| !comment && calls(line, name))?;
    Some(match found.strip_suffix("!(") {
        Some(name) => format!("`{name}!`: what the program prints goes through its `output.rs`"),
        None => format!("`{found}..)`: `selvedge_base::open_regular` and its like wait for nobody"),
    })
}

/// People and networks set the clock on the wall, and the times of files are what it said.
#[test]
fn nothing_is_decided_by_the_clock_on_the_wall() {
    let findings: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| path.starts_with("crates"))
        .filter(|(path, _)| path != Path::new("crates/selvedge-base/src/clock.rs"))
        .flat_map(|(path, text)| lines(&path, &text, asks_the_clock))
        .collect();
    check(&findings);
}

fn asks_the_clock(line: &str) -> Option<String> {
    let named = ["SystemTime::now(", ".modified(", ".accessed(", "mtime("];
    let found = named.iter().find(|name| line.contains(**name))?;
    Some(format!(
        "`{found}..)`: `Instant` measures times, and `selvedge_base::clock` says what time it is"
    ))
}

#[test]
fn crates_without_unsafe_code_forbid_it() {
    let sources = sources();
    let mut findings = Vec::new();
    for package in packages() {
        let (lib, main) = (package.join("src/lib.rs"), package.join("src/main.rs"));
        let there = |path: &Path| sources.iter().any(|(other, _)| other == path);
        for root in [&lib, &main].into_iter().filter(|root| there(root)) {
            // Beside a library, a program is its `main.rs` alone.
            let is_of_root = |path: &Path| match there(&lib) && there(&main) {
                true if *root == main => path == main,
                true => path != main,
                false => true,
            };
            let mut of_root = sources
                .iter()
                .filter(|(path, _)| path.starts_with(&package) && is_of_root(path));
            let (_, text) = sources
                .iter()
                .find(|(path, _)| path == root)
                .expect("there");
            let forbids = text.lines().any(|line| line == "#![forbid(unsafe_code)]");
            if !forbids && !of_root.any(|(_, text)| has_unsafe_code(text)) {
                let root = root.display();
                findings.push(format!("{root}: `#![forbid(unsafe_code)]` is missing"));
            }
        }
    }
    check(&findings);
}

#[test]
fn no_trailing_white_space() {
    let text_files = ["rs", "toml", "md", "py", "sh", "yml", "yaml", "txt"];
    let findings: Vec<_> = files()
        .into_iter()
        .filter(|(path, _)| has_extension(path, &text_files))
        .flat_map(|(path, text)| {
            let mut found = lines(&path, &text, |line| {
                (line.trim_end() != line).then(|| "trailing white space".to_owned())
            });
            if !text.is_empty() && !text.ends_with('\n') {
                found.push(format!("{}: no line break at the end", path.display()));
            }
            found
        })
        .collect();
    check(&findings);
}

#[test]
fn no_paths_of_a_developers_machine() {
    let patterns = [
        ("/wo", "rk/"),
        ("/ro", "ot/"),
        ("/ho", "me/"),
        ("/Us", "ers/"),
    ]
    .map(joined);
    let findings: Vec<_> = files()
        .into_iter()
        .flat_map(|(path, text)| {
            lines(&path, &text, |line| {
                let hit = patterns.iter().find(|pattern| is_absolute(line, pattern))?;
                Some(format!("a path of somebody's machine: `{hit}`"))
            })
        })
        .collect();
    check(&findings);
}

/// Whether a path in the line starts with the pattern, which a relative path with such a directory inside does not.
fn is_absolute(line: &str, pattern: &str) -> bool {
    line.match_indices(pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.>})".contains(c))
    })
}

fn joined((a, b): (&str, &str)) -> String {
    format!("{a}{b}")
}

/// What is wrong with the words of a line, by `docs/glossary.md`.
fn language(line: &str) -> Option<String> {
    // In two pieces each, so that this file does not find itself.
    let software_is_fixed =
        [("men", "d"), ("men", "ds"), ("men", "ded"), ("men", "ding")].map(joined);
    let mut words = line.split(|c: char| !c.is_alphanumeric());
    if let Some(word) = words.find(|word| software_is_fixed.contains(&word.to_lowercase())) {
        return Some(format!(
            "`{word}`: software is fixed, damaged files are repaired"
        ));
    }
    let comment = line.trim_start();
    let genitive = ["/// ", "//! "].map(|sign| format!("{sign}{}", joined(("O", "f "))));
    let begins = genitive
        .iter()
        .any(|begin| comment.starts_with(begin.as_str()));
    begins.then(|| "a sentence that begins with \"Of\" does not say what of it is meant".to_owned())
}

#[test]
fn comments_speak_plain_english() {
    // Files that are kept as they were, and the page that has the words.
    let kept = [
        "CHANGELOG.md",
        "docs/glossary.md",
        "crates/selvedge-hdf5/tests/golden/make.rs",
    ];
    let findings: Vec<_> = files()
        .into_iter()
        .filter(|(path, _)| has_extension(path, &["rs", "md", "py"]))
        .filter(|(path, _)| !kept.iter().any(|kept| path == Path::new(kept)))
        .flat_map(|(path, text)| lines(&path, &text, language))
        .collect();
    check(&findings);
}

#[test]
fn the_checks_can_fail() {
    let word = joined(("men", "ded"));
    assert!(language(&format!("    // It can be {word}.")).is_some());
    assert!(language(&format!("re{word}, a{word}")).is_none());
    let genitive = joined(("O", "f a file."));
    assert!(language(&format!("    /// {genitive}")).is_some());
    assert!(language(&format!("    /// The facts {}", genitive.to_lowercase())).is_none());

    assert!(has_unsafe_code("fn f() { unsafe { g() } }"));
    assert!(!has_unsafe_code(
        "// unsafe\n/* unsafe */ let a = \"unsafe\"; let b = r#\"unsafe\"#; unsafe_code"
    ));
    assert!(has_unsafe_code(
        "let quote = '\"'; unsafe {} let quote = '\"';"
    ));
    assert!(has_unsafe_code("fn f<'a>(c: &'a str) { unsafe {} } '\\''"));
    let pattern = joined(("to", "do!("));
    assert!(calls(&format!("    {pattern})"), &pattern));
    assert!(calls(&format!("std::{pattern})"), &pattern));
    assert!(!calls(&format!("my_{pattern})"), &pattern));
    let pattern = joined(("/wo", "rk/"));
    assert!(is_absolute(&format!("in `{pattern}main`"), &pattern));
    assert!(is_absolute(&format!("\"{pattern}main\""), &pattern));
    assert!(!is_absolute(&format!("src{pattern}mod.rs"), &pattern));
    assert!(opens_by_path("let file = File::open(path)?;").is_some());
    assert!(opens_by_path("std::fs::read(path)").is_some());
    assert!(opens_by_path("eprintln!(\"a\")").is_some());
    assert!(opens_by_path("/// File::open(path)").is_none());
    assert!(opens_by_path("LockedFile::open(path)").is_none());
    assert!(asks_the_clock("let now = std::time::SystemTime::now();").is_some());
    assert!(asks_the_clock("let created: Option<SystemTime>").is_none());
    assert_eq!(
        lines(Path::new("a.rs"), "x\ny", |line| (line == "y")
            .then(|| "no".into())),
        ["a.rs:2: no"]
    );
}

#[test]
fn crates_are_ready_to_publish() {
    let mut findings = Vec::new();
    for name in crates() {
        let dir = Path::new("crates").join(&name);
        let manifest = Manifest::read(&dir);
        let mut demand = |holds: bool, what: &str| {
            if !holds {
                findings.push(format!("{}/Cargo.toml: {what}", dir.display()));
            }
        };
        demand(
            manifest.value("package", "name") == Some(&format!("\"{name}\"")),
            "the package is named as its directory",
        );
        for key in ["description", "license", "readme"] {
            demand(
                manifest.has("package", key),
                &format!("`{key}` is missing in [package]"),
            );
        }
        demand(
            manifest.value("lints", "workspace") == Some("true"),
            "`[lints] workspace = true`",
        );
        demand(
            manifest.value("package", "publish") != Some("false"),
            "crates are published",
        );
        demand(
            root().join(&dir).join("README.md").is_file(),
            "there is no README.md beside it",
        );
    }
    for dir in packages()
        .into_iter()
        .filter(|dir| !dir.starts_with("crates"))
    {
        let manifest = Manifest::read(&dir);
        for (table, key, expected) in [
            ("package", "publish", "false"),
            ("lints", "workspace", "true"),
        ] {
            if manifest.value(table, key) != Some(expected) {
                let path = dir.display();
                findings.push(format!(
                    "{path}/Cargo.toml: `{key} = {expected}` is missing in [{table}]"
                ));
            }
        }
    }
    check(&findings);
}

/// As much of a Cargo.toml as the checks need: its lines `key = value` under their tables.
struct Manifest(Vec<(String, String, String)>);

impl Manifest {
    fn read(dir: &Path) -> Self {
        let path = root().join(dir).join("Cargo.toml");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let mut table = String::new();
        let mut entries = Vec::new();
        for line in text.lines() {
            if let Some(header) = line.strip_prefix('[') {
                table = header.trim_end_matches(']').to_owned();
            } else if let Some((key, value)) = line.split_once('=') {
                entries.push((
                    table.clone(),
                    key.trim().to_owned(),
                    value.trim().to_owned(),
                ));
            }
        }
        Self(entries)
    }

    fn value(&self, table: &str, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(t, k, _)| t == table && k == key)
            .map(|(_, _, value)| value.as_str())
    }

    /// With a value of its own or the workspace's.
    fn has(&self, table: &str, key: &str) -> bool {
        self.value(table, key).is_some() || self.value(table, &format!("{key}.workspace")).is_some()
    }
}
