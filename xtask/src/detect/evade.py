"""What a scanner's own evasion scripts make of SQL: a line of JSON in, a line of JSON out; null where they refuse."""
import importlib
import json
import random
import sys

sys.path[:0] = [sys.argv[1]]
sys.dont_write_bytecode = True
from lib.core.data import kb  # noqa: E402

with open(sys.argv[1] + "/data/txt/keywords.txt", encoding="utf-8") as words:
    kb.keywords = set(words.read().split())

for line in sys.stdin:
    asked = json.loads(line)
    random.seed(asked["payload"])
    try:
        made = importlib.import_module("tamper." + asked["script"]).tamper(asked["payload"])
    except Exception:
        made = None
    print(json.dumps(made))
