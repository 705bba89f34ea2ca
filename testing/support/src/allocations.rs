//! How often a piece of work asks for memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts what each thread asks of it. A test program that counts
/// [`allocations`] has one:
///
/// ```
/// #[global_allocator]
/// static COUNTED: selvedge_testing::Counted = selvedge_testing::Counted;
///
/// let (list, count) = selvedge_testing::allocations(|| vec![1, 2, 3]);
/// assert_eq!((list.len(), count), (3, 1));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Counted;

thread_local! {
    // Without a destructor and without an allocation of its own, so the allocator may use it.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every call is handed on to `System` as it came, and counting touches no memory but a number
// of the thread.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps what `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps what `alloc_zeroed` asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps what `realloc` asks for, and the pointer is one of `System`'s.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps what `dealloc` asks for, and the pointer is one of `System`'s.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `work` and returns how often this thread has asked for memory in it, new or more of it.
///
/// # Panics
///
/// Where [`Counted`] is not the allocator of this program: nothing would be counted then.
pub fn allocations<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(Box::new(0_u8)));
    assert_eq!(
        ALLOCATIONS.get(),
        before + 1,
        "`Counted` is no allocator here"
    );
    let before = ALLOCATIONS.get();
    let result = work();
    (result, ALLOCATIONS.get() - before)
}
