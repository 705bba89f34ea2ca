//! Single steps at random, from a file that is open: what a read costs beside its bytes, in files of few chunks and of
//! many.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use selvedge_hdf5::{Compression, Dtype, Reader, Recorder, Tensor, TensorSpec};

use super::data::TENSOR;
use crate::Result;
use crate::bench::{Bench, Contender as Named};
use crate::compress::data::gaussian;
use crate::peer::{Python, text};
use crate::report::{Figure, Group, Kind, Sample};
use crate::safetensors::data::random_rows;
use crate::scratch::Scratch;
use crate::table::{bytes, grouped};

/// The names of the groups.
pub const GROUPS: &[&str] = &[
    "read/steps-8",
    "read/steps-125",
    "read/steps-500",
    "read/steps-16000",
    "read/steps-compressed-250",
    "read/steps-compressed-4000",
    "read/steps-compressed-16000",
    "read/steps-4k",
    "read/steps-large",
    "read/steps-first",
];

/// A file, and how its steps are read.
struct Layout {
    steps: u64,
    /// Steps in a chunk; `None` of a compressed file, where each step is a chunk.
    chunk: Option<u64>,
    /// Bytes of a step.
    step: usize,
    /// Steps that a sample reads.
    reads: usize,
    /// Whether opening the file is in the time.
    opens: bool,
}

const fn plain(steps: u64, chunk: u64, step: usize, reads: usize) -> Layout {
    Layout {
        steps,
        chunk: Some(chunk),
        step,
        reads,
        opens: false,
    }
}

const fn compressed(steps: u64) -> Layout {
    Layout {
        steps,
        chunk: None,
        step: 32 << 10,
        reads: 200,
        opens: false,
    }
}

/// In the order of the groups.
const LAYOUTS: &[Layout] = &[
    plain(4000, 500, 32 << 10, 200),
    plain(4000, 32, 32 << 10, 200),
    plain(4000, 8, 32 << 10, 200),
    plain(16_000, 1, 32 << 10, 200),
    compressed(250),
    compressed(4000),
    compressed(16_000),
    plain(63 * 256, 256, 4 << 10, 1000),
    plain(320, 32, 1_280_000, 50),
    Layout {
        steps: 1_000_000,
        chunk: None,
        step: 16 << 10,
        reads: 1,
        opens: true,
    },
];

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    /// `pread` of the same bytes.
    Plain,
    /// Selvedge, into memory that is there.
    Into,
    /// Selvedge, into new memory.
    New,
    H5py,
}

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain pread",
            Self::Into => "Selvedge",
            Self::New => "Selvedge, read_step",
            Self::H5py => "h5py, d[i]",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Plain => Kind::Plain,
            Self::Into | Self::New => Kind::Ours,
            Self::H5py => Kind::Peer,
        }
    }
}

/// A file that was recorded, and the steps that are read of it.
struct Recorded<'a> {
    layout: &'a Layout,
    path: &'a Path,
    wanted: Vec<u64>,
    /// The sum of the first words of the wanted steps.
    expected: u64,
}

