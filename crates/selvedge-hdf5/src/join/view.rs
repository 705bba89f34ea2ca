//! Writing a view: a file whose tensors are virtual datasets.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use half::f16;
use hdf5::file::LibraryVersion;
use hdf5::{File, Hyperslab, Selection, SliceOrIndex};
use selvedge_base::{Partial, clock};

use super::check::{Shards, Sources};
use super::{JoinPlan, JoinedTensor};
use crate::attribute::MAX_BYTES;
use crate::chunks::to_usize;
use crate::error::LibraryError;
use crate::other_files::OtherFiles;
use crate::provenance::{
    self, COMMIT, FORMAT, SOURCE_BRANCHES, SOURCES, STATE, STEPS_PLANNED, VERSION,
};
use crate::reader::Reader;
use crate::run::{Mark, RunNumber};
use crate::storage::Storage;
use crate::write_back::WriteBack;
use crate::{Attribute, Dtype, JoinError, Role, RunState, StorageError, TensorSpec, create, ffi};

/// Checks that the attribute of a view has room for the names of so many files, whatever they are.
pub(super) fn check_count(ranks: usize) -> Result<(), JoinError> {
    let name = Attribute::Texts(vec![String::new()]).header_bytes();
    let limit = (MAX_BYTES - SOURCES.len()) / name;
    match ranks <= limit {
        true => Ok(()),
        false => Err(JoinError::TooManyRanks {
            found: ranks,
            limit,
        }),
    }
}

/// Writes the view of `plan`, whose tensors have these sources, to `path`.
pub(super) fn write(
    path: &Path,
    overwrite: bool,
    shards: &Shards,
    plan: &JoinPlan,
    sources: &[Sources<'_>],
) -> Result<(), JoinError> {
    let has_none = |reader: &Reader| reader.committed_steps() == 0;
    if let Some(rank) = shards.readers.iter().position(has_none) {
        return Err(JoinError::NoSteps {
            rank: rank as u64,
            path: shards.readers[rank].path().to_owned(),
        });
    }
    let is_shard = |reader: &Reader| {
        let same = reader
            .path()
            .canonicalize()
            .ok()
            .zip(path.canonicalize().ok());
        same.is_some_and(|(shard, view)| shard == view)
    };
    if shards.readers.iter().any(is_shard) {
        let path = path.to_owned();
        return Err(JoinError::OverShard { path });
    }
    let mut partial = Partial::create(path, overwrite)?;
    partial.share()?;
    let folder = partial
        .target()
        .parent()
        .unwrap_or(Path::new("/"))
        .to_owned();
    let names = names(&folder, shards)?;
    let view = View {
        path,
        shards,
        plan,
        names: &names,
    };
    view.build(&partial, sources)?;
    view.check(&partial)?;
    partial.publish(true)?;
    Ok(())
}

/// The names of the files, as seen from the folder of the view.
fn names(folder: &Path, shards: &Shards) -> Result<Vec<String>, JoinError> {
    let located = |path: &Path| {
        let found = path.canonicalize();
        found.map_err(|error| StorageError::io(path, "look at", error))
    };
    let folder = match folder.as_os_str().is_empty() {
        true => located(Path::new("."))?,
        false => located(folder)?,
    };
    let paths = shards.readers.iter().map(Reader::path);
    paths
        .map(|path| {
            let relative = relative(&folder, &located(path)?);
            let path = path.to_owned();
            relative
                .into_os_string()
                .into_string()
                .map_err(|_| JoinError::NotUtf8 { path })
        })
        .collect()
}

/// The way from a folder to a file, both of which are without links.
fn relative(folder: &Path, path: &Path) -> PathBuf {
    let (from, to): (Vec<_>, Vec<_>) = (folder.components().collect(), path.components().collect());
    let common = from
        .iter()
        .zip(&to)
        .take_while(|(one, other)| one == other)
        .count();
    let up = from[common..].iter().map(|_| Component::ParentDir);
    up.chain(to[common..].iter().copied()).collect()
}

/// A view in the making.
struct View<'a> {
    path: &'a Path,
    shards: &'a Shards,
    plan: &'a JoinPlan,
    /// The names of the files of the ranks.
    names: &'a [String],
}

