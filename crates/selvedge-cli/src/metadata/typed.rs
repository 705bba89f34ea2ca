//! Values as texts, and back.

use selvedge_hdf5::{Attribute, check_attribute};

use crate::facts::Value;

/// The types of values, as [`kind`] calls them.
pub(super) const KINDS: [&str; 11] = [
    "int", "uint", "float", "float32", "bool", "text", "ints", "floats", "floats32", "bools",
    "texts",
];

fn kind(value: &Attribute) -> &'static str {
    match value {
        Attribute::Int(_) => "int",
        Attribute::Uint(_) => "uint",
        Attribute::Float(_) => "float",
        Attribute::Float32(_) => "float32",
        Attribute::Bool(_) => "bool",
        Attribute::Ints(_) => "ints",
        Attribute::Floats(_) => "floats",
        Attribute::Floats32(_) => "floats32",
        Attribute::Bools(_) => "bools",
        Attribute::Texts(_) => "texts",
        _ => "text",
    }
}

/// A value as text: a text as it is.
pub(crate) fn text(value: &Attribute) -> String {
    match value {
        Attribute::Text(text) => text.clone(),
        // All digits of a float of 32 bits, as it is read back with 64.
        other => other.widened().to_string(),
    }
}

/// What a text becomes by its looks: where it is that of a number, a bool or a list of them, it is one.
pub(super) fn parse(text: &str) -> Attribute {
    // A float is a float only if it is written as Rust or Python write it, so that a version or a
    // hash of digits stays the text that it is.
    let float = |value: &f64| format!("{value:?}") == text || format!("{value}") == text;
    let lists = || {
        let ints = serde_json::from_str(text).map(Attribute::Ints).ok();
        let bools = || serde_json::from_str(text).map(Attribute::Bools).ok();
        let texts = || serde_json::from_str(text).map(Attribute::Texts).ok();
        let floats = || floats(text).map(Attribute::Floats);
        let list = ints.or_else(bools).or_else(floats).or_else(texts)?;
        (list.to_string() == text && text != "[]").then_some(list)
    };
    if let Ok(value) = text.parse::<i64>()
        && value.to_string() == text
    {
        Attribute::Int(value)
    } else if let Ok(value) = text.parse::<u64>()
        && value.to_string() == text
    {
        Attribute::Uint(value)
    } else if let Some(value) = text.parse::<f64>().ok().filter(float) {
        Attribute::Float(value)
    } else if let Ok(value) = text.parse::<bool>() {
        Attribute::Bool(value)
    } else {
        lists().unwrap_or_else(|| Attribute::Text(text.to_owned()))
    }
}

/// The numbers of a list, as Rust writes it; JSON has no NaN.
fn floats(text: &str) -> Option<Vec<f64>> {
    let items = text.strip_prefix('[')?.strip_suffix(']')?;
    let items = items.split(", ").filter(|item| !item.is_empty());
    items.map(|item| item.parse().ok()).collect()
}

/// A value as text, and its type where the text alone would give back another value. One that `is_text` is
/// taken for a text, whatever it looks like.
pub(super) fn written(value: &Attribute, is_text: bool) -> (String, Option<&'static str>) {
    let plain = text(value);
    let back = match is_text {
        true => Attribute::Text(plain.clone()),
        false => parse(&plain),
    };
    let is_same = kind(&back) == kind(value) && Value(back.clone()).is_same(&Value(value.clone()));
    // A list that no attribute has room for was made a text, and becomes a list again.
    if is_same || (kind(value) == "text" && check_attribute("list", &back).is_err()) {
        return (plain, None);
    }
    // Rust writes a text with escapes that JSON has not.
    let text = match value {
        Attribute::Texts(texts) => serde_json::to_string(texts).unwrap_or(plain),
        _ => plain,
    };
    (text, Some(kind(value)))
}

