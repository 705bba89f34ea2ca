//! What is looked at of a tensor, when somebody wants to see it: a step as a picture, and a row over all steps.
//!
//! Neither reads more than some MB, whatever the size of the tensor: of a large step some rows are read, which is
//! said.

use std::convert::Infallible;
use std::ops::Range;

use selvedge_base::units::Bytes;
use selvedge_base::{Stride, pool};
use selvedge_bf16::bf16;
use serde::Serialize;

use crate::element::{Element, element_bytes, for_dtype};
use crate::readable::{damaged, named, pieces, total, without};
use crate::spread::{self, Counter, Spread};
use crate::values::{Read, Tensor};

/// Bytes that are read for one picture.
const MOST_BYTES: u64 = 32 << 20;
/// Bytes that are read where that is not all of a step, of the step and of the one before it together.
const MOST_SAMPLED: u64 = 16 << 20;
/// Bytes that are unpacked for it.
const MOST_UNPACKED: u64 = 256 << 20;
/// Rows of a picture, and columns.
const SIDE: u64 = 1000;
/// Values that are counted, of a step that has more.
const MOST_COUNTED: u64 = 1 << 19;
/// Bars of a histogram.
const BARS: usize = 80;

/// A picture of values: rows × columns, in cells that stand for one value or more.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Slice {
    /// Rows and columns of what is shown.
    pub rows: u64,
    #[allow(missing_docs)]
    pub columns: u64,
    /// How many steps a line of a row over the steps is of; the first of each is a multiple of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<u64>,
    /// The first row of each line of cells, and the first column of each cell of a line.
    pub first_rows: Vec<u64>,
    #[allow(missing_docs)]
    pub first_columns: Vec<u64>,
    /// Whether it is a list of so many values, broken into lines.
    pub list: Option<u64>,
    /// Whether there are rows or columns that were not read.
    pub is_sampled: bool,
    /// The rows of a step, or of a row the steps, that cannot be read: the first and the last of each range.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<[u64; 2]>,
    /// Which these are, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partly: Option<String>,
    /// Values that are NaN, and those that are an infinity, of those that were read.
    pub nan: u64,
    #[allow(missing_docs)]
    pub infinite: u64,
    /// The magnitude that 99.5 % of the cells do not exceed.
    pub usual: f64,
    /// Where the values lie; as if it were one step.
    pub spread: Spread,
    /// How many values there are in each of some equal parts from the least value to the greatest.
    pub bars: Vec<u64>,
    /// Bytes that were read.
    pub bytes: u64,
    /// Line by line: the value of the largest magnitude of each cell. NaN where one of its values is NaN.
    #[serde(skip)]
    pub cells: Vec<bf16>,
}

/// What is shown of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Its values.
    Values,
    /// What they changed by from the step before.
    Change,
}

/// Which values are read, as lines of a picture.
struct Lines {
    /// Elements of a row of the tensor's own.
    width: u64,
    /// Rows of the tensor's own for a line.
    each: u64,
    /// The first row of each line.
    first: Vec<u64>,
    /// Rows and columns of the whole.
    shape: (u64, u64),
    list: Option<u64>,
    is_sampled: bool,
    /// The rows that cannot be read, and why.
    unread: Vec<Range<u64>>,
    why: Option<String>,
}

impl Lines {
    /// The lines of a step of this shape, of which so many are read; a list of values is broken into lines.
    ///
    /// # Errors
    ///
    /// That a row alone is too large.
    fn of(shape: &[u64], element: u64, steps: u64) -> Result<Self, String> {
        let (rows, width) = match shape {
            [] => (1, 1),
            [rows, rest @ ..] => (
                *rows,
                rest.iter()
                    .fold(1, |all: u64, axis| all.saturating_mul(*axis)),
            ),
        };
        let all = rows.saturating_mul(width);
        let is_list = width == 1 && rows > SIDE / 4;
        let side = all.isqrt().max(1).next_power_of_two();
        // Rows of one value are put beside each other.
        let (each, shape) = match is_list {
            true => (side, (rows.div_ceil(side), side)),
            false => (1, (rows, width)),
        };
        let list = is_list.then_some(rows);
        let bytes = all.saturating_mul(element);
        if bytes <= MOST_BYTES {
            let first = (0..shape.0).map(|line| line * each).collect();
            return Ok(Self {
                width,
                each,
                first,
                shape,
                list,
                is_sampled: false,
                unread: Vec::new(),
                why: None,
            });
        }
        let each = each.min(SIDE);
        let line = each.saturating_mul(width).saturating_mul(element);
        if line > MOST_BYTES {
            let (line, most) = (Bytes(line), Bytes(MOST_BYTES));
            return Err(format!(
                "a row of a step takes {line}, and {most} at most are read for a picture"
            ));
        }
        let count = (MOST_SAMPLED / steps.max(1) / line.max(1))
            .clamp(1, SIDE)
            .min(rows / each.max(1))
            .max(1);
        let far =
            |nth: u64| u128::from(nth) * u128::from(rows - each) / u128::from((count - 1).max(1));
        let first = (0..count).map(|nth| u64::try_from(far(nth)).unwrap_or(0));
        let shape = if is_list { (count, each) } else { shape };
        Ok(Self {
            width,
            each,
            first: first.collect(),
            shape,
            list,
            is_sampled: true,
            unread: Vec::new(),
            why: None,
        })
    }

