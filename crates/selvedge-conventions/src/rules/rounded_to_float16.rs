//! A float16 tensor whose values were bfloat16 once.
//!
//! ## What it does
//!
//! Reads the values of float16 tensors and counts those that use the last three of float16's 11
//! significant bits. If none does, and many use the last one of bfloat16's 8, the tensor was bfloat16
//! and has been converted. The finding says what may have been lost: infinities, zeros, and values so
//! small that float16 holds only some of their bits.
//!
//! ## Why is this bad?
//!
//! See `float16-for-bfloat16`, which suspects what this rule proves. Where nothing was infinite or
//! very small nothing is lost yet, and the tensor can be converted back.
//!
//! ## Example
//!
//! ```python
//! save_file({"W": W.to(torch.float16)}, path)   # W is bfloat16
//! ```
//!
//! ## Use instead
//!
//! ```python
//! save_file({"W": W}, path)
//! ```

use crate::rule::Metadata;
use crate::units::{Grouped, Percent, count};
use crate::{Artifact, Context, Diagnosis, Dtype, Float16Evidence, Rule, Severity};

pub(super) struct RoundedToFloat16;

impl Rule for RoundedToFloat16 {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TEN007",
            "rounded-to-float16",
            Severity::Error,
            include_str!("rounded_to_float16.rs"),
        )
        .reads_contents();
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let tensors = artifact.tensors().iter();
        tensors
            .filter(|tensor| tensor.dtype == Dtype::Float16)
            .filter_map(|tensor| {
                let seen = tensor.float16.filter(Float16Evidence::was_bfloat16)?;
                let losses = losses(&seen);
                let (lost, help) = if losses.is_empty() {
                    (
                        "nothing is lost yet".to_owned(),
                        "convert it back: every value is one of bfloat16's",
                    )
                } else {
                    (
                        format!("suspect: {}", losses.join(", ")),
                        "make the tensor again from the source: what is lost is not in the file",
                    )
                };
                let message = format!(
                    "all {} values are bfloat16 numbers in float16; {lost}",
                    Grouped(seen.values)
                );
                Some(Diagnosis::new(message).tensor(&tensor.name).help(help))
            })
            .collect()
    }
}

/// What may have been lost, in clauses.
fn losses(seen: &Float16Evidence) -> Vec<String> {
    [
        (seen.infinite, "infinite value", "float16 ends at 65,504"),
        (seen.zeros, "zero", "float16 loses 3.0e-8 and less"),
        (
            seen.tiny,
            "tiny value",
            "float16 has fewer bits below 7.6e-6",
        ),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, what, why)| {
        let share = number as f64 / seen.values as f64;
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        format!("{} ({}; {why})", count(number, what), Percent(share))
    })
    .collect()
}
