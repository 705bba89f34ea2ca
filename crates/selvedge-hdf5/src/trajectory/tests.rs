//! The protocol, write by write: on images of the file as a kill at each moment leaves it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use selvedge_base::Partial;

use super::TrajectoryFile;
use crate::branches::Branches;
use crate::create::{Contents, create};
use crate::run::StepTensors;
use crate::storage::{ReadAt, Status, Storage};
use crate::write_back::WriteBack;
use crate::{Compression, Dtype, Limits, ReadPattern, Reader, RunPlan, TensorSpec, bf16};

/// One change of a file.
#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

/// A file in memory that notes every change.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<(Vec<u8>, Vec<Change>)>>);

impl Memory {
    fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new((bytes, Vec::new()))))
    }

    fn image(&self) -> Vec<u8> {
        self.0.lock().unwrap().0.clone()
    }

    fn changes(&self) -> usize {
        self.0.lock().unwrap().1.len()
    }
}

fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, bytes) => {
            let start = usize::try_from(*offset).unwrap();
            image.resize(image.len().max(start + bytes.len()), 0);
            image[start..start + bytes.len()].copy_from_slice(bytes);
        }
        Change::SetLen(len) => image.resize(usize::try_from(*len).unwrap(), 0),
    }
}

impl ReadAt for Memory {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let image = &self.0.lock().unwrap().0;
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start
            .checked_add(buffer.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(image.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Storage for Memory {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        let change = Change::Write(offset, bytes.to_vec());
        apply(&mut inner.0, &change);
        inner.1.push(change);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        let change = Change::SetLen(len);
        apply(&mut inner.0, &change);
        inner.1.push(change);
        Ok(())
    }

    fn status(&self) -> io::Result<Status> {
        Ok(Status {
            len: self.0.lock().unwrap().0.len() as u64,
            links: 1,
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn release(&self, offset: u64, len: u64) -> io::Result<()> {
        self.write_all_at(&vec![0; usize::try_from(len).unwrap()], offset)
    }
}

/// An open-ended file without steps: `W` with one step of `[2, 3]` in two chunks, and `loss` with
/// two steps in a chunk.
fn empty_file(folder: &Path) -> Vec<u8> {
    file_of(folder, None)
}

/// The same, of a run of so many planned steps.
fn file_of(folder: &Path, steps: Option<u64>) -> Vec<u8> {
    let path = folder.join("run_1.h5");
    let specs = [
        TensorSpec::new("W", Dtype::Bf16, [2, 3]),
        TensorSpec::new("loss", Dtype::F32, []),
    ];
    let limits = Limits {
        chunk_target: 8,
        ..Limits::default()
    };
    let mut plan = RunPlan::new(
        &specs,
        steps,
        ReadPattern::default(),
        &limits,
        0,
        None,
        Compression::None,
    )
    .unwrap();
    // Only steps of gigabytes are planned like this.
    plan.tensors[0].chunk_shape = vec![1, 1, 3];
    plan.tensors[0].chunk_bytes = 6;
    plan.tensors[0].chunks_per_step = 2;
    made(&path, &plan, |_| Ok(()))
}

/// The file of `plan` as a recorder begins with it, after what else is to be `announced`.
fn made(
    path: &Path,
    plan: &RunPlan,
    announced: impl FnOnce(&mut TrajectoryFile) -> Result<(), crate::StorageError>,
) -> Vec<u8> {
    let contents = Contents {
        steps: plan.steps,
        run: None,
        tensors: &plan.tensors,
        constants: &[],
        attributes: &[Branches::NONE.attribute()],
        tensor_attributes: &[],
    };
    let partial = Partial::create(path, true).unwrap();
    let file = Arc::new(WriteBack::over(partial.file()).unwrap());
    create(&file, path, &contents).unwrap();
    file.flush().unwrap();
    let memory = Memory::new(std::fs::read(partial.path()).unwrap());
    let mut file = open(&memory);
    file.check_plan(&plan.tensors).unwrap();
    file.set_extents(0).unwrap();
    file.announce_commit(0).unwrap();
    file.raise_end_of_file_for_row().unwrap();
    announced(&mut file).unwrap();
    memory.image()
}

fn open(memory: &Memory) -> TrajectoryFile {
    open_as(memory, memory.clone(), true)
}

/// The file in `memory` by way of `storage`, with the step tensors that a reader finds in it.
fn open_as(memory: &Memory, storage: impl Storage + 'static, durable: bool) -> TrajectoryFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory");
    std::fs::write(&path, memory.image()).unwrap();
    let run = Reader::open(&path).unwrap().step_tensors();
    TrajectoryFile::open(&path, Arc::new(storage), durable, &run).unwrap()
}

fn weights(step: u64) -> [u16; 6] {
    std::array::from_fn(|index| u16::try_from((step * 10 + index as u64 + 1) % (1 << 16)).unwrap())
}

fn loss(step: u64) -> f32 {
    f32::from(u16::try_from(step + 1).unwrap())
}

/// Records from the committed steps up to `steps` of them; returns the changes, with the steps committed
/// before each.
fn record(memory: &Memory, steps: u64) -> Vec<u64> {
    let mut file = open(memory);
    let mut committed = Vec::new();
    let mut note = |count: usize, steps: u64| committed.resize(count, steps);
    write(&mut file, steps, |step| note(memory.changes(), step));
    file.finish().unwrap();
    note(memory.changes(), steps);
    committed
}

/// Commits one step after the other, up to `steps` of them, and tells after each which it was.
fn write(file: &mut TrajectoryFile, steps: u64, mut committed: impl FnMut(u64)) {
    for step in file.committed()..steps {
        file.write_steps(0, step, 1, bytemuck::cast_slice(&weights(step)))
            .unwrap();
        file.write_steps(1, step, 1, bytemuck::cast_slice(&[loss(step)]))
            .unwrap();
        file.announce_commit(step + 1).unwrap();
        file.set_extents(step + 1).unwrap();
        committed(step);
    }
}

/// The file opens by libhdf5 and by the recorder, with at least `least` steps, all of them intact.
fn check_image(image: &[u8], path: &Path, least: u64, moment: &str) {
    std::fs::write(path, image).unwrap();
    let file = Reader::open(path).unwrap_or_else(|error| panic!("{moment}: {error}"));
    let committed = file.committed_steps();
    assert!(
        committed >= least,
        "{moment}: {committed} of {least} committed steps"
    );
    let found = file.tensor("W").unwrap().read::<u16>().unwrap();
    let expected: Vec<u16> = (0..committed).flat_map(weights).collect();
    assert_eq!(found, expected, "{moment}");
    let found = file.tensor("loss").unwrap().read::<f32>().unwrap();
    let expected: Vec<f32> = (0..committed).map(loss).collect();
    assert_eq!(found, expected, "{moment}");
    let run = file.step_tensors();
    drop(file);
    let recorder = TrajectoryFile::open(path, Arc::new(Memory::new(image.to_vec())), false, &run);
    recorder.unwrap_or_else(|error| panic!("{moment}: {error}"));
    // What is ahead is so by a commit that the file tells of, and by nothing else.
    assert_eq!(run.changed_by_others().count(), 0, "{moment}");
}

/// Every prefix of the writes of a run whose chunk index grows to three levels in part, and each
/// write torn in half. Reading everything at every moment costs the square of the steps: so all
/// moments around a split of an index node are looked at, and of the others every 7th.
#[test]
fn every_moment_of_a_growing_run_is_a_valid_file() {
    let folder = tempfile::tempdir().unwrap();
    let base = empty_file(folder.path());
    let memory = Memory::new(base.clone());
    let committed = record(&memory, 150);
    let changes = memory.0.lock().unwrap().1.clone();
    let path = folder.path().join("image_1.h5");
    let mut image = base;
    let mut looked = 0;
    for (moment, change) in changes.iter().enumerate() {
        let splits = changes[moment.saturating_sub(6)..(moment + 6).min(changes.len())]
            .iter()
            .any(|near| matches!(near, Change::Write(_, bytes) if bytes.starts_with(b"TREE")));
        // … and those of `finish`.
        if splits || moment % 7 == 0 || moment + 6 > changes.len() {
            let least = committed[moment];
            check_image(&image, &path, least, &format!("before change {moment}"));
            if let Change::Write(offset, bytes) = change
                && bytes.len() > 8
            {
                let mut torn = image.clone();
                apply(
                    &mut torn,
                    &Change::Write(*offset, bytes[..bytes.len() / 2].to_vec()),
                );
                check_image(
                    &torn,
                    &path,
                    least,
                    &format!("in the middle of change {moment}"),
                );
            }
            looked += 1;
        }
        apply(&mut image, change);
    }
    check_image(&image, &path, 150, "at the end");
    assert!(looked > 300, "{looked} moments");
}

/// A run that ended before its planned steps left chunks in its indexes that no step was in, which VirtualiZarr took for
/// parts of the array.
#[test]
fn every_moment_of_an_early_end_is_a_valid_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image_1.h5");
    for (planned, steps, moments) in [(150, 70, true), (150, 1, true), (400, 257, false)] {
        let memory = Memory::new(file_of(folder.path(), Some(planned)));
        let mut file = open(&memory);
        write(&mut file, steps, |_| {});
        let base = memory.image();
        let memory = Memory::new(base.clone());
        open(&memory).finish().unwrap();
        if moments {
            packed::replay(&base, &memory, |image, _, moment| {
                check_image(image, &path, steps, moment);
            });
        }
        let file = open(&memory);
        let chunks = [0, 1].map(|nth: usize| file.tensors[nth].chunks().len() as u64);
        assert_eq!(chunks, [2 * steps, steps.div_ceil(2)]);
        // It goes on in new chunks.
        record(&memory, planned);
        check_image(&memory.image(), &path, planned, "after going on");
    }
}

#[test]
fn an_index_grows_to_three_levels() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(empty_file(folder.path()));
    // Two chunks a step, 64 children of a node: the third level comes after 4,096 chunks.
    record(&memory, 2_200);
    let image = memory.image();
    check_image(
        &image,
        &folder.path().join("image_1.h5"),
        2_200,
        "at the end",
    );
}

proptest! {
    /// Whatever the bytes that are parsed here say, the answer is a file or an error.
    #[test]
    fn a_damaged_file_is_an_error(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        static GROWN: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let grown = GROWN.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let memory = Memory::new(empty_file(folder.path()));
            record(&memory, 70);
            memory.image()
        });
        let mut image = grown.clone();
        for (at, byte) in damage {
            // The structures lie in the first pages; the rest is mostly data.
            let range = if byte % 4 == 0 { image.len() } else { image.len().min(8192) };
            let at = at.index(range);
            image[at] = byte;
        }
        if let Some(cut) = cut {
            image.truncate(cut.index(image.len()));
        }
        let path = Path::new("memory");
        let run = StepTensors::new(["W", "loss"], 70);
        if let Ok(file) = TrajectoryFile::open(path, Arc::new(Memory::new(image)), false, &run) {
            file.committed();
        }
    }
}

/// The ranks of a run that are ahead of the others go back: at each moment the file has the steps that it
/// had, or those that it goes back to, and says of no step that it is another program's.
#[test]
fn every_moment_of_going_back_is_a_valid_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image_1.h5");
    let memory = Memory::new(empty_file(folder.path()));
    record(&memory, 40);
    let base = memory.image();
    let memory = Memory::new(base.clone());
    let mut file = open(&memory);
    file.set_state(crate::RunState::Recording).unwrap();
    file.go_back(17).unwrap();
    assert_eq!((file.committed(), file.tensors[0].extent), (17, 17));
    drop(file);
    let mut seen = Vec::new();
    packed::replay(&base, &memory, |image, _, moment| {
        check_image(image, &path, 17, moment);
        let file = Reader::open(&path).unwrap();
        let of_others = file
            .notes()
            .iter()
            .any(|note| matches!(note, crate::Note::Appended { .. }));
        assert!(!of_others, "{moment}: {:?}", file.notes());
        // Before a step is given up the file says so of all that end after it, and of no others.
        let is_branch = [17, 18, 40].map(|steps| file.branch(steps) != file.branch(0));
        assert_eq!(
            (is_branch[0], is_branch[1]),
            (false, is_branch[2]),
            "{moment}"
        );
        seen.push((file.committed_steps(), is_branch[1]));
    });
    seen.dedup();
    assert_eq!(seen, [(40, false), (40, true), (17, true)]);
    record(&memory, 60);
    check_image(&memory.image(), &path, 60, "after going on");
}

mod packed;
mod reserve;

#[test]
fn bf16_is_the_bits_of_the_file() {
    // `weights` are the bits; the reader gives the same as `bf16`.
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(empty_file(folder.path()));
    record(&memory, 3);
    let path = folder.path().join("image_1.h5");
    std::fs::write(&path, memory.image()).unwrap();
    let file = Reader::open(&path).unwrap();
    let values = file.tensor("W").unwrap().read_step::<bf16>(2).unwrap();
    assert_eq!(values, weights(2).map(bf16::from_bits));
}
