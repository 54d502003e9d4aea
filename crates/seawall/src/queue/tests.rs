use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Barrier};
use std::task::Wake;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::lock;

/// A waker that only remembers that it was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Flag {
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

/// Places to be had, one at a time, by whoever is first: the shape of a bulkhead.
struct Room {
    free: AtomicUsize,
    line: Line,
}

/// What one caller of [`Room::enter`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    In,
    NoRoomToWait,
    PushedOut,
}

impl Room {
    fn new(free: usize) -> Self {
        Self { free: AtomicUsize::new(free), line: Line::default() }
    }

    fn take(&self) -> bool {
        self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(1)).is_ok()
    }

    fn free(&self) {
        self.free.fetch_add(1, Ordering::SeqCst);
        self.line.wake_first();
    }

    async fn enter(&self, priority: Priority, max: usize) -> Came {
        if self.line.len() == 0 && self.take() {
            return Came::In;
        }
        let Some(mut waiter) = self.line.join(priority, max) else { return Came::NoRoomToWait };
        loop {
            if waiter.turn().await == Turn::PushedOut {
                return Came::PushedOut;
            }
            if self.take() {
                waiter.served();
                return Came::In;
            }
            if waiter.while_first(pending::<()>()).await == Stood::PushedOut {
                return Came::PushedOut;
            }
        }
    }
}

struct Task<'a> {
    future: Pin<Box<dyn Future<Output = Came> + 'a>>,
    flag: Arc<Flag>,
    priority: Priority,
    number: usize,
}

impl Task<'_> {
    fn poll(&mut self) -> Option<Came> {
        self.flag.take();
        let waker = Waker::from(self.flag.clone());
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(came) => Some(came),
            Poll::Pending => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Arrive(Priority),
    /// Polls somebody, woken or not.
    Poll(usize),
    /// Drops somebody, wherever it stands.
    Drop(usize),
    Free,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => select(Priority::ALL).prop_map(Step::Arrive),
        4 => (0usize..64).prop_map(Step::Poll),
        2 => (0usize..64).prop_map(Step::Drop),
        3 => Just(Step::Free),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Over every order of arriving, polling, dropping and freeing: a line that is not empty has exactly one first, and
    /// it has been woken since it became first or was called; the line is never longer than its bound; when everybody
    /// woken has been polled, no place is free while somebody waits; places neither vanish nor multiply; and when all
    /// have gone, the line is empty.
    #[test]
    fn whoever_is_first_has_been_woken_and_no_place_stays_free_while_somebody_waits(
        steps in steps(),
        places in 0usize..3,
        max in 0usize..8,
    ) {
        let room = Room::new(places);
        let mut tasks: Vec<Task<'_>> = Vec::new();
        let (mut arrived, mut inside, mut freed) = (0, 0usize, 0usize);
        for step in steps {
            match step {
                Step::Arrive(priority) => {
                    arrived += 1;
                    let future = Box::pin(room.enter(priority, max));
                    let mut task = Task { future, flag: Arc::default(), priority, number: arrived };
                    match task.poll() {
                        Some(Came::In) => inside += 1,
                        Some(_) => {}
                        None => tasks.push(task),
                    }
                }
                Step::Poll(nth) if !tasks.is_empty() => {
                    let nth = nth % tasks.len();
                    if let Some(came) = tasks[nth].poll() {
                        inside += usize::from(came == Came::In);
                        tasks.remove(nth);
                    }
                }
                Step::Drop(nth) if !tasks.is_empty() => drop(tasks.remove(nth % tasks.len())),
                Step::Free if inside > 0 => {
                    inside -= 1;
                    freed += 1;
                    room.free();
                }
                _ => {}
            }
            {
                let mut turns = lock(&room.line.turns);
                prop_assert!(turns.len() <= max && turns.len() == room.line.len());
                prop_assert_eq!(turns.first().is_none(), turns.is_empty());
                let first = turns.first();
                if let Some(spot) = first.and_then(|first| turns.get_mut(first)) {
                    prop_assert!(!spot.called || spot.waker.is_none(), "called, and its waker not woken");
                    let woken = tasks.iter().any(|task| task.flag.0.load(Ordering::SeqCst));
                    prop_assert!(!spot.called || woken, "called, and nobody woken");
                }
            }
            prop_assert_eq!(inside + room.free.load(Ordering::SeqCst), places);
        }
        let mut entered = Vec::new();
        while let Some(nth) = tasks.iter().position(|task| task.flag.take()) {
            if let Some(came) = tasks[nth].poll() {
                let task = tasks.remove(nth);
                if came == Came::In {
                    inside += 1;
                    entered.push((task.priority, task.number));
                }
            }
        }
        prop_assert!(room.free.load(Ordering::SeqCst) == 0 || tasks.is_empty(), "a place is free and somebody waits");
        prop_assert_eq!(tasks.len(), room.line.len());
        for priority in Priority::ALL {
            let of_it: Vec<_> = entered.iter().filter(|(p, _)| p == priority).collect();
            prop_assert!(of_it.is_sorted(), "equals enter in the order of arrival");
        }
        drop(tasks);
        prop_assert_eq!(room.line.len(), 0);
        prop_assert_eq!(inside + room.free.load(Ordering::SeqCst), places, "after {} freed", freed);
    }
}

