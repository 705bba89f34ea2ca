//! The dtypes of all formats beside each other.

use selvedge_hdf5::Dtype as Hdf5;
use selvedge_safetensors::Dtype as Safetensors;

/// A dtype in the terms of every format.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// PyTorch's name. It has none for 6 bits, and of 4 bits only for pairs (`float4_e2m1fn_x2`).
    pub(crate) name: &'static str,
    /// Bits of an element.
    pub(crate) bits: u64,
    pub(crate) safetensors: Option<Safetensors>,
    pub(crate) hdf5: Option<Hdf5>,
    /// The type code of `NumPy` without its byte order, such as `f4`.
    numpy: Option<&'static str>,
}

const fn kind(
    name: &'static str,
    bits: u64,
    safetensors: Option<Safetensors>,
    hdf5: Option<Hdf5>,
    numpy: Option<&'static str>,
) -> Kind {
    Kind {
        name,
        bits,
        safetensors,
        hdf5,
        numpy,
    }
}

use {Hdf5 as H, Safetensors as S};

/// The order of rows with the same bits decides what a type code of `NumPy` is taken for.
static KINDS: [Kind; 23] = [
    kind("bool", 8, Some(S::BOOL), Some(H::Bool), Some("b1")),
    kind("int8", 8, Some(S::I8), Some(H::I8), Some("i1")),
    kind("int16", 16, Some(S::I16), Some(H::I16), Some("i2")),
    kind("int32", 32, Some(S::I32), Some(H::I32), Some("i4")),
    kind("int64", 64, Some(S::I64), Some(H::I64), Some("i8")),
    kind("uint8", 8, Some(S::U8), Some(H::U8), Some("u1")),
    kind("uint16", 16, Some(S::U16), Some(H::U16), Some("u2")),
    kind("uint32", 32, Some(S::U32), Some(H::U32), Some("u4")),
    kind("uint64", 64, Some(S::U64), Some(H::U64), Some("u8")),
    kind("float16", 16, Some(S::F16), Some(H::F16), Some("f2")),
    kind("float32", 32, Some(S::F32), Some(H::F32), Some("f4")),
    kind("float64", 64, Some(S::F64), Some(H::F64), Some("f8")),
    kind("complex64", 64, Some(S::C64), Some(H::C64), Some("c8")),
    kind("complex128", 128, None, Some(H::C128), Some("c16")),
    // NumPy has none of these: an array holds their bits as integers.
    kind("bfloat16", 16, Some(S::BF16), Some(H::Bf16), None),
    kind("float8_e4m3fn", 8, Some(S::F8_E4M3), Some(H::F8E4M3), None),
    kind("float8_e5m2", 8, Some(S::F8_E5M2), Some(H::F8E5M2), None),
    kind("float8_e8m0fnu", 8, Some(S::F8_E8M0), None, None),
    kind("float8_e4m3fnuz", 8, Some(S::F8_E4M3FNUZ), None, None),
    kind("float8_e5m2fnuz", 8, Some(S::F8_E5M2FNUZ), None, None),
    kind("float6_e2m3fn", 6, Some(S::F6_E2M3), None, None),
    kind("float6_e3m2fn", 6, Some(S::F6_E3M2), None, None),
    kind("float4_e2m1fn", 4, Some(S::F4), None, None),
];

impl Kind {
    fn find(wanted: impl Fn(&Self) -> bool) -> Option<&'static Self> {
        KINDS.iter().find(|kind| wanted(kind))
    }

    /// The dtype of PyTorch's name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        Self::find(|kind| kind.name == name)
    }

    /// The dtype of a safetensors file; `None` of one that came up since.
    pub(crate) fn of_safetensors(dtype: Safetensors) -> Option<&'static Self> {
        Self::find(|kind| kind.safetensors == Some(dtype))
    }

    /// The dtype of a type code of `NumPy` without its byte order: `u2` is uint16.
    pub(crate) fn of_numpy(code: &str) -> Option<&'static Self> {
        Self::find(|kind| kind.numpy == Some(code))
    }

    /// Bytes of an element, or 1 where it is less than a byte.
    pub(crate) fn bytes(&self) -> u64 {
        (self.bits / 8).max(1)
    }

    /// Whether its bytes are read in their order, in the file and in memory: a complex number is two
    /// floats.
    pub(crate) fn swapped_bytes(&self) -> u64 {
        if self.name.starts_with("complex") {
            self.bytes() / 2
        } else {
            self.bytes()
        }
    }

    /// Whether arrays of `NumPy` hold no more than its bits.
    pub(crate) fn is_without_numpy(&self) -> bool {
        self.to_numpy().is_some_and(|(_, bits_alone)| bits_alone)
    }

    /// The dtypes of which arrays of `NumPy` hold no more than their bits.
    pub(crate) fn without_numpy() -> impl Iterator<Item = &'static Self> {
        KINDS.iter().filter(|kind| kind.is_without_numpy())
    }

    /// The type of an array of `NumPy` that holds it, with the byte order; and whether it holds no more
    /// than the bits. `None` of elements that do not fill bytes.
    pub(crate) fn to_numpy(&self) -> Option<(String, bool)> {
        let bits_alone = self.numpy.is_none();
        let code = match (self.numpy, self.bits) {
            (Some(code), _) => code,
            (None, 8) => "u1",
            (None, 16) => "u2",
            (None, _) => return None,
        };
        // A single byte has no order.
        let order = if self.bits == 8 { '|' } else { '<' };
        Some((format!("{order}{code}"), bits_alone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dtype that a format gets must not be forgotten in the others.
    #[test]
    fn every_dtype_of_every_format_has_its_row() {
        for dtype in Hdf5::ALL {
            let kind = Kind::named(dtype.name()).unwrap();
            assert_eq!(kind.hdf5, Some(dtype));
            assert_eq!(kind.bits, dtype.size() as u64 * 8);
        }
        for kind in &KINDS {
            assert_eq!(Kind::named(kind.name), Some(kind));
            if let Some(dtype) = kind.safetensors {
                assert_eq!(Kind::of_safetensors(dtype), Some(kind));
                assert_eq!(dtype.bitsize() as u64, kind.bits, "{}", kind.name);
            }
            match kind.to_numpy() {
                Some((code, false)) => assert_eq!(Kind::of_numpy(&code[1..]), Some(kind)),
                Some((code, true)) => {
                    let bits = Kind::of_numpy(&code[1..]).unwrap();
                    assert_eq!(bits.bits, kind.bits);
                    assert!(bits.name.starts_with("uint"));
                }
                None => assert!(kind.bits < 8),
            }
        }
    }
}
