//! The way past a breaker without its lock: what the machine allows for now, in one word that everybody may read.

use std::sync::atomic::{AtomicU64, Ordering};

use seawall_policy::breaker::Pass;

use crate::atomic::Word;

/// The machine's [`Pass`], written under its lock and read without it. No other memory hangs on it: whoever reads an
/// old word was admitted a moment earlier, and its ticket says nothing about what came after.
#[derive(Debug)]
pub(super) struct Published<W = AtomicU64>(W);

impl<W: Word> Published<W> {
    pub(super) fn new(pass: Pass) -> Self {
        Self(W::new(pass.word()))
    }

    #[inline]
    pub(super) fn pass(&self) -> Pass {
        Pass::of(self.0.load(Ordering::Relaxed))
    }

    /// Under the machine's lock, after every step of it.
    pub(super) fn publish(&self, pass: Pass) {
        let word = pass.word();
        if self.0.load(Ordering::Relaxed) != word {
            self.0.store(word, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use loom::sync::{Arc, Mutex};
    use loom::thread;
    use seawall_core::Instant;
    use seawall_core::verdict::Lesson;
    use seawall_policy::breaker::{Machine, Options, State, Ticket};

    use super::*;
    use crate::atomic::modelled::{Tried, model};

    const NOW: Instant = Instant::from_nanos(3_600_000_000_000);

    /// A breaker as its owner keeps it, that opens at the second failure in a row.
    struct Modelled {
        published: Published<Tried>,
        machine: Mutex<Machine>,
    }

    impl Modelled {
        fn new() -> Arc<Self> {
            let machine = Machine::new(Options { consecutive: 2, ..Options::default() }, NOW);
            Arc::new(Self { published: Published::new(machine.pass()), machine: Mutex::new(machine) })
        }

        fn step<R>(&self, step: impl FnOnce(&mut Machine) -> R) -> R {
            let mut machine = self.machine.lock().unwrap();
            let result = step(&mut machine);
            self.published.publish(machine.pass());
            result
        }

        fn admit(&self) -> Option<Ticket> {
            let passed = self.published.pass().ticket(|| NOW);
            passed.or_else(|| self.step(|machine| machine.admit(NOW).0.ok()))
        }

        fn fail(&self) {
            if let Some(ticket) = self.admit() {
                self.record(ticket);
            }
        }

        fn record(&self, ticket: Ticket) {
            self.step(|machine| machine.record(ticket, Lesson::Failure, NOW));
        }

        /// Nobody is under way: what is published is what the machine says.
        fn settled(&self) -> State {
            self.step(|machine| {
                assert_eq!(self.published.pass(), machine.pass());
                machine.state()
            })
        }
    }

    #[test]
    fn in_no_interleaving_a_failure_is_lost_or_an_old_word_outlives_its_machine() {
        model(None, || {
            let breaker = Modelled::new();
            let other = {
                let breaker = breaker.clone();
                thread::spawn(move || breaker.fail())
            };
            breaker.fail();
            other.join().unwrap();
            assert_eq!(breaker.settled(), State::Open);
            assert_eq!(breaker.admit(), None);
        });
    }

    #[test]
    fn in_no_interleaving_one_who_has_seen_it_open_is_let_in_by_an_old_word() {
        model(None, || {
            let breaker = Modelled::new();
            breaker.fail();
            let other = {
                let breaker = breaker.clone();
                thread::spawn(move || breaker.fail())
            };
            if breaker.step(|machine| machine.state()) == State::Open {
                assert_eq!(breaker.admit(), None);
            }
            other.join().unwrap();
        });
    }

    #[test]
    fn in_no_interleaving_a_call_let_in_by_an_old_word_decides_what_came_after() {
        model(None, || {
            let breaker = Modelled::new();
            breaker.fail();
            let operator = {
                let breaker = breaker.clone();
                thread::spawn(move || breaker.step(|machine| machine.reset(NOW)))
            };
            // The second failure: it opens the breaker unless a reset came between, and after a reset it is the first.
            let before = breaker.published.pass().ticket(|| NOW).unwrap();
            breaker.record(before);
            operator.join().unwrap();
            assert_eq!(breaker.settled(), State::Closed);
            let failed = breaker.step(|machine| machine.consecutive());
            let anew = breaker.admit().unwrap();
            assert_eq!(failed, u32::from(before == anew), "a call of an earlier time counts in no later one");
        });
    }

    #[test]
    fn in_no_interleaving_three_who_fail_are_fewer_than_three() {
        model(Some(2), || {
            let breaker = Modelled::new();
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let breaker = breaker.clone();
                    thread::spawn(move || breaker.fail())
                })
                .collect();
            breaker.fail();
            others.into_iter().for_each(|other| other.join().unwrap());
            assert_eq!(breaker.settled(), State::Open);
            assert_eq!(breaker.step(|machine| machine.opened()), 1);
        });
    }

    /// The model can fail: published after the lock, an old word would stand for good.
    #[test]
    #[should_panic(expected = "an open breaker lets everybody in")]
    fn published_outside_its_lock_a_word_would_outlive_its_machine() {
        model(None, || {
            let breaker = Modelled::new();
            breaker.fail();
            let careless = {
                let breaker = breaker.clone();
                thread::spawn(move || {
                    let pass = breaker.machine.lock().unwrap().pass();
                    breaker.published.publish(pass);
                })
            };
            breaker.fail();
            careless.join().unwrap();
            assert_eq!(breaker.admit(), None, "an open breaker lets everybody in");
        });
    }
}
