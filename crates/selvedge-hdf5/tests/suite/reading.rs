//! Reading odd files, and a file that grows while another reader of it is open.

use std::path::Path;

use selvedge_hdf5::{Dtype, Note, ReadError, Reader, Rechunk, Recorder, Role, RunState, Tensor};
use selvedge_testing::python;

/// Records `steps` steps of `W`, of the step's number, into a file of a known length.
fn record(path: &Path, steps: u16) {
    let mut run = Recorder::create(path)
        .steps(steps.into())
        .tensor::<u16>("W", [3, 2])
        .start()
        .unwrap();
    append(&mut run, 0..steps);
    run.finish().unwrap();
}

fn append(run: &mut Recorder, steps: std::ops::Range<u16>) {
    for step in steps {
        run.append(|row| row.put("W", &[step; 6])).unwrap();
    }
    run.commit().unwrap();
}

const ADD_CHUNKED: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "r+") as f:
    f.create_dataset("pca", data=np.arange(12, dtype="f4").reshape(4, 3), chunks=(2, 3))
    f.create_dataset("packed", data=np.arange(6, dtype="f4"), chunks=(4,), compression="gzip")
"#;

/// A chunked dataset of four rows that was added to a run of nine steps with h5py was taken for a
/// step tensor: it cut the run down to four steps.
#[test]
fn a_chunked_dataset_that_was_added_is_a_constant() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("added_1.h5");
    record(&path, 9);
    python::on_file(ADD_CHUNKED, &path);
    let file = Reader::open(&path).unwrap();
    assert_eq!(file.committed_steps(), 9);
    let w = file.tensor("W").unwrap();
    assert_eq!((w.role(), w.steps(), w.extent()), (Role::Step, 9, Some(9)));
    assert_eq!(w.read_step::<u16>(8).unwrap(), [8; 6]);
    let pca = file.tensor("pca").unwrap();
    assert_eq!(
        (pca.role(), pca.steps(), pca.extent()),
        (Role::Constant, 0, None)
    );
    assert_eq!((pca.shape(), pca.step_shape()), (vec![4, 3], &[4, 3][..]));
    assert_eq!(pca.chunk_shape(), Some(&[2, 3][..]));
    let all: Vec<f32> = (0..12_u8).map(f32::from).collect();
    assert_eq!(pca.read::<f32>().unwrap(), all);
    assert_eq!(pca.read_steps::<f32>(1..4).unwrap(), all[3..]);
    let packed = file.tensor("packed").unwrap();
    assert_eq!(packed.role(), Role::Constant);
    assert_eq!(packed.read::<f32>().unwrap(), all[..6]);
}

const FOREIGN: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    f.create_dataset("W", data=np.arange(12, dtype="u2").reshape(6, 2), chunks=(2, 2))
    f.create_dataset("loss", data=np.arange(4, dtype="f4"), chunks=(2,), maxshape=(None,))
    f.create_dataset("empty", shape=(0, 3), dtype="f4", chunks=(1, 3), maxshape=(None, 3))
"#;

/// In a file of plain h5py, the shortest chunked dataset hid the rows of all others: `W` showed none
/// of its six, because of one that was still empty.
#[test]
fn a_tensor_of_another_program_has_all_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign_1.h5");
    python::on_file(FOREIGN, &path);
    let file = Reader::open(&path).unwrap();
    // The steps are those of the largest tensor with two axes; the others have rows of their own.
    assert_eq!(file.committed_steps(), 6);
    for (name, role, rows) in [
        ("W", Role::Step, 6),
        ("loss", Role::Constant, 4),
        ("empty", Role::Constant, 0),
    ] {
        let tensor = file.tensor(name).unwrap();
        assert_eq!((tensor.role(), tensor.shape()[0]), (role, rows), "{name}");
        assert_eq!(tensor.extent(), (role == Role::Step).then_some(6), "{name}");
    }
    let loss = file.tensor("loss").unwrap();
    assert_eq!(loss.read_step::<f32>(3).unwrap(), [3.0]);
    let w = file.tensor("W").unwrap();
    assert!(w.read::<u16>().unwrap().into_iter().eq(0..12));
    assert_eq!(w.read_step::<u16>(5).unwrap(), [10, 11]);
    let beyond = w.read_step::<u16>(6).unwrap_err();
    assert!(
        matches!(beyond, ReadError::StepOutOfRange { committed: 6, .. }),
        "{beyond}"
    );
    assert_eq!(file.tensor("empty").unwrap().read::<f32>().unwrap(), []);
}

