//! The Python that tests are held against.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python that has h5py, numpy, `ml_dtypes` and safetensors: `cargo xtask test` makes it and
/// names it.
///
/// # Panics
///
/// Where `SELVEDGE_PYTHON` is not set.
#[must_use]
pub fn python() -> PathBuf {
    match std::env::var_os("SELVEDGE_PYTHON") {
        Some(python) => python.into(),
        None => panic!(
            "SELVEDGE_PYTHON is not set: run `cargo xtask test`, or `cargo xtask setup` and set it \
             as it says"
        ),
    }
}

/// A Python process that will run `script` with `arguments` as `sys.argv[1:]`.
#[must_use]
pub fn script<S: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(python());
    command.args(["-I", "-c", script]).args(arguments);
    command
}

/// Runs `text` with `arguments` and returns what it prints.
///
/// # Panics
///
/// With the message of a script that fails.
pub fn run<S: AsRef<OsStr>>(text: &str, arguments: impl IntoIterator<Item = S>) -> String {
    let output = script(text, arguments).output().expect("python starts");
    assert!(
        output.status.success(),
        "python failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("python prints UTF-8")
        .trim()
        .to_owned()
}

/// Runs `text` on one file.
///
/// # Panics
///
/// As [`run`].
pub fn on_file(text: &str, path: &Path) -> String {
    run(text, [path])
}
