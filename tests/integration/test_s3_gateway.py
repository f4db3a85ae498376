"""Our S3 client against a real server, the Ceph Object Gateway, and against
boto3's opinion of what is in the bucket.

A listing of Ceph differs from AWS's in two ways that show here: a blank in an
escaped key is %20, not +, and the continuation token is the last key as it
is, so a key with a control byte at the end of a page breaks Ceph's own XML,
for boto3, too.
"""

import hashlib
import json
import os
import subprocess
import urllib.parse

import pytest

import house as houses
from gateway import Gateway
from house import BUILD, SLOWNESS, missing, wait_until

TOOL = BUILD / "tools/s3"
PICTURE_BYTES = 1_500_000
FLAT_KB = 8 << 10  # what 200 pictures may add to the memory that one takes
SECONDS = 60


@pytest.fixture(scope="module")
def own_gateway():
    """One of our own, since we kill it."""
    if not TOOL.exists():
        missing(f"{TOOL} is missing: make F=... units")
    one = Gateway()
    houses.LIVE.append(one)
    try:
        yield one.start()
    finally:
        houses.LIVE.remove(one)
        one.stop()


class Bucket:
    """A bucket of one's own, asked with our client and with boto3."""

    def __init__(self, gateway, folder):
        self.gateway = gateway
        self.folder = folder
        self.name = gateway.new_bucket()
        self.boto = gateway.client()
        self.settings = dict(gateway.settings(self.name), RUN_DIR=str(folder),
                             DEADLINE_MS=str(int(SECONDS * 1000)))

    def start(self, *words, **settings) -> subprocess.Popen:
        env = dict(os.environ, **{**self.settings, **settings})
        return subprocess.Popen(
            [os.fsencode(word) for word in (str(TOOL), *words)], env=env,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ask(self, *words, **settings):
        """The lines about the keys, and the one about the whole."""
        process = self.start(*words, **settings)
        return self.read(process)

    @staticmethod
    def read(process):
        out, err = process.communicate(timeout=2 * SECONDS * SLOWNESS)
        assert process.returncode == 0, err.decode()
        assert b"Sanitizer" not in err, err.decode()
        lines = [json.loads(line) for line in out.splitlines()]
        return lines[:-1], lines[-1]

    def must(self, *words, **settings):
        """The same where everything is to be done."""
        lines, whole = self.ask(*words, **settings)
        assert {line.get("fault", "NONE") for line in lines} == {"NONE"}, lines
        return lines, whole

    def file(self, data: bytes) -> str:
        path = self.folder / hashlib.sha256(data).hexdigest()[:16]
        path.write_bytes(data)
        return str(path)

    def picture(self) -> tuple[str, bytes]:
        data = os.urandom(PICTURE_BYTES)
        return self.file(data), data

    def keys_of_boto(self) -> list[str]:
        """What boto3 finds, unescaped by boto3."""
        pages = self.boto.get_paginator("list_objects_v2").paginate(
            Bucket=self.name)
        return [entry["Key"] for page in pages
                for entry in page.get("Contents", ())]

    def listed(self, prefix: str = "") -> list[str]:
        lines, _ = self.must("list", prefix)
        assert "fault" in lines[-1]
        return [line["key"] for line in lines[:-1]]


@pytest.fixture
def bucket(own_gateway, tmp_path):
    return Bucket(own_gateway, tmp_path)


def fetch_all(folder, *asked: tuple[str, ...]) -> list[tuple[int, bytes]]:
    """What curl gets of URLs, each with its options, by one process."""
    plans = []
    for n, (url, *options) in enumerate(asked):
        plans.append("\n".join([f'url = "{url}"', "path-as-is", "globoff",
                                f'output = "{folder}/curl-{n}"',
                                'write-out = "%{http_code}\\n"', *options]))
        (folder / f"curl-{n}").write_bytes(b"")
    done = subprocess.run(
        ["curl", "-sS", "--fail-early", "-K", "-"],
        input="\nnext\n".join(plans), text=True, capture_output=True,
        timeout=SECONDS * SLOWNESS, check=True)
    codes = done.stdout.split()
    return [(int(code), (folder / f"curl-{n}").read_bytes())
            for n, code in zip(range(len(asked)), codes, strict=True)]


def fetch(folder, url: str) -> tuple[int, bytes]:
    """The same of one."""
    [said] = fetch_all(folder, (url,))
    return said


def test_each_operation_does_what_boto3_sees(bucket):
    path, data = bucket.picture()
    digest = hashlib.sha256(data).hexdigest()
    [put], whole = bucket.must("put", path, "a/b.png")
    assert whole["storage"] == "up"
    seen = bucket.boto.get_object(Bucket=bucket.name, Key="a/b.png")
    assert seen["Body"].read() == data
    assert seen["ContentType"] == "image/png"
    assert seen["CacheControl"] == "private, max-age=31536000, immutable"
    assert seen["Metadata"] == {"sha256": digest}
    assert seen["ETag"].strip('"') == put["etag"]

    [head], _ = bucket.must("head", "a/b.png")
    assert (head["size"], head["sha256"], head["type"], head["etag"]) == (
        len(data), digest, "image/png", put["etag"])

    [copy], _ = bucket.must("copy", "a/b.png", "c.png")
    [got], _ = bucket.must("get", "c.png")
    assert copy["status"] == 200
    assert (got["got"], got["got_sha256"]) == (len(data), digest)
    assert (got["sha256"], got["type"]) == (digest, "image/png")

    [part], _ = bucket.must("range", "9", "a/b.png")
    assert (part["status"], part["got"], part["size"]) == (206, 10, 10)
    assert part["got_sha256"] == hashlib.sha256(data[:10]).hexdigest()

    assert bucket.listed() == bucket.keys_of_boto() == ["a/b.png", "c.png"]
    assert bucket.listed("a/") == ["a/b.png"]
    bucket.must("delete", "a/b.png", "c.png", "was/never/there")
    assert bucket.listed() == bucket.keys_of_boto() == []


ODD_KEYS = [
    *[f"k{chr(c)}k" for c in range(0x20, 0x7f)],  # each visible character
    "tab\tkey", "newline\nkey", "bell\x07key", "delete\x7fkey",
    "ümläut", "日本語/キー", "emoji-😀", "e\u0301 and \u00e9", "\u00a0blank",
    " leading", "trailing ", "two  blanks", "+plus+", "a%2Fb", "100%", "%",
    "%zz", "a/", "a//b", "//a", "/a", "./a", "../a", "a/./b", "a/../b", "a/..",
    ".", "..", "=:@~", "?a=b&c=d", "#f", "a;b", "'\"<>&", "x" * 1024,
    "é" * 512, "character_references/"
    "0f8b1c9e-0000-4000-8000-000000000000.png"]


def test_keys_of_every_kind_are_the_same_for_boto3(bucket):
    path = bucket.file(b"odd")
    bucket.must("put", path, *ODD_KEYS)
    assert sorted(bucket.keys_of_boto()) == sorted(ODD_KEYS)
    assert bucket.listed() == bucket.keys_of_boto()
    for key in ODD_KEYS:
        seen = bucket.boto.get_object(Bucket=bucket.name, Key=key)
        assert seen["Body"].read() == b"odd"
    heads, _ = bucket.must("head", *ODD_KEYS)
    assert {head["size"] for head in heads} == {3}
    for key in ODD_KEYS:  # what boto3 writes, we find
        bucket.boto.put_object(Bucket=bucket.name, Key=key, Body=b"boto3's")
    gets, _ = bucket.must("get", *ODD_KEYS)
    assert {got["got"] for got in gets} == {7}
    bucket.must("delete", *ODD_KEYS)
    assert bucket.keys_of_boto() == []


def test_odd_sources_are_copied(bucket):
    path = bucket.file(b"source")
    sources = ["a b+c%25é/ü?x=1&y", "=:@~'()*!", "é" * 512]
    bucket.must("put", path, *sources)
    for n, source in enumerate(sources):
        bucket.must("copy", source, f"copy {n}+")
        seen = bucket.boto.get_object(Bucket=bucket.name, Key=f"copy {n}+")
        assert seen["Body"].read() == b"source"


def test_presigned_urls_of_every_key_open_with_curl(bucket):
    path = bucket.file(b"behind a link")
    keys = [key for key in ODD_KEYS if "\n" not in key]
    bucket.must("put", path, *keys)
    gets, _ = bucket.must("presign", "GET", "3600", "0", *keys)
    heads, _ = bucket.must("presign", "HEAD", "3600", "0", *keys)
    others = [bucket.boto.generate_presigned_url(
        "get_object", {"Bucket": bucket.name, "Key": key}, ExpiresIn=3600)
        for key in keys]
    said = fetch_all(bucket.folder, *[one for get, head, other in zip(
        gets, heads, others, strict=True) for one in (
            (get["url"],), (head["url"], "head"), (head["url"],), (other,))])
    for n, (key, get, other) in enumerate(zip(keys, gets, others)):
        got, headed, of_another_method, of_boto3 = said[4 * n:4 * n + 4]
        assert get["lives_s"] == 3600
        assert got == (200, b"behind a link"), key
        assert headed[0] == 200, key
        assert of_another_method[0] == 403, key
        ours, theirs = map(urllib.parse.urlsplit, (get["url"], other))
        assert ours[:3] == theirs[:3]
        assert of_boto3 == (200, b"behind a link"), key


def test_a_presigned_url_with_a_window_is_one_and_opens(bucket):
    bucket.must("put", bucket.file(b"window"), "a.png")
    for _ in range(3):  # unless the window ends between two of them
        lines, _ = bucket.must("presign", "GET", "600", "300", *["a.png"] * 20)
        if len({line["url"] for line in lines}) == 1:
            break
    [url] = {line["url"] for line in lines}
    assert 300 <= lines[0]["lives_s"] <= 600
    assert fetch(bucket.folder, url) == (200, b"window")


def test_presigned_urls_name_the_public_endpoint(bucket):
    bucket.must("put", bucket.file(b"public"), "a.png")
    port = bucket.gateway.port
    [line], _ = bucket.must("presign", "GET", "60", "0", "a.png",
                            S3_PUBLIC_ENDPOINT=f"http://localhost:{port}/")
    assert line["url"].startswith(f"http://localhost:{port}/{bucket.name}/a")
    assert fetch(bucket.folder, line["url"]) == (200, b"public")


def test_over_a_thousand_keys_are_listed_whole(bucket):
    path = bucket.file(b".")
    keys = [f"many/a b+{n:04}.png" for n in range(1100)]
    bucket.must("put", path, *keys)
    assert bucket.listed("many/") == bucket.keys_of_boto() == keys
    assert bucket.listed("many/a b+00") == keys[:100]


@pytest.mark.plain
def test_two_hundred_pictures_are_not_held_in_memory(bucket):
    path, data = bucket.picture()
    _, one = bucket.must("put", path, "one.png")
    puts, many = bucket.must("put", path, *[f"{n}.png" for n in range(200)])
    assert len({put["etag"] for put in puts}) == 1
    assert many["peak_kb"] < one["peak_kb"] + FLAT_KB
    assert bucket.boto.head_object(
        Bucket=bucket.name, Key="199.png")["ContentLength"] == len(data)


def test_what_is_not_the_digests_is_refused_by_the_server(bucket):
    path = bucket.file(b"not what was said")
    [put], whole = bucket.ask(
        "put", path, "a.png", CLAIM_SHA256=hashlib.sha256(b"x").hexdigest())
    assert (put["fault"], put["field"]) == ("CONFLICT", "file"), put
    assert put["code"] == "XAmzContentSHA256Mismatch"
    assert whole["storage"] == "up"
    assert bucket.keys_of_boto() == []


def test_an_empty_object_is_put_and_got_and_probed(bucket):
    bucket.must("put", bucket.file(b""), "empty")
    [got], _ = bucket.must("get", "empty")
    assert (got["size"], got["got"]) == (0, 0)
    [probe], _ = bucket.must("probe", "must", "empty")
    assert (probe["health"], probe["absent"]) == ("up", 0)


def test_what_is_not_there_is_absent(bucket):
    lines, whole = bucket.ask("get", "nowhere")
    assert (lines[0]["fault"], lines[0]["code"]) == ("ABSENT", "NoSuchKey")
    assert lines[0]["request_id"] in lines[0]["text"]
    assert whole["storage"] == "up"
    assert bucket.ask("head", "nowhere")[0][0]["fault"] == "ABSENT"
    assert bucket.ask("copy", "nowhere", "a")[0][0]["fault"] == "ABSENT"
    [probe], _ = bucket.must("probe", "may", "nowhere")
    assert (probe["health"], probe["absent"]) == ("up", 1)


def test_a_wrong_bucket_and_wrong_keys_are_denied(bucket):
    path = bucket.file(b"x")
    for settings, code, words in (
            ({"STORAGE_BUCKET": "no-such-bucket"}, "NoSuchBucket",
             "STORAGE_BUCKET"),
            ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch",
             "AWS_SECRET_ACCESS_KEY"),
            ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "InvalidAccessKeyId",
             "AWS_ACCESS_KEY_ID")):
        for command in (("put", path, "a"), ("get", "a"), ("delete", "a")):
            [line], whole = bucket.ask(*command, **settings)
            assert (line["fault"], line["code"]) == ("DENIED", code), line
            assert words in line["text"] and line["attempts"] == 1
            assert whole["storage"] == "denied"
        [probe], _ = bucket.ask("probe", "may", "a", **settings)
        assert probe["health"] == "denied"
    assert bucket.keys_of_boto() == []


