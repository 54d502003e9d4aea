//! A span, and many of them as `ExportTraceServiceRequest`.

use std::borrow::Cow;

use super::wire::{Given, Message};

/// Whether we were called, or called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call that came in.
    Server,
    /// An attempt that went out.
    Client,
}

/// What is known of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A count.
    Count(u64),
    /// A number.
    Number(f64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

/// Something that took time. Moments are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The trace.
    pub trace: u128,
    /// Its own id, which is not zero.
    pub id: u64,
    /// The span it is a part of; zero where there is none.
    pub parent: u64,
    /// What it is called: of few kinds, so no path of the traffic.
    pub name: String,
    /// Which side of a call it is.
    pub kind: Kind,
    /// When it began.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// What happened meanwhile, and when.
    pub events: Vec<(u64, String)>,
    /// Why it counts as failed.
    pub failed: Option<String>,
}

impl Span {
    fn write(&self, out: &mut Message) {
        let kind = match self.kind {
            Kind::Server => 2,
            Kind::Client => 3,
        };
        out.bytes(1, &self.trace.to_be_bytes()).bytes(2, &self.id.to_be_bytes());
        if self.parent != 0 {
            out.bytes(4, &self.parent.to_be_bytes());
        }
        out.text(5, &self.name).number(6, kind).fixed(7, self.began).fixed(8, self.ended.max(self.began));
        for (key, value) in &self.attributes {
            let given = match value {
                Value::Text(text) => Given::Text(text),
                Value::Count(count) => Given::Count(*count),
                Value::Number(number) => Given::Number(*number),
            };
            out.attribute(9, key, &given);
        }
        for (at, what) in &self.events {
            out.inner(11, |event| _ = event.fixed(1, *at).text(2, what));
        }
        if let Some(why) = &self.failed {
            out.inner(15, |status| _ = status.text(2, why).number(3, 2));
        }
        // Sampled.
        out.short(16, 1);
    }
}

/// The body of a request to `/v1/traces`.
pub(super) fn request(service: &str, spans: &[Span]) -> Vec<u8> {
    let mut out = Message::default();
    out.inner(1, |resource| {
        resource.ours(service, |scope| {
            for span in spans {
                scope.inner(2, |out| span.write(out));
            }
        });
    });
    out.into_bytes()
}
