"""The real things a test needs, each in a folder of its own.

A House is one installation: data, log, three pools of real workers started
by the real spawn-fcgi, a real nginx with the shipped configuration, and the
model's double.  Ports come from the kernel, readiness is probed against a
deadline, and `inspect` asks after every test whether the house still stands:
workers alive, no sanitizer report, no draft left, a log of whole JSON lines,
no secret in any of it.
"""

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest

import wire
from logfile import LogFile
from model_double import GEMINI, IMAGEN, KEY, ModelDouble
from slowness import FLAVOUR, IS_ASAN, SLOWNESS, WORKER, WORKERS

PROJECT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(
    os.environ.get("CHARREF_BUILD", PROJECT / "build" / FLAVOUR)).resolve()
PORTS = range(10000, 32000)  # below those that the kernel gives by itself
STORE = "mv/outputs/character_reference"
STORAGE_STATE = re.compile(r'^charref_storage_state\{state="(\w+)"\} 1$', re.M)
SANITIZER_EXIT = 99
# A link to nothing is no file, nor is a link in a circle or through a file.
NO_FILE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR)
PAUSE_S, PAUSE_MAX_S = 0.01, 0.1  # between two looks of wait_until
LIVE: list["House"] = []  # for the report of a failed test
POOLS = ("fast", "lookup", "slow")
RENDER = PROJECT / "deploy/nginx/render"
RENDER_TEXT = RENDER.read_text()  # names each setting that it reads
RENDERED: dict[tuple, str] = {}
# Unless a test asks for the limits: its requests have all one address.
NO_LIMITS = {f"NGINX_GENERATE_{name}": "60000"
             for name in ("RATE", "BURST", "PER_CLIENT", "AT_ONCE")}


def need_tool(name: str) -> str:
    """The tool's path; without it the test skips (fails with CI=true)."""
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        missing(f"{name} is not installed")
    return path


def missing(why: str):
    """Skips, but with CI=true fails: there everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def program(name: str) -> str:
    """One of ours, from the flavour under test."""
    return str(BUILD / name)


def wait_until(truth: Callable[[], object], what: str,
               deadline: float = 10.0):
    """Probes until it holds and returns it; fails when it never does.

    What takes long is looked at less often: a look may cost a process.
    """
    end = time.monotonic() + deadline * SLOWNESS
    pause = PAUSE_S
    while True:
        got = truth()
        if got:
            return got
        assert time.monotonic() < end, f"waited in vain for: {what}"
        time.sleep(pause)
        pause = min(pause * 1.2, PAUSE_MAX_S)


def free_port() -> int:
    """A port nobody had a moment ago, and nobody is given unasked.

    The kernel's own would be taken from a range out of which it also gives
    each connection its port, perhaps before our server has bound it.  Each
    worker of pytest-xdist has a range of its own.
    """
    share = len(PORTS) // WORKERS
    mine = PORTS[WORKER * share:(WORKER + 1) * share]
    while True:
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", random.choice(mine)))
            return s.getsockname()[1]


# ---------------------------------------------------------------- processes


def become_subreaper():
    """Workers outlive spawn-fcgi; this makes their exit codes ours."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def is_alive(pid: int) -> bool:
    """Running, and not a zombie."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def reap(pid: int, deadline: float = 10.0) -> int:
    """Waits for a process of ours to end: its exit code, -N for signal N."""
    def ended():
        try:
            got, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return None if is_alive(pid) else (pid, 0)
        return (got, status) if got else None
    _, status = wait_until(ended, f"the end of {pid}", deadline)
    return os.waitstatus_to_exitcode(status)


def kill(pid: int, sig: int = signal.SIGTERM):
    """Sends a signal to one process; one that has gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sig)


def takes_signals(pid: int, sig: int = signal.SIGTERM) -> bool:
    """Has a worker come so far that it reads its signals by itself?"""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True  # it has gone, and waits for nothing
    blocked = int(re.search(r"^SigBlk:\s*(\w+)", status, re.M)[1], 16)
    return bool(blocked >> (sig - 1) & 1)


def children_of(pid: int) -> list[int]:
    """The direct children of a process."""
    try:
        task = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in task.split()]


