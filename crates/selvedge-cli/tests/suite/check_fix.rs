//! `selvedge check --fix` and `--unsafe-fixes`: what is changed, and what is not.

use std::fs;
use std::path::Path;

use crate::common::Place;
use crate::common::tree::{safetensors, sound};
use selvedge_testing::python;

const WEIGHTS: &str = "bits = np.random.default_rng(1).standard_normal(4096).astype('f4').view('u4') >> 16\n\
     f.create_dataset('W', data=bits.astype('u2').reshape(64, 64), chunks=(16, 64), maxshape=(None, 64))\n\
     f.create_dataset('ids', data=np.arange(4096, dtype='u2').reshape(64, 64))\n\
     f.create_dataset('few', data=np.zeros((2, 2, 2), 'u2'))";

/// What h5py sees: the marker of each dataset, and a checksum of its values.
fn seen(path: &Path) -> String {
    python::on_file(
        "import sys, h5py, zlib\n\
         with h5py.File(sys.argv[1]) as f:\n    \
             for k in f: print(k, f[k].attrs.get('logical_dtype'), zlib.crc32(f[k][:].tobytes()))",
        path,
    )
}

fn unmarked() -> Place {
    let place = sound();
    place.hdf5("tensors/Flannel/flannel_1.h5", WEIGHTS);
    place
}

