"""Guarded by DBOS Transact, records in its default SQLite: a workflow for each wish, whose id is the wish."""

import json
import sys
import threading

from _wire import Ledger, arguments, say
from dbos import DBOS, SetWorkflowID

given = arguments()
ledger = Ledger(given.ledger)
# Where the ledger may be asked first, and where the variant says so, failed steps are tried again, as the tutorial of
# steps has it for unreliable services.
again = given.asks or given.variant == "retries"


@DBOS.step(retries_allowed=again, max_attempts=3)
def place(wish):
    return ledger.place(wish, given.asks)


@DBOS.workflow()
def placing(wish):
    return place(wish)


def ask(n, wish):
    try:
        with SetWorkflowID(wish):
            handle = DBOS.start_workflow(placing, wish)
        say(n=n, said="done", why=str(handle.get_result()))
    except Exception as error:
        say(n=n, said="failed", why=repr(error))


def main():
    folder = given.store.removeprefix("file:")
    DBOS(config={
        "name": "peers", "system_database_url": f"sqlite:///{folder}/dbos.sqlite", "executor_id": given.executor,
        "run_admin_server": False, "log_level": "ERROR",
    })
    DBOS.launch()
    say(ready=True)
    for question in map(json.loads, sys.stdin):
        threading.Thread(target=ask, args=(question["n"], question["wish"]), daemon=True).start()
    DBOS.destroy()


main()
