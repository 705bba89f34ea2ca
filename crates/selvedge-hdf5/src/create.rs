//! Building the file: everything in it is made here, by libhdf5, before the first step.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::ffi::CString;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hdf5::dataset::{AllocTime, FillTime};
use hdf5::file::LibraryVersion;
use hdf5::plist::{CharEncoding, DatasetCreate};
use hdf5::types::{CompoundField, CompoundType, FloatSize, IntSize, TypeDescriptor, VarLenUnicode};
use hdf5::{Dataset, Dataspace, Datatype, Extent, File, Location, SimpleExtents};

use crate::attribute::MAX_BYTES;
use crate::chunks::{self, to_usize};
use selvedge_base::shape::elements;

use crate::plan::ChunkPlan;
use crate::provenance::{
    COMMIT, DIMENSION_SCALE, ENCODER, FORMAT, FORMAT_VERSION, LOGICAL_DTYPE, SCALE_CLASS,
    SCALE_NAME, STATE, STEP_TENSOR, STEP_TENSORS, STEPS_PLANNED, VERSION,
};
use crate::run::{METADATA_BLOCK, Mark, RunNumber};
use crate::write_back::WriteBack;
use crate::{
    Attribute, DeclareError, Dtype, PartOf, RunState, StorageError, TensorSpec, ffi, provenance,
};

/// What is at least this large starts at a multiple of it, so that chunks can be mapped …
pub(crate) const PAGE: u64 = 4096;
/// … and chunks that are large enough at a multiple of up to this. The page cache takes pages together
/// that are written together, but only from such a place on.
const MOST_ALIGNED: u64 = 16 * PAGE;
/// The gaps between chunks are at most this part of them. They are holes.
const GAPS: u64 = 16;

/// What chunks of `bytes` bytes start at multiples of.
pub(crate) fn chunk_alignment(bytes: u64) -> u64 {
    match (bytes / GAPS).min(MOST_ALIGNED).checked_ilog2() {
        Some(bits) if bytes >= PAGE => PAGE.max(1 << bits),
        _ => 8,
    }
}

/// A constant: its values are written once, at creation.
#[derive(Clone, Debug)]
pub(crate) struct Constant {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Which part it is of a constant of several ranks.
    pub(crate) part: Option<PartOf>,
    /// The values as bytes, row-major and little-endian; `None` where they are asked for when the file is
    /// made.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// What a new file is to hold.
pub(crate) struct Contents<'a> {
    /// Planned steps; `None` for a run of unknown length.
    pub(crate) steps: Option<u64>,
    /// The number of the run, where it has one already.
    pub(crate) run: Option<u32>,
    /// The step tensors.
    pub(crate) tensors: &'a [ChunkPlan],
    /// The constants, without their values.
    pub(crate) constants: &'a [TensorSpec],
    /// Attributes of the root, beside those that every file has.
    pub(crate) attributes: &'a [(String, Attribute)],
    /// Attributes of datasets: the dataset's name, and name and value of the attribute.
    pub(crate) tensor_attributes: &'a [(String, String, Attribute)],
}

impl Constant {
    /// Its declaration.
    pub(crate) fn spec(&self) -> TensorSpec {
        TensorSpec {
            name: self.name.clone(),
            dtype: self.dtype,
            shape: self.shape.clone(),
            part: self.part.clone(),
        }
    }

    /// Checks that the shape fits memory, and that the values fill it.
    pub(crate) fn validate(&self) -> Result<(), DeclareError> {
        let expected = self.spec().check_constant()?;
        match &self.bytes {
            Some(bytes) => self.check_length(expected, bytes.len() as u64),
            None => Ok(()),
        }
    }

    /// Bytes of its values.
    pub(crate) fn length(&self) -> u64 {
        let elements = elements(&self.shape).unwrap_or(0);
        elements.saturating_mul(self.dtype.size() as u64)
    }

    /// Checks that `found` bytes are so many elements.
    pub(crate) fn check_length(&self, expected: u64, found: u64) -> Result<(), DeclareError> {
        let found = found / self.dtype.size() as u64;
        if found == expected {
            return Ok(());
        }
        Err(DeclareError::ConstantLength {
            name: self.name.clone(),
            shape: self.shape.clone(),
            expected: to_usize(expected),
            found: to_usize(found),
        })
    }
}

