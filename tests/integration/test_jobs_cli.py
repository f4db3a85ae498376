"""Whole jobs and the catalogue by hand: what `charref` prints, and its exit."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
import types

import pytest

from house import (PROJECT, SLOWNESS, STORE, program, takes_signals,
                   wait_until)
from warehouse import a_depot, change, key_of, stock

MIB = 1 << 20
REPORT = ["job_id", "files_total", "bytes_total", "sent", "unchanged",
          "included", "troubles"]


def bucket_of(gateway, **other):
    """A bucket of one's own, as a house is told of it."""
    return types.SimpleNamespace(
        **{"bucket": gateway.new_bucket(), "url": gateway.url,
           "access_key": gateway.access_key,
           "secret_key": gateway.secret_key} | other)


@pytest.fixture(name="depot")
def a_depot_with_a_real_bucket(gateway):
    """Folder, catalogue and commands beside the real gateway."""
    one = a_depot(bucket_of(gateway))
    try:
        yield one
    finally:
        one.end()


@pytest.fixture(name="job")
def a_job_folder(tmp_path):
    """What a pipeline leaves behind: files of many kinds."""
    folder = tmp_path / "job"
    for name, data in {"final/video.mp4": os.urandom(3 * MIB),
                       "scenes/1/take one.mp4": os.urandom(MIB),
                       "scenes/1/empty": b"",
                       "audio/m\u00e9lodie \u6620.wav": os.urandom(5000),
                       "metadata.json": b"{}", ".hidden": b"not this",
                       ".cache/x": b"nor this"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def contents(folder) -> dict[str, bytes]:
    """What is in a folder by path, but for what begins with a dot."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()
            and not any(part.startswith(".")
                        for part in path.relative_to(folder).parts)}


def report_of(done) -> dict:
    """The document of --json, with nothing beside it."""
    report = json.loads(done.stdout)
    assert list(report)[:len(REPORT)] == REPORT, report
    return report


# ----------------------------------------------------------- there and back


def test_a_job_goes_up_and_comes_back_the_same(depot, job, tmp_path):
    back = tmp_path / "back"
    done = depot.charref("persist-job", "job-1", str(job))
    assert done.returncode == 0, done.stderr
    assert done.stdout == \
        "persist-job job-1: 5 files, 4.0 MiB: 5 sent, 0 unchanged\n"
    done = depot.charref("download-job", "job-1", str(back))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(": 5 fetched, 0 unchanged\n")
    assert contents(back) == contents(job)
    assert not (back / ".hidden").exists()
    done = depot.charref("verify-job", "job-1", str(back))
    assert (done.returncode, done.stdout) == (0, (
        "verify-job job-1: 5 files, 4.0 MiB: all as they should be\n"))


def test_elsewhere_than_on_a_terminal_progress_is_in_lines(depot, job):
    done = depot.charref("persist-job", "job-1", str(job))
    lines = done.stderr.splitlines()
    assert lines[0] == "persist-job job-1: 5 files, 4.0 MiB"
    assert re.fullmatch(r"persist-job job-1: 5/5 files after \d+:\d\d",
                        lines[-1])
    assert not re.search(r"[\r\x1b]", done.stderr)


def test_with_json_there_is_one_document_and_nothing_else(depot, job):
    for sent, unchanged in ((5, 0), (0, 5)):
        done = depot.charref("persist-job", "job-1", str(job), "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert report_of(done) == {
            "job_id": "job-1", "files_total": 5,
            "bytes_total": sum(map(len, contents(job).values())),
            "sent": sent, "unchanged": unchanged, "included": 0,
            "troubles": []}
    done = depot.charref("verify-job", "job-1", str(job), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert report_of(done)["files_total"] == 5


def test_an_image_of_the_job_that_its_folder_lacks_is_included(depot, job,
                                                               tmp_path):
    (image_id, data), = stock(depot, 1).items()
    change(depot, "INSERT INTO objects (image_id, job_id, key, state)"
           " VALUES (?, 'job-1', ?, 'waiting')", image_id,
           key_of(image_id, "job-1"))
    done = depot.charref("persist-job", "job-1", str(job))
    assert done.returncode == 0, done.stderr
    assert "; 1 of them were in the store alone" in done.stdout
    back = tmp_path / "back"
    done = depot.charref("download-job", "job-1", str(back), "--json")
    assert done.returncode == 0, done.stderr
    reference = back / f"character_reference/{image_id}.png"
    assert reference.read_bytes() == data


# ----------------------------------------------------------------- troubles


def test_what_cannot_go_is_told_by_name_and_the_rest_goes(depot, job):
    (job / "link").symlink_to("metadata.json")
    os.mkfifo(job / "pipe")
    (job / "bad\x1b[2J\nname").write_bytes(b"x")
    done = depot.charref("persist-job", "job-1", str(job))
    assert done.returncode == 1
    assert "5 sent, 0 unchanged; 3 not as they should be" in done.stdout
    said = done.stderr.splitlines()
    for begin in ("link: is ", "pipe: is ", r"bad\x1b[2J\x0aname: has "):
        assert [line for line in said if line.startswith(begin)], said
    assert "\x1b" not in done.stderr
    assert said[-1].startswith("charref: persist job job-1: 3 of ")


def test_with_json_troubles_are_in_the_document(depot, job):
    (job / "link").symlink_to("metadata.json")
    done = depot.charref("persist-job", "job-1", str(job), "--json")
    assert done.returncode == 1
    report = report_of(done)
    trouble, = report["troubles"]
    assert list(trouble) == ["path", "error", "message"]
    assert trouble["path"] == "link"
    assert report["detail"]["error"] == "Conflict"
    line, = done.stderr.splitlines()
    assert line.startswith("charref: ")


def test_verify_tells_every_difference_and_changes_nothing(depot, job):
    assert depot.charref("persist-job", "job-1", str(job)).returncode == 0
    (job / "metadata.json").write_bytes(b"[]")
    (job / "final/video.mp4").unlink()
    (job / "new").write_bytes(b"new")
    before = contents(job)
    done = depot.charref("verify-job", "job-1", str(job), "--json")
    assert done.returncode == 1
    assert sorted(one["path"] for one in report_of(done)["troubles"]) == \
        ["final/video.mp4", "metadata.json", "new"]
    assert contents(job) == before
    text = depot.charref("verify-job", "job-1", str(job))
    assert "; 3 not as they should be" in text.stdout


@pytest.mark.parametrize("words, code", [
    (("persist-job", "job-1", "/nonexistent"), 3),
    (("verify-job", "job-1", "/nonexistent"), 3),
    (("verify-job", "job-1", "/"), 3),
    (("download-job", "no-such-job", "{back}"), 3),
    (("persist-job", "../job", "{back}"), 2),
    (("persist-job", "job-1"), 2),
    (("persist-job", "job-1", "a", "b"), 2),
    (("download-job", "job-1", "{back}", "--all"), 2),
    (("ls", "word"), 2),
    (("ls", "--job"), 2),
    (("ls", "--job", "."), 2),
    (("show",), 2),
    (("show", ".."), 2),
    (("show", "nobody"), 3),
])
def test_exit_statuses_tell_what_was_wrong(depot, tmp_path, words, code):
    words = [word.format(back=tmp_path / "back") for word in words]
    if words[-1] == "/":
        words[-1] = str(tmp_path)
    done = depot.charref(*words)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stderr
    if code == 3:
        detail = json.loads(depot.charref(*words, "--json").stdout)["detail"]
        assert detail["error"] == "NotFound"


def test_without_a_bucket_it_says_so(depot, job):
    del depot.env["STORAGE_BUCKET"]
    depot.env["SERVE_FROM_CLOUD"] = "false"
    done = depot.charref("persist-job", "job-1", str(job), "--json")
    assert done.returncode == 1
    assert "STORAGE_BUCKET" in done.stderr
    assert json.loads(done.stdout)["detail"]["error"] == "Unavailable"


# ----------------------------------------------------------------- terminal


def on_terminal(depot, *words: str, columns: int = 100, term: str = "xterm"):
    """Runs a command whose standard error is a terminal: what came there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ,
                struct.pack("HHHH", 24, columns, 0, 0))
    one = subprocess.Popen([program("charref"), *words],
                           env=depot.env | {"TERM": term}, text=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while step := os.read(ours, 65536):
            seen += step
    os.close(ours)
    said, _ = one.communicate(timeout=60 * SLOWNESS)
    return one.returncode, said, seen.decode()


def drawn(seen: str) -> list[str]:
    """The lines drawn over each other; nothing else came."""
    assert seen.endswith("\r\x1b[K"), repr(seen[-200:])
    assert "\n" not in seen
    return [line.removesuffix("\x1b[K") for line in seen.split("\r")[1:-1]]


@pytest.mark.parametrize("columns", [120, 60, 30, 5])
def test_a_terminal_has_one_line_that_is_erased(depot, job, columns):
    code, said, seen = on_terminal(depot, "persist-job", "job-1", str(job),
                                   columns=columns)
    assert code == 0 and "5 sent" in said
    lines = drawn(seen)
    assert lines and all(len(line) < columns for line in lines), lines
    if columns == 120:
        assert re.match(r"\[[#-]{20}\] +\d+%  \d", lines[0]), lines


def test_a_trouble_takes_the_place_of_the_drawn_line(depot, job):
    (job / "zlink").symlink_to("metadata.json")
    code, _, seen = on_terminal(depot, "persist-job", "job-1", str(job))
    assert code == 1
    assert re.search(r"(^|\r\x1b\[K)zlink: is [^\r\n]*\r\n", seen), repr(seen)


def test_a_dumb_terminal_gets_lines(depot, job):
    _, _, seen = on_terminal(depot, "persist-job", "job-1", str(job),
                             term="dumb")
    assert "\x1b" not in seen
    assert seen.startswith("persist-job job-1: 5 files, 4.0 MiB\r\n")


# ------------------------------------------------------------------ stopping


class Sluice:
    """Lets so many bytes through to a server, and then no more for a while.

    It looks for what is there like the line of a slow uplink.
    """

    def __init__(self, port: int, limit: int):
        self.port = port
        self.left = limit
        self.is_open = True
        self.sockets: list[socket.socket] = []
        self.door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.door.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.door.accept()
                server = socket.create_connection(("127.0.0.1", self.port))
                self.sockets += [client, server]
                for ends in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._carry, args=ends,
                                     daemon=True).start()

    def _carry(self, source, target, counts: bool):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if counts:
                    self.left -= len(data)
                    while self.left <= 0 and self.is_open:
                        time.sleep(0.02)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self):
        """Lets go of everybody."""
        self.is_open = False
        self.door.close()
        for one in self.sockets:
            one.close()


