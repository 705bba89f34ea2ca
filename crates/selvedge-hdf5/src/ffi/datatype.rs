//! Stored types with all that decides what their bytes mean.
//!
//! The binding's descriptor knows classes and sizes: to it integers of 12 bits are `i16`, any float of
//! two bytes is binary16, and any of four is binary32, whatever its bias.

use std::ffi::{CStr, c_char, c_uint};

use hdf5::Datatype;
use hdf5::sync::sync;
use hdf5_sys::h5::H5free_memory;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5t::{
    H5T_class_t, H5T_norm_t, H5T_order_t, H5T_sign_t, H5T_str_t, H5Tget_array_dims2,
    H5Tget_array_ndims, H5Tget_class, H5Tget_ebias, H5Tget_fields, H5Tget_member_name,
    H5Tget_member_offset, H5Tget_member_type, H5Tget_member_value, H5Tget_nmembers, H5Tget_norm,
    H5Tget_offset, H5Tget_order, H5Tget_precision, H5Tget_sign, H5Tget_size, H5Tget_strpad,
    H5Tget_super, H5Tget_tag, H5Tis_variable_str,
};

/// Types within types that are looked into: a complex number in an array in a record, and no stranger's
/// endless nesting.
const DEPTH: usize = 3;
/// Members of an enumeration or a record that are looked at.
const MEMBERS: u32 = 16;

/// A type as the file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoredType {
    /// An integer, which has a sign or not.
    Integer {
        /// Where its bits are.
        bits: Bits,
        /// Whether it is signed, by two's complement.
        signed: bool,
    },
    /// A floating-point number.
    Float(Float),
    /// Bits that are no number.
    Bitfield(Bits),
    /// Bytes of which HDF5 knows nothing but their number and a word of the writer.
    Opaque {
        /// Bytes of an element.
        size: usize,
        /// The writer's word.
        tag: Vec<u8>,
    },
    /// Text of a number of bytes; `None` where each element has a length of its own.
    Text(Option<(usize, Padding)>),
    /// An enumeration.
    Enumeration {
        /// What its values are stored as.
        of: Box<StoredType>,
        /// Names, and values as the file has them: the first ones.
        members: Vec<(Vec<u8>, Vec<u8>)>,
        /// How many there are.
        count: u32,
    },
    /// A record.
    Compound {
        /// Bytes of an element.
        size: usize,
        /// Names, places in bytes and types: the first ones.
        fields: Vec<(Vec<u8>, usize, StoredType)>,
        /// How many there are.
        count: u32,
    },
    /// HDF5 2's own complex number: twice this, the real part first.
    Complex(Box<StoredType>),
    /// An array in each element.
    Array {
        /// Its shape in elements of its own.
        shape: Vec<u64>,
        /// What it is made of.
        of: Box<StoredType>,
    },
    /// A list of any length in each element.
    Sequence(Box<StoredType>),
    /// A reference to something in the file.
    Reference,
    /// A class that is none of these, or one that is nested too deeply to be looked at.
    Other,
}

/// Where the bits of a number are in its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    /// Bytes of an element.
    pub(crate) size: usize,
    /// The order of the bytes.
    pub(crate) order: Order,
    /// How many bits count.
    pub(crate) precision: usize,
    /// Bits below them that do not count.
    pub(crate) offset: usize,
}

/// A floating-point type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Float {
    /// Where its bits are.
    pub(crate) bits: Bits,
    /// Where they have their meanings.
    pub(crate) fields: Fields,
    /// What is subtracted from the exponent.
    pub(crate) bias: usize,
    /// Whether a first bit of the mantissa is implied, as IEEE 754 has it.
    pub(crate) implied: bool,
}

/// The parts of a floating-point number: positions and lengths in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) sign_at: usize,
    pub(crate) exponent_at: usize,
    pub(crate) exponent: usize,
    pub(crate) mantissa_at: usize,
    pub(crate) mantissa: usize,
}

/// The order of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
    /// That of a VAX, or one that differs between the parts of a record.
    Other,
}

/// What fills up a text of fixed length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// A zero byte ends it.
    ZeroEnds,
    Zeros,
    Spaces,
}

