//! The decoder beside libdeflate's: what it decodes is what that decodes, whatever the stream is.

// Random bits are cut to the width that is needed.
#![allow(clippy::cast_possible_truncation)]

use proptest::prelude::*;
use selvedge_deflate::{Decoder, Encoder};

use common::random;

mod common;

/// The elements of two bytes of what HDF5's shuffle filter has made of them; a byte that is left over is
/// left out.
fn unshuffled(bytes: &[u8]) -> Vec<u8> {
    let (low, high) = bytes.split_at(bytes.len() / 2);
    low.iter()
        .zip(high)
        .flat_map(|(&low, &high)| [low, high])
        .collect()
}

/// The elements that libdeflate makes of a whole stream of `len` bytes; `None` for any other.
fn by_libdeflate(stream: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut decoder = libdeflater::Decompressor::new();
    let found = decoder.zlib_decompress(stream, &mut bytes).ok()?;
    (found == len).then(|| unshuffled(&bytes))
}

/// Decodes on every path, and panics where that is something that libdeflate does not make of the stream.
/// Returns whether it was decoded.
fn decodes(stream: &[u8], len: usize) -> bool {
    let mut first = None;
    for mut decoder in Decoder::on_every_path() {
        let mut elements = vec![0xA5; len];
        let decoded = decoder.decode(stream, &mut elements);
        if decoded {
            assert!(by_libdeflate(stream, len) == Some(elements));
        }
        // Together with itself it is the same.
        let together = decode_together(&mut decoder, [stream; 4], [len; 4]);
        assert_eq!(together, [decoded; 4], "{decoder:?}");
        assert_eq!(*first.get_or_insert(decoded), decoded, "{decoder:?}");
    }
    first == Some(true)
}

/// The same for several streams at once, on one path.
fn decode_together<const N: usize>(
    decoder: &mut Decoder,
    streams: [&[u8]; N],
    lens: [usize; N],
) -> [bool; N] {
    let mut elements = lens.map(|len| vec![0xA5; len]);
    let decoded = decoder.decode_together(streams, elements.each_mut().map(Vec::as_mut_slice));
    for (nth, elements) in elements.into_iter().enumerate() {
        if decoded[nth] {
            assert!(by_libdeflate(streams[nth], lens[nth]) == Some(elements));
        }
    }
    decoded
}

fn encoded(elements: &[u16]) -> Vec<u8> {
    let mut stream = Vec::new();
    Encoder::new().encode(elements, &mut stream);
    stream
}

/// Noise in the low bytes; of the high bytes, number `n` half as often as the one before it.
fn elements(count: usize, most: u32, seed: u64) -> Vec<u16> {
    let mut next = random(seed);
    let mut element = || {
        let draw = next();
        (draw >> 48 & 0xFF) as u16 | (draw.trailing_zeros().min(most) as u16 + 100) << 8
    };
    (0..count).map(|_| element()).collect()
}

/// A stream with the header and the check that belong to it.
fn zlib(deflate: &[u8], bytes: &[u8]) -> Vec<u8> {
    let check = simd_adler32::adler32(&bytes).to_be_bytes();
    [&[0x78, 0x01], deflate, &check].concat()
}

#[test]
fn what_the_encoder_writes() {
    for count in [0, 1, 5, 4095, 16_384, 16_385, 100_001] {
        for most in [0, 1, 2, 9, 15, 40] {
            let elements = elements(count, most, 1);
            let stream = encoded(&elements);
            // A single high byte comes in runs, which are repetitions.
            let decoded = decodes(&stream, 2 * count);
            assert!(decoded || most == 0, "{count} elements, {most}");
        }
    }
    let all: Vec<u16> = (0..=u16::MAX).collect();
    decodes(&encoded(&all), 2 * all.len());
}

#[test]
fn a_decoder_is_used_again() {
    let mut decoder = Decoder::new();
    for (count, most) in [(70_000, 15), (20_000, 2), (100, 1), (50_000, 40)] {
        let elements = elements(count, most, 2);
        let stream = encoded(&elements);
        let mut found = vec![0; 2 * count];
        assert!(decoder.decode(&stream, &mut found));
        assert!(by_libdeflate(&stream, 2 * count) == Some(found));
    }
}

