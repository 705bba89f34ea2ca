//! Parts of messages.

use super::Error;
use crate::Dtype;
use crate::plan::Grouped;

/// An error with all its sources, for a message that must stand alone.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// What there is to do after `cause` stopped a recorder with `committed` steps.
pub(super) fn what_is_left(cause: &Error, committed: Option<u64>) -> String {
    let Some(committed) = committed else {
        return "; nothing of it is kept".to_owned();
    };
    match cause {
        Error::Overwritten { .. } | Error::Deleted { .. } => String::new(),
        Error::Truncated { .. } => "; what had been recorded is lost".to_owned(),
        _ => format!(
            ". Its first {} steps are in the file; when the cause is gone, continue with \
             `Recorder::resume`",
            Grouped(committed)
        ),
    }
}

/// How to get from the dtype `found` to the one expected, in the cases that happen to people.
pub(super) fn conversion(expected: Dtype, found: Dtype) -> &'static str {
    match (expected, found) {
        (Dtype::F32, Dtype::F64) => "; a literal like `1.0` is float64, write `1.0_f32`",
        (Dtype::Bf16, Dtype::F32) => "; round it with `selvedge_bf16::round_f32_to_bf16`",
        (Dtype::Bf16, Dtype::F16) => "; float16 is another format, and cannot hold all of bfloat16",
        _ => "",
    }
}

/// Tensors and their numbers of steps.
pub(super) fn lengths(tensors: &[(String, u64)]) -> String {
    let one = |(name, steps): &(String, u64)| format!("`{name}` has {} steps", Grouped(*steps));
    tensors.iter().map(one).collect::<Vec<_>>().join(", ")
}
