//! Chunks as they are stored, and the filters that they went through.

use std::ffi::c_uint;
use std::ptr::null_mut;

use hdf5::dataset::DatasetCreate;
use hdf5::sync::sync;
use hdf5::{Dataset, h5check};
use hdf5_sys::h5d::H5Dread_chunk2;
use hdf5_sys::h5p::{H5P_DEFAULT, H5Pget_filter_by_id2};

/// Words of a filter that are asked for.
const WORDS: usize = 8;

#[cfg(test)]
thread_local! {
    /// How many chunks were looked up.
    pub(crate) static LOOKED_UP: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The bytes that a chunk is stored in, and a bit for each filter that it did not go through; `None` of one
/// that the file does not have, or whose place cannot be looked up. `offset` is that of its first element.
pub(crate) fn stored_chunk(dataset: &Dataset, offset: &[u64]) -> Option<(usize, u32)> {
    if offset.len() != dataset.ndim() {
        return None;
    }
    #[cfg(test)]
    LOOKED_UP.set(LOOKED_UP.get() + 1);
    let (mut mask, mut bytes) = (0, 0);
    // `H5Dget_chunk_info_by_coord` goes through the whole index for one chunk, and takes another where a later
    // axis grows. A read into no buffer looks it up.
    let found = sync(|| {
        // SAFETY: the identifier is that of `dataset`, which is alive, there is an index for each of its
        // axes, nothing is read, and the other pointers are to local variables.
        h5check(unsafe {
            H5Dread_chunk2(
                dataset.id(),
                H5P_DEFAULT,
                offset.as_ptr(),
                &raw mut mask,
                null_mut(),
                &raw mut bytes,
            )
        })
    });
    found.is_ok().then_some((bytes, mask))
}

/// Reads a chunk as it is stored, in exactly as many bytes as `into` has.
pub(crate) fn read_stored_chunk(
    dataset: &Dataset,
    offset: &[u64],
    into: &mut [u8],
) -> hdf5::Result<()> {
    if offset.len() != dataset.ndim() {
        return Err("a chunk of another number of axes".into());
    }
    let (mut mask, mut room) = (0, into.len());
    sync(|| {
        // SAFETY: the identifier is that of `dataset`, which is alive, there is an index for each of its
        // axes, there is the room that is told, and the other pointers are to local variables.
        h5check(unsafe {
            H5Dread_chunk2(
                dataset.id(),
                H5P_DEFAULT,
                offset.as_ptr(),
                &raw mut mask,
                into.as_mut_ptr().cast(),
                &raw mut room,
            )
        })
    })?;
    match room == into.len() {
        true => Ok(()),
        false => Err("the chunk has changed meanwhile".into()),
    }
}

/// The words that a plan has for the filter with this number.
pub(crate) fn filter_words(plan: &DatasetCreate, id: i32) -> hdf5::Result<Vec<u32>> {
    let (mut flags, mut count) = (0, WORDS);
    let mut words: [c_uint; WORDS] = [0; WORDS];
    sync(|| {
        // SAFETY: the identifier is that of `plan`, which is alive, there is room for so many words, no name
        // is asked for, and the other pointers are to local variables.
        h5check(unsafe {
            H5Pget_filter_by_id2(
                plan.id(),
                id,
                &raw mut flags,
                &raw mut count,
                words.as_mut_ptr(),
                0,
                null_mut(),
                null_mut(),
            )
        })
    })?;
    Ok(words[..count.min(WORDS)].to_vec())
}
