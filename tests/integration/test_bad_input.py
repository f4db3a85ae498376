"""Bad input: every mistake has its documented answer, and harms nobody."""

import json
import socket

import pytest

import wire
from wire import GENERATE, GET

GOOD = {"character_description": "A silver robot", "num_images": 1}


def body(**fields) -> bytes:
    """A good body with these fields changed."""
    return json.dumps(GOOD | fields).encode()


def assert_refused(house, reply, status, word, field=None):
    """The documented error, a line in the log, and no model call."""
    detail = reply.must_fail(status, word, field)
    lines = house.requests_logged(detail["request_id"])
    assert [line["status"] for line in lines] == [status]
    assert house.model.connections == 0
    return detail


WRONG_TYPES = [
    ("num_images", "4"), ("num_images", 4.5), ("num_images", True),
    ("num_images", [4]), ("num_images", 4.0), ("num_images", {}),
    ("aspect_ratio", 1), ("aspect_ratio", ["1:1"]),
    ("output_format", False), ("seed", "7"), ("seed", 1.5),
    ("negative_prompt", 1), ("safety_filter_level", 3),
    ("person_generation", True), ("include_base64", 1),
    ("include_base64", "true"), ("character_description", 5),
    ("character_description", ["robot"]), ("character_description", {}),
]
OUT_OF_RANGE = [
    ("num_images", 0), ("num_images", 5), ("num_images", 10),
    ("num_images", -1), ("num_images", 9223372036854775807),
    ("aspect_ratio", "2:1"), ("aspect_ratio", ""), ("aspect_ratio", "1:1 "),
    ("output_format", "gif"), ("output_format", "PNG"),
    ("output_format", "../png"), ("seed", -1), ("seed", 4294967296),
    ("safety_filter_level", "none"), ("person_generation", "everyone"),
    ("character_description", "x" * 4001),
    ("character_description", "ä" * 4001),
    ("negative_prompt", "x" * 4001),
]


@pytest.mark.parametrize("field, value", WRONG_TYPES, ids=repr)
def test_a_wrong_type_is_400_and_names_the_field(house, field, value):
    reply = house.http.post(body(**{field: value}))
    assert_refused(house, reply, 400, "ValidationError", field)


@pytest.mark.parametrize(
    "field, value", OUT_OF_RANGE,
    ids=lambda v: repr(v) if len(repr(v)) < 25 else repr(v)[:6] + "...")
def test_a_value_out_of_range_is_422_and_names_the_field(house, field, value):
    reply = house.http.post(body(**{field: value}))
    detail = assert_refused(house, reply, 422, "ValidationError", field)
    assert len(reply.body) < 1000, detail


@pytest.mark.parametrize("text", ["", " ", "\t\n\r ", None])
def test_an_empty_description_is_400(house, text):
    reply = house.http.post(body(character_description=text))
    assert_refused(house, reply, 400, "ValidationError",
                   "character_description")


def test_a_missing_description_is_400(house):
    assert_refused(house, house.http.post({"num_images": 1}), 400,
                   "ValidationError", "character_description")


def test_num_images_says_what_is_allowed_and_what_was_got(house):
    detail = house.http.post(body(num_images=10)).must_fail(
        422, "ValidationError", "num_images")
    assert detail["message"] == "num_images must be between 1 and 4"
    assert detail["details"] == "got 10"


@pytest.mark.parametrize("letter", ["x", "ä", "銀", "🤖"])
def test_length_is_counted_in_characters_after_trimming(house, letter):
    text = "  " + letter * 4000 + "\n"
    reply = house.http.post(json.dumps(
        GOOD | {"character_description": text}, ensure_ascii=False))
    assert reply.status == 200, reply.body[:300]


NOT_JSON = [
    b"", b" ", b"{", b"}", b"nonsense", b"{'a': 1}", b"[1, 2", b'{"a":}',
    b'{"character_description": "x"} trailing', b"\x00", b"\xff\xfe{}",
    b'\xef\xbb\xbf{"character_description": "x"}',
    b'{"character_description": "\xff\xfe"}',
    b'{"character_description": "\xed\xa0\x80"}',
    b'{"character_description": "\xc0\xaf"}',
    b'{"character_description": "\\u0000"}',
    b'{"character_description": "a\\u0000b"}',
    b'{"character_description": "\\ud800"}',
    b'{"character_description": "line\nbreak"}',
    b'{"character_description": "x", "character_description": "y"}',
    b'{"character_description": "x", "num_images": 01}',
    b'{"character_description": "x", "num_images": NaN}',
    b'{"character_description": "x", "a": ' + b"[" * 5000,
    b'{"character_description": "x", "a": ' + b"[" * 5000 + b"]" * 5000
    + b"}",
    b'{"character_description": "x", "a": ' + b'{"a":' * 1000 + b"1"
    + b"}" * 1000 + b"}",
]


@pytest.mark.parametrize("text", NOT_JSON, ids=lambda t: repr(t)[2:30])
def test_what_is_not_json_is_400(house, text):
    assert_refused(house, house.http.post(text), 400, "ValidationError")


