//! Peak memory of a recorder: the queue that the plan tells, whatever the size of the chunks. And that of chunks
//! which are unpacked whole.
//!
//! Each phase runs in a child of its own, whose peak is set back right before. Chunks are at least
//! eight times the budget, and the run stops in the middle of one: whoever unpacked, filled or
//! shrank a chunk would show.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    Compression, Durability, ReadError, Reader, Rechunk, Recorder, RecorderBuilder, RewriteError,
    RunState, recover,
};
use selvedge_testing::{again, is_child, peak, python, setting, tell};

mod common;

/// Elements of a step: 256 KiB.
const ELEMENTS: usize = 65_536;
const STEP_BYTES: u64 = 262_144;
const QUEUE: u64 = 8 << 20;
const BUDGET: u64 = 16 << 20;
/// What libhdf5, the allocator and the threads may take beside the queue.
const SLACK: u64 = 24 << 20;

fn declare(builder: RecorderBuilder, planned: u64) -> RecorderBuilder {
    let builder = builder
        .tensor::<f32>("W", [ELEMENTS])
        .scalar::<f32>("loss")
        .queue_bytes(QUEUE)
        .memory_budget(BUDGET);
    if planned > 0 {
        builder.steps(planned)
    } else {
        builder
    }
}

fn record(builder: RecorderBuilder, steps: u64, values: &mut [f32]) -> Recorder {
    let mut run = builder.start().expect("start");
    let plan = run.plan();
    assert!(plan.queue.bytes() <= QUEUE, "{plan}");
    assert!(
        plan.queue.bytes() > QUEUE / 2,
        "the memory it was given is not used: {plan}"
    );
    assert!(plan.tensors[0].chunk_bytes >= 8 * BUDGET, "{plan}");
    for _ in 0..steps {
        let step = run.appended() as f32;
        values[0] = step;
        values[ELEMENTS - 1] = -step;
        run.append(|filled| filled.put("W", &*values)?.put("loss", &step))
            .expect("append");
    }
    run
}

/// A compressed run of steps of 4 MiB, which is two of its queue; every other step is noise.
fn record_compressed(path: &Path, steps: u64) {
    let mut run = Recorder::create(path)
        .tensor::<u16>("W", [2 << 20])
        .scalar::<f32>("loss")
        .queue_bytes(QUEUE)
        .memory_budget(4 * BUDGET)
        .compression(Compression::Fast)
        .start()
        .expect("start");
    let plan = run.plan();
    let encoding = plan.encoding.expect("it is compressed").bytes();
    tell(format_args!("encoding {encoding}"));
    let mut random = selvedge_testing::Random(1);
    let noise: Vec<u16> = (0..2 << 20).map(|_| (random.draw() >> 48) as u16).collect();
    let zeros = vec![0; 2 << 20];
    for step in 0..steps {
        let values = if step % 2 == 0 { &noise } else { &zeros };
        run.append(|filled| filled.put("W", values)?.put("loss", &(step as f32)))
            .expect("append");
    }
    run.finish().expect("finish");
}

#[test]
fn child_that_measures() {
    if !is_child("child_that_measures") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let (planned, steps): (u64, u64) = (setting("PLANNED"), setting("STEPS"));
    let mut values = vec![0.5; ELEMENTS];
    let create = || declare(Recorder::create(&path), planned);
    let resume = || declare(Recorder::resume(&path), planned);
    let ((), rise) = match setting::<String>("PHASE").as_str() {
        "record" => peak(|| {
            record(create(), steps, &mut values)
                .finish()
                .expect("finish");
        }),
        "slow" => peak(|| {
            let builder = create().durability(Durability::every(1));
            let run = record(builder, steps, &mut values);
            let summary = run.finish().expect("finish");
            assert!(summary.bytes >= 4 * BUDGET, "{summary}");
            assert!(
                summary.append.waits > 0,
                "the queue was never full: {summary}"
            );
        }),
        "compressed" => peak(|| record_compressed(&path, steps)),
        "drop" => peak(|| drop(record(create(), steps, &mut values))),
        "recover" => peak(|| assert!(recover(&path).expect("recover").changed)),
        "resume" => peak(|| {
            record(resume(), steps, &mut values)
                .finish()
                .expect("finish");
        }),
        "many" => peak(|| {
            for _ in 0..steps {
                let run = record(create().overwrite(true), 3, &mut values);
                run.finish().expect("finish");
            }
        }),
        other => panic!("{other}"),
    };
    tell(format_args!("rise {rise}"));
}

