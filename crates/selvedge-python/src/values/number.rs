//! Numbers of Python as single values.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt};
use selvedge_hdf5::{Dtype, bf16, f16};

use super::Piece;
use crate::error;

/// The least integer that a dtype has.
const LEAST: i128 = i64::MIN as i128;

/// The largest.
const LARGEST: i128 = u64::MAX as i128;

/// The bits of a number of Python, as `wanted` or as the dtype that has all of them; `None` for another object.
///
/// A float is rounded to the nearest value that `wanted` has, which is what a float is for; an integer and a
/// bool are never changed, and an integer that `wanted` does not have is an error.
pub(super) fn find(
    object: &Bound<'_, PyAny>,
    name: &str,
    wanted: Option<Dtype>,
) -> PyResult<Option<(Piece, Dtype)>> {
    let py = object.py();
    let refused = |found: &str| {
        let wanted = wanted.map_or("another dtype", Dtype::name);
        Err(error::dtype(
            py,
            format!("tensor `{name}` holds {wanted}, found {found}"),
        ))
    };
    if let Ok(value) = object.cast_exact::<PyFloat>() {
        let value = value.extract::<f64>()?;
        let dtype = wanted.unwrap_or(Dtype::F64);
        let Some(piece) = float(value, dtype) else {
            return refused("a float");
        };
        return Ok(Some((piece, dtype)));
    }
    if let Ok(value) = object.cast_exact::<PyBool>() {
        if wanted.is_some_and(|wanted| wanted != Dtype::Bool) {
            return refused("a bool");
        }
        let piece = Piece::single(&[u8::from(value.is_true())]);
        return Ok(Some((piece, Dtype::Bool)));
    }
    if object.is_exact_instance_of::<PyInt>() {
        let value = object.extract::<i128>().ok();
        let Some(value) = value.filter(|value| (LEAST..=LARGEST).contains(value)) else {
            return refused("an integer of more than 64 bits");
        };
        let dtype = wanted.unwrap_or(match i64::try_from(value) {
            Ok(_) => Dtype::I64,
            Err(_) => Dtype::U64,
        });
        if let Some(piece) = integer(value, dtype) {
            return Ok(Some((piece, dtype)));
        }
        return refused(&match float(0.0, dtype) {
            Some(_) => format!(
                "the integer {value}, which is none of its values; `float({value})` is rounded, and an integer \
                 dtype holds it"
            ),
            None => format!("the integer {value}"),
        });
    }
    if let Ok(value) = object.cast_exact::<PyComplex>() {
        let (real, imaginary) = (value.real(), value.imag());
        let dtype = wanted.unwrap_or(Dtype::C128);
        let mut bytes = Vec::new();
        match dtype {
            Dtype::C64 => {
                for part in [real, imaginary] {
                    #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest")]
                    bytes.extend((part as f32).to_le_bytes());
                }
            }
            Dtype::C128 => [real, imaginary]
                .iter()
                .for_each(|part| bytes.extend(part.to_le_bytes())),
            _ => return refused("a complex number"),
        }
        return Ok(Some((Piece::single(&bytes), dtype)));
    }
    Ok(None)
}

fn float(value: f64, dtype: Dtype) -> Option<Piece> {
    #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest")]
    Some(match dtype {
        Dtype::F64 => Piece::single(&value.to_le_bytes()),
        Dtype::F32 => Piece::single(&(value as f32).to_le_bytes()),
        Dtype::F16 => Piece::single(&f16::from_f64(value).to_bits().to_le_bytes()),
        Dtype::Bf16 => Piece::single(&bf16::from_f64(value).to_bits().to_le_bytes()),
        _ => return None,
    })
}

fn integer(value: i128, dtype: Dtype) -> Option<Piece> {
    macro_rules! exactly {
        ($type:ty) => {
            Piece::single(&<$type>::try_from(value).ok()?.to_le_bytes())
        };
    }
    Some(match dtype {
        Dtype::I8 => exactly!(i8),
        Dtype::I16 => exactly!(i16),
        Dtype::I32 => exactly!(i32),
        Dtype::I64 => exactly!(i64),
        Dtype::U8 => exactly!(u8),
        Dtype::U16 => exactly!(u16),
        Dtype::U32 => exactly!(u32),
        Dtype::U64 => exactly!(u64),
        Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64 => {
            let rounded = value as f64;
            #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest")]
            let held = match dtype {
                Dtype::F16 => f16::from_f64(rounded).to_f64(),
                Dtype::Bf16 => bf16::from_f64(rounded).to_f64(),
                Dtype::F32 => f64::from(rounded as f32),
                _ => rounded,
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "infinity is the largest, which is no value here"
            )]
            let is_same = held as i128 == value;
            return float(rounded, dtype).filter(|_| is_same);
        }
        _ => return None,
    })
}
