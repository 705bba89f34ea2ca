//! Which bytes of a new file are what: the header's text, and where each tensor lies.
//!
//! The format allows no bytes between tensors. So tensors are aligned by their order: in a file of
//! fixed size the largest elements go first, as the `safetensors` crate has it, from a start of the
//! data at a multiple of [`ALIGNMENT`]; each element size divides the ones before it. In a growing
//! file the growing tensor has to be the last. It is what begins at a multiple of [`ALIGNMENT`]
//! there, and the others lie before it with the smallest elements first, which aligns them too,
//! counted backwards.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::header::{MAX_HEADER, PREFIX};
use crate::spec::{METADATA, Size};
use crate::{Dtype, SaveError, SizeError, TensorSpec};

/// What the data, or the growing tensor, begin at a multiple of, in bytes. It is at least a cache
/// line and any vector register; burn reads files in place from this alignment on.
pub(crate) const ALIGNMENT: u64 = 256;

/// Digits of the largest `u64`: the room for a number that is not known yet.
const DIGITS: usize = 20;
/// The two numbers of a growing tensor lie within one block of this many bytes, so that one write
/// changes them both, or neither: it crosses no page and no sector.
const PATCH_BLOCK: usize = 64;

/// The layout of a file that is to be written.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The file from its start up to the data: length, text and padding.
    pub(crate) header: Vec<u8>,
    /// Where each of the fixed tensors lies, in the order in which they were given; in bytes from
    /// the start of the file.
    pub(crate) places: Vec<Range<u64>>,
    /// Where the fixed tensors end.
    pub(crate) end: u64,
    pub(crate) growing: Option<Growing>,
}

/// The growing tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Growing {
    /// Its name, its dtype, and the shape of one row.
    pub(crate) spec: TensorSpec,
    /// Bytes of one row.
    pub(crate) row_bytes: u64,
    /// Where its data begin, in bytes from the start of the file.
    pub(crate) begin: u64,
    /// The same from the start of the data.
    relative: u64,
    /// Where its two numbers lie, in bytes from the start of the file.
    pub(crate) patch_at: u64,
}

impl Growing {
    /// The text at `patch_at` of a file with `rows` rows. It is always of one length.
    pub(crate) fn patch(&self, rows: u64) -> String {
        let end = self.relative + rows * self.row_bytes;
        patch(end, rows)
    }

    /// The growing tensor of a file that begins with `header`, which is a complete one with `last`
    /// as its last tensor; `None` where the header was not made by [`Layout::new`] for one.
    pub(crate) fn find(
        header: &[u8],
        data_start: u64,
        last: &crate::TensorInfo,
    ) -> Option<(Self, u64)> {
        let (&rows, row_shape) = last.shape.split_first()?;
        let rows = rows as u64;
        let spec = TensorSpec::new(last.name.clone(), last.dtype, row_shape);
        let Size::Bytes(row_bytes @ 1..) = Size::of(spec.dtype, row_shape) else {
            return None;
        };
        let relative = last.range.start - data_start;
        let expected = patch(relative + rows * row_bytes, rows);
        // Its description is the last text of the header, so its numbers are the last such text.
        let at = (0..header.len().div_ceil(PATCH_BLOCK))
            .map(|block| block * PATCH_BLOCK)
            .rfind(|&at| header[at..].starts_with(expected.as_bytes()))?;
        let growing = Self {
            spec,
            row_bytes,
            begin: last.range.start,
            relative,
            patch_at: at as u64,
        };
        Some((growing, rows))
    }
}

/// The end of the growing tensor's data, and its number of rows, with what is between them.
fn patch(end: u64, rows: u64) -> String {
    format!("{end:<DIGITS$}],\"shape\":[{rows:<DIGITS$}")
}

