//! What is read, what is refused, and what an error says.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use seawall_core::secret::Secret;

use super::region::{British, Cloud, Country, Region, WattTime, Zone};
use super::*;

fn region(text: &str) -> Region {
    text.parse().unwrap_or_else(|why| panic!("{why}"))
}

/// What a region is called by Electricity Maps, WattTime and in Great Britain.
fn called(text: &str) -> (Option<String>, Option<&'static str>, Option<u8>) {
    let region = region(text);
    (
        region.zone().map(|zone| zone.to_string()),
        region.watttime().map(WattTime::as_str),
        region.british().map(British::id),
    )
}

#[test]
fn every_country_is_there_once_by_two_letters_and_by_three() {
    let two: BTreeSet<_> = Country::all().map(Country::alpha_2).collect();
    let three: BTreeSet<_> = Country::all().map(Country::alpha_3).collect();
    assert_eq!((two.len(), three.len()), (249, 249));
    assert_eq!("DEU".parse::<Country>(), "DE".parse::<Country>());
    for (wrong, advice) in [
        ("UK", "write GB"),
        ("EL", "write GR"),
        ("de", "write DE"),
        ("Deu", "write DEU"),
        ("XX", "two letters"),
        ("", "two letters"),
        ("GERMANY", "two letters"),
        ("D\u{301}", "two letters"),
    ] {
        assert!(wrong.parse::<Country>().unwrap_err().contains(advice), "{wrong}");
    }
}

#[test]
fn the_map_leads_from_each_form_to_the_others_and_guesses_nothing() {
    for (text, zone, grid, british) in [
        ("DE", Some("DE"), Some("DE"), None),
        ("IND", Some("IN"), Some("IND"), None),
        ("GB", Some("GB"), Some("UK"), None),
        ("US", Some("US"), None, None),
        ("US-CAL-CISO", Some("US-CAL-CISO"), None, None),
        ("US-NW-BPAT", Some("US-NW-BPAT"), Some("BPA"), None),
        ("SE-SE3", Some("SE-SE3"), None, None),
        ("XK", Some("XK"), None, None),
        ("CAISO_NORTH", None, Some("CAISO_NORTH"), None),
        ("watttime:SC", Some("US-CAR-SC"), Some("SC"), None),
        ("watttime:DE", Some("DE"), Some("DE"), None),
        ("uk:13", Some("GB"), Some("UK"), Some(13)),
        ("uk:north-scotland", Some("GB"), Some("UK"), Some(1)),
        ("aws/eu-west-2", Some("GB"), Some("UK"), Some(13)),
        ("azure/ukwest", Some("GB"), Some("UK"), Some(7)),
        ("gcp/europe-north1", Some("FI"), Some("FI"), None),
        ("electricitymaps:DE-NEW-1", Some("DE-NEW-1"), None, None),
    ] {
        assert_eq!(called(text), (zone.map(str::to_owned), grid, british), "{text}");
    }
    assert_eq!(region("gcp/us-central1").country().unwrap().alpha_3(), "USA");
    assert_eq!(region("SC").country().unwrap().alpha_3(), "SYC", "a country, unless it is marked");
}

#[test]
fn every_row_of_the_map_leads_somewhere_and_is_written_as_it_is_read() {
    let mut seen = BTreeSet::new();
    for cloud in Cloud::all() {
        assert!(seen.insert(cloud.to_string()), "{cloud} is there twice");
        let (zone, grid) = (cloud.zone().unwrap(), cloud.watttime().unwrap());
        let region = Region::Cloud(cloud);
        assert_eq!(region.to_string().parse(), Ok(region.clone()));
        assert!(zone.country().is_some(), "{cloud}: {zone}");
        // Both agree about the country, where WattTime's region is one.
        if let Some(country) = Region::WattTime(grid).country() {
            assert_eq!(Some(country), zone.country(), "{cloud}");
        }
    }
    for country in Country::all() {
        let region = Region::Country(country);
        assert_eq!(region.to_string().parse(), Ok(region.clone()));
        if let Some(grid) = region.watttime() {
            assert_eq!(Region::WattTime(grid).country(), Some(country), "{grid}");
        }
    }
    for id in 1..=17u8 {
        let region: British = id.to_string().parse().unwrap();
        assert_eq!((region.id(), region.name().parse()), (id, Ok(region)));
    }
}

