//! Reading a trajectory, whole and in part: Selvedge beside a plain `pread` of the same bytes and h5py.

pub mod contender;
pub mod data;
pub mod peer;
pub mod steps;

use self::contender::{Contender, Memory, What};
use self::data::{Data, STEP_BYTES};
use self::peer::Peer;
use crate::Result;
use crate::bench::{Bench, Contender as _};
use crate::report::Group;
use crate::scratch::Scratch;
use crate::table::{bytes, grouped};

/// The names of the groups.
pub const GROUPS: &[&str] = &[
    "read/whole",
    "read/whole-cold",
    "read/fresh",
    "read/fresh-cold",
    "read/rows",
    "read/rows-cold",
    "read/strided",
    "read/strided-cold",
    "read/single",
    "read/single-cold",
];

/// What the groups read, two by two.
const ALL: [What; 5] = [
    What::Whole,
    What::Fresh,
    What::Rows,
    What::Strided,
    What::Single,
];

/// Whether the file is in the page cache.
#[derive(Clone, Copy, PartialEq)]
enum Cache {
    Warm,
    /// It was dropped from it before each read.
    Cold,
}

/// Runs those that are selected.
///
/// # Errors
///
/// The errors of recording the file that is read.
pub fn run(bench: &mut Bench, scratch: &Scratch) -> Result<()> {
    let path = scratch.file("run_1.h5");
    let scale = bench.options.scale;
    let (steps, note) = scratch.fit(scale.pick(1600, 64, 32), STEP_BYTES as u64, 16)?;
    let data = Data::record(&path, steps, scale.pick(1000, 100, 10))?;
    // Nothing is left to be written while somebody reads, and what is on the disk can be dropped.
    crate::meter::sync_data(&path)?;
    let mut peer = bench.python("read_peer.py", &[]).map(Peer);
    if let Some(peer) = peer.as_mut() {
        peer.prepare(&path, &data, scratch)?;
    }
    let mut memory = Memory::new(&data);
    for what in ALL {
        for (cache, end, how) in [
            (Cache::Warm, "", "from the page cache"),
            (Cache::Cold, "-cold", "from the disk"),
        ] {
            let name = format!("read/{}{end}", what.name());
            if !bench.selects(&name) {
                continue;
            }
            if cache == Cache::Cold && !bench.evicts(&name, scratch, &path)? {
                continue;
            }
            let title = format!("{}, {how}", what.title());
            let size = what.bytes(&data);
            let words = format!(
                "{} of a bfloat16 tensor ({}, 10000, 64), {}.",
                bytes(size as f64),
                grouped(steps),
                match cache {
                    Cache::Warm => "which is in the page cache",
                    Cache::Cold => "which was dropped from the page cache before each read",
                }
            );
            let (count, unit) = match what {
                What::Single => (data.single.len() as u64, "step"),
                _ => (1, "read"),
            };
            let mut group = Group::new(
                &name,
                &title,
                words,
                (count, unit),
                size,
                what.reference().name(),
            );
            group.notes.extend(note.clone());
            if what == What::Rows {
                let fancy = "`d[:, rows]` reads the last sixteenth of the steps, and its time is multiplied.";
                group.notes.push(fancy.to_owned());
            }
            let contenders: Vec<Contender> = what
                .contenders()
                .iter()
                .copied()
                .filter(|who| peer.is_some() || !matches!(who, Contender::H5py(_)))
                .collect();
            bench.rounds(group, &contenders, |who, _| {
                if cache == Cache::Cold {
                    scratch.evict(&path)?;
                }
                who.read(what, &path, &data, &mut memory, peer.as_mut())
            });
        }
    }
    scratch.settle(&path)
}
