//! Rechunking under faults: kills, a full disk, little memory.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use selvedge_hdf5::{Compression, ReadPattern, Reader, Rechunk, Recorder, bf16};
use selvedge_testing::{
    Guard, Random, again, is_child, peak, seed, setting, tell, with_file_limit,
};

use common::faults::{begin, named, names, new_path};
use common::sample::{LARGE, check};

mod common;

fn settings(input: &Path, output: &Path, compression: Compression) -> [(&'static str, String); 3] {
    [
        ("INPUT", input.display().to_string()),
        ("PATH", output.display().to_string()),
        (
            "ARCHIVE",
            (compression == Compression::Temporal).to_string(),
        ),
    ]
}

fn rechunk() -> Rechunk {
    let (input, output): (PathBuf, PathBuf) = (setting("INPUT"), setting("PATH"));
    Rechunk::new(input, output)
        .pattern(ReadPattern::TokenSubset)
        .compression(match setting("ARCHIVE") {
            true => Compression::Temporal,
            false => Compression::None,
        })
        .overwrite(true)
        .checksums(true)
}

#[test]
fn child_that_rechunks() {
    if !is_child("child_that_rechunks") {
        return;
    }
    rechunk().run(|_| {}).expect("rechunk");
}

/// Whatever the moment of the kill: under the name there is the old file or the whole new one.
#[test]
fn a_kill_leaves_the_old_file_or_the_new_one() {
    kill(Compression::None, 300, 60);
}

#[test]
fn a_kill_leaves_the_old_file_or_the_new_archive() {
    kill(Compression::Temporal, 40, 25);
}

fn kill(compression: Compression, steps: u64, kills: u32) {
    let mut random = Random(seed());
    let (folder, input) = new_path();
    begin(Recorder::create(&input), LARGE, steps)
        .finish()
        .expect("finish");
    let output = folder.path().join("out_1.h5");
    let child = || {
        again(
            "child_that_rechunks",
            &settings(&input, &output, compression),
        )
    };
    // An old file of fewer steps, so that the two can be told apart.
    let make_old = || begin(Recorder::create(&output).overwrite(true), LARGE, 7).finish();
    make_old().expect("finish");
    let started = Instant::now();
    assert!(child().output().expect("the child").status.success());
    let whole = u64::try_from(started.elapsed().as_micros()).expect("a short time");
    assert_eq!(check(&output, LARGE).extents, [steps; 5]);
    make_old().expect("finish");

    let (mut old, mut new, mut left) = (0, 0, 0);
    for _ in 0..kills {
        let process = child()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the child");
        let process = Guard(process);
        std::thread::sleep(Duration::from_micros(random.below(whole + whole / 4)));
        drop(process);
        left += u32::from(names(folder.path()).contains(&".out_1.h5.partial".to_owned()));
        let seen = check(&output, LARGE);
        match seen.extents {
            [7, ..] => old += 1,
            [found, ..] if found == steps => {
                new += 1;
                make_old().expect("finish");
            }
            other => panic!("{other:?}"),
        }
    }
    println!("{old} times the old file, {new} times the new one, {left} leftovers");
    assert!(old > 0 && left > 0);
    // The next run replaces what is left.
    assert!(child().output().expect("the child").status.success());
    assert_eq!(names(folder.path()), ["out_1.h5", "run_1.h5"]);
    assert_eq!(check(&output, LARGE).extents, [steps; 5]);
    assert_eq!(check(&input, LARGE).extents, [steps; 5]);
}

#[test]
fn child_that_cannot_rechunk() {
    if !is_child("child_that_cannot_rechunk") {
        return;
    }
    let error = rechunk().run(|_| {}).expect_err("the file is too large");
    let text = named(&error, &setting::<PathBuf>("PATH"));
    assert!(text.contains("File too large"), "{text}");
}

#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    fill(Compression::None, &[0, 3000, 700_000, 2_000_000, 4_900_000]);
}

#[test]
fn a_disk_that_an_archive_fills_has_the_old_file_and_nothing_else() {
    fill(Compression::Temporal, &[0, 3000, 1_400_000, 2_000_000]);
}

