//! `selvedge convert`: the formats into each other, judged by h5py, safetensors and `NumPy`.

use std::fs;

use crate::common::{Place, finished, live, unwrapped};
use selvedge_testing::python;

/// A trajectory of h5py with every dtype, and all bits of bfloat16, NaNs among them.
const ALL: &str = "
import sys, h5py, numpy as np
rng = np.random.default_rng(3)
with h5py.File(sys.argv[1], 'w') as f:
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(8, 128, 64)
    f.create_dataset('W', data=bits, maxshape=(None, 128, 64), chunks=(3, 128, 64))
    f['W'].attrs['logical_dtype'] = 'bfloat16'
    f['W'].attrs['layer'] = 3
    for dtype in 'f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8'.split():
        size = 8 * 5 * np.dtype(dtype).itemsize
        values = np.frombuffer(rng.bytes(size), dtype).reshape(8, 5)
        f.create_dataset(dtype, data=values, maxshape=(None, 5), chunks=(2, 5))
    f.create_dataset('big', data=np.arange(40, dtype='>f4').reshape(8, 5))
    f.create_dataset('packed', data=np.arange(24, dtype=np.int32).reshape(8, 3),
                     chunks=(3, 3), compression='gzip')
    f['mask'] = np.arange(6) % 2 == 0
    f['n'] = np.int64(-3)
    f.attrs['learning_rate'] = 1e-5
    f.attrs['betas'] = [0.9, 0.999]
    f.attrs['rows'] = 'row t: W before update t'
    f.attrs['notebook'] = '1.5d_train.ipynb'
";

/// Compares an HDF5 file with a safetensors file made of it, by their own libraries.
const SAME: &str = "
import sys, h5py, numpy as np, ml_dtypes
from safetensors.numpy import load_file
from safetensors import safe_open
f, tensors = h5py.File(sys.argv[1]), load_file(sys.argv[2])
assert set(f) == set(tensors), (set(f), set(tensors))
for name in f:
    one, two = f[name][...], tensors[name]
    bf16 = f[name].attrs.get('logical_dtype') == 'bfloat16'
    assert (two.dtype == ml_dtypes.bfloat16) == bf16, name
    if bf16:
        two = two.view(np.uint16)
    one = one.astype(one.dtype.newbyteorder('<'))
    assert one.dtype == two.dtype and one.shape == two.shape, (name, one.dtype, two.dtype)
    assert one.tobytes() == two.tobytes(), name
metadata = safe_open(sys.argv[2], 'np').metadata()
for key in sorted(metadata):
    if key not in ('created', 'selvedge_version'):
        print(f'{key}={metadata[key]}')
";

#[test]
fn every_dtype_there_and_back() {
    let place = Place::new();
    let [seed, there, back] =
        ["seed.h5", "there.safetensors", "back.h5"].map(|name| place.path(name));
    python::on_file(ALL, &seed);
    let text = place.print(&["convert", "seed.h5", "there.safetensors"]);
    assert!(
        text.starts_with("there.safetensors: 16 tensors, "),
        "{text}"
    );
    assert_eq!(
        python::run(SAME, [&seed, &there]),
        "notebook=1.5d_train.ipynb\n\
         parameter.betas=[0.9, 0.999]\n\
         parameter.learning_rate=1e-5\n\
         parameter.rows=row t: W before update t\n\
         tensor.W.layer=3"
    );
    place.print(&["verify", "seed.h5", "there.safetensors"]);

    place.print(&["convert", "there.safetensors", "back.h5"]);
    python::run(SAME, [&back, &there]);
    place.print(&["verify", "seed.h5", "back.h5"]);
    let script = "
import sys, h5py, numpy as np
f = h5py.File(sys.argv[1])
assert f['W'].maxshape[0] is None and f['big'].maxshape[0] is None
assert f['mask'].chunks is None and f['mask'].dtype == bool
assert f.attrs['learning_rate'] == 1e-5 and list(f.attrs['betas']) == [0.9, 0.999]
print(f.attrs['notebook'], '|', f.attrs['rows'])
";
    assert_eq!(
        python::on_file(script, &back),
        "1.5d_train.ipynb | row t: W before update t"
    );
    assert!(
        place
            .print(&["inspect", "back.h5"])
            .contains("finished: 8 of 8 steps")
    );
    // Nothing is left beside them.
    let names = fs::read_dir(place.path(".")).unwrap();
    assert_eq!(names.count(), 3);
}

