"""Persisting one image, and presigning it: over HTTP and by the command."""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import sqlite3
import subprocess
import time
import urllib.parse
import uuid

import pytest

import house as houses
import pictures
from house import SLOWNESS, wait_until
from s3_double import (S3Double, close, denied, fetch, reply, slow_down,
                       stall)
from wire import GET

PERSIST = "/api/mv/persist_character_reference"
URL = "/api/mv/get_character_reference_url/"
FIELDS = ["image_id", "status", "cloud_url", "cloud_path",
          "expires_in_seconds"]
LIMIT_S = 30  # for the uploads of one request


def key_of(image_id: str, job: str = "", extension: str = "png") -> str:
    """Where the bucket keeps an image."""
    where = f"videos/{job}/intermediate/character_reference" if job \
        else "character_references"
    return f"{where}/{image_id}.{extension}"


@pytest.fixture(scope="module")
def shared_cloud_house():
    """A house whose images stay here until somebody asks for them."""
    double = S3Double()
    try:
        with houses.a_house(cloud=double, UPLOAD_MODE="lazy") as one:
            yield one
    finally:
        double.close()


@pytest.fixture
def town(shared_cloud_house):
    """The same for one test, with a bucket that is up.

    Its objects stay, for the uploader looks after them; so a test looks at
    its own keys alone.
    """
    one = shared_cloud_house
    one.cloud.forget()
    one.model.forget()
    one.wait_for_storage("up")
    before = list(one.pids())
    yield one
    assert one.pids() == before
    assert not one.cloud.complaints, one.cloud.complaints
    one.inspect()


def kept(one, count: int = 1) -> list[tuple[str, bytes]]:
    """Images in the local store alone: (id, bytes)."""
    reply = one.http.generate(num_images=count)
    return [(image["id"], data) for image, data in
            zip(reply.images(), reply.pictures(), strict=True)]


def persist(one, image_id, job=None, **kw):
    """The request, as a client makes it."""
    body = {"image_id": image_id} | ({"job_id": job} if job else {})
    return one.http.post(body, PERSIST, **kw)


def puts(one, key: str) -> list:
    """The uploads to that key that came about."""
    return [r for r in one.cloud.asked("PUT", key) if r.status == 200]


def state_of(one, image_id: str, job: str = "") -> str:
    """What the catalogue says of an object."""
    rows = one.rows("SELECT state FROM objects WHERE image_id = ? "
                    "AND job_id = ?", image_id, job)
    return rows[0][0] if rows else ""


# ---------------------------------------------------------------- over HTTP


@pytest.mark.parametrize("job", ["", "job-456"])
def test_an_image_comes_to_its_place_in_the_bucket(town, job):
    [(image_id, data)] = kept(town)
    got = persist(town, image_id, job)
    assert got.status == 200, got.body
    document = got.json()
    assert list(document) == FIELDS
    assert document["image_id"] == image_id
    assert document["cloud_path"] == key_of(image_id, job)
    assert document["expires_in_seconds"] == 3600
    stored = town.cloud.objects[key_of(image_id, job)]
    assert stored.data == data
    assert fetch(document["cloud_url"]).body == data
    assert got.headers["cache-control"] == "no-store"
    assert state_of(town, image_id, job) == "done"


def test_what_is_there_already_is_not_sent_again(town):
    [(image_id, _)] = kept(town)
    for _ in range(3):
        assert persist(town, image_id).status == 200
    assert len(puts(town, key_of(image_id))) == 1


def test_alone_first_and_then_in_a_job_is_copied_in_the_bucket(town):
    [(image_id, data)] = kept(town)
    assert persist(town, image_id).status == 200
    assert persist(town, image_id, "job-1").status == 200
    [put] = puts(town, key_of(image_id))
    [copy] = puts(town, key_of(image_id, "job-1"))
    assert (put.size, copy.size) == (len(data), 0)
    whole = [r for r in town.cloud.asked("GET", key_of(image_id))
             if r.status == 200]  # a probe asks for a byte, which is 206
    assert not whole
    assert town.cloud.objects[key_of(image_id, "job-1")].data == data


def test_the_same_image_twice_at_once_is_fine(town):
    [(image_id, data)] = kept(town)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        got = list(pool.map(lambda _: persist(town, image_id), range(6)))
    assert [one.status for one in got] == [200] * 6
    assert town.cloud.objects[key_of(image_id)].data == data


