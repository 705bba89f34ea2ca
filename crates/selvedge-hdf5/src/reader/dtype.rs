//! The dtype of a dataset: from its stored type and its marker.
//!
//! Right or refused by name: a type is taken for a dtype only if all that decides what its bytes mean is
//! that dtype's, and nothing is converted on the way but integers of unusual lengths, which any dtype
//! that is as long holds exactly.

use hdf5::{Dataset, Dataspace};
use selvedge_base::text::escaped;

use super::{Tensor, attributes};
use crate::ffi::{self, Bits, Fields, Float, Order, StoredType};
use crate::provenance::LOGICAL_DTYPE;
use crate::{Dtype, ReadError};

/// What is said of two bytes of which HDF5 knows nothing.
const MAYBE: &str = " (bfloat16 of ml_dtypes?)";

/// What a dataset holds.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    /// A dtype.
    Known {
        dtype: Dtype,
        /// What its bytes in the file are, beside those in memory.
        form: Form,
        /// The type that they have in the file.
        in_file: String,
        /// What its marker says that is not what it is read as.
        remark: Option<String>,
        /// Whether its marker says that it is what it is stored as.
        is_said: bool,
    },
    /// Something that is not read, and what to do about it.
    Other {
        name: String,
        hint: &'static str,
        /// Whether its bytes may be taken for those of bfloat16.
        may_be_bf16: bool,
    },
}

/// What the bytes in the file are, beside those in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The same.
    InPlace,
    /// So many bytes at a time the other way round.
    Swapped(usize),
    /// The same, but each has to be 0 or 1.
    ZeroOrOne,
    /// An integer of another length, which libhdf5 converts, and of whose bits so many count.
    Converted(usize),
}

impl Stored {
    pub(super) fn is_in_place(&self) -> bool {
        matches!(
            self,
            Self::Known {
                form: Form::InPlace,
                ..
            }
        )
    }

    /// Whether libhdf5 converts it.
    pub(super) fn is_converted(&self) -> bool {
        matches!(
            self,
            Self::Known {
                form: Form::Converted(_),
                ..
            }
        )
    }

    pub(super) fn is_bitfield(&self) -> bool {
        matches!(
            self,
            Self::Known {
                form: Form::ZeroOrOne,
                ..
            }
        )
    }

    /// Takes 16 bits whose meaning the file does not tell for those of bfloat16; returns whether they
    /// can be.
    pub(super) fn assume_bf16(&mut self) -> bool {
        match self {
            Self::Known {
                dtype: dtype @ (Dtype::Bf16 | Dtype::U16 | Dtype::I16),
                form: Form::InPlace | Form::Swapped(_),
                remark,
                ..
            } => (*dtype, *remark) = (Dtype::Bf16, None),
            Self::Other {
                name,
                may_be_bf16: true,
                ..
            } => {
                let in_file = name.trim_end_matches(MAYBE).to_owned();
                *self = known(Dtype::Bf16, Form::InPlace, in_file);
            }
            _ => return false,
        }
        true
    }
}

impl Tensor {
    /// Its dtype.
    ///
    /// # Errors
    ///
    /// [`ReadError::UnsupportedDtype`].
    pub fn dtype(&self) -> Result<Dtype, ReadError> {
        match &self.stored {
            Stored::Known { dtype, .. } => Ok(*dtype),
            Stored::Other { name, hint, .. } => Err(ReadError::UnsupportedDtype {
                tensor: self.name().to_owned(),
                found: name.clone(),
                hint,
            }),
        }
    }

    /// The name of its dtype, also of one that cannot be read.
    #[must_use]
    pub fn dtype_name(&self) -> &str {
        match &self.stored {
            Stored::Known { dtype, .. } => dtype.name(),
            Stored::Other { name, .. } => name,
        }
    }

    /// The type that its bytes have in the file, as h5py shows it: `uint16` for a bfloat16 that is
    /// marked as such, `big-endian float32`. The types of [`Dtype`] that are little-endian and no
    /// marked bfloat16 are called as there.
    #[must_use]
    pub fn stored_type(&self) -> String {
        match &self.stored {
            Stored::Known { in_file, .. } => in_file.clone(),
            Stored::Other { name, .. } => name.clone(),
        }
    }

    /// Whether its values may be the bits of bfloat16, and the file does not say: `uint16` of 16 bits without a
    /// marker, and two opaque bytes. [`Reader::assume_bf16`](super::Reader::assume_bf16) says so.
    #[must_use]
    pub fn may_be_bf16(&self) -> bool {
        match &self.stored {
            Stored::Known {
                dtype: Dtype::U16,
                form: Form::InPlace | Form::Swapped(_),
                is_said,
                ..
            } => !is_said,
            Stored::Known { .. } => false,
            Stored::Other { may_be_bf16, .. } => *may_be_bf16,
        }
    }

