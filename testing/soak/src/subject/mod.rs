//! What is tried to break: the kinds of work on a file, what lies there before, and how the file is judged afterwards.

mod base;
mod judge;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use selvedge_testing::python;

pub(crate) use self::judge::{After, Verdict, judge, judge_file, quietly};
use crate::sample::{PYTHON_SAMPLE, shape_words};
use crate::trace::{self, Fault, Outcome};
use crate::victim::{self, Recording, SHAPE, Work};

/// A process of a second's work that takes so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What lies in the folder before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Nothing,
    /// A run that was ended with so many steps, and `finish` or without it.
    Run(Recording, bool),
    /// A run that was killed while the extents of its tensors moved.
    Ahead,
    /// Version 0 of a safetensors file.
    OldVersion,
    /// What a killed writer of a growing file left.
    Unfinished,
}

/// Work on a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    /// Its name in the table, and on the command line of its process.
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    pub(crate) base: Base,
}

const PLANNED: Recording = Recording {
    planned: Some(7),
    chunk_steps: 3,
    sync: 0,
    burst: 1,
    until: 7,
    overwrite: false,
    compressed: false,
    late: false,
};
const OPEN: Recording = Recording {
    planned: None,
    chunk_steps: 2,
    until: 5,
    ..PLANNED
};
/// Chunks of a step: the 65th does not fit the first node of its index any more.
const FULL_NODES: Recording = Recording {
    chunk_steps: 1,
    until: 63,
    burst: 63,
    ..OPEN
};

/// A run whose file gets its name when it is finished: all of its steps at once.
const LATE: Recording = Recording {
    burst: 7,
    late: true,
    ..PLANNED
};
const SYNCED: Recording = Recording { sync: 1, ..PLANNED };

const PACKED: Recording = Recording {
    compressed: true,
    until: 5,
    planned: Some(5),
    ..PLANNED
};

const fn synced(recording: Recording, every: u64) -> Work {
    Work::Record(Recording {
        sync: every,
        burst: every,
        ..recording
    })
}

const fn until(recording: Recording, until: u64) -> Recording {
    Recording {
        until,
        burst: 1,
        ..recording
    }
}

/// All work of ours. A new way to write a file gets a line here.
pub(crate) const SUBJECTS: &[Subject] = &[
    subject("run of known length", Work::Record(PLANNED), Base::Nothing),
    subject(
        "run of known length, every step synced",
        synced(PLANNED, 1),
        Base::Nothing,
    ),
    subject("open-ended run", Work::Record(OPEN), Base::Nothing),
    subject(
        "open-ended run, every step synced",
        synced(OPEN, 1),
        Base::Nothing,
    ),
    subject(
        "open-ended run, every 3 steps synced",
        synced(until(OPEN, 7), 3),
        Base::Nothing,
    ),
    subject(
        "resumed run whose index gets a second level",
        Work::Record(until(FULL_NODES, 66)),
        Base::Run(FULL_NODES, false),
    ),
    subject(
        "resumed run whose index gets a second level, every step synced",
        synced(until(FULL_NODES, 66), 1),
        Base::Run(FULL_NODES, false),
    ),
    subject(
        "finished run resumed beyond its plan",
        Work::Record(Recording {
            planned: Some(10),
            until: 10,
            ..PLANNED
        }),
        Base::Run(PLANNED, true),
    ),
    subject(
        "run of known length, over a finished one",
        Work::Record(Recording {
            overwrite: true,
            ..PLANNED
        }),
        Base::Run(PLANNED, true),
    ),
    subject("compressed run", Work::Record(PACKED), Base::Nothing),
    subject(
        "compressed run, every step synced",
        synced(PACKED, 1),
        Base::Nothing,
    ),
    subject(
        "compressed open-ended run, every 2 steps synced",
        synced(
            Recording {
                planned: None,
                until: 4,
                ..PACKED
            },
            2,
        ),
        Base::Nothing,
    ),
    subject(
        "compressed run, resumed",
        synced(
            Recording {
                planned: Some(8),
                until: 8,
                ..PACKED
            },
            1,
        ),
        Base::Run(PACKED, true),
    ),
    subject(
        "run that is named when it is finished, over a finished one",
        Work::Record(Recording {
            overwrite: true,
            ..LATE
        }),
        Base::Run(PLANNED, true),
    ),
    subject(
        "run that is named when it is finished, synced",
        Work::Record(Recording { sync: 1, ..LATE }),
        Base::Nothing,
    ),
    subject(
        "run written anew with other chunks, over itself",
        Work::Rechunk,
        Base::Run(SYNCED, true),
    ),
    subject("`recover` of a run", Work::Recover, Base::Ahead),
    subject(
        "safetensors, saved",
        Work::Save {
            sync: true,
            streamed: false,
        },
        Base::OldVersion,
    ),
    subject(
        "safetensors, saved without sync",
        Work::Save {
            sync: false,
            streamed: false,
        },
        Base::OldVersion,
    ),
    subject(
        "safetensors, streamed",
        Work::Save {
            sync: true,
            streamed: true,
        },
        Base::OldVersion,
    ),
    subject(
        "safetensors, growing",
        Work::Grow { sync: false },
        Base::Nothing,
    ),
    subject(
        "safetensors, growing, every row synced",
        Work::Grow { sync: true },
        Base::Nothing,
    ),
    subject(
        "`recover` of safetensors",
        Work::RecoverGrown,
        Base::Unfinished,
    ),
];