@pytest.mark.parametrize("number", ["1e999", "99999999999999999999"])
def test_a_number_that_nothing_holds_is_422(house, number):
    text = '{"character_description": "x", "num_images": %s}' % number
    assert_refused(house, house.http.post(text.encode()), 422,
                   "ValidationError")


def test_the_place_of_a_json_mistake_is_said(house):
    detail = house.http.post(b'{\n  "a": 1,\n  oops\n}').must_fail(
        400, "ValidationError")
    said = detail["message"] + (detail.get("details") or "")
    assert "line 3" in said and "column" in said, detail


@pytest.mark.parametrize("text", [b"[]", b"[{}]", b'"x"', b"5", b"null",
                                  b"true"])
def test_a_body_that_is_no_object_is_400(house, text):
    assert_refused(house, house.http.post(text), 400, "ValidationError")


@pytest.mark.parametrize("kind", [
    None, "", "text/plain", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x", "application/jsonp", "json",
    "text/application/json", "application/xml"])
def test_another_content_type_is_415(house, kind):
    reply = house.http.post(body(), headers={"Content-Type": kind})
    assert_refused(house, reply, 415, "UnsupportedMediaType")


@pytest.mark.parametrize("kind", [
    "application/json", "application/json; charset=utf-8",
    "Application/JSON", "application/json;charset=UTF-8"])
def test_json_by_any_of_its_names_is_taken(house, kind):
    assert house.http.post(
        body(), headers={"Content-Type": kind}).status == 200


@pytest.mark.parametrize("size", [65 << 10, 1 << 20, 10 << 20])
def test_a_body_over_64_kib_is_413(house, size):
    reply = house.http.post(body(padding="x" * size))
    reply.must_fail(413, "TooLarge")
    assert house.model.connections == 0


def test_a_body_of_just_64_kib_is_read(house):
    padding = 65536 - len(body(padding=""))
    assert house.http.post(body(padding="x" * padding)).status == 200
    house.http.post(body(padding="x" * (padding + 1))).must_fail(
        413, "TooLarge")


def test_the_worker_has_the_same_ceiling_as_nginx(house):
    """A front that forgets the limit must not become ours."""
    big = body(padding="x" * 70000)
    reply = house.pools["slow"].wire().ask("POST", GENERATE, big)
    assert reply.status == 413
    assert json.loads(reply.body)["detail"]["error"] == "TooLarge"


