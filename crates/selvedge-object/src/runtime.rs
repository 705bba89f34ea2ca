//! The threads that talk to servers, one pair for the process.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::process;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use selvedge_base::Mutex;
use tokio::runtime::{Builder, Runtime};

use crate::interrupt::interruptions;

/// The runtime, and the process that it has its threads in: a process that was forked has none of them.
static RUNTIME: Mutex<Option<(u32, Arc<Runtime>)>> = Mutex::new(None);

/// How often a read looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(10);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for `work` in this thread, whose memory it may use. (`Runtime::block_on` would panic in a thread that is
/// at work for another runtime.)
///
/// # Errors
///
/// The system has no threads to give.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let done = wait_while(work, || {
        thread::park();
        true
    });
    done.map(|done| done.expect("nobody ends the wait"))
}

/// The same for a read, which somebody can [interrupt](crate::interrupt_reads): then there is no result.
///
/// # Errors
///
/// The system has no threads to give.
pub(crate) fn wait_to_read<T>(work: impl Future<Output = T>) -> io::Result<Option<T>> {
    let before = interruptions();
    wait_while(work, || {
        thread::park_timeout(LOOK);
        interruptions() == before
    })
}

/// Waits for `work` as long as `pause`, which waits for a while, says that it is wanted.
fn wait_while<T>(
    work: impl Future<Output = T>,
    mut pause: impl FnMut() -> bool,
) -> io::Result<Option<T>> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut work, mut context) = (pin!(work), Context::from_waker(&waker));
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(result) => return Ok(Some(result)),
            Poll::Pending if pause() => {}
            Poll::Pending => return Ok(None),
        }
    }
}

fn runtime() -> io::Result<Arc<Runtime>> {
    let mut kept = RUNTIME.lock();
    if let Some((process, runtime)) = kept.take() {
        if process == process::id() {
            kept.replace((process, Arc::clone(&runtime)));
            return Ok(runtime);
        }
        // Dropping it would wait for threads that are not here.
        std::mem::forget(runtime);
    }
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).thread_name("selvedge-object");
    let runtime = Arc::new(builder.enable_all().build()?);
    kept.replace((process::id(), Arc::clone(&runtime)));
    Ok(runtime)
}
