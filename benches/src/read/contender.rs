//! Who reads, and what.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::Instant;

use bytemuck::{cast_slice, cast_slice_mut, zeroed_vec};
use selvedge_hdf5::{Reader, Tensor};

use super::data::{Data, ROW_BYTES, STEP_BYTES, STRIDE, TENSOR, sum};
use super::peer::Peer;
use crate::Result;
use crate::bench::Contender as Named;
use crate::meter::Meter;
use crate::report::{Figure, Kind, Sample};

/// Bytes of a `pread` of the baseline: of the sizes that were tried, among the fastest.
const PIECE: usize = 1 << 20;
/// h5py's fancy index reads the last of so many parts of the steps: all of them would take half a
/// minute. Its time is multiplied.
const FANCY_PARTS: u64 = 16;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The whole tensor, into memory that is there.
    Whole,
    /// The whole tensor, into new memory.
    Fresh,
    /// 3,699 of 10,000 rows of each step.
    Rows,
    /// Every tenth step.
    Strided,
    /// Single steps, at random.
    Single,
}

/// A contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// `pread` of the same bytes, by one thread for each core: the baseline.
    Plain,
    /// Selvedge, with one call.
    Ours,
    /// Selvedge loads all into memory that is there, and then takes the rows.
    OursThenTake,
    /// Selvedge, in blocks with the next one read ahead.
    Blocks,
    /// h5py by the method of this name.
    H5py(&'static str),
}

/// The memory that is there.
#[derive(Debug)]
pub struct Memory {
    whole: Vec<u16>,
    part: Vec<u16>,
}

impl Memory {
    /// The memory for `data`, all touched.
    #[must_use]
    pub fn new(data: &Data) -> Self {
        let steps = usize::try_from(data.steps).unwrap_or(usize::MAX);
        Self {
            whole: vec![1; steps * STEP_BYTES / 2],
            part: vec![1; steps * data.rows.len() * ROW_BYTES / 2],
        }
    }
}

impl What {
    /// Its group's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Fresh => "fresh",
            Self::Rows => "rows",
            Self::Strided => "strided",
            Self::Single => "single",
        }
    }

    /// The title of its table.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Whole => "The whole tensor, into memory that is there",
            Self::Fresh => "The whole tensor, into new memory",
            Self::Rows => "3,699 of 10,000 rows of every step",
            Self::Strided => "Every tenth step",
            Self::Single => "Single steps, at random",
        }
    }

    /// Who takes part.
    #[must_use]
    pub fn contenders(self) -> &'static [Contender] {
        use Contender::{Blocks, H5py, Ours, OursThenTake, Plain};
        match self {
            Self::Whole => &[Plain, Ours, Blocks, H5py("whole_into")],
            Self::Fresh => &[Plain, Ours, H5py("whole")],
            Self::Rows => &[Ours, OursThenTake, H5py("rows_masked"), H5py("rows_fancy")],
            Self::Strided => &[Ours, H5py("strided"), H5py("strided_loop")],
            Self::Single => &[Ours, H5py("single")],
        }
    }

    /// Whom the others are compared with: what the system can do, and where that is no one call, Selvedge.
    #[must_use]
    pub fn reference(self) -> Contender {
        match self {
            Self::Whole | Self::Fresh => Contender::Plain,
            Self::Rows | Self::Strided | Self::Single => Contender::Ours,
        }
    }

    /// Bytes of the result.
    #[must_use]
    pub fn bytes(self, data: &Data) -> u64 {
        let step = STEP_BYTES as u64;
        match self {
            Self::Whole | Self::Fresh => data.steps * step,
            Self::Rows => data.steps * (data.rows.len() * ROW_BYTES) as u64,
            Self::Strided => data.steps.div_ceil(STRIDE) * step,
            Self::Single => data.single.len() as u64 * step,
        }
    }

    /// The sum that a read has.
    fn expected(self, data: &Data) -> u64 {
        match self {
            Self::Whole | Self::Fresh => data.expected(0..data.steps, 0),
            Self::Rows => data.expected(0..data.steps, 1),
            Self::Strided => data.expected((0..data.steps).step_by(10), 0),
            Self::Single => data.expected(data.single.iter().copied(), 2),
        }
    }
}

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain pread",
            Self::Ours => "Selvedge",
            Self::OursThenTake => "Selvedge, load all, then take",
            Self::Blocks => "Selvedge, in blocks of 64 MiB",
            Self::H5py("whole_into") => "h5py, read_direct",
            Self::H5py("whole") => "h5py, d[:]",
            Self::H5py("rows_masked") => "h5py, d[:][:, mask]",
            Self::H5py("rows_fancy") => "h5py, d[:, rows]",
            Self::H5py("strided") => "h5py, d[::10]",
            Self::H5py("strided_loop") => "h5py, a loop over d[i]",
            Self::H5py(_) => "h5py, d[i]",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Plain => Kind::Plain,
            Self::Ours | Self::OursThenTake | Self::Blocks => Kind::Ours,
            Self::H5py(_) => Kind::Peer,
        }
    }
}

