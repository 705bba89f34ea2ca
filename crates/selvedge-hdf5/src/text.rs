//! The one place where bytes of a file become text.
//!
//! libhdf5 marks text as ASCII or UTF-8 and checks neither, so a file can hold anything there: Latin-1
//! of an old writer, or UTF-8 that was cut in the middle of a character.

use std::fmt::Write as _;

/// The text that `bytes` are, if they are UTF-8.
///
/// # Errors
///
/// The [`escaped`] text.
pub(crate) fn checked(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| escaped(error.as_bytes()))
}

/// `bytes` for people: what is UTF-8 as it is, and any other byte as `\xfc`.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{checked, escaped};

    #[test]
    fn only_utf_8_becomes_text() {
        assert_eq!(checked("Müller".into()), Ok("Müller".to_owned()));
        assert_eq!(checked(b"M\xfcller".into()), Err("M\\xfcller".to_owned()));
        // Cut in the middle of a character.
        assert_eq!(escaped(&"café".as_bytes()[..4]), "caf\\xc3");
        for byte in 0..=u8::MAX {
            assert_eq!(checked(vec![byte]).is_ok(), byte.is_ascii(), "{byte:#04x}");
        }
    }
}
