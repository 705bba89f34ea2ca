//! `selvedge check`: which files it finds, broken ones among them, and a whole repository whose
//! findings are known.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::common::Place;
use crate::common::tree::{NOTEBOOK, safetensors, sound};
use selvedge_testing::{make_repository, python};

#[test]
fn every_planted_fault_is_found_and_nothing_else() {
    let place = Place::new();
    let expected = make_repository(&place.path("repository"), 60, 120);
    let mut found = place.findings(&["repository"]);
    found.sort();
    assert_eq!(found, expected);
    for rule in ["NAM", "TEN", "TRJ", "NBK", "GIT"] {
        assert!(expected.iter().any(|line| line.contains(rule)), "{rule}");
    }
}

/// This repository holds its own conventions: its notebooks, and the files of its demo if it has run.
#[test]
fn this_repository_is_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let run = Place::new().run(&["check", &root.display().to_string()]);
    assert_eq!((run.code, &*run.stderr), (0, ""), "{}", run.stdout);
    assert!(!run.stdout.contains("in 0 files"), "{}", run.stdout);
}

#[test]
fn tensor_files_are_found_although_git_ignores_them_and_notebooks_are_not() {
    let place = sound();
    place.write(".gitignore", "*.safetensors\nscratch/\n");
    place.write("tensors/Flannel/mask.safetensors", safetensors("BF16"));
    place.write("scratch/notebooks/1.9a_trial.ipynb", "{");
    let found = ["tensors/Flannel/mask.safetensors NAM001"];
    assert_eq!(place.findings(&[]), found);
    // What is named is checked.
    assert_eq!(
        place.findings(&["scratch"]),
        ["scratch/notebooks/1.9a_trial.ipynb NBK001"]
    );
}

/// Its globs hold for what git does not track.
#[test]
fn a_notebook_that_git_tracks_is_checked_although_its_globs_ignore_it() {
    let place = sound();
    for name in ["out/a.ipynb", "out/b.ipynb", "out/c.ipynb"] {
        place.write(name, "{");
    }
    place.git(&["init", "--quiet"]);
    place.write(".gitignore", "out\n");
    place.git(&["add", "--force", "out/a.ipynb", "out/c.ipynb"]);
    assert_eq!(
        place.findings(&[]),
        ["out/a.ipynb NBK001", "out/c.ipynb NBK001"]
    );
    // Git does not read this file.
    place.write(".ignore", "c.ipynb\n");
    assert_eq!(place.findings(&[]), ["out/a.ipynb NBK001"]);
}

/// As Jupyter's server has it, which opens this as a text.
#[test]
fn a_notebook_ends_with_small_letters() {
    let place = sound();
    place.write("notebooks/1.6a_norms.IPYNB", "{");
    assert!(place.findings(&[]).is_empty());
}

