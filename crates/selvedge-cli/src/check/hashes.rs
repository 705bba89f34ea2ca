//! Hashes of whole files, of those that can be the same: files of one size.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use selvedge_base::{Mutex, open_regular};
use selvedge_conventions::TreeFile;
use sha2::{Digest as _, Sha256};

use super::threads;
use crate::progress::Progress;

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;

/// Fills in the hashes of the tensor files, `files`, at the same places of `paths`.
pub(super) fn fill(files: &mut [TreeFile], paths: &[&Path]) {
    let mut sizes: HashMap<u64, usize> = HashMap::new();
    for file in &*files {
        *sizes.entry(file.bytes).or_default() += 1;
    }
    // Two empty files are the same without being copies.
    let candidates: Vec<usize> = (0..files.len())
        .filter(|&index| files[index].bytes > 0 && sizes[&files[index].bytes] > 1)
        .collect();
    let next = AtomicUsize::new(0);
    let hashes = Mutex::new(Vec::new());
    let bytes = candidates.iter().map(|&index| files[index].bytes).sum();
    let progress = Mutex::new(Progress::new(bytes));
    thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                while let Some(&index) = candidates.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // What cannot be read is told when it is checked.
                    if let Ok(hash) = hash(paths[index], files[index].bytes, &progress) {
                        hashes.lock().push((index, hash));
                    }
                }
            });
        }
    });
    progress.into_inner().finish();
    for (index, hash) in hashes.into_inner() {
        files[index].content_hash = Some(hash);
    }
}

/// The hash of the first `bytes` bytes, which were all that the file had.
fn hash(path: &Path, bytes: u64, progress: &Mutex<Progress>) -> io::Result<String> {
    let mut file = open_regular(path)?.take(bytes);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BLOCK];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{:x}", hasher.finalize())),
            count => {
                hasher.update(&buffer[..count]);
                progress.lock().add("", count as u64);
            }
        }
    }
}
