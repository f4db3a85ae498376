"""What a worker lets the web server answer in its place, and what it says of
the life of a URL that somebody else will get later.

Asked straight at the worker's socket: what nginx makes of it is its own.
"""

import re
import time
import urllib.parse

import pytest

import pictures
from house import House, wait_until
from model_double import images
from s3_double import S3Double
from wire import GENERATE, GET

FEW = {"fast": 1, "lookup": 1, "slow": 1}
MARGIN_S = 60  # a redirect is not kept so shortly before its URL ends
KEPT_S = 10
SHARE = "x-accel-expires"


@pytest.fixture(scope="module")
def shared_windows():
    """A house with a long window and the default cache."""
    double = S3Double()
    one = House(cloud=double, nginx=False, uploader=False, workers=FEW,
                PRESIGNED_URL_WINDOW="1800")
    try:
        yield one.start()
    finally:
        one.end()
        double.close()


@pytest.fixture
def house(shared_windows):
    """The same with nothing scripted."""
    shared_windows.model.forget()
    shared_windows.cloud.forget()
    yield shared_windows
    shared_windows.inspect()


@pytest.fixture
def a_house(new_house):
    """Makes houses, each with a bucket of its own."""
    doubles = []

    def make(**settings) -> House:
        doubles.append(S3Double())
        return new_house(cloud=doubles[-1], nginx=False, uploader=False,
                         workers=FEW, **settings)

    yield make
    for double in doubles:
        double.close()


def made(house: House) -> str:
    """The id of an image that is here and in the bucket."""
    house.model.script(images(pictures.png()))
    image = house.pools["slow"].wire().generate(num_images=1).images()[0]
    assert image["cloud_url"], house.story()
    return image["id"]


def ask(house: House, path: str, method: str = "GET", pool: str = "fast",
        **more: str):
    """One request to a worker, which is told its pool as nginx tells it."""
    return house.pools[pool].wire().ask(method, path, CHARREF_POOL=pool,
                                        **more)


def share_of(reply) -> int:
    """Seconds that others may be answered with it; 0: not at all.

    The header must be the first, since nginx obeys the first it meets.
    """
    if SHARE not in reply.headers:
        return 0
    assert next(iter(reply.headers)) == SHARE, reply.headers
    seconds = int(reply.headers[SHARE])
    assert seconds >= 1
    return seconds


def max_age(reply) -> int:
    """How long the client itself may keep a redirect; 0: not at all."""
    control = reply.headers["cache-control"]
    if control == "no-store":
        return 0
    return int(re.fullmatch(r"private, max-age=(\d+)", control)[1])


def ends_at(url: str) -> int:
    """When a presigned URL ends, in seconds since 1970."""
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    signed = time.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    return int(time.mktime(signed)) - time.timezone + int(
        query["X-Amz-Expires"])


def must_tell_the_truth(reply, asked_at: float):
    """Also at the last moment at which nginx may say it: it counts whole
    seconds, and goes on through the last."""
    share = share_of(reply)
    last = int(asked_at) + (share + 1 if share > 0 else 0)
    if reply.status == 200:
        document = reply.json()
        assert document["expires_in_seconds"] >= 1
        assert last + document["expires_in_seconds"] <= ends_at(
            document["image_url"])
    else:
        assert last + max_age(reply) < ends_at(reply.headers["location"])


# -------------------------------------------------------------- what is said


@pytest.mark.parametrize("query", ["", "?redirect=true"])
def test_an_image_in_the_bucket_may_be_answered_for_by_the_web_server(
        house, query):
    image_id = made(house)
    began = time.time()
    reply = ask(house, GET + image_id + query)
    # but for the last seconds of the window
    assert share_of(reply) == 10 or int(began) % 1800 > 1785
    must_tell_the_truth(reply, began)
    assert "server-timing" not in reply.headers
    assert "vary" not in reply.headers


def test_its_own_cache_is_told_apart_from_the_clients(house):
    """The header that a client sees is the same as without."""
    image_id = made(house)
    reply = ask(house, GET + image_id + "?redirect=true")
    assert max_age(reply) == KEPT_S
    reply = ask(house, GET + image_id)
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("query", ["", "?redirect=true"])
def test_a_head_is_answered_by_a_worker(house, query):
    image_id = made(house)
    reply = ask(house, GET + image_id + query, "HEAD")
    assert reply.status in (200, 302)
    assert share_of(reply) == 0


def test_a_copy_of_a_job_is_shared_too(house):
    house.cloud.put("videos/job-1/intermediate/character_reference/a-1.png",
                    pictures.png())
    found = ask(house, GET + "a-1?job_id=job-1", pool="lookup")
    assert found.status == 200
    began = time.time()
    share = share_of(ask(house, GET + "a-1?job_id=job-1"))
    if share == 0 and began % 1800 > 1790:  # no second of the window is left
        wait_until(lambda: time.time() % 1800 < 900, "the next window", 15.0)
        share = share_of(ask(house, GET + "a-1?job_id=job-1"))
    assert share > 0


# -------------------------------------------------------- what is not shared


