"""The jobs' folder, which the service and the pipeline's user share.

Service and pipeline are two users of one group, as an installed host has
them; only root can be both.
"""

import contextlib
import json
import os
import pathlib
import pwd
import shutil
import stat
import struct
import subprocess

import pytest

import house as houses
from house import House, Listener, missing, program, wait_until
from s3_double import S3Double

SERVICE, PIPELINE, GROUP = 64001, 64002, 64003
NOBODY, WWW = 65534, 33
ASSOCIATE = "/api/mv/associate_character_images_with_job"
PERSIST = "/api/mv/persist_job_assets"
DOWNLOAD = "/api/mv/download_job_assets"
COPIES = "character_reference"
JOB = "job-7"
HELP = "charref-admin jobs-folder"
DEFAULT_ACL = "system.posix_acl_default"
# user::rwx, group::rwx, other::---, as `a+ default:group::rwx` makes of 2770.
SHARED = struct.pack("<I" + "HHI" * 3, 2, 1, 7, 2**32 - 1, 4, 7, 2**32 - 1,
                     32, 0, 2**32 - 1)
UMASKS = pytest.mark.parametrize("umask", [0o022, 0o002])
DOORS = pytest.mark.parametrize("door", ["http", "command"])


class Host:
    """A service of one user, and the pipeline of another."""

    def __init__(self, double: S3Double, service: int = SERVICE,
                 group: int = GROUP):
        self.uid, self.gid = service, group
        self.house = House(workers=dict.fromkeys(houses.POOLS, 0),
                           nginx=False, cloud=double, uploader=False)
        self.jobs = self.house.folder / "jobs"
        self.job = self.jobs / JOB
        self.house.root.mkdir()
        self.house.folder.chmod(0o755)
        for path in (self.house.folder, self.house.root):
            os.chown(path, service, service)
        self.jobs.mkdir()
        os.chown(self.jobs, service, group)
        self.jobs.chmod(0o2770)
        self.listener = Listener(self.house)
        self.wire = self.listener.wire

    def share(self):
        """What tmpfiles.d does to the folder of an installed service."""
        try:
            os.setxattr(self.jobs, DEFAULT_ACL, SHARED)
        except OSError:
            missing("the file system has no ACLs")

    def start(self) -> "Host":
        """A worker, and what runs the operations."""
        self.listener.workers.append(subprocess.Popen(
            [program("charref-fcgi")], stdin=self.listener.socket,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=self.house.env, **self.service()))
        assert self.wire.ask("GET", "/healthz", deadline=20.0).status == 200
        self.house.uploader.process = subprocess.Popen(
            [program("charref"), "uploader"], env=self.house.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, **self.service())
        return self

    def service(self) -> dict:
        """Who runs the service; charref-admin gives its umask."""
        return {"user": self.uid, "group": self.uid,
                "extra_groups": [self.gid], "umask": 0o027}

    def charref(self, *words) -> subprocess.CompletedProcess:
        """The command, as charref-admin runs it."""
        return subprocess.run(
            [program("charref"), *(str(word) for word in words)],
            env=self.house.env, text=True, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=60, check=False, **self.service())

    def as_root(self, *words) -> subprocess.CompletedProcess:
        """The command, as root runs it."""
        return self.house.charref(*(str(word) for word in words))

    def pipeline(self, script: str, umask: int = 0o022):
        """What the pipeline does in its job's folder, or in JOBS_DIR."""
        done = subprocess.run(
            ["sh", "-euc", script], text=True, stdin=subprocess.DEVNULL,
            cwd=self.job if self.job.exists() else self.jobs,
            capture_output=True, timeout=60, check=False, user=PIPELINE,
            group=PIPELINE, extra_groups=[GROUP], umask=umask)
        assert done.returncode == 0, done.stderr

    def image(self) -> str:
        """An image of the store: its id."""
        got = self.wire.generate(num_images=1)
        assert got.status == 200, got.body
        return got.images()[0]["id"]

    def post(self, path: str, **body):
        return self.wire.ask("POST", path, json.dumps(body).encode())

    def operation(self, path: str) -> dict:
        """Asks for one, and waits for what came of it."""
        asked = self.post(path, job_id=JOB)
        assert asked.status == 202, asked.body

        def over():
            seen = self.wire.ask("GET", asked.json()["status_url"]).json()
            return seen["state"] in ("done", "failed") and seen
        return wait_until(over, "the end of an operation", 30.0)

    def associate(self, door: str, image: str):
        """By either door it must come into the job's folder."""
        if door == "http":
            got = self.post(ASSOCIATE, job_id=JOB, image_ids=[image])
            assert got.status == 200, got.body
            assert got.json()["images"][0]["status"] in ("uploaded", "copied")
        else:
            done = self.charref("associate", JOB, image)
            assert done.returncode == 0, done.stderr

    def move(self, door: str, verb: str):
        """Persists or downloads the job, which must do."""
        if door == "http":
            seen = self.operation(PERSIST if verb == "persist" else DOWNLOAD)
            assert seen["state"] == "done", seen
            assert seen["result"]["troubles"] == [], seen
        else:
            done = self.charref(f"{verb}-job", JOB, self.job)
            assert done.returncode == 0, done.stderr

    def end(self):
        self.house.uploader.end()
        self.listener.end()
        self.house.end()