    /// What its attribute `logical_dtype` says that is not what it is read as, in a sentence.
    #[must_use]
    pub fn remark(&self) -> Option<&str> {
        match &self.stored {
            Stored::Known { remark, .. } => remark.as_deref(),
            Stored::Other { .. } => None,
        }
    }

    /// Takes 16 bits without a marker for those of bfloat16.
    pub(super) fn assume_bf16(&mut self) -> Result<(), ReadError> {
        if self.stored.assume_bf16() {
            // It may be that nobody looked for bytes of which nothing was known.
            self.found.forget();
            return Ok(());
        }
        self.dtype()?;
        Err(ReadError::NotBf16 {
            tensor: self.name().to_owned(),
            found: self.stored_type(),
        })
    }
}

/// What the dataset holds that has this space.
pub(super) fn detect(dataset: &Dataset, space: &Dataspace) -> Stored {
    let stored = match dataset.dtype() {
        Ok(datatype) => ffi::describe(&datatype),
        Err(error) => return other(format!("an unknown type ({error})")),
    };
    if space.is_null() {
        return Stored::Other {
            name: format!(
                "{} without a value (a null dataspace, as of `h5py.Empty`)",
                name(&stored)
            ),
            hint: "it has a type and nothing to read",
            may_be_bf16: false,
        };
    }
    of_marked(&stored, attributes::word(dataset, LOGICAL_DTYPE).as_ref())
}

/// What a type is that may have a marker.
pub(super) fn of_marked(stored: &StoredType, marker: Option<&Result<String, String>>) -> Stored {
    match marker {
        Some(marker) => marked(of_type(stored), marker),
        None => of_type(stored),
    }
}

/// What a type is, whatever a marker says.
fn of_type(stored: &StoredType) -> Stored {
    match stored {
        StoredType::Integer { bits, signed } => integer(*bits, *signed),
        StoredType::Float(float) => float_dtype(float).map_or_else(
            || other(name(stored)),
            |dtype| known(dtype, ordered(&float.bits, dtype.size()), name(stored)),
        ),
        StoredType::Bitfield(bits) if is_whole(bits, 1) => {
            known(Dtype::Bool, Form::ZeroOrOne, name(stored))
        }
        StoredType::Opaque { size: 2, .. } => Stored::Other {
            name: format!("{}{MAYBE}", name(stored)),
            hint: "bfloat16 of ml_dtypes is stored so by h5py: if it is, say so with `assume_bf16` \
                   (`--assume-bf16`), and store it as `array.view(\"uint16\")` from now on",
            may_be_bf16: true,
        },
        StoredType::Opaque { size: 1, .. } => Stored::Other {
            name: name(stored),
            hint: "the float8 and int4 types of ml_dtypes are all stored so by h5py, and cannot be \
                   told apart; store the array as `array.view(\"uint8\")`",
            may_be_bf16: false,
        },
        StoredType::Enumeration { .. } if is_bool(stored) => {
            known(Dtype::Bool, Form::InPlace, name(stored))
        }
        StoredType::Compound { .. } | StoredType::Complex(_) => {
            complex(stored).unwrap_or_else(|| other(name(stored)))
        }
        _ => other(name(stored)),
    }
}

fn known(dtype: Dtype, form: Form, in_file: String) -> Stored {
    Stored::Known {
        dtype,
        form,
        in_file,
        remark: None,
        is_said: false,
    }
}

fn other(name: String) -> Stored {
    Stored::Other {
        name,
        hint: "store numbers or bools (bfloat16 as uint16: `array.view(\"uint16\")`)",
        may_be_bf16: false,
    }
}

/// Whether all bits of `size` bytes count.
fn is_whole(bits: &Bits, size: usize) -> bool {
    bits.size == size && bits.precision == size * 8 && bits.offset == 0
}

/// Elements of `size` bytes in this order. A single byte has none.
fn ordered(bits: &Bits, size: usize) -> Form {
    match bits.order {
        Order::Big if size > 1 => Form::Swapped(size),
        _ => Form::InPlace,
    }
}

