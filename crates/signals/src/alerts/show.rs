//! The board as people see it.

use seawall_policy::alert::{Alert as State, Phase};

use super::board::{Board, Ruled};
use super::calendar::{millis, timestamp};
use super::key::Key;
use super::lane::Lane;
use crate::view;

impl Board {
    /// Every alert, and every rule that has none; the channels beside them.
    pub(super) fn view(&self) -> view::Alerts {
        let mut alerts = Vec::new();
        for ruled in &self.rules {
            let before = alerts.len();
            for (labels, alert) in ruled.book.alerts() {
                let key = Key { rule: ruled.name.clone(), labels: labels.clone() };
                alerts.push(self.alert(ruled, &key, Some(alert)));
            }
            if alerts.len() == before {
                let key = Key { rule: ruled.name.clone(), labels: Default::default() };
                alerts.push(self.alert(ruled, &key, None));
            }
        }
        let rank = |alert: &view::Alert| match alert.state.as_str() {
            "active" | "recovering" => 0,
            "silenced" | "pending" => 1,
            _ => 2,
        };
        alerts.sort_by(|a, b| (rank(a), b.severity, &a.id).cmp(&(rank(b), a.severity, &b.id)));
        let mut channels: Vec<view::Channel> = self.lanes.iter().map(channel).collect();
        channels.sort_by(|a, b| a.name.cmp(&b.name));
        view::Alerts { alerts, channels, failing: None }
    }

    fn alert(&self, ruled: &Ruled, key: &Key, alert: Option<&State>) -> view::Alert {
        let rule = &ruled.rule;
        let silence = self.silence_of(key);
        let phase = alert.map(|alert| alert.machine.phase());
        let (state, since) =
            match phase {
                None | Some(Phase::Quiet) if ruled.book.is_blind() => ("no-data", None),
                None | Some(Phase::Quiet) => ("ok", None),
                Some(Phase::Resolved { since, .. }) => ("resolved", Some(since)),
                Some(
                    Phase::Pending { since } | Phase::Active { since } | Phase::Recovering { since, .. },
                ) if silence.is_some() => ("silenced", Some(since)),
                Some(Phase::Pending { since }) => ("pending", Some(since)),
                Some(Phase::Active { since }) => ("active", Some(since)),
                Some(Phase::Recovering { since, .. }) => ("recovering", Some(since)),
            };
        let value = match alert {
            Some(alert) => alert.value,
            None => ruled.book.nearest(),
        };
        let why = |line: &super::trace::Line| view::Why { at: timestamp(line.at), what: line.what.clone() };
        view::Alert {
            id: key.id(),
            name: rule.name.clone(),
            state: state.to_owned(),
            severity: rule.severity,
            labels: key.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            summary: rule.summary.clone(),
            when: rule.text.clone(),
            since: since.map(|since| timestamp(millis(since))),
            value: value.filter(|value| value.is_finite()),
            fires_in_seconds: alert
                .and_then(|alert| alert.machine.fires_in(rule))
                .map(|left| left.as_secs_f64()),
            silenced: silence.map(|silence| view::Silenced {
                by: silence.by.clone(),
                reason: silence.reason.clone(),
                until: timestamp(millis(silence.until)),
            }),
            quieted_by: self.quieted.get(key).cloned(),
            send: ruled.lanes.iter().map(|place| self.lanes[*place].name.to_string()).collect(),
            why: self.traces.get(key).map(|trace| trace.lines().map(why).collect()).unwrap_or_default(),
        }
    }
}

fn channel(lane: &Lane) -> view::Channel {
    let tally = &lane.tally;
    let state = match (&tally.failing, tally.last_delivered) {
        (Some(_), _) => "failing",
        (None, Some(_)) => "ok",
        (None, None) => "idle",
    };
    view::Channel {
        name: lane.name.to_string(),
        state: state.to_owned(),
        kind: lane.kind.to_owned(),
        waiting: lane.queue.len() as u64,
        delivered: tally.delivered,
        failed: tally.failed,
        dropped: tally.dropped,
        last_delivered: tally.last_delivered.map(|at| timestamp(millis(at))),
        failing: tally.failing.clone(),
    }
}
