//! What the benches of the workspace share: the paired rounds of `record`, `read` and `safetensors`.
//!
//! criterion measures one thing after the other, each with as many iterations as it likes. A
//! recording benchmark needs the opposite: a disk and its cache drift by factors within minutes, so
//! contenders have to take turns and be compared within a round; a sample is one file of a given
//! size, which has to be checked, deleted and synced between two timings; and one contender runs in
//! another process. [`rounds`] does that, and [`latency`] does it for single calls of `append`;
//! [`deflate`], [`read`] and [`safetensors`] have the contenders of the benches of their names, and the other
//! modules those of `record` and what all need.
//! criterion stays in charge of what is short and needs no file of a given size.
//!
//! `benches/README.md` says how to run and how to read them.

use std::process::ExitCode;

pub mod contender;
pub mod deflate;
pub mod h5py;
pub mod latency;
pub mod machine;
pub mod options;
pub mod peer;
pub mod read;
pub mod report;
pub mod rounds;
pub mod safetensors;
pub mod scratch;
pub mod stats;
pub mod table;
pub mod workload;

/// What a bench returns to the shell, when it has told its error.
#[must_use]
pub fn exit_code(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Any error of a benchmark: it ends the run with its message.
pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
