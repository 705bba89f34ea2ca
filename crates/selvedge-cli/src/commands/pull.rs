//! `selvedge pull`: a file out of an object store.

use std::path::PathBuf;

use super::new_file::NewFile;
use crate::object;
use crate::outcome::Outcome;
use crate::output;
use crate::render;

const EXAMPLES: &str = "\
Examples:
  selvedge pull s3://thimble/runs/thimble_7.h5 thimble_7.h5
  selvedge pull https://example.org/thimble_7.h5 thimble_7.h5

The file gets its name when it is complete, and its values, where it has checksums, are right. A large one that \
is interrupted leaves FILE.unfinished: the same command goes on there, if the object is still the same. One that \
replaces a file begins anew. Credentials come from the environment, as for `selvedge push`.";

/// Fetch an object from a store (S3, Google Cloud Storage, Azure, HTTP) into a file.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The object: s3://, gs://, az://, abfss://, http:// or https://
    #[arg(value_name = "URL")]
    url: String,

    /// The file that it becomes
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    new_file: NewFile,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    args.new_file.check(&args.file)?;
    let pulled = object::pull(&args.url, &args.file, args.new_file.overwrite)?;
    output::print_folded(&render::objects::pulled(&args.file, &pulled))?;
    Ok(Outcome::Success)
}
