"""Whole jobs where somebody means harm: in the bucket, in the folder.

Whatever lies there, a command ends, names what it refused without a control
character, does the rest, and touches nothing outside of the job's folder.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import types
import unicodedata

import pytest

from house import SLOWNESS, House, need_tool, program, wait_until
from s3_double import Fault, S3Double, stall
from warehouse import a_depot

JOB = "job-1"
ROOT = f"videos/{JOB}/"
INSIDE = ROOT + "intermediate/"
GOOD = {"script.json": b"{}", "scenes/1/a.mp4": b"scene" * 999}
NOBODY = 65534
PARALLEL = 16  # transfers at a time


# ------------------------------------------------------------------ buckets


class Ceph:
    """A bucket of one's own of the real gateway."""

    def __init__(self, gateway):
        self.gateway, self.name = gateway, gateway.new_bucket()
        self.client = gateway.client()
        self.cloud = types.SimpleNamespace(
            bucket=self.name, url=gateway.url, access_key=gateway.access_key,
            secret_key=gateway.secret_key)

    def put(self, key: str, data: bytes, **metadata: str):
        """An object as a stranger leaves it."""
        self.client.put_object(Bucket=self.name, Key=key, Body=data,
                               Metadata=metadata)


class Scripted:
    """The double's bucket, which takes any text for a key."""

    def __init__(self):
        self.cloud = S3Double()

    def put(self, key: str, data: bytes, **metadata: str):
        """An object as a stranger leaves it."""
        self.cloud.put(key, data).metadata.update(metadata)


@pytest.fixture(name="ceph")
def a_real_bucket(gateway):
    """Empty."""
    return Ceph(gateway)


@pytest.fixture(name="scripted")
def a_bucket_of_the_double():
    """Empty, too; its end asks for complaints."""
    one = Scripted()
    yield one
    # Of multipart uploads, which a command looks for, the double knows nothing.
    complaints = [said for said in one.cloud.complaints
                  if "['uploads']" not in said]
    one.cloud.close()
    assert not complaints, complaints


@pytest.fixture(name="bucket", params=["ceph", "scripted"])
def any_bucket(request):
    """Of a real server and of the double in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(name="new_depot")
def depots():
    """Makes catalogues and commands for a bucket."""
    made: list[House] = []

    def make(bucket) -> House:
        made.append(a_depot(bucket.cloud))
        return made[-1]

    yield make
    for one in made:
        one.end()


# ------------------------------------------------------------------ folders


def everything(folder: pathlib.Path) -> dict[str, object]:
    """All below a folder, dotfiles too: bytes, where a link leads, kinds."""
    found: dict[str, object] = {}
    for at, folders, names in os.walk(folder):
        for name in folders + names:
            path = pathlib.Path(at, name)
            if path.is_symlink():
                found[str(path.relative_to(folder))] = os.readlink(path)
            elif path.is_file():
                found[str(path.relative_to(folder))] = path.read_bytes()
            elif not path.is_dir():
                found[str(path.relative_to(folder))] = path.lstat().st_mode
    return found


def fill(folder: pathlib.Path, files: dict[str, bytes]) -> pathlib.Path:
    """Lays files there."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(name="canary")
def a_tree_that_nobody_touches(tmp_path):
    """Beside the folder; as it was when the test ends."""
    folder = fill(tmp_path / "canary", {"a.mp4": b"canary", "1/a.mp4": b"it"})
    before = everything(folder)
    beside = set(os.listdir(tmp_path))
    yield folder
    assert everything(folder) == before
    assert set(os.listdir(tmp_path)) - beside <= {"back", "job"}


def must_be_safe(text: str):
    """Nothing in it moves a cursor."""
    bad = {c for c in text if unicodedata.category(c) == "Cc"} - {"\n"}
    assert not bad, (bad, text)


