"""One worker, spoken to in FastCGI: signals, limits, and rude peers."""

import json
import os
import random
import resource
import signal
import socket
import struct
import threading
import time

import pytest

import pictures
import wire
from house import SLOWNESS, Listener, children_of, is_alive, wait_until
from model_double import draw
from wire import GENERATE, GET, begin, params, record, stdin

BODY = json.dumps({"character_description": "A robot",
                   "num_images": 1}).encode()


@pytest.fixture(scope="module")
def shared_house():
    """No nginx here, and one worker in each of two pools."""
    from house import a_house
    with a_house(nginx=False,
                 workers={"fast": 1, "lookup": 0, "slow": 1}) as one:
        yield one


@pytest.fixture
def slow(house):
    """A FastCGI client of the generating worker."""
    return house.pools["slow"].wire()


@pytest.fixture
def own(new_house):
    """A listener of the test's own in a house without pools."""
    house = new_house(start=False, nginx=False,
                      workers=dict.fromkeys(("fast", "lookup", "slow"), 0))
    house.root.mkdir()
    return Listener(house)


def answers(client: wire.FastCgi) -> bool:
    """Does the worker still do what it is there for?"""
    return client.ask("GET", "/healthz").status == 200


def finish(link: socket.socket) -> wire.FastCgiReply:
    """Reads a reply that was asked for earlier."""
    with link:
        return wire.parse_fastcgi(wire.read_to_end(link))


# ------------------------------------------------------------------ signals


def test_sigterm_answers_what_is_queued_and_leaves(own):
    worker = own.ready_worker()
    own.house.model.otherwise = draw(delay=0.3)
    links = [own.wire.send("POST", GENERATE, BODY)]
    own.house.model.wait_for_calls(1)
    links += [own.wire.send("POST", GENERATE, BODY) for _ in range(3)]
    links += [own.wire.send("GET", "/healthz") for _ in range(5)]
    assert own.leave(worker) == 0
    replies = [finish(link) for link in links]
    assert [reply.status for reply in replies] == [200] * 9
    assert all(reply.ended for reply in replies)
    assert own.house.model.paid() == 4


def test_sigterm_is_seen_on_a_socket_that_somebody_made_wait(own):
    worker = own.ready_worker()
    own.socket.setblocking(True)  # as systemd does for each new worker
    time.sleep(1.5)  # by then it has looked, and waits
    assert own.leave(worker, deadline=5.0) == 0


def test_sigterm_without_work_leaves_at_once(own):
    worker = own.ready_worker()
    began = time.monotonic()
    assert own.leave(worker) == 0
    assert time.monotonic() - began < 1.0 * SLOWNESS


def test_sigusr1_finishes_the_request_in_hand_and_leaves_the_queue(own):
    worker = own.ready_worker()
    own.house.model.otherwise = draw(delay=0.5)
    first = own.wire.send("POST", GENERATE, BODY)
    own.house.model.wait_for_calls(1)
    queued = [own.wire.send("GET", "/healthz") for _ in range(5)]
    assert own.leave(worker, signal.SIGUSR1) == 0
    assert finish(first).status == 200
    own.worker()
    assert [finish(link).status for link in queued] == [200] * 5


def test_signals_in_any_number_do_not_spoil_the_request_in_hand(own):
    worker = own.ready_worker()
    own.house.model.otherwise = draw(delay=0.5, make=pictures.big_png)
    link = own.wire.send("POST", GENERATE, BODY)
    own.house.model.wait_for_calls(1)
    stop = threading.Event()

    def pester():
        while not stop.wait(0.002):
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
                worker.send_signal(signal.SIGCONT)
    thread = threading.Thread(target=pester)
    thread.start()
    reply = finish(link)
    assert (reply.status, reply.ended) == (200, True)
    assert reply.pictures() == own.house.model.given
    assert worker.wait(20) == 0
    stop.set()
    thread.join()


def test_sighup_and_sigpipe_are_survived_or_end_it_cleanly(own):
    worker = own.ready_worker()
    worker.send_signal(signal.SIGPIPE)
    assert answers(own.wire)
    assert worker.poll() is None


def test_one_connection_wakes_every_one_of_many_in_turn(own):
    """Nobody starves and nobody dies when many share the socket."""
    for _ in range(5):
        own.worker()
    for _ in range(50):
        assert answers(own.wire)
    assert all(worker.poll() is None for worker in own.workers)


# ------------------------------------------------------------------- limits


def descriptors(pid: int) -> int:
    """The first descriptor number that is free in a process."""
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    return next(n for n in range(1000) if n not in used)


