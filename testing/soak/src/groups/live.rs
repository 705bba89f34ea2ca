//! Several at once: readers of a file that is recorded, recorders of one file, many recorders one after the other, and
//! threads that share a reader.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use half::bf16;
use selvedge_hdf5::{Error, Reader, Recorder};
use selvedge_testing::Guard;

use crate::budget::Budget;
use crate::result::Row;
use crate::sample::{self, Seen};
use crate::stock::Stock;
use crate::subject::{LIVE, SUBJECTS, folder_in_memory, quietly};
use crate::victim::{self, Recording, SHAPE, Work};

/// Recorders that are opened and dropped; with less, where less is asked for.
const RECORDERS: usize = 1000;
/// Processes that want to record one file.
const WRITERS: usize = 3;
const THREADS: usize = 8;

pub(super) fn run(budget: &Budget, report: &mut dyn FnMut(Row)) -> Result<(), String> {
    for (done, subject) in LIVE.iter().enumerate() {
        report(readers(
            subject.name,
            &budget.even_share(LIVE.len() + 3 - done),
        )?);
    }
    report(writers(&budget.even_share(3))?);
    report(recorders(budget)?);
    report(threads(budget)?);
    Ok(())
}

/// h5py and the reader open a file again and again while another process records it: they see a prefix of the run.
fn readers(name: &str, budget: &Budget) -> Result<Row, String> {
    let mut row = Row::new("live", name, "h5py and `Reader` open it in a loop");
    let mut stock = Stock::default();
    let mut refused = 0;
    let mut steps = 0;
    while !budget.is_over() && row.tried < budget.most {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = folder.path().join("run_1.h5");
        let process = victim::command(name, &path).stdout(Stdio::null()).spawn();
        let mut process = Guard(process.map_err(|error| error.to_string())?);
        let mut last = 0;
        // A smoke does not wait for the end of the run.
        while row.tried < budget.most {
            let ended = process.0.try_wait().map_err(|error| error.to_string())?;
            if path.exists() {
                row.tried += 1;
                row.files += 1;
                let looks = [
                    stock.trajectory(&path, SHAPE),
                    quietly(|| sample::try_check(&path, SHAPE)),
                ];
                for look in looks {
                    match look {
                        Ok(seen) => {
                            row.opened += 1;
                            check_prefix(&seen, &mut last, &mut row);
                        }
                        Err(error) if is_wrong(&error) => row.complaints.push(error),
                        Err(_) => refused += 1,
                    }
                }
            }
            if let Some(status) = ended {
                if !status.success() {
                    row.complaints
                        .push(format!("the recorder ended with {status}"));
                }
                break;
            }
        }
        steps = steps.max(last);
    }
    // Each was looked at by two.
    row.files *= 2;
    row.note = format!("{steps} steps; {refused} times the file had to be opened again");
    Ok(row)
}

/// Whether a value was wrong. That a file does not open at the moment when it grows is no promise broken: see
/// docs/format.md.
fn is_wrong(error: &str) -> bool {
    ["wrong", "AssertionError", "panic"]
        .iter()
        .any(|word| error.contains(word))
}

/// Steps that were seen are seen again, and a tensor is ahead of the others by a commit at most.
fn check_prefix(seen: &Seen, last: &mut u64, row: &mut Row) {
    let committed = seen.committed();
    if committed < *last {
        row.lost += *last - committed;
        row.complaints
            .push(format!("{committed} steps after {last}"));
    }
    *last = committed;
}

/// Some processes want to record one file: each step is recorded once, whoever wins.
fn writers(budget: &Budget) -> Result<Row, String> {
    let mut row = Row::new(
        "live",
        "run of known length",
        "three processes record one file",
    );
    let subject = SUBJECTS
        .iter()
        .find(|subject| subject.name == row.mode)
        .ok_or("no such subject")?;
    let Work::Record(Recording { until, .. }) = subject.work else {
        return Err("no recording".to_owned());
    };
    let mut refused = 0;
    while !budget.is_over() && row.tried < budget.most {
        let folder = folder_in_memory().map_err(|error| error.to_string())?;
        let path = folder.path().join("run_1.h5");
        let start = || {
            let mut command: Command = victim::command(subject.name, &path);
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
        };
        let started: Vec<_> = (0..WRITERS).map(|_| start()).collect();
        let mut finished = 0;
        for process in started {
            let output = process.and_then(std::process::Child::wait_with_output);
            let output = output.map_err(|error| error.to_string())?;
            let said = String::from_utf8_lossy(&output.stdout);
            finished += usize::from(said.contains("\nfinished"));
            refused += said.matches("failed ").count();
            if String::from_utf8_lossy(&output.stderr).contains("panicked") {
                row.complaints
                    .push(String::from_utf8_lossy(&output.stderr).into_owned());
            }
        }
        row.tried += 1;
        row.files += 1;
        match quietly(|| sample::try_check(&path, SHAPE)) {
            Ok(seen) if seen.committed() == until && seen.state == 1 => row.opened += 1,
            other => {
                row.lost += 1;
                row.complaints
                    .push(format!("{finished} finished, and the file is {other:?}"));
            }
        }
    }
    row.note = format!("{refused} refusals");
    Ok(row)
}

