//! The command line of xtask: help, mistakes and exit codes. Nothing here installs or builds.

use std::process::{Command, Output};

const COMMANDS: [&str; 10] = [
    "test",
    "setup",
    "recipes",
    "neighbours",
    "demo",
    "bench",
    "check-conventions",
    "deny",
    "sbom",
    "fuzz",
];

fn xtask(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(args)
        .output()
        .expect("xtask starts")
}

#[track_caller]
fn check_usage_error(args: &[&str], expected: &str) {
    let output = xtask(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    assert!(stderr.contains(expected), "{args:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{args:?}");
}

#[test]
fn mistakes_exit_with_2_and_name_the_nearest() {
    check_usage_error(&["tset"], "unknown command `tset`; did you mean `test`?");
    check_usage_error(&["demos"], "did you mean `demo`?");
    check_usage_error(&["test", "--nopython"], "did you mean `--no-python`?");
    check_usage_error(&["setup", "--hlep"], "did you mean `--help`?");
    check_usage_error(&["deny", "check"], "unknown argument `check`");
    check_usage_error(
        &["fuzz", "safetensors_haeder"],
        "did you mean `safetensors_header`?",
    );
    check_usage_error(
        &["fuzz", "--seconds", "soon"],
        "`--seconds` takes a number, found `soon`",
    );
    check_usage_error(
        &["bench", "--only", "raed"],
        "--only raed: no group begins with it; there are record/large, ",
    );
    check_usage_error(&[], "Usage: cargo xtask COMMAND");
}

#[test]
fn help_lists_every_command_and_every_command_has_help() {
    let output = xtask(&["--help"]);
    assert!(output.status.success());
    let overview = String::from_utf8_lossy(&output.stdout);
    for command in COMMANDS {
        assert!(
            overview.contains(&format!("\n  {command} ")),
            "{command}: {overview}"
        );
        // The help of these goes on to a program that would have to be built.
        if !["demo", "check-conventions"].contains(&command) {
            let output = xtask(&[command, "--help"]);
            assert!(output.status.success(), "{command}");
            let help = String::from_utf8_lossy(&output.stdout);
            assert!(
                help.starts_with(&format!("Usage: cargo xtask {command}")),
                "{help}"
            );
        }
    }
}
