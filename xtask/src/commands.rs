//! The table of commands.

mod bench;
mod check_conventions;
mod demo;
mod deny;
mod docs;
mod fuzz;
mod neighbours;
mod python;
mod recipes;
mod sbom;
mod setup;
mod soak;
mod test;

use std::ffi::OsString;

use crate::failure::Result;

/// A command of `cargo xtask`.
pub(crate) struct Command {
    /// The word on the command line.
    pub(crate) name: &'static str,
    /// One line for the overview.
    pub(crate) about: &'static str,
    /// The answer to `--help`.
    pub(crate) help: &'static str,
    /// Whether `--help` also goes to the program behind the command.
    pub(crate) forwards_help: bool,
    pub(crate) run: fn(&[OsString]) -> Result<()>,
}

/// Every command, in the order of the overview.
pub(crate) const COMMANDS: &[Command] = &[
    test::COMMAND,
    setup::COMMAND,
    python::COMMAND,
    recipes::COMMAND,
    neighbours::COMMAND,
    soak::COMMAND,
    demo::COMMAND,
    bench::COMMAND,
    check_conventions::COMMAND,
    deny::COMMAND,
    sbom::COMMAND,
    docs::COMMAND,
    fuzz::COMMAND,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_documented() {
        for Command {
            name, about, help, ..
        } in COMMANDS
        {
            assert!(
                help.starts_with(&format!("Usage: cargo xtask {name}")),
                "{name}"
            );
            assert!(help.ends_with('\n'), "{name}");
            assert!(!about.ends_with('.') && about.len() < 80, "{name}");
            assert_eq!(
                COMMANDS.iter().filter(|other| other.name == *name).count(),
                1,
                "{name}"
            );
        }
    }
}
