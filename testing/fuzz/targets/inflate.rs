//! The decoder of `selvedge-deflate`: whatever the stream, it decodes what libdeflate and zlib decode, to
//! the same bytes, or leaves it to them.

#![no_main]

use std::io::Read as _;

use libfuzzer_sys::fuzz_target;
use selvedge_deflate::Decoder;

/// Bytes that a stream may hold.
const MOST: usize = 1 << 18;

fuzz_target!(|data: &[u8]| {
    // As it is, with the length that libdeflate finds.
    let mut bytes = vec![0; MOST];
    let mut decoder = libdeflater::Decompressor::new();
    if let Ok(len) = decoder.zlib_decompress(data, &mut bytes) {
        decode(data, &bytes[..len]);
    } else {
        for len in [0, data.len(), 2 * data.len()] {
            assert!(!Decoder::new().decode(data, &mut vec![0xA5; len]));
        }
    }
    // As the blocks of a stream whose check is right.
    if let Ok(len) = decoder.deflate_decompress(data, &mut bytes) {
        let bytes = &bytes[..len];
        let check = simd_adler32::adler32(&bytes).to_be_bytes();
        decode(&[&[0x78, 0x01], data, &check].concat(), bytes);
    }
});

/// What is decoded are the elements that `bytes` are the planes of, and zlib thinks so, too. With other
/// streams at once it is the same, and on every path.
fn decode(stream: &[u8], bytes: &[u8]) {
    let (low, high) = bytes.split_at(bytes.len() / 2);
    let elements: Vec<u8> = low.iter().zip(high).flat_map(|(&low, &high)| [low, high]).collect();
    let mut decoded = None;
    for mut decoder in Decoder::on_every_path() {
        let mut found = vec![0xA5; bytes.len()];
        let whole = decoder.decode(stream, &mut found);
        assert!(!whole || found == elements);
        assert_eq!(*decoded.get_or_insert(whole), whole);

        let other: &[u8] = include_bytes!("../seeds/inflate/weights");
        let mut found = [(); 4].map(|()| vec![0xA5; bytes.len()]);
        found[1].resize(4000, 0xA5);
        let [one, two, three, four] = &mut found;
        let together =
            decoder.decode_together([stream, other, stream, stream], [one, two, three, four]);
        assert_eq!(together, [whole, true, whole, whole]);
        let [one, _, three, four] = &found;
        assert!(!whole || [one, three, four].iter().all(|found| **found == elements));
    }
    if decoded == Some(true) {
        let mut zlib = Vec::new();
        let mut decoder = flate2::read::ZlibDecoder::new(stream);
        decoder.read_to_end(&mut zlib).expect("zlib reads it");
        assert!(zlib == bytes && decoder.total_in() == stream.len() as u64);
    }
}
