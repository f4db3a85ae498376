"""`make run-s3`'s own script: the service with an S3 server of its own, and
`make run`'s with the cloud turned on, which looks after an uploader."""

import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import pytest

import gateway as gateways
from house import (SLOWNESS, children_of, free_port, is_alive, kill,
                   need_tool, processes, processes_about, wait_until,
                   words_of)
from test_run import Run, heed_signals, project, start  # noqa: F401

BUCKET = "charref"  # unless STORAGE_BUCKET says otherwise


class RunS3(Run):
    """One deploy/run-s3; its server's data, where it has to stay, on disk."""

    script = "deploy/run-s3"

    def __init__(self, project, folder, **settings):
        self.s3_port = int(settings.get("S3_PORT", free_port()))
        settings = {"STORE": "memory", "S3_PORT": str(self.s3_port)} | settings
        super().__init__(project, folder, **settings)

    @property
    def endpoint(self) -> str:
        """Where its S3 server is."""
        return f"http://127.0.0.1:{self.s3_port}"

    def client(self):
        """boto3 with the keys that the server's env has."""
        words = assignments(self.root / "s3/env")
        assert words["AWS_ENDPOINT_URL_S3"] == self.endpoint
        return gateways.client(self.endpoint, words["AWS_ACCESS_KEY_ID"],
                               words["AWS_SECRET_ACCESS_KEY"])

    def presigned(self, image_id: str) -> str:
        """Waits until an image is in the bucket: its URL."""
        path = f"/api/mv/get_character_reference/{image_id}"

        def found():
            reply = self.http.get(path)
            if not reply.headers["content-type"].startswith(
                    "application/json"):
                return None  # the local file, until then
            answer = reply.json()
            assert answer["storage_backend"] == "s3", answer
            return answer["image_url"]
        return wait_until(found, "an upload")


def assignments(path: pathlib.Path) -> dict[str, str]:
    """A file of NAME=value lines, as a shell reads it."""
    return dict(shlex.split(line)[0].split("=", 1)
                for line in path.read_text().splitlines() if "=" in line)


def fetch(url: str) -> bytes:
    """What a browser would see, without a header of ours."""
    with urllib.request.urlopen(url, timeout=30 * SLOWNESS) as reply:
        return reply.read()


def uploaders(run: Run) -> list[int]:
    """The uploader that works for a run, and its children."""
    found = []
    setting = f"RUN_DIR={run.run_dir}".encode()
    for pid in processes():
        if words_of(pid).endswith(b"\0uploader\0") and \
                setting in words_of(pid, "environ").split(b"\0") and \
                is_alive(pid):
            found.append(pid)
    return found


def new_uploader(run: Run, known: set[int]) -> int:
    """Waits for an uploader none of whose processes is known; adds them."""
    def found():
        new = set(uploaders(run)) - known
        children = {child for pid in new for child in children_of(pid)}
        return new - children
    chief, = wait_until(found, "an uploader", 5.0)
    known.update({chief}, children_of(chief))
    return chief


@pytest.fixture
def start_s3(project, start):  # noqa: F811
    """Starts runs with a server each; `start` looks after their ends."""
    for tool in ("radosgw", "ceph-mon", "ceph-osd", "ceph"):
        need_tool(tool)
    return lambda *words, **settings: start(*words, kind=RunS3, **settings)


def paste(run: Run, command: str, folder: pathlib.Path) -> str:
    """A command as somebody gives it in another terminal: what it says."""
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", command], cwd=folder, capture_output=True,
        text=True, errors="replace", timeout=60 * SLOWNESS, preexec_fn=heed_signals,
        env={"PATH": os.environ["PATH"], "HOME": str(run.folder),
             "AWS_PROFILE": "somebody's"})
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def test_images_come_from_its_bucket_also_after_a_restart(start_s3):
    run = start_s3(STORE="disk").ready()
    assert f"S3 bucket {BUCKET} at {run.endpoint}" in run.said
    image = run.http.generate(num_images=1).images()[0]
    name = image["path"].rpartition("/")[2]
    data = (run.store / name).read_bytes()
    url = run.presigned(image["id"])
    assert url.startswith(run.endpoint)
    assert fetch(url) == data
    stored = run.client().list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [(one["Size"], one["Key"].endswith(name)) for one in stored] \
        == [(len(data), True)]
    run.interrupt()
    must_refuse(run.s3_port)

    again = start_s3(run.folder, STORE="disk").ready()
    assert again.s3_port != run.s3_port
    (run.store / name).unlink()  # so that it cannot come from there
    reply = again.http.get(
        f"/api/mv/get_character_reference/{image['id']}?redirect=true")
    assert reply.status == 302
    assert reply.headers["location"].startswith(again.endpoint)
    assert fetch(reply.headers["location"]) == data


