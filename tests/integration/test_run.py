"""`make run`'s own script, with the offline model: started, used, stopped.

It is run from a copy of what it needs (deploy/ and the programs of the
flavour under test), so that a build going on elsewhere does not matter.
"""

import contextlib
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

import wire
from house import (BUILD, PROJECT, SANITIZER_EXIT, SLOWNESS, STORE,
                   children_of, free_port, is_alive, kill, must_leave,
                   need_tool, processes_about, wait_until)
from model_double import IMAGEN, KEY, ModelDouble, silence
from s3_double import S3Double, slow_down

PROGRAMS = ("charref", "charref-fcgi", "charref-sketch")
# Until all has stopped; far less than a model's reply takes in these tests.
STOP_S = 5.0 + 3.0 * (SLOWNESS - 1)


@pytest.fixture(scope="module")
def project():
    """A project folder with what deploy/run needs."""
    for tool in ("nginx", "spawn-fcgi", "curl"):
        need_tool(tool)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cr-", dir="/tmp"))
    shutil.copytree(PROJECT / "deploy", folder / "deploy")
    (folder / "build").mkdir()
    for name in PROGRAMS:
        shutil.copy2(BUILD / name, folder / "build" / name)
    yield folder
    left = processes_about(folder)
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, left


def heed_signals():
    """As in a terminal: whoever runs the tests may have them ignored."""
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, signal.SIG_DFL)


class Run:
    """One deploy/run in the foreground, with its own port and folders."""

    script = "deploy/run"

    def __init__(self, project: pathlib.Path, folder: pathlib.Path,
                 **settings: str):
        self.folder = folder
        self.port = int(settings.get("PORT", free_port()))
        self.run_dir = pathlib.Path(settings.get("RUN_DIR", folder / "run"))
        self.root = folder / "data"
        self.store = self.root / STORE
        # A blank in a folder's name would end the sanitizer's option.
        self.reports = pathlib.Path(tempfile.mkdtemp(prefix="cr-",
                                                     dir="/tmp"))
        report = self.reports / "sanitizer"
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(folder),
            "LANG": "C.UTF-8", "PORT": str(self.port),
            "RUN_DIR": str(self.run_dir), "CHARREF_ROOT": str(self.root),
            "FAST_WORKERS": "1", "LOOKUP_WORKERS": "1", "SLOW_WORKERS": "2",
            "DISK_RESERVE_MB": "1",
            "NGINX_GENERATE_RATE": "60000", "NGINX_GENERATE_BURST": "1000",
            "ASAN_OPTIONS": f"log_path={report}:exitcode={SANITIZER_EXIT}",
            "UBSAN_OPTIONS": f"log_path={report}:print_stacktrace=1",
        } | settings
        self.process = subprocess.Popen(
            [str(project / self.script)], env=self.env, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=heed_signals)
        self.http = wire.Http(self.port)
        self.said = self.complained = ""

    def ready(self) -> "Run":
        """Waits for its greeting; its healthz must then answer."""
        ended = threading.Timer(30 * SLOWNESS, self.process.kill)
        ended.start()
        for line in self.process.stdout:
            self.said += line
            if line.startswith("Ctrl-C"):
                break
        ended.cancel()
        assert "Ctrl-C" in self.said, self.process.stderr.read()
        assert self.http.get("/healthz").status == 200
        return self

    def wait(self, deadline: float = 30.0) -> int:
        """Waits for its end: the exit code; what it said is kept."""
        said, self.complained = self.process.communicate(
            timeout=deadline * SLOWNESS)
        self.said += said
        return self.process.returncode

    def interrupt(self, sig: int = signal.SIGINT) -> float:
        """Ctrl-C, as a terminal does it, and how long the end took."""
        began = time.monotonic()
        os.killpg(self.process.pid, sig)
        assert self.wait() == 0, self.complained
        return time.monotonic() - began

    def stop(self):
        """Stops it if it runs."""
        if self.process.poll() is None:
            self.interrupt()

    def must_be_gone(self):
        """Asks what it left: no process, no report, no socket."""
        must_leave(self.folder)
        reports = [path.read_text()[:4000]
                   for path in self.reports.iterdir()]
        shutil.rmtree(self.reports)
        assert not reports, reports
        assert not list(self.run_dir.glob("*.sock"))


