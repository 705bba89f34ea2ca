//! Values that are not in the file: in sources of a virtual dataset, and after filters.

use std::fs;
use std::path::Path;

use num_complex::Complex32;
use selvedge_hdf5::{ReadError, Reader, Rechunk, RewriteError};
use selvedge_testing::python;

const VIEWS: &str = r#"
import sys, os, h5py, numpy as np
from h5py import h5d, h5p, h5s, h5t
folder = os.path.dirname(sys.argv[1])
values = np.arange(1, 25, dtype="f4").reshape(6, 4)
os.mkdir(folder + "/parts")
for name, data in {"whole": values, "parts/a": values[:3], "parts/b": values[3:], "run_0": values[:2], "run_1": values[2:4], "run_2": values[4:]}.items():
    with h5py.File(f"{folder}/{name}.h5", "w") as f:
        f["W"] = data
with h5py.File(sys.argv[1], "w") as f:
    f["here"] = values
    def view(name, *parts):
        layout = h5py.VirtualLayout((6, 4), "f4")
        at = 0
        for file, dataset, rows in parts:
            layout[at:at + rows] = h5py.VirtualSource(file, dataset, (rows, 4))
            at += rows
        f.create_virtual_dataset(name, layout, fillvalue=-1)
    view("one", ("whole.h5", "W", 6))
    view("two", ("parts/a.h5", "W", 3), ("parts/b.h5", "W", 3))
    view("same_file", (".", "here", 6))
    view("absolute", (folder + "/whole.h5", "W", 6))
    view("nested", (".", "two", 6))
    layout = h5py.VirtualLayout((6, 4), "f4")
    for first, file in enumerate(("parts/a.h5", "parts/b.h5")):
        layout[first::2] = h5py.VirtualSource(file, "W", (3, 4))
    f.create_virtual_dataset("in_turns", layout)
    # A source for each two rows, by their number.
    plan = h5p.create(h5p.DATASET_CREATE)
    target = h5s.create_simple((6, 4), (h5s.UNLIMITED, 4))
    target.select_hyperslab((0, 0), (h5s.UNLIMITED, 1), (2, 1), (2, 4))
    plan.set_virtual(target, b"run_%b.h5", b"W", h5s.create_simple((2, 4)))
    h5d.create(f.id, b"numbered", h5t.IEEE_F32LE, h5s.create_simple((6, 4), (h5s.UNLIMITED, 4)), plan)
"#;

fn rechunk(path: &Path, output: &Path) -> Rechunk {
    Rechunk::new(path, output).input_options(Reader::options().follow_links())
}

fn followed(path: &Path) -> Reader {
    Reader::options().follow_links().open(path).unwrap()
}

/// What the tensor says when it is read.
fn refusal(path: &Path, tensor: &str) -> String {
    let file = followed(path);
    let tensor = file.tensor(tensor).unwrap();
    assert!(!tensor.missing_sources().unwrap().is_empty());
    let error = tensor.read::<f32>().unwrap_err();
    assert!(matches!(error, ReadError::MissingSource { .. }), "{error}");
    error.to_string()
}