class Ran:
    """A command's exit status, its document, and the names in it."""

    def __init__(self, done: subprocess.CompletedProcess):
        must_be_safe(done.stderr)
        must_be_safe(done.stdout)
        self.code, self.stderr = done.returncode, done.stderr
        self.report = json.loads(done.stdout)
        self.troubles = {one["path"]: one["message"]
                         for one in self.report.get("troubles", [])}
        for name, message in self.troubles.items():
            must_be_safe(name.replace("\n", "\r") + message)
        assert len(self.troubles) == len(self.report.get("troubles", []))


def run(depot: House, verb: str, folder, *wrapper: str) -> Ran:
    """A verb on the job in that folder, perhaps under another program."""
    done = subprocess.run(
        [*wrapper, program("charref"), verb, JOB, str(folder), "--json"],
        env=depot.env, text=True, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=50 * SLOWNESS)
    return Ran(done)


def download(depot: House, folder, *wrapper: str) -> Ran:
    """download-job."""
    return run(depot, "download-job", folder, *wrapper)


def persist(depot: House, folder, *wrapper: str) -> Ran:
    """persist-job."""
    return run(depot, "persist-job", folder, *wrapper)


def persisted(new_depot, bucket, folder) -> House:
    """A depot whose bucket has the job already."""
    depot = new_depot(bucket)
    ran = persist(depot, folder)
    assert ran.code == 0, ran.stderr
    return depot


def started(depot: House, verb: str, folder) -> subprocess.Popen:
    """The command, on its way."""
    return subprocess.Popen(
        [program("charref"), verb, JOB, str(folder), "--json"], text=True,
        env=depot.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)


def ended(one: subprocess.Popen) -> Ran:
    """What became of it."""
    said, complained = one.communicate(timeout=50 * SLOWNESS)
    return Ran(subprocess.CompletedProcess([], one.returncode, said,
                                           complained))


# --------------------------------------------------------------------- keys


EMPTY = "has an empty name in it"
DOT = "has a name that begins with a dot"
CONTROL = "has a control character"
REFUSED = {
    INSIDE + "../up": DOT,
    INSIDE + "a/../../../up": DOT,
    INSIDE + "..": DOT,
    INSIDE + "./here": DOT,
    INSIDE + "a/.": DOT,
    INSIDE + "/etc/passwd": EMPTY,
    INSIDE + "a//b": EMPTY,
    INSIDE + "a/b/": EMPTY,
    INSIDE: "is empty",
    INSIDE + ".hidden": DOT,
    INSIDE + ".draft-00000000-0000-4000-8000-000000000000": DOT,
    INSIDE + "new\nline": CONTROL,
    INSIDE + "esc\x1b[2J": CONTROL,
    INSIDE + "bell\x07": CONTROL,
    INSIDE + "del\x7f": CONTROL,
    INSIDE + "c1\x9b2J": CONTROL,
    INSIDE + "n" * 256: "has a name of more than 255 bytes",
    INSIDE + "d/" * 79 + "x": "is more than 64 names deep",
    INSIDE + "final/x": "its path belongs below final/",
    ROOT + "final/": EMPTY,
    ROOT + "other/x": "is neither below final/ nor below intermediate/",
    ROOT + "stray": "is neither below final/ nor below intermediate/",
    ROOT + "/x": "is neither below final/ nor below intermediate/",
    ROOT: "is neither below final/ nor below intermediate/",
}
TAKEN = {
    "n" * 255: b"long name",
    "d/" * 63 + "x": b"deep",
    "case": b"small", "CASE": b"large",
    "back\\slash": b"one", "%2e%2e": b"two", "a b+c&d=e?f#g": b"three",
    "\u65e5\u672c\U0001f600": b"four", "-rf": b"five", "~": b"six",
    "$(x)`y`'z\"": b"seven",
    "/".join(["m" * 250] * 3 + ["e" * (1024 - len(INSIDE) - 3 * 251)]):
        b"a key of 1024 bytes",
    "final/intermediate/x": b"eight",
    "intermediate/final/x": b"nine", "manifest.json": b"ten",
}


def key_of(path: str) -> str:
    """Where a path's object belongs."""
    return (ROOT if path.startswith("final/") else INSIDE) + path


