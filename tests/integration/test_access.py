"""API keys: who may use the service, and what a stranger learns of it."""

import hashlib
import json
import subprocess

import pytest

import wire
from house import House, program, wait_until
from model_double import images
from pictures import png
from s3_double import S3Double
from slowness import SLOWNESS
from wire import GENERATE, GET

KEY = "the-first-key-of-this-service"
HASHED = "a-second-key-known-by-its-hash"
FEW = {"fast": 1, "lookup": 1, "slow": 1}
URL = "/api/mv/get_character_reference_url/"
OPERATION = "/api/mv/operations/"
POSTS = [GENERATE, "/api/mv/persist_character_reference",
         "/api/mv/associate_character_images_with_job",
         "/api/mv/persist_job_assets", "/api/mv/download_job_assets"]
BODY = b'{"character_description": "A silver robot", "num_images": 1}'


def hashed(key: str) -> str:
    """A key as the settings may have it."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def a_locked_house(**settings) -> House:
    """A house with two keys, one of them known by its hash alone."""
    one = House(API_KEY=f"{KEY}, {hashed(HASHED)}", **settings)
    one.secrets += [KEY, HASHED]
    return one


@pytest.fixture(scope="module")
def locked_house():
    """One whose writes need a key."""
    one = a_locked_house(workers=FEW)
    try:
        yield one.start()
    finally:
        one.end()


@pytest.fixture
def house(locked_house):
    """The same with a model that has forgotten earlier tests."""
    locked_house.model.forget()
    yield locked_house
    locked_house.inspect()


@pytest.fixture(scope="module")
def closed_house():
    """One whose reads need a key, too, with a bucket and a cache to come."""
    double = S3Double()
    one = a_locked_house(workers=FEW, cloud=double, PROTECT_READS="true",
                         PRESIGNED_URL_WINDOW="300")
    try:
        yield one.start()
    finally:
        one.end()
        double.close()


@pytest.fixture
def closed(closed_house):
    """The same with nothing scripted."""
    closed_house.model.forget()
    closed_house.cloud.forget()
    yield closed_house
    closed_house.inspect()


def own(key: str) -> dict[str, str]:
    """The key in its own header."""
    return {"X-API-Key": key}


def bearer(key: str, scheme: str = "Bearer") -> dict[str, str]:
    """The key as a bearer token."""
    return {"Authorization": f"{scheme} {key}"}


def must_be_refused(reply: wire.Reply):
    """The documented 401, from which nothing else is to be learnt."""
    detail = reply.must_fail(401, "Unauthorized")
    assert reply.headers["www-authenticate"] == "ApiKey"
    assert "allow" not in reply.headers
    assert detail["details"] is None and "field" not in detail, detail
    return detail


def made(house: House) -> str:
    """An image's id."""
    house.model.script(images(png()))
    return house.http.post(BODY, headers=own(KEY)).images()[0]["id"]


# ----------------------------------------------------------------- the key


@pytest.mark.parametrize("headers", [
    own(KEY), own(HASHED), bearer(KEY), bearer(HASHED),
    bearer(KEY, "bearer"), bearer(KEY, "BEARER"), bearer(" " + KEY),
    own(KEY) | bearer(KEY),
    own(KEY) | {"Authorization": "Basic dXNlcjpwYXNz"},
], ids=str)
def test_a_key_of_the_list_is_let_in(house, headers):
    assert house.http.post(BODY, headers=headers).status == 200


