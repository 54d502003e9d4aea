"""The real ccxt against an exchange behind `seawall serve`: an order is never executed twice, and doubt is told as doubt."""

import pathlib
import tempfile
import threading
import urllib.parse

import ccxt
from _exchange import SYMBOL
from _provider import Provider, hang_up
from _rig import Running, run

ROOMS = "markets placed lost unknown busy paced skewed asked limited open cancelled taken".split()
MORE = {
    "open": 'breaker = { consecutive = 1, open = "60s" }',
    "limited": 'limits = [{ requests = "1/10s" }]\nqueue = { wait = "0s" }',
}

provider = Provider()
markets = None
folder = tempfile.TemporaryDirectory(prefix="seawall-ccxt-")
data_port = None


class Exchange:
    """Executes every order it reads, as often as it reads it. `faults` answer instead, one request each."""

    def __init__(self, name):
        self.name, self.faults, self.executed = name, [], []
        self._turn = threading.Lock()
        provider.room(name).always = self.answer

    def answer(self, exchange, request):
        path, _, query = request.path.partition("?")
        given = dict(urllib.parse.parse_qsl(query) + urllib.parse.parse_qsl(request.body.decode()))
        if path.endswith("/exchangeInfo"):
            return exchange.whole(200, {"symbols": [SYMBOL], "rateLimits": [], "timezone": "UTC", "serverTime": 1})
        if not path.endswith("/order"):
            return exchange.whole(200, [])
        with self._turn:
            fault = self.faults.pop(0) if self.faults else None
            executes = getattr(fault, "executes", True)
            if request.method == "POST" and executes:
                self.executed.append(given["newClientOrderId"])
        if fault:
            return fault(exchange, request)
        order = {"symbol": "BTCUSDT", "orderId": 7, "clientOrderId": given.get("newClientOrderId", "mine"),
                 "transactTime": 1, "price": "1.00", "origQty": "1.0", "executedQty": "1.0",
                 "cummulativeQuoteQty": "1.0", "status": "FILLED", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY"}
        exchange.whole(200, order)

    def posts(self):
        return [request for request in provider.room(self.name).seen if request.method == "POST"]

    def client(self):
        """A ccxt as its users have it, except for where it calls."""
        client = ccxt.binance({
            "apiKey": "key", "secret": "secret", "enableRateLimit": False, "timeout": 10_000,
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False},
        })
        base = f"{data_port}/{self.name}"
        client.urls["api"] = {name: url.replace("https://api.binance.com", base) for name, url in client.urls["api"].items()}
        client.session.trust_env = False
        if markets:
            client.set_markets(markets)
        return client

    def buy(self):
        return self.client().create_order("BTC/USDT", "limit", "buy", 1, 1, {"newClientOrderId": "mine"})


def refusing(status, code, message, executes=False, **headers):
    """The exchange's own error; `executes` says whether it did it all the same."""
    def fault(exchange, _):
        exchange.whole(status, {"code": code, "msg": message}, **headers)

    fault.executes = executes
    return fault


def start():
    """Writes the file and starts seawall on free ports."""
    global data_port, markets
    parts = ['listen = "127.0.0.1:0"', 'admin = "127.0.0.1:0"', '[defaults]\nretry = { base = "10ms", cap = "40ms" }']
    for name in ROOMS:
        provider.room(name)
        parts += [f"[upstream.{name}]", 'provider = "binance"', f'url = "{provider.url}/{name}"', MORE.get(name, "")]
    file = pathlib.Path(folder.name, "seawall.toml")
    file.write_text("\n".join(parts))
    data_port = Running("serve", "-c", str(file), cwd=folder.name).wait_for(r"calls at (http://[\d.:]+)/")
    markets = list(Exchange("markets").client().load_markets().values())


def raised(kind, work):
    """The error that `work` ends with, which must be exactly of this kind."""
    try:
        made = work()
    except ccxt.BaseError as error:
        assert type(error) is kind, f"{error!r} is no {kind.__name__}"
        return error
    raise AssertionError(f"no error, but {made!r}")


def an_order_is_placed_and_executed_once():
    exchange = Exchange("placed")
    order = exchange.buy()
    assert (order["clientOrderId"], order["status"]) == ("mine", "closed"), order
    assert exchange.executed == ["mine"]


