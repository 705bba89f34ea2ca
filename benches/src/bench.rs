//! A run: every contender in turn, round after round, so that each round's figures are a pair.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use indicatif::ProgressBar;
use selvedge_testing::Busy;

use crate::Result;
use crate::machine;
use crate::options::{Options, Scale};
use crate::peer::Python;
use crate::report::{Group, Report, Row, SCHEMA, Sample};
use crate::scratch::Scratch;
use crate::sections::{Spec, Who};

/// A run, and its report so far.
#[derive(Debug)]
pub struct Bench {
    pub(crate) options: Options,
    /// What was measured.
    pub report: Report,
    progress: ProgressBar,
    busy: Option<Busy>,
}

/// The part of the processors that others may have before the report warns of them.
const BUSY: f64 = 0.1;

impl Bench {
    /// A run that has measured nothing yet; files are written into `folder`.
    pub fn new(options: Options, folder: &Path) -> Self {
        let (rounds, scale) = (options.rounds(), options.scale());
        let mut bench = Self {
            report: Report {
                schema: SCHEMA,
                created: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
                commit: machine::commit(),
                scale: scale.pick("full", "quick", "smoke").to_owned(),
                rounds,
                machine: machine::describe(folder),
                versions: machine::versions(),
                notes: Vec::new(),
                groups: Vec::new(),
            },
            options,
            progress: ProgressBar::new_spinner(),
            busy: Busy::now(),
        };
        if scale != Scale::Full {
            bench.note("**A short run, to see that everything works: no figures to quote.**");
        }
        if bench.options.python().is_none() {
            bench.note("Without the Python peers: `--no-peers`, or `SELVEDGE_PYTHON` is not set.");
        }
        bench
    }

    /// The report, when all groups have run: with how busy others kept the machine meanwhile.
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
            let what = "others during the run".to_owned();
            self.report.machine.push((what, told));
        }
        self.report
    }

    /// `full`, or less of it, by the scale of this run.
    pub(crate) fn pick<T>(&self, full: T, quick: T, smoke: T) -> T {
        self.options.scale().pick(full, quick, smoke)
    }

    /// Starts a peer's script, and notes its versions. `None` where there is no Python, or where it cannot start:
    /// then the report says so.
    pub(crate) fn python(&mut self, script: &str) -> Option<Python> {
        let python = self.options.python()?;
        self.start(&python, script)
    }

    /// The same with another Python.
    pub(crate) fn start(&mut self, python: &Path, script: &str) -> Option<Python> {
        let started = Python::start(python, script).and_then(|mut peer| {
            let versions: BTreeMap<String, String> = peer.call("versions", ())?;
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
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        self.progress.suspend(|| eprintln!("note: {note}"));
        self.report.notes.push(note);
    }

    /// As [`Scratch::evict`]; where it is `false`, the report says that the group is missing.
    pub(crate) fn evicts(&mut self, spec: &Spec, scratch: &Scratch, path: &Path) -> Result<bool> {
        let evicted = scratch.evict(spec, path)?;
        if !evicted {
            let why = "this system does not let a process empty the page cache of a file";
            self.note(format!("No `{}`: {why}.", spec.name));
        }
        Ok(evicted)
    }

    /// Takes samples in turns, of all contenders or, without a peer, of those that are not in Python, and adds the group to
    /// the report.
    ///
    /// Each round starts with another contender, so none always follows the same. `sample` is given the contender and
    /// the round, of which 0 does not count. A contender whose sample is an error, be it its own or a wrong answer,
    /// takes no part in what follows, and the report says why.
    pub(crate) fn rounds(
        &mut self,
        spec: &Spec,
        mut group: Group,
        has_peer: bool,
        mut sample: impl FnMut(Who, usize) -> Result<Sample>,
    ) -> &mut Group {
        let rounds = self.report.rounds;
        let mut contenders = spec.who.clone();
        contenders.retain(|who| has_peer || !who.python);
        group.rows = contenders.iter().map(Row::new).collect();
        for round in 0..=rounds {
            for turn in 0..contenders.len() {
                let index = (turn + round) % contenders.len();
                let row = &mut group.rows[index];
                if row.failure.is_some() {
                    continue;
                }
                let what = format!("{}, round {round} of {rounds}: {}", group.name, row.name);
                self.progress.set_message(what);
                match sample(contenders[index], round) {
                    Ok(sample) if round > 0 => row.push(sample),
                    Ok(_) => {}
                    Err(error) => row.failure = Some(error.to_string()),
                }
            }
        }
        let seconds = self.progress.elapsed().as_secs();
        let done = format!(
            "[{:>2}:{:02}] {}, done",
            seconds / 60,
            seconds % 60,
            group.name
        );
        self.progress.suspend(|| eprintln!("{done}"));
        self.report.groups.push_mut(group)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;

    use super::Bench;
    use crate::options::Options;
    use crate::report::{Figure, Sample};
    use crate::sections::Spec;

    #[test]
    fn turns_alternate_and_a_failure_is_told() {
        let options = Options::parse_from(["bench", "--smoke", "--no-peers", "--rounds", "3"]);
        let mut bench = Bench::new(options, Path::new("."));
        let spec = Spec::named("record/append-large");
        let mut turns = String::new();
        let group = bench.rounds(&spec, spec.group(1, 0, "", &None), false, |who, round| {
            turns.push_str(&who.key[..1]);
            if who.key == "append" && round == 2 {
                return Err("another answer".into());
            }
            Ok(Sample::from([(Figure::Seconds, round as f64)]))
        });
        // The first round does not count; after its failure in round 2 `append` is not asked again.
        assert_eq!(turns, "caaccac");
        assert_eq!(group.reference, "memcpy");
        assert_eq!(group.rows[0].values(Figure::Seconds), [1.0, 2.0, 3.0]);
        assert_eq!(group.rows[1].values(Figure::Seconds), [1.0]);
        assert_eq!(group.rows[1].failure.as_deref(), Some("another answer"));
        assert_eq!(bench.report.failures().count(), 1);
    }
}