@pytest.fixture(name="host")
def two_users():
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    with contextlib.closing(S3Double()) as double:
        one = Host(double)
        try:
            yield one
        finally:
            one.end()


def everything(folder: pathlib.Path) -> list[pathlib.Path]:
    return [folder, *folder.rglob("*")]


def must_be_for_both(folder: pathlib.Path):
    """The group may write whatever is there, and the others see nothing."""
    for path in everything(folder):
        seen = path.stat()
        wanted = 0o2770 if path.is_dir() else 0o660
        assert stat.S_IMODE(seen.st_mode) == wanted, (path, oct(seen.st_mode))
        assert seen.st_gid == GROUP, path


FILL = """mkdir -p scenes/1 final
echo '{}' >metadata.json; echo one >scenes/1/take; echo cut >final/video.mp4"""
# In place, by a new file of the name, by a file beside it.
CHANGE = """for file in %s; do echo more >>"$file"; cp "$file" new
mv -f new "$file"; done; touch %s/by-hand"""


# ------------------------------------------------------------ a whole job


@UMASKS
@DOORS
@pytest.mark.parametrize("first", ["service", "pipeline"])
def test_a_whole_job_is_made_by_both(host, first, door, umask):
    host.share()
    image = host.start().image()
    if first == "pipeline":
        host.pipeline(f"mkdir {JOB}; cd {JOB}; {FILL}", umask)
    host.associate(door, image)
    host.pipeline(FILL, umask)
    host.pipeline(CHANGE % (f"{COPIES}/{image}.png", COPIES), umask)
    host.move(door, "persist")
    must_be_for_both(host.job)
    before = {path: path.read_bytes() for path in everything(host.job)
              if path.is_file()}
    if first == "pipeline":  # it has begun to make the job again
        host.pipeline("rm -r *; mkdir -p scenes/1", umask)
    else:
        host.pipeline(f"rm -r {host.job}", umask)
    host.move(door, "download")
    assert before == {path: path.read_bytes() for path in everything(host.job)
                      if path.is_file()}
    must_be_for_both(host.job)
    host.pipeline(CHANGE % (f"final/video.mp4 scenes/1/take metadata.json "
                            f"{COPIES}/{image}.png", "scenes/1"), umask)
    host.pipeline("rm final/video.mp4; mkdir scenes/2", umask)
    host.move(door, "download")
    host.move(door, "persist")
    assert host.charref("verify-job", JOB, host.job).returncode == 0
    must_be_for_both(host.job)


# ------------------------------------------------------- without ACLs


def test_what_the_service_makes_is_the_groups_without_acls(host):
    """Its umask takes nothing away there."""
    image = host.start().image()
    host.associate("http", image)
    must_be_for_both(host.job)
    host.pipeline(FILL, 0o002)
    host.move("command", "persist")
    host.pipeline(f"rm -r {host.job}")
    host.move("http", "download")
    must_be_for_both(host.job)


def test_elsewhere_the_umask_holds(host):
    image = host.start().image()
    for path in (host.house.store, host.house.root / "catalogue.db"):
        assert path.stat().st_mode & 0o027 == 0, path
    for path in host.house.store.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    own = host.house.root / "own"
    assert host.charref("associate", JOB, image, "--base", own
                        ).returncode == 0
    for path in everything(own):
        assert path.stat().st_mode & 0o027 == 0, path


def must_name(text: str, folder: pathlib.Path, mode: str):
    """Folder, owner, mode, and the command that helps."""
    assert f"{folder} ({PIPELINE}:{GROUP} {mode})" in text, text
    assert HELP in text, text


