//! A run: every contender in turn, round after round, so that each round's figures are a pair.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Instant, SystemTime};

use crate::Result;
use crate::machine::{self, Busy};
use crate::options::{Options, Scale};
use crate::peer::Python;
use crate::report::{Group, Kind, Report, Row, SCHEMA, Sample};
use crate::scratch::Scratch;

/// Who takes part in a group.
pub trait Contender: Copy {
    /// Its name in tables.
    fn name(self) -> &'static str;
    /// Whose it is.
    fn kind(self) -> Kind;
}

/// A run, and its report so far.
#[derive(Debug)]
pub struct Bench {
    /// What is measured.
    pub options: Options,
    /// What was measured.
    pub report: Report,
    begin: Instant,
    busy: Option<Busy>,
}

/// The part of the processors that others may have before the report warns of them.
const BUSY: f64 = 0.1;

impl Bench {
    /// A run that has measured nothing yet; files are written into `folder`.
    #[must_use]
    pub fn new(options: Options, folder: &Path) -> Self {
        let mut notes = Vec::new();
        if options.scale != Scale::Full {
            notes.push(
                "**A short run, to see that everything works: no figures to quote.**".to_owned(),
            );
        }
        if options.python.is_none() {
            notes.push(
                "Without the Python peers: `--no-peers`, or `SELVEDGE_PYTHON` is not set."
                    .to_owned(),
            );
        }
        let report = Report {
            schema: SCHEMA,
            created: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            commit: machine::commit(),
            scale: options.scale.name().to_owned(),
            rounds: options.rounds,
            machine: machine::describe(folder),
            versions: machine::versions(),
            notes,
            groups: Vec::new(),
        };
        Self {
            options,
            report,
            begin: Instant::now(),
            busy: Busy::now(),
        }
    }

    /// The report, when all groups have run: with how busy others kept the machine meanwhile.
    #[must_use]
    pub fn finish(mut self) -> Report {
        if let (Some(begin), Some(end)) = (self.busy, Busy::now()) {
            let others = end.of_others_since(begin);
            let told = format!("{:.0} % of the processors", 100.0 * others);
            if others > BUSY {
                self.note(format!(
                    "**The machine was busy:** others had {told} during this run. What needs a second thread, as \
                     Selvedge's recorder does, suffers most."
                ));
            }
            self.report
                .machine
                .push(("others during the run".to_owned(), told));
        }
        self.report
    }

