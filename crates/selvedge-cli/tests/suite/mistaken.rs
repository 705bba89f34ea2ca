//! What a new user mistakes: each was answered by a message that did not lead on, or that led wrong.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::common::{Place, finish, finished, unwrapped};
use selvedge_testing::python;

/// Runs a line of words, which must fail, and returns what it says.
fn refused(place: &Place, line: &str) -> String {
    let run = place.run(&line.split(' ').collect::<Vec<_>>());
    assert_eq!((run.code, &*run.stdout), (2, ""), "{line}: {}", run.stderr);
    run.stderr
}

/// `report a.h5 --steps first` said that there is no `first`.
#[test]
fn what_follows_a_flag_and_is_no_index_is_told_what_indices_are() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    for command in ["report", "view --term"] {
        for word in ["first", "6,001", "0:10", "all", "1e3"] {
            let said = refused(&place, &format!("{command} a.h5 --steps {word}"));
            let expected = "error: --steps: expected indices such as 7, -1, last, 0..100";
            assert!(said.starts_with(expected), "{said}");
            let file = format!("; and as a file: there is no {word}\n");
            assert!(said.ends_with(&file), "{said}");
        }
        // Without other files it was probably to be one.
        let said = refused(&place, &format!("{command} --steps b.h5"));
        let expected =
            "error: there is no b.h5; did you mean a.h5?; as indices of --steps: expected indices";
        assert!(said.starts_with(expected), "{said}");
    }
    place.print(&["report", "--steps", "a.h5", "-o", "page.html"]);
    place.print(&["report", "a.h5", "--steps", "3..", "-o", "three.html"]);
}

/// The own name of a link that leads nowhere was offered: `there is no a.h5; did you mean a.h5?`
#[test]
fn a_link_that_leads_nowhere_is_told_as_one() {
    let place = Place::new();
    symlink("/gone/run.h5", place.path("a.h5")).unwrap();
    let expected = "error: a.h5 is a link to /gone/run.h5, which is not there; name the file itself, or make the link anew\n";
    for line in [
        "inspect a.h5",
        "show a.h5 W",
        "report a.h5",
        "verify a.h5",
        "rechunk a.h5 b.h5",
        "recover a.h5",
        "checksum a.h5",
        "join a.h5",
        "references a.h5",
        "convert a.h5 b.safetensors",
    ] {
        assert_eq!(refused(&place, line), expected, "{line}");
    }
}

/// A new file named without its flag, and a tensor among the files.
#[test]
fn what_a_missing_file_was_meant_for_is_told() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    finished(&place.path("x1.html"));
    for (line, told) in [
        (
            "report a.h5 x7.html",
            "error: there is no x7.html; `-o x7.html` writes the page into it\n",
        ),
        (
            "references a.h5 a.json",
            "error: there is no a.json; `-o a.json` writes the references into it\n",
        ),
        (
            "join a.h5 run.h5",
            "error: there is no run.h5; `-o run.h5` writes the view into it\n",
        ),
        (
            "view --term a.h5 losses",
            "error: there is no losses, which is a tensor of a.h5; --tensor losses takes it\n",
        ),
        (
            "report a.h5 W",
            "error: there is no W, which is a tensor of a.h5; --tensor W takes it\n",
        ),
        (
            "verify a.h5 W",
            "error: there is no W, which is a tensor of a.h5; --tensor W takes it\n",
        ),
        (
            "inspect --diff a.h5 W",
            "error: there is no W, which is a tensor of a.h5; --tensor W takes it\n",
        ),
        // What is read as well may be mistyped, and so may the first of them.
        (
            "join a.h5 a1.h5",
            "error: there is no a1.h5; did you mean a.h5?\n",
        ),
        ("join zzz.h5 a.h5", "error: there is no zzz.h5\n"),
        // The page has its name already.
        (
            "report a.h5 x7.html -o y.html",
            "error: there is no x7.html; did you mean x1.html?\n",
        ),
    ] {
        assert_eq!(refused(&place, line), told, "{line}");
    }
    let run = place.run(&["inspect", "a.h5", "losses"]);
    let told = "error: there is no losses, which is a tensor of a.h5; --tensor losses takes it\n";
    assert_eq!((run.code, &*run.stderr), (2, told));
    let left: Vec<_> = fs::read_dir(place.path("")).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing was written: {left:?}");
}

