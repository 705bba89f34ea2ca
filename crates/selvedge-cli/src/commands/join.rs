//! `selvedge join`: checks the files of the ranks of a run, and makes one view of them.

use std::path::PathBuf;

use selvedge_hdf5::Join;

use super::hdf5_only::check_hdf5;
use super::meant::{Output, meant};
use super::new_file::{HDF5, NewFile, check_ending};
use crate::outcome::Outcome;
use crate::output;
use crate::render::{self, Page};

const EXAMPLES: &str = "\
Examples:
  selvedge join thimble_7.rank*.h5     # only checks, and tells how far each is
  selvedge join thimble_7.rank*.h5 -o thimble_7.h5
  selvedge join thimble_7.rank*.h5 -o thimble_7.h5 --overwrite

The files are those of all ranks of one run, in any order. The view holds no values: it shows, over the \
steps that all ranks have, what lies in their files. Stock h5py reads it; where one of the files is gone \
h5py shows fill values without a word, and this program refuses.";

/// Join the files of the ranks of a run: check that they go together, and write a view of them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The files of the ranks, one of each
    #[arg(required = true, value_name = "SHARD")]
    shards: Vec<PathBuf>,

    /// Write the view to this file
    #[arg(short, long, value_name = "VIEW")]
    output: Option<PathBuf>,

    #[command(flatten)]
    new_file: NewFile,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let checked = args.shards.iter().try_for_each(|shard| check_hdf5(shard));
    let new = args.output.is_none().then_some(Output {
        what: "the view",
        endings: HDF5,
    });
    checked.map_err(|error| meant(error, &args.shards, new))?;
    match &args.output {
        None => args.new_file.check_none("-o")?,
        Some(view) => {
            check_ending(view, "`selvedge join` writes HDF5", HDF5)?;
            args.new_file.check(view)?;
        }
    }
    let join = Join::new(&args.shards).overwrite(args.new_file.overwrite);
    let plan = match &args.output {
        Some(view) => join.write(view)?,
        None => join.plan()?,
    };
    let text = render::join::summary(&plan, args.output.as_deref(), Page::of_stdout());
    output::print(&text)?;
    Ok(Outcome::Success)
}
