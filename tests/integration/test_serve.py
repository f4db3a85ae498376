"""Serving: local pictures by nginx, with and without workers."""

import json
import signal

import pytest

import pictures
from model_double import draw, images
from wire import GENERATE, GET


@pytest.fixture
def kept(house):
    """A picture in the store: (id, bytes)."""
    data = pictures.png(40, 40)
    house.model.script(images(data))
    return house.http.generate(num_images=1).images()[0]["id"], data


@pytest.mark.parametrize("make, kind, mime", [
    (pictures.png, "png", "image/png"), (pictures.jpeg, "jpg", "image/jpeg"),
    (pictures.webp, "webp", "image/webp"),
    (pictures.big_png, "png", "image/png")])
def test_a_picture_is_served_as_it_was_made(house, make, kind, mime):
    data = make()
    house.model.script(images(data))
    image = house.http.generate(num_images=1).images()[0]
    assert image["path"].endswith("." + kind)
    reply = house.http.picture(image["id"])
    assert (reply.status, reply.body) == (200, data)
    assert reply.headers["content-type"] == mime
    assert reply.headers["content-length"] == str(len(data))
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-asset-source"] == "local"
    assert "etag" in reply.headers and "last-modified" in reply.headers
    assert "private" in reply.headers["cache-control"]
    assert "x-accel-redirect" not in reply.headers


def test_head_says_the_same_without_the_bytes(house, kept):
    image_id, data = kept
    got = house.http.picture(image_id)
    head = house.http.ask("HEAD", GET + image_id)
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "content-length", "etag", "last-modified",
                 "x-asset-source", "accept-ranges"):
        assert head.headers[name] == got.headers[name], name


@pytest.mark.parametrize("accept", [
    None, "*/*", "image/*", "image/png,*/*;q=0.5", "text/html,*/*",
    "application/*", "application/json;q=0", "application/jsonp"])
def test_bytes_come_unless_json_is_named(house, kept, accept):
    image_id, data = kept
    headers = {"Accept": accept} if accept else {}
    reply = house.http.get(GET + image_id, headers=headers)
    assert (reply.status, reply.body) == (200, data)


@pytest.mark.parametrize("accept", [
    "application/json", "APPLICATION/JSON", "text/html, application/json",
    "application/json; charset=utf-8", "application/json;q=0.9,*/*;q=0.1"])
def test_json_comes_when_it_is_named(house, kept, accept):
    image_id, data = kept
    reply = house.http.get(GET + image_id, headers={"Accept": accept})
    assert reply.status == 200
    document = reply.json()
    assert document == {
        "image_id": image_id, "image_url": f"{GET}{image_id}?redirect=true",
        "storage_backend": "local", "expires_in_seconds": None,
        "cloud_path": None}
    assert "x-accel-redirect" not in reply.headers
    followed = house.http.get(document["image_url"],
                              headers={"Accept": accept})
    assert (followed.status, followed.body) == (200, data)


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", "TRUE"])
def test_redirect_gives_bytes_even_to_who_names_json(house, kept, word):
    image_id, data = kept
    reply = house.http.get(f"{GET}{image_id}?redirect={word}",
                           headers={"Accept": "application/json"})
    assert (reply.status, reply.body) == (200, data)


@pytest.mark.parametrize("accept, redirect", [
    ("application/json", ""), ("*/*", ""), ("application/json",
                                            "?redirect=true")])
def test_a_cache_can_tell_bytes_from_json(house, kept, accept, redirect):
    """The same URL has two forms, so a shared cache must not mix them."""
    image_id, _ = kept
    reply = house.http.get(GET + image_id + redirect,
                           headers={"Accept": accept})
    control = reply.headers.get("cache-control", "")
    vary = reply.headers.get("vary", "").lower()
    assert "private" in control or "no-store" in control or "accept" in vary


def test_if_none_match_and_if_modified_since_are_304(house, kept):
    image_id, _ = kept
    headers = house.http.picture(image_id).headers
    for condition in ({"If-None-Match": headers["etag"]},
                      {"If-Modified-Since": headers["last-modified"]}):
        reply = house.http.get(GET + image_id, headers=condition)
        assert (reply.status, reply.body) == (304, b"")
        assert reply.headers["etag"] == headers["etag"]
    reply = house.http.get(GET + image_id, headers={"If-None-Match": '"x"'})
    assert reply.status == 200