@pytest.mark.parametrize("headers", [
    {}, own(""), own(" "), {"Authorization": ""}, {"Authorization": "Bearer"},
    {"Authorization": "Bearer "}, {"Authorization": KEY},
    own("wrong-key-of-the-same-size-xx"), own(KEY[:-1]), own(KEY[:16]),
    own(KEY + "x"), own("x" + KEY), own(KEY.upper()), own(KEY + " x"),
    own(f"{KEY}, {KEY}"), own(f"{KEY},{HASHED}"), own(hashed(HASHED)),
    own(hashed(HASHED)[7:]), own(hashed(KEY)), own(f"Bearer {KEY}"),
    own("sl\u00fcssel-der-nicht-passt"), bearer(KEY, "Basic"),
    bearer(KEY, "Bearer2"), bearer(KEY + " " + KEY), own("k" * 7000),
    {"X-Api-Key-2": KEY}, {"Api-Key": KEY}, own("*"),
    {"Cookie": f"X-API-Key={KEY}"}, own("' OR 1=1 --"), own("%s%n"),
], ids=lambda headers: str(headers)[:40])
def test_anything_else_is_refused(house, headers):
    must_be_refused(house.http.post(BODY, headers=headers))
    assert house.model.paid() == 0


def test_two_different_keys_are_refused_though_both_are_good(house):
    detail = must_be_refused(
        house.http.post(BODY, headers=own(KEY) | bearer(HASHED)))
    assert "different keys" in detail["message"]


@pytest.mark.parametrize("headers", [
    ("X-API-Key: " + KEY, "X-API-Key: " + KEY),
    ("X-API-Key: " + KEY, "X-API-Key: wrong-key-of-some-length"),
    ("X-API-Key: wrong-key-of-some-length", "X-API-Key: " + KEY),
    ("X-API-Key: ", "X-API-Key: " + KEY)])
def test_a_header_that_comes_twice_is_refused(house, headers):
    head = "\r\n".join([f"POST {GENERATE} HTTP/1.1", "Host: x", *headers,
                        "Content-Type: application/json",
                        f"Content-Length: {len(BODY)}", "Connection: close"])
    got = house.http.raw(head.encode() + b"\r\n\r\n" + BODY)
    assert got.startswith(b"HTTP/1.1 401 "), got[:300]
    assert house.model.paid() == 0


def test_a_header_of_a_hundred_kilobytes_harms_nobody(house):
    """nginx takes none of it; a worker that is asked itself, no more than it
    has said it will."""
    assert house.http.post(BODY, headers=own("k" * 100000)).status == 431
    worker = house.pools["slow"].wire()
    reply = worker.ask("POST", GENERATE, BODY, HTTP_X_API_KEY="k" * 60000)
    must_be_refused(reply)
    assert worker.ask("POST", GENERATE, BODY,
                      HTTP_X_API_KEY="k" * 100000).status == 0
    assert house.http.post(BODY, headers=own(KEY)).status == 200


@pytest.mark.parametrize("value", [
    KEY + "\0", "\0" + KEY, KEY + "\n", "\xff" * 30, KEY.replace("-", "\xad"),
    "\n" + KEY + "\r\nX-Accel-Expires: 60"])
def test_bytes_that_no_key_has_are_refused_or_trimmed(house, value):
    """Straight to the worker: a NUL ends a parameter, and blanks around a
    value do not count."""
    reply = house.pools["slow"].wire().ask(
        "POST", GENERATE, BODY, HTTP_X_API_KEY=value)
    if value.split("\0")[0].strip() == KEY:
        assert reply.status == 200
    else:
        must_be_refused(reply)


# ----------------------------------------------------- what needs one, when


@pytest.mark.parametrize("path", POSTS)
def test_every_post_needs_a_key(house, path):
    for body in (b"{}", b"not json", b"", b"x" * 60000):
        must_be_refused(house.http.post(body, path))
        must_be_refused(house.http.post(body, path, headers=own("x" * 20)))
    must_be_refused(house.http.post(b"x", path, {"Content-Type": "text/x"}))
    assert house.http.post(b"not json", path, own(KEY)).status in (400, 503)
    assert house.http.post(b"x", path, own(KEY) | {
        "Content-Type": "text/x"}).status == 415


