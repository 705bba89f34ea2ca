//! A file that is replaced while it is opened: each reader sees the one or the other, and never both.
//!
//! A reader opened the path twice, for reads past libhdf5 and by libhdf5, and a rename between the two,
//! which is how every save here publishes, mixed two files without an error: 82 of 65,377 opens.
//! `SELVEDGE_OPENS` sets the number of opens, which is small here for the sake of time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use selvedge_base::LockedFile;
use selvedge_hdf5::{
    Attribute, DeclareError, Dtype, FileError, ReadError, Reader, Rechunk, Recorder, StorageError,
    add_checksums, bf16, mark_bf16, recover,
};
use selvedge_testing::{Guard, again, is_child, setting};

const STEPS: u64 = 3;
const ELEMENTS: usize = 40;

/// How often a file is opened, where `usual` is enough.
fn opens(usual: u64) -> u64 {
    let asked = std::env::var("SELVEDGE_OPENS").ok();
    asked.map_or(usual, |asked| asked.parse().expect("a number"))
}

/// A file in which all there is, is `value`.
fn record(path: &Path, value: u8) {
    let mut run = Recorder::create(path)
        .steps(STEPS)
        .tensor::<bf16>("W", [ELEMENTS])
        .scalar::<u8>("loss")
        .constant("mask", &[value; 9])
        .attribute("value", i64::from(value))
        .start()
        .unwrap();
    for _ in 0..STEPS {
        let values = [bf16::from_f32(value.into()); ELEMENTS];
        run.append(|step| step.put("W", &values)?.put("loss", &value))
            .unwrap();
    }
    run.finish().unwrap();
}

/// All that a reader sees, each value once.
fn values(file: &Reader) -> Result<Vec<u8>, ReadError> {
    let mut seen: Vec<u8> = Vec::new();
    match file.attribute("value") {
        Some(Attribute::Int(value)) => seen.extend(u8::try_from(*value).ok()),
        other => panic!("{other:?}"),
    }
    let w = file.tensor("W")?.read::<bf16>()?;
    let expected = [0_u8, 1, 2].map(|value| (bf16::from_f32(value.into()), value));
    let of = |found: &bf16| expected.iter().find(|(value, _)| value == found);
    seen.extend(
        w.iter()
            .map(|value| of(value).map_or(9, |&(_, value)| value)),
    );
    seen.extend(file.tensor("loss")?.read::<u8>()?);
    seen.extend(file.tensor("mask")?.read::<u8>()?);
    assert_eq!(seen.len(), 1 + 3 * ELEMENTS + 3 + 9);
    seen.sort_unstable();
    seen.dedup();
    Ok(seen)
}

/// Opens the file at `path` again and again, and counts how often it was the one and the other.
fn open_all(path: &Path, count: u64) -> [u64; 2] {
    let mut found = [0; 2];
    let mut mixed = Vec::new();
    for _ in 0..count {
        let seen = values(&Reader::open(path).unwrap()).unwrap();
        match seen[..] {
            [value @ (1 | 2)] => found[usize::from(value) - 1] += 1,
            _ => mixed.push(seen),
        }
    }
    assert!(mixed.is_empty(), "{} of {count} opens mixed", mixed.len());
    println!("{count} opens: {found:?}");
    found
}

/// Two files of equal shape, and the path that they get in turn.
struct Pair {
    folder: tempfile::TempDir,
    files: [PathBuf; 2],
    path: PathBuf,
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = ["1.h5", "2.h5"].map(|name| folder.path().join(name));
        for (file, value) in files.iter().zip(1..) {
            record(file, value);
        }
        let path = folder.path().join("thimble_1.h5");
        fs::hard_link(&files[0], &path).unwrap();
        Self {
            folder,
            files,
            path,
        }
    }

    /// Renames the one and the other to the path as fast as that goes, while `work` is done.
    fn renaming<T>(&self, work: impl FnOnce() -> T) -> T {
        let done = AtomicBool::new(false);
        let meanwhile = self.folder.path().join("next.h5");
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for file in &self.files {
                        fs::hard_link(file, &meanwhile).unwrap();
                        fs::rename(&meanwhile, &self.path).unwrap();
                        // A rename of two names of one file leaves both.
                        let _ = fs::remove_file(&meanwhile);
                    }
                }
            });
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            done.store(true, Ordering::Relaxed);
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

#[test]
fn a_file_that_is_replaced_by_a_rename_is_never_mixed_with_the_next() {
    let pair = Pair::new();
    let found = pair.renaming(|| open_all(&pair.path, opens(1_000)));
    assert!(found.iter().all(|&count| count > 0), "{found:?}: no race");
}

/// The same by way of a symbolic link that is renamed, as those do who publish a version.
#[test]
fn a_link_that_is_replaced_is_never_mixed_with_the_next() {
    let pair = Pair::new();
    let link = pair.folder.path().join("latest.h5");
    std::os::unix::fs::symlink("thimble_1.h5", &link).unwrap();
    let found = pair.renaming(|| open_all(&link, opens(600)));
    assert!(found.iter().all(|&count| count > 0), "{found:?}: no race");
}

