//! HDF5's checksum of a stored chunk: Fletcher's, of words of two bytes, the more significant first.

/// Bytes of the checksum, which follows the chunk.
pub(super) const BYTES: usize = 4;

/// The chunk without its checksum, which is that of its bytes.
///
/// # Errors
///
/// That it is not.
pub(super) fn checked(stored: &[u8]) -> Result<&[u8], String> {
    let (bytes, sum) = stored
        .split_last_chunk::<BYTES>()
        .ok_or("it is shorter than its checksum")?;
    let (found, expected) = (fletcher32(bytes), u32::from_le_bytes(*sum));
    // libhdf5 before 1.6.3 turned the bytes of both halves on some machines.
    let turned = (found & 0x00FF_00FF) << 8 | found >> 8 & 0x00FF_00FF;
    match expected == found || expected == turned {
        true => Ok(bytes),
        false => Err("its bytes are not those of its checksum (fletcher32, number 3)".to_owned()),
    }
}

fn fletcher32(bytes: &[u8]) -> u32 {
    /// Words after which the sums still fit.
    const WORDS: usize = 360;
    let (mut one, mut two) = (0_u32, 0_u32);
    let fold = |sum: u32| (sum & 0xFFFF) + (sum >> 16);
    for block in bytes.chunks(WORDS * 2) {
        for word in block.chunks(2) {
            let low = word.get(1).copied().unwrap_or(0);
            one += u32::from(u16::from_be_bytes([word[0], low]));
            two += one;
        }
        (one, two) = (fold(one), fold(two));
    }
    (one, two) = (fold(one), fold(two));
    two << 16 | one
}

#[cfg(test)]
mod tests {
    use super::{checked, fletcher32};

    /// The values that the algorithm is published with.
    #[test]
    fn the_sum_is_fletchers() {
        // Its words have the less significant byte first.
        let turned = |text: &str| -> Vec<u8> {
            let bytes: Vec<u8> = text.bytes().collect();
            let words = bytes.chunks(2);
            words
                .flat_map(|word| [word.get(1).copied().unwrap_or(0), word[0]])
                .collect()
        };
        assert_eq!(fletcher32(&turned("abcde")), 0xF04F_C729);
        assert_eq!(fletcher32(&turned("abcdef")), 0x5650_2D2A);
        assert_eq!(fletcher32(&turned("abcdefgh")), 0xEBE1_9591);
    }

    #[test]
    fn a_chunk_that_is_not_that_of_its_sum_is_an_error() {
        let mut stored = b"some bytes of a chunk".to_vec();
        let sum = fletcher32(&stored);
        stored.extend(sum.to_le_bytes());
        assert_eq!(checked(&stored), Ok(&b"some bytes of a chunk"[..]));
        let turned = sum.to_le_bytes();
        let at = stored.len() - 4;
        stored[at..].copy_from_slice(&[turned[1], turned[0], turned[3], turned[2]]);
        assert_eq!(checked(&stored), Ok(&b"some bytes of a chunk"[..]));
        stored[3] ^= 1;
        assert!(checked(&stored).is_err());
        assert!(checked(b"abc").is_err());
    }
}
