//! Writing HDF5: a finished trajectory of Selvedge.

use anyhow::{Context as _, bail};
use selvedge_hdf5::{Dtype, Recorder, TensorSpec};

use super::input::Member;
use super::publish::{Unnamed, check_writers, hidden};
use super::{Input, Output, Watch, cannot_hold, dtype};

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
    let partial = hidden(path)?;
    if output.overwrite {
        check_writers(path)?;
    }
    let failed = || format!("cannot write {}", path.display());
    let mut notes = input.notes.clone();
    let steps = input.steps;
    let mut run = Recorder::create(&partial).overwrite(true);
    if let Some(steps) = steps.filter(|&steps| steps > 0) {
        run = run.steps(steps);
    }
    if let Some(notebook) = &input.notebook {
        run = run.notebook(notebook);
    }
    for (name, value) in &input.attributes {
        run = run.attribute(name, value.clone());
    }
    let mut step_tensors = Vec::new();
    for tensor in &input.tensors {
        let Some(dtype) = dtype::to_hdf5(tensor.dtype) else {
            let bytes = tensor.source.bytes();
            return Err(cannot_hold(
                "a trajectory",
                &tensor.name,
                tensor.dtype,
                bytes,
            ));
        };
        let name = tensor.name.replace('/', ".");
        if name != tensor.name {
            notes.push(format!("`{}` became `{name}`", tensor.name));
        }
        let of_step = tensor.is_step;
        let spec = TensorSpec::new(&name, dtype, tensor.sizes(of_step));
        if of_step {
            run = run.tensor_spec(spec);
            step_tensors.push(StepTensor {
                name,
                dtype,
                from: tensor,
                buffer: Vec::new(),
            });
        } else {
            let mut bytes = Vec::new();
            if tensor.source.bytes() > 0 {
                tensor.source.read(0..tensor.source.steps(), &mut bytes)?;
            }
            watch.see(&tensor.name, tensor.dtype, &bytes);
            run = run.constant_bytes(spec, bytes);
        }
    }
    let mut run = run.start().with_context(failed)?;
    let unnamed = Unnamed::new(partial);
    append(&mut run, steps.unwrap_or(0), &mut step_tensors, watch).with_context(failed)?;
    run.finish().with_context(failed)?;
    unnamed.publish(path, output.overwrite)?;
    Ok(notes)
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
            watch.see(&tensor.from.name, tensor.from.dtype, &tensor.buffer);
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