def chunked(pieces: list[bytes]) -> bytes:
    """A POST whose length is not said before."""
    head = (f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Content-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n").encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces)


def test_a_chunked_body_is_read(house):
    text = body()
    got = house.http.raw(chunked([text[:5], text[5:9], text[9:], b""]))
    assert got.startswith(b"HTTP/1.1 200 "), got[:300]


def test_a_chunked_body_without_end_is_not_acted_on(house):
    with socket.create_connection(("127.0.0.1", house.http.port)) as link:
        link.sendall(chunked([body()]))
        link.shutdown(socket.SHUT_WR)
        link.settimeout(20)
        got = wire.read_to_end(link)
    assert not got.startswith(b"HTTP/1.1 200"), got[:200]
    assert house.model.connections == 0


@pytest.mark.parametrize("key, ok", [
    ("k", True), ("k" * 255, True), ("a-b_c.d:e/f=", True), ("~!@#$%", True),
    ("k" * 256, False), ("a b", False), ("a\tb", False), ("schlüssel", False),
    ("", None)])
def test_an_idempotency_key_is_1_to_255_visible_characters(house, key, ok):
    reply = house.http.post(body(), headers={"Idempotency-Key": key})
    if ok is False:
        assert_refused(house, reply, 400, "ValidationError",
                       "Idempotency-Key")
    elif ok:
        assert reply.status == 200, reply.body
    else:
        assert reply.status in (200, 400), reply.body


BAD_IDS = [
    "..", ".", "../x", "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fcatalogue.db", "%2e%2e%5ccatalogue", "a%00b", "%00",
    "a.png", "a%2epng", "-a", "_a", "a%20b",
    "x" * 129, "%C3%A4", "a%0ab",
    "a%0d%0aX-Evil:%201", "a;b", "a*", "a$b", "%zz", "%", ".draft-x",
]


@pytest.mark.parametrize("text", BAD_IDS, ids=lambda t: t[:40])
def test_a_bad_id_is_refused_and_reaches_no_file(house, text):
    """nginx resolves some of them to other paths: 404 then, never a file."""
    reply = house.http.get(GET + text)
    assert reply.status in (400, 404), (reply.status, reply.body[:300])
    assert reply.error()["error"] in ("ValidationError", "NotFound")
    assert b"root:" not in reply.body and b"SQLite" not in reply.body


def test_an_id_of_129_characters_is_400_and_of_128_is_404(house):
    house.http.picture("x" * 129).must_fail(400, "ValidationError",
                                            "image_id")
    house.http.picture("x" * 128).must_fail(404, "NotFound")


def test_an_empty_id_is_refused(house):
    for path in (GET, GET[:-1], GET + "?redirect=true"):
        reply = house.http.get(path)
        assert reply.status in (400, 404), reply
        reply.error()


@pytest.mark.parametrize("value, status", [
    ("true", 200), ("false", 200), ("1", 200), ("0", 200), ("yes", 200),
    ("no", 200), ("on", 200), ("off", 200), ("maybe", 422), ("", 422),
    ("2", 422), ("truetrue", 422), ("true%00", None)])
def test_redirect_is_one_of_eight_words(house, value, status):
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    reply = house.http.get(f"{GET}{image_id}?redirect={value}")
    if status == 200:
        assert reply.status == 200, reply.body
        return
    assert reply.status in ((status,) if status else (400, 422)), reply
    assert reply.error()["error"] == "ValidationError"


@pytest.mark.parametrize("job", ["..", "a%2fb", "%00", "a%20b", "x" * 129])
def test_a_bad_job_id_is_400(house, job):
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    house.http.get(f"{GET}{image_id}?job_id={job}").must_fail(
        400, "ValidationError", "job_id")


def test_a_job_that_has_not_the_image_is_404(house):
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    house.http.get(f"{GET}{image_id}?job_id=job-456").must_fail(
        404, "NotFound")


@pytest.mark.parametrize("path", [
    "/", "/api", "/api/mv", "/api/mv/nothing", "/favicon.ico", "/healthz/x",
    GENERATE + "/", GENERATE + "/x", "/API/MV/GENERATE_CHARACTER_REFERENCE",
    "//", "/x/%2e%2e/y", "/catalogue.db", "/charref.log", "/data/catalogue.db"])
def test_an_unknown_path_is_404(house, path):
    reply = house.http.get(path)
    assert_refused(house, reply, 404, "NotFound")


@pytest.mark.parametrize("method, path, allowed", [
    ("GET", GENERATE, "POST"), ("PUT", GENERATE, "POST"),
    ("DELETE", GENERATE, "POST"), ("PATCH", GENERATE, "POST"),
    ("POST", GET + "abc", "GET, HEAD"), ("DELETE", GET + "abc", "GET, HEAD"),
    ("PUT", GET + "abc", "GET, HEAD"), ("POST", "/healthz", "GET, HEAD"),
    ("BREW", GENERATE, "POST"), ("OPTIONS", GENERATE, "POST")])
def test_a_wrong_method_is_405_with_the_right_ones(house, method, path,
                                                   allowed):
    reply = house.http.ask(method, path, b"")
    assert_refused(house, reply, 405, "MethodNotAllowed")
    assert reply.headers["allow"].replace(" ", "") == \
        allowed.replace(" ", "")


def test_trace_is_refused(house):
    reply = house.http.ask("TRACE", "/healthz")
    reply.must_fail(405, "MethodNotAllowed")


def test_head_of_the_generator_is_405_without_a_body(house):
    reply = house.http.ask("HEAD", GENERATE)
    assert (reply.status, reply.body) == (405, b"")
    assert reply.headers["allow"] == "POST"


def test_headers_of_any_size_are_answered_in_json(house):
    reply = house.http.get("/healthz", headers={"X-Big": "x" * 40000})
    assert reply.status in (400, 431), reply.status
    reply.error()
    reply = house.http.get("/" + "x" * 40000)
    reply.must_fail(414, "TooLarge")


@pytest.mark.parametrize("request_bytes", [
    b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\0" * 50,
    b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"POST " + GENERATE.encode() + b" HTTP/1.1\r\nHost: x\r\n"
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST " + GENERATE.encode() + b" HTTP/1.1\r\nHost: x\r\n"
    b"Content-Length: -5\r\n\r\nhello",
    b"POST " + GENERATE.encode() + b" HTTP/1.1\r\nHost: x\r\n"
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
], ids=range(10))
def test_what_is_not_http_is_refused(house, request_bytes):
    with socket.create_connection(("127.0.0.1", house.http.port)) as link:
        link.settimeout(15)
        link.sendall(request_bytes)
        link.shutdown(socket.SHUT_WR)
        got = wire.read_to_end(link)
    assert b" 200 OK" not in got, got[:300]
    if got.startswith(b"HTTP/1.1"):
        _, _, text = got.partition(b"\r\n\r\n")
        assert json.loads(text)["detail"]["error"], got
    assert house.model.connections == 0


def test_text_in_an_error_is_quoted_and_cut(house):
    evil = '"}\n{"level":"error"} <script>' + "x" * 3000
    reply = house.http.post(body(aspect_ratio=evil))
    assert_refused(house, reply, 422, "ValidationError", "aspect_ratio")
    assert len(reply.body) < 1000


def test_two_idempotency_keys_are_refused(house):
    """Which of them would be the one that never pays twice?"""
    text = body()
    said = house.http.raw(
        b"POST /api/mv/generate_character_reference HTTP/1.1\r\n"
        b"Host: x\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\n"
        b"Idempotency-Key: one\r\nIdempotency-Key: two\r\n"
        b"Content-Length: %d\r\n\r\n" % len(text) + text)
    assert b" 400 " in said.split(b"\r\n")[0]
    assert b"Idempotency-Key must be given once" in said
