//! Beginnings and ends: who may start, what a stop lets finish, and what is left when there was no time to stop.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use seawall_core::Code;
use seawall_e2e::binary::{Seawall, binary, configured, serve};
use seawall_e2e::{Rig, Running, eventually, ms, refused};
use seawall_gateway::{Stopped, start};
use seawall_testkit::client::{self, Answer, Client, Ended, Request};
use seawall_testkit::{Reply, Script, Upstream};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(20);

/// Stops a gateway the way its process would, while the test goes on.
fn stop(gateway: Running) -> JoinHandle<Stopped> {
    tokio::task::spawn_blocking(move || gateway.gateway.stop())
}

/// Sends a request that is under way when this returns.
async fn call(up: &Upstream, url: String, request: Request) -> JoinHandle<Answer> {
    let before = up.ledger().request_count();
    let answer = tokio::spawn(async move { client::request(&url, request).await.unwrap() });
    assert!(up.ledger().wait_for_requests(before + 1, PATIENCE).await);
    answer
}

async fn refuses_connections(address: SocketAddr) {
    eventually("nobody listens any more", async || Client::connect(address).await.err()).await;
}

fn refusal(rig: Rig) -> Code {
    start(rig.plan).map(drop).expect_err("it must not start").code
}

#[tokio::test]
async fn a_stop_lets_calls_in_flight_end_and_takes_no_new_ones() {
    let up = Upstream::start(Reply::sse(&["a"; 10]).every(ms(40)).after(ms(200))).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.drain = PATIENCE * 3;
    let gateway = rig.start();
    let address = gateway.gateway.listen();
    // Somebody who has nothing under way does not hold it up.
    let mut idle = gateway.connect().await;
    assert_eq!(idle.call(&Request::get("/nowhere")).await.unwrap().status, 404);
    let call = call(&up, gateway.url("/up/x"), Request::get("")).await;
    let stopping = stop(gateway);
    refuses_connections(address).await;
    let heard = tokio::time::timeout(PATIENCE / 4, idle.more()).await.expect("it is told to leave");
    assert_eq!(heard.unwrap(), 0);
    let answer = call.await.unwrap();
    assert_eq!((answer.status, answer.ended, answer.events().len()), (200, Ended::Complete, 10));
    assert_eq!(stopping.await.unwrap(), Stopped { unfinished: 0 });
}

#[tokio::test]
async fn a_stop_does_not_wait_for_callers_that_have_said_nothing_yet() {
    let mut rig = Rig::new("http://127.0.0.1:9");
    rig.plan.drain = PATIENCE;
    let gateway = rig.start();
    let mut silent = gateway.connect().await;
    let mut hesitant = gateway.connect().await;
    hesitant.send_raw("P").await.unwrap();
    // Both have been let in before the stop.
    assert_eq!(gateway.get("/nowhere").await.status, 404);
    let stopped = tokio::time::timeout(PATIENCE / 2, stop(gateway)).await.expect("it ends at once");
    assert_eq!(stopped.unwrap(), Stopped { unfinished: 0 });
    assert_eq!(silent.more().await.unwrap_or(0), 0);
}

#[tokio::test]
async fn while_it_drains_the_admin_port_says_so() {
    let up = Upstream::start(Reply::slow_head(ms(600))).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let ready = format!("http://{}/ready", gateway.gateway.admin());
    assert_eq!(client::get(&ready).await.unwrap().status, 200);
    let call = call(&up, gateway.url("/up/x"), Request::get("")).await;
    let stopping = stop(gateway);
    eventually("it says that it drains", async || {
        let answer = client::get(&ready).await.ok()?;
        (answer.status == 503 && answer.json()?["status"] == "draining").then_some(())
    })
    .await;
    assert_eq!(call.await.unwrap().status, 200);
    stopping.await.unwrap();
}

