//! What goes wrong around a recorder: a full disk, other programs at its file, a caller's mistakes.
//!
//! Each time the error says what happened and to which file, what was recorded before is there, and
//! nothing hangs or panics.

use std::error::Error as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use half::bf16;
use selvedge_hdf5::{Dtype, Error, Reader, Recorder, RecorderBuilder, RunState, recover};

use common::sample::{
    self, Checker, LARGE, SMALL, Shape, again, append, check, declare, is_child, setting, tell,
};

mod common;

/// A folder and the path of a run in it.
fn new_path() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run_1.h5");
    (folder, path)
}

/// A recorder of the sample, at work, with `steps` committed steps.
fn begin(builder: RecorderBuilder, shape: Shape, steps: u64) -> Recorder {
    let mut run = declare(builder, shape).start().expect("start");
    for _ in 0..steps {
        append(&mut run, shape).expect("append");
    }
    assert_eq!(run.commit().expect("commit"), steps);
    run
}

/// A finished run of the sample.
fn finished(path: &Path, steps: u64) {
    let run = begin(Recorder::create(path), SMALL, steps);
    assert_eq!(run.finish().expect("finish").steps, steps);
}

/// An error that names the file; all of its sources in one text.
fn named(error: &Error, path: &Path) -> String {
    let mut text = error.to_string();
    assert!(
        text.contains(&path.display().to_string()),
        "`{text}` does not name {}",
        path.display()
    );
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    println!("{text}");
    text
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// The cause of an [`Error::Stopped`], and the committed steps that it tells.
fn cause(error: Error) -> (std::sync::Arc<Error>, u64) {
    match error {
        Error::Stopped {
            source, committed, ..
        } => (source, committed),
        other => panic!("expected `Stopped`, found {other:?}"),
    }
}

/// Appends until the recorder refuses.
fn append_until_stopped(run: &mut Recorder, shape: Shape) -> Error {
    for _ in 0..100_000 {
        if let Err(error) = append(run, shape) {
            return error;
        }
    }
    panic!("no error in 100,000 steps");
}

// A full disk.

const LIMITED: &str = "
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
os.execv(sys.argv[2], sys.argv[2:])
";

/// Runs `child` with files of at most `limit` bytes, which fail like a full disk.
fn with_limit(child: &Command, limit: u64) {
    let mut limited = common::script(LIMITED, [limit.to_string().as_ref(), child.get_program()]);
    limited.args(child.get_args());
    limited.envs(
        child
            .get_envs()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    let output = limited.output().expect("python starts");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn child_that_cannot_create() {
    if !is_child("child_that_cannot_create") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let planned: u64 = setting("STEPS");
    let builder = declare(Recorder::create(&path), LARGE);
    let builder = if planned > 0 {
        builder.steps(planned)
    } else {
        builder
    };
    let text = named(&builder.start().expect_err("the file is too large"), &path);
    assert!(text.contains("File too large"), "{text}");
}

#[test]
fn a_disk_that_is_full_at_creation() {
    let (folder, path) = new_path();
    for steps in [100_u64, 0] {
        // No byte at all, the middle of the metadata, and the last part of the chunks.
        for limit in [0, 3000, 1 << 20] {
            let settings = [
                ("PATH", path.display().to_string()),
                ("STEPS", steps.to_string()),
            ];
            with_limit(&again("child_that_cannot_create", &settings), limit);
            assert_eq!(
                names(folder.path()),
                [""; 0],
                "{steps} steps, limit {limit}"
            );
        }
    }
}

#[test]
fn child_that_fills_its_limit() {
    if !is_child("child_that_fills_its_limit") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let mut run = declare(Recorder::create(&path), LARGE)
        .chunk_target(200_000)
        .queue_bytes(1 << 20)
        .start()
        .expect("start");
    let text = named(&append_until_stopped(&mut run, LARGE), &path);
    assert!(text.contains("File too large"), "{text}");
    assert!(
        text.contains("has stopped") && text.contains("resume"),
        "{text}"
    );

    // Every later call says the same.
    let (first, committed) = cause(append(&mut run, LARGE).expect_err("stopped"));
    let (second, again) = cause(run.commit().expect_err("stopped"));
    assert_eq!((first.to_string(), committed), (second.to_string(), again));
    assert_eq!(run.committed(), committed);
    let (third, again) = cause(run.finish().expect_err("stopped"));
    assert_eq!((first.to_string(), committed), (third.to_string(), again));
    assert!(committed > 0);
    tell(format_args!("committed {committed}"));
    assert_eq!(check(&path, LARGE).committed(), committed);
}

#[test]
fn a_disk_that_becomes_full() {
    let (folder, path) = new_path();
    let settings = [("PATH", path.display().to_string())];
    with_limit(&again("child_that_fills_its_limit", &settings), 12_000_000);
    assert_eq!(names(folder.path()), ["run_1.h5"]);
    let mut checker = Checker::new();
    let before = checker.check(&path, LARGE);
    assert!(before.committed() > 0);
    // When the disk has room again, the run goes on.
    let mut run = declare(Recorder::resume(&path), LARGE)
        .start()
        .expect("resume");
    for _ in 0..30 {
        append(&mut run, LARGE).expect("append");
    }
    let steps = run.finish().expect("finish").steps;
    assert_eq!(steps, before.committed() + 30);
    let after = checker.check(&path, LARGE);
    assert_eq!((after.extents, after.state), ([steps; 5], 1));
}

#[test]
fn child_on_a_small_file_system() {
    if !is_child("child_on_a_small_file_system") {
        return;
    }
    let folder: PathBuf = setting("PATH");
    let mut checker = Checker::new();

    // More than the disk has is refused before anything is written.
    let path = folder.join("planned.h5");
    let planned = |steps| declare(Recorder::create(&path), LARGE).steps(steps);
    let error = planned(1000).start().expect_err("84 MB on 8 MB");
    assert!(matches!(error, Error::DiskTooSmall { .. }), "{error}");
    named(&error, &path);
    assert_eq!(names(&folder), [""; 0]);

    // A planned run, and another program that takes the room meanwhile.
    let mut run = begin(Recorder::create(&path).steps(60), LARGE, 10);
    let ballast = folder.join("ballast");
    let free = 8_000_000 - fs::metadata(&path).map_or(0, |_| 10 * 84_000);
    fs::write(&ballast, vec![1; free - 1_500_000]).expect("write the ballast");
    let error = append_until_stopped(&mut run, LARGE);
    let text = named(&error, &path);
    assert!(text.contains("No space left on device"), "{text}");
    let (source, committed) = cause(error);
    assert!(matches!(*source, Error::WriteStep { .. }), "{source:?}");
    let (_, at_the_end) = cause(run.finish().expect_err("stopped"));
    assert_eq!(at_the_end, committed);
    assert_eq!(checker.check(&path, LARGE).committed(), committed);
    assert!((10..60).contains(&committed));
    // It goes on when there is room.
    fs::remove_file(&ballast).expect("remove");
    let mut run = declare(Recorder::resume(&path), LARGE)
        .start()
        .expect("resume");
    while run.appended() < 60 {
        append(&mut run, LARGE).expect("append");
    }
    run.finish().expect("finish");
    assert_eq!(checker.check(&path, LARGE).extents, [60; 5]);
    fs::remove_file(&path).expect("remove");

    // An open-ended run.
    let path = folder.join("open.h5");
    let mut run = begin(Recorder::create(&path).chunk_target(500_000), LARGE, 5);
    let text = named(&append_until_stopped(&mut run, LARGE), &path);
    assert!(text.contains("No space left on device"), "{text}");
    let (_, committed) = cause(run.commit().expect_err("stopped"));
    drop(run);
    assert!(committed >= 5);
    let seen = checker.check(&path, LARGE);
    assert_eq!((seen.committed(), seen.state), (committed, 0));
    let recovery = recover(&path).expect("recover on a full disk");
    assert_eq!(recovery.committed, committed);
    assert_eq!(checker.check(&path, LARGE).state, 2);
    fs::remove_file(&path).expect("remove");

    // A disk without room for anything.
    fs::write(&ballast, vec![1; 4096]).expect("write");
    while fs::OpenOptions::new()
        .append(true)
        .open(&ballast)
        .and_then(|mut file| std::io::Write::write_all(&mut file, &[1; 4096]))
        .is_ok()
    {}
    let error = declare(Recorder::create(&path), LARGE)
        .start()
        .expect_err("no room");
    named(&error, &path);
    assert_eq!(names(&folder), ["ballast"]);
    tell(format_args!("done"));
}

#[test]
fn a_small_file_system_that_becomes_full() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [("PATH", folder.path().display().to_string())];
    let child = again("child_on_a_small_file_system", &settings);
    // A mount of this process only, which goes with it.
    let mount = "mount -t tmpfs -o size=8m tmpfs \"$SELVEDGE_TEST_PATH\" || exit 77; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", mount, "sh"]);
    command.arg(child.get_program()).args(child.get_args());
    command.envs(
        child
            .get_envs()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return println!("not tested: unshare: {error}"),
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || stderr.starts_with("unshare:") {
        return println!("not tested, for want of the right to mount: {stderr}");
    }
    assert!(
        output.status.success() && stdout.contains("@done"),
        "{stdout}\n{stderr}"
    );
}

// Other programs at the file.

/// Goes on after something was done to the file; returns what the recorder says.
fn go_on(mut run: Recorder) -> (std::sync::Arc<Error>, u64) {
    // The next call, or the one after the writer looked.
    let error = append(&mut run, SMALL)
        .and_then(|_| run.commit())
        .expect_err("the file is not the recorder's any more");
    let text = named(&error, run.path());
    assert!(!text.contains("are in the file"), "it is gone: {text}");
    let first = cause(error);
    let (again, _) = cause(append(&mut run, SMALL).expect_err("stopped"));
    assert_eq!(again.to_string(), first.0.to_string());
    let (again, _) = cause(run.finish().expect_err("stopped"));
    assert_eq!(again.to_string(), first.0.to_string());
    first
}

/// Runs of known length and open-ended ones.
fn builders(path: &Path) -> [RecorderBuilder; 2] {
    [
        Recorder::create(path).steps(1000),
        Recorder::create(path).chunk_target(480),
    ]
}

#[test]
fn h5py_truncates_the_file() {
    let (_folder, path) = new_path();
    for builder in builders(&path) {
        let run = begin(builder, SMALL, 100);
        // With its lock h5py fails, but has truncated the file before it asks for it.
        let said = common::on_file(
            "import h5py, sys\ntry: h5py.File(sys.argv[1], 'w')\nexcept OSError as e: print(e)",
            &path,
        );
        assert!(said.contains("lock"), "{said}");
        let (source, committed) = go_on(run);
        assert!(
            matches!(*source, Error::Truncated { .. } | Error::Overwritten { .. }),
            "{source:?}"
        );
        assert_eq!(committed, 100);
        fs::remove_file(&path).expect("remove");
    }
}

#[test]
fn h5py_writes_another_file_over_it() {
    let (_folder, path) = new_path();
    for elements in [1, 1_000_000] {
        for builder in builders(&path) {
            let run = begin(builder, SMALL, 100);
            common::run(
                "import h5py, sys\nimport numpy as np\n\
                 f = h5py.File(sys.argv[1], 'w', locking=False)\n\
                 f['mine'] = np.ones(int(sys.argv[2]))\nf.close()",
                [path.as_os_str(), elements.to_string().as_ref()],
            );
            let (source, _) = go_on(run);
            assert!(
                matches!(*source, Error::Truncated { .. } | Error::Overwritten { .. }),
                "{source:?}"
            );
            // What is there now belongs to the other program, and was left alone.
            let sum = common::on_file(
                "import h5py, sys\nprint(int(h5py.File(sys.argv[1])['mine'][:].sum()))",
                &path,
            );
            assert_eq!(sum, elements.to_string());
            fs::remove_file(&path).expect("remove");
        }
    }
}

#[test]
fn the_file_is_deleted() {
    let (folder, path) = new_path();
    for builder in builders(&path) {
        let run = begin(builder, SMALL, 10);
        fs::remove_file(&path).expect("remove");
        let (source, committed) = go_on(run);
        assert!(matches!(*source, Error::Deleted { .. }), "{source:?}");
        assert_eq!(committed, 10);
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn the_file_is_replaced() {
    let (folder, path) = new_path();
    let other = folder.path().join("other.h5");
    for builder in builders(&path) {
        let run = begin(builder, SMALL, 10);
        fs::write(&other, "somebody's").expect("write");
        fs::rename(&other, &path).expect("rename");
        let (source, _) = go_on(run);
        assert!(matches!(*source, Error::Deleted { .. }), "{source:?}");
        assert_eq!(fs::read(&path).expect("read"), b"somebody's");
        fs::remove_file(&path).expect("remove");
    }
}

// A caller's mistakes.

#[test]
fn a_mistake_in_a_step_costs_that_step_only() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path), SMALL, 3);
    let good = sample::step(SMALL, 3);

    let error = run
        .append(|step| step.put("loss", &1.0_f32))
        .expect_err("four are missing");
    assert!(
        matches!(error, Error::MissingTensors { step: 3, .. }),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "step 3 lacks `W`, `moment`, `mask`, `count`; a step has all tensors or is not recorded"
    );
    let error = run
        .append(|step| step.put("los", &1.0_f32))
        .expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "no tensor `los` was declared; the step tensors are `W`, `moment`, `mask`, `loss`, `count`"
    );
    let error = run
        .append(|step| step.put("loss", &1.0_f64))
        .expect_err("wrong dtype");
    assert_eq!(
        error.to_string(),
        "tensor `loss` holds float32, found float64"
    );
    let error = run
        .append(|step| step.put("W", &vec![1_u16; 24]))
        .expect_err("wrong dtype");
    assert!(matches!(
        error,
        Error::DtypeMismatch {
            expected: Dtype::Bf16,
            found: Dtype::U16,
            ..
        }
    ));
    let error = run
        .append(|step| step.put("W", &vec![bf16::ONE; 23]))
        .expect_err("wrong length");
    assert_eq!(
        error.to_string(),
        "tensor `W` of shape [6, 4] has 24 elements, found 23"
    );
    let error = run
        .append(|step| step.put("loss", &1.0_f32)?.put("loss", &2.0_f32))
        .expect_err("twice");
    assert_eq!(error.to_string(), "tensor `loss` was put twice into step 3");
    // The closure gives up with an error of its own making.
    let error = run
        .append(|step| {
            step.put("loss", &1.0_f32)?;
            Err(Error::NoTensors)
        })
        .expect_err("its own");
    assert!(matches!(error, Error::NoTensors));

    assert_eq!((run.appended(), run.committed()), (3, 3));
    assert_eq!(sample::put(&mut run, &good).expect("append"), 3);
    // A mistake behind a step that waits in the same block.
    run.append(|step| step.put("loss", &1.0_f32))
        .expect_err("four are missing");
    append(&mut run, SMALL).expect("append");
    assert_eq!(run.finish().expect("finish").steps, 5);
    assert_eq!(Checker::new().check(&path, SMALL).extents, [5; 5]);
}

