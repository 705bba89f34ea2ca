//! The encoder of `selvedge-deflate`: whatever the elements and the distance, its streams are within
//! their bound, the same for every set of instructions, and zlib, libdeflate and miniz read the
//! elements from them.

#![no_main]

use std::io::Read as _;

use libfuzzer_sys::fuzz_target;
use selvedge_deflate::{Encoder, Strides, max_encoded_len};

fuzz_target!(|data: &[u8]| {
    let Some((&[recipe, a, b, c], data)) = data.split_first_chunk() else {
        return;
    };
    let mut elements: Vec<u16> = data
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    // Inputs of a few KB do not reach the limits of blocks: some are repeated, with changes here and
    // there, and some get noise for low bytes.
    let step = usize::from(u16::from_le_bytes([a, b]));
    let once = elements.len();
    if once > 0 && recipe & 0x0F == 0x0F {
        // Most of a few blocks, some of more than a stored block holds.
        let limit = if recipe & 0x40 == 0 { 40_000 } else { 140_000 };
        let length = 1 + step * 2 % limit;
        let mut state = u32::from(c) | 1;
        elements = (0..length)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let element = elements[i % once];
                let changes = (state >> 24) as u8 & b >> 3 == 1;
                let noise = (state >> 16) as u16 & 0xFF;
                let element = if a & 2 == 2 {
                    element & 0xFF00 | noise
                } else {
                    element
                };
                if changes {
                    element ^ (state >> 8) as u16
                } else {
                    element
                }
            })
            .collect();
    }
    let step = if recipe & 0x80 == 0 { once } else { step };
    let low = elements.iter().map(|element| element.to_le_bytes()[0]);
    let high = elements.iter().map(|element| element.to_le_bytes()[1]);
    let expected: Vec<u8> = low.chain(high).collect();

    for distance in [None, Some(step)] {
        let mut streams = Encoder::on_every_path().into_iter().map(|mut encoder| {
            let mut stream = Vec::new();
            let written = match distance {
                None => encoder.encode(&elements, &mut stream),
                Some(step) => {
                    let row = usize::from(c);
                    encoder.encode_temporal(&elements, Strides { step, row }, &mut stream)
                }
            };
            assert_eq!(written, stream.len());
            stream
        });
        let stream = streams.next().expect("one path is portable");
        assert!(streams.all(|other| other == stream), "paths differ");
        assert!(stream.len() <= max_encoded_len(elements.len()));
        judge(&stream, &expected);
    }
});

fn judge(stream: &[u8], expected: &[u8]) {
    let mut zlib = Vec::new();
    let mut decoder = flate2::read::ZlibDecoder::new(stream);
    decoder.read_to_end(&mut zlib).expect("zlib reads it");
    assert!(zlib == expected && decoder.total_in() == stream.len() as u64);

    let mut bytes = vec![0xA5; expected.len()];
    let mut decoder = libdeflater::Decompressor::new();
    let length = decoder
        .zlib_decompress(stream, &mut bytes)
        .expect("libdeflate reads it");
    assert!(length == expected.len() && bytes == expected);

    let bytes = miniz_oxide::inflate::decompress_to_vec_zlib(stream).expect("miniz reads it");
    assert!(bytes == expected);
}
