//! A plane as deflate's blocks.
//!
//! A plane is noise or it is not. Noise goes into *stored* blocks, its bytes as they are; anything
//! else into one block with a Huffman code of its own (*dynamic*). In both, a long run of one byte is
//! that byte and then matches of distance 1: in the dynamic block between the literals, and between
//! stored blocks in a small block with the code that deflate has ready (*fixed*).

use std::sync::OnceLock;

use crate::bits::{BitWriter, Full};
use crate::histogram;
use crate::huffman::{self, END, MOST_LENGTH, SYMBOLS};
use crate::runs::{self, Run};

/// Most bytes of a stored block.
pub(crate) const MOST_STORED: usize = 65_535;
/// Bytes of the head of a stored block, with those bits of it that are filled up.
pub(crate) const STORED_HEAD: usize = 5;
/// Bits of a run between two stored blocks, at least, with the head of the next stored block.
const RUN_BITS: u64 = 80;
/// Bits of the head of a dynamic block, about.
const HEAD_BITS: u64 = 600;
/// What a dynamic block has to save to be worth its time: one in so many bytes.
const WORTH: u64 = 50;

/// Longest match.
const MOST_MATCH: usize = 258;
/// Shortest match.
const LEAST_MATCH: usize = 3;

/// The tables of a code, used again for each block.
pub(crate) struct Tables {
    /// The entry of each symbol.
    symbols: [u32; SYMBOLS],
    /// The entry of each pair of literals, the first in the low byte of its index. Only those of
    /// literals that have a code are meant.
    pairs: Box<[u32; 1 << 16]>,
}

impl Tables {
    pub(crate) fn new() -> Self {
        let pairs = vec![0; 1 << 16].into_boxed_slice();
        Self {
            symbols: [0; SYMBOLS],
            pairs: pairs
                .try_into()
                .unwrap_or_else(|_| unreachable!("it has 65,536 entries")),
        }
    }

    /// Makes the entries of a code.
    #[inline(always)]
    fn fill(&mut self, lengths: &[u8; SYMBOLS]) {
        huffman::codes(lengths, &mut self.symbols);
        let used: Vec<usize> = (0..END).filter(|&symbol| lengths[symbol] > 0).collect();
        for &second in &used {
            let two = self.symbols[second];
            for &first in &used {
                let one = self.symbols[first];
                let (length, codes) = (one & 63, one >> 6 | (two >> 6) << (one & 63));
                self.pairs[second << 8 | first] = codes << 6 | (length + (two & 63));
            }
        }
    }
}

/// Appends a plane, which is not the last of the stream.
#[inline(always)]
pub(crate) fn write_plane(
    plane: &[u8],
    runs: &mut Vec<Run>,
    tables: &mut Tables,
    out: &mut BitWriter<'_>,
) -> Result<(), Full> {
    runs::find(plane, runs);
    let code = Code::for_plane(plane, runs);
    let (mark, start) = (out.mark(), out.position());
    let stored = stored_bits(plane, runs);
    if code.bits + stored / WORTH < stored {
        tables.fill(&code.lengths);
        // A sample can be wrong about the rest.
        let written = write_dynamic(plane, runs, &code, tables, out);
        if written.is_ok() && out.position() <= start + stored {
            return Ok(());
        }
        out.rewind(mark);
    }
    write_stored(plane, runs, out)
}

/// A code for a plane, and about how many bits the plane takes with it.
struct Code {
    lengths: [u8; SYMBOLS],
    bits: u64,
}

impl Code {
    #[inline(always)]
    fn for_plane(plane: &[u8], runs: &[Run]) -> Self {
        let mut counts = [0_u32; SYMBOLS];
        histogram::literals(plane, runs, &mut counts);
        for run in runs {
            counts[usize::from(plane[run.start])] += 1;
            for length in matches(run.end - run.start - 1) {
                counts[length_symbol(length).0] += 1;
            }
        }
        counts[END] = 1;
        let mut lengths = [0; SYMBOLS];
        huffman::lengths(&counts, MOST_LENGTH, &mut lengths);
        let bits = (0..)
            .zip(&counts)
            .zip(&lengths)
            .map(|((symbol, &count), &length)| {
                let extra = if symbol > END {
                    1 + extra_bits(symbol)
                } else {
                    0
                };
                u64::from(count) * (u64::from(length) + u64::from(extra))
            });
        Self {
            bits: bits.sum::<u64>() + HEAD_BITS,
            lengths,
        }
    }
}

/// Bits of the plane in stored blocks, at most.
fn stored_bits(plane: &[u8], runs: &[Run]) -> u64 {
    let bytes: usize = runs::parts(plane, runs)
        .map(|(literals, _)| literals.len() + literals.len().div_ceil(MOST_STORED) * STORED_HEAD)
        .sum();
    let in_runs = runs
        .iter()
        .map(|run| RUN_BITS + (run.end - run.start) as u64 / 8);
    bytes as u64 * 8 + in_runs.sum::<u64>()
}

/// Appends a dynamic block.
#[inline(always)]
fn write_dynamic(
    plane: &[u8],
    runs: &[Run],
    code: &Code,
    tables: &Tables,
    out: &mut BitWriter<'_>,
) -> Result<(), Full> {
    out.put(0b100, 3)?;
    huffman::write_lengths(&code.lengths, &[u8::from(!runs.is_empty())], out)?;
    for (literals, run) in runs::parts(plane, runs) {
        write_literals(literals, tables, out)?;
        // The only distance has a code of one bit.
        write_run(run, &tables.symbols, 1, out)?;
    }
    huffman::put(tables.symbols[END], out)
}

