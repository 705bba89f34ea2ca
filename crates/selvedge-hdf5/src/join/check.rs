//! Whether the files of ranks go together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use selvedge_base::shape::Shape;

use super::{JoinPlan, JoinedRank, JoinedTensor, Replicas};
use crate::chunks::to_usize;
use crate::cover::{self, Fault};
use crate::reader::{Reader, Tensor};
use crate::{Attribute, JoinError, Note, PartOf, Role, Shard, provenance};

/// Replicated tensors are compared up to so many bytes, …
const MOST_COMPARED: u64 = 64 << 20;
/// … so many at a time.
const COMPARED_AT_ONCE: u64 = 1 << 20;

/// The files of all ranks of a run, in the order of the ranks.
pub(crate) struct Shards {
    run: String,
    pub(crate) readers: Vec<Reader>,
}

/// A tensor and where its values come from.
pub(crate) struct Sources<'a> {
    /// Rank, the tensor there, and where it begins along each axis of the whole: of a step tensor with the
    /// steps.
    pub(crate) parts: Vec<(usize, &'a Tensor, Vec<u64>)>,
}

/// A tensor as one rank has it.
struct Holder<'a> {
    rank: usize,
    tensor: &'a Tensor,
    part: Option<PartOf>,
}

impl Shards {
    /// Opens the files, which are to be one of each rank of one run.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, JoinError> {
        let mut found: Vec<(Shard, Reader)> = Vec::new();
        for path in paths {
            let reader = Reader::open(path)?;
            let path = path.clone();
            let shard = reader.shard();
            let shard = shard.ok_or_else(|| JoinError::NotAShard { path: path.clone() })?;
            if let Some((first, other)) = found.first()
                && (&first.run, first.world_size) != (&shard.run, shard.world_size)
            {
                let said =
                    |shard: &Shard| format!("run {} of {} ranks", shard.run, shard.world_size);
                return Err(JoinError::OtherRun {
                    path,
                    found: said(&shard),
                    other: other.path().to_owned(),
                    expected: said(first),
                });
            }
            if let Some((_, other)) = found.iter().find(|(other, _)| other.rank == shard.rank) {
                return Err(JoinError::TwoOfOneRank {
                    rank: shard.rank,
                    paths: [other.path().to_owned(), path],
                });
            }
            found.push((shard, reader));
        }
        found.sort_by_key(|(shard, _)| shard.rank);
        let (run, world_size) = found.first().map_or_else(Default::default, |(shard, _)| {
            (shard.run.clone(), shard.world_size)
        });
        if found.len() as u64 != world_size || found.is_empty() {
            let is_there = |rank: &u64| found.iter().any(|(shard, _)| shard.rank == *rank);
            // A file can say that there are more ranks than anybody counts.
            let missing = (0..world_size.max(1)).filter(|rank| !is_there(rank));
            return Err(JoinError::MissingRanks {
                missing: missing.take(1 << 20).collect(),
                world_size,
            });
        }
        let readers = found.into_iter().map(|(_, reader)| reader).collect();
        Ok(Self { run, readers })
    }

    /// Steps that all of them have.
    pub(super) fn steps(&self) -> u64 {
        let steps = self.readers.iter().map(Reader::committed_steps);
        steps.min().unwrap_or(0)
    }

    /// What the view has, with where each of its tensors comes from, in the same order.
    pub(crate) fn plan(&self) -> Result<(JoinPlan, Vec<Sources<'_>>), JoinError> {
        self.check_attributes()?;
        self.refuse_changed(|note| matches!(note, Note::Appended { .. } | Note::Short { .. }))?;
        let mut holders: BTreeMap<&str, Vec<Holder<'_>>> = BTreeMap::new();
        for (rank, reader) in self.readers.iter().enumerate() {
            for tensor in reader
                .tensors()
                .iter()
                .filter(|tensor| tensor.is_recorded())
            {
                let part = tensor.part_of()?;
                holders
                    .entry(tensor.name())
                    .or_default()
                    .push(Holder { rank, tensor, part });
            }
        }
        let mut plan = JoinPlan {
            run: self.run.clone(),
            steps: self.steps(),
            ranks: Vec::new(),
            tensors: Vec::new(),
        };
        plan.ranks
            .extend(self.readers.iter().map(|reader| JoinedRank {
                path: reader.path().to_owned(),
                committed: reader.committed_steps(),
                state: reader.state(),
                notes: changes(reader).cloned().collect(),
            }));
        let mut all = Vec::new();
        for (name, holders) in holders {
            let (tensor, sources) = self.join(name, &holders).or_else(|error| {
                // What is not there any more is why.
                self.refuse_changed(|note| matches!(note, Note::Missing { .. }))?;
                Err(error)
            })?;
            plan.tensors.push(tensor);
            all.push(sources);
        }
        Ok((plan, all))
    }

    /// Fails for the first file that another program changed so.
    fn refuse_changed(&self, is_such: impl Fn(&Note) -> bool) -> Result<(), JoinError> {
        let of = |reader: &Reader| changes(reader).find(|note| is_such(note)).cloned();
        let mut found = self
            .readers
            .iter()
            .filter_map(|reader| Some((reader, of(reader)?)));
        found.next().map_or(Ok(()), |(reader, note)| {
            Err(JoinError::Changed {
                path: reader.path().to_owned(),
                changed: note.to_string(),
            })
        })
    }

    /// All ranks have the same attributes, beside those that the recorder writes itself.
    fn check_attributes(&self) -> Result<(), JoinError> {
        let [first, others @ ..] = &self.readers[..] else {
            return Ok(());
        };
        for other in others {
            let pair = [first, other].map(|reader| (reader, reader.attributes()));
            self.check_same("attribute", pair)?;
        }
        Ok(())
    }

    fn check_same(
        &self,
        what: &str,
        [(first, left), (other, right)]: [(&Reader, &[(String, Attribute)]); 2],
    ) -> Result<(), JoinError> {
        let names = left.iter().chain(right).map(|(name, _)| name);
        for name in names.filter(|name| !provenance::is_reserved(name)) {
            let of = |all: &[(String, Attribute)]| {
                let found = all.iter().find(|(found, _)| found == name);
                found.map(|(_, value)| value.clone())
            };
            let (expected, found) = (of(left), of(right));
            let same = |(one, other): (&Attribute, &Attribute)| one.same(other);
            if !expected.as_ref().zip(found.as_ref()).is_some_and(same) {
                let said = |value: Option<Attribute>| {
                    value.map_or("nothing".to_owned(), |value| value.to_string())
                };
                return Err(JoinError::Disagree {
                    what: format!("{what} `{name}`"),
                    path: other.path().to_owned(),
                    found: said(found),
                    other: first.path().to_owned(),
                    expected: said(expected),
                });
            }
        }
        Ok(())
    }

    fn join<'a>(
        &self,
        name: &str,
        holders: &[Holder<'a>],
    ) -> Result<(JoinedTensor, Sources<'a>), JoinError> {
        // A name that is there is that of some rank.
        let (first, others) = (&holders[0], &holders[1..]);
        let attributes = first.tensor.attributes()?;
        for other in others {
            let pair = [first, other].map(|holder| (holder, holder.said()));
            if pair[0].1 != pair[1].1 {
                let [(_, expected), (_, found)] = pair;
                return Err(JoinError::Disagree {
                    what: format!("tensor `{name}`"),
                    path: self.readers[other.rank].path().to_owned(),
                    found,
                    other: self.readers[first.rank].path().to_owned(),
                    expected,
                });
            }
            let found = other.tensor.attributes()?;
            let readers = [first, other].map(|holder| &self.readers[holder.rank]);
            let pair = [(readers[0], &attributes[..]), (readers[1], &found[..])];
            self.check_same(&format!("tensor `{name}`: attribute"), pair)?;
        }
        let dtype = first.tensor.dtype()?;
        let role = first.tensor.role();
        let steps: &[u64] = match role {
            Role::Step => &[0],
            Role::Constant => &[],
        };
        let at = |holder: &Holder<'a>| {
            let offset = holder.part.as_ref().map(|part| &part.offset[..]);
            let zeros = vec![0; holder.tensor.step_shape().len()];
            let offset = offset.unwrap_or(&zeros).iter().map(|&axis| axis as u64);
            let first = steps.iter().copied().chain(offset).collect();
            (holder.rank, holder.tensor, first)
        };
        let (parts, shape, replicas): (Vec<_>, _, _) = match &first.part {
            Some(part) => {
                check_cover(name, &part.global_shape, holders)?;
                let shape = part.global_shape.iter().map(|&axis| axis as u64).collect();
                (holders.iter().map(at).collect(), shape, Replicas::None)
            }
            None => (
                vec![at(first)],
                first.tensor.step_shape().to_vec(),
                self.compare(first, others)?,
            ),
        };
        let tensor = JoinedTensor {
            name: name.to_owned(),
            dtype,
            role,
            shape,
            ranks: parts.iter().map(|(rank, ..)| *rank as u64).collect(),
            replicas,
        };
        Ok((tensor, Sources { parts }))
    }

    /// Whether ranks that have all of a tensor have the same values.
    fn compare(&self, first: &Holder<'_>, others: &[Holder<'_>]) -> Result<Replicas, JoinError> {
        if others.is_empty() {
            return Ok(Replicas::None);
        }
        let row_bytes = first.tensor.row_bytes()?;
        let rows = match first.tensor.role() {
            Role::Step => self.steps(),
            Role::Constant => first.tensor.rows(),
        };
        if rows.saturating_mul(row_bytes) > MOST_COMPARED {
            return Ok(Replicas::NotCompared);
        }
        let each = (COMPARED_AT_ONCE / row_bytes.max(1)).max(1);
        let mut differ = Vec::new();
        for other in others {
            for start in (0..rows).step_by(to_usize(each)) {
                let rows = start..rows.min(start + each);
                let mut bytes = [(); 2].map(|()| vec![0; to_usize((rows.end - start) * row_bytes)]);
                for (holder, bytes) in [first, other].into_iter().zip(&mut bytes) {
                    holder.tensor.read_raw_rows(rows.clone(), bytes)?;
                }
                let [left, right] = &bytes;
                if let Some(at) = left.iter().zip(right).position(|(one, other)| one != other) {
                    let row = start + at as u64 / row_bytes.max(1);
                    differ.push((other.rank as u64, row));
                    break;
                }
            }
        }
        Ok(match differ.is_empty() {
            true => Replicas::Equal,
            false => Replicas::Differ(differ),
        })
    }
}

