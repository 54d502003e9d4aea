//! A report as a page: one file, no script, nothing loaded from anywhere.

use std::fmt::Write as _;

use super::{Check, History, Report};

/// Writes a report as HTML. Every text is escaped: paths and names may be anybody's.
pub fn html(report: &Report, history: &History) -> String {
    let mut page = String::from(HEAD);
    let verdict = match report.score {
        90.. => "good",
        70..90 => "fair",
        50..70 => "poor",
        _ => "bad",
    };
    let capped = if report.capped { ", held down by a critical check" } else { "" };
    let _ = write!(
        page,
        "<h1>Security audit</h1>\n<p class=\"score {verdict}\"><b>{}</b> of 100: {verdict}{capped}. \
         {} of {} points.</p>\n",
        report.score, report.points, report.max
    );
    if history.0.len() > 1 {
        let _ = writeln!(page, "{}", trend(history));
    }
    page.push_str("<h2>What was lost</h2>\n");
    match report.losses().as_slice() {
        [] => page.push_str("<p>Nothing.</p>\n"),
        losses => {
            page.push_str("<table><tr><th>Points<th>Check<th>Why<th>What to do</tr>\n");
            for (check, loss) in losses {
                let critical = if check.critical { " <strong>critical</strong>" } else { "" };
                let _ = writeln!(
                    page,
                    "<tr><td>{}<td>{}{critical}<td>{}<td>{}</tr>",
                    loss.points,
                    check.id,
                    escaped(&loss.what),
                    escaped(&loss.fix)
                );
            }
            page.push_str("</table>\n");
        }
    }
    page.push_str("<h2>Every check</h2>\n<table><tr><th>Check<th>What should be so<th>Points<th>Of</tr>\n");
    for group in &report.groups {
        let _ = writeln!(
            page,
            "<tr class=\"group\"><td colspan=\"2\">{}<td>{}<td>{}</tr>",
            group.group.as_str(),
            group.points,
            group.max
        );
        report
            .checks
            .iter()
            .filter(|check| check.group == group.group)
            .for_each(|check| row(&mut page, check));
    }
    page.push_str("</table>\n</body>\n</html>\n");
    page
}

fn row(page: &mut String, check: &Check) {
    let title = escaped(check.title);
    let _ = match check.absent {
        Some(why) => {
            writeln!(
                page,
                "<tr class=\"absent\"><td>{}<td>{title}: does not apply, {}<td>–<td>–</tr>",
                check.id,
                escaped(why)
            )
        }
        None => writeln!(page, "<tr><td>{}<td>{title}<td>{}<td>{}</tr>", check.id, check.points, check.max),
    };
}

/// The last scores as a line, and in words for those who do not see it.
fn trend(history: &History) -> String {
    const SHOWN: usize = 50;
    let runs = &history.0[history.0.len().saturating_sub(SHOWN)..];
    let step = 300 / (runs.len() - 1).max(1);
    let points: Vec<String> = runs
        .iter()
        .enumerate()
        .map(|(place, run)| format!("{},{}", place * step, 100 - run.score.min(100)))
        .collect();
    let scores: Vec<String> = runs.iter().map(|run| run.score.to_string()).collect();
    format!(
        "<svg role=\"img\" viewBox=\"-4 -4 308 108\" width=\"308\" height=\"108\"><title>Scores of the last {} runs</title>\
         <desc>{}</desc><polyline points=\"{}\"/></svg>",
        runs.len(),
        scores.join(", "),
        points.join(" ")
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<meta http-equiv=\"content-security-policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<title>Security audit</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; }
.score b { font-size: 2.5rem; }
.group td { font-weight: bold; padding-top: 1rem; }
.absent { opacity: .6; }
polyline { fill: none; stroke: currentColor; stroke-width: 2; }
</style>
</head>
<body>
";
