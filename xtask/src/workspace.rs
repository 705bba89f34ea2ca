//! Where the workspace lies, and how programs are started in it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};

/// The workspace that xtask belongs to.
pub(crate) struct Workspace {
    /// The directory of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target directory, absolute. Everything that xtask makes lies under it.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks cargo, which knows about `CARGO_TARGET_DIR` and the configuration files.
    pub(crate) fn find() -> Result<Self> {
        let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir
            .parent()
            .expect("xtask is a directory of the workspace")
            .to_path_buf();
        let manifest = root.join("Cargo.toml");
        let output = Command::new(cargo())
            .args([
                "metadata",
                "--no-deps",
                "--format-version",
                "1",
                "--manifest-path",
            ])
            .arg(&manifest)
            .output()
            .map_err(Failure::io("start cargo for", &manifest))?;
        let target = target_directory(&String::from_utf8_lossy(&output.stdout));
        let Some(target) = target else {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::Failed(format!(
                "`cargo metadata` failed\n{}",
                stderr.trim_end()
            )));
        };
        Ok(Self {
            root,
            target: PathBuf::from(target),
        })
    }

    /// The directory of installed tools.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The names of the crates that are published: the directories of `crates/`, sorted.
    ///
    /// The tidy test holds directory names equal to crate names, and `publish = false` to everything elsewhere.
    pub(crate) fn published(&self) -> Result<Vec<String>> {
        let crates = self.root.join("crates");
        let mut names = Vec::new();
        for entry in crates.read_dir().map_err(Failure::io("list", &crates))? {
            let path = entry.map_err(Failure::io("list", &crates))?.path();
            if path.join("Cargo.toml").is_file()
                && let Some(name) = path.file_name()
            {
                names.push(name.to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

/// The cargo that started us, so that its children are of the same toolchain.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs a command to its end, with our own stdin, stdout and stderr.
///
/// # Errors
/// [`Failure::Child`] with its exit code: it has told the user why.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).to_path_buf();
    let status = command.status().map_err(Failure::io("start", &program))?;
    if status.success() {
        return Ok(());
    }
    match status.code() {
        Some(code) => Err(Failure::Child(u8::try_from(code).unwrap_or(1))),
        None => Err(Failure::Failed(format!(
            "{} was killed ({status})",
            program.display()
        ))),
    }
}

/// The path in `cargo metadata`'s JSON, without a JSON library: one string of a known key.
///
/// The key cannot be mistaken for a text inside a string, where its quotes would be escaped.
fn target_directory(json: &str) -> Option<String> {
    let (_, rest) = json.split_once(r#""target_directory":""#)?;
    let mut path = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(path),
            // A path on Windows has escaped backslashes; other escapes do not occur in sane paths.
            '\\' => path.push(chars.next()?),
            other => path.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_directory_is_read_from_json() {
        let check = |json: &str, expected: Option<&str>| {
            assert_eq!(target_directory(json).as_deref(), expected, "{json}");
        };
        check(
            r#"{"packages":[],"target_directory":"/tmp/a b","version":1}"#,
            Some("/tmp/a b"),
        );
        check(r#"{"target_directory":"C:\\s\\t"}"#, Some(r"C:\s\t"));
        check(
            r#"{"d":"\"target_directory\":\"no\"","target_directory":"/t"}"#,
            Some("/t"),
        );
        check("", None);
        check(r#"{"target_directory":"/cut"#, None);
    }

    #[test]
    fn find_agrees_with_cargo() {
        let workspace = Workspace::find().unwrap();
        assert!(workspace.root.join("xtask").is_dir());
        assert!(workspace.target.is_absolute());
        assert!(
            workspace
                .published()
                .unwrap()
                .contains(&"selvedge-bf16".to_owned())
        );
    }
}
