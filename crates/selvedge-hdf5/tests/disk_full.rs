//! A full disk: a clear error, what was recorded before is there, and nothing hangs or panics.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    Compression, DeclareError, Rechunk, Recorder, RewriteError, StorageError, bf16, recover,
};
use selvedge_testing::{again, is_child, on_small_file_system, setting, tell, with_file_limit};

use common::faults::{append_until_stopped, begin, cause, named, names, new_path};
use common::sample::{Checker, LARGE, append, check, declare};

mod common;

#[test]
fn child_that_cannot_create() {
    if !is_child("child_that_cannot_create") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let planned: u64 = setting("STEPS");
    let builder = declare(Recorder::create(&path), LARGE);
    let builder = if planned > 0 {
        builder.steps(planned)
    } else {
        builder
    };
    let text = named(&builder.start().expect_err("the file is too large"), &path);
    assert!(text.contains("File too large"), "{text}");
}

#[test]
fn a_disk_that_is_full_at_creation() {
    let (folder, path) = new_path();
    for steps in [100_u64, 0] {
        // No byte at all, the middle of the metadata, and the last part of the chunks.
        for limit in [0, 3000, 1 << 20] {
            let settings = [
                ("PATH", path.display().to_string()),
                ("STEPS", steps.to_string()),
            ];
            with_file_limit(&again("child_that_cannot_create", &settings), limit);
            assert_eq!(
                names(folder.path()),
                [""; 0],
                "{steps} steps, limit {limit}"
            );
        }
    }
}

#[test]
fn child_that_fills_its_limit() {
    if !is_child("child_that_fills_its_limit") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let mut run = declare(Recorder::create(&path), LARGE)
        .compression(compression(setting("COMPRESSED")))
        .chunk_target(200_000)
        .queue_bytes(1 << 20)
        .start()
        .expect("start");
    let text = named(&append_until_stopped(&mut run, LARGE), &path);
    assert!(text.contains("File too large"), "{text}");
    assert!(
        text.contains("has stopped") && text.contains("resume"),
        "{text}"
    );

    // Every later call says the same.
    let (first, committed) = cause(append(&mut run, LARGE).expect_err("stopped"));
    let (second, again) = cause(run.commit().expect_err("stopped"));
    assert_eq!((first.to_string(), committed), (second.to_string(), again));
    assert_eq!(run.committed(), committed);
    let (third, again) = cause(run.finish().expect_err("stopped"));
    assert_eq!((first.to_string(), committed), (third.to_string(), again));
    assert!(committed > 0);
    tell(format_args!("committed {committed}"));
    assert_eq!(check(&path, LARGE).committed(), committed);
}

fn compression(compressed: bool) -> Compression {
    match compressed {
        true => Compression::Fast,
        false => Compression::None,
    }
}

#[test]
fn a_disk_that_becomes_full() {
    for compressed in [false, true] {
        becomes_full(compressed);
    }
}

fn becomes_full(compressed: bool) {
    let (folder, path) = new_path();
    let settings = [
        ("PATH", path.display().to_string()),
        ("COMPRESSED", compressed.to_string()),
    ];
    with_file_limit(&again("child_that_fills_its_limit", &settings), 12_000_000);
    assert_eq!(names(folder.path()), ["run_1.h5"]);
    let mut checker = Checker::new();
    let before = checker.check(&path, LARGE);
    assert!(before.committed() > 0);
    // When the disk has room again, the run goes on.
    let mut run = declare(Recorder::resume(&path), LARGE)
        .start()
        .expect("resume");
    for _ in 0..30 {
        append(&mut run, LARGE).expect("append");
    }
    let steps = run.finish().expect("finish").steps;
    assert_eq!(steps, before.committed() + 30);
    let after = checker.check(&path, LARGE);
    assert_eq!((after.extents, after.state), ([steps; 5], 1));
}

/// Another program takes the room meanwhile.
fn planned_run(folder: &Path, compression: Compression, checker: &mut Checker) {
    const STEPS: u64 = 85;
    let path = folder.join("planned.h5");
    let builder = Recorder::create(&path)
        .steps(STEPS)
        .compression(compression);
    let mut run = begin(builder, LARGE, 10);
    let ballast = folder.join("ballast");
    // What the recorder has reserved it has.
    let taken = fs::metadata(&path).expect("the file").blocks() * 512;
    let ballast_bytes = usize::try_from(8_000_000 - taken - 1_500_000).expect("a number of bytes");
    fs::write(&ballast, vec![1; ballast_bytes]).expect("write the ballast");
    let error = append_until_stopped(&mut run, LARGE);
    let text = named(&error, &path);
    assert!(text.contains("No space left on device"), "{text}");
    let (source, committed) = cause(error);
    assert!(
        matches!(*source, StorageError::WriteStep { .. }),
        "{source:?}"
    );
    let (_, at_the_end) = cause(run.finish().expect_err("stopped"));
    assert_eq!(at_the_end, committed);
    assert_eq!(checker.check(&path, LARGE).committed(), committed);
    assert!((10..STEPS).contains(&committed));
    // It goes on when there is room.
    fs::remove_file(&ballast).expect("remove");
    let mut run = declare(Recorder::resume(&path), LARGE)
        .start()
        .expect("resume");
    while run.appended() < STEPS {
        append(&mut run, LARGE).expect("append");
    }
    run.finish().expect("finish");
    assert_eq!(checker.check(&path, LARGE).extents, [STEPS; 5]);
    fs::remove_file(&path).expect("remove");
}

