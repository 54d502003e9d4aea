//! The command line, parsed once.

/// Shown by `--help` and after a mistake.
pub(crate) const USAGE: &str = "\
usage: cargo xtask <job>

  test [--quick]      every test; --quick: format and unit tests only, no servers, no Python
  lint                rustfmt --check, clippy with warnings as errors, cargo deny
  deny                licences, bans, sources; advisories when their database can be reached
  bench [WHAT] [--rounds N] [--seconds S]
                      WHAT: gateway (beside nginx and Envoy), memory, pipeline, signals (what being watched
                      adds, on against off), inspect (what looking for attacks costs the gateway), all (default)
                      N rounds per contender (default 3) of S seconds (default 5)
  peers [--trials N] [--seed S] [--patience P] [--only PART]
                      the effect guard beside Powertools and DBOS on the same faults, N wishes each (default 50), asked
                      for up to P seconds (default 30); PART of a line's name: shown, not kept. Some ten minutes
  mutants [--shard K/N] [FILE...]
                      breaks the policies, one place at a time, and counts what their tests notice; hours for all of
                      them. K/N: every Nth one, from the Kth on (K from 0). FILE: only what is in files of that name
  detect [--tune]     the injection detector on attack lists and benign text, beside ModSecurity and its Core Rule
                      Set; --tune: only the half that rules may be fitted to, showing what is missed there
  chaos [--minutes N] [--seed S] [--store redis|sqlite|both] [--gateway] [--self-test]
                      kills workers and redis-server while effects are done, and checks that none was
                      done twice: half a minute on each store (default both), or N minutes on each;
                      --gateway: kills the gateway while keyed calls go through it, instead;
                      --self-test: makes mistakes on purpose, and each must be found
  fuzz [TARGET] [--minutes N] [--seed S] [--input FILE] [--self-test]
                      makes inputs for whoever reads bytes from outside, from fuzz/corpus on: TARGET for N minutes
                      (default 1), or the round that is part of `test`; FILE: only this input, as one that was found;
                      --self-test: mistakes on purpose, and each must be found
  --help              this text

CI set in the environment: missing tools are installed, and what cannot run is a failure.";

/// What was asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Job {
    Test { quick: bool },
    Lint,
    Deny,
    Bench(Bench),
    Peers(Peers),
    Mutants(Mutants),
    Detect { tune: bool },
    Chaos(Chaos),
    Fuzz(Fuzz),
    Help,
}

/// What to measure, and how long.
#[derive(Debug, PartialEq)]
pub(crate) struct Bench {
    pub(crate) gateway: bool,
    pub(crate) memory: bool,
    pub(crate) pipeline: bool,
    pub(crate) signals: bool,
    pub(crate) inspect: bool,
    /// Measured turns of each contender; medians are reported. Default 3.
    pub(crate) rounds: u32,
    /// Length of one turn. Default 5 s.
    pub(crate) seconds: u32,
}

/// The contest of guards.
#[derive(Debug, PartialEq)]
pub(crate) struct Peers {
    /// Wishes for each contestant and fault. Default 50.
    pub(crate) trials: u32,
    /// What the pauses before kills are drawn from.
    pub(crate) seed: u32,
    /// How long callers ask, in seconds. Default 30.
    pub(crate) patience: u32,
    /// Only lines whose name, `contestant: fault`, has this in it.
    pub(crate) only: Option<String>,
}

/// Which places to break.
#[derive(Debug, PartialEq)]
pub(crate) struct Mutants {
    /// Every nth, beginning with the kth, from 0.
    pub(crate) shard: Option<(u32, u32)>,
    /// Names or paths of files; empty for all.
    pub(crate) files: Vec<String>,
}

/// How workers are killed, and for how long.
#[derive(Debug, PartialEq)]
pub(crate) struct Chaos {
    /// `redis`, `sqlite` or `both`.
    pub(crate) store: String,
    /// On each store. Default 30.
    pub(crate) seconds: u64,
    /// What the plan is drawn from.
    pub(crate) seed: u64,
    /// Gateways are killed instead of workers.
    pub(crate) gateway: bool,
    /// Mistakes on purpose, instead.
    pub(crate) self_test: bool,
}

