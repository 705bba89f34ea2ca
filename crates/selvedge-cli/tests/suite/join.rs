//! `selvedge join`.

use std::fs;
use std::process::Command;

use crate::common::{Place, declare_rank, finish, finished, masked, unwrapped};
use insta::assert_snapshot;
use selvedge_hdf5::{Recorder, Shard, bf16};
use selvedge_testing::python;

/// A file of rank `rank` of two, with so many steps.
fn rank(place: &Place, rank: u16, steps: u16) {
    let path = place.path(&format!("rank{rank}.h5"));
    let mut run = declare_rank(&path, rank)
        .constant("ids", &[1_i32, 2])
        .overwrite(true)
        .start()
        .unwrap();
    for step in 0..steps {
        let weights = [bf16::from_f32(f32::from(step + rank)); 12];
        // The losses differ from the third step on.
        let loss = f32::from(step + rank * step / 3);
        run.append(|row| row.put("W", &weights)?.put("losses", &loss))
            .unwrap();
    }
    run.finish().unwrap();
}

#[test]
fn files_of_ranks_are_checked_and_shown_as_one() {
    let place = Place::new();
    rank(&place, 0, 9);
    rank(&place, 1, 7);
    let files = ["rank1.h5", "rank0.h5"];
    let checked = place.print(&["join", files[0], files[1]]);
    let inspected = place.print(&["inspect", "rank1.h5"]);
    let written = place.print(&["join", files[0], files[1], "-o", "run.h5"]);
    let view = place.print(&["inspect", "--stats", "run.h5"]);
    assert_snapshot!(masked(&format!(
        "{checked}\n{inspected}\n{written}\n{view}"
    )));

    let kept = place.run(&["join", files[0], files[1], "-o", "run.h5"]);
    assert_eq!(kept.code, 2);
    assert!(kept.stderr.contains("run.h5 exists"), "{}", kept.stderr);
    place.print(&["join", files[0], files[1], "-o", "run.h5", "--overwrite"]);
    // A file of one process, made of the view.
    place.print(&["rechunk", "run.h5", "whole.h5"]);
    place.print(&["verify", "run.h5", "whole.h5"]);
    assert_eq!(place.run(&["check", "run.h5"]).stderr, "");
}

#[test]
fn files_that_do_not_go_together_are_refused() {
    let place = Place::new();
    rank(&place, 0, 3);
    finished(&place.path("other.h5"));
    let refused = |args: &[&str]| {
        let run = place.run(args);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{args:?}");
        run.stderr
    };
    let said = refused(&["join", "rank0.h5", "-o", "run.h5"]);
    assert_eq!(
        said,
        "error: of 2 ranks, rank 1 is missing: name a file of each\n"
    );
    assert!(!place.path("run.h5").exists());
    assert!(refused(&["join", "rank0.h5", "other.h5"]).contains("other.h5 is of no rank"));
    rank(&place, 1, 3);
    place.print(&["join", "rank0.h5", "rank1.h5", "-o", "run.h5"]);
    fs::rename(place.path("rank1.h5"), place.path("moved.h5")).unwrap();
    for args in [
        &["inspect", "run.h5"][..],
        &["verify", "run.h5", "rank0.h5"],
    ] {
        let said = refused(args);
        assert!(
            said.contains("run.h5 is a joined view") && said.contains("rank1.h5 is not there"),
            "{said}"
        );
    }
    // A check tells of it as of anything else that is wrong with a file.
    let run = place.check(&["run.h5"]);
    assert_eq!((run.code, &*run.stderr), (1, ""));
    assert!(
        run.stdout.contains("run.h5: error[TRJ007] a joined view")
            && run.stdout.contains("rank1.h5 is not there"),
        "{}",
        run.stdout
    );
}

