//! Whether a file is judged as the safetensors crate judges it: for the tests and the fuzz target.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use selvedge_safetensors::{Header, HeaderError};

/// Parses a file with both; the error says in what they differ.
pub(crate) fn agree(file: &[u8]) -> Result<(), String> {
    let ours = Header::parse(file, file.len() as u64);
    let theirs = SafeTensors::deserialize(file);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => same(file, ours, theirs),
        (Err(_), Err(_)) => Ok(()),
        (Err(error), Ok(_)) if is_twice(error) => Ok(()),
        _ => Err(format!("ours {ours:?}, theirs {:?}", theirs.map(|_| ()))),
    }
}

fn same(file: &[u8], ours: &Header, theirs: &SafeTensors<'_>) -> Result<(), String> {
    if ours.tensors().len() != theirs.len() {
        return Err(format!(
            "{} tensors and {}",
            ours.tensors().len(),
            theirs.len()
        ));
    }
    let length = u64::from_le_bytes(*file.first_chunk().unwrap_or(&[0; 8]));
    let (_, metadata) = SafeTensors::read_metadata(file).map_err(|error| error.to_string())?;
    let theirs_of = metadata.metadata().iter().flatten();
    let found: BTreeMap<_, _> = theirs_of.map(|(k, v)| (k.clone(), v.clone())).collect();
    if (ours.metadata(), ours.data_start()) != (&found, length + 8) {
        return Err(format!("{:?} and {found:?}", ours.metadata()));
    }
    for tensor in ours.tensors() {
        let found = theirs
            .tensor(&tensor.name)
            .map_err(|error| error.to_string())?;
        let [start, end] =
            [tensor.range.start, tensor.range.end].map(|at| usize::try_from(at).ok());
        let data = start.zip(end).and_then(|(start, end)| file.get(start..end));
        if data != Some(found.data())
            || (tensor.dtype, &tensor.shape[..]) != (found.dtype(), found.shape())
        {
            return Err(format!(
                "{tensor:?} and {:?} {:?}",
                found.dtype(),
                found.shape()
            ));
        }
        if ours.tensor(&tensor.name) != Some(tensor) {
            return Err(format!("{tensor:?} is not found by its name"));
        }
    }
    Ok(())
}

/// Names that are there twice, which the format forbids and that crate lets pass.
fn is_twice(error: &HeaderError) -> bool {
    match error {
        HeaderError::DuplicateTensor { .. } => true,
        HeaderError::Json { source, .. } => source.to_string().contains("twice"),
        _ => false,
    }
}
