"""What a model's 200 and 429 mean: an image, a refusal, a miss, a bill.

A refusal is only what says that it is one, and is given again; a miss may be
paid, and its key is spent; money that cannot be spent is no outage.
"""

import pytest

from house import SLOWNESS, House
from model_double import (candidate, draw, free_tier, json_reply, no_credits,
                          problem, prompt_feedback, spending_cap, too_many)

# ------------------------------------------------------------------- the bill

BILLS = {
    "free tier": (free_tier(), "no billing"),
    "limit 0 alone": (free_tier(tier=""), "no billing"),
    "free quotas alone": (free_tier(limit=""), "no billing"),
    "credits": (no_credits(), "credits"),
    "spending cap": (spending_cap(), "spending cap"),
}


@pytest.mark.parametrize("name", BILLS)
def test_money_that_cannot_be_spent_is_told_at_once(gemini_house, name):
    behaviour, words = BILLS[name]
    gemini_house.model.otherwise = behaviour
    reply = gemini_house.http.generate(key=name.replace(" ", "-"))
    detail = reply.must_fail(502, "ProviderError")
    assert words in detail["message"], detail
    assert detail["details"] != "maybe paid"
    assert "retry-after" not in reply.headers
    assert reply.seconds < 5 * SLOWNESS
    assert gemini_house.model.paid() == 4  # one for each image
    gemini_house.model.otherwise = draw()
    again = gemini_house.http.generate(key=name.replace(" ", "-"))
    assert again.status == 200, again.body


@pytest.mark.parametrize("name", BILLS)
def test_the_other_dialect_tells_of_the_bill_as_well(house, name):
    behaviour, words = BILLS[name]
    house.model.otherwise = behaviour
    detail = house.http.generate().must_fail(502, "ProviderError")
    assert words in detail["message"] and house.model.paid() == 1


@pytest.mark.parametrize("behaviour", [
    free_tier(limit=", limit: 10", tier=""),
    free_tier(limit=", limit: 0.5", tier="")])
def test_a_quota_that_comes_back_is_still_out_for_now(
        gemini_house, behaviour):
    gemini_house.model.otherwise = behaviour
    reply = gemini_house.http.generate(num_images=1)
    reply.must_fail(503, "Unavailable")
    assert int(reply.headers["retry-after"]) >= 34


# ----------------------------------------------------------- refusal and miss

QUOTA = problem(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted.")
DOWN = problem(503, "UNAVAILABLE", "The model is overloaded.")
WORDS = {"text": "I cannot draw that person."}

MISSES = {
    "NO_IMAGE": candidate("NO_IMAGE"),
    "IMAGE_OTHER": candidate("IMAGE_OTHER", message="Unable to show it."),
    "OTHER": candidate("OTHER"),
    "MAX_TOKENS": candidate("MAX_TOKENS", WORDS),
    "unknown": candidate("TIRED"),
    "STOP without words": candidate("STOP"),
    "block OTHER": prompt_feedback("OTHER"),
    "empty": json_reply(200, {}),
    "no candidate": json_reply(200, {"candidates": []}),
    "quota": json_reply(200, QUOTA),
    "overloaded": json_reply(200, DOWN),
    "quota in an array": json_reply(200, [QUOTA]),
    "error in words": json_reply(200, {"error": "upstream is down"}),
}

REFUSALS = {
    **{reason: candidate(reason) for reason in (
        "SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT",
        "IMAGE_PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION",
        "IMAGE_RECITATION")},
    **{f"block {reason}": prompt_feedback(reason) for reason in (
        "SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY")},
    "STOP with words": candidate("STOP", WORDS),
}

IMAGEN_MISSES = {
    "empty": json_reply(200, {}),
    "no prediction": json_reply(200, {"predictions": []}),
    "quota": json_reply(200, QUOTA),
    "overloaded": json_reply(200, DOWN),
    "quota in an array": json_reply(200, [QUOTA]),
}


def must_miss(house: House, behaviour, key: str) -> dict:
    """502, maybe paid, and the key is spent; what was told."""
    house.model.otherwise = behaviour
    reply = house.http.generate(num_images=1, key=key)
    detail = reply.must_fail(502, "ProviderError")
    assert detail["details"] == "maybe paid", detail
    assert "retry-after" not in reply.headers and house.model.paid() == 1
    house.model.otherwise = draw()
    again = house.http.generate(num_images=1, key=key)
    told = again.must_fail(409, "Conflict", "Idempotency-Key")
    assert told["details"] == "maybe paid" and house.model.paid() == 1
    return detail


@pytest.mark.parametrize("name", MISSES)
def test_a_miss_is_a_failure_that_may_be_paid(gemini_house, name):
    detail = must_miss(
        gemini_house, MISSES[name], "miss-" + name.replace(" ", "-"))
    assert name in detail["message"] or not name.isupper()


@pytest.mark.parametrize("name", IMAGEN_MISSES)
def test_a_miss_of_the_other_dialect_is_one_as_well(house, name):
    must_miss(house, IMAGEN_MISSES[name], "miss-" + name.replace(" ", "-"))


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_that_it_is_one_and_is_given_again(gemini_house, name):
    key = "no-" + name.replace(" ", "-")
    gemini_house.model.otherwise = REFUSALS[name]
    for _ in range(2):
        detail = gemini_house.http.generate(num_images=1, key=key).must_fail(
            422, "ContentFiltered")
        assert name.split()[-1] in detail["details"] or "STOP" in name
    assert gemini_house.model.paid() == 1


def test_a_miss_among_images_is_a_failure_of_its_own(gemini_house):
    gemini_house.model.script(draw(), candidate("NO_IMAGE"),
                              candidate("IMAGE_SAFETY"), draw())
    metadata = gemini_house.http.generate().json()["metadata"]
    assert metadata["num_images_generated"] == 2
    assert metadata["num_images_filtered"] == 1
    assert sorted(one["error"] for one in metadata["failures"]) == [
        "ContentFiltered", "ProviderError"]


def test_a_miss_among_quotas_is_what_is_told(gemini_house):
    """A client that came back as a quota asks would pay once more."""
    gemini_house.model.script(too_many("60s"), candidate("NO_IMAGE"),
                              too_many("60s"), too_many("60s"))
    reply = gemini_house.http.generate(key="mixed")
    detail = reply.must_fail(502, "ProviderError")
    assert detail["details"] == "maybe paid"
    assert "retry-after" not in reply.headers
