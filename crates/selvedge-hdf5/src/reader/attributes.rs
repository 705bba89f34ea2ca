//! The attributes of a file, of the types that there are counterparts for.

use std::ffi::CString;

use hdf5::{Attribute as Stored, Location};
use selvedge_base::text;

use super::dtype;
use crate::Attribute;
use crate::error::LibraryError;
use crate::ffi::{self, Padding, StoredType};
use crate::plan::Shape;
use crate::provenance::{DIMENSION_SCALE, OF_RUN, SCALE_CLASS, SCALE_LINKS, SCALE_NAME};

/// Attributes by name, and those that are not read: name, and what they are.
pub(crate) type Attributes = (Vec<(String, Attribute)>, Vec<(String, String)>);

/// The largest attribute that is read, in bytes: one in an object header has less than 64 kB.
const MOST_BYTES: usize = 64 << 20;

/// All attributes of a file, a group or a dataset, in the order of their names.
pub(super) fn read(location: &Location) -> hdf5::Result<Attributes> {
    let (mut attributes, mut skipped) = (Vec::new(), Vec::new());
    for name in ffi::attribute_names(location)? {
        let value = match ffi::open_attribute(location, &name) {
            Ok(Some(stored)) => value(&stored),
            Ok(None) => continue,
            Err(error) => Err(unread(error)),
        };
        match (text::checked(name.into_bytes()), value) {
            (Ok(name), Ok(value)) => attributes.push((name, value)),
            (Ok(name), Err(why)) => skipped.push((name, why)),
            (Err(escaped), value) => {
                let what = value.map_or_else(|why| why, |value| value.to_string());
                skipped.push((escaped, format!("{what}, under a name that is not UTF-8")));
            }
        }
    }
    if attributes
        .iter()
        .any(|(name, value)| is_scale_class(name, value))
    {
        attributes.retain(|(name, _)| name != SCALE_CLASS && name != SCALE_NAME);
    }
    // The names that they give to axes are read where those are asked for.
    skipped.retain(|(name, _)| !SCALE_LINKS.contains(&name.as_str()));
    Ok((attributes, skipped))
}

/// The attributes of a file, and why they cannot be listed, if they cannot. Then they are those of its run that can be
/// found by their names.
pub(super) fn of_root(file: &Location) -> (Attributes, Option<String>) {
    let error = match read(file) {
        Ok(found) => return (found, None),
        Err(error) => LibraryError::from(error).to_string(),
    };
    let named = |name: &&str| Some(((*name).to_owned(), one(file, name).ok()??));
    let found = OF_RUN.iter().filter_map(named).collect();
    ((found, Vec::new()), Some(error))
}

/// Why the attributes of an object cannot be listed; `None` where they can.
pub(super) fn why_unlisted(object: &Location) -> Option<String> {
    if ffi::object_info(object).is_some_and(|info| info.attributes == 0) {
        return None;
    }
    let error = ffi::attribute_names(object).err()?;
    Some(LibraryError::from(error).to_string())
}

/// What an attribute is that libhdf5 does not give.
fn unread(error: hdf5::Error) -> String {
    format!(
        "something that cannot be read ({})",
        LibraryError::from(error)
    )
}

/// Whether the attribute says that its dataset names an axis. That is how a file is built, and not
/// what somebody wrote down.
fn is_scale_class(name: &str, value: &Attribute) -> bool {
    name == SCALE_CLASS && matches!(value, Attribute::Text(class) if class == DIMENSION_SCALE)
}

/// The value of attribute `name`; `None` where there is none, or it has no counterpart here.
pub(super) fn one(location: &Location, name: &str) -> hdf5::Result<Option<Attribute>> {
    let name = CString::new(name).map_err(|_| "a zero byte in a name")?;
    let stored = ffi::open_attribute(location, &name)?;
    Ok(stored.and_then(|stored| value(&stored).ok()))
}

/// The text of attribute `name`; `None` where there is none, or it is something else.
pub(super) fn text(location: &Location, name: &str) -> Option<String> {
    word(location, name)?.ok()
}

/// The text of attribute `name`, or what it is instead; `None` where there is none. A list of one text is a
/// text, as MATLAB writes them.
pub(super) fn word(location: &Location, name: &str) -> Option<Result<String, String>> {
    let stored = match ffi::open_attribute(location, &CString::new(name).ok()?) {
        Ok(stored) => stored?,
        Err(error) => return Some(Err(unread(error))),
    };
    Some(match value(&stored) {
        Ok(Attribute::Text(text)) => Ok(text),
        Ok(Attribute::Texts(mut texts)) if texts.len() == 1 => Ok(texts.remove(0)),
        Ok(other) => Err(other.to_string()),
        Err(why) => Err(why),
    })
}