/// HDF5 gives the fill value for a source that is not there, so a view of files that were moved became
/// zeros, and was "written and verified".
#[test]
fn a_source_that_is_missing_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("view.h5");
    python::on_file(VIEWS, &path);
    let expected: Vec<f32> = (1..25_u8).map(f32::from).collect();
    let names = ["one", "two", "same_file", "absolute", "nested", "numbered"];
    for name in names {
        let file = followed(&path);
        let tensor = file.tensor(name).unwrap();
        assert!(tensor.missing_sources().unwrap().is_empty(), "{name}");
        assert_eq!(tensor.read::<f32>().unwrap(), expected, "{name}");
    }
    // Sources that fill every second row are as large as their rows, and not as what these reach over.
    let in_turns = followed(&path).tensor("in_turns").unwrap().read::<f32>();
    let rows = [0, 12, 4, 16, 8, 20].map(|first| &expected[first..first + 4]);
    assert_eq!(in_turns.unwrap(), rows.concat());
    let moved = |name: &str, check: &dyn Fn()| {
        let (here, there) = (folder.path().join(name), folder.path().join("elsewhere"));
        fs::rename(&here, &there).unwrap();
        check();
        fs::rename(&there, &here).unwrap();
    };
    moved("whole.h5", &|| {
        assert!(refusal(&path, "one").contains("whole.h5, which is not there"));
        assert!(refusal(&path, "absolute").contains("whole.h5, which is not there"));
        // Nothing is written of it.
        let output = folder.path().join("new_1.h5");
        let error = rechunk(&path, &output).run(|_| {}).unwrap_err();
        assert!(error.to_string().contains("whole.h5"), "{error}");
        assert!(!output.exists());
    });
    moved("parts/b.h5", &|| {
        assert!(refusal(&path, "two").contains("parts/b.h5"));
        assert!(refusal(&path, "in_turns").contains("parts/b.h5"));
        assert!(refusal(&path, "nested").contains("parts/b.h5"));
        let file = followed(&path);
        assert_eq!(file.tensor("one").unwrap().read::<f32>().unwrap(), expected);
    });
    // HDF5 ends such a dataset before the first number that is not there: without the first it is empty.
    moved("run_0.h5", &|| {
        let file = followed(&path);
        let numbered = file.tensor("numbered").unwrap();
        assert_eq!(numbered.shape(), [0, 4]);
        let missing = numbered.missing_sources().unwrap();
        assert!(missing[0].to_string().contains("run_0.h5") && missing[0].is_absent());
    });
    // Another folder that the source is in is no other source.
    python::on_file(
        "import sys, h5py, numpy as np\nwith h5py.File(sys.argv[1], 'w') as f: f['V'] = np.ones((6, 4), 'f4')",
        &folder.path().join("whole.h5"),
    );
    assert!(refusal(&path, "one").contains("has none of that name"));
    python::on_file(
        "import sys, h5py, numpy as np\nwith h5py.File(sys.argv[1], 'w') as f: f['W'] = np.ones((5, 4), 'f4')",
        &folder.path().join("whole.h5"),
    );
    assert!(refusal(&path, "one").contains("has the shape (5, 4) where (6, 4) is expected"));
}

const FILTERED: &str = r#"
import sys, h5py, numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z
values = np.arange(4000, dtype="i4").reshape(10, 400) // 50
with h5py.File(sys.argv[1], "w") as f:
    f["readable"] = values
    f.create_dataset("lzf", data=values, chunks=(1, 400), compression="lzf")
    f.create_dataset("lzf_all", data=values, chunks=(3, 100), compression="lzf", shuffle=True, fletcher32=True)
    noise = np.random.default_rng(1).integers(0, 2**32, (10, 400), "u4")
    f.create_dataset("lzf_noise", data=noise, chunks=(5, 400), compression="lzf")
    np.save(sys.argv[2], noise)
    for name, number in (("zstd", 32015), ("unknown", 4711)):
        plan = h5p.create(h5p.DATASET_CREATE)
        plan.set_chunk((4, 4))
        plan.set_filter(number, h5z.FLAG_OPTIONAL, (3,))
        d = h5d.create(f.id, name.encode(), h5t.IEEE_F32LE, h5s.create_simple((8, 4)), plan)
        for row in (0, 4):
            d.write_direct_chunk((row, 0), bytes(range(40)), 0)
    # A filter that no chunk went through hinders nobody.
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((4, 4))
    plan.set_filter(32015, h5z.FLAG_OPTIONAL, (3,))
    d = h5d.create(f.id, b"masked", h5t.IEEE_F32LE, h5s.create_simple((4, 4)), plan)
    d.write_direct_chunk((0, 0), np.ones((4, 4), "f4").tobytes(), 1)
"#;

