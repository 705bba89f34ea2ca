//! Loading: both ways to load give the same, whole or in part, and say what is wrong.

use std::fs;
use std::ops::Range;
use std::path::Path;

use crate::common::{by_hand, named, new_path};
use proptest::prelude::*;
use selvedge_safetensors::{
    Dtype, Element, Mapped, ReadError, Reader, Save, Tensor, TensorView, bf16,
};

/// What both ways to load can do.
trait Load {
    fn all<T: Element>(&self) -> Result<Vec<T>, ReadError>;
    fn some<T: Element>(&self, rows: Range<usize>) -> Result<Vec<T>, ReadError>;
    fn gathered<T: Element>(&self, rows: &[usize]) -> Result<Vec<T>, ReadError>;
    fn gathered_into<T: Element>(&self, rows: &[usize], buffer: &mut [T]) -> Result<(), ReadError>;
}

impl Load for Tensor<'_> {
    fn all<T: Element>(&self) -> Result<Vec<T>, ReadError> {
        self.read()
    }

    fn some<T: Element>(&self, rows: Range<usize>) -> Result<Vec<T>, ReadError> {
        self.read_rows(rows)
    }

    fn gathered<T: Element>(&self, rows: &[usize]) -> Result<Vec<T>, ReadError> {
        self.gather(rows)
    }

    fn gathered_into<T: Element>(&self, rows: &[usize], buffer: &mut [T]) -> Result<(), ReadError> {
        self.gather_into(rows, buffer)
    }
}

impl Load for TensorView<'_> {
    fn all<T: Element>(&self) -> Result<Vec<T>, ReadError> {
        Ok(self.as_slice()?.to_vec())
    }

    fn some<T: Element>(&self, rows: Range<usize>) -> Result<Vec<T>, ReadError> {
        Ok(self.rows(rows)?.as_slice()?.to_vec())
    }

    fn gathered<T: Element>(&self, rows: &[usize]) -> Result<Vec<T>, ReadError> {
        self.gather(rows)
    }

    fn gathered_into<T: Element>(&self, rows: &[usize], buffer: &mut [T]) -> Result<(), ReadError> {
        self.gather_into(rows, buffer)
    }
}

fn map(path: &Path) -> Mapped {
    // SAFETY: each test has a file of its own, and does not change it.
    unsafe { Mapped::open(path) }.expect("map")
}

/// Runs a check with both.
macro_rules! both {
    ($path:expr, $tensor:expr, |$load:ident| $check:expr) => {{
        let reader = Reader::open($path).expect("open");
        let $load = reader.tensor($tensor).expect("tensor");
        $check;
        let mapped = map($path);
        let $load = mapped.tensor($tensor).expect("tensor");
        $check;
    }};
}

