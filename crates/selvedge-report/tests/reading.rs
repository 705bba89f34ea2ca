//! What a report reads, and what it takes to.

use std::sync::Mutex;

use selvedge_report::{
    File, Kind, Measurements, Page, Sample, Shown, Slice, Stride, Tensor, TensorReport, Vocabulary,
    growing, measure,
};
use selvedge_testing::{again, is_child, peak, tell, told};

const ROWS: u64 = 4096;
const COLUMNS: u64 = 128;
const ROW_BYTES: u64 = COLUMNS * 2;

/// The bits of a bfloat16 that is neither NaN nor infinite, without a pattern.
fn bits(step: u64, row: u64, column: u64) -> u16 {
    let moved = if row.is_multiple_of(3) { 0 } else { step };
    let mut hash = (row << 20) ^ (column << 40) ^ moved.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash = (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = u16::try_from(hash >> 48).expect("16 bits") & 0x83FF;
    0x3C00 | bits
}

/// A tensor of `steps` steps of 1 MiB in chunks of this shape, which is not there: its values are computed. What
/// is read of it goes to `seen`.
fn tensor<'a>(
    steps: u64,
    chunk: &[u64],
    seen: &'a Mutex<Vec<(std::ops::Range<u64>, std::ops::Range<u64>)>>,
) -> Tensor<'a> {
    Tensor {
        name: "W".to_owned(),
        dtype: "bfloat16".to_owned(),
        shape: vec![steps, ROWS, COLUMNS],
        has_steps: true,
        chunk: Some(chunk.to_vec()),
        is_packed: true,
        values: Ok(Box::new(move |steps, rows, bytes| {
            let rows = rows.map_or(0..ROWS, |rows| {
                rows[0].first..rows[0].first + Stride::total(rows)
            });
            seen.lock().unwrap().push((steps.clone(), rows.clone()));
            bytes.clear();
            for step in steps {
                for row in rows.clone() {
                    let values = (0..COLUMNS).map(|column| bits(step, row, column));
                    bytes.extend(values.flat_map(u16::to_le_bytes));
                }
            }
            Ok(())
        })),
    }
}

fn measured(steps: u64, chunk: &[u64], sample: &Sample) -> (Measurements, u64) {
    let seen = Mutex::new(Vec::new());
    let tensor = tensor(steps, chunk, &seen);
    let mut told = 0;
    let found = measure(&[tensor], sample, 1, &mut |name, bytes| {
        assert_eq!(name, "W");
        told += bytes;
    });
    let seen = seen.into_inner().unwrap();
    let len = |range: &std::ops::Range<u64>| range.end - range.start;
    let read: u64 = seen
        .iter()
        .map(|(steps, rows)| len(steps) * len(rows) * ROW_BYTES)
        .sum();
    assert_eq!(told, read, "what is told is what is read");
    // Every read is of whole chunks, so none is unpacked twice.
    for (steps, rows) in seen.iter().filter(|_| *sample == Sample::All) {
        assert!(
            steps.start.is_multiple_of(chunk[0]) && rows.start.is_multiple_of(chunk[1]),
            "{steps:?} {rows:?}"
        );
    }
    (found, read)
}

