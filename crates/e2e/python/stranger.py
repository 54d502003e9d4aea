"""A first hour with seawall: the commands and tools anybody has, and nothing but what they print."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from _provider import Provider, broken_chat, hang_up, slowly
from _rig import PATIENCE, Running, binary, environment, run

provider = Provider()
for room in ("proxied", "served", "slow", "failing"):
    provider.room(room)
folder = tempfile.TemporaryDirectory(prefix="seawall-stranger-")
ASKED = json.dumps({"model": "small", "messages": [{"role": "user", "content": "hello"}]})


class Done:
    """What a command left behind."""

    def __init__(self, ended):
        self.code, self.out, self.err = ended.returncode, ended.stdout, ended.stderr

    def json(self):
        return json.loads(self.out)


def command(*words, feed=None, env=None):
    """Runs a program in the folder to its end."""
    ended = subprocess.run(words, cwd=folder.name, env=environment(env), input=feed or "", text=True,
                           capture_output=True, timeout=PATIENCE)
    return Done(ended)


def seawall(*words, **more):
    return command(binary(), *words, **more)


def program(name):
    """Where a program is: where xtask says, on PATH, or in a folder that a user's PATH leaves out."""
    beside = os.pathsep.join(["/usr/local/sbin", "/usr/sbin", "/sbin"])
    return os.environ.get(f"SEAWALL_E2E_{name.upper()}") or shutil.which(name) or shutil.which(name, path=beside)


def needs(name):
    """Marks a check that cannot be made without a program: without it, it says so, and in CI it fails."""
    def marked(check):
        if program(name):
            return check

        def skipped():
            assert os.environ.get("CI", "") in ("", "0", "false"), f"{name} is missing in CI"
            print(f"SKIPPED, there is no {name} here: ", end="")

        skipped.__name__ = check.__name__
        return skipped

    return marked


class Answer:
    """What curl printed of one answer."""

    def __init__(self, done):
        self.code = done.code
        head, _, self.body = done.out.partition("\n\n")
        lines = head.splitlines()
        self.status = int(lines[0].split()[1]) if lines else None
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}

    def json(self):
        return json.loads(self.body)


def curl(url, *words):
    done = command(program("curl"), "-sS", "-i", "-m", "8", *words, url)
    done.out = done.out.replace("\r\n", "\n")
    return Answer(done)


def post(url, body, *words):
    return curl(url, "-H", "content-type: application/json", "-d", body, *words)


def proxying(room, *words):
    """`seawall proxy` in front of a room, the base URL it printed, and its admin port's."""
    running = Running("proxy", f"{provider.url}/{room}", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *words)
    base = running.wait_for(r"base URL (http://\S+)")
    return running, base, running.wait_for(r"(?:admin|dashboard) at (http://[\d.:]+)/")


def help_names_every_command():
    shown = seawall("--help")
    assert shown.code == 0
    for name in ("serve", "proxy", "init", "check", "explain", "status", "breakers", "limits", "demo"):
        assert re.search(rf"^  {name} ", shown.out, re.MULTILINE), f"{name} is not in\n{shown.out}"
    assert seawall("srve").code == 2


def init_writes_a_file_that_check_finds_good():
    assert seawall("init").code == 0
    again = seawall("init")
    assert again.code == 2 and "seawall.toml is there already" in again.err, again.err
    checked = seawall("check")
    assert checked.code == 0 and "seawall.toml: good" in checked.err, checked.err
    assert "route chat  POST /openai/v1/chat/** → openai  billable" in checked.out, checked.out
    verdict = seawall("check", "--json").json()
    assert verdict["ok"] and [route["name"] for route in verdict["routes"]] == ["chat"] and not verdict["errors"]


def a_mistake_is_named_with_its_place_and_what_to_write():
    lines = ["[upstream.api]", 'url = "https://api.example.com"', 'queue = { wiat = "1s" }',
             'auth = { bearer = "sk-hunter2" }']
    pathlib.Path(folder.name, "wrong.toml").write_text("\n".join(lines))
    for word in ("check", "serve"):
        refused = seawall(word, "-c", "wrong.toml")
        assert refused.code == 2, refused.code
        assert "wrong.toml:3:11: upstream.api.queue.wiat: " in refused.err and "wait" in refused.err, refused.err
        assert "wrong.toml:4:19: upstream.api.auth.bearer: " in refused.err, refused.err
        assert "hunter2" not in refused.err + refused.out
    missing = seawall("serve", "-c", "nowhere.toml")
    assert missing.code == 2 and "seawall init" in missing.err, missing.err