/// The value of an attribute, or what it is that is not read.
fn value(stored: &Stored) -> Result<Attribute, String> {
    let of = ffi::describe(&stored.dtype().map_err(unread)?);
    let name = || dtype::name(&of);
    let space = stored.space().map_err(unread)?;
    // Without values there is nothing that libhdf5 would put into the buffer it is given.
    if space.is_null() {
        return Err(format!("{} without a value", name()));
    }
    let shape: Vec<u64> = space.shape().into_iter().map(|axis| axis as u64).collect();
    let scalar = shape.is_empty();
    if shape.len() > 1 {
        return Err(format!("{} of shape {}", name(), Shape(&shape)));
    }
    macro_rules! read {
        ($type:ty, $one:expr, $many:expr) => {{
            let values = stored.read_raw::<$type>().map_err(unread)?;
            match (scalar, values.first()) {
                (true, Some(&value)) => $one(value),
                _ => $many(values),
            }
        }};
    }
    Ok(match &of {
        StoredType::Integer { signed: true, bits } if bits.size <= 8 => {
            read!(i64, Attribute::Int, Attribute::Ints)
        }
        StoredType::Integer { bits, .. } if bits.size <= 8 => {
            let values = stored.read_raw::<u64>().map_err(unread)?;
            let small: Result<Vec<i64>, _> = values.iter().copied().map(i64::try_from).collect();
            match (scalar, values.first(), small) {
                (true, Some(&value), _) => Attribute::from(value),
                (_, _, Ok(values)) => Attribute::Ints(values),
                // A list of numbers beyond `i64` is left out, not bent.
                _ => return Err(format!("a list of {} beyond int64", name())),
            }
        }
        StoredType::Float(_) if dtype::is_float(&of) && name().ends_with("float32") => {
            read!(f32, Attribute::Float32, Attribute::Floats32)
        }
        // What a `f64` holds exactly.
        StoredType::Float(_) if dtype::is_float(&of) => {
            read!(f64, Attribute::Float, Attribute::Floats)
        }
        StoredType::Enumeration { .. } if dtype::is_bool(&of) => {
            let bytes = ffi::read_attribute(stored).map_err(unread)?;
            let bools: Vec<bool> = bytes.into_iter().map(|byte| byte != 0).collect();
            match (scalar, bools.first()) {
                (true, Some(&value)) => Attribute::Bool(value),
                _ => Attribute::Bools(bools),
            }
        }
        StoredType::Text(length) => {
            let texts = match *length {
                None => ffi::read_texts(stored).map_err(unread)?,
                Some((size, padding)) if size <= MOST_BYTES => {
                    let bytes = ffi::read_attribute(stored).map_err(unread)?;
                    let texts = bytes.chunks_exact(size.max(1));
                    texts.map(|text| trimmed(text, padding).to_vec()).collect()
                }
                Some(_) => return Err(name()),
            };
            let mut checked = Vec::with_capacity(texts.len());
            for bytes in texts {
                let text = text::checked(bytes)
                    .map_err(|escaped| format!("text that is not UTF-8 (`{escaped}`)"))?;
                if text.contains('\0') {
                    return Err(format!("text with a zero byte in it ({text:?})"));
                }
                checked.push(text);
            }
            match (scalar, checked.len()) {
                (true, 1) => Attribute::Text(checked.remove(0)),
                _ => Attribute::Texts(checked),
            }
        }
        _ => return Err(name()),
    })
}

/// A text of fixed length without what fills it up.
fn trimmed(text: &[u8], padding: Padding) -> &[u8] {
    let end = |is_filler: fn(&u8) -> bool| text.iter().rposition(|byte| !is_filler(byte));
    let length = match padding {
        Padding::ZeroEnds => text
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(text.len()),
        Padding::Zeros => end(|&byte| byte == 0).map_or(0, |last| last + 1),
        Padding::Spaces => end(|&byte| byte == b' ').map_or(0, |last| last + 1),
    };
    &text[..length]
}

#[cfg(test)]
mod tests {
    use super::{Padding, trimmed};

    #[test]
    fn texts_end_where_their_filling_begins() {
        assert_eq!(trimmed(b"ab\0d\0\0", Padding::ZeroEnds), b"ab");
        assert_eq!(trimmed(b"ab\0d\0\0", Padding::Zeros), b"ab\0d");
        assert_eq!(trimmed(b"ab d  ", Padding::Spaces), b"ab d");
        assert_eq!(trimmed(b"\0\0", Padding::Zeros), b"");
        assert_eq!(trimmed(b"abc", Padding::ZeroEnds), b"abc");
    }
}
