//! `selvedge check`: formats, selections, baselines, configuration, exit codes.

use std::fs;

use crate::common::tree::{NOTEBOOK, safetensors, sound};
use crate::common::{Place, unwrapped};

/// A place with an error, a warning with a fix, and a warning without one.
fn faulty() -> Place {
    let place = sound();
    place.write("notebooks/1.6a_norms.ipynb", "{");
    place.write("tensors/Flannel/1.5d.safetensors", safetensors("BF16"));
    place.write("tensors/Flannel/1.6a_norms.safetensors", safetensors("F16"));
    place
}

#[test]
fn a_sound_repository_is_clean() {
    let run = sound().run(&["check"]);
    assert_eq!(
        (run.code, &*run.stdout, &*run.stderr),
        (0, "no findings in 2 files\n", "")
    );
}

/// A path that the configuration excludes was "no findings in 0 files", as if it had been looked at.
#[test]
fn what_is_named_and_not_checked_is_told() {
    let place = faulty();
    place.write("selvedge.toml", "exclude = [\"tensors/Flannel\"]\n");
    place.write("README.md", "");
    fs::create_dir(place.path("empty")).unwrap();
    let excluded = "tensors/Flannel/1.5d.safetensors";
    for (path, told) in [
        (excluded, "`exclude` of the configuration"),
        ("tensors/Flannel", "`exclude` of the configuration"),
        ("tensors", "git or the configuration"),
        ("README.md", "no tensor file and no notebook"),
        ("empty", "no tensor file and no notebook"),
    ] {
        let run = place.run(&["check", path]);
        assert_eq!(
            (run.code, &*run.stdout),
            (0, "no findings in 0 files\n"),
            "{path}"
        );
        let said = unwrapped(&run.stderr);
        assert!(said.contains(told), "{path}: {said}");
        assert!(said.contains(&format!(" of {path}: ")), "{said}");
        assert_eq!(place.run(&["check", "--quiet", path]).stderr, "");
    }
    let both = place.run(&["check", excluded, "notebooks"]);
    assert_eq!(
        (both.code, both.stderr.matches("note: ").count()),
        (1, 1),
        "{}",
        both.stderr
    );
}

#[test]
fn findings_are_told_in_full() {
    let run = faulty().run(&["check"]);
    assert_eq!((run.code, &*run.stderr), (1, ""));
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80));
    insta::assert_snapshot!(run.stdout);
}

#[test]
fn findings_are_told_concisely() {
    let run = faulty().check(&[]);
    assert_eq!((run.code, &*run.stderr), (1, ""));
    insta::assert_snapshot!(run.stdout);
}

#[test]
fn findings_are_told_to_github() {
    let run = faulty().run(&["check", "--output-format", "github"]);
    assert_eq!((run.code, &*run.stderr), (1, ""));
    insta::assert_snapshot!(run.stdout);
}

/// What programs read is all that standard output has; the summary is for people.
#[test]
fn programs_get_json_and_people_the_summary() {
    for (format, findings) in [
        ("json", "/findings"),
        ("gitlab", ""),
        ("sarif", "/runs/0/results"),
    ] {
        let run = faulty().run(&["check", "--output-format", format]);
        assert_eq!(run.code, 1);
        assert_eq!(
            run.stderr,
            "1 error and 2 warnings in 3 of 5 files; 1 with `--unsafe-fixes`, after a look\n"
        );
        let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let found = json.pointer(findings).unwrap();
        assert_eq!(found.as_array().unwrap().len(), 3);
    }
}