def processes() -> list[int]:
    """All there are, but for this one."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if pid != os.getpid()]


def words_of(pid: int, kind: str = "cmdline") -> bytes:
    """The command of a process, or its environ; empty when it has gone."""
    try:
        with open(f"/proc/{pid}/{kind}", "rb", buffering=0) as file:
            return file.readall()
    except OSError:
        return b""


def processes_about(folder: pathlib.Path) -> list[str]:
    """Processes that have the folder in their command or environment."""
    found = []
    needle = str(folder).encode()
    for pid in processes():
        text = words_of(pid)
        if not text:  # the kernel's own, or one that has ended
            continue
        text += words_of(pid, "environ")
        if needle in text and is_alive(pid):
            found.append(f"{pid}: {text[:200]!r}")
    return found


def must_leave(folder: pathlib.Path, deadline: float = 5.0):
    """Waits until no process is about a folder, or tells which are."""
    left: list[str] = []

    def none_is_left() -> bool:
        left[:] = processes_about(folder)
        return not left
    with contextlib.suppress(AssertionError):
        wait_until(none_is_left, "the end of processes", deadline)
    assert not left, left


# --------------------------------------------------------------------- pool


class Pool:
    """Workers behind one unix socket, started by spawn-fcgi.

    They are the pool's group a, and its group b is a link to it, until a
    test starts some there, too (House.second_group).
    """

    def __init__(self, name: str, folder: pathlib.Path, env: dict[str, str],
                 group: str = "a"):
        self.name = name
        self.socket = folder / f"{name}-{group}.sock"
        self.pidfile = folder / f"{name}-{group}.pid"
        second = folder / f"{name}-b.sock"
        if group == "a":
            second.symlink_to(self.socket.name)
        else:
            second.unlink()
        self.env = env
        self.pids: list[int] = []
        self.retired: list[int] = []

    def begin(self, workers: int) -> subprocess.Popen:
        """Starts spawn-fcgi, which takes 0.1 s a worker; see `settle`."""
        command = [need_tool("spawn-fcgi"), "-s", str(self.socket),
                   "-F", str(workers), "-P", str(self.pidfile), "--",
                   program("charref-fcgi")]
        return subprocess.Popen(command, env=self.env, text=True,
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def settle(self, spawner: subprocess.Popen) -> list[int]:
        """Waits for spawn-fcgi and keeps the pids that it wrote."""
        said, _ = spawner.communicate(timeout=30 * SLOWNESS)
        assert spawner.returncode == 0, said
        new = [int(word) for word in self.pidfile.read_text().split()]
        self.pids = self.pids + new
        return new

    def start(self, workers: int = 1) -> list[int]:
        """Starts a group; its socket must not exist or be dead."""
        return self.settle(self.begin(workers))

    def wire(self) -> wire.FastCgi:
        """A FastCGI client of this pool."""
        return wire.FastCgi(str(self.socket))

    def send(self, pid: int, sig: int):
        """Signals one worker, which is then expected to leave."""
        assert pid in self.pids
        self.pids.remove(pid)
        self.retired.append(pid)
        kill(pid, sig)

    def end(self, sig: int = signal.SIGTERM,
            deadline: float = 20.0) -> list[int]:
        """Ends all workers and waits; their exit codes."""
        leaving = list(self.pids)
        for pid in leaving:
            self.send(pid, sig)
        return [reap(pid, deadline) for pid in leaving]

    def replace(self, workers: int = 1) -> list[int]:
        """Takes over the live socket; returns the old group's exit codes.

        As the administrator does it: unlink the path, start the new group
        there, SIGTERM the old.  While nothing listens, nginx turns to
        another pool.
        """
        old = list(self.pids)
        self.socket.unlink()
        self.start(workers)
        for pid in old:  # one that has hardly begun would just die
            wait_until(lambda pid=pid: takes_signals(pid), "a worker's begin")
            self.send(pid, signal.SIGTERM)
        return [reap(pid, 30.0) for pid in old]


class Listener:
    """A listening socket of the test's own, for single workers.

    It outlives them: what is queued stays queued, and a worker can be run
    under another program.
    """

    def __init__(self, house: "House", name: str = "own"):
        self.house = house
        self.path = house.folder / f"{name}.sock"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        self.socket.listen(64)
        self.wire = wire.FastCgi(str(self.path))
        self.workers: list[subprocess.Popen] = []
        house.listeners.append(self)

    def worker(self, *wrapper: str) -> subprocess.Popen:
        """Starts a worker on the socket, perhaps under a wrapper."""
        one = subprocess.Popen(
            [*wrapper, program("charref-fcgi")], stdin=self.socket,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=self.house.env)
        self.workers.append(one)
        return one

    def ready_worker(self) -> subprocess.Popen:
        """The same, answering."""
        one = self.worker()
        reply = self.wire.ask("GET", "/healthz", deadline=20.0)
        assert reply.status == 200, one.stderr.read()
        return one

    @staticmethod
    def leave(one: subprocess.Popen, sig: int = signal.SIGTERM,
              deadline: float = 20.0) -> int:
        """Asks a worker to leave; its exit code."""
        wait_until(lambda: one.poll() is not None or takes_signals(one.pid),
                   "a worker that has begun")
        one.send_signal(sig)
        code = one.wait(deadline * SLOWNESS)
        one.stderr.close()
        return code

    def end(self):
        """Ends what is left of it."""
        for one in self.workers:
            if one.poll() is None:
                code = self.leave(one)
                assert code == 0, code
            elif not one.stderr.closed:
                one.stderr.close()
        self.socket.close()


# ----------------------------------------------------------------- uploader


class Uploader:
    """The daemon that brings what waits to the bucket, and its child."""

    def __init__(self, env: dict[str, str]):
        self.env = env
        self.process: subprocess.Popen | None = None

    def start(self) -> "Uploader":
        """Starts it; what it does shows in the catalogue and the bucket."""
        self.process = subprocess.Popen(
            [program("charref"), "uploader"], env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        return self

    def is_alive(self) -> bool:
        """Is it running?"""
        return self.process is not None and self.process.poll() is None

    def end(self, sig: int = signal.SIGTERM, deadline: float = 10.0) -> int:
        """Ends it and waits for it and its child; its exit code."""
        if self.process is None:
            return 0
        children = children_of(self.process.pid)
        self.process.send_signal(sig)
        code = self.process.wait(deadline * SLOWNESS)
        for pid in children:
            wait_until(lambda pid=pid: not is_alive(pid) or reap(pid) is None,
                       "the end of the watcher", deadline)
        self.process = None
        return code

    def kill(self):
        """Ends it as a power cut would."""
        self.end(signal.SIGKILL)


# -------------------------------------------------------------------- nginx


class Nginx:
    """The real one, with the shipped configuration."""

    def __init__(self, folder: pathlib.Path, render: Callable):
        self.folder = folder
        self.render = render
        self.process: subprocess.Popen | None = None
        self.port = 0

    def start(self):
        """Starts it; another port when somebody else was faster."""
        for _ in range(5):
            self.port = free_port()
            conf = self.render(self.port)
            self.process = subprocess.Popen(
                [need_tool("nginx"), "-p", str(self.folder), "-c", str(conf),
                 "-e", str(self.folder / "log/nginx-error.log")],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            wait_until(lambda: self.process.poll() is not None
                       or self._answers(), "nginx", 10.0)
            if self.process.poll() is None:
                return
            said = (self.folder / "log/nginx-error.log").read_text()
            assert "Address already in use" in said, said
        raise AssertionError("nginx found no port")

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0):
                return bool(children_of(self.process.pid))
        except OSError:
            return False

    def end(self):
        """Ends it and its workers."""
        if self.process is None:
            return
        workers = children_of(self.process.pid)
        self.process.terminate()
        self.process.wait(10)
        for pid in workers:
            wait_until(lambda pid=pid: not is_alive(pid), "nginx worker", 5)
        self.process = None


def replaced(text: str, pairs: dict[str, str]) -> str:
    """The text with each of these by what stands for it."""
    for old, new in pairs.items():
        text = text.replace(old, new)
    return text


def rendered(word: str, env: dict[str, str], places: dict[str, str]) -> str:
    """What deploy/nginx/render prints for these settings.

    It runs once for all houses that differ only in their places: a rendering
    takes a third of a second of processor time.
    """
    key = word, *sorted((name, replaced(value, places))
                        for name, value in env.items() if name in RENDER_TEXT)
    if key not in RENDERED:
        done = subprocess.run(
            [str(RENDER), word], env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60 * SLOWNESS)
        assert done.returncode == 0, done.stderr
        RENDERED[key] = replaced(done.stdout, places)
    return replaced(RENDERED[key], {new: old for old, new in places.items()})


# -------------------------------------------------------------------- house


def must_be_ours(line: str, entry: dict):
    """A line of the service's log has what each must have, and is clean."""
    assert {"time", "level", "event"} <= set(entry), line
    assert wire.STAMP.match(entry["time"]), line
    assert entry["level"] in ("debug", "info", "warn", "error"), line
    assert not re.search(r"[\x00-\x1f\x7f]", line), line


