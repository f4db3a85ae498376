"""charref-admin jobs-folder, which root runs: where it works, and where not.

The script runs in mounts of its own, with folders, users, settings and a
systemctl of the test's.
"""

import os
import pathlib
import shutil
import stat
import subprocess

import pytest

from house import PROJECT, program

pytestmark = pytest.mark.systems
SCRIPT = PROJECT / "deploy" / "jobs-folder"
OWN = "/var/lib/charref/jobs"
SERVICE, GROUP = 64001, 64003
UNITS = "pool@", "fast@", "lookup@", "slow@", "uploader"
MOUNTS = """
for place in var srv opt etc/systemd/system etc/passwd etc/group; do
	mount --bind "$0/$place" "/$place"
done
for place in usr/sbin usr/bin; do
	mount -t overlay overlay -o "lowerdir=$0/$place:/$place" "/$place"
done
"""


class Host:
    """A host's folders, as root sees them."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        for path in ("var/lib", "var/log/app", "srv", "opt", "usr/sbin",
                     "usr/bin", "etc/systemd/system"):
            self.at(path).mkdir(parents=True)
        for path in ("passwd", "group"):
            shutil.copy(f"/etc/{path}", self.at(f"etc/{path}"))
        with self.at("etc/passwd").open("a") as users:
            users.write(f"charref:x:{SERVICE}:{SERVICE}::/:/bin/false\n")
        with self.at("etc/group").open("a") as groups:
            groups.write(f"charref:x:{SERVICE}:\n"
                         f"charref-jobs:x:{GROUP}:charref\n")
        self.tool("usr/bin/charref", f'exec {program("charref")} "$@"')
        self.tool("usr/bin/systemctl", "exit 0")
        self.make("/var/lib/charref", SERVICE)
        self.set_jobs(OWN)

    def at(self, path: str) -> pathlib.Path:
        return self.folder / path.lstrip("/")

    def tool(self, path: str, script: str):
        self.at(path).write_text(f"#!/bin/sh\n{script}\n")
        self.at(path).chmod(0o755)

    def make(self, path: str, owner: int = 0) -> pathlib.Path:
        self.at(path).mkdir(parents=True)
        self.at(path).chmod(0o755)
        os.chown(self.at(path), owner, owner)
        return self.at(path)

    def link(self, path: str, target: str, owner: int = 0):
        self.at(path).symlink_to(target)
        os.lchown(self.at(path), owner, owner)

    def set_jobs(self, folder: str):
        """The settings of the service."""
        self.tool("usr/sbin/charref-admin", f"""case $2 in
