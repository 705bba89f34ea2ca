//! References as JSON, as kerchunk writes and fsspec reads them: the metadata of Zarr, and for each of its chunks
//! a range of bytes of a file.

use std::io::{self, BufWriter, Write};
use std::path::{self, Component, Path, PathBuf};

use anyhow::Context as _;
use data_encoding::BASE64;
use selvedge_base::Partial;
use selvedge_hdf5::{
    Attribute, Dtype, ReadError, ReferenceCodec, ReferencedArray, ReferencedPiece, References,
};
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::object;
use crate::source::Kind;

/// The form of Zarr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Zarr {
    /// What kerchunk's engine of xarray reads
    #[value(name = "2")]
    V2,
    /// With names of dimensions and fill values of its own
    #[value(name = "3")]
    V3,
}

/// What each document begins with.
pub(crate) const BEGINNING: &str = "{\"version\":1,\"refs\":{\"";

/// The document, which is written piece by piece: it can have millions of references.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    version: u8,
    refs: Refs<'a>,
}

struct Refs<'a> {
    references: &'a References,
    zarr: Zarr,
    urls: Vec<String>,
}

impl<'a> Document<'a> {
    /// What refers to the files by their own names, or by those that they have after `prefix`.
    pub(crate) fn new(
        references: &'a References,
        zarr: Zarr,
        prefix: Option<&str>,
    ) -> anyhow::Result<Self> {
        let urls = urls(references.files(), prefix)?;
        let refs = Refs {
            references,
            zarr,
            urls,
        };
        Ok(Self { version: 1, refs })
    }

    /// Writes it to a file, which gets its name when it is complete.
    pub(crate) fn write(&self, path: &Path, overwrite: bool) -> anyhow::Result<()> {
        let mut partial = Partial::create(path, overwrite)?;
        let failed = || format!("cannot write {}", path.display());
        let mut file = BufWriter::with_capacity(1 << 20, &***partial.file());
        serde_json::to_writer(&mut file, self).with_context(failed)?;
        file.flush().with_context(failed)?;
        drop(file);
        Ok(partial.publish(true)?)
    }
}

/// The URLs of files: of each its path, or the prefix and its way from the folder that all of them lie in.
fn urls(files: &[PathBuf], prefix: Option<&str>) -> anyhow::Result<Vec<String>> {
    let located = files.iter().map(|file| {
        let located = match (object::url(file), prefix) {
            (Some(_), _) => return Ok(file.clone()),
            (None, Some(_)) => by_own_name(file),
            (None, None) => file.canonicalize(),
        };
        located.with_context(|| format!("cannot look at {}", file.display()))
    });
    let located: Vec<PathBuf> = located.collect::<anyhow::Result<_>>()?;
    let mut folder = located.first().and_then(|file| file.parent());
    while let Some(now) = folder
        && !located.iter().all(|file| file.starts_with(now))
    {
        folder = now.parent();
    }
    let url = |file: &PathBuf| {
        let text = |path: &Path| {
            let text = path.to_str().map(str::to_owned);
            text.with_context(|| {
                format!(
                    "{} has a name that is not UTF-8, and a reference is",
                    path.display()
                )
            })
        };
        let Some(prefix) = prefix else {
            return Ok(match object::url(file) {
                Some(url) => url.to_owned(),
                None => format!("file://{}", text(file)?),
            });
        };
        let folder = folder.unwrap_or(Path::new("/"));
        let within = file.strip_prefix(folder).unwrap_or(file);
        let names = within.components().map(|name| match name {
            Component::Normal(name) => text(Path::new(name)),
            _ => Ok(String::new()),
        });
        let names = names.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(format!(
            "{}/{}",
            prefix.trim_end_matches('/'),
            names.join("/")
        ))
    };
    located.iter().map(url).collect()
}

/// The path of a file from the root on, with the names that it was given by: what is put elsewhere has those of links,
/// and not of what they lead to. But for what comes before the last `..`, which leads out of where a link leads.
fn by_own_name(file: &Path) -> io::Result<PathBuf> {
    let path = path::absolute(file)?;
    let names: Vec<Component<'_>> = path.components().collect();
    let up = names.iter().rposition(|&name| name == Component::ParentDir);
    let (before, after) = names.split_at(up.map_or(0, |up| up + 1));
    match up {
        Some(_) => Ok(before
            .iter()
            .collect::<PathBuf>()
            .canonicalize()?
            .join(after.iter().collect::<PathBuf>())),
        None => Ok(path),
    }
}

