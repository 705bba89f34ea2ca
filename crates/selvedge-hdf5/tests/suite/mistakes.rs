//! A caller's mistakes: a step is recorded as a whole or not at all, and the run goes on.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use half::bf16;
use selvedge_hdf5::{Dtype, RecordError, Recorder, RunState, recover};

use crate::common::faults::{begin, builders, new_path};
use crate::common::sample::{self, Checker, SMALL, append, check, declare};

#[test]
fn a_mistake_in_a_step_costs_that_step_only() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path), SMALL, 3);
    let good = sample::step(SMALL, 3);

    let error = run
        .append(|step| step.put("loss", &1.0_f32))
        .expect_err("four are missing");
    assert!(
        matches!(error, RecordError::MissingTensors { step: 3, .. }),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "step 3 lacks `W`, `moment`, `mask`, `count`; a step has all tensors or is not recorded"
    );
    let error = run
        .append(|step| step.put("los", &1.0_f32))
        .expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "no tensor `los` was declared; the step tensors are `W`, `moment`, `mask`, `loss`, `count`"
    );
    let error = run
        .append(|step| step.put("loss", &1.0_f64))
        .expect_err("wrong dtype");
    assert_eq!(
        error.to_string(),
        "tensor `loss` holds float32, found float64; a literal like `1.0` is float64, write `1.0_f32`"
    );
    let error = run
        .append(|step| step.put("W", &vec![1_u16; 24]))
        .expect_err("wrong dtype");
    assert!(matches!(
        error,
        RecordError::DtypeMismatch {
            expected: Dtype::Bf16,
            found: Dtype::U16,
            ..
        }
    ));
    let error = run
        .append(|step| step.put("W", &vec![bf16::ONE; 23]))
        .expect_err("wrong length");
    assert_eq!(
        error.to_string(),
        "tensor `W` of shape [6, 4] has 24 elements, found 23"
    );
    let error = run
        .append(|step| step.put("loss", &1.0_f32)?.put("loss", &2.0_f32))
        .expect_err("twice");
    assert_eq!(error.to_string(), "tensor `loss` was put twice into step 3");
    // The closure gives up with an error of its own making.
    let error = run
        .append(|step| {
            step.put("loss", &1.0_f32)?;
            Err(RecordError::BeyondPlan { planned: 0 })
        })
        .expect_err("its own");
    assert!(matches!(error, RecordError::BeyondPlan { planned: 0 }));

    assert_eq!((run.appended(), run.committed()), (3, 3));
    assert_eq!(sample::put(&mut run, &good).expect("append"), 3);
    // A mistake after a step that waits in the same block.
    run.append(|step| step.put("loss", &1.0_f32))
        .expect_err("four are missing");
    append(&mut run, SMALL).expect("append");
    assert_eq!(run.finish().expect("finish").steps, 5);
    assert_eq!(Checker::new().check(&path, SMALL).extents, [5; 5]);
}

#[test]
fn more_steps_than_planned() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path).steps(4), SMALL, 4);
    for _ in 0..2 {
        let error = append(&mut run, SMALL).expect_err("four were planned");
        assert!(
            matches!(error, RecordError::BeyondPlan { planned: 4 }),
            "{error:?}"
        );
    }
    run.finish().expect("finish");
    let mut run = declare(Recorder::resume(&path).steps(6), SMALL)
        .start()
        .expect("resume");
    append(&mut run, SMALL).expect("append");
    append(&mut run, SMALL).expect("append");
    append(&mut run, SMALL).expect_err("six were planned");
    run.finish().expect("finish");
    assert_eq!(Checker::new().check(&path, SMALL).extents, [6; 5]);
}

/// A step whose closure panics half way.
fn panicking_step(run: &mut Recorder) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        run.append(|step| {
            step.put("loss", &1.0_f32)?.put("count", &7_i64)?;
            panic!("the training loop's own");
        })
    }));
    assert!(panicked.is_err());
}

#[test]
fn a_panic_in_a_step_costs_that_step_only() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path), SMALL, 3);
    panicking_step(&mut run);
    assert_eq!(run.appended(), 3);
    append(&mut run, SMALL).expect("append");
    panicking_step(&mut run);
    panicking_step(&mut run);
    append(&mut run, SMALL).expect("append");
    panicking_step(&mut run);
    assert_eq!(run.finish().expect("finish").steps, 5);
    assert_eq!(Checker::new().check(&path, SMALL).extents, [5; 5]);
}

/// The block with the step before the panic stayed with the recorder, and `commit` waited for ever
/// for the writer to get it.
#[test]
fn commit_after_a_panic_in_a_step_does_not_hang() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path), SMALL, 3);
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        append(&mut run, SMALL).expect("append");
        panicking_step(&mut run);
        let committed = run.commit().expect("commit");
        let _ = done.send(committed);
        run.finish().expect("finish").steps
    });
    match wait.recv_timeout(Duration::from_secs(30)) {
        Ok(committed) => assert_eq!(committed, 4),
        Err(error) => panic!("`commit` hangs: {error}"),
    }
    assert_eq!(thread.join().expect("no panic"), 4);
    assert_eq!(check(&path, SMALL).extents, [4; 5]);
}

#[test]
fn a_recorder_that_is_dropped_leaves_its_complete_steps() {
    let (_folder, path) = new_path();
    let mut checker = Checker::new();
    for during_a_panic in [false, true] {
        for builder in builders(&path) {
            let mut run = declare(builder, SMALL).start().expect("start");
            for _ in 0..500 {
                append(&mut run, SMALL).expect("append");
            }
            if during_a_panic {
                let panicked = catch_unwind(AssertUnwindSafe(move || {
                    run.append(|step| {
                        step.put("loss", &1.0_f32)?;
                        panic!("in the middle of a step");
                    })
                }));
                assert!(panicked.is_err());
            } else {
                drop(run);
            }
            let seen = checker.check(&path, SMALL);
            assert_eq!((seen.extents, seen.state), ([500; 5], 0));
            let recovery = recover(&path).expect("recover");
            assert_eq!(
                (recovery.committed, recovery.state),
                (500, RunState::Recording)
            );
            assert!(recovery.changed);
            assert_eq!(checker.check(&path, SMALL).state, 2);
            fs::remove_file(&path).expect("remove");
        }
    }
}

/// The training is done inside of the closure, for less than a millisecond at a time. Then the loop
/// has the block nearly always; the writer came too late for it, and committed nothing until it was
/// full, after 16,384 steps.
#[test]
fn steps_are_committed_while_the_closure_works() {
    let (_folder, path) = new_path();
    let mut run = Recorder::create(&path)
        .scalar::<f32>("loss")
        .start()
        .expect("start");
    let mut appended = 0;
    while run.committed() == 0 && appended < 5_000 {
        run.append(|step| {
            std::thread::sleep(Duration::from_micros(200));
            step.put("loss", &1.0_f32)
        })
        .expect("append");
        appended += 1;
    }
    assert!(run.committed() > 0, "nothing committed of {appended} steps");
    run.finish().expect("finish");
}