JOBS_DIR) echo {folder} ;;
CHARREF_ROOT) echo /var/lib/charref ;;
esac""")

    def run(self, *words) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["unshare", "-m", "sh", "-euc", MOUNTS + '"$@"', self.folder,
             *words], text=True, capture_output=True, timeout=60,
            stdin=subprocess.DEVNULL, check=False)

    def jobs_folder(self, *words) -> subprocess.CompletedProcess:
        return self.run(SCRIPT, *words)

    def may_write(self) -> set[str]:
        """The folders of the drop-ins, which are the same for each unit."""
        seen = set()
        for unit in UNITS:
            path = self.at(f"etc/systemd/system/charref-{unit}.service.d"
                           "/jobs.conf")
            text = path.read_text() if path.exists() else ""
            seen.add(frozenset(line.removeprefix("ReadWritePaths=-")
                               for line in text.splitlines()
                               if line.startswith("ReadWritePaths=")))
        (same,) = seen
        return set(same)

    def state(self) -> list:
        """Owner, group and mode of all that is there."""
        return [(path, seen.st_uid, seen.st_gid, seen.st_mode)
                for path in sorted(self.folder.rglob("*"))
                for seen in [path.lstat()]]


@pytest.fixture(name="host")
def a_host(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    host = Host(tmp_path)
    tried = host.run("true")
    if tried.returncode != 0:
        pytest.skip(f"no mounts of its own: {tried.stderr}")
    return host


def must_do(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def must_be_shared(path: pathlib.Path):
    seen = path.stat()
    assert stat.S_IMODE(seen.st_mode) & 0o2770 == 0o2770, oct(seen.st_mode)
    assert seen.st_gid == GROUP


def must_refuse(host: Host, *words) -> str:
    before = host.state()
    done = host.jobs_folder(*words)
    assert done.returncode == 1, done.stdout
    assert host.state() == before
    return done.stderr


@pytest.mark.parametrize("words", [(), (OWN,), (OWN + "/below",)])
def test_a_link_of_the_service_does_not_lead_root_elsewhere(host, words):
    host.make("/opt/app/below")
    (host.at("/opt/app/below/file")).write_text("root's")
    host.link(OWN, "/opt/app", SERVICE)
    assert "symbolic link" in must_refuse(host, *words)


def test_a_link_of_root_in_a_folder_of_the_service_is_refused(host):
    """The service could put its own in its place."""
    host.make("/opt/app")
    host.link(OWN, "/opt/app")
    assert "symbolic link" in must_refuse(host)


def test_a_link_of_root_is_followed(host):
    host.make("/opt/big/jobs")
    host.link("/srv/first", "../srv/./second")
    host.link("/srv/second", "/opt/big")
    told = must_do(host.jobs_folder("/srv/first/jobs"))
    must_be_shared(host.at("/opt/big/jobs"))
    assert "set JOBS_DIR=/opt/big/jobs" in told
    host.link("/srv/round", "round")
    assert "too many links" in must_refuse(host, "/srv/round/jobs")


def test_the_command_opens_no_path_with_a_link(host):
    """What was checked may have been replaced since."""
    host.make("/opt/app/jobs")
    host.link("/srv/app", "/opt/app")
    host.link("/srv/jobs", "/opt/app/jobs")
    before = host.state()
    for path in ("/srv/jobs", "/srv/app/jobs"):
        done = host.run("charref", "jobs-folder", path)
        assert done.returncode == 1 and "symbolic link" in done.stderr
    assert host.state() == before
    must_do(host.run("charref", "jobs-folder", "/opt/app/jobs"))


@pytest.mark.parametrize("folder", [
    "/var", "/var/log", "/var/log/app", "/var/spool/x", "/var/cache/x",
    "/var/lib/dpkg", "/var/lib/charref", "/var/lib/charref/mv/x",
    "/var/opt/jobs", "/etc/x", "/lib64/x", "/home/x/jobs", "/srv", "relative"])
def test_folders_that_are_not_for_jobs_are_refused(host, folder):
    assert must_refuse(host, folder).startswith("charref-admin: ")


@pytest.mark.parametrize("folder", [OWN, "/var/lib/charref/more/jobs",
                                    "/srv/jobs", "/opt/deep/jobs"])
def test_a_folder_that_is_missing_is_made_the_services(host, folder):
    told = must_do(host.jobs_folder(folder))
    must_be_shared(host.at(folder))
    assert host.at(folder).stat().st_uid == SERVICE
    assert (f"set JOBS_DIR={folder} " in told) == (folder != OWN)
    assert host.may_write() == (
        {folder} if not folder.startswith("/var") else set())


def test_root_makes_no_folder_in_one_of_another_user(host):
    host.make("/srv/team", 64007)
    assert "/srv/team is not root's" in must_refuse(host, "/srv/team/a/jobs")
    host.make("/srv/team/jobs", 64007)
    must_do(host.jobs_folder("/srv/team/jobs"))
    must_be_shared(host.at("/srv/team/jobs"))


def test_the_units_keep_the_folder_in_force_until_it_changes(host):
    def move(to: str, wanted: set[str]):
        """What an administrator does, and what the units may write to."""
        told = must_do(host.jobs_folder(to))
        assert f"set JOBS_DIR={to} " in told and "charref-reload" in told
        assert host.may_write() == wanted
        host.set_jobs(to)

    move("/srv/a", {"/srv/a"})
    assert must_do(host.jobs_folder()).count("\n") == 1
    move("/srv/b", {"/srv/a", "/srv/b"})
    assert "charref-reload" in must_do(host.jobs_folder())
    assert host.may_write() == {"/srv/b"}
    move(OWN, {"/srv/b"})
    assert "charref-reload" in must_do(host.jobs_folder())
    assert host.may_write() == set()


def test_a_folder_in_the_one_in_force_needs_nothing_more(host):
    host.set_jobs("/srv/a")
    must_do(host.jobs_folder())
    host.make("/srv/a/job-1")
    assert "JOBS_DIR" not in must_do(host.jobs_folder("/srv/a/job-1"))
    assert host.may_write() == {"/srv/a"}


@pytest.mark.parametrize("jobs", ["/tmp/video_jobs", "/etc/x", OWN + "/x"])
def test_a_folder_in_force_that_cannot_be_one_is_not_kept(host, jobs):
    host.link(OWN, "/etc", SERVICE)
    host.set_jobs(jobs)
    must_do(host.jobs_folder("/srv/a"))
    assert host.may_write() == {"/srv/a"}
