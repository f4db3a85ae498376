"""The documents do what they say: docs/JOBS.md is pasted, block by block."""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

import gateway as gateways
from house import PROJECT, SLOWNESS, need_tool
from test_jobs_cli import bucket_of
from test_run import project  # noqa: F401
from test_run_s3 import BUCKET, RunS3
from warehouse import a_depot, key_of, stock

JOBS = PROJECT / "docs/JOBS.md"
PICTURES = 2
SIZES = {"metadata.json": 28, "scenes/1/take-1.mp4": 3000000,
         "audio/theme.wav": 500000, "final/video.mp4": 20000000}


@pytest.fixture(name="run")
def a_run_where_the_page_says(project):  # noqa: F811
    """`make run-s3` of a project folder, its settings where they always are."""
    need_tool("radosgw")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cr-", dir="/tmp"))
    run = RunS3(project, folder, RUN_DIR=str(project / "build/run"),
                JOBS_DIR=str(folder / "jobs"))
    try:
        yield run.ready()
    finally:
        run.stop()
        run.must_be_gone()
        shutil.rmtree(folder, ignore_errors=True)


def blocks() -> list[str]:
    """What the page offers to paste."""
    return re.findall(r"^```bash\n(.*?)^```$", JOBS.read_text(), re.S | re.M)


def paste(run, where) -> str:
    """All of it, in order, into one bash: what was said."""
    env = {"PATH": os.environ["PATH"], "HOME": str(run.folder),
           "TMPDIR": str(run.folder), "LANG": "C.UTF-8",
           "ASAN_OPTIONS": run.env["ASAN_OPTIONS"],
           "UBSAN_OPTIONS": run.env["UBSAN_OPTIONS"]}
    text = "set -e -o pipefail\n" + "\n".join(blocks()) + \
        "echo \"again=$again\"\n"
    done = subprocess.run(["/bin/bash", "-c", text], cwd=where, env=env,
                          capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=50 * SLOWNESS)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_the_workflow_of_the_page_works_when_pasted(run, project):  # noqa: F811
    assert len(blocks()) >= 6
    said = paste(run, project)
    summaries = [line for line in said.splitlines()
                 if re.match(r"(persist|download|verify)-job job-789: ", line)]
    assert [line.partition(": ")[2].split(": ", 1)[1] for line in summaries] \
        == ["4 sent, 2 unchanged", "0 sent, 6 unchanged",
            "all as they should be", "6 fetched, 0 unchanged",
            "all as they should be", "1 sent, 5 unchanged",
            "all as they should be"]
    again = pathlib.Path(re.search(r"^again=(.*)$", said, re.M)[1])
    names = {str(path.relative_to(again)): path.stat().st_size
             for path in again.rglob("*") if path.is_file()}
    pictures = {name: size for name, size in names.items()
                if name.startswith("character_reference/")}
    assert len(pictures) == PICTURES
    assert {name: size for name, size in names.items()
            if name not in pictures} == SIZES
    must_be_in_the_bucket(run, names)


def must_be_in_the_bucket(run, names: dict[str, int]):
    """Where the page's table puts each file, and a manifest of them all."""
    client = run.client()
    stored = {one["Key"].removeprefix("videos/job-789/"): one["Size"]
              for one in client.list_objects_v2(
                  Bucket=BUCKET, Prefix="videos/job-789/")["Contents"]}
    text = client.get_object(
        Bucket=BUCKET, Key="videos/job-789/manifest.json")["Body"].read()
    del stored["manifest.json"]
    assert stored == {
        name if name.startswith("final/") else f"intermediate/{name}": size
        for name, size in names.items()}
    manifest = json.loads(text)
    assert {one["path"]: one["bytes"] for one in manifest["files"]} == names
    assert sum("image" in one for one in manifest["files"]) == PICTURES


def test_the_manifest_of_the_page_has_the_members_of_a_real_one(
        gateway, tmp_path):
    """Those of its example, in its order."""
    depot = a_depot(bucket_of(gateway))
    try:
        (image_id, data), = stock(depot, 1, job="job-1").items()
        (tmp_path / "x.mp4").write_bytes(b"x")
        done = depot.charref("persist-job", "job-1", str(tmp_path))
        assert done.returncode == 0, done.stderr
        client = gateways.client(gateway.url, gateway.access_key,
                                 gateway.secret_key)
        key = "videos/job-1/manifest.json"
        real = json.loads(client.get_object(
            Bucket=depot.cloud.bucket, Key=key)["Body"].read())
        stored = client.get_object(Bucket=depot.cloud.bucket,
                                   Key=key_of(image_id, "job-1"))
        assert stored["Body"].read() == data
    finally:
        depot.end()
    example = re.search(r'^    (\{"version".*?\]\})$', JOBS.read_text(),
                        re.S | re.M)
    shown = json.loads(example[1])
    assert list(shown) == list(real)
    picture, video = real["files"]
    assert list(shown["files"][0]) == list(video)
    assert list(shown["files"][1]) == list(picture)
    assert list(shown["files"][1]["image"]) == list(picture["image"])


@functools.cache
def texts_of_the_source() -> str:
    """All string literals of the sources, those side by side as one."""
    found = []
    for path in sorted(PROJECT.glob("src/*/*.c")):
        literals = re.findall(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*',
                              path.read_text())
        found += [re.sub(r'"\s*"', "", text).strip('"') for text in literals]
    return "\n".join(found)


def messages() -> list[str]:
    """The words in the first columns of the page's tables of messages."""
    rows = JOBS.read_text().partition("## What the messages mean")[2]
    return [words for row in re.findall(r"^\| (`.*?) \|", rows, re.M)
            for words in re.findall(r"`([^`]*)`", row)]


@pytest.mark.once
@pytest.mark.parametrize("words", messages())
def test_each_message_of_the_page_is_one_that_is_said(words):
    kind = re.fullmatch(r"is (a [a-z ]+)", words)
    wanted = kind[1] if kind else words
    assert wanted in texts_of_the_source()
