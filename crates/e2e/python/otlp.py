"""What a collector hears: every body is read by OpenTelemetry's own protocol buffers."""

import http.server
import pathlib
import tempfile
import threading
import time
import urllib.error
import urllib.request

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from _rig import PATIENCE, Running, run

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "tell-nobody-7f3a"
folder = tempfile.TemporaryDirectory(prefix="seawall-otlp-")


class Serving(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, said = answer(self.path, dict(self.headers), body)
                self.send_response(status)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


heard = []


def collect(path, headers, body):
    heard.append((path, headers, body))
    return 200, b""


upstream_saw = []


def provider(path, headers, _body):
    upstream_saw.append((path, headers))
    # The second attempt of a flaky call works.
    flaky = path.startswith("/flaky") and sum(seen.startswith("/flaky") for seen, _ in upstream_saw) == 1
    return (503, b"busy") if flaky else (200, b"hello")


def attributes(of):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in of.attributes}


def spans():
    """Every span so far, by the service that sent it."""
    found = []
    for path, _, body in list(heard):
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                assert attributes(resource.resource)["service.name"] == "till"
                for scope in resource.scope_spans:
                    assert scope.scope.name == "seawall"
                    found.extend(scope.spans)
    return found


def metrics():
    """The latest point list of every metric, by name."""
    found = {}
    for path, _, body in list(heard):
        if path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    found.update({metric.name: metric for metric in scope.metrics})
    return found


def eventually(look, what):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


def call(path, headers=None):
    request = urllib.request.Request(gateway_url + path, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


collector, upstream = Serving(collect), Serving(provider)
config = pathlib.Path(folder.name, "seawall.toml")
config.write_text(f"""
version = 1
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
state = "{folder.name}/state"

[upstream.shop]
url = "{upstream.url}"

[upstream.shop.retry]
attempts = 2
base = "10ms"

[route.goods]
match = {{ method = "GET", path = "/shop/goods/*" }}
to = ["shop"]

[otlp]
endpoint = "{collector.url}"
headers = {{ api-key = "env:COLLECTOR_KEY" }}
interval = "1s"
service = "till"
""")
gateway = Running("serve", "--config", str(config), env={"COLLECTOR_KEY": SECRET})
gateway_url = gateway.wait_for(r"calls at (http://[^/]+)/")


def a_call_is_a_span_within_its_callers_with_its_attempts_inside():
    status, _ = call(f"/shop/flaky?token={SECRET}", {"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert status == 200
    found = eventually(lambda: [s for s in spans() if s.trace_id.hex() == TRACE], "the spans of a trace")
    (server,) = [span for span in found if span.kind == Span.SPAN_KIND_SERVER]
    clients = sorted((s for s in found if s.kind == Span.SPAN_KIND_CLIENT), key=lambda s: s.start_time_unix_nano)
    assert server.parent_span_id.hex() == PARENT and server.name == "GET shop", server
    own = attributes(server)
    assert own["http.request.method"] == "GET" and own["http.response.status_code"] == 200, own
    assert own["seawall.outcome"] == "ok" and own["seawall.certainty"] == "done", own
    assert own["seawall.attempts"] == 2 and own["seawall.upstream"] == "shop", own
    assert server.status.code == Status.STATUS_CODE_UNSET
    assert len(clients) == 2 and all(client.parent_span_id == server.span_id for client in clients), found
    assert len({client.span_id for client in clients} | {server.span_id}) == 3
    first, second = map(attributes, clients)
    assert first["http.response.status_code"] == 503 and first["error.type"] == first["seawall.outcome"], first
    assert clients[0].status.code == Status.STATUS_CODE_ERROR and clients[1].status.code == Status.STATUS_CODE_UNSET
    assert second["http.request.resend_count"] == 1 and "http.request.resend_count" not in first, second
    for client in clients:
        assert server.start_time_unix_nano <= client.start_time_unix_nano <= client.end_time_unix_nano
    assert clients[1].end_time_unix_nano <= server.end_time_unix_nano
    # The upstream is told the span that is its parent.
    told = [headers["traceparent"] for path, headers in upstream_saw if path.startswith("/flaky")]
    assert told and all(line == f"00-{TRACE}-{server.span_id.hex()}-01" for line in told), told


def a_call_of_nobodys_trace_begins_one_and_a_route_is_its_name():
    status, _ = call("/shop/goods/7")
    assert status == 200
    named = lambda: [s for s in spans() if s.name == "GET goods"]
    (server,) = eventually(named, "the span of a route")
    own = attributes(server)
    assert not server.parent_span_id and own["seawall.route"] == "goods", server
    assert own["seawall.call.id"].replace("-", "") == server.trace_id.hex()
    assert "url.path" not in own


def what_its_caller_does_not_keep_is_not_sent():
    other = TRACE.replace("0af7", "1bf8")
    assert call("/shop/x", {"traceparent": f"00-{other}-{PARENT}-00"})[0] == 200
    assert call("/shop/y", {"traceparent": f"00-{other[::-1]}-{PARENT}-01"})[0] == 200
    eventually(lambda: [s for s in spans() if s.trace_id.hex() == other[::-1]], "a later call")
    assert not [span for span in spans() if span.trace_id.hex() == other]


def metrics_are_sums_since_the_start_with_their_labels():
    def counted():
        calls = metrics().get("seawall_calls_total")
        if not calls:
            return None
        assert calls.sum.is_monotonic and calls.sum.aggregation_temporality == 2, calls
        points = [p for p in calls.sum.data_points if attributes(p)["outcome"] == "ok"]
        return sum(point.as_int for point in points) == len(upstream_saw) - 1 and points

    points = eventually(counted, "every call is counted")
    assert all(0 < point.start_time_unix_nano < point.time_unix_nano for point in points)
    took = metrics()["seawall_call_duration_seconds"].histogram
    assert metrics()["seawall_call_duration_seconds"].unit == "s" and took.aggregation_temporality == 2
    for point in took.data_points:
        assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
        assert sum(point.bucket_counts) == point.count and list(point.explicit_bounds) == sorted(point.explicit_bounds)
    assert metrics()["seawall_config_generation"].gauge.data_points[0].as_double == 1.0


def the_key_opens_the_collector_and_stands_nowhere_else():
    assert all(headers.get("api-key") == SECRET for _, headers, _ in heard), "in its header"
    assert all(headers["Content-Type" if "Content-Type" in headers else "content-type"] == "application/x-protobuf"
               for _, headers, _ in heard)
    assert not any(SECRET.encode() in body for _, _, body in heard), "and in no body: queries are not sent"
    assert SECRET not in gateway.said()


def a_collector_that_is_gone_costs_no_call_and_a_stop_is_soon():
    collector.shutdown()
    collector.server_close()
    began = time.monotonic()
    for number in range(50):
        assert call(f"/shop/after/{number}")[0] == 200
    assert time.monotonic() - began < 5
    assert gateway.stop() == 0


run([
    a_call_is_a_span_within_its_callers_with_its_attempts_inside,
    a_call_of_nobodys_trace_begins_one_and_a_route_is_its_name,
    what_its_caller_does_not_keep_is_not_sent,
    metrics_are_sums_since_the_start_with_their_labels,
    the_key_opens_the_collector_and_stands_nowhere_else,
    a_collector_that_is_gone_costs_no_call_and_a_stop_is_soon,
], 120)
