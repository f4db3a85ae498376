"""What a bucket says badly, or not at all, is no leave to replace what it has:
copies without a digest, listings without ETags, requests that fail.
"""

import re

import pytest

from house import wait_until
from pipeline import FOLDER, Story, two_hosts
from s3_double import CONDITIONS, Fault, denied, slow_down
from warehouse import change, key_of, make_due, state_of

OTHERS = b"what another host has made of it"


@pytest.fixture(scope="module", name="shared")
def shared_hosts():
    with two_hosts() as hosts:
        yield hosts


def story_of(shared, conditions: str) -> Story:
    double, both = shared
    double.forget()
    double.set_mode("up")
    double.may_list = True
    double.conditions = conditions
    story = Story(both)
    story.double = double
    return story


@pytest.fixture(name="story", params=CONDITIONS)
def a_story(shared, request):
    """One image; its hosts; the bucket takes conditions in its way."""
    story = story_of(shared, request.param)
    yield story
    assert not story.double.complaints, story.double.complaints


@pytest.fixture(name="kept")
def a_story_with_conditions(shared):
    """The same with a bucket that honours them."""
    return story_of(shared, "honours")


def push(story, which: int, *more: str):
    host = story.hosts[which]
    code, said = host.run("persist-job", story.job, str(story.folder(host)),
                          *more)
    return code, {one["path"]: one for one in said["troubles"]}


def image_path(story) -> str:
    return f"{FOLDER}/{story.id}.png"


def with_the_original_here(story):
    """Both folders have the image as it was made."""
    story.step("persist_alone", 0)
    for which in (0, 1):
        story.step("associate", which)
        assert story.here(story.hosts[which]) == story.original
    story.step("push", 0)


def edited(story, size: int | None = None) -> bytes:
    """A copy that is put there by hand, without a digest."""
    data = (OTHERS * (1 + len(story.original)))[:size or len(OTHERS)]
    story.double.put(story.key, data)
    return data


def without_etags():
    """A listing that has none."""
    def act(exchange):
        exchange.reply.body = re.sub(rb"<ETag>.*?</ETag>", b"",
                                     exchange.reply.body)
    return Fault("reply", act)


def is_listing(request) -> bool:
    return "list-type" in request.query


def test_a_copy_of_the_same_size_without_a_digest_is_not_replaced(story):
    with_the_original_here(story)
    there = edited(story, len(story.original))
    code, told = push(story, 1)
    assert code == 1 and "never had" in told[image_path(story)]["message"]
    assert story.there() == there
    assert push(story, 1, "--force")[0] == 0
    assert story.there() == story.original


def test_a_copy_that_may_not_be_read_is_not_replaced(story):
    with_the_original_here(story)
    there = edited(story, len(story.original))
    story.double.on(denied(), method="HEAD", key=story.key, times=None)
    code, told = push(story, 1)
    assert code == 1 and list(told) == [image_path(story)], told
    assert story.there() == there


@pytest.mark.parametrize("fault", [slow_down(), denied()],
                         ids=["503", "403"])
def test_an_image_of_which_nothing_is_known_does_not_replace(story, fault):
    """This host knows the image by the bucket alone, which does not say."""
    with_the_original_here(story)
    there = edited(story)
    host = story.hosts[1]
    change(host.house, "UPDATE images SET sha256 = '' WHERE id = ?", story.id)
    story.double.on(fault, method="HEAD", key=key_of(story.id), times=None)
    host.run("persist-job", story.job, str(story.folder(host)))
    assert story.there() == there


@pytest.mark.parametrize("more", [[], ["--force"]], ids=["plain", "forced"])
@pytest.mark.parametrize("is_denied", [False, True])
def test_an_image_of_the_store_never_replaces(story, more, is_denied):
    """Force takes what the folder has, and it has none."""
    with_the_original_here(story)
    there = edited(story)
    story.step("drop", 0)
    if is_denied:
        story.double.on(denied(), method="HEAD", key=story.key, times=None)
    code, told = push(story, 0, *more)
    assert code == 1 and list(told) == [image_path(story)], told
    assert "download the job" in told[image_path(story)]["message"]
    assert story.there() == there
    story.double.set_mode("up")


def test_a_version_whose_etag_was_not_listed_has_a_condition(kept):
    story = kept
    with_the_original_here(story)
    story.double.on(without_etags(), method="GET", key="", times=None,
                    when=is_listing)
    story.step("edit", 0)
    mark = len(story.double.asked("PUT"))
    assert push(story, 0) == (0, {})
    assert story.there() == story.here(story.hosts[0])
    asked = story.double.asked("PUT")[mark:]
    assert len(asked) == 2 and all(one.header("if-match") for one in asked)


def test_a_stranger_under_the_key_of_an_image_is_not_replaced(story):
    story.double.put(key_of(story.id), OTHERS)
    code, said = story.hosts[0].run("persist", story.id)
    assert code == 1 and "without a digest" in said["detail"]["message"], said
    assert story.double.objects[key_of(story.id)].data == OTHERS


def test_the_queue_replaces_no_stranger(story):
    story.double.set_mode("slow_down")
    story.hosts[0].run("persist", story.id)
    story.double.set_mode("up")
    story.double.put(key_of(story.id), OTHERS)
    house = story.hosts[0].house
    make_due(house)
    house.uploader.start()
    try:
        wait_until(lambda: state_of(house, story.id)[0] == "failed",
                   "the queue", 20.0)
    finally:
        house.uploader.end()
    assert story.double.objects[key_of(story.id)].data == OTHERS


def test_who_may_not_list_associates_by_a_put(kept):
    """A look before a copy says 403, and the copy's condition is no guard."""
    story = kept
    story.step("persist_alone", 0)
    story.double.may_list = False
    code, said = story.hosts[0].run("associate", story.job, story.id)
    assert code == 0 and said["images"][0]["status"] == "uploaded", said
    assert story.there() == story.original
    story.double.put(story.key, OTHERS)
    code, said = story.hosts[0].run("associate", story.job, story.id)
    assert code == 0 and story.there() == OTHERS, said