#[test]
fn a_recording_says_which_tensors_have_steps() {
    let place = Place::new();
    finished(&place.path("thimble_1.h5"));
    place.print(&["convert", "thimble_1.h5", "a.safetensors"]);
    place.print(&["convert", "a.safetensors", "back.h5"]);
    let text = place.print(&["verify", "thimble_1.h5", "back.h5", "--attributes"]);
    assert!(text.contains("are equal, bit for bit: 3 tensors"), "{text}");
    place.print(&["verify", "thimble_1.h5", "a.safetensors", "--attributes"]);
    // The tensors are as old as they were.
    let created = |name: &str| -> String {
        let json: serde_json::Value =
            serde_json::from_str(&place.print(&["inspect", "--json", name])).unwrap();
        json["files"][0]["provenance"]["created"].to_string()
    };
    assert_eq!(created("thimble_1.h5"), created("a.safetensors"));
    // Where the file does not say, the shapes do: a mask that happens to be as long is told.
    let make = "
import sys, numpy as np
from safetensors.numpy import save_file
save_file({'W': np.zeros((7, 5, 2), np.float32), 'loss': np.arange(7.), 'mask': np.ones(7, bool),
           'n': np.array(7)}, sys.argv[1])
";
    python::on_file(make, &place.path("b.safetensors"));
    let roles = |name: &str| -> Vec<String> {
        let json: serde_json::Value =
            serde_json::from_str(&place.print(&["inspect", "--json", name])).unwrap();
        let tensors = json["files"][0]["tensors"].as_array().unwrap();
        let role = |tensor: &serde_json::Value| format!("{}: {}", tensor["name"], tensor["role"]);
        tensors.iter().map(|t| role(t).replace('"', "")).collect()
    };
    place.print(&["convert", "b.safetensors", "b.h5"]);
    let steps = ["W: step", "loss: step", "mask: step", "n: constant"];
    assert_eq!(roles("b.h5"), steps);
    place.print(&["convert", "b.safetensors", "c.h5", "--constant", "mask"]);
    let steps = ["W: step", "loss: step", "mask: constant", "n: constant"];
    assert_eq!(roles("c.h5"), steps);
    place.print(&["verify", "b.safetensors", "c.h5"]);
}

