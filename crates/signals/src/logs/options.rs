//! What is logged, where, and how much of it is kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use seawall_core::units::{self, Size};
use seawall_policy::Invalid;
use serde::{Deserialize, Serialize};

seawall_core::words! {
    /// How much a line matters.
    Level {
        /// Something failed that should not have.
        Error = "error",
        /// Something is not as it should be.
        Warn = "warn",
        /// What an operator wants to know.
        Info = "info",
        /// What a developer wants to know.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

seawall_core::words! {
    /// What a line is about. Each has a file of its own.
    Stream {
        /// Everything else.
        App = "app",
        /// Who did what.
        Audit = "audit",
        /// How long things took.
        Performance = "performance",
        /// What failed, grouped by its cause.
        Errors = "errors",
        /// What was emitted, and avoided.
        Carbon = "carbon",
        /// Who asked the admin port for what.
        Access = "access",
    }
}

impl Stream {
    /// The `tracing` target that leads here.
    pub const fn target(self) -> &'static str {
        match self {
            Stream::App | Stream::Errors => "seawall",
            Stream::Audit => super::AUDIT,
            Stream::Performance => super::PERFORMANCE,
            Stream::Carbon => super::CARBON,
            Stream::Access => super::ACCESS,
        }
    }

    /// The stream of a `tracing` target.
    pub fn of(target: &str) -> Self {
        [Stream::Audit, Stream::Performance, Stream::Carbon, Stream::Access]
            .into_iter()
            .find(|stream| stream.target() == target)
            .unwrap_or(Stream::App)
    }

    /// May its lines use the part of the queue that is kept free for what is accounted for?
    pub(super) const fn is_reserved(self) -> bool {
        matches!(self, Stream::Audit | Stream::Carbon)
    }
}

/// Where logs go and how much of them is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The directory of the files. Default none: all streams go to the standard error together, as containers want it.
    pub directory: Option<PathBuf>,
    /// The streams that are written. Default all of them.
    pub streams: Vec<Stream>,
    /// What is heard of everything. Default info.
    pub level: Level,
    /// What is heard of single targets, by the beginning of their names; the longest that fits counts.
    pub levels: BTreeMap<String, Level>,
    /// A file of this size is moved aside. Default 10 MB.
    pub rotate: Size,
    /// A file of this age is moved aside. Default 7 d; zero never.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub every: Duration,
    /// Files of each stream that are kept, the one that is written included. Default 5.
    pub files: u32,
    /// Files that were moved aside are deleted at this age. Default 30 d; zero never.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub keep: Duration,
    /// Lines that wait to be written, in all. Default 4 MiB: when the disk is slow, further lines are lost and counted.
    pub queue: Size,
    /// Names of fields whose values are never written, beside the usual ones (`authorization`, `api_key`, `token`, …).
    pub redact: Vec<String>,
    /// Also hide what looks like personal data: addresses of mail, numbers of phones and payment cards. Default off: it
    /// cannot be certain, and costs the writing thread a microsecond a line.
    pub personal: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            directory: None,
            streams: Stream::ALL.to_vec(),
            level: Level::Info,
            levels: BTreeMap::new(),
            rotate: Size(10_000_000),
            every: Duration::from_secs(7 * 86_400),
            files: 5,
            keep: Duration::from_secs(30 * 86_400),
            queue: Size(4 << 20),
            redact: Vec::new(),
            personal: false,
        }
    }
}

impl Options {
    /// Refuses files that hold nothing, and queues that hold everything.
    pub fn check(&self) -> Result<(), Invalid> {
        let wrong = |key, message: String| Err(Invalid::new(key, message));
        if self.streams.is_empty() {
            return wrong("streams", "nothing would be written: write [\"app\"], or remove it".to_owned());
        }
        if !(64 << 10..=1 << 40).contains(&self.rotate.0) {
            return wrong("rotate", format!("{} is out of range: write \"64KiB\" to \"1TiB\"", self.rotate));
        }
        if !(1..=1000).contains(&self.files) {
            return wrong("files", format!("{} is out of range: write 1 to 1000", self.files));
        }
        let minute = Duration::from_secs(60);
        for (key, span) in [("every", self.every), ("keep", self.keep)] {
            if !span.is_zero() && span < minute {
                let message = "shorter than anybody reads: write \"0s\" for never, or at least \"1m\"";
                return wrong(key, message.to_owned());
            }
        }
        if !(64 << 10..=256 << 20).contains(&self.queue.0) {
            return wrong("queue", format!("{} is out of range: write \"64KiB\" to \"256MiB\"", self.queue));
        }
        if let Some(name) = self.redact.iter().find(|name| name.trim().len() < 2) {
            return wrong("redact", format!("{name:?} is too short: write the name of a field"));
        }
        Ok(())
    }

    /// Is a line of this stream written?
    pub(super) fn hears(&self, stream: Stream) -> bool {
        // An error is grouped whether or not the stream it came from is written.
        self.streams.contains(&stream) || stream == Stream::App && self.streams.contains(&Stream::Errors)
    }

    /// What is heard of a target.
    pub(super) fn level_of(&self, target: &str) -> Level {
        let fits = self.levels.iter().filter(|(prefix, _)| target.starts_with(prefix.as_str()));
        fits.max_by_key(|(prefix, _)| prefix.len()).map_or(self.level, |(_, level)| *level)
    }

    /// The most that is heard of anything.
    pub(super) fn loudest(&self) -> Level {
        self.levels.values().copied().fold(self.level, Level::max)
    }
}
