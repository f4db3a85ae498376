"""A Debian 12 of one's own: small, fresh, with its own systemd and network.

debootstrap makes it once and keeps it as a tarball in build/; a Room unpacks
that, boots it with systemd-nspawn, runs commands in it, and leaves nothing
behind.  Its network is its own loopback, so its port 80 is nobody else's;
what apt will want is fetched beforehand.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from house import PROJECT, children_of, is_alive, missing, need_tool, wait_until

DEBIAN = "bookworm"
MIRROR = "http://deb.debian.org/debian"
BOOT_S = 60
HALT_S = 20
LIVE: list["Room"] = []  # for the report of a failed test


def run(*words, timeout=60, check=True, **kw) -> str:
    """A command's standard output and error; it must succeed."""
    done = subprocess.run([str(word) for word in words], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout,
                          check=False, **kw)
    assert done.returncode == 0 or not check, f"{words}:\n{done.stdout}"
    return done.stdout


def mirror() -> str:
    """Where this machine has its own Debian from."""
    lines = ""
    for path in ("/etc/apt/sources.list",
                 "/etc/apt/sources.list.d/debian.sources"):
        with contextlib.suppress(OSError):
            lines += pathlib.Path(path).read_text()
    found = re.search(r"^(?:deb|URIs:).*?(http\S+/debian)/?\s", lines, re.M)
    return found[1] if found else MIRROR


def tarball(package: pathlib.Path) -> pathlib.Path:
    """A Debian that has fetched, not installed, what the package needs."""
    wants = run("dpkg-deb", "-f", package, "Depends")
    mark = hashlib.sha256(wants.encode()).hexdigest()[:8]
    kept = PROJECT / f"build/clean-{DEBIAN}-{mark}.tar"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(prefix="charref-base-") as folder:
        root = f"{folder}/debian"  # for all to enter; the folder is ours
        try:
            run("debootstrap", "--variant=minbase",
                "--include=systemd-sysv", DEBIAN, root, mirror(),
                timeout=400)
        except AssertionError as why:
            missing(f"debootstrap failed: {str(why).splitlines()[-1]}")
        shutil.copy(package, f"{root}/tmp/charref.deb")
        shutil.copy("/etc/resolv.conf", f"{root}/etc/resolv.conf")
        run("chroot", root, "apt-get", "install", "-y", "--download-only",
            "/tmp/charref.deb", timeout=300)
        os.unlink(f"{root}/tmp/charref.deb")
        run("tar", "-C", root, "-cf", f"{kept}.new", ".", timeout=120)
    for old in kept.parent.glob(f"clean-{DEBIAN}-*.tar"):
        old.unlink()
    os.rename(f"{kept}.new", kept)
    return kept


