//! What cannot be read or held is told by its name, leaves nothing half-written, and stops nothing else where
//! that is asked for.

use std::fs;

use crate::common::{Place, Run, finish, unwrapped};
use selvedge_hdf5::{Compression, Recorder, bf16};
use selvedge_safetensors::{Dtype, Reader, Save, TensorSpec};
use selvedge_testing::python;

/// `unsupported.h5`: beside `good` a tensor for each thing that can be missing here. `nothing.h5`: without
/// `good`.
const UNSUPPORTED: &str = r#"
import os, sys, h5py, numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z
os.chdir(sys.argv[1])
values = np.arange(24, dtype="f4").reshape(6, 4)

def zstd(f, name):
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((6, 4))
    plan.set_filter(32015, h5z.FLAG_OPTIONAL, (3,))
    d = h5d.create(f.id, name, h5t.IEEE_F32LE, h5s.create_simple((6, 4)), plan)
    d.write_direct_chunk((0, 0), bytes(range(40)), 0)

def raw(f, name, file):
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_external(file, 8, 96)
    h5d.create(f.id, name, h5t.IEEE_F32LE, h5s.create_simple((6, 4)), plan)

def view(f, name, file, source="W", to=None):
    layout = h5py.VirtualLayout((6, 4), "f4")
    source = h5py.VirtualSource(file, source, (6, 4))
    if to:
        layout[to] = source[to]
    else:
        layout[:] = source
    f.create_virtual_dataset(name, layout)

for rows in (5, 6, 7):
    with h5py.File(f"rows{rows}.h5", "w") as f:
        f["W"] = np.ones((rows, 4), "f4")
        zstd(f, b"zstd")
open("short.bin", "wb").write(bytes(50))
for path in ("unsupported.h5", "nothing.h5"):
    with h5py.File(path, "w") as f:
        zstd(f, b"zstd")
        view(f, "zstd_source", "rows6.h5", "zstd")
        view(f, "gone", "rows9.h5")
        view(f, "shrunk", "rows5.h5")
        view(f, "shrunk_part", "rows5.h5", to=slice(2, 6))
        view(f, "grown", "rows7.h5")
        raw(f, b"raw_short", b"short.bin")
        raw(f, b"raw_gone", b"gone.bin")
        f["text"] = ["a", "b"]
        if path == "unsupported.h5":
            f["good"] = values
            # It has grown, and what is taken of it is there as it was.
            view(f, "part", "rows7.h5", to=slice(2, 6))
"#;

/// Each tensor of `unsupported.h5` that cannot be read, and what is told of it.
const MISSING: [(&str, &[&str]); 9] = [
    ("zstd", &["filter zstd (number 32015)", "--load-plugins"]),
    (
        "zstd_source",
        &[
            "`zstd` of rows6.h5",
            "filter zstd (number 32015)",
            "--load-plugins",
        ],
    ),
    ("gone", &["rows9.h5, which is not there; put it back"]),
    (
        "shrunk",
        &["rows5.h5, which has the shape (5, 4) where (6, 4) is expected"],
    ),
    (
        "shrunk_part",
        &["rows5.h5, which has the shape (5, 4) where (6, 4) or more is expected"],
    ),
    (
        "grown",
        &["rows7.h5, which has the shape (7, 4) where (6, 4) is expected"],
    ),
    (
        "raw_short",
        &["short.bin (external storage), which has 50 bytes, expected 104 or more"],
    ),
    (
        "raw_gone",
        &["gone.bin (external storage), which cannot be opened"],
    ),
    ("text", &["holds text"]),
];

fn unsupported() -> Place {
    let place = Place::new();
    python::run(UNSUPPORTED, [&place.path("")]);
    place
}

/// Runs a command that fails and leaves nothing, neither under a final name nor on the way to it.
fn fail(place: &Place, args: &[&str]) -> Run {
    let run = place.run(args);
    assert_eq!(run.code, 2, "{args:?}: {}{}", run.stdout, run.stderr);
    let names = fs::read_dir(place.path("")).unwrap();
    for name in names.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        assert!(
            !name.contains("out.") && !name.contains("partial"),
            "{args:?}: {name}"
        );
    }
    run
}

