//! The admin port's routes, each told to the router and to the description of the port in one breath.
//!
//! What is described is what is served: a route can be added only here, its answer's schema is made from the type that
//! is sent, what a lever takes from the type that reads it, and what is refused from the codes.

mod says;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use seawall::Code;
use serde_json::{Map, Value, json};

use super::Board;
use crate::refusal::Problem;
pub(super) use says::Says;

/// Where the description is.
const HERE: &str = "/api/v1/openapi.json";

/// Routes, and what is said of them.
pub(super) struct Routes {
    router: Router<Board>,
    paths: Map<String, Value>,
    generators: Generators,
}

/// Schemas as they are written, and as they are read: a field may be left out of the one and not of the other.
pub(super) struct Generators {
    written: SchemaGenerator,
    read: SchemaGenerator,
}

impl Generators {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self { written: settings().for_serialize().into_generator(), read: settings().into_generator() }
    }

    /// Every type that was spoken of.
    fn all(mut self) -> Map<String, Value> {
        let mut all = self.read.take_definitions(true);
        all.extend(self.written.take_definitions(true));
        all
    }
}

impl Routes {
    pub(super) fn new() -> Self {
        let mut generators = Generators::new();
        generators.written.subschema_for::<Problem<'_>>();
        Self { router: Router::new(), paths: Map::new(), generators }
    }

    /// Something to read.
    pub(super) fn get<H, T>(self, path: &'static str, handler: H, says: Says) -> Self
    where
        H: axum::handler::Handler<T, Board>,
        T: 'static,
    {
        self.add("get", path, get(handler), says)
    }

    /// Something to move.
    pub(super) fn post<H, T>(self, path: &'static str, handler: H, says: Says) -> Self
    where
        H: axum::handler::Handler<T, Board>,
        T: 'static,
    {
        self.add("post", path, post(handler), says)
    }

    fn add(mut self, method: &str, path: &'static str, route: MethodRouter<Board>, says: Says) -> Self {
        let told = says.told(method, path, &mut self.generators);
        let ways = self.paths.entry(path).or_insert_with(|| Value::Object(Map::new()));
        ways[method] = told;
        Self { router: self.router.route(path, route), ..self }
    }

    /// The router, which serves its own description too: as the port is now, with tokens or without.
    pub(super) fn served(self) -> Router<Board> {
        let (router, document) = self.told();
        let open = Bytes::from(document.to_string());
        let guarded = Bytes::from(guarded(document).to_string());
        let given = async move |board: Board| {
            let document = if board.house().plan.operators.is_empty() { &open } else { &guarded };
            ([(CONTENT_TYPE, "application/json")], document.clone())
        };
        router.route(HERE, get(given))
    }

    /// The router, and the description of the port.
    fn told(mut self) -> (Router<Board>, Value) {
        let says = Says::as_is("This description", &["application/json"]);
        self.paths.insert(HERE.to_owned(), json!({ "get": says.told("get", HERE, &mut self.generators) }));
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "seawall admin port",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "The present state of a seawall gateway to read, and levers to pull. Every lever takes \
                                who pulls it and why, as JSON, and is written to the audit trail before it moves. \
                                Only the gateway's own host names are answered, and no foreign web page.",
                "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            },
            "servers": [{ "url": "/" }],
            "tags": [
                { "name": "state", "description": "How things stand, for programs." },
                { "name": "levers", "description": "What an operator may move." },
                { "name": "pages", "description": "The same for people; forms carry a token of their own page." },
            ],
            "paths": self.paths,
            "components": { "schemas": self.generators.all() },
        });
        (self.router, document)
    }
}

/// The same port where tokens are used: what wants one, how it is refused, and that nobody need say who they are.
fn guarded(mut document: Value) -> Value {
    document["components"]["securitySchemes"] = json!({ "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the configuration. Browsers log in at /login and have a session instead.",
    } });
    document["security"] = json!([{ "token": [] }]);
    let ways = document["paths"].as_object_mut().into_iter().flatten();
    for (path, ways) in ways {
        for (method, told) in ways.as_object_mut().into_iter().flatten() {
            let codes: &[Code] = match (super::guard::is_open(path), method.as_str()) {
                (true, _) => {
                    told["security"] = json!([]);
                    continue;
                }
                (false, "get") => &[Code::OperatorUnknown, Code::TooManyGuesses],
                (false, _) => &[Code::OperatorUnknown, Code::RoleTooSmall, Code::TooManyGuesses],
            };
            for code in codes {
                says::also_refused(told, *code);
            }
        }
    }
    if let Some(required) = document["components"]["schemas"]["Wish"]["required"].as_array_mut() {
        // Whoever has the token it is.
        required.retain(|key| key != "by");
    }
    document
}

#[cfg(test)]
mod tests;
