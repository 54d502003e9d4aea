//! Parts that try every interleaving, and a way to wait that notices when nobody will ever wake it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::{AtomicU64, fence};
use loom::thread::{self, Thread};

use super::{Lock, Parts, Word};

/// Loom's.
#[derive(Debug)]
pub(crate) struct Loom;

impl Parts for Loom {
    type Word = Tried;
    type Lock<T> = loom::sync::Mutex<T>;
}

/// The same, with words whose operations are in no order with any other: what relies on one must not survive them.
#[derive(Debug)]
pub(crate) struct Loose;

impl Parts for Loose {
    type Word = Tried<true>;
    type Lock<T> = loom::sync::Mutex<T>;
}

impl<T> Lock<T> for loom::sync::Mutex<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }
    fn with<R>(&self, step: impl FnOnce(&mut T) -> R) -> R {
        step(&mut self.lock().unwrap())
    }
}

/// A word of loom's.
#[derive(Debug)]
pub(crate) struct Tried<const LOOSE: bool = false> {
    value: AtomicU64,
    /// Loom compares a store with the last access of all, which may be a load by the same thread, and then misses that
    /// another thread's load before that one could come after it. A touch of this before each load is an access that
    /// hides nothing, and orders nothing itself.
    touched: AtomicU64,
}

impl<const LOOSE: bool> Tried<LOOSE> {
    /// Loom knows the one order of all only from fences; between two of them, an operation is in it. That is exact for a
    /// protocol all of whose operations are in that order.
    fn tried<R>(&self, order: Ordering, operation: impl FnOnce(&AtomicU64) -> R) -> R {
        let one_order = order == Ordering::SeqCst && !LOOSE;
        if one_order {
            fence(order);
        }
        let result = operation(&self.value);
        if one_order {
            fence(order);
        }
        result
    }
}

fn loosened(order: Ordering, loose: bool) -> Ordering {
    if loose { Ordering::Relaxed } else { order }
}

impl<const LOOSE: bool> Word for Tried<LOOSE> {
    fn new(value: u64) -> Self {
        Self { value: AtomicU64::new(value), touched: AtomicU64::new(0) }
    }
    fn load(&self, order: Ordering) -> u64 {
        self.touched.fetch_add(0, Ordering::Relaxed);
        self.tried(order, |word| word.load(loosened(order, LOOSE)))
    }
    fn store(&self, value: u64, order: Ordering) {
        self.tried(order, |word| word.store(value, loosened(order, LOOSE)));
    }
    fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.tried(order, |word| word.swap(value, loosened(order, LOOSE)))
    }
    fn less(&self, value: u64, order: Ordering) -> u64 {
        self.tried(order, |word| word.fetch_sub(value, loosened(order, LOOSE)))
    }
    fn exchange(&self, from: u64, to: u64, order: Ordering, failed: Ordering) -> Result<u64, u64> {
        let (well, ill) = (loosened(order, LOOSE), loosened(failed, LOOSE));
        self.tried(order, |word| word.compare_exchange(from, to, well, ill))
    }
}

/// Every interleaving, or, where there are more of them than there is time for, those with up to so many forced
/// switches.
pub(crate) fn model(switches: Option<usize>, check: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = switches;
    model.check(check);
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future in a thread of the model. If nobody will ever wake it, the model fails: everybody waits.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
