//! Recording: Selvedge beside plain `write`, hdf5-metno, h5py, numpy and zarr.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use bytemuck::AnyBitPattern;
use hdf5::{Hyperslab, SliceOrIndex};
use ndarray::ArrayViewD;
use selvedge_base::buffer::zeroed;
use selvedge_hdf5::{Compression, Dtype, Durability};

use crate::data::{Steps, checked, same};
use crate::prelude::*;
use crate::report::Group;

/// A file that each contender records, and what it is recorded from.
pub(crate) struct Files {
    pub(crate) steps: Steps,
    pub(crate) count: u64,
    /// What is told where these are less than they should be.
    pub(crate) note: Option<String>,
    pub(crate) path: PathBuf,
    /// Whether a sample ends when `fdatasync` has returned for the file, or for each file of a folder, and not when it is
    /// closed.
    sync: bool,
    pub(crate) durability: Durability,
    /// What the loop does before each step.
    pub(crate) work: Option<fn()>,
}

pub(crate) fn run(bench: &mut Bench, scratch: &Scratch, groups: &[Spec]) -> Result<()> {
    let mut peer = bench.python("record_peer.py");
    for spec in groups {
        let mut numbers = spec.numbers.clone();
        if numbers[1..].first() == Some(&32_000) {
            // Of the tests, not of 64 MB.
            numbers[1] /= bench.pick(1, 1, 100);
        }
        let steps = Steps::of(&numbers)?;
        if spec.name.starts_with("record/append") {
            append(bench, scratch, spec, &steps)?;
            continue;
        }
        let mut files = Files::new(steps, spec.count, scratch)?;
        files.sync = spec.name.ends_with("-sync");
        if let Some(peer) = &mut peer {
            files.prepare(peer, scratch)?;
        }
        let steps = &files.steps;
        let in_order = |step, _, before| step * steps.step_bytes() + before;
        bench.rounds(spec, files.group(spec), peer.is_some(), |who, round| {
            scratch.settle(&files.path)?;
            let sample = match (who.key, &mut peer) {
                (way, Some(peer)) if who.python => files.by_peer(peer, way)?,
                ("write", _) => files.plain(in_order, |file, step| {
                    steps.step(step).try_for_each(|bytes| file.write_all(bytes))
                })?,
                ("write_steps", _) => {
                    files.plain(in_order, |file, step| file.write_all(steps.whole(step)))?
                }
                // Each tensor has its steps in a row, as in a trajectory.
                ("write_at", _) => {
                    let place = |step, size, before| before * files.count + step * size;
                    files.plain(place, |file, step| {
                        steps.placed(step).try_for_each(|(before, bytes)| {
                            file.write_all_at(bytes, place(step, bytes.len() as u64, before))
                        })
                    })?
                }
                ("ours", _) => files.recorder(Compression::None, true)?,
                ("open_ended", _) => files.recorder(Compression::None, false)?,
                ("compressed", _) => files.recorder(Compression::Fast, true)?,
                ("metno", _) => files.metno()?,
                _ => return unknown(who),
            };
            // What we have written, others read, too; and what is no HDF5, only they do.
            let is_read = who.kind == Kind::Ours && round == 0 || files.path.is_dir();
            if let Some(peer) = peer.as_mut().filter(|_| is_read) {
                let checked = checked(files.count);
                peer.call::<()>("check", (&files.path, files.count, checked))?;
            }
            Ok(sample)
        });
        scratch.settle(&files.path)?;
    }
    Ok(())
}

impl Files {
    /// With `count` steps, or as many as the disk has room for.
    pub(crate) fn new(steps: Steps, count: u64, scratch: &Scratch) -> Result<Self> {
        let (count, note) = scratch.fit(count, steps.step_bytes(), 1)?;
        Ok(Self {
            steps,
            count,
            note,
            path: scratch.file("sample_1.h5"),
            sync: false,
            durability: Durability::Never,
            work: None,
        })
    }

    pub(crate) fn group(&self, spec: &Spec) -> Group {
        let size = self.count * self.steps.step_bytes();
        spec.group(self.count, size, "", &self.note)
    }

    /// Gives Python the steps that differ.
    fn prepare(&self, peer: &mut Python, scratch: &Scratch) -> Result<()> {
        let source = scratch.file("source.bin");
        let mut file = File::create(&source)?;
        for step in 0..self.steps.distinct {
            file.write_all(self.steps.whole(step))?;
        }
        let tensors = self.steps.tensors.iter();
        let tensors = tensors.map(|of| (&of.name, of.dtype.to_string(), &of.shape));
        let tensors: Vec<_> = tensors.collect();
        peer.call::<()>("prepare", (&source, self.steps.distinct, tensors))?;
        scratch.settle(&source)
    }

