//! A real Chromium, spoken to in WebDriver.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use seawall_testkit::client::{self, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Starting a browser on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one window. Ends with its driver, when it is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    url: String,
    session: String,
    _profile: TempDir,
}

/// A program a test may do without, unless this is CI.
fn program(variable: &str, name: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| name.into())
}

impl Browser {
    /// Starts one; none, said aloud, where there is no Chromium with its driver.
    pub async fn start() -> Option<Self> {
        let driver = Command::new(program("SEAWALL_E2E_CHROMEDRIVER", "chromedriver"))
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut driver = match driver {
            Ok(driver) => driver,
            Err(error) if std::env::var_os("CI").is_none() => {
                eprintln!(
                    "SKIPPED: chromedriver cannot be started ({error}): install chromium and chromium-driver"
                );
                return None;
            }
            Err(error) => panic!("chromedriver cannot be started: {error}"),
        };
        let mut said = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = async {
            loop {
                let line = said.next_line().await.unwrap().expect("it says its port before it ends");
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    break port.trim_end_matches('.').to_owned();
                }
            }
        };
        let port = tokio::time::timeout(PATIENCE, port).await.expect("it says its port");
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless=new".to_owned(),
            // Tests run as root in containers, where Chromium has no sandbox to offer.
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--force-device-scale-factor=1".to_owned(),
            "--window-size=1280,900".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            // What is looked for may be on a page that is still being fetched.
            "timeouts": { "implicit": 10_000 },
            "goog:chromeOptions": {
                "binary": program("SEAWALL_E2E_CHROMIUM", "/usr/bin/chromium").to_string_lossy(),
                "args": arguments,
            },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let mut this = Self {
            driver,
            url: format!("http://127.0.0.1:{port}"),
            session: String::new(),
            _profile: profile,
        };
        let begun = this.ask("POST", "/session", &wanted).await;
        this.session = format!("/session/{}", begun["sessionId"].as_str().unwrap());
        Some(this)
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("{}{path}", self.session);
        let request = match method {
            "POST" => Request::post(path).json(body),
            method => Request::new(method, path),
        };
        let answer = client::request(&self.url, request.timeout(PATIENCE)).await.expect("the driver answers");
        let mut value = answer.json().unwrap_or_else(|| panic!("no JSON: {}", answer.text()));
        assert_eq!(answer.status, 200, "{value}");
        value["value"].take()
    }

    /// Goes to a page, and returns when it is loaded.
    pub async fn go(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url })).await;
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// What a script returns, as text.
    pub async fn text(&self, script: &str) -> String {
        let value = self.run(script).await;
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// The text of the first element of a selector.
    pub async fn see(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        self.ask("GET", &format!("/element/{element}/text"), &Value::Null).await.as_str().unwrap().to_owned()
    }

    /// Clicks the first element of a selector, as a person would: it has to be there to be seen.
    pub async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.ask("POST", &format!("/element/{element}/click"), &json!({})).await;
    }

    /// Types into the first element of a selector.
    pub async fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text })).await;
    }

    async fn find(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.ask("POST", "/element", &wanted).await;
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await
    }

    /// The window's size, as a phone's or as a desktop's.
    pub async fn resize(&self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics).await;
    }

    /// What pages complained about since somebody last asked: errors of scripts, of policies, of loading.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.log("browser").await;
        let bad = entries.iter().filter(|entry| entry["level"] != "DEBUG" && entry["level"] != "INFO");
        bad.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Every address asked for since somebody last asked.
    pub async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let told =
            entries.iter().filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        let sent = told.filter(|told| told["message"]["method"] == "Network.requestWillBeSent");
        sent.filter_map(|told| Some(told["message"]["params"]["request"]["url"].as_str()?.to_owned()))
            .collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        self.ask("POST", "/se/log", &json!({ "type": kind })).await.as_array().cloned().unwrap_or_default()
    }

    /// What is seen, as a PNG.
    pub async fn picture(&self) -> Vec<u8> {
        let text = self.ask("GET", "/screenshot", &Value::Null).await;
        let letters = text.as_str().unwrap().bytes().filter_map(|letter| match letter {
            b'A'..=b'Z' => Some(letter - b'A'),
            b'a'..=b'z' => Some(letter - b'a' + 26),
            b'0'..=b'9' => Some(letter - b'0' + 52),
            b'+' => Some(62),
            b'/' => Some(63),
            _ => None,
        });
        let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
        for letter in letters {
            (bits, held) = (bits << 6 | u32::from(letter), held + 6);
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
            }
        }
        bytes
    }

    /// Ends it in good order.
    pub async fn quit(mut self) {
        self.ask("DELETE", "", &Value::Null).await;
        let _ = self.driver.kill().await;
    }
}