/// The parser of Python panics at such code, and told everybody.
#[test]
fn nothing_is_said_of_code_that_no_parser_reads() {
    let place = sound();
    let code = r#""{\"\")\n;  # selvedge""#;
    let notebook = NOTEBOOK.replace(r#""print(mask.sum())""#, code);
    place.write("notebooks/1.5e_code.ipynb", notebook);
    let run = place.check(&[]);
    assert_eq!((run.code, &*run.stderr), (0, ""), "{}", run.stdout);
}

#[test]
fn float16_is_meant_where_the_configuration_of_the_model_says_so() {
    let place = Place::new();
    let file = place.write("model/model.safetensors", safetensors("F16"));
    let inspect = || place.run(&["inspect", "model/model.safetensors"]).stdout;
    for (config, is_told) in [
        ("{\"torch_dtype\": \"bfloat16\"}", true),
        ("{\"dtype\": \"float16\"}", false),
        ("{\"text_config\": {\"torch_dtype\": \"float16\"}}", false),
        ("{", true),
    ] {
        place.write("model/config.json", config);
        let expected = if is_told {
            vec!["model/model.safetensors TEN002"]
        } else {
            vec![]
        };
        assert_eq!(place.findings(&[]), expected, "{config}");
        assert_eq!(inspect().contains("TEN002"), is_told, "{config}");
    }
    std::fs::rename(file, place.path("model/model.fp16.safetensors")).unwrap();
    assert!(place.findings(&[]).is_empty());
}

#[test]
fn folders_that_programs_fill_are_left_out() {
    let place = sound();
    for folder in [
        ".hidden",
        "node_modules",
        "notebooks/.ipynb_checkpoints",
        "env",
        "crate/target",
        "cache",
    ] {
        place.write(&format!("{folder}/1.9a_broken.ipynb"), "{");
        place.write(&format!("{folder}/broken.safetensors"), "");
    }
    place.write("env/pyvenv.cfg", "");
    place.write("crate/Cargo.toml", "");
    place.write("cache/CACHEDIR.TAG", "");
    assert!(place.findings(&[]).is_empty());
    assert_eq!(place.findings(&["cache"]).len(), 4);
    // A folder of results may have that name, too.
    place.write("target/1.9a_broken.ipynb", "{");
    assert_eq!(place.findings(&[]).len(), 1);
}

#[test]
fn links_to_files_are_followed() {
    let place = sound();
    let elsewhere = Place::new();
    let broken = elsewhere.write("broken.h5", "nothing");
    symlink(broken, place.path("tensors/Flannel/flannel_1.h5")).unwrap();
    symlink(
        place.path("none"),
        place.path("tensors/Flannel/flannel_2.h5"),
    )
    .unwrap();
    symlink(place.path("."), place.path("tensors/again")).unwrap();
    assert_eq!(place.findings(&[]), ["tensors/Flannel/flannel_1.h5 TRJ006"]);
}

#[test]
fn broken_files_are_findings_and_stop_nothing() {
    let place = sound();
    let good = place.hdf5(
        "tensors/Flannel/flannel_1.h5",
        "f['W'] = np.zeros((64, 64))",
    );
    let whole = fs::read(good).unwrap();
    for (number, contents) in (2..).zip([
        &whole[..whole.len() / 2],
        b"",
        b"not HDF5 at all, but a text of some length",
        &safetensors("BF16"),
        &[&whole[..8], &[0xFF; 4000]].concat(),
    ]) {
        place.write(&format!("tensors/Flannel/flannel_{number}.h5"), contents);
    }
    let found = place.findings(&[]);
    let expected: Vec<_> = (2..=6)
        .map(|number| format!("tensors/Flannel/flannel_{number}.h5 TRJ006"))
        .collect();
    assert_eq!(found, expected);
}

/// Bytes of a sound file, changed one after the other: each check ends with 0 or 1.
#[test]
fn no_damage_to_the_structures_of_hdf5_stops_a_check() {
    let place = sound();
    let good = place.hdf5(
        "whole.h5",
        "f.create_dataset('W', data=np.zeros((8, 8), 'u2'), chunks=(4, 8), maxshape=(None, 8))",
    );
    let whole = fs::read(good).unwrap();
    fs::remove_file(place.path("whole.h5")).unwrap();
    for at in (0..whole.len().min(2400)).step_by(41) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xFF;
        place.write(&format!("tensors/Flannel/flannel_{at}.h5"), &damaged);
    }
    let run = place.check(&[]);
    assert!(run.code <= 1, "{}", run.stderr);
    assert_eq!(run.stderr, "");
}

/// A pointer of Git LFS stands for a file that may well be sound.
#[test]
fn pointers_of_git_lfs_are_not_damaged() {
    let place = sound();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n";
    place.write("tensors/Flannel/1.5d_other.safetensors", pointer);
    place.write("tensors/Flannel/flannel_1.h5", pointer);
    assert!(place.findings(&[]).is_empty());
}

