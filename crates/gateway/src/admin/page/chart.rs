//! Sparklines and bars, drawn by the server: how many calls, and how many of them failed.

use seawall_signals::history::STEPS;
use seawall_signals::view::History;

/// Height of a sparkline in its own units; its width is one unit for each step.
const HEIGHT: f64 = 28.0;
/// What is above zero is seen, however little it is.
const LEAST: f64 = 1.5;
/// A peak below this does not fill the height: two calls are no rush.
const CALM: u64 = 4;
/// From one bar to the next, and how much of that is the bar.
const PLACE: usize = 10;
const BAR: usize = 8;

/// An area for all calls, one for those that failed, and the same in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chart {
    /// The outline of all calls, for `d` of a path.
    pub(super) calls: String,
    /// The outline of those that failed.
    pub(super) failed: String,
    /// Its width in its own units.
    pub(super) width: usize,
    /// The line below what is known, for `d` of a path.
    pub(super) ground: String,
    /// The line below what nothing is known of.
    pub(super) unknown: String,
    /// What a pointer is told of a bar: where it is, and its words.
    pub(super) hints: Vec<(usize, String)>,
    /// For whoever cannot see it.
    pub(super) words: String,
}

/// One bar.
pub(super) struct Bar {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) title: String,
}

/// One minute in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Minute {
    /// How long ago it ended, in minutes.
    pub(super) ago: usize,
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
}

/// Draws the history of one upstream, or of several laid on top of each other.
pub(super) fn draw(histories: &[&History]) -> Chart {
    let sums = |of: &dyn Fn(&History) -> &[u64]| -> Vec<u64> {
        let length = histories.iter().map(|history| of(history).len().min(STEPS)).max().unwrap_or(0);
        let at = |ago: usize| {
            let each = histories.iter().filter_map(|history| of(history).iter().rev().nth(ago));
            each.fold(0_u64, |sum, count| sum.saturating_add(*count))
        };
        (0..length).rev().map(at).collect()
    };
    let (calls, failed) = (sums(&|history| &history.calls), sums(&|history| &history.failures));
    let peak = calls.iter().copied().max().unwrap_or(0);
    let total = |counts: &[u64]| counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let from = STEPS - calls.len();
    let words = match total(&calls) {
        0 => "no calls in the last 10 minutes".to_owned(),
        all => format!(
            "last 10 minutes: {} calls, {} failed, at most {} in 5 s",
            super::words::count(all),
            super::words::count(total(&failed)),
            super::words::count(peak)
        ),
    };
    let scale = peak.max(CALM);
    Chart {
        calls: outline(&calls, from, scale),
        failed: outline(&failed, STEPS - failed.len(), scale),
        width: STEPS,
        ground: format!("M{from} 28.5H{STEPS}"),
        words,
        ..Chart::default()
    }
}

/// Draws a bar for each step; none where nothing is known of it.
pub(super) fn bars(bars: &[Option<Bar>], words: String) -> Chart {
    let scale = bars.iter().flatten().map(|bar| bar.calls).max().unwrap_or(0).max(CALM);
    let mut chart = Chart { width: bars.len() * PLACE, words, ..Chart::default() };
    for (place, bar) in bars.iter().enumerate() {
        let (from, to) = (place * PLACE, (place + 1) * PLACE);
        let Some(bar) = bar else {
            chart.unknown.push_str(&format!("M{from} 28.5H{to}"));
            continue;
        };
        chart.ground.push_str(&format!("M{from} 28.5H{to}"));
        let (left, right) = (from + 1, from + 1 + BAR);
        // Never above all of them, whatever was counted.
        for (path, count) in [(&mut chart.calls, bar.calls), (&mut chart.failed, bar.failed.min(bar.calls))] {
            if count > 0 {
                path.push_str(&format!("M{left} {HEIGHT}V{:.1}H{right}V{HEIGHT}Z", height(count, scale)));
            }
        }
        chart.hints.push((from, bar.title.clone()));
    }
    chart
}

/// Where so many are, from above.
fn height(count: u64, scale: u64) -> f64 {
    match count {
        0 => HEIGHT,
        count => HEIGHT - (count as f64 / scale as f64 * (HEIGHT - 1.0)).max(LEAST),
    }
}