fn tensors(place: &Place, name: &str) -> Vec<String> {
    let shown = place.print(&["inspect", "--json", "--no-findings", name]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let tensors = shown["files"][0]["tensors"].as_array().unwrap();
    let names = tensors
        .iter()
        .map(|tensor| tensor["name"].as_str().unwrap().to_owned());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

/// The filter of a source, the size of a source and the length of an external file were known only when values
/// were read: with the flag, too, nothing else came out of such a file.
#[test]
fn what_is_missing_is_told_before_anything_is_written() {
    let place = unsupported();
    let follow = "--follow-links";
    for (tensor, told) in MISSING {
        for output in ["out.safetensors", "out.h5", "out.npy"] {
            let run = fail(
                &place,
                &["convert", "unsupported.h5", output, "-t", tensor, follow],
            );
            let told = with(
                told,
                &["unsupported.h5", "--skip-unsupported leaves it out"],
            );
            for told in told.into_iter().chain([&*format!("`{tensor}`")]) {
                assert!(
                    run.stderr.contains(told),
                    "{tensor}: {told}: {}",
                    run.stderr
                );
            }
        }
    }
    for command in [
        &["convert", "unsupported.h5", "out.safetensors", follow][..],
        &["convert", "unsupported.h5", "out.h5", follow],
        &["rechunk", "unsupported.h5", "out.h5", follow],
    ] {
        let run = fail(&place, command);
        assert!(
            run.stderr.contains("--skip-unsupported leaves"),
            "{}",
            run.stderr
        );
        let kept = unwrapped(&place.print(&with(command, &["--skip-unsupported"])));
        for (tensor, told) in MISSING {
            let notes = [
                format!("`{tensor}` is not kept:"),
                format!("not kept: `{tensor}`:"),
            ];
            let notes = notes.iter().map(|note| kept.matches(note).count());
            assert_eq!(notes.sum::<usize>(), 1, "{tensor}: {kept}");
            assert!(kept.contains(told[0]), "{tensor}: {kept}");
        }
        assert_eq!(tensors(&place, command[2]), ["good", "part"]);
        let verify = ["verify", "unsupported.h5", command[2], follow];
        assert_eq!(place.run(&verify).code, 1);
        let equal = unwrapped(&place.print(&with(&verify, &["--skip-unsupported"])));
        assert!(equal.contains("equal, bit for bit: 2 tensors"), "{equal}");
        assert!(equal.contains("`raw_short`"), "{equal}");
        fs::remove_file(place.path(command[2])).unwrap();
    }
    let itself = ["verify", "unsupported.h5", "unsupported.h5", follow];
    let run = fail(&place, &itself);
    assert!(run.stderr.contains("9 of 11 tensors") && run.stderr.contains("--skip-unsupported"));
    let said = unwrapped(&run.stdout);
    assert!(said.contains("2 of 11 tensors"), "{said}");
    place.print(&with(&itself, &["--skip-unsupported"]));
    let stats = ["inspect", "--stats", "unsupported.h5", follow];
    assert_eq!(fail(&place, &stats).stderr, "");
    let stats = place.print(&with(&stats, &["--skip-unsupported"]));
    assert!(unwrapped(&stats).contains("has 50 bytes"), "{stats}");
}

/// `verify` said 0 of files of which it had compared nothing.
#[test]
fn where_all_is_left_out_nothing_is_done_and_that_is_told() {
    let place = unsupported();
    let more = ["--follow-links", "--skip-unsupported"];
    for (command, told) in [
        (
            &["verify", "nothing.h5", "nothing.h5"][..],
            "nothing of nothing.h5 and nothing.h5 was compared",
        ),
        (
            &["verify", "--json", "nothing.h5", "nothing.h5"],
            "nothing of nothing.h5 and nothing.h5 was compared",
        ),
        (
            &["convert", "nothing.h5", "out.safetensors"],
            "nothing.h5 has no tensors that can be kept: `",
        ),
        (
            &["convert", "nothing.h5", "out.h5"],
            "has no tensors that can be kept: `",
        ),
        (
            &["rechunk", "nothing.h5", "out.h5"],
            "nothing.h5 has no steps beside what is left out (`",
        ),
        (&["inspect", "--stats", "nothing.h5"], ""),
        (
            &["convert", "nothing.h5", "out.npy", "-t", "nobody"],
            "nothing.h5 has no tensor `nobody`; it has `",
        ),
    ] {
        let run = fail(&place, &with(command, &more));
        assert!(run.stderr.contains(told), "{command:?}: {}", run.stderr);
    }
    // What the other file does not have decides nothing either, if that is all.
    Save::new(place.path("empty.safetensors")).write().unwrap();
    let args = ["verify", "nothing.h5", "empty.safetensors"];
    assert_eq!(place.run(&with(&args, &more[..1])).code, 1);
    let run = fail(&place, &with(&args, &more));
    assert!(run.stderr.contains("nothing of"), "{}", run.stderr);
}

/// `damaged.h5`: `good` between tensors that have one damaged chunk of three each, and `gone` beyond the end.
const DAMAGED: &str = r#"
import os, sys, h5py, numpy as np
os.chdir(sys.argv[1])
noise = np.random.default_rng(3).integers(0, 200, (6, 400), "u2")
# The last is read by libhdf5, which does not say which filter it was.
filters = {"gzip": dict(compression="gzip"), "sum": dict(fletcher32=True),
           "gzip_sum": dict(compression="gzip", shuffle=True, fletcher32=True),
           "lzf_sum": dict(compression="lzf", fletcher32=True)}
with h5py.File("damaged.h5", "w") as f:
    for name, options in filters.items():
        f.create_dataset(name, data=noise, chunks=(2, 400), **options)
        f["good_" + name] = noise
    f.flush()
    at = [f[name].id.get_chunk_info(1) for name in filters]
bytes_ = bytearray(open("damaged.h5", "rb").read())
for chunk in at:
    middle = chunk.byte_offset + chunk.size // 2
    for byte in range(middle, middle + 8):
        bytes_[byte] ^= 0x55
open("damaged.h5", "wb").write(bytes_)
"#;

/// The tensors that are damaged, and what is told of them.
const LOST: [(&str, &str); 4] = [
    ("gzip", "deflate (number 1)"),
    ("gzip_sum", "(fletcher32, number 3)"),
    (
        "lzf_sum",
        "the filters lzf (number 32000), fletcher32 (number 3)",
    ),
    ("sum", "(fletcher32, number 3)"),
];

/// A damaged chunk is loss, and no lack of support: it stays an error, until somebody says that the rest is
/// wanted without it.
#[test]
fn damage_is_an_error_until_it_is_left_out_by_name() {
    let place = Place::new();
    python::run(DAMAGED, [&place.path("")]);
    let good = ["good_gzip", "good_gzip_sum", "good_lzf_sum", "good_sum"];
    for (tensor, told) in LOST {
        for output in ["out.safetensors", "out.h5", "out.npy"] {
            let args = ["convert", "damaged.h5", output, "-t", tensor];
            let run = fail(&place, &with(&args, &["--skip-unsupported"]));
            let name = format!("`{tensor}`");
            for told in [
                "damaged.h5",
                &name,
                told,
                "--skip-damaged leaves the tensor out",
            ] {
                assert!(
                    run.stderr.contains(told),
                    "{tensor}: {told}: {}",
                    run.stderr
                );
            }
            // Nothing is left of it.
            let run = fail(&place, &with(&args, &["--skip-damaged"]));
            assert!(
                run.stderr.contains("no tensors that can be kept"),
                "{}",
                run.stderr
            );
        }
        // Other steps are there.
        let part = [
            "convert",
            "damaged.h5",
            "part.npy",
            "--overwrite",
            "-t",
            tensor,
        ];
        place.print(&with(&part, &["--steps", "4..6"]));
    }
    for command in [
        &["convert", "damaged.h5", "out.safetensors"][..],
        &["convert", "damaged.h5", "out.h5"],
        &["rechunk", "damaged.h5", "out.h5"],
        &[
            "rechunk",
            "damaged.h5",
            "out.h5",
            "--compression",
            "temporal",
            "--checksums",
        ],
    ] {
        let run = fail(&place, &with(command, &["--skip-unsupported"]));
        assert!(run.stderr.contains("--skip-damaged"), "{}", run.stderr);
        let kept = unwrapped(&place.print(&with(command, &["--skip-damaged"])));
        for (tensor, told) in LOST {
            assert!(kept.contains(&format!("`{tensor}`")), "{tensor}: {kept}");
            assert!(kept.contains(told), "{tensor}: {kept}");
        }
        assert_eq!(tensors(&place, command[2]), good);
        let run = place.run(&["verify", "damaged.h5", command[2], "--skip-unsupported"]);
        assert_eq!(run.code, 1, "{}", run.stdout);
        assert!(!run.stdout.contains("differs first"), "{}", run.stdout);
        fs::remove_file(place.path(command[2])).unwrap();
    }
    let verify = ["verify", "damaged.h5", "damaged.h5", "--skip-unsupported"];
    let run = fail(&place, &verify);
    assert!(run.stderr.contains("4 of 8 tensors"), "{}", run.stderr);
    let said = unwrapped(&run.stdout);
    for (tensor, told) in LOST {
        let (_, line) = said.split_once(&format!(" `{tensor}`: ")).unwrap();
        let line = line.split("`: its values").next().unwrap();
        assert!(line.contains(told), "{tensor}: {said}");
    }
    let run = fail(
        &place,
        &["inspect", "--stats", "damaged.h5", "--skip-unsupported"],
    );
    assert_eq!(
        run.stdout.matches("has no statistics").count(),
        4,
        "{}",
        run.stdout
    );
}

/// The members of an archive that are damaged, or stored in a way that is not read.
#[test]
fn damaged_arrays_are_left_out_of_an_archive() {
    let make = r#"
import sys, numpy as np
from numpy.lib.format import write_array
folder = sys.argv[1]
W = np.arange(600, dtype=np.float32).reshape(6, 100)
for name, save in (("stored", np.savez), ("deflated", np.savez_compressed)):
    path = f"{folder}/{name}.npz"
    save(path, good=W, W=W + 1)
    whole = bytearray(open(path, "rb").read())
    # The last local header is that of W; the directory follows.
    start, end = whole.rindex(b"PK\3\4"), whole.index(b"PK\1\2")
    whole[(start + end) // 2] ^= 4
    open(path, "wb").write(whole)
"#;
    let place = Place::new();
    python::run(make, [&place.path("")]);
    for input in ["stored.npz", "deflated.npz"] {
        for output in ["out.safetensors", "out.h5"] {
            let run = fail(&place, &["convert", input, output, "--skip-unsupported"]);
            for told in [input, "`W`", "--skip-damaged leaves the tensor out"] {
                assert!(run.stderr.contains(told), "{told}: {}", run.stderr);
            }
            let kept = place.print(&["convert", input, output, "--skip-damaged"]);
            assert!(
                kept.contains("note: `W` is not kept: it is damaged"),
                "{kept}"
            );
            assert_eq!(tensors(&place, output), ["good"]);
            fs::remove_file(place.path(output)).unwrap();
        }
        let run = fail(&place, &["verify", input, input]);
        let said = unwrapped(&run.stdout);
        assert!(said.contains("1 of 2 tensors"), "{said}");
    }
}

/// A name or a shape that a format keeps for itself stopped the whole file, and the error did not say which.
#[test]
fn names_and_shapes_that_a_format_cannot_have() {
    let place = Place::new();
    let make = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1] + "/names.h5", "w") as f:
    for name in ("good", "__metadata__", "a/b", "a.b", "x/y.z", "x.y/z", "CASE", "case", "..", "g/" * 600 + "W"):
        f[name] = np.ones((6, 4), "f4")
    f["no_rows"] = np.ones((6, 0), "f4")
np.savez(sys.argv[1] + "/names.npz", **{name: np.ones((6, 4), "f4") for name in ("good", "", "../up", ".")},
         deep=np.ones((6, 4) + (1,) * 31, "f4"))
"#;
    python::run(make, [&place.path("")]);
    let long = format!("{}W", "g/".repeat(600));
    let dots = "`a.b`: a trajectory has no groups";
    for (input, output, refused) in [
        (
            "names.h5",
            "out.safetensors",
            &[("__metadata__", "the format keeps it")][..],
        ),
        (
            "names.h5",
            "out.h5",
            &[
                ("a/b", dots),
                ("x/y.z", "`x.y.z`"),
                ("x.y/z", "`x.y.z`"),
                (&long, "at most 1024 bytes"),
            ],
        ),
        (
            "names.npz",
            "out.h5",
            &[
                ("", "at least one character"),
                (".", "and `.` is a path"),
                ("deep", "at most 31 axes"),
            ],
        ),
        ("names.npz", "out.safetensors", &[]),
    ] {
        let all = tensors(&place, input);
        let commands = match (input, output) {
            ("names.h5", "out.h5") => &["convert", "rechunk"][..],
            _ => &["convert"],
        };
        for command in commands {
            let args = [*command, input, output];
            if !refused.is_empty() {
                let run = fail(&place, &args);
                for told in [input, "--skip-unsupported"] {
                    assert!(run.stderr.contains(told), "{told}: {}", run.stderr);
                }
                let named =
                    |(tensor, _): &(&str, &str)| run.stderr.contains(&format!("`{tensor}`"));
                assert!(refused.iter().any(named), "{}", run.stderr);
            }
            // Lines are broken within the long name.
            let mut command_line = place.command(&with(&args, &["--skip-unsupported"]));
            let run = finish(
                command_line
                    .env_remove("COLUMNS")
                    .output()
                    .expect("it starts"),
            );
            assert_eq!((run.code, &*run.stderr), (0, ""), "{args:?}");
            let kept = unwrapped(&run.stdout);
            for (tensor, told) in refused {
                assert!(kept.contains(&format!("`{tensor}`")), "{tensor}: {kept}");
                let told = if *command == "rechunk" && told.starts_with("`a.b`") {
                    "`a.b`"
                } else {
                    told
                };
                assert!(kept.contains(told), "{told}: {kept}");
            }
            let held = tensors(&place, output);
            assert_eq!(held.len(), all.len() - refused.len(), "{held:?}");
            fs::remove_file(place.path(output)).unwrap();
        }
    }
}

/// Dtypes of one format that another does not have.
#[test]
fn dtypes_that_a_format_cannot_have() {
    let place = Place::new();
    let path = place.path("odd.safetensors");
    let odd = [
        ("scales", Dtype::F8_E8M0, "float8_e8m0fnu"),
        ("fnuz", Dtype::F8_E4M3FNUZ, "float8_e4m3fnuz"),
        ("six", Dtype::F6_E2M3, "float6_e2m3fn"),
        ("four", Dtype::F4, "float4_e2m1fn"),
    ];
    let mut save = Save::new(&path).tensor("good", [2, 3], &[1.0_f32; 6]);
    for (name, dtype, _) in odd {
        save = save.declare_spec(TensorSpec::new(name, dtype, [2, 4]));
    }
    let mut writer = save.start().unwrap();
    for (name, dtype, _) in odd {
        writer
            .write_bytes(name, &vec![0x11; dtype.bitsize()])
            .unwrap();
    }
    writer.finish().unwrap();
    for (name, _, found) in odd {
        let run = fail(
            &place,
            &["convert", "odd.safetensors", "out.h5", "-t", name],
        );
        for told in [name, found, "odd.safetensors", "--skip-unsupported"] {
            assert!(run.stderr.contains(told), "{told}: {}", run.stderr);
        }
    }
    place.print(&["convert", "odd.safetensors", "out.h5", "--skip-unsupported"]);
    assert_eq!(tensors(&place, "out.h5"), ["good"]);
    place.print(&["convert", "odd.safetensors", "all.safetensors"]);
    assert_eq!(
        Reader::open(place.path("all.safetensors"))
            .unwrap()
            .tensors()
            .len(),
        5
    );
    place.print(&["verify", "odd.safetensors", "all.safetensors"]);
    // One that came up since: the file is not read, and the error says which tensor it is.
    let header = r#"{"new":{"dtype":"F5_E2M2","shape":[8],"data_offsets":[0,5]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    fs::write(
        place.path("new.safetensors"),
        [&length[..], header.as_bytes(), &[0; 5]].concat(),
    )
    .unwrap();
    let run = place.run(&["convert", "new.safetensors", "new.h5"]);
    assert_eq!(run.code, 2);
    for told in ["new.safetensors", "`new`", "F5_E2M2"] {
        assert!(run.stderr.contains(told), "{told}: {}", run.stderr);
    }
}

