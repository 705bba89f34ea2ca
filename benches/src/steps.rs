//! Single steps at random, from a file that is open: what a read costs beside its bytes, in files of few chunks and of
//! many.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use bytemuck::cast_slice_mut;
use selvedge_hdf5::{
    Compression, Dtype, ReadError, Reader, Recorder, ReferenceOptions, ReferencedPiece, References,
    Tensor, TensorSpec,
};

use crate::data::{TENSOR, gaussian, random_indices, same};
use crate::prelude::*;

/// A file whose steps are the same bytes but for their number, the first word, and the steps that are read of it.
struct Recorded {
    path: PathBuf,
    steps: u64,
    wanted: Vec<u64>,
    /// Whether opening the file is in the time.
    opens: bool,
    buffer: Vec<u16>,
}

pub(crate) fn run(bench: &mut Bench, scratch: &Scratch, groups: &[Spec]) -> Result<()> {
    let mut peer = bench.python("read_peer.py");
    for spec in groups {
        let [chunk, size, reads] = spec.numbers[..] else {
            return Err(format!("{}: other numbers", spec.name).into());
        };
        let opens = reads == 1;
        // Zeros take next to nothing.
        let stored = if opens { 256 } else { size };
        let whole = chunk.max(1);
        let wanted = spec.count.next_multiple_of(whole);
        let (steps, note) = scratch.fit(wanted, stored, whole)?;
        let steps = steps / whole * whole;
        let reads = bench.pick(reads, reads, reads.min(20));
        let mut file = Recorded {
            path: scratch.file("steps_1.h5"),
            steps,
            wanted: random_indices(usize::try_from(reads)?, steps),
            opens,
            buffer: vec![1; usize::try_from(size / 2)?],
        };
        file.record(chunk)?;
        let kind = ["uncompressed", "compressed"][usize::from(chunk == 0)];
        let text = format!("{} chunks, {kind}", Grouped(steps / whole));
        let group = spec.group(reads, reads * size, &text, &note);
        let words = file.wanted.iter().map(|&step| first_word(step));
        let expected = words.fold(0, u64::wrapping_add);
        bench.rounds(spec, group, peer.is_some(), |who, _| {
            let (sample, sum) = match (who.key, &mut peer) {
                (_, Some(peer)) if who.python => {
                    peer.call("steps_of", (&file.path, &file.wanted, file.opens))?
                }
                ("pread", _) => file.preads()?,
                ("into", _) => file.ours(|tensor, step, buffer| {
                    tensor.read_steps_into(step..step + 1, buffer)?;
                    Ok(word(buffer))
                })?,
                ("new", _) => file.ours(|tensor, step, _| Ok(word(&tensor.read_step(step)?)))?,
                _ => return unknown(who),
            };
            same("the sum", sum, expected)?;
            Ok(sample)
        });
        scratch.settle(&file.path)?;
    }
    Ok(())
}

/// What the first word of a step is: never zero.
fn first_word(step: u64) -> u64 {
    (step + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The first word of values.
fn word(values: &[u16]) -> u64 {
    let first = values.iter().take(4).rev();
    first.fold(0, |word, &value| word << 16 | u64::from(value))
}

impl Recorded {
    fn record(&self, chunk: u64) -> Result<()> {
        let spec = TensorSpec::new(TENSOR, Dtype::Bf16, [self.buffer.len()]);
        let run = Recorder::create(&self.path).tensor_spec(spec);
        let run = run.steps(self.steps);
        let size = size_of_val(&self.buffer[..]);
        let mut run = match chunk {
            0 => run.compression(Compression::Fast).start()?,
            steps => run.chunk_target(steps * size as u64).start()?,
        };
        // Where there are many steps, they are zeros but for their number: only reading the index counts.
        let mut values = vec![0_u16; size / 2];
        if !self.opens {
            values.copy_from_slice(cast_slice(&gaussian(1)[..size]));
        }
        for step in 0..self.steps {
            for (value, part) in values.iter_mut().zip(0..4) {
                *value = (first_word(step) >> (16 * part) & 0xFFFF) as u16;
            }
            run.append(|row| row.put_bytes(TENSOR, Dtype::Bf16, cast_slice(&values)))?;
        }
        run.finish()?;
        Ok(())
    }

    /// The same bytes from the same places, which are found before.
    fn preads(&mut self) -> Result<(Sample, u64)> {
        let (file, places) = (File::open(&self.path)?, self.places()?);
        let begin = Instant::now();
        let mut sum = 0_u64;
        for place in places {
            file.read_exact_at(cast_slice_mut(&mut self.buffer), place)?;
            sum = sum.wrapping_add(word(&self.buffer));
        }
        Ok((since(begin), sum))
    }

    /// Where the wanted steps lie.
    fn places(&self) -> Result<Vec<u64>> {
        let size = size_of_val(&self.buffer[..]) as u64;
        let options = ReferenceOptions::default().piece_bytes(size);
        let references = References::of(&Reader::open(&self.path)?, &options)?;
        let mut all = Vec::new();
        references.arrays()[0].for_each_piece(0, |_, piece| {
            if let ReferencedPiece::Range { offset, .. } = piece {
                all.push(offset);
            }
            Ok::<_, ReadError>(())
        })?;
        let place = |&step: &u64| Ok(all[usize::try_from(step)?]);
        self.wanted.iter().map(place).collect()
    }

    fn ours(&mut self, read: fn(&Tensor, u64, &mut [u16]) -> Result<u64>) -> Result<(Sample, u64)> {
        let mut begin = Instant::now();
        let file = Reader::open(&self.path)?;
        let tensor = file.tensor(TENSOR)?;
        if !self.opens {
            begin = Instant::now();
        }
        let mut sum = 0_u64;
        for &step in &self.wanted {
            sum = sum.wrapping_add(read(tensor, step, &mut self.buffer)?);
        }
        Ok((since(begin), sum))
    }
}
