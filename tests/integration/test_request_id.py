"""The id of a request, from the web server to whatever is asked on its
behalf: one search of the logs finds all of it."""

import pytest

import pictures
from house import House, wait_until
from model_double import IMAGEN, hang_up, images, no_such_model
from s3_double import S3Double, moved, reply
from wire import GET

FEW = {"fast": 1, "lookup": 1, "slow": 1}
NAME = "x-request-id"


@pytest.fixture
def house(new_house):
    """A house with a bucket, and no uploader to be mistaken for a request."""
    double = S3Double()
    yield new_house(cloud=double, uploader=False, workers=FEW)
    double.close()


def made(house: House, request_id: str) -> str:
    """An image that a request of that id has made."""
    house.model.script(images(pictures.png()))
    answer = house.http.post({"character_description": "x", "num_images": 1},
                             headers={"X-Request-Id": request_id})
    return answer.images()[0]["id"]


def asked_for(house: House) -> set[str | None]:
    """On whose behalf the bucket was asked since it forgot."""
    return {one.header(NAME) for one in house.cloud.asked()}


def told(house: House, request_id: str, event: str) -> dict:
    """The log's line of that event, which must name the request."""
    def found():
        return [line for line in house.log_lines() if line["event"] == event]
    line, *others = wait_until(found, f"a line \"{event}\"")
    assert line.get("request_id") == request_id, line
    assert all(one["request_id"] == request_id for one in others), others
    return line


def found_by(house: House, request_id: str) -> dict:
    """The line of the log that says why the request failed."""
    lines = wait_until(lambda: [line for line in house.log_lines()
                                if line.get("request_id") == request_id
                                and "error" in line], "a line of it")
    return lines[-1]


def test_it_goes_to_the_model_and_to_the_bucket(house):
    made(house, "from-the-client.1")
    assert [call.headers[NAME] for call in house.model.calls] \
        == ["from-the-client.1"]
    assert asked_for(house) == {"from-the-client.1"}
    put = house.cloud.asked("PUT")[0]
    assert put.status == 200
    assert NAME not in put.header("authorization")  # it is not signed
    house.requests_logged("from-the-client.1")


def test_it_goes_along_with_each_call_and_attempt(house):
    house.model.gone = {IMAGEN}
    house.cloud.on(reply(503, "SlowDown"), method="PUT")
    answer = house.http.post(
        {"character_description": "x", "num_images": 3},
        headers={"X-Request-Id": "many-calls"})
    assert len(answer.images()) == 3
    assert len(house.model.calls) == 4
    assert {call.headers[NAME] for call in house.model.calls} \
        == {"many-calls"}
    assert len(house.cloud.asked("PUT")) >= 4
    assert asked_for(house) == {"many-calls"}
    told(house, "many-calls", "model gone")


def test_one_that_is_made_for_a_request_goes_along_too(house):
    house.model.script(images(pictures.png()))
    answer = house.http.generate(num_images=1)
    made_up = answer.headers[NAME]
    assert [call.headers[NAME] for call in house.model.calls] == [made_up]
    assert asked_for(house) == {made_up}
    evil = house.http.post({"character_description": "x", "num_images": 1},
                           headers={"X-Request-Id": "evil: header"})
    assert evil.headers[NAME] != "evil: header"
    assert house.model.calls[-1].headers[NAME] == evil.headers[NAME]


def test_no_request_speaks_in_the_name_of_the_one_before(house):
    """One worker, one request after the other."""
    made(house, "the-first")
    house.cloud.forget()
    made(house, "the-second")
    assert asked_for(house) == {"the-second"}


def test_a_lookup_and_what_follows_it_name_their_request(house):
    house.cloud.put("character_references/by-hand.png", pictures.png())
    assert house.http.ask("GET", GET + "by-hand", headers={
        "X-Request-Id": "a-lookup"}).status == 200
    assert asked_for(house) == {"a-lookup"}
    house.cloud.forget()
    answer = house.http.post(
        {"job_id": "job-1", "image_ids": ["by-hand"]},
        "/api/mv/associate_character_images_with_job",
        {"X-Request-Id": "an-association"})
    assert answer.json()["images"][0]["status"] == "copied", answer.body
    assert {one.method for one in house.cloud.asked()} >= {"GET", "PUT"}
    assert asked_for(house) == {"an-association"}


def test_an_upload_that_is_given_up_is_told_with_its_request(house, new_house):
    """What is under its key is another's, which no attempt will change."""
    house = new_house(cloud=house.cloud, uploader=False, workers=FEW,
                      UPLOAD_MODE="background")
    image_id = made(house, "the-making")
    assert not house.cloud.objects
    house.cloud.put(f"character_references/{image_id}.png", b"something else")
    house.http.post({"image_id": image_id},
                    "/api/mv/persist_character_reference",
                    {"X-Request-Id": "the-persisting"})
    line = told(house, "the-persisting", "upload given up")
    assert line["image_id"] == image_id


def test_what_is_learnt_of_the_bucket_is_told_with_its_request(house):
    house.cloud.on(moved("eu-west-9"), method="PUT", times=None)
    made(house, "the-learning")
    line = told(house, "the-learning", "region differs")
    assert line["region"] == "eu-west-9"


def test_trouble_with_the_model_is_told_with_its_request(house):
    house.model.otherwise = hang_up()
    house.http.post({"character_description": "x", "num_images": 1},
                    headers={"X-Request-Id": "no-luck"}).must_fail(
                        502, "ProviderError")
    assert found_by(house, "no-luck")["error"] == "ProviderError"
    house.model.otherwise = images(b"this is no picture")
    house.http.post({"character_description": "x", "num_images": 1},
                    headers={"X-Request-Id": "no-picture"}).must_fail(
                        502, "ProviderError")
    told(house, "no-picture", "image failed")


def test_the_uploaders_own_work_names_no_request(new_house):
    double = S3Double()
    try:
        house = new_house(cloud=double, workers=FEW, UPLOAD_MODE="background")
        image_id = made(house, "the-making")
        wait_until(lambda: [one for one in double.asked("PUT")
                            if image_id in one.target and one.ended],
                   "an upload")
        assert {one.header(NAME) for one in double.asked()} == {None}
        line, *_ = wait_until(
            lambda: [line for line in house.log_lines()
                     if line["event"] == "uploaded"], "a line of it")
        assert "request_id" not in line
    finally:
        double.close()


def test_a_refusal_of_the_bucket_is_found_by_its_request(house):
    house.cloud.on(reply(403, "InvalidAccessKeyId"), times=None)
    house.http.ask("GET", GET + "unknown-1", headers={
        "X-Request-Id": "refused"}).must_fail(502, "StorageDenied")
    assert asked_for(house) == {"refused"}
    assert found_by(house, "refused")["error"] == "StorageDenied"


def test_models_that_are_all_gone_are_told_with_the_request(house):
    house.model.otherwise = no_such_model()
    house.http.post({"character_description": "x", "num_images": 1},
                    headers={"X-Request-Id": "none-left"}).must_fail(
                        502, "ProviderError")
    told(house, "none-left", "model gone")
