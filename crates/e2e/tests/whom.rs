//! Which admin port a command asks, and what it says where it cannot know.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use seawall_e2e::Rig;
use seawall_e2e::binary::binary;
use seawall_testkit::{Reply, Upstream};
use tempfile::TempDir;
use tokio::process::Command;

/// Runs `seawall status …` beside a file that says this: how it ended, and what it said.
async fn status(home: &TempDir, words: &[&str], variables: &[(&str, &str)]) -> Option<(Option<i32>, String)> {
    let mut command = Command::new(binary()?);
    command.arg("status").args(words).current_dir(home.path()).env_clear().envs(variables.iter().copied());
    let done = command.output().await.unwrap();
    Some((done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned()))
}

fn beside(text: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("seawall.toml"), text).unwrap();
    home
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_said_with_the_port_that_is_asked_instead() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let at = gateway.gateway.admin().to_string();
    let broken = beside("admin = '127.0.0.1:1'\n[upstream.up\n");
    // The default, wherever that leads.
    let Some((_, said)) = status(&broken, &[], &[]).await else { return };
    let warnings: Vec<&str> = said.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 1, "{said}");
    assert!(
        warnings[0].starts_with("warning: seawall.toml is not read (seawall.toml:2:")
            && warnings[0].ends_with("): http://127.0.0.1:7071 is asked; --admin names another"),
        "{said}"
    );
    // An address from elsewhere: it goes on.
    let (code, said) = status(&broken, &[], &[("SEAWALL__ADMIN", &at)]).await.unwrap();
    assert!(code == Some(0) && said.contains(&format!("): http://{at} is asked")), "{said}");
    let (code, said) = status(&broken, &["--admin", &at], &[]).await.unwrap();
    assert_eq!((code, said.as_str()), (Some(0), ""), "whoever names a port needs no file");
    // What stands in it and is no address.
    let odd = beside("admin = 7071\n");
    let (_, said) = status(&odd, &[], &[]).await.unwrap();
    assert!(said.contains("(admin is no address in it): http://127.0.0.1:7071 is asked"), "{said}");
    // No file at all is nothing to speak of.
    let (code, said) = status(&tempfile::tempdir().unwrap(), &[], &[("SEAWALL__ADMIN", &at)]).await.unwrap();
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn a_token_that_a_broken_configuration_names_is_not_shown_and_that_is_said() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let at = gateway.gateway.admin();
    let broken = beside(&format!("admin = '{at}'\nadmin_token = 'env:TOKEN'\nlisen = 1\n"));
    let Some((code, said)) = status(&broken, &[], &[("TOKEN", "7Qm2xVb9Lw4TzR1nKc8Y")]).await else { return };
    assert_eq!(code, Some(0), "this port wants none: {said}");
    assert!(said.contains("warning: the admin_token is not shown: seawall.toml:3:1: lisen"), "{said}");
    assert!(!said.contains("7Qm2x"), "{said}");
}
