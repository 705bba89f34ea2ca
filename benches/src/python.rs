//! The Python package: recording from a loop of PyTorch and reading into its tensors, beside h5py and others.

use std::path::Path;
use std::time::Instant;

use crate::Result;
use crate::bench::{Bench, Contender as Named};
use crate::peer::{Python, text};
use crate::read::data::{Data, ROW_BYTES, STEP_BYTES, TENSOR, sum};
use crate::record::contender::{Contender as Recording, Medium};
use crate::record::workload::Workload;
use crate::report::{Figure, Group, Kind, Sample};
use crate::scratch::Scratch;
use crate::table::{bytes, grouped};

/// The names of the groups.
pub const GROUPS: &[&str] = &[
    "python/append-large",
    "python/append-small",
    "python/append-many",
    "python/large",
    "python/read-whole",
    "python/read-rows",
    "python/read-steps",
];

/// Who takes part: its name, whose it is, and its method in `torch_peer.py`.
#[derive(Clone, Copy, Debug)]
struct Contender(&'static str, Kind, &'static str);

/// The crates below the package, called from here.
const RUST: Contender = Contender("Selvedge, from Rust", Kind::Ours, "");
const PACKAGE: Contender = Contender("Selvedge", Kind::Ours, "append");
const WATCH: Contender = Contender("Selvedge, watch", Kind::Ours, "watch");
const MEMCPY: Contender = Contender("memcpy", Kind::Plain, "memcpy");
const OTHERS: [Contender; 5] = [
    Contender("h5py, tuned", Kind::Peer, "h5py_tuned"),
    Contender("h5py, the seed's way", Kind::Peer, "h5py_seed"),
    Contender("numpy, tofile", Kind::Peer, "tofile"),
    Contender("torch.save", Kind::Peer, "torch_save"),
    Contender("safetensors", Kind::Peer, "safetensors"),
];

impl Named for Contender {
    fn name(self) -> &'static str {
        self.0
    }

    fn kind(self) -> Kind {
        self.1
    }
}

/// What is recorded: tensors of a shape, and a loss where they are few.
struct Loop {
    group: &'static str,
    title: &'static str,
    tensors: usize,
    shape: &'static str,
    step_bytes: u64,
    steps: u64,
    /// Whether a step's own time counts, while the queue has room, and not that of all.
    is_append: bool,
}

/// Runs those that are selected.
///
/// # Errors
///
/// A disk without room for a few steps, and those of recording the file that is read.
pub fn run(bench: &mut Bench, scratch: &Scratch) -> Result<()> {
    let Some(python) = bench.options.torch.clone() else {
        let why = "they need a Python with torch and the package, which `cargo xtask bench` makes";
        bench.note(format!("No groups `python`: {why}."));
        return Ok(());
    };
    let Some(mut peer) = bench.start(&python, "torch_peer.py", &[]) else {
        return Ok(());
    };
    let scale = bench.options.scale;
    let large = |group, title, steps, is_append| Loop {
        group,
        title,
        tensors: 4,
        shape: "10000x64",
        step_bytes: 4 * STEP_BYTES as u64 + 4,
        steps,
        is_append,
    };
    for recorded in [
        large(
            GROUPS[0],
            "A step from PyTorch while the queue has room: large steps",
            scale.pick(150, 30, 3),
            true,
        ),
        Loop {
            group: GROUPS[1],
            title: "A step from PyTorch while the queue has room: small steps",
            tensors: 4,
            shape: "2048",
            step_bytes: 4 * 4096 + 4,
            steps: scale.pick(2000, 300, 3),
            is_append: true,
        },
        Loop {
            group: GROUPS[2],
            title: "A step from PyTorch while the queue has room: many tensors",
            tensors: 300,
            shape: "256",
            step_bytes: 300 * 512,
            steps: scale.pick(200, 50, 3),
            is_append: true,
        },
        large(
            GROUPS[3],
            "Steps from PyTorch, one after the other",
            scale.pick(300, 30, 3),
            false,
        ),
    ] {
        if bench.selects(recorded.group) {
            recorded.run(bench, scratch, &mut peer)?;
        }
    }
    read(bench, scratch, &mut peer)
}

impl Loop {
    fn run(mut self, bench: &mut Bench, scratch: &Scratch, peer: &mut Python) -> Result<()> {
        // Files of fill values, or one for each step, take a little more.
        let (steps, note) = scratch.fit(self.steps, self.step_bytes, 1)?;
        self.steps = steps;
        let mut contenders = vec![MEMCPY, PACKAGE];
        if !self.is_append {
            contenders[0] = RUST;
        }
        if self.tensors > 100 {
            contenders.push(WATCH);
        }
        contenders.extend(OTHERS);
        let what = format!(
            "{} bfloat16 tensors ({}){}, {} a step, from torch on the CPU.",
            self.tensors,
            self.shape.replace('x', ", "),
            if self.tensors > 100 {
                ""
            } else {
                " and a float32 scalar"
            },
            bytes(self.step_bytes as f64),
        );
        let (what, count, size) = match self.is_append {
            true => (
                format!("Median time of a step of {what}"),
                (1, "step"),
                self.step_bytes,
            ),
            false => (
                format!("{} steps of {what}", grouped(steps)),
                (steps, "step"),
                steps * self.step_bytes,
            ),
        };
        let reference = contenders[0].name();
        let mut group = Group::new(self.group, self.title, what, count, size, reference);
        group.notes.extend(note);
        let path = scratch.file("loop_1.h5");
        bench.rounds(group, &contenders, |who, _| {
            scratch.settle(&path)?;
            self.sample(who, &path, peer)
        });
        scratch.settle(&path)
    }