/// An area that rises and falls in steps, from the left to the right and back along the ground.
fn outline(counts: &[u64], from: usize, scale: u64) -> String {
    if counts.iter().all(|count| *count == 0) {
        return String::new();
    }
    let mut path = format!("M{from} {HEIGHT}");
    let mut level = HEIGHT;
    for (place, count) in counts.iter().enumerate() {
        let next = height(*count, scale);
        if next != level {
            path.push_str(&format!("H{}V{next:.1}", from + place));
            level = next;
        }
    }
    path.push_str(&format!("H{STEPS}V{HEIGHT}Z"));
    path
}

/// The same minute by minute, the latest first.
pub(super) fn minutes(history: &History) -> Vec<Minute> {
    let steps = 60_u64.checked_div(history.step_seconds).and_then(|steps| usize::try_from(steps).ok());
    let steps = steps.unwrap_or(0).max(1);
    let sum = |counts: &[u64], ago: usize| {
        counts.iter().rev().skip(ago * steps).take(steps).fold(0_u64, |sum, count| sum.saturating_add(*count))
    };
    let of = |ago: usize| Minute {
        ago,
        calls: sum(&history.calls, ago),
        failed: sum(&history.failures, ago),
        retried: sum(&history.retries, ago),
    };
    (0..history.calls.len().div_ceil(steps)).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(calls: &[u64], failures: &[u64]) -> History {
        History {
            step_seconds: 5,
            calls: calls.into(),
            failures: failures.into(),
            retries: vec![1; calls.len()],
            ..History::default()
        }
    }

    #[test]
    fn an_area_rises_where_calls_were_and_begins_where_the_memory_does() {
        let chart = draw(&[&history(&[0, 10, 10, 5], &[0, 0, 1, 0])]);
        assert_eq!(chart.calls, "M116 28H117V1.0H119V14.5H120V28Z");
        assert_eq!(chart.failed, "M116 28H118V25.3H119V28.0H120V28Z");
        assert_eq!(
            (chart.ground.as_str(), chart.words.as_str()),
            ("M116 28.5H120", "last 10 minutes: 25 calls, 1 failed, at most 10 in 5 s")
        );
    }

    #[test]
    fn several_are_added_from_the_present_backwards() {
        let chart = draw(&[&history(&[8], &[8]), &history(&[4, 0], &[0, 0])]);
        assert_eq!(chart.calls, "M118 28H118V14.5H119V1.0H120V28Z");
        assert_eq!(chart.ground, "M118 28.5H120");
    }

    #[test]
    fn nothing_and_absurd_numbers_are_drawn_too() {
        assert_eq!(
            draw(&[]),
            Chart {
                width: STEPS,
                ground: "M120 28.5H120".into(),
                words: "no calls in the last 10 minutes".into(),
                ..Chart::default()
            }
        );
        let chart = draw(&[&history(&[u64::MAX; 300], &[u64::MAX; 2]), &history(&[u64::MAX], &[])]);
        assert_eq!(chart.calls, "M0 28H0V1.0H120V28Z");
        assert!(minutes(&History { step_seconds: 0, calls: vec![3, 4], ..History::default() }).len() == 2);
    }

    #[test]
    fn one_failure_among_a_million_is_seen() {
        let chart = draw(&[&history(&[1_000_000], &[1])]);
        assert_eq!(chart.failed, "M119 28H119V26.5H120V28Z");
    }

    #[test]
    fn a_bar_stands_for_each_step_and_none_where_nothing_is_known() {
        let bar = |calls, failed| Some(Bar { calls, failed, title: format!("{calls}") });
        let chart = super::bars(&[bar(10, 5), None, bar(0, 0), bar(1, 7)], "so".into());
        assert_eq!(chart.calls, "M1 28V1.0H9V28ZM31 28V25.3H39V28Z");
        assert_eq!(chart.failed, "M1 28V14.5H9V28ZM31 28V25.3H39V28Z");
        assert_eq!(
            (chart.ground.as_str(), chart.unknown.as_str()),
            ("M0 28.5H10M20 28.5H30M30 28.5H40", "M10 28.5H20")
        );
        assert_eq!(chart.hints, [(0, "10".to_owned()), (20, "0".to_owned()), (30, "1".to_owned())]);
        assert_eq!(super::bars(&[], String::new()), Chart::default());
    }

    #[test]
    fn minutes_count_back_from_now() {
        let counts: Vec<u64> = (1..=18).collect();
        let minutes = minutes(&history(&counts, &[0; 18]));
        assert_eq!(minutes.len(), 2);
        assert_eq!((minutes[0].ago, minutes[0].calls, minutes[0].retried), (0, (7..=18).sum(), 12));
        assert_eq!((minutes[1].ago, minutes[1].calls, minutes[1].retried), (1, (1..=6).sum(), 6));
    }
}
