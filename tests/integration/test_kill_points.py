"""Sudden death, and a disk that refuses, at every single system call.

strace counts a worker's calls and strikes at the n-th, for n = 1, 2, ...
until a generation of two images passes untouched: each place where the
process can die or the disk can fail is tried, not a sample of them.
"""

import contextlib
import itertools
import json
import pathlib
import select
import shutil
import signal
import subprocess

import pytest

import pictures
import wire
from house import STORE, Listener, children_of, kill, need_tool
from wire import GENERATE, GET

pytestmark = pytest.mark.plain  # a sanitizer's calls would be counted, too

DEADLY = ("write", "pwrite64", "fsync", "fdatasync", "renameat2", "openat",
          "unlinkat", "ftruncate", "sendto", "close")
REFUSING = ("write", "pwrite64", "fsync", "fdatasync", "renameat2",
            "openat", "ftruncate")
POINTS_MAX = 400  # of one system call: a loop without end is a bug


@contextlib.contextmanager
def struck(worker: subprocess.Popen, call: str, what: str, n, log):
    """Attaches strace, which strikes at the worker's n-th call from now."""
    tracer = subprocess.Popen(
        [need_tool("strace"), "-f", "-y", "-o", str(log), "-e",
         f"trace={call}", "-e", f"inject={call}:{what}:when={n}", "-p",
         str(worker.pid)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE)
    said = tracer.stderr.readline().decode()
    if "attached" not in said:
        tracer.kill()
        tracer.wait()
        pytest.fail(f"strace cannot attach: {said}")
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        tracer.stderr.close()


@pytest.fixture
def own(new_house):
    """A listener of the test's own in a house without pools."""
    need_tool("strace")
    house = new_house(start=False, nginx=False,
                      workers=dict.fromkeys(("fast", "lookup", "slow"), 0))
    house.root.mkdir()
    return Listener(house)


def generate(own, key: str) -> wire.FastCgiReply:
    """Two images, with a key; the worker may die before it answers."""
    body = json.dumps({"character_description": "A robot", "num_images": 2})
    try:
        return own.wire.ask("POST", GENERATE, body.encode(),
                            HTTP_IDEMPOTENCY_KEY=key)
    except (ConnectionError, BrokenPipeError):
        return wire.FastCgiReply(0, {}, b"")


def is_acknowledged(reply: wire.FastCgiReply) -> bool:
    """Did the client get the whole of a 200?"""
    return (reply.ended and reply.status == 200
            and len(reply.body) == int(reply.headers["content-length"]))


def must_be_kept(own, replies: list[wire.FastCgiReply]):
    """Every acknowledged image is there, byte for byte, and served."""
    files = own.house.files()
    for reply in replies:
        for image, data in zip(reply.images(), reply.pictures()):
            assert files[image["path"].rpartition("/")[2]] == data
            got = own.wire.ask("GET", GET + image["id"])
            assert got.status == 200, got
            assert got.headers["x-accel-redirect"] == "/" + image["path"]


def must_have_recovered(own):
    """No torn file, no draft, no row without a file, no file without a row.

    All this as soon as a clean worker answers.
    """
    house = own.house
    house.must_be_whole()
    rows = {f"{name}.{extension}" for name, extension in house.rows(
        "SELECT id, extension FROM images")}
    assert set(house.files()) == rows
    objects = house.rows("SELECT image_id, state, key FROM objects")
    assert sorted(f"character_references/{name}" for name in rows) == \
        sorted(key for _, state, key in objects if state == "waiting")
    assert house.rows("PRAGMA integrity_check") == [("ok",)]


class Deaths:
    """Kills a worker at each of its calls of one name, and looks."""

    def __init__(self, own: Listener):
        self.own = own
        self.keys = itertools.count(1)
        self.points: dict[str, int] = {}

    def run(self, call: str):
        """Goes on until a generation passes untouched."""
        for n in range(1, POINTS_MAX):
            if not self.dies_at(call, n):
                self.points[call] = n - 1
                return
        pytest.fail(f"{call} never ends")

    def dies_at(self, call: str, n: int) -> bool:
        """One generation, struck at the n-th call: did the worker die?"""
        own, key = self.own, f"key-{next(self.keys)}"
        paid = own.house.model.paid()
        worker = own.ready_worker()
        with struck(worker, call, "signal=SIGKILL", n, "/dev/null"):
            reply = generate(own, key)
        code = own.leave(worker)
        assert code in (0, -signal.SIGKILL), (call, n, code)
        assert reply.ended or code == -signal.SIGKILL, (call, n)
        clean = own.ready_worker()
        must_have_recovered(own)
        again = generate(own, key)
        assert again.status in (200, 409), (call, n, again.body)
        assert own.house.model.paid() - paid <= 1, (call, n, "paid twice")
        if is_acknowledged(reply):
            must_be_kept(own, [reply])
            assert again.images() == reply.images()
        assert own.leave(clean) == 0
        return code == -signal.SIGKILL


def test_a_worker_killed_at_any_call_loses_nothing_it_acknowledged(
        own, record_property):
    deaths = Deaths(own)
    for call in DEADLY:
        deaths.run(call)
    total = sum(deaths.points.values())
    record_property("kill points", deaths.points)
    print(f"{total} kill points: {deaths.points}")
    assert total >= 10, deaths.points
    for call in ("write", "pwrite64", "renameat2"):
        assert deaths.points[call] > 0, f"{call} is not called any more"
    assert deaths.points["fsync"] + deaths.points["fdatasync"] > 2


def spoil(root: pathlib.Path, data: bytes):
    """What a killed worker may leave: an orphan and a dead one's draft."""
    store = root / STORE
    store.mkdir(parents=True)
    (store / "orphan-1.png").write_bytes(data)
    (store / ".draft-123-456").write_bytes(data[:30])


def starts(own, *wrapper: str) -> bool:
    """Does a worker live to answer?  Waits for either."""
    worker = own.worker(*wrapper)
    with own.wire.send("GET", "/healthz") as link:
        while not select.select([link], [], [], 0.005)[0]:
            if worker.poll() is not None:
                return False
        reply = wire.parse_fastcgi(wire.read_to_end(link))
    for pid in children_of(worker.pid):  # strace itself would not leave
        kill(pid)
    worker.wait(20)
    return reply.ended and reply.status == 200


def test_a_worker_killed_anywhere_in_its_first_start_is_no_harm(own):
    """Its successor finds half a database, an orphan, and a draft."""
    house, data, points = own.house, pictures.png(), 0
    house.model.gave([data])
    for call in ("write", "pwrite64", "fdatasync", "fsync", "unlink",
                 "unlinkat", "ftruncate", "mkdirat", "mkdir"):
        for n in range(1, POINTS_MAX):
            shutil.rmtree(house.root)
            spoil(house.root, data)
            lived = starts(own, need_tool("strace"), "-f", "-o", "/dev/null",
                           "-e", f"trace={call}", "-e",
                           f"inject={call}:signal=SIGKILL:when={n}")
            clean = own.ready_worker()
            must_have_recovered(own)
            assert set(house.files()) == {"orphan-1.png"}
            assert own.leave(clean) == 0
            if lived:
                break
            points += 1
    print(f"{points} kill points of a first start")
    assert points >= 10


def injected(log: pathlib.Path) -> str:
    """The line of the call that strace made fail, or nothing."""
    for line in log.read_text(errors="replace").splitlines():
        if "(INJECTED)" in line:
            return line
    return ""


def documented(errno: str, call: str) -> tuple[int, ...]:
    """Full is 507; SQLite does not say why a sync failed, so 500 will do."""
    if errno != "ENOSPC":
        return (500,)
    return (507, 500) if "sync" in call else (507,)


def must_be_honest(reply, line: str, errno: str, root: pathlib.Path):
    """The status that is documented for a disk that refuses so."""
    if str(root) not in line:  # a socket, the log, a library's file
        return
    assert reply.ended, line
    if reply.status == 200:
        for failure in json.loads(reply.body)["metadata"]["failures"]:
            assert failure["error"] == (
                "StorageFull" if errno == "ENOSPC" else "InternalError"), line
        return
    assert reply.status in documented(errno, line), (line, reply)
    detail = json.loads(reply.body)["detail"]
    assert "/" not in detail["message"], detail


@pytest.mark.parametrize("errno", ["ENOSPC", "EIO"])
def test_a_disk_that_refuses_any_call_is_told_and_leaves_nothing_half(
        own, errno):
    """One worker meets it all, and goes on as if nothing had been."""
    house, points, kept = own.house, 0, []
    keys = itertools.count(1)
    worker = own.ready_worker()
    log = house.folder / "strace.log"
    for call in REFUSING:
        for n in range(1, POINTS_MAX):
            with struck(worker, call, f"error={errno}", n, log):
                reply = generate(own, f"{call}-{next(keys)}")
            line = injected(log)
            if not line:
                break
            points += 1
            must_be_honest(reply, line, errno, house.root)
            house.must_be_whole()
            if is_acknowledged(reply):
                kept.append(reply)
            after = own.wire.generate(num_images=1)
            assert after.status == 200, (line, after.body)
    assert points >= 10
    must_be_kept(own, kept)
    assert own.leave(worker) == 0
    clean = own.ready_worker()
    must_have_recovered(own)
    must_be_kept(own, kept)
    assert own.leave(clean) == 0


@pytest.mark.parametrize("errno", ["ENOSPC", "EIO", "EROFS"])
@pytest.mark.parametrize("call", ["pwrite64", "fsync", "fdatasync",
                                  "renameat2"])
def test_a_disk_that_refuses_from_now_on_is_an_error_and_no_image(
        own, call, errno):
    house = own.house
    worker = own.ready_worker()
    log = house.folder / "strace.log"
    with struck(worker, call, f"error={errno}", "1+", log):
        reply = own.wire.generate(num_images=2)
    assert injected(log)
    assert reply.status in documented(errno, call), reply.body
    house.must_be_whole()
    assert own.wire.generate(num_images=1).status == 200
    assert own.leave(worker) == 0
    own.ready_worker()
    must_have_recovered(own)


def test_a_disk_that_is_full_for_real_is_a_507_before_anything_is_paid(own):
    """The guard: 8 MiB an image must be free above the reserve."""
    own.house.env["DISK_RESERVE_MB"] = "1000000000"
    own.ready_worker()
    reply = own.wire.generate(num_images=1)
    assert reply.status == 507
    assert own.house.model.connections == 0
