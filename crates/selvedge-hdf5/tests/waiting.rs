//! Waiting for the disk with a limit of time: a caller that has to look after signals meanwhile calls
//! again, and nothing is lost or recorded twice.

use std::time::{Duration, Instant};

use selvedge_hdf5::{Durability, RecordError, Recorder};

mod common;
use common::faults::new_path;
use common::sample::{self, Checker, LARGE, SMALL, Shape, append, declare};

/// A recorder of two blocks, each step of which waits for the medium.
fn slow(path: &std::path::Path) -> Recorder {
    let builder = Recorder::create(path)
        .queue_bytes(1)
        .durability(Durability::every(1));
    declare(builder, LARGE).start().expect("start")
}

/// Appends one step, and waits at most for `timeout`.
fn append_timeout(
    run: &mut Recorder,
    shape: Shape,
    timeout: Duration,
) -> Result<Option<u64>, RecordError> {
    let values = sample::step(shape, run.appended());
    run.append_timeout(timeout, |step| sample::fill(step, &values))
}

/// Ctrl-C did nothing while the disk was slow: `append` waited for room in the queue, however long.
#[test]
fn a_step_that_finds_no_room_in_time_is_recorded_when_it_comes_again() {
    let (_folder, path) = new_path();
    let mut run = slow(&path);
    let (mut refused, mut steps) = (0, 0_u64);
    while refused < 20 {
        match append_timeout(&mut run, LARGE, Duration::ZERO).expect("append") {
            Some(number) => {
                assert_eq!(number, steps);
                steps += 1;
            }
            None => refused += 1,
        }
        assert_eq!(run.appended(), steps);
    }
    // Whoever waits long enough gets in.
    let number = append_timeout(&mut run, LARGE, Duration::from_secs(600)).expect("append");
    assert_eq!(number, Some(steps));
    let summary = run.finish().expect("finish");
    assert_eq!(summary.steps, steps + 1);
    // A step waits once, however often its caller gave up.
    let waits = summary.append.waits;
    assert!(
        (1..=steps + 1).contains(&waits),
        "{waits} of {steps} steps waited"
    );
    let seen = Checker::new().check(&path, LARGE);
    assert_eq!(seen.extents, [steps + 1; 5]);
}

#[test]
fn a_wait_for_room_ends_in_time() {
    let (_folder, path) = new_path();
    let mut run = slow(&path);
    let timeout = Duration::from_millis(1);
    for _ in 0..50 {
        let started = Instant::now();
        let appended = append_timeout(&mut run, LARGE, timeout).expect("append");
        // With what the step itself takes, and the system.
        assert!(started.elapsed() < Duration::from_secs(10), "{appended:?}");
    }
    run.finish().expect("finish");
}

#[test]
fn a_commit_that_takes_too_long_is_waited_for_again() {
    let (_folder, path) = new_path();
    let builder = Recorder::create(&path).durability(Durability::every(1000));
    let mut run = declare(builder, SMALL).start().expect("start");
    for _ in 0..3 {
        append(&mut run, SMALL).expect("append");
    }
    // Nothing is committed before it is asked for.
    let early = run.commit_timeout(Duration::ZERO).expect("commit");
    assert_eq!(early, None);
    let mut tries = 0;
    let committed = loop {
        tries += 1;
        let committed = run
            .commit_timeout(Duration::from_millis(20))
            .expect("commit");
        if let Some(committed) = committed {
            break committed;
        }
        assert!(tries < 10_000, "no commit");
    };
    assert_eq!((committed, run.committed()), (3, 3));
    // It is committed already.
    let again = run.commit_timeout(Duration::ZERO).expect("commit");
    assert_eq!(again, Some(3));
    run.finish().expect("finish");
}

/// Fifty steps of a minute each are an hour that a kill takes: a step is committed when its time has come,
/// though nobody calls, and steps that come fast are still put on the medium many at a time.
#[test]
fn a_slow_step_is_committed_by_the_clock() {
    for limited in [Durability::every(1000), Durability::Never] {
        let (_folder, path) = new_path();
        let limit = Duration::from_millis(300);
        let builder = Recorder::create(&path).durability(limited.or_after(limit));
        let mut run = declare(builder, SMALL).start().expect("start");
        let started = Instant::now();
        append(&mut run, SMALL).expect("append");
        let values = sample::step(SMALL, 1);
        let tried = run.try_append(|step| sample::fill(step, &values));
        assert_eq!(tried.expect("append"), Some(1), "there is room");
        while run.committed() == 0 {
            assert!(started.elapsed() < Duration::from_secs(60), "no commit");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(started.elapsed() >= limit, "{:?}", started.elapsed());
        assert_eq!(run.committed(), 2);
        run.finish().expect("finish");
    }
}

#[test]
fn after_an_error_nobody_waits() {
    let (_folder, path) = new_path();
    let mut run = slow(&path);
    append(&mut run, LARGE).expect("append");
    run.commit().expect("commit");
    std::fs::remove_file(&path).expect("remove");
    // The file is looked at once in a while.
    std::thread::sleep(Duration::from_millis(5));
    let timeout = Duration::from_secs(3600);
    let error = append_timeout(&mut run, LARGE, timeout).expect_err("it was deleted");
    assert!(
        matches!(error, RecordError::Stopped { committed: 1, .. }),
        "{error:?}"
    );
    let error = run.commit_timeout(timeout).expect_err("it was deleted");
    assert!(
        matches!(error, RecordError::Stopped { committed: 1, .. }),
        "{error:?}"
    );
}
