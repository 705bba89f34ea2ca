//! What libhdf5 does not give: datasets and groups that cannot be opened, which no command goes on without, and attributes that
//! cannot be listed, which are told.

use std::fs;

use crate::common::{Place, unwrapped};
use selvedge_hdf5::{Reader, Recorder, bf16};
use selvedge_testing::python;

/// A file with `W`, and with `V`, or a group `g` with another one, whose header is damaged; and a copy of it.
const DAMAGED: &str = r#"
import shutil, sys, h5py, numpy as np
path, damaged = sys.argv[1:]
with h5py.File(path, "w") as f:
    for name in ["W", "V", "g/U"]:
        f[name] = np.ones((10, 4), "f4")
    at = h5py.h5o.get_info(f[damaged].id).addr
with open(path, "r+b") as f:
    f.seek(at)
    f.write(b"\x09")
shutil.copy(path, path.replace("a.h5", "b.h5"))
"#;

#[test]
fn what_cannot_be_opened_is_not_left_out_without_leave() {
    for damaged in ["V", "g"] {
        let place = Place::new();
        python::run(
            DAMAGED,
            [&place.path("a.h5").display().to_string(), damaged],
        );
        let told = format!("`{damaged}` cannot be read");
        for command in [
            &["convert", "a.h5", "new.safetensors"][..],
            &["convert", "a.h5", "new.h5"],
            &["rechunk", "a.h5", "new.h5"],
            &["verify", "a.h5", "b.h5"],
        ] {
            let run = place.run(command);
            assert_eq!(run.code, 2, "{command:?}: {}", run.stdout);
            let stderr = unwrapped(&run.stderr);
            assert!(
                stderr.contains(&format!("`{damaged}`")),
                "{command:?}: {stderr}"
            );
            assert!(stderr.contains("--skip-"), "{command:?}: {stderr}");
            assert!(!place.path(command[2]).exists() || command[0] == "verify");
        }
        for command in [
            ["references", "a.h5", "-o", "new.json"],
            ["report", "a.h5", "-o", "new.html"],
        ] {
            let run = place.run(&command);
            let stderr = unwrapped(&run.stderr);
            assert_eq!(run.code, 2, "{command:?}: {stderr}");
            assert!(
                stderr.contains(&format!("`{damaged}`")),
                "{command:?}: {stderr}"
            );
            let allowed =
                place.run(&[&command[..], &["--skip-unsupported", "--overwrite"]].concat());
            assert_eq!(allowed.code, 0, "{command:?}: {}", allowed.stderr);
        }
        // Of headers alone it is told, and of values it is an error.
        place.print(&["inspect", "a.h5"]);
        let run = place.run(&["inspect", "--stats", "a.h5"]);
        let stderr = unwrapped(&run.stderr);
        assert_eq!(run.code, 2, "{stderr}");
        assert!(stderr.contains(&format!("`{damaged}`")) && stderr.contains("--skip-"));
        place.print(&["inspect", "--stats", "a.h5", "-t", "W"]);
        place.print(&["inspect", "--stats", "a.h5", "--skip-unsupported"]);
        let json = place.run(&["verify", "--json", "a.h5", "b.h5"]).stdout;
        assert!(json.contains("\"equal\": false"), "{json}");
        for flag in ["--skip-damaged", "--skip-unsupported"] {
            for output in ["new.safetensors", "new.h5"] {
                let made = place.print(&["convert", "a.h5", output, "--overwrite", flag]);
                assert!(
                    made.contains(&told) || made.contains("cannot be read"),
                    "{made}"
                );
            }
            place.print(&["rechunk", "a.h5", "new.h5", "--overwrite", flag]);
        }
        place.print(&["verify", "a.h5", "b.h5", "--skip-unsupported"]);
        // What is chosen by its name is there.
        place.print(&["convert", "a.h5", "W.npy", "-t", "W", "--overwrite"]);
        place.print(&["verify", "a.h5", "b.h5", "-t", "W"]);
    }
}

/// A file with many attributes at the root, and of one tensor and one group; and for each of the three a copy in which the
/// index of their names is damaged, as h5repack leaves it, run twice over messages that are shared. Prints which.
const UNLISTED: &str = r#"
import re, sys, h5py, numpy as np
folder = sys.argv[1]
with h5py.File(f"{folder}/sound.h5", "w", libver="latest") as f:
    f["W"] = np.arange(40, dtype="f4").reshape(10, 4)
    f["V"] = np.full((10, 2), 0x3f80, "u2")
    f["g/x"] = np.ones((10, 3))
    f["V"].attrs["logical_dtype"] = "bfloat16"
    for i in range(30):
        for name in ["/", "V", "g"]:
            f[name].attrs[f"a{i}"] = i
