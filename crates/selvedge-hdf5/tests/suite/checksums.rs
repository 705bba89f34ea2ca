//! Checksums: where they are found, what they notice, and what they survive.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use selvedge_hdf5::{
    ChecksumOptions, ChecksumReport, CompareOptions, FileError, ReadPattern, Reader, Rechunk,
    Recorder, RewriteError, StorageError, TensorChecksums, add_checksums, compare,
    verify_checksums,
};
use selvedge_testing::python;

use crate::common::faults::{begin, finished, new_path};
use crate::common::sample::{Checker, LARGE, SMALL, append, check, declare};

fn verify(path: &Path) -> ChecksumReport {
    let report = verify_checksums(&Reader::open(path).unwrap(), |_| {}).unwrap();
    println!("{report}");
    report
}

fn of<'a>(report: &'a ChecksumReport, tensor: &str) -> &'a TensorChecksums {
    let mut tensors = report.tensors.iter();
    tensors.find(|found| found.tensor == tensor).unwrap()
}

/// The checksums by the definition in `docs/format.md`, with nothing of this crate.
const SUMS: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1]) as f:
    for name, d in f.items():
        steps, covered = d.attrs["selvedge_checksum_steps"], d.attrs["selvedge_checksum_covered"]
        sums = d.attrs["selvedge_checksums"]
        assert sums.dtype == np.uint64 and len(sums) == -(-covered // steps) and covered == len(d)
        print(name, steps, *sums)
"#;

#[test]
fn checksums_do_not_depend_on_the_layout() {
    let (folder, path) = new_path();
    begin(Recorder::create(&path), LARGE, 60).finish().unwrap();
    assert!(!verify(&path).has_checksums());
    assert!(verify(&path).is_clean());
    add_checksums(&path, |_| {}).unwrap();
    let expected = python::on_file(SUMS, &path);
    assert!(expected.lines().count() == 7 && verify(&path).is_clean());
    assert_eq!(Checker::new().check(&path, LARGE).extents, [60; 5]);
    for pattern in [ReadPattern::SingleSteps, ReadPattern::TokenSubset] {
        let output = folder.path().join("out_1.h5");
        let rechunk = Rechunk::new(&path, &output)
            .pattern(pattern)
            .overwrite(true);
        // Not asked for, they are those of the input, which are of the same values.
        let summary = rechunk.clone().run(|_| {}).unwrap();
        assert!(summary.plan.checksums);
        assert_eq!(python::on_file(SUMS, &output), expected);
        assert!(verify(&output).is_complete());
        rechunk.checksums(true).run(|_| {}).unwrap();
        assert_eq!(python::on_file(SUMS, &output), expected);
        let report = verify(&output);
        assert!(report.is_clean() && report.has_checksums());
        let [left, right] = [&path, &output].map(|path| Reader::open(path).unwrap());
        let options = CompareOptions::default()
            .trust_checksums(true)
            .attributes(true);
        let found = compare(&left, &right, &options, |_| {}).unwrap();
        assert!(found.is_equal() && found.trusted == found.bytes && found.bytes > 0);
        let told = found.to_string();
        assert!(
            !told.contains(", bit for bit") && told.contains("compared bit for bit: 0 B"),
            "{told}"
        );
        // They are no attributes of the tensor.
        let w = right.tensor("W").unwrap();
        assert_eq!(w.attributes().unwrap().len(), 1);
        assert!(w.skipped_attributes().unwrap().is_empty());
    }
    // Again, in place of those that are there.
    add_checksums(&path, |_| {}).unwrap();
    assert_eq!(python::on_file(SUMS, &path), expected);
}

/// Address and size of the first chunk of W, and its steps.
const CHUNK: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1]) as f:
    info = f["W"].id.get_chunk_info(0)
    print(info.byte_offset, f["W"].attrs["selvedge_checksum_steps"], f["W"].chunks[0])
"#;

#[test]
fn damage_is_found_at_its_range() {
    let (_folder, path) = new_path();
    begin(Recorder::create(&path).steps(60), LARGE, 60)
        .finish()
        .unwrap();
    add_checksums(&path, |_| {}).unwrap();
    let told = python::on_file(CHUNK, &path);
    let told: Vec<u64> = told.split(' ').map(|word| word.parse().unwrap()).collect();
    let (address, range) = (told[0], told[1]);
    assert!((2..30).contains(&range), "{told:?}");
    // One bit, in the last byte of step 37.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let at = address + 38 * 128 * 256 * 2 - 1;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    let report = verify(&path);
    assert!(!report.is_clean());
    let first = 37 / range * range;
    let damaged = first..(first + range).min(60);
    for tensor in &report.tensors {
        let expected = if tensor.tensor == "W" {
            vec![damaged.clone()]
        } else {
            Vec::new()
        };
        assert_eq!(tensor.mismatched, expected);
    }
    assert!(
        report
            .to_string()
            .contains(&format!("steps {}..{}", damaged.start, damaged.end))
    );
    file.write_all_at(&byte, at).unwrap();
    assert!(verify(&path).is_clean());
}

