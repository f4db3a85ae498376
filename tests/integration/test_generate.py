"""Generating: what a user gets for a good description."""

import base64
import hashlib
import json

import pytest

import pictures
import wire
from model_double import (GEMINI, IMAGEN, candidate, coded, draw, filtered,
                          images, json_reply, prompt_feedback)
from wire import STAMP, UUID4

PROMPT = ("A full-body character reference image of A silver robot. Clear, "
          "well-lit, neutral background, professional quality, detailed "
          "features, front-facing view.")
FIELDS = {"id", "path", "base64", "cloud_url"}
METADATA = {"character_description", "model_used", "num_images_requested",
            "num_images_generated", "num_images_filtered", "failures",
            "parameters_used", "generation_timestamp"}


@pytest.fixture(params=[IMAGEN, GEMINI])
def dialect(request, house):
    """Each test once per dialect: the other model is gone."""
    if request.param == GEMINI:
        yield request.getfixturevalue("gemini_house")
    else:
        yield house


def assert_kept(house, image: dict, data: bytes, extension: str):
    """The reply, the file and the row agree on the image."""
    assert set(image) == FIELDS, image
    assert UUID4.match(image["id"]), image
    name = f"{image['id']}.{extension}"
    assert image["path"] == f"mv/outputs/character_reference/{name}"
    assert image["cloud_url"] is None
    assert house.files()[name] == data
    assert house.rows("SELECT extension, bytes, sha256 FROM images "
                      "WHERE id = ?", image["id"]) == [
        (extension, len(data), hashlib.sha256(data).hexdigest())]


def test_four_images_are_given_kept_and_recorded(dialect):
    reply = dialect.http.generate()
    given = dialect.model.given[-4:]
    assert sorted(reply.pictures()) == sorted(given)
    for image, data in zip(reply.images(), reply.pictures()):
        assert_kept(dialect, image, data, "png")
    assert len({image["id"] for image in reply.images()}) == 4
    assert reply.headers["content-length"] == str(len(reply.body))


def test_the_model_is_asked_once_per_batch_or_once_per_image(dialect):
    dialect.http.generate(num_images=3)
    calls = dialect.model.calls
    assert len(calls) == (1 if calls[0].verb == "predict" else 3)
    assert {call.prompt for call in calls} == {PROMPT}


def test_metadata_says_what_was_asked_and_what_came(dialect):
    reply = dialect.http.generate("  A silver robot\n", num_images=2,
                                  aspect_ratio="16:9", seed=7)
    metadata = reply.json()["metadata"]
    assert set(reply.json()) == {"images", "metadata"}
    assert set(metadata) == METADATA
    assert metadata["character_description"] == "A silver robot"
    assert metadata["model_used"] == dialect.model.calls[0].model
    assert metadata["num_images_requested"] == 2
    assert metadata["num_images_generated"] == 2
    assert metadata["num_images_filtered"] == 0
    assert metadata["failures"] == []
    assert metadata["parameters_used"]["aspect_ratio"] == "16:9"
    assert metadata["parameters_used"]["seed"] == 7
    assert STAMP.match(metadata["generation_timestamp"])


def test_a_batch_is_answered_in_its_order(house):
    given = [pictures.png() for _ in range(4)]
    house.model.script(images(*given))
    assert house.http.generate().pictures() == given


def test_single_calls_are_answered_in_the_order_of_their_index(gemini_house):
    """The first call is the slowest: order must not be that of arrival."""
    def by_seed(call):
        seed = call.document["generationConfig"]["seed"]
        draw(0.1 * (4 - (seed - 100)))(call)
        call.seed = seed
    gemini_house.model.otherwise = by_seed
    reply = gemini_house.http.generate(seed=100)
    seeds = sorted(c.document["generationConfig"]["seed"]
                   for c in gemini_house.model.calls)
    assert len(set(seeds)) == 4, "each image of a batch needs its own seed"
    given = gemini_house.model.given[-4:]
    assert reply.pictures() == given[::-1]


