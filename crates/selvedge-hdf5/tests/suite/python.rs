//! Against stock h5py, both ways: what it reads of our files, and what we read of its files.

use std::ops::Range;
use std::path::Path;

use half::{bf16, f16};
use selvedge_hdf5::{
    Attribute, Compression, Dtype, ReadError, ReadPattern, Reader, RecordError, Recorder,
    RecorderBuilder, Role, RunState,
};
use selvedge_testing::python;

const CHECK_PATTERNS: &str = r#"
import sys, h5py, numpy as np, ml_dtypes
with h5py.File(sys.argv[1], "r") as f:
    patterns = np.arange(65536, dtype=np.uint16)
    assert list(f) == ["W", "table"], list(f)
    assert all(isinstance(f[k], h5py.Dataset) for k in f)
    assert f["W"].dtype == np.uint16 and f["W"].shape == (2, 256, 256), f["W"]
    assert f["W"].attrs["logical_dtype"] == "bfloat16"
    assert f["table"].attrs["logical_dtype"] == "bfloat16"
    np.testing.assert_array_equal(f["W"][0].reshape(-1), patterns)
    np.testing.assert_array_equal(f["W"][1].reshape(-1), patterns[::-1])
    np.testing.assert_array_equal(f["table"][:], patterns)
    # The seed's way of reading, with ml_dtypes in the place of torch.
    values = f["W"][:].view(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(values.view(np.uint16), f["W"][:])
"#;

#[test]
fn every_bf16_pattern_reaches_h5py_with_its_bits() {
    let folder = tempfile::tempdir().unwrap();
    let patterns: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).collect();
    let reversed: Vec<bf16> = patterns.iter().rev().copied().collect();
    // Whole steps in a chunk, a chunk cut in pieces, a run of unknown length, and compressed ones.
    for (name, pattern, steps, compression) in [
        (
            "whole",
            ReadPattern::WholeTensor,
            Some(2),
            Compression::None,
        ),
        (
            "pieces",
            ReadPattern::TokenSubset,
            Some(2),
            Compression::None,
        ),
        ("open", ReadPattern::WholeTensor, None, Compression::None),
        (
            "packed",
            ReadPattern::WholeTensor,
            Some(2),
            Compression::Fast,
        ),
        (
            "packed_open",
            ReadPattern::WholeTensor,
            None,
            Compression::Fast,
        ),
    ] {
        let path = folder.path().join(format!("{name}_1.h5"));
        let mut run = Recorder::create(&path)
            .tensor::<bf16>("W", [256, 256])
            .constant("table", &patterns)
            .read_pattern(pattern)
            .compression(compression);
        if let Some(steps) = steps {
            run = run.steps(steps);
        }
        let mut run = run.start().unwrap();
        run.append(|step| step.put("W", &patterns)).unwrap();
        run.append(|step| step.put("W", &reversed)).unwrap();
        run.finish().unwrap();
        python::on_file(CHECK_PATTERNS, &path);
        let file = Reader::open(&path).unwrap();
        let bits: Vec<u16> = (0..=u16::MAX).collect();
        assert_eq!(file.tensor("W").unwrap().read_step::<u16>(0).unwrap(), bits);
        assert_eq!(file.tensor("table").unwrap().read::<u16>().unwrap(), bits);
    }
}

const WRITE_PATTERNS: &str = r#"
import sys, h5py, numpy as np
patterns = np.arange(65536, dtype=np.uint16).reshape(256, 256)
with h5py.File(sys.argv[1], "w") as f:
    # As in the rules that the project was made for: no marker, fixed shape, default fill.
    W = f.create_dataset("W", shape=(3, 256, 256), dtype="uint16", chunks=(2, 256, 256), compression=None)
    for step in range(3):
        W[step] = np.roll(patterns, step, axis=0)
    marked = f.create_dataset("marked", data=patterns)
    marked.attrs["logical_dtype"] = "bfloat16"
    fixed = f.create_dataset("fixed", data=patterns)
    fixed.attrs["logical_dtype"] = np.bytes_("bfloat16")
    for name, options in {
        "gzip": dict(compression="gzip", compression_opts=1, shuffle=True),
        "scattered": dict(chunks=(2, 100, 100)),
        "rows": dict(chunks=(2, 100, 256)),
    }.items():
        f.create_dataset(name, data=np.stack([np.roll(patterns, s, axis=0) for s in range(3)]), **({"chunks": True} | options))
    f.create_dataset("big_endian", data=np.stack([patterns] * 3), dtype=">u2", chunks=(1, 256, 256))
    f.create_dataset("unwritten", shape=(3, 4), dtype="f4", chunks=(1, 4), fillvalue=7)
    f.create_dataset("losses", data=np.arange(6, dtype="f4").reshape(3, 2))
    f.create_dataset("rate", data=np.float64(0.5), dtype=">f8")
    f.create_dataset("text", data=np.array([b"a", b"bc"]))
