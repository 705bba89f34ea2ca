//! A file while it is being recorded: what stock h5py and the reader see, and who is kept out.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use selvedge_hdf5::{
    Compression, DeclareError, Durability, Error, FileError, Reader, Recorder, RecorderBuilder,
    RunState, StorageError, recover,
};
use selvedge_testing::{Guard, python};

use crate::common::faults::new_path;
use crate::common::sample::{
    self, Checker, LARGE, PYTHON_SAMPLE, SMALL, Shape, append, check, declare, shape_words,
    try_check,
};

/// Opens the file again and again with h5py's defaults until it is finished: lengths, and the last
/// rows of every tensor. A reader that comes a commit late must not see one tensor shrink.
const WATCH: &str = r#"
import os
path, words = sys.argv[1], sys.argv[2:]
of = shapes(words)
opened, lengths, grown, errors = 0, [0] * len(AS), 0, []
print("ready", flush=True)
while True:
    try:
        with h5py.File(path) as f:
            now = [len(f[name]) for name in AS]
            for number, name in enumerate(AS):
                first = max(0, now[number] - 3)
                values = f[name][first:]
                assert len(values) == now[number] - first, (name, values.shape)
                assert values.shape[1:] == of[name], (name, values.shape)
                assert right(number, name, values, first), f"{name}: wrong values in {first}.."
            finished = f.attrs["selvedge_state"] == 1
    except AssertionError:
        raise
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")
        continue
    opened += 1
    assert all(a <= b for a, b in zip(lengths, now)), (lengths, now)
    grown += now > lengths
    lengths = now
    if finished:
        break
print("opened", opened, "grown", grown, "errors", len(errors), "steps", *lengths)
for error in sorted(set(errors)):
    print(error)
"#;

/// What a watching h5py process saw.
#[derive(Debug)]
struct Watched {
    opened: u64,
    grown: u64,
    errors: u64,
    reader_errors: u64,
    said: String,
}

/// Records `steps` steps while h5py and the reader look on.
fn watched(builder: RecorderBuilder, path: &Path, shape: Shape, steps: u64, burst: u64) -> Watched {
    let mut run = declare(builder, shape).start().expect("start");
    let text = format!("{PYTHON_SAMPLE}{WATCH}");
    let mut watch = python::script(&text, [path.as_os_str()]);
    watch.args(shape_words(shape));
    let watch = watch.stdout(Stdio::piped()).spawn().expect("python starts");
    let mut watch = Guard(watch);
    let mut output = BufReader::new(watch.0.stdout.take().expect("a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("python answers");
    assert_eq!(line, "ready\n");

    let finished = AtomicBool::new(false);
    let reader_errors = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut looks, mut errors, mut last) = (0_u64, Vec::new(), 0);
            while !finished.load(Ordering::Acquire) {
                looks += 1;
                match try_check(path, shape) {
                    Ok(seen) => {
                        let committed = seen.committed();
                        assert!(committed >= last, "{committed} steps after {last}");
                        last = committed;
                    }
                    Err(error) => errors.push(format!("{error}: {error:?}")),
                }
            }
            (looks, errors)
        });
        while run.appended() < steps {
            for _ in 0..burst.min(steps - run.appended()) {
                append(&mut run, shape).expect("append");
            }
            // A training loop has something else to do, too.
            std::thread::sleep(Duration::from_millis(1));
        }
        run.finish().expect("finish");
        finished.store(true, Ordering::Release);
        let (looks, errors) = reader.join().expect("the reader sees the right values");
        println!(
            "the reader looked {looks} times, {} errors: {errors:?}",
            errors.len()
        );
        errors.len() as u64
    });

    let mut said = String::new();
    std::io::Read::read_to_string(&mut output, &mut said).expect("python answers");
    let status = watch.0.wait().expect("wait");
    assert!(status.success(), "h5py: {status}\n{said}");
    println!("h5py: {said}");
    let counts: Vec<u64> = said
        .lines()
        .next()
        .expect("a line")
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(counts[3..], [steps; 5]);
    Watched {
        opened: counts[0],
        grown: counts[1],
        errors: counts[2],
        reader_errors,
        said,
    }
}

