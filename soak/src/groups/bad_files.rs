//! Files that somebody has changed: fields, lengths and links of HDF5 files and of safetensors.
//!
//! Each is read in a process of its own, where a crash or a hang is counted: this program's bytes must lead to an answer
//! or an error, in bounded memory. What libhdf5 does on such a file is written down.

use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use selvedge_hdf5::{ReadError, Reader};
use selvedge_safetensors as safetensors;
use selvedge_testing::{Random, python};

use crate::budget::Budget;
use crate::result::Row;
use crate::stock::{Look, Peer, Stock};
use crate::subject::{SUBJECTS, Subject, folder_in_memory};
use crate::to_usize;
use crate::victim::{Work, program};

/// The word on the command line that makes this program a reader of bad files.
pub(crate) const READER: &str = "read-bad-files";
/// Bytes of address space that a reader has; the files have some hundred kB.
const ADDRESS_SPACE: u64 = 2 << 30;

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
        name: "stock h5py",
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
    let count = bases.len();
    for (done, (name, base, readings)) in bases.into_iter().enumerate() {
        // All of them go on for as long as they may.
        let budget = budget.even_share(count - done);
        for row in mutate(&name, &base, readings, &budget)? {
            report(row);
        }
    }
    Ok(())
}

/// The files that are changed: their names, their bytes, and who reads them.
type Base = (String, Vec<u8>, &'static [Reading]);

fn bases() -> Result<Vec<Base>, String> {
    let failed = |error: io::Error| error.to_string();
    let mut bases = Vec::new();
    let chosen = |subject: &&Subject| match subject.work {
        Work::Record(recording) => recording.sync == 0,
        Work::Grow { sync }
        | Work::Save {
            sync,
            streamed: false,
        } => sync,
        _ => false,
    };
    for subject in SUBJECTS.iter().filter(chosen) {
        let folder = folder_in_memory().map_err(failed)?;
        subject.run_whole(folder.path(), false)?;
        let bytes = fs::read(subject.path(folder.path())).map_err(failed)?;
        let readings = match subject.work {
            Work::Record(_) => HDF5,
            _ => SAFETENSORS,
        };
        bases.push((subject.name.to_owned(), bytes, readings));
    }
    for version in ["earliest", "latest"] {
        let folder = folder_in_memory().map_err(failed)?;
        let path = folder.path().join("a.h5");
        python::run(FOREIGN, [path.as_os_str(), version.as_ref()]);
        let bytes = fs::read(path).map_err(failed)?;
        bases.push((format!("file of h5py, libver {version}"), bytes, &HDF5[1..]));
    }
    Ok(bases)
}

fn mutate(
    name: &str,
    base: &[u8],
    readings: &[Reading],
    budget: &Budget,
) -> Result<Vec<Row>, String> {
    let folder = folder_in_memory().map_err(|error| error.to_string())?;
    let reader = || {
        let mut command = Command::new(program());
        command.arg(READER);
        command
    };
    let mut stock = Stock::default().patient(PATIENCE);
    let mut over_libhdf5 = Peer::new(reader).patient(PATIENCE);
    // What must not hang has more time, for a machine that is busy.
    let mut ours = Peer::new(reader);
    let mut rows: Vec<Row> = readings
        .iter()
        .map(|reading| Row::new("files", name, reading.name))
        .collect();
    let mut counts = vec![(0, 0); readings.len()];
    let structure = structure(base);
    let end = if readings[0].word == "safetensors" {
        "unfinished"
    } else {
        "h5"
    };
    let path = folder.path().join(format!("a.safetensors.{end}"));
    let mut seed = budget.seed;
    while !budget.is_over() && rows[0].tried < budget.most {
        seed += 1;
        let image = mutated(base, &structure, &mut Random(seed));
        for (reading, (row, count)) in readings.iter().zip(rows.iter_mut().zip(&mut counts)) {
            let _ = fs::remove_file(folder.path().join("a.safetensors"));
            fs::write(&path, &image).map_err(|error| error.to_string())?;
            let request = format!("{}\t{}", reading.word, path.display());
            let look = match reading.word {
                "opens" => stock.look(reading.word, &path),
                "read" => over_libhdf5.ask(&request),
                _ => ours.ask(&request),
            };
            row.tried += 1;
            row.files += 1;
            let complaint = match look {
                Look::Found(_) => {
                    row.opened += 1;
                    None
                }
                Look::Error(_) => {
                    count.0 += 1;
                    None
                }
                Look::Crash(how) => {
                    count.1 += 1;
                    // A panic, or memory without bound, is ours wherever it is.
                    let own = how.contains("panicked") || how.contains("memory allocation");
                    (reading.ours || own).then_some(format!("a crash: {how}"))
                }
                Look::Hang => {
                    row.hangs += 1;
                    reading.ours.then_some("a hang".to_owned())
                }
            };
            if let Some(complaint) = complaint {
                row.complaints.push(format!("seed {seed}: {complaint}"));
            }
        }
    }
    rows.retain(|row| row.tried > 0);
    for ((row, reading), (errors, crashes)) in rows.iter_mut().zip(readings).zip(counts) {
        row.note = format!("{errors} errors, {crashes} crashes");
        // What libhdf5 does in its own process breaks no promise, unless a line above says so.
        row.promised = reading.ours || !row.complaints.is_empty();
    }
    Ok(rows)
}

/// Where a change matters most: at the start, and around the signatures of HDF5's structures.
fn structure(base: &[u8]) -> Vec<usize> {
    let signatures: &[&[u8]] = &[
        b"TREE", b"SNOD", b"HEAP", b"GCOL", b"OHDR", b"FRHP", b"FHDB", b"BTHD", b"BTLF", b"FAHD",
        b"FADB", b"EAHD", b"EAIB", b"EASB", b"EADB", b"OCHK",
    ];
    let mut places: Vec<usize> = (0..base.len().min(4096)).collect();
    for at in 0..base.len().saturating_sub(4) {
        if signatures.contains(&&base[at..at + 4]) {
            places.extend(at..(at + 300).min(base.len()));
        }
    }
    places
}

/// The file with some changes.
fn mutated(base: &[u8], structure: &[usize], random: &mut Random) -> Vec<u8> {
    let mut image = base.to_vec();
    let len = base.len() as u64;
    let mut below = |bound: usize| to_usize(random.below(bound.max(1) as u64));
    for _ in 0..=below(3) {
        let at = if below(8) == 0 {
            below(image.len())
        } else {
            structure[below(structure.len())]
        };
        let numbers = [
            0,
            1,
            0xFF,
            0xFFFF,
            0x7FFF_FFFF,
            0xFFFF_FFFF,
            1 << 40,
            (1 << 62) + 1,
            u64::MAX / 2,
            u64::MAX - 7,
            u64::MAX,
            len,
            len - 8,
            at as u64,
        ];
        let number = numbers[below(numbers.len())];
        let bytes = match below(7) {
            0 => below(256).to_le_bytes()[..1].to_vec(),
            1 => number.to_le_bytes()[..2].to_vec(),
            2 => number.to_le_bytes()[..4].to_vec(),
            3 => number.to_le_bytes().to_vec(),
            // A link to somewhere else, or to itself.
            4 => {
                let from = structure[below(structure.len())];
                base[from..(from + 8).min(base.len())].to_vec()
            }
            5 => {
                let from = structure[below(structure.len())];
                base[from..(from + 64).min(base.len())].to_vec()
            }
            _ => vec![image.get(at).copied().unwrap_or(0) ^ (1 << below(8))],
        };
        let end = (at + bytes.len()).min(image.len());
        if at < end {
            image[at..end].copy_from_slice(&bytes[..end - at]);
        }
    }
    match below(12) {
        0 => image.truncate(below(base.len())),
        1 => image.truncate(structure[below(structure.len())]),
        _ => {}
    }
    image
}

/// Reads bad files, one a line, until there are no more.
pub(crate) fn serve() -> ExitCode {
    if setrlimit(Resource::RLIMIT_AS, ADDRESS_SPACE, ADDRESS_SPACE).is_err() {
        return ExitCode::FAILURE;
    }
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let (word, path) = line.split_once('\t').unwrap_or((&line, ""));
        let path = Path::new(path);
        let answer = match word {
            "recover" => selvedge_hdf5::recover(path)
                .map(|_| ())
                .map_err(|e| e.to_string()),
            "read" => read_hdf5(path),
            _ => read_safetensors(path),
        };
        let answer = match answer {
            Ok(()) => "ok".to_owned(),
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

/// Reads all that a file says it has, a step at a time where a tensor says it is large.
fn read_hdf5(path: &Path) -> Result<(), String> {
    let file = Reader::open(path).map_err(|error| error.to_string())?;
    let mut result = Ok(());
    for tensor in file.tensors() {
        let elements = tensor
            .shape()
            .iter()
            .try_fold(1_u64, |all, &axis| all.checked_mul(axis));
        // Values that fit nowhere are refused by whoever asks for them.
        if elements.is_none_or(|elements| elements > 1 << 20) {
            result = Err(format!("{} is large", tensor.name()));
        } else {
            match tensor.read_bytes() {
                // Strings, for one, are no tensors.
                Ok(_) | Err(ReadError::UnsupportedDtype { .. }) => {}
                Err(error) => result = Err(error.to_string()),
            }
        }
    }
    result
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
