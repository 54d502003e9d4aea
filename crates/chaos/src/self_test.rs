//! Makes mistakes on purpose, one at a time, and sees whether a campaign finds each of them: a check that cannot fail
//! proves nothing.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::check::Law;
use crate::driver::plan::{Mix, Pace};
use crate::driver::{Campaign, Store, run as campaign};
use crate::report::Report;
use crate::words::{Kind, Trouble};
use crate::worker::Bug;

/// Mistakes that are tried side by side.
const AT_ONCE: usize = 5;

/// Rounds until a mistake counts as not found.
const ROUNDS: u32 = 4;

/// What came of one mistake.
#[derive(Debug, Clone, Serialize)]
pub struct Tried {
    /// The mistake.
    pub bug: Bug,
    /// The law that it must break.
    pub expected: Law,
    /// The laws that were seen broken.
    pub broken: BTreeSet<Law>,
    /// Effects that were wanted.
    pub effects: usize,
    /// How often a law was broken.
    pub violations: usize,
    /// How many rounds it took: a machine that is busy gets a longer one.
    pub rounds: u32,
    /// The first of them.
    pub example: String,
    /// What is known of effects something is wrong with, where the mistake was not found.
    pub stories: Vec<String>,
}

impl Tried {
    /// Was it found, by the law it breaks?
    pub fn is_caught(&self) -> bool {
        self.broken.contains(&self.expected)
    }
}

/// The circumstances in which a mistake shows, and the law it breaks.
struct Trap {
    bug: Bug,
    expected: Law,
    mix: Mix,
    kill: Option<Duration>,
    length: Duration,
    window: Duration,
    heal: Duration,
}

impl Trap {
    fn of(bug: Bug) -> Self {
        use Trouble::{Held, None as Fine, NotSent, Slow, Unanswered};
        let mix = |kind, tries: &[Trouble]| Mix {
            kinds: vec![kind],
            crowds: 0,
            most: 3,
            tries: tries.to_vec(),
            troubles: 0,
            echoes: 0,
            mistakes: 0,
            ..Mix::default()
        };
        let crowd = |mix| Mix { crowds: 100, most: 4, ..mix };
        let echo = |mix, echo| Mix { echoes: 100, echo, ..mix };
        let lost = [Unanswered, Fine];
        let (expected, mix, seconds) = match bug {
            Bug::RunWhenLeaseIsOver => (Law::Once, mix(Kind::Letter, &[Slow(100)]), 5),
            Bug::ExpireRunning => (Law::Once, crowd(mix(Kind::Letter, &[Slow(700)])), 4),
            Bug::DeleteOnError => (Law::Once, mix(Kind::Letter, &lost), 4),
            Bug::DeleteOnBusy => (Law::Once, crowd(mix(Kind::Letter, &[Slow(200)])), 4),
            Bug::BlindTakeover => (Law::Once, mix(Kind::Order, &lost), 5),
            Bug::FreeOnSweep => {
                let asked = Mix { unattended: 100, ..mix(Kind::Letter, &lost) };
                (Law::Once, echo(asked, 600..=1500), 5)
            }
            Bug::TrustUnstable => (Law::Once, mix(Kind::Order, &[Held(3500), Fine]), 6),
            Bug::LoseBegin => (Law::Once, crowd(mix(Kind::Letter, &[Slow(50)])), 4),
            Bug::CacheExecuting => (Law::Once, echo(mix(Kind::Letter, &[Fine]), 20..=300), 4),
            Bug::CompleteWithoutEpoch => {
                (Law::Once, crowd(mix(Kind::Booking, &[NotSent(5600), Slow(2200)])), 10)
            }
            Bug::NoAgeCheck => (Law::Once, echo(mix(Kind::Letter, &[Fine]), 1500..=2500), 5),
            Bug::WindowLapses => (Law::Once, mix(Kind::Charge, &lost), 4),
            Bug::GuessNotDone => (Law::NotDone, mix(Kind::Order, &lost), 4),
            Bug::GuessDone => (Law::Done, mix(Kind::Order, &lost), 4),
            Bug::MixUpResults => (Law::Done, echo(mix(Kind::Order, &[Fine]), 20..=300), 4),
            Bug::IgnoreArguments => (Law::Mismatch, Mix { mistakes: 100, ..mix(Kind::Order, &[Fine]) }, 4),
            Bug::NumbersFall => (Law::Epochs, mix(Kind::Order, &[NotSent(0), Fine]), 4),
            Bug::ForgetRenewals => (Law::Doubt, crowd(mix(Kind::Order, &[Slow(2000)])), 5),
            Bug::DropTheDoubt => (Law::NotDone, mix(Kind::Charge, &[Unanswered, NotSent(0), Fine]), 4),
            Bug::SilentVerdict => (Law::Quiet, mix(Kind::Order, &lost), 3),
        };
        Self {
            bug,
            expected,
            mix,
            kill: (bug == Bug::RunWhenLeaseIsOver).then(|| Duration::from_millis(250)),
            length: Duration::from_secs(seconds),
            window: Duration::from_millis(if bug == Bug::WindowLapses { 100 } else { 86_400_000 }),
            heal: Duration::from_secs(if expected == Law::Quiet { 5 } else { 0 }),
        }
    }

