"""A job's life: its folder goes to a real bucket whole, and comes back whole
on a machine that has nothing.  What came of it is asked of boto3 and diff.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import threading
import time
import types
import urllib.request
import uuid

import pytest

import pictures
import wire
from house import (IS_ASAN, SLOWNESS, House, children_of, program,
                   wait_until)
from test_jobs_cli import Sluice
from warehouse import a_depot, change, key_of, now_ms, state_of, stock

MIB = 1 << 20
JOB = "job-1"
MANIFEST = f"videos/{JOB}/manifest.json"
BIG = 70 * MIB  # goes in parts
RSS_KB = 64 << 10
OLD_NS = 1_577_836_800_123_456_789  # a time with all its digits
ODD_NAMES = ["take one.mp4", "100% +.txt", "a=b:c@d~e&f.json", "m\u00e9lodie.wav",
             "\u6620\u753b \U0001f3ac.png", "no extension", "%2e%2e",
             "a;b,c!d'e(f)*$.bin", "tail ", "#?[x]\\.txt", "\"quoted\".xml"]


# ------------------------------------------------------------------ folders


def fill(folder: pathlib.Path, files: dict[str, bytes]):
    """Writes files, and a time of its own for each."""
    for n, (name, data) in enumerate(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(OLD_NS + n * 10**9, OLD_NS + n * 10**9))


def write_random(path: pathlib.Path, size: int):
    """A file of that size, written piece by piece."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as f:
        for begin in range(0, size, MIB):
            f.write(os.urandom(min(MIB, size - begin)))


def some_files(count: int, seed: int, largest: int) -> dict[str, bytes]:
    """What pipelines leave behind: many small files, some bigger ones."""
    chance = random.Random(seed)
    folders = ["final", "final/cuts", "scenes/1", "scenes/2/takes", "audio",
               "uploads", "d/e/e/p/" * 6 + "e", "a b/\u00fc=&", "finale"]
    files = {f"{folders[n % len(folders)]}/{name}": chance.randbytes(100 + n)
             for n, name in enumerate(ODD_NAMES)}
    files |= {"metadata.json": b"{}", "script.json": b"[]",
              "final/empty.mp4": b"", "scenes/empty": b"",
              "scenes/large.bin": chance.randbytes(largest)}
    for n in range(count - len(files)):
        size = chance.choice([0, 1, 700, 4096, 30_000, 100_000])
        files[f"{folders[n % len(folders)]}/f{n:04}.{n % 7 * 'x'}png"] = \
            chance.randbytes(size)
    return files


def a_folder(path: pathlib.Path, files: dict[str, bytes]) -> pathlib.Path:
    """The same with what no job takes along: dotfiles, an empty folder."""
    fill(path, files | {".hidden": b"x", "scenes/.cache/y": b"y"})
    (path / "nothing").mkdir()
    return path