/// lzf is h5py's own, and read; of a filter that is not there its name, number and the way to it are
/// told, and no folder of the machine that built the program.
#[test]
fn a_filter_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("filtered.h5");
    let noise = folder.path().join("noise.npy");
    python::run(FILTERED, [&path, &noise]);
    let file = Reader::open(&path).unwrap();
    let expected: Vec<i32> = (0..4000).map(|nth| nth / 50).collect();
    for name in ["readable", "lzf", "lzf_all"] {
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.missing_filter(), None, "{name}");
        assert_eq!(tensor.read::<i32>().unwrap(), expected, "{name}");
    }
    let bytes = file.tensor("lzf_noise").unwrap().read_bytes().unwrap();
    assert_eq!(bytes, fs::read(&noise).unwrap()[128..]);
    assert_eq!(
        file.tensor("masked").unwrap().read::<f32>().unwrap(),
        [1.0; 16]
    );
    for (name, filter, number) in [("zstd", "zstd", 32_015), ("unknown", "filter 4711", 4711)] {
        let tensor = file.tensor(name).unwrap();
        let error = tensor.read::<f32>().unwrap_err();
        let text = format!("{error:?}");
        assert!(
            matches!(&error, ReadError::MissingFilter { filter: found, id, .. } if found == filter && *id == number),
            "{text}"
        );
        assert!(
            text.contains("HDF5_PLUGIN_PATH") && !text.contains("lib/plugin"),
            "{text}"
        );
        assert_eq!(tensor.missing_filter().unwrap().id, number);
    }
}

/// One tensor that cannot be read stops no other: it is left out where that is asked for, with the reason.
#[test]
fn what_is_missing_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let filtered = folder.path().join("filtered.h5");
    python::run(FILTERED, [&filtered, &folder.path().join("noise.npy")]);
    let views = folder.path().join("view.h5");
    python::on_file(VIEWS, &views);
    fs::remove_file(folder.path().join("whole.h5")).unwrap();
    for (path, missing) in [
        (&filtered, ["zstd", "unknown"]),
        (&views, ["one", "absolute"]),
    ] {
        let output = folder.path().join("new_1.h5");
        let rechunk = rechunk(path, &output).overwrite(true);
        let error = rechunk.plan().unwrap_err();
        assert!(
            matches!(
                error,
                RewriteError::Read(
                    ReadError::MissingFilter { .. } | ReadError::MissingSource { .. }
                )
            ),
            "{error}"
        );
        let summary = rechunk.skip_unsupported(true).run(|_| {}).unwrap();
        let mut left_out: Vec<&str> = Vec::new();
        for (name, why) in &summary.plan.left_out {
            left_out.push(name.trim_matches('`'));
            assert!(why.contains("filter") || why.contains("whole.h5"), "{why}");
        }
        left_out.sort_unstable();
        let mut missing = missing;
        missing.sort_unstable();
        assert_eq!(left_out, missing);
        let all = followed(path).tensors().len();
        assert_eq!(Reader::open(&output).unwrap().tensors().len(), all - 2);
    }
}

const NUMBERED: &str = r#"
import os, sys, h5py, numpy as np
from h5py import h5d, h5p, h5s, h5t
os.chdir(sys.argv[1])
for folder, value in (("one", 1), ("two", 2)):
    os.mkdir(folder)
    with h5py.File(folder + "/s0.h5", "w") as f:
        f["d"] = np.full((10, 4), value, "f4")
layout = h5py.VirtualLayout((10, 4), "f4")
layout[:] = h5py.VirtualSource(os.path.abspath("one/s0.h5"), "d", (10, 4))
with h5py.File("two/view.h5", "w") as f:
    f.create_virtual_dataset("v", layout, fillvalue=-1)
for number in range(1, 4):
    with h5py.File(f"two/s{number}.h5", "w") as f:
        f["d"] = np.full((10, 4), number, "f4")
plan = h5p.create(h5p.DATASET_CREATE)
space = h5s.create_simple((1, 10, 4), (h5s.UNLIMITED, 10, 4))
space.select_hyperslab((0, 0, 0), (h5s.UNLIMITED, 1, 1), (1, 1, 1), (1, 10, 4))
plan.set_virtual(space, b"s%b.h5", b"d", h5s.create_simple((10, 4)))
with h5py.File("two/numbered.h5", "w") as f:
    h5d.create(f.id, b"v", h5t.IEEE_F32LE, space, plan)
"#;

