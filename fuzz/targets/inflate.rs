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

/// What is decoded is `bytes`, and zlib thinks so, too. With another stream at once it is the same.
fn decode(stream: &[u8], bytes: &[u8]) {
    let mut found = vec![0xA5; bytes.len()];
    let decoded = Decoder::new().decode(stream, &mut found);
    for other in [stream, include_bytes!("../seeds/inflate/weights")] {
        let mut decoders: [Decoder; 2] = Default::default();
        let mut outs = [vec![0xA5; bytes.len()], vec![0xA5; 4000]];
        let [one, second] = &mut outs;
        let both = Decoder::decode_both(&mut decoders, [stream, other], [one, second]);
        assert_eq!(both[0], decoded);
        assert!(!decoded || outs[0] == bytes);
    }
    if decoded {
        assert!(found == bytes);
        let mut zlib = Vec::new();
        let mut decoder = flate2::read::ZlibDecoder::new(stream);
        decoder.read_to_end(&mut zlib).expect("zlib reads it");
        assert!(zlib == bytes && decoder.total_in() == stream.len() as u64);
    }
}