    /// Whether the group `name` runs.
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        self.options.selects(name)
    }

    /// Starts a peer's script, and notes its versions. `None` where there is no Python, or where it cannot start:
    /// then the report says so.
    pub fn python(&mut self, script: &str, args: &[&str]) -> Option<Python> {
        let python = self.options.python.clone()?;
        self.start(&python, script, args)
    }

    /// The same with another Python.
    pub fn start(&mut self, python: &Path, script: &str, args: &[&str]) -> Option<Python> {
        let started = Python::start(python, script, args).and_then(|mut peer| {
            let versions = peer.call(&["versions"])?;
            let versions: BTreeMap<String, String> = serde_json::from_str(&versions)?;
            Ok((peer, versions))
        });
        match started {
            Ok((peer, versions)) => {
                self.report.versions.extend(versions);
                Some(peer)
            }
            Err(error) => {
                self.note(format!("**No peers of `{script}`:** {error}"));
                None
            }
        }
    }

    /// Adds what the reader has to know of the whole run.
    pub fn note(&mut self, note: String) {
        eprintln!("note: {note}");
        self.report.notes.push(note);
    }

    /// Empties the page cache of a file that the group `name` reads from the disk. Where the system does not do that for a
    /// process it is `false`, and the report says that the group is missing.
    ///
    /// # Errors
    ///
    /// The errors of the file system.
    pub fn evicts(&mut self, name: &str, scratch: &Scratch, path: &Path) -> Result<bool> {
        let evicted = scratch.evict(path)?;
        if !evicted {
            let why = "this system does not let a process empty the page cache of a file";
            self.note(format!("No `{name}`: {why}."));
        }
        Ok(evicted)
    }

    /// Takes samples in turns, and adds the group to the report.
    ///
    /// Each round starts with another contender, so none always follows the same. `sample` is given the contender and
    /// the round, of which 0 does not count. A contender whose sample is an error, be it its own or a wrong answer,
    /// takes no part in what follows, and the report says why.
    pub fn rounds<C: Contender>(
        &mut self,
        mut group: Group,
        contenders: &[C],
        mut sample: impl FnMut(C, usize) -> Result<Sample>,
    ) -> &mut Group {
        let rounds = self.options.rounds;
        let rows = contenders
            .iter()
            .map(|who| Row::new(who.name(), who.kind()));
        group.rows = rows.collect();
        for round in 0..=rounds {
            for turn in 0..contenders.len() {
                let index = (turn + round) % contenders.len();
                let row = &mut group.rows[index];
                if row.failure.is_some() {
                    continue;
                }
                self.tell(&format!(
                    "{}, round {round} of {rounds}: {}",
                    group.name, row.name
                ));
                match sample(contenders[index], round) {
                    Ok(sample) if round > 0 => row.push(sample),
                    Ok(_) => {}
                    Err(error) => row.failure = Some(error.to_string()),
                }
            }
        }
        self.tell(&format!("{}, done", group.name));
        eprintln!();
        self.report.groups.push(group);
        let last = self.report.groups.len() - 1;
        &mut self.report.groups[last]
    }

    /// Progress, in one line that is written over on a terminal. Elsewhere only the end of a group is told.
    fn tell(&self, what: &str) {
        let seconds = self.begin.elapsed().as_secs();
        let mut stderr = std::io::stderr().lock();
        let line = format!("[{:>2}:{:02}] {what}", seconds / 60, seconds % 60);
        // Progress that cannot be told is no reason to stop.
        let _ = if stderr.is_terminal() {
            write!(stderr, "\r\x1b[K{line}")
        } else if what.ends_with(", done") {
            write!(stderr, "{line}")
        } else {
            Ok(())
        };
        let _ = stderr.flush();
    }
}

impl Group {
    /// A group without rows: `count` of `unit` in a sample, which has `bytes` of values.
    #[must_use]
    pub fn new(
        name: &str,
        title: &str,
        what: String,
        (count, unit): (u64, &str),
        bytes: u64,
        reference: &str,
    ) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            what,
            bytes,
            count,
            unit: unit.to_owned(),
            reference: reference.to_owned(),
            notes: Vec::new(),
            rows: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Bench, Contender};
    use crate::options::{Options, Scale};
    use crate::report::{Figure, Group, Kind, Sample};

    #[derive(Clone, Copy, PartialEq)]
    enum Who {
        Good,
        Bad,
    }

    impl Contender for Who {
        fn name(self) -> &'static str {
            match self {
                Self::Good => "good",
                Self::Bad => "bad",
            }
        }

        fn kind(self) -> Kind {
            Kind::Peer
        }
    }

    #[test]
    fn turns_alternate_and_a_failure_is_told() {
        let options = Options {
            scale: Scale::Smoke,
            rounds: 3,
            scratch: Path::new(".").to_path_buf(),
            python: None,
            torch: None,
            trajectory: None,
            only: Vec::new(),
        };
        let mut bench = Bench::new(options, Path::new("."));
        let group = Group::new("test/turns", "Turns", String::new(), (1, "turn"), 0, "good");
        let mut turns = String::new();
        let group = bench.rounds(group, &[Who::Good, Who::Bad], |who, round| {
            turns.push(if who == Who::Good { 'g' } else { 'b' });
            if who == Who::Bad && round == 2 {
                return Err("another answer".into());
            }
            Ok(Sample::from([(Figure::Seconds, round as f64)]))
        });
        // The first round does not count; after its failure in round 2 the bad one is not asked again.
        assert_eq!(turns, "gbbggbg");
        assert_eq!(group.rows[0].values(Figure::Seconds), [1.0, 2.0, 3.0]);
        assert_eq!(group.rows[1].values(Figure::Seconds), [1.0]);
        assert_eq!(group.rows[1].failure.as_deref(), Some("another answer"));
        let failures: Vec<_> = bench.report.failures().collect();
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].2, "another answer");
    }
}
