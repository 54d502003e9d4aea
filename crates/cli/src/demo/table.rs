//! The table, and what has to be said beside it.

use std::fmt::Write;

use super::faults;
use super::measure::Score;
use super::traffic::Kind;
use super::{PAUSE, Play, Way};
use crate::output::Paint;

/// Columns of a terminal nobody widened.
const WIDTH: usize = 80;
/// Columns for the names of the rows, and for each way.
const NAMES: usize = 38;
const CELL: usize = 12;

/// How a cell looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    /// A number like any other.
    Plain,
    /// Good at zero, bad above.
    Harm,
}

struct Row {
    name: String,
    cells: [String; 3],
    tone: Tone,
}

/// The table of the three ways, in their order; `paint` colours a word, or does not.
pub(super) fn table(scores: &[Score; 3], paint: impl Fn(&str, Paint) -> String) -> String {
    // Aligned by what is seen: colours take no room.
    let right = |cell: &str, tone| {
        let room = CELL.saturating_sub(cell.chars().count());
        format!("{}{}", " ".repeat(room), paint(cell, tone))
    };
    let mut text = format!("{:NAMES$}", "");
    for way in Way::ALL {
        text.push_str(&right(way.name(), Paint::Bold));
    }
    text.push('\n');
    for Row { name, cells, tone } in rows(scores) {
        let _ = write!(text, "{name:NAMES$}");
        for cell in cells {
            match tone {
                Tone::Plain => {
                    let _ = write!(text, "{cell:>CELL$}");
                }
                Tone::Harm => {
                    text.push_str(&right(&cell, if cell == "0" { Paint::Good } else { Paint::Bad }));
                }
            }
        }
        text.push('\n');
    }
    text
}

fn rows(scores: &[Score; 3]) -> Vec<Row> {
    let row = |name: &str, tone, cell: &dyn Fn(&Score) -> String| {
        let cells = scores.each_ref().map(cell);
        Row { name: name.to_owned(), cells, tone }
    };
    let mut rows = vec![row("success %", Tone::Plain, &|score| format!("{:.1}", score.success))];
    for (place, kind) in Kind::ALL.into_iter().enumerate() {
        let success = |score: &Score| score.kinds.get(place).map_or(0.0, |share| share.success);
        rows.push(row(&format!("  {}", kind.name()), Tone::Plain, &|score| format!("{:.1}", success(score))));
    }
    rows.extend([
        row("duplicates", Tone::Harm, &|score| score.duplicates.to_string()),
        row("lost", Tone::Harm, &|score| score.lost.to_string()),
        row("told as unknown", Tone::Plain, &|score| score.unknown.to_string()),
        row("truncated taken for complete", Tone::Harm, &|score| score.truncated.to_string()),
        row("p50", Tone::Plain, &|score| duration(score.p50_ms)),
        row("p99", Tone::Plain, &|score| duration(score.p99_ms)),
        row("requests the provider had to bear", Tone::Plain, &|score| score.requests.to_string()),
        row("  of them while it was down", Tone::Plain, &|score| score.requests_in_outage.to_string()),
    ]);
    rows
}

/// What was done, what went wrong, and what the words mean.
pub(super) fn notes(play: &Play, operations: usize) -> String {
    let (seconds, seed, pause) = (play.length.as_secs(), play.seed, PAUSE.as_millis());
    [
        format!(
            "{operations} operations in {seconds} s, the same three ways at once, each way with providers of its own \
             and the same faults: {}. Seed {seed} repeats schedule and faults; timing differs a little.",
            faults::told(play)
        ),
        "retrying: 2 repeats on 408, 409, 429, 5xx and lost connections with the backoff of the common SDKs; orders \
         too, and like OpenAI's without an idempotency key."
            .to_owned(),
        format!(
            "seawall: the plain client with another URL. Defaults, and the providers' published limits, orders \
             \"guarded\" (repeated only if provably not done), breakers that ask again after {pause} ms. Not won \
             back: orders in doubt, streams cut after their beginning, reads while they are down."
        ),
        "success: the whole answer came. lost: told failed but filled, or told done but not; a broken connection is \
         told as failed. p50, p99: all operations, repeats and waiting included."
            .to_owned(),
    ]
    .iter()
    .map(|paragraph| format!("\n{}", wrapped(paragraph, WIDTH)))
    .collect()
}

fn duration(ms: f64) -> String {
    match ms {
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1e3),
    }
}

fn wrapped(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut room = width;
    for word in text.split(' ') {
        let length = word.chars().count();
        if room < width && length + 1 > room {
            lines.push('\n');
            room = width;
        } else if room < width {
            lines.push(' ');
            room -= 1;
        }
        lines.push_str(word);
        room = room.saturating_sub(length);
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::measure::Share;

    fn score(success: f64, harm: usize, ms: f64) -> Score {
        let share = |kind| Share { kind, operations: 10, succeeded: 9, success };
        Score {
            operations: 30,
            succeeded: 27,
            success,
            kinds: Kind::ALL.map(share).into(),
            duplicates: harm,
            lost: harm,
            unknown: 4,
            truncated: harm,
            p50_ms: ms,
            p99_ms: ms * 100.0,
            requests: 31,
            requests_in_outage: 5,
        }
    }

    #[test]
    fn the_table_fits_a_terminal_and_its_numbers_stand_in_line() {
        let text = table(&[score(81.24, 7, 1.2), score(100.0, 12, 15.9), score(96.0, 0, 0.1)], |word, _| {
            word.to_owned()
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("{:38}      direct    retrying     seawall", ""));
        assert_eq!(lines[1], format!("{:38}        81.2       100.0        96.0", "success %"));
        assert_eq!(lines[5], format!("{:38}           7          12           0", "duplicates"));
        assert_eq!(lines[9], format!("{:38}      1.2 ms       16 ms      0.1 ms", "p50"));
        assert_eq!(lines[10], format!("{:38}      120 ms      1.59 s       10 ms", "p99"));
        assert!(lines.iter().all(|line| line.chars().count() == NAMES + 3 * CELL), "{text}");
    }

    #[test]
    fn harm_is_painted_and_stays_in_line() {
        let paint = |word: &str, paint| match paint {
            Paint::Good => format!("[{word}]"),
            Paint::Bad => format!("<{word}>"),
            _ => word.to_owned(),
        };
        let text = table(&[score(1.0, 7, 1.0), score(1.0, 0, 1.0), score(1.0, 0, 1.0)], paint);
        let lost = text.lines().find(|line| line.starts_with("lost")).unwrap();
        assert_eq!(lost, format!("{:38}           <7>           [0]           [0]", "lost"));
    }

    #[test]
    fn the_notes_fit_too_and_name_the_seed() {
        let play = Play::new(77);
        let text = notes(&play, 930);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("Seed 77"), "{text}");
    }

    #[test]
    fn a_word_longer_than_a_line_has_one_to_itself() {
        assert_eq!(wrapped("a abcdefgh b c", 5), "a\nabcdefgh\nb c\n");
        assert_eq!(wrapped("aa bb cc", 5), "aa bb\ncc\n");
    }
}
