//! How many steps a run has, whatever h5py does to its datasets: one answer for whoever asks.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    Compression, DeclareError, Note, Reader, Rechunk, Recorder, RewriteError, Role, RunState,
    StorageError, add_checksums, plan_recovery, recover,
};
use selvedge_testing::python;

/// Makes a file for each case out of one: what h5py does to a step tensor.
const CASES: &str = r#"
import shutil, sys, h5py, numpy as np
source, other, folder, n = *sys.argv[1:4], int(sys.argv[4])

def copy(steps=None):
    def make(f):
        f.copy("W", "A_copy")
        f.copy("W", "W_copy")
        if steps is not None:
            f["A_copy"].resize(steps, axis=0)
            f["W_copy"].resize(steps, axis=0)
    return make

def delete(f):
    del f["losses"]

def hard(f):
    f["A_link"] = f["W"]
    f["W_link"] = f["W"]

def soft(f):
    f["A_link"] = h5py.SoftLink("/W")

def group(f):
    f.copy("W", f.create_group("old"), "W")
    f.copy("old", "old_copy")
    f["old/W"].resize(1, axis=0)

def markers(f):
    d = f.create_dataset("notes", data=np.arange(3.0), maxshape=(None,), chunks=(64,), fill_time="never")
    for name, value in f["W"].attrs.items():
        d.attrs[name] = value

def foreign(name):
    def make(f):
        with h5py.File(other) as o:
            o.copy(name, f, name if name == "foreign" else "W_of_another_run")
    return make

cases = {
    "copied": copy(), "copied_shorter": copy(n - 1), "copied_and_cut": copy(2), "copied_longer": copy(n + 5),
    "renamed": lambda f: f.move("W", "V_new"), "deleted": delete, "hard_link": hard, "soft_link": soft,
    "group": group, "longer": lambda f: f["W"].resize(n + 5, axis=0), "shorter": lambda f: f["W"].resize(2, axis=0),
    "markers": markers, "foreign": foreign("W"), "foreign_own": foreign("foreign"),
}
for name, make in cases.items():
    path = f"{folder}/{name}.h5"
    shutil.copy(source, path)
    with h5py.File(path, "r+") as f:
        make(f)
"#;

const NAMES: [&str; 14] = [
    "copied",
    "copied_shorter",
    "copied_and_cut",
    "copied_longer",
    "renamed",
    "deleted",
    "hard_link",
    "soft_link",
    "group",
    "longer",
    "shorter",
    "markers",
    "foreign",
    "foreign_own",
];

/// Ends the run as a kill within its last commit does that all tensors had reached: then one that lacks a step
/// looks like a commit that was cut short.
const DIED: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1], "r+") as f:
    n = f["losses"].shape[0]
    f.attrs.modify("selvedge_state", 0)
    f.attrs.modify("selvedge_commit", [n - 1, n])
"#;

fn record(path: &Path, steps: u16, compression: Compression, planned: bool) {
    let mut run = Recorder::create(path)
        .compression(compression)
        .tensor::<u16>("W", [8, 1024])
        .scalar::<f32>("losses")
        .tensor::<f32>("bias", [3])
        .constant("mask", &[true, false]);
    if planned {
        run = run.steps(steps.into());
    }
    let mut run = run.start().unwrap();
    for step in 0..steps {
        run.append(|row| {
            row.put("W", &[step; 8192])?;
            row.put("bias", &[f32::from(step); 3])?;
            row.put("losses", &f32::from(step))
        })
        .unwrap();
    }
    run.finish().unwrap();
}

/// A run of 20 steps as it is made today, whose writer died if it `died`.
fn today(folder: &Path, name: &str, compression: Compression, planned: bool) -> PathBuf {
    let path = folder.join(name).with_extension("h5");
    record(&path, 20, compression, planned);
    if name.ends_with("died") {
        python::on_file(DIED, &path);
    }
    path
}

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    folder.join(name).with_extension("h5")
}

/// The step tensors with a hash of their bytes, those that h5py changed in the case left out.
fn values(file: &Reader, case: &str) -> Vec<(String, u64)> {
    let changed = match case {
        "renamed" => ["W", "V_new"],
        "deleted" => ["losses", ""],
        "longer" | "shorter" => ["W", ""],
        _ => ["", ""],
    };
    let tensors = file.tensors().iter();
    let kept =
        tensors.filter(|tensor| tensor.role() == Role::Step && !changed.contains(&tensor.name()));
    kept.map(|tensor| {
        (
            tensor.name().to_owned(),
            hash(&tensor.read_bytes().unwrap()),
        )
    })
    .collect()
}

