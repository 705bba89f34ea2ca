//! What is asked of a tensor that is measured.

use std::ops::Range;

use selvedge_base::Stride;

use crate::element::element_bytes;

/// Reads some rows of some steps, or all rows, into a buffer that gets their length.
///
/// A step is what lies at one index of the first axis, a row what lies at one index of the second. Bytes are
/// row-major and little-endian. A tensor without steps is one step, and its rows are what lies at the indices of
/// its first axis. It returns why they cannot be read.
pub type Read<'a> =
    Box<dyn Fn(Range<u64>, Option<&[Stride]>, &mut Vec<u8>) -> Result<(), String> + Sync + 'a>;

/// A tensor that is to be measured.
pub struct Tensor<'a> {
    /// Its name, as people may see it.
    pub name: String,
    /// Its dtype, by PyTorch's name.
    pub dtype: String,
    /// In elements, outermost axis first.
    pub shape: Vec<u64>,
    /// Whether the first axis is steps. What has none is one step as a whole.
    pub has_steps: bool,
    /// The shape of a chunk in elements, where it has some.
    pub chunk: Option<Vec<u64>>,
    /// Whether a chunk is unpacked as a whole.
    pub is_packed: bool,
    /// What reads it; or why it cannot be read.
    pub values: Result<Read<'a>, String>,
}

impl Tensor<'_> {
    /// The number of its steps.
    #[must_use]
    pub fn steps(&self) -> u64 {
        match (self.has_steps, self.shape.first()) {
            (true, Some(&steps)) => steps,
            _ => 1,
        }
    }

    /// The shape of a step.
    #[must_use]
    pub fn step_shape(&self) -> &[u64] {
        match self.has_steps {
            true => self.shape.get(1..).unwrap_or_default(),
            false => &self.shape,
        }
    }

    /// The number of its rows: a step that is a single value is one row.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.step_shape().first().copied().unwrap_or(1)
    }

    /// Bytes of a step; 0 of a dtype that is not measured.
    #[must_use]
    pub fn step_bytes(&self) -> u64 {
        let element = element_bytes(&self.dtype).unwrap_or(0);
        self.step_len().saturating_mul(element)
    }

    /// Elements of a step.
    #[must_use]
    pub fn step_len(&self) -> u64 {
        let axes = self.step_shape().iter();
        axes.fold(1, |product, &axis| product.saturating_mul(axis))
    }
}