/// Metadata `step_tensors` were passed by as a whole where one of the tensors had another length: constants were cut,
/// and step tensors were not.
#[test]
fn step_tensors_of_metadata_that_have_not_the_same_steps_are_told() {
    let place = Place::new();
    let make = "
import sys, numpy as np
from safetensors.numpy import save_file
folder = sys.argv[1]
W, mask = np.arange(24, dtype='f4').reshape(6, 4), np.ones(6, bool)
said = {'step_tensors': '[\"W\", \"losses\"]'}
for name, losses in [('longer', np.arange(7.)), ('single', np.array(7.)), ('none', np.zeros(0))]:
    save_file({'W': W, 'mask': mask, 'losses': losses}, f'{folder}/{name}.safetensors', said)
";
    python::run(make, [&place.path("")]);
    let with_common = "--common-steps takes those that all have";
    for (file, output, more, told) in [
        ("longer", "a.h5", &[][..], "`W` has 6 and `losses` 7"),
        ("longer", "a.safetensors", &[], with_common),
        ("longer", "a.safetensors", &["--every", "2"], with_common),
        ("longer", "a.h5", &["--steps", "5..7"], "no steps 5..7"),
        ("single", "a.h5", &[], "--constant losses takes it"),
        ("single", "a.h5", &["--steps", "0"], "--constant losses"),
        ("none", "a.h5", &["--common-steps"], "`losses` has 0"),
    ] {
        let file = format!("{file}.safetensors");
        let args = [&["convert", &file, output][..], more].concat();
        let run = place.run(&args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.stdout);
        let stderr = unwrapped(&run.stderr);
        assert!(stderr.contains(told), "{args:?}: {stderr}");
    }
    let shapes = |name: &str| -> Vec<String> {
        let json = place.print(&["inspect", "--json", name]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let tensors = json["files"][0]["tensors"].as_array().unwrap().iter();
        let mut shapes: Vec<String> = tensors
            .map(|tensor| format!("{} {}", tensor["name"], tensor["shape"]).replace('"', ""))
            .collect();
        shapes.sort_unstable();
        shapes
    };
    let cut = ["W [2,4]", "losses [2]", "mask [6]"];
    let whole = ["W [6,4]", "losses [6]", "mask [6]"];
    let constant = ["W [2,4]", "losses [7]", "mask [6]"];
    for (more, expected, told) in [
        (&["--steps", "-2.."][..], cut, "first 6 are taken"),
        (&["--common-steps"], whole, "`losses` has 7 steps"),
        (&["--steps", "0..2", "--constant", "losses"], constant, ""),
    ] {
        for output in ["b.safetensors", "b.h5"] {
            let args = [
                &["convert", "longer.safetensors", output, "--overwrite"],
                more,
            ];
            let said = unwrapped(&place.print(&args.concat()));
            assert!(said.contains(told), "{said}");
            assert_eq!(shapes(output), expected, "{more:?} {output}");
        }
    }
    let two = ["--steps", "-2..", "--overwrite"];
    let args = [
        &["convert", "longer.safetensors", "b.safetensors"],
        &two[..],
    ];
    place.print(&args.concat());
    let shown = place.print(&["show", "b.safetensors", "losses"]);
    assert!(shown.ends_with("4.0\n   1     5.0\n"), "{shown}");
    // What is chosen, or called a constant, leaves no doubt.
    place.print(&["convert", "longer.safetensors", "W.h5", "-t", "W"]);
    place.print(&[
        "convert",
        "single.safetensors",
        "c.h5",
        "--constant",
        "losses",
    ]);
}

#[test]
fn parts_are_those_of_numpy() {
    let place = Place::new();
    let seed = place.path("seed.h5");
    python::on_file(ALL, &seed);
    let part = ["--steps", "1..8", "--every", "3", "--rows", "2..5"];
    let script = "
import sys, h5py, numpy as np, ml_dtypes
from safetensors.numpy import load_file
f, folder = h5py.File(sys.argv[1]), sys.argv[2]
w = f['W'][1:8:3][:, 2:5]
got = load_file(folder + '/part.safetensors')
assert set(got) == {'W', 'big', 'packed', 'mask'}, set(got)
assert (got['W'].view(np.uint16) == w).all() and got['W'].shape == w.shape
assert (got['packed'] == f['packed'][1:8:3][:, 2:5]).all()
assert (got['big'] == f['big'][1:8:3][:, 2:5]).all()
assert (got['mask'] == f['mask'][:]).all()
for name in ('W', 'again', 'of_npy'):
    array = np.load(folder + f'/{name}.npy')
    assert array.dtype == np.uint16 and (array == w).all() and array.shape == w.shape
h5 = h5py.File(folder + '/part.h5')['W']
assert (h5[:] == w).all() and h5.attrs['logical_dtype'] == 'bfloat16'
";
    let run = |args: &[&str], part: &[&str]| {
        let args: Vec<&str> = ["convert"]
            .iter()
            .chain(args)
            .chain(part)
            .copied()
            .collect();
        place.print(&args)
    };
    let some = ["-t", "mask", "-t", "big", "-t", "packed", "-t", "W"];
    let all: Vec<&str> = ["seed.h5", "part.safetensors"]
        .iter()
        .chain(&some)
        .copied()
        .collect();
    // `packed` has 3 rows.
    let refused: Vec<&str> = ["convert"]
        .iter()
        .chain(&all)
        .chain(&part)
        .copied()
        .collect();
    let refused = place.run(&refused);
    assert_eq!(refused.code, 2);
    assert!(
        refused
            .stderr
            .contains("tensor `packed` has no rows 2..5: it has 3"),
        "{}",
        refused.stderr
    );
    let script = script.replace("[:, 2:5]", "[:, 1:3]");
    let part = ["--steps", "1..8", "--every", "3", "--rows", "1..3"];
    run(&all, &part);
    let note = run(&["seed.h5", "W.npy", "-t", "W"], &part);
    assert!(
        note.contains("`W` is bfloat16, which NumPy has not"),
        "{note}"
    );
    run(&["seed.h5", "whole.safetensors", "-t", "W"], &[]);
    run(&["whole.safetensors", "again.npy"], &part);
    run(&["seed.h5", "whole.npy", "-t", "W"], &[]);
    run(&["whole.npy", "of_npy.npy"], &part);
    run(&["seed.h5", "part.h5", "-t", "W"], &part);
    python::run(&script, [&seed, &place.path("")]);
}

#[test]
fn arrays_of_numpy_in_and_out() {
    let place = Place::new();
    let folder = place.path("");
    let make = "
import sys, numpy as np, ml_dtypes
folder = sys.argv[1]
save = lambda name, array: np.save(f'{folder}/{name}.npy', array)
bits = np.arange(1 << 16, dtype=np.uint16).reshape(16, -1)
save('bits', bits)
save('marked', bits.view(ml_dtypes.bfloat16))
save('big', np.arange(12, dtype='>i4').reshape(3, 4))
save('mask', np.arange(9) % 2 == 0)
save('one', np.float64(1 / 3))
save('none', np.zeros((0, 3), np.float32))
save('complex', np.arange(3, dtype='>c8') * 1j)
save('line', np.asfortranarray(np.arange(5, dtype=np.float32).reshape(1, 5)))
save('columns', np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)))
save('text', np.array(['a', 'b']))
save('record', np.zeros(3, dtype=[('a', '<f4')]))
with open(f'{folder}/cut.npy', 'wb') as f:
    f.write(open(f'{folder}/bits.npy', 'rb').read()[:1000])