/// Whatever the others are: shorter, with longer codes, damaged, or nothing at all; and as many as there
/// may be.
#[test]
fn streams_do_not_disturb_one_another() {
    let counts = [(70_000, 9), (70_001, 40), (33_000, 2), (100, 15), (0, 0)];
    let mut streams: Vec<(Vec<u8>, usize, bool)> = counts
        .into_iter()
        .map(|(count, most)| (encoded(&elements(count, most, 7)), 2 * count, true))
        .collect();
    let mut damaged = streams[0].0.clone();
    let middle = damaged.len() * 3 / 4;
    damaged[middle] ^= 0x55;
    streams.push((damaged, 140_000, false));
    streams.push((streams[0].0[..middle].to_vec(), 140_000, false));
    streams.push((Vec::new(), 10, false));
    let mut decoder = Decoder::new();
    let mut check = |chosen: [usize; 6]| {
        let chosen = chosen.map(|nth| &streams[nth]);
        let (of, lens) = (chosen.map(|one| &one.0[..]), chosen.map(|one| one.1));
        let good = chosen.map(|one| one.2);
        assert_eq!(decode_together(&mut decoder, of, lens), good, "{lens:?}");
        let [a, b, c, ..] = of;
        let [a_len, b_len, c_len, ..] = lens;
        let three = decode_together(&mut decoder, [a, b, c], [a_len, b_len, c_len]);
        assert_eq!(three, good[..3], "{lens:?}");
        let two = decode_together(&mut decoder, [a, b], [a_len, b_len]);
        assert_eq!(two, good[..2], "{lens:?}");
    };
    for one in 0..8 {
        for other in 0..8 {
            check([one, other, 0, 5, 1, 2]);
            check([0, 1, one, other, 3, one]);
            check([one, one, one, other, other, 4]);
        }
    }
}

#[test]
fn another_length_is_refused() {
    let elements = elements(30_000, 15, 3);
    let stream = encoded(&elements);
    assert!(decodes(&stream, 60_000));
    for len in [0, 1, 30_000, 59_998, 59_999, 60_001, 60_002, 90_000] {
        assert!(!decodes(&stream, len), "{len}");
    }
}

#[test]
fn a_cut_stream_is_refused() {
    let elements = elements(5000, 12, 4);
    let stream = encoded(&elements);
    for len in 0..stream.len() {
        assert!(
            !decodes(&stream[..len], 10_000),
            "{len} of {}",
            stream.len()
        );
    }
    assert!(
        !decodes(&[&stream[..], &[0]].concat(), 10_000),
        "a byte more"
    );
}

#[test]
fn changed_bits() {
    let elements = elements(2100, 12, 5);
    let stream = encoded(&elements);
    let decoded = (0..8 * stream.len()).filter(|bit| {
        let mut changed = stream.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        decodes(&changed, 4200)
    });
    // What is decoded are the bits that fill up a byte before a stored block, and the window and level
    // in the header.
    assert!(decoded.count() < 50);
}

/// What other encoders write, with repetitions, is left to others; stored blocks are not.
#[test]
fn streams_of_others() {
    let bytes: Vec<u8> = (0..50_000_u32).map(|i| ((i * i) >> 7) as u8 & 15).collect();
    for level in [1, 6, 12] {
        let level = libdeflater::CompressionLvl::new(level).unwrap();
        let mut encoder = libdeflater::Compressor::new(level);
        let mut stream = vec![0; encoder.zlib_compress_bound(bytes.len())];
        let len = encoder.zlib_compress(&bytes, &mut stream).unwrap();
        assert!(!decodes(&stream[..len], bytes.len()));
    }
    let stored = [&[1, 4, 0, 0xFB, 0xFF][..], b"abcd"].concat();
    assert!(decodes(&zlib(&stored, b"abcd"), 4));
    // The complement of the length, the check, the end after it.
    let mut wrong = stored.clone();
    wrong[3] ^= 1;
    assert!(!decodes(&zlib(&wrong, b"abcd"), 4));
    assert!(!decodes(&zlib(&stored, b"abce"), 4));
    assert!(!decodes(&zlib(&[&stored[..], &[0]].concat(), b"abcd"), 4));
    // A block that is not the last, and nothing after it; kinds 1 and 3.
    let mut open = stored;
    open[0] = 0;
    assert!(!decodes(&zlib(&open, b"abcd"), 4));
    for kind in [0b011, 0b111] {
        assert!(!decodes(&zlib(&[kind, 0, 0, 0], b""), 0));
    }
    // No elements have an odd number of bytes.
    let odd = [&[1, 3, 0, 0xFC, 0xFF][..], b"abc"].concat();
    assert!(by_libdeflate(&zlib(&odd, b"abc"), 3).is_some());
    assert!(!decodes(&zlib(&odd, b"abc"), 3));
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), len in 0_usize..600) {
        decodes(&bytes, len);
        decodes(&zlib(&bytes, &[]), 0);
    }

    /// Changed so that the check is right again: only the blocks decide.
    #[test]
    fn changed_streams(
        count in 1_usize..6000,
        most in 1_u32..20,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let elements = elements(count, most, 6);
        let stream = encoded(&elements);
        let mut changed = stream[2..stream.len() - 4].to_vec();
        for (at, byte) in changes {
            let at = at.index(changed.len());
            changed[at] = byte;
        }
        let mut bytes = vec![0; 2 * count];
        let mut decoder = libdeflater::Decompressor::new();
        if decoder.deflate_decompress(&changed, &mut bytes).is_ok() {
            decodes(&zlib(&changed, &bytes), 2 * count);
        } else {
            prop_assert!(!decodes(&zlib(&changed, &bytes), 2 * count));
        }
    }
}
