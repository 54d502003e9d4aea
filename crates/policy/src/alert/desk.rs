//! One channel: which alerts are active goes in, what is to be said there comes out.

use std::collections::BTreeMap;

use seawall_core::Instant;

use super::Delivery;

seawall_core::words! {
    /// What is said about an alert.
    What {
        /// It is active.
        Active = "active",
        /// It is active still.
        Reminder = "reminder",
        /// It is over.
        Resolved = "resolved",
    }
}

/// An alert as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a, K> {
    /// Which.
    pub key: &'a K,
    /// Whose notices it shares.
    pub group: &'a str,
    /// Is it active?
    pub active: bool,
    /// Was everybody asked to be silent about it?
    pub silenced: bool,
    /// Is another alert active that says the same or more? Then that it is active need not be said; to those who know of it
    /// its end is.
    pub quieted: bool,
}

/// What was last said of an alert that is not known to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Instant,
    /// Did it arrive, as far as anybody knows? Where it may not have, it is said again.
    pub sure: bool,
}

/// A group of alerts that share notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Group {
    /// When it was last spoken of.
    pub sent: Option<Instant>,
    /// Since when there is something to say.
    pub stirred: Option<Instant>,
}

/// Something to say, now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice<K> {
    /// The group.
    pub group: String,
    /// The alerts, at least one, in the order in which they came in.
    pub alerts: Vec<(K, What)>,
}

/// Why something that there is to say is not said yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It is silenced.
    Silenced,
    /// Another alert says the same or more.
    Quieted,
    /// Others of its group may join it.
    Gathering {
        /// Until then.
        until: Instant,
    },
    /// Its group was spoken of too lately.
    Cooling {
        /// Until then.
        until: Instant,
    },
}

/// What a channel has been told, as a value. It compares what is with what was said, so it does not matter how often, or
/// how late, it is asked; what comes and goes between two notices is not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desk<K> {
    told: BTreeMap<K, Told>,
    groups: BTreeMap<String, Group>,
}

impl<K> Default for Desk<K> {
    fn default() -> Self {
        Self { told: BTreeMap::new(), groups: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Desk<K> {
    /// A desk as it was left. Moments that have not come yet are taken for now.
    pub fn restored(
        told: impl IntoIterator<Item = (K, Told)>,
        groups: impl IntoIterator<Item = (String, Group)>,
        now: Instant,
    ) -> Self {
        let past = |at: Instant| at.min(now);
        Self {
            told: told.into_iter().map(|(key, told)| (key, Told { at: past(told.at), ..told })).collect(),
            groups: groups
                .into_iter()
                .map(|(name, group)| {
                    (name, Group { sent: group.sent.map(past), stirred: group.stirred.map(past) })
                })
                .collect(),
        }
    }

    /// What was said of alerts that are not known to be over.
    pub fn told(&self) -> &BTreeMap<K, Told> {
        &self.told
    }

    /// The groups that were spoken of lately, or are about to be.
    pub fn groups(&self) -> &BTreeMap<String, Group> {
        &self.groups
    }

    /// What is to be said now, and about whom nothing is said yet, and why. `alerts` are all that concern this channel, at
    /// least those that are active and those that were told.
    pub fn step(
        &mut self,
        options: &Delivery,
        alerts: &[Present<'_, K>],
        now: Instant,
    ) -> (Vec<Notice<K>>, Vec<(K, Held)>) {
        let mut due: BTreeMap<&str, Vec<(K, What)>> = BTreeMap::new();
        let mut held = Vec::new();
        for alert in alerts {
            let what = match (alert.active, self.told.get(alert.key)) {
                (true, None | Some(Told { sure: false, .. })) => What::Active,
                (true, Some(told)) => match options.repeat {
                    Some(repeat) if now.since(told.at) >= repeat => What::Reminder,
                    _ => continue,
                },
                (false, Some(_)) => What::Resolved,
                (false, None) => continue,
            };
            match (alert.silenced, alert.quieted && what != What::Resolved) {
                (true, _) => held.push((alert.key.clone(), Held::Silenced)),
                (false, true) => held.push((alert.key.clone(), Held::Quieted)),
                (false, false) => due.entry(alert.group).or_default().push((alert.key.clone(), what)),
            }
        }
        let mut notices = Vec::new();
        for (name, alerts) in &due {
            let group = self.groups.entry((*name).to_owned()).or_default();
            let gathered = *group.stirred.get_or_insert(now) + options.batch;
            let cooled = group.sent.map_or(Instant::ORIGIN, |sent| sent + options.cooldown);
            if now < cooled || now < gathered {
                let why = match cooled >= gathered {
                    true => Held::Cooling { until: cooled },
                    false => Held::Gathering { until: gathered },
                };
                held.extend(alerts.iter().map(|(key, _)| (key.clone(), why)));
                continue;
            }
            *group = Group { sent: Some(now), stirred: None };
            for (key, what) in alerts {
                match what {
                    What::Resolved => self.told.remove(key),
                    What::Active | What::Reminder => {
                        self.told.insert(key.clone(), Told { at: now, sure: true })
                    }
                };
            }
            notices.push(Notice { group: (*name).to_owned(), alerts: alerts.clone() });
        }
        self.groups.retain(|name, group| {
            if !due.contains_key(name.as_str()) {
                group.stirred = None;
            }
            group.stirred.is_some() || group.sent.is_some_and(|sent| now < sent + options.cooldown)
        });
        (notices, held)
    }

    /// That an alert is active did not arrive: it counts as never said, and is said again if it is still so.
    pub fn unsaid(&mut self, key: &K) {
        self.told.remove(key);
    }

    /// Nobody knows whether that an alert is active has arrived: it is said again if it is still so, and its end is said.
    pub fn unsure(&mut self, key: &K) {
        if let Some(told) = self.told.get_mut(key) {
            told.sure = false;
        }
    }

    /// That an alert is over did not arrive, or may not have: those who were told of it still believe it, surely or
    /// perhaps.
    pub fn unended(&mut self, key: &K, told: Told) {
        self.told.entry(key.clone()).or_insert(told);
    }
}