/// Which reader is fed, and for how long.
#[derive(Debug, PartialEq)]
pub(crate) struct Fuzz {
    /// None: the round of every full test.
    pub(crate) target: Option<String>,
    /// Default 60.
    pub(crate) seconds: u64,
    /// What inputs are drawn from; drawn itself where none is given.
    pub(crate) seed: Option<u32>,
    /// One input instead of many.
    pub(crate) input: Option<String>,
    /// Mistakes on purpose, instead.
    pub(crate) self_test: bool,
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
        "peers" => peers(&rest).map(Job::Peers),
        "mutants" => mutants(&rest).map(Job::Mutants),
        "detect" => match rest[..] {
            [] => Ok(Job::Detect { tune: false }),
            ["--tune"] => Ok(Job::Detect { tune: true }),
            _ => Err(format!("detect takes only --tune, not {rest:?}")),
        },
        "chaos" => chaos(&rest).map(Job::Chaos),
        "fuzz" => fuzz(&rest).map(Job::Fuzz),
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
            "gateway" | "memory" | "pipeline" | "signals" | "inspect" | "all" if what.is_none() => {
                what = Some(*word);
            }
            other => {
                let known = "gateway, memory, pipeline, signals, inspect or all";
                return Err(format!("bench knows no {other:?}: {known}"));
            }
        }
    }
    let what = what.unwrap_or("all");
    let wants = |name: &str| what == name || what == "all";
    Ok(Bench {
        gateway: wants("gateway"),
        memory: wants("memory"),
        pipeline: wants("pipeline"),
        signals: wants("signals"),
        inspect: wants("inspect"),
        rounds,
        seconds,
    })
}

fn peers(words: &[&str]) -> Result<Peers, String> {
    let mut wanted = Peers { trials: 50, seed: 4, patience: 30, only: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().ok_or_else(|| format!("{word} wants a value"));
        match *word {
            "--trials" => wanted.trials = between(word, value()?, 1, 1000)?,
            "--patience" => wanted.patience = between(word, value()?, 10, 600)?,
            "--seed" => wanted.seed = between(word, value()?, 0, u32::MAX)?,
            "--only" => wanted.only = Some(value()?.to_owned()),
            other => return Err(format!("peers knows no {other:?}: --trials, --seed, --patience or --only")),
        }
    }
    Ok(wanted)
}

fn between(flag: &str, word: &str, least: u32, most: u32) -> Result<u32, String> {
    match word.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{flag} {word}: write a number from {least} to {most}")),
    }
}

fn mutants(words: &[&str]) -> Result<Mutants, String> {
    let mut chosen = Mutants { shard: None, files: Vec::new() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--shard" => chosen.shard = Some(shard(words.next())?),
            flag if flag.starts_with('-') => {
                return Err(format!("mutants knows no {flag:?}: --shard K/N, or names of files"));
            }
            file => chosen.files.push(file.into()),
        }
    }
    Ok(chosen)
}

/// `K/N`: one of N parts, counted from 0.
fn shard(word: Option<&&str>) -> Result<(u32, u32), String> {
    let word = word.copied().unwrap_or_default();
    let parts = word.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    parts
        .filter(|(k, n)| k < n)
        .ok_or_else(|| format!("--shard {word}: write K/N with K from 0 to N-1, such as 0/4"))
}

fn chaos(words: &[&str]) -> Result<Chaos, String> {
    let mut asked = Chaos { store: "both".into(), seconds: 30, seed: 2026, gateway: false, self_test: false };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--minutes" => asked.seconds = 60 * u64::from(number("--minutes", words.next())?),
            "--seed" => {
                let seed = words.next().ok_or("--seed wants a number")?;
                asked.seed = seed.parse().map_err(|_| format!("--seed {seed}: write a number"))?;
            }
            "--store" => {
                let store = words.next().ok_or("--store wants a name: redis, sqlite or both")?;
                if !["redis", "sqlite", "both"].contains(store) {
                    return Err(format!("--store {store}: write redis, sqlite or both"));
                }
                asked.store = (*store).into();
            }
            "--gateway" => asked.gateway = true,
            "--self-test" => asked.self_test = true,
            other => return Err(format!("chaos knows no {other:?}")),
        }
    }
    Ok(asked)
}

