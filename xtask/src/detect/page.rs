//! The figures as a page: per corpus, per category, ours beside theirs, each with its interval.

use super::judge::{Said, right};
use super::packages::entries;
use super::sample::{Kind, Sample};
use crate::process::answer;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Hits among tries, with the interval in which the true rate lies 95 times in 100 (Wilson's).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Rate {
    hits: usize,
    tries: usize,
}

impl Rate {
    fn add(&mut self, hit: bool) {
        self.hits += usize::from(hit);
        self.tries += 1;
    }

    fn interval(self) -> (f64, f64) {
        if self.tries == 0 {
            return (0.0, 1.0);
        }
        const Z: f64 = 1.959_964;
        let (n, p) = (self.tries as f64, self.hits as f64 / self.tries as f64);
        let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }

    fn shown(self, digits: usize) -> String {
        if self.tries == 0 {
            return "–".into();
        }
        let percent = |share: f64| format!("{:.digits$}", 100.0 * share);
        let (low, high) = self.interval();
        let rate = self.hits as f64 / self.tries as f64;
        format!("{} % ({} – {})", percent(rate), percent(low), percent(high))
    }
}

/// One row: how many of those that `wanted` picks each of the two calls an attack.
fn rates(samples: &[Sample], ours: &[Said], theirs: &[bool], wanted: impl Fn(&Sample) -> bool) -> [Rate; 3] {
    let mut rates = [Rate::default(); 3];
    for (at, sample) in samples.iter().enumerate().filter(|(_, sample)| wanted(sample)) {
        rates[0].add(ours[at].attack);
        rates[1].add(right(sample.kind, &ours[at]));
        if let Some(refused) = theirs.get(at) {
            rates[2].add(*refused);
        }
    }
    rates
}

/// Writes `benches/DETECT.md`, and says whether the goal was met.
pub(super) fn write(
    folder: &Path,
    samples: &[Sample],
    (ours, theirs): (&[Said], &[bool]),
    speed: &str,
) -> Result<(), String> {
    let rates = |wanted: &dyn Fn(&Sample) -> bool| rates(samples, ours, theirs, wanted);
    let mut corpora: Vec<(Kind, &str)> = Vec::new();
    for sample in samples {
        let kind = if sample.corpus.starts_with("encoded") { Kind::Mixed } else { sample.kind };
        if !corpora.contains(&(kind, sample.corpus)) {
            corpora.push((kind, sample.corpus));
        }
    }
    let mut page = String::from(include_str!("page.md"));
    let today = answer("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default();
    let packages: Vec<String> = entries(&folder.join("debs"))?
        .iter()
        .filter_map(|deb| Some(deb.file_stem()?.to_string_lossy().replace("%3a", ":").replace('_', " ")))
        .collect();
    let _ = writeln!(page, "Measured on {today}, with the packages {}.\n", packages.join(", "));
    page.push_str("## Attacks found, held-out half\n\n");
    page.push_str("| corpus | kind | strings | seawall | and of the right kind | CRS, paranoia 1 | seawall, tuning half |\n");
    page.push_str("|---|---|--:|---|---|---|---|\n");
    for (kind, corpus) in corpora.iter().filter(|(kind, _)| *kind != Kind::Benign) {
        let [found, right, peer] = rates(&|sample| sample.held_out && sample.corpus == *corpus);
        let [tuned, ..] = rates(&|sample| !sample.held_out && sample.corpus == *corpus);
        let _ = writeln!(
            page,
            "| {corpus} | {} | {} | {} | {} | {} | {} |",
            kind.name(),
            found.tries,
            found.shown(1),
            right.shown(1),
            peer.shown(1),
            tuned.shown(1)
        );
    }
    page.push_str(
        "\n## By kind, held-out half\n\n| kind | strings | seawall | CRS, paranoia 1 |\n|---|--:|---|---|\n",
    );
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Benign) {
        let [found, _, peer] = rates(&|sample| sample.held_out && sample.kind == kind);
        let _ =
            writeln!(page, "| {} | {} | {} | {} |", kind.name(), found.tries, found.shown(1), peer.shown(1));
    }
    let [found, _, peer] = rates(&|sample| sample.held_out && sample.is_attack());
    let _ = writeln!(page, "| **all** | {} | **{}** | {} |", found.tries, found.shown(1), peer.shown(1));
    page.push_str("\n## False alarms, held-out half\n\n| corpus | texts | seawall | CRS, paranoia 1 | seawall, tuning half |\n|---|--:|---|---|---|\n");
    for (_, corpus) in corpora.iter().filter(|(kind, _)| *kind == Kind::Benign) {
        let [said, _, refused] = rates(&|sample| sample.held_out && sample.corpus == *corpus);
        let [tuned, ..] = rates(&|sample| !sample.held_out && sample.corpus == *corpus);
        let _ = writeln!(
            page,
            "| {corpus} | {} | {} | {} | {} |",
            said.tries,
            said.shown(2),
            refused.shown(2),
            tuned.shown(2)
        );
    }
    let [alarms, _, refusals] = rates(&|sample| sample.held_out && !sample.is_attack());
    let _ =
        writeln!(page, "| **all** | {} | **{}** | {} | |", alarms.tries, alarms.shown(2), refusals.shown(2));
    page.push_str(&goal(found, peer, alarms, refusals));
    page.push_str(&behind(&Kind::ALL.map(|kind| {
        let [found, _, peer] = rates(&|sample| sample.held_out && sample.kind == kind && sample.is_attack());
        (kind, found, peer)
    })));
    let _ = write!(page, "\n## Speed\n\n{}", speed.trim_end());
    page.push('\n');
    let file = crate::root().join("benches/DETECT.md");
    fs::write(&file, &page).map_err(|error| format!("{}: {error}", file.display()))?;
    eprint!("{page}");
    Ok(())
}

