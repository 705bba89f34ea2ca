//! `selvedge completions`: what a shell needs to complete the command line.

use clap_complete::Shell;

use crate::outcome::Outcome;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  selvedge completions bash >> ~/.bash_completion
  mkdir -p ~/.zfunc && \\\n    selvedge completions zsh > ~/.zfunc/_selvedge
  mkdir -p ~/.config/fish/completions && \\\n    selvedge completions fish > ~/.config/fish/completions/selvedge.fish

A new shell has them: bash by its package bash-completion, zsh if ~/.zshrc has `fpath=(~/.zfunc $fpath)` \
before `compinit`.";

/// Print the completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args, mut program: clap::Command) -> anyhow::Result<Outcome> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "selvedge", &mut script);
    output::print_own(&script)?;
    Ok(Outcome::Success)
}
