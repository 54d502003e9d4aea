//! `seawall-chaos`: the ledger, the worker and the driver, one program.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use seawall_chaos::args::{Task, USAGE, parse};
use seawall_chaos::driver::{self, Campaign, Listens, Store};
use seawall_chaos::report::Report;
use seawall_chaos::{ledger, self_test, words, worker};
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    let task = match parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(wrong) => {
            eprintln!("seawall-chaos: {wrong}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done(task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("seawall-chaos: {why}");
            ExitCode::from(3)
        }
    }
}

/// Does everything hold?
fn done(task: Task) -> Result<bool, String> {
    match task {
        Task::Help => say(USAGE).map(|()| true),
        Task::Ledger { book, window } => {
            // It lives as long as whoever started it.
            let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
            let told = |ledger, http| drop(say(words::line(&Listens { ledger, http }).trim()));
            small()?.block_on(ledger::serve(&book, window, told)).map_err(|error| error.to_string())?;
            Ok(true)
        }
        Task::Worker(setup) => small()?.block_on(worker::work(*setup)).map(|()| true),
        Task::Run { stores, length, seed, gateway, json } => {
            let runtime =
                Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
            let mut well = true;
            for store in stores {
                let mut campaign = campaign(store, length, seed)?;
                if let Some(seawall) = gateway.clone() {
                    campaign = campaign.by_gateways(seawall);
                }
                let ran = runtime.block_on(driver::run(&campaign)).map_err(|error| error.to_string())?;
                let report = Report::of(&campaign, &ran);
                match json {
                    true => say(words::line(&report).trim())?,
                    false => say(&report.to_string())?,
                }
                well &= report.violations.is_empty();
            }
            Ok(well)
        }
        Task::SelfTest { seed, json, control } => {
            let runtime =
                Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
            let program = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
            let tried = runtime
                .block_on(self_test::run(&program, seed, !control))
                .map_err(|error| error.to_string())?;
            match json {
                true => say(words::line(&tried).trim())?,
                false => say(&self_test::table(&tried, !control))?,
            }
            Ok(tried.iter().all(|tried| if control { tried.broken.is_empty() } else { tried.is_caught() }))
        }
    }
}

fn campaign(store: Store, length: Duration, seed: u64) -> Result<Campaign, String> {
    let program = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
    Ok(Campaign::new(program, store, length, seed))
}

fn small() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())
}

fn say(text: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{text}").map_err(|error| error.to_string())
}