    /// Elements of a line.
    fn len(&self) -> u64 {
        self.each.saturating_mul(self.width)
    }

    /// The rows of a line that begins with this one, of a step of so many rows.
    fn rows_of(&self, first: u64, rows: u64) -> Range<u64> {
        first..(first + self.each).min(rows)
    }

    /// The rows that are read of a step of so many; those beside each other are one range.
    fn asked(&self, rows: u64) -> Vec<Range<u64>> {
        let mut asked: Vec<Range<u64>> = Vec::new();
        for line in self.first.iter().map(|&first| self.rows_of(first, rows)) {
            match asked.last_mut() {
                Some(last) if last.end == line.start => last.end = line.end,
                _ => asked.push(line),
            }
        }
        asked
    }

    /// Reads the lines of some steps. Where that fails, those that can be read of all of these steps are.
    ///
    /// # Errors
    ///
    /// Why none can be read.
    fn read(
        &mut self,
        tensor: &Tensor<'_>,
        values: &Read<'_>,
        steps: &[u64],
    ) -> Result<Vec<Vec<u8>>, String> {
        let rows = tensor.rows();
        let read = |lines: &Self| {
            let asked: Vec<Stride> = lines.asked(rows).into_iter().map(Stride::of).collect();
            let step = |&step: &u64| {
                let (mut bytes, mut part) = (Vec::new(), Vec::new());
                if lines.why.is_none() {
                    let asked = lines.is_sampled.then_some(&asked[..]);
                    return values(step..step + 1, asked, &mut bytes).map(|()| bytes);
                }
                // What is read at once may have to do with the rows between them.
                for rows in &asked {
                    values(step..step + 1, Some(std::slice::from_ref(rows)), &mut part)?;
                    bytes.extend_from_slice(&part);
                }
                Ok(bytes)
            };
            steps.iter().map(step).collect::<Result<Vec<_>, String>>()
        };
        let why = match read(self) {
            Err(why) if self.first.len() > 1 => why,
            done => return done,
        };
        let lost = match self.is_sampled {
            // No other rows are read for it.
            true => {
                let mut bytes = Vec::new();
                let mut is_lost = |rows: &Range<u64>| {
                    let asked = [Stride::of(rows.clone())];
                    let mut read = |&step: &u64| values(step..step + 1, Some(&asked), &mut bytes);
                    steps.iter().any(|step| read(step).is_err())
                };
                let lines = self.first.iter().map(|&first| self.rows_of(first, rows));
                lines.filter(|rows| is_lost(rows)).collect()
            }
            false => {
                let steps: Vec<_> = steps.iter().map(|&step| step..step + 1).collect();
                let damaged = damaged(tensor, &steps, None).into_iter();
                damaged.map(|(_, rows)| rows).collect()
            }
        };
        let left = without(std::slice::from_ref(&(0..rows)), lost);
        self.unread = without(std::slice::from_ref(&(0..rows)), left.clone());
        let is_left = |first: u64| {
            let line = self.rows_of(first, rows);
            let of = left.partition_point(|left| left.end < line.end);
            left.get(of).is_some_and(|left| left.start <= line.start)
        };
        self.first = self
            .first
            .iter()
            .copied()
            .filter(|&first| is_left(first))
            .collect();
        self.why = Some(why.clone());
        match self.first.is_empty() {
            true => Err(why),
            false => read(self),
        }
    }
}

