//! Programs from crates.io: found on the PATH, or built once, pinned, under the target directory.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::tools::on_path;
use crate::workspace::{Workspace, cargo, run};

/// A program that `cargo install` builds.
pub(crate) struct CargoTool {
    /// Its name, and that of its crate.
    pub(crate) name: &'static str,
    /// The version that is built where there is none.
    pub(crate) version: &'static str,
}

impl CargoTool {
    /// The program, if it is there: ours, else the PATH's.
    pub(crate) fn find(&self, workspace: &Workspace) -> Option<PathBuf> {
        let ours = self.installed(workspace);
        if ours.is_file() {
            Some(ours)
        } else {
            on_path(self.name)
        }
    }

    /// The program, which is built where it is missing.
    pub(crate) fn find_or_install(&self, workspace: &Workspace) -> Result<PathBuf> {
        match self.find(workspace) {
            Some(program) => Ok(program),
            None => self.install(workspace),
        }
    }

    fn installed(&self, workspace: &Workspace) -> PathBuf {
        let bin = workspace.tools().join("bin");
        bin.join(self.name)
            .with_extension(std::env::consts::EXE_EXTENSION)
    }

    fn install(&self, workspace: &Workspace) -> Result<PathBuf> {
        let Self { name, version } = self;
        let root = workspace.tools();
        let build = root.join(format!("{name}-build"));
        eprintln!(
            "building {name} {version} into {} (some minutes, once)",
            root.display()
        );
        run(Command::new(cargo())
            .args(["install", name, "--version", version, "--locked", "--root"])
            .arg(&root)
            .arg("--target-dir")
            .arg(&build))?;
        fs::remove_dir_all(&build).map_err(Failure::io("remove", &build))?;
        Ok(self.installed(workspace))
    }
}
