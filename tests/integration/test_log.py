"""The log: one line of JSON a request, that nobody can forge or read a
secret from."""

import json

import pytest

from house import wait_until
from model_double import KEY, bad_key, refuse
from wire import GENERATE, GET, STAMP

EVIL = 'x"}\n{"time":"2026-01-01T00:00:00.000000+00:00","level":"error",' \
    '"event":"forged"}\r\n\x1b[31mred\x1b[0m\u2028\x7f\x85'


def assert_one_line(house, request_id: str) -> dict:
    """The one line that this request has, complete."""
    lines = house.requests_logged(request_id)
    assert len(lines) == 1, lines
    line = lines[0]
    assert STAMP.match(line["time"])
    assert line["event"] == "request"
    assert {"level", "method", "path", "status", "ms", "bytes"} <= set(line)
    for name in ("status", "ms", "bytes"):
        assert type(line[name]) is int and line[name] >= 0, line
    return line


def test_a_generation_is_one_line(house):
    reply = house.http.generate("A silver robot", num_images=2)
    line = assert_one_line(house, reply.headers["x-request-id"])
    assert (line["method"], line["path"]) == ("POST", GENERATE)
    assert (line["status"], line["level"]) == (200, "info")
    assert line["bytes"] == len(reply.body)
    assert line["prompt"] == "A silver robot"


def test_every_kind_of_request_is_one_line(house):
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    for method, path, status in (
            ("GET", "/healthz", 200), ("HEAD", "/healthz", 200),
            ("GET", GET + image_id, 200), ("HEAD", GET + image_id, 200),
            ("GET", GET + "abc", 404), ("GET", GET + "-abc", 400),
            ("GET", "/nothing", 404), ("PUT", GENERATE, 405),
            ("POST", GENERATE, 415)):
        reply = house.http.ask(method, path, b"")
        assert reply.status == status, (method, path)
        line = assert_one_line(house, reply.headers["x-request-id"])
        assert (line["method"], line["path"]) == (method, path)
        assert line["status"] == status


def test_what_nginx_answers_alone_is_in_its_own_log(house):
    reply = house.http.post(b"x" * 100000)
    assert reply.status == 413
    def logged():
        """nginx writes its line after the reply has left."""
        return [line["status"] for line in house.nginx_lines()
                if line["request_id"] == reply.headers["x-request-id"]]
    wait_until(logged, "a line of nginx's log")
    assert logged() == ["413"]


def test_a_query_is_not_logged(house):
    """It may one day carry what gives access."""
    house.http.get(GET + "abc?redirect=true&token=s3cr3t")
    house.http.get("/nothing?token=s3cr3t")
    house.http.get("/healthz?token=s3cr3t")
    assert "s3cr3t" not in json.dumps(house.log_lines())
    assert "s3cr3t" not in json.dumps(house.nginx_lines())


@pytest.mark.parametrize("place", [
    "REQUEST_URI", "REQUEST_METHOD", "HTTP_X_REQUEST_ID", "QUERY_STRING",
    "CONTENT_TYPE", "HTTP_IDEMPOTENCY_KEY", "HTTP_ACCEPT", "REMOTE_ADDR",
    "HTTP_USER_AGENT", "CONTENT_LENGTH"])
def test_no_parameter_can_make_a_line(house, place):
    """Straight to the worker: nginx would not even let most of these by."""
    worker = house.pools["slow"].wire()
    before = len(house.log_lines())
    for path, body in ((GENERATE, b"{}"), ("/healthz", b""), (GET + "a", b"")):
        worker.ask("POST" if body else "GET", path, body, **{place: EVIL})
        worker.ask("POST" if body else "GET", path, body,
                   **{place: "/" + EVIL * 50})
    worker.ask("GET", "/healthz", HTTP_X_REQUEST_ID="last")
    house.requests_logged("last")
    # Another worker's line may come after it.
    wait_until(lambda: len(house.log_lines()) >= before + 7, "seven lines")
    after = house.log_lines()[before:]
    house.log.write_text("")
    assert len(after) == 7, after
    assert not [line for line in after if line["event"] == "forged"]


def test_no_description_can_make_a_line(house):
    for text in (EVIL, EVIL * 20, '\\"}\n{"event":"forged"}', "\u2028" * 50,
                 "🤖" * 100, "\x01" * 200):
        reply = house.http.generate(text, num_images=1)
        line = assert_one_line(house, reply.headers["x-request-id"])
        assert line["prompt"] == text.strip(" \t\n\r\v\f")[:80]
    assert not [line for line in house.log_lines()
                if line["event"] == "forged"]


def test_no_path_can_make_a_line(house):
    for path in ("/%0a%7b%22event%22:%22forged%22%7d", '/"}', "/\x7f",
                 "/%1b[31m", "/\x1b[31m", "/\xe9", "/" + "x" * 7000,
                 GET + "%0a", GET + '"\\'):
        got = house.http.raw(b"GET " + path.encode("latin-1") + b" HTTP/1.1"
                             b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert got[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 404"), got[:300]
    house.log_lines()
    house.nginx_lines()


def test_a_prompt_is_cut_to_eighty_characters(house):
    for letter in ("x", "銀"):
        reply = house.http.generate(letter * 81, num_images=1)
        line = assert_one_line(house, reply.headers["x-request-id"])
        assert line["prompt"] == letter * 80


def test_the_key_appears_nowhere(house):
    """Not even when the model repeats it, or the client sends it."""
    house.model.script(bad_key())
    house.http.generate(num_images=1).must_fail(502, "ProviderError")
    house.model.script(refuse(500, "INTERNAL", "key " + KEY),
                       refuse(500, "INTERNAL", "key " + KEY))
    house.http.generate(num_images=1).must_fail(502, "ProviderError")
    house.must_keep_its_secret()


def test_below_its_level_nothing_is_written(new_house):
    house = new_house(LOG_LEVEL="error", nginx=False,
                      workers={"fast": 1, "lookup": 0, "slow": 1})
    house.pools["fast"].wire().ask("GET", "/healthz")
    assert house.log_lines() == []
    house.model.otherwise = bad_key()
    house.pools["slow"].wire().generate(num_images=1)
    wait_until(house.log_lines, "a line")
    assert [line["level"] for line in house.log_lines()] == ["error"]


def test_a_full_log_stops_nobody(new_house):
    house = new_house(LOG_FILE="/dev/full")
    assert house.http.generate(num_images=1).status == 200
    assert house.http.get("/healthz").status == 200
