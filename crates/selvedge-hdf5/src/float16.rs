//! bfloat16 data that were stored as float16: what is lost, and back to bfloat16.

use std::fmt;
use std::ops::AddAssign;

use half::f16;
use half::slice::HalfFloatSliceExt;
use selvedge_bf16::{bf16, round_f32_to_bf16};

use crate::plan::Grouped;
use crate::reader::Tensor;
use crate::{Dtype, ReadError};

/// Values that are converted at a time.
const BLOCK: usize = 1024;

/// What can be said of float16 values that were bfloat16 once.
///
/// float16 holds every bfloat16 from 2^−17 to 65,280 exactly. Beyond those it has infinity, and
/// below it keeps a multiple of 2^−24, or zero: which bfloat16 that was, nobody can tell from the
/// float16. A value that no bfloat16 has is a sign that the data never were bfloat16.
///
/// Each value is counted in `total` and in exactly one of the next five counts. Surveys of parts add
/// up to that of the whole, with `+=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Float16Survey {
    /// All values.
    pub total: u64,
    /// Magnitudes of 2^−17 and more that a bfloat16 has: bfloat16 data that came through float16
    /// unharmed.
    pub exact: u64,
    /// Magnitudes below 2^−17 that are not zero. A bfloat16 holds them exactly, but the values
    /// before float16 may have been others, up to 2^−25 away.
    pub in_doubt: u64,
    /// Zeros. Before float16 they may have been anything up to 2^−25.
    pub zero: u64,
    /// Infinities and NaNs. An infinity may have been any value of 65,536 and more.
    pub not_finite: u64,
    /// Values that no bfloat16 has, and that are rounded on the way to bfloat16: bfloat16 data have
    /// none of them.
    pub rounded: u64,
    /// Those of `not_finite` that are infinite.
    pub infinite: u64,
}

impl Float16Survey {
    /// Looks at `values`.
    #[must_use]
    pub fn of(values: &[f16]) -> Self {
        let mut survey = Self::default();
        // In 32 bits the loop is made of vector instructions; a block cannot overflow them.
        for values in values.chunks(BLOCK) {
            let (mut in_doubt, mut zero, mut not_finite, mut infinite, mut rounded) =
                (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
            for value in values {
                let magnitude = value.to_bits() & 0x7FFF;
                zero += u32::from(magnitude == 0);
                // 2^-17 is the subnormal 128 × 2^-24.
                in_doubt += u32::from(magnitude != 0 && magnitude < 128);
                not_finite += u32::from(magnitude >= 0x7C00);
                infinite += u32::from(magnitude == 0x7C00);
                rounded += u32::from(magnitude < 0x7C00 && !is_bf16(magnitude));
            }
            let total = values.len() as u64;
            let others = in_doubt + zero + not_finite + rounded;
            survey += Self {
                total,
                exact: total - u64::from(others),
                in_doubt: in_doubt.into(),
                zero: zero.into(),
                not_finite: not_finite.into(),
                rounded: rounded.into(),
                infinite: infinite.into(),
            };
        }
        survey
    }

    /// Whether the values can have been bfloat16: whether a bfloat16 has each of them.
    ///
    /// About one in eight of float32 values that were rounded to float16 is a bfloat16 by chance.
    #[must_use]
    pub fn can_be_bf16(&self) -> bool {
        self.rounded == 0
    }

    /// Values of which nobody can tell what bfloat16 they were: infinities, zeros, and magnitudes
    /// below 2^−17.
    #[must_use]
    pub fn uncertain(&self) -> u64 {
        self.infinite + self.zero + self.in_doubt
    }
}

/// Whether a bfloat16 has this magnitude, the bits of a finite float16 without its sign.
fn is_bf16(magnitude: u16) -> bool {
    if magnitude >= 0x400 {
        // A normal number: of 10 bits after the point bfloat16 has 7.
        return magnitude & 0b111 == 0;
    }
    // A subnormal: a multiple of 2^-24 with at most 8 significant bits.
    match magnitude {
        0..256 => true,
        256..512 => magnitude & 1 == 0,
        _ => magnitude & 0b11 == 0,
    }
}

impl AddAssign for Float16Survey {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.exact += other.exact;
        self.in_doubt += other.in_doubt;
        self.zero += other.zero;
        self.not_finite += other.not_finite;
        self.rounded += other.rounded;
        self.infinite += other.infinite;
    }
}

