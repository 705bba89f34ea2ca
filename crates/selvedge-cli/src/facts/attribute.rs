//! Attributes of a file or a tensor.

use std::fmt;

use serde::{Serialize, Serializer};

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// An attribute whose type is not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UnreadAttribute {
    pub(crate) name: String,
    /// Its type in the file.
    pub(crate) stored_type: String,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value(pub(crate) selvedge_hdf5::Attribute);

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether type and value are the same. NaN is the same as itself.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        use selvedge_hdf5::Attribute as A;
        match (&self.0.widened(), &other.0.widened()) {
            (A::Float(one), A::Float(two)) => one.to_bits() == two.to_bits(),
            (A::Floats(one), A::Floats(two)) => one
                .iter()
                .map(|value| value.to_bits())
                .eq(two.iter().map(|value| value.to_bits())),
            (one, two) => one == two,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// JSON has no number for what is not finite: that is a string, as Python's `float` reads it.
struct Float(f64);

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else {
            serializer.collect_str(&self.0.to_string().to_lowercase())
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use selvedge_hdf5::Attribute as A;
        match &self.0 {
            A::Int(value) => value.serialize(serializer),
            A::Uint(value) => value.serialize(serializer),
            A::Float(value) => Float(*value).serialize(serializer),
            A::Float32(value) if value.is_finite() => serializer.serialize_f32(*value),
            A::Float32(value) => Float((*value).into()).serialize(serializer),
            A::Bool(value) => value.serialize(serializer),
            A::Text(value) => value.serialize(serializer),
            A::Ints(values) => values.serialize(serializer),
            A::Floats(values) => serializer.collect_seq(values.iter().copied().map(Float)),
            A::Floats32(values) => {
                let values = values.iter().map(|&value| Value(A::Float32(value)));
                serializer.collect_seq(values)
            }
            A::Bools(values) => values.serialize(serializer),
            A::Texts(values) => values.serialize(serializer),
            other => serializer.collect_str(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn values_keep_their_type_as_json() {
        let json = |value: selvedge_hdf5::Attribute| serde_json::to_string(&Value(value)).unwrap();
        assert_eq!(json(1_i64.into()), "1");
        assert_eq!(json(1e-3_f64.into()), "0.001");
        assert_eq!(json("a\n".into()), r#""a\n""#);
        assert_eq!(json(f64::NAN.into()), r#""nan""#);
        assert_eq!(json(vec![1.0, f64::NEG_INFINITY].into()), r#"[1.0,"-inf"]"#);
        assert_eq!(json(true.into()), "true");
    }
}
