//! `selvedge convert`: tensors from one format into another.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;
use selvedge_base::Indices;
use selvedge_hdf5::RewriteError;

use super::new_file::{NewFile, check_ending_of_values};
use super::other_files::OtherFiles;
use crate::convert::{self, Asked, Output, Target};
use crate::facts::OpenFile;
use crate::outcome::Outcome;
use crate::output;
use crate::render::{self, Page};
use crate::sizes;
use crate::source::{Kind, Part};

const EXAMPLES: &str = "\
Examples:
  selvedge convert thimble_7.h5 thimble_7.safetensors
  selvedge convert thimble_7.h5 last.safetensors --tensor W --steps last
  selvedge convert thimble_7.h5 W.npy --tensor W --every 100 --rows 0..3699
  selvedge convert embedding.npy embedding.safetensors --assume-bf16 embedding
  selvedge convert thimble_7.safetensors thimble_7_again.h5

Attributes become metadata of safetensors: `parameter.NAME`, and back. Into HDF5, the tensors become \
step tensors whose first axis is as long as that of the largest tensor of at least two axes, unless \
the file says which have steps, as one does that was converted from a trajectory; others are \
constants. The new file gets its name when it is complete. Memory is bounded.";

/// Convert tensors, or parts of them, between HDF5, safetensors and .npy; and from .npz.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The HDF5, safetensors, .npy or .npz file to read
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// The file to write; its ending tells the format
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// The format to write, where the ending of OUT does not tell
    #[arg(long, value_name = "FORMAT", value_enum)]
    to: Option<To>,

    /// Take this tensor, and not all; of a .npy file, the name that it gets
    #[arg(long = "tensor", short, value_name = "TENSOR")]
    tensors: Vec<String>,

    /// Take these steps, indices of the first axis: 0..100, -1 or last, 0..6000:10, log:50, or some of these
    /// with commas
    #[arg(
        long,
        visible_alias = "step",
        value_name = "INDICES",
        default_value = "..",
        hide_default_value = true
    )]
    steps: Indices,

    /// Take every Nth step
    #[arg(long, value_name = "N", value_parser = sizes::count)]
    every: Option<u64>,

    /// Take these rows of each step, indices of the second axis, written as steps are
    #[arg(
        long,
        value_name = "INDICES",
        default_value = "..",
        hide_default_value = true
    )]
    rows: Indices,

    /// This tensor has no steps, though its first axis is as long as they are
    #[arg(long = "constant", value_name = "TENSOR")]
    constants: Vec<String>,

    /// Take the uint16 of this tensor, or its two bytes without a type, for the bits of bfloat16
    #[arg(long, value_name = "TENSOR")]
    assume_bf16: Vec<String>,

    /// Take the bits of this tensor of a .npy or .npz file for a dtype that NumPy has not, such as
    /// float8_e4m3fn or float8_e5m2
    #[arg(long, value_name = "TENSOR=DTYPE", value_parser = assumption)]
    assume: Vec<(String, &'static Kind)>,

    /// Leave out tensors that cannot be read here, for their type, a filter or a file that is not there,
    /// and those that the new file cannot hold, for their type, shape or name; a damaged one stays an error
    #[arg(long)]
    skip_unsupported: bool,

    /// Leave out tensors whose values are damaged, for what else is in the file
    #[arg(long)]
    skip_damaged: bool,

    /// Take the steps that all step tensors have, where some of them have more
    #[arg(long)]
    common_steps: bool,

    #[command(flatten)]
    other_files: OtherFiles,

    #[command(flatten)]
    new_file: NewFile,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum To {
    /// A trajectory: .h5, .hdf5
    Hdf5,
    /// .safetensors
    Safetensors,
    /// One array of NumPy: .npy
    Npy,
}

impl From<To> for Target {
    fn from(to: To) -> Self {
        match to {
            To::Hdf5 => Self::Hdf5,
            To::Safetensors => Self::Safetensors,
            To::Npy => Self::Npy,
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let target = args.to.map(Target::from).or(Target::of(&args.output));
    if target.is_none() {
        let endings = &["h5", "safetensors", "npy"];
        check_ending_of_values(
            &args.output,
            "`selvedge convert` writes no such file",
            endings,
        )?;
    }
    // Of a folder there is more to be said than that it has no ending.
    selvedge_base::target(&args.output)?;
    let target = target.with_context(|| {
        format!(
            "the ending of {} tells no format; expected .h5, .hdf5, .safetensors or .npy, or --to",
            args.output.display()
        )
    })?;
    let writes = format!("--to writes {}", target.name());
    check_ending_of_values(&args.output, &writes, target.endings())?;
    let asked = Asked {
        tensors: args.tensors.clone(),
        part: Part {
            steps: args.steps.clone(),
            every: args.every,
            rows: args.rows.clone(),
        },
        assumed: args.assumed(),
        constants: args.constants.clone(),
        skip_unsupported: args.skip_unsupported,
        skip_damaged: args.skip_damaged,
        common_steps: args.common_steps,
        reader: args.other_files.options(),
    };
    let opened = convert::open(&args.input, &asked)?;
    args.new_file.check(&args.output)?;
    if let OpenFile::Hdf5(reader) = &opened.1
        && reader.shows(&args.output)
    {
        let (path, view) = (args.output.clone(), args.input.clone());
        return Err(RewriteError::OverSource { path, view }.into());
    }
    let output = Output {
        path: &args.output,
        target,
        overwrite: args.new_file.overwrite,
    };
    let summary = convert::convert(&opened, &asked, output)?;
    if args.json {
        output::print_json(&render::convert::Report::new(&args.output, &summary))?;
    } else {
        output::print_folded(&render::convert::summary(
            &args.output,
            &summary,
            Page::of_stdout(),
        ))?;
    }
    Ok(Outcome::Success)
}

impl Args {
    /// What tensors are taken to be.
    fn assumed(&self) -> Vec<(String, &'static Kind)> {
        let bf16 = Kind::named("bfloat16").into_iter();
        let bf16 = bf16.flat_map(|kind| {
            self.assume_bf16
                .iter()
                .map(move |name| (name.clone(), kind))
        });
        bf16.chain(self.assume.iter().cloned()).collect()
    }
}

/// Reads `TENSOR=DTYPE`, for clap.
fn assumption(text: &str) -> Result<(String, &'static Kind), String> {
    let (name, dtype) = text.rsplit_once('=').unwrap_or_default();
    let kind = Kind::named(dtype).filter(|kind| !name.is_empty() && kind.is_without_numpy());
    kind.map(|kind| (name.to_owned(), kind)).ok_or_else(|| {
        let dtypes = Kind::without_numpy().map(|kind| kind.name);
        let dtypes: Vec<&str> = dtypes.collect();
        format!(
            "expected TENSOR=DTYPE, and a dtype of {}",
            dtypes.join(", ")
        )
    })
}
