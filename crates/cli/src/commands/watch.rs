//! Watches a configuration that just came into force, and says when what it touched got worse.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use seawall_config::{Node, differences};
use seawall_policy::probation::{Counts, Decision, Options, Probation, Seen};
use tokio::time::Instant;

use crate::settings::Loaded;

/// What is counted of each that is called, since the start.
pub(super) type Tally = BTreeMap<Arc<str>, Counts>;

/// Configurations that are remembered because they went back by themselves.
const REMEMBERED: usize = 32;

/// The last part of what came before: a fourth of it.
const LATELY: u32 = 4;

/// Sections that change how a call goes for nobody.
const HARMLESS: [&str; 9] =
    ["version", "reload", "logs", "alert", "channel", "health", "job", "carbon", "defaults"];

/// A configuration as far as it is compared.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    tree: Node,
    /// Whom each route calls.
    targets: BTreeMap<String, Vec<String>>,
}

impl Shape {
    pub(super) fn of(loaded: &Loaded) -> Self {
        let routes = loaded.settings.route.iter();
        let targets = routes
            .map(|(name, route)| (name.clone(), route.targets().into_iter().map(str::to_owned).collect()));
        Self { tree: loaded.tree.clone(), targets: targets.collect() }
    }

    /// Whom a change from this one to another says something about. What is said of all, and who is there, is said of
    /// the gateway too, whose name is empty.
    fn touched(&self, other: &Shape) -> BTreeSet<String> {
        let mut touched = BTreeSet::new();
        let upstreams: BTreeSet<&str> = self.keys("upstream").chain(other.keys("upstream")).collect();
        let top = self.keys("").chain(other.keys(""));
        let plain = |key: &&str| !HARMLESS.contains(key) && !["upstream", "route"].contains(key);
        if top.filter(plain).any(|key| differ(self.tree.get(key), other.tree.get(key))) {
            touched.extend(upstreams.iter().map(|name| (*name).to_owned()));
            touched.insert(String::new());
        }
        for name in upstreams {
            let (old, new) = (self.inner("upstream", name), other.inner("upstream", name));
            if differ(old, new) {
                touched.insert(name.to_owned());
            }
            if old.is_some() != new.is_some() {
                touched.insert(String::new());
            }
        }
        for name in self.keys("route").chain(other.keys("route")) {
            if differ(self.inner("route", name), other.inner("route", name)) {
                let targets = self.targets.get(name).into_iter().chain(other.targets.get(name));
                touched.extend(targets.flatten().cloned());
            }
        }
        touched
    }

    fn keys(&self, section: &str) -> impl Iterator<Item = &str> {
        let table = if section.is_empty() { Some(&self.tree) } else { self.tree.get(section) };
        table.and_then(Node::as_table).into_iter().flat_map(|table| table.keys().map(String::as_str))
    }

    fn inner(&self, section: &str, name: &str) -> Option<&Node> {
        self.tree.get(section)?.get(name)
    }
}

fn differ(old: Option<&Node>, new: Option<&Node>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => !differences(old, new, &|_| false).is_empty(),
        (old, new) => old.is_some() != new.is_some(),
    }
}

/// A configuration that stood: what a bad one goes back to.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub(super) version: Option<u64>,
    pub(super) text: String,
    pub(super) shape: Shape,
}

/// What was found wrong.
#[derive(Debug)]
pub(super) struct GoBack {
    pub(super) settled: Settled,
    pub(super) why: String,
}

/// One that is watched.
#[derive(Debug)]
struct Trial {
    settled: Settled,
    text: String,
    touched: BTreeSet<String>,
    before: Tally,
    lately: Tally,
    base: Tally,
    until: Instant,
    probation: Probation,
}

/// Watches one configuration at a time.
#[derive(Debug, Default)]
pub(super) struct Watch {
    samples: VecDeque<(Instant, Tally)>,
    trial: Option<Trial>,
    bad: VecDeque<String>,
}

