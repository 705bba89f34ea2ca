//! Some indices of an axis, named before it is known how long the axis is.

use std::fmt;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo};
use std::str::FromStr;

use crate::units::{Grouped, parse_grouped};

/// Indices of an axis that lie equally far apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stride {
    /// The first of them.
    pub first: u64,
    /// How many they are.
    pub count: u64,
    /// From one to the next; 1 where there are no gaps.
    pub stride: u64,
}

impl Stride {
    /// The indices of a range, without gaps.
    #[must_use]
    pub fn of(indices: Range<u64>) -> Self {
        Self {
            first: indices.start,
            count: indices.end.saturating_sub(indices.start),
            stride: 1,
        }
    }

    /// The index number `nth`.
    #[must_use]
    pub fn at(&self, nth: u64) -> u64 {
        self.first + nth * self.stride
    }

    /// `count` of them from number `nth` on.
    #[must_use]
    pub fn part(&self, nth: u64, count: u64) -> Self {
        Self {
            first: self.at(nth),
            count,
            ..*self
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u64> + use<> {
        let all = *self;
        (0..all.count).map(move |nth| all.at(nth))
    }

    /// How many indices there are in some strides.
    #[must_use]
    pub fn total(strides: &[Self]) -> u64 {
        let counts = strides.iter().map(|stride| stride.count);
        counts.fold(0, u64::saturating_add)
    }

    /// `count` indices of some strides from number `nth` on, or as many as there are.
    #[must_use]
    pub fn parts(strides: &[Self], mut nth: u64, mut count: u64) -> Vec<Self> {
        let mut parts = Vec::new();
        for stride in strides {
            let skipped = nth.min(stride.count);
            let taken = count.min(stride.count - skipped);
            if taken > 0 {
                parts.push(stride.part(skipped, taken));
            }
            (nth, count) = (nth - skipped, count - taken);
        }
        parts
    }

    /// The first index of some strides, and then every `n`th; of `n` 0 every one.
    #[must_use]
    pub fn every(strides: &[Self], n: u64) -> Vec<Self> {
        let n = n.max(1);
        let mut skipped = 0;
        let mut taken = Vec::new();
        for stride in strides {
            let left = stride.count.saturating_sub(skipped);
            let count = left.div_ceil(n);
            if count > 0 {
                taken.push(Self {
                    first: stride.at(skipped),
                    count,
                    stride: stride.stride.saturating_mul(n),
                });
            }
            skipped = skipped + count.saturating_mul(n) - stride.count;
        }
        taken
    }
}

/// Some indices of an axis, in the order in which they are taken, named before it is known how long the
/// axis is: the last one, all from the hundredth on, fifty that lie ever farther apart.
///
/// As text, for command lines: `7`; `-1` or `last`; `0..100`, `100..`, `-10..`; `0..6000:10`, every tenth;
/// `log:50`; and some of these with commas between them. Negative numbers count from the end, and the end of
/// a range is no part of it, as in Python. All of an axis are `..`. A range may be written as counts are
/// printed, `0..6,001`, if that is all that it can be; `0..5,100` is refused, and is `0..5, 100` or `0..5100`. So is
/// `6,001`; `6,100` are two indices.
///
/// ```
/// use selvedge_base::Indices;
///
/// let of_ten = |indices: Indices| -> Vec<u64> {
///     let strides = indices.of(10).unwrap();
///     strides.iter().flat_map(|stride| stride.iter()).collect()
/// };
/// assert_eq!(of_ten("0, 7.., last".parse()?), [0, 7, 8, 9, 9]);
/// assert_eq!(of_ten(Indices::log(4)), [0, 1, 3, 9]);
/// assert_eq!(of_ten([0, -1].into()), [0, 9]);
/// assert!(Indices::from(3..11).of(10).is_err());
/// # Ok::<(), selvedge_base::NoIndices>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indices(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// A negative number counts from the end.
    One(i64),
    Range {
        start: i64,
        /// `None` for the end of the axis.
        end: Option<i64>,
        every: u64,
    },
    /// So many, from the first to the last, each about so many times as far as the one before.
    Log(u64),
}

/// A text that names no indices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected indices such as 7, -1, last, 0..100, 0..6000:10 or log:50, or some of them with commas, found {}{}",
    if found.is_empty() { "nothing".to_owned() } else { format!("`{found}`") },
    if *is_ambiguous {
        ", whose comma can be one between indices, which have a space after it, or one within a number, which is \
         written without it"
    } else if found.contains("..") && found.contains("last") {
        ": `last` stands alone, in a range the last one is -1, and its end is no part of it, so that -3.. are the last three"
    } else {
        ""
    }
)]
pub struct NoIndices {
    /// The part of the text that names none.
    pub found: String,
    /// Whether it names different ones, as its commas are taken: `0..5,100`.
    pub is_ambiguous: bool,
}

