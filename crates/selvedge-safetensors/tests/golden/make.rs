//! Makes `grown.safetensors` and `killed.safetensors.unfinished` in a folder; as an example of the crate it was run by
//! `cargo run -p selvedge-safetensors --example golden FOLDER` at commit 9b77eed. It is kept for what it says of the
//! values, and not compiled any more. The file that was left unfinished lies here as `killed.safetensors`.

use std::path::Path;

use selvedge_safetensors::{Save, Writer, bf16};

fn begin(path: &Path) -> Writer {
    let ids: Vec<i32> = (0..4).collect();
    Save::new(path)
        .reproducible(true)
        .parameter("threshold", 0.5)
        .tensor("ids", [4], &ids)
        .growing::<bf16>("history", [3])
        .start()
        .unwrap()
}

/// Bits of row `row`.
fn row(row: u16) -> Vec<bf16> {
    (0..3).map(|n| bf16::from_bits((3 * row + n).wrapping_mul(40_503))).collect()
}

fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let append = |file: &mut Writer| {
        (0..7).for_each(|number| file.write("history", &row(number)).unwrap());
    };
    let mut grown = begin(&Path::new(&folder).join("grown.safetensors"));
    append(&mut grown);
    grown.finish().unwrap();
    let mut killed = begin(&Path::new(&folder).join("killed.safetensors"));
    append(&mut killed);
    // A part of the next row.
    killed.write_bytes("history", &[0x55; 3]).unwrap();
    std::process::abort();
}
