//! The decoder that callers hold: its tables, and the instructions that it uses.

use crate::decode::{Batch, Lane, TOGETHER};
use crate::path::Path;

/// Decodes streams that have no repetitions, as [`Encoder::encode`](crate::Encoder::encode) mostly makes
/// them.
pub struct Decoder {
    lanes: Box<[Lane; TOGETHER]>,
    path: Path,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// Streams that [`decode_together`](Self::decode_together) decodes at once.
    pub const TOGETHER: usize = TOGETHER;

    /// A decoder with its tables, some 40 KB.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Path::best())
    }

    /// A decoder for each set of instructions that this CPU has, the one that [`new`](Self::new)
    /// takes last: to hold them against each other.
    #[doc(hidden)]
    #[must_use]
    pub fn on_every_path() -> Vec<Self> {
        Path::all().into_iter().map(Self::on).collect()
    }

    fn on(path: Path) -> Self {
        Self {
            lanes: Box::new([const { Lane::new() }; TOGETHER]),
            path,
        }
    }

    /// Decodes a whole zlib stream into `elements`, little-endian ones of two bytes, if it is a stream of
    /// stored blocks and of coded blocks without repetitions, of exactly the shuffled form of so many
    /// elements, and with the right check. Otherwise it returns `false`, and `elements` has anything in
    /// it: ask a decoder for all streams, which also says what is wrong.
    ///
    /// ```
    /// use selvedge_deflate::{Decoder, Encoder};
    ///
    /// let elements: Vec<u16> = (0..10_000).map(|i: u16| i.wrapping_mul(0x9E37)).collect();
    /// let mut stream = Vec::new();
    /// Encoder::new().encode(&elements, &mut stream);
    ///
    /// let mut bytes = vec![0; 2 * elements.len()];
    /// assert!(Decoder::new().decode(&stream, &mut bytes));
    /// assert_eq!(bytes[14..16], elements[7].to_le_bytes());
    /// ```
    #[must_use]
    pub fn decode(&mut self, stream: &[u8], elements: &mut [u8]) -> bool {
        self.decode_together([stream], [elements])[0]
    }

    /// The same for several streams, in less time than one after the other: a look-up has to wait for
    /// the one before it, and meanwhile there are those of other streams to make.
    /// [`TOGETHER`](Self::TOGETHER) of them take the least for each; more are decoded so many at a time.
    #[must_use]
    pub fn decode_together<const N: usize>(
        &mut self,
        streams: [&[u8]; N],
        mut elements: [&mut [u8]; N],
    ) -> [bool; N] {
        let mut decoded = [false; N];
        let jobs = streams.chunks(TOGETHER).zip(elements.chunks_mut(TOGETHER));
        for ((streams, elements), decoded) in jobs.zip(decoded.chunks_mut(TOGETHER)) {
            self.path.decode(Batch {
                lanes: &mut self.lanes,
                streams,
                elements,
                decoded,
            });
        }
        decoded
    }
}

#[cfg(test)]
mod tests {
    use super::Decoder;
    use crate::bits::Position;
    use crate::check::Check;
    use crate::header::{Header, LITERALS};
    use crate::huffman;
    use crate::kernel::Portable;

    /// A stream of one coded block with codes of up to `limit` bits.
    fn stream(bytes: &[u8], limit: u8) -> Vec<u8> {
        let mut counts = [0; LITERALS];
        counts[256] = 1;
        for &byte in bytes {
            counts[usize::from(byte)] += 1;
        }
        let (mut lengths, mut codes) = ([0; LITERALS], [0; LITERALS]);
        huffman::lengths(&counts, limit, &mut lengths);
        huffman::codes(&lengths, &mut codes);
        assert_eq!(lengths.iter().max(), Some(&limit));
        let mut out = vec![0; 2 * bytes.len() + 1000];
        let mut at = Position::new();
        Header::new(&lengths, &[1, 1]).write(&mut out, &mut at);
        for symbol in bytes.iter().map(|&byte| usize::from(byte)).chain([256]) {
            at.put(
                &mut out,
                u64::from(codes[symbol] >> 8),
                codes[symbol] & 0xFF,
            );
        }
        // The last block, an empty one.
        at.put(&mut out, 1, 3);
        at.align(&mut out);
        at.put(&mut out, 0xFFFF_0000, 32);
        out.truncate(at.bits() / 8);
        let mut check = Check::new();
        check.write(Portable, bytes);
        [&[0x78, 0x01], &out[..], &check.to_be_bytes()].concat()
    }

    /// Longer than those of the encoder, and than a look-up.
    #[test]
    fn codes_of_any_length() {
        let bytes = (0..17).flat_map(|byte| std::iter::repeat_n(byte, 1 << byte));
        let mut planes: Vec<u8> = bytes.collect();
        planes.push(0);
        // Rare bytes among others, and in both planes.
        let len = planes.len();
        let planes: Vec<u8> = (0..len).map(|i| planes[i * 7919 % len]).collect();
        let (low, high) = planes.split_at(len / 2);
        let expected: Vec<u8> = low
            .iter()
            .zip(high)
            .flat_map(|(&low, &high)| [low, high])
            .collect();
        for limit in 9..=15 {
            let stream = stream(&planes, limit);
            for mut decoder in Decoder::on_every_path() {
                let mut elements = [(); 3].map(|()| vec![0; len]);
                let together = elements.each_mut().map(Vec::as_mut_slice);
                let decoded = decoder.decode_together([&stream[..]; 3], together);
                assert_eq!(decoded, [true; 3], "{limit} {decoder:?}");
                assert!(
                    elements.iter().all(|found| *found == expected),
                    "{limit} {decoder:?}"
                );
            }
        }
    }
}
