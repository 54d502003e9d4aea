//! Everything about alerts at one moment, moved on by a step a second and by what becomes of deliveries. No I/O, no wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use seawall_core::event::{Event, Fact};
use seawall_core::units::format_duration;
use seawall_core::{CallId, Instant};
use seawall_policy::alert::{Book, Held, Labels, Moved, Need, Phase, Present, Rule, Severity, What};

use super::Outlet;
use super::calendar::{millis, timestamp};
use super::channel::{Failure, Grouping};
use super::key::Key;
use super::lane::{Lane, Lost, Parcel, because};
use super::notice::{Item, Kind, Notice};
use super::silence::Silence;
use super::trace::Trace;
use crate::metrics::Gathered;
use crate::series::Watch;

/// How often what is pending is written down, so that a kill costs a hold no more than this.
const HEARTBEAT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Board {
    pub(super) rules: Vec<Ruled>,
    pub(super) lanes: Vec<Lane>,
    pub(super) silences: Vec<Silence>,
    pub(super) traces: BTreeMap<Key, Trace>,
    /// Active alerts that nobody is told of while another, by its id, is active too.
    pub(super) quieted: BTreeMap<Key, String>,
    watch: Watch,
    /// Grows with everything that has to be written down.
    pub(super) changed: u64,
    /// How far that has been done, or been tried in vain.
    pub(super) written: u64,
    beat: Instant,
    /// Facts for whoever listens.
    told: Vec<Event>,
}

/// A rule and its alerts.
#[derive(Debug)]
pub(super) struct Ruled {
    pub(super) rule: Rule,
    pub(super) name: Arc<str>,
    pub(super) book: Book,
    /// The places of the channels that want to hear of it.
    pub(super) lanes: Vec<usize>,
}

impl Board {
    /// A board that knows of nothing yet.
    pub(super) fn new(rules: Vec<Rule>, outlets: &[Outlet], now: Instant) -> Self {
        let lanes: Vec<Lane> = outlets.iter().map(Lane::new).collect();
        let ruled = |rule: Rule| Ruled {
            name: rule.name.as_str().into(),
            lanes: (0..lanes.len()).filter(|place| lanes[*place].wants(&rule.send, rule.severity)).collect(),
            book: Book::default(),
            rule,
        };
        let rules: Vec<Ruled> = rules.into_iter().map(ruled).collect();
        let watch = Watch::new(rules.iter().flat_map(|ruled| needs(&ruled.rule)));
        Self {
            rules,
            lanes,
            silences: Vec::new(),
            traces: BTreeMap::new(),
            quieted: BTreeMap::new(),
            watch,
            changed: 0,
            written: 0,
            beat: now,
            told: Vec::new(),
        }
    }

    /// The metrics it wants to see.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Takes over what another has seen of the metrics.
    pub(super) fn inherit(&mut self, other: Self) {
        self.watch.inherit(other.watch);
        (self.changed, self.written) = (other.changed + 1, other.written);
    }

    /// Looks at the metrics, and puts into the queues what is to be said. Gives back facts for whoever listens.
    pub(super) fn step(&mut self, gathered: &[Gathered], now: Instant) -> Vec<Event> {
        self.watch.sample(gathered, now);
        let watched = self.watch.watched(now);
        let mut pending = false;
        for place in 0..self.rules.len() {
            let ruled = &mut self.rules[place];
            for (labels, moved) in ruled.book.step(&ruled.rule, &self.watch, watched, now) {
                self.moved(place, labels, moved, now);
            }
            pending |= self.rules[place].book.alerts().values().any(|alert| {
                matches!(alert.machine.phase(), Phase::Pending { .. } | Phase::Recovering { .. })
            });
        }
        if pending && now.since(self.beat) >= HEARTBEAT {
            self.changed += 1;
            self.beat = now;
        }
        self.unsilence(now);
        self.quiet(now);
        for lane in 0..self.lanes.len() {
            for lost in self.lanes[lane].expire(now) {
                self.lost(lane, &lost, now);
            }
            self.speak(lane, now);
        }
        self.forget();
        std::mem::take(&mut self.told)
    }

