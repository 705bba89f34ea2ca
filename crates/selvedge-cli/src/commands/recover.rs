//! `selvedge recover`: puts a file in order whose writer died.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use selvedge_base::text::{escaped, shell_path};
use selvedge_base::{Chain, FileError, is_pulled, is_push_journal};
use selvedge_hdf5::{Bytes, Grouped, Recovery, RunState, StorageError, plan_recovery};
use serde::Serialize;

use super::hdf5_only::check_hdf5;
use crate::facts::{Unreadable, check_there};
use crate::object;
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

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints of an HDF5 file.
#[derive(Serialize)]
struct Report<'a> {
    selvedge_version: &'static str,
    path: String,
    dry_run: bool,
    /// How the recording had ended: `recording` where its writer died.
    state: &'static str,
    committed_steps: u64,
    /// Whether the file was changed, or would be.
    changed: bool,
    /// Whether HDF5's mark of a writer is what is taken out.
    marked: bool,
    /// Tensors that were ahead by a commit that was cut short, and the steps that they had.
    ahead: &'a [(String, u64)],
    /// Tensors that another program gave another number of steps, and that number.
    changed_by_others: &'a [(String, u64)],
    notes: Vec<String>,
}

/// What `--json` prints of an unfinished safetensors file.
#[derive(Serialize)]
struct Finished {
    selvedge_version: &'static str,
    path: String,
    rows: Option<u64>,
    bytes: u64,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let path = &args.file;
    let ends_with = |wanted: &str| path.extension().is_some_and(|end| end == wanted);
    if ends_with("safetensors") || ends_with("unfinished") {
        safetensors(path, args)?;
    } else {
        hdf5(path, args)?;
    }
    Ok(Outcome::Success)
}

fn hdf5(path: &Path, args: &Args) -> anyhow::Result<()> {
    check_hdf5(path)?;
    let recovery = match args.dry_run {
        true => plan_recovery(path),
        false => selvedge_hdf5::recover(path),
    };
    let recovery = recovery.map_err(|error| said(error, path, args.dry_run))?;
    if !args.json {
        return output::print_folded(&in_words(&recovery, args.dry_run));
    }
    output::print_json(&Report {
        selvedge_version: env!("CARGO_PKG_VERSION"),
        path: escaped(recovery.path.as_os_str().as_bytes()),
        dry_run: args.dry_run,
        state: match recovery.state {
            RunState::Recording => "recording",
            RunState::Finished => "finished",
            RunState::Recovered => "recovered",
            _ => "unknown",
        },
        committed_steps: recovery.committed,
        changed: recovery.changed,
        marked: recovery.marked,
        ahead: &recovery.ahead,
        changed_by_others: &recovery.changed_by_others,
        notes: recovery.notes.iter().map(ToString::to_string).collect(),
    })
}

/// Says what there is to do with a file that is none of the recorder's, and one that a dry run may not lock.
fn said(error: StorageError, path: &Path, dry_run: bool) -> anyhow::Error {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    match &error {
        StorageError::File(FileError::Io { source, .. })
            if dry_run && matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem) =>
        {
            anyhow!(
                "{}; also a dry run opens the file as its writer would: `selvedge inspect {}` reads how many steps are \
                 committed, or take a copy of the file",
                Chain(&error),
                shell_path(path)
            )
        }
        StorageError::NotATrajectory { .. } => anyhow!(
            "{error}; it was not changed, and HDF5 opens it as it is: `selvedge inspect {}` tells what is in it",
            shell_path(path)
        ),
        _ => error.into(),
    }
}

/// What was found, what was changed, how many steps there are.
fn in_words(recovery: &Recovery, dry_run: bool) -> String {
    if recovery.marked {
        let done = match dry_run {
            true => {
                "nothing in a dry run; without --dry-run the mark would be taken out of the superblock"
            }
            false => {
                "the mark is taken out of the superblock, and HDF5 opens the file; what its writer had \
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
            "nothing in a dry run; without --dry-run {which} would end at {}, \
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

fn safetensors(path: &Path, args: &Args) -> anyhow::Result<()> {
    object::check_read_here(path)?;
    if is_pulled(path) {
        let path = path.to_owned();
        return Err(Unreadable::Pulled { path }.into());
    }
    if is_push_journal(path) {
        let path = path.to_owned();
        return Err(Unreadable::PushJournal { path }.into());
    }
    if path.extension().is_some_and(|end| end == "unfinished") {
        check_there(path)?;
    }
    if args.dry_run {
        bail!(
            "--dry-run is for HDF5 files: what is in {} turns out when the file is made of it, \
             which replaces no file",
            path.display()
        );
    }
    let summary = selvedge_safetensors::recover(path)?;
    if args.json {
        return output::print_json(&Finished {
            selvedge_version: env!("CARGO_PKG_VERSION"),
            path: escaped(summary.path.as_os_str().as_bytes()),
            rows: summary.rows,
            bytes: summary.bytes,
        });
    }
    let rows = match summary.rows {
        Some(1) => "1 row, ".to_owned(),
        Some(rows) => format!("{} rows, ", Grouped(rows)),
        None => String::new(),
    };
    output::print_folded(&format!(
        "{}\n  found    its writer died before it was finished\n  changed  it is finished now: \
         {rows}{}\n",
        shown(&summary.path),
        Bytes(summary.bytes)
    ))
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};
    use std::path::Path;

    use selvedge_base::FileError;

    use super::said;
    use crate::words::with_way_out;

    /// A dry run on a disk that cannot be written was told to take another folder for its file.
    #[test]
    fn a_dry_run_that_may_not_lock_says_what_reads() {
        let path = Path::new("ro/my run.h5");
        let refused = |kind: ErrorKind| FileError::io(path, "open")(io::Error::from(kind)).into();
        for kind in [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied] {
            let dry = with_way_out(&said(refused(kind), path, true));
            let told = "`selvedge inspect 'ro/my run.h5'` reads how many steps are committed";
            assert!(dry.contains(told) && !dry.contains("`ls -ld`"), "{dry}");
            let wet = with_way_out(&said(refused(kind), path, false));
            assert!(
                wet.contains("or a copy") || wet.contains("a copy of"),
                "{wet}"
            );
        }
    }
}