impl Serialize for Refs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let attributes = attributes(self.references.attributes(), None);
        let mut groups = vec![String::new()];
        for array in self.references.arrays() {
            let name = array.name();
            for (at, _) in name.match_indices('/') {
                let group = format!("{}/", &name[..at]);
                if !groups.contains(&group) {
                    groups.push(group);
                }
            }
        }
        for group in groups {
            let own = if group.is_empty() {
                attributes.clone()
            } else {
                Map::new()
            };
            match self.zarr {
                Zarr::V2 => {
                    let version = json!({"zarr_format": 2});
                    map.serialize_entry(&format!("{group}.zgroup"), &version.to_string())?;
                    map.serialize_entry(&format!("{group}.zattrs"), &Value::from(own).to_string())?;
                }
                Zarr::V3 => {
                    let node = json!({"zarr_format": 3, "node_type": "group", "attributes": own});
                    map.serialize_entry(&format!("{group}zarr.json"), &node.to_string())?;
                }
            }
        }
        for array in self.references.arrays() {
            let name = array.name();
            match self.zarr {
                Zarr::V2 => {
                    let (array, attributes) = version_2(array);
                    map.serialize_entry(&format!("{name}/.zarray"), &array.to_string())?;
                    map.serialize_entry(&format!("{name}/.zattrs"), &attributes.to_string())?;
                }
                Zarr::V3 => {
                    map.serialize_entry(
                        &format!("{name}/zarr.json"),
                        &version_3(array).to_string(),
                    )?;
                }
            }
            let written = array.for_each_piece(0, |place, piece| {
                let key = format!("{name}/{}", self.zarr.key(place));
                let written = match piece {
                    ReferencedPiece::Range {
                        file,
                        offset,
                        length,
                    } => map.serialize_entry(&key, &(&self.urls[file], offset, length)),
                    ReferencedPiece::Inline(bytes) => {
                        map.serialize_entry(&key, &format!("base64:{}", BASE64.encode(bytes)))
                    }
                };
                written.map_err(Stop::Written)
            });
            written.map_err(|stop| match stop {
                Stop::Written(error) => error,
                Stop::Read(error) => S::Error::custom(error),
            })?;
        }
        map.end()
    }
}

/// Why no further reference is written.
enum Stop<E> {
    Written(E),
    Read(ReadError),
}

impl<E> From<ReadError> for Stop<E> {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl Zarr {
    /// The key of a chunk within its array.
    fn key(self, place: &[u64]) -> String {
        let numbers = |separator: &str| {
            let numbers: Vec<String> = place.iter().map(u64::to_string).collect();
            numbers.join(separator)
        };
        match (self, place.is_empty()) {
            (Self::V2, true) => "0".to_owned(),
            (Self::V2, false) => numbers("."),
            (Self::V3, true) => "c".to_owned(),
            (Self::V3, false) => format!("c/{}", numbers("/")),
        }
    }
}

/// `.zarray` and `.zattrs`.
fn version_2(array: &ReferencedArray) -> (Value, Value) {
    let filters: Vec<Value> = array
        .codecs()
        .iter()
        .map(|codec| codec_of(*codec, "id"))
        .collect();
    let kind = Kind::named(array.dtype().name());
    let node = json!({
        "zarr_format": 2,
        "shape": array.shape(),
        "chunks": array.chunk_shape(),
        "dtype": kind.and_then(Kind::to_numpy).map(|(descr, _)| descr),
        "compressor": null,
        // A reader would take a fill value for a value that is missing, and each zero for one.
        "fill_value": null,
        "order": "C",
        "filters": if filters.is_empty() { Value::Null } else { filters.into() },
        "dimension_separator": ".",
    });
    let mut attributes = attributes(array.attributes(), Some(array.dtype()));
    let dimensions = array.dimension_names().to_vec();
    attributes.insert("_ARRAY_DIMENSIONS".to_owned(), dimensions.into());
    (node, attributes.into())
}

/// `zarr.json` of an array.
fn version_3(array: &ReferencedArray) -> Value {
    let dtype = array.dtype();
    let bytes = match dtype.size() {
        1 => json!({"name": "bytes"}),
        _ => json!({"name": "bytes", "configuration": {"endian": "little"}}),
    };
    let codecs = array.codecs().iter().map(|codec| {
        let mut configuration = codec_of(*codec, "name");
        let name = configuration
            .as_object_mut()
            .and_then(|codec| codec.remove("name"));
        let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
        json!({"name": format!("numcodecs.{name}"), "configuration": configuration})
    });
    // NaN where the dtype has one: what is missing is not to look like a weight.
    let (data_type, fill_value) = match dtype {
        Dtype::Bf16 => ("uint16", json!(u16::MAX)),
        Dtype::F8E4M3 | Dtype::F8E5M2 => ("uint8", json!(u8::MAX)),
        Dtype::F16 | Dtype::F32 | Dtype::F64 => (dtype.name(), json!("NaN")),
        Dtype::C64 | Dtype::C128 => (dtype.name(), json!(["NaN", "NaN"])),
        Dtype::Bool => (dtype.name(), json!(false)),
        _ => (dtype.name(), json!(0)),
    };
    json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": array.shape(),
        "data_type": data_type,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": array.chunk_shape()}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill_value,
        "codecs": std::iter::once(bytes).chain(codecs).collect::<Vec<_>>(),
        "attributes": attributes(array.attributes(), Some(dtype)),
        "dimension_names": array.dimension_names(),
        "storage_transformers": [],
    })
}

