//! How files are opened: under any name, while another program writes them in SWMR mode, and after it
//! died.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use selvedge_hdf5::{
    Error, FileError, Reader, Rechunk, Recorder, StorageError, add_checksums, mark_bf16,
    plan_recovery, recover, verify_checksums,
};
use selvedge_testing::python;

/// A writer that appends steps in SWMR mode, and says how many there are; it goes on with each line that
/// it is sent.
const SWMR_WRITER: &str = r#"
import sys, h5py, numpy as np
f = h5py.File(sys.argv[1], "w", libver="latest")
options = dict(compression="gzip", shuffle=True) if sys.argv[2] == "gzip" else {}
d = f.create_dataset("W", data=np.zeros((4, 100), "u2"), chunks=(2, 100), maxshape=(None, 100), **options)
f.swmr_mode = True
while True:
    n = d.shape[0]
    d.resize(n + 2, axis=0)
    d[n:] = n
    d.flush()
    print(n + 2, flush=True)
    if sys.stdin.readline().strip() != "on":
        break
f.close()
"#;

struct Writer {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Writer {
    fn start(path: &Path, kind: &str) -> Self {
        let mut child = python::script(SWMR_WRITER, [path.as_os_str(), OsStr::new(kind)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// The steps that it has written.
    fn steps(&mut self) -> u64 {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().parse().unwrap()
    }

    fn tell(&mut self, word: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(format!("{word}\n").as_bytes()).unwrap();
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn check_steps(path: &Path, steps: u64, marked: bool) {
    let file = Reader::open(path).unwrap();
    let w = file.tensor("W").unwrap();
    assert_eq!(file.has_swmr_mark(), marked);
    assert_eq!(w.shape(), [steps, 100]);
    for step in 0..steps {
        let expected = if step < 4 {
            0
        } else {
            u16::try_from(step / 2 * 2).unwrap()
        };
        assert_eq!(w.read_step::<u16>(step).unwrap(), [expected; 100], "{step}");
    }
}

/// A run that h5py recorded in SWMR mode was "damaged" while it went on, and for ever if it was killed.
#[test]
fn a_swmr_writer_is_read_beside_and_recovered_from() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["plain", "gzip"] {
        let path = folder.path().join(format!("{kind}_1.h5"));
        let mut writer = Writer::start(&path, kind);
        for _ in 0..5 {
            let steps = writer.steps();
            check_steps(&path, steps, true);
            writer.tell("on");
        }
        let steps = writer.steps();
        // It lives, and nobody takes its mark away.
        for error in [
            recover(&path).unwrap_err(),
            plan_recovery(&path).unwrap_err(),
        ] {
            assert!(
                matches!(error, StorageError::File(FileError::OpenElsewhere { .. })),
                "{error}"
            );
        }
        writer.tell("on");
        assert_eq!(writer.steps(), steps + 2);
        writer.kill();
        check_steps(&path, steps + 2, true);
        let before = fs::read(&path).unwrap();
        let planned = plan_recovery(&path).unwrap();
        assert!(planned.marked && planned.changed, "{planned:?}");
        assert_eq!(fs::read(&path).unwrap(), before);
        let recovery = recover(&path).unwrap();
        assert!(recovery.marked, "{recovery:?}");
        assert_eq!(recovery.committed, steps + 2);
        check_steps(&path, steps + 2, false);
        // The flags, the end of the file and the checksum, in the first 48 bytes; `h5clear -s` cuts such
        // a file to where its superblock says that it ends.
        let after = fs::read(&path).unwrap();
        assert_eq!(after.len(), before.len());
        assert_eq!(after[48..], before[48..]);
        // h5py reads it, goes on in it, and does not cut it when it closes it.
        python::run(
            "import sys, h5py, numpy as np\n\
             n = int(sys.argv[2])\n\
             with h5py.File(sys.argv[1], 'r') as f: assert f['W'].shape == (n, 100)\n\
             with h5py.File(sys.argv[1], 'r+') as f: f['W'].resize(n + 1, axis=0); f['W'][n] = n // 2 * 2\n",
            [path.as_os_str(), OsStr::new(&(steps + 2).to_string())],
        );
        check_steps(&path, steps + 3, false);
        let again = recover(&path).unwrap_err();
        assert!(
            matches!(
                again,
                StorageError::NotATrajectory { .. } | StorageError::Library { .. }
            ),
            "{again}"
        );
    }
}

/// Without SWMR, HDF5 lets nobody open a file of the latest format whose writer was killed.
#[test]
fn a_writer_of_the_latest_format_that_died_is_told_and_recovered_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latest_1.h5");
    for user_block in [0, 512, 2048] {
        let program = "
import os, sys, h5py, numpy as np
f = h5py.File(sys.argv[1], 'w', libver='latest', userblock_size=int(sys.argv[2]))
f['W'] = np.arange(18, dtype='f4').reshape(6, 3)
f.flush()
os._exit(9)";
        let size = user_block.to_string();
        let mut writer = python::script(program, [path.as_os_str(), OsStr::new(&size)]);
        writer.status().unwrap();
        let error = Reader::open(&path).unwrap_err();
        assert!(
            matches!(error, StorageError::MarkedByWriter { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("recover"), "{error}");
        let before = fs::read(&path).unwrap();
        let recovery = recover(&path).unwrap();
        assert!(recovery.marked && recovery.changed);
        let file = Reader::open(&path).unwrap();
        let expected: Vec<f32> = (0..18_u8).map(f32::from).collect();
        assert_eq!(file.tensor("W").unwrap().read::<f32>().unwrap(), expected);
        drop(file);
        let after = fs::read(&path).unwrap();
        assert_eq!(after.len(), before.len());
        let differing = (0..after.len()).filter(|&nth| after[nth] != before[nth]);
        assert!(differing.count() <= 1 + 8 + 4);
        python::on_file(
            "import sys, h5py; h5py.File(sys.argv[1], 'r+').close()",
            &path,
        );
        fs::remove_file(&path).unwrap();
    }
}

/// On a file system without locks, whether its writer lives is the system's to know.
#[cfg(target_os = "linux")]
#[test]
fn a_writer_that_died_without_locks_is_recovered_from() {
    use selvedge_testing::{Fault, with_fault};
    const ENOLCK: i32 = 37;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latest_1.h5");
    let program = "
import os, sys, h5py
f = h5py.File(sys.argv[1], 'w', libver='latest', locking=False)
f['W'] = [1.0]
f.flush()
os._exit(9)";
    python::script(program, [&path]).status().unwrap();
    with_fault(Fault::Locks, ENOLCK, || match recover(&path) {
        Ok(recovery) => {
            assert!(recovery.marked && recovery.changed);
            assert!(Reader::open(&path).is_ok());
        }
        // The lease by which it is asked is a call of `fcntl`, too, which this system may not have.
        Err(error) => assert!(
            matches!(error, StorageError::MarkedByWriter { .. }),
            "{error}"
        ),
    });
}

/// A writer that uses no locks, as on file systems that have none, is at work and not dead.
#[test]
fn a_writer_of_the_latest_format_without_locks_is_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latest_1.h5");
    let program = "
import sys, h5py
f = h5py.File(sys.argv[1], 'w', libver='latest', locking=False)
f['W'] = [1.0]
f.flush()
print('ready', flush=True)
sys.stdin.readline()
f.close()";
    let mut child = python::script(program, [&path])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    for error in [
        Reader::open(&path).unwrap_err(),
        recover(&path).unwrap_err(),
    ] {
        let error = error.to_string();
        assert!(
            error.contains("open for writing") || error.contains("open elsewhere"),
            "{error}"
        );
    }
    child.stdin.take().unwrap().write_all(b"on\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!Reader::open(&path).unwrap().has_swmr_mark());
}

/// What lies beyond the end of a file that was cut is not there, with a mark or without one.
#[test]
fn a_file_that_was_cut_keeps_its_mark() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latest_1.h5");
    let program = "
import os, sys, h5py, numpy as np
f = h5py.File(sys.argv[1], 'w', libver='latest')
f['W'] = np.zeros(10000)
f.flush()
os._exit(9)";
    python::script(program, [&path]).status().unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1000).unwrap();
    drop(file);
    let before = fs::read(&path).unwrap();
    for error in [
        Reader::open(&path).unwrap_err(),
        recover(&path).unwrap_err(),
    ] {
        assert!(matches!(error, StorageError::Truncated { .. }), "{error}");
    }
    // Whole in length, and not in what it holds: the mark is put back.
    let mut broken = before.clone();
    broken.resize(before.len() + 2000, 0);
    broken[48..400].fill(0xAB);
    fs::write(&path, &broken).unwrap();
    let error = recover(&path).unwrap_err();
    assert!(matches!(error, StorageError::Library { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), broken);
}

/// libhdf5 takes any bytes for a name, and the binding did not.
#[test]
fn a_file_has_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join(OsStr::from_bytes(b"m\xfcde_1.h5"));
    let mut run = Recorder::create(&made)
        .steps(1)
        .tensor::<f32>("W", [2])
        .start()
        .unwrap();
    run.append(|step| step.put("W", &[1.5, 2.5_f32])).unwrap();
    run.finish().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"caf\xe9_1.h5"));
    fs::rename(&made, &path).unwrap();
    let file = Reader::open(&path).unwrap();
    assert_eq!(file.tensor("W").unwrap().read::<f32>().unwrap(), [1.5, 2.5]);
    drop(file);
    let new = folder.path().join(OsStr::from_bytes(b"n\xe9u_1.h5"));
    Rechunk::new(&path, &new)
        .checksums(true)
        .run(|_| {})
        .unwrap();
    assert_eq!(recover(&new).unwrap().committed, 1);
    verify_checksums(&Reader::open(&new).unwrap(), |_| {}).unwrap();
    fs::write(&path, b"\x89HDF\r\n\x1a\n and nothing else").unwrap();
    // The message is text, whatever the name.
    let error = format!("{:?}", Reader::open(&path).unwrap_err());
    assert!(std::str::from_utf8(error.as_bytes()).is_ok());
}

/// A path was opened twice, and a file that got its name between the two was mixed with the one before: the
/// shape of one, and the bytes of the other.
#[test]
fn a_file_that_is_replaced_meanwhile_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    let versions: Vec<Vec<u8>> = [1.0_f32, 2.0]
        .iter()
        .map(|&value| {
            let made = folder.path().join("made_1.h5");
            // Values of another length, so that they lie elsewhere.
            let length = if value > 1.5 { 3000 } else { 5000 };
            let mut run = Recorder::create(&made)
                .overwrite(true)
                .steps(1)
                .tensor::<f32>("W", [length])
                .start()
                .unwrap();
            run.append(|step| step.put("W", &vec![value; length]))
                .unwrap();
            run.finish().unwrap();
            fs::read(&made).unwrap()
        })
        .collect();
    fs::write(&path, &versions[0]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let next = folder.path().join("next.h5");
            for nth in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                fs::write(&next, &versions[nth % 2]).unwrap();
                fs::rename(&next, &path).unwrap();
            }
        });
        for _ in 0..2000 {
            let file = Reader::open(&path).unwrap();
            let values = file.tensor("W").unwrap().read::<f32>().unwrap();
            let expected = if values.len() == 3000 { 2.0 } else { 1.0 };
            assert!(values.iter().all(|&value| value == expected));
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// To open a pipe is to wait for somebody at its other end. Whatever opens a file refuses it at once.
#[test]
fn a_pipe_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let [path, output] = ["pipe.h5", "new.h5"].map(|name| folder.path().join(name));
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let refused: [Result<(), Error>; 8] = [
        Reader::open(&path).map(drop).map_err(Error::from),
        recover(&path).map(drop).map_err(Error::from),
        plan_recovery(&path).map(drop).map_err(Error::from),
        Recorder::resume(&path)
            .start()
            .map(drop)
            .map_err(Error::from),
        mark_bf16(&path, "W").map(drop).map_err(Error::from),
        add_checksums(&path, |_| {}).map_err(Error::from),
        Rechunk::new(&path, &output)
            .run(|_| {})
            .map(drop)
            .map_err(Error::from),
        Recorder::create(&path)
            .overwrite(true)
            .scalar::<u8>("x")
            .start()
            .map(drop)
            .map_err(Error::from),
    ];
    for refused in refused {
        let said = format!("{:?}", refused.unwrap_err());
        assert!(
            said.contains("a pipe") && said.contains("pipe.h5"),
            "{said}"
        );
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