/// Describes a type.
pub(crate) fn describe(datatype: &Datatype) -> StoredType {
    at_depth(datatype, DEPTH)
}

/// Wraps functions of libhdf5 that tell one property of a type.
macro_rules! properties {
    ($($name:ident: $function:ident -> $type:ty;)*) => {$(
        fn $name(datatype: &Datatype) -> $type {
            // SAFETY: the identifier is that of `datatype`, which is alive, and the function only
            // looks at the type.
            sync(|| unsafe { $function(datatype.id()) })
        }
    )*};
}

properties! {
    class: H5Tget_class -> H5T_class_t;
    size: H5Tget_size -> usize;
    order: H5Tget_order -> H5T_order_t;
    precision: H5Tget_precision -> usize;
    offset: H5Tget_offset -> i32;
    sign: H5Tget_sign -> H5T_sign_t;
    bias: H5Tget_ebias -> usize;
    norm: H5Tget_norm -> H5T_norm_t;
    padding: H5Tget_strpad -> H5T_str_t;
    is_variable_text: H5Tis_variable_str -> i32;
    members: H5Tget_nmembers -> i32;
    super_id: H5Tget_super -> hid_t;
    tag: H5Tget_tag -> *mut c_char;
    rank: H5Tget_array_ndims -> i32;
}

fn at_depth(datatype: &Datatype, depth: usize) -> StoredType {
    let Some(depth) = depth.checked_sub(1) else {
        return StoredType::Other;
    };
    let of = || {
        let of = owned(super_id(datatype)).map_or(StoredType::Other, |of| at_depth(&of, depth));
        Box::new(of)
    };
    match class(datatype) {
        H5T_class_t::H5T_INTEGER => match (bits(datatype), sign(datatype)) {
            (Some(bits), H5T_sign_t::H5T_SGN_NONE) => StoredType::Integer {
                bits,
                signed: false,
            },
            (Some(bits), H5T_sign_t::H5T_SGN_2) => StoredType::Integer { bits, signed: true },
            _ => StoredType::Other,
        },
        H5T_class_t::H5T_FLOAT => float(datatype).map_or(StoredType::Other, StoredType::Float),
        H5T_class_t::H5T_BITFIELD => bits(datatype).map_or(StoredType::Other, StoredType::Bitfield),
        H5T_class_t::H5T_OPAQUE => StoredType::Opaque {
            size: size(datatype),
            tag: given(tag(datatype)).unwrap_or_default(),
        },
        H5T_class_t::H5T_STRING => match (is_variable_text(datatype), padding(datatype)) {
            (0, H5T_str_t::H5T_STR_NULLTERM) => fixed(datatype, Padding::ZeroEnds),
            (0, H5T_str_t::H5T_STR_NULLPAD) => fixed(datatype, Padding::Zeros),
            (0, H5T_str_t::H5T_STR_SPACEPAD) => fixed(datatype, Padding::Spaces),
            (1, _) => StoredType::Text(None),
            _ => StoredType::Other,
        },
        H5T_class_t::H5T_ENUM => {
            let (count, numbers) = numbers(datatype);
            let member = |number| Some((name(datatype, number)?, value(datatype, number)?));
            StoredType::Enumeration {
                of: of(),
                members: numbers.filter_map(member).collect(),
                count,
            }
        }
        H5T_class_t::H5T_COMPOUND => {
            let (count, numbers) = numbers(datatype);
            let field = |number| {
                let (at, of) = field(datatype, number)?;
                Some((name(datatype, number)?, at, at_depth(&of, depth)))
            };
            StoredType::Compound {
                size: size(datatype),
                fields: numbers.filter_map(field).collect(),
                count,
            }
        }
        H5T_class_t::H5T_COMPLEX => StoredType::Complex(of()),
        H5T_class_t::H5T_ARRAY => match array_shape(datatype) {
            Some(shape) => StoredType::Array { shape, of: of() },
            None => StoredType::Other,
        },
        H5T_class_t::H5T_VLEN => StoredType::Sequence(of()),
        H5T_class_t::H5T_REFERENCE => StoredType::Reference,
        _ => StoredType::Other,
    }
}

fn fixed(datatype: &Datatype, padding: Padding) -> StoredType {
    StoredType::Text(Some((size(datatype), padding)))
}