/// `unexpected argument 'X' found`, and two empty lines where a tip would stand.
#[test]
fn an_argument_that_is_not_expected_has_a_tip() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    finished(&place.path("my run.h5"));
    finished(&place.path("-x.h5"));
    for (line, told) in [
        (
            "convert a.h5 -o b.npy",
            "the new file is named without a flag: 'selvedge convert IN OUT'",
        ),
        (
            "rechunk a.h5 --output b.h5",
            "the new file is named without a flag: 'selvedge rechunk IN OUT'",
        ),
        (
            "recover a.h5 b.h5",
            "this command takes no more than 'selvedge recover FILE'",
        ),
        (
            "checksum a.h5 b.h5",
            "this command takes no more than 'selvedge checksum FILE'",
        ),
        (
            "verify a.h5 b.h5 c.h5",
            "this command takes no more than 'selvedge verify A [B]'",
        ),
        (
            "completions bash zsh",
            "this command takes no more than 'selvedge completions SHELL'",
        ),
        ("show a.h5 W 5", "indices follow their flag: --steps 5"),
        (
            "show a.h5 W losses",
            "this command takes no more than 'selvedge show FILE [TENSOR]'",
        ),
        ("man inspect", "'selvedge inspect --help' tells the same"),
        ("clean -f", "the flag for that is --yes"),
        ("report a.h5 --force", "the flag for that is --overwrite"),
        ("-v", "-V tells the version"),
        (
            "inspect -x.h5",
            "'./' stands before the name of a file that begins with a minus: ./-x.h5",
        ),
        (
            "recover my run.h5",
            "a name with spaces stands in quotes: 'my run.h5'",
        ),
        (
            "inspect a.h5 -o b.txt",
            "-o is a flag of show, report, join, references and check",
        ),
        (
            "inspect a.h5 --rows 3",
            "--rows is a flag of show and convert",
        ),
    ] {
        let said = refused(&place, line);
        assert!(
            said.contains(&format!("\n\n  tip: {told}\n")),
            "{line}: {said}"
        );
        assert!(!said.contains("\n\n\n"), "{line}: {said}");
    }
    // What is spelt much like a flag is probably that, and what is like none has no empty lines.
    let like = refused(&place, "show a.h5 W --row 3");
    assert!(
        like.contains("a similar argument exists: '--rows'"),
        "{like}"
    );
    assert!(!like.contains("is a flag of"), "{like}");
    let none = refused(&place, "inspect a.h5 --zzz");
    assert!(
        none.starts_with("error: unexpected argument '--zzz' found\n\nUsage"),
        "{none}"
    );
}

/// `neither a.h5 nor b.h5 has a tensor w`, and not which they have; `--as-bf16 w` said nothing of `W`.
#[test]
fn the_name_of_a_tensor_that_is_not_there_is_answered_with_the_nearest() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    place.print(&["convert", "a.h5", "b.safetensors", "--tensor", "losses"]);
    let make = "import sys, numpy as np; np.savez(sys.argv[1], Wte=np.zeros(3, 'u2'))";
    python::on_file(make, &place.path("c.npz"));
    let has = "a.h5 has no tensor `w`; it has `W`, `dead_mask`, `losses`; did you mean `W`?";
    for (line, told) in [
        (
            "verify a.h5 b.safetensors --tensor lossse",
            "neither a.h5 nor b.safetensors has a tensor `lossse`; they have `W`, `losses`, `dead_mask`; did you mean `losses`?",
        ),
        ("rechunk a.h5 d.h5 --as-bf16 w", has),
        ("rechunk a.h5 d.h5 --assume-bf16 w", has),
        ("convert a.h5 d.safetensors --assume-bf16 w", has),
        ("verify a.h5 --tensor w", has),
        (
            "convert c.npz d.safetensors --assume-bf16 wte",
            "and `wte` is not there, but `Wte`; did you mean `Wte`?",
        ),
    ] {
        let said = refused(&place, line);
        assert!(said.ends_with(&format!("{told}\n")), "{line}: {said}");
    }
}

/// What stands in an example of the help, with the lines that it goes on in.
fn examples(help: &str) -> Vec<String> {
    let (_, after) = help.split_once("Examples:\n").unwrap();
    let lines = after.lines().take_while(|line| line.starts_with("  "));
    let text = lines.collect::<Vec<_>>().join("\n");
    let whole = text.replace("\\\n", "\u{0}");
    let whole = whole
        .lines()
        .map(|line| line.trim().replace('\u{0}', "\\\n"));
    whole.collect()
}

/// A shell that knows the program under its name, with a home of its own.
fn shell(place: &Place, line: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_selvedge"));
    let mut shell = Command::new("sh");
    shell
        .args(["-c", line])
        .current_dir(place.path(""))
        .env_clear()
        .env("HOME", place.path("home"))
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", program.parent().unwrap().display()),
        );
    shell
}