/// A copy by h5py with another number of steps took steps from the run, and `recover` counted others than
/// `inspect`.
#[test]
fn in_files_of_today_a_copy_is_no_step_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let plain = today(folder.path(), "plain", Compression::None, true);
    let archive = folder.path().join("archive.h5");
    let rechunk = Rechunk::new(&plain, &archive).compression(Compression::Temporal);
    rechunk.run(|_| {}).unwrap();
    let of = |name, compression, planned| today(folder.path(), name, compression, planned);
    let bases = [
        of("plain_died", Compression::None, true),
        of("open_died", Compression::None, false),
        of("compressed_died", Compression::Fast, true),
        plain,
        archive,
    ];
    for (base, case, path) in cases(folder.path(), &bases) {
        let at = format!("{}, {case}", base.display());
        let steps = check(&base, case, &path, 20, &at);
        let copied = !["renamed", "deleted", "longer", "shorter"].contains(&case);
        if copied {
            // It is in nobody's way.
            assert_eq!(steps, 3, "{at}");
            add_checksums(&path, |_| {}).unwrap();
            match Recorder::resume(&path).start() {
                Ok(run) => assert_eq!(run.committed(), 20, "{at}"),
                Err(error) => assert!(matches!(error, DeclareError::ResumeArchive { .. }), "{at}"),
            }
        }
    }
}

/// A tensor of another run took steps from a finished one, and `recover` could not read the file.
#[test]
fn in_files_of_earlier_versions_a_copy_takes_no_steps() {
    let folder = tempfile::tempdir().unwrap();
    let bases = [
        "format1_finished",
        "format1_killed",
        "format1_open_ended",
        "format1_open_killed",
        "format2_fast",
        "format2_killed",
        "format2_temporal",
        "format3_finished",
        "format3_killed",
        "format3_fast",
    ];
    let bases = bases.map(golden);
    for (base, case, path) in cases(folder.path(), &bases) {
        let at = format!("{}, {case}", base.display());
        let file = Reader::open(&base).unwrap();
        let (before, died) = (file.committed_steps(), file.state() == RunState::Recording);
        drop(file);
        // Nothing in a file of versions 1 and 2 tells how many steps there were: of a killed one, whose tensors
        // may be ahead, the fewest count; of a finished one of two tensors those planned, or what both have.
        let is_early = !at.contains("format3");
        let is_open = died || at.contains("format1_open_ended");
        let expected = match case {
            "shorter" if is_open && is_early => 2,
            _ => before,
        };
        check(&base, case, &path, expected, &at);
        match add_checksums(&path, |_| {}) {
            Ok(()) | Err(RewriteError::Storage(StorageError::UnequalSteps { .. })) => {}
            // Copies that were cut have the checksums of what they were copied from. Those of the run are right,
            // unless it was cut itself.
            Err(error @ RewriteError::WrongChecksums { .. }) => {
                let told = error.to_string();
                let own = Reader::open(&base).unwrap();
                let mut own = own
                    .tensors()
                    .iter()
                    .map(|tensor| format!("`{}`:", tensor.name()));
                let is_right = own.all(|name| !told.contains(&name));
                assert!(is_right || case == "shorter", "{at}: {told}");
            }
            Err(error) => panic!("{at}: {error:?}"),
        }
    }
}