/// Of which kinds the others find more.
fn behind(kinds: &[(Kind, Rate, Rate)]) -> String {
    let share = |rate: &Rate| rate.hits as f64 / rate.tries.max(1) as f64;
    let more =
        kinds.iter().filter(|(_, found, peer)| share(peer) > share(found)).map(|(kind, found, peer)| {
            format!("{} ({:.1} % against {:.1} %)", kind.name(), 100.0 * share(peer), 100.0 * share(found))
        });
    let more: Vec<String> = more.collect();
    if more.is_empty() {
        String::new()
    } else {
        format!("The Core Rule Set finds more of: {}.\n", more.join(", "))
    }
}

/// Whether the goal was met, in words.
fn goal(found: Rate, peer: Rate, alarms: Rate, refusals: Rate) -> String {
    if peer.tries == 0 {
        return "\n## The goal\n\nThe Core Rule Set could not be run here, so there is nothing to compare with.\n".into();
    }
    let (ours, theirs) = (found.hits as f64 / found.tries as f64, peer.hits as f64 / peer.tries as f64);
    let (upper, third) = (alarms.interval().1, refusals.hits as f64 / refusals.tries as f64 / 3.0);
    let word = |met| if met { "met" } else { "missed" };
    format!(
        "\n## The goal\n\nFind no less than the Core Rule Set at paranoia 1: {} ({:.1} % against {:.1} %). \
         The upper bound of false alarms no higher than a third of its rate: {} ({:.2} % against {:.2} %).\n",
        word(ours >= theirs),
        100.0 * ours,
        100.0 * theirs,
        word(upper <= third),
        100.0 * upper,
        100.0 * third,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        let (low, high) = Rate { hits: 81, tries: 263 }.interval();
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        let (low, high) = Rate { hits: 0, tries: 100 }.interval();
        assert!(low == 0.0 && (high - 0.0370).abs() < 1e-4, "{low} {high}");
        assert_eq!(Rate::default().shown(1), "–");
    }

    #[test]
    fn what_others_find_more_of_is_named() {
        let rate = |hits| Rate { hits, tries: 10 };
        let kinds = [(Kind::Sql, rate(9), rate(8)), (Kind::Xss, rate(8), rate(9))];
        assert_eq!(behind(&kinds), "The Core Rule Set finds more of: XSS (90.0 % against 80.0 %).\n");
        assert_eq!(behind(&kinds[..1]), "");
    }

    #[test]
    fn the_goal_is_judged_as_it_is_worded() {
        let rate = |hits, tries| Rate { hits, tries };
        let text = goal(rate(90, 100), rate(90, 100), rate(1, 10_000), rate(60, 10_000));
        assert!(text.contains("met (90.0 %") && text.matches("met").count() == 2, "{text}");
        let text = goal(rate(89, 100), rate(90, 100), rate(21, 10_000), rate(60, 10_000));
        assert_eq!(text.matches("missed").count(), 2, "{text}");
    }
}
