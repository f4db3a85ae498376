"""Images for a job: their copies in its folder, and in the bucket."""

import concurrent.futures
import contextlib
import json
import os
import threading

import pytest

import house as houses
import pictures
from house import SLOWNESS, wait_until
from s3_double import (S3Double, close, corrupt, denied, fetch, hidden_error,
                       reply, stall)

ASSOCIATE = "/api/mv/associate_character_images_with_job"
FOLDER = "character_reference"
PARALLEL = 16
LIMIT_S = 30  # for all that the bucket is asked by one request


def key_of(image_id: str, job: str = "", extension: str = "png") -> str:
    """Where the bucket keeps an image."""
    where = f"videos/{job}/intermediate/{FOLDER}" if job \
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
    left = list((one.folder / "jobs").rglob(".draft-*"))
    assert not left, left
    one.inspect()


@pytest.fixture
def job(request) -> str:
    """A job's id that no other test has."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return f"job-{name[5:60]}"


def kept(one, count: int = 1) -> dict[str, bytes]:
    """Images in the local store alone: their bytes by id."""
    images: dict[str, bytes] = {}
    while len(images) < count:
        got = one.http.generate(num_images=min(4, count - len(images)))
        images |= zip((i["id"] for i in got.images()), got.pictures(),
                      strict=True)
    return images


def associate(one, job: str, ids, **kw):
    """The request, as a client makes it."""
    return one.http.post({"job_id": job, "image_ids": list(ids)}, ASSOCIATE,
                         **kw)


def statuses(got) -> list[str]:
    """What came of each image, of a reply that is well-formed."""
    assert got.status == 200, got.body
    for image in got.json()["images"]:
        there = image["status"] in ("uploaded", "copied")
        fields = ["image_id", "status", "cloud_url", "cloud_path"]
        fields += [] if there else ["error", "message"]
        assert list(image) == fields, image
        assert (image["cloud_url"] is not None) == there, image
    return [image["status"] for image in got.json()["images"]]


def copy_in(one, job: str, image_id: str, extension: str = "png"):
    """The job's own copy on local disk."""
    return one.folder / "jobs" / job / FOLDER / f"{image_id}.{extension}"


def puts(one, ids, job: str) -> list:
    """The requests that were to bring these to the job."""
    keys = [key_of(image_id, job) for image_id in ids]
    return [r for r in one.cloud.asked("PUT") if r.key in keys]


def persist(one, *ids):
    """Brings images to the bucket, alone."""
    for image_id in ids:
        got = one.http.post({"image_id": image_id},
                            "/api/mv/persist_character_reference")
        assert got.status == 200, got.body


# ------------------------------------------------------------------ success


def test_images_come_to_the_job_in_the_order_asked(town, job):
    images = kept(town, 6)
    ids = sorted(images, reverse=True)
    got = associate(town, job, ids)
    assert statuses(got) == ["uploaded"] * 6
    document = got.json()
    assert list(document) == ["job_id", "images"]
    assert document["job_id"] == job
    assert [image["image_id"] for image in document["images"]] == ids
    for image in document["images"]:
        data = images[image["image_id"]]
        assert image["cloud_path"] == key_of(image["image_id"], job)
        assert town.cloud.objects[image["cloud_path"]].data == data
        assert fetch(image["cloud_url"]).body == data
        assert copy_in(town, job, image["image_id"]).read_bytes() == data


def test_local_copies_are_files_of_their_own(town, job):
    [(image_id, data)] = kept(town).items()
    associate(town, job, [image_id])
    copy, original = copy_in(town, job, image_id), town.store / (
        image_id + ".png")
    assert copy.stat().st_ino != original.stat().st_ino
    assert copy.stat().st_nlink == 1
    copy.write_bytes(b"edited by the pipeline")
    assert original.read_bytes() == data


