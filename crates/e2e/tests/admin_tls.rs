//! The admin port with TLS: programs, commands and browsers that come by https, and what becomes of it when files change.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::version::TLS13;
use seawall_e2e::binary::{Seawall, binary, configured_with, serve};
use seawall_e2e::certified::{Authority, Signed, ask, client, connect, connect_as, connect_over, get, put};
use seawall_e2e::eventually;
use seawall_testkit::{Reply, Upstream};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;

const TOKEN: &str = "ann-7Qm2xVb9Lw4TzR1nKc8Y";

fn free() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A directory with a configuration whose admin port is at an address that commands find there, its certificate beside it,
/// and `more` in the table that names it.
fn home(up: &Upstream, signed: &Signed, authority: &Authority, more: &str) -> TempDir {
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", "");
    let file = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{}\"", free()));
    let own = format!("admin_tls = {{ cert = \"own.crt\", key = \"file:own.key\"{more} }}\n");
    std::fs::write(&file, format!("{own}{text}")).unwrap();
    signed.put(home.path(), "own");
    put(home.path(), "ca.pem", authority.pem.as_bytes());
    home
}

/// How a command ended, and what it said.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn ran(mut command: Command) -> Ran {
    let done = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

async fn seawall(binary: &PathBuf, home: &TempDir, words: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(binary);
    command.args(words.split(' ')).current_dir(home.path()).env_clear().envs(variables.iter().copied());
    ran(command).await
}

async fn curl(home: &TempDir, words: &str) -> Ran {
    let mut command = Command::new("curl");
    command.args(["-sS", "-i", "--max-time", "10"]).args(words.split(' ')).current_dir(home.path());
    ran(command).await
}

#[tokio::test]
async fn programs_and_commands_come_by_https_and_believe_whom_they_are_told_to() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let (authority, other) = (Authority::new(), Authority::new());
    let home = home(&up, &authority.sign("localhost,127.0.0.1", 2060), &authority, "");
    put(home.path(), "other.pem", other.pem.as_bytes());
    let gateway = Seawall::start(&binary, &home).await;
    let at = &gateway.admin;
    // Programs.
    let answer = curl(&home, &format!("--cacert ca.pem https://{at}/health")).await;
    assert!(answer.out.starts_with("HTTP/1.1 200 "), "{} {}", answer.out, answer.err);
    assert!(answer.out.contains("strict-transport-security: max-age=15552000\r\n"), "{}", answer.out);
    let (_, port) = at.split_once(':').unwrap();
    let local = curl(&home, &format!("--cacert ca.pem https://localhost:{port}/health")).await;
    assert!(
        local.out.starts_with("HTTP/1.1 200 ") && !local.out.contains("strict-transport"),
        "{}",
        local.out
    );
    for stranger in [String::new(), "--cacert other.pem ".to_owned()] {
        assert_eq!(curl(&home, &format!("{stranger}https://{at}/health")).await.code, Some(60), "{stranger}");
    }
    let plain = curl(&home, &format!("http://{at}/health")).await;
    assert!(plain.out.starts_with("HTTP/1.1 400 ") && plain.out.contains("\"SW0064\""), "{}", plain.out);
    // Commands: beside the configuration, by an address, by a name.
    for words in ["status", "top", "breakers", "health --json", "breakers reset up --by ann --reason test"] {
        let done = seawall(&binary, &home, words, &[]).await;
        assert_eq!(done.code, Some(0), "{words}: {} {}", done.out, done.err);
    }
    let ca = [("SEAWALL_ADMIN_CA", "ca.pem")];
    for words in [format!("https://{at}"), format!("https://localhost:{port}/")] {
        let words = format!("status --admin {words}");
        assert_eq!(seawall(&binary, &home, &format!("{words} --ca ca.pem"), &[]).await.code, Some(0));
        assert_eq!(seawall(&binary, &home, &words, &ca).await.code, Some(0));
        for (more, variables) in [("", &[][..]), (" --ca other.pem", &ca)] {
            let done = seawall(&binary, &home, &format!("{words}{more}"), variables).await;
            assert_eq!(done.code, Some(1), "{}", done.err);
            assert!(done.err.contains("name who did with --ca FILE or in SEAWALL_ADMIN_CA"), "{}", done.err);
        }
    }
    let plain = seawall(&binary, &home, &format!("status --admin http://{at}"), &[]).await;
    assert!(plain.code == Some(1) && plain.err.contains("SW0064 this port speaks TLS"), "{}", plain.err);
    let vain = seawall(&binary, &home, &format!("status --admin http://{at} --ca ca.pem"), &[]).await;
    assert!(vain.code == Some(2) && vain.err.contains("--ca is of use with TLS only"), "{}", vain.err);
    for (file, why) in [("seawall.toml", "holds no certificate"), ("nowhere.pem", "cannot be read")] {
        let done = seawall(&binary, &home, &format!("status --ca {file}"), &[]).await;
        assert!(done.code == Some(2) && done.err.contains(why), "{}", done.err);
    }
    let metrics = curl(&home, &format!("--cacert ca.pem https://{at}/metrics")).await.out;
    assert!(metrics.contains("seawall_certificate_expires_in_seconds{port=\"admin\"} "), "{metrics}");
    assert!(metrics.contains("code=\"SW0064\""), "{metrics}");
}

