//! The processes that are killed and whose calls fail: this program again, at work on one file.
//!
//! A victim prints what it was promised, a line each: `committed N`, `saved N`, `finished`. Where a call of the
//! library fails, it prints `failed` and the error, what is left of threads, and what a reader sees; says `freed`,
//! where a disk that was full gets room; and goes on.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use selvedge_base::Chain;
use selvedge_hdf5::{
    Compression, DeclareError, Durability, ReadPattern, Reader, Rechunk, Recorder,
};
use selvedge_safetensors::{FileError, Save, SaveError};

use crate::sample::{self, Shape};

/// The word on the command line that makes this program a victim.
pub(crate) const WORD: &str = "victim";

/// Steps whose values cross the borders of sectors.
pub(crate) const SHAPE: Shape = Shape {
    w: [24, 20],
    moment: 130,
    mask: 77,
};
/// The same, with a `W` that is large enough to be compressed.
const COMPRESSED: Shape = Shape {
    w: [128, 80],
    ..SHAPE
};
/// Elements of a tensor, or of a row, of a safetensors file.
pub(crate) const ELEMENTS: usize = 300;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Records a trajectory, or goes on with one that is there.
    Record(Recording),
    /// `selvedge_hdf5::recover`.
    Recover,
    /// Writes a trajectory anew, over itself.
    Rechunk,
    /// Saves a safetensors file, over an old one.
    Save { sync: bool, streamed: bool },
    /// Lets a safetensors file grow.
    Grow { sync: bool },
    /// `selvedge_safetensors::recover`.
    RecoverGrown,
    /// Another program: h5py, with or without a flush after every step.
    ByHand { flush: bool },
}

/// A run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recording {
    /// Planned steps; `None` for an open-ended run.
    pub(crate) planned: Option<u64>,
    /// Steps of a chunk of `W`.
    pub(crate) chunk_steps: u64,
    /// Steps between syncs; 0 for `Durability::Never`.
    pub(crate) sync: u64,
    /// Steps between two calls of `commit`.
    pub(crate) burst: u64,
    /// Steps in the end.
    pub(crate) until: u64,
    /// Whether it replaces what is there, and does not go on with it.
    pub(crate) overwrite: bool,
    /// Whether `W` is compressed.
    pub(crate) compressed: bool,
    /// Whether the file gets its name when it is finished, as that of a conversion: nothing is promised before.
    pub(crate) late: bool,
}

impl Recording {
    /// The shape of a step.
    pub(crate) fn shape(&self) -> Shape {
        if self.compressed { COMPRESSED } else { SHAPE }
    }

    /// The recorder of this run: of a new file, or of the one that is there.
    pub(crate) fn start(&self, path: &Path) -> Result<Recorder, DeclareError> {
        let builder = if path.exists() && !self.overwrite {
            Recorder::resume(path)
        } else {
            Recorder::create(path).overwrite(self.overwrite)
        };
        let step = 2 * self.shape().w.iter().product::<usize>() as u64;
        let mut builder = sample::declare(builder, self.shape())
            .chunk_target(self.chunk_steps * step)
            .queue_bytes(64 << 10)
            .named_when_finished(self.late);
        if let Some(planned) = self.planned {
            builder = builder.steps(planned);
        }
        if self.compressed {
            builder = builder.compression(Compression::Fast);
        }
        if self.sync > 0 {
            builder = builder.durability(Durability::every(self.sync));
        }
        builder.start()
    }

    /// Records to the end, and tells what is committed.
    pub(crate) fn record(&self, path: &Path, tell: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        let mut run = self.start(path)?;
        let mut promise = |steps: u64, holds: bool| {
            if holds {
                tell(&format!("committed {steps}"));
            }
        };
        promise(run.committed(), !self.late);
        while run.appended() < self.until {
            for _ in 0..self.burst.min(self.until - run.appended()) {
                sample::append(&mut run, self.shape())?;
            }
            promise(run.commit()?, !self.late);
        }
        let steps = run.finish()?.steps;
        promise(steps, self.late);
        Ok(())
    }
}

/// This program, as a victim that does `work` on `path`.
pub(crate) fn command(name: &str, path: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg(WORD).arg(name).arg(path);
    command
}

