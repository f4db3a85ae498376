"""What two writers of one object do to each other, step by step: the other one
comes between what a writer sees and its write, or a reply is lost.
"""

import contextlib
import hashlib
import threading
import time

import pytest

from house import SLOWNESS, wait_until
from pipeline import FOLDER, Story, two_hosts
from s3_double import CONDITIONS, close, internal_error, stall
from warehouse import change, key_of, make_due, state_of

OTHERS = b"what another host has made of it"


@pytest.fixture(scope="module", name="shared")
def shared_hosts():
    with two_hosts() as hosts:
        yield hosts


@pytest.fixture(name="story", params=CONDITIONS)
def a_story(shared, request):
    """One image; its hosts; the bucket takes conditions in its way."""
    double, both = shared
    double.forget()
    double.conditions = request.param
    story = Story(both)
    story.double = double
    yield story
    assert not double.complaints, double.complaints


def bring(story, data: bytes, key: str = ""):
    """Somebody else's PUT, as a host of ours would make it."""
    story.double.put(key or story.key, data).metadata["sha256"] = \
        hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def between(story, deed, method: str, key: str = "", at: str = "headers",
            match=lambda request: True):
    """Does something while a request of ours waits at the bucket's door."""
    key = key or story.key
    rule = story.double.on(stall(at), method=method, key=key, when=match)

    def run():
        rule.wait_taken(1, 30.0 * SLOWNESS)
        deed()
        rule.release()
    other = threading.Thread(target=run)
    other.start()
    try:
        yield
    finally:
        rule.release()
        other.join()


def push(story, which: int = 0, *more: str):
    host = story.hosts[which]
    story.folder(host).mkdir(parents=True, exist_ok=True)
    code, said = host.run("persist-job", story.job,
                          str(story.folder(host)), *more)
    return code, said, {one["path"]: one for one in said["troubles"]}


def image_path(story) -> str:
    return f"{FOLDER}/{story.id}.png"


def begin(story, edited: bool = True):
    """The job is in the bucket, and the copy here is edited since."""
    story.step("associate", 0)
    story.step("push", 0)
    if edited:
        story.step("edit", 0)


# ------------------------------------------------------- persist-job and others


def test_what_came_since_the_listing_is_told_by_name(story):
    begin(story)
    with between(story, lambda: bring(story, OTHERS), "HEAD"):
        code, said, told = push(story)
    assert code == 1 and list(told) == [image_path(story)], said
    assert told[image_path(story)]["error"] == "Conflict"
    assert "another host has persisted the job meanwhile" in \
        told[image_path(story)]["message"]
    assert story.there() == OTHERS
    code, said, _ = push(story)  # whose listing shows it
    assert code == 0 and story.there() == story.here(story.hosts[0]), said


def test_force_replaces_it(story):
    begin(story)
    with between(story, lambda: bring(story, OTHERS), "PUT"):
        code, said, told = push(story, 0, "--force")
    assert code == 0 and not told, said
    assert story.there() == story.here(story.hosts[0])
    assert not [one for one in story.double.asked("PUT", story.key)[2:]
                if one.header("if-match") or one.header("if-none-match")]


def test_a_new_file_does_not_replace_what_came_since_the_listing(story):
    """But where a PUT's condition is passed over: the later one stays."""
    path = story.folder(story.hosts[0]) / "scenes/take.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"ours")
    key = f"videos/{story.job}/intermediate/scenes/take.mp4"
    with between(story, lambda: bring(story, OTHERS, key), "PUT", key):
        code, said, told = push(story)
    if story.double.conditions == "ignores":
        assert code == 0 and story.double.objects[key].data == b"ours", said
        return
    assert code == 1 and list(told) == ["scenes/take.mp4"], said
    assert story.double.objects[key].data == OTHERS


def test_the_same_bytes_from_another_host_are_no_conflict(story):
    begin(story)
    edited = story.here(story.hosts[0])
    with between(story, lambda: bring(story, edited), "HEAD"):
        code, said, told = push(story)
    assert code == 0 and not told, said
    assert push(story)[1]["unchanged"] == 1


