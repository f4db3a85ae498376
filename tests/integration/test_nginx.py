"""The web server's own part: groups, limits, origins, cache, headers, log.

Where it matters what nginx sends on, the workers are scripted (upstream.py);
where it matters what clients see, they are real.
"""

import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

import pictures
import wire
from front import Front
from house import PROJECT, House, need_tool, program, wait_until
from model_double import draw, images
from slowness import SLOWNESS
from test_takeover import Load
from upstream import Asked, Upstream, reply
from wire import GENERATE, GET

ORIGIN = "https://app.example.com"
SIGNED = "https://s3.example.com/x?X-Amz-Signature=00112233445566778899"


# ------------------------------------------------------------------- groups


def test_a_post_is_never_sent_twice_though_its_worker_dies(front):
    front.up.answer = lambda asked: None
    front.http.post({}).must_fail(502, "Unavailable")
    assert front.asked() == [f"POST {GENERATE}"]
    front.http.get("/api/mv/operations/x").must_fail(502, "Unavailable")
    assert front.asked()[1:] == ["GET /api/mv/operations/x"] * 4, \
        "a GET is asked of both groups, and of both that stand in"


@pytest.mark.parametrize("listening", [
    ["fast-a", "slow-a"], ["fast-b", "slow-b"], ["fast-a", "lookup-b"],
    ["fast-b", "lookup-a"]])
def test_whoever_listens_gets_what_others_cannot_take(new_front, listening):
    front = new_front(listening)
    for _ in range(4):
        assert front.http.post({}).status == 200
        assert front.http.get("/x").status == 200
    assert front.asked() == [f"POST {GENERATE}", "GET /x"] * 4
    assert {one["CHARREF_POOL"] for one in front.up.asked} == {"fast", "slow"}


def test_requests_go_to_both_groups_by_their_workers(new_front):
    """Three workers: two in the first group, one in the second."""
    front = new_front(["fast-a", "fast-b", "slow-a"], SLOW_WORKERS="3")
    second = Upstream(front.house.folder, "slow-b")
    held = threading.Event()
    for up in (front.up, second):
        up.answer = lambda _: held.wait(20) and reply()
    askers = [threading.Thread(target=front.http.post, args=({},))
              for _ in range(6)]
    for one in askers:
        one.start()
    wait_until(lambda: len(front.up.asked + second.asked) == 6, "all six")
    counts = (len(front.up.asked), len(second.asked))
    held.set()
    for one in askers:
        one.join()
    second.close()
    assert counts == (4, 2)


def test_one_group_is_replaced_while_the_other_answers(new_house):
    """No other pool has to stand in, and no request fails."""
    house = new_house(workers={"fast": 2, "lookup": 1, "slow": 2})
    for name in ("fast", "slow"):
        house.second_group(name, 1)
    image = house.http.generate(num_images=1).images()[0]
    house.model.otherwise = draw(delay=0.02)
    with Load(house, image["id"], house.model.given[0]) as load:
        for name in ("fast", "fast-b", "slow", "slow-b") * 2:
            assert set(house.pools[name].replace(1)) == {0}
        load.must_get_far()
        wait_until(lambda: load.bad or {
            "fast-a.sock", "fast-b.sock", "slow-a.sock", "slow-b.sock"} <= {
                line["worker"].rpartition("/")[2]
                for line in house.nginx_lines()}, "requests to each group")
    assert not load.bad, load.bad[:5]
    assert not any("lookup" in line["worker"]
                   for line in house.nginx_lines())


# ------------------------------------------------------- what workers get


def test_what_a_client_sends_reaches_the_worker_and_no_more(front):
    sent = {"X-API-Key": "k1", "Authorization": "Bearer k2",
            "Accept": "application/json", "Idempotency-Key": "k3",
            "X-Request-Id": "id-1", "Proxy": "http://evil",
            "X_Api_Key": "underscored"}
    front.http.post({"a": 1}, headers=sent)
    got, = front.up.asked
    for name in ("X-API-Key", "Authorization", "Accept", "Idempotency-Key",
                 "X-Request-Id"):
        variable = "HTTP_" + name.upper().replace("-", "_")
        assert got[variable] == sent[name], name
    assert got["HTTP_PROXY"] == ""
    assert (got["CHARREF_POOL"], got["REMOTE_ADDR"], got["QUERY_STRING"]) \
        == ("slow", "127.0.0.1", "")
    assert json.loads(got.body) == {"a": 1}


def test_the_first_of_two_accepts_is_the_one(front):
    front.http.raw(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                   b"Accept: image/png\r\nAccept: application/json\r\n\r\n")
    got, = front.up.asked
    assert got["HTTP_ACCEPT"].startswith("image/png")  # later nginx joins them


