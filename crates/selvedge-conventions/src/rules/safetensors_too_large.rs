//! A safetensors file that is too large to be loaded.
//!
//! ## What it does
//!
//! Checks that no safetensors file is larger than the limit, which is that of memory unless it is
//! set.
//!
//! ## Why is this bad?
//!
//! A safetensors file is built in memory before it is saved, and mostly loaded whole. One that does
//! not fit cannot be made or read on the machine that it was made for. What is recorded step by step
//! belongs into HDF5, which grows while the run goes on.
//!
//! ## Example
//!
//! ```text
//! tensors/Thimble/7.1a_trajectory.safetensors    30.73 GB
//! ```
//!
//! ## Use instead
//!
//! ```text
//! tensors/Thimble/thimble_7.h5                   30.73 GB
//! ```
//!
//! ## Configuration
//!
//! - `limits.safetensors-size`: the largest size.
//! - `limits.memory`: its default.

use crate::rule::Metadata;
use crate::units::Bytes;
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct SafetensorsTooLarge;

impl Rule for SafetensorsTooLarge {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TEN001",
            "safetensors-too-large",
            Severity::Warning,
            include_str!("safetensors_too_large.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, context: &Context<'_>) -> Vec<Diagnosis> {
        let limit = context.config().limits.safetensors_size;
        if artifact.safetensors().is_none() || artifact.bytes <= limit {
            return Vec::new();
        }
        vec![
            Diagnosis::new(format!(
                "the file has {}, and a safetensors file may have {}",
                Bytes(artifact.bytes),
                Bytes(limit)
            ))
            .help("record it as a trajectory in HDF5, or save parts that are loaded separately"),
        ]
    }
}