def test_a_stranger_is_answered_before_the_body_is_read(house):
    """It may be as long as it says; the worker asks for none of it."""
    worker = house.pools["slow"].wire()
    pairs = worker.environment("POST", GENERATE, b"",
                               CONTENT_LENGTH="1000000000")
    with worker.connect() as link:
        link.sendall(wire.begin() + wire.params(pairs))
        head = b""
        while b"\r\n\r\n" not in head:
            piece = link.recv(65536)
            assert piece, head
            head += piece
    assert b"Status: 401 " in head


def test_the_other_methods_of_a_path_are_told_to_those_with_a_key(house):
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        must_be_refused(house.http.ask(method, GENERATE))
        reply = house.http.ask(method, GENERATE, headers=own(KEY))
        reply.must_fail(405, "MethodNotAllowed")
        assert reply.headers["allow"] == "POST"
    for method in ("POST", "PUT", "DELETE"):
        must_be_refused(house.http.ask(method, GET + "abc", b""))
        reply = house.http.ask(method, GET + "abc", b"", own(KEY))
        reply.must_fail(405, "MethodNotAllowed")


def test_a_path_that_is_none_is_not_found_with_and_without_a_key(house):
    for headers in ({}, own(KEY), own("x" * 20)):
        house.http.post(BODY, "/api/mv/nothing", headers).must_fail(
            404, "NotFound")
        house.http.get("/nothing", headers=headers).must_fail(
            404, "NotFound")


def test_reads_and_health_are_open_unless_they_are_protected(house):
    image_id = made(house)
    for method in ("GET", "HEAD"):
        for headers in ({}, own("wrong-key-of-some-length")):
            def ask(path):
                return house.http.ask(method, path, headers=headers).status
            assert ask("/healthz") == 200
            assert ask(GET + image_id) == 200
            assert ask(GET + "abc") == 404
            assert ask(OPERATION + "abc") == 404
            assert ask(URL + image_id) == 503  # there is no bucket
    assert house.http.post(b"{}", "/healthz").status == 405


def test_no_idempotency_key_is_taken_by_a_stranger(house):
    headers = {"Idempotency-Key": "mine"}
    must_be_refused(house.http.post(BODY, headers=headers))
    reply = house.http.post(BODY, headers=headers | own(KEY))
    assert reply.status == 200
    assert "idempotency-replayed" not in reply.headers


# ------------------------------------------------------------ reads as well


def test_protected_reads_need_a_key(closed):
    image_id = made(closed)
    reads = [GET + image_id, GET + "abc", GET + image_id + "?redirect=true",
             URL + image_id, OPERATION + "abc", GET + "-not-an-id"]
    for path in reads:
        for method in ("GET", "HEAD"):
            reply = closed.http.ask(method, path)
            assert reply.status == 401, (method, path)
            assert reply.headers["cache-control"] == "no-store"
        must_be_refused(closed.http.get(path, headers=own("x" * 20)))
        assert closed.http.get(
            path, headers=bearer(KEY)).status in (200, 302, 400, 404)
    for method in ("GET", "HEAD"):
        assert closed.http.ask(method, "/healthz").status == 200


def test_no_route_was_forgotten(closed):
    """All that there are, but for those that tell how the service is."""
    routes = [line.split() for line in
              closed.charref("routes").stdout.splitlines()]
    assert {path for method, path, _ in routes if method == "POST"} \
        == set(POSTS)
    for method, path, pool in routes:
        if path in ("/healthz", "/readyz", "/metrics"):
            continue
        path += "abc" if path.endswith("/") else ""
        must_be_refused(closed.pools[pool].wire().ask(method, path))


def test_a_key_goes_with_a_request_that_is_handed_over(closed):
    closed.cloud.put("character_references/put-by-hand.png", png())
    reply = closed.http.get(GET + "put-by-hand", headers=own(HASHED))
    assert reply.json()["storage_backend"] == "s3"
    must_be_refused(closed.http.get(GET + "put-by-hand-2"))