def test_a_harmless_request_id_is_kept_and_any_other_replaced(front):
    for sent, kept in (
            ("abc.DEF_1-2", True), ("x" * 64, True), ("x" * 65, False),
            ("a b", False), ('a"b', False), ("a/b", False), ("{}", False)):
        said = front.http.get("/x", headers={"X-Request-Id": sent})
        got = front.up.asked[-1]
        assert (got["HTTP_X_REQUEST_ID"] == sent) == kept
        assert said.headers["x-request-id"] == got["HTTP_X_REQUEST_ID"]


# ------------------------------------------------------------------ headers

SECURITY = {
    "content-security-policy":
        "default-src 'none'; frame-ancestors 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
    "referrer-policy": "no-referrer", "x-content-type-options": "nosniff",
    "x-frame-options": "DENY"}


def test_every_kind_of_reply_has_the_security_headers(house):
    data = pictures.png(40, 40)
    house.model.script(images(data))
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    picture = house.http.picture(image_id)
    etag = {"If-None-Match": picture.headers["etag"]}
    json_of = {"Accept": "application/json"}
    replies = {
        200: picture, 2: house.http.get(GET + image_id, headers=json_of),
        206: house.http.get(GET + image_id, headers={"Range": "bytes=0-1"}),
        304: house.http.get(GET + image_id, headers=etag),
        416: house.http.get(GET + image_id, headers={"Range": "bytes=999-"}),
        404: house.http.get("/no"), 405: house.http.get(GENERATE),
        413: house.http.post(b"x" * 70000),
        414: house.http.get("/" + "x" * 9000),
        422: house.http.generate(num_images=9)}
    for status, said in replies.items():
        assert said.status == (200 if status == 2 else status)
        got = {name: said.headers.get(name) for name in SECURITY}
        assert got == SECURITY, status
        assert "strict-transport-security" not in said.headers
        assert "nginx/" not in said.headers["server"]


def test_json_is_squeezed_for_those_who_can_and_pictures_are_not(front):
    text = json.dumps({"image_url": "https://" + "x" * 3000}).encode()
    front.up.answer = lambda _: reply(body=text)
    squeezed = front.http.get("/x", headers={"Accept-Encoding": "gzip"})
    assert squeezed.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in squeezed.headers["vary"].lower()
    assert gzip.decompress(squeezed.body) == text
    plain = front.http.get("/x")
    assert plain.body == text and "content-encoding" not in plain.headers
    for path, kind in (("/x", "image/png"), (GENERATE, "application/json")):
        front.up.answer = lambda _, kind=kind: reply(body=text, kind=kind)
        said = front.http.post({}, path, headers={"Accept-Encoding": "gzip"})
        assert said.body == text


# ------------------------------------------------------------------ origins

CORS = {name.lower() for name in (
    "Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
    "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
    "Access-Control-Max-Age", "Access-Control-Allow-Credentials")}


def cors_of(said: wire.Reply) -> dict[str, str]:
    """What a reply says to browsers about origins."""
    return {name: value for name, value in said.headers.items()
            if name in CORS}


def may_read(said: wire.Reply, origin: str = ORIGIN):
    """A page of the origin may read this reply, without credentials."""
    got = cors_of(said)
    assert set(got) == {"access-control-allow-origin",
                        "access-control-expose-headers"}, got
    assert got["access-control-allow-origin"] == origin
    assert "X-Request-Id" in got["access-control-expose-headers"]


def test_a_listed_origin_may_read_every_kind_of_reply(new_house):
    house = new_house(CORS_ORIGINS=f"http://localhost:3000, {ORIGIN}",
                      NGINX_GENERATE_RATE="1", NGINX_GENERATE_BURST="1")
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    asking = {"Origin": ORIGIN}
    local = house.http.picture(image_id, Origin=ORIGIN)
    assert local.status == 200 and local.headers["x-asset-source"] == "local"
    replies = [local, house.http.get("/no", headers=asking),
               house.http.post(b"x" * 70000, headers=asking)]
    statuses = set()
    for _ in range(2):
        replies.append(house.http.post({}, headers=asking))
        statuses.add(replies[-1].status)
    assert 429 in statuses
    for pool in house.pools.values():
        pool.end(signal.SIGKILL)
    replies += [house.http.get("/healthz", headers=asking),
                house.http.picture(image_id, Origin=ORIGIN)]
    assert [one.status for one in replies[-2:]] == [502, 200]
    for said in replies:
        may_read(said)
        assert "origin" in said.headers["vary"].lower()