#[test]
fn bfloat16_is_marked_and_no_value_changes() {
    let place = unmarked();
    let path = place.path("tensors/Flannel/flannel_1.h5");
    let before = seen(&path);
    let run = place.check(&["--fix", "--dry-run"]);
    assert_eq!(run.code, 1);
    assert_eq!(
        run.stderr,
        "would fix tensors/Flannel/flannel_1.h5: set logical_dtype = \"bfloat16\" on `W`\n"
    );
    assert_eq!(seen(&path), before);

    let run = place.check(&["--fix"]);
    assert_eq!(
        run.stderr,
        "fixed tensors/Flannel/flannel_1.h5: set logical_dtype = \"bfloat16\" on `W`\n"
    );
    // Whether zeros are bfloat16 nobody can tell, so that of what may be steps of a matrix stays.
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.contains("flannel_1.h5:few: warning[TEN003]"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains(":W:"), "{}", run.stdout);
    assert_eq!(seen(&path), before.replace("W None", "W bfloat16"));

    let run = place.check(&["--unsafe-fixes", "--yes"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(seen(&path).contains("few bfloat16"));
}

#[test]
fn a_diff_shows_what_fixes_would_change() {
    let place = unmarked();
    place.write("tensors/Flannel/1.5d.safetensors", safetensors("BF16"));
    let before = seen(&place.path("tensors/Flannel/flannel_1.h5"));
    let run = place.run(&["check", "--diff"]);
    let marked = "--- tensors/Flannel/flannel_1.h5\n\
                  +++ tensors/Flannel/flannel_1.h5\n\
                  @@ attributes of W @@\n\
                  +logical_dtype = \"bfloat16\"\n";
    assert_eq!((run.code, &*run.stdout), (1, marked));
    assert_eq!(run.stderr, "1 change would be made\n");
    // A new name is shown so that git makes the same of it.
    let run = place.run(&["check", "--diff", "--unsafe-fixes", "--select", "NAM"]);
    assert_eq!(run.code, 1);
    let diff = place.write("diff", &run.stdout);
    assert_eq!(seen(&place.path("tensors/Flannel/flannel_1.h5")), before);
    assert!(place.path("tensors/Flannel/1.5d.safetensors").exists());
    place.git(&["apply", &diff.display().to_string()]);
    let renamed = "tensors/Flannel/1.5d_tensors.safetensors";
    assert!(place.path(renamed).exists());
    // What would not be done is not shown.
    place.write("tensors/Flannel/1.5d.safetensors", safetensors("U16"));
    let run = place.run(&["check", "--diff", "--unsafe-fixes", "--select", "NAM"]);
    assert_eq!((run.code, &*run.stdout), (2, ""));
    assert!(
        run.stderr
            .contains("there is a `1.5d_tensors.safetensors` already")
    );
    let run = sound().run(&["check", "--diff"]);
    assert_eq!((run.code, &*run.stdout, &*run.stderr), (0, "", ""));
}

/// The mark was looked for under the old name, and the file said to be gone.
#[test]
fn a_file_is_marked_before_it_is_renamed() {
    let place = sound();
    place.hdf5("tensors/Flannel/flannel.h5", WEIGHTS);
    let run = place.check(&["--unsafe-fixes", "--yes"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(seen(&place.path("tensors/Flannel/flannel_1.h5")).contains("W bfloat16"));
}

#[test]
fn a_file_that_is_open_elsewhere_is_not_changed() {
    let place = unmarked();
    let path = place.path("tensors/Flannel/flannel_1.h5");
    let file = fs::File::open(&path).unwrap();
    file.lock_shared().unwrap();
    let run = place.check(&["--fix"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr
            .contains("is open elsewhere; close it there first"),
        "{}",
        run.stderr
    );
    assert!(seen(&path).contains("W None"));
}

#[test]
fn renames_are_asked_for_and_nobody_is_there() {
    let place = sound();
    place.write("tensors/Flannel/1.5d.safetensors", safetensors("BF16"));
    let run = place.check(&["--unsafe-fixes"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr
            .contains("will fix tensors/Flannel/1.5d.safetensors: rename to"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("pass --yes"), "{}", run.stderr);
    assert!(place.path("tensors/Flannel/1.5d.safetensors").exists());
    // What is safe needs no look.
    assert_eq!(place.check(&["--fix"]).code, 1);
    assert!(place.path("tensors/Flannel/1.5d.safetensors").exists());

    let run = place.check(&["--unsafe-fixes", "--yes"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        place
            .path("tensors/Flannel/1.5d_tensors.safetensors")
            .exists()
    );
    assert!(!place.path("tensors/Flannel/1.5d.safetensors").exists());
}

#[test]
fn a_rename_overwrites_nothing() {
    let place = sound();
    place.write("tensors/Flannel/1.5d.safetensors", safetensors("BF16"));
    let there = place.write(
        "tensors/Flannel/1.5d_tensors.safetensors",
        safetensors("U16"),
    );
    let run = place.check(&["--unsafe-fixes", "--yes", "--select", "NAM"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr
            .contains("there is a `1.5d_tensors.safetensors` already"),
        "{}",
        run.stderr
    );
    assert_eq!(fs::read(there).unwrap(), safetensors("U16"));
    assert!(place.path("tensors/Flannel/1.5d.safetensors").exists());
}

/// A recorder takes a file that has lost its name for one that was deleted.
#[test]
fn a_file_that_is_being_recorded_keeps_its_name() {
    let place = sound();
    let path = place.path("tensors/Flannel/flannel.h5");
    let mut run = selvedge_hdf5::Recorder::create(&path)
        .steps(4)
        .scalar::<f32>("loss")
        .start()
        .unwrap();
    run.append(|step| step.put("loss", &1.0_f32)).unwrap();
    run.commit().unwrap();
    let check = place.check(&["--unsafe-fixes", "--yes"]);
    assert_eq!(check.code, 2, "{}", check.stdout);
    assert!(
        check.stderr.contains("it is being recorded"),
        "{}",
        check.stderr
    );
    assert!(path.exists());
    run.finish().unwrap();
}

#[test]
fn what_the_baseline_knows_is_not_fixed() {
    let place = unmarked();
    place.run(&["check", "--write-baseline"]);
    let run = place.check(&["--fix", "--baseline", "selvedge-baseline.toml"]);
    assert_eq!((run.code, &*run.stderr), (0, ""));
    assert!(seen(&place.path("tensors/Flannel/flannel_1.h5")).contains("W None"));
}