def test_another_region_makes_no_difference_to_ceph(bucket):
    bucket.must("put", bucket.file(b"x"), "a", AWS_REGION="ap-south-1")


def test_the_bucket_may_stand_in_the_hosts_name(bucket):
    path = bucket.file(b"virtual")
    virtual = {"S3_ADDRESSING_STYLE": "virtual",
               "AWS_ENDPOINT_URL_S3":
               f"http://localhost:{bucket.gateway.port}"}
    bucket.must("put", path, *ODD_KEYS, **virtual)
    assert sorted(bucket.keys_of_boto()) == sorted(ODD_KEYS)
    lines, _ = bucket.must("presign", "GET", "60", "0", "a b+c", **virtual)
    host = f"http://{bucket.name}.localhost:{bucket.gateway.port}/"
    assert lines[0]["url"].startswith(host + "a%20b%2Bc?")
    bucket.must("copy", "a//b", "a b+c", **virtual)
    lines, _ = bucket.must("presign", "GET", "60", "0", "a b+c", **virtual)
    assert fetch(bucket.folder, lines[0]["url"]) == (200, b"virtual")
    listed, _ = bucket.must("list", "a b", **virtual)
    assert listed[0]["key"] == "a b+c"


@pytest.fixture(scope="module")
def old_bucket(own_gateway, tmp_path_factory):
    """One for all kills: for half a minute after one Ceph waits for the dead
    gateway whenever a bucket is made."""
    return Bucket(own_gateway, tmp_path_factory.mktemp("outage"))