STRANGE_ORIGINS = [
    "", "null", "https://evil.example", "http://app.example.com",
    ORIGIN + ":8443", ORIGIN + ".evil.example", "https://appXexample.com",
    ORIGIN.upper(), ORIGIN + "/", "https://x." + ORIGIN[8:], ORIGIN + " x"]


def test_any_other_origin_is_told_nothing(new_front):
    front = new_front(CORS_ORIGINS=ORIGIN)
    for origin in STRANGE_ORIGINS:
        for said in (front.http.get("/x", headers={"Origin": origin}),
                     front.http.ask("OPTIONS", GENERATE, headers={
                         "Origin": origin,
                         "Access-Control-Request-Method": "POST"})):
            assert not cors_of(said), origin
            assert "origin" in said.headers["vary"].lower()
    assert front.asked().count(f"OPTIONS {GENERATE}") \
        == len(STRANGE_ORIGINS), "none was taken for a preflight"


def test_a_preflight_of_a_listed_origin_is_answered_by_nginx(new_front):
    front = new_front(CORS_ORIGINS=ORIGIN)
    for path in (GENERATE, GET + "abc", "/x"):
        said = front.http.ask("OPTIONS", path, headers={
            "Origin": ORIGIN, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-api-key"})
        assert (said.status, said.body) == (204, b"")
        got = cors_of(said)
        assert got["access-control-allow-origin"] == ORIGIN
        assert "POST" in got["access-control-allow-methods"]
        for name in ("Content-Type", "X-API-Key", "Authorization",
                     "Idempotency-Key"):
            assert name in got["access-control-allow-headers"], name
        assert int(got["access-control-max-age"]) > 0
        assert "access-control-allow-credentials" not in got
    assert not front.up.asked


def test_options_that_is_no_preflight_goes_to_the_worker(new_front):
    front = new_front(CORS_ORIGINS=ORIGIN)
    front.http.ask("OPTIONS", "/x", headers={"Origin": ORIGIN})
    assert front.asked() == ["OPTIONS /x"]


def test_with_a_star_every_origin_may_read(new_front):
    front = new_front(CORS_ORIGINS="*")
    for origin in (ORIGIN, "null", "chrome-extension://x"):
        may_read(front.http.get("/x", headers={"Origin": origin}), "*")


def test_without_the_setting_nothing_is_said_of_origins(front):
    said = front.http.get("/x", headers={"Origin": ORIGIN})
    assert not cors_of(said) and "vary" not in said.headers


# -------------------------------------------------------------------- cache

CACHED = {"PRESIGNED_URL_WINDOW": "300"}
IMAGE = GET + "abc-123"


def redirect(asked: Asked, seconds: str = "10") -> bytes:
    """As a worker sends a redirect that may be shared."""
    kind = asked["HTTP_ACCEPT"] or "none"
    return b"X-Accel-Expires: %s\r\n" % seconds.encode() + reply(
        302, b"", "text/plain", Location=SIGNED,
        Cache_Control="private, max-age=60", X_Kind=kind)


@pytest.fixture(scope="module")
def shared_cached():
    """A front with a redirect cache."""
    one = Front(**CACHED)
    yield one
    one.end()


@pytest.fixture
def cached(shared_cached) -> Front:
    """The same, empty, and workers that allow it."""
    shared_cached.forget()
    shared_cached.up.answer = redirect
    return shared_cached


def test_what_a_worker_allows_is_answered_from_the_cache(cached):
    first = cached.http.get(IMAGE + "?redirect=true")
    again = [cached.http.get(IMAGE + "?redirect=true") for _ in range(9)]
    assert len(cached.up.asked) == 1
    ids = {one.headers["x-request-id"] for one in [first, *again]}
    assert len(ids) == 10 and "the-workers" not in ids
    for said in [first, *again]:
        assert said.status == 302
        assert said.headers["location"] == SIGNED
        assert said.headers["cache-control"] == "private, max-age=60"
        assert "x-accel-expires" not in said.headers
        assert {name: said.headers.get(name) for name in SECURITY} == SECURITY
    wait_until(lambda: [line["cache"] for line in cached.house.nginx_lines()
                        if line["path"] == IMAGE].count("HIT") == 9, "log")


def test_what_differs_in_any_way_is_asked_for_itself(cached):
    asks = [("GET", IMAGE), ("GET", IMAGE + "?redirect=true"),
            ("GET", IMAGE + "?redirect=1"), ("HEAD", IMAGE),
            ("GET", IMAGE + "?job_id=j"), ("GET", GET + "abc-124")]
    for _ in range(2):
        for method, path in asks:
            cached.http.ask(method, path)
            cached.http.ask(method, path,
                            headers={"Accept": "application/json"})
    assert len(cached.up.asked) == 2 * len(asks)
    head = cached.http.ask("HEAD", IMAGE)
    assert (head.status, head.body) == (302, b"")


ACCEPTS = [
    "application/json", "*/*", "", "text/html", "APPLICATION/Json",
    "text/html,application/json", "text/html , application/json ;q=1",
    "application/json;q=0", "application/json; q=0.000",
    "application/json;q=0.", "application/json;q=0.0001",
    "application/json;q=0.001", "application/json;Q=0",
    "application/json;charset=utf-8;q=0", "application/json;q=0;x=1",
    "application/json ; q=0 , text/html", "application/jsonp",
    "xapplication/json", "application/json;q=0,application/json",
    "text/html;application/json", ",application/json", "application/json,",
    "application/json;", "application /json", "application/json;q=00",
    "\tapplication/json\t", "application/json;q=0.0\t", "application/*"]


def test_nginx_tells_json_from_bytes_as_the_worker_does(cached, house):
    """Each Accept is answered with what the worker would have said."""
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    worker = house.pools["fast"].wire()
    said = {}
    for kind in ("application/json", "*/*"):
        cached.http.get(IMAGE, headers={"Accept": kind})
    for accept in ACCEPTS:
        hit = cached.http.get(IMAGE, headers={"Accept": accept})
        direct = worker.ask("GET", GET + image_id, HTTP_ACCEPT=accept)
        is_json = "x-accel-redirect" not in direct.headers
        said[accept] = (hit.headers["x-kind"] == "application/json", is_json)
    assert len(cached.up.asked) == 2, "all others were hits"
    assert not {k: v for k, v in said.items() if v[0] != v[1]}


def test_nothing_else_makes_nginx_keep_a_reply(cached):
    for headers in ({"Cache_Control": "max-age=60"}, {},
                    {"Cache_Control": "public, s-maxage=9"},
                    {"Expires": "Thu, 31 Dec 2037 23:55:55 GMT"},
                    {"X_Accel_Expires": "0"}, {"X_Accel_Expires": "-1"},
                    {"X_Accel_Expires": "nonsense"}):
        cached.up.asked.clear()
        cached.up.answer = lambda _, headers=headers: reply(
            302, b"", Location=SIGNED, **headers)
        for _ in range(3):
            assert cached.http.get(IMAGE).status == 302
        assert len(cached.up.asked) == 3, headers


def test_nothing_is_answered_when_its_time_is_over(cached):
    """Not even when no worker is left to ask."""
    cached.up.answer = lambda asked: redirect(asked, "1")
    assert cached.http.get(IMAGE).status == 302
    cached.up.answer = lambda asked: None
    end = time.monotonic() + 5
    while (said := cached.http.get(IMAGE)).status == 302:
        assert time.monotonic() < end
    said.must_fail(502, "Unavailable")


def test_an_unanswered_question_holds_up_nobody_elses(cached):
    """There is no lock: both are asked of workers at once."""
    held, done = threading.Event(), []
    cached.up.answer = lambda asked: held.wait(20) and redirect(asked)
    askers = [threading.Thread(
        target=lambda: done.append(cached.http.get(IMAGE).status))
        for _ in range(4)]
    for one in askers:
        one.start()
    wait_until(lambda: len(cached.up.asked) == 4, "all four")
    held.set()
    for one in askers:
        one.join()
    assert done == [302] * 4


def test_with_a_cache_pictures_are_handed_out_as_without(new_house):
    """Its own conditions and ranges are nginx's, not the worker's."""
    house = new_house(**CACHED)
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    data = house.model.given[0]
    for _ in range(2):
        said = house.http.picture(image_id)
        assert (said.status, said.body) == (200, data)
        etag = said.headers["etag"]
        fresh = house.http.get(GET + image_id,
                               headers={"If-None-Match": etag})
        assert (fresh.status, fresh.body) == (304, b"")
        part = house.http.get(GET + image_id, headers={"Range": "bytes=2-9"})
        assert (part.status, part.body) == (206, data[2:10])
        named = house.http.get(GET + image_id,
                               headers={"Accept": "application/json"})
        assert named.json()["storage_backend"] == "local"
    for pool in house.pools.values():
        pool.end(signal.SIGKILL)
    assert house.http.picture(image_id).body == data


def test_what_is_handed_over_to_lookup_is_not_kept(cached):
    """Method, path and query stay; what lookup says is not for others."""
    cached.up.answer = lambda asked: \
        b"X-Accel-Redirect: @lookup\r\n" + reply() \
        if asked["CHARREF_POOL"] == "fast" else redirect(asked)
    for _ in range(2):
        assert cached.http.get(IMAGE + "?job_id=j").status == 302
    assert [(one["CHARREF_POOL"], one["REQUEST_METHOD"], one.path())
            for one in cached.up.asked] == [
        ("fast", "GET", IMAGE + "?job_id=j"),
        ("lookup", "GET", IMAGE + "?job_id=j")] * 2


@pytest.mark.parametrize("settings", [
    {"PRESIGNED_URL_WINDOW": "0"}, {"REDIRECT_CACHE": "0"},
    {"PROTECT_READS": "true", "API_KEY": "test-key-for-reads"}])
def test_without_a_window_or_with_protected_reads_nothing_is_kept(
        new_front, settings):
    front = new_front(**(CACHED | settings))
    front.up.answer = redirect
    for _ in range(3):
        said = front.http.get(IMAGE, headers={"X-API-Key": "test-key-for-reads"})
        assert said.status == 302
    assert len(front.up.asked) == 3
    assert not (front.house.folder / "nginx-cache").exists()


def test_with_protected_reads_nginx_serves_no_picture_by_itself(new_front):
    front = new_front(PROTECT_READS="true", API_KEY="test-key-for-reads")
    front.house.store.mkdir(parents=True)
    data = pictures.png()
    front.house.model.gave([data])
    (front.house.store / "abc-123.png").write_bytes(data)
    front.up.answer = lambda _: None
    front.http.get(IMAGE).must_fail(502, "Unavailable")


def test_an_origin_is_told_of_what_comes_from_the_cache(new_front):
    front = new_front(CORS_ORIGINS=ORIGIN, **CACHED)
    front.up.answer = redirect
    assert not cors_of(front.http.get(IMAGE))
    may_read(front.http.get(IMAGE, headers={"Origin": ORIGIN}))
    assert not cors_of(front.http.get(IMAGE, headers={
        "Origin": "https://evil.example"}))
    assert len(front.up.asked) == 1


# ------------------------------------------------------------------- limits


def too_many(said: wire.Reply):
    """The documented refusal."""
    detail = said.must_fail(429, "RateLimited")
    assert "later" in detail["message"]
    assert "no-store" in said.headers["cache-control"]


def test_a_client_that_generates_too_often_is_told_to_wait(new_front):
    front = new_front(NGINX_GENERATE_RATE="6", NGINX_GENERATE_BURST="3")
    replies = [front.http.post({}) for _ in range(10)]
    assert [one.status for one in replies] == [200] * 4 + [429] * 6
    too_many(replies[-1])
    assert front.http.get("/x").status == 200, "reading goes on"
    assert len(front.up.asked) == 5
    other = wire.Http(front.http.port, "127.0.0.2")
    assert other.post({}).status == 200, "others are not to blame"


@pytest.mark.parametrize("name, source", [("PER_CLIENT", "127.0.0.1"),
                                          ("AT_ONCE", "127.0.0.9")])
def test_generations_under_way_are_bounded(new_front, name, source):
    front = new_front(**{f"NGINX_GENERATE_{name}": "3"})
    held = threading.Event()
    front.up.answer = lambda _: held.wait(20) and reply()
    askers = [threading.Thread(target=front.http.post, args=({},))
              for _ in range(3)]
    for one in askers:
        one.start()
    wait_until(lambda: len(front.up.asked) == 3, "three under way")
    too_many(wire.Http(front.http.port, source).post({}))
    held.set()
    for one in askers:
        one.join()
    assert front.http.post({}).status == 200


def real_ip(front_settings, tmp_path, *proxies: str) -> dict[str, str]:
    """The shipped example with these proxies in it."""
    text = (PROJECT / "deploy/nginx/real-ip.conf.example").read_text()
    lines = [line for line in text.splitlines()
             if not line.startswith("set_real_ip_from ")]
    lines += [f"set_real_ip_from {one};" for one in proxies]
    (tmp_path / "real-ip.conf").write_text("\n".join(lines) + "\n")
    return front_settings | {"NGINX_INCLUDE_DIR": str(tmp_path)}


LITTLE = {"NGINX_GENERATE_RATE": "1", "NGINX_GENERATE_BURST": "1"}


def test_a_forged_address_helps_nobody(new_front):
    front = new_front(**LITTLE)
    replies = [front.http.post({}, headers={
        "X-Forwarded-For": f"203.0.113.{n}", "X-Real-IP": f"203.0.113.{n}",
        "Forwarded": f"for=203.0.113.{n}"}) for n in range(4)]
    assert [one.status for one in replies] == [200, 200, 429, 429]
    assert {one["REMOTE_ADDR"] for one in front.up.asked} == {"127.0.0.1"}
    assert {line["client"] for line in front.house.nginx_lines()} \
        == {"127.0.0.1"}


def test_behind_a_listed_proxy_the_client_is_whom_the_proxy_names(
        new_front, tmp_path):
    front = new_front(**real_ip(LITTLE, tmp_path, "127.0.0.2"))
    proxy = wire.Http(front.http.port, "127.0.0.2")
    stranger = wire.Http(front.http.port, "127.0.0.3")

    def post(http, client):
        return http.post({}, headers={"X-Forwarded-For": client}).status

    for client in ("203.0.113.1", "6.6.6.6, 203.0.113.2"):
        assert [post(proxy, client) for _ in range(3)] == [200, 200, 429]
    assert post(proxy, "7.7.7.7, 203.0.113.2") == 429
    assert [post(stranger, f"203.0.113.{n}") for n in range(3, 6)] \
        == [200, 200, 429]
    assert {one["REMOTE_ADDR"] for one in front.up.asked} \
        == {"203.0.113.1", "203.0.113.2", "127.0.0.3"}


def test_a_network_of_ipv6_is_one_client(new_front, tmp_path):
    front = new_front(**real_ip(LITTLE, tmp_path, "127.0.0.1"))

    def post(client):
        return front.http.post({}, headers={"X-Forwarded-For": client}).status

    assert [post(f"2001:db8:0:a0a::{n}") for n in range(1, 5)] \
        == [200, 200, 429, 429]
    assert post("2001:db8:0:b::1") == 200


# ----------------------------------------------------------- for us alone


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_only_this_host_itself_sees_how_it_does(front, path):
    """Also not through a proxy on this host, which says for whom it asks."""
    front.up.answer = lambda _: reply(200, b"up 1\n", "text/plain")
    assert front.http.get(path).body == b"up 1\n"
    wire.Http(front.http.port, "127.0.0.2").get(path).must_fail(
        404, "NotFound")
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        for value in ("127.0.0.1", "for=127.0.0.1", "::1", "1.1 proxy"):
            said = front.http.get(path, headers={name: value})
            said.must_fail(404, "NotFound")
            assert b"up 1" not in said.body
    assert len(front.up.asked) == 1


@pytest.mark.parametrize("listed", ["127.0.0.1", "127.0.0.2", "0.0.0.0/0"])
def test_a_proxy_does_not_make_anybody_this_host(new_front, tmp_path, listed):
    front = new_front(**real_ip({}, tmp_path, listed))
    for source in ("127.0.0.1", "127.0.0.2"):
        for client in ("127.0.0.1", "::1", "127.0.0.1, 127.0.0.1"):
            wire.Http(front.http.port, source).get("/metrics", headers={
                "X-Forwarded-For": client}).must_fail(404, "NotFound")
    assert not front.up.asked


# ---------------------------------------------------------------------- log


def test_no_log_has_a_query_a_referer_or_a_signature(new_house):
    """Nor nginx's own log of errors when there is no worker to ask."""
    house = new_house()
    asks = [("/healthz?X-Amz-Signature=0011", {}), ("/no?a=hidden-1", {}),
            (GET + "abc-123?X-Amz-Signature=0011", {"Referer": SIGNED}),
            ("/" + "x" * 9000, {"Referer": SIGNED})]

    def ask_all():
        for path, headers in asks:
            house.http.get(path, headers=headers | {"Referer": SIGNED})
        house.http.post({}, GENERATE + "?a=hidden-1",
                        headers={"Referer": SIGNED})

    ask_all()
    for pool in house.pools.values():
        pool.end(signal.SIGKILL)
    ask_all()
    for pool in house.pools.values():
        pool.socket.unlink()
    ask_all()
    house.must_keep_its_secret()
    lines = house.nginx_lines()
    assert {"502", "404", "414"} <= {line["status"] for line in lines}
    for path in (house.folder / "log").iterdir():
        text = path.read_text()
        assert "hidden-1" not in text and "s3.example" not in text, path


def test_a_line_tells_which_worker_answered_how_fast(house):
    said = house.http.get("/healthz?x=1", headers={"X-Request-Id": "line-1"})
    assert said.status == 200

    def found():
        return [line for line in house.nginx_lines()
                if line["request_id"] == "line-1"]

    line, = wait_until(found, "its line")
    assert line["path"] == "/healthz" and line["pool"] == "fast"
    assert line["status"] == line["worker_status"] == "200"
    assert "fast-" in line["worker"] and float(line["worker_seconds"]) >= 0
    assert line["client"] == "127.0.0.1" and int(line["bytes"]) > 0


# ---------------------------------------------------------------------- TLS


def self_signed(folder):
    """A certificate for a day, and its key."""
    names = folder / "crt.pem", folder / "key.pem"
    subprocess.run(
        [need_tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
         "/CN=localhost", "-out", str(names[0]), "-keyout", str(names[1])],
        check=True, capture_output=True, timeout=30 * SLOWNESS)
    return names


def test_the_example_of_https_speaks_http_2(new_front, tmp_path):
    certificate, key = self_signed(tmp_path)
    sock = tmp_path / "tls.sock"
    text = (PROJECT / "deploy/nginx/tls.conf.example").read_text()
    for old, new in (("/etc/ssl/certs/charref.pem", str(certificate)),
                     ("/etc/ssl/private/charref.key", str(key)),
                     ("listen [::]:443 ssl http2;\n", ""),
                     ("listen 443 ", f"listen unix:{sock} ")):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "tls.conf").write_text(text)
    front = new_front(NGINX_INCLUDE_DIR=str(tmp_path))
    plain = front.http.get("/x")
    assert "strict-transport-security" not in plain.headers
    for path, status in (("/x", 200), ("/metrics", 404)):
        done = subprocess.run(
            [need_tool("curl"), "-sS", "--http2", "--cacert",
             str(certificate), "--unix-socket", str(sock), "-i",
             "https://localhost" + path],
            capture_output=True, text=True, timeout=30 * SLOWNESS)
        assert done.stdout.startswith(f"HTTP/2 {status}"), done
        assert "strict-transport-security: max-age=31536000" in done.stdout
        assert "x-content-type-options: nosniff" in done.stdout
    got = front.up.asked[-1]
    assert (got.path(), got["SERVER_PROTOCOL"]) == ("/x", "HTTP/2.0")


# --------------------------------------------------------------- production


def beside_debians_own(house: House, port: int):
    """Our file within Debian's nginx.conf, beside its default site."""
    house._render(port)
    text = pathlib.Path("/etc/nginx/nginx.conf").read_text()
    site = pathlib.Path("/etc/nginx/sites-available/default").read_text()
    site = re.sub(r"^\s*listen \[::\].*$", "", site, flags=re.M)
    (house.folder / "default.site").write_text(
        site.replace("listen 80 ", f"listen 127.0.0.1:{port} "))
    user = "user root;" if os.geteuid() == 0 else ""
    for old, new in ((r"^user .*$", user),
                     (r"^include .*modules-enabled.*$", ""),
                     (r"^pid .*$", f"pid {house.folder}/nginx.pid;"),
                     ("/var/log/nginx", f"{house.folder}/log"),
                     (r"include /etc/nginx/sites-enabled/\*;",
                      "".join(f"include {house.folder}/{name};" for name in
                              ("default.site", "charref.conf")))):
        text, count = re.subn(old, new, text, flags=re.M)
        assert count, old
    conf = house.folder / "debian.conf"
    conf.write_text("daemon off;\n" + text)
    return conf


def test_it_works_within_debians_nginx_for_any_name_of_the_host(new_house):
    need_tool("nginx")
    house = new_house(start=False)
    house.nginx.render = lambda port: beside_debians_own(house, port)
    house.start()
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    said = house.http.picture(image_id)
    assert (said.status, said.body) == (200, house.model.given[0])
    assert said.headers["content-type"] == "image/png"
    assert {name: said.headers.get(name) for name in SECURITY} == SECURITY
    for host in ("Host: localhost\r\n", "Host: images.example.com\r\n",
                 "Host: x\r\n", "Host: [::1]\r\n", ""):
        got = house.http.raw(f"GET /healthz HTTP/1.0\r\n{host}\r\n".encode())
        assert b'{"status":"ok"}' in got, (host, got)
    house.http.get("/no").must_fail(404, "NotFound")
    assert house.nginx_lines()[0]["path"] == "/healthz"


# ------------------------------------------------------------------- render


def render(*words: str, **variables: str) -> subprocess.CompletedProcess:
    """The script, with nothing set but these."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent",
           "CHARREF": program("charref"), "RUN_DIR": "/run/charref",
           "CHARREF_ROOT": "/var/lib/charref"} | variables
    return subprocess.run([str(PROJECT / "deploy/nginx/render"), *words],
                          env=env, cwd="/", capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60 * SLOWNESS)


HOSTILE = ['";}', ";b", " b", "\nb", "$host", "\\b", "#", "@RUN_DIR@", "'", "é"]


@pytest.mark.parametrize("name, good", [
    ("NGINX_LISTEN", "80"), ("NGINX_SERVER_NAME", "a.b"),
    ("NGINX_ERROR_LEVEL", "error"), ("CORS_ORIGINS", "https://a.b"),
    ("NGINX_GENERATE_RATE", "5"), ("NGINX_GENERATE_AT_ONCE", "5")])
def test_what_could_add_to_nginxs_language_is_refused(name, good):
    assert render("site", **{name: good}).returncode == 0
    for text in HOSTILE:
        done = render("site", **{name: good + text})
        assert done.returncode == 1 and done.stdout == "", (text, done.stdout)
        assert done.stderr.startswith(f"charref: {name}: "), done.stderr


@pytest.mark.parametrize("name", [
    "RUN_DIR", "CHARREF_ROOT", "NGINX_LOG_DIR", "NGINX_CACHE_DIR",
    "NGINX_INCLUDE_DIR"])
@pytest.mark.parametrize("value", ['/a"b', "/a$b", "/a\\b", "/a\nb", "/a*",
                                   "/a?", "/a[b"])
def test_a_folder_that_nginx_would_misread_is_refused(name, value):
    done = render("site", **{name: value})
    assert done.returncode == 1 and done.stdout == ""
    assert "nginx cannot be given" in done.stderr or name in done.stderr


@pytest.mark.parametrize("name, value", [
    ("CORS_ORIGINS", "https://a.example.com/"), ("CORS_ORIGINS", "*,*.b"),
    ("CORS_ORIGINS", "ftp://a.b"), ("CORS_ORIGINS", "null"),
    ("CORS_ORIGINS", "https://A.example.com"), ("CORS_ORIGINS", "a.b"),
    ("CORS_ORIGINS", "*,https://a.b"), ("CORS_ORIGINS", "https://a.b:123456"),
    ("NGINX_LISTEN", "0.0.0.0"), ("NGINX_LISTEN", "80 backlog=1"),
    ("NGINX_GENERATE_RATE", "0"), ("NGINX_GENERATE_RATE", "007"),
    ("NGINX_GENERATE_AT_ONCE", "65536"), ("NGINX_ERROR_LEVEL", "debug")])
def test_a_wrong_value_is_named(name, value):
    done = render("site", **{name: value})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"charref: {name}: "), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_listens_where_and_under_the_names_that_are_set():
    done = render("site", NGINX_SERVER_NAME="a.example.com, *.b.example.com",
                  NGINX_LISTEN="80 default_server,[::]:80, 10.0.0.1:8080")
    assert re.findall(r"^\s*(listen .*|server_name .*);$", done.stdout, re.M) \
        == ["listen 80 default_server", "listen [::]:80",
            "listen 10.0.0.1:8080",
            "server_name a.example.com *.b.example.com"], done.stderr


def test_a_value_is_put_in_once_and_not_read_again():
    done = render("site", RUN_DIR="/a/@ROOT@ & |", CHARREF_ROOT="/b")
    assert '"unix:/a/@ROOT@ & |/fast-a.sock"' in done.stdout


def test_it_is_found_together_where_it_is_installed(tmp_path):
    """lib/charref/render-nginx, share/charref/nginx and bin/charref."""
    for name, source in (("lib/charref/render-nginx", "deploy/nginx/render"),
                         ("lib/charref/common", "deploy/common"),
                         ("share/charref/nginx/charref.conf.in",
                          "deploy/nginx/charref.conf.in")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / source, tmp_path / name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/charref").symlink_to(program("charref"))
    done = subprocess.run(
        [str(tmp_path / "lib/charref/render-nginx"), "site"], cwd="/",
        env={"PATH": os.environ["PATH"], "RUN_DIR": "/run/charref",
             "CHARREF_ROOT": "/var/lib/charref", "NGINX_LISTEN":
             "80,[::]:80", "NGINX_LOG_DIR": "/var/log/nginx"},
        capture_output=True, text=True, timeout=60 * SLOWNESS)
    assert done.stdout == render("site", NGINX_LISTEN="80, [::]:80",
                                 NGINX_LOG_DIR="/var/log/nginx").stdout
    assert "\tlisten [::]:80;\n" in done.stdout, done.stderr


def test_the_script_says_how_it_is_used():
    for words in ([], ["site", "x"], ["main", "sketch"], ["sketch"],
                  ["site sketch"], [""], ["site", "sketch", "x"]):
        done = render(*words)
        assert (done.returncode, done.stdout) == (1, ""), words
        assert "usage" in done.stderr
