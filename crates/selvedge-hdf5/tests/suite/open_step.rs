//! Steps that are open for a while: filled by another thread, given up, too late.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use selvedge_hdf5::{Dtype, Durability, OpenStep, Reader, RecordError, Recorder, StorageError};

use crate::common::faults::{begin, builders, cause, new_path};
use crate::common::sample::{self, Checker, SMALL, append};

/// Puts the values of the sample's step into an open one.
fn fill(step: &mut OpenStep) {
    let values = sample::step(SMALL, step.number());
    sample::fill_open(step, &values).expect("put");
}

fn is_send<T: Send + 'static>(value: T) -> T {
    value
}

#[test]
fn open_steps_and_appended_ones_are_one_run_in_order() {
    for nth in 0..2 {
        let (_folder, path) = new_path();
        let builder = builders(&path).into_iter().nth(nth).expect("a builder");
        let mut run = begin(builder, SMALL, 0);
        for number in 0..300 {
            if number % 3 == 0 {
                assert_eq!(append(&mut run, SMALL).expect("append"), number);
                continue;
            }
            let mut step = is_send(run.open_step().expect("open"));
            assert_eq!((step.number(), run.appended()), (number, number));
            let filled = thread::spawn(move || {
                fill(&mut step);
                step.commit()
            });
            assert_eq!(filled.join().expect("no panic").expect("commit"), number);
            assert_eq!(run.appended(), number + 1);
        }
        assert_eq!(run.finish().expect("finish").steps, 300);
        assert_eq!(Checker::new().check(&path, SMALL).extents, [300; 5]);
    }
}

#[test]
fn a_place_is_in_the_memory_of_the_queue_and_counts_as_put() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run_1.h5");
    let builder = Recorder::create(&path);
    let builder = builder.tensor::<u16>("W", [3]).scalar::<f32>("loss");
    let mut run = builder.start().expect("start");
    let mut step = run.open_step().expect("open");
    let place = step.place("W", Dtype::U16).expect("its memory");
    assert_eq!(place.len(), 6);
    place.copy_from_slice(&[1, 0, 2, 0, 3, 0]);
    let address = place.as_ptr().addr();
    let memory = run.queue_memory();
    assert!(memory.iter().any(|block| block.contains(&address)));
    let bytes: usize = memory.iter().map(ExactSizeIterator::len).sum();
    assert_eq!(bytes as u64, run.plan().queue.bytes());

    let twice = step.place("W", Dtype::U16).expect_err("twice");
    assert!(matches!(
        twice,
        RecordError::DuplicateTensor { step: 0, .. }
    ));
    let other = step.place("loss", Dtype::F64).expect_err("another dtype");
    assert!(matches!(other, RecordError::DtypeMismatch { .. }));
    let unknown = step.put("less", &1.0_f32).expect_err("unknown");
    assert!(matches!(unknown, RecordError::UnknownTensor { .. }));
    // A mistake leaves the step as it was, and what was put can be replaced.
    step.put_bytes("loss", Dtype::F32, &[0, 0, 0, 0])
        .expect("put");
    let short = step.replace_bytes("loss", Dtype::F32, &[1]);
    assert!(matches!(short, Err(RecordError::BytesMismatch { .. })));
    step.replace_bytes("loss", Dtype::F32, &[0, 0, 0, 64])
        .expect("replaced");
    // By number it is the same.
    let position = |name| run.tensors().iter().position(|spec| spec.name == name);
    let loss = position("loss").expect("declared");
    let other = step.replace_nth(loss, Dtype::F64, &[0; 4]);
    assert!(matches!(other, Err(RecordError::DtypeMismatch { .. })));
    let short = step.replace_nth(loss, Dtype::F32, &[1]);
    assert!(matches!(short, Err(RecordError::BytesMismatch { .. })));
    let none = step.replace_nth(run.tensors().len(), Dtype::F32, &[0; 4]);
    assert!(matches!(none, Err(RecordError::UnknownTensor { .. })));
    step.replace_nth(loss, Dtype::F32, &[0, 0, 128, 63])
        .expect("replaced");
    // So are places, which are the same memory each time.
    let w = position("W").expect("declared");
    let again = step.place_nth(w, Dtype::U16).expect("its memory");
    assert_eq!((again.as_ptr().addr(), again.len()), (address, 6));
    again[4] = 4;
    let other = step.place_nth(w, Dtype::I16).expect_err("another dtype");
    assert!(matches!(other, RecordError::DtypeMismatch { .. }));
    let none = step.place_nth(run.tensors().len(), Dtype::U16);
    assert!(matches!(none, Err(RecordError::UnknownTensor { .. })));
    assert_eq!(step.commit().expect("commit"), 0);
    run.finish().expect("finish");
    let file = Reader::open(&path).expect("open");
    let read = file.tensor("W").expect("W").read::<u16>().expect("read");
    let loss = file
        .tensor("loss")
        .expect("loss")
        .read::<f32>()
        .expect("read");
    assert_eq!((read, loss), (vec![1, 2, 4], vec![1.0]));
}

