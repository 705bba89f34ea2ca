//! `selvedge inspect` on files of the recorder, of stock h5py and of Python's safetensors.
//!
//! The outputs are in `snapshots/`, as insta keeps them: it is what the checker's tests use, too, and
//! without its default features it is one more crate. `INSTA_UPDATE=always cargo test` writes them.

use std::collections::BTreeSet;

use crate::common::{Place, die_if_child, died, finished, live, masked};
use insta::assert_snapshot;
use selvedge_safetensors::{Save, bf16};
use selvedge_testing::python;
use serde_json::Value;

#[test]
fn a_finished_run() {
    let place = Place::new();
    finished(&place.path("thimble_1.h5"));
    assert_snapshot!(masked(&place.print(&["inspect", "thimble_1.h5"])));
}

#[test]
fn the_values_of_a_run() {
    let place = Place::new();
    finished(&place.path("thimble_1.h5"));
    assert_snapshot!(masked(&place.print(&[
        "inspect",
        "--stats",
        "thimble_1.h5"
    ])));
}

#[test]
fn a_live_run() {
    let place = Place::new();
    let run = live(&place.path("thimble_1.h5"));
    assert_snapshot!(masked(&place.print(&["inspect", "thimble_1.h5"])));
    run.finish().unwrap();
}

#[test]
fn a_run_whose_writer_died() {
    const NAME: &str = "inspect::a_run_whose_writer_died";
    die_if_child(NAME);
    let place = Place::new();
    died(&place.path("thimble_1.h5"), NAME);
    assert_snapshot!(masked(&place.print(&["inspect", "thimble_1.h5"])));
}

/// What people have: float16, chunks of one step with gzip, no marker, labels of axes, groups, and
/// types that are no numbers.
const H5PY: &str = r#"
import sys, h5py, numpy as np
values = (np.arange(60 * 8 * 4).reshape(60, 8, 4) % 97 / 50 - 1).astype("f4")
with h5py.File(sys.argv[1], "w") as f:
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    f.create_dataset("W", data=bits, chunks=(16, 8, 4))
    f.create_dataset("grad_W", data=values.astype("f2"), chunks=(1, 8, 4), compression="gzip", compression_opts=1, shuffle=True)
    f["grad_W"].dims[0].label = "step"
    f["grad_W"].dims[1].label = "token"
    f["grad_W"].attrs["unit"] = "per token"
    f.create_dataset("losses", data=np.linspace(4, 1, 60), dtype=">f8")
    spoiled = values[0].copy()
    spoiled[0, :3] = [np.nan, np.inf, -np.inf]
    f.create_dataset("spoiled", data=spoiled)
    f.create_dataset("words", data=["a", "b"])
    f.create_dataset("nothing", data=h5py.Empty("f4"))
    f.create_dataset("model/layers.0.attention.query/weight", data=values[0])
    f.attrs["lr"] = 1e-3
    f.attrs["notebook"] = "1.5d_by_hand.ipynb"
    f.attrs["escape"] = "\x1b[31mred"
"#;

#[test]
fn a_file_of_h5py() {
    let place = Place::new();
    python::on_file(H5PY, &place.path("by_hand.h5"));
    assert_snapshot!(place.print(&["inspect", "--stats", "by_hand.h5"]));
}

#[test]
fn bits_that_are_taken_for_bf16() {
    let place = Place::new();
    python::on_file(H5PY, &place.path("by_hand.h5"));
    let text = place.print(&["inspect", "--assume-bf16", "--stats", "by_hand.h5"]);
    assert!(text.contains("bfloat16  (60, 8, 4)"), "{text}");
    assert!(text.contains("W = torch.from_numpy(f[\"W\"][:]).view(torch.bfloat16)"));
    assert!(!text.contains("notes"), "{text}");
}

