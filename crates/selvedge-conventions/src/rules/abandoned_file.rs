//! A file that a writer left unfinished when it died.
//!
//! ## What it does
//!
//! Finds the files that Selvedge writes until they are complete, `.NAME.partial` and `NAME.unfinished`,
//! if no program has them open for writing or locked any more. Other programs use such names, too: what has
//! all that its header says may lack only its name.
//!
//! ## Why is this bad?
//!
//! A conversion or a recording was killed, and has left what it had written so far. A `.partial` file is
//! worth nothing, is hidden, and can be as large as the file that it was to become. An `.unfinished` one
//! has whole rows that nothing can load under this name.
//!
//! ## Example
//!
//! ```text
//! tensors/Thimble/.thimble_7.h5.partial
//! tensors/Qwen3-4B-Instruct-2507/1.5e_activations.safetensors.unfinished
//! ```
//!
//! ## Use instead
//!
//! ```sh
//! selvedge clean tensors           # lists such files and removes what is worth nothing
//! selvedge recover 1.5e_activations.safetensors.unfinished
//! ```

use selvedge_base::text::shell_path;

use crate::rule::Metadata;
use crate::units::Bytes;
use crate::{Context, Diagnosis, Rule, Severity, TreePath};

pub(super) struct AbandonedFile;

impl Rule for AbandonedFile {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TEN008",
            "abandoned-file",
            Severity::Warning,
            include_str!("abandoned_file.rs"),
        );
        &METADATA
    }

    fn check_tree(&self, context: &Context<'_>) -> Vec<(TreePath, Diagnosis)> {
        let abandoned = context.tree().abandoned.iter();
        abandoned
            .map(|file| {
                let bytes = Bytes(file.bytes);
                let diagnosis = Diagnosis::new(match file.is_whole {
                    true => format!("{bytes} under the name of an incomplete file, and nobody writes it"),
                    false => format!("its writer died and left {bytes} behind"),
                });
                let help = if file.is_whole {
                    "it may be complete, since it has all that its header says: look at it, and rename it or remove it".to_owned()
                } else if file.is_recoverable {
                    format!(
                        "`selvedge recover {}` makes a file of the rows that are there",
                        shell_path(file.path.file_name())
                    )
                } else {
                    "nothing can be read of it; `selvedge clean` removes it".to_owned()
                };
                (file.path.clone(), diagnosis.help(help))
            })
            .collect()
    }
}
