//! Declaring a file: its tensors, with their values or without, and where they came from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::View;

use selvedge_base::{Leftover, Partial, clock, disk};

use super::layout::Layout;
use super::{Summary, Writer};
use crate::provenance::{CREATED, NOTEBOOK, PARAMETER, VERSION};
use crate::{Dtype, Element, SaveError, TensorSpec};

/// A file to be saved.
///
/// Tensors whose values are there are given with [`tensor`](Self::tensor); [`write`](Self::write)
/// saves them:
///
/// ```
/// use selvedge_safetensors::{Save, bf16};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("tensors/Flannel/1.5d_clusters.safetensors");
/// let centers = vec![bf16::ONE; 3 * 64];
/// let mask = [true, false, true];
/// let saved = Save::new(&path)
///     .tensor("centers", [3, 64], &centers)
///     .tensor("cluster_mask", [3], &mask)
///     .scalar("n_clusters", 3_i64)
///     .notebook("1.5d_clusters.ipynb")
///     .parameter("threshold", 0.5)
///     .write()?;
/// println!("saved {saved}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Tensors whose values come later, of which the memory need not hold all, are
/// [declared](Self::declare), or [grow](Self::growing); [`start`](Self::start) returns the
/// [`Writer`] that takes their values.
///
/// The file is written under another name, put on the disk, and renamed: so under its own name
/// there is at any moment the old file, or none, or the whole new one. A file that is there already is
/// kept, unless [`overwrite`](Self::overwrite) is called; the new one gets its permissions then. A save of fixed size that is killed leaves `.NAME.partial`, which the next
/// save of the same name removes.
#[derive(Clone, Debug)]
#[must_use = "nothing is saved before `write` or `start`"]
pub struct Save<'data> {
    path: PathBuf,
    tensors: Vec<(TensorSpec, Option<Cow<'data, [u8]>>)>,
    growing: Vec<TensorSpec>,
    metadata: Vec<(String, String)>,
    reproducible: bool,
    overwrite: bool,
    discard_unfinished: bool,
    sync: bool,
}