def shown(key: str) -> str:
    """The key as it may be shown."""
    out = ""
    for c in key:
        if unicodedata.category(c) == "Cc" or c == "\\":
            out += "".join(f"\\x{byte:02x}" for byte in c.encode())
        else:
            out += c
    return out


def test_keys_that_no_path_has_are_named_and_the_others_fetched(
        new_depot, bucket, canary, tmp_path):
    depot = new_depot(bucket)
    for key in REFUSED:
        bucket.put(key, b"hostile")
    for path, data in (TAKEN | GOOD).items():
        bucket.put(key_of(path), data)
    back = tmp_path / "back"
    ran = download(depot, back)
    assert ran.code == 1
    expected = {shown(key): why for key, why in REFUSED.items()}
    assert set(ran.troubles) == set(expected)
    for name, why in expected.items():
        assert why in ran.troubles[name], name
    assert everything(back) == TAKEN | GOOD
    again = download(depot, back)
    assert again.troubles == ran.troubles
    assert again.report["sent"] == 0


def spelled(names: dict[bytes, bytes]) -> Fault:
    """Replaces names in the reply, which a server then has never checked."""
    def act(exchange):
        for name, other in names.items():
            exchange.reply.body = exchange.reply.body.replace(name, other)
    return Fault("reply", act)


def test_keys_that_are_no_text_are_named_byte_by_byte(new_depot, scripted,
                                                      tmp_path):
    depot = new_depot(scripted)
    for name in ("FIRST", "SECOND", "good"):
        scripted.put(INSIDE + name, b"good")
    scripted.cloud.on(spelled({b"FIRST": b"caf%E9%9B2J",
                               b"SECOND": b"%C0%AE%C0%AE%2Fup"}),
                      method="GET", key="", times=None)
    ran = download(depot, tmp_path / "back")
    assert ran.code == 1
    assert set(ran.troubles) == {INSIDE + "caf\\xe9\\x9b2J",
                                 INSIDE + "\\xc0\\xae\\xc0\\xae/up"}
    assert everything(tmp_path / "back") == {"good": b"good"}
    text = depot.charref("download-job", JOB, str(tmp_path / "back"))
    must_be_safe(text.stderr)
    assert r"caf\xe9\x9b2J" in text.stderr


def test_a_file_and_a_folder_of_one_name_cannot_both_come(new_depot, bucket,
                                                          tmp_path):
    depot = new_depot(bucket)
    objects = {"a": b"file", "a/b": b"below", "c": b"other"}
    for path, data in objects.items():
        bucket.put(key_of(path), data)
    ran = download(depot, tmp_path / "back")
    assert ran.code == 1
    (lost,) = ran.troubles
    assert lost in ("a", "a/b")
    del objects[lost]
    assert everything(tmp_path / "back") == objects


def test_a_job_has_nothing_of_one_whose_name_begins_like_its_own(
        new_depot, bucket, tmp_path):
    depot = new_depot(bucket)
    bucket.put(key_of("mine"), b"mine")
    bucket.put(key_of("theirs").replace(JOB, JOB + "0"), b"theirs")
    bucket.put(f"videos/{JOB}", b"nobody's")
    ran = download(depot, tmp_path / "back")
    assert (ran.code, ran.troubles) == (0, {})
    assert everything(tmp_path / "back") == {"mine": b"mine"}


def test_a_job_of_more_objects_than_a_page_comes_whole(new_depot, scripted,
                                                       tmp_path):
    depot = new_depot(scripted)
    scripted.cloud.page_size = 100
    objects = {f"s/{n:04}": b"%d" % n for n in range(450)}
    for path, data in objects.items():
        scripted.put(key_of(path), data)
    ran = download(depot, tmp_path / "back")
    assert (ran.code, ran.report["sent"]) == (0, 450)
    assert everything(tmp_path / "back") == objects


# ----------------------------------------------------------------- metadata