/// A source in another folder is not read unless that is asked for, and a file of the same name beside the
/// view was read in its place.
#[test]
fn another_file_of_the_same_name_is_no_source() {
    let folder = tempfile::tempdir().unwrap();
    python::run(NUMBERED, [folder.path()]);
    let path = folder.path().join("two/view.h5");
    for options in [Reader::options(), Reader::options().follow_links()] {
        let file = options.open(&path).unwrap();
        let error = file.tensor("v").unwrap().read::<f32>().unwrap_err();
        assert!(error.to_string().contains("one/s0.h5"), "{error}");
    }
    let all = Reader::options().follow_links_inside(folder.path());
    let file = all.open(&path).unwrap();
    assert_eq!(file.tensor("v").unwrap().read::<f32>().unwrap(), [1.0; 40]);
}

/// Sources with numbers were looked at only as far as the shape told before any was, and the others were
/// left out without a word.
#[test]
fn all_sources_with_numbers_are_read() {
    let folder = tempfile::tempdir().unwrap();
    python::run(NUMBERED, [folder.path()]);
    let file = Reader::open(folder.path().join("two/numbered.h5")).unwrap();
    let view = file.tensor("v").unwrap();
    assert_eq!(view.shape(), [4, 10, 4]);
    let firsts: Vec<f32> = view
        .read::<f32>()
        .unwrap()
        .into_iter()
        .step_by(40)
        .collect();
    assert_eq!(firsts, [2.0, 1.0, 2.0, 3.0]);
    // One that is missing before others was taken for the end.
    fs::remove_file(folder.path().join("two/s2.h5")).unwrap();
    let file = Reader::open(folder.path().join("two/numbered.h5")).unwrap();
    let error = file.tensor("v").unwrap().read::<f32>().unwrap_err();
    assert!(
        matches!(&error, ReadError::MissingSource { missing, .. } if missing.contains("s2.h5, which is not there")),
        "{error}"
    );
}

/// libhdf5 shows the longest of sources that grow each by itself, and the fill value where the others are not as far.
#[test]
fn sources_of_unequal_length_are_no_fill_values() {
    let make = r#"
import os, sys, h5py, numpy as np
from h5py import h5d, h5p, h5s, h5t
os.chdir(sys.argv[1])
plan = h5p.create(h5p.DATASET_CREATE)
end = h5s.UNLIMITED
space = h5s.create_simple((2, 1, 4), (2, end, 4))
for number in range(2):
    with h5py.File(f"part_{number}.h5", "w") as f:
        f.create_dataset("W", data=np.full((3, 4), number, "f4"), maxshape=(None, 4), chunks=(2, 4))
    to = h5s.create_simple((2, 1, 4), (2, end, 4))
    to.select_hyperslab((number, 0, 0), (1, end, 1), (1, 1, 1), (1, 1, 4))
    source = h5s.create_simple((1, 4), (end, 4))
    source.select_hyperslab((0, 0), (end, 1), (1, 1), (1, 4))
    plan.set_virtual(to, b"part_%d.h5" % number, b"W", source)
with h5py.File("view.h5", "w") as f:
    h5d.create(f.id, b"v", h5t.IEEE_F32LE, space, plan)
"#;
    let folder = tempfile::tempdir().unwrap();
    python::run(make, [folder.path()]);
    let path = folder.path().join("view.h5");
    {
        let file = Reader::open(&path).unwrap();
        let view = file.tensor("v").unwrap();
        assert_eq!(view.shape(), [2, 3, 4]);
        assert_eq!(view.read::<f32>().unwrap()[12..], [1.0; 12]);
    }
    let grow = "import sys, h5py\nwith h5py.File(sys.argv[1], 'r+') as f: f['W'].resize(5, axis=0)";
    python::on_file(grow, &folder.path().join("part_1.h5"));
    let file = Reader::open(&path).unwrap();
    let error = file.tensor("v").unwrap().read::<f32>().unwrap_err();
    let told = "part_0.h5, which has the shape (3, 4) where (5, 4) or more is expected";
    assert!(error.to_string().contains(told), "{error}");
}

