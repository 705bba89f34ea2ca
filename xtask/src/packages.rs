//! Building the crates from their packages, as somebody would who has them from crates.io.
//!
//! `cargo package` verifies packages by itself, but it takes the crates that depend on one another from a registry of
//! its own, whose unpacked sources and build products it keeps under the crates' versions: while a version is in work,
//! it builds what was packaged last week. So the packages are unpacked here, and built as a workspace.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::workspace::Workspace;

/// The commands that package the published crates, unpack them and build them. `cargo` starts cargo with arguments.
pub(crate) fn commands(
    workspace: &Workspace,
    cargo: impl Fn(&str) -> Command,
) -> Result<Vec<Command>> {
    let manifest = workspace.root.join("Cargo.toml");
    let manifest = fs::read_to_string(&manifest).map_err(Failure::io("read", &manifest))?;
    let version = version(&manifest).ok_or_else(|| {
        Failure::Failed("Cargo.toml has no version under [workspace.package]".to_owned())
    })?;
    let names = workspace.published()?;
    let packages = workspace.target.join("package");
    let unpacked = packages.join("unpacked");
    make_workspace(&unpacked, &manifest, &names, version)?;
    let lock = workspace.root.join("Cargo.lock");
    fs::copy(&lock, unpacked.join("Cargo.lock")).map_err(Failure::io("copy", &lock))?;

    let mut package = cargo("package --allow-dirty --no-verify");
    for name in &names {
        package.args(["--package", name]);
    }
    let mut commands = vec![package];
    for name in &names {
        // `-m`: all files in a package are of the same time in 2006, which would tell cargo that nothing has changed.
        let mut tar = Command::new("tar");
        tar.arg("-xmzf")
            .arg(packages.join(format!("{name}-{version}.crate")))
            .arg("-C")
            .arg(&unpacked);
        commands.push(tar);
    }
    let mut build = cargo("build --workspace --manifest-path");
    build.arg(unpacked.join("Cargo.toml"));
    commands.push(build);
    Ok(commands)
}

/// Makes the directory anew, with the manifest of a workspace of the packages.
fn make_workspace(unpacked: &Path, manifest: &str, names: &[String], version: &str) -> Result<()> {
    if unpacked.exists() {
        fs::remove_dir_all(unpacked).map_err(Failure::io("remove", unpacked))?;
    }
    fs::create_dir_all(unpacked).map_err(Failure::io("create", unpacked))?;
    let mut text =
        "[workspace]\nresolver = \"3\"\nmembers = [\"*-*\"]\n\n[patch.crates-io]\n".to_owned();
    for name in names {
        text.push_str(&format!("{name} = {{ path = \"{name}-{version}\" }}\n"));
    }
    // Without the profile, dependencies would be built again, HDF5 among them.
    text.push_str(&dev_profile(manifest));
    let path = unpacked.join("Cargo.toml");
    fs::write(&path, text).map_err(Failure::io("write", &path))
}

/// The version that the crates share.
fn version(manifest: &str) -> Option<&str> {
    let (_, table) = manifest.split_once("[workspace.package]\n")?;
    let table = table.split("\n[").next()?;
    let value = table
        .lines()
        .find_map(|line| line.strip_prefix("version = \""))?;
    value.split('"').next()
}

/// The table `[profile.dev]` and its sub-tables.
fn dev_profile(manifest: &str) -> String {
    let mut inside = false;
    let mut text = String::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[profile.dev]" || line.starts_with("[profile.dev.");
        }
        if inside {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
[workspace]
members = [\"xtask\"]

[workspace.package]
edition = \"2024\"
version = \"1.2.3\"

[workspace.dependencies]
half = { version = \"2\" }
version = \"9\"

[profile.dev]
debug = 1

[profile.dev.package.\"*\"]
opt-level = 2

[profile.release]
debug = \"line-tables-only\"
";

    #[test]
    fn the_version_is_that_of_the_workspace() {
        assert_eq!(version(MANIFEST), Some("1.2.3"));
        assert_eq!(
            version("[workspace.package]\n\n[other]\nversion = \"1\"\n"),
            None
        );
    }

    #[test]
    fn the_dev_profile_is_taken_whole() {
        assert_eq!(
            dev_profile(MANIFEST),
            "[profile.dev]\ndebug = 1\n\n[profile.dev.package.\"*\"]\nopt-level = 2\n\n"
        );
        assert_eq!(dev_profile("[package]\nname = \"a\"\n"), "");
    }
}