/// The HDF5 datatype in which a dtype is stored.
pub(crate) fn stored_type(dtype: Dtype) -> TypeDescriptor {
    match dtype {
        Dtype::Bf16 | Dtype::U16 => TypeDescriptor::Unsigned(IntSize::U2),
        Dtype::F16 => TypeDescriptor::Float(FloatSize::U2),
        Dtype::F32 => TypeDescriptor::Float(FloatSize::U4),
        Dtype::F64 => TypeDescriptor::Float(FloatSize::U8),
        Dtype::I8 => TypeDescriptor::Integer(IntSize::U1),
        Dtype::I16 => TypeDescriptor::Integer(IntSize::U2),
        Dtype::I32 => TypeDescriptor::Integer(IntSize::U4),
        Dtype::I64 => TypeDescriptor::Integer(IntSize::U8),
        Dtype::U8 | Dtype::F8E4M3 | Dtype::F8E5M2 => TypeDescriptor::Unsigned(IntSize::U1),
        Dtype::U32 => TypeDescriptor::Unsigned(IntSize::U4),
        Dtype::U64 => TypeDescriptor::Unsigned(IntSize::U8),
        Dtype::Bool => TypeDescriptor::Boolean,
        Dtype::C64 => complex(FloatSize::U4, dtype.size()),
        Dtype::C128 => complex(FloatSize::U8, dtype.size()),
    }
}

/// The record that h5py makes of a complex number.
fn complex(part: FloatSize, size: usize) -> TypeDescriptor {
    let part = TypeDescriptor::Float(part);
    let fields = vec![
        CompoundField::new("r", part.clone(), 0, 0),
        CompoundField::new("i", part, size / 2, 1),
    ];
    TypeDescriptor::Compound(CompoundType { fields, size })
}

/// Makes an HDF5 file with all of its datasets and attributes. Errors name it `name`.
///
/// Afterwards the extents of the step tensors are those of the planned run (of one row of chunks,
/// where its length is unknown). All chunks and constants have addresses, but no bytes; the
/// addresses of the constants are returned (`None` for one without elements). A compressed tensor
/// has no steps and no chunks.
pub(crate) fn create(
    file: &Arc<WriteBack>,
    name: &Path,
    contents: &Contents<'_>,
) -> Result<Vec<Option<u64>>, StorageError> {
    let failed =
        |action: String| move |error: hdf5::Error| StorageError::library(name, action, error);
    let file = ffi::make(file, name, |access| {
        // The oldest format has no checksums: so single fields of it can be written in place.
        access
            .libver_bounds(LibraryVersion::Earliest, LibraryVersion::V18)
            // No chunk goes through libhdf5 here, and it would take 64 KiB for each dataset.
            .chunk_cache(0, 0, 0.0)
            .alignment(PAGE, alignment(contents).max(PAGE))
            .meta_block_size(METADATA_BLOCK)
    })
    .map_err(failed("create".to_owned()))?;

    let planned = contents.steps.map_or(provenance::OPEN_ENDED, |steps| {
        i64::try_from(steps).unwrap_or(i64::MAX)
    });
    let run = contents.run.unwrap_or_else(new_number);
    let run_attribute = [i64::from(run), contents.tensors.len() as i64];
    let own = [
        (FORMAT, Attribute::Int(FORMAT_VERSION)),
        (VERSION, Attribute::from(env!("CARGO_PKG_VERSION"))),
        (STATE, Attribute::Int(RunState::Recording.value())),
        (STEPS_PLANNED, Attribute::Int(planned)),
        // The extents are those of the chunks that are there; whoever records sets both right.
        (COMMIT, Attribute::Ints(vec![0, i64::MAX])),
        (STEP_TENSORS, Attribute::Ints(run_attribute.to_vec())),
    ];
    let own = own.iter().map(|(name, value)| (*name, value));
    for (name, value) in own.chain(
        contents
            .attributes
            .iter()
            .map(|(name, value)| (name.as_str(), value)),
    ) {
        write_attribute(&file, name, value)
            .map_err(failed(format!("write attribute `{name}` of")))?;
    }
    let mut kinds = HashMap::new();
    for tensor in contents.tensors {
        create_step_tensor(&file, tensor, run, &mut kinds)
            .map_err(failed(format!("create tensor `{}` in", tensor.tensor)))?;
    }
    // Constants that are given attributes of these names keep them for themselves.
    let takes = |name: &str| name == SCALE_CLASS || name == SCALE_NAME;
    let given = contents.tensor_attributes.iter();
    let taken: HashSet<&str> = given
        .filter(|(_, name, _)| takes(name))
        .map(|(tensor, ..)| tensor.as_str())
        .collect();
    let mut addresses = Vec::with_capacity(contents.constants.len());
    for constant in contents.constants {
        let names_axis = constant.shape.len() == 1 && !taken.contains(constant.name.as_str());
        let address = create_constant(&file, constant, names_axis)
            .map_err(failed(format!("create constant `{}` in", constant.name)))?;
        addresses.push(address);
    }
    for (tensor, name, value) in contents.tensor_attributes {
        file.dataset(tensor)
            .and_then(|dataset| write_attribute(&dataset, name, value))
            .map_err(failed(format!(
                "write attribute `{name}` of tensor `{tensor}` in"
            )))?;
    }
    file.close().map_err(failed("close".to_owned()))?;
    Ok(addresses)
}