@pytest.mark.parametrize("sha256", ["0" * 64, "f" * 63, "no digest", "g" * 64,
                                    "0" * 63 + "A"])
def test_bytes_that_belie_their_digest_do_not_appear(new_depot, bucket,
                                                     tmp_path, sha256):
    depot = new_depot(bucket)
    bucket.put(key_of("liar"), b"not these", sha256=sha256)
    bucket.put(key_of("good"), b"good",
               sha256=hashlib.sha256(b"good").hexdigest())
    back = fill(tmp_path / "back", {"liar": b"what was there before"})
    ran = download(depot, back)
    assert ran.code == 1 and set(ran.troubles) == {"liar"}
    assert "digest" in ran.troubles["liar"]
    assert everything(back) == {"good": b"good",
                                "liar": b"what was there before"}


@pytest.mark.parametrize("mtime", ["", "-1", "nan", "1e400", "now", "0x10",
                                   "9" * 30, "1.5.5", "99999999999999"])
def test_a_time_that_is_none_is_no_reason_to_lose_a_file(new_depot, scripted,
                                                         tmp_path, mtime):
    depot = new_depot(scripted)
    scripted.put(key_of("file"), b"data", mtime=mtime)
    ran = download(depot, tmp_path / "back")
    assert (ran.code, ran.troubles) == (0, {})
    assert everything(tmp_path / "back") == {"file": b"data"}


# ---------------------------------------------------------------- manifests


def entry(path: str, data: bytes, **other) -> dict:
    """A file as the manifest has it."""
    return {"path": path, "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "media_type": "text/plain",
            "mtime": "2026-01-02T03:04:05Z"} | other


def manifest(*files: dict, **other) -> bytes:
    """A whole one."""
    return json.dumps({"version": 1, "job_id": JOB,
                       "created_at": "2026-01-02T03:04:05Z",
                       "files": list(files)} | other).encode()