/// Runs those that are selected.
///
/// # Errors
///
/// The errors of recording the files that are read.
pub fn run(bench: &mut Bench, scratch: &Scratch) -> Result<()> {
    let mut peer = bench.python("read_peer.py", &[]);
    for (&name, layout) in GROUPS.iter().zip(LAYOUTS) {
        if !bench.selects(name) {
            continue;
        }
        let least = layout.chunk.unwrap_or(1);
        let part = bench.options.scale.pick(1, 4, 64);
        let steps = (layout.steps / part).next_multiple_of(least);
        // Zeros take next to nothing.
        let size = if layout.opens {
            256
        } else {
            layout.step as u64
        };
        let (steps, note) = scratch.fit(steps, size, least)?;
        let layout = &Layout {
            steps: steps / least * least,
            reads: bench
                .options
                .scale
                .pick(layout.reads, layout.reads, layout.reads.min(20)),
            ..*layout
        };
        let path = scratch.file("steps_1.h5");
        let recorded = Recorded::record(layout, &path)?;
        let list = scratch.file("steps.bin");
        std::fs::write(&list, bytemuck::cast_slice(&recorded.wanted))?;
        let mut group = recorded.group(name);
        group.notes.extend(note);
        let all = [
            Contender::Plain,
            Contender::Into,
            Contender::New,
            Contender::H5py,
        ];
        let takes_part = |who: &Contender| match who {
            Contender::Plain => layout.chunk.is_some(),
            Contender::New => !layout.opens,
            Contender::H5py => peer.is_some(),
            Contender::Into => true,
        };
        let contenders: Vec<_> = all.into_iter().filter(takes_part).collect();
        bench.rounds(group, &contenders, |who, _| match who {
            Contender::Plain => recorded.sample(|buffer| plain_steps(&recorded, buffer)),
            Contender::Into => recorded.sample(|buffer| {
                our_steps(&recorded, |tensor, step| {
                    tensor.read_steps_into(step..step + 1, buffer)?;
                    Ok(word(buffer))
                })
            }),
            Contender::New => recorded.sample(|_| {
                our_steps(&recorded, |tensor, step| Ok(word(&tensor.read_step(step)?)))
            }),
            Contender::H5py => {
                let peer = peer.as_mut().ok_or("no Python")?;
                recorded.peer(peer, &list)
            }
        });
        scratch.settle(&path)?;
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

impl<'a> Recorded<'a> {
    /// Records a file whose steps are the same bytes but for their number, the first word.
    fn record(layout: &'a Layout, path: &'a Path) -> Result<Self> {
        let elements = layout.step / 2;
        let spec = TensorSpec::new(TENSOR, Dtype::Bf16, [elements]);
        let mut run = Recorder::create(path)
            .overwrite(true)
            .tensor_spec(spec)
            .steps(layout.steps);
        run = match layout.chunk {
            Some(steps) => run.chunk_target(steps * layout.step as u64),
            None => run.compression(Compression::Fast),
        };
        let mut run = run.start()?;
        // Normal values. Where there are many steps, they are zeros but for their number: only reading the index counts.
        let mut values: Vec<u16> = match layout.opens {
            true => vec![0; elements],
            false => bytemuck::cast_slice(&gaussian(1)[..layout.step]).to_vec(),
        };
        for step in 0..layout.steps {
            for (value, part) in values.iter_mut().zip(0..4) {
                *value = (first_word(step) >> (16 * part) & 0xFFFF) as u16;
            }
            run.append(|row| row.put_bytes(TENSOR, Dtype::Bf16, bytemuck::cast_slice(&values)))?;
        }
        run.finish()?;
        let wanted = random_rows(layout.reads, usize::try_from(layout.steps)?);
        let wanted: Vec<u64> = wanted.into_iter().map(|step| step as u64).collect();
        let expected = wanted
            .iter()
            .fold(0, |sum: u64, &step| sum.wrapping_add(first_word(step)));
        Ok(Self {
            layout,
            path,
            wanted,
            expected,
        })
    }

    fn group(&self, name: &str) -> Group {
        let Layout {
            steps,
            chunk,
            step,
            reads,
            opens,
        } = *self.layout;
        let size = bytes(step as f64);
        let (kind, chunks) = match chunk {
            Some(chunk) => ("uncompressed", steps / chunk),
            None => ("compressed", steps),
        };
        let what = match opens {
            true => "The first step of a file, with opening it",
            false => "Single steps of an open file, at random",
        };
        let title = format!("{what}: {size} in {} chunks, {kind}", grouped(chunks));
        let words = format!(
            "steps of {size} of a bfloat16 tensor of {} steps in {} {kind} chunks, which is in the page cache. {}",
            grouped(steps),
            grouped(chunks),
            match opens {
                true => "The file is opened for each.",
                false => "The file is open.",
            }
        );
        let reference = match chunk {
            Some(_) => Contender::Plain,
            None => Contender::Into,
        };
        let all = (reads * step) as u64;
        Group::new(
            name,
            &title,
            words,
            (reads as u64, "step"),
            all,
            reference.name(),
        )
    }

    /// The time that `read` says, if its sum is right.
    fn sample(&self, read: impl FnOnce(&mut [u16]) -> Result<(f64, u64)>) -> Result<Sample> {
        let mut buffer = vec![1; self.layout.step / 2];
        let (seconds, sum) = read(&mut buffer)?;
        self.check(Sample::from([(Figure::Seconds, seconds)]), sum)
    }

    fn check(&self, sample: Sample, sum: u64) -> Result<Sample> {
        if sum == self.expected {
            return Ok(sample);
        }
        Err(format!("the sum is {sum}, not {}", self.expected).into())
    }

    fn peer(&self, peer: &mut Python, list: &Path) -> Result<Sample> {
        let opens = if self.layout.opens { "opens" } else { "" };
        let answer = peer.call(&["steps_of", text(self.path)?, text(list)?, opens])?;
        let (figures, sum) = answer.split_once('\t').ok_or("no sum")?;
        self.check(serde_json::from_str(figures)?, sum.parse()?)
    }
}

/// The same bytes from the same places, which [`places`] has found before.
fn plain_steps(recorded: &Recorded<'_>, buffer: &mut [u16]) -> Result<(f64, u64)> {
    let file = File::open(recorded.path)?;
    let places = places(recorded, &file)?;
    let begin = Instant::now();
    let mut sum = 0_u64;
    for place in places {
        file.read_exact_at(bytemuck::cast_slice_mut(buffer), place)?;
        sum = sum.wrapping_add(word(buffer));
    }
    Ok((begin.elapsed().as_secs_f64(), sum))
}

/// Where the wanted steps lie: mostly each after the one before, with parts of the index between. Each is known by its
/// first word.
fn places(recorded: &Recorded<'_>, file: &File) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    let mut at = 0;
    for step in 0..recorded.layout.steps {
        let mut found = [0; 8];
        loop {
            file.read_exact_at(&mut found, at)?;
            if u64::from_le_bytes(found) == first_word(step) {
                break;
            }
            at += 8;
        }
        all.push(at);
        at += recorded.layout.step as u64;
    }
    let place = |&step: &u64| all.get(usize::try_from(step).ok()?).copied();
    recorded
        .wanted
        .iter()
        .map(place)
        .collect::<Option<_>>()
        .ok_or_else(|| "a step is missing".into())
}

fn our_steps(
    recorded: &Recorded<'_>,
    mut read: impl FnMut(&Tensor, u64) -> Result<u64>,
) -> Result<(f64, u64)> {
    let mut begin = Instant::now();
    let file = Reader::open(recorded.path)?;
    let tensor = file.tensor(TENSOR)?;
    if !recorded.layout.opens {
        begin = Instant::now();
    }
    let mut sum = 0_u64;
    for &step in &recorded.wanted {
        sum = sum.wrapping_add(read(tensor, step)?);
    }
    Ok((begin.elapsed().as_secs_f64(), sum))
}
