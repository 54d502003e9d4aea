//! What a report says, and what no facts can make it say.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

/// An installation nobody has anything to say against.
fn sound() -> Facts {
    let file = |role, path: &str, mode| KeptFile { role, path: path.into(), mode, open_above: None };
    Facts {
        environment: Environment {
            root: Some(false),
            core_dumps: Some(false),
            ptrace: Some(false),
            protected_links: Some(true),
            random_addresses: Some(true),
            key_variables: Vec::new(),
            debug_build: false,
        },
        files: vec![
            file(Role::Configuration, "/etc/seawall.toml", 0o644),
            file(Role::State, "/var/lib/seawall", 0o700),
            file(Role::Vault, "/var/lib/seawall/vault", 0o600),
        ],
        listen: Some(([127, 0, 0, 1].into(), false)),
        admin: Some(([127, 0, 0, 1].into(), false)),
        outside: Vec::new(),
        upstreams: vec![UpstreamFact {
            name: "a".into(),
            in_the_clear: false,
            credential: true,
            limited: true,
        }],
        secrets: Secrets { vault: vec!["upstream.a.auth.bearer".into()], ..Secrets::default() },
        vault: Some(Vec::new()),
        trail: Some(true),
        configuration: Some(Ok(Vec::new())),
    }
}

#[test]
fn a_sound_installation_has_a_hundred_and_nothing_known_has_no_score() {
    let report = judge(&sound());
    assert_eq!((report.score, report.capped, report.losses().len()), (100, false, 0));
    assert!(report.max >= 100, "{}", report.max);
    // What is not there does not count, either way.
    let report = judge(&Facts { vault: None, trail: None, ..sound() });
    assert_eq!(report.score, 100);
    let nothing = judge(&Facts::default());
    assert_eq!(
        (nothing.score, nothing.points),
        (100, nothing.max),
        "what can be asked of nothing at all is well"
    );
    assert!(nothing.max <= 6, "{nothing:?}");
}

/// Each fact that is bad alone: what it costs, and whether it is critical.
#[test]
fn every_lost_point_has_a_reason_and_a_fix() {
    type Spoil = fn(&mut Facts);
    let spoils: [(&str, u32, bool, Spoil); 22] = [
        ("environment.user", 8, false, |facts| facts.environment.root = Some(true)),
        ("environment.core-dumps", 4, false, |facts| facts.environment.core_dumps = Some(true)),
        ("environment.ptrace", 2, false, |facts| facts.environment.ptrace = Some(true)),
        ("environment.links", 2, false, |facts| facts.environment.protected_links = Some(false)),
        ("environment.addresses", 2, false, |facts| facts.environment.random_addresses = Some(false)),
        ("environment.variables", 4, false, |facts| facts.environment.key_variables = vec!["A_KEY".into()]),
        ("files.configuration", 10, true, |facts| facts.files[0].mode = 0o664),
        ("files.state", 6, false, |facts| facts.files[1].mode = 0o755),
        ("files.vault", 8, true, |facts| facts.files[2].mode = 0o644),
        ("files.key", 4, false, |facts| {
            facts.files.push(KeptFile { role: Role::KeyBeside, mode: 0o600, ..facts.files[2].clone() });
        }),
        ("files.secrets", 4, true, |facts| {
            facts.files.push(KeptFile { role: Role::Secret, mode: 0o640, ..facts.files[2].clone() });
        }),
        ("files.above", 4, true, |facts| facts.files[0].open_above = Some("/srv".into())),
        ("network.callers", 12, true, |facts| facts.listen = Some(([0, 0, 0, 0].into(), false))),
        ("network.operators", 12, true, |facts| facts.admin = Some(([10, 0, 0, 1].into(), false))),
        ("network.ports", 4, false, |facts| {
            facts.outside = vec![("admin".into(), false), ("listen".into(), true)];
        }),
        ("network.upstreams", 8, false, |facts| facts.upstreams[0].in_the_clear = true),
        ("application.build", 2, false, |facts| facts.environment.debug_build = true),
        ("application.trail", 8, true, |facts| facts.trail = Some(false)),
        ("configuration.valid", 6, true, |facts| facts.configuration = Some(Err("it is not TOML".into()))),
        ("configuration.secrets", 2, false, |facts| {
            facts.secrets.environment = vec!["upstream.b.auth.bearer".into()];
        }),
        ("configuration.vault", 3, false, |facts| facts.vault = Some(vec!["a expires".into()])),
        ("configuration.limits", 1, false, |facts| facts.upstreams[0].limited = false),
    ];
    for (id, points, critical, spoil) in spoils {
        let mut facts = sound();
        spoil(&mut facts);
        let report = judge(&facts);
        let losses = report.losses();
        let [(check, loss)] = losses.as_slice() else { panic!("{id}: {losses:?}") };
        assert_eq!((check.id, loss.points, check.critical), (id, points, critical));
        assert!(!loss.what.is_empty() && !loss.fix.is_empty());
        assert!(report.score < 100 && (report.score <= CAP) == critical, "{id}: {}", report.score);
        assert_eq!(report.capped, critical);
    }
    // And with keys, a port outside is nobody's loss.
    let open = Facts { listen: Some(([0, 0, 0, 0].into(), true)), ..sound() };
    assert_eq!(judge(&open).score, 100);
}

