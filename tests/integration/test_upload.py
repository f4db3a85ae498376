"""Generating with the cloud on: images in the bucket, and URLs to them."""

import hashlib
import json
import signal
import threading
import time

import pytest

import pictures
import s3_double
from house import SLOWNESS, a_house, wait_until
from model_double import images as these
from s3_double import S3Double, fetch
from warehouse import (key_of, make_due, must_hold, now_ms, puts, state_of,
                       states, stock, wait_done)
from wire import GET

IMMUTABLE = "private, max-age=31536000, immutable"
BUDGET_S = 1
MARGIN_S = 1.5 * SLOWNESS  # for model, disk and a busy host
SETTLE_MS = 5000  # UPLOAD_SETTLE_MS


def check(double):
    """Nobody was rude to S3, and no object was ever replaced by another."""
    assert not double.complaints, double.complaints
    assert not double.changed, double.changed


@pytest.fixture(name="double")
def a_double():
    """A bucket of one's own."""
    one = S3Double()
    yield one
    one.close()
    check(one)


@pytest.fixture(scope="module", name="shared_cloud")
def a_shared_cloud():
    """One house with the cloud on."""
    double = S3Double()
    with a_house(cloud=double, UPLOAD_BUDGET=str(BUDGET_S)) as one:
        one.http.generate(num_images=1)
        yield one
    double.close()


@pytest.fixture(name="house")
def a_cloudy_house(shared_cloud):
    """The same; both doubles have forgotten earlier tests, all is well."""
    shared_cloud.model.forget()
    shared_cloud.cloud.forget()
    wait_up(shared_cloud)
    yield shared_cloud
    shared_cloud.cloud.set_mode("up")
    shared_cloud.inspect()
    check(shared_cloud.cloud)


def wait_up(house):
    """Until the storage is known to be well."""
    house.wait_for_storage("up", 15.0)


def with_bytes(reply) -> dict[str, bytes]:
    """The images of a reply: bytes by id."""
    return {image["id"]: data for image, data
            in zip(reply.images(), reply.pictures())}


def urls(reply) -> list[str | None]:
    """The cloud_url of each image."""
    return [image["cloud_url"] for image in reply.images()]


# --------------------------------------------------------------------- eager


def test_each_url_gives_the_very_bytes(house):
    reply = house.http.generate(num_images=4)
    images = with_bytes(reply)
    for image, url in zip(reply.images(), urls(reply)):
        got = fetch(url)
        assert (got.status, got.body) == (200, images[image["id"]])
        assert got.headers["content-type"] == "image/png"
        assert got.headers["cache-control"] == IMMUTABLE
        assert state_of(house, image["id"])[0] == "done"
    must_hold(house.cloud, images)
    assert puts(house.cloud) == {key_of(one): 1 for one in images}


@pytest.mark.parametrize("make, extension, kind", [
    (pictures.png, "png", "image/png"), (pictures.webp, "webp", "image/webp"),
    (pictures.jpeg, "jpg", "image/jpeg"),
    (pictures.big_png, "png", "image/png")])
def test_an_object_says_what_it_is(house, make, extension, kind):
    data = make()
    house.model.script(these(data, kind=kind))
    image, = house.http.generate(num_images=1).images()
    stored = house.cloud.objects[key_of(image["id"], extension=extension)]
    assert stored.data == data
    assert stored.headers == {"content-type": kind,
                              "cache-control": IMMUTABLE}
    digest = hashlib.sha256(data).hexdigest()
    assert stored.metadata == {"sha256": digest}
    assert house.rows("SELECT sha256 FROM images WHERE id = ?",
                      image["id"]) == [(digest,)]


def test_all_images_of_a_request_go_up_at_once(house):
    """Each PUT waits until there are four of them."""
    together = threading.Barrier(4)
    house.cloud.on(s3_double.Fault(
        "body", lambda exchange: together.wait(BUDGET_S)), method="PUT",
        times=4)
    reply = house.http.generate(num_images=4)
    assert all(urls(reply)), urls(reply)


def test_a_url_is_in_no_log(house):
    reply = house.http.generate(num_images=1)
    signature = urls(reply)[0].rpartition("=")[2]
    assert len(signature) == 64
    for path in house.folder.rglob("*"):
        if path.is_file():
            assert signature.encode() not in path.read_bytes(), path


def test_a_bucket_that_is_slow_costs_the_budget_and_no_image(house):
    rule = house.cloud.on(s3_double.stall("body"), method="PUT", times=None)
    reply = house.http.generate(num_images=2)
    assert urls(reply) == [None, None]
    assert BUDGET_S * 0.9 <= reply.seconds < BUDGET_S + MARGIN_S
    images = with_bytes(reply)
    assert {state_of(house, one)[0] for one in images} == {"waiting"}
    rule.release()
    wait_done(house)
    must_hold(house.cloud, images)


def test_one_slow_image_takes_no_url_from_the_others(house):
    rule = house.cloud.on(s3_double.stall("body"), method="PUT")
    reply = house.http.generate(num_images=4)
    assert sorted(url is None for url in urls(reply)) == [
        False, False, False, True]
    rule.release()
    wait_done(house)
    must_hold(house.cloud, with_bytes(reply))