fn open_ended_run(folder: &Path, compression: Compression, checker: &mut Checker) {
    let path = folder.join("open.h5");
    let builder = Recorder::create(&path)
        .chunk_target(500_000)
        .compression(compression);
    let mut run = begin(builder, LARGE, 5);
    let text = named(&append_until_stopped(&mut run, LARGE), &path);
    assert!(text.contains("No space left on device"), "{text}");
    let (_, committed) = cause(run.commit().expect_err("stopped"));
    drop(run);
    assert!(committed >= 5);
    let seen = checker.check(&path, LARGE);
    assert_eq!((seen.committed(), seen.state), (committed, 0));
    let recovery = recover(&path).expect("recover on a full disk");
    assert_eq!(recovery.committed, committed);
    assert_eq!(checker.check(&path, LARGE).state, 2);
    fs::remove_file(&path).expect("remove");
}

#[test]
fn child_on_a_small_file_system() {
    if !is_child("child_on_a_small_file_system") {
        return;
    }
    let folder: PathBuf = setting("PATH");
    let mut checker = Checker::new();

    // More than the disk has is refused before anything is written.
    let path = folder.join("planned.h5");
    let planned = |steps| declare(Recorder::create(&path), LARGE).steps(steps);
    let error = planned(1000).start().expect_err("84 MB on 8 MB");
    assert!(
        matches!(error, DeclareError::DiskTooSmall { .. }),
        "{error}"
    );
    named(&error, &path);
    assert_eq!(names(&folder), [""; 0]);

    for compressed in [false, true] {
        planned_run(&folder, compression(compressed), &mut checker);
        open_ended_run(&folder, compression(compressed), &mut checker);
    }

    // A disk without room for anything.
    let ballast = folder.join("ballast");
    fs::write(&ballast, vec![1; 4096]).expect("write");
    while fs::OpenOptions::new()
        .append(true)
        .open(&ballast)
        .and_then(|mut file| std::io::Write::write_all(&mut file, &[1; 4096]))
        .is_ok()
    {}
    let error = declare(Recorder::create(&path), LARGE)
        .start()
        .expect_err("no room");
    named(&error, &path);
    assert_eq!(names(&folder), ["ballast"]);
    tell(format_args!("done"));
}

#[test]
fn a_small_file_system_that_becomes_full() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [("PATH", folder.path().display().to_string())];
    let child = again("child_on_a_small_file_system", &settings);
    on_small_file_system(&child, 8);
}

#[test]
fn child_that_archives_on_a_small_file_system() {
    if !is_child("child_that_archives_on_a_small_file_system") {
        return;
    }
    let (inputs, folder): (PathBuf, PathBuf) = (setting("INPUTS"), setting("PATH"));
    let output = folder.join("archive.h5");
    let rechunk = |input: &str| {
        let rechunk = Rechunk::new(inputs.join(input), &output);
        rechunk.compression(Compression::Temporal)
    };
    // Without compression there is no room for either.
    let plain = Rechunk::new(inputs.join("calm.h5"), &output).plan();
    let is_too_large = |error: &RewriteError| {
        matches!(
            error,
            RewriteError::Declare(DeclareError::DiskTooSmall { .. })
        )
    };
    assert!(is_too_large(&plain.expect_err("12 MB on 8 MB")));
    assert!(is_too_large(
        &rechunk("noise.h5").plan().expect_err("noise on 8 MB")
    ));

    let plan = rechunk("calm.h5").plan().expect("there is room");
    let estimated = plan.estimated_bytes.expect("a sample");
    assert!(plan.to_string().contains(" by a sample"), "{plan}");
    let summary = rechunk("calm.h5").run(|_| {}).expect("there is room");
    let (made, off) = (summary.file_bytes, summary.file_bytes.abs_diff(estimated));
    assert!(
        made < 8 << 20 && off < made / 8 + (64 << 10),
        "{made} bytes, by a sample {estimated}"
    );
    tell(format_args!("done"));
}

/// An archive that would have been half as large as the room for it was refused: the plan counted the values as
/// they are.
#[test]
fn an_archive_is_planned_by_a_sample() {
    const STEPS: u32 = 96;
    const ELEMENTS: usize = 1 << 16;
    let inputs = tempfile::tempdir().expect("a folder");
    let random = |seed: u32| {
        let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
        (0..ELEMENTS).map(move |_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            bf16::from_bits((state >> 16) as u16)
        })
    };
    let record = |name: &str, is_noise: &dyn Fn(u32) -> bool| {
        let builder = Recorder::create(inputs.path().join(name)).steps(STEPS.into());
        let mut run = builder
            .tensor::<bf16>("W", [ELEMENTS / 64, 64])
            .start()
            .expect("start");
        for step in 0..STEPS {
            let seed = if is_noise(step) { step + 1 } else { 1 };
            let values: Vec<bf16> = random(seed).collect();
            run.append(|row| row.put("W", &values)).expect("append");
        }
        run.finish().expect("finish");
    };
    record("calm.h5", &|_| false);
    record("noise.h5", &|_| true);
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [
        ("PATH", folder.path().display().to_string()),
        ("INPUTS", inputs.path().display().to_string()),
    ];
    let child = again("child_that_archives_on_a_small_file_system", &settings);
    on_small_file_system(&child, 8);
}