/// Runs a phase in a child; asserts its peak and what the file takes of the disk.
fn phase(name: &str, path: &Path, planned: u64, steps: u64, expected: (u64, RunState)) {
    let settings = [
        ("PATH", path.display().to_string()),
        ("PHASE", name.to_owned()),
        ("PLANNED", planned.to_string()),
        ("STEPS", steps.to_string()),
    ];
    let output = again("child_that_measures", &settings)
        .output()
        .expect("this program");
    let said = String::from_utf8_lossy(&output.stdout);
    let rise = said.lines().find_map(|line| line.strip_prefix("@rise "));
    let rise: u64 = rise
        .unwrap_or_else(|| panic!("{said}\n{}", String::from_utf8_lossy(&output.stderr)))
        .parse()
        .expect("a number");
    let limit = if name == "recover" {
        SLACK
    } else {
        QUEUE + SLACK
    };
    println!("{name}, {planned} steps planned: memory rose by {rise} bytes of {limit}");
    assert!(
        rise <= limit,
        "{name}: memory rose by {rise} bytes, more than {limit}"
    );

    let file = Reader::open(path).expect("open");
    assert_eq!((file.committed_steps(), file.state()), expected);
    let (w, last) = (file.tensor("W").expect("W"), expected.0 - 1);
    for step in [0, last / 2, last] {
        let values: Vec<f32> = w.read_step(step).expect("read");
        let ends = (values[0], values[1], values[ELEMENTS - 1]);
        assert_eq!(ends, (step as f32, 0.5, -(step as f32)));
    }
    // The rest of the chunk is a hole.
    let on_disk = fs::metadata(path).expect("the file").blocks() * 512;
    let recorded = expected.0 * STEP_BYTES;
    assert!(
        on_disk <= recorded + (4 << 20),
        "{on_disk} bytes on the disk for {recorded} recorded"
    );
}

/// Number of steps planned: chunks of 157 MB; for an open-ended run they have 256 MB.
const PLANNED: [u64; 2] = [600, 0];

#[test]
fn a_run_that_is_dropped_recovered_and_resumed_keeps_to_its_queue() {
    let folder = tempfile::tempdir().expect("a folder");
    for planned in PLANNED {
        let path = folder.path().join(format!("run_{planned}.h5"));
        phase("drop", &path, planned, 90, (90, RunState::Recording));
        phase("recover", &path, planned, 0, (90, RunState::Recovered));
        phase("resume", &path, planned, 20, (110, RunState::Finished));
        fs::remove_file(&path).expect("remove");
    }
}

#[test]
fn a_run_that_is_finished_in_the_middle_of_a_chunk_keeps_to_its_queue() {
    let folder = tempfile::tempdir().expect("a folder");
    for planned in PLANNED {
        let path = folder.path().join(format!("run_{planned}.h5"));
        phase("record", &path, planned, 100, (100, RunState::Finished));
        phase("resume", &path, planned, 10, (110, RunState::Finished));
        fs::remove_file(&path).expect("remove");
    }
}

/// Every step is synced, which takes longer than appending it: the queue fills, and then the
/// training loop waits.
#[test]
fn a_slow_disk_costs_time_and_no_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    for planned in PLANNED {
        let path = folder.path().join(format!("run_{planned}.h5"));
        phase("slow", &path, planned, 260, (260, RunState::Finished));
        fs::remove_file(&path).expect("remove");
    }
}

