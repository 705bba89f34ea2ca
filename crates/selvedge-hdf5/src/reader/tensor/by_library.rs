//! Reading a tensor through libhdf5.

use std::ops::Range;

use selvedge_base::Stride;

use super::{Elsewhere, Form, OpenSources, Stored, Tensor, library, with_sources};
use crate::ReadError;

impl Tensor {
    /// How many indices of the first axis libhdf5 is to read by one call: those of one row of chunks,
    /// so that each chunk is unpacked once; without chunks as many as take about `bytes` bytes, or as lie in one chunk of a
    /// source, if those take no more than `most` bytes.
    pub(in crate::reader) fn rows_together(
        &self,
        row_bytes: usize,
        (bytes, most): (usize, usize),
    ) -> u64 {
        if let Some(&rows) = self.chunk.as_ref().and_then(|chunk| chunk.first()) {
            return rows.max(1);
        }
        let room = |bytes: usize| (bytes / row_bytes.max(1)).max(1) as u64;
        let packed = self.sources().and_then(OpenSources::unpacked);
        match packed {
            Some((rows, _)) if rows <= room(most) => room(bytes).max(rows) / rows * rows,
            _ => room(bytes),
        }
    }

    /// Fills `bytes` with indices of the first axis, by libhdf5; with those `within` them of the second one, where its
    /// values lie in the file as they are.
    pub(in crate::reader) fn read_by_library(
        &self,
        rows: Stride,
        within: Option<Range<u64>>,
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let (dtype, form) = match &self.stored {
            Stored::Known { dtype, form, .. } => (*dtype, *form),
            Stored::Other { .. } => return self.dtype().map(|_| ()),
        };
        let elsewhere = self.elsewhere()?;
        if let Elsewhere::Files(storage) = elsewhere {
            self.read_external(storage, (dtype, form), rows, bytes)?;
        } else {
            let sources = match elsewhere {
                Elsewhere::Sources(sources) => Some(&**sources),
                _ => None,
            };
            let close = || self.source.objects.close(&self.handle);
            let _reading = sources.map(|sources| sources.read(rows, close));
            let dataset = self
                .dataset()
                .map_err(|error| self.why_unread(error.into()))?;
            self.check_bounds(&dataset, rows)?;
            let (rank, kind) = (self.shape.len(), (dtype, form));
            let from = (&dataset, sources);
            with_sources(|| library::read(from, kind, rank, (rows, within), bytes))?
                .map_err(|error| self.why_rows_unread(&dataset, rows, error))?;
        }
        if form == Form::ZeroOrOne && bytes.iter().any(|&byte| byte > 1) {
            return Err(self.no_bools());
        }
        Ok(())
    }
}
