//! `selvedge-bf16`'s conversion of slices beside `half`'s, and copying the same bytes.
//!
//! What each contender makes of a slice is held against `half`'s conversion of single values. Throughput is
//! in bytes of `f32`, in both directions and for the copy, so the figures compare with one another. Values are random,
//! normal and of both signs; no path branches on them.

use std::hint::black_box;

use bytemuck::pod_collect_to_vec;
use half::bf16;
use half::slice::HalfFloatSliceExt as _;
use selvedge_bf16::{bf16_as_u16, round_f32_to_bf16, widen_bf16_to_f32};

use crate::data::random_bytes;
use crate::prelude::*;

/// Rounds, and widens.
type Conversions = (fn(&[f32], &mut [bf16]), fn(&[bf16], &mut [f32]));

const OURS: Conversions = (round_f32_to_bf16, widen_bf16_to_f32);
const HALF: Conversions = (
    |wide, narrow| narrow.convert_from_f32_slice(wide),
    |narrow, wide| narrow.convert_to_f32_slice(wide),
);

pub(crate) fn run(bench: &mut Bench, groups: &[Spec]) -> Result<()> {
    for spec in groups {
        let len = usize::try_from(spec.numbers[0])?;
        // What fits into the cache is as it is.
        let len = match len > 1 << 20 {
            true => bench.pick(len, len / 4, 1 << 10),
            false => len,
        };
        // From 2⁻¹⁵ to 2, of both signs.
        let bits: Vec<u32> = pod_collect_to_vec(&random_bytes(4 * len));
        let normal = |bits| f32::from_bits((bits & 0x87FF_FFFF) | 0x3800_0000);
        let wide: Vec<f32> = bits.into_iter().map(normal).collect();
        let narrow: Vec<bf16> = wide.iter().map(|&value| bf16::from_f32(value)).collect();
        let widened: Vec<f32> = narrow.iter().map(|value| value.to_f32()).collect();
        let (mut to_narrow, mut to_wide) = (vec![bf16::ONE; len], vec![1.0; len]);
        let rounds = spec.name.starts_with("convert/f32");
        let group = spec.group(spec.count, spec.count * 4 * len as u64, "", &None);
        bench.rounds(spec, group, false, |who, _| {
            let conversions = match who.key {
                "copy" => None,
                "ours" => Some(OURS),
                "half" => Some(HALF),
                _ => return unknown(who),
            };
            to_narrow.fill(bf16::ONE);
            to_wide.fill(1.0);
            let begin = Instant::now();
            for _ in 0..spec.count {
                let (wide, to_wide) = (black_box(&wide[..]), black_box(&mut to_wide[..]));
                let (narrow, to_narrow) = (black_box(&narrow[..]), black_box(&mut to_narrow[..]));
                match conversions {
                    None => to_wide.copy_from_slice(wide),
                    Some((round, _)) if rounds => round(wide, to_narrow),
                    Some((_, widen)) => widen(narrow, to_wide),
                }
            }
            let sample = since(begin);
            let is_same = match conversions {
                None => to_wide == wide,
                Some(_) if rounds => bf16_as_u16(&to_narrow) == bf16_as_u16(&narrow),
                Some(_) => to_wide == widened,
            };
            match is_same {
                true => Ok(sample),
                false => Err("other values than half's conversion of single ones".into()),
            }
        });
    }
    Ok(())
}