/// The child: writes the one file and the other anew over the path, until it is killed.
#[test]
fn child_that_rechunks() {
    if !is_child("child_that_rechunks") {
        return;
    }
    let folder: PathBuf = setting("FOLDER");
    loop {
        for name in ["1.h5", "2.h5"] {
            let path = folder.join("thimble_1.h5");
            let rechunk = Rechunk::new(folder.join(name), path).overwrite(true);
            // Somebody who reads may have it open for a moment.
            let _ = rechunk.sync(false).run(|_| {});
        }
    }
}

#[test]
fn a_file_that_is_rechunked_over_is_never_mixed_with_the_next() {
    let pair = Pair::new();
    let settings = [("FOLDER", pair.folder.path().display().to_string())];
    let child = again("child_that_rechunks", &settings).spawn().unwrap();
    let _child = Guard(child);
    let found = open_all(&pair.path, opens(600));
    assert!(found.iter().sum::<u64>() > 0);
}

/// What is changed in place is the file that is locked, whatever gets its name meanwhile: 60 changes in
/// turn, and each file has all of its own and nothing of the other.
#[test]
fn what_is_changed_in_place_is_the_file_that_is_locked() {
    let pair = Pair::new();
    let changed = pair.renaming(|| {
        let mut changed = 0;
        for _ in 0..20 {
            // Another file may have the name by the time that it is locked.
            changed += u64::from(recover(&pair.path).is_ok());
            changed += u64::from(add_checksums(&pair.path, |_| {}).is_ok());
            changed += u64::from(Recorder::resume(&pair.path).start().is_ok());
        }
        changed
    });
    println!("{changed} of 60 changes were made");
    assert!(changed > 0);
    for (file, value) in pair.files.iter().zip(1..) {
        let reader = Reader::open(file).unwrap();
        assert_eq!(values(&reader).unwrap(), [value]);
    }
}

/// A file that is replaced between its lock and the change is not changed, and the one that replaced it
/// is not, either.
#[test]
fn a_mark_goes_into_the_file_that_was_looked_at() {
    let pair = Pair::new();
    for file in &pair.files {
        fs::remove_file(file).unwrap();
        let file = hdf5::File::create(file).unwrap();
        let data = file.new_dataset_builder().with_data(&[0x3F80_u16; 4]);
        data.create("W").unwrap();
    }
    pair.renaming(|| {
        for _ in 0..50 {
            let _ = mark_bf16(&pair.path, "W");
        }
    });
    for file in &pair.files {
        // Both are whole, and are marked or not.
        let reader = Reader::open(file).unwrap();
        assert!(matches!(
            reader.tensor("W").unwrap().dtype(),
            Ok(Dtype::Bf16 | Dtype::U16)
        ));
        assert!(!reader.has_swmr_mark());
    }
}

/// libhdf5 made the new file by the partial name, and so over whatever a link led to that came there
/// after the partial file was made.
#[test]
fn a_link_that_comes_in_the_place_of_a_partial_file_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("thesis.txt");
    fs::write(&text, "my thesis").unwrap();
    let [input, output] = ["1.h5", "thimble_1.h5"].map(|name| folder.path().join(name));
    record(&input, 1);
    let partial = folder.path().join(".thimble_1.h5.partial");
    let (done, link) = (AtomicBool::new(false), folder.path().join("link"));
    let failures = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // Only over a partial file that is there.
                if partial.exists() {
                    std::os::unix::fs::symlink("thesis.txt", &link).unwrap();
                    fs::rename(&link, &partial).unwrap();
                    thread::sleep(Duration::from_micros(200));
                    let _ = fs::remove_file(&partial);
                }
            }
        });
        let mut failures = 0;
        for _ in 0..60 {
            let rechunk = Rechunk::new(&input, &output)
                .overwrite(true)
                .checksums(true);
            failures += u64::from(rechunk.sync(false).run(|_| {}).is_err());
            let run = Recorder::create(&output)
                .overwrite(true)
                .scalar::<u8>("x")
                .start();
            failures += u64::from(run.is_err());
            // Who may write in a folder may rename whatever is there, also between the last look and the
            // renaming, which is told. The next writer is not to follow such a link as its user's own.
            if output.is_symlink() {
                fs::remove_file(&output).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
        failures
    });
    println!("{failures} of 120 files were not made");
    assert!(failures > 0, "the link never came in time");
    assert_eq!(fs::read_to_string(&text).unwrap(), "my thesis");
}

/// The lock is that of the file, whatever name leads to it.
#[test]
fn a_lock_holds_by_whatever_name_the_file_is_opened() {
    let pair = Pair::new();
    let [hard, soft] = ["hard.h5", "soft.h5"].map(|name| pair.folder.path().join(name));
    fs::hard_link(&pair.files[0], &hard).unwrap();
    std::os::unix::fs::symlink("1.h5", &soft).unwrap();
    let lock = LockedFile::open(&pair.files[0]).unwrap();
    for name in [&hard, &soft] {
        let run = Recorder::resume(name).start();
        let refused = matches!(
            run,
            Err(DeclareError::Storage(StorageError::File(
                FileError::InUse { .. }
            )))
        );
        assert!(refused, "{run:?}");
    }
    // What a link leads to now is another file.
    fs::remove_file(&soft).unwrap();
    std::os::unix::fs::symlink("2.h5", &soft).unwrap();
    Recorder::resume(&soft).start().unwrap();
    drop(lock);
    Recorder::resume(&hard).start().unwrap();
}