/// One damaged chunk cost a tensor all of its steps.
#[test]
fn steps_that_can_be_read_are_measured_without_those_that_cannot() {
    for (chunk, others) in [
        (&[4, ROWS, COLUMNS][..], "0..8, 13..24"),
        // Every chunk of some rows has all steps.
        (&[24, 512, COLUMNS], ""),
    ] {
        let seen = Mutex::new(Vec::new());
        let Tensor { values, .. } = tensor(24, chunk, &seen);
        let values = values.expect("values");
        let mut damaged = tensor(24, chunk, &seen);
        let first = 8 / chunk[0] * chunk[0];
        let end = first + chunk[0];
        damaged.values = Ok(Box::new(move |steps, rows, bytes| {
            match steps.start < end && first < steps.end {
                true => Err("its chunk is damaged".to_owned()),
                false => values(steps, rows, bytes),
            }
        }));
        let mut found = measure(
            std::slice::from_ref(&damaged),
            &Sample::All,
            1,
            &mut |_, _| {},
        );
        let report = &mut found.tensors[0];
        let followed = followed(&damaged);
        assert_eq!(
            (&followed.partly, &followed.unread),
            (&report.partly, &report.unread)
        );
        if others.is_empty() {
            assert!(report.is_missing && report.curves.is_none());
            continue;
        }
        // NaN, which is null there, is equal to itself.
        let same = |report: &TensorReport| {
            let of = (&report.at, &report.curves, report.measured);
            serde_json::to_string(&of).expect("JSON")
        };
        assert_eq!(same(&followed), same(report));
        assert_eq!(std::mem::take(&mut report.unread_steps), [[8, 12]]);
        let partly = report.partly.take().expect("what was not measured");
        assert!(
            partly.starts_with("5 of 24 steps were not measured (8 to 12)")
                && partly.ends_with("is damaged"),
            "{partly}"
        );
        assert!(!report.is_missing);
        let sample = Sample::Steps(others.parse().expect("indices"));
        let whole = measure(&[tensor(24, chunk, &seen)], &sample, 1, &mut |_, _| {});
        // There is no step before the first, so numbers are missing.
        let json = |report| serde_json::to_string(report).expect("JSON");
        assert_eq!(json(&*report), json(&whole.tensors[0]));
    }
}

/// What is measured of a tensor while it grows, some steps at a time.
fn followed(tensor: &Tensor<'_>) -> TensorReport {
    let mut found = growing(std::slice::from_ref(tensor), 1);
    let mut followed = found.remove(0).expect("there is room");
    for steps in [0..10, 10..11, 11..24] {
        followed.add(tensor, steps);
    }
    followed.report()
}

/// Rows 512 to 1,023 of all steps are in one chunk, which is damaged: the tensor was not there at all.
#[test]
fn rows_that_can_be_read_are_measured_without_those_that_cannot() {
    let seen = Mutex::new(Vec::new());
    let chunk = [24, 512, COLUMNS];
    let lost = 512..1024;
    let damaged = with_lost_rows(&chunk, lost.clone(), &seen);
    let found = measure(
        std::slice::from_ref(&damaged),
        &Sample::All,
        1,
        &mut |_, _| {},
    );
    let followed = followed(&damaged);
    for report in [&found.tensors[0], &followed] {
        let partly = report.partly.as_deref().expect("what was not measured");
        assert!(
            partly.starts_with(
                "512 of 4,096 rows were not measured (512 to 1,023), since they cannot"
            ),
            "{partly}"
        );
        assert_eq!((report.measured, report.unread_steps.len()), (24, 0));
        let rows = || (0..ROWS).filter(|row| !lost.contains(row));
        let norms = (0..24).map(|step| {
            let values =
                rows().flat_map(|row| (0..COLUMNS).map(move |column| bits(step, row, column)));
            let squares =
                values.map(|bits| f64::from(f32::from_bits(u32::from(bits) << 16)).powi(2));
            squares.sum::<f64>().sqrt()
        });
        let curves = report.curves.as_ref().expect("curves");
        let pairs = curves.norm.mean.0.iter().zip(norms);
        assert!(
            pairs
                .into_iter()
                .all(|(found, norm)| (found / norm - 1.0).abs() < 1e-12)
        );
        let heat = report.heat.as_ref().expect("rows");
        let still = rows().filter(|row| row.is_multiple_of(3)).count() as u64;
        assert_eq!((heat.rows, heat.still), (ROWS, still));
    }
}

/// The tensor of chunks of this shape, of which these rows cannot be read.
fn with_lost_rows<'a>(
    chunk: &[u64],
    lost: std::ops::Range<u64>,
    seen: &'a Mutex<Vec<(std::ops::Range<u64>, std::ops::Range<u64>)>>,
) -> Tensor<'a> {
    let Tensor { values, .. } = tensor(24, chunk, seen);
    let values = values.expect("values");
    let mut damaged = tensor(24, chunk, seen);
    damaged.values = Ok(Box::new(move |steps, rows, bytes| {
        let all = [Stride::of(0..ROWS)];
        let asked = rows.unwrap_or(&all);
        // What lies between rows that are read at once is read, too.
        let first = asked.iter().flat_map(Stride::iter).min().expect("a row");
        let last = asked.iter().flat_map(Stride::iter).max().expect("a row");
        match first < lost.end && lost.start <= last {
            true => Err("its chunk is damaged".to_owned()),
            false => {
                bytes.clear();
                let mut part = Vec::new();
                for stride in rows.unwrap_or(&all) {
                    values(steps.clone(), Some(&[*stride]), &mut part)?;
                    bytes.extend_from_slice(&part);
                }
                Ok(())
            }
        }
    }));
    damaged
}

