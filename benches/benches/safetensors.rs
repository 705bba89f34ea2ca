//! safetensors files: saved, loaded and looked into, against plain `write` and `read`, the
//! `safetensors` crate and Python.
//!
//! `cargo bench -p selvedge-benches --bench safetensors`
//!
//! `benches/README.md` has the options, the contenders, and how to read the report, which is also in
//! `target/bench/safetensors.md`. No time is asserted anywhere; every file's content, every sum and
//! every row is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use selvedge_benches::machine;
use selvedge_benches::options::{Options, Scale};
use selvedge_benches::report::Report;
use selvedge_benches::rounds::take_turns;
use selvedge_benches::safetensors::data::{Workload, random_rows};
use selvedge_benches::safetensors::peer::Peer;
use selvedge_benches::safetensors::report::{self, Medium};
use selvedge_benches::safetensors::sum::sum;
use selvedge_benches::safetensors::{load, rows, save};
use selvedge_benches::scratch::Scratch;
use selvedge_benches::{Result, exit_code};

fn main() -> ExitCode {
    exit_code(run())
}

/// The groups, in the order of the report.
const GROUPS: [&str; 10] = [
    "save-large",
    "save-sync-large",
    "save-middle",
    "save-sync-middle",
    "save-small",
    "save-sync-small",
    "load-sum",
    "load-sum-cold",
    "rows",
    "rows-cold",
];

/// A run of the bench.
struct Bench {
    options: Options,
    scratch: Scratch,
    peer: Option<Peer>,
    report: Report,
    /// Files that were saved so far: each has another name.
    saved: usize,
}

fn run() -> Result<()> {
    let options = Options::read()?;
    let folder = options.folder.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let mut bench = Bench {
        scratch: Scratch::new(&folder)?,
        peer: None,
        report: Report::default(),
        saved: 0,
        options,
    };
    if GROUPS.iter().any(|group| bench.selects(group)) {
        bench.run()?;
    }
    Ok(())
}

impl Bench {
    fn selects(&self, group: &str) -> bool {
        self.options.selects(&format!("safetensors/{group}"))
    }

    fn run(&mut self) -> Result<()> {
        let scale = self.options.scale;
        self.head()?;

        let scratch = &self.scratch;
        let large = Workload::large(scale.pick(200_000, 20_000, 50), scratch)?;
        let bytes = large.bytes();
        if !scratch.fits(bytes)? {
            let folder = scratch.path().display();
            return Err(format!(
                "{folder} has no room for files of {bytes} bytes; set SELVEDGE_BENCH_DIR"
            )
            .into());
        }
        let middle = Workload::middle(scale.pick(64, 6, 1), scratch)?;
        let small = Workload::small(scale.pick(300, 300, 3), scratch)?;

        for workload in [&large, &middle, &small] {
            let name = workload.name;
            let media = [
                (Medium::Cache, format!("save-{name}")),
                (Medium::Disk, format!("save-sync-{name}")),
            ];
            for (medium, group) in media {
                if self.selects(&group) {
                    self.save(workload, medium, &group)?;
                }
            }
        }
        self.read(&large, scale.pick(1000, 1000, 10))?;
        if scale != Scale::Smoke {
            self.report.requirements();
            let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
            self.report.save(tmp, "safetensors")?;
        }
        Ok(())
    }

    fn head(&mut self) -> Result<()> {
        let mut facts = machine::describe(self.scratch.path());
        let python = self.options.python.as_deref();
        self.peer = python.map(Peer::start).transpose()?;
        facts.push(match self.peer.as_mut() {
            Some(peer) => ("peer", peer.version()?),
            None => ("peer", "none: SELVEDGE_PYTHON is not set".to_owned()),
        });
        let rounds = self.options.rounds;
        facts.push(("rounds", format!("{rounds} and one that does not count")));
        self.report
            .head("safetensors files, against their peers", &facts);
        self.report.scale(self.options.scale);
        Ok(())
    }

