"""What every worker speaks: questions from stdin, one answer a line on stdout, and calls to the ledger."""

import argparse
import json
import os
import socket


def arguments():
    """Where the ledger and the store are, and what is asked of this worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--store", required=True, help="redis:PORT or file:FOLDER")
    parser.add_argument("--executor", default="a")
    parser.add_argument("--deadline", type=float, default=2.0)
    parser.add_argument("--asks", action="store_true", help="asks the ledger before it does anything")
    parser.add_argument("--variant", default="")
    return parser.parse_args()


def say(**answer):
    """One line, whole: it is shorter than what a pipe takes at once."""
    os.write(1, json.dumps(answer).encode() + b"\n")


class Ledger:
    """The far side: it does whatever it is asked to, as often as it is asked."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self._address = host, int(port)

    def ready(self, wish):
        """Whatever comes before the call and changes nothing; here the worker can be killed."""
        self._say("ready", wish)

    def do(self, wish):
        """The effect."""
        return int(self._say("do", wish))

    def find(self, wish):
        """The number it was done under, if it was."""
        found = self._say("find", wish)
        return None if found == "none" else int(found)

    def place(self, wish, asks):
        """What every worker does for a wish; it asks first where the ledger may be asked."""
        found = self.find(wish) if asks else None
        if found is not None:
            return found
        self.ready(wish)
        return self.do(wish)

    def _say(self, verb, wish):
        with socket.create_connection(self._address) as line:
            line.sendall(f"{verb} {wish}\n".encode())
            answer = line.makefile().readline().strip()
        if not answer:
            raise ConnectionError("the reply was lost")
        return answer
