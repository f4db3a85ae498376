"""charref-pool and its groups: workers die, are replaced, and come back."""

import datetime
import http.client
import json
import math
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from groups import NAMES, Bench, Groups
from house import (PROJECT, SLOWNESS, children_of, is_alive, kill, need_tool,
                   program, reap, wait_until)
from model_double import draw
from test_takeover import Load
from wire import GENERATE, GET, parse_fastcgi, read_to_end

BODY = json.dumps({"character_description": "A robot",
                   "num_images": 1}).encode()
# A worker that takes connections and closes them, and does what a test wants
# done first.
TAKER = """#!{python}
import os, signal, socket
{first}
listener = socket.socket(fileno=os.dup(0))
while True:
    listener.accept()[0].close()
"""


@pytest.fixture
def bench(tmp_path_factory):
    """A socket and what one pool needs."""
    one = Bench(tmp_path_factory.mktemp("pool"))
    yield one
    one.end()


@pytest.fixture
def new_groups():
    """Makes houses of groups; their ends are asserted, too."""
    made: list[Groups] = []

    def make(**kw) -> Groups:
        one = Groups(**kw)
        made.append(one)
        return one.start()

    yield make
    for one in reversed(made):
        one.end()


def taker(bench: Bench, first: str = "", name: str = "taker") -> str:
    """The path of a worker that does `first` and takes connections."""
    return bench.script(name, TAKER.format(python=sys.executable,
                                           first=first))


def full(pool: subprocess.Popen, count: int) -> list[int]:
    """The workers, once there are so many."""
    def there():
        pids = [pid for pid in children_of(pool.pid) if is_alive(pid)]
        return pids if len(pids) == count else None
    return wait_until(there, f"{count} workers", 5.0)


def seconds(line: dict) -> float:
    """When a line was logged, in seconds since 1970."""
    return datetime.datetime.fromisoformat(line["time"]).timestamp()


# ------------------------------------------------------------- being there


def test_a_worker_is_back_within_two_seconds_however_often_it_dies(bench):
    pool = bench.pool("1", taker(bench))
    bench.wait_for_word("READY")
    for _ in range(9):
        (victim,) = full(pool, 1)
        kill(victim, signal.SIGKILL)
        wait_until(lambda victim=victim:
                   set(children_of(pool.pid)) - {victim}, "another worker")
    deaths = bench.lines("worker ended")
    assert len(deaths) == 9
    for last, line in zip(deaths, deaths[1:]):
        born = seconds(line) - line["lived_ms"] / 1000
        assert born - seconds(last) < 2.0 * SLOWNESS
        # Who was killed late, by a slow machine, had lived long enough.
        assert line["pause_ms"] == (
            0 if line["lived_ms"] >= 1000
            else min(max(2 * last["pause_ms"], 50), 1000)), deaths


def test_after_a_hundred_deaths_all_are_there(bench):
    pool = bench.pool("20", taker(bench))
    bench.wait_for_word("READY")
    chance = random.Random(5)
    for _ in range(100):
        living = wait_until(lambda: children_of(pool.pid), "a worker")
        kill(chance.choice(living), signal.SIGKILL)
        time.sleep(0.01)
    began = time.monotonic()
    full(pool, 20)
    assert time.monotonic() - began < 2.0 * SLOWNESS
    assert all(line["signal"] == signal.SIGKILL and line["pid"] > 0
               and line["lived_ms"] >= 0
               for line in bench.lines("worker ended"))


def test_a_command_that_stops_working_is_tried_once_a_second_and_is_back(
        bench):
    command = taker(bench, "import sys\n"
                    "if os.path.exists(os.environ['HERE'] + '/bad'):"
                    " sys.exit(3)")
    pool = bench.pool("2", command)
    bench.wait_for_word("READY")
    bad = bench.folder / "bad"
    bad.touch()
    began = time.monotonic()
    for pid in full(pool, 2):
        kill(pid, signal.SIGKILL)
    time.sleep(4.0)
    deaths = wait_until(
        lambda: len(got := bench.lines("worker ended")) >= 2 * 4 and got,
        "attempts once a second", 4.0)
    most = 2 + 6 + math.ceil(time.monotonic() - began)
    assert 2 * 4 <= len(deaths) <= 2 * most, len(deaths)
    assert {line["status"] for line in deaths if "status" in line} == {3}
    bad.unlink()
    began = time.monotonic()
    full(pool, 2)
    assert time.monotonic() - began < 2.0 * SLOWNESS
    ticks = pathlib.Path(f"/proc/{pool.pid}/stat").read_text().split()
    assert int(ticks[13]) + int(ticks[14]) < 50 * SLOWNESS  # of 100 a second