/// What a parser of XML makes of it, whatever is in the names of files and in what was found.
#[test]
fn junit_is_read_by_a_parser_of_xml() {
    let place = faulty();
    place.write("notebooks/1.7a_<&\"'\u{7}\u{ffff}>.ipynb", "{");
    place.hdf5(
        "tensors/Flannel/flannel_1.h5",
        "f['a<b&\\x1b]]>'] = np.zeros((8, 8), 'f2')",
    );
    let junit = place.path("junit.xml");
    let run = place.run(&["check", "--output-format", "junit", "--output", "junit.xml"]);
    assert_eq!(run.code, 1);
    let read = selvedge_testing::python::on_file(
        "import sys, xml.etree.ElementTree as x\n\
         suite, = x.parse(sys.argv[1]).getroot()\n\
         cases = suite.findall('testcase')\n\
         assert int(suite.get('tests')) == int(suite.get('failures')) == len(cases)\n\
         assert all(c.find('failure').text for c in cases)\n\
         for c in cases: print(c.get('classname'), c.get('name'), sep=': ')",
        &junit,
    );
    let expected = "\
        notebooks/1.6a_norms.ipynb: NBK001 invalid-notebook:1\n\
        notebooks/1.7a_<&\"'\\u{7}\\u{ffff}>.ipynb: NBK001 invalid-notebook:1\n\
        tensors/Flannel/1.5d.safetensors: NAM001 missing-notebook-id\n\
        tensors/Flannel/1.6a_norms.safetensors: TEN002 float16-for-bfloat16:mask\n\
        tensors/Flannel/flannel_1.h5: TEN002 float16-for-bfloat16:a<b&\\u{1b}]]>\n";
    assert_eq!(read.trim_end(), expected.trim_end());
    let clean = sound().print(&["check", "--output-format", "junit", "--quiet"]);
    assert!(clean.contains("tests=\"1\" failures=\"0\""), "{clean}");
}

#[test]
fn the_output_goes_to_a_file() {
    let place = faulty();
    for format in [
        "full", "concise", "json", "github", "gitlab", "junit", "sarif",
    ] {
        let printed = place.run(&["check", "--output-format", format, "--quiet"]);
        let output = ["check", "--output-format", format, "--output", "found"];
        let run = place.run(&[&output[..], &["--overwrite"]].concat());
        assert_eq!((run.code, &*run.stdout), (1, ""));
        assert!(run.stderr.starts_with("1 error and 2 warnings"), "{format}");
        let text = fs::read_to_string(place.path("found")).unwrap();
        assert!(
            text.starts_with(printed.stdout.trim_end()),
            "{format}: {text}"
        );
    }
    let parents = ["check", "--output", "no/such/folder", "--parents"];
    let run = place.run(&parents[..3]);
    assert_eq!(run.code, 2);
    let told = "there is no folder no/such, to write no/such/folder into; --parents makes it";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert_eq!(place.run(&parents).code, 1);
    assert!(place.path("no/such/folder").is_file());
}

#[test]
fn colour_is_for_terminals() {
    let place = faulty();
    let coloured = place.run(&["check", "--color", "always"]).stdout;
    assert!(coloured.contains("\u{1b}[31merror[NBK001]:") || coloured.contains("\u{1b}[1m"));
    assert!(!place.run(&["check"]).stdout.contains('\u{1b}'));
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(plain, place.run(&["check"]).stdout);
}

