//! Files that somebody has changed: fields, lengths and links of HDF5 files and of safetensors.
//!
//! Each is read in a process of its own, where a crash or a hang is counted: this program's bytes must lead to an answer
//! or an error, in bounded memory, and `recover` must keep every committed step, or the file as it is. What libhdf5 does
//! on such a file is written down.

use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use selvedge_hdf5::{ReadError, Reader, Selection, Tensor};
use selvedge_safetensors as safetensors;
use selvedge_testing::{Random, python};

use crate::budget::Budget;
use crate::damage::{self, COMPRESSED, COMPRESSED_KILLED, FINISHED, KILLED, damaged, structure};
use crate::result::Row;
use crate::stock::{Look, Peer, Stock};
use crate::subject::{SUBJECTS, folder_in_memory};
use crate::to_usize;
use crate::victim::program;

/// The word on the command line that makes this program a reader of bad files.
pub(crate) const READER: &str = "read-bad-files";
/// Bytes of address space that a reader has; the files have some hundred kB.
const ADDRESS_SPACE: u64 = 2 << 30;
/// Elements that are read at once.
const MOST_ELEMENTS: u64 = 1 << 20;
/// Stock h5py takes longer than all others together: it is asked for one file of so many, and for each that libhdf5
/// does not come back from.
const OF_FILES: usize = 8;

/// How long libhdf5 may take to read a small file, which takes milliseconds, and its process to start.
const PATIENCE: Duration = Duration::from_secs(3);

/// A file of another program: new headers with checksums, groups, filters, strings.
const FOREIGN: &str = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w', libver=sys.argv[2]) as f:
    f.attrs['text'] = 'a string'
    f.attrs['many'] = ['some', 'strings']
    f.create_dataset('a/b/zipped', data=np.arange(4000.0).reshape(100, 40), chunks=(7, 40), compression='gzip', shuffle=True)
    f.create_dataset('grows', data=np.arange(300), chunks=(3,), maxshape=(None,))
    f['names'] = np.array(['x', 'yz'], dtype=h5py.string_dtype())
    f['flags'] = np.array([True, False])
    f['link'] = h5py.SoftLink('/a/b/zipped')
";

/// A reader, what it is asked, and whose crashes are ours.
struct Reading {
    name: &'static str,
    /// The word of the request.
    word: &'static str,
    /// Whether all of the bytes are parsed by code of this project.
    ours: bool,
}

const HDF5: &[Reading] = &[
    Reading {
        name: "`recover`, which is ours",
        word: "recover",
        ours: true,
    },
    Reading {
        name: "`Reader`, over libhdf5",
        word: "read",
        ours: false,
    },
    Reading {
        name: "stock h5py, one file of 8",
        word: "opens",
        ours: false,
    },
];
const SAFETENSORS: &[Reading] = &[Reading {
    name: "`Reader` and `recover`, which are ours",
    word: "safetensors",
    ours: true,
}];

pub(super) fn run(budget: &Budget, report: &mut dyn FnMut(Row)) -> Result<(), String> {
    let bases = bases()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let left = Mutex::new(bases);
    let next = || {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        // All of them go on for as long as they may.
        let budget = budget.even_share(left.len().div_ceil(threads));
        Some((left.pop()?, budget))
    };
    let (sender, rows) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            scope.spawn(move || {
                while let Some((base, budget)) = next() {
                    let _ = sender.send(base.damage(&budget));
                }
            });
        }
        drop(sender);
        for found in rows {
            found?.into_iter().for_each(&mut *report);
        }
        Ok(())
    })
}

/// Files of one kind, which are changed.
struct Base {
    name: String,
    files: Vec<Vec<u8>>,
    /// Who reads them.
    readings: &'static [Reading],
}

/// The last is the first one to be tried.
fn bases() -> Result<Vec<Base>, String> {
    let hdf5 = |name: &str, made: &[&str], golden: &[(&str, &[u8])]| {
        let golden = golden.iter().map(|(_, bytes)| damage::without_room(bytes));
        let made = made.iter().map(|name| made_by(name));
        Ok::<_, String>(Base {
            name: name.to_owned(),
            files: made.chain(golden.map(Ok)).collect::<Result<_, _>>()?,
            readings: HDF5,
        })
    };
    let safetensors = |name: &str| {
        Ok::<_, String>(Base {
            name: name.to_owned(),
            files: vec![made_by(name)?],
            readings: SAFETENSORS,
        })
    };
    let foreign = |version: &str| {
        let folder = folder_in_memory().map_err(|error| error.to_string())?;
        let path = folder.path().join("a.h5");
        python::run(FOREIGN, [path.as_os_str(), version.as_ref()]);
        Ok::<_, String>(Base {
            name: format!("file of h5py, libver {version}"),
            files: vec![fs::read(path).map_err(|error| error.to_string())?],
            readings: &HDF5[1..],
        })
    };
    let plain = [
        "run of known length",
        "open-ended run",
        "resumed run whose index gets a second level",
    ];
    let compressed = ["compressed run", "compressed run, resumed"];
    Ok(vec![
        foreign("latest")?,
        foreign("earliest")?,
        safetensors("safetensors, growing, every row synced")?,
        safetensors("safetensors, saved")?,
        hdf5(
            "compressed runs whose recorders died",
            &[],
            &COMPRESSED_KILLED,
        )?,
        hdf5("compressed runs", &compressed, &COMPRESSED)?,
        hdf5("plain runs whose recorders died", &[], &KILLED)?,
        hdf5("plain runs", &plain, &FINISHED)?,
    ])
}

