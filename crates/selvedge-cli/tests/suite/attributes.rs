//! What files say of themselves and of their tensors, through every format and back.

use std::fs;

use crate::common::{Place, unwrapped};
use selvedge_testing::python;

/// Attributes of every type, of the file and of tensors whose names are the beginnings of others.
const DESCRIBED: &str = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w') as f:
    for name in ('layer', 'layer.0', 'params/kernel'):
        f.create_dataset(name, data=np.arange(24, dtype='f4').reshape(6, 4), chunks=(2, 4))
        f[name].attrs['units'] = 'K of ' + name
        f[name].attrs['scale'] = 0.5
    f['layer'].attrs['0.units'] = 'no unit of layer.0'
    f['layer'].attrs['shape_then'] = [3, 4]
    f.attrs['lr'], f.attrs['betas'], f.attrs['steps'] = 0.1, [0.9, float('inf')], 6
    f.attrs['rows'], f.attrs['flag'], f.attrs['names'] = 'row t', True, ['a', 'b, c']
    f.attrs['version'], f.attrs['on'], f.attrs['list'], f.attrs['worst'] = '1', 'true', '[]', 'NaN'
    f.attrs['small'], f.attrs['smalls'] = np.float32(0.1), np.float32([0.1, np.inf])
    f.attrs['none'], f.attrs['odd'] = np.zeros(0, 'i8'), [chr(0x301), chr(0x7f)]
    f['layer'].attrs['level'] = '7'
    f.attrs['grid'], f.attrs['nothing'] = np.zeros((2, 3), 'i8'), h5py.Empty('f4')
";