fn integer(bits: Bits, signed: bool) -> Stored {
    let stored = StoredType::Integer { bits, signed };
    // As long as the next dtype.
    let dtype = match (bits.size.checked_next_power_of_two(), signed) {
        (Some(1), true) => Dtype::I8,
        (Some(2), true) => Dtype::I16,
        (Some(4), true) => Dtype::I32,
        (Some(8), true) => Dtype::I64,
        (Some(1), false) => Dtype::U8,
        (Some(2), false) => Dtype::U16,
        (Some(4), false) => Dtype::U32,
        (Some(8), false) => Dtype::U64,
        _ => return other(name(&stored)),
    };
    let form = match bits.order {
        Order::Other => return other(name(&stored)),
        _ if is_whole(&bits, dtype.size()) => ordered(&bits, dtype.size()),
        _ => Form::Converted(bits.precision),
    };
    known(dtype, form, name(&stored))
}

/// A floating-point format: its dtype, bytes, fields and bias.
const FLOATS: [(Dtype, Fields, usize); 6] = [
    (Dtype::F16, fields(5, 10), 15),
    (Dtype::Bf16, fields(8, 7), 127),
    (Dtype::F32, fields(8, 23), 127),
    (Dtype::F64, fields(11, 52), 1023),
    (Dtype::F8E4M3, fields(4, 3), 7),
    (Dtype::F8E5M2, fields(5, 2), 15),
];

/// The sign first, then the exponent, then the mantissa.
const fn fields(exponent: usize, mantissa: usize) -> Fields {
    Fields {
        sign_at: exponent + mantissa,
        exponent_at: mantissa,
        exponent,
        mantissa_at: 0,
        mantissa,
    }
}

fn float_dtype(float: &Float) -> Option<Dtype> {
    let is = |(dtype, fields, bias): &&(Dtype, Fields, usize)| {
        float.fields == *fields && float.bias == *bias && is_whole(&float.bits, dtype.size())
    };
    let found = FLOATS.iter().find(is)?;
    (float.implied && float.bits.order != Order::Other).then_some(found.0)
}

/// Whether a type is what h5py makes of a bool: an enumeration in a byte, 0 for false and 1 for true.
pub(super) fn is_bool(stored: &StoredType) -> bool {
    let StoredType::Enumeration { of, members, count } = stored else {
        return false;
    };
    let StoredType::Integer { bits, .. } = &**of else {
        return false;
    };
    let means = |value: u8, meaning: &str| {
        let mut of_value = members.iter().filter(|(_, found)| *found == [value]);
        of_value.any(|(name, _)| name.eq_ignore_ascii_case(meaning.as_bytes()))
    };
    is_whole(bits, 1) && *count == 2 && means(0, "false") && means(1, "true")
}

/// A complex number: the real part, and the imaginary part beside it.
fn complex(stored: &StoredType) -> Option<Stored> {
    let part = match stored {
        StoredType::Complex(part) => &**part,
        StoredType::Compound { size, fields, .. } => {
            let [(real, 0, part), (imaginary, at, other)] = &fields[..] else {
                return None;
            };
            // Those of h5py and PyTables, of MATLAB, and of others.
            let names = [("r", "i"), ("real", "imag"), ("re", "im")];
            let named = |(r, i): &(&str, &str)| {
                real.eq_ignore_ascii_case(r.as_bytes())
                    && imaginary.eq_ignore_ascii_case(i.as_bytes())
            };
            if part != other || at * 2 != *size || !names.iter().any(named) {
                return None;
            }
            part
        }
        _ => return None,
    };
    let StoredType::Float(float) = part else {
        return None;
    };
    let dtype = match float_dtype(float)? {
        Dtype::F32 => Dtype::C64,
        Dtype::F64 => Dtype::C128,
        _ => return None,
    };
    let beside = match stored {
        StoredType::Compound { size, .. } => *size == dtype.size(),
        _ => true,
    };
    let order = if float.bits.order == Order::Big {
        "big-endian "
    } else {
        ""
    };
    beside.then(|| {
        let form = ordered(&float.bits, dtype.size() / 2);
        known(dtype, form, format!("{order}{dtype}"))
    })
}

/// What a marker makes of a type.
fn marked(mut stored: Stored, marker: &Result<String, String>) -> Stored {
    let (says, shown) = match marker {
        // `torch.bfloat16`, as Python prints it.
        Ok(text) => {
            let named = text.rsplit('.').next().unwrap_or(text);
            (Dtype::from_name(named), format!("{text:?}"))
        }
        Err(what) => (None, what.clone()),
    };
    if says == Some(Dtype::Bf16) && stored.assume_bf16() {
        return stored;
    }
    if let Stored::Known {
        dtype,
        form,
        remark,
        is_said,
        ..
    } = &mut stored
    {
        match (says, *dtype, *form) {
            // The bits of float8, which h5py does not know.
            (Some(says @ (Dtype::F8E4M3 | Dtype::F8E5M2)), Dtype::U8, Form::InPlace) => {
                *dtype = says;
            }
            (Some(says), dtype, _) if says == dtype => *is_said = true,
            (_, dtype, _) => {
                *remark = Some(format!(
                    "its `{LOGICAL_DTYPE}` is {shown}, and it is read as the {dtype} that it is stored as"
                ));
            }
        }
    }
    stored
}

