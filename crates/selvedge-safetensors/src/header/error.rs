//! What can be wrong with a header.

use std::str::Utf8Error;

use crate::Dtype;

/// Why bytes are not a sound safetensors file. Offsets are in bytes, from the start of the data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Not even the length of the header is there.
    #[error("it has {found} bytes, and the length of the header alone takes 8")]
    TooShort {
        /// Bytes of the file.
        found: u64,
    },
    /// The header would be larger than any reader takes: most often this is another kind of file.
    #[error(
        "its first 8 bytes say that the header has {found} bytes, and {limit} are allowed: is it \
         another kind of file?"
    )]
    TooLong {
        /// Bytes of the header, as the file says.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file ends within the header.
    #[error("its header should have {expected} bytes, found {found}: it was not copied whole")]
    Cut {
        /// Bytes of the header, as the file says.
        expected: u64,
        /// Bytes that follow.
        found: u64,
    },
    /// The header is not UTF-8.
    #[error("its header is not UTF-8: is it another kind of file?")]
    NotUtf8(#[source] Utf8Error),
    /// The header is not JSON, or not of the expected form.
    #[error("{}", json_message(tensor.as_deref()))]
    Json {
        /// The tensor whose description is wrong; `None` where it is something else.
        tensor: Option<String>,
        /// What is wrong, with line and column in the header.
        source: serde_json::Error,
    },
    /// One name describes two tensors, and readers differ in which they take.
    #[error("tensor `{tensor}` is described twice")]
    DuplicateTensor {
        /// The tensor.
        tensor: String,
    },
    /// A shape of more bytes than there are numbers for.
    #[error("tensor `{tensor}` of {dtype} {shape:?} has more bytes than a file can hold")]
    Overflow {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
        /// Its shape in elements.
        shape: Vec<usize>,
    },
    /// Elements of less than a byte that do not fill whole bytes.
    #[error("tensor `{tensor}` of {dtype} {shape:?} has {bits} bits, which are not whole bytes")]
    PartialByte {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
        /// Its shape in elements.
        shape: Vec<usize>,
        /// Bits of that shape.
        bits: u64,
    },
    /// Data that end before they begin.
    #[error("tensor `{tensor}` ends at byte {end} of the data, before it begins, at {begin}")]
    Reversed {
        /// The tensor.
        tensor: String,
        /// Where its data begin.
        begin: u64,
        /// Where they end.
        end: u64,
    },
    /// Data of another size than dtype and shape tell.
    #[error("tensor `{tensor}` of {dtype} {shape:?} has {expected} bytes, found {found}")]
    SizeMismatch {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
        /// Its shape in elements.
        shape: Vec<usize>,
        /// Bytes of that shape.
        expected: u64,
        /// Bytes that its offsets give it.
        found: u64,
    },
    /// Two tensors share bytes.
    #[error(
        "tensor `{tensor}` begins at byte {begin} of the data, within tensor `{other}`, which ends \
         at {end}"
    )]
    Overlap {
        /// The tensor.
        tensor: String,
        /// Where its data begin.
        begin: u64,
        /// The tensor before it.
        other: String,
        /// Where that one's data end.
        end: u64,
    },
    /// Bytes that are no tensor's, which the format forbids.
    #[error("bytes {end} to {begin} of the data, before tensor `{tensor}`, belong to no tensor")]
    Hole {
        /// The tensor after the hole.
        tensor: String,
        /// Where its data begin.
        begin: u64,
        /// Where the data before it end.
        end: u64,
    },
    /// The file is shorter than its header says.
    #[error(
        "tensor `{tensor}` needs {expected} bytes of data, found {found}: it was not copied whole"
    )]
    Truncated {
        /// The first tensor whose data are not all there.
        tensor: String,
        /// Where its data should end.
        expected: u64,
        /// Bytes of data in the file.
        found: u64,
    },
    /// The file is longer than its header says.
    #[error("its tensors take {expected} bytes of data, and {found} are there")]
    TrailingBytes {
        /// Bytes of all tensors.
        expected: u64,
        /// Bytes of data in the file.
        found: u64,
    },
}

fn json_message(tensor: Option<&str>) -> String {
    match tensor {
        Some(name) => format!(
            "its header describes tensor `{name}` in another form than dtype, shape and \
             data_offsets"
        ),
        None => "its header is not the JSON of safetensors".to_owned(),
    }
}
