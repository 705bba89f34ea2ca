//! `recover` of a trajectory: whatever somebody has changed in a file of any format, it does what it had
//! planned, once, and takes back no committed step; or it refuses the file and leaves it as it is.
//!
//! The first byte chooses a golden file, and each two after it one decision of what is changed.

#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../../crates/selvedge-hdf5/tests/common/damage.rs"]
mod damage;

use damage::{COMPRESSED, COMPRESSED_KILLED, FINISHED, KILLED};

struct Base {
    image: Vec<u8>,
    places: Vec<usize>,
}

static BASES: LazyLock<Vec<Base>> = LazyLock::new(|| {
    let golden = [&KILLED[..], &COMPRESSED_KILLED, &FINISHED, &COMPRESSED].concat();
    let base = |(_, bytes): &(_, &[u8])| {
        let image = damage::without_room(bytes);
        let places = damage::structure(&image);
        Base { image, places }
    };
    golden.iter().map(base).collect()
});

/// A file in memory, where there is such a folder. What fails leaves it there.
static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory } else { Path::new("/tmp") };
    folder.join(format!("selvedge-fuzz-recover-{}.h5", std::process::id()))
});

fuzz_target!(|data: &[u8]| {
    let Some((&first, decisions)) = data.split_first() else {
        return;
    };
    let base = &BASES[usize::from(first) % BASES.len()];
    let mut pairs = decisions.chunks(2);
    let decide = |bound: usize| {
        let decision = pairs.next().unwrap_or(&[0]);
        decision.iter().rev().fold(0, |all, &byte| all << 8 | usize::from(byte)) % bound
    };
    let image = match decisions {
        [] => base.image.clone(),
        _ => damage::damaged(&base.image, &base.places, decide),
    };
    fs::write(&*PATH, &image).expect("there is memory");
    let _ = damage::recover_damaged(&PATH);
    let _ = fs::remove_file(&*PATH);
});