@needs("curl")
def proxy_needs_no_file_and_prints_the_base_url():
    running, base, admin = proxying("proxied")
    answer = curl(f"{base}/v1/models")
    assert answer.status == 200 and answer.json()["object"] == "list"
    assert provider.room("proxied").seen[0].path == "/v1/models"
    assert answer.headers["seawall-decision"].startswith("upstream=upstream; attempts=1; ")
    # A plain provider's POST is guarded: a lost reply is not asked for again, and said to be unknown.
    provider.room("proxied").script = [hang_up]
    lost = post(f"{base}/v1/orders", "{}")
    problem = lost.json()
    assert (lost.status, problem["code"], problem["certainty"]) == (502, "SW0012", "unknown"), problem
    assert lost.headers["content-type"] == "application/problem+json" and lost.headers["x-should-retry"] == "false"
    assert len(provider.room("proxied").seen) == 2
    # A body that breaks off is an error for curl too: 18 is "transfer closed with outstanding read data remaining".
    provider.room("proxied").script = [broken_chat]
    cut = post(f"{base}/v1/chat/completions", ASKED)
    assert cut.status == 200 and cut.code == 18, cut.code
    assert "event: error" in cut.body and "SW0022" in cut.body, cut.body
    # Our own admin port: no foreign page may ask it.
    assert curl(f"{admin}/health").status == 200
    assert curl(f"{admin}/health", "-H", "Host: evil.example").status == 403
    assert curl(f"{base}/v1/models", "-H", "Origin: http://evil.example").status == 403
    assert running.stop() == 0


@needs("curl")
def serve_runs_the_file_that_init_wrote_and_can_be_asked():
    env = {"SEAWALL__LISTEN": "127.0.0.1:0", "SEAWALL__ADMIN": "127.0.0.1:0",
           "SEAWALL__UPSTREAM__OPENAI__URL": f"{provider.url}/served"}
    running = Running("serve", cwd=folder.name, env=env)
    data = running.wait_for(r"calls at (http://[\d.:]+)/")
    admin = running.wait_for(r"(?:admin|dashboard) at (http://[\d.:]+)/")
    answer = post(f"{data}/openai/v1/chat/completions", ASKED)
    assert answer.status == 200 and answer.json()["choices"], answer.body
    call = answer.headers["seawall-call"]

    told = seawall("explain", call, "--admin", admin)
    assert told.code == 0 and told.out.startswith(f"{call}  POST /openai/v1/chat/completions\n"), told.out + told.err
    assert "route chat" in told.out and "answered 200, done after" in told.out, told.out
    assert seawall("explain", call, "--json", "--admin", admin).json()["id"] == call
    gone = seawall("explain", "0199f000-0000-7000-8000-000000000000", "--admin", admin)
    assert gone.code == 1 and "SW0030" in gone.err, gone.err

    status = seawall("status", "--json", "--admin", admin).json()
    assert status["calls"]["total"] == 1 and status["status"] == "healthy", status
    for name in ("upstreams", "breakers", "limits"):
        items = seawall(name, "--json", "--admin", admin).json()[name]
        assert items and all("name" in item and "state" in item for item in items), items
        assert "openai" in seawall(name, "--admin", admin).out

    levers = ("--by", "ann", "--reason", "a first look", "--admin", admin)
    assert seawall("breakers", "force-open", "openai", *levers).code == 0
    refused = post(f"{data}/openai/v1/chat/completions", ASKED)
    assert (refused.status, refused.json()["error"]["code"]) == (503, "SW0005"), refused.body
    assert seawall("status", "--json", "--admin", admin).json()["status"] == "unhealthy"
    assert "ann" in seawall("breakers", "--admin", admin).out
    assert seawall("breakers", "reset", "openai", *levers).code == 0
    assert post(f"{data}/openai/v1/chat/completions", ASKED).status == 200
    assert curl(f"{admin}/ready").status == 200
    running.signal(signal.SIGINT)
    assert running.wait() == 0, running.said()