def test_an_edited_copy_is_left_alone(town, job):
    [(image_id, _)] = kept(town).items()
    copy = copy_in(town, job, image_id)
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"edited")
    for _ in range(2):
        assert statuses(associate(town, job, [image_id])) == ["uploaded"]
        assert copy.read_bytes() == b"edited"


def test_what_the_bucket_has_is_copied_inside_it(town, job):
    images = kept(town, 3)
    persist(town, *images)
    assert statuses(associate(town, job, images)) == ["copied"] * 3
    assert [(one.size, one.header("x-amz-copy-source") is not None)
            for one in puts(town, images, job)] == [(0, True)] * 3
    whole = [one for image_id in images
             for one in town.cloud.asked("GET", key_of(image_id))
             if one.status == 200]  # a probe asks for a byte, which is 206
    assert not whole
    for image_id, data in images.items():
        assert town.cloud.objects[key_of(image_id, job)].data == data


def test_what_is_in_the_job_already_is_not_sent_again(town, job):
    images = kept(town, 3)
    associate(town, job, images)
    again = associate(town, job, images)
    assert statuses(again) == ["uploaded"] * 3
    assert len(puts(town, images, job)) == 3
    for image in again.json()["images"]:
        assert fetch(image["cloud_url"]).body == images[image["image_id"]]


def test_an_id_given_twice_is_answered_twice_and_sent_once(town, job):
    first, second = images = kept(town, 2)
    ids = [first, second, first, "nobody", first, "nobody"]
    got = associate(town, job, ids)
    assert statuses(got) == ["uploaded", "uploaded", "uploaded", "missing",
                             "uploaded", "missing"]
    assert [i["image_id"] for i in got.json()["images"]] == ids
    urls = [i["cloud_url"] for i in got.json()["images"]]
    assert urls[0] == urls[2] == urls[4]
    assert fetch(urls[4]).body == images[first]
    assert len(town.cloud.asked("PUT", key_of(first, job))) == 1


def test_uploads_of_one_request_go_side_by_side(town, job):
    images = kept(town, 20)
    rule = town.cloud.on(stall("headers"), method="PUT", times=None,
                         when=lambda request: job in request.key)
    done = []
    thread = threading.Thread(
        target=lambda: done.append(associate(town, job, images)))
    thread.start()
    try:
        rule.wait_taken(PARALLEL)
        assert rule.taken == PARALLEL
    finally:
        rule.release()
        thread.join()
    assert statuses(done[0]) == ["uploaded"] * 20


def test_a_hundred_images_are_taken(town, job):
    images = kept(town, 100)
    got = associate(town, job, images)
    assert statuses(got) == ["uploaded"] * 100
    for image_id, data in images.items():
        assert town.cloud.objects[key_of(image_id, job)].data == data
        assert copy_in(town, job, image_id).read_bytes() == data
    print(f"a hundred: {got.seconds:.2f} s")


# ------------------------------------------------------------- some of them


def test_one_missing_does_not_stop_the_others(town, job):
    first, second = kept(town, 2)
    assert statuses(associate(town, job, [first, "nobody-1", second])) \
        == ["uploaded", "missing", "uploaded"]
    assert not list(copy_in(town, job, "x").parent.glob("nobody*"))


def test_all_missing_is_404(town, job):
    associate(town, job, ["nobody-2", "nobody-3", "nobody-2"]) \
        .must_fail(404, "NotFound", "image_ids")


