//! The sum of bfloat16 values, which all loads are followed by.

use half::bf16;

/// Sums that are taken side by side, so that the compiler finds a vector of them.
const LANES: usize = 16;
/// Values that a sum in `f32` takes before it goes on in `f64`.
const BLOCK: usize = 1 << 16;

/// The sum of `values`, at about the speed of the memory that they are in.
///
/// It is exact, in any order, for the values of [`values`](super::data::values): those are multiples
/// of 2⁻¹⁰ below 2, and a lane of a block adds 4,096 of them.
#[must_use]
pub fn sum(values: &[bf16]) -> f64 {
    values
        .chunks(BLOCK)
        .map(|block| f64::from(sum_block(block)))
        .sum()
}

fn sum_block(block: &[bf16]) -> f32 {
    let (vectors, rest) = block.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for vector in vectors {
        for (lane, value) in lanes.iter_mut().zip(vector) {
            *lane += widen(*value);
        }
    }
    lanes
        .into_iter()
        .chain(rest.iter().copied().map(widen))
        .sum()
}

/// As [`bf16::to_f32`], which looks for NaNs too.
fn widen(value: bf16) -> f32 {
    f32::from_bits(u32::from(value.to_bits()) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safetensors::data::values;

    #[test]
    fn the_sum_is_exact() {
        for len in [0, 1, LANES, BLOCK - 1, 3 * BLOCK + 17] {
            let values = values(len);
            let exact: f64 = values.iter().map(|value| value.to_f64()).sum();
            assert_eq!(sum(&values), exact, "{len}");
        }
    }
}