#[tokio::test]
async fn the_lever_refuses_new_calls_and_tells_their_callers_when_to_come_back() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    assert_eq!(gateway.lever("/api/v1/drain").await.status, 200);
    let answer = gateway.get("/up/x").await;
    assert_eq!((refused(&answer), answer.header("retry-after")), ((503, "SW0014".into()), Some("1")));
    assert_eq!(answer.header("x-should-retry"), None, "another instance may well take it");
    assert_eq!((gateway.admin("/ready").await.status, up.ledger().request_count()), (503, 0));
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_counted() {
    let up = Upstream::start(Reply::sse(&["one", "two"]).stall_after_bytes(11)).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.drain = ms(200);
    let gateway = rig.start();
    let call = call(&up, gateway.url("/up/x"), Request::get("")).await;
    eventually("it streams", async || (gateway.gateway.in_flight() == 1).then_some(())).await;
    assert_eq!(stop(gateway).await.unwrap(), Stopped { unfinished: 1 });
    let answer = call.await.unwrap();
    assert!([Ended::CutShort, Ended::Reset].contains(&answer.ended), "{:?}", answer.ended);
}

#[tokio::test]
async fn an_address_has_one_owner() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let first = Rig::new(&up.url()).start();
    let (listen, admin) = (first.gateway.listen(), first.gateway.admin());
    for (at, other) in [(listen, admin), (admin, listen)] {
        let mut rig = Rig::new(&up.url());
        rig.plan.listen = at;
        let refusal = start(rig.plan).map(drop).unwrap_err();
        assert_eq!((refusal.code, refusal.message.contains(&at.to_string())), (Code::AddressInUse, true));
        let mut rig = Rig::new(&up.url());
        rig.plan.admin = at;
        assert_eq!(self::refusal(rig), Code::AddressInUse, "{other}");
    }
    // The one that was there is none the worse for it.
    assert_eq!(first.get("/up/x").await.text(), "ok");
    stop(first).await.unwrap();
    let mut rig = Rig::new(&up.url());
    (rig.plan.listen, rig.plan.admin) = (listen, admin);
    assert_eq!(rig.start().get("/up/x").await.text(), "ok", "and free when it is gone");
}

