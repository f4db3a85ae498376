"""reindex: the catalogue says again what folder and bucket have."""

import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import threading

import pytest

import pictures
import s3_double
from house import SLOWNESS, wait_until
from s3_double import S3Double, fetch
from warehouse import (DAY_MS, a_depot, change, key_of, make_due, must_hold,
                       now_ms, puts, state_of, states, stock, store_in, wait_done)

FIGURES = ("adopted", "queued", "discovered", "confirmed", "conflicts",
           "lost")


@pytest.fixture(name="double")
def a_double():
    """A bucket of one's own; nobody was rude, and no object changed."""
    one = S3Double()
    yield one
    one.close()
    assert not one.complaints, one.complaints
    assert not one.changed, one.changed
    assert not one.asked("DELETE")


@pytest.fixture(name="depot")
def a_plain_depot(double):
    """A house of folder, catalogue and commands; its uploader is not on."""
    one = a_depot(double)
    yield one
    one.end()


def reindex(house) -> dict[str, int]:
    """Runs it; the figures that it reports, those that are not 0."""
    return figures(house.charref("reindex"))


def figures(done: subprocess.CompletedProcess) -> dict[str, int]:
    """The same of one that was run."""
    assert done.returncode == 0, done
    found = {name: int(n) for name, n in
             re.findall(r"^(\w+) +(\d+)  ", done.stdout, re.M)}
    assert tuple(found) == FIGURES, done.stdout
    return {name: n for name, n in found.items() if n}


def lose_catalogue(house):
    """Deletes it, as a disk or a hand may."""
    for path in house.root.glob("catalogue*"):
        path.unlink()


def all_rows(house) -> dict[tuple, str]:
    """The state of each object by image and job."""
    return {(image, job): state for image, job, state in
            house.rows("SELECT image_id, job_id, state FROM objects")}


def test_a_catalogue_that_is_lost_comes_back_from_folder_and_bucket(
        depot, double):
    """Images that are here only, in both places, there only, and in jobs."""
    here = stock(depot, 3)
    both = stock(depot, 3)
    store_in(double, both)
    there = {"only-there": pictures.png(), "also_THERE": pictures.png()}
    store_in(double, there)
    in_job, gone = list(both)[0], "only-in-a-job"
    double.put(key_of(in_job, "job-1"), both[in_job])
    double.put(key_of(gone, "job-1", "webp"), pictures.webp())
    lose_catalogue(depot)
    assert reindex(depot) == {"adopted": 6, "discovered": 7}
    want = {(one, ""): "waiting" for one in here}
    want |= {(one, ""): "done" for one in [*both, *there]}
    want |= {(one, "job-1"): "done" for one in (in_job, gone)}
    assert all_rows(depot) == want
    for image_id, data in (here | both).items():
        assert depot.rows("SELECT bytes, sha256 FROM images WHERE id = ?",
                          image_id) == [
            (len(data), hashlib.sha256(data).hexdigest())]
    make_due(depot)  # else a worker that may live has its turn first
    depot.uploader.start()
    wait_done(depot)
    must_hold(double, here | both)
    assert set(puts(double)) == {key_of(one) for one in here}
    url = depot.charref("url", gone, "--job", "job-1").stdout.strip()
    assert fetch(url).status == 200


def test_what_is_as_it_should_be_stays_so(depot, double):
    images = stock(depot, 4, state="done", verified_at=now_ms() - DAY_MS)
    store_in(double, images)
    began_ms = now_ms()
    assert reindex(depot) == {"confirmed": 4}
    assert states(depot) == {"done": 4}
    assert not double.asked("HEAD") and not double.asked("PUT")
    assert depot.rows("SELECT min(verified_at) >= ? FROM objects",
                      began_ms) == [(1,)]
    assert reindex(depot) == {"confirmed": 4}


def test_an_upload_that_nobody_recorded_is_done(depot, double):
    """It waits, or was given up, and is there all the same."""
    store_in(double, stock(depot, 2))
    store_in(double, stock(depot, 2, state="failed", attempts=8,
                           last_error="no", error_at=1))
    assert reindex(depot) == {"discovered": 4}
    assert states(depot) == {"done": 4}
    assert depot.status()["errors"] == []


def test_images_without_an_object_are_queued(depot, double):
    images = stock(depot, 3)
    change(depot, "DELETE FROM objects")
    assert reindex(depot) == {"queued": 3}
    depot.uploader.start()
    wait_done(depot)
    must_hold(double, images)


