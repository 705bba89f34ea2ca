//! Resuming and recovering files that have been changed since, and with another declaration.

use std::fs;
use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    Attribute, DeclareError, Reader, RecordError, Recorder, RecorderBuilder, RunState,
    StorageError, recover,
};
use selvedge_testing::python;

fn declare(builder: RecorderBuilder) -> RecorderBuilder {
    builder
        .tensor::<u16>("W", [3, 2])
        .scalar::<f32>("loss")
        .constant("ids", &[1_i32, 2])
        .attribute("pace", 1e-3)
        .attribute("nothing", f64::NAN)
        .chunk_target(48)
}

fn append(run: &mut Recorder, steps: std::ops::Range<u16>) {
    for step in steps {
        run.append(|row| row.put("W", &[step; 6])?.put("loss", &f32::from(step)))
            .unwrap();
    }
}

/// A finished file of `steps` steps.
fn finished(folder: &Path, steps: u16, planned: Option<u64>) -> PathBuf {
    let path = folder.join("run_1.h5");
    let mut builder = declare(Recorder::create(&path));
    if let Some(planned) = planned {
        builder = builder.steps(planned);
    }
    let mut run = builder.start().unwrap();
    append(&mut run, 0..steps);
    run.finish().unwrap();
    path
}

fn check(path: &Path, steps: u16) {
    let file = Reader::open(path).unwrap();
    assert_eq!(file.committed_steps(), u64::from(steps));
    let loss = file.tensor("loss").unwrap().read::<f32>().unwrap();
    assert!(loss.into_iter().eq((0..steps).map(f32::from)));
    let w = file.tensor("W").unwrap().read::<u16>().unwrap();
    assert!(w.into_iter().eq((0..steps).flat_map(|step| [step; 6])));
}

const ADD_OBJECTS: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "r+") as f:
    f.create_dataset("pca", data=np.ones((10, 5)), chunks=(10, 5))
    f.create_dataset("odd", data=np.ones(701, "u1"), chunks=(701,))
    f.create_dataset("grown", data=np.ones((3, 3)), chunks=(1, 3), maxshape=(None, 3), compression="gzip")
    f.create_group("notes").attrs["text"] = "by hand"
    f["link"] = h5py.SoftLink("/nowhere")
    f["type"] = np.dtype("f4")
    f["plain"] = np.arange(4)
    f.attrs["added"] = 1
"#;

/// A user adds results to a finished file with h5py. `recover` took each chunked dataset for a step
/// tensor, and cut the run down to its 10 rows; a group, a link or an odd address made it refuse.
#[test]
fn what_h5py_adds_to_a_finished_file_is_no_step_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = finished(folder.path(), 104, None);
    python::on_file(ADD_OBJECTS, &path);
    let before = fs::read(&path).unwrap();
    let found = recover(&path).unwrap();
    assert_eq!(
        (found.committed, found.state, found.changed),
        (104, RunState::Finished, false)
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    check(&path, 104);
    let mut run = declare(Recorder::resume(&path)).start().unwrap();
    append(&mut run, 104..300);
    run.finish().unwrap();
    check(&path, 300);
}

const LENGTHEN: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1], "r+") as f:
    f["W"].resize(101, axis=0)
"#;

/// The same for tensors that h5py gave different lengths: which steps count is not ours to say.
#[test]
fn a_finished_file_with_tensors_of_different_lengths_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = finished(folder.path(), 100, None);
    python::on_file(LENGTHEN, &path);
    let before = fs::read(&path).unwrap();
    let found = recover(&path).unwrap();
    assert_eq!(
        (found.changed, found.changed_by_others),
        (false, vec![("W".to_owned(), 101)])
    );
    assert_eq!(found.ahead, []);
    let refused = declare(Recorder::resume(&path)).start().unwrap_err();
    assert!(
        matches!(
            refused,
            DeclareError::Storage(StorageError::UnequalSteps { .. })
        ),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("tensor `W` has 101 steps"),
        "{refused}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// A mistake in the number of steps was found after the file had been marked as being recorded, with
/// the mistake in it: so no later `resume` worked either.
#[test]
fn a_refused_resume_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for planned in [None, Some(9)] {
        let path = finished(folder.path(), 9, planned);
        let before = fs::read(&path).unwrap();
        if planned.is_none() {
            for steps in [0, 5] {
                let refused = declare(Recorder::resume(&path))
                    .steps(steps)
                    .start()
                    .unwrap_err();
                assert!(
                    matches!(refused, DeclareError::ResumeMismatch { .. }),
                    "{refused}"
                );
            }
        }
        let refused = declare(Recorder::resume(&path))
            .memory_budget(10)
            .start()
            .unwrap_err();
        assert!(
            matches!(refused, DeclareError::MemoryBudget { .. }),
            "{refused}"
        );
        assert_eq!(fs::read(&path).unwrap(), before);
        fs::remove_file(&path).unwrap();
    }
}

/// A number of steps bounds the run that resumes an open-ended file, and not the file.
#[test]
fn an_open_ended_file_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = finished(folder.path(), 9, None);
    let mut run = declare(Recorder::resume(&path)).steps(12).start().unwrap();
    append(&mut run, 9..12);
    let beyond = run
        .append(|row| row.put("W", &[0_u16; 6])?.put("loss", &0.0_f32))
        .unwrap_err();
    assert!(
        matches!(beyond, RecordError::BeyondPlan { planned: 12 }),
        "{beyond}"
    );
    run.finish().unwrap();
    assert_eq!(Reader::open(&path).unwrap().planned_steps(), None);
    let mut run = Recorder::resume(&path).start().unwrap();
    append(&mut run, 12..20);
    run.finish().unwrap();
    check(&path, 20);
}