";
    python::run(make, [&folder]);
    for name in ["bits", "big", "mask", "one", "none", "complex", "line"] {
        let [input, there, back] = ["", ".safetensors", "_back"].map(|end| match end {
            ".safetensors" => format!("{name}{end}"),
            end => format!("{name}{end}.npy"),
        });
        place.print(&["convert", &input, &there]);
        place.print(&["convert", &there, &back]);
    }
    for name in ["bits", "marked"] {
        let [input, output] = ["npy", "h5"].map(|end| format!("{name}.{end}"));
        place.print(&["convert", &input, &output, "--assume-bf16", name, "-t", "W"]);
    }
    let judge = "
import sys, numpy as np, h5py
from safetensors.numpy import load_file
folder = sys.argv[1]
for name in 'bits big mask one none complex line'.split():
    one = np.load(f'{folder}/{name}.npy')
    two = np.load(f'{folder}/{name}_back.npy')
    three = load_file(f'{folder}/{name}.safetensors')[name] if name != 'complex' else two
    assert one.shape == two.shape == three.shape, name
    assert two.dtype == three.dtype == one.dtype.newbyteorder('<'), (name, two.dtype)
    assert (one == two).all() and (one == three).all(), name
for name in ('bits', 'marked'):
    w = h5py.File(f'{folder}/{name}.h5')['W']
    assert (w[:].ravel() == np.arange(1 << 16)).all() and w.attrs['logical_dtype'] == 'bfloat16'
";
    python::run(judge, [&folder]);
    for (name, expected) in [
        ("columns", "np.ascontiguousarray"),
        ("text", "holds `<U1`, which is not read"),
        ("record", "a record"),
        ("marked", "--assume-bf16 takes it so"),
        (
            "cut",
            "is cut off: expected 131.07 kB of values, found 872 B",
        ),
    ] {
        let input = format!("{name}.npy");
        let run = place.run(&["convert", &input, "x.safetensors"]);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{name}");
        assert!(run.stderr.contains(expected), "{name}: {}", run.stderr);
        assert!(run.stderr.contains(&input), "{name}: {}", run.stderr);
        assert!(!place.path("x.safetensors").exists());
    }
}

