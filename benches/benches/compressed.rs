//! Recording with compression against recording without it, and reading both back.
//!
//! `cargo bench -p selvedge-benches --bench compressed`
//!
//! Both write and read the same steps, in turns: into the page cache, with an `fdatasync` after every
//! eighth step, and whole tensors out of the page cache. The steps are those of the trajectory that
//! `SELVEDGE_BENCH_TRAJECTORY` names (one of `cargo xtask demo`, say), or else made up: weights that
//! start out normal and of which a twentieth changes from step to step. `benches/README.md` has the
//! other options. No time is asserted; every file is compared with what was recorded.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use half::bf16;
use selvedge_benches::machine;
use selvedge_benches::options::{Options, Scale};
use selvedge_benches::report::Report;
use selvedge_benches::rounds::{Outcome, take_turns};
use selvedge_benches::scratch::Scratch;
use selvedge_benches::table::{Table, megabytes, or_dash};
use selvedge_benches::{Result, exit_code};
use selvedge_hdf5::{Compression, Durability, Reader, Recorder};
use selvedge_testing::Random;

/// Elements of a step of each tensor, along its axes.
const SHAPE: [usize; 2] = [10_000, 64];
const STEP_BYTES: usize = SHAPE[0] * SHAPE[1] * 2;
const TENSORS: [&str; 4] = ["W", "grad_W", "momentum_W", "variance_W"];
/// Steps between two `fdatasync`.
const SYNC: u64 = 8;
/// What one file took, in seconds.
#[derive(Clone, Copy)]
struct Took {
    wall: f64,
    /// Of all threads together: what is left of the cores is the training's.
    processor: f64,
}

impl Took {
    fn by<T>(work: impl FnOnce() -> Result<T>) -> Result<Self> {
        let (begin, processor) = (Instant::now(), processor_time());
        work()?;
        Ok(Self {
            wall: begin.elapsed().as_secs_f64(),
            processor: (processor_time() - processor).as_secs_f64(),
        })
    }
}

/// Processor time of this process so far.
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// Steps that are in memory, and recorded again and again.
const SOURCE_STEPS: usize = 40;

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<()> {
    let options = Options::read()?;
    let groups = ["record", "record-synced", "read"];
    let name = |group: &str| format!("compressed/{group}");
    if !groups.iter().any(|group| options.selects(&name(group))) {
        return Ok(());
    }
    let folder = options.folder.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let scratch = Scratch::new(&folder)?;
    let steps = options.scale.pick(300, 60, 3);
    let source = Source::open()?;
    let mut report = Report::default();
    let mut facts = machine::describe(scratch.path());
    let rounds = options.rounds;
    facts.push(("rounds", format!("{rounds} and one that does not count")));
    facts.push((
        "steps",
        format!("{steps} of four bfloat16 tensors (10000, 64)"),
    ));
    facts.push(("values", source.name.clone()));
    report.head("Compression in the recorder and the reader", &facts);
    report.scale(options.scale);

    for (group, title, durability) in [
        ("record", "Recording into the page cache", Durability::Never),
        (
            "record-synced",
            "Recording, with an `fdatasync` after every 8 steps",
            Durability::every(SYNC),
        ),
    ] {
        if !options.selects(&name(group)) {
            continue;
        }
        let mut sizes = [0; 2];
        let outcomes = take_turns(
            &[Compression::None, Compression::Fast],
            rounds,
            |how, round| {
                let path = scratch.file("run.h5");
                scratch.settle(&path)?;
                let took = Took::by(|| record(&path, &source, steps, how, durability))?;
                if round == 0 {
                    check(&path, &source, steps)?;
                    sizes[usize::from(how == Compression::Fast)] = path.metadata()?.len();
                }
                eprintln!(
                    "{}, round {round} of {rounds}: {how}, {:.3} s",
                    name(group),
                    took.wall
                );
                Ok(Some(took))
            },
        )?;
        let ratio = sizes[0] as f64 / sizes[1] as f64;
        table(&mut report, title, steps, Some(ratio), &outcomes);
        let speed = outcomes[1].speed_by(&outcomes[0], |took| took.wall);
        report.require(format!("{title}: speed with compression"), "≥ 1.00", speed);
    }
    if options.selects(&name("read")) {
        read(&options, &scratch, &source, steps, &mut report)?;
    }
    if options.scale != Scale::Smoke {
        report.requirements();
        report.save(Path::new(env!("CARGO_TARGET_TMPDIR")), "compressed")?;
    }
    Ok(())
}

fn table(
    report: &mut Report,
    title: &str,
    steps: u64,
    ratio: Option<f64>,
    outcomes: &[Outcome<Compression, Took>],
) {
    let bytes = steps * (STEP_BYTES * TENSORS.len()) as u64;
    let mut table = Table::new([
        "compression",
        "MB/s, median",
        "speed over none",
        "MB for a second of a core",
    ]);
    for outcome in outcomes {
        let median =
            |of: fn(&Took) -> f64| outcome.spread(|took| Some(of(took))).map(|of| of.median);
        let speed = outcome.speed_by(&outcomes[0], |took| took.wall);
        table.row([
            outcome.contender.to_string(),
            or_dash(median(|took| took.wall), |seconds| {
                megabytes(bytes, seconds)
            }),
            or_dash(speed, |speed| speed.to_string()),
            or_dash(median(|took| took.processor), |seconds| {
                megabytes(bytes, seconds)
            }),
        ]);
    }
    report.add(&format!("\n## {title}\n\n{table}"));
    if let Some(ratio) = ratio {
        report.note(&format!("The compressed file is {ratio:.2} times smaller."));
    }
}