#[test]
fn more_steps_than_planned() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path).steps(4), SMALL, 4);
    for _ in 0..2 {
        let error = append(&mut run, SMALL).expect_err("four were planned");
        assert!(
            matches!(error, Error::BeyondPlan { planned: 4 }),
            "{error:?}"
        );
    }
    run.finish().expect("finish");
    let mut run = declare(Recorder::resume(&path).steps(6), SMALL)
        .start()
        .expect("resume");
    append(&mut run, SMALL).expect("append");
    append(&mut run, SMALL).expect("append");
    append(&mut run, SMALL).expect_err("six were planned");
    run.finish().expect("finish");
    assert_eq!(Checker::new().check(&path, SMALL).extents, [6; 5]);
}

/// A step whose closure panics half way.
fn panicking_step(run: &mut Recorder) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        run.append(|step| {
            step.put("loss", &1.0_f32)?.put("count", &7_i64)?;
            panic!("the training loop's own");
        })
    }));
    assert!(panicked.is_err());
}

#[test]
fn a_panic_in_a_step_costs_that_step_only() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path), SMALL, 3);
    panicking_step(&mut run);
    assert_eq!(run.appended(), 3);
    append(&mut run, SMALL).expect("append");
    panicking_step(&mut run);
    panicking_step(&mut run);
    append(&mut run, SMALL).expect("append");
    panicking_step(&mut run);
    assert_eq!(run.finish().expect("finish").steps, 5);
    assert_eq!(Checker::new().check(&path, SMALL).extents, [5; 5]);
}

