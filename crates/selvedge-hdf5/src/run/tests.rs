//! Which datasets are the run, on candidates as files have them.

use super::*;

const LEVEL: Part = Part::Step(Standing::Level);
const CUT_SHORT: Part = Part::Step(Standing::CutShort);
const APPENDED: Part = Part::Step(Standing::Appended);

/// A tensor as the first recorders of version 3 made it.
fn marked(steps: u64) -> Candidate {
    Candidate {
        mark: Some(Mark::Step),
        ..recorded(steps)
    }
}

/// A tensor called `name` of a run of this number, as the recorder makes it.
fn named(run: u32, name: &str, steps: u64) -> Candidate {
    Candidate {
        name: name.to_owned(),
        mark: Some(Mark::step_of(run, name)),
        ..recorded(steps)
    }
}

/// A tensor of earlier versions.
fn recorded(steps: u64) -> Candidate {
    Candidate {
        as_recorded: true,
        unfilled: true,
        ..appendable(steps)
    }
}

/// A dataset that h5py makes with `maxshape=(None, 4)`.
fn appendable(steps: u64) -> Candidate {
    Candidate {
        name: String::new(),
        second_name: false,
        mark: None,
        at_root: true,
        header: None,
        shape: vec![steps, 4],
        chunked: true,
        unlimited: true,
        as_recorded: false,
        unfilled: false,
        element_bytes: Some(4),
    }
}

fn constant() -> Candidate {
    Candidate {
        mark: Some(Mark::Constant),
        chunked: false,
        unlimited: false,
        ..appendable(9)
    }
}

fn record(format: i64, state: RunState, commit: Option<(u64, u64)>) -> Record {
    Record {
        format,
        state,
        commit: commit.map(|(before, after)| Commit { before, after }),
        planned: None,
        in_place: true,
        run: None,
    }
}

#[track_caller]
fn check(record: Record, candidates: &[Candidate], committed: u64, parts: &[Part]) {
    let run = find_run(Some(&record), candidates);
    assert_eq!((run.committed, &run.parts[..]), (committed, parts));
}

const FINISHED: Record = Record {
    format: 3,
    state: RunState::Finished,
    commit: Some(Commit {
        before: 18,
        after: 20,
    }),
    planned: None,
    in_place: true,
    run: None,
};

const RECORDING: Record = Record {
    state: RunState::Recording,
    ..FINISHED
};

/// The run of number 5, which has two step tensors.
fn numbered(record: Record) -> Record {
    let run = Some(RunNumber {
        number: 5,
        tensors: 2,
    });
    Record { run, ..record }
}

#[test]
fn marks_are_what_was_marked() {
    let step = Mark::step_of(0x7FFF_FFFF, "W");
    assert!(step.value() > 1);
    for mark in [Mark::Constant, Mark::Step, step, Mark::step_of(1, "")] {
        assert_eq!(Mark::from_value(mark.value()), mark);
    }
    for value in [-1, 2, i64::MIN, 0xFFFF_FFFF] {
        assert_eq!(Mark::from_value(value), Mark::Constant);
    }
    assert_eq!(RunNumber::from_values([0, 2]), None);
    assert_eq!(RunNumber::from_values([1 << 31, 2]), None);
}

/// A copy by h5py has the attributes of what it was made of. One with a step less than a killed run took that
/// step from all of it; `recover`, which did not know it, said another number than `inspect`.
#[test]
fn a_copy_of_a_step_tensor_is_none() {
    let copy = |of: &str, steps| Candidate {
        name: format!("{of}_copy"),
        ..named(5, of, steps)
    };
    for record in [numbered(FINISHED), numbered(RECORDING)] {
        for steps in [3, 18, 19, 20, 25] {
            let all = [
                copy("W", steps),
                named(5, "W", 20),
                copy("W", steps),
                named(5, "losses", 20),
                // … of another run, under its own name.
                named(6, "V", steps),
                // … and of one whose tensors have no number.
                marked(steps),
                recorded(steps),
            ];
            let added = Part::Added;
            let parts = [added, LEVEL, added, LEVEL, added, added, added];
            check(record, &all, 20, &parts);
        }
    }
}