/// A conversion keeps which rank and part a file is, or tells that it does not; a difference in it is one.
/// Ranks without number were opened, each in turn, before it was told that an attribute takes so many bytes; and a
/// limit of the system was told without what to do.
#[test]
fn more_ranks_than_can_be_is_said() {
    let place = Place::new();
    for rank in 0..60 {
        let path = place.path(&format!("{rank}.h5"));
        let shard = Shard {
            run: "c0ffee".to_owned(),
            rank,
            world_size: 60,
        };
        let run = Recorder::create(&path).shard(shard).scalar::<f32>("loss");
        run.start().unwrap().finish().unwrap();
    }
    let mut join = place.command(&["join", "-o", "view.h5"]);
    let run = finish(join.args(vec!["0.h5"; 4200]).output().unwrap());
    let told = unwrapped(&run.stderr)
        .contains("4200 files of ranks are more than a view can name, which is 3999");
    assert!(run.code == 2 && told, "{}", run.stderr);
    let program = env!("CARGO_BIN_EXE_selvedge");
    let script = format!("ulimit -n 40; exec {program} join *.h5");
    let mut shell = Command::new("sh");
    let run = shell.args(["-c", &script]).current_dir(place.path(""));
    let run = finish(run.output().unwrap());
    let said = unwrapped(&run.stderr);
    for told in [
        ".h5",
        "Too many open files",
        "raise the limit of open files, `ulimit -n`",
    ] {
        assert!(run.code == 2 && said.contains(told), "{said}");
    }
}

#[test]
fn a_conversion_keeps_the_rank() {
    let place = Place::new();
    rank(&place, 0, 3);
    rank(&place, 1, 3);
    place.print(&["convert", "rank0.h5", "kept.h5"]);
    assert_eq!(
        place
            .run(&["inspect", "--diff", "rank0.h5", "kept.h5"])
            .code,
        0
    );
    place.print(&["join", "kept.h5", "rank1.h5"]);
    place.print(&["convert", "rank0.h5", "rank0.safetensors"]);
    let lost = ["convert", "rank0.h5", "rows.h5", "--rows", "0..2"];
    for told in [
        place.print(&lost),
        place.print(&["convert", "rank0.h5", "rank0.safetensors", "--overwrite"]),
    ] {
        assert!(
            told.contains("note: that it is rank 0 of 2 of the run c0ffee"),
            "{told}"
        );
    }
    for other in ["rank1.h5", "rank0.safetensors"] {
        let run = place.run(&["verify", "rank0.h5", other, "--attributes"]);
        assert_eq!(run.code, 1);
        for name in ["selvedge_rank", "W: selvedge_offset"] {
            assert!(
                run.stdout.contains(&format!("attribute `{name}`")),
                "{}",
                run.stdout
            );
        }
    }
}

/// What another program did to the file of a rank is told, or refused with the name of the file; a source of a
/// view is not replaced by what is made of it.
#[test]
fn changed_files_of_ranks_are_told() {
    let place = Place::new();
    let files = [
        "join",
        "rank0.h5",
        "rank1.h5",
        "-o",
        "run.h5",
        "--overwrite",
    ];
    let join_after = |change: &str| {
        rank(&place, 0, 3);
        rank(&place, 1, 3);
        let script = format!("import sys, h5py\nwith h5py.File(sys.argv[1], 'r+') as f: {change}");
        python::on_file(&script, &place.path("rank1.h5"));
        place.run(&files)
    };
    for (change, told) in [
        (
            "f['W'].resize(5, axis=0)",
            "another program appended 2 steps",
        ),
        ("f['W'].resize(2, axis=0)", "it has 2 of 3 steps"),
        (
            "del f['W']",
            "1 step tensor that the run had is not here any more",
        ),
    ] {
        let run = join_after(change);
        assert_eq!(run.code, 2, "{change}: {}", run.stdout);
        let said = run.stderr.contains("rank1.h5") && run.stderr.contains(told);
        assert!(said, "{change}: {}", run.stderr);
    }
    for (change, told) in [
        (
            "f['late'] = [1.0, 2.0, 3.0]",
            "rank1.h5: `late` was added by another program",
        ),
        (
            "del f['losses']",
            "rank1.h5: 1 step tensor that the run had is not here any more",
        ),
    ] {
        let run = join_after(change);
        assert_eq!(run.code, 0, "{change}: {}", run.stderr);
        assert!(run.stdout.contains(told), "{change}: {}", run.stdout);
    }
    for command in ["rechunk", "convert"] {
        let run = place.run(&[command, "run.h5", "rank1.h5", "--overwrite"]);
        assert_eq!(run.code, 2, "{}", run.stdout);
        assert!(
            run.stderr
                .contains("is one of the files that the view run.h5 shows"),
            "{}",
            run.stderr
        );
    }
    place.print(&["inspect", "run.h5"]);
}
