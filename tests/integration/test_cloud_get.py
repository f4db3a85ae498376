"""GET of an image with the cloud on: URLs, redirects, what is looked up."""

import contextlib
import re
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest

import pictures
from house import House, program, wait_until
from model_double import images
from s3_double import BUCKET, REGION, S3Double, fetch, no_length
from slowness import SLOWNESS
from wire import GET

FEW = {"fast": 1, "lookup": 1, "slow": 1}
TOKEN = "FwoGZXIvYXdzE+/=" + "aB3/+" * 300  # 1.5 KB, much of it escaped
ABSENT_S = 5.0
KINDS = [("png", pictures.png), ("jpg", pictures.jpeg),
         ("webp", pictures.webp)]
SOMEWHERE = {"SERVE_FROM_CLOUD": "true", "STORAGE_BUCKET": BUCKET,
             "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


@pytest.fixture(scope="module")
def cloud_house():
    """A house with a bucket that the tests of this module share."""
    double = S3Double()
    one = House(cloud=double)
    try:
        yield one.start()
    finally:
        one.end()
        double.close()


@pytest.fixture
def house(cloud_house):
    """The same, with nothing scripted; what was asked must be polite."""
    cloud_house.model.forget()
    cloud_house.cloud.forget()  # which cuts off whoever asks just now
    yield when_up(cloud_house)
    assert cloud_house.cloud.complaints == []
    cloud_house.inspect()


@pytest.fixture
def a_cloud_house(new_house):
    """Makes houses, each with a bucket of its own."""
    doubles = []

    def make(double: S3Double | None = None, **kw) -> House:
        doubles.append(double or S3Double())
        return new_house(cloud=doubles[-1], **({"workers": FEW} | kw))

    yield make
    for double in doubles:
        assert double.complaints == []
        double.close()


def made(house: House, make=pictures.png) -> tuple[str, bytes]:
    """An image that is here and in the bucket: its id and bytes."""
    data = make()
    house.model.script(images(data))
    image = house.http.generate(num_images=1).images()[0]
    assert image["cloud_url"], house.story()
    return image["id"], data


def when_up(house: House) -> House:
    """Returns it once the storage is known to be well."""
    house.wait_for_storage("up", 5.0)
    return house


def laid(house: House, image_id: str, extension: str = "png",
         job: str = "") -> bytes:
    """An image that somebody else has put into the bucket: its bytes."""
    data = dict(KINDS)[extension]()
    house.cloud.put(key_of(image_id, extension, job), data)
    return data


def key_of(image_id: str, extension: str = "png", job: str = "") -> str:
    """The documented object key."""
    if job:
        return f"videos/{job}/intermediate/character_reference/" \
            f"{image_id}.{extension}"
    return f"character_references/{image_id}.{extension}"


def described(house: House, image_id: str, query: str = "") -> dict:
    """The JSON of a GET."""
    reply = house.http.get(GET + image_id + query)
    assert reply.status == 200, reply.body
    assert reply.headers["cache-control"] == "no-store"
    return reply.json()


def redirected(house: House, image_id: str, query: str = "",
               method: str = "GET", **headers: str):
    """The reply of a GET that is sent elsewhere."""
    reply = house.http.ask(method, f"{GET}{image_id}?redirect=true{query}",
                           headers=headers)
    assert reply.status == 302, reply.body
    assert reply.body == b""
    assert reply.headers["x-asset-source"] == "s3"
    assert reply.headers["referrer-policy"] == "no-referrer"
    return reply


def location(house: House, image_id: str, query: str = "") -> str:
    """Where a GET is sent."""
    return redirected(house, image_id, query).headers["location"]


def asked_about(house: House, image_id: str) -> list:
    """The double's records that name the image, in path or query."""
    return [one for one in house.cloud.asked() if image_id in one.target]


def query_of(url: str) -> dict[str, str]:
    """The decoded query of a URL."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def max_age(reply) -> int:
    """How long a redirect may be kept; 0: not at all."""
    control = reply.headers["cache-control"]
    if control == "no-store":
        return 0
    return int(re.fullmatch(r"private, max-age=(\d+)", control)[1])


# ---------------------------------------------------------------- the answer


def test_json_is_exactly_the_documented_one(house):
    image_id, data = made(house)
    document = described(house, image_id)
    url = document.pop("image_url")
    assert document == {"image_id": image_id, "storage_backend": "s3",
                        "expires_in_seconds": 3600,
                        "cloud_path": key_of(image_id)}
    assert url.startswith(
        f"{house.cloud.url}/{BUCKET}/character_references/{image_id}.png?")
    got = fetch(url)
    assert (got.status, got.body) == (200, data)
    assert got.headers["content-type"] == "image/png"


@pytest.mark.parametrize("extension, make", KINDS)
def test_a_redirect_leads_to_the_exact_bytes(house, extension, make):
    image_id, data = made(house, make)
    url = location(house, image_id)
    assert f"{image_id}.{extension}?" in url
    assert fetch(url).body == data


def test_a_browser_that_follows_the_redirect_has_the_image(house):
    image_id, data = made(house)
    path = f"http://127.0.0.1:{house.http.port}{GET}{image_id}?redirect=true"
    with urllib.request.urlopen(path, timeout=10 * SLOWNESS) as reply:
        assert reply.read() == data


def test_a_head_is_signed_as_a_head(house):
    image_id, data = made(house)
    url = redirected(house, image_id, method="HEAD").headers["location"]
    got = fetch(url, "HEAD")
    assert got.status == 200
    assert got.headers["content-length"] == str(len(data))
    assert fetch(url, "GET").status == 403
    assert fetch(location(house, image_id), "HEAD").status == 403


def test_a_head_without_redirect_has_the_headers_of_the_json(house):
    image_id, _ = made(house)
    head = house.http.ask("HEAD", GET + image_id)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == "application/json"
    assert head.headers["cache-control"] == "no-store"


def test_headers_of_the_client_do_not_matter(house):
    image_id, data = made(house)
    reply = redirected(
        house, image_id, Cookie="session=1", Range="bytes=0-3",
        Authorization="AWS4-HMAC-SHA256 Credential=x",
        **{"X-Amz-Date": "20000101T000000Z",
           "X-Forwarded-Host": "evil.example"})
    url = reply.headers["location"]
    assert "evil" not in url
    assert fetch(url).body == data


@pytest.mark.parametrize("word, is_redirect", [
    ("true", True), ("1", True), ("yes", True), ("on", True), ("TRUE", True),
    ("%74rue", True), ("false", False), ("0", False), ("no", False),
    ("off", False), ("False", False)])
def test_redirect_has_these_spellings(house, word, is_redirect):
    image_id, _ = made(house)
    reply = house.http.get(f"{GET}{image_id}?redirect={word}")
    assert reply.status == (302 if is_redirect else 200)


@pytest.mark.parametrize("word", ["", "2", "maybe", "true%20", "tru", "-1",
                                  "true,false"])
def test_any_other_spelling_is_refused(house, word):
    image_id, _ = made(house)
    house.http.get(f"{GET}{image_id}?redirect={word}").must_fail(
        422, "ValidationError", "redirect")


def test_accept_json_with_redirect_is_a_redirect_all_the_same(house):
    image_id, _ = made(house)
    redirected(house, image_id, Accept="application/json")


def test_signatures_reach_no_log(house):
    """Nor do URLs that a client sends along; `house` reads all files."""
    image_id, _ = made(house)
    url = location(house, image_id)
    for path in (image_id, "no-such-image", "bad~id", image_id + "/x"):
        house.http.get(f"{GET}{path}?{url.partition('?')[2]}", headers={
            "Referer": url, "User-Agent": url, "Origin": url,
            "X-Forwarded-For": url, "X-Request-Id": url[-64:]})
    house.must_keep_its_secret()


# ------------------------------------------------------------------- lookups


@pytest.mark.parametrize("job", ["", "job-7"])
@pytest.mark.parametrize("extension", ["png", "jpg", "webp"])
def test_what_others_put_there_is_found_once(house, extension, job):
    image_id = f"other-{extension}-{job or 'alone'}"
    data = laid(house, image_id, extension, job)
    query = f"&job_id={job}" if job else ""
    assert fetch(location(house, image_id, query)).body == data
    assert len(asked_about(house, image_id)) == 2  # one lists, one fetches
    document = described(house, image_id, query.replace("&", "?"))
    assert document["cloud_path"] == key_of(image_id, extension, job)
    assert len(asked_about(house, image_id)) == 2
    assert house.rows("SELECT state FROM objects WHERE image_id = ?",
                      image_id) == [("done",)]


def test_an_image_has_a_copy_in_the_jobs_that_it_was_given_to(house):
    image_id, data = made(house)
    done = house.http.post(
        {"image_id": image_id, "job_id": "job-1"},
        "/api/mv/persist_character_reference")
    assert done.status == 200, done.body
    document = described(house, image_id, "?job_id=job-1")
    assert document["cloud_path"] == key_of(image_id, job="job-1")
    assert fetch(document["image_url"]).body == data
    house.http.get(f"{GET}{image_id}?job_id=job-2").must_fail(
        404, "NotFound", "image_id")
    house.http.get(f"{GET}{image_id}?job_id=..").must_fail(
        400, "ValidationError", "job_id")


def test_an_image_that_is_only_in_a_job_is_served_from_here(house):
    """Nothing was said about a copy of its own, and its bytes are here."""
    image_id, data = made(house)
    path = house.root / "catalogue.db"
    with contextlib.closing(sqlite3.connect(path, timeout=5 * SLOWNESS)) as db, db:
        db.execute("DELETE FROM objects WHERE image_id = ?", (image_id,))
    del house.cloud.objects[key_of(image_id)]
    reply = house.http.get(GET + image_id)
    assert (reply.status, reply.body) == (200, data)
    assert reply.headers["x-asset-source"] == "local"
    assert len(asked_about(house, image_id)) == 1, "its upload alone"


def test_an_unknown_id_costs_one_call_of_the_lookup_pool(house):
    began = time.monotonic()
    first = house.http.get(GET + "nobody-1", headers={
        "X-Request-Id": "nobody-first"})
    first.must_fail(404, "NotFound", "image_id")
    pools = [line["pool"] for line in house.requests_logged("nobody-first")]
    wait_until(lambda: sorted(
        line["pool"] for line in house.requests_logged("nobody-first"))
        == ["fast", "lookup"], f"both pools, not {pools}")
    while time.monotonic() - began < ABSENT_S - 1.0:
        house.http.get(GET + "nobody-1").must_fail(404, "NotFound")
        assert len(asked_about(house, "nobody-1")) == 1
        time.sleep(0.2)
    wait_until(lambda: house.http.get(GET + "nobody-1").status == 404
               and len(asked_about(house, "nobody-1")) == 2,
               "a second call", ABSENT_S)
    assert time.monotonic() - began > ABSENT_S * 0.94
    house.http.get(GET + "nobody-1").must_fail(404, "NotFound")
    assert len(asked_about(house, "nobody-1")) == 2


def test_random_ids_leave_no_rows(house):
    before = house.rows("SELECT count(*) FROM images")
    for i in range(30):
        house.http.get(f"{GET}random-{i}").must_fail(404, "NotFound")
        house.http.get(f"{GET}random-{i}?job_id=j").must_fail(404, "NotFound")
    assert house.rows("SELECT count(*) FROM images") == before


def test_what_lies_beside_an_image_is_not_taken_for_it(house):
    for name in ("x.png.bak", "x2.png", "x.PNG", "x.gif", "x.", "x",
                 "x.png/y.png", "x.jpeg2", "xx.png", "X.png"):
        house.cloud.put(f"character_references/{name}", b"beside")
    house.http.get(GET + "x").must_fail(404, "NotFound")
    data = laid(house, "x-1", "webp")
    house.cloud.put("character_references/x-1.aaa", b"beside")
    assert fetch(location(house, "x-1")).body == data


def test_without_the_right_to_list_each_extension_is_asked_for(house):
    made(house)
    house.cloud.may_list = False
    for extension, _ in KINDS:
        data = laid(house, "unlisted-" + extension, extension)
        assert fetch(location(house, "unlisted-" + extension)).body == data
    house.http.get(GET + "unlisted-nobody").must_fail(404, "NotFound")
    asked = asked_about(house, "unlisted-nobody")
    assert [one.method for one in asked].count("HEAD") == 3, asked
    house.http.get(GET + "unlisted-nobody").must_fail(404, "NotFound")
    assert len(asked_about(house, "unlisted-nobody")) == len(asked)


@pytest.mark.parametrize("keys", [
    {"AWS_SECRET_ACCESS_KEY": "not-the-secret"},
    {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}],
    ids=["refused", "none"])
def test_without_good_keys_nobody_knows_whether_there_is_an_image(
        a_cloud_house, keys):
    """Neither now nor, once there are good ones, from memory."""
    house = a_cloud_house(uploader=False, **keys)
    laid(house, "who-knows")
    for _ in range(3):
        house.http.get(GET + "who-knows").must_fail(502, "StorageDenied")
    good = {"AWS_ACCESS_KEY_ID": house.cloud.access_key,
            "AWS_SECRET_ACCESS_KEY": house.cloud.secret_key}
    for pool in house.pools.values():
        pool.env |= good
        pool.replace()
    wait_until(lambda: house.http.get(GET + "who-knows").status == 200,
               "good keys", 10.0)


def test_a_reply_without_a_length_is_an_image_all_the_same(house):
    """A proxy in between may send a HEAD's reply like that."""
    made(house)
    house.cloud.may_list = False
    data = laid(house, "no-length")
    house.cloud.on(no_length(), method="HEAD", key=key_of("no-length"))
    assert fetch(location(house, "no-length")).body == data
    assert house.rows("SELECT bytes FROM images WHERE id = 'no-length'") \
        == [(0,)]


def test_a_lost_image_is_not_found(house):
    """Its upload failed for good, and its file is gone."""
    data = pictures.png()
    house.model.script(images(data))
    house.cloud.set_mode("refuse")
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    (house.store / f"{image_id}.png").unlink()
    house.cloud.set_mode("up")
    wait_until(lambda: house.rows(
        "SELECT state FROM objects WHERE image_id = ?", image_id)
        == [("failed",)], "the uploader's despair", 20.0)
    house.http.get(GET + image_id).must_fail(404, "NotFound", "image_id")


# ------------------------------------------------------------ lives, windows


@pytest.mark.parametrize("expiry", [1, 604800])
def test_a_url_lives_as_long_as_it_says(a_cloud_house, expiry):
    house = a_cloud_house(PRESIGNED_URL_EXPIRY=str(expiry))
    image_id, data = made(house)
    document = described(house, image_id)
    assert document["expires_in_seconds"] == expiry
    assert query_of(document["image_url"])["X-Amz-Expires"] == str(expiry)
    assert max_age(redirected(house, image_id)) == (10 if expiry > 1 else 0)
    if expiry > 1:
        assert fetch(document["image_url"]).body == data
        house.cloud.clock_shift = expiry - 30
        assert fetch(document["image_url"]).body == data
    house.cloud.clock_shift = expiry + 2
    assert fetch(document["image_url"]).status == 403
    house.cloud.clock_shift = 0


def test_a_window_gives_one_url_to_all_who_ask_within_it(a_cloud_house):
    window, expiry = 3, 100
    house = a_cloud_house(workers={"fast": 3}, PRESIGNED_URL_WINDOW="3",
                          PRESIGNED_URL_EXPIRY=str(expiry),
                          REDIRECT_CACHE="0")
    image_id, data = made(house)
    seen: dict[int, set[str]] = {}

    def look():
        end = time.monotonic() + 2.2 * window
        while time.monotonic() < end:
            began = int(time.time())
            document = described(house, image_id)
            age_ok = max_age(redirected(house, image_id))
            ended = int(time.time())
            if began // window != ended // window:
                continue
            seen.setdefault(began // window, set()).add(document["image_url"])
            lives = document["expires_in_seconds"]
            assert expiry - ended % window <= lives <= expiry - began % window
            assert 0 < age_ok <= lives - 59, (age_ok, lives)

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for one in lookers:
        one.start()
    for one in lookers:
        one.join()
    assert 2 <= len(seen) <= 4
    assert all(len(urls) == 1 for urls in seen.values()), seen
    assert len(set.union(*seen.values())) == len(seen)
    assert all(fetch(url).body == data for url in set.union(*seen.values()))


@pytest.mark.parametrize("expiry, kept", [(60, 0), (61, 1), (70, 10),
                                          (71, 10), (3600, 10)])
def test_a_redirect_is_kept_for_seconds_and_never_as_long_as_its_url_lives(
        a_cloud_house, expiry, kept):
    """Who follows it for long does not hear that the storage is down."""
    house = a_cloud_house(PRESIGNED_URL_EXPIRY=str(expiry))
    image_id, _ = made(house)
    assert max_age(redirected(house, image_id)) == kept


def test_a_long_session_token_fits_through_everything(a_cloud_house):
    house = a_cloud_house(S3Double(token=TOKEN), AWS_SESSION_TOKEN=TOKEN,
                          PRESIGNED_URL_WINDOW="300")
    image_id, data = made(house)
    document = described(house, image_id)
    for url in (document["image_url"], location(house, image_id)):
        assert query_of(url)["X-Amz-Security-Token"] == TOKEN
        assert fetch(url).body == data
    laid(house, "under-a-token")
    assert fetch(location(house, "under-a-token")).status == 200


# --------------------------------------------------- wrong clocks and regions


@pytest.mark.parametrize("shift", [-600, 600, -3600, 3600])
def test_urls_go_by_the_clock_of_the_storage(a_cloud_house, shift):
    double = S3Double()
    double.clock_shift = shift
    house = when_up(a_cloud_house(double, PRESIGNED_URL_EXPIRY="120"))
    image_id, data = made(house)
    wait_until(lambda: fetch(location(house, image_id)).status == 200,
               "a URL by the storage's clock", 5.0)
    for _ in range(5):
        document = described(house, image_id)
        assert fetch(document["image_url"]).body == data
        assert document["expires_in_seconds"] == 120
    told = [line for line in house.log_lines() if line["event"] == "clock off"]
    assert len(told) <= 2, told


def test_a_wrong_region_is_learnt_by_all_and_told_once(a_cloud_house):
    house = when_up(a_cloud_house(workers={"fast": 3},
                                  AWS_REGION="us-east-1"))
    image_id, data = made(house)
    wait_until(lambda: fetch(location(house, image_id)).status == 200,
               "a URL for the bucket's region", 5.0)
    for _ in range(20):
        url = location(house, image_id)
        assert f"/{REGION}/s3/" in query_of(url)["X-Amz-Credential"]
        assert fetch(url).body == data
    told = [line for line in house.log_lines()
            if line["event"] == "region differs"]
    assert [(line["configured"], line["region"]) for line in told] \
        == [("us-east-1", REGION)]
    laid(house, "far-away")
    assert fetch(location(house, "far-away")).status == 200
    refused = [one for one in house.cloud.asked()
               if one.code == "AuthorizationHeaderMalformed"]
    assert len(refused) <= 4, "by those that began before it was known"


# ---------------------------------------------------------- where the URL is


def fetch_as(url: str, house: House):
    """Fetches it from the double, whatever host it names."""
    host = urllib.parse.urlsplit(url).netloc
    return fetch(url.replace("//" + host, house.cloud.url[5:], 1),
                 headers={"Host": host})


@pytest.mark.parametrize("style, begins", [
    ("auto", "http://{bucket}.s3.test:{port}/character_references/"),
    ("virtual", "http://{bucket}.s3.test:{port}/character_references/"),
    ("path", "http://s3.test:{port}/{bucket}/character_references/")])
def test_urls_name_the_public_host(a_cloud_house, style, begins):
    double = S3Double()
    house = a_cloud_house(
        double, S3_PUBLIC_ENDPOINT=f"http://s3.test:{double.port}",
        AWS_ENDPOINT_URL_S3=f"http://localhost:{double.port}",
        S3_ADDRESSING_STYLE=style)
    image_id, data = made(house)
    url = location(house, image_id)
    assert url.startswith(begins.format(bucket=BUCKET, port=double.port))
    assert fetch_as(url, house).body == data
    hosts = {one.header("host") for one in double.asked(method="PUT")}
    assert hosts == {("%s." % BUCKET if style == "virtual" else "")
                     + f"localhost:{double.port}"}


# ------------------------------------------------------------- local answers


def test_with_the_cloud_off_a_bucket_changes_no_get(a_cloud_house):
    house = a_cloud_house(SERVE_FROM_CLOUD="false")
    data = pictures.png()
    house.model.script(images(data))
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    for query in ("", "?redirect=true"):
        reply = house.http.get(GET + image_id + query)
        assert (reply.status, reply.body) == (200, data)
        assert reply.headers["x-asset-source"] == "local"
    laid(house, "elsewhere")
    house.http.get(GET + "elsewhere").must_fail(404, "NotFound")
    assert asked_about(house, "elsewhere") == []
    done = house.http.post({"image_id": image_id},
                           "/api/mv/persist_character_reference")
    assert done.status == 200, done.body
    assert fetch(done.json()["cloud_url"]).body == data
    assert house.http.get(GET + image_id).body == data


def test_pictures_outlive_all_workers(a_cloud_house):
    house = a_cloud_house()
    image_id, data = made(house)
    for pool in house.pools.values():
        pool.end(signal.SIGKILL)
    for query in ("", "?redirect=true"):
        reply = house.http.get(GET + image_id + query)
        assert (reply.status, reply.body) == (200, data)
        assert reply.headers["x-asset-source"] == "local"
    house.http.get(GET + "nobody").must_fail(502, "Unavailable")


def generated(house: House) -> tuple[str, bytes]:
    """An image that is here and not yet in the bucket: its id and bytes."""
    data = pictures.png()
    house.model.script(images(data))
    image = house.http.generate(num_images=1).images()[0]
    assert image["cloud_url"] is None
    return image["id"], data


def test_an_image_that_waits_is_served_from_here(a_cloud_house):
    house = a_cloud_house(uploader=False, UPLOAD_MODE="background")
    image_id, data = generated(house)
    for query in ("", "?redirect=true"):
        reply = house.http.get(GET + image_id + query)
        assert (reply.status, reply.body) == (200, data)
        assert reply.headers["x-asset-source"] == "local"
    assert asked_about(house, image_id) == []
    house.uploader.start()
    wait_until(lambda: house.http.get(f"{GET}{image_id}?redirect=true").status
               == 302, "its upload", 5.0)
    assert fetch(location(house, image_id)).body == data


def test_a_first_get_uploads_what_was_left_for_it(a_cloud_house):
    house = when_up(a_cloud_house(UPLOAD_MODE="lazy"))
    image_id, data = generated(house)
    other_id, other = generated(house)
    assert asked_about(house, image_id) == []
    first = redirected(house, image_id, **{"X-Request-Id": "first-get"})
    assert fetch(first.headers["location"]).body == data
    wait_until(lambda: sorted(
        line["pool"] for line in house.requests_logged("first-get"))
        == ["fast", "lookup"], "both pools")
    redirected(house, image_id)
    assert [one.method for one in asked_about(house, image_id)] \
        == ["HEAD", "PUT", "GET"], "uploaded once, fetched once"
    house.cloud.set_mode("refuse")
    reply = house.http.get(GET + other_id)
    assert (reply.status, reply.body) == (200, other)
    house.cloud.set_mode("up")  # what was begun is the uploader's to end
    wait_until(lambda: house.http.get(f"{GET}{other_id}?redirect=true").status
               == 302, "its upload", 10.0)
    assert fetch(location(house, other_id)).body == other


# ------------------------------------------------------------------ settings


def refused(**settings: str) -> str:
    """What is said about wrong settings, by command and worker alike."""
    env = {"ASAN_OPTIONS": "exitcode=99", **SOMEWHERE, **settings}
    done = subprocess.run([program("charref"), "config"], env=env, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=30 * SLOWNESS)
    assert (done.returncode, done.stdout) == (1, ""), done
    worker = subprocess.run([program("charref-fcgi")], env=env, text=True,
                            stdin=subprocess.DEVNULL, capture_output=True,
                            timeout=30 * SLOWNESS)
    assert worker.returncode not in (0, 99)
    return done.stderr


@pytest.mark.parametrize("name, value", [
    ("PRESIGNED_URL_EXPIRY", "0"), ("PRESIGNED_URL_EXPIRY", "604801"),
    ("PRESIGNED_URL_EXPIRY", "-1"), ("PRESIGNED_URL_EXPIRY", "1h"),
    ("PRESIGNED_URL_WINDOW", "1801"), ("PRESIGNED_URL_WINDOW", "-1"),
    ("STORAGE_BUCKET", ""), ("STORAGE_BUCKET", "ab"),
    ("STORAGE_BUCKET", "Upper"), ("STORAGE_BUCKET", "a_b"),
    ("STORAGE_BUCKET", "a..b"), ("STORAGE_BUCKET", "10.0.0.1"),
    ("STORAGE_BUCKET", "b" * 64), ("STORAGE_BUCKET", "bucket/key"),
    ("STORAGE_BACKEND", "gcs"), ("SERVE_FROM_CLOUD", "yes"),
    ("AWS_REGION", "EU West"), ("S3_ADDRESSING_STYLE", "host"),
    ("AWS_ENDPOINT_URL_S3", "s3.example.org"),
    ("AWS_ENDPOINT_URL_S3", "ftp://s3.example.org"),
    ("AWS_ENDPOINT_URL_S3", "https://s3.example.org/path"),
    ("AWS_ENDPOINT_URL_S3", "https://user@s3.example.org"),
    ("S3_PUBLIC_ENDPOINT", "https://s3.example.org:99999"),
    ("S3_PUBLIC_ENDPOINT", "https://")])
def test_a_wrong_setting_is_refused_by_its_name(name, value):
    lines = refused(**{name: value}).splitlines()
    assert len(lines) == 2 and lines[1].startswith(name), lines


def test_all_wrong_settings_of_the_storage_are_named_at_once():
    said = refused(STORAGE_BUCKET="Bad", AWS_REGION="a b",
                   AWS_ENDPOINT_URL_S3="nowhere", S3_PUBLIC_ENDPOINT="none",
                   PRESIGNED_URL_EXPIRY="0", PRESIGNED_URL_WINDOW="-5",
                   S3_ADDRESSING_STYLE="both")
    for name in ("STORAGE_BUCKET", "AWS_REGION", "AWS_ENDPOINT_URL_S3",
                 "S3_PUBLIC_ENDPOINT", "PRESIGNED_URL_EXPIRY",
                 "PRESIGNED_URL_WINDOW", "S3_ADDRESSING_STYLE"):
        named = [line for line in said.splitlines() if line.startswith(name)]
        assert len(named) == 1, (name, said)


def test_a_missing_bucket_does_not_hide_a_wrong_endpoint():
    said = refused(STORAGE_BUCKET="", AWS_ENDPOINT_URL_S3="nowhere")
    assert [line.split()[0].rstrip(":") for line in said.splitlines()[1:]] \
        == ["STORAGE_BUCKET", "AWS_ENDPOINT_URL_S3"]
