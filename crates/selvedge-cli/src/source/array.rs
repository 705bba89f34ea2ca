//! Arrays of `NumPy`: a `.npy` file is one, and a `.npz` file has some.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use selvedge_base::open_regular;
use selvedge_base::text::escaped;
use selvedge_hdf5::Bytes;

use super::assumptions::Assumptions;
use super::inflate::Inflated;
use super::kind::Kind;
use super::npy::Header;
use super::stored::Stored;

/// Why a file of `NumPy` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{} {what}", path.display())]
pub(crate) struct ArrayError {
    pub(super) path: PathBuf,
    /// What is the matter with it.
    pub(super) what: String,
    pub(super) source: Option<io::Error>,
}

impl ArrayError {
    pub(super) fn new(path: &Path, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            what: what.into(),
            source: None,
        }
    }

    /// An error of the system, or of the crates that read archives.
    pub(crate) fn io(path: &Path, what: impl Into<String>, error: impl Into<io::Error>) -> Self {
        Self {
            source: Some(error.into()),
            ..Self::new(path, what)
        }
    }

    /// Whether the system is to blame, and not what is in the file.
    pub(crate) fn is_of_system(&self) -> bool {
        let source = self.source.as_ref();
        source.is_some_and(|error| error.raw_os_error().is_some())
    }

    /// What is wrong with the file, as a clause about it.
    pub(crate) fn reason(&self) -> String {
        match &self.source {
            Some(source) => format!("it {}: {source}", self.what),
            None => format!("it {}", self.what),
        }
    }
}

/// An array of an open file.
#[derive(Debug)]
pub(crate) struct Array {
    path: PathBuf,
    /// What it goes by: the name of the file, or that in the archive.
    pub(crate) name: String,
    /// Its type in the file: `<f4`.
    pub(crate) descr: String,
    /// Its dtype, where that is one that is read.
    pub(crate) kind: Option<&'static Kind>,
    /// In elements, outermost axis first.
    pub(crate) shape: Vec<u64>,
    /// Why its values are not read, as a clause about the array.
    pub(crate) unread: Option<String>,
    /// Bytes after its values, in the file or in the member of the archive.
    rest: u64,
    data: Data,
}

/// Where the values of an array are.
#[derive(Debug)]
pub(super) enum Data {
    /// In one run of bytes of the file, from this one on.
    Plain { file: Arc<File>, start: u64 },
    /// In a stored member of an archive.
    Stored(Stored),
    /// In a deflated member of an archive.
    Deflated(Inflated),
}

