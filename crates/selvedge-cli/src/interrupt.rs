//! What is to be done when the program is interrupted while it writes a file or sends one.

use std::{fs, thread};

use nix::sys::signal::{SigSet, Signal, raise};
use selvedge_base::text::shown;

use crate::object;
use crate::output;
use crate::progress;

/// What ends the program from outside.
const ENDS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// From now on, what ends the program from outside (Ctrl-C, the end of a terminal session, `kill`) first
/// takes the progress off the screen, removes the files that it has begun and not finished, and says what becomes of what
/// it sends.
///
/// A signal that whoever started the program has told it to ignore, as `nohup` does, stays ignored. Call
/// it before there are other threads: they inherit which signals are waited for here.
pub(crate) fn end_in_order() {
    let ignored = ignored();
    let ends = ENDS
        .into_iter()
        .filter(|&signal| ignored >> (signal as u32 - 1) & 1 == 0);
    let ends: SigSet = ends.collect();
    if ends.thread_block().is_err() {
        return;
    }
    let waiting = thread::Builder::new().spawn(move || {
        let Ok(signal) = ends.wait() else { return };
        progress::clear();
        for path in selvedge_base::remove_partials() {
            output::note(&format!("interrupted; removed {}", shown(&path)));
        }
        let ended = object::end_uploads();
        for (uploads, became) in [
            (
                ended.kept,
                "the store keeps what it has of the upload, which is paid for: the same command goes on with it, and with \
                 --discard gives it up",
            ),
            (
                ended.read_back,
                "the object is there, but was not read back to its end: the same command goes on with that",
            ),
            (ended.aborted, "the upload is aborted, and nothing of it is kept"),
            (
                ended.left,
                "the store did not abort the upload in time, and may keep parts of it, which are paid for: abort it there",
            ),
        ] {
            if uploads > 0 {
                output::note(&format!("interrupted; {became}"));
            }
        }
        // It ends by the signal, as whoever sent it expects, and without what is done at an ordinary
        // end: other threads are at work.
        let _ = ends.thread_unblock();
        let _ = raise(signal);
    });
    if waiting.is_err() {
        let _ = ends.thread_unblock();
    }
}

/// Ends by these signals at once, in a process that another one of this program started and that inherits what is waited
/// for there.
pub(crate) fn end_at_once() {
    let _ = ENDS.into_iter().collect::<SigSet>().thread_unblock();
}

/// From now on a file that becomes larger than the program may make one (`ulimit -f`) is an error of writing. Call it before
/// there are other threads.
pub(crate) fn survive_file_limit() {
    // Where that cannot be, the program ends without a word, as the system has it.
    let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
}

/// The signals that this process ignores: signal N is bit N - 1. Where the system does not tell, none.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