"#;

#[test]
fn every_bf16_pattern_of_h5py_comes_back_with_its_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thimble_7.h5");
    python::on_file(WRITE_PATTERNS, &path);
    let rolled = |by: usize| {
        (0..256).flat_map(move |row| {
            let row = (row + 256 - by) % 256;
            (0..256).map(move |column| u16::try_from(row * 256 + column).unwrap())
        })
    };
    let mut file = Reader::open(&path).unwrap();
    assert_eq!(file.state(), RunState::Unknown);
    assert_eq!(file.committed_steps(), 3);
    assert_eq!(file.tensor("W").unwrap().dtype().unwrap(), Dtype::U16);
    for name in ["marked", "fixed"] {
        assert_eq!(
            file.tensor(name).unwrap().dtype().unwrap(),
            Dtype::Bf16,
            "{name}"
        );
        let values = file.tensor(name).unwrap().read::<bf16>().unwrap();
        assert!(
            values.iter().map(|value| value.to_bits()).eq(rolled(0)),
            "{name}"
        );
    }
    for name in ["W", "gzip", "scattered", "rows"] {
        file.assume_bf16(name).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(
            (tensor.role(), tensor.dtype().unwrap()),
            (Role::Step, Dtype::Bf16)
        );
        let all = tensor.read::<bf16>().unwrap();
        let expected = rolled(0).chain(rolled(1)).chain(rolled(2));
        assert!(
            all.iter().map(|value| value.to_bits()).eq(expected),
            "{name}"
        );
        let mut two = vec![bf16::ZERO; 2 * 65_536];
        tensor.read_steps_into(1..3, &mut two).unwrap();
        assert!(
            two.iter()
                .map(|value| value.to_bits())
                .eq(rolled(1).chain(rolled(2))),
            "{name}"
        );
    }
    let swapped = file
        .tensor("big_endian")
        .unwrap()
        .read_step::<u16>(2)
        .unwrap();
    assert!(swapped.into_iter().eq(rolled(0)));
    assert_eq!(
        file.tensor("unwritten").unwrap().read::<f32>().unwrap(),
        [7.0; 12]
    );
    // Without chunks, as h5py makes them by default.
    let losses = file.tensor("losses").unwrap();
    assert_eq!(
        losses.read_steps::<f32>(1..3).unwrap(),
        [2.0, 3.0, 4.0, 5.0]
    );
    assert_eq!(losses.read_step::<f32>(0).unwrap(), [0.0, 1.0]);
    let beyond = losses.read_step::<f32>(3).unwrap_err();
    assert!(
        matches!(beyond, ReadError::StepOutOfRange { committed: 3, .. }),
        "{beyond}"
    );
    let rate = file.tensor("rate").unwrap();
    assert_eq!(rate.read::<f64>().unwrap(), [0.5]);
    let single = rate.read_step::<f64>(0).unwrap_err();
    assert!(matches!(single, ReadError::NoSteps { .. }), "{single}");
    let text = file.tensor("text").unwrap().read::<u8>().unwrap_err();
    assert!(matches!(text, ReadError::UnsupportedDtype { .. }), "{text}");
    let assumed = file.assume_bf16("unwritten").unwrap_err();
    assert!(matches!(assumed, ReadError::NotBf16 { .. }), "{assumed}");
}

