//! The program as a whole: help, version, completions, manual pages.

use std::fs;

use crate::common::{Place, unwrapped};
use insta::assert_snapshot;
use selvedge_testing::python;

/// All commands, as the help of the program lists them.
fn commands() -> Vec<String> {
    let help = Place::new().print(&["--help"]);
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let lines = list.lines().take_while(|line| !line.is_empty());
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    named
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn help_tells_commands_examples_and_exit_codes() {
    let place = Place::new();
    assert_snapshot!(place.print(&["--help"]));
    assert!(commands().len() > 15);
    for command in &commands() {
        let help = place.print(&[command, "--help"]);
        assert!(help.contains("Examples:\n  selvedge "), "{command}: {help}");
    }
}

/// Examples of two commands were longer than 80 columns. All fits those, and of 50 columns all but examples, which are
/// copied as they are, and the usage, which the parser never breaks; no word is cut.
#[test]
fn help_fits_the_terminal() {
    let place = Place::new();
    let help = |command: &[&str], flag: &str, columns: &str| {
        let mut run = place.command(&[command, &[flag]].concat());
        let run = crate::common::finish(run.env("COLUMNS", columns).output().unwrap());
        assert_eq!((run.code, &*run.stderr), (0, ""), "{command:?}");
        run.stdout
    };
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let commands = commands();
    let each = commands.iter().map(|command| vec![command.as_str()]);
    for command in each.chain([Vec::new()]) {
        for flag in ["--help", "-h"] {
            let whole = help(&command, flag, "100");
            for (columns, width) in [("80", 80), ("50", 50)] {
                let text = help(&command, flag, columns);
                assert_eq!(words(&text), words(&whole), "{command:?} at {columns}");
                let mut is_after = false;
                for line in text.lines() {
                    is_after |= line == "Examples:";
                    let is_whole =
                        (is_after && line.starts_with("  ")) || line.starts_with("Usage:");
                    let length = line.chars().count();
                    assert!(
                        length <= width || (width == 50 && is_whole && length <= 80),
                        "{command:?} at {columns}: {line}"
                    );
                }
            }
        }
    }
}

/// An example was cut between `>` and its file, and each second line of a text had a few words: it was
/// wrapped at 100 columns in the source, and at 80 for the terminal.
#[test]
fn help_is_wrapped_once_and_its_examples_can_be_copied() {
    let place = Place::new();
    for command in &commands() {
        let help = place.print(&[command, "--help"]);
        let (_, after) = help.split_once("Examples:\n").unwrap();
        let lines: Vec<&str> = after.lines().collect();
        for pair in lines.windows(2) {
            let text = |line: &str| !line.is_empty() && !line.starts_with(' ');
            let word = pair[1].split(' ').next().unwrap_or_default();
            let fits = pair[0].len() + 1 + word.len() <= 80;
            assert!(
                !(text(pair[0]) && text(pair[1]) && fits),
                "{command}: {pair:?}"
            );
            // What is too long for a line goes on after a backslash.
            let is_command =
                |line: &str| line.starts_with("  selvedge") || line.starts_with("  mkdir -p ");
            let goes_on = pair[0].starts_with("  selvedge") && !is_command(pair[1]);
            let whole = pair[1].is_empty() || pair[0].ends_with('\\');
            assert!(!goes_on || whole, "{command}: {pair:?}");
        }
        // What is indented is not broken, whatever the width.
        let indented = |help: &str| {
            let (_, after) = help.split_once("Examples:\n").unwrap();
            let lines = after.lines().filter(|line| line.starts_with("  "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let mut narrow = place.command(&[command, "--help"]);
        let narrow = crate::common::finish(narrow.env("COLUMNS", "50").output().unwrap()).stdout;
        assert_eq!(indented(&narrow), indented(&help), "{command}");
    }
}

#[test]
fn the_version_is_that_of_the_crate() {
    let version = format!("selvedge {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Place::new().print(&["--version"]), version);
}

#[test]
fn a_wrong_command_is_answered_with_the_nearest() {
    let run = Place::new().run(&["inspekt"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr
            .contains("a similar subcommand exists: 'inspect'"),
        "{}",
        run.stderr
    );
    assert_eq!(Place::new().run(&[]).code, 2);
    // What it is called elsewhere, and the name of a file.
    let place = Place::new();
    fs::write(place.path("a.h5"), "").unwrap();
    let wrong = place.run(&["show", "a.h5", "-n", "3"]).stderr;
    assert!(wrong.contains("'-n'") && !wrong.contains("tip"), "{wrong}");
    for command in &commands() {
        let run = place.run(&[command]);
        let is_told = run
            .stderr
            .contains(&format!("tip: for example, 'selvedge {command} "));
        assert!(
            is_told || !run.stderr.contains("required"),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains('\\'), "{}", run.stderr);
    }
    for (args, tip) in [
        (
            &["diff", "a.h5", "b.h5"][..],
            "tip: 'selvedge inspect --diff A B'",
        ),
        (
            &["help", "show"],
            "tip: 'selvedge --help' lists the commands",
        ),
        (&["a.h5"], "tip: 'selvedge inspect a.h5'"),
        (
            &["view", "a.h5", "-30.."],
            "tip: indices follow their flag: --steps -500..",
        ),
    ] {
        let run = place.run(args);
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.stderr.contains(tip), "{}", run.stderr);
    }
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Place::new().print(&["completions", shell]);
        let flags = ["assume-bf16", "chunk-target", "dry-run"].map(str::to_owned);
        for word in commands().iter().chain(&flags) {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new();
    assert!(place.print(&["man"]).contains(".TH selvedge 1"));
    assert_eq!(
        place.print(&["man", "--out", "share/man1", "--parents"]),
        ""
    );
    place.print(&["man", "--out", "share/man1"]);
    let page = |name: &str| fs::read_to_string(place.path(&format!("share/man1/{name}.1")));
    assert!(page("selvedge").unwrap().contains("Exit codes:"));
    for command in &commands() {
        let page = page(&format!("selvedge-{command}")).unwrap();
        assert!(page.contains("Examples:"), "{command}");
    }
}

/// What writes a file does not make a folder of a mistyped name, and says what makes one.
#[test]
fn folders_are_made_only_when_asked_for() {
    let place = Place::new();
    crate::common::finished(&place.path("a.h5"));
    for args in [
        &["convert", "a.h5", "tesnors/deep/a.safetensors"][..],
        &["rechunk", "a.h5", "tesnors/a.h5"],
        &["show", "a.h5", "W", "-o", "tesnors/W.npy"],
        &["references", "a.h5", "-o", "tesnors/a.json"],
        &["join", "a.h5", "-o", "tesnors/view.h5"],
        &["report", "a.h5", "-o", "tesnors/page.html"],
        &["man", "--out", "tesnors/man1"],
        &["check", "--output", "tesnors/findings", "a.h5"],
    ] {
        let run = place.run(args);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{args:?}");
        assert!(
            run.stderr.contains("there is no folder tesnors"),
            "{}",
            run.stderr
        );
        let is_told = args[0] == "check" || run.stderr.contains("--parents");
        assert!(is_told, "{}", run.stderr);
        assert!(!place.path("tesnors").exists(), "{args:?}");
    }
    place.print(&["rechunk", "a.h5", "new/deep/a.h5", "--parents"]);
    assert!(place.path("new/deep/a.h5").exists());
    let unused = place.run(&["show", "a.h5", "W", "--parents"]);
    assert!(
        unused.stderr.contains("--parents is for -o"),
        "{}",
        unused.stderr
    );
    for command in ["recover", "join", "references", "checksum"] {
        let gone = place.run(&[command, "b.h5"]);
        assert_eq!(gone.code, 2, "{command}");
        let told = "error: there is no b.h5";
        assert!(gone.stderr.starts_with(told), "{}", gone.stderr);
    }
    let gone = place.run(&["clean", "gone"]);
    assert_eq!((gone.code, &*gone.stdout), (2, ""));
    assert!(gone.stderr.contains("there is no gone"), "{}", gone.stderr);
}

/// What changes or makes a file says what it did to a program, too.
#[test]
fn what_is_done_is_told_as_json() {
    let place = Place::new();
    crate::common::finished(&place.path("a.h5"));
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&place.print(&[args, &["--json"]].concat())).unwrap()
    };
    let planned = json(&["rechunk", "a.h5", "b.h5", "--dry-run"]);
    assert!(planned["made"].is_null() && !place.path("b.h5").exists());
    let made = json(&["rechunk", "a.h5", "b.h5"]);
    assert_eq!(made["tensors"], planned["tensors"]);
    assert_eq!(
        (&made["steps"], &made["made"]["verified_bytes"]),
        (&7.into(), &370.into())
    );
    let converted = json(&["convert", "a.h5", "c.safetensors"]);
    assert_eq!(
        (&converted["tensors"], &converted["bytes"]),
        (&3.into(), &370.into())
    );
    let recovered = json(&["recover", "a.h5"]);
    assert_eq!(
        (&recovered["changed"], &recovered["state"]),
        (&false.into(), &"finished".into())
    );
    assert_eq!(json(&["checksum", "a.h5"])["complete"], true);
}

/// `rechunk IN o.npy` wrote HDF5, and `show -o x.json` a table.
#[test]
fn an_ending_that_tells_another_format_is_refused() {
    let place = Place::new();
    crate::common::finished(&place.path("a.h5"));
    for (args, told) in [
        (
            &["rechunk", "a.h5", "o.NPY"][..],
            "o.NPY ends in .npy, and `selvedge rechunk` writes HDF5; end it in .h5, or take `selvedge convert`",
        ),
        (&["rechunk", "a.h5", "o.csv"], "or take `selvedge show -o`"),
        (&["join", "a.h5", "-o", "o.npz"], "end it in .h5"),
        (
            &["show", "a.h5", "W", "-o", "o.json"],
            "end it in .txt, .csv or .npy",
        ),
        (
            &["show", "a.h5", "W", "-o", "o.safetensors"],
            "or take `selvedge convert`",
        ),
        (
            &["show", "a.h5", "W", "--format", "csv", "-o", "o.npy"],
            "o.npy ends in .npy, and csv is written",
        ),
        (
            &["convert", "a.h5", "o.h5", "--to", "npy"],
            "--to writes .npy",
        ),
        (
            &["convert", "a.h5", "o.csv"],
            "end it in .h5, .safetensors or .npy, or take `selvedge show -o`",
        ),
        (&["report", "a.h5", "-o", "o.json"], "end it in .html"),
        (
            &["references", "a.h5", "-o", "o.parquet"],
            "end it in .json",
        ),
        (&["check", "--output", "o.sarif"], "o.sarif ends in .sarif"),
    ] {
        let run = place.run(args);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{args:?}");
        assert!(run.stderr.contains(told), "{args:?}: {}", run.stderr);
    }
    let left = fs::read_dir(place.path("")).unwrap().count();
    assert_eq!(left, 1, "nothing was written");
    for (args, said) in [
        (
            &["show", "a.h5", "W", "-o", "o.CSV"][..],
            "o.CSV: 168 values, ",
        ),
        (
            &["show", "a.h5", "W", "-o", "o.dat", "--format", "text"],
            "o.dat: 168 values, ",
        ),
        (
            &["convert", "a.h5", "o.bin", "-t", "W", "--to", "npy"],
            "o.bin: 1 tensor",
        ),
        (&["rechunk", "a.h5", "o"], "disk: "),
    ] {
        let run = place.run(args);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.stdout.contains(said), "{}", run.stdout);
    }
    assert!(
        fs::read_to_string(place.path("o.CSV"))
            .unwrap()
            .starts_with("step,row,")
    );
}

/// The system ended the program without a word, and what it had begun stayed.
#[test]
fn a_limit_of_files_is_told() {
    let place = Place::new();
    crate::common::finished(&place.path("a.h5"));
    for line in [
        "report a.h5",
        "show a.h5 W --all -o W.txt",
        "convert a.h5 b.h5",
    ] {
        let mut limited = std::process::Command::new("sh");
        limited
            .args(["-c", "ulimit -f 1; exec \"$0\" $1"])
            .args([env!("CARGO_BIN_EXE_selvedge"), line])
            .current_dir(place.path(""));
        let run = crate::common::finish(limited.output().unwrap());
        assert_eq!(run.code, 2, "{line}: {}", run.stderr);
        assert!(run.stderr.contains("ulimit -f"), "{line}: {}", run.stderr);
        let left = fs::read_dir(place.path("")).unwrap();
        assert_eq!(left.count(), 1, "{line}");
    }
}

/// Each of these was a dead end: the message said what is wrong, or not even that, and nothing of what to do.
#[test]
fn what_is_mistyped_is_told_what_to_do() {
    let place = Place::new();
    let make = "import sys, h5py, numpy as np\n\
        with h5py.File(sys.argv[1], 'w') as f: f['W'] = np.zeros((4, 3, 2), 'u2')\n\
        import zipfile; zipfile.ZipFile(sys.argv[1][:-4] + 'torch.pt', 'w').writestr('model/data.pkl', b'')";
    python::on_file(make, &place.path("a.h5"));
    fs::write(place.path("empty.h5"), "").unwrap();
    for (line, told) in [
        ("show W a.h5", "`selvedge show a.h5 W`"),
        ("inspect -", "standard input is not read"),
        ("inspect /dev/null", "save what it gives as one"),
        ("show a.h5 W -o -", "leave -o out, which prints values"),
        ("report a.h5 -o -", "name one\n"),
        ("report a.h5 -o /dev/stdout", "name one\n"),
        ("show a.h5 W -o x.csv.gz", "end it in .txt, .csv or .npy"),
        ("show a.h5 W -o x.log", "or say with --format what it is"),
        ("show a.h5 W --format csv -o x.csv.gz", "end it in .csv"),
        ("show a.h5 W --steps -3..last", "-3.. are the last three"),
        (
            "show a.h5 W --steps last..0",
            "in a range the last one is -1, and its end",
        ),
        ("convert a.h5 - --to npy", "no name for a file"),
        ("report .", ". is a folder"),
        ("rechunk empty.h5 b.h5", "empty.h5 is empty"),
        ("recover empty.h5", "empty.h5 is empty"),
        ("plan a.h5", "'selvedge inspect a.h5'"),
        ("plan W:bf16:10x64", "--tensor W:bf16:10x64"),
        ("convert a.h5 b.npy --assume-bf16", "--assume-bf16 W"),
        ("convert --assume-bf16 a.h5 b.npy", "--assume-bf16 W"),
        ("show a.h5 W --steps 9..", "it has 4 of them"),
        ("inspect torch.pt", "safetensors.torch.save_file"),
        ("report torch.pt", "safetensors.torch.save_file"),
        ("rechunk torch.pt b.h5", "safetensors.torch.save_file"),
        (
            "convert a.h5 /dev/null --to npy --overwrite",
            "no name for a",
        ),
    ] {
        let run = place.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(run.code, 2, "{line}");
        assert!(run.stderr.contains(told), "{line}: {}", run.stderr);
    }
    assert!(!place.path("-").exists());
    // The values of unmarked bfloat16 were drawn as whole numbers, without a word.
    let told = "W is uint16 and taken for whole numbers; if these are the bits of bfloat16, pass --assume-bf16";
    for line in ["report a.h5", "view --term a.h5"] {
        let args: Vec<&str> = line.split(' ').collect();
        assert!(unwrapped(&place.print(&args)).contains(told), "{line}");
        let args = [&args[..], &["--assume-bf16", "--overwrite"]].concat();
        let assumed = place.run(&args[..args.len() - usize::from(line.starts_with("view"))]);
        assert!(
            assumed.code == 0 && !assumed.stdout.contains("uint16"),
            "{}",
            assumed.stdout
        );
    }
    // Nothing said which flag makes the two comparable.
    place.print(&["rechunk", "a.h5", "bf16.h5", "--assume-bf16", "W"]);
    let differ = place.run(&["verify", "a.h5", "bf16.h5"]);
    assert!(
        differ.code == 1 && differ.stdout.contains("--assume-bf16 takes uint16"),
        "{}",
        differ.stdout
    );
    place.print(&["verify", "a.h5", "bf16.h5", "--assume-bf16"]);
    if cfg!(target_os = "linux") {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut show = place.command(&["show", "a.h5", "W"]);
        let run = crate::common::finish(show.stdout(full).output().unwrap());
        assert!(
            run.code == 2 && run.stderr.contains("; free some space"),
            "{}",
            run.stderr
        );
    }
    // Of two files a note says which is meant.
    fs::copy(place.path("a.h5"), place.path("b.h5")).unwrap();
    let two = place.print(&["report", "a.h5", "b.h5", "-o", "two.html"]);
    for told in ["a.h5: W is uint16", "b.h5: W is uint16"] {
        assert!(two.contains(told), "{two}");
    }
}