def cpu_ticks(pid: int) -> int:
    """User and system time so far."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_running_out_of_descriptors_ends_no_worker(house, slow):
    pid = house.pools["slow"].pids[0]
    assert answers(slow)
    free = descriptors(pid)
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, hard))
    ticks = cpu_ticks(pid)
    links = [slow.send("GET", "/healthz") for _ in range(3)]
    time.sleep(1.0)
    assert is_alive(pid)
    assert cpu_ticks(pid) - ticks < 50, "it spins"
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    assert [finish(link).status for link in links] == [200] * 3


def test_a_generation_short_of_descriptors_fails_alone(house, slow):
    pid = house.pools["slow"].pids[0]
    assert slow.generate(num_images=1).status == 200
    free = descriptors(pid)
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    for spare in range(1, 8):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free + spare, hard))
        reply = slow.generate(num_images=1, deadline=60)
        assert reply.ended and reply.status in (200, 500, 502, 503), reply
        assert json.loads(reply.body)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    assert slow.generate(num_images=1).status == 200
    assert descriptors(pid) == free, "a descriptor leaks"


def test_no_descriptor_leaks_whatever_is_asked(house, slow):
    pid = house.pools["slow"].pids[0]
    slow.generate(num_images=1)
    before = sorted(os.listdir(f"/proc/{pid}/fd"))
    for _ in range(20):
        slow.generate(num_images=1)
        slow.ask("GET", GET + "abc")
        slow.ask("POST", GENERATE, b"{")
        slow.connect().close()
        rude(slow, b"\x01\x09garbage")
    assert answers(slow)
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == before


@pytest.mark.slow
def test_silent_peers_are_dropped_after_ten_seconds(new_house):
    """Each of three kinds of silence, on a worker each, side by side."""
    house = new_house(nginx=False,
                      workers={"fast": 1, "lookup": 1, "slow": 1})
    whole = wire.FastCgi("").request("POST", GENERATE, BODY)
    said = {"fast": b"", "lookup": whole[:11], "slow": whole[:-30]}
    links = []
    for name, words in said.items():
        link = house.pools[name].wire().connect()
        link.sendall(words)
        links.append(link)
    began = time.monotonic()
    waiting = [house.pools[name].wire().send("GET", "/healthz",
                                             deadline=25.0) for name in said]
    assert [finish(link).status for link in waiting] == [200] * 3
    assert 8.0 < time.monotonic() - began < 13.0 + SLOWNESS
    for link in links:
        link.close()
    assert house.model.connections == 0


# -------------------------------------------------------------------- peers


def test_a_request_whose_client_left_the_queue_is_not_paid_for(own):
    own.ready_worker()
    own.house.model.otherwise = draw(delay=0.5)
    first = own.wire.send("POST", GENERATE, BODY)
    own.house.model.wait_for_calls(1)
    for _ in range(3):
        own.wire.send("POST", GENERATE, BODY).close()
    assert finish(first).status == 200
    assert answers(own.wire)
    assert own.house.model.paid() == 1


def test_a_client_that_leaves_nginx_leaves_the_queue(new_house):
    """The same through nginx, which closes upstream when the client goes."""
    house = new_house(workers={"slow": 1})
    house.model.otherwise = draw(delay=0.7)
    done: list = []
    thread = threading.Thread(
        target=lambda: done.append(house.http.generate(num_images=1)))
    thread.start()
    house.model.wait_for_calls(1)
    request = (f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nContent-Type: "
               "application/json\r\nX-Request-Id: gone\r\n"
               f"Content-Length: {len(BODY)}\r\n\r\n").encode() + BODY
    with socket.create_connection(("127.0.0.1", house.http.port)) as link:
        link.sendall(request)
        time.sleep(0.1)  # so that it is in the queue; else it proves less
    thread.join()
    assert done[0].status == 200
    assert house.http.generate(num_images=1).status == 200
    assert house.model.paid() == 2


def test_a_reply_nobody_reads_to_the_end_is_logged_as_that(house, slow):
    house.model.otherwise = draw(make=pictures.big_png)
    link = slow.send("POST", GENERATE, BODY, HTTP_X_REQUEST_ID="half-read")
    assert len(link.recv(1000)) > 0
    link.close()
    line = house.requests_logged("half-read")[0]
    assert line["status"] == 499, line
    assert answers(slow)


def forged(path: str = GENERATE) -> bytes:
    """A whole generate request, as an attacker would hide it."""
    pairs = wire.FastCgi.environment("POST", path, BODY,
                                     HTTP_X_REQUEST_ID="forged")
    return begin() + params(pairs) + stdin(BODY)


@pytest.mark.parametrize("offset", [0, 8, 16, 8184, 8192, 8200, 16384, 30000])
@pytest.mark.parametrize("path, method", [
    ("/healthz", "GET"), (GENERATE, "POST"), ("/nothing", "POST")])
def test_a_request_hidden_in_a_body_is_never_executed(house, slow, offset,
                                                      path, method):
    """The body is left unread (404, 405, 415), and KEEP_CONN is on."""
    inner = forged()
    body = (b"x" * offset + inner * (60000 // len(inner)))[:60000]
    reply = slow.ask(method, path, body, keep=True, CONTENT_TYPE="text/plain",
                     HTTP_X_REQUEST_ID=f"outer-{offset}")
    assert reply.ended or reply.status == 0
    assert answers(slow)
    assert house.model.connections == 0
    assert not [line for line in house.log_lines()
                if line.get("request_id") == "forged"]


def test_a_second_request_on_the_connection_is_not_executed(house, slow):
    """KEEP_CONN is accepted and not used: nobody can wait behind it."""
    with slow.connect() as link:
        link.sendall(slow.request("GET", "/healthz", keep=True) + forged())
        reply = wire.parse_fastcgi(wire.read_to_end(link))
    assert reply.status == 200 and reply.ended
    assert answers(slow)
    assert house.model.connections == 0


def rude(client: wire.FastCgi, words: bytes) -> bytes:
    """Says this, hangs up its sending side, and reads what comes.

    A peer that has hung up is not a silent one: it is dropped at once.
    """
    with client.connect(deadline=5.0 * SLOWNESS) as link:
        try:
            link.sendall(words)
            link.shutdown(socket.SHUT_WR)
        except OSError:
            return b""
        return wire.read_to_end(link)


def pair(name_length: int, value_length: int, data: bytes = b"") -> bytes:
    """A parameter whose lengths may lie."""
    return record(wire.PARAMS, struct.pack(
        ">II", name_length | 1 << 31, value_length | 1 << 31) + data)


GARBAGE = {
    "nothing": b"",
    "zeros": b"\0" * 100,
    "another version": b"\x02" + begin()[1:],
    "a header cut": begin()[:5],
    "begin only": begin(),
    "begin cut": begin()[:12],
    "begin twice": begin() + begin(),
    "another role": begin(role=2) + params({}) + stdin(b""),
    "no such role": begin(role=77) + params({}) + stdin(b""),
    "params without begin": params({"A": "B"}),
    "stdin without params": begin() + stdin(b"x"),
    "no parameters": begin() + params({}) + stdin(b""),
    "params never end": begin() + record(wire.PARAMS, b"\x01\x01AB"),
    "a length of 2 GiB": begin() + pair(0x7fffffff, 0x7fffffff),
    "a name of 2 GiB": begin() + pair(0x7fffffff, 1) + record(wire.PARAMS),
    "a value of 2 GiB": begin() + pair(1, 0x7ffffffe, b"A")
    + record(wire.PARAMS),
    "lengths whose sum wraps": begin() + pair(0x7fffffff, 2, b"AAAA")
    + record(wire.PARAMS),
    "a pair that lies": begin() + pair(100, 100, b"short")
    + record(wire.PARAMS) + stdin(b""),
    "another request's records": begin() + record(wire.PARAMS, b"", 9)
    + record(wire.STDIN, b"", 9),
    "get values": record(9, b"\x0f\0FCGI_MPXS_CONNS", 0),
    "an unknown type": record(200, b"?"),
    "an unknown management type": record(200, b"?", 0),
    "abort": begin() + record(wire.ABORT),
    "abort at the end": begin() + params({"REQUEST_METHOD": "GET"})
    + record(wire.ABORT),
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in a name": begin() + params({"A\0B": "C\0D"}) + stdin(b""),
    "a name without end": begin() + params({"REQUEST_METHOD" * 700: "x"})
    + stdin(b""),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_ends_its_connection_and_nothing_else(house, slow, name):
    rude(slow, GARBAGE[name])
    assert answers(slow)
    assert house.model.connections == 0


@pytest.mark.parametrize("connections", [
    100, pytest.param(20000, marks=pytest.mark.soak)])
def test_random_connections_end_nothing(house, slow, connections):
    """Half of them are broken copies of a good request."""
    chance = random.Random(20261122)
    good = slow.request("POST", GENERATE, b'{"character_description": 5}')
    for _ in range(connections):
        words = bytearray(good)
        if chance.random() < 0.5:
            words = bytearray(chance.randbytes(chance.randrange(400)))
        for _ in range(chance.randrange(1, 6)):
            if words:
                words[chance.randrange(len(words))] = chance.randrange(256)
        rude(slow, bytes(words[:chance.randrange(len(words) + 1)]))
    assert answers(slow)
    assert house.model.connections == 0


@pytest.mark.parametrize("said, sent", [
    ("1000", BODY), (str(len(BODY) + 1), BODY), (str(len(BODY) - 1), BODY),
    ("0", BODY), ("-1", BODY), ("abc", BODY), ("99999999999999999999", BODY),
    ("1e3", BODY), (" 5", BODY), (str(len(BODY)), b"")])
def test_a_body_that_is_not_its_length_is_refused(house, slow, said, sent):
    reply = slow.ask("POST", GENERATE, sent, CONTENT_LENGTH=said,
                     CONTENT_TYPE="application/json")
    assert reply.status in (0, 400, 413), reply
    assert house.model.connections == 0
    assert answers(slow)


def test_a_body_cut_off_is_refused(house, slow):
    words = slow.request("POST", GENERATE, BODY)
    for keep in (8, 20, 40):
        got = rude(slow, words[:-keep])
        assert b"200 OK" not in got
    assert house.model.connections == 0
    assert answers(slow)


def test_a_body_in_single_bytes_is_read(house, slow):
    pairs = slow.environment("POST", GENERATE, BODY)
    pieces = b"".join(record(wire.STDIN, bytes([b])) for b in BODY)
    with slow.connect() as link:
        link.sendall(begin() + params(pairs))
        for at in range(0, len(pieces), 37):
            link.sendall(pieces[at:at + 37])
        link.sendall(record(wire.STDIN))
        reply = wire.parse_fastcgi(wire.read_to_end(link))
    assert reply.status == 200


@pytest.mark.parametrize("missing", [
    "REQUEST_METHOD", "REQUEST_URI", "QUERY_STRING", "CONTENT_TYPE",
    "CONTENT_LENGTH", "REMOTE_ADDR"])
def test_a_missing_parameter_is_survived(house, slow, missing):
    for path, body in ((GET + "abc", b""), ("/healthz", b""),
                       (GENERATE, b"{}")):
        pairs = slow.environment("POST" if body else "GET", path, body)
        del pairs[missing]
        rude(slow, begin() + params(pairs) + stdin(body))
    assert answers(slow)
    assert house.model.connections == 0


# ------------------------------------------------------------- sudden death


def test_a_worker_killed_inside_its_reply_leaves_it_visibly_cut(own):
    worker = own.ready_worker()
    own.house.model.otherwise = draw(make=pictures.big_png)
    with own.wire.send("POST", GENERATE, BODY) as link:
        got = link.recv(4096)
        worker.kill()
        got += wire.read_to_end(link)
    reply = wire.parse_fastcgi(got)
    assert not reply.ended
    assert len(reply.body) < int(reply.headers["content-length"])
    worker.wait()
    own.ready_worker()
    own.house.must_be_whole()


def blocked_in_a_write(pid: int) -> bool:
    """Sleeps in the kernel with a full socket before it."""
    try:
        with open(f"/proc/{pid}/syscall") as call:
            return call.read().split()[0] in ("1", "44", "46")
    except OSError:
        return False


def test_through_nginx_such_a_reply_is_a_broken_transfer(new_house):
    """nginx is held still, so that the worker stands in its reply."""
    house = new_house(workers={"slow": 1})
    house.model.otherwise = draw(delay=0.3, make=pictures.big_png)
    got: list = []

    def ask():
        try:
            got.append(house.http.generate(deadline=20.0))
        except Exception as why:  # a reply cut off: which kind is tested
            got.append(why)
    thread = threading.Thread(target=ask)
    thread.start()
    house.model.wait_for_calls(1)
    fronts = children_of(house.nginx.process.pid)
    for pid in fronts:
        os.kill(pid, signal.SIGSTOP)
    try:
        pid = house.pools["slow"].pids[0]
        wait_until(lambda: blocked_in_a_write(pid), "a full socket")
        house.pools["slow"].send(pid, signal.SIGKILL)
    finally:
        for pid in fronts:
            os.kill(pid, signal.SIGCONT)
    thread.join()
    assert not isinstance(got[0], (wire.Reply, TimeoutError)), got
    house.pools["slow"].socket.unlink()
    house.pools["slow"].start(1)
    for image_id, extension in house.rows("SELECT id, extension FROM images"):
        assert house.http.picture(image_id).body in house.model.given