impl View<'_> {
    /// Makes the file under its partial name.
    fn build(&self, partial: &Partial, sources: &[Sources<'_>]) -> Result<(), JoinError> {
        let failed = |action: String| {
            move |error: hdf5::Error| StorageError::library(self.path, action, error)
        };
        let unwritten = |error| StorageError::io(self.path, "write", error);
        let new = Arc::new(WriteBack::over(partial.file()).map_err(unwritten)?);
        let file = ffi::make(&new, self.path, |access| {
            // Virtual datasets came with 1.10; all else stays as any reader knows it.
            access.libver_bounds(LibraryVersion::Earliest, LibraryVersion::V110)
        })
        .map_err(failed("create".to_owned()))?;
        for (name, value) in self.attributes()? {
            create::write_attribute(&file, &name, &value)
                .map_err(failed(format!("write attribute `{name}` of")))?;
        }
        // Numbers without axes cannot be virtual.
        let mut copied = Vec::new();
        for (tensor, sources) in self.plan.tensors.iter().zip(sources) {
            let name = &tensor.name;
            let create_failed = failed(format!("create tensor `{name}` in"));
            let Some((_, first, _)) = sources.parts.first() else {
                continue;
            };
            if tensor.role == Role::Constant && tensor.shape.iter().product::<u64>() <= 1 {
                let shape: Vec<usize> = tensor.shape.iter().copied().map(to_usize).collect();
                let spec = TensorSpec::new(&**name, tensor.dtype, shape);
                let address = create::create_constant(&file, &spec, tensor.shape.len() == 1);
                let address = address.map_err(create_failed)?;
                copied.extend(address.map(|address| (address, *first)));
            } else {
                self.create_virtual(&file, tensor, sources)
                    .map_err(create_failed)?;
            }
            let dataset = file
                .dataset(name)
                .map_err(failed(format!("open tensor `{name}` of")))?;
            for (attribute, value) in first.attributes()? {
                if attribute != provenance::LOGICAL_DTYPE || !tensor.dtype.is_marked() {
                    create::write_attribute(&dataset, &attribute, &value).map_err(failed(
                        format!("write attribute `{attribute}` of tensor `{name}` in"),
                    ))?;
                }
            }
        }
        file.close().map_err(failed("close".to_owned()))?;
        for (address, tensor) in copied {
            let written = new.write_all_at(&tensor.read_bytes()?, address);
            written.map_err(|error| StorageError::io(self.path, "write a constant to", error))?;
        }
        Ok(new.flush().map_err(unwritten)?)
    }

    fn attributes(&self) -> Result<Vec<(String, Attribute)>, JoinError> {
        let rank_0 = &self.shards.readers[0];
        let steps = self.plan.steps.cast_signed();
        let planned = rank_0
            .planned_steps()
            .map_or(provenance::OPEN_ENDED, u64::cast_signed);
        let steps_of = |tensor: &&JoinedTensor| tensor.role == Role::Step;
        let tensors = self.plan.tensors.iter().filter(steps_of).count();
        let numbered = vec![RunNumber::from_name(&self.plan.run).into(), tensors as i64];
        let readers = self.shards.readers.iter();
        let branches = readers.map(|reader| reader.branch(self.plan.steps));
        let own = [
            (provenance::STEP_TENSORS, Attribute::Ints(numbered)),
            (FORMAT, Attribute::Int(provenance::FORMAT_VERSION)),
            (VERSION, Attribute::from(env!("CARGO_PKG_VERSION"))),
            (STATE, Attribute::Int(RunState::Finished.value())),
            (STEPS_PLANNED, Attribute::Int(planned)),
            (COMMIT, Attribute::Ints(vec![steps, steps])),
            (provenance::RUN, self.plan.run.as_str().into()),
            (provenance::WORLD_SIZE, self.names.len().into()),
            (SOURCES, Attribute::Texts(self.names.to_vec())),
            (SOURCE_BRANCHES, Attribute::Ints(branches.collect())),
        ];
        let created = clock::now().map(|now| (provenance::CREATED, Attribute::Text(now)));
        let own = own.into_iter().chain(created);
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let given = rank_0.attributes().iter();
        let given = given
            .filter(|(name, _)| name == provenance::NOTEBOOK || !provenance::is_reserved(name));
        let all: Vec<_> = own.chain(given.cloned()).collect();
        for (name, value) in &all {
            create::check_value(name, value)?;
        }
        Ok(all)
    }

    fn create_virtual(
        &self,
        file: &File,
        tensor: &JoinedTensor,
        sources: &Sources<'_>,
    ) -> hdf5::Result<()> {
        let steps = (tensor.role == Role::Step).then_some(self.plan.steps);
        let all = |shape: &[u64]| -> Vec<usize> {
            steps.iter().chain(shape).copied().map(to_usize).collect()
        };
        let whole = all(&tensor.shape);
        let mut builder = file
            .new_dataset_builder()
            .empty_as(create::stored_type(tensor.dtype))
            .shape(whole.as_slice())
            .no_chunk();
        builder = match tensor.dtype {
            // NaN: what is not there is not to look like a weight.
            Dtype::Bf16 => builder.fill_value(u16::MAX),
            Dtype::F8E4M3 | Dtype::F8E5M2 => builder.fill_value(u8::MAX),
            Dtype::F16 => builder.fill_value(f16::NAN),
            Dtype::F32 => builder.fill_value(f32::NAN),
            Dtype::F64 => builder.fill_value(f64::NAN),
            _ => builder,
        };
        for (rank, source, first) in &sources.parts {
            let part = all(source.step_shape());
            let mut extents = part.clone();
            if let (Some(extent), Some(leading)) = (source.extent(), extents.first_mut()) {
                // A mapping of all that there is would be one of all that there will be, and HDF5 would not
                // read it any more when the run has gone on.
                *leading = to_usize(extent).max(*leading + 1);
            }
            let taken = ranges(&vec![0; part.len()], &part);
            let shown = ranges(first, &part);
            // A percent sign would begin the number of a block.
            let name = |name: &str| name.replace('%', "%%");
            builder = builder.virtual_map(
                name(&self.names[*rank]),
                name(&tensor.name),
                extents,
                taken,
                whole.clone(),
                shown,
            );
        }
        let dataset = builder.create(tensor.name.as_str())?;
        create::mark_role(
            &dataset,
            match tensor.role {
                Role::Step => Mark::step_of(RunNumber::from_name(&self.plan.run), &tensor.name),
                Role::Constant => Mark::Constant,
            },
        )?;
        create::mark(&dataset, tensor.dtype)?;
        if tensor.role == Role::Constant && tensor.shape.len() == 1 {
            create::name_axis(&dataset, &tensor.name)?;
        }
        Ok(())
    }

    /// Reads it as anybody will: each source is found, and is what is shown of it.
    fn check(&self, partial: &Partial) -> Result<(), JoinError> {
        let everywhere = OtherFiles::inside(self.path, Some(Path::new("/")));
        let everywhere = everywhere.map_err(|error| StorageError::io(self.path, "check", error))?;
        let file = partial.file();
        let view = Reader::open_beside(partial.path().to_owned(), Some(file), &everywhere)?;
        let tensors = &self.plan.tensors;
        let is_there = |tensor: &JoinedTensor| {
            let found = view.tensor(&tensor.name);
            found.is_ok_and(|found| {
                (found.role(), found.step_shape()) == (tensor.role, &tensor.shape[..])
            })
        };
        if view.committed_steps() == self.plan.steps
            && view.tensors().len() == tensors.len()
            && tensors.iter().all(is_there)
        {
            return Ok(());
        }
        let odd = LibraryError::new("it is not read back as it was written");
        Err(StorageError::library(self.path, "make a view at", odd).into())
    }
}

/// The indices from `first` on, `shape` of them along each axis.
fn ranges(first: &[u64], shape: &[usize]) -> Selection {
    let axes = first.iter().zip(shape);
    let axes = axes.map(|(&first, len)| SliceOrIndex::from(to_usize(first)..to_usize(first) + len));
    Hyperslab::from(axes.collect::<Vec<_>>()).into()
}
