//! Which datasets are the run: what other programs add to a file, append to its tensors and write anew.

use std::fs;
use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    Attribute, CompareOptions, Compression, DeclareError, Note, Reader, Rechunk, Recorder,
    RewriteError, Role, RunState, StorageError, compare, plan_recovery, recover,
};
use selvedge_testing::python;

const STEPS: u16 = 20;

/// A finished run of `W`, `losses` and a mask. Rows of 8,192 elements are compressed where that is
/// asked for.
fn finished(folder: &Path, compression: Compression) -> PathBuf {
    let path = folder.join("thimble_1.h5");
    let mut run = Recorder::create(&path)
        .compression(compression)
        .steps(STEPS.into())
        .tensor::<u16>("W", [8, 1024])
        .scalar::<f32>("losses")
        .constant("mask", &[true, false])
        .start()
        .unwrap();
    for step in 0..STEPS {
        run.append(|row| {
            row.put("W", &[step; 8192])?;
            row.put("losses", &f32::from(step))
        })
        .unwrap();
    }
    run.finish().unwrap();
    path
}

fn golden(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join("thimble_1.h5");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    fs::copy(golden.join(name), &path).unwrap();
    path
}

/// The step tensors, and the steps of each.
fn steps(file: &Reader) -> Vec<(&str, u64)> {
    let tensors = file.tensors().iter();
    let steps = tensors.filter(|tensor| tensor.role() == Role::Step);
    steps
        .map(|tensor| (tensor.name(), tensor.steps()))
        .collect()
}

#[track_caller]
fn check_values(file: &Reader) {
    assert_eq!(steps(file), [("W", 20), ("losses", 20)]);
    let (w, losses) = (file.tensor("W").unwrap(), file.tensor("losses").unwrap());
    for step in 0..STEPS {
        assert_eq!(w.read_step::<u16>(step.into()).unwrap(), [step; 8192]);
    }
    assert_eq!(
        losses.read_steps::<f32>(17..20).unwrap(),
        [17.0, 18.0, 19.0]
    );
}

const ADD: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "r+") as f:
    f.create_dataset("eval_loss", data=np.arange(3.0), maxshape=(None,), chunks=(64,))
    f.create_dataset("packed", data=np.arange(3.0), maxshape=(None,), compression="gzip")
    f.create_dataset("nothing_yet", shape=(0,), maxshape=(None,), dtype="f4")
    log = f.create_dataset("log", shape=(2,), maxshape=(None,), dtype=h5py.string_dtype())
    log[:] = ["started", "ended"]
    scale = f.create_dataset("phony_dim_0", shape=(0,), maxshape=(None,), dtype=">f4", chunks=(1024,))
    scale.make_scale("This is a netCDF dimension but not a netCDF variable.         0")
    table = f.create_dataset("tables/rows", shape=(2,), maxshape=(None,), dtype="i4,f8")
    if len(sys.argv) > 2:
        with h5py.File(sys.argv[2]) as other:
            other.copy("W", f, "W_of_another_run")
"#;

const ADDED: [&str; 5] = ["eval_loss", "log", "nothing_yet", "packed", "tables/rows"];

fn added(file: &Reader) -> Vec<&str> {
    let notes = file.notes().iter();
    notes
        .filter_map(|note| match note {
            Note::Added { dataset } => Some(dataset.as_str()),
            _ => None,
        })
        .collect()
}