impl Slice {
    /// A step of a tensor; of a constant it is the step 0.
    ///
    /// # Errors
    ///
    /// Why it cannot be read.
    pub fn step(tensor: &Tensor<'_>, step: u64, shown: Shown) -> Result<Self, String> {
        let values = tensor.values.as_ref().map_err(Clone::clone)?;
        if step >= tensor.steps() {
            return Err(format!(
                "there is no step {step}: it has {} of them",
                tensor.steps()
            ));
        }
        let before = match shown {
            Shown::Change if step == 0 => return Err("there is no step before step 0".to_owned()),
            Shown::Change => Some(step - 1),
            Shown::Values => None,
        };
        let element = element_bytes(&tensor.dtype).ok_or_else(|| not_shown(tensor))?;
        let steps = 1 + u64::from(before.is_some());
        let mut lines = Lines::of(tensor.step_shape(), element, steps)?;
        let wanted: Vec<u64> = [step].into_iter().chain(before).collect();
        let mut read = lines.read(tensor, values, &wanted)?.into_iter();
        let (now, before) = (read.next().unwrap_or_default(), read.next());
        let bytes = now.len() + before.as_ref().map_or(0, Vec::len);
        let wide = lines.len();
        let mut slice = for_dtype!(tensor.dtype.as_str(), E => match before {
            None => Self::of_values::<E>(&now, wide, firsts),
            Some(before) => Self::of_values::<f32>(&changes::<E>(&before, &now), wide, firsts),
        }, return Err(not_shown(tensor)));
        (slice.rows, slice.columns) = lines.shape;
        (slice.list, slice.is_sampled) = (lines.list, lines.is_sampled);
        slice.bytes = bytes as u64;
        slice.first_rows = slice
            .first_rows
            .iter()
            .map(|&line| lines.first[index(line)])
            .collect();
        slice.tell_unread("rows", &lines.unread, lines.why);
        Ok(slice)
    }

    /// A row of each of the steps from the step `from` on, or of some of them, as lines of a picture; `rows` of it are
    /// all steps that there are.
    ///
    /// # Errors
    ///
    /// Why it cannot be read.
    pub fn row(tensor: &Tensor<'_>, row: u64, from: u64) -> Result<Self, String> {
        let values = tensor.values.as_ref().map_err(Clone::clone)?;
        let [rows, rest @ ..] = tensor.step_shape() else {
            return Err("a step is a single value, without rows".to_owned());
        };
        if row >= *rows {
            return Err(format!("there is no row {row}: it has {rows} of them"));
        }
        let element = element_bytes(&tensor.dtype).ok_or_else(|| not_shown(tensor))?;
        let wide = rest
            .iter()
            .fold(1, |all: u64, axis| all.saturating_mul(*axis));
        let line = wide.saturating_mul(element);
        if line > MOST_BYTES {
            let (line, most) = (Bytes(line), Bytes(MOST_BYTES));
            return Err(format!(
                "a row of a step takes {line}, and {most} at most are read for a picture"
            ));
        }
        let steps = tensor.steps();
        let from = from.min(steps);
        let new = steps - from;
        let most = (MOST_BYTES / line.max(1)).min(unpacked_steps(tensor, element, new));
        let count = most.clamp(2, SIDE);
        let far = |nth: u64| from + nth * (new - 1) / (count - 1);
        let wanted: Vec<Range<u64>> = match new <= most {
            // A constant has its values whatever the steps.
            true => Vec::from_iter((new > 0).then_some(from..steps)),
            false => (0..count).map(|nth| far(nth)..far(nth) + 1).collect(),
        };
        let chunk = tensor.chunk.as_ref().filter(|_| tensor.is_packed);
        let together = chunk.and_then(|chunk| chunk.first().copied()).unwrap_or(1);
        let asked = [Stride::of(row..row + 1)];
        let (mut bytes, mut taken, mut one) = (Vec::new(), Vec::new(), Vec::new());
        let (mut unread, mut why) = (Vec::new(), None);
        let mut take = |steps: Range<u64>| {
            let read = values(steps.clone(), Some(&asked), &mut one);
            read.map(|()| {
                bytes.extend_from_slice(&one);
                taken.extend(steps);
            })
        };
        for steps in &wanted {
            let Err(error) = take(steps.clone()) else {
                continue;
            };
            why.get_or_insert(error);
            unread.extend(pieces(steps, together).filter(|steps| take(steps.clone()).is_err()));
        }
        if let (Some(why), true) = (&why, taken.is_empty()) {
            return Err(String::clone(why));
        }
        // Steps of which the same ones make a line, however many have come since.
        let each = steps.div_ceil(SIDE).max(1).next_power_of_two();
        let lines = |high: usize| {
            let is_first =
                |&line: &usize| line == 0 || taken[line] / each != taken[line - 1] / each;
            (0..high).filter(is_first).map(|line| line as u64).collect()
        };
        let mut slice = for_dtype!(tensor.dtype.as_str(), E => Self::of_values::<E>(&bytes, wide, lines),
            return Err(not_shown(tensor)));
        (slice.rows, slice.columns, slice.each) = (steps, wide, Some(each));
        slice.is_sampled = total(&wanted) < new;
        slice.first_rows = slice
            .first_rows
            .iter()
            .map(|&line| taken[index(line)])
            .collect();
        // Those beside each other are one range.
        let all = 0..steps;
        let left = without(std::slice::from_ref(&all), unread);
        slice.tell_unread("steps", &without(std::slice::from_ref(&all), left), why);
        Ok(slice)
    }

