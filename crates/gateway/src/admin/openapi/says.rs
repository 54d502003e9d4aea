//! What one route says of itself: what it takes, what it answers, and what it refuses.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use seawall::Code;
use serde_json::{Map, Value, json};

use super::Generators;
use crate::admin::levers::Wish;

/// What a query may say, or must.
struct Query {
    key: &'static str,
    what: &'static str,
    schema: Value,
    must: bool,
}

type Make = fn(&mut SchemaGenerator) -> Schema;

const JSON: &[&str] = &["application/json"];
const HTML: &[&str] = &["text/html"];
const PROBLEM: &str = "application/problem+json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Anybody may hear these, whatever they ask for.
const ALWAYS: [Code; 3] = [Code::Malformed, Code::ForeignHost, Code::ForeignOrigin];
/// Whoever pulls a lever may hear these too.
const AT_LEVERS: [Code; 4] = [Code::LeverUnsigned, Code::NotJson, Code::TooLarge, Code::AuditUnwritable];

/// A route, in words and schemas.
pub(in crate::admin) struct Says {
    summary: &'static str,
    kinds: &'static [&'static str],
    /// The schema of what is answered as JSON; without one it is some object. Every other kind is a text.
    answer: Option<Make>,
    /// The schemas that a body fits, all of them; empty where there is no body.
    takes: Vec<Make>,
    form: bool,
    queries: Vec<Query>,
    places: Vec<(&'static str, Value)>,
    refuses: Vec<(u16, Code)>,
    /// Statuses beside 200 that bear the same answer.
    also: Vec<(u16, &'static str)>,
}

impl Says {
    fn new(summary: &'static str, kinds: &'static [&'static str], answer: Option<Make>) -> Self {
        let says = Self {
            summary,
            kinds,
            answer,
            takes: Vec::new(),
            form: false,
            queries: Vec::new(),
            places: Vec::new(),
            refuses: Vec::new(),
            also: Vec::new(),
        };
        says.refuses(&ALWAYS)
    }

    /// It answers with that type, as JSON.
    pub(in crate::admin) fn json<T: JsonSchema>(summary: &'static str) -> Self {
        Self::new(summary, JSON, Some(|generator| generator.subschema_for::<T>()))
    }

    /// A lever: it takes who and why, and answers with that type.
    pub(in crate::admin) fn lever<T: JsonSchema>(summary: &'static str) -> Self {
        Self::json::<T>(summary).with::<Wish>().refuses(&AT_LEVERS)
    }

    /// It answers with a text of one of these kinds.
    pub(in crate::admin) fn as_is(summary: &'static str, kinds: &'static [&'static str]) -> Self {
        Self::new(summary, kinds, None)
    }

    /// It answers with a page.
    pub(in crate::admin) fn page(summary: &'static str) -> Self {
        Self::as_is(summary, HTML)
    }

    /// It takes a form of one of our pages, and leads to another page.
    pub(in crate::admin) fn filled(summary: &'static str) -> Self {
        Self { form: true, ..Self::page(summary) }
    }

    /// It takes a form that pulls a lever, with who and why, and leads back to its page.
    pub(in crate::admin) fn form(summary: &'static str) -> Self {
        Self::filled(summary).refuses(&[Code::LeverUnsigned, Code::AuditUnwritable])
    }

    /// The body has these keys too.
    pub(in crate::admin) fn with<T: JsonSchema>(mut self) -> Self {
        self.takes.push(|generator| generator.subschema_for::<T>());
        self
    }

    /// It refuses so, each with the status of its code.
    pub(in crate::admin) fn refuses(mut self, codes: &[Code]) -> Self {
        self.refuses.extend(codes.iter().map(|code| (code.status(), *code)));
        self
    }

    /// It refuses so with another status than the code's.
    pub(in crate::admin) fn refuses_as(mut self, status: u16, code: Code) -> Self {
        self.refuses.push((status, code));
        self
    }

    /// The same answer comes with that status too.
    pub(in crate::admin) fn also(mut self, status: u16, when: &'static str) -> Self {
        self.also.push((status, when));
        self
    }

    /// What may stand in a place of its path: anything, where nothing is said.
    pub(in crate::admin) fn place(mut self, name: &'static str, schema: Value) -> Self {
        self.places.push((name, schema));
        self
    }

    /// Its query may say this.
    pub(in crate::admin) fn asks(mut self, key: &'static str, what: &'static str, schema: Value) -> Self {
        self.queries.push(Query { key, what, schema, must: false });
        self
    }

    /// Its query says this.
    pub(in crate::admin) fn needs(mut self, key: &'static str, what: &'static str, schema: Value) -> Self {
        self.queries.push(Query { key, what, schema, must: true });
        self
    }

    /// It answers in these kinds, JSON among them.
    pub(in crate::admin) fn kinds(mut self, kinds: &'static [&'static str]) -> Self {
        self.kinds = kinds;
        self
    }

    /// The operation, as the description has it.
    pub(super) fn told(self, method: &str, path: &str, generators: &mut Generators) -> Value {
        let mut told = json!({
            "operationId": format!("{method}{}", path.replace(|c: char| !c.is_ascii_alphanumeric(), "_")),
            "summary": self.summary,
            "tags": [self.tag()],
            "responses": self.responses(generators),
        });
        let parameters = self.parameters(path);
        if !parameters.is_empty() {
            told["parameters"] = parameters.into();
        }
        if let Some(body) = self.body(generators) {
            told["requestBody"] = body;
        }
        told
    }

    fn tag(&self) -> &'static str {
        match (self.takes.is_empty(), self.kinds == HTML) {
            (false, _) => "levers",
            (_, true) => "pages",
            _ => "state",
        }
    }

    fn body(&self, generators: &mut Generators) -> Option<Value> {
        if self.form {
            let words = json!({ "type": "object", "additionalProperties": { "type": "string" } });
            return Some(json!({ "required": true, "content": { FORM: { "schema": words } } }));
        }
        let mut takes: Vec<Schema> = self.takes.iter().map(|make| make(&mut generators.read)).collect();
        let schema = match takes.len() {
            0 => return None,
            1 => takes.swap_remove(0).into(),
            _ => json!({ "allOf": takes }),
        };
        Some(json!({ "required": true, "content": { "application/json": { "schema": schema } } }))
    }

    fn parameters(&self, path: &str) -> Vec<Value> {
        let segments = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let segments = segments.map(|name| {
            let own = self.places.iter().find(|(place, _)| *place == name).map(|(_, schema)| schema.clone());
            let schema = own.unwrap_or_else(|| json!({ "type": "string", "minLength": 1 }));
            let what = match name {
                "name" => "Its name in the configuration.",
                "id" => "Its id, as a list gives it.",
                _ => "Which of them.",
            };
            json!({ "name": name, "in": "path", "required": true, "description": what, "schema": schema })
        });
        let queries = self.queries.iter().map(|Query { key, what, schema, must }| {
            json!({ "name": key, "in": "query", "required": must, "description": what, "schema": schema })
        });
        segments.chain(queries).collect()
    }

    fn responses(&self, generators: &mut Generators) -> Map<String, Value> {
        let schema =
            self.answer.map_or(json!({ "type": "object" }), |make| make(&mut generators.written).into());
        let text = json!({ "type": "string" });
        let of = |kind| if JSON.contains(kind) { &schema } else { &text };
        let content: Map<String, Value> =
            self.kinds.iter().map(|kind| ((*kind).to_owned(), json!({ "schema": of(kind) }))).collect();
        let mut responses = Map::new();
        if self.form {
            responses
                .insert("303".to_owned(), json!({ "description": "It was done: the page that says so." }));
        } else {
            responses.insert("200".to_owned(), json!({ "description": self.summary, "content": content }));
        }
        let mut refusals: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for (status, code) in &self.refuses {
            refusals.entry(*status).or_default().push(*code);
        }
        for (status, codes) in refusals {
            let why: Vec<String> = codes.iter().map(|code| format!("{code} {}", code.title())).collect();
            let mut content = Map::new();
            content
                .insert(PROBLEM.to_owned(), json!({ "schema": { "$ref": "#/components/schemas/Problem" } }));
            if self.kinds == HTML {
                content.insert(HTML[0].to_owned(), json!({ "schema": { "type": "string" } }));
            }
            let description = format!("{}: {}.", reason(status), why.join("; "));
            responses.insert(status.to_string(), json!({ "description": description, "content": content }));
        }
        for (status, when) in &self.also {
            let description = format!("{}: {when}.", reason(*status));
            let answer = if content.is_empty() || *status == 303 {
                json!({ "description": description })
            } else {
                json!({ "description": description, "content": content })
            };
            responses.insert(status.to_string(), answer);
        }
        responses
    }
}

/// The same operation, which refuses so too.
pub(super) fn also_refused(told: &mut Value, code: Code) {
    let responses = &mut told["responses"][code.status().to_string()];
    let said = match responses["description"].as_str() {
        Some(said) => format!("{}; {code} {}.", said.trim_end_matches('.'), code.title()),
        None => format!("{}: {code} {}.", reason(code.status()), code.title()),
    };
    responses["description"] = said.into();
    responses["content"][PROBLEM] = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Refused")
}