impl Watch {
    /// Remembers how things went, while somebody watches at all.
    pub(super) fn sample(&mut self, span: Option<Duration>, now: Instant, tally: &Tally) {
        let Some(span) = span else {
            self.samples.clear();
            return;
        };
        while self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > span) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, tally.clone()));
    }

    /// Another configuration is in force: `tally` is what was counted under the one before, `base` what counts begin with
    /// under this one. False where it is not watched: it went back by itself before, and somebody wants it all the same.
    pub(super) fn begin(
        &mut self,
        span: Option<Duration>,
        now: Instant,
        (tally, base): (&Tally, Tally),
        settled: Settled,
        (text, shape): (&str, &Shape),
    ) -> bool {
        let before = self.trial.take();
        let samples = std::mem::take(&mut self.samples);
        let Some(span) = span else { return true };
        if self.bad.iter().any(|bad| bad == text) {
            return false;
        }
        // One that had not stood yet is nothing to go back to, and its counts say nothing of what was before.
        let (settled, before, lately) = match before {
            Some(Trial { settled, before, lately, .. }) => (settled, before, lately),
            None => {
                let since = |ago: Duration| {
                    let at = samples.iter().find(|(at, _)| now.duration_since(*at) <= ago);
                    at.map(|(_, then)| minus(tally, then)).unwrap_or_default()
                };
                (settled, since(span), since(span / LATELY))
            }
        };
        let touched = settled.shape.touched(shape);
        let probation = Probation::new(Options::default());
        self.trial = (!touched.is_empty()).then(|| Trial {
            settled,
            text: text.to_owned(),
            touched,
            before,
            lately,
            base,
            until: now + span,
            probation,
        });
        true
    }

    /// Watches nothing any more: a person has decided.
    pub(super) fn end(&mut self) {
        self.trial = None;
        self.samples.clear();
    }

    /// Looks whether what is watched got worse.
    pub(super) fn look(&mut self, now: Instant, tally: &Tally) -> Option<GoBack> {
        let trial = self.trial.as_mut()?;
        let after = minus(tally, &trial.base);
        let names: Vec<&Arc<str>> = after.keys().collect();
        let of = |tally: &Tally, name: &str| tally.get(name).copied().unwrap_or_default();
        let seen: Vec<Seen> = names
            .iter()
            .map(|name| Seen {
                touched: trial.touched.contains(&***name),
                before: of(&trial.before, name),
                lately: of(&trial.lately, name),
                after: of(&after, name),
            })
            .collect();
        match trial.probation.look(&seen, now >= trial.until) {
            Decision::Wait => None,
            Decision::Stands => {
                self.trial = None;
                None
            }
            Decision::GoBack(place) => {
                let (name, Seen { before, after, .. }) = (names[place].clone(), seen[place]);
                let what = if name.is_empty() { "calls to no upstream" } else { &*name };
                let why = format!(
                    "{what} got worse: {} of {} calls failed before, {} of {} since",
                    before.failed, before.calls, after.failed, after.calls
                );
                let trial = self.trial.take()?;
                if self.bad.len() >= REMEMBERED {
                    self.bad.pop_front();
                }
                self.bad.push_back(trial.text);
                self.samples.clear();
                Some(GoBack { settled: trial.settled, why })
            }
        }
    }
}

