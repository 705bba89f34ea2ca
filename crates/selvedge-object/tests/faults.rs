//! Servers that fail, stall, cut their answers short or have another object by now: an error that says which, or the
//! right values, and never some of each.

mod common;

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::{ELEMENTS, TENSORS, gathered, record};
use selvedge_base::Chain;
use selvedge_hdf5::{Compression, ReadError, Reader, bf16};
use selvedge_object::{ObjectError, ObjectFile, ObjectOptions, open};
use selvedge_testing::objects::{Fault, ObjectServer};
use selvedge_testing::{Random, seed};

const FAULTS: u64 = 1000;
const THREADS: u64 = 8;
/// What is in the URL that a server sends to, and in no message.
const SECRET: &str = "hunter2";
const CHANGED: &str = "was changed since it was opened";

/// What is read of a file, in some ways.
fn read(file: &Reader) -> Result<Vec<Vec<bf16>>, ReadError> {
    let mut all = Vec::new();
    for name in &TENSORS[..2] {
        let tensor = file.tensor(name)?;
        all.push(tensor.read_step(7)?);
        all.push(tensor.select().every(4).rows([200, 3]).read()?);
        all.push(tensor.read()?);
    }
    Ok(all)
}

/// Opens and reads the object at `url`, or says why that fails.
fn read_url(url: &str, timeout: Duration) -> Result<Vec<Vec<bf16>>, String> {
    let options = ObjectOptions::default().timeout(timeout);
    let file = open(url, &options).map_err(|error| Chain(&error).to_string())?;
    read(&file).map_err(|error| Chain(&error).to_string())
}

fn random_fault(random: &mut Random, other: &[u8], page: &str) -> Fault {
    match random.below(25) {
        0..=2 => Fault::Truncate,
        3..=5 => Fault::Drop,
        6..=7 => Fault::Status([500, 503, 429][usize::try_from(random.below(3)).unwrap()]),
        8 => Fault::Status([403, 404, 400][usize::try_from(random.below(3)).unwrap()]),
        9..=10 => Fault::OtherRange,
        11..=12 => Fault::IgnoreRange,
        13 => Fault::Stall,
        14 => Fault::Replace(other.to_vec()),
        15 => Fault::ReplaceUnseen(other.to_vec()),
        16 => Fault::Shorter,
        17 => Fault::OtherSize,
        18..=19 => Fault::Encoded,
        20 => Fault::Chunked,
        21 => Fault::Untagged,
        22 => Fault::Weak,
        23 => Fault::Redirect(format!("{page}?token={SECRET}")),
        _ => Fault::Page,
    }
}

/// A file, and another one of the same structure.
struct Files {
    first: Vec<u8>,
    other: Vec<u8>,
}

impl Files {
    fn new(folder: &Path, compression: Compression) -> Self {
        let path = folder.join("run_1.h5");
        record(&path, compression, 24, true);
        let first = gathered(&path);
        let mut other = first.clone();
        if compression == Compression::None {
            // Other values, but the same structure, which nobody would see.
            other[200_000..].iter_mut().for_each(|byte| *byte ^= 1);
        } else {
            record(&path, compression, 25, true);
            other = gathered(&path);
        }
        Self { first, other }
    }
}

fn inject(files: &Files, seed: u64, faults: u64) -> [u64; 2] {
    let (server, mut random) = (ObjectServer::start(), Random(seed));
    let url = server.put("run_1.h5", files.first.clone());
    let patient = Duration::from_secs(20);
    let first = read_url(&url, patient).unwrap();
    let requests = server.taken().len() as u64;
    server.put("run_1.h5", files.other.clone());
    let other = read_url(&url, patient).unwrap();
    assert!(first != other && requests > 5);
    let (mut told, mut overcome) = (0, 0);
    while told + overcome < faults {
        // Requests that were given up can still be on their way to a server, and would count as the first of the next.
        let server = ObjectServer::start();
        let url = server.put("run_1.h5", files.first.clone());
        let page = server.put("page", vec![b'<'; files.first.len() + 1]);
        let fault = random_fault(&mut random, &files.other, &page);
        let before = usize::try_from(random.below(requests)).unwrap();
        server.fault(before, fault.clone());
        let timeout = if fault == Fault::Stall {
            Duration::from_millis(300)
        } else {
            patient
        };
        let found = read_url(&url, timeout);
        if server.take_fault() {
            continue;
        }
        let replaces = matches!(fault, Fault::Replace(_) | Fault::ReplaceUnseen(_));
        match found {
            Ok(found) => {
                let expected = if replaces && before == 0 {
                    &other
                } else {
                    &first
                };
                assert!(
                    found == *expected,
                    "request {before} of {requests}, replaced: {replaces}"
                );
                // What fails once may be asked for anew, by us or by libhdf5.
                assert!(
                    !replaces || before == 0,
                    "request {before}: a change was not seen"
                );
                overcome += 1;
            }
            Err(text) => {
                let says = match fault {
                    Fault::Status(status) => status.to_string(),
                    Fault::Stall => "nothing came from the server for 0.3 s".to_owned(),
                    Fault::OtherRange | Fault::Shorter => "Requested".to_owned(),
                    Fault::IgnoreRange | Fault::Page => "Range request not supported".to_owned(),
                    Fault::Encoded => "encoded (gzip)".to_owned(),
                    Fault::Chunked => "Content-Length".to_owned(),
                    Fault::Untagged => "neither ETag nor Last-Modified".to_owned(),
                    Fault::Redirect(_) if before == 0 => "not an HDF5 file".to_owned(),
                    Fault::Redirect(_) | Fault::OtherSize | Fault::Weak => CHANGED.to_owned(),
                    _ if replaces => CHANGED.to_owned(),
                    _ => panic!("request {before}, which can be made anew: {text}"),
                };
                let is_told = text.contains(&says) && text.contains(&url);
                assert!(is_told && !text.contains(SECRET), "{fault:?}: {text}");
                told += 1;
            }
        }
    }
    [told, overcome]
}