proptest! {
    /// Law: scores stay within their bounds, points add up, and a critical loss caps.
    #[test]
    fn points_add_up_whatever_the_facts(
        flags in proptest::collection::vec(proptest::option::of(any::<bool>()), 6),
        modes in proptest::collection::vec((0usize..6, 0u32..0o1000), 0..8),
        counts in proptest::collection::vec(0usize..9, 5),
    ) {
        let many = |count: usize| vec!["x".to_owned(); count];
        let roles = [Role::Configuration, Role::State, Role::Vault, Role::KeyBeside, Role::Key, Role::Secret];
        let file = |(role, mode): &(usize, u32)| KeptFile { role: roles[*role], path: "/x".into(), mode: *mode, open_above: None };
        let upstream = |place: usize| UpstreamFact { name: "u".into(), in_the_clear: place.is_multiple_of(2), credential: place.is_multiple_of(3), limited: place.is_multiple_of(5) };
        let facts = Facts {
            environment: Environment {
                root: flags[0], core_dumps: flags[1], ptrace: flags[2], protected_links: flags[3], random_addresses: flags[4],
                key_variables: many(counts[0]), debug_build: false,
            },
            files: modes.iter().map(file).collect(),
            listen: flags[5].map(|keys| ([0, 0, 0, 0].into(), keys)),
            upstreams: (0..counts[1]).map(upstream).collect(),
            secrets: Secrets { vault: many(counts[2]), environment: many(counts[3]), files: Vec::new() },
            vault: flags[0].map(|_| many(counts[4])),
            configuration: flags[1].map(|good| if good { Ok(many(counts[2])) } else { Err("no".into()) }),
            ..Facts::default()
        };
        let report = judge(&facts);
        prop_assert!(report.score <= 100 && report.points <= report.max);
        let groups = report.groups.iter().fold((0, 0), |(points, max), group| (points + group.points, max + group.max));
        prop_assert_eq!(groups, (report.points, report.max));
        let lost: u32 = report.losses().iter().map(|(_, loss)| loss.points).sum();
        prop_assert_eq!(report.points + lost, report.max);
        let critical = report.losses().iter().any(|(check, _)| check.critical);
        prop_assert!(!critical || report.score <= CAP);
        let worse = judge(&Facts { admin: Some(([0, 0, 0, 0].into(), false)), ..facts });
        prop_assert!(worse.score <= CAP);
    }
}

#[test]
fn the_page_escapes_what_others_named_and_loads_nothing() {
    let mut facts = sound();
    facts.files[0] = KeptFile {
        role: Role::Configuration,
        path: "/tmp/<script>alert('x')</script>&\"".into(),
        mode: 0o666,
        open_above: None,
    };
    let report = judge(&facts);
    let run = |score| Run { at: "2026-03-01T09:30:00Z".into(), score, lost: Vec::new() };
    let page = html(&report, &History(vec![run(40), run(100), run(7)]));
    assert!(
        page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;")
            && !page.contains("<script"),
        "{page}"
    );
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src="));
    assert!(
        page.contains("points=\"0,60 150,0 300,93\"") && page.contains("<desc>40, 100, 7</desc>"),
        "{page}"
    );
    let sound = html(&judge(&self::sound()), &History::default());
    assert!(
        sound.contains("<b>100</b> of 100: good. ")
            && sound.contains("<p>Nothing.</p>")
            && !sound.contains("<svg")
    );
}

#[test]
fn runs_are_kept_compared_and_bounded() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("deep/security.jsonl");
    assert_eq!(History::read(&path), History::default());
    let mut history = History::default();
    let mut spoiled = sound();
    spoiled.environment.root = Some(true);
    spoiled.trail = Some(false);
    let bad = Run::of(&judge(&spoiled));
    history.keep(&path, bad.clone()).unwrap();
    let mut history = History::read(&path);
    assert_eq!(history.0, [bad]);
    spoiled.trail = Some(true);
    spoiled.files[1].mode = 0o755;
    let now = Run::of(&judge(&spoiled));
    assert_eq!(history.changes(&now), (vec!["files.state".to_owned()], vec!["application.trail".to_owned()]));
    for _ in 0..3 {
        history.keep(&path, now.clone()).unwrap();
    }
    std::fs::write(&path, format!("garbage\n{}\n\u{0}\n", serde_json::to_string(&now).unwrap())).unwrap();
    assert_eq!(History::read(&path).0, [now]);
}

#[test]
fn what_is_there_is_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let open = home.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let file = open.join("seawall.toml");
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let seen = KeptFile::look(Role::Configuration, &file).unwrap();
    assert_eq!(
        (seen.mode, seen.open_above.as_deref().and_then(Path::file_name)),
        (0o640, Some("open".as_ref()))
    );
    assert_eq!(KeptFile::look(Role::Vault, &PathBuf::from("/no/such/file")), None);
    let names = ["HOME", "OPENAI_API_KEY", "SEAWALL_VAULT_KEY", "A_TOKEN", "KEY"].map(str::to_owned);
    let environment = Environment::look(names);
    assert_eq!(environment.key_variables, ["A_TOKEN", "OPENAI_API_KEY"]);
    assert_eq!(environment.root, Some(rustix::process::geteuid().is_root()));
}
