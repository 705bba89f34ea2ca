//! The protocol of compressed tensors, write by write.

use std::path::Path;
use std::sync::Arc;

use super::reserve::Scarce;
use super::{Change, Memory, apply, loss, made, open};
use crate::chunks::ChunkEncoder;
use crate::trajectory::TrajectoryFile;
use crate::{Compression, Dtype, Limits, ReadPattern, Reader, RunPlan, TensorSpec, bf16};

/// Elements of a step of `W`, which is in two chunks.
const ELEMENTS: usize = 512;

/// Every third step is noise, which is stored as it is; the others compress.
fn weights(step: u64, life: u64) -> Vec<u16> {
    let mut state = step * 1000 + life + 1;
    let noise = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 48) as u16
    });
    let mask = if step.is_multiple_of(3) {
        0xFFFF
    } else {
        0x01FF
    };
    noise.map(|noise| noise & mask).take(ELEMENTS).collect()
}

/// A file without steps: `W`, compressed, and `loss`, which is not.
fn empty_file(folder: &Path, steps: Option<u64>) -> Vec<u8> {
    let path = folder.join("run_1.h5");
    let specs = [
        TensorSpec::new("W", Dtype::Bf16, [2, ELEMENTS / 2]),
        TensorSpec::new("loss", Dtype::F32, []),
    ];
    let limits = Limits {
        chunk_target: 8,
        ..Limits::default()
    };
    let pattern = ReadPattern::default();
    let mut plan =
        RunPlan::new(&specs, steps, pattern, &limits, 0, None, Compression::Fast).unwrap();
    // Steps that are so small are not compressed, and only those of megabytes have two chunks.
    plan.tensors[0].compressed = true;
    plan.tensors[0].set_chunk_shape(&[1, 1, ELEMENTS as u64 / 2]);
    made(&path, &plan, |file| file.raise_end_of_file_for_block(2))
}

/// Writes steps as the writer does, up to the extents.
fn write(file: &mut TrajectoryFile, first: u64, steps: u64, life: u64) {
    let w: Vec<u16> = (first..first + steps)
        .flat_map(|step| weights(step, life))
        .collect();
    let losses: Vec<f32> = (first..first + steps).map(loss).collect();
    file.raise_end_of_file_for_block(2).unwrap();
    file.write_steps(1, first, steps, bytemuck::cast_slice(&losses))
        .unwrap();
    let packer = file.packer().unwrap();
    let mut encoder = ChunkEncoder::new(ELEMENTS);
    let chunks = file.cut_chunks(first, steps);
    let written = chunks.iter().map(|chunk| {
        let steps = bytemuck::cast_slice(&w);
        packer.pack(&mut encoder, chunk, steps).unwrap()
    });
    let written: Vec<_> = written.collect();
    file.add_chunks(steps, written);
    assert!(file.stage_chunks().unwrap());
    file.show_chunks().unwrap();
}

/// Records the steps from the committed ones up to `steps`, by one and two in turn; returns the
/// changes, with the steps committed before each.
fn record(memory: &Memory, steps: u64, life: u64) -> Vec<u64> {
    record_in(open(memory), memory, steps, life)
}

/// The same in `file`, which is that in `memory`.
fn record_in(mut file: TrajectoryFile, memory: &Memory, steps: u64, life: u64) -> Vec<u64> {
    file.set_extents(file.committed()).unwrap();
    let mut committed = Vec::new();
    let mut step = file.committed();
    let mut note = |count: usize, steps: u64| committed.resize(count, steps);
    note(memory.changes(), step);
    while step < steps {
        let count = (1 + step % 2).min(steps - step);
        write(&mut file, step, count, life);
        file.announce_commit(step + count).unwrap();
        file.set_extents(step + count).unwrap();
        note(memory.changes(), step);
        step += count;
    }
    file.finish().unwrap();
    note(memory.changes(), steps);
    committed
}

fn by_library(path: &Path) -> hdf5::Dataset {
    let file = hdf5::File::with_options()
        .with_fapl(|access| access.file_locking(false))
        .open(path);
    file.unwrap().dataset("W").unwrap()
}

/// The file opens by libhdf5 and by the recorder, with at least `least` steps, all of them intact:
/// those before `split` of the first life of the recorder, the others of the second.
fn check_image(image: &[u8], path: &Path, least: u64, split: u64, moment: &str) {
    std::fs::write(path, image).unwrap();
    let file = Reader::open(path).unwrap_or_else(|error| panic!("{moment}: {error}"));
    let committed = file.committed_steps();
    assert!(
        committed >= least,
        "{moment}: {committed} of {least} committed steps"
    );
    let expected: Vec<u16> = (0..committed)
        .flat_map(|step| weights(step, u64::from(step >= split)))
        .collect();
    let found = file.tensor("W").unwrap().read::<u16>().unwrap();
    assert!(found == expected, "{moment}: our reader");
    let found = by_library(path).read_raw::<u16>().unwrap();
    assert!(
        found.get(..expected.len()) == Some(&expected),
        "{moment}: libhdf5"
    );
    let found = file.tensor("loss").unwrap().read::<f32>().unwrap();
    let expected: Vec<f32> = (0..committed).map(loss).collect();
    assert_eq!(found, expected, "{moment}");
    let run = file.step_tensors();
    drop(file);
    let recorder = TrajectoryFile::open(path, Arc::new(Memory::new(image.to_vec())), false, &run);
    recorder.unwrap_or_else(|error| panic!("{moment}: {error}"));
}