fn fuzz(words: &[&str]) -> Result<Fuzz, String> {
    let mut asked = Fuzz { target: None, seconds: 60, seed: None, input: None, self_test: false };
    let mut minutes = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--minutes" => minutes = Some(number("--minutes", words.next())?),
            "--seed" => {
                let seed = words.next().ok_or("--seed wants a number")?;
                asked.seed = Some(between("--seed", seed, 1, u32::MAX)?);
            }
            "--input" => asked.input = Some((*words.next().ok_or("--input wants a file")?).into()),
            "--self-test" => asked.self_test = true,
            target if asked.target.is_none() && crate::fuzz::is_target(target) => {
                asked.target = Some(target.into());
            }
            other => {
                let known: Vec<&str> = crate::fuzz::targets().collect();
                return Err(format!("fuzz knows no {other:?}: {}", known.join(", ")));
            }
        }
    }
    let detailed = minutes.is_some() || asked.seed.is_some() || asked.input.is_some();
    if detailed && asked.target.is_none() {
        return Err("--minutes, --seed and --input are for one target: name it".into());
    }
    if asked.self_test && asked.target.is_some() {
        return Err("--self-test has a target of its own: name no other".into());
    }
    asked.seconds = minutes.map_or(asked.seconds, |minutes| 60 * u64::from(minutes));
    Ok(asked)
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
        assert_eq!(parsed("detect"), Ok(Job::Detect { tune: false }));
        assert_eq!(parsed("detect --tune"), Ok(Job::Detect { tune: true }));
        assert_eq!(parsed("--help"), Ok(Job::Help));
        assert_eq!(parsed("bench --help"), Ok(Job::Help));
    }

    #[test]
    fn bench_without_a_name_means_all_of_them() {
        let all = Bench {
            gateway: true,
            memory: true,
            pipeline: true,
            signals: true,
            inspect: true,
            rounds: 3,
            seconds: 5,
        };
        assert_eq!(parsed("bench"), Ok(Job::Bench(all)));
        let none = || Bench {
            gateway: false,
            memory: false,
            pipeline: false,
            signals: false,
            inspect: false,
            rounds: 7,
            seconds: 2,
        };
        let one = Bench { signals: true, ..none() };
        assert_eq!(parsed("bench signals --rounds 7 --seconds 2"), Ok(Job::Bench(one)));
        let one = Bench { gateway: true, ..none() };
        assert_eq!(parsed("bench --rounds 7 gateway --seconds 2"), Ok(Job::Bench(one)));
    }

    #[test]
    fn peers_may_be_fewer_and_shorter() {
        let some = Peers { trials: 10, seed: 4, patience: 30, only: Some("Redis".into()) };
        assert_eq!(parsed("peers --only Redis --trials 10"), Ok(Job::Peers(some)));
    }

    #[test]
    fn mutants_are_all_or_a_part_or_those_of_some_files() {
        let all = Mutants { shard: None, files: Vec::new() };
        assert_eq!(parsed("mutants"), Ok(Job::Mutants(all)));
        let some = Mutants { shard: Some((1, 4)), files: vec!["step.rs".into(), "limit.rs".into()] };
        assert_eq!(parsed("mutants step.rs --shard 1/4 limit.rs"), Ok(Job::Mutants(some)));
    }

    #[test]
    fn chaos_is_half_a_minute_on_both_stores_unless_told_otherwise() {
        let both = Chaos { store: "both".into(), seconds: 30, seed: 2026, gateway: false, self_test: false };
        assert_eq!(parsed("chaos"), Ok(Job::Chaos(both)));
        let long = Chaos { store: "redis".into(), seconds: 600, seed: 7, gateway: true, self_test: true };
        let line = "chaos --minutes 10 --seed 7 --store redis --gateway --self-test";
        assert_eq!(parsed(line), Ok(Job::Chaos(long)));
    }

    #[test]
    fn a_target_is_fuzzed_for_a_minute_unless_told_otherwise() {
        let round = Fuzz { target: None, seconds: 60, seed: None, input: None, self_test: false };
        assert_eq!(parsed("fuzz"), Ok(Job::Fuzz(round)));
        let long = Fuzz {
            target: Some("vault".into()),
            seconds: 1800,
            seed: Some(7),
            input: None,
            self_test: false,
        };
        assert_eq!(parsed("fuzz --minutes 30 vault --seed 7"), Ok(Job::Fuzz(long)));
        let one = Fuzz {
            target: Some("texts".into()),
            seconds: 60,
            seed: None,
            input: Some("f".into()),
            self_test: false,
        };
        assert_eq!(parsed("fuzz texts --input f"), Ok(Job::Fuzz(one)));
        assert!(matches!(parsed("fuzz --self-test"), Ok(Job::Fuzz(Fuzz { self_test: true, .. }))));
    }

    #[test]
    fn a_wrong_word_is_named() {
        for (line, word) in [
            ("", "no job"),
            ("tset", "tset"),
            ("lint now", "now"),
            ("test --slow", "--slow"),
            ("detect --all", "--all"),
            ("bench gatway", "gatway"),
            ("bench --rounds", "--rounds"),
            ("bench --rounds 0", "--rounds 0"),
            ("peers --trials 0", "--trials 0"),
            ("peers --patience", "--patience"),
            ("peers dbos", "dbos"),
            ("mutants --shard", "--shard"),
            ("mutants --shard 4/4", "4/4"),
            ("mutants --shard one/4", "one/4"),
            ("mutants --all", "--all"),
            ("chaos --minutes 0", "--minutes 0"),
            ("chaos --store mongo", "mongo"),
            ("chaos --seed never", "never"),
            ("chaos --quick", "--quick"),
            ("fuzz valt", "valt"),
            ("fuzz planted", "planted"),
            ("fuzz --minutes 3", "--minutes"),
            ("fuzz vault --seed 0", "--seed 0"),
            ("fuzz vault --input", "--input"),
            ("fuzz vault --self-test", "--self-test"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(word), "{line:?} answered {error:?}");
        }
    }
}
