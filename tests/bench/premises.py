"""Houses to measure in: short logs, more locations, other workers.

All are the tests' own house with the shipped configuration of nginx.  Its
logs are cut between runs, for at many thousand lines a second they would
fill the disk, and reading them at the end would take longer than the run.
"""

import contextlib
import os
import pathlib
import signal
import sqlite3
import subprocess
import uuid

import house as houses
import warehouse
from wire import GET

NOOP = houses.PROJECT / "build/release/bench/noop"
WORKERS = 2  # of the pool that is measured, in every house
MANY = 10000
CUT = ("charref.log", "log/charref-access.log")


class NowhereCloud:
    """A bucket for URLs alone: nobody ever asks it anything."""

    bucket, region = "charref-bench", "eu-central-1"
    url = "https://s3.eu-central-1.amazonaws.com"
    access_key = "AKIAIOSFODNN7EXAMPLE"
    secret_key = "bench/secret/bench/secret/bench/secret+1"


class House(houses.House):
    """One whose logs stay short; `locations` stand in nginx's server."""

    def __init__(self, locations="", **kw):
        workers = {"fast": WORKERS, "lookup": 1, "slow": 1}
        super().__init__(workers=workers | kw.pop("workers", {}), **kw)
        self.env["NGINX_INCLUDE_DIR"] = str(self.folder / "include")
        self.add(locations)

    def add(self, locations):
        """More of them, before it is started."""
        include = self.folder / "include"
        include.mkdir(exist_ok=True)
        with open(include / "bench.conf", "a") as f:
            f.write(locations)

    def cut_logs(self):
        """All of them append, so they go on at the beginning."""
        for name in CUT:
            with contextlib.suppress(FileNotFoundError):
                os.truncate(self.folder / name, 0)

    def inspect(self):
        self.cut_logs()
        super().inspect()

    def must_keep_its_secret(self):
        """Asked by the tests; here constant replies are full of URLs."""


class NoopHouse(House):
    """The same nginx, before workers that only answer one reply."""

    def __init__(self, reply):
        super().__init__(workers=dict.fromkeys(houses.POOLS, 0))
        self.reply = reply
        self.noops = []

    def start(self):
        (self.folder / "reply").write_bytes(self.reply)
        (self.folder / "fast-b.sock").symlink_to("fast-a.sock")
        subprocess.run(
            [houses.need_tool("spawn-fcgi"), "-s",
             str(self.folder / "fast-a.sock"), "-F", str(WORKERS), "-P",
             str(self.folder / "noop.pid"), "--", str(NOOP),
             str(self.folder / "reply")],
            check=True, stdout=subprocess.DEVNULL)
        self.noops = [int(word) for word in
                      (self.folder / "noop.pid").read_text().split()]
        return super().start()

    def _is_ready(self):
        with contextlib.suppress(OSError):
            return self.http.get("/").status == 302
        return False

    def _stop(self):
        super()._stop()
        for pid in self.noops:
            houses.kill(pid, signal.SIGTERM)
        for pid in self.noops:
            houses.reap(pid)


@contextlib.contextmanager
def started(home):
    """A house for some rows."""
    try:
        yield home.start()
    finally:
        home.end()


def stock(home, count=MANY, files=None):
    """So many images of the catalogue, all in the bucket: their ids.

    files: the bytes of each, when they are to lie in the store, too.
    """
    ids = [str(uuid.uuid4()) for _ in range(count)]
    home.status()  # makes the catalogue
    done = {"state": "done", "verified_at": warehouse.now_ms()}
    path = home.root / "catalogue.db"
    with contextlib.closing(sqlite3.connect(path, timeout=20)) as db, db:
        for image_id in ids:
            warehouse.add_rows(db, image_id, files or b"bench", "", done)
    if files is not None:
        home.store.mkdir(parents=True, exist_ok=True)
        for image_id in ids:
            (home.store / f"{image_id}.png").write_bytes(files)
            home.model.given.append(files)
    return ids


def write_paths(home, name, ids, query="") -> pathlib.Path:
    """A file of paths for load.ask."""
    path = home.folder / name
    path.write_text("".join(f"{GET}{one}{query}\n" for one in ids))
    return path
