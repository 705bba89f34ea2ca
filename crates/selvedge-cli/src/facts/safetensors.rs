//! The facts of a safetensors file.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use selvedge_safetensors::{Dtype, Reader, TensorInfo};

use super::{
    Attribute, FileFacts, Format, Provenance, Role, Storage, TensorFacts, Unreadable, Value, python,
};

/// The keys of `__metadata__` that say where a file came from.
const PROVENANCE: [&str; 3] = ["notebook", "created", "selvedge_version"];

pub(super) fn gather(path: &Path) -> Result<(FileFacts, Reader), Unreadable> {
    let metadata = fs::metadata(path).map_err(|source| Unreadable::Io {
        path: path.to_owned(),
        action: "look at",
        source,
    })?;
    let reader = Reader::open(path)?;
    let header = reader.header();
    let [notebook, created, selvedge_version] =
        PROVENANCE.map(|key| header.metadata().get(key).cloned());
    let attributes = header
        .metadata()
        .iter()
        .filter(|(name, _)| !PROVENANCE.contains(&name.as_str()))
        .map(|(name, value)| Attribute {
            name: name.clone(),
            value: Value::text(value),
        })
        .collect();
    let facts = FileFacts {
        path: path.to_owned(),
        format: Format::Safetensors,
        file_bytes: metadata.len(),
        disk_bytes: metadata.blocks().saturating_mul(512),
        recording: None,
        provenance: Provenance {
            notebook,
            created,
            selvedge_version,
        },
        attributes,
        unread_attributes: Vec::new(),
        python: python::open_safetensors(path),
        tensors: header.tensors().iter().map(tensor_facts).collect(),
    };
    Ok((facts, reader))
}

fn tensor_facts(info: &TensorInfo) -> TensorFacts {
    TensorFacts {
        name: info.name.clone(),
        role: Role::Tensor,
        dtype: dtype_name(info.dtype).to_owned(),
        stored_dtype: info.dtype.to_string(),
        logical_dtype: None,
        element_bits: Some(info.dtype.bitsize() as u64),
        shape: info.shape.iter().map(|&axis| axis as u64).collect(),
        axes: Vec::new(),
        bytes: Some(info.bytes()),
        stored_bytes: info.bytes(),
        storage: Storage::Contiguous {
            offset: Some(info.range.start),
        },
        extent: None,
        attributes: Vec::new(),
        unread_attributes: Vec::new(),
        remarks: Vec::new(),
        python: python::read_safetensors(&info.name),
    }
}

/// PyTorch's name of a dtype. It has none for 6 bits.
pub(crate) fn dtype_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::BOOL => "bool",
        Dtype::F4 => "float4_e2m1fn",
        Dtype::F6_E2M3 => "float6_e2m3fn",
        Dtype::F6_E3M2 => "float6_e3m2fn",
        Dtype::U8 => "uint8",
        Dtype::I8 => "int8",
        Dtype::F8_E5M2 => "float8_e5m2",
        Dtype::F8_E4M3 => "float8_e4m3fn",
        Dtype::F8_E8M0 => "float8_e8m0fnu",
        Dtype::F8_E4M3FNUZ => "float8_e4m3fnuz",
        Dtype::F8_E5M2FNUZ => "float8_e5m2fnuz",
        Dtype::I16 => "int16",
        Dtype::U16 => "uint16",
        Dtype::F16 => "float16",
        Dtype::BF16 => "bfloat16",
        Dtype::I32 => "int32",
        Dtype::U32 => "uint32",
        Dtype::F32 => "float32",
        Dtype::C64 => "complex64",
        Dtype::F64 => "float64",
        Dtype::I64 => "int64",
        Dtype::U64 => "uint64",
        _ => "an unknown dtype",
    }
}
