//! Comparing two files: planted differences are found exactly.

use std::path::Path;

use selvedge_hdf5::{CompareOptions, Comparison, Reader, TensorComparison, Verdict, compare};
use selvedge_testing::{Random, python, seed};

use crate::common::faults::new_path;

/// Two files of the same tensors in other layouts, with differences at the places given: lines of
/// tensor and flat index.
const PLANT: &str = r#"
import sys, h5py, numpy as np
rng = np.random.default_rng(3)
words = lambda *shape: rng.integers(0, 2**16, shape, np.uint16)
data = {
    "W": words(90, 120, 40), "f4": words(90, 33, 2).view("f4"), "half": words(90, 7).view("f2"),
    "scalar": rng.random(90), "bytes": rng.integers(0, 256, (90, 5), np.uint8), "single": np.int32(5),
    "flags": rng.random((90, 3)) < 0.5,
}
layouts = [dict(chunks=True), dict(chunks=True, compression=1), dict()]
left, right, places = sys.argv[1:]
with h5py.File(left, "w") as f:
    for n, (name, d) in enumerate(data.items()):
        f.create_dataset(name, data=d, **(layouts[n % 3] if np.ndim(d) else {}))
for line in open(places):
    name, at = line.split()
    flat = np.array(data[name]); flat = flat.reshape(-1)
    bits = flat.view({1: "u1", 2: "u2", 4: "u4", 8: "u8"}[flat.itemsize])
    bits[int(at)] ^= 1
    data[name] = flat.reshape(np.shape(data[name]))
with h5py.File(right, "w") as f:
    for n, (name, d) in enumerate(data.items()):
        d = d.astype(d.dtype.newbyteorder(">")) if name == "scalar" else d
        f.create_dataset(name, data=d, **(layouts[(n + 1) % 3] if np.ndim(d) else {}))
"#;

fn of(paths: [&Path; 2], options: &CompareOptions) -> Comparison {
    let [left, right] = paths.map(|path| Reader::open(path).unwrap());
    let found = compare(&left, &right, options, |_| {}).unwrap();
    println!("{found}");
    found
}

fn tensor<'a>(found: &'a Comparison, name: &str) -> &'a TensorComparison {
    let mut tensors = found.tensors.iter();
    tensors.find(|tensor| tensor.tensor == name).unwrap()
}

#[test]
fn planted_differences_are_found_exactly() {
    let mut random = Random(seed());
    let (folder, left) = new_path();
    let (right, places) = (folder.path().join("right.h5"), folder.path().join("places"));
    let shapes: [(&str, &[u64]); 7] = [
        ("W", &[90, 120, 40]),
        ("f4", &[90, 33, 1]),
        ("half", &[90, 7]),
        ("scalar", &[90]),
        ("bytes", &[90, 5]),
        ("single", &[]),
        ("flags", &[90, 3]),
    ];
    for round in 0..12 {
        let (mut text, mut planted) = (String::new(), Vec::new());
        for (name, shape) in shapes {
            let len: u64 = shape.iter().product();
            let count = random.below(4) * u64::from(round > 0);
            let mut at: Vec<u64> = (0..count).map(|_| random.below(len)).collect();
            at.sort_unstable();
            at.dedup();
            for at in &at {
                text += &format!("{name} {at}\n");
            }
            planted.push((name, shape, at));
        }
        std::fs::write(&places, text).unwrap();
        python::run(PLANT, [&left, &right, &places]);
        for count in [true, false] {
            let memory = 1 << (16 + random.below(10));
            let options = CompareOptions::default()
                .memory(memory.max(8 << 20))
                .count(count);
            let found = of([&left, &right], &options);
            assert_eq!(
                found.is_equal(),
                planted.iter().all(|(.., at)| at.is_empty())
            );
            for (name, shape, at) in &planted {
                let tensor = tensor(&found, name);
                let expected = if at.is_empty() {
                    Verdict::Equal
                } else {
                    Verdict::Values
                };
                assert_eq!(tensor.verdict, expected, "{name}");
                assert_eq!(tensor.differing, count.then_some(at.len() as u64), "{name}");
                assert_eq!(tensor.first.is_some(), !at.is_empty());
                let Some(first) = &tensor.first else { continue };
                let row: u64 = shape.iter().skip(1).product();
                let inner = shape.get(1..).unwrap_or_default();
                let flat = inner
                    .iter()
                    .zip(&first.index)
                    .fold(0, |flat, (axis, at)| flat * axis + at);
                assert_eq!(first.step * row + flat, at[0], "{name}");
                assert_eq!(first.left ^ first.right, 1, "{name}");
            }
        }
    }
}

