//! What an error says is to be done can be done: commands can be copied, and names are of things that are there.

use std::fs;

use selvedge_testing::python;

use crate::common::{Place, declare_rank, die_if_child, died, finished};

/// `selvedge recover my run.h5` was to be copied, which a shell takes for two names.
#[test]
fn commands_to_copy_name_the_file_as_a_shell_takes_it() {
    const NAME: &str = "ways_out::commands_to_copy_name_the_file_as_a_shell_takes_it";
    die_if_child(NAME);
    let place = Place::new();
    died(&place.path("my run.h5"), NAME);
    let make = "import sys, h5py; h5py.File(sys.argv[1], 'w')['W'] = [1.0]";
    for name in ["it's.h5", "-x.h5"] {
        python::on_file(make, &place.path(name));
    }
    python::on_file(
        "import sys, numpy; numpy.save(sys.argv[1], numpy.zeros(3))",
        &place.path("W 2.npy"),
    );
    fs::create_dir(place.path("a folder")).unwrap();
    for name in ["b.h5", "c.h5"] {
        fs::copy(place.path("it's.h5"), place.path("a folder").join(name)).unwrap();
    }
    for (args, told) in [
        (
            &["inspect", "my run.h5"][..],
            "`selvedge recover 'my run.h5'`",
        ),
        (&["check", "my run.h5"], "`selvedge recover 'my run.h5'`"),
        (&["verify", "my run.h5"], "`selvedge recover 'my run.h5'`"),
        (
            &["verify", "it's.h5"],
            r"`selvedge rechunk 'it'\''s.h5' new.h5 --checksums`",
        ),
        (
            &["checksum", "it's.h5"],
            r"`selvedge rechunk 'it'\''s.h5' new.h5 --checksums`",
        ),
        (&["recover", "it's.h5"], r"`selvedge inspect 'it'\''s.h5'`"),
        (&["recover", "--", "-x.h5"], "`selvedge inspect ./-x.h5`"),
        (
            &["rechunk", "W 2.npy", "o.h5"],
            "`selvedge convert 'W 2.npy' 'W 2.h5'`",
        ),
        (
            &["show", "W 3", "it's.h5"],
            r"`selvedge show 'it'\''s.h5' 'W 3'`",
        ),
        (
            &["inspect", "a folder"],
            "several are taken 'a folder'/*.h5",
        ),
    ] {
        let run = place.run(args);
        let said = format!("{}{}", run.stdout, run.stderr);
        let said = crate::common::unwrapped(&said);
        assert!(said.contains(told), "{args:?}: {said}");
    }
}

/// `checksum` told to call `recover`, which is the library's word, and no file.
#[test]
fn a_run_whose_writer_died_is_put_in_order_by_a_command() {
    const NAME: &str = "ways_out::a_run_whose_writer_died_is_put_in_order_by_a_command";
    die_if_child(NAME);
    let place = Place::new();
    died(&place.path("killed.h5"), NAME);
    assert_eq!(
        place.run(&["checksum", "killed.h5"]).stderr,
        "error: killed.h5 was not finished: its recorder is at work or died; finish it, or, if it died, put the file \
         in order (`selvedge recover killed.h5`)\n"
    );
}

/// A folder was answered with `inspect folder/*.h5`, whatever the command and whatever lay there.
#[test]
fn of_a_folder_what_lies_in_it_is_named() {
    let place = Place::new();
    for folder in ["empty", "one", "two"] {
        fs::create_dir(place.path(folder)).unwrap();
    }
    finished(&place.path("a.h5"));
    for name in ["one/run.hdf5", "one/a.txt", "two/b.h5", "two/c.h5"] {
        fs::copy(place.path("a.h5"), place.path(name)).unwrap();
    }
    for command in [
        "inspect", "show", "report", "view", "recover", "join", "checksum",
    ] {
        for (folder, told) in [
            (
                "empty",
                "empty is a folder without a tensor file; name a file",
            ),
            (
                "one",
                "one is a folder; name what is in it, such as one/run.hdf5",
            ),
            (
                "two",
                "two is a folder; name what is in it, such as two/b.h5, or where several are taken two/*.h5",
            ),
        ] {
            let run = place.run(&[command, folder]);
            let expected = (2, "", format!("error: {told}\n"));
            assert_eq!((run.code, &*run.stdout, run.stderr), expected, "{command}");
        }
    }
    // The ending of a folder told no format.
    assert_eq!(
        place.run(&["convert", "a.h5", "two"]).stderr,
        "error: two is a folder; expected the name of a file\n"
    );
}