/// The bytes of the file that the subject of this name makes.
fn made_by(name: &str) -> Result<Vec<u8>, String> {
    let subject = SUBJECTS.iter().find(|subject| subject.name == name);
    let subject = subject.ok_or_else(|| format!("no subject is called {name}"))?;
    let folder = folder_in_memory().map_err(|error| error.to_string())?;
    subject.run_whole(folder.path(), false)?;
    fs::read(subject.path(folder.path())).map_err(|error| error.to_string())
}

/// What came of the files for one reader.
#[derive(Default)]
struct Count {
    errors: usize,
    crashes: usize,
    /// Crashes and hangs on files that stock h5py crashes or hangs on, too.
    as_stock: usize,
    /// The largest memory of its processes, in KiB.
    memory: i64,
}

/// Who is asked.
struct Peers {
    stock: Stock,
    over_libhdf5: Peer,
    /// What must not hang has more time, for a machine that is busy.
    ours: Peer,
}

impl Peers {
    fn new() -> Self {
        let reader = || {
            let mut command = Command::new(program());
            command.arg(READER).env("RUST_BACKTRACE", "0");
            command
        };
        Self {
            stock: Stock::default().patient(PATIENCE),
            over_libhdf5: Peer::new(reader).patient(PATIENCE),
            ours: Peer::new(reader),
        }
    }

    fn look(&mut self, word: &str, path: &Path) -> Look {
        let request = format!("{word}\t{}", path.display());
        match word {
            "opens" => self.stock.look(word, path),
            "read" => self.over_libhdf5.ask(&request),
            _ => self.ours.ask(&request),
        }
    }
}

impl Base {
    /// Changes the files, gives them to all readers, and counts what comes of it.
    fn damage(&self, budget: &Budget) -> Result<Vec<Row>, String> {
        let failed = |error: io::Error| error.to_string();
        let folder = folder_in_memory().map_err(failed)?;
        let mut peers = Peers::new();
        let row = |reading: &Reading| Row::new("files", &self.name, reading.name);
        let mut rows: Vec<(Row, Count)> = self
            .readings
            .iter()
            .map(|reading| (row(reading), Count::default()))
            .collect();
        let places: Vec<_> = self.files.iter().map(|file| structure(file)).collect();
        let end = if self.readings[0].word == "safetensors" {
            "unfinished"
        } else {
            "h5"
        };
        let path = folder.path().join(format!("a.safetensors.{end}"));
        let mut seed = budget.seed;
        while !budget.is_over() && rows[0].0.tried < budget.most {
            seed += 1;
            let mut random = Random(seed);
            let mut draw = |bound: usize| to_usize(random.below(bound.max(1) as u64));
            let nth = draw(self.files.len());
            let image = damaged(&self.files[nth], &places[nth], draw);
            let lay = || {
                let _ = fs::remove_file(folder.path().join("a.safetensors"));
                fs::write(&path, &image).map_err(failed)
            };
            let turn = rows[0].0.tried.is_multiple_of(OF_FILES);
            for (reading, (row, count)) in self.readings.iter().zip(&mut rows) {
                if reading.word == "opens" && !turn {
                    continue;
                }
                lay()?;
                let look = peers.look(reading.word, &path);
                let is_lost = matches!(look, Look::Crash(_) | Look::Hang);
                if is_lost && let Some(folder) = &budget.keep {
                    let kind = self.name.replace(' ', "_");
                    let name = format!("{kind}-{seed}-{}.{end}", reading.word);
                    fs::write(folder.join(name), &image).map_err(failed)?;
                }
                if reading.word == "read" && is_lost {
                    lay()?;
                    let stock = peers.look("opens", &path);
                    count.as_stock += usize::from(matches!(stock, Look::Crash(_) | Look::Hang));
                }
                if let Some(complaint) = count.add(row, look, reading.ours) {
                    row.complaints.push(format!("seed {seed}: {complaint}"));
                }
            }
        }
        let mut found = Vec::new();
        for ((mut row, count), reading) in rows.into_iter().zip(self.readings) {
            row.note = format!("{} errors, {} crashes", count.errors, count.crashes);
            if row.hangs + count.crashes > 0 && reading.word == "read" {
                let as_stock = count.as_stock;
                row.note += &format!("; stock h5py crashes or hangs on {as_stock} of these, too");
            }
            if count.memory > 0 {
                row.note += &format!("; {} MiB at most", count.memory >> 10);
            }
            // What libhdf5 does in its own process breaks no promise, unless a line above says so.
            row.promised = reading.ours || !row.complaints.is_empty();
            found.push(row);
        }
        found.retain(|row| row.tried > 0);
        Ok(found)
    }
}

