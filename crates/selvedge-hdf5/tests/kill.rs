//! `kill -9` at random moments: nothing that was reported as committed is lost, and the run can go on.
//!
//! A child records the sample run and reports what is committed; this process kills it, looks at the
//! file with stock h5py and with the reader, and starts the next child on the same file. The moments
//! come from a seed that is printed; `SELVEDGE_SEED` sets it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};
use std::time::{Duration, Instant};

use selvedge_hdf5::{
    Attribute, Compression, DeclareError, Durability, FileError, Reader, Recorder, RunState,
    StorageError, recover,
};
use selvedge_testing::{Guard, Random, again, is_child, seed, setting, tell, told};

use common::sample::{self, Checker, LARGE, SMALL, Seen, Shape};

mod common;

/// A run that is killed again and again.
#[derive(Clone, Copy)]
struct Chain {
    shape: Shape,
    chunk_target: u64,
    queue: u64,
    /// Planned steps; `None` for an open-ended run.
    steps: Option<u64>,
    /// Steps between syncs; 0 for `Durability::Never`.
    sync: u64,
    compression: Compression,
    /// Most steps that the child appends without a pause.
    burst: u64,
    kills: u64,
    /// Chunks that `W` shall have in the end, so that its index has split.
    chunks: u64,
}

impl Chain {
    /// The recorder of this run: of a new file, or of one that was begun.
    fn start(&self, path: &Path, resume: bool) -> Result<Recorder, DeclareError> {
        let builder = if resume {
            Recorder::resume(path)
        } else {
            Recorder::create(path)
        };
        let builder = sample::declare(builder, self.shape)
            .chunk_target(self.chunk_target)
            .compression(self.compression)
            .queue_bytes(self.queue);
        let builder = match self.steps {
            Some(steps) => builder.steps(steps),
            None => builder,
        };
        match self.sync {
            0 => builder.start(),
            every => builder.durability(Durability::every(every)).start(),
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LARGE", (self.shape.w == LARGE.w).to_string()),
            ("TARGET", self.chunk_target.to_string()),
            ("QUEUE", self.queue.to_string()),
            ("STEPS", self.steps.unwrap_or(0).to_string()),
            ("SYNC", self.sync.to_string()),
            ("BURST", self.burst.to_string()),
            (
                "COMPRESSED",
                (self.compression != Compression::None).to_string(),
            ),
        ]
    }

    fn from_settings() -> Self {
        let steps: u64 = setting("STEPS");
        Self {
            shape: if setting("LARGE") { LARGE } else { SMALL },
            chunk_target: setting("TARGET"),
            queue: setting("QUEUE"),
            steps: (steps > 0).then_some(steps),
            sync: setting("SYNC"),
            burst: setting("BURST"),
            compression: match setting("COMPRESSED") {
                true => Compression::Fast,
                false => Compression::None,
            },
            kills: 0,
            chunks: 0,
        }
    }
}

/// The child: records until it has `UNTIL` steps, then finishes; or until it is killed.
#[test]
fn child_that_records() {
    if !is_child("child_that_records") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let until: u64 = setting("UNTIL");
    let chain = Chain::from_settings();
    let mut random = Random(setting("SEED"));
    tell(format_args!("starts"));
    let mut run = chain
        .start(&path, setting("RESUME"))
        .unwrap_or_else(|error| panic!("{error}: {error:?}"));
    tell(format_args!("committed {}", run.committed()));
    while run.appended() < until {
        let burst = (1 + random.below(chain.burst)).min(until - run.appended());
        for _ in 0..burst {
            sample::append(&mut run, chain.shape).expect("append");
        }
        match random.below(4) {
            0 => {
                let committed = run.commit().expect("commit");
                assert_eq!(committed, run.appended());
            }
            1 => std::thread::sleep(Duration::from_micros(random.below(2000))),
            _ => {}
        }
        tell(format_args!("committed {}", run.committed()));
    }
    if !setting::<bool>("FINISH") {
        // Nothing is left to do but to be killed.
        run.commit().expect("commit");
        tell(format_args!("committed {}", run.committed()));
        std::thread::sleep(Duration::from_secs(600));
    }
    let summary = run.finish().expect("finish");
    assert_eq!(summary.steps, until);
    tell(format_args!("finished"));
}

