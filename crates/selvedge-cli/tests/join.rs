//! `selvedge join`.

mod common;

use std::fs;

use common::{Place, finished, masked};
use insta::assert_snapshot;
use selvedge_hdf5::{Dtype, Recorder, Shard, TensorSpec, bf16};

/// A file of rank `rank` of two, with so many steps.
fn rank(place: &Place, rank: u16, steps: u16) {
    let part =
        TensorSpec::new("W", Dtype::Bf16, [3, 4]).part_of([6, 4], [3 * usize::from(rank), 0]);
    let shard = Shard {
        run: "c0ffee".to_owned(),
        rank: rank.into(),
        world_size: 2,
    };
    let mut run = Recorder::create(place.path(&format!("rank{rank}.h5")))
        .shard(shard)
        .tensor_spec(part)
        .scalar::<f32>("losses")
        .constant("ids", &[1_i32, 2])
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
        "error: of 2 ranks 1 is missing: name a file of each\n"
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
