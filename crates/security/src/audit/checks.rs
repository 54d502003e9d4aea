//! What facts are worth.

use std::net::IpAddr;

use super::{Check, Facts, Group, KeptFile, Loss, Report, Role};

/// Judges facts. The same facts bring the same report, everywhere and always.
pub fn judge(facts: &Facts) -> Report {
    let mut judging = Judging(Vec::new());
    environment(&mut judging, facts);
    files(&mut judging, facts);
    network(&mut judging, facts);
    application(&mut judging, facts);
    configuration(&mut judging, facts);
    Report::of(judging.0)
}

struct Judging(Vec<Check>);

/// What is to be said about one check.
enum Said {
    /// It does not apply, for this reason.
    Absent(&'static str),
    /// This was lost; all is well where it is nothing.
    Lost(Vec<Loss>),
}

fn loss(points: u32, what: impl Into<String>, fix: impl Into<String>) -> Loss {
    Loss { points, what: what.into(), fix: fix.into() }
}

/// One loss if it is so, nothing if it is not, and no check if nobody knows.
fn if_so(so: Option<bool>, unknown: &'static str, loss: impl FnOnce() -> Loss) -> Said {
    match so {
        None => Said::Absent(unknown),
        Some(false) => Said::Lost(Vec::new()),
        Some(true) => Said::Lost(vec![loss()]),
    }
}

impl Judging {
    fn check(&mut self, id: &'static str, group: Group, title: &'static str, max: u32, said: Said) {
        self.add(id, group, title, max, false, said);
    }

    fn critical(&mut self, id: &'static str, group: Group, title: &'static str, max: u32, said: Said) {
        self.add(id, group, title, max, true, said);
    }

    fn add(
        &mut self,
        id: &'static str,
        group: Group,
        title: &'static str,
        max: u32,
        critical: bool,
        said: Said,
    ) {
        let (absent, mut losses) = match said {
            Said::Absent(why) => (Some(why), Vec::new()),
            Said::Lost(losses) => (None, losses),
        };
        // More can be wrong than there are points to lose; the last ones cost nothing more, and are said.
        let mut left = max;
        for loss in &mut losses {
            loss.points = loss.points.min(left);
            left -= loss.points;
        }
        let points = if absent.is_some() { 0 } else { left };
        self.0.push(Check { id, group, title, max, points, critical, absent, losses });
    }
}

fn environment(judging: &mut Judging, facts: &Facts) {
    const GROUP: Group = Group::Environment;
    let seen = &facts.environment;
    let unknown = "it cannot be known on this system";
    judging.check(
        "environment.user",
        GROUP,
        "it runs as a user of its own",
        8,
        if_so(seen.root, unknown, || {
            loss(8, "this runs as root", "make a user for it: User= in its unit, or USER in its image")
        }),
    );
    judging.check(
        "environment.core-dumps",
        GROUP,
        "a crash leaves no memory on the disk",
        4,
        if_so(seen.core_dumps, unknown, || {
            loss(
                4,
                "a crash may write the memory to the disk, keys included",
                "set LimitCORE=0 in its unit, or run ulimit -c 0 before it",
            )
        }),
    );
    judging.check(
        "environment.ptrace",
        GROUP,
        "programs do not read each other's memory",
        2,
        if_so(seen.ptrace, unknown, || {
            loss(2, "any program of this user may read its memory", "run sysctl kernel.yama.ptrace_scope=1")
        }),
    );
    let open = seen.protected_links.map(|protected| !protected);
    judging.check(
        "environment.links",
        GROUP,
        "links to others' files are refused",
        2,
        if_so(open, unknown, || {
            loss(
                2,
                "anybody may link to files that are not theirs",
                "run sysctl fs.protected_hardlinks=1 fs.protected_symlinks=1",
            )
        }),
    );
    let fixed = seen.random_addresses.map(|random| !random);
    judging.check(
        "environment.addresses",
        GROUP,
        "addresses are not the same every time",
        2,
        if_so(fixed, unknown, || {
            loss(2, "addresses are the same every time", "run sysctl kernel.randomize_va_space=2")
        }),
    );
    let said = match seen.key_variables.as_slice() {
        [] => Vec::new(),
        names => {
            let mut shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            if names.len() > 5 {
                shown.push_str(", …");
            }
            let what = format!("every child process sees {shown}");
            vec![loss(4, what, "put them into the vault with `seawall vault import-env`, and unset them")]
        }
    };
    judging.check("environment.variables", GROUP, "no keys are in the environment", 4, Said::Lost(said));
}

fn files(judging: &mut Judging, facts: &Facts) {
    const GROUP: Group = Group::Files;
    let of = |role: Role| facts.files.iter().filter(move |file| file.role == role);
    let lost =
        |role: Role, absent: &'static str, judge: &dyn Fn(&KeptFile) -> Option<Loss>| match of(role).next() {
            None => Said::Absent(absent),
            Some(_) => Said::Lost(of(role).filter_map(judge).collect()),
        };
    let said =
        |file: &KeptFile, what: &str| format!("{} {what} (mode {:04o})", file.path.display(), file.mode);
    let chmod = |file: &KeptFile, change: &str| format!("run chmod {change} {}", file.path.display());

