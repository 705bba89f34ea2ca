//! Rows: the parts of a tensor along its first axis, and where their bytes lie.

use std::ops::Range;

use crate::spec::Size;
use crate::{Element, ReadError, SizeError, TensorInfo};

/// The rows of a tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    info: &'a TensorInfo,
    /// Number of rows.
    count: usize,
    /// Bytes of one row.
    row_bytes: usize,
}

impl<'a> Rows<'a> {
    /// The rows of a tensor, or of a part of it that has another `shape`.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoRows`] for a scalar, [`SizeError::PartialByte`] where a row of 4-bit or 6-bit
    /// elements does not fill whole bytes.
    pub(super) fn of(info: &'a TensorInfo, shape: &[usize]) -> Result<Self, ReadError> {
        let Some((&count, row_shape)) = shape.split_first() else {
            return Err(ReadError::NoRows {
                tensor: info.name.clone(),
            });
        };
        // A shape with an axis of length 0 is as large as no memory, after that axis.
        let row_bytes = match Size::of(info.dtype, row_shape) {
            _ if count == 0 => 0,
            Size::Bytes(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            Size::PartialByte { bits } => {
                return Err(ReadError::Size(SizeError::PartialByte {
                    tensor: info.name.clone(),
                    dtype: info.dtype,
                    shape: row_shape.to_vec(),
                    bits,
                }));
            }
            Size::TooLarge => 0,
        };
        Ok(Self {
            info,
            count,
            row_bytes,
        })
    }

    /// Elements of one row.
    pub(super) fn row_len<T: Element>(&self) -> usize {
        self.row_bytes / size_of::<T>()
    }

    /// The bytes of some rows, from the start of the tensor.
    pub(super) fn bytes_of(&self, rows: &Range<usize>) -> Result<Range<usize>, ReadError> {
        if rows.start > rows.end || rows.end > self.count {
            return Err(self.out_of_range(rows.clone()));
        }
        Ok(rows.start * self.row_bytes..rows.end * self.row_bytes)
    }

    /// Calls `copy` with the bytes of each run of rows that follow each other in `rows`, and their
    /// place in the output.
    pub(super) fn runs(
        &self,
        rows: &[usize],
        mut copy: impl FnMut(Range<usize>, Range<usize>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut done = 0;
        while let Some(&first) = rows.get(done) {
            let follow = rows[done..].iter().zip(first..);
            let length = follow
                .take_while(|(row, expected)| *row == expected)
                .count();
            let from = self.bytes_of(&(first..first.saturating_add(length)))?;
            let to = done * self.row_bytes..(done + length) * self.row_bytes;
            copy(from, to)?;
            done += length;
        }
        Ok(())
    }

    /// Checks that all `rows` exist.
    pub(super) fn check(&self, rows: &[usize]) -> Result<(), ReadError> {
        match rows.iter().find(|&&row| row >= self.count) {
            Some(&row) => Err(self.out_of_range(row..row.saturating_add(1))),
            None => Ok(()),
        }
    }

    fn out_of_range(&self, range: Range<usize>) -> ReadError {
        ReadError::RowOutOfRange {
            tensor: self.info.name.clone(),
            rows: self.count,
            range,
        }
    }
}

/// Checks that a tensor can be read as `T`.
pub(super) fn check_dtype<T: Element>(info: &TensorInfo) -> Result<(), ReadError> {
    if T::fits(info.dtype) {
        return Ok(());
    }
    Err(ReadError::DtypeMismatch {
        tensor: info.name.clone(),
        expected: info.dtype,
        found: T::DTYPE,
    })
}

/// Checks the length of a caller's buffer, in elements.
pub(super) fn check_buffer(
    info: &TensorInfo,
    expected: usize,
    found: usize,
) -> Result<(), ReadError> {
    if expected == found {
        return Ok(());
    }
    Err(ReadError::BufferLength {
        tensor: info.name.clone(),
        expected,
        found,
    })
}
