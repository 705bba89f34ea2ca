//! Calls that fail: a full disk, a used-up quota, a broken disk, an interruption; and writes that write less than they
//! were asked to.
//!
//! A victim says what the library told it, and goes on: a run that stopped is resumed, a save is made again. So each
//! error has to be one that names the file, to leave no thread, to take nothing that was committed, and to be the last.

use nix::errno::Errno;

use crate::budget::Budget;
use crate::result::Row;
use crate::subject::{After, SUBJECTS, Subject, Verdict, judge_file};
use crate::trace::{Call, End, Fault, Kind, Outcome};
use crate::victim::Work;

use super::pool;

pub(super) fn run(budget: &Budget, report: &mut dyn FnMut(Row)) -> Result<(), String> {
    for (done, subject) in SUBJECTS.iter().enumerate() {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let calls = subject.run_whole(folder.path(), false)?.calls;
        drop(folder);
        let budget = budget.share(SUBJECTS.len() - done);
        let families = families(&calls);
        let count = families.len();
        for (nth, (name, points)) in families.into_iter().enumerate() {
            let mut row = Row::new("errors", subject.name, name);
            pool::each(
                &points,
                &budget.even_share(count - nth),
                &mut row,
                |&point, stock| {
                    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
                    let outcome = subject.run(folder.path(), Some(point), false)?;
                    if !outcome.hit {
                        return Ok(None);
                    }
                    let path = subject.path(folder.path());
                    let told = usize::MAX;
                    let mut verdict =
                        judge_file(subject, &path, &outcome, told, After::Process, stock);
                    judge_process(
                        subject,
                        &outcome,
                        &folder.path().display().to_string(),
                        &mut verdict,
                    );
                    Ok(Some(verdict))
                },
            )?;
            row.note = format!(
                "{} came back as an error, {} did no harm",
                row.errors,
                row.tried - row.errors
            );
            report(row);
        }
    }
    Ok(())
}

/// The faults that the calls can have, in families.
fn families(calls: &[Call]) -> Vec<(&'static str, Vec<(usize, Fault)>)> {
    let all = || calls.iter().enumerate();
    let errors = [Errno::ENOSPC, Errno::EDQUOT, Errno::EIO, Errno::EINTR];
    let once = all()
        .flat_map(|(at, _)| errors.map(|error| (at, Fault::Fail(error))))
        .collect();
    let on = all()
        .filter(|(_, call)| call.kind.takes_room())
        .map(|(at, _)| (at, Fault::FailOn(Errno::ENOSPC)))
        .collect();
    let short = all()
        .filter(|(_, call)| call.kind == Kind::Write && call.len > 1)
        .map(|(at, call)| (at, Fault::Short(call.len / 2)))
        .collect();
    vec![
        ("a call fails with ENOSPC, EDQUOT, EIO or EINTR", once),
        ("the disk is full, until it is freed", on),
        ("a write writes half", short),
    ]
}

/// What the process said and how it ended.
fn judge_process(subject: &Subject, outcome: &Outcome, folder: &str, verdict: &mut Verdict) {
    let mut complain = |what: String| verdict.complaints.push(what);
    match outcome.end {
        End::Exited(0) if outcome.lines.last().is_some_and(|line| line == "finished") => {}
        End::Hung => verdict.hung = true,
        end => complain(format!(
            "it ended with {end:?}: {:?} {}",
            outcome.lines, outcome.stderr
        )),
    }
    if outcome.stderr.contains("panicked") {
        complain(format!("a panic: {}", outcome.stderr));
    }
    let mut committed = subject.begins_with().unwrap_or(0);
    for line in &outcome.lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.parse().unwrap_or(0_u64);
        match word {
            "committed" => committed = number(),
            "failed" => {
                verdict.error = true;
                if !rest.contains(folder) {
                    complain(format!("the error does not name the file: {rest}"));
                }
            }
            "threads" if number() != 1 => complain(format!("{rest} threads are left")),
            "seen" if number() < committed => {
                complain(format!(
                    "a reader sees {rest} steps, and {committed} were committed"
                ));
            }
            "unreadable" => complain(line.clone()),
            _ => {}
        }
    }
    // Nothing is ahead in a file that is complete, and nothing else is beside it.
    if let Work::Record(recording) = subject.work
        && committed != recording.until
    {
        complain(format!(
            "{committed} of {} steps in the end",
            recording.until
        ));
    }
}
