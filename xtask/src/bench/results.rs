//! What was measured, kept: a section of `benches/RESULTS.md` to read, and `benches/results/NAME.json` to compute with.

use crate::process::answer;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;

const OPENING: &str = "\
# What was measured

Written by `cargo xtask bench`; each section is replaced as a whole by the next run. The raw figures are in `results/`.
Machines are shared and noisy: read ratios and CPU per request, and take differences under a tenth for noise.
";

/// The machine and the day, without which a figure means nothing.
pub(crate) struct Machine {
    cpu: String,
    pub(super) cores: usize,
    kernel: String,
    date: String,
}

impl Machine {
    pub(crate) fn here() -> Machine {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Machine {
            cpu: model.map_or("an unnamed CPU", |(_, model)| model).trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            date: answer("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default(),
        }
    }

    pub(crate) fn line(&self) -> String {
        let Machine { cpu, cores, kernel, date } = self;
        format!("{date}, {cores} cores of {cpu}, Linux {kernel}, loopback only.")
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "date": self.date, "cpu": self.cpu, "cores": self.cores, "kernel": self.kernel })
    }
}

/// Shows a section on stdout and, when the binary was `fresh` from this tree, puts it and its raw figures into `benches/`.
pub(super) fn keep(name: &str, section: &str, raw: &Value, fresh: bool) -> Result<(), String> {
    keep_in("RESULTS.md", OPENING, name, section, raw, fresh)
}

/// The same on a page of its own.
pub(crate) fn keep_in(
    page: &str,
    opening: &str,
    name: &str,
    section: &str,
    raw: &Value,
    fresh: bool,
) -> Result<(), String> {
    writeln!(std::io::stdout(), "{section}").map_err(|error| format!("stdout: {error}"))?;
    if !fresh {
        eprintln!("   shown, not kept: not the whole of it, or not a build of this tree");
        return Ok(());
    }
    let benches = crate::root().join("benches");
    let file = benches.join(page);
    let before = fs::read_to_string(&file).unwrap_or_else(|_| opening.to_owned());
    write(&file, &with_section(&before, name, section))?;
    write(&benches.join("results").join(format!("{name}.json")), &format!("{raw:#}\n"))?;
    eprintln!("   kept in benches/{page} and benches/results/{name}.json");
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    let folder = file.parent().unwrap_or(file);
    let put = || {
        fs::create_dir_all(folder)?;
        fs::write(file, text)
    };
    put().map_err(|error: std::io::Error| format!("{}: {error}", file.display()))
}

/// The page with this one section replaced where it stands, or added at the end.
fn with_section(page: &str, name: &str, section: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    let section = format!("{open}{}\n{close}", section.trim_end());
    match (page.find(&open), page.find(&close)) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{section}{}", &page[..from], &page[to + close.len()..])
        }
        _ => format!("{}\n\n{section}", page.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_where_it_stands_and_the_rest_is_kept() {
        let first = with_section(OPENING, "gateway", "## Gateway\n\nold");
        let both = with_section(&first, "memory", "## Memory\n\nkept");
        let page = with_section(&both, "gateway", "## Gateway\n\nnew");
        assert!(page.starts_with(OPENING.trim_end()));
        assert!(page.contains("new") && page.contains("kept") && !page.contains("old"), "{page}");
        assert!(page.find("## Gateway") < page.find("## Memory"));
        assert_eq!(with_section(&page, "gateway", "## Gateway\n\nnew"), page);
    }

    #[test]
    fn the_machine_has_a_name_and_a_day() {
        let machine = Machine::here();
        assert!(machine.cores >= 1 && machine.date.len() == 10, "{}", machine.line());
    }
}
