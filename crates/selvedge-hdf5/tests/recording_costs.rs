//! What recording costs beside its bytes: system calls, counted.
//!
//! A model has hundreds of tensors, and steps of many small ones were written in blocks of one step or two,
//! each tensor by a call of its own: 402,140 calls for 400 steps of 1,000 tensors, eight times as long
//! as a plain write of the same bytes.
#![cfg(target_os = "linux")]

use std::path::PathBuf;

use selvedge_hdf5::{Reader, Recorder, bf16};
use selvedge_testing::{again, is_child, setting, system_calls, traced};

/// Elements of a step of each tensor: 512 bytes.
const ELEMENTS: usize = 256;

fn name(tensor: usize) -> String {
    format!("layer{tensor}.weight")
}

fn value(tensor: usize, step: u64) -> bf16 {
    let step = u16::try_from(step).expect("few steps");
    let tensor = u16::try_from(tensor).expect("few tensors");
    bf16::from_bits(step.wrapping_mul(331).wrapping_add(tensor))
}

/// Records `steps` steps of `tensors` tensors; returns how many steps a block holds.
fn record(path: &PathBuf, tensors: usize, steps: u64) -> u64 {
    let mut builder = Recorder::create(path).steps(steps);
    for tensor in 0..tensors {
        builder = builder.tensor::<bf16>(name(tensor), [ELEMENTS]);
    }
    let mut run = builder.start().unwrap();
    let names: Vec<_> = (0..tensors).map(name).collect();
    let block = run.plan().queue.steps_per_block;
    traced(|| {
        for step in 0..steps {
            run.append(|mut row| {
                for (tensor, name) in names.iter().enumerate() {
                    row = row.put(name, &[value(tensor, step); ELEMENTS])?;
                }
                Ok(row)
            })
            .unwrap();
        }
        run.finish().unwrap();
    });
    block
}

/// A start of many tensors read each of their structures by several calls of its own, 6,300 for 1,000 tensors.
#[test]
fn a_start_reads_structures_together() {
    const NAME: &str = "a_start_reads_structures_together";
    const TENSORS: usize = 500;
    if is_child(NAME) {
        let mut builder = Recorder::create(setting::<PathBuf>("PATH")).steps(100);
        for tensor in 0..TENSORS {
            builder = builder.tensor::<bf16>(name(tensor), [ELEMENTS]);
        }
        traced(|| builder.start().unwrap()).finish().unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.h5").display().to_string();
    let pieces = system_calls(&mut again(NAME, &[("PATH", path)]));
    let reads = pieces[0].iter();
    let reads = reads.filter(|&&call| call == libc::SYS_pread64).count();
    assert!(reads < TENSORS / 2, "{reads} reads");
}

/// Each block of steps is one write and one extent for each tensor, whatever the number of steps in it.
#[test]
fn writes_grow_with_blocks_and_not_with_steps() {
    const NAME: &str = "writes_grow_with_blocks_and_not_with_steps";
    if is_child(NAME) {
        let (path, tensors, steps) = (setting("PATH"), setting("TENSORS"), setting("STEPS"));
        record(&path, tensors, steps);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (tensors, steps) in [(100, 600_u64), (100, 1200), (400, 300)] {
        let path = folder.path().join(format!("{tensors}_{steps}.h5"));
        let settings = [
            ("PATH", path.display().to_string()),
            ("TENSORS", tensors.to_string()),
            ("STEPS", steps.to_string()),
        ];
        let pieces = system_calls(&mut again(NAME, &settings));
        let [calls] = &pieces[..] else {
            panic!("{} pieces", pieces.len());
        };
        let count = |number: i64| calls.iter().filter(|&&call| call == number).count() as u64;
        let (writes, reserves) = (count(libc::SYS_pwrite64), count(libc::SYS_fallocate));
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.committed_steps(), steps);
        for tensor in [0, tensors / 2, tensors - 1] {
            let found = reader.tensor(&name(tensor)).unwrap();
            for step in [0, steps / 2, steps - 1] {
                let expected = [value(tensor, step); ELEMENTS];
                assert_eq!(found.read_step::<bf16>(step).unwrap(), expected);
            }
        }
        let again = folder.path().join(format!("{tensors}_{steps}_again.h5"));
        let block = record(&again, tensors, steps);
        let blocks = steps.div_ceil(block);
        println!(
            "{tensors} tensors, {steps} steps, {block} a block: {writes} writes, {reserves} reserved"
        );
        // A busy machine can have the writer take a block before it is full.
        let most = 2 * (blocks + 1) * tensors as u64 + 50;
        assert!(writes <= 2 * most, "{writes} writes, expected {most}");
        assert!(writes * 10 < steps * tensors as u64, "{writes} writes");
    }
}

/// A file that was truncated when it was empty is written to the disk by whoever closes it, on ext4: `finish`
/// of 1.5 GB in the page cache took 0.46 s in place of 5 ms.
#[test]
fn a_new_file_is_never_truncated() {
    const NAME: &str = "a_new_file_is_never_truncated";
    if is_child(NAME) {
        let path: PathBuf = setting("PATH");
        let builder = Recorder::create(&path).steps(3).tensor::<bf16>("W", [4]);
        let run = traced(|| builder.start().unwrap());
        traced(|| run.finish().unwrap());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.h5");
    let settings = [("PATH", path.display().to_string())];
    let pieces = system_calls(&mut again(NAME, &settings));
    let lengths = pieces.iter().map(|calls| {
        let set = |&&call: &&i64| call == libc::SYS_ftruncate;
        calls.iter().filter(set).count()
    });
    // The length that its addresses have is set once.
    assert_eq!(lengths.collect::<Vec<_>>(), [1, 0]);
}
