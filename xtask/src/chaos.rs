//! Kills workers while they do effects, and checks that nothing was done twice: `seawall-chaos`, in its turns.

use crate::args::Chaos;
use crate::process::{find, run};
use crate::report::{Report, Stop};
use crate::tools;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BUILDING: Duration = Duration::from_secs(2400);
/// What healing, draining and a busy machine may add to a turn.
const BESIDE: Duration = Duration::from_secs(600);

/// How long blows fall in a part of `test`, on which store, on gateways or on workers: with the time to heal and the
/// self-test less than three minutes in all.
const SHORT: [(&str, u64, bool); 3] = [("redis", 20, false), ("sqlite", 15, false), ("sqlite", 10, true)];
/// The seed of that part, the same each time; timing still makes every run another one.
const SEED: u64 = 2026;

/// What was asked for by name.
pub(crate) fn campaign(report: &mut Report, asked: &Chaos) {
    let built = report.step("build", || {
        let mut build = Command::new("cargo");
        build.args(["build", "--package", "seawall-chaos", "--package", "seawall-cli", "--bins"]);
        Ok(run(&mut build, BUILDING)?)
    });
    if !built {
        return report.skip("chaos", "the build failed");
    }
    let program = program("seawall-chaos");
    if asked.self_test {
        return self_test(report, &program, asked.seed);
    }
    for store in
        ["redis", "sqlite"].into_iter().filter(|store| asked.store == *store || asked.store == "both")
    {
        turn(report, &program, store, asked.seconds, asked.seed, asked.gateway);
    }
}

/// The short turns that are part of every full test; the program is built already.
pub(crate) fn short(report: &mut Report) {
    let program = program("seawall-chaos");
    for (store, seconds, gateway) in SHORT {
        turn(report, &program, store, seconds, SEED, gateway);
    }
    self_test(report, &program, SEED);
}

fn turn(report: &mut Report, chaos: &Path, store: &str, seconds: u64, seed: u64, gateway: bool) {
    let who = if gateway { "gateway" } else { "workers" };
    report.step(&format!("chaos: {who} on {store}"), || {
        needed(store)?;
        let mut campaign = Command::new(chaos);
        campaign.args(["run", "--store", store]);
        campaign.args(["--seconds", &seconds.to_string(), "--seed", &seed.to_string()]);
        if gateway {
            campaign.arg("--gateway").arg(program("seawall"));
        }
        Ok(run(&mut campaign, Duration::from_secs(seconds) + BESIDE)?)
    });
}

fn self_test(report: &mut Report, program: &Path, seed: u64) {
    report.step("chaos self-test", || {
        needed("redis")?;
        let mut mistakes = Command::new(program);
        Ok(run(mistakes.args(["self-test", "--seed", &seed.to_string()]), BESIDE)?)
    });
}

/// A campaign on Redis has a server of its own, if there is one to start.
fn needed(store: &str) -> Result<(), Stop> {
    if store == "sqlite" || find("redis-server").is_some() {
        return Ok(());
    }
    let why = "redis-server is not here: apt-get install -y redis-server";
    Err(if tools::in_ci() { Stop::Failed(why.into()) } else { Stop::Skipped(why.into()) })
}

fn program(name: &str) -> PathBuf {
    crate::target().join("debug").join(name)
}
