//! A selection in blocks, with the next block read ahead.

use std::ops::{Deref, Range};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use selvedge_base::Stride;

use super::Selection;
use crate::{Element, ReadError};

/// Blocks that exist at once: one is worked on, one waits, one is read.
pub(super) const DEPTH: u64 = 3;

/// The values of some steps that follow each other in a selection: made by [`Blocks`]. It is a
/// slice of them; its memory is used again when it is dropped.
#[derive(Debug)]
pub struct Block<T> {
    steps: Range<u64>,
    values: Vec<T>,
    /// Where the memory goes back to.
    home: Sender<Vec<T>>,
}

impl<T> Block<T> {
    /// Which of the selected steps these are, counted from 0: of every tenth step, number 3 is step
    /// 30.
    #[must_use]
    pub fn steps(&self) -> Range<u64> {
        self.steps.clone()
    }
}

impl<T> Deref for Block<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

impl<T> Drop for Block<T> {
    fn drop(&mut self) {
        // Nobody wants it when the reading has ended.
        let _ = self.home.send(std::mem::take(&mut self.values));
    }
}

/// The blocks of a selection, in their order: made by [`Selection::blocks`].
///
/// A thread reads ahead. It ends when this is dropped. After an error there are no more blocks.
///
/// ```
/// # use selvedge_hdf5::{Reader, Recorder, bf16};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("thimble_1.h5");
/// # let mut run = Recorder::create(&path).steps(20).tensor::<bf16>("W", [4, 2]).start()?;
/// # for _ in 0..20 { run.append(|step| step.put("W", &[bf16::ONE; 8]))?; }
/// # run.finish()?;
/// let file = Reader::open(&path)?;
/// let mut sum = 0.0;
/// for block in file.tensor("W")?.select().blocks::<bf16>(64 << 20)? {
///     for step in block?.chunks(4 * 2) {
///         sum += f64::from(step[0]);
///     }
/// }
/// assert_eq!(sum, 20.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Blocks<T> {
    ready: Receiver<Result<Block<T>, ReadError>>,
}

impl<T: Element> Blocks<T> {
    pub(super) fn start(selection: Selection, steps: Vec<Stride>, each: u64) -> Self {
        // One waits here, while one is worked on and one is read.
        let (send, ready) = sync_channel(1);
        thread::spawn(move || read(&selection, &steps, each, &send));
        Self { ready }
    }
}

impl<T> Iterator for Blocks<T> {
    type Item = Result<Block<T>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.ready.recv().ok()
    }
}

/// Reads blocks of `each` steps until all are read, one fails, or nobody listens.
fn read<T: Element>(
    selection: &Selection,
    steps: &[Stride],
    each: u64,
    send: &SyncSender<Result<Block<T>, ReadError>>,
) {
    let (home, returned) = channel::<Vec<T>>();
    let all = Stride::total(steps);
    let mut first = 0;
    while first < all {
        let count = each.min(all - first);
        let part = selection.of(&Stride::parts(steps, first, count));
        let result = next(&part, &returned).map(|values| Block {
            steps: first..first + count,
            values,
            home: home.clone(),
        });
        let failed = result.is_err();
        if send.send(result).is_err() || failed {
            return;
        }
        first += count;
    }
}

fn next<T: Element>(part: &Selection, returned: &Receiver<Vec<T>>) -> Result<Vec<T>, ReadError> {
    let checked = part.check()?;
    let len = checked.len();
    let mut values = match returned.try_recv() {
        Ok(mut values) if values.len() as u64 >= len => {
            // The last block is shorter.
            values.truncate(usize::try_from(len).unwrap_or(usize::MAX));
            values
        }
        _ => part.tensor.allocate(len)?,
    };
    part.fill(&checked, &mut values)?;
    Ok(values)
}
