//! The declaration of a tensor, and the bytes that it takes.

use selvedge_base::shape::elements;

use crate::{Dtype, SaveError, SizeError};

/// The key of a header that is no tensor.
pub(crate) const METADATA: &str = "__metadata__";

/// A declared tensor: name, dtype and shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its shape in elements, outermost axis first (row-major); empty for a scalar.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// A tensor `name` of `dtype` and `shape` (elements, outermost axis first).
    #[must_use]
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: impl AsRef<[usize]>) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.as_ref().to_vec(),
        }
    }

    /// The bytes of its data.
    ///
    /// # Errors
    ///
    /// [`SizeError::TooLarge`], and [`SizeError::PartialByte`] where elements of 4 or 6 bits do not fill
    /// whole bytes.
    pub fn bytes(&self) -> Result<u64, SizeError> {
        let (tensor, dtype) = (self.name.clone(), self.dtype);
        let shape = self.shape.clone();
        match Size::of(self.dtype, &self.shape) {
            Size::Bytes(bytes) => Ok(bytes),
            Size::PartialByte { bits } => Err(SizeError::PartialByte {
                tensor,
                dtype,
                shape,
                bits,
            }),
            Size::TooLarge => Err(SizeError::TooLarge {
                tensor,
                dtype,
                shape,
            }),
        }
    }

    /// Checks that a file can have it, and returns the bytes of its data.
    ///
    /// # Errors
    ///
    /// [`SaveError::InvalidName`], and those of [`bytes`](Self::bytes).
    pub fn check(&self) -> Result<u64, SaveError> {
        if self.name == METADATA {
            return Err(SaveError::InvalidName {
                name: self.name.clone(),
                what: "tensor",
                expected: "another one: the format keeps it for the metadata",
            });
        }
        Ok(self.bytes()?)
    }
}

/// What a dtype and a shape take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Bytes(u64),
    /// Bits that are no whole bytes.
    PartialByte {
        bits: u64,
    },
    TooLarge,
}

impl Size {
    pub(crate) fn of(dtype: Dtype, shape: &[usize]) -> Self {
        // The axes first, as other readers do.
        let bits =
            elements(shape).and_then(|elements| elements.checked_mul(dtype.bitsize() as u64));
        match bits {
            None => Self::TooLarge,
            Some(bits) if bits.is_multiple_of(8) => Self::Bytes(bits / 8),
            Some(bits) => Self::PartialByte { bits },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_bytes_or_refused() {
        for (dtype, shape, expected) in [
            (Dtype::BF16, &[10_000, 64][..], Size::Bytes(1_280_000)),
            (Dtype::F64, &[], Size::Bytes(8)),
            (Dtype::F64, &[3, 0], Size::Bytes(0)),
            (Dtype::C64, &[2], Size::Bytes(16)),
            (Dtype::F4, &[2, 3], Size::Bytes(3)),
            (Dtype::F4, &[3], Size::PartialByte { bits: 12 }),
            (Dtype::F6_E2M3, &[4], Size::Bytes(3)),
            (Dtype::F6_E3M2, &[2], Size::PartialByte { bits: 12 }),
            (Dtype::U8, &[usize::MAX], Size::TooLarge),
            (Dtype::U8, &[usize::MAX, 2, 0], Size::TooLarge),
        ] {
            assert_eq!(Size::of(dtype, shape), expected, "{dtype} {shape:?}");
        }
    }

    #[test]
    fn the_name_of_the_metadata_is_taken() {
        let spec = TensorSpec::new("__metadata__", Dtype::U8, [1]);
        assert_eq!(
            spec.check().unwrap_err().to_string(),
            "`__metadata__` cannot be the name of a tensor: expected another one: the format keeps \
             it for the metadata"
        );
    }
}