/// What a text becomes again that was [`written`] with its type; `None` where it is not of that.
pub(super) fn read(text: &str, kind: &str) -> Option<Attribute> {
    // As it was before it was widened.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float of 32 bits with 64"
    )]
    let narrow = |value: f64| value as f32;
    Some(match kind {
        "int" => Attribute::Int(text.parse().ok()?),
        "uint" => Attribute::Uint(text.parse().ok()?),
        "float" => Attribute::Float(text.parse().ok()?),
        "float32" => Attribute::Float32(narrow(text.parse().ok()?)),
        "bool" => Attribute::Bool(text.parse().ok()?),
        "ints" => Attribute::Ints(serde_json::from_str(text).ok()?),
        "floats" => Attribute::Floats(floats(text)?),
        "floats32" => Attribute::Floats32(floats(text)?.into_iter().map(narrow).collect()),
        "bools" => Attribute::Bools(serde_json::from_str(text).ok()?),
        "texts" => Attribute::Texts(serde_json::from_str(text).ok()?),
        _ => Attribute::Text(text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use selvedge_hdf5::Attribute;

    use super::{KINDS, kind, parse, read, text, written};

    #[test]
    fn parameters_become_what_they_were() {
        for value in [
            Attribute::Int(-3),
            Attribute::Uint(u64::MAX),
            Attribute::Float(1e-5),
            Attribute::Float(1.0),
            Attribute::Bool(true),
            Attribute::Text("row t: before".to_owned()),
            Attribute::Text("0.10".to_owned()),
            Attribute::Text("007".to_owned()),
            Attribute::Text("[]".to_owned()),
            Attribute::Ints(vec![1, 2]),
            Attribute::Floats(vec![0.9, 0.999]),
            Attribute::Floats(vec![1.0, f64::INFINITY, -0.0]),
            Attribute::Bools(vec![true, false]),
            Attribute::Texts(vec!["a".to_owned(), "b, c".to_owned()]),
        ] {
            assert_eq!(parse(&text(&value)), value);
        }
        // As Python's or Rust's `to_string` writes it.
        assert_eq!(parse("0.00001"), Attribute::Float(1e-5));
        assert!(matches!(parse("[NaN, 1.0]"), Attribute::Floats(list) if list[0].is_nan()));
    }

    /// A version "1" became the number 1, an empty list the text "[]", and a float of 32 bits one of 64.
    #[test]
    fn what_looks_like_something_else_has_its_type() {
        let texts = |texts: &[&str]| Attribute::from(texts);
        let mut kinds = Vec::new();
        for value in [
            Attribute::Text("1".to_owned()),
            Attribute::Text("true".to_owned()),
            Attribute::Text("[1, 2]".to_owned()),
            Attribute::Text("NaN".to_owned()),
            Attribute::Int(7),
            Attribute::Uint(7),
            Attribute::Float(f64::NEG_INFINITY),
            Attribute::Float32(0.1),
            Attribute::Float32(f32::NAN),
            Attribute::Floats32(vec![0.1, f32::INFINITY]),
            Attribute::Floats32(vec![]),
            Attribute::Ints(vec![]),
            Attribute::Floats(vec![]),
            Attribute::Bools(vec![]),
            texts(&[]),
            texts(&["a\u{7f}b", "\u{301}", "\0"]),
        ] {
            for is_text in [false, true] {
                let (text, found) = written(&value, is_text);
                let back = match found {
                    Some(found) => read(&text, found).unwrap(),
                    None if is_text => Attribute::Text(text),
                    None => parse(&text),
                };
                // NaN is not equal to itself.
                assert_eq!(format!("{back:?}"), format!("{value:?}"));
                kinds.extend(found);
            }
            assert!(KINDS.contains(&kind(&value)));
        }
        assert_eq!(written(&Attribute::Text("v1".to_owned()), false).1, None);
        assert!(kinds.contains(&"text"));
        assert_eq!(read("x", "int"), None);
    }
}