#[test]
fn a_renamed_step_tensor_is_still_one() {
    let renamed = |name: &str| Candidate {
        name: name.to_owned(),
        ..named(5, "W", 20)
    };
    let losses = named(5, "losses", 19);
    let all = [renamed("V"), losses.clone()];
    check(numbered(RECORDING), &all, 19, &[CUT_SHORT, LEVEL]);
    // Nothing tells the first of two.
    let all = [renamed("V"), losses, renamed("V_copy")];
    let parts = [CUT_SHORT, LEVEL, Part::Added];
    check(numbered(RECORDING), &all, 19, &parts);
}

#[test]
fn step_tensors_that_are_gone_are_counted() {
    let run = find_run(Some(&numbered(FINISHED)), &[named(5, "W", 20), constant()]);
    assert_eq!((run.committed, run.missing), (20, 1));
    // What is left of another run does not become this one.
    let run = find_run(Some(&numbered(FINISHED)), &[named(6, "W", 20), constant()]);
    assert_eq!((run.committed, run.lost), (0, 20));
    assert_eq!(run.parts, [Part::Added, Part::Constant]);
}

#[test]
fn headers_are_made_in_blocks() {
    for (headers, outside) in [
        (vec![], None),
        (vec![1_000, 5_000, 66_000], Some(66_000)),
        (vec![1_000, 40_000, 66_000, 70_000], None),
        (
            vec![1_000, 60_000, 900_000, 904_000, 990_000],
            Some(990_000),
        ),
        // Large attributes of the root come first.
        (vec![500_000, 505_000], None),
        (vec![500_000, 505_000, 570_000], Some(570_000)),
    ] {
        assert_eq!(first_outside(&headers), outside, "{headers:?}");
    }
}

/// Without numbers in the marks, or without marks, it is where a dataset lies that tells copies, and its number of
/// steps.
#[test]
fn copies_in_files_without_numbers_take_no_steps_from_the_others() {
    let at = |header, candidate: Candidate| Candidate {
        header: Some(header),
        ..candidate
    };
    let mask = |mark| Candidate {
        mark,
        as_recorded: true,
        ..constant()
    };
    for steps in [3, 19, 25] {
        for (copy, mark, format) in [
            (recorded(steps), None, 1),
            (marked(steps), Some(Mark::Constant), 3),
        ] {
            let own = |steps| match format {
                3 => marked(steps),
                _ => recorded(steps),
            };
            for state in [RunState::Recording, RunState::Finished] {
                let of = record(format, state, (format == 3).then_some((19, 20)));
                for place in [4096, 804] {
                    let all = [
                        at(800, own(20)),
                        at(1600, own(20)),
                        at(2400, mask(mark)),
                        at(place, copy.clone()),
                    ];
                    let run = find_run(Some(&of), &all);
                    assert_eq!(run.committed, 20, "{format} {state:?} {steps} {place}");
                    assert_eq!(run.parts[..3], [LEVEL, LEVEL, Part::Constant]);
                    assert_ne!(run.parts[3], LEVEL);
                }
            }
        }
    }
    // Where nothing but the numbers tells, it is what most have of a finished run …
    let finished = record(1, RunState::Finished, None);
    let all = [recorded(20), recorded(20), recorded(10)];
    check(finished, &all, 20, &[LEVEL, LEVEL, Part::Short]);
    let all = [recorded(20), recorded(20), recorded(25)];
    check(finished, &all, 20, &[LEVEL, LEVEL, APPENDED]);
    // … or the planned one, or what both have.
    let planned = |steps| Record {
        planned: Some(steps),
        ..finished
    };
    let two = [recorded(20), recorded(10)];
    check(planned(10), &two, 10, &[APPENDED, LEVEL]);
    check(planned(20), &two, 20, &[LEVEL, Part::Short]);
    check(finished, &two, 10, &[APPENDED, LEVEL]);
    check(planned(30), &two, 10, &[APPENDED, LEVEL]);
    // What most have counts for less, if it is more than was planned.
    let three = [recorded(25), recorded(20), recorded(25)];
    check(planned(20), &three, 20, &[APPENDED, LEVEL, APPENDED]);
}

