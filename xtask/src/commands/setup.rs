//! `cargo xtask setup`: finds or installs the tools that the other commands need.
//!
//! CMake 3.26 or newer builds the static HDF5: the one in `CMAKE` or on the PATH is used, otherwise PyPI's `cmake`
//! wheel is installed into `<target>/tools/venv`. Python with stock h5py, numpy, ml_dtypes and safetensors, pinned in
//! `testing/python/requirements.txt`, is what tests, benches and the demo compare with: `<target>/python`.
//!
//! Nothing outside the target directory changes. Every other command does the same by itself; `setup` is for those
//! who call plain `cargo` afterwards, with the variables that it prints.

use std::ffi::OsString;
use std::path::Path;

use super::Command;
use crate::args;
use crate::failure::Result;
use crate::tools::{Python, Tools};
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "setup",
    about: "Find or install CMake and Python peers under the target directory",
    help: "\
Usage: cargo xtask setup

Finds CMake (>= 3.26; $CMAKE or the PATH) or installs it into <target>/tools/venv, and makes <target>/python:
Python with h5py, ml_dtypes, numpy and safetensors, pinned in testing/python/requirements.txt.
Prints the variables to export for plain `cargo build` and `cargo test`.

Nothing outside the target directory changes. With everything there it only looks, in an instant.
",
    forwards_help: false,
    run,
};

fn run(args: &[OsString]) -> Result<()> {
    let [] = args::switches(args, [])?;
    let workspace = Workspace::find()?;
    let tools = Tools::prepare(&workspace, Python::Required)?;
    println!("# For plain cargo, in this shell; `cargo xtask` does not need them.");
    println!("export CMAKE={}", quoted(&tools.cmake));
    if let Some(python) = &tools.python {
        println!("export SELVEDGE_PYTHON={}", quoted(python));
    }
    Ok(())
}

/// For a POSIX shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(
            quoted(Path::new("/opt/cmake-4.4/bin/cmake")),
            "/opt/cmake-4.4/bin/cmake"
        );
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
