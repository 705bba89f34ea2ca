//! A file that names others: they are told, and read where that is asked for.

use std::fs;

use crate::common::{Place, unwrapped};
use selvedge_testing::{Limit, python, run_limited};

const GIFT: &str = r#"
import os, sys, h5py, numpy as np
folder = os.path.dirname(sys.argv[1])
values = np.arange(128, dtype="u1").reshape(8, 16)
with open(folder + "/notes.txt", "wb") as f:
    f.write(b"not for others, " * 8)
with h5py.File(folder + "/rank0.h5", "w") as f:
    f["W"] = values
os.mkdir(folder + "/other")
with h5py.File(folder + "/other/rank1.h5", "w") as f:
    f["W"] = values
with h5py.File(sys.argv[1], "w") as f:
    f["mine"] = values
    f["linked"] = h5py.ExternalLink("rank0.h5", "/W")
    layout = h5py.VirtualLayout((8, 16), "u1")
    layout[:] = h5py.VirtualSource("rank0.h5", "W", (8, 16))
    f.create_virtual_dataset("view", layout)
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_external(b"notes.txt", 0, 128)
    h5py.h5d.create(f.id, b"raw", h5py.h5t.STD_U8LE, h5py.h5s.create_simple((8, 16)), plan)
"#;

fn gift() -> Place {
    let place = Place::new();
    python::on_file(GIFT, &place.path("gift.h5"));
    place
}

