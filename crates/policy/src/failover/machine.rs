//! The machine: reports in, the active target out.

use seawall_core::Instant;
use seawall_core::verdict::Lesson;

use super::Options;

seawall_core::words! {
    /// How a target is.
    Health {
        /// Well, or not yet heard of.
        Up = "up",
        /// It was down, and has been well since.
        Recovering = "recovering",
        /// It fails.
        Down = "down",
    }
}

/// What is known of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// How it is.
    pub health: Health,
    /// Since when.
    pub since: Instant,
    /// Bad reports in a row.
    pub bad: u32,
    /// When the first of them came.
    bad_since: Instant,
    /// When it was last heard of, or asked.
    heard: Instant,
}

/// Another target is active now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// When.
    pub at: Instant,
    /// The place of the target that was active.
    pub from: usize,
    /// The place of the one that is.
    pub to: usize,
    /// What moved them, in words.
    pub why: &'static str,
}

/// A failover group as a value: every method is a pure step of it. Targets are named by their place, the best first.
/// What is due is done at the moment it was due, however late somebody looks.
#[derive(Debug, Clone)]
pub struct Machine {
    options: Options,
    targets: Vec<Watched>,
    active: usize,
    why: &'static str,
    /// When the active target became active; `None` before the first switch.
    switched: Option<Instant>,
    began: Instant,
    /// The last moment that was looked at.
    seen: Instant,
    pin: Option<(usize, Instant)>,
}

const BETTER: &str = "a better target has been well for long enough";
const FAILING: &str = "the active target is failing";
const ALL_DOWN: &str = "every target is failing, so the first is asked";
const PINNED: &str = "an operator pinned it";

impl Machine {
    /// A group of `targets`, at least one, of whom nothing bad is known. `options` must have passed [`Options::check`].
    pub fn new(options: Options, targets: usize, now: Instant) -> Self {
        let watched = Watched { health: Health::Up, since: now, bad: 0, bad_since: now, heard: now };
        Self {
            options,
            targets: vec![watched; targets.max(1)],
            active: 0,
            why: "it is the first",
            switched: None,
            began: now,
            seen: now,
            pin: None,
        }
    }

    /// The place of the active target, as of the last step.
    pub fn active(&self) -> usize {
        self.active
    }

    /// Since when it is active.
    pub fn since(&self) -> Instant {
        self.switched.unwrap_or(self.began)
    }