@pytest.mark.parametrize("is_new", [False, True])
def test_a_lost_reply_to_our_own_put_is_no_conflict(story, is_new):
    begin(story, edited=not is_new)
    if is_new:
        path = story.folder(story.hosts[0]) / "scenes/take.mp4"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"ours")
    key = f"videos/{story.job}/intermediate/scenes/take.mp4" if is_new \
        else story.key
    story.double.on(close("reply"), method="PUT", key=key,
                    when=lambda one: story.double.conditions != "refuses"
                    or not (one.header("if-match")
                            or one.header("if-none-match")))
    code, said, told = push(story)
    assert code == 0 and not told, (said, story.double.story())
    assert story.double.objects[key].puts == (
        2 if story.double.conditions == "ignores" and is_new else
        1 if is_new else story.double.objects[key].puts)
    assert push(story)[1]["sent"] == 0


def test_a_version_that_is_gone_is_written_as_a_new_one(story):
    begin(story)
    with between(story, lambda: story.double.objects.pop(story.key), "HEAD"):
        code, said, _ = push(story)
    assert code == 0 and story.there() == story.here(story.hosts[0]), said


def test_an_image_that_was_put_back_replaces_the_edited_copy(story):
    begin(story)
    assert push(story)[0] == 0
    story.file(story.hosts[0]).write_bytes(story.original)
    code, said, _ = push(story)
    assert code == 0 and story.there() == story.original, said


def test_an_image_as_it_was_made_never_replaces_an_edited_copy(story):
    """Associated here before the other host edited, or behind its back."""
    story.step("persist_alone", 0)
    story.step("associate", 1)
    assert story.here(story.hosts[1]) == story.original
    begin(story)
    assert push(story)[0] == 0
    edited = story.there()
    code, said, told = push(story, 1)
    assert code == 1 and "never had" in told[image_path(story)]["message"], said
    assert story.there() == edited
    code, said, told = push(story, 1, "--force")
    assert code == 0 and story.there() == story.original, said


def test_an_image_of_the_store_alone_does_not_replace_an_edited_copy(story):
    begin(story)
    assert push(story)[0] == 0
    edited = story.there()
    story.step("drop", 0)
    for more in ([], ["--force"]):
        code, said, told = push(story, 0, *more)
        assert code == 0 and not told, said
        assert story.there() == edited
    back = story.hosts[1]
    code, said = back.run("download-job", story.job, str(story.folder(back)))
    assert code == 0 and story.here(back) == edited, said
    code, said = back.run("verify-job", story.job, str(story.folder(back)))
    assert code == 0, said


def test_a_manifest_of_another_host_is_told_of(story):
    begin(story)
    key = f"videos/{story.job}/manifest.json"
    with between(story, lambda: bring(story, b'{"other": 1}', key), "HEAD",
                 key):
        code, said, told = push(story)
    assert code == 1 and list(told) == ["manifest.json"], said
    assert story.double.objects[key].data == b'{"other": 1}'
    assert push(story)[0] == 0


# ----------------------------------------------------- association and the queue


@pytest.mark.parametrize("alone", [False, True])
def test_a_copy_that_comes_just_before_ours_is_kept(story, alone):
    """The copy comes after the first look, before that of the write."""
    if alone:
        story.step("persist_alone", 0)
    seen = []
    with between(story, lambda: bring(story, OTHERS), "HEAD",
                 match=lambda one: seen.append(one) or len(seen) == 2):
        code, said = story.hosts[0].run("associate", story.job, story.id)
    assert code == 0 and said["images"][0]["status"] == "kept", said
    assert story.there() == OTHERS
    assert state_of(story.hosts[0].house, story.id, story.job)[0] == "done"