/// A resizable dataset of 3 values that h5py added made a finished run of 20 steps show 3, and
/// `recover` cut a killed one to 3 steps, or to none. What others add changes nothing, whatever it is,
/// and is told.
#[test]
fn what_others_add_is_told_and_changes_nothing() {
    for compression in [Compression::None, Compression::Fast] {
        let folder = tempfile::tempdir().unwrap();
        let path = finished(folder.path(), compression);
        let other = folder.path().join("short_1.h5");
        let mut short = Recorder::create(&other)
            .tensor::<u16>("W", [2])
            .start()
            .unwrap();
        short.append(|row| row.put("W", &[1_u16; 2])).unwrap();
        short.finish().unwrap();
        python::run(ADD, [&path, &other]);
        let file = Reader::open(&path).unwrap();
        assert_eq!(file.committed_steps(), 20);
        check_values(&file);
        let told = added(&file);
        assert_eq!(told.split_first(), Some((&"W_of_another_run", &ADDED[..])));
        drop(file);

        let again = folder.path().join("again_1.h5");
        let rechunk = Rechunk::new(&path, &again).skip_unsupported(true);
        rechunk.run(|_| {}).unwrap();
        let file = Reader::open(&again).unwrap();
        check_values(&file);
        assert_eq!(file.notes(), []);
        assert_eq!(
            file.tensor("eval_loss").unwrap().read::<f64>().unwrap(),
            [0.0, 1.0, 2.0]
        );
    }
}

#[test]
fn a_killed_run_is_recovered_beside_what_others_added() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["now", "format1_killed.h5", "format2_killed.h5"] {
        let path = match name {
            "now" => {
                let path = finished(folder.path(), Compression::None);
                python::on_file(DIED, &path);
                path
            }
            golden_file => golden(folder.path(), golden_file),
        };
        let before = Reader::open(&path).unwrap();
        let (committed, count) = (before.committed_steps(), steps(&before).len());
        let names: Vec<(String, u64)> = steps(&before)
            .into_iter()
            .map(|(name, steps)| (name.to_owned(), steps))
            .collect();
        drop(before);
        assert!(committed > 3 && count > 1, "{name}");
        python::on_file(ADD, &path);
        let found = recover(&path).unwrap();
        assert_eq!((found.committed, found.changed), (committed, true));
        assert!(found.ahead.is_empty() && found.changed_by_others.is_empty());
        let file = Reader::open(&path).unwrap();
        assert_eq!(file.state(), RunState::Recovered);
        let names: Vec<(&str, u64)> = names.iter().map(|(n, s)| (n.as_str(), *s)).collect();
        assert_eq!(steps(&file), names, "{name}");
        assert_eq!(added(&file), ADDED, "{name}");
        drop(file);
        // … and goes on beside it.
        if name == "now" {
            let mut run = Recorder::resume(&path).steps(21).start().unwrap();
            run.append(|row| {
                row.put("W", &[20_u16; 8192])?;
                row.put("losses", &20.0_f32)
            })
            .unwrap();
            run.finish().unwrap();
            let file = Reader::open(&path).unwrap();
            assert_eq!(steps(&file), [("W", 21), ("losses", 21)]);
        }
    }
}

const DIED: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1], "r+") as f:
    f.attrs.modify("selvedge_state", 0)
"#;

const APPEND: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1], "r+") as f:
    for name in sys.argv[2].split():
        f[name].resize(25, axis=0)
        f[name][20:] = 7
"#;

/// h5py took steps from all step tensors, and from one fewer: that one was told as if steps had been appended
/// to it.
#[test]
fn steps_that_others_lost_are_not_called_appended() {
    let folder = tempfile::tempdir().unwrap();
    let path = finished(folder.path(), Compression::None);
    let cut = r#"
import sys, h5py
with h5py.File(sys.argv[1], "r+") as f:
    for name, d in f.items():
        if len(d) == 20 and d.maxshape[0] is None:
            d.resize(19 if name == "W" else 18, axis=0)
"#;
    python::on_file(cut, &path);
    let file = Reader::open(&path).unwrap();
    assert_eq!(file.committed_steps(), 18);
    let told: Vec<String> = file.notes().iter().map(ToString::to_string).collect();
    let told = told.join("\n");
    assert!(
        told.contains("the run had 20 steps, and 18 are left"),
        "{told}"
    );
    assert!(
        told.contains("`W` is ahead by 1 step of the run that another program took from other"),
        "{told}"
    );
    assert!(!told.contains("appended"), "{told}");
    assert!(file.notes().iter().all(Note::is_change));
}