/// Indices that an axis does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("asked for {asked} of {}{}", Grouped(*length), if *is_backward { ", a range that ends before it begins" } else { "" })]
pub struct OutsideAxis {
    /// What was asked for.
    pub asked: String,
    /// The length of the axis.
    pub length: u64,
    /// Whether it is a range that ends before it begins.
    pub is_backward: bool,
}

impl Indices {
    /// All of an axis.
    #[must_use]
    pub fn all() -> Self {
        Self::from(..)
    }

    /// `count` of them, or as many as there are, from the first to the last, spaced by a common ratio as
    /// far as whole numbers allow: dense at the beginning, where most changes.
    #[must_use]
    pub fn log(count: u64) -> Self {
        Self(vec![Piece::Log(count)])
    }

    /// Whether they are all of any axis, in their order.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::all()
    }

    /// Those of an axis of `length` elements.
    ///
    /// # Errors
    ///
    /// [`OutsideAxis`] where the axis does not have all of them, or a range ends before it begins.
    pub fn of(&self, length: u64) -> Result<Vec<Stride>, OutsideAxis> {
        let mut strides = Vec::new();
        for piece in &self.0 {
            let outside = || OutsideAxis {
                asked: piece.to_string(),
                length,
                is_backward: false,
            };
            match *piece {
                Piece::One(index) => {
                    let index = from_start(index, length).filter(|&index| index < length);
                    push(&mut strides, index.ok_or_else(outside)?);
                }
                Piece::Range { start, end, every } => {
                    let start = from_start(start, length).ok_or_else(outside)?;
                    let end = end.map_or(Some(length), |end| from_start(end, length));
                    let end = end.ok_or_else(outside)?;
                    if end < start || end > length {
                        let is_backward = end < start;
                        return Err(OutsideAxis {
                            is_backward,
                            ..outside()
                        });
                    }
                    let all = Stride::of(start..end);
                    strides.extend(Stride::every(&[all], every));
                }
                Piece::Log(count) => {
                    for index in log_spaced(length, count) {
                        push(&mut strides, index);
                    }
                }
            }
        }
        Ok(strides)
    }
}

impl Default for Indices {
    fn default() -> Self {
        Self::all()
    }
}

/// An index counted from the start; `None` before it.
fn from_start(index: i64, length: u64) -> Option<u64> {
    match u64::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => length.checked_sub(index.unsigned_abs()),
    }
}

/// Adds an index, to the last stride where it goes on with it.
fn push(strides: &mut Vec<Stride>, index: u64) {
    match strides.last_mut() {
        Some(last) if last.count == 1 && index > last.first => {
            (last.count, last.stride) = (2, index - last.first);
        }
        Some(last) if last.count > 1 && index == last.at(last.count) => last.count += 1,
        _ => strides.push(Stride::of(index..index + 1)),
    }
}

/// `count` of `length` indices, or as many as there are: the first, the last, and between them each as many
/// times as far as the one before, counted from 1, as it takes to get there with those that are left.
fn log_spaced(length: u64, count: u64) -> Vec<u64> {
    let count = count.min(length);
    let Some(between) = count.checked_sub(1) else {
        return Vec::new();
    };
    let mut position = 1;
    let mut indices = vec![0];
    for left in (1..=between).rev() {
        let ratio = (length as f64 / position as f64).powf(1.0 / left as f64);
        let next = (position as f64 * ratio).round();
        // Below 2^53 this is exact, and no axis of a file is as long.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and `length`"
        )]
        let next = next as u64;
        position = match left {
            1 => length,
            _ => next.max(position + 1),
        };
        indices.push(position - 1);
    }
    indices
}

impl fmt::Display for Indices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.pad(&pieces.join(", "))
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(index) => write!(f, "{index}"),
            Self::Range { start, end, every } => {
                write!(f, "{start}..")?;
                if let Some(end) = end {
                    write!(f, "{end}")?;
                }
                match every {
                    1 => Ok(()),
                    _ => write!(f, ":{every}"),
                }
            }
            Self::Log(count) => write!(f, "log:{count}"),
        }
    }
}

impl FromStr for Indices {
    type Err = NoIndices;

