"""The model's bad days: what the user is told, and how often it is paid.

Each fault has its documented status, comes within the deadline, and leaves
nothing half-written; and nothing that may have been paid for is ever sent a
second time by itself.
"""

import gzip
import json
import time

import pytest

import pictures
from house import SLOWNESS
from model_double import (GEMINI, IMAGEN, bad_key, blocked_prompt, candidate,
                          cut_off, draw, drip, early_close, filtered, hang_up,
                          huge, images, json_reply, no_such_model, problem,
                          prompt_feedback, raw_reply, refuse, reset, silence,
                          too_many, unavailable)

DEADLINE = 3.0
MEMORY_MAX = int((200 << 20) * SLOWNESS)  # a sanitizer keeps what is freed


@pytest.fixture(scope="module")
def shared_house():
    """A house that gives the model three seconds."""
    from house import a_house
    with a_house(GENERATE_DEADLINE="3", IMAGE_MODELS=IMAGEN) as one:
        yield one


@pytest.fixture(scope="module")
def shared_gemini_house():
    """The same for the newer model."""
    from house import a_house
    with a_house(GENERATE_DEADLINE="3", IMAGE_MODELS=GEMINI) as one:
        yield one


def fail(house, status, word, calls, seconds=DEADLINE, **fields):
    """A generation that must fail so, so fast, after so many calls."""
    before = house.files()
    reply = house.http.generate(**({"num_images": 1} | fields))
    detail = reply.must_fail(status, word)
    assert reply.seconds < seconds + 1.0 * SLOWNESS, reply.seconds
    assert house.model.paid() == calls, house.model.calls
    assert house.files() == before
    return detail, reply