    fn moved(&mut self, place: usize, labels: Labels, moved: Moved, now: Instant) {
        let ruled = &self.rules[place];
        let alert = ruled.book.alerts().get(&labels);
        let number =
            alert.and_then(|alert| alert.value).map(|value| format!(" ({value})")).unwrap_or_default();
        let Rule { text, held, keep_for, .. } = &ruled.rule;
        let [held, keep_for] = [*held, *keep_for].map(format_duration);
        let what = match moved {
            Moved::Pending => format!("pending: {text} holds{number}, it fires when that lasts {held}"),
            Moved::Calmed => format!("not fired: {text} did not hold for {held}{number}"),
            Moved::Active if ruled.rule.held.is_zero() => format!("active: {text} holds{number}"),
            Moved::Active => format!("active: {text} has held for {held}{number}"),
            Moved::Recovering => format!("recovering: it is over when all is well for {keep_for}{number}"),
            Moved::Relapsed => format!("active: it was not well for {keep_for}{number}"),
            Moved::Resolved => format!("resolved: all is well{number}"),
            Moved::Lost => "resolved: there has been no data for too long".to_owned(),
        };
        let key = Key { rule: ruled.name.clone(), labels };
        let fact = Fact::Alert {
            to: moved.as_str(),
            severity: ruled.rule.severity.as_str(),
            why: what.as_str().into(),
        };
        self.told.push(Event { at: now, name: key.id().into(), fact });
        self.traces.entry(key).or_default().push(now, what);
        self.changed += 1;
    }

    /// What there is to say on a channel goes into its queue; of what is held back the reason is noted once.
    fn speak(&mut self, place: usize, now: Instant) {
        let lane = &self.lanes[place];
        let mut alerts: Vec<(Key, String, bool, (bool, bool))> = Vec::new();
        let mut seen: BTreeSet<Key> = BTreeSet::new();
        for ruled in self.rules.iter().filter(|ruled| ruled.lanes.contains(&place)) {
            for (labels, alert) in ruled.book.alerts() {
                let key = Key { rule: ruled.name.clone(), labels: labels.clone() };
                let active = alert.machine.phase().is_active();
                if active || lane.desk.told().contains_key(&key) {
                    let hushed = (self.is_silenced(&key), self.quieted.contains_key(&key));
                    alerts.push((key.clone(), group(lane.grouping, &ruled.rule.group, &key), active, hushed));
                    seen.insert(key);
                }
            }
        }
        // Told, and now gone: a rule that was taken away, or an alert that was over for so long that it was forgotten.
        for key in lane.desk.told().keys().filter(|key| !seen.contains(key)) {
            alerts.push((
                key.clone(),
                group(lane.grouping, &key.rule, key),
                false,
                (self.is_silenced(key), false),
            ));
        }
        let present: Vec<Present<'_, Key>> = alerts
            .iter()
            .map(|(key, group, active, (silenced, quieted))| Present {
                key,
                group,
                active: *active,
                silenced: *silenced,
                quieted: *quieted,
            })
            .collect();
        let lane = &mut self.lanes[place];
        let (notices, held) = lane.desk.step(&lane.delivery, &present, now);
        self.note_held(place, held, now);
        for notice in notices {
            let items = notice.alerts.iter().map(|(key, what)| self.item(key, *what, now)).collect();
            let keys = notice.alerts.into_iter().map(|(key, _)| key).collect();
            let id = CallId::new().to_string();
            self.post(place, Notice { id, group: notice.group, at: millis(now), items }, keys, now);
        }
    }

    fn post(&mut self, place: usize, notice: Notice, keys: Vec<Key>, now: Instant) {
        self.changed += 1;
        let name = self.lanes[place].name.clone();
        for key in &keys {
            self.trace(key, now, format!("{name}: a notice is on its way"));
        }
        let generation = self.changed;
        let parcel = Parcel {
            notice,
            keys,
            made: now,
            due: now,
            attempts: 0,
            refusals: 0,
            tried: false,
            perhaps: false,
            generation,
        };
        if let Some(lost) = self.lanes[place].push(parcel) {
            self.lost(place, &lost, now);
        }
    }

    fn item(&self, key: &Key, what: What, now: Instant) -> Item {
        let ruled = self.rules.iter().find(|ruled| ruled.name == key.rule);
        let alert = ruled.and_then(|ruled| ruled.book.alerts().get(&key.labels));
        let since = match alert.map(|alert| alert.machine.phase()) {
            Some(
                Phase::Active { since } | Phase::Recovering { since, .. } | Phase::Resolved { since, .. },
            ) => since,
            _ => now,
        };
        let value = alert.and_then(|alert| alert.value).filter(|value| value.is_finite());
        let rule = ruled.map(|ruled| &ruled.rule);
        let text = rule.map_or("", |rule| rule.text.as_str());
        Item {
            kind: what.into(),
            id: key.id(),
            rule: key.rule.to_string(),
            labels: key.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            severity: rule.map_or(Severity::Info, |rule| rule.severity),
            since: millis(since),
            value,
            summary: rule
                .map_or_else(|| "this rule is no longer there".to_owned(), |rule| rule.summary.clone()),
            why: because(what, text, value, alert.is_some()),
        }
    }

