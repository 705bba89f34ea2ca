//! What a block's bytes are like, without looking at each of them.

/// Bytes that are counted together, and one such piece is counted of every [`STRIDE`] bytes.
const PIECE: usize = 16;
const STRIDE: usize = 256;

/// How many bytes a counted one stands for.
const SCALE: u32 = 16;
const _: () = assert!(SCALE as usize * PIECE == STRIDE);

/// Blocks shorter than this are counted byte by byte.
const WHOLE: usize = 8192;

/// What was found.
pub(crate) struct Sample {
    /// Estimated counts; not 0 for any byte that the block has.
    pub(crate) counts: [u32; 256],
    /// Whether runs of one byte are so frequent that looking for them pays.
    pub(crate) runs: bool,
}

/// The least and greatest byte, and the least and greatest without the highest bit.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) least: u8,
    pub(crate) greatest: u8,
    pub(crate) least_low: u8,
    pub(crate) greatest_low: u8,
}

impl Range {
    #[inline(always)]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut range = Self {
            least: 255,
            greatest: 0,
            least_low: 127,
            greatest_low: 0,
        };
        for &byte in bytes {
            range.least = range.least.min(byte);
            range.greatest = range.greatest.max(byte);
            range.least_low = range.least_low.min(byte & 0x7F);
            range.greatest_low = range.greatest_low.max(byte & 0x7F);
        }
        range
    }

    /// From the least and the greatest bytes of each place in a register: first of bytes, then of those
    /// without the highest bit.
    pub(crate) fn of_registers<const N: usize>(
        least: [[u8; N]; 2],
        greatest: [[u8; N]; 2],
    ) -> Self {
        let [least, least_low] = least.map(|bytes| Self::of(&bytes));
        let [greatest, greatest_low] = greatest.map(|bytes| Self::of(&bytes));
        Self {
            least: least.least,
            greatest: greatest.greatest,
            least_low: least_low.least_low,
            greatest_low: greatest_low.greatest_low,
        }
    }

    /// The range of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
            least_low: self.least_low.min(other.least_low),
            greatest_low: self.greatest_low.max(other.greatest_low),
        }
    }

    /// Whether the block may have this byte. In the high plane a byte is a sign and seven bits of
    /// exponent, so the exponents' range, for both signs, is little more than what occurs.
    fn may_have(self, byte: u8) -> bool {
        let low = byte & 0x7F;
        (self.least..=self.greatest).contains(&byte)
            && (self.least_low..=self.greatest_low).contains(&low)
    }
}

impl Sample {
    #[inline(always)]
    pub(crate) fn of(bytes: &[u8], range: Range) -> Self {
        // Four tables, so that equal bytes in a row do not wait for one another.
        let mut tables = [[0_u16; 256]; 4];
        let (mut uniform, mut pieces) = (0, 0);
        let exact = bytes.len() < WHOLE;
        if exact {
            for (index, &byte) in bytes.iter().enumerate() {
                tables[index & 3][usize::from(byte)] += 1;
            }
        }
        for (index, line) in bytes.as_chunks::<STRIDE>().0.iter().enumerate() {
            // Another sixteenth of each line: columns of a tensor may differ.
            let piece: &[u8; PIECE] = &line.as_chunks().0[index & 15];
            pieces += 1;
            uniform += u32::from(*piece == [piece[0]; PIECE]);
            if !exact {
                for four in piece.as_chunks::<4>().0 {
                    tables[0][usize::from(four[0])] += 1;
                    tables[1][usize::from(four[1])] += 1;
                    tables[2][usize::from(four[2])] += 1;
                    tables[3][usize::from(four[3])] += 1;
                }
            }
        }
        let [a, b, c, d] = &tables;
        let scale = if exact { 1 } else { SCALE };
        let mut counts = [0; 256];
        for byte in 0..=255 {
            let i = usize::from(byte);
            let seen = u32::from(a[i]) + u32::from(b[i]) + u32::from(c[i]) + u32::from(d[i]);
            let unseen = !exact && range.may_have(byte);
            counts[i] = seen * scale + u32::from(unseen);
        }
        Self {
            counts,
            runs: uniform * 8 > pieces,
        }
    }
}

/// Whether no code can make so much of these bytes that it is worth its time: their collision entropy,
/// which is never above Shannon's, is more than 6 bits, as the sample has it.
///
/// Cheaper than making a code to see that it does not pay, which would be half of all codes: low
/// planes are noise of 7.95 bits. Of fewer bytes than [`WHOLE`] too little is seen to tell.
#[inline(always)]
pub(crate) fn is_noise(bytes: &[u8]) -> bool {
    const STRIDE: usize = 512;
    if bytes.len() < WHOLE {
        return false;
    }
    let mut tables = [[0_u16; 256]; 2];
    let mut total = 0;
    for (index, line) in bytes.as_chunks::<STRIDE>().0.iter().enumerate() {
        let piece: &[u8; PIECE] = &line.as_chunks().0[index % (STRIDE / PIECE)];
        for two in piece.as_chunks::<2>().0 {
            tables[0][usize::from(two[0])] += 1;
            tables[1][usize::from(two[1])] += 1;
        }
        total += PIECE as u64;
    }
    let counts = tables[0].iter().zip(&tables[1]);
    let squares: u32 = counts.map(|(&a, &b)| u32::from(a + b).pow(2)).sum();
    // How many ordered pairs of the sample are equal, of all pairs; 2^-6 is 1 / 64.
    (u64::from(squares) - total) * 64 < total * (total - 1)
}
