//! Room that cannot be had, or not for long: it costs no step.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Memory, check_image, loss, made, open_as, weights};
use crate::storage::{ReadAt, Status, Storage};
use crate::trajectory::TrajectoryFile;
use crate::{Compression, Dtype, Limits, ReadPattern, RunPlan, TensorSpec};

/// Reserves as often as it says, and then never again.
pub(super) struct Scarce {
    pub(super) memory: Memory,
    pub(super) times: AtomicUsize,
}

impl Scarce {
    /// The file in `memory`, which reserves `times` times.
    pub(super) fn open(memory: &Memory, times: usize) -> TrajectoryFile {
        let storage = Self {
            memory: memory.clone(),
            times: AtomicUsize::new(times),
        };
        open_as(memory, storage, false)
    }
}

impl ReadAt for Scarce {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.memory.read_exact_at(buffer, offset)
    }
}

impl Storage for Scarce {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.memory.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len)
    }

    fn status(&self) -> io::Result<Status> {
        self.memory.status()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.memory.sync_data()
    }

    fn reserve(&self, _: u64, _: u64) -> io::Result<()> {
        let order = Ordering::Relaxed;
        let left = self
            .times
            .fetch_update(order, order, |left| left.checked_sub(1));
        left.map(|_| ())
            .map_err(|_| io::ErrorKind::StorageFull.into())
    }

    fn release(&self, offset: u64, len: u64) -> io::Result<()> {
        self.memory.release(offset, len)
    }
}

/// All that is reserved is in the chunks of the planned steps, and much of it is given back.
#[test]
fn steps_are_kept_whenever_reserving_ends() {
    const PLANNED: u64 = 40_000;
    let folder = tempfile::tempdir().unwrap();
    let specs = [
        TensorSpec::new("W", Dtype::Bf16, [2, 3]),
        TensorSpec::new("loss", Dtype::F32, []),
    ];
    let plan = RunPlan::new(
        &specs,
        Some(PLANNED),
        ReadPattern::default(),
        &Limits::default(),
        0,
        None,
        Compression::None,
    );
    let base = made(&folder.path().join("run_1.h5"), &plan.unwrap(), |_| Ok(()));
    let image = folder.path().join("image_1.h5");
    for times in 0..8 {
        let memory = Memory::new(base.clone());
        let mut file = Scarce::open(&memory, times);
        let mut first = 0;
        for steps in [1, 5_500, 6_000, 1, 9_000] {
            let all = || first..first + steps;
            let bits: Vec<u16> = all().flat_map(weights).collect();
            let losses: Vec<f32> = all().map(loss).collect();
            file.write_steps(0, first, steps, bytemuck::cast_slice(&bits))
                .unwrap();
            file.write_steps(1, first, steps, bytemuck::cast_slice(&losses))
                .unwrap();
            first += steps;
            file.set_extents(first).unwrap();
        }
        file.finish().unwrap();
        let moment = format!("reserved {times} times");
        check_image(&memory.image(), &image, first, &moment);
    }
}
