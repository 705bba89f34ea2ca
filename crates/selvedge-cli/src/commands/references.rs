//! `selvedge references`: where the values of a file or of joined ranks lie, for readers of Zarr.

use std::path::PathBuf;

use anyhow::bail;
use selvedge_hdf5::{ReferenceOptions, References};

use super::hdf5_only::check_hdf5;
use super::meant::{Output, meant};
use super::new_file::{NewFile, check_apart, check_ending};
use super::other_files::OtherFiles;
use crate::object;
use crate::outcome::Outcome;
use crate::output;
use crate::references::{Document, Zarr};
use crate::render::{self, Page};
use crate::sizes;

const EXAMPLES: &str = "\
Examples:
  selvedge references thimble_7.h5     # only tells what the references would be
  selvedge references thimble_7.h5 -o thimble_7.json
  selvedge references thimble_7.rank*.h5 -o run.json --url s3://bucket/runs
  selvedge references thimble_7.h5 -o thimble_7.json --overwrite

Xarray, Dask and others read the values through them, from an object store too, without HDF5:
  xarray.open_dataset(\"thimble_7.json\", engine=\"kerchunk\")

They have the steps that are committed now, and are no copy: the files have to stay as they are, but for \
steps that come after these. Of a run that has gone on they are written anew.";

/// Write references to the values of a file, or of all ranks of a run, for readers of Zarr.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An HDF5 file, its URL, or a joined view; or the files of the ranks, one of each
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Write the references to this file, as JSON
    #[arg(short, long, value_name = "JSON")]
    output: Option<PathBuf>,

    /// The form of Zarr that they are in
    #[arg(long, value_enum, value_name = "VERSION", default_value_t = Zarr::V2)]
    zarr: Zarr,

    /// Where the files will lie for those who read: this, and their way from the folder that all are in
    #[arg(long, value_name = "PREFIX")]
    url: Option<String>,

    /// About how large the pieces of values are that were not compressed; each has whole steps
    #[arg(long, value_name = "SIZE", default_value = "8MB", value_parser = sizes::parse)]
    piece: u64,

    /// Leave out tensors that have no references, for their type, filters or place
    #[arg(long)]
    skip_unsupported: bool,

    #[command(flatten)]
    new_file: NewFile,

    #[command(flatten)]
    other_files: OtherFiles,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.output {
        None => args.new_file.check_none("-o")?,
        Some(path) => args.new_file.check(path)?,
    }
    let mut local = args.files.iter().filter(|file| object::url(file).is_none());
    let checked = local.try_for_each(|file| check_hdf5(file));
    let new = args.output.is_none().then_some(Output {
        what: "the references",
        endings: &["json"],
    });
    checked.map_err(|error| meant(error, &args.files, new))?;
    let options = ReferenceOptions::default()
        .piece_bytes(args.piece)
        .skip_unsupported(args.skip_unsupported);
    let references = match &args.files[..] {
        [file] => {
            let reading = args.other_files.options();
            let reader = match object::url(file) {
                Some(url) => object::open(url, &reading)?,
                None => reading.open(file)?,
            };
            References::of(&reader, &options)?
        }
        ranks if ranks.iter().any(|rank| object::url(rank).is_some()) => bail!(
            "the files of ranks are joined where they are files of this machine: `selvedge pull` fetches them, and \
             --url says where they lie for those who read"
        ),
        ranks => References::of_ranks(ranks, &options)?,
    };
    if let Some(path) = &args.output {
        check_apart(path, args.files.iter().chain(references.files()))?;
        check_ending(path, "`selvedge references` writes JSON", &["json"])?;
        let document = Document::new(&references, args.zarr, args.url.as_deref())?;
        document.write(path, args.new_file.overwrite)?;
    }
    let text = render::references::summary(&references, args.output.as_deref(), Page::of_stdout());
    output::print_folded(&text)?;
    Ok(Outcome::Success)
}