impl Array {
    /// The array of a `.npy` file.
    ///
    /// # Errors
    ///
    /// The errors of reading its header.
    pub(crate) fn open(path: &Path, assumptions: &Assumptions) -> Result<Self, ArrayError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| ArrayError::io(path, what, error)
        };
        let mut file = open_regular(path).map_err(failed("cannot be opened"))?;
        let header = Header::read(&mut file).map_err(failed("has a header that cannot be read"))?;
        let length = file
            .metadata()
            .map_err(failed("cannot be looked at"))?
            .len();
        let name = path.file_stem().unwrap_or_default();
        let start = header.1;
        let data = Data::Plain {
            file: Arc::new(file),
            start,
        };
        let name = escaped(name.as_bytes());
        let there = length.saturating_sub(start);
        Ok(Self::new(path, name, header.0, there, data, assumptions))
    }

    /// The array of this header, of whose values `there` bytes are there.
    pub(super) fn new(
        path: &Path,
        name: String,
        header: Header,
        there: u64,
        data: Data,
        assumptions: &Assumptions,
    ) -> Self {
        let code = header.descr.get(1..).unwrap_or_default();
        let assumed = assumptions.kind_of(&name).filter(|assumed| {
            // A type of another size is none that these bytes can be.
            Kind::of_numpy(code).map_or_else(
                || code == opaque(assumed),
                |found| found.bits == assumed.bits && found.name.starts_with("uint"),
            ) || (code, assumed.name) == ("f1", "float8_e5m2")
        });
        let kind = assumed.or_else(|| Kind::of_numpy(code));
        let mut array = Self {
            path: path.to_owned(),
            name,
            descr: header.descr.clone(),
            kind,
            shape: header.shape,
            unread: None,
            rest: 0,
            data,
        };
        let long_axes = array.shape.iter().filter(|&&axis| axis != 1).count();
        array.unread = if kind.is_none() {
            Some(format!("holds {}", unread_type(&header.descr)))
        } else if header.fortran && long_axes > 1 {
            Some(
                "lies column by column (fortran_order), expected row by row; in Python \
                 `np.save(path, np.ascontiguousarray(array))` writes it so"
                    .to_owned(),
            )
        } else {
            match array.bytes() {
                None => Some("claims more elements than any disk holds".to_owned()),
                Some(bytes) if bytes > there => Some(format!(
                    "is cut off: expected {} of values, found {}",
                    Bytes(bytes),
                    Bytes(there)
                )),
                Some(bytes) => {
                    array.rest = there - bytes;
                    None
                }
            }
        };
        array
    }

    /// An array of which only the name is known.
    pub(super) fn unread(path: &Path, name: String, why: String, file: &Arc<File>) -> Self {
        Self {
            path: path.to_owned(),
            name,
            descr: "unknown".to_owned(),
            kind: None,
            shape: Vec::new(),
            unread: Some(why),
            rest: 0,
            data: Data::Plain {
                file: Arc::clone(file),
                start: 0,
            },
        }
    }

    /// Bytes of its values; `None` where they are more than can be counted, or of an unknown type.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let element = self.kind?.bytes();
        let mut axes = self.shape.iter();
        axes.try_fold(element, |all, &axis| all.checked_mul(axis))
    }

    /// Where its values lie in the file, where they lie there as they are.
    pub(crate) fn offset(&self) -> Option<u64> {
        match &self.data {
            Data::Plain { start, .. } => Some(*start),
            Data::Stored(member) => Some(member.start()),
            Data::Deflated(_) => None,
        }
    }

    /// That something follows its values, which `np.load` does not tell.
    pub(crate) fn rest(&self) -> Option<String> {
        let of_member = match &self.data {
            Data::Plain { .. } => String::new(),
            Data::Stored(_) | Data::Deflated(_) => format!(" of the member `{}`", self.name),
        };
        (self.rest > 0).then(|| {
            format!(
                "{} after the array{of_member} are not read: `np.save` was called more than once on one file, or \
                 something else was added",
                Bytes(self.rest)
            )
        })
    }

    /// Reads values from byte `offset` of them on, whole ones, and turns them little-endian.
    ///
    /// # Errors
    ///
    /// The errors of reading, and that a member of an archive is damaged.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ArrayError> {
        match &self.data {
            Data::Plain { file, start } => file.read_exact_at(buffer, start + offset),
            Data::Stored(member) => member.read_at(offset, buffer),
            Data::Deflated(member) => {
                let end = offset.saturating_add(buffer.len() as u64);
                member.read_at(offset, buffer, self.bytes() == Some(end))
            }
        }
        .map_err(|error| {
            let what = format!("has values of `{}` that cannot be read", self.name);
            ArrayError::io(&self.path, what, error)
        })?;
        // NumPy shows what is neither as True, and calculates with the byte that it is.
        if self.kind.is_some_and(|kind| kind.name == "bool") && buffer.iter().any(|&byte| byte > 1)
        {
            let what = format!(
                "has bools in `{}` that are neither 0 nor 1; in Python `array.view(\"uint8\")` is these bytes, and \
                 `array.view(\"uint8\") != 0` bools",
                self.name
            );
            return Err(ArrayError::new(&self.path, what));
        }
        let swapped = self.kind.map_or(1, Kind::swapped_bytes);
        if swapped > 1 && self.descr.starts_with('>') {
            let swapped = usize::try_from(swapped).unwrap_or(1);
            buffer.chunks_mut(swapped).for_each(<[u8]>::reverse);
        }
        Ok(())
    }
}

/// The type code of bytes without a type, as `NumPy` saves the dtypes of `ml_dtypes`.
fn opaque(kind: &Kind) -> String {
    format!("V{}", kind.bytes())
}

/// What a type is that is not read, and what to do about it.
fn unread_type(descr: &str) -> String {
    let code = descr.get(1..).unwrap_or_default();
    match code {
        "O" => {
            "pickled objects of Python, which are never unpickled here: they can be any program; \
                in Python `np.save(path, array.astype(float))` or the like writes numbers"
                .to_owned()
        }
        "V2" => format!(
            "`{descr}`, which is not read; if it is the bfloat16 of ml_dtypes, --assume-bf16 takes it so"
        ),
        "V1" | "f1" => {
            let (which, all) = match code {
                "f1" => ("float8_e5m2", "float8_e5m2"),
                _ => ("float8_e4m3fn", "a float8"),
            };
            format!(
                "`{descr}`, which is not read; if it is {all} of ml_dtypes, --assume TENSOR={which} \
                 takes it so"
            )
        }
        _ if descr == "a record" => "a record, which is not read".to_owned(),
        _ => format!("`{descr}`, which is not read"),
    }
}
