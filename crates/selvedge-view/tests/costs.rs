//! What it costs to look at a run: how much is read of it, and how often.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use selvedge_report::{Sample, Shown, Slice, Stride, Tensor, Vocabulary};
use selvedge_view::{About, Server, Viewed, Watched};

/// A run of steps of `rows` rows of `columns` float32 values, which is not there: its values are computed.
struct Run {
    rows: u64,
    columns: u64,
    steps: AtomicU64,
    /// What was read: steps, and how many rows of each.
    seen: Mutex<Vec<(Range<u64>, u64)>>,
}

impl Run {
    fn new(rows: u64, columns: u64, steps: u64) -> Self {
        Self {
            rows,
            columns,
            steps: steps.into(),
            seen: Mutex::default(),
        }
    }

    fn tensor(&self) -> Tensor<'_> {
        let steps = self.steps.load(Ordering::Relaxed);
        Tensor {
            name: "W".to_owned(),
            dtype: "float32".to_owned(),
            shape: vec![steps, self.rows, self.columns],
            has_steps: true,
            chunk: None,
            is_packed: false,
            values: Ok(Box::new(move |steps, rows, bytes| {
                let count = rows.map_or(self.rows, Stride::total);
                let mut seen = self.seen.lock().unwrap();
                seen.push((steps.clone(), count));
                let step = usize::try_from(count * self.columns).unwrap();
                bytes.clear();
                for step_number in steps {
                    bytes.extend((step_number as f32).to_le_bytes().repeat(step));
                }
                Ok(())
            })),
        }
    }

    /// Bytes that were read since.
    fn taken(&self) -> (usize, u64) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        let bytes =
            |(steps, rows): &(Range<u64>, u64)| (steps.end - steps.start) * rows * self.columns * 4;
        (seen.len(), seen.iter().map(bytes).sum())
    }
}

impl Viewed for Run {
    fn refresh(&self) -> Result<(), String> {
        Ok(())
    }

    fn about(&self) -> About {
        About {
            is_live: true,
            ..About::default()
        }
    }

    fn told(&self) -> String {
        String::new()
    }