    judging.critical(
        "files.configuration",
        GROUP,
        "nobody else writes the configuration",
        10,
        lost(Role::Configuration, "there is no configuration file", &|file| {
            (file.mode & 0o022 != 0).then(|| {
                loss(10, said(file, "can be written by others, who then are operators"), chmod(file, "go-w"))
            })
        }),
    );
    judging.check(
        "files.state",
        GROUP,
        "nobody else enters the state directory",
        6,
        lost(Role::State, "there is no state directory yet", &|file| {
            (file.mode & 0o077 != 0)
                .then(|| loss(6, said(file, "can be entered or read by others"), chmod(file, "700")))
        }),
    );
    judging.critical(
        "files.vault",
        GROUP,
        "nobody else reads the vault",
        8,
        lost(Role::Vault, "there is no vault", &|file| {
            (file.mode & 0o077 != 0)
                .then(|| loss(8, said(file, "can be read or written by others"), chmod(file, "600")))
        }),
    );
    let key = match (of(Role::Vault).next(), of(Role::KeyBeside).next(), of(Role::Key).next()) {
        (None, ..) => Said::Absent("there is no vault"),
        (_, Some(file), _) => Said::Lost(vec![loss(
            4,
            format!("the vault's key {} lies beside it: whoever copies one copies both", file.path.display()),
            "keep it in a systemd credential, or in a file elsewhere that --key-file names",
        )]),
        (_, None, _) => Said::Lost(Vec::new()),
    };
    judging.check("files.key", GROUP, "the vault's key is kept somewhere else", 4, key);
    let keys: Vec<&KeptFile> = of(Role::Secret).chain(of(Role::Key)).chain(of(Role::KeyBeside)).collect();
    let readable = keys.iter().filter(|file| file.mode & 0o077 != 0);
    let readable =
        readable.map(|file| loss(4, said(file, "can be read or written by others"), chmod(file, "600")));
    judging.critical(
        "files.secrets",
        GROUP,
        "nobody else reads files with secrets",
        8,
        match keys.is_empty() {
            true => Said::Absent("no secret is in a file"),
            false => Said::Lost(readable.collect()),
        },
    );
    let mut above: Vec<_> = facts.files.iter().filter_map(|file| file.open_above.as_ref()).collect();
    above.sort();
    above.dedup();
    let open = above.iter().map(|path| {
        let what = format!("anybody may put something else in the place of what is in {}", path.display());
        loss(4, what, format!("run chmod o-w {}, or move it", path.display()))
    });
    judging.critical(
        "files.above",
        GROUP,
        "nobody else can put other files in their place",
        4,
        match facts.files.is_empty() {
            true => Said::Absent("there are no files"),
            false => Said::Lost(open.collect()),
        },
    );
}

