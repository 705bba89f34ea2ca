//! Reading through libhdf5: what is filtered, of another byte order, or cut in another way.

use std::ops::Range;

use hdf5::{Dataset, Dataspace, Datatype, Hyperslab, Selection, SliceOrIndex};

use selvedge_base::Stride;

use super::dtype::Form;
use super::open_sources::OpenSources;
use crate::chunks::to_usize;
use crate::error::LibraryError;
use crate::{Dtype, ffi};

/// Fills `bytes` with the rows of `rows`, of a tensor with `rank` axes, as `dtype` lies in memory; or with those indices
/// of their first axis that are `within` a range. A virtual dataset has `sources`.
///
/// What libhdf5 reads are the file's own bytes, so that it converts nothing, but integers of other
/// lengths. Each chunk of the file is unpacked once if the rows lie in one row of chunks.
pub(super) fn read(
    (dataset, sources): (&Dataset, Option<&OpenSources>),
    (dtype, form): (Dtype, Form),
    rank: usize,
    (rows, within): (Stride, Option<Range<u64>>),
    bytes: &mut [u8],
) -> Result<(), LibraryError> {
    let memory = match form {
        Form::Converted(_) => native(dtype)?,
        _ => dataset.dtype()?,
    };
    // Where nothing was written, and nothing is to be filled in, libhdf5 leaves what is there. So it does where the
    // parts of a virtual dataset overlap: it counts an element once for each of them, and takes the rest for full.
    let fill = sources.map(|sources| sources.fill(dataset, &memory));
    match fill.transpose()?.flatten() {
        None => bytes.fill(0),
        Some(element) => {
            let elements = bytes.chunks_exact_mut(element.len());
            elements.for_each(|place| place.copy_from_slice(element));
        }
    }
    let (space, shape) = select(dataset, rank, rows, within)?;
    ffi::read_raw(dataset, &memory, (&space, shape), bytes)?;
    arrange(bytes, (dtype, form));
    Ok(())
}

/// Gives the file's own bytes the form of memory.
pub(super) fn arrange(bytes: &mut [u8], (dtype, form): (Dtype, Form)) {
    match form {
        Form::InPlace | Form::ZeroOrOne => {}
        Form::Converted(bits) => match dtype.size() {
            1 => extend::<1>(bytes, dtype, bits),
            2 => extend::<2>(bytes, dtype, bits),
            4 => extend::<4>(bytes, dtype, bits),
            _ => extend::<8>(bytes, dtype, bits),
        },
        Form::Swapped(2) => swap::<2>(bytes),
        Form::Swapped(4) => swap::<4>(bytes),
        Form::Swapped(8) => swap::<8>(bytes),
        Form::Swapped(size) => bytes
            .chunks_exact_mut(size.max(1))
            .for_each(<[u8]>::reverse),
    }
}

fn swap<const N: usize>(bytes: &mut [u8]) {
    let (elements, _) = bytes.as_chunks_mut::<N>();
    elements.iter_mut().for_each(|element| element.reverse());
}

/// Gives integers of `N` bytes the value of their lowest `precision` bits.
///
/// libhdf5 does so only where it takes the bits apart. Where memory and file have another order of the
/// bytes and as many of them, it turns the bytes and leaves what is above the bits as it finds it: zeros
/// after its nbit filter, also above a negative value. A value that has its sign already keeps it.
fn extend<const N: usize>(bytes: &mut [u8], dtype: Dtype, precision: usize) {
    let bits = N * 8;
    if precision == 0 || precision >= bits {
        return;
    }
    let above = 64 - precision;
    let signed = matches!(dtype, Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64);
    let (elements, _) = bytes.as_chunks_mut::<N>();
    for element in elements {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(element);
        let top = u64::from_le_bytes(wide) << above;
        let value = match signed {
            true => (top.cast_signed() >> above).cast_unsigned(),
            false => top >> above,
        };
        element.copy_from_slice(&value.to_le_bytes()[..N]);
    }
}

/// An integer as it lies in memory.
fn native(dtype: Dtype) -> Result<Datatype, LibraryError> {
    Ok(match dtype {
        Dtype::I8 => Datatype::from_type::<i8>(),
        Dtype::I16 => Datatype::from_type::<i16>(),
        Dtype::I32 => Datatype::from_type::<i32>(),
        Dtype::I64 => Datatype::from_type::<i64>(),
        Dtype::U8 => Datatype::from_type::<u8>(),
        Dtype::U16 => Datatype::from_type::<u16>(),
        Dtype::U32 => Datatype::from_type::<u32>(),
        Dtype::U64 => Datatype::from_type::<u64>(),
        other => return Err(LibraryError::new(format!("{other} is no integer"))),
    }?)
}

/// What is selected, and its shape.
fn select(
    dataset: &Dataset,
    rank: usize,
    rows: Stride,
    within: Option<Range<u64>>,
) -> hdf5::Result<(Dataspace, Vec<usize>)> {
    let space = dataset.space()?;
    let mut shape = space.shape();
    if rank == 0 {
        return Ok((space, shape));
    }
    let mut axes = vec![SliceOrIndex::SliceCount {
        start: to_usize(rows.first),
        step: to_usize(rows.stride),
        count: to_usize(rows.count),
        block: 1,
    }];
    axes.resize(rank, SliceOrIndex::from(..));
    shape[0] = to_usize(rows.count);
    if let (Some(within), Some(axis)) = (within, axes.get_mut(1)) {
        *axis = (to_usize(within.start)..to_usize(within.end)).into();
        shape[1] = to_usize(within.end - within.start);
    }
    Ok((space.select(Selection::from(Hyperslab::new(axes)))?, shape))
}