/// The name of a type for people.
pub(crate) fn name(stored: &StoredType) -> String {
    let order = |bits: &Bits| match bits.order {
        Order::Big if bits.size > 1 => "big-endian ",
        Order::Little | Order::Big => "",
        Order::Other => "VAX-ordered ",
    };
    match stored {
        StoredType::Integer { bits, signed } => {
            let sign = if *signed { "" } else { "u" };
            let mut name = format!("{}{sign}int{}", order(bits), bits.size * 8);
            if !is_whole(bits, bits.size) {
                name.push_str(&format!(" of {} bits", bits.precision));
            }
            if bits.offset > 0 {
                name.push_str(&format!(" from bit {} on", bits.offset));
            }
            name
        }
        StoredType::Float(float) => match float_dtype(float) {
            Some(dtype) => format!("{}{dtype}", order(&float.bits)),
            None => format!(
                "a {}float of {} bytes that is none of IEEE 754 (exponent of {} bits with a bias of {}, \
                 mantissa of {}{})",
                order(&float.bits),
                float.bits.size,
                float.fields.exponent,
                float.bias,
                float.fields.mantissa,
                if float.implied {
                    ""
                } else {
                    ", no implied bit"
                },
            ),
        },
        StoredType::Bitfield(bits) => {
            format!("a {}bitfield of {} bits", order(bits), bits.precision)
        }
        StoredType::Opaque { size: 1, tag } => format!("an opaque byte{}", tagged(tag)),
        StoredType::Opaque { size, tag } => format!("{size} opaque bytes{}", tagged(tag)),
        StoredType::Text(None) => "text".to_owned(),
        StoredType::Text(Some((1, _))) => "text of 1 byte".to_owned(),
        StoredType::Text(Some((size, _))) => format!("text of {size} bytes"),
        StoredType::Enumeration { of, members, count } => {
            if is_bool(stored) {
                return "bool".to_owned();
            }
            let members = members.iter().take(3);
            let members =
                members.map(|(name, value)| format!("{} = {}", escaped(name), number(of, value)));
            let list: Vec<String> = members.collect();
            let more = if *count > 3 { ", …" } else { "" };
            format!("an enumeration in {} ({}{more})", name(of), list.join(", "))
        }
        StoredType::Compound { fields, count, .. } => {
            let first = fields.iter().take(3);
            let list: Vec<String> = first
                .map(|(field, _, of)| format!("{}: {}", escaped(field), name(of)))
                .collect();
            let more = if *count > 3 { ", …" } else { "" };
            format!("a record ({}{more})", list.join(", "))
        }
        StoredType::Complex(part) => format!("a complex number of two {}", name(part)),
        StoredType::Array { shape, of } => {
            format!(
                "an array of {} in each element ({})",
                name(of),
                crate::plan::Shape(shape)
            )
        }
        StoredType::Sequence(of) => format!("a list of {} in each element", name(of)),
        StoredType::Reference => "a reference".to_owned(),
        StoredType::Other => "a type of HDF5 that is none of these".to_owned(),
    }
}

/// The word of the writer.
fn tagged(tag: &[u8]) -> String {
    if tag.is_empty() {
        return String::new();
    }
    format!(" (`{}`)", escaped(tag))
}

/// The value of a member of an enumeration.
fn number(of: &StoredType, value: &[u8]) -> String {
    let StoredType::Integer { bits, signed } = of else {
        return format!("{value:02x?}");
    };
    let mut bytes = value.to_vec();
    if bits.order == Order::Big {
        bytes.reverse();
    }
    let negative = *signed && bytes.last().is_some_and(|byte| *byte >= 0x80);
    bytes.resize(16, if negative { 0xFF } else { 0 });
    let bytes: [u8; 16] = bytes.try_into().unwrap_or_default();
    i128::from_le_bytes(bytes).to_string()
}

/// Whether a type is a float that a `f64` holds exactly.
pub(super) fn is_float(stored: &StoredType) -> bool {
    let StoredType::Float(float) = stored else {
        return false;
    };
    let dtype = float_dtype(float);
    dtype.is_some_and(|dtype| !matches!(dtype, Dtype::F8E4M3 | Dtype::F8E5M2))
}