#[test]
fn the_plan_of_a_resumed_run_has_the_chunks_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = finished(folder.path(), 9, Some(9));
    let chunk = Reader::open(&path)
        .unwrap()
        .tensor("W")
        .unwrap()
        .chunk_shape()
        .unwrap()
        .to_vec();
    let builder = Recorder::resume(&path).steps(5_000);
    let mut plan = builder.plan().unwrap();
    let w = plan
        .tensors
        .iter()
        .find(|tensor| tensor.tensor == "W")
        .unwrap();
    assert_eq!((plan.steps, &w.chunk_shape), (Some(5_000), &chunk));
    let run = builder.start().unwrap();
    // Another process may use the disk meanwhile.
    plan.free_disk = run.plan().free_disk;
    assert_eq!(run.plan(), &plan);
}

/// The attributes that the recorder writes were "declared twice".
#[test]
fn a_reserved_attribute_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["created", "notebook", "selvedge_state"] {
        let builder = Recorder::create(folder.path().join("run_1.h5")).scalar::<f32>("loss");
        let builder = builder.attribute(name, Attribute::Int(1));
        let planned = builder.plan().unwrap_err();
        assert!(
            planned.to_string().contains("does not write itself"),
            "{planned}"
        );
        assert!(matches!(
            builder.start().unwrap_err(),
            DeclareError::InvalidName { .. }
        ));
    }
}

/// A run that was resumed although it was complete, and whose process then died, was called one whose writer
/// died; `recover` had nothing to do.
#[test]
fn a_complete_run_stays_finished_when_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = finished(folder.path(), 5, Some(5));
    let mut run = Recorder::resume(&path).start().unwrap();
    let beyond = run.append(|row| row.put("W", &[0_u16; 6])?.put("loss", &0_f32));
    assert!(matches!(
        beyond,
        Err(RecordError::BeyondPlan { planned: 5 })
    ));
    drop(run);
    assert_eq!(Reader::open(&path).unwrap().state(), RunState::Finished);
    Recorder::resume(&path).start().unwrap().finish().unwrap();
    check(&path, 5);
    // With more steps it goes on as ever.
    let mut run = Recorder::resume(&path).steps(7).start().unwrap();
    assert_eq!(Reader::open(&path).unwrap().state(), RunState::Recording);
    append(&mut run, 5..7);
    run.finish().unwrap();
    check(&path, 7);
}

/// A learning rate of 0.1 as float32 came back as 0.10000000149011612.
#[test]
fn attributes_of_32_bits_come_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    let declare = |builder: RecorderBuilder| {
        builder
            .attribute("rate", 0.1_f32)
            .attribute("betas", vec![0.9_f32, 0.95])
    };
    let mut run = declare(self::declare(Recorder::create(&path)).attribute("wide", 0.1)).start();
    append(run.as_mut().unwrap(), 0..2);
    run.unwrap().finish().unwrap();
    let file = Reader::open(&path).unwrap();
    assert_eq!(file.attribute("rate"), Some(&Attribute::Float32(0.1)));
    assert_eq!(file.attribute("rate").unwrap().to_string(), "0.1");
    assert_eq!(
        file.attribute("rate").unwrap().as_f64(),
        Some(0.1_f32.into())
    );
    assert_eq!(
        file.attribute("betas"),
        Some(&Attribute::Floats32(vec![0.9, 0.95]))
    );
    assert_eq!(file.attribute("wide"), Some(&Attribute::Float(0.1)));
    let script = "
import sys, h5py, numpy as np
a = h5py.File(sys.argv[1]).attrs
assert a['rate'] == np.float32(0.1) and a['rate'].dtype == 'f4' and a['betas'].dtype == 'f4', dict(a)
";
    python::on_file(script, &path);
    // Files of before have them with 64 bits, and go on.
    let wide = Recorder::resume(&path)
        .attribute("rate", f64::from(0.1_f32))
        .start();
    wide.unwrap().finish().unwrap();
    let other = Recorder::resume(&path).attribute("rate", 0.1).start();
    assert!(other.unwrap_err().to_string().contains("attribute `rate`"));
}

/// The chunks of a run that ended before its planned steps stayed in the index, and programs that go by chunks, such as
/// VirtualiZarr, took them for parts of the array.
#[test]
fn a_run_that_ends_early_has_no_chunks_beyond_its_steps_and_goes_on() {
    const LOOK: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1], "r+") as f:
    for name in ["W", "loss"]:
        d = f[name]
        rows = {d.id.get_chunk_info(n).chunk_offset[0] for n in range(d.id.get_num_chunks())}
        assert rows == set(range(0, len(d), d.chunks[0])), (name, rows, d.shape)
        d.resize(len(d) + 6, axis=0)
        d[-6:] = 0
        assert len(d[()]) == len(d)
        d.resize(len(d) - 6, axis=0)
"#;
    let folder = tempfile::tempdir().unwrap();
    let path = finished(folder.path(), 7, Some(400));
    for steps in [7, 30, 400] {
        let mut run = declare(Recorder::resume(&path)).start().unwrap();
        let committed = u16::try_from(run.committed()).unwrap();
        append(&mut run, committed..steps);
        run.finish().unwrap();
        python::on_file(LOOK, &path);
        check(&path, steps);
    }
}