/// A picture has the rows, or the steps, that can be read, and names the others.
#[test]
fn slices_leave_out_what_cannot_be_read() {
    let seen = Mutex::new(Vec::new());
    let damaged = with_lost_rows(&[24, 512, COLUMNS], 600..601, &seen);
    let slice = Slice::step(&damaged, 3, Shown::Values).expect("the other rows");
    assert_eq!(slice.unread, [[512, 1023]]);
    assert_eq!(slice.bytes, (ROWS - 512) * ROW_BYTES);
    let told = "rows 512 to 1,023 cannot be read: its chunk is damaged";
    assert_eq!(slice.partly.as_deref(), Some(told));
    assert!(
        slice
            .first_rows
            .iter()
            .all(|row| !(512..1024).contains(row))
            && slice.nan == 0
    );
    assert!(Slice::row(&damaged, 600, 0).is_err() && Slice::row(&damaged, 599, 0).is_ok());

    let Tensor { values, .. } = tensor(24, &[4, ROWS, COLUMNS], &seen);
    let values = values.expect("values");
    let mut damaged = tensor(24, &[4, ROWS, COLUMNS], &seen);
    damaged.values = Ok(Box::new(move |steps, rows, bytes| {
        match steps.start < 12 && 8 < steps.end {
            true => Err("its chunk is damaged".to_owned()),
            false => values(steps, rows, bytes),
        }
    }));
    let row = Slice::row(&damaged, 7, 0).expect("the other steps");
    assert_eq!((&row.unread[..], row.is_sampled), (&[[8, 11]][..], false));
    assert!(row.first_rows.iter().copied().eq((0..8).chain(12..24)));
    let cell = bits(13, 7, 5);
    assert_eq!(row.cells[9 * 128 + 5].to_bits(), cell);
    assert!(Slice::step(&damaged, 8, Shown::Values).is_err());
    assert!(Slice::step(&damaged, 12, Shown::Change).is_err());
}

/// Chunks of whole steps, and of a few rows over all steps: each value is read once, and it comes to the same.
#[test]
fn every_value_is_read_once_whatever_the_chunks() {
    let steps = 48;
    let (whole, read) = measured(steps, &[4, ROWS, COLUMNS], &Sample::All);
    assert_eq!(read, steps * ROWS * ROW_BYTES);
    let (by_rows, read) = measured(steps, &[steps, 512, COLUMNS], &Sample::All);
    assert_eq!(read, steps * ROWS * ROW_BYTES);
    let [whole, by_rows] = [&whole, &by_rows].map(|found| &found.tensors[0]);
    assert_eq!((whole.kind, whole.measured), (Kind::Steps, steps));
    let heat = whole.heat.as_ref().expect("a picture");
    assert_eq!(heat.still, ROWS.div_ceil(3));
    let drawn = [whole, by_rows].map(|report| {
        let heat = report.heat.as_ref().expect("a picture");
        let cells = heat.in_order.cells.0.iter().chain(&heat.sorted.cells.0);
        let cells: Vec<u16> = cells.map(|cell| cell.to_bits()).collect();
        (cells, heat.sorted.best.clone())
    });
    assert!(drawn[0] == drawn[1] && whole.spread == by_rows.spread);
    let curves = [whole, by_rows].map(|report| report.curves.as_ref().expect("curves"));
    let changed = curves.map(|curves| &curves.changed.mean.0[1..]);
    assert!(changed[0] == changed[1] && changed[0].iter().all(|share| *share > 0.6));
    // Sums of parts of a step are added up in another order.
    for (one, two) in curves[0]
        .update
        .mean
        .0
        .iter()
        .zip(&curves[1].update.mean.0)
        .skip(1)
    {
        assert!((one - two).abs() <= 1e-13 * one, "{one} {two}");
    }
}