/// A codec as `numcodecs` has it, with its name under this key.
fn codec_of(codec: ReferenceCodec, key: &str) -> Value {
    match codec {
        ReferenceCodec::Shuffle { element } => json!({key: "shuffle", "elementsize": element}),
        ReferenceCodec::Fletcher32 => json!({key: "fletcher32"}),
        // The level is what it would compress with.
        _ => json!({key: "zlib", "level": 1}),
    }
}

/// Attributes as JSON, with what the bits are where they are stored as an integer.
fn attributes(found: &[(String, Attribute)], dtype: Option<Dtype>) -> Map<String, Value> {
    // JSON has no number for these; Zarr writes them so.
    let number = |value: f64| match value {
        _ if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        _ => json!(value),
    };
    let value = |attribute: &Attribute| match &attribute.widened() {
        Attribute::Int(value) => json!(value),
        Attribute::Uint(value) => json!(value),
        Attribute::Float(value) => number(*value),
        Attribute::Bool(value) => json!(value),
        Attribute::Text(value) => json!(value),
        Attribute::Ints(values) => json!(values),
        Attribute::Floats(values) => values.iter().copied().map(number).collect(),
        Attribute::Bools(values) => json!(values),
        Attribute::Texts(values) => json!(values),
        other => json!(other.to_string()),
    };
    let all = found.iter();
    let mut all: Map<_, _> = all
        .map(|(name, found)| (name.clone(), value(found)))
        .collect();
    let bits = dtype.and_then(|dtype| Kind::named(dtype.name()));
    if let Some(kind) = bits.filter(|kind| kind.is_without_numpy()) {
        all.insert("logical_dtype".to_owned(), kind.name.into());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_count_from_the_folder_that_all_files_lie_in() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = ["rank0/run 1%.h5", "rank1/run.h5"]
            .iter()
            .map(|name| folder.path().join(name))
            .collect();
        for file in &files {
            std::fs::create_dir(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let found = urls(&files, Some("s3://bucket/runs/")).unwrap();
        assert_eq!(
            found,
            [
                "s3://bucket/runs/rank0/run 1%.h5",
                "s3://bucket/runs/rank1/run.h5"
            ]
        );
        let found = urls(&files[..1], Some("s3://bucket")).unwrap();
        assert_eq!(found, ["s3://bucket/run 1%.h5"]);
        // Links were followed, and the URL had the name of what is elsewhere: not that which is put there.
        let place = folder.path().canonicalize().unwrap();
        let run = place.join("run");
        std::fs::create_dir(&run).unwrap();
        let links = ["a.h5", "b.h5"].map(|name| run.join(name));
        for (link, file) in links.iter().zip(&files) {
            std::os::unix::fs::symlink(file, link).unwrap();
        }
        let found = urls(&links, Some("s3://bucket")).unwrap();
        assert_eq!(found, ["s3://bucket/a.h5", "s3://bucket/b.h5"]);
        let odd = place.join("rank0/../run/./a.h5");
        let found = urls(&[odd, links[1].clone()], Some("s3://bucket")).unwrap();
        assert_eq!(found, ["s3://bucket/a.h5", "s3://bucket/b.h5"]);
        let found = urls(&files[1..], None).unwrap();
        let path = folder.path().canonicalize().unwrap();
        assert_eq!(found, [format!("file://{}/rank1/run.h5", path.display())]);
    }

    #[test]
    fn numbers_that_json_has_not_are_words() {
        let found = [
            (
                "a".to_owned(),
                Attribute::Floats(vec![f64::NAN, 0.1, f64::NEG_INFINITY]),
            ),
            ("b".to_owned(), Attribute::Uint(u64::MAX)),
        ];
        let json = Value::from(attributes(&found, Some(Dtype::Bf16)));
        let expected =
            json!({"a": ["NaN", 0.1, "-Infinity"], "b": u64::MAX, "logical_dtype": "bfloat16"});
        assert_eq!(json, expected);
    }
}