/// Beside the queue there are the encoders, and the plan tells of both.
#[test]
fn a_compressed_run_keeps_to_its_queue_and_its_encoders() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run_1.h5");
    let settings = [
        ("PATH", path.display().to_string()),
        ("PHASE", "compressed".to_owned()),
        ("PLANNED", "0".to_owned()),
        ("STEPS", "60".to_owned()),
    ];
    let output = again("child_that_measures", &settings).output();
    let output = output.expect("this program");
    let said = String::from_utf8_lossy(&output.stdout);
    let number = |what: &str| -> u64 {
        let found = said.lines().find_map(|line| line.strip_prefix(what));
        let found =
            found.unwrap_or_else(|| panic!("{said}\n{}", String::from_utf8_lossy(&output.stderr)));
        found.trim().parse().expect("a number")
    };
    let (rise, encoding) = (number("@rise "), number("@encoding "));
    // The steps that the child makes are its own.
    let (steps, limit) = (2 * (4 << 20), QUEUE + encoding + SLACK);
    println!("compressed: memory rose by {rise} bytes of {limit} and {steps}");
    assert!(rise <= limit + steps, "memory rose by {rise} bytes");
    let file = Reader::open(&path).expect("open");
    let w = file.tensor("W").expect("W");
    assert!(
        w.read_step::<u16>(59)
            .expect("read")
            .iter()
            .all(|&value| value == 0)
    );
    // Half of the steps take next to nothing.
    let on_disk = fs::metadata(&path).expect("the file").blocks() * 512;
    assert!(on_disk < 31 * (4 << 20), "{on_disk} bytes on the disk");
}

/// The writer thread once forgot its part of the queue, with all of its memory.
#[test]
fn a_recorder_that_is_gone_leaves_no_memory_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run_1.h5");
    // Twelve recorders, one after the other: their queues together are three times the limit.
    phase("many", &path, 0, 12, (3, RunState::Finished));
}

/// Two rows of 48 MiB in a chunk each; `missing` lacks the second, and `lzf` is unpacked by libhdf5.
const LARGE_CHUNKS: &str = "
import sys, h5py, numpy as np
values = np.arange(12 << 20, dtype='u4')
values[::2] = np.random.default_rng(1).integers(0, 1 << 32, 6 << 20, dtype='u4')
kinds = {'plain': dict(compression=1), 'shuffled': dict(compression=1, shuffle=True), 'lzf': dict(compression='lzf'), 'missing': dict(compression=1)}
for name, how in kinds.items():
    with h5py.File(f'{sys.argv[1]}/{name}_1.h5', 'w') as f:
        d = f.create_dataset('W', (2, 12 << 20), 'u4', chunks=(1, 12 << 20), **how)
        d[0] = values
        if name != 'missing':
            d[1] = values
";

const UNPACKING: &str = "child_that_unpacks";

#[test]
fn child_that_unpacks() {
    if !is_child(UNPACKING) {
        return;
    }
    let path: PathBuf = setting("PATH");
    let rechunk = Rechunk::new(&path, path.with_extension("out")).overwrite(true);
    let error = rechunk.clone().memory(32 << 20).plan().unwrap_err();
    let RewriteError::Read(ReadError::WorkingMemory { needed, .. }) = error else {
        panic!("{error}");
    };
    let rechunk = rechunk.memory(needed);
    let planned = rechunk.plan().expect("it fits").memory;
    let (result, rise) = peak(|| rechunk.run(|_| {}));
    result.expect("it fits");
    tell(format_args!("planned {planned}"));
    tell(format_args!("rise {rise}"));
}

/// A chunk was said to need five times its bytes, and took two.
#[test]
fn what_unpacking_is_said_to_need_is_what_it_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    python::run(LARGE_CHUNKS, [folder.path()]);
    for name in ["plain", "shuffled", "lzf", "missing"] {
        let path = folder.path().join(format!("{name}_1.h5"));
        let settings = [("PATH", path.display().to_string())];
        let output = again(UNPACKING, &settings).output().expect("this program");
        let said = String::from_utf8_lossy(&output.stdout);
        let number = |what: &str| -> u64 {
            let found = said.lines().find_map(|line| line.strip_prefix(what));
            found
                .unwrap_or_else(|| panic!("{output:?}"))
                .trim()
                .parse()
                .expect("a number")
        };
        let (planned, rise) = (number("@planned "), number("@rise "));
        println!("{name}: memory rose by {rise} bytes of {planned}");
        assert!(rise <= planned + SLACK, "{name}: {rise} of {planned}");
        assert!(planned <= rise + rise / 4, "{name}: {rise} of {planned}");
    }
}
