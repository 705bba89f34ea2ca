//! The declaration of a tensor, and what its name may be.

use selvedge_base::shape::elements;

use crate::{DeclareError, Dtype};

/// A declared tensor: name, dtype and the shape of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name, which is that of its dataset.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Shape of one step in elements, outermost axis first; empty for a scalar.
    pub shape: Vec<usize>,
    /// Which part it is of a tensor that several ranks record together; `None` where this file has all of it.
    pub part: Option<PartOf>,
}

/// Which part of a larger tensor one of several ranks records. Its shape is that of the
/// [`TensorSpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOf {
    /// Shape of one step of the whole tensor in elements, outermost axis first.
    pub global_shape: Vec<usize>,
    /// The index in it of the first element of the part, along each axis.
    pub offset: Vec<usize>,
}

impl TensorSpec {
    /// A tensor `name` with steps of `dtype` and `shape` (elements, outermost axis first).
    #[must_use]
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: impl AsRef<[usize]>) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.as_ref().to_vec(),
            part: None,
        }
    }

    /// Says that it is a part of a tensor whose steps are of `global_shape`, from the index `offset` on along
    /// each axis. What is the same in all ranks, such as the loss, is no part.
    ///
    /// ```
    /// # use selvedge_hdf5::{Dtype, TensorSpec};
    /// // The second of four ranks has a fourth of the tokens.
    /// let w = TensorSpec::new("W", Dtype::Bf16, [2500, 64]).part_of([10_000, 64], [2500, 0]);
    /// ```
    #[must_use]
    pub fn part_of(
        mut self,
        global_shape: impl AsRef<[usize]>,
        offset: impl AsRef<[usize]>,
    ) -> Self {
        self.part = Some(PartOf {
            global_shape: global_shape.as_ref().to_vec(),
            offset: offset.as_ref().to_vec(),
        });
        self
    }

    /// Bytes of one step.
    ///
    /// # Errors
    ///
    /// [`DeclareError::InvalidTensor`] where the shape has an axis of length 0 or does not fit memory.
    pub fn step_bytes(&self) -> Result<u64, DeclareError> {
        let bytes = self
            .shape
            .iter()
            .try_fold(self.dtype.size() as u64, |bytes, &axis| {
                bytes.checked_mul(axis as u64)
            })
            .filter(|&bytes| i64::try_from(bytes).is_ok());
        match bytes {
            Some(0) => Err(self.invalid("a shape without an axis of length 0")),
            Some(bytes) => Ok(bytes),
            None => Err(self.invalid("a step of less than 2^63 bytes")),
        }
    }

    /// Checks that a trajectory can have it as a step tensor, by its name and shape.
    ///
    /// # Errors
    ///
    /// [`DeclareError::InvalidName`] and [`DeclareError::InvalidTensor`].
    pub fn check(&self) -> Result<(), DeclareError> {
        validate_name(&self.name)?;
        // HDF5 has at most 32 axes; the steps are one of them.
        if self.shape.len() > 31 {
            return Err(self.invalid("at most 31 axes beside the steps"));
        }
        self.step_bytes()?;
        self.check_part()
    }

    /// Checks that the part lies in the whole.
    pub(crate) fn check_part(&self) -> Result<(), DeclareError> {
        let Some(PartOf {
            global_shape,
            offset,
        }) = &self.part
        else {
            return Ok(());
        };
        let rank = self.shape.len();
        let axes = self.shape.iter().zip(offset).zip(global_shape);
        let mut ends = axes.map(|((len, first), whole)| (first.checked_add(*len), whole));
        // An attribute of the file says it, in 64 bits with a sign.
        let is_stored = |axis: &usize| i64::try_from(*axis).is_ok();
        if rank > 0
            && [offset.len(), global_shape.len()] == [rank; 2]
            && global_shape.iter().all(is_stored)
            && ends.all(|(end, whole)| end.is_some_and(|end| end <= *whole))
        {
            return Ok(());
        }
        Err(DeclareError::NoSuchPart {
            tensor: self.name.clone(),
            shape: self.shape.clone(),
            global_shape: global_shape.clone(),
            offset: offset.clone(),
        })
    }

    /// Checks that a trajectory can have it as a constant of its whole shape, and returns its elements.
    ///
    /// # Errors
    ///
    /// [`DeclareError::InvalidName`] and [`DeclareError::InvalidTensor`].
    pub fn check_constant(&self) -> Result<u64, DeclareError> {
        validate_name(&self.name)?;
        if self.shape.len() > 32 {
            return Err(self.invalid("at most 32 axes"));
        }
        let elements = elements(&self.shape).filter(|&elements| {
            let bytes = elements.checked_mul(self.dtype.size() as u64);
            bytes.is_some_and(|bytes| i64::try_from(bytes).is_ok())
        });
        let elements = elements.ok_or_else(|| self.invalid("a shape that fits memory"))?;
        self.check_part()?;
        Ok(elements)
    }

    pub(crate) fn invalid(&self, expected: &'static str) -> DeclareError {
        DeclareError::InvalidTensor {
            tensor: self.name.clone(),
            shape: self.shape.clone(),
            expected,
        }
    }
}

/// A dataset or attribute name is not empty and is one component of a path.
pub(crate) fn validate_name(name: &str) -> Result<(), DeclareError> {
    let expected = if name.is_empty() {
        "at least one character"
    } else if name.contains('/') {
        "no `/`: all datasets lie at the root of the file"
    } else if name == "." {
        "a name, and `.` is a path"
    } else if name.contains('\0') {
        "no zero byte"
    } else if name.len() > 1024 {
        "at most 1024 bytes"
    } else {
        return Ok(());
    };
    Err(DeclareError::InvalidName {
        name: name.to_owned(),
        expected,
    })
}
