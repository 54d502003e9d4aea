//! The command line, parsed once.

/// Shown by `--help` and after a mistake.
pub(crate) const USAGE: &str = "\
usage: cargo xtask <job>

  test [--quick]      every test; --quick: format and unit tests only, no servers, no Python
  lint                rustfmt --check, clippy with warnings as errors, cargo deny
  deny                licences, bans, sources; advisories when their database can be reached
  bench [WHAT] [--rounds N] [--seconds S]
                      WHAT: gateway (beside nginx and Envoy), memory, pipeline, all (default)
                      N rounds per contender (default 3) of S seconds (default 5)
  --help              this text

CI set in the environment: missing tools are installed, and what cannot run is a failure.";

/// What was asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Job {
    Test { quick: bool },
    Lint,
    Deny,
    Bench(Bench),
    Help,
}

/// What to measure, and how long.
#[derive(Debug, PartialEq)]
pub(crate) struct Bench {
    pub(crate) gateway: bool,
    pub(crate) memory: bool,
    pub(crate) pipeline: bool,
    /// Measured turns of each contender; medians are reported. Default 3.
    pub(crate) rounds: u32,
    /// Length of one turn. Default 5 s.
    pub(crate) seconds: u32,
}

/// Turns arguments into a job, or says which word was wrong.
pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Job, String> {
    let words: Vec<String> = words.collect();
    let mut words = words.iter().map(String::as_str);
    let Some(job) = words.next() else { return Err("no job given".into()) };
    let rest: Vec<&str> = words.collect();
    if rest.iter().any(|word| matches!(*word, "-h" | "--help")) {
        return Ok(Job::Help);
    }
    match job {
        "test" => match rest[..] {
            [] => Ok(Job::Test { quick: false }),
            ["--quick"] => Ok(Job::Test { quick: true }),
            _ => Err(format!("test takes only --quick, not {rest:?}")),
        },
        "lint" if rest.is_empty() => Ok(Job::Lint),
        "deny" if rest.is_empty() => Ok(Job::Deny),
        "lint" | "deny" => Err(format!("{job} takes no arguments, not {rest:?}")),
        "bench" => bench(&rest).map(Job::Bench),
        "help" | "-h" | "--help" => Ok(Job::Help),
        other => Err(format!("no job is called {other:?}")),
    }
}

fn bench(words: &[&str]) -> Result<Bench, String> {
    let mut what = None;
    let (mut rounds, mut seconds) = (3, 5);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--rounds" => rounds = number("--rounds", words.next())?,
            "--seconds" => seconds = number("--seconds", words.next())?,
            "gateway" | "memory" | "pipeline" | "all" if what.is_none() => what = Some(*word),
            other => return Err(format!("bench knows no {other:?}: gateway, memory, pipeline or all")),
        }
    }
    let what = what.unwrap_or("all");
    let wants = |name: &str| what == name || what == "all";
    Ok(Bench {
        gateway: wants("gateway"),
        memory: wants("memory"),
        pipeline: wants("pipeline"),
        rounds,
        seconds,
    })
}

/// A count from 1 to 60: a bench is bounded, and zero rounds have no median.
fn number(flag: &str, word: Option<&&str>) -> Result<u32, String> {
    let Some(word) = word else { return Err(format!("{flag} wants a number from 1 to 60")) };
    match word.parse() {
        Ok(count @ 1..=60) => Ok(count),
        _ => Err(format!("{flag} {word}: write a number from 1 to 60")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Job, String> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn every_job_of_the_usage_is_understood() {
        assert_eq!(parsed("test"), Ok(Job::Test { quick: false }));
        assert_eq!(parsed("test --quick"), Ok(Job::Test { quick: true }));
        assert_eq!(parsed("lint"), Ok(Job::Lint));
        assert_eq!(parsed("deny"), Ok(Job::Deny));
        assert_eq!(parsed("--help"), Ok(Job::Help));
        assert_eq!(parsed("bench --help"), Ok(Job::Help));
    }

    #[test]
    fn bench_without_a_name_means_all_of_them() {
        let all = Bench { gateway: true, memory: true, pipeline: true, rounds: 3, seconds: 5 };
        assert_eq!(parsed("bench"), Ok(Job::Bench(all)));
        let one = Bench { gateway: true, memory: false, pipeline: false, rounds: 7, seconds: 2 };
        assert_eq!(parsed("bench --rounds 7 gateway --seconds 2"), Ok(Job::Bench(one)));
    }

    #[test]
    fn a_wrong_word_is_named() {
        for (line, word) in [
            ("", "no job"),
            ("tset", "tset"),
            ("lint now", "now"),
            ("test --slow", "--slow"),
            ("bench gatway", "gatway"),
            ("bench --rounds", "--rounds"),
            ("bench --rounds 0", "--rounds 0"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(word), "{line:?} answered {error:?}");
        }
    }
}
