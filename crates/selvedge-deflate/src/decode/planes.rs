//! The bytes of a stream, a plane of low bytes and one of high bytes, into elements.

use crate::check::Check;
use crate::kernel::Kernel;

/// Low bytes that lie side by side.
struct Run<'a> {
    /// Where they are; `None` of those that were decoded, which are in the elements already.
    stored: Option<&'a [u8]>,
    len: usize,
    /// The check of the bytes that were decoded.
    check: Check,
}

/// Puts elements together. Low bytes of stored blocks stay where they are until their high bytes come,
/// so they are copied once.
pub(super) struct Planes<'a, K> {
    pub(super) kernel: K,
    elements: &'a mut [[u8; 2]],
    /// Bytes that there are, of both planes.
    done: usize,
    low: Vec<Run<'a>>,
    /// The run that the next high byte belongs to, and how many bytes of it have theirs.
    next: (usize, usize),
    /// The check of the low bytes that have a high byte.
    low_check: Check,
    high_check: Check,
}

impl<'a, K: Kernel> Planes<'a, K> {
    /// Into `out`, which has two bytes for each element.
    pub(super) fn new(kernel: K, out: &'a mut [u8]) -> Option<Self> {
        let (elements, []) = out.as_chunks_mut::<2>() else {
            return None;
        };
        Some(Self {
            kernel,
            elements,
            done: 0,
            low: Vec::new(),
            next: (0, 0),
            low_check: Check::new(),
            high_check: Check::new(),
        })
    }

    /// The bytes that come next, low and high ones.
    fn split<'b>(&self, bytes: &'b [u8]) -> (&'b [u8], &'b [u8]) {
        let low = self.elements.len().saturating_sub(self.done);
        bytes.split_at(low.min(bytes.len()))
    }

    /// Takes the bytes of a stored block. `None` where these are too many.
    #[inline(always)]
    pub(super) fn stored(&mut self, bytes: &'a [u8]) -> Option<()> {
        let (low, high) = self.split(bytes);
        if !low.is_empty() {
            self.done += low.len();
            self.low.push(Run {
                stored: Some(low),
                len: low.len(),
                check: Check::new(),
            });
        }
        self.high(high)
    }

    /// Takes bytes that were decoded. `None` where these are too many.
    #[inline(always)]
    pub(super) fn decoded(&mut self, bytes: &[u8]) -> Option<()> {
        let (low, high) = self.split(bytes);
        if !low.is_empty() {
            let elements = &mut self.elements[self.done..][..low.len()];
            for (element, &byte) in elements.iter_mut().zip(low) {
                *element = [byte, 0];
            }
            self.done += low.len();
            let run = self.low.pop_if(|run| run.stored.is_none());
            let mut run = run.unwrap_or(Run {
                stored: None,
                len: 0,
                check: Check::new(),
            });
            run.len += low.len();
            run.check.write(self.kernel, low);
            self.low.push(run);
        }
        self.high(high)
    }

    #[inline(always)]
    fn high(&mut self, mut bytes: &[u8]) -> Option<()> {
        self.high_check.write(self.kernel, bytes);
        while !bytes.is_empty() {
            // The runs have as many bytes as there are elements.
            let (nth, from) = self.next;
            let run = self.low.get(nth)?;
            let count = bytes.len().min(run.len - from);
            let (high, later) = bytes.split_at(count);
            let at = self.done - self.elements.len();
            let elements = &mut self.elements[at..at + count];
            if let Some(low) = run.stored {
                let (low, next) = low[from..].split_at(count);
                self.kernel.fetch(&next[..next.len().min(count)]);
                self.low_check.write(self.kernel, low);
                interleave(elements, low, high);
            } else {
                for (element, &byte) in elements.iter_mut().zip(high) {
                    element[1] = byte;
                }
            }
            self.next.1 += count;
            if self.next.1 == run.len {
                self.next = (nth + 1, 0);
                if run.stored.is_none() {
                    self.low_check.append(run.check, run.len);
                }
            }
            self.done += count;
            bytes = later;
        }
        Some(())
    }

    /// The check of all bytes. `None` if there are not all.
    pub(super) fn finish(mut self) -> Option<Check> {
        let count = self.elements.len();
        self.low_check.append(self.high_check, count);
        (self.done == 2 * count).then_some(self.low_check)
    }
}

#[inline(always)]
fn interleave(elements: &mut [[u8; 2]], low: &[u8], high: &[u8]) {
    for ((element, &low), &high) in elements.iter_mut().zip(low).zip(high) {
        *element = [low, high];
    }
}