impl fmt::Display for Float16Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.can_be_bf16() {
            return write!(
                f,
                "{} of {} values are no bfloat16: the data never were, or were changed since",
                Grouped(self.rounded),
                Grouped(self.total)
            );
        }
        write!(
            f,
            "all {} values can have been bfloat16; {} are sure, and what these were is lost: {} \
             infinite (65,536 and more), {} zero (may have been up to 2^-25), {} below 2^-17 (may \
             have been rounded)",
            Grouped(self.total),
            Grouped(self.exact),
            Grouped(self.infinite),
            Grouped(self.zero),
            Grouped(self.in_doubt),
        )
    }
}

/// Looks at all values of a float16 tensor, in bounded memory.
///
/// ```
/// # use selvedge_hdf5::{Reader, Recorder, f16, survey_float16};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("thimble_1.h5");
/// # let mut run = Recorder::create(&path).steps(1).tensor::<f16>("W", [4]).start()?;
/// # run.append(|step| step.put("W", &[1.0, 70000.0, 1e-6, 0.0].map(f16::from_f32)))?;
/// # run.finish()?;
/// let survey = survey_float16(Reader::open(&path)?.tensor("W")?)?;
/// assert!(survey.can_be_bf16());
/// assert_eq!((survey.exact, survey.uncertain()), (1, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`ReadError::DtypeMismatch`] for a tensor of another dtype, and those of reading.
pub fn survey_float16(tensor: &Tensor) -> Result<Float16Survey, ReadError> {
    let found = tensor.dtype()?;
    if found != Dtype::F16 {
        return Err(ReadError::DtypeMismatch {
            tensor: tensor.name().to_owned(),
            expected: found,
            found: Dtype::F16,
        });
    }
    if tensor.shape().is_empty() {
        return Ok(Float16Survey::of(&tensor.read::<f16>()?));
    }
    let mut survey = Float16Survey::default();
    for block in tensor.select().blocks::<f16>(48 << 20)? {
        survey += Float16Survey::of(&block?);
    }
    Ok(survey)
}

/// Turns float16 values into the nearest bfloat16 values, in place, and tells what they were.
pub(crate) fn into_bf16(bytes: &mut [u8]) -> Float16Survey {
    let survey = Float16Survey::of(bytemuck::cast_slice::<u8, f16>(bytes));
    let mut wide = [0.0_f32; BLOCK];
    for bytes in bytes.chunks_mut(BLOCK * size_of::<f16>()) {
        let wide = &mut wide[..bytes.len() / size_of::<f16>()];
        bytemuck::cast_slice::<u8, f16>(bytes).convert_to_f32_slice(wide);
        round_f32_to_bf16(wide, bytemuck::cast_slice_mut::<u8, bf16>(bytes));
    }
    survey
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every float16 against the definition: is there a bfloat16 of the same value?
    #[test]
    fn each_float16_is_counted_and_converted() {
        for bits in 0..=u16::MAX {
            let value = f16::from_bits(bits);
            let survey = Float16Survey::of(&[value]);
            let wide = value.to_f32();
            let nearest = bf16::from_f32(wide);
            let kept = nearest.to_f32() == wide;
            let parts = [
                survey.exact,
                survey.in_doubt,
                survey.zero,
                survey.not_finite,
                survey.rounded,
            ];
            let expected = [
                wide.is_finite() && kept && wide.abs() >= 2.0_f32.powi(-17),
                wide != 0.0 && kept && wide.abs() < 2.0_f32.powi(-17),
                wide == 0.0,
                !wide.is_finite(),
                wide.is_finite() && !kept,
            ];
            assert_eq!(parts, expected.map(u64::from), "{bits:#06x}");
            assert_eq!(survey.total, 1);
            assert_eq!(survey.infinite, u64::from(wide.is_infinite()));

            let mut bytes = bits.to_le_bytes();
            assert_eq!(into_bf16(&mut bytes), survey);
            assert_eq!(u16::from_le_bytes(bytes), nearest.to_bits(), "{bits:#06x}");
        }
    }

    /// bfloat16 data that were stored as float16 can all have been bfloat16.
    #[test]
    fn no_bf16_that_came_through_float16_is_rounded() {
        for bits in 0..=u16::MAX {
            let value = bf16::from_bits(bits);
            let survey = Float16Survey::of(&[f16::from_f32(value.to_f32())]);
            assert!(survey.can_be_bf16(), "{bits:#06x}");
            let magnitude = value.to_f32().abs();
            if (2.0_f32.powi(-17)..=65_280.0).contains(&magnitude) {
                assert_eq!((survey.exact, survey.uncertain()), (1, 0), "{bits:#06x}");
            }
        }
    }
}
