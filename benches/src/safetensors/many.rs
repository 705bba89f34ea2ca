//! Who loads a file of many small tensors.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use ::safetensors::SafeTensors;
use half::bf16;
use memmap2::Mmap;
use selvedge_bf16::{bf16_as_bytes_mut, bytes_as_bf16};
use selvedge_safetensors::{Mapped, Reader};

use super::data::Workload;
use super::peer::Peer;
use super::sum::sum;
use crate::Result;
use crate::bench::Contender as Named;
use crate::report::Kind;

/// A contender. All but the plain one look for each tensor by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// `read_exact_at` for each tensor, of a file whose layout is known: the baseline.
    Plain,
    /// `Tensor::read`: a vector for each.
    Read,
    /// `Tensor::read_into`, into memory that is there.
    ReadInto,
    /// `Mapped::open`, then `as_slice`.
    Mapped,
    /// `SafeTensors::deserialize` of the `safetensors` crate, of a map.
    Crate,
    /// `safetensors.numpy.load_file` of Python.
    Python,
}

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain read of each",
            Self::Read => "Reader, read",
            Self::ReadInto => "Reader, read_into",
            Self::Mapped => "Mapped",
            Self::Crate => "safetensors crate, mapped",
            Self::Python => "Python, load_file",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Plain => Kind::Plain,
            Self::Read | Self::ReadInto | Self::Mapped => Kind::Ours,
            _ => Kind::Peer,
        }
    }
}

impl Contender {
    /// Loads all tensors of the file of `workload` at `path`, into `buffer` where it reads into memory
    /// that is there, and returns the seconds from its opening to the last tensor.
    ///
    /// # Errors
    ///
    /// The errors of the contender, and another sum of the values than `expected`.
    pub fn load(
        self,
        workload: &Workload,
        path: &Path,
        buffer: &mut [bf16],
        expected: f64,
        peer: Option<&mut Peer>,
    ) -> Result<f64> {
        let begin = Instant::now();
        let (seconds, found) = match self {
            Self::Plain => {
                let values = plain(workload, path)?;
                (begin.elapsed(), sums(values.iter().map(Vec::as_slice)))
            }
            Self::Read => {
                let file = Reader::open(path)?;
                let read = |name| file.tensor(name)?.read();
                let values: Vec<Vec<bf16>> = names(workload).map(read).collect::<Result<_, _>>()?;
                (begin.elapsed(), sums(values.iter().map(Vec::as_slice)))
            }
            Self::ReadInto => {
                let file = Reader::open(path)?;
                for (name, values) in names(workload).zip(buffer.chunks_mut(len(workload))) {
                    file.tensor(name)?.read_into(values)?;
                }
                (begin.elapsed(), sum(buffer))
            }
            Self::Mapped => {
                // SAFETY: the file lies in a folder of this process, and nobody writes into it.
                let file = unsafe { Mapped::open(path)? };
                let view = |name| file.tensor(name)?.as_slice();
                let views: Vec<&[bf16]> = names(workload).map(view).collect::<Result<_, _>>()?;
                (begin.elapsed(), sums(black_box(views).into_iter()))
            }
            Self::Crate => {
                let file = File::open(path)?;
                // SAFETY: the file lies in a folder of this process, and nobody writes into it.
                let map = unsafe { Mmap::map(&file)? };
                let file = SafeTensors::deserialize(&map)?;
                let view = |name| Ok(bytes_as_bf16(file.tensor(name)?.data())?);
                let views: Vec<&[bf16]> = names(workload).map(view).collect::<Result<_>>()?;
                (begin.elapsed(), sums(black_box(views).into_iter()))
            }
            Self::Python => {
                let (seconds, found) = peer.ok_or("no Python")?.load_all(path)?;
                return self.check(seconds, found, expected);
            }
        };
        self.check(seconds.as_secs_f64(), found, expected)
    }

    fn check(self, seconds: f64, found: f64, expected: f64) -> Result<f64> {
        if found == expected {
            Ok(seconds)
        } else {
            let name = self.name();
            Err(format!("{name}: the sum is {found}, not {expected}").into())
        }
    }
}

fn names(workload: &Workload) -> impl Iterator<Item = &str> {
    workload.names.iter().map(String::as_str)
}

/// Elements of a tensor.
fn len(workload: &Workload) -> usize {
    workload.shape.iter().product()
}

fn sums<'a>(tensors: impl Iterator<Item = &'a [bf16]>) -> f64 {
    tensors.map(sum).sum()
}

fn plain(workload: &Workload, path: &Path) -> Result<Vec<Vec<bf16>>> {
    let file = File::open(path)?;
    let (begin, bytes) = (workload.header.len() as u64, 2 * len(workload) as u64);
    let offsets = (0..workload.names.len() as u64).map(|number| begin + number * bytes);
    let read = |offset| {
        let mut values = vec![bf16::ZERO; len(workload)];
        file.read_exact_at(bf16_as_bytes_mut(&mut values), offset)?;
        Ok(values)
    };
    offsets.map(read).collect()
}