@pytest.mark.parametrize("body, status, field", [
    ({}, 400, "job_id"), ({"job_id": "j"}, 400, "image_ids"),
    ({"job_id": "j", "image_ids": "abc"}, 400, "image_ids"),
    ({"job_id": "j", "image_ids": None}, 400, "image_ids"),
    ({"job_id": "j", "image_ids": {"a": 1}}, 400, "image_ids"),
    ({"job_id": "j", "image_ids": [1]}, 400, "image_ids"),
    ({"job_id": "j", "image_ids": ["a", None]}, 400, "image_ids"),
    ({"job_id": "j", "image_ids": ["../a"]}, 400, "image_ids"),
    ({"job_id": "j", "image_ids": ["a", "b" * 129]}, 400, "image_ids"),
    ({"job_id": "j", "image_ids": []}, 422, "image_ids"),
    ({"job_id": "j", "image_ids": ["a"] * 101}, 422, "image_ids"),
    ({"job_id": "", "image_ids": ["a"]}, 400, "job_id"),
    ({"job_id": None, "image_ids": ["a"]}, 400, "job_id"),
    ({"job_id": 5, "image_ids": ["a"]}, 400, "job_id"),
    ({"job_id": "../../etc", "image_ids": ["a"]}, 400, "job_id"),
    ({"job_id": ".", "image_ids": ["a"]}, 400, "job_id")])
def test_a_bad_body_is_told_what_is_wrong(town, body, status, field):
    town.http.post(body, ASSOCIATE).must_fail(status, "ValidationError",
                                              field)
    assert not (town.folder / "jobs" / "j").exists()


def obstacles(copy, outside):
    """What can lie in the way of a copy."""
    victim = outside / "victim"
    victim.write_bytes(b"theirs")
    yield "folder", copy.mkdir
    yield "dangling", lambda: copy.symlink_to(outside / "nowhere")
    yield "link to a file", lambda: copy.symlink_to(victim)
    yield "pipe", lambda: os.mkfifo(copy)


def test_what_is_in_the_way_of_one_copy_fails_that_image(town, job):
    outside = town.folder / "outside"
    outside.mkdir(exist_ok=True)
    images = kept(town, 5)
    ids = list(images)
    copy_in(town, job, "x").parent.mkdir(parents=True)
    for image_id in ids[:4]:
        name, put = list(obstacles(copy_in(town, job, image_id), outside))[
            ids.index(image_id)]
        put()
    got = associate(town, job, ids)
    assert statuses(got) == ["failed"] * 4 + ["uploaded"]
    for image in got.json()["images"][:4]:
        assert image["error"] == "Conflict", image
        assert str(town.folder) not in image["message"]
    assert [p.name for p in outside.iterdir()] == ["victim"]
    assert (outside / "victim").read_bytes() == b"theirs"
    assert copy_in(town, job, ids[4]).read_bytes() == images[ids[4]]


@pytest.mark.parametrize("which", ["job", "folder"])
def test_a_link_as_the_folder_is_never_followed(town, job, which):
    outside = town.folder / f"outside-{which}"
    outside.mkdir()
    place = town.folder / "jobs" / job
    if which == "folder":
        place.mkdir(parents=True)
        place = place / FOLDER
    else:
        place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside)
    [image_id] = kept(town)
    associate(town, job, [image_id]).must_fail(409, "Conflict")
    assert not list(outside.iterdir())
    assert not puts(town, [image_id], job)


def test_a_file_as_the_folder_is_a_conflict(town, job):
    place = town.folder / "jobs" / job
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"")
    [image_id] = kept(town)
    associate(town, job, [image_id]).must_fail(409, "Conflict")


def test_the_folder_of_all_jobs_may_be_a_link():
    with contextlib.closing(S3Double()) as double, houses.a_house(
            cloud=double, uploader=False) as one:
        (one.folder / "elsewhere").mkdir()
        (one.folder / "jobs").symlink_to(one.folder / "elsewhere")
        [(image_id, data)] = kept(one).items()
        assert statuses(associate(one, "j", [image_id])) == ["copied"]
        assert (one.folder / "elsewhere/j" / FOLDER / f"{image_id}.png") \
            .read_bytes() == data


def test_a_folder_of_jobs_that_takes_nothing_is_an_error():
    with contextlib.closing(S3Double()) as double, houses.a_house(
            cloud=double, uploader=False, JOBS_DIR="/proc/jobs") as one:
        [image_id] = kept(one)
        detail = associate(one, "j", [image_id]).must_fail(
            500, "InternalError")
        assert "/proc" not in json.dumps(detail)


