//! `selvedge checksum`: adds checksums to a trajectory.

use std::path::PathBuf;

use crate::outcome::Outcome;
use crate::output;
use crate::progress::Progress;
use crate::render;

const EXAMPLES: &str = "\
Examples:
  selvedge checksum thimble_7.h5
  selvedge verify thimble_7.h5           (later: are the values what they were?)

Checksums are attributes of the tensors, which other programs leave alone. They are of ranges of \
steps, whatever the chunks. Those that are there already are replaced.";

/// Add checksums to a finished trajectory, for `selvedge verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The trajectory, which Selvedge recorded
    file: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let name = render::shown(&args.file);
    let mut progress = Progress::new(0);
    let added = selvedge_hdf5::add_checksums(&args.file, |done| progress.follow(&name, done));
    progress.finish();
    added?;
    output::print(&format!("{name}: all tensors have checksums now\n"))?;
    Ok(Outcome::Success)
}
