//! What the values of 16-bit tensors say about the dtype that was meant.
//!
//! What cannot be read leaves no evidence: the rules then say less, and other rules what is wrong.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use selvedge_conventions::{Dtype, Float16Evidence, Storage, TensorFacts, Uint16Evidence};
use selvedge_hdf5::{Reader, Tensor, f16};

/// Values of each place of a sample.
const SAMPLE: u64 = 4096;
/// Places of a sample: the start, the middle and the end. What is recorded often starts with zeros.
const PLACES: u64 = 3;
/// A sample that has to read or unpack more than this, in bytes, is none.
const SAMPLE_BYTES: u64 = 64_000_000;
/// Bytes that are read at once where all are.
const BLOCK: usize = 8 << 20;

/// Fills in the evidence of a tensor of an HDF5 file.
pub(super) fn hdf5(file: &Reader, facts: &mut TensorFacts) {
    let Ok(tensor) = file.tensor(&facts.name) else {
        return;
    };
    if facts.dtype == Dtype::Uint16 {
        facts.uint16 = sample_of_hdf5(tensor, facts);
    } else {
        facts.float16 = all_of_hdf5(tensor);
    }
}

fn sample_of_hdf5(tensor: &Tensor, facts: &TensorFacts) -> Option<Uint16Evidence> {
    if let Storage::Chunked { chunk, filters, .. } = &facts.storage {
        let chunk = chunk
            .iter()
            .fold(2_u64, |all, axis| all.saturating_mul(*axis));
        // A filtered chunk is unpacked as a whole.
        if !filters.is_empty() && chunk > SAMPLE_BYTES {
            return None;
        }
    }
    let (&steps, step) = facts.shape.split_first()?;
    let (rows, per_row) = match step.split_first() {
        Some((&rows, row)) => (
            Some(rows),
            row.iter()
                .fold(1_u64, |all, axis| all.saturating_mul(*axis)),
        ),
        None => (None, 1),
    };
    let empty = steps == 0 || rows == Some(0) || per_row == 0;
    if empty || per_row.saturating_mul(2) > SAMPLE_BYTES / PLACES {
        return None;
    }
    let mut evidence = Uint16Evidence::default();
    for place in 0..PLACES {
        let selection = match rows {
            Some(rows) => {
                let step = (steps - 1) * place / (PLACES - 1);
                let some = SAMPLE.div_ceil(per_row).min(rows);
                let rows = (0..some).map(|row| usize::try_from(row * (rows / some)));
                let rows = rows.collect::<Result<Vec<_>, _>>().ok()?;
                tensor.select().steps(step..step + 1).rows(rows)
            }
            None => {
                let some = SAMPLE.min(steps);
                let first = (steps - some) * place / (PLACES - 1);
                tensor.select().steps(first..first + some)
            }
        };
        evidence += Uint16Evidence::of(selection.read::<u16>().ok()?);
    }
    Some(evidence)
}

fn all_of_hdf5(tensor: &Tensor) -> Option<Float16Evidence> {
    let bits = |values: &[f16]| Float16Evidence::of(values.iter().map(|value| value.to_bits()));
    if tensor.shape().is_empty() {
        return Some(bits(&tensor.read::<f16>().ok()?));
    }
    let mut evidence = Float16Evidence::default();
    for block in tensor.select().blocks::<f16>(3 * BLOCK as u64).ok()? {
        evidence += bits(&block.ok()?);
    }
    Some(evidence)
}

/// Fills in the evidence of a tensor of a safetensors file whose data lie at `range`.
pub(super) fn safetensors(file: &File, range: Range<u64>, facts: &mut TensorFacts) {
    if facts.dtype == Dtype::Uint16 {
        facts.uint16 = sample_of_range(file, range);
    } else {
        let mut evidence = Float16Evidence::default();
        let mut buffer = vec![0; BLOCK];
        let mut at = range.start;
        while at < range.end {
            let length = (range.end - at).min(BLOCK as u64);
            let Some(bits) = read_bits(file, at, length, &mut buffer) else {
                return;
            };
            evidence += Float16Evidence::of(bits);
            at += length;
        }
        facts.float16 = Some(evidence);
    }
}

fn sample_of_range(file: &File, range: Range<u64>) -> Option<Uint16Evidence> {
    let values = (range.end - range.start) / 2;
    let some = SAMPLE.min(values);
    let mut buffer = vec![0; usize::try_from(some).ok()? * 2];
    let mut evidence = Uint16Evidence::default();
    for place in 0..PLACES {
        let first = (values - some) * place / (PLACES - 1);
        evidence += Uint16Evidence::of(read_bits(
            file,
            range.start + first * 2,
            some * 2,
            &mut buffer,
        )?);
    }
    Some(evidence)
}

fn read_bits<'b>(
    file: &File,
    at: u64,
    length: u64,
    buffer: &'b mut [u8],
) -> Option<impl Iterator<Item = u16> + use<'b>> {
    let bytes = buffer.get_mut(..usize::try_from(length).ok()?)?;
    file.read_exact_at(bytes, at).ok()?;
    let (pairs, _) = bytes.as_chunks::<2>();
    Some(pairs.iter().map(|pair| u16::from_le_bytes(*pair)))
}