/// libhdf5 tells nothing of a source that does not unpack, and the view was called damaged.
#[test]
fn a_damaged_source_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let make = r#"
import os, sys, h5py, numpy as np
os.chdir(sys.argv[1])
layout = h5py.VirtualLayout((3, 6, 4), "f4")
for part in range(3):
    with h5py.File(f"part_{part}.h5", "w") as f:
        d = f.create_dataset("model/W", (6, 4), "f4", chunks=(2, 4), compression="gzip")
        d[:] = part
        info = d.id.get_chunk_info(1)
    layout[part] = h5py.VirtualSource(f"part_{part}.h5", "model/W", (6, 4))
    if part == 1:
        with open("part_1.h5", "r+b") as f:
            f.seek(info.byte_offset)
            f.write(b"\xff" * info.size)
with h5py.File("view.h5", "w") as f:
    f.create_virtual_dataset("v", layout)
    f["linked"] = h5py.ExternalLink("part_1.h5", "/model/W")
"#;
    python::run(make, [folder.path()]);
    let file = followed(&folder.path().join("view.h5"));
    let error = file.tensor("linked").unwrap().read::<f32>().unwrap_err();
    let told = selvedge_base::Chain(&error).to_string();
    assert!(error.is_damage() && told.contains("part_1.h5"), "{told}");
    let file = Reader::open(folder.path().join("view.h5")).unwrap();
    let view = file.tensor("v").unwrap();
    for step in [0, 2] {
        view.read_step::<f32>(step).unwrap();
    }
    for error in [
        view.read_step::<f32>(1).unwrap_err(),
        view.read::<f32>().unwrap_err(),
    ] {
        assert!(error.is_damage());
        let told = selvedge_base::Chain(&error).to_string();
        for part in ["view.h5", "`model/W` of ", "part_1.h5", "chunk at (2, 0)"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}

/// A source that h5py has open for writing was read in the middle of a change.
#[test]
fn a_source_that_is_written_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    python::run(NUMBERED, [folder.path()]);
    for name in ["s1.h5", "s2.h5"] {
        let source = std::fs::File::open(folder.path().join("two").join(name)).unwrap();
        source.lock().unwrap();
        let file = Reader::open(folder.path().join("two/numbered.h5")).unwrap();
        let view = file.tensor("v").unwrap();
        let error = view.read::<f32>().unwrap_err().to_string();
        assert!(
            error.contains(name) && error.contains("open for writing"),
            "{error}"
        );
    }
}

/// HDF5 makes no number of a text, and the values were called damaged.
#[test]
fn a_source_of_another_kind_is_told_by_its_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("view.h5");
    let script = r#"
import os, sys, h5py, numpy as np
with h5py.File(os.path.dirname(sys.argv[1]) + "/part.h5", "w") as f:
    f["W"] = np.array([b"a"] * 10)
    f["wide"] = np.arange(10.0)
    f["named"] = np.ones(10, np.dtype([("real", "f4"), ("imag", "f4")]))
    f["complex"] = np.ones(10, "c8")
    f.create_dataset("lists", (10,), h5py.vlen_dtype("i4"))
layout = {name: h5py.VirtualLayout((10,), "f4") for name in ("W", "wide")}
layout |= {name: h5py.VirtualLayout((10,), "c8") for name in ("named", "complex")}
layout["lists"] = h5py.VirtualLayout((10,), "V2")
with h5py.File(sys.argv[1], "w") as f:
    for name, one in layout.items():
        one[:] = h5py.VirtualSource("part.h5", name, (10,))
        f.create_virtual_dataset(name, one)
    f.attrs["a"] = "a text of variable length"
"#;
    python::on_file(script, &path);
    let why = refusal(&path, "W");
    assert!(
        why.contains("`W` of part.h5, which holds text of 1 byte") && why.contains("float32"),
        "{why}"
    );
    // Fields of other names, which libhdf5 leaves as they are: zeros.
    let mut file = followed(&path);
    // Our look at the lengths of texts made of lists what is as long as a length.
    file.assume_bf16("lists").unwrap();
    let lists = file.tensor("lists").unwrap().read::<u16>().unwrap_err();
    assert!(
        lists.to_string().contains("holds a list of int32"),
        "{lists}"
    );
    let named = file.tensor("named").unwrap();
    let why = named.read::<Complex32>().unwrap_err().to_string();
    let told = "`named` of part.h5, which holds a record (real: float32, imag: float32), and HDF5 cannot make a record \
                (r: float32, i: float32) of that";
    assert!(why.contains(told), "{why}");
    let wide = file.tensor("wide").unwrap().read::<f32>().unwrap();
    assert_eq!(wide[9].to_bits(), 9_f32.to_bits());
    let complex = file.tensor("complex").unwrap().read::<Complex32>().unwrap();
    assert_eq!(complex[9], Complex32::new(1.0, 0.0));
}

