//! `selvedge show`: the values of a tensor, in every format that has some.

use std::fs;

use crate::common::{Place, finished};
use insta::assert_snapshot;
use selvedge_hdf5::{Indices, Reader, bf16};
use selvedge_testing::python;

/// A run, and the same tensors in the other formats.
fn place() -> Place {
    let place = Place::new();
    finished(&place.path("run.h5"));
    place.print(&["convert", "run.h5", "run.safetensors"]);
    place.run(&["convert", "run.h5", "W.npy", "-t", "W"]);
    place
}

#[test]
fn values_are_shown_under_their_indices() {
    let place = place();
    let mut shown = String::new();
    for args in [
        &[
            "run.h5",
            "W",
            "--step",
            "0,last",
            "--rows",
            "4..",
            "--columns",
            "-1,0",
        ][..],
        &["run.h5", "losses", "--step", "log:4"],
        &["run.h5", "dead_mask", "--rows", "0..2"],
        &["W.npy", "--step", "3", "--rows", "0", "--assume-bf16"],
    ] {
        shown += &format!("$ selvedge show {}\n", args.join(" "));
        shown += &place.print(&[&["show"], args].concat());
    }
    assert_snapshot!(shown);
}

/// Each value of a step took 180 bytes of memory as text, and 60 as csv.
#[test]
fn memory_does_not_grow_with_a_step() {
    let place = Place::new();
    let run = "
import os, sys
import numpy as np
np.save(sys.argv[4], np.zeros((1, int(sys.argv[1])), 'f4'))
output = os.open(os.devnull, os.O_WRONLY)
child = os.fork()
if child == 0:
    os.dup2(output, 1)
    os.execv(sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(child, 0)
assert status == 0
print(used.ru_maxrss)
";
    let (program, file) = (env!("CARGO_BIN_EXE_selvedge"), place.path("a.npy"));
    let file = file.to_str().unwrap();
    // The program itself takes 20 MB, and the step 2 and 8.
    for (values, format, most) in [
        ("500000", "--format=text", 60_000),
        ("2000000", "--format=csv", 80_000),
    ] {
        let args = [values, program, "show", file, "--all", format];
        let peak: u64 = python::run(run, args).trim().parse().unwrap();
        assert!(peak < most, "{format}: {peak} kB");
    }
}

#[test]
fn every_format_shows_the_same() {
    let place = place();
    let args = ["W", "--step", "5,0", "--rows", "..:2", "--columns", "1,3"];
    let of = |file: &str, more: &[&str]| {
        let text = place.print(&[&["show", file], &args[..], more].concat());
        text.split_once('\n').unwrap().1.to_owned()
    };
    let expected = of("run.h5", &[]);
    assert_eq!(of("run.safetensors", &[]), expected);
    assert_eq!(of("W.npy", &["--assume-bf16"]), expected);
    assert_eq!(
        expected
            .lines()
            .filter(|line| line.starts_with("step "))
            .count(),
        2
    );
}

/// All of `W`, through text and back: as csv, and as the bits of an array.
#[test]
fn values_come_back_with_their_bits() {
    let place = place();
    let expected: Vec<bf16> = Reader::open(place.path("run.h5"))
        .unwrap()
        .tensor("W")
        .unwrap()
        .read()
        .unwrap();
    let csv = place.print(&["show", "run.h5", "W", "--format", "csv"]);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("step,row,0,1,2,3"));
    let values = lines.flat_map(|line| line.split(',').skip(2));
    let values: Vec<bf16> = values
        .map(|value| bf16::from_f32(value.parse().unwrap()))
        .collect();
    assert_eq!(values, expected);

    let run = place.run(&["show", "run.h5", "W", "-o", "new.npy", "--step", "1..3"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stderr.contains("view(torch.bfloat16)"),
        "{}",
        run.stderr
    );
    let part = fs::read(place.path("new.npy")).unwrap();
    let whole = fs::read(place.path("W.npy")).unwrap();
    assert_eq!(
        part[part.len() - 96..],
        whole[whole.len() - 7 * 48 + 48..][..96]
    );
    let again = place.run(&["show", "run.h5", "W", "-o", "new.npy"]);
    assert_eq!(
        (again.code, again.stderr.contains("--overwrite")),
        (2, true),
        "{}",
        again.stderr
    );
}

#[test]
fn a_long_text_has_the_ends_and_says_so() {
    let place = Place::new();
    let mut run = selvedge_hdf5::Recorder::create(place.path("long.h5"))
        .tensor::<f32>("W", [40, 50])
        .start()
        .unwrap();
    for step in 0..8_u8 {
        let values: Vec<f32> = (0..2000_u16)
            .map(|n| f32::from(n) + f32::from(step) * 0.1)
            .collect();
        run.append(|row| row.put("W", &values)).unwrap();
    }
    run.finish().unwrap();
    let text = place.print(&["show", "long.h5", "W", "--step", "6.."]);
    assert_snapshot!(text);
    let all = place.print(&["show", "long.h5", "W", "--step", "7", "--all"]);
    assert!(all.lines().all(|line| line.chars().count() <= 80), "{all}");
    assert_eq!(all.matches(".7").count(), 2000);
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let place = place();
    let mut said = String::new();
    for args in [
        &["run.h5"][..],
        &["run.h5", "V"],
        &["run.h5", "W", "--step", "7"],
        &["run.h5", "W", "--step", "-8"],
        &["run.h5", "W", "--step", "2..2"],
        &["run.h5", "W", "--step", "5..2"],
        &["run.h5", "W", "--rows=-1..2"],
        &["run.h5", "W", "--step", "6,001"],
        &["run.h5", "W", "--columns", "4"],
        &["run.h5", "losses", "--rows", "0"],
        &["run.h5", "dead_mask", "--step", "0"],
        &["gone.h5", "W"],
    ] {
        let run = place.run(&[&["show"], args].concat());
        assert_eq!((run.code, &*run.stdout), (2, ""), "{args:?}");
        said += run.stderr.lines().next().unwrap();
        said.push('\n');
    }
    assert_snapshot!(said);
}

/// An axis without elements was asked for by no index at all, which no tensor has.
#[test]
fn a_tensor_without_values_is_shown_as_one() {
    let place = Place::new();
    let make = "import sys, h5py, numpy as np\n\
        with h5py.File(sys.argv[1], 'w') as f: f['rows'] = np.zeros((4, 0, 3), 'f4')\n\
        np.save(sys.argv[1] + '.npy', np.zeros((0, 3), 'f4'))";
    python::on_file(make, &place.path("a.h5"));
    for (file, shape, csv) in [
        ("a.h5", "(4, 0, 3)", "row,column,0,1,2\n"),
        ("a.h5.npy", "(0, 3)", "row,0,1,2\n"),
    ] {
        let text = place.print(&["show", file]);
        assert!(text.ends_with(&format!("{shape}\nno values\n")), "{text}");
        assert_eq!(place.print(&["show", file, "--format", "csv"]), csv);
        place.print(&["show", file, "-o", "out.npy", "--overwrite"]);
        place.print(&["verify", file, "out.npy"]);
    }
    let run = place.run(&["show", "a.h5.npy", "--rows", "0"]);
    assert!(
        run.stderr.contains("has no row 0: it has none"),
        "{}",
        run.stderr
    );
}

/// A path as h5py has it, and names that are nearly right.
#[test]
fn names_may_be_paths_and_near_ones_are_offered() {
    let place = Place::new();
    let make = "import sys, h5py, numpy as np\n\
        with h5py.File(sys.argv[1], 'w') as f: f['g/deep/kernel'] = np.arange(6, dtype='u2').reshape(3, 2)";
    python::on_file(make, &place.path("a.h5"));
    let path = ["show", "a.h5", "/g/deep/kernel"];
    assert_eq!(place.print(&path), place.print(&["show", "a.h5"]));
    for args in [
        &["inspect", "a.h5", "-t", "/g/deep/kernel"][..],
        &["convert", "a.h5", "b.npy", "-t", "/g/deep/kernel"],
        &["verify", "a.h5", "b.npy", "-t", "/g/deep/kernel"],
        &["report", "a.h5", "-t", "/g/deep/kernel"],
        &[
            "convert",
            "a.h5",
            "c.npy",
            "--assume-bf16",
            "/g/deep/kernel",
        ],
    ] {
        place.print(args);
    }
    for near in ["g/deep/kernle", "kernel", "/kernel"] {
        let run = place.run(&["show", "a.h5", near]);
        assert!(
            run.stderr.contains("; did you mean `g/deep/kernel`?"),
            "{}",
            run.stderr
        );
    }
    let run = place.run(&["show", "a.h5", "loss"]);
    assert!(!run.stderr.contains("did you mean"), "{}", run.stderr);
}

/// The library has the same indices as the program.
#[test]
fn the_library_takes_the_same_indices() {
    let place = place();
    let file = Reader::open(place.path("run.h5")).unwrap();
    let losses = file.tensor("losses").unwrap();
    let all: Vec<f32> = losses.read().unwrap();
    let of = |indices: Indices| losses.select().steps(indices).read::<f32>();
    assert_eq!(
        of(Indices::log(4)).unwrap(),
        [all[0], all[1], all[3], all[6]]
    );
    assert_eq!(of((-1).into()).unwrap(), [all[6]]);
    assert_eq!(of([2, 0, -2].into()).unwrap(), [all[2], all[0], all[5]]);
    let error = of("0, 7".parse().unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tensor `losses` has steps 0..7, asked for 7"
    );
}

/// `show` had fewer steps than h5py without a word.
#[test]
fn steps_that_are_not_shown_are_told() {
    let place = place();
    let grow = "import sys, h5py\nwith h5py.File(sys.argv[1], 'r+') as f: f['W'].resize(f['W'].shape[0] + 5, axis=0)";
    python::on_file(grow, &place.path("run.h5"));
    let told = |tensor| {
        place
            .run(&["show", "run.h5", tensor, "--step", "last"])
            .stderr
    };
    let expected = "another program appended 5 steps to it";
    assert!(told("W").contains(expected) && !told("losses").contains(expected));
}
