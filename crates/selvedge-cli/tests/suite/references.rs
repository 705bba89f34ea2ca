//! `selvedge references`: what it writes is read as Zarr says, by a reader of a few lines, and by stock readers in
//! the tests of the Python package.

use std::fs;

use crate::common::{Place, declare_rank, die_if_child, died, finished, live};
use insta::assert_snapshot;
use selvedge_hdf5::{Compression, Recorder, bf16};
use selvedge_testing::python;

/// Reads all arrays of references in both forms of Zarr, and compares them with stock h5py, in the steps that all
/// step tensors have.
const READ: &str = r#"
import base64, itertools, json, sys, zlib, h5py, numpy as np
DTYPES = {"bool": "?", "complex64": "<c8"}
def undo(codec, data):
    name = codec.get("id") or codec["name"].removeprefix("numcodecs.")
    if name == "zlib":
        return zlib.decompress(data)
    if name == "shuffle":
        size = codec.get("elementsize") or codec["configuration"]["elementsize"]
        return np.frombuffer(data, "u1").reshape(size, -1).T.tobytes()
    assert name == "bytes" and codec.get("configuration") in (None, {"endian": "little"}), codec
    return data
def load(path):
    with open(path) as f:
        refs = json.load(f)
    assert refs["version"] == 1
    refs, arrays, requests = refs["refs"], {}, 0
    for key in refs:
        if key.endswith("/.zarray"):
            name, meta = key.removesuffix("/.zarray"), json.loads(refs[key])
            attributes = json.loads(refs[name + "/.zattrs"])
            names = attributes.pop("_ARRAY_DIMENSIONS")
            dtype, chunks, codecs, separator = meta["dtype"], meta["chunks"], meta["filters"] or [], "."
            assert meta["fill_value"] is None and meta["compressor"] is None and ".zgroup" in refs
        elif key.endswith("/zarr.json"):
            name, meta = key.removesuffix("/zarr.json"), json.loads(refs[key])
            if meta["node_type"] == "group":
                continue
            attributes, names, codecs, separator = meta["attributes"], meta["dimension_names"], meta["codecs"], "/"
            dtype = DTYPES.get(meta["data_type"], meta["data_type"])
            chunks = meta["chunk_grid"]["configuration"]["chunk_shape"]
            if attributes.get("logical_dtype") == "bfloat16":
                assert meta["fill_value"] == 0xFFFF
        else:
            continue
        assert len(names) == len(meta["shape"]) and len(set(names)) == len(names)
        values = np.zeros(meta["shape"], dtype)
        for place in itertools.product(*(range(-(-axis // chunk)) for axis, chunk in zip(values.shape, chunks))):
            chunk = separator.join(map(str, place)) if separator == "." else "/".join(["c", *map(str, place)])
            found = refs[f"{name}/{chunk or 0}"]
            if isinstance(found, str):
                data = base64.b64decode(found.removeprefix("base64:"))
            else:
                url, offset, length = found
                with open(url.removeprefix("file://"), "rb") as f:
                    f.seek(offset)
                    data = f.read(length)
                assert len(data) == length, (key, place)
            requests += 1
            for codec in reversed(codecs):
                data = undo(codec, data)
            piece = np.frombuffer(data, dtype).reshape(chunks)
            to = tuple(slice(at * len, (at + 1) * len) for at, len in zip(place, chunks))
            values[to] = piece[tuple(slice(0, axis.stop - axis.start) for axis in map(lambda s, n: range(s.start, min(s.stop, n)), to, values.shape))]
        arrays[name] = values, attributes
    return arrays, requests
path, *all = sys.argv[1:]
counts = []
for references in all:
    arrays, requests = load(references)
    counts.append(requests)
    with h5py.File(path, "r", locking=False) as f:
        assert set(arrays) == set(f), (set(arrays), set(f))
        steps = min(len(f[name]) for name in f if f[name].maxshape[:1] == (None,)) if "W" in f and f["W"].maxshape[0] is None else len(f["W"])
        for name, (values, attributes) in arrays.items():
            expected = f[name][()]
            if expected.ndim and f[name].maxshape[0] is None:
                expected = expected[:steps]
            same = np.asarray(expected)
            assert values.shape == same.shape and values.dtype == same.dtype, (name, values, same)
            assert values.tobytes() == same.tobytes(), name
            assert attributes.get("logical_dtype") == f[name].attrs.get("logical_dtype"), name
print(*counts)
"#;

/// Writes references to files in both forms, and holds them against `path`; returns how many pieces they have.
fn check(place: &Place, files: &[&str], path: &str, piece: &str) -> u64 {
    let outputs = ["2", "3"].map(|zarr| {
        let output = format!("{path}.{zarr}.json");
        let mut args = vec![
            "references",
            "--zarr",
            zarr,
            "--piece",
            piece,
            "-o",
            &output,
        ];
        args.extend(["--overwrite"].iter().chain(files));
        place.print(&args);
        place.path(&output)
    });
    let [two, three] = &outputs;
    let counts = python::run(READ, [&place.path(path), two, three]);
    let (two, three) = counts.split_once(' ').unwrap();
    assert_eq!(two, three);
    two.parse().unwrap()
}

#[test]
fn references_are_read_as_zarr_says() {
    die_if_child("references::references_are_read_as_zarr_says");
    let place = Place::new();
    finished(&place.path("run 1%.h5"));
    // Each step, each loss and each byte of the mask alone; then seven steps in chunks of three, and the others whole.
    assert_eq!(check(&place, &["run 1%.h5"], "run 1%.h5", "1"), 7 + 7 + 6);
    assert_eq!(check(&place, &["run 1%.h5"], "run 1%.h5", "8MB"), 3 + 1 + 1);
    let recorder = live(&place.path("live.h5"));
    check(&place, &["live.h5"], "live.h5", "100");
    drop(recorder);
    died(
        &place.path("died.h5"),
        "references::references_are_read_as_zarr_says",
    );
    check(&place, &["died.h5"], "died.h5", "8MB");

    let mut run = Recorder::create(place.path("fast.h5"))
        .tensor::<bf16>("W", [64, 256])
        .compression(Compression::Fast)
        .start()
        .unwrap();
    for step in 0..20_u16 {
        let value = |index: u16| bf16::from_bits(0x3F00 | (index % 251).wrapping_mul(step) & 0xFF);
        let values: Vec<bf16> = (0..64 * 256).map(value).collect();
        run.append(|row| row.put("W", &values)).unwrap();
    }
    run.finish().unwrap();
    assert_eq!(check(&place, &["fast.h5"], "fast.h5", "8MB"), 20);
    place.print(&[
        "rechunk",
        "fast.h5",
        "archive.h5",
        "--compression",
        "temporal",
    ]);
    check(&place, &["archive.h5"], "archive.h5", "8MB");
}

#[test]
fn references_of_ranks_are_those_of_the_whole() {
    let place = Place::new();
    fs::create_dir(place.path("parts")).unwrap();
    for rank in 0..2_u16 {
        let path = place.path(&format!("parts/rank{rank}.h5"));
        let mut run = declare_rank(&path, rank)
            .attribute("lr", 1e-3)
            .start()
            .unwrap();
        for step in 0..9 - rank {
            let values = [bf16::from_f32(f32::from(step + 100 * rank)); 12];
            run.append(|row| row.put("W", &values)?.put("losses", &f32::from(step)))
                .unwrap();
        }
        run.finish().unwrap();
    }
    let ranks = ["parts/rank1.h5", "parts/rank0.h5"];
    place.print(&["join", ranks[0], ranks[1], "-o", "run.h5"]);
    for files in [&ranks[..], &["run.h5"]] {
        assert_eq!(check(&place, files, "run.h5", "1"), 2 * 8 + 8);
    }
    assert_snapshot!(place.print(&["references", ranks[0], ranks[1]]));
    place.print(&[
        "references",
        "run.h5",
        "-o",
        "s3.json",
        "--url",
        "s3://bucket/runs/",
    ]);
    let references = fs::read_to_string(place.path("s3.json")).unwrap();
    for rank in ["rank0.h5", "rank1.h5"] {
        assert!(
            references.contains(&format!("[\"s3://bucket/runs/{rank}\",")),
            "{references}"
        );
    }

    let refused = |args: &[&str], why: &str| {
        let run = place.run(args);
        assert_eq!(run.code, 2, "{}", run.stdout);
        assert!(run.stderr.contains(why), "{}", run.stderr);
    };
    refused(&["references", "run.h5", "-o", "s3.json"], "s3.json exists");
    for output in ["run.h5", "parts/rank0.h5"] {
        let args = ["references", "run.h5", "-o", output, "--overwrite"];
        refused(&args, "is one of the files that are read");
    }
    refused(&["references", ranks[0], ranks[0]], "are both of rank 1");
    place.print(&["inspect", "run.h5"]);
}

/// A tensor without references is refused by name, and others are there without it.
#[test]
fn what_has_no_references_is_told() {
    let place = Place::new();
    let make = "import sys, h5py\nwith h5py.File(sys.argv[1], 'w') as f: f['W'] = [1.0, 2.0]; f['big'] = h5py.Empty('f4'); f['a/b/late'] = [[1, 2]]";
    python::on_file(make, &place.path("others.h5"));
    let run = place.run(&["references", "others.h5", "-o", "others.json"]);
    assert!(
        run.code == 2 && run.stderr.contains("`big`"),
        "{}",
        run.stderr
    );
    assert!(!place.path("others.json").exists());
    let args = [
        "references",
        "others.h5",
        "-o",
        "others.json",
        "--zarr",
        "3",
        "--skip-unsupported",
    ];
    let told = place.print(&args);
    assert!(
        told.contains("left out:") && told.contains("`big`"),
        "{told}"
    );
    let written = fs::read_to_string(place.path("others.json")).unwrap();
    for key in [
        "zarr.json",
        "a/zarr.json",
        "a/b/zarr.json",
        "a/b/late/c/0/0",
    ] {
        assert!(written.contains(&format!("\"{key}\":")), "{key}: {written}");
    }
}

/// The values were said to lie in other files that it names.
#[test]
fn a_file_with_a_user_block_has_none() {
    let place = Place::new();
    let script = "import sys, h5py, numpy as np\nwith h5py.File(sys.argv[1], 'w', userblock_size=512) as f:\n  f['W'] = np.arange(9.0)\n  f.create_dataset('z', data=np.arange(50), chunks=(7,), compression='gzip')";
    python::on_file(script, &place.path("a.h5"));
    for skip in [&[][..], &["--skip-unsupported"]] {
        let run = place.run(&[&["references", "a.h5"], skip].concat());
        let said = run.stderr + &run.stdout;
        assert!(said.contains("user block"), "{said}");
        assert!(
            !said.contains("other files") && !said.contains("went through"),
            "{said}"
        );
    }
}
