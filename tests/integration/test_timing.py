"""Where the time of a request went: the header Server-Timing and the log.

What took how long is known by construction: a double that answers late is
waited for, and no phase is longer than the whole.
"""

import re

import pytest

import pictures
from house import House
from model_double import Call, images, silence
from s3_double import S3Double, stall
from wire import GET

FEW = {"fast": 1, "lookup": 1, "slow": 1}
LATE_S = 0.3
METRIC = re.compile(r"([a-z]+);dur=(\d+\.\d)")


@pytest.fixture(scope="module")
def cloud_house():
    """A house with a bucket."""
    double = S3Double()
    one = House(cloud=double, workers=FEW)
    try:
        yield one.start()
    finally:
        one.end()
        double.close()


@pytest.fixture
def house(cloud_house):
    """The same with nothing scripted."""
    cloud_house.model.forget()
    cloud_house.cloud.forget()
    yield cloud_house
    cloud_house.inspect()


def timing_of(reply) -> dict[str, float]:
    """The phases in milliseconds, in their order; the header is well-formed."""
    metrics = reply.headers["server-timing"].split(", ")
    found = [METRIC.fullmatch(one) for one in metrics]
    assert all(found), metrics
    times = {one[1]: float(one[2]) for one in found}
    assert len(times) == len(metrics)
    assert list(times)[-1] == "total"
    # each is cut to a tenth
    parts = sum(ms for name, ms in times.items() if name != "total")
    assert parts <= times["total"] + 0.1 * len(times)
    assert times["total"] <= reply.seconds * 1000 + 1
    return times


def late(behaviour):
    """The same, after a while."""
    def act(call: Call):
        call.double.closing.wait(LATE_S)
        behaviour(call)
    return act


def test_a_generation_says_what_it_waited_for(house):
    house.model.script(late(images(pictures.png())))
    house.cloud.on(stall("body", LATE_S), method="PUT")
    reply = house.http.generate(num_images=1)
    assert reply.status == 200
    times = timing_of(reply)
    assert list(times) == ["model", "store", "upload", "total"]
    assert times["model"] >= LATE_S * 1000
    assert times["upload"] >= LATE_S * 1000
    line, = house.requests_logged(reply.headers["x-request-id"])
    for name in ("model", "store", "upload"):
        assert line[name + "_ms"] == int(times[name])
    assert line["ms"] >= line["model_ms"] + line["upload_ms"]


def test_bringing_images_to_the_bucket_says_how_long_that_took(house):
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    for path, body in (
            ("persist_character_reference",
             {"image_id": image_id, "job_id": "job-1"}),
            ("associate_character_images_with_job",
             {"image_ids": [image_id], "job_id": "job-2"})):
        house.cloud.on(stall("body", LATE_S), method="PUT")
        reply = house.http.post(body, "/api/mv/" + path)
        assert reply.status == 200, reply.body
        times = timing_of(reply)
        assert list(times) == ["upload", "total"]
        assert times["upload"] >= LATE_S * 1000


def test_a_failure_says_it_as_well(house):
    house.model.otherwise = late(images(b"no picture"))
    reply = house.http.generate(num_images=1)
    assert reply.status == 502
    times = timing_of(reply)
    assert list(times) == ["model", "store", "total"]
    assert times["model"] >= LATE_S * 1000


def test_what_was_not_done_is_not_told(house):
    reply = house.http.post(b"{}")
    assert list(timing_of(reply)) == ["total"]
    line, = house.requests_logged(reply.headers["x-request-id"])
    assert not [name for name in line if name.endswith("_ms")]
    assert list(timing_of(house.http.get("/healthz"))) == ["total"]
    assert list(timing_of(house.http.get("/nothing"))) == ["total"]


def test_a_replay_waits_for_no_model(house):
    house.model.script(images(pictures.png()))
    assert house.http.generate(num_images=1, key="again").status == 200
    house.model.otherwise = silence()
    times = timing_of(house.http.generate(num_images=1, key="again"))
    assert list(times) == ["total"]


def test_a_get_says_what_it_did(house):
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    for query in ("", "?redirect=true"):
        for method in ("GET", "HEAD"):
            reply = house.http.ask(method, GET + image_id + query)
            assert list(timing_of(reply)) == ["catalogue", "sign", "total"]
    reply = house.http.get(GET + "unknown-1")
    assert reply.status == 404
    assert list(timing_of(reply)) == ["catalogue", "total"]


def test_a_file_is_sent_by_the_web_server_without_it(new_house):
    """Its headers are the web server's."""
    house = new_house(workers=FEW)
    image_id = house.http.generate(num_images=1).images()[0]["id"]
    reply = house.http.get(GET + image_id)
    assert reply.status == 200
    assert "server-timing" not in reply.headers