def files_of(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Files by path, but for what begins with a dot."""
    return {str(path.relative_to(folder)): path for path in
            sorted(folder.rglob("*")) if path.is_file() and not any(
                part.startswith(".")
                for part in path.relative_to(folder).parts)}


def must_be_equal(folder: pathlib.Path, back: pathlib.Path):
    """As diff has it, and in their times."""
    done = subprocess.run(["diff", "-r", "-x", ".*", str(folder), str(back)],
                          capture_output=True, text=True, check=False)
    only = {line for line in done.stdout.splitlines()
            if line != f"Only in {folder}: nothing"}
    assert not only and not done.stderr, (only, done.stderr)
    ours, theirs = files_of(folder), files_of(back)
    assert list(ours) == list(theirs)
    for name, path in ours.items():
        assert path.stat().st_mtime_ns == theirs[name].stat().st_mtime_ns, name
    hidden = [path for path in back.rglob(".*")]
    assert not hidden, hidden


def digest_of(path: pathlib.Path) -> str:
    """SHA-256 of a file of any size."""
    whole = hashlib.sha256()
    with open(path, "rb") as f:
        while step := f.read(MIB):
            whole.update(step)
    return whole.hexdigest()


def key_for(path: str) -> str:
    """Where a file of the job belongs in the bucket."""
    return f"videos/{JOB}/{path}" if path.startswith("final/") \
        else f"videos/{JOB}/intermediate/{path}"


# ----------------------------------------------------------------- machines


def cloud_of(gateway, bucket: str, url: str = ""):
    """A bucket that is there, as a house is told of it."""
    return types.SimpleNamespace(
        bucket=bucket, url=url or gateway.url,
        access_key=gateway.access_key, secret_key=gateway.secret_key)


class Machine:
    """An installation with a bucket that others use, too."""

    def __init__(self, gateway, bucket: str, house: House | None = None):
        self.boto = gateway.client()
        self.bucket = bucket
        self.house = house or a_depot(cloud_of(gateway, bucket))

    def run(self, verb: str, folder, code: int = 0, job: str = JOB) -> dict:
        """Runs a verb that must end so: its document."""
        done = self.house.charref(verb, job, str(folder), "--json",
                                  deadline=300)
        assert done.returncode == code, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    def push(self, folder, code: int = 0) -> dict:
        return self.run("persist-job", folder, code)

    def pull(self, folder, code: int = 0) -> dict:
        return self.run("download-job", folder, code)

    def verify(self, folder, code: int = 0) -> dict:
        return self.run("verify-job", folder, code)

    def forget(self):
        """Loses the catalogue."""
        for path in self.house.root.glob("catalogue*"):
            path.unlink()
        self.house.status()

    def objects(self) -> dict[str, tuple]:
        """All that the bucket has: time and ETag by key."""
        pages = self.boto.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket)
        return {one["Key"]: (one["LastModified"], one["ETag"])
                for page in pages for one in page.get("Contents", ())}

    def get(self, key: str) -> dict:
        """An object, its body read."""
        seen = self.boto.get_object(Bucket=self.bucket, Key=key)
        return seen | {"Body": seen["Body"].read()}

    def head(self, key: str) -> dict:
        return self.boto.head_object(Bucket=self.bucket, Key=key)

    def put(self, key: str, data: bytes, **more):
        self.boto.put_object(Bucket=self.bucket, Key=key, Body=data, **more)

    def delete(self, key: str):
        self.boto.delete_object(Bucket=self.bucket, Key=key)

    def uploads(self) -> list[str]:
        """Uploads in parts that nobody has ended."""
        listed = self.boto.list_multipart_uploads(Bucket=self.bucket)
        return [one["Key"] for one in listed.get("Uploads", ())]

    def manifest(self) -> dict:
        return json.loads(self.get(MANIFEST)["Body"])

    def must_hold(self, folder: pathlib.Path):
        """The bucket has these files, no torn one, and nothing in pieces."""
        found = self.objects()
        for path, file in files_of(folder).items():
            assert key_for(path) in found, path
            assert self.head(key_for(path))["Metadata"]["sha256"] == \
                digest_of(file), path
        self.must_be_sound()

    def must_be_sound(self):
        """Every object's bytes are those of its digest."""
        for key in self.objects():
            seen = self.get(key)
            assert hashlib.sha256(seen["Body"]).hexdigest() == \
                seen["Metadata"]["sha256"], key
        assert self.uploads() == []


def troubles(report: dict) -> dict[str, str]:
    """What was told, by path; no file is told of twice."""
    told = {one["path"]: one["message"] for one in report["troubles"]}
    assert len(told) == len(report["troubles"]), report["troubles"]
    return told


@contextlib.contextmanager
def machines(gateway, count: int, bucket: str = ""):
    """So many, that share a bucket, by default a new one."""
    bucket = bucket or gateway.new_bucket()
    made: list[Machine] = []
    try:
        for _ in range(count):
            made.append(Machine(gateway, bucket))
        yield made
    finally:
        for one in made:
            one.house.end()


@pytest.fixture(name="a")
def one_machine(gateway):
    with machines(gateway, 1) as (one,):
        yield one


@pytest.fixture(name="pair")
def two_machines(gateway):
    with machines(gateway, 2) as both:
        yield both


@pytest.fixture(name="job")
def a_small_job(tmp_path):
    return a_folder(tmp_path / "job", some_files(24, 1, 50_000))


@pytest.fixture(scope="module", name="trip")
def a_journey(gateway, tmp_path_factory):
    """One job of all sizes, sent by the first, fetched by the second."""
    base = tmp_path_factory.mktemp("trip")
    folder = a_folder(base / "there", some_files(300, 2, 5 * MIB))
    write_random(folder / "final/film.mp4", BIG)
    with machines(gateway, 2) as (a, b):
        sent = a.push(folder)
        fetched = b.pull(base / "back")
        yield a, b, folder, base / "back", sent, fetched


# ---------------------------------------------------------- there and back


def test_a_job_comes_back_on_an_empty_machine_as_it_was(trip):
    a, b, folder, back, sent, fetched = trip
    count = len(files_of(folder))
    assert count == 301
    assert (sent["sent"], sent["unchanged"], sent["troubles"]) == (count, 0, [])
    assert (fetched["sent"], fetched["unchanged"], fetched["troubles"]) == \
        (count, 0, [])
    must_be_equal(folder, back)
    assert a.uploads() == []
    assert a.verify(folder)["troubles"] == b.verify(back)["troubles"] == []


def test_every_object_has_its_type_its_digest_and_its_time(trip):
    a, _, folder, *_ = trip
    types = {".mp4": "video/mp4", ".png": "image/png", ".wav": "audio/x-wav",
             ".json": "application/json", ".txt": "text/plain"}
    found = a.objects()
    assert set(found) == {key_for(path) for path in files_of(folder)} | \
        {MANIFEST}
    for path, file in files_of(folder).items():
        seen = a.head(key_for(path))
        ns = file.stat().st_mtime_ns
        assert seen["ContentLength"] == file.stat().st_size, path
        assert seen["Metadata"]["sha256"] == digest_of(file), path
        assert seen["Metadata"]["mtime"] == \
            f"{ns // 10**9}.{ns % 10**9:09}", path
        want = types.get(file.suffix)
        assert want is None or seen["ContentType"] == want, path
    assert a.head(MANIFEST)["ContentType"] == "application/json"


def test_the_manifest_is_complete_and_right(trip):
    a, _, folder, *_ = trip
    manifest = a.manifest()
    assert (manifest["version"], manifest["job_id"]) == (1, JOB)
    listed = {one["path"]: one for one in manifest["files"]}
    assert len(listed) == len(manifest["files"])
    assert list(listed) == sorted(listed, key=str.encode)
    ours = files_of(folder)
    assert set(listed) == set(ours)
    for path, one in listed.items():
        assert one["bytes"] == ours[path].stat().st_size
        assert one["sha256"] == digest_of(ours[path])
        assert one["media_type"] == a.head(key_for(path))["ContentType"]


def test_a_second_run_sends_nothing_on_either_machine(trip):
    a, b, folder, back, *_ = trip
    before = a.objects()
    for machine, at in ((a, folder), (b, back)):
        again = machine.push(at)
        assert (again["sent"], again["unchanged"]) == (0, 301), again
    assert a.objects() == before
    fetched = b.pull(back)
    assert (fetched["sent"], fetched["unchanged"]) == (0, 301)


def test_without_its_catalogue_a_machine_asks_and_sends_nothing(
        trip, gateway):
    a, _, folder, *_ = trip
    before = a.objects()
    a.forget()
    heads = requests_of(gateway, "HEAD", a.bucket)
    again = a.push(folder)
    assert (again["sent"], again["unchanged"]) == (0, 301)
    asked = requests_of(gateway, "HEAD", a.bucket) - heads
    assert asked == 301
    again = a.push(folder)
    assert (again["sent"], again["unchanged"]) == (0, 301)
    assert requests_of(gateway, "HEAD", a.bucket) - heads == asked
    assert a.objects() == before


def requests_of(gateway, method: str, bucket: str) -> int:
    """How many the gateway has answered, by its own log."""
    log = (gateway.folder / "log/client.rgw.log").read_text(errors="replace")
    return log.count(f'"{method} /{bucket}/')


# ------------------------------------------------------------- what changed


def test_only_what_changed_or_came_is_sent(pair, job, tmp_path):
    a, b = pair
    a.push(job)
    b.pull(tmp_path / "back")
    before = a.objects()
    (job / "metadata.json").write_bytes(b"[]")
    (job / "scenes/new.txt").write_bytes(b"new")
    os.utime(job / "script.json", ns=(OLD_NS - 5, OLD_NS - 5))
    report = a.push(job)
    assert (report["sent"], report["unchanged"]) == (2, 23)
    after = a.objects()
    assert {key for key in after if after[key] != before.get(key)} == {
        key_for("metadata.json"), key_for("scenes/new.txt"), MANIFEST}
    again = a.push(job)
    assert (again["sent"], again["unchanged"]) == (0, 25)
    report = b.pull(tmp_path / "back")
    assert (report["sent"], report["unchanged"]) == (2, 23)
    b.pull(tmp_path / "new")
    must_be_equal(job, tmp_path / "new")


def test_a_touched_big_file_is_not_sent_again_nor_read_for_ever(
        a, tmp_path, gateway):
    write_random(tmp_path / "job/film.mp4", BIG)
    a.push(tmp_path / "job")
    before = a.objects()[key_for("film.mp4")]
    os.utime(tmp_path / "job/film.mp4", ns=(OLD_NS, OLD_NS))
    assert a.push(tmp_path / "job")["unchanged"] == 1
    heads = requests_of(gateway, "HEAD", a.bucket)
    assert a.push(tmp_path / "job")["unchanged"] == 1
    assert requests_of(gateway, "HEAD", a.bucket) == heads
    assert a.objects()[key_for("film.mp4")] == before


@contextlib.contextmanager
def rewriting(path: pathlib.Path):
    """Somebody who writes a file again and again, in place."""
    stop = threading.Event()

    def work():
        with open(path, "r+b", buffering=0) as f:
            size = f.seek(0, os.SEEK_END)
            while not stop.is_set():
                f.seek(random.randrange(size - 100))
                f.write(os.urandom(100))
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("size", [3 * MIB, BIG])
def test_a_file_that_never_rests_is_told_and_never_stored_torn(
        a, job, size):
    write_random(job / "live.bin", size)
    with rewriting(job / "live.bin"):
        report = a.push(job, 1)
    assert list(troubles(report)) == ["live.bin"]
    assert report["sent"] == 24
    a.must_be_sound()
    assert a.push(job)["sent"] == 1
    a.must_hold(job)


@pytest.mark.parametrize("size", [24 * MIB, BIG])
def test_a_file_that_changes_on_its_way_is_told_and_never_stored_torn(
        a, gateway, tmp_path, size):
    path = tmp_path / "job/film.mp4"
    write_random(path, size)
    fill(tmp_path / "job", {"other.txt": b"other"})
    sluice = Sluice(gateway.port, 2 * MIB)
    a.house.env["AWS_ENDPOINT_URL_S3"] = sluice.url
    try:
        with started(a.house, "persist-job", tmp_path / "job") as one:
            wait_until(lambda: sluice.left <= 0, "bytes under way", 20.0)
            with open(path, "r+b") as f:
                f.seek(size - 100)
                f.write(b"x" * 100)
            sluice.left = 1 << 40
            said, _ = one.communicate(timeout=50 * SLOWNESS)
    finally:
        sluice.close()
        a.house.env["AWS_ENDPOINT_URL_S3"] = gateway.url
    assert one.returncode == 1
    assert list(troubles(json.loads(said))) == ["film.mp4"]
    a.must_be_sound()
    assert [one["path"] for one in a.manifest()["files"]] == ["other.txt"]
    assert a.push(tmp_path / "job")["sent"] == 1
    a.must_hold(tmp_path / "job")


@contextlib.contextmanager
def started(house: House, verb: str, folder, job: str = JOB):
    """A command under way, killed if it does not end."""
    with subprocess.Popen(
            [program("charref"), verb, job, str(folder), "--json"],
            env=house.env, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE) as one:
        try:
            yield one
        finally:
            if one.poll() is None:
                one.kill()


# ------------------------------------------------------ character references


def describe(machine: Machine, image_id: str, seed: int):
    """What the catalogue knows of an image that was generated."""
    change(machine.house, "UPDATE images SET prompt = ?, model = 'model-7',"
           " seed = ?, created_at = ? WHERE id = ?",
           f"a knight,\n\u591c {seed}", seed, 1_700_000_000_000 + seed,
           image_id)


def known(machine: Machine, image_id: str) -> tuple:
    """The same, and the file's digest, or nothing."""
    rows = machine.house.rows(
        "SELECT prompt, model, seed, created_at, sha256 FROM images"
        " WHERE id = ?", image_id)
    return rows[0] if rows else ()


def test_references_come_along_and_are_images_on_the_other_machine(
        gateway, job, tmp_path):
    bucket = gateway.new_bucket()
    a = Machine(gateway, bucket)
    b = Machine(gateway, bucket, House(
        cloud=cloud_of(gateway, bucket), nginx=False,
        workers={"fast": 1, "lookup": 1, "slow": 0}).start())
    try:
        images = stock(a.house, 3)
        for seed, image_id in enumerate(images):
            describe(a, image_id, seed)
        lacking, copied, edited = images
        change(a.house, "INSERT INTO objects (image_id, job_id, key, state)"
               " VALUES (?, ?, ?, 'waiting')", lacking, JOB,
               key_of(lacking, JOB))
        done = a.house.charref("associate", JOB, copied, edited,
                               "--base", str(job))
        assert done.returncode == 0, done.stderr
        other = pictures.png()
        (job / f"character_reference/{edited}.png").write_bytes(other)
        report = a.push(job)
        assert (report["included"], report["files_total"]) == (1, 27)
        assert a.get(key_of(edited, JOB))["Body"] == other
        about = {one["path"].partition("/")[2][:-4]: one.get("image")
                 for one in a.manifest()["files"]
                 if one["path"].startswith("character_reference/")}
        assert set(about) == set(images) and about[edited] is None
        assert about[copied]["seed"] == 1
        report = b.pull(tmp_path / "back")
        references = tmp_path / "back/character_reference"
        for image_id in (lacking, copied):
            assert known(b, image_id) == known(a, image_id)
            assert (b.house.store / f"{image_id}.png").read_bytes() == \
                (references / f"{image_id}.png").read_bytes() == \
                images[image_id]
            must_be_served(b, image_id, images[image_id])
        assert (references / f"{edited}.png").read_bytes() == other
        assert known(b, edited) == ()
        assert not (b.house.store / f"{edited}.png").exists()
        assert b.verify(tmp_path / "back")["troubles"] == []
        assert a.push(job)["sent"] == 0
    finally:
        a.house.end()
        b.house.end()


def must_be_served(machine: Machine, image_id: str, data: bytes):
    """A GET there leads to the bytes."""
    path = f"/api/mv/get_character_reference/{image_id}"
    reply = machine.house.pools["fast"].wire().ask(
        "GET", f"{path}?job_id={JOB}")
    assert reply.status == 200, reply.body
    with urllib.request.urlopen(reply.json()["image_url"]) as seen:
        assert seen.read() == data


def test_an_image_of_which_only_the_file_is_known_is_included(a, job):
    """Its row may come from the bucket's listing, which has no digests."""
    (image_id, data), = stock(a.house, 1, job=JOB).items()
    change(a.house, "UPDATE images SET sha256 = '', bytes = 0")
    report = a.push(job)
    assert report["included"] == 1
    assert a.get(key_of(image_id, JOB))["Body"] == data
    a.must_be_sound()


def test_without_a_manifest_an_edited_copy_does_not_become_the_image(
        pair, job, tmp_path):
    a, b = pair
    (image_id, _), = stock(a.house, 1).items()
    reference = job / f"character_reference/{image_id}.png"
    fill(job, {f"character_reference/{image_id}.png": pictures.png()})
    a.push(job)
    a.delete(MANIFEST)
    b.pull(tmp_path / "back")
    assert known(b, image_id) == ()
    assert (tmp_path / "back" / reference.relative_to(job)).read_bytes() == \
        reference.read_bytes()


def test_an_edited_copy_in_the_bucket_is_no_lost_object(gateway):
    """The uploader asks whether a job's object is there, not what it is."""
    with a_service(gateway, VERIFY_DAYS="1") as house:
        there, gone = stock(house, 2, job=JOB, state="done", verified_at=5)
        machine = Machine(gateway, house.cloud.bucket, house)
        edited = pictures.png()
        machine.put(key_of(there, JOB), edited, Metadata={
            "sha256": hashlib.sha256(edited).hexdigest()})
        house.uploader.start()
        since = now_ms() - 60_000
        wait_until(lambda: house.rows(
            "SELECT 1 FROM objects WHERE image_id = ? AND (verified_at > ?"
            " OR state <> 'done')", there, since), "a verification", 20.0)
        assert state_of(house, there, JOB)[0] == "done"
        assert machine.get(key_of(there, JOB))["Body"] == edited
        wait_until(lambda: key_of(gone, JOB) in machine.objects(),
                   "what was gone", 20.0)


# ------------------------------------------------------------------ fetching


def test_what_is_right_is_left_alone_and_what_is_wrong_replaced(
        pair, job, tmp_path):
    a, b = pair
    a.push(job)
    back = tmp_path / "back"
    b.pull(back)
    right = (back / "final/empty.mp4").stat()
    wrong = back / "scenes/large.bin"
    at = wrong.stat()
    with open(wrong, "r+b") as f:
        f.write(b"wrong")
    os.utime(wrong, ns=(at.st_atime_ns, at.st_mtime_ns))
    (back / "metadata.json").write_bytes(b"longer than before")
    (back / "script.json").unlink()
    (back / "own.txt").write_bytes(b"not of the job")
    report = b.pull(back)
    assert (report["sent"], report["unchanged"]) == (3, 21)
    assert (back / "final/empty.mp4").stat() == right
    (back / "own.txt").unlink()
    must_be_equal(job, back)


def test_files_that_are_there_without_a_catalogue_are_not_fetched(
        pair, job):
    a, b = pair
    a.push(job)
    shutil.rmtree(job / "scenes/.cache")
    report = b.pull(job)
    assert (report["sent"], report["unchanged"]) == (0, 24)


def test_what_the_manifest_has_and_the_bucket_not_is_told(
        pair, job, tmp_path):
    a, b = pair
    a.push(job)
    a.delete(key_for("metadata.json"))
    report = b.pull(tmp_path / "back", 1)
    assert troubles(report) == {
        "metadata.json": "the manifest has it, and the bucket has not"}
    assert report["sent"] == 23


def test_bytes_that_are_not_those_of_the_digest_do_not_appear(
        pair, job, tmp_path):
    a, b = pair
    a.push(job)
    back = tmp_path / "back"
    b.pull(back)
    for path in ("metadata.json", "scenes/large.bin"):
        seen = a.get(key_for(path))
        a.put(key_for(path), b"X" * len(seen["Body"]),
              Metadata=seen["Metadata"], ContentType=seen["ContentType"])
    (back / "metadata.json").unlink()
    report = b.pull(back, 1)
    assert set(troubles(report)) <= {"metadata.json", "scenes/large.bin"}
    assert "metadata.json" in troubles(report)
    assert not (back / "metadata.json").exists()
    assert (back / "scenes/large.bin").read_bytes() == \
        (job / "scenes/large.bin").read_bytes()
    assert not list(back.rglob(".*"))


def test_the_same_of_a_big_one_and_without_a_manifest(pair, tmp_path):
    a, b = pair
    write_random(tmp_path / "job/film.mp4", BIG)
    a.push(tmp_path / "job")
    key = key_for("film.mp4")
    about = a.head(key)["Metadata"]
    a.put(key, b"X" * BIG, Metadata=about)
    a.delete(MANIFEST)
    report = b.pull(tmp_path / "back", 1)
    assert list(troubles(report)) == ["film.mp4"]
    assert list((tmp_path / "back").rglob("*")) == []


def test_a_job_that_is_not_there_is_not_found_and_leaves_nothing(
        a, tmp_path):
    report = a.run("download-job", tmp_path / "back", 3, job="no-such-job")
    assert report["detail"]["error"] == "NotFound"
    assert not (tmp_path / "back").exists()


def test_without_a_manifest_the_metadata_are_enough(pair, job, tmp_path):
    a, b = pair
    a.push(job)
    a.delete(MANIFEST)
    assert b.pull(tmp_path / "back")["sent"] == 24
    must_be_equal(job, tmp_path / "back")
    assert b.pull(tmp_path / "back")["unchanged"] == 24


def test_a_key_that_would_leave_the_folder_is_refused(pair, job, tmp_path):
    a, b = pair
    a.push(job)
    a.put(f"videos/{JOB}/intermediate/../../evil", b"evil")
    a.put(f"videos/{JOB}/intermediate/.hidden", b"evil")
    a.put(f"videos/{JOB}/elsewhere/x", b"evil")
    report = b.pull(tmp_path / "back", 1)
    assert len(troubles(report)) == 3
    must_be_equal(job, tmp_path / "back")
    assert not list(tmp_path.rglob("evil"))


def test_a_link_in_the_folder_leads_nothing_out_of_it(pair, job, tmp_path):
    a, b = pair
    a.push(job)
    (tmp_path / "outside").mkdir()
    (tmp_path / "back").mkdir()
    (tmp_path / "back/scenes").symlink_to(tmp_path / "outside")
    told = troubles(b.pull(tmp_path / "back", 1))
    assert told and all(path.startswith("scenes/") for path in told)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_full_disk_ends_with_a_word_and_nothing_torn(pair, job, tmp_path):
    a, b = pair
    write_random(job / "final/film.mp4", 9 * MIB)
    a.push(job)
    back = tmp_path / "back"
    done = subprocess.run(
        [program("charref"), "download-job", JOB, str(back), "--json"],
        env=b.house.env, capture_output=True, text=True, timeout=60 * SLOWNESS,
        stdin=subprocess.DEVNULL, check=False, preexec_fn=lambda:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MIB, 4 * MIB)))
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert json.loads(done.stdout)["detail"]["error"] == "StorageFull"
    assert not list(back.rglob(".*"))
    for path, file in files_of(back).items():
        assert file.read_bytes() == (job / path).read_bytes()
    b.pull(back)
    must_be_equal(job, back)


