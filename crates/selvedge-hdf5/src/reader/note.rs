//! What a reader has to tell of a file beside its tensors.

use std::fmt;

use selvedge_base::units::Names;

use crate::plan::{Grouped, Shape};
use crate::provenance::{FORMAT, STEP_TENSOR};

/// Something in a file that is no part of the run, or is not as the run left it. Its
/// [`Display`](fmt::Display) is a clause for people, which begins with the name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A dataset that another program added to a recorded file.
    Added {
        /// Its name.
        dataset: String,
    },
    /// A step tensor that is ahead of the others by a commit that was cut short.
    CutShort {
        /// Its name.
        tensor: String,
        /// Steps that are not committed.
        steps: u64,
    },
    /// A step tensor that another program appended steps to, and not to all others; or one that has steps which
    /// another program took from others.
    Appended {
        /// Its name.
        tensor: String,
        /// Steps that it has beyond the committed ones.
        steps: u64,
        /// Steps that all step tensors have.
        committed: u64,
        /// Whether it is the others that were shortened: the run had so many steps, as the file says.
        others_shortened: bool,
    },
    /// Steps that another program appended to all step tensors. They count.
    AppendedToAll {
        /// The number of them.
        steps: u64,
    },
    /// Steps that the file says it had, and that another program took from all step tensors.
    Shortened {
        /// The number of them.
        steps: u64,
        /// Steps that are left.
        committed: u64,
    },
    /// Step tensors that the run had, and that another program deleted, or moved into a group.
    Missing {
        /// The number of them.
        tensors: u64,
    },
    /// A dataset that is marked as a step tensor and lacks steps that the run has: another program
    /// shortened it, or copied it from another run.
    Short {
        /// Its name.
        tensor: String,
        /// Steps that it has.
        steps: u64,
        /// Steps that the run has.
        committed: u64,
    },
    /// Tensors that are taken for step tensors, and may be constants, or what another program added: nothing tells
    /// but their length, or attributes that can be copied.
    Guessed {
        /// Their names.
        tensors: Vec<String>,
    },
    /// Names of one step tensor, of which nothing tells which one the run gave it: another program gave it the others, and put
    /// the names in another order.
    SameDataset {
        /// The names.
        tensors: Vec<String>,
    },
    /// A tensor of a file that does not say which have steps, whose first axis is longer or shorter by one than that
    /// of those that are taken for step tensors, if there are several of these, or one of two axes or more. It is taken
    /// for a constant.
    OffByOne {
        /// Its name.
        tensor: String,
        /// How long its first axis is.
        length: u64,
        /// How long that of the others is.
        steps: u64,
    },
    /// A tensor of a file that does not say that Selvedge recorded it, with the mark of a step tensor and not the steps
    /// of the others that have it. It is taken for a constant.
    NotOfSteps {
        /// Its name.
        tensor: String,
        /// Its shape in elements.
        shape: Vec<u64>,
        /// How long the first axis of the others is.
        steps: u64,
    },
    /// Tensors with the marks that a recorder gives, in a file that does not say that Selvedge recorded it: they were
    /// copied, or what the file said of its run was deleted.
    Copied {
        /// The number of them.
        tensors: u64,
    },
    /// A dataset that cannot be opened: it is damaged, or of a kind that libhdf5 does not know.
    Unread {
        /// Its name.
        name: String,
        /// What libhdf5 says.
        reason: String,
    },
    /// A dataset whose name is not UTF-8. It goes by its name with the odd bytes escaped.
    NameNotUtf8 {
        /// The name as it is shown.
        dataset: String,
    },
    /// A dimension of netCDF that is no variable: a dataset without values, which is there to name axes.
    /// It is no tensor.
    Dimension {
        /// Its name.
        name: String,
        /// How long the axes are; `None` of an unlimited dimension, whose length is that of its axes.
        length: Option<u64>,
    },
    /// A link that leads to nothing that is there.
    BrokenLink {
        /// Its name.
        name: String,
        /// Where it leads.
        leads_to: String,
    },
    /// A link to another file that is not followed.
    NotFollowed {
        /// Its name.
        name: String,
        /// Where it leads.
        leads_to: String,
        /// Why it is not followed.
        reason: String,
    },
    /// One more name of a group, which is listed under the first one.
    SecondName {
        /// This name.
        group: String,
        /// The name that it is listed under; empty for the root.
        first: String,
    },
    /// A group that has attributes of its own, which are not read.
    GroupAttributes {
        /// Its name.
        group: String,
        /// The names of the attributes.
        attributes: Vec<String>,
    },
    /// A group or a dataset whose attributes libhdf5 cannot list. Its values are read.
    UnreadAttributes {
        /// Its name; empty for the root.
        object: String,
        /// What libhdf5 says.
        reason: String,
    },
}