def explain_has_a_page_for_a_code():
    page = seawall("explain", "SW0004")
    assert page.code == 0 and page.out.startswith("# SW0004 ") and not page.err, page.out
    assert seawall("explain", "sw0004").out == page.out
    assert seawall("explain", "SW7777").code == 2 and seawall("explain", "what").code == 2


@needs("promtool")
@needs("curl")
def promtool_has_nothing_to_say_about_the_metrics():
    provider.room("failing").script = [hang_up]
    running, base, admin = proxying("failing")
    post(f"{base}/v1/orders", "{}")
    curl(f"{base}/v1/models")
    text = curl(f"{admin}/metrics").body
    assert 'seawall_calls_total{upstream="upstream",' in text, text
    said = command(program("promtool"), "check", "metrics", feed=text)
    assert (said.code, said.out, said.err) == (0, "", ""), said.out + said.err
    assert running.stop() == 0


@needs("curl")
def sigterm_lets_calls_finish_and_a_second_one_does_not_wait():
    for seconds, signals, code in ((0.6, 1, 0), (5, 2, 1)):
        provider.room("slow").script = [slowly(seconds)]
        running, base, _ = proxying("slow")
        before = len(provider.room("slow").seen)
        words = [program("curl"), "-s", "-o", os.devnull, "-w", "%{http_code}", "-m", "8", f"{base}/v1/models"]
        asking = subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True)
        try:
            until = time.monotonic() + PATIENCE
            while len(provider.room("slow").seen) == before:
                assert time.monotonic() < until, "the call never arrived"
                time.sleep(0.01)
            running.signal(signal.SIGTERM)
            running.wait_for(r"(draining)")
            if signals == 2:
                running.signal(signal.SIGTERM)
            assert running.wait() == code, running.said()
            status, _ = asking.communicate(timeout=PATIENCE)
            assert status == ("200" if signals == 1 else "000"), status
        finally:
            asking.kill()
            asking.wait()


def a_port_in_use_or_an_empty_one_is_said_with_its_address():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for words in (("--listen", address, "--admin", "127.0.0.1:0"), ("--listen", "127.0.0.1:0", "--admin", address)):
            refused = seawall("proxy", provider.url, *words)
            assert refused.code == 1, refused.code
            assert f"SW0024 {address} is taken by another process" in refused.err, refused.err
    with socket.socket() as bound:
        # Bound and not listening: nobody answers here, and nobody else can begin to.
        bound.bind(("127.0.0.1", 0))
        where = f"http://127.0.0.1:{bound.getsockname()[1]}"
        nobody = seawall("status", "--admin", where)
        assert nobody.code == 1 and f"no seawall answers at {where}" in nobody.err, nobody.err


def what_is_said_is_for_machines_where_it_should_be():
    schema = seawall("config", "schema")
    assert schema.code == 0 and not schema.err and "upstream" in schema.json()["properties"]
    assert "complete" in seawall("completions", "bash").out
    # A reader that has seen enough is no failure, and nothing is painted where nobody sees it.
    piped = command("sh", "-c", '"$1" config schema | head -n 1', "sh", binary())
    assert (piped.code, piped.err) == (0, ""), piped.err
    assert "\x1b" not in seawall("check").out


CHECKS = [
    help_names_every_command,
    init_writes_a_file_that_check_finds_good,
    a_mistake_is_named_with_its_place_and_what_to_write,
    proxy_needs_no_file_and_prints_the_base_url,
    serve_runs_the_file_that_init_wrote_and_can_be_asked,
    explain_has_a_page_for_a_code,
    promtool_has_nothing_to_say_about_the_metrics,
    sigterm_lets_calls_finish_and_a_second_one_does_not_wait,
    a_port_in_use_or_an_empty_one_is_said_with_its_address,
    what_is_said_is_for_machines_where_it_should_be,
]

if __name__ == "__main__":
    with folder:
        run(CHECKS, seconds=60)
