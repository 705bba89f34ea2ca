//! safetensors files, saved, loaded and looked into: Selvedge beside plain `write` and `read`, the `safetensors`
//! crate and Python's.

pub mod data;
pub mod load;
pub mod many;
pub mod peer;
pub mod rows;
pub mod save;
pub mod sum;

use std::path::Path;

use self::data::{ROW, Workload, random_rows};
use self::peer::Peer;
use crate::Result;
use crate::bench::{Bench, Contender as _};
use crate::meter::{self, Meter};
use crate::report::{Figure, Group, Sample};
use crate::scratch::Scratch;
use crate::table::bytes;

/// The names of the groups.
pub const GROUPS: &[&str] = &[
    "safetensors/save-large",
    "safetensors/save-sync-large",
    "safetensors/save-middle",
    "safetensors/save-sync-middle",
    "safetensors/save-small",
    "safetensors/save-sync-small",
    "safetensors/load-many",
    "safetensors/load-sum",
    "safetensors/load-sum-cold",
    "safetensors/rows",
    "safetensors/rows-cold",
];

/// Runs those that are selected.
///
/// # Errors
///
/// The errors of making the files that are read, and a disk without room for them.
pub fn run(bench: &mut Bench, scratch: &Scratch) -> Result<()> {
    let scale = bench.options.scale;
    let (rows, note) = scratch.fit(scale.pick(200_000, 20_000, 50), 2 * ROW as u64, 50)?;
    let large = Workload::large(usize::try_from(rows)?, scratch)?;
    let middle = Workload::middle(scale.pick(64, 6, 1), scratch)?;
    let small = Workload::small(scale.pick(300, 300, 3), scratch)?;
    let mut peer = bench.python("safetensors_peer.py", &[]).map(Peer);
    let mut run = Run {
        bench,
        scratch,
        peer: &mut peer,
        note,
        saved: 0,
    };
    for workload in [&large, &middle, &small] {
        for sync in [false, true] {
            run.save(workload, sync)?;
        }
    }
    run.load_many(scale.pick(10_000, 10_000, 50))?;
    run.read(&large, scale.pick(1000, 1000, 10))
}

/// The groups' run.
struct Run<'a> {
    bench: &'a mut Bench,
    scratch: &'a Scratch,
    peer: &'a mut Option<Peer>,
    /// What is to be told where the disk is too small.
    note: Option<String>,
    /// Files that were saved so far: each has another name.
    saved: usize,
}

