//! Processes that get less of the machine than there is.

use std::ffi::OsStr;
use std::process::{Command, Output};

use crate::python;

/// What a process gets less of.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Bytes of any file: writing more fails, as on a full disk, with "File too large".
    File(u64),
    /// Bytes of address space: what was mapped, and what was allocated.
    AddressSpace(u64),
    /// Seconds of the processor: a process that takes more of them is killed. For work that takes
    /// seconds as it should be, and minutes where its time grows with the square of its size.
    Processor(u64),
}

const LIMITED: &str = "
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[2])
resource.setrlimit(getattr(resource, sys.argv[1]), (limit, limit))
os.execv(sys.argv[3], sys.argv[3:])
";

/// `child` under a limit.
///
/// # Panics
///
/// Where there is no Python to set it.
#[must_use]
pub fn limited(child: &Command, limit: Limit) -> Command {
    let (resource, most) = match limit {
        Limit::File(bytes) => ("RLIMIT_FSIZE", bytes),
        Limit::AddressSpace(bytes) => ("RLIMIT_AS", bytes),
        Limit::Processor(seconds) => ("RLIMIT_CPU", seconds),
    };
    let most = most.to_string();
    let arguments = [resource.as_ref(), most.as_ref(), child.get_program()];
    let mut limited = python::script::<&OsStr>(LIMITED, arguments);
    take_over(&mut limited, child);
    limited
}

/// Runs `child` under a limit.
///
/// # Panics
///
/// Where there is no Python to set it.
#[must_use]
pub fn run_limited(child: &Command, limit: Limit) -> Output {
    limited(child, limit).output().expect("python starts")
}

/// Runs `child` with files of at most `limit` bytes, which fail like a full disk.
///
/// # Panics
///
/// With the output of a child that fails.
pub fn with_file_limit(child: &Command, limit: u64) {
    let output = run_limited(child, Limit::File(limit));
    assert!(output.status.success(), "{}", shown(&output));
}

/// Runs `child` with a file system of `megabytes` mounted at the folder in its setting `PATH`, which
/// no other process sees, and expects it to [`tell`](crate::tell) `done`. Where this process has no
/// right to mount, it says so, and nothing is tested.
///
/// # Panics
///
/// With the output of a child that fails.
pub fn on_small_file_system(child: &Command, megabytes: u32) {
    let mount = format!(
        "mount -t tmpfs -o size={megabytes}m tmpfs \"$SELVEDGE_TEST_PATH\" || exit 77; exec \"$@\""
    );
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &mount, "sh"]);
    command.arg(child.get_program());
    take_over(&mut command, child);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return println!("not tested: unshare: {error}"),
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || stderr.starts_with("unshare:") {
        return println!("not tested, for want of the right to mount: {stderr}");
    }
    let done = String::from_utf8_lossy(&output.stdout).contains("@done");
    assert!(output.status.success() && done, "{}", shown(&output));
}

/// Gives `command` the arguments, the environment and the folder of `child`.
fn take_over(command: &mut Command, child: &Command) {
    command.args(child.get_args());
    if let Some(folder) = child.get_current_dir() {
        command.current_dir(folder);
    }
    command.envs(
        child
            .get_envs()
            .filter_map(|(key, value)| Some((key, value?))),
    );
}

fn shown(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