#[test]
fn rules_are_selected_and_ignored() {
    let place = faulty();
    let f16 = "tensors/Flannel/1.6a_norms.safetensors TEN002";
    assert_eq!(place.findings(&["--select", "TEN,TRJ"]), [f16]);
    assert_eq!(
        place.findings(&["--ignore", "NBK", "--ignore", "NAM001"]),
        [f16]
    );
    assert_eq!(place.findings(&["--select", "float16-for-bfloat16"]), [f16]);
    let run = place.run(&["check", "--select", "TEN02"]);
    assert_eq!((run.code, &*run.stdout), (2, ""));
    assert!(
        run.stderr.contains("did you mean `TEN002`?"),
        "{}",
        run.stderr
    );
    let run = place.run(&["check", "--output-format", "jsn"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("did you mean `json`?"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_exit_code_can_be_zero_and_quiet_says_nothing_else() {
    let place = faulty();
    let run = place.check(&["--exit-zero", "--quiet"]);
    assert_eq!((run.code, &*run.stderr), (0, ""));
    assert_eq!(run.stdout.lines().count(), 3);
    let run = sound().check(&["--quiet"]);
    assert_eq!((run.code, &*run.stdout, &*run.stderr), (0, "", ""));
}

#[test]
fn paths_narrow_what_is_checked_and_not_what_is_known() {
    let place = faulty();
    // Its notebook is found, although it is not checked.
    let tensor = "tensors/Flannel/1.5d_mask.safetensors";
    assert!(place.findings(&[tensor]).is_empty());
    assert_eq!(
        place.findings(&["notebooks"]),
        ["notebooks/1.6a_norms.ipynb NBK001"]
    );
    let run = place.run(&["check", "tensor"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("there is no tensor"), "{}", run.stderr);
}

/// People see paths from where they are, so that they can open them; programs from the root.
#[test]
fn the_root_is_found_from_inside() {
    let place = faulty();
    let output = place
        .command(&["check", "--quiet", "--output-format", "concise"])
        .current_dir(place.path("tensors/Flannel"))
        .output()
        .unwrap();
    let from_here = |line: &str| match line.strip_prefix("tensors/Flannel/") {
        Some(below) => format!("{below}\n"),
        None => format!("../../{line}\n"),
    };
    let expected: String = place
        .check(&["--quiet"])
        .stdout
        .lines()
        .map(from_here)
        .collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    let output = place
        .command(&["check", "--quiet", "--output-format", "json"])
        .current_dir(place.path("tensors"))
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["findings"][0]["path"], "notebooks/1.6a_norms.ipynb");
}

#[test]
fn rules_are_counted() {
    let place = faulty();
    place.write("notebooks/1.7a_other.ipynb", "{");
    let run = place.run(&["check", "--statistics"]);
    assert_eq!(run.code, 1);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines[0], "2  NBK001  invalid-notebook", "{}", run.stdout);
    assert_eq!(lines.len(), 4, "{}", run.stdout);
    assert!(lines[3].starts_with("2 errors and 2 warnings in "));
    // A program gets what it reads, or is told that there is no such form.
    let run = place.run(&["check", "--statistics", "--output-format", "json"]);
    assert_eq!(run.code, 1);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["statistics"][0]["code"], "NBK001");
    assert_eq!(json["statistics"][0]["findings"], 2);
    assert_eq!(json["summary"]["warnings"], 2);
    for format in ["gitlab", "junit", "sarif", "github"] {
        let run = place.run(&["check", "--statistics", "--output-format", format]);
        assert_eq!((run.code, &*run.stdout), (2, ""));
        assert!(run.stderr.contains(format), "{}", run.stderr);
    }
}

/// A filter of git was found in "1 of 0 files".
#[test]
fn files_of_settings_are_counted_with_what_is_found_in_them() {
    let place = Place::new();
    place.git(&["init", "--quiet"]);
    place.write("a.ipynb", NOTEBOOK);
    place.write(
        "lefthook.yml",
        "pre-commit:\n  commands:\n    strip:\n      run: nbstripout {staged_files}\n",
    );
    let run = place.run(&["check", "--output-format", "concise"]);
    assert!(
        run.stdout.ends_with("1 error in 1 of 2 files\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn the_printed_configuration_reads_back() {
    let place = faulty();
    place.write(
        "selvedge.toml",
        "rules.NBK = 'off'\n[limits]\nmemory = '16 GB'\n",
    );
    let printed = place.print(&["check", "--print-config"]);
    assert!(printed.contains("memory = \"16 GB\"\n"), "{printed}");
    place.write("printed.toml", &printed);
    assert_eq!(
        place.print(&["check", "--print-config", "--config", "printed.toml"]),
        printed
    );
    assert_eq!(place.findings(&[]).len(), 2);
    place.write("selvedge.toml", "[limit]\n");
    let run = place.run(&["check"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr
            .contains("selvedge.toml:1:2: unknown key `limit`; did you mean `limits`?"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_baseline_hides_what_is_known_and_tells_what_is_stale() {
    let place = faulty();
    let run = place.run(&["check", "--write-baseline"]);
    assert_eq!((run.code, &*run.stdout), (0, ""));
    assert!(
        run.stderr.contains("knows 3 findings now"),
        "{}",
        run.stderr
    );
    let known = ["--baseline", "selvedge-baseline.toml"];
    let run = place.check(&known);
    assert_eq!(run.code, 0);
    assert_eq!(
        run.stdout,
        "no findings in 5 files; the baseline hides 3 findings\n"
    );

    place.write("notebooks/1.7a_new.ipynb", "{");
    let run = place.check(&known);
    assert_eq!(run.code, 1);
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);

    fs::remove_file(place.path("notebooks/1.7a_new.ipynb")).unwrap();
    fs::remove_file(place.path("notebooks/1.6a_norms.ipynb")).unwrap();
    let run = place.check(&[&known[..], &["--select", "NBK"]].concat());
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("1 entry of the baseline is stale"));
    // Nothing is known of files and rules that were not checked.
    let run = place.check(&[&known[..], &["tensors", "--ignore", "NAM002"]].concat());
    assert_eq!(run.code, 0, "{}", run.stdout);

    let run = place.check(&["--baseline", "none.toml"]);
    assert_eq!(run.code, 2);
    let run = place.run(&["check", "--write-baseline=other.toml"]);
    assert_eq!(run.code, 0);
    assert!(place.path("other.toml").is_file());
}

#[test]
fn a_baseline_of_some_files_or_rules_keeps_what_it_knows_of_others() {
    let place = faulty();
    place.run(&["check", "--write-baseline"]);
    let known = fs::read_to_string(place.path("selvedge-baseline.toml")).unwrap();
    for args in [&["notebooks"][..], &["--select", "NBK"], &[]] {
        let run = place.run(&[&["check", "--write-baseline"], args].concat());
        assert!(
            run.stderr.contains("knows 3 findings now"),
            "{}",
            run.stderr
        );
        let written = fs::read_to_string(place.path("selvedge-baseline.toml")).unwrap();
        assert_eq!(written, known, "{args:?}");
    }
    place.write("notebooks/1.6a_norms.ipynb", NOTEBOOK);
    place.run(&["check", "--write-baseline", "notebooks"]);
    let written = fs::read_to_string(place.path("selvedge-baseline.toml")).unwrap();
    assert_eq!(written.lines().count() + 1, known.lines().count());
    place.write("selvedge-baseline.toml", "<<<<<<<");
    let run = place.run(&["check", "--write-baseline", "notebooks"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_eq!(place.run(&["check", "--write-baseline"]).code, 0);
}

/// `--write-baseline=kept.h5` replaced an HDF5 file by the baseline, and `-o` the notebook that was checked.
#[test]
fn what_is_there_is_replaced_only_where_that_is_wanted() {
    let place = faulty();
    place.hdf5("kept.h5", "f['W'] = np.zeros(3)");
    fs::copy(place.path("kept.h5"), place.path("kept")).unwrap();
    place.write("train.py", "print(1)");
    // What a merge has left of another file than a baseline.
    place.write(
        "pyproject.toml",
        "<<<<<<< HEAD\n[project]\n=======\n>>>>>>> x\n",
    );
    let notebook = "notebooks/1.6a_norms.ipynb";
    std::os::unix::fs::symlink(notebook, place.path("link")).unwrap();
    let files = ["kept.h5", "kept", "train.py", "pyproject.toml", notebook];
    let read = || files.map(|file| fs::read(place.path(file)).unwrap());
    let before = read();
    let exists = "kept exists already; another name keeps it, --overwrite replaces it";
    for (flags, told) in [
        (
            "--write-baseline=kept.h5",
            "kept.h5 ends in .h5, and `--write-baseline` writes TOML; end it in .toml",
        ),
        ("--write-baseline=kept", exists),
        ("-o kept", exists),
        ("-o train.py", "train.py ends in .py"),
        (
            "-o notebooks/1.6a_norms.ipynb --overwrite",
            "ends in .ipynb",
        ),
        (
            "-o link --overwrite",
            "link is one of the files that are read",
        ),
        ("--write-baseline=link", "link exists already"),
        (
            "--write-baseline=pyproject.toml",
            "pyproject.toml exists already",
        ),
        (
            "--overwrite",
            "--overwrite is for --output and --write-baseline",
        ),
    ] {
        let args: Vec<&str> = ["check"].into_iter().chain(flags.split(' ')).collect();
        let run = place.run(&args);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{flags}");
        assert!(run.stderr.contains(told), "{flags}: {}", run.stderr);
        assert!(read() == before, "{flags}");
    }
    assert_eq!(place.run(&["check", "-o", "kept", "--overwrite"]).code, 1);
    let findings = fs::read_to_string(place.path("kept")).unwrap();
    assert!(findings.starts_with("warning[NAM003]"), "{findings}");
    // A baseline is brought up to date, which needs no flag, also what a merge has left of it.
    for _ in 0..2 {
        assert_eq!(place.run(&["check", "--write-baseline=own.toml"]).code, 0);
    }
    let own = fs::read_to_string(place.path("own.toml")).unwrap();
    place.write(
        "own.toml",
        format!("<<<<<<< HEAD\n{own}=======\n>>>>>>> x\n"),
    );
    assert_eq!(place.run(&["check", "--write-baseline=own.toml"]).code, 0);
    assert_eq!(fs::read_to_string(place.path("own.toml")).unwrap(), own);
}

/// A full disk left the half of a baseline in the place of the whole one, and reports and manual pages of 0 bytes.
#[test]
fn a_full_disk_leaves_what_was_there() {
    let place = faulty();
    assert_eq!(place.run(&["check", "--write-baseline"]).code, 0);
    assert_eq!(place.run(&["check", "-o", "found.txt"]).code, 1);
    let files = ["selvedge-baseline.toml", "found.txt"];
    let read = || files.map(|file| fs::read_to_string(place.path(file)).unwrap());
    let before = read();
    for n in 10..90 {
        place.write(
            &format!("notebooks/2.{n}a_a_longer_name_of_a_notebook.ipynb"),
            "{",
        );
    }
    fs::create_dir(place.path("man1")).unwrap();
    for line in [
        "check --write-baseline",
        "check -o found.txt --overwrite",
        "check -o new.sarif --output-format sarif",
        "man --out man1",
    ] {
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", "ulimit -f 1; exec \"$0\" $1"])
            .args([env!("CARGO_BIN_EXE_selvedge"), line])
            .current_dir(place.path(""));
        let run = crate::common::finish(command.output().unwrap());
        assert_eq!((run.code, &*run.stdout), (2, ""), "{line}: {}", run.stderr);
        assert!(
            run.stderr.contains("File too large"),
            "{line}: {}",
            run.stderr
        );
    }
    assert_eq!(read(), before);
    let left = |folder: &str| {
        let entries = fs::read_dir(place.path(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(left("man1").len(), 0);
    let all = [
        "found.txt",
        "man1",
        "notebooks",
        "selvedge-baseline.toml",
        "selvedge.toml",
        "tensors",
    ];
    assert_eq!(left(""), all);
}

#[test]
fn flags_that_need_others_say_so() {
    let run = sound().run(&["check", "--dry-run"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("--dry-run is for --fix"),
        "{}",
        run.stderr
    );
}