@pytest.mark.parametrize("command, status", [
    (("sh", "-c", "exit 3"), 3), (("sh", "-c", "kill -9 $$"), 137),
    (("/nonexistent",), 127)])
def test_workers_that_never_start_end_the_pool_with_their_status(
        bench, command, status):
    pool = bench.pool("3", *command)
    assert pool.wait(10) == status
    assert not bench.said()


def test_wrong_settings_end_the_pool_of_real_workers(bench):
    pool = bench.pool("2", program("charref-fcgi"), FAST_WORKERS="none")
    assert pool.wait(20 * SLOWNESS) == 1


def test_one_worker_that_dies_young_is_no_reason_to_give_up(bench):
    command = taker(bench, "if os.path.exists(os.environ['HERE'] + '/one'):\n"
                    "    os.unlink(os.environ['HERE'] + '/one')\n"
                    "    os._exit(1)")
    (bench.folder / "one").touch()
    pool = bench.pool("3", command)
    bench.wait_for_word("READY")
    assert len(full(pool, 3)) == 3


def test_without_a_socket_or_with_wrong_arguments_nothing_begins(bench):
    for words, status in ((("1", "true"), 1), (("x", "true"), 2),
                          (("257", "true"), 2), (("-1", "true"), 2),
                          (("1",), 2), ((), 2), (("-k", "x", "1", "a"), 2)):
        done = subprocess.run([program("charref-pool"), *words],
                              stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=10 * SLOWNESS)
        assert done.returncode == status, (words, done.stderr)
        assert done.stderr


def test_a_worker_gets_the_socket_and_a_clean_mask_and_nothing_else(bench):
    command = taker(bench, """
status = open('/proc/self/status').read()
with open(os.environ['HERE'] + '/seen', 'w') as file:
    fds = [fd for fd in os.listdir('/proc/self/fd')
           if os.path.exists('/proc/self/fd/' + fd)]
    fds.remove(str(file.fileno()))
    file.write(' '.join(fds) + '\\n' + status)
os.rename(os.environ['HERE'] + '/seen', os.environ['HERE'] + '/done')
""")
    with open("/dev/null", "rb") as leak:
        os.set_inheritable(leak.fileno(), True)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            bench.pools.append(subprocess.Popen(
                [program("charref-pool"), "-p", bench.folder / "pid", "1",
                 command], stdin=bench.listener, close_fds=False,
                env=os.environ | {"HERE": str(bench.folder)}))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    done = bench.folder / "done"
    wait_until(done.exists, "a worker")
    fds, _, status = done.read_text().partition("\n")
    assert sorted(fds.split()) == ["0", "1", "2"]
    assert "SigBlk:\t0000000000000000" in status


def test_descriptors_it_was_given_are_let_go_when_it_is_ready(bench):
    reading, writing = os.pipe()
    pool = subprocess.Popen([program("charref-pool"), "1", taker(bench)],
                            stdin=bench.listener, pass_fds=[writing],
                            env={"HERE": str(bench.folder)})
    bench.pools.append(pool)
    os.close(writing)
    assert os.read(reading, 1) == b""  # nobody has the other end any more
    os.close(reading)
    full(pool, 1)
    assert len(os.listdir(f"/proc/{pool.pid}/fd")) == 3


def test_it_outlives_the_reader_of_its_log(bench):
    reading, writing = os.pipe()
    pool = subprocess.Popen(
        [program("charref-pool"), "1", "sh", "-c",
         'grep SigIgn /proc/self/status >"$HERE/seen"; exec "$0"',
         taker(bench)],
        stdin=bench.listener, stderr=writing,
        env={"PATH": os.environ["PATH"], "HERE": str(bench.folder),
             "NOTIFY_SOCKET": str(bench.folder / "notify")})
    bench.pools.append(pool)
    os.close(writing)
    bench.wait_for_word("READY")
    os.close(reading)
    for _ in range(3):
        (victim,) = full(pool, 1)
        kill(victim, signal.SIGKILL)
        wait_until(lambda victim=victim: pool.poll() is not None or
                   set(children_of(pool.pid)) - {victim}, "another worker")
        assert pool.poll() is None
    full(pool, 1)
    # The last worker may be about to write it again.
    seen = wait_until((bench.folder / "seen").read_text, "a worker's signals")
    ignored = int(seen.split()[1], 16)
    assert not ignored >> (signal.SIGPIPE - 1) & 1  # the pool's own affair
    pool.terminate()
    assert pool.wait(10) == 0