#[test]
fn h5py_reads_a_planned_run_while_it_is_recorded() {
    let (_folder, path) = new_path();
    let builder = Recorder::create(&path).steps(4000).chunk_target(4800);
    let seen = watched(builder, &path, SMALL, 4000, 5);
    assert_eq!((seen.errors, seen.reader_errors), (0, 0), "{}", seen.said);
    assert!(seen.opened > 10 && seen.grown > 5, "{seen:?}");
}

#[test]
fn h5py_reads_a_planned_run_of_large_steps_while_it_is_recorded() {
    let (_folder, path) = new_path();
    let builder = Recorder::create(&path).steps(150).chunk_target(1_000_000);
    let builder = builder.durability(Durability::every(4));
    let seen = watched(builder, &path, LARGE, 150, 1);
    assert_eq!((seen.errors, seen.reader_errors), (0, 0), "{}", seen.said);
    assert!(seen.grown > 5, "{seen:?}");
}

/// Each commit adds a chunk to the index, and the room for it was announced before.
#[test]
fn h5py_reads_compressed_runs_while_they_are_recorded() {
    for (steps, durability) in [
        (Some(600), Durability::Never),
        (None, Durability::Never),
        (Some(150), Durability::every(4)),
    ] {
        let (_folder, path) = new_path();
        let builder = Recorder::create(&path).compression(Compression::Fast);
        let builder = builder.durability(durability);
        let builder = match steps {
            Some(steps) => builder.steps(steps),
            None => builder,
        };
        let seen = watched(builder, &path, LARGE, steps.unwrap_or(600), 1);
        assert_eq!((seen.errors, seen.reader_errors), (0, 0), "{}", seen.said);
        assert!(seen.opened > 5 && seen.grown > 5, "{seen:?}");
    }
}

/// With chunks of 200 steps of `W`, the run passes into a new row of chunks every 40 ms or so, much
/// more time than h5py has between reading the end of the file and reading the extents.
#[test]
fn h5py_reads_an_open_ended_run_while_it_grows() {
    let (_folder, path) = new_path();
    let builder = Recorder::create(&path).chunk_target(9600);
    let seen = watched(builder, &path, SMALL, 4000, 5);
    assert_eq!((seen.errors, seen.reader_errors), (0, 0), "{}", seen.said);
    assert!(seen.opened > 10 && seen.grown > 5, "{seen:?}");
}

/// A new row of chunks with every other step, as no real run has it: a reader that is slow between
/// its first look at the file and the next can come too late for the room announced ahead. Then
/// h5py reports an error, and never a wrong value; the next `open` works.
#[test]
fn h5py_never_reads_a_wrong_value_however_fast_the_run_grows() {
    let (_folder, path) = new_path();
    let builder = Recorder::create(&path).chunk_target(96).queue_bytes(4096);
    let seen = watched(builder, &path, SMALL, 4000, 20);
    println!(
        "{} errors, {} of the reader",
        seen.errors, seen.reader_errors
    );
    assert!(seen.opened > 10 && seen.grown > 5, "{seen:?}");
}

// Who is kept out.

const READ_WRITE: &str = "
import h5py, sys
try:
    h5py.File(sys.argv[1], 'r+').close()
    print('opened')
except OSError as error:
    print(type(error).__name__, error)
";

#[test]
fn h5py_cannot_write_to_the_file_before_it_is_finished() {
    let (_folder, path) = new_path();
    let mut run = declare(Recorder::create(&path), SMALL)
        .start()
        .expect("start");
    append(&mut run, SMALL).expect("append");
    run.commit().expect("commit");
    let refused = python::on_file(READ_WRITE, &path);
    assert!(refused.contains("lock"), "{refused}");
    append(&mut run, SMALL).expect("append");
    run.finish().expect("finish");
    assert_eq!(python::on_file(READ_WRITE, &path), "opened");

    let mut run = Recorder::resume(&path).start().expect("resume");
    let refused = python::on_file(READ_WRITE, &path);
    assert!(refused.contains("lock"), "{refused}");
    append(&mut run, SMALL).expect("append");
    drop(run);
    assert_eq!(python::on_file(READ_WRITE, &path), "opened");
    assert_eq!(Checker::new().check(&path, SMALL).extents, [3; 5]);
}