const LINKS: &str = r#"
import sys, h5py, numpy as np
path, other = sys.argv[1:]
with h5py.File(other, "w") as f:
    f.create_dataset("padding", data=np.zeros(1000))
    f.create_dataset("there", data=np.arange(5, dtype="i4"))
with h5py.File(path, "w") as f:
    f.create_dataset("W", data=np.arange(4, dtype="i4"))
    f.create_group("group").create_dataset("inner", data=1)
    f["type"] = np.dtype("f4")
    f["soft"] = h5py.SoftLink("/W")
    f["dangling"] = h5py.SoftLink("/nowhere")
    f["away"] = h5py.ExternalLink("no such file.h5", "/W")
    f["external"] = h5py.ExternalLink(other, "/there")
"#;

/// A dataset in another file was read at its address in this one.
#[test]
fn links_are_followed_where_they_lead_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let [path, other] = ["links_1.h5", "other_1.h5"].map(|name| folder.path().join(name));
    python::run(LINKS, [&path, &other]);
    let file = Reader::options().follow_links().open(&path).unwrap();
    let names: Vec<&str> = file.tensors().iter().map(Tensor::name).collect();
    assert_eq!(names, ["W", "external", "soft", "group/inner"]);
    for (name, len) in [("W", 4), ("soft", 4), ("external", 5)] {
        let values = file.tensor(name).unwrap().read::<i32>().unwrap();
        assert!(values.into_iter().eq(0..len), "{name}");
    }
}

const ONE_OF_TWO: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    f.create_dataset("W", data=np.arange(4, dtype="f4"))
    d = f.create_dataset("loss", data=np.arange(4, dtype="f8"))
    print(h5py.h5o.get_info(d.id).addr)
"#;

/// A tensor with a damaged header was left out in silence, and its file looked as if it had never
/// had it.
#[test]
fn a_dataset_that_does_not_open_is_told_and_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged_1.h5");
    let header: usize = python::on_file(ONE_OF_TWO, &path).parse().unwrap();
    let whole = std::fs::read(&path).unwrap();
    // The class, version and bits of the datatype of 8-byte floats: there is no class 15.
    let datatype = [0x11, 0x20, 0x3f, 0, 8, 0, 0, 0];
    let found = whole[header..]
        .windows(8)
        .position(|bytes| bytes == datatype);
    for (at, byte) in [(header + found.unwrap(), 0x1f), (header, 0xee)] {
        let mut damaged = whole.clone();
        damaged[at] = byte;
        std::fs::write(&path, damaged).unwrap();
        let file = Reader::open(&path).unwrap();
        let names: Vec<&str> = file.tensors().iter().map(Tensor::name).collect();
        assert_eq!(names, ["W"]);
        let told = file.notes();
        assert!(
            matches!(told, [Note::Unread { name, .. }] if name == "loss"),
            "{told:?}"
        );
        let error = file.tensor("loss").unwrap_err();
        assert!(matches!(error, ReadError::Unread { .. }), "{error}");
        let again = folder.path().join("again_1.h5");
        let refused = Rechunk::new(&path, &again).run(|_| {}).unwrap_err();
        assert!(refused.to_string().contains("`loss`"), "{refused}");
    }
}

