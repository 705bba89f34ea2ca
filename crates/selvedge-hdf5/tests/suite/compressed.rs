//! Stock h5py reads every bit of what was recorded with compression, whatever the values are.

use std::path::Path;

use half::bf16;
use selvedge_hdf5::{Compression, Dtype, Reader, Recorder};
use selvedge_testing::{Random, python};

/// The tensors: a power of two, an odd length, and three axes. None has less than 2¹⁶ elements.
const SHAPES: [(&str, &[usize]); 3] = [
    ("square", &[256, 256]),
    ("odd", &[65_537]),
    ("cube", &[3, 2001, 11]),
];

/// Makes a step of so many elements.
type Kind = fn(usize) -> Vec<u16>;

const KINDS: [(&str, Kind); 9] = [
    ("every pattern", |len| {
        (0..=u16::MAX).cycle().take(len).collect()
    }),
    ("every pattern, anyhow", anyhow),
    ("zeros", |len| vec![0; len]),
    ("one symbol", |len| vec![0xC3A5; len]),
    ("two symbols", |len| {
        (0..len)
            .map(|i| if i % 5 < 2 { 0x3F80 } else { 0xBF81 })
            .collect()
    }),
    ("Fibonacci", fibonacci),
    ("runs", |len| {
        (0..len).map(|i| [0x3C00, 0x0001][i / 300 % 2]).collect()
    }),
    ("normal", |len| normal(len, 1.0)),
    ("normal, and tiny", |len| normal(len, 1e-38)),
];

/// Every pattern, by multiplication with an odd number.
fn anyhow(len: usize) -> Vec<u16> {
    let numbers = (0..=u16::MAX).cycle().take(len);
    numbers.map(|i| i.wrapping_mul(0x9E37) ^ 0x5A5A).collect()
}

/// High bytes as frequent as Fibonacci's numbers, which make the longest codes.
fn fibonacci(len: usize) -> Vec<u16> {
    let (mut values, mut count, mut next) = (Vec::new(), 1, 1);
    for symbol in 0_u16.. {
        values.extend(std::iter::repeat_n(symbol << 8 | 0x77, count));
        (count, next) = (next, count + next);
        if values.len() >= len {
            break;
        }
    }
    values.truncate(len);
    values
}

/// Nearly: the sum of four uniform values.
fn normal(len: usize, scale: f64) -> Vec<u16> {
    let mut random = Random(len as u64);
    let mut value = || {
        let parts = bytemuck::cast::<u64, [u16; 4]>(random.draw());
        let sum: f64 = parts.map(f64::from).iter().sum();
        bf16::from_f64((sum / 65_536.0 - 2.0) * scale).to_bits()
    };
    (0..len).map(|_| value()).collect()
}

/// Weights that a training changes a little in each step.
fn training(len: usize, step: usize) -> Vec<u16> {
    let weights = normal(len, 0.02).into_iter().map(bf16::from_bits);
    let moved = normal(len + step, 1e-5);
    let moved = moved.iter().map(|&bits| bf16::from_bits(bits).to_f32());
    let step = step as f32;
    let values = weights.zip(moved).map(|(w, by)| w.to_f32() + step * by);
    values
        .map(|value| bf16::from_f32(value).to_bits())
        .collect()
}

/// All steps of a tensor of `len` elements: those of a training last, and so many that a reader which met
/// something else before has made up its mind again.
fn steps(len: usize) -> Vec<Vec<u16>> {
    let kinds = KINDS.iter().map(|(_, kind)| kind(len));
    let training: Vec<_> = (0..4).map(|step| training(len, step)).collect();
    kinds.chain(training.into_iter().cycle().take(30)).collect()
}

fn bytes(elements: &[u16]) -> Vec<u8> {
    elements
        .iter()
        .flat_map(|element| element.to_le_bytes())
        .collect()
}

const SAME: &str = r#"
import sys, h5py, numpy as np
folder, path = sys.argv[1:]
with h5py.File(path) as f:
    for name in ("square", "odd", "cube"):
        d = f[name]
        assert d.compression == "gzip" and d.shuffle and d.dtype == np.uint16
        expected = np.fromfile(f"{folder}/{name}.bin", "<u2").reshape(d.shape)
        for step, values in enumerate(expected):
            np.testing.assert_array_equal(d[step], values, f"{name}, step {step}")
        np.testing.assert_array_equal(d[...], expected, name)
        assert len(np.unique(d[0])) == 65536
"#;

fn len(shape: &[usize]) -> usize {
    shape.iter().product()
}

fn record(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("run_1.h5");
    let mut builder = Recorder::create(&path).compression(Compression::Fast);
    let mut all = Vec::new();
    for (name, shape) in SHAPES {
        builder = builder.tensor::<bf16>(name, shape);
        let steps = steps(len(shape));
        std::fs::write(folder.join(format!("{name}.bin")), bytes(&steps.concat())).unwrap();
        all.push(steps);
    }
    let mut run = builder.start().unwrap();
    for step in 0..all[0].len() {
        run.append(|filled| {
            for ((name, _), steps) in SHAPES.iter().zip(&all) {
                filled.put_bytes(name, Dtype::Bf16, &bytes(&steps[step]))?;
            }
            Ok(filled)
        })
        .unwrap();
    }
    run.finish().unwrap();
    path
}

#[test]
fn stock_h5py_reads_every_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path());
    python::run(SAME, [folder.path(), &path]);
}

#[test]
fn the_reader_reads_every_bit() {
    let folder = tempfile::tempdir().unwrap();
    let file = Reader::open(record(folder.path())).unwrap();
    for (name, shape) in SHAPES {
        let tensor = file.tensor(name).unwrap();
        let expected = steps(len(shape));
        for (step, expected) in (0..).zip(&expected) {
            assert!(
                &tensor.read_step::<u16>(step).unwrap() == expected,
                "{name}, step {step}"
            );
        }
        assert!(tensor.read::<u16>().unwrap() == expected.concat(), "{name}");
    }
}
