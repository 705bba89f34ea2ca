//! `cargo xtask COMMAND`: the project's own commands.
//!
//! One file per command under `commands/`, each with its manual in the file's own documentation. What several of
//! them need lies beside this file: the workspace and its target directory ([`workspace`]), the tools that are found
//! or installed under it ([`tools`], [`venv`], [`cargo_tool`]), and the small argument parser ([`args`]).
//!
//! **Invariant:** xtask depends on nothing but the standard library, so that the first command on a fresh clone
//! starts in seconds. It starts cargo and other programs; it never links what they build.

#![forbid(unsafe_code)]

mod args;
mod cargo_tool;
mod commands;
mod failure;
mod packages;
mod tools;
mod venv;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use commands::{COMMANDS, Command};
use failure::{Failure, Result};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Child(_)) {
                eprintln!("error: {failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}

fn dispatch(args: &[OsString]) -> Result<()> {
    let Some((name, rest)) = args.split_first() else {
        eprint!("{}", overview());
        return Err(Failure::Child(2));
    };
    let name = name.to_string_lossy();
    if matches!(&*name, "--help" | "-h" | "help") {
        print!("{}", overview());
        return Ok(());
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        let known: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
        return Err(args::unknown("command", &name, &known));
    };
    if args::asks_for_help(rest) {
        print!("{}", command.help);
        if !command.forwards_help {
            return Ok(());
        }
        println!();
    }
    (command.run)(rest)
}

fn overview() -> String {
    let mut text = String::from("Usage: cargo xtask COMMAND [ARGS]\n\nCommands:\n");
    for Command { name, about, .. } in COMMANDS {
        text.push_str(&format!("  {name:<17} {about}\n"));
    }
    text.push_str("\n`cargo xtask COMMAND --help` tells more.\n");
    text
}
