//! The JSON of a header, with names as they come: a map would keep one of two that are the same.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::HeaderError;
use crate::Dtype;
use crate::spec::METADATA;

/// The description of a tensor, as it stands in the text.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) data_offsets: (usize, usize),
}

/// What the JSON says, not yet checked.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) metadata: BTreeMap<String, String>,
    /// Name and description of each tensor, in the order of the text.
    pub(super) tensors: Vec<(String, Described)>,
}

/// Parses the text of a header.
pub(super) fn parse(text: &str) -> Result<Parsed, HeaderError> {
    let mut parsed = Parsed::default();
    let mut current = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let seed = Root {
        parsed: &mut parsed,
        current: &mut current,
    };
    match seed.deserialize(&mut json).and_then(|()| json.end()) {
        Ok(()) => Ok(parsed),
        Err(source) => Err(HeaderError::Json {
            tensor: current,
            source,
        }),
    }
}

/// The object that the header is.
struct Root<'a> {
    parsed: &'a mut Parsed,
    /// The tensor whose description is being read, for the error.
    current: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a description for each tensor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_metadata = false;
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                if std::mem::replace(&mut has_metadata, true) {
                    return Err(A::Error::custom("`__metadata__` is there twice"));
                }
                if let Some(Strings(strings)) = map.next_value()? {
                    self.parsed.metadata = strings;
                }
            } else {
                *self.current = Some(name);
                let described = map.next_value()?;
                let name = self.current.take().unwrap_or_default();
                self.parsed.tensors.push((name, described));
            }
        }
        Ok(())
    }
}

/// A map of strings in which a key that is there twice is an error.
struct Strings(BTreeMap<String, String>);

impl<'de> serde::Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StringsVisitor)
    }
}

struct StringsVisitor;

impl<'de> Visitor<'de> for StringsVisitor {
    type Value = Strings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`__metadata__` as an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strings, A::Error> {
        let mut strings = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if strings.contains_key(&key) {
                let twice = format_args!("key `{key}` is in `__metadata__` twice").to_string();
                return Err(A::Error::custom(twice));
            }
            strings.insert(key, value);
        }
        Ok(Strings(strings))
    }
}

impl<'de> serde::Deserialize<'de> for Described {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DescribedVisitor)
    }
}

/// The name of a field, which no memory is taken for.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Dtype,
    Shape,
    DataOffsets,
    /// The field of another program.
    #[serde(other)]
    Other,
}

struct DescribedVisitor;

impl<'de> Visitor<'de> for DescribedVisitor {
    type Value = Described;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with dtype, shape and data_offsets")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Described, A::Error> {
        let (mut dtype, mut shape, mut data_offsets) = (None, None, None);
        while let Some(field) = map.next_key()? {
            match field {
                Field::Dtype => set(&mut dtype, "dtype", map.next_value()?)?,
                Field::Shape => set(&mut shape, "shape", map.next_value()?)?,
                Field::DataOffsets => set(&mut data_offsets, "data_offsets", map.next_value()?)?,
                // It is parsed, because other readers do so, too, and refuse what is no JSON
                // within it.
                Field::Other => {
                    map.next_value::<serde_json::Value>()?;
                }
            }
        }
        Ok(Described {
            dtype: dtype.ok_or_else(|| A::Error::missing_field("dtype"))?,
            shape: shape.ok_or_else(|| A::Error::missing_field("shape"))?,
            data_offsets: data_offsets.ok_or_else(|| A::Error::missing_field("data_offsets"))?,
        })
    }

    /// The three values without their names, which the safetensors crate reads, too.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Described, A::Error> {
        let short = |found| A::Error::invalid_length(found, &self);
        Ok(Described {
            dtype: seq.next_element()?.ok_or_else(|| short(0))?,
            shape: seq.next_element()?.ok_or_else(|| short(1))?,
            data_offsets: seq.next_element()?.ok_or_else(|| short(2))?,
        })
    }
}

fn set<T, E: serde::de::Error>(
    field: &mut Option<T>,
    name: &'static str,
    value: T,
) -> Result<(), E> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(name)),
    }
}