#[test]
fn float16_that_was_bfloat16_is_reported() {
    let place = Place::new();
    let make = "
import sys, numpy as np
bf16 = (np.linspace(-2, 2, 64, dtype=np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
bf16[0], bf16[1] = 1e5, 1e-9
np.save(sys.argv[1], bf16.astype(np.float16))
";
    python::on_file(make, &place.path("half.npy"));
    let text = place.print(&["convert", "half.npy", "half.safetensors"]);
    for expected in [
        "note: `half` is float16: all 64 values can have been bfloat16; 62 are sure",
        "1 infinite",
        "1 zero",
        "`selvedge rechunk --as-bf16 half`",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_file_that_is_there_is_kept() {
    let place = Place::new();
    finished(&place.path("thimble_1.h5"));
    for (name, more) in [
        ("a.safetensors", &[][..]),
        ("a.npy", &["-t", "W"]),
        ("a.h5", &[]),
    ] {
        fs::write(place.path(name), "precious").unwrap();
        let args: Vec<&str> = ["convert", "thimble_1.h5", name]
            .iter()
            .chain(more)
            .copied()
            .collect();
        let run = place.run(&args);
        assert_eq!((run.code, &*run.stdout), (2, ""));
        let expected = format!("error: {name} exists already; another name keeps it");
        assert!(run.stderr.starts_with(&expected), "{}", run.stderr);
        assert_eq!(fs::read(place.path(name)).unwrap(), b"precious");
        let args: Vec<&str> = args.into_iter().chain(["--overwrite"]).collect();
        place.print(&args);
    }
    place.print(&["verify", "a.h5", "a.safetensors"]);
    // Onto itself, a part of it.
    let itself = ["convert", "a.h5", "a.h5", "--steps", "0..3", "--overwrite"];
    place.print(&itself);
    assert!(
        place
            .print(&["inspect", "a.h5"])
            .contains("finished: 3 of 3 steps")
    );
    // Not while it is written.
    let run = live(&place.path("live.h5"));
    for name in ["live.h5", "so_far.safetensors"] {
        let done = place.run(&["convert", "live.h5", name, "--overwrite"]);
        assert_eq!(
            done.code,
            if name == "live.h5" { 2 } else { 0 },
            "{}",
            done.stderr
        );
    }
    run.finish().unwrap();
}

#[test]
fn what_cannot_be_done_is_said() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    fs::write(place.path("text.npy"), "no array").unwrap();
    let strings = "
import sys, h5py
f = h5py.File(sys.argv[1], 'w')
f['name'] = ['a', 'b']
f['x'] = 1.5
";
    python::on_file(strings, &place.path("strings.h5"));
    let bits = "
import sys, h5py
f = h5py.File(sys.argv[1], 'w')
of_12_bits = h5py.h5t.STD_U16LE.copy()
of_12_bits.set_precision(12)
h5py.h5d.create(f.id, b'mask12', of_12_bits, h5py.h5s.create_simple((4, 3)))
";
    python::on_file(bits, &place.path("bits.h5"));
    for (args, expected) in [
        (&["none.h5", "x.npy"][..], "there is no none.h5"),
        (
            &["a.h5", "x.bin"],
            "expected .h5, .hdf5, .safetensors or .npy, or --to",
        ),
        (
            &["a.h5", "x.npy"],
            "x.npy can hold one tensor, found 3: `W`, `losses`, `dead_mask`",
        ),
        (
            &["a.h5", "x.npy", "-t", "V"],
            "a.h5 has no tensor `V`; it has `W`, `losses`",
        ),
        (
            &["a.h5", "x.h5", "--steps", "5..8"],
            "tensor `W` has no steps 5..8: it has 7",
        ),
        (
            &["a.h5", "x.h5", "--steps", "8..5"],
            "a.h5: tensor `W` has no steps 8..5",
        ),
        (
            &["a.h5", "x.h5", "--steps", "0:3"],
            "expected indices such as 7, -1, last",
        ),
        (
            &["a.h5", "x.h5", "--rows", "5..7"],
            "tensor `W` has no rows 5..7: it has 6",
        ),
        (
            &["a.h5", "x.h5", "--every", "0"],
            "the least is 1; expected",
        ),
        (
            &["a.h5", "x.npy", "-t", "dead_mask", "--steps", "0..2"],
            "has no tensor with steps",
        ),
        (
            &["a.h5", "x.h5", "--assume-bf16", "losses"],
            "--assume-bf16 takes a uint16 tensor, and `losses` is float32",
        ),
        (
            &["bits.h5", "x.h5", "--assume-bf16", "mask12"],
            "--assume-bf16 takes a uint16 tensor, and `mask12` is uint16 of 12 bits",
        ),
        (
            &["a.h5", "x.h5", "-t", "dead_mask"],
            "none of the tensors has steps",
        ),
        (
            &["a.h5", "x.h5", "--constant", "V"],
            "a.h5 has no tensor `V`",
        ),
        (
            &["text.npy", "x.h5"],
            "text.npy is neither HDF5 nor safetensors",
        ),
        (
            &["strings.h5", "x.safetensors"],
            "tensor `name` of strings.h5 holds",
        ),
    ] {
        let args: Vec<&str> = ["convert"].iter().chain(args).copied().collect();
        let run = place.run(&args);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{args:?}");
        assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
    }
    assert!(!place.path("x.h5").exists());
    let one = place.print(&["convert", "strings.h5", "x.bin", "-t", "x", "--to", "npy"]);
    assert!(one.starts_with("x.bin: 1 tensor, 8 B"), "{one}");
}