fn fill(compression: Compression, limits: &[u64]) {
    let (folder, input) = new_path();
    begin(Recorder::create(&input), LARGE, 60)
        .finish()
        .expect("finish");
    let output = folder.path().join("out_1.h5");
    begin(Recorder::create(&output), LARGE, 7)
        .finish()
        .expect("finish");
    for &limit in limits {
        let child = again(
            "child_that_cannot_rechunk",
            &settings(&input, &output, compression),
        );
        with_file_limit(&child, limit);
        assert_eq!(names(folder.path()), ["out_1.h5", "run_1.h5"], "{limit}");
        assert_eq!(check(&output, LARGE).extents, [7; 5]);
    }
}

#[test]
fn child_that_measures() {
    if !is_child("child_that_measures") {
        return;
    }
    let memory: u64 = setting("MEMORY");
    let rechunk = rechunk().memory(memory);
    let (_, rise) = peak(|| rechunk.run(|_| {}).expect("rechunk"));
    tell(format_args!("rise {rise}"));
}

/// Bytes by which the memory of a process rises that rechunks.
fn rise(input: &Path, output: &Path, memory: u64, compression: Compression) -> u64 {
    let mut settings = settings(input, output, compression).to_vec();
    settings.push(("MEMORY", memory.to_string()));
    let child = again("child_that_measures", &settings).output();
    let said = String::from_utf8(child.expect("the child").stdout).expect("UTF-8");
    let rise = said.lines().find_map(|line| line.strip_prefix("@rise "));
    let rise: u64 = rise
        .unwrap_or_else(|| panic!("{said}"))
        .parse()
        .expect("a number");
    println!("memory rose by {rise} bytes of {memory}");
    rise
}

/// The file has eight times the limit, in chunks of twice the limit.
#[test]
fn memory_keeps_to_its_limit() {
    const MEMORY: u64 = 64 << 20;
    let (folder, input) = new_path();
    let mut run = Recorder::create(&input)
        .steps(512)
        .chunk_target(2 * MEMORY)
        .tensor::<f32>("W", [512, 512])
        .start()
        .expect("start");
    let mut values = vec![0.5_f32; 512 * 512];
    for step in 0..512_u16 {
        values[usize::from(step)] = step.into();
        run.append(|row| row.put("W", &values)).expect("append");
    }
    run.finish().expect("finish");
    let output = folder.path().join("out_1.h5");
    let rise = rise(&input, &output, MEMORY, Compression::None);
    assert!(rise <= MEMORY, "{rise}");
    let file = Reader::open(&output).expect("open");
    let last: Vec<f32> = file.tensor("W").expect("W").read_step(511).expect("read");
    assert_eq!((last[511], last[512]), (511.0, 0.5));
}

/// From a plain file into an archive and on into another: of steps of 256 KiB, 16 at a time.
#[test]
fn archives_keep_to_the_limit_of_memory() {
    const MEMORY: u64 = 48 << 20;
    let (folder, input) = new_path();
    let mut run = Recorder::create(&input)
        .steps(400)
        .tensor::<bf16>("W", [256, 512])
        .tensor::<f32>("loss", [64, 64])
        .start()
        .expect("start");
    let mut values = vec![bf16::ONE; 256 * 512];
    for step in 0..400_u16 {
        values[usize::from(step)] = bf16::from_bits(step);
        run.append(|row| row.put("W", &values)?.put("loss", &[0.5_f32; 64 * 64]))
            .expect("append");
    }
    run.finish().expect("finish");
    let [archive, output] = ["archive_1.h5", "out_1.h5"].map(|name| folder.path().join(name));
    for (input, output) in [(&input, &archive), (&archive, &output)] {
        let rise = rise(input, output, MEMORY, Compression::Temporal);
        assert!(rise <= MEMORY, "{rise}");
    }
    let file = Reader::open(&output).expect("open");
    assert!(file.path().metadata().expect("metadata").len() < MEMORY);
    let last = file.tensor("W").expect("W").read_step::<u16>(399);
    assert!(last.expect("read") == values.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
}
