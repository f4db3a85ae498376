"""A house whose workers are kept alive: groups of deploy/group, as a server
has them, and single pools on a socket of a test's own."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess

from house import (BUILD, POOLS, PROJECT, SLOWNESS, House, children_of,
                   is_alive, kill, need_tool, program, reap, wait_until)
from logfile import LogFile
from wire import FastCgi

NAMES = [f"{pool}-{half}" for pool in POOLS for half in "ab"]
GROUP = str(PROJECT / "deploy/group")


class Groups(House):
    """Six groups, none of which spawn-fcgi leaves alone."""

    def __init__(self, fast: int = 2, lookup: int = 2, slow: int = 2, **kw):
        need_tool("spawn-fcgi")
        super().__init__(workers=dict.fromkeys(POOLS, 0),
                         FAST_WORKERS=str(fast), LOOKUP_WORKERS=str(lookup),
                         SLOW_WORKERS=str(slow), **kw)
        self.env["PATH"] = f"{BUILD}:{os.environ['PATH']}"
        self.started: list[int] = []

    def start(self) -> "Groups":
        """Starts the groups, then the rest."""
        for folder in (self.root, self.folder / "log"):
            folder.mkdir(exist_ok=True)
        for name in NAMES:
            self.start_group(name)
        for name in NAMES:
            self.wait_for(name)
        return super().start()

    def start_group(self, name: str, **env: str) -> subprocess.Popen:
        """Begins to start a group: it becomes the pool."""
        one = subprocess.Popen([GROUP, "start", name], env=self.env | env,
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
        self.started.append(one.pid)
        return one

    def group(self, verb: str, name: str, fails: bool = False, **env: str):
        """Calls deploy/group; what it said."""
        done = subprocess.run([GROUP, verb, name], env=self.env | env,
                              stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=60 * SLOWNESS)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr

    def pool_pid(self, name: str) -> int:
        """The pid of the pool that serves, or 0."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / f"{name}.pid").read_text())
        return 0

    def wait_for(self, name: str) -> int:
        """The pid of a pool that is ready."""
        return wait_until(lambda: self.pool_pid(name), f"group {name}", 20.0)

    def workers_of(self, name: str) -> list[int]:
        """The pids of the workers of a group."""
        return [pid for pid in children_of(self.pool_pid(name))
                if is_alive(pid)]

    def all_workers(self) -> list[int]:
        """The pids of all workers that serve."""
        return [pid for name in NAMES for pid in self.workers_of(name)]

    def resize(self, pool: str, workers: int, **env: str):
        """Changes the number of a pool's workers, while it serves."""
        self.env[f"{pool.upper()}_WORKERS"] = str(workers)
        for half in "ab":
            self.group("replace", f"{pool}-{half}", **env)
        wanted = {"a": (workers + 1) // 2, "b": workers // 2}
        for half, count in wanted.items():
            name = f"{pool}-{half}"
            wait_until(lambda name=name, count=count:
                       len(self.workers_of(name)) == count,
                       f"{count} workers of {name}")

    def upgrade(self, folder: pathlib.Path):
        """Replaces all groups by the programs of another folder."""
        self.env["PATH"] = f"{folder}:{os.environ['PATH']}"
        for name in NAMES:
            self.group("replace", name)

    def wire_of(self, name: str) -> FastCgi:
        """A FastCGI client of a group."""
        return FastCgi(str(self.folder / f"{name}.sock"))

    def _stop(self):
        for name in NAMES:
            if self.pool_pid(name):
                self.group("stop", name)
        for pid in self.started:
            reap(pid, 30.0)
        super()._stop()


class Bench:
    """A listening socket, a place for a manager's word, and pools on it."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "sock"))
        self.listener.listen(64)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "notify"))
        self.manager.setblocking(False)
        self.log = folder / "log"
        self.log_file = LogFile(self.log, lambda line, entry: None)
        self.pools: list[subprocess.Popen] = []

    def script(self, name: str, text: str) -> str:
        """An executable file of the test's own."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    def pool(self, *words: str, **env: str) -> subprocess.Popen:
        """Starts charref-pool with these arguments."""
        with open(self.log, "ab") as log:
            one = subprocess.Popen(
                [program("charref-pool"), *words], stdin=self.listener,
                stdout=subprocess.DEVNULL, stderr=log,
                env={"PATH": os.environ["PATH"], "HERE": str(self.folder),
                     "NOTIFY_SOCKET": str(self.folder / "notify")} | env)
        self.pools.append(one)
        return one

    def said(self) -> list[dict[str, str]]:
        """What the manager was told, message by message."""
        messages = []
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self.manager.recv(4096).decode()
                messages.append(dict(line.split("=", 1)
                                     for line in text.split("\n")))
        return messages

    def wait_for_word(self, key: str) -> dict[str, str]:
        """The next message that has it."""
        def heard():
            return [one for one in self.said() if key in one]
        return wait_until(heard, f"{key} on the manager's socket", 10.0)[0]

    def lines(self, event: str) -> list[dict]:
        """The log's lines of that event."""
        return [line for line in self.log_file.lines()
                if line["event"] == event]

    def end(self):
        """Ends what a test left."""
        for one in self.pools:
            if one.poll() is None:
                children = children_of(one.pid)
                one.kill()
                one.wait()
                for pid in children:
                    kill(pid, signal.SIGKILL)
        self.listener.close()
        self.manager.close()