#[test]
fn a_slip_of_the_pen_is_answered_with_the_nearest_word() {
    for (wrong, advice) in [
        ("SE-SE5", "\"SE-SE5\" is no zone of Electricity Maps: write SE-SE1"),
        ("US-CAL-CSIO", "write US-CAL-CISO"),
        ("se-se3", "write SE-SE3"),
        ("CAISO-NORTH", "is no zone of Electricity Maps: write one such as DE or SE-SE3"),
        ("CAISO_NORHT", "write CAISO_NORTH"),
        ("uk:lodnon", "write london"),
        ("uk:18", "write 1 to 17, or a name such as london"),
        ("uk:+1", "is no region of Great Britain"),
        ("uk:01", "is no region of Great Britain"),
        ("aws/us-eats-1", "write aws/us-east-1"),
        ("us-east-1", "write aws/us-east-1"),
        ("europe-west1", "write gcp/europe-west1"),
        ("oci/us-ashburn-1", "write one such as aws/us-east-1"),
        ("electricitymaps:ZZ-1", "is no zone"),
        ("electricitymaps:DE-1-2-3-4", "is no zone"),
        ("grid:DE", "write one of electricitymaps:, watttime: and uk: before it"),
        ("", "is no country"),
    ] {
        let why = wrong.parse::<Region>().unwrap_err();
        assert!(why.contains(advice), "{wrong}: {why}");
    }
    let long = "A-".repeat(100_000).parse::<Region>().unwrap_err();
    assert!(long.len() < 200, "{long}");
}

proptest! {
    /// Law: whatever is read is written as something that is read as the same; and no text makes it panic.
    #[test]
    fn regions_are_written_as_they_are_read(text in "(watttime:|uk:|electricitymaps:|aws/|)[A-Za-z0-9_é-]{0,12}") {
        if let Ok(region) = text.parse::<Region>() {
            prop_assert_eq!(region.to_string().parse(), Ok(region.clone()));
            prop_assert!(region.zone().is_none_or(|zone| zone.to_string().parse::<Zone>().is_ok() || !zone.is_listed()));
        }
    }

    /// Law: what is a host is written as one, and never has room for a port, a path or a user.
    #[test]
    fn hosts_are_written_as_they_are_read(text in "[a-zA-Z0-9:./@\\[\\]é -]{0,30}") {
        if let Ok(host) = text.parse::<Host>() {
            let written = host.to_string();
            prop_assert_eq!(written.parse(), Ok(host));
            prop_assert!(!written.contains(['/', '@', ' ']));
        }
    }

    /// Law: a block contains the addresses that share its first bits, and no others.
    #[test]
    fn blocks_contain_what_shares_their_bits(address: u32, other: u32, bits in 0u8..=32) {
        let base = (u64::from(address) >> (32 - bits) << (32 - bits)) as u32;
        let block: Cidr = format!("{}/{bits}", std::net::Ipv4Addr::from(base)).parse().unwrap();
        let shares = u64::from(other) >> (32 - bits) == u64::from(base) >> (32 - bits);
        prop_assert_eq!(block.contains(std::net::Ipv4Addr::from(other).into()), shares);
        prop_assert_eq!(block.to_string().parse(), Ok(block));
    }

    /// Law: between its edges a threshold stays as it is.
    #[test]
    fn between_its_edges_a_threshold_stays(low in -1e6..1e6f64, gap in 1e-3..1e6f64, share in 0.001..0.999f64, reached: bool) {
        let (high, between) = (low + gap, low + gap * share);
        prop_assert_eq!(Hysteresis::new(high, low).unwrap().next(reached, between), reached);
        prop_assert_eq!(Hysteresis::new(low, high).unwrap().next(reached, between), reached);
        prop_assert!(Hysteresis::new(high, low).unwrap().next(false, high));
        prop_assert!(!Hysteresis::new(high, low).unwrap().next(true, low));
    }
}

