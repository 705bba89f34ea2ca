//! What the binding's safe interface does not have, one concept in each file: every call of libhdf5
//! that needs `unsafe` is below this module.

mod attribute;
mod chunk;
mod dataset;
mod datatype;
mod driver;
mod file;
mod filter;
mod links;
mod object;
mod sources;
mod usable;

pub(crate) use attribute::{
    ScalarAttributes, attribute_names, has_attribute, open_attribute, read_attribute,
    read_references, read_texts, write_terminated,
};
#[cfg(test)]
pub(crate) use chunk::LOOKED_UP;
pub(crate) use chunk::{filter_words, read_stored_chunk, stored_chunk};
pub(crate) use dataset::{DatasetKind, read_raw};
pub(crate) use datatype::{Bits, Fields, Float, Order, Padding, StoredType, describe};
pub(crate) use file::{Mode, file_name, make, open_given, open_held};
pub(crate) use filter::{is_filter_available, load_plugins, plugin_advice};
pub(crate) use links::{Link, LinkTarget, Object, links, open_link, open_object, open_with_cache};
pub(crate) use object::{Token, collect_garbage, object_info, open_dataset};
pub(crate) use sources::{
    ExternalFile, Mapping, Needed, external_files, fill_value, has_overlap_and_gap, is_virtual,
    mappings_of, virtual_mappings,
};
pub(crate) use usable::{check_usable, is_usable};

use hdf5::sync::sync;

/// Calls a function of libhdf5 that fills a buffer with text and returns its length: once for the
/// length, and once for the text.
fn text_of(call: impl Fn(*mut std::ffi::c_char, usize) -> isize) -> hdf5::Result<Vec<u8>> {
    sync(|| {
        let length = hdf5::h5check(call(std::ptr::null_mut(), 0))?;
        // One more for the zero byte at the end.
        let mut bytes = vec![0_u8; length.unsigned_abs() + 1];
        let found = hdf5::h5check(call(bytes.as_mut_ptr().cast(), bytes.len()))?;
        bytes.truncate(found.unsigned_abs().min(bytes.len() - 1));
        Ok(bytes)
    })
}