def test_every_ratio_reaches_the_model(dialect):
    for ratio in ("1:1", "3:4", "4:3", "9:16", "16:9"):
        dialect.model.forget()
        assert dialect.http.generate(
            num_images=1, aspect_ratio=ratio).status == 200
        document = dialect.model.calls[0].document
        assert f'"aspectRatio": "{ratio}"' in json.dumps(document)


def test_the_other_fields_reach_the_model_that_has_them(house):
    reply = house.http.generate(
        num_images=1, negative_prompt="no hats", seed=4294967295,
        safety_filter_level="block_only_high", person_generation="allow_adult")
    assert reply.status == 200, reply.body
    sent = house.model.calls[0].document["parameters"]
    assert sent["safetySetting"] == "block_only_high"
    assert sent["personGeneration"] == "allow_adult"
    used = reply.json()["metadata"]["parameters_used"]
    assert used["negative_prompt"] == "no hats"
    assert used["seed"] == 4294967295


def test_the_other_fields_are_taken_by_the_newer_model_too(gemini_house):
    for fields in ({"negative_prompt": "no hats"}, {"seed": 0},
                   {"seed": 4294967295},
                   {"safety_filter_level": "block_only_high"},
                   {"safety_filter_level": "block_none"},
                   {"person_generation": "allow_all"}):
        reply = gemini_house.http.generate(num_images=1, **fields)
        assert reply.status == 200, (fields, reply.body)


@pytest.mark.parametrize("apiece", [False, True])
def test_refused_images_are_named_and_the_others_are_kept(house, apiece):
    house.model.script(filtered(2, apiece))
    reply = house.http.generate()
    metadata = reply.json()["metadata"]
    assert len(reply.images()) == 2
    assert metadata["num_images_generated"] == 2
    assert metadata["num_images_filtered"] == 2
    assert [f["index"] for f in metadata["failures"]] == [2, 3]
    for failure in metadata["failures"]:
        assert set(failure) == {"index", "error", "message"}
        assert failure["error"] == "ContentFiltered"
        assert "safety filter" in failure["message"]


def test_one_refused_call_of_the_newer_model_is_a_named_failure(gemini_house):
    gemini_house.model.script(candidate("IMAGE_SAFETY", message="unsafe"))
    reply = gemini_house.http.generate()
    metadata = reply.json()["metadata"]
    assert len(reply.images()) == 3
    assert metadata["num_images_filtered"] == 1
    assert [f["error"] for f in metadata["failures"]] == ["ContentFiltered"]


def test_a_call_that_breaks_does_not_take_the_others_with_it(gemini_house):
    from model_double import hang_up
    gemini_house.model.script(hang_up())
    reply = gemini_house.http.generate()
    metadata = reply.json()["metadata"]
    assert len(reply.images()) == 3
    assert metadata["num_images_filtered"] == 0
    assert [f["error"] for f in metadata["failures"]] == ["ProviderError"]
    assert gemini_house.model.paid() == 4


def test_thoughts_are_not_taken_for_the_picture(gemini_house):
    thought, final = pictures.png(), pictures.png()
    gemini_house.model.gave([final])
    gemini_house.model.script(candidate(
        "STOP", {"text": "hm", "thought": True},
        coded(thought, "image/png", "g") | {"thought": True},
        coded(final, "image/png", "g") | {"thoughtSignature": "x"},
        {"text": "Here it is."}))
    assert gemini_house.http.generate(num_images=1).pictures() == [final]


def test_base64_can_be_left_out(dialect):
    reply = dialect.http.generate(num_images=2, include_base64=False)
    for image in reply.images():
        assert set(image) == FIELDS
        assert image["base64"] is None
        assert dialect.http.picture(image["id"]).body in dialect.model.given
    assert len(reply.body) < 4000


def test_null_means_the_default(dialect):
    names = ("num_images", "aspect_ratio", "output_format", "negative_prompt",
             "seed", "safety_filter_level", "person_generation",
             "include_base64")
    reply = dialect.http.generate(**dict.fromkeys(names))
    assert len(reply.pictures()) == 4
    assert reply.json()["metadata"]["num_images_requested"] == 4


def test_unknown_fields_are_ignored(house):
    reply = house.http.generate(num_images=1, style="noir", deep=[[{}]])
    assert reply.status == 200
    assert "noir" not in json.dumps(house.model.calls[0].document)


