//! The header of an array of `NumPy`: a literal of Python.
//!
//! It has a parser of its own. That of the crate npyz takes twice as long with each bracket, so that a
//! header of forty `[` keeps it busy for good; it refuses the `<f1` of `ml_dtypes` and the `3L` of
//! Python 2, and reserves what the file claims.

use std::io::{self, Read};

use super::kind::Kind;

/// What a file begins with.
pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Headers are some hundred bytes long; a longer one is not of an array that is read here.
const MAX_HEADER: usize = 1 << 20;
/// Data begin at a multiple of so many bytes.
const ALIGNMENT: usize = 64;

/// The literal, and its length with what stands before it: there the data begin.
fn read_text(file: &mut impl Read) -> io::Result<(String, u64)> {
    let mut start = [0; 8];
    file.read_exact(&mut start)?;
    if !start.starts_with(MAGIC) {
        return Err(invalid("it does not begin like one of NumPy"));
    }
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

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Byte order and type code: `<f4`.
    pub(super) descr: String,
    /// Whether the first axis is the one whose elements lie beside each other.
    pub(super) fortran: bool,
    /// In elements, outermost axis first.
    pub(super) shape: Vec<u64>,
}

impl Header {
    /// Reads a header, and tells its length in bytes.
    ///
    /// # Errors
    ///
    /// That it cannot be read, or what is wrong with it.
    pub(super) fn read(file: &mut impl Read) -> io::Result<(Self, u64)> {
        let (text, length) = read_text(file)?;
        let header = Self::parse(&text)
            .ok_or_else(|| invalid(&format!("it is not one of NumPy: {text:?}")))?;
        Ok((header, length))
    }

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
pub(crate) fn header(descr: &str, shape: &[u64]) -> Vec<u8> {
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

/// How an array is read that holds no more than the bits of its dtype; `None` of one that `NumPy` has.
pub(crate) fn bits_note(name: &str, kind: &Kind, path: &str) -> Option<String> {
    kind.is_without_numpy().then(|| {
        format!(
            "`{name}` is {dtype}, which NumPy has not: its bits are saved as uint{bits}; \
             `torch.from_numpy(np.load({path:?})).view(torch.{dtype})` reads it",
            dtype = kind.name,
            bits = kind.bits,
        )
    })
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

    /// A header that is cut, or in which any byte is another, is told or read, and stops nothing: not by
    /// its brackets, which a parser of a whole literal can take for ever for.
    #[test]
    fn damage_is_told_and_ends() {
        let sound = header("<f4", &[2, 30]);
        for at in 0..sound.len() {
            assert!(Header::read(&mut &sound[..at]).is_err(), "cut at {at}");
            for byte in [0, b'[', b'(', b'\'', b'}', 0xff] {
                let mut damaged = sound.clone();
                damaged[at] = byte;
                if let Ok((found, length)) = Header::read(&mut &damaged[..]) {
                    assert!(length <= sound.len() as u64 && found.shape.len() <= 2);
                }
            }
        }
        let mut deep = b"\x93NUMPY\x02\x00".to_vec();
        deep.extend(100_000_u32.to_le_bytes());
        deep.extend([b'['; 100_000]);
        assert!(Header::read(&mut &deep[..]).is_err());
        // What it claims is not what is reserved.
        let huge = [&b"\x93NUMPY\x02\x00"[..], &u32::MAX.to_le_bytes()].concat();
        assert!(Header::read(&mut &huge[..]).is_err());
    }
}
