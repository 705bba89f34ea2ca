//! A tensor that is stored as float16, where bfloat16 was probably meant.
//!
//! ## What it does
//!
//! Finds float16 tensors in safetensors, HDF5 and NumPy's files. Networks are trained and published in
//! bfloat16, and float16 mostly comes from a conversion on the way to the file. A dataset with the
//! attribute `logical_dtype = "float16"` says that float16 is meant, and so does the `config.json` of
//! transformers beside a safetensors file (`"dtype": "float16"`, before version 5 `torch_dtype`), and a word
//! of the path: `model.fp16.safetensors`.
//!
//! Where nobody keeps to the conventions about names, only the first such tensor of a file is told.
//!
//! The header cannot tell which it is. The rule `rounded-to-float16` can, from the data, and where
//! the data were read this rule is silent.
//!
//! ## Why is this bad?
//!
//! float16 has 5 bits of exponent where bfloat16 has 8. Above 65,504 everything is infinite, and
//! below 3e-8 everything is zero: gradients and second moments disappear. It is found out days
//! later, and what was lost is lost.
//!
//! ## Example
//!
//! ```python
//! f.create_dataset("W", data=W.to(torch.float16).numpy())
//! ```
//!
//! ## Use instead
//!
//! ```python
//! dataset = f.create_dataset("W", data=W.view(torch.uint16).numpy())
//! dataset.attrs["logical_dtype"] = "bfloat16"
//! ```
//!
//! safetensors has bfloat16 itself: `save_file({"W": W}, path)` with a bfloat16 `W`.

use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Dtype, Rule, Severity};

pub(super) struct Float16ForBfloat16;

impl Rule for Float16ForBfloat16 {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TEN002",
            "float16-for-bfloat16",
            Severity::Warning,
            include_str!("float16_for_bfloat16.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, context: &Context<'_>) -> Vec<Diagnosis> {
        let path = &artifact.path;
        let of_config = artifact.safetensors().is_some()
            && context.tree().float16_folders.contains(path.parent());
        let mut words = path.as_str().split(|c: char| !c.is_ascii_alphanumeric());
        if of_config || words.any(|word| ["fp16", "float16", "f16"].contains(&word)) {
            return Vec::new();
        }
        let tensors = artifact.tensors().iter();
        // Elsewhere float16 is mostly meant, and one word about the file is enough.
        let most = match context.names_are_meant(path) {
            true => usize::MAX,
            false => 1,
        };
        tensors
            .filter(|tensor| tensor.dtype == Dtype::Float16)
            .filter(|tensor| tensor.logical_dtype.as_deref() != Some("float16"))
            .filter(|tensor| {
                // What the data say is the business of another rule, or settles the matter.
                tensor
                    .float16
                    .is_none_or(|seen| !seen.was_bfloat16() && !seen.is_float16())
            })
            .take(most)
            .map(|tensor| {
                let help = if artifact.hdf5().is_some() {
                    "store bfloat16 as uint16, bit for bit, with the attribute `logical_dtype`; \
                     if float16 is meant, set `logical_dtype = \"float16\"`"
                } else {
                    "save the bfloat16 tensor itself; if float16 is meant, ignore the rule for \
                     the file"
                };
                Diagnosis::new("stored as float16, which cannot hold what bfloat16 can")
                    .tensor(&tensor.name)
                    .help(help)
            })
            .collect()
    }
}
