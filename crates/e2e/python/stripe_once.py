"""The real Stripe SDK, its own retries on, through seawall's journal: a charge is made once, or somebody is told of a doubt."""

import pathlib
import signal
import tempfile
import threading
import time
import urllib.parse
from collections import Counter

import stripe
from _once import SEED, Dice, Ledger, all_at_once
from _provider import Provider
from _rig import Running, run

ROOMS = "plain routed keyed raced killed reused".split()
CHARGES = 60

provider = Provider()
folder = tempfile.TemporaryDirectory(prefix="seawall-stripe-once-")
data_port = None


class Stripe:
    """Makes every charge it reads, as often as it reads it; where `remembers`, it knows keys as Stripe does."""

    def __init__(self, name, dice, remembers=False, slow=0.0):
        self.ledger, self.keys = Ledger(), {}
        self._dice, self._remembers, self._slow = dice, remembers, slow
        provider.room(name).always = self.answer

    def answer(self, exchange, request):
        charge, key = dict(urllib.parse.parse_qsl(request.body.decode())), request.headers["idempotency-key"]
        fault = self._dice.fault()
        if fault == "limited":
            return exchange.whole(429, _error("rate_limit", "lock_timeout"))
        if fault == "unheard":
            return self._dice.loss()(exchange, request)
        if not (self._remembers and key in self.keys):
            self.keys[key] = self.ledger.do(charge["description"])
        if fault == "lost":
            return self._dice.loss()(exchange, request)
        if fault == "failed":
            return exchange.whole(500, _error("api_error", None))
        time.sleep(self._slow)
        made = {"id": f"ch_{self.keys[key]}", "object": "charge", "amount": int(charge["amount"]), "paid": True}
        exchange.whole(200, made)


def _error(kind, code):
    return {"error": {"type": kind, "code": code, "message": "Stripe says so"}}


def start(state="state"):
    """Writes the file and starts seawall on free ports; the address of its data port, and the process."""
    parts = [
        'listen = "127.0.0.1:0"', 'admin = "127.0.0.1:0"', f'state = "{folder.name}/{state}"',
        '[defaults]\nretry = { base = "10ms", cap = "40ms" }\nbreaker = { mode = "metrics-only" }',
    ]
    for name in ROOMS:
        provider.room(name)
        parts += [f"[upstream.{name}]", 'provider = "stripe"', f'url = "{provider.url}/{name}"']
    # A POST that carries a key is journalled without a route; here the provider's own window is said.
    parts += ["[route.keyed]", 'match = { method = "POST", path = "/keyed/v1/charges" }', 'to = ["keyed"]',
              'once = { keyed = "24h" }']
    parts += ["[route.routed]", 'match = { method = "POST", path = "/routed/v1/charges" }', 'to = ["routed"]',
              'effects = "once"']
    file = pathlib.Path(folder.name, f"{state}.toml")
    file.write_text("\n".join(parts))
    running = Running("serve", "-c", str(file), cwd=folder.name)
    return running.wait_for(r"calls at (http://[\d.:]+)/"), running


def pay(name, wish, port=None, retries=2, amount=700):
    """One charge, by the SDK, under a key of ours: the charge's id and whether it was replayed."""
    client = stripe.StripeClient(
        "sk_test_of_the_caller", base_addresses={"api": f"{port or data_port}/{name}"}, max_network_retries=retries)
    charge = {"amount": amount, "currency": "eur", "source": "tok_visa", "description": wish}
    made = client.v1.charges.create(charge, {"idempotency_key": f"key-of-{wish}"})
    return made.id, made.last_response.headers.get("idempotent-replayed") == "true"


def told(came):
    """What a call came to, in a word: made, replayed, doubt, not done; anything else is a mistake."""
    if isinstance(came, tuple):
        return "replayed" if came[1] else "made"
    assert isinstance(came, stripe.StripeError), f"no word of Stripe's: {came!r}"
    code = ((came.json_body or {}).get("error") or {}).get("code") or ""
    if came.http_status == 409:
        assert code in ("SW0036", "SW0037"), came.json_body
        # Still under way is what the SDK asks again for, until it gives up.
        return "doubt"
    if came.http_status in (500, 502, 504):
        assert came.http_status == 500 or "may have been processed" in came.user_message, came.user_message
        assert came.headers.get("stripe-should-retry") == "false", "nobody repeats what may have been done"
        return "doubt"
    assert came.http_status == 429, repr(came)
    return "not done"


def passes(stripes, name, rounds, port=None):
    """Asks for every charge so many times, each time under its key; what each round came to, in words."""
    wishes = [f"{name}-{n}" for n in range(CHARGES)]
    ids, words = {}, []
    for _ in range(rounds):
        came = all_at_once(lambda wish: pay(name, wish, port), wishes)
        words.append({wish: told(result) for wish, result in came.items()})
        for wish, result in came.items():
            assert stripes.ledger.count(wish) <= 1, f"{wish} was charged {stripes.ledger.count(wish)} times (seed {SEED})"
            if isinstance(result, tuple):
                assert stripes.ledger.count(wish) == 1, f"{wish} was told as made, and was not"
                assert ids.setdefault(wish, result[0]) == result[0], f"{wish} has two answers"
    print("   " + "; ".join(str(dict(Counter(each.values()))) for each in words), flush=True)
    return words