/// Everything that would write to the file of a recorder at work.
fn refusals(path: &Path) {
    fn in_use(path: &Path, error: impl Into<Error>) {
        let error = error.into();
        assert!(
            matches!(&error, Error::Storage(StorageError::File(FileError::InUse { path: named, .. })) if named == path),
            "{error:?}"
        );
    }
    in_use(path, Recorder::resume(path).start().expect_err("in use"));
    in_use(
        path,
        declare(Recorder::resume(path), SMALL)
            .start()
            .expect_err("in use"),
    );
    in_use(
        path,
        declare(Recorder::create(path).overwrite(true), SMALL)
            .start()
            .expect_err("in use"),
    );
    in_use(path, recover(path).expect_err("in use"));
    // It exists, which is what is to be known first.
    let error = declare(Recorder::create(path), SMALL)
        .start()
        .expect_err("it exists");
    assert!(
        matches!(
            error,
            DeclareError::Storage(StorageError::File(FileError::AlreadyExists { .. }))
        ),
        "{error:?}"
    );
    let folder = fs::read_dir(path.parent().expect("a folder")).expect("a folder");
    assert_eq!(folder.count(), 1, "something is left over");
}

#[test]
fn a_second_recorder_is_refused() {
    let (_folder, path) = new_path();
    let mut run = declare(Recorder::create(&path), SMALL)
        .start()
        .expect("start");
    refusals(&path);
    append(&mut run, SMALL).expect("append");
    refusals(&path);
    // By another name of the same file, too.
    let (_other, link) = new_path();
    std::os::unix::fs::symlink(&path, &link).expect("link");
    let error = Recorder::resume(&link).start().expect_err("in use");
    assert!(
        matches!(
            error,
            DeclareError::Storage(StorageError::File(FileError::InUse { .. }))
        ),
        "{error:?}"
    );
    append(&mut run, SMALL).expect("append");
    assert_eq!(run.finish().expect("finish").steps, 2);
    assert_eq!(check(&path, SMALL).extents, [2; 5]);

    // All of it works when the recorder has finished.
    assert_eq!(recover(&path).expect("recover").state, RunState::Finished);
    let mut run = declare(Recorder::resume(&path), SMALL)
        .start()
        .expect("resume");
    refusals(&path);
    append(&mut run, SMALL).expect("append");
    drop(run);
    assert!(recover(&path).expect("recover").changed);
    assert_eq!(check(&path, SMALL).extents, [3; 5]);
    let builder = Recorder::create(&path).overwrite(true);
    let run = declare(builder, SMALL).start().expect("overwrite");
    run.finish().expect("finish");
    assert_eq!(check(&path, SMALL).extents, [0; 5]);
}

#[test]
fn of_many_that_create_one_file_one_wins() {
    let (_folder, path) = new_path();
    for round in 0..40 {
        let barrier = Barrier::new(4);
        let created: usize = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        let mut run = match declare(Recorder::create(&path), SMALL).start() {
                            Ok(run) => run,
                            Err(DeclareError::Storage(StorageError::File(
                                FileError::AlreadyExists { .. } | FileError::InUse { .. },
                            ))) => return 0,
                            Err(other) => panic!("{other}: {other:?}"),
                        };
                        append(&mut run, SMALL).expect("append");
                        run.finish().expect("finish");
                        1
                    })
                })
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().expect("no panic"))
                .sum()
        });
        assert_eq!(created, 1, "round {round}");
        let seen = check(&path, SMALL);
        assert_eq!((seen.extents, seen.state), ([1; 5], 1), "round {round}");
        fs::remove_file(&path).expect("remove");
    }
}

