//! How small the bfloat16 values of a file become, of any that holds nothing but them:
//!
//! ```sh
//! cargo run --release -p selvedge-deflate --example ratio -- weights.bin
//! ```
//!
//! Without a file, of values that are spread evenly from 1 to 2, whose low bytes are all there is to store.

use std::time::Instant;

use selvedge_deflate::Encoder;

/// Elements of a chunk.
const CHUNK: usize = 640_000;

fn main() -> std::io::Result<()> {
    let elements: Vec<u16> = match std::env::args_os().nth(1) {
        Some(path) => std::fs::read(path)?
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect(),
        None => (0x3F80..0x4000).cycle().take(4 * CHUNK).collect(),
    };
    // Its buffers are kept from chunk to chunk.
    let mut encoder = Encoder::new();
    let mut stream = Vec::new();
    let start = Instant::now();
    let mut written = 0;
    for chunk in elements.chunks(CHUNK) {
        stream.clear();
        written += encoder.encode(chunk, &mut stream);
    }
    let bytes = elements.len() * 2;
    let rate = bytes as f64 / start.elapsed().as_secs_f64() / 1e6;
    println!("{bytes} bytes -> {written}, {rate:.0} MB/s");
    Ok(())
}
