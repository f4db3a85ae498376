"""Attacks through the front door get nothing, and harm nobody else."""

import contextlib
import http.client
import json
import random
import resource
import selectors
import socket
import statistics
import threading
import time

import pytest

import wire
from house import SLOWNESS, House, missing, wait_until
from upstream import reply
from wire import GENERATE, GET

STORE = "/mv/outputs/character_reference"
SECRETS = (b"SQLite format", b"root:", b"PNG\r\n", b"credentials")


@pytest.fixture
def kept(house) -> str:
    """The id of a picture in the store."""
    return house.http.generate(num_images=1).images()[0]["id"]


def connect(port: int, deadline: float = 20.0) -> socket.socket:
    """A connection on which nothing has been said."""
    return socket.create_connection(("127.0.0.1", port), deadline)


def head_of(got: bytes) -> int:
    """The status of the first reply among bytes, 0 for none."""
    return int(got[9:12]) if got.startswith(b"HTTP/1.") else 0


def each_is_json(got: bytes):
    """Every reply in the bytes has the documented body of an error."""
    for part in got.split(b"HTTP/1.1 ")[1:]:
        _, _, text = part.partition(b"\r\n\r\n")
        assert json.loads(text)["detail"]["error"], part


# ----------------------------------------------------- files, by any spelling


def spellings(image_id: str) -> list[str]:
    """Ways to ask for what only workers may hand out."""
    name = f"{image_id}.png"
    inside = [f"{STORE}/{name}", f"{STORE}/", STORE, f"{STORE}/.",
              f"/{STORE}/{name}", f"{STORE}//{name}", f"/.{STORE}/{name}",
              f"/x/..{STORE}/{name}", f"{STORE}/x/../{name}",
              f"{STORE}/./{name}", f"{STORE}/{name}/", f"{STORE}/{name}?",
              f"{STORE}/{name}#x", f"{STORE}/{name};x", f"{STORE};/{name}",
              f"/mv;/outputs/character_reference/{name}",
              f"{STORE.upper()}/{name}", f"/Mv{STORE[3:]}/{name}",
              STORE.replace("/mv", "/%6d%76") + f"/{name}",
              STORE.replace("mv", "%6Dv") + f"%2F{name}",
              f"%2fmv%2foutputs/character_reference/{name}",
              f"{STORE}/%2e/{name}", f"{STORE}/{name}%00", f"{STORE}%00/x",
              f"{STORE}\\{name}", f"http://127.0.0.1{STORE}/{name}"]
    climbs = ["../catalogue.db", "../../../catalogue.db",
              "%2e%2e/%2e%2e/%2e%2e/catalogue.db", "..%2f..%2f..%2fcatalogue"
              ".db", "..;/..;/..;/catalogue.db", "..%00/catalogue.db",
              "....//....//....//catalogue.db", "..\\..\\..\\catalogue.db",
              "..%5c..%5c..%5ccatalogue.db", "%252e%252e/%252e%252e/x",
              "%c0%ae%c0%ae/%c0%ae%c0%ae/catalogue.db",
              "../../../../charref.log", "../../../../credentials",
              "../../../../../../../../etc/passwd"]
    outside = [f"{base}{climb}" for climb in climbs for base in (
        f"{STORE}/", f"{STORE}", "/", GET, f"{STORE}/x/")]
    return inside + outside + [
        f"{STORE}../catalogue.db", f"{STORE}../catalogue.db/",
        "/mv../catalogue.db", "/mv../catalogue.db/", "/mv../",
        f"{GET}..%2f{name}", f"{GET}{name}", "/@lookup", "/@local_picture",
        "/%40lookup", "/_error", "/_error_range", "/_error/", "/%5ferror"]


def test_no_spelling_reads_a_file_behind_the_door(house, kept):
    """Raw, as no library would send it; one that is a bad path is refused."""
    for path in spellings(kept):
        for version in ("1.1", "1.0"):
            got = house.http.raw(
                f"GET {path} HTTP/{version}\r\nHost: x\r\n"
                "Connection: close\r\n\r\n".encode())
            assert head_of(got) in (400, 404, 0), (path, got[:200])
            for secret in SECRETS:
                assert secret not in got, path