/// The first checksums that were added to a file with a chunk of an odd number of bytes moved the
/// leading extents to an odd address, and the run could not go on.
#[test]
fn a_resumed_run_has_checksums_of_what_it_had() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path).chunk_target(900_000), LARGE, 40);
    append(&mut run, LARGE).unwrap();
    // Not of a file that is being recorded, or whose recorder died.
    let error = add_checksums(&path, |_| {}).unwrap_err();
    assert!(
        matches!(
            error,
            RewriteError::Storage(StorageError::File(FileError::InUse { .. }))
        ),
        "{error}"
    );
    drop(run);
    let error = add_checksums(&path, |_| {}).unwrap_err();
    assert!(matches!(error, RewriteError::NotFinished { .. }), "{error}");
    selvedge_hdf5::recover(&path).unwrap();
    add_checksums(&path, |_| {}).unwrap();

    let mut run = declare(Recorder::resume(&path), LARGE).start().unwrap();
    for steps in 42..=70 {
        append(&mut run, LARGE).unwrap();
        run.commit().unwrap();
        let report = verify(&path);
        assert!(report.is_clean(), "{report}");
        let w = of(&report, "W");
        assert_eq!((w.covered, w.steps), (41, steps));
    }
    run.finish().unwrap();
    let report = verify(&path);
    assert!(
        report.is_clean() && report.to_string().contains("41 of 70 steps"),
        "{report}"
    );
    assert_eq!(check(&path, LARGE).extents, [70; 5]);
    add_checksums(&path, |_| {}).unwrap();
    assert_eq!(of(&verify(&path), "W").covered, 70);
    assert_eq!(Checker::new().check(&path, LARGE).extents, [70; 5]);
}

#[test]
fn steps_that_were_cut_off_are_told() {
    let (_folder, path) = new_path();
    finished(&path, 20);
    add_checksums(&path, |_| {}).unwrap();
    let cut = "import sys, h5py\nwith h5py.File(sys.argv[1], 'r+') as f:\n  for n in ('W', 'moment', 'mask', 'loss', 'count'): f[n].resize(12, axis=0)";
    python::on_file(cut, &path);
    let report = verify(&path);
    assert!(!report.is_clean());
    let loss = of(&report, "loss");
    assert_eq!(
        (loss.covered, loss.steps, loss.mismatched.len()),
        (20, 12, 0)
    );
}

/// Values were changed after their checksums were made, and new checksums said that this is how they were.
#[test]
fn what_was_changed_gets_no_new_checksums_without_a_word() {
    let (folder, path) = new_path();
    finished(&path, 20);
    add_checksums(&path, |_| {}).unwrap();
    let change = "import sys, h5py\nwith h5py.File(sys.argv[1], 'r+') as f: f['W'][7] ^= 1";
    python::on_file(change, &path);
    let before = std::fs::read(&path).unwrap();
    let output = folder.path().join("new_1.h5");
    let rechunk = Rechunk::new(&path, &output).checksums(true);
    for error in [
        add_checksums(&path, |_| {}).unwrap_err(),
        rechunk.clone().run(|_| {}).unwrap_err(),
    ] {
        assert!(
            matches!(&error, RewriteError::WrongChecksums { tensors, .. } if tensors.len() == 1),
            "{error}"
        );
        let told = error.to_string();
        for part in [
            "run_1.h5",
            "`W`: steps ",
            "not as they were",
            "--trust-values",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    assert!(std::fs::read(&path).unwrap() == before && !output.exists());
    // The old ones go on to say that something has changed.
    rechunk.clone().checksums(false).run(|_| {}).unwrap();
    assert_eq!(
        of(&verify(&output), "W").mismatched,
        of(&verify(&path), "W").mismatched
    );
    assert!(!verify(&output).is_clean());
    let rechunk = rechunk.overwrite(true);
    let summary = rechunk.clone().skip_damaged(true).run(|_| {}).unwrap();
    assert_eq!(summary.plan.left_out[0].0, "`W`");
    assert!(Reader::open(&output).unwrap().tensor("W").is_err());
    rechunk.trust_values(true).run(|_| {}).unwrap();
    let trusting = ChecksumOptions::default().trust_values(true);
    trusting.add(&path, |_| {}).unwrap();
    for path in [&path, &output] {
        let report = verify(path);
        assert!(report.is_clean() && report.is_complete());
    }
    // What has checksums of all values is read once, and written nowhere.
    let (mut bytes, mut last) = (0, 0);
    let before = std::fs::read(&path).unwrap();
    add_checksums(&path, |progress| {
        bytes += progress.done.saturating_sub(last);
        last = progress.done;
    })
    .unwrap();
    assert_eq!(bytes, verify(&path).verified);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn checksums_that_do_not_fit_are_told_and_hinder_no_others() {
    let (_folder, path) = new_path();
    finished(&path, 20);
    add_checksums(&path, |_| {}).unwrap();
    let script = "import sys, h5py\nwith h5py.File(sys.argv[1], 'r+') as f: f['W'].attrs['selvedge_checksum_covered'] = -3";
    python::on_file(script, &path);
    let report = verify(&path);
    assert!(report.is_clean() && !report.is_complete());
    let w = of(&report, "W");
    assert!(w.present && w.covered == 0 && w.mismatched.is_empty());
    let told = w.damaged.as_ref().unwrap();
    assert!(told.contains("do not make"), "{told}");
    assert_eq!(of(&report, "loss").covered, 20);
    let error = add_checksums(&path, |_| {}).unwrap_err();
    assert!(
        matches!(error, RewriteError::WrongChecksums { .. }),
        "{error}"
    );
    let output = path.with_file_name("new_1.h5");
    let summary = Rechunk::new(&path, &output).run(|_| {}).unwrap();
    let (what, why) = &summary.plan.left_out[0];
    assert!(
        what == "checksums of `W`" && why.contains("do not make"),
        "{what}: {why}"
    );
    assert_eq!(of(&verify(&output), "loss").covered, 20);
    let trusting = ChecksumOptions::default().trust_values(true);
    trusting.add(&path, |_| {}).unwrap();
    assert!(verify(&path).is_complete());
    check(&path, SMALL);
}