/// A chunk that does not unpack ended `verify FILE` at the first, and nobody knew what else is lost.
#[test]
fn a_damaged_range_is_wrong_and_hinders_no_other() {
    let place = Place::new();
    let path = place.path("run_1.h5");
    let run = Recorder::create(&path).compression(Compression::Fast);
    let mut run = run
        .tensor::<bf16>("W", [1024, 512])
        .scalar::<f32>("loss")
        .start()
        .unwrap();
    for step in 0..6_u16 {
        let values = (0..97).cycle().take(1 << 19);
        let values: Vec<bf16> = values
            .map(|value| bf16::from_f32(f32::from(step + value)))
            .collect();
        run.append(|row| row.put("W", &values)?.put("loss", &1.0_f32))
            .unwrap();
    }
    run.finish().unwrap();
    place.print(&["checksum", "run_1.h5"]);
    let damage = r#"
import sys, h5py
with h5py.File(sys.argv[1]) as f:
    at = [f["W"].id.get_chunk_info_by_coord((step, 0, 0)) for step in (2, 4)]
with open(sys.argv[1], "r+b") as f:
    for chunk in at:
        f.seek(chunk.byte_offset + 2)
        f.write(b"\xff" * 100)
"#;
    python::on_file(damage, &path);
    let run = place.run(&["verify", "run_1.h5"]);
    assert_eq!((run.code, &*run.stderr), (1, ""));
    let said = unwrapped(&run.stdout);
    for told in [
        "steps 2..3 are",
        "steps 4..5 are",
        "the chunk at (2, 0, 0) of tensor `W`",
        "deflate (number 1)",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert_eq!(run.stdout.matches("are not as they were").count(), 2);
    // And none are made of what is lost.
    let run = place.run(&["checksum", "run_1.h5"]);
    assert!(
        run.code == 2 && run.stderr.contains("`W`"),
        "{}",
        run.stderr
    );
}