def test_a_fragment_of_the_path_does_not_open_it_either(house, kept):
    """Methods and conditions that make nginx look at the file itself."""
    path = f"{STORE}/{kept}.png"
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PROPFIND", "COPY",
                   "MOVE", "MKCOL"):
        got = house.http.raw(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Range: bytes=0-9\r\nIf-Range: x\r\nDestination: /x\r\n"
            "Content-Length: 0\r\n\r\n".encode())
        assert head_of(got) in (404, 405), (method, got[:200])
        assert b"PNG" not in got
    assert f"{kept}.png" in house.files()


@pytest.mark.parametrize("name", [
    "X-Accel-Redirect", "X-Accel-Buffering", "X-Accel-Expires",
    "X-Accel-Charset", "X-Accel-Limit-Rate", "X-Sendfile", "Status",
    "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override"])
def test_a_client_cannot_command_nginx_by_headers(house, kept, name):
    """The answers are those to the same requests without the header: a
    picture that nginx hands out, an id that nobody knows, and no file."""
    def answer(path: str, **headers: str) -> tuple:
        said = house.http.get(path, headers={"X-Request-Id": "one"} | headers)
        return said.status, {key: value for key, value in said.headers.items()
                             if key not in ("date", "server-timing")}, said.body

    plain = {path: answer(path) for path in (
        GET + kept, GET + "nobody", "/healthz")}
    assert [one[0] for one in plain.values()] == [200, 404, 200]
    assert plain[GET + kept][2] == house.files()[f"{kept}.png"]
    for value in (f"{STORE}/{kept}.png", "@local_picture", "1", "/_error",
                  "DELETE"):
        for spelling in (name, name.replace("-", "_")):
            for path, expected in plain.items():
                assert answer(path, **{spelling: value}) == expected, path


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_what_is_for_this_host_stays_closed_by_any_spelling(front, path):
    """From another address; and a path that nginx does not take for it
    reaches the worker as that other path."""
    other = wire.Http(front.http.port, "127.0.0.2")
    front.up.answer = lambda asked: reply(404)
    for spelling in (path, f"/{path}", f"{path}?x", f"/x/..{path}",
                     f"/%{ord(path[1]):02x}{path[2:]}", f"/.{path}",
                     f"{path}#x", f"/x/%2e%2e{path}"):
        other.get(spelling).must_fail(404, "NotFound")
    assert not front.up.asked
    for spelling in (f"{path}/", path.upper(), f"{path};x", f"{path}%20"):
        assert other.get(spelling).status == 404
    assert path not in [one.path() for one in front.up.asked]


# -------------------------------------------------------------- smuggling

SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("headers", [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
    b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
    b"Content-Length: 5\r\nContent-Length: 5\r\n",
    b"Content-Length: 5, 5\r\n", b"Content-Length: +5\r\n",
    b"Content-Length: 0x5\r\n", b"Content-Length: 5 5\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: -1\r\n"], ids=range(14))
def test_a_body_of_two_lengths_is_refused_with_all_that_follows(front,
                                                                headers):
    """The connection ends, so no rest of it is read as another request."""
    front.up.answer = lambda _: reply(404)
    got = front.http.raw(
        b"POST " + GENERATE.encode() + b" HTTP/1.1\r\nHost: x\r\n" + headers
        + b"\r\n0\r\n\r\n" + SMUGGLED)
    assert head_of(got) in (400, 413, 501), got[:300]
    each_is_json(got)
    assert got.count(b"HTTP/1.1 ") == 1
    assert not front.up.asked


def test_what_looks_like_a_request_in_a_body_is_a_body(front):
    body = b"{}\r\n\r\n" + SMUGGLED
    front.http.post(body)
    got, = front.up.asked
    assert (got.path(), got.body) == (GENERATE, body)


