//! A step is not recorded.

use std::path::PathBuf;
use std::sync::Arc;

use selvedge_base::units::{Grouped, Names};

use super::StorageError;
use crate::Dtype;

/// Why a step is not recorded, or the recorder has stopped.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A step was given a tensor that was not declared.
    #[error(
        "no tensor `{tensor}` was declared; the step tensors are {}",
        Names(declared)
    )]
    UnknownTensor {
        /// The name given.
        tensor: String,
        /// The declared step tensors.
        declared: Vec<String>,
    },
    /// A step lacks tensors.
    #[error(
        "step {step} lacks {}; a step has all tensors or is not recorded",
        Names(missing)
    )]
    MissingTensors {
        /// The step.
        step: u64,
        /// The tensors that were not put.
        missing: Vec<String>,
    },
    /// A step was given one tensor twice.
    #[error("tensor `{tensor}` was put twice into step {step}")]
    DuplicateTensor {
        /// The step.
        step: u64,
        /// The tensor.
        tensor: String,
    },
    /// Values of another length than the tensor's.
    #[error("tensor `{tensor}` of shape {shape:?} has {expected} elements, found {found}")]
    LengthMismatch {
        /// The tensor.
        tensor: String,
        /// Shape of one step in elements.
        shape: Vec<usize>,
        /// Elements of that shape.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// Bytes that are no whole number of elements.
    #[error("tensor `{tensor}` has steps of {expected} bytes, found {found}")]
    BytesMismatch {
        /// The tensor.
        tensor: String,
        /// Bytes of one step.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Values of another dtype than the tensor's.
    #[error("tensor `{tensor}` holds {expected}, found {found}{}", conversion(*expected, *found))]
    DtypeMismatch {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        expected: Dtype,
        /// The dtype given.
        found: Dtype,
    },
    /// More steps than the run was planned for.
    #[error(
        "the run was planned for {} steps and has them all; finish it and resume it with more \
         `steps`, or declare a run without `steps` for an open number", Grouped(*planned)
    )]
    BeyondPlan {
        /// The planned number of steps.
        planned: u64,
    },
    /// A step was begun while the one before was open.
    #[error("step {step} is open: commit it or drop it before the next one is begun")]
    StepOpen {
        /// The open step.
        step: u64,
    },
    /// A step was still open when its recorder was finished or dropped.
    #[error("step {step} was open when the recorder of {} ended, and is not recorded", path.display())]
    StepTooLate {
        /// The file.
        path: PathBuf,
        /// The step.
        step: u64,
    },
    /// The writer stopped; every later call says so.
    #[error("the recorder of {} has stopped{}", path.display(), what_is_left(source, kept.then_some(*committed)))]
    Stopped {
        /// The file.
        path: PathBuf,
        /// Steps that are committed.
        committed: u64,
        /// Whether they stay: not in a file that was to be named when it is finished.
        kept: bool,
        /// Why it stopped.
        source: Arc<StorageError>,
    },
    /// What every work on a file can meet.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What there is to do after `cause` stopped a recorder with `committed` steps.
fn what_is_left(cause: &StorageError, committed: Option<u64>) -> String {
    let Some(committed) = committed else {
        return ", and nothing of it is kept".to_owned();
    };
    match cause {
        StorageError::Overwritten { .. } | StorageError::Deleted { .. } => String::new(),
        StorageError::Truncated { .. } => ", and what had been recorded is lost".to_owned(),
        _ => format!(
            " with its first {} steps in the file; when the cause is gone, continue with \
             `Recorder::resume`",
            Grouped(committed)
        ),
    }
}

/// How to get from the dtype `found` to the one expected, in the cases that happen to people.
fn conversion(expected: Dtype, found: Dtype) -> &'static str {
    match (expected, found) {
        (Dtype::F32, Dtype::F64) => "; a literal like `1.0` is float64, write `1.0_f32`",
        (Dtype::Bf16, Dtype::F32) => "; round it with `selvedge_bf16::round_f32_to_bf16`",
        (Dtype::Bf16, Dtype::F16) => "; float16 is another format, and cannot hold all of bfloat16",
        _ => "",
    }
}