/// What all that is large in a new file starts at multiples of: chunks are most of it.
fn alignment(contents: &Contents<'_>) -> u64 {
    let chunked = contents.tensors.iter().filter(|tensor| !tensor.compressed);
    let (count, bytes) = chunked.fold((contents.constants.len() as u64, 0_u64), |all, tensor| {
        let count = all.0.saturating_add(tensor.chunks());
        (count, all.1.saturating_add(tensor.file_bytes()))
    });
    chunk_alignment(bytes / count.max(1))
}

/// A number for a new run, which no other has, also in a process that was forked.
fn new_number() -> u32 {
    let now = (std::process::id(), Instant::now());
    RunNumber::from_hash(RandomState::new().hash_one(now))
}

/// Step tensors that differ in their names only: a model has hundreds, of few kinds.
type Kinds<'a> = HashMap<Alike<'a>, ffi::DatasetKind>;
/// Dtype, shapes of a step and a chunk, steps, and whether they are compressed.
type Alike<'a> = (Dtype, (&'a [u64], &'a [u64]), Option<u64>, bool);

fn create_step_tensor<'a>(
    file: &File,
    plan: &'a ChunkPlan,
    run: u32,
    kinds: &mut Kinds<'a>,
) -> hdf5::Result<()> {
    let shapes = (&*plan.step_shape, &*plan.chunk_shape);
    let alike = (plan.dtype, shapes, plan.steps, plan.compressed);
    let kind = match kinds.entry(alike) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(step_tensor_kind(plan)?),
    };
    let dataset = kind.create(file, &plan.tensor)?;
    mark_role(&dataset, Mark::step_of(run, &plan.tensor))?;
    mark(&dataset, plan.dtype)?;
    match plan.compressed {
        true => write_attribute(&dataset, ENCODER, &Attribute::from(chunks::ENCODER_NAME)),
        false => Ok(()),
    }
}

fn step_tensor_kind(plan: &ChunkPlan) -> hdf5::Result<ffi::DatasetKind> {
    let leading = match plan.compressed {
        true => 0,
        false => plan.steps.unwrap_or(plan.chunk_steps()),
    };
    let mut extents = vec![Extent::resizable(to_usize(leading))];
    extents.extend(
        plan.step_shape
            .iter()
            .map(|&axis| Extent::fixed(to_usize(axis))),
    );
    let chunk: Vec<usize> = plan.chunk_shape.iter().copied().map(to_usize).collect();
    let mut creation = DatasetCreate::build();
    creation
        .obj_track_times(false)
        .chunk(chunk)
        // The default would write every chunk once before its data.
        .fill_time(FillTime::Never);
    match plan.compressed {
        false => creation.alloc_time(Some(AllocTime::Early)),
        // The level is what HDF5 would compress with itself; readers do not ask for it.
        true => creation
            .alloc_time(Some(AllocTime::Incr))
            .shuffle()
            .deflate(1),
    };
    Ok(ffi::DatasetKind {
        datatype: Datatype::from_descriptor(&stored_type(plan.dtype).to_c_repr())?,
        space: Dataspace::try_new(SimpleExtents::new(extents))?,
        creation: creation.finish()?,
    })
}

/// Returns the address of the constant's values; `None` for one without elements.
pub(crate) fn create_constant(
    file: &File,
    constant: &TensorSpec,
    names_axis: bool,
) -> hdf5::Result<Option<u64>> {
    let dataset = file
        .new_dataset_builder()
        .empty_as(stored_type(constant.dtype))
        .shape(constant.shape.as_slice())
        .no_chunk()
        .fill_time(FillTime::Never)
        .alloc_time(Some(AllocTime::Early))
        .create(constant.name.as_str())?;
    mark_role(&dataset, Mark::Constant)?;
    mark(&dataset, constant.dtype)?;
    if names_axis {
        name_axis(&dataset, &constant.name)?;
    }
    Ok(dataset.offset())
}

