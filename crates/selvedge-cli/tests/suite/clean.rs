//! `selvedge clean`: what writers that died left behind.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use crate::common::tree::safetensors;
use crate::common::{Place, unwrapped};
use selvedge_base::{Leftover, PULL_MARK, Partial};

/// Writes a file as a writer does that is killed in the middle.
fn left(mut partial: Partial) -> PathBuf {
    partial.file().write_all_at(&[1; 8192], 0).unwrap();
    partial.keep();
    partial.path().to_owned()
}

/// Another program's file was removed, complete, and while it was written.
#[test]
fn what_may_be_complete_is_kept_and_what_is_open_is_left_out() {
    let place = Place::new();
    place.write(".whole.safetensors.partial", safetensors("BF16"));
    // Of a name that says that it grows, which it does not.
    place.write("grown.safetensors.unfinished", safetensors("BF16"));
    let open = std::fs::File::create(place.path(".open.npy.partial")).unwrap();
    let run = place.print(&["clean", "--yes"]);
    let kept = run
        .lines()
        .filter(|line| line.contains(", kept: it may be complete"));
    let kept: Vec<&str> = kept.filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(
        kept,
        [".whole.safetensors.partial", "grown.safetensors.unfinished"]
    );
    assert!(
        run.ends_with("rename or remove it\nnothing to remove\n"),
        "{run}"
    );
    drop(open);
    assert!(
        place
            .print(&["clean", "--yes"])
            .ends_with("removed 1 file\n")
    );
}

/// A page or values whose writer was killed lay there for ever, also when it was named.
#[test]
fn what_is_no_tensor_file_is_found_where_it_is_ours() {
    let place = Place::new();
    crate::common::finished(&place.path("a.h5"));
    place.print(&["report", "a.h5", "-o", "p.html"]);
    place.print(&["show", "a.h5", "W", "-o", "rows.csv"]);
    place.print(&["show", "a.h5", "losses", "-o", "curve.csv"]);
    place.print(&["show", "a.h5", "W", "-o", "W.txt"]);
    place.print(&["references", "a.h5", "-o", "refs.json"]);
    let ours = ["W.txt", "curve.csv", "p.html", "refs.json", "rows.csv"];
    for name in ours {
        let whole = std::fs::read(place.path(name)).unwrap();
        let partial = format!(".{name}.partial");
        std::fs::write(place.path(&partial), &whole[..whole.len() / 2]).unwrap();
    }
    place.write(".join.nc.partial", "\0");
    for (name, text) in [
        ("a.html", "<!doctype html>\n<html lang=\"en\">\n<head>\n"),
        ("b.csv", "step,loss\n0,1\n"),
        ("c.csv", "0,1\n"),
        ("d.json", "{\"version\": 1, \"refs\": {}}"),
        ("e.txt", "a list of things: float32, (some)"),
        ("f.txt", ""),
        ("g.bin", "step,row,0\n"),
    ] {
        place.write(&format!(".{name}.partial"), text);
    }
    let named = place.print(&["clean", "--dry-run", ".rows.csv.partial", ".b.csv.partial"]);
    assert!(named.ends_with("\n1 file to remove, 4.10 kB\n"), "{named}");
    let listed = place.print(&["clean", "--yes"]);
    let names = listed.lines().filter_map(|line| line.split_once("  "));
    let expected = [
        "W.txt",
        "curve.csv",
        "join.nc",
        "p.html",
        "refs.json",
        "rows.csv",
    ];
    let expected = expected.map(|name| format!(".{name}.partial"));
    assert!(names.map(|(name, _)| name).eq(expected), "{listed}");
}

/// What `pull` had fetched of a file was told to have rows that `recover` makes a file of, and `recover` called it
/// damaged.
#[test]
fn what_is_being_fetched_is_told_as_such() {
    let place = Place::new();
    let text = format!("{PULL_MARK}ETag \"v1\", 9000 bytes\n5000\n");
    let name = "run.h5.unfinished";
    place.write(name, format!("{text:\0<9000}"));
    let run = place.print(&["clean", "--yes"]);
    assert!(run.contains("the same `selvedge pull` goes on"), "{run}");
    for command in ["recover", "inspect"] {
        let run = place.run(&[command, name]);
        let told = unwrapped(&run.stderr).contains("the same `selvedge pull` goes on");
        assert!(run.code == 2 && told, "{command}: {}", run.stderr);
    }
}

#[test]
fn what_is_worth_nothing_is_removed_and_the_rest_is_not() {
    let place = Place::new();
    let begun = |name: &str| Partial::create(&place.path(name), false).unwrap();
    let left_behind = [left(begun("a.h5")), left(begun("deep/b.safetensors"))];
    let live = begun("c.h5");
    let rows = place.path("rows.safetensors");
    let rows = left(Partial::create_growing(&rows, false, Leftover::Keep).unwrap());
    place.write(".mine.txt.partial", "");

    let listed = "rows.safetensors.unfinished  8.19 kB, kept: `selvedge recover\n  \
                  rows.safetensors.unfinished` makes a file of its rows\n\
                  .a.h5.partial  8.19 kB\n\
                  deep/.b.safetensors.partial  8.19 kB\n";
    let dry = place.print(&["clean", "--dry-run"]);
    assert_eq!(dry, format!("{listed}2 files to remove, 16.38 kB\n"));
    let run = place.run(&["clean"]);
    assert_eq!((run.code, &*run.stdout), (2, listed));
    assert!(run.stderr.contains("pass --yes"), "{}", run.stderr);
    assert!(left_behind.iter().all(|path| path.exists()));

    let run = place.print(&["clean", "--yes", "deep"]);
    assert!(run.ends_with("removed 1 file\n"), "{run}");
    let run = place.print(&["clean", "--yes"]);
    assert!(run.ends_with("removed 1 file\n"), "{run}");
    assert!(left_behind.iter().all(|path| !path.exists()));
    assert!(live.path().exists() && rows.exists());
    assert!(place.path(".mine.txt.partial").exists());
    drop(live);
    std::fs::remove_file(rows).unwrap();
    assert_eq!(place.print(&["clean"]), "nothing to remove\n");
    assert_eq!(place.run(&["clean", "none"]).code, 2);
}