/// h5repack writes datasets in the order of their names, and h5py in any. Then what was known by its place became a
/// constant, and of a run whose recorder had died within a commit a step too many was shown, and written by
/// `recover`.
#[test]
fn a_file_that_was_written_anew_keeps_its_step_tensors() {
    let at = |header, candidate: Candidate| Candidate {
        header: Some(header),
        ..candidate
    };
    let mask = Candidate {
        as_recorded: true,
        mark: None,
        ..constant()
    };
    for format in [1, 2, 3] {
        let own = |steps| match format {
            3 => marked(steps),
            _ => recorded(steps),
        };
        let mask = Candidate {
            mark: (format == 3).then_some(Mark::Constant),
            ..mask.clone()
        };
        // The second one comes after a constant, far from the first, and at an odd place.
        let all = |ahead: u64| {
            [
                at(800, own(20 + ahead)),
                at(2400, mask.clone()),
                at(900_001, own(20)),
            ]
        };
        let moved = |state, commit| Record {
            in_place: false,
            ..record(format, state, (format == 3).then_some(commit))
        };
        let finished = moved(RunState::Finished, (19, 20));
        check(finished, &all(0), 20, &[LEVEL, Part::Constant, LEVEL]);
        let died = moved(RunState::Recording, (20, 21));
        check(died, &all(0), 20, &[LEVEL, Part::Constant, LEVEL]);
        check(died, &all(1), 20, &[CUT_SHORT, Part::Constant, LEVEL]);
    }
}

/// The values of what a recorder makes lie after the first block, and its step tensors are the first of all.
#[test]
fn a_file_that_was_written_anew_is_known_by_where_things_lie() {
    let at = |header, candidate: Candidate| Candidate {
        header: Some(header),
        ..candidate
    };
    let all = [
        at(800, recorded(20)),
        at(2400, constant()),
        at(1600, recorded(20)),
    ];
    let in_place =
        |all: &[Candidate], first| lies_as_recorded(all, |nth| (nth == 0).then_some(first));
    assert!(in_place(&all, METADATA_BLOCK));
    assert!(!in_place(&all, METADATA_BLOCK - 1));
    let masks_first = [at(800, recorded(20)), at(796, constant())];
    assert!(!in_place(&masks_first, METADATA_BLOCK));
    let aligned = [
        at(METADATA_BLOCK, recorded(20)),
        at(2 * METADATA_BLOCK, constant()),
    ];
    assert!(!in_place(&aligned, 9 * METADATA_BLOCK));
    // Without any chunk nothing is in the block.
    assert!(lies_as_recorded(&all, |_| None));
    assert!(!lies_as_recorded(&[constant()], |_| None));
}

/// A resizable dataset of three values that h5py added to a run of 20 steps cut it to three.
#[test]
fn what_is_not_marked_changes_nothing() {
    let all = [marked(20), appendable(3), constant(), marked(20)];
    check(
        FINISHED,
        &all,
        20,
        &[LEVEL, Part::Added, Part::Constant, LEVEL],
    );
    let in_a_group = Candidate {
        at_root: false,
        ..marked(7)
    };
    check(
        FINISHED,
        &[marked(20), in_a_group],
        20,
        &[LEVEL, Part::Added],
    );
}