/// libhdf5 opens a file once in a process: as long as a first reader of a live run was open, every
/// later one was shown the extents that the first had seen.
#[test]
fn a_second_reader_sees_the_newer_steps() {
    let folder = tempfile::tempdir().unwrap();
    for (name, planned) in [("known", Some(300)), ("open", None)] {
        let path = folder.path().join(format!("{name}_1.h5"));
        // Three steps in a chunk: the index of the open-ended run grows, and gets a new root.
        let mut builder = Recorder::create(&path)
            .tensor::<u16>("W", [3, 2])
            .chunk_target(36);
        if let Some(planned) = planned {
            builder = builder.steps(planned);
        }
        let mut run = builder.start().unwrap();
        let expected =
            |steps: std::ops::Range<u16>| steps.flat_map(|step| [step; 6]).collect::<Vec<u16>>();
        let mut readers = Vec::new();
        let mut done = 0;
        for steps in [2_u16, 5, 200, 299] {
            append(&mut run, done..steps);
            done = steps;
            let file = Reader::open(&path).unwrap();
            assert_eq!(file.committed_steps(), steps.into(), "{name}");
            assert_eq!(file.state(), RunState::Recording, "{name}");
            let w = file.tensor("W").unwrap();
            assert_eq!(w.steps(), u64::from(steps), "{name}");
            assert_eq!(w.read::<u16>().unwrap(), expected(0..steps), "{name}");
            readers.push((steps, file));
        }
        run.finish().unwrap();
        let file = Reader::open(&path).unwrap();
        assert_eq!(file.state(), RunState::Finished, "{name}");
        assert_eq!(file.committed_steps(), 299, "{name}");
        // Each reader shows the moment at which it was opened.
        for (steps, file) in readers {
            let w = file.tensor("W").unwrap();
            assert_eq!(w.read::<u16>().unwrap(), expected(0..steps), "{name}");
            assert!(w.read_step::<u16>(steps.into()).is_err(), "{name}");
        }
    }
}

/// The chunks of a reader are looked up when it first reads: by then the run can have gone on, and
/// the chunk index can have a new root.
#[test]
fn a_reader_that_waits_reads_its_own_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waits_1.h5");
    let mut run = Recorder::create(&path)
        .tensor::<u16>("W", [3, 2])
        .chunk_target(12)
        .start()
        .unwrap();
    append(&mut run, 0..4);
    let file = Reader::open(&path).unwrap();
    append(&mut run, 4..200);
    let w = file.tensor("W").unwrap();
    assert_eq!(w.steps(), 4);
    assert_eq!(
        w.read_steps::<u16>(2..4).unwrap(),
        [[2; 6], [3; 6]].concat()
    );
    drop(run);
}

const SPARSE: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    d = f.create_dataset("sparse", shape=(2**38, 4), dtype="f4", chunks=(1, 4), fillvalue=7)
    d[5] = 1
    d[2**37] = 2
"#;

/// One slot was made for each chunk that the extents have room for: here 4 TiB of slots, and the
/// process was aborted.
#[test]
fn a_sparse_dataset_is_read_by_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse_1.h5");
    python::on_file(SPARSE, &path);
    let file = Reader::open(&path).unwrap();
    let sparse = file.tensor("sparse").unwrap();
    assert_eq!(sparse.steps(), 1 << 38);
    assert_eq!(
        sparse.read_steps::<f32>(4..6).unwrap(),
        [[7.0; 4], [1.0; 4]].concat()
    );
    assert_eq!(sparse.read_step::<f32>(1 << 37).unwrap(), [2.0; 4]);
    assert_eq!(sparse.read_step::<f32>((1 << 38) - 1).unwrap(), [7.0; 4]);
}

const EMPTY: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    f.create_dataset("nothing", data=h5py.Empty("f4"))
    d = f.create_dataset("W", data=np.arange(4, dtype="u2"))
    # Attributes can be without a value, too; the marker among them.
    d.attrs["logical_dtype"] = h5py.Empty(h5py.string_dtype())
    f.attrs["rate"] = h5py.Empty("f8")
    f.attrs["name"] = h5py.Empty(h5py.string_dtype())
    f.attrs["steps"] = 3
"#;

/// A dataset without values (`h5py.Empty`) was read as a scalar, and the reader panicked. The value
/// of such an attribute was whatever lay in memory.
#[test]
fn what_has_no_values_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty_1.h5");
    python::on_file(EMPTY, &path);
    let file = Reader::open(&path).unwrap();
    let nothing = file.tensor("nothing").unwrap();
    assert_eq!(nothing.role(), Role::Constant);
    assert!(nothing.dtype_name().contains("null dataspace"));
    for error in [
        nothing.read::<f32>().unwrap_err(),
        nothing.read_into(&mut [0.0_f32]).unwrap_err(),
    ] {
        assert!(
            matches!(error, ReadError::UnsupportedDtype { .. }),
            "{error}"
        );
    }
    let w = file.tensor("W").unwrap();
    assert_eq!(w.dtype().unwrap(), Dtype::U16);
    assert_eq!(w.read::<u16>().unwrap(), [0, 1, 2, 3]);
    let names: Vec<&str> = file
        .attributes()
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["steps"]);
    let skipped: Vec<&str> = file
        .skipped_attributes()
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(skipped, ["name", "rate"]);
}