/// All that is printed for Python runs there, and gives the shape and the bits that it should. torch
/// is not among the tests' tools, so ml_dtypes stands in for it.
#[test]
fn the_lines_for_python_run() {
    const CHECK: &str = r#"
import sys, json, types, numpy as np, ml_dtypes
class Tensor:
    def __init__(self, a): self.a = a
    def view(self, dtype): return Tensor(self.a.view(dtype))
    def to(self, dtype): return Tensor(self.a.astype(dtype))
torch = types.ModuleType("torch")
torch.bfloat16 = ml_dtypes.bfloat16
def from_numpy(a):
    assert isinstance(a, np.ndarray) and a.dtype.isnative, a
    return Tensor(a)
torch.from_numpy = from_numpy
sys.modules["torch"] = torch
for file in json.loads(sys.argv[1])["files"]:
    names = {}
    for line in file["python"]:
        exec(line.replace('safetensors.torch', 'safetensors.numpy'), names)
    for tensor in file["tensors"]:
        value = eval(tensor["python"], names)
        value = value.a if isinstance(value, Tensor) else value
        if tensor["element_bits"]:
            assert list(value.shape) == tensor["shape"], tensor
            assert str(value.dtype) == tensor["dtype"], (value.dtype, tensor)
"#;
    let place = Place::new();
    python::on_file(H5PY, &place.path("by_hand.h5"));
    finished(&place.path("thimble_1.h5"));
    mask(&place);
    let arrays = "
import os, sys, h5py, numpy as np, ml_dtypes
bf16 = np.arange(6, dtype=np.float32).astype(ml_dtypes.bfloat16).reshape(2, 3)
np.save(sys.argv[1], bf16)
np.savez(sys.argv[2], bf16=bf16, x=np.zeros((2, 2)), mask=np.ones(3, bool), one=np.float32(1),
    objects=np.array([{}, 1], object))
np.save(sys.argv[3], np.array([{}, 1], object))
# The writer dies, and its mark stays.
f = h5py.File(sys.argv[4], 'w', libver='latest')
f['W'] = np.ones((2, 3), 'f4')
f.swmr_mode = True
print('done', flush=True)
os._exit(0)
";
    let made = ["a.npy", "b.npz", "objects.npy", "swmr.h5"].map(|name| place.path(name));
    python::run(arrays, made);
    let files = [
        "by_hand.h5",
        "thimble_1.h5",
        "1.5d_mask.safetensors",
        "a.npy",
        "b.npz",
        "objects.npy",
        "swmr.h5",
    ]
    .map(|name| place.path(name).display().to_string());
    let flags = ["inspect", "--json", "--assume-bf16"];
    let args: Vec<&str> = flags
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    let json = place.print(&args);
    python::run(CHECK, [json]);
}

fn mask(place: &Place) {
    Save::new(place.path("1.5d_mask.safetensors"))
        .tensor(
            "cluster_mask",
            [2, 3],
            &[true, false, true, false, false, true],
        )
        .tensor("centers", [3], &[bf16::ONE, bf16::NEG_ZERO, bf16::INFINITY])
        .scalar("n_clusters", 2_i64)
        .notebook("1.5d_clusters.ipynb")
        .parameter("threshold", 0.5)
        .write()
        .unwrap();
}

#[test]
fn a_safetensors_file() {
    let place = Place::new();
    mask(&place);
    assert_snapshot!(masked(&place.print(&[
        "inspect",
        "--stats",
        "1.5d_mask.safetensors"
    ])));
}

#[test]
fn json_is_read_back() {
    let place = Place::new();
    finished(&place.path("thimble_1.h5"));
    let json = place.print(&["inspect", "--json", "--stats", "thimble_1.h5"]);
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["errors"], serde_json::json!([]));
    let file = &report["files"][0];
    assert_eq!(file["format"], "hdf5");
    assert_eq!(file["recording"]["state"], "finished");
    assert_eq!(file["recording"]["committed_steps"], 7);
    assert_eq!(file["recording"]["planned_steps"], 8);
    assert_eq!(file["provenance"]["notebook"], "1.5d_train.ipynb");
    let tensor = |name: &str| {
        let tensors = file["tensors"].as_array().unwrap();
        tensors
            .iter()
            .find(|tensor| tensor["name"] == name)
            .unwrap()
    };
    let w = tensor("W");
    assert_eq!(w["shape"], serde_json::json!([7, 6, 4]));
    assert_eq!(w["axes"], serde_json::json!(["steps", null, null]));
    assert_eq!(
        (&w["dtype"], &w["stored_dtype"]),
        (&"bfloat16".into(), &"uint16".into())
    );
    assert_eq!(w["storage"]["layout"], "chunked");
    assert_eq!(w["storage"]["chunk_shape"], serde_json::json!([3, 6, 4]));
    assert_eq!(w["storage"]["tail_steps"], 1);
    assert_eq!(tensor("dead_mask")["storage"]["layout"], "contiguous");
    let stats = file["stats"].as_array().unwrap();
    let w = stats.iter().find(|stats| stats["tensor"] == "W").unwrap();
    assert_eq!(w["values"]["count"], 7 * 24);
    assert_eq!(w["values"]["unchanged"], 0.5);
    assert_eq!(w["values"]["min"], -2.0);
}