# ----------------------------------------------------------------- verifying


def lose_here(a, folder):
    (folder / "metadata.json").unlink()


def add_here(a, folder):
    (folder / "metadata.json2").write_bytes(b"x")


def change_here(a, folder):
    (folder / "metadata.json").write_bytes(b"[]")


def grow_here(a, folder):
    (folder / "metadata.json").write_bytes(b"[   ]")


def lose_there(a, folder):
    a.delete(key_for("metadata.json"))


def grow_there(a, folder):
    a.put(key_for("metadata.json"), b"something else")


def add_there(a, folder):
    a.put(key_for("metadata.json2"), b"x")


def add_both(a, folder):
    add_here(a, folder)
    add_there(a, folder)


def link_here(a, folder):
    (folder / "metadata.json2").symlink_to("x")


@pytest.mark.parametrize("spoil, words", [
    (lose_here, "not in the folder"),
    (add_here, "not in the bucket"),
    (change_here, "its bytes are not those of the manifest"),
    (grow_here, "another size than the manifest"),
    (lose_there, "the bucket has not"),
    (grow_there, "the bucket's object has another size"),
    (add_there, "not in the manifest"),
    (add_both, "not in the manifest"),
    (link_here, "is a symbolic link"),
])
def test_verifying_names_each_difference(a, tmp_path, spoil, words):
    folder = tmp_path / "job"
    fill(folder, {"metadata.json": b"{}", "final/a.mp4": b"a" * 1000})
    a.push(folder)
    assert a.verify(folder)["troubles"] == []
    spoil(a, folder)
    (path, message), = troubles(a.verify(folder, 1)).items()
    assert path.startswith("metadata.json") and words in message


