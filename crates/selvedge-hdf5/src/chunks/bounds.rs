//! How large a chunk becomes that libhdf5 would decode. Its filters take the memory that a stream asks
//! for, of a megabyte a gigabyte; and its checksum takes four bytes from a chunk that has fewer, and reads
//! on for ever. So what a chunk holds is counted before it is let.

use std::fmt;

use hdf5::filters::Filter;
use libdeflater::{DecompressionError, Decompressor};

use super::codec::DecodedChunk;
use super::fletcher;

/// Bytes that a chunk may have on its way more than when it is decoded: heads of packed numbers …
const MORE: usize = 1 << 16;
/// … and this part of it, where a stream holds another one that does not compress.
const MORE_DIVISOR: usize = 128;
/// A stream that cannot become more than this is not looked into, in bytes.
const SMALL: usize = 16 << 20;
/// The best that deflate can do: a stream says at most so many bytes for each of its own.
const MOST_RATIO: usize = 1032;

/// What a filter that packs numbers says of them: how many there are, and the bytes of each.
pub(crate) type Packed = (u64, u64);

/// The filters of a dataset, as far as they say what becomes of a chunk.
#[derive(Debug)]
pub(crate) struct Bounds {
    filters: Vec<Filter>,
    /// Bytes of a decoded chunk.
    bytes: usize,
    /// Bytes of an element.
    element: usize,
    inflate: Option<Vec<u8>>,
}

impl Bounds {
    /// The bounds of chunks of so many bytes, with elements of so many. `packed` are the words of the filters that pack numbers.
    ///
    /// # Errors
    ///
    /// What is wrong with the filters, whatever the chunks.
    pub(crate) fn new(
        filters: Vec<Filter>,
        bytes: usize,
        element: usize,
        packed: &[Packed],
    ) -> Result<Self, String> {
        for &(count, size) in packed {
            if count.checked_mul(size) != Some(bytes as u64) {
                return Err(format!(
                    "a filter says that a chunk is {count} numbers of {size} bytes, and it has {bytes} bytes"
                ));
            }
        }
        Ok(Self {
            filters,
            bytes,
            element,
            inflate: None,
        })
    }

    /// Whether what becomes of a chunk can be counted: not of a stream in a stream that is decoded by libhdf5 alone.
    pub(crate) fn can_count(filters: &[Filter]) -> bool {
        let first = filters.iter().position(is_stream).unwrap_or(0);
        let later = filters.get(first + 1..).unwrap_or_default();
        !later.iter().any(is_stream)
            || later
                .iter()
                .all(|filter| matches!(filter, Filter::Deflate(_) | Filter::Fletcher32))
    }

    /// The filters that a chunk went through, in their order, each with the bytes that it was given; and the
    /// bytes that the last one made.
    fn sizes(&self, mask: u32) -> (Vec<(&Filter, Size)>, Size) {
        let mut size = Size::Exactly(self.bytes);
        let mut steps = Vec::with_capacity(self.filters.len());
        // What a mask has no bit for went through the filter.
        let bits = (0..).map(|nth| 1_u32.checked_shl(nth).unwrap_or(0));
        for (bit, filter) in bits.zip(&self.filters) {
            if mask & bit != 0 {
                continue;
            }
            steps.push((filter, size));
            size = match filter {
                Filter::Shuffle => size,
                Filter::Fletcher32 => size.and(fletcher::BYTES),
                _ => Size::AtLeast(1),
            };
        }
        (steps, size)
    }

    /// Checks the number of bytes that a chunk is stored in. Returns whether its bytes are to be
    /// [checked](Self::check), too.
    ///
    /// # Errors
    ///
    /// That its filters do not make so many.
    pub(crate) fn check_len(&self, stored: usize, mask: u32) -> Result<bool, String> {
        let (steps, size) = self.sizes(mask);
        if !size.is(stored) {
            return Err(format!(
                "it is stored in {stored} bytes, and its filters make {size} of a chunk of {} bytes",
                self.bytes
            ));
        }
        let mut streams = steps.iter().filter(|(filter, _)| is_stream(filter));
        let is_small = stored.saturating_mul(MOST_RATIO) <= SMALL.max(self.bytes);
        // A checksum in a stream has to find its own bytes there.
        Ok(streams.any(|(_, size)| !is_small || *size != Size::Exactly(self.bytes)))
    }

