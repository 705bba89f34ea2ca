//! What a file says of its run, at the root and in the marks of its datasets.

use twox_hash::XxHash3_64;

use crate::provenance::{COMMIT, FORMAT, STATE, STEP_TENSORS};
use crate::{Attribute, RunState};

/// How many bits of a mark are those of the name.
const NAME_BITS: u32 = 32;

/// What a file says of its run at the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The version of the format.
    pub(crate) format: i64,
    pub(crate) state: RunState,
    /// The planned number of steps, which the reader adds.
    pub(crate) planned: Option<u64>,
    /// Whether the datasets [lie as a recorder lays them](super::lies_as_recorded), which the reader adds.
    pub(crate) in_place: bool,
    /// The last commit that was begun, since version 3.
    pub(crate) commit: Option<Commit>,
    /// The run that its step tensors are marked with; the first files of version 3 do not have it.
    pub(crate) run: Option<RunNumber>,
}

/// The number by which the step tensors of a run are told from those of others, and how many it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunNumber {
    /// At least 1, and of 31 bits.
    pub(crate) number: u32,
    pub(crate) tensors: u64,
}

/// What the mark of a dataset says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Constant,
    /// A step tensor, of whatever run and name: so it is in the first files of version 3.
    Step,
    /// The step tensor of this run whose name has this hash. So a copy is told from what it was made of,
    /// whose attributes it has.
    StepOf {
        run: u32,
        name: u32,
    },
}

/// The numbers of steps before and after a commit. The file has it before an extent moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) before: u64,
    pub(crate) after: u64,
}

impl Record {
    /// What the attributes of the root say; `None` where the file does not say that Selvedge recorded
    /// it.
    pub(crate) fn from_attributes(attributes: &[(String, Attribute)]) -> Option<Self> {
        let find = |wanted: &str| {
            let (_, value) = attributes.iter().find(|(name, _)| name == wanted)?;
            Some(value)
        };
        let format = find(FORMAT)?;
        let pair = |name: &str| match find(name) {
            Some(Attribute::Ints(values)) => <[i64; 2]>::try_from(&values[..]).ok(),
            _ => None,
        };
        let state = find(STATE).and_then(Attribute::as_i64);
        Some(Self {
            planned: None,
            in_place: false,
            format: format.as_i64().unwrap_or(1),
            state: state.map_or(RunState::Unknown, RunState::from_value),
            commit: pair(COMMIT).and_then(Commit::from_values),
            run: pair(STEP_TENSORS).and_then(RunNumber::from_values),
        })
    }
}

impl RunNumber {
    /// The number that comes of a hash: of 31 bits, and not 0.
    pub(crate) fn from_hash(hash: u64) -> u32 {
        u32::try_from(hash >> 33).map_or(1, |number| number.max(1))
    }

    /// The number of the run of this name, which several files are of.
    pub(crate) fn from_name(run: &str) -> u32 {
        Self::from_hash(XxHash3_64::oneshot(run.as_bytes()))
    }

    /// `None` for numbers that no run has.
    pub(crate) fn from_values([number, tensors]: [i64; 2]) -> Option<Self> {
        let number = u32::try_from(i32::try_from(number).ok()?).ok()?;
        let tensors = u64::try_from(tensors).ok()?;
        (number > 0).then_some(Self { number, tensors })
    }
}

impl Mark {
    pub(crate) fn from_value(value: i64) -> Self {
        let run = u32::try_from(value >> NAME_BITS).unwrap_or(0);
        match (value, run) {
            (1, _) => Self::Step,
            (_, 1..) => Self::StepOf {
                run,
                name: low(value.cast_unsigned()),
            },
            _ => Self::Constant,
        }
    }

    pub(crate) fn value(self) -> i64 {
        match self {
            Self::Constant => 0,
            Self::Step => 1,
            Self::StepOf { run, name } => i64::from(run) << NAME_BITS | i64::from(name),
        }
    }

    /// The mark of the step tensor `name` of a run.
    pub(crate) fn step_of(run: u32, name: &str) -> Self {
        let name = low(XxHash3_64::oneshot(name.as_bytes()));
        Self::StepOf { run, name }
    }
}

/// The lower bits of a number.
fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

impl Commit {
    /// `None` for numbers that no commit has.
    pub(crate) fn from_values([before, after]: [i64; 2]) -> Option<Self> {
        let (before, after) = (u64::try_from(before).ok()?, u64::try_from(after).ok()?);
        (before <= after).then_some(Self { before, after })
    }
}
