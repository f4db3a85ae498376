"""Idempotency-Key: the same key never pays twice, whatever happens."""

import json
import signal
import threading
import time

import pytest

import pictures
from house import SLOWNESS
from model_double import (GEMINI, blocked_prompt, candidate, cut_off, draw,
                          filtered, hang_up, raw_reply, refuse, silence,
                          too_many, unavailable)
from wire import GENERATE


def start(house, key: str, description: str = "A robot", **fields):
    """A generation in a thread; the reply (or exception) lands in a list."""
    got: list = []

    def run():
        try:
            got.append(house.http.generate(description, key=key, **fields))
        except OSError as why:
            got.append(why)
    thread = threading.Thread(target=run)
    thread.start()
    return thread, got


def same(first, second) -> bool:
    """Are these the same images with the same bytes?"""
    return first.images() == second.images()


def test_a_replay_gives_the_same_images_without_a_call(house):
    first = house.http.generate(key="k1", num_images=3)
    again = house.http.generate(key="k1", num_images=3)
    assert same(first, again)
    assert first.json()["metadata"] == again.json()["metadata"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-length"] == str(len(again.body))
    assert house.model.paid() == 1


def test_a_replay_can_leave_the_base64_out_or_bring_it_big(house):
    """It is read from the files then, in steps."""
    house.model.otherwise = draw(make=pictures.big_png)
    first = house.http.generate(key="big", num_images=2)
    again = house.http.generate(key="big", num_images=2)
    assert same(first, again)
    house.model.otherwise = draw()
    short = house.http.generate(key="short", include_base64=False)
    again = house.http.generate(key="short", include_base64=False)
    assert same(short, again)
    assert again.images()[0]["base64"] is None


def test_a_replay_of_an_image_that_was_removed_says_so(house):
    """base64 is null then; nothing torn, and nothing paid again."""
    first = house.http.generate(key="removed", num_images=2)
    name = first.images()[0]["path"].rpartition("/")[2]
    (house.store / name).rename(house.folder / name)
    again = house.http.generate(key="removed", num_images=2)
    (house.folder / name).rename(house.store / name)
    assert again.images()[0]["base64"] is None
    assert again.images()[1] == first.images()[1]
    assert house.model.paid() == 1


def test_every_worker_replays(house):
    """One worker per connection: many at once meet different ones."""
    from concurrent.futures import ThreadPoolExecutor
    first = house.http.generate(key="k2", num_images=2)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(
            lambda _: house.http.generate(key="k2", num_images=2), range(16)))
    assert all(same(first, reply) for reply in replies)
    assert house.model.paid() == 1


def test_a_replay_survives_the_restart_of_all_workers(new_house):
    house = new_house()
    first = house.http.generate(key="k", num_images=2)
    for pool in house.pools.values():
        pool.end()
    for pool in house.pools.values():
        pool.start(1)
    assert same(first, house.http.generate(key="k", num_images=2))
    assert house.model.paid() == 1


def test_a_replay_survives_the_sudden_death_of_all_workers(new_house):
    house = new_house()
    first = house.http.generate(key="k", num_images=2)
    for pool in house.pools.values():
        pool.end(signal.SIGKILL)
        pool.start(1)
    assert same(first, house.http.generate(key="k", num_images=2))
    assert house.model.paid() == 1


def test_a_partly_filtered_answer_is_replayed_as_it_was(house):
    house.model.script(filtered(2))
    first = house.http.generate(key="k3")
    again = house.http.generate(key="k3")
    assert same(first, again)
    assert first.json()["metadata"] == again.json()["metadata"]


def test_the_body_counts_as_it_was_sent(house):
    house.http.generate(key="k4", num_images=1)
    house.http.generate("Another", key="k4", num_images=1).must_fail(
        422, "ValidationError", "Idempotency-Key")
    house.http.generate(key="k4", num_images=2).must_fail(
        422, "ValidationError", "Idempotency-Key")
    assert house.model.paid() == 1


def test_different_keys_are_different_requests(house):
    first = house.http.generate(key="k5", num_images=1)
    other = house.http.generate(key="K5", num_images=1)
    assert first.images()[0]["id"] != other.images()[0]["id"]


def test_without_a_key_nothing_is_replayed(house):
    first = house.http.generate(num_images=1)
    again = house.http.generate(num_images=1)
    assert first.images()[0]["id"] != again.images()[0]["id"]


def test_a_bad_body_does_not_use_the_key_up(house):
    house.http.generate(key="k6", num_images=10).must_fail(
        422, "ValidationError", "num_images")
    assert house.http.generate(key="k6", num_images=1).status == 200


def test_a_second_request_meets_409_while_the_first_runs(house):
    house.model.otherwise = draw(delay=1.5)
    thread, got = start(house, "k7", num_images=1)
    house.model.wait_for_calls(1)
    second = house.http.generate("A robot", key="k7", num_images=1)
    detail = second.must_fail(409, "Conflict", "Idempotency-Key")
    assert int(second.headers["retry-after"]) >= 1
    assert "running" in detail["message"]
    thread.join()
    assert same(got[0], house.http.generate("A robot", key="k7",
                                            num_images=1))
    assert house.model.paid() == 1


def test_twenty_at_once_pay_once(house):
    house.model.otherwise = draw(delay=0.3)
    threads = [start(house, "k8", num_images=1) for _ in range(20)]
    for thread, _ in threads:
        thread.join()
    replies = [got[0] for _, got in threads]
    good = [reply for reply in replies if reply.status == 200]
    assert good and all(same(good[0], reply) for reply in good)
    for reply in replies:
        if reply.status != 200:
            reply.must_fail(409, "Conflict")
    assert house.model.paid() == 1