@pytest.mark.parametrize("wished, kind, make, extension, sent", [
    ("png", "image/png", pictures.png, "png", "image/png"),
    ("jpg", "image/jpeg", pictures.jpeg, "jpg", "image/jpeg"),
    ("jpeg", "image/jpeg", pictures.jpeg, "jpg", "image/jpeg"),
    ("webp", "image/webp", pictures.webp, "webp", None),
    ("webp", "image/png", pictures.png, "png", None),
    ("png", "image/jpeg", pictures.jpeg, "jpg", "image/png"),
    ("png", "image/png", pictures.jpeg, "jpg", "image/png"),
    ("jpg", "image/jpeg", pictures.webp, "webp", "image/jpeg"),
])
def test_what_the_model_returns_decides_the_format(house, wished, kind, make,
                                                   extension, sent):
    """Also when the model says one kind and sends another."""
    data = make()
    house.model.script(images(data, kind=kind))
    reply = house.http.generate(num_images=1, output_format=wished)
    assert reply.pictures() == [data]
    assert_kept(house, reply.images()[0], data, extension)
    options = house.model.calls[0].document["parameters"].get(
        "outputOptions", {"mimeType": "image/png"})
    assert sent is None or options["mimeType"] == sent
    served = house.http.picture(reply.images()[0]["id"])
    mime = {"jpg": "image/jpeg"}.get(extension, f"image/{extension}")
    assert served.headers["content-type"] == mime
    assert served.body == data


def test_a_format_we_do_not_keep_fails_alone(house):
    good = pictures.png()
    house.model.script(images(pictures.gif(), good))
    reply = house.http.generate(num_images=2)
    metadata = reply.json()["metadata"]
    assert reply.pictures() == [good]
    assert metadata["num_images_filtered"] == 0
    assert [(f["index"], f["error"]) for f in metadata["failures"]] == [
        (0, "ProviderError")]
    assert [(line["index"], line["error"]) for line in house.log_lines()
            if line["event"] == "image failed"
            and line["request_id"] == reply.headers["x-request-id"]] == [
                (0, "ProviderError")]


def test_only_unusable_images_are_an_error(house):
    house.model.script(images(pictures.gif(), b"", b"no image"))
    reply = house.http.generate(num_images=3)
    reply.must_fail(502, "ProviderError")


