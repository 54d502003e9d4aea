"""Starts seawall the way a user does, ends it whatever happens, and keeps count of what was checked."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import traceback

BINARY = os.environ.get("SEAWALL_BIN")
# What a process gets to say that it serves, and to end when it is asked.
PATIENCE = 10

_running = []


class Running:
    """A seawall that serves. What it says on stderr is kept, line by line."""

    def __init__(self, *words, cwd=None, env=None):
        self._lines = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            [binary(), *words], cwd=cwd, env=environment(env), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        _running.append(self)
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self):
        return self._process.pid

    def _listen(self):
        for line in self._process.stderr:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def said(self):
        """Everything up to now."""
        with self._news:
            return "\n".join(self._lines)

    def wait_for(self, pattern):
        """The first group of the first line that fits, once it has been said."""
        fits = re.compile(pattern)
        until = time.monotonic() + PATIENCE
        with self._news:
            while True:
                found = next(filter(None, map(fits.search, self._lines)), None)
                if found:
                    return found.group(1)
                left = until - time.monotonic()
                if left <= 0 or (self._process.poll() is not None and not self._news.wait(0.2)):
                    raise AssertionError(f"seawall never said {pattern!r}, but:\n" + "\n".join(self._lines))
                self._news.wait(min(left, 0.2))

    def signal(self, number):
        self._process.send_signal(number)

    def wait(self):
        """The exit code."""
        return self._process.wait(PATIENCE)

    def stop(self):
        """Asks it to end, insists if it does not, and gives the exit code."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.returncode


def binary():
    """The seawall that is tested; xtask names it."""
    if not BINARY:
        sys.exit("SEAWALL_BIN is not set: cargo build --bin seawall, then SEAWALL_BIN=target/debug/seawall")
    return str(pathlib.Path(BINARY).resolve())


def environment(more=None):
    """This one's, without words to seawall and without proxies, and a few more."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("SEAWALL") and not name.lower().endswith("_proxy")}
    return kept | (more or {})


def run(checks, seconds):
    """Runs every check, prints a line for each, and exits: 0 if all went well. All of them together are bounded."""
    def overdue(*_):
        sys.exit(f"not done after {seconds} s")

    # A kind end of this process must reach `finally` too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGALRM, overdue)
    signal.alarm(seconds)
    failed = 0
    try:
        for check in checks:
            name = check.__name__.replace("_", " ")
            began = time.monotonic()
            try:
                check()
            except Exception:
                failed += 1
                print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
            else:
                print(f"ok  {name}  ({time.monotonic() - began:.2f} s)", flush=True)
        if failed:
            for seawall in _running:
                print(f"seawall {seawall.pid} said:\n{seawall.said()}", flush=True)
    finally:
        signal.alarm(0)
        for seawall in _running:
            seawall.stop()
    print(f"{len(checks) - failed} of {len(checks)} checks ok", flush=True)
    sys.exit(1 if failed else 0)