#[test]
fn no_fault_of_a_thousand_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [Compression::None, Compression::Fast].map(|kind| Files::new(folder.path(), kind));
    let seed = seed();
    let found: Vec<[u64; 2]> = thread::scope(|scope| {
        let kinds = &kinds;
        let works: Vec<_> = (0..THREADS)
            .map(|nth| {
                let files = &kinds[usize::try_from(nth % 2).unwrap()];
                scope.spawn(move || inject(files, seed + nth, FAULTS / THREADS))
            })
            .collect();
        works.into_iter().map(|work| work.join().unwrap()).collect()
    });
    let sum = |nth: usize| found.iter().map(|found| found[nth]).sum::<u64>();
    assert_eq!(sum(0) + sum(1), FAULTS);
    assert!(sum(0) > 100 && sum(1) > 100, "{found:?}");
}

/// What was read before stays; from then on nothing is read that would be of two objects.
#[test]
fn after_a_change_nothing_is_read_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::new(folder.path(), Compression::None);
    let server = ObjectServer::start();
    let url = server.put("run_1.h5", files.first.clone());
    let file = open(&url, &ObjectOptions::default()).unwrap();
    let tensor = file.tensor("W").unwrap();
    tensor.read_step::<bf16>(3).unwrap();
    server.fault(0, Fault::Replace(files.other.clone()));
    let text = Chain(&tensor.read_step::<bf16>(4).unwrap_err()).to_string();
    assert!(
        text.contains("was changed") && text.contains("\"v1\""),
        "{text}"
    );
    // Even if the first one is there again.
    server.put("run_1.h5", files.first);
    server.taken();
    assert!(tensor.read_step::<bf16>(3).is_err());
    assert_eq!(server.taken(), []);
    assert_eq!(file.tensor("loss").unwrap().shape(), [24]);
}

/// Several processes read the same object by what one of them has told of it.
#[test]
fn an_object_is_known_again_by_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::new(folder.path(), Compression::None);
    let server = ObjectServer::start();
    let url = server.put("run_1.h5", files.first.clone());
    let options = ObjectOptions::default();
    let object = ObjectFile::open(&url, &options).unwrap();
    let same = options.clone().version(object.version());
    let again = ObjectFile::open(&url, &same).unwrap();
    assert_eq!(again.version(), object.version());
    server.taken();
    again.check_unchanged().unwrap();
    assert!(matches!(server.taken()[..], [Range { start: 0, end: 1 }]));
    server.fault(0, Fault::Replace(files.other.clone()));
    let text = again.check_unchanged().unwrap_err().to_string();
    assert!(text.contains(CHANGED), "{text}");
    let found = ObjectFile::open(&url, &options).unwrap().version();
    let text = ObjectFile::open(&url, &same).unwrap_err().to_string();
    let (before, after) = (
        format!("expected {}", object.version()),
        format!("found {found}"),
    );
    assert!(
        text.contains(CHANGED) && text.contains(&before) && text.contains(&after),
        "{text}"
    );
}

#[test]
fn an_object_that_is_not_there_is_told_as_such() {
    let server = ObjectServer::start();
    let url = server.put("run_1.h5", vec![0; 1000]);
    let file = ObjectFile::open(&url, &ObjectOptions::default()).unwrap();
    let none = url.replace("run_1", "run_2");
    let missing = ObjectFile::open(&none, &ObjectOptions::default()).unwrap_err();
    assert_eq!(
        missing.to_string(),
        format!("{none} is not there: the server answers 404 (there is no such object)")
    );
    assert!(matches!(missing, ObjectError::NotFound { .. }));
    // One that was open has been deleted since.
    server.fault(0, Fault::Status(404));
    let deleted = file.check_unchanged().unwrap_err();
    assert!(matches!(deleted, ObjectError::Read { .. }), "{deleted}");
}

#[test]
fn a_server_that_stalls_or_is_not_there_has_an_end() {
    let server = ObjectServer::start();
    let url = server.put("run_1.h5", vec![0; 100_000]);
    let options = ObjectOptions::default().timeout(Duration::from_millis(500));
    server.fault(0, Fault::Stall);
    let began = Instant::now();
    let text = open(&url, &options).unwrap_err().to_string();
    assert!(text.contains("nothing came"), "{text}");
    // A byte now and then was waited for as long as it came.
    server.fault(0, Fault::Drip);
    let text = open(&url, &options).unwrap_err().to_string();
    assert!(text.contains("bytes came from the server in"), "{text}");
    drop(server);
    let text = open(&url, &options).unwrap_err().to_string();
    assert!(text.contains("cannot be reached"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(15));
}

/// Many threads wait in many requests at once, also in a process that has a runtime of its own.
#[test]
fn threads_may_share_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    record(&path, Compression::Fast, 24, true);
    let server = ObjectServer::start();
    let url = server.put("run_1.h5", fs::read(&path).unwrap());
    let file = open(&url, &ObjectOptions::default()).unwrap();
    let expected = read(&file).unwrap();
    assert_eq!(expected[0].len(), ELEMENTS);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(read(&file).unwrap() == expected));
        }
    });
}
