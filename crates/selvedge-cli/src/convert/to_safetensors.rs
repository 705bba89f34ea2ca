//! Writing safetensors: tensor by tensor, block by block.

use anyhow::Context as _;
use selvedge_safetensors::{Save, TensorSpec};

use super::{Input, Output, Watch};

pub(super) fn write(
    input: &Input<'_>,
    output: Output<'_>,
    watch: &mut Watch<'_>,
) -> anyhow::Result<Vec<String>> {
    let mut save = Save::new(output.path).overwrite(output.overwrite);
    if let Some(created) = &input.created {
        // The tensors are as old as they were.
        save = save
            .reproducible(true)
            .metadata("created", created)
            .metadata("selvedge_version", env!("CARGO_PKG_VERSION"));
    }
    let (metadata, not_kept) = input.metadata();
    for (key, value) in &metadata {
        save = save.metadata(key, value);
    }
    for tensor in &input.tensors {
        // The input has none that safetensors does not hold.
        let dtype = tensor.kind.safetensors;
        let dtype = dtype.context("a dtype that safetensors has not")?;
        let spec = TensorSpec::new(&tensor.name, dtype, tensor.sizes(false));
        save = save.declare_spec(spec);
    }
    let mut writer = save.start()?;
    for tensor in &input.tensors {
        tensor.source.blocks(|bytes| {
            writer.write_bytes(&tensor.name, bytes)?;
            watch.see(&tensor.name, tensor.kind, bytes);
            Ok::<_, anyhow::Error>(())
        })?;
    }
    writer.finish()?;
    Ok([input.notes.clone(), not_kept].concat())
}