@pytest.mark.parametrize("wanted, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=-5", -5, None),
    ("bytes=7-", 7, None)])
def test_a_range_is_206(house, kept, wanted, first, last):
    image_id, data = kept
    reply = house.http.get(GET + image_id, headers={"Range": wanted})
    expected = data[first:] if last is None else data[first:last + 1]
    assert (reply.status, reply.body) == (206, expected)
    assert reply.headers["content-range"].endswith(f"/{len(data)}")


def test_a_range_outside_is_416(house, kept):
    image_id, data = kept
    reply = house.http.get(GET + image_id, headers={"Range": "bytes=99999-"})
    assert reply.status == 416
    assert reply.headers["content-range"] == f"bytes */{len(data)}"
    assert "no-store" in reply.headers["cache-control"]
    assert reply.error()["error"] == "RangeNotSatisfiable"


def test_an_unknown_id_is_404(house):
    for image_id in ("abc-123", "0" * 36,
                     "11111111-2222-4333-8444-555555555555"):
        house.http.picture(image_id).must_fail(404, "NotFound", "image_id")
        reply = house.http.get(GET + image_id,
                               headers={"Accept": "application/json"})
        reply.must_fail(404, "NotFound")
        assert "no-store" in reply.headers["cache-control"]
        head = house.http.ask("HEAD", GET + image_id)
        assert (head.status, head.body) == (404, b"")


def test_an_escaped_id_is_the_same_id(house, kept):
    image_id, data = kept
    escaped = "".join(f"%{ord(c):02x}" for c in image_id)
    reply = house.http.picture(escaped)
    assert (reply.status, reply.body) == (200, data)


def test_healthz_says_ok(house):
    reply = house.http.get("/healthz")
    assert reply.status == 200
    assert reply.json()["status"] == "ok"
    head = house.http.ask("HEAD", "/healthz")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == reply.headers["content-length"]


@pytest.mark.parametrize("path", [
    "/mv/outputs/character_reference/{id}.png",
    "/mv/outputs/character_reference/",
    "/mv/outputs/character_reference/../../../catalogue.db",
    "/mv/outputs/character_reference/%2e%2e/%2e%2e/%2e%2e/catalogue.db",
    "/mv/outputs/character_reference//{id}.png",
    "//mv/outputs/character_reference/{id}.png",
    "/mv/outputs/", "/mv/", "/_error", "/@local_picture"])
def test_the_internal_locations_are_closed(house, kept, path):
    image_id, data = kept
    reply = house.http.get(path.replace("{id}", image_id))
    reply.must_fail(404, "NotFound")
    assert data not in reply.body


def test_a_client_cannot_point_nginx_at_files(house):
    reply = house.http.get("/healthz", headers={
        "X-Accel-Redirect": "/mv/outputs/character_reference/x.png"})
    assert reply.json()["status"] == "ok"


def test_a_file_that_vanished_is_a_404_and_not_an_empty_200(house, kept):
    image_id, data = kept
    path = house.store / f"{image_id}.png"
    path.rename(house.folder / "aside")
    try:
        reply = house.http.picture(image_id)
        assert reply.status in (404, 500), reply
        reply.error()
    finally:
        (house.folder / "aside").rename(path)


@pytest.fixture
def dead_house(new_house):
    """Pictures of each kind, and no worker left alive."""
    house = new_house()
    house.pictures = {}
    for make in (pictures.png, pictures.jpeg, pictures.webp):
        data = make()
        house.model.script(images(data))
        image = house.http.generate(num_images=1).images()[0]
        house.pictures[image["id"]] = data
    house.model.forget()
    for pool in house.pools.values():
        pool.end(signal.SIGKILL)
    return house


