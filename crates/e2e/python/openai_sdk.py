"""The real OpenAI SDK through `seawall serve`: what it gets, how often it asks, and what the provider has to bear."""

import asyncio
import json
import pathlib
import tempfile
import time
import urllib.request

import openai
from _provider import (
    MODELS, WORDS, Provider, broken_chat, failing, hang_up, quiet_chat, quiet_response, reset,
)
from _rig import Running, run

QUICK = 'retry = { base = "10ms", cap = "40ms" }'
# Each upstream leads to a room of the provider's, and has its own breaker, budget and limits.
PLAIN = """models chat stream responses upload first spent fewer made later lost reset broken quiet unended empty own
    async""".split()
UPSTREAMS = dict.fromkeys(PLAIN, "") | {
    "open": 'breaker = { consecutive = 2, open = "60s" }',
    "paced": 'limits = [{ requests = "1/2s" }]\nqueue = { wait = "0s" }',
    "ours": 'auth = { bearer = "env:OPERATORS_KEY" }',
}
ASKED = {"model": "small", "messages": [{"role": "user", "content": "what does the sea say?"}]}

provider = Provider()
folder = tempfile.TemporaryDirectory(prefix="seawall-sdk-")
seawall = None
data_port = admin_port = None


def start():
    """Writes the file and starts seawall on free ports."""
    global seawall, data_port, admin_port
    file = pathlib.Path(folder.name, "seawall.toml")
    parts = ['listen = "127.0.0.1:0"', 'admin = "127.0.0.1:0"', "[defaults]", QUICK]
    for name, more in UPSTREAMS.items():
        parts += [f"[upstream.{name}]", 'provider = "openai"', f'url = "{provider.url}/{name}"', more]
        provider.room(name)
    file.write_text("\n".join(parts))
    key = {"OPERATORS_KEY": "sk-of-the-operator"}
    seawall = Running("serve", "-c", str(file), cwd=folder.name, env=key)
    data_port = seawall.wait_for(r"calls at (http://[\d.:]+)/")
    admin_port = seawall.wait_for(r"(?:admin|dashboard) at (http://[\d.:]+)/")


def words(name, **more):
    """What a client of this upstream is made with. Its own retries are on, as they are by default."""
    return {"base_url": f"{data_port}/{name}/v1", "api_key": "sk-of-the-caller", "max_retries": 2, "timeout": 10} | more


def client(name, **more):
    return openai.OpenAI(**words(name, **more))


def story(answer):
    """What the admin port tells about the call that gave this answer."""
    where = f"{admin_port}/api/v1/calls/{answer.headers['seawall-call']}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(where, timeout=5) as told:
        return json.load(told)


def raised(kind, work):
    """The error that `work` ends with, which must be exactly of this kind."""
    try:
        made = work()
    except openai.OpenAIError as error:
        assert type(error) is kind, f"{error!r} is no {kind.__name__}"
        return error
    raise AssertionError(f"no error, but {made!r}")


def read(stream, got):
    """Reads a chat stream to its end, and adds what was said and how it finished to `got`."""
    for chunk in stream:
        got["text"] = got.get("text", "") + (chunk.choices[0].delta.content or "")
        got["finish"] = chunk.choices[0].finish_reason
    return got


def counts(name):
    """Which try of the SDK's each request at the provider came from."""
    return [request.headers["x-stainless-retry-count"] for request in provider.room(name).seen]


def the_models_are_listed():
    listed = client("models").models.list()
    assert [model.id for model in listed] == MODELS


def a_chat_completion_arrives_whole_and_names_its_call():
    answer = client("chat").chat.completions.with_raw_response.create(**ASKED)
    said = answer.parse()
    assert said.choices[0].message.content == "".join(WORDS) and said.usage.total_tokens == 10
    assert answer.headers["seawall-decision"].startswith("upstream=chat; attempts=1; ")
    assert story(answer)["effects"] == "billable"
    seen = provider.room("chat").seen
    assert len(seen) == 1 and seen[0].json() == ASKED
    assert seen[0].headers["host"] == provider.url.removeprefix("http://")


def a_stream_arrives_whole_and_finishes():
    with client("stream").chat.completions.create(**ASKED, stream=True) as stream:
        got = read(stream, {})
    assert got == {"text": "".join(WORDS), "finish": "stop"}, got


