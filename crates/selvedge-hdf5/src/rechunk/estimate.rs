//! How large a compressed file becomes, from a sample: asked where there is no room for its values as they are.

use super::RechunkPlan;
use super::members::Members;
use super::pack::{Blocks, ChunkBuffers, CompressedTarget};
use crate::chunks::{Grid, to_usize};
use crate::{RewriteError, Role, StorageError};

/// Places of each tensor that are encoded, spread over all of its steps.
const PLACES: usize = 16;
/// What may be wrong with a sample: a twentieth.
const MARGIN: u64 = 20;

/// About the bytes that the output takes, of which those of the plan are the most.
///
/// # Errors
///
/// The errors of reading, and that there is no memory for a chunk.
pub(super) fn file_bytes(plan: &RechunkPlan, members: &Members<'_>) -> Result<u64, RewriteError> {
    let mut all = plan.bytes;
    for (member, chunks) in members.of(Role::Step).zip(&plan.tensors) {
        let element = chunks.dtype.size() as u64;
        let grid = Grid::new(&chunks.step_shape, &chunks.chunk_shape, element);
        let Some(grid) = grid.filter(|_| chunks.compressed) else {
            continue;
        };
        let blocks = Blocks::new(member.tensor, &grid, false, plan.memory)?;
        let target = CompressedTarget::new(0, &grid, blocks);
        let buffers = ChunkBuffers::new(grid.chunk_bytes());
        let no_memory = || StorageError::no_memory(&plan.input, "allocate memory to read");
        let mut buffers = buffers.ok_or_else(no_memory)?;
        let tasks = || blocks.tasks(member.tensor.rows(), 1);
        let stride = (tasks().count() / PLACES).max(1);
        let (mut values, mut encoded) = (0_u64, 0_u64);
        for (rows, pieces) in tasks().step_by(stride) {
            let length = to_usize(rows.end - rows.start) * target.part(&pieces).len();
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(length).map_err(|_| no_memory())?;
            bytes.resize(length, 0);
            target.read(member.tensor, &rows, &pieces, &mut bytes)?;
            values += length as u64;
            encoded += target.encoded_bytes(&rows, &pieces, &bytes, &mut buffers);
        }
        let whole = member.tensor.all_bytes()?;
        let share = u128::from(whole) * u128::from(encoded) / u128::from(values.max(1));
        let about = u64::try_from(share).unwrap_or(u64::MAX);
        let about = about.saturating_add(about / MARGIN).min(whole);
        all = all.saturating_sub(whole - about);
    }
    Ok(all)
}