/// One dataset for each dtype: as a step tensor, as a scalar and as a constant.
fn record_all_dtypes(path: &Path) {
    macro_rules! all {
        ($($name:literal: $type:ty = $value:expr),*) => {
            let builder = Recorder::create(path).steps(2)
                $(.tensor::<$type>(concat!($name, "_tensor"), [2, 1, 3])
                  .scalar::<$type>(concat!($name, "_scalar"))
                  .constant::<[$type]>(concat!($name, "_constant"), &[$value; 2])
                  .constant::<$type>(concat!($name, "_single"), &$value))*;
            let mut run = builder.start().unwrap();
            for _ in 0..2 {
                run.append(|step| {
                    $(step.put::<[$type]>(concat!($name, "_tensor"), &[$value; 6])?
                        .put::<$type>(concat!($name, "_scalar"), &$value)?;)*
                    Ok(step)
                }).unwrap();
            }
            run.finish().unwrap();
            let file = Reader::open(path).unwrap();
            $(
                let tensor = file.tensor(concat!($name, "_tensor")).unwrap();
                assert_eq!(tensor.dtype_name(), $name);
                assert_eq!(tensor.shape(), [2, 2, 1, 3]);
                assert_eq!(tensor.read::<$type>().unwrap(), [$value; 12]);
                let scalar = file.tensor(concat!($name, "_scalar")).unwrap();
                assert_eq!(scalar.read_step::<$type>(1).unwrap(), [$value]);
                let constant = file.tensor(concat!($name, "_constant")).unwrap();
                assert_eq!((constant.shape(), constant.role()), (vec![2], Role::Constant));
                assert_eq!(constant.read::<$type>().unwrap(), [$value; 2]);
                let single = file.tensor(concat!($name, "_single")).unwrap();
                assert_eq!(single.shape(), [0; 0]);
                assert_eq!(single.read::<$type>().unwrap(), [$value]);
            )*
        };
    }
    all!(
        "bfloat16": bf16 = bf16::from_f32(-1.5), "float16": f16 = f16::from_f32(-1.5),
        "float32": f32 = -1.5, "float64": f64 = -1.5,
        "int8": i8 = -3, "int16": i16 = -300, "int32": i32 = -70_000, "int64": i64 = i64::MIN,
        "uint8": u8 = 200, "uint16": u16 = 60_000, "uint32": u32 = u32::MAX, "uint64": u64 = u64::MAX,
        "bool": bool = true);
}

const CHECK_DTYPES: &str = r#"
import sys, h5py, numpy as np, ml_dtypes
expected = {
    "bfloat16": -1.5, "float16": -1.5, "float32": -1.5, "float64": -1.5,
    "int8": -3, "int16": -300, "int32": -70000, "int64": -2**63,
    "uint8": 200, "uint16": 60000, "uint32": 2**32 - 1, "uint64": 2**64 - 1, "bool": True,
}
with h5py.File(sys.argv[1], "r") as f:
    assert len(f) == 4 * len(expected)
    for name, value in expected.items():
        for kind, shape in [("tensor", (2, 2, 1, 3)), ("scalar", (2,)), ("constant", (2,)), ("single", ())]:
            d = f[f"{name}_{kind}"]
            stored = "uint16" if name == "bfloat16" else name
            assert d.dtype == np.dtype(stored), (name, kind, d.dtype)
            assert d.shape == shape, (name, kind, d.shape)
            assert ("logical_dtype" in d.attrs) == (name == "bfloat16")
            values = np.asarray(d[()])
            if name == "bfloat16":
                values = values.view(ml_dtypes.bfloat16)
            assert (values == np.array(value).astype(values.dtype)).all(), (name, kind, values)
"#;

#[test]
fn every_dtype_reaches_h5py() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dtypes_1.h5");
    record_all_dtypes(&path);
    python::on_file(CHECK_DTYPES, &path);
}

const CHECK_ATTRIBUTES: &str = r#"
import sys, h5py, numpy as np, re
with h5py.File(sys.argv[1], "r") as f:
    a = dict(f.attrs)
    assert a["int"] == -5 and a["big"] == 2**64 - 1 and a["rate"] == 1e-3
    assert a["flag"] is np.True_ or a["flag"] == True
    assert a["name"] == "Thimble ü" and isinstance(a["name"], str), a["name"]
    assert a["größe"] == 3
    assert list(a["betas"]) == [0.9, 0.999] and list(a["layers"]) == [1, 2, 3]
    assert list(a["tags"]) == ["a", "ß"] and list(a["flags"]) == [True, False]
    assert a["notebook"] == "1.5d_train" and a["selvedge_state"] == 1 and a["selvedge_steps_planned"] == 1
    assert a["selvedge_format"] == 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", a["created"]), a["created"]
"#;

