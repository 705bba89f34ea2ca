//! `selvedge push` that is killed or interrupted, and the next one.
#![cfg(all(target_os = "linux", feature = "object-store"))]

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selvedge_testing::objects::{ObjectServer, Taken};
use selvedge_testing::{Guard, Random, seed};

/// Bytes of a part.
const PART: usize = 8 << 20;
/// Parts that are on their way at once.
const AT_ONCE: usize = 8;
const OBJECT: &str = "bucket/W.bin";
/// What is in no journal.
const SECRET: &str = "hunter2";

/// A file of so many parts, in a folder of its own, and a store.
fn begin(parts: usize) -> (tempfile::TempDir, Vec<u8>, ObjectServer) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random(7);
    let bytes: Vec<u8> = (0..parts * PART / 8)
        .flat_map(|_| random.draw().to_le_bytes())
        .collect();
    fs::write(folder.path().join("W.bin"), &bytes).expect("a file");
    (folder, bytes, ObjectServer::start())
}

fn push(folder: &Path, server: &ObjectServer, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    command
        .args(["push", "W.bin", "s3://bucket/W.bin"])
        .args(more)
        .current_dir(folder)
        .env("AWS_ENDPOINT", server.endpoint())
        .envs([("AWS_ALLOW_HTTP", "true"), ("AWS_REGION", "r")])
        .envs([
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn start(command: &mut Command) -> Child {
    command.spawn().expect("the program starts")
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id"))
}

/// What lies beside the file.
fn beside(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name != "W.bin").collect()
}

/// Waits until the store has so many parts, and interrupts.
fn interrupted(mut command: Command, server: &ObjectServer, parts: usize) -> Output {
    server.wait(Duration::from_millis(20));
    let child = start(&mut command);
    let began = Instant::now();
    while server.waiting_parts() < parts {
        assert!(began.elapsed() < Duration::from_secs(60), "no parts come");
        sleep(Duration::from_millis(1));
    }
    // Nothing is answered any more.
    server.wait(Duration::from_secs(3));
    kill(pid(&child), Signal::SIGTERM).expect("the child lives");
    let began = Instant::now();
    let ended = child.wait_with_output().expect("the child ends");
    assert_eq!(ended.status.signal(), Some(Signal::SIGTERM as i32));
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    server.wait(Duration::ZERO);
    // What was on its way is there now, or gone.
    server.settle();
    ended
}

fn text(bytes: &[u8]) -> String {
    let words = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = words.split_whitespace().collect();
    words.join(" ")
}

/// Killed at any moment, and again, a push comes to its end: the object is the file, bit for bit, and of each process
/// that was killed no more is sent again than was on its way.
#[test]
fn what_is_killed_at_any_moment_goes_on() {
    const PARTS: usize = 16;
    const KILLS: usize = 12;
    let mut random = Random(seed());
    let (folder, bytes, server) = begin(PARTS);
    server.wait(Duration::from_millis(30));
    let (mut killed, mut is_done) = (0, false);
    while killed < KILLS && !is_done {
        let mut child = Guard(start(&mut push(folder.path(), &server, &[])));
        sleep(Duration::from_millis(random.below(400)));
        is_done = child.0.try_wait().expect("the child").is_some();
        drop(child);
        killed += usize::from(!is_done);
        // It can be killed between its last act and its end.
        is_done |= beside(folder.path()).is_empty() && server.get(OBJECT).is_some();
    }
    server.wait(Duration::ZERO);
    server.settle();
    if !is_done {
        let ended = push(folder.path(), &server, &[]).output().expect("it runs");
        assert!(ended.status.success(), "{}", text(&ended.stderr));
    }
    let sent = server.taken_parts();
    assert!(server.get(OBJECT).expect("an object") == bytes);
    assert_eq!((beside(folder.path()), server.waiting_parts()), (vec![], 0));
    assert!(killed > 1, "it was killed {killed} times");
    let parts = sent.iter().filter(|taken| matches!(taken, Taken::Part(_)));
    let parts = parts.count();
    assert!(
        (PARTS..=PARTS + killed * AT_ONCE).contains(&parts),
        "{parts}"
    );
}

/// The store aborted what was interrupted, and all was sent again.
#[test]
fn what_is_interrupted_is_kept_and_said_and_goes_on() {
    const PARTS: usize = 20;
    let (folder, bytes, server) = begin(PARTS);
    let ended = interrupted(push(folder.path(), &server, &[]), &server, 10);
    let said = text(&ended.stderr);
    let both = "the same command goes on with it, and with --discard gives it up";
    assert!(said.contains(both), "{said}");
    let journal = beside(folder.path());
    assert!(
        journal.len() == 1 && journal[0].starts_with("W.bin.push-"),
        "{journal:?}"
    );
    let lines = fs::read(folder.path().join(&journal[0])).expect("the journal");
    let lines = String::from_utf8_lossy(&lines);
    let kept = lines.lines().filter(|line| line.contains(" part\t"));
    let kept = kept.count();
    // Of ten that had come, eight can have been without their answer.
    assert!((2..PARTS).contains(&kept), "{lines}");
    let before = server.taken_parts();
    assert!(!before.contains(&Taken::Aborted), "{before:?}");
    let ended = push(folder.path(), &server, &[]).output().expect("it runs");
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let sent = server.taken_parts();
    let sent = sent
        .iter()
        .filter(|taken| matches!(taken, Taken::Part(_)))
        .count();
    assert_eq!(sent, PARTS - kept);
    let said = text(&ended.stdout);
    assert!(said.contains("are in the store, of which"), "{said}");
    assert!(
        said.contains("were there already, read back and the same"),
        "{said}"
    );
    assert!(server.get(OBJECT).expect("an object") == bytes);
    assert!(beside(folder.path()).is_empty());
}

/// Where nothing leads to the parts any more they are not left in the store, where they are paid for.
#[test]
fn what_has_no_journal_is_aborted_when_it_is_interrupted() {
    let (folder, _, server) = begin(20);
    // The name of the journal is known once one was left.
    interrupted(push(folder.path(), &server, &[]), &server, 1);
    let [journal] = &*beside(folder.path()) else {
        panic!("a journal")
    };
    fs::remove_file(folder.path().join(journal)).expect("remove");
    fs::create_dir(folder.path().join(journal)).expect("a folder");
    server.forget_uploads();
    server.taken_parts();
    server.wait(Duration::from_millis(100));
    let child = start(&mut push(folder.path(), &server, &["--overwrite"]));
    while server.waiting_parts() == 0 {
        sleep(Duration::from_millis(1));
    }
    kill(pid(&child), Signal::SIGTERM).expect("the child lives");
    let ended = child.wait_with_output().expect("the child ends");
    let said = text(&ended.stderr);
    assert!(said.contains("the next one begins anew"), "{said}");
    assert!(
        said.contains("the upload is aborted, and nothing of it is kept"),
        "{said}"
    );
    assert_eq!(ended.status.signal(), Some(Signal::SIGTERM as i32));
    assert!(server.taken_parts().contains(&Taken::Aborted));
    assert_eq!(server.waiting_parts(), 0);
}

/// A journal is told by whatever comes upon it, and `--discard` ends it.
#[test]
fn what_is_given_up_leaves_nothing() {
    let (folder, _, server) = begin(10);
    let nothing = push(folder.path(), &server, &["--discard"]).output();
    let nothing = nothing.expect("it runs");
    let said = text(&nothing.stdout);
    assert!(nothing.status.success(), "{said}");
    assert_eq!(
        said,
        "W.bin: there is no unfinished upload of this file to there"
    );
    interrupted(push(folder.path(), &server, &[]), &server, 1);
    let [journal] = &*beside(folder.path()) else {
        panic!("a journal")
    };
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        let ended = command.args(arguments).current_dir(folder.path()).output();
        let ended = ended.expect("it runs");
        text(&[ended.stdout, ended.stderr].concat())
    };
    let cleaned = run(&["clean", "--yes"]);
    let goes_on =
        "kept: the same `selvedge push` goes on with that upload, and with --discard gives up";
    assert!(
        cleaned.starts_with(&**journal) && cleaned.contains(goes_on),
        "{cleaned}"
    );
    for command in ["inspect", "recover"] {
        let said = run(&[command, journal]);
        let goes_on = "the same `selvedge push` goes on with that, and with --discard gives it up";
        assert!(said.contains(goes_on), "{said}");
    }
    // Nor is there a password of the server, which is the same one without it.
    let address = server.endpoint().replace("//", &format!("//me:{SECRET}@"));
    let mut with_password = push(folder.path(), &server, &[]);
    with_password.env("AWS_ENDPOINT", address);
    interrupted(with_password, &server, 1);
    assert_eq!(beside(folder.path()), [&**journal]);
    let lines = fs::read(folder.path().join(journal)).expect("the journal");
    let lines = String::from_utf8_lossy(&lines);
    let place = format!("s3://bucket/W.bin at {}/\n", server.endpoint());
    assert!(lines.contains(&place) && !lines.contains(SECRET), "{lines}");
    // Another server of the same URL has nothing of it.
    let other = ObjectServer::start();
    let elsewhere = push(folder.path(), &other, &["--discard"]).output();
    let said = text(&elsewhere.expect("it runs").stdout);
    assert!(said.contains("there is no unfinished upload"), "{said}");
    server.taken_parts();
    let discarded = push(folder.path(), &server, &["--discard"]).output();
    let discarded = discarded.expect("it runs");
    let said = text(&discarded.stdout);
    assert!(said.starts_with("W.bin: the upload is given up"), "{said}");
    assert_eq!(server.taken_parts(), [Taken::Aborted]);
    assert!(beside(folder.path()).is_empty());
}
