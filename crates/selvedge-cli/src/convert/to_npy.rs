//! Writing the `.npy` of `NumPy`: one tensor.

use std::fs::File;
use std::io::Write as _;

use super::publish::{Unnamed, check_writers, hidden, is_named};
use super::{Input, Output, Watch, cannot_hold, dtype, npy};
use crate::facts::dtype_name;
use crate::metadata::STEP_TENSORS;
use anyhow::{Context as _, bail};

pub(super) fn write(
    input: &Input<'_>,
    output: Output<'_>,
    watch: &mut Watch<'_>,
) -> anyhow::Result<Vec<String>> {
    let path = output.path;
    let [tensor] = &input.tensors[..] else {
        let names = input.tensors.iter();
        let names: Vec<String> = names.map(|tensor| format!("`{}`", tensor.name)).collect();
        bail!(
            "{} can hold one tensor, found {}: {}; name one with --tensor",
            path.display(),
            names.len(),
            names.join(", ")
        );
    };
    let Some(descr) = dtype::to_numpy(tensor.dtype) else {
        let bytes = tensor.source.bytes();
        return Err(cannot_hold(".npy", &tensor.name, tensor.dtype, bytes));
    };
    let partial = hidden(path)?;
    if output.overwrite {
        check_writers(path)?;
    }
    let failed = || format!("cannot write {}", path.display());
    // Locked before it is cut: it may be that of another conversion.
    let mut options = File::options();
    let opened = options
        .create(true)
        .truncate(false)
        .write(true)
        .open(&partial);
    let mut file = opened.with_context(failed)?;
    // One that ended since it was opened has given the file its name.
    if file.try_lock().is_err() || !is_named(&file, &partial) {
        bail!("another conversion is writing {}", path.display());
    }
    let unnamed = Unnamed::new(partial);
    file.set_len(0).with_context(failed)?;
    let header = npy::header(&descr, &tensor.shape);
    file.write_all(&header).with_context(failed)?;
    tensor.source.blocks(|bytes| {
        file.write_all(bytes).with_context(failed)?;
        watch.see(&tensor.name, tensor.dtype, bytes);
        Ok(true)
    })?;
    unnamed.publish(path, output.overwrite)?;
    let mut notes = input.notes.clone();
    if let Some(bits) = dtype::bits_of(tensor.dtype) {
        let (name, bits) = (dtype_name(tensor.dtype), dtype_name(bits));
        notes.push(format!(
            "`{}` is {name}, which NumPy has not: its bits are saved as {bits}; \
             `torch.from_numpy(np.load({:?})).view(torch.{name})` reads it",
            tensor.name,
            path.display().to_string()
        ));
    }
    if input.metadata.keys().any(|key| key != STEP_TENSORS) {
        notes.push("attributes are not kept: an array of NumPy has none".to_owned());
    }
    Ok(notes)
}