# ------------------------------------------------------------- the bucket


@pytest.mark.parametrize("times", [1, None])
def test_a_copy_that_says_200_and_an_error_is_no_copy(town, job, times):
    [(image_id, data)] = kept(town).items()
    persist(town, image_id)
    key = key_of(image_id, job)
    rule = town.cloud.on(hidden_error(), method="PUT", key=key, times=times)
    [status] = statuses(associate(town, job, [image_id]))
    assert status == ("copied" if times else "queued")
    if times is None:
        assert key not in town.cloud.objects
        rule.times = rule.taken
    wait_until(lambda: key in town.cloud.objects, "the uploader", 20)
    assert town.cloud.objects[key].data == data


def test_a_source_that_is_gone_from_the_bucket_is_sent_from_here():
    """Before any uploader has noticed."""
    with contextlib.closing(S3Double()) as double, houses.a_house(
            cloud=double, uploader=False) as one:
        [(image_id, data)] = kept(one).items()
        del double.objects[key_of(image_id)]
        assert statuses(associate(one, "j", [image_id])) == ["uploaded"]
        assert double.objects[key_of(image_id, "j")].data == data


def test_an_image_of_another_host_is_fetched_and_copied(town, job):
    data = pictures.jpeg()
    image_id = "far-away"
    town.cloud.put(key_of(image_id, "", "jpg"), data, "image/jpeg")
    assert statuses(associate(town, job, [image_id])) == ["copied"]
    assert copy_in(town, job, image_id, "jpg").read_bytes() == data
    assert town.cloud.objects[key_of(image_id, job, "jpg")].data == data
    assert town.cloud.asked("PUT", key_of(image_id, job, "jpg"))[0].size == 0


@pytest.mark.parametrize("what", ["cut", "kind", "no image"])
def test_what_the_bucket_holds_must_be_that_image(town, job, what):
    """Fetched bytes are looked at before the job gets them."""
    image_id = "odd-" + what.replace(" ", "-")
    data = {"cut": pictures.png()[:-8], "kind": pictures.jpeg(),
            "no image": b"hello"}[what]
    town.cloud.put(key_of(image_id), data)
    [fine] = kept(town)
    got = associate(town, job, [image_id, fine])
    assert statuses(got) == ["failed", "uploaded"]
    assert got.json()["images"][0]["error"] == "ProviderError"
    assert not copy_in(town, job, image_id).exists()


def test_fetched_bytes_must_be_those_that_were_recorded(town, job):
    [(image_id, data)] = kept(town).items()
    persist(town, image_id)
    (town.store / f"{image_id}.png").unlink()
    # The last bits of a png are a checksum that nobody looks at but we.
    town.cloud.on(corrupt(), method="GET", key=key_of(image_id), times=None)
    assert statuses(associate(town, job, [image_id])) == ["failed"]
    assert not copy_in(town, job, image_id).exists()
    town.cloud.forget()
    town.wait_for_storage("up")
    assert statuses(associate(town, job, [image_id])) == ["copied"]
    assert copy_in(town, job, image_id).read_bytes() == data


def test_a_row_whose_bytes_nobody_has_is_missing(town, job):
    """The catalogue says done; the object is gone, and so is the file."""
    lost, fine = kept(town, 2)
    persist(town, lost)
    del town.cloud.objects[key_of(lost)]
    (town.store / f"{lost}.png").unlink()
    assert statuses(associate(town, job, [lost, fine])) == ["missing",
                                                            "uploaded"]
    [(state, error)] = town.rows("SELECT state, last_error FROM objects"
                                 " WHERE image_id = ?", lost)
    assert state == "failed" and "gone from the bucket" in error


