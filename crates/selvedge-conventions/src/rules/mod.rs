//! The rules, one file each. The documentation at the top of a file is the rule's manual page.
//!
//! Codes are the letters of a group and a number. A code is never used again, not even that of a
//! rule that was removed.
//!
//! | group | about |
//! |---|---|
//! | `GIT` | what git and its hooks do to notebooks |
//! | `NAM` | names and places of tensor files |
//! | `NBK` | notebooks |
//! | `TEN` | tensors and the files that hold them |
//! | `TRJ` | trajectories: HDF5 files that are recorded step by step |

mod abandoned_file;
mod changed_run;
mod chunk_far_from_plan;
mod compressed_trajectory;
mod damaged_array;
mod damaged_safetensors;
mod damaged_trajectory;
mod duplicate_content;
mod error_output;
mod executed_out_of_order;
mod float16_for_bfloat16;
mod invalid_notebook;
mod misnamed_trajectory;
mod missing_notebook_id;
mod missing_source;
mod missing_tensor_file;
mod misspelt_silence;
mod no_such_notebook;
mod notebook_without_outputs;
mod old_notebook_format;
mod output_of_other_code;
mod output_stripping_filter;
mod output_stripping_hook;
mod rounded_to_float16;
mod safetensors_too_large;
mod step_sized_chunks;
mod stripping;
mod tail_waste;
mod uncovered_bytes;
mod unexecuted_cells;
mod unknown_directory;
mod unmarked_bfloat16;
mod unshown_notebook;
mod writer_died;

use crate::facts::Hdf5Facts;
use crate::{Artifact, Contents, Context, Rule, TensorFacts, TensorPlace};

/// All rules, by code.
pub const RULES: &[&dyn Rule] = &[
    &output_stripping_filter::OutputStrippingFilter,
    &output_stripping_hook::OutputStrippingHook,
    &missing_notebook_id::MissingNotebookId,
    &no_such_notebook::NoSuchNotebook,
    &unknown_directory::UnknownDirectory,
    &misnamed_trajectory::MisnamedTrajectory,
    &invalid_notebook::InvalidNotebook,
    &notebook_without_outputs::NotebookWithoutOutputs,
    &error_output::ErrorOutput,
    &executed_out_of_order::ExecutedOutOfOrder,
    &unexecuted_cells::UnexecutedCells,
    &missing_tensor_file::MissingTensorFile,
    &old_notebook_format::OldNotebookFormat,
    &unshown_notebook::UnshownNotebook,
    &output_of_other_code::OutputOfOtherCode,
    &misspelt_silence::MisspeltSilence,
    &safetensors_too_large::SafetensorsTooLarge,
    &float16_for_bfloat16::Float16ForBfloat16,
    &unmarked_bfloat16::UnmarkedBfloat16,
    &damaged_safetensors::DamagedSafetensors,
    &uncovered_bytes::UncoveredBytes,
    &duplicate_content::DuplicateContent,
    &rounded_to_float16::RoundedToFloat16,
    &abandoned_file::AbandonedFile,
    &damaged_array::DamagedArray,
    &compressed_trajectory::CompressedTrajectory,
    &chunk_far_from_plan::ChunkFarFromPlan,
    &tail_waste::TailWaste,
    &step_sized_chunks::StepSizedChunks,
    &writer_died::WriterDied,
    &damaged_trajectory::DamagedTrajectory,
    &missing_source::MissingSource,
    &changed_run::ChangedRun,
];

/// The rule of a code or a name.
#[must_use]
pub fn rule(code_or_name: &str) -> Option<&'static dyn Rule> {
    RULES
        .iter()
        .copied()
        .find(|rule| rule.code() == code_or_name || rule.name() == code_or_name)
}

/// The stem and the extension of a file whose name begins with the id of a notebook: a safetensors file, or
/// arrays of NumPy in a directory of tensors. Elsewhere these may be anything.
fn named_by_notebook<'a>(
    artifact: &'a Artifact,
    context: &Context<'_>,
) -> Option<(&'a str, &'a str)> {
    let place = || context.config().place(&artifact.path);
    let is_meant = match &artifact.contents {
        Contents::Safetensors(_) => true,
        Contents::Numpy(_) => !matches!(place(), TensorPlace::Elsewhere),
        _ => false,
    };
    let parts = artifact.path.file_name().rsplit_once('.');
    parts.filter(|_| is_meant)
}

/// Tensors with less data than this are left alone by the rules about chunks: they are read at once
/// whatever their chunks.
const SMALL: u64 = 16_000_000;

/// The tensors of a trajectory that are not [`SMALL`].
fn large_tensors(facts: Option<&Hdf5Facts>) -> impl Iterator<Item = &TensorFacts> {
    let tensors = facts.into_iter().flat_map(|facts| &facts.tensors);
    tensors.filter(|tensor| tensor.bytes() >= SMALL)
}