#[test]
fn attributes_are_what_python_expects_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("attributes_1.h5");
    let given: Vec<(&str, Attribute)> = vec![
        ("int", (-5).into()),
        ("big", u64::MAX.into()),
        ("rate", 1e-3.into()),
        ("flag", true.into()),
        ("name", "Thimble ü".into()),
        ("größe", 3.into()),
        ("betas", [0.9, 0.999].into()),
        ("layers", [1_i64, 2, 3].into()),
        ("tags", ["a", "ß"].into()),
        ("flags", [true, false].into()),
    ];
    let mut builder = Recorder::create(&path)
        .steps(1)
        .scalar::<f32>("loss")
        .notebook("1.5d_train");
    for (name, value) in &given {
        builder = builder.attribute(*name, value.clone());
    }
    let mut run = builder.start().unwrap();
    run.append(|step| step.put("loss", &1.0_f32)).unwrap();
    run.finish().unwrap();
    python::on_file(CHECK_ATTRIBUTES, &path);
    let file = Reader::open(&path).unwrap();
    for (name, value) in &given {
        assert_eq!(file.attribute(name), Some(value), "{name}");
    }
    assert_eq!(file.skipped_attributes(), []);
}

const APPEND_WITH_H5PY: &str = r#"
import sys, h5py, numpy as np
first = int(sys.argv[2])
with h5py.File(sys.argv[1], "r+") as f:
    W, loss = f["W"], f["loss"]
    assert W.shape[0] == first == loss.shape[0]
    for d in (W, loss):
        d.resize(first + 200, axis=0)
    for step in range(first, first + 200):
        W[step] = step
        loss[step] = step
with h5py.File(sys.argv[1], "r") as f:
    n = first + 200
    np.testing.assert_array_equal(f["loss"][:], np.arange(n, dtype="f4"))
    assert (f["W"][:] == np.arange(n, dtype="u2")[:, None, None]).all()
"#;

/// A finished file is an ordinary HDF5 file: h5py goes on in it, within the last chunk and far
/// after it, also where the chunk index was grown by the recorder, through several levels.
const CHECK_SCALES: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1], "r") as f:
    # What HDF5 itself says (`H5DSis_scale`), and how programs then name the axis.
    scales = {name: bool(f[name].is_scale) for name in f}
    assert scales == {"W": False, "table": False, "dead_mask": True, "Größen": True}, scales
    for name in ("dead_mask", "Größen"):
        assert f[name].attrs["NAME"].decode() == name, f[name].attrs["NAME"]
    assert list(f["W"].attrs) == ["logical_dtype", "selvedge_step_tensor"], list(f["W"].attrs)
"#;

/// kerchunk 0.2.10 and VirtualiZarr 2.8.0 number the axes that have no name, in each dataset anew: so
/// the first axis of a mask was that of the steps, which has another length, and xarray refused the file.
#[test]
fn a_constant_of_one_axis_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("named_1.h5");
    let mut run = Recorder::create(&path)
        .steps(1)
        .tensor::<bf16>("W", [2, 2])
        .constant("dead_mask", &[true, false, true])
        .constant("Größen", &[1_i64, 2])
        .constant_of_shape("table", [2, 2], &[1_f32, 2.0, 3.0, 4.0])
        .start()
        .unwrap();
    run.append(|step| step.put("W", &[bf16::ONE; 4])).unwrap();
    run.finish().unwrap();
    python::on_file(CHECK_SCALES, &path);
    // That is how the file is built, and nothing that somebody wrote down: copies have their own.
    let file = Reader::open(&path).unwrap();
    let attributes = file.tensor("dead_mask").unwrap().attributes().unwrap();
    let named = |wanted: &str| attributes.iter().any(|(name, _)| name == wanted);
    assert!(!named("CLASS") && !named("NAME"), "{attributes:?}");
}