@pytest.mark.parametrize("folder", ["", COPIES])
def test_a_folder_that_the_service_may_not_write_is_a_conflict(host, folder):
    image = host.start().image()
    host.pipeline(f"mkdir -p {JOB}/{folder}")
    if folder:
        host.pipeline("chmod g+w .")
    place = host.job / folder
    got = host.post(ASSOCIATE, job_id=JOB, image_ids=[image])
    assert (got.status, got.json()["detail"]["error"]) == (409, "Conflict")
    must_name(got.json()["detail"]["message"], place, "2755")
    done = host.charref("associate", JOB, image)
    assert done.returncode == 1
    must_name(done.stderr, place, "2755")


def test_a_copy_that_is_there_needs_no_right_to_write(host):
    image = host.start().image()
    host.associate("http", image)
    os.chown(host.job / COPIES, PIPELINE, GROUP)
    (host.job / COPIES).chmod(0o2755)
    host.associate("http", image)


def test_operations_name_the_folder_too(host):
    image = host.start().image()
    host.associate("http", image)
    host.pipeline(FILL, 0o002)
    host.move("http", "persist")
    host.pipeline(f"rm -r {host.job}; mkdir -p {host.job}/scenes", 0o002)
    host.pipeline("chmod g-w scenes")
    seen = host.operation(DOWNLOAD)
    assert (seen["state"], seen["error"]["error"]) == ("failed", "Conflict")
    (trouble,) = seen["result"]["troubles"]
    assert (trouble["path"], trouble["error"]) == ("scenes/1/take", "Conflict")
    must_name(trouble["message"], host.job / "scenes", "2755")
    host.pipeline("chmod 700 .")
    for path in (DOWNLOAD, PERSIST):
        seen = host.operation(path)
        assert seen["error"]["error"] == "Conflict", seen
        must_name(seen["error"]["message"], host.job, "2700")


def test_a_file_that_the_service_may_not_read_is_named(host):
    image = host.start().image()
    host.associate("http", image)
    host.pipeline(FILL + "; mkdir closed; touch closed/x; chmod 600 "
                  "metadata.json; chmod 700 closed", 0o002)
    seen = host.operation(PERSIST)
    troubles = {one["path"]: one for one in seen["result"]["troubles"]}
    assert set(troubles) == {"metadata.json", "closed"}
    assert {one["error"] for one in troubles.values()} == {"Conflict"}
    must_name(troubles["metadata.json"]["message"], host.job / "metadata.json",
              "0600")
    must_name(troubles["closed"]["message"], host.job / "closed", "2700")


def test_the_command_that_helps_has_the_folder(host):
    """The nearest that is shared; a base elsewhere by its own name."""
    image = host.start().image()

    def must_advise(folder: pathlib.Path, *base):
        done = host.charref("associate", JOB, image, *base)
        assert done.returncode == 1
        assert f"run `{HELP} {folder}` as root" in done.stderr, done.stderr
        return done.stderr

    host.pipeline(f"mkdir -p {JOB}/{COPIES}")
    must_advise(host.jobs)
    host.pipeline("chmod g+w .")
    must_advise(host.job)
    closed = host.house.folder / "closed"
    closed.mkdir()
    assert f" write to {closed} (" in must_advise(
        closed / "new/base", "--base", closed / "new/base")
    (closed / "base").mkdir()
    must_advise(closed / "base", "--base", closed / "base")
    (closed / "base").chmod(0o700)
    must_advise(closed / "base", "--base", closed / "base")


def test_a_big_file_that_the_service_may_not_read_is_named(host):
    """It is read only when its turn to be sent has come."""
    host.start().associate("http", host.image())
    host.pipeline("truncate -s 64M film.mp4; chmod 600 film.mp4", 0o002)
    seen = host.operation(PERSIST)
    [trouble] = seen["result"]["troubles"]
    assert trouble["error"] == "Conflict", trouble
    must_name(trouble["message"], host.job / "film.mp4", "0600")


# ------------------------------------------------------ making it right


