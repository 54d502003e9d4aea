//! Names each step as it runs, and says at the end what ran, what failed and what was skipped.

use crate::process;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Why a step did not end well.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It ran, and it is wrong. The run fails.
    Failed(String),
    /// It could not run here. The run goes on, and the summary says so.
    Skipped(String),
}

impl From<String> for Stop {
    fn from(why: String) -> Stop {
        Stop::Failed(why)
    }
}

/// The steps of one run, in order.
pub(crate) struct Report {
    began: Instant,
    steps: Vec<Step>,
}

struct Step {
    name: String,
    took: Duration,
    result: Result<(), Stop>,
}

impl Report {
    pub(crate) fn begin() -> Report {
        Report { began: Instant::now(), steps: Vec::new() }
    }

    /// Runs one step, says how it went, and returns whether it ended well. After Ctrl-C nothing more is begun.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), Stop>) -> bool {
        let began = Instant::now();
        eprintln!("\n== {name}");
        let result = match process::interrupted() {
            true => Err(Stop::Failed("interrupted".into())),
            false => work(),
        };
        let took = began.elapsed();
        match &result {
            Ok(()) => eprintln!("== {name}: ok, {}", seconds(took)),
            Err(Stop::Failed(why)) => eprintln!("== {name}: FAILED after {}: {why}", seconds(took)),
            Err(Stop::Skipped(why)) => eprintln!("== {name}: SKIPPED: {why}"),
        }
        let well = result.is_ok();
        self.steps.push(Step { name: name.into(), took, result });
        well
    }

    /// Notes a step that will not run, and why, so that it is not missed silently.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        self.step(name, || Err(Stop::Skipped(why.into())));
    }

    /// Prints the summary and gives the exit code: non-zero if any step failed.
    pub(crate) fn close(self) -> ExitCode {
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
        eprintln!("\n== summary, {} in all", seconds(self.began.elapsed()));
        for step in &self.steps {
            let (name, took) = (&step.name, seconds(step.took));
            match &step.result {
                Ok(()) => eprintln!("   ok       {name:width$}  {took:>8}"),
                Err(Stop::Failed(why)) => eprintln!("   FAILED   {name:width$}  {took:>8}  {why}"),
                Err(Stop::Skipped(why)) => eprintln!("   skipped  {name:width$}  {:>8}  {why}", "-"),
            }
        }
        match self.count(|result| matches!(result, Err(Stop::Failed(_)))) {
            0 => {
                let skipped = self.count(Result::is_err);
                let ran = self.steps.len() - skipped;
                eprintln!("== {ran} steps ok, {skipped} skipped");
                ExitCode::SUCCESS
            }
            failed => {
                eprintln!("== {failed} of {} steps failed", self.steps.len());
                ExitCode::FAILURE
            }
        }
    }

    fn count(&self, which: impl Fn(&Result<(), Stop>) -> bool) -> usize {
        self.steps.iter().filter(|step| which(&step.result)).count()
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_run_and_later_steps_still_run() {
        let mut report = Report::begin();
        assert!(!report.step("first", || Err(Stop::Failed("broken".into()))));
        assert!(report.step("second", || Ok(())));
        assert_eq!(report.close(), ExitCode::FAILURE);
    }

    #[test]
    fn a_skipped_step_does_not_fail_the_run() {
        let mut report = Report::begin();
        report.skip("first", "no such tool here");
        assert!(report.step("second", || Ok(())));
        assert_eq!(report.close(), ExitCode::SUCCESS);
    }
}