fn message<T>(result: Result<Vec<T>, ReadError>) -> String {
    match result {
        Ok(_) => panic!("it was read"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_cannot_be_read_is_explained() {
    let (_folder, path) = new_path();
    Save::new(&path)
        .tensor("W", [4, 2], &[bf16::ONE; 8])
        .scalar("n", 17_i64)
        .raw("mask", Dtype::BOOL, [3], &[0, 1, 7])
        .raw("packed", Dtype::F4, [3, 2], &[0; 3])
        .raw("odd", Dtype::F4, [2, 3], &[0; 3])
        .write()
        .unwrap();
    both!(&path, "W", |w| {
        for (found, expected) in [
            (
                message(w.all::<f32>()),
                "tensor `W` holds BF16, asked for F32; its bits can be had as U16",
            ),
            (
                message(w.some::<bf16>(2..5)),
                "tensor `W` has rows 0..4, asked for 2..5",
            ),
            (
                #[expect(clippy::reversed_empty_ranges, reason = "this is the mistake")]
                message(w.some::<bf16>(3..2)),
                "tensor `W` has rows 0..4, asked for 3..2",
            ),
            (
                message(w.some::<bf16>(0..usize::MAX)),
                "tensor `W` has rows 0..4, asked for 0..18446744073709551615",
            ),
            (
                message(w.gathered::<bf16>(&[0, 4])),
                "tensor `W` has rows 0..4, asked for row 4",
            ),
            (
                message(w.gathered::<bf16>(&[1, usize::MAX - 1])),
                "tensor `W` has rows 0..4, asked for row 18446744073709551614",
            ),
        ] {
            assert_eq!(found, expected);
        }
        let error = w.gathered_into(&[1, 2], &mut [bf16::ZERO; 3]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "reading tensor `W` needs a buffer of 4 elements, found 3"
        );
    });
    both!(&path, "n", |n| {
        assert_eq!(
            message(n.some::<i64>(0..1)),
            "tensor `n` is a single value and has no rows; read it whole"
        );
        assert!(matches!(
            n.gathered::<i64>(&[0]),
            Err(ReadError::NoRows { .. })
        ));
    });
    both!(&path, "mask", |mask| {
        assert_eq!(
            message(mask.all::<bool>()),
            "tensor `mask` holds BOOL, and its element 2 is 7: expected 0 or 1"
        );
        assert_eq!(mask.some::<bool>(0..2).unwrap(), [false, true]);
    });
    both!(&path, "packed", |packed| {
        assert_eq!(
            message(packed.all::<u8>()),
            "tensor `packed` holds F4, asked for U8; its bytes can be had with `read_bytes`"
        );
    });
    let file = map(&path);
    assert_eq!(
        file.tensor("packed")
            .unwrap()
            .rows(1..3)
            .unwrap()
            .bytes()
            .len(),
        2
    );
    let error = file.tensor("odd").unwrap().rows(0..1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tensor `odd` of F4 [3] has 12 bits, which are not whole bytes; pad its last axis"
    );
    let error = Reader::open(&path).unwrap().tensor("w").unwrap_err();
    assert_eq!(
        named(&error, &path),
        format!(
            "{} has no tensor `w`; it has `W`, `mask`, `n`, `odd`, `packed`; did you mean `W`?",
            path.display()
        )
    );
}

#[test]
fn rows_of_rows_are_rows() {
    let (_folder, path) = new_path();
    let values: Vec<u32> = (0..40).collect();
    Save::new(&path)
        .tensor("W", [10, 2, 2], &values)
        .write()
        .unwrap();
    let file = map(&path);
    let some = file.tensor("W").unwrap().rows(3..8).unwrap();
    assert_eq!(some.shape(), [5, 2, 2]);
    let fewer = some.rows(1..3).unwrap();
    assert_eq!(fewer.shape(), [2, 2, 2]);
    assert_eq!(fewer.as_slice::<u32>().unwrap(), &values[16..24]);
    assert_eq!(
        some.gather::<u32>(&[4, 0]).unwrap(),
        [28, 29, 30, 31, 12, 13, 14, 15]
    );
    assert!(some.rows(0..6).is_err());
}

/// A header whose length is no multiple of the elements' size, as another program may write it.
#[test]
fn a_misaligned_tensor_is_copied_but_not_viewed() {
    let (_folder, path) = new_path();
    let header = "{\"x\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}";
    let values = [1.5_f64, -2.5];
    for pad in 0..8 {
        let data: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        fs::write(
            &path,
            by_hand(&format!("{header}{}", " ".repeat(pad)), &data),
        )
        .unwrap();
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.tensor("x").unwrap().read::<f64>().unwrap(), values);
        let offset = 8 + header.len() + pad;
        match map(&path).tensor("x").unwrap().as_slice::<f64>() {
            Ok(found) => assert_eq!((found, offset % 8), (&values[..], 0)),
            Err(error) => {
                assert_ne!(offset % 8, 0);
                assert_eq!(
                    error.to_string(),
                    format!(
                        "tensor `x` begins at byte {offset} of the file, which is no multiple of 8 \
                         as F64 in memory must be; copy it with `read`, or save the file anew"
                    )
                );
            }
        }
    }
}

/// Large enough for several threads.
#[test]
fn a_large_tensor_is_read_in_parallel() {
    let (_folder, path) = new_path();
    let values: Vec<u32> = (0..5_000_003).collect();
    Save::new(&path)
        .scalar("n", 1_u8)
        .tensor("W", [values.len()], &values)
        .write()
        .unwrap();
    both!(&path, "W", |w| assert!(w.all::<u32>().unwrap() == values));
    let file = Reader::open(&path).unwrap();
    let w = file.tensor("W").unwrap();
    let mut buffer = vec![0; values.len()];
    w.read_into(&mut buffer).unwrap();
    assert!(buffer == values);
    let some = w.read_rows::<u32>(1_000_001..4_000_001).unwrap();
    assert!(some == values[1_000_001..4_000_001]);
    let error = w.read_into(&mut buffer[1..]).unwrap_err();
    assert!(matches!(error, ReadError::BufferLength { .. }));
    let error = w.read_rows_into(0..2, &mut buffer).unwrap_err();
    assert!(matches!(error, ReadError::BufferLength { .. }));
}

#[test]
fn a_file_that_is_cut_meanwhile_is_an_error() {
    let (_folder, path) = new_path();
    Save::new(&path)
        .tensor("a", [3], &[1_u32; 3])
        .tensor("b", [3], &[2_u32; 3])
        .write()
        .unwrap();
    let file = Reader::open(&path).unwrap();
    let end = file.header().tensor("b").unwrap().range.end;
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(end - 1)
        .unwrap();
    assert_eq!(file.tensor("a").unwrap().read::<u32>().unwrap(), [1; 3]);
    let error = file.tensor("b").unwrap().read::<u32>().unwrap_err();
    assert_eq!(
        named(&error, &path),
        format!(
            "{} was cut while it was open: tensor `b` should reach up to byte {end}; another \
             program wrote over it",
            path.display()
        )
    );
}

#[test]
fn readers_go_on_with_the_file_that_was_replaced() {
    let (_folder, path) = new_path();
    Save::new(&path)
        .overwrite(true)
        .tensor("W", [3], &[1_u16; 3])
        .write()
        .unwrap();
    let (reader, mapped) = (Reader::open(&path).unwrap(), map(&path));
    Save::new(&path)
        .overwrite(true)
        .tensor("W", [1], &[2_u16])
        .write()
        .unwrap();
    assert_eq!(reader.tensor("W").unwrap().read::<u16>().unwrap(), [1; 3]);
    assert_eq!(
        mapped.tensor("W").unwrap().as_slice::<u16>().unwrap(),
        [1; 3]
    );
}

/// The oracle: rows by index arithmetic.
fn rows_of(values: &[u16], row: usize, rows: impl IntoIterator<Item = usize>) -> Vec<u16> {
    rows.into_iter()
        .flat_map(|index| values[index * row..(index + 1) * row].to_vec())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_are_those_of_the_oracle(
        count in 0_usize..40,
        row in 1_usize..5,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        runs in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..9), 0..4),
    ) {
        let (_folder, path) = new_path();
        let values: Vec<u16> = (0..u16::MAX).take(count * row).collect();
        Save::new(&path).sync(false).tensor("W", [count, row], &values).write().unwrap();
        let mut rows = Vec::new();
        if count > 0 {
            rows.extend(picks.iter().map(|pick| pick.index(count)));
            for (start, length) in runs {
                let start = start.index(count);
                rows.extend(start..(start + length).min(count));
            }
        }
        let range = match (rows.iter().min(), rows.iter().max()) {
            (Some(&first), Some(&last)) => first..last + 1,
            _ => 0..0,
        };
        both!(&path, "W", |w| {
            prop_assert_eq!(w.all::<u16>().unwrap(), values.clone());
            let expected = rows_of(&values, row, rows.iter().copied());
            prop_assert_eq!(w.gathered::<u16>(&rows).unwrap(), expected.clone());
            let mut buffer = vec![0; expected.len()];
            w.gathered_into(&rows, &mut buffer).unwrap();
            prop_assert_eq!(buffer, expected);
            prop_assert_eq!(w.some::<u16>(range.clone()).unwrap(), rows_of(&values, row, range.clone()));
        });
    }
}

#[test]
fn some_bytes_of_a_tensor() {
    let (_folder, path) = new_path();
    let values: Vec<u16> = (0..1000).collect();
    Save::new(&path)
        .tensor("before", [3], &[1.0_f32; 3])
        .tensor("bits", [10, 100], &values)
        .write()
        .unwrap();
    let file = Reader::open(&path).unwrap();
    let bits = file.tensor("bits").unwrap();
    let all = bits.read_bytes().unwrap();
    for (offset, len) in [(0, 2000), (3, 7), (1999, 1), (2000, 0)] {
        let mut found = vec![0; len];
        bits.read_bytes_at(offset as u64, &mut found).unwrap();
        assert_eq!(found, all[offset..offset + len]);
    }
    for (offset, len) in [(1999, 2), (2001, 0), (u64::MAX, 1)] {
        let error = bits.read_bytes_at(offset, &mut vec![0; len]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("of tensor `bits` were asked for, and it has 2000"),
            "{message}"
        );
    }
}
