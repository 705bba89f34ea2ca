//! The attributes of a file, of the types that there are counterparts for.

use hdf5::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Attribute as Stored, Location};

use crate::Attribute;

/// Attributes by name, and those that are not read: name and type.
pub(super) type Attributes = (Vec<(String, Attribute)>, Vec<(String, String)>);

/// Longest string of fixed length that is read, in bytes.
const TEXT: usize = 4096;

pub(super) fn read(location: &Location) -> hdf5::Result<Attributes> {
    let (mut attributes, mut skipped) = (Vec::new(), Vec::new());
    for name in location.attr_names()? {
        let stored = location.attr(&name)?;
        match value(&stored) {
            Ok(Some(value)) => attributes.push((name, value)),
            Ok(None) => skipped.push((name, super::type_name(descriptor(&stored)))),
            Err(error) => skipped.push((name, error.to_string())),
        }
    }
    Ok((attributes, skipped))
}

fn descriptor(stored: &Stored) -> hdf5::Result<TypeDescriptor> {
    stored.dtype()?.to_descriptor()
}

fn value(stored: &Stored) -> hdf5::Result<Option<Attribute>> {
    // Without values there is nothing that libhdf5 would put into the buffer it is given.
    if stored.space()?.is_null() {
        return Ok(None);
    }
    let scalar = stored.is_scalar();
    if !scalar && stored.ndim() != 1 {
        return Ok(None);
    }
    macro_rules! read {
        ($type:ty, $one:expr, $many:expr) => {
            if scalar {
                $one(stored.read_scalar::<$type>()?)
            } else {
                $many(stored.read_raw::<$type>()?)
            }
        };
    }
    let texts = |values: Vec<String>| {
        if scalar {
            Attribute::Text(values.into_iter().next().unwrap_or_default())
        } else {
            Attribute::Texts(values)
        }
    };
    Ok(Some(match descriptor(stored)? {
        TypeDescriptor::Integer(_) => read!(i64, Attribute::Int, Attribute::Ints),
        // An array of numbers beyond `i64` is left out, not bent.
        TypeDescriptor::Unsigned(_) if scalar => Attribute::from(stored.read_scalar::<u64>()?),
        TypeDescriptor::Unsigned(_) => {
            let values = stored.read_raw::<u64>()?;
            match values
                .into_iter()
                .map(i64::try_from)
                .collect::<Result<Vec<_>, _>>()
            {
                Ok(values) => Attribute::Ints(values),
                Err(_) => return Ok(None),
            }
        }
        TypeDescriptor::Float(_) => read!(f64, Attribute::Float, Attribute::Floats),
        TypeDescriptor::Boolean => read!(bool, Attribute::Bool, Attribute::Bools),
        TypeDescriptor::VarLenUnicode => {
            let values = stored.read_raw::<VarLenUnicode>()?;
            texts(values.iter().map(|text| text.as_str().to_owned()).collect())
        }
        TypeDescriptor::VarLenAscii => {
            let values = stored.read_raw::<VarLenAscii>()?;
            texts(values.iter().map(|text| text.as_str().to_owned()).collect())
        }
        TypeDescriptor::FixedAscii(size) | TypeDescriptor::FixedUnicode(size)
            if scalar && size <= TEXT =>
        {
            Attribute::Text(fixed_text(stored)?)
        }
        _ => return Ok(None),
    }))
}

/// A single string, of variable or of fixed length.
pub(super) fn text(stored: &Stored) -> hdf5::Result<Option<String>> {
    match value(stored)? {
        Some(Attribute::Text(text)) => Ok(Some(text)),
        _ => Ok(None),
    }
}

/// A string of fixed length, as `numpy.bytes_` makes them.
fn fixed_text(stored: &Stored) -> hdf5::Result<String> {
    match descriptor(stored)? {
        TypeDescriptor::FixedUnicode(_) => stored
            .read_scalar::<FixedUnicode<TEXT>>()
            .map(|text| text.as_str().to_owned()),
        _ => stored
            .read_scalar::<FixedAscii<TEXT>>()
            .map(|text| text.as_str().to_owned()),
    }
}