#[tokio::test]
async fn two_at_one_address_share_nothing_even_where_the_kernel_would_let_them() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let at = seawall_testkit::closed_port().await.unwrap();
    let rig = || {
        let mut rig = Rig::new(&up.url());
        rig.plan.listen = at;
        rig
    };
    // Both at once, many times: never two, and whoever lost says why.
    for _ in 0..10 {
        let (one, two) = (rig().plan, rig().plan);
        let starting = [one, two].map(|plan| tokio::task::spawn_blocking(move || start(plan)));
        let mut running = Vec::new();
        for one in starting {
            match one.await.unwrap() {
                Ok(gateway) => running.push(gateway),
                Err(refusal) => assert_eq!(refusal.code, Code::AddressInUse),
            }
        }
        assert!(running.len() <= 1, "two instances at one address");
        for gateway in running {
            stop(Running { gateway }).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_stranger_at_the_address_is_respected() {
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = stranger.local_addr().unwrap();
    let mut rig = Rig::new("http://127.0.0.1:9");
    rig.plan.listen = at;
    assert_eq!(refusal(rig), Code::AddressInUse);
    let mut rig = Rig::new("http://127.0.0.1:9");
    rig.plan.admin = at;
    assert_eq!(refusal(rig), Code::AddressInUse);
}

#[tokio::test]
async fn a_state_directory_has_one_owner() {
    let home = tempfile::tempdir().unwrap();
    let rig = || {
        let mut rig = Rig::new("http://127.0.0.1:9");
        rig.plan.state = Some(home.path().join("state"));
        rig
    };
    let first = rig().start();
    let refusal = start(rig().plan).map(drop).unwrap_err();
    assert_eq!(refusal.code, Code::StateInUse);
    assert!(refusal.message.contains(&home.path().display().to_string()), "{}", refusal.message);
    stop(first).await.unwrap();
    stop(rig().start()).await.unwrap();
    let mut unusable = rig();
    unusable.plan.state = Some(home.path().join("state/lock/below-a-file"));
    assert_eq!(self::refusal(unusable), Code::FileUnreadable);
}

/// A start that fails: its exit code, and what it said.
async fn fails(binary: &PathBuf, home: &TempDir) -> (Option<i32>, String) {
    let ran = tokio::time::timeout(PATIENCE, serve(binary, home).output()).await.expect("it ends").unwrap();
    (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
}

#[tokio::test]
async fn the_binary_serves_within_moments_and_a_sigterm_lets_it_finish() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Script::per_path(|request, _| match request.path() {
        "/slow" => Reply::slow_head(ms(700)),
        _ => Reply::ok("ok"),
    }))
    .await
    .unwrap();
    let home = configured(&up.url(), "127.0.0.1:0");
    let mut seawall = Seawall::start(&binary, &home).await;
    assert_eq!(client::get(&format!("http://{}/ready", seawall.admin)).await.unwrap().status, 200);
    assert_eq!(client::get(&seawall.url("/up/x")).await.unwrap().text(), "ok");

    let slow = call(&up, seawall.url("/up/slow"), Request::get("")).await;
    seawall.signal("-TERM").await;
    refuses_connections(seawall.listen.parse().unwrap()).await;
    let answer = slow.await.unwrap();
    assert_eq!((answer.status, answer.text().as_str(), answer.ended), (200, "ok", Ended::Complete));
    seawall.said("nothing was cut short").await;
    assert_eq!(seawall.ended().await.code(), Some(0));
}

#[tokio::test]
async fn whoever_supervises_the_binary_hears_that_it_is_ready_lives_and_stops() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::sse(&["a"; 10]).every(ms(40))).await.unwrap();
    let home = configured(&up.url(), "127.0.0.1:0");
    let path = home.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let mut said = Vec::new();
    let mut hears = async |words: &str| {
        let mut buffer = [0; 2048];
        while !said.iter().any(|told: &String| told.starts_with(words)) {
            let reading = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await;
            let length = reading.unwrap_or_else(|_| panic!("{words} is not in {said:?}")).unwrap();
            said.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        std::mem::take(&mut said)
    };
    let mut command = serve(&binary, &home);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut seawall = Seawall::begin(command).await;
    hears("READY=1").await;
    hears("STATUS=calls at 127.0.0.1:").await;
    hears("WATCHDOG=1").await;
    hears("WATCHDOG=1").await;
    let call = call(&up, seawall.url("/up/x"), Request::get("")).await;
    seawall.signal("-TERM").await;
    hears("STOPPING=1").await;
    hears("EXTEND_TIMEOUT_USEC=40000000").await;
    hears("WATCHDOG=1").await;
    assert_eq!(call.await.unwrap().ended, Ended::Complete);
    assert_eq!(seawall.ended().await.code(), Some(0));
}

#[tokio::test]
async fn the_binary_refuses_an_address_or_a_state_that_is_taken() {
    let Some(binary) = binary() else { return };
    let home = configured("http://127.0.0.1:9", "127.0.0.1:0");
    let first = Seawall::start(&binary, &home).await;

    let (code, said) = fails(&binary, &home).await;
    assert_eq!((code, said.contains("SW0025")), (Some(1), true), "{said}");
    let (code, said) = fails(&binary, &configured("http://127.0.0.1:9", &first.listen)).await;
    assert_eq!(
        (code, said.contains("SW0024"), said.contains(&first.listen)),
        (Some(1), true, true),
        "{said}"
    );
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = stranger.local_addr().unwrap().to_string();
    let (code, said) = fails(&binary, &configured("http://127.0.0.1:9", &taken)).await;
    assert_eq!((code, said.contains("SW0024"), said.contains(&taken)), (Some(1), true, true), "{said}");
    assert_eq!(client::get(&format!("http://{}/ready", first.admin)).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_killed_binary_leaves_nothing_that_stops_the_next() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::sse(&["a"; 1000]).every(ms(20))).await.unwrap();
    let home = configured(&up.url(), "127.0.0.1:0");
    for round in 0..3 {
        let mut seawall = Seawall::start(&binary, &home).await;
        let mut stream = client::stream(&seawall.url("/up/x"), Request::get("")).await.unwrap();
        assert!(stream.next().await.is_some(), "round {round}");
        seawall.signal("-KILL").await;
        assert_eq!(seawall.ended().await.code(), None);
        let (_, ended) = stream.collect().await;
        assert_ne!(ended, Ended::Complete, "a killed gateway does not end a stream well");
        // From now on at the very address it had, in the very state it left.
        let text = std::fs::read_to_string(home.path().join("seawall.toml")).unwrap();
        let text = text.replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{}\"", seawall.listen));
        std::fs::write(home.path().join("seawall.toml"), text).unwrap();
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_is_exit_code_2_with_its_place() {
    let Some(binary) = binary() else { return };
    for (text, words) in [
        (
            "version = 1\nlisten = \"127.0.0.1:0\"\n[upstream.up]\nurll = \"http://127.0.0.1:9\"\n",
            "seawall.toml:4:1",
        ),
        ("version = ", "seawall.toml:1"),
        ("version = 1\n[upstream.up]\nurl = \"http://user:pass@127.0.0.1:9\"\n", "seawall.toml:3"),
    ] {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("seawall.toml"), text).unwrap();
        let (code, said) = fails(&binary, &home).await;
        assert_eq!((code, said.contains(words)), (Some(2), true), "{said}");
    }
    let empty = tempfile::tempdir().unwrap();
    let (code, said) = fails(&binary, &empty).await;
    assert_eq!((code, said.contains("seawall init")), (Some(2), true), "{said}");
    let unreadable = tempfile::tempdir().unwrap();
    std::fs::create_dir(unreadable.path().join("seawall.toml")).unwrap();
    let (code, said) = fails(&binary, &unreadable).await;
    assert_eq!((code, said.contains("seawall.toml")), (Some(2), true), "{said}");
}

