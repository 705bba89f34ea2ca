//! `cargo xtask bench`: Selvedge beside its peers, as a report.
//!
//! criterion measures one thing after the other, each with as many iterations as it likes. A
//! recording benchmark needs the opposite: a disk and its cache drift by factors within minutes, so
//! contenders have to take turns and be compared within a round; a sample is one file of a given
//! size, which has to be checked and deleted between two timings; and some contenders run in
//! another process. [`bench::Bench::rounds`] does that for every group. What is measured is kept as
//! a [`report::Report`], and everything that is shown is made from one.
//!
//! `benches/README.md` says how to run and how to read it.

pub mod bench;
pub mod check;
pub mod compress;
pub mod convert;
pub mod encode;
pub mod groups;
pub mod machine;
pub mod meter;
pub mod options;
pub mod peer;
pub mod python;
pub mod read;
pub mod rechunk;
pub mod record;
pub mod report;
pub mod safetensors;
pub mod scratch;
pub mod stats;
pub mod table;

/// Any error of a benchmark, with its message.
pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
