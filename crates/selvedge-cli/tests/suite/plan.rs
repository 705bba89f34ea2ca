//! `selvedge plan`.

use crate::common::{Place, masked};
use insta::assert_snapshot;

const W: &str = "W:bf16:10000x64";

#[test]
fn the_run_of_the_readme() {
    let place = Place::new();
    let args = [
        "plan",
        "--steps",
        "60",
        "--tensor",
        W,
        "--tensor",
        "loss:f32:",
    ];
    assert_snapshot!("the_run_at_80_columns", masked(&place.print(&args)));
    let mut command = place.command(&args);
    command.env("COLUMNS", "120");
    let run = crate::common::finish(command.output().unwrap());
    assert_snapshot!("the_run_at_120_columns", masked(&run.stdout));
}

#[test]
fn what_is_read_decides_the_chunks() {
    let place = Place::new();
    for (read, expected) in [
        ("whole", "1 chunk (60, 10000, 64)"),
        ("steps", "60 chunks (1, 10000, 64)"),
        ("tokens", "20 chunks (60, 500, 64)"),
    ] {
        let text = place.print(&["plan", "--steps", "60", "-t", W, "--read", read]);
        assert!(text.contains(expected), "{read}: {text}");
    }
    let open = place.print(&["plan", "-t", W, "--constant", "mask:bool:10000"]);
    assert!(open.contains("an open number of steps"), "{open}");
    assert!(open.contains("constants: 10.00 kB"), "{open}");
}

#[test]
fn compression_decides_the_chunks_and_takes_memory() {
    let place = Place::new();
    let args = ["plan", "--steps", "60", "-t", W, "-t", "loss:f32:"];
    let args = [&args[..], &["--compression", "fast"]].concat();
    let text = place.print(&args);
    for expected in [
        "60 chunks (1, 10000, 64) of 1.28 MB before compression\n",
        "1 chunk (60,) of 240 B\n",
        "disk: at most 76.80 MB",
        " encoding thread",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let json = place.print(&[&args[..], &["--json"]].concat());
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["compression"], "fast");
    assert!(plan["encoding"]["bytes"].as_u64() > Some(1_280_000));
    let compressed = |nth: usize| plan["tensors"][nth]["compressed"].as_bool();
    assert_eq!((compressed(0), compressed(1)), (Some(true), Some(false)));
}

#[test]
fn json_has_the_same() {
    let place = Place::new();
    let json = place.print(&[
        "plan",
        "--steps",
        "60",
        "-t",
        W,
        "--chunk-target",
        "20MB",
        "--json",
    ]);
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&plan["steps"], &plan["fits"]), (&60.into(), &true.into()));
    let w = &plan["tensors"][0];
    assert_eq!(w["chunk_shape"], serde_json::json!([15, 10_000, 64]));
    assert_eq!((&w["chunks"], &w["tail_steps"]), (&4.into(), &0.into()));
    assert!(plan["free_bytes"].is_u64());
}

#[test]
fn a_run_that_does_not_fit_is_a_no() {
    let place = Place::new();
    let run = place.run(&["plan", "--steps", "900000000", "-t", W]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.starts_with("900,000,000 steps of 1.28 MB"),
        "{}",
        run.stdout
    );
    assert!(
        run.stderr
            .starts_with("error: the file needs 1.15 PB on the disk of ."),
        "{}",
        run.stderr
    );
    let run = place.run(&["plan", "--steps", "6", "-t", W, "--memory", "2MB"]);
    assert_eq!((run.code, &*run.stdout), (1, ""));
    assert!(
        run.stderr.contains("more than the budget of 2.00 MB"),
        "{}",
        run.stderr
    );
}

#[test]
fn mistakes_are_answered_with_the_form_expected() {
    let place = Place::new();
    let mut all = String::new();
    for args in [
        &["-t", "W"][..],
        &["-t", "loss:f32"],
        &["-t", "W:bf61:3"],
        &["-t", "W:bf16:10000*64"],
        &["-t", W, "--chunk-target", "2XB"],
        &["-t", W, "--steps", "0"],
        &["-t", W, "--read", "hole"],
        &["-t", W, "-t", W],
        &["-t", "a/b:f32:"],
    ] {
        let run = place.run(&[&["plan"], args].concat());
        assert_eq!((run.code, &*run.stdout), (2, ""), "{args:?}");
        let usage = run.stderr.find("\n\nFor more information");
        all.push_str(run.stderr[..usage.unwrap_or(run.stderr.len())].trim_end());
        all.push('\n');
    }
    assert_snapshot!(all);
}

/// The chunks of each of four equal tensors were replaced four times, with an empty line for each.
#[test]
fn tensors_of_one_shape_have_their_chunks_once() {
    let names = ["W", "grad_W", "momentum_W", "variance_W"];
    let tensors = names.map(|name| format!("{name}:bf16:10000x64"));
    let tensors = tensors.iter().flat_map(|tensor| ["-t", tensor]);
    let args: Vec<&str> = ["plan", "--steps", "6,001"]
        .into_iter()
        .chain(tensors)
        .collect();
    let plan = Place::new().run(&args).stdout;
    assert!(plan.starts_with("6,001 steps"), "{plan}");
    assert_eq!(
        plan.matches("\n    4 chunks (1501, 10000, 64)").count(),
        4,
        "{plan}"
    );
    for line in plan.lines() {
        assert!(!line.is_empty() && line.len() <= 80, "{plan}");
    }
}
