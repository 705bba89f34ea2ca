//! `selvedge-bf16`'s conversion of slices beside `half`'s, and copying the same bytes.
//!
//! Before any time is taken, each contender's answers are held against `half`'s conversion of single values. Throughput is
//! in bytes of `f32`, in both directions and for the copy, so the figures compare with one another. Values are random,
//! normal and of both signs; no path branches on them.

use std::hint::black_box;

use bytemuck::pod_collect_to_vec;
use half::bf16;
use half::slice::HalfFloatSliceExt as _;
use selvedge_bf16::{bf16_as_u16, round_f32_to_bf16, widen_bf16_to_f32};

use crate::data::random_bytes;
use crate::options::Scale;
use crate::prelude::*;

/// Rounds, and widens.
type Conversions = (fn(&[f32], &mut [bf16]), fn(&[bf16], &mut [f32]));

const OURS: Conversions = (round_f32_to_bf16, widen_bf16_to_f32);
const HALF: Conversions = (
    |wide, narrow| narrow.convert_from_f32_slice(wide),
    |narrow, wide| narrow.convert_to_f32_slice(wide),
);

pub(crate) fn run(bench: &mut Bench, groups: &[Spec]) -> Result<()> {
    let scale = bench.options.scale();
    verify(scale)?;
    for spec in groups {
        let len = usize::try_from(spec.numbers[0])?;
        // What fits into the cache is as it is.
        let len = if len > 1 << 20 {
            scale.pick(len, len / 4, 1 << 10)
        } else {
            len
        };
        // From 2⁻¹⁵ to 2, of both signs.
        let wide = random_bits(len).into_iter();
        let wide = wide.map(|bits| f32::from_bits((bits & 0x87FF_FFFF) | 0x3800_0000));
        let (wide, mut narrow) = (wide.collect::<Vec<f32>>(), vec![bf16::ONE; len]);
        let mut copy = vec![1.0; len];
        let rounds = spec.name.starts_with("convert/f32");
        let group = spec.group(spec.count, spec.count * 4 * len as u64, "", &None);
        bench.rounds(spec, group, false, |who, _| {
            let conversions = match who.key {
                "copy" => None,
                "ours" => Some(OURS),
                "half" => Some(HALF),
                _ => return unknown(who),
            };
            let begin = Instant::now();
            for _ in 0..spec.count {
                let (wide, copy) = (black_box(&wide[..]), black_box(&mut copy[..]));
                let narrow = black_box(&mut narrow[..]);
                match conversions {
                    None => copy.copy_from_slice(wide),
                    Some((round, _)) if rounds => round(wide, narrow),
                    Some((_, widen)) => widen(narrow, copy),
                }
            }
            Ok(since(begin))
        });
    }
    Ok(())
}

fn random_bits(count: usize) -> Vec<u32> {
    pod_collect_to_vec(&random_bytes(4 * count))
}

/// Holds both against `half`'s conversion of single values: random bits, all 65,536 upper halves, which are zeros,
/// infinities, NaNs, the ends of the range and all ties, in a full run every subnormal; and every bfloat16.
fn verify(scale: Scale) -> Result<()> {
    let mut bits = random_bits(scale.pick(16 << 20, 1 << 20, 1 << 12));
    for lower in [0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF] {
        bits.extend((0..=0xFFFF).map(|upper| upper << 16 | lower));
    }
    if scale == Scale::Full {
        for sign in [0, 0x8000_0000] {
            bits.extend((0..=0x007F_FFFF).map(|subnormal| sign | subnormal));
        }
    }
    let wide: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
    let rounded: Vec<bf16> = wide.iter().map(|&value| bf16::from_f32(value)).collect();
    let narrow: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).collect();
    let widened: Vec<f32> = narrow.iter().map(|value| value.to_f32()).collect();
    for (round, widen) in [OURS, HALF] {
        let mut found = (
            vec![bf16::from_bits(0xDEAD); wide.len()],
            vec![0.0; narrow.len()],
        );
        round(&wide, &mut found.0);
        widen(&narrow, &mut found.1);
        let same = cast_slice::<f32, u8>(&found.1) == cast_slice::<f32, u8>(&widened);
        if !same || bf16_as_u16(&found.0) != bf16_as_u16(&rounded) {
            return Err("a contender converts otherwise than half's single values".into());
        }
    }
    Ok(())
}