/// h5py appended 5 steps to `W` alone of a finished run, which were explained with a commit that was
/// cut short and dropped by `rechunk`. In a run whose writer died `recover` took them back.
#[test]
fn steps_that_one_tensor_got_are_told_and_not_dropped() {
    for died in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = finished(folder.path(), Compression::None);
        python::run(APPEND, [path.as_os_str(), "W".as_ref()]);
        if died {
            python::on_file(DIED, &path);
        }
        let file = Reader::open(&path).unwrap();
        check_values(&file);
        let ahead = Note::Appended {
            tensor: "W".to_owned(),
            steps: 5,
            committed: 20,
            others_shortened: false,
        };
        assert_eq!(file.notes(), [ahead]);
        drop(file);

        let again = folder.path().join("again_1.h5");
        let rechunk = Rechunk::new(&path, &again);
        let refused = rechunk.run(|_| {}).unwrap_err();
        assert!(
            matches!(&refused, RewriteError::UnequalSteps { tensors, committed: 20, .. }
                if *tensors == [("W".to_owned(), 25)]),
            "{refused}"
        );
        assert!(!again.exists());
        let summary = rechunk.common_steps(true).run(|_| {}).unwrap();
        let told = summary.plan.left_out.iter();
        assert!(
            told.clone().any(|(what, _)| what == "5 steps of `W`"),
            "{told:?}"
        );
        check_values(&Reader::open(&again).unwrap());

        let found = recover(&path).unwrap();
        assert_eq!((found.changed, found.committed), (died, 20));
        assert_eq!(found.changed_by_others, [("W".to_owned(), 25)]);
        assert_eq!(found.ahead, []);
        let file = Reader::open(&path).unwrap();
        assert_eq!(file.tensor("W").unwrap().extent(), Some(25));
        let refused = Recorder::resume(&path).start().unwrap_err();
        let refused = refused.to_string();
        assert!(refused.contains("tensor `W` has 25 steps"), "{refused}");
    }
}

/// h5py cut `losses` of runs of the first formats to nothing, and `recover` said of their files that there was
/// nothing to lose.
#[test]
fn a_tensor_that_was_cut_to_nothing_does_not_hide_the_steps_of_the_others() {
    const CUT: &str = "import sys, h5py\n\
         with h5py.File(sys.argv[1], 'r+') as f: f['losses'].resize(0, axis=0)";
    let folder = tempfile::tempdir().unwrap();
    for (name, expected) in [
        ("format1_killed.h5", 11),
        ("format1_open_killed.h5", 25),
        ("format2_killed.h5", 6),
    ] {
        let path = golden(folder.path(), name);
        python::on_file(CUT, &path);
        let error = recover(&path).unwrap_err();
        assert!(
            matches!(error, StorageError::UnequalSteps { steps, committed: 0, .. } if steps == expected),
            "{name}: {error}"
        );
        let same = Reader::open(&path).unwrap().check_in_place().unwrap_err();
        assert_eq!(same.to_string(), error.to_string());
    }
}

#[test]
fn steps_that_all_tensors_got_are_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = finished(folder.path(), Compression::None);
    python::run(APPEND, [path.as_os_str(), "W losses".as_ref()]);
    let file = Reader::open(&path).unwrap();
    assert_eq!(steps(&file), [("W", 25), ("losses", 25)]);
    assert_eq!(file.notes(), [Note::AppendedToAll { steps: 5 }]);
    let w = file.tensor("W").unwrap();
    assert_eq!(w.read_step::<u16>(24).unwrap(), [7; 8192]);
}

