//! Rows of any indices, read from a file with many requests to the disk at a time.

use std::ops::Range;

use super::reader::{Failure, Tensor};
use super::rows::{Rows, check_buffer, check_dtype};
use crate::{Element, ReadError};

/// Bytes that the disk is asked for before any is waited for.
const WINDOW: usize = 32 << 20;

/// A tensor, or a part of it that is made of rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) tensor: Tensor<'a>,
    /// The shape of the part in elements, outermost axis first.
    pub(super) shape: &'a [usize],
    /// Where the part begins, in bytes from the start of the tensor.
    pub(super) begin: usize,
}

impl Source<'_> {
    /// The rows of these indices, in their order.
    pub(super) fn gather<T: Element>(&self, rows: &[usize]) -> Result<Vec<T>, ReadError> {
        check_dtype::<T>(self.tensor.info())?;
        let found = Rows::of(self.tensor.info(), self.shape)?;
        found.check(rows)?;
        let mut values = self.tensor.allocate(rows.len() * found.row_len::<T>())?;
        self.fill(found, rows, &mut values)?;
        Ok(values)
    }

    /// The same, into a buffer of as many elements.
    pub(super) fn gather_into<T: Element>(
        &self,
        rows: &[usize],
        buffer: &mut [T],
    ) -> Result<(), ReadError> {
        let info = self.tensor.info();
        check_dtype::<T>(info)?;
        let found = Rows::of(info, self.shape)?;
        found.check(rows)?;
        check_buffer(info, rows.len() * found.row_len::<T>(), buffer.len())?;
        self.fill(found, rows, buffer)
    }

    fn fill<T: Element>(
        &self,
        found: Rows<'_>,
        rows: &[usize],
        buffer: &mut [T],
    ) -> Result<(), ReadError> {
        T::fill(buffer, |bytes| {
            self.read(found, rows, bytes).map_err(Failure::Read)
        })
        .map_err(|failure| failure.into_error(self.tensor.info()))
    }

    /// Takes what is in memory, while the disk begins with all the rest; then waits for that.
    fn read(&self, found: Rows<'_>, rows: &[usize], bytes: &mut [u8]) -> Result<(), ReadError> {
        let (mut missing, mut window) = (Vec::new(), 0);
        found.runs(rows, |from, to| {
            let from = self.begin + from.start;
            let read = self.tensor.read_cached(&mut bytes[to.clone()], from);
            if read < to.len() {
                window += to.len() - read;
                missing.push((from + read, to.start + read..to.end));
            }
            if window >= WINDOW {
                window = 0;
                self.wait(&mut missing, bytes)?;
            }
            Ok(())
        })?;
        self.wait(&mut missing, bytes)
    }

    fn wait(
        &self,
        missing: &mut Vec<(usize, Range<usize>)>,
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let mut missing = missing.drain(..);
        missing.try_for_each(|(from, to)| self.tensor.read_at(&mut bytes[to], from))
    }
}