/// What there is to tell of a file but how its last commit ended.
fn changes(reader: &Reader) -> impl Iterator<Item = &Note> {
    let notes = reader.notes().iter();
    notes.filter(|note| !matches!(note, Note::CutShort { .. }))
}

impl Holder<'_> {
    /// What has to be the same in all ranks.
    fn said(&self) -> String {
        let dtype = self.tensor.dtype_name();
        let role = match self.tensor.role() {
            Role::Step => "steps",
            Role::Constant => "a constant",
        };
        match &self.part {
            Some(part) => {
                let shape = part.global_shape.iter().map(|&axis| axis as u64);
                let shape: Vec<u64> = shape.collect();
                format!("{role} of {dtype}, a part of {}", Shape(&shape))
            }
            None => format!(
                "{role} of {dtype}, all of {}",
                Shape(self.tensor.step_shape())
            ),
        }
    }
}

fn check_cover(name: &str, whole: &[usize], holders: &[Holder<'_>]) -> Result<(), JoinError> {
    let parts: Vec<cover::Region> = holders
        .iter()
        .map(|holder| {
            let offset = holder.part.iter().flat_map(|part| &part.offset);
            let axes = holder.tensor.step_shape().iter().zip(offset);
            axes.map(|(&len, &first)| first..first + to_usize(len))
                .collect()
        })
        .collect();
    let rank = |part: usize| holders[part].rank as u64;
    let said = |region: cover::Region| {
        let axes: Vec<String> = region
            .iter()
            .map(|axis| format!("{}:{}", axis.start, axis.end))
            .collect();
        format!("[{}]", axes.join(", "))
    };
    let tensor = name.to_owned();
    match cover::fault(whole, &parts) {
        None => Ok(()),
        Some(Fault::Overlap(pair, common)) => Err(JoinError::Overlap {
            tensor,
            ranks: pair.map(rank),
            range: said(common),
        }),
        Some(Fault::Gap(gap)) => Err(JoinError::Gap {
            tensor,
            global_shape: whole.to_vec(),
            range: said(gap),
            holders: (0..holders.len()).map(rank).collect(),
        }),
    }
}
