//! The recorder's threads in many orders: its queue, blocks, packers, syncer and writer as they are, with locks,
//! threads and a clock of shuttle's (`threads.rs`), on a file that is a list (`file.rs`).
//!
//! Whatever the order, every step is written once, with its own bytes, before it is committed; with a
//! durability it is on the medium by then. An error of the file reaches the training loop. Nobody waits for
//! ever: shuttle fails where all threads wait, and where one goes in circles.

#[allow(
    dead_code,
    reason = "what a part of the crate names that is not used here"
)]
mod file;
mod threads;

macro_rules! recorder {
    ($($name:ident = $path:literal)*) => {
        $(
            #[path = $path]
            #[allow(
                dead_code,
                unreachable_pub,
                clippy::large_enum_variant,
                reason = "a part of a crate, of which not all is used here, with locks that are larger"
            )]
            mod $name;
        )*
    };
}
recorder! {
    block = "../../src/recorder/block.rs"
    durability = "../../src/recorder/durability.rs"
    packers = "../../src/recorder/packers.rs"
    queue = "../../src/recorder/queue.rs"
    syncer = "../../src/recorder/syncer.rs"
    writer = "../../src/recorder/writer.rs"
}

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use block::{Block, BlockLayout};
use durability::Durability;
use file::{Disk, STEP_BYTES, TrajectoryFile, value};
// What the recorder's files name.
use file::{DeclareError, StorageError, TensorSpec, chunks, plan, storage, trajectory};
use packers::Packers;
use plan::{EncodingPlan, QueuePlan};
use queue::{Filling, Progress, Queue, Refused, Taken};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};
use syncer::Syncer;
use threads::Instant;
use writer::Writer;

/// Tries so many orders of a run that is another one each time.
fn try_orders(scheduler: impl Scheduler + 'static) {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    Runner::new(scheduler, config).run(record);
}

#[test]
fn no_order_loses_a_step_or_ends_in_a_wait() {
    try_orders(RandomScheduler::new(1_000));
}

/// Orders in which one thread runs for long, and another one not at all.
#[test]
fn no_order_with_few_turns_does_so_either() {
    try_orders(PctScheduler::new(3, 1_000));
}

/// A run like that of a `Recorder`: started, filled, now and then committed, and finished or dropped.
fn record() {
    let mut random = thread_rng();
    let compressed = random.gen_bool(0.5);
    let durability = match random.gen_bool(0.5) {
        true => Durability::every(random.gen_range(1..4)),
        false => Durability::Never,
    };
    let durability = match random.gen_bool(0.3) {
        true => durability.or_after(Duration::from_millis(random.gen_range(0..40))),
        false => durability,
    };
    let fails_at = random.gen_bool(0.3).then(|| random.gen_range(1..30));
    let plan = QueuePlan {
        blocks: random.gen_range(1..4),
        block_bytes: 64,
        steps_per_block: random.gen_range(1..4),
    };

    let layout = Arc::new(BlockLayout::new(&STEP_BYTES, &plan));
    let blocks = (0..plan.blocks).map(|_| Block::new(&layout).expect("memory"));
    let queue = Arc::new(Queue::new(blocks.collect(), 2 << 20, STEP_BYTES.len(), 0));
    let disk = Arc::new(Disk::new(fails_at, durability != Durability::Never));
    let file = TrajectoryFile::new(disk.clone(), compressed);
    let packers = file.packer().map(|packer| {
        let encoding = EncodingPlan { threads: 2 };
        Packers::start(encoding, 64, packer, queue.clone()).expect("threads")
    });
    let syncer = (durability != Durability::Never)
        .then(|| Syncer::start(disk.clone(), queue.clone()).expect("a thread"));
    let writer = Writer {
        file,
        block_steps: plan.steps_per_block,
        durability,
        queue: queue.clone(),
        packers,
        syncer,
        progress: Progress::at(0),
        packed: Vec::new(),
        due: VecDeque::new(),
        commit: None,
        waiting: None,
    };
    let writer = shuttle::thread::spawn(move || writer.run());

    let steps = random.gen_range(0..9);
    let told = train(&queue, &disk, steps);
    // A step that is open when the run ends is no part of it.
    let open = random
        .gen_bool(0.2)
        .then(|| queue.take(Instant::now(), Duration::ZERO));
    let finish = random.gen_bool(0.5);
    queue.close(finish);
    writer.join().expect("the writer does not panic");
    drop(open);

    let committed = queue.committed();
    assert!(committed <= disk.extent());
    match queue.stopped() {
        Some(error) => assert_eq!(*error, StorageError::Disk),
        None => {
            assert_eq!(told, None);
            assert!(!disk.has_failed());
            assert_eq!(
                (queue.appended(), committed, disk.extent()),
                (steps, steps, steps)
            );
            assert_eq!(disk.ended(), Some(finish));
        }
    }
}

/// The training loop; ends with the error that it is told, if there is one.
fn train(queue: &Queue, disk: &Disk, steps: u64) -> Option<StorageError> {
    let mut random = thread_rng();
    let mut limit = || match random.gen_bool(0.5) {
        true => Duration::MAX,
        false => Duration::from_millis(random.gen_range(0..30)),
    };
    let mut step = 0;
    while step < steps {
        let wait = limit();
        let filling = match queue.take(Instant::now(), wait) {
            Ok((Taken::Slot(filling), _)) => filling,
            Ok((Taken::Full, waited)) => {
                assert!(waited >= wait);
                continue;
            }
            Ok((Taken::StepIsOpen, _)) => panic!("the step before was handed over"),
            Err(error) => return Some((*error).clone()),
        };
        assert_eq!(filling.number, step);
        let filling = fill(filling);
        if thread_rng().gen_bool(0.1) {
            queue.put_back(filling);
            continue;
        }
        match queue.complete(filling) {
            Ok(number) => assert_eq!(number, step),
            Err(Refused::Stopped(error)) => return Some((*error).clone()),
            Err(Refused::Closed) => panic!("nobody has closed it"),
        }
        step += 1;
        if thread_rng().gen_bool(0.2) {
            let wait = limit();
            match queue.commit(step, wait) {
                Ok(true) => assert!(queue.committed() == step),
                Ok(false) => assert!(wait < Duration::MAX),
                Err(error) => return Some((*error).clone()),
            }
        }
        // What is told is in the file.
        assert!(queue.committed() <= disk.extent());
    }
    None
}

fn fill(mut filling: Filling) -> Filling {
    for tensor in 0..STEP_BYTES.len() {
        filling.slot.of(tensor).fill(value(tensor, filling.number));
    }
    filling
}