@pytest.fixture
def start(project):
    """Starts runs, each in a folder of its own."""
    runs: list[Run] = []
    folders: list[pathlib.Path] = []

    def make(folder: pathlib.Path | None = None, name: str = "",
             kind: type[Run] = Run, **settings: str) -> Run:
        if folder is None:
            folders.append(pathlib.Path(
                tempfile.mkdtemp(prefix="cr-", dir="/tmp")))
            folder = folders[-1] / name
            folder.mkdir(exist_ok=True)
        runs.append(kind(project, folder, **settings))
        return runs[-1]

    yield make
    try:
        for run in runs:  # they may share folders: so first all of them
            run.stop()
        for run in runs:
            run.must_be_gone()
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def test_with_a_bucket_what_is_persisted_comes_there_though_gets_do_not(
        start):
    """What a command could not bring is the uploader's, which runs."""
    with contextlib.closing(S3Double()) as double:
        run = start(STORAGE_BUCKET=double.bucket, AWS_REGION=double.region,
                    AWS_ENDPOINT_URL_S3=double.url,
                    AWS_ACCESS_KEY_ID=double.access_key,
                    AWS_SECRET_ACCESS_KEY=double.secret_key).ready()
        assert "storage  local disk" in run.said
        image, = run.http.generate(num_images=1).images()
        double.on(slow_down(), method="PUT", times=5)
        run.http.post({"image_id": image["id"]},
                      "/api/mv/persist_character_reference").must_fail(
            503, "Unavailable")
        wait_until(lambda: double.objects, "the uploader", 20.0)
        run.stop()


