//! Ranks that are ahead of the others go back to the step at which all go on, and are killed at that: the
//! file has all steps that it had, or those before that step.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use selvedge_hdf5::{Compression, Durability, Note, Reader, Recorder};
use selvedge_testing::{Guard, Random, again, is_child, seed, setting, tell, told};

use common::sample::{self, Checker, LARGE, SMALL};

mod common;

/// The child: goes back some steps and records more, again and again.
#[test]
fn child_that_goes_back() {
    if !is_child("child_that_goes_back") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let synced: bool = setting("SYNCED");
    let shape = if synced { LARGE } else { SMALL };
    let mut random = Random(setting("SEED"));
    loop {
        let committed = Reader::open(&path).expect("the file").committed_steps();
        let step = committed - random.below(committed.min(40) + 1);
        tell(format_args!("back to {step}"));
        let mut builder = sample::declare(Recorder::resume(&path), shape).at_step(step);
        if synced {
            builder = builder.durability(Durability::every(5));
        }
        let mut run = builder.start().expect("start");
        assert_eq!(run.appended(), step);
        for _ in 0..random.below(60) {
            sample::append(&mut run, shape).expect("append");
        }
        let committed = run.commit().expect("commit");
        tell(format_args!("committed {committed}"));
        // Left as a killed recorder leaves it, or finished.
        if random.below(2) == 0 {
            run.finish().expect("finish");
        }
    }
}

#[test]
fn a_run_that_goes_back_is_killed() {
    const KILLS: u64 = 10;
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random(seed());
    let mut checker = Checker::new();
    for (synced, shape, compression) in [
        (false, SMALL, Compression::None),
        (true, LARGE, Compression::Fast),
    ] {
        let path = folder.path().join(format!("back_{compression}.h5"));
        let new = sample::declare(Recorder::create(&path), shape).compression(compression);
        let run = new.chunk_target(300_000).start().expect("start");
        run.finish().expect("finish");
        for _ in 0..KILLS {
            let settings = [
                ("PATH", path.display().to_string()),
                ("SYNCED", synced.to_string()),
                ("SEED", random.draw().to_string()),
            ];
            let mut process = again("child_that_goes_back", &settings);
            let process = process.stdout(Stdio::piped()).spawn();
            let mut process = Guard(process.expect("this program"));
            let output = BufReader::new(process.0.stdout.take().expect("a pipe"));
            let (mut least, mut turns) = (0, 0);
            for line in output.lines() {
                let line = line.expect("the child's output");
                let word = told(line.trim()).and_then(|told| told.split(' ').next_back());
                let Some(number) = word.and_then(|word| word.parse().ok()) else {
                    continue;
                };
                (least, turns) = (number, turns + 1);
                if turns == 9 {
                    std::thread::sleep(Duration::from_micros(random.below(3_000)));
                    process.0.kill().expect("kill");
                }
            }
            process.0.wait().expect("wait");
            assert!(turns >= 9, "the child ended by itself");
            let seen = checker.check(&path, shape);
            assert!(
                seen.committed() >= least,
                "{least} steps were told, the file has {seen:?}"
            );
            let file = Reader::open(&path).expect("the file");
            let of_others = |note: &Note| !matches!(note, Note::CutShort { .. });
            assert!(!file.notes().iter().any(of_others), "{:?}", file.notes());
        }
    }
}
