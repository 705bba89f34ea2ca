//! What the tests of the program share: running it, and the files that it runs on.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod server;
pub(crate) mod tree;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use selvedge_hdf5::{Dtype, Recorder, RecorderBuilder, Shard, TensorSpec, bf16};
use selvedge_testing::{Guard, again, is_child, setting};

/// The program, run in a folder of its own, at 80 columns and without colour.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// What a run of the program came to.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("COLUMNS", "80");
        command
    }

    /// Runs the program, which must not panic whatever it is given.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        finish(self.command(args).output().expect("the program starts"))
    }

    /// Runs the program, which must succeed, and returns what it prints.
    pub(crate) fn print(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!((run.code, &*run.stderr), (0, ""), "{args:?}");
        run.stdout
    }
}

pub(crate) fn finish(output: Output) -> Run {
    let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
    let run = Run {
        code: output.status.code().expect("no signal ended it"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    run
}

/// Text of lines that were wrapped.
pub(crate) fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text with what changes from run to run replaced: times, versions, the free disk, and what a file takes of
/// it, which file systems count differently before and after its pages are written.
pub(crate) fn masked(text: &str) -> String {
    let words: Vec<String> = text
        .split('\n')
        .map(|line| {
            let mut line = line.replace(env!("CARGO_PKG_VERSION"), "VERSION");
            if let Some(at) = line.find("created 2") {
                line.replace_range(at + 8..at + 28, "TIME");
            }
            if let Some((start, _)) = line.split_once(" free")
                && let Some((start, _)) = start.rsplit_once(", ")
            {
                line = format!("{start}, SPACE free");
            }
            if let Some((start, _)) = line.split_once(" of them on the disk")
                && let Some((start, _)) = start.rsplit_once(", ")
            {
                line = format!("{start}, BLOCKS of them on the disk");
            }
            line
        })
        .collect();
    words.join("\n")
}

/// A run of `W` and its loss, with a mask and hyperparameters.
fn declare(path: &Path) -> RecorderBuilder {
    Recorder::create(path)
        .tensor::<bf16>("W", [6, 4])
        .scalar::<f32>("losses")
        .constant("dead_mask", &[true, false, false, false, true, false])
        .attribute("learning_rate", 1e-3)
        .attribute("betas", [0.9, 0.999])
        .attribute(
            "rows",
            "row t: W before update t; the loss at that W, on a batch of 16 sequences",
        )
        .notebook("1.5d_train.ipynb")
}

/// A run of half of the rows of `W`, by this rank of two, and of its loss.
pub(crate) fn declare_rank(path: &Path, rank: u16) -> RecorderBuilder {
    let first = 3 * usize::from(rank);
    Recorder::create(path)
        .shard(Shard {
            run: "c0ffee".to_owned(),
            rank: rank.into(),
            world_size: 2,
        })
        .tensor_spec(TensorSpec::new("W", Dtype::Bf16, [3, 4]).part_of([6, 4], [first, 0]))
        .scalar::<f32>("losses")
}

fn append(run: &mut Recorder, steps: u16) {
    for step in 0..steps {
        // Half of the values stay as they are.
        let weights: Vec<bf16> = (0..24_u16)
            .map(|n| f32::from(n % 5) - 2.0 + f32::from(step * (n % 2)))
            .map(bf16::from_f32)
            .collect();
        let loss = 4.0 / f32::from(step + 1);
        run.append(|row| row.put("W", &weights)?.put("losses", &loss))
            .expect("append");
    }
    run.commit().expect("commit");
}

/// A finished run of 7 of 8 planned steps in chunks of 3.
pub(crate) fn finished(path: &Path) {
    let mut run = declare(path)
        .steps(8)
        .chunk_target(3 * 48)
        .start()
        .expect("start");
    append(&mut run, 7);
    run.finish().expect("finish");
}

/// An open-ended run that is at work as long as the recorder lives.
pub(crate) fn live(path: &Path) -> Recorder {
    let mut run = declare(path).start().expect("start");
    append(&mut run, 5);
    run
}

/// A run of 5 steps whose process died. `test` is the name of the calling test, which calls
/// [`die_if_child`] first.
pub(crate) fn died(path: &Path, test: &str) {
    let settings = [("PATH", path.display().to_string())];
    let mut child = Guard(again(test, &settings).spawn().expect("the child starts"));
    child.0.wait().expect("the child ends");
}

/// In the process that [`died`] starts: records, and ends without a destructor.
pub(crate) fn die_if_child(test: &str) {
    if is_child(test) {
        let path: String = setting("PATH");
        let _run = live(Path::new(&path));
        std::process::exit(1);
    }
}
