//! The loops over planes, each of them once: what differs between CPUs is how wide their registers are.

use crate::check::Sums;
use crate::kernel::{Kernel, Portable};
use crate::sample::Range;

/// What the loops ask of registers of `WIDE` bytes: each is one instruction, or two or three.
///
/// It is implemented by the token that proves that these instructions may run.
pub(super) trait Registers<const WIDE: usize>: Copy {
    /// A register.
    type Wide: Copy;

    /// As many elements as there are bytes in a register.
    fn elements(self, elements: &[u16; WIDE]) -> [Self::Wide; 2];
    fn of(self, bytes: &[u8; WIDE]) -> Self::Wide;
    fn bytes(self, wide: Self::Wide) -> [u8; WIDE];
    /// The same byte in all places.
    fn all(self, byte: u8) -> Self::Wide;
    fn and(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// The lesser of the two bytes at each place.
    fn least(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// The greater of the two bytes at each place.
    fn greatest(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// The low bytes of elements, in their order.
    fn low_bytes(self, elements: [Self::Wide; 2]) -> Self::Wide;
    /// The high bytes of elements, in their order.
    fn high_bytes(self, elements: [Self::Wide; 2]) -> Self::Wide;
    /// The sum of each eight bytes.
    fn sums(self, bytes: Self::Wide) -> Self::Wide;
    fn add_sums(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// All such sums together.
    fn total(self, sums: Self::Wide) -> u64;
    /// Adds bytes, each times its weight, to sums of four of them. Weights are at most 64.
    fn add_weighted(self, to: Self::Wide, bytes: Self::Wide, weights: Self::Wide) -> Self::Wide;
    /// All such sums together.
    fn total_weighted(self, weighted: Self::Wide) -> u64;
}

/// The low and the high bytes of the elements, and the range of the high ones: HDF5's shuffle filter for elements
/// of two bytes, and what `Range::of` finds.
///
/// ```text
/// for each register of elements:
///     low  = the low bytes;  high = the high bytes
///     least[i], greatest[i] = the least and the greatest that place i has had, of high and of high & 0x7F
/// the range is that of all places
/// ```
#[inline(always)]
pub(super) fn split<R: Registers<WIDE>, const WIDE: usize>(
    registers: R,
    elements: &[u16],
    low: &mut [u8],
    high: &mut [u8],
) -> Range {
    let r = registers;
    let (wide, rest) = elements.as_chunks::<WIDE>();
    let (low, rest_low) = low.as_chunks_mut::<WIDE>();
    let (high, rest_high) = high.as_chunks_mut::<WIDE>();
    let exponent = r.all(0x7F);
    let (mut least, mut least_low) = (r.all(0xFF), exponent);
    let (mut greatest, mut greatest_low) = (r.all(0), r.all(0));
    for (elements, (low, high)) in wide.iter().zip(low.iter_mut().zip(high)) {
        let elements = r.elements(elements);
        *low = r.bytes(r.low_bytes(elements));
        let bytes = r.high_bytes(elements);
        *high = r.bytes(bytes);
        let exponents = r.and(bytes, exponent);
        least = r.least(least, bytes);
        least_low = r.least(least_low, exponents);
        greatest = r.greatest(greatest, bytes);
        greatest_low = r.greatest(greatest_low, exponents);
    }
    let range = Range::of_registers(
        [r.bytes(least), r.bytes(least_low)],
        [r.bytes(greatest), r.bytes(greatest_low)],
    );
    range.and(Portable.split(rest, rest_low, rest_high))
}

/// Registers that are added up before their sums are taken together: a weighted one, of four bytes of each,
/// stays below 2^27.
const TOGETHER: usize = 1024;

/// The Adler-32 of bytes that follow those that `check` is of (RFC 1950, 8.2), by registers, as zlib's forks have it.
///
/// A byte at place `i` of the `n` that are added up is in `n - i` values of the second sum. That is, with `W` bytes in a
/// register: `W` for each register after its own, and its weight, `W - i % W`, for its own.
///
/// ```text
/// for each register:
///     before   += sums                  the bytes of all registers before this one
///     sums     += its bytes
///     weighted += its bytes · (W, W - 1, … 1)
/// values += n · bytes + W · before + weighted
/// bytes  += sums
/// ```
#[inline(always)]
pub(super) fn check<R: Registers<WIDE>, const WIDE: usize>(
    registers: R,
    check: u32,
    bytes: &[u8],
) -> u32 {
    let mut all = Sums::of(check);
    let (whole, rest) = bytes.as_chunks();
    for whole in whole.chunks(TOGETHER) {
        add(registers, &mut all, whole, WIDE * whole.len());
    }
    if !rest.is_empty() {
        // Zeros before them count nothing.
        let mut last = [0; WIDE];
        last[WIDE - rest.len()..].copy_from_slice(rest);
        add(registers, &mut all, &[last], rest.len());
    }
    all.check()
}

/// Takes registers with `count` bytes into the sums.
#[inline(always)]
fn add<R: Registers<WIDE>, const WIDE: usize>(
    registers: R,
    to: &mut Sums,
    bytes: &[[u8; WIDE]],
    count: usize,
) {
    let r = registers;
    let weights = r.of(&const { weights::<WIDE>() });
    let (mut sums, mut before, mut weighted) = (r.all(0), r.all(0), r.all(0));
    for bytes in bytes {
        let bytes = r.of(bytes);
        before = r.add_sums(before, sums);
        sums = r.add_sums(sums, r.sums(bytes));
        weighted = r.add_weighted(weighted, bytes, weights);
    }
    let weighted = r.total_weighted(weighted);
    to.values += count as u64 * to.bytes + WIDE as u64 * r.total(before) + weighted;
    to.bytes += r.total(sums);
}

/// How many of the sums a byte of a register is in by its end.
const fn weights<const WIDE: usize>() -> [u8; WIDE] {
    let mut weights = [0; WIDE];
    let (mut place, mut weight) = (WIDE, 0);
    while place > 0 {
        place -= 1;
        weight += 1;
        weights[place] = weight;
    }
    weights
}