impl Run<'_> {
    fn group(&self, name: &str, title: &str, what: String, bytes: u64, reference: &str) -> Group {
        let unit = if name.contains("save") {
            "file"
        } else {
            "read"
        };
        let mut group = Group::new(name, title, what, (1, unit), bytes, reference);
        group.notes.extend(self.note.clone());
        group
    }

    /// Files that are saved.
    fn save(&mut self, workload: &Workload, sync: bool) -> Result<()> {
        use save::Contender;
        let name = format!(
            "safetensors/save-{}{}",
            if sync { "sync-" } else { "" },
            workload.name
        );
        if !self.bench.selects(&name) {
            return Ok(());
        }
        let mut contenders = vec![Contender::Plain];
        contenders.extend(sync.then_some(Contender::PlainRenamed));
        contenders.extend([Contender::Save, Contender::Pieces]);
        contenders.extend((workload.name == "large").then_some(Contender::Growing));
        contenders.push(Contender::Crate);
        if let Some(peer) = self.peer.as_mut() {
            peer.prepare(workload, &[], self.scratch)?;
            contenders.push(Contender::Python);
        }
        let how = if sync {
            "until it is on the disk"
        } else {
            "into the page cache"
        };
        let title = format!("Saving a {} file, {how}", workload.name);
        let what = format!("{}, {}.", workload.what, bytes(workload.bytes() as f64));
        let group = self.group(
            &name,
            &title,
            what,
            workload.bytes(),
            Contender::Plain.name(),
        );
        let (scratch, peer, saved) = (self.scratch, &mut *self.peer, &mut self.saved);
        self.bench.rounds(group, &contenders, |who, round| {
            *saved += 1;
            let path = scratch.file(&format!("sample-{saved}.safetensors"));
            let meter = Meter::start();
            let mut sample = Sample::from([(
                Figure::Seconds,
                who.save(workload, &path, sync, peer.as_mut())?,
            )]);
            if who != Contender::Python {
                meter.stop(&mut sample);
            }
            sample.insert(Figure::OnDisk, meter::on_disk(&path)?);
            workload.check(&path)?;
            if let Some(peer) = peer.as_mut().filter(|_| round == 0) {
                peer.check(&path)?;
            }
            scratch.settle(&path)?;
            Ok(sample)
        });
        Ok(())
    }

    /// A file of many small tensors, which are all loaded.
    fn load_many(&mut self, count: usize) -> Result<()> {
        use many::Contender;
        let name = "safetensors/load-many";
        if !self.bench.selects(name) {
            return Ok(());
        }
        let workload = &Workload::many(count, self.scratch)?;
        let path = &self.scratch.file("many.safetensors");
        workload.save(path).reproducible(true).write()?;
        let mut contenders = vec![
            Contender::Plain,
            Contender::Read,
            Contender::ReadInto,
            Contender::Mapped,
            Contender::Crate,
        ];
        contenders.extend(self.peer.is_some().then_some(Contender::Python));
        let title = "Loading many small tensors, from the page cache";
        let what = format!("{}, each looked for by its name.", workload.what);
        let plain = Contender::Plain.name();
        let group = self.group(name, title, what, workload.bytes(), plain);
        let expected = sum::sum(&workload.values);
        let mut buffer = workload.values.clone();
        let peer = &mut *self.peer;
        self.bench.rounds(group, &contenders, |who, _| {
            let peer = peer.as_mut();
            let seconds = who.load(workload, path, &mut buffer, expected, peer)?;
            Ok(Sample::from([(Figure::Seconds, seconds)]))
        });
        self.scratch.settle(path)
    }

    /// A file that is loaded, and that rows are taken out of.
    fn read(&mut self, workload: &Workload, count: usize) -> Result<()> {
        let groups = &GROUPS[7..];
        if !groups.iter().any(|name| self.bench.selects(name)) {
            return Ok(());
        }
        let path = self.scratch.file("large.safetensors");
        let rows = random_rows(count, workload.shape[0]);
        workload.save(&path).write()?;
        if let Some(peer) = self.peer.as_mut() {
            peer.prepare(workload, &rows, self.scratch)?;
        }
        for &name in groups {
            let cold = name.ends_with("-cold");
            if !self.bench.selects(name) || cold && !self.bench.evicts(name, self.scratch, &path)? {
                continue;
            }
            if name.contains("load") {
                self.load(name, workload, &path, cold);
            } else {
                self.rows(name, workload, &path, &rows, cold);
            }
        }
        self.scratch.settle(&path)
    }

    fn load(&mut self, name: &str, workload: &Workload, path: &Path, cold: bool) {
        use load::Contender;
        let mut contenders = vec![
            Contender::Plain,
            Contender::PlainInto,
            Contender::Mapped,
            Contender::Read,
            Contender::ReadInto,
            Contender::Crate,
        ];
        contenders.extend(self.peer.is_some().then_some(Contender::Python));
        let title = format!("Loading and summing, {}", from(cold));
        let what = format!(
            "{}, {}; each is summed, in one thread.",
            workload.what,
            bytes(workload.bytes() as f64)
        );
        let group = self.group(
            name,
            &title,
            what,
            workload.bytes(),
            Contender::Plain.name(),
        );
        let expected = sum::sum(&workload.values);
        let mut buffers = load::Buffers::new(workload);
        let (scratch, peer) = (self.scratch, &mut *self.peer);
        self.bench.rounds(group, &contenders, |who, _| {
            if cold {
                scratch.evict(path)?;
            }
            let found = who.load(path, expected, &mut buffers, peer.as_mut())?;
            Ok(Sample::from([
                (Figure::Seconds, found.total),
                (Figure::Load, found.load),
            ]))
        });
    }

    fn rows(&mut self, name: &str, workload: &Workload, path: &Path, rows: &[usize], cold: bool) {
        use rows::Contender;
        let mut contenders = vec![
            Contender::Plain,
            Contender::Mapped,
            Contender::Reader,
            Contender::All,
        ];
        if self.peer.is_some() {
            contenders.extend([Contender::PythonSlice, Contender::PythonAll]);
        }
        let title = format!("Random rows, {}", from(cold));
        let size = (rows.len() * workload.shape[1] * 2) as u64;
        let what = format!(
            "{} rows of {}, in no order, out of {}.",
            rows.len(),
            bytes((workload.shape[1] * 2) as f64),
            workload.what
        );
        let group = self.group(name, &title, what, size, Contender::Plain.name());
        let (scratch, peer) = (self.scratch, &mut *self.peer);
        self.bench.rounds(group, &contenders, |who, _| {
            if cold {
                scratch.evict(path)?;
            }
            let seconds = who.take(workload, path, rows, peer.as_mut())?;
            Ok(Sample::from([(Figure::Seconds, seconds)]))
        });
    }
}

fn from(cold: bool) -> &'static str {
    if cold {
        "from the disk"
    } else {
        "from the page cache"
    }
}
