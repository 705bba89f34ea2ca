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
        let tensor = self.find_for(name, dtype, bytes)?;
        take_place(self.run, self.filling, tensor)?.copy_from_slice(bytes);
        Ok(self)
    }

    /// The same for a tensor that may have been put before: the last values count.
    pub(super) fn replace_bytes(
        &mut self,
        name: &str,
        dtype: Dtype,
        bytes: &[u8],
    ) -> Result<(), RecordError> {
        let tensor = self.find_for(name, dtype, bytes)?;
        self.filling.filled[tensor] = false;
        take_place(self.run, self.filling, tensor)?.copy_from_slice(bytes);
        Ok(())
    }

    /// The number of tensor `name`, whose elements `bytes` are.
    fn find_for(&self, name: &str, dtype: Dtype, bytes: &[u8]) -> Result<usize, RecordError> {
        let tensor = self.find(name, dtype)?;
        let spec = &self.run.specs[tensor];
        let expected = self.run.lengths[tensor];
        if !bytes.len().is_multiple_of(dtype.size()) {
            return Err(RecordError::BytesMismatch {
                tensor: spec.name.clone(),
                expected: expected * dtype.size(),
                found: bytes.len(),
            });
        }
        if bytes.len() / dtype.size() != expected {
            return Err(RecordError::LengthMismatch {
                tensor: spec.name.clone(),
                shape: spec.shape.clone(),
                expected,
                found: bytes.len() / dtype.size(),
            });
        }
        Ok(tensor)
    }

    /// The memory of tensor `name`, for its elements of `dtype`. The tensor counts as put.
    pub(super) fn into_place(self, name: &str, dtype: Dtype) -> Result<&'a mut [u8], RecordError> {
        let tensor = self.find(name, dtype)?;
        take_place(self.run, self.filling, tensor)
    }

    fn find(&self, name: &str, dtype: Dtype) -> Result<usize, RecordError> {
        let specs = &self.run.specs;
        let named = |spec: &TensorSpec| spec.name == name;
        let tensor = match specs.get(self.filling.next).is_some_and(named) {
            true => Some(self.filling.next),
            false => specs.iter().position(named),
        };
        let tensor = tensor.ok_or_else(|| RecordError::UnknownTensor {
            tensor: name.to_owned(),
            declared: specs.iter().map(|spec| spec.name.clone()).collect(),
        })?;
        if specs[tensor].dtype != dtype {
            return Err(RecordError::DtypeMismatch {
                tensor: specs[tensor].name.clone(),
                expected: specs[tensor].dtype,
                found: dtype,
            });
        }
        Ok(tensor)
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
