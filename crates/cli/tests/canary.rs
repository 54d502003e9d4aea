//! Secrets are planted wherever a secret can be, and everything that comes out of the real binary is searched for them.
//!
//! A new output (a log, a page, a webhook, a file in the state directory) belongs in [`ADMIN`], in the commands of
//! [`what_is_asked`], or in [`Out`]. A new place for a secret belongs in [`Canaries`].

#![allow(clippy::disallowed_methods, reason = "a real process is waited for")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_security::fernet::Key;

/// Pages of the admin port beside those that it describes itself.
const ADMIN: [&str; 21] = [
    "/",
    "/health",
    "/health/live",
    "/health/detailed",
    "/ready",
    "/metrics",
    "/api/v1/status",
    "/api/v1/upstreams",
    "/api/v1/breakers",
    "/api/v1/limits",
    "/api/v1/retries",
    "/api/v1/health",
    "/api/v1/alerts",
    "/api/v1/board",
    "/alerts",
    "/alerts/health_failing",
    "/alerts/down",
    "/login",
    "/api/v1/audit",
    "/api/v1/calls",
    "/api/v1/nothing?key=QUERY",
];

/// What a call's path asks of the upstream, and what it does: answers, fails, hangs up, babbles, wants to be left alone, or refuses the key.
const MOODS: [&str; 6] = ["ok", "fail", "cut", "babble", "busy", "denied"];

/// The secrets, by where they are put, and the ways to write each.
struct Canaries(BTreeMap<&'static str, (String, Vec<String>)>);

impl Canaries {
    fn new() -> Self {
        let places = [
            "VAULT", "OLD", "ENV", "FILE", "ADMIN", "CALLER", "COOKIE", "QUERY", "BODY", "LITERAL", "NAME",
            "ANSWER", "SECOND", "SLACK", "OTLP",
        ];
        let made = |place: &'static str| (place, format!("canary{place}7Qm2xVb9Lw4TzR1nKc8Y"));
        let key = Key::generate().unwrap().text().expose().to_owned();
        let hook = base64("canaryHOOK7Qm2xVb9Lw4TzR", 0, STANDARD);
        Self::of(places.into_iter().map(made).chain([("KEY", key), ("HOOK", hook)]))
    }

    fn of(secrets: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let spelled = |(place, secret): (&'static str, String)| (place, (secret.clone(), spellings(&secret)));
        Self(secrets.into_iter().map(spelled).collect())
    }

    fn get(&self, place: &str) -> &str {
        &self.0[place].0
    }

    /// Which of them a text has in it, however it is written.
    fn found_in(&self, text: &[u8]) -> Option<&'static str> {
        let text = String::from_utf8_lossy(text);
        let found = |spellings: &[String]| spellings.iter().any(|spelling| text.contains(spelling.as_str()));
        self.0.iter().find(|(_, (_, spellings))| found(spellings)).map(|(place, _)| *place)
    }
}

/// In the clear, in hexadecimal digits, and in both kinds of base64, wherever it begins.
fn spellings(secret: &str) -> Vec<String> {
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![secret.to_owned(), hex];
    for alphabet in [STANDARD, URLS] {
        all.extend((0..3).map(|before| base64(secret, before, alphabet)));
    }
    all
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The letters of base64 that a text has for certain when so many bytes stand before it.
fn base64(secret: &str, before: usize, alphabet: &[u8; 64]) -> String {
    let bytes = [&vec![0; before][..], secret.as_bytes()].concat();
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let letters: Vec<&str> =
        bits.as_bytes().chunks_exact(6).map(|six| std::str::from_utf8(six).unwrap()).collect();
    let letter = |six: &&str| char::from(alphabet[usize::from_str_radix(six, 2).unwrap()]);
    letters.iter().skip((before * 8).div_ceil(6)).map(letter).collect()
}

/// Everything that came out, by where it came from.
struct Out<'c> {
    canaries: &'c Canaries,
    leaks: Vec<String>,
    searched: usize,
}

impl Out<'_> {
    fn search(&mut self, from: &str, text: &[u8]) {
        self.searched += 1;
        if let Some(place) = self.canaries.found_in(text) {
            self.leaks.push(format!("{place} is in {from}:\n{}", String::from_utf8_lossy(text)));
        }
    }

    /// Every file below a directory but those that are made to hold a secret.
    fn search_files(&mut self, path: &Path, but: &[&str]) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            match path.is_dir() {
                true => self.search_files(&path, but),
                false if but.contains(&name.as_str()) => {}
                false => self.search(path.to_str().unwrap(), &std::fs::read(&path).unwrap()),
            }
        }
    }
}

