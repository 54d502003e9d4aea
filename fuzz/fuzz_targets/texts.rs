//! Any text as each of the types that are read from one: refused in one short line, or written as it is read.
#![no_main]

use std::fmt::Display;
use std::str::FromStr;
use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use seawall_core::secret::Secret;
use seawall_security::files::{Digest, SessionId};
use seawall_security::paths::Relative;
use seawall_security::types::region::{British, Cloud, Country, Region, WattTime, Zone};
use seawall_security::types::{ApiKey, Checked, Cidr, Host, Id, Monitoring, Network, Security, Training};
use seawall_security::vault::{Name, moment, strength};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    same::<Id>(&text);
    same::<Host>(&text);
    same::<Cidr>(&text);
    same::<Region>(&text);
    same::<Country>(&text);
    same::<Zone>(&text);
    same::<WattTime>(&text);
    same::<British>(&text);
    same::<Cloud>(&text);
    same::<Name>(&text);
    same::<Digest>(&text);
    same::<Relative>(&text);
    if let Ok(path) = text.parse::<Relative>() {
        assert!(!path.as_str().split('/').any(|name| matches!(name, "" | "." | "..")), "{path}");
    }
    let _ = text.parse::<SessionId>();
    let _ = moment(&text, SystemTime::UNIX_EPOCH);
    let judged = strength(&text);
    assert!(judged.bits <= 65_535);
    let _ = ApiKey::new(Secret::new(text.clone().into_owned()));
    let _ = serde_json::from_str::<Checked<Training>>(&text);
    let _ = serde_json::from_str::<Checked<Monitoring>>(&text);
    let _ = serde_json::from_str::<Checked<Security>>(&text);
    let _ = serde_json::from_str::<Checked<Network>>(&text);
});

fn same<T: FromStr<Err: Display> + Display>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => {
            let written = value.to_string();
            let again = written.parse::<T>().unwrap_or_else(|why| panic!("{written:?}: {why}"));
            assert_eq!(again.to_string(), written);
        }
        Err(why) => {
            let why = why.to_string();
            assert!(!why.contains(char::is_control) && why.len() < 600, "{why:?}");
        }
    }
}
