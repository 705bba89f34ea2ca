//! Reads of a tensor out of an object store, and what they asked for:
//!
//! ```sh
//! cargo run -p selvedge-object --example reads -- s3://bucket/run.h5 W each 4000,17,256
//! ```
//!
//! `each` takes steps one after the other, `steps` takes them as one list, `rows` takes these rows of all steps, and
//! `all` is the tensor. `cargo xtask neighbours --distant` runs it beside other programs, and compares the checksum.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use selvedge_hdf5::{ReaderOptions, bf16};
use selvedge_object::{ObjectFile, ObjectOptions, Traffic};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, name, what, list @ ..] = &args[..] else {
        return Err(
            "expected a URL, a tensor, `each`, `steps`, `rows` or `all`, and numbers".into(),
        );
    };
    let numbers = list.iter().flat_map(|list| list.split(','));
    let numbers: Vec<u32> = numbers.map(str::parse).collect::<Result<_, _>>()?;
    let steps: Vec<i64> = numbers.iter().map(|&number| number.into()).collect();
    let began = Instant::now();
    let object = ObjectFile::open(url, &ObjectOptions::default())?;
    let file = ReaderOptions::default().open_ranges(object.name(), Arc::clone(&object) as _)?;
    let tensor = file.tensor(name)?;
    told("opened", Traffic::default(), &object, began);
    let reads = match &**what {
        "each" => steps
            .iter()
            .map(|&step| tensor.select().steps(step))
            .collect(),
        "steps" => vec![tensor.select().steps(steps)],
        "rows" => {
            let rows: Vec<usize> = numbers.iter().map(|&row| row as usize).collect();
            vec![tensor.select().rows(rows)]
        }
        "all" => vec![tensor.select()],
        _ => return Err(format!("`{what}` is none of `each`, `steps`, `rows` and `all`").into()),
    };
    let mut checksum = crc32fast::Hasher::new();
    for read in reads {
        let (before, began) = (object.traffic(), Instant::now());
        let values = read.read::<bf16>()?;
        told("read", before, &object, began);
        for block in values.chunks(1 << 16) {
            let bytes: Vec<u8> = block.iter().flat_map(|value| value.to_le_bytes()).collect();
            checksum.update(&bytes);
        }
    }
    println!("CRC-32 of the values: {:08x}", checksum.finalize());
    Ok(())
}

fn told(what: &str, before: Traffic, object: &ObjectFile, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    let now = object.traffic();
    println!(
        "{what}: {} requests, {} bytes, {seconds:.4} s",
        now.requests - before.requests,
        now.bytes - before.bytes,
    );
}
