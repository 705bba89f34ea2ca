//! Values of a tensor, whatever keeps them.

use std::error::Error;
use std::ops::Range;

use selvedge_base::shape::most_elements;

use crate::ReadError;
use crate::checksum::Checksums;
use crate::group_names::GroupNames;

/// The values of one tensor, row by row, whatever the format that they are kept in.
///
/// What goes through values asks for no more than this: [`compare_tensors`](crate::compare_tensors)
/// compares tensors of any formats with each other. A row is what lies at one index of the first axis:
/// of a step tensor a step. A single value is one row. Bytes are row-major and little-endian. Several
/// threads read from one source at the same time.
pub trait TensorSource: Sync {
    /// Why values cannot be read.
    type Error: From<ReadError> + Error + Send + 'static;

    /// The name of the tensor.
    fn name(&self) -> &str;

    /// The groups of its file that have several names; `None` in a format without such.
    fn group_names(&self) -> Option<&GroupNames> {
        None
    }

    /// The name of its dtype, as PyTorch has it; also of one whose values are not read.
    fn dtype_name(&self) -> String;

    /// Its shape in elements, outermost axis first.
    fn shape(&self) -> Vec<u64>;

    /// Whether its values can be read, as far as that can be told without reading them.
    ///
    /// # Errors
    ///
    /// Why they cannot.
    fn check_readable(&self) -> Result<(), Self::Error>;

    /// Bytes of an element; `None` of a dtype that is not read. Elements of less than a byte are read byte by
    /// byte.
    fn element_bytes(&self) -> Option<usize>;

    /// Whether its file says that it is a constant, whose first axis is no steps.
    fn is_constant(&self) -> bool {
        false
    }

    /// The number of rows.
    fn rows(&self) -> u64 {
        self.shape().first().copied().unwrap_or(1)
    }

    /// Rows beyond these that are not read: steps that another program appended to this tensor of a run,
    /// and not to the others.
    fn appended(&self) -> u64 {
        0
    }

    /// Bytes of a row.
    fn row_bytes(&self) -> u64 {
        let shape = self.shape();
        let axes = shape.get(1..).unwrap_or_default();
        let element = self.element_bytes().unwrap_or(0) as u64;
        most_elements(axes).saturating_mul(element)
    }

    /// How it is best read.
    ///
    /// # Errors
    ///
    /// The errors of looking at it.
    fn access(&self) -> Result<Access, Self::Error>;

    /// Fills `bytes` with these rows, which have exactly its length.
    ///
    /// # Errors
    ///
    /// The errors of reading.
    fn read_rows(&self, rows: Range<u64>, bytes: &mut [u8]) -> Result<(), Self::Error>;

    /// Fills `bytes` with a part of a row, from its byte `start` on. Only called where
    /// [`Access::direct`] says so.
    ///
    /// # Errors
    ///
    /// The errors of reading.
    fn read_part(&self, row: u64, start: usize, bytes: &mut [u8]) -> Result<(), Self::Error>;

    /// The checksums of its rows, where the file has some.
    ///
    /// # Errors
    ///
    /// The errors of reading.
    fn checksums(&self) -> Result<Option<Checksums>, Self::Error> {
        Ok(None)
    }
}

/// How a tensor is best read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether any bytes of it are read by themselves, and nothing but the buffer takes memory.
    pub direct: bool,
    /// Rows that are unpacked together; 0 where nothing is packed.
    pub block_rows: u64,
    /// Memory that unpacking takes, in bytes.
    pub block_bytes: u64,
    /// Whether fewer of those rows can be read at a time, in the same memory: what they lie in is unpacked again for
    /// each.
    pub in_parts: bool,
    /// Whether rows are to be read from the first to the last: going back starts anew.
    pub in_order: bool,
}
