//! What the binding's safe interface does not have, one concept in each file: every call of libhdf5
//! that needs `unsafe` is below this module.

mod attribute;
mod dataset;
mod datatype;
mod object;

pub(crate) use attribute::{attribute_names, open_attribute, read_attribute, read_texts};
pub(crate) use dataset::read_raw;
pub(crate) use datatype::{Bits, Fields, Float, Order, Padding, StoredType, describe};
pub(crate) use object::object_address;