@pytest.fixture(scope="module")
def running(project):
    """One run that several tests ask; it waits less than [delay 30] does."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cr-", dir="/tmp"))
    run = Run(project, folder,
              GENERATE_DEADLINE=str(min(int(2 * SLOWNESS), 25))).ready()
    yield run
    run.stop()
    run.must_be_gone()
    shutil.rmtree(folder, ignore_errors=True)


def test_it_greets_with_a_command_that_works_when_pasted(running, tmp_path):
    """The command is in the middle of the greeting: up to its `done`."""
    found = re.search(r"^  curl .*?^ +done$", running.said, re.S | re.M)
    assert found, running.said
    done = subprocess.run(["/bin/sh", "-c", found[0]], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60 * SLOWNESS)
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 4, (names, done.stdout, done.stderr)
    for name in names:
        data = (tmp_path / name).read_bytes()
        assert data == (running.store / name).read_bytes()
        assert data.startswith(b"\x89PNG")
        assert f"200 {name}" in done.stdout


def test_the_readmes_first_curl_works(running, tmp_path):
    body = ('{"character_description": "A silver metallic humanoid robot with'
            ' red shield", "num_images": 4, "aspect_ratio": "1:1"}')
    done = subprocess.run(
        ["curl", "-sS", "-f",
         f"http://127.0.0.1:{running.port}{wire.GENERATE}", "-H",
         "Content-Type: application/json", "-d", body, "-o",
         str(tmp_path / "reply")], timeout=60 * SLOWNESS)
    assert done.returncode == 0
    reply = wire.Reply(200, {"content-type": "application/json"},
                       (tmp_path / "reply").read_bytes())
    assert len(set(reply.pictures())) == 4
    assert reply.json()["metadata"]["model_used"] == "imagen-offline-sketch"


@pytest.mark.parametrize("ratio, size", [
    ("1:1", (1024, 1024)), ("3:4", (896, 1280)), ("4:3", (1280, 896)),
    ("9:16", (768, 1408)), ("16:9", (1408, 768))])
def test_the_sketch_draws_every_ratio(running, ratio, size):
    reply = running.http.generate("A knight", num_images=1,
                                  aspect_ratio=ratio)
    data = reply.pictures()[0]
    assert (int.from_bytes(data[16:20], "big"),
            int.from_bytes(data[20:24], "big")) == size


def test_the_same_seed_draws_the_same_picture(running):
    ask = {"num_images": 2, "seed": 42}
    first = running.http.generate("A knight", **ask).pictures()
    assert running.http.generate("A knight", **ask).pictures() == first
    assert first[0] != first[1]
    other = running.http.generate("A knight", num_images=2, seed=43)
    assert other.pictures() != first


FAULTS = {
    "[503]": (503, "Unavailable"), "[404]": (502, "ProviderError"),
    "[429 day]": (503, "Unavailable"), "[500]": (502, "ProviderError"),
    "[filter]": (422, "ContentFiltered"), "[block]": (422, "ContentFiltered"),
    "[cut]": (502, "ProviderError"), "[html]": (502, "ProviderError"),
    "[big]": (502, "ProviderError"), "[429]": (503, "Unavailable"),
    "[429 free]": (502, "ProviderError"),
    "[429 credits]": (502, "ProviderError"),
    "[miss]": (502, "ProviderError"), "[error]": (502, "ProviderError"),
    "[delay 30]": (504, "Timeout"), "[html 404]": (502, "ProviderError"),
}


@pytest.mark.parametrize("word", FAULTS)
def test_a_fault_asked_of_the_sketch_has_its_documented_status(running, word):
    status, error = FAULTS[word]
    reply = running.http.generate(f"a knight {word}", num_images=2)
    reply.must_fail(status, error)


@pytest.mark.parametrize("word, kept, error", [
    ("[filter 2]", 2, "ContentFiltered"), ("[base64]", 3, "ProviderError"),
    ("[lie]", 3, "ProviderError")])
def test_a_fault_of_some_images_leaves_the_others(running, word, kept, error):
    reply = running.http.generate(f"a knight {word}")
    metadata = reply.json()["metadata"]
    assert len(reply.images()) == kept == metadata["num_images_generated"]
    assert {f["error"] for f in metadata["failures"]} == {error}


def test_reading_works_beside_all_that(running):
    image = running.http.generate(num_images=1, key="k").images()[0]
    again = running.http.generate(num_images=1, key="k").images()[0]
    assert image == again
    reply = running.http.picture(image["id"])
    assert reply.status == 200
    assert reply.headers["content-type"] == "image/png"


def test_ctrl_c_stops_it_all_and_the_data_stays(start):
    run = start().ready()
    image = run.http.generate(num_images=1).images()[0]
    assert run.interrupt() < STOP_S
    assert "abandoned" not in run.complained
    with pytest.raises(OSError):
        run.http.get("/healthz")
    name = image["path"].rpartition("/")[2]
    data = (run.store / name).read_bytes()
    again = start(run.folder).ready()
    assert again.http.picture(image["id"]).body == data


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM,
                                 signal.SIGHUP])
def test_a_generation_in_flight_is_abandoned_within_five_seconds(start, sig):
    run = start().ready()
    asker = threading.Thread(target=ask_in_vain, args=(run,))
    asker.start()
    wait_until(lambda: sketch_is_asked(run), "a generation in flight")
    took = run.interrupt(sig)
    asker.join()
    assert took < STOP_S, took
    assert "abandoned a generation in flight" in run.complained


def test_a_paid_generation_in_flight_is_abandoned_and_said_to_be(start):
    """The same with a model that is not ours, and costs money."""
    model = ModelDouble()
    model.otherwise = silence(60)
    run = start(IMAGE_BASE_URL=model.url, GEMINI_API_KEY=KEY,
                IMAGE_MODELS=IMAGEN).ready()
    assert "costs money" in run.said and KEY not in run.said
    asker = threading.Thread(target=ask_in_vain, args=(run,))
    asker.start()
    model.wait_for_calls(1)
    took = run.interrupt()
    asker.join()
    model.close()
    assert took < STOP_S, took
    assert "abandoned a generation in flight" in run.complained
    assert KEY not in run.complained


def ask_in_vain(run: Run):
    """A generation that is not going to be answered."""
    try:
        run.http.generate("a knight [delay 60]", num_images=1)
    except (OSError, http.client.HTTPException, AssertionError):
        pass


def sketch_is_asked(run: Run) -> bool:
    """Does a connection to the sketch stand?  (03 is "connected".)"""
    with open("/proc/net/unix") as table:
        return any(line.rstrip().endswith(f"{run.run_dir}/sketch.sock")
                   and line.split()[5] == "03" for line in table)


def test_sigkill_of_the_script_is_cleaned_up_by_the_next_run(start):
    run = start().ready()
    image = run.http.generate(num_images=1).images()[0]
    run.process.kill()
    run.wait()
    again = start(run.folder, PORT=str(run.port)).ready()
    assert again.http.picture(image["id"]).status == 200
    again.interrupt()
    assert not processes_about(run.folder)


def kill_nginx(run: Run) -> list[int]:
    """Kills nginx's master alone, and tells who its workers are."""
    master = int((run.run_dir / "nginx.pid").read_text())
    workers = children_of(master)
    assert workers
    os.kill(master, signal.SIGKILL)
    return workers


def must_have_ended(pids: list[int]):
    """Those that have not are killed, so that one test fails."""
    left = [pid for pid in pids if is_alive(pid)]
    for pid in left:
        kill(pid, signal.SIGKILL)
    assert not left, left


def test_no_nginx_worker_outlives_its_killed_master(start):
    run = start().ready()
    workers = kill_nginx(run)
    code = run.wait()
    must_have_ended(workers)
    assert code == 1
    assert "nginx has ended" in run.complained
    with pytest.raises(ConnectionRefusedError):
        run.http.get("/healthz")


def test_nginx_workers_left_by_a_killed_run_are_ended_by_the_next(start):
    run = start().ready()
    run.process.kill()
    run.wait()
    workers = kill_nginx(run)
    try:
        again = start(run.folder, PORT=str(run.port)).ready()
    finally:
        must_have_ended(workers)
    assert again.http.generate(num_images=1).status == 200


