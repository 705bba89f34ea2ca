//! The values of constants, written when the file is made.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use selvedge_base::LockedFile;

use crate::create::Constant;
use crate::{DeclareError, StorageError};

/// Writes the values of one constant, piece by piece.
#[derive(Debug)]
pub struct ConstantWriter<'a> {
    file: &'a LockedFile,
    path: &'a Path,
    constant: &'a Constant,
    /// Where the next bytes go; `None` of a constant without elements.
    address: Option<u64>,
    /// Bytes that were written.
    written: u64,
}

impl<'a> ConstantWriter<'a> {
    pub(super) fn new(
        file: &'a LockedFile,
        path: &'a Path,
        constant: &'a Constant,
        address: Option<u64>,
    ) -> Self {
        Self {
            file,
            path,
            constant,
            address,
            written: 0,
        }
    }

    /// Writes the next bytes: row-major, little-endian.
    ///
    /// # Errors
    ///
    /// [`DeclareError::ConstantLength`] where they are more than fill the shape, [`DeclareError::Storage`],
    /// also in a process that was forked meanwhile.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), DeclareError> {
        self.file.check("this recorder", self.path)?;
        let written = self.written.saturating_add(bytes.len() as u64);
        if written > self.constant.length() {
            return self.check(written);
        }
        if let Some(address) = self.address {
            self.file
                .write_all_at(bytes, address + self.written)
                .map_err(|error| StorageError::io(self.path, "write a constant to", error))?;
        }
        self.written = written;
        Ok(())
    }

    /// Checks that all of them are there.
    pub(super) fn finish(self) -> Result<(), DeclareError> {
        self.file.check("this recorder", self.path)?;
        self.check(self.written)
    }

    fn check(&self, found: u64) -> Result<(), DeclareError> {
        let element = self.constant.dtype.size() as u64;
        let expected = self.constant.length() / element;
        self.constant.check_length(expected, found)
    }
}