/// A lock lived on in a process that another thread was just starting: between its fork and its
/// `exec` it has a copy of every descriptor. So a recorder that had ended seemed to be at work.
#[test]
fn a_process_started_meanwhile_does_not_keep_the_lock() {
    let (_folder, path) = new_path();
    let run = declare(Recorder::create(&path), SMALL)
        .start()
        .expect("start");
    run.finish().expect("finish");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                Command::new("true").status().expect("a process");
            }
        });
        let result = (0..300).try_for_each(|_| {
            let mut run = Recorder::resume(&path).queue_bytes(4096).start()?;
            append(&mut run, SMALL)?;
            run.finish()?;
            recover(&path)?;
            Ok::<_, Error>(())
        });
        done.store(true, Ordering::Release);
        result.expect("nobody else has the file");
    });
    assert_eq!(check(&path, SMALL).extents, [300; 5]);
}

/// Holds the file open in h5py until its standard input ends.
const HOLD: &str = "
import h5py, sys
f = h5py.File(sys.argv[1], 'r+')
f['loss'].resize(len(f['loss']), 0)
print('open', flush=True)
sys.stdin.read()
f.close()
";

/// `recover` wrote to a file that another program had open for writing, and `resume` reported a
/// lock that libhdf5 could not get in place of the program that has it.
#[test]
fn a_file_that_h5py_writes_is_left_alone() {
    let (_folder, path) = new_path();
    let mut run = declare(Recorder::create(&path), SMALL)
        .start()
        .expect("start");
    append(&mut run, SMALL).expect("append");
    drop(run);
    let holder = python::script(HOLD, [&path])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut holder = Guard(holder);
    let mut line = String::new();
    BufReader::new(holder.0.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("python answers");
    assert_eq!(line, "open\n");
    let before = fs::read(&path).expect("read");
    let resumed = Recorder::resume(&path).start();
    let resumed = resumed.map(drop).map_err(Error::from);
    let recovered = recover(&path).map(drop).map_err(Error::from);
    let after = fs::read(&path).expect("read");
    let mut input = holder.0.stdin.take().expect("a pipe");
    input.write_all(b"done").expect("python listens");
    drop(input);
    assert!(holder.0.wait().expect("wait").success());
    for (what, result) in [("resume", resumed), ("recover", recovered)] {
        assert!(
            matches!(
                result,
                Err(Error::Storage(StorageError::File(
                    FileError::OpenForWriting { .. }
                )))
            ),
            "{what} beside h5py's `r+`: {result:?}"
        );
    }
    assert!(before == after, "the file was changed under h5py");
    // It is free again.
    recover(&path).expect("recover");
    assert_eq!(sample::check(&path, SMALL).extents, [1; 5]);
}

/// A reader that stays open while the file grows by rows of chunks, beside one that is opened anew.
#[test]
fn a_reader_is_refreshed_while_a_run_grows() {
    let (_folder, path) = new_path();
    let mut run = Recorder::create(&path)
        .tensor::<u16>("W", [50])
        .scalar::<u16>("count")
        .chunk_target(700)
        .start()
        .expect("start");
    let mut file = Reader::open(&path).expect("open");
    let w = file.tensor("W").expect("W").clone();
    for step in 0..200_u16 {
        run.append(|filled| filled.put("W", &[step; 50])?.put("count", &step))
            .expect("append");
        if step % 7 != 0 {
            continue;
        }
        run.commit().expect("commit");
        let steps = u64::from(step) + 1;
        assert_eq!(file.refresh().expect("refresh"), steps);
        assert_eq!(file.committed_steps(), steps);
        let expected: Vec<u16> = (0..=step).flat_map(|step| [step; 50]).collect();
        assert_eq!(
            file.tensor("W").expect("W").read::<u16>().expect("read"),
            expected
        );
        let counts: Vec<u16> = file.tensor("count").expect("count").read().expect("read");
        assert!(counts.into_iter().eq(0..=step));
    }
    assert_eq!(w.steps(), 0, "a clone stays as it was");
    assert_eq!(file.state(), RunState::Recording);
    run.finish().expect("finish");
    assert_eq!(file.refresh().expect("refresh"), 200);
    assert_eq!(file.state(), RunState::Finished);
}
