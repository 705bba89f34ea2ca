//! Writing the `.npy` of `NumPy`: one tensor.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use selvedge_base::Partial;

use super::{Input, Output, Watch};
use crate::facts::STEP_TENSORS;
use crate::source::npy;

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
    // The input has none that an array does not hold.
    let numpy = tensor.kind.to_numpy();
    let (descr, _) = numpy.context("a dtype that NumPy has not")?;
    let mut partial = Partial::create(path, output.overwrite)?;
    let file = partial.file().clone();
    let mut file = &**file;
    let failed = || format!("cannot write {}", path.display());
    let header = npy::header(&descr, &tensor.shape);
    file.write_all(&header).with_context(failed)?;
    tensor.source.blocks(|bytes| {
        file.write_all(bytes).with_context(failed)?;
        watch.see(&tensor.name, tensor.kind, bytes);
        Ok::<_, anyhow::Error>(())
    })?;
    partial.publish(true)?;
    let mut notes = input.notes.clone();
    let shown = path.display().to_string();
    notes.extend(npy::bits_note(&tensor.name, tensor.kind, &shown));
    if !input.metadata().0.keys().all(|key| key == STEP_TENSORS) {
        notes.push("attributes are not kept: an array of NumPy has none".to_owned());
    }
    Ok(notes)
}
