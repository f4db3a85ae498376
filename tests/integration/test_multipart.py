"""Uploads in parts by our client, against a real server, the Ceph Object
Gateway, and against boto3's opinion of what came of them.

What was sent is counted by the gateway's own log of requests.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import signal

import pytest

from house import BUILD, missing, wait_until
from test_s3_gateway import Bucket

PART = 16 << 20
FROM = 64 << 20
FLAT_KB = 4 << 10  # what twenty parts may add to the memory that four take
KEY = "videos/j/final/a b+ü.mp4"


@pytest.fixture
def bucket(gateway, tmp_path):
    if not (BUILD / "tools/s3").exists():
        missing("tools/s3 is missing: make F=... units")
    return Bucket(gateway, tmp_path)


def film(bucket, size: int) -> tuple[str, str]:
    """A file of that size, with a time of its own: its path and digest."""
    path = bucket.folder / f"film-{size}"
    digest = hashlib.sha256()
    with open(path, "wb") as f:
        for begin in range(0, size, PART):
            data = os.urandom(min(PART, size - begin))
            digest.update(data)
            f.write(data)
    os.utime(path, ns=(1577836800123456789, 1577836800123456789))
    return str(path), digest.hexdigest()


def parts_sent(bucket) -> list[int]:
    """The parts that the gateway has taken, by its log."""
    log = (bucket.gateway.folder / "log/client.rgw.log").read_text()
    return sorted(int(number) for number in re.findall(
        rf'"PUT /{bucket.name}/\S+\?partNumber=(\d+)&uploadId=\S+ '
        r'HTTP/1.1" 200 ', log))


def assert_there(bucket, path: str, digest: str, parts: int, etag: str):
    seen = bucket.boto.get_object(Bucket=bucket.name, Key=KEY)
    got = hashlib.sha256()
    for piece in seen["Body"].iter_chunks(1 << 20):
        got.update(piece)
    assert got.hexdigest() == digest
    assert seen["ContentLength"] == os.path.getsize(path)
    assert seen["ContentType"] == "video/mp4"
    assert seen["Metadata"] == {"sha256": digest,
                                "mtime": "1577836800.123456789"}
    assert "CacheControl" not in seen
    assert seen["ETag"] == f'"{etag}"'
    assert etag.endswith(f"-{parts}")
    md5s = b""
    with open(path, "rb") as f:
        while piece := f.read(PART):
            md5s += hashlib.md5(piece, usedforsecurity=False).digest()
    whole = hashlib.md5(md5s, usedforsecurity=False).hexdigest()
    assert etag == f"{whole}-{parts}"
    assert uploads(bucket) == []


def uploads(bucket) -> list[tuple[str, str]]:
    listed = bucket.boto.list_multipart_uploads(Bucket=bucket.name)
    assert not listed["IsTruncated"]
    return [(one["Key"], one["UploadId"])
            for one in listed.get("Uploads", ())]


@pytest.mark.parametrize("size, parts", [
    (FROM + 1, 5), (FROM, 4), (FROM - 1, 4), (1, 1)])
def test_boto3_finds_the_bytes_and_what_is_said_of_them(bucket, size, parts):
    path, digest = film(bucket, size)
    lines, _ = bucket.must("upload", path, KEY, "")
    assert [line["arrived"] for line in lines if "arrived" in line].count(
        PART) == size // PART
    assert sum(line.get("arrived", 0) for line in lines) == size
    assert parts_sent(bucket) == list(range(1, parts + 1))
    assert_there(bucket, path, digest, parts, lines[-1]["etag"])
    [head], _ = bucket.must("head", KEY)
    assert (head["size"], head["sha256"], head["mtime_ns"], head["etag"]) == (
        size, digest, 1577836800123456789, lines[-1]["etag"])


@pytest.mark.plain
def test_memory_does_not_grow_with_the_file(bucket):
    path, _ = film(bucket, 4 * PART)
    _, few = bucket.must("upload", path, KEY, "")
    path, _ = film(bucket, 20 * PART)
    _, many = bucket.must("upload", path, KEY + ".2", "")
    assert many["peak_kb"] - few["peak_kb"] < FLAT_KB, (few, many)


def kill_midway(bucket, path: str) -> str:
    """Starts an upload and kills it when a part has arrived: its id."""
    process = bucket.start("upload", path, KEY, "")
    begun = json.loads(process.stdout.readline())["begun"]
    assert json.loads(process.stdout.readline())["arrived"] > 0
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    return begun


def parts_there(bucket, upload: str) -> dict[int, str]:
    listed = bucket.boto.list_parts(Bucket=bucket.name, Key=KEY,
                                    UploadId=upload)
    return {part["PartNumber"]: part["ETag"]
            for part in listed.get("Parts", ())}


def test_a_killed_upload_goes_on_with_what_is_missing(bucket):
    parts = 20
    path, digest = film(bucket, parts * PART - 7)
    upload = kill_midway(bucket, path)
    there = parts_there(bucket, upload)
    assert 0 < len(there) < parts
    # What was still being read when the process died may yet be logged.
    wait_until(lambda: set(there) <= set(parts_sent(bucket)), "the log")
    lines, _ = bucket.must("upload", path, KEY, upload)
    assert not [line for line in lines if "begun" in line]
    assert sum(line.get("arrived", 0) for line in lines) == parts * PART - 7
    assert parts_sent(bucket) == list(range(1, parts + 1))  # each once
    assert_there(bucket, path, digest, parts, lines[-1]["etag"])


def test_a_completed_upload_that_is_gone_on_with_sends_nothing(bucket):
    path, digest = film(bucket, FROM + 1)
    lines, _ = bucket.must("upload", path, KEY, "")
    again, _ = bucket.must("upload", path, KEY, lines[0]["begun"])
    assert again[-1]["etag"] == lines[-1]["etag"]
    assert sum(line.get("arrived", 0) for line in again) == FROM + 1
    assert parts_sent(bucket) == [1, 2, 3, 4, 5]
    assert_there(bucket, path, digest, 5, lines[-1]["etag"])


def test_an_upload_that_somebody_aborted_is_begun_anew(bucket):
    path, digest = film(bucket, FROM + 1)
    upload = kill_midway(bucket, path)
    bucket.boto.abort_multipart_upload(Bucket=bucket.name, Key=KEY,
                                       UploadId=upload)
    lines, _ = bucket.must("upload", path, KEY, upload)
    assert lines[0]["begun"] != upload
    assert_there(bucket, path, digest, 5, lines[-1]["etag"])


def test_bytes_that_are_not_those_of_the_digest_leave_nothing(bucket):
    path, _ = film(bucket, FROM)
    lines, _ = bucket.ask("upload", path, KEY, "", CLAIM_SHA256="0" * 64,
                          AWS_MAX_ATTEMPTS="1")
    assert (lines[-1]["fault"], lines[-1]["field"]) == ("CONFLICT", "file")
    assert uploads(bucket) == [] and bucket.keys_of_boto() == []


def test_a_sweep_leaves_none_but_what_is_wanted(bucket):
    path, _ = film(bucket, FROM + 1)
    wanted = kill_midway(bucket, path)
    keys = [f"videos/j/{name}" for name in (
        "100%", "a%2Fb", "a b", "a+b", "ü&<>", "x" * 1000)]
    for key in keys:
        bucket.boto.create_multipart_upload(Bucket=bucket.name, Key=key)
    bucket.boto.create_multipart_upload(Bucket=bucket.name, Key="videos/k/a")
    lines, _ = bucket.must("sweep", "videos/j/", wanted)
    assert lines[0]["aborted"] == len(keys)
    assert sorted(key for key, _ in uploads(bucket)) == [KEY, "videos/k/a"]
    lines, _ = bucket.must("sweep", "videos/")
    assert lines[0]["aborted"] == 2
    assert uploads(bucket) == []
    lines, _ = bucket.must("sweep", "videos/")
    assert lines[0]["aborted"] == 0


def test_a_sweep_goes_through_all_pages(bucket):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: bucket.boto.create_multipart_upload(
            Bucket=bucket.name, Key=f"videos/j/{n % 700}"), range(1003)))
    lines, _ = bucket.must("sweep", "videos/j/")
    assert lines[0]["aborted"] == 1003
    assert uploads(bucket) == []


def test_an_object_is_read_on_from_a_byte_while_it_is_the_same(bucket):
    path, data = bucket.picture()
    [put], _ = bucket.must("put", path, "a")
    [got], _ = bucket.must("resume", "1000000", put["etag"], "a")
    assert got["status"] == 206
    assert got["got_sha256"] == hashlib.sha256(data[1000000:]).hexdigest()
    path, _ = bucket.picture()
    bucket.must("put", path, "a")
    [got], _ = bucket.ask("resume", "1000000", put["etag"], "a")
    assert (got["fault"], got["status"]) == ("CONFLICT", 412)