impl Layout {
    /// Lays out the tensors `fixed`, and after them `growing`, of which the shape is that of one
    /// row.
    pub(crate) fn new(
        fixed: &[TensorSpec],
        growing: Option<&TensorSpec>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, SaveError> {
        let sizes: Vec<u64> = fixed
            .iter()
            .map(TensorSpec::check)
            .collect::<Result<_, _>>()?;
        let order = order(fixed, growing.is_some());

        let mut text = String::from("{");
        if !metadata.is_empty() {
            text.push_str(&format!("{}:{},", json(METADATA), json(metadata)));
        }
        let mut relative = vec![0..0; fixed.len()];
        let mut end = 0_u64;
        for index in order {
            let spec = &fixed[index];
            let begin = end;
            // After the data is the header, too.
            end = begin
                .checked_add(sizes[index])
                .filter(|&end| i64::try_from(end + MAX_HEADER).is_ok())
                .ok_or_else(|| too_large(spec))?;
            relative[index] = begin..end;
            text.push_str(&format!(
                "{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{begin},{end}]}},",
                json(&spec.name),
                spec.dtype,
                axes(&spec.shape),
            ));
        }
        let patch_at = match growing {
            Some(spec) => Some(push_growing(&mut text, spec, end)?),
            None => None,
        };
        if text.ends_with(',') {
            text.pop();
        }
        text.push('}');

        // In a growing file its tensor is what is aligned.
        let aligned = if growing.is_some() { end } else { 0 };
        let unpadded = PREFIX + text.len() as u64 + aligned;
        let padding = unpadded.next_multiple_of(ALIGNMENT) - unpadded;
        let length = text.len() as u64 + padding;
        if length > MAX_HEADER {
            return Err(SaveError::HeaderTooLarge {
                found: length,
                limit: MAX_HEADER,
            });
        }
        let mut header = length.to_le_bytes().to_vec();
        header.extend_from_slice(text.as_bytes());
        let data_start = PREFIX + length;
        header.resize(usize::try_from(data_start).unwrap_or(usize::MAX), b' ');

        let shift = |range: Range<u64>| range.start + data_start..range.end + data_start;
        Ok(Self {
            header,
            places: relative.into_iter().map(shift).collect(),
            end: data_start + end,
            growing: growing.zip(patch_at).map(|(spec, patch_at)| Growing {
                row_bytes: spec.bytes().unwrap_or(0),
                spec: spec.clone(),
                begin: data_start + end,
                relative: end,
                patch_at,
            }),
        })
    }
}

/// The order of the tensors in the file, as indices.
fn order(fixed: &[TensorSpec], before_growing: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..fixed.len()).collect();
    order.sort_by(|&a, &b| {
        let by_size = if before_growing {
            element_bits(fixed[a].dtype).cmp(&element_bits(fixed[b].dtype))
        } else {
            // The order of this `Ord` is that of the alignment.
            fixed[b].dtype.cmp(&fixed[a].dtype)
        };
        by_size.then_with(|| fixed[a].name.cmp(&fixed[b].name))
    });
    order
}

/// Bits of an element, where those of less than a byte, which fill whole bytes, count as a byte.
fn element_bits(dtype: Dtype) -> usize {
    dtype.bitsize().max(8)
}

/// Adds the description of a growing tensor without rows that begins at `begin`. Returns where its
/// two numbers lie in the file.
fn push_growing(text: &mut String, spec: &TensorSpec, begin: u64) -> Result<u64, SaveError> {
    let row_bytes = spec.check()?;
    if row_bytes == 0 {
        return Err(SaveError::EmptyRow {
            tensor: spec.name.clone(),
            dtype: spec.dtype,
            row_shape: spec.shape.clone(),
        });
    }
    text.push_str(&format!(
        "{}:{{\"dtype\":\"{}\",\"data_offsets\":[{begin},",
        json(&spec.name),
        spec.dtype
    ));
    let prefix = 8;
    let at = (prefix + text.len()).next_multiple_of(PATCH_BLOCK);
    text.push_str(&" ".repeat(at - prefix - text.len()));
    text.push_str(&patch(begin, 0));
    for axis in &spec.shape {
        text.push_str(&format!(",{axis}"));
    }
    text.push_str("]}");
    Ok(at as u64)
}

fn too_large(spec: &TensorSpec) -> SizeError {
    SizeError::TooLarge {
        tensor: spec.name.clone(),
        dtype: spec.dtype,
        shape: spec.shape.clone(),
    }
}

/// A shape as JSON writes it, without the brackets.
fn axes(shape: &[usize]) -> String {
    let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    axes.join(",")
}