/// Recorders that are opened and dropped leave no thread and no descriptor.
fn recorders(budget: &Budget) -> Result<Row, String> {
    let mut row = Row::new(
        "live",
        "recorders, one after another",
        "dropped without `finish`",
    );
    let folder = folder_in_memory().map_err(|error| error.to_string())?;
    row.of = RECORDERS.min(budget.most);
    let mut before = None;
    for number in 0..row.of {
        let path = folder.path().join("run_1.h5");
        let build = || -> Result<(), Error> {
            let mut run = Recorder::create(&path)
                .overwrite(true)
                .steps(2)
                .scalar::<f32>("loss")
                .start()?;
            run.append(|step| step.put("loss", &1.0_f32))?;
            Ok(())
        };
        build().map_err(|error| error.to_string())?;
        row.tried += 1;
        row.files += 1;
        let steps = Reader::open(&path)
            .map_err(|error| error.to_string())?
            .committed_steps();
        row.opened += usize::from(steps == 1);
        row.lost += 1_u64.saturating_sub(steps);
        // The first ones find what a process sets up once.
        if number == 4 {
            before = Some(open_things());
        }
    }
    if let Some(before) = before {
        // A thread that was waited for can be there for a moment more.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while open_things() > before && std::time::Instant::now() < patience {
            std::thread::yield_now();
        }
        let after = open_things();
        row.note = format!("descriptors and threads {before:?} and in the end {after:?}");
        if after > before {
            row.complaints.push(row.note.clone());
        }
    }
    Ok(row)
}

/// Descriptors and threads of this process.
fn open_things() -> (usize, usize) {
    let count = |path: &str| fs::read_dir(Path::new(path)).map_or(0, Iterator::count);
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Threads that share a reader each get their own values.
fn threads(budget: &Budget) -> Result<Row, String> {
    let mut row = Row::new("live", "finished run", "eight threads share a `Reader`");
    let folder = folder_in_memory().map_err(|error| error.to_string())?;
    let path = folder.path().join("run_1.h5");
    let recording = Recording {
        planned: Some(50),
        chunk_steps: 7,
        sync: 0,
        burst: 50,
        until: 50,
        overwrite: false,
        compressed: false,
        late: false,
    };
    recording
        .record(&path, &mut |_| {})
        .map_err(|error| error.to_string())?;
    let file = Reader::open(&path).map_err(|error| error.to_string())?;
    let file = &file;
    while !budget.is_over() && row.tried < budget.most {
        let wrong: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS as u64)
                .map(|thread| scope.spawn(move || read_all(file, thread, recording.until)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or(1))
                .sum()
        });
        row.tried += 1;
        row.files += 1;
        row.opened += usize::from(wrong == 0);
        row.lost += wrong as u64;
    }
    Ok(row)
}

/// The bits of a value of the sample.
fn as_bf16(tensor: u32, step: u32, index: u32) -> u16 {
    sample::as_bf16(sample::bits(tensor, step, index)).to_bits()
}

/// Reads all steps, from another one on in each thread; the number of wrong ones.
fn read_all(file: &Reader, thread: u64, steps: u64) -> usize {
    let right = |step: u64| {
        let w = file.tensor("W")?.read_step::<bf16>(step)?;
        let moment = file.tensor("moment")?.read_step::<f32>(step)?;
        let number = u32::try_from(step).unwrap_or(u32::MAX);
        let w = (0..)
            .zip(&w)
            .all(|(index, value)| value.to_bits() == as_bf16(0, number, index));
        let moment = (0..)
            .zip(&moment)
            .all(|(index, &value)| value == (sample::bits(1, number, index) >> 8) as f32);
        Ok::<_, Error>(w && moment)
    };
    let order = (0..steps).map(|step| (step + thread * 6) % steps);
    order
        .filter(|&step| !matches!(right(step), Ok(true)))
        .count()
}