const OTHER: &str = r#"
import sys, h5py, numpy as np
left, right = sys.argv[1:]
with h5py.File(left, "w") as f, h5py.File(right, "w") as g:
    for h, n, t in ((f, 6, "f4"), (g, 4, "f8")):
        h.create_dataset("steps", data=np.arange(n * 3, dtype="f4").reshape(n, 3), chunks=(2, 3))
        h["dtype"] = np.zeros(3, t)
        h["shape"] = np.zeros((3, n))
        h["names"] = ["a", "b"]
        h["nan"] = np.array([np.nan, -np.nan])
        h.attrs["lr"] = 1.0 * n
        h.attrs["same"] = float("nan")
        h.attrs["created"] = str(n)
        h["nan"].attrs["unit"] = "m" * n
    f["left"] = 1
    g["right"] = 2
"#;

#[test]
fn what_else_can_differ_is_told() {
    let (folder, left) = new_path();
    let right = folder.path().join("right.h5");
    python::run(OTHER, [&left, &right]);
    let found = of(
        [&left, &right],
        &CompareOptions::default().attributes(true).count(true),
    );
    assert_eq!(
        (&found.only_left[..], &found.only_right[..]),
        (&["left".to_owned()][..], &["right".to_owned()][..])
    );
    for (name, verdict) in [
        ("steps", Verdict::Steps),
        ("dtype", Verdict::Dtype),
        ("shape", Verdict::Shape),
        ("names", Verdict::Unreadable),
        ("nan", Verdict::Equal),
    ] {
        assert_eq!(tensor(&found, name).verdict, verdict, "{name}");
    }
    let names: Vec<&str> = found
        .attributes
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["lr", "nan: unit"]);
    assert!(!found.is_equal());
    assert!(
        found
            .to_string()
            .contains("6 and 4 steps; those that both have are equal")
    );
}

#[test]
fn a_dataset_in_a_group_goes_with_the_one_at_the_root() {
    let (folder, left) = new_path();
    let right = folder.path().join("right.h5");
    let make = |path: &Path, names: &str| {
        let script = "import sys, h5py\nwith h5py.File(sys.argv[1], 'w') as f:\n    \
                      for n in sys.argv[2].split(): f[n] = [1, 2]";
        python::run(script, [path.as_os_str(), names.as_ref()]);
    };
    let check = |left_names: &str, right_names: &str, equal: bool| {
        make(&left, left_names);
        make(&right, right_names);
        let found = of([&left, &right], &CompareOptions::default());
        assert_eq!(found.is_equal(), equal, "{left_names} and {right_names}");
    };
    check("model/a/W", "model.a.W", true);
    check("model.W", "model/W", true);
    // One of two is nobody's.
    check("model/W model.W", "model.W", false);
    check("model/W model.W", "model/W model.W", true);
    check("a/b.c", "a.b/c", true);
    // Nobody can tell which of two it was made of.
    make(&left, "a/b.c a.b/c");
    make(&right, "a.b.c");
    let [left, right] = [&left, &right].map(|path| Reader::open(path).unwrap());
    let error = compare(&left, &right, &CompareOptions::default(), |_| {}).unwrap_err();
    for name in ["`a/b.c`", "`a.b/c`", "`a.b.c`"] {
        assert!(error.to_string().contains(name), "{error}");
    }
}