impl Note {
    /// Whether it tells that another program changed the run: took steps or step tensors from it, or appended
    /// steps to some of them. (What is appended to all is a part of it.)
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(
            self,
            Self::Appended { .. }
                | Self::Shortened { .. }
                | Self::Missing { .. }
                | Self::Short { .. }
        )
    }

    /// Whether it tells of a dataset or a group that cannot be opened: what it holds is not known, and is in no copy.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        matches!(self, Self::Unread { .. })
    }

    /// What of the file a copy of its tensors lacks, with the reason; `None` where it lacks nothing.
    #[must_use]
    pub fn not_kept(&self) -> Option<(String, String)> {
        let (what, why) = match self {
            Self::Unread { name, reason } => {
                (format!("`{name}`"), format!("it cannot be read: {reason}"))
            }
            Self::Shortened { steps, committed } => (
                Counted(*steps).to_string(),
                format!(
                    "the run had {}, and another program changed the step tensors",
                    Counted(steps.saturating_add(*committed))
                ),
            ),
            Self::Short {
                tensor,
                steps,
                committed,
            } => (
                format!("`{tensor}` as a step tensor"),
                format!(
                    "it has {} of {}; another program shortened it, or copied it from another run",
                    Grouped(*steps),
                    Counted(*committed)
                ),
            ),
            Self::OffByOne {
                tensor,
                length,
                steps,
            } => (
                format!("`{tensor}` as a step tensor"),
                format!(
                    "it has {} of {}, and becomes a constant; give all the same number, as h5py's `resize` does",
                    Grouped(*length),
                    Counted(*steps)
                ),
            ),
            Self::NotOfSteps {
                tensor,
                shape,
                steps,
            } => (
                format!("`{tensor}` as a step tensor"),
                format!(
                    "its mark says that it is one, and its shape {} does not have the {} of the others; it becomes a constant",
                    Shape(shape),
                    Counted(*steps)
                ),
            ),
            Self::Missing { tensors } => (
                format!("{} of the run", Grouped(*tensors)),
                "another program deleted these step tensors, or moved them".to_owned(),
            ),
            Self::Dimension { name, .. } => (
                format!("`{name}`"),
                "it is a dimension of netCDF without values; tensors keep its name as that of their axes"
                    .to_owned(),
            ),
            Self::BrokenLink { name, leads_to } => (
                format!("the link `{name}`"),
                format!("it leads to {leads_to}, which is not there"),
            ),
            Self::NotFollowed {
                name,
                leads_to,
                reason,
            } => (
                format!("the link `{name}`"),
                format!("it leads to {leads_to}, and is not followed: {reason}"),
            ),
            Self::SecondName { group, first } => (
                format!("the name `{group}`"),
                format!("it is one more name of {}", Named(first)),
            ),
            Self::GroupAttributes { group, attributes } => {
                let plural = if attributes.len() == 1 { "" } else { "s" };
                (
                    format!("attribute{plural} {} of group `{group}`", Names(attributes)),
                    "only those of the root and of tensors are".to_owned(),
                )
            }
            Self::SameDataset { tensors } => (
                format!("that {} are names of one step tensor", Names(tensors)),
                "which of them the run gave it is not known, and each becomes one of its own".to_owned(),
            ),
            Self::UnreadAttributes { object, reason } => (
                format!("the attributes of {}", Named(object)),
                format!("they cannot be listed: {reason}"),
            ),
            _ => return None,
        };
        Some((what, why))
    }

    /// Why there is nothing to read under the name `wanted`, if this says so.
    pub(super) fn why_unread(&self, wanted: &str) -> Option<String> {
        match self {
            Self::Unread { name, .. }
            | Self::Dimension { name, .. }
            | Self::BrokenLink { name, .. }
            | Self::NotFollowed { name, .. }
                if name == wanted => {}
            _ => return None,
        }
        self.not_kept().map(|(_, why)| why)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { dataset } => write!(
                f,
                "`{dataset}` was added by another program, and is no part of the run"
            ),
            Self::CutShort { tensor, steps } => write!(
                f,
                "`{tensor}` is ahead: {} of a commit that was cut short are left out",
                Counted(*steps)
            ),
            Self::Appended {
                tensor,
                steps,
                others_shortened: true,
                ..
            } => write!(
                f,
                "`{tensor}` is ahead by {} of the run that another program took from other step tensors",
                Counted(*steps)
            ),
            Self::Appended {
                tensor,
                steps,
                committed,
                ..
            } => write!(
                f,
                "`{tensor}` is ahead: another program appended {} to it, and the run has {}",
                Counted(*steps),
                Counted(*committed)
            ),
            Self::AppendedToAll { steps } => write!(
                f,
                "{} at the end were appended to all step tensors by another program",
                Counted(*steps)
            ),
            Self::Shortened { steps, committed } => write!(
                f,
                "the run had {}, and {} left: another program changed the step tensors",
                Counted(steps.saturating_add(*committed)),
                match committed {
                    1 => "1 is".to_owned(),
                    steps => format!("{} are", Grouped(*steps)),
                }
            ),
            Self::Missing { tensors } => write!(
                f,
                "{} that the run had {} not here any more: another program deleted or moved {}",
                match tensors {
                    1 => "1 step tensor".to_owned(),
                    tensors => format!("{} step tensors", Grouped(*tensors)),
                },
                if *tensors == 1 { "is" } else { "are" },
                if *tensors == 1 { "it" } else { "them" },
            ),
            Self::Short {
                tensor,
                steps,
                committed,
            } => write!(
                f,
                "`{tensor}` is no part of the run: it has {} of {}; another program shortened it, or copied \
                 it from another run",
                Grouped(*steps),
                Counted(*committed)
            ),
            Self::Guessed { tensors } => {
                let (are, them) = match tensors.len() {
                    1 => ("is taken for a step tensor", "it"),
                    _ => ("are taken for step tensors", "them"),
                };
                let names = Names(tensors);
                write!(
                    f,
                    "{names} {are}, and may be none: another program wrote {them}, and nothing but lengths or \
                     attributes tells"
                )
            }
            Self::SameDataset { tensors } => write!(
                f,
                "{} are names of one step tensor, and which of them the run gave it is not known: each is shown as one",
                Names(tensors)
            ),
            Self::OffByOne {
                tensor,
                length,
                steps,
            } => write!(
                f,
                "`{tensor}` is taken for a constant, and may be a step tensor: its first axis is {} long, and that of \
                 step tensors {}",
                Grouped(*length),
                Grouped(*steps)
            ),
            Self::NotOfSteps {
                tensor,
                shape,
                steps,
            } => write!(
                f,
                "`{tensor}` is marked as a step tensor, and taken for a constant: its shape {} does not have the {} of \
                 the others",
                Shape(shape),
                Counted(*steps)
            ),
            Self::Copied { tensors } => write!(
                f,
                "{} the mark of a run of Selvedge (`{STEP_TENSOR}`), and the file does not say that it was recorded \
                 (`{FORMAT}`): how the run ended, and which steps were committed, is not known",
                match tensors {
                    1 => "1 tensor has".to_owned(),
                    tensors => format!("{} tensors have", Grouped(*tensors)),
                }
            ),
            Self::Unread { name, reason } => write!(f, "`{name}` cannot be read: {reason}"),
            Self::NameNotUtf8 { dataset } => write!(
                f,
                "`{dataset}` has a name that is not UTF-8; it is shown with its odd bytes escaped"
            ),
            Self::Dimension { name, length } => {
                write!(f, "`{name}` is no tensor: it is a dimension of netCDF, ")?;
                match length {
                    Some(length) => write!(f, "of length {}, without values", Grouped(*length)),
                    None => f.write_str("unlimited, without values"),
                }
            }
            Self::BrokenLink { name, leads_to } => {
                write!(f, "`{name}` is a link to {leads_to}, which is not there")
            }
            Self::NotFollowed {
                name,
                leads_to,
                reason,
            } => write!(
                f,
                "`{name}` is a link to {leads_to}, which is not followed: {reason}"
            ),
            Self::SecondName { group, first } => {
                write!(f, "`{group}` is one more name of {}", Named(first))
            }
            Self::GroupAttributes { group, attributes } => {
                write!(f, "group `{group}` has attributes: {}", Names(attributes))
            }
            Self::UnreadAttributes { object, reason } => {
                write!(
                    f,
                    "{} has attributes that cannot be listed: {reason}",
                    Named(object)
                )
            }
        }
    }
}

/// A group by its name, which is empty for the root.
struct Named<'a>(&'a str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str("the root"),
            name => write!(f, "`{name}`"),
        }
    }
}

/// A number of steps in words.
struct Counted(u64);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} step{plural}", Grouped(self.0))
    }
}