    fn sample(&self, who: Contender, path: &Path, peer: &mut Python) -> Result<Sample> {
        if who.name() == RUST.name() {
            let workload = Workload::large(self.steps)?;
            let sample = Recording::Recorder.record(&workload, path, Medium::Cache, None)?;
            Recording::Recorder.check(&workload, path, None)?;
            return Ok(sample);
        }
        let mut sample = peer.sample(&[
            "record",
            who.2,
            text(path)?,
            &self.tensors.to_string(),
            self.shape,
            &self.steps.to_string(),
            if self.is_append { "bursts" } else { "" },
        ])?;
        if self.is_append {
            let median = sample.get(&Figure::BlockedP50).copied();
            sample.extend(median.map(|median| (Figure::Seconds, median)));
        }
        Ok(sample)
    }
}

/// What is read, in the order of the groups.
const READS: [(&str, &str); 3] = [
    ("whole", "The whole tensor into torch"),
    ("rows", "3,699 of 10,000 rows of every step into torch"),
    ("steps", "Single steps at random into torch"),
];

fn read(bench: &mut Bench, scratch: &Scratch, peer: &mut Python) -> Result<()> {
    let groups = READS.iter().zip(&GROUPS[GROUPS.len() - READS.len()..]);
    let groups: Vec<_> = groups.filter(|(_, name)| bench.selects(name)).collect();
    if groups.is_empty() {
        return Ok(());
    }
    let path = scratch.file("read_1.h5");
    let scale = bench.options.scale;
    let (steps, note) = scratch.fit(scale.pick(800, 64, 32), STEP_BYTES as u64, 1)?;
    let data = Data::record(&path, steps, scale.pick(1000, 100, 10))?;
    let (rows, single) = (scratch.file("rows.bin"), scratch.file("single.bin"));
    let taken: Vec<u64> = data.rows.iter().map(|&row| row as u64).collect();
    std::fs::write(&rows, bytemuck::cast_slice(&taken))?;
    std::fs::write(&single, bytemuck::cast_slice(&data.single))?;
    peer.call(&["prepare", text(&rows)?, text(&single)?])?;
    let contenders = [
        RUST,
        Contender(PACKAGE.0, PACKAGE.1, "selvedge"),
        Contender("h5py", Kind::Peer, "h5py"),
    ];
    for (&(what, title), name) in groups {
        let (count, size, expected) = match what {
            "whole" => (1, steps * STEP_BYTES as u64, data.expected(0..steps, 0)),
            "rows" => {
                let size = steps * (data.rows.len() * ROW_BYTES) as u64;
                (1, size, data.expected(0..steps, 1))
            }
            _ => {
                let count = data.single.len() as u64;
                let expected = data.expected(data.single.iter().copied(), 2);
                (count, count * STEP_BYTES as u64, expected)
            }
        };
        let words = format!(
            "{} of a bfloat16 tensor ({}, 10000, 64), which is in the page cache, into new memory.",
            bytes(size as f64),
            grouped(steps)
        );
        let unit = if count == 1 { "read" } else { "step" };
        let mut group = Group::new(name, title, words, (count, unit), size, RUST.name());
        group.notes.extend(note.clone());
        bench.rounds(group, &contenders, |who, _| {
            let (sample, found) = if who.name() == RUST.name() {
                from_rust(what, &path, &data)?
            } else {
                let answer = peer.call(&["read", who.2, what, text(&path)?])?;
                let (figures, sum) = answer.split_once('\t').ok_or("no sum")?;
                (serde_json::from_str(figures)?, sum.parse()?)
            };
            if found != expected {
                return Err(format!("the sum is {found}, not {expected}").into());
            }
            Ok(sample)
        });
    }
    scratch.settle(&path)
}

/// The time of reading in Rust, and the sum of what was read.
fn from_rust(what: &str, path: &Path, data: &Data) -> Result<(Sample, u64)> {
    let begin = Instant::now();
    let reader = selvedge_hdf5::Reader::open(path)?;
    let tensor = reader.tensor(TENSOR)?;
    let values: Vec<u16> = match what {
        "whole" => tensor.read()?,
        "rows" => tensor.select().rows(data.rows.clone()).read()?,
        _ => {
            let mut first = Vec::new();
            for &step in &data.single {
                first.extend_from_slice(&tensor.read_step::<u16>(step)?[..4]);
            }
            first
        }
    };
    let seconds = begin.elapsed().as_secs_f64();
    let sample = Sample::from([(Figure::Seconds, seconds)]);
    Ok((sample, sum(bytemuck::cast_slice(&values))))
}
