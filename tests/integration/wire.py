"""Clients: HTTP as users speak it, and FastCGI as a web server does.

Every wait has a deadline, so that a service that hangs is a failed test and
not a hanging one.
"""

import base64
import contextlib
import dataclasses
import http.client
import json
import re
import socket
import struct
import time

from slowness import SLOWNESS

DEADLINE = 30.0 * SLOWNESS
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
GENERATE = "/api/mv/generate_character_reference"
GET = "/api/mv/get_character_reference/"
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}"
                   r"-[0-9a-f]{12}\Z")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00\Z")


@dataclasses.dataclass
class Reply:
    """One HTTP reply; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float = 0.0

    def json(self):
        """The body as JSON, which its Content-Type must say it is."""
        assert self.headers.get("content-type") == "application/json", self
        return json.loads(self.body)

    def images(self) -> list[dict]:
        """The images of a successful generation."""
        assert self.status == 200, self.body[:500]
        return self.json()["images"]

    def pictures(self) -> list[bytes]:
        """The bytes behind the base64 of a successful generation."""
        return [base64.b64decode(i["base64"], validate=True)
                for i in self.images()]

    def error(self) -> dict:
        """The one documented form of an error, checked."""
        document = self.json()
        assert list(document) == ["detail"], document
        detail = document["detail"]
        allowed = {"error", "message", "details", "field", "request_id"}
        assert set(detail) <= allowed, detail
        assert {"error", "message", "request_id"} <= set(detail), detail
        for name, value in detail.items():
            assert isinstance(value, str) or (name, value) == (
                "details", None), detail
        assert detail["request_id"] == self.headers["x-request-id"], self
        assert detail["message"], detail
        for leak in ("/tmp/", "/work", "src/", ".c:", "test-key"):
            assert leak not in self.body.decode(), detail
        return detail

    def must_fail(self, status: int, word: str, field: str | None = None):
        """Asserts status, error word and (if one is given) the field."""
        assert self.status == status, (self.status, self.body[:500])
        detail = self.error()
        assert detail["error"] == word, detail
        if field is not None:
            assert detail.get("field") == field, detail
        if status in (429, 503) or "retry-after" in self.headers:
            assert int(self.headers["retry-after"]) >= 1, self.headers
        return detail


class Http:
    """Speaks HTTP/1.1 to one port, a connection per request.

    Its own address can be another of this host's, such as 127.0.0.2.
    """

    def __init__(self, port: int, source: str = "127.0.0.1"):
        self.port = port
        self.source = source

    def ask(self, method: str, path: str, body: bytes | None = None,
            headers: dict | None = None, deadline: float = DEADLINE) -> Reply:
        """Sends one request and reads the whole reply."""
        began = time.monotonic()
        link = http.client.HTTPConnection("127.0.0.1", self.port,
                                          timeout=deadline,
                                          source_address=(self.source, 0))
        try:
            link.putrequest(method, path, skip_accept_encoding=True)
            names = {name.lower() for name in headers or {}}
            for name, value in (headers or {}).items():
                link.putheader(name, value)
            if body is not None and "content-length" not in names:
                link.putheader("Content-Length", str(len(body)))
            link.endheaders()
            if body:
                self._send_body(link, body)
            reply = self._read(link)
        finally:
            link.close()
        reply.seconds = time.monotonic() - began
        assert REQUEST_ID.match(reply.headers.get("x-request-id", "")), reply
        return reply

    @staticmethod
    def _send_body(link, body: bytes):
        """A server may refuse a large body without reading all of it."""
        try:
            link.send(body)
        except (BrokenPipeError, ConnectionResetError):
            pass

    @staticmethod
    def _read(link) -> Reply:
        got = link.getresponse()
        headers: dict[str, str] = {}
        for name, value in got.getheaders():
            name = name.lower()
            if name in ("cache-control", "vary") and name in headers:
                value = f"{headers.pop(name)}, {value}"  # they are lists
            assert name not in headers, ("twice", name, value)
            headers[name] = value
        return Reply(got.status, headers, got.read())

    def get(self, path: str, **kw) -> Reply:
        """GET of a path."""
        return self.ask("GET", path, **kw)

    def picture(self, image_id: str, **headers: str) -> Reply:
        """GET of an image by its id."""
        return self.get(GET + image_id, headers=headers)

    def post(self, body: bytes | str | dict | list, path: str = GENERATE,
             headers: dict | None = None, **kw) -> Reply:
        """POST of a JSON document (or of bytes that claim to be one)."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        merged = {"Content-Type": "application/json"}
        merged.update(headers or {})
        merged = {k: v for k, v in merged.items() if v is not None}
        return self.ask("POST", path, body, merged, **kw)

    def generate(self, description: str = "A silver robot", *,
                 key: str | None = None, deadline: float = DEADLINE,
                 **fields) -> Reply:
        """POST of a generation."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.post({"character_description": description, **fields},
                         headers=headers, deadline=deadline)

    def raw(self, request: bytes, deadline: float = DEADLINE) -> bytes:
        """Sends bytes as they are; gives everything up to the close."""
        with socket.create_connection(("127.0.0.1", self.port),
                                      timeout=deadline) as link:
            link.sendall(request)
            return read_to_end(link)


def read_to_end(link: socket.socket) -> bytes:
    """All that comes until the other side closes (or resets)."""
    got = b""
    while True:
        try:
            piece = link.recv(1 << 16)
        except ConnectionResetError:
            return got
        if not piece:
            return got
        got += piece


# FastCGI 1.0, as in the specification's section 8.
BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
KEEP_CONN = 1


def record(kind: int, content: bytes = b"", request: int = 1) -> bytes:
    """One FastCGI record without padding."""
    return struct.pack(">BBHHBB", 1, kind, request, len(content), 0, 0) \
        + content


def stream(kind: int, data: bytes) -> bytes:
    """Records of as much as one may hold, and the empty one at the end."""
    pieces = [record(kind, data[i:i + 65000])
              for i in range(0, len(data), 65000)]
    return b"".join(pieces) + record(kind)


def begin(keep: bool = False, role: int = 1) -> bytes:
    """BEGIN_REQUEST for a responder."""
    return record(BEGIN, struct.pack(">HB5x", role, KEEP_CONN if keep else 0))


def _length(n: int) -> bytes:
    return struct.pack(">B", n) if n < 128 else struct.pack(">I", n | 1 << 31)


def params(pairs: dict[str, str]) -> bytes:
    """The PARAMS stream with its end."""
    data = b""
    for name, value in pairs.items():
        key, text = name.encode(), value.encode()
        data += _length(len(key)) + _length(len(text)) + key + text
    return stream(PARAMS, data)


def stdin(body: bytes) -> bytes:
    """The STDIN stream with its end."""
    return stream(STDIN, body)


@dataclasses.dataclass
class FastCgiReply(Reply):
    """What a worker answered; `ended` tells whether END_REQUEST came."""

    ended: bool = False
    errors: bytes = b""


def parse_fastcgi(data: bytes) -> FastCgiReply:
    """Reads the records of one reply; a cut-off one has ended=False."""
    out, errors, ended, at = b"", b"", False, 0
    while at + 8 <= len(data) and not ended:
        _, kind, _, size, padding, _ = struct.unpack(">BBHHBB",
                                                     data[at:at + 8])
        content = data[at + 8:at + 8 + size]
        at += 8 + size + padding
        out += content if kind == STDOUT else b""
        errors += content if kind == STDERR else b""
        ended = kind == END and len(content) == 8
    head, _, body = out.partition(b"\r\n\r\n")
    headers = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    status = int(headers.get("status", "200").split()[0]) if head else 0
    return FastCgiReply(status, headers, body, 0.0, ended, errors)


class FastCgi:
    """Speaks FastCGI over a worker pool's unix socket."""

    def __init__(self, socket_path: str):
        self.path = socket_path

    def connect(self, deadline: float = DEADLINE) -> socket.socket:
        """A connection that nothing has been said on yet."""
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(deadline)
        link.connect(self.path)
        return link

    @staticmethod
    def environment(method: str, path: str, body: bytes = b"",
                    **more: str) -> dict[str, str]:
        """What the shipped nginx sends along with a request."""
        script, _, query = path.partition("?")
        pairs = {"REQUEST_METHOD": method, "REQUEST_URI": path,
                 "DOCUMENT_URI": script, "SCRIPT_NAME": script,
                 "QUERY_STRING": query, "SERVER_PROTOCOL": "HTTP/1.1",
                 "CONTENT_LENGTH": str(len(body)) if body else "",
                 "CONTENT_TYPE": "application/json" if body else "",
                 "REMOTE_ADDR": "127.0.0.1", "GATEWAY_INTERFACE": "CGI/1.1"}
        pairs.update(more)
        return pairs

    def request(self, method: str, path: str, body: bytes = b"",
                keep: bool = False, **more: str) -> bytes:
        """All the records of one request."""
        pairs = self.environment(method, path, body, **more)
        return begin(keep) + params(pairs) + stdin(body)

    def send(self, method: str, path: str, body: bytes = b"",
             keep: bool = False, deadline: float = DEADLINE, **more: str):
        """Sends a request and leaves the connection to the caller."""
        link = self.connect(deadline)
        # A worker that refuses closes before it has read all; what it said,
        # if anything, is still to be read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            link.sendall(self.request(method, path, body, keep, **more))
        return link

    def ask(self, method: str, path: str, body: bytes = b"",
            keep: bool = False, deadline: float = DEADLINE,
            **more: str) -> FastCgiReply:
        """One request and its reply."""
        link = self.send(method, path, body, keep, deadline, **more)
        with link:
            return parse_fastcgi(read_to_end(link))

    def generate(self, description: str = "A silver robot",
                 deadline: float = DEADLINE, **fields) -> FastCgiReply:
        """A generation, straight from a worker."""
        body = json.dumps({"character_description": description, **fields})
        return self.ask("POST", GENERATE, body.encode(), deadline=deadline)