class House:
    """One whole installation; see the module's words."""

    def __init__(self, workers: dict[str, int] | None = None,
                 nginx: bool = True, cloud=None, uploader: bool = True,
                 **settings: str):
        become_subreaper()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cr-", dir="/tmp"))
        self.root = self.folder / "data"
        self.store = self.root / STORE
        self.log = self.folder / "charref.log"
        self.model = ModelDouble()
        self.workers = {"fast": 2, "lookup": 1, "slow": 2} | (workers or {})
        self.cloud = cloud
        self.env = self._environment(settings)
        self.secrets = [KEY, *self._api_keys()]
        self.uploader = Uploader(self.env)
        self.with_uploader = uploader and cloud is not None
        self.pools = {name: Pool(name, self.folder, self.env)
                      for name in POOLS if self.workers[name] > 0}
        self.nginx = Nginx(self.folder, self._render) if nginx else None
        self.http = wire.Http(0)
        self.listeners: list[Listener] = []
        self.service_log = LogFile(self.log, must_be_ours)
        self.access_log = LogFile(self.folder / "log/charref-access.log",
                                  lambda line, entry: None)
        self.clean: dict[str, tuple[int, int, int]] = {}
        LIVE.append(self)

    # -- starting

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        report = self.folder / "sanitizer"
        options = f"log_path={report}:exitcode={SANITIZER_EXIT}:" \
            "abort_on_error=0:print_stacktrace=1:halt_on_error=1"
        env = {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
            "HOME": str(self.folder), "TMPDIR": str(self.folder),
            "ASAN_OPTIONS": options + ":detect_leaks=1:allocator_may_return_null=1",
            "UBSAN_OPTIONS": options,
            "LSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}",
            "CHARREF_ROOT": str(self.root), "LOG_FILE": str(self.log),
            "IMAGE_BASE_URL": self.model.url,
            "IMAGE_MODELS": f"{IMAGEN},{GEMINI}",
            "GEMINI_API_KEY": KEY, "GENERATE_DEADLINE": "20",
            "DISK_RESERVE_MB": "1",
            "RUN_DIR": str(self.folder), "JOBS_DIR": str(self.folder / "jobs"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if self.cloud is not None:
            env.update({
                "SERVE_FROM_CLOUD": "true",
                "STORAGE_BUCKET": self.cloud.bucket,
                "AWS_ENDPOINT_URL_S3": self.cloud.url,
                "AWS_REGION": getattr(self.cloud, "region", "us-east-1"),
                "AWS_ACCESS_KEY_ID": self.cloud.access_key,
                "AWS_SECRET_ACCESS_KEY": self.cloud.secret_key,
            })
        env.update(settings)
        return env

    def _api_keys(self) -> list[str]:
        """Those of the service, but for the hashes, which are no secret."""
        return [key for key in self.env.get("API_KEY", "").split(",")
                if key and not key.startswith("sha256:")]

    def _render(self, port: int) -> pathlib.Path:
        """The shipped configuration with this house's places in it."""
        env = {"NGINX_LISTEN": f"127.0.0.1:{port}"} | NO_LIMITS | self.env
        env |= {"CHARREF": program("charref"), "RUN_DIR": str(self.folder)}
        places = {str(self.folder): "@FOLDER@", f"127.0.0.1:{port}": "@PLACE@"}
        for name, word in (("charref.conf", "site"), ("nginx.conf", "main")):
            (self.folder / name).write_text(rendered(word, env, places))
        return self.folder / "nginx.conf"

    def start(self) -> "House":
        """Starts everything and waits until it answers."""
        self.root.mkdir(exist_ok=True)
        (self.folder / "log").mkdir(exist_ok=True)
        spawners = {name: pool.begin(self.workers[name])
                    for name, pool in self.pools.items()}
        for name, spawner in spawners.items():
            self.pools[name].settle(spawner)
        if self.with_uploader:
            self.uploader.start()
        if self.nginx:
            self.nginx.start()
            self.http = wire.Http(self.nginx.port)
            wait_until(self._is_ready, "healthz", 10.0)
        return self

    def second_group(self, name: str, workers: int) -> Pool:
        """Starts the group b of a pool."""
        pool = Pool(name, self.folder, self.env, "b")
        self.pools[f"{name}-b"] = pool
        pool.start(workers)
        return pool

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return self.http.get("/healthz").status == 200
        return False

    def charref(self, *arguments: str,
                deadline: float = 60.0) -> subprocess.CompletedProcess:
        """Runs the command with this house's settings."""
        return subprocess.run(
            [program("charref"), *arguments], env=self.env, text=True,
            stdin=subprocess.DEVNULL, capture_output=True,
            timeout=deadline * SLOWNESS)

    def status(self) -> dict:
        """What `charref status` says."""
        done = self.charref("status", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def storage(self) -> str:
        """How the bucket is, in the words of `charref status`.

        It starts no process: a worker says it, who reads the same file.
        """
        said = next(iter(self.pools.values())).wire().ask("GET", "/metrics")
        return STORAGE_STATE.search(said.body.decode())[1]

    def wait_for_storage(self, word: str, deadline: float = 10.0):
        """Waits until the whole house knows the storage to be so."""
        wait_until(lambda: self.storage() == word, f"storage {word}", deadline)

    # -- looking

    def pids(self) -> list[int]:
        """All workers that ought to be alive."""
        return [pid for pool in self.pools.values() for pid in pool.pids]

    def files(self) -> dict[str, bytes]:
        """Everything in the store by name, drafts included."""
        if not self.store.exists():
            return {}
        return {path.name: path.read_bytes() for path in self.store.iterdir()}

    def rows(self, query: str, *values) -> list[tuple]:
        """Asks the catalogue; the connection is never left open."""
        path = self.root / "catalogue.db"
        with contextlib.closing(sqlite3.connect(path, timeout=5 * SLOWNESS)) as db:
            return db.execute(query, values).fetchall()

    def log_lines(self) -> list[dict]:
        """The log, which is whole lines of JSON objects and nothing else."""
        return self.service_log.lines()

    def nginx_lines(self) -> list[dict]:
        """The web server's own log of requests: whole lines of JSON, too."""
        return self.access_log.lines()

    def requests_logged(self, request_id: str) -> list[dict]:
        """The log's lines about one request, waited for.

        A worker writes its line after the reply has left.
        """
        def found():
            return [line for line in self.log_lines()
                    if line.get("request_id") == request_id
                    and "status" in line]
        return wait_until(found, f"a log line of {request_id}", 5.0)

    def revive(self):
        """After a test that failed by killing workers: new ones."""
        for pool in self.pools.values():
            if not all(is_alive(pid) for pid in pool.pids):
                pool.replace(self.workers[pool.name])

    # -- asserting

    def must_be_whole(self):
        """Every file is one of the model's pictures, every row has a file."""
        files = self.files()
        drafts = [name for name in files if name.startswith(".")]
        assert not drafts, drafts
        given = set(self.model.given)
        for name, data in files.items():
            assert data in given, f"{name}: {len(data)} bytes nobody gave"
        if not (self.root / "catalogue.db").exists():
            return
        for image_id, extension in self.rows(
                "SELECT id, extension FROM images"):
            assert f"{image_id}.{extension}" in files, image_id

    def inspect(self):
        """What is asked after every test."""
        dead = [pid for pid in self.pids() if not is_alive(pid)]
        reports = sorted(self.folder.glob("sanitizer*"))
        texts = "\n".join(path.read_text(errors="replace")[:6000]
                          for path in reports)
        for path in reports:  # so that one test fails, and not all after it
            path.rename(path.with_name("seen-" + path.name))
        assert not reports, texts
        assert not dead, f"workers died: {dead}"
        if self.uploader.process is not None:
            assert self.uploader.is_alive(), "the uploader died"
        assert not self.model.complaints, self.model.complaints
        drafts = list(self.store.glob(".draft-*"))
        assert not drafts, drafts
        self.log_lines()
        self.nginx_lines()
        self.must_keep_its_secret()

    def must_keep_its_secret(self):
        """Keys and signatures are in no file and in no process's title."""
        secrets = [key.encode() for key in self.secrets]
        secrets += [b"X-Amz-Signature", b"Signature="]
        if self.cloud is not None:
            secrets.append(self.cloud.secret_key.encode())
        for path in self._files_to_read():
            # A process that ends takes what it published away meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if not (changed := self._change_of(path)):
                    continue
                with open(path, "rb") as f:
                    data = f.read()
                for secret in secrets:
                    assert secret not in data, (path, secret)
                self.clean[path] = changed
        for pid in processes():
            with contextlib.suppress(OSError):
                if not os.readlink(f"/proc/{pid}/exe").startswith(str(BUILD)):
                    continue
                title = words_of(pid)
                if str(self.folder).encode() not in title + words_of(
                        pid, "environ"):
                    continue  # somebody else's: no business of this house
                for secret in secrets:
                    assert secret not in title, (pid, secret)

    def _files_to_read(self) -> Iterator[str]:
        """Everything in the folder but nginx's cache.

        The cache keeps whole replies, for their seconds.
        """
        for where, folders, names in os.walk(self.folder):
            if "nginx-cache" in folders:
                folders.remove("nginx-cache")
            yield from (os.path.join(where, name) for name in names)

    def _change_of(self, path: str) -> tuple[int, int, int] | None:
        """What tells a file's last change; None when it was read since."""
        try:
            status = os.stat(path)
        except OSError as why:
            if why.errno in NO_FILE:
                return None
            raise
        now = (status.st_ino, status.st_size, status.st_mtime_ns)
        if not stat.S_ISREG(status.st_mode) or status.st_size >= 64 << 20 \
                or self.clean.get(path) == now:
            return None
        return now

    def end(self):
        """Stops everything, asks again of all there is, and removes it."""
        try:
            self._stop()
            self.clean.clear()
            self.inspect()
            self.service_log.must_have_ended()
            self.access_log.must_have_ended()
            # A process that has let its lock go may still be on its way out.
            must_leave(self.folder)
        finally:
            LIVE.remove(self)
            self.model.close()
            for pid in self.pids():
                kill(pid, signal.SIGKILL)
            if self.uploader.is_alive():
                self.uploader.kill()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _stop(self):
        self.model.closing.set()
        code = self.uploader.end()
        assert code == 0, f"the uploader left with {code}"
        if self.nginx:
            self.nginx.end()
        for listener in self.listeners:
            listener.end()
        for pool in self.pools.values():
            for pid in list(pool.pids):
                pool.send(pid, signal.SIGTERM)
        for pool in self.pools.values():
            for pid in pool.retired:
                code = reap(pid, 20.0)
                assert code != SANITIZER_EXIT, (
                    pool.name, [p.read_text()[:6000] for p in
                                self.folder.glob("sanitizer*")])

    def story(self) -> str:
        """The ends of the logs, for a failed test's report."""
        parts = []
        for name in ("charref.log", "log/nginx-error.log"):
            path = self.folder / name
            if path.exists():
                tail = path.read_text(errors="replace").splitlines()[-8:]
                parts += [f"--- {name}"] + [line[:400] for line in tail]
        return "\n".join(parts)


@contextlib.contextmanager
def a_house(**kw) -> Iterator[House]:
    """A house for one test."""
    house = House(**kw)
    try:
        yield house.start()
    finally:
        house.end()