/// A link to another file has libhdf5 put the names of the root group in another order, and one that somebody had added became
/// the step tensor, and that of the run a constant.
#[test]
fn of_two_names_of_a_step_tensor_neither_is_taken_for_added() {
    let script = "
import sys, h5py
with h5py.File(sys.argv[1], 'a') as f:
    f['hard'] = f['losses']
    f['elsewhere'] = h5py.ExternalLink('nowhere.h5', '/x')
";
    let folder = tempfile::tempdir().unwrap();
    for (name, is_known) in [
        ("format1_finished", false),
        ("format2_fast", false),
        ("format3_finished", false),
        ("format3_numbered", true),
    ] {
        let path = folder.path().join(format!("{name}.h5"));
        fs::write(&path, fs::read(golden(name)).unwrap()).unwrap();
        python::on_file(script, &path);
        let file = Reader::open(&path).unwrap();
        assert_eq!(file.tensor("losses").unwrap().role(), Role::Step, "{name}");
        let notes: Vec<String> = file.notes().iter().map(ToString::to_string).collect();
        let both = "`hard`, `losses` are names of one step tensor";
        assert_eq!(
            notes.iter().any(|note| note.starts_with(both)),
            !is_known,
            "{name}: {notes:?}"
        );
        assert_eq!(
            notes.iter().any(|note| note.contains("added")),
            is_known,
            "{name}: {notes:?}"
        );
        match file.check_in_place() {
            Ok(()) => assert!(is_known, "{name}"),
            Err(error) => assert!(
                !is_known && error.to_string().contains("`hard`, `losses`"),
                "{error}"
            ),
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The files of all cases, one after the other: what it was made of, the case, and where it is.
fn cases(
    folder: &Path,
    bases: &[PathBuf],
) -> impl Iterator<Item = (PathBuf, &'static str, PathBuf)> {
    let other = folder.join("other.h5");
    record_other(&other);
    bases.iter().flat_map(move |base| {
        let steps = Reader::open(base).unwrap().committed_steps().to_string();
        let changed = other.parent().unwrap();
        let args = [
            base.as_os_str(),
            other.as_os_str(),
            changed.as_os_str(),
            OsStr::new(&steps),
        ];
        python::run(CASES, args);
        let path = |name| (base.clone(), name, changed.join(name).with_extension("h5"));
        NAMES.map(path)
    })
}

/// All say that the file at `path` has so many steps, and its step tensors have the values of those of `base`.
/// Returns how many these are.
fn check(base: &Path, case: &str, path: &Path, expected: u64, at: &str) -> usize {
    let found = Reader::open(path).unwrap();
    assert_eq!(
        found.committed_steps(),
        expected,
        "{at}: {:?}",
        found.notes()
    );
    let before = Reader::open(base).unwrap();
    if before.committed_steps() == expected {
        assert_eq!(values(&found, case), values(&before, case), "{at}");
    }
    let is_told = !found.notes().is_empty();
    assert!(is_told || ["renamed", "deleted"].contains(&case), "{at}");
    let steps = found
        .tensors()
        .iter()
        .filter(|tensor| tensor.role() == Role::Step);
    let steps = steps.count();
    drop(found);
    check_rewritten(path, &path.with_extension("again"), expected, at);
    let planned = plan_recovery(path).unwrap();
    let recovered = recover(path).unwrap();
    assert_eq!(
        (planned.committed, recovered.committed),
        (expected, expected),
        "{at}"
    );
    assert_eq!(
        recovered.changed,
        before.state() == RunState::Recording,
        "{at}"
    );
    let now = Reader::open(path).unwrap();
    assert_eq!(now.committed_steps(), expected, "{at}, recovered");
    steps
}

/// The same number in a file that is written anew; what is ahead is left out where the caller says so.
fn check_rewritten(path: &Path, again: &Path, steps: u64, at: &str) {
    let rechunk = Rechunk::new(path, again).overwrite(true).sync(false);
    match rechunk.run(|_| {}) {
        Ok(_) => {}
        Err(RewriteError::UnequalSteps { committed, .. }) => {
            assert_eq!(committed, steps, "{at}");
            rechunk.common_steps(true).run(|_| {}).unwrap();
        }
        Err(error) => panic!("{at}: {error:?}"),
    }
    assert_eq!(
        Reader::open(again).unwrap().committed_steps(),
        steps,
        "{at}, rechunked"
    );
}

/// A run of three steps.
fn record_other(path: &Path) {
    let mut run = Recorder::create(path)
        .steps(3)
        .tensor::<u16>("W", [2])
        .scalar::<f32>("foreign")
        .start()
        .unwrap();
    for _ in 0..3 {
        run.append(|row| {
            row.put("W", &[1_u16; 2])?;
            row.put("foreign", &1.0_f32)
        })
        .unwrap();
    }
    run.finish().unwrap();
}

/// Writes a file anew as other programs do: h5repack, which gives the datasets in the order of their names the plans
/// that they had or others; h5py, which copies them in any order, or their values alone.
const ANEW: &str = r#"
import sys, h5py
from h5py import h5d, h5p, h5s
source, folder = sys.argv[1:]

def repack(old, new, change=lambda plan, d: None, fixed=()):
    for name, d in sorted(old.items()):
        plan, space = d.id.get_create_plist(), d.id.get_space()
        plan = change(plan, d) or plan
        if name in fixed:
            plan.set_layout(h5d.CONTIGUOUS)
            space = h5s.create_simple(d.shape) if d.ndim else space
        copy = h5py.Dataset(h5d.create(new.id, name.encode(), d.id.get_type(), space, plan))
        if d.size:
            copy[...] = d[...]
        for key, value in d.attrs.items():
            copy.attrs.create(key, value, dtype=d.attrs.get_id(key).dtype)

def plain(plan, d):
    new = h5p.create(h5p.DATASET_CREATE)
    new.set_alloc_time(plan.get_alloc_time())
    new.set_fill_time(plan.get_fill_time())
    if d.chunks:
        new.set_chunk(d.chunks)
    return new

def gzip(plan, d):
    new = plain(plan, d)
    if d.chunks:
        new.set_deflate(1)
    return new

def chunk(plan, d):
    if d.ndim and d.size:
        plan.set_chunk((1,) + d.shape[1:])

def as_needed(plan, d):
    if d.chunks:
        plan.set_alloc_time(h5d.ALLOC_TIME_INCR)

def bare(old, new):
    for name in sorted(old):
        old.copy(name, new, without_attrs=True)

def objects(old, new):
    for name in reversed(sorted(old)):
        old.copy(name, new)

def values(old, new):
    for name, d in old.items():
        copy = new.create_dataset(name, data=d[()])
        copy.attrs.update(d.attrs)

hows = {
    "repack": repack, "latest": repack, "objects": objects, "latest_objects": objects, "values": values,
    "gzip": lambda old, new: repack(old, new, gzip), "plain": lambda old, new: repack(old, new, plain),
    "conti": lambda old, new: repack(old, new, plain, set(old)), "chunk": lambda old, new: repack(old, new, chunk),
    "losses": lambda old, new: repack(old, new, fixed={"losses"}), "netcdf": lambda old, new: repack(old, new, as_needed),
    "bare": bare,
}
for name, how in hows.items():
    libver = "latest" if name.startswith("latest") else "earliest"
    with h5py.File(source) as old, h5py.File(f"{folder}/{name}.h5", "w", libver=libver) as new:
        how(old, new)
        for key, value in old.attrs.items():
            new.attrs.create(key, value, dtype=old.attrs.get_id(key).dtype)
"#;

/// h5repack, nccopy and `h5py.Group.copy` made constants of step tensors of the first formats, or left them without steps; of
/// runs that had died within a commit they showed a step too many, which `recover` then wrote.
#[test]
fn files_of_every_version_keep_their_steps_when_they_are_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let goldens = std::fs::read_dir(golden("all").parent().unwrap()).unwrap();
    let goldens = goldens.map(|entry| entry.unwrap().path());
    let goldens: Vec<PathBuf> = goldens
        .filter(|path| path.extension() == Some("h5".as_ref()))
        .collect();
    assert!(goldens.len() > 20);
    for base in goldens {
        python::run(ANEW, [base.as_os_str(), folder.path().as_os_str()]);
        let before = Reader::open(&base).unwrap();
        for how in [
            "repack",
            "latest",
            "objects",
            "latest_objects",
            "values",
            "gzip",
            "plain",
            "conti",
            "chunk",
            "losses",
            "netcdf",
            "bare",
        ] {
            let at = format!("{}, {how}", base.display());
            let path = folder.path().join(how).with_extension("h5");
            let expected = before.committed_steps();
            let check = || {
                let found = Reader::open(&path).unwrap();
                assert_eq!(
                    found.committed_steps(),
                    expected,
                    "{at}: {:?}",
                    found.notes()
                );
                // Of what has lost its marks, constants of this length are step tensors, too.
                let is_own =
                    |(name, _): &(String, u64)| before.tensor(name).unwrap().role() == Role::Step;
                let own: Vec<_> = values(&found, "").into_iter().filter(is_own).collect();
                assert!(own == values(&before, "") || expected == 0, "{at}");
                let told = |name: &String| {
                    let is_named = |note: &Note| match note {
                        Note::Guessed { tensors } => tensors.contains(name),
                        _ => false,
                    };
                    found.notes().iter().any(is_named)
                };
                for (name, _) in values(&found, "") {
                    let is_own = before.tensor(&name).unwrap().role() == Role::Step;
                    assert!(is_own || told(&name), "{at}: `{name}`");
                }
            };
            check();
            match recover(&path) {
                Ok(recovered) => assert_eq!(recovered.committed, expected, "{at}"),
                Err(StorageError::WrittenAnew { steps, .. }) => assert_eq!(steps, expected, "{at}"),
                Err(error) => panic!("{at}: {error}"),
            }
            check();
        }
    }
}