#[tokio::test]
async fn a_name_or_an_end_that_is_not_right_is_said_with_what_to_do() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let authority = Authority::new();
    let named = home(&up, &authority.sign("seawall.internal", 2060), &authority, "");
    let gateway = Seawall::start(&binary, &named).await;
    let asked = format!("status --ca ca.pem --admin https://{}", gateway.admin);
    let done = seawall(&binary, &named, &asked, &[]).await;
    assert!(
        done.code == Some(1) && done.err.contains("its certificate is for seawall.internal, not for 127."),
        "{}",
        done.err
    );
    // Beside the configuration it is known by its certificate, whatever name is in it.
    let beside = seawall(&binary, &named, "status", &[]).await;
    assert_eq!(beside.code, Some(0), "{}", beside.err);
    // Somebody else in its place is not.
    authority.sign("seawall.internal", 2061).put(named.path(), "other");
    let text = std::fs::read_to_string(named.path().join("seawall.toml")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("seawall.toml"), text.replace("own.", "other.")).unwrap();
    std::fs::copy(named.path().join("other.crt"), elsewhere.path().join("other.crt")).unwrap();
    let fooled = seawall(&binary, &elsewhere, "status", &[]).await;
    assert!(
        fooled.code == Some(1) && fooled.err.contains("another certificate than the one in admin_tls.cert"),
        "{}",
        fooled.err
    );
    let old = home(&up, &authority.sign("127.0.0.1", 2000), &authority, "");
    let ended = Seawall::start(&binary, &old).await;
    let asked = format!("status --ca ca.pem --admin https://{}", ended.admin);
    let done = seawall(&binary, &old, &asked, &[]).await;
    assert!(done.code == Some(1) && done.err.contains("its certificate has ended"), "{}", done.err);
    assert_eq!(curl(&old, &format!("--cacert ca.pem https://{}/health", ended.admin)).await.code, Some(60));
    let check = seawall(&binary, &old, "check", &[]).await;
    assert!((check.out + &check.err).contains("admin_tls.cert: the certificate has ended"));
}

#[tokio::test]
async fn new_files_are_shown_to_whoever_comes_next_and_nobody_who_is_there_is_cut_off() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let (first, second) = (Authority::new(), Authority::new());
    let home = home(&up, &first.sign("localhost", 2060), &first, "");
    let mut gateway = Seawall::start(&binary, &home).await;
    let at = gateway.admin.clone();
    let status = async |authority: &Authority| {
        let mut stream = connect(&at, authority, None, &[]).await.ok()?;
        Some(get(&mut stream, &at, "/api/v1/status", "").await.ok()?.0)
    };
    assert_eq!(status(&first).await, Some(200));
    // A page that follows what happens, and a connection that waits for its next request.
    let mut page = connect(&at, &first, None, &["http/1.1"]).await.unwrap();
    page.write_all(format!("GET /events HTTP/1.1\r\nhost: {at}\r\n\r\n").as_bytes()).await.unwrap();
    let mut idle = connect(&at, &first, None, &[]).await.unwrap();
    put(home.path(), "own.crt", b"broken");
    assert!(gateway.said("admin_tls.cert: ").await.contains("holds no certificate"));
    gateway.said("the configuration before stays in force").await;
    assert_eq!(status(&first).await, Some(200));
    second.sign("localhost", 2060).put(home.path(), "own");
    eventually("the new certificate is shown", async || {
        status(&second).await.filter(|status| *status == 200)
    })
    .await;
    assert_eq!(status(&first).await, None);
    // Commands beside the configuration believe the new one at once.
    assert_eq!(seawall(&binary, &home, "status", &[]).await.code, Some(0));
    let lever = "breakers force-open up --by ann --reason renewed";
    assert_eq!(seawall(&binary, &home, lever, &[]).await.code, Some(0));
    let mut heard = String::new();
    let mut bytes = [0; 4096];
    while !heard.contains("renewed") {
        let read = page.read(&mut bytes);
        let read = tokio::time::timeout(std::time::Duration::from_secs(10), read).await;
        let count = read.expect("the stream tells what happened").unwrap();
        assert!(count > 0, "the stream was cut: {heard}");
        heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    assert_eq!(get(&mut idle, &at, "/health/live", "").await.unwrap().0, 200);
}

