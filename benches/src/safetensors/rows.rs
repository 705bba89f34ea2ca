//! Who takes some rows out of a large tensor.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use half::bf16;
use selvedge_bf16::bf16_as_bytes_mut;
use selvedge_safetensors::{Mapped, Reader};

use super::data::{TENSOR, Workload};
use super::peer::Peer;
use crate::Result;
use crate::bench::Contender as Named;
use crate::report::Kind;

/// A contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// `Mapped::open`, then `gather`.
    Mapped,
    /// `Reader::open`, then `gather`.
    Reader,
    /// `read_exact_at` for each row, of a file whose layout is known: the baseline.
    Plain,
    /// `Tensor::read`, then the rows copied.
    All,
    /// `safe_open` and `get_slice` of Python, row by row.
    PythonSlice,
    /// `load_file` of Python, then the rows by an array of indices.
    PythonAll,
}

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Mapped => "Mapped, gather",
            Self::Reader => "Reader, gather",
            Self::Plain => "plain read of each row",
            Self::All => "Reader, read all",
            Self::PythonSlice => "Python, get_slice",
            Self::PythonAll => "Python, load_file",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Mapped | Self::Reader | Self::All => Kind::Ours,
            Self::Plain => Kind::Plain,
            _ => Kind::Peer,
        }
    }
}

impl Contender {
    /// Takes `rows` out of the file of `workload` at `path`, and returns the seconds from its
    /// opening to the last row.
    ///
    /// # Errors
    ///
    /// The errors of the contender, and other values than those of the workload.
    pub fn take(
        self,
        workload: &Workload,
        path: &Path,
        rows: &[usize],
        peer: Option<&mut Peer>,
    ) -> Result<f64> {
        let begin = Instant::now();
        let taken = match self {
            Self::Mapped => mapped(path, rows),
            Self::Reader => reader(path, rows),
            Self::Plain => plain(workload, path, rows),
            Self::All => all(workload, path, rows),
            // Python compares the rows itself.
            Self::PythonSlice => return peer.ok_or("no Python")?.rows("rows_by_slice", path),
            Self::PythonAll => return peer.ok_or("no Python")?.rows("rows_of_all", path),
        };
        let seconds = begin.elapsed().as_secs_f64();
        let taken = taken.map_err(|error| format!("{}: {error}", self.name()))?;
        let expected = rows.iter().flat_map(|&row| workload.row(row));
        if taken.len() == rows.len() * workload.shape[1] && taken.iter().eq(expected) {
            Ok(seconds)
        } else {
            Err(format!("{}: other values", self.name()).into())
        }
    }
}

fn mapped(path: &Path, rows: &[usize]) -> Result<Vec<bf16>> {
    // SAFETY: the file lies in a folder of this process, and nobody writes into it.
    let file = unsafe { Mapped::open(path)? };
    Ok(file.tensor(TENSOR)?.gather(rows)?)
}

fn reader(path: &Path, rows: &[usize]) -> Result<Vec<bf16>> {
    Ok(Reader::open(path)?.tensor(TENSOR)?.gather(rows)?)
}

fn plain(workload: &Workload, path: &Path, rows: &[usize]) -> Result<Vec<bf16>> {
    let file = File::open(path)?;
    let width = workload.shape[1];
    let mut taken = vec![bf16::ZERO; rows.len() * width];
    for (row, values) in rows.iter().zip(taken.chunks_mut(width)) {
        let bytes = bf16_as_bytes_mut(values);
        let at = workload.header.len() + row * bytes.len();
        file.read_exact_at(bytes, at as u64)?;
    }
    Ok(taken)
}

fn all(workload: &Workload, path: &Path, rows: &[usize]) -> Result<Vec<bf16>> {
    let values: Vec<bf16> = Reader::open(path)?.tensor(TENSOR)?.read()?;
    let width = workload.shape[1];
    let mut taken = Vec::with_capacity(rows.len() * width);
    for row in rows {
        taken.extend_from_slice(&values[row * width..][..width]);
    }
    Ok(taken)
}
