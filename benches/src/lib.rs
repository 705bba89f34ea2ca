//! `cargo xtask bench`: Selvedge beside its peers, as a report.
//!
//! criterion measures one thing after the other, each with as many iterations as it likes. A recording benchmark needs
//! the opposite: a disk and its cache drift by factors within minutes, so contenders have to take turns and be compared
//! within a round; a sample is one file of a given size, which has to be checked and deleted between two timings; and
//! some contenders run in another process. `Bench::rounds` does that for every group, with a list of contenders: each
//! has a name, an owner, and a function that takes a sample. What is measured is kept as a [`report::Report`], and
//! everything that is shown is made from one.
//!
//! `benches/README.md` says how to run and how to read it.

mod bench;
mod check;
mod compress;
mod convert;
mod data;
mod encode;
mod machine;
mod meter;
mod numbers;
mod options;
mod peer;
mod prelude;
mod python;
mod read;
mod rechunk;
mod record;
mod recording;
pub mod report;
mod safetensors;
mod scratch;
pub mod sections;
mod steps;

pub use bench::Bench;
pub use options::{Options, Scale};
pub use scratch::Scratch;

/// Any error of a benchmark, with its message.
pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