/// An upstream that does what the path says, and remembers what arrived.
fn upstream(answer: String) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seen_here = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (seen, answer) = (seen_here.clone(), answer.clone());
            std::thread::spawn(move || serve_one(stream, &seen, &answer));
        }
    });
    (url, seen)
}

fn serve_one(mut stream: TcpStream, seen: &Mutex<Vec<u8>>, answer: &str) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    // A POST whose body is not all there has not arrived.
    let whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let Some(head) = text.find("\r\n\r\n") else { return false };
        let length =
            text[..head].lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        request.len() >= head + 4 + length.unwrap_or(0usize)
    };
    while !whole(&request) {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => request.extend_from_slice(&piece[..read]),
        }
    }
    seen.lock().unwrap().extend_from_slice(&request);
    let path = String::from_utf8_lossy(&request).into_owned();
    let mood = MOODS.iter().find(|mood| path.lines().next().unwrap_or_default().contains(*mood));
    let (status, more) = match mood {
        Some(&"fail") => ("500 Internal Server Error", ""),
        Some(&"denied") => ("401 Unauthorized", ""),
        Some(&"busy") => ("429 Too Many Requests", "Retry-After: 0\r\n"),
        Some(&"cut") => return,
        Some(&"babble") => {
            let _ = stream.write_all(format!("{answer}\r\n\r\n").as_bytes());
            return;
        }
        _ => ("200 OK", ""),
    };
    let length = answer.len();
    let text = format!(
        "HTTP/1.1 {status}\r\n{more}Set-Cookie: session={answer}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
    );
    let _ = stream.write_all(text.as_bytes());
}

/// Sends bytes, and gives everything that comes back.
fn send(authority: &str, bytes: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut back = Vec::new();
    let _ = stream.read_to_end(&mut back);
    back
}