impl Contender {
    /// Reads `what` of the file at `path`: from opening it on; summing is not in the time.
    ///
    /// # Errors
    ///
    /// The errors of the contender, and a sum that is not that of the data.
    pub fn read(
        self,
        what: What,
        path: &Path,
        data: &Data,
        memory: &mut Memory,
        peer: Option<&mut Peer>,
    ) -> Result<Sample> {
        let meter = Meter::start();
        let (mut sample, found) = match self {
            Self::Plain => timed(plain(what, path, memory)?),
            Self::Ours => timed(ours(what, path, data, memory)?),
            Self::OursThenTake => timed(then_take(path, data, memory)?),
            Self::Blocks => timed(blocks(path)?),
            Self::H5py("rows_fancy") => {
                let first = data.steps - data.steps / FANCY_PARTS;
                let (mut sample, sum) = peer.ok_or("no Python")?.read("rows_fancy", path, first)?;
                let expected = data.expected(first..data.steps, 1);
                // As if it were all of them.
                let found = sum.wrapping_sub(expected).wrapping_add(what.expected(data));
                let parts = data.steps as f64 / (data.steps - first) as f64;
                sample
                    .entry(Figure::Seconds)
                    .and_modify(|seconds| *seconds *= parts);
                (sample, found)
            }
            Self::H5py(how) => peer.ok_or("no Python")?.read(how, path, 0)?,
        };
        if !matches!(self, Self::H5py(_)) {
            meter.stop(&mut sample);
            // A read writes nothing.
            sample.remove(&Figure::Written);
        }
        let expected = what.expected(data);
        if found == expected {
            Ok(sample)
        } else {
            Err(format!("the sum is {found}, not {expected}").into())
        }
    }
}

fn timed((seconds, found): (f64, u64)) -> (Sample, u64) {
    (Sample::from([(Figure::Seconds, seconds)]), found)
}

fn open(path: &Path) -> Result<Tensor> {
    Ok(Reader::open(path)?.tensor(TENSOR)?.clone())
}

/// The bytes from the start of the first chunk on: all of them are the tensor's, as there is no
/// other.
fn plain(what: What, path: &Path, memory: &mut Memory) -> Result<(f64, u64)> {
    // The chunks are the end of the file; where they begin is not part of reading them.
    let bytes = size_of_val(&memory.whole[..]);
    let first = std::fs::metadata(path)?.len() - bytes as u64;
    let begin = Instant::now();
    let file = File::open(path)?;
    let mut new: Vec<u16>;
    let values = if what == What::Fresh {
        new = zeroed_vec(memory.whole.len());
        &mut new
    } else {
        &mut memory.whole
    };
    let values: &mut [u8] = cast_slice_mut(values);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let part = values.len().div_ceil(threads).next_multiple_of(PIECE);
    thread::scope(|scope| -> Result<()> {
        let parts = values.chunks_mut(part).zip((first..).step_by(part));
        let file = &file;
        let threads: Vec<_> = parts
            .map(|(part, at)| {
                scope.spawn(move || {
                    let mut pieces = part.chunks_mut(PIECE).zip((at..).step_by(PIECE));
                    pieces.try_for_each(|(piece, at)| file.read_exact_at(piece, at))
                })
            })
            .collect();
        for thread in threads {
            let read: std::io::Result<()> = thread.join().map_err(|_| "a thread panicked")?;
            read?;
        }
        Ok(())
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    Ok((seconds, sum(values)))
}

fn ours(what: What, path: &Path, data: &Data, memory: &mut Memory) -> Result<(f64, u64)> {
    let begin = Instant::now();
    let end = || begin.elapsed().as_secs_f64();
    let tensor = open(path)?;
    match what {
        What::Whole => {
            tensor.read_into(&mut memory.whole)?;
            Ok((end(), sum(cast_slice(&memory.whole))))
        }
        What::Fresh => {
            let values: Vec<u16> = tensor.read()?;
            Ok((end(), sum(cast_slice(&values))))
        }
        What::Rows => {
            let selection = tensor.select().rows(data.rows.clone());
            selection.read_into(&mut memory.part)?;
            Ok((end(), sum(cast_slice(&memory.part))))
        }
        What::Strided => {
            let steps = usize::try_from(data.steps.div_ceil(STRIDE))?;
            let buffer = &mut memory.whole[..steps * STEP_BYTES / 2];
            tensor.select().every(STRIDE).read_into(buffer)?;
            Ok((end(), sum(cast_slice(buffer))))
        }
        What::Single => {
            let mut found = 0_u64;
            let step = &mut memory.whole[..STEP_BYTES / 2];
            for &number in &data.single {
                tensor.read_steps_into(number..number + 1, step)?;
                found = found.wrapping_add(sum(cast_slice(&step[..4])));
            }
            Ok((end(), found))
        }
    }
}

fn then_take(path: &Path, data: &Data, memory: &mut Memory) -> Result<(f64, u64)> {
    let begin = Instant::now();
    open(path)?.read_into(&mut memory.whole)?;
    let row = ROW_BYTES / 2;
    let steps = memory.whole.chunks(STEP_BYTES / 2);
    for (step, taken) in steps.zip(memory.part.chunks_mut(data.rows.len() * row)) {
        for (index, taken) in data.rows.iter().zip(taken.chunks_mut(row)) {
            taken.copy_from_slice(&step[index * row..][..row]);
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    Ok((seconds, sum(cast_slice(&memory.part))))
}

/// Each block is summed while the next one is read: the sum is in the time.
fn blocks(path: &Path) -> Result<(f64, u64)> {
    let begin = Instant::now();
    let mut found = 0_u64;
    for block in open(path)?.select().blocks::<u16>(64 << 20)? {
        found = found.wrapping_add(sum(cast_slice(&block?)));
    }
    Ok((begin.elapsed().as_secs_f64(), found))
}
