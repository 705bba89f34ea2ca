//! Tensor files that are the same, byte for byte, under different names.
//!
//! ## What it does
//!
//! Compares a hash of the whole content of every tensor file.
//!
//! ## Why is this bad?
//!
//! One of the names says what is not so: two notebooks cannot have made one file, and two models
//! do not have the same weights. Most often a variable was saved that was meant to be computed
//! again. If it is a copy on purpose, it is that much disk.
//!
//! ## Example
//!
//! ```text
//! tensors/Flannel/1.5d_cluster_mask.safetensors
//! tensors/Thimble/1.6a_cluster_mask.safetensors   the same content
//! ```
//!
//! ## Use instead
//!
//! One file, and a notebook that loads it from where it is.

use std::collections::BTreeMap;

use crate::rule::Metadata;
use crate::units::{Bytes, shortened};
use crate::{Context, Diagnosis, Rule, Severity, TreePath};

pub(super) struct DuplicateContent;

impl Rule for DuplicateContent {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TEN006",
            "duplicate-content",
            Severity::Warning,
            include_str!("duplicate_content.rs"),
        )
        .reads_contents();
        &METADATA
    }

    fn check_tree(&self, context: &Context<'_>) -> Vec<(TreePath, Diagnosis)> {
        const SHOWN: usize = 3;
        let mut same: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for file in &context.tree().files {
            if let Some(hash) = &file.content_hash
                && !file.path.file_name().ends_with(".ipynb")
            {
                same.entry((file.bytes, hash)).or_default().push(&file.path);
            }
        }
        let mut found = Vec::new();
        for ((bytes, _), mut paths) in same {
            paths.sort();
            // The first one is the original, as far as anybody can tell.
            if let [original, copies @ ..] = &paths[..] {
                for copy in copies {
                    let others: Vec<_> = paths
                        .iter()
                        .filter(|path| *path != copy && *path != original)
                        .map(|path| format!("`{path}`"))
                        .collect();
                    let also = if others.is_empty() {
                        String::new()
                    } else {
                        format!(", and as {}", shortened(&others, SHOWN))
                    };
                    let message = format!(
                        "the same {}, byte for byte, as `{original}`{also}",
                        Bytes(bytes)
                    );
                    let diagnosis =
                        Diagnosis::new(message).help("keep one, or find out which name is wrong");
                    found.push(((*copy).clone(), diagnosis));
                }
            }
        }
        found
    }
}
