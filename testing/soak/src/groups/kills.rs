//! A process that is killed before each of its calls on the file, and within each write that crosses sectors.

use crate::budget::Budget;
use crate::result::Row;
use crate::subject::{PEERS, SUBJECTS, judge};
use crate::to_usize;
use crate::trace::{Call, Fault, Kind};

/// Bytes of a sector, within which no write is torn.
pub(super) const SECTOR: u64 = 512;

pub(super) fn run(budget: &Budget, report: &mut dyn FnMut(Row)) -> Result<(), String> {
    let subjects: Vec<_> = SUBJECTS.iter().chain(PEERS).collect();
    for (done, subject) in subjects.iter().enumerate() {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let calls = subject.run_whole(folder.path(), false)?.calls;
        drop(folder);
        let budget = budget.share(subjects.len() - done);
        let (kills, tears) = points(&calls);
        for (nth, (fault, points)) in [
            ("killed before a call", kills),
            ("killed within a write", tears),
        ]
        .into_iter()
        .enumerate()
        {
            let mut row = Row::new("kills", subject.name, fault);
            row.promised = SUBJECTS.iter().any(|ours| ours.name == subject.name);
            super::pool::each(
                &points,
                &budget.even_share(2 - nth),
                &mut row,
                |&point, stock| {
                    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
                    let outcome = subject.run(folder.path(), Some(point), false)?;
                    Ok(outcome
                        .hit
                        .then(|| judge(subject, folder.path(), &outcome, stock)))
                },
            )?;
            report(row);
        }
    }
    Ok(())
}

/// The number of a call, and what becomes of it.
type Point = (usize, Fault);

/// Where a process that makes `calls` can be killed: before each, and within some.
fn points(calls: &[Call]) -> (Vec<Point>, Vec<Point>) {
    let kills = (0..calls.len()).map(|at| (at, Fault::Kill)).collect();
    let mut tears = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let last = call.offset + (call.len as u64).saturating_sub(1);
        if call.kind != Kind::Write || call.offset / SECTOR == last / SECTOR {
            continue;
        }
        let mut cuts = vec![call.len / 2];
        let first = call.offset.next_multiple_of(SECTOR) - call.offset;
        cuts.extend((to_usize(first)..call.len).step_by(to_usize(SECTOR)));
        cuts.retain(|&cut| cut > 0);
        cuts.sort_unstable();
        cuts.dedup();
        tears.extend(cuts.into_iter().map(|cut| (at, Fault::Tear(cut))));
    }
    (kills, tears)
}
