"""The real ccxt through seawall's journal: an order is executed once, or its caller sees a timeout, however often it asks."""

import pathlib
import tempfile
import time
import urllib.parse
from collections import Counter

import ccxt
from _exchange import SYMBOL
from _once import SEED, Dice, Ledger, all_at_once
from _provider import Provider
from _rig import Running, run

ROOMS = "markets placed asked hasty raced".split()
ORDERS = 60

provider = Provider()
folder = tempfile.TemporaryDirectory(prefix="seawall-ccxt-once-")
data_port = None
markets = None


class Exchange:
    """Executes every order it reads, as often as it reads it, and can be asked for an order by its client's id."""

    def __init__(self, name, dice, slow=0.0):
        self.ledger, self._dice, self._slow = Ledger(), dice, slow
        provider.room(name).always = self.answer

    def answer(self, exchange, request):
        path, _, query = request.path.partition("?")
        given = dict(urllib.parse.parse_qsl(query) + urllib.parse.parse_qsl(request.body.decode()))
        if path.endswith("/exchangeInfo"):
            return exchange.whole(200, {"symbols": [SYMBOL], "rateLimits": [], "timezone": "UTC", "serverTime": 1})
        if request.method == "GET":
            return self._find(exchange, given.get("origClientOrderId", ""))
        fault = self._dice.fault()
        if fault == "paced":
            return exchange.whole(429, {"code": -1003, "msg": "Too many requests queued."})
        if fault == "unheard":
            return self._dice.loss()(exchange, request)
        number = self.ledger.do(given["newClientOrderId"])
        if fault == "lost":
            return self._dice.loss()(exchange, request)
        if fault == "unknown":
            return exchange.whole(503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."})
        time.sleep(self._slow)
        exchange.whole(200, _order(number, given["newClientOrderId"]))

    def _find(self, exchange, name):
        number = self.ledger.number(name)
        if number is None:
            return exchange.whole(400, {"code": -2013, "msg": "Order does not exist."})
        exchange.whole(200, _order(number, name))


def _order(number, name):
    return {"symbol": "BTCUSDT", "orderId": number, "clientOrderId": name, "transactTime": 1, "price": "1.00",
            "origQty": "1.0", "executedQty": "1.0", "cummulativeQuoteQty": "1.0", "status": "FILLED",
            "timeInForce": "GTC", "type": "LIMIT", "side": "BUY"}


def start():
    """Writes the file and starts seawall on free ports."""
    global data_port, markets
    parts = [
        'listen = "127.0.0.1:0"', 'admin = "127.0.0.1:0"', f'state = "{folder.name}/state"',
        '[defaults]\nretry = { base = "10ms", cap = "40ms" }\nbreaker = { mode = "metrics-only" }',
    ]
    for name in ROOMS:
        provider.room(name)
        parts += [f"[upstream.{name}]", 'provider = "binance"', f'url = "{provider.url}/{name}"']
        path = f'match = {{ method = "POST", path = "/{name}/api/v3/order" }}'
        parts += [f"[route.{name}]", path, f'to = ["{name}"]', 'effects = "once"']
        if name == "asked":
            probe = "GET /api/v3/order?symbol=BTCUSDT&origClientOrderId={key}"
            parts += [f'unknown = {{ probe = "{probe}", found = "replay", absent = "report", visibility = "1s" }}']
    file = pathlib.Path(folder.name, "seawall.toml")
    file.write_text("\n".join(parts))
    data_port = Running("serve", "-c", str(file), cwd=folder.name).wait_for(r"calls at (http://[\d.:]+)/")
    Exchange("markets", Dice("markets"))
    markets = list(client("markets").load_markets().values())


def client(name, port=None, again=0):
    """A ccxt as its users have it, except for where it calls; `again` is what its documentation calls maxRetriesOnFailure."""
    made = ccxt.binance({
        "apiKey": "key", "secret": "secret", "enableRateLimit": False, "timeout": 10_000,
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False,
                    "maxRetriesOnFailure": again, "maxRetriesOnFailureDelay": 10},
    })
    base = f"{port or data_port}/{name}"
    made.urls["api"] = {key: url.replace("https://api.binance.com", base) for key, url in made.urls["api"].items()}
    made.session.trust_env = False
    if markets:
        made.set_markets(markets)
    return made


def buy(name, wish, port=None, again=0):
    """One order under a name of ours: its number at the exchange."""
    order = client(name, port, again).create_order("BTC/USDT", "limit", "buy", 1, 1, {"newClientOrderId": wish})
    assert (order["clientOrderId"], order["status"]) == (wish, "closed"), order
    return int(order["id"])