    fn from_str(text: &str) -> Result<Self, NoIndices> {
        let pieces = text.split(',').map(|piece| {
            Piece::parse(piece.trim(), index).ok_or_else(|| NoIndices {
                found: piece.trim().to_owned(),
                is_ambiguous: false,
            })
        });
        let pieces = pieces.collect::<Result<_, _>>().map(Self);
        // Commas may be within numbers, as counts are printed, if that is all that they can be: `0..6,001`.
        let is_list = |whole: &Piece| matches!(whole, Piece::One(_));
        match (Piece::parse(text.trim(), grouped), pieces) {
            (Some(whole), pieces) if text.contains(',') => match pieces {
                Ok(pieces) if is_list(&whole) => Ok(pieces),
                Err(_) if !is_list(&whole) => Ok(Self(vec![whole])),
                _ => Err(NoIndices {
                    found: text.to_owned(),
                    is_ambiguous: true,
                }),
            },
            (Some(whole), Err(_)) if !is_list(&whole) => Ok(Self(vec![whole])),
            (_, pieces) => pieces,
        }
    }
}

impl Piece {
    fn range(start: u64, end: Option<u64>, every: u64) -> Self {
        // What is beyond `i64` is beyond every axis, too.
        let signed = |index| i64::try_from(index).unwrap_or(i64::MAX);
        Self::Range {
            start: signed(start),
            end: end.map(signed),
            every,
        }
    }

    /// Reads one of them, with the numbers as `index` takes them.
    fn parse(text: &str, index: fn(&str) -> Option<i64>) -> Option<Self> {
        let positive = |text: &str| {
            let number = index(text).and_then(|number| u64::try_from(number).ok());
            number.filter(|&number| number > 0)
        };
        if let Some(count) = text.strip_prefix("log:") {
            return positive(count).map(Self::Log);
        }
        let Some((start, rest)) = text.split_once("..") else {
            return match text {
                "last" => Some(Self::One(-1)),
                _ => index(text).map(Self::One),
            };
        };
        let (end, every) = rest.split_once(':').unwrap_or((rest, "1"));
        Some(Self::Range {
            start: match start {
                "" => 0,
                start => index(start)?,
            },
            end: match end {
                "" => None,
                end => Some(index(end)?),
            },
            every: positive(every)?,
        })
    }
}

/// A whole number, negative or not. With zeros before it, it is the rest of one that a comma has cut: `6,001`.
fn index(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_cut = digits.len() > 1 && digits.starts_with('0');
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit());
    (is_number && !is_cut)
        .then(|| text.replace('_', "").parse().ok())
        .flatten()
}

/// The same as counts are printed, or as Python groups the digits: `6,001`.
fn grouped(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let number = i64::try_from(parse_grouped(digits)?).unwrap_or(i64::MAX);
    Some(if digits == text { number } else { -number })
}

impl From<i64> for Indices {
    fn from(index: i64) -> Self {
        Self(vec![Piece::One(index)])
    }
}

impl From<Range<u64>> for Indices {
    fn from(range: Range<u64>) -> Self {
        Self(vec![Piece::range(range.start, Some(range.end), 1)])
    }
}

impl From<RangeFrom<u64>> for Indices {
    fn from(range: RangeFrom<u64>) -> Self {
        Self(vec![Piece::range(range.start, None, 1)])
    }
}

impl From<RangeTo<u64>> for Indices {
    fn from(range: RangeTo<u64>) -> Self {
        Self::from(0..range.end)
    }
}

impl From<RangeInclusive<u64>> for Indices {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self::from(*range.start()..range.end().saturating_add(1))
    }
}

impl From<RangeFull> for Indices {
    fn from(_: RangeFull) -> Self {
        Self::from(0..)
    }
}

impl From<&[Stride]> for Indices {
    fn from(strides: &[Stride]) -> Self {
        let range = |stride: &Stride| {
            let last = stride.at(stride.count.saturating_sub(1));
            let end = last + u64::from(stride.count > 0);
            Piece::range(stride.first, Some(end), stride.stride)
        };
        Self(strides.iter().map(range).collect())
    }
}

impl From<&[i64]> for Indices {
    fn from(indices: &[i64]) -> Self {
        Self(indices.iter().copied().map(Piece::One).collect())
    }
}

impl From<Vec<i64>> for Indices {
    fn from(indices: Vec<i64>) -> Self {
        indices.as_slice().into()
    }
}

impl<const N: usize> From<[i64; N]> for Indices {
    fn from(indices: [i64; N]) -> Self {
        indices.as_slice().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Indices, Stride, log_spaced};

    fn all(strides: &[Stride]) -> Vec<u64> {
        strides.iter().flat_map(Stride::iter).collect()
    }

    fn of(text: &str, length: u64) -> Result<Vec<u64>, String> {
        let indices: Indices = text.parse().map_err(|error| format!("{error}"))?;
        let strides = indices.of(length).map_err(|error| error.to_string())?;
        Ok(all(&strides))
    }