/// What h5py, h5repack and programs that write netCDF make of a file, attributes and all: netCDF has
/// lists of one where HDF5 has single numbers.
const REWRITE: &str = r#"
import sys, h5py, numpy as np
source, target, how = sys.argv[1:]
with h5py.File(source) as old, h5py.File(target, "w") as new:
    keep = (lambda v: np.atleast_1d(v) if isinstance(v, np.integer) else v) if how == "netcdf" else (lambda v: v)
    new.attrs.update({k: keep(v) for k, v in old.attrs.items()})
    for name, d in old.items():
        more = {}
        if d.chunks and how == "gzip":
            more = {"chunks": d.chunks, "maxshape": d.maxshape, "compression": "gzip", "shuffle": True}
        elif d.chunks and how == "chunked":
            more = {"chunks": True}
        copy = new.create_dataset(name, data=d[()], **more)
        copy.attrs.update({k: keep(v) for k, v in d.attrs.items()})
    if how == "netcdf":
        scale = new.create_dataset("phony_dim_0", shape=(0,), maxshape=(None,), dtype=">f4", chunks=(1024,))
        scale.make_scale("phony_dim_0")
"#;

/// A finished run that another program wrote anew, with a fixed shape or with gzip, showed 0 of 20
/// steps.
#[test]
fn a_run_that_another_program_wrote_anew_keeps_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Fast] {
        let path = finished(folder.path(), compression);
        for how in ["fixed", "chunked", "gzip", "netcdf"] {
            let anew = folder.path().join("anew_1.h5");
            python::run(REWRITE, [path.as_os_str(), anew.as_os_str(), how.as_ref()]);
            let file = Reader::open(&anew).unwrap();
            assert_eq!(
                (file.committed_steps(), file.state()),
                (20, RunState::Finished),
                "{how}"
            );
            check_values(&file);
            drop(file);

            let refused = Recorder::resume(&anew).start().unwrap_err().to_string();
            assert!(refused.contains("rechunk"), "{how}: {refused}");

            let again = folder.path().join("again_1.h5");
            let rechunk = Rechunk::new(&anew, &again).overwrite(true);
            rechunk.run(|_| {}).unwrap();
            check_values(&Reader::open(&again).unwrap());
            let run = Recorder::resume(&again).start().unwrap();
            assert_eq!(run.committed(), 20, "{how}");
        }
        fs::remove_file(&path).unwrap();
    }
}

/// In a file of a version before 3 nothing names the step tensors: they are told by how the recorder
/// made them, or where another program wrote the file anew, by the largest.
#[test]
fn earlier_versions_keep_their_steps() {
    for name in [
        "format1_finished.h5",
        "format1_recovered.h5",
        "format2_fast.h5",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = golden(folder.path(), name);
        let file = Reader::open(&path).unwrap();
        let (committed, found) = (file.committed_steps(), steps(&file).len());
        let format = file.attribute("selvedge_format").cloned();
        assert_ne!(format, Some(Attribute::Int(3)));
        drop(file);
        assert!(committed > 3 && found > 1, "{name}");
        for how in ["", "fixed", "gzip"] {
            let anew = folder.path().join("anew_1.h5");
            if how.is_empty() {
                fs::copy(&path, &anew).unwrap();
            } else {
                python::run(REWRITE, [path.as_os_str(), anew.as_os_str(), how.as_ref()]);
            }
            python::on_file(ADD, &anew);
            let file = Reader::open(&anew).unwrap();
            assert_eq!(file.committed_steps(), committed, "{name} {how}");
            assert_eq!(steps(&file).len(), found, "{name} {how}");
        }
    }
}

/// What looks most like a step tensor of a recorder without marks.
const ADD_LIKE_OURS: &str = r#"
import sys, h5py, numpy as np
from h5py import h5d, h5p, h5s, h5t
with h5py.File(sys.argv[1], "r+") as f:
    f.create_dataset("empty", shape=(0,), maxshape=(None,), dtype="f4")
    f.create_dataset("empty_rows", shape=(0, 8), maxshape=(None, 8), dtype="u2", chunks=(4, 8), fill_time="never")
    f.create_dataset("three", data=np.arange(3.0), maxshape=(None,), chunks=(64,), fill_time="never")
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((4,))
    plan.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5d.FILL_TIME_NEVER)
    h5d.create(f.id, b"early", h5t.IEEE_F32LE, h5s.create_simple((0,), (h5s.UNLIMITED,)), plan)