@pytest.mark.parametrize("spoil", [
    lambda data: data[:-12],
    lambda data: data[:len(data) // 2],
    lambda data: data[1:],
    lambda data: data[:8],
])
def test_a_picture_that_is_not_whole_is_not_kept(house, spoil):
    before = set(house.files())
    house.model.script(images(spoil(pictures.png())))
    house.http.generate(num_images=1).must_fail(502, "ProviderError")
    assert set(house.files()) == before


def test_more_images_than_asked_are_not_kept(house):
    given = [pictures.png() for _ in range(6)]
    house.model.script(images(*given))
    assert house.http.generate(num_images=2).pictures() == given[:2]


def test_fewer_images_than_asked_are_named_as_failures(house):
    given = [pictures.png()]
    house.model.script(images(*given))
    reply = house.http.generate(num_images=3)
    assert reply.pictures() == given
    assert [f["index"] for f in reply.json()["metadata"]["failures"]] == [1, 2]


def test_four_big_images_arrive_whole(dialect):
    dialect.model.otherwise = draw(make=pictures.big_png)
    reply = dialect.http.generate()
    assert sorted(reply.pictures()) == sorted(dialect.model.given[-4:])
    assert reply.headers["content-length"] == str(len(reply.body))
    assert len(reply.body) > 8_000_000


def test_a_request_id_is_taken_over_or_made(house):
    body = {"character_description": "x", "num_images": 1}
    for good in ("abc", "A.b_c-9", "x" * 64):
        reply = house.http.post(body, headers={"X-Request-Id": good})
        assert reply.headers["x-request-id"] == good
        assert house.requests_logged(good)
    for bad in ("x" * 65, "a b", "a/b", "a\tb", 'a"b', "é"):
        reply = house.http.post(body, headers={"X-Request-Id": bad})
        assert reply.status == 200
        assert reply.headers["x-request-id"] != bad
    made = {house.http.post(body).headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3


def test_a_description_in_any_script_reaches_model_and_reply(house):
    text = "Ein silberner Röboter, 銀色のロボット 🤖 \"quoted\" \\ and\ttab"
    reply = house.http.generate(text, num_images=1)
    assert reply.json()["metadata"]["character_description"] == text
    assert text in house.model.calls[0].prompt


def test_braces_in_a_description_are_only_text(house):
    text = "{description} %s %n ${x} @PORT@ {description}"
    reply = house.http.generate(text, num_images=1)
    assert reply.status == 200
    assert PROMPT.replace("A silver robot", text) == \
        house.model.calls[0].prompt


def test_texts_at_their_longest_fit_even_when_escaping_makes_them_grow(house):
    """A paid image must not be lost because its metadata has no room."""
    house.model.script(filtered(2, True))
    text = "x" + "\x01" * 3998 + "x"
    body = {"character_description": text, "negative_prompt": text}
    reply = house.http.post(json.dumps(body))
    assert reply.status == 200, reply.body[:300]
    assert reply.json()["metadata"]["character_description"] == text
    house.model.forget()
    text = "\U0001f916" * 4000
    reply = house.http.post(json.dumps(
        {"character_description": text, "negative_prompt": text},
        ensure_ascii=False))
    assert reply.status == 200, reply.body[:300]


def test_the_prompt_is_a_setting(new_house):
    house = new_house(IMAGE_PROMPT="Draw {description}!")
    house.http.generate("a cat", num_images=1)
    assert house.model.calls[0].prompt == "Draw a cat!"


def test_a_key_for_google_at_large_will_do(new_house):
    from model_double import KEY
    house = new_house(GEMINI_API_KEY="", GOOGLE_API_KEY=KEY)
    assert house.http.generate(num_images=1).status == 200


def test_without_a_key_nothing_is_sent(new_house):
    """A stand-in on this host by plain http needs none; Google does."""
    house = new_house(start=False, GEMINI_API_KEY="")
    house.env["IMAGE_BASE_URL"] = house.model.url.replace("http:", "https:")
    house.start()
    detail = house.http.generate(num_images=1).must_fail(502, "ProviderError")
    assert "GEMINI_API_KEY" in detail["message"]
    assert house.model.connections == 0


def test_the_disk_guard_refuses_before_anything_is_paid(new_house):
    house = new_house(DISK_RESERVE_MB="1000000000")
    house.http.generate(num_images=1).must_fail(507, "StorageFull")
    assert house.model.connections == 0


def test_all_images_refused_is_an_error_with_the_reason(dialect):
    if dialect.env["IMAGE_MODELS"] == GEMINI:
        dialect.model.otherwise = prompt_feedback("PROHIBITED_CONTENT")
        reason = "PROHIBITED_CONTENT"
    else:
        dialect.model.otherwise = filtered(0)
        reason = "39322892"
    detail = dialect.http.generate().must_fail(422, "ContentFiltered")
    assert reason in detail["details"]


def test_no_predictions_at_all_is_an_error(house):
    for document in ({}, {"predictions": []}):
        house.model.script(json_reply(200, document))
        reply = house.http.generate(num_images=2)
        assert reply.status in (422, 502), reply.body
        reply.error()


def test_a_hundred_generations_at_once_are_all_answered(house):
    """More than there are workers: the rest wait in the queue."""
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(25) as pool:
        replies = list(pool.map(
            lambda i: house.http.generate(f"robot {i}", num_images=1),
            range(100)))
    ids = {reply.images()[0]["id"] for reply in replies}
    assert len(ids) == 100
    assert house.model.paid() == 100
    for reply in replies[:10]:
        served = house.http.picture(reply.images()[0]["id"])
        assert served.body == reply.pictures()[0]


def test_base64_is_the_standard_alphabet_with_padding(house):
    reply = house.http.generate(num_images=1)
    text = reply.images()[0]["base64"]
    assert base64.b64encode(base64.b64decode(text)).decode() == text
    assert wire.GENERATE.startswith("/api/mv/")
