//! `selvedge clean`: removes what writers left behind when they died.

use std::path::{Path, PathBuf};

use anyhow::bail;
use selvedge_base::text::shell_path;
use selvedge_base::{Abandoned, is_pulled, is_push_journal};
use selvedge_hdf5::Bytes;

use crate::check::{Failure, reading, walk};
use crate::outcome::Outcome;
use crate::output;
use crate::render::{counted, shown};

const EXAMPLES: &str = "\
Examples:
  selvedge clean --dry-run
  selvedge clean tensors
  selvedge clean --yes /data/runs

A new file is called `.NAME.partial` until it is complete, and its writer holds a lock on it. Those of \
tensor files, and of what `report`, `show` and `references` write, whose writer is gone are listed, and removed if you say so. `NAME.unfinished` is listed only, where \
something can be recovered of it, or a `pull` or `push` goes on with it, and so is a file that has all that its header says, and may lack only its name. What a \
program has open for writing is left out. Folders that `selvedge check` does not look into are left out.";

/// Remove what writers left behind when they died.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files and folders
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,

    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,

    /// Don't ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if let Some(gone) = args.paths.iter().find(|path| !path.exists()) {
        bail!("there is no {}; nothing was removed", gone.display());
    }
    let (found, failures) = walk::abandoned(&args.paths);
    let mut outcome = Outcome::Success;
    for Failure(message) in failures {
        output::error(&anyhow::Error::msg(message));
        outcome = Outcome::Failed;
    }
    let (whole, rest): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|file| reading::is_whole(&file.path));
    let (kept, removable): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|file| file.is_recoverable);
    for file in &whole {
        tell(
            file,
            ", kept: it may be complete; look at it, and rename or remove it",
        )?;
    }
    for file in &kept {
        let how = if is_pulled(&file.path) {
            "the same `selvedge pull` goes on with it".to_owned()
        } else if is_push_journal(&file.path) {
            "the same `selvedge push` goes on with that upload, and with --discard gives up what the store has of it"
                .to_owned()
        } else {
            format!(
                "`selvedge recover {}` makes a file of its rows",
                shell_path(file.path.strip_prefix(".").unwrap_or(&file.path))
            )
        };
        tell(file, &format!(", kept: {how}"))?;
    }
    for file in &removable {
        tell(file, "")?;
    }
    let files = counted(removable.len() as u64, "file");
    let all = Bytes(removable.iter().map(|file| file.bytes).sum());
    if removable.is_empty() || args.dry_run {
        output::print(&match removable.is_empty() {
            true => "nothing to remove\n".to_owned(),
            false => format!("{files} to remove, {all}\n"),
        })?;
        return Ok(outcome);
    }
    if !args.yes && !output::agreed(&format!("Remove {files}, {all}?"))? {
        output::note("nothing was removed");
        return Ok(outcome);
    }
    let mut removed = 0;
    for file in &removable {
        match file.remove() {
            Ok(()) => removed += 1,
            Err(error) => {
                output::error(&error.into());
                outcome = Outcome::Failed;
            }
        }
    }
    output::print(&format!("removed {}\n", counted(removed, "file")))?;
    Ok(outcome)
}

/// Prints a line about a file: its path, its size, and `more`.
fn tell(file: &Abandoned, more: &str) -> anyhow::Result<()> {
    let (path, bytes) = (path(&file.path), Bytes(file.bytes));
    output::print_folded(&format!("{path}  {bytes}{more}\n"))
}

/// The path as people write it, from here.
fn path(path: &Path) -> String {
    shown(path.strip_prefix(".").unwrap_or(path))
}
