//! The dtype of a dataset: from its stored type and its marker.

use hdf5::types::{FloatSize, IntSize, TypeDescriptor};
use hdf5::{Dataset, Dataspace, Datatype};

use crate::Dtype;
use crate::ffi::{FloatBits, float_bits};
use crate::provenance::LOGICAL_DTYPE;

const BF16: FloatBits = FloatBits {
    exponent: 8,
    mantissa: 7,
};
const F16: FloatBits = FloatBits {
    exponent: 5,
    mantissa: 10,
};

/// What a dataset holds.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    /// A dtype; `in_place` tells whether the file's bytes are those of memory, and `in_file` is the
    /// type that they have there.
    Known {
        dtype: Dtype,
        in_place: bool,
        in_file: String,
    },
    /// Something that is not read, and what to do about it.
    Other { name: String, hint: &'static str },
}

pub(super) fn detect(dataset: &Dataset, space: &Dataspace) -> Stored {
    if space.is_null() {
        return Stored::Other {
            name: "no values (a null dataspace, as of `h5py.Empty`)".to_owned(),
            hint: "it has a type and nothing to read",
        };
    }
    let (datatype, descriptor) = match dataset.dtype() {
        Ok(datatype) => {
            let descriptor = datatype.to_descriptor();
            (datatype, descriptor)
        }
        Err(error) => return other(super::type_name(Err(error))),
    };
    let in_place = is_little_endian(&datatype);
    let known = |dtype: Dtype| stored_as(dtype, dtype, in_place);
    match descriptor {
        Ok(TypeDescriptor::Float(FloatSize::U2)) => match float_bits(&datatype) {
            Some(BF16) if in_place => known(Dtype::Bf16),
            Some(F16) => known(Dtype::F16),
            _ => other("a 2-byte float that is neither bfloat16 nor float16".to_owned()),
        },
        Ok(TypeDescriptor::Float(FloatSize::U4)) => known(Dtype::F32),
        Ok(TypeDescriptor::Float(FloatSize::U8)) => known(Dtype::F64),
        Ok(TypeDescriptor::Unsigned(IntSize::U2)) => {
            let marked = marker(dataset).is_some_and(|marker| marker == Dtype::Bf16.name());
            let dtype = if marked { Dtype::Bf16 } else { Dtype::U16 };
            stored_as(dtype, Dtype::U16, in_place)
        }
        Ok(TypeDescriptor::Integer(size)) => known(match size {
            IntSize::U1 => Dtype::I8,
            IntSize::U2 => Dtype::I16,
            IntSize::U4 => Dtype::I32,
            IntSize::U8 => Dtype::I64,
        }),
        Ok(TypeDescriptor::Unsigned(size)) => known(match size {
            IntSize::U1 => Dtype::U8,
            IntSize::U2 => Dtype::U16,
            IntSize::U4 => Dtype::U32,
            IntSize::U8 => Dtype::U64,
        }),
        Ok(TypeDescriptor::Boolean) => known(Dtype::Bool),
        descriptor => other(super::type_name(descriptor)),
    }
}

fn stored_as(dtype: Dtype, in_file: Dtype, in_place: bool) -> Stored {
    let order = if in_place { "" } else { "big-endian " };
    Stored::Known {
        dtype,
        in_place,
        in_file: format!("{order}{in_file}"),
    }
}

fn other(name: String) -> Stored {
    Stored::Other {
        name,
        hint: "store numbers or bools (bfloat16 as uint16: `array.view(\"uint16\")`)",
    }
}

/// Bytes without an order count as little-endian.
fn is_little_endian(datatype: &Datatype) -> bool {
    datatype.size() == 1 || datatype.byte_order() == hdf5::datatype::ByteOrder::LittleEndian
}

/// The value of `logical_dtype`, a string of variable or of fixed length.
fn marker(dataset: &Dataset) -> Option<String> {
    let attribute = dataset.attr(LOGICAL_DTYPE).ok()?;
    super::attributes::text(&attribute).ok().flatten()
}