fn bits(datatype: &Datatype) -> Option<Bits> {
    Some(Bits {
        size: size(datatype),
        order: match order(datatype) {
            H5T_order_t::H5T_ORDER_LE | H5T_order_t::H5T_ORDER_NONE => Order::Little,
            H5T_order_t::H5T_ORDER_BE => Order::Big,
            _ => Order::Other,
        },
        precision: precision(datatype),
        offset: usize::try_from(offset(datatype)).ok()?,
    })
}

fn float(datatype: &Datatype) -> Option<Float> {
    let mut fields = Fields {
        sign_at: 0,
        exponent_at: 0,
        exponent: 0,
        mantissa_at: 0,
        mantissa: 0,
    };
    let found = sync(|| {
        // SAFETY: the identifier is that of `datatype`, which is alive; the pointers are to local
        // variables of the type that is asked for.
        unsafe {
            H5Tget_fields(
                datatype.id(),
                &raw mut fields.sign_at,
                &raw mut fields.exponent_at,
                &raw mut fields.exponent,
                &raw mut fields.mantissa_at,
                &raw mut fields.mantissa,
            )
        }
    });
    (found >= 0).then_some(Float {
        bits: bits(datatype)?,
        fields,
        bias: bias(datatype),
        implied: norm(datatype) == H5T_norm_t::H5T_NORM_IMPLIED,
    })
}

/// How many members there are, and the numbers of those that are looked at.
fn numbers(datatype: &Datatype) -> (u32, std::ops::Range<c_uint>) {
    let count = u32::try_from(members(datatype)).unwrap_or(0);
    (count, 0..count.min(MEMBERS))
}

/// The name of a member of an enumeration or a record.
fn name(datatype: &Datatype, number: c_uint) -> Option<Vec<u8>> {
    // SAFETY: the identifier is that of `datatype`, which is alive; of a number that there is not the
    // function returns a null pointer.
    given(sync(|| unsafe {
        H5Tget_member_name(datatype.id(), number)
    }))
}

/// The value of a member of an enumeration.
fn value(datatype: &Datatype, number: c_uint) -> Option<Vec<u8>> {
    let mut value = vec![0; size(datatype)];
    // SAFETY: the identifier is that of `datatype`, which is alive, and the function writes one
    // element of it, for which there is room.
    let found =
        sync(|| unsafe { H5Tget_member_value(datatype.id(), number, value.as_mut_ptr().cast()) });
    (found >= 0).then_some(value)
}

/// The place and the type of a member of a record.
fn field(datatype: &Datatype, number: c_uint) -> Option<(usize, Datatype)> {
    // SAFETY: the identifier is that of `datatype`, which is alive.
    let at = sync(|| unsafe { H5Tget_member_offset(datatype.id(), number) });
    // SAFETY: as above; of a number that there is not the function returns no identifier.
    let of = owned(sync(|| unsafe {
        H5Tget_member_type(datatype.id(), number)
    }))?;
    Some((at, of))
}

fn array_shape(datatype: &Datatype) -> Option<Vec<u64>> {
    let mut shape = vec![0; usize::try_from(rank(datatype)).ok()?];
    // SAFETY: the identifier is that of `datatype`, which is alive, and the function writes as many
    // lengths as the array has axes, for which there is room.
    let found = sync(|| unsafe { H5Tget_array_dims2(datatype.id(), shape.as_mut_ptr()) });
    (found >= 0).then_some(shape)
}

/// A type that libhdf5 has opened for us; `None` where it has not.
fn owned(id: hid_t) -> Option<Datatype> {
    // SAFETY: the identifier comes from a function that opens a type for its caller, and nobody else
    // has it.
    unsafe { hdf5::from_id(id) }.ok()
}

/// Text that libhdf5 has allocated for us; `None` where it has not.
fn given(text: *mut c_char) -> Option<Vec<u8>> {
    if text.is_null() {
        return None;
    }
    // SAFETY: it is a string of C that libhdf5 has made for its caller.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes().to_vec();
    // SAFETY: it was allocated by libhdf5, and is given back once.
    sync(|| unsafe { H5free_memory(text.cast()) });
    Some(bytes)
}