def test_without_a_manifest_there_is_nothing_to_verify_against(a, job):
    a.push(job)
    a.delete(MANIFEST)
    assert a.verify(job, 3)["detail"]["error"] == "NotFound"


# ------------------------------------------------------------ over HTTP


PERSIST = "/api/mv/persist_job_assets"
DOWNLOAD = "/api/mv/download_job_assets"
COUNT = 120  # files of a job whose progress is looked at


def ask(house: House, path: str, body) -> wire.FastCgiReply:
    """A POST to the one worker."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return house.pools["fast"].wire().ask("POST", path, data)


def operation(house: House, operation_id: str) -> dict:
    """What is said of an operation."""
    reply = house.pools["fast"].wire().ask(
        "GET", f"/api/mv/operations/{operation_id}")
    assert reply.status == 200, reply.body
    return reply.json()


def begin(house: House, path: str, job: str = JOB) -> str:
    """Asks for an operation: its id."""
    reply = ask(house, path, {"job_id": job})
    assert reply.status == 202, reply.body
    seen = reply.json()
    assert seen == {"operation_id": seen["operation_id"],
                    "status_url": f"/api/mv/operations/{seen['operation_id']}"}
    return seen["operation_id"]


def wait_over(house: House, operation_id: str, deadline: float = 30.0) -> dict:
    """What came of it."""
    return wait_until(
        lambda: (seen := operation(house, operation_id))["state"]
        in ("done", "failed") and seen, "the end of an operation", deadline)


def wait_state(house: House, operation_id: str, state: str) -> dict:
    return wait_until(
        lambda: (seen := operation(house, operation_id))["state"] == state
        and seen, f"an operation that is {state}", 15.0)


@contextlib.contextmanager
def a_service(gateway, bucket: str = "", url: str = "", **kw):
    """A worker and an uploader, which is not yet begun."""
    house = House(
        cloud=cloud_of(gateway, bucket or gateway.new_bucket(), url),
        nginx=False, uploader=False,
        workers={"fast": 1, "lookup": 0, "slow": 0}, **kw)
    try:
        house.start()
        assert house.pools["fast"].wire().ask("GET", "/healthz").status == 200
        yield house
    finally:
        house.end()


@pytest.fixture(name="service")
def one_service(gateway):
    with a_service(gateway) as one:
        yield one


def folder_of(house: House, job: str = JOB) -> pathlib.Path:
    return pathlib.Path(house.env["JOBS_DIR"]) / job


def test_an_operation_is_queued_runs_and_is_done(gateway, tmp_path):
    sluice = Sluice(gateway.port, 0)
    with a_service(gateway, url=sluice.url) as house:
        try:
            fill(folder_of(house),
                 {f"f{n}": os.urandom(200_000) for n in range(COUNT)})
            one = begin(house, PERSIST)
            queued = operation(house, one)
            assert queued == queued | {
                "id": one, "kind": "persist_job_assets", "job_id": JOB,
                "state": "queued", "files_done": 0, "files_total": 0,
                "bytes_done": 0, "bytes_total": 0, "result": None,
                "error": None}
            assert begin(house, PERSIST) == one
            house.uploader.start()
            before = {"files_done": 0, "bytes_done": 0}
            for _ in range(2):
                running = wait_until(lambda before=before: further(
                    house, one, sluice, before), "progress", 20.0)
                assert running["state"] == "running"
                assert running["files_total"] == COUNT
                assert before["files_done"] < running["files_done"] < COUNT
                assert before["bytes_done"] < running["bytes_done"] < \
                    running["bytes_total"]
                before = running
            assert begin(house, PERSIST) == one
            refused = ask(house, DOWNLOAD, {"job_id": JOB})
            refused.must_fail(409, "Conflict")
            busy = house.charref("persist-job", JOB, str(folder_of(house)))
            assert busy.returncode == 1
            assert "somebody else is at work on job" in busy.stderr
            sluice.left = 1 << 40
            done = wait_over(house, one)
        finally:
            sluice.close()
        assert (done["state"], done["error"]) == ("done", None)
        assert done["files_done"] == done["files_total"] == COUNT
        assert done["bytes_done"] == done["bytes_total"]
        assert done["result"] == {"sent": COUNT, "unchanged": 0, "included": 0,
                                  "troubles_total": 0, "troubles": []}
        assert done["created_at"] <= done["updated_at"]
        assert begin(house, DOWNLOAD) != one


def further(house: House, operation_id: str, sluice: Sluice, before: dict):
    """Lets some more through, a few megabytes a second."""
    if sluice.left <= 0:
        time.sleep(0.2)
        sluice.left = 300_000
    seen = operation(house, operation_id)
    return seen["files_done"] > before["files_done"] and seen


def test_a_download_over_http_brings_the_job_to_its_folder(
        a, gateway, job):
    a.push(job)
    with a_service(gateway, a.bucket) as house:
        house.uploader.start()
        done = wait_over(house, begin(house, DOWNLOAD))
        assert (done["state"], done["result"]["sent"]) == ("done", 24)
        must_be_equal(job, folder_of(house))
        again = wait_over(house, begin(house, DOWNLOAD))
        assert again["result"]["unchanged"] == 24


def test_what_cannot_be_done_fails_with_its_reason(service):
    service.uploader.start()
    over = wait_over(service, begin(service, PERSIST))
    assert over["state"] == "failed"
    assert over["error"]["error"] == "NotFound"
    over = wait_over(service, begin(service, DOWNLOAD))
    assert over["state"] == "failed"
    assert over["error"]["error"] == "NotFound"
    assert not folder_of(service).exists()


def test_a_hundred_troubles_with_long_names_are_told(service):
    folder = folder_of(service)
    name = "\u591c" * 60 + "\x01" * 60
    deep = folder / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    for n in range(150):
        (deep / f"{n}{name}").symlink_to("x")
    (folder / "good.txt").write_bytes(b"good")
    service.uploader.start()
    over = wait_over(service, begin(service, PERSIST))
    assert over["state"] == "failed"
    assert over["error"]["error"] == "Conflict"
    assert over["result"]["sent"] == 1
    assert over["result"]["troubles_total"] == 150
    assert 10 <= len(over["result"]["troubles"]) <= 100


@pytest.mark.parametrize("path", [PERSIST, DOWNLOAD])
@pytest.mark.parametrize("body, field", [
    (b"{", None), (b"[]", "job_id"), ({}, "job_id"), ({"job_id": 1}, "job_id"),
    ({"job_id": ""}, "job_id"), ({"job_id": "../x"}, "job_id"),
    ({"job_id": None}, "job_id"), ({"job_id": "a/b"}, "job_id")])
def test_bad_bodies_are_refused(service, path, body, field):
    ask(service, path, body).must_fail(400, "ValidationError", field)
    assert service.rows("SELECT count(*) FROM operations") == [(0,)]


def test_an_operation_that_nobody_asked_for_is_not_found(service):
    asker = service.pools["fast"].wire()
    asker.ask("GET", f"/api/mv/operations/{uuid.uuid4()}").must_fail(
        404, "NotFound")
    asker.ask("GET", "/api/mv/operations/%2e%2e").must_fail(
        400, "ValidationError", "operation_id")
    asker.ask("DELETE", f"/api/mv/operations/{uuid.uuid4()}").must_fail(
        405, "MethodNotAllowed")


def test_a_job_that_a_command_works_on_waits_for_it(gateway):
    sluice = Sluice(gateway.port, MIB)
    with a_service(gateway) as house:
        fill(folder_of(house), {f"{n}": os.urandom(MIB) for n in range(8)})
        house.env["AWS_ENDPOINT_URL_S3"] = sluice.url
        try:
            with started(house, "persist-job", folder_of(house)) as command:
                wait_until(lambda: sluice.left <= 0, "bytes under way", 20.0)
                house.env["AWS_ENDPOINT_URL_S3"] = gateway.url
                house.uploader.start()
                one = begin(house, PERSIST)
                wait_state(house, one, "running")
                sluice.left = 1 << 40
                assert command.wait(30) == 0
            done = wait_over(house, one)
            assert done["result"]["unchanged"] == 8
        finally:
            sluice.close()


def test_sigterm_is_heeded_within_two_seconds_and_the_operation_goes_on(
        gateway):
    sluice = Sluice(gateway.port, 20 * MIB)
    with a_service(gateway, url=sluice.url) as house:
        try:
            write_random(folder_of(house) / "final/film.mp4", BIG)
            house.uploader.start()
            one = begin(house, PERSIST)
            wait_until(lambda: sluice.left <= 0, "bytes under way", 20.0)
            began = time.monotonic()
            assert house.uploader.end() == 0
            assert time.monotonic() - began < 2.0 * SLOWNESS
            assert operation(house, one)["state"] == "running"
            sluice.left = 1 << 40
            house.uploader.start()
            assert wait_over(house, one)["state"] == "done"
        finally:
            sluice.close()


def test_sigterm_is_heeded_while_a_big_file_is_read(gateway):
    """A sparse file takes its time to hash, and none to write."""
    with a_service(gateway) as house:
        folder_of(house).mkdir(parents=True)
        with open(folder_of(house) / "film.mp4", "wb") as f:
            f.truncate(40 << 30)
        house.uploader.start()
        one = begin(house, PERSIST)
        wait_state(house, one, "running")
        wait_until(lambda: opens(house, folder_of(house) / "film.mp4"),
                   "a reader", 10.0)
        began = time.monotonic()
        assert house.uploader.end() == 0
        assert time.monotonic() - began < 2.0 * SLOWNESS
        assert operation(house, one)["state"] == "running"


def opens(house: House, path: pathlib.Path) -> bool:
    """Has a process of the uploader this file open?"""
    for pid in children_of(house.uploader.process.pid):
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") == str(path):
                    return True
    return False


def has_open(one: subprocess.Popen, name: str) -> bool:
    """Has the process a file of that name open?"""
    for path in pathlib.Path(f"/proc/{one.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if path.readlink().name == name:
                return True
    return False


def test_a_command_heeds_a_signal_while_it_reads(a, tmp_path):
    (tmp_path / "job").mkdir()
    with open(tmp_path / "job/film.mp4", "wb") as f:
        f.truncate(40 << 30)
    for verb in ("persist-job", "verify-job"):
        if verb == "verify-job":
            a.put(MANIFEST, json.dumps(
                {"version": 1, "job_id": JOB, "created_at":
                 "2026-11-22T10:15:00.000Z", "files": [
                     {"path": "film.mp4", "bytes": 1, "sha256": "0" * 64,
                      "media_type": "video/mp4",
                      "mtime": "2026-11-22T10:15:00.000000000Z"}]}).encode())
            a.put(key_for("film.mp4"), b"x")
        with started(a.house, verb, tmp_path / "job") as one:
            wait_until(lambda one=one: has_open(one, "film.mp4"), "a reader")
            began = time.monotonic()
            one.send_signal(signal.SIGTERM)
            said, complained = one.communicate(timeout=20 * SLOWNESS)
            assert time.monotonic() - began < 2.0 * SLOWNESS
        assert one.returncode == 1
        assert "stopped" in complained


# ------------------------------------------------------------------- memory


def peak_kb(house: House, verb: str, folder) -> int:
    """The most memory that a command had at once, as the kernel has it."""
    peak = 0
    with started(house, verb, folder) as one:
        while one.poll() is None:
            with contextlib.suppress(OSError, StopIteration):
                status = pathlib.Path(f"/proc/{one.pid}/status").read_text()
                peak = next(int(line.split()[1]) for line in
                            status.splitlines() if line.startswith("VmHWM:"))
            time.sleep(0.005)
        said, complained = one.communicate()
    assert one.returncode == 0, (said, complained)
    return peak


@pytest.mark.plain
def test_a_transfer_takes_little_memory(pair, tmp_path):
    a, b = pair
    folder = tmp_path / "job"
    fill(folder, some_files(500, 5, MIB))
    write_random(folder / "final/film.mp4", 100 * MIB)
    assert peak_kb(a.house, "persist-job", folder) < RSS_KB
    assert peak_kb(b.house, "download-job", tmp_path / "back") < RSS_KB
    assert peak_kb(b.house, "verify-job", tmp_path / "back") < RSS_KB


@pytest.mark.soak
def test_three_thousand_files_and_a_gibibyte_go_there_and_back(
        pair, tmp_path):
    a, b = pair
    folder = a_folder(tmp_path / "job", some_files(3000, 6, 5 * MIB))
    for n in range(300):
        write_random(folder / f"scenes/{n}.bin", MIB)
    write_random(folder / "final/film.mp4", 1 << 30)
    pushed = peak_kb(a.house, "persist-job", folder)
    pulled = peak_kb(b.house, "download-job", tmp_path / "back")
    if not IS_ASAN:
        assert max(pushed, pulled) < RSS_KB, (pushed, pulled)
    must_be_equal(folder, tmp_path / "back")
    before = a.objects()
    assert a.push(folder)["sent"] == b.push(tmp_path / "back")["sent"] == 0
    assert a.objects() == before
    assert a.uploads() == []