    /// Rounds of saved files.
    fn save(&mut self, workload: &Workload, medium: Medium, group: &str) -> Result<()> {
        use save::Contender;
        let sync = medium == Medium::Disk;
        let mut contenders = vec![Contender::Plain];
        contenders.extend(sync.then_some(Contender::PlainRenamed));
        contenders.extend([Contender::Save, Contender::Pieces]);
        contenders.extend((workload.name == "large").then_some(Contender::Growing));
        contenders.push(Contender::Crate);
        if let Some(peer) = self.peer.as_mut() {
            peer.prepare(workload, &[], &self.scratch)?;
            contenders.push(Contender::Python);
        }
        let rounds = self.options.rounds;
        let outcomes = take_turns(&contenders, rounds, |contender, round| {
            self.saved += 1;
            let path = format!("sample-{}.safetensors", self.saved);
            let path = self.scratch.file(&path);
            let seconds = contender.save(workload, &path, sync, self.peer.as_mut())?;
            let checked = workload.check(&path);
            checked.map_err(|error| format!("{}: {error}", contender.name()))?;
            let mut by_python = "";
            if let Some(peer) = self.peer.as_mut().filter(|_| round == 0) {
                peer.check(&path)?;
                by_python = ", and by Python";
            }
            self.scratch.settle(&path)?;
            tell(group, (round, rounds), contender.name(), seconds, by_python);
            Ok(Some(seconds))
        })?;
        report::saves(&mut self.report, workload, medium, &outcomes);
        Ok(())
    }

    /// Rounds of a file that is loaded, and of one that rows are taken out of.
    fn read(&mut self, workload: &Workload, count: usize) -> Result<()> {
        let path = self.scratch.file("large.safetensors");
        let rows = random_rows(count, workload.shape[0]);
        let groups = [
            ("load-sum", Medium::Cache),
            ("load-sum-cold", Medium::Disk),
            ("rows", Medium::Cache),
            ("rows-cold", Medium::Disk),
        ];
        if !groups.iter().any(|(group, _)| self.selects(group)) {
            return Ok(());
        }
        workload.save(&path).write()?;
        if let Some(peer) = self.peer.as_mut() {
            peer.prepare(workload, &rows, &self.scratch)?;
        }
        for (group, medium) in groups {
            if !self.selects(group) {
            } else if medium == Medium::Disk && !self.scratch.evict(&path)? {
                let note = "This system does not let a process empty the page cache of a file.";
                self.report.note(&format!("No `{group}`. {note}"));
            } else if group.starts_with("load") {
                self.load(workload, &path, medium, group)?;
            } else {
                self.rows(workload, &path, &rows, medium, group)?;
            }
        }
        self.scratch.settle(&path)
    }

    fn load(
        &mut self,
        workload: &Workload,
        path: &Path,
        medium: Medium,
        group: &str,
    ) -> Result<()> {
        use load::Contender;
        let mut contenders = vec![
            Contender::Mapped,
            Contender::Read,
            Contender::ReadInto,
            Contender::Plain,
            Contender::PlainInto,
            Contender::Crate,
        ];
        contenders.extend(self.peer.is_some().then_some(Contender::Python));
        let expected = sum(&workload.values);
        let mut buffers = load::Buffers::new(workload);
        let rounds = self.options.rounds;
        let outcomes = take_turns(&contenders, rounds, |contender, round| {
            if medium == Medium::Disk {
                self.scratch.evict(path)?;
            }
            let sample = contender.load(path, expected, &mut buffers, self.peer.as_mut())?;
            tell(group, (round, rounds), contender.name(), sample.total, "");
            Ok(Some(sample))
        })?;
        report::loads(&mut self.report, workload, medium, &outcomes);
        Ok(())
    }

    fn rows(
        &mut self,
        workload: &Workload,
        path: &Path,
        rows: &[usize],
        medium: Medium,
        group: &str,
    ) -> Result<()> {
        use rows::Contender;
        let mut contenders = vec![
            Contender::Mapped,
            Contender::Reader,
            Contender::Plain,
            Contender::All,
        ];
        if self.peer.is_some() {
            contenders.extend([Contender::PythonSlice, Contender::PythonAll]);
        }
        let rounds = self.options.rounds;
        let outcomes = take_turns(&contenders, rounds, |contender, round| {
            if medium == Medium::Disk {
                self.scratch.evict(path)?;
            }
            let seconds = contender.take(workload, path, rows, self.peer.as_mut())?;
            tell(group, (round, rounds), contender.name(), seconds, "");
            Ok(Some(seconds))
        })?;
        report::rows(&mut self.report, workload, rows.len(), medium, &outcomes);
        Ok(())
    }
}

/// A line of progress.
fn tell(group: &str, (round, rounds): (usize, usize), who: &str, seconds: f64, by_python: &str) {
    eprintln!(
        "safetensors/{group}, round {round} of {rounds}: {who}, {seconds:.4} s, checked{by_python}"
    );
}
