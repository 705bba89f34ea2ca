//! All that a reader asks of a step tensor, from its object header alone.
//!
//! libhdf5 takes some 60 µs to open a dataset and to be asked for this, and a model has hundreds of
//! tensors. What the recorder makes of numbers without a filter is known by all of its bytes; whatever is
//! not exactly that is left to libhdf5.

use selvedge_base::text::checked;

use super::bytes::Result;
use super::global_heap::GlobalHeap;
use super::object_header::{
    ATTRIBUTE, CONTINUATION, DATASPACE, DATATYPE, DatasetHeader, FILL_VALUE, FILTERS, LAYOUT,
    ObjectHeader, StepDataset, attribute_name,
};
use crate::ffi::{Bits, Fields, Float, Order, StoredType};
use crate::provenance::{LOGICAL_DTYPE, STEP_TENSOR};
use crate::run::Mark;
use crate::storage::ReadAt;

const NIL: u16 = 0x0000;
const OLD_FILL_VALUE: u16 = 0x0004;
const MODIFICATION_TIME: u16 = 0x0012;
/// The messages of such a dataset.
const MESSAGES: [u16; 9] = [
    NIL,
    DATASPACE,
    DATATYPE,
    OLD_FILL_VALUE,
    FILL_VALUE,
    LAYOUT,
    ATTRIBUTE,
    CONTINUATION,
    MODIFICATION_TIME,
];
/// The flag of a message that is stored elsewhere.
const SHARED: u8 = 0b10;

/// A step tensor of numbers that no filter changes.
#[derive(Debug)]
pub(crate) struct PlainTensor {
    pub(crate) dataset: StepDataset,
    pub(crate) stored: StoredType,
    pub(crate) mark: Option<Mark>,
    /// Whether it is made as a recorder makes its step tensors.
    pub(crate) as_recorded: bool,
    /// Whether the fill value is never written.
    pub(crate) unfilled: bool,
    /// What `logical_dtype` says.
    pub(crate) logical_dtype: Option<String>,
}

impl DatasetHeader {
    /// The step tensor, if it is one of numbers without filters and has nothing that the recorder does not
    /// give it, but attributes.
    pub(crate) fn plain_tensor(
        &self,
        storage: &dyn ReadAt,
        heap: &mut GlobalHeap,
    ) -> Result<Option<PlainTensor>> {
        let Self(header) = self;
        let is_plain = header
            .messages()
            .all(|message| MESSAGES.contains(&message.kind) && message.flags & SHARED == 0);
        if !is_plain || header.of(FILTERS).next().is_some() {
            return Ok(None);
        }
        // An attribute of a later version may be of any name.
        for message in header.of(ATTRIBUTE) {
            if attribute_name(header.block(message), message.offset)?.is_none() {
                return Ok(None);
            }
        }
        let (Some(dataset), Some(stored)) = (self.step_dataset()?, header.number()?) else {
            return Ok(None);
        };
        let logical_dtype = match header.text(storage, heap, LOGICAL_DTYPE)? {
            Text::None => None,
            Text::Utf8(text) => Some(text),
            Text::Other => return Ok(None),
        };
        let mark = header.attribute::<1>(STEP_TENSOR)?;
        Ok(Some(PlainTensor {
            dataset,
            stored,
            mark: mark.map(|mark| Mark::from_value(mark.values[0])),
            as_recorded: header.is_as_recorded()?,
            unfilled: header.is_unfilled()?,
            logical_dtype,
        }))
    }
}

/// What an attribute says.
enum Text {
    Utf8(String),
    /// There is no such attribute.
    None,
    /// It is not one text of variable length, in UTF-8.
    Other,
}

impl ObjectHeader {
    /// The type of the elements, if these are little-endian numbers all of whose bits count.
    fn number(&self) -> Result<Option<StoredType>> {
        let message = self.only(DATATYPE, "datatype")?;
        let block = self.block(message);
        let at = message.offset;
        let size = usize::try_from(block.u32(at + 4)?).unwrap_or(usize::MAX);
        let class = block.slice(at, 4)?;
        let bits = Bits {
            size,
            order: Order::Little,
            precision: size.saturating_mul(8),
            offset: 0,
        };
        if usize::from(block.u16(at + 8)?) != bits.offset
            || usize::from(block.u16(at + 10)?) != bits.precision
        {
            return Ok(None);
        }
        Ok(match *class {
            // Version 1, class 0: fixed point. The fourth bit is that of the sign.
            [0x10, sign @ (0 | 0x08), 0, 0] => Some(StoredType::Integer {
                bits,
                signed: sign != 0,
            }),
            // Class 1, with an implied first bit of the mantissa.
            [0x11, 0x20, sign_at, 0] => {
                let part = |nth: usize| block.u8(at + 12 + nth).map(usize::from);
                Some(StoredType::Float(Float {
                    bits,
                    fields: Fields {
                        sign_at: usize::from(sign_at),
                        exponent_at: part(0)?,
                        exponent: part(1)?,
                        mantissa_at: part(2)?,
                        mantissa: part(3)?,
                    },
                    bias: usize::try_from(block.u32(at + 16)?).unwrap_or(usize::MAX),
                    implied: true,
                }))
            }
            _ => None,
        })
    }

    /// The text of attribute `name`.
    fn text(&self, storage: &dyn ReadAt, heap: &mut GlobalHeap, name: &str) -> Result<Text> {
        for message in self.of(ATTRIBUTE) {
            let block = self.block(message);
            let at = message.offset;
            if attribute_name(block, at)? != Some(name.as_bytes()) {
                continue;
            }
            let sizes = [block.u16(at + 2)?, block.u16(at + 4)?];
            let [name, datatype] = sizes.map(|size| usize::from(size).next_multiple_of(8));
            let (datatype, space) = (at + 8 + name, at + 8 + name + datatype);
            // Version 1, class 9 (variable length), a text that a zero ends; of no axis.
            let is_text = block.slice(datatype, 2)? == [0x19, 0x01]
                && block.slice(space, 3)? == [1, 0, 0]
                && usize::from(block.u16(at + 6)?) == 8;
            if !is_text {
                return Ok(Text::Other);
            }
            let value = space + 8;
            let (length, address) = (block.u32(value)?, block.u64(value + 4)?);
            let text = heap.object(storage, address, block.u32(value + 12)?, length)?;
            let end = text.iter().position(|&byte| byte == 0);
            let text = text[..end.unwrap_or(text.len())].to_vec();
            return Ok(checked(text).map_or(Text::Other, Text::Utf8));
        }
        Ok(Text::None)
    }
}
