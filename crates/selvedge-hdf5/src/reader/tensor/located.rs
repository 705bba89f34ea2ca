//! Where a tensor lies, for those who have it read by others.

use selvedge_base::shape::elements;

use super::super::place::{Encoding, Place};
use super::{Stored, Tensor};
use crate::ReadError;
use crate::chunks::Pipeline;
use crate::layout::{ChunkIndex, ChunkKey, ChunkLookup, Element, chunk_tree, visit_array};
use crate::reader::DataLayout;
use crate::reader::objects::Handle;

impl Tensor {
    /// What it is put together of: tensors, and where each begins in it along each axis. Mostly it is itself.
    pub(crate) fn regions(&self) -> Vec<(Self, Vec<u64>)> {
        match &self.parts {
            Some(parts) => parts
                .iter()
                .map(|part| (part.tensor.clone(), part.first().to_vec()))
                .collect(),
            None => vec![(self.clone(), vec![0; self.shape.len()])],
        }
    }

    /// The chunks that it has in an extensible array, and their bytes in the file: libhdf5 counts them for as long as the array
    /// is, whatever of it is there. `None` where they are not in one.
    pub(super) fn in_array(&self) -> Option<(u64, u64)> {
        let header = self.address().filter(|_| self.header.is_none())?;
        let chunk = elements(self.chunk.as_deref()?)?;
        let data = Some(self.data()).filter(|data| data.ranges().is_none())?;
        let element = self.dataset().ok()?.dtype().ok()?.size() as u64;
        let whole = chunk.checked_mul(element)?;
        let mut found = (0, 0_u64);
        let mut take = |one: Element| {
            let bytes = one.filtered.map_or(whole, |(bytes, _)| bytes);
            found = (found.0 + 1, found.1.saturating_add(bytes));
        };
        let is_array = visit_array(data, data.len().ok()?, header, &mut take).ok()?;
        is_array.then_some(found)
    }

    /// Shape of a chunk in elements; of a dataset without chunks its own.
    pub(crate) fn stored_chunk(&self) -> &[u64] {
        self.chunk.as_deref().unwrap_or(&self.shape)
    }

    /// What its chunks went through; `None` if through nothing. Fails with the reason where others cannot have
    /// them.
    pub(crate) fn pipeline(&self) -> Result<Option<Pipeline>, String> {
        if let (Stored::Known { in_file, .. }, false) = (&self.stored, self.stored.is_in_place()) {
            return Err(format!("its values are stored as {in_file}"));
        }
        let pipeline = match self.encoding {
            Encoding::Plain => None,
            Encoding::Compressed(pipeline) => Some(pipeline),
            Encoding::Other => return Err(self.unplaced()),
        };
        let _at_work = self.enter().map_err(|error| error.to_string())?;
        match self.shape.contains(&0) || self.place().is_some() {
            true => Ok(pipeline),
            false => Err(self.unplaced()),
        }
    }

    /// Why it has no place in its file that others can find.
    fn unplaced(&self) -> String {
        if matches!(self.handle, Handle::Elsewhere(..)) {
            return "a link leads to it in another file".to_owned();
        }
        let file = self.dataset().and_then(|dataset| dataset.file());
        if file.is_ok_and(|file| file.userblock() > 0) {
            return "its file begins with a user block, from whose end on addresses count"
                .to_owned();
        }
        match self.data_layout() {
            Ok(DataLayout::Chunked { filters, .. }) if filters.is_empty() => {
                "its chunks cut a step into pieces that are no runs of its bytes".to_owned()
            }
            Ok(DataLayout::Chunked { filters, .. }) => {
                let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
                format!("its chunks went through {}", filters.join(", "))
            }
            Ok(DataLayout::Compact) => "its values lie in the header of the dataset".to_owned(),
            _ => "its values lie in other files that it names".to_owned(),
        }
    }

    /// Where the chunk with this first element lies, and how many bytes it has there. Fails with the reason where
    /// there is none, or none that went through all filters.
    pub(crate) fn stored_at(&self, offset: &[u64]) -> Result<(u64, u64), String> {
        let _at_work = self.enter().map_err(|error| error.to_string())?;
        let map = match self.place() {
            Some(Place::Contiguous {
                address, row_bytes, ..
            }) => {
                let rows = self.shape.first().copied().unwrap_or(1);
                return Ok((*address, row_bytes.saturating_mul(rows)));
            }
            Some(Place::Chunks(map) | Place::Compressed(map, _)) => map,
            None => return Err(self.unplaced()),
        };
        let number = map.grid().index(offset);
        let stored = number.and_then(|number| map.find(number));
        let stored = stored.ok_or_else(|| format!("it has no chunk at {offset:?}"))?;
        if self.filtered && stored.mask != 0 {
            return Err(format!(
                "its chunk at {offset:?} did not go through all filters (its mask is {})",
                stored.mask
            ));
        }
        Ok((stored.address, stored.bytes.into()))
    }

    /// The address of its object header, if it is in the file itself, and addresses there are places.
    pub(crate) fn own_header(&self) -> Option<u64> {
        self.address().filter(|_| self.encoding != Encoding::Other)
    }

    /// Where the root of its chunk index is, if it has one that is read past libhdf5, and the most bytes that such an
    /// index takes, if its nodes are half full or more.
    pub(in crate::reader) fn chunk_index(&self) -> Option<(u64, u64)> {
        let tree = chunk_tree(&self.source.data, self.own_header()?).ok()??;
        let along = self.shape.iter().zip(&tree.chunk);
        let chunks = along.map(|(&axis, &chunk)| axis.div_ceil(chunk.max(1)));
        let chunks = chunks.fold(1, u64::saturating_mul);
        Some((tree.root?, ChunkIndex::most_bytes(tree.chunk.len(), chunks)))
    }

    /// Where the first of its chunks lies, if it has an index that is read past libhdf5.
    pub(in crate::reader) fn first_chunk(&self) -> Option<u64> {
        let tree = chunk_tree(&self.source.data, self.address()?).ok()??;
        let (mut lookup, mut first) = (ChunkLookup::new(tree.chunk.len(), tree.root?), None);
        let mut see = |_: &ChunkKey, address| {
            first.get_or_insert(address);
        };
        let origin = vec![0; tree.chunk.len()];
        lookup.leaf_of(&self.source.data, &origin, &mut see).ok()?;
        first
    }

    /// Why a reader of Zarr cannot have it.
    pub(crate) fn not_referenced(&self, reason: String) -> ReadError {
        ReadError::NotReferenced {
            path: self.source.path.clone(),
            tensor: self.name.clone(),
            reason,
        }
    }
}
