//! The face for `tracing`: events and the spans around them become lines.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::line::Line;
use super::options::{Level, Stream};
use super::{Logs, Shared};

/// The field of a span that names the call: every event inside bears it.
const CALL: &str = "call";
/// The field of an event by which errors are grouped.
const CAUSE: &str = "cause";

/// Writes what `tracing` hears.
#[derive(Debug, Clone)]
pub(super) struct Layered(Logs);

/// What is heard, by this layer alone: what others beside it hear is their affair.
#[derive(Debug, Clone)]
pub(super) struct Heard(Logs);

/// The layer with its filter.
pub(super) fn layer<S: Subscriber + for<'s> LookupSpan<'s>>(logs: &Logs) -> Filtered<Layered, Heard, S> {
    Layered(logs.clone()).with_filter(Heard(logs.clone()))
}

impl Heard {
    fn hears(&self, metadata: &Metadata<'_>) -> bool {
        // A span that names the call is heard whatever its level: the lines inside need it.
        let names_call = metadata.is_span() && metadata.fields().field(CALL).is_some();
        names_call || level(*metadata.level()) <= self.0.0.options.level_of(metadata.target())
    }
}

impl<S> Filter<S> for Heard {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.hears(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.hears(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.0.0.options.loudest() {
            // Not less than spans usually have.
            Level::Error | Level::Warn | Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        })
    }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

/// What a span adds to every line inside it, put together once.
#[derive(Debug, Default)]
struct Inside {
    /// The call's name, as it is.
    call: Option<String>,
    /// The span as an object of JSON.
    piece: String,
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Layered {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::of(&self.0.0, span.name());
        attributes.record(&mut fields);
        let inside = fields.finish();
        span.extensions_mut().insert(inside);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::of(&self.0.0, "");
        values.record(&mut fields);
        let more = fields.finish();
        if let Some(inside) = span.extensions_mut().get_mut::<Inside>() {
            inside.call = more.call.or(inside.call.take());
            // Without its beginning and the end of the other.
            if let Some(added) = more.piece.strip_prefix("{\"name\":\"\"") {
                inside.piece.pop();
                inside.piece.push_str(added);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let (metadata, logs) = (event.metadata(), &*self.0.0);
        let mut message = Message::default();
        event.record(&mut message);
        let stream = Stream::of(metadata.target());
        if !logs.options.hears(stream) {
            return;
        }
        let mut line =
            Line::new(Some(logs), stream, level(*metadata.level()), metadata.target(), &message.text);
        let mut spans = String::new();
        let mut call = message.call;
        for span in context.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            let Some(inside) = extensions.get::<Inside>() else { continue };
            if call.is_none() {
                call.clone_from(&inside.call);
            }
            spans.push_str(if spans.is_empty() { "\"spans\":[" } else { "," });
            spans.push_str(&inside.piece);
        }
        if let Some(call) = call {
            line.call_named(&call);
        }
        if let Some(cause) = &message.cause {
            line.group_by(cause);
        }
        event.record(&mut InEvent(&mut line));
        if !spans.is_empty() {
            spans.push(']');
            line.piece(&spans);
        }
        line.write();
    }
}

/// The message of an event, and the fields that are treated in a way of their own.
#[derive(Default)]
struct Message {
    text: String,
    call: Option<String>,
    cause: Option<String>,
}

impl Message {
    fn note(&mut self, name: &str, value: fmt::Arguments<'_>) {
        match name {
            "message" => super::line::printed(value, |text| self.text.push_str(text)),
            CALL => self.call = Some(value.to_string()),
            CAUSE => self.cause = Some(value.to_string()),
            _ => {}
        }
    }
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field.name(), format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field.name(), format_args!("{value}"));
    }
}

/// The other fields of an event.
struct InEvent<'e, 'l>(&'e mut Line<'l>);

impl InEvent<'_, '_> {
    fn wants(field: &Field) -> bool {
        !matches!(field.name(), "message" | CALL)
    }
}

impl Visit for InEvent<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if Self::wants(field) {
            self.0.print(field.name(), format_args!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if Self::wants(field) {
            self.0.print(field.name(), format_args!("{value}"));
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if Self::wants(field) {
            self.0.float(field.name(), value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if Self::wants(field) {
            self.0.print_bare(field.name(), format_args!("{value}"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if Self::wants(field) {
            self.0.print_bare(field.name(), format_args!("{value}"));
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if Self::wants(field) {
            self.0.print_bare(field.name(), format_args!("{value}"));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        if Self::wants(field) {
            self.0.print(field.name(), format_args!("{}", Chain(value)));
        }
    }
}

/// An error and what it comes from.
struct Chain<'e>(&'e (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        // A chain that ends in itself is somebody's bug, and not ours to hang on.
        for _ in 0..16 {
            let Some(error) = source else { break };
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// The fields of a span.
struct Fields<'l> {
    line: Line<'l>,
    call: Option<String>,
}

impl<'l> Fields<'l> {
    fn of(logs: &'l Shared, name: &str) -> Self {
        Self { line: Line::inside(logs, name), call: None }
    }

    fn finish(self) -> Inside {
        Inside { call: self.call, piece: self.line.into_piece() }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == CALL {
            self.call = Some(format!("{value:?}"));
        } else {
            self.line.print(field.name(), format_args!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == CALL {
            self.call = Some(value.to_owned());
        } else {
            self.line.print(field.name(), format_args!("{value}"));
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.line.float(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.line.print_bare(field.name(), format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.line.print_bare(field.name(), format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.line.print_bare(field.name(), format_args!("{value}"));
    }
}