/// Runs that others read meanwhile.
pub(crate) const LIVE: &[Subject] = &[
    subject(
        "long run of known length",
        Work::Record(Recording {
            planned: Some(4000),
            until: 4000,
            chunk_steps: 300,
            ..PLANNED
        }),
        Base::Nothing,
    ),
    subject(
        "long open-ended run",
        Work::Record(Recording {
            until: 4000,
            chunk_steps: 10,
            burst: 3,
            ..OPEN
        }),
        Base::Nothing,
    ),
];

/// The same run, as it is written by hand with h5py.
pub(crate) const PEERS: &[Subject] = &[
    subject("plain h5py", Work::ByHand { flush: false }, Base::Nothing),
    subject(
        "plain h5py, flush after every step",
        Work::ByHand { flush: true },
        Base::Nothing,
    ),
];

const fn subject(name: &'static str, work: Work, base: Base) -> Subject {
    Subject { name, work, base }
}

impl Subject {
    /// The file in `folder`.
    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(match self.work {
            Work::Record(_) | Work::Recover | Work::Rechunk => "runs/run_1.h5",
            Work::ByHand { .. } => "run_1.h5",
            _ => "1.5d_mask.safetensors",
        })
    }

    /// Steps that lie there before, and are to stay.
    pub(crate) fn begins_with(&self) -> Option<u64> {
        match self.base {
            _ if self.overwrites() => None,
            Base::Run(recording, _) => Some(recording.until),
            Base::Ahead => Some(OPEN.until - 1),
            _ => None,
        }
    }

    /// Whether a run replaces what lies there before.
    pub(crate) fn overwrites(&self) -> bool {
        matches!(
            self.work,
            Work::Record(Recording {
                overwrite: true,
                ..
            })
        )
    }

    /// The process, at work in `folder`.
    fn command(&self, folder: &Path) -> Command {
        let path = self.path(folder);
        let Work::ByHand { flush } = self.work else {
            return victim::command(self.name, &path);
        };
        let text = format!("{PYTHON_SAMPLE}{}", include_str!("../h5py_writer.py"));
        let mut arguments = vec![
            path.display().to_string(),
            PLANNED.until.to_string(),
            if flush { "flush" } else { "default" }.to_owned(),
        ];
        arguments.extend(shape_words(SHAPE));
        python::script(&text, arguments)
    }

    /// Runs it in `folder`, from its base on, with a fault.
    pub(crate) fn run(
        &self,
        folder: &Path,
        fault: Option<(usize, Fault)>,
        keep: bool,
    ) -> Result<Outcome, String> {
        self.lay(folder)
            .and_then(|()| trace::run(&mut self.command(folder), folder, fault, keep, PATIENCE))
            .map_err(|error| format!("{}: {error}", self.name))
    }

    /// Runs it in `folder` without a fault, to the end.
    pub(crate) fn run_whole(&self, folder: &Path, keep: bool) -> Result<Outcome, String> {
        let whole = self.run(folder, None, keep)?;
        if whole.lines.last().is_some_and(|line| line == "finished") {
            return Ok(whole);
        }
        Err(format!(
            "{} does not work undisturbed: {whole:?}",
            self.name
        ))
    }
}

/// A folder in memory, where there is one: for files of which it does not matter where they lie.
pub(crate) fn folder_in_memory() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// Runs this program as a child of another one, where the arguments ask for it.
pub(crate) fn serve(args: &[String]) -> Option<ExitCode> {
    match args {
        [word, name, path] if word == victim::WORD => {
            let subject = SUBJECTS
                .iter()
                .chain(LIVE)
                .find(|subject| subject.name == name)?;
            Some(match victim::work(subject.work, Path::new(path)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            })
        }
        [word] if word == crate::groups::READER => Some(crate::groups::read_bad_files()),
        _ => None,
    }
}