def test_pictures_outlive_all_workers(dead_house):
    for image_id, data in dead_house.pictures.items():
        for query in ("", "?redirect=true"):
            reply = dead_house.http.get(GET + image_id + query)
            assert (reply.status, reply.body) == (200, data)
            assert reply.headers["content-type"].startswith("image/")
            assert reply.headers["x-asset-source"] == "local"
            assert reply.headers["x-content-type-options"] == "nosniff"
        head = dead_house.http.ask("HEAD", GET + image_id)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(data))
        part = dead_house.http.get(GET + image_id,
                                   headers={"Range": "bytes=3-9"})
        assert (part.status, part.body) == (206, data[3:10])
        fresh = dead_house.http.get(
            GET + image_id, headers={"If-None-Match": reply.headers["etag"]})
        assert fresh.status == 304


def test_without_workers_everything_else_is_an_honest_error(dead_house):
    for reply in (dead_house.http.generate(), dead_house.http.get("/healthz"),
                  dead_house.http.picture("abc-123"),
                  dead_house.http.get(GET + "..%2f..%2f..%2fcatalogue.db")):
        assert reply.status in (400, 502, 503, 504), reply
        detail = reply.error()
        assert detail["error"] in ("Unavailable", "ValidationError"), detail
    reply = dead_house.http.get("/healthz")
    assert int(reply.headers["retry-after"]) >= 1
    reply = dead_house.http.generate()  # nginx cannot tell if it was paid
    assert "retry-after" not in reply.headers
    assert dead_house.model.connections == 0


def test_without_workers_a_wrong_method_gets_no_picture(dead_house):
    image_id = next(iter(dead_house.pictures))
    reply = dead_house.http.ask("DELETE", GET + image_id, b"")
    assert reply.status in (405, 502, 503), reply
    reply.error()
    assert image_id + ".png" in dead_house.files()


def test_without_those_who_generate_reading_goes_on(new_house):
    house = new_house()
    image = house.http.generate(num_images=1).images()[0]
    house.pools["slow"].end(signal.SIGKILL)
    house.pools["lookup"].end(signal.SIGKILL)  # it stands in for slow
    reply = house.http.generate(num_images=1)
    assert reply.status in (502, 503)
    reply.error()
    assert house.http.picture(image["id"]).body == house.model.given[0]
    assert house.http.get("/healthz").status == 200


def test_busy_generators_do_not_delay_a_picture(new_house):
    """Every slow worker hangs in the model; the fast pool does not care."""
    from concurrent.futures import ThreadPoolExecutor
    house = new_house(workers={"slow": 2})
    image = house.http.generate(num_images=1).images()[0]
    house.model.otherwise = draw(delay=2.0)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(house.http.generate, num_images=1)
                   for _ in range(6)]
        house.model.wait_for_calls(3)
        for _ in range(50):
            reply = house.http.picture(image["id"])
            assert reply.status == 200 and reply.seconds < 1.0
        assert all(f.result().status == 200 for f in waiting)


def test_a_slow_reader_holds_no_worker(new_house):
    """nginx takes the long reply at once; the only worker is free again."""
    import socket
    house = new_house(workers={"slow": 1})
    house.model.otherwise = draw(make=pictures.big_png)
    body = json.dumps({"character_description": "big"}).encode()
    with socket.create_connection(("127.0.0.1", house.http.port)) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.sendall(
            f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nContent-Type: "
            f"application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            .encode() + body)
        house.model.wait_for_calls(1)
        house.model.otherwise = draw()
        reply = house.http.generate(num_images=1)
        assert reply.status == 200 and reply.seconds < 8.0


def test_an_image_of_another_origin_can_be_dropped_in(new_house):
    """A whole image in the folder is adopted when workers start."""
    house = new_house(start=False)
    house.store.mkdir(parents=True)
    data = pictures.png()
    house.model.gave([data])
    (house.store / "abc-123.png").write_bytes(data)
    (house.store / "notes.txt").write_bytes(b"mine")
    (house.store / "torn.png").write_bytes(data[:20])
    house.start()
    assert house.http.picture("abc-123").body == data
    house.http.picture("torn").must_fail(404, "NotFound")
    house.http.picture("notes").must_fail(404, "NotFound")
    assert set(house.files()) == {"abc-123.png", "notes.txt", "torn.png"}