    /// Checks that a chunk does not become larger than it should.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn check(&mut self, stored: &[u8], mask: u32) -> Result<(), String> {
        let most = self.bytes.saturating_add(self.bytes / MORE_DIVISOR);
        let most = most.saturating_add(MORE);
        let mut inflate = self.inflate.take().unwrap_or_default();
        let (steps, _) = self.sizes(mask);
        let streams = steps.iter().filter(|(filter, _)| is_stream(filter));
        let mut streams = streams.count();
        // What is left when the filters so far are undone.
        let (mut undone, mut end) = (None::<Vec<u8>>, stored.len());
        for (filter, size) in steps.into_iter().rev() {
            let bytes = &undone.as_deref().unwrap_or(stored)[..end];
            let len = match filter {
                Filter::Fletcher32 => {
                    end = end.saturating_sub(fletcher::BYTES);
                    continue;
                }
                Filter::Deflate(_) => {
                    fit(&mut inflate, most)?;
                    match Decompressor::new().zlib_decompress(bytes, &mut inflate) {
                        Ok(len) => len,
                        Err(DecompressionError::InsufficientSpace) => usize::MAX,
                        // libhdf5 finds that, too.
                        Err(_) => break,
                    }
                }
                Filter::LZF => lzf_len(bytes),
                // A stream below it is seen when it is undone.
                Filter::Shuffle if streams > 0 => {
                    undone = Some(unshuffled(bytes, self.element)?);
                    continue;
                }
                _ => continue,
            };
            if len > most {
                let bytes = self.bytes;
                return Err(format!(
                    "its stream holds more than the {bytes} bytes of a chunk"
                ));
            }
            if !size.is(len) {
                return Err(format!("its stream holds {len} bytes, expected {size}"));
            }
            streams -= 1;
            if streams == 0 {
                break;
            }
            (undone, end) = (Some(inflate[..len].to_vec()), len);
        }
        self.inflate = Some(inflate);
        Ok(())
    }
}

/// How many bytes there are between two filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Exactly(usize),
    AtLeast(usize),
}

impl Size {
    fn and(self, more: usize) -> Self {
        match self {
            Self::Exactly(bytes) => Self::Exactly(bytes.saturating_add(more)),
            Self::AtLeast(bytes) => Self::AtLeast(bytes.saturating_add(more)),
        }
    }

    fn is(self, bytes: usize) -> bool {
        match self {
            Self::Exactly(expected) => bytes == expected,
            Self::AtLeast(least) => bytes >= least,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(bytes) => write!(f, "{bytes}"),
            Self::AtLeast(bytes) => write!(f, "at least {bytes}"),
        }
    }
}

/// Whether what a filter made can become much larger.
fn is_stream(filter: &Filter) -> bool {
    matches!(filter, Filter::Deflate(_) | Filter::LZF)
}

fn fit(buffer: &mut Vec<u8>, bytes: usize) -> Result<(), String> {
    let more = bytes.saturating_sub(buffer.len());
    buffer
        .try_reserve_exact(more)
        .map_err(|_| format!("there is no memory for {bytes} bytes"))?;
    buffer.resize(bytes, 0);
    Ok(())
}

/// What a shuffle of elements of so many bytes was made of. Bytes that are no whole element are left where they are.
fn unshuffled(bytes: &[u8], element: usize) -> Result<Vec<u8>, String> {
    let mut made = Vec::new();
    fit(&mut made, bytes.len())?;
    let planes = element.max(1);
    let whole = bytes.len() / planes * planes;
    made[whole..].copy_from_slice(&bytes[whole..]);
    let shuffled = DecodedChunk::new(&bytes[..whole], planes);
    shuffled.copy(0, &mut made[..whole]);
    Ok(made)
}

/// The bytes that a stream of LZF becomes: runs of bytes as they are, and repetitions of two bytes and more.
fn lzf_len(stream: &[u8]) -> usize {
    let (mut at, mut len) = (0, 0);
    while let Some(&control) = stream.get(at) {
        let control = usize::from(control);
        let (read, made) = match control >> 5 {
            0 => (2 + control, control + 1),
            7 => {
                let more = stream.get(at + 1).copied().unwrap_or(0);
                (3, usize::from(more) + 7 + 2)
            }
            run => (2, run + 2),
        };
        at += read;
        len += made;
    }
    len
}

#[cfg(test)]
mod tests {
    use hdf5::filters::Filter;