/// A running child.
struct Life {
    process: Guard,
    output: BufReader<ChildStdout>,
    reported: u64,
    finished: bool,
}

impl Life {
    /// Starts the child. It records up to `until` steps, and finishes then if it is to `finish`.
    fn begin(
        chain: &Chain,
        path: &Path,
        resume: bool,
        (until, finish): (u64, bool),
        random: &mut Random,
    ) -> Self {
        let mut settings = chain.settings();
        settings.extend([
            ("PATH", path.display().to_string()),
            ("RESUME", resume.to_string()),
            ("UNTIL", until.to_string()),
            ("FINISH", finish.to_string()),
            ("SEED", random.draw().to_string()),
        ]);
        let mut process = again("child_that_records", &settings);
        let process = process.stdout(Stdio::piped()).spawn();
        let mut process = Guard(process.expect("this program"));
        Self {
            output: BufReader::new(process.0.stdout.take().expect("a pipe")),
            process,
            reported: 0,
            finished: false,
        }
    }

    /// Takes in the next line; false at the end of the output.
    fn listen(&mut self) -> bool {
        let mut line = String::new();
        let read = self
            .output
            .read_line(&mut line)
            .expect("the child's output");
        if let Some(told) = told(line.trim()) {
            if let Some(committed) = told.strip_prefix("committed ") {
                let committed = committed.parse().expect("a number");
                assert!(
                    committed >= self.reported,
                    "{committed} after {}",
                    self.reported
                );
                self.reported = committed;
            }
            self.finished |= told == "finished";
        }
        read > 0
    }

    /// Waits for the line before the creation.
    fn listen_for_start(&mut self) -> bool {
        let mut line = String::new();
        while self
            .output
            .read_line(&mut line)
            .expect("the child's output")
            > 0
        {
            if told(line.trim()) == Some("starts") {
                return true;
            }
            line.clear();
        }
        false
    }

    /// Kills the child, and returns the last number of committed steps that it reported.
    fn kill(mut self) -> u64 {
        self.process.0.kill().expect("kill");
        let status = self.process.0.wait().expect("wait");
        assert!(
            status.code().is_none(),
            "the child ended by itself: {status}"
        );
        while self.listen() {}
        self.reported
    }

    /// Lets the child finish.
    fn end(mut self) {
        while self.listen() {}
        let status = self.process.0.wait().expect("wait");
        assert!(
            status.success() && self.finished,
            "the child failed: {status}"
        );
    }
}

/// `recover` sets extents, the number of steps that a commit was to lead to, and the state, and nothing
/// else; a second time not even that.
fn check_recover(path: &Path, shape: Shape, before: &Seen, checker: &mut Checker) {
    let bytes = fs::read(path).expect("the file");
    let file = Reader::open(path).expect("the file");
    let Some(Attribute::Ints(commit)) = file.attribute("selvedge_commit") else {
        panic!("the file says of no commit");
    };
    let cut_short = commit[1] > i64::try_from(file.committed_steps()).expect("a number of steps");
    drop(file);
    let recovery = recover(path).expect("recover");
    assert_eq!(recovery.committed, before.committed());
    assert_eq!(recovery.state, RunState::Recording);
    assert!(recovery.changed);
    let ahead = before
        .extents
        .iter()
        .filter(|&&extent| extent > recovery.committed)
        .count();
    assert_eq!(recovery.ahead.len(), ahead, "{recovery}");

    let recovered = fs::read(path).expect("the file");
    assert_eq!(recovered.len(), bytes.len(), "length of the file");
    let words = |bytes: &[u8]| bytes.chunks(8).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let changed = words(&bytes)
        .iter()
        .zip(&words(&recovered))
        .filter(|(before, after)| before != after)
        .count();
    assert!(ahead == 0 || cut_short, "what is ahead is so by a commit");
    let expected = ahead + usize::from(cut_short) + 1;
    assert_eq!(changed, expected, "words that `recover` changed");

    let after = checker.check(path, shape);
    assert_eq!((after.extents, after.state), ([recovery.committed; 5], 2));
    let again = recover(path).expect("recover again");
    assert_eq!((again.state, again.changed), (RunState::Recovered, false));
    assert!(again.ahead.is_empty());
    assert!(
        fs::read(path).expect("the file") == recovered,
        "`recover` changed it again"
    );
}