/// Calls `check` before each change, in the middle of it, and after the last one.
pub(super) fn replay(base: &[u8], memory: &Memory, mut check: impl FnMut(&[u8], usize, &str)) {
    let changes = memory.0.lock().unwrap().1.clone();
    let mut image = base.to_vec();
    for (moment, change) in changes.iter().enumerate() {
        check(&image, moment, &format!("before change {moment}"));
        if let Change::Write(offset, bytes) = change
            && bytes.len() > 8
        {
            let half = bytes[..bytes.len() / 2].to_vec();
            let mut torn = image.clone();
            apply(&mut torn, &Change::Write(*offset, half));
            check(&torn, moment, &format!("in the middle of change {moment}"));
        }
        apply(&mut image, change);
    }
    check(&image, changes.len(), "at the end");
}

/// A node of the index has 64 children: so it gets a second leaf, and a root above both.
#[test]
fn every_moment_of_a_compressed_run_is_a_valid_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image_1.h5");
    for steps in [Some(36), None] {
        let base = empty_file(folder.path(), steps);
        let memory = Memory::new(base.clone());
        let committed = record(&memory, 36, 0);
        let mut looked = 0;
        replay(&base, &memory, |image, moment, what| {
            let least = committed.get(moment).copied().unwrap_or(36);
            check_image(image, &path, least, u64::MAX, what);
            looked += 1;
        });
        assert!(looked > 300, "{looked} moments");
    }
}

/// A recorder that was killed leaves chunks in the index that no extent uncovers. The next one gives
/// them other places, at each moment of which the committed steps are those of before.
#[test]
fn every_moment_of_a_resumed_compressed_run_is_a_valid_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image_1.h5");
    let memory = Memory::new(empty_file(folder.path(), None));
    let mut file = open(&memory);
    write(&mut file, 0, 2, 0);
    write(&mut file, 2, 2, 0);
    file.set_extents(4).unwrap();
    write(&mut file, 4, 2, 0);
    drop(file);
    let base = memory.image();
    let memory = Memory::new(base.clone());
    let committed = record(&memory, 8, 1);
    replay(&base, &memory, |image, moment, what| {
        let least = committed.get(moment).copied().unwrap_or(8);
        check_image(image, &path, least, 4, what);
    });
    // Both kinds of chunks were among them, and each went through the filters.
    let dataset = by_library(&path);
    let chunks: Vec<_> = (0..16)
        .map(|chunk| dataset.chunk_info(chunk).unwrap())
        .collect();
    assert!(chunks.iter().all(|chunk| chunk.filter_mask == 0));
    let is_longer = |longer| chunks.iter().any(|c| (c.size > ELEMENTS as u64) == longer);
    assert!(is_longer(true) && is_longer(false), "{chunks:?}");
    let file = Reader::open(&path).unwrap();
    assert_eq!(
        file.tensor("W").unwrap().read_step::<bf16>(7).unwrap(),
        weights(7, 1)
            .into_iter()
            .map(bf16::from_bits)
            .collect::<Vec<_>>()
    );
}

/// A compressed run that goes back has chunks of the steps that it gave up in its index. They get other
/// places when these steps are recorded anew, and no moment mixes the two.
#[test]
fn every_moment_of_a_compressed_run_that_went_back_is_a_valid_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image_1.h5");
    let memory = Memory::new(empty_file(folder.path(), None));
    record(&memory, 12, 0);
    let base = memory.image();
    let memory = Memory::new(base.clone());
    let mut file = open(&memory);
    file.set_state(crate::RunState::Recording).unwrap();
    let before = memory.changes();
    file.go_back(5).unwrap();
    let back = memory.changes();
    let committed = record_in(file, &memory, 14, 1);
    let mut went_back = false;
    replay(&base, &memory, |image, moment, what| {
        let steps = Reader::open({
            std::fs::write(&path, image).unwrap();
            &path
        })
        .unwrap()
        .committed_steps();
        went_back |= steps == 5;
        let (least, split) = match went_back {
            false => (12, 12),
            true => (committed.get(moment).copied().unwrap_or(14).max(5), 5),
        };
        assert!(moment <= back || went_back, "{what}");
        check_image(image, &path, least.min(steps), split, what);
        assert!(
            steps >= if moment > back { least } else { 5 },
            "{what}: {steps}"
        );
    });
    assert!(before < back && went_back);
}

#[test]
fn steps_are_kept_whenever_reserving_ends() {
    const STEPS: u64 = 500;
    let folder = tempfile::tempdir().unwrap();
    let base = empty_file(folder.path(), Some(STEPS));
    let path = folder.path().join("image_1.h5");
    for times in 0..8 {
        let memory = Memory::new(base.clone());
        record_in(Scarce::open(&memory, times), &memory, STEPS, 0);
        let moment = format!("reserved {times} times");
        check_image(&memory.image(), &path, STEPS, STEPS, &moment);
    }
}
