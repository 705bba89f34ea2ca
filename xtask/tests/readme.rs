//! The README of a crate is its crate documentation: one text, which stands in `src/lib.rs`, where its example is
//! compiled and its links are checked.

mod common;

use std::fs;

use common::{crates, root};

/// Set to anything, it has the READMEs written instead of compared.
const UPDATE: &str = "SELVEDGE_UPDATE_READMES";

/// Not the Python package: its README is for those who call it from there.
const OF_ITS_OWN: &str = "selvedge-python";

#[test]
fn the_readme_of_a_crate_is_its_documentation() {
    for name in crates().iter().filter(|name| *name != OF_ITS_OWN) {
        let folder = root().join("crates").join(name);
        let source = fs::read_to_string(folder.join("src/lib.rs")).expect("a library");
        let expected = readme(name, &source);
        let path = folder.join("README.md");
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&path, &expected).expect("a README");
        }
        let found = fs::read_to_string(&path).expect("a README");
        assert_eq!(
            found, expected,
            "crates/{name}/README.md is not what src/lib.rs says; have it written anew:\n  \
             {UPDATE}=1 cargo test -p xtask --test readme"
        );
    }
}

/// The documentation of the library `name`, as a page of its own.
fn readme(name: &str, source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let mut page = format!("# {name}\n\n");
    let mut code: Option<bool> = None;
    for line in lines.map(|line| line.strip_prefix(' ').unwrap_or(line)) {
        if let Some(language) = line.strip_prefix("```") {
            let fence = match (code, language) {
                (Some(_), _) | (None, "text" | "sh") => line.to_owned(),
                (None, "") => "```rust".to_owned(),
                (None, how) => format!("```rust,{how}"),
            };
            page.push_str(&fence);
            code = match code {
                Some(_) => None,
                None => Some(!["text", "sh"].contains(&language)),
            };
        } else if code == Some(true) && (line == "#" || line.starts_with("# ")) {
            // Compiled, and not shown.
            continue;
        } else if code.is_some() {
            page.push_str(line);
        } else if line.starts_with("# ") {
            page.push_str(&format!("#{line}"));
        } else {
            page.push_str(&without_links(line));
        }
        page.push('\n');
    }
    page + "\nLicensed under MIT or Apache-2.0, at your option.\n"
}

/// The line without links to items, which rustdoc alone can follow: those without a target, or with one that is
/// neither an address nor a file.
fn without_links(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((words, after)) = after.split_once(']') else {
            break;
        };
        let target = after.strip_prefix('(').and_then(|after| {
            // A function's name may have parentheses of its own.
            let end = after.find(')')?;
            let end = end + usize::from(after[..end].ends_with('('));
            Some((&after[..end], after.get(end + 1..)?))
        });
        text.push_str(before);
        match target {
            Some((target, after)) if target.contains(['.', '/']) => {
                text.push_str(&format!("[{words}]({target})"));
                rest = after;
            }
            Some((_, after)) => {
                text.push_str(words);
                rest = after;
            }
            None if words.starts_with('`') => {
                text.push_str(words);
                rest = after;
            }
            None => {
                text.push_str(&format!("[{words}]"));
                rest = after;
            }
        }
    }
    text + rest
}

#[test]
fn links_to_items_are_plain_words() {
    let line = "[`a`], [`b`](crate::b()), [c](C) and [d](https://d.org/), `[u8]`";
    assert_eq!(
        without_links(line),
        "`a`, `b`, c and [d](https://d.org/), `[u8]`"
    );
}

#[test]
fn what_is_not_shown_is_left_out() {
    let source = "//! Words.\n//!\n//! # More\n//! ```\n//! a();\n//! # b();\n//! ```\n\nmod a;\n";
    assert_eq!(
        readme("it", source),
        "# it\n\nWords.\n\n## More\n```rust\na();\n```\n\nLicensed under MIT or Apache-2.0, at your option.\n"
    );
}