def test_an_image_nobody_knows_is_not_found_by_its_name(town):
    detail = persist(town, "nobody-knows").must_fail(404, "NotFound",
                                                     "image_id")
    assert "file not found" in detail["message"]
    assert "nobody-knows" in detail["message"]


def test_an_image_whose_file_is_gone_is_not_found_by_its_name(town):
    [(image_id, _)] = kept(town)
    (town.store / f"{image_id}.png").unlink()
    for job in ("", "job-1"):
        detail = persist(town, image_id, job).must_fail(404, "NotFound")
        assert f"file not found: mv/outputs/character_reference/{image_id}" \
            ".png" in detail["message"]
        assert not town.cloud.asked("PUT", key_of(image_id, job))


@pytest.mark.parametrize("body, field", [
    ("{", None), ("", None), ("[]", None), ('"x"', None), ("null", None),
    ("{}", "image_id"), ({"image_id": None}, "image_id"),
    ({"image_id": 7}, "image_id"), ({"image_id": ["a"]}, "image_id"),
    ({"image_id": ""}, "image_id"), ({"image_id": "../x"}, "image_id"),
    ({"image_id": "a/b"}, "image_id"), ({"image_id": "a.b"}, "image_id"),
    ({"image_id": "-a"}, "image_id"), ({"image_id": "a" * 129}, "image_id"),
    ({"image_id": "é"}, "image_id"), ({"image_id": "a b"}, "image_id"),
    ('{"image_id": "a\\u0000b"}', None),
    ('{"image_id": "a", "image_id": "b"}', None),
    ({"image_id": "a", "job_id": 7}, "job_id"),
    ({"image_id": "a", "job_id": ""}, "job_id"),
    ({"image_id": "a", "job_id": {}}, "job_id"),
    ({"image_id": "a", "job_id": "../../etc"}, "job_id"),
    ({"image_id": "a", "job_id": "j" * 129}, "job_id"),
    ({"image_id": "a", "job_id": "жоб"}, "job_id")])
def test_a_bad_body_is_told_what_is_wrong(town, body, field):
    town.http.post(body, PERSIST).must_fail(400, "ValidationError", field)


def test_unknown_fields_and_null_are_nothing(town):
    [(image_id, _)] = kept(town)
    got = town.http.post({"image_id": image_id, "job_id": None,
                          "local_image_path": "/etc/passwd", "x": [1]},
                         PERSIST)
    assert got.json()["cloud_path"] == key_of(image_id)


@pytest.mark.parametrize("kind", [None, "text/plain", "multipart/form-data"])
def test_only_json_is_taken(town, kind):
    town.http.post({"image_id": "a"}, PERSIST, {"Content-Type": kind}) \
        .must_fail(415, "UnsupportedMediaType")


def test_only_post_is_taken(town):
    got = town.http.get(PERSIST)
    got.must_fail(405, "MethodNotAllowed")
    assert got.headers["allow"] == "POST"


def test_while_the_storage_is_down_it_waits_and_then_comes(town):
    [(image_id, data)] = kept(town)
    town.cloud.set_mode("refuse")
    town.wait_for_storage("down")
    got = persist(town, image_id, "job-1")
    got.must_fail(503, "Unavailable")
    assert got.seconds < 1 * SLOWNESS
    assert state_of(town, image_id, "job-1") == "waiting"
    town.cloud.set_mode("up")
    wait_until(lambda: key_of(image_id, "job-1") in town.cloud.objects,
               "the uploader", 15)
    assert town.cloud.objects[key_of(image_id, "job-1")].data == data


def test_a_storage_that_refuses_us_is_named(town):
    [(image_id, _)] = kept(town)
    town.cloud.set_mode("denied")
    persist(town, image_id).must_fail(502, "StorageDenied")
    town.cloud.set_mode("up")
    wait_until(lambda: key_of(image_id) in town.cloud.objects, "the uploader",
               15)


def test_a_storage_that_asks_to_slow_down_is_obeyed(town):
    [(image_id, _)] = kept(town)
    town.cloud.set_mode("slow_down")
    persist(town, image_id).must_fail(503, "Unavailable")
    town.cloud.set_mode("up")
    wait_until(lambda: key_of(image_id) in town.cloud.objects, "the uploader",
               15)


@pytest.mark.parametrize("fault", [
    slow_down(), reply(500, "InternalError"), close("headers"),
    close("reply")], ids=["slow_down", "500", "cut", "cut after the deed"])
