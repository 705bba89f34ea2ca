//! What a process that `fork` made can do with its copies of recorders and readers.
//!
//! A forked child that dropped its copy of a recorder, finished it or panicked gave back the parent's
//! lock: a second recorder started on the same file, and 100 steps whose `finish` said Ok were gone.
//! Others waited for a thread that they did not have.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use selvedge_hdf5::{
    Compression, DeclareError, Dtype, Durability, Error, FileError, Reader, Rechunk, RecordError,
    Recorder, RecorderBuilder, RunState, StorageError, TensorSpec, bf16,
};
use selvedge_testing::{End, Forked, again, fork, in_fork, is_child, setting};

/// Elements of a step: 64 KiB, so that it is compressed where it is asked for.
const ELEMENTS: usize = 32 << 10;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Compressed,
    Durable,
}

const KINDS: [Kind; 3] = [Kind::Plain, Kind::Compressed, Kind::Durable];

fn start(path: &Path, kind: Kind) -> Recorder {
    let run = Recorder::create(path).tensor::<bf16>("W", [ELEMENTS]);
    let run: RecorderBuilder = match kind {
        Kind::Plain => run,
        Kind::Compressed => run.compression(Compression::Fast),
        Kind::Durable => run.durability(Durability::every(2)),
    };
    run.scalar::<u64>("step").start().unwrap()
}

fn values(step: u64) -> Vec<bf16> {
    vec![bf16::from_f32(step as f32); ELEMENTS]
}

fn append(run: &mut Recorder) -> Result<u64, RecordError> {
    let step = run.appended();
    let values = values(step);
    run.append(|row| row.put("W", &values)?.put("step", &step))
}

/// Unwinds as a panic does, without the message: another thread may have been printing one.
fn unwind() -> ! {
    std::panic::resume_unwind(Box::new("a mistake in the copy"))
}

/// The message, if a call was refused as that of another process.
fn refused<T: std::fmt::Debug>(result: Result<T, impl Into<Error>>) -> String {
    match result.map_err(Into::into) {
        Err(Error::Storage(StorageError::File(error @ FileError::OtherProcess { .. }))) => {
            error.to_string()
        }
        other => format!("not refused: {other:?}"),
    }
}

/// Records some steps, lets `in_copy` do what it does with a copy of the recorder, and goes on.
fn outlives(name: &str, end: End, in_copy: impl Fn(Recorder) -> String + Sync) {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thimble_1.h5");
        let mut run = Some(start(&path, kind));
        for _ in 0..5 {
            append(run.as_mut().unwrap()).unwrap();
        }
        let said = in_fork(end, || in_copy(run.take().unwrap()));
        let owner = format!("this recorder of {} belongs to process", path.display());
        for line in said.lines() {
            let told = line.contains(&owner) && line.contains(&std::process::id().to_string());
            assert!(told, "{name}, {kind:?}: {line}");
        }
        let second = Recorder::resume(&path).start();
        let refused = matches!(
            second,
            Err(DeclareError::Storage(StorageError::File(
                FileError::InUse { .. }
            )))
        );
        assert!(refused, "{name}, {kind:?}: a second recorder: {second:?}");
        let mut run = run.unwrap();
        for _ in 0..5 {
            append(&mut run).unwrap();
        }
        assert_eq!(run.commit().unwrap(), 10);
        assert_eq!(run.finish().unwrap().steps, 10, "{name}, {kind:?}");
        let file = Reader::open(&path).unwrap();
        assert_eq!(file.state(), RunState::Finished);
        assert_eq!(
            file.tensor("step").unwrap().read::<u64>().unwrap(),
            (0..10).collect::<Vec<_>>()
        );
        for step in 0..10 {
            let found = file.tensor("W").unwrap().read_step::<bf16>(step).unwrap();
            assert!(found == values(step), "{name}, {kind:?}, step {step}");
        }
    }
}

#[test]
fn a_copy_that_calls_everything_and_ends_at_once_changes_nothing() {
    outlives("calls", End::AtOnce, |mut run| {
        let mut said = vec![refused(append(&mut run)), refused(run.commit())];
        said.push(refused(run.open_step()));
        said.push(refused(run.finish()));
        said.join("\n")
    });
}

#[test]
fn a_copy_that_drops_the_recorder_and_ends_as_programs_do_changes_nothing() {
    outlives("drop", End::Normally, |mut run| {
        let said = refused(append(&mut run));
        drop(run);
        said
    });
}

#[test]
fn a_copy_that_panics_changes_nothing() {
    outlives("panic", End::Normally, |mut run| {
        let said = refused(append(&mut run));
        let panic = catch_unwind(AssertUnwindSafe(move || {
            let _run = run;
            unwind();
        }));
        assert!(panic.is_err());
        said
    });
}