def an_order_whose_reply_is_lost_is_a_timeout_and_not_a_failure():
    exchange = Exchange("lost")
    exchange.faults = [hang_up]
    error = raised(ccxt.RequestTimeout, exchange.buy)
    assert "-1007" in str(error) and "SW0012" in str(error) and "may have been processed" in str(error), error
    assert exchange.executed == ["mine"] and len(exchange.posts()) == 1, "never sent again"


def an_unknown_execution_is_passed_on_and_not_sent_again():
    exchange = Exchange("unknown")
    for status, code, kind in ((503, -1000, ccxt.OperationFailed), (400, -1006, ccxt.OperationFailed),
                               (408, -1007, ccxt.RequestTimeout), (503, -1007, ccxt.RequestTimeout)):
        before = len(exchange.executed)
        exchange.faults = [refusing(status, code, "Execution status unknown.", executes=True)]
        raised(kind, exchange.buy)
        assert len(exchange.executed) == before + 1, (status, code)


def an_order_that_was_turned_away_is_sent_again_until_it_is_placed_once():
    for name, faults in (
        ("busy", [refusing(400, -1008, "Server is currently overloaded with other requests.")]),
        ("paced", [refusing(429, -1003, "Too many requests queued."), refusing(429, -1015, "Too many new orders.")]),
    ):
        exchange = Exchange(name)
        exchange.faults = faults
        asked = len(faults) + 1
        assert exchange.buy()["status"] == "closed"
        assert (len(exchange.posts()), exchange.executed) == (asked, ["mine"]), name


def a_clock_that_is_wrong_is_the_clients_to_mend():
    exchange = Exchange("skewed")
    exchange.faults = [refusing(400, -1021, "Timestamp for this request is outside of the recvWindow.")]
    raised(ccxt.InvalidNonce, exchange.buy)
    assert len(exchange.posts()) == 1 and not exchange.executed, "the same bytes would be refused again"


def a_question_is_asked_again_after_trouble():
    exchange = Exchange("asked")
    exchange.faults = [refusing(500, -1000, "An unknown error occurred."), hang_up]
    order = exchange.client().fetch_order(None, "BTC/USDT", {"origClientOrderId": "mine"})
    assert order["status"] == "closed"
    asked = [request for request in provider.room("asked").seen if request.path.startswith("/api/v3/order?")]
    assert len(asked) == 3, len(asked)


def a_cancel_whose_reply_is_lost_is_a_timeout_too():
    exchange = Exchange("cancelled")
    exchange.faults = [hang_up]
    raised(ccxt.RequestTimeout, lambda: exchange.client().cancel_order("7", "BTC/USDT"))
    assert sum(request.method == "DELETE" for request in provider.room("cancelled").seen) == 1


def a_limit_of_ours_is_a_pace_to_the_client():
    exchange = Exchange("limited")
    exchange.buy()
    error = raised(ccxt.DDoSProtection, exchange.buy)
    assert "-1003" in str(error) and "not processed" in str(error), error
    assert exchange.executed == ["mine"]


def an_open_breaker_is_a_failure_that_nothing_reached():
    exchange = Exchange("open")
    exchange.faults = [hang_up]
    raised(ccxt.RequestTimeout, exchange.buy)
    # Behind another name than its own, ccxt has no class for -1008; what it raises is a definite failure, and it is one.
    error = raised(ccxt.ExchangeError, exchange.buy)
    assert "-1008" in str(error) and "not processed" in str(error), error
    assert len(exchange.posts()) == 1


def an_id_in_use_is_the_exchanges_own_answer():
    exchange = Exchange("taken")
    exchange.faults = [refusing(400, -2010, "Duplicate order sent.")]
    raised(ccxt.InvalidOrder, exchange.buy)
    assert len(exchange.posts()) == 1


CHECKS = [
    an_order_is_placed_and_executed_once,
    an_order_whose_reply_is_lost_is_a_timeout_and_not_a_failure,
    an_unknown_execution_is_passed_on_and_not_sent_again,
    an_order_that_was_turned_away_is_sent_again_until_it_is_placed_once,
    a_clock_that_is_wrong_is_the_clients_to_mend,
    a_question_is_asked_again_after_trouble,
    a_cancel_whose_reply_is_lost_is_a_timeout_too,
    a_limit_of_ours_is_a_pace_to_the_client,
    an_open_breaker_is_a_failure_that_nothing_reached,
    an_id_in_use_is_the_exchanges_own_answer,
]

if __name__ == "__main__":
    with folder:
        start()
        run(CHECKS, seconds=60)
