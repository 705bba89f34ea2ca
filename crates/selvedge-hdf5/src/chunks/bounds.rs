//! How large a chunk becomes that libhdf5 would decode. Its filters take the memory that a stream asks
//! for, of a megabyte a gigabyte: so what a chunk holds is counted before it is let.

use hdf5::filters::Filter;
use libdeflater::{DecompressionError, Decompressor};

/// Bytes that a chunk may have on its way more than when it is decoded: heads of packed numbers.
const MORE: usize = 1 << 16;
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
    inflate: Option<Vec<u8>>,
}

impl Bounds {
    /// The bounds of chunks of so many bytes. `packed` are the words of the filters that pack numbers.
    ///
    /// # Errors
    ///
    /// What is wrong with the filters, whatever the chunks.
    pub(crate) fn new(
        filters: Vec<Filter>,
        bytes: usize,
        packed: &[Packed],
    ) -> Result<Self, String> {
        for &(count, size) in packed {
            if count.checked_mul(size) != Some(bytes as u64) {
                return Err(format!(
                    "a filter says that a chunk is {count} numbers of {size} bytes, and it has {bytes} bytes"
                ));
            }
        }
        let streams = filters.iter().filter(|filter| is_stream(filter));
        if streams.count() > 1 {
            return Err("its chunks go through more than one filter that compresses".to_owned());
        }
        Ok(Self {
            filters,
            bytes,
            inflate: None,
        })
    }

    /// Whether the chunks have to be looked into.
    pub(crate) fn matter(&self) -> bool {
        self.filters.iter().any(is_stream)
    }

    /// Whether a chunk that is stored in so many bytes need not be looked into.
    pub(crate) fn is_small(&self, stored: usize) -> bool {
        stored.saturating_mul(MOST_RATIO) <= SMALL.max(self.bytes)
    }

    /// Checks that a chunk does not become larger than it should.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn check(&mut self, mut stored: &[u8], mask: u32) -> Result<(), String> {
        let most = self.bytes.saturating_add(MORE);
        // What a mask has no bit for went through the filter.
        let bits = (0..).map(|nth| 1_u32.checked_shl(nth).unwrap_or(0));
        let filters: Vec<(u32, &Filter)> = bits.zip(&self.filters).collect();
        for (bit, filter) in filters.into_iter().rev() {
            if mask & bit != 0 {
                continue;
            }
            let fits = match filter {
                Filter::Fletcher32 => {
                    let end = stored.len().checked_sub(4);
                    stored = end.map_or(&[][..], |end| &stored[..end]);
                    continue;
                }
                Filter::Deflate(_) => {
                    let buffer = self.inflate.get_or_insert_default();
                    fit(buffer, most)?;
                    let found = Decompressor::new().zlib_decompress(stored, buffer);
                    found != Err(DecompressionError::InsufficientSpace)
                }
                Filter::LZF => lzf_len(stored) <= most,
                _ => continue,
            };
            return match fits {
                true => Ok(()),
                false => Err(format!(
                    "its stream holds more than the {} bytes of a chunk",
                    self.bytes
                )),
            };
        }
        Ok(())
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

    #[test]
    fn a_stream_is_held_against_its_chunk() {
        let packed = |bytes: usize| {
            let mut encoder = libdeflater::Compressor::new(libdeflater::CompressionLvl::fastest());
            let mut stream = vec![0; encoder.zlib_compress_bound(bytes)];
            let len = encoder.zlib_compress(&vec![0; bytes], &mut stream).unwrap();
            stream.truncate(len);
            stream
        };
        let filters = || vec![Filter::Shuffle, Filter::Deflate(1), Filter::Fletcher32];
        let mut bounds = Bounds::new(filters(), 4096, &[]).unwrap();
        let with_sum = |bytes: usize| [packed(bytes), vec![0; 4]].concat();
        assert_eq!(bounds.check(&with_sum(4096), 0), Ok(()));
        assert_eq!(bounds.check(&packed(4096), 0b100), Ok(()));
        let large = with_sum(4096 + MORE + 1);
        assert!(bounds.check(&large, 0).unwrap_err().contains("4096 bytes"));
        assert_eq!(bounds.check(&large, 0b010), Ok(()));
        let twice = [filters(), filters()].concat();
        assert!(Bounds::new(twice, 4096, &[]).is_err());
        let numbers = || vec![Filter::NBit];
        assert!(Bounds::new(numbers(), 4096, &[(1024, 4)]).is_ok());
        assert!(Bounds::new(numbers(), 4096, &[(u64::MAX, 4)]).is_err());
        assert!(Bounds::new(numbers(), 4096, &[(1 << 30, 4)]).is_err());
    }

    #[test]
    fn the_length_of_a_stream_of_lzf_is_counted() {
        assert_eq!(lzf_len(b"\x02abc"), 3);
        // Three bytes, then six from three before, then 264 more.
        assert_eq!(lzf_len(b"\x02abc\x80\x02\xe0\xff\x02"), 3 + 6 + 264);
        assert_eq!(lzf_len(b""), 0);
    }
}
