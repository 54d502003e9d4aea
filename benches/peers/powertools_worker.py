"""Guarded by Powertools for AWS Lambda, records in Redis: each invocation in a process of its own, as Lambda has it."""

import json
import os
import select
import signal
import time

from _wire import Ledger, arguments, say
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError
from aws_lambda_powertools.utilities.idempotency.persistence.cache import CachePersistenceLayer

given = arguments()
ledger = Ledger(given.ledger)


class Context:
    """What Lambda tells an invocation: how much time is left."""

    def __init__(self):
        self._end = time.monotonic() + given.deadline

    def get_remaining_time_in_millis(self):
        return int((self._end - time.monotonic()) * 1000)


def invoke(wish):
    """One invocation, up to its result."""
    store = CachePersistenceLayer(host="127.0.0.1", port=int(given.store.removeprefix("redis:")), ssl=False)
    if given.variant == "no-deadline":
        @idempotent_function(data_keyword_argument="wish", persistence_store=store, config=IdempotencyConfig())
        def place(wish):
            return {"number": ledger.place(wish, given.asks)}

        return place(wish=wish)

    @idempotent(persistence_store=store, config=IdempotencyConfig(event_key_jmespath="wish"))
    def handler(event, _context):
        return {"number": ledger.place(event["wish"], given.asks)}

    return handler({"wish": wish}, Context())


def invocation(n, wish):
    """In the new process: ends with its answer, or at its deadline without one, as Lambda ends it."""
    signal.setitimer(signal.ITIMER_REAL, given.deadline)
    try:
        say(n=n, said="done", why=str(invoke(wish)["number"]))
    except IdempotencyAlreadyInProgressError as error:
        say(n=n, said="in flight", why=str(error))
    except Exception as error:
        say(n=n, said="failed", why=repr(error))
    os._exit(0)


def main():
    running, unread, more = {}, b"", True
    say(ready=True)
    while more or running:
        if more and select.select([0], [], [], 0.02)[0]:
            heard = os.read(0, 1 << 16)
            more = bool(heard)
            *lines, unread = (unread + heard).split(b"\n")
            for question in map(json.loads, lines):
                pid = os.fork()
                if pid == 0:
                    invocation(question["n"], question["wish"])
                running[pid] = question["n"]
        while running:
            pid, status = os.waitpid(-1, os.WNOHANG if more else 0)
            if pid == 0:
                break
            n = running.pop(pid)
            if status:
                say(n=n, said="in flight", why="the invocation was ended at its deadline")


main()
