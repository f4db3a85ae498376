"""nginx with the shipped configuration before workers that a test scripts."""

import signal

import wire
from house import House, children_of, kill, wait_until
from upstream import Upstream, reply

GROUPS = [f"{pool}-{group}" for pool in ("fast", "lookup", "slow")
          for group in "ab"]


class Front:
    """A house without workers, and what stands on their sockets."""

    def __init__(self, groups: list[str] | None = None, **settings: str):
        self.house = House(workers=dict.fromkeys(("fast", "lookup", "slow"),
                                                 0), **settings)
        self.up = Upstream(self.house.folder, *(groups or GROUPS))
        self.house.start()
        self.http: wire.Http = self.house.http

    def asked(self) -> list[str]:
        """The methods and paths that came to workers."""
        return [f"{one['REQUEST_METHOD']} {one.path()}"
                for one in self.up.asked]

    def forget(self):
        """As new: nothing was asked, and nothing is in the cache."""
        self.up.answer = lambda _: reply()
        self.up.asked.clear()
        cached = [path for path in
                  (self.house.folder / "nginx-cache").rglob("*")
                  if path.is_file()]
        for path in cached:
            path.unlink()
        if cached:
            self.reload()

    def reload(self):
        """nginx anew, whose workers have no file of the cache open."""
        master = self.house.nginx.process.pid
        old = set(children_of(master))
        kill(master, signal.SIGHUP)
        wait_until(lambda: not old & set(children_of(master)),
                   "nginx's new workers")

    def end(self):
        """Ends both, nginx first."""
        self.house.nginx.end()
        self.up.close()
        self.house.end()
