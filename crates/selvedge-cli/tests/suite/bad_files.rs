//! Files that are not what they should be: a clear error that names the path, and never a panic.

use std::fs;
use std::path::Path;

use crate::common::{Place, finished};
use insta::assert_snapshot;
use selvedge_safetensors::Save;
use selvedge_testing::Random;

/// One file of each kind of misfortune; returns their names.
fn make(place: &Place) -> Vec<&'static str> {
    let write = |name: &str, bytes: &[u8]| fs::write(place.path(name), bytes).unwrap();
    write("empty.h5", b"");
    write("text.h5", b"import h5py\n# a script, not a file\n");
    write("short.h5", b"\x89HDF\r\n\x1a\n");
    write("short.safetensors", b"abc");
    write("noise.bin", &[7, 200, 0, 255, 27, 91, 51, 49, 109, 3]);
    write(
        "pointer.h5",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
    );
    write("rows.safetensors.unfinished", b"whatever");
    finished(&place.path("whole.h5"));
    cut(&place.path("whole.h5"), &place.path("cut.h5"));
    Save::new(place.path("whole.safetensors"))
        .tensor("W", [100], &[1.0_f32; 100])
        .write()
        .unwrap();
    cut(
        &place.path("whole.safetensors"),
        &place.path("cut.safetensors"),
    );
    fs::create_dir(place.path("folder")).unwrap();
    vec![
        "empty.h5",
        "text.h5",
        "short.h5",
        "short.safetensors",
        "noise.bin",
        "pointer.h5",
        "rows.safetensors.unfinished",
        "cut.h5",
        "cut.safetensors",
        "folder",
        "/dev/null",
        "whoel.h5",
        "nowhere/at/all.h5",
    ]
}

/// The first half of a file and a little more.
fn cut(from: &Path, to: &Path) {
    let bytes = fs::read(from).unwrap();
    fs::write(to, &bytes[..bytes.len() * 3 / 5]).unwrap();
}

#[test]
fn every_error_names_the_file_and_what_is_wrong() {
    let place = Place::new();
    let mut args = vec!["inspect"];
    args.extend(make(&place));
    let run = place.run(&args);
    assert_eq!((run.code, &*run.stdout), (2, ""));
    assert_eq!(
        run.stderr.lines().count(),
        args.len() - 1,
        "one line for each"
    );
    assert_snapshot!(run.stderr);
}

#[test]
fn a_bad_file_does_not_keep_the_next_one() {
    let place = Place::new();
    make(&place);
    let run = place.run(&["inspect", "empty.h5", "whole.safetensors"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stdout.starts_with("whole.safetensors\n"),
        "{}",
        run.stdout
    );
    let run = place.run(&["inspect", "--json", "empty.h5", "whole.safetensors"]);
    assert_eq!(run.code, 2);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["files"][0]["path"], "whole.safetensors");
    assert_eq!(report["errors"][0]["path"], "empty.h5");
}

/// Files with some bytes changed open or do not, and end in no panic and no signal.
#[test]
fn damaged_files_are_refused_or_shown() {
    let place = Place::new();
    make(&place);
    let mut random = Random(5);
    for name in ["whole.h5", "whole.safetensors"] {
        let bytes = fs::read(place.path(name)).unwrap();
        for _ in 0..40 {
            let mut damaged = bytes.clone();
            for _ in 0..4 {
                let at = usize::try_from(random.below(4096.min(bytes.len() as u64))).unwrap();
                damaged[at] = random.draw().to_le_bytes()[0];
            }
            let path = place.path(&format!("damaged.{}", &name[6..]));
            fs::write(&path, &damaged).unwrap();
            let run = place.run(&["inspect", "--stats", path.to_str().unwrap()]);
            assert!(run.code == 0 || run.code == 2, "{}", run.stderr);
        }
    }
}