def test_a_file_of_another_kind_is_not_the_image(depot):
    """Its row says png; a webp of the same name is somebody's mistake."""
    image_id, = stock(depot, 1)
    change(depot, "DELETE FROM objects")
    (depot.store / f"{image_id}.png").unlink()
    (depot.store / f"{image_id}.webp").write_bytes(pictures.webp())
    assert reindex(depot) == {}
    assert all_rows(depot) == {}


def test_objects_that_are_gone_are_queued_again_or_told(depot, double):
    images = stock(depot, 5, state="done", verified_at=now_ms() - DAY_MS)
    lost, kept, *_ = images
    store_in(double, {kept: images[kept]})
    (depot.store / f"{lost}.png").unlink()
    assert reindex(depot) == {"confirmed": 1, "lost": 4}
    assert states(depot) == {"done": 1, "failed": 1, "waiting": 3}
    assert "not in the local store" in state_of(depot, lost)[2]
    depot.uploader.start()
    wait_until(lambda: states(depot) == {"done": 4, "failed": 1}, "uploads")
    del images[lost]
    must_hold(double, images)


def test_conflicts_are_told_and_nothing_is_overwritten(depot, double):
    """Another size, and another kind, under the key of a local image."""
    images = stock(depot, 2, state="done", verified_at=now_ms() - DAY_MS)
    short, other = images
    store_in(double, {short: b"short"})
    double.put(key_of(other, extension="webp"), pictures.webp())
    done = depot.charref("reindex")
    assert figures(done) == {"conflicts": 2, "lost": 2}
    told = {line["key"] for line in map(json.loads, done.stderr.splitlines())
            if line["event"] == "object is not the local image"}
    assert told == {key_of(short), key_of(other, extension="webp")}
    assert state_of(depot, short)[0] == "failed"
    assert "other bytes" in state_of(depot, short)[2]
    assert double.objects[key_of(short)].data == b"short"


@pytest.mark.parametrize("state", ["failed", "waiting"])
def test_other_bytes_of_the_same_size_are_no_upload_that_nobody_recorded(
        depot, double, state):
    """The listing does not tell them from the image; their digest does."""
    images = stock(depot, 2, state=state, attempts=3, error_at=1,
                   last_error="the bucket holds other bytes under its key")
    right, wrong = images
    foreign = bytes(reversed(images[wrong]))
    store_in(double, {right: images[right], wrong: foreign})
    assert reindex(depot) == {"discovered": 1, "conflicts": 1}
    assert state_of(depot, right)[0] == "done"
    assert state_of(depot, wrong)[0] == "failed"
    assert "other bytes" in state_of(depot, wrong)[2]
    assert double.objects[key_of(wrong)].data == foreign



FOREIGN = ["character_references/", "character_references/.nothing",
           "character_references/notes.txt", "character_references/x.PNG",
           "character_references/x.jpg.png", "character_references/x",
           "character_references/.png", "character_references/sub/x.png",
           "character_references/-x.png", "character_references/x y.png",
           "character_references/../x.png", "character_references/..png",
           "character_references/\u00fc.png", "character_references/x.png/",
           "character_references/" + "y" * 129 + ".png",
           "character_references/x.gif", "character_references/x.jpeg",
           "character_references_old/x.png", "other/x.png", "x.png",
           "videos/x.png", "videos/job-1/final/x.png",
           "videos/job-1/manifest.json",
           "videos/job-1/intermediate/scenes/x.png",
           "videos/job-1/intermediate/character_reference/sub/x.png",
           "videos/../intermediate/character_reference/x.png",
           "videos//intermediate/character_reference/x.png",
           "videos/a b/intermediate/character_reference/x.png",
           "videos/intermediate/character_reference/x.png"]


def test_keys_that_are_not_ours_are_passed_over(depot, double):
    for key in FOREIGN:
        double.put(key, pictures.png())
    store_in(double, {"ours": pictures.png()})
    assert reindex(depot) == {"discovered": 1}
    assert all_rows(depot) == {("ours", ""): "done"}


def test_files_that_are_not_images_are_left_as_they_are(depot, double):
    for name in ("torn.png", "notes.txt", ".hidden", "sub dir.png"):
        (depot.store / name).write_bytes(b"no image")
    (depot.store / "folder.png").symlink_to("/etc/hostname")
    before = sorted(path.name for path in depot.store.iterdir())
    lose_catalogue(depot)
    assert reindex(depot) == {}
    assert sorted(path.name for path in depot.store.iterdir()) == before
    assert all_rows(depot) == {}
    assert not double.asked("PUT")


@pytest.mark.parametrize("page_size", [1, 7])
def test_a_listing_of_many_pages_is_read_to_its_end(depot, double, page_size):
    double.page_size = page_size
    images = {f"image-{n}": pictures.png() for n in range(20)}
    store_in(double, images)
    for n in range(5):
        double.put(key_of(f"image-{n}", "job-1"), images[f"image-{n}"])
    assert reindex(depot) == {"discovered": 25}
    assert len(all_rows(depot)) == 25