/// `convert` copied a text file that a stranger's file named into its output, without a word.
#[test]
fn other_files_are_told_and_not_read() {
    let place = gift();
    let shown = place.print(&["inspect", "gift.h5"]).replace("\n", " ");
    let shown: Vec<&str> = shown.split_whitespace().collect();
    let shown = shown.join(" ");
    for told in [
        "`linked` is a link to `/W` in the file `rank0.h5`, which is not followed",
        "it takes values from notes.txt (external storage), which is not read",
        "--follow-links[=DIR]",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    for (tensor, file) in [("raw", "notes.txt"), ("linked", "rank0.h5")] {
        let refused = place.run(&["convert", "gift.h5", "out.npy", "-t", tensor]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(
            refused.stderr.contains(file) && refused.stderr.contains("--follow-links"),
            "{}",
            refused.stderr
        );
        assert!(!place.path("out.npy").exists());
    }
    // The source of a view that lies beside it is read.
    place.print(&["convert", "gift.h5", "out.npy", "-t", "view"]);
    assert!(fs::read(place.path("out.npy")).unwrap()[128..].starts_with(&[0, 1, 2]));
    let refused = place.run(&["rechunk", "gift.h5", "new.h5"]);
    assert!(refused.code == 2 && refused.stderr.contains("--follow-links"));
    let rest = place.print(&["rechunk", "gift.h5", "new.h5", "--skip-unsupported"]);
    assert!(
        rest.contains("notes.txt") && rest.contains("`linked`"),
        "{rest}"
    );
}

#[test]
fn links_are_followed_where_that_is_asked_for() {
    let place = gift();
    let here = fs::canonicalize(place.path("gift.h5")).unwrap();
    let inside = format!("--follow-links={}", here.parent().unwrap().display());
    for flag in ["--follow-links", &inside] {
        for (tensor, start) in [
            ("raw", &b"not for others, "[..]),
            ("view", &[0, 1, 2]),
            ("linked", &[0, 1, 2]),
        ] {
            let _ = fs::remove_file(place.path("out.npy"));
            place.print(&["convert", "gift.h5", "out.npy", "-t", tensor, flag]);
            let array = fs::read(place.path("out.npy")).unwrap();
            assert!(array[128..].starts_with(start), "{tensor}");
        }
        place.print(&["verify", "gift.h5", "gift.h5", flag]);
        let shown = place.print(&["inspect", "--stats", "gift.h5", flag]);
        assert!(shown.contains("linked"), "{shown}");
    }
    // A folder that is named does not take the one of the file away, and is not all of the machine.
    fs::create_dir(place.path("copy")).unwrap();
    fs::copy(place.path("gift.h5"), place.path("copy/gift.h5")).unwrap();
    for (file, flag, is_read) in [
        ("gift.h5", "--follow-links=other", true),
        ("copy/gift.h5", "--follow-links=other", false),
        ("copy/gift.h5", "--follow-links=.", true),
    ] {
        let args = [
            "convert",
            file,
            "out.npy",
            "--overwrite",
            "-t",
            "linked",
            flag,
        ];
        let run = place.run(&args);
        assert_eq!(run.code == 0, is_read, "{file} {flag}: {}", run.stderr);
        let told = run.stderr.contains("it lies outside of ") && run.stderr.contains("/other");
        assert_eq!(told, !is_read, "{}", run.stderr);
    }
    let refused = place.run(&["inspect", "gift.h5", "--follow-links=nowhere"]);
    assert!(
        refused.code == 2
            && refused
                .stderr
                .contains("cannot follow links inside of nowhere"),
        "{}",
        refused.stderr
    );
}

const DEEP: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as f:
    group = f
    for level in range(2000):
        group = group.create_group("g")
        group.attrs["level"] = level
"#;

/// Groups by thousands, each in the one before and with an attribute, took minutes: what is left of a name that is
/// longer than a line was measured anew for each line.
#[test]
fn names_take_a_time_in_proportion_to_their_length() {
    let place = Place::new();
    python::on_file(DEEP, &place.path("deep.h5"));
    let output = run_limited(
        &place.command(&["inspect", "deep.h5"]),
        Limit::Processor(20),
    );
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(shown.matches("attributes:").count(), 2000);
}

const MANY: &str = r#"
import os, sys, h5py, numpy as np
from h5py import h5d, h5p, h5s, h5t
os.chdir(os.path.dirname(sys.argv[1]))
layout = h5py.VirtualLayout((60, 4), "f4")
for step in range(60):
    with h5py.File(f"step{step}.h5", "w") as f:
        f["W"] = np.full(4, step, "f4")
    layout[step] = h5py.VirtualSource(f"step{step}.h5", "W", (4,))
with h5py.File("many.h5", "w") as f:
    f.create_virtual_dataset("W", layout)
space = h5s.create_simple((1, 4), (h5s.UNLIMITED, 4))
space.select_hyperslab((0, 0), (h5s.UNLIMITED, 1), (1, 1), (1, 4))
plan = h5p.create(h5p.DATASET_CREATE)
plan.set_virtual(space, b"step%b.h5", b"W", h5s.create_simple((4,)))
with h5py.File("numbered.h5", "w") as f:
    h5d.create(f.id, b"W", h5t.IEEE_F32LE, space, plan)
with h5py.File("links.h5", "w") as f:
    for step in range(60):
        f[f"link{step}"] = h5py.ExternalLink(f"step{step}.h5", "/W")
"#;

/// libhdf5 has all sources of a dataset open at once. Where the system gave it no more files, it gave fill values,
/// and of a dataset whose length depends on its sources fewer steps.
#[test]
fn more_sources_than_files_can_be_open_are_no_fill_values() {
    let place = Place::new();
    python::on_file(MANY, &place.path("many.h5"));
    let run = |limit: &str, command: &str| {
        let program = env!("CARGO_BIN_EXE_selvedge");
        let script = format!("ulimit {limit}; exec {program} {command}");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).current_dir(place.path(""));
        crate::common::finish(shell.output().unwrap())
    };
    // Nor links that lead nowhere.
    let shown = run("-n 40", "inspect links.h5 --json --follow-links").stdout;
    assert!(
        shown.contains("does not open it: Too many open files"),
        "{shown}"
    );
    assert!(!shown.contains("which is not there"), "{shown}");
    for name in ["many.h5", "numbered.h5"] {
        let convert = |limit: &str| run(limit, &format!("convert {name} out.npy -t W"));
        let refused = convert("-n 40");
        assert_eq!(refused.code, 2, "{}", refused.stdout);
        for told in [".h5", "Too many open files", "raise the limit"] {
            assert!(refused.stderr.contains(told), "{name}: {}", refused.stderr);
        }
        assert!(!place.path("out.npy").exists());
        // The program raises what it may raise.
        let read = convert("-Sn 40");
        assert_eq!(read.code, 0, "{}", read.stderr);
        let array = fs::read(place.path("out.npy")).unwrap();
        assert!(array.ends_with(&59_f32.to_le_bytes()) && array.len() == 128 + 60 * 16);
        fs::remove_file(place.path("out.npy")).unwrap();
    }
}

/// `h["best"] = h["runs/042"]` took the names of the tensors in that group away, and a link by name to a group was told
/// nowhere. Groups that lie in themselves end, too.
#[test]
fn tensors_are_found_by_each_name_of_their_group() {
    let place = Place::new();
    let make = r#"
import sys, h5py, numpy as np
folder = sys.argv[1]
def file(name, add):
    with h5py.File(f"{folder}/{name}.h5", "w") as f:
        f["runs/042/W"] = np.arange(6.0).reshape(3, 2)
        add(f)
def hard(f):
    f["best"] = f["runs/042"]
    f["runs/042/up"] = f["runs"]
    f["runs/042/top"] = f["/"]
def soft(f):
    f["best"] = h5py.SoftLink("/runs/042")
    f["of_best"] = h5py.SoftLink("best")
    f["runs/up"] = h5py.SoftLink("/runs")
def two(f):
    f.copy("runs/042", "best")
file("plain", lambda f: None)
file("hard", hard)
file("soft", soft)
file("two", two)
"#;
    python::run(make, [place.path("")]);
    for (file, name, listed) in [
        ("hard.h5", "runs/042/W", "best/W"),
        (
            "hard.h5",
            "/runs/042/up/042/top/best/top/runs/042/W",
            "best/W",
        ),
        ("soft.h5", "best/W", "runs/042/W"),
        ("soft.h5", "of_best/W", "runs/042/W"),
        ("soft.h5", "runs/up/up/042/W", "runs/042/W"),
    ] {
        let shown = place.print(&["show", file, name]);
        assert!(shown.starts_with(&format!("{listed} of ")), "{shown}");
        place.print(&["convert", file, "out.npy", "-t", name, "--overwrite"]);
        place.print(&["verify", "plain.h5", file, "-t", name]);
    }
    let refused = place.run(&["show", "hard.h5", "best/best/W"]);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    for (one, other, tensors) in [
        ("plain.h5", "hard.h5", "1 tensor,"),
        ("hard.h5", "plain.h5", "1 tensor,"),
        ("soft.h5", "hard.h5", "1 tensor,"),
        ("two.h5", "hard.h5", "2 tensors,"),
        ("hard.h5", "two.h5", "2 tensors,"),
    ] {
        let found = place.print(&["verify", one, other, "--attributes"]);
        assert!(found.contains(tensors), "{found}");
    }
    place.print(&["inspect", "plain.h5", "--diff", "hard.h5"]);
    let told = "`best` is one more name of `runs/042`";
    let shown = place.print(&["inspect", "soft.h5"]);
    assert!(shown.contains(told), "{shown}");
    let kept = unwrapped(&place.print(&["rechunk", "soft.h5", "new.h5"]));
    let told = "not kept: the name `best`: it is one more name of `runs/042`";
    assert!(kept.contains(told), "{kept}");
}
