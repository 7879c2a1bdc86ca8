//! Time, chance and threads, as arguments.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// A future that can be sent to another thread, whatever is inside.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The outside world, as far as the engine is allowed to see it.
///
/// A simulator owns time and chance by implementing this.
pub trait World: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch. It may jump; who needs order takes the maximum.
    fn now_ms(&self) -> u64;

    /// The next random number.
    fn random(&self) -> u64;

    /// Waits.
    fn sleep(&self, ms: u64) -> BoxFuture<'static, ()>;

    /// Runs `work` on a thread of its own. Every name is listed in `ARCHITECTURE.md`.
    fn spawn(&self, name: &'static str, work: Box<dyn FnOnce() + Send>);
}

/// Runs `future` to its end on this thread.
///
/// ```
/// assert_eq!(kenning_store::block_on(async { 1 + 1 }), 2);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    // Most futures of a local engine are ready at once: no waker is made for them.
    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return output;
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
