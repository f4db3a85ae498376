"""How many GETs a second: URLs of the bucket beside the local answer.

The client sends many requests in one piece over a few connections, so that
it costs next to nothing beside nginx and the workers.
"""

import contextlib
import selectors
import socket
import statistics
import time

import house as houses
import pictures
from figure import by_turns, pss_kib, row

GET = "/api/mv/get_character_reference/face"
CONNECTIONS = 8
REQUESTS = 1000  # a connection: as many as nginx lets it ask
IDLE_WORKERS = 100
SETTLE_S = 5.0
DEADLINE_S = 30.0


def an_image(home):
    """One image of the store, with its row."""
    home.store.mkdir(parents=True, exist_ok=True)
    (home.store / "face.png").write_bytes(pictures.png())
    done = home.charref("reindex")
    assert done.returncode == 0, done.stderr


def in_the_bucket(home):
    """Waits until the uploader has brought everything there."""
    houses.wait_until(lambda: not home.rows(
        "SELECT 1 FROM objects WHERE state <> 'done'"), "the upload", 20)


def ask_all(port, request):
    """Sends the request to every connection: what came, until their ends."""
    with contextlib.ExitStack() as stack, \
            selectors.DefaultSelector() as waiting:
        for _ in range(CONNECTIONS):
            one = stack.enter_context(
                socket.create_connection(("127.0.0.1", port)))
            one.sendall(request)
            waiting.register(one, selectors.EVENT_READ, bytearray())
        came = [key.data for key in waiting.get_map().values()]
        end = time.monotonic() + DEADLINE_S
        while waiting.get_map():
            assert time.monotonic() < end, "answers are missing"
            for key, _ in waiting.select(1.0):
                piece = key.fileobj.recv(1 << 20)
                key.data.extend(piece)
                if not piece:
                    waiting.unregister(key.fileobj)
    return came


def a_second(home, query, status, sign):
    """Requests a second; each answer must have that status and sign."""
    head = (f"GET {GET}{query} HTTP/1.1\r\nHost: localhost\r\n"
            "Accept: application/json\r\n")
    request = (f"{head}\r\n" * (REQUESTS - 1)
               + f"{head}Connection: close\r\n\r\n").encode()
    started = time.perf_counter()
    answers = ask_all(home.nginx.port, request)
    took = time.perf_counter() - started
    for text in answers:
        assert text.count(b"HTTP/1.1 %d " % status) == REQUESTS, text[:500]
        assert text.count(sign) == REQUESTS, text[:500]
    return CONNECTIONS * REQUESTS / took


def figures(gateway):
    """Rows for the table."""
    with houses.a_house() as local, houses.a_house(cloud=gateway) as cloud:
        an_image(local)
        an_image(cloud)
        in_the_bucket(cloud)
        got = by_turns({
            "off": lambda: a_second(local, "", 200, b'"local"'),
            "on": lambda: a_second(cloud, "", 200, b'"s3"'),
            "302": lambda: a_second(cloud, "?redirect=true", 302,
                                    b"X-Amz-Signature=")})
    local = statistics.median(got["off"])
    return [row("GET JSON a second, cloud off", got["off"],
                "through nginx, 2 workers"),
            row("GET JSON a second, cloud on", got["on"],
                f"{statistics.median(got['on']) / local:.2f} of cloud off"),
            row("GET 302 a second, cloud on", got["302"],
                f"{statistics.median(got['302']) / local:.2f} of cloud off")]


def idle_figures(cloud, what):
    """Rows for the table: a hundred workers with nothing to do."""
    count = {"fast": IDLE_WORKERS, "lookup": 0, "slow": 0}
    with houses.a_house(workers=count, nginx=False, cloud=cloud) as home:
        time.sleep(SETTLE_S)
        each = [pss_kib(pid) / 1024 for pid in home.pools["fast"].pids]
    return [row(f"{IDLE_WORKERS} idle workers, {what}: MB PSS each", each,
                f"{sum(each):.0f} MB together", at_most=4.0)]