def test_jobs_folder_makes_it_right_and_all_below_it(host):
    image = host.start().image()
    os.chown(host.jobs, SERVICE, SERVICE)
    host.jobs.chmod(0o755)
    inside = host.house.folder / "moved"
    inside.mkdir()
    for path, mode in (("scenes", 0o755), ("scenes/1", 0o700)):
        (inside / path).mkdir()
        (inside / path).chmod(mode)
    (inside / "scenes/1/take").write_text("one")
    (inside / "scenes/1/take").chmod(0o600)
    (inside / "run").write_text("#!/bin/sh")
    (inside / "run").chmod(0o744)
    outside = host.house.folder / "outside"
    outside.mkdir(mode=0o700)
    secret = host.house.folder / "secret"
    secret.write_text("not the pipeline's")
    secret.chmod(0o600)
    (inside / "link").symlink_to(outside)
    os.link(secret, inside / "hard")
    os.mkfifo(inside / "pipe", 0o600)
    for path in everything(inside):
        os.lchown(path, PIPELINE, PIPELINE)
    os.chown(secret, 0, 0)
    shutil.move(inside, host.job)
    os.chown(host.jobs, SERVICE, GROUP)
    done = host.as_root("jobs-folder", host.jobs)
    assert done.returncode == 1, done.stderr
    for path, mode in ((".", 0o2775), (JOB, 0o2775), (f"{JOB}/scenes", 0o2775),
                       (f"{JOB}/scenes/1", 0o2770),
                       (f"{JOB}/scenes/1/take", 0o660), (f"{JOB}/run", 0o774)):
        seen = (host.jobs / path).stat()
        assert (stat.S_IMODE(seen.st_mode), seen.st_gid) == (mode, GROUP), path
        if (host.jobs / path).is_dir():
            assert os.getxattr(host.jobs / path, DEFAULT_ACL)
    assert (host.job / "scenes/1/take").stat().st_uid == PIPELINE
    assert stat.S_IMODE(outside.stat().st_mode) == 0o700
    assert (stat.S_IMODE(secret.stat().st_mode), secret.stat().st_gid) == \
        (0o600, 0)
    assert "/hard: is a hard link" in done.stderr
    assert "/link" not in done.stderr
    (host.job / "hard").unlink()
    host.associate("http", image)
    host.pipeline("mkdir new; touch new/file")
    assert (host.job / "new").stat().st_mode & 0o2070 == 0o2070
    again = host.as_root("jobs-folder", host.jobs)
    assert again.returncode == 0 and ", 0 of them changed" in again.stdout


def shared_jobs(done: subprocess.CompletedProcess) -> dict:
    """What the doctor says of them."""
    return {one["name"]: one for one in json.loads(done.stdout)["checks"]
            }["shared jobs"]


def test_the_doctor_judges_by_the_modes_what_it_cannot_try(host):
    seen = shared_jobs(host.charref("doctor", "--json"))
    assert seen["state"] == "warning", seen
    assert "no default ACL" in seen["found"]
    assert "judged by its modes" in seen["found"]
    assert HELP in seen["remedy"]
    host.share()
    assert shared_jobs(host.charref("doctor", "--json"))["state"] == "ok"
    host.pipeline(f"mkdir {JOB}; chmod g-w {JOB}")
    seen = shared_jobs(host.charref("doctor", "--json"))
    assert seen["state"] == "warning", seen
    must_name(seen["found"] + seen["remedy"], host.job, "2750")
    host.jobs.chmod(0o750)
    seen = shared_jobs(host.charref("doctor", "--json"))
    assert (seen["state"], seen["remedy"]) == ("ok", None)
    assert "not shared" in seen["found"]


def members() -> list[str]:
    """The users of nobody's group, who are there on every Debian."""
    return [one.pw_name for one in pwd.getpwall()
            if one.pw_gid == NOBODY and one.pw_uid not in (0, NOBODY)]


@pytest.mark.parametrize("group", [NOBODY, WWW])
def test_root_tries_the_folder_as_service_and_members(group):
    """nobody is no member of the other group, so theirs is not its to
    write."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    if not members():
        missing("nobody's group has no other member")
    with contextlib.closing(S3Double()) as double:
        host = Host(double, NOBODY, group)
        try:
            host.share()
            seen = shared_jobs(host.as_root("doctor", "--json"))
            assert os.listdir(host.jobs) == []
        finally:
            host.end()
    if group == NOBODY:
        assert seen["state"] == "ok", seen
        for name in members():
            assert f"nobody writes what {name} made" in seen["found"], seen
    else:
        assert seen["state"] == "failed", seen
        assert "nobody may not " in seen["found"], seen
        assert HELP in seen["remedy"]