#[test]
fn hosts_ports_and_blocks_say_what_to_write() {
    for (wrong, advice) in [
        ("https://a/b", "without scheme and path"),
        ("a:80", "without a port"),
        ("me@a", "without a user"),
        ("1.2.3.256", "four numbers of 0 to 255"),
        ("0x7f.1", "four numbers of 0 to 255"),
        ("a..b", "a name such as"),
        ("-a", "a name such as"),
        ("", "a name such as"),
        ("b\u{fc}cher.example", "a name such as"),
    ] {
        assert!(wrong.parse::<Host>().unwrap_err().contains(advice), "{wrong}: {:?}", wrong.parse::<Host>());
    }
    assert!("::ffff:127.0.0.1".parse::<Host>().unwrap().is_loopback());
    assert!(!"localhost.example".parse::<Host>().unwrap().is_loopback());
    for wrong in [0, 65_536, u64::MAX] {
        assert!(Port::new(wrong).unwrap_err().ends_with("write a number from 1 to 65535"));
    }
    for (wrong, advice) in [
        ("10.0.0.7/8", "bits behind its mask"),
        ("10.0.0.0/33", "a mask of 0 to 32"),
        ("::/129", "a mask of 0 to 128"),
        ("10.0.0.0/", "a mask of 0 to 32"),
        ("ten/8", "one such as 10.0.0.0/8"),
    ] {
        assert!(wrong.parse::<Cidr>().unwrap_err().contains(advice), "{wrong}");
    }
    let block: Cidr = "10.0.0.0/8".parse().unwrap();
    assert!(block.contains("::ffff:10.1.2.3".parse().unwrap()) && !block.contains("::1".parse().unwrap()));
    assert!("::/0".parse::<Cidr>().unwrap().contains("fe80::1".parse().unwrap()));
}

