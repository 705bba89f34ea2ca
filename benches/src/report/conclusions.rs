//! What a report says in words: computed from its samples, so that no sentence outlives its figures.

use super::{Figure, Group, Ratio, Report};
use crate::table::{bytes, factor, seconds};

/// What the document that Selvedge was made from says of gzip-1: "adds 20× write slowdown".
const SEED_GZIP: f64 = 20.0;

/// The contenders that the sentences are about.
const OURS: &str = "Selvedge";

/// The sentences, the most important first; those of groups that did not run are left out.
#[must_use]
pub fn conclusions(report: &Report) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(report.group("record/large").and_then(recording));
    sentences.extend(report.group("record/small").and_then(small_steps));
    sentences.extend(report.group("read/whole").and_then(whole_tensor));
    sentences.extend(report.group("read/rows").and_then(token_subset));
    sentences.extend(saving(report));
    sentences.extend(report.group("safetensors/load-sum").and_then(loading));
    sentences.extend(gzip(report));
    sentences
}

fn recording(group: &Group) -> Option<String> {
    let ours = group.speed(OURS, "plain write")?;
    let step = |name| {
        Some(seconds(
            group.row(name)?.median(Figure::Seconds)? / group.count as f64,
        ))
    };
    let mut sentence = format!(
        "Recording a step of 5.12 MB takes Selvedge {}: {} times the speed of a plain `write` of the same bytes{}",
        step(OURS)?,
        factor(ours.median),
        doubt(ours),
    );
    if let (Some(tuned), Some(seed)) = (
        group.speed(OURS, "h5py, tuned"),
        group.speed(OURS, "h5py, the seed's way"),
    ) {
        sentence.push_str(&format!(
            ", {} times that of well-tuned h5py{}, and {} times that of h5py as it is mostly written{}",
            factor(tuned.median),
            doubt(tuned),
            factor(seed.median),
            doubt(seed),
        ));
    }
    sentence.push('.');
    Some(sentence)
}

fn small_steps(group: &Group) -> Option<String> {
    let ours = group.speed(OURS, "h5py, tuned")?;
    let step = |name| {
        Some(seconds(
            group.row(name)?.median(Figure::Seconds)? / group.count as f64,
        ))
    };
    Some(format!(
        "A small step, four tensors of 4 kB and a number, takes {} and h5py {}: {} times the speed{}.",
        step(OURS)?,
        step("h5py, tuned")?,
        factor(ours.median),
        doubt(ours),
    ))
}

fn whole_tensor(group: &Group) -> Option<String> {
    let (plain, peer) = (
        group.speed(OURS, "plain pread")?,
        group.speed(OURS, "h5py, read_direct")?,
    );
    Some(format!(
        "Reading a whole tensor of {} from the page cache is {} times as fast as plain `pread` by a thread for each \
         core{}, and {} times as fast as by h5py{}.",
        bytes(group.bytes as f64),
        factor(plain.median),
        doubt(plain),
        factor(peer.median),
        doubt(peer),
    ))
}

fn token_subset(group: &Group) -> Option<String> {
    let ours = group.speed(OURS, "h5py, d[:][:, mask]")?;
    Some(format!(
        "Reading 3,699 of 10,000 tokens of every step is {} times as fast as h5py's slice-then-mask{}.",
        factor(ours.median),
        doubt(ours),
    ))
}

fn saving(report: &Report) -> Option<String> {
    let speed = |name| report.group(name)?.speed("Save::write", "plain write");
    let (cache, disk) = (
        speed("safetensors/save-large")?,
        speed("safetensors/save-sync-large")?,
    );
    let size = report.group("safetensors/save-large")?.bytes;
    Some(format!(
        "Saving {} as safetensors is {} times as fast as a plain `write` into the page cache{}, and {} times onto the \
         disk{}.",
        bytes(size as f64),
        factor(cache.median),
        doubt(cache),
        factor(disk.median),
        doubt(disk),
    ))
}

fn loading(group: &Group) -> Option<String> {
    let (plain, python) = (
        group.speed("Mapped", "plain read")?,
        group.speed("Mapped", "Python, load_file")?,
    );
    Some(format!(
        "Such a file, mapped, is loaded and summed {} times as fast as by `std::fs::read`{}, and {} times as fast as by \
         Python's `load_file`{}.",
        factor(plain.median),
        doubt(plain),
        factor(python.median),
        doubt(python),
    ))
}

/// Whether the seed's "gzip-1 costs 20×" holds here: its lower bound, over all tensors that were recorded.
fn gzip(report: &Report) -> Option<String> {
    let mut costs = Vec::new();
    for group in report.of_section("compress") {
        // The slowdown: how much faster the uncompressed chunks were written.
        let Some(cost) = group.speed("uncompressed", "gzip-1") else {
            continue;
        };
        costs.push((group.name.trim_start_matches("compress/"), cost));
    }
    let lowest = costs.iter().map(|(_, cost)| cost.low).reduce(f64::min)?;
    let highest = costs.iter().map(|(_, cost)| cost.high).reduce(f64::max)?;
    let verdict = if lowest >= SEED_GZIP {
        "holds on this machine, and is kinder than what was measured"
    } else if highest < SEED_GZIP {
        "does not hold on this machine: it costs less"
    } else {
        "holds for some of it on this machine, and not for all"
    };
    let listed: Vec<String> = costs
        .iter()
        .map(|(name, cost)| format!("{cost} on {name}"))
        .collect();
    Some(format!(
        "\"gzip-1 costs 20×\" {verdict}. Against the same chunks uncompressed, writing with gzip-1 is slower by {}.",
        listed.join(", "),
    ))
}

/// What is added to a ratio that is not certain.
fn doubt(ratio: Ratio) -> &'static str {
    if ratio.is_certain() {
        ""
    } else {
        " (within the noise)"
    }
}