def told(came):
    """What a call came to, in a word: placed, doubt, not done; anything else is a mistake."""
    if isinstance(came, int):
        return "placed"
    assert isinstance(came, ccxt.BaseError), f"no word of ccxt's: {came!r}"
    text = str(came)
    if isinstance(came, ccxt.RequestTimeout):
        assert "-1007" in text and ("SW0036" in text or "SW0037" in text or "may have been processed" in text), text
        return "doubt"
    if isinstance(came, ccxt.DDoSProtection):
        assert "-1003" in text, text
        return "not done"
    assert type(came) is ccxt.OperationFailed and "-1000" in text, f"a definite failure: {came!r}"
    return "doubt"


def passes(exchange, name, rounds, again=0):
    """Asks for every order so many times, each time under its name; what each round came to, in words."""
    wishes = [f"{name}-{n}" for n in range(ORDERS)]
    numbers, words = {}, []
    for _ in range(rounds):
        came = all_at_once(lambda wish: buy(name, wish, again=again), wishes)
        words.append({wish: told(result) for wish, result in came.items()})
        for wish, result in came.items():
            assert exchange.ledger.count(wish) <= 1, f"{wish} was executed {exchange.ledger.count(wish)} times (seed {SEED})"
            if isinstance(result, int):
                assert exchange.ledger.count(wish) == 1, f"{wish} was told as placed, and was not"
                assert numbers.setdefault(wish, result) == result, f"{wish} has two answers"
        if len(words) > 1:
            gone = [wish for wish in wishes if (words[-2][wish], words[-1][wish]) == ("placed", "doubt")]
            assert not gone, f"placed, and in doubt since: {gone}"
    print("   " + "; ".join(str(dict(Counter(each.values()))) for each in words), flush=True)
    return words


def orders_whose_replies_are_dropped_at_random_are_executed_at_most_once():
    exchange = Exchange("placed", Dice("placed", lost=25, unheard=8, unknown=10, paced=6))
    words = passes(exchange, "placed", 3)
    assert "doubt" in words[-1].values(), "replies were lost, and nobody was told"


def not_even_by_a_ccxt_that_repeats_orders_by_itself():
    exchange = Exchange("hasty", Dice("hasty", lost=25, unheard=8, unknown=10, paced=6))
    passes(exchange, "hasty", 2, again=3)


def without_seawall_the_same_ccxt_executes_twice():
    # Faults that nothing would come of show nothing.
    exchange = Exchange("direct", Dice("direct", unknown=50))
    wishes = [f"direct-{n}" for n in range(16)]
    all_at_once(lambda wish: buy("direct", wish, provider.url, again=3), wishes)
    assert max(map(exchange.ledger.count, wishes)) > 1, "nothing was asked for twice"


def an_exchange_that_can_be_asked_ends_every_doubt_about_what_it_has():
    exchange = Exchange("asked", Dice("asked", lost=25, unheard=8, unknown=10))
    passes(exchange, "asked", 1)
    there = [f"asked-{n}" for n in range(ORDERS) if exchange.ledger.count(f"asked-{n}")]
    until = time.monotonic() + 20
    while True:
        words = passes(exchange, "asked", 1)[0]
        left = [wish for wish in there if words[wish] != "placed"]
        if not left:
            break
        assert time.monotonic() < until, f"executed, and still in doubt: {left}"
        time.sleep(1)
    unheard = [wish for wish in words if wish not in there]
    assert all(words[wish] == "doubt" for wish in unheard), "what is not there is a person's to decide"


def eight_who_hold_one_name_place_one_order():
    exchange = Exchange("raced", Dice("raced"), slow=0.3)

    def patiently(_):
        for _ in range(20):
            try:
                return buy("raced", "raced")
            except ccxt.RequestTimeout as error:
                assert "SW0036" in str(error), error
                time.sleep(0.1)
        raise AssertionError("still under way")

    came = all_at_once(patiently, range(8))
    assert set(came.values()) == {1} and exchange.ledger.count("raced") == 1, came


CHECKS = [
    orders_whose_replies_are_dropped_at_random_are_executed_at_most_once,
    not_even_by_a_ccxt_that_repeats_orders_by_itself,
    without_seawall_the_same_ccxt_executes_twice,
    an_exchange_that_can_be_asked_ends_every_doubt_about_what_it_has,
    eight_who_hold_one_name_place_one_order,
]

if __name__ == "__main__":
    with folder:
        start()
        run(CHECKS, seconds=120)
