//! Ctrl-C while a file is written.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selvedge_hdf5::Recorder;

/// Records a file of so many megabytes.
fn record(path: &Path, megabytes: usize) {
    let values = vec![0.5_f32; 1 << 18];
    let mut run = Recorder::create(path)
        .overwrite(true)
        .tensor::<f32>("W", [256, 1024])
        .start()
        .expect("start");
    for _ in 0..megabytes {
        run.append(|step| step.put("W", &values)).expect("append");
    }
    run.finish().expect("finish");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// Runs a command that makes `output`, and interrupts it. On a busy machine it can be done by then, and
/// is tried again.
fn interrupted(command: &str, output: &Path, signal: Signal) -> Output {
    for _ in 0..10 {
        let ended = interrupt(command, output.parent().expect("a folder"), signal);
        if !ended.status.success() {
            return ended;
        }
        fs::remove_file(output).expect("remove");
    }
    panic!("`{command}` was done before it could be interrupted, ten times");
}

/// Runs `command` in `folder`, and sends the signal while there is a hidden file.
fn interrupt(command: &str, folder: &Path, signal: Signal) -> Output {
    // Without `exec` the signal would go to the shell.
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec {command}")])
        .env("PATH", path_of_the_program())
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    while !names(folder).iter().any(|name| name.starts_with('.')) {
        let ended = child.try_wait().expect("the child");
        assert!(ended.is_none(), "it ended before it could be interrupted");
        std::thread::sleep(Duration::from_micros(100));
    }
    // Stopped first, so that the file does not get its name before the signal arrives.
    for signal in [Signal::SIGSTOP, signal, Signal::SIGCONT] {
        kill(pid, signal).expect("the child lives");
    }
    child.wait_with_output().expect("the child ends")
}

fn path_of_the_program() -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_selvedge"));
    let folder = program.parent().expect("a folder").display();
    format!("{folder}:{}", std::env::var("PATH").unwrap_or_default())
}

/// Whether this process and its children ignore the signal, as under `nohup`.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("the status");
    let mut ignored = status
        .lines()
        .filter_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.next().expect("the signals that are ignored").trim();
    let ignored = u64::from_str_radix(ignored, 16).expect("a mask");
    ignored & (1 << (signal as i32 - 1)) != 0
}

/// `convert` left a hidden file of any size, and said nothing.
#[test]
fn what_is_interrupted_removes_its_file_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    record(&folder.path().join("in.h5"), 128);
    for (command, output, signal) in [
        ("convert", "out.safetensors", Signal::SIGINT),
        ("convert", "out.npy", Signal::SIGTERM),
        ("convert", "out.h5", Signal::SIGHUP),
        ("rechunk", "out.h5", Signal::SIGINT),
    ] {
        let signal = match is_ignored(signal) {
            true => Signal::SIGTERM,
            false => signal,
        };
        let command = format!("selvedge {command} in.h5 {output}");
        let ended = interrupted(&command, &folder.path().join(output), signal);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.signal(), Some(signal as i32), "{said}");
        assert!(said.contains(&format!(".{output}.partial")), "{said}");
        assert_eq!(names(folder.path()), ["in.h5"], "{said}");
    }
}

/// What the program writes to a terminal on standard error: until there is a bar, and after the signal.
fn at_a_terminal(command: &str, folder: &Path) -> [String; 2] {
    use std::io::Read as _;

    let terminal = nix::pty::openpty(None, None).expect("a terminal");
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec {command}")])
        .env("PATH", path_of_the_program())
        .env("TERM", "xterm")
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::from(terminal.slave))
        .spawn()
        .expect("a shell");
    let mut screen = fs::File::from(terminal.master);
    let mut read = |until: Option<&str>| {
        let (mut text, mut bytes) = (String::new(), [0; 4096]);
        // The end is an error: nobody has the other side open any more.
        while !until.is_some_and(|until| text.contains(until))
            && let Ok(count @ 1..) = screen.read(&mut bytes)
        {
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        text
    };
    let before = read(Some(" left"));
    assert!(before.contains(" left"), "{before}");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    kill(pid, Signal::SIGTERM).expect("the child lives");
    let after = read(None);
    let ended = child.wait().expect("the child ends");
    assert_eq!(ended.signal(), Some(Signal::SIGTERM as i32), "{after}");
    [before, after]
}

/// The bar stayed, and what was told stood behind it in its line, or the shell's next prompt did.
#[test]
fn the_bar_is_off_the_screen_when_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let large = folder.path().join("large.safetensors");
    // A hole, which takes no room on the disk and long to read.
    let (rows, bytes) = (1_u64 << 22, 1_u64 << 38);
    let header = format!(
        "{{\"W\":{{\"dtype\":\"F32\",\"shape\":[{rows},16384],\"data_offsets\":[0,{bytes}]}}}}"
    );
    let length = header.len() as u64;
    fs::write(&large, [&length.to_le_bytes(), header.as_bytes()].concat()).expect("write");
    let file = fs::OpenOptions::new().write(true).open(&large);
    let file = file.expect("open");
    file.set_len(8 + length + bytes).expect("a hole");
    for (command, told) in [
        ("inspect --stats large.safetensors", ""),
        (
            "show large.safetensors W -o out.csv",
            "interrupted; removed .out.csv.partial\r\n",
        ),
    ] {
        let screen = at_a_terminal(&format!("selvedge {command}"), folder.path()).concat();
        let (_, last) = screen.rsplit_once(" left").expect("a bar");
        let (_, left) = last
            .rsplit_once("\u{1b}[2K")
            .unwrap_or_else(|| panic!("{command}: {screen:?}"));
        assert_eq!(left, told, "{command}: {screen:?}");
    }
}

/// Who starts a program with `nohup` wants it to go on.
#[test]
fn what_is_to_be_ignored_is_ignored() {
    let folder = tempfile::tempdir().expect("a folder");
    record(&folder.path().join("in.h5"), 128);
    let command = "sh -c 'trap \"\" HUP; exec selvedge convert in.h5 out.safetensors'";
    let ended = interrupt(command, folder.path(), Signal::SIGHUP);
    assert!(ended.status.success(), "{ended:?}");
    let mut found = names(folder.path());
    found.sort();
    assert_eq!(found, ["in.h5", "out.safetensors"]);
}
