//! Files as `selvedge-view` looks at them: open, and refreshed where a recorder is at work.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use selvedge_base::text::shown;
use selvedge_base::{Chain, RwLock};
use selvedge_report::{Sample, Tensor};
use selvedge_view::{About, Viewed};

use crate::check;
use crate::facts::{Assumptions, FileFacts, OpenFile, TensorFacts, gather};
use crate::object;
use crate::output;
use crate::render::{self, Page};
use crate::report;

/// A file, and what it says of itself, as it was last looked at.
pub(crate) struct Look {
    path: PathBuf,
    asked: Asked,
    open: RwLock<Open>,
    /// The tensors that are looked at, by their own names; all where there are none.
    names: Vec<String>,
    /// How many tensors are looked at.
    count: usize,
    /// What there is to know of how its values were taken.
    notes: Vec<String>,
    /// Which file of the system has the name, where it is one.
    id: Option<(u64, u64)>,
}

/// How a file is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) assumptions: Assumptions,
    /// The tensors; all where there are none.
    pub(crate) names: Vec<String>,
    /// Whether the first axis is taken for steps where the file does not say so.
    pub(crate) has_steps: bool,
}

/// A length, and a time in seconds and nanoseconds that is compared with none but its like.
type Seen = (u64, i64, i64);

struct Open {
    facts: FileFacts,
    file: OpenFile,
    /// How long it was, and when it was changed, where another program writes it.
    seen: Option<Seen>,
    /// Whether its name is that of another file now, or of none.
    is_replaced: bool,
}

impl Look {
    /// Looks at a file, whose steps of this sample are to be measured.
    ///
    /// # Errors
    ///
    /// That it cannot be read; which tensors or steps it has not.
    pub(crate) fn new(path: PathBuf, asked: Asked, sample: &Sample) -> anyhow::Result<Self> {
        let seen = seen(&path);
        let (mut facts, file) = gather(&path, &asked.assumptions)?;
        let names = facts.own_names(&file, &asked.names)?;
        let without = report::take_steps(&mut facts, asked.has_steps);
        let without = render::report::without_steps(&without);
        let notes = render::report::notes(without, &facts, &names);
        report::check_steps(&facts, &names, sample)?;
        let count = report::tensors(&facts, &file, &names)?.len();
        Ok(Self {
            id: id(&path),
            open: RwLock::new(Open {
                facts,
                file,
                seen,
                is_replaced: false,
            }),
            names,
            count,
            notes,
            path,
            asked,
        })
    }

    /// The numbers of rows of its tensors.
    pub(crate) fn rows(&self) -> Vec<u64> {
        report::rows(&self.open.read().facts).collect()
    }

    /// Opens a file anew that another program writes: libhdf5 keeps what it has read of a file as long as that is open.
    fn reopen(&self, open: &mut Open) -> anyhow::Result<()> {
        let now = seen(&self.path);
        if now.is_some() && now == open.seen {
            return Ok(());
        }
        open.file = OpenFile::Arrays(Vec::new());
        let (mut facts, file) = gather(&self.path, &self.asked.assumptions)?;
        report::take_steps(&mut facts, self.asked.has_steps);
        let same = |facts: &FileFacts| {
            let tensors = facts.tensors.iter();
            let same = |tensor: &TensorFacts| {
                let step = tensor.shape.get(1..).map(<[u64]>::to_vec);
                (tensor.name.clone(), tensor.dtype.clone(), step)
            };
            tensors.map(same).collect::<Vec<_>>()
        };
        if same(&facts) != same(&open.facts) {
            bail!("it has other tensors now than when it was opened");
        }
        *open = Open {
            facts,
            file,
            seen: now,
            is_replaced: false,
        };
        Ok(())
    }
}

/// Which file of the system has the name.
fn id(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// How long a file is, and when it was changed.
fn seen(path: &Path) -> Option<Seen> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.ctime(), metadata.ctime_nsec()))
}

impl Viewed for Look {
    fn refresh(&self) -> Result<(), String> {
        let open = &mut *self.open.write();
        if open.facts.has_other_writer {
            let reopened = self.reopen(open);
            reopened.map_err(|error| format!("{error:#}"))?;
        } else {
            let refreshed = open.facts.refresh(&mut open.file);
            refreshed.map_err(|error| Chain(&error).to_string())?;
        }
        let now = id(&self.path);
        open.is_replaced = self.id.is_some() && self.id != now;
        match (open.is_replaced, now) {
            (false, _) => Ok(()),
            (true, None) => {
                Err("no file has this name now; this is the one that was opened".to_owned())
            }
            (true, Some(_)) => Err(
                "another file has this name now, and this is the one that was opened; start `selvedge view` again to \
                 look at the other"
                    .to_owned(),
            ),
        }
    }

    fn about(&self) -> About {
        let facts = &self.open.read().facts;
        let recording = facts.recording.as_ref();
        let mut lines = render::inspect::header(facts);
        lines.extend(self.notes.clone());
        let of_steps = facts.tensors.iter().filter(|tensor| tensor.has_steps());
        let longest = of_steps.map(|tensor| tensor.shape[0]).max();
        About {
            name: shown(&facts.path).to_string(),
            lines: lines.iter().map(|line| output::plain(line)).collect(),
            is_live: facts.is_live(),
            steps: recording.map_or(longest.unwrap_or(0), |recording| recording.committed_steps),
            planned: recording.and_then(|recording| recording.planned_steps),
        }
    }

    fn told(&self) -> String {
        let open = self.open.read();
        let facts = &open.facts;
        if open.is_replaced {
            // What there is to do with the file, and how to read it, would be done with the other.
            return "another file has its name now, or none\n".to_owned();
        }
        // An object has no folder, whose settings the rules look at; and a broken selvedge.toml is no reason to show
        // nothing.
        let findings = match object::url(&facts.path) {
            Some(_) => Vec::new(),
            None => check::one_file(facts).unwrap_or_default(),
        };
        let told = render::inspect::file(facts, None, &findings, false, Page::of_text());
        output::plain(&told)
    }

    fn with(&self, work: &mut dyn FnMut(&[Tensor<'_>])) {
        let open = &*self.open.read();
        if let Ok(tensors) = report::tensors(&open.facts, &open.file, &self.names)
            && tensors.len() == self.count
        {
            work(&tensors);
        }
    }
}