def must_refuse(port: int):
    """Nobody listens there."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 2).close()


def test_what_it_greets_with_works_when_pasted(start_s3, tmp_path):
    run = start_s3().ready()
    generate = re.search(r"^  curl .*?^ +done$", run.said, re.S | re.M)[0]
    look = re.search(r"^  id=.*?(?=^$)", run.said, re.S | re.M)[0]
    settings = re.search(r"^  cd .*$", run.said, re.M)[0]
    assert "build/charref status" in run.said
    paste(run, generate, tmp_path)
    pictures = {path.read_bytes() for path in tmp_path.glob("*.png")}
    assert len(pictures) == 4
    assert '"image_url"' in paste(run, look, tmp_path)
    assert (tmp_path / "x.png").read_bytes() in pictures
    asked = paste(run, f"{settings}\nbuild/charref config", tmp_path)
    assert f"STORAGE_BUCKET={BUCKET}" in asked
    assert f"AWS_ENDPOINT_URL_S3={run.endpoint}" in asked
    assert "AWS_PROFILE=somebody" not in asked
    paste(run, f"{settings}\nbuild/charref status", tmp_path)


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM,
                                 signal.SIGHUP])
def test_a_signal_stops_the_server_too(start_s3, sig):
    run = start_s3().ready()
    run.interrupt(sig)
    assert not processes_about(run.folder)
    must_refuse(run.s3_port)


def test_a_signal_to_the_script_alone_stops_it_all(start_s3):
    run = start_s3().ready()
    run.process.terminate()
    assert run.wait() == 0, run.complained
    assert not processes_about(run.folder)


@pytest.mark.parametrize("store, seconds", [
    ("memory", 0.3), ("memory", 0.8), ("disk", 2.0)])
def test_a_signal_while_it_starts_leaves_nothing(start_s3, store, seconds):
    """Whatever it is doing then; the next run goes on from there."""
    run = start_s3(STORE=store)
    time.sleep(seconds)
    run.process.terminate()
    assert run.wait() in (0, -signal.SIGTERM)
    assert not processes_about(run.folder)
    start_s3(run.folder, STORE=store).ready()


def test_the_next_run_cleans_up_after_a_killed_one(start_s3):
    run = start_s3().ready()
    assert uploaders(run)
    run.process.kill()
    wait_until(lambda: not uploaders(run), "deploy/run's own end")
    run.wait()
    again = start_s3(run.folder, PORT=str(run.port),
                     S3_PORT=str(run.s3_port)).ready()
    again.interrupt()
    assert not processes_about(run.folder)


def test_a_taken_port_is_said_and_nothing_is_left(start_s3):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = start_s3(S3_PORT=str(port))
        assert run.wait() == 1
    assert f"port {port} on 127.0.0.1 is in use" in run.complained
    assert "S3_PORT" in run.complained
    assert run.said == ""
    assert not processes_about(run.folder)


def test_a_second_run_on_the_same_data_harms_nobody(start_s3):
    run = start_s3().ready()
    other = start_s3(run.folder)
    assert other.wait() == 1
    assert str(run.root / "s3") in other.complained
    assert run.client().list_buckets()["Buckets"]


def test_an_uploader_that_dies_is_started_again_once_a_second(
        start, gateway):  # noqa: F811
    run = start(**gateway.settings()).ready()
    known: set[int] = set()
    kill(new_uploader(run, known), signal.SIGKILL)
    began = time.monotonic()
    kill(new_uploader(run, known), signal.SIGKILL)
    new_uploader(run, known)
    assert time.monotonic() - began > 0.9
    assert run.interrupt() < 5.0 * SLOWNESS
    assert not any(map(is_alive, known))
    assert run.complained.count("the uploader has ended") == 2


def test_an_uploader_left_by_a_killed_run_is_ended_by_the_next(
        start, gateway):  # noqa: F811
    run = start(**gateway.settings()).ready()
    left = uploaders(run)
    assert left
    run.process.kill()
    run.wait()
    again = start(run.folder, PORT=str(run.port),
                  **gateway.settings()).ready()
    assert not any(map(is_alive, left))
    assert uploaders(again)


def test_its_settings_for_elsewhere_are_closed_and_without_keys(
        start, gateway):  # noqa: F811
    run = start(**gateway.settings()).ready()
    path = run.run_dir / "env"
    assert path.stat().st_mode & 0o077 == 0
    assert assignments(path)["STORAGE_BUCKET"] == gateway.bucket
    assert gateway.secret_key not in path.read_text()
    assert gateway.secret_key not in run.said


def test_without_the_cloud_there_is_no_uploader(start):  # noqa: F811
    run = start().ready()
    assert "local disk" in run.said
    assert not uploaders(run)


def test_the_server_keeps_out_of_folders_that_are_not_its_own():
    need_tool("radosgw")
    with tempfile.TemporaryDirectory(prefix="cr-", dir="/tmp") as name:
        mine = pathlib.Path(name) / "env"
        mine.write_text("mine")
        done = subprocess.run(
            [gateways.SERVER, "start", name, "0", BUCKET], text=True,
            capture_output=True, timeout=60 * SLOWNESS, check=False)
        assert done.returncode == 1 and "not empty" in done.stderr
        assert [path.name for path in pathlib.Path(name).iterdir()] == ["env"]
        assert mine.read_text() == "mine"


def test_the_gateway_comes_back_with_its_data(gateway):
    """What other tests rely on."""
    bucket = gateway.new_bucket()
    client = gateway.client()
    client.put_object(Bucket=bucket, Key="a key", Body=b"its bytes")
    gateway.kill()
    must_refuse(gateway.port)
    gateway.revive()
    got = client.get_object(Bucket=bucket, Key="a key")["Body"].read()
    assert got == b"its bytes"


def test_the_server_ends_with_the_process_that_started_it():
    """Even if that is killed: as here, by the test."""
    script = ("import os, gateway, signal\n"
              "one = gateway.Gateway().start()\n"
              "print(one.folder, flush=True)\n"
              "os.kill(os.getpid(), signal.SIGKILL)\n")
    need_tool("radosgw")
    done = subprocess.run(
        ["/usr/bin/python3", "-c", script], text=True, capture_output=True,
        cwd=pathlib.Path(__file__).parent, timeout=60 * SLOWNESS, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder = pathlib.Path(done.stdout.strip())
    wait_until(lambda: not processes_about(folder) and not folder.exists(),
               "the server's end")