    use super::{Bounds, MORE, lzf_len};

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = libdeflater::Compressor::new(libdeflater::CompressionLvl::fastest());
        let mut stream = vec![0; encoder.zlib_compress_bound(bytes.len())];
        let len = encoder.zlib_compress(bytes, &mut stream).unwrap();
        stream.truncate(len);
        stream
    }

    #[test]
    fn a_stream_is_held_against_its_chunk() {
        let packed = |bytes: usize| deflate(&vec![0; bytes]);
        let filters = || vec![Filter::Shuffle, Filter::Deflate(1), Filter::Fletcher32];
        let mut bounds = Bounds::new(filters(), 4096, 4, &[]).unwrap();
        let with_sum = |bytes: usize| [packed(bytes), vec![0; 4]].concat();
        assert_eq!(bounds.check(&with_sum(4096), 0), Ok(()));
        assert_eq!(bounds.check(&packed(4096), 0b100), Ok(()));
        let large = with_sum(2 * MORE);
        assert!(bounds.check(&large, 0).unwrap_err().contains("4096 bytes"));
        assert_eq!(bounds.check(&large, 0b010), Ok(()));
        let no_sum = with_sum(4096)[..3].to_vec();
        for (len, mask, fits) in [
            (no_sum.len(), 0, false),
            (5, 0, true),
            (1, 0b100, true),
            (0, 0b100, false),
            (4096, 0b010, false),
            (4100, 0b010, true),
            (4096, 0b111, true),
            (4095, 0b111, false),
        ] {
            assert_eq!(bounds.check_len(len, mask).is_ok(), fits, "{len} {mask:b}");
        }
        // The stream lacks the four bytes of the checksum before it.
        let first = vec![Filter::Fletcher32, Filter::Deflate(1)];
        let mut bounds = Bounds::new(first, 4096, 4, &[]).unwrap();
        assert_eq!(bounds.check_len(100, 0), Ok(true));
        assert_eq!(bounds.check(&packed(4100), 0), Ok(()));
        assert!(bounds.check(&packed(3), 0).unwrap_err().contains("4100"));
        assert!(!Bounds::can_count(&[filters(), filters()].concat()));
        assert!(!Bounds::can_count(&[Filter::Deflate(1), Filter::LZF]));
        let numbers = || vec![Filter::NBit];
        assert!(Bounds::new(numbers(), 4096, 4, &[(1024, 4)]).is_ok());
        assert!(Bounds::new(numbers(), 4096, 4, &[(u64::MAX, 4)]).is_err());
        assert!(Bounds::new(numbers(), 4096, 4, &[(1 << 30, 4)]).is_err());
    }

    /// h5repack and `set_deflate` twice make such files, which every other program reads.
    #[test]
    fn a_stream_in_a_stream_is_held_against_its_chunk() {
        let filters = vec![Filter::Deflate(1), Filter::Fletcher32, Filter::Deflate(1)];
        assert!(Bounds::can_count(&filters));
        let mut bounds = Bounds::new(filters, 4096, 4, &[]).unwrap();
        let twice = |bytes: usize| deflate(&[deflate(&vec![0; bytes]), vec![0; 4]].concat());
        assert_eq!(bounds.check_len(twice(4096).len(), 0), Ok(true));
        assert_eq!(bounds.check(&twice(4096), 0), Ok(()));
        let large = twice(2 * (4096 + MORE));
        assert!(bounds.check(&large, 0).unwrap_err().contains("4096 bytes"));
        let larger = deflate(&vec![0; 2 * (4096 + MORE)]);
        assert!(bounds.check(&larger, 0).is_err());
    }

    /// Any order of filters can be asked for.
    #[test]
    fn a_stream_that_was_shuffled_is_held_against_its_chunk() {
        let shuffle = |stream: &[u8]| {
            let (whole, rest) = stream.split_at(stream.len() / 4 * 4);
            let plane = |nth: usize| whole.iter().skip(nth).step_by(4).copied();
            let planes = (0..4).flat_map(plane);
            planes.chain(rest.iter().copied()).collect::<Vec<u8>>()
        };
        // A byte, and repetitions of it.
        let lzf = |repetitions: usize| {
            let more = b"\xe0\xff\0".repeat(repetitions);
            [&b"\0a"[..], &more].concat()
        };
        let filters = || vec![Filter::LZF, Filter::Shuffle];
        let mut bounds = Bounds::new(filters(), 1 + 264 * 4, 4, &[]).unwrap();
        assert_eq!(bounds.check(&shuffle(&lzf(4)), 0), Ok(()));
        assert!(
            bounds
                .check(&shuffle(&lzf(5)), 0)
                .unwrap_err()
                .contains("1321")
        );
        let filters = vec![Filter::Deflate(1), Filter::Shuffle, Filter::Fletcher32];
        let mut bounds = Bounds::new(filters, 4096, 4, &[]).unwrap();
        let stored = |bytes: usize| [shuffle(&deflate(&vec![0; bytes])), vec![0; 4]].concat();
        assert_eq!(bounds.check(&stored(4096), 0), Ok(()));
        assert!(bounds.check(&stored(2 * MORE), 0).is_err());
    }

    #[test]
    fn the_length_of_a_stream_of_lzf_is_counted() {
        assert_eq!(lzf_len(b"\x02abc"), 3);
        // Three bytes, then six from three before, then 264 more.
        assert_eq!(lzf_len(b"\x02abc\x80\x02\xe0\xff\x02"), 3 + 6 + 264);
        assert_eq!(lzf_len(b""), 0);
    }
}
