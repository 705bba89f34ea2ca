//! `selvedge verify` and `selvedge checksum`.

use std::fs;
use std::os::unix::fs::FileExt as _;

use crate::common::{Place, finish, finished, unwrapped};
use selvedge_safetensors::{Save, bf16};
use selvedge_testing::{Limit, python, run_limited};

/// Changes the lowest bit of element (5, 3, 1) of `W`, and of (6, 0, 0).
const PLANT: &str = "
import sys, h5py
with h5py.File(sys.argv[1], 'r+') as f:
    for step, row, column in ((5, 3, 1), (6, 0, 0)):
        f['W'][step, row, column] ^= 1
";

/// All bits of bfloat16, as HDF5 by h5py and as safetensors by its own library.
const BOTH: &str = "
import sys, h5py, numpy as np, ml_dtypes
from safetensors.numpy import save_file
bits = np.arange(1 << 16, dtype=np.uint16).reshape(8, 128, 64)
mask = np.arange(64) % 3 == 0
loss = np.linspace(0, 1, 8, dtype=np.float32)
with h5py.File(sys.argv[1], 'w') as f:
    f.create_dataset('W', data=bits, chunks=(3, 50, 64), compression='gzip')
    f['W'].attrs['logical_dtype'] = 'bfloat16'
    f['mask'] = mask
    f['loss'] = loss.astype('>f4')
    f['count'] = np.int64(3)
save_file({'W': bits.view(ml_dtypes.bfloat16), 'mask': mask, 'loss': loss, 'count': np.array(3)},
          sys.argv[2])
";

#[test]
fn a_planted_difference_is_found() {
    let place = Place::new();
    for name in ["a.h5", "b.h5"] {
        finished(&place.path(name));
    }
    let equal = "a.h5 and b.h5 are equal, bit for bit: 3 tensors, 370 B\n";
    assert_eq!(place.print(&["verify", "a.h5", "b.h5"]), equal);
    python::on_file(PLANT, &place.path("b.h5"));
    let run = place.run(&["verify", "a.h5", "b.h5"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout
            .starts_with("a.h5 and b.h5 differ\n  `W`: differs first at step 5, index (3, 1): 0x"),
        "{}",
        run.stdout
    );
    let run = place.run(&["verify", "a.h5", "b.h5", "--count"]);
    assert!(
        run.stdout
            .contains("`W`: 2 elements differ, the first at step 5, index (3, 1): "),
        "{}",
        run.stdout
    );
    let run = place.run(&["verify", "a.h5", "b.h5", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["equal"], false);
    let tensors = json["tensors"].as_array().unwrap();
    let w = tensors
        .iter()
        .find(|tensor| tensor["tensor"] == "W")
        .unwrap();
    assert_eq!(w["verdict"], "values");
    assert_eq!(w["first_difference"]["step"], 5);
    assert_eq!(w["first_difference"]["index"], serde_json::json!([3, 1]));
}

#[test]
fn across_formats() {
    let place = Place::new();
    let paths = ["a.h5", "b.safetensors"].map(|name| place.path(name));
    python::run(BOTH, &paths);
    let equal = "a.h5 and b.safetensors are equal, bit for bit: 4 tensors, 131.18 kB\n";
    assert_eq!(place.print(&["verify", "a.h5", "b.safetensors"]), equal);
    // One bit of the last value of `W`, which is the largest tensor and lies first or last.
    let file = selvedge_safetensors::Reader::open(&paths[1]).unwrap();
    let end = file.tensor("W").unwrap().info().range.end;
    let opened = fs::File::options().write(true).open(&paths[1]).unwrap();
    opened.write_all_at(&[0xfe], end - 2).unwrap();
    for (args, bits) in [
        (["a.h5", "b.safetensors"], "0xffff and 0xfffe"),
        (["b.safetensors", "a.h5"], "0xfffe and 0xffff"),
    ] {
        let run = place.run(&["verify", args[0], args[1]]);
        assert_eq!(run.code, 1);
        let expected = format!(
            "{} and {} differ\n  `W`: differs first at step 7, index (127, 63): {bits}\n",
            args[0], args[1]
        );
        assert_eq!(run.stdout, expected);
    }
}

#[test]
fn safetensors_against_safetensors() {
    let place = Place::new();
    let values: Vec<bf16> = (0..12_u16).map(bf16::from_bits).collect();
    let save = |name: &str, rows: usize, extra: bool| {
        let save = Save::new(place.path(name))
            .tensor("W", [rows, 3], &values[..rows * 3])
            .parameter("threshold", rows);
        let save = if extra {
            save.scalar("n", 3_i64)
        } else {
            save.scalar("n", 3_i32)
        };
        save.write().unwrap();
    };
    save("a.safetensors", 4, true);
    save("b.safetensors", 3, false);
    let text = place.print(&["verify", "a.safetensors", "a.safetensors", "--attributes"]);
    assert!(text.contains("are equal, bit for bit"), "{text}");
    let run = place.run(&["verify", "a.safetensors", "b.safetensors", "--attributes"]);
    assert_eq!(run.code, 1);
    let mut lines: Vec<&str> = run.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "  `W`: 4 and 3 steps; those that both have are equal",
            "  `n`: int64 and int32",
            "  attribute `threshold`: 4 and 3",
            "a.safetensors and b.safetensors differ",
        ]
    );
}