def test_a_gateway_killed_in_a_batch_loses_nothing_that_was_done(old_bucket):
    data = os.urandom(PICTURE_BYTES // 8)
    path = old_bucket.file(data)
    keys = [f"batch/{n:04}.png" for n in range(2000)]
    process = old_bucket.start("put", path, *keys, AWS_MAX_ATTEMPTS="3")
    wait_until(old_bucket.keys_of_boto, "the first objects")
    old_bucket.gateway.kill()
    try:
        puts, whole = old_bucket.read(process)
        [probe], _ = old_bucket.ask("probe", "may", "a", DEADLINE_MS="1000")
    finally:
        old_bucket.gateway.revive()
    failed = [put for put in puts if put["fault"] != "NONE"]
    assert failed and {put["fault"] for put in failed} <= {"BUSY", "SLOW"}
    assert whole["storage"] == "down" and probe["health"] == "down"
    for put in puts:
        if put["fault"] == "NONE":
            assert old_bucket.boto.head_object(
                Bucket=old_bucket.name,
                Key=put["key"])["ContentLength"] == len(data)
    old_bucket.must("put", path, *[put["key"] for put in failed])
    gets, whole = old_bucket.must("get", *keys[::100])
    assert {got["got_sha256"] for got in gets} == {
        hashlib.sha256(data).hexdigest()}
    assert whole["storage"] == "up" and old_bucket.listed("batch/") == keys


def test_a_gateway_that_comes_back_in_time_is_not_noticed(old_bucket):
    keys = ["one", "two", "three"]  # their waits are random: one is enough
    old_bucket.must("put", old_bucket.file(b"patience"), *keys)
    old_bucket.gateway.kill()
    process = old_bucket.start("get", *keys, AWS_MAX_ATTEMPTS="10")
    try:
        assert process.poll() is None
    finally:
        old_bucket.gateway.revive()
    gets, _ = old_bucket.read(process)
    assert {got["fault"] for got in gets} <= {"NONE", "BUSY"}
    assert any(got["fault"] == "NONE" and got["attempts"] > 1 for got in gets)
