//! What a process costs, as the kernel counts it: CPU and memory of a server and all its workers.

use std::fs;

/// A process and all its descendants.
pub(super) fn family(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = numbers("/proc").filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&of) = family.get(next) {
        family.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(child, _)| *child));
        next += 1;
    }
    family
}

/// Nanoseconds on a CPU, over all threads of all these processes: the first figure of `schedstat`.
pub(super) fn cpu_ns(family: &[u32]) -> Result<u64, String> {
    let mut sum = 0;
    for pid in family {
        for task in numbers(&format!("/proc/{pid}/task")) {
            let file = format!("/proc/{pid}/task/{task}/schedstat");
            // A thread may end between listing and reading; what it used is lost either way.
            let Ok(text) = fs::read_to_string(&file) else { continue };
            let first = text.split_whitespace().next().and_then(|figure| figure.parse::<u64>().ok());
            sum += first.ok_or_else(|| format!("{file} reads {text:?}"))?;
        }
    }
    match sum {
        0 => Err("the kernel counts no CPU time per thread (CONFIG_SCHED_INFO)".into()),
        sum => Ok(sum),
    }
}

/// Resident memory in KiB; pages that workers share count once for each.
pub(super) fn rss_kib(family: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    family.iter().filter_map(of).sum()
}

fn numbers(folder: &str) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The fourth field of `stat`; the second, a name in brackets, may hold spaces.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

/// The middle value; the mean of the two middle ones where the count is even. `None` of nothing.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some((upper + lower) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Running;
    use std::process::Command;

    #[test]
    fn this_process_has_used_cpu_and_memory() {
        let this = [std::process::id()];
        assert!(cpu_ns(&this).unwrap() > 0);
        assert!(rss_kib(&this) > 100);
    }

    #[test]
    fn a_worker_belongs_to_the_family() {
        let mut command = Command::new("sh");
        let shell =
            Running::start("sh", command.args(["-c", "sleep 60 & echo; trap 'kill $!' TERM; wait"])).unwrap();
        let grown = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            family(shell.pid()).len() == 2
        });
        assert!(grown, "{:?}", family(shell.pid()));
    }

    #[test]
    fn the_median_ignores_the_outlier() {
        assert_eq!(median([3.0, 1000.0, 2.0]), Some(3.0));
        assert_eq!(median([1.0, 2.0]), Some(1.5));
        assert_eq!(median([]), None);
    }
}