/// What came on top; nothing where a counter began again.
fn minus(now: &Tally, then: &Tally) -> Tally {
    let less = |(name, now): (&Arc<str>, &Counts)| {
        let then = then.get(name).copied().unwrap_or_default();
        let calls = now.calls.saturating_sub(then.calls);
        (name.clone(), Counts { calls, failed: now.failed.saturating_sub(then.failed) })
    };
    now.iter().map(less).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load;

    const S: Duration = Duration::from_secs(1);

    fn shape(text: &str) -> Shape {
        let tree = seawall_config::parse(text, "f", seawall_config::Format::Toml).unwrap();
        Shape::of(&load(tree).unwrap().0)
    }

    fn touched(old: &str, new: &str) -> String {
        shape(old).touched(&shape(new)).into_iter().collect::<Vec<_>>().join("|")
    }

    const TWO: &str = "[upstream.a]\nurl = 'https://a'\n[upstream.b]\nurl = 'https://b'\n";

    #[test]
    fn a_change_touches_those_it_says_something_about() {
        let with = |more: &str| format!("{TWO}{more}");
        let route = "[route.r]\nmatch.path = '/x'\nto = ['b', 'a']\n";
        for (old, new, expected) in [
            (with(""), with("# a word\n"), ""),
            (with(""), with("[alert.slow]\nwhen = 'breaker_open > 0'\n"), ""),
            (with(""), with("deadline = '5s'\n"), "b"),
            (with(""), with("[defaults]\ndeadline = '5s'\n"), "a|b"),
            (with(""), with("[upstream.c]\nurl = 'https://c'\n"), "|c"),
            (with(""), with(route), "a|b"),
            (with(route), with(""), "a|b"),
            (with(""), format!("hosts = ['x']\n{TWO}"), "|a|b"),
        ] {
            assert_eq!(touched(&old, &new), expected, "{new}");
        }
    }

    fn tally(a: (u64, u64)) -> Tally {
        [(Arc::from("a"), Counts { calls: a.0, failed: a.1 })].into()
    }

    fn settled(text: &str) -> Settled {
        Settled { version: Some(1), text: text.to_owned(), shape: shape(text) }
    }

    /// A minute of good calls, then another configuration, then a minute in which so many of a hundred fail.
    fn story(watch: &mut Watch, old: &str, new: &str, failing: u64) -> (bool, Option<GoBack>) {
        let start = Instant::now();
        let span = Some(S * 60);
        for second in 0..=60 {
            watch.sample(span, start + S * second, &tally((u64::from(second) * 10, 0)));
        }
        let now = start + S * 60;
        let watched =
            watch.begin(span, now, (&tally((600, 0)), tally((600, 0))), settled(old), (new, &shape(new)));
        let mut back = None;
        for second in 1..=60_u64 {
            let (calls, failed) = (600 + second * 10, second * failing / 10);
            back = back
                .or_else(|| watch.look(now + S * u32::try_from(second).unwrap(), &tally((calls, failed))));
        }
        (watched, back)
    }

    #[tokio::test]
    async fn what_it_made_worse_goes_back_once_and_never_again() {
        let (good, bad) = ("[upstream.a]\nurl = 'https://a'\n", "[upstream.a]\nurl = 'https://elsewhere'\n");
        let mut watch = Watch::default();
        let (watched, back) = story(&mut watch, good, bad, 90);
        let back = back.unwrap();
        assert!(watched && back.settled.text == good && back.settled.version == Some(1));
        assert!(back.why.starts_with("a got worse: 0 of 600 calls failed before, "), "{}", back.why);
        let (watched, back) = story(&mut watch, good, bad, 90);
        assert!(!watched && back.is_none(), "whoever wants it again has it");
        let (watched, back) = story(&mut watch, bad, good, 0);
        assert!(watched && back.is_none());
    }

    #[tokio::test]
    async fn one_that_follows_another_within_its_time_goes_back_to_what_stood() {
        let text = |url: &str| format!("[upstream.a]\nurl = 'https://{url}'\n");
        let (good, first, second) = (text("good"), text("first"), text("second"));
        let mut watch = Watch::default();
        let start = Instant::now();
        for n in 0..=30 {
            watch.sample(Some(S * 30), start + S * n, &tally((u64::from(n) * 10, 0)));
        }
        let now = start + S * 30;
        let none = tally((300, 0));
        assert!(watch.begin(
            Some(S * 30),
            now,
            (&none, none.clone()),
            settled(&good),
            (&first, &shape(&first))
        ));
        let late = tally((320, 19));
        let after = now + S * 2;
        assert!(watch.begin(
            Some(S * 30),
            after,
            (&late, late.clone()),
            settled(&first),
            (&second, &shape(&second))
        ));
        assert!(watch.look(after + S, &tally((350, 48))).is_none());
        let back = watch.look(after + S * 2, &tally((360, 58))).unwrap();
        assert_eq!(back.settled.text, good, "and not to the one that had not stood");
    }
}
