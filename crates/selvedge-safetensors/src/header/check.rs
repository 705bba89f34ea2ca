//! The checks of a header: names, shapes, and that the data are covered without a gap.

use super::json::Described;
use super::names::NameIndex;
use super::{HeaderError, TensorInfo};
use crate::spec::Size;

/// Checks the tensors of a header against each other and the file, brings them into the order of
/// their data, and indexes their names.
pub(super) fn check(
    described: Vec<(String, Described)>,
    data_start: u64,
    file_bytes: u64,
) -> Result<(Vec<TensorInfo>, NameIndex), HeaderError> {
    let mut names = index(described.len(), |at| &described[at].0)?;
    // Of a long header there is one list at a time: what is collected takes the place of what it is
    // made of.
    let checked = described.into_iter();
    let checked = checked.map(|(name, described)| check_tensor(name, described));
    let mut tensors = checked.collect::<Result<Vec<_>, _>>()?;
    // Tensors of no bytes share their offset with the one that follows: the shorter goes first.
    let order = |tensor: &TensorInfo| (tensor.range.start, tensor.range.end);
    if !tensors.is_sorted_by_key(order) {
        tensors.sort_by_key(order);
        names = index(tensors.len(), |at| &tensors[at].name)?;
    }
    check_cover(&tensors, file_bytes.saturating_sub(data_start))?;
    for tensor in &mut tensors {
        // Within the file, so it does not overflow.
        tensor.range = tensor.range.start + data_start..tensor.range.end + data_start;
    }
    Ok((tensors, names))
}

fn index<'a>(len: usize, name_at: impl Fn(usize) -> &'a str) -> Result<NameIndex, HeaderError> {
    NameIndex::new(len, name_at).map_err(|name| HeaderError::DuplicateTensor {
        tensor: name.to_owned(),
    })
}

/// Checks one tensor by itself. Its range is still relative to the start of the data.
fn check_tensor(tensor: String, described: Described) -> Result<TensorInfo, HeaderError> {
    let Described {
        dtype,
        shape,
        data_offsets: (begin, end),
    } = described;
    let (begin, end) = (begin as u64, end as u64);
    if end < begin {
        return Err(HeaderError::Reversed { tensor, begin, end });
    }
    let found = end - begin;
    match Size::of(dtype, &shape) {
        Size::Bytes(expected) if expected == found => Ok(TensorInfo {
            name: tensor,
            dtype,
            shape,
            range: begin..end,
        }),
        Size::Bytes(expected) => Err(HeaderError::SizeMismatch {
            tensor,
            dtype,
            shape,
            expected,
            found,
        }),
        Size::PartialByte { bits } => Err(HeaderError::PartialByte {
            tensor,
            dtype,
            shape,
            bits,
        }),
        Size::TooLarge => Err(HeaderError::Overflow {
            tensor,
            dtype,
            shape,
        }),
    }
}

/// Checks that the tensors follow each other without a gap, and that the file has them all.
fn check_cover(tensors: &[TensorInfo], data_bytes: u64) -> Result<(), HeaderError> {
    let mut previous: Option<&TensorInfo> = None;
    for tensor in tensors {
        let end = previous.map_or(0, |previous| previous.range.end);
        let begin = tensor.range.start;
        let name = || tensor.name.clone();
        if begin > end {
            return Err(HeaderError::Hole {
                tensor: name(),
                begin,
                end,
            });
        }
        if begin < end {
            return Err(HeaderError::Overlap {
                tensor: name(),
                begin,
                other: previous.map_or_else(String::new, |previous| previous.name.clone()),
                end,
            });
        }
        previous = Some(tensor);
    }
    if let Some(cut) = tensors.iter().find(|tensor| tensor.range.end > data_bytes) {
        return Err(HeaderError::Truncated {
            tensor: cut.name.clone(),
            expected: cut.range.end,
            found: data_bytes,
        });
    }
    Ok(())
}