# What is an answer, if a bad one: one call, ProviderError.
REFUSALS = {
    "500 without end": (lambda: json_reply(500, {}), 2),
    "400": (lambda: refuse(400, "INVALID_ARGUMENT", "Bad parameter."), 1),
    "bad key": (bad_key, 1),
    "401": (lambda: refuse(401, "UNAUTHENTICATED"), 1),
    "403": (lambda: refuse(403, "PERMISSION_DENIED"), 1),
    "418": (lambda: refuse(418, "TEAPOT"), 1),
    "502": (lambda: raw_reply(502, b"<html>", "text/html"), 1),
    "redirect": (lambda: json_reply(302, {}, Location="http://127.0.0.1:1/"),
                 1),
    "204": (lambda: raw_reply(204, b""), 1),
    "error in an array": (lambda: json_reply(
        400, [problem(400, "INVALID_ARGUMENT", "Bad.")]), 1),
    "error as a string": (lambda: json_reply(400, {"error": "bad"}), 1),
    "html 200": (lambda: raw_reply(200, b"<html>ok</html>", "text/html"), 1),
    "empty 200": (lambda: raw_reply(200, b""), 1),
    "not json": (lambda: raw_reply(200, b'{"predictions": [{'), 1),
    "array": (lambda: json_reply(200, []), 1),
    "predictions of another type": (
        lambda: json_reply(200, {"predictions": "none"}), 1),
    "deep json": (lambda: raw_reply(200, b"[" * 100000 + b"]" * 100000), 1),
    "invalid base64": (lambda: json_reply(200, {"predictions": [
        {"mimeType": "image/png", "bytesBase64Encoded": "iVBOR!!!"}]}), 1),
    "base64 cut": (lambda: json_reply(200, {"predictions": [
        {"mimeType": "image/png", "bytesBase64Encoded": "iVBORw0KGgo"}]}), 1),
    "base64 of nothing": (lambda: json_reply(200, {"predictions": [
        {"mimeType": "image/png", "bytesBase64Encoded": ""}]}), 1),
    "base64 of another type": (lambda: json_reply(200, {"predictions": [
        {"mimeType": "image/png", "bytesBase64Encoded": 5}]}), 1),
    "gif as png": (lambda: images(pictures.gif()), 1),
    "cut off": (cut_off, 1),
    "cut off before the body": (lambda: cut_off(0.0), 1),
    "hang up": (hang_up, 1),
    "reset": (reset, 1),
    "gzip that is none": (lambda: json_reply(
        200, {}, Content_Encoding="gzip"), 1),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_useless_answer_is_a_502(house, name):
    make, calls = REFUSALS[name]
    house.model.otherwise = make()
    fail(house, 502, "ProviderError", calls)


def test_the_key_and_the_upstream_words_stay_inside(house):
    house.model.otherwise = refuse(
        500, "INTERNAL", "stack trace of secret server /google3/x.cc")
    detail, _ = fail(house, 502, "ProviderError", 2)
    assert "google3" not in json.dumps(detail)
    house.model.otherwise = raw_reply(502, b"<html>proxy 10.1.2.3</html>")
    house.model.calls.clear()
    detail, _ = fail(house, 502, "ProviderError", 1)
    assert "10.1.2.3" not in json.dumps(detail)


def test_a_provider_error_is_logged_loudly(house):
    house.model.otherwise = bad_key()
    detail, _ = fail(house, 502, "ProviderError", 1)
    line = house.requests_logged(detail["request_id"])[0]
    assert line["level"] == "error" and line["status"] == 502


def test_a_body_without_end_is_not_kept(house):
    house.model.otherwise = huge()
    before = memory_of(house)
    fail(house, 502, "ProviderError", 1, seconds=10.0)
    assert memory_of(house) - before < MEMORY_MAX


def test_a_body_that_swells_when_unpacked_is_not_kept(house):
    bomb = gzip.compress(b'{"a":"' + b"A" * (150 << 20), 1)
    house.model.otherwise = lambda call: call.send(
        200, bomb, Content_Encoding="gzip")
    before = memory_of(house)
    fail(house, 502, "ProviderError", 1, seconds=10.0)
    assert memory_of(house) - before < MEMORY_MAX


def memory_of(house) -> int:
    """Resident bytes of all its workers."""
    total = 0
    for pid in house.pids():
        with open(f"/proc/{pid}/statm") as statm:
            total += int(statm.read().split()[1]) * 4096
    return total


@pytest.mark.parametrize("behaviour", [silence, drip])
def test_a_model_that_takes_too_long_is_a_504_and_not_asked_again(
        house, behaviour):
    house.model.otherwise = behaviour()
    _, reply = fail(house, 504, "Timeout", 1)
    assert reply.seconds > DEADLINE - 0.5


def test_a_model_that_says_so_itself_is_a_504_at_once(house):
    house.model.otherwise = refuse(504, "DEADLINE_EXCEEDED")
    fail(house, 504, "Timeout", 1, seconds=1.0)


def test_a_model_that_is_slow_but_in_time_is_waited_for(house):
    house.model.otherwise = draw(delay=1.5)
    assert house.http.generate(num_images=1).status == 200


def test_429_with_a_time_is_asked_again_after_it(house):
    house.model.script(too_many("0.7s"))
    reply = house.http.generate(num_images=1)
    assert reply.status == 200, reply.body
    first, second = house.model.calls
    assert second.at - first.at >= 0.7


@pytest.mark.parametrize("first", [
    too_many(None), too_many(None, Retry_After="1"), too_many("1s"),
    unavailable(), unavailable(Retry_After="1")])
def test_a_refusal_for_now_is_asked_again(house, first):
    house.model.script(first)
    assert house.http.generate(num_images=1).status == 200
    assert house.model.paid() == 2


def test_retry_after_is_obeyed(house):
    house.model.script(unavailable(Retry_After="1"))
    assert house.http.generate(num_images=1).status == 200
    first, second = house.model.calls
    assert second.at - first.at >= 0.95


@pytest.mark.parametrize("refusal", [too_many(None), unavailable()])
def test_a_refusal_without_end_is_a_503_within_the_deadline(house, refusal):
    house.model.otherwise = refusal
    reply = house.http.generate(num_images=1)
    reply.must_fail(503, "Unavailable")
    assert reply.seconds < DEADLINE + SLOWNESS
    assert 1 < house.model.paid() <= 10


def test_a_wait_beyond_the_deadline_is_left_to_the_client(house):
    house.model.otherwise = too_many("34s")
    _, reply = fail(house, 503, "Unavailable", 1, seconds=1.0)
    assert int(reply.headers["retry-after"]) >= 34


def test_a_wait_of_ages_is_not_believed(house):
    for delay in ("99999999999999999999s", "-5s", "soon", "", "1e99s"):
        house.model.forget()
        house.model.script(too_many(delay, Retry_After="1"))
        reply = house.http.generate(num_images=1)
        assert reply.status in (200, 503), reply.body
        assert reply.seconds < DEADLINE + SLOWNESS


def test_the_quota_of_the_day_is_final(house):
    house.model.otherwise = too_many("1s", per_day=True)
    _, reply = fail(house, 503, "Unavailable", 1, seconds=1.0)
    assert int(reply.headers["retry-after"]) > 60


def test_a_500_is_asked_once_more(house):
    house.model.script(refuse(500, "INTERNAL"))
    assert house.http.generate(num_images=1).status == 200
    assert house.model.paid() == 2


@pytest.mark.parametrize("behaviour, status", [
    (lambda: hang_up(), 502), (lambda: reset(), 502),
    (lambda: cut_off(), 502), (lambda: silence(), 504)])
def test_what_may_be_paid_is_never_sent_again(house, behaviour, status):
    house.model.script(behaviour())
    reply = house.http.generate(num_images=1)
    assert reply.status == status, reply.body
    time.sleep(0.3)
    assert house.model.paid() == 1


def test_a_connection_closed_unread_is_not_a_success(house):
    """It may look sent to us: then it must not be repeated either."""
    house.model.otherwise = early_close
    reply = house.http.generate(num_images=1)
    assert reply.status in (502, 503), reply.body
    reply.error()
    assert house.model.paid() == 0
    assert house.model.connections <= 3


def test_a_blocked_prompt_is_the_users_and_says_why(house):
    house.model.otherwise = blocked_prompt()
    detail, _ = fail(house, 422, "ContentFiltered", 1)
    assert "sensitive words" in detail["details"]


def test_all_images_filtered_is_the_users_and_says_why(house):
    house.model.otherwise = filtered(0)
    detail, _ = fail(house, 422, "ContentFiltered", 1, num_images=4)
    assert "39322892" in detail["details"]


@pytest.mark.parametrize("reason", [
    "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "SAFETY",
    "PROHIBITED_CONTENT", "RECITATION", "BLOCKLIST", "SPII"])
def test_a_finish_reason_without_an_image_is_content_filtered(gemini_house, reason):
    gemini_house.model.otherwise = candidate(reason)
    detail, _ = fail(gemini_house, 422, "ContentFiltered", 1)
    assert reason in detail["details"]


@pytest.mark.parametrize("reason", [
    "NO_IMAGE", "IMAGE_OTHER", "OTHER", "MAX_TOKENS", "LANGUAGE",
    "SOMETHING_NEW"])
def test_a_finish_reason_that_is_no_refusal_is_a_provider_error(
        gemini_house, reason):
    gemini_house.model.otherwise = candidate(reason)
    detail, _ = fail(gemini_house, 502, "ProviderError", 1)
    assert reason in detail["message"]
    assert detail["details"] == "maybe paid"


@pytest.mark.parametrize("reason", [
    "SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"])
def test_a_blocked_prompt_of_the_newer_model_is_told(gemini_house, reason):
    gemini_house.model.otherwise = prompt_feedback(reason)
    reply = gemini_house.http.generate(num_images=1)
    assert (reply.status, reply.error()["error"]) == (
        422, "ContentFiltered"), reply.body


def test_only_text_is_a_refusal(gemini_house):
    gemini_house.model.otherwise = candidate(
        "STOP", {"text": "I cannot draw that person."})
    detail, _ = fail(gemini_house, 422, "ContentFiltered", 1)
    assert "I cannot draw that person." in detail["details"]


@pytest.mark.parametrize("document", [
    {}, {"candidates": []}, {"candidates": None}, {"candidates": [5]},
    {"candidates": [{}]}, {"candidates": [{"content": None}]},
    {"candidates": [{"content": {"parts": {}}, "finishReason": "STOP"}]},
    {"candidates": [{"content": {"parts": [None, 5, {"inlineData": 7}]},
                     "finishReason": "STOP"}]}])
def test_a_reply_without_an_image_is_a_provider_error(gemini_house, document):
    gemini_house.model.otherwise = json_reply(200, document)
    detail, _ = fail(gemini_house, 502, "ProviderError", 1)
    assert detail["details"] == "maybe paid"


@pytest.mark.parametrize("document", [
    {"candidates": [{"content": {"parts": [{"inlineData": {"data": ""}}]},
                     "finishReason": "STOP"}]},
    [], "text", None, 5])
def test_a_candidate_of_no_sense_is_a_provider_error(gemini_house, document):
    gemini_house.model.otherwise = json_reply(200, document)
    reply = gemini_house.http.generate(num_images=1)
    reply.must_fail(502, "ProviderError")


def test_every_call_of_a_batch_has_the_deadline(gemini_house):
    """Three slow ones and one in time: one image, three timeouts."""
    gemini_house.model.script(silence(), draw(), silence(), silence())
    reply = gemini_house.http.generate()
    assert reply.seconds < DEADLINE + SLOWNESS
    metadata = reply.json()["metadata"]
    assert metadata["num_images_generated"] == 1
    assert [f["error"] for f in metadata["failures"]] == ["Timeout"] * 3
    assert gemini_house.model.paid() == 4


def test_calls_of_a_batch_run_side_by_side(gemini_house):
    gemini_house.model.otherwise = draw(delay=1.0)
    reply = gemini_house.http.generate()
    assert len(reply.images()) == 4
    assert reply.seconds < 2.5 + SLOWNESS


def test_a_model_that_is_gone_is_replaced_and_then_left_out(new_house):
    house = new_house(workers={"slow": 1})
    house.model.gone = {IMAGEN}
    reply = house.http.generate(num_images=1)
    assert reply.json()["metadata"]["model_used"] == GEMINI
    assert [c.model for c in house.model.calls] == [IMAGEN, GEMINI]
    house.model.forget()
    house.model.gone = {IMAGEN}
    assert house.http.generate(num_images=1).status == 200
    assert [c.model for c in house.model.calls] == [GEMINI]


def test_when_all_models_are_gone_it_says_so(new_house):
    house = new_house(workers={"slow": 1})
    house.model.otherwise = no_such_model()
    for calls in (2, 4):  # nobody is left to ask instead: all, once more
        detail = house.http.generate(num_images=1).must_fail(
            502, "ProviderError")
        assert "IMAGE_MODELS" in detail["message"]
        assert house.model.paid() == calls
    house.model.otherwise = draw()
    reply = house.http.generate(num_images=1)
    assert reply.json()["metadata"]["model_used"] == IMAGEN


def test_a_404_page_takes_no_model_away(new_house):
    house = new_house(workers={"slow": 1})
    house.model.script(raw_reply(404, b"<html>404</html>", "text/html"))
    detail = house.http.generate(num_images=1).must_fail(
        502, "ProviderError")
    assert "IMAGE_BASE_URL" in detail["message"]
    assert house.model.paid() == 1
    reply = house.http.generate(num_images=1)
    assert reply.json()["metadata"]["model_used"] == IMAGEN


def test_a_model_that_is_down_is_a_503(new_house):
    from house import free_port
    house = new_house(IMAGE_BASE_URL=f"http://127.0.0.1:{free_port()}",
                      GENERATE_DEADLINE="5")
    reply = house.http.generate(num_images=1)
    reply.must_fail(503, "Unavailable")
    assert reply.seconds < 6 + SLOWNESS


def test_a_model_without_a_certificate_is_not_spoken_to(new_house):
    """https to something that speaks plain HTTP: refused before the key."""
    house = new_house(start=False)
    house.env["IMAGE_BASE_URL"] = house.model.url.replace("http:", "https:")
    house.env["GENERATE_DEADLINE"] = "5"
    house.start()
    reply = house.http.generate(num_images=1)
    assert reply.status in (502, 503), reply.body
    reply.error()
    house.model.complaints.clear()


def test_a_proxy_of_the_environment_is_not_used(new_house):
    house = new_house(http_proxy="http://127.0.0.1:1",
                      HTTP_PROXY="http://127.0.0.1:1",
                      all_proxy="http://127.0.0.1:1")
    assert house.http.generate(num_images=1).status == 200
    reply = house.http.post(
        {"character_description": "x", "num_images": 1},
        headers={"Proxy": "http://127.0.0.1:1"})
    assert reply.status == 200