def test_the_uploader_leaves_it_to_the_request_while_that_is_at_it(house):
    """The request has its budget, and time to record what came of it."""
    rule = house.cloud.on(s3_double.stall("body"), method="PUT")
    answered = []
    began_ms = now_ms()
    asking = threading.Thread(target=lambda: answered.append(
        house.http.generate(num_images=1)))
    asking.start()
    rule.wait_taken(1)
    due_ms, = house.rows("SELECT max(next_attempt_at) FROM objects"
                         " WHERE state = 'waiting'")[0]
    rule.release()
    asking.join()
    assert due_ms - began_ms >= BUDGET_S * 1000 + SETTLE_MS
    assert all(urls(answered[0]))
    assert set(puts(house.cloud).values()) == {1}


def test_a_worker_killed_in_its_upload_leaves_that_to_the_uploader(
        double, new_house):
    """The images are paid for, kept and recorded by then."""
    house = new_house(cloud=double, workers={"slow": 1}, UPLOAD_BUDGET="15")
    rule = double.on(s3_double.stall("body"), method="PUT", times=None)
    asking = threading.Thread(
        target=lambda: house.http.generate(num_images=2, key="mine"))
    asking.start()
    rule.wait_taken(2)
    house.pools["slow"].send(house.pools["slow"].pids[0], signal.SIGKILL)
    asking.join()
    assert states(house) == {"waiting": 2}
    rule.release()
    make_due(house)
    wait_done(house)
    house.pools["slow"].socket.unlink()
    house.pools["slow"].start()
    again = house.http.generate(num_images=2, key="mine")
    assert again.headers["idempotency-replayed"] == "true"
    must_hold(double, with_bytes(again))
    assert all(urls(again)) and house.model.paid() == 1


OUTAGES = [("refuse", "down"), ("hang", "down"), ("slow_down", "down"),
           ("denied", "denied")]


@pytest.mark.parametrize("mode, word", OUTAGES)
def test_no_outage_fails_a_generation_or_slows_it_for_long(house, mode, word):
    house.cloud.set_mode(mode)
    first = house.http.generate(num_images=2)  # nobody knows yet
    assert urls(first) == [None, None]
    assert first.seconds < BUDGET_S + MARGIN_S
    house.wait_for_storage(word)
    images = with_bytes(first)
    for _ in range(3):
        reply = house.http.generate(num_images=2)
        assert urls(reply) == [None, None]
        assert reply.seconds < BUDGET_S * 0.8 * SLOWNESS
        images |= with_bytes(reply)
    house.cloud.set_mode("up")
    wait_done(house)
    must_hold(house.cloud, images)


def test_a_replay_has_fresh_urls_of_the_same_images(house):
    first = house.http.generate(num_images=2, key="again")
    seen = len(house.cloud.asked("PUT"))
    time.sleep(1.1)  # a URL's time is in seconds
    again = house.http.generate(num_images=2, key="again")
    assert again.headers["idempotency-replayed"] == "true"
    assert with_bytes(again) == with_bytes(first)
    assert len(house.cloud.asked("PUT")) == seen
    for old, new, data in zip(urls(first), urls(again), first.pictures()):
        assert new != old and fetch(new).body == data


def test_a_replay_has_the_urls_that_the_first_answer_had_not(house):
    rule = house.cloud.on(s3_double.stall("body"), method="PUT", times=None)
    first = house.http.generate(num_images=1, key="late")
    again = house.http.generate(num_images=1, key="late")
    assert urls(first) == urls(again) == [None]
    assert again.seconds < BUDGET_S * 0.8 * SLOWNESS  # it does not wait
    rule.release()
    wait_done(house)
    url, = urls(house.http.generate(num_images=1, key="late"))
    assert fetch(url).body == first.pictures()[0]


def test_a_replay_has_no_url_of_a_bucket_that_is_down(house):
    first = house.http.generate(num_images=1, key="down")
    house.cloud.set_mode("refuse")
    house.wait_for_storage("down")
    again = house.http.generate(num_images=1, key="down")
    assert with_bytes(again) == with_bytes(first) and urls(again) == [None]
    house.cloud.set_mode("up")
    wait_up(house)
    assert urls(house.http.generate(num_images=1, key="down")) != [None]


def test_without_base64_the_url_is_there_all_the_same(house):
    reply = house.http.generate(num_images=1, include_base64=False)
    image, = reply.images()
    assert image["base64"] is None
    assert fetch(image["cloud_url"]).body == house.model.given[-1]


# ---------------------------------------------------------------- background


def test_background_answers_at_once_and_brings_it_soon(double, new_house):
    house = new_house(cloud=double, UPLOAD_MODE="background")
    wait_up(house)
    rule = double.on(s3_double.stall("body"), method="PUT", times=None)
    reply = house.http.generate(num_images=2)
    assert urls(reply) == [None, None] and reply.seconds < MARGIN_S
    rule.wait_taken(2)
    rule.release()
    wait_done(house, 3.0)
    must_hold(double, with_bytes(reply))
    assert set(puts(double).values()) == {1}