#[tokio::test]
async fn bodies_of_any_size_cost_the_binary_little_memory() {
    let Some(binary) = binary() else { return };
    let script = Script::per_path(|request, _| match request.path() {
        "/down" => Reply::chunked(vec![vec![b'z'; 64 << 10]; 2048]),
        _ => Reply::ok("ok"),
    });
    let up = Upstream::start(script.discard_bodies()).await.unwrap();
    let home = configured(&up.url(), "127.0.0.1:0");
    let mut seawall = Seawall::start(&binary, &home).await;
    assert_eq!(client::get(&seawall.url("/up/x")).await.unwrap().status, 200);
    let before = peak(&seawall).await;
    for _ in 0..2 {
        let upload = Request::post("").body(vec![b'z'; 128 << 20]);
        assert_eq!(client::request(&seawall.url("/up/up"), upload).await.unwrap().text(), "ok");
        let mut stream = client::stream(&seawall.url("/up/down"), Request::get("")).await.unwrap();
        let mut bytes = 0;
        while let Some(piece) = stream.next().await {
            bytes += piece.bytes.len();
        }
        assert_eq!((bytes, stream.ended()), (128 << 20, Some(Ended::Complete)));
    }
    let after = peak(&seawall).await;
    assert!(after - before < 32 << 10, "{} KiB more after half a gibibyte of bodies", after - before);
    seawall.signal("-TERM").await;
    assert_eq!(seawall.ended().await.code(), Some(0));
}

/// The most memory its process ever had, in KiB.
async fn peak(seawall: &Seawall) -> u64 {
    let path = format!("/proc/{}/status", seawall.child.id().expect("it runs"));
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn whoever_stops_reading_its_stderr_holds_up_neither_a_reload_nor_a_stop() {
    let Some(binary): Option<PathBuf> = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = configured(&up.url(), "127.0.0.1:0");
    let mut seawall = Seawall::start(&binary, &home).await;
    // Its pipe is filled to the last byte, and nobody empties it.
    let pipe = format!("/proc/{}/fd/2", seawall.child.id().unwrap());
    let mut options = std::fs::OpenOptions::new();
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
    let mut pipe = options.write(true).custom_flags(nonblock).open(pipe).unwrap();
    while pipe.write(b".").is_ok() {}
    drop(pipe);
    let reload = format!("http://{}/api/v1/config/reload", seawall.admin);
    let file = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    for n in 1..=3 {
        std::fs::write(&file, format!("{text}\n[defaults]\ndeadline = \"{n}0s\"\n")).unwrap();
        let asked = serde_json::json!({ "by": "ann", "reason": "a test" });
        let answer = client::post_json(&reload, asked).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(client::get(&seawall.url("/up/x")).await.unwrap().status, 200);
    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
}