/// A mask was the run, and `convert --steps` cut it, when somebody had moved the step tensor into a
/// group.
#[test]
fn a_constant_is_no_step_tensor_whatever_becomes_of_the_others() {
    let moved = Candidate {
        at_root: false,
        ..marked(20)
    };
    let run = find_run(Some(&FINISHED), &[moved, constant()]);
    assert_eq!((run.committed, run.lost), (0, 20));
    assert_eq!(run.parts, [Part::Added, Part::Constant]);
    let run = find_run(Some(&FINISHED), &[constant()]);
    assert_eq!((run.committed, run.lost), (0, 20));
}

/// A file whose step tensors all ended early said nothing about it.
#[test]
fn steps_that_all_tensors_lost_are_counted() {
    let run = find_run(Some(&FINISHED), &[marked(12), marked(12)]);
    assert_eq!((run.committed, run.lost), (12, 8));
    let run = find_run(Some(&RECORDING), &[marked(18), marked(18)]);
    assert_eq!((run.committed, run.lost), (18, 0));
}

/// Another program cut some tensors of a run, and `recover` cut those that had kept more steps, too, as if
/// they were ahead by a commit.
#[test]
fn what_others_cut_is_no_commit_that_was_cut_short() {
    check(RECORDING, &[marked(8), marked(2)], 2, &[APPENDED, LEVEL]);
    check(
        RECORDING,
        &[marked(20), marked(18)],
        18,
        &[CUT_SHORT, LEVEL],
    );
}

#[test]
fn marks_outlive_chunks_and_unlimited_axes() {
    let rewritten = |steps| Candidate {
        chunked: false,
        unlimited: false,
        as_recorded: false,
        ..marked(steps)
    };
    check(
        FINISHED,
        &[rewritten(20), constant()],
        20,
        &[LEVEL, Part::Constant],
    );
}

#[test]
fn a_commit_is_cut_short_only_within_what_the_file_says_of_it() {
    check(
        RECORDING,
        &[marked(20), marked(18)],
        18,
        &[CUT_SHORT, LEVEL],
    );
    check(RECORDING, &[marked(25), marked(18)], 18, &[APPENDED, LEVEL]);
    check(RECORDING, &[marked(25), marked(20)], 20, &[APPENDED, LEVEL]);
    check(FINISHED, &[marked(25), marked(20)], 20, &[APPENDED, LEVEL]);
    check(FINISHED, &[marked(21), marked(20)], 20, &[APPENDED, LEVEL]);
}

#[test]
fn steps_that_all_tensors_got_count() {
    let run = find_run(Some(&FINISHED), &[marked(25), marked(25)]);
    assert_eq!((run.committed, run.appended), (25, 5));
    let run = find_run(Some(&FINISHED), &[marked(25), marked(23)]);
    assert_eq!((run.committed, run.appended), (23, 3));
}

/// A step tensor of another run, copied into the file, would take the committed steps back.
#[test]
fn a_marked_tensor_that_lacks_steps_takes_none_from_the_others() {
    check(
        FINISHED,
        &[marked(20), marked(10)],
        20,
        &[LEVEL, Part::Short],
    );
    check(
        RECORDING,
        &[marked(19), marked(10)],
        19,
        &[LEVEL, Part::Short],
    );
    // Where all lack some, they were cut.
    check(FINISHED, &[marked(12), marked(10)], 10, &[APPENDED, LEVEL]);
}

#[test]
fn files_without_marks_go_by_how_the_recorder_made_them() {
    for format in [1, 2] {
        let finished = record(format, RunState::Finished, None);
        let all = [recorded(20), appendable(3), appendable(0)];
        check(finished, &all, 20, &[LEVEL, Part::Added, Part::Added]);
        let died = record(format, RunState::Recording, None);
        check(died, &[recorded(20), recorded(19)], 19, &[CUT_SHORT, LEVEL]);
        // More than one step may be what somebody appended, and is left where it is.
        let five = [recorded(16), recorded(11)];
        check(died, &five, 11, &[APPENDED, LEVEL]);
        let three = [recorded(22), recorded(20), recorded(19)];
        check(died, &three, 19, &[APPENDED, APPENDED, LEVEL]);
    }
}

