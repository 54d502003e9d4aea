//! ModSecurity with the Core Rule Set, as Debian ships them, on a private Apache: blocked, or let through.

use super::sample::{Form, Sample};
use crate::process::{Running, interrupted};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
/// Longer values go into a form: Apache takes lines of 8190 bytes.
const LONGEST_LINE: usize = 6_000;
const HEAD: &str = "Host: api.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n";

/// What the rules say of each string: was it refused? A string that is percent-encoded already is sent both as it is
/// and encoded once more, and refused in either form is refused.
pub(super) fn judge(folder: &Path, samples: &[Sample]) -> Result<Vec<bool>, String> {
    let server = Server::start(folder)?;
    server.sound()?;
    let half = samples.len() / 2;
    let (front, back) = samples.split_at(half);
    thread::scope(|scope| {
        let first = scope.spawn(|| server.refusals(front));
        let mut second = server.refusals(back)?;
        let mut all = first.join().map_err(|_| "a client ended badly")??;
        all.append(&mut second);
        Ok(all)
    })
}

struct Server {
    address: SocketAddr,
    _process: Running,
}

impl Server {
    fn start(folder: &Path) -> Result<Server, String> {
        let wrong = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        let (tree, own) = (folder.join("tree"), folder.join("apache"));
        fs::create_dir_all(own.join("www")).map_err(|error| wrong(&own, error))?;
        fs::write(own.join("www/v"), "ok").map_err(|error| wrong(&own, error))?;
        // The recommended settings, but for the mode, which is to block, and logs that nobody reads.
        let recommended = super::read(&tree.join("etc/modsecurity/modsecurity.conf-recommended"))?;
        let kept = recommended.lines().filter(|line| {
            !["SecRuleEngine", "SecAuditEngine", "SecAuditLog "].iter().any(|word| line.starts_with(word))
        });
        let settings = kept.fold(String::new(), |text, line| text + line + "\n");
        fs::write(own.join("modsecurity.conf"), settings).map_err(|error| wrong(&own, error))?;
        let mapping = own.join("unicode.mapping");
        fs::copy(tree.join("etc/modsecurity/unicode.mapping"), &mapping)
            .map_err(|error| wrong(&mapping, error))?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no free port: {error}"))?;
        let address = listener.local_addr().map_err(|error| format!("no free port: {error}"))?;
        drop(listener);
        let file = own.join("httpd.conf");
        fs::write(&file, configuration(&tree, &own, address)).map_err(|error| wrong(&file, error))?;
        let mut command = Command::new(tree.join("usr/sbin/apache2"));
        command.arg("-f").arg(&file).arg("-DFOREGROUND").stdout(Stdio::null()).stderr(Stdio::null());
        command.env(
            "LD_LIBRARY_PATH",
            tree.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)),
        );
        let mut server = Server { address, _process: Running::start("apache2", &mut command)? };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server._process.ended()? {
                return Err(format!(
                    "apache2 ended at once ({status}); see {}",
                    own.join("error.log").display()
                ));
            }
            if began.elapsed() > PATIENCE || interrupted() {
                return Err("apache2 did not begin to listen".into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// It lets a greeting through and refuses an attack, or its figures would mean nothing.
    fn sound(&self) -> Result<(), String> {
        let mut line = Line::new(self.address);
        for (text, wanted) in [("hello", false), ("1' or 1=1 union select 1,2,3 from users-- -", true)] {
            if line.refuses(&query(text.as_bytes()))? != wanted {
                return Err(format!("apache2 does not judge {text:?} as it should: are its rules loaded?"));
            }
        }
        Ok(())
    }

    fn refusals(&self, samples: &[Sample]) -> Result<Vec<bool>, String> {
        let mut line = Line::new(self.address);
        let judge = |sample: &Sample| {
            if interrupted() {
                return Err("interrupted".to_owned());
            }
            let refused = match sample.form {
                Form::Json => line.refuses(&post("application/json", &sample.text))?,
                // A text of several lines is typed into a form.
                Form::Value if !sample.is_attack() && sample.text.contains(&b'\n') => {
                    line.refuses(&form(&sample.text))?
                }
                Form::Value => line.refuses(&query(&sample.text))?,
            };
            let as_it_is = sample.is_attack() && is_encoded(&sample.text);
            Ok(refused || as_it_is && line.refuses(&get(&sample.text))?)
        };
        samples.iter().map(judge).collect()
    }
}

fn configuration(tree: &Path, own: &Path, address: SocketAddr) -> String {
    let (tree, own) = (tree.display(), own.display());
    let user = if rustix::process::geteuid().is_root() { "User www-data\nGroup www-data\n" } else { "" };
    let modules = ["mpm_event", "unique_id", "authz_core", "security2"];
    let mut text = format!(
        "ServerRoot \"{tree}\"
ServerName localhost
Listen {address}
PidFile \"{own}/httpd.pid\"
DefaultRuntimeDir \"{own}\"
ErrorLog \"{own}/error.log\"
LogLevel emerg
{user}"
    );
    for module in modules {
        let _ = writeln!(text, "LoadModule {module}_module usr/lib/apache2/modules/mod_{module}.so");
    }
    text + &format!(
        "DocumentRoot \"{own}/www\"
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
LimitRequestLine 16000
SecDataDir /tmp
SecTmpDir /tmp
Include \"{own}/modsecurity.conf\"
SecRuleEngine On
SecAuditEngine Off
Include etc/modsecurity/crs/crs-setup.conf
Include usr/share/modsecurity-crs/rules/*.conf
"
    )
}

/// A kept connection, opened again where the server closes it.
struct Line {
    to: SocketAddr,
    stream: Option<TcpStream>,
}

impl Line {
    fn new(to: SocketAddr) -> Line {
        Line { to, stream: None }
    }

    /// Whether the answer is a refusal. Files are only there to be read: whatever else is answered, it was let through.
    fn refuses(&mut self, request: &[u8]) -> Result<bool, String> {
        let mut last = String::new();
        for _ in 0..3 {
            match self.ask(request) {
                Ok(status) => return Ok(matches!(status, 400 | 403)),
                Err(error) => last = error.to_string(),
            }
            self.stream = None;
        }
        Err(format!("apache2 does not answer: {last}"))
    }

    fn ask(&mut self, request: &[u8]) -> std::io::Result<u16> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect_timeout(&self.to, PATIENCE)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                none.insert(stream)
            }
        };
        stream.write_all(request)?;
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        let head = loop {
            match stream.read(&mut piece)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => answer.extend_from_slice(&piece[..count]),
            }
            if let Some(at) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<usize>().ok());
        let mut left = field("content-length:").unwrap_or(0).saturating_sub(answer.len() - head);
        while left > 0 {
            match stream.read(&mut piece)? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        if text.contains("connection: close") {
            self.stream = None;
        }
        text.get(9..12).and_then(|status| status.parse().ok()).ok_or(std::io::ErrorKind::InvalidData.into())
    }
}

/// A field of a query, or of a form where it is long.
fn query(value: &[u8]) -> Vec<u8> {
    let encoded = encoded(value);
    if encoded.len() <= LONGEST_LINE { get(&encoded) } else { form(value) }
}

/// A field of a form.
fn form(value: &[u8]) -> Vec<u8> {
    post("application/x-www-form-urlencoded", &[b"q=".as_slice(), &encoded(value)].concat())
}

fn encoded(value: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for byte in value {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) => encoded.push(*byte),
            byte => encoded.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    encoded
}

fn get(encoded: &[u8]) -> Vec<u8> {
    [b"GET /v?q=".as_slice(), encoded, b" HTTP/1.1\r\n", HEAD.as_bytes(), b"\r\n"].concat()
}

fn post(kind: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST /v HTTP/1.1\r\n{HEAD}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Could this stand in a query as it is, and does it hold something encoded?
fn is_encoded(text: &[u8]) -> bool {
    let legal = |byte: &u8| byte.is_ascii_graphic() && !b"\"<>#&+".contains(byte);
    text.len() <= LONGEST_LINE && text.iter().all(legal) && text.contains(&b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_and_long_ones_become_a_form() {
        assert!(query(b"a b").starts_with(b"GET /v?q=a%20b HTTP/1.1\r\n"));
        assert!(query(&[b' '; 3000]).starts_with(b"POST /v HTTP/1.1\r\n"));
        assert!(is_encoded(b"..%2f..%2fetc") && !is_encoded(b"../etc") && !is_encoded(b"a %2f"));
    }
}