sound = open(f"{folder}/sound.h5", "rb").read()
for at in [found.start() for found in re.finditer(b"BTHD\x00\x08", sound)]:
    damaged = bytearray(sound)
    damaged[at + 20] ^= 0xff
    path = f"{folder}/{at}.h5"
    open(path, "wb").write(damaged)
    with h5py.File(path) as f:
        for name in ["/", "V", "g"]:
            try:
                list(f[name].attrs)
            except Exception:
                print(f"{at}.h5", name)
"#;

#[test]
fn attributes_that_cannot_be_listed_hide_nothing_else() {
    let place = Place::new();
    let found = python::run(UNLISTED, [&place.path("")]);
    let found: Vec<(&str, &str)> = found
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    assert_eq!(found.len(), 3, "{found:?}");
    for (file, name) in found {
        let (object, is_compared) = match name {
            "/" => ("the root".to_owned(), true),
            name => (format!("`{name}`"), name == "V"),
        };
        let told = format!("{object} has attributes that cannot be listed");
        let shown = unwrapped(&place.print(&["inspect", file]));
        assert!(shown.contains(&told), "{shown}");
        let values = place.print(&["show", file, "W", "--step", "3"]);
        assert!(values.contains("12.0  13.0  14.0  15.0"), "{values}");
        // Nobody knows whether these bits are said to be bfloat16.
        assert_eq!(
            shown.contains("`logical_dtype` is something that cannot be read"),
            name == "V",
            "{shown}"
        );
        let not_kept = format!("not kept: the attributes of {object}: they cannot be listed");
        for output in ["new.safetensors", "new.h5"] {
            let made = place.print(&["convert", file, output, "--overwrite"]);
            assert!(unwrapped(&made).contains(&not_kept), "{made}");
        }
        let made = unwrapped(&place.print(&["rechunk", file, "new.h5", "--overwrite"]));
        assert!(
            made.contains(&format!("the attributes of {object}")),
            "{made}"
        );
        assert_eq!(made.contains("the marker of `V`"), name == "V", "{made}");
        place.print(&["references", file, "-o", "new.json", "--overwrite"]);
        // Their values are compared, and attributes that nobody knows are not taken for equal.
        place.print(&["verify", file, file]);
        let run = place.run(&["verify", "--attributes", file, file]);
        assert_eq!(run.code, if is_compared { 2 } else { 0 }, "{}", run.stderr);
        let skipped = place.run(&["verify", "--attributes", file, file, "--skip-unsupported"]);
        assert_eq!(skipped.code, 0, "{}", skipped.stderr);
    }
}

/// What a recorded file says of its run is in its attributes.
#[test]
fn a_run_whose_attributes_cannot_be_listed_is_never_taken_for_another() {
    let place = Place::new();
    let path = place.path("a.h5");
    let mut run = Recorder::create(&path)
        .tensor::<bf16>("W", [3])
        .scalar::<f32>("loss")
        .start()
        .unwrap();
    for step in 0..5_u8 {
        let w = [bf16::from_f32(step.into()); 3];
        run.append(|slot| slot.put("W", &w)?.put("loss", &f32::from(step)))
            .unwrap();
    }
    drop(run);
    let sound = fs::read(&path).unwrap();
    // The versions of all messages of attributes, which begin with the sizes of the name and of the types.
    let names = [
        "selvedge_state",
        "selvedge_commit",
        "selvedge_step_tensor\0",
        "logical_dtype",
    ];
    for name in names {
        let places =
            (8..sound.len() - name.len()).filter(|&at| sound[at..].starts_with(name.as_bytes()));
        let places: Vec<usize> = places.filter(|&at| sound[at - 8] == 1).collect();
        assert!(!places.is_empty(), "{name}");
        for at in places {
            let mut damaged = sound.clone();
            damaged[at - 8] = 9;
            fs::write(&path, damaged).unwrap();
            let Ok(file) = Reader::open(&path) else {
                continue;
            };
            let notes: Vec<String> = file.notes().iter().map(ToString::to_string).collect();
            assert!(
                notes.iter().any(|note| note.contains("cannot be")),
                "{name}: {notes:?}"
            );
            for tensor in file.tensors() {
                assert!(tensor.steps() <= 5, "{name}: {notes:?}");
                let is_told = tensor.dtype_name() != "uint16" || tensor.remark().is_some();
                assert!(is_told, "{name}: {notes:?}");
            }
        }
    }
}
