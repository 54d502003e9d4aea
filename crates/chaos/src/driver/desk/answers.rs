//! What follows from an answer: it is asked again, a person looks into it, or all is known that can be.

use std::time::Duration;

use fastrand::Rng;

use super::{Desk, Due};
use crate::words::{How, Kind};

/// A wish that nobody could fulfil in so many tries is left as it is.
pub(super) const MOST_TRIES: u32 = 400;
/// What a person waits for beyond the time after which all is quiet.
const CARE: Duration = Duration::from_millis(1200);
/// Somebody who was at it so often may be dead: the others go on meanwhile, until its lease is over.
const STUCK: u32 = 3;

impl Desk {
    pub(super) fn ended(&mut self, process: u32, n: u64, at: u64, how: &How) {
        let Some((index, mistake)) = self.out.remove(&n) else { return };
        if let Some(place) = self.places.iter_mut().flatten().find(|place| place.process == process) {
            place.out -= 1;
        }
        self.wanted[index].out -= 1;
        if let Some(wish) = usize::try_from(n).ok().and_then(|n| self.history.wishes.get_mut(n)) {
            wish.answered = Some((at, how.clone()));
        }
        if mistake {
            return;
        }
        let dice = |dice: &mut Rng, from, to| Duration::from_millis(dice.u64(from..to));
        match how {
            How::Ok { .. } | How::Refused { .. } => self.finished(index, true),
            How::Mismatch | How::Expired | How::Exhausted | How::NotKept => self.finished(index, false),
            How::Unknown => self.doubted(index, None),
            How::InDoubt { since, .. } => self.doubted(index, Some(*since)),
            How::NotApplied { .. } => {
                let pause = dice(&mut self.dice, 1, 40);
                self.again(index, pause);
            }
            How::Unavailable | How::Cooldown => {
                let pause = dice(&mut self.dice, 40, 250);
                self.again(index, pause);
            }
            How::InFlight => {
                self.wanted[index].busy += 1;
                if self.wanted[index].busy >= STUCK {
                    self.aside(index);
                }
                let lease = self.times.lease;
                let pause = dice(&mut self.dice, lease / 10, lease / 2);
                self.meanwhile(index, pause);
            }
        }
    }

    pub(super) fn again(&mut self, index: usize, pause: Duration) {
        if self.wanted[index].out == 0 {
            self.meanwhile(index, pause);
        }
    }

    /// The same, though somebody is at it.
    pub(super) fn meanwhile(&mut self, index: usize, pause: Duration) {
        let wanted = &self.wanted[index];
        if wanted.over || wanted.waits || wanted.forcing {
            return;
        }
        match wanted.tries < MOST_TRIES {
            true => self.later(index, Due::Again, pause),
            false => self.finished(index, false),
        }
    }

    fn doubted(&mut self, index: usize, since: Option<u64>) {
        if self.wanted[index].over {
            return;
        }
        self.aside(index);
        let settle = self.times.settle();
        let wanted = &mut self.wanted[index];
        if wanted.planned.what.kind == Kind::Letter && !wanted.planned.attended {
            return self.finished(index, false);
        }
        match (wanted.planned.what.kind, since) {
            // One doubt, one person; and not before all is quiet.
            (Kind::Letter, Some(since)) if wanted.doubt != Some(since) && !wanted.forcing => {
                wanted.doubt = Some(since);
                self.later(index, Due::Person(since), settle + CARE);
            }
            (Kind::Letter, Some(_)) => {}
            _ => {
                // A tenth of the time it takes until all is quiet.
                let pause = u64::try_from(settle.as_millis()).unwrap_or(u64::MAX) / 20;
                let pause = Duration::from_millis(self.dice.u64(pause..pause * 3));
                self.meanwhile(index, pause);
            }
        }
    }

    /// It may take long: others are wanted meanwhile.
    fn aside(&mut self, index: usize) {
        let wanted = &mut self.wanted[index];
        if !wanted.over && !wanted.doubted {
            wanted.doubted = true;
            self.fresh -= 1;
        }
    }

    /// A person's word has been taken, or is lost with whoever carried it: asking shows which.
    pub(super) fn unforced(&mut self, index: usize) {
        let wanted = &mut self.wanted[index];
        wanted.forcing = false;
        wanted.doubt = None;
        self.again(index, Duration::from_millis(10));
    }

    fn finished(&mut self, index: usize, well: bool) {
        let wanted = &mut self.wanted[index];
        if wanted.over {
            return;
        }
        wanted.over = true;
        self.open -= 1;
        if !wanted.doubted {
            self.fresh -= 1;
        }
        let (echo, mistake) = (wanted.planned.echo, wanted.planned.mistake);
        if let Some(after) = echo {
            self.later(index, Due::Echo, after);
        }
        if mistake && well {
            self.later(index, Due::Mistake, Duration::from_millis(20));
        }
    }
}