    fn with(&self, work: &mut dyn FnMut(&[Tensor<'_>])) {
        work(&[self.tensor()]);
    }
}

/// A run of 1,000 steps a second is looked at twice a second: each step is read once, with the one before the first, in few
/// reads.
#[test]
fn only_new_steps_are_read_and_many_at_a_time() {
    let run = Run::new(100, 10, 0);
    let watched = Watched::new("a test", &[&run], Vocabulary::default(), Sample::Quick);
    let step_bytes = 4000;
    for tick in 0..8 {
        run.steps.fetch_add(500, Ordering::Relaxed);
        watched.step();
        let (reads, bytes) = run.taken();
        let before = u64::from(tick > 0);
        assert_eq!(
            (reads, bytes),
            (1, (500 + before) * step_bytes),
            "tick {tick}"
        );
        watched.step();
        assert_eq!(run.taken(), (0, 0), "nothing is new");
    }
    let (_, tensors) = &watched.reports()[0];
    let report = &tensors[0];
    assert_eq!(
        (report.measured, &report.shape[..]),
        (4000, &[4000, 100, 10][..])
    );
    // Each value moves by one at each step.
    let curves = report.curves.as_ref().unwrap();
    let root = 1000_f64.sqrt();
    let update = &curves.update.mean.0;
    assert!(update.len() > 1000 && update.iter().skip(1).all(|norm| (norm - root).abs() < 1e-9));
    let heat = report.heat.as_ref().unwrap();
    assert_eq!(
        heat.in_order.cells.0.len(),
        heat.columns.0.len() * heat.in_order.best.0.len()
    );
    assert_eq!(heat.still, 0);
}

/// However fast a run is, no more is read at a time than before, and some steps stand for all.
#[test]
fn what_is_too_fast_is_sampled() {
    // 4 MB a step, 100 steps at a time.
    let run = Run::new(1000, 1000, 0);
    let watched = Watched::new("a test", &[&run], Vocabulary::default(), Sample::Quick);
    for tick in 0..3 {
        run.steps.fetch_add(100, Ordering::Relaxed);
        watched.step();
        let (_, bytes) = run.taken();
        let most = if tick == 0 { 512 << 20 } else { 68 << 20 };
        assert!(bytes <= most, "tick {tick}: {bytes} bytes");
    }
    let (_, tensors) = &watched.reports()[0];
    assert!(
        (100..200).contains(&tensors[0].measured),
        "{}",
        tensors[0].measured
    );
    let all = Watched::new("a test", &[&run], Vocabulary::default(), Sample::All);
    all.step();
    assert_eq!(all.reports()[0].1[0].measured, 300);
}

/// A step of 2 GB is not read as a whole: some rows of it are, in one read.
#[test]
fn a_slice_reads_some_megabytes() {
    for (rows, columns) in [(1 << 20, 512), (32_768, 16_384), (1 << 29, 1)] {
        let run = Run::new(rows, columns, 3);
        let slice = Slice::step(&run.tensor(), 2, Shown::Values).unwrap();
        let (reads, bytes) = run.taken();
        assert_eq!((reads, bytes), (1, slice.bytes), "{rows} × {columns}");
        assert!(
            (1 << 20..=32 << 20).contains(&bytes) && slice.is_sampled,
            "{bytes}"
        );
        assert!(
            slice.cells.len() <= 1_000_000 && slice.cells.iter().all(|cell| cell.to_f32() == 2.0)
        );
        assert_eq!((slice.nan, slice.spread.zeros.0[0]), (0, 0.0));
    }
    let run = Run::new(2000, 3000, 3);
    let slice = Slice::step(&run.tensor(), 1, Shown::Change).unwrap();
    assert_eq!(run.taken(), (2, 48_000_000));
    assert_eq!(
        (slice.first_rows.len(), slice.first_columns.len()),
        (1000, 1000)
    );
    assert!(slice.cells.iter().all(|cell| cell.to_f32() == 1.0));
    let run = Run::new(2, 1 << 30, 3);
    let error = Slice::step(&run.tensor(), 1, Shown::Values).unwrap_err();
    assert!(error.contains("a row of a step takes"), "{error}");
    assert_eq!(run.taken(), (0, 0));
}

/// A row over all steps is one read; of too many of them some are read.
#[test]
fn a_row_is_read_and_no_other() {
    let run = Run::new(50, 20, 700);
    let slice = Slice::row(&run.tensor(), 7, 0).unwrap();
    assert_eq!(run.taken(), (1, 700 * 80));
    let cells: Vec<f32> = slice
        .cells
        .iter()
        .step_by(20)
        .map(|cell| cell.to_f32())
        .collect();
    assert_eq!((cells.len(), cells[3], slice.is_sampled), (700, 3.0, false));
    let run = Run::new(50, 1000, 100_000);
    let slice = Slice::row(&run.tensor(), 7, 0).unwrap();
    assert_eq!((run.taken(), slice.is_sampled), ((1000, 4_000_000), true));
    // A line is of 128 steps, the first of which was not read of all.
    let lines = || slice.first_rows.iter().map(|step| step / 128);
    assert_eq!((slice.each, lines().max()), (Some(128), Some(781)));
    assert!(lines().eq(0..782));
    // As steps come, they alone are read, and lie in lines of as many as before.
    run.steps.fetch_add(500, Ordering::Relaxed);
    let slice = Slice::row(&run.tensor(), 7, 100_000).unwrap();
    assert_eq!((run.taken(), slice.is_sampled), ((1, 500 * 4000), false));
    assert_eq!(
        slice.first_rows,
        [100_000, 100_096, 100_224, 100_352, 100_480]
    );
    assert_eq!((slice.rows, slice.each), (100_500, Some(128)));
    assert_eq!(slice.cells[3000].to_f32(), 100_352.0);
    let none = Slice::row(&run.tensor(), 7, 100_500).unwrap();
    assert_eq!((run.taken(), none.cells.len()), ((0, 0), 0));
    // A constant has its values once.
    let constant = Tensor {
        shape: vec![50, 2],
        has_steps: false,
        values: Ok(Box::new(|_, _, bytes| {
            *bytes = vec![0; 8];
            Ok(())
        })),
        ..run.tensor()
    };
    let cells = |from| Slice::row(&constant, 7, from).unwrap().cells.len();
    assert_eq!([cells(0), cells(1), cells(9)], [2, 0, 0]);
}

/// What a page is told, and the work for it, do not grow with the steps that were recorded before.
#[test]
fn an_update_is_of_bounded_size() {
    let run: &Run = Box::leak(Box::new(Run::new(64, 16, 0)));
    let watched = Watched::new("a test", &[run], Vocabulary::default(), Sample::Quick);
    let watched: &Watched<'_> = Box::leak(Box::new(watched));
    let server: &Server = Box::leak(Box::new(Server::bind(0).unwrap()));
    std::thread::spawn(|| server.serve(&|request| watched.answer(request)));
    let address = server.address();
    let (host, path) = address["http://".len()..].split_once('/').unwrap();
    let ask = |name: &str| {
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET /{path}{name} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{name}");
        answer.len()
    };
    let mut told = Vec::new();
    for _ in 0..40 {
        run.steps.fetch_add(1000, Ordering::Relaxed);
        watched.step();
        let (reads, bytes) = run.taken();
        assert!(reads <= 2 && bytes <= 1001 * 4096, "{reads} {bytes}");
        let from = run.steps.load(Ordering::Relaxed) - 1000;
        let row = ask(&format!("row?file=0&tensor=0&row=3&from={from}"));
        assert_eq!(run.taken(), (1, 64 * 1000));
        told.push((ask("news?since=1&open=0.0"), row));
    }
    let most = |told: &[(usize, usize)]| {
        let news = told.iter().map(|(news, _)| *news).max();
        (
            news.unwrap(),
            told.iter().map(|(_, row)| *row).max().unwrap(),
        )
    };
    let (early, late) = (most(&told[..8]), most(&told[8..]));
    // Numbers of steps have more digits.
    assert!(
        late.0 <= early.0 + 64 && late.1 <= early.1 + 64,
        "{early:?} {late:?}"
    );
    assert!(early.0 < 3_000_000, "{early:?}");
}