def test_an_image_that_is_gone_alone_is_brought_there_again(town, job):
    """A job's copy fails for it, and the job gets the local bytes."""
    [(image_id, data)] = kept(town).items()
    persist(town, image_id)
    del town.cloud.objects[key_of(image_id)]
    assert statuses(associate(town, job, [image_id])) == ["uploaded"]
    wait_until(lambda: key_of(image_id) in town.cloud.objects, "its return")
    assert town.cloud.objects[key_of(image_id)].data == data


def test_drafts_of_the_dead_are_swept_from_the_job_s_folder(town, job):
    first, second = kept(town, 2)
    associate(town, job, [first])
    draft = copy_in(town, job, first).with_name(".draft-of-the-dead")
    draft.write_bytes(b"half a pict")
    other = draft.with_name("notes.txt")
    other.write_bytes(b"somebody's")
    assert statuses(associate(town, job, [second])) == ["uploaded"]
    assert not draft.exists() and other.exists()


def test_while_the_storage_is_down_all_are_queued_and_then_come(town, job):
    images = kept(town, 5)
    persist(town, *list(images)[:2])
    town.cloud.set_mode("refuse")
    town.wait_for_storage("down")
    got = associate(town, job, [*images, "unknown-now"])
    assert statuses(got) == ["queued"] * 5 + ["failed"]
    assert got.seconds < 2 * SLOWNESS
    for image in got.json()["images"][:5]:
        assert image["error"] == "Unavailable"
        assert image["cloud_path"] == key_of(image["image_id"], job)
        assert copy_in(town, job, image["image_id"]).read_bytes() \
            == images[image["image_id"]]
    town.cloud.set_mode("up")
    wait_until(lambda: all(key_of(i, job) in town.cloud.objects
                           for i in images), "the uploader", 20)
    for image_id, data in images.items():
        assert town.cloud.objects[key_of(image_id, job)].data == data


def test_one_that_is_refused_does_not_stop_the_others(town, job):
    first, second, third = kept(town, 3)
    town.cloud.on(denied(), method="PUT", key=key_of(first, job))
    town.cloud.on(reply(400, "InvalidRequest"), method="PUT",
                  key=key_of(second, job))
    got = associate(town, job, [first, second, third])
    assert statuses(got) == ["queued", "queued", "uploaded"]
    assert [i.get("error") for i in got.json()["images"]] == [
        "StorageDenied", "ProviderError", None]


def test_an_upload_cut_after_the_deed_is_whole_in_the_end(town, job):
    [(image_id, data)] = kept(town).items()
    town.cloud.on(close("reply"), method="PUT", key=key_of(image_id, job))
    assert statuses(associate(town, job, [image_id])) == ["uploaded"]
    assert town.cloud.objects[key_of(image_id, job)].data == data


def test_without_a_bucket_all_are_queued(new_house):
    one = new_house()
    images = kept(one, 2)
    got = associate(one, "j", [*images, "nobody"])
    assert statuses(got) == ["queued", "queued", "missing"]
    for image in got.json()["images"][:2]:
        assert "STORAGE_BUCKET" in image["message"]
        assert copy_in(one, "j", image["image_id"]).read_bytes() \
            == images[image["image_id"]]
    assert one.rows("SELECT count(*) FROM objects WHERE job_id = 'j' "
                    "AND state = 'waiting'") == [(2,)]


def test_a_bucket_taken_away_again_kills_no_worker(new_house):
    """What only the bucket has cannot be had without it."""
    with contextlib.closing(S3Double()) as double:
        one = new_house(cloud=double, uploader=False)
        far, near = kept(one, 2)
        (one.store / f"{far}.png").unlink()
        one.env["STORAGE_BUCKET"] = ""
        one.env["SERVE_FROM_CLOUD"] = "false"
        for pool in one.pools.values():
            pool.replace(1)
        got = associate(one, "j", [far, near])
        assert statuses(got) == ["failed", "queued"]
        assert "STORAGE_BUCKET" in got.json()["images"][0]["message"]


