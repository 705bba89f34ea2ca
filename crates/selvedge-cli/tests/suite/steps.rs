//! How many steps a run has, whose writer died, and what is advised: every command says the same.

use std::fs;

use crate::common::{Place, die_if_child, died, unwrapped};
use selvedge_testing::python;
use serde_json::Value;

/// What h5py does to the file of a killed run: it changes it, or writes it anew.
const CHANGED: &str = r#"
import shutil, sys, h5py
source, folder = sys.argv[1:3]

def change(name, make):
    path = f"{folder}/{name}.h5"
    shutil.copy(source, path)
    with h5py.File(path, "r+") as f:
        make(f)

def cut(f):
    f.copy("W", "W_copy")
    f["W_copy"].resize(4, axis=0)

change("as_it_was", lambda f: None)
change("copied", lambda f: f.copy("W", "W_copy"))
change("copied_and_cut", cut)
change("renamed", lambda f: f.move("W", "V"))
change("linked", lambda f: f.__setitem__("alias", f["W"]))

def anew(name, how, **options):
    with h5py.File(source) as old, h5py.File(f"{folder}/{name}.h5", "w", **options) as new:
        new.attrs.update(old.attrs)
        for member, d in old.items():
            how(old, new, member, d)

def gzip(old, new, member, d):
    more = {"chunks": d.chunks, "maxshape": d.maxshape, "compression": "gzip"} if d.chunks else {}
    new.create_dataset(member, data=d[()], **more).attrs.update(d.attrs)

def fixed(old, new, member, d):
    new.create_dataset(member, data=d[()]).attrs.update(d.attrs)

copy = lambda old, new, member, d: old.copy(d, new, member)
anew("anew_copied", copy)
anew("anew_latest", copy, libver="latest")
anew("anew_user_block", copy, userblock_size=512)
anew("anew_gzip", gzip)
anew("anew_fixed", fixed)
"#;

/// `recover` was advised for files that it refuses, and counted other steps than `inspect`.
#[test]
fn every_command_says_the_same() {
    const NAME: &str = "steps::every_command_says_the_same";
    die_if_child(NAME);
    let place = Place::new();
    let path = place.path("thimble_1.h5");
    died(&path, NAME);
    let changed = place.path("tensors");
    fs::create_dir(&changed).unwrap();
    python::run(CHANGED, [path.as_os_str(), changed.as_os_str()]);
    fs::remove_file(&path).unwrap();
    let mut names: Vec<String> = fs::read_dir(&changed)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 10);
    let recording = |file: &str| {
        let json: Value = serde_json::from_str(&place.print(&["inspect", "--json", file])).unwrap();
        json["files"][0]["recording"].clone()
    };
    for name in names {
        let file = &*format!("tensors/{name}");
        let found = recording(file);
        assert_eq!(
            (&found["state"], &found["committed_steps"]),
            (&"died".into(), &5.into()),
            "{name}"
        );
        // What is advised is what works, and the other is refused with the same advice.
        let remedy = found["remedy"].as_str().unwrap();
        let command = format!("selvedge {remedy} ");
        let told = place
            .print(&["inspect", file])
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(told.contains(&command), "{name}: {told}");
        let check = place.run(&["check", "--select", "TRJ005", file]).stdout;
        let check = check.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            check.contains("died after 5 steps") && check.contains(&command),
            "{name}: {check}"
        );
        let dry = place.run(&["recover", "--dry-run", file]);
        let sums = place.run(&["verify", file]).stderr;
        assert!(sums.contains(&command), "{name}: {sums}");
        place.print(&["rechunk", file, "again.h5", "--overwrite"]);
        assert_eq!(recording("again.h5")["committed_steps"], 5, "{name}");
        let safetensors = place.run(&["convert", file, "again.safetensors", "--overwrite"]);
        assert_eq!(safetensors.code, 0, "{name}: {}", safetensors.stderr);
        assert_eq!(place.run(&["verify", file, "again.h5"]).code, 0, "{name}");
        if remedy == "recover" {
            assert!(
                dry.stdout.contains("; 5 committed steps"),
                "{name}: {}",
                dry.stdout
            );
            assert!(
                place
                    .print(&["recover", file])
                    .contains("; 5 committed steps"),
                "{name}"
            );
            assert_eq!(recording(file)["committed_steps"], 5, "{name}");
            place.print(&["checksum", file]);
            assert_eq!(place.run(&["verify", file]).code, 0, "{name}");
        } else {
            let before = fs::read(place.path(file)).unwrap();
            for refused in [
                dry,
                place.run(&["recover", file]),
                place.run(&["checksum", file]),
            ] {
                let told = refused.code == 2 && refused.stderr.contains("all of its steps (5)");
                assert!(
                    told && refused.stderr.contains("rechunk"),
                    "{name}: {}",
                    refused.stderr
                );
            }
            assert_eq!(fs::read(place.path(file)).unwrap(), before, "{name}");
        }
    }
}

/// Tensors of a run in a file that h5py made, with their marks; and one that h5py added.
const COPIED: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    for name, shape, mark in [("W", (6, 4), 7 << 32 | 5), ("order", (6,), 0), ("V", (9, 2), 1), ("x", (6, 2), None)]:
        f[name] = np.arange(np.prod(shape), dtype="f4").reshape(shape)
        if mark is not None:
            f[name].attrs["selvedge_step_tensor"] = np.int64(mark)
"#;

/// A constant of a run that was copied with its step tensors into another file was cut by `--steps`, since nothing but
/// its length was looked at.
#[test]
fn copies_of_a_run_are_what_their_marks_say() {
    let place = Place::new();
    python::on_file(COPIED, &place.path("a.h5"));
    let shown = unwrapped(&place.print(&["inspect", "a.h5"]));
    for told in [
        "3 tensors have the mark of a run of Selvedge (`selvedge_step_tensor`), and the file does not say that it was \
         recorded (`selvedge_format`): how the run ended, and which steps were committed, is not known",
        "`V` is marked as a step tensor, and taken for a constant: its shape (9, 2) does not have the 6 steps of the others",
        "`x` is taken for a step tensor, and may be none",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    place.print(&["convert", "a.h5", "b.safetensors", "--steps", "0..2"]);
    place.print(&["convert", "a.h5", "c.h5", "--steps", "0..2"]);
    let judge = "
import sys, h5py
from safetensors import safe_open
f = safe_open(sys.argv[1], 'np')
found = {name: f.get_tensor(name).shape for name in f.keys()}
assert found == {'W': (2, 4), 'order': (6,), 'V': (9, 2), 'x': (2, 2)}, found
with h5py.File(sys.argv[2]) as f:
    assert {name: d.shape for name, d in f.items()} == found, list(f.items())
";
    python::run(judge, [place.path("b.safetensors"), place.path("c.h5")]);
    let refused = place.run(&["show", "a.h5", "order", "--steps", "0"]);
    assert!(
        refused.stderr.contains("it is a constant"),
        "{}",
        refused.stderr
    );
    let rechunked = place.print(&["rechunk", "a.h5", "d.h5"]);
    assert!(
        rechunked.contains("not kept: `V` as a step tensor"),
        "{rechunked}"
    );
}
