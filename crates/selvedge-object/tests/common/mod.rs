//! What the tests of objects share.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::Path;

use selvedge_hdf5::{Compression, Gathered, ReadError, Reader, Recorder, bf16, verify_checksums};

/// The tensors of a run that [`record`] makes.
pub(crate) const TENSORS: [&str; 3] = ["W", "moment", "velocity"];
/// Elements of a step of each: 32 KiB, in rows of 64.
pub(crate) const ELEMENTS: usize = 16 << 10;

/// The elements of a step, of which half of the bytes compress; of runs of many steps it is the same for all, so
/// that they are small.
pub(crate) fn step(number: u64) -> Vec<bf16> {
    let mut state = number;
    let bits = (0..ELEMENTS).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        0x3F00 | u16::from(state.to_le_bytes()[7])
    });
    bits.map(bf16::from_bits).collect()
}

/// Records a run of so many steps, of planned length or not.
pub(crate) fn record(path: &Path, compression: Compression, steps: u64, planned: bool) {
    let mut builder = Recorder::create(path)
        .compression(compression)
        .overwrite(true);
    if planned {
        builder = builder.steps(steps);
    }
    for name in TENSORS {
        builder = builder.tensor::<bf16>(name, [ELEMENTS / 64, 64]);
    }
    let mut run = builder
        .scalar::<f32>("loss")
        .constant("mask", &[true; 64])
        .attribute("model", "Thimble")
        .start()
        .unwrap();
    let zeros = vec![bf16::ZERO; ELEMENTS];
    for number in 0..steps {
        let values = if steps > 100 {
            zeros.clone()
        } else {
            step(number)
        };
        run.append(|row| {
            for name in TENSORS {
                row.put(name, &values[..])?;
            }
            row.put("loss", &1.5_f32)
        })
        .unwrap();
    }
    run.finish().unwrap();
}

/// The bytes of a file as they go into a store.
pub(crate) fn gathered(path: &Path) -> Vec<u8> {
    let file = Gathered::open(path, 128 << 10).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Everything that a file holds.
pub(crate) fn contents(file: &Reader) -> Result<String, ReadError> {
    let mut all = format!(
        "{:?}{:?}{:?}",
        file.attributes(),
        file.notes(),
        file.state()
    );
    for tensor in file.tensors() {
        let (values, attributes) = (tensor.read_bytes()?, tensor.attributes()?);
        all += &format!(
            "{}{:?}{attributes:?}{values:?}",
            tensor.name(),
            tensor.shape()
        );
    }
    Ok(all + &format!("{:?}", verify_checksums(file, |_| ())?.tensors))
}
