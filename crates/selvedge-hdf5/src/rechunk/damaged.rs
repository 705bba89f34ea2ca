//! Which tensors of the input are damaged.

use selvedge_base::{Chain, Mutex, pool};

use super::members::LeftOut;
use crate::bulk::{self, Buffer, Walk};
use crate::reader::Reader;
use crate::{ReadError, StorageError};

/// Reads all tensors, and returns the names of those that are [damaged](ReadError::is_damage), each with the
/// reason that its first row has.
pub(super) fn find_damaged(input: &Reader, memory: u64) -> Result<LeftOut, ReadError> {
    let memory = bulk::buffer_memory(memory);
    let (mut walks, mut tasks) = (Vec::new(), Vec::new());
    for (nth, tensor) in input.tensors().iter().enumerate() {
        let walk = Walk::new([tensor], memory, 1)?;
        tasks.extend(walk.tasks(tensor.rows(), 1).map(|rows| (nth, rows)));
        walks.push(walk);
    }
    let largest = walks.iter().map(Walk::piece_bytes).max().unwrap_or(0);
    let thread = walks.iter().map(|walk| walk.thread_bytes(1)).max();
    let threads = bulk::threads(memory, thread.unwrap_or(0)).max(1);
    let buffer = || {
        let refused = || StorageError::no_memory(input.path(), "allocate memory to read");
        Ok(Buffer::new(largest).ok_or_else(refused)?)
    };
    // The row of the first damage of each tensor, and what it is.
    let found: Vec<Mutex<Option<(u64, String)>>> = walks.iter().map(|_| Mutex::default()).collect();
    pool::each_with(threads, &tasks, buffer, |buffer, (nth, rows)| {
        let tensor = &input.tensors()[*nth];
        for piece in walks[*nth].pieces(rows.clone()) {
            let row = piece.rows.start;
            let known = found[*nth]
                .lock()
                .as_ref()
                .is_some_and(|(first, _)| *first <= row);
            if known {
                break;
            }
            match piece.read(tensor, buffer.get(piece.len)) {
                Err(error) if error.is_damage() => {
                    let mut found = found[*nth].lock();
                    if found.as_ref().is_none_or(|(first, _)| row < *first) {
                        *found = Some((row, Chain(&error).to_string()));
                    }
                }
                other => other?,
            }
        }
        Ok::<(), ReadError>(())
    })?;
    let names = input
        .tensors()
        .iter()
        .map(|tensor| tensor.name().to_owned());
    let found = names.zip(found.into_iter().map(Mutex::into_inner));
    Ok(found
        .filter_map(|(name, found)| Some((name, found?.1)))
        .collect())
}
