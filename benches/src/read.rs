//! Reading a trajectory, whole and in part: Selvedge beside a plain `pread` of the same bytes and h5py.

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use bytemuck::{cast_slice_mut, pod_collect_to_vec, zeroed_vec};
use selvedge_base::pool::{cores, each};
use selvedge_hdf5::Reader;

use crate::data::{ROW_BYTES, STEP_BYTES, TENSOR, Trajectory, same, word_sum};
use crate::prelude::*;

/// Every so many steps of the strided read.
const STRIDE: usize = 10;
/// Bytes of a `pread` of the baseline: of the sizes that were tried, among the fastest.
const PIECE: usize = 1 << 20;
/// h5py's fancy index reads the last of so many parts of the steps: all of them would take half a minute. Its time is
/// multiplied.
const FANCY_PARTS: u64 = 16;

pub(crate) fn run(bench: &mut Bench, scratch: &Scratch, groups: &[Spec]) -> Result<()> {
    let (steps, note) = scratch.fit(groups[0].count, STEP_BYTES as u64, 16)?;
    let single = bench.pick(1000, 100, 10);
    let data = Trajectory::record(scratch.file("run_1.h5"), steps, single)?;
    let mut peer = bench.python("read_peer.py");
    if let Some(peer) = &mut peer {
        peer.call::<()>("prepare", (&data.path, &data.rows, &data.single))?;
    }
    // Memory that is there: for all of it, and for the rows.
    let (count, row) = (usize::try_from(steps)?, ROW_BYTES / 2);
    let mut memory = vec![1_u16; count * STEP_BYTES / 2];
    let mut part = vec![1_u16; count * data.rows.len() * row];
    for spec in groups {
        if !bench.evicts(spec, scratch, &data.path)? {
            continue;
        }
        let what = spec.name.trim_start_matches("read/");
        let what = what.trim_end_matches("-cold");
        let (reads, size, expected) = data.asked(what);
        let group = spec.group(reads, size, &Grouped(steps).to_string(), &note);
        bench.rounds(spec, group, peer.is_some(), |who, _| {
            scratch.evict(spec, &data.path)?;
            if let (true, Some(peer)) = (who.python, &mut peer) {
                return by_peer(&data, peer, who.key, expected);
            }
            let meter = Meter::start();
            let begin = Instant::now();
            let open = || -> Result<_> { Ok(Reader::open(&data.path)?.tensor(TENSOR)?.clone()) };
            let values: Cow<'_, [u16]> = match (what, who.key) {
                ("whole", "pread") => {
                    preads(&data, &mut memory)?;
                    Cow::Borrowed(&memory)
                }
                ("fresh", "pread") => {
                    let mut new = zeroed_vec(memory.len());
                    preads(&data, &mut new)?;
                    Cow::Owned(new)
                }
                ("whole", "ours") => {
                    open()?.read_into(&mut memory)?;
                    Cow::Borrowed(&memory)
                }
                ("fresh", "ours") => Cow::Owned(open()?.read()?),
                // Each block is summed while the next one is read: the sum is in the time.
                (_, "blocks") => {
                    let mut sum = 0_u64;
                    for block in open()?.select().blocks::<u16>(64 << 20)? {
                        sum = sum.wrapping_add(word_sum(cast_slice(&block?)));
                    }
                    Cow::Owned(pod_collect_to_vec(&[sum]))
                }
                ("rows", "ours") => {
                    let tensor = open()?;
                    tensor
                        .select()
                        .rows(data.rows.clone())
                        .read_into(&mut part)?;
                    Cow::Borrowed(&part)
                }
                (_, "take") => {
                    open()?.read_into(&mut memory)?;
                    let steps = memory.chunks(STEP_BYTES / 2);
                    for (step, taken) in steps.zip(part.chunks_mut(data.rows.len() * row)) {
                        for (index, taken) in data.rows.iter().zip(taken.chunks_mut(row)) {
                            taken.copy_from_slice(&step[index * row..][..row]);
                        }
                    }
                    Cow::Borrowed(&part)
                }
                ("strided", "ours") => {
                    let buffer = &mut memory[..usize::try_from(size)? / 2];
                    open()?.select().every(STRIDE as u64).read_into(buffer)?;
                    Cow::Borrowed(buffer)
                }
                ("single", "ours") => {
                    let tensor = open()?;
                    let mut first = Vec::with_capacity(4 * data.single.len());
                    for &number in &data.single {
                        let step = &mut memory[..STEP_BYTES / 2];
                        tensor.read_steps_into(number..number + 1, step)?;
                        first.extend_from_slice(&step[..4]);
                    }
                    Cow::Owned(first)
                }
                _ => return unknown(who),
            };
            let mut sample = metered(since(begin), &meter);
            // A read writes nothing.
            sample.remove(&Figure::Written);
            same("the sum", word_sum(cast_slice(&values)), expected)?;
            Ok(sample)
        });
    }
    scratch.settle(&data.path)
}

impl Trajectory {
    /// How many reads a sample has of what is read, the bytes of its result, and the sum.
    pub(crate) fn asked(&self, what: &str) -> (u64, u64, u64) {
        let step = STEP_BYTES as u64;
        let all = 0..self.steps;
        match what {
            "rows" => {
                let size = self.steps * (self.rows.len() * ROW_BYTES) as u64;
                (1, size, self.expected(all, |step| self.of_rows(step)))
            }
            "strided" => {
                let size = self.steps.div_ceil(STRIDE as u64) * step;
                (1, size, self.expected(all.step_by(STRIDE), word_sum))
            }
            "single" => {
                let reads = self.single.len() as u64;
                let steps = self.single.iter().copied();
                let sum = self.expected(steps, |step| word_sum(&step[..8]));
                (reads, reads * step, sum)
            }
            _ => (1, self.steps * step, self.expected(all, word_sum)),
        }
    }
}

fn by_peer(data: &Trajectory, peer: &mut Python, way: &str, mut expected: u64) -> Result<Sample> {
    let first = data.steps - data.steps / FANCY_PARTS;
    let meter = peer.meter();
    let mut sample = metered(peer.call("read", (way, first))?, &meter);
    sample.remove(&Figure::Written);
    let found: u64 = peer.call("total", ())?;
    if way == "rows_fancy" {
        expected = data.expected(first..data.steps, |step| data.of_rows(step));
        let parts = data.steps as f64 / (data.steps - first) as f64;
        sample.insert(Figure::Seconds, parts * sample[&Figure::Seconds]);
    }
    same("the sum", found, expected)?;
    Ok(sample)
}

/// The bytes from the start of the first chunk on, in a thread for each core: all of them are the tensor's, as there is no
/// other, and the chunks are the end of the file.
fn preads(data: &Trajectory, values: &mut [u16]) -> Result<()> {
    let file = File::open(&data.path)?;
    let values: &mut [u8] = cast_slice_mut(values);
    let first = file.metadata()?.len() - values.len() as u64;
    let pieces = values.chunks_mut(PIECE).zip((first..).step_by(PIECE));
    let read = |(piece, at): (&mut [u8], u64)| file.read_exact_at(piece, at);
    Ok(each(cores(), pieces, read)?)
}