    fn note_held(&mut self, place: usize, held: Vec<(Key, Held)>, now: Instant) {
        let held: BTreeMap<Key, Held> = held.into_iter().collect();
        let before = std::mem::replace(&mut self.lanes[place].held, held.clone());
        for (key, why) in held.iter().filter(|(key, why)| before.get(key) != Some(why)) {
            let until = |until: Instant| timestamp(millis(until));
            let what = match why {
                Held::Silenced => "not told: it is silenced".to_owned(),
                // Said once, when it began, and not for each channel.
                Held::Gathering { .. } | Held::Quieted => continue,
                Held::Cooling { until: end } => {
                    format!("not told before {}: its group was spoken of lately", until(*end))
                }
            };
            let name = self.lanes[place].name.clone();
            self.trace(key, now, format!("{name}: {what}"));
        }
    }

    fn lost(&mut self, place: usize, lost: &Lost, now: Instant) {
        self.changed += 1;
        let name = self.lanes[place].name.clone();
        let fact = Fact::AlertTrouble { what: format!("a notice is dropped: {}", lost.why).into() };
        self.told.push(Event { at: now, name: name.clone(), fact });
        for key in &lost.keys {
            self.trace(key, now, format!("{name}: dropped undelivered: {}", lost.why));
        }
    }

    /// The notice of a channel that is to be delivered now. There may be one that has to be written down once more first:
    /// then [`changed`](Self::changed) has grown.
    pub(super) fn next(&mut self, place: usize, now: Instant) -> Option<Notice> {
        self.lanes.get_mut(place)?.next(self.written, &mut self.changed, now)
    }

    /// What became of a delivery.
    pub(super) fn ended(
        &mut self,
        place: usize,
        id: &str,
        ended: &Result<String, Failure>,
        (dice, took): (f64, Duration),
        now: Instant,
    ) {
        let Some(lane) = self.lanes.get_mut(place) else { return };
        let name = lane.name.clone();
        self.changed += 1;
        match ended {
            Ok(answer) => {
                let took = format_duration(Duration::from_millis(
                    u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                ));
                for key in lane.delivered(id, now) {
                    self.trace(&key, now, format!("{name}: told ({answer}, {took})"));
                }
            }
            Err(failure) => {
                let was_well = lane.tally.failing.is_none();
                let Some((keys, attempts, given_up)) = lane.failed(id, failure, dice, now) else { return };
                if was_well {
                    let fact = Fact::AlertTrouble { what: format!("a notice waits: {}", failure.why).into() };
                    self.told.push(Event { at: now, name: name.clone(), fact });
                }
                for key in keys {
                    let why = &failure.why;
                    match given_up {
                        true => self.trace(
                            &key,
                            now,
                            format!("{name}: given up after {attempts} attempts: {why}"),
                        ),
                        // The first few, then each time it has become twice as many.
                        false if attempts.is_power_of_two() => {
                            self.trace(&key, now, format!("{name}: attempt {attempts} failed: {why}"));
                        }
                        false => {}
                    }
                }
            }
        }
    }

    /// Sends a notice that says nothing on a channel; false where there is no such channel.
    pub(super) fn test(&mut self, channel: &str, by: &str, now: Instant) -> bool {
        let Some(place) = self.lanes.iter().position(|lane| *lane.name == *channel) else { return false };
        let item = Item {
            kind: Kind::Test,
            id: channel.to_owned(),
            rule: "test".to_owned(),
            labels: BTreeMap::new(),
            severity: Severity::Info,
            since: millis(now),
            value: None,
            summary: format!("{by} is trying out this channel"),
            why: "somebody asked for it".to_owned(),
        };
        let notice = Notice {
            id: CallId::new().to_string(),
            group: String::new(),
            at: millis(now),
            items: vec![item],
        };
        self.post(place, notice, Vec::new(), now);
        true
    }

    pub(super) fn trace(&mut self, key: &Key, now: Instant, what: String) {
        self.traces.entry(key.clone()).or_default().push(now, what);
    }

    /// Forgets the traces of alerts that nobody knows of any more.
    fn forget(&mut self) {
        let (rules, lanes) = (&self.rules, &self.lanes);
        self.traces.retain(|key, _| {
            let ruled = rules.iter().find(|ruled| ruled.name == key.rule);
            ruled.is_some_and(|ruled| ruled.book.alerts().contains_key(&key.labels))
                || lanes.iter().any(|lane| {
                    lane.desk.told().contains_key(key)
                        || lane.queue.iter().any(|parcel| parcel.keys.contains(key))
                })
        });
        for lane in &mut self.lanes {
            lane.heard.retain(|key| {
                lane.desk.told().contains_key(key)
                    || lane.queue.iter().any(|parcel| parcel.keys.contains(key))
            });
        }
    }
}

/// Everything a rule looks at.
fn needs(rule: &Rule) -> Vec<Need> {
    let until = rule.until.iter().flat_map(seawall_policy::alert::Condition::needs);
    rule.when.needs().into_iter().chain(until).collect()
}

fn group(grouping: Grouping, group: &str, key: &Key) -> String {
    match grouping {
        Grouping::Alert => key.id(),
        Grouping::Group => group.to_owned(),
        Grouping::Channel => String::new(),
    }
}
