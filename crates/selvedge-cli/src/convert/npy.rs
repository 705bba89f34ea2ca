//! The `.npy` of `NumPy`: one array behind a header that is a literal of Python.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use selvedge_hdf5::Bytes;
use selvedge_safetensors::Dtype;

use super::dtype;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Headers are some hundred bytes long; a longer one is not of an array that is read here.
const MAX_HEADER: usize = 1 << 20;
/// Data begin at a multiple of so many bytes.
const ALIGNMENT: usize = 64;

/// An open file.
#[derive(Debug)]
pub(crate) struct Npy {
    path: PathBuf,
    file: File,
    dtype: Dtype,
    /// In elements, outermost axis first.
    shape: Vec<u64>,
    /// Where the data begin.
    start: u64,
    bytes: u64,
    /// Bytes of an element whose order is turned round; 1 where it need not be.
    swapped: usize,
}

impl Npy {
    /// Whether the file at `path` begins like one.
    pub(crate) fn is_one(path: &Path) -> bool {
        let mut found = [0; MAGIC.len()];
        path.is_file()
            && File::open(path).is_ok_and(|file| file.read_exact_at(&mut found, 0).is_ok())
            && found == *MAGIC
    }

    /// Opens the file; with `assume_bf16`, two bytes without a type or uint16 are bfloat16.
    pub(super) fn open(path: &Path, assume_bf16: bool) -> anyhow::Result<Self> {
        let shown = path.display();
        let mut file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
        let (header, start) =
            read_header(&mut file).with_context(|| format!("cannot read the header of {shown}"))?;
        let header = Header::parse(&header)
            .with_context(|| format!("the header of {shown} is not one of NumPy: {header:?}"))?;
        let (order, code) = header.descr.split_at_checked(1).unwrap_or_default();
        let found = match code {
            "u2" | "V2" if assume_bf16 => Some(Dtype::BF16),
            code => dtype::of_numpy(code),
        };
        let Some(dtype) = found else {
            let hint = if code == "V2" {
                "; if it is the bfloat16 of ml_dtypes, --assume-bf16 takes it so"
            } else {
                ""
            };
            bail!("{shown} holds `{}`, which is not read{hint}", header.descr);
        };
        let rank = header.shape.iter().filter(|&&axis| axis != 1).count();
        if header.fortran && rank > 1 {
            bail!(
                "{shown} lies column by column (fortran_order), expected row by row; in Python \
                 `np.save(path, np.ascontiguousarray(array))` writes it so"
            );
        }
        let element = dtype.bitsize() / 8;
        let bytes = header
            .shape
            .iter()
            .try_fold(element as u64, |all, &axis| all.checked_mul(axis))
            .with_context(|| format!("{shown} claims more elements than any disk holds"))?;
        let metadata = file.metadata();
        let length = metadata
            .with_context(|| format!("cannot look at {shown}"))?
            .len();
        if length.saturating_sub(start) < bytes {
            bail!(
                "{shown} is cut off: expected {} of values, found {}",
                Bytes(bytes),
                Bytes(length.saturating_sub(start))
            );
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            dtype,
            shape: header.shape,
            start,
            bytes,
            swapped: match order {
                // A complex number is two floats.
                ">" if dtype == Dtype::C64 => element / 2,
                ">" => element,
                _ => 1,
            },
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name that the array goes by: that of the file.
    pub(super) fn stem(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    pub(super) fn dtype(&self) -> Dtype {
        self.dtype
    }

    pub(crate) fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Bytes of its values.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads values from byte `offset` of them on, whole ones, and turns them little-endian.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> anyhow::Result<()> {
        let read = self.file.read_exact_at(buffer, self.start + offset);
        read.with_context(|| format!("cannot read {}", self.path.display()))?;
        if self.swapped > 1 {
            buffer.chunks_mut(self.swapped).for_each(<[u8]>::reverse);
        }
        Ok(())
    }
}

/// The literal, and where the data begin.
fn read_header(file: &mut File) -> io::Result<(String, u64)> {
    let mut start = [0; 8];
    file.read_exact(&mut start)?;
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let (length, before) = match start[6] {
        1 => {
            let mut length = [0; 2];
            file.read_exact(&mut length)?;
            (usize::from(u16::from_le_bytes(length)), 10)
        }
        2 | 3 => {
            let mut length = [0; 4];
            file.read_exact(&mut length)?;
            let length = u32::from_le_bytes(length);
            (usize::try_from(length).unwrap_or(usize::MAX), 12)
        }
        _ => return Err(invalid("its version is not 1, 2 or 3")),
    };
    if length > MAX_HEADER {
        return Err(invalid("it is too long"));
    }
    let mut header = vec![0; length];
    file.read_exact(&mut header)?;
    let header = String::from_utf8(header).map_err(|_| invalid("it is no text"))?;
    Ok((header, (before + length) as u64))
}

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    /// Byte order and type code: `<f4`.
    descr: String,
    fortran: bool,
    shape: Vec<u64>,
}

impl Header {
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('{')?.trim_start();
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        while !rest.starts_with('}') {
            let (key, after) = quoted(rest)?;
            rest = after.trim_start().strip_prefix(':')?.trim_start();
            match key {
                // The fields of a record are no single type.
                "descr" if rest.starts_with('[') => {
                    return Some(Self {
                        descr: "a record".to_owned(),
                        fortran: false,
                        shape: Vec::new(),
                    });
                }
                "descr" => {
                    let (value, after) = quoted(rest)?;
                    (descr, rest) = (Some(value.to_owned()), after);
                }
                "fortran_order" => {
                    let value = rest.starts_with("True");
                    rest = rest.strip_prefix(if value { "True" } else { "False" })?;
                    fortran = Some(value);
                }
                "shape" => {
                    let (inner, after) = rest.strip_prefix('(')?.split_once(')')?;
                    let axes = inner.trim().trim_end_matches(',').split(',');
                    // Old versions of Python write `3L`.
                    let axes = axes.map(|axis| axis.trim().trim_end_matches('L'));
                    let axes = axes.filter(|axis| !axis.is_empty());
                    let axes: Result<Vec<u64>, _> = axes.map(str::parse).collect();
                    (shape, rest) = (Some(axes.ok()?), after);
                }
                _ => return None,
            }
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Some(Self {
            descr: descr?,
            fortran: fortran?,
            shape: shape?,
        })
    }
}

/// A string literal at the start of `text`, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

/// The bytes before the values of an array, as `numpy.save` writes them.
pub(super) fn header(descr: &str, shape: &[u64]) -> Vec<u8> {
    let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let axes = match &axes[..] {
        [one] => format!("{one},"),
        axes => axes.join(", "),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    // Magic, version, length, and the line feed at the end.
    let length = MAGIC.len() + 4 + text.len() + 1;
    text.push_str(&" ".repeat(length.next_multiple_of(ALIGNMENT) - length));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    // A shape has no more axes than fit.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    bytes.extend(length.to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Header, header};

    #[test]
    fn headers_come_back() {
        for shape in [&[][..], &[3], &[2, 0, 5], &[u64::MAX; 3]] {
            let bytes = header("<f4", shape);
            assert_eq!(bytes.len() % 64, 0);
            let found = Header::parse(std::str::from_utf8(&bytes[10..]).unwrap()).unwrap();
            assert_eq!((found.descr.as_str(), found.fortran), ("<f4", false));
            assert_eq!(found.shape, shape);
        }
    }

    #[test]
    fn what_is_no_header_is_told() {
        for text in [
            "",
            "{",
            "{'descr'}",
            "{'descr': '<f4', 'shape': (1,), }",
            "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1, }",
            "{'é",
        ] {
            assert_eq!(Header::parse(text), None, "{text}");
        }
    }
}