# ---------------------------------------------------------------------- lazy


@pytest.fixture(name="lazy")
def a_lazy_house(double, new_house):
    """A house that uploads at the first GET."""
    house = new_house(cloud=double, UPLOAD_MODE="lazy")
    wait_up(house)
    return house


def left_alone(house, images: dict):
    """The uploader has had its turns, and brought others only."""
    other = stock(house, 1)
    wait_until(lambda: key_of(*other) in house.cloud.objects, "another")
    assert not house.cloud.objects.keys() & {key_of(one) for one in images}
    assert house.status()["lazy"] == len(images)


def test_lazy_uploads_at_the_first_get(lazy, double):
    reply = lazy.http.generate(num_images=3)
    images = with_bytes(reply)
    first, second, third = images
    assert urls(reply) == [None] * 3
    left_alone(lazy, images)
    said = lazy.http.picture(first).json()
    assert said["storage_backend"] == "s3"
    assert fetch(said["image_url"]).body == images[first]
    moved = lazy.http.get(GET + second + "?redirect=true")
    assert moved.status == 302
    assert fetch(moved.headers["location"]).body == images[second]
    lazy.http.picture(first)
    assert puts(double)[key_of(first)] == puts(double)[key_of(second)] == 1
    assert state_of(lazy, third)[0] == "waiting"
    assert key_of(third) not in double.objects


def test_only_the_lookup_pool_waits_for_a_lazy_upload(lazy, double):
    image, = lazy.http.generate(num_images=1).images()
    reply = lazy.pools["fast"].wire().ask("GET", GET + image["id"],
                                          CHARREF_POOL="fast")
    assert reply.headers["x-accel-redirect"] == "@lookup"
    assert not double.asked("PUT")


def test_a_lazy_upload_that_fails_gives_the_local_file(lazy, double):
    """From then on it is the uploader's."""
    (image_id, data), = with_bytes(lazy.http.generate(num_images=1)).items()
    double.on(s3_double.reply(400, "InvalidRequest"), method="PUT", times=1)
    got = lazy.http.picture(image_id)
    assert (got.status, got.body) == (200, data)
    assert got.headers["x-asset-source"] == "local"
    make_due(lazy)
    wait_done(lazy)
    must_hold(double, {image_id: data})


def test_a_lazy_upload_to_a_slow_bucket_ends_in_time(lazy, double):
    (image_id, data), = with_bytes(lazy.http.generate(num_images=1)).items()
    rule = double.on(s3_double.stall("body"), method="PUT", times=None)
    got = lazy.http.picture(image_id)
    assert (got.status, got.body) == (200, data)
    assert got.seconds < 2 + MARGIN_S
    rule.release()
    wait_done(lazy)
    must_hold(double, {image_id: data})


def test_who_is_lazy_no_longer_brings_what_was_left(lazy, double):
    images = with_bytes(lazy.http.generate(num_images=4))
    left_alone(lazy, images)
    assert lazy.uploader.end() == 0
    lazy.uploader.env["UPLOAD_MODE"] = "eager"
    lazy.uploader.start()
    wait_done(lazy)
    must_hold(double, images)
    assert lazy.status()["lazy"] == 0


# ------------------------------------------------------------------ no cloud


def test_a_bucket_that_is_not_served_from_gets_nothing_by_generating(
        double, new_house):
    """Neither from the worker nor from the uploader, until somebody asks;
    an image that was left behind is no exception."""
    house = new_house(cloud=double, SERVE_FROM_CLOUD="false")
    reply = house.http.generate(num_images=2)
    assert urls(reply) == [None, None]
    data = pictures.png()
    house.model.gave([data])
    (house.store / "left-behind.png").write_bytes(data)
    house.pools["fast"].replace(1)
    images = with_bytes(reply) | {"left-behind": data}
    wait_until(lambda: house.status()["lazy"] == 3, "its adoption")
    assert house.uploader.end() == 0  # what it brings at its start
    house.uploader.start()
    left_alone(house, images)
    wanted = reply.images()[0]["id"]
    done = house.http.post({"image_id": wanted},
                           "/api/mv/persist_character_reference")
    assert done.status == 200, done.body
    assert set(puts(double)) & {key_of(one) for one in images} \
        == {key_of(wanted)}


def test_what_was_made_without_a_cloud_is_brought_when_there_is_one(
        double, new_house):
    house = new_house()
    images = with_bytes(house.http.generate(num_images=3))
    house.env |= {"SERVE_FROM_CLOUD": "true", "STORAGE_BUCKET": double.bucket,
                  "AWS_ENDPOINT_URL_S3": double.url,
                  "AWS_REGION": double.region,
                  "AWS_ACCESS_KEY_ID": double.access_key,
                  "AWS_SECRET_ACCESS_KEY": double.secret_key}
    house.uploader.start()
    wait_done(house)
    must_hold(double, images)


def test_metadata_says_nothing_of_the_cloud(house):
    """The reply's other half is as ever."""
    reply = house.http.generate(num_images=1)
    assert "amz" not in json.dumps(reply.json()["metadata"]).lower()
