//! `selvedge plan`: what a run takes of disk and memory, before it is recorded.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use selvedge_hdf5::{Compression, DeclareError, Limits, ReadPattern, RunPlan, TensorSpec};

use super::tensor_spec;
use crate::outcome::Outcome;
use crate::output;
use crate::render::{self, Page};
use crate::sizes;

const EXAMPLES: &str = "\
Examples:
  selvedge plan --steps 6001 --tensor W:bf16:10000x64 --tensor loss:f32:
  selvedge plan --steps 6001 -t W:bf16:10000x64 --read tokens --path tensors
  selvedge plan --steps 6001 --tensor W:bf16:10000x64 --compression fast
  selvedge plan --tensor W:bf16:10000x64            # a run of unknown length

Sizes are decimal (2GB is 2,000,000,000 bytes) or binary (64MiB). The exit code is 1 if the run does \
not fit the disk or the memory.";

/// Plan a recording: chunks, file size, memory, and whether the disk has room.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The number of steps; without it the run is open-ended
    #[arg(long, value_name = "N", value_parser = sizes::count)]
    steps: Option<u64>,

    /// A tensor that every step has, such as W:bf16:10000x64; loss:f32: is a single number
    #[arg(
        long = "tensor",
        short,
        required = true,
        value_name = "NAME:DTYPE:SHAPE",
        value_parser = tensor_spec::parse
    )]
    tensors: Vec<TensorSpec>,

    /// A tensor that is written once, such as mask:bool:10000
    #[arg(long = "constant", value_name = "NAME:DTYPE:SHAPE", value_parser = tensor_spec::parse)]
    constants: Vec<TensorSpec>,

    /// How the tensors will mostly be read
    #[arg(long, value_enum, default_value_t = Read::Whole)]
    read: Read,

    /// Whether steps are compressed, without loss: tensors of 2-byte elements with steps of 16 KiB
    /// or more
    #[arg(long, value_enum, default_value_t = Compress::None)]
    compression: Compress,

    /// The size that chunks stay under
    #[arg(long, value_name = "SIZE", default_value = "2GB", value_parser = sizes::parse)]
    chunk_target: u64,

    /// The memory that the recorder may take
    #[arg(long, value_name = "SIZE", default_value = "24GB", value_parser = sizes::parse)]
    memory: u64,

    /// The folder that the file will lie in
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What chunks are made for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Read {
    /// All steps at once
    Whole,
    /// One step at a time
    Steps,
    /// Some tokens (indices of the first axis) over all steps
    Tokens,
}

impl From<Read> for ReadPattern {
    fn from(read: Read) -> Self {
        match read {
            Read::Whole => Self::WholeTensor,
            Read::Steps => Self::SingleSteps,
            Read::Tokens => Self::TokenSubset,
        }
    }
}

/// How steps are compressed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Compress {
    /// Not at all
    None,
    /// Low bytes stored, high bytes Huffman-coded, at the speed of the disk
    Fast,
}

impl From<Compress> for Compression {
    fn from(compress: Compress) -> Self {
        match compress {
            Compress::None => Self::None,
            Compress::Fast => Self::Fast,
        }
    }
}

/// Checks that the compressed chunks are not against the way of reading, which `flag` tells. `otherwise` is what there is
/// to do for tokens.
pub(super) fn check_purpose(
    pattern: Read,
    compression: Compression,
    flag: &str,
    otherwise: &str,
) -> anyhow::Result<()> {
    match (pattern, compression) {
        (Read::Steps, Compression::Temporal) => bail!(
            "--compression temporal has chunks of 16 steps, so reading one step would unpack 16; \
             for single steps take --compression fast, or leave out {flag} steps"
        ),
        (Read::Tokens, Compression::Fast) => bail!(
            "--compression fast has chunks of whole steps, so reading some tokens would unpack all; \
             for tokens {otherwise}, or leave out {flag} tokens"
        ),
        _ => Ok(()),
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    check_names(&args)?;
    check_purpose(
        args.read,
        args.compression.into(),
        "--read",
        "leave out --compression, and let `selvedge rechunk --compression temporal` compress the file that is recorded",
    )?;
    // Of the file's disk nothing is known without its folder, which may not be there yet.
    if args.path.exists() && !args.path.is_dir() {
        bail!(
            "--path names the folder that the file will lie in, and {} is none",
            args.path.display()
        );
    }
    let mut limits = Limits::default();
    limits.chunk_target = args.chunk_target;
    limits.memory = args.memory;
    let constants = args
        .constants
        .iter()
        .map(TensorSpec::step_bytes)
        .sum::<Result<u64, DeclareError>>()
        .context("the constants are too large")?;
    let pattern = args.read.into();
    let plan = RunPlan::new(
        &args.tensors,
        args.steps,
        pattern,
        &limits,
        constants,
        None,
        args.compression.into(),
    );
    let mut plan = match plan {
        Ok(plan) => plan,
        Err(error @ DeclareError::MemoryBudget { .. }) => {
            output::error(&error.into());
            return Ok(Outcome::Negative);
        }
        Err(error) => return Err(error.into()),
    };
    // The name of the file does not matter, its folder does.
    let room = plan.check_free_disk(args.path.join("run.h5"));
    if args.json {
        output::print_json(&render::plan::Report::new(&plan, room.is_ok()))?;
    } else {
        output::print(&render::plan::table(
            &plan,
            &plan.tensors,
            Page::of_stdout(),
        ))?;
    }
    if matches!(args.compression, Compress::Fast) && plan.encoding.is_none() {
        output::note(
            "note: nothing is compressed: `fast` is for tensors of 2-byte elements with steps of 16 KiB or more",
        );
    }
    if !args.path.exists() {
        output::note(&format!(
            "note: there is no folder {}; a recorder makes it",
            render::shown(&args.path)
        ));
    }
    match room {
        Ok(()) => Ok(Outcome::Success),
        Err(DeclareError::DiskTooSmall { needed, free, .. }) => {
            let path = args.path;
            output::error(&DeclareError::DiskTooSmall { path, needed, free }.into());
            Ok(Outcome::Negative)
        }
        Err(error) => Err(error.into()),
    }
}

/// All tensors of a file have names of their own.
fn check_names(args: &Args) -> anyhow::Result<()> {
    let mut names = Vec::new();
    for spec in args.tensors.iter().chain(&args.constants) {
        if names.contains(&&spec.name) {
            let name = spec.name.clone();
            return Err(DeclareError::DuplicateName { name }.into());
        }
        names.push(&spec.name);
    }
    Ok(())
}
