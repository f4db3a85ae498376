"""What a server says when it cannot begin: JSON lines on standard error,
which systemd's journal keeps, that tell what to do about it."""

import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import tempfile

import pytest

from house import POOLS, SLOWNESS, Listener, program
from model_double import hang_up, images, no_such_model
from wire import STAMP

CLOUD = {"SERVE_FROM_CLOUD": "true", "STORAGE_BUCKET": "some-bucket",
         "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
         "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}
SERVERS = {"worker": ["charref-fcgi"], "uploader": ["charref", "uploader"],
           "sketch": ["charref-sketch"]}


@pytest.fixture(name="folder")
def a_folder():
    """A place for one start."""
    one = pathlib.Path(tempfile.mkdtemp(prefix="cr-", dir="/tmp"))
    (one / "data").mkdir()
    (one / "file").write_text("no folder")
    yield one
    shutil.rmtree(one)


def start(folder: pathlib.Path, server: str, listening: bool = True,
          **settings: str) -> list[dict]:
    """Runs it to its end, which must be a failure: the lines that it said,
    all of them of the log's form.  "@" in a setting is the folder."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder),
           "CHARREF_ROOT": str(folder / "data"), "RUN_DIR": str(folder),
           "AWS_EC2_METADATA_DISABLED": "true"}
    env |= {name: value.replace("@", str(folder))
            for name, value in settings.items()}
    name, *arguments = SERVERS[server]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        if listening:
            listener.listen(1)
        done = subprocess.run([program(name), *arguments], env=env,
                              stdin=listener, capture_output=True,
                              timeout=20 * SLOWNESS, check=False)
    assert done.returncode == 1, done
    assert done.stdout == b""
    assert done.stderr.endswith(b"\n")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    for line in lines:
        assert STAMP.match(line["time"]), line
        assert {"level", "event", "message"} <= set(line), line
    assert "error" in [line["level"] for line in lines]
    return lines


def said(lines: list[dict]) -> str:
    """Their messages."""
    return "\n".join(line["message"] for line in lines)


@pytest.mark.parametrize("server", ["worker", "sketch"])
def test_without_a_socket_it_says_how_it_is_started(folder, server):
    assert "spawn-fcgi" in said(start(folder, server, listening=False))


@pytest.mark.parametrize("server", list(SERVERS))
def test_each_wrong_setting_has_a_line_of_its_own(folder, server):
    lines = start(folder, server, PORT="0", LOG_LEVEL="loud",
                  API_KEY="short")
    wrong = [line["message"] for line in lines if line["event"] == "settings"]
    assert sorted(text.split()[0].rstrip(":") for text in wrong) \
        == ["API_KEY", "LOG_LEVEL", "PORT"]


@pytest.mark.parametrize("server", list(SERVERS))
def test_a_log_that_cannot_be_opened_is_named(folder, server):
    lines = start(folder, server, LOG_FILE="@/none/charref.log")
    assert "LOG_FILE must be a file that" in said(lines)


@pytest.mark.parametrize("server", ["worker", "uploader"])
def test_a_data_folder_that_is_none_is_named(folder, server):
    lines = start(folder, server, CHARREF_ROOT="@/file", **CLOUD)
    assert "CHARREF_ROOT must be a folder that" in said(lines)


@pytest.mark.parametrize("server", ["worker", "uploader"])
def test_a_runtime_folder_that_is_none_is_named(folder, server):
    lines = start(folder, server, RUN_DIR="@/file", **CLOUD)
    assert "RUN_DIR must be a folder that" in said(lines)


@pytest.mark.parametrize("server", ["worker", "uploader"])
def test_a_catalogue_that_is_none_can_be_restored(folder, server):
    (folder / "data/catalogue.db").write_bytes(b"junk" * 5000)
    lines = start(folder, server, **CLOUD)
    assert "backup" in said(lines) and "charref reindex" in said(lines)


def test_a_catalogue_from_the_future_needs_a_newer_program(folder):
    with sqlite3.connect(folder / "data/catalogue.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    assert "run a newer one" in said(start(folder, "worker"))


def test_an_uploader_without_a_bucket_says_what_to_set(folder):
    assert "STORAGE_BUCKET" in said(start(folder, "uploader"))


def lines_of(process: subprocess.Popen) -> list[dict]:
    """What it has said on standard error until it ended."""
    with process.stderr as said:
        text = said.read()
    assert text.endswith(b"\n"), text[-200:]
    return [json.loads(line) for line in text.splitlines()]


def test_all_that_a_worker_says_without_a_file_is_json(new_house):
    house = new_house(nginx=False, workers=dict.fromkeys(POOLS, 0))
    del house.env["LOG_FILE"]
    listener = Listener(house)
    worker = listener.worker()
    house.model.script(hang_up(), no_such_model(), images(b"no picture"))
    for _ in range(2):
        assert listener.wire.generate(num_images=1).status == 502
    listener.wire.connect().close()  # a probe that says nothing
    assert listener.wire.ask("GET", "/no\n{path").status == 404
    worker.terminate()
    worker.wait(20 * SLOWNESS)
    events = {line["event"] for line in lines_of(worker)}
    assert {"request", "model gone", "image failed"} <= events


def test_all_that_an_uploader_says_without_a_file_is_json(folder):
    env = {"PATH": os.environ["PATH"], "HOME": str(folder),
           "CHARREF_ROOT": str(folder / "data"), "RUN_DIR": str(folder)}
    process = subprocess.Popen(
        [program("charref"), "uploader"], env=env | CLOUD,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE)
    first = json.loads(process.stderr.readline())
    second = json.loads(process.stderr.readline())
    assert {first["event"], second["event"]} == {"uploader begins", "storage"}
    process.terminate()
    assert process.wait(20 * SLOWNESS) == 0
    with process.stderr as rest:
        for line in rest.read().splitlines():
            json.loads(line)


def test_a_profile_that_is_none_is_named(folder):
    settings = {name: value for name, value in CLOUD.items()
                if not name.startswith("AWS_")}
    lines = start(folder, "worker", AWS_PROFILE="nobody", **settings)
    assert "no profile nobody" in said(lines)
