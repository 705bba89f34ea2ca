//! The parts of one of our own files that change while it is recorded, read past libhdf5.
//!
//! libhdf5 opens a file once in a process and keeps its metadata as long as it is open: while one
//! [`Reader`](super::Reader) lives, a second one would be shown the extents and the chunks that the
//! first one saw. Here they come from the file. Whatever is not exactly of the recorder's making is
//! `None`, and left to libhdf5.

use std::collections::{HashMap, HashSet};

use crate::branches::{Branches, NUMBERS};
use crate::layout::{
    DatasetHeader, GlobalHeap, LayoutError, Members, PlainTensor, Superblock, attribute,
    root_members,
};
use crate::provenance::{BRANCHES, COMMIT, FORMAT, STATE, STEP_TENSORS, STEPS_PLANNED};
use crate::ranges::Data;
use crate::run::{Commit, Record, RunNumber};
use crate::{Attribute, RunState};

/// The places of a file of our own.
#[derive(Debug)]
pub(super) struct Live {
    root_header: u64,
    format: i64,
    run: Option<RunNumber>,
    /// Names in the root group and the addresses of their object headers.
    members: HashMap<String, u64>,
    /// Those of these names that an object was given after its first one, where that is known.
    second_names: HashSet<String>,
}

impl Live {
    /// `None` for a file of another program, or of a structure that only libhdf5 reads.
    pub(super) fn find(data: &Data) -> Option<Self> {
        let superblock = Superblock::read(data).ok()?;
        let root_header = superblock.root_header;
        let [format] = attribute(data, root_header, FORMAT).ok()??.values;
        let run = attribute::<2>(data, root_header, STEP_TENSORS).ok()?;
        let Members {
            names: members,
            in_order,
        } = root_members(data, &superblock).ok()?;
        let mut seen = HashSet::new();
        let is_second = |(_, address): &&(String, u64)| in_order && !seen.insert(*address);
        let second = members.iter().filter(is_second);
        Some(Self {
            second_names: second.map(|(name, _)| name.clone()).collect(),
            root_header,
            format,
            run: run.and_then(|run| RunNumber::from_values(run.values)),
            members: members.into_iter().collect(),
        })
    }

    /// The address of the object header of the root group.
    pub(super) fn root_header(&self) -> u64 {
        self.root_header
    }

    /// The address of the object header of the step tensor `name`.
    pub(super) fn header(&self, name: &str) -> Option<u64> {
        self.members.get(name).copied()
    }

    /// Whether this is the name of a member of the root group that has an earlier one.
    pub(super) fn is_second_name(&self, name: &str) -> bool {
        self.second_names.contains(name)
    }

    /// All that is to be known of the step tensor `name`, whose object header is at `address`, if it is one
    /// that libhdf5 need not be asked about.
    pub(super) fn plain_tensor(
        &self,
        data: &Data,
        name: &str,
        address: u64,
        heap: &mut GlobalHeap,
    ) -> Option<PlainTensor> {
        self.header(name).filter(|&header| header == address)?;
        let header = DatasetHeader::read(data, address).ok()??;
        header.plain_tensor(data, heap).ok()?
    }

    /// Puts the attributes that change during a run at their values of now.
    pub(super) fn refresh(&self, data: &Data, attributes: &mut [(String, Attribute)]) {
        for (name, value) in attributes {
            if name == STATE || name == STEPS_PLANNED {
                if let Ok(Some(now)) = attribute(data, self.root_header, name) {
                    let [now] = now.values;
                    *value = Attribute::Int(now);
                }
            } else if name == COMMIT
                && let Ok(Some(now)) = attribute::<2>(data, self.root_header, name)
            {
                *value = Attribute::Ints(now.values.to_vec());
            } else if name == BRANCHES
                && let Ok(Some(now)) = attribute::<NUMBERS>(data, self.root_header, name)
            {
                *value = Attribute::Ints(now.values.to_vec());
            }
        }
    }

    /// What the file says of its run now; `None` where its structure is no longer what it was.
    pub(super) fn record(&self, data: &Data) -> Option<Record> {
        let [state] = attribute(data, self.root_header, STATE).ok()??.values;
        let commit = attribute::<2>(data, self.root_header, COMMIT).ok()?;
        Some(Record {
            format: self.format,
            state: RunState::from_value(state),
            planned: None,
            in_place: false,
            commit: commit.and_then(|commit| Commit::from_values(commit.values)),
            run: self.run,
        })
    }
}

/// The branches that the file of a rank has now, whose root group has its object header at `root_header`.
pub(super) fn branches(data: &Data, root_header: u64) -> Result<Option<Branches>, LayoutError> {
    let found = attribute(data, root_header, BRANCHES)?;
    Ok(found.map(|found| Branches::from_values(found.values)))
}

/// The extents of the step tensor with the object header at `header`, in elements.
pub(super) fn extents(data: &Data, header: u64) -> Option<Vec<u64>> {
    let header = DatasetHeader::read(data, header).ok()??;
    Some(header.step_dataset().ok()??.extents)
}
