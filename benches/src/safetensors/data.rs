//! What is saved and loaded: tensors of bfloat16, and their values.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use half::bf16;
use selvedge_safetensors::{Mapped, Reader, Save};

use crate::Result;
use crate::record::workload::random_bytes;
use crate::scratch::Scratch;

/// The tensor that is loaded, and that rows are taken out of.
pub const TENSOR: &str = "embedding";
/// Elements of one of its rows.
pub const ROW: usize = 1280;

/// `len` random bfloat16 values, of which any sum is exact (see [`sum`](super::sum::sum)): of any
/// sign, from 1/8 up to 2, and the same in every run.
#[must_use]
pub fn values(len: usize) -> Vec<bf16> {
    let bytes = random_bytes(2 * len);
    let (bits, _) = bytes.as_chunks();
    bits.iter()
        // The sign, the fraction and the low two bits of the exponent; the rest of it is 31.
        .map(|&bits| bf16::from_bits(u16::from_le_bytes(bits) & 0x81FF | 0x3E00))
        .collect()
}

/// `count` random rows of a tensor of `rows`, in no order.
#[must_use]
pub fn random_rows(count: usize, rows: usize) -> Vec<usize> {
    let bytes = random_bytes(8 * count);
    let (words, _) = bytes.as_chunks();
    let row = |word| u64::from_le_bytes(word) % rows as u64;
    words
        .iter()
        .map(|&word| usize::try_from(row(word)).unwrap_or(0))
        .collect()
}

/// A file that is saved: tensors of one shape.
#[derive(Debug)]
pub struct Workload {
    /// The end of its groups' names.
    pub name: &'static str,
    /// What it holds, in words.
    pub what: String,
    /// The names of the tensors, in the order of the file.
    pub names: Vec<String>,
    /// The shape of each, in elements.
    pub shape: [usize; 2],
    /// The values of all, one tensor after the other.
    pub values: Vec<bf16>,
    /// The file up to its data: what [`Save`] writes without provenance.
    pub header: Vec<u8>,
}

impl Workload {
    /// One tensor of `rows` rows.
    ///
    /// # Errors
    ///
    /// The errors of saving the file once, for its header.
    pub fn large(rows: usize, scratch: &Scratch) -> Result<Self> {
        let names = vec![TENSOR.to_owned()];
        Self::new("large", names, [rows, ROW], scratch)
    }

    /// `count` tensors of 4 MB.
    ///
    /// # Errors
    ///
    /// As [`large`](Self::large).
    pub fn middle(count: usize, scratch: &Scratch) -> Result<Self> {
        let names = (0..count).map(|layer| format!("layers.{layer:03}.weight"));
        Self::new("middle", names.collect(), [2000, 1000], scratch)
    }

    /// `count` tensors of 4 kB.
    ///
    /// # Errors
    ///
    /// As [`large`](Self::large).
    pub fn small(count: usize, scratch: &Scratch) -> Result<Self> {
        let names = (0..count).map(|layer| format!("layers.{layer:03}.norm"));
        Self::new("small", names.collect(), [1, 2000], scratch)
    }

    /// `count` tensors of 128 bytes, as a checkpoint with many experts has them for its norms.
    ///
    /// # Errors
    ///
    /// As [`large`](Self::large).
    pub fn many(count: usize, scratch: &Scratch) -> Result<Self> {
        let name = |number| {
            format!(
                "model.layers.{:03}.experts.{:03}.norm",
                number / 100,
                number % 100
            )
        };
        Self::new("many", (0..count).map(name).collect(), [1, 64], scratch)
    }

    fn new(
        name: &'static str,
        names: Vec<String>,
        shape: [usize; 2],
        scratch: &Scratch,
    ) -> Result<Self> {
        let [rows, columns] = shape;
        let mut workload = Self {
            name,
            what: match names.len() {
                1 => format!("one bfloat16 tensor ({rows}, {columns})"),
                count => format!("{count} bfloat16 tensors ({rows}, {columns})"),
            },
            values: values(names.len() * rows * columns),
            names,
            shape,
            header: Vec::new(),
        };
        let path = scratch.file("header.safetensors");
        workload
            .save(&path)
            .reproducible(true)
            .sync(false)
            .write()?;
        let begin = Reader::open(&path)?.header().tensors()[0].range.start;
        std::fs::File::open(&path)?
            .take(begin)
            .read_to_end(&mut workload.header)?;
        scratch.settle(&path)?;
        Ok(workload)
    }

    /// The tensors with their values.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[bf16])> {
        let names = self.names.iter().map(String::as_str);
        names.zip(self.values.chunks(self.shape.iter().product()))
    }

    /// A save of all of them.
    pub fn save(&self, path: &Path) -> Save<'_> {
        let save = Save::new(path).overwrite(true);
        self.tensors().fold(save, |save, (name, values)| {
            save.tensor(name, self.shape, values)
        })
    }

    /// Bytes of the tensors.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        size_of_val(&self.values[..]) as u64
    }

    /// The values of one row of a file with one tensor.
    #[must_use]
    pub fn row(&self, row: usize) -> &[bf16] {
        let place: Range<usize> = row * self.shape[1]..(row + 1) * self.shape[1];
        &self.values[place]
    }

    /// Compares a file with what was to be saved: names, shapes and every byte.
    ///
    /// # Errors
    ///
    /// Where they differ, and those of the load.
    pub fn check(&self, path: &Path) -> Result<()> {
        // SAFETY: the file lies in a folder of this process, and its writer is done.
        let file = unsafe { Mapped::open(path)? };
        if file.tensors().len() != self.names.len() {
            return Err(
                format!("{} tensors, not {}", file.tensors().len(), self.names.len()).into(),
            );
        }
        for (name, values) in self.tensors() {
            let tensor = file.tensor(name)?;
            if tensor.shape() != self.shape || tensor.as_slice::<bf16>()? != values {
                return Err(format!("{name} has another shape or other values").into());
            }
        }
        Ok(())
    }
}
