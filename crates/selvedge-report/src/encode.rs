//! Numbers of the page's data: arrays in base64, of their little-endian bytes.
//!
//! They are a third of what their digits would be, and exact.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use selvedge_bf16::bf16;
use serde::{Serialize, Serializer};

/// Doubles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Doubles(pub Vec<f64>);

/// Singles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Singles(pub Vec<f32>);

/// Whole numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub Vec<u32>);

/// Numbers that a colour shows, and whose first two or three digits are read: bfloat16.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shades(pub Vec<bf16>);

macro_rules! encoded {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let bytes: Vec<u8> = self.0.iter().flat_map(|number| number.to_le_bytes()).collect();
                serializer.serialize_str(&STANDARD.encode(bytes))
            }
        }
    )*};
}

encoded!(Doubles, Singles, Counts, Shades);
