"""Replies that Google's API really gave, through the whole service.

They are public test data that is not part of the project; without them
these tests skip, and what they cover is covered by the model's double.
"""

import base64
import json

import pytest

from house import PROJECT
from model_double import raw_reply

FOLDER = PROJECT.parent / "shared/data/provider-replies"


@pytest.fixture
def recorded(house):
    """Gives the model a recorded reply to answer with; its images."""
    def answer_with(name: str, status: int = 200) -> list[bytes]:
        path = FOLDER / name
        if not path.exists():
            pytest.skip("the recorded replies are not here")
        document = json.loads(path.read_bytes())
        house.model.otherwise = raw_reply(status, path.read_bytes())
        given = [base64.b64decode(one["bytesBase64Encoded"])
                 for one in document.get("predictions", [])
                 if "bytesBase64Encoded" in one]
        house.model.gave(given)
        return given
    return answer_with


def test_four_real_images_are_kept_as_they_came(house, recorded):
    given = recorded("unary-success-generate-images-base64.json")
    reply = house.http.generate()
    assert len(given) == 4 and reply.pictures() == given
    for image, data in zip(reply.images(), given):
        assert house.http.picture(image["id"]).body == data


def test_a_real_partial_filter_is_named(house, recorded):
    given = recorded(
        "unary-failure-generate-images-base64-some-filtered.json")
    reply = house.http.generate()
    metadata = reply.json()["metadata"]
    assert len(given) == 2 and reply.pictures() == given
    assert metadata["num_images_filtered"] == 2
    assert [f["index"] for f in metadata["failures"]] == [2, 3]


def test_a_real_filter_of_all_is_content_filtered(house, recorded):
    recorded("unary-failure-generate-images-all-filtered.json")
    detail = house.http.generate().must_fail(422, "ContentFiltered")
    assert "39322892" in detail["details"]


def test_a_real_bad_key_is_a_provider_error(house, recorded):
    recorded("unary-failure-api-key.json", 400)
    reply = house.http.generate()
    reply.must_fail(502, "ProviderError")
    assert b"key1234" not in reply.body


def test_a_real_quota_is_a_503(new_house, recorded, house):
    recorded("unary-failure-quota-exceeded.json", 429)
    other = new_house(GENERATE_DEADLINE="1")
    other.model.otherwise = house.model.otherwise
    other.http.generate().must_fail(503, "Unavailable")