#[test]
fn h5py_can_append_to_a_finished_file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, planned, steps) in [
        ("known", Some(9), 9),
        ("cut", Some(100), 7),
        ("open", None, 10),
        ("deep", None, 9_000),
    ] {
        let path = folder.path().join(format!("{name}_1.h5"));
        let mut builder = Recorder::create(&path)
            .tensor::<u16>("W", [3, 2])
            .scalar::<f32>("loss")
            .chunk_target(24);
        if let Some(planned) = planned {
            builder = builder.steps(planned);
        }
        let mut run = builder.start().unwrap();
        for step in 0..steps {
            let value = u16::try_from(step).unwrap();
            run.append(|row| row.put("W", &[value; 6])?.put("loss", &f32::from(value)))
                .unwrap();
        }
        assert_eq!(run.finish().unwrap().steps, steps);
        python::run(
            APPEND_WITH_H5PY,
            [path.as_os_str(), steps.to_string().as_ref()],
        );
        let file = Reader::open(&path).unwrap();
        assert_eq!(file.committed_steps(), steps + 200, "{name}");
        let loss = file.tensor("loss").unwrap().read::<f32>().unwrap();
        assert!(
            loss.iter()
                .zip(0_u16..)
                .all(|(&loss, step)| loss == f32::from(step)),
            "{name}"
        );
    }
}

/// What h5py appended, the recorder takes for steps of the run, and goes on after it.
#[test]
fn a_run_is_resumed_behind_what_h5py_appended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mixed_1.h5");
    let mut run = Recorder::create(&path)
        .tensor::<u16>("W", [3, 2])
        .scalar::<f32>("loss")
        .chunk_target(24)
        .start()
        .unwrap();
    run.append(|row| row.put("W", &[0_u16; 6])?.put("loss", &0.0_f32))
        .unwrap();
    run.finish().unwrap();
    python::run(APPEND_WITH_H5PY, [path.as_os_str(), "1".as_ref()]);
    let mut run = Recorder::resume(&path).start().unwrap();
    for step in 201..700_u16 {
        let number = run
            .append(|row| row.put("W", &[step; 6])?.put("loss", &f32::from(step)))
            .unwrap();
        assert_eq!(number, u64::from(step));
    }
    run.finish().unwrap();
    python::run(APPEND_WITH_H5PY, [path.as_os_str(), "700".as_ref()]);
}

/// The index that libhdf5 built has two levels here, and the recorder adds to it.
#[test]
fn a_planned_run_is_resumed_with_more_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("longer_1.h5");
    let declare = |builder: RecorderBuilder| {
        builder
            .tensor::<u16>("W", [3, 2])
            .scalar::<f32>("loss")
            .chunk_target(12)
    };
    let append = |run: &mut Recorder, steps: Range<u16>| {
        for step in steps {
            run.append(|row| row.put("W", &[step; 6])?.put("loss", &f32::from(step)))
                .unwrap();
        }
    };
    let mut run = declare(Recorder::create(&path)).steps(200).start().unwrap();
    append(&mut run, 0..200);
    let beyond = run
        .append(|row| row.put("W", &[0_u16; 6])?.put("loss", &0.0_f32))
        .unwrap_err();
    assert!(
        matches!(beyond, RecordError::BeyondPlan { planned: 200 }),
        "{beyond}"
    );
    run.finish().unwrap();
    // 205 steps lie in the last leaf that libhdf5 made, 500 in new ones.
    for (from, to) in [(200, 205), (405, 500)] {
        let mut run = declare(Recorder::resume(&path))
            .steps(to.into())
            .start()
            .unwrap();
        append(&mut run, from..to);
        run.finish().unwrap();
        let file = Reader::open(&path).unwrap();
        let found = (file.planned_steps(), file.state());
        assert_eq!(found, (Some(to.into()), RunState::Finished));
        drop(file);
        // Adds 200 more.
        python::run(
            APPEND_WITH_H5PY,
            [path.as_os_str(), to.to_string().as_ref()],
        );
    }
}

const LIST_ROOT: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1]) as f:
    print("; ".join(f"{k} {f[k].shape} {f[k].chunks} {f[k].maxshape}" for k in f))
"#;

#[test]
fn the_planned_chunks_are_those_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan_1.h5");
    let builder = Recorder::create(&path)
        .steps(61)
        .tensor::<bf16>("W", [100, 64])
        .scalar::<f32>("loss")
        .chunk_target(200_000);
    let plan = builder.plan().unwrap();
    assert!(!path.exists());
    drop(builder.start().unwrap());
    assert_eq!(
        python::on_file(LIST_ROOT, &path),
        "W (0, 100, 64) (13, 100, 64) (None, 100, 64); loss (0,) (61,) (None,)"
    );
    assert_eq!(plan.tensors[0].chunk_shape, [13, 100, 64]);
    assert!(std::fs::metadata(&path).unwrap().len() >= plan.file_bytes());
}