/// What was not there was told in the system's words, with its number.
#[test]
fn what_is_not_there_is_told_everywhere_alike() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    fs::write(place.path("known.toml"), "").unwrap();
    for (args, told) in [
        (
            &["recover", "rows.safetensors.unfinished"][..],
            "there is no rows.safetensors.unfinished",
        ),
        (
            &["check", "--baseline", "knwon.toml"],
            "there is no knwon.toml; did you mean known.toml?",
        ),
        (
            &["check", "--config", "another.toml"],
            "there is no another.toml",
        ),
        (
            &["report", "a.h5", "--vocabulary", "none/at/all.json"],
            "there is no none/at/all.json, for there is no folder none",
        ),
        (
            &["inspect", "*.h6"],
            "there is no *.h6; no file has a name like that, or it stands in quotes, where a shell does not look for any",
        ),
        (
            &["man", "--out", "a.h5"],
            "a.h5 is a file; --out takes a folder, which gets a page for each command",
        ),
    ] {
        let run = place.run(args);
        let expected = (2, "", format!("error: {told}\n"));
        assert_eq!((run.code, &*run.stdout, run.stderr), expected, "{args:?}");
    }
}

/// "of 2 ranks 1 is missing" can be one rank; `join -o view.txt` was sent to `show -o`, and `check -o a.h5` to `convert`.
#[test]
fn another_command_is_told_of_where_it_does_what_was_wanted() {
    let place = Place::new();
    let mut run = declare_rank(&place.path("rank0.h5"), 0).start().unwrap();
    let weights = [selvedge_hdf5::bf16::from_f32(1.0); 12];
    run.append(|step| step.put("W", &weights)?.put("losses", &1.0_f32))
        .unwrap();
    run.finish().unwrap();
    for (args, told) in [
        (
            &["join", "rank0.h5"][..],
            "of 2 ranks, rank 1 is missing: name a file of each",
        ),
        (
            &["join", "rank0.h5", "-o", "view.txt"],
            "view.txt ends in .txt, and `selvedge join` writes HDF5; end it in .h5, .hdf5, .hdf, .he5 or .nc",
        ),
        (
            &["check", "-o", "report.h5"],
            "report.h5 ends in .h5, and --output-format full writes another format; end it in .txt",
        ),
    ] {
        let run = place.run(args);
        assert_eq!(run.stderr, format!("error: {told}\n"), "{args:?}");
    }
}

/// A mask of 10,000 rows had "10,000 and 4,000 steps", and "differs first at step 0".
#[test]
fn a_constant_has_rows_and_no_steps() {
    let place = Place::new();
    for (name, mask) in [
        ("a.h5", &[true, false, true][..]),
        ("b.h5", &[true, true]),
        ("c.h5", &[true, false]),
    ] {
        let run = selvedge_hdf5::Recorder::create(place.path(name)).scalar::<f32>("losses");
        let mut run = run.constant("mask", mask).start().unwrap();
        run.append(|step| step.put("losses", &1.0_f32)).unwrap();
        run.finish().unwrap();
    }
    for (other, told) in [
        (
            "b.h5",
            "`mask`: 3 and 2 rows; differs first at index (1,): 0x00 and 0x01",
        ),
        (
            "c.h5",
            "`mask`: 3 and 2 rows; those that both have are equal",
        ),
    ] {
        let run = place.run(&["verify", "a.h5", other]);
        assert_eq!(run.code, 1);
        assert!(run.stdout.contains(told), "{}", run.stdout);
    }
}