#[test]
fn a_quick_look_reads_some_steps_with_those_before() {
    let (found, read) = measured(3000, &[1, ROWS, COLUMNS], &Sample::Quick);
    assert!(found.is_sampled);
    let report = &found.tensors[0];
    assert_eq!(read, 2 * report.measured * ROWS * ROW_BYTES);
    assert!(
        report.measured >= 100 && read <= 600 << 20,
        "{} {read}",
        report.measured
    );
    assert_eq!((report.at.0[0], report.at.0.last()), (1.0, Some(&2999.0)));
}

/// Reads 400 MB in far less memory.
#[test]
fn memory_is_bounded() {
    const NAME: &str = "memory_is_bounded";
    if is_child(NAME) {
        let (_, rise) = peak(|| measured(400, &[4, ROWS, COLUMNS], &Sample::All));
        tell(format_args!("{rise}"));
        return;
    }
    let output = again(NAME, &[]).output().expect("the child runs");
    let output = String::from_utf8(output.stdout).expect("text");
    let rise = output.lines().find_map(told).expect("the child tells");
    let rise: u64 = rise.parse().expect("a number");
    assert!(rise < 120 << 20, "{rise} bytes");
}

/// A tensor that fails does not stop the others, and says why.
#[test]
fn what_cannot_be_read_is_told() {
    let seen = Mutex::new(Vec::new());
    let mut damaged = tensor(10, &[1, ROWS, COLUMNS], &seen);
    damaged.values = Ok(Box::new(|steps, _, _| match steps.contains(&7) {
        true => Err("chunk 7 is damaged".to_owned()),
        false => Err("not yet".to_owned()),
    }));
    let mut other = tensor(10, &[1, ROWS, COLUMNS], &seen);
    other.dtype = "complex64".to_owned();
    let mut missing = tensor(10, &[1, ROWS, COLUMNS], &seen);
    missing.values = Err("it is elsewhere".to_owned());
    let good = tensor(3, &[1, ROWS, COLUMNS], &seen);
    let found = measure(
        &[damaged, other, missing, good],
        &Sample::All,
        1,
        &mut |_, _| {},
    );
    let unread: Vec<_> = found
        .tensors
        .iter()
        .map(|report| report.unread.is_some())
        .collect();
    assert_eq!(unread, [true, true, true, false]);
    let is_missing: Vec<_> = found
        .tensors
        .iter()
        .map(|report| report.is_missing)
        .collect();
    assert_eq!(is_missing, [true, false, true, false]);
}

/// As many tensors as there may be, of values without any pattern, with long names, in several files.
#[test]
fn a_page_is_smaller_than_5_mb() {
    let name = |number: u64| format!("{number}{}", "long_name/".repeat(30));
    let tensor = |number: u64, dtype: &str, shape: &[u64], has_steps| {
        let step: u64 = shape[usize::from(has_steps)..].iter().product();
        let element = if dtype == "float64" { 8 } else { 2 };
        Tensor {
            name: name(number),
            dtype: dtype.to_owned(),
            shape: shape.to_vec(),
            has_steps,
            chunk: None,
            is_packed: false,
            values: Ok(Box::new(move |steps, _, bytes| {
                bytes.clear();
                for at in 0..(steps.end - steps.start) * step {
                    let hash =
                        (at + steps.start * step + number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    bytes.extend(&(hash ^ hash >> 31).to_le_bytes()[..element]);
                }
                Ok(())
            })),
        }
    };
    for (files, tensors) in [(1, 250), (1, 1), (1, 5), (8, 40)] {
        let all = || {
            let steps = (0..tensors).map(|number| tensor(number, "bfloat16", &[700, 40, 3], true));
            let scalars = (0..tensors).map(|number| tensor(number, "float64", &[3000], true));
            let constants = (0..tensors).map(|number| tensor(number, "float64", &[60], false));
            steps.chain(scalars).chain(constants).collect::<Vec<_>>()
        };
        let told = "x".repeat(200_000);
        let file = |_| {
            let measured = measure(&all(), &Sample::All, files, &mut |_, _| {});
            assert_eq!(measured.left_out, 3 * tensors.saturating_sub(200 / files));
            File::new("a.h5", &[], &told, measured)
        };
        let page = Page::new(
            "a test",
            (0..files).map(file).collect(),
            &Vocabulary::default(),
        );
        let length = page.html().len();
        assert!(
            length < 5_000_000,
            "{files} files of {tensors} tensors: {length} bytes"
        );
    }
}

/// A tensor of float32 whose values are these, step by step.
fn floats(shape: [u64; 3], values: &[f32]) -> Tensor<'_> {
    let step = usize::try_from(shape[1] * shape[2]).expect("it is small");
    Tensor {
        name: "W".to_owned(),
        dtype: "float32".to_owned(),
        shape: shape.to_vec(),
        has_steps: true,
        chunk: None,
        is_packed: false,
        values: Ok(Box::new(move |steps, _, bytes| {
            bytes.clear();
            for number in steps {
                let first = usize::try_from(number).expect("it is small") * step;
                let step = &values[first..first + step];
                bytes.extend(step.iter().flat_map(|value| value.to_le_bytes()));
            }
            Ok(())
        })),
    }
}

