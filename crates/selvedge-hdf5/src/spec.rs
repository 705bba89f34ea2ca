//! The declaration of a tensor, and what its name may be.

use crate::{DeclareError, Dtype};

/// A declared tensor: name, dtype and the shape of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name, which is that of its dataset.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Shape of one step in elements, outermost axis first; empty for a scalar.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// A tensor `name` with steps of `dtype` and `shape` (elements, outermost axis first).
    #[must_use]
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: impl AsRef<[usize]>) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.as_ref().to_vec(),
        }
    }

    /// Bytes of one step.
    ///
    /// # Errors
    ///
    /// [`DeclareError::InvalidTensor`] where the shape has an axis of length 0 or does not fit memory.
    pub fn step_bytes(&self) -> Result<u64, DeclareError> {
        let bytes = self
            .shape
            .iter()
            .try_fold(self.dtype.size() as u64, |bytes, &axis| {
                bytes.checked_mul(axis as u64)
            })
            .filter(|&bytes| i64::try_from(bytes).is_ok());
        match bytes {
            Some(0) => Err(self.invalid("a shape without an axis of length 0")),
            Some(bytes) => Ok(bytes),
            None => Err(self.invalid("a step of less than 2^63 bytes")),
        }
    }

    /// Checks name and shape.
    pub(crate) fn validate(&self) -> Result<(), DeclareError> {
        validate_name(&self.name)?;
        // HDF5 has at most 32 axes; the steps are one of them.
        if self.shape.len() > 31 {
            return Err(self.invalid("at most 31 axes beside the steps"));
        }
        self.step_bytes().map(|_| ())
    }

    pub(crate) fn invalid(&self, expected: &'static str) -> DeclareError {
        DeclareError::InvalidTensor {
            tensor: self.name.clone(),
            shape: self.shape.clone(),
            expected,
        }
    }
}

/// A dataset or attribute name is not empty and is one component of a path.
pub(crate) fn validate_name(name: &str) -> Result<(), DeclareError> {
    let expected = if name.is_empty() {
        "at least one character"
    } else if name.contains('/') {
        "no `/`: all datasets lie at the root of the file"
    } else if name == "." {
        "a name, and `.` is a path"
    } else if name.contains('\0') {
        "no zero byte"
    } else if name.len() > 1024 {
        "at most 1024 bytes"
    } else {
        return Ok(());
    };
    Err(DeclareError::InvalidName {
        name: name.to_owned(),
        expected,
    })
}
