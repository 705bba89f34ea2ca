//! The encoder that callers hold: its buffers, and the instructions that it uses.

use crate::blocks::Scratch;
use crate::encode::{self, Chunk, Method, Strides};
use crate::path::Path;

/// Most bytes that an [`Encoder`] writes for `elements` elements: two for each, 11, and 5 more for each
/// whole 65,535 bytes.
///
/// Header and check take 6. Stored blocks of `n` bytes in all, with nothing between them, are at most
/// `n / 65,535 + 1` with 5 bytes each. A coded block between stored ones makes one more stored block
/// necessary, which takes at most 42 bits more than its bytes (3, up to 7 to the next byte, and 32), and
/// there is no coded block that does not save 48.
///
/// ```
/// assert_eq!(selvedge_deflate::max_encoded_len(640_000), 1_280_106);
/// ```
#[must_use]
pub const fn max_encoded_len(elements: usize) -> usize {
    let bytes = 2 * elements;
    bytes + 6 + 5 * (bytes / 65_535 + 1)
}

/// Encodes chunks. Holds tables and buffers, so that an encoder that has seen a chunk of a size
/// allocates nothing for the next.
pub struct Encoder {
    planes: Vec<u8>,
    scratch: [Scratch; 2],
    path: Path,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// An encoder without buffers; the first call makes them.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Path::best())
    }

    /// An encoder that has all it needs to [`encode`](Self::encode) chunks of up to `elements` elements:
    /// not even the first one makes it allocate.
    #[must_use]
    pub fn with_capacity(elements: usize) -> Self {
        let mut encoder = Self::new();
        encoder.planes.reserve_exact(encode::room(elements));
        encoder
    }

    /// An encoder for each set of instructions that this CPU has, the one that [`new`](Self::new)
    /// takes last: to hold them against each other.
    #[doc(hidden)]
    #[must_use]
    pub fn on_every_path() -> Vec<Self> {
        Path::all().into_iter().map(Self::on).collect()
    }

    /// The name of the instructions that this encoder uses.
    #[must_use]
    pub fn instructions(&self) -> &'static str {
        self.path.name()
    }

    fn on(path: Path) -> Self {
        Self {
            planes: Vec::new(),
            scratch: [Scratch::new(), Scratch::new()],
            path,
        }
    }

    /// Appends one zlib stream (RFC 1950) of the byte-shuffled form of `elements` to `out`: all low
    /// bytes, then all high bytes, as HDF5's shuffle filter has them for little-endian elements of two
    /// bytes. Returns the bytes appended, at most [`max_encoded_len`].
    pub fn encode(&mut self, elements: &[u16], out: &mut Vec<u8>) -> usize {
        self.append(elements, Method::Fast, out)
    }

    /// Like [`encode`](Self::encode), for a chunk of several steps of several rows: what has not changed
    /// since the previous step is named, not repeated, and so are high bytes that are those of a row
    /// before. Without a usable [`Strides::step`] this is `encode`.
    pub fn encode_temporal(
        &mut self,
        elements: &[u16],
        strides: Strides,
        out: &mut Vec<u8>,
    ) -> usize {
        let method = strides.usable().map_or(Method::Fast, Method::Temporal);
        self.append(elements, method, out)
    }

    /// Like [`encode`](Self::encode), but all bytes are stored: the stream is a few bytes longer than the
    /// elements, and is decoded at the speed of memory.
    ///
    /// ```
    /// use selvedge_deflate::{Encoder, max_encoded_len};
    ///
    /// let mut stream = Vec::new();
    /// Encoder::new().store(&[0; 1000], &mut stream);
    /// assert_eq!(stream.len(), max_encoded_len(1000));
    /// ```
    pub fn store(&mut self, elements: &[u16], out: &mut Vec<u8>) -> usize {
        self.append(elements, Method::Stored, out)
    }

    fn append(&mut self, elements: &[u16], method: Method, out: &mut Vec<u8>) -> usize {
        let begin = out.len();
        out.reserve(max_encoded_len(elements.len()));
        self.path.encode(Chunk {
            elements,
            method,
            planes: &mut self.planes,
            scratch: &mut self.scratch,
            out,
        });
        out.len() - begin
    }
}