# ------------------------------------------------------- the service manager


def test_the_manager_hears_when_it_is_ready_and_when_it_stops(bench):
    pid_file = bench.folder / "pid"
    pool = bench.pool("-p", str(pid_file), "2", taker(bench))
    word = bench.wait_for_word("READY")
    assert word["MAINPID"] == str(pool.pid) == pid_file.read_text().strip()
    assert len(full(pool, 2)) == 2
    pool.terminate()
    assert pool.wait(10) == 0
    assert "STOPPING" in bench.wait_for_word("STOPPING")
    assert not pid_file.exists()


def test_one_that_was_replaced_leaves_the_name_and_the_word_to_the_other(
        bench):
    pid_file = bench.folder / "pid"
    first = bench.pool("-p", str(pid_file), "1", taker(bench))
    bench.wait_for_word("READY")
    second = bench.pool("-p", str(pid_file), "1", taker(bench))
    bench.wait_for_word("READY")
    first.terminate()
    assert first.wait(10) == 0
    assert not bench.said()
    assert pid_file.read_text() == f"{second.pid}\n"


def test_it_is_not_ready_while_no_worker_takes_connections(bench):
    pool = bench.pool("2", "sleep", "60")
    full(pool, 2)
    time.sleep(1.0)
    assert not bench.said()
    pool.terminate()
    assert pool.wait(10) == 0
    assert not bench.said()


def test_a_pool_of_none_is_ready_and_waits(bench):
    pool = bench.pool("0", "false")
    assert bench.wait_for_word("READY")["MAINPID"] == str(pool.pid)
    assert not children_of(pool.pid)
    pool.terminate()
    assert pool.wait(10) == 0


# ------------------------------------------------------------------ leaving


def ask(name: str, house: Groups):
    """A generation that is under way."""
    before = house.model.paid()
    link = house.wire_of(name).send("POST", GENERATE, BODY)
    wait_until(lambda: house.model.paid() > before, "the model's call")
    return link


def status_of(link) -> int:
    with link:
        return parse_fastcgi(read_to_end(link)).status