    /// Says what is not there, since it cannot be read.
    fn tell_unread(&mut self, what: &str, unread: &[Range<u64>], why: Option<String>) {
        self.unread = unread
            .iter()
            .map(|range| [range.start, range.end - 1])
            .collect();
        self.partly = why.map(|why| format!("{what} {} cannot be read: {why}", named(unread)));
    }

    /// A picture of these values, `wide` of which are a row; of so many rows those `first` that begin a line.
    fn of_values<T: Element>(
        bytes: &[u8],
        wide: u64,
        first: impl FnOnce(usize) -> Vec<u64>,
    ) -> Self {
        let raw = T::raw(bytes);
        let width = index(wide).max(1);
        let high = raw.len().div_ceil(width);
        let (lines, columns) = (first(high), firsts(width));
        let ends = |firsts: &[u64], all: usize| -> Vec<usize> {
            firsts
                .iter()
                .map(|&first| index(first))
                .chain([all])
                .collect()
        };
        let (line_ends, column_ends) = (ends(&lines, high), ends(&columns, width));
        let mut cells = vec![bf16::ZERO; lines.len() * columns.len()];
        let mut counts = vec![[0; 2]; lines.len()];
        let work = |((line, cells), count): ((usize, &mut [bf16]), &mut [u64; 2])| {
            let of = &raw[line_ends[line] * width..(line_ends[line + 1] * width).min(raw.len())];
            *count = not_finite::<T>(of);
            let mut farthest = vec![T::Raw::default(); columns.len()];
            for row in of.chunks(width) {
                for (far, of) in farthest.iter_mut().zip(column_ends.windows(2)) {
                    let of = &row[of[0].min(row.len())..of[1].min(row.len())];
                    *far = of.iter().fold(*far, |far, &raw| farther::<T>(far, raw));
                }
            }
            for (cell, far) in cells.iter_mut().zip(farthest) {
                *cell = shade::<T>(far);
            }
            Ok::<_, Infallible>(())
        };
        let tasks = cells.chunks_mut(columns.len().max(1)).enumerate();
        let tasks = tasks.zip(&mut counts);
        let Ok(()) = pool::each(pool::threads_for(raw.len() >> 16, usize::MAX), tasks, work);
        let [nan, infinite] = counts.iter().fold([0; 2], |[nan, infinite], count| {
            [nan + count[0], infinite + count[1]]
        });
        // Some values of each part, so that a pattern of the rows does not decide which.
        let every = raw.len().div_ceil(index(MOST_COUNTED)).max(1) | 1;
        let counted: Vec<T::Raw> = raw.iter().copied().step_by(every).collect();
        let mut counter = Counter::new::<T>(counted.len() as u64);
        counter.add::<T>(&counted);
        let spread = Spread::new(
            &[(0, counter.finish::<T>())],
            spread::every::<T>(counted.len() as u64) * every as u64,
        );
        Self {
            bars: bars::<T>(&counted, &spread),
            usual: usual(&cells),
            bytes: bytes.len() as u64,
            first_rows: lines,
            first_columns: columns,
            cells,
            nan,
            infinite,
            spread,
            ..Self::default()
        }
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn not_shown(tensor: &Tensor<'_>) -> String {
    format!(
        "it holds {}, which has no numbers that are shown",
        tensor.dtype
    )
}

/// Steps of which a row may be read, of so many new ones, where chunks are unpacked as a whole.
fn unpacked_steps(tensor: &Tensor<'_>, element: u64, new: u64) -> u64 {
    match &tensor.chunk {
        Some(chunk) if tensor.is_packed => {
            let bytes = chunk
                .iter()
                .fold(element, |all, axis| all.saturating_mul(*axis));
            let steps = chunk.first().copied().unwrap_or(1).max(1);
            let chunks = (MOST_UNPACKED / bytes.max(1)).max(2);
            match chunks.saturating_mul(steps) >= new {
                true => u64::MAX,
                false => chunks,
            }
        }
        _ => u64::MAX,
    }
}

/// Where each of [`SIDE`] parts at most of an axis begins.
fn firsts(length: usize) -> Vec<u64> {
    let count = length.min(index(SIDE));
    (0..count)
        .map(|nth| (nth * length / count) as u64)
        .collect()
}

/// Where differences go, and the values that they are of, before and now.
type Piece<'a, R> = (&'a mut [u8], (&'a [R], &'a [R]));

/// The differences of values, as the bytes of float32.
#[allow(
    clippy::cast_possible_truncation,
    reason = "rounded: they become colours"
)]
fn changes<T: Element>(before: &[u8], now: &[u8]) -> Vec<u8> {
    /// Values that a thread takes at a time.
    const PIECE: usize = 1 << 16;
    let (before, now) = (T::raw(before), T::raw(now));
    let mut differences = vec![0; now.len() * 4];
    let work = |(difference, (before, now)): Piece<'_, T::Raw>| {
        let (to, _) = difference.as_chunks_mut::<4>();
        for ((to, &before), &now) in to.iter_mut().zip(before).zip(now) {
            *to = ((wide::<T>(now) - wide::<T>(before)) as f32).to_le_bytes();
        }
        Ok::<_, Infallible>(())
    };
    let pieces = before.chunks(PIECE).zip(now.chunks(PIECE));
    let tasks = differences.chunks_mut(4 * PIECE).zip(pieces);
    let Ok(()) = pool::each(pool::threads_for(now.len() >> 16, usize::MAX), tasks, work);
    differences
}

