//! What `create` and `resume` refuse, with the file left as it was.

use std::fs;

use half::bf16;
use selvedge_hdf5::{
    DeclareError, FileError, Reader, Recorder, RecorderBuilder, StorageError, recover,
};
use selvedge_testing::python;

use crate::common::faults::{finished, named, names, new_path};
use crate::common::sample::{SMALL, append, check, declare};

#[test]
fn an_existing_file_is_left_alone() {
    let (folder, path) = new_path();
    finished(&path, 5);
    let bytes = fs::read(&path).expect("read");
    let error = declare(Recorder::create(&path), SMALL)
        .start()
        .expect_err("it exists");
    assert!(
        matches!(
            error,
            DeclareError::Storage(StorageError::File(FileError::AlreadyExists { .. }))
        ),
        "{error:?}"
    );
    named(&error, &path);
    assert!(fs::read(&path).expect("read") == bytes);
    assert_eq!(names(folder.path()), ["run_1.h5"]);

    // What a link leads to is meant, not the link.
    let link = folder.path().join("link.h5");
    std::os::unix::fs::symlink("run_1.h5", &link).expect("link");
    let error = declare(Recorder::create(&link), SMALL)
        .start()
        .expect_err("it exists");
    assert!(
        matches!(
            error,
            DeclareError::Storage(StorageError::File(FileError::AlreadyExists { .. }))
        ),
        "{error:?}"
    );
    named(&error, &path);
    assert!(fs::read(&path).expect("read") == bytes);

    let mut run = declare(Recorder::create(&path).overwrite(true), SMALL)
        .start()
        .expect("start");
    append(&mut run, SMALL).expect("append");
    run.finish().expect("finish");
    assert_eq!(check(&path, SMALL).extents, [1; 5]);
    assert_eq!(names(folder.path()), ["link.h5", "run_1.h5"]);
}

#[test]
fn folders_are_created_and_are_no_files() {
    let (folder, _) = new_path();
    let path = folder.path().join("tensors/Thimble/thimble_7.h5");
    finished(&path, 2);
    assert_eq!(check(&path, SMALL).extents, [2; 5]);

    let directory = folder.path().join("tensors");
    for overwrite in [false, true] {
        let error = declare(Recorder::create(&directory).overwrite(overwrite), SMALL)
            .start()
            .expect_err("a directory");
        named(&error, &directory);
        assert_eq!(names(folder.path()), ["tensors"]);
    }
    named(
        &Recorder::resume(&directory)
            .start()
            .expect_err("a directory"),
        &directory,
    );
    named(&recover(&directory).expect_err("a directory"), &directory);
    named(
        &Reader::open(&directory).expect_err("a directory"),
        &directory,
    );

    // A file where a folder is expected.
    let below = path.join("run.h5");
    named(
        &declare(Recorder::create(&below), SMALL)
            .start()
            .expect_err("no folder"),
        &path,
    );
}

#[test]
fn a_folder_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let read_only = folder.path().join("read_only");
    fs::create_dir(&read_only).expect("create");
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o555)).expect("chmod");
    let path = read_only.join("run.h5");
    if fs::write(&path, "").is_ok() {
        return println!("not tested: modes do not bind this user");
    }
    let error = declare(Recorder::create(&path), SMALL)
        .start()
        .expect_err("read-only");
    let text = named(&error, &path);
    assert!(text.contains("Permission denied"), "{text}");
}

#[test]
fn a_file_that_is_no_trajectory_is_not_resumed() {
    let (_folder, path) = new_path();
    let refused = |what: &str| {
        let before = fs::read(&path).ok();
        let texts = [
            named(
                &declare(Recorder::resume(&path), SMALL)
                    .start()
                    .expect_err(what),
                &path,
            ),
            named(&Recorder::resume(&path).start().expect_err(what), &path),
            named(&recover(&path).expect_err(what), &path),
        ];
        assert!(fs::read(&path).ok() == before, "{what} was changed");
        texts
    };
    for text in refused("a missing file") {
        assert!(text.contains("No such file"), "{text}");
    }
    assert!(!path.exists());
    fs::write(&path, "").expect("write");
    refused("an empty file");
    fs::write(&path, "step,loss\n0,2.5\n".repeat(1000)).expect("write");
    refused("a text file");

    fs::remove_file(&path).expect("remove");
    finished(&path, 2000);
    let whole = fs::read(&path).expect("read");
    for keep in [whole.len() - 1, whole.len() / 2, 4096, 97, 96, 8] {
        fs::write(&path, &whole[..keep]).expect("write");
        for text in refused("a truncated file") {
            assert!(keep < 96 || text.contains("truncated"), "{text}");
        }
    }

    for libver in ["earliest", "latest"] {
        python::run(
            "import h5py, sys\nimport numpy as np\n\
             f = h5py.File(sys.argv[1], 'w', libver=sys.argv[2])\n\
             f.create_dataset('W', data=np.ones((3, 4), 'f4'), maxshape=(None, 4), chunks=(2, 4))\n\
             f['loss'] = np.ones(3)\nf.close()",
            [path.as_os_str(), libver.as_ref()],
        );
        let [_, undeclared, recovered] = refused("a file of h5py");
        // `recover` said of the latest format that it had expected "the versions [0, 0, 0, 0, 0]".
        let said = "it has no attribute `selvedge_format`";
        for told in [undeclared, recovered] {
            assert!(
                told.contains("not a trajectory") && told.contains(said),
                "{told}"
            );
        }
    }
}