def test_requests_in_one_piece_are_as_many_as_they_say(front):
    """A second request behind a body is one of its own, and may do no more
    than that: it is not for this host, since a proxy would be behind it."""
    body = b"POST /healthz"
    pipeline = (
        b"POST " + GENERATE.encode() + b" HTTP/1.1\r\nHost: x\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body
        + b"GET /one HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nGET "
        + b"GET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    got = front.http.raw(pipeline)
    assert got.count(b"HTTP/1.1 200") == 3
    assert [(one.path(), one.body) for one in front.up.asked] == [
        (GENERATE, body), ("/one", b"GET "), ("/two", b"")]


def test_fastcgi_records_in_a_body_are_a_body(house):
    """They would be a request of their own, with parameters of choice."""
    forged = wire.record(wire.STDIN) + wire.begin(keep=True) + wire.params({
        "REQUEST_METHOD": "GET", "REQUEST_URI": "/smuggled",
        "SCRIPT_NAME": "/smuggled", "HTTP_X_REQUEST_ID": "smuggled-1",
    }) + wire.stdin(b"")
    for padding in (0, 1, 7, 8, 4096, 60000):
        said = house.http.post(bytes(padding) + forged)
        said.must_fail(400, "ValidationError")
    said = house.http.get("/healthz", headers={"X-Request-Id": "after"})
    house.requests_logged("after")
    for line in house.log_lines():
        assert "smuggled" not in json.dumps(line)


@pytest.mark.parametrize("name", ["SCRIPT_FILENAME", "REQUEST_METHOD",
                                  "CHARREF_POOL", "REMOTE_ADDR"])
def test_no_header_becomes_a_parameter_of_another_name(front, name):
    front.http.get("/x", headers={name: "evil", name.replace("_", "-"): "e",
                                  f"HTTP-{name}": "e"})
    got, = front.up.asked
    assert got[name] not in ("evil", "e")


# ------------------------------------------------------------ slow, and many


class Visitor:
    """Asks every moment, and remembers how long each answer took."""

    def __init__(self, house: House, path: str):
        self.house, self.path = house, path
        self.seconds: list[float] = []
        self.bad: list[str] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.stop.wait(0.01):
            try:
                said = self.house.http.get(self.path, deadline=10.0)
                self.seconds.append(said.seconds)
                if said.status != 200:
                    self.bad.append(str(said.status))
            except (OSError, AssertionError,
                    http.client.HTTPException) as why:
                self.bad.append(repr(why))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def must_be_served(self, at_least: int):
        """None failed, and hardly any had to wait."""
        assert not self.bad, self.bad[:5]
        assert len(self.seconds) >= at_least, len(self.seconds)
        ordered = sorted(self.seconds)
        assert statistics.median(ordered) < 0.2 * SLOWNESS, ordered[-5:]
        assert ordered[int(len(ordered) * 0.99)] < 1.5 * SLOWNESS, ordered[-5:]


@contextlib.contextmanager
def many(port: int, count: int, first: bytes = b""):
    """Connections that stay open, each with these first bytes sent."""
    links = []
    try:
        for _ in range(count):
            links.append(connect(port))
            if first:
                links[-1].sendall(first)
        yield links
    finally:
        for link in links:
            link.close()


def ended(links: list[socket.socket], until: float) -> dict:
    """Which of them the server has ended, and what it had said till then."""
    said: dict[socket.socket, bytes] = dict.fromkeys(links, b"")
    open_ = set(links)
    with selectors.DefaultSelector() as watch:
        for link in links:
            link.setblocking(False)
            watch.register(link, selectors.EVENT_READ)
        while open_ and time.monotonic() < until:
            for key, _ in watch.select(0.2):
                link = key.fileobj
                try:
                    piece = link.recv(65536)
                except ConnectionResetError:
                    piece = b""
                said[link] += piece
                if not piece:
                    watch.unregister(link)
                    open_.discard(link)
    return {link: text for link, text in said.items() if link not in open_}


def drip(links: list[socket.socket], piece: bytes, stop: threading.Event):
    """Sends a little on each, every half second."""
    while not stop.wait(0.5):
        for link in links:
            with contextlib.suppress(OSError):
                link.send(piece)


def test_slow_headers_and_bodies_hold_no_worker_and_end(house):
    """300 clients that never come to an end; all the others are served.

    Headers have 10 s in all; a body that stops has 10 s from there.
    """
    begun = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    body = (f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nContent-Type: "
            "application/json\r\nContent-Length: 60000\r\n\r\n{").encode()
    stop = threading.Event()
    with many(house.http.port, 150, begun) as heads, \
            many(house.http.port, 150, body) as bodies, \
            Visitor(house, "/healthz") as visitor:
        dripper = threading.Thread(target=drip, args=(heads, b"X-A: b\r\n",
                                                      stop))
        dripper.start()
        assert house.http.generate(num_images=1).status == 200
        gone = ended(heads + bodies, time.monotonic() + 20)
        stop.set()
        dripper.join()
    assert len(gone) == 300, f"{300 - len(gone)} still there after 20 s"
    for link in heads + bodies:
        assert head_of(gone[link]) in (0, 408), gone[link][:100]
        each_is_json(gone[link])
    visitor.must_be_served(100)
    assert house.model.connections == 1


def test_bodies_that_trickle_take_no_generation_from_others(new_house):
    """The limits as shipped: each address may hold a few, and there are more
    for everybody than some addresses can hold."""
    house = new_house(**{f"NGINX_GENERATE_{name}": "" for name in
                         ("RATE", "BURST", "PER_CLIENT", "AT_ONCE")})
    begun = (f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nContent-Type: "
             "application/json\r\nContent-Length: 60000\r\n\r\n{").encode()
    with contextlib.ExitStack() as stack:
        for n in range(40):  # five addresses, eight each
            link = stack.enter_context(socket.socket())
            link.bind((f"127.0.0.{n // 8 + 2}", 0))
            link.connect(("127.0.0.1", house.http.port))
            link.sendall(begun)
        other = wire.Http(house.http.port, "127.0.0.9")
        for _ in range(3):
            assert other.generate(num_images=1).status == 200


def test_slow_readers_hold_no_worker(front):
    """Each takes nothing of a reply of 2 MB, 50 at once."""
    big = reply(body=b"[" + b" " * (2 << 20) + b"]")
    front.up.answer = lambda asked: big if asked.path() == "/big" else reply()
    ask = b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            link = stack.enter_context(socket.socket())
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.connect(("127.0.0.1", front.http.port))
            link.sendall(ask)
        wait_until(lambda: len(front.up.asked) == 50, "their requests")
        wait_until(lambda: front.up.busy == 0, "workers that are free again")
        with Visitor(front.house, "/healthz") as visitor:
            wait_until(lambda: len(visitor.seconds) > 50, "visits")
    visitor.must_be_served(50)


@pytest.fixture
def files_for():
    """Lets this process, and what it starts, have so many files open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(need: int):
        hard = max(need, before[1])
        if before[1] == resource.RLIM_INFINITY:
            hard = before[1]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
        except (ValueError, PermissionError):
            missing(f"the limit of open files is {before[1]}, not {need}")

    yield allow
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("count", [
    2000, pytest.param(10000, marks=pytest.mark.soak)])
def test_idle_connections_by_the_thousand_keep_nobody_out(files_for,
                                                          new_house, count):
    """Half of them after a request, half before their first byte."""
    # Each of nginx's two workers or more takes half as many connections.
    files_for(count + 2000)
    house = new_house()
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with many(house.http.port, count // 2), \
            many(house.http.port, count // 2, asked), \
            Visitor(house, "/healthz") as visitor:
        wait_until(lambda: len(visitor.seconds) >= 100, "visits", 30)
        assert house.http.generate(num_images=1).status == 200
    visitor.must_be_served(100)


# ------------------------------------------------------------------ too big


@pytest.mark.parametrize("line, status, word", [
    (b"GET /" + b"x" * 8300, 414, "TooLarge"),
    (b"GET /x?" + b"y" * 100000, 414, "TooLarge")])
def test_a_request_line_of_any_size_is_answered_in_json(front, line, status,
                                                        word):
    got = front.http.raw(line + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head_of(got) == status
    assert json.loads(got.partition(b"\r\n\r\n")[2])["detail"]["error"] \
        == word
    assert not front.up.asked


@pytest.mark.parametrize("headers", [
    b"X-A: " + b"a" * 9000 + b"\r\n", b"X-A: " + b"a" * 500000 + b"\r\n",
    b"X-A: " + b"a" * 7000 + b"\r\n" + b"X-B: " + b"b" * 7000 + b"\r\n"
    + b"".join(b"X-%d: " % n + b"c" * 7000 + b"\r\n" for n in range(9)),
    b"a" * 9000 + b": x\r\n", b"".join(b"A%d: b\r\n" % n for n in
                                       range(9000))], ids=range(5))
def test_headers_of_any_size_are_answered_in_json(front, headers):
    got = front.http.raw(b"GET /x HTTP/1.1\r\nHost: x\r\n" + headers
                         + b"\r\n")
    assert head_of(got) == 431, got[:200]
    each_is_json(got)
    assert not front.up.asked


# ---------------------------------------------------------------- the log

EVIL = [b'"}\n{"level":"error"}', b'","status":"999","x":"', b"\\", b"\\u0000",
        b'\\"', b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xe2\x80\xa8",
        b"%0d%0a{}", b"%00", b"%22%7d%0a", b"\x1b[31m", b"\x7f", b"\x01",
        b"$remote_addr", b"${request_id}", b"@RUN_DIR@", b"\t", b"'", b"{}",
        b"<script>", b"\xf0\x9f\xa4\x96", b"A" * 3000]


def requests_of(evil: bytes) -> list[bytes]:
    """The same bytes in every place of a request that a log could show."""
    rest = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    return [
        b"GET /a" + evil + rest + b"\r\n",
        b"GET /a?q=" + evil + rest + b"\r\n",
        b"GET " + GET.encode() + evil + rest + b"\r\n",
        b"GET /a HTTP/1.1\r\nConnection: close\r\nHost: " + evil + b"\r\n\r\n",
        b"GET /a" + rest + b"X-Request-Id: " + evil + b"\r\n\r\n",
        b"GET /a" + rest + b"Referer: " + evil + b"\r\nUser-Agent: " + evil
        + b"\r\nX-Forwarded-For: " + evil + b"\r\nOrigin: " + evil
        + b"\r\nAccept: " + evil + b"\r\n\r\n",
        b"G" + evil + b" /a" + rest + b"\r\n",
        b"GET /a HTTP/1." + evil + b"\r\n\r\n",
        b"POST " + GENERATE.encode() + rest + b"Content-Type: " + evil
        + b"\r\nIdempotency-Key: " + evil + b"\r\nContent-Length: 2\r\n\r\n"
        b"{}"]


def noise(seed: int, count: int) -> list[bytes]:
    """Bytes of any value, and some that JSON, HTTP and nginx care about."""
    chance = random.Random(seed)
    special = b'"\\{}\r\n\t $%\x00\x1f\x7f\x80\xc3\xff'
    return [bytes(chance.choice((chance.randrange(256),
                                 special[chance.randrange(len(special))]))
                  for _ in range(chance.randrange(1, 40)))
            for _ in range(count)]


def assert_whole_lines(house: House):
    """Both logs are whole lines, each one object with the known names."""
    lines = house.nginx_lines()
    names = {tuple(line) for line in lines}
    assert len(names) == 1, names
    for line in lines:
        assert line["status"] in ("", "200", "302") \
            or 400 <= int(line["status"]) < 600, line
        assert line["client"] == "127.0.0.1", line
        assert wire.REQUEST_ID.match(line["request_id"]), line
        assert line["method"].replace("-", "").replace("_", "").isalpha() \
            or line["method"] == "", line
        assert line["path"].isascii() and line["path"].isprintable(), line
    house.log_lines()


@pytest.mark.parametrize("seed, count", [
    (1, 20), pytest.param(2, 2000, marks=pytest.mark.soak)])
def test_nothing_a_client_sends_breaks_a_line_of_the_log(house, seed, count):
    for evil in EVIL + noise(seed, count):
        for request in requests_of(evil):
            with connect(house.http.port) as link:
                link.sendall(request)
                with contextlib.suppress(OSError):
                    link.shutdown(socket.SHUT_WR)
                wire.read_to_end(link)
    said = house.http.get("/healthz", headers={"X-Request-Id": "last"})
    assert said.status == 200
    wait_until(lambda: house.nginx_lines()[-1]["request_id"] == "last",
               "the last line")
    assert_whole_lines(house)
