//! Reading through libhdf5: what is filtered, of another byte order, or cut in another way.

use hdf5::{Dataset, H5Type, Hyperslab, Selection, SliceOrIndex};
use ndarray::IxDyn;

use crate::Dtype;
use crate::chunks::{Stride, to_usize};
use crate::element::Element;
use crate::error::LibraryError;
use crate::ffi::float_bits;

/// Whether the tensor is HDF5's own bfloat16, which libhdf5 would convert: only its plain bytes can
/// be read.
pub(super) fn would_convert(dataset: &Dataset, dtype: Dtype) -> bool {
    dtype == Dtype::Bf16
        && dataset
            .dtype()
            .is_ok_and(|found| float_bits(&found).is_some())
}

/// Fills `bytes` with the rows of `rows`, of a tensor with `rank` axes.
///
/// Each chunk of the file is unpacked once if the rows lie in one row of chunks.
pub(super) fn read(
    dataset: &Dataset,
    dtype: Dtype,
    rank: usize,
    rows: Stride,
    bytes: &mut [u8],
) -> Result<(), LibraryError> {
    macro_rules! read {
        ($type:ty) => {{
            let values = read_as::<$type>(dataset, rank, rows)?;
            let values = <$type as Element>::as_bytes(&values);
            if values.len() != bytes.len() {
                let (expected, found) = (bytes.len(), values.len());
                return Err(LibraryError::new(format!(
                    "libhdf5 returned {found} bytes, expected {expected}"
                )));
            }
            bytes.copy_from_slice(values);
        }};
    }
    match dtype {
        Dtype::Bf16 | Dtype::U16 => read!(u16),
        Dtype::F16 => read!(half::f16),
        Dtype::F32 => read!(f32),
        Dtype::F64 => read!(f64),
        Dtype::I8 => read!(i8),
        Dtype::I16 => read!(i16),
        Dtype::I32 => read!(i32),
        Dtype::I64 => read!(i64),
        Dtype::U8 => read!(u8),
        Dtype::U32 => read!(u32),
        Dtype::U64 => read!(u64),
        Dtype::Bool => read!(bool),
    }
    Ok(())
}

fn read_as<T: H5Type>(dataset: &Dataset, rank: usize, rows: Stride) -> hdf5::Result<Vec<T>> {
    if rank == 0 {
        return dataset.read_raw::<T>();
    }
    let mut axes = vec![SliceOrIndex::SliceCount {
        start: to_usize(rows.first),
        step: to_usize(rows.stride),
        count: to_usize(rows.count),
        block: 1,
    }];
    axes.resize(rank, SliceOrIndex::from(..));
    let selection = Selection::from(Hyperslab::new(axes));
    let array = dataset.read_slice::<T, _, IxDyn>(selection)?;
    Ok(array.into_raw_vec_and_offset().0)
}