BROKEN = {
    "no JSON": b"<html>\x1b[2J</html>",
    "empty": b"",
    "another job's": manifest(job_id="job-10"),
    "another version": manifest(version=2),
    "no files": manifest(files={}),
    "nested": b'{"version":1,"job_id":"job-1","files":' + b"[" * (20 << 20),
    "nested and closed": b"[" * (10 << 20) + b"]" * (10 << 20),
    "cut": manifest(entry("good", b"good"))[:-20],
    "binary": bytes(range(256)) * 16,
    "too large": b" " * ((64 << 20) - 16) + manifest(),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_manifest_is_named_and_the_files_come(new_depot, ceph,
                                                       tmp_path, what):
    depot = new_depot(ceph)
    ceph.put(ROOT + "manifest.json", BROKEN[what])
    for path, data in GOOD.items():
        ceph.put(key_of(path), data)
    back = tmp_path / "back"
    ran = download(depot, back)
    assert ran.code == 1
    assert set(ran.troubles) == {"manifest.json"}
    assert everything(back) == GOOD
    looked = run(depot, "verify-job", back)
    assert looked.code != 0 and "manifest" in looked.stderr
    assert everything(back) == GOOD


def test_what_a_manifest_lists_beyond_reason_is_named(new_depot, bucket,
                                                      canary, tmp_path):
    depot = new_depot(bucket)
    wrong = {"../canary/a.mp4": DOT, "/etc/passwd": EMPTY,
             "esc\x1b[2J\u009b": CONTROL, ".draft-x": DOT}
    bucket.put(ROOT + "manifest.json", manifest(
        *(entry(path, b"x") for path in wrong), entry("good", b"good"),
        entry("good", b"evil"), entry("gone", b"gone"),
        entry("liar", b"truth")))
    bucket.put(key_of("good"), b"good")
    bucket.put(key_of("liar"), b"lies!")
    ran = download(depot, tmp_path / "back")
    assert ran.code == 1
    for path, why in wrong.items():
        assert why in ran.troubles.pop(shown(path))
    assert "twice" in ran.troubles.pop("good")
    assert "the bucket has not" in ran.troubles.pop("gone")
    assert "not what the manifest says" in ran.troubles.pop("liar")
    assert not ran.troubles
    assert everything(tmp_path / "back") == {"good": b"good"}


# --------------------------------------------------- folders to be filled


def test_links_in_the_way_of_a_download_are_not_followed(
        new_depot, bucket, canary, tmp_path):
    depot = persisted(new_depot, bucket, fill(tmp_path / "job", GOOD | {
        "a.mp4": b"top", "free": b"free", "deep/down/1/a.mp4": b"deep"}))
    back = fill(tmp_path / "back", {"deep/x": b"x"})
    (back / "scenes").symlink_to(canary)
    (back / "deep/down").symlink_to(canary, target_is_directory=True)
    (back / "a.mp4").symlink_to(canary / "a.mp4")
    (back / "script.json").symlink_to("nowhere")
    ran = download(depot, back)
    assert ran.code == 1
    assert set(ran.troubles) == {"scenes/1/a.mp4", "deep/down/1/a.mp4",
                                 "a.mp4", "script.json"}
    left = everything(back)
    assert left.pop("free") == b"free"
    assert left == {"deep/x": b"x", "scenes": str(canary),
                    "deep/down": str(canary), "a.mp4": str(canary / "a.mp4"),
                    "script.json": "nowhere"}
    for path in ("scenes", "deep/down", "a.mp4", "script.json"):
        (back / path).unlink()
    ran = download(depot, back)
    assert (ran.code, ran.report["sent"]) == (0, 4)


def lay_odd_things(folder: pathlib.Path) -> list[str]:
    """A pipe, a socket and, where one may, a device: their names."""
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(folder, os.O_PATH)
        one.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
    with contextlib.suppress(PermissionError):
        os.mknod(folder / "device", 0o20666, os.makedev(1, 5))
        return ["pipe", "socket", "device"]
    return ["pipe", "socket"]


def test_what_stands_where_a_file_or_folder_must_be_stays(new_depot, bucket,
                                                          tmp_path):
    back = tmp_path / "back"
    back.mkdir()
    odd = lay_odd_things(back)
    files = {name: name.encode() for name in odd} | {
        "folder": b"a file", "file/below": b"below", "free": b"free"}
    depot = persisted(new_depot, bucket, fill(tmp_path / "job", files))
    fill(back, {"folder/mine": b"mine", "file": b"mine"})
    before = everything(back)
    ran = download(depot, back)
    assert ran.code == 1
    assert set(ran.troubles) == {*odd, "folder", "file/below"}
    assert everything(back) == before | {"free": b"free"}


def test_a_folder_that_is_a_link_itself_is_its_operators_choice(
        new_depot, bucket, tmp_path):
    depot = new_depot(bucket)
    fill(tmp_path / "job", GOOD)
    (tmp_path / "link").symlink_to(tmp_path / "job")
    ran = persist(depot, tmp_path / "link")
    assert (ran.code, ran.report["sent"]) == (0, len(GOOD))
    (tmp_path / "job").rename(tmp_path / "old")
    (tmp_path / "job").mkdir()
    ran = download(depot, tmp_path / "link")
    assert ran.code == 0
    assert everything(tmp_path / "job") == GOOD
    assert run(depot, "verify-job", tmp_path / "link").code == 0


# ------------------------------------------------------ folders to be sent


def test_what_no_key_may_be_is_named_and_the_rest_goes(
        new_depot, bucket, canary, tmp_path):
    depot = new_depot(bucket)
    job = fill(tmp_path / "job", GOOD | {"n" * 255: b"long"})
    (job / "loop").symlink_to("loop")
    (job / "up").symlink_to("..")
    (job / "out").symlink_to(canary)
    (job / "scenes/leak").symlink_to(canary / "a.mp4")
    odd = lay_odd_things(job)
    (job / "new\nline").write_bytes(b"x")
    (job / "\x1b]0;title\x07").mkdir()
    with open(os.fsencode(job) + b"/latin-\xe9", "wb"):
        pass
    ran = persist(depot, job)
    assert ran.code == 1
    assert set(ran.troubles) == {
        "loop", "up", "out", "scenes/leak", *odd, r"new\x0aline",
        r"\x1b]0;title\x07", r"latin-\xe9"}
    back = tmp_path / "back"
    assert download(depot, back).code == 0
    assert everything(back) == GOOD | {"n" * 255: b"long"}


def test_a_deep_tree_goes_and_one_too_deep_is_named(new_depot, bucket,
                                                    tmp_path):
    depot = new_depot(bucket)
    deep = {"d/" * 59 + "x": b"60 names", "good": b"good"}
    job = fill(tmp_path / "job", deep | {"e/" * 79 + "x": b"80 names"})
    ran = persist(depot, job)
    assert ran.code == 1
    assert list(ran.troubles) == ["/".join("e" * 65)]
    assert download(depot, tmp_path / "back").code == 0
    assert everything(tmp_path / "back") == deep


@pytest.mark.parametrize("replaced_by", ["nothing", "link", "file", "pipe"])
def test_a_folder_that_goes_while_it_is_sent_is_named_file_by_file(
        new_depot, scripted, canary, tmp_path, replaced_by):
    depot = new_depot(scripted)
    names = [f"z/{n:03}" for n in range(3 * PARALLEL)]
    job = fill(tmp_path / "job", {name: b"true" for name in names})
    fill(canary, {name: b"evil" for name in names})
    gate = scripted.cloud.on(stall("body"), method="PUT", times=None)
    one = started(depot, "persist-job", job)
    gate.wait_taken(PARALLEL, 20 * SLOWNESS)
    shutil.rmtree(job / "z")
    if replaced_by == "link":
        (job / "z").symlink_to(canary / "z")
    elif replaced_by == "file":
        (job / "z").write_bytes(b"file")
    elif replaced_by == "pipe":
        os.mkfifo(job / "z")
    gate.release()
    ran = ended(one)
    shutil.rmtree(canary / "z")
    assert ran.code == 1
    assert set(ran.troubles) == set(names)
    # Bytes from outside of the folder, had they been sent, would have been
    # other ones than announced, of which the double complains.
    assert b"evil" not in {o.data for o in scripted.cloud.objects.values()}
    assert json.loads(scripted.cloud.objects[
        ROOT + "manifest.json"].data)["files"] == []


def test_a_job_folder_that_goes_while_it_is_sent_ends_the_command(
        new_depot, scripted, tmp_path):
    depot = new_depot(scripted)
    names = [f"{n:03}" for n in range(3 * PARALLEL)]
    job = fill(tmp_path / "job", {name: b"true" for name in names})
    gate = scripted.cloud.on(stall("body"), method="PUT", times=None)
    one = started(depot, "persist-job", job)
    gate.wait_taken(PARALLEL, 20 * SLOWNESS)
    shutil.rmtree(job)
    gate.release()
    ran = ended(one)
    assert ran.code == 1 and set(ran.troubles) == set(names)


def test_a_folder_that_becomes_a_link_while_it_is_filled_leads_nowhere(
        new_depot, scripted, canary, tmp_path):
    depot = new_depot(scripted)
    names = [f"z/{n:03}" for n in range(3 * PARALLEL)]
    for name in names:
        scripted.put(key_of(name), b"data")
    back = tmp_path / "back"
    gate = scripted.cloud.on(
        stall("headers"), method="GET", times=None,
        when=lambda request: request.key.endswith("9"))
    one = started(depot, "download-job", back)
    free = {name for name in names if not name.endswith("9")}
    wait_until(lambda: free == {str(path.relative_to(back))
                                for path in back.glob("z/[0-9]*")},
               "all that do not wait", 20.0)
    gate.wait_taken(len(names) - len(free), 20 * SLOWNESS)
    (back / "z").rename(back / "moved")
    (back / "z").symlink_to(canary)
    gate.release()
    ran = ended(one)
    assert ran.code == 1
    assert set(ran.troubles) == set(names) - free
    (back / "z").unlink()
    ran = download(depot, back)
    assert ran.code == 0
    found = everything(back)
    assert {name: found.get(name) for name in names} == \
        dict.fromkeys(names, b"data")


# --------------------------------------------------------- rights and room


@pytest.fixture(name="as_nobody")
def an_unprivileged_command(new_depot, bucket):
    """A depot of another user, its job folder, and how to become him."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    depot = new_depot(bucket)
    job = fill(depot.folder / "job", GOOD)
    depot.folder.chmod(0o755)
    for path in (depot.folder, *depot.folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return depot, job, (need_tool("setpriv"), f"--reuid={NOBODY}",
                        f"--regid={NOBODY}", "--clear-groups")


def test_what_may_not_be_read_is_named_and_the_rest_goes(as_nobody):
    depot, job, nobody = as_nobody
    fill(job, {"secret": b"root's", "closed/x": b"x", "listed/x": b"x"})
    (job / "secret").chmod(0o600)
    (job / "closed").chmod(0o700)
    (job / "listed").chmod(0o744)
    ran = persist(depot, job, *nobody)
    assert ran.code == 1
    assert set(ran.troubles) == {"secret", "closed", "listed/x"}
    assert ran.report["sent"] == len(GOOD)


def test_a_folder_that_may_not_be_written_is_left_as_it_was(as_nobody):
    depot, job, nobody = as_nobody
    assert persist(depot, job, *nobody).code == 0
    back = fill(depot.folder / "back", {"scenes/mine": b"mine"})
    ran = download(depot, back, *nobody)
    assert ran.code == 1
    assert set(ran.troubles) == set(GOOD)
    assert everything(back) == {"scenes/mine": b"mine"}
    ran = download(depot, depot.folder / "job/script.json", *nobody)
    assert ran.code != 0


BIG = {f"{n}.bin": bytes([n]) * (n << 14) for n in range(9)}
EMPTY_ONES = {f"{n}": b"" for n in range(9)}


@pytest.mark.parametrize("limit", [0, 1, 4096, 20_000, 40_000, 70_000,
                                   100_000])
def test_no_write_that_fails_leaves_half_a_file(new_depot, ceph, tmp_path,
                                                limit):
    depot = persisted(new_depot, ceph, fill(tmp_path / "job", BIG))
    back = tmp_path / "back"
    done = subprocess.run(
        [need_tool("prlimit"), f"--fsize={limit}", program("charref"),
         "download-job", JOB, str(back), "--json"], env=depot.env, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=50 * SLOWNESS)
    assert done.returncode == 1, done
    must_be_safe(done.stderr)
    found = everything(back) if back.exists() else {}
    assert found.items() <= BIG.items()
    ran = download(depot, back)
    assert ran.code == 0, ran.stderr
    assert everything(back) == BIG


@pytest.mark.parametrize("files, options", [
    (BIG, "size=64k"), (BIG, "size=300k"), (BIG, "size=8m,nr_inodes=3"),
    (EMPTY_ONES, "size=8m,nr_inodes=3"), (EMPTY_ONES, "size=8m,nr_inodes=7")])
def test_a_full_disk_is_said_and_what_came_is_whole(new_depot, ceph, tmp_path,
                                                    files, options):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    depot = persisted(new_depot, ceph, fill(tmp_path / "job", files))
    disk = tmp_path / "back"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none",
                       str(disk)], check=False).returncode != 0:
        pytest.skip("this place lets nobody mount a small disk")
    try:
        ran = download(depot, disk)
        assert ran.code == 1, ran.report
        assert ran.report["detail"]["error"] == "StorageFull"
        assert everything(disk).items() <= files.items()
        subprocess.run(["mount", "-o", "remount,size=32m,nr_inodes=1000",
                        str(disk)], check=True)
        ran = download(depot, disk)
        assert ran.code == 0, ran.stderr
        assert everything(disk) == files
    finally:
        subprocess.run(["umount", str(disk)], check=True)
