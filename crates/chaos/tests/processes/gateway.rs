//! The gateway as a user meets it, killed again and again: and whether it would be noticed if it kept no journal.

use std::path::PathBuf;
use std::time::Duration;

use seawall_chaos::check::Law;
use seawall_chaos::driver::{Campaign, Store, run};
use seawall_chaos::report::Report;

/// The binary beside this test, or wherever `SEAWALL_BIN` says.
fn seawall() -> Option<PathBuf> {
    let named = std::env::var_os("SEAWALL_BIN").map(PathBuf::from);
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("seawall"));
    let binary = named.or_else(beside).filter(|binary| binary.exists());
    if binary.is_none() {
        assert!(std::env::var_os("CI").is_none(), "the binary is not built: run `cargo build` first");
        eprintln!("SKIPPED: the binary is not built: run `cargo build` first");
    }
    binary
}

async fn report(journal: bool) -> Option<Report> {
    let (program, length) = (env!("CARGO_BIN_EXE_seawall-chaos").into(), Duration::from_secs(6));
    let campaign = Campaign::new(program, Store::Sqlite, length, 7).by_gateways(seawall()?);
    // Nobody waits until all is known: what is done twice is done twice.
    let campaign = Campaign { journal, heal: Duration::ZERO, ..campaign };
    let ran = run(&campaign).await.expect("it can run");
    Some(Report::of(&campaign, &ran))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_does_nothing_twice() {
    let Some(report) = report(true).await else { return };
    assert_eq!(report.duplicates, 0, "{report}");
    assert!(report.violations.is_empty() && report.done > 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_its_journal_is_found_out() {
    let Some(report) = report(false).await else { return };
    assert!(report.duplicates > 0, "{report}");
    assert!(report.violations.iter().any(|violation| violation.law == Law::Once), "{report}");
}
