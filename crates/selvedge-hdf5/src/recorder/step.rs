//! One step while it is filled.

use super::block::{Block, BlockLayout};
use crate::element::{Element, Values};
use crate::{Dtype, Error, TensorSpec};

/// A step that is being put together by [`Recorder::append`](crate::Recorder::append).
#[derive(Debug)]
pub struct Step<'a> {
    pub(super) number: u64,
    pub(super) specs: &'a [TensorSpec],
    pub(super) lengths: &'a [usize],
    pub(super) layout: &'a BlockLayout,
    pub(super) block: &'a mut Block,
    pub(super) filled: &'a mut [bool],
    /// Where the next name is looked for first: tensors mostly come in the declared order.
    pub(super) next: usize,
}

impl Step<'_> {
    /// The number of this step; the first is 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Copies `values` into tensor `name`: a scalar, or all elements of its shape in row-major
    /// order.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTensor`], [`Error::DtypeMismatch`], [`Error::LengthMismatch`] or
    /// [`Error::DuplicateTensor`]; the step is then not recorded, and the run goes on.
    pub fn put<V: Values + ?Sized>(&mut self, name: &str, values: &V) -> Result<&mut Self, Error> {
        let elements = values.elements();
        self.put_bytes(name, V::Element::DTYPE, V::Element::as_bytes(elements))
    }

    /// Copies `bytes`, which are elements of `dtype` in row-major order and little-endian, into
    /// tensor `name`.
    ///
    /// # Errors
    ///
    /// The errors of [`put`](Self::put), and [`Error::BytesMismatch`] for a part of an element.
    pub fn put_bytes(
        &mut self,
        name: &str,
        dtype: Dtype,
        bytes: &[u8],
    ) -> Result<&mut Self, Error> {
        let tensor = self.find(name)?;
        let spec = &self.specs[tensor];
        if spec.dtype != dtype {
            return Err(Error::DtypeMismatch {
                tensor: spec.name.clone(),
                expected: spec.dtype,
                found: dtype,
            });
        }
        let slot = self.block.slot(self.layout, tensor);
        if !bytes.len().is_multiple_of(dtype.size()) {
            return Err(Error::BytesMismatch {
                tensor: spec.name.clone(),
                expected: slot.len(),
                found: bytes.len(),
            });
        }
        if slot.len() != bytes.len() {
            return Err(Error::LengthMismatch {
                tensor: spec.name.clone(),
                shape: spec.shape.clone(),
                expected: self.lengths[tensor],
                found: bytes.len() / dtype.size(),
            });
        }
        if self.filled[tensor] {
            return Err(Error::DuplicateTensor {
                step: self.number,
                tensor: spec.name.clone(),
            });
        }
        slot.copy_from_slice(bytes);
        self.filled[tensor] = true;
        self.next = tensor + 1;
        Ok(self)
    }

    fn find(&self, name: &str) -> Result<usize, Error> {
        let named = |spec: &TensorSpec| spec.name == name;
        if self.specs.get(self.next).is_some_and(named) {
            return Ok(self.next);
        }
        self.specs
            .iter()
            .position(named)
            .ok_or_else(|| Error::UnknownTensor {
                tensor: name.to_owned(),
                declared: self.specs.iter().map(|spec| spec.name.clone()).collect(),
            })
    }

    /// Fails unless every tensor was put.
    pub(super) fn check_complete(&self) -> Result<(), Error> {
        if self.filled.iter().all(|&filled| filled) {
            return Ok(());
        }
        let missing = self
            .specs
            .iter()
            .zip(&*self.filled)
            .filter(|(_, filled)| !**filled)
            .map(|(spec, _)| spec.name.clone())
            .collect();
        Err(Error::MissingTensors {
            step: self.number,
            missing,
        })
    }
}
