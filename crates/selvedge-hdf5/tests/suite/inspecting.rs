//! What a reader tells of a file without reading its data: layouts, filters, stored types, groups,
//! attributes of tensors, and whether there is a recorder.

use std::path::Path;

use selvedge_hdf5::{
    Attribute, DataLayout, Reader, Recorder, Role, RunState, Tensor, bf16, plan_recovery, recover,
};
use selvedge_testing::{Guard, again, is_child, python, setting};

const LAYOUTS: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    values = np.arange(24, dtype="uint16").reshape(4, 3, 2)
    f.create_dataset("contiguous", data=values)
    f.create_dataset("gzip", data=values, chunks=(1, 3, 2), compression="gzip", compression_opts=1, shuffle=True)
    f.create_dataset("lzf", data=values, chunks=(3, 3, 2), compression="lzf", fletcher32=True)
    f.create_dataset("unwritten", shape=(4, 3, 2), dtype="f4", chunks=(1, 3, 2))
    f.create_dataset("big_endian", data=values, dtype=">u2")
    f["big_endian"].attrs["logical_dtype"] = "bfloat16"
    f.create_dataset("text", data="a word")
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(f.id, b"compact", h5py.h5t.IEEE_F32LE, space, compact)
    layout = h5py.VirtualLayout(shape=(4, 3, 2), dtype="uint16")
    layout[...] = h5py.VirtualSource(f["contiguous"])
    f.create_virtual_dataset("virtual", layout)
"#;

#[test]
fn every_layout_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layouts.h5");
    python::on_file(LAYOUTS, &path);
    let file = Reader::open(&path).unwrap();
    let layout = |name: &str| file.tensor(name).unwrap().data_layout().unwrap();
    assert_eq!(layout("contiguous"), DataLayout::Contiguous);
    assert_eq!(layout("compact"), DataLayout::Compact);
    assert_eq!(layout("virtual"), DataLayout::Virtual);
    for (name, expected, chunks, names) in [
        ("gzip", &[1, 3, 2], 4, &["shuffle", "gzip-1"][..]),
        ("lzf", &[3, 3, 2], 2, &["lzf", "fletcher32"]),
        ("unwritten", &[1, 3, 2], 0, &[]),
    ] {
        let DataLayout::Chunked {
            shape,
            stored,
            filters,
            ..
        } = layout(name)
        else {
            panic!("{name} is chunked");
        };
        assert_eq!((&shape[..], stored), (&expected[..], chunks), "{name}");
        assert!(
            filters
                .iter()
                .map(|filter| &*filter.name)
                .eq(names.iter().copied()),
            "{filters:?}"
        );
    }
    let stored_type = |name: &str| file.tensor(name).unwrap().stored_type();
    assert_eq!(stored_type("contiguous"), "uint16");
    assert_eq!(stored_type("compact"), "float32");
    assert_eq!(stored_type("big_endian"), "big-endian uint16");
    let text = file.tensor("text").unwrap();
    assert_eq!(text.stored_type(), text.dtype_name());
    assert_eq!(file.tensor("contiguous").unwrap().stored_bytes(), 48);
    assert_eq!(file.tensor("unwritten").unwrap().stored_bytes(), 0);
}

const GROUPS: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "a") as f:
    f.create_dataset("model/layers/0/weight", data=np.arange(6, dtype="f4").reshape(2, 3))
    f.create_dataset("model/bias", data=np.ones(3), chunks=(1,), maxshape=(None,))
    f["model/layers"].attrs["unused"] = 1
    f["model/bias"].attrs["unit"] = "none"
    f["model/bias"].attrs["pair"] = np.array([(1, 2.0)], dtype="i4,f8")
    f["model/itself"] = f["model"]          # a group that is a member of itself
    f["again"] = f["model/layers"]          # a group of two names
    f["by_name"] = h5py.SoftLink("/model")
"#;

#[test]
fn tensors_in_groups_go_by_their_paths() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("groups.h5");
    python::on_file(GROUPS, &path);
    let file = Reader::open(&path).unwrap();
    let names: Vec<_> = file.tensors().iter().map(Tensor::name).collect();
    // Each is there once: under the name that is met first.
    assert_eq!(names, ["again/0/weight", "model/bias"]);
    let weight = file.tensor("again/0/weight").unwrap();
    assert_eq!(weight.read_step::<f32>(1).unwrap(), [3.0, 4.0, 5.0]);
    // It is the largest with two axes, so its rows are the steps.
    assert_eq!((weight.role(), weight.steps()), (Role::Step, 2));
    let bias = file.tensor("model/bias").unwrap();
    assert_eq!(bias.role(), Role::Constant);
    let unit = ("unit".to_owned(), Attribute::from("none"));
    assert_eq!(bias.attributes().unwrap(), [unit]);
    let skipped = bias.skipped_attributes().unwrap();
    assert!(skipped.len() == 1 && skipped[0].0 == "pair", "{skipped:?}");
}

/// What is added to a recorded file in a group is no part of its run.
#[test]
fn a_group_that_was_added_to_a_run_leaves_its_steps_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    record(&path, 5).finish().unwrap();
    python::on_file(GROUPS, &path);
    let file = Reader::open(&path).unwrap();
    assert_eq!(file.committed_steps(), 5);
    let bias = file.tensor("model/bias").unwrap();
    assert_eq!((bias.role(), bias.shape()), (Role::Constant, vec![3]));
    drop(file);
    let run = Recorder::resume(&path).steps(6).start().unwrap();
    assert_eq!(run.committed(), 5);
}

fn record(path: &Path, steps: u64) -> Recorder {
    let mut run = Recorder::create(path)
        .steps(steps)
        .tensor::<bf16>("W", [2])
        .scalar::<f32>("losses")
        .start()
        .unwrap();
    for _ in 0..steps {
        run.append(|step| step.put("W", &[bf16::ONE; 2])?.put("losses", &1.0_f32))
            .unwrap();
    }
    run.commit().unwrap();
    run
}

#[test]
fn a_recorder_is_noticed_and_so_is_its_end() {
    const NAME: &str = "inspecting::a_recorder_is_noticed_and_so_is_its_end";
    if is_child(NAME) {
        let path: String = setting("PATH");
        // Dies without a destructor.
        let _run = record(Path::new(&path), 5);
        std::process::abort();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    let run = record(&path, 5);
    let file = Reader::open(&path).unwrap();
    assert_eq!(file.state(), RunState::Recording);
    assert!(file.has_recorder().unwrap());
    run.finish().unwrap();
    assert!(!file.has_recorder().unwrap());

    let path = folder.path().join("run_2.h5");
    let mut child = Guard(
        again(NAME, &[("PATH", path.display().to_string())])
            .spawn()
            .unwrap(),
    );
    child.0.wait().unwrap();
    let file = Reader::open(&path).unwrap();
    assert_eq!(file.state(), RunState::Recording);
    assert!(!file.has_recorder().unwrap());
    drop(file);

    let before = std::fs::read(&path).unwrap();
    let planned = plan_recovery(&path).unwrap();
    assert!(planned.changed && planned.committed == 5, "{planned:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before, "nothing was written");
    assert_eq!(recover(&path).unwrap(), planned);
    assert!(!plan_recovery(&path).unwrap().changed);
}
