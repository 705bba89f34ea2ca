//! `cargo xtask sbom`: what each published crate is built from, as CycloneDX.
//!
//! Runs cargo-cyclonedx, which is found or built as cargo-deny is. It writes its files into the directories of the
//! packages; from there they are brought together in `<target>/sbom`, those of packages that are not published are
//! removed.

use std::ffi::OsString;
use std::fs;
use std::process;

use super::Command;
use crate::args;
use crate::cargo_tool::CargoTool;
use crate::failure::{Failure, Result};
use crate::workspace::{Workspace, run as run_child};

const CARGO_CYCLONEDX: CargoTool = CargoTool {
    name: "cargo-cyclonedx",
    version: "0.5.7",
};

/// The name of a file before it is moved; nothing else has it.
const NAME: &str = "selvedge-sbom-in-work";

pub(super) const COMMAND: Command = Command {
    name: "sbom",
    about: "Write what each published crate is built from, as CycloneDX",
    help: "\
Usage: cargo xtask sbom

Writes <target>/sbom/CRATE.cdx.json for each published crate: CycloneDX 1.5 with all packages of Cargo.lock that the crate
is built from, on any system and with any feature. A step of every release, which has the files beside it. Where
cargo-cyclonedx is neither on the PATH nor in <target>/tools, first builds a pinned version there, once.
",
    forwards_help: false,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let [] = args::switches(args, [])?;
    let workspace = Workspace::find()?;
    let program = CARGO_CYCLONEDX.find_or_install(&workspace)?;
    let mut make = process::Command::new(program);
    make.args(["cyclonedx", "--format", "json", "--spec-version", "1.5"])
        .args([
            "--all-features",
            "--target",
            "all",
            "--override-filename",
            NAME,
        ])
        .current_dir(&workspace.root);
    run_child(&mut make)?;
    let folder = workspace.target.join("sbom");
    fs::create_dir_all(&folder).map_err(Failure::io("create", &folder))?;
    let published = workspace.published()?;
    for parent in ["", "crates", "examples"] {
        let parent = workspace.root.join(parent);
        for entry in parent.read_dir().map_err(Failure::io("list", &parent))? {
            let package = entry.map_err(Failure::io("list", &parent))?.path();
            let made = package.join(NAME).with_extension("json");
            if !made.is_file() {
                continue;
            }
            let name = package.file_name().unwrap_or_default().to_string_lossy();
            if published.iter().any(|published| *published == name) {
                let kept = folder.join(format!("{name}.cdx.json"));
                let text = fs::read_to_string(&made).map_err(Failure::io("read", &made))?;
                // Whose machine it was made on is nobody's business.
                let text = text.replace(&*workspace.root.to_string_lossy(), "");
                fs::write(&kept, text).map_err(Failure::io("write", &kept))?;
                println!("{}", kept.display());
            }
            fs::remove_file(&made).map_err(Failure::io("remove", &made))?;
        }
    }
    Ok(())
}
