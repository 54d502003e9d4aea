"""A provider that speaks OpenAI's API, does what each check tells it to, and remembers every request."""

import http.server
import json
import socket
import struct
import threading
import time

MODELS = ["small", "large"]
WORDS = ["one", " wave", " after", " another", " stands", " still"]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # A crowd connects at once; the five places of the default would cost some of it a second.
    request_queue_size = 128

    def handle_error(self, *_):
        """Callers that hang up are part of the play."""


class Provider:
    """Serves on a port of its own. Each check has a room, the first segment of the path, so that none meets another."""

    def __init__(self):
        self._rooms = {}
        self._server = _Server(("127.0.0.1", 0), _Exchange)
        self._server.rooms = self._rooms
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def room(self, name):
        """A room, to script and to ask what it saw."""
        return self._rooms.setdefault(name, Room())

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Room:
    """Plays its script, one reply a request; then it answers well. `always` stands in for a whole script."""

    def __init__(self):
        self.script = []
        self.always = None
        self.seen = []
        self._turn = threading.Lock()

    def take(self, request):
        with self._turn:
            self.seen.append(request)
            if self.always:
                return self.always
            return self.script.pop(0) if self.script else well


class Request:
    """What arrived. Header names are in lower case."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    def json(self):
        return json.loads(self.body)


class _Exchange(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def do_DELETE(self):
        self._answer()

    def log_message(self, *_):
        pass

    def _answer(self):
        _, name, path = self.path.split("/", 2)  # /ROOM/v1/…
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(self.command, "/" + path, headers, self._body(headers))
        self.server.rooms[name].take(request)(self, request)

    def _body(self, headers):
        if headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def head(self, status, kind, **headers):
        self.send_response(status)
        self.send_header("content-type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def whole(self, status, body, **headers):
        text = json.dumps(body).encode()
        self.head(status, "application/json", content_length=str(len(text)), **headers)
        self.wfile.write(text)

    def events(self, events, ending=b"0\r\n\r\n"):
        """An event stream in chunks. Without the ending of chunks the connection breaks after the last event."""
        self.head(200, "text/event-stream", transfer_encoding="chunked")
        for event in events:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.write(ending)
        self.close_connection = not ending


def well(exchange, request):
    """The answer OpenAI would give."""
    match request.method, request.path:
        case "GET", "/v1/models":
            models = [{"id": name, "object": "model", "created": 1, "owned_by": "system"} for name in MODELS]
            exchange.whole(200, {"object": "list", "data": models})
        case "POST", "/v1/chat/completions" if request.json().get("stream"):
            exchange.events(chat_events() + [b"data: [DONE]\n\n"])
        case "POST", "/v1/chat/completions":
            message = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
            choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
            usage = {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10}
            exchange.whole(200, _chat("chat.completion", [choice]) | {"usage": usage})
        case "POST", "/v1/responses":
            exchange.events(response_events() + [_response_event("response.completed", 9, _response("completed"))])
        case "POST", "/v1/files":
            made = {"id": "file-1", "object": "file", "bytes": len(request.body), "created_at": 1,
                    "filename": "tide.jsonl", "purpose": "batch", "status": "processed"}
            exchange.whole(200, made)
        case _:
            exchange.whole(404, error("no such path", "not_found"))


def failing(status, code=None, **headers):
    """An error, in OpenAI's words."""
    return lambda exchange, _: exchange.whole(status, error(f"the provider says {status}", code), **headers)


def hang_up(exchange, _):
    """Reads it, perhaps does it, and leaves without a word."""
    exchange.close_connection = True


def reset(exchange, _):
    """The same, less politely: with an RST."""
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.connection.close()
    exchange.close_connection = True


def slowly(seconds, reply=well):
    """The same, but later."""
    def later(exchange, request):
        time.sleep(seconds)
        reply(exchange, request)

    return later


def broken_chat(exchange, _):
    """Half of a stream, then the connection is gone."""
    exchange.events(chat_events()[:4], ending=b"")


def quiet_chat(exchange, _):
    """A whole stream that ends cleanly and never said that it was done."""
    exchange.events(chat_events())


def quiet_response(exchange, _):
    """The same of the Responses API."""
    exchange.events(response_events())


def chat_events():
    """All of them but `[DONE]`."""
    def chunk(delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return b"data: %s\n\n" % json.dumps(_chat("chat.completion.chunk", [choice])).encode()

    said = [chunk({"content": word}) for word in WORDS]
    return [chunk({"role": "assistant", "content": ""}), *said, chunk({}, "stop")]


def response_events():
    """All of them but the last."""
    begun = [_response_event("response.created", 0, _response("in_progress"))]
    for number, word in enumerate(WORDS, 1):
        data = {"type": "response.output_text.delta", "sequence_number": number, "item_id": "msg_1",
                "output_index": 0, "content_index": 0, "delta": word, "logprobs": []}
        begun.append(b"event: response.output_text.delta\ndata: %s\n\n" % json.dumps(data).encode())
    return begun


def error(message, code=None):
    """OpenAI's error body."""
    return {"error": {"message": message, "type": code or "server_error", "param": None, "code": code}}


def _chat(kind, choices):
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "small", "choices": choices}


def _response(status):
    return {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "small", "output": [],
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}


def _response_event(kind, number, response):
    data = json.dumps({"type": kind, "sequence_number": number, "response": response})
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), data.encode())
