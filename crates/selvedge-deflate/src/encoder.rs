//! The stream.

use crate::bits::{BitWriter, Full};
use crate::block::{MOST_STORED, STORED_HEAD, Tables, write_plane};
use crate::planes;
use crate::runs::Run;

/// Bytes around the planes: the head of the stream, the end of its last block, the checksum, and room
/// for the last word that is written.
const AROUND: usize = 16;

/// The most bytes that [`Encoder::encode`] makes of so many elements: at most 5 for each 65,535 bytes
/// or part of a plane, and 16, more than the elements have.
///
/// # Panics
///
/// For more elements than memory holds.
#[must_use]
pub const fn max_encoded_len(elements: usize) -> usize {
    2 * (elements + elements.div_ceil(MOST_STORED) * STORED_HEAD) + AROUND
}

/// An encoder, and its memory, which is used again by each call.
pub struct Encoder {
    low: Vec<u8>,
    high: Vec<u8>,
    runs: Vec<Run>,
    tables: Tables,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder that has 256 KiB of tables, and takes more memory with its first calls: twice the
    /// bytes of the elements.
    #[must_use]
    pub fn new() -> Self {
        Self {
            low: Vec::new(),
            high: Vec::new(),
            runs: Vec::new(),
            tables: Tables::new(),
        }
    }

    /// Appends the stream of `elements` to `out` and returns its bytes.
    pub fn encode(&mut self, elements: &[u16], out: &mut Vec<u8>) -> usize {
        let start = out.len();
        out.resize(start + max_encoded_len(elements.len()), 0);
        let length = self.encode_to(elements, &mut out[start..]);
        out.truncate(start + length);
        length
    }

    /// The same for a chunk of several steps: `step_elements` earlier is the same place of the step
    /// before.
    pub fn encode_temporal(
        &mut self,
        elements: &[u16],
        step_elements: usize,
        out: &mut Vec<u8>,
    ) -> usize {
        let _ = step_elements;
        self.encode(elements, out)
    }

    /// Writes the stream of `elements` to the beginning of `out`, which has at least
    /// [`max_encoded_len`] bytes, and returns its bytes.
    ///
    /// # Panics
    ///
    /// If `out` is smaller.
    pub fn encode_to(&mut self, elements: &[u16], out: &mut [u8]) -> usize {
        assert!(
            out.len() >= max_encoded_len(elements.len()),
            "the stream of {} elements can have {} bytes, and there is room for {}",
            elements.len(),
            max_encoded_len(elements.len()),
            out.len()
        );
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("bmi2")
            && std::arch::is_x86_feature_detected!("bmi1")
        {
            // SAFETY: the processor has what the function was built for.
            let written = unsafe { self.write_avx2(elements, out) };
            return written.expect("the bound holds");
        }
        self.write(elements, out).expect("the bound holds")
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn write_avx2(&mut self, elements: &[u16], out: &mut [u8]) -> Result<usize, Full> {
        self.write(elements, out)
    }

    #[inline(always)]
    fn write(&mut self, elements: &[u16], out: &mut [u8]) -> Result<usize, Full> {
        self.low.resize(elements.len(), 0);
        self.high.resize(elements.len(), 0);
        let checksum = planes::split(elements, &mut self.low, &mut self.high);
        let mut out = BitWriter::new(out);
        // Deflate with a window of 32 KiB, and the fastest compression: RFC 1950, 2.2.
        out.bytes(&[0x78, 0x01])?;
        write_plane(&self.low, &mut self.runs, &mut self.tables, &mut out)?;
        write_plane(&self.high, &mut self.runs, &mut self.tables, &mut out)?;
        // An empty fixed block is the last.
        out.put(0b011, 3)?;
        out.put(0, 7)?;
        out.align()?;
        out.bytes(&checksum.to_be_bytes())?;
        Ok(out.len())
    }
}