const WRITE_WIDE_CHUNKS: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    f.create_dataset("W", data=np.arange(30, dtype="u2").reshape(5, 3, 2), chunks=(4, 5, 2), maxshape=(None, None, 2))
"#;

/// In a chunk that is larger than the step (h5py makes those where an axis may grow) there is a gap
/// after each step. Several steps were read as if there were none.
#[test]
fn steps_of_a_chunk_larger_than_the_step_have_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide_1.h5");
    python::on_file(WRITE_WIDE_CHUNKS, &path);
    let file = Reader::open(&path).unwrap();
    let w = file.tensor("W").unwrap();
    assert!(w.read::<u16>().unwrap().into_iter().eq(0..30));
    assert!(w.read_steps::<u16>(2..5).unwrap().into_iter().eq(12..30));
}

/// HDF5 from 1.10 on: the chunks are indexed by the axis that grows first.
const GROWS_LATER: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="v110") as f:
    for name, shape, chunk, most, filters in [
        ("plain", (2, 4), (1, 2), (2, None), {}),
        ("wide", (4, 6), (3, 2), (4, None), {}),
        ("packed", (4, 4, 2), (3, 2, 1), (4, None, 2), {"compression": "gzip"}),
        ("last", (4, 4, 6), (1, 4, 2), (4, 4, None), {"compression": "gzip", "shuffle": True}),
    ]:
        values = np.arange(np.prod(shape), dtype="u2").reshape(shape)
        f.create_dataset(name, data=values, chunks=chunk, maxshape=most, **filters)
"#;

/// libhdf5 2.2 says of such chunks that they have other places in the dataset, and beyond it: steps by themselves had the
/// values of others.
#[test]
fn steps_of_a_dataset_that_grows_along_a_later_axis_have_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grows.h5");
    python::on_file(GROWS_LATER, &path);
    let file = Reader::open(&path).unwrap();
    for name in ["plain", "wide", "packed", "last"] {
        let tensor = file.tensor(name).unwrap();
        let all: Vec<u16> = tensor.read().unwrap();
        let expected: Vec<u16> = (0..).take(all.len()).collect();
        assert_eq!(all, expected, "{name}");
        let rows = tensor.shape()[0];
        let step = all.len() / usize::try_from(rows).unwrap();
        for (row, expected) in (0..rows).zip(expected.chunks(step)) {
            let found: Vec<u16> = tensor.read_step(row).unwrap();
            assert_eq!(found, expected, "{name}, step {row}");
            let found: Vec<u16> = tensor.select().steps(row..row + 1).read().unwrap();
            assert_eq!(found, expected, "{name}, step {row}, selected");
        }
    }
}

/// libhdf5 told the sizes of others of such chunks, too: so streams of more than 16 KiB, which are looked into before they
/// are decoded, were refused.
#[test]
fn large_streams_of_a_dataset_that_grows_along_a_later_axis_are_read() {
    const WRITE: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as f:
    d = f.create_dataset("W", (2, 60_000), "u2", maxshape=(2, None), chunks=(1, 20_000), compression="gzip")
    random = np.random.default_rng(7)
    for n in range(6):
        d[n // 3, n % 3 * 20_000 : n % 3 * 20_000 + 20_000] = random.integers(0, 65_536 >> n, 20_000)
    f["sums"] = d[()].sum(1, dtype="u8")
"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grows.h5");
    python::on_file(WRITE, &path);
    let file = Reader::open(&path).unwrap();
    let sums: Vec<u64> = file.tensor("sums").unwrap().read().unwrap();
    let w = file.tensor("W").unwrap();
    for (row, sum) in (0..).zip(sums) {
        let found: Vec<u16> = w.read_step(row).unwrap();
        assert_eq!(found.into_iter().map(u64::from).sum::<u64>(), sum);
    }
}