#[test]
fn a_file_that_may_not_be_read_is_a_failure_and_the_rest_is_checked() {
    let place = sound();
    place.write("notebooks/1.6a_broken.ipynb", "{");
    let locked = place.write("notebooks/1.7a_locked.ipynb", NOTEBOOK);
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads everything.
    if fs::read(&locked).is_ok() {
        return;
    }
    let run = place.check(&[]);
    assert_eq!(run.code, 2);
    assert!(run.stdout.contains("1.6a_broken.ipynb: error[NBK001]"));
    assert!(
        run.stderr
            .contains("cannot check notebooks/1.7a_locked.ipynb: "),
        "{}",
        run.stderr
    );
}

#[test]
fn what_git_does_to_notebooks_is_found() {
    let place = sound();
    place.git(&["init", "--quiet"]);
    place.git(&["config", "filter.strip.clean", "nbstripout"]);
    place.write(".gitattributes", "*.ipynb filter=strip\n");
    place.write(
        ".git/hooks/pre-commit",
        "#!/bin/sh\njupyter nbconvert --clear-output --inplace notebooks/*.ipynb\n",
    );
    let check = || {
        let run = place
            .command(&["check", "--quiet", "--output-format", "concise"])
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .output()
            .unwrap();
        String::from_utf8(run.stdout).unwrap()
    };
    let found = check();
    assert!(found.contains(".gitattributes:1: error[GIT001]"), "{found}");
    assert!(
        !found.contains("GIT002"),
        "git passes by what is no program: {found}"
    );
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(place.path(".git/hooks/pre-commit"), mode(0o755)).unwrap();
    let found = check();
    assert!(
        found.contains(".git/hooks/pre-commit:2: error[GIT002]"),
        "{found}"
    );
    // A script beside the hook, which calls one of the repository.
    place.write(
        ".git/hooks/pre-commit",
        "#!/bin/bash\n\n\"$(dirname \"$0\")/strip.sh\" a.ipynb\n",
    );
    place.write(".git/hooks/strip.sh", "exec python tools/strip.py \"$@\"\n");
    place.write(
        "tools/strip.py",
        "import subprocess, sys\nsubprocess.run(['nbstripout', *sys.argv[1:]])\n",
    );
    let found = check();
    assert!(
        found.contains(".git/hooks/pre-commit:3: error[GIT002]") && found.contains("(nbstripout)"),
        "{found}"
    );
}