    #[test]
    fn texts_name_indices() {
        for (text, expected) in [
            ("3", &[3][..]),
            ("-1", &[9]),
            ("last", &[9]),
            ("0, 3,last", &[0, 3, 9]),
            ("7..", &[7, 8, 9]),
            ("..2", &[0, 1]),
            ("-2..", &[8, 9]),
            ("1..-6", &[1, 2, 3]),
            ("0..10:4", &[0, 4, 8]),
            ("..:5", &[0, 5]),
            ("0..0_2", &[0, 1]),
            ("4..4", &[]),
        ] {
            assert_eq!(of(text, 10).as_deref(), Ok(expected), "{text}");
        }
        assert!(of("1, ", 10).unwrap_err().ends_with("found nothing"));
        assert_eq!(of("0..6,001", 6001).map(|all| all.len()), Ok(6001));
        for text in [
            "", "a", "1,", "0:3", "..last", "log:0", "log:", "1..3:0", "--1", "1.5", "log:-3",
        ] {
            assert!(
                of(text, 10).unwrap_err().contains("such as 7, -1, last"),
                "{text}"
            );
        }
        assert_eq!(of("5..7, 100", 101), Ok(vec![5, 6, 100]));
        let grouped = |text| of(text, 6001).map(|all| (all.len(), all[0], all[all.len() - 1]));
        for (text, expected) in [
            ("-1,000..", (1000, 5001, 6000)),
            ("1,000..", (5001, 1000, 6000)),
            ("0..6,001:1,000", (7, 0, 6000)),
            ("log:1,000", (1000, 0, 6000)),
        ] {
            assert_eq!(grouped(text), Ok(expected), "{text}");
        }
        for text in [
            "5..7,100",
            "0..1,100",
            "1,100..1,200",
            "1..2,100,200",
            "log:5,100",
            "1,100..",
            "6,001",
        ] {
            let refused = of(text, 10_000).unwrap_err();
            assert!(refused.contains("a space after it"), "{text}: {refused}");
        }
        let asked = ["10", "-11", "3..11", "-11.."];
        for (text, asked) in ["10", "-11", "3..11", "0,-11.."].into_iter().zip(asked) {
            assert_eq!(
                of(text, 10).unwrap_err(),
                format!("asked for {asked} of 10")
            );
        }
        for text in ["5..3", "-2..-5", "-2..3", "12..11"] {
            assert_eq!(
                of(text, 10).unwrap_err(),
                format!("asked for {text} of 10, a range that ends before it begins")
            );
        }
        assert_eq!(of("..", 0), Ok(vec![]));
        let range = |indices: Indices| all(&indices.of(10).unwrap());
        assert_eq!(range((..2).into()), [0, 1]);
        assert_eq!(range((8..).into()), [8, 9]);
        assert_eq!(range((3..=4).into()), [3, 4]);
        assert!(of("last", 0).is_err());
    }

    #[test]
    fn log_spaced_indices_are_as_many_as_asked_for_and_ever_farther_apart() {
        let found = log_spaced(6001, 50);
        assert_eq!((found.len(), found[0], found[49]), (50, 0, 6000));
        assert_eq!(found[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14]);
    }

    proptest! {
        #[test]
        fn log_spaced_indices_rise(length in 0_u64..3000, count in 0_u64..200) {
            let found = log_spaced(length, count);
            prop_assert_eq!(found.len() as u64, count.min(length));
            prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
            let ends = (found.first().copied(), found.last().copied());
            if found.len() > 1 {
                prop_assert_eq!(ends, (Some(0), Some(length - 1)));
            }
        }

        /// Against lists.
        #[test]
        fn strides_are_what_their_lists_are(
            indices in prop::collection::vec(0_i64..40, 0..12),
            n in 1_u64..5, nth in 0_u64..14, count in 0_u64..14,
        ) {
            let strides = Indices::from(indices.clone()).of(40).unwrap();
            let list: Vec<u64> = indices.iter().map(|index| index.unsigned_abs()).collect();
            prop_assert_eq!(&all(&strides), &list);
            prop_assert_eq!(Stride::total(&strides), list.len() as u64);
            let every = Stride::every(&strides, n);
            let expected: Vec<u64> = list.iter().copied().step_by(usize::try_from(n).unwrap()).collect();
            prop_assert_eq!(all(&every), expected);
            let part = Stride::parts(&strides, nth, count);
            let skip = usize::try_from(nth).unwrap();
            let expected = list.iter().copied().skip(skip);
            let expected: Vec<u64> = expected.take(usize::try_from(count).unwrap()).collect();
            prop_assert_eq!(all(&part), expected);
            // And back again.
            let again = Indices::from(&every[..]).of(40).unwrap();
            prop_assert_eq!(all(&again), all(&every));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-0-9.,:log_ ]{0,12}", length in 0_u64..20) {
            let _ = of(&text, length);
        }
    }
}