impl Count {
    /// Counts what came of one file, and says what is not as it should be.
    fn add(&mut self, row: &mut Row, look: Look, ours: bool) -> Option<String> {
        row.tried += 1;
        row.files += 1;
        match look {
            Look::Found(memory) => {
                row.opened += 1;
                self.memory = self.memory.max(memory.first().copied().unwrap_or(0));
                None
            }
            Look::Error(_) => {
                self.errors += 1;
                None
            }
            Look::Crash(how) => {
                self.crashes += 1;
                // A panic, or memory without bound, is ours wherever it is.
                let own = how.contains("panicked") || how.contains("memory allocation");
                (ours || own).then(|| format!("a crash: {how}"))
            }
            Look::Hang => {
                row.hangs += 1;
                ours.then(|| "a hang".to_owned())
            }
        }
    }
}

/// Reads bad files, one a line, until there are no more. Where one is read, the answer has the largest memory of this
/// process so far, in KiB.
pub(crate) fn serve() -> ExitCode {
    if setrlimit(Resource::RLIMIT_AS, ADDRESS_SPACE, ADDRESS_SPACE).is_err() {
        return ExitCode::FAILURE;
    }
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let (word, path) = line.split_once('\t').unwrap_or((&line, ""));
        let path = Path::new(path);
        let answer = match word {
            "recover" => damage::recover_damaged(path)
                .map(|_| ())
                .map_err(|e| e.to_string()),
            "read" => read_hdf5(path),
            _ => read_safetensors(path),
        };
        let memory = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
        let answer = match answer {
            Ok(()) => format!("ok {memory}"),
            Err(error) => format!("error {}", error.replace('\n', " ")),
        };
        let mut stdout = io::stdout().lock();
        if writeln!(stdout, "{answer}")
            .and_then(|()| stdout.flush())
            .is_err()
        {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Reads all that a file says it has: attributes, some rows of some steps, and whole tensors, unless they are large.
fn read_hdf5(path: &Path) -> Result<(), String> {
    let file = Reader::open(path).map_err(|error| error.to_string())?;
    let mut result = Ok(());
    for tensor in file.tensors() {
        let facts = tensor.attributes().and(tensor.data_layout());
        result = result.and(facts.map(|_| ()).map_err(|error| error.to_string()));
        result = result.and(read_tensor(tensor));
    }
    result
}

fn read_tensor(tensor: &Tensor) -> Result<(), String> {
    let failed = |error: ReadError| error.to_string();
    let dtype = match tensor.dtype() {
        Ok(dtype) => dtype,
        // Strings, for one, are no tensors.
        Err(ReadError::UnsupportedDtype { .. }) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let is_small = |shape: &[u64]| {
        let elements = shape
            .iter()
            .try_fold(1_u64, |all, &axis| all.checked_mul(axis));
        elements.filter(|&elements| elements <= MOST_ELEMENTS)
    };
    let read = |part: Selection| {
        // Values that fit nowhere are refused by whoever asks for them.
        let Some(elements) = is_small(&part.shape().map_err(failed)?) else {
            return Err(format!("{} is large", tensor.name()));
        };
        let mut bytes = vec![0; to_usize(elements) * dtype.size()];
        part.read_bytes_into(&mut bytes).map_err(failed)
    };
    let shape = tensor.shape();
    let some = match shape[..] {
        [] => Ok(()),
        [steps] => read(tensor.select().steps(steps.saturating_sub(1)..steps)),
        [steps, rows, ..] => {
            let last = to_usize(rows.saturating_sub(1));
            let select = tensor.select().steps(steps / 2..steps).every(2);
            read(select.rows([0, last]))
        }
    };
    let whole = match is_small(&shape) {
        Some(_) => tensor.read_bytes().map(|_| ()).map_err(failed),
        None => Err(format!("{} is large", tensor.name())),
    };
    some.and(whole)
}

fn read_safetensors(path: &Path) -> Result<(), String> {
    let read = || -> Result<(), safetensors::ReadError> {
        let file = safetensors::Reader::open(path)?;
        file.tensors()
            .try_for_each(|tensor| tensor.read_bytes().map(|_| ()))
    };
    let read = read();
    let recovered = safetensors::recover(path);
    // A finished file is not recovered, and one that grows is not read: one of the two is the answer.
    read.or(recovered.map(|_| ()))
        .map_err(|error| error.to_string())
}
