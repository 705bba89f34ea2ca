//! `selvedge checksum`: adds checksums to a trajectory.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use anyhow::anyhow;
use selvedge_base::Chain;
use selvedge_base::text::{escaped, shell_path};
use selvedge_hdf5::{ChecksumOptions, RewriteError, StorageError};
use serde::Serialize;

use super::hdf5_only::check_hdf5;
use super::other_files::OtherFiles;
use crate::outcome::Outcome;
use crate::output;
use crate::progress::Progress;
use crate::render;

const EXAMPLES: &str = "\
Examples:
  selvedge checksum thimble_7.h5
  selvedge verify thimble_7.h5           # later: are the values what they were?

Checksums are attributes of the tensors, which other programs leave alone. They are of ranges of \
steps, whatever the chunks. Those that are there already are held against the values first: where these \
are not as they were, nothing is written.";

/// Add checksums to a finished trajectory, for `selvedge verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The trajectory, which Selvedge recorded
    file: PathBuf,

    /// Make checksums of the values as they are, also where they are not those that the old ones were made of
    #[arg(long)]
    trust_values: bool,

    /// Make none of tensors that cannot be read here, for a filter or a file that is not there, and tell of each; a
    /// damaged one stays an error
    #[arg(long)]
    skip_unsupported: bool,

    #[command(flatten)]
    other_files: OtherFiles,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    selvedge_version: &'static str,
    path: String,
    /// Whether every value has a checksum.
    complete: bool,
    /// Tensors that got none, each with the reason.
    left_out: Vec<(String, String)>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    check_hdf5(&args.file)?;
    let name = render::shown(&args.file);
    let mut progress = Progress::new(0);
    let follow = |done| progress.follow(&name, done);
    let options = ChecksumOptions::default()
        .trust_values(args.trust_values)
        .skip_unsupported(args.skip_unsupported)
        .input_options(args.other_files.options());
    let added = options.add(&args.file, follow);
    progress.finish();
    let left_out = added.map_err(|error| match &error {
        RewriteError::Read(unread) if unread.is_unsupported() => {
            anyhow!("{}; --skip-unsupported leaves it out", Chain(unread))
        }
        RewriteError::Storage(StorageError::NotATrajectory { .. }) => {
            anyhow!(
                "{error}; `selvedge rechunk {} new.h5 --checksums` writes one that has them",
                shell_path(&args.file)
            )
        }
        _ => error.into(),
    })?;
    let others = if left_out.is_empty() { "" } else { "other " };
    if args.json {
        output::print_json(&Report {
            selvedge_version: env!("CARGO_PKG_VERSION"),
            path: escaped(args.file.as_os_str().as_bytes()),
            complete: left_out.is_empty(),
            left_out,
        })?;
    } else {
        for (tensor, why) in &left_out {
            output::note(&format!("`{tensor}` got no checksums: {why}"));
        }
        output::print_folded(&format!("{name}: all {others}tensors have checksums now\n"))?;
    }
    Ok(Outcome::Success)
}
