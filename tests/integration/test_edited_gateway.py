"""The same against a real server that keeps the conditions of a PUT and
passes over those of a COPY and of a completed upload: the Ceph Object Gateway.
"""

import os
import time

import botocore.exceptions
import pytest

from pipeline import (EDITED, WHOLE_LIFE, Host, Story, play, shelf_of_gateway,
                      some_order)
from test_jobs import cloud_of
from test_jobs_cli import Sluice

MIB = 1 << 20
FROM = 64 * MIB
OTHERS = b"what another host has made of it"
STORIES = 4


@pytest.fixture(scope="module", name="place")
def a_bucket(gateway):
    """A new bucket and how two hosts see it."""
    bucket = gateway.new_bucket()
    shelf = shelf_of_gateway(gateway, bucket)
    both = [Host(cloud_of(gateway, bucket), shelf) for _ in range(2)]
    try:
        yield gateway, bucket, both
    finally:
        for one in both:
            one.end()


@pytest.mark.parametrize("begin", [[], [("persist_alone", 0)]])
def test_a_whole_life_on_two_hosts(place, begin):
    play(Story(place[2]), [*begin, *WHOLE_LIFE])


@pytest.mark.parametrize("name", ["persist", "associate", "push"])
def test_the_other_host_keeps_the_edited_copy(place, name):
    play(Story(place[2]), [("persist_alone", 0), *EDITED, (name, 1),
                           (name, 0)])


@pytest.mark.parametrize("seed", range(100, 100 + STORIES))
def test_random_orders_keep_the_edited_copy(place, seed):
    play(Story(place[2]), some_order(seed, 8))


def test_what_this_server_makes_of_conditions(place):
    """What the design rests on; another version may do better."""
    gateway, bucket, _ = place
    boto = gateway.client()
    etag = boto.put_object(Bucket=bucket, Key="a", Body=b"1")["ETag"]
    assert etag.startswith('"')
    assert boto.head_object(Bucket=bucket, Key="a")["ETag"] == etag
    assert boto.list_objects_v2(Bucket=bucket, Prefix="a")["Contents"][0][
        "ETag"] == etag
    answers = {}
    for condition in ("*", etag, etag.strip('"')):
        def add(request, condition=condition, **_):
            name = "If-None-Match" if condition == "*" else "If-Match"
            request.headers[name] = condition
        boto.meta.events.register("before-sign.s3.PutObject", add)
        try:
            boto.put_object(Bucket=bucket, Key="a", Body=b"1")
            answers[condition] = 200
        except botocore.exceptions.ClientError as why:
            answers[condition] = why.response["ResponseMetadata"][
                "HTTPStatusCode"]
        boto.meta.events.unregister("before-sign.s3.PutObject", add)
    assert answers["*"] == 412 and answers[etag.strip('"')] == 200, answers
    print(answers)


def big_job(story, host):
    """A job with a file that goes up in parts."""
    path = story.folder(host) / "final/film.mp4"
    path.parent.mkdir(parents=True)
    with open(path, "wb") as f:
        for _ in range(FROM // MIB + 1):
            f.write(os.urandom(MIB))
    return path, f"videos/{story.job}/final/film.mp4"


@pytest.mark.parametrize("had", [False, True])
def test_a_completed_upload_replaces_only_what_was_listed(gateway, had):
    """Somebody else's object comes while the parts are on their way."""
    bucket = gateway.new_bucket()
    boto = gateway.client()
    sluice = Sluice(gateway.port, FROM // 2)
    host = Host(cloud_of(gateway, bucket, sluice.url),
                shelf_of_gateway(gateway, bucket))
    try:
        story = Story([host])
        path, key = big_job(story, host)
        if had:
            boto.put_object(Bucket=bucket, Key=key, Body=b"of old")
        words = ["persist-job", story.job, str(story.folder(host)), "--json"]
        host.commands.stdin.write(" ".join(words) + "\n")
        host.commands.stdin.flush()
        end = time.monotonic() + 60
        while sluice.left > 0:
            assert time.monotonic() < end, "no part went up"
            time.sleep(0.02)
        boto.put_object(Bucket=bucket, Key=key, Body=OTHERS)
        sluice.left = 1 << 40
        said = ""
        while not (line := host.commands.stdout.readline()).startswith("= "):
            said += line
        assert line == "= 1\n" and "final/film.mp4" in said, said
        assert "another host has persisted the job meanwhile" in said
        assert host.shelf.get(key) == OTHERS
        code, said = host.run(*words[:-1])  # sends no part again
        assert code == 0 and host.shelf.get(key) == path.read_bytes(), said
        assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)
    finally:
        sluice.close()
        host.end()