    fn by_peer(&self, peer: &mut Python, way: &str) -> Result<Sample> {
        let plan = self.steps.builder(&self.path).steps(self.count).plan()?;
        let chunks = plan.tensors.iter().map(|plan| plan.chunk_shape[0]);
        let args = (way, &self.path, self.count, chunks.collect::<Vec<u64>>());
        let meter = peer.meter();
        let mut sample = metered(peer.call("record", args)?, &meter);
        if self.sync {
            sample = meter::synced(sample, &self.path)?;
        }
        if self.path.is_file() {
            self.check()?;
        }
        sample.insert(Figure::OnDisk, meter::on_disk(&self.path)?);
        Ok(sample)
    }

    fn check(&self) -> Result<()> {
        let checked = checked(self.count);
        self.steps.check(&self.path, self.count, checked)
    }

    /// A sample: `create` makes what writes the steps, `write` writes one, which has a time of its own, and `close` is the
    /// end of it.
    fn sample<W>(
        &self,
        create: impl FnOnce() -> Result<W>,
        mut write: impl FnMut(&mut W, u64) -> Result<()>,
        close: impl FnOnce(W) -> Result<()>,
    ) -> Result<Sample> {
        // To ask for the time costs a tenth of writing a number.
        let is_watched = self.steps.step_bytes() >= 4096;
        let mut times = Vec::with_capacity(usize::try_from(self.count)?);
        let meter = Meter::start();
        let begin = Instant::now();
        let mut writer = create()?;
        let created = Instant::now();
        for step in 0..self.count {
            if let Some(work) = self.work {
                work();
            }
            let begin = is_watched.then(Instant::now);
            write(&mut writer, step)?;
            times.extend(begin.map(|begin| begin.elapsed().as_secs_f64()));
        }
        close(writer)?;
        if self.sync {
            meter::sync_data(&self.path)?;
        }
        let mut sample = metered(since(created), &meter);
        sample.insert(Figure::Create, (created - begin).as_secs_f64());
        meter::blocked(times, &mut sample);
        sample.insert(Figure::OnDisk, meter::on_disk(&self.path)?);
        Ok(sample)
    }

    /// A plain file, in which a tensor lies at the place of its step, its size and the bytes of the tensors before.
    fn plain(
        &self,
        place: impl Fn(u64, u64, u64) -> u64,
        write: impl Fn(&mut File, u64) -> io::Result<()>,
    ) -> Result<Sample> {
        let create = || Ok(File::create(&self.path)?);
        let write = |file: &mut File, step| Ok(write(file, step)?);
        let sample = self.sample(create, write, |_| Ok(()))?;
        let file = File::open(&self.path)?;
        let size = self.count * self.steps.step_bytes();
        same("bytes", file.metadata()?.len(), size)?;
        for step in checked(self.count) {
            for (before, expected) in self.steps.placed(step) {
                let mut bytes = vec![0; expected.len()];
                let at = place(step, expected.len() as u64, before);
                file.read_exact_at(&mut bytes, at)?;
                if bytes != expected {
                    return Err(format!("other bytes in step {step}").into());
                }
            }
        }
        Ok(sample)
    }

    /// Selvedge, with this compression, and told the number of steps or not.
    pub(crate) fn recorder(&self, compression: Compression, is_told: bool) -> Result<Sample> {
        let builder = self.steps.builder(&self.path).overwrite(false);
        let mut builder = builder.compression(compression).durability(self.durability);
        if is_told {
            builder = builder.steps(self.count);
        }
        let sample = self.sample(
            || Ok(builder.start()?),
            |run, step| Ok(self.steps.append(run, step).map(drop)?),
            |run| Ok(run.finish().map(drop)?),
        )?;
        self.check()?;
        Ok(sample)
    }