/// This program. Tests are another one, and say where it is.
pub(crate) fn program() -> std::path::PathBuf {
    let named = std::env::var_os("SELVEDGE_SOAK").map(Into::into);
    named.unwrap_or_else(|| std::env::current_exe().expect("this program"))
}

/// Does `work` on `path`, and goes on after errors.
pub(crate) fn work(work: Work, path: &Path) -> Result<(), Failure> {
    // An error that comes again after the disk was freed is one too many.
    for _ in 0..3 {
        let done = match work {
            Work::Record(recording) => recording.record(path, &mut tell),
            Work::Recover => selvedge_hdf5::recover(path).map(|_| ()).map_err(Into::into),
            Work::Rechunk => rechunk(path),
            Work::Save { sync, streamed } => save(path, sync, streamed),
            Work::Grow { sync } => grow(path, sync),
            Work::RecoverGrown => match selvedge_safetensors::recover(path) {
                // An error after the renaming: it had been done.
                Err(SaveError::File(FileError::NothingLeft { .. })) if path.exists() => Ok(()),
                done => done.map(|_| ()).map_err(Into::into),
            },
            Work::ByHand { .. } => Err("that is for Python".into()),
        };
        let Err(error) = done else {
            tell("finished");
            return Ok(());
        };
        let error = Chain(&*error).to_string().replace('\n', " ");
        tell(&format!("failed {error}"));
        tell(&format!("threads {}", threads()?));
        if let Work::Record(_) | Work::Recover | Work::Rechunk = work
            && path.exists()
        {
            match Reader::open(path) {
                Ok(file) => tell(&format!("seen {}", file.committed_steps())),
                Err(error) => tell(&format!("unreadable {error}")),
            }
        }
        tell("freed");
    }
    Err("it failed again and again".into())
}

/// Writes the trajectory at `path` anew, over itself.
pub(crate) fn rechunk(path: &Path) -> Result<(), Failure> {
    let rechunk = Rechunk::new(path, path).pattern(ReadPattern::TokenSubset);
    rechunk.overwrite(true).run(|_| {})?;
    Ok(())
}

/// The number of threads of this process. One that was waited for can be there for a moment more.
fn threads() -> std::io::Result<usize> {
    let mut left = 0;
    for _ in 0..1000 {
        left = fs::read_dir("/proc/self/task")?.count();
        if left == 1 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(left)
}

/// Two versions of one file: all values of version `n` are `n`.
fn save(path: &Path, sync: bool, streamed: bool) -> Result<(), Failure> {
    for version in [1_u32, 2] {
        let values = vec![version; ELEMENTS];
        let save = Save::new(path).overwrite(true).sync(sync);
        let save = save.scalar("version", version);
        if streamed {
            let mut file = save
                .declare::<u32>("W", [ELEMENTS])
                .declare::<u32>("V", [ELEMENTS])
                .start()?;
            for name in ["W", "V"] {
                for piece in values.chunks(ELEMENTS / 2 + 1) {
                    file.write(name, piece)?;
                }
            }
            file.finish()?;
        } else {
            save.tensor("W", [ELEMENTS], &values)
                .tensor("V", [ELEMENTS], &values)
                .write()?;
        }
        tell(&format!("saved {version}"));
    }
    Ok(())
}

/// Five rows, all values of each its number.
fn grow(path: &Path, sync: bool) -> Result<(), Failure> {
    if path.exists() {
        // An error after the renaming.
        return Ok(());
    }
    let save = Save::new(path)
        .sync(sync)
        .overwrite(true)
        .discard_unfinished(true)
        .declare::<u32>("fixed", [ELEMENTS])
        .growing::<u32>("rows", [ELEMENTS]);
    let mut file = save.start()?;
    file.write("fixed", &[7_u32; ELEMENTS])?;
    for row in 0..5_u32 {
        file.write("rows", &[row; ELEMENTS])?;
        if sync {
            file.sync()?;
        }
        tell(&format!("saved {}", row + 1));
    }
    file.finish()?;
    Ok(())
}

/// Prints a line at once, whatever the length of the pipe's patience.
fn tell(line: &str) {
    let mut stdout = std::io::stdout().lock();
    // One write, and so a whole line or nothing.
    let _ = stdout.write_all(format!("{line}\n").as_bytes());
    let _ = stdout.flush();
}