#[test]
fn a_copy_that_another_thread_makes_changes_nothing() {
    outlives("thread", End::AtOnce, |mut run| {
        let said = refused(append(&mut run));
        drop(run);
        said
    });
    // And the fork itself in another thread than the one that records.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thimble_1.h5");
    let mut run = start(&path, Kind::Compressed);
    append(&mut run).unwrap();
    let said = thread::scope(|scope| {
        let run = &mut run;
        let copy = scope.spawn(move || in_fork(End::Normally, || refused(append(run))));
        copy.join().unwrap()
    });
    assert!(said.contains("belongs to process"), "{said}");
    append(&mut run).unwrap();
    assert_eq!(run.finish().unwrap().steps, 2);
}

/// A step that is being filled while the process is forked is finished by the parent alone, whether the
/// copy returns from the closure, fails, or panics in it.
#[test]
fn a_copy_that_is_made_within_a_step_changes_nothing() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thimble_1.h5");
        let mut run = start(&path, kind);
        for way in ["returns", "fails", "panics"] {
            let step = run.appended();
            let mut forked = None;
            let result = catch_unwind(AssertUnwindSafe(|| {
                let values = values(step);
                run.append(|row| {
                    let forked = &*forked.insert(fork());
                    match (forked, way) {
                        (Forked::Copy(_), "fails") => return row.put("step", &1.5_f32),
                        (Forked::Copy(_), "panics") => unwind(),
                        _ => {}
                    }
                    row.put("W", &values)?.put("step", &step)
                })
            }));
            match forked.unwrap() {
                Forked::Copy(voice) => {
                    let is_right = match result {
                        Ok(Err(RecordError::Storage(StorageError::File(
                            FileError::OtherProcess { .. },
                        )))) => way == "returns",
                        Ok(Err(RecordError::DtypeMismatch { .. })) => way == "fails",
                        Err(_) => way == "panics",
                        _ => false,
                    };
                    drop(run);
                    voice.say(&is_right.to_string(), End::Normally);
                }
                Forked::Parent(copy) => {
                    assert_eq!(copy.said(), "true", "{kind:?}, {way}");
                    assert_eq!(result.unwrap().unwrap(), step);
                }
            }
        }
        assert_eq!(run.finish().unwrap().steps, 3, "{kind:?}");
        assert_eq!(Reader::open(&path).unwrap().committed_steps(), 3);
    }
}

/// A step that is open while the process is forked is that of the parent, too.
#[test]
fn a_copy_of_an_open_step_changes_nothing() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thimble_1.h5");
        let mut run = start(&path, kind);
        let mut step = Some(run.open_step().unwrap());
        let said = in_fork(End::Normally, || {
            let mut copy = step.take().unwrap();
            let put = refused(copy.put("step", &0_u64).map(drop));
            format!("{put}\n{}", refused(copy.commit()))
        });
        assert_eq!(said.matches("belongs to process").count(), 2, "{said}");
        let said = in_fork(End::Normally, || {
            drop(step.take());
            "dropped".to_owned()
        });
        assert_eq!(said, "dropped");
        let mut step = step.unwrap();
        step.put("W", &values(0))
            .unwrap()
            .put("step", &0_u64)
            .unwrap();
        step.commit().unwrap();
        append(&mut run).unwrap();
        assert_eq!(run.finish().unwrap().steps, 2, "{kind:?}");
    }
}

/// A copy that lives on has the descriptors, and a program that it becomes may have them: the lock is
/// given back, and not only closed.
#[test]
fn a_copy_that_lives_on_does_not_keep_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thimble_1.h5");
    let mut run = start(&path, Kind::Plain);
    append(&mut run).unwrap();
    let (told, tell) = std::io::pipe().unwrap();
    match fork() {
        Forked::Copy(voice) => {
            drop(tell);
            // Until the parent is done.
            let waited = std::io::read_to_string(told);
            voice.say(
                &format!("{waited:?} {}", refused(append(&mut run))),
                End::AtOnce,
            );
        }
        Forked::Parent(copy) => {
            append(&mut run).unwrap();
            assert_eq!(run.finish().unwrap().steps, 2);
            let mut second = Recorder::resume(&path).start().unwrap();
            append(&mut second).unwrap();
            drop(tell);
            assert!(copy.said().contains("belongs to process"));
            assert_eq!(second.finish().unwrap().steps, 3);
        }
    }
}

/// A file that is being built when the process is forked, in the callback that gives it its constants, is
/// finished by the parent alone.
#[test]
fn a_copy_that_is_made_while_the_file_is_made_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thimble_1.h5");
    let mut forked = None;
    let run = Recorder::create(&path)
        .scalar::<u64>("step")
        .constant_spec(TensorSpec::new("seed", Dtype::U64, [1]))
        .start_with(|_, values| {
            forked = Some(fork());
            values.write(&7_u64.to_le_bytes())
        });
    match forked.unwrap() {
        Forked::Copy(voice) => voice.say(&refused(run), End::Normally),
        Forked::Parent(copy) => assert!(copy.said().contains("belongs to process")),
    }
    let mut run = run.unwrap();
    let step = 0_u64;
    run.append(|row| row.put("step", &step)).unwrap();
    run.finish().unwrap();
    let file = Reader::open(&path).unwrap();
    assert_eq!(file.tensor("seed").unwrap().read::<u64>().unwrap(), [7]);
}