def a_stream_of_the_responses_api_ends_with_its_own_last_event():
    kinds = [event.type for event in client("responses").responses.create(model="small", input="hello", stream=True)]
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
    assert kinds.count("response.output_text.delta") == len(WORDS)


def a_large_upload_arrives_byte_for_byte():
    body = b"the tide comes in\n" * 200_000
    made = client("upload").files.create(file=("tide.jsonl", body), purpose="batch")
    sent = provider.room("upload").seen[0]
    assert made.id == "file-1" and body in sent.body
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")


def one_failure_is_repeated_by_seawall_and_the_sdk_never_hears_of_it():
    provider.room("first").script = [failing(500)]
    answer = client("first").chat.completions.with_raw_response.create(**ASKED)
    assert "attempts=2; " in answer.headers["seawall-decision"] and answer.retries_taken == 0
    assert counts("first") == ["0", "0"]


def retries_of_the_sdk_and_of_seawall_do_not_multiply():
    provider.room("spent").always = failing(500)
    error = raised(openai.InternalServerError, lambda: client("spent").chat.completions.create(**ASKED))
    assert error.status_code == 500 and "the provider says 500" in error.message, error
    assert error.response.headers["x-should-retry"] == "false"
    assert counts("spent") == ["0", "0", "0"]


def a_try_of_the_sdk_leaves_seawall_one_fewer():
    provider.room("fewer").always = failing(500)
    asking = client("fewer", max_retries=0).chat.completions
    for before, left in (("1", 2), ("2", 1), ("7", 1)):
        provider.room("fewer").seen.clear()
        count = {"x-stainless-retry-count": before}
        raised(openai.InternalServerError, lambda: asking.create(**ASKED, extra_headers=count))
        assert counts("fewer") == [before] * left, counts("fewer")


def what_seawall_must_not_repeat_is_left_to_the_sdk():
    # Making a batch is guarded: a 500 does not say that none was made. Asking again is the caller's own choice.
    provider.room("made").always = failing(500)
    batch = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    error = raised(openai.InternalServerError, lambda: client("made", max_retries=1).batches.create(**batch))
    assert "x-should-retry" not in error.response.headers
    assert "stopped=not-safe-to-repeat" in error.response.headers["seawall-decision"]
    assert counts("made") == ["0", "1"]


def a_429_with_retry_after_is_waited_for():
    provider.room("later").script = [failing(429, "rate_limit_exceeded", retry_after="1")]
    began = time.monotonic()
    answer = client("later").chat.completions.with_raw_response.create(**ASKED)
    took = time.monotonic() - began
    assert 1 <= took < 5, took
    assert answer.retries_taken == 0 and counts("later") == ["0", "0"]


def a_limit_of_ours_is_one_the_sdk_understands():
    first = client("paced").chat.completions.with_raw_response.create(**ASKED)
    assert first.retries_taken == 0
    error = raised(openai.RateLimitError, lambda: client("paced", max_retries=0).chat.completions.create(**ASKED))
    assert error.code == "SW0001" and error.type == "rate_limit_error"
    assert error.response.headers["retry-after"] in ("1", "2", "3")
    assert "x-should-retry" not in error.response.headers
    second = client("paced").chat.completions.with_raw_response.create(**ASKED)
    assert second.retries_taken == 1 and counts("paced") == ["0", "1"]


def a_lost_reply_is_unknown_and_nobody_asks_again():
    for name, losing in (("lost", hang_up), ("reset", reset)):
        provider.room(name).always = losing
        error = raised(openai.InternalServerError, lambda: client(name).chat.completions.create(**ASKED))
        assert (error.status_code, error.code) == (502, "SW0012"), error
        assert "may have been processed" in error.message, error.message
        assert error.response.headers["x-should-retry"] == "false"
        told = story(error.response)
        assert (told["certainty"], len(told["attempts"])) == ("unknown", 1), told
        assert counts(name) == ["0"]


def a_stream_whose_connection_breaks_raises():
    provider.room("broken").always = broken_chat
    got = {}
    stream = client("broken").chat.completions.create(**ASKED, stream=True)
    error = raised(openai.APIError, lambda: read(stream, got))
    assert error.code == "SW0022", error
    assert got == {"text": "".join(WORDS[:3]), "finish": None}, got
    assert counts("broken") == ["0"]


