//! Counts against conversion by `half`, one value at a time; and the sentence.

use half::f16;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::u16_as_bf16;

/// What becomes of one value, by converting it with `half` and comparing as `f64`.
fn naive(value: bf16) -> Float16Loss {
    let before = value.to_f64();
    let after = f16::from_f32(value.to_f32()).to_f64();
    let mut loss = Float16Loss {
        total: 1,
        ..Float16Loss::default()
    };
    if before.is_nan() {
        assert!(after.is_nan());
        loss.nan = 1;
    } else if before.is_infinite() {
        assert_eq!(before, after);
        loss.infinite = 1;
    } else if after.is_infinite() {
        loss.overflow_to_infinity = 1;
    } else if before == after {
        loss.exact = 1;
    } else if after == 0.0 {
        loss.underflow_to_zero = 1;
    } else {
        loss.rounded = 1;
    }
    let magnitude = bf16::from_f64(before.abs());
    loss.largest_finite = before.is_finite().then_some(magnitude);
    loss.smallest_nonzero = (before.is_finite() && before != 0.0).then_some(magnitude);
    loss
}

#[test]
fn every_pattern_alone_is_counted_as_half_converts_it() {
    for bits in 0..=u16::MAX {
        let value = bf16::from_bits(bits);
        assert_eq!(Float16Loss::of(&[value]), naive(value), "{bits:#06x}");
    }
}

#[test]
fn every_pattern_at_once_is_the_sum() {
    let bits: Vec<u16> = (0..=u16::MAX).collect();
    let values = u16_as_bf16(&bits);
    let mut expected = Float16Loss::default();
    for &value in values {
        expected += naive(value);
    }
    let loss = Float16Loss::of(values);
    assert_eq!(loss, expected);
    assert_eq!(
        loss.exact + loss.infinite + loss.nan + loss.lost(),
        loss.total,
        "each value is in one count"
    );
    assert_eq!((loss.total, loss.infinite, loss.nan), (65_536, 2, 254));
    assert_eq!(loss.largest_finite, Some(bf16::MAX));
    assert_eq!(loss.smallest_nonzero, Some(bf16::MIN_POSITIVE_SUBNORMAL));
}

#[test]
fn the_bounds_are_where_the_documentation_puts_them() {
    let of = |value: f64| {
        let exactly = bf16::from_f64(value);
        assert_eq!(exactly.to_f64(), value);
        Float16Loss::of(&[exactly])
    };
    assert_eq!(of(65_280.0).exact, 1);
    assert_eq!(of(-65_536.0).overflow_to_infinity, 1);
    assert_eq!(of(2_f64.powi(-17)).exact, 1);
    assert_eq!(of(255.0 * 2_f64.powi(-25)).rounded, 1);
    assert_eq!(of(254.0 * 2_f64.powi(-25)).exact, 1);
    assert_eq!(of(129.0 * 2_f64.powi(-32)).rounded, 1);
    assert_eq!(of(-2_f64.powi(-25)).underflow_to_zero, 1);
    assert_eq!(of(-0.0).exact, 1);
}

#[test]
fn blocks_full_of_one_kind_do_not_overflow_their_counts() {
    for (value, bits) in [(bf16::NAN, 0), (bf16::MAX, 1), (bf16::MIN_POSITIVE, 2)] {
        let values = vec![value; 3 * Tally::BLOCK + 5];
        let loss = Float16Loss::of(&values);
        let count = [loss.nan, loss.overflow_to_infinity, loss.underflow_to_zero][bits];
        assert_eq!(count, values.len() as u64);
    }
}

#[test]
fn the_sentence_names_only_what_is_lost() {
    let say = |values: &[f32]| {
        let values: Vec<bf16> = values.iter().copied().map(bf16::from_f32).collect();
        Float16Loss::of(&values).to_string()
    };
    assert_eq!(say(&[]), "no bf16 values, so float16 loses nothing");
    assert_eq!(say(&[f32::NAN]), "float16 holds the 1 bf16 value");
    assert_eq!(
        say(&[0.0, 1.0, f32::INFINITY]),
        "float16 holds all 3 bf16 values"
    );
    assert_eq!(
        say(&[1.0e30, -3.0e38, 1.0]),
        "2 of 3 bf16 values (66.67 %) change as float16: 2 become infinite (magnitudes reach \
         3.0e38, float16 ends at 65504)"
    );
    assert_eq!(
        say(&[1.0e-30]),
        "1 of 1 bf16 value (100.00 %) changes as float16: 1 becomes zero (magnitudes go down \
         to 1.0e-30, float16 loses 2^-25 = 3.0e-8 and less)"
    );
    let mut many = vec![1.0e-30; 20_000];
    many[7] = 1.0;
    assert!(say(&many).starts_with("19999 of 20000 bf16 values (over 99.99 %) change"));
    let mut many = vec![1.0; 20_000];
    many[7] = 1.0e-6;
    assert_eq!(
        say(&many),
        "1 of 20000 bf16 values (under 0.01 %) changes as float16: 1 is rounded (float16 has \
         fewer bits below 2^-17 = 7.6e-6)"
    );
}

proptest! {
    #![proptest_config(crate::test_support::config())]

    #[test]
    fn any_slice_is_the_sum_of_its_values(bits in vec(any::<u16>(), 0..200)) {
        let values = u16_as_bf16(&bits);
        let mut expected = Float16Loss::default();
        for &value in values {
            expected += naive(value);
        }
        prop_assert_eq!(Float16Loss::of(values), expected);
    }
}