#[tokio::test]
async fn where_certificates_are_asked_for_nobody_gets_in_without_one_and_commands_can_show_theirs() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let (authority, people, other) = (Authority::new(), Authority::new(), Authority::new());
    let own = authority.sign("localhost,127.0.0.1", 2060);
    let home = home(&up, &own, &authority, ", client_ca = \"people.pem\"");
    put(home.path(), "people.pem", people.pem.as_bytes());
    people.sign("ann.example", 2060).put(home.path(), "ann");
    people.sign("ann.example", 2000).put(home.path(), "old");
    other.sign("ann.example", 2060).put(home.path(), "forged");
    let both = format!(
        "{}{}",
        std::fs::read_to_string(home.path().join("ann.crt")).unwrap(),
        std::fs::read_to_string(home.path().join("ann.key")).unwrap()
    );
    put(home.path(), "both.pem", both.as_bytes());
    let gateway = Seawall::start(&binary, &home).await;
    let url = format!("--cacert ca.pem https://{}/api/v1/status", gateway.admin);
    let good = curl(&home, &format!("--cert ann.crt --key ann.key {url}")).await;
    assert!(good.out.starts_with("HTTP/1.1 200 "), "{} {}", good.out, good.err);
    let nobody = curl(&home, &url).await;
    assert!(nobody.code != Some(0) && nobody.out.is_empty(), "{}", nobody.out);
    for stranger in ["old", "forged"] {
        let answer = curl(&home, &format!("--cert {stranger}.crt --key {stranger}.key {url}")).await;
        assert!(answer.code != Some(0) && answer.out.is_empty(), "{stranger}: {}", answer.out);
    }
    for words in ["--client-cert ann.crt --client-key ann.key", "--client-cert both.pem"] {
        let done = seawall(&binary, &home, &format!("status {words}"), &[]).await;
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
    let variables = [("SEAWALL_ADMIN_CERT", "ann.crt"), ("SEAWALL_ADMIN_KEY", "ann.key")];
    assert_eq!(seawall(&binary, &home, "status", &variables).await.code, Some(0));
    let done = seawall(&binary, &home, "status", &[]).await;
    assert!(
        done.code == Some(1) && done.err.contains("give this command one with --client-cert"),
        "{}",
        done.err
    );
    let done = seawall(&binary, &home, "status --client-cert forged.crt --client-key forged.key", &[]).await;
    assert!(done.code == Some(1) && done.err.contains("signed by one of its client_ca"), "{}", done.err);
    for (words, why) in [
        ("--client-cert ann.crt --client-key forged.key", "--client-key: is the key of another certificate"),
        ("--client-cert ann.crt", "--client-key: holds no private key"),
        ("--client-key ann.key", "name that with --client-cert FILE"),
    ] {
        let done = seawall(&binary, &home, &format!("status {words}"), &[]).await;
        assert!(done.code == Some(2) && done.err.contains(why), "{words}: {}", done.err);
    }
}

#[tokio::test]
async fn a_session_that_came_by_https_goes_back_by_https_alone() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let authority = Authority::new();
    let home = home(&up, &authority.sign("127.0.0.1", 2060), &authority, "");
    let file = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("admin_token = \"file:token\"\n{text}")).unwrap();
    put(home.path(), "token", TOKEN.as_bytes());
    let gateway = Seawall::start(&binary, &home).await;
    let url = format!("https://{}", gateway.admin);
    let login = format!("--cacert ca.pem -d token={TOKEN} {url}/login");
    let answer = curl(&home, &login).await.out;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.starts_with("__Host-seawall_session_") && cookie.ends_with("; Secure"), "{cookie}");
    let own = cookie.split(';').next().unwrap();
    let page = curl(&home, &format!("--cacert ca.pem -b {own} {url}/")).await.out;
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("strict-transport-security"), "{page}");
    // The board in a browser follows a stream: it is there by https too, and not for strangers.
    let words = format!("--cacert ca.pem -b {own} --max-time 2 -N {url}/events");
    assert!(curl(&home, &words).await.out.contains("content-type: text/event-stream"));
    assert!(curl(&home, &format!("--cacert ca.pem {url}/events")).await.out.starts_with("HTTP/1.1 401 "));
    assert_eq!(seawall(&binary, &home, "status", &[]).await.code, Some(0));
}