/// A remark in brackets behind an example was a syntax error of the shell, the completions went into folders that are not
/// there on a new account, and the page of one example was in the way of the others.
#[test]
fn examples_can_be_copied_whole() {
    let place = Place::new();
    let help = place.print(&["--help"]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let commands = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let mut checked = 0;
    for command in commands.filter_map(|line| line.split_whitespace().next()) {
        for example in examples(&place.print(&[command, "--help"])) {
            let mut check = Command::new("sh");
            check.args(["-n", "-c", &example]);
            let run = finish(check.output().unwrap());
            assert_eq!((run.code, &*run.stderr), (0, ""), "{example}");
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
    fs::create_dir(place.path("home")).unwrap();
    finished(&place.path("thimble_7.h5"));
    finished(&place.path("thimble_8.h5"));
    fs::write(
        place.path("vocab.json"),
        r#"{"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5}"#,
    )
    .unwrap();
    for command in ["completions", "report"] {
        let all = examples(&place.print(&[command, "--help"]));
        assert!(all.len() >= 3, "{all:?}");
        for example in all {
            let run = finish(shell(&place, &example).output().unwrap());
            assert_eq!((run.code, &*run.stderr), (0, ""), "{example}");
        }
    }
    for script in [
        ".bash_completion",
        ".zfunc/_selvedge",
        ".config/fish/completions/selvedge.fish",
    ] {
        let text = fs::read_to_string(place.path("home").join(script)).unwrap();
        assert!(text.contains("assume-bf16"), "{script}");
    }
}

/// Sizes of nothing passed, a file was taken for a folder, and a plan told chunks that it did not make.
#[test]
fn what_cannot_be_is_not_planned() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    for (line, told) in [
        (
            "plan -t W:f32:10 --path a.h5",
            "--path names the folder that the file will lie in, and a.h5 is none",
        ),
        ("plan -t W:f32:10 --chunk-target 0", "the least is 1 byte"),
        ("rechunk a.h5 b.h5 --chunk-target 0", "the least is 1 byte"),
        ("references a.h5 --piece 0", "the least is 1 byte"),
        ("verify a.h5 a.h5 --memory 0MB", "the least is 1 byte"),
        (
            "plan -t W:bf16:10000x64 --compression fast --read tokens",
            "for tokens leave out --compression, and let `selvedge rechunk --compression temporal` compress the file that is \
             recorded, or leave out --read tokens",
        ),
        (
            "rechunk a.h5 b.h5 --compression fast --for tokens",
            "for tokens take --compression temporal, or leave out --for tokens",
        ),
        (
            "verify W.npy",
            "W.npy is .npy of NumPy, which has no checksums",
        ),
        (
            "show a.h5 W --step 7",
            "tensor `W` has no step 7: it has 7 of them, 0 to 6",
        ),
    ] {
        if line.contains("W.npy") {
            place.print(&["convert", "a.h5", "W.npy", "--tensor", "W"]);
        }
        let said = refused(&place, line);
        assert!(said.contains(told), "{line}: {said}");
    }
    // A recorder makes the folder, so that it need not be there.
    let there = place.run(&["plan", "--steps", "6", "-t", "W:f32:10", "--path", "later"]);
    assert_eq!(there.code, 0, "{}", there.stderr);
}

/// A file of lists, of which the longest was taken for steps, and its neighbour noted as a step tensor that lacks one; and
/// a checkpoint of 192 layers, which had hundreds of lines.
const LISTS_AND_LAYERS: &str = r#"
import sys, h5py, numpy as np
folder = sys.argv[1]
with h5py.File(f"{folder}/names.h5", "w") as f:
    for n in range(11):
        f[str(n)] = np.arange(n + 1.0)
with h5py.File(f"{folder}/layers.h5", "w") as f:
    f["model/embed"] = np.zeros((100, 8), "f4")
    for n in range(192):
        f[f"model/layers/{n}/weight"] = np.zeros((8, 4), "f4")
        f[f"model/layers/{n}/bias"] = np.zeros(4, "f4")
with h5py.File(f"{folder}/other.h5", "w") as f:
    f["V"] = np.zeros((20, 4), "f4")
"#;

#[test]
fn steps_of_a_file_that_says_nothing_of_them_are_told_as_a_guess() {
    let place = Place::new();
    python::on_file(LISTS_AND_LAYERS, &place.path(""));
    let inspected = place.print(&["inspect", "names.h5"]);
    assert!(!inspected.contains("step"), "{inspected}");
    let verified = place.run(&["verify", "names.h5", "other.h5"]);
    assert_eq!((verified.code, &*verified.stderr), (1, ""));
    assert!(
        !verified.stdout.contains("may be a step tensor"),
        "{}",
        verified.stdout
    );
    for (file, told) in [
        (
            "names.h5",
            "whose first axis is 11 long, as that of `10`, the largest",
        ),
        (
            "layers.h5",
            "whose first axis is 100 long, as that of `model/embed`, the largest",
        ),
    ] {
        let plan = unwrapped(&place.print(&["rechunk", file, "new.h5", "--dry-run"]));
        let expected =
            format!("nothing says which tensors have steps: those are taken for such {told}");
        assert!(plan.contains(&expected), "{plan}");
    }
    // What says it is not a guess.
    finished(&place.path("a.h5"));
    let plan = place.print(&["rechunk", "a.h5", "new.h5", "--dry-run"]);
    assert!(!plan.contains("nothing says"), "{plan}");
}

/// `inspect` alone had one line for the layers of a model.
#[test]
fn lines_that_differ_in_numbers_alone_are_one() {
    let place = Place::new();
    python::on_file(LISTS_AND_LAYERS, &place.path(""));
    let count = |text: &str| text.lines().count();
    let said = "one line for those that differ in numbers alone; in a pipe each has its own";
    let plan = place.print(&["rechunk", "layers.h5", "a.h5"]);
    let verified = place.run(&["verify", "layers.h5", "other.h5"]).stdout;
    let converted = place.print(&["convert", "layers.h5", "b.h5"]);
    for (text, lines, told) in [
        (
            &plan,
            14,
            "\n  model.layers.{0-191}.weight  float32  (8, 4)  constant\n",
        ),
        (
            &plan,
            14,
            "`model/layers/{0-191}/bias` becomes `model.layers.{0-191}.bias`",
        ),
        (
            &verified,
            6,
            "\n  `model/layers/{0-191}/weight`: only in layers.h5\n",
        ),
        (
            &converted,
            6,
            "`model/layers/{0-191}/bias` became `model.layers.{0-191}.bias`",
        ),
    ] {
        assert!(
            text.contains(told) && unwrapped(text).contains(said),
            "{text}"
        );
        assert!(count(text) <= lines, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
    // What is read by another program has a line for each.
    let mut piped = place.command(&["verify", "layers.h5", "other.h5"]);
    let piped = finish(piped.env_remove("COLUMNS").output().unwrap()).stdout;
    assert_eq!(
        piped.matches(": only in layers.h5\n").count(),
        385,
        "{piped}"
    );
}

/// What was too wide for the terminal, or cut so that nobody could tell what it was of.
#[test]
fn what_is_told_fits_the_page() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    fs::write(place.path(".a_long_name_of_a_run.h5.partial"), "half").unwrap();
    fs::create_dir(place.path("empty")).unwrap();
    fs::write(place.path("empty/selvedge.toml"), "").unwrap();
    let narrow = |args: &[&str]| {
        let mut command = place.command(args);
        let run = finish(command.env("COLUMNS", "50").output().unwrap());
        let lines = run.stdout.lines().chain(run.stderr.lines());
        for line in lines.filter(|line| !line.starts_with("error:")) {
            assert!(line.chars().count() <= 50, "{args:?}: {line}");
        }
        unwrapped(&(run.stdout + &run.stderr))
    };
    fs::write(
        place.path(".b.h5.partial"),
        fs::read(place.path("a.h5")).unwrap(),
    )
    .unwrap();
    let cleaned = narrow(&["clean", "--dry-run"]);
    assert!(
        cleaned.contains("kept: it may be complete; look at it, and rename or remove it"),
        "{cleaned}"
    );
    let shown = narrow(&["show", "a.h5", "W", "--step", "0", "-o", "W.npy"]);
    assert!(shown.contains("note: "), "{shown}");
    narrow(&[
        "plan",
        "--steps",
        "6",
        "-t",
        "W:f32:10",
        "--path",
        "a/folder/that/a/recorder/makes",
    ]);
    let known = narrow(&["check", "--write-baseline"]);
    let expected = "selvedge-baseline.toml knows ";
    assert!(known.starts_with(expected), "{known}");
    assert!(
        known.ends_with("`--baseline selvedge-baseline.toml` hides them"),
        "{known}"
    );
    // Nothing was checked, and that passed without a word.
    let mut check = place.command(&["check"]);
    let run = finish(check.current_dir(place.path("empty")).output().unwrap());
    assert_eq!((run.code, &*run.stdout), (0, "no findings in 0 files\n"));
    let told = unwrapped(&run.stderr);
    assert!(
        told.starts_with("note: nothing was checked: there is no tensor file and no notebook in ")
            && told.ends_with("/empty, or git or the configuration leaves them out"),
        "{told}"
    );
    let rules = refused(&place, "rules bf16");
    assert!(
        rules.contains("or `ALL`; `selvedge rules` lists them"),
        "{rules}"
    );
    let join = refused(&place, "join a.h5 a.h5");
    assert!(
        join.contains("`selvedge verify` compares files") && !join.contains("docs/"),
        "{join}"
    );
}