class Nest:
    """Where no systemd is in charge, a place among the control groups."""

    def __init__(self):
        self.folders = []
        if os.path.isdir("/run/systemd/system"):
            return
        for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified",
                    "/sys/fs/cgroup/systemd"):
            if os.path.exists(f"{top}/cgroup.procs"):
                self.folders.append(
                    pathlib.Path(f"{top}/charref-room-{os.getpid()}"))
                self.folders[-1].mkdir()

    def options(self) -> list[str]:
        """What systemd-nspawn has to be told."""
        return ["--register=no", "--keep-unit"] if self.folders else []

    def enter(self):
        """Brings the calling process there."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        """Takes the emptied place away."""
        for folder in self.folders:
            for inner, _, _ in os.walk(folder, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(inner)


@dataclasses.dataclass
class Reply:
    status: int
    headers: str
    body: bytes

    def json(self):
        return json.loads(self.body)


class Room:
    """One booted Debian."""

    def __init__(self, package: pathlib.Path):
        for tool in ("debootstrap", "systemd-nspawn", "nsenter"):
            need_tool(tool)
        if os.geteuid() != 0:
            missing("only root can boot a Debian of its own")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="charref-room-"))
        self.root = self.folder / "debian"
        self.nest = Nest()
        self.nspawn = None
        self.init = 0
        try:
            self.root.mkdir()
            run("tar", "-C", self.root, "-xf", tarball(package), timeout=120)
            self.boot()
        except BaseException:
            self.end()
            raise
        LIVE.append(self)

    def boot(self):
        """Starts its systemd, and waits until it has started all it has."""
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", *self.nest.options(), "--boot", "--quiet",
             "--private-network", "--console=pipe", f"--directory={self.root}",
             f"--machine=charref-room-{os.getpid()}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True, preexec_fn=self.nest.enter)
        self.init = wait_until(self.first_process, "systemd-nspawn", BOOT_S)
        wait_until(lambda: self.run("systemctl", "is-system-running",
                                    check=False).strip()
                   in ("running", "degraded"), "its boot", BOOT_S)

    def first_process(self) -> int | None:
        """Its systemd, once that is what systemd-nspawn has started."""
        assert self.nspawn.poll() is None, self.nspawn.stderr.read().decode()
        for pid in children_of(self.nspawn.pid):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/exe").endswith("/systemd"):
                    return pid
        return None

    def inside(self, *words) -> list[str]:
        """The command line that runs another in here."""
        return ["nsenter", "-t", str(self.init), "-m", "-u", "-i", "-n", "-p",
                "-C", "--wdns=/", "env", "-i", "LC_ALL=C.UTF-8",
                "PATH=/usr/sbin:/usr/bin", "DEBIAN_FRONTEND=noninteractive",
                *(str(word) for word in words)]

    def run(self, *words, **kw) -> str:
        """Runs a command in here as root, as run() does."""
        return run(*self.inside(*words), **kw)

    def read(self, path: str) -> str:
        """A file of the room."""
        return (self.root / path.lstrip("/")).read_text()

    def story(self) -> str:
        """What its journal says at the end."""
        return self.run("journalctl", "--no-pager", "-n", "120", check=False)

    def end(self):
        """Halts it, and leaves no process, mount, group or file."""
        if self in LIVE:
            LIVE.remove(self)
        try:
            if self.nspawn is not None and self.nspawn.poll() is None:
                self.halt()
        finally:
            self.nest.remove()
            run("rm", "-rf", "--one-file-system", self.folder)

    def halt(self):
        self.nspawn.terminate()
        try:
            self.nspawn.wait(HALT_S)
        except subprocess.TimeoutExpired:
            if is_alive(self.init):
                os.kill(self.init, 9)  # and all of its processes with it
            self.nspawn.wait(HALT_S)

    def cut_power(self):
        """Ends it as a power failure does."""
        os.kill(self.init, 9)
        self.nspawn.wait(HALT_S)

    def ask(self, path: str, body: dict | None = None, host="localhost",
            at="127.0.0.1", timeout=60, headers=()) -> Reply:
        """A request to its port 80."""
        words = ["nsenter", "-t", self.init, "-n", "curl", "-sS", "-m",
                 timeout, "-o", "-", "-D", "/dev/stderr", "-H",
                 f"Host: {host}", f"http://{at}{path}"]
        for line in headers:
            words += ["-H", line]
        if body is not None:
            words += ["-H", "Content-Type: application/json", "-d",
                      json.dumps(body)]
        done = subprocess.run([str(word) for word in words],
                              capture_output=True, timeout=timeout + 5,
                              check=False)
        found = re.match(rb"HTTP/\S+ (\d+)", done.stderr)
        return Reply(int(found[1]) if found else 0, done.stderr.decode(),
                     done.stdout)

    def units(self, state: str) -> set[str]:
        """Names of charref's units in a state."""
        lines = self.run("systemctl", "list-units", "--plain", "--no-legend",
                         f"--state={state}", "charref*").splitlines()
        return {line.split()[0] for line in lines if line.strip()}

    def install(self, package: pathlib.Path) -> str:
        """What an administrator does with a package."""
        shutil.copy(package, self.root / "root/charref.deb")
        return self.run("apt-get", "install", "-y", "/root/charref.deb",
                        timeout=180)