#[test]
fn files_that_differ() {
    let place = Place::new();
    finished(&place.path("one.h5"));
    live(&place.path("two.h5")).finish().unwrap();
    python::on_file(
        r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "r+") as f:
    del f["dead_mask"]
    f.create_dataset("live_mask", data=np.zeros(6, bool))
    f.attrs["learning_rate"] = 3e-3
    f["W"].attrs["note"] = "shifted"
"#,
        &place.path("two.h5"),
    );
    let run = place.run(&["inspect", "--diff", "one.h5", "two.h5"]);
    assert_eq!((run.code, &*run.stderr), (1, ""));
    assert_snapshot!(run.stdout);
    let run = place.run(&["inspect", "--diff", "--json", "one.h5", "two.h5"]);
    assert_eq!(run.code, 1);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["equal"], false);
    assert_eq!(report["only_in_first"], serde_json::json!(["dead_mask"]));
    assert_eq!(report["tensors"][0]["property"], "shape");
    let same = place.print(&["inspect", "--diff", "one.h5", "one.h5"]);
    assert!(
        same.ends_with("alike: 3 tensors; values were not compared\n"),
        "{same}"
    );
    let run = place.run(&["inspect", "--diff", "one.h5", "none.h5"]);
    assert_eq!(run.code, 2);
    assert_eq!(
        run.stderr,
        "error: there is no none.h5; did you mean one.h5?\n"
    );
    assert_eq!(place.run(&["inspect", "--diff", "one.h5"]).code, 2);
}

