//! What the values of tensors are like: one pass over the data, block by block.

mod distribution;
mod model;
mod read;
mod sample;
mod tally;

use crate::facts::{FileFacts, OpenFile, TensorFacts, Unreadable};
use crate::progress::Progress;

pub(crate) use model::{Magnitudes, Number, TensorStats, ValueStats};
use read::Source;
use sample::Sample;
use tally::Tally;

/// Bytes that a pass over all tensors reads.
pub(crate) fn bytes(facts: &FileFacts) -> u64 {
    let bytes = facts.tensors.iter().filter_map(|tensor| tensor.bytes);
    bytes.fold(0, u64::saturating_add)
}

/// Reads all tensors and sums up their values.
///
/// # Errors
///
/// Those of reading.
pub(crate) fn gather(
    facts: &FileFacts,
    file: &OpenFile,
    progress: &mut Progress,
) -> Result<Vec<TensorStats>, Unreadable> {
    facts
        .tensors
        .iter()
        .map(|tensor| {
            let source = Source::open(file, tensor)?;
            Ok(TensorStats {
                tensor: tensor.name.clone(),
                values: of_tensor(tensor, &source, progress)?,
            })
        })
        .collect()
}

fn of_tensor(
    tensor: &TensorFacts,
    source: &Source<'_>,
    progress: &mut Progress,
) -> Result<Option<ValueStats>, Unreadable> {
    macro_rules! sum_up {
        ($($name:literal => $type:ty),* $(,)?) => {
            match tensor.dtype.as_str() {
                $($name => sum_up::<$type>(tensor, source, progress).map(Some),)*
                // The smallest floats, complex numbers, strings and records.
                _ => Ok(None),
            }
        };
    }
    sum_up! {
        "bfloat16" => selvedge_hdf5::bf16, "float16" => selvedge_hdf5::f16,
        "float32" => f32, "float64" => f64,
        "int8" => i8, "int16" => i16, "int32" => i32, "int64" => i64,
        "uint8" => u8, "uint16" => u16, "uint32" => u32, "uint64" => u64,
        "bool" => bool,
    }
}

fn sum_up<T: Sample>(
    tensor: &TensorFacts,
    source: &Source<'_>,
    progress: &mut Progress,
) -> Result<ValueStats, Unreadable> {
    let mut tally = Tally::<T>::new(tensor);
    source.blocks::<T>(|block| {
        tally.add(&block);
        progress.add(&tensor.name, size_of_val(block.values) as u64);
    })?;
    Ok(tally.finish())
}
