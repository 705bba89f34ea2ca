//! Files as `selvedge-view` looks at them: open, and refreshed where a recorder is at work.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use selvedge_base::text::shown;
use selvedge_base::{Chain, RwLock};
use selvedge_report::Tensor;
use selvedge_view::{About, Viewed};

use crate::check;
use crate::facts::{FileFacts, OpenFile};
use crate::object;
use crate::output;
use crate::render::{self, Page};
use crate::report;

/// A file, and what it says of itself, as it was last looked at.
pub(crate) struct Look {
    open: RwLock<(FileFacts, OpenFile)>,
    /// The tensors that are looked at; all where there are none.
    names: Vec<String>,
    /// Which file of the system has the name, where it is one.
    id: Option<(u64, u64)>,
}

impl Look {
    /// Looks at a file that has tensors of these names.
    ///
    /// # Errors
    ///
    /// Which of them it has not.
    pub(crate) fn new(
        (facts, file): (FileFacts, OpenFile),
        names: &[String],
    ) -> anyhow::Result<Self> {
        Ok(Self {
            id: id(&facts),
            names: facts.own_names(&file, names)?,
            open: RwLock::new((facts, file)),
        })
    }
}

/// Which file of the system has the name.
fn id(facts: &FileFacts) -> Option<(u64, u64)> {
    let metadata = fs::metadata(&facts.path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

impl Viewed for Look {
    fn refresh(&self) -> Result<(), String> {
        let (facts, file) = &mut *self.open.write();
        let refreshed = facts.refresh(file);
        refreshed.map_err(|error| Chain(&error).to_string())?;
        match self.id.is_none() || self.id == id(facts) {
            true => Ok(()),
            false => Err(
                "another file has this name now, or none; this is the one that was opened"
                    .to_owned(),
            ),
        }
    }

    fn about(&self) -> About {
        let (facts, _) = &*self.open.read();
        let recording = facts.recording.as_ref();
        let lines = render::inspect::header(facts);
        About {
            name: shown(&facts.path).to_string(),
            lines: lines.iter().map(|line| output::plain(line)).collect(),
            is_live: facts.is_live(),
            steps: recording.map_or(0, |recording| recording.committed_steps),
            planned: recording.and_then(|recording| recording.planned_steps),
        }
    }

    fn told(&self) -> String {
        let (facts, _) = &*self.open.read();
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
        let (facts, file) = &*self.open.read();
        if let Ok(tensors) = report::tensors(facts, file, &self.names) {
            work(&tensors);
        }
    }
}