/// Attributes of tensors became attributes of the file on the way back, under names that nobody gave
/// them, and `verify --attributes` of a file and its own conversion told of differences.
#[test]
fn attributes_come_back_to_what_they_were_of() {
    let place = Place::new();
    python::on_file(DESCRIBED, &place.path("a.h5"));
    let there = place.print(&["convert", "a.h5", "b.safetensors"]);
    // Why an attribute is not kept: its type is one that is.
    for (name, reason) in [("grid", "(2, 3)"), ("nothing", "without a value")] {
        let told = format!("note: attribute `{name}` is not kept");
        let line = there.lines().find(|line| line.contains(&told));
        assert!(line.is_some_and(|line| line.contains(reason)), "{there}");
    }
    place.print(&["convert", "b.safetensors", "c.h5"]);
    let judge = "
import sys, h5py, numpy as np
one, two = h5py.File(sys.argv[1]), h5py.File(sys.argv[2])
own = lambda f: {k: v for k, v in f.attrs.items()
                 if not k.startswith('selvedge_') and k not in ('created', 'grid', 'nothing')}
kind = lambda value: (type(value), getattr(value, 'dtype', None))
same = lambda a, b: set(a) == set(b) and all(np.array_equal(a[k], b[k]) and kind(a[k]) == kind(b[k]) for k in a)
assert same(own(one), own(two)), (own(one), own(two))
for name in ('layer', 'params/kernel'):
    a, b = own(one[name]), own(two[name.replace('/', '.')])
    a.pop('0.units', None), b.pop('0.units', None)
    assert same(a, b), (name, a, b)
";
    python::run(judge, [&place.path("a.h5"), &place.path("c.h5")]);
    // `0.units` of `layer` would have the key of `units` of `layer.0`.
    let told = "note: attribute `layer: 0.units` is not kept";
    assert!(there.contains(told), "{there}");
    let run = place.run(&["verify", "a.h5", "b.safetensors", "--attributes"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    let lines: Vec<&str> = run.stdout.lines().skip(1).collect();
    let told = "  attribute `layer: 0.units`: \"no unit of layer.0\" and nothing";
    assert_eq!(lines, [told]);
}

#[test]
fn a_file_and_its_conversion_say_the_same() {
    let place = Place::new();
    let script = DESCRIBED.replace(
        "    f['layer'].attrs['0.units'] = 'no unit of layer.0'\n",
        "",
    );
    python::on_file(&script, &place.path("a.h5"));
    place.print(&["convert", "a.h5", "b.safetensors"]);
    place.print(&["convert", "b.safetensors", "c.h5"]);
    place.print(&["convert", "c.h5", "d.safetensors"]);
    for (one, two) in [
        ("a.h5", "b.safetensors"),
        ("b.safetensors", "c.h5"),
        ("a.h5", "c.h5"),
    ] {
        for args in [
            &["verify", one, two, "--attributes"][..],
            &["inspect", "--diff", one, two],
            &["inspect", "--diff", two, one],
        ] {
            let run = place.run(args);
            assert_eq!(run.code, 0, "{args:?}: {}", run.stdout);
        }
    }
    // In HDF5 there are no groups, so the names are not what they were.
    let run = place.run(&["verify", "b.safetensors", "d.safetensors", "--attributes"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    // Another unit of one tensor is told, with the tensor.
    let change = "
import sys, h5py
with h5py.File(sys.argv[1], 'r+') as f:
    f['layer.0'].attrs['units'] = 'm'
";
    python::on_file(change, &place.path("c.h5"));
    for (one, two) in [("b.safetensors", "c.h5"), ("a.h5", "c.h5")] {
        let run = place.run(&["verify", one, two, "--attributes"]);
        assert_eq!(run.code, 1);
        let told = "attribute `layer.0: units`: \"K of layer.0\" and \"m\"";
        assert!(run.stdout.contains(told), "{}", run.stdout);
        let run = place.run(&["inspect", "--diff", one, two]);
        assert_eq!(run.code, 1);
        assert!(run.stdout.contains("1 difference\n"), "{}", run.stdout);
    }
}

/// The names of axes that netCDF has in scales, and h5py in labels, were lost on every way.
#[test]
fn names_of_axes_are_kept() {
    let place = Place::new();
    let make = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w') as f:
    f['time'], f['W'] = np.arange(4.0), np.zeros((4, 3, 2))
    f['time'].make_scale('time')
    f['W'].dims[0].attach_scale(f['time'])
    f['W'].dims[2].label = 'channel'
";
    python::on_file(make, &place.path("a.h5"));
    let told = [
        place.print(&["rechunk", "a.h5", "b.h5"]),
        place.print(&["convert", "a.h5", "c.safetensors"]),
        place.print(&["convert", "c.safetensors", "d.h5"]),
    ];
    assert!(!told.concat().contains("not kept"), "{told:?}");
    let judge = "
import sys, h5py
for path in sys.argv[1:]:
    labels = [axis.label for axis in h5py.File(path)['W'].dims]
    assert labels == ['time', '', 'channel'], (path, labels)
";
    python::run(judge, [place.path("b.h5"), place.path("d.h5")]);
    for other in ["b.h5", "c.safetensors", "d.h5"] {
        place.print(&["verify", "a.h5", other, "--attributes"]);
    }
}

/// A dimension of netCDF that is no variable became a tensor of zeros, on every way.
#[test]
fn dimensions_of_netcdf_are_names_and_no_tensors() {
    let place = Place::new();
    let make = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w') as f:
    f['W'] = np.ones((4, 3, 2))
    for axis, name, length in [(0, 'time', 4), (1, 'token', 3)]:
        scale = f.create_dataset(name, (length,), '>f4', maxshape=(None,) if axis == 0 else None)
        scale.make_scale(f'This is a netCDF dimension but not a netCDF variable.{length:10}')
        f['W'].dims[axis].attach_scale(scale)
";
    python::on_file(make, &place.path("a.h5"));
    let told = "`token` is no tensor: it is a dimension of netCDF, of length 3";
    let shown = place.print(&["inspect", "a.h5"]);
    assert!(shown.contains(told), "{shown}");
    for args in [
        ["rechunk", "a.h5", "b.h5"],
        ["convert", "a.h5", "c.safetensors"],
        ["convert", "c.safetensors", "d.h5"],
    ] {
        place.print(&args);
    }
    let judge = "
import sys, h5py
from safetensors import safe_open
assert list(safe_open(sys.argv[1], 'np').keys()) == ['W']
for path in sys.argv[2:]:
    f = h5py.File(path)
    assert list(f) == ['W'] and [axis.label for axis in f['W'].dims] == ['time', 'token', ''], path
";
    python::run(
        judge,
        ["c.safetensors", "b.h5", "d.h5"].map(|name| place.path(name)),
    );
    for other in ["b.h5", "c.safetensors", "d.h5"] {
        place.print(&["verify", "a.h5", other, "--attributes"]);
    }
}

/// Values that h5py wrote into a dimension of netCDF were left out, and two files that differ in them were equal. A
/// program that allocates early stores zeros for a dimension, which are none.
#[test]
fn values_in_a_dimension_of_netcdf_are_a_tensor() {
    let place = Place::new();
    let make = "
import sys, h5py, numpy as np
for path, factor in [(sys.argv[1], 10), (sys.argv[2], 99)]:
    with h5py.File(path, 'w') as f:
        f['W'] = np.arange(24.0).reshape(6, 4)
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(f.id, b'row', h5py.h5t.IEEE_F32BE, space, plan)
        assert f['row'].id.get_storage_size() == 16
        f.create_dataset('step', (6,), '>f4')
        f['big'] = np.append(np.zeros(70_000, 'u2'), factor).astype('u2')
        for axis, name in enumerate(['step', 'row', 'big']):
            f[name].make_scale(f'This is a netCDF dimension but not a netCDF variable{len(f[name]):10}')
            if axis < 2:
                f['W'].dims[axis].attach_scale(f[name])
        f['step'][:] = np.arange(6) * factor
";
    python::run(make, [place.path("a.h5"), place.path("b.h5")]);
    let shown = place.print(&["inspect", "a.h5"]);
    let told = "`row` is no tensor: it is a dimension of netCDF, of length 4";
    assert!(shown.contains(told), "{shown}");
    assert!(!shown.contains("`step` is no tensor"), "{shown}");
    place.print(&["rechunk", "a.h5", "c.h5"]);
    place.print(&["verify", "a.h5", "c.h5", "--attributes"]);
    place.print(&["convert", "a.h5", "d.safetensors"]);
    let judge = "
import sys
from safetensors import safe_open
f = safe_open(sys.argv[1], 'np')
assert sorted(f.keys()) == ['W', 'big', 'step'], list(f.keys())
assert (f.get_tensor('step') == [0, 10, 20, 30, 40, 50]).all() and f.get_tensor('big')[-1] == 10
";
    python::on_file(judge, &place.path("d.safetensors"));
    let differ = place.run(&["verify", "a.h5", "b.h5"]);
    assert_eq!(differ.code, 1);
    let told = differ.stdout;
    assert!(told.contains("`step`") && told.contains("`big`"), "{told}");
}

/// transformers looks for `format: pt`, which became `parameter.format` by way of HDF5.
#[test]
fn metadata_keep_their_keys_by_way_of_hdf5() {
    let place = Place::new();
    let make = "
import sys, json, numpy as np
from safetensors.numpy import save_file
save_file({'w': np.zeros((4, 2), np.float32)}, sys.argv[1],
          {'format': 'pt', 'ss_dim': '8', 'parameter.lr': '0.1', 'lr': 'of another', 'notebook': 'a.ipynb',
           'tensor.gone.units': 'm', 'a/b': 'no name for HDF5', 'selvedge_own': 'x',
           'parameter.losses': json.dumps([0.5 + i / 8 for i in range(9000)])})
";
    python::on_file(make, &place.path("a.safetensors"));
    let there = unwrapped(&place.print(&["convert", "a.safetensors", "b.h5"]));
    for told in [
        "attribute `losses` is kept as text",
        "attribute `a/b` is not kept",
        "attribute `selvedge_own` is not kept",
        "metadata `lr` is not kept: `parameter.lr` becomes an attribute of that name",
    ] {
        assert!(there.contains(told), "{told}: {there}");
    }
    place.print(&["convert", "b.h5", "c.safetensors"]);
    let judge = "
import sys
from safetensors import safe_open
one, two = (safe_open(path, 'np').metadata() for path in sys.argv[1:])
for key in ('lr', 'a/b', 'selvedge_own', 'created', 'selvedge_version', 'step_tensors'):
    one.pop(key, None), two.pop(key, None)
assert one == two, (one.keys(), two.keys())
";
    python::run(
        judge,
        [&place.path("a.safetensors"), &place.path("c.safetensors")],
    );
    // A rewritten trajectory says the same.
    place.print(&["rechunk", "b.h5", "r.h5"]);
    place.print(&["verify", "b.h5", "r.h5", "--attributes"]);
    place.print(&["verify", "c.safetensors", "r.h5", "--attributes"]);
}

/// `a/b` and `a.b` would be one tensor in a trajectory, and the error spoke of a declaration that nobody
/// had made twice. What could go with several of another file is not chosen.
/// Metadata turned uint16 into bfloat16 by way of HDF5, and text with a zero byte stopped everything.
#[test]
fn metadata_that_an_attribute_cannot_say_are_told() {
    let place = Place::new();
    let make = r#"
import sys, numpy as np, ml_dtypes
from safetensors.numpy import save_file
bits = np.arange(8, dtype=np.uint16).reshape(4, 2)
tensors = {'W': bits, 'V': bits.view(ml_dtypes.bfloat16), 'U': bits.view(ml_dtypes.bfloat16)}
save_file(tensors, sys.argv[1],
          {'tensor.W.logical_dtype': 'bfloat16', 'tensor.V.logical_dtype': 'uint16',
           'tensor.U.logical_dtype': 'bfloat16', 'tensor.W.units': 'm', 'zero': 'a\0b', 'ze\0ro': 'c',
           'parameter.texts': '["a\\0b"]', 'notebook': 'a\0.ipynb', 'format': 'pt'})
"#;
    python::on_file(make, &place.path("a.safetensors"));
    let there = place.print(&["convert", "a.safetensors", "b.h5"]);
    for told in [
        "attribute `W: logical_dtype` is not kept",
        "attribute `V: logical_dtype` is not kept",
        "attribute `zero` is not kept: ",
        "`notebook` is not kept",
    ] {
        assert!(there.contains(told), "{told}: {there}");
    }
    assert!(!there.contains("U: logical_dtype"), "{there}");
    let dtypes = "
import sys, h5py
with h5py.File(sys.argv[1]) as f:
    print(*(f[name].attrs.get('logical_dtype') for name in 'UVW'), f['W'].attrs['units'], f.attrs['format'])
";
    let found = python::on_file(dtypes, &place.path("b.h5"));
    assert_eq!(found.trim(), "bfloat16 bfloat16 None m pt");
    place.print(&["verify", "a.safetensors", "b.h5"]);
}

#[test]
fn names_that_would_be_one_are_refused_by_both_names() {
    let place = Place::new();
    let make = "
import sys, numpy as np
from safetensors.numpy import save_file
names = sys.argv[2].split()
save_file({name: np.full((3, 4), i, np.float32) for i, name in enumerate(names)}, sys.argv[1])
";
    let save = |file: &str, names: &str| {
        let path = place.path(file);
        python::run(make, [path.as_os_str(), names.as_ref()]);
    };
    save("a.safetensors", "a/b a.b");
    let run = place.run(&["convert", "a.safetensors", "a.h5"]);
    assert_eq!(run.code, 2);
    for name in ["`a/b`", "`a.b`"] {
        assert!(run.stderr.contains(name), "{}", run.stderr);
    }
    assert!(!place.path("a.h5").exists());
    place.print(&["convert", "a.safetensors", "one.h5", "-t", "a.b"]);
    save("b.safetensors", "a/b/c a.b/c");
    save("c.safetensors", "a.b.c");
    for command in [&["verify"][..], &["inspect", "--diff"]] {
        let args: Vec<&str> = command
            .iter()
            .copied()
            .chain(["b.safetensors", "c.safetensors"])
            .collect();
        let run = place.run(&args);
        assert_eq!(run.code, 2, "{}", run.stdout);
        for name in ["`a/b/c`", "`a.b/c`", "`a.b.c`"] {
            assert!(run.stderr.contains(name), "{}", run.stderr);
        }
    }
}

/// One list of texts kept all other tensors from being converted, unless each was named.
#[test]
fn one_tensor_that_cannot_be_held_does_not_stop_the_others() {
    let place = Place::new();
    let make = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w') as f:
    f['W'], f['vocab'] = np.arange(12, dtype='f4').reshape(3, 4), ['a', 'b', 'c']
    f['psi'] = np.zeros((3, 2), 'c16')
";
    python::on_file(make, &place.path("a.h5"));
    for (output, left_out) in [
        ("a.safetensors", &["vocab", "psi"][..]),
        ("a.npy", &["vocab"]),
        ("b.h5", &["vocab"]),
    ] {
        let more: &[&str] = if output == "a.npy" {
            &["-t", "W", "-t", "vocab"]
        } else {
            &[]
        };
        let args: Vec<&str> = ["convert", "a.h5", output]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let run = place.run(&args);
        assert_eq!(run.code, 2);
        assert!(
            run.stderr.contains("--skip-unsupported leaves it out"),
            "{}",
            run.stderr
        );
        let args: Vec<&str> = args.into_iter().chain(["--skip-unsupported"]).collect();
        let made = place.print(&args);
        for name in left_out {
            assert!(
                made.contains(&format!("`{name}` is not kept: it holds")),
                "{made}"
            );
        }
    }
    let run = place.run(&["rechunk", "a.h5", "r.h5"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("--skip-unsupported leaves them out"),
        "{}",
        run.stderr
    );
    place.print(&["rechunk", "a.h5", "r.h5", "--skip-unsupported"]);
    // No rows can be taken of what has none, unless other tensors have some.
    let run = place.run(&["convert", "a.h5", "x.npy", "-t", "W", "--rows", "9..10"]);
    assert!(
        run.stderr
            .contains("tensor `W` has no rows 9..10: it has 4"),
        "{}",
        run.stderr
    );
}

/// A number for each step was written whole where some rows of it had been asked for.
#[test]
fn rows_of_what_has_none_are_refused_or_told() {
    let place = Place::new();
    crate::common::finished(&place.path("a.h5"));
    let run = place.run(&["convert", "a.h5", "x.npy", "-t", "losses", "--rows", "0..3"]);
    assert_eq!(run.code, 2);
    let told = "tensor `losses` has no rows: each step is a single value";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert!(!place.path("x.npy").exists());
    let made = place.print(&["convert", "a.h5", "x.safetensors", "--rows", "0..3"]);
    assert!(made.contains("note: `losses` has no rows"), "{made}");
}

/// Names and values from files steer no terminal, in what is printed and in errors, which are one line each.
#[test]
fn control_characters_are_escaped_everywhere() {
    let place = Place::new();
    let make = "
import sys, h5py, numpy as np
for path, value in ((sys.argv[1], 0), (sys.argv[2], 1)):
    with h5py.File(path, 'w') as f:
        name = 'W\\n::error::\\x1b]0;title\\x07'
        f[name] = np.full((3, 4), value, 'f4')
        f[name].attrs['u\\x1b[31m'] = f'\\u202e{value}\\x1b[31m'
        f['text\\n\\x1b[31m'] = ['a']
";
    python::run(make, [place.path("a.h5"), place.path("b.h5")]);
    for args in [
        &["verify", "a.h5", "b.h5", "--attributes"][..],
        &["inspect", "--stats", "a.h5"],
        &["inspect", "--diff", "a.h5", "b.h5"],
        &["convert", "a.h5", "a.safetensors"],
        &["rechunk", "a.h5", "r.h5"],
        &["inspect", "gone\n\u{1b}[31m.h5"],
    ] {
        let args: Vec<&str> = args.iter().copied().chain(["--color", "never"]).collect();
        let run = place.run(&args);
        for text in [&run.stdout, &run.stderr] {
            assert!(
                !text.contains(['\u{1b}', '\u{7}', '\u{202e}']),
                "{args:?}: {text}"
            );
            assert!(!text.contains("\n::error::"), "{args:?}: {text}");
        }
        assert!(run.stderr.lines().count() <= 1, "{args:?}: {}", run.stderr);
    }
}

/// Attributes of a type that is not read were passed by, and files with different ones called equal.
#[test]
fn attributes_that_are_not_read_are_told() {
    let place = Place::new();
    let make = "
import sys, h5py, numpy as np
for path, value in ((sys.argv[1], 0), (sys.argv[2], 1)):
    with h5py.File(path, 'w') as f:
        f['W'] = np.ones((4, 2))
        f.attrs['confusion'] = np.full((2, 3), value)
";
    python::run(make, [place.path("a.h5"), place.path("b.h5")]);
    let told = "attribute `confusion` in a.h5 holds int64 of shape (2, 3), which is not compared";
    let more = "import sys, h5py\nwith h5py.File(sys.argv[1], 'r+') as f: f.attrs['lr'] = 1";
    fs::copy(place.path("b.h5"), place.path("c.h5")).unwrap();
    python::on_file(more, &place.path("c.h5"));
    let verify = |other| ["verify", "--attributes", "a.h5", other];
    let diff = |other| ["inspect", "--diff", "a.h5", other];
    for (args, skip, code) in [
        (verify("b.h5"), false, 2),
        (verify("b.h5"), true, 0),
        (diff("b.h5"), false, 2),
        (diff("b.h5"), true, 0),
        // What differs, differs.
        (diff("c.h5"), false, 1),
    ] {
        let mut args = args.to_vec();
        args.extend(skip.then_some("--skip-unsupported"));
        let run = place.run(&args);
        assert_eq!(run.code, code, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(told), "{}", run.stderr);
        assert_eq!(run.stdout.is_empty(), code == 2, "{}", run.stdout);
    }
}

/// `--assume-bf16` took integers that the file says are such, and failed at those of fewer bits.
#[test]
fn what_is_marked_as_integers_is_not_taken_for_bfloat16() {
    let place = Place::new();
    let make = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w') as f:
    for name in ('ids', 'W'):
        f[name] = np.full((2, 2), 16256, 'u2')
    f['ids'].attrs['logical_dtype'] = 'uint16'
    short = h5py.h5t.STD_U16LE.copy()
    short.set_precision(12)
    h5py.h5d.create(f.id, b'short', short, h5py.h5s.create_simple((2, 2)))
";
    python::on_file(make, &place.path("a.h5"));
    for (name, expected) in [("ids", "16256"), ("W", "1.0"), ("short", "0")] {
        let shown = place.print(&["show", "a.h5", name, "--assume-bf16"]);
        let last = shown.split_whitespace().last();
        assert_eq!(last, Some(expected), "{shown}");
    }
}
