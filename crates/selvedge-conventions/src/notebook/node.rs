//! The JSON of a notebook as a small tree: what outputs hold is skipped, and of a key that is there
//! twice the second one counts, as in Python.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::lenient::lenient;
use super::limits;

/// A value. What was skipped keeps its kind: a text is empty then, an object has no keys, and a list
/// has one element, or none if all of them are texts.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'j> {
    Null,
    Bool(bool),
    /// A whole number; the ends of what 64 bits hold stand for all that is larger, or less.
    Int(i128),
    Float(f64),
    Text(Cow<'j, str>),
    List(Vec<Node<'j>>),
    Object(Vec<(Cow<'j, str>, Node<'j>)>),
}

impl<'j> Node<'j> {
    /// Whether Python reads the text as JSON.
    pub(super) fn can_be_read(json: &str) -> bool {
        let reads = |json: &str| Node::read(json).is_ok();
        limits::exceeded(json.as_bytes()).is_none()
            && (reads(json) || lenient(json).is_some_and(|lenient| reads(&lenient.text)))
    }

    /// Reads a text of JSON.
    pub(super) fn read(json: &'j str) -> Result<Self, serde_json::Error> {
        // From the notebook to what an output's metadata hold, in any version.
        const DEPTH: usize = 9;
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let node = Kept(DEPTH).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(node)
    }

    /// What stands under a key of an object.
    pub(super) fn get(&self, key: &str) -> Option<&Node<'j>> {
        let Self::Object(entries) = self else {
            return None;
        };
        let mut last_first = entries.iter().rev();
        last_first
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// What stands at the end of a path of keys.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Node<'j>> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text of one piece, or of lines.
    pub(super) fn joined(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone().into_owned()),
            Self::List(lines) => lines.iter().map(Node::text).collect(),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> &[Node<'j>] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The keys of an object, each with its value.
    pub(super) fn entries(&self) -> &[(Cow<'j, str>, Node<'j>)] {
        match self {
            Self::Object(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// Whether Python can go through it and meets nothing: an object or a text, where a list is meant.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Object(entries) => entries.is_empty(),
            Self::List(items) => items.is_empty(),
            _ => false,
        }
    }

    /// Whether Python takes it for true.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Null | Self::Bool(false) | Self::Int(0) => false,
            Self::Float(number) => *number != 0.0,
            Self::Text(_) | Self::Object(_) | Self::List(_) => !self.is_empty(),
            Self::Bool(true) | Self::Int(_) => true,
        }
    }

    /// A count, which some program may have written as `3.0`; 0 of what is there and counts nothing.
    pub(super) fn count(&self) -> Option<u64> {
        const MOST: u64 = 1 << 53;
        let number = match self {
            Self::Null => return None,
            Self::Int(number) => u64::try_from(*number).unwrap_or(0),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "what is beyond the range is no count"
            )]
            Self::Float(number) if number.fract() == 0.0 => *number as u64,
            _ => 0,
        };
        Some(if number < MOST { number } else { 0 })
    }
}

/// What may be large, and is never asked for.
fn is_skipped(key: &str) -> bool {
    matches!(
        key,
        "text" | "traceback" | "state" | "html" | "svg" | "png" | "jpeg" | "latex"
    )
}

/// Keeps so many levels, and skips what is below.
#[derive(Clone, Copy)]
struct Kept(usize);

/// Tells only whether it is a text.
struct IsText;

impl<'de> DeserializeSeed<'de> for Kept {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Kept {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node<'de>, E> {
        Ok(Node::Int(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node<'de>, E> {
        Ok(Node::Int(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node<'de>, E> {
        // Only -0 comes so that is a whole number.
        let is_minus_zero = number == 0.0 && number.is_sign_negative();
        Ok(if is_minus_zero {
            Node::Int(0)
        } else {
            Node::Float(number)
        })
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        let kept = if self.0 == 0 { "" } else { text };
        Ok(Node::Text(Cow::Owned(kept.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node<'de>, A::Error> {
        let mut kept = Vec::new();
        match self.0.checked_sub(1) {
            Some(below) => {
                while let Some(item) = items.next_element_seed(Kept(below))? {
                    kept.push(item);
                }
            }
            None => {
                let mut all_texts = true;
                while let Some(is_text) = items.next_element_seed(IsText)? {
                    all_texts &= is_text;
                }
                if !all_texts {
                    kept.push(Node::Null);
                }
            }
        }
        Ok(Node::List(kept))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node<'de>, A::Error> {
        let mut kept = Vec::new();
        match self.0.checked_sub(1) {
            Some(below) => {
                while let Some(Key(key)) = entries.next_key()? {
                    // The kinds of what is shown are kept.
                    let below = match &*key {
                        "data" => 1.min(below),
                        key if is_skipped(key) => 0,
                        _ => below,
                    };
                    kept.push((key, entries.next_value_seed(Kept(below))?));
                }
            }
            None => while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {},
        }
        Ok(Node::Object(kept))
    }
}

struct Key<'j>(Cow<'j, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;

        impl<'de> Visitor<'de> for Borrowed {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrowed)
    }
}

impl<'de> DeserializeSeed<'de> for IsText {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for IsText {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<bool, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}
