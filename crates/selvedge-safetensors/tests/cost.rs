//! What a read costs besides the bytes: counted in system calls and allocations.
//!
//! Every read once asked the system how many processors there are, which opens and reads the files of
//! the control group: 18 calls, 22 of the 24 µs that a small tensor took. A file of 10,000 small
//! tensors was slower than Python's `load_file`, and no test saw it, because none counted.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::path::Path;

use selvedge_safetensors::{Mapped, Reader, Save, bf16};
use selvedge_testing::{again, allocations, is_child, setting, system_calls, traced};

#[global_allocator]
static COUNTED: selvedge_testing::Counted = selvedge_testing::Counted;

/// Elements of a small tensor.
const LEN: usize = 64;

fn name(number: usize) -> String {
    format!("model.layers.{number:05}.norm.weight")
}

/// A file of `count` small tensors, the last by name first.
fn many(path: &Path, count: usize) {
    let names: Vec<String> = (0..count).rev().map(name).collect();
    let values = [bf16::ONE; LEN];
    let save = names.iter().fold(Save::new(path), |save, name| {
        save.tensor(name, [LEN], &values)
    });
    save.sync(false).write().unwrap();
}

#[test]
fn a_small_tensor_costs_one_system_call() {
    const NAME: &str = "a_small_tensor_costs_one_system_call";
    if is_child(NAME) {
        let path: String = setting("PATH");
        let mut buffer = [bf16::ZERO; LEN];
        let file = Reader::open(&path).unwrap();
        file.tensor(&name(0))
            .unwrap()
            .read_into(&mut buffer)
            .unwrap();
        traced(|| {
            let tensor = file.tensor(&name(700)).unwrap();
            tensor.read_into(&mut buffer).unwrap();
        });
        traced(|| {
            let tensor = file.tensor(&name(7)).unwrap();
            tensor.read_rows_into(3..5, &mut buffer[..2]).unwrap();
        });
        // SAFETY: nobody writes into the file.
        let file = unsafe { Mapped::open(&path).unwrap() };
        traced(|| {
            let tensor = file.tensor(&name(7)).unwrap();
            assert_eq!(tensor.as_slice::<bf16>().unwrap().len(), LEN);
        });
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.safetensors");
    many(&path, 1000);
    let mut child = again(NAME, &[("PATH", path.display().to_string())]);
    let pieces = system_calls(&mut child);
    let read = vec![libc::SYS_pread64];
    assert_eq!(pieces, [read.clone(), read, Vec::new()]);
}

#[test]
fn memory_is_asked_for_once_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.safetensors");
    many(&path, 1000);
    let file = Reader::open(&path).unwrap();
    let (wanted, mut buffer) = (name(700), [bf16::ZERO; LEN]);
    let (read, count) = allocations(|| file.tensor(&wanted).unwrap().read::<bf16>());
    assert!(read.unwrap() == [bf16::ONE; LEN]);
    assert_eq!(count, 1, "the values");
    let (read, count) = allocations(|| file.tensor(&wanted).unwrap().read_into(&mut buffer));
    read.unwrap();
    assert_eq!(count, 0, "the buffer is there");
    // SAFETY: nobody writes into the file.
    let file = unsafe { Mapped::open(&path).unwrap() };
    let (view, count) = allocations(|| {
        let tensor = file.tensor(&wanted).unwrap();
        tensor.as_slice::<bf16>().unwrap().len()
    });
    assert_eq!(view, LEN);
    assert_eq!(count, 0, "a view");
}

#[test]
fn opening_takes_as_much_for_each_tensor_of_a_large_file() {
    let folder = tempfile::tempdir().unwrap();
    let per_tensor = [8_000, 40_000].map(|tensors| {
        let path = folder.path().join(format!("{tensors}.safetensors"));
        many(&path, tensors);
        let (file, count) = allocations(|| Reader::open(&path).unwrap());
        assert_eq!(file.tensors().len(), tensors);
        count as f64 / tensors as f64
    });
    let [few, many] = per_tensor;
    assert!(
        many <= few,
        "{few} allocations for each of 8,000 tensors, {many} for each of 40,000"
    );
}