/// Whole tensors of both files, into memory that is there.
fn read(
    options: &Options,
    scratch: &Scratch,
    source: &Source,
    steps: u64,
    report: &mut Report,
) -> Result<()> {
    let path = |how: Compression| scratch.file(&format!("read_{how}.h5"));
    for how in [Compression::None, Compression::Fast] {
        record(&path(how), source, steps, how, Durability::Never)?;
    }
    rustix::fs::sync();
    let mut memory = vec![1_u16; usize::try_from(steps)? * STEP_BYTES / 2];
    let contenders = [Compression::None, Compression::Fast];
    let outcomes = take_turns(&contenders, options.rounds, |how, round| {
        let took = Took::by(|| {
            let reader = Reader::open(path(how))?;
            for name in TENSORS {
                reader.tensor(name)?.read_into(&mut memory)?;
            }
            Ok(())
        })?;
        eprintln!("compressed/read, round {round}: {how}, {:.3} s", took.wall);
        Ok(Some(took))
    })?;
    let title = "Reading whole tensors from the page cache";
    table(report, title, steps, None, &outcomes);
    let speed = outcomes[1].speed_by(&outcomes[0], |took| took.wall);
    report.require(format!("{title}: speed with compression"), "≥ 0.50", speed);
    Ok(())
}

fn record(
    path: &Path,
    source: &Source,
    steps: u64,
    how: Compression,
    durability: Durability,
) -> Result<()> {
    let builder = Recorder::create(path)
        .steps(steps)
        .compression(how)
        .durability(durability)
        .overwrite(true);
    let builder = TENSORS.iter().fold(builder, |builder, name| {
        builder.tensor::<bf16>(*name, SHAPE)
    });
    let mut run = builder.start()?;
    for step in 0..steps {
        run.append(|target| {
            for (tensor, name) in TENSORS.iter().enumerate() {
                target.put(name, source.step(tensor, step))?;
            }
            Ok(target)
        })?;
    }
    run.finish()?;
    Ok(())
}

fn check(path: &Path, source: &Source, steps: u64) -> Result<()> {
    let reader = Reader::open(path)?;
    for (tensor, name) in TENSORS.iter().enumerate() {
        for step in 0..steps {
            if reader.tensor(name)?.read_step::<bf16>(step)? != source.step(tensor, step) {
                return Err(format!("other values in step {step} of {name}").into());
            }
        }
    }
    Ok(())
}

/// The steps that are recorded.
struct Source {
    name: String,
    /// Of each tensor, its steps.
    values: Vec<Vec<bf16>>,
}

impl Source {
    fn open() -> Result<Self> {
        let Some(path) = std::env::var_os("SELVEDGE_BENCH_TRAJECTORY") else {
            return Ok(Self::made_up());
        };
        let reader = Reader::open(PathBuf::from(&path))?;
        let mut values = Vec::new();
        for name in TENSORS {
            let tensor = reader.tensor(name)?;
            if tensor.step_shape() != SHAPE.map(|axis| axis as u64) {
                return Err(format!("{name} is not of steps {SHAPE:?}").into());
            }
            let last = tensor.steps();
            let first = last.saturating_sub(SOURCE_STEPS as u64);
            values.push(tensor.read_steps::<bf16>(first..last)?);
        }
        Ok(Self {
            name: path.to_string_lossy().into_owned(),
            values,
        })
    }

    fn made_up() -> Self {
        let mut random = Random(1);
        let mut normal = move || {
            // Twelve uniform numbers have a variance of 1.
            let sum: f64 = (0..12).map(|_| random.below(1 << 20) as f64).sum();
            bf16::from_f64((sum / f64::from(1 << 20) - 6.0) * 0.02)
        };
        let len = STEP_BYTES / 2;
        let values = TENSORS.iter().map(|_| {
            let mut steps: Vec<bf16> = (0..len).map(|_| normal()).collect();
            for step in 1..SOURCE_STEPS {
                steps.extend_from_within((step - 1) * len..);
                for index in (step % 20..len).step_by(20) {
                    steps[step * len + index] = normal();
                }
            }
            steps
        });
        Self {
            name: "made up: normal, a twentieth changes from step to step".to_owned(),
            values: values.collect(),
        }
    }

    fn step(&self, tensor: usize, step: u64) -> &[bf16] {
        let len = STEP_BYTES / 2;
        let steps = self.values[tensor].len() / len;
        let step = usize::try_from(step).unwrap_or(0) % steps;
        &self.values[tensor][step * len..(step + 1) * len]
    }
}
