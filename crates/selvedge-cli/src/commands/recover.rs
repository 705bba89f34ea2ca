//! `selvedge recover`: puts a file in order whose writer died.

use std::path::{Path, PathBuf};

use anyhow::bail;
use selvedge_hdf5::{Bytes, Grouped, Recovery, RunState, plan_recovery};

use crate::outcome::Outcome;
use crate::output;
use crate::render::shown;

const EXAMPLES: &str = "\
Examples:
  selvedge recover --dry-run thimble_7.h5
  selvedge recover thimble_7.h5
  selvedge recover 1.5e_activations.safetensors.unfinished

No committed step is lost with or without it. Of an HDF5 file it writes a few bytes, whatever its \
size; one that was finished, or recovered before, is left alone. Of an unfinished safetensors file \
with growing rows it makes a finished one, with all whole rows.";

/// Put a file in order whose writer died.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The trajectory, or the unfinished safetensors file
    file: PathBuf,

    /// Only say what would be done, to an HDF5 file
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let path = &args.file;
    let ends_with = |wanted: &str| path.extension().is_some_and(|end| end == wanted);
    let text = if ends_with("safetensors") || ends_with("unfinished") {
        safetensors(path, args.dry_run)?
    } else {
        hdf5(path, args.dry_run)?
    };
    output::print(&text)?;
    Ok(Outcome::Success)
}

fn hdf5(path: &Path, dry_run: bool) -> anyhow::Result<String> {
    let recovery = if dry_run {
        plan_recovery(path)?
    } else {
        selvedge_hdf5::recover(path)?
    };
    Ok(in_words(&recovery, dry_run))
}

/// What was found, what was changed, how many steps there are.
fn in_words(recovery: &Recovery, dry_run: bool) -> String {
    if recovery.marked {
        let done = match dry_run {
            true => {
                "nothing in a dry run; without --dry-run the mark would be taken out of the superblock"
            }
            false => {
                "the mark is taken out of the superblock, and HDF5 opens the file; what its writer had\n           \
                 not put into the file is not there"
            }
        };
        return format!(
            "{}\n  found    another program wrote it and died: HDF5's mark of a writer is left\n  changed  {done}\n",
            shown(&recovery.path)
        );
    }
    let found = match recovery.state {
        RunState::Recording => "its writer died before it was finished",
        RunState::Finished => "it was finished",
        RunState::Recovered => "it was recovered before",
        _ => "it does not say how its recording ended",
    };
    let steps = recovery.committed;
    let plural = if steps == 1 { "" } else { "s" };
    let mut text = format!(
        "{}\n  found    {found}; {} committed step{plural}\n",
        shown(&recovery.path),
        Grouped(steps)
    );
    for (tensor, extent) in &recovery.ahead {
        text.push_str(&format!(
            "           `{}` has {} steps: it was ahead by a commit that was cut short\n",
            shown(tensor),
            Grouped(*extent)
        ));
    }
    for (tensor, extent) in &recovery.changed_by_others {
        text.push_str(&format!(
            "           `{}` has {} steps: another program gave it another number than the \
             others, and it stays as it is\n",
            shown(tensor),
            Grouped(*extent)
        ));
    }
    for note in &recovery.notes {
        text.push_str(&format!("           {}\n", shown(&note.to_string())));
    }
    let which = match recovery.changed_by_others[..] {
        [] => "all step tensors",
        _ => "the other step tensors",
    };
    let done = match (recovery.changed, dry_run) {
        (false, _) if recovery.is_changed_by_others() => {
            "nothing: what another program changed stays as it is".to_owned()
        }
        (false, _) => "nothing: it is in order".to_owned(),
        (true, true) => format!(
            "nothing in a dry run; without --dry-run {which} would end at {},\n           \
             and the file would be marked as recovered",
            Grouped(steps)
        ),
        (true, false) => format!(
            "{which} end at {} now, and the file is marked as recovered",
            Grouped(steps)
        ),
    };
    text.push_str(&format!("  changed  {done}\n"));
    text
}

fn safetensors(path: &Path, dry_run: bool) -> anyhow::Result<String> {
    if dry_run {
        bail!(
            "--dry-run is for HDF5 files: what is in {} turns out when the file is made of it, \
             which replaces no file",
            path.display()
        );
    }
    let summary = selvedge_safetensors::recover(path)?;
    let rows = match summary.rows {
        Some(1) => "1 row, ".to_owned(),
        Some(rows) => format!("{} rows, ", Grouped(rows)),
        None => String::new(),
    };
    Ok(format!(
        "{}\n  found    its writer died before it was finished\n  changed  it is finished now: \
         {rows}{}\n",
        shown(&summary.path),
        Bytes(summary.bytes)
    ))
}