/// `h5repack -l CONTI` takes all that tells step tensors apart from a file of an earlier version, and what writes
/// attributes anew takes the marks. Such a file, whose recorder had died within a commit, showed a step that it had
/// not committed.
#[test]
fn where_nothing_tells_step_tensors_no_step_is_shown_that_may_not_be_committed() {
    let conti = |steps| Candidate {
        chunked: false,
        unlimited: false,
        as_recorded: false,
        ..recorded(steps)
    };
    let all = [conti(20), conti(19), conti(3)];
    let parts = [CUT_SHORT, LEVEL, Part::Constant];
    let died = record(2, RunState::Recording, None);
    check(died, &all, 19, &parts);
    // The largest can be one that is behind.
    let large = |steps| Candidate {
        shape: vec![steps, 400],
        ..conti(0)
    };
    let of_four = [conti(20), conti(19), large(19), conti(18)];
    check(
        died,
        &of_four,
        19,
        &[CUT_SHORT, LEVEL, LEVEL, Part::Constant],
    );
    let finished = record(2, RunState::Finished, None);
    check(finished, &all, 20, &[LEVEL, Part::Constant, Part::Constant]);
    // The file says what its last commit was.
    check(RECORDING, &[conti(20), conti(18), conti(17)], 18, &parts);
    check(
        RECORDING,
        &[conti(20), conti(17)],
        20,
        &[LEVEL, Part::Constant],
    );
    check(RECORDING, &[conti(17), conti(16)], 16, &[CUT_SHORT, LEVEL]);
    // … and a finished one how many steps it has, also if a constant is the largest.
    check(
        FINISHED,
        &[large(9_000), conti(20)],
        20,
        &[Part::Constant, LEVEL],
    );
}

#[test]
fn files_that_lost_their_marks_go_by_the_largest_tensor() {
    let text = Candidate {
        element_bytes: None,
        ..appendable(20)
    };
    let all = [appendable(20), text, appendable(3), appendable(20)];
    let parts = [LEVEL, Part::Constant, Part::Constant, LEVEL];
    check(FINISHED, &all, 20, &parts);
    check(record(1, RunState::Finished, None), &all, 20, &parts);
}

#[test]
fn the_steps_of_foreign_tensors_are_those_of_the_largest() {
    let shapes: [(&[u64], u64); 4] = [(&[3], 9_000), (&[6, 2], 24), (&[4, 2], 24), (&[], 8)];
    assert_eq!(common_steps(shapes), Some(6));
    assert_eq!(common_steps([(&[3_u64][..], 12), (&[5], 20)]), Some(5));
    assert_eq!(common_steps([(&[0_u64, 3][..], 0), (&[], 8)]), None);
}

/// A constant that h5py copied into a file of its own, with the step tensors of the run, became a step tensor there if it
/// was as long.
#[test]
fn marks_of_copies_tell_constants_from_step_tensors() {
    let order = Candidate {
        shape: vec![6],
        ..constant()
    };
    let long = Candidate {
        shape: vec![900, 70],
        ..constant()
    };
    let scalar = Candidate {
        shape: Vec::new(),
        ..named(5, "loss", 6)
    };
    let all = [named(5, "W", 6), order, long, marked(3), scalar];
    let mut all = all.to_vec();
    all.extend([appendable(6), appendable(900)]);
    let run = find_run(None, &all);
    let [step, constant] = [LEVEL, Part::Constant];
    let parts = [step, constant, constant, constant, constant, step, constant];
    assert_eq!((run.committed, &run.parts[..]), (6, &parts[..]));
    let guessed: Vec<usize> = (0..all.len()).filter(|&nth| run.guessed[nth]).collect();
    assert_eq!(guessed, [5]);
    // Where no step tensor is left, the constants are none all the same.
    let run = find_run(None, &all[1..3]);
    assert_eq!((run.committed, &run.parts[..]), (0, &parts[1..3]));
}
