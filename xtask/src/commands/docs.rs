//! `cargo xtask docs`: the documents as a book, and the documentation of the crates beside it.
//!
//! The pages link to each other and to files of the repository, as they do where somebody reads them on a forge. So
//! the book is built from a copy of the pages that `docs/SUMMARY.md` lists, in folders as they are here, with the files that
//! they link to.

use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process;

use super::Command;
use crate::args;
use crate::cargo_tool::CargoTool;
use crate::failure::{Failure, Result};
use crate::workspace::{Workspace, cargo, run as run_child};

const MDBOOK: CargoTool = CargoTool {
    name: "mdbook",
    version: "0.5.4",
};

/// The list of the pages.
const SUMMARY: &str = "docs/SUMMARY.md";

pub(super) const COMMAND: Command = Command {
    name: "docs",
    about: "Build the book of the documents, and the documentation of the crates",
    help: "\
Usage: cargo xtask docs [--open]

Builds the book of the pages that docs/SUMMARY.md lists into <target>/book, and the documentation of the crates into
<target>/doc. Where mdbook is neither on the PATH nor in <target>/tools, first builds a pinned version there, which takes
some minutes, once.

  --open  open the book in a browser
",
    forwards_help: false,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let [open] = args::switches(args, ["--open"])?;
    let workspace = Workspace::find()?;
    let mdbook = MDBOOK.find_or_install(&workspace)?;
    let stage = workspace.target.join("book-pages");
    if stage.exists() {
        fs::remove_dir_all(&stage).map_err(Failure::io("remove", &stage))?;
    }
    copy_pages(&workspace.root, &stage)?;
    let book = workspace.target.join("book");
    let mut build = process::Command::new(mdbook);
    build.arg("build").arg(&stage).arg("--dest-dir").arg(&book);
    if open {
        build.arg("--open");
    }
    run_child(&mut build)?;
    run_child(
        process::Command::new(cargo())
            .args(["doc", "--no-deps", "--workspace", "--all-features"])
            .current_dir(&workspace.root),
    )?;
    let (book, crates) = (book.join("index.html"), workspace.target.join("doc"));
    println!("the book: {}", book.display());
    println!(
        "the crates: {}",
        crates.join("selvedge_hdf5/index.html").display()
    );
    Ok(())
}

/// Copies the pages of the book, and what they link to, with the settings of mdbook.
fn copy_pages(root: &Path, stage: &Path) -> Result<()> {
    let copy = |from: &Path, to: &Path| {
        let folder = to.parent().unwrap_or(stage);
        fs::create_dir_all(folder).map_err(Failure::io("make", folder))?;
        fs::copy(from, to).map_err(Failure::io("copy", from))
    };
    let pages = stage.join("pages");
    copy(&root.join("docs/book.toml"), &stage.join("book.toml"))?;
    let summary = read(&root.join(SUMMARY))?;
    let listed: Vec<PathBuf> = links(&summary)
        .into_iter()
        .map(|link| resolve(Path::new(SUMMARY), link).0)
        .collect();
    for page in &listed {
        copy(&root.join(page), &pages.join(page))?;
        for link in links(&read(&root.join(page))?) {
            let (target, _) = resolve(page, link);
            let file = root.join(&target);
            if !listed.contains(&target) && file.is_file() {
                copy(&file, &pages.join(&target))?;
            }
        }
    }
    // mdbook looks for the list where its pages begin.
    let from_the_top = summary.replace("](", "](docs/").replace("](docs/../", "](");
    let list = pages.join("SUMMARY.md");
    fs::write(&list, from_the_top).map_err(Failure::io("write", &list))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Failure::io("read", path))
}

/// Where the links of a page lead that stay in the repository. What stands in code is no link.
fn links(page: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every other piece between the marks of inline code is text.
        let mut before = 0;
        for (at, _) in line.match_indices("](") {
            let is_code = line[..at].matches('`').count() % 2 == 1;
            let link = line[at + 2..].split(')').next().unwrap_or_default();
            if !is_code && at >= before && !link.contains(':') {
                links.push(link);
            }
            before = at;
        }
    }
    links
}

/// The file that a link of the page at `page` leads to, from the root of the repository, and the heading in it.
fn resolve<'a>(page: &Path, link: &'a str) -> (PathBuf, &'a str) {
    let (target, heading) = link.split_once('#').unwrap_or((link, ""));
    if target.is_empty() {
        return (page.to_owned(), heading);
    }
    let mut path = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    (path, heading)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap()
            .to_owned()
    }

    /// The pages of the repository: those that a reader comes to from its top.
    fn pages() -> Vec<PathBuf> {
        let mut pages = Vec::new();
        for folder in ["", "docs", "benches", "findings"] {
            let files = fs::read_dir(root().join(folder)).unwrap();
            let names = files.map(|file| Path::new(folder).join(file.unwrap().file_name()));
            pages.extend(names.filter(|name| name.extension().is_some_and(|kind| kind == "md")));
        }
        for folder in fs::read_dir(root().join("crates")).unwrap() {
            pages.push(
                Path::new("crates")
                    .join(folder.unwrap().file_name())
                    .join("README.md"),
            );
        }
        pages
    }

    /// What a forge and mdbook call a heading.
    fn anchor(heading: &str) -> String {
        let kept = heading
            .trim_start_matches('#')
            .trim()
            .chars()
            .filter_map(|each| match each {
                ' ' => Some('-'),
                '-' | '_' => Some(each),
                _ => each.is_alphanumeric().then(|| each.to_ascii_lowercase()),
            });
        kept.collect()
    }

    #[test]
    fn every_link_leads_somewhere() {
        let mut broken = Vec::new();
        let mut count = 0;
        for page in pages() {
            for link in links(&read(&root().join(&page)).unwrap()) {
                count += 1;
                let (target, heading) = resolve(&page, link);
                let file = root().join(&target);
                let leads = file.exists()
                    && (heading.is_empty()
                        || read(&file)
                            .unwrap()
                            .lines()
                            .any(|line| line.starts_with('#') && anchor(line) == heading));
                if !leads {
                    broken.push(format!("{}: {link}", page.display()));
                }
            }
        }
        assert!(broken.is_empty(), "{broken:#?}");
        assert!(count > 60, "{count}");
    }

    #[test]
    fn every_page_is_in_the_book() {
        let summary = read(&root().join(SUMMARY)).unwrap();
        let listed: Vec<PathBuf> = links(&summary)
            .into_iter()
            .map(|link| resolve(Path::new(SUMMARY), link).0)
            .collect();
        let missing: Vec<PathBuf> = pages()
            .into_iter()
            .filter(|page| page != Path::new(SUMMARY) && !listed.contains(page))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn what_stands_in_code_is_no_link() {
        let page =
            "[a](b.md) `[c](d.md)` [e](https://f)\n```\n[g](h.md)\n```\n[i](j.md#k), [l](#m)";
        assert_eq!(links(page), ["b.md", "j.md#k", "#m"]);
    }

    #[test]
    fn links_are_taken_from_the_page_that_has_them() {
        let page = Path::new("docs/rust.md");
        assert_eq!(
            resolve(page, "../README.md"),
            (PathBuf::from("README.md"), "")
        );
        assert_eq!(
            resolve(page, "cli.md#a"),
            (PathBuf::from("docs/cli.md"), "a")
        );
        assert_eq!(resolve(page, "#a"), (PathBuf::from("docs/rust.md"), "a"));
    }
}