    /// The campaign of that round: each lasts longer than the one before.
    fn campaign(&self, program: &Path, seed: u64, round: u32, made: bool) -> Campaign {
        let pace = Pace { kill: self.kill, store: None, freeze: None, frozen: 1..=1, cut: None };
        Campaign {
            workers: 3,
            reconcilers: if self.bug == Bug::BlindTakeover { 0 } else { 3 },
            width: 8,
            mix: self.mix.clone(),
            pace,
            window: if made { self.window } else { Duration::from_secs(86_400) },
            bug: made.then_some(self.bug),
            heal: if made { self.heal } else { self.heal * 10 },
            ..Campaign::new(program.to_owned(), Store::Redis, self.length * round, seed)
        }
    }
}

impl Trap {
    async fn sprung(&self, program: &Path, seed: u64, round: u32, made: bool) -> io::Result<Tried> {
        let planned = self.campaign(program, seed.wrapping_add(u64::from(round) * 1000), round, made);
        let ran = campaign(&planned).await?;
        let Report { violations, effects, stories, .. } = Report::of(&planned, &ran);
        let found = violations.iter().find(|violation| violation.law == self.expected);
        Ok(Tried {
            bug: self.bug,
            expected: self.expected,
            broken: violations.iter().map(|violation| violation.law).collect(),
            effects,
            violations: violations.len(),
            rounds: round,
            stories: if made && found.is_some() || violations.is_empty() { Vec::new() } else { stories },
            example: found.map_or_else(String::new, ToString::to_string),
        })
    }
}

/// Tries every mistake; or, where none is `made`, whether all holds in the same circumstances without it. Needs a server.
pub async fn run(program: &Path, seed: u64, made: bool) -> io::Result<Vec<Tried>> {
    let (places, mut tries) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for (number, bug) in Bug::ALL.iter().enumerate() {
        let (places, program) = (places.clone(), program.to_owned());
        tries.spawn(async move {
            let _place = places.acquire_owned().await;
            let (trap, seed) = (Trap::of(*bug), seed.wrapping_add(number as u64));
            let mut round = 1;
            loop {
                let tried = trap.sprung(&program, seed, round, made).await?;
                if !made || tried.is_caught() || round == ROUNDS {
                    return Ok::<_, io::Error>(tried);
                }
                round += 1;
            }
        });
    }
    let mut tried = Vec::new();
    while let Some(ended) = tries.join_next().await {
        tried.push(ended.map_err(io::Error::other)??);
    }
    tried.sort_by_key(|tried| tried.bug);
    Ok(tried)
}

/// The table people see.
pub fn table(tried: &[Tried], made: bool) -> String {
    let mut lines = Vec::new();
    let broken = |one: &Tried| one.broken.iter().map(|law| law.as_str()).collect::<Vec<_>>().join(" ");
    let last = if made {
        lines.push("| mistake | found | by | laws broken | effects | violations | rounds |".to_owned());
        lines.push("|---|---|---|---|---|---|---|".to_owned());
        for one in tried {
            let Tried { bug, expected, effects, violations, rounds, .. } = one;
            let found = if one.is_caught() { "yes" } else { "NO" };
            let broken = broken(one);
            lines.push(format!(
                "| {bug} | {found} | {expected} | {broken} | {effects} | {violations} | {rounds} |"
            ));
        }
        let caught = tried.iter().filter(|tried| tried.is_caught()).count();
        format!("{caught} of {} mistakes were found", tried.len())
    } else {
        lines.push("| without the mistake | laws broken | effects |\n|---|---|---|".to_owned());
        lines.extend(tried.iter().map(|one| format!("| {} | {} | {} |", one.bug, broken(one), one.effects)));
        let clean = tried.iter().filter(|tried| tried.broken.is_empty()).count();
        format!("without them, all holds in {clean} of {} circumstances", tried.len())
    };
    lines.extend(tried.iter().flat_map(|tried| tried.stories.clone()));
    lines.push(last);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_law_it_breaks_finds_a_mistake() {
        let tried = |broken: &[Law]| Tried {
            bug: Bug::DeleteOnError,
            expected: Law::Once,
            broken: broken.iter().copied().collect(),
            effects: 1,
            violations: broken.len(),
            rounds: 1,
            example: String::new(),
            stories: Vec::new(),
        };
        assert!(tried(&[Law::Once, Law::Alarm]).is_caught());
        assert!(!tried(&[]).is_caught() && !tried(&[Law::Alarm]).is_caught());
        let page = table(&[tried(&[Law::Once]), tried(&[])], true);
        assert!(page.contains("| NO |") && page.ends_with("1 of 2 mistakes were found"), "{page}");
    }
}
