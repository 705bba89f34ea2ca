use std::fs;

use super::*;

/// Writes 4 + 4 bytes, and says how many went in with the second.
const SCRIPT: &str = "
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
print('opened', flush=True)
os.pwrite(file, b'abcd', 0)
try:
    written = os.pwritev(file, [b'ef', b'gh'], 4)
except OSError as error:
    print('failed', error.errno, flush=True)
else:
    print('wrote', written, flush=True)
os.ftruncate(file, 7)
";

fn with(fault: Option<(usize, Fault)>) -> (Outcome, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let mut command = selvedge_testing::python::script(SCRIPT, [&path]);
    let patience = Duration::from_secs(60);
    let outcome = run(&mut command, folder.path(), fault, true, patience).unwrap();
    (outcome, fs::read(path).unwrap_or_default())
}

#[test]
fn calls_are_seen_with_their_bytes() {
    let (outcome, file) = with(None);
    let kinds: Vec<Kind> = outcome.calls.iter().map(|call| call.kind).collect();
    assert_eq!(
        kinds,
        [Kind::Create, Kind::Write, Kind::Write, Kind::SetLength]
    );
    assert_eq!(outcome.calls[2].data, b"efgh");
    assert_eq!((outcome.calls[2].offset, outcome.calls[2].told), (4, 1));
    assert_eq!(outcome.lines, ["opened", "wrote 4"]);
    assert_eq!((outcome.end, outcome.hit), (End::Exited(0), false));
    assert_eq!(file, b"abcdefg");
}

#[test]
fn a_process_is_killed_before_a_call_and_within_it() {
    let (outcome, file) = with(Some((2, Fault::Kill)));
    assert_eq!((outcome.end, &file[..]), (End::Killed, &b"abcd"[..]));
    let (outcome, file) = with(Some((1, Fault::Tear(3))));
    assert_eq!((outcome.end, &file[..]), (End::Killed, &b"abc"[..]));
    let (outcome, file) = with(Some((2, Fault::Tear(3))));
    assert_eq!((outcome.end, &file[..]), (End::Killed, &b"abcdefg"[..]));
}

#[test]
fn a_call_fails_or_ends_early() {
    let (outcome, file) = with(Some((2, Fault::Fail(Errno::ENOSPC))));
    assert_eq!(outcome.lines[1], "failed 28");
    assert_eq!(file, b"abcd\0\0\0");
    let (outcome, file) = with(Some((2, Fault::Short(1))));
    assert_eq!(outcome.lines[1], "wrote 1");
    assert_eq!(file, b"abcde\0\0");
    let (outcome, _) = with(Some((1, Fault::FailOn(Errno::ENOSPC))));
    assert_eq!(outcome.end, End::Exited(1), "{}", outcome.stderr);
}

#[test]
fn a_process_that_hangs_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sleep");
    command.arg("600");
    let patience = Duration::from_millis(100);
    let outcome = run(&mut command, folder.path(), None, false, patience).unwrap();
    assert_eq!(outcome.end, End::Hung);
}