@pytest.mark.parametrize("sig, flags", [(signal.SIGINT, []),
                                        (signal.SIGTERM, ["--json"])])
def test_a_signal_ends_a_transfer_at_once_and_it_goes_on_later(
        gateway, depot, job, sig, flags):
    for i in range(40):
        (job / f"part-{i:02}").write_bytes(os.urandom(MIB))
    words = ["persist-job", "job-1", str(job), *flags]
    sluice = Sluice(gateway.port, 10 * MIB)
    try:
        one = subprocess.Popen(
            [program("charref"), *words], text=True,
            env=depot.env | {"AWS_ENDPOINT_URL_S3": sluice.url},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        wait_until(lambda: sluice.left <= 0, "a transfer under way", 20.0)
        assert takes_signals(one.pid, sig)
        began = time.monotonic()
        one.send_signal(sig)
        said, complained = one.communicate(timeout=20 * SLOWNESS)
        assert time.monotonic() - began < 2.0 * SLOWNESS
    finally:
        sluice.close()
    assert one.returncode == 1, complained
    assert complained.splitlines()[-1] == \
        "charref: stopped; run the same command again to go on"
    if flags:
        detail = json.loads(said)["detail"]
        assert detail["message"].startswith("stopped; ")
    done = depot.charref("persist-job", "job-1", str(job), "--json")
    assert done.returncode == 0, done.stderr
    report = report_of(done)
    assert report["sent"] + report["unchanged"] == 45
    assert depot.charref("verify-job", "job-1", str(job)).returncode == 0


# --------------------------------------------------------------- ls and show


def test_ls_lists_every_image_the_newest_last(depot):
    images = list(stock(depot, 1203))
    for age, image_id in enumerate(images[:5]):
        change(depot, "UPDATE images SET created_at = ? WHERE id = ?",
               9_000_000_000_000 - age, image_id)
    change(depot, "UPDATE objects SET state = 'failed' WHERE image_id = ?",
           images[0])
    change(depot, "UPDATE objects SET state = 'done', verified_at = 5"
           " WHERE image_id = ?", images[1])
    done = depot.charref("ls")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["IMAGE", "KIND", "SIZE", "CREATED", "STATE"]
    assert {line[0] for line in lines[1:]} == set(images)
    assert len(lines) == 1204
    assert [line[0] for line in lines[-5:]] == images[4::-1]
    assert lines[-1][1:] == ["png", lines[-1][2], "B",
                             "2255-03-14T16:00:00Z", "failed"]
    assert lines[-2][-1] == "done" and lines[1][-1] == "waiting"


def test_ls_as_json_says_the_same(depot):
    assert json.loads(depot.charref("ls", "--json").stdout) == {"images": []}
    images = stock(depot, 3)
    listed = json.loads(depot.charref("ls", "--json").stdout)["images"]
    assert {one["image_id"]: one["bytes"] for one in listed} == \
        {image_id: len(data) for image_id, data in images.items()}
    assert list(listed[0]) == ["image_id", "extension", "bytes",
                               "created_at", "state"]
    assert {one["state"] for one in listed} == {"waiting"}


def test_ls_of_a_job_lists_its_images_alone(depot):
    stock(depot, 2)
    mine = list(stock(depot, 2, job="job-1", state="done", verified_at=5))
    listed = json.loads(
        depot.charref("ls", "--job", "job-1", "--json").stdout)["images"]
    assert {one["image_id"] for one in listed} == set(mine)
    assert {one["state"] for one in listed} == {"done"}
    text = depot.charref("ls", "--job", "other").stdout
    assert text.splitlines()[1:] == []


def test_show_says_all_that_is_known(depot):
    (image_id, data), = stock(depot, 1, state="failed", attempts=8,
                              last_error="no \x1b route").items()
    change(depot, "INSERT INTO objects (image_id, job_id, key, state,"
           " verified_at) VALUES (?, 'job-1', ?, 'done', 86400000)",
           image_id, key_of(image_id, "job-1"))
    change(depot, "UPDATE images SET prompt = ?, seed = 7, created_at = 1000"
           " WHERE id = ?", "a knight\nat \u591c", image_id)
    done = depot.charref("show", image_id, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert shown == {
        "image_id": image_id, "extension": "png", "media_type": "image/png",
        "bytes": len(data), "width": 16, "height": 16,
        "sha256": shown["sha256"], "created_at": "1970-01-01T00:00:01Z",
        "model": "model", "seed": 7, "prompt": "a knight\nat \u591c",
        "request_id": "by-hand", "path": f"{STORE}/{image_id}.png",
        "objects": [
            {"job_id": None, "state": "failed", "key": key_of(image_id),
             "attempts": 8, "last_error": "no \x1b route",
             "verified_at": None},
            {"job_id": "job-1", "state": "done",
             "key": key_of(image_id, "job-1"), "attempts": 0,
             "last_error": None, "verified_at": "1970-01-02T00:00:00Z"}]}
    text = depot.charref("show", image_id).stdout
    assert "a knight\\x0aat \u591c" in text and "\x1b" not in text
    assert "failed, 8 attempts; last error: no \\x1b route" in text
    (depot.store / f"{image_id}.png").unlink()
    assert "not in the local store" in depot.charref("show", image_id).stdout
    assert json.loads(depot.charref("show", image_id,
                                    "--json").stdout)["path"] is None


# ---------------------------------------------------------------- completion


def complete(*words: str) -> list[str]:
    """What bash offers after these words."""
    script = (". deploy/completion/charref; PATH=$BIN:$PATH; "
              "COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _charref; "
              "printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(
        ["/bin/bash", "-c", script, "bash", *words], text=True,
        capture_output=True, check=True, timeout=20 * SLOWNESS, cwd=PROJECT,
        env={"PATH": os.environ["PATH"],
             "BIN": os.path.dirname(program("charref"))})
    return done.stdout.split("\n")[:-1]


@pytest.mark.once
@pytest.mark.parametrize("words, offered", [
    (["persist-"], ["persist-job"]),
    (["persist-job", "j", "--"], ["--force", "--json"]),
    (["url", "x", "--e"], ["--extension", "--expires"]),
    (["url", "x", "--extension", "jp"], ["jpg", "jpeg"]),
    (["ls", "--job", ""], [""]),
    (["retry", "-"], ["--all"]),
    (["config", "S3_SSE"], ["S3_SSE", "S3_SSE_KMS_KEY_ID"]),
    (["associate", "j", "i", "--base", "te"], ["tests"]),
    (["persist", "i", "READ"], ["README.md"]),
    (["persist-job", "j", "do"], ["docs"]),
    (["routes", ""], [""]),
])
def test_completion_offers_what_fits(words, offered):
    assert complete("charref", *words) == offered
