"""The real Stripe SDK through `seawall serve`, with its own retries on: what is in doubt is not asked for twice."""

import pathlib
import tempfile
import urllib.parse

import stripe
from _provider import Provider, hang_up
from _rig import Running, run

ROOMS = "charged lost declined failing unsaid used forbidden asked limited".split()
KEYED = ["failing", "used"]
MORE = {"limited": 'limits = [{ requests = "1/10s" }]\nqueue = { wait = "0s" }'}

provider = Provider()
folder = tempfile.TemporaryDirectory(prefix="seawall-stripe-")
data_port = None


def charge(exchange, request):
    """A charge, made or looked up."""
    given = dict(urllib.parse.parse_qsl(request.body.decode()))
    exchange.whole(200, {"id": "ch_1", "object": "charge", "amount": int(given.get("amount", 0)), "paid": True})


def failing(status, kind, code, **headers):
    """An error, in Stripe's words."""
    error = {"error": {"type": kind, "code": code, "message": f"Stripe says {status}"}}
    return lambda exchange, _: exchange.whole(status, error, **headers)


def room(name, *script):
    """A room that plays the script, and then makes charges."""
    made = provider.room(name)
    replies = list(script)
    made.always = lambda exchange, request: (replies.pop(0) if replies else charge)(exchange, request)
    return made


def start():
    """Writes the file and starts seawall on free ports."""
    global data_port
    parts = ['listen = "127.0.0.1:0"', 'admin = "127.0.0.1:0"', '[defaults]\nretry = { base = "10ms", cap = "40ms" }']
    for name in ROOMS:
        provider.room(name)
        parts += [f"[upstream.{name}]", 'provider = "stripe"', f'url = "{provider.url}/{name}"', MORE.get(name, "")]
    # Stripe recognises its keys for a day; whoever says so may send one again where nobody knows.
    for name in KEYED:
        parts += [f"[route.{name}]", f'match = {{ method = "POST", path = "/{name}/v1/**" }}',
                  'once = { keyed = "24h" }']
    file = pathlib.Path(folder.name, "seawall.toml")
    file.write_text("\n".join(parts))
    data_port = Running("serve", "-c", str(file), cwd=folder.name).wait_for(r"calls at (http://[\d.:]+)/")


def client(name):
    addresses = {"api": f"{data_port}/{name}"}
    return stripe.StripeClient("sk_test_of_the_caller", base_addresses=addresses, max_network_retries=2)


def pay(name):
    return client(name).v1.charges.create({"amount": 700, "currency": "eur", "source": "tok_visa"})


def raised(kind, work):
    """The error that `work` ends with, which must be exactly of this kind."""
    try:
        made = work()
    except stripe.StripeError as error:
        assert type(error) is kind, f"{error!r} is no {kind.__name__}"
        return error
    raise AssertionError(f"no error, but {made!r}")


def a_charge_is_made_once_under_the_key_of_the_sdk():
    seen = room("charged").seen
    assert pay("charged").amount == 700
    assert len(seen) == 1 and seen[0].headers["idempotency-key"], "the key passes"
    assert seen[0].headers["authorization"] == "Bearer sk_test_of_the_caller"


def a_charge_whose_reply_is_lost_is_raised_at_once_and_not_asked_for_again():
    seen = room("lost", hang_up).seen
    error = raised(stripe.APIError, lambda: pay("lost"))
    assert error.http_status == 502 and error.headers["stripe-should-retry"] == "false", error.headers
    assert error.json_body["error"]["code"] == "SW0012" and "may have been processed" in error.user_message
    assert len(seen) == 1, "neither the gateway nor the SDK, which would have tried twice more"


def a_declined_card_is_a_result():
    seen = room("declined", failing(402, "card_error", "card_declined")).seen
    assert raised(stripe.CardError, lambda: pay("declined")).code == "card_declined"
    assert len(seen) == 1


def an_error_that_was_answered_is_the_sdks_to_repeat_under_its_key():
    seen = room("failing", failing(500, "api_error", None)).seen
    assert pay("failing").amount == 700
    keys = {request.headers["idempotency-key"] for request in seen}
    assert (len(seen), len(keys)) == (2, 1), "one by each of its tries, all under one key"


def where_nobody_said_that_keys_are_recognised_an_error_is_not_repeated():
    seen = room("unsaid", failing(500, "api_error", None)).seen
    error = raised(stripe.APIError, lambda: pay("unsaid"))
    assert error.http_status == 500 and error.headers["stripe-should-retry"] == "false", error.headers
    assert len(seen) == 1, "the charge may have been made"


def a_key_in_use_is_asked_for_again_by_who_holds_it():
    seen = room("used", failing(409, "idempotency_error", "idempotency_key_in_use")).seen
    assert pay("used").amount == 700
    assert len(seen) == 2


def what_stripe_forbids_to_repeat_is_repeated_by_nobody():
    forbidden = failing(500, "api_error", None, stripe_should_retry="false")
    seen = room("forbidden", forbidden, forbidden, forbidden).seen
    raised(stripe.APIError, lambda: client("forbidden").v1.charges.retrieve("ch_1"))
    assert len(seen) == 1, "not even what only reads"


def a_question_is_asked_again_here():
    seen = room("asked", failing(500, "api_error", None), hang_up).seen
    assert client("asked").v1.charges.retrieve("ch_1").id == "ch_1"
    assert len(seen) == 3


def a_limit_of_ours_is_a_rate_limit_to_the_sdk():
    room("limited")
    pay("limited")
    error = raised(stripe.RateLimitError, lambda: pay("limited"))
    assert error.json_body["error"]["code"] == "SW0001" and error.headers["retry-after"], error.headers


CHECKS = [
    a_charge_is_made_once_under_the_key_of_the_sdk,
    a_charge_whose_reply_is_lost_is_raised_at_once_and_not_asked_for_again,
    a_declined_card_is_a_result,
    an_error_that_was_answered_is_the_sdks_to_repeat_under_its_key,
    where_nobody_said_that_keys_are_recognised_an_error_is_not_repeated,
    a_key_in_use_is_asked_for_again_by_who_holds_it,
    what_stripe_forbids_to_repeat_is_repeated_by_nobody,
    a_question_is_asked_again_here,
    a_limit_of_ours_is_a_rate_limit_to_the_sdk,
]

if __name__ == "__main__":
    with folder:
        start()
        run(CHECKS, seconds=60)
