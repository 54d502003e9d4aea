//! What is wanted and what is to go wrong, drawn from a seed. The plan is the same for the same seed; when its blows fall
//! is up to real time, so that no two runs are the same.

use std::ops::RangeInclusive;
use std::time::Duration;

use fastrand::Rng;

use crate::words::{Kind, Trouble, What};

/// What is wanted, and how often what goes wrong on the way. Shares are in percent.
#[derive(Debug, Clone)]
pub struct Mix {
    /// The types of effects, in turn.
    pub kinds: Vec<Kind>,
    /// Effects that several are given at once.
    pub crowds: u8,
    /// How many that may be.
    pub most: usize,
    /// What goes wrong with the first tries of every effect; the last one stands for all that follow.
    pub tries: Vec<Trouble>,
    /// Tries of which something else goes wrong.
    pub troubles: u8,
    /// Effects that are wanted once more when all is known of them that can be.
    pub echoes: u8,
    /// When, in milliseconds.
    pub echo: RangeInclusive<u64>,
    /// Finished effects whose key is used for something else.
    pub mistakes: u8,
    /// Doubts about what is opaque that no person looks into.
    pub unattended: u8,
}

/// How often whom what befalls: pauses on average. None is never.
#[derive(Debug, Clone)]
pub struct Pace {
    /// SIGKILL of a worker.
    pub kill: Option<Duration>,
    /// SIGKILL of the store's server.
    pub store: Option<Duration>,
    /// SIGSTOP of a worker.
    pub freeze: Option<Duration>,
    /// For how long, in milliseconds.
    pub frozen: RangeInclusive<u64>,
    /// A worker's connections are cut.
    pub cut: Option<Duration>,
}

/// What is planned for one effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Which.
    pub what: What,
    /// How many are given it at once.
    pub racers: usize,
    /// What goes wrong with each try; the last one stands for all that follow.
    pub tries: Vec<Trouble>,
    /// It is wanted once more so long after all is known.
    pub echo: Option<Duration>,
    /// Its key is used for something else, when it is finished.
    pub mistake: bool,
    /// A person looks into a doubt.
    pub attended: bool,
}

/// The plan of the work.
#[derive(Debug)]
pub struct Plan {
    dice: Rng,
    mix: Mix,
    next: u64,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            kinds: Kind::ALL.to_vec(),
            crowds: 30,
            most: 5,
            tries: Vec::new(),
            troubles: 12,
            echoes: 8,
            echo: 200..=6000,
            mistakes: 4,
            unattended: 10,
        }
    }
}

impl Plan {
    /// The plan of that seed.
    pub fn new(seed: u64, mix: Mix) -> Self {
        Self { dice: Rng::with_seed(seed), mix, next: 0 }
    }

    /// The next effect that is wanted.
    pub fn draw(&mut self) -> Planned {
        let id = self.next;
        self.next += 1;
        let place = usize::try_from(id).unwrap_or(0) % self.mix.kinds.len();
        let kind = self.mix.kinds[place];
        let racers = if self.share(self.mix.crowds) { self.dice.usize(2..=self.mix.most.max(2)) } else { 1 };
        // Refused for good is refused for good: every try is.
        let directed = !self.mix.tries.is_empty();
        let tries = match directed {
            true => self.mix.tries.clone(),
            false if self.mix.troubles > 0 && self.share(2) => vec![Trouble::Refused],
            false => (0..4).map(|_| self.trouble()).chain([Trouble::None]).collect(),
        };
        let echo = self.share(self.mix.echoes).then(|| self.dice.u64(self.mix.echo.clone()));
        Planned {
            what: What { kind, id },
            racers,
            tries,
            echo: echo.map(Duration::from_millis),
            mistake: self.share(self.mix.mistakes),
            attended: !self.share(self.mix.unattended),
        }
    }

    fn trouble(&mut self) -> Trouble {
        if !self.share(self.mix.troubles) {
            return Trouble::None;
        }
        match self.dice.u8(..10) {
            0..=2 => Trouble::NotSent(self.dice.u64(0..20)),
            3..=4 => Trouble::Slow(self.dice.u64(5..300)),
            // Longer than a lease: it has to be renewed on the way.
            5 => Trouble::Slow(self.dice.u64(1200..2000)),
            6..=7 => Trouble::Unanswered,
            // Longer than its sender waits.
            _ => Trouble::Held(self.dice.u64(2600..=3500)),
        }
    }

    fn share(&mut self, percent: u8) -> bool {
        self.dice.u8(..100) < percent
    }
}

/// Pauses around an average, from a seed: never much shorter, sometimes much longer.
#[derive(Debug)]
pub struct Pauses {
    dice: Rng,
    mean: Duration,
}

impl Pauses {
    /// Pauses of that average.
    pub fn new(seed: u64, mean: Duration) -> Self {
        Self { dice: Rng::with_seed(seed), mean }
    }

    /// The next pause: exponential, at most five times the average.
    pub fn draw(&mut self) -> Duration {
        let share = -(1.0 - self.dice.f64()).ln();
        self.mean.mul_f64(share.min(5.0))
    }

    /// The dice, for whatever else is drawn at each.
    pub fn dice(&mut self) -> &mut Rng {
        &mut self.dice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_plans_the_same() {
        let drawn = |seed| {
            let mut plan = Plan::new(seed, Mix::default());
            (0..500).map(|_| plan.draw()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        assert!(drawn(7).iter().any(|planned| planned.racers == 5));
    }

    #[test]
    fn what_is_refused_for_good_is_never_tried_otherwise() {
        let mut plan = Plan::new(1, Mix::default());
        let refused: Vec<_> = (0..2000).map(|_| plan.draw().tries).collect();
        let refused: Vec<_> = refused.iter().filter(|tries| tries.contains(&Trouble::Refused)).collect();
        assert!(!refused.is_empty() && refused.iter().all(|tries| **tries == [Trouble::Refused]));
    }

    #[test]
    fn pauses_keep_their_average() {
        let mut pauses = Pauses::new(3, Duration::from_millis(20));
        let sum: Duration = (0..10_000).map(|_| pauses.draw()).sum();
        let mean = sum.as_secs_f64() / 10_000.0;
        assert!((0.018..0.022).contains(&mean), "{mean}");
    }
}