def test_errors_and_all_other_routes_are_not_shared(house):
    image_id = made(house)
    for method, path, status in (
            ("GET", GET + "-bad", 400), ("GET", "/nothing", 404),
            ("GET", GET + image_id + "?redirect=perhaps", 422),
            ("GET", GET + image_id + "?job_id=-", 400),
            ("PUT", GET + image_id, 405), ("GET", "/healthz", 200),
            ("GET", "/api/mv/operations/abc", 404),
            ("POST", GENERATE, 415)):
        reply = ask(house, path, method)
        assert reply.status == status, (method, path)
        assert SHARE not in reply.headers
    url = "/api/mv/get_character_reference_url/" + image_id
    reply = ask(house, url, pool="lookup")
    assert reply.status == 200 and SHARE not in reply.headers


def test_what_nobody_knows_is_not_shared(house):
    handed = ask(house, GET + "unknown-1")
    assert handed.headers["x-accel-redirect"] == "@lookup"
    assert SHARE not in handed.headers
    reply = ask(house, GET + "unknown-1", pool="lookup")
    assert reply.status == 404 and SHARE not in reply.headers


def test_a_local_answer_is_not_shared(a_house):
    house = a_house(PRESIGNED_URL_WINDOW="1800", UPLOAD_MODE="background")
    house.model.script(images(pictures.png()))
    image_id = house.pools["slow"].wire().generate(
        num_images=1).images()[0]["id"]
    for more in ({}, {"HTTP_ACCEPT": "application/json"}):
        reply = ask(house, GET + image_id, **more)
        assert reply.status == 200
        assert SHARE not in reply.headers


def test_with_the_cloud_off_nothing_is_shared(a_house):
    house = a_house(PRESIGNED_URL_WINDOW="1800", SERVE_FROM_CLOUD="false")
    house.model.script(images(pictures.png()))
    image_id = house.pools["slow"].wire().generate(
        num_images=1).images()[0]["id"]
    reply = ask(house, GET + image_id, HTTP_ACCEPT="application/json")
    assert reply.status == 200 and SHARE not in reply.headers


@pytest.mark.parametrize("settings", [
    {"PRESIGNED_URL_WINDOW": "0"},
    {"PRESIGNED_URL_WINDOW": "300", "REDIRECT_CACHE": "0"},
    {"PRESIGNED_URL_WINDOW": "1", "PRESIGNED_URL_EXPIRY": "3600"},
    {"PRESIGNED_URL_WINDOW": "30", "PRESIGNED_URL_EXPIRY": "61"},
    {"PRESIGNED_URL_WINDOW": "300", "PROTECT_READS": "true",
     "API_KEY": "a-key-that-opens-reads"}], ids=lambda s: " ".join(
         f"{k}={v}" for k, v in s.items() if k != "API_KEY"))
def test_nothing_is_shared_where_there_is_nothing_to_gain_or_much_to_lose(
        a_house, settings):
    house = a_house(**settings)
    key = settings.get("API_KEY", "")
    house.model.script(images(pictures.png()))
    body = b'{"character_description": "x", "num_images": 1}'
    image_id = house.pools["slow"].wire().ask(
        "POST", GENERATE, body, HTTP_X_API_KEY=key).images()[0]["id"]
    for query in ("", "?redirect=true"):
        reply = ask(house, GET + image_id + query, HTTP_X_API_KEY=key)
        assert reply.status == (302 if query else 200)
        assert SHARE not in reply.headers
        assert "server-timing" in reply.headers


# ---------------------------------------------------------------- how long


def test_it_ends_with_the_window(a_house):
    """Asked over and over: whenever it is shared, everybody who asks until
    nginx forgets it would have been given the same URL.  A second of the
    window in which a slow machine did not ask comes again with the next."""
    window = 5
    house = a_house(PRESIGNED_URL_WINDOW=str(window), REDIRECT_CACHE="60")
    image_id = made(house)
    shares = set()
    end = time.monotonic() + 5 * window
    while shares != set(range(window)) and time.monotonic() < end:
        for query in ("", "?redirect=true"):
            began = time.time()
            reply = ask(house, GET + image_id + query)
            if int(began) != int(time.time()):
                continue
            must_tell_the_truth(reply, began)
            share = share_of(reply)
            assert share == window - 1 - int(began) % window
            shares.add(share)
    assert shares == set(range(window))


@pytest.mark.parametrize("cache, expiry, share", [
    (1, 3600, 1), (60, 3600, 60), (60, 600, 60)])
def test_it_is_as_long_as_the_setting_says(a_house, cache, expiry, share):
    house = a_house(PRESIGNED_URL_WINDOW="300", REDIRECT_CACHE=str(cache),
                    PRESIGNED_URL_EXPIRY=str(expiry))
    image_id = made(house)
    began = time.time()
    reply = ask(house, GET + image_id + "?redirect=true")
    left = 300 - int(began) % 300
    assert share_of(reply) in (min(share, left - 1), min(share, left - 2))
    must_tell_the_truth(reply, began)
    assert max_age(reply) == KEPT_S


def test_a_short_life_leaves_time_for_whoever_gets_it_last(a_house):
    """120 s with windows of 60: at least 60 remain, of which none may be
    given away, or 120, of which somewhat more than half may."""
    house = a_house(PRESIGNED_URL_WINDOW="60", PRESIGNED_URL_EXPIRY="120",
                    REDIRECT_CACHE="60")
    image_id = made(house)
    for query in ("", "?redirect=true"):
        began = time.time()
        reply = ask(house, GET + image_id + query)
        lives = 120 - int(began) % 60
        share = share_of(reply)
        assert share in (max(0, lives - MARGIN_S - 2),
                         max(0, lives - MARGIN_S - 3))
        must_tell_the_truth(reply, began)
