//! An OpenAI-shaped service: models, chat completions, whole and streamed.

use serde_json::{Value, json};

use super::{Faults, Served, Service, token};
use crate::ledger::Ledger;
use crate::reply::Reply;
use crate::request::Request;
use crate::script::Script;

const MODELS: [&str; 3] = ["gpt-5-mini", "gpt-5", "text-embedding-3-small"];
const WORDS: [&str; 24] = [
    "the", "wall", "stands", "between", "the", "program", "and", "the", "sea", "so", "that", "one", "wave",
    "is", "one", "wave", "and", "what", "was", "paid", "for", "arrives", "whole", "again",
];
/// Creation times begin here and go on with the upstream's own clock: answers repeat from run to run.
const EPOCH: u64 = 1_790_000_000;

/// `GET /v1/models`, `GET /v1/models/{id}` and `POST /v1/chat/completions`, as JSON or, with `stream: true`, as events
/// with `[DONE]` at the end and `usage` if `stream_options.include_usage` asks for it. Every completion executes
/// `chat`: it was billed. Any bearer token is good.
pub fn chat_server(faults: Faults, seed: u64) -> Script {
    Service { serve, error }.with(faults, seed)
}

fn serve(request: &Request, _: &Ledger, random: &mut fastrand::Rng) -> Served {
    let created = EPOCH + request.at.as_secs();
    let reply = match (request.method.as_str(), request.path()) {
        ("POST", "/v1/chat/completions") => return complete(request, created, random),
        ("GET", "/v1/models") => {
            let models: Vec<Value> = MODELS.iter().map(|id| model(id)).collect();
            Reply::json(200, json!({ "object": "list", "data": models }))
        }
        (method, path) => match path.strip_prefix("/v1/models/") {
            Some(id) if method == "GET" && MODELS.contains(&id) => Reply::json(200, model(id)),
            Some(id) if method == "GET" => {
                Reply::json(404, error(404, &format!("the model {id:?} does not exist")))
            }
            _ => Reply::json(404, error(404, &format!("unknown request url: {method} {path}"))),
        },
    };
    Served { reply: signed(reply, random), executes: None }
}

fn complete(request: &Request, created: u64, random: &mut fastrand::Rng) -> Served {
    let invalid = |message| Served { reply: Reply::json(400, error(400, message)), executes: None };
    let Some(asked) = request.json() else {
        return invalid("we could not parse the json body of your request");
    };
    let Some(model) = asked["model"].as_str() else { return invalid("you must provide a model parameter") };
    let Some(messages) = asked["messages"].as_array().filter(|messages| !messages.is_empty()) else {
        return invalid("missing required parameter: 'messages'");
    };
    let prompt: usize = messages.iter().map(|message| 4 + words_in(&message["content"])).sum();
    let length = random.usize(8..25);
    let said: Vec<&str> = (0..length).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
    let usage = json!({
        "prompt_tokens": prompt,
        "completion_tokens": said.len(),
        "total_tokens": prompt + said.len(),
        "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0
        },
    });
    let frame = json!({
        "id": format!("chatcmpl-{}", token(random, 29)),
        "created": created,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": format!("fp_{}", token(random, 10).to_lowercase()),
    });
    let reply = if asked["stream"] == json!(true) {
        let usage = (asked["stream_options"]["include_usage"] == json!(true)).then_some(&usage);
        streamed(&frame, &said, usage)
    } else {
        whole(&frame, &said, &usage)
    };
    Served { reply: signed(reply, random), executes: Some("chat") }
}

fn whole(frame: &Value, said: &[&str], usage: &Value) -> Reply {
    let message =
        json!({ "role": "assistant", "content": said.join(" "), "refusal": null, "annotations": [] });
    let mut answer = frame.clone();
    answer["object"] = json!("chat.completion");
    answer["choices"] =
        json!([{ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" }]);
    answer["usage"] = usage.clone();
    Reply::json(200, answer)
}

fn streamed(frame: &Value, said: &[&str], usage: Option<&Value>) -> Reply {
    let event = |choices: Value, counted: &Value| {
        let mut event = frame.clone();
        event["object"] = json!("chat.completion.chunk");
        event["choices"] = choices;
        if usage.is_some() {
            event["usage"] = counted.clone();
        }
        event.to_string()
    };
    let delta = |delta: Value, finish: Value| {
        event(
            json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]),
            &Value::Null,
        )
    };
    let mut events = vec![delta(json!({ "role": "assistant", "content": "", "refusal": null }), Value::Null)];
    for (nth, word) in said.iter().enumerate() {
        let text = if nth == 0 { (*word).to_owned() } else { format!(" {word}") };
        events.push(delta(json!({ "content": text }), Value::Null));
    }
    events.push(delta(json!({}), json!("stop")));
    events.extend(usage.map(|usage| event(json!([]), usage)));
    Reply::sse(&events).terminal("[DONE]")
}

fn model(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": EPOCH, "owned_by": "system" })
}

fn error(status: u16, message: &str) -> Value {
    let (kind, code) = match status {
        429 => ("requests", json!("rate_limit_exceeded")),
        404 => ("invalid_request_error", json!("not_found")),
        400..500 => ("invalid_request_error", Value::Null),
        _ => ("server_error", Value::Null),
    };
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

fn signed(reply: Reply, random: &mut fastrand::Rng) -> Reply {
    reply
        .header("x-request-id", format!("req_{:032x}", random.u128(..)))
        .header("openai-version", "2020-10-01")
        .header("openai-processing-ms", random.u32(20..400).to_string())
}

/// Words in a message's content: a string, or a list of parts with `text`.
fn words_in(content: &Value) -> usize {
    match content {
        Value::String(text) => text.split_whitespace().count(),
        Value::Array(parts) => parts.iter().map(|part| words_in(&part["text"])).sum(),
        _ => 0,
    }
}