#[test]
fn a_step_that_is_given_up_leaves_its_number_to_the_next() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path), SMALL, 2);
    for _ in 0..3 {
        let mut step = run.open_step().expect("open");
        step.put("loss", &7.0_f32).expect("put");
        drop(step);
        let mut step = run.open_step().expect("open");
        step.put("loss", &7.0_f32).expect("put");
        let error = step.commit().expect_err("four are missing");
        assert!(
            matches!(&error, RecordError::MissingTensors { missing, .. } if missing.len() == 4),
            "{error:?}"
        );
        // A thread that panics gives it up, too.
        let step = run.open_step().expect("open");
        let panicked = thread::spawn(move || {
            let _step = step;
            panic!("the thread's own");
        });
        panicked.join().expect_err("it panicked");
        append(&mut run, SMALL).expect("append");
    }
    assert_eq!(run.finish().expect("finish").steps, 5);
    assert_eq!(Checker::new().check(&path, SMALL).extents, [5; 5]);
}

#[test]
fn there_is_one_open_step_at_a_time() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path).steps(4), SMALL, 3);
    let mut step = run.open_step().expect("open");
    let error = run.open_step().expect_err("one is open");
    assert_eq!(
        error.to_string(),
        "step 3 is open: commit it or drop it before the next one is begun"
    );
    let error = append(&mut run, SMALL).expect_err("one is open");
    assert!(
        matches!(error, RecordError::StepOpen { step: 3 }),
        "{error:?}"
    );
    fill(&mut step);
    step.commit().expect("commit");
    let error = run.open_step().expect_err("four were planned");
    assert!(
        matches!(error, RecordError::BeyondPlan { planned: 4 }),
        "{error:?}"
    );
    run.finish().expect("finish");
    assert_eq!(Checker::new().check(&path, SMALL).extents, [4; 5]);
}

/// Small steps share a block. While one of them was filled the writer could not take those before it:
/// they were committed when the loop came back, however late.
#[test]
fn the_steps_before_an_open_one_are_committed_meanwhile() {
    for durability in [Durability::Never, Durability::every(2)] {
        let (_folder, path) = new_path();
        let builder = Recorder::create(&path).durability(durability);
        let mut run = begin(builder, SMALL, 0);
        append(&mut run, SMALL).expect("append");
        append(&mut run, SMALL).expect("append");
        let mut step = run.open_step().expect("open");
        let deadline = Instant::now() + Duration::from_secs(60);
        while run.committed() < 2 {
            assert!(Instant::now() < deadline, "{} committed", run.committed());
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(Reader::open(&path).expect("open").committed_steps(), 2);
        // What is asked for are the steps that are complete.
        assert_eq!(run.commit().expect("commit"), 2);
        fill(&mut step);
        step.commit().expect("commit");
        assert_eq!(run.commit().expect("commit"), 3);
        run.finish().expect("finish");
        assert_eq!(Checker::new().check(&path, SMALL).extents, [3; 5]);
    }
}

#[test]
fn a_step_that_comes_after_its_recorder_is_told_so() {
    for finished in [true, false] {
        let (_folder, path) = new_path();
        let mut run = begin(Recorder::create(&path), SMALL, 2);
        append(&mut run, SMALL).expect("append");
        let mut step = run.open_step().expect("open");
        fill(&mut step);
        match finished {
            true => assert_eq!(run.finish().expect("finish").steps, 3),
            false => drop(run),
        }
        let error = step.commit().expect_err("too late");
        assert_eq!(
            error.to_string(),
            format!(
                "step 3 was open when the recorder of {} ended, and is not recorded",
                path.display()
            )
        );
        assert_eq!(Checker::new().check(&path, SMALL).extents, [3; 5]);
    }
}

#[test]
fn after_an_error_an_open_step_is_refused() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path), SMALL, 2);
    let mut step = run.open_step().expect("open");
    fs::remove_file(&path).expect("remove");
    let deleted = run.commit().expect_err("it was deleted");
    assert!(matches!(&*cause(deleted).0, StorageError::Deleted { .. }));
    fill(&mut step);
    let (why, committed) = cause(step.commit().expect_err("the recorder has stopped"));
    assert!(matches!(&*why, StorageError::Deleted { .. }), "{why:?}");
    assert_eq!(committed, 2);
    cause(run.open_step().expect_err("the recorder has stopped"));
    cause(run.finish().expect_err("the recorder has stopped"));
}

#[test]
fn an_open_step_is_waited_for_in_a_queue_that_is_full() {
    let (_folder, path) = new_path();
    let builder = Recorder::create(&path)
        .queue_bytes(1)
        .durability(Durability::every(1));
    let mut run = begin(builder, SMALL, 0);
    let (mut full, mut steps) = (0, 0);
    while full < 10 {
        let Some(mut step) = run.open_step_timeout(Duration::ZERO).expect("open") else {
            full += 1;
            continue;
        };
        assert_eq!(step.number(), steps);
        fill(&mut step);
        step.commit().expect("commit");
        steps += 1;
    }
    let mut step = run.open_step().expect("open");
    fill(&mut step);
    step.commit().expect("commit");
    assert_eq!(run.finish().expect("finish").steps, steps + 1);
    assert_eq!(Checker::new().check(&path, SMALL).extents, [steps + 1; 5]);
}