    /// hdf5-metno, as somebody writes it who has read its documentation: a chunk of the whole run, and `write_slice`.
    fn metno(&self) -> Result<Sample> {
        let create = || {
            let file = hdf5::File::create(&self.path)?;
            let datasets = self.steps.tensors.iter().map(|tensor| {
                let mut shape = vec![usize::try_from(self.count)?];
                shape.extend(&tensor.shape);
                let dataset = match tensor.dtype {
                    Dtype::F32 => file.new_dataset::<f32>(),
                    _ => file.new_dataset::<u16>(),
                };
                let dataset = dataset.shape(&shape[..]).chunk(&shape[..]);
                Ok(dataset.create(tensor.name.as_str())?)
            });
            Ok((datasets.collect::<Result<Vec<_>>>()?, file))
        };
        let write = |(datasets, _): &mut (Vec<hdf5::Dataset>, _), step: u64| {
            let steps = self.steps.tensors.iter().zip(self.steps.step(step));
            datasets
                .iter()
                .zip(steps)
                .try_for_each(|(dataset, (tensor, bytes))| {
                    let write = match tensor.dtype {
                        Dtype::F32 => write_slice::<f32>,
                        _ => write_slice::<u16>,
                    };
                    write(dataset, usize::try_from(step)?, &tensor.shape, bytes)
                })
        };
        let sample = self.sample(create, write, |(datasets, file)| {
            drop(datasets);
            Ok(file.close()?)
        })?;
        self.check()?;
        Ok(sample)
    }
}

fn write_slice<T: AnyBitPattern + hdf5::H5Type>(
    dataset: &hdf5::Dataset,
    step: usize,
    shape: &[usize],
    bytes: &[u8],
) -> Result<()> {
    let mut slab = vec![SliceOrIndex::from(step)];
    slab.resize(1 + shape.len(), (..).into());
    let values = ArrayViewD::from_shape(shape, cast_slice::<u8, T>(bytes))?;
    Ok(dataset.write_slice(values, Hyperslab::from(slab))?)
}

/// Single calls of `append` while the queue has room, or copies of the same bytes into memory like the queue's.
fn append(bench: &mut Bench, scratch: &Scratch, spec: &Spec, steps: &Steps) -> Result<()> {
    let path = scratch.file("calls.h5");
    // The queue of a long run: a short one is given fewer blocks.
    let queue = steps.builder(&path).plan()?.queue;
    let burst = (queue.blocks * queue.steps_per_block / 2).max(1);
    let group = spec.group(1, steps.step_bytes(), "", &None);
    let mut waits = 0;
    let group = bench.rounds(spec, group, false, |who, _| {
        scratch.settle(&path)?;
        let (times, waited) = match who.key {
            "copy" => (copies(steps, burst, spec.count)?, 0),
            "append" => calls(steps, &path, burst, spec.count)?,
            _ => return unknown(who),
        };
        waits += waited;
        Ok(meter::of_calls(times))
    });
    if waits > 0 {
        let note = format!("{waits} calls found the queue full.");
        group.notes.push(note);
    }
    scratch.settle(&path)
}

/// The times of single calls, and how many found the queue full, which was not to happen: bursts of calls, each shorter
/// than the queue, with a `commit` between two of them. The writer thread works during a burst, as it does in a run.
fn calls(steps: &Steps, path: &Path, burst: u64, bursts: u64) -> Result<(Vec<f64>, u64)> {
    // One burst more, which is not counted.
    let count = burst * (bursts + 1);
    let mut run = steps.builder(path).steps(count.max(4 * burst)).start()?;
    let mut times = Vec::with_capacity(usize::try_from(count)?);
    for step in 0..count {
        if step > 0 && step.is_multiple_of(burst) {
            run.commit()?;
        }
        let begin = Instant::now();
        steps.append(&mut run, step)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    let summary = run.finish()?;
    same("steps", summary.recorded, count)?;
    times.drain(..usize::try_from(burst)?);
    Ok((times, summary.append.waits))
}

/// The times of copying a step into memory as the recorder's queue has it: large pages where there are any, and every page
/// touched.
fn copies(steps: &Steps, burst: u64, bursts: u64) -> Result<Vec<f64>> {
    let size = usize::try_from(steps.step_bytes())?;
    let memory = zeroed::<u8>(usize::try_from(burst)? * size);
    let mut memory = memory.ok_or("no memory for a burst")?;
    memory.chunks_mut(4096).for_each(|page| page[0] = 1);
    let mut times = Vec::new();
    for _ in 0..bursts {
        for (step, mut rest) in (0..).zip(memory.chunks_mut(size)) {
            let begin = Instant::now();
            for bytes in steps.step(step) {
                let target = rest.split_off_mut(..bytes.len()).ok_or("a short step")?;
                black_box(target).copy_from_slice(black_box(bytes));
            }
            times.push(begin.elapsed().as_secs_f64());
        }
    }
    Ok(times)
}