/// Both processes went on to write the new file, each with addresses of its own.
#[test]
fn a_copy_that_is_made_within_rechunk_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [path, output] = ["thimble_1.h5", "anew.h5"].map(|name| folder.path().join(name));
    let mut run = start(&path, Kind::Plain);
    for _ in 0..40 {
        append(&mut run).unwrap();
    }
    run.finish().unwrap();
    let mut forked = None;
    // In the least memory that it takes there is one thread. A copy has no others to wait for.
    let rechunk = |memory| {
        let rechunk = Rechunk::new(&path, &output).compression(Compression::Temporal);
        rechunk.memory(memory)
    };
    let least = (20..)
        .map(|power| 1 << power)
        .find(|&memory| rechunk(memory).plan().is_ok());
    let rechunk = rechunk(least.unwrap());
    assert_eq!(rechunk.plan().unwrap().threads, 1);
    let result = rechunk.run(|progress| {
        if progress.done > 0 && forked.is_none() {
            forked = Some(fork());
        }
    });
    match forked.unwrap() {
        Forked::Copy(voice) => voice.say(&refused(result), End::Normally),
        Forked::Parent(copy) => assert!(copy.said().contains("this work of")),
    }
    result.unwrap();
    let found = Reader::open(&output).unwrap();
    for step in 0..40 {
        let read = found.tensor("W").unwrap().read_step::<bf16>(step).unwrap();
        assert!(read == values(step));
    }
}

/// What a copy reads of a reader's file, with its threads and by libhdf5, and of one that it opens itself.
fn read_all(file: &Reader) -> Result<(), Error> {
    for step in 0..file.committed_steps() {
        let read = file.tensor("W")?.read_step::<bf16>(step)?;
        assert!(read == values(step), "step {step}");
    }
    file.tensor("W")?.read::<bf16>()?;
    file.tensor("W")?.attributes()?;
    Ok(())
}

/// A run of which libhdf5 reads the one tensor, past it the other.
fn recorded(path: &Path) -> Reader {
    let mut run = start(path, Kind::Compressed);
    for _ in 0..8 {
        append(&mut run).unwrap();
    }
    run.finish().unwrap();
    Reader::open(path).unwrap()
}

/// PyTorch's `DataLoader` reads in processes that it forks.
#[test]
fn a_copy_of_a_reader_reads() {
    const NAME: &str = "a_copy_of_a_reader_reads";
    if !is_child(NAME) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thimble_1.h5");
        let output = again(NAME, &[("PATH", path.display().to_string())]).status();
        assert!(output.unwrap().success());
        return;
    }
    let path: PathBuf = setting("PATH");
    let file = recorded(&path);
    // Nothing is cached yet, and then all is.
    for _ in 0..2 {
        let said = in_fork(End::Normally, || {
            read_all(&file).unwrap();
            let own = Reader::open(&path).unwrap();
            read_all(&own).unwrap();
            let other = path.with_file_name("own.h5");
            let mut run = start(&other, Kind::Compressed);
            append(&mut run).unwrap();
            run.finish().unwrap();
            read_all(&Reader::open(&other).unwrap()).unwrap();
            std::fs::remove_file(other).unwrap();
            "read".to_owned()
        });
        assert_eq!(said, "read");
        read_all(&file).unwrap();
    }
}

/// A copy that is made while another thread reads has that thread's locks for ever: its reads are done or
/// refused, and nothing waits.
#[test]
fn a_copy_of_a_reader_that_is_in_use_never_waits() {
    const NAME: &str = "a_copy_of_a_reader_that_is_in_use_never_waits";
    if !is_child(NAME) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thimble_1.h5");
        let status = again(NAME, &[("PATH", path.display().to_string())]).status();
        assert!(status.unwrap().success());
        return;
    }
    let path: PathBuf = setting("PATH");
    let file = recorded(&path);
    let stop = AtomicBool::new(false);
    let (mut done, mut refused) = (0, 0);
    thread::scope(|scope| {
        for by_library in [false, true] {
            let (file, path, stop) = (&file, &path, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    match by_library {
                        true => drop(Reader::open(path).unwrap()),
                        false => read_all(file).unwrap(),
                    }
                }
            });
        }
        for _ in 0..60 {
            let said = in_fork(End::Normally, || match read_all(&file) {
                Ok(()) => "read".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            match &*said {
                "read" => done += 1,
                said => {
                    let why =
                        said.contains("belongs to process") || said.contains("another thread");
                    assert!(why, "{said}");
                    refused += 1;
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{done} copies read, {refused} were refused");
    assert!(refused > 0);
}