fn polled<F: Future>(future: Pin<&mut F>, flag: &Arc<Flag>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(flag.clone())))
}

#[test]
fn a_timer_of_the_first_stops_when_somebody_more_important_comes() {
    let line = Line::default();
    let mut normal = line.join(Priority::Normal, 9).unwrap();
    let flag = Arc::new(Flag::default());
    assert_eq!(polled(pin!(normal.turn()), &flag), Poll::Ready(Turn::First));
    let high;
    {
        let mut standing = pin!(normal.while_first(pending::<()>()));
        assert_eq!(polled(standing.as_mut(), &flag), Poll::Pending);
        high = line.join(Priority::High, 9).unwrap();
        assert_eq!(polled(standing.as_mut(), &flag), Poll::Ready(Stood::Overtaken));
    }
    let mut turn = pin!(normal.turn());
    assert_eq!(polled(turn.as_mut(), &flag), Poll::Pending);
    assert!(!flag.take());
    drop(high);
    assert!(flag.take(), "the next is called when the first leaves");
    assert_eq!(polled(turn, &flag), Poll::Ready(Turn::First));
}

#[test]
fn the_first_is_called_even_if_it_was_not_looking() {
    let line = Line::default();
    let mut waiter = line.join(Priority::Normal, 9).unwrap();
    let flag = Arc::new(Flag::default());
    assert_eq!(polled(pin!(waiter.turn()), &flag), Poll::Ready(Turn::First));
    line.wake_first();
    assert_eq!(polled(pin!(waiter.while_first(pending::<()>())), &flag), Poll::Ready(Stood::Called));
    assert_eq!(polled(pin!(waiter.while_first(pending::<()>())), &flag), Poll::Pending, "one call, one look");
    assert_eq!(polled(pin!(waiter.while_first(async { 7 })), &flag), Poll::Ready(Stood::Done(7)));
    waiter.served();
    assert_eq!(line.len(), 0);
}

#[test]
fn whoever_is_pushed_out_is_woken_and_told() {
    let line = Line::default();
    let mut low = line.join(Priority::Low, 1).unwrap();
    let flag = Arc::new(Flag::default());
    assert_eq!(polled(pin!(low.turn()), &flag), Poll::Ready(Turn::First));
    {
        let mut standing = pin!(low.while_first(pending::<()>()));
        assert_eq!(polled(standing.as_mut(), &flag), Poll::Pending);
        assert!(line.join(Priority::Normal, 1).is_none());
        let _high = line.join(Priority::High, 1).unwrap();
        assert!(flag.take());
        assert_eq!(polled(standing, &flag), Poll::Ready(Stood::PushedOut));
        assert_eq!(line.len(), 1);
    }
    assert_eq!(polled(pin!(low.turn()), &flag), Poll::Ready(Turn::PushedOut));
    drop(low);
    assert_eq!(line.len(), 0);
}

/// Wakes a thread.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread; gives it up after so many polls, where a number is given. A thread that nobody wakes
/// for ten seconds has been forgotten.
fn run<F: Future>(future: F, polls: Option<usize>) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    for poll in 0usize.. {
        if polls.is_some_and(|polls| poll >= polls) {
            return None;
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        if polls.is_none() {
            let parked = tokio::time::Instant::now();
            std::thread::park_timeout(Duration::from_secs(10));
            assert!(parked.elapsed() < Duration::from_secs(10), "nobody woke a waiter");
        }
    }
    None
}

/// Four threads take and free two places, a third of the callers give up half-way: nobody is forgotten, and never more
/// are inside than there are places.
#[test]
fn on_many_threads_nobody_is_forgotten() {
    let room = Arc::new(Room::new(2));
    let inside = Arc::new(AtomicUsize::new(0));
    let start = Arc::new(Barrier::new(4));
    let threads: Vec<_> = (0..4usize)
        .map(|thread| {
            let (room, inside, start) = (room.clone(), inside.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                let mut entered = 0u32;
                for round in 0..20_000usize {
                    let priority = Priority::ALL[(thread + round) % 3];
                    let polls = ((thread + round) % 3 == 0).then_some(round % 4);
                    if run(room.enter(priority, 3), polls) == Some(Came::In) {
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
                        entered += 1;
                        if round % 8 == 0 {
                            std::thread::yield_now();
                        }
                        inside.fetch_sub(1, Ordering::SeqCst);
                        room.free();
                    }
                }
                entered
            })
        })
        .collect();
    for thread in threads {
        assert!(thread.join().unwrap() > 0);
    }
    assert_eq!(room.line.len(), 0);
    assert_eq!(room.free.load(Ordering::SeqCst), 2);
}