#[test]
fn checksums() {
    let place = Place::new();
    let path = place.path("thimble_1.h5");
    finished(&path);
    let none = place.run(&["verify", "thimble_1.h5"]);
    assert_eq!(none.code, 2);
    assert!(
        none.stderr
            .contains("has no checksums; `selvedge checksum thimble_1.h5` adds them"),
        "{}",
        none.stderr
    );
    let added = place.print(&["checksum", "thimble_1.h5"]);
    assert_eq!(added, "thimble_1.h5: all tensors have checksums now\n");
    let found = place.print(&["verify", "thimble_1.h5"]);
    assert_eq!(found, "thimble_1.h5: 370 B match their checksums\n");
    python::on_file(PLANT, &path);
    let wrong = place.run(&["verify", "thimble_1.h5"]);
    assert_eq!(wrong.code, 1);
    assert!(
        wrong
            .stdout
            .contains("`W`: steps 0..7 are not as they were"),
        "{}",
        wrong.stdout
    );
    let json = place.run(&["verify", "thimble_1.h5", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["clean"], false);
}

/// The array of a `.npy` file has no name: copies of one array were taken for two tensors.
#[test]
fn an_array_without_a_name_goes_with_what_it_is_compared_with() {
    let place = Place::new();
    let make = "
import sys, numpy as np
from safetensors.numpy import save_file
values = np.arange(6, dtype='f4').reshape(3, 2)
for name in 'ab': np.save(f'{sys.argv[1]}/{name}.npy', values)
np.savez(f'{sys.argv[1]}/one.npz', x=values)
save_file({'W': values, 'v': values + 1}, f'{sys.argv[1]}/two.safetensors')
";
    python::on_file(make, &place.path("."));
    for args in [
        &["a.npy", "b.npy"][..],
        &["a.npy", "b.npy", "-t", "a"],
        &["a.npy", "b.npy", "-t", "b"],
        &["a.npy", "one.npz"],
        &["one.npz", "b.npy"],
        &["two.safetensors", "b.npy", "-t", "W"],
    ] {
        place.print(&[&["verify"], args].concat());
        place.print(&[&["inspect", "--diff"], args].concat());
    }
    let run = place.run(&["verify", "two.safetensors", "a.npy", "-t", "v"]);
    assert!(
        run.code == 1 && run.stdout.contains("`v`"),
        "{}",
        run.stdout
    );
    let run = place.run(&["verify", "a.npy", "two.safetensors"]);
    let told = "a.npy is one array without a name; --tensor names the one of two.safetensors";
    assert!(run.code == 2 && run.stderr.contains(told), "{}", run.stderr);
}

/// Only what is named is compared, or held against its checksums.
#[test]
fn tensors_are_compared_by_their_names() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    place.print(&["checksum", "a.h5"]);
    place.run(&["convert", "a.h5", "W.npy", "-t", "W"]);
    let verified = |args: &[&str]| {
        let run = place.run(&[&["verify"], args].concat());
        (run.code, run.stdout + &run.stderr)
    };
    assert_eq!(verified(&["a.h5", "W.npy", "--assume-bf16"]).0, 1);
    let (code, said) = verified(&["a.h5", "W.npy", "--assume-bf16", "--tensor", "W"]);
    assert!(code == 0 && said.contains("1 tensor, 336 B"), "{said}");
    let (code, said) = verified(&["a.h5", "W.npy", "--tensor", "V"]);
    assert!(
        code == 2 && said.contains("neither a.h5 nor W.npy has a tensor `V`"),
        "{said}"
    );
    let diff = ["inspect", "--diff", "a.h5", "W.npy", "--assume-bf16"];
    assert_eq!(place.run(&diff).code, 1, "W.npy has nothing else");
    assert_eq!(place.run(&[&diff[..], &["-t", "losses"]].concat()).code, 1);
    // Another value of `losses`, which is no matter of `W`.
    let change = "
import sys, h5py
h5py.File(sys.argv[1], 'r+')['losses'][3] = 7
";
    python::on_file(change, &place.path("a.h5"));
    assert_eq!(verified(&["a.h5"]).0, 1);
    assert_eq!(verified(&["a.h5", "-t", "W"]).0, 0);
    assert_eq!(verified(&["a.h5", "-t", "W", "-t", "losses"]).0, 1);
    assert!(verified(&["a.h5", "-t", "V"]).1.contains("no tensor `V`"));
}