#[test]
fn quantities_of_carbon_are_possible_ones() {
    for wrong in [0.0, -1.0, 1500.1, f64::NAN, f64::INFINITY] {
        assert!(Intensity::new(wrong).is_err(), "{wrong}");
    }
    let pounds = Intensity::from_pounds_per_mwh(1000.0).unwrap().get();
    assert!((pounds - 453.592_37).abs() < 1e-9, "{pounds}");
    assert!(Grams::new(-0.1).is_err() && Grams::new(f64::NAN).is_err() && Grams::new(1e12).is_ok());
    let bounds: CarbonBounds = serde_json::from_str(r#"{"pause_above": 400, "resume_below": 300}"#).unwrap();
    assert!(bounds.paused(false, 500.0) && bounds.paused(true, f64::NAN) && !bounds.paused(false, f64::NAN));
    let why =
        serde_json::from_str::<CarbonBounds>(r#"{"pause_above": 300, "resume_below": 300}"#).unwrap_err();
    assert!(why.to_string().contains("resume_below 300 is not below pause_above 300"), "{why}");
}

#[test]
fn thresholds_that_contradict_each_other_cannot_be_had() {
    assert!(Hysteresis::new(1.0, 1.0).is_err() && Hysteresis::new(f64::NAN, 1.0).is_err());
    for wrong in [&[][..], &[1.0, 1.0], &[1.0, 3.0, 2.0], &[f64::NAN], &[0.0; 9]] {
        assert!(Ladder::new(wrong).is_err(), "{wrong:?}");
    }
    let ladder = Ladder::new(&[10.0, 20.0]).unwrap();
    assert_eq!(
        [f64::NEG_INFINITY, 10.0, f64::INFINITY, f64::NAN].map(|value| ladder.level(value)),
        [0, 1, 2, 0]
    );
}

#[test]
fn keys_are_refused_for_what_was_pasted_with_them_and_never_repeated() {
    for (wrong, part) in [
        ("", "empty"),
        ("\"sk-canary123\"", "in quotes"),
        ("Basic canary123", "leave out \"Basic\""),
        ("bearer canary123", "leave out \"Bearer\""),
        ("sk-canary 123", "spaces"),
        ("sk-canary123\n", "line breaks"),
        ("sk-canary\u{e9}123", "cannot carry"),
        ("sk-canary\u{0}123", "cannot carry"),
        ("$CANARY_KEY", "nobody filled in"),
        ("{{ canary }}", "spaces"),
        ("canary", "shorter"),
        (&"canary".repeat(100), "longer"),
    ] {
        let why = ApiKey::new(Secret::new(wrong.to_owned())).unwrap_err();
        assert!(why.contains(part) && !why.contains("canary"), "{why}");
    }
    let key = ApiKey::new(Secret::new("sk-canary7Qm2xVb9Lw4TzR1nKc8".to_owned())).unwrap();
    assert!(!format!("{key:?}").contains("canary") && !key.is_weak());
}

#[test]
fn everything_that_is_wrong_with_settings_is_said_at_once() {
    let wrong = Training {
        epochs: 0,
        batch: 0,
        learning_rate: f64::NAN,
        patience: Some(5),
        checkpoint: Duration::ZERO,
        longest: Some(Duration::from_secs(10_000 * 86_400)),
        budget: Grams::new(0.0).ok(),
        ..Training::default()
    };
    let problems = Checked::new(wrong).unwrap_err();
    let keys: Vec<_> = problems.0.iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["epochs", "batch", "learning_rate", "patience", "checkpoint", "longest", "budget"]);
    assert!(
        problems.to_string().starts_with("epochs: 0 is not from 1 to 1000000: write a number in between; "),
        "{problems}"
    );

    let monitoring = Monitoring {
        timeout: Duration::from_secs(10),
        load: [95.0, 80.0],
        free: [5.0, 15.0],
        heat: [80.0, 151.0],
        ..Monitoring::default()
    };
    let keys: Vec<_> =
        Checked::new(monitoring).unwrap_err().0.into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["timeout", "load", "free", "heat"]);

    let security = Security {
        idle: Duration::from_secs(86_400),
        failures: 0,
        key_bits: 32,
        warn: Duration::from_secs(86_400 * 90),
        ..Security::default()
    };
    let keys: Vec<_> = Checked::new(security).unwrap_err().0.into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["idle", "failures", "key_bits", "warn"]);

    let network = Network {
        host: "0.0.0.0".parse().unwrap(),
        allow: vec!["0.0.0.0/0".parse().unwrap()],
        connections: 0,
        ..Network::default()
    };
    let keys: Vec<_> = Checked::new(network).unwrap_err().0.into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["tls", "connections", "allow"]);
}

#[test]
fn defaults_are_good_and_settings_are_read_only_when_they_are() {
    fn good<T: Check + Default>() {
        assert_eq!(T::default().check(), []);
    }
    good::<Training>();
    good::<Monitoring>();
    good::<Security>();
    good::<Network>();
    let text =
        r#"{"host": "api.example.com", "port": 443, "tls": true, "timeout": "20s", "allow": ["10.0.0.0/8"]}"#;
    let network: Checked<Network> = serde_json::from_str(text).unwrap();
    assert_eq!((network.port.get(), network.connect), (443, Duration::from_secs(10)));
    let again: Checked<Network> = serde_json::from_str(&serde_json::to_string(&network).unwrap()).unwrap();
    assert_eq!(again, network);
    for (wrong, part) in [
        (r#"{"port": 0}"#, "0 is no port"),
        (r#"{"port": "443"}"#, "invalid type"),
        (r#"{"host": "a b"}"#, "is no host"),
        (r#"{"prot": 1}"#, "unknown field"),
        (r#"{"timeout": "1s"}"#, "timeout: 1s is not from 10s to 1d"),
    ] {
        let why = serde_json::from_str::<Checked<Network>>(wrong).unwrap_err().to_string();
        assert!(why.contains(part), "{why}");
    }
}