fn network(judging: &mut Judging, facts: &Facts) {
    const GROUP: Group = Group::Network;
    let door = |door: Option<(IpAddr, bool)>, name: &str, key: &str| match door {
        None => Said::Absent("there is no configuration"),
        Some((ip, keys)) if !ip.is_loopback() && !keys => Said::Lost(vec![loss(
            12,
            format!("{name} {ip} can be reached from outside, and nobody is asked for a key"),
            format!("write a loopback address, or add {key}"),
        )]),
        Some(_) => Said::Lost(Vec::new()),
    };
    judging.critical(
        "network.callers",
        GROUP,
        "only those with a key can call from outside",
        12,
        door(facts.listen, "listen", "callers"),
    );
    judging.critical(
        "network.operators",
        GROUP,
        "only those with a token can steer from outside",
        12,
        door(facts.admin, "admin", "admin_token"),
    );
    let clear = facts.outside.iter().filter(|(_, tls)| !tls).map(|(port, _)| {
        let key = if port == "admin" { "admin_tls" } else { "tls" };
        loss(
            4,
            format!("what is said to {port} can be read on the way"),
            format!("write {key} with a certificate and its key"),
        )
    });
    judging.check(
        "network.ports",
        GROUP,
        "what is said to its ports cannot be read on the way",
        8,
        match facts.outside.is_empty() {
            true => Said::Absent("no port can be reached from outside"),
            false => Said::Lost(clear.collect()),
        },
    );
    let clear = facts.upstreams.iter().filter(|upstream| upstream.in_the_clear);
    let lost = clear.map(|upstream| match upstream.credential {
        true => loss(
            8,
            format!("the credential of {} can be read on the way", upstream.name),
            format!("write an https url in [upstream.{}]", upstream.name),
        ),
        false => loss(
            3,
            format!("what is said to {} can be read on the way", upstream.name),
            format!("write an https url in [upstream.{}]", upstream.name),
        ),
    });
    judging.check(
        "network.upstreams",
        GROUP,
        "what is said to upstreams cannot be read on the way",
        8,
        match facts.upstreams.is_empty() {
            true => Said::Absent("no upstream is named"),
            false => Said::Lost(lost.collect()),
        },
    );
}

fn application(judging: &mut Judging, facts: &Facts) {
    const GROUP: Group = Group::Application;
    judging.check(
        "application.build",
        GROUP,
        "it was built for use",
        2,
        if_so(Some(facts.environment.debug_build), "", || {
            loss(2, "this is a debug build: slower, and full of symbols", "build it with --release")
        }),
    );
    let broken = facts.trail.map(|sound| !sound);
    judging.critical(
        "application.trail",
        GROUP,
        "the audit trail can be believed",
        8,
        if_so(broken, "there is no audit trail yet", || {
            loss(
                8,
                "the audit trail was changed, or has gaps",
                "run `seawall audit verify`, and find out who",
            )
        }),
    );
}

fn configuration(judging: &mut Judging, facts: &Facts) {
    const GROUP: Group = Group::Configuration;
    let none = "there is no configuration";
    judging.critical(
        "configuration.valid",
        GROUP,
        "the configuration is good",
        6,
        match &facts.configuration {
            None => Said::Absent(none),
            Some(Ok(_)) => Said::Lost(Vec::new()),
            Some(Err(why)) => {
                Said::Lost(vec![loss(6, format!("it cannot be used: {why}"), "run `seawall check`")])
            }
        },
    );
    let warnings = facts.configuration.as_ref().and_then(|read| read.as_ref().ok());
    judging.check(
        "configuration.warnings",
        GROUP,
        "nothing in it is odd",
        2,
        match warnings {
            None => Said::Absent(none),
            Some(warnings) => {
                Said::Lost(warnings.iter().map(|what| loss(1, what.clone(), "see `seawall check`")).collect())
            }
        },
    );
    let secrets = &facts.secrets;
    let elsewhere = secrets
        .environment
        .iter()
        .map(|key| (key, "a variable"))
        .chain(secrets.files.iter().map(|key| (key, "a file in the clear")));
    let lost = elsewhere.map(|(key, place)| {
        loss(
            2,
            format!("the secret of {key} is in {place}"),
            "put it into the vault with `seawall vault set NAME`, and write vault:NAME",
        )
    });
    let any = !secrets.vault.is_empty() || !secrets.environment.is_empty() || !secrets.files.is_empty();
    judging.check(
        "configuration.secrets",
        GROUP,
        "secrets are in the vault",
        6,
        match any {
            false => Said::Absent("the configuration names no secret"),
            true => Said::Lost(lost.collect()),
        },
    );
    judging.check(
        "configuration.vault",
        GROUP,
        "values of the vault are strong and in date",
        6,
        match &facts.vault {
            None => Said::Absent("there is no vault that could be opened"),
            Some(concerns) => Said::Lost(
                concerns.iter().map(|what| loss(3, what.clone(), "run `seawall vault check`")).collect(),
            ),
        },
    );
    let free = facts.upstreams.iter().filter(|upstream| !upstream.limited);
    let lost = free.map(|upstream| {
        let fix = format!("write limits = [{{ concurrent = 32 }}] in [upstream.{}]", upstream.name);
        loss(1, format!("nothing holds calls to {} back", upstream.name), fix)
    });
    judging.check(
        "configuration.limits",
        GROUP,
        "every upstream has a limit",
        3,
        match facts.upstreams.is_empty() {
            true => Said::Absent("no upstream is named"),
            false => Said::Lost(lost.collect()),
        },
    );
}