def _at_random(name):
    stripes = Stripe(name, Dice(name, lost=30, unheard=8, failed=8, limited=6))
    first, *later = passes(stripes, name, 3)
    for words in later:
        for wish, word in words.items():
            # Only what was not done may change; what is made is replayed, and a doubt stays one.
            expected = {"made": {"replayed"}, "replayed": {"replayed"}, "doubt": {"doubt"}}.get(first[wish])
            assert expected is None or word in expected, f"{wish} was {first[wish]} and is {word}"
            first[wish] = word
    assert "doubt" in first.values(), "replies were lost, and nobody was told"


def charges_whose_replies_are_dropped_at_random_are_made_at_most_once():
    _at_random("plain")


def without_seawall_the_same_sdk_charges_twice():
    # Faults that nothing would come of show nothing.
    stripes = Stripe("direct", Dice("direct", lost=40))
    wishes = [f"direct-{n}" for n in range(16)]
    all_at_once(lambda wish: pay("direct", wish, provider.url), wishes)
    assert max(map(stripes.ledger.count, wishes)) > 1, "no reply was lost"


def a_route_says_the_same():
    _at_random("routed")


def where_stripe_knows_the_key_every_charge_is_made_in_the_end():
    stripes = Stripe("keyed", Dice("keyed", lost=30, unheard=8, limited=6), remembers=True)
    words = passes(stripes, "keyed", 8)
    left = [wish for wish, word in words[-1].items() if word not in ("made", "replayed")]
    assert not left, f"still not made: {left}"
    assert all(stripes.ledger.count(wish) == 1 for wish in words[-1])


def eight_who_hold_one_key_make_one_charge():
    stripes = Stripe("raced", Dice("raced"), slow=0.3)
    came = all_at_once(lambda _: pay("raced", "raced", retries=5), range(8))
    assert {told(result) for result in came.values()} == {"made", "replayed"}, came
    assert len({result[0] for result in came.values()}) == 1, came
    assert stripes.ledger.count("raced") == 1


def a_key_used_for_something_else_is_a_mistake_and_charges_nothing():
    stripes = Stripe("reused", Dice("reused"))
    pay("reused", "reused")
    try:
        pay("reused", "reused", amount=900)
    except stripe.StripeError as error:
        assert error.http_status == 422 and error.json_body["error"]["code"] == "SW0038", error.json_body
    else:
        raise AssertionError("no error")
    assert stripes.ledger.count("reused") == 1


def a_gateway_that_is_killed_forgets_no_charge():
    stripes = Stripe("killed", Dice("killed", lost=10), slow=0.05)
    port, running = start("killed")
    wishes = [f"killed-{n}" for n in range(CHARGES)]
    words = Counter()

    def bold(wish):
        # A gateway that is killed cuts the connection, and is not there for the next.
        try:
            return told(pay("killed", wish, port, retries=0))
        except stripe.APIConnectionError:
            return "cut"
        except stripe.StripeError as error:
            return told(error)

    def end():
        while sum(stripes.ledger.count(wish) for wish in wishes) < CHARGES // 3:
            time.sleep(0.005)
        running.signal(signal.SIGKILL)
        running.wait()

    killer = threading.Thread(target=end)
    killer.start()
    before = all_at_once(bold, wishes)
    killer.join()
    assert not [word for word in before.values() if isinstance(word, BaseException)], before
    port, _ = start("killed")
    after = all_at_once(lambda wish: pay("killed", wish, port), wishes)
    for wish, result in after.items():
        words[before[wish], told(result)] += 1
        assert stripes.ledger.count(wish) <= 1, f"{wish} was charged twice (seed {SEED})"
        assert (before[wish], told(result)) not in (("made", "made"), ("made", "doubt")), f"{wish} was forgotten"
        assert not isinstance(result, tuple) or stripes.ledger.count(wish) == 1, f"{wish} was not made"
    print(f"   {dict(words)}", flush=True)


CHECKS = [
    charges_whose_replies_are_dropped_at_random_are_made_at_most_once,
    without_seawall_the_same_sdk_charges_twice,
    a_route_says_the_same,
    where_stripe_knows_the_key_every_charge_is_made_in_the_end,
    eight_who_hold_one_key_make_one_charge,
    a_key_used_for_something_else_is_a_mistake_and_charges_nothing,
    a_gateway_that_is_killed_forgets_no_charge,
]

if __name__ == "__main__":
    with folder:
        data_port, _ = start()
        run(CHECKS, seconds=120)
