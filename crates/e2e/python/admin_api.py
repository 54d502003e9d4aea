"""The admin port against its own description: schemathesis asks whatever the description allows, and what it does not."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import jsonschema_rs
from _provider import Provider, hang_up
from _rig import PATIENCE, Running, environment, run

provider = Provider()
provider.room("api")
folder = tempfile.TemporaryDirectory(prefix="seawall-admin-api-")
FILE = f"""
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
state = "{folder.name}/state"
[upstream.api]
url = "{provider.url}/api"
limits = [ {{ requests = "1000/s" }}, {{ concurrent = 8 }} ]
[route.orders]
match = {{ method = "POST", path = "/api/orders" }}
to = ["api"]
effects = "once"
[health.here]
disk = "{folder.name}"
[alert.busy]
when = "calls_total > 0"
for = "0s"
severity = "info"
send = ["said"]
[channel.said]
webhook = "{provider.url}/api/hook"
"""
# The last two find what is said to be good and refused, and what is said to be bad and taken.
ASKED_OF_IT = """not_a_server_error status_code_conformance content_type_conformance response_headers_conformance
response_schema_conformance unsupported_method allow_header_conformance positive_data_acceptance negative_data_rejection"""
data = admin = None


def ask(url, body=None, headers=()):
    """The status and the body of an answer, whatever the status."""
    request = urllib.request.Request(url, data=body, headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def read(path):
    status, body = ask(admin + path, headers={"accept": "application/json"})
    assert status == 200, (path, status, body)
    return json.loads(body)


def document():
    return read("/api/v1/openapi.json")


def it_serves_and_some_traffic_went_through():
    global data, admin
    pathlib.Path(folder.name, "seawall.toml").write_text(FILE)
    running = Running("serve", cwd=folder.name)
    data = running.wait_for(r"calls at (http://[\d.:]+)/")
    admin = running.wait_for(r"(?:admin|dashboard) at (http://[\d.:]+)/")
    assert ask(f"{data}/api/v1/models")[0] == 200
    assert ask(f"{data}/nobody/x")[0] == 404
    keyed = {"idempotency-key": "first", "content-type": "application/json"}
    assert ask(f"{data}/api/orders", b"{}", keyed)[0] < 500
    # Its reply is lost: a doubt.
    provider.room("api").script = [hang_up]
    assert ask(f"{data}/api/orders", b"{}", keyed | {"idempotency-key": "second"})[0] == 502
    lever = json.dumps({"by": "ann", "reason": "a first look"}).encode()
    kind = {"content-type": "application/json"}
    assert ask(f"{admin}/api/v1/limits/api/reset", lever, kind)[0] == 200
    until = time.monotonic() + PATIENCE
    while not any(alert["state"] == "active" for alert in read("/api/v1/alerts")["alerts"]):
        assert time.monotonic() < until, read("/api/v1/alerts")
        time.sleep(0.1)
    states = {effect["state"] for effect in read("/api/v1/effects")["effects"]}
    assert states == {"done", "in-doubt"}, states


def strict(schema):
    """The same schema, which allows no key that it does not name."""
    if isinstance(schema, list):
        return [strict(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(inner) for key, inner in schema.items()}
    if isinstance(closed.get("properties"), dict) and "additionalProperties" not in closed:
        closed["additionalProperties"] = False
    return closed


def every_answer_fits_its_schema_and_has_no_key_that_is_not_described():
    told = document()
    assert told["openapi"].startswith("3.1.")
    one = {"/api/v1/calls/{id}": read("/api/v1/calls")["calls"][0]["id"],
           "/api/v1/effects/{id}": read("/api/v1/effects")["effects"][0]["id"]}
    asked = {"/api/v1/series": ["?metric=calls_total", "?metric=calls_total&over=rate", "?metric=calls_total&over=p95"]}
    read_so_far = 0
    for path, ways in told["paths"].items():
        content = ways.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if not schema:
            continue
        # Where references lead is told beside them.
        whole = strict({"components": told["components"]} | schema)
        for query in asked.get(path, [""]):
            answer = read(path.replace("{id}", one.get(path, "")) + query)
            faults = [str(error) for error in jsonschema_rs.validator_for(whole).iter_errors(answer)]
            assert not faults, f"{path}{query}: {faults[0]}"
        read_so_far += 1
    assert read_so_far > 18, read_so_far
    assert read(f"/api/v1/series{asked['/api/v1/series'][0]}")["series"][0]["points"]
    # And every list had something in it, or the above says little.
    for name in "upstreams breakers limits retries effects health alerts config audit calls".split():
        assert read(f"/api/v1/{name}")[name], name


def schemathesis(*words):
    """Runs it over what the port says of itself, and has it print what it found."""
    told = document()
    # What the description leaves open and this gateway has: somebody who tries names at random meets nobody.
    effect = read("/api/v1/effects?state=in-doubt")["effects"][0]["id"]
    named = {"effects": [effect, "0" * 32], "alerts": ["busy", "nobody"], "channels": ["said", "nobody"]}
    for path, ways in told["paths"].items():
        kind = path.removeprefix("/api/v1").split("/")[1]
        for way in ways.values():
            for parameter in way.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] in ("name", "id"):
                    parameter["schema"] = {"enum": named.get(kind, ["api", "nobody"])}
                # A day is the furthest, and no schema of a text can say so.
                if parameter["name"] == "span":
                    parameter["schema"] = {"enum": ["1s", "90m", "1h30m", "1d"]}
    # A silence has a longest time, and no schema of a text can say so.
    told["components"]["schemas"]["Span"]["properties"]["for"] = {"enum": ["0s", "90m", "1h30m", "0.5h"]}
    file = pathlib.Path(folder.name, "openapi.json")
    file.write_text(json.dumps(told))
    program = pathlib.Path(sys.executable).parent / "schemathesis"
    ended = subprocess.run(
        [program, "run", str(file), "--url", admin, "--checks", ",".join(ASKED_OF_IT.split()), "--phases", "examples,coverage,fuzzing",
         "--max-examples", "20", "--seed", "7", "--no-shrink", "--generation-database", "none", "--request-timeout",
         str(PATIENCE), "--suppress-health-check", "all", "--continue-on-failure", "--no-color", *words],
        cwd=folder.name, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
    )
    assert ended.returncode == 0, ended.stdout[:20000] + ended.stderr[-2000:]
    print("    " + ended.stdout.strip().splitlines()[-1].strip("= "), flush=True)


def schemathesis_has_nothing_to_say_about_what_is_read():
    # The stream never ends.
    schemathesis("--include-method", "GET", "--exclude-path", "/events")


def schemathesis_has_nothing_to_say_about_the_levers():
    # What there is to go back to, no description knows: the tests of versions do that.
    schemathesis("--include-method", "POST", "--exclude-path", "/api/v1/config/rollback")
    # They were pulled, and it is well known by whom.
    assert len(read("/api/v1/audit")["audit"]) == 100
    assert not read("/api/v1/effects?state=in-doubt")["effects"], "somebody has ended the doubt"
    assert ask(f"{admin}/ready")[0] == 503, "one of them drains"


CHECKS = [
    it_serves_and_some_traffic_went_through,
    every_answer_fits_its_schema_and_has_no_key_that_is_not_described,
    schemathesis_has_nothing_to_say_about_what_is_read,
    schemathesis_has_nothing_to_say_about_the_levers,
]

if __name__ == "__main__":
    with folder:
        run(CHECKS, seconds=280)