"#;

/// An empty dataset that can grow, added by h5py, made `recover`, and a run that was resumed without
/// declared tensors, set all tensors to 0 steps. Whatever the version of the file and its state are, each
/// command keeps what was committed.
#[test]
fn whatever_is_added_no_committed_step_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let again = folder.path().join("again_1.h5");
    for name in [
        "format1_killed.h5",
        "format1_ahead.h5",
        "format1_open_killed.h5",
        "format1_open_ended.h5",
        "format1_finished.h5",
        "format1_recovered.h5",
        "format2_killed.h5",
        "format2_ahead.h5",
        "format2_fast.h5",
        "format2_temporal.h5",
        "format 3, killed",
        "format 3, compressed, killed",
        "format 3, finished",
    ] {
        let path = match name.strip_prefix("format 3") {
            None => golden(folder.path(), name),
            Some(state) => {
                let compression = match state.contains("compressed") {
                    true => Compression::Fast,
                    false => Compression::None,
                };
                let path = finished(folder.path(), compression);
                if state.ends_with("killed") {
                    python::on_file(DIED, &path);
                }
                path
            }
        };
        let found = |path: &Path| {
            let file = Reader::open(path).unwrap();
            let found = steps(&file).into_iter();
            let found: Vec<_> = found
                .map(|(name, steps)| (name.to_owned(), steps))
                .collect();
            (file.committed_steps(), found)
        };
        let before = found(&path);
        assert!(before.0 > 3 && before.1.len() > 1, "{name}: {before:?}");
        python::on_file(ADD_LIKE_OURS, &path);
        assert_eq!(found(&path), before, "{name}");
        Rechunk::new(&path, &again).run(|_| {}).unwrap();
        assert_eq!(found(&again).0, before.0, "{name}");
        let whole = compare(
            &Reader::open(&path).unwrap(),
            &Reader::open(&again).unwrap(),
            &CompareOptions::default(),
            |_| {},
        );
        assert!(whole.unwrap().is_equal(), "{name}");
        // A run goes on in a file that was put in order, and in one that was not.
        let resumes = |path: &Path| match Recorder::resume(path).start() {
            Ok(run) => assert_eq!(run.committed(), before.0, "{name}, resumed"),
            Err(error) => assert!(
                matches!(error, DeclareError::ResumeArchive { .. }),
                "{name}: {error}"
            ),
        };
        let direct = folder.path().join("direct_1.h5");
        fs::copy(&path, &direct).unwrap();
        resumes(&direct);
        assert_eq!(found(&direct), before, "{name}, resumed");
        let planned = plan_recovery(&path).unwrap();
        let recovered = recover(&path).unwrap();
        assert_eq!(
            (planned.committed, recovered.committed),
            (before.0, before.0)
        );
        assert_eq!(found(&path), before, "{name}, recovered");
        resumes(&path);
        assert_eq!(found(&path), before, "{name}, recovered and resumed");
        fs::remove_file(&path).unwrap();
        fs::remove_file(&again).unwrap();
    }
}

const LINK: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1], "r+") as f:
    f.attrs.modify("selvedge_state", 0)
    f["elsewhere"] = h5py.ExternalLink("nowhere.h5", "/x")
"#;

/// A link to another file changes how HDF5 stores the root group. `recover` said that an object header
/// had no symbol table.
#[test]
fn a_link_to_another_file_is_not_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = finished(folder.path(), Compression::None);
    python::on_file(LINK, &path);
    let found = recover(&path).unwrap();
    assert_eq!((found.committed, found.changed), (20, true));
    check_values(&Reader::open(&path).unwrap());
    let run = Recorder::resume(&path).start().unwrap();
    assert_eq!(run.committed(), 20);
}