/// Makes a constant of one axis the dimension scale of its own axis: so programs that name axes by
/// their numbers, where they have no names, do not take it for the axis of the steps.
pub(crate) fn name_axis(dataset: &Dataset, name: &str) -> hdf5::Result<()> {
    for (attribute, value) in [(SCALE_CLASS, DIMENSION_SCALE), (SCALE_NAME, name)] {
        ffi::write_terminated(dataset, &terminated(attribute)?, &terminated(value)?)?;
    }
    Ok(())
}

fn terminated(text: &str) -> hdf5::Result<CString> {
    CString::new(text).map_err(|_| hdf5::Error::from(format!("a zero byte in {text:?}")))
}

/// Says which step tensor the dataset is, or that it is none: so what other programs add is told apart, and
/// what they write anew is still known.
pub(crate) fn mark_role(dataset: &Dataset, mark: Mark) -> hdf5::Result<()> {
    write_attribute(dataset, STEP_TENSOR, &Attribute::Int(mark.value()))
}

/// Says what the values are the bits of, where HDF5 has no type that all readers know.
pub(crate) fn mark(dataset: &Dataset, dtype: Dtype) -> hdf5::Result<()> {
    if dtype.is_marked() {
        write_attribute(dataset, LOGICAL_DTYPE, &Attribute::from(dtype.name()))?;
    }
    Ok(())
}

/// Checks that an object header has room for an attribute.
pub(crate) fn check_value(name: &str, value: &Attribute) -> Result<(), DeclareError> {
    let has_zero = match value {
        Attribute::Text(text) => text.contains('\0'),
        Attribute::Texts(texts) => texts.iter().any(|text| text.contains('\0')),
        _ => false,
    };
    if has_zero {
        let name = name.to_owned();
        return Err(DeclareError::ZeroByte { name });
    }
    let found = value.header_bytes() + name.len();
    if found <= MAX_BYTES {
        return Ok(());
    }
    Err(DeclareError::AttributeTooLarge {
        name: name.to_owned(),
        found,
        limit: MAX_BYTES,
    })
}

pub(crate) fn write_attribute(
    location: &Location,
    name: &str,
    value: &Attribute,
) -> hdf5::Result<()> {
    fn text(value: &str) -> hdf5::Result<VarLenUnicode> {
        value
            .parse()
            .map_err(|_| hdf5::Error::from(format!("a zero byte in {value:?}")))
    }
    // A name that is not marked as UTF-8 gets the old, aligned kind of message.
    let encoding = if name.is_ascii() {
        CharEncoding::Ascii
    } else {
        CharEncoding::Utf8
    };
    macro_rules! scalar {
        ($value:expr, $type:ty) => {
            location
                .new_attr::<$type>()
                .char_encoding(encoding)
                .create(name)?
                .write_scalar($value)
        };
    }
    macro_rules! array {
        ($values:expr, $type:ty) => {
            location
                .new_attr::<$type>()
                .shape($values.len())
                .char_encoding(encoding)
                .create(name)?
                .write_raw($values)
        };
    }
    match value {
        Attribute::Int(value) if name.is_ascii() => {
            ffi::ScalarAttributes::get()?.write_number(location, &terminated(name)?, *value)
        }
        Attribute::Text(value) if name.is_ascii() => {
            let value = terminated(value)?;
            ffi::ScalarAttributes::get()?.write_text(location, &terminated(name)?, &value)
        }
        Attribute::Int(value) => scalar!(value, i64),
        Attribute::Uint(value) => scalar!(value, u64),
        Attribute::Float(value) => scalar!(value, f64),
        Attribute::Float32(value) => scalar!(value, f32),
        Attribute::Bool(value) => scalar!(value, bool),
        Attribute::Text(value) => scalar!(&text(value)?, VarLenUnicode),
        Attribute::Ints(values) => array!(values, i64),
        Attribute::Floats(values) => array!(values, f64),
        Attribute::Floats32(values) => array!(values, f32),
        Attribute::Bools(values) => array!(values, bool),
        Attribute::Texts(values) => {
            let values = values
                .iter()
                .map(|value| text(value))
                .collect::<hdf5::Result<Vec<_>>>()?;
            array!(&values, VarLenUnicode)
        }
    }
}
