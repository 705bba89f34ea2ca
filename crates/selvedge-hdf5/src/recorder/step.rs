//! One step while it is filled.

use super::queue::Filling;
use super::run::Run;
use crate::element::{Element, Values};
use crate::{Dtype, RecordError, TensorSpec};

/// A step that is being put together by [`Recorder::append`](crate::Recorder::append).
#[derive(Debug)]
pub struct Step<'a> {
    pub(super) run: &'a Run,
    pub(super) filling: &'a mut Filling,
}

impl<'a> Step<'a> {
    /// The number of this step; the first is 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.filling.number
    }

    /// Copies `values` into tensor `name`: a scalar, or all elements of its shape in row-major
    /// order.
    ///
    /// # Errors
    ///
    /// [`RecordError::UnknownTensor`], [`RecordError::DtypeMismatch`], [`RecordError::LengthMismatch`] or
    /// [`RecordError::DuplicateTensor`]; the step is then not recorded, and the run goes on.
    pub fn put<V: Values + ?Sized>(
        &mut self,
        name: &str,
        values: &V,
    ) -> Result<&mut Self, RecordError> {
        let elements = values.elements();
        self.put_bytes(name, V::Element::DTYPE, V::Element::as_bytes(elements))
    }

    /// Copies `bytes`, which are elements of `dtype` in row-major order and little-endian, into
    /// tensor `name`.
    ///
    /// # Errors
    ///
    /// The errors of [`put`](Self::put), and [`RecordError::BytesMismatch`] for a part of an element.
    pub fn put_bytes(
        &mut self,
        name: &str,
        dtype: Dtype,
        bytes: &[u8],
    ) -> Result<&mut Self, RecordError> {
        self.put_nth(self.find(name)?, dtype, bytes)
    }

    /// The same for the tensor with this number in [`Recorder::tensors`](crate::Recorder::tensors), which need not be
    /// looked for.
    ///
    /// # Errors
    ///
    /// The errors of [`put_bytes`](Self::put_bytes).
    pub fn put_nth(
        &mut self,
        tensor: usize,
        dtype: Dtype,
        bytes: &[u8],
    ) -> Result<&mut Self, RecordError> {
        self.check(tensor, dtype, bytes)?;
        take_place(self.run, self.filling, tensor)?.copy_from_slice(bytes);
        Ok(self)
    }

    /// The same for a tensor that may have been put before: the last values count.
    pub(super) fn replace_nth(
        &mut self,
        tensor: usize,
        dtype: Dtype,
        bytes: &[u8],
    ) -> Result<(), RecordError> {
        self.check(tensor, dtype, bytes)?;
        self.filling.filled[tensor] = false;
        take_place(self.run, self.filling, tensor)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Fails unless `bytes` are the elements of this tensor.
    fn check(&self, tensor: usize, dtype: Dtype, bytes: &[u8]) -> Result<(), RecordError> {
        self.check_dtype(tensor, dtype)?;
        let spec = &self.run.specs[tensor];
        let expected = self.run.lengths[tensor];
        if bytes.len() == expected * dtype.size() {
            return Ok(());
        }
        if !bytes.len().is_multiple_of(dtype.size()) {
            return Err(RecordError::BytesMismatch {
                tensor: spec.name.clone(),
                expected: expected * dtype.size(),
                found: bytes.len(),
            });
        }
        Err(RecordError::LengthMismatch {
            tensor: spec.name.clone(),
            shape: spec.shape.clone(),
            expected,
            found: bytes.len() / dtype.size(),
        })
    }

    /// The memory of tensor `name`, for its elements of `dtype`. The tensor counts as put.
    pub(super) fn into_place(self, name: &str, dtype: Dtype) -> Result<&'a mut [u8], RecordError> {
        let tensor = self.find(name)?;
        self.check_dtype(tensor, dtype)?;
        take_place(self.run, self.filling, tensor)
    }

    /// The same for the tensor with this number, which may have been put before.
    pub(super) fn into_place_nth(
        self,
        tensor: usize,
        dtype: Dtype,
    ) -> Result<&'a mut [u8], RecordError> {
        self.check_dtype(tensor, dtype)?;
        self.filling.filled[tensor] = false;
        take_place(self.run, self.filling, tensor)
    }

    /// The number of tensor `name`.
    pub(super) fn find(&self, name: &str) -> Result<usize, RecordError> {
        let specs = &self.run.specs;
        let named = |spec: &TensorSpec| spec.name == name;
        let tensor = match specs.get(self.filling.next).is_some_and(named) {
            true => Some(self.filling.next),
            false => specs.iter().position(named),
        };
        tensor.ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> RecordError {
        let specs = self.run.specs.iter();
        RecordError::UnknownTensor {
            tensor: name.to_owned(),
            declared: specs.map(|spec| spec.name.clone()).collect(),
        }
    }

    fn check_dtype(&self, tensor: usize, dtype: Dtype) -> Result<(), RecordError> {
        let spec = self.run.specs.get(tensor);
        let spec = spec.ok_or_else(|| self.unknown(&format!("number {tensor}")))?;
        if spec.dtype != dtype {
            return Err(RecordError::DtypeMismatch {
                tensor: spec.name.clone(),
                expected: spec.dtype,
                found: dtype,
            });
        }
        Ok(())
    }

    /// Fails unless every tensor was put.
    pub(super) fn check_complete(&self) -> Result<(), RecordError> {
        if self.filling.filled.iter().all(|&filled| filled) {
            return Ok(());
        }
        let missing = self
            .run
            .specs
            .iter()
            .zip(&self.filling.filled)
            .filter(|(_, filled)| !**filled)
            .map(|(spec, _)| spec.name.clone())
            .collect();
        Err(RecordError::MissingTensors {
            step: self.filling.number,
            missing,
        })
    }
}

/// The memory of a tensor, which counts as put.
fn take_place<'f>(
    run: &Run,
    filling: &'f mut Filling,
    tensor: usize,
) -> Result<&'f mut [u8], RecordError> {
    if std::mem::replace(&mut filling.filled[tensor], true) {
        return Err(RecordError::DuplicateTensor {
            step: filling.number,
            tensor: run.specs[tensor].name.clone(),
        });
    }
    filling.next = tensor + 1;
    Ok(filling.slot.of(tensor))
}
