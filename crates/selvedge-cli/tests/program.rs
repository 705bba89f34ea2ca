//! The program as a whole: help, version, completions, manual pages.

mod common;

use std::fs;

use common::Place;
use insta::assert_snapshot;

const COMMANDS: [&str; 12] = [
    "inspect",
    "plan",
    "recover",
    "join",
    "references",
    "clean",
    "rechunk",
    "convert",
    "verify",
    "checksum",
    "completions",
    "man",
];

#[test]
fn help_tells_commands_examples_and_exit_codes() {
    let place = Place::new();
    assert_snapshot!(place.print(&["--help"]));
    for command in COMMANDS {
        let help = place.print(&[command, "--help"]);
        assert!(help.contains("Examples:\n  selvedge "), "{command}: {help}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
    }
}

/// An example was cut between `>` and its file, and each second line of a text had a few words: it was
/// wrapped at 100 columns in the source, and at 80 for the terminal.
#[test]
fn help_is_wrapped_once_and_its_examples_can_be_copied() {
    let place = Place::new();
    for command in COMMANDS {
        let help = place.print(&[command, "--help"]);
        let (_, after) = help.split_once("Examples:\n").unwrap();
        let lines: Vec<&str> = after.lines().collect();
        for pair in lines.windows(2) {
            let text = |line: &str| !line.is_empty() && !line.starts_with(' ');
            let word = pair[1].split(' ').next().unwrap_or_default();
            let fits = pair[0].len() + 1 + word.len() <= 80;
            assert!(
                !(text(pair[0]) && text(pair[1]) && fits),
                "{command}: {pair:?}"
            );
            // What is too long for a line goes on after a backslash.
            let goes_on = pair[0].starts_with("  selvedge") && !pair[1].starts_with("  selvedge");
            let whole = pair[1].is_empty() || pair[0].ends_with('\\');
            assert!(!goes_on || whole, "{command}: {pair:?}");
        }
    }
}

#[test]
fn the_version_is_that_of_the_crate() {
    let version = format!("selvedge {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Place::new().print(&["--version"]), version);
}

#[test]
fn a_wrong_command_is_answered_with_the_nearest() {
    let run = Place::new().run(&["inspekt"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr
            .contains("a similar subcommand exists: 'inspect'"),
        "{}",
        run.stderr
    );
    assert_eq!(Place::new().run(&[]).code, 2);
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Place::new().print(&["completions", shell]);
        for word in COMMANDS
            .iter()
            .chain(&["assume-bf16", "chunk-target", "dry-run"])
        {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new();
    assert!(place.print(&["man"]).contains(".TH selvedge 1"));
    assert_eq!(place.print(&["man", "--out", "share/man1"]), "");
    let page = |name: &str| fs::read_to_string(place.path(&format!("share/man1/{name}.1")));
    assert!(page("selvedge").unwrap().contains("Exit codes:"));
    for command in COMMANDS {
        let page = page(&format!("selvedge-{command}")).unwrap();
        assert!(page.contains("Examples:"), "{command}");
    }
}
