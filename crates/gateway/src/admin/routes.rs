//! Every route of the admin port, with what it says of itself.

use axum::Json;
use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use seawall::Code;
use seawall_signals::metrics::Format;
use seawall_signals::view::{
    Alerts, Audit, Breaker, Breakers, Budgets, Call, Calls, Checks, Config, Copied, Detailed, Effect,
    Effects, Jobs, Limits, Probe, Pulled, Quieted, Reloaded, Retries, Series, Standing, Status, Upstreams,
};

use super::openapi::{Routes, Says};
use super::{Board, alerts, config, effects, health, levers, login, page, series, state, stories, views};

/// Every route, with what it says of itself.
pub(super) fn routes() -> Routes {
    let unwell = "no upstream can be called, or something nothing works without is unhealthy";
    let text = || serde_json::json!({ "type": "string" });
    page::routes(Routes::new())
        .get(
            "/login",
            login::show,
            Says::page("Asks for a token, where tokens are used")
                .asks("to", "Where to go then: a path of this port.", text())
                .also(303, "for whoever is in already"),
        )
        .post(
            "/login",
            login::begin,
            Says::filled("Begins the session of a browser that brings a token").refuses(&[
                Code::OperatorUnknown,
                Code::TooManyGuesses,
                Code::NoSuchThing,
                Code::StoreUnavailable,
            ]),
        )
        .post(
            "/logout",
            login::end,
            Says::filled("Ends the session of a browser").refuses(&[Code::NoSuchThing]),
        )
        .get("/api", index, Says::as_is("A list of these paths", &["text/plain"]))
        .get("/health", health::health, Says::json::<Standing>("Is it well?").also(503, unwell))
        .get("/health/live", health::live, Says::json::<Probe>("Is it alive?"))
        .get(
            "/health/detailed",
            health::detailed,
            Says::json::<Detailed>("Is it well, and each part of it?").also(503, unwell),
        )
        .get(
            "/ready",
            health::ready,
            Says::json::<Probe>("May it be sent work?").also(503, "it starts, or drains"),
        )
        .get(
            "/metrics",
            metrics,
            Says::as_is(
                "Every metric, for Prometheus, or as JSON or CSV",
                &["text/plain", "application/openmetrics-text", "application/json", "text/csv"],
            ),
        )
        .get("/api/v1/status", views::status, Says::json::<Status>("The whole in a few numbers"))
        .get("/api/v1/upstreams", views::upstreams, Says::json::<Upstreams>("What is called"))
        .get("/api/v1/breakers", views::breakers, Says::json::<Breakers>("Circuit breakers"))
        .get("/api/v1/limits", views::limits, Says::json::<Limits>("Limits, and what is left of them"))
        .get("/api/v1/retries", views::retries, Says::json::<Retries>("Retries, and what the budget allows"))
        .get("/api/v1/health", health::checks, Says::json::<Checks>("Health checks"))
        .get(
            "/api/v1/effects",
            effects::list,
            Says::json::<Effects>("What is remembered of effects, a page at a time")
                .asks("state", "Those in one state; all where none is said.", effects::states())
                .asks("after", "Where the page begins: `next` of the one before.", effects::after())
                .refuses(&[Code::StoreUnavailable]),
        )
        .get(
            "/api/v1/effects/{id}",
            effects::show,
            Says::json::<Effect>("One effect")
                .place("id", effects::id())
                .refuses(&[Code::NoSuchThing, Code::StoreUnavailable]),
        )
        .post(
            "/api/v1/effects/{id}/resolve",
            effects::resolve,
            Says::lever::<Effect>("Ends a doubt as somebody found it out")
                .with::<effects::Decision>()
                .place("id", effects::id())
                .refuses(&[Code::NoSuchThing, Code::EffectInFlight, Code::StoreUnavailable]),
        )
        .get(
            "/api/v1/config",
            config::config,
            Says::json::<Config>("The configuration in force, by its names"),
        )
        .post(
            "/api/v1/config/reload",
            config::reload,
            Says::lever::<Reloaded>("Reads the configuration again: all of it is taken up, or nothing")
                .refuses(&config::REFUSED)
                .refuses_as(422, Code::ConfigurationInvalid),
        )
        .post(
            "/api/v1/config/rollback",
            config::rollback,
            Says::lever::<Reloaded>("Goes back to a configuration that was in force")
                .with::<config::To>()
                .refuses(&config::REFUSED)
                .refuses_as(422, Code::ConfigurationInvalid),
        )
        .get(
            "/api/v1/alerts",
            alerts::alerts,
            Says::json::<Alerts>("Alerts, and the channels that tell of them"),
        )
        .get("/api/v1/audit", views::audit, Says::json::<Audit>("The latest entries of the audit trail"))
        .get("/api/v1/series", series::series, series_says())
        // Parts that this gateway has not: their lists are empty, not unknown.
        .get("/api/v1/budgets", async || Json(Budgets::default()), Says::json::<Budgets>("Budgets"))
        .get("/api/v1/jobs", async || Json(Jobs::default()), Says::json::<Jobs>("Jobs"))
        .get("/api/v1/calls", stories::calls, Says::json::<Calls>("The latest hundred calls"))
        .get(
            "/api/v1/calls/{id}",
            stories::call,
            Says::json::<Call>("The story of one call").refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/alerts/{id}/silence",
            alerts::silence,
            Says::lever::<Quieted>("Silences an alert, or every alert of a rule")
                .with::<alerts::Span>()
                .refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/breakers/{name}/{lever}",
            levers::breaker,
            Says::lever::<Breaker>("Moves a breaker")
                .place("lever", serde_json::json!({ "enum": levers::BREAKER }))
                .refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/channels/{name}/test",
            alerts::test,
            Says::lever::<Pulled>("Sends a notice that says nothing").refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/limits/{name}/reset",
            levers::limit,
            Says::lever::<Pulled>("Forgets what was used of an upstream's limits, and lifts its pauses")
                .refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/upstreams/{name}/reconnect",
            levers::reconnect,
            Says::lever::<Pulled>("Uses no present connection for a new request")
                .refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/state/backup",
            state::backup,
            Says::lever::<Copied>("Copies the journal while it is in use")
                .refuses(&[Code::NoSuchThing, Code::StoreUnavailable]),
        )
        .post(
            "/api/v1/state/settle",
            state::settle,
            Says::lever::<Pulled>("Trusts a journal that may have forgotten")
                .refuses(&[Code::StoreUnavailable]),
        )
        .post("/api/v1/drain", levers::drain, Says::lever::<Pulled>("Takes no new calls from now on"))
}

/// What it says of a question about the last day.
fn series_says() -> Says {
    let says = Says::json::<Series>("What a metric was in the last day, and what can be made of it");
    series::described(says.kinds(&["application/json", "text/csv"])).refuses(&[Code::Malformed])
}

async fn index() -> &'static str {
    "seawall\n\n\
     /  /alerts  /calls  /effects  /config  /drain  /login  /events\n\
     /health  /health/live  /health/detailed  /ready  /metrics\n\
     /api/v1/status  /api/v1/upstreams  /api/v1/breakers  /api/v1/limits  /api/v1/retries  /api/v1/calls\n\
     /api/v1/effects  /api/v1/health  /api/v1/alerts  /api/v1/jobs  /api/v1/budgets  /api/v1/config  /api/v1/audit\n\
     /api/v1/board  /api/v1/series?metric=calls_total&span=1h&over=rate  /api/v1/openapi.json\n"
}

async fn metrics(board: Board, request: Request) -> Response {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::negotiate(accept);
    ([(header::CONTENT_TYPE, format.content_type())], board.house().ground.registry.render(format))
        .into_response()
}