def test_what_is_protected_is_stored_by_nobody(closed):
    image_id = made(closed)
    worker = closed.pools["fast"].wire()
    for query in ("", "?redirect=true"):
        reply = worker.ask("GET", GET + image_id + query, HTTP_X_API_KEY=KEY)
        assert reply.status in (200, 302)
        assert "x-accel-expires" not in reply.headers
        assert reply.headers["cache-control"] == "no-store"


def test_a_protected_picture_is_stored_by_nobody():
    house = a_locked_house(workers=FEW, PROTECT_READS="true")
    try:
        house.start()
        image_id = made(house)
        reply = house.http.get(GET + image_id, headers=own(KEY))
        assert reply.status == 200 and reply.body in house.model.given
        assert "private" in reply.headers["cache-control"]
        assert "no-store" in reply.headers["cache-control"]
        must_be_refused(house.http.get(GET + image_id))
        direct = house.pools["fast"].wire().ask(
            "GET", GET + image_id, HTTP_AUTHORIZATION="Bearer " + KEY)
        assert direct.headers["cache-control"] == "private, no-store"
    finally:
        house.end()


# ------------------------------------------------------------- the settings


def start_with(house: House, **settings: str) -> tuple[int, list[dict]]:
    """A worker's start with these: its exit code, and what it said."""
    env = {k: v for k, v in house.env.items() if k != "LOG_FILE"} | settings
    done = subprocess.run([program("charref"), "uploader"], env=env,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=30 * SLOWNESS, check=False)
    return done.returncode, [json.loads(line) for line in
                             done.stderr.decode().splitlines()]


def test_wrong_keys_are_all_told_at_the_start_and_none_is_shown(house):
    secret = "hunter2-hunter"
    code, lines = start_with(house, API_KEY=f"{secret},,sha256:{secret}")
    assert code != 0
    said = [line["message"] for line in lines if line["event"] == "settings"]
    assert [text.partition(":")[0] for text in said] == ["API_KEY"] * 3
    for place, text in enumerate(said, 1):
        assert f"key {place} of the list" in text
        assert "charref key" in text  # the remedy
    assert "hunter2" not in json.dumps(lines)


def test_reads_are_not_protected_without_a_key(house):
    code, lines = start_with(house, API_KEY="", PROTECT_READS="true")
    assert code != 0
    assert any("API_KEY must be set when PROTECT_READS" in line["message"]
               for line in lines)


def test_the_keys_are_masked(house):
    done = house.charref("config")
    assert "API_KEY=set\n" in done.stdout
    assert KEY not in done.stdout and hashed(HASHED) not in done.stdout
    assert house.charref("config", "API_KEY").stdout == "set\n"


def test_a_key_that_is_made_is_let_in_by_its_hash():
    made_keys = []
    for _ in range(2):
        one = House(nginx=False, workers={"fast": 0, "lookup": 0, "slow": 1})
        done = one.charref("key", "--json")
        document = json.loads(done.stdout)
        assert list(document) == ["key", "hash"]
        assert document["hash"] == hashed(document["key"])
        assert len(document["key"]) == 43
        one.env["API_KEY"] = document["hash"]
        one.secrets.append(document["key"])
        try:
            worker = one.start().pools["slow"].wire()
            good = worker.ask("POST", GENERATE, BODY,
                              HTTP_X_API_KEY=document["key"])
            assert good.status == 200
            must_be_refused(worker.ask("POST", GENERATE, BODY,
                                       HTTP_X_API_KEY=document["hash"]))
            wait_until(lambda: len(one.log_lines()) >= 2, "two lines")
        finally:
            one.end()
        made_keys.append(document["key"])
    assert made_keys[0] != made_keys[1]


def test_a_key_is_printed_ready_to_paste(house):
    done = house.charref("key")
    assert done.returncode == 0
    lines = [line.strip() for line in done.stdout.splitlines()]
    key, = [line.removeprefix("X-API-Key: ") for line in lines
            if line.startswith("X-API-Key: ")]
    assert f"API_KEY={hashed(key)}" in lines
    assert house.charref("key", "x").returncode == 2