/// A call that carries a secret in every place a caller has.
fn call(authority: &str, canaries: &Canaries, method: &str, path: &str) -> String {
    let body = if method == "POST" {
        format!("{{\"key\": \"{}\"}}\r\nEND", canaries.get("BODY"))
    } else {
        String::new()
    };
    let (caller, cookie, query) = (canaries.get("CALLER"), canaries.get("COOKIE"), canaries.get("QUERY"));
    format!(
        "{method} {path}?api_key={query} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nAuthorization: Bearer {caller}\r\n\
         X-Api-Key: {caller}\r\nCookie: session={cookie}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A directory with a configuration, and the environment commands run in.
struct Home {
    directory: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Home {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        command.args(arguments).current_dir(self.directory.path()).env_clear();
        command.envs(self.environment.iter().cloned()).env("RUST_BACKTRACE", "full");
        command
    }

    /// Runs a command, and searches what it printed.
    fn run(&self, out: &mut Out<'_>, arguments: &[&str], input: &str) -> (Option<i32>, String) {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        out.search(&format!("stdout of {arguments:?}"), &output.stdout);
        out.search(&format!("stderr of {arguments:?}"), &output.stderr);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A gateway that runs; what it says is kept.
struct Served {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
    data: String,
    admin: String,
}

impl Served {
    fn start(home: &Home) -> Self {
        let mut child =
            home.command(&["serve"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (mut data, mut admin) = (String::new(), String::new());
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        for line in lines.by_ref() {
            said.lock().unwrap().extend_from_slice(format!("{line}\n").as_bytes());
            let address =
                |line: &str| line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
            if line.contains("calls at ") {
                data = address(&line);
            }
            if line.contains("admin at ") {
                admin = address(&line);
                break;
            }
        }
        assert!(!admin.is_empty(), "{}", String::from_utf8_lossy(&said.lock().unwrap()));
        let more = said.clone();
        std::thread::spawn(move || {
            lines.for_each(|line| more.lock().unwrap().extend_from_slice(format!("{line}\n").as_bytes()));
        });
        Self { child, said, data, admin }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(upstream: &str) -> String {
    let mut text =
        "listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\nadmin_token = 'env:ADMIN_KEY'\nstate = './state'\n\
        defaults.deadline = '10s'\ndefaults.retry = { attempts = 2, base = '10ms', cap = '10ms' }\n\
        [upstream.passing]\n"
            .to_owned();
    text.push_str(&format!("url = '{upstream}'\n"));
    for (name, auth) in [
        ("vaulted", "{ bearer = 'vault:openai' }"),
        ("headed", "{ header = 'x-api-key', value = 'env:ENV_KEY' }"),
        ("based", "{ basic = 'file:pair' }"),
    ] {
        text.push_str(&format!("[upstream.{name}]\nurl = '{upstream}'\nauth = {auth}\n"));
    }
    // One of its keys is refused and rests, and is told by its name.
    text.push_str(&format!(
        "[upstream.several]\nurl = '{upstream}'\nkeys = [{{ name = 'first', bearer = 'vault:openai' }}, \
         {{ name = 'second', header = 'x-api-key', value = 'env:SECOND_KEY', weight = 2 }}]\n"
    ));
    // Nobody is there, so its breaker opens.
    text.push_str("[upstream.nowhere]\nurl = 'http://127.0.0.1:1'\nauth = { bearer = 'vault:openai' }\nbreaker.consecutive = 2\n");
    // Looked at with a key in the header and in the URL, by one who answers with a secret.
    // Somebody is told of that by ways that hold secrets, and neither way works.
    text.push_str(&format!(
        "[alert.down]\nwhen = \"breaker_open{{upstream='nowhere'}} > 0\"\nseverity = 'error'\nsend = ['hook', 'slack']\n\
         [channel.hook]\nwebhook = '{upstream}/fail/hook'\nsecret = 'env:HOOK_KEY'\n\
         [channel.slack]\nslack = 'env:SLACK_URL'\n\
         [otlp]\nendpoint = '{upstream}'\nheaders = {{ authorization = 'env:OTLP_KEY' }}\ninterval = '1s'\n"
    ));
    text.push_str(&format!(
        "[health.vaulted]\nhttp = '{upstream}/ok'\nevery = '1s'\nfailures = 1\n\
         [health.failing]\nhttp = '{upstream}/fail'\nauth = {{ basic = 'file:pair' }}\nfailures = 1\n\
         [health.odd]\nai = '{upstream}/babble'\nauth = {{ header = 'x-api-key', value = 'env:ENV_KEY' }}\nfailures = 1\n\
         [logs]\ndirectory = './logs'\nlevel = 'trace'\n"
    ));
    text
}

/// Puts values into a vault, and makes every mistake one can make with it.
fn what_the_vault_is_told(home: &Home, out: &mut Out<'_>, canaries: &Canaries) {
    let run = |out: &mut Out<'_>, arguments: &[&str], input: &str, code: i32| {
        let (ended, _) = home.run(out, arguments, input);
        assert_eq!(ended, Some(code), "{arguments:?}");
    };
    run(out, &["vault", "init"], "", 0);
    run(out, &["vault", "set", "openai"], canaries.get("OLD"), 0);
    run(out, &["vault", "rotate", "openai", "--json"], canaries.get("VAULT"), 0);
    run(out, &["vault", "import-env", "ENV_KEY", "--json"], "", 0);
    run(out, &["vault", "set", canaries.get("NAME").get(..6).unwrap(), "--token"], canaries.get("VAULT"), 2);
    run(out, &["vault", "set", "x", "--expires", "2020-01-01"], canaries.get("VAULT"), 2);
    run(out, &["vault", "set", "a b"], canaries.get("VAULT"), 2);
    run(out, &["vault", "export", "openai"], "", 0);
    for command in ["list", "check"] {
        run(out, &["vault", command], "", 0);
        run(out, &["vault", command, "--json"], "", 0);
    }
    let garbage = home.directory.path().join("garbage");
    std::fs::write(&garbage, canaries.get("VAULT")).unwrap();
    run(out, &["vault", "list", "--vault", "garbage"], "", 1);
    run(out, &["vault", "list", "--key-file", "pair"], "", 2);
    std::fs::remove_file(garbage).unwrap();
}

/// Configurations in which somebody wrote a secret itself.
fn what_is_written_wrong(home: &Home, out: &mut Out<'_>, literal: &str) {
    for text in [
        format!("[upstream.a]\nurl = 'https://a'\nauth = {{ bearer = '{literal}' }}\n"),
        format!("[upstream.a]\nurl = 'https://a'\nauth = {{ bearer = ['{literal}'] }}\n"),
        format!("[upstream.a]\nurl = 'https://me:{literal}@a'\n"),
        format!("[upstream.a]\nurl = 'https://a'\nauth = {{ basic = 'vault:{literal} ' }}\n"),
        format!("admin_token = '{literal}'\n"),
        format!("callers = {{ ann = '{literal}' }}\n"),
        format!("state = 'redis://:{literal}@host/0'\n"),
        format!("[channel.ops]\nslack = 'https://hooks.example/{literal}'\n"),
        format!("[channel.ops]\nsecret = '{literal}'\n"),
        format!("[upstream.a]\nurl = 'https://a'\napi_key = '{literal}'\n"),
        format!("[vault]\nkey = '{literal}'\n"),
        format!("password = '{literal}'\n"),
        format!("secret = '{literal}\n"),
    ] {
        std::fs::write(home.directory.path().join("wrong.toml"), text).unwrap();
        for arguments in [
            &["check"][..],
            &["check", "--json"],
            &["config", "show"],
            &["config", "show", "--json"],
            &["serve"],
        ] {
            home.run(out, &[arguments, &["-c", "wrong.toml"]].concat(), "");
        }
    }
    std::fs::remove_file(home.directory.path().join("wrong.toml")).unwrap();
}

/// Calls of every kind with secrets in them, by callers who do it right and by callers who do not.
fn what_callers_say(served: &Served, out: &mut Out<'_>, canaries: &Canaries) -> Vec<String> {
    let mut ids = Vec::new();
    for upstream in ["passing", "vaulted", "headed", "based", "several", "nowhere", "nobody"] {
        for mood in MOODS {
            for method in ["GET", "POST"] {
                let answer =
                    send(&served.data, &call(&served.data, canaries, method, &format!("/{upstream}/{mood}")));
                let text = String::from_utf8_lossy(&answer).into_owned();
                let id = text.lines().find_map(|line| line.strip_prefix("seawall-call: ")).map(str::to_owned);
                ids.extend(id);
                // What the upstream said itself is its caller's; what seawall says is searched.
                if text.contains("application/problem+json") || text.contains("\"type\": \"error\"") {
                    out.search(&format!("the refusal of {method} /{upstream}/{mood}"), &answer);
                }
            }
        }
    }
    let (caller, query) = (canaries.get("CALLER"), canaries.get("QUERY"));
    for bytes in [
        format!(
            "GET /vaulted/ok?k={query} HTTP/1.1\r\nHost: elsewhere\r\nAuthorization: Bearer {caller}\r\nConnection: close\r\n\r\n"
        ),
        format!(
            "GET /vaulted/ok?k={query} HTTP/1.1\r\nHost: {}\r\nOrigin: https://{caller}.example\r\nConnection: close\r\n\r\n",
            served.data
        ),
        format!("GET /vaulted/ok HTTP/1.1\r\nHost: {}\r\nAuthorization {caller}\r\n\r\n", served.data),
        format!(
            "GET /vaulted/ok HTTP/1.1\r\nHost: {}\r\nX: {}\r\nConnection: close\r\n\r\n",
            served.data,
            caller.repeat(10_000)
        ),
        format!("{caller}\r\n\r\n"),
        format!(
            "GET http://me:{caller}@elsewhere/?k={query} HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n"
        ),
    ] {
        let answer = send(&served.data, &bytes);
        out.search(&format!("the refusal of {:?}", bytes.chars().take(60).collect::<String>()), &answer);
    }
    ids
}

/// Everything there is to get by the port's own description, without its holes.
fn described(served: &Served, canaries: &Canaries) -> Vec<String> {
    let request = format!(
        "GET /api/v1/openapi.json HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        served.admin,
        canaries.get("ADMIN")
    );
    let answer = String::from_utf8(send(&served.admin, &request)).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {answer}"));
    let paths = body["paths"].as_object().unwrap().iter();
    let got = paths.filter(|(_, methods)| methods.get("get").is_some()).map(|(path, _)| path.clone());
    // A stream has no end.
    got.filter(|path| !path.contains('{') && path != "/events").collect()
}

/// What somebody hears who follows a stream for three seconds.
fn followed(served: &Served, canaries: &Canaries, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(&served.admin).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
        served.admin,
        canaries.get("ADMIN")
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    let until = std::time::Instant::now() + Duration::from_secs(3);
    while std::time::Instant::now() < until && heard.len() < 256 * 1024 {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => heard.extend_from_slice(&piece[..read]),
            // Nothing was said for a while.
            Err(_) => {}
        }
    }
    heard
}

/// Those who should hear of an alert cannot be reached: what is said of that, and what a test of the ways says.
fn who_cannot_be_told(served: &Served, out: &mut Out<'_>, canaries: &Canaries, seen: &Mutex<Vec<u8>>) {
    for channel in ["hook", "slack"] {
        let body = "{\"by\": \"ann\", \"reason\": \"a test\"}";
        let request = format!(
            "POST /api/v1/channels/{channel}/test HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            served.admin,
            canaries.get("ADMIN"),
            body.len()
        );
        let answer = send(&served.admin, &request);
        let told = String::from_utf8_lossy(&answer);
        assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("\"state\":\"on its way\""), "{told}");
        out.search(&format!("the test of {channel}"), &answer);
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let arrived = |word: &str| String::from_utf8_lossy(&seen.lock().unwrap()).contains(word);
    while !(arrived("POST /fail/hook ") && arrived(canaries.get("SLACK")) && arrived(canaries.get("OTLP"))) {
        assert!(std::time::Instant::now() < deadline, "nobody was told");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Everything an operator can ask.
fn what_is_asked(home: &Home, served: &Served, out: &mut Out<'_>, canaries: &Canaries, ids: &[String]) {
    let mut pages: Vec<String> = ADMIN.map(|page| page.replace("QUERY", canaries.get("QUERY"))).into();
    let described = described(served, canaries);
    assert!(described.len() > 10, "{described:?}");
    pages.extend(described);
    pages.extend(ids.iter().map(|id| format!("/api/v1/calls/{id}")));
    for page in pages {
        for accept in ["*/*", "text/html", "application/openmetrics-text"] {
            let request = format!(
                "GET {page} HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
                served.admin,
                canaries.get("ADMIN")
            );
            let answer = send(&served.admin, &request);
            assert!(answer.starts_with(b"HTTP/1.1 ") && !answer.starts_with(b"HTTP/1.1 401"), "{page}");
            out.search(&page, &answer);
        }
    }
    let heard = followed(served, canaries, "/events");
    let text = String::from_utf8_lossy(&heard);
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("data: "), "{text}");
    out.search("/events", &heard);
    // Whoever has another token, and a browser that logs in, once with the right one.
    let (right, wrong) = (canaries.get("ADMIN"), canaries.get("CALLER"));
    let refused = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {wrong}\r\nConnection: close\r\n\r\n",
        served.admin
    );
    out.search("the refusal of a token", &send(&served.admin, &refused));
    for (token, status) in [(wrong, "HTTP/1.1 401"), (right, "HTTP/1.1 303")] {
        let body = format!("token={token}&to=%2F");
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            served.admin,
            body.len()
        );
        let answer = send(&served.admin, &request);
        assert!(answer.starts_with(status.as_bytes()), "{}", String::from_utf8_lossy(&answer));
        out.search("/login", &answer);
    }
    let admin = format!("http://{}", served.admin);
    let asked = [
        &["status"][..],
        &["upstreams"],
        &["breakers"],
        &["limits"],
        &["health"],
        &["alerts", "--all"],
        &["top"],
        &["effects", "list"],
        &["breakers", "reset", "nowhere", "--by", "ann", "--reason", "a test"],
        &["explain", &ids[0]],
    ];
    for arguments in asked {
        for more in [&["--admin", &admin][..], &["--admin", &admin, "--json"]] {
            let (code, said) = home.run(out, &[arguments, more].concat(), "");
            assert_eq!(code, Some(0), "{arguments:?} {more:?}: {said}");
        }
    }
    for arguments in [
        &["check"][..],
        &["check", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "schema"],
        &["config", "versions"],
        &["config", "versions", "1"],
        &["config", "diff"],
        &["config", "backup", "--out", "copy"],
        &["audit", "verify"],
        &["audit", "export"],
        &["audit", "security"],
        &["audit", "security", "--json", "--keep", "--html", "report.html"],
        &["vault", "list"],
    ] {
        let (code, _) = home.run(out, arguments, "");
        assert_eq!(code, Some(0), "{arguments:?}");
    }
}

#[test]
fn no_secret_comes_out_anywhere() {
    let canaries = Canaries::new();
    let mut out = Out { canaries: &canaries, leaks: Vec::new(), searched: 0 };
    let (url, seen) = upstream(canaries.get("ANSWER").to_owned());
    let home = Home {
        directory: tempfile::tempdir().unwrap(),
        environment: vec![
            ("SEAWALL_VAULT_KEY".to_owned(), canaries.get("KEY").to_owned()),
            ("ENV_KEY".to_owned(), canaries.get("ENV").to_owned()),
            ("SECOND_KEY".to_owned(), canaries.get("SECOND").to_owned()),
            ("ADMIN_KEY".to_owned(), canaries.get("ADMIN").to_owned()),
            ("SEAWALL_ADMIN_TOKEN".to_owned(), canaries.get("ADMIN").to_owned()),
            ("HOOK_KEY".to_owned(), format!("whsec_{}", canaries.get("HOOK"))),
            ("SLACK_URL".to_owned(), format!("{url}/fail/{}", canaries.get("SLACK"))),
            ("OTLP_KEY".to_owned(), format!("Bearer {}", canaries.get("OTLP"))),
        ],
    };
    let pair = home.directory.path().join("pair");
    std::fs::write(&pair, format!("ann:{}", canaries.get("FILE"))).unwrap();
    std::fs::set_permissions(&pair, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(home.directory.path().join("seawall.toml"), settings(&url)).unwrap();

    what_the_vault_is_told(&home, &mut out, &canaries);
    what_is_written_wrong(&home, &mut out, canaries.get("LITERAL"));
    let mut served = Served::start(&home);
    let command = std::fs::read(format!("/proc/{}/cmdline", served.child.id()));
    out.search("the command line", &command.unwrap_or_default());
    let ids = what_callers_say(&served, &mut out, &canaries);
    who_cannot_be_told(&served, &mut out, &canaries, &seen);
    what_is_asked(&home, &served, &mut out, &canaries, &ids);

    let id = served.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    let mut stdout = Vec::new();
    served.child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    out.search("what serve printed", &stdout);
    out.search("what serve said", &served.said.lock().unwrap());
    out.search_files(home.directory.path(), &["pair"]);

    assert!(out.leaks.is_empty(), "{}", out.leaks.join("\n\n"));
    assert!(out.searched > 300 && ids.len() > 50, "{} texts, {} calls", out.searched, ids.len());
    // The secrets were in use: the upstream was given them, and nobody else was.
    let seen = seen.lock().unwrap();
    for place in ["VAULT", "ENV", "SECOND", "FILE", "CALLER", "COOKIE", "QUERY", "BODY", "SLACK", "OTLP"] {
        let alone = Canaries::of([(place, canaries.get(place).to_owned())]);
        assert!(alone.found_in(&seen).is_some(), "{place} was never used");
    }
}

#[test]
fn the_search_finds_what_it_is_for() {
    let canaries = Canaries::new();
    let secret = canaries.get("ENV");
    for text in [
        format!("{{\"key\":\"{secret}\"}}"),
        format!("Basic {}", base64(&format!("ann:{secret}xyz"), 0, STANDARD)),
        format!("Basic {}", base64(&format!("a:{secret}xyz"), 0, STANDARD)),
        format!("Basic {}", base64(&format!("bob_:{secret}xyz"), 0, STANDARD)),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ] {
        assert_eq!(canaries.found_in(text.as_bytes()), Some("ENV"), "{text}");
    }
    assert_eq!(canaries.found_in(b"canaryENV7Qm2"), None);
}