#[test]
fn a_run_that_differs_is_not_resumed() {
    let (_folder, path) = new_path();
    let base = |builder: RecorderBuilder| {
        builder
            .tensor::<bf16>("W", [3, 2])
            .scalar::<f32>("loss")
            .constant("ids", &[1_i32, 2, 3])
            .attribute("learning_rate", 1e-3)
    };
    let mut run = base(Recorder::create(&path)).start().expect("start");
    run.append(|step| step.put("W", &[bf16::ONE; 6])?.put("loss", &1.0_f32))
        .expect("append");
    run.finish().expect("finish");
    let bytes = fs::read(&path).expect("read");

    let resume = || Recorder::resume(&path);
    let two = || resume().tensor::<bf16>("W", [3, 2]).scalar::<f32>("loss");
    let cases = [
        (
            resume().tensor::<u16>("W", [3, 2]).scalar::<f32>("loss"),
            "tensor `W`: the file has bfloat16 [3, 2], declared is uint16 [3, 2]",
        ),
        (
            resume().tensor::<bf16>("W", [2, 3]).scalar::<f32>("loss"),
            "tensor `W`: the file has bfloat16 [3, 2], declared is bfloat16 [2, 3]",
        ),
        (
            resume()
                .tensor::<bf16>("W", [3, 2])
                .tensor::<f32>("loss", [1]),
            "tensor `loss`: the file has float32 [], declared is float32 [1]",
        ),
        (
            resume().tensor::<bf16>("W", [3, 2]),
            "tensor `loss`: the file has float32 [], declared is nothing",
        ),
        (
            two().scalar::<f32>("accuracy"),
            "tensor `accuracy`: the file has nothing, declared is float32 []",
        ),
        (
            two().constant("ids", &[1_i32, 2, 4]),
            "constant `ids`: the file has other values, declared is these values",
        ),
        (
            two().constant("ids", &[1_i32, 2]),
            "constant `ids`: the file has int32 [3], declared is int32 [2]",
        ),
        (
            two().constant("ids", &[1_i64, 2, 3]),
            "constant `ids`: the file has int32 [3], declared is int64 [3]",
        ),
        (
            two().constant("mask", &[true]),
            "constant `mask`: the file has nothing, declared is bool [1]",
        ),
        (
            two().attribute("learning_rate", 2e-3),
            "attribute `learning_rate`: the file has 0.001, declared is 0.002",
        ),
        (
            two().attribute("seed", 7),
            "attribute `seed`: the file has nothing, declared is 7",
        ),
    ];
    for (builder, expected) in cases {
        let error = builder.start().expect_err(expected);
        let text = named(&error, &path);
        assert!(text.contains(expected), "{text}\nexpected: {expected}");
        assert!(
            matches!(error, DeclareError::ResumeMismatch { .. }),
            "{error:?}"
        );
        assert!(
            fs::read(&path).expect("read") == bytes,
            "the file was changed"
        );
    }
    // In another order it is the same run.
    let mut run = resume()
        .scalar::<f32>("loss")
        .tensor::<bf16>("W", [3, 2])
        .start()
        .expect("resume");
    run.append(|step| step.put("loss", &2.0_f32)?.put("W", &[bf16::ZERO; 6]))
        .expect("append");
    assert_eq!(run.finish().expect("finish").steps, 2);
    let file = Reader::open(&path).expect("open");
    let loss: Vec<f32> = file.tensor("loss").expect("loss").read().expect("read");
    assert_eq!(loss, [1.0, 2.0]);
}
