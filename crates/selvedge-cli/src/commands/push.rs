//! `selvedge push`: a file into an object store.

use std::path::PathBuf;

use crate::object;
use crate::outcome::Outcome;
use crate::output;
use crate::render;

const EXAMPLES: &str = "\
Examples:
  selvedge push thimble_7.h5 s3://thimble/runs/thimble_7.h5
  selvedge inspect s3://thimble/runs/thimble_7.h5
  selvedge push thimble_7.h5 gs://thimble/thimble_7.h5 --overwrite
  selvedge push thimble_7.h5 s3://thimble/runs/thimble_7.h5 --discard

An object of this name is kept, and the store decides it, unless --overwrite says otherwise. The chunk \
indexes of a compressed file go to its end, where one request finds them. What was sent is read back and \
held against the file.

A push that breaks, or is interrupted, leaves what it has sent in the store, which is paid for, and a \
journal beside the file, FILE.push-….unfinished. The same command goes on there: parts that the file has \
other bytes of now are sent again. With --discard it gives the upload up. `selvedge clean` lists journals.

Credentials come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, \
AWS_REGION, AWS_ENDPOINT; GOOGLE_APPLICATION_CREDENTIALS; AZURE_STORAGE_ACCOUNT_NAME, \
AZURE_STORAGE_ACCOUNT_KEY. The program reaches object stores where it was built with the feature `object-store`.";

/// Put a file into an object store (S3, Google Cloud Storage, Azure), and read it back.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The file; a trajectory has to be finished
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The object that it becomes: s3://, gs://, az:// or abfss://
    #[arg(value_name = "URL")]
    url: String,

    /// Replace an object that is there
    #[arg(long)]
    overwrite: bool,

    /// Send nothing: give up what an interrupted push left in the store
    #[arg(long, conflicts_with = "overwrite")]
    discard: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    object::check_read_here(&args.file)?;
    if args.discard {
        let discarded = object::discard(&args.file, &args.url)?;
        output::print_folded(&render::objects::discarded(&args.file, &discarded))?;
        return Ok(Outcome::Success);
    }
    let pushed = object::push(&args.file, &args.url, args.overwrite, output::note)?;
    output::print_folded(&render::objects::pushed(&args.file, &pushed))?;
    Ok(Outcome::Success)
}