    /// Why it is, in words.
    pub fn why(&self) -> &'static str {
        self.why
    }

    /// What is known of each target.
    pub fn targets(&self) -> &[Watched] {
        &self.targets
    }

    /// The options it runs by.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The target held by an operator, and until when.
    pub fn pinned(&self) -> Option<(usize, Instant)> {
        self.pin
    }

    /// Is every target down, so that calls go where they go for want of anything better?
    pub fn is_panicking(&self) -> bool {
        self.targets.iter().all(|target| target.health == Health::Down)
    }

    /// The places in the order in which a call asks them: the active one, then those that are up, recovering and down,
    /// each by priority.
    pub fn order(&self) -> impl Iterator<Item = usize> + '_ {
        let others = |health: &'static Health| {
            (0..self.targets.len())
                .filter(|place| *place != self.active && self.targets[*place].health == *health)
        };
        std::iter::once(self.active).chain(Health::ALL.iter().flat_map(others))
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Instant) -> Vec<Moved> {
        let mut moved = Vec::new();
        self.pass(now, &mut moved);
        moved
    }

    /// Takes note of how a target was found. A place that does not exist is not heard.
    pub fn report(&mut self, place: usize, lesson: Lesson, now: Instant) -> Vec<Moved> {
        let mut moved = Vec::new();
        self.pass(now, &mut moved);
        let (at, options) = (self.seen, &self.options);
        match (self.targets.get_mut(place), lesson) {
            (Some(target), Lesson::Success | Lesson::Answered) => target.was_good(at),
            (Some(target), Lesson::Failure) => target.was_bad(options, at),
            (_, Lesson::Nothing) | (None, _) => {}
        }
        self.settle(at, &mut moved);
        moved
    }

    /// A target that is not up and of which nobody has heard for long, if there is one: a call that is safe to repeat
    /// should begin there. It is not named again before the same span has passed.
    pub fn trial(&mut self, now: Instant) -> Option<usize> {
        let span = self.options.trial;
        if span.is_zero() || self.pin.is_some() {
            return None;
        }
        let now = now.max(self.seen);
        let place = (0..self.targets.len()).find(|place| {
            let target = &self.targets[*place];
            *place != self.active && target.health != Health::Up && target.heard + span <= now
        })?;
        self.targets[place].heard = now;
        Some(place)
    }

    /// Keeps a target active until then, whatever its health. `None` if there is no such target.
    pub fn pin(&mut self, place: usize, until: Instant, now: Instant) -> Option<Vec<Moved>> {
        if place >= self.targets.len() {
            return None;
        }
        let mut moved = self.advance(now);
        if until > self.seen {
            self.pin = Some((place, until));
        }
        self.settle(self.seen, &mut moved);
        Some(moved)
    }

    /// Lets go of a pinned target; it is left as any other would be.
    pub fn unpin(&mut self, now: Instant) -> Vec<Moved> {
        let mut moved = self.advance(now);
        self.pin = None;
        self.settle(self.seen, &mut moved);
        moved
    }

    /// Other options, same targets and what is known of them.
    pub fn update(&mut self, options: Options, now: Instant) -> Vec<Moved> {
        let mut moved = self.advance(now);
        self.options = options;
        self.settle(self.seen, &mut moved);
        moved
    }

    /// Passes every moment at which something becomes due, in order.
    fn pass(&mut self, now: Instant, moved: &mut Vec<Moved>) {
        // Monotonic clocks of several threads may differ by a little.
        let now = now.max(self.seen);
        while let Some(at) = self.next_due().filter(|at| *at <= now) {
            self.settle(at, moved);
        }
        self.settle(now, moved);
    }

    /// The first moment after the last one seen at which something may change by itself.
    fn next_due(&self) -> Option<Instant> {
        let recovering = self.targets.iter().filter(|target| target.health == Health::Recovering);
        let well = recovering.map(|target| target.since + self.options.up_after);
        let held = self.switched.map(|at| at + self.options.min_hold);
        let pinned = self.pin.map(|(_, until)| until);
        well.chain(held).chain(pinned).filter(|at| *at > self.seen).min()
    }

    fn settle(&mut self, at: Instant, moved: &mut Vec<Moved>) {
        self.seen = at;
        for target in &mut self.targets {
            if target.health == Health::Recovering && target.since + self.options.up_after <= at {
                (target.health, target.since) = (Health::Up, at);
            }
        }
        self.pin.take_if(|(_, until)| *until <= at);
        if let Some((to, why)) = self.choose(at)
            && to != self.active
        {
            moved.push(Moved { at, from: self.active, to, why });
            (self.active, self.why, self.switched) = (to, why, Some(at));
        }
    }

    fn choose(&self, at: Instant) -> Option<(usize, &'static str)> {
        if let Some((place, _)) = self.pin {
            return Some((place, PINNED));
        }
        let first = |health| self.targets.iter().position(|target| target.health == health);
        let fails = self.targets[self.active].health == Health::Down;
        // Only fleeing to a target that is up never waits: such a target is there once in `up_after`, so that this
        // cannot become a habit.
        let held = self.switched.is_some_and(|switched| at < switched + self.options.min_hold);
        match first(Health::Up) {
            Some(up) if fails => Some((up, FAILING)),
            Some(up) => (up < self.active && !held).then_some((up, BETTER)),
            None if fails && !held => {
                Some(first(Health::Recovering).map_or((0, ALL_DOWN), |place| (place, FAILING)))
            }
            None => None,
        }
    }
}

impl Watched {
    fn was_good(&mut self, now: Instant) {
        (self.bad, self.heard) = (0, now);
        if self.health == Health::Down {
            (self.health, self.since) = (Health::Recovering, now);
        }
    }

    fn was_bad(&mut self, options: &Options, now: Instant) {
        if self.bad == 0 {
            self.bad_since = now;
        }
        self.bad = self.bad.saturating_add(1);
        self.heard = now;
        let down = match self.health {
            Health::Up => {
                self.bad >= options.down_after || now.since(self.bad_since) >= options.unhealthy_for
            }
            Health::Recovering => true,
            Health::Down => false,
        };
        if down {
            (self.health, self.since) = (Health::Down, now);
        }
    }
}