/// The block with the step before the panic stayed with the recorder, and `commit` waited for ever
/// for the writer to get it.
#[test]
fn commit_after_a_panic_in_a_step_does_not_hang() {
    let (_folder, path) = new_path();
    let mut run = begin(Recorder::create(&path), SMALL, 3);
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        append(&mut run, SMALL).expect("append");
        panicking_step(&mut run);
        let committed = run.commit().expect("commit");
        let _ = done.send(committed);
        run.finish().expect("finish").steps
    });
    match wait.recv_timeout(Duration::from_secs(30)) {
        Ok(committed) => assert_eq!(committed, 4),
        Err(error) => panic!("`commit` hangs: {error}"),
    }
    assert_eq!(thread.join().expect("no panic"), 4);
    assert_eq!(check(&path, SMALL).extents, [4; 5]);
}

#[test]
fn a_recorder_that_is_dropped_leaves_its_complete_steps() {
    let (_folder, path) = new_path();
    let mut checker = Checker::new();
    for during_a_panic in [false, true] {
        for builder in builders(&path) {
            let mut run = declare(builder, SMALL).start().expect("start");
            for _ in 0..500 {
                append(&mut run, SMALL).expect("append");
            }
            if during_a_panic {
                let panicked = catch_unwind(AssertUnwindSafe(move || {
                    run.append(|step| {
                        step.put("loss", &1.0_f32)?;
                        panic!("in the middle of a step");
                    })
                }));
                assert!(panicked.is_err());
            } else {
                drop(run);
            }
            let seen = checker.check(&path, SMALL);
            assert_eq!((seen.extents, seen.state), ([500; 5], 0));
            let recovery = recover(&path).expect("recover");
            assert_eq!(
                (recovery.committed, recovery.state),
                (500, RunState::Recording)
            );
            assert!(recovery.changed);
            assert_eq!(checker.check(&path, SMALL).state, 2);
            fs::remove_file(&path).expect("remove");
        }
    }
}