def a_stream_that_ends_cleanly_without_done_raises():
    provider.room("quiet").always = quiet_chat
    got = {}
    stream = client("quiet").chat.completions.create(**ASKED, stream=True)
    error = raised(openai.APIError, lambda: read(stream, got))
    assert error.code == "SW0022", error
    assert got["text"] == "".join(WORDS), got
    provider.room("unended").always = quiet_response
    events = client("unended").responses.create(model="small", input="hello", stream=True)
    error = raised(openai.APIError, lambda: [event.type for event in events])
    assert error.code == "SW0022", error


def an_empty_account_is_final():
    provider.room("empty").always = failing(429, "insufficient_quota", retry_after="30")
    began = time.monotonic()
    # We do not repeat it, so whether the SDK does is the caller's choice.
    error = raised(openai.RateLimitError, lambda: client("empty", max_retries=0).chat.completions.create(**ASKED))
    assert error.code == "insufficient_quota" and time.monotonic() - began < 5
    told = story(error.response)
    assert (told["class"], told["certainty"]) == ("quota-gone", "not-done"), told
    assert counts("empty") == ["0"], counts("empty")


def an_open_breaker_is_a_503_with_our_code():
    provider.room("open").always = failing(500)
    raised(openai.InternalServerError, lambda: client("open").chat.completions.create(**ASKED))
    before = len(provider.room("open").seen)
    error = raised(openai.InternalServerError, lambda: client("open", max_retries=0).chat.completions.create(**ASKED))
    assert (error.status_code, error.code) == (503, "SW0004"), error
    assert 1 <= int(error.response.headers["retry-after"]) <= 60
    assert len(provider.room("open").seen) == before == 2


def the_callers_key_passes_unless_the_upstream_has_its_own():
    for name, key in (("own", "sk-of-the-caller"), ("ours", "sk-of-the-operator")):
        client(name, organization="org-1").chat.completions.create(**ASKED)
        seen = provider.room(name).seen[0]
        assert seen.headers["authorization"] == f"Bearer {key}", seen.headers
        assert seen.headers["openai-organization"] == "org-1"
        assert name == "own" or "sk-of-the-caller" not in json.dumps(seen.headers)
    assert "sk-of-the" not in seawall.said()


def the_async_client_gets_the_same():
    async def ask():
        async with openai.AsyncOpenAI(**words("async")) as client:
            asked = (client.chat.completions.create(**ASKED) for _ in range(20))
            answers = await asyncio.gather(*asked)
            assert all(answer.choices[0].message.content == "".join(WORDS) for answer in answers)
            stream = await client.chat.completions.create(**ASKED, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            assert text == "".join(WORDS), text
            for cut in (broken_chat, quiet_chat):
                provider.room("async").script = [cut]
                stream = await client.chat.completions.create(**ASKED, stream=True)
                try:
                    async for _ in stream:
                        pass
                except openai.APIError as error:
                    assert error.code == "SW0022", error
                else:
                    raise AssertionError("a stream that was cut looked finished")

    asyncio.run(ask())
    assert len(provider.room("async").seen) == 23


CHECKS = [
    start,
    the_models_are_listed,
    a_chat_completion_arrives_whole_and_names_its_call,
    a_stream_arrives_whole_and_finishes,
    a_stream_of_the_responses_api_ends_with_its_own_last_event,
    a_large_upload_arrives_byte_for_byte,
    one_failure_is_repeated_by_seawall_and_the_sdk_never_hears_of_it,
    retries_of_the_sdk_and_of_seawall_do_not_multiply,
    a_try_of_the_sdk_leaves_seawall_one_fewer,
    what_seawall_must_not_repeat_is_left_to_the_sdk,
    a_429_with_retry_after_is_waited_for,
    a_limit_of_ours_is_one_the_sdk_understands,
    a_lost_reply_is_unknown_and_nobody_asks_again,
    a_stream_whose_connection_breaks_raises,
    a_stream_that_ends_cleanly_without_done_raises,
    an_empty_account_is_final,
    an_open_breaker_is_a_503_with_our_code,
    the_callers_key_passes_unless_the_upstream_has_its_own,
    the_async_client_gets_the_same,
]

if __name__ == "__main__":
    with folder:
        run(CHECKS, seconds=60)