@pytest.mark.parametrize("fault", [close("reply"), internal_error("reply")],
                         ids=["cut", "500"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_lost_reply_to_an_association_is_a_success(story, alone, fault):
    if alone:
        story.step("persist_alone", 0)
    story.double.on(fault, method="PUT", key=story.key,
                    when=lambda one: story.double.conditions != "refuses"
                    or not one.header("if-none-match"))
    code, said = story.hosts[0].run("associate", story.job, story.id)
    assert code == 0, (said, story.double.story())
    assert said["images"][0]["status"] in ("copied", "uploaded")
    assert story.double.objects[story.key].puts == 1
    assert story.there() == story.original


def test_no_copy_is_sent_again_without_a_look(story):
    """What persist-job brings between two attempts of a COPY stays."""
    story.step("persist_alone", 0)
    fails = story.double.on(
        internal_error(), method="PUT", key=story.key,
        when=lambda one: bring(story, OTHERS) or True)
    code, said = story.hosts[0].run("associate", story.job, story.id)
    if story.double.conditions != "refuses":
        assert fails.taken == 1
    assert code == 0 and said["images"][0]["status"] == "kept", said
    assert story.there() == OTHERS


def test_the_window_is_one_round_trip_on_one_connection(story):
    story.step("persist_alone", 0)
    story.hosts[0].run("associate", story.job, story.id)
    asked = [one for one in story.double.asked(key=story.key)
             if one.method in ("HEAD", "PUT")]
    copy = max(i for i, one in enumerate(asked) if one.method == "PUT")
    assert asked[copy - 1].method == "HEAD"
    assert asked[copy].nth > 1  # a kept connection
    print(f"{asked[copy].at - asked[copy - 1].at:.4f} s")


def test_the_queue_keeps_what_persist_job_has_brought(story):
    """The object waits, the copy is persisted, the uploader comes."""
    host = story.hosts[0]
    story.double.set_mode("slow_down")
    code, said = host.run("associate", story.job, story.id)
    assert code == 1 and said["images"][0]["status"] == "queued", said
    story.double.set_mode("up")
    bring(story, OTHERS)
    make_due(host.house)
    host.house.uploader.start()
    try:
        wait_until(lambda: state_of(host.house, story.id, story.job)[0]
                   == "done", "the queue", 20.0)
        change(host.house, "UPDATE objects SET verified_at = 1")
        time.sleep(0.1)
    finally:
        host.house.uploader.end()
    assert story.there() == OTHERS
    assert state_of(host.house, story.id, story.job)[2] == ""
    code, said = host.run("url", story.id, "--job", story.job)
    assert code == 0 and said["cloud_path"] == story.key


def test_a_look_at_a_jobs_copy_says_nothing_of_the_image(story):
    """A host that meets the edited copy first is not misled by its bytes."""
    story.step("persist_alone", 0)
    bring(story, OTHERS)
    host = story.hosts[1]
    code, said = host.run("url", story.id, "--job", story.job)
    assert code == 0, said
    code, said = host.run("associate", story.job, story.id)
    assert code == 0 and said["images"][0]["status"] == "kept", said
    assert story.here(host) == OTHERS
    code, said = host.run("associate", f"{story.job}-2", story.id)
    assert code == 0 and said["images"][0]["status"] == "copied", said
    assert host.shelf.get(key_of(story.id, f"{story.job}-2")) == \
        story.original
    code, said = host.say("reindex")
    assert code == 0 and "conflicts   0 " in said, said


def test_the_command_tells_of_a_kept_copy(story):
    begin(story)
    assert push(story)[0] == 0
    done = story.hosts[0].house.charref("associate", story.job, story.id)
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1 and story.key in done.stdout
    assert done.stderr.startswith(f"{story.id}: kept: "), done.stderr
    done = story.hosts[0].house.charref(
        "persist", story.id, str(story.file(story.hosts[0])), "--job",
        story.job)
    assert done.returncode == 1  # these are other bytes than the image's
    story.file(story.hosts[0]).write_bytes(story.original)
    done = story.hosts[0].house.charref(
        "persist", story.id, str(story.file(story.hosts[0])), "--job",
        story.job)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1 and story.key in done.stdout
    assert done.stderr.startswith(f"{story.id}: kept: "), done.stderr


