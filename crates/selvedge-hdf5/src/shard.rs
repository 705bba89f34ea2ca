//! Which of the processes of a run a file is of, where each records its part into a file of its own.

use std::fmt;

use crate::provenance::{GLOBAL_SHAPE, OFFSET, RANK, RUN, WORLD_SIZE};
use crate::spec::PartOf;
use crate::{Attribute, DeclareError};

/// Which of the ranks of a run a file is of. Each rank records into a file of its own, and none waits for
/// another; `selvedge join` and [`Join`](crate::Join) make one file of them.
///
/// ```
/// # use selvedge_hdf5::{Recorder, Shard, TensorSpec, Dtype, new_run_id};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("thimble_1.rank2.h5");
/// // Rank 2 of 4 has the tokens 6 to 8 of 12. All ranks have the same name of the run.
/// let shard = Shard { run: new_run_id()?, rank: 2, world_size: 4 };
/// let mut run = Recorder::create(&path)
///     .shard(shard)
///     .tensor_spec(TensorSpec::new("W", Dtype::F32, [3, 2]).part_of([12, 2], [6, 0]))
///     .scalar::<f32>("loss")
///     .start()?;
/// run.append(|step| step.put("W", &[0.5_f32; 6])?.put("loss", &2.5_f32))?;
/// run.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The name of the run, which all ranks and no other run have.
    pub run: String,
    /// The rank, counted from 0.
    pub rank: u64,
    /// The number of ranks.
    pub world_size: u64,
}

/// A name for a run that no other has: 128 bits of the system's randomness, as 32 hexadecimal digits.
///
/// One rank makes it, and tells the others.
///
/// # Errors
///
/// The system's, where it has no randomness.
pub fn new_run_id() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

impl Shard {
    /// What the attributes at the root of a file say; `None` where it is of no rank.
    pub(crate) fn from_attributes(attributes: &[(String, Attribute)]) -> Option<Self> {
        let find = |wanted: &str| attributes.iter().find(|(name, _)| name == wanted);
        let number = |name: &str| u64::try_from(find(name)?.1.as_i64()?).ok();
        let (rank, world_size) = (number(RANK)?, number(WORLD_SIZE)?);
        match &find(RUN)?.1 {
            Attribute::Text(run) if rank < world_size => Some(Self {
                run: run.clone(),
                rank,
                world_size,
            }),
            _ => None,
        }
    }

    /// The attributes that say it at the root of a file.
    pub(crate) fn attributes(&self) -> [(String, Attribute); 3] {
        [
            (RUN.to_owned(), self.run.as_str().into()),
            (RANK.to_owned(), self.rank.into()),
            (WORLD_SIZE.to_owned(), self.world_size.into()),
        ]
    }

    pub(crate) fn check(&self) -> Result<(), DeclareError> {
        let is_number = i64::try_from(self.world_size).is_ok();
        if self.rank < self.world_size && is_number && !self.run.is_empty() {
            return Ok(());
        }
        Err(DeclareError::NoSuchRank {
            run: self.run.clone(),
            rank: self.rank,
            world_size: self.world_size,
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            run,
            rank,
            world_size,
        } = self;
        write!(f, "rank {rank} of {world_size} of the run {run}")
    }
}

impl PartOf {
    /// What two attributes of a dataset say: the shape of a step of the whole, and where the part begins in
    /// it. `None` where they say nothing that can be.
    pub(crate) fn from_attributes(global_shape: &Attribute, offset: &Attribute) -> Option<Self> {
        let axes = |attribute: &Attribute| match attribute {
            Attribute::Ints(axes) => axes
                .iter()
                .map(|&axis| usize::try_from(axis).ok())
                .collect(),
            _ => None,
        };
        let (global_shape, offset): (Vec<usize>, Vec<usize>) = (axes(global_shape)?, axes(offset)?);
        (global_shape.len() == offset.len()).then_some(Self {
            global_shape,
            offset,
        })
    }

    /// The attributes that say it of a dataset.
    pub(crate) fn attributes(&self) -> [(String, Attribute); 2] {
        let axes = |axes: &[usize]| {
            let axes = axes
                .iter()
                .map(|&axis| i64::try_from(axis).unwrap_or(i64::MAX));
            Attribute::Ints(axes.collect())
        };
        [
            (GLOBAL_SHAPE.to_owned(), axes(&self.global_shape)),
            (OFFSET.to_owned(), axes(&self.offset)),
        ]
    }
}

impl fmt::Display for PartOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {:?} of {:?}", self.offset, self.global_shape)
    }
}