/// A filter by a macro, taken back for one folder, and a command that is a script of the repository: git
/// says which notebooks go through it.
#[test]
fn git_is_asked_which_notebooks_go_through_a_filter() {
    let place = sound();
    place.git(&["init", "--quiet"]);
    place.git(&["config", "filter.strip.clean", "./tools/strip.sh"]);
    place.write(
        "tools/strip.sh",
        "#!/bin/sh\n# as nbstripout\njq '.cells[].outputs = []'\n",
    );
    place.write(
        ".gitattributes",
        "[attr]stripped filter=strip\n*.ipynb stripped\nnotebooks/*.ipynb !filter\n",
    );
    let check = || {
        let mut check = place.command(&["check", "--quiet", "--output-format", "concise"]);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let output = check.env("PATH", path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(check(), "", "it is taken back for the only notebook");
    place.write("drafts/a.ipynb", NOTEBOOK);
    let found = check();
    assert!(
        found.starts_with(".gitattributes:1: error[GIT001]") && found.contains("`drafts/a.ipynb`"),
        "{found}"
    );
}

/// In a repository of several projects the settings lie at its top, above `selvedge.toml`. Those of a
/// folder below are read by no tool.
#[test]
fn settings_at_the_top_of_the_git_repository_hold_below() {
    let place = Place::new();
    place.write("one/selvedge.toml", "");
    place.write("one/notebooks/1.1a_x.ipynb", NOTEBOOK);
    place.git(&["init", "--quiet"]);
    place.git(&["config", "filter.strip.clean", "nbstripout"]);
    // Git has no command for a filter of this name.
    place.write("one/.gitattributes", "b*.ipynb filter=nbstripout\n");
    place.write("one/notebooks/b.ipynb", NOTEBOOK);
    place.write(".gitattributes", "*.ipynb filter=strip\n");
    let hooks = "repos:\n- repo: x\n  hooks:\n  - id: nbstripout\n    files: ^one/notebooks/\n";
    place.write(".pre-commit-config.yaml", hooks);
    place.write(
        "one/vendor/lefthook.yml",
        "pre-commit: {jobs: [{run: nbstripout a}]}\n",
    );
    place.write(
        ".config/lefthook.yml",
        "pre-commit: {jobs: [{script: a.sh}]}\n",
    );
    place.write(
        ".lefthook/pre-commit/a.sh",
        "nbstripout one/notebooks/*.ipynb\n",
    );
    let mut check = place.command(&["check", "-q", "--select=GIT", "--output-format=concise"]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let output = check
        .current_dir(place.path("one"))
        .env("PATH", path)
        .output()
        .unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    let places: Vec<_> = found
        .lines()
        .filter_map(|line| line.split_once("] "))
        .collect();
    let places: Vec<_> = places.into_iter().map(|(place, _)| place).collect();
    assert_eq!(
        places,
        [
            "../.config/lefthook.yml:1: error[GIT002",
            "../.gitattributes:1: error[GIT001",
            "../.pre-commit-config.yaml:4: error[GIT002",
        ]
    );
}

/// A folder of models as people download them: nobody keeps to names there.
#[test]
fn names_are_left_alone_where_nobody_keeps_to_them() {
    let place = Place::new();
    place.write("models/model.safetensors", safetensors("BF16"));
    place.hdf5("runs/last.h5", "f['losses'] = np.zeros(3, 'f4')");
    assert!(place.findings(&[]).is_empty());
    // Data of tests, and those of a module of a program, say nothing.
    place.write("tests/data/tensors/f32/x.safetensors", safetensors("BF16"));
    place.write("tensors/__init__.py", "");
    place.write("tensors/data/run_1.safetensors", safetensors("BF16"));
    assert!(place.findings(&["--select", "NAM"]).is_empty());
    fs::remove_file(place.path("tensors/__init__.py")).unwrap();
    // Without notebooks that is the size of a model.
    place.write("tensors/Flannel/1.5d_mask.safetensors", safetensors("BF16"));
    place.write("drafts/train.ipynb", NOTEBOOK);
    assert!(place.findings(&["--select", "NAM"]).is_empty());
    // One file in its place says that somebody does.
    place.write("notebooks/1.5d_mask.ipynb", NOTEBOOK);
    let found = place.findings(&["--select", "NAM003"]);
    assert_eq!(
        found,
        ["models/model.safetensors NAM003", "runs/last.h5 NAM003"]
    );
}

/// A checkpoint in several files is loaded by the names that its index gives.
#[test]
fn parts_of_a_checkpoint_keep_their_names() {
    let place = sound();
    for name in ["model-00001-of-00002", "part_a", "other"] {
        let path = format!("tensors/Flannel/{name}.safetensors");
        place.write(&path, safetensors("BF16"));
    }
    let index = r#"{"metadata": {}, "weight_map": {"layer.0.weight": "part_a.safetensors"}}"#;
    place.write("tensors/Flannel/model.safetensors.index.json", index);
    let found = place.findings(&["--select", "NAM001"]);
    assert_eq!(found, ["tensors/Flannel/other.safetensors NAM001"]);
}

/// Chunks that `rechunk` has made for subsets of tokens, or for single steps, are what the file is for.
#[test]
fn chunks_for_another_purpose_are_what_the_file_says() {
    let place = sound();
    let lines = "d = f.create_dataset('W', (20, 10000, 64), 'u2', chunks=(20, 10000, 64), \
                 maxshape=(None, 10000, 64))\nd.attrs['logical_dtype'] = 'bfloat16'";
    place.hdf5("source.h5", lines);
    let made = "tensors/Flannel/flannel_1.h5";
    for purpose in ["tokens", "steps"] {
        let run = place.run(&[
            "rechunk",
            "source.h5",
            made,
            "--for",
            purpose,
            "--overwrite",
        ]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(
            place.findings(&["--select", "TRJ", made]).is_empty(),
            "{purpose}"
        );
    }
}

/// What a killed conversion leaves is hidden, and can be as large as what it was to become.
#[test]
fn what_a_dead_writer_left_is_found_and_what_a_live_one_writes_is_not() {
    let place = sound();
    place.write(".gitignore", "*.h5*\n");
    let path = place.path("tensors/Flannel/flannel_1.h5");
    let mut partial = selvedge_base::Partial::create(&path, false).unwrap();
    place.write("tensors/Flannel/.notes.txt.partial", "of another program");
    assert!(place.findings(&[]).is_empty());
    partial.keep();
    drop(partial);
    let left = "tensors/Flannel/.flannel_1.h5.partial TEN008";
    assert_eq!(place.findings(&[]), [left]);
    assert_eq!(place.findings(&["tensors/Flannel"]), [left]);
    assert!(place.findings(&["notebooks"]).is_empty());
}

#[test]
fn arrays_of_numpy_are_looked_at() {
    let place = sound();
    let folder = place.write("tensors/Flannel/1.5d_ids.npy", "");
    python::on_file(
        "import sys, os, numpy as np\n\
         os.chdir(os.path.dirname(sys.argv[1]))\n\
         bits = (np.random.default_rng(1).standard_normal(4096).astype('f4').view('u4') >> 16).astype('u2')\n\
         np.save('1.5d_ids.npy', np.arange(4096, dtype='u2').reshape(64, 64))\n\
         np.save('1.5d_W.npy', bits.reshape(64, 64))\n\
         np.savez_compressed('1.5d_all.npz', W=bits.reshape(64, 64), x=np.zeros(3))\n\
         np.save('1.5d_opaque.npy', bits.view('V2'))\n\
         np.save('1.5d_half.npy', np.zeros(8, 'f2'))\n\
         np.save('mask.npy', np.zeros(8, bool))\n\
         np.save('1.5d_objects.npy', np.array([{}, None]), allow_pickle=True)\n\
         np.save('1.5d_columns.npy', np.asfortranarray(np.zeros((8, 8))))\n\
         open('1.5d_cut.npy', 'wb').write(open('1.5d_W.npy', 'rb').read()[:999])\n\
         open('1.5d_bad.npz', 'wb').write(open('1.5d_all.npz', 'rb').read()[:999])",
        &folder,
    );
    // Elsewhere an array may be anything, but not damaged.
    place.write(
        "data/mask.npy",
        fs::read(place.path("tensors/Flannel/mask.npy")).unwrap(),
    );
    place.write("data/mask.npz", "");
    let expected = [
        "data/mask.npz TEN009",
        "tensors/Flannel/1.5d_W.npy TEN003",
        "tensors/Flannel/1.5d_all.npz TEN003",
        "tensors/Flannel/1.5d_bad.npz TEN009",
        "tensors/Flannel/1.5d_cut.npy TEN009",
        "tensors/Flannel/1.5d_half.npy TEN002",
        "tensors/Flannel/1.5d_opaque.npy TEN003",
        "tensors/Flannel/mask.npy NAM001",
    ];
    assert_eq!(place.findings(&[]), expected);
    // What is advised works.
    let run = place.run(&["check", "--select", "TEN003", "tensors/Flannel/1.5d_W.npy"]);
    assert!(
        run.stdout.contains("`selvedge convert 1.5d_W.npy"),
        "{}",
        run.stdout
    );
    let paths = ["npy", "safetensors"].map(|end| format!("tensors/Flannel/1.5d_W.{end}"));
    place.print(&["convert", &paths[0], &paths[1], "--assume-bf16", "1.5d_W"]);
    assert!(place.findings(&[&paths[1]]).is_empty());
}

/// Three rows of a matrix were its sample: of meshes, edges and boxes too little to tell, so all were told, and of a
/// checkpoint's second moments too little to find.
#[test]
fn a_matrix_with_short_rows_is_seen_as_a_whole() {
    let place = sound();
    place.hdf5(
        "tensors/Flannel/1.5d_checkpoint.h5",
        "r = np.random.default_rng(1)\n\
         def bits(values): return (values.astype('f4').view('u4') >> 16).astype('u2')\n\
         f['faces'] = r.integers(0, 6890, (13776, 3)).astype('u2')\n\
         f['edges'] = r.integers(0, 50000, (4000, 2)).astype('u2')\n\
         f['tokens'] = r.integers(0, 50257, (5000, 1)).astype('u2')\n\
         f['nothing'] = np.zeros((1000, 2), 'u2')\n\
         f['box'] = np.array([[1, 2], [3, 4]], 'u2')\n\
         f['W'] = bits(r.normal(0, 0.02, (5000, 4)))\n\
         f['squares'] = bits(r.chisquare(1, (10000, 64)) * 1e-9)",
    );
    place.write(
        "tensors/Flannel/1.5d_annexed.h5",
        "/annex/objects/SHA256E-s9--0.h5\n",
    );
    let run = place.check(&["--select", "TEN003,TRJ006"]);
    let found: Vec<&str> = run
        .stdout
        .lines()
        .filter_map(|line| {
            line.strip_prefix("tensors/Flannel/1.5d_")?
                .split(": ")
                .next()
        })
        .collect();
    let expected = ["checkpoint.h5:W", "checkpoint.h5:squares"];
    assert_eq!(found, expected, "{}", run.stdout);
}

/// HDF5 gives zeros for what a virtual dataset takes from a file that was moved, without a word.
#[test]
fn a_missing_source_of_a_virtual_dataset_is_found() {
    let place = sound();
    let view = place.hdf5(
        "tensors/Flannel/flannel_2.h5",
        "g = h5py.File(f.filename[:-4] + '1.h5', 'w'); g['W'] = np.ones((4, 4), 'f4'); g.close()\n\
         layout = h5py.VirtualLayout((4, 4), 'f4')\n\
         layout[:] = h5py.VirtualSource('flannel_1.h5', 'W', (4, 4))\n\
         f.create_virtual_dataset('W', layout)",
    );
    assert!(place.findings(&[]).is_empty());
    let source = view.with_file_name("flannel_1.h5");
    fs::rename(&source, view.with_file_name("flannel_3.h5")).unwrap();
    let run = place.check(&[]);
    assert_eq!(run.code, 1);
    let expected = "flannel_2.h5:W: error[TRJ007] virtual, and takes values from dataset `W` of \
                    flannel_1.h5, which is not there";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
}

#[test]
fn rules_that_read_the_data_do_so_when_they_are_selected() {
    let place = sound();
    place.write("tensors/Flannel/1.5d_copy.safetensors", safetensors("BF16"));
    place.hdf5(
        "tensors/Flannel/flannel_1.h5",
        "v = np.random.default_rng(1).standard_normal(4096).astype('f4').view('u4') & 0xFFFF0000\n\
         f['W'] = v.view('f4').astype('f2').reshape(64, 64)",
    );
    assert!(place.findings(&["--ignore", "TEN002"]).is_empty());
    assert_eq!(
        place.findings(&["--select", "TEN006,TEN007"]),
        [
            "tensors/Flannel/1.5d_mask.safetensors TEN006",
            "tensors/Flannel/flannel_1.h5 TEN007",
        ]
    );
}