/// JSON of strings and maps of strings, which cannot fail.
fn json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Header;

    fn layout(fixed: &[TensorSpec], growing: Option<&TensorSpec>) -> Layout {
        Layout::new(fixed, growing, &BTreeMap::new()).unwrap()
    }

    /// The text of a header, without the padding after it.
    fn text(layout: &Layout) -> &str {
        std::str::from_utf8(&layout.header[8..]).unwrap().trim_end()
    }

    #[test]
    fn larger_elements_go_first_and_then_the_names() {
        let fixed = [
            TensorSpec::new("b", Dtype::U8, [3]),
            TensorSpec::new("a", Dtype::U8, [2]),
            TensorSpec::new("W", Dtype::BF16, [2, 2]),
            TensorSpec::new("n", Dtype::I64, []),
        ];
        let metadata = BTreeMap::from([("notebook".to_owned(), "1.5d_\"x\".ipynb".to_owned())]);
        let found = Layout::new(&fixed, None, &metadata).unwrap();
        assert_eq!(
            text(&found),
            "{\"__metadata__\":{\"notebook\":\"1.5d_\\\"x\\\".ipynb\"},\
             \"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},\
             \"W\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[8,16]},\
             \"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[16,18]},\
             \"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[18,21]}}"
        );
        assert_eq!(found.header.len(), 512);
        assert_eq!(found.places, [530..533, 528..530, 520..528, 512..520]);
        assert_eq!(text(&layout(&[], None)), "{}");
    }

    #[test]
    fn a_growing_tensor_leaves_room_for_two_numbers() {
        let row = TensorSpec::new("history", Dtype::BF16, [4, 64]);
        let fixed = [TensorSpec::new("mask", Dtype::BOOL, [3])];
        let found = layout(&fixed, Some(&row));
        assert_eq!(
            text(&found),
            "{\"mask\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]},\
             \"history\":{\"dtype\":\"BF16\",\"data_offsets\":[3,                  \
             3                   ],\"shape\":[0                   ,4,64]}}"
        );
        let growing = found.growing.unwrap();
        assert_eq!((growing.begin, growing.row_bytes), (256, 512));
        assert_eq!(found.places[0], 253..256);
        assert_eq!(growing.patch_at % 64, 0);
        let patch = growing.patch(u64::MAX / 512);
        assert_eq!(patch.len(), 51, "whatever the number, and within 64 bytes");
    }

    fn specs() -> impl Strategy<Value = Vec<TensorSpec>> {
        let dtypes = vec![
            Dtype::BOOL,
            Dtype::F4,
            Dtype::U8,
            Dtype::BF16,
            Dtype::F32,
            Dtype::C64,
            Dtype::I64,
        ];
        let spec = (
            prop::sample::select(dtypes),
            prop::collection::vec(0_usize..6, 0..3),
        );
        prop::collection::vec(spec, 0..8).prop_map(|specs| {
            let named = specs
                .into_iter()
                .enumerate()
                .map(|(index, (dtype, mut shape))| {
                    if dtype == Dtype::F4 {
                        shape.push(2);
                    }
                    TensorSpec::new(format!("t{index}"), dtype, shape)
                });
            named.collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_tensor_is_aligned_and_where_the_header_says(fixed in specs(), grows: bool) {
            let row = TensorSpec::new("rows", Dtype::F64, [3]);
            let found = layout(&fixed, grows.then_some(&row));
            let header = Header::parse(&found.header, found.end).unwrap();
            prop_assert_eq!(header.tensors().len(), fixed.len() + usize::from(grows));
            for (spec, place) in fixed.iter().zip(&found.places) {
                let tensor = header.tensor(&spec.name).unwrap();
                prop_assert_eq!(&tensor.range, place);
                prop_assert_eq!((tensor.dtype, &tensor.shape), (spec.dtype, &spec.shape));
            }
            for tensor in header.tensors() {
                let alignment = tensor.dtype.bitsize().div_ceil(8) as u64;
                prop_assert_eq!(tensor.range.start % alignment, 0, "{:?}", tensor);
            }
            match found.growing {
                None => prop_assert_eq!(header.data_start() % ALIGNMENT, 0),
                Some(growing) => {
                    prop_assert_eq!(growing.begin % ALIGNMENT, 0);
                    let last = header.tensors().last().unwrap();
                    let again = Growing::find(&found.header, header.data_start(), last);
                    prop_assert_eq!(again, Some((growing, 0)));
                }
            }
        }
    }
}
