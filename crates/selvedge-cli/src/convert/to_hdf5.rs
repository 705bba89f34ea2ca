//! Writing HDF5: a finished trajectory of Selvedge.

use anyhow::{Context as _, bail};
use selvedge_hdf5::{Attribute, ConstantWriter, Dtype, Recorder, Shard, TensorSpec};

use super::input::{Member, elements, name_at_root, storable};
use super::{Input, Output, Watch};
use crate::metadata::text;
use crate::source::Kind;

/// The attribute that says in HDF5 what the bits of a tensor are. A recorder writes it where there is something to
/// say.
const LOGICAL_DTYPE: &str = "logical_dtype";

/// Bytes of the steps of all tensors that are read at a time, or one step where that is larger.
const BLOCK_BYTES: u64 = 32 << 20;

/// A tensor that every step has.
struct StepTensor<'a> {
    name: String,
    dtype: Dtype,
    from: &'a Member<'a>,
    /// Some steps.
    buffer: Vec<u8>,
}

pub(super) fn write(
    input: &Input<'_>,
    output: Output<'_>,
    watch: &mut Watch<'_>,
) -> anyhow::Result<Vec<String>> {
    let path = output.path;
    if input.steps.is_none() {
        bail!(
            "none of the tensors has steps, and a trajectory has at least one that does: of two axes \
             or more, the first of them the steps; write safetensors instead"
        );
    }
    let failed = || format!("cannot write {}", path.display());
    let mut notes = input.notes.clone();
    let steps = input.steps;
    let mut run = Recorder::create(path)
        .overwrite(output.overwrite)
        .named_when_finished(true);
    if let Some(steps) = steps.filter(|&steps| steps > 0) {
        run = run.steps(steps);
    }
    let description = &input.description;
    match &description.notebook {
        Some(notebook) if notebook.contains('\0') => {
            let why = "it has a zero byte, where HDF5 ends a text";
            notes.push(format!("`notebook` is not kept: {why}"));
        }
        Some(notebook) => run = run.notebook(notebook),
        None => {}
    }
    for (name, value) in storable(description.root_attributes(), "", &mut notes) {
        run = run.attribute(name, value);
    }
    if let Some(rank) = &input.rank {
        run = run.shard(Shard {
            run: rank.run.clone(),
            rank: rank.rank,
            world_size: rank.world_size,
        });
    }
    let (mut step_tensors, mut constants) = (Vec::new(), Vec::new());
    for tensor in &input.tensors {
        let name = name_at_root(tensor, &mut notes);
        // The input has none that a trajectory does not hold.
        let dtype = tensor.kind.hdf5.context("a dtype that HDF5 has not")?;
        let attributes = description.of_tensors.get(&tensor.name);
        let mut attributes = attributes.cloned().unwrap_or_default();
        attributes.retain(|(attribute, value)| {
            let is_marker = attribute == LOGICAL_DTYPE;
            if is_marker && text(value) != tensor.kind.name {
                notes.push(marker_not_kept(&name, value, tensor.kind));
            }
            !is_marker
        });
        for (attribute, value) in storable(attributes, &format!("{name}: "), &mut notes) {
            run = run.tensor_attribute(&name, attribute, value);
        }
        let of_step = tensor.is_step;
        let mut spec = TensorSpec::new(&name, dtype, tensor.sizes(of_step));
        if let Some(part) = tensor.part {
            spec = spec.part_of(elements(&part.global_shape), elements(&part.offset));
        }
        if of_step {
            run = run.tensor_spec(spec);
            step_tensors.push(StepTensor {
                name,
                dtype,
                from: tensor,
                buffer: Vec::new(),
            });
        } else {
            run = run.constant_spec(spec);
            constants.push(tensor);
        }
    }
    let mut constants = constants.iter();
    // In the order in which they were declared.
    let values = |_: &str, writer: &mut ConstantWriter<'_>| -> anyhow::Result<()> {
        let Some(constant) = constants.next() else {
            return Ok(());
        };
        constant.source.blocks(|bytes| {
            writer.write(bytes)?;
            watch.see(&constant.name, constant.kind, bytes);
            Ok(())
        })
    };
    let mut run = run.start_with(values).with_context(failed)?;
    append(&mut run, steps.unwrap_or(0), &mut step_tensors, watch).with_context(failed)?;
    run.finish().with_context(failed)?;
    Ok(notes)
}

/// That an attribute is not kept which says in HDF5 what the bits of a tensor are.
fn marker_not_kept(name: &str, value: &Attribute, kind: &Kind) -> String {
    format!(
        "attribute `{name}: {LOGICAL_DTYPE}` is not kept: in HDF5 it would say that the bits are those of {value}, \
         and the file says {}; `selvedge rechunk --assume-bf16` takes 16 bits for bfloat16",
        kind.name
    )
}

/// Records all steps, some at a time of each tensor.
fn append(
    run: &mut Recorder,
    steps: u64,
    tensors: &mut [StepTensor<'_>],
    watch: &mut Watch<'_>,
) -> anyhow::Result<()> {
    let together = tensors.iter().map(|tensor| tensor.from.source.step_bytes());
    let together = together.fold(0, u64::saturating_add).max(1);
    let most = (BLOCK_BYTES / together).max(1);
    let mut first = 0;
    while first < steps {
        let end = (first + most).min(steps);
        for tensor in &mut *tensors {
            tensor.from.source.read(first..end, &mut tensor.buffer)?;
            watch.see(&tensor.from.name, tensor.from.kind, &tensor.buffer);
        }
        let count = usize::try_from(end - first).unwrap_or(usize::MAX);
        for step in 0..count {
            run.append(|row| {
                for tensor in &*tensors {
                    let bytes = tensor.buffer.len() / count;
                    let values = &tensor.buffer[step * bytes..(step + 1) * bytes];
                    row.put_bytes(&tensor.name, tensor.dtype, values)?;
                }
                Ok(row)
            })?;
        }
        first = end;
    }
    Ok(())
}