def test_one_bad_moment_is_not_noticed(town, fault):
    [(image_id, data)] = kept(town)
    town.cloud.on(fault, method="PUT", key=key_of(image_id))
    assert persist(town, image_id).status == 200
    assert town.cloud.objects[key_of(image_id)].data == data


def test_an_upload_refused_for_its_key_alone_waits(town):
    """AccessDenied may be about one key: the next one is tried all the
    same."""
    (first, _), (second, _) = kept(town, 2)
    town.cloud.on(denied(), method="PUT", key=key_of(first))
    persist(town, first).must_fail(502, "StorageDenied")
    assert persist(town, second).status == 200


@dataclasses.dataclass
class Wait:
    """Requests on their way to a storage that does not answer."""

    house: houses.House
    images: list[tuple[str, bytes]]
    answers: list[concurrent.futures.Future]
    gone: list[str]  # images that the bucket alone has
    last: str  # one whose turn comes after theirs
    killed: bytes  # the image of a command that was killed
    command: concurrent.futures.Future


def timed(call, *arguments):
    """What it gives, and how long it took."""
    began = time.monotonic()
    return call(*arguments), time.monotonic() - began


def die_while_sending(one) -> bytes:
    """Kills the command when it has sent an image: its bytes."""
    data = pictures.png()
    rule = one.cloud.on(stall("body"), method="PUT", key=key_of("killed"))
    (one.folder / "killed").write_bytes(data)
    command = subprocess.Popen(
        [houses.program("charref"), "persist", "killed",
         str(one.folder / "killed")], env=one.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        rule.wait_taken()
    finally:
        command.kill()
        command.wait()
        rule.drop()
    return data


@pytest.fixture(scope="module", autouse=True)
def long_wait():
    """Begins with the module, so that its other tests pass the time."""
    with contextlib.closing(S3Double()) as double, houses.a_house(
            cloud=double, UPLOAD_MODE="lazy") as one, \
            concurrent.futures.ThreadPoolExecutor() as pool:
        images = kept(one, 2)
        (first, _), (second, _) = images
        [(last, _)] = kept(one)
        gone = [image_id for image_id, _ in kept(one, 2)]
        for image_id in gone:
            assert persist(one, image_id).status == 200
            (one.store / f"{image_id}.png").unlink()
        killed = die_while_sending(one)
        double.set_mode("hang")
        patience = (LIMIT_S + 10) * SLOWNESS
        yield Wait(one, images, [
            pool.submit(persist, one, first, deadline=patience),
            pool.submit(one.http.post, {"job_id": "j", "image_ids": [second]},
                        "/api/mv/associate_character_images_with_job",
                        deadline=patience)], gone, last, killed,
            pool.submit(timed, one.charref, "associate", "k", *gone, last))


def test_what_the_uploader_gave_up_is_begun_anew_by_asking(town):
    """Attempts of long ago must not make the next failure the last."""
    [(image_id, _)] = kept(town)
    town.cloud.on(reply(400, "InvalidRequest"), key=key_of(image_id),
                  method="PUT")
    persist(town, image_id).must_fail(502, "ProviderError")
    with contextlib.closing(sqlite3.connect(
            town.root / "catalogue.db", timeout=5 * SLOWNESS)) as db:
        db.execute("UPDATE objects SET state = 'failed', attempts = 8 "
                   "WHERE image_id = ?", (image_id,))
        db.commit()
    town.cloud.on(reply(400, "InvalidRequest"), key=key_of(image_id),
                  method="PUT")
    persist(town, image_id).must_fail(502, "ProviderError")
    assert state_of(town, image_id) == "waiting"
    assert persist(town, image_id).status == 200


def test_a_bucket_must_be_set(new_house):
    one = new_house()
    image_id = one.http.generate(num_images=1).images()[0]["id"]
    for got in (persist(one, image_id), one.http.get(URL + image_id)):
        assert "STORAGE_BUCKET" in got.must_fail(503, "Unavailable")["message"]
    done = one.charref("persist", image_id)
    assert done.returncode == 1 and "STORAGE_BUCKET" in done.stderr


def test_with_local_serving_a_bucket_is_still_uploaded_to():
    with contextlib.closing(S3Double()) as double, houses.a_house(
            cloud=double, SERVE_FROM_CLOUD="false",
            UPLOAD_MODE="lazy") as one:
        [(image_id, data)] = kept(one)
        assert not double.asked("PUT")
        assert persist(one, image_id).status == 200
        assert double.objects[key_of(image_id)].data == data
        got = one.http.picture(image_id)
        assert (got.status, got.body) == (200, data)
        assert got.headers["x-asset-source"] == "local"


# ----------------------------------------------------------- by the command


@pytest.fixture
def desk(town):
    """A folder of the operator's own, and the words to use the command."""
    folder = town.folder / "desk"
    folder.mkdir(exist_ok=True)
    return folder


def lay(desk, name: str, data: bytes) -> str:
    """Puts a file there: its path."""
    (desk / name).write_bytes(data)
    return str(desk / name)


@pytest.mark.parametrize("make, extension", [
    (pictures.png, "png"), (pictures.jpeg, "jpg"), (pictures.webp, "webp")])
def test_any_image_file_becomes_the_image_of_its_id(town, desk, make,
                                                    extension):
    data = make()
    image_id = f"hand-{extension}"
    path = lay(desk, "some other name.dat", data)
    done = town.charref("persist", image_id, path)
    assert (done.returncode, done.stderr) == (0, "")
    assert fetch(done.stdout.strip()).body == data
    assert town.cloud.objects[key_of(image_id, "", extension)].data == data
    assert (town.store / f"{image_id}.{extension}").read_bytes() == data
    got = town.http.get(GET + image_id)
    assert got.json()["cloud_path"] == key_of(image_id, "", extension)
    assert fetch(got.json()["image_url"]).body == data


def test_json_of_the_command_is_the_reply_of_the_service(town, desk):
    path = lay(desk, "a.png", pictures.png())
    done = town.charref("persist", "abc-1", path, "--job", "job-456",
                        "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    got = persist(town, "abc-1", "job-456").json()
    assert list(said) == list(got) == FIELDS
    for name in ("image_id", "cloud_path", "expires_in_seconds"):
        assert said[name] == got[name]
    assert said["cloud_path"] == key_of("abc-1", "job-456")


def test_the_same_bytes_again_are_fine_and_others_a_conflict(town, desk):
    data = pictures.png()
    path = lay(desk, "a.png", data)
    assert town.charref("persist", "twice", path).returncode == 0
    assert town.charref("persist", "twice", path).returncode == 0
    assert len(puts(town, key_of("twice"))) == 1
    for make in (pictures.png, pictures.jpeg):
        done = town.charref("persist", "twice", lay(desk, "b", make()))
        assert done.returncode == 1
        assert "other bytes" in done.stderr
    assert [p.name for p in town.store.glob("twice.*")] == ["twice.png"]
    assert (town.store / "twice.png").read_bytes() == data


def test_a_file_in_the_store_that_has_no_row_yet_is_not_overridden(town,
                                                                   desk):
    """Its maker was killed before it could record it."""
    data = pictures.jpeg()
    (town.store / "orphan.jpg").write_bytes(data)
    done = town.charref("persist", "orphan", lay(desk, "a", pictures.png()))
    assert done.returncode == 1 and "other bytes" in done.stderr
    assert not (town.store / "orphan.png").exists()
    assert town.charref("persist", "orphan", lay(desk, "b", data)) \
        .returncode == 0


@pytest.mark.parametrize("found_by", [(), ("reindex",)])
def test_bytes_that_only_the_bucket_has_own_their_id(town, desk, found_by):
    """Found by a listing, which tells their size and no more."""
    image_id = f"far-owned-{len(found_by)}"
    data, other = pictures.jpeg(), pictures.jpeg()
    assert len(data) == len(other)
    town.cloud.put(key_of(image_id, "", "jpg"), data, "image/jpeg")
    assert town.charref(*(found_by or ("url", image_id))).returncode == 0
    done = town.charref("persist", image_id, lay(desk, "other", other))
    assert done.returncode == 1 and "other bytes" in done.stderr
    assert town.charref("persist", image_id, lay(desk, "same", data)) \
        .returncode == 0
    key = key_of(image_id, "", "jpg")
    assert town.cloud.objects[key].data == data
    assert not town.cloud.asked("PUT", key)


def test_an_image_of_another_host_owns_its_id(town, desk):
    """Nobody here has heard of it: the bucket is asked first."""
    data, other = pictures.jpeg(), pictures.jpeg()
    key = key_of("far-away", "", "jpg")
    town.cloud.put(key, data, "image/jpeg")
    for bytes_ in (other, pictures.png()):
        done = town.charref("persist", "far-away", lay(desk, "o", bytes_))
        assert done.returncode == 1 and "other bytes" in done.stderr, done
    assert town.charref("persist", "far-away", lay(desk, "same", data)) \
        .returncode == 0
    assert town.cloud.objects[key].data == data
    assert not [r for r in town.cloud.asked("PUT") if "far-away" in r.key]


@pytest.mark.parametrize("trouble", [reply(500, "InternalError"),
                                     close("headers")], ids=["500", "cut"])
def test_a_file_is_taken_though_the_bucket_does_not_say_whose_its_id_is(
        town, desk, trouble):
    image_id, data = f"in-vain-{uuid.uuid4()}", pictures.png()
    town.cloud.on(trouble, method="GET", times=None,
                  when=lambda r: image_id in r.query.get("prefix", ""))
    path = lay(desk, "x", data)
    town.charref("persist", image_id, path)
    assert (town.store / f"{image_id}.png").read_bytes() == data
    wait_until(lambda: key_of(image_id) in town.cloud.objects, "the upload",
               15)


def remembered_absent(one, image_id: str):
    """The next one who looks for it does not ask the bucket."""
    one.http.get(URL + image_id).must_fail(404, "NotFound")


@pytest.mark.parametrize("digest", ["another", ""])
def test_what_comes_to_the_bucket_meanwhile_is_not_overwritten(town, desk,
                                                               digest):
    image_id = f"meanwhile-{len(digest)}"
    data, other = pictures.png(), pictures.png()
    remembered_absent(town, image_id)
    town.cloud.put(key_of(image_id), data).metadata |= {
        "sha256": hashlib.sha256(data).hexdigest()} if digest else {}
    done = town.charref("persist", image_id, lay(desk, "other", other))
    assert done.returncode == 1, done
    assert ("other bytes" if digest else "without a digest") in done.stderr
    assert not town.cloud.asked("PUT", key_of(image_id))
    assert town.cloud.objects[key_of(image_id)].data == data
    assert state_of(town, image_id) == "failed"


def test_the_same_bytes_that_came_to_the_bucket_meanwhile_are_fine(town,
                                                                   desk):
    data = pictures.png()
    remembered_absent(town, "meanwhile-same")
    key = key_of("meanwhile-same")
    town.cloud.put(key, data).metadata["sha256"] = \
        hashlib.sha256(data).hexdigest()
    done = town.charref("persist", "meanwhile-same", lay(desk, "s", data))
    assert (done.returncode, done.stderr) == (0, "")
    assert not town.cloud.asked("PUT", key)


def test_a_real_server_keeps_its_bytes_too(gateway, new_house):
    """Ceph heeds If-None-Match."""
    one = new_house(cloud=gateway, uploader=False)
    data, image_id = pictures.png(), f"far-{uuid.uuid4()}"
    remembered_absent(one, image_id)
    gateway.client().put_object(
        Bucket=gateway.bucket, Key=key_of(image_id), Body=data,
        Metadata={"sha256": hashlib.sha256(data).hexdigest()})
    done = one.charref("persist", image_id, lay(one.folder, "same", data))
    assert done.returncode == 0, done
    second = f"far-{uuid.uuid4()}"
    remembered_absent(one, second)
    gateway.client().put_object(
        Bucket=gateway.bucket, Key=key_of(second), Body=data,
        Metadata={"sha256": hashlib.sha256(data).hexdigest()})
    done = one.charref("persist", second,
                       lay(one.folder, "other", pictures.png()))
    assert done.returncode == 1 and \
        "bucket holds other bytes" in done.stderr, done
    assert gateway.client().get_object(
        Bucket=gateway.bucket, Key=key_of(second))["Body"].read() == data
    for path in one.store.iterdir():
        path.unlink()


def bad_files(desk) -> dict[str, tuple[str, int, str]]:
    """Name: path, exit status, word of the error."""
    (desk / "folder").mkdir(exist_ok=True)
    if not (desk / "pipe").exists():
        os.mkfifo(desk / "pipe")
        os.symlink(desk / "loop", desk / "loop")
        os.symlink(desk / "nowhere", desk / "dangling")
    big = desk / "big.png"
    big.write_bytes(pictures.png())
    os.truncate(big, 25 << 20)
    return {
        "nonexistent": (str(desk / "nonexistent.png"), 3, "file not found"),
        "dangling": (str(desk / "dangling"), 3, "file not found"),
        "in a file": (lay(desk, "x", b"x") + "/y", 3, "file not found"),
        "folder": (str(desk / "folder"), 3, "file not found"),
        "pipe": (str(desk / "pipe"), 3, "file not found"),
        "device": ("/dev/null", 3, "file not found"),
        "no name": ("", 3, "file not found"),
        "loop": (str(desk / "loop"), 1, "loop"),
        "unreadable": ("/proc/self/mem", 1, "/proc/self/mem"),
        "empty": (lay(desk, "empty.png", b""), 1, "empty.png"),
        "text": (lay(desk, "text.png", b"hello"), 1, "no whole png"),
        "gif": (lay(desk, "a.gif", pictures.gif()), 1, "no whole png"),
        "cut": (lay(desk, "cut.png", pictures.png()[:-9]), 1, "no whole png"),
        "big": (str(big), 1, "25165824"),
        "named too long": ("/" + "n" * 300, 1, "too long"),
    }


def test_a_bad_file_is_told_by_its_name(town, desk):
    for name, (path, status, word) in bad_files(desk).items():
        done = town.charref("persist", "bad-file", path, deadline=20)
        assert done.returncode == status, (name, done)
        assert word in done.stderr, (name, done.stderr)
        if status == 3:
            assert path in done.stderr, (name, done.stderr)
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
    assert not list(town.store.glob("bad-file*"))
    assert not town.rows("SELECT * FROM images WHERE id = 'bad-file'")


def test_the_requirements_missing_file_is_json_too(town):
    done = town.charref("persist", "abc", "/nonexistent/image.png", "--json")
    assert done.returncode == 3
    detail = json.loads(done.stdout)["detail"]
    assert detail["error"] == "NotFound" and detail["field"] == "file"
    assert "file not found: /nonexistent/image.png" in detail["message"]


def test_the_name_of_a_missing_file_is_told_though_the_id_is_long(town):
    path = "/nonexistent/" + "deep/" * 12 + "image.png"
    done = town.charref("persist", "i" * 128, path)
    assert done.returncode == 3 and path in done.stderr, done.stderr


def test_a_link_is_followed(town, desk):
    data = pictures.png()
    path = lay(desk, "real.png", data)
    os.symlink(path, desk / "link1")
    os.symlink("link1", desk / "link2")
    assert town.charref("persist", "linked", str(desk / "link2")) \
        .returncode == 0
    assert not (town.store / "linked.png").is_symlink()
    assert town.cloud.objects[key_of("linked")].data == data


@pytest.mark.parametrize("arguments", [
    (), ("a", "b", "c"), ("a", "--job"), ("a", "--nonsense"),
    ("a", "--base", "/tmp"), ("a", "--expires", "5"), ("--", "--json"),
    ("../a",), ("",), ("a", "--job", ""), ("a", "--job", "a/b"),
    ("é",), ("a" * 129,)])
def test_a_wrong_command_line_is_exit_2(town, arguments):
    done = town.charref("persist", *arguments)
    assert done.returncode == 2, done
    assert done.stderr != ""


def test_words_behind_two_dashes_are_no_options(town, desk):
    path = lay(desk, "--job", pictures.png())
    done = town.charref("persist", "--json", "--", "dashes", path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["image_id"] == "dashes"


def test_without_a_file_it_takes_the_image_that_is_here(town):
    [(image_id, data)] = kept(town)
    assert town.charref("persist", image_id).returncode == 0
    assert town.cloud.objects[key_of(image_id)].data == data
    done = town.charref("persist", "nobody-knows")
    assert done.returncode == 3 and "nobody-knows" in done.stderr


def test_while_the_storage_is_down_the_command_fails_and_nothing_is_lost(
        town, desk):
    data = pictures.png()
    town.cloud.set_mode("refuse")
    town.wait_for_storage("down")
    done = town.charref("persist", "later", lay(desk, "a", data), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["detail"]["error"] == "Unavailable"
    town.cloud.set_mode("up")
    wait_until(lambda: key_of("later") in town.cloud.objects, "the uploader",
               15)
    assert town.cloud.objects[key_of("later")].data == data


@pytest.mark.parametrize("second", [pictures.png, pictures.jpeg])
def test_of_two_at_once_with_other_bytes_one_wins(town, desk, second):
    for i in range(4):
        image_id = f"race-{second.__name__}-{i}"
        files = [lay(desk, "1", pictures.png()), lay(desk, "2", second())]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            done = list(pool.map(
                lambda path, name=image_id: town.charref(
                    "persist", name, path), files))
        assert sorted(d.returncode for d in done) == [0, 1], done
        winner = files[[d.returncode for d in done].index(0)]
        data = pathlib.Path(winner).read_bytes()
        [here] = town.store.glob(f"{image_id}.*")
        assert here.read_bytes() == data
        there = [o.data for k, o in town.cloud.objects.items()
                 if image_id in k]
        assert there == [data]


def test_two_at_once_with_the_same_bytes_both_succeed(town, desk):
    for i in range(4):
        path = lay(desk, "same", pictures.big_png(400))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            done = list(pool.map(
                lambda _, name=f"same-{i}", path=path: town.charref(
                    "persist", name, path), range(3)))
        assert [d.returncode for d in done] == [0, 0, 0], done
        assert (town.store / f"same-{i}.png").read_bytes() \
            == pathlib.Path(path).read_bytes()


# ---------------------------------------------------------------------- url


def ask_url(one, image_id: str, **query):
    """GET of a presigned URL."""
    text = urllib.parse.urlencode(query)
    return one.http.get(URL + image_id + ("?" + text if text else ""))


def test_an_image_in_the_bucket_has_a_url(town):
    [(image_id, data)] = kept(town)
    persist(town, image_id)
    got = ask_url(town, image_id)
    assert got.status == 200, got.body
    document = got.json()
    assert list(document) == ["image_id", "image_url", "expires_in_seconds",
                              "cloud_path"]
    assert document["cloud_path"] == key_of(image_id)
    assert document["expires_in_seconds"] == 3600
    assert fetch(document["image_url"]).body == data
    assert got.headers["cache-control"] == "no-store"


def test_an_image_that_waits_or_that_nobody_has_has_none(town):
    [(image_id, _)] = kept(town)
    ask_url(town, image_id).must_fail(404, "NotFound")
    ask_url(town, "nobody-has").must_fail(404, "NotFound", "image_id")
    ask_url(town, "nobody-has", job_id="j").must_fail(404, "NotFound")
    for more in ((), ("--job", "j")):
        assert town.charref("url", image_id, *more).returncode == 3


def test_an_image_of_another_host_is_found_in_the_bucket(town):
    data = pictures.png()
    town.cloud.put(key_of("far-1"), data)
    town.cloud.put(key_of("far-2", "job-9"), data)
    assert fetch(ask_url(town, "far-1").json()["image_url"]).body == data
    got = ask_url(town, "far-2", job_id="job-9").json()
    assert got["cloud_path"] == key_of("far-2", "job-9")
    assert fetch(got["image_url"]).body == data
    town.cloud.put(key_of("far-3"), data)
    done = town.charref("url", "far-3")
    assert fetch(done.stdout.strip()).body == data


@pytest.mark.parametrize("make, has, right, wrong", [
    (pictures.jpeg, "jpg", ("jpg", "jpeg"), ("png", "webp")),
    (pictures.png, "png", ("png",), ("jpg", "jpeg", "webp")),
    (pictures.webp, "webp", ("webp",), ("png", "jpg"))])
def test_an_extension_must_match(town, desk, make, has, right, wrong):
    image_id = f"ext-{has}"
    assert town.charref("persist", image_id, lay(desk, "a", make())) \
        .returncode == 0
    for word in right:
        assert ask_url(town, image_id, extension=word).json()["cloud_path"] \
            == key_of(image_id, "", has)
        assert town.charref("url", image_id, "--extension", word) \
            .returncode == 0
    for word in wrong:
        ask_url(town, image_id, extension=word).must_fail(
            404, "NotFound", "extension")
        assert town.charref("url", image_id, "--extension", word) \
            .returncode == 3


@pytest.mark.parametrize("word", ["gif", "", ".png", "PNG ", "png/../x"])
def test_an_unknown_extension_is_422(town, word):
    ask_url(town, "any", extension=word).must_fail(
        422, "ValidationError", "extension")
    assert town.charref("url", "any", "--extension", word).returncode == 2


def test_a_nul_ends_no_extension(town):
    town.http.get(URL + "any?extension=png%00x").must_fail(
        400, "ValidationError", "extension")


@pytest.mark.parametrize("seconds", ["0", "-1", "604801", "1e3", "soon", "",
                                     "99999999999999999999", " 5", "+5"])
def test_a_life_out_of_range_is_422(town, seconds):
    ask_url(town, "any", expires_in=seconds).must_fail(
        422, "ValidationError", "expires_in")
    assert town.charref("url", "any", "--expires", seconds).returncode == 2


@pytest.mark.parametrize("seconds", [1, 60, 604800])
def test_a_life_is_what_was_asked(town, seconds):
    image_id = f"lives-{seconds}"
    town.cloud.put(key_of(image_id), pictures.png())
    said = ask_url(town, image_id, expires_in=seconds).json()
    query = dict(urllib.parse.parse_qsl(
        urllib.parse.urlsplit(said["image_url"]).query))
    assert said["expires_in_seconds"] == seconds
    assert query["X-Amz-Expires"] == str(seconds)
    done = town.charref("url", image_id, "--expires", str(seconds), "--json")
    assert json.loads(done.stdout)["expires_in_seconds"] == seconds


def test_a_url_dies_when_it_was_said_to(town):
    data = pictures.png()
    town.cloud.put(key_of("dies"), data)
    url = ask_url(town, "dies", expires_in=2).json()["image_url"]
    assert fetch(url).body == data
    time.sleep(2.1)
    assert fetch(url).status == 403


@pytest.mark.parametrize("mode, word, status, error", [
    ("refuse", "down", 503, "Unavailable"),
    ("denied", "denied", 502, "StorageDenied")])
def test_a_storage_that_is_down_has_no_urls(town, mode, word, status, error):
    """They could be made, and would lead nowhere."""
    [(image_id, _)] = kept(town)
    persist(town, image_id)
    town.cloud.set_mode(mode)
    town.wait_for_storage(word)
    for got in (ask_url(town, image_id), persist(town, image_id),
                ask_url(town, "not-known")):
        got.must_fail(status, error)
    for verb in ("url", "persist"):
        assert town.charref(verb, image_id).returncode == 1
    town.cloud.set_mode("up")
    town.wait_for_storage("up")
    assert ask_url(town, image_id).status == 200
    assert persist(town, image_id).status == 200
    assert len(puts(town, key_of(image_id))) == 1


def test_a_url_is_asked_for_by_get_or_head_and_a_good_id(town):
    town.http.post({}, URL + "abc").must_fail(405, "MethodNotAllowed")
    for bad in ("", "a.b", "..%2fx", "a" * 129, "%C3%A9"):
        town.http.get(URL + bad).must_fail(400, "ValidationError", "image_id")
    ask_url(town, "abc", job_id="../x").must_fail(400, "ValidationError",
                                                  "job_id")


def test_a_stalled_upload_does_not_delay_another(town):
    """Two slow workers: one that waits leaves the other free."""
    (first, _), (second, _) = kept(town, 2)
    rule = town.cloud.on(stall("headers"), key=key_of(first), method="PUT")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(persist, town, first)
        rule.wait_taken()
        assert persist(town, second).seconds < 5 * SLOWNESS
        rule.release()
        assert waiting.result().status == 200


@pytest.mark.slow
def test_a_storage_that_hangs_is_waited_for_no_longer_than_said(long_wait):
    """Whoever came before the news waits for the deadline; others not."""
    one = long_wait.house
    (first, data), (second, other) = long_wait.images
    alone, in_job = (answer.result() for answer in long_wait.answers)
    assert alone.status in (503, 504), alone.body
    [image] = in_job.json()["images"]
    assert (image["status"], image["cloud_url"]) == ("queued", None)
    for got in (alone, in_job):
        assert got.seconds < LIMIT_S + 2 * SLOWNESS
    done, seconds = long_wait.command.result()
    # The look at the job's copies tells that the bucket hangs, so the last
    # one, which is here, has its turn.
    assert done.stdout == "".join(
        f"{i}: failed\n" for i in long_wait.gone) + \
        f"{long_wait.last}: queued\n"
    assert state_of(one, long_wait.last, "k") == "waiting"
    assert done.returncode == 1 and seconds < LIMIT_S + 2 * SLOWNESS
    one.wait_for_storage("down")
    now = persist(one, first)
    now.must_fail(503, "Unavailable")
    assert now.seconds < 1 * SLOWNESS
    one.cloud.set_mode("up")
    wait_until(lambda: len(one.cloud.objects) == 6, "the uploader", 40)
    assert one.cloud.objects[key_of("killed")].data == long_wait.killed
    assert one.cloud.objects[key_of(first)].data == data
    assert one.cloud.objects[key_of(second, "j")].data == other
    print(f"hang: {alone.status} after {alone.seconds:.1f} s, "
          f"associated after {in_job.seconds:.1f} s, two to be fetched "
          f"given up after {seconds:.1f} s")
    assert one.charref("associate", "k", *long_wait.gone).returncode == 0
