//! `kill -9` at random moments: under the final name there is the old file, or the whole new one, and
//! of a growing file every row that was reported is recovered.
//!
//! The moments come from a seed that is printed; `SELVEDGE_SEED` sets it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};
use std::time::{Duration, Instant};

use common::{names, new_path};
use selvedge_safetensors::{FileError, Header, Reader, Save, SaveError, recover};
use selvedge_testing::{Guard, Random, again, is_child, seed, setting, tell, told};

mod common;

const ELEMENTS: usize = 300_000;
const ROW: usize = 1000;

/// Saves one version after the other, until it is killed.
#[test]
fn child_that_saves() {
    if !is_child("child_that_saves") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let mut version: u32 = setting("FIRST");
    loop {
        let values = vec![version; ELEMENTS];
        let save = Save::new(&path)
            .overwrite(true)
            .sync(setting("SYNC"))
            .scalar("version", version);
        if version.is_multiple_of(2) {
            save.tensor("W", [ELEMENTS], &values)
                .write()
                .expect("write");
        } else {
            let mut file = save.declare::<u32>("W", [ELEMENTS]).start().expect("start");
            for piece in values.chunks(ELEMENTS / 7) {
                file.write("W", piece).expect("write");
            }
            file.finish().expect("finish");
        }
        tell(format_args!("saved {version}"));
        version += 1;
    }
}

/// Appends rows, each of its number, until it is killed; finishes now and then.
#[test]
fn child_that_grows() {
    if !is_child("child_that_grows") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let save = Save::new(&path)
        .scalar("n", 7_u8)
        .growing::<u32>("rows", [ROW]);
    let mut file = save.start().expect("start");
    tell(format_args!("saved 0"));
    let until: u32 = setting("UNTIL");
    for row in 0..until {
        file.write("rows", &[row; ROW]).expect("write");
        tell(format_args!("saved {}", row + 1));
    }
    file.finish().expect("finish");
    tell(format_args!("finished"));
    std::thread::sleep(Duration::from_secs(600));
}

/// Starts a child and kills it, after it said something and some more time. Returns the last number
/// that it told, and whether it had finished.
fn run_and_kill(name: &str, settings: &[(&str, String)], wait: Duration) -> (Option<u32>, bool) {
    let mut child = Guard(
        again(name, settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this program"),
    );
    let mut lines = BufReader::new(child.0.stdout.take().expect("a pipe")).lines();
    let (mut last, mut finished) = (None, false);
    let mut take = |line: &str| match told(line).map(|told| told.split_once(' ')) {
        Some(Some(("saved", number))) => last = Some(number.parse().expect("a number")),
        Some(None) => finished = true,
        _ => {}
    };
    wait_for_first(&mut lines, &mut take);
    let deadline = Instant::now() + wait;
    std::thread::sleep(deadline - Instant::now());
    child.0.kill().expect("kill");
    let status = child.0.wait().expect("wait");
    assert!(!status.success(), "it was killed, and did not end");
    for line in lines {
        take(&line.expect("a line"));
    }
    let mut said = String::new();
    let mut stderr = child.0.stderr.take().expect("a pipe");
    std::io::Read::read_to_string(&mut stderr, &mut said).expect("text");
    assert!(!said.contains("panicked"), "{said}");
    (last, finished)
}

fn wait_for_first(lines: &mut std::io::Lines<BufReader<ChildStdout>>, take: &mut impl FnMut(&str)) {
    for line in lines {
        let line = line.expect("a line");
        take(&line);
        if told(&line).is_some() {
            return;
        }
    }
    panic!("the child ended before it said anything");
}

/// The version in the file, all of whose values are of it.
fn version(path: &Path) -> u32 {
    let file = Reader::open(path).unwrap_or_else(|error| panic!("{error:?}"));
    let version: u32 = file.tensor("version").unwrap().read().unwrap()[0];
    let values: Vec<u32> = file.tensor("W").unwrap().read().unwrap();
    assert_eq!(values.len(), ELEMENTS);
    assert!(values.iter().all(|&value| value == version), "a mixed file");
    version
}

#[test]
fn a_killed_save_leaves_the_old_file_or_the_new() {
    let (folder, path) = new_path();
    let mut random = Random(seed());
    let mut saved = 0;
    Save::new(&path)
        .scalar("version", 0_u32)
        .tensor("W", [ELEMENTS], &vec![0_u32; ELEMENTS])
        .write()
        .unwrap();
    let partial = ".1.5d_mask.safetensors.partial";
    let mut leftovers = 0;
    for kill in 0..40 {
        let settings = [
            ("PATH", path.display().to_string()),
            ("FIRST", (saved + 1).to_string()),
            ("SYNC", (kill % 4 == 0).to_string()),
        ];
        let wait = Duration::from_micros(random.below(8000));
        let (told, _) = run_and_kill("child_that_saves", &settings, wait);
        let told = told.unwrap_or(saved);
        // What was reported is there, or the one that was being renamed when the kill came.
        let found = version(&path);
        assert!(
            (told..=told + 1).contains(&found),
            "{found} in the file, {told} reported"
        );
        saved = found;
        let left: Vec<String> = names(folder.path())
            .into_iter()
            .filter(|name| name != "1.5d_mask.safetensors")
            .collect();
        assert!(left.is_empty() || left == [partial], "{left:?}");
        leftovers += left.len();
    }
    println!("{saved} versions, {leftovers} of 40 kills left a partial file");
    // The next save has cleaned what the last one left.
    Save::new(&path)
        .overwrite(true)
        .scalar("x", 1_u8)
        .write()
        .unwrap();
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
}

#[test]
fn of_a_growing_file_every_reported_row_is_recovered() {
    let (folder, path) = new_path();
    let mut random = Random(seed());
    let (mut recovered, mut finished) = (0, 0);
    for _ in 0..40 {
        let settings = [
            ("PATH", path.display().to_string()),
            ("UNTIL", (random.below(400)).to_string()),
        ];
        let wait = Duration::from_micros(random.below(5000));
        let (told, has_finished) = run_and_kill("child_that_grows", &settings, wait);
        let told = u64::from(told.expect("it started"));
        let rows = match recover(&path) {
            Ok(saved) => {
                recovered += 1;
                assert!(!has_finished);
                saved.rows.expect("it grows")
            }
            // It had the final name already.
            Err(SaveError::File(FileError::NothingLeft { .. })) => {
                finished += 1;
                Header::open(&path).unwrap().tensor("rows").unwrap().shape[0] as u64
            }
            Err(error) => panic!("{error:?}"),
        };
        assert!(
            (told..=told + 1).contains(&rows),
            "{rows} in the file, {told} reported"
        );
        let file = Reader::open(&path).unwrap();
        let values: Vec<u32> = file.tensor("rows").unwrap().read().unwrap();
        assert!(
            (0..)
                .zip(values.chunks(ROW))
                .all(|(row, values)| values == [row; ROW])
        );
        assert_eq!(file.tensor("n").unwrap().read::<u8>().unwrap(), [7]);
        assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
        fs::remove_file(&path).unwrap();
    }
    println!("{recovered} recovered, {finished} had finished");
    assert!(recovered > 0);
}
