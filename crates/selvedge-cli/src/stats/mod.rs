//! What the values of tensors are like: one pass over the data, block by block.

mod distribution;
mod model;
mod moments;
mod quantiles;
mod sample;
mod tally;

use selvedge_base::Chain;

use crate::facts::{FileFacts, OpenFile, Unreadable};
use crate::progress::Progress;
use crate::source::Source;

pub(crate) use model::{Magnitudes, Number, QuantileStats, TensorStats, ValueStats};
use sample::Byte;
pub(crate) use sample::{E4M3, E5M2, Sample};
use tally::Tally;

/// Bytes that a pass over all tensors reads.
pub(crate) fn bytes(facts: &FileFacts) -> u64 {
    let bytes = facts.tensors.iter().filter_map(|tensor| tensor.bytes);
    bytes.fold(0, u64::saturating_add)
}

/// Reads all tensors and sums up their values. One that cannot be read does not stop the others.
///
/// # Errors
///
/// That the tensors cannot be opened.
pub(crate) fn gather(
    facts: &FileFacts,
    file: &OpenFile,
    progress: &mut Progress,
) -> Result<Vec<TensorStats>, Unreadable> {
    let sources = Source::all(facts, file, true)?;
    let all = sources.iter().map(|source| {
        let tensor = source.facts().name.clone();
        match of_tensor(source, progress) {
            Ok(values) => TensorStats {
                tensor,
                values,
                unread: None,
                unsupported: false,
            },
            Err(error) => TensorStats {
                tensor,
                values: None,
                unsupported: matches!(error, Unreadable::Tensor { .. }),
                unread: Some(Chain(&error).to_string()),
            },
        }
    });
    Ok(all.collect())
}

fn of_tensor(
    source: &Source<'_>,
    progress: &mut Progress,
) -> Result<Option<ValueStats>, Unreadable> {
    macro_rules! sum_up {
        ($($name:literal => $type:ty),* $(,)?) => {
            match source.facts().dtype.as_str() {
                $($name => {
                    source.kind()?;
                    sum_up::<$type>(source, progress).map(Some)
                })*
                // Floats of less than a byte, of scales and of zeros without a sign, complex numbers,
                // strings and records.
                _ => Ok(None),
            }
        };
    }
    sum_up! {
        "bfloat16" => selvedge_hdf5::bf16, "float16" => selvedge_hdf5::f16,
        "float32" => f32, "float64" => f64,
        "float8_e4m3fn" => E4M3, "float8_e5m2" => E5M2,
        "int8" => i8, "int16" => i16, "int32" => i32, "int64" => i64,
        "uint8" => u8, "uint16" => u16, "uint32" => u32, "uint64" => u64,
        "bool" => Byte,
    }
}

fn sum_up<T: Sample>(
    source: &Source<'_>,
    progress: &mut Progress,
) -> Result<ValueStats, Unreadable> {
    let mut tally = Tally::<T>::new(source.facts());
    source.blocks(|bytes| {
        tally.add(bytes);
        progress.add(&source.facts().name, bytes.len() as u64);
        Ok::<_, Unreadable>(())
    })?;
    Ok(tally.finish())
}