def test_two_runs_live_side_by_side(start):
    one, two = start(), start()
    one.ready()
    two.ready()
    image = one.http.generate(num_images=1).images()[0]
    two.http.picture(image["id"]).must_fail(404, "NotFound")
    one.interrupt()
    assert two.http.generate(num_images=1).status == 200


def one_line(run: Run) -> str:
    """It must fail with exit code 1 and exactly one line."""
    assert run.wait() == 1, run.complained
    assert run.said == "", run.said
    lines = run.complained.splitlines()
    assert len(lines) == 1, run.complained
    assert lines[0].startswith("charref: ")
    return lines[0]


def test_a_port_in_use_is_one_line_and_nothing_started(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        run = start(PORT=port)
        assert port in one_line(run)
    assert not processes_about(run.folder)


def test_a_run_dir_in_use_is_one_line_and_harms_nobody(start):
    run = start().ready()
    other = start(RUN_DIR=str(run.run_dir))
    assert str(run.run_dir) in one_line(other)
    assert run.http.generate(num_images=1).status == 200


def test_a_socket_path_that_is_too_long_is_one_line(start):
    assert "107" in one_line(start(RUN_DIR="/tmp/" + "x" * 100))
    assert not pathlib.Path("/tmp/" + "x" * 100).exists()


@pytest.mark.parametrize("folder", ['a"b', "a$b", "a\\b", "a\nb"])
def test_a_folder_that_nginx_cannot_name_is_refused(start, folder):
    run = start(CHARREF_ROOT=f"/tmp/{folder}")
    assert run.wait() == 1
    assert run.complained.startswith("charref: ")


def test_a_folder_with_a_blank_is_fine(start):
    run = start(name="two words & | more").ready()
    image = run.http.generate(num_images=1).images()[0]
    assert run.http.picture(image["id"]).status == 200


@pytest.mark.parametrize("kind", ["in no folder", "a folder", "a FIFO"])
def test_a_log_file_that_cannot_be_opened_is_one_line(start, tmp_path, kind):
    path = tmp_path / "none" / "log" if kind == "in no folder" \
        else tmp_path / "log"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a FIFO":
        os.mkfifo(path)
    run = start(LOG_FILE=str(path))
    line = one_line(run)
    assert "LOG_FILE" in line and str(path) in line
    assert not processes_about(run.folder)


def test_a_log_file_of_ones_own_is_written(start, tmp_path):
    path = tmp_path / "two words.log"
    path.write_text("before\n")
    run = start(LOG_FILE=str(path)).ready()
    run.interrupt()
    assert path.read_text().startswith("before\n{")


def test_a_number_with_a_leading_zero_is_one_line(start):
    """The shell would take it for octal."""
    run = start(FAST_WORKERS="08")
    assert run.wait() == 1
    title, *mistakes = run.complained.splitlines()
    assert title == "charref: the settings are wrong", run.complained
    assert len(mistakes) == 1 and "FAST_WORKERS" in mistakes[0], mistakes
    assert not run.run_dir.exists()


def test_wrong_settings_are_all_told_before_anything_starts(start):
    run = start(FAST_WORKERS="none", GENERATE_DEADLINE="0")
    assert run.wait() == 1
    for name in ("FAST_WORKERS", "GENERATE_DEADLINE"):
        assert name in run.complained
    assert not run.run_dir.exists()


def test_workers_that_die_are_survived_by_the_pictures(start):
    run = start().ready()
    image = run.http.generate(num_images=1).images()[0]
    pids = [int(word) for name in ("fast", "lookup", "slow") for path in
            run.run_dir.glob(f"{name}-?.pid")
            for word in path.read_text().split()]
    assert len(pids) == 4
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, pids)), "their death")
    assert run.http.picture(image["id"]).status == 200
    assert run.http.generate(num_images=1).status in (502, 503)


def test_it_listens_on_the_one_address(running):
    """Another address of this host, if only 127.0.0.2, refuses."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", running.port), 2).close()


def test_its_files_are_closed_to_others(running):
    for path in (running.root / "catalogue.db", running.run_dir,
                 running.run_dir / "slow-a.sock", running.store,
                 running.run_dir / "log/charref.log"):
        assert path.stat().st_mode & 0o007 == 0, path


def test_a_text_that_reads_like_the_mark_of_a_secret_is_in_its_env(start):
    run = start(AWS_ROLE_SESSION_NAME="set").ready()
    assert "AWS_ROLE_SESSION_NAME='set'\n" in \
        (run.run_dir / "env").read_text()