#[test]
fn an_existing_file_is_left_alone() {
    let (folder, path) = new_path();
    finished(&path, 5);
    let bytes = fs::read(&path).expect("read");
    let error = declare(Recorder::create(&path), SMALL)
        .start()
        .expect_err("it exists");
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error:?}");
    named(&error, &path);
    assert!(fs::read(&path).expect("read") == bytes);
    assert_eq!(names(folder.path()), ["run_1.h5"]);

    // A link that leads nowhere is a name that is taken, too.
    let link = folder.path().join("link.h5");
    std::os::unix::fs::symlink("nowhere", &link).expect("link");
    let error = declare(Recorder::create(&link), SMALL)
        .start()
        .expect_err("it exists");
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error:?}");

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
        common::run(
            "import h5py, sys\nimport numpy as np\n\
             f = h5py.File(sys.argv[1], 'w', libver=sys.argv[2])\n\
             f.create_dataset('W', data=np.ones((3, 4), 'f4'), maxshape=(None, 4), chunks=(2, 4))\n\
             f['loss'] = np.ones(3)\nf.close()",
            [path.as_os_str(), libver.as_ref()],
        );
        let [_, undeclared, recovered] = refused("a file of h5py");
        let said = if libver == "earliest" {
            "not a trajectory"
        } else {
            "superblock"
        };
        assert!(undeclared.contains(said), "{undeclared}");
        assert!(recovered.contains(said), "{recovered}");
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
            "tensor `W` is bfloat16 [3, 2] in the file and uint16 [3, 2] was declared",
        ),
        (
            resume().tensor::<bf16>("W", [2, 3]).scalar::<f32>("loss"),
            "tensor `W` is bfloat16 [3, 2] in the file and bfloat16 [2, 3] was declared",
        ),
        (
            resume()
                .tensor::<bf16>("W", [3, 2])
                .tensor::<f32>("loss", [1]),
            "tensor `loss` is float32 [] in the file and float32 [1] was declared",
        ),
        (
            resume().tensor::<bf16>("W", [3, 2]),
            "tensor `loss` is float32 [] in the file and no such tensor was declared",
        ),
        (
            two().scalar::<f32>("accuracy"),
            "tensor `accuracy` is missing in the file and float32 [] was declared",
        ),
        (
            two().constant("ids", &[1_i32, 2, 4]),
            "constant `ids` is of other values in the file and of these values was declared",
        ),
        (
            two().constant("ids", &[1_i32, 2]),
            "constant `ids` is int32 [3] in the file and int32 [2] was declared",
        ),
        (
            two().constant("ids", &[1_i64, 2, 3]),
            "constant `ids` is int32 [3] in the file and int64 [3] was declared",
        ),
        (
            two().constant("mask", &[true]),
            "constant `mask` is missing in the file",
        ),
        (
            two().attribute("learning_rate", 2e-3),
            "attribute `learning_rate` is 0.001 in the file and 0.002 was declared",
        ),
        (
            two().attribute("seed", 7),
            "attribute `seed` is missing in the file and 7 was declared",
        ),
    ];
    for (builder, expected) in cases {
        let error = builder.start().expect_err(expected);
        let text = named(&error, &path);
        assert!(text.contains(expected), "{text}\nexpected: {expected}");
        assert!(matches!(error, Error::ResumeMismatch { .. }), "{error:?}");
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
