//! `selvedge rechunk`: writes a trajectory anew, with chunks for another purpose.

use std::path::PathBuf;

use clap::ValueEnum;
use selvedge_base::Chain;
use selvedge_hdf5::{Compression, ReadError, Rechunk, RewriteError};

use super::hdf5_only::check_hdf5;
use super::new_file::{HDF5, NewFile, check_ending_of_values};
use super::other_files::OtherFiles;
use super::plan::{Read, check_purpose};
use crate::outcome::Outcome;
use crate::output;
use crate::progress::Progress;
use crate::render::{self, Page};
use crate::sizes;

const EXAMPLES: &str = "\
Examples:
  selvedge rechunk --dry-run thimble_7.h5 thimble_7_tokens.h5 --for tokens
  selvedge rechunk thimble_7.h5 thimble_7_tokens.h5 --for tokens --checksums
  selvedge rechunk old.h5 thimble_1.h5 --as-bf16 W   # float16 that was bfloat16
  selvedge rechunk thimble_7.h5 thimble_7.h5 --overwrite
  selvedge rechunk thimble_7.h5 kept/7_1.h5 --compression temporal --parents

The input is any HDF5 file: of Selvedge or of h5py, compressed, or being recorded. All values keep \
their bits, and every one is read back and compared. The new file gets its name when it is complete; \
until then there is the old one, or none. Any HDF5 reads a compressed one, too, by the filters shuffle \
and deflate.";

/// Write a trajectory anew, with chunks for the way it is read.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The HDF5 file to read
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// The HDF5 file to write
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// How the tensors will mostly be read
    #[arg(long = "for", value_name = "PURPOSE", value_enum, default_value_t = Read::Whole)]
    pattern: Read,

    /// Whether the new file is compressed, without loss: tensors of 2-byte elements with steps of 16
    /// KiB or more; the chunks of the others are those that --for and --chunk-target ask for
    #[arg(long, value_enum, default_value_t = Compress::None)]
    compression: Compress,

    /// The size that chunks stay under
    #[arg(long, value_name = "SIZE", default_value = "2GB", value_parser = sizes::parse)]
    chunk_target: u64,

    /// The most memory it takes
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = sizes::parse)]
    memory: u64,

    #[command(flatten)]
    new_file: NewFile,

    /// Make checksums, which `selvedge verify` holds the values against later; without it those of IN stay
    #[arg(long)]
    checksums: bool,

    /// Make checksums of the values as they are, also where they are not those that the checksums of the input
    /// were made of
    #[arg(long, requires = "checksums")]
    trust_values: bool,

    /// Turn this float16 tensor into bfloat16, and count what float16 had lost
    #[arg(long, value_name = "TENSOR")]
    as_bf16: Vec<String>,

    /// Take the uint16 of this tensor for the bits of bfloat16, and mark it
    #[arg(long, value_name = "TENSOR")]
    assume_bf16: Vec<String>,

    /// Leave out tensors that cannot be read here, for their type, a filter or a file that is not there, or more
    /// memory than --memory allows, and those that a trajectory cannot hold, for their type, shape or name; a
    /// damaged one stays an error
    #[arg(long)]
    skip_unsupported: bool,

    /// Leave out tensors whose values are damaged, or with --checksums not as their checksums say, for what
    /// else is in the file
    #[arg(long)]
    skip_damaged: bool,

    /// Take the steps that all step tensors have, where another program appended some to one of them
    #[arg(long)]
    common_steps: bool,

    #[command(flatten)]
    other_files: OtherFiles,

    /// Only show the plan
    #[arg(long)]
    dry_run: bool,

    /// Print JSON: the plan, and what was made
    #[arg(long)]
    json: bool,
}

/// How the new file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compress {
    /// Not at all
    None,
    /// As a recorder does: each step by itself, by a third
    Fast,
    /// For archives: what stays as it is from step to step is left out; reading one step unpacks 16
    Temporal,
}

impl From<Compress> for Compression {
    fn from(compress: Compress) -> Self {
        match compress {
            Compress::None => Self::None,
            Compress::Fast => Self::Fast,
            Compress::Temporal => Self::Temporal,
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let otherwise = "take --compression temporal";
    check_purpose(args.pattern, args.compression.into(), "--for", otherwise)?;
    check_ending_of_values(&args.output, "`selvedge rechunk` writes HDF5", &HDF5[..1])?;
    check_hdf5(&args.input)?;
    let rechunk = Rechunk::new(&args.input, &args.output)
        .pattern(args.pattern.into())
        .compression(args.compression.into())
        .chunk_target(args.chunk_target)
        .memory(args.memory)
        .overwrite(args.new_file.overwrite)
        .checksums(args.checksums)
        .trust_values(args.trust_values)
        .bf16(&args.as_bf16)
        .assume_bf16(&args.assume_bf16)
        .skip_unsupported(args.skip_unsupported)
        .skip_damaged(args.skip_damaged)
        .common_steps(args.common_steps)
        .input_options(args.other_files.options());
    let plan = rechunk.plan().map_err(|error| said(error, args))?;
    // Before the plan is shown, which would look as if it were carried out.
    args.new_file.check(&args.output)?;
    if !args.json {
        output::print(&render::plan::table(
            &plan,
            &plan.tensors,
            Page::of_stdout(),
        ))?;
    }
    if args.dry_run {
        if args.json {
            output::print_json(&render::rechunk::Report::new(&plan, None))?;
        }
        return Ok(Outcome::Success);
    }
    let name = render::shown(&args.output);
    let mut progress = Progress::new(plan.bytes);
    let summary = rechunk.run(|done| progress.follow(&name, done));
    progress.finish();
    let summary = summary.map_err(|error| said(error, args))?;
    if args.json {
        output::print_json(&render::rechunk::Report::new(&plan, Some(&summary)))?;
    } else {
        output::print_folded(&render::rechunk::summary(&summary, &plan))?;
    }
    Ok(Outcome::Success)
}

/// A tensor of another dtype than a flag takes, by the name of the flag.
fn said(error: RewriteError, args: &Args) -> anyhow::Error {
    match &error {
        RewriteError::Read(ReadError::DtypeMismatch {
            tensor, expected, ..
        }) if args.as_bf16.contains(tensor) => {
            anyhow::anyhow!("--as-bf16 takes a float16 tensor, and `{tensor}` is {expected}")
        }
        RewriteError::Read(ReadError::NotBf16 { tensor, found }) => {
            anyhow::anyhow!("--assume-bf16 takes a uint16 tensor, and `{tensor}` is {found}")
        }
        RewriteError::CannotKeep { .. } => {
            anyhow::anyhow!("{error}; --skip-unsupported leaves them out")
        }
        RewriteError::Read(error) if error.is_unsupported() => {
            anyhow::anyhow!("{}; --skip-unsupported leaves it out", Chain(error))
        }
        RewriteError::Read(error) if error.is_damage() => {
            anyhow::anyhow!("{}; --skip-damaged leaves the tensor out", Chain(error))
        }
        RewriteError::WrongChecksums { .. } => {
            anyhow::anyhow!("{error}; --skip-damaged leaves the tensors out")
        }
        _ => error.into(),
    }
}
