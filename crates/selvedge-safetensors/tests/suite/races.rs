//! A file that is replaced while it is opened: each reader sees the one or the other, and never both.
//!
//! `SELVEDGE_OPENS` sets the number of opens, which is small here for the sake of time.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use selvedge_safetensors::{Mapped, Reader, Save};

use crate::common::new_path;

const ELEMENTS: usize = 1000;

/// How often a file is opened, where `usual` is enough.
fn opens(usual: u64) -> u64 {
    let asked = std::env::var("SELVEDGE_OPENS").ok();
    asked.map_or(usual, |asked| asked.parse().expect("a number"))
}

/// Saves a file of which all values are `value`, over what is there.
fn save(path: &Path, value: u32) {
    let values = vec![value; ELEMENTS];
    Save::new(path)
        .overwrite(true)
        .sync(false)
        .parameter("value", value)
        .tensor("W", [ELEMENTS], &values)
        .tensor("V", [ELEMENTS], &values)
        .write()
        .unwrap();
}

/// The values of a file: of its metadata and its tensors, each once.
fn seen(header: &selvedge_safetensors::Header, tensors: [&[u32]; 2]) -> Vec<u32> {
    let parameter = &header.provenance().parameters["value"];
    let mut seen: Vec<u32> = tensors.concat();
    assert_eq!(seen.len(), 2 * ELEMENTS);
    seen.push(parameter.parse().unwrap());
    seen.sort_unstable();
    seen.dedup();
    seen
}

fn read(path: &Path) -> Vec<u32> {
    let file = Reader::open(path).unwrap();
    let tensor = |name| file.tensor(name).unwrap().read::<u32>().unwrap();
    seen(file.header(), [&tensor("W"), &tensor("V")])
}

fn map(path: &Path) -> Vec<u32> {
    // SAFETY: nobody writes into the file; a save replaces it by a rename.
    let file = unsafe { Mapped::open(path) }.unwrap();
    let tensor = |name| file.tensor(name).unwrap().as_slice::<u32>().unwrap();
    let gathered: Vec<u32> = file.tensor("W").unwrap().gather(&[3, 7]).unwrap();
    let [w, v] = ["W", "V"].map(tensor);
    let mut all = seen(file.header(), [w, v]);
    all.extend(gathered);
    all.sort_unstable();
    all.dedup();
    all
}

fn never_mixed(look: fn(&Path) -> Vec<u32>) {
    let (_folder, path) = new_path();
    save(&path, 1);
    let done = AtomicBool::new(false);
    let found = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                save(&path, 2);
                save(&path, 1);
            }
        });
        let count = opens(20_000);
        let found: Vec<Vec<u32>> = (0..count).map(|_| look(&path)).collect();
        done.store(true, Ordering::Relaxed);
        found
    });
    let of = |wanted: &[u32]| found.iter().filter(|values| *values == wanted).count();
    let both = [of(&[1]), of(&[2])];
    println!("{} opens: {both:?}", found.len());
    assert_eq!(both.iter().sum::<usize>(), found.len(), "a mixed file");
    assert!(both.iter().all(|&count| count > 0), "{both:?}: no race");
}

#[test]
fn a_file_that_is_saved_over_is_never_mixed_with_the_next() {
    never_mixed(read);
}

#[test]
fn a_map_of_a_file_that_is_saved_over_is_never_mixed_with_the_next() {
    never_mixed(map);
}