# ----------------------------------------------------------- by the command


def test_the_command_gives_urls_in_order_and_the_same_json(town, job):
    images = kept(town, 3)
    done = town.charref("associate", job, *images)
    assert (done.returncode, done.stderr) == (0, "")
    for url, data in zip(done.stdout.split("\n"), images.values(),
                         strict=False):
        assert fetch(url).body == data
    said = json.loads(town.charref("associate", job, *images, "--json")
                      .stdout)
    got = associate(town, job, images).json()
    for document in (said, got):
        for image in document["images"]:
            assert image.pop("cloud_url")
    assert said == got


def test_the_command_takes_a_folder_of_ones_own(town, job):
    [(image_id, data)] = kept(town).items()
    base = town.folder / "pipeline" / job
    done = town.charref("associate", job, image_id, "--base", str(base))
    assert done.returncode == 0, done.stderr
    assert (base / FOLDER / f"{image_id}.png").read_bytes() == data
    assert not (town.folder / "jobs" / job).exists()
    assert town.cloud.objects[key_of(image_id, job)].data == data


def test_the_commands_folder_may_be_a_link_but_nothing_in_it(town, job):
    first, second = kept(town, 2)
    base, link = town.folder / f"b-{job}", town.folder / f"l-{job}"
    base.mkdir()
    link.symlink_to(base)
    assert town.charref("associate", job, first, "--base", str(link)) \
        .returncode == 0
    assert (base / FOLDER / f"{first}.png").exists()
    (base / FOLDER).rename(base / "moved")
    (base / FOLDER).symlink_to(base / "moved")
    done = town.charref("associate", job, second, "--base", str(base))
    assert done.returncode == 1 and "is no folder" in done.stderr
    assert not (base / "moved" / f"{second}.png").exists()


def test_the_command_says_when_not_all_have_come(town, job):
    [image_id] = kept(town)
    done = town.charref("associate", job, image_id, "nobody-4")
    assert done.returncode == 1
    assert "nobody-4: missing" in done.stdout
    assert "image nobody-4 is missing" in done.stderr
    done = town.charref("associate", job, "nobody-4", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["detail"]["error"] == "NotFound"


@pytest.mark.parametrize("arguments", [
    (), ("j",), ("j", *["a"] * 101), ("j", "../a"), ("../j", "a"),
    ("j", "a", "--base"), ("j", "a", "--job", "x"), ("j", "a", "--nonsense")])
def test_a_wrong_command_line_is_exit_2(town, arguments):
    done = town.charref("associate", *arguments)
    assert done.returncode == 2, done


# -------------------------------------------------------------- real S3


def test_two_hundred_images_come_to_a_real_bucket(gateway):
    client = gateway.client()
    bucket = gateway.new_bucket()
    with houses.a_house(cloud=gateway, STORAGE_BUCKET=bucket,
                        UPLOAD_MODE="lazy") as one:
        images = kept(one, 200)
        ids = list(images)
        for part in (ids[:100], ids[100:]):
            got = associate(one, "big-job", part, deadline=60)
            assert set(statuses(got)) <= {"uploaded", "copied"}
            print(f"a hundred to the gateway: {got.seconds:.2f} s")

        def read(image_id, job="big-job"):
            got = client.get_object(Bucket=bucket, Key=key_of(image_id, job))
            return got["ContentType"], got["Body"].read()
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            there = dict(zip(ids, pool.map(read, ids), strict=True))
        assert there == {i: ("image/png", data) for i, data in images.items()}
        for image_id, data in images.items():
            assert copy_in(one, "big-job", image_id).read_bytes() == data
        persist(one, *ids[:3])
        assert statuses(associate(one, "next-job", ids[:3])) == ["copied"] * 3
        for image_id in ids[:3]:
            assert read(image_id, "next-job") == there[image_id]