/// Records, kills, checks and resumes; in the end finishes.
fn run(name: &str, chain: &Chain) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random(seed());
    let mut checker = Checker::new();
    let (mut kills, mut recoveries, mut ahead, mut files) = (0, 0, 0, 0);
    let mut chunks = 0;
    while kills < chain.kills || chunks < chain.chunks {
        let path = folder.path().join(format!("{name}_{files}.h5"));
        files += 1;
        let mut committed = 0;
        let mut resume = false;
        // A planned run that is nearly at its end is finished, and another one begun.
        let room = |committed: u64| {
            chain
                .steps
                .is_none_or(|steps| committed + chain.burst < steps)
        };
        while (kills < chain.kills || chunks < chain.chunks) && room(committed) {
            let until = chain.steps.unwrap_or(u64::MAX);
            let mut life = Life::begin(chain, &path, resume, (until, false), &mut random);
            // A commit lies between two kills.
            while life.reported <= committed {
                assert!(life.listen(), "the child ended before it was killed");
            }
            // At once, or soon, or somewhat later.
            let micros = match random.below(3) {
                0 => 0,
                1 => random.below(1_000),
                _ => random.below(20_000),
            };
            std::thread::sleep(Duration::from_micros(micros));
            let reported = life.kill();
            kills += 1;

            let seen = checker.check(&path, chain.shape);
            assert!(
                seen.committed() >= reported,
                "{reported} steps were reported as committed, the file has {seen:?}"
            );
            assert!(seen.committed() > committed, "no commit between two kills");
            assert_eq!(seen.state, 0);
            committed = seen.committed();
            ahead += u64::from(seen.extents != [committed; 5]);
            let chunk_steps =
                (chain.chunk_target / (2 * chain.shape.w.iter().product::<usize>()) as u64).max(1);
            chunks = committed / chunk_steps;
            if random.below(3) == 0 {
                check_recover(&path, chain.shape, &seen, &mut checker);
                recoveries += 1;
            }
            resume = true;
        }
        // The run is finished after all.
        let until = chain.steps.unwrap_or(committed + 2 * chain.burst);
        Life::begin(chain, &path, true, (until, true), &mut random).end();
        let seen = checker.check(&path, chain.shape);
        assert_eq!((seen.extents, seen.state), ([until; 5], 1));
        let bytes = fs::read(&path).expect("the file");
        assert!(!recover(&path).expect("recover").changed);
        assert!(
            fs::read(&path).expect("the file") == bytes,
            "a finished file was changed"
        );
        fs::remove_file(&path).expect("remove");
    }
    println!(
        "{name}: {kills} kills in {files} files, {recoveries} recoveries, {ahead} times a tensor \
         was ahead, at most {chunks} chunks"
    );
}

#[test]
fn open_ended_run_of_small_steps() {
    run(
        "open",
        &Chain {
            shape: SMALL,
            chunk_target: 96,
            queue: 4 << 10,
            steps: None,
            sync: 0,
            compression: Compression::None,
            burst: 300,
            kills: 24,
            // More than 64 × 64 of `W`: its index has three levels, and that of all others two.
            chunks: 4200,
        },
    );
}

#[test]
fn planned_run_of_small_steps() {
    run(
        "planned",
        &Chain {
            shape: SMALL,
            chunk_target: 480,
            queue: 64 << 10,
            steps: Some(6000),
            sync: 0,
            compression: Compression::None,
            burst: 60,
            kills: 16,
            chunks: 70,
        },
    );
}

#[test]
fn open_ended_run_of_large_steps() {
    run(
        "open_large",
        &Chain {
            shape: LARGE,
            chunk_target: 200_000,
            queue: 1 << 20,
            steps: None,
            sync: 0,
            compression: Compression::None,
            burst: 4,
            kills: 12,
            chunks: 0,
        },
    );
}