#[test]
fn what_cannot_be_told_is_2() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    let run = place.run(&["verify", "none.h5", "neither.h5"]);
    assert_eq!(run.code, 2);
    for name in ["none.h5", "neither.h5"] {
        assert!(run.stderr.contains(name), "{}", run.stderr);
    }
    assert_eq!(place.run(&["verify", "a.h5", "--count"]).code, 2);
    assert_eq!(place.run(&["checksum", "none.h5"]).code, 2);
    // Strings are not compared.
    let strings = "
import sys, h5py
f = h5py.File(sys.argv[1], 'w')
f['name'], f['x'] = ['a', 'b'], 1.5
";
    python::on_file(strings, &place.path("s.h5"));
    let run = place.run(&["verify", "s.h5", "s.h5"]);
    assert_eq!(run.code, 2);
    assert!(run.stdout.contains("which is not read"), "{}", run.stdout);
    let run = place.run(&["verify", "s.h5", "s.h5", "--skip-unsupported"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("`name`"), "{}", run.stdout);
    // What is compared decides.
    python::on_file(&strings.replace("1.5", "2.5"), &place.path("t.h5"));
    let run = place.run(&["verify", "s.h5", "t.h5", "--skip-unsupported"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    Save::new(place.path("a.safetensors"))
        .scalar("n", 3_i64)
        .write()
        .unwrap();
    let run = place.run(&["verify", "a.safetensors"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("name a second file"), "{}", run.stderr);
    assert_eq!(place.run(&["checksum", "a.safetensors"]).code, 2);
}

/// Each name was once looked for among all others: two checkpoints of 40,000 tensors took fifteen
/// times as long as two of 8,000, and these would take many minutes.
#[test]
fn names_are_found_in_files_of_many_tensors() {
    const COUNT: usize = 100_000;
    let place = Place::new();
    let names: Vec<String> = (0..COUNT)
        .map(|number| format!("weight.{number:06}"))
        .collect();
    let write = |path: &str, names: &mut dyn Iterator<Item = &String>| {
        let save = names.fold(Save::new(place.path(path)), |save, name| {
            save.scalar(name, true)
        });
        save.sync(false).write().unwrap();
    };
    write("a.safetensors", &mut names.iter());
    write("b.safetensors", &mut names.iter().rev());
    for (command, told) in [
        ("verify", "equal, bit for bit: 100,000 tensors"),
        ("inspect", ""),
    ] {
        let diff = (command == "inspect").then_some("--diff");
        let files = ["a.safetensors", "b.safetensors"];
        let args: Vec<&str> = [command].into_iter().chain(diff).chain(files).collect();
        let run = finish(run_limited(&place.command(&args), Limit::Processor(20)));
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains(told), "{}", run.stdout);
    }
}

/// `verify` said "bit for bit" of values that nobody had read.
#[test]
fn what_is_equal_by_its_checksums_alone_is_told() {
    let place = Place::new();
    finished(&place.path("run_1.h5"));
    for name in ["a.h5", "b.h5"] {
        place.print(&["rechunk", "run_1.h5", name, "--checksums"]);
    }
    let verify = ["verify", "a.h5", "b.h5", "--trust-checksums"];
    assert_eq!(
        place.print(&verify),
        "a.h5 and b.h5 are equal: 3 tensors, 370 B\n  \
         by checksums alone, which were trusted: 370 B; compared bit for bit: 0 B\n"
    );
    let json = place.print(&[&verify[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["bytes"], &json["trusted_bytes"]),
        (&370.into(), &370.into())
    );
    // They say nothing of values that were changed since.
    python::on_file(PLANT, &place.path("b.h5"));
    assert_eq!(place.run(&verify).code, 0);
    assert_eq!(place.run(&["verify", "a.h5", "b.h5"]).code, 1);
    // And get no new ones without a word.
    for command in [
        &["rechunk", "b.h5", "c.h5", "--checksums"][..],
        &["checksum", "b.h5"],
    ] {
        let run = place.run(command);
        assert_eq!(run.code, 2, "{}", run.stdout);
        assert!(
            run.stderr.contains("`W`: steps ") && run.stderr.contains("--trust-values"),
            "{}",
            run.stderr
        );
        place.print(&[command, &["--trust-values"]].concat());
    }
    for name in ["b.h5", "c.h5"] {
        place.print(&["verify", name]);
    }
}

/// What a conversion leaves out since the new format cannot hold it was a difference to `verify`.
#[test]
fn what_the_other_format_cannot_hold_is_left_out() {
    const ODD: &str = "
import sys, h5py, numpy as np
values = np.arange(24, dtype='f4').reshape(6, 4)
with h5py.File(sys.argv[1], 'w') as f:
    f['W'] = values
    f['wide'] = values.astype('c16')
    f['__metadata__'] = values
    f['a/b'], f['a.b'] = values, values + 1
    f['n' * 1100] = values
";
    let place = Place::new();
    python::on_file(ODD, &place.path("odd.h5"));
    for (output, names) in [
        ("new.safetensors", &["`wide`", "`__metadata__`"][..]),
        ("new.h5", &["`a/b`", "`nnn"]),
    ] {
        place.print(&["convert", "odd.h5", output, "--skip-unsupported"]);
        for files in [["odd.h5", output], [output, "odd.h5"]] {
            let verify = [&["verify"], &files[..]].concat();
            assert_eq!(place.run(&verify).code, 1);
            let told = place.print(&[&verify[..], &["--skip-unsupported"]].concat());
            assert_eq!(
                told.matches("it is left out").count(),
                names.len(),
                "{told}"
            );
            for name in names {
                assert!(told.contains(name), "{name}: {told}");
            }
        }
    }
    // What it could hold, and has not, is a difference.
    place.print(&["convert", "odd.h5", "some.safetensors", "-t", "W"]);
    let run = place.run(&["verify", "odd.h5", "some.safetensors", "--skip-unsupported"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
}

/// What another program appended to one step tensor is compared by nobody, and never passes for equal; nor do
/// steps without checksums, or a step tensor that is gone.
#[test]
fn what_another_program_appended_or_took_is_told() {
    let place = Place::new();
    let change = |name: &str, what: &str| {
        place.print(&["rechunk", "a.h5", name, "--checksums"]);
        let script = format!("import sys, h5py\nwith h5py.File(sys.argv[1], 'r+') as f: {what}");
        python::on_file(&script, &place.path(name));
    };
    finished(&place.path("a.h5"));
    change("grown.h5", "f['W'].resize(f['W'].shape[0] + 5, axis=0)");
    change("gone.h5", "del f['losses']");
    fs::copy(place.path("grown.h5"), place.path("copy.h5")).unwrap();
    let told = "those that both have are equal; not all is compared: another program appended";
    for (files, code) in [(["a.h5", "grown.h5"], 1), (["grown.h5", "copy.h5"], 2)] {
        let run = place.run(&["verify", files[0], files[1]]);
        assert_eq!(run.code, code, "{}", run.stdout);
        let said = unwrapped(&run.stdout);
        assert_eq!(said.contains(told), code == 1, "{said}");
        let advice = "or compare what `rechunk --common-steps` makes of it";
        assert!(said.contains(advice), "{said}");
    }
    let diff = place.run(&["inspect", "--diff", "a.h5", "grown.h5"]);
    assert_eq!(diff.code, 1);
    assert!(diff.stdout.contains("appended steps"), "{}", diff.stdout);
    for (file, code, told) in [
        (
            "grown.h5",
            2,
            "`W` is ahead: another program appended 5 steps",
        ),
        (
            "gone.h5",
            1,
            "1 step tensor that the run had is not here any more",
        ),
    ] {
        let run = place.run(&["verify", file]);
        assert_eq!(run.code, code, "{}", run.stdout);
        assert!(run.stdout.contains(told), "{}", run.stdout);
    }
    // What is advised is what works.
    let advice = place.run(&["verify", "grown.h5"]).stderr;
    assert!(
        advice.contains("rechunk grown.h5 new.h5 --common-steps --checksums"),
        "{advice}"
    );
    place.print(&[
        "rechunk",
        "grown.h5",
        "whole.h5",
        "--common-steps",
        "--checksums",
    ]);
    place.print(&["verify", "whole.h5"]);
    let broken = "import sys, h5py\nwith h5py.File(sys.argv[1], 'r+') as f: f['W'].attrs['selvedge_checksum_steps'] = -1";
    python::on_file(broken, &place.path("whole.h5"));
    let told = place.run(&["verify", "whole.h5"]);
    assert_eq!(told.code, 2, "{}", told.stdout);
    assert!(
        told.stdout.contains("`W`: ") && told.stdout.contains("do not make"),
        "{}",
        told.stdout
    );
    assert!(
        told.stderr
            .contains("selvedge checksum whole.h5 --trust-values"),
        "{}",
        told.stderr
    );
    place.print(&["checksum", "whole.h5", "--trust-values"]);
    place.print(&["verify", "whole.h5"]);
    let found = place.run(&["check", "--select", "TRJ008", "grown.h5", "gone.h5"]);
    assert_eq!(found.code, 1);
    for told in [
        "TRJ008",
        "appended 5 steps",
        "1 step tensor that the run had",
    ] {
        assert!(found.stdout.contains(told), "{}", found.stdout);
    }
    // So do the commands that change nothing of it.
    let gone = "1 step tensor that the run had is not here any more";
    for (command, told) in [
        (&["recover", "gone.h5"][..], gone),
        (
            &["recover", "gone.h5"],
            "nothing: what another program changed stays as it is",
        ),
        (&["rechunk", "gone.h5", "new.h5"], "1 of the run"),
        (&["verify", "gone.h5", "gone.h5"], gone),
    ] {
        let said = place.print(command);
        assert!(said.contains(told), "{command:?}: {said}");
    }
}

/// A chunk of 48 MB that is stored in few bytes, and a tensor beside it.
const LARGE_CHUNK: &str = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w') as f:
    f.create_dataset('W', shape=(20, 1000), dtype='f8', maxshape=(None, 1000), chunks=(6000, 1000), compression='gzip')
    f['W'][:] = 7
    f['x'] = np.arange(20)
";

/// One tensor whose chunk did not fit the memory stopped the whole file, and there was no flag that let it.
#[test]
fn a_tensor_that_takes_too_much_memory_stops_no_other() {
    let place = Place::new();
    python::on_file(LARGE_CHUNK, &place.path("a.h5"));
    let memory = ["--memory", "64MiB"];
    let compare = [&["verify", "a.h5", "a.h5"], &memory[..]].concat();
    let rechunk = [&["rechunk", "a.h5", "b.h5"], &memory[..]].concat();
    for args in [compare, rechunk] {
        let run = place.run(&args);
        assert_eq!(run.code, 2, "{}", run.stdout);
        let needed = run.stderr.split_once("`--memory ").unwrap().1;
        let needed = needed.split_once('`').unwrap().0;
        assert!(
            run.stderr.contains("`W`") && run.stderr.contains("--skip-unsupported"),
            "{}",
            run.stderr
        );
        let skip = place.run(&[&args[..], &["--skip-unsupported", "--json"]].concat());
        assert_eq!(skip.code, 0, "{}", skip.stderr);
        assert!(
            skip.stdout.contains("`W`") || skip.stdout.contains("unreadable"),
            "{}",
            skip.stdout
        );
        let allowed = [&args[..3], &["--memory", needed]].concat();
        let overwrite: &[&str] = if args[0] == "rechunk" {
            &["--overwrite"]
        } else {
            &[]
        };
        let run = place.run(&[&allowed, overwrite].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
}

/// Two names can be shown alike: one of them is read, and "equal" was said of both.
#[test]
fn what_goes_by_no_name_of_its_own_is_told() {
    let place = Place::new();
    let script = "
import sys, h5py, numpy as np
from h5py import h5d, h5s, h5t
with h5py.File(sys.argv[1], 'w') as f:
    h5d.create(f.id, b'c\\xe9', h5t.STD_I32LE, h5s.create_simple((3,)))
    f['c\\\\xe9'] = np.arange(3)
    f['gone'] = h5py.SoftLink('/nowhere')
";
    python::on_file(script, &place.path("a.h5"));
    let refused = place.run(&["convert", "a.h5", "a.safetensors"]);
    assert!(refused.code == 2 && refused.stderr.contains("`c\\xe9` of "));
    let made = place.print(&["convert", "a.h5", "a.safetensors", "--skip-unsupported"]);
    assert!(
        made.contains("not kept: `c\\xe9`: it cannot be read"),
        "{made}"
    );
    assert!(made.contains("not kept: the link `gone`"), "{made}");
    let found = place.print(&["verify", "a.h5", "a.safetensors", "--skip-unsupported"]);
    for told in ["`c\\xe9` cannot be read", "`gone` is a link to"] {
        assert!(found.contains(told), "{found}");
    }
}

/// A dataset that another program added with a filter that is not here left the run without checksums.
#[test]
fn what_cannot_be_read_here_gets_no_checksums_and_hinders_no_others() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    let script = "
import sys, h5py
from h5py import h5d, h5p, h5s, h5t, h5z
with h5py.File(sys.argv[1], 'r+') as f:
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((6, 4))
    plan.set_filter(32015, h5z.FLAG_OPTIONAL, (3,))
    d = h5d.create(f.id, b'z', h5t.IEEE_F32LE, h5s.create_simple((6, 4)), plan)
    d.write_direct_chunk((0, 0), bytes(range(40)), 0)
    f['text'] = ['a', 'b']
    view = h5py.VirtualLayout((3,), 'f4')
    view[:] = h5py.VirtualSource('part.h5', 'W', (3,))
    f.create_virtual_dataset('view', view)
with h5py.File(sys.argv[1].replace('a.h5', 'part.h5'), 'w') as f:
    f['W'] = [1.0, 2.0, 3.0]
";
    python::on_file(script, &place.path("a.h5"));
    let refused = place.run(&["checksum", "a.h5"]);
    assert_eq!(refused.code, 2);
    for told in ["filter zstd (number 32015)", "--skip-unsupported"] {
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    let added = place.run(&["checksum", "a.h5", "--skip-unsupported"]);
    assert_eq!(added.code, 0, "{}", added.stderr);
    for told in ["`z` got no checksums", "`text` got no checksums"] {
        assert!(added.stderr.contains(told), "{}", added.stderr);
    }
    let run = place.run(&["verify", "a.h5"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--skip-unsupported"), "{}", run.stderr);
    let run = place.run(&["verify", "a.h5", "--skip-unsupported"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("left out: "), "{}", run.stderr);
    assert!(run.stdout.contains("382 B match"), "{}", run.stdout);
}