/// Narrow rows are counted one by one where the picture takes several for one, and what becomes NaN or infinite has
/// moved.
#[test]
fn still_rows_are_counted_one_by_one_and_by_their_bits() {
    let value = |rows: u64, step: u64, row: u64, column: u64| match (row % 5, step) {
        (1 | 3, _) => row as f32,
        (0, 3) if column == 1 => f32::INFINITY,
        (2, 2..) if column == 2 => f32::NAN,
        // A zero of another sign.
        (4, 1) if row + 1 == rows => -0.0,
        (4, _) if row + 1 == rows => 0.0,
        (4, _) => (step * row) as f32,
        _ => 1.0,
    };
    for (rows, unit) in [(35, 1), (20_005, 8)] {
        let mut values = Vec::new();
        for step in 0..4 {
            for row in 0..rows {
                values.extend((0..4).map(|column| value(rows, step, row, column)));
            }
        }
        let found = measure(
            &[floats([4, rows, 4], &values)],
            &Sample::All,
            1,
            &mut |_, _| {},
        );
        let heat = found.tensors[0].heat.as_ref().expect("a picture");
        assert_eq!((heat.unit, heat.rows), (unit, rows));
        assert_eq!(heat.still, rows / 5 * 2);
    }
}

/// A step without any finite value has no norm and no largest magnitude, and neither it nor the next has a change; that
/// holds for the ends, too.
#[test]
fn a_step_without_a_finite_value_is_a_gap() {
    let mut values = vec![2.0_f32; 6 * 4 * 3];
    for step in [2, 5] {
        values[step * 12..(step + 1) * 12].fill(f32::NAN);
        values[step * 12 + 7] = f32::INFINITY;
    }
    let found = measure(
        &[floats([6, 4, 3], &values)],
        &Sample::All,
        1,
        &mut |_, _| {},
    );
    let report = &found.tensors[0];
    let curves = report.curves.as_ref().expect("curves");
    let gaps = |numbers: &[f64]| -> Vec<usize> {
        let nan = numbers.iter().enumerate().filter(|(_, n)| n.is_nan());
        nan.map(|(step, _)| step).collect()
    };
    assert_eq!(gaps(&curves.norm.mean.0), [2, 5]);
    assert_eq!(gaps(&curves.largest.mean.0), [2, 5]);
    assert_eq!(gaps(&curves.update.mean.0), [0, 2, 3, 5]);
    assert_eq!(curves.norm.mean.0[1], 48_f64.sqrt());
    let quantiles = &report.spread.as_ref().expect("a spread").quantiles;
    assert!(quantiles.iter().all(|level| gaps(&level.0) == [2, 5]));
    let ends = report.ends.as_ref().expect("ends");
    assert_eq!(
        (gaps(&ends.norm.0), gaps(&ends.update.0)),
        (vec![1], vec![1])
    );
}
