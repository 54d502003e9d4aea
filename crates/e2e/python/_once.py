"""What the checks of journalled calls share: a far side that writes down what it does, and faults drawn from a seed."""

import os
import random
import threading

from _provider import hang_up, reset

SEED = int(os.environ.get("SEAWALL_E2E_SEED", "17"))


class Ledger:
    """Everything that was done, under the caller's own name for it. It dedupes nothing."""

    def __init__(self):
        self._done, self._turn = [], threading.Lock()

    def do(self, name):
        """Does it, and gives the number it was done under."""
        with self._turn:
            self._done.append(name)
            return len(self._done)

    def count(self, name):
        with self._turn:
            return self._done.count(name)

    def number(self, name):
        """The number it was first done under; none where it was not."""
        with self._turn:
            return self._done.index(name) + 1 if name in self._done else None


class Dice:
    """Faults with their odds in percent; the same seed draws the same row of faults, whoever comes for the next."""

    def __init__(self, salt, **odds):
        self._random, self._odds, self._turn = random.Random(f"{SEED}/{salt}"), odds, threading.Lock()

    def fault(self):
        """A name, or none: all is well."""
        with self._turn:
            drawn = self._random.uniform(0, 100)
        for name, share in self._odds.items():
            drawn -= share
            if drawn < 0:
                return name
        return None

    def loss(self):
        """One of the ways to lose a reply."""
        with self._turn:
            return self._random.choice([hang_up, reset])


def all_at_once(work, wishes, threads=8):
    """Does `work(wish)` for each wish, some at a time; what came of each, by wish."""
    came, left, turn = {}, list(wishes), threading.Lock()

    def serve():
        while True:
            with turn:
                if not left:
                    return
                wish = left.pop(0)
            try:
                result = work(wish)
            except BaseException as error:  # It is the check's to say what it thinks of it.
                result = error
            with turn:
                came[wish] = result

    crew = [threading.Thread(target=serve, daemon=True) for _ in range(threads)]
    for worker in crew:
        worker.start()
    for worker in crew:
        worker.join()
    return came
