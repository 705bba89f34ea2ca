//! Widths, pipes and colours.

use std::process::Stdio;

use crate::common::{Place, finish, finished};
use selvedge_safetensors::Save;

const LONG: &str = "model.layers.10.attention.query_projection.weight_of_a_very_long_name.bias";

fn wide(place: &Place) {
    let values = [1.0_f32; 6];
    let mut save = Save::new(place.path("wide.safetensors"));
    for n in 0..40 {
        save = save.tensor(format!("{LONG}_{n}"), [1, 2, 3], &values);
    }
    save.write().unwrap();
}

/// The longest line that is no line of Python, in columns.
fn widest(text: &str) -> usize {
    let (text, _) = text.split_once("to read it in Python").unwrap();
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn nothing_is_wider_than_the_page() {
    let place = Place::new();
    wide(&place);
    finished(&place.path("thimble_1.h5"));
    for columns in [60, 80, 100] {
        for name in ["wide.safetensors", "thimble_1.h5"] {
            let mut command = place.command(&["inspect", name]);
            command.env("COLUMNS", columns.to_string());
            let run = finish(command.output().unwrap());
            assert!(widest(&run.stdout) <= columns, "{columns}:\n{}", run.stdout);
        }
    }
    // Statistics are made for 80 columns.
    let text = place.print(&["inspect", "--stats", "wide.safetensors"]);
    assert!(widest(&text) <= 80, "{text}");
}

/// Drawing came to no end, or the memory did.
#[test]
fn a_page_is_no_wider_than_any_screen() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    for line in ["view --term a.h5", "inspect a.h5", "show a.h5 W"] {
        let mut command = place.command(&line.split(' ').collect::<Vec<_>>());
        command.env("COLUMNS", "999999999");
        let run = finish(command.output().unwrap());
        assert_eq!(run.code, 0, "{line}: {}", run.stderr);
        let widest = run.stdout.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(10_000), "{line}: {widest:?}");
    }
}

/// Notes of what is not kept, plans with long names and the pages of rules ran over the edge.
#[test]
fn what_was_done_is_no_wider_than_the_page() {
    let place = Place::new();
    let make = "import sys, h5py, numpy as np\n\
        with h5py.File(sys.argv[1], 'w') as f:\n    \
        f.create_dataset('层' * 40, data=np.zeros((5, 3), 'f4'), chunks=(1, 3))\n    \
        f['a text'] = 'words'; f['records'] = np.zeros(3, [('a', 'f4'), ('b', 'i4')])\n    \
        f['x' * 90] = np.zeros((5, 2), 'f4')";
    selvedge_testing::python::on_file(make, &place.path("a.h5"));
    finished(&place.path("b.h5"));
    for line in [
        "convert a.h5 c.safetensors --skip-unsupported --overwrite",
        "rechunk a.h5 c.h5 --skip-unsupported --overwrite",
        "rechunk a.h5 d.h5 --skip-unsupported --dry-run",
        "references a.h5 --skip-unsupported",
        "recover b.h5 --dry-run",
        "verify a.h5 b.h5",
        "rules",
        "rules TRJ",
        "plan --steps 6001 --tensor model.layers.0.attention.query.weight:bf16:10000x64",
    ] {
        for columns in [50, 80] {
            let mut command = place.command(&line.split(' ').collect::<Vec<_>>());
            let run = finish(
                command
                    .env("COLUMNS", columns.to_string())
                    .output()
                    .unwrap(),
            );
            assert!(run.code < 2, "{line}: {}", run.stderr);
            let mut is_code = false;
            for line_of in run.stdout.lines() {
                is_code ^= line_of.starts_with("```");
                // The characters of the long name are two columns wide.
                let wide = line_of
                    .chars()
                    .map(|c| 1 + usize::from(c == '层'))
                    .sum::<usize>();
                assert!(
                    is_code || wide <= columns,
                    "{line} at {columns}: {}",
                    run.stdout
                );
            }
        }
    }
}

#[test]
fn in_a_pipe_names_are_whole() {
    let place = Place::new();
    wide(&place);
    let mut command = place.command(&["inspect", "wide.safetensors"]);
    let run = finish(command.env_remove("COLUMNS").output().unwrap());
    assert!(
        run.stdout.contains(&format!("  {LONG}_39  float32")),
        "{}",
        run.stdout
    );
}

#[test]
fn colours_only_where_they_are_wanted() {
    let place = Place::new();
    finished(&place.path("thimble_1.h5"));
    assert!(!place.print(&["inspect", "thimble_1.h5"]).contains('\u{1b}'));
    let always = ["--color", "always", "inspect", "thimble_1.h5"];
    assert!(
        place
            .print(&always)
            .contains("\u{1b}[1mthimble_1.h5\u{1b}[0m")
    );
    let mut forced = place.command(&["inspect", "thimble_1.h5"]);
    let run = finish(forced.env("CLICOLOR_FORCE", "1").output().unwrap());
    assert!(run.stdout.contains('\u{1b}'));
}

/// `selvedge inspect … | head -1`: Rust's `println!` would panic.
#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let place = Place::new();
    wide(&place);
    for args in [
        &["inspect", "wide.safetensors"][..],
        &["inspect", "--json", "wide.safetensors"],
        &["completions", "zsh"],
        &["man"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = place.command(args);
        let child = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The command has its own copy of the writing end.
        drop(command);
        let run = finish(child.wait_with_output().unwrap());
        assert_eq!((run.code, &*run.stderr), (0, ""), "{args:?}");
    }
}
