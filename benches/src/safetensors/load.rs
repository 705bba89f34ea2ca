//! Who loads a file and sums it.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use ::safetensors::SafeTensors;
use half::bf16;
use memmap2::Mmap;
use selvedge_bf16::bytes_as_bf16;
use selvedge_safetensors::{Mapped, Reader};

use super::data::{TENSOR, Workload};
use super::peer::Peer;
use super::sum::sum;
use crate::Result;
use crate::bench::Contender as Named;
use crate::report::Kind;

/// A contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// `Mapped::open`, then `as_slice`.
    Mapped,
    /// `Tensor::read`, into new memory.
    Read,
    /// `Tensor::read_into`, into memory that is there.
    ReadInto,
    /// `std::fs::read`: the baseline.
    Plain,
    /// `Read::read_exact` into memory that is there.
    PlainInto,
    /// `SafeTensors::deserialize` of the `safetensors` crate, of a map.
    Crate,
    /// `safetensors.numpy.load_file` of Python.
    Python,
}

/// The memory of the contenders that read into memory that is there: a whole file.
#[derive(Debug)]
pub struct Buffers {
    values: Vec<bf16>,
    bytes: Vec<u8>,
}

impl Buffers {
    /// The buffers for files like that of `workload`, all touched.
    #[must_use]
    pub fn new(workload: &Workload) -> Self {
        Self {
            values: vec![bf16::ONE; workload.values.len()],
            bytes: vec![1; workload.header.len() + size_of_val(&workload.values[..])],
        }
    }
}

/// The seconds of a load.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Up to where the values can be used.
    pub load: f64,
    /// Seconds of summing them.
    pub sum: f64,
    /// Up to where all memory is given back.
    pub total: f64,
}

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Mapped => "Mapped",
            Self::Read => "Reader, read",
            Self::ReadInto => "Reader, read_into",
            Self::Plain => "plain read",
            Self::PlainInto => "plain read, same memory",
            Self::Crate => "safetensors crate, mapped",
            Self::Python => "Python, load_file",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Mapped | Self::Read | Self::ReadInto => Kind::Ours,
            Self::Plain | Self::PlainInto => Kind::Plain,
            _ => Kind::Peer,
        }
    }
}

impl Contender {
    /// Loads the file at `path` and sums its one tensor, which shall have the sum `expected`.
    ///
    /// # Errors
    ///
    /// The errors of the contender, and another sum.
    pub fn load(
        self,
        path: &Path,
        expected: f64,
        buffers: &mut Buffers,
        peer: Option<&mut Peer>,
    ) -> Result<Sample> {
        let begin = Instant::now();
        let timed = match self {
            Self::Mapped => mapped(path),
            Self::Read => read(path),
            Self::ReadInto => read_into(path, &mut buffers.values),
            Self::Plain => plain(path),
            Self::PlainInto => plain_into(path, &mut buffers.bytes),
            Self::Crate => by_crate(path),
            Self::Python => return self.check(peer.ok_or("no Python")?.load(path)?, expected),
        };
        let end = Instant::now();
        let Timed {
            loaded,
            summed,
            sum,
        } = timed.map_err(|error| format!("{}: {error}", self.name()))?;
        let sample = Sample {
            load: (loaded - begin).as_secs_f64(),
            sum: (summed - loaded).as_secs_f64(),
            total: (end - begin).as_secs_f64(),
        };
        self.check((sample, sum), expected)
    }

    fn check(self, (sample, sum): (Sample, f64), expected: f64) -> Result<Sample> {
        if sum == expected {
            Ok(sample)
        } else {
            Err(format!("{}: the sum is {sum}, not {expected}", self.name()).into())
        }
    }
}

/// The sum of a load, and when what was done.
struct Timed {
    loaded: Instant,
    summed: Instant,
    sum: f64,
}

/// Sums what was loaded.
fn timed(values: &[bf16]) -> Timed {
    let loaded = Instant::now();
    let sum = sum(values);
    Timed {
        loaded,
        summed: Instant::now(),
        sum,
    }
}

fn mapped(path: &Path) -> Result<Timed> {
    // SAFETY: the file lies in a folder of this process, and nobody writes into it.
    let file = unsafe { Mapped::open(path)? };
    Ok(timed(file.tensor(TENSOR)?.as_slice()?))
}

fn read(path: &Path) -> Result<Timed> {
    let values: Vec<bf16> = Reader::open(path)?.tensor(TENSOR)?.read()?;
    Ok(timed(&values))
}

fn read_into(path: &Path, buffer: &mut [bf16]) -> Result<Timed> {
    Reader::open(path)?.tensor(TENSOR)?.read_into(buffer)?;
    Ok(timed(buffer))
}

/// The values of a file that is in memory: what is after its header, which is not looked into.
fn data(file: &[u8]) -> Result<&[bf16]> {
    let (length, rest) = file
        .split_first_chunk()
        .ok_or("a file of less than 8 bytes")?;
    let header = usize::try_from(u64::from_le_bytes(*length))?;
    let data = rest.get(header..).ok_or("a file without data")?;
    Ok(bytes_as_bf16(data)?)
}

fn plain(path: &Path) -> Result<Timed> {
    let file = fs::read(path)?;
    Ok(timed(data(&file)?))
}

fn plain_into(path: &Path, buffer: &mut [u8]) -> Result<Timed> {
    File::open(path)?.read_exact(buffer)?;
    Ok(timed(data(buffer)?))
}

fn by_crate(path: &Path) -> Result<Timed> {
    let file = File::open(path)?;
    // SAFETY: the file lies in a folder of this process, and nobody writes into it.
    let map = unsafe { Mmap::map(&file)? };
    let tensors = SafeTensors::deserialize(&map)?;
    Ok(timed(bytes_as_bf16(tensors.tensor(TENSOR)?.data())?))
}