#[tokio::test]
async fn a_successor_speaks_tls_on_the_socket_it_is_given() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let authority = Authority::new();
    let home = home(&up, &authority.sign("localhost", 2060), &authority, "");
    let file = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{}\"", free())))
        .unwrap();
    let mut before = Seawall::start(&binary, &home).await;
    let at = before.admin.clone();
    let mut heir = serve(&binary, &home);
    heir.arg("--take-over");
    let taken = tokio::spawn(Seawall::begin(heir));
    // Whoever asks meanwhile is answered with TLS, by the one or by the other, and by nobody half; some by connections
    // that they keep until they are told to come anew.
    let client = Arc::new(client(&authority, None, &[&TLS13]));
    let over = Arc::new(AtomicBool::new(false));
    let mut askers = JoinSet::new();
    for keeps in [false, false, false, true, true] {
        let (client, at, over) = (client.clone(), at.clone(), over.clone());
        askers.spawn(async move {
            let (mut kept, mut after) = (None, 0);
            while after < 5 {
                after += usize::from(over.load(Ordering::Relaxed));
                let mut stream = match kept.take() {
                    Some(stream) => stream,
                    None => connect_as(client.clone(), &at).await?,
                };
                let told = if keeps {
                    ask(&mut stream, &at, "/health/live").await?.ok_or(ErrorKind::UnexpectedEof)?
                } else {
                    get(&mut stream, &at, "/health/live", "").await?
                };
                assert_eq!(told.0, 200);
                kept = Some(stream).filter(|_| !told.1.contains("connection: close"));
            }
            std::io::Result::Ok(())
        });
    }
    let after = taken.await.unwrap();
    over.store(true, Ordering::Relaxed);
    while let Some(asker) = askers.join_next().await {
        asker.unwrap().expect("no answer was cut");
    }
    assert_eq!(after.admin, at);
    assert!(before.ended().await.success());
    assert_eq!(seawall(&binary, &home, "status", &[]).await.code, Some(0));
    let mut plain = TcpStream::connect(&at).await.unwrap();
    plain.write_all(format!("GET / HTTP/1.1\r\nhost: {at}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("SW0064"), "{answer}");
}

#[tokio::test]
async fn nobody_waits_for_a_handshake_that_does_not_come() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let authority = Authority::new();
    let home = home(&up, &authority.sign("localhost", 2060), &authority, "");
    let gateway = Seawall::start(&binary, &home).await;
    // From one address more than there may be handshakes at once.
    let mut silent = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(&gateway.admin).await.unwrap();
        stream.write_all(&[22, 3]).await.unwrap();
        silent.push(stream);
    }
    let client = Arc::new(client(&authority, None, &[&TLS13]));
    // Half of what one of those handshakes may take.
    let begun = tokio::time::Instant::now();
    let connected = async |from: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        socket.connect(gateway.admin.parse().unwrap()).await.unwrap()
    };
    let asked = async |from: &str| {
        let mut stream = connect_over(client.clone(), connected(from).await).await.unwrap();
        get(&mut stream, &gateway.admin, "/health", "").await.unwrap().0
    };
    for from in ["127.0.0.2", "127.0.0.1"] {
        let soon = tokio::time::timeout_at(begun + Duration::from_secs(5), asked(from)).await;
        assert_eq!(soon.expect("nobody waits for somebody else's handshake"), 200, "{from}");
    }
    // A quarter of all is for one address: the oldest of it made room.
    let ended = async |stream: &mut TcpStream| {
        let mut byte = [0];
        tokio::time::timeout(Duration::ZERO, stream.read(&mut byte)).await.is_ok()
    };
    let mut waiting = 0;
    for stream in &mut silent {
        waiting += usize::from(!ended(stream).await);
    }
    assert!(waiting <= 64, "{waiting} handshakes of one address");
    // Nor do five addresses together keep anybody out.
    for number in 0..300 {
        let mut stream = connected(&format!("127.0.0.{}", 10 + number % 5)).await;
        stream.write_all(&[22, 3]).await.unwrap();
        silent.push(stream);
    }
    let soon = tokio::time::timeout(Duration::from_secs(5), asked("127.0.0.3")).await;
    assert_eq!(soon.expect("nor for several others'"), 200);
}
