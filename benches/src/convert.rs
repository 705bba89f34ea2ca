//! `selvedge-bf16`'s conversion of slices beside `half`'s, and copying the same bytes.
//!
//! Before any time is taken, each contender's answers are held against `half`'s conversion of single
//! values. Throughput is in bytes of `f32`, in both directions and for the copy, so the figures
//! compare with one another. Values are random, normal and of both signs; no path branches on them.

use std::hint::black_box;
use std::time::Instant;

use half::bf16;
use half::slice::HalfFloatSliceExt;
use selvedge_bf16::{bf16_as_u16, round_f32_to_bf16, u16_as_bf16, widen_bf16_to_f32};

use crate::Result;
use crate::bench::{Bench, Contender as Named};
use crate::options::Scale;
use crate::record::workload::random_bytes;
use crate::report::{Figure, Group, Kind, Sample};
use crate::scratch::Scratch;
use crate::table::bytes;

/// The names of the groups.
pub const GROUPS: &[&str] = &[
    "convert/f32-to-bf16-cache",
    "convert/f32-to-bf16-memory",
    "convert/bf16-to-f32-cache",
    "convert/bf16-to-f32-memory",
];

/// Who converts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// Copies the `f32` values.
    Copy,
    /// `selvedge-bf16`.
    Selvedge,
    /// `half`.
    Half,
}

const ALL: [Contender; 3] = [Contender::Copy, Contender::Selvedge, Contender::Half];

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Copy => "memcpy",
            Self::Selvedge => "selvedge-bf16",
            Self::Half => "half",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Copy => Kind::Plain,
            Self::Selvedge => Kind::Ours,
            Self::Half => Kind::Peer,
        }
    }
}

/// The values in both forms, and room for a copy.
struct Values {
    wide: Vec<f32>,
    narrow: Vec<bf16>,
    copy: Vec<f32>,
}

impl Values {
    /// Random values from 2⁻¹⁵ to 2, of both signs.
    fn new(len: usize) -> Self {
        let bits = random_bits(len);
        let wide = bits.map(|bits| f32::from_bits((bits & 0x87FF_FFFF) | 0x3800_0000));
        Self {
            wide: wide.collect(),
            narrow: vec![bf16::ONE; len],
            copy: vec![1.0; len],
        }
    }

    fn round(&mut self, who: Contender) {
        let (wide, narrow) = (black_box(&self.wide[..]), black_box(&mut self.narrow[..]));
        match who {
            Contender::Copy => black_box(&mut self.copy[..]).copy_from_slice(wide),
            Contender::Selvedge => round_f32_to_bf16(wide, narrow),
            Contender::Half => narrow.convert_from_f32_slice(wide),
        }
    }

    fn widen(&mut self, who: Contender) {
        let (narrow, copy) = (black_box(&self.narrow[..]), black_box(&mut self.copy[..]));
        match who {
            Contender::Copy => copy.copy_from_slice(black_box(&self.wide)),
            Contender::Selvedge => widen_bf16_to_f32(narrow, copy),
            Contender::Half => narrow.convert_to_f32_slice(copy),
        }
    }
}

type Convert = fn(&mut Values, Contender);

/// Runs those that are selected.
///
/// # Errors
///
/// A contender that converts otherwise than `half` converts single values.
pub fn run(bench: &mut Bench, _scratch: &Scratch) -> Result<()> {
    let scale = bench.options.scale;
    verify(scale)?;
    for (place, len, calls) in [
        ("cache", 16 << 10, scale.pick(5000, 1000, 2)),
        ("memory", scale.pick(16 << 20, 4 << 20, 1 << 10), 2),
    ] {
        let mut values = Values::new(len);
        let size = size_of_val(&values.wide[..]) as u64;
        let directions: [(&str, &str, Convert); 2] = [
            ("f32-to-bf16", "float32 to bfloat16", Values::round),
            ("bf16-to-f32", "bfloat16 to float32", Values::widen),
        ];
        for (name, title, convert) in directions {
            let name = format!("convert/{name}-{place}");
            if !bench.selects(&name) {
                continue;
            }
            let title = format!("{title}, in the {place}");
            let what = format!(
                "Slices of {} of float32, which the rate is of.",
                bytes(size as f64)
            );
            let group = Group::new(
                &name,
                &title,
                what,
                (calls, "slice"),
                calls * size,
                Contender::Copy.name(),
            );
            bench.rounds(group, &ALL, |who, _| {
                let begin = Instant::now();
                for _ in 0..calls {
                    convert(&mut values, who);
                }
                Ok(Sample::from([(
                    Figure::Seconds,
                    begin.elapsed().as_secs_f64(),
                )]))
            });
        }
    }
    Ok(())
}

fn random_bits(count: usize) -> impl Iterator<Item = u32> {
    let bytes = random_bytes(4 * count);
    (0..count).map(move |index| {
        let word = bytes[4 * index..].first_chunk().copied();
        u32::from_le_bytes(word.unwrap_or_default())
    })
}

/// Holds every contender against `half`'s conversion of single values: random bits, every special value and, but in
/// tests, every subnormal; and every bfloat16.
///
/// # Errors
///
/// Where one converts otherwise.
pub fn verify(scale: Scale) -> Result<()> {
    verify_round(random_bits(scale.pick(16 << 20, 1 << 20, 1 << 12)))?;
    // All 65,536 upper halves: zeros, infinities, NaNs, the ends of the range and all ties.
    for lower in [0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF] {
        verify_round((0..=0xFFFF).map(|upper| upper << 16 | lower))?;
    }
    if scale == Scale::Full {
        for sign in [0, 0x8000_0000] {
            verify_round((0..=0x007F_FFFF).map(|subnormal| sign | subnormal))?;
        }
    }
    let bits: Vec<u16> = (0..=u16::MAX).collect();
    for who in [Contender::Selvedge, Contender::Half] {
        let mut values = Values {
            wide: Vec::new(),
            narrow: u16_as_bf16(&bits).to_vec(),
            copy: vec![0.0; bits.len()],
        };
        values.widen(who);
        let expected = values.narrow.iter().map(|narrow| narrow.to_f32().to_bits());
        if !values.copy.iter().map(|wide| wide.to_bits()).eq(expected) {
            return Err(
                format!("{} widens otherwise than half's single values", who.name()).into(),
            );
        }
    }
    Ok(())
}

fn verify_round(patterns: impl Iterator<Item = u32>) -> Result<()> {
    let wide: Vec<f32> = patterns.map(f32::from_bits).collect();
    let expected: Vec<u16> = wide.iter().map(|&x| bf16::from_f32(x).to_bits()).collect();
    let mut values = Values {
        narrow: Vec::new(),
        copy: Vec::new(),
        wide,
    };
    for who in [Contender::Selvedge, Contender::Half] {
        values.narrow = vec![bf16::from_bits(0xDEAD); expected.len()];
        values.round(who);
        if bf16_as_u16(&values.narrow) != expected {
            return Err(
                format!("{} rounds otherwise than half's single values", who.name()).into(),
            );
        }
    }
    Ok(())
}
