//! All groups, as `groups.txt` has them, and what runs them.

use std::sync::LazyLock;

use selvedge_base::units::Grouped;

use crate::Result;
use crate::bench::Bench;
use crate::numbers::bytes;
use crate::report::{Group, Kind, Report, fill, group_table};
use crate::scratch::Scratch;
use crate::{
    check, compress, convert, encode, python, read, rechunk, record, recording, safetensors, steps,
};

/// A contender: how its section knows it, whose it is, its name in tables, and whether it is one in Python.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    pub(crate) python: bool,
}

/// A group, as the table has it. The others are compared with the first contender.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    title: &'static str,
    what: &'static str,
    pub(crate) count: u64,
    unit: &'static str,
    /// What else the section has to know.
    pub(crate) numbers: Vec<u64>,
    pub(crate) who: Vec<Who>,
}

/// Groups that are measured by one function.
#[derive(Default)]
struct Section {
    key: &'static str,
    title: &'static str,
    who: Vec<Who>,
    /// With the numbers of a full run, a quick one, and the tests.
    groups: Vec<(Spec, [u64; 3])>,
}

static SECTIONS: LazyLock<Vec<Section>> =
    LazyLock::new(|| table(include_str!("groups.txt")).expect("the table is as it says"));

fn table(text: &'static str) -> Option<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    let is_told = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let mut lines = text.lines().filter(is_told);
    while let Some(line) = lines.next() {
        let (name, rest) = line.split_once(": ")?;
        if let Some(key) = name.strip_prefix("== ") {
            sections.push(Section {
                key,
                title: rest,
                ..Section::default()
            });
            continue;
        }
        let section = sections.last_mut()?;
        if let Some(key) = name.strip_prefix("who ") {
            let mut columns = rest.split(" | ");
            let kind = match columns.next()? {
                "ours" => Kind::Ours,
                "plain" => Kind::Plain,
                _ => Kind::Peer,
            };
            let (name, python) = (columns.next()?, columns.next().is_some());
            section.who.push(Who {
                key,
                kind,
                name,
                python,
            });
            continue;
        }
        let before = section.groups.last().cloned();
        let [what, numbers, who] = [lines.next()?, lines.next()?, lines.next()?].map(str::trim);
        let (mut spec, mut counts) = before.unwrap_or_default();
        (spec.name, spec.title) = (name, rest);
        if what != "." {
            spec.what = what;
        }
        if numbers != "." {
            let mut words = numbers.split(' ');
            let mut number = || words.next()?.parse().ok();
            counts = [number()?, number()?, number()?];
            spec.unit = words.next()?;
            spec.numbers = words.map(str::parse).collect::<Result<_, _>>().ok()?;
        }
        if who != "." {
            let known = |key| section.who.iter().find(|who| who.key == key).copied();
            spec.who = who.split(' ').map(known).collect::<Option<_>>()?;
        }
        section.groups.push((spec, counts));
    }
    Some(sections)
}

impl Spec {
    /// The group of this name.
    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        let mut groups = SECTIONS.iter().flat_map(|section| &section.groups);
        let found = groups.find(|(spec, _)| spec.name == name);
        found.expect(name).0.clone()
    }

    /// The last word of its name.
    pub(crate) fn end(&self) -> &str {
        self.name.rsplit(['/', '-']).next().unwrap_or_default()
    }

    /// The group with `count` samples of `size` bytes in all, what the section knows of it, and a note.
    pub(crate) fn group(&self, count: u64, size: u64, text: &str, note: &Option<String>) -> Group {
        let told = [
            ("{count}", Grouped(count).to_string()),
            ("{each}", bytes(size as f64 / count.max(1) as f64)),
            ("{bytes}", bytes(size as f64)),
            ("{text}", text.to_owned()),
        ];
        Group {
            name: self.name.to_owned(),
            title: fill(self.title, &told),
            what: fill(self.what, &told),
            bytes: size,
            count,
            unit: self.unit.to_owned(),
            reference: self.who[0].name.to_owned(),
            notes: note.iter().cloned().collect(),
            rows: Vec::new(),
        }
    }
}

/// The names of all groups.
pub fn names() -> impl Iterator<Item = &'static str> {
    let groups = SECTIONS.iter().flat_map(|section| &section.groups);
    groups.map(|(spec, _)| spec.name)
}

/// The title of the part with the groups whose names begin with `name`.
pub(crate) fn title(name: &str) -> &str {
    let is_it = |section: &&Section| section.groups[0].0.name.split('/').next() == Some(name);
    let found = SECTIONS.iter().find(is_it);
    found.map_or(name, |section| section.title)
}

/// Runs the groups that are selected, and calls `after` with the report so far after each section, so that a run that
/// is interrupted has one.
///
/// What keeps a section from going on is told in the report, and the others run. Returns whether there was none.
///
/// # Errors
///
/// The errors of `after`.
pub fn run(
    bench: &mut Bench,
    scratch: &Scratch,
    mut after: impl FnMut(&Report) -> Result<()>,
) -> Result<bool> {
    let mut complete = true;
    for section in &*SECTIONS {
        let mut selected = Vec::new();
        for (spec, [full, quick, smoke]) in section.groups.clone() {
            let count = bench.pick(full, quick, smoke);
            if count > 0 && bench.options.selects(spec.name) {
                selected.push(Spec { count, ..spec });
            }
        }
        if selected.is_empty() {
            continue;
        }
        let known = bench.report.groups.len();
        let ran = match section.key {
            "record" => record::run(bench, scratch, &selected),
            "compress" => compress::run(bench, scratch, &selected),
            "recording" => recording::run(bench, scratch, &selected),
            "encode" => encode::run(bench, scratch, &selected),
            "read" => read::run(bench, scratch, &selected),
            "steps" => steps::run(bench, scratch, &selected),
            "python" => python::run(bench, scratch, &selected),
            "rechunk" => rechunk::run(bench, scratch, &selected),
            "safetensors" => safetensors::run(bench, scratch, &selected),
            "convert" => convert::run(bench, &selected),
            "check" => check::run(bench, scratch, &selected),
            other => Err(format!("there is no section {other}").into()),
        };
        if let Err(error) = ran {
            bench.note(format!("**`{}` ended early:** {error}", section.key));
            complete = false;
        }
        for group in &bench.report.groups[known..] {
            println!("\n{}", group_table(group));
        }
        after(&bench.report)?;
    }
    Ok(complete)
}

/// What a section says of a contender that it does not know.
pub(crate) fn unknown<T>(who: Who) -> Result<T> {
    Err(format!("nobody is known as {}", who.key).into())
}