/// A value, of whatever kind, as a double.
#[inline(always)]
fn wide<T: Element>(raw: T::Raw) -> f64 {
    match (T::is_finite(raw), T::is_nan(raw)) {
        (true, _) => T::value(raw),
        (_, true) => f64::NAN,
        _ => f64::INFINITY * T::place(raw).signum() as f64,
    }
}

/// The one that is farther from zero, or NaN.
#[inline(always)]
fn farther<T: Element>(one: T::Raw, other: T::Raw) -> T::Raw {
    if T::size(other) > T::size(one) {
        other
    } else {
        one
    }
}

/// A value as a colour; what is finite does not become an infinity.
fn shade<T: Element>(raw: T::Raw) -> bf16 {
    let value = wide::<T>(raw);
    let shade = bf16::from_f64(value);
    match shade.is_infinite() && value.is_finite() {
        true if value < 0.0 => bf16::MIN,
        true => bf16::MAX,
        false => shade,
    }
}

fn not_finite<T: Element>(raw: &[T::Raw]) -> [u64; 2] {
    raw.iter().fold([0; 2], |[nan, infinite], &raw| {
        let is_nan = T::is_nan(raw);
        [
            nan + u64::from(is_nan),
            infinite + u64::from(!is_nan && !T::is_finite(raw)),
        ]
    })
}

fn bars<T: Element>(values: &[T::Raw], spread: &Spread) -> Vec<u64> {
    let end =
        |quantiles: Option<&crate::Doubles>| quantiles.and_then(|ends| ends.0.first().copied());
    let ends = end(spread.quantiles.first()).zip(end(spread.quantiles.last()));
    let Some((least, greatest)) = ends.filter(|(least, greatest)| least < greatest) else {
        return Vec::new();
    };
    let mut bars = vec![0; BARS];
    for &raw in values.iter().filter(|raw| T::is_finite(**raw)) {
        let share = (T::value(raw) - least) / (greatest - least);
        // It is from 0 to 1.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let bar = (share * BARS as f64) as usize;
        bars[bar.min(BARS - 1)] += 1;
    }
    bars
}

/// The magnitude that 99.5 % of the cells do not exceed.
fn usual(cells: &[bf16]) -> f64 {
    let mut counts = vec![0_usize; 1 << 15];
    for cell in cells {
        counts[usize::from(cell.to_bits() & 0x7FFF)] += 1;
    }
    counts.truncate(usize::from(bf16::INFINITY.to_bits()));
    let last = counts.iter().sum::<usize>().saturating_sub(1) * 995 / 1000;
    let mut left = last + 1;
    let usual = counts.iter().position(|&count| {
        let is_here = count >= left;
        left = left.saturating_sub(count);
        is_here
    });
    usual.map_or(0.0, |bits| {
        bf16::from_bits(u16::try_from(bits).unwrap_or(0)).to_f64()
    })
}