def ignores(pid: int, number: int) -> bool:
    """Does the process let a signal pass?"""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    mask = int(re.search(r"^SigIgn:\s*(\w+)", status, re.M)[1], 16)
    return bool(mask >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_it_leaves_when_what_was_in_hand_is_done(new_groups, number):
    house = new_groups(nginx=False)
    house.model.otherwise = draw(delay=1.0)
    link = ask("slow-a", house)
    pid = house.pool_pid("slow-a")
    kill(pid, number)
    time.sleep(0.2)
    kill(pid, number)
    assert status_of(link) == 200
    assert reap(pid) == 0
    house.started.remove(pid)


def test_workers_of_a_pool_that_is_killed_finish_and_leave(new_groups):
    house = new_groups(nginx=False)
    house.model.otherwise = draw(delay=1.0)
    link = ask("slow-a", house)
    workers = house.workers_of("slow-a")
    pid = house.pool_pid("slow-a")
    kill(pid, signal.SIGKILL)
    assert status_of(link) == 200
    for worker in workers:
        assert reap(worker) == 0
    reap(pid)
    house.started.remove(pid)
    house.start_group("slow-a")
    wait_until(lambda: house.pool_pid("slow-a") not in (0, pid), "another")
    assert house.wire_of("slow-a").ask("GET", "/healthz").status == 200


def test_workers_that_do_not_leave_are_killed_in_the_end(bench):
    pool = bench.pool("-k", "1", "2", taker(
        bench, "signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    bench.wait_for_word("READY")
    for pid in full(pool, 2):
        wait_until(lambda pid=pid: ignores(pid, signal.SIGTERM), "deaf ones")
    began = time.monotonic()
    pool.terminate()
    assert pool.wait(10) == 0
    assert 0.9 < time.monotonic() - began < 3.0 * SLOWNESS
    assert {line["signal"] for line in bench.lines("worker ended")} == {9}


def test_sighup_replaces_workers_one_after_another(bench):
    pool = bench.pool("3", taker(bench))
    bench.wait_for_word("READY")
    old = set(full(pool, 3))
    time.sleep(1.0)
    pool.send_signal(signal.SIGHUP)
    fewest = 3
    end = time.monotonic() + 15 * SLOWNESS
    while old & set(children_of(pool.pid)) and time.monotonic() < end:
        fewest = min(fewest, len(children_of(pool.pid)))
        time.sleep(0.01)
    assert not old & set(full(pool, 3))
    assert fewest >= 2


# ------------------------------------------------------------------- groups


def test_groups_are_replaced_and_resized_under_load_and_lose_nothing(
        new_groups):
    house = new_groups()
    image = house.http.generate(num_images=1).images()[0]
    house.model.otherwise = draw(delay=0.05)
    with Load(house, image["id"], house.model.given[0]) as load:
        for workers in (4, 1):
            house.resize("fast", workers)
            house.resize("slow", workers)
        load.must_get_far()
    assert not load.bad, load.bad[:5]
    for image_id, data in load.made:
        assert house.http.picture(image_id).body == data


def test_a_group_of_none_is_a_link_to_the_other(new_groups):
    house = new_groups(fast=1, lookup=1, slow=1)
    for pool in ("fast", "lookup", "slow"):
        path = house.folder / f"{pool}-b.sock"
        assert os.readlink(path) == f"{pool}-a.sock"
        assert not house.workers_of(f"{pool}-b")
        assert house.wire_of(f"{pool}-b").ask("GET", "/healthz").status == 200
    house.resize("fast", 2)
    assert not (house.folder / "fast-b.sock").is_symlink()
    house.resize("fast", 1)
    assert (house.folder / "fast-b.sock").is_symlink()
    assert house.wire_of("fast-b").ask("GET", "/healthz").status == 200


def test_a_version_that_does_not_start_replaces_nothing(new_groups,
                                                        tmp_path):
    house = new_groups()
    worker = tmp_path / "charref-fcgi"
    worker.write_text("#!/bin/sh\nexit 1\n")
    worker.chmod(0o755)
    before = {name: (house.pool_pid(name), house.workers_of(name))
              for name in NAMES}
    said = house.group("replace", "fast-a", fails=True,
                       PATH=f"{tmp_path}:{house.env['PATH']}")
    ended, = (line for line in house.log_lines()
              if line["event"] == "the workers do not start")
    assert time.time() - seconds(ended) < 5 * SLOWNESS, \
        "its end was not noticed: one that lives is waited for 20 s"
    assert "did not come up" in said and "serves on" in said
    assert {name: (house.pool_pid(name), house.workers_of(name))
            for name in NAMES} == before
    assert house.wire_of("fast-a").ask("GET", "/healthz").status == 200
    assert not list(house.folder.glob("*.new"))
    said = house.group("replace", "fast-a", fails=True, FAST_WORKERS="none")
    assert "FAST_WORKERS" in said
    assert house.pool_pid("fast-a") == before["fast-a"][0]


def test_no_signal_leaves_a_replacement_half_way(new_groups, tmp_path):
    """There would be two pools, one of which nobody finds any more."""
    house = new_groups(nginx=False)
    worker = tmp_path / "charref-fcgi"
    worker.write_text(f"#!/bin/sh\nsleep 1\nexec {program('charref-fcgi')}\n")
    worker.chmod(0o755)
    old = house.pool_pid("fast-a")
    with subprocess.Popen(
            [PROJECT / "deploy/group", "replace", "fast-a"],
            env=house.env | {"PATH": f"{tmp_path}:{house.env['PATH']}"}
            ) as call:
        wait_until((house.folder / "fast-a.new").exists, "the new socket")
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            call.send_signal(sig)
        assert call.wait(30 * SLOWNESS) == 0
    wait_until(lambda: not is_alive(old), "the old pool's end")
    assert house.pool_pid("fast-a") not in (0, old)
    assert house.wire_of("fast-a").ask("GET", "/healthz").status == 200


def test_a_group_runs_once_and_two_calls_do_not_meet(new_groups):
    house = new_groups(nginx=False)
    again = house.start_group("fast-a")
    assert "runs already" in again.communicate(timeout=20 * SLOWNESS)[1]
    house.started.remove(again.pid)
    both = [subprocess.Popen([PROJECT / "deploy/group", "replace", "fast-a"],
                             env=house.env) for _ in range(2)]
    assert [one.wait(30 * SLOWNESS) for one in both] == [0, 0]
    with subprocess.Popen(["flock", house.folder / "fast-a.lock", "cat"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE
                          ) as holder:
        holder.stdin.write(b"held\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"held\n"
        assert "another call" in house.group("replace", "fast-a", fails=True)
    assert house.wire_of("fast-a").ask("GET", "/healthz").status == 200


def test_what_is_no_group_is_refused(new_groups):
    house = new_groups(nginx=False)
    for words in (("start", "fast"), ("start", "fast-c"), ("begin", "fast-a"),
                  ("start",), ("stop", "../fast-a")):
        done = subprocess.run([PROJECT / "deploy/group", *words],
                              env=house.env, capture_output=True, text=True,
                              timeout=20 * SLOWNESS)
        assert done.returncode == 2 and "usage" in done.stderr, words


def test_scale_writes_the_numbers_and_replaces_those_groups(new_groups,
                                                           tmp_path):
    house = new_groups()
    file = tmp_path / "charref.env"
    odd = f"abc;touch {tmp_path}/1 $HOME `touch {tmp_path}/2` $(id) #"
    file.write_text(f"# kept\nBARE={odd}x \nDOUBLE=\"{odd} \"\n"
                    f"SINGLE='{odd} '\nFAST_WORKERS=2\nSLOW_WORKERS=2")
    kept = file.read_text().splitlines()
    file.chmod(0o640)
    slow = house.pool_pid("slow-a")

    def scale(*words: str):
        env = {name: value for name, value in house.env.items()
               if not name.endswith("_WORKERS")}
        return subprocess.run([PROJECT / "deploy/scale", *words],
                              env=env | {"CHARREF_ENV": str(file)}, text=True,
                              capture_output=True, timeout=60 * SLOWNESS)

    done = scale("fast=5", "lookup=1")
    assert done.returncode == 0, done.stderr
    assert sorted(file.read_text().splitlines()) == sorted(
        {*kept, "FAST_WORKERS=5", "LOOKUP_WORKERS=1"} - {"FAST_WORKERS=2"})
    assert file.stat().st_mode & 0o777 == 0o640
    given = pathlib.Path(f"/proc/{house.pool_pid('fast-a')}/environ"
                         ).read_text().split("\0")
    assert {f"BARE={odd}x", f"DOUBLE={odd} ", f"SINGLE={odd} "} <= set(given)
    assert len(house.workers_of("fast-a")) == 3
    assert len(house.workers_of("fast-b")) == 2
    assert not house.workers_of("lookup-b")
    assert house.pool_pid("slow-a") == slow
    before = file.read_text()
    for words in (("fast=0",), ("fast=x",), ("medium=3",), ("fast",)):
        done = scale(*words)
        assert done.returncode != 0 and done.stderr
    assert file.read_text() == before
    assert list(tmp_path.iterdir()) == [file]
    assert scale().returncode == 0
    assert house.pool_pid("slow-a") != slow


# --------------------------------------------------------------------- soak


class Wrk:
    """wrk on one image for some seconds, and what its clients saw.

    It counts as a failure what RFC 9112, 9.3.1 has a client repeat: a request
    on a connection that the server was closing for being idle.  nginx closes
    those when it is reloaded, so then each request has one of its own.
    """

    def __init__(self, house: Groups, image_id: str, seconds: float,
                 *options: str):
        self.process = subprocess.Popen(
            [need_tool("wrk"), "-t1", "-c32", f"-d{int(seconds)}s",
             "--timeout", "20s", *options,
             f"http://127.0.0.1:{house.http.port}{GET}{image_id}"],
            stdout=subprocess.PIPE, text=True)

    def is_over(self) -> bool:
        """Has it stopped by itself?"""
        return self.process.poll() is not None

    def must_be_content(self, fewest: int):
        """No reply but 200, no connection that failed."""
        said = self.process.communicate()[0]
        assert self.process.returncode == 0, said
        assert "Non-2xx" not in said and "Socket errors" not in said, said
        assert int(re.search(r"(\d+) requests in", said)[1]) > fewest, said


class Posts(Load):
    """Generations alone, none of which may be lost."""

    def __init__(self, house: Groups):
        super().__init__(house, "", b"")
        self.threads = [threading.Thread(target=self._run, args=(self._post,))
                        for _ in range(4)]

    def must_be_kept(self):
        """Each was answered, and its picture is there."""
        assert not self.bad, self.bad[:5]
        assert len(self.made) > 20
        for image_id, data in self.made:
            assert self.house.http.picture(image_id).body == data


def rescale(house: Groups, _):
    """2 -> 8 -> 3 workers of both kinds."""
    for workers in (8, 3):
        for pool in ("fast", "slow"):
            time.sleep(2.0)
            house.resize(pool, workers)


def upgrade(house: Groups, tmp_path: pathlib.Path):
    """Another folder with another copy of the programs, twice."""
    for version in ("second", "third"):
        folder = tmp_path / version
        folder.mkdir()
        for name in ("charref", "charref-fcgi", "charref-pool"):
            shutil.copy2(program(name), folder / name)
        time.sleep(2.0)
        house.upgrade(folder)
        for pid in house.all_workers():
            assert os.readlink(f"/proc/{pid}/exe").startswith(str(folder))


def reload_nginx(house: Groups, _):
    """Three times."""
    for _ in range(3):
        time.sleep(2.0)
        house.nginx.process.send_signal(signal.SIGHUP)


@pytest.mark.soak
@pytest.mark.plain
@pytest.mark.parametrize("change, options", [
    (rescale, ()), (upgrade, ()),
    (reload_nginx, ("-H", "Connection: close"))])
def test_wrk_sees_no_failure_and_no_post_is_lost_while(new_groups, tmp_path,
                                                       change, options):
    house = new_groups()
    image = house.http.generate(num_images=1).images()[0]
    house.model.otherwise = draw(delay=0.1)
    wrk = Wrk(house, image["id"], 45, *options)
    with Posts(house) as posts:
        change(house, tmp_path)
        assert not wrk.is_over(), "the change took longer than the load"
        wrk.process.send_signal(signal.SIGINT)
        wrk.must_be_content(1000)
    posts.must_be_kept()


class Keepers(Load):
    """Clients that keep their connection, and repeat a request only if one
    that had served them ended without a byte (RFC 9112, 9.3.1)."""

    def __init__(self, house: Groups, image_id: str, data: bytes):
        super().__init__(house, image_id, data)
        self.threads = [threading.Thread(target=self._keep) for _ in range(8)]

    def _keep(self):
        line = http.client.HTTPConnection("127.0.0.1", self.house.http.port,
                                          timeout=20 * SLOWNESS)
        has_served = False
        try:
            while not self.stop.is_set():
                if self._is_answered(line):
                    reply = line.getresponse()
                    assert (reply.status, reply.read()) == (200, self.data)
                    self.good += 1
                else:
                    assert has_served, "a new connection got no byte"
                    line.close()
                has_served = line.sock is not None
        except Exception as why:  # shown by the test
            self.bad.append(repr(why)[:300])
        line.close()

    def _is_answered(self, line) -> bool:
        """Asks, and waits for the first byte of a reply."""
        try:
            line.request("GET", GET + self.image_id)
            return line.sock.recv(1, socket.MSG_PEEK) != b""
        except ConnectionError:
            return False


@pytest.mark.soak
@pytest.mark.plain
def test_kept_connections_outlive_a_reload_or_end_without_a_byte(new_groups):
    house = new_groups()
    image = house.http.generate(num_images=1).images()[0]
    with Keepers(house, image["id"], house.model.given[0]) as load:
        reload_nginx(house, None)
        time.sleep(2.0)
    assert not load.bad, load.bad[:5]
    assert load.good > 1000


@pytest.mark.soak
@pytest.mark.plain
def test_wrk_sees_no_failure_while_a_worker_is_killed_every_second(
        new_groups):
    house = new_groups(fast=4)
    image = house.http.generate(num_images=1).images()[0]
    chance = random.Random(60)
    wrk = Wrk(house, image["id"], 60)
    killed = 0
    while not wrk.is_over():
        kill(chance.choice(house.all_workers()), signal.SIGKILL)
        killed += 1
        time.sleep(1.0)
    assert killed > 50
    wrk.must_be_content(1000)
    wait_until(lambda: len(house.all_workers()) == 8, "all workers", 2.0)