/// Values of 16 bits are counted by their pattern where there are many of them, and one by one where there
/// are few: a checkpoint of 40,000 small tensors took a millisecond for each.
#[test]
fn many_values_and_few_have_the_statistics_of_numpy() {
    let place = Place::new();
    let make = "
import sys, json, h5py, numpy as np
bits = np.arange(1 << 16, dtype=np.uint16)
steps = (np.arange(16 << 16, dtype=np.int64) % 30_011 - 15_000).astype(np.int16).reshape(16, 256, 256)
with h5py.File(sys.argv[1], 'w') as f:
    for name, array in (('all', bits), ('few', bits[:: 257])):
        f[name] = array
        f[name].attrs['logical_dtype'] = 'bfloat16'
    f.create_dataset('steps', data=steps, chunks=(5, 256, 256))
    f.create_dataset('short', data=steps[:, :9, :9], chunks=(5, 9, 9))
expected = {}
for name, array in (('all', bits), ('few', bits[:: 257])):
    values = (array.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    finite = values[np.isfinite(values)]
    expected[name] = [int(np.isnan(values).sum()), int(np.isinf(values).sum()), int((values == 0).sum()),
                      finite.min(), finite.max(), finite.mean(), None]
for name, array in (('steps', steps), ('short', steps[:, :9, :9])):
    same = float((array[1:] == array[:-1]).mean())
    expected[name] = [0, 0, int((array == 0).sum()), int(array.min()), int(array.max()), float(array.mean()),
                      same]
print(json.dumps(expected))
";
    let expected = python::on_file(make, &place.path("a.h5"));
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let json = place.print(&["inspect", "--stats", "--json", "a.h5"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let stats = json["files"][0]["stats"].as_array().unwrap();
    assert_eq!(stats.len(), 4);
    for tensor in stats {
        let (name, found) = (tensor["tensor"].as_str().unwrap(), &tensor["values"]);
        let greatest = expected[name][4].as_f64().unwrap();
        // Of values that cancel each other the rounding of the greatest is left.
        let tolerance = |key: &str, expected: f64| match key {
            "mean" => 1e-9 * greatest,
            _ => 1e-9 * expected.abs(),
        };
        let keys = [
            "nan",
            "infinite",
            "zeros",
            "min",
            "max",
            "mean",
            "unchanged",
        ];
        for (key, expected) in keys.iter().zip(expected[name].as_array().unwrap()) {
            let [found, expected] = [&found[*key], expected].map(serde_json::Value::as_f64);
            let near = match (found, expected) {
                (Some(found), Some(expected)) => {
                    (found - expected).abs() <= tolerance(key, expected)
                }
                (found, expected) => found == expected,
            };
            assert!(near, "{name} {key}: {found:?}, expected {expected:?}");
        }
    }
}

/// Layers of a model have a line together, in natural order, and one that is not as the others its own.
#[test]
fn layers_have_one_line() {
    let place = Place::new();
    let zeros = [0_f32; 6];
    let mut save = Save::new(place.path("model.safetensors"));
    for layer in 0..12 {
        let other = if layer == 7 { 5 } else { 4 };
        save = save.tensor(format!("h.{layer}.attn"), [6], &zeros);
        save = save.tensor(format!("h.{layer}.mlp"), [other], &zeros[..other]);
    }
    save.tensor("wte", [2], &zeros[..2]).write().unwrap();
    let shown = |more: &[&str]| {
        let all = place.print(&[&["inspect", "--no-findings", "model.safetensors"], more].concat());
        let (_, table) = all.split_once("  tensor ").unwrap();
        let lines = table
            .lines()
            .skip(1)
            .take_while(|line| !line.contains("elements"));
        lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let lines = [
        "h.{0-11}.attn       float32  (6,)   12 × 24 B",
        "h.{11 of 0-11}.mlp  float32  (4,)   11 × 16 B",
        "h.7.mlp             float32  (5,)        20 B",
        "wte                 float32  (2,)         8 B",
    ];
    assert_eq!(shown(&[]), lines);
    let each = shown(&["--each"]);
    let is_of = |line: usize, name: &str| each[line].starts_with(name);
    assert!(
        each.len() == 25 && is_of(4, "h.2.attn") && is_of(20, "h.10.attn"),
        "{each:?}"
    );
}

/// `load_file` refuses all of a file that has floats of 6 bits, and `safe_open` only these.
#[test]
fn what_torch_has_not_hinders_no_other_tensor() {
    let place = Place::new();
    let header = r#"{"a":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}}  "#;
    let length = u64::try_from(header.len()).unwrap();
    let bytes = [&length.to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
    std::fs::write(place.path("x.safetensors"), bytes).unwrap();
    let text = place.print(&["inspect", "x.safetensors"]);
    assert!(
        text.contains(r#"f = safe_open("x.safetensors", "pt")"#),
        "{text}"
    );
    assert!(text.contains(r#"b = f.get_tensor("b")"#), "{text}");
    let start = 8 + header.len();
    let bytes = format!(r#"np.fromfile("x.safetensors", "uint8", 3, offset={start})"#);
    assert!(text.contains(&bytes), "{text}");
}

/// A chunk that is mostly empty was said to have a tail of 40860 %.
#[test]
fn a_tail_that_is_more_than_the_data_has_no_percentage() {
    let place = Place::new();
    let script = "import sys, h5py\nwith h5py.File(sys.argv[1], 'w') as f:\n  f.create_dataset('W', (20, 4), maxshape=(None, 4), chunks=(8192, 4))";
    python::on_file(script, &place.path("a.h5"));
    let shown = place.print(&["inspect", "--no-findings", "a.h5"]);
    assert!(
        shown.contains("tail 8,172 steps (408.6 times the data)"),
        "{shown}"
    );
}

/// The names of all fields of some JSON.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.keys().cloned());
            object.values().for_each(|value| fields(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

/// `remarks`, `findings` and others were not in the document.
#[test]
fn the_document_has_every_field_of_json() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    finished(&place.path("b.h5"));
    python::on_file(
        "import sys, h5py, numpy as np\nwith h5py.File(sys.argv[1], 'r+') as f:\n  f['W'][3] = 1\n  f['x'] = np.zeros((8, 2), 'u2')",
        &place.path("b.h5"),
    );
    place.print(&["checksum", "a.h5"]);
    let commands: [&[&str]; 9] = [
        &["inspect", "--json", "--stats", "a.h5", "b.h5", "nothing.h5"],
        &["inspect", "--json", "--diff", "a.h5", "b.h5"],
        &[
            "verify",
            "--json",
            "--count",
            "--attributes",
            "a.h5",
            "b.h5",
        ],
        &["verify", "--json", "a.h5"],
        &["checksum", "--json", "b.h5"],
        &["convert", "--json", "a.h5", "a.safetensors"],
        &["rechunk", "--json", "--dry-run", "a.h5", "c.h5"],
        &["rechunk", "--json", "a.h5", "c.h5"],
        &["recover", "--json", "--dry-run", "a.h5"],
    ];
    let mut found = BTreeSet::new();
    for args in commands {
        let printed = place.run(args).stdout;
        fields(&serde_json::from_str(&printed).expect(&printed), &mut found);
    }
    let document = include_str!("../../../../docs/cli.md");
    found.retain(|field| !document.contains(&format!("`{field}`")));
    assert!(found.is_empty(), "docs/cli.md has not: {found:?}");
}
