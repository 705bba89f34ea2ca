//! `ndarray` and candle, each with its feature.

#![cfg(any(feature = "ndarray", feature = "candle"))]

use crate::common::new_path;
use selvedge_safetensors::{Mapped, Reader, Save, bf16};

#[cfg(feature = "ndarray")]
#[test]
fn arrays_are_saved_and_viewed() {
    use ndarray::{Array2, ArrayView2, s};

    let (_folder, path) = new_path();
    let array = Array2::from_shape_fn((3, 4), |(row, column)| {
        bf16::from_f32((row * 4 + column) as f32)
    });
    let transposed = array.t();
    let strided = array.slice(s![.., ..;2]);
    Save::new(&path)
        .array("array", &array)
        .array("transposed", &transposed)
        .array("strided", &strided)
        .array("scalar", &ndarray::arr0(7_i64))
        .write()
        .unwrap();
    // SAFETY: nobody else knows the file.
    let file = unsafe { Mapped::open(&path) }.unwrap();
    let found = file.tensor("array").unwrap();
    let found = found.array::<bf16>().unwrap();
    let found: ArrayView2<'_, bf16> = found.into_dimensionality().unwrap();
    assert_eq!(found, array);
    assert_eq!(
        file.tensor("transposed").unwrap().array::<bf16>().unwrap(),
        transposed.into_dyn()
    );
    assert_eq!(
        file.tensor("strided").unwrap().array::<bf16>().unwrap(),
        strided.into_dyn()
    );
    assert_eq!(
        file.tensor("scalar").unwrap().array::<i64>().unwrap()[[]],
        7
    );
    let rows = file.tensor("array").unwrap().rows(1..2).unwrap();
    assert_eq!(
        rows.array::<bf16>().unwrap(),
        array.slice(s![1..2, ..]).into_dyn()
    );
    assert!(file.tensor("array").unwrap().array::<f32>().is_err());
}

#[cfg(feature = "candle")]
#[test]
fn candle_tensors_are_saved_and_loaded() {
    use candle_core::{DType, Device, Tensor};

    let (_folder, path) = new_path();
    let patterns: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).collect();
    let weights = Tensor::from_slice(&patterns, (256, 256), &Device::Cpu).unwrap();
    let ids = Tensor::new(&[3_i64, 1, 2], &Device::Cpu).unwrap();
    Save::new(&path)
        .view("W", &weights)
        .view("ids", &ids)
        .tensor("mask", [1], &[true])
        .write()
        .unwrap();
    let reader = Reader::open(&path).unwrap();
    // SAFETY: nobody else knows the file.
    let mapped = unsafe { Mapped::open(&path) }.unwrap();
    for loaded in [
        reader.tensor("W").unwrap().to_candle(&Device::Cpu).unwrap(),
        mapped.tensor("W").unwrap().to_candle(&Device::Cpu).unwrap(),
    ] {
        assert_eq!(
            (loaded.dtype(), loaded.dims()),
            (DType::BF16, &[256, 256][..])
        );
        let values: Vec<bf16> = loaded.flatten_all().unwrap().to_vec1().unwrap();
        let bits: Vec<u16> = values.iter().map(|value| value.to_bits()).collect();
        assert_eq!(bits, (0..=u16::MAX).collect::<Vec<u16>>());
    }
    let rows = mapped.tensor("W").unwrap().rows(1..3).unwrap();
    assert_eq!(rows.to_candle(&Device::Cpu).unwrap().dims(), [2, 256]);
    let loaded = reader
        .tensor("ids")
        .unwrap()
        .to_candle(&Device::Cpu)
        .unwrap();
    assert_eq!(loaded.to_vec1::<i64>().unwrap(), [3, 1, 2]);

    let error = reader
        .tensor("mask")
        .unwrap()
        .to_candle(&Device::Cpu)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "candle cannot hold tensor `mask` of BOOL"
    );
}