def test_a_death_inside_the_paid_call_is_never_repeated(new_house):
    house = new_house(workers={"slow": 1})
    house.model.otherwise = silence()
    thread, got = start(house, "k", num_images=1)
    house.model.wait_for_calls(1)
    slow = house.pools["slow"]
    slow.end(signal.SIGKILL)
    thread.join()
    assert got[0].status == 502, got
    got[0].error()
    slow.start(1)
    house.model.otherwise = draw()
    for _ in range(2):
        reply = house.http.generate("A robot", key="k", num_images=1)
        detail = reply.must_fail(409, "Conflict", "Idempotency-Key")
        assert detail["details"] == "maybe paid"
    assert house.model.paid() == 1
    assert house.http.generate("A robot", key="new",
                               num_images=1).status == 200


def test_a_stop_inside_the_paid_call_waits_for_it(new_house):
    """SIGTERM is no accident: what is paid is finished and answered."""
    house = new_house(workers={"slow": 1})
    house.model.otherwise = draw(delay=1.5)
    thread, got = start(house, "k", num_images=1)
    house.model.wait_for_calls(1)
    slow = house.pools["slow"]
    assert slow.end(signal.SIGTERM) == [0]
    thread.join()
    slow.start(1)
    assert same(got[0], house.http.generate("A robot", key="k",
                                            num_images=1))
    assert house.model.paid() == 1


@pytest.mark.parametrize("behaviour, status", [
    (too_many("60s"), 503), (too_many("1s", per_day=True), 503),
    (unavailable(Retry_After="600"), 503), (blocked_prompt(), 422),
    (refuse(400, "INVALID_ARGUMENT"), 502), (refuse(403, "DENIED"), 502)])
def test_a_refusal_that_costs_nothing_lets_the_key_go(house, request,
                                                      behaviour, status):
    key = "free-" + request.node.callspec.id[:200]
    house.model.script(behaviour)
    assert house.http.generate(key=key, num_images=1).status == status
    reply = house.http.generate(key=key, num_images=1)
    assert reply.status == 200, reply.body


def test_all_filtered_is_an_answer_that_is_given_again(house):
    house.model.script(filtered(0))
    first = house.http.generate(key="k9")
    first.must_fail(422, "ContentFiltered")
    again = house.http.generate(key="k9")
    detail = again.must_fail(422, "ContentFiltered")
    assert detail["details"] == first.error()["details"]
    assert detail["message"] == first.error()["message"]
    assert house.model.paid() == 1


def test_a_refusal_of_the_newer_model_is_given_again(new_house):
    house = new_house(IMAGE_MODELS=GEMINI)
    house.model.script(candidate("IMAGE_SAFETY", message="Unsafe."))
    for _ in range(2):
        detail = house.http.generate(key="k", num_images=1).must_fail(
            422, "ContentFiltered")
        assert detail["details"] == "Unsafe."
    assert house.model.paid() == 1


@pytest.mark.parametrize("behaviour, status", [
    (hang_up(), 502), (cut_off(), 502), (silence(), 504),
    (refuse(500, "INTERNAL"), 502), (raw_reply(502, b"<html>"), 502),
    (refuse(504, "DEADLINE_EXCEEDED"), 504)])
def test_what_may_have_been_paid_keeps_the_key(new_house, behaviour, status):
    house = new_house(GENERATE_DEADLINE="1", workers={"slow": 1})
    house.model.otherwise = behaviour
    assert house.http.generate(key="k", num_images=1).status == status
    paid = house.model.paid()
    reply = house.http.generate(key="k", num_images=1)
    reply.must_fail(409, "Conflict", "Idempotency-Key")
    assert house.model.paid() == paid


def test_a_model_that_is_down_lets_the_key_go(new_house):
    from house import free_port
    house = new_house(IMAGE_BASE_URL=f"http://127.0.0.1:{free_port()}",
                      GENERATE_DEADLINE="5", workers={"slow": 1})
    for _ in range(2):
        house.http.generate(key="k", num_images=1).must_fail(
            503, "Unavailable")


def test_a_full_disk_lets_the_key_go(new_house):
    house = new_house(DISK_RESERVE_MB="1000000000")
    for _ in range(2):
        house.http.generate(key="k", num_images=1).must_fail(
            507, "StorageFull")


def test_a_client_that_leaves_in_the_middle_finds_its_images(new_house):
    """It is paid for, so it is kept, and the key brings it."""
    house = new_house(workers={"slow": 1})
    house.model.otherwise = draw(delay=0.7)
    body = json.dumps({"character_description": "A robot", "num_images": 1})
    link = house.pools["slow"].wire().send(
        "POST", GENERATE, body.encode(), HTTP_IDEMPOTENCY_KEY="k")
    house.model.wait_for_calls(1)
    link.close()
    end = time.monotonic() + 5 * SLOWNESS
    while time.monotonic() < end:
        reply = house.http.generate("A robot", key="k", num_images=1)
        if reply.status != 409:
            break
        time.sleep(0.1)
    assert reply.pictures() == house.model.given
    assert house.model.paid() == 1


def test_asking_about_a_running_request_does_not_end_its_claim(house):
    house.model.otherwise = draw(delay=1.0)
    thread, got = start(house, "k10", num_images=1)
    house.model.wait_for_calls(1)
    for _ in range(5):
        house.http.generate("A robot", key="k10", num_images=1).must_fail(
            409, "Conflict")
    thread.join()
    assert got[0].status == 200, got[0].body
    assert house.model.paid() == 1