/// libhdf5 counts an element of two parts twice, and filled nothing in where it counted as many as it was asked for.
#[test]
fn what_no_part_gives_is_the_fill_value_where_parts_overlap() {
    let make = r#"
import os, sys, h5py, numpy as np
os.chdir(os.path.dirname(sys.argv[1]))
with h5py.File("part.h5", "w") as f:
    f["x"] = np.arange(1.0, 5).reshape(1, 4)
source = h5py.VirtualSource("part.h5", "x", (1, 4))
with h5py.File(sys.argv[1], "w") as f:
    for name, fill in [("<f8", 5), (">f8", 5), ("<i2", 5), ("<f4", None)]:
        layout = h5py.VirtualLayout((4, 4), name)
        layout[1, 0:3] = source[0, 0:3]
        layout[1, 2:3] = source[0, 0:1]
        f.create_virtual_dataset(name, layout, fillvalue=fill)
    # Parts that overlap, that leave elements out, that do neither, and that do both; and a virtual dataset of each.
    for name, parts in {"over": [(0, 3), (2, 4)], "gap": [(0, 1), (2, 3)], "turns": [(0, 4, 2), (1, 4, 2)], "both": [(0, 2), (1, 3)]}.items():
        layout = h5py.VirtualLayout((1, 4), "f4")
        for part in parts:
            layout[0, slice(*part)] = source[0, slice(*part)]
        f.create_virtual_dataset(name, layout, fillvalue=7)
        outer = h5py.VirtualLayout((2, 4), "f4")
        outer[0] = h5py.VirtualSource(".", name, (1, 4))
        f.create_virtual_dataset("outer_" + name, outer, fillvalue=1)
"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("view.h5");
    python::on_file(make, &path);
    let file = Reader::open(&path).unwrap();
    for (name, values) in [
        ("over", [1, 2, 3, 4]),
        ("gap", [1, 7, 3, 7]),
        ("turns", [1, 2, 3, 4]),
        ("both", [1, 2, 3, 7]),
    ] {
        let read = |name: &str| file.tensor(name).unwrap().read::<f32>();
        let wanted = values.map(|value: u8| f32::from(value).to_bits());
        let bits = |values: Vec<f32>| {
            values
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<u32>>()
        };
        assert_eq!(bits(read(name).unwrap()), wanted, "{name}");
        // libhdf5 reads the inner one, whose gaps it fills only where nothing overlaps.
        match read(&format!("outer_{name}")) {
            Ok(outer) => {
                assert_eq!(
                    bits(outer),
                    [wanted, [1_f32.to_bits(); 4]].concat(),
                    "{name}"
                );
                assert_ne!(name, "both");
            }
            Err(error) => assert!(
                name == "both" && error.to_string().contains("parts overlap"),
                "{error}"
            ),
        }
    }
    let row = |name: &str, step: u64| -> Vec<f64> {
        let tensor = file.tensor(name).unwrap();
        match name {
            "<i2" => tensor
                .read_step::<i16>(step)
                .unwrap()
                .iter()
                .map(|&v| v.into())
                .collect(),
            "<f4" => tensor
                .read_step::<f32>(step)
                .unwrap()
                .iter()
                .map(|&v| v.into())
                .collect(),
            _ => tensor.read_step::<f64>(step).unwrap(),
        }
    };
    for (name, fill) in [("<f8", 5.0), (">f8", 5.0), ("<i2", 5.0), ("<f4", 0.0)] {
        assert_eq!(row(name, 1), [1.0, 2.0, 1.0, fill], "{name}");
        assert_eq!(row(name, 0), [fill; 4], "{name}");
    }
}