impl<'data> Save<'data> {
    /// A file without tensors, to be saved at `path`.
    ///
    /// Missing folders are made.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            tensors: Vec::new(),
            growing: Vec::new(),
            metadata: Vec::new(),
            reproducible: false,
            overwrite: false,
            discard_unfinished: false,
            sync: true,
        }
    }

    /// Adds a tensor of `shape` (elements, outermost axis first) with its values, row-major.
    pub fn tensor<T: Element>(
        self,
        name: impl Into<String>,
        shape: impl AsRef<[usize]>,
        values: &'data [T],
    ) -> Self {
        self.raw(name, T::DTYPE, shape, T::as_bytes(values))
    }

    /// Adds a single value, of shape `()`.
    pub fn scalar<T: Element>(mut self, name: impl Into<String>, value: T) -> Self {
        let bytes = T::as_bytes(std::slice::from_ref(&value)).to_vec();
        let spec = TensorSpec::new(name, T::DTYPE, []);
        self.tensors.push((spec, Some(Cow::Owned(bytes))));
        self
    }

    /// Adds a tensor of any dtype as its bytes: row-major, little-endian, without gaps.
    pub fn raw(
        mut self,
        name: impl Into<String>,
        dtype: Dtype,
        shape: impl AsRef<[usize]>,
        bytes: &'data [u8],
    ) -> Self {
        let spec = TensorSpec::new(name, dtype, shape);
        self.tensors.push((spec, Some(Cow::Borrowed(bytes))));
        self
    }

    /// Adds a tensor of another library that implements the `safetensors` crate's [`View`], as
    /// those of candle do; its data are asked for at once.
    pub fn view(mut self, name: impl Into<String>, view: &'data impl View) -> Self {
        let spec = TensorSpec::new(name, view.dtype(), view.shape());
        self.tensors.push((spec, Some(view.data())));
        self
    }

    /// Adds an array; one that is not contiguous and row-major is copied.
    #[cfg(feature = "ndarray")]
    pub fn array<T, S, D>(
        mut self,
        name: impl Into<String>,
        array: &'data ndarray::ArrayBase<S, D>,
    ) -> Self
    where
        T: Element,
        S: ndarray::Data<Elem = T>,
        D: ndarray::Dimension,
    {
        let spec = TensorSpec::new(name, T::DTYPE, array.shape());
        let bytes = match array.as_slice() {
            Some(values) => Cow::Borrowed(T::as_bytes(values)),
            None => {
                let values: Vec<T> = array.iter().copied().collect();
                Cow::Owned(T::as_bytes(&values).to_vec())
            }
        };
        self.tensors.push((spec, Some(bytes)));
        self
    }

    /// Declares a tensor of `shape` (elements, outermost axis first) whose values are written
    /// later, to the [`Writer`].
    pub fn declare<T: Element>(self, name: impl Into<String>, shape: impl AsRef<[usize]>) -> Self {
        self.declare_spec(TensorSpec::new(name, T::DTYPE, shape))
    }

    /// Declares a tensor of any dtype whose values are written later, to the [`Writer`].
    pub fn declare_spec(mut self, spec: TensorSpec) -> Self {
        self.tensors.push((spec, None));
        self
    }

    /// Declares the one tensor that grows along its first axis: `row_shape` is the shape of a row
    /// (elements, outermost axis first; empty for single values), and how many rows there are turns
    /// out when the [`Writer`] is finished.
    ///
    /// Until then the file is called `NAME.unfinished`. See [`recover`](crate::recover) for what a
    /// kill leaves.
    pub fn growing<T: Element>(
        self,
        name: impl Into<String>,
        row_shape: impl AsRef<[usize]>,
    ) -> Self {
        self.growing_spec(TensorSpec::new(name, T::DTYPE, row_shape))
    }

    /// The same with a dtype that is known at run time; the shape of `row` is that of a row.
    pub fn growing_spec(mut self, row: TensorSpec) -> Self {
        self.growing.push(row);
        self
    }

    /// Names the notebook or program that makes the file; see [`Provenance`](crate::Provenance).
    pub fn notebook(mut self, name: impl Into<String>) -> Self {
        self.metadata.push((NOTEBOOK.to_owned(), name.into()));
        self
    }

    /// Adds a parameter that the tensors were made with; see [`Provenance`](crate::Provenance).
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a number is given as it is, and not by reference"
    )]
    pub fn parameter(mut self, name: impl AsRef<str>, value: impl ToString) -> Self {
        let key = format!("{PARAMETER}{}", name.as_ref());
        self.metadata.push((key, value.to_string()));
        self
    }

    /// Adds another entry of `__metadata__`, such as `format` with the value `pt`, which the
    /// `transformers` library asks for.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Whether `created` and `selvedge_version` are left out, so that equal tensors make files that
    /// are equal byte for byte: `false` unless called.
    pub fn reproducible(mut self, reproducible: bool) -> Self {
        self.reproducible = reproducible;
        self
    }

    /// Whether a file of this name is replaced, which Python's `save_file` always does: `false` unless
    /// called, and then a save is refused with [`FileError::AlreadyExists`](crate::FileError).
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Whether what a killed writer of a growing file left is thrown away: `false` unless called,
    /// and then a new save of the same name is refused with [`FileError::Unfinished`](crate::FileError).
    pub fn discard_unfinished(mut self, discard: bool) -> Self {
        self.discard_unfinished = discard;
        self
    }

    /// Whether the save waits until the file is on the disk: `true` unless called. Without, a kill
    /// of the process still loses nothing, but a power cut can leave a file of zeros or none.
    pub fn sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }

    /// Saves the file.
    ///
    /// # Errors
    ///
    /// The errors of [`start`](Self::start) and [`Writer::finish`]. The file that was there before is
    /// there still, and nothing else is left.
    pub fn write(self) -> Result<Summary, SaveError> {
        self.start()?.finish()
    }

    /// Starts a file of which values are still to come, and writes those that are there.
    ///
    /// # Errors
    ///
    /// A mistake in the declaration comes before anything is written: [`SaveError::InvalidName`],
    /// [`SaveError::DuplicateName`], [`SaveError::Size`], [`SaveError::SizeMismatch`],
    /// [`SaveError::TwoGrowing`], [`SaveError::EmptyRow`], [`SaveError::HeaderTooLarge`]. So does
    /// [`SaveError::File`] where there is a file that is not to be replaced, or another save is at work; and
    /// [`SaveError::DiskTooSmall`] when what a killed save of the same name left has been removed. Then
    /// [`SaveError::WriteTensor`].
    pub fn start(self) -> Result<Writer, SaveError> {
        let growing = match &self.growing[..] {
            [] => None,
            [one] => Some(one),
            [first, second, ..] => {
                return Err(SaveError::TwoGrowing {
                    first: first.name.clone(),
                    second: second.name.clone(),
                });
            }
        };
        let metadata = self.collect_metadata()?;
        self.check_tensors()?;
        let (specs, data): (Vec<TensorSpec>, Vec<_>) = self.tensors.into_iter().unzip();
        let layout = Layout::new(&specs, growing, &metadata)?;

        let partial = if growing.is_some() {
            let leftover = if self.discard_unfinished {
                Leftover::Discard
            } else {
                Leftover::Keep
            };
            Partial::create_growing(&self.path, self.overwrite, leftover)?
        } else {
            Partial::create(&self.path, self.overwrite)?
        };
        // What a killed save left is removed by now, and its room counts as free.
        check_disk(partial.target(), layout.end)?;
        Writer::new(partial, layout, specs, &data, self.sync)
    }

    fn collect_metadata(&self) -> Result<BTreeMap<String, String>, SaveError> {
        let mut metadata = BTreeMap::new();
        if !self.reproducible {
            let version = env!("CARGO_PKG_VERSION").to_owned();
            metadata.insert(VERSION.to_owned(), version);
            metadata.extend(clock::now().map(|now| (CREATED.to_owned(), now)));
        }
        for (key, value) in &self.metadata {
            if !self.reproducible && [CREATED, VERSION].contains(&key.as_str()) {
                return Err(SaveError::InvalidName {
                    name: key.clone(),
                    what: "metadata key",
                    expected: "another one: the save writes this itself, unless it is \
                               `reproducible`",
                });
            }
            if metadata.insert(key.clone(), value.clone()).is_some() {
                return Err(SaveError::DuplicateName { name: key.clone() });
            }
        }
        Ok(metadata)
    }

    fn check_tensors(&self) -> Result<(), SaveError> {
        let specs = self.tensors.iter().map(|(spec, _)| spec);
        let mut names: Vec<&str> = specs
            .chain(&self.growing)
            .map(|spec| spec.name.as_str())
            .collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(SaveError::DuplicateName {
                name: pair[0].to_owned(),
            });
        }
        for (spec, bytes) in &self.tensors {
            let expected = spec.bytes()?;
            let Some(found) = bytes.as_ref().map(|bytes| bytes.len() as u64) else {
                continue;
            };
            if found != expected {
                return Err(SaveError::SizeMismatch {
                    tensor: spec.name.clone(),
                    dtype: spec.dtype,
                    shape: spec.shape.clone(),
                    expected,
                    found,
                });
            }
        }
        Ok(())
    }
}

fn check_disk(path: &Path, needed: u64) -> Result<(), SaveError> {
    // A file system that does not tell is no error.
    match disk::free_bytes(path) {
        Some(free) if free < needed => Err(SaveError::DiskTooSmall {
            path: path.to_owned(),
            needed,
            free,
        }),
        _ => Ok(()),
    }
}
