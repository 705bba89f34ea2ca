//! The dtypes of the three formats beside each other.

use selvedge_hdf5::Dtype as Hdf5;
use selvedge_safetensors::Dtype;

/// Dtype, that of HDF5, and the type code of `NumPy`.
const TABLE: [(Dtype, Option<Hdf5>, &str); 16] = [
    // NumPy has no bfloat16: its bits as uint16.
    (Dtype::BF16, Some(Hdf5::Bf16), "u2"),
    (Dtype::F16, Some(Hdf5::F16), "f2"),
    (Dtype::F32, Some(Hdf5::F32), "f4"),
    (Dtype::F64, Some(Hdf5::F64), "f8"),
    (Dtype::I8, Some(Hdf5::I8), "i1"),
    (Dtype::I16, Some(Hdf5::I16), "i2"),
    (Dtype::I32, Some(Hdf5::I32), "i4"),
    (Dtype::I64, Some(Hdf5::I64), "i8"),
    (Dtype::U8, Some(Hdf5::U8), "u1"),
    (Dtype::U16, Some(Hdf5::U16), "u2"),
    (Dtype::U32, Some(Hdf5::U32), "u4"),
    (Dtype::U64, Some(Hdf5::U64), "u8"),
    (Dtype::BOOL, Some(Hdf5::Bool), "b1"),
    (Dtype::C64, Some(Hdf5::C64), "c8"),
    // Nor has it float8: the bits as uint8.
    (Dtype::F8_E4M3, Some(Hdf5::F8E4M3), "u1"),
    (Dtype::F8_E5M2, Some(Hdf5::F8E5M2), "u1"),
];

/// The dtype of an HDF5 tensor.
pub(super) fn of_hdf5(dtype: Hdf5) -> Option<Dtype> {
    let row = TABLE.iter().find(|(_, hdf5, _)| *hdf5 == Some(dtype))?;
    Some(row.0)
}

/// The dtype for HDF5.
pub(super) fn to_hdf5(dtype: Dtype) -> Option<Hdf5> {
    TABLE.iter().find(|row| row.0 == dtype)?.1
}

/// The dtype of a type code, such as `f4`; `u2` is uint16.
pub(super) fn of_numpy(code: &str) -> Option<Dtype> {
    let rows = TABLE.iter().filter(|row| bits_of(row.0).is_none());
    rows.into_iter().find(|row| row.2 == code).map(|row| row.0)
}

/// The integer whose bits stand for a dtype that `NumPy` has not.
pub(super) fn bits_of(dtype: Dtype) -> Option<Dtype> {
    match dtype {
        Dtype::BF16 => Some(Dtype::U16),
        Dtype::F8_E4M3 | Dtype::F8_E5M2 => Some(Dtype::U8),
        _ => None,
    }
}

/// The type code with its byte order, such as `<f4`.
pub(super) fn to_numpy(dtype: Dtype) -> Option<String> {
    let row = TABLE.iter().find(|row| row.0 == dtype)?;
    // A single byte has no order.
    let order = if row.2.ends_with('1') { '|' } else { '<' };
    Some(format!("{order}{}", row.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dtype_of_hdf5_has_a_counterpart() {
        for dtype in Hdf5::ALL {
            let Some(there) = of_hdf5(dtype) else {
                // Neither has safetensors it.
                assert_eq!(dtype, Hdf5::C128);
                continue;
            };
            assert_eq!(to_hdf5(there), Some(dtype));
            let code = to_numpy(there).unwrap();
            let back = of_numpy(&code[1..]).unwrap();
            let expected = bits_of(there).unwrap_or(there);
            assert_eq!(back, expected);
            assert_eq!(there.bitsize(), dtype.size() * 8);
        }
    }
}
