//! `cargo xtask test`: everything that CI runs, in the same order.
//!
//! Stops at the first failure and ends with a table of the steps and their times. Cargo's own output passes through
//! unchanged. Built artifacts are shared between the steps as far as cargo can: clippy and rustdoc check the same
//! dependencies, and the packages are built with those that the tests were built with.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process;
use std::time::{Duration, Instant};

use super::python::{Package, Profile};
use super::{Command, deny};
use crate::args;
use crate::failure::{Failure, Result};
use crate::packages;
use crate::tools::{Python, Tools};
use crate::workspace::{Workspace, run as run_child};

pub(super) const COMMAND: Command = Command {
    name: "test",
    about: "Run everything that CI runs",
    help: "\
Usage: cargo xtask test [--no-python]

Format, clippy, tests, doc tests, the conventions, docs, packages, the Python package and licences. Stops at the first
failure. Installs missing tools under the target directory first (see `cargo xtask setup` and `cargo xtask python`).
Licences are left out, and that is told, where cargo-deny is not installed; where the variable CI is set, it is
installed first, which takes some minutes.

  --no-python  don't install the Python peers, and leave the Python package out; SELVEDGE_PYTHON stays as it is
",
    forwards_help: false,
    run,
};

/// A step: its name, and the commands or the reason why there are none.
type Step = (
    &'static str,
    std::result::Result<Vec<process::Command>, String>,
);

fn run(args: &[OsString]) -> Result<()> {
    let [no_python] = args::switches(args, ["--no-python"])?;
    let workspace = Workspace::find()?;
    let start = Instant::now();
    let tools = Tools::prepare(
        &workspace,
        if no_python {
            Python::Unused
        } else {
            Python::Required
        },
    )?;
    let package_python = match no_python {
        true => None,
        false => Some(Tools::package_python(&workspace)?),
    };
    let mut rows = vec![("tools", took(start.elapsed()))];

    let mut outcome = Ok(());
    let mut not_checked = Vec::new();
    let steps = steps(&workspace, &tools, package_python.as_deref())?;
    let count = steps.len();
    for (number, (name, commands)) in (1..).zip(steps) {
        let cell = match commands {
            _ if outcome.is_err() => "not run".to_owned(),
            Err(reason) => {
                println!("\n=== {number}/{count} {name}: skipped: {reason}");
                not_checked.push(format!("NOT CHECKED: {name}: {reason}"));
                "skipped".to_owned()
            }
            Ok(commands) => {
                let start = Instant::now();
                println!();
                outcome = commands.into_iter().try_for_each(|mut command| {
                    println!("=== {number}/{count} {name}: {}", shown(&command));
                    run_child(&mut command)
                });
                let time = took(start.elapsed());
                let verdict = if outcome.is_ok() { "passed" } else { "FAILED" };
                println!("=== {name}: {verdict} in {time}");
                if outcome.is_ok() {
                    time
                } else {
                    format!("{time}  FAILED")
                }
            }
        };
        rows.push((name, cell));
    }

    println!();
    rows.push(("total", took(start.elapsed())));
    for (name, cell) in &rows {
        println!("  {name:<11} {cell:>9}");
    }
    // The last that is read.
    for line in not_checked {
        eprintln!("\n{line}");
    }
    let failed = rows.iter().find(|(_, cell)| cell.ends_with("FAILED"));
    match (outcome, failed) {
        (Err(Failure::Child(_)), Some((name, _))) => Err(Failure::Failed(format!(
            "the step `{name}` failed: see above"
        ))),
        (outcome, _) => outcome,
    }
}

fn steps(workspace: &Workspace, tools: &Tools, package_python: Option<&Path>) -> Result<Vec<Step>> {
    let cargo = |args: &str| {
        let mut command = tools.cargo();
        // The same directory for cargos started by cargo's children, whatever theirs is.
        command
            .env("CARGO_TARGET_DIR", &workspace.target)
            .current_dir(&workspace.root);
        command.args(args.split(' '));
        command
    };

    let mut docs = cargo("doc --workspace --all-features --no-deps");
    docs.env("RUSTDOCFLAGS", "-D warnings");

    // The program that the tests have run. Built by itself it has other features, and so would all below it.
    let mut conventions = process::Command::new(workspace.target.join("debug/selvedge"));
    conventions.arg("check").current_dir(&workspace.root);

    let packages = packages::commands(workspace, cargo)?;

    let python = match package_python {
        None => Err("--no-python".to_owned()),
        Some(python) => {
            let package = Package::new(workspace, tools, python, Profile::Dev)?;
            let mut commands = package.install();
            commands.push(package.test());
            Ok(commands)
        }
    };

    let on_ci = env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    let deny = match deny::find(workspace) {
        None if on_ci => Some(deny::find_or_install(workspace)?),
        found => found,
    };
    let deny = deny.map_or_else(
        || Err("cargo-deny is not installed; `cargo xtask deny` installs and runs it".to_owned()),
        |program| Ok(vec![deny::check(workspace, &program)]),
    );

    Ok(vec![
        ("format", Ok(vec![cargo("fmt --all --check")])),
        (
            "clippy",
            Ok(vec![cargo(
                "clippy --workspace --all-targets --all-features -- -D warnings",
            )]),
        ),
        // Not `--all-targets`: that would run the benches as tests.
        (
            "tests",
            Ok(vec![cargo(
                "test --workspace --all-features --lib --bins --tests --examples",
            )]),
        ),
        (
            "doc tests",
            Ok(vec![cargo("test --workspace --all-features --doc")]),
        ),
        ("conventions", Ok(vec![conventions])),
        ("docs", Ok(vec![docs])),
        ("packages", Ok(packages)),
        ("python", python),
        ("licences", deny),
    ])
}

/// A command as somebody would type it.
fn shown(command: &process::Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let mut text = name.to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

fn took(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{}m {:02} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        assert_eq!(took(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(took(Duration::from_secs(125)), "2m 05 s");
    }
}