#[test]
fn planned_run_of_large_steps_with_syncs() {
    run(
        "planned_synced",
        &Chain {
            shape: LARGE,
            chunk_target: 1_000_000,
            queue: 1 << 20,
            steps: Some(150),
            sync: 3,
            compression: Compression::None,
            burst: 5,
            kills: 8,
            chunks: 0,
        },
    );
}

#[test]
fn compressed_runs() {
    for (name, steps, sync) in [
        ("compressed", Some(300), 0),
        ("compressed_open", None, 0),
        ("compressed_synced", Some(300), 4),
    ] {
        run(
            name,
            &Chain {
                shape: LARGE,
                chunk_target: 300_000,
                queue: 1 << 20,
                steps,
                sync,
                compression: Compression::Fast,
                burst: 8,
                kills: 8,
                chunks: 0,
            },
        );
    }
}

#[test]
fn open_ended_run_of_small_steps_with_syncs() {
    run(
        "open_synced",
        &Chain {
            shape: SMALL,
            chunk_target: 240,
            queue: 16 << 10,
            steps: None,
            sync: 8,
            compression: Compression::None,
            burst: 30,
            kills: 12,
            chunks: 70,
        },
    );
}

#[test]
fn killed_while_the_file_is_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random(seed());
    let mut checker = Checker::new();
    // The index of many chunks makes the creation take some milliseconds.
    let chain = Chain {
        shape: SMALL,
        chunk_target: 96,
        queue: 4 << 10,
        steps: Some(4000),
        sync: 0,
        compression: Compression::None,
        burst: 10,
        kills: 24,
        chunks: 0,
    };
    let started = Instant::now();
    let whole = folder.path().join("whole.h5");
    drop(chain.start(&whole, false).expect("start"));
    let takes = u64::try_from(started.elapsed().as_micros()).expect("a moment");

    let (mut published, mut partial) = (0, 0);
    for kill in 0..chain.kills {
        let path = folder.path().join(format!("created_{kill}.h5"));
        let leftover = folder.path().join(format!(".created_{kill}.h5.partial"));
        let mut life = Life::begin(&chain, &path, false, (4000, false), &mut random);
        assert!(life.listen_for_start(), "the child did not start");
        std::thread::sleep(Duration::from_micros(random.below(takes + takes / 4)));
        let reported = life.kill();
        partial += u64::from(leftover.exists());
        let resume = path.exists();
        published += u64::from(resume);
        if resume {
            let seen = checker.check(&path, SMALL);
            assert!(seen.committed() >= reported);
            let error = chain.start(&path, false).expect_err("it exists");
            assert!(
                matches!(
                    error,
                    DeclareError::Storage(StorageError::File(FileError::AlreadyExists { .. }))
                ),
                "{error}"
            );
        } else {
            assert_eq!(
                reported, 0,
                "a commit was reported of a file without a name"
            );
        }
        // Whatever is left over, the run can be started, or goes on.
        let mut run = chain.start(&path, resume).expect("start after a kill");
        sample::append(&mut run, SMALL).expect("append");
        let steps = run.finish().expect("finish").steps;
        let seen = checker.check(&path, SMALL);
        assert_eq!((seen.extents, seen.state), ([steps; 5], 1));
        assert!(!leftover.exists(), "{} is left over", leftover.display());
    }
    println!(
        "creation: {} kills, {partial} left a partial file, {published} a file",
        chain.kills
    );
}

#[test]
fn a_partial_file_left_by_another_is_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.h5");
    let leftover = folder.path().join(".run.h5.partial");
    for rubbish in [&b"rubbish"[..], &[0xFF; 300_000]] {
        fs::write(&leftover, rubbish).expect("write");
        let mut run = sample::declare(Recorder::create(&path), SMALL)
            .start()
            .expect("start");
        sample::append(&mut run, SMALL).expect("append");
        run.finish().expect("finish");
        assert_eq!(sample::check(&path, SMALL).extents, [1; 5]);
        assert!(!leftover.exists());
        fs::remove_file(&path).expect("remove");
    }
}