def test_two_kinds_of_one_image_are_a_conflict(depot, double):
    """Neither was known: the one that is listed first is the image."""
    for extension, data in (("jpg", pictures.jpeg()), ("png", pictures.png())):
        double.put(key_of("twice", extension=extension), data)
    assert reindex(depot) == {"discovered": 1, "conflicts": 1}
    assert depot.rows("SELECT id, extension FROM images") == [
        ("twice", "jpg")]


def test_more_than_one_batch_is_recorded(depot, double):
    """256 objects go into one transaction."""
    store_in(double, {f"image-{n}": b"?" for n in range(600)})
    assert reindex(depot) == {"discovered": 600}
    assert reindex(depot) == {"confirmed": 600}


def test_without_a_bucket_it_knows_the_folder(new_house):
    house = new_house(nginx=False,
                      workers=dict.fromkeys(("fast", "lookup", "slow"), 0))
    house.status()
    stock(house, 2)
    lose_catalogue(house)
    assert reindex(house) == {"adopted": 2}


@pytest.mark.parametrize("trouble", [
    lambda double: double.set_mode("refuse"),
    lambda double: double.set_mode("denied"),
    lambda double: double.on(s3_double.denied(), method="GET", times=None)],
    ids=["down", "denied", "may not list"])
def test_a_bucket_that_does_not_answer_is_an_error_and_no_loss(
        depot, double, trouble):
    """What was learnt from the folder stays."""
    stock(depot, 2, state="done", verified_at=5)
    image, = stock(depot, 1)
    change(depot, "DELETE FROM objects WHERE image_id = ?", image)
    trouble(double)
    done = depot.charref("reindex")
    assert done.returncode == 1 and "reindex" in done.stderr, done
    assert states(depot) == {"done": 2, "waiting": 1}


def test_a_question_without_an_answer_is_an_error_and_no_loss(depot, double):
    """The listing went well; whether what it lacks is gone, nobody said."""
    stock(depot, 3, state="done", verified_at=now_ms() - DAY_MS)
    double.on(s3_double.reply(400, "Strange"), method="HEAD", times=None)
    done = depot.charref("reindex")
    assert done.returncode == 1 and "head" in done.stderr, done
    assert states(depot) == {"done": 3}
    double.forget()
    assert reindex(depot) == {"lost": 3}


def test_beside_a_running_service_nothing_is_lost_or_doubled(
        double, new_house):
    """Images are made, brought and served while it runs, and again."""
    house = new_house(cloud=double)
    double.page_size = 3
    images: dict[str, bytes] = {}
    enough = threading.Event()

    def make_images():
        while not enough.is_set():
            reply = house.http.generate(num_images=2)
            for image, data in zip(reply.images(), reply.pictures()):
                images[image["id"]] = data

    maker = threading.Thread(target=make_images)
    maker.start()
    try:
        for _ in range(5):
            seen = set(images)
            # One that is about to be recorded may be adopted before.
            assert set(reindex(house)) <= {"adopted", "confirmed",
                                           "discovered"}
            assert {one for one, _ in all_rows(house)} >= seen
    finally:
        enough.set()
        maker.join(30 * SLOWNESS)
    wait_done(house)
    must_hold(double, images)
    assert set(pathlib.Path(name).stem for name in house.files()) \
        == set(images)


def test_a_service_serves_at_once_what_was_found(double, new_house):
    house = new_house(cloud=double)
    data = pictures.png()
    store_in(double, {"from-another-host": data})
    assert reindex(house) == {"discovered": 1}
    seen = len(double.asked())
    said = house.http.picture("from-another-host").json()
    assert fetch(said["image_url"]).body == data
    assert not [one for one in double.asked()[seen:]
                if one.query.get("list-type")]


def test_what_was_backed_up_while_it_went_on_is_whole(depot, tmp_path):
    """The catalogue first, then the folder: as docs/OPERATIONS.md has it."""
    images = stock(depot, 3)
    copy = tmp_path / "catalogue.db"
    done = depot.charref("backup", str(copy))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    late = stock(depot, 1)  # made after it, but before the folder's copy
    again = depot.charref("backup", str(copy))
    assert again.returncode == 1 and str(copy) in again.stderr

    lose_catalogue(depot)
    shutil.copy(copy, depot.root / "catalogue.db")
    assert states(depot)["waiting"] == len(images)
    assert figures(depot.charref("reindex"))["adopted"] == len(late)
    assert states(depot)["waiting"] == len(images) + len(late)
