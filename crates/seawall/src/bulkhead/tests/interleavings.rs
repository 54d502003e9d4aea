//! Places and the line before them, in every interleaving: nobody waits for a place that is free.

use loom::sync::Arc;
use loom::thread;
use seawall_policy::queue::Priority;

use super::super::places::Places;
use crate::atomic::Parts;
use crate::atomic::modelled::{Loom, Loose, block_on, model};
use crate::queue::{Line, Stood, Turn};

/// A bulkhead of a fixed size as its owner keeps it.
struct Modelled<P: Parts> {
    places: Places<P::Word>,
    line: Line<P>,
}

impl<P: Parts> Modelled<P> {
    fn new(size: u32) -> Self {
        Self { places: Places::new(size, false), line: Line::empty() }
    }

    fn try_enter(&self) -> bool {
        self.line.len() == 0 && self.places.take().is_some()
    }

    async fn enter(&self) {
        if self.try_enter() {
            return;
        }
        let mut waiter = self.line.join(Priority::default(), 9).unwrap();
        loop {
            assert_eq!(waiter.turn().await, Turn::First);
            if self.places.take().is_some() {
                return waiter.served();
            }
            match waiter.while_first(std::future::pending::<()>()).await {
                Stood::Called | Stood::Overtaken => {}
                other => panic!("nobody is pushed out here: {other:?}"),
            }
        }
    }

    fn leave(&self) {
        self.places.give_back();
        if self.line.len() > 0 {
            self.line.wake_first();
        }
    }

    fn resize(&self, size: u32) {
        self.places.resize(size, false);
        self.line.wake_first();
    }

    fn visit(&self) {
        block_on(self.enter());
        let now = self.places.now();
        assert!(now.in_flight <= now.size, "{now:?}");
        self.leave();
    }
}

#[test]
fn in_no_interleaving_a_place_is_free_while_somebody_waits_for_it() {
    model(None, || {
        let room = Arc::new(Modelled::<Loom>::new(1));
        assert!(room.try_enter());
        let other = {
            let room = room.clone();
            thread::spawn(move || room.visit())
        };
        room.leave();
        other.join().unwrap();
        assert_eq!((room.places.now().in_flight, room.line.len()), (0, 0));
    });
}

/// Whoever comes sees the place that is free, or is seen by whoever frees it.
fn neither_comes_too_early<P: Parts + 'static>()
where
    Modelled<P>: Send + Sync,
{
    model(None, || {
        let room = Arc::new(Modelled::<P>::new(1));
        assert!(room.try_enter());
        let other = {
            let room = room.clone();
            thread::spawn(move || {
                // It stays in the line: a model that has failed must not run what dropping it would.
                std::mem::forget(room.line.join(Priority::default(), 9));
                room.places.take().is_some()
            })
        };
        room.places.give_back();
        let seen = room.line.len() > 0;
        assert!(other.join().unwrap() || seen, "it waits, and nobody will wake it");
    });
}

#[test]
fn in_no_interleaving_whoever_comes_and_whoever_leaves_miss_each_other() {
    neither_comes_too_early::<Loom>();
}

/// The model can fail: the length of the line and the places need their one order.
#[test]
#[should_panic(expected = "nobody will wake it")]
fn without_one_order_whoever_comes_and_whoever_leaves_would_miss_each_other() {
    neither_comes_too_early::<Loose>();
}

#[test]
fn in_no_interleaving_two_who_come_are_one_too_many() {
    model(None, || {
        let room = Arc::new(Modelled::<Loom>::new(1));
        let other = {
            let room = room.clone();
            thread::spawn(move || room.try_enter())
        };
        let mine = room.try_enter();
        assert_eq!(u32::from(mine) + u32::from(other.join().unwrap()), 1);
        assert_eq!(room.places.now().in_flight, 1);
    });
}

#[test]
fn in_no_interleaving_a_place_is_lost_to_a_size_that_changes() {
    model(None, || {
        let room = Arc::new(Modelled::<Loom>::new(1));
        assert!(room.try_enter());
        let other = {
            let room = room.clone();
            thread::spawn(move || room.leave())
        };
        room.resize(3);
        other.join().unwrap();
        let now = room.places.now();
        assert_eq!((now.in_flight, now.size), (0, 3));
    });
}

#[test]
fn in_no_interleaving_a_place_that_is_new_is_not_seen_by_one_who_waits() {
    model(None, || {
        let room = Arc::new(Modelled::<Loom>::new(1));
        assert!(room.try_enter());
        let other = {
            let room = room.clone();
            thread::spawn(move || room.visit())
        };
        room.resize(2);
        other.join().unwrap();
        assert_eq!(room.places.now().in_flight, 1);
    });
}

#[test]
fn in_no_interleaving_one_who_goes_away_takes_a_place_along() {
    model(Some(2), || {
        let room = Arc::new(Modelled::<Loom>::new(1));
        assert!(room.try_enter());
        let gone = {
            let room = room.clone();
            thread::spawn(move || {
                // It joins, and goes before it has looked: it may have been called already.
                drop(room.line.join(Priority::default(), 9).unwrap());
            })
        };
        let other = {
            let room = room.clone();
            thread::spawn(move || room.visit())
        };
        room.leave();
        gone.join().unwrap();
        other.join().unwrap();
        assert_eq!((room.places.now().in_flight, room.line.len()), (0, 0));
    });
}
