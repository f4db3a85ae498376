"""Google's API as it is: its shortest deadline, and the models it has.

At googleapis.com no request is sent with less than ten seconds left, since
Google refuses it.  The host's name stands in IMAGE_BASE_URL here, and
IMAGE_SOCKET leads to the model's double: everything else is what ships.
"""

import json
import os
import subprocess
import time

import pytest

from house import House, program
from model_double import (GEMINI, GOOGLE, IMAGEN, LITE, SHORTEST_S, Call,
                          no_such_model, too_many, unavailable)

DEADLINE = 15  # the least that GENERATE_DEADLINE may be there


def at_google() -> House:
    """A house, not started, that takes the double for Google."""
    house = House(GENERATE_DEADLINE=str(DEADLINE), workers={"slow": 1},
                  IMAGE_BASE_URL=f"http://{GOOGLE}",
                  IMAGE_MODELS=f"{GEMINI},{LITE}")
    house.env["IMAGE_SOCKET"] = house.model.open_socket(
        house.folder / "google.sock")
    return house


@pytest.fixture(scope="module")
def shared_google():
    """One such house."""
    house = at_google()
    try:
        yield house.start()
    finally:
        house.end()


@pytest.fixture
def google(shared_google):
    """The same with a model that has forgotten earlier tests."""
    shared_google.model.forget()
    yield shared_google
    shared_google.inspect()


def after(seconds: float, behaviour):
    """The same, so many seconds later."""
    def act(call: Call):
        time.sleep(seconds)
        behaviour(call)
    return act


def timeouts(house: House) -> list[int]:
    """What X-Server-Timeout said, call by call."""
    return [int(call.headers["x-server-timeout"])
            for call in house.model.calls]


# ------------------------------------------------------ the shortest deadline


def test_an_attempt_says_ten_seconds_at_least_wherever_the_model_is(new_house):
    house = new_house(GENERATE_DEADLINE="5", workers={"slow": 1})
    house.model.script(too_many("1s"))
    assert house.http.generate(num_images=1).status == 200
    assert timeouts(house) == [SHORTEST_S, SHORTEST_S]


def test_google_is_told_all_the_time_that_is_left(google):
    assert google.http.generate(num_images=1).status == 200
    assert timeouts(google) == [DEADLINE]
    assert google.model.calls[0].headers["host"] == GOOGLE


@pytest.mark.parametrize("refusal, wait_s", [
    (too_many("6s"), 6), (unavailable(Retry_After="7"), 7)])
def test_no_retry_that_google_would_refuse_is_sent(
        google, refusal, wait_s):
    """The last fault is the answer, with its Retry-After, and at once."""
    google.model.script(refusal)
    key = f"late-{wait_s}"
    reply = google.http.generate(num_images=1, key=key)
    reply.must_fail(503, "Unavailable")
    assert int(reply.headers["retry-after"]) == wait_s
    assert reply.seconds < wait_s and google.model.paid() == 1
    assert google.http.generate(num_images=1, key=key).status == 200


def test_a_retry_that_google_takes_is_sent(google):
    google.model.script(too_many("1s"))
    assert google.http.generate(num_images=1).status == 200
    first, second = timeouts(google)
    assert first == DEADLINE and SHORTEST_S <= second < DEADLINE


def test_the_next_model_is_not_asked_without_the_time_for_it():
    house = at_google()
    try:
        house.start()
        house.model.script(after(5.5, no_such_model()))
        reply = house.http.generate(num_images=1, key="k")
        detail = reply.must_fail(504, "Timeout")
        assert "too little time" in detail["message"]
        assert detail["details"] is None
        assert [call.model for call in house.model.calls] == [GEMINI]
        assert house.http.generate(num_images=1, key="k").status == 200
        assert [call.model for call in house.model.calls] == [GEMINI, LITE]
    finally:
        house.end()


@pytest.mark.parametrize("address, least", [
    ("", DEADLINE), (f"https://{GOOGLE}", DEADLINE),
    (f"https://{GOOGLE}:443", DEADLINE), ("https://GOOGLEAPIS.com", DEADLINE),
    ("https://europe-west1-aiplatform.googleapis.com", DEADLINE),
    ("https://googleapis.com.example.org", 1),
    ("https://notgoogleapis.com", 1), ("http://127.0.0.1:9", 1)])
def test_a_deadline_too_short_for_google_is_a_mistake_at_the_start(
        address, least):
    for seconds in (least - 1, least):
        done = subprocess.run(
            [program("charref"), "config", "PORT"], text=True, check=False,
            capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
            env={"PATH": os.environ["PATH"], "IMAGE_BASE_URL": address,
                 "GENERATE_DEADLINE": str(seconds)})
        assert done.returncode == (0 if seconds == least else 1), done.stderr
        assert seconds == least or "GENERATE_DEADLINE" in done.stderr
        if 1 < least != seconds:
            assert "at least 15" in done.stderr


def test_no_worker_starts_with_a_deadline_too_short_for_google(tmp_path):
    env = {"PATH": os.environ["PATH"], "GENERATE_DEADLINE": "14",
           "CHARREF_ROOT": str(tmp_path / "data"), "HOME": str(tmp_path),
           "LOG_FILE": str(tmp_path / "log")}
    done = subprocess.run([program("charref-fcgi")], env=env, check=False,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60)
    assert done.returncode != 0
    assert "GENERATE_DEADLINE" in (tmp_path / "log").read_text() \
        + done.stderr.decode()


# -------------------------------------------------------------- what is asked


def test_the_models_asked_by_default_are_those_google_has(new_house):
    house = new_house(start=False, workers={"slow": 1})
    del house.env["IMAGE_MODELS"]
    house.start()
    reply = house.http.generate(num_images=1)
    assert reply.json()["metadata"]["model_used"] == GEMINI
    house.model.gone = {GEMINI}
    reply = house.http.generate(num_images=1)
    assert reply.json()["metadata"]["model_used"] == LITE
    assert IMAGEN not in {call.model for call in house.model.calls}


RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9")


@pytest.mark.parametrize("model", [GEMINI, LITE, IMAGEN])
def test_whatever_a_client_may_ask_is_taken_by_every_model(new_house, model):
    """The double refuses, and reports, what the model would refuse."""
    house = new_house(IMAGE_MODELS=model, workers={"slow": 1})
    for at, ratio in enumerate(RATIOS):
        reply = house.http.generate(
            num_images=1, aspect_ratio=ratio, output_format="png",
            negative_prompt="hats", seed=2**32 - 1 - at,
            safety_filter_level="block_only_high",
            person_generation="allow_adult")
        assert reply.status == 200, reply.body


def test_a_short_deadline_elsewhere_is_a_warning_of_the_doctor(new_house):
    house = new_house(GENERATE_DEADLINE="14", workers={"slow": 1})
    settings = {}
    for seconds in ("14", "15"):
        house.env["GENERATE_DEADLINE"] = seconds
        done = house.charref("doctor", "--json")
        settings[seconds] = json.loads(done.stdout)["checks"][0]
    assert settings["14"]["state"] == "warning", settings
    assert "GENERATE_DEADLINE" in settings["14"]["found"]
    assert settings["15"]["state"] == "ok"