/// Appends literals, four at a time.
#[inline(always)]
fn write_literals(literals: &[u8], tables: &Tables, out: &mut BitWriter<'_>) -> Result<(), Full> {
    let (fours, rest) = literals.as_chunks::<4>();
    for &[a, b, c, d] in fours {
        let one = tables.pairs[usize::from(u16::from_le_bytes([a, b]))];
        let two = tables.pairs[usize::from(u16::from_le_bytes([c, d]))];
        out.put_entries(one, two)?;
    }
    for &literal in rest {
        huffman::put(tables.symbols[usize::from(literal)], out)?;
    }
    Ok(())
}

/// Appends stored blocks and the runs between them.
fn write_stored(plane: &[u8], runs: &[Run], out: &mut BitWriter<'_>) -> Result<(), Full> {
    let fixed = fixed_codes();
    for (literals, run) in runs::parts(plane, runs) {
        for part in literals.chunks(MOST_STORED) {
            let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
            out.put(0b000, 3)?;
            out.align()?;
            out.put(u64::from(length), 16)?;
            out.put(u64::from(!length), 16)?;
            out.bytes(part)?;
        }
        if !run.is_empty() {
            out.put(0b010, 3)?;
            // All distances have five bits there.
            write_run(run, fixed, 5, out)?;
            huffman::put(fixed[END], out)?;
        }
    }
    Ok(())
}

/// Appends a run with these codes, in which the distance 1 has a code of so many zeros.
#[inline(always)]
fn write_run(
    run: &[u8],
    codes: &[u32; SYMBOLS],
    distance: u32,
    out: &mut BitWriter<'_>,
) -> Result<(), Full> {
    let Some((&byte, more)) = run.split_first() else {
        return Ok(());
    };
    huffman::put(codes[usize::from(byte)], out)?;
    for length in matches(more.len()) {
        let (symbol, extra) = length_symbol(length);
        huffman::put(codes[symbol], out)?;
        out.put(extra, extra_bits(symbol))?;
        out.put(0, distance)?;
    }
    Ok(())
}

/// The lengths of the matches that make up `left` bytes. A run has more than the shortest.
fn matches(mut left: usize) -> impl Iterator<Item = usize> {
    debug_assert!(left >= LEAST_MATCH);
    std::iter::from_fn(move || {
        let length = match left {
            0 => return None,
            // The rest would be too short for a match.
            259 | 260 => left - LEAST_MATCH,
            _ => left.min(MOST_MATCH),
        };
        left -= length;
        Some(length)
    })
}

/// The symbol of the length of a match, and its extra bits: RFC 1951, 3.2.5.
fn length_symbol(length: usize) -> (usize, u64) {
    debug_assert!((LEAST_MATCH..=MOST_MATCH).contains(&length));
    if length == MOST_MATCH {
        return (285, 0);
    }
    let beyond = length - LEAST_MATCH;
    if beyond < 8 {
        return (257 + beyond, 0);
    }
    // Four symbols for each power of two.
    let bits = beyond.ilog2() as usize - 2;
    (
        257 + 4 * bits + (beyond >> bits),
        (beyond & ((1 << bits) - 1)) as u64,
    )
}

/// How many extra bits the symbol of a length has.
fn extra_bits(symbol: usize) -> u32 {
    match symbol {
        265..=284 => u32::try_from((symbol - 261) / 4).unwrap_or(0),
        _ => 0,
    }
}

/// The codes of a fixed block: RFC 1951, 3.2.6.
fn fixed_codes() -> &'static [u32; SYMBOLS] {
    static CODES: OnceLock<[u32; SYMBOLS]> = OnceLock::new();
    CODES.get_or_init(|| {
        // Two more symbols have codes and no meaning.
        let mut lengths = [8_u8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        let mut codes = [0; 288];
        huffman::codes(&lengths, &mut codes);
        std::array::from_fn(|symbol| codes[symbol])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_symbols_of_the_specification() {
        let check = |length, symbol, bits, extra| {
            assert_eq!(length_symbol(length), (symbol, extra), "{length}");
            assert_eq!(extra_bits(symbol), bits, "{length}");
        };
        check(3, 257, 0, 0);
        check(10, 264, 0, 0);
        check(11, 265, 1, 0);
        check(12, 265, 1, 1);
        check(18, 268, 1, 1);
        check(19, 269, 2, 0);
        check(34, 272, 2, 3);
        check(35, 273, 3, 0);
        check(63, 276, 3, 4);
        check(130, 280, 4, 15);
        check(131, 281, 5, 0);
        check(257, 284, 5, 30);
        check(258, 285, 0, 0);
    }

    #[test]
    fn matches_make_up_any_length() {
        for left in LEAST_MATCH..2000 {
            let lengths: Vec<usize> = matches(left).collect();
            assert_eq!(lengths.iter().sum::<usize>(), left);
            assert!(
                lengths
                    .iter()
                    .all(|length| (LEAST_MATCH..=MOST_MATCH).contains(length)),
                "{left}"
            );
        }
    }
}
