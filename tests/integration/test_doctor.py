"""`charref doctor`: all is well, and each thing that can be wrong."""

import contextlib
import http.server
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time

import pytest

import model_double
import s3_double
import wire
from house import (SLOWNESS, House, free_port, need_tool, program,
                   wait_until)
from model_double import GEMINI, IMAGEN, KEY

RUN_S = 60.0  # whatever hangs


class Doctor:
    """What it said: the document, and each check by its name."""

    def __init__(self, done: subprocess.CompletedProcess):
        self.status, self.errors = done.returncode, done.stderr
        self.text = done.stdout
        document = json.loads(done.stdout)
        assert set(document) == {"ok", "checks"}
        assert document["ok"] == (self.status == 0), document
        self.ok = document["ok"]
        self.checks = {one["name"]: one for one in document["checks"]}
        for one in document["checks"]:
            assert set(one) == {"name", "state", "found", "remedy"}, one
            if one["state"] == "failed":
                assert one["remedy"], one

    def states(self, state: str) -> list[str]:
        """The checks that ended so."""
        return [name for name, one in self.checks.items()
                if one["state"] == state]

    def must_fail(self, name: str, *words: str):
        """That check failed, saying so in what it found or advises."""
        one = self.checks[name]
        assert (self.status, one["state"]) == (1, "failed"), one
        self._must_say(one, words)

    def must_warn(self, name: str, *words: str):
        """That check warns."""
        one = self.checks[name]
        assert one["state"] == "warning", one
        self._must_say(one, words)

    @staticmethod
    def _must_say(one: dict, words: tuple):
        text = f"{one['found']}\n{one['remedy']}"
        for word in words:
            assert word in text, (word, one)


def run(house: House, *options: str, without: tuple = (), **settings: str):
    """Runs it under the house's settings, some of them changed."""
    env = {name: value for name, value in (house.env | settings).items()
           if name not in without}
    done = subprocess.run(
        [program("charref"), "doctor", *options], env=env, text=True,
        stdin=subprocess.DEVNULL, capture_output=True,
        timeout=RUN_S * SLOWNESS, check=False)
    for secret in (KEY, house.env.get("AWS_SECRET_ACCESS_KEY") or KEY,
                   *(value for name, value in settings.items()
                     if value and "KEY" in name), "X-Amz-Signature"):
        assert secret not in done.stdout + done.stderr
    return done


def ask(house: House, without: tuple = (), **settings: str) -> Doctor:
    """The same as a document."""
    return Doctor(run(house, "--json", without=without, **settings))


@pytest.fixture(scope="module")
def shared_clinic():
    """A house with an S3 double, and nothing wrong with it."""
    double = s3_double.S3Double()
    house = House(cloud=double)
    (house.folder / "jobs").mkdir()
    try:
        house.start()
        yield house
    finally:
        house.end()
        double.close()


@pytest.fixture
def clinic(shared_clinic):
    """The same; whatever a test does, nothing of the doctor's stays."""
    shared_clinic.cloud.forget(objects=True)
    shared_clinic.model.forget()
    yield shared_clinic
    assert not shared_clinic.cloud.complaints
    assert not shared_clinic.model.complaints
    assert not probes(shared_clinic)
    shared_clinic.cloud.forget()
    shared_clinic.inspect()


def probes(house: House) -> list[str]:
    """The doctor's objects that are in the bucket."""
    return [key for key in house.cloud.objects if "charref-doctor" in key]


# ----------------------------------------------------------------- all well


def test_all_is_well_in_a_whole_installation(clinic):
    told = ask(clinic)
    assert told.status == 0 and told.errors == ""
    assert told.states("failed") == told.states("warning") == []
    assert told.states("skipped") == ["public host"]
    assert clinic.model.paid() == 0  # nothing was generated
    assert [one.model for one in clinic.model.looks if one.verb == "GET"] \
        == [IMAGEN, GEMINI]


def test_all_is_well_with_a_real_s3_server(gateway, new_house):
    house = new_house(cloud=gateway)
    told = ask(house, S3_PUBLIC_ENDPOINT=gateway.url.replace(
        "127.0.0.1", "localhost"))
    assert told.status == 0, told.text
    assert told.states("skipped") == []
    for name in ("DELETE", "PUT", "HEAD", "GET", "COPY", "LIST",
                 "presigned GET", "presigned HEAD", "cleaned up",
                 "missing key", "public host", "region", "clock"):
        assert told.checks[name]["state"] == "ok", told.checks[name]
    listing = gateway.client().list_objects_v2(
        Bucket=gateway.bucket, Prefix="character_references/.charref-doctor")
    assert listing["KeyCount"] == 0


def test_people_get_a_line_a_check_and_an_indented_remedy(clinic):
    clinic.model.gone = {IMAGEN}
    done = run(clinic)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and "\033" not in done.stdout
    assert re.fullmatch(r"ok +settings +\d+ settings, all of them good; as \w+",
                        lines[0])
    last = [line for line in lines if line.startswith("warning  models ")]
    assert len(last) == 1 and lines[-1].startswith(" " * 9 + "take what")
    assert all(re.match("(ok|warning|FAILED|skipped| {7}) ", line)
               for line in lines)


def test_a_terminal_sees_colours(clinic):
    ours, theirs = pty.openpty()
    done = subprocess.run([program("charref"), "doctor"], env=clinic.env,
                          stdin=subprocess.DEVNULL, stdout=theirs,
                          stderr=subprocess.PIPE, timeout=RUN_S, check=False)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert b"\033[32mok" in os.read(ours, 65536)
    os.close(ours)


def test_without_a_bucket_what_is_of_it_is_skipped(clinic):
    told = ask(clinic, without=("STORAGE_BUCKET", "SERVE_FROM_CLOUD"))
    assert told.status == 0
    assert {"storage host", "credentials", "bucket", "PUT", "uploader",
            "presigned GET"} <= set(told.states("skipped"))
    assert "models" in told.states("ok")
    assert not clinic.cloud.asked("PUT")


def test_wrong_usage_exits_2(clinic):
    for words in (("x",), ("--all",)):
        assert run(clinic, *words).returncode == 2


# ----------------------------------------------------------------- settings


def test_every_mistake_of_the_settings_is_told_at_once(clinic):
    told = ask(clinic, PORT="70000", UPLOAD_MODE="never",
               STORAGE_BUCKET="No Bucket")
    told.must_fail("settings", "PORT", "UPLOAD_MODE", "STORAGE_BUCKET")
    assert told.states("skipped") == list(told.checks)[1:]


@pytest.mark.parametrize("settings, words", [
    ({"UPLOAD_MODE": "lazy", "SERVE_FROM_CLOUD": "false"}, "UPLOAD_MODE"),
    ({"S3_SSE_KMS_KEY_ID": "abc"}, "S3_SSE=aws:kms"),
    ({"GOOGLE_API_KEY": "another-key"}, "GEMINI_API_KEY is set"),
])
def test_settings_that_surprise_are_warned_of(clinic, settings, words):
    ask(clinic, **settings).must_warn("settings", words)


# -------------------------------------------------------------- this host


def make_unwritable(folder: pathlib.Path):
    """Whoever owns it may not write there, even if root asks."""
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    folder.chmod(0o500)


@pytest.fixture
def bare(new_house):
    """A house without anything that runs, which a test may break."""
    house = new_house(start=False, nginx=False, uploader=False,
                      workers={"fast": 0, "lookup": 0, "slow": 0})
    house.root.mkdir()
    house.folder.chmod(0o755)
    return house


def test_folders_that_are_missing_or_refused_are_told(bare):
    told = ask(bare)
    assert told.status == 0  # the first worker makes the rest
    told.must_warn("image folder", "the first worker makes it")
    told.must_warn("catalogue", "start the service")
    told.must_warn("jobs folder", "is not there", "JOBS_DIR")
    told.must_warn("workers", "not running")
    ask(bare, CHARREF_ROOT="/nonexistent").must_fail(
        "data folder", "/nonexistent is not there", "CHARREF_ROOT")
    ask(bare, RUN_DIR=str(bare.folder / "none")).must_warn(
        "run folder", "RUN_DIR")
    (bare.folder / "file").write_text("")
    ask(bare, JOBS_DIR=str(bare.folder / "file")).must_fail("jobs folder")
    make_unwritable(bare.root)
    told = ask(bare)
    told.must_fail("data folder", "CHARREF_ROOT", "0500")
    assert "catalogue" in told.states("skipped")


def test_a_folder_for_everybody_is_warned_of(bare):
    jobs = bare.folder / "jobs"
    jobs.mkdir()
    jobs.chmod(0o777)
    ask(bare).must_warn("jobs folder", "everybody", "chmod o-w")
    assert list(jobs.iterdir()) == []


def test_what_nginx_may_not_read_is_named(bare):
    bare.store.mkdir(parents=True)
    for folder in (bare.folder, bare.root, *bare.store.parents):
        if bare.folder in (folder, *folder.parents):
            folder.chmod(0o755)
    bare.store.chmod(0o700)
    told = ask(bare)
    told.must_fail("nginx reads", str(bare.store), "0700", "www-data")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(bare.folder / "slow-b.sock"))
        (bare.folder / "slow-b.sock").chmod(0o600)
        listener.listen(1)
        ask(bare).must_fail("nginx connects", "may not connect to",
                            "slow-b.sock", "0660")
    bare.store.chmod(0o755)
    told = ask(bare)
    told.must_fail("nginx reads", "may not read", "chgrp")
    if os.geteuid() != 0:
        return
    shutil.chown(bare.store, group="www-data")
    bare.store.chmod(0o2750)
    assert ask(bare).checks["nginx reads"]["state"] == "ok"
    assert list(bare.store.iterdir()) == []


def test_a_full_disk_is_foreseen(clinic):
    ask(clinic, DISK_RESERVE_MB="999999999").must_fail(
        "disk", "507", "DISK_RESERVE_MB")


def test_a_broken_catalogue_is_found(bare):
    assert bare.charref("ls").returncode == 0
    path = bare.root / "catalogue.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.executemany(
            "INSERT INTO objects (image_id, key, state) VALUES (?, ?, "
            "'waiting')", [(f"i{n}", "k" * 100) for n in range(500)])
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert ask(bare).checks["catalogue"]["state"] == "ok"
    whole = path.read_bytes()
    path.write_bytes(whole[:-8192] + b"\x07" * 8192)
    ask(bare).must_fail("catalogue", "backup", "reindex")
    path.write_bytes(b"no database at all\n" * 1000)
    told = ask(bare)
    told.must_fail("catalogue", "not a database")
    assert "rows and files" in told.states("skipped")


def test_a_catalogue_that_is_only_locked_need_not_be_restored(bare):
    assert bare.charref("ls").returncode == 0
    with contextlib.closing(sqlite3.connect(bare.root / "catalogue.db",
                                            isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        told = ask(bare)
        db.execute("ROLLBACK")
    told.must_fail("catalogue", "database is locked", "ask again", "who")
    assert "backup" not in told.checks["catalogue"]["remedy"]
    assert "reindex" not in told.checks["catalogue"]["remedy"]


def test_rows_without_files_and_files_without_rows_are_counted(bare):
    assert bare.charref("ls").returncode == 0
    with contextlib.closing(sqlite3.connect(bare.root / "catalogue.db")) as db:
        db.execute("INSERT INTO images VALUES ('lost', 'png', 'image/png', 1,"
                   f" '{'0' * 64}', 1, 1, 1, '', '', NULL, '')")
        db.commit()
    ask(bare).must_fail("rows and files", "1 have no file", "charref reindex")
    (bare.store / "lost.png").write_bytes(b"x")
    assert ask(bare).checks["rows and files"]["state"] == "ok"
    (bare.store / "stray.png").write_bytes(b"x")
    ask(bare).must_warn("rows and files", "1 files have no row")
    shutil.rmtree(bare.store)


def test_workers_that_are_gone_or_hang_are_told(clinic):
    fast = clinic.folder / "fast-b.sock"  # a link to the other group's
    fast.unlink()
    told = ask(clinic)
    told.must_warn("workers", "1 of 6 sockets are missing")
    fast.symlink_to("nobody.sock")
    ask(clinic).must_warn("workers")
    fast.unlink()
    fast.symlink_to("fast-a.sock")
    pids = list(clinic.pools["lookup"].pids)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        told = ask(clinic)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    told.must_warn("workers", "lookup-a.sock: no worker has answered")
    assert told.status == 0


def test_uploads_that_failed_or_wait_for_hours_are_told(bare):
    assert bare.charref("ls").returncode == 0
    now = int(time.time() * 1000)
    with contextlib.closing(sqlite3.connect(bare.root / "catalogue.db")) as db:
        db.executemany(
            "INSERT INTO objects (image_id, key, state, queued_at) "
            "VALUES (?, 'k', ?, ?)",
            [("a", "failed", now), ("b", "waiting", now - 3 * 3600_000)])
        db.commit()
    told = ask(bare, STORAGE_BUCKET="some-bucket",
               AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{free_port()}")
    told.must_warn("uploads", "1 failed", "retry --all", "for 3 hours")
    told.must_warn("uploader", "not running")


# -------------------------------------------------------------- the storage


def test_a_host_without_a_name_or_a_listener_is_told(clinic):
    ask(clinic, AWS_ENDPOINT_URL_S3="http://charref.invalid").must_fail(
        "storage host", "DNS", "AWS_ENDPOINT_URL_S3")
    told = ask(clinic, AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{free_port()}")
    told.must_fail("storage host", "TCP")
    assert "PUT" in told.states("skipped")
    told = ask(clinic, S3_PUBLIC_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    told.must_fail("public host", "TCP", "S3_PUBLIC_ENDPOINT")
    told.must_fail("presigned GET", "S3_PUBLIC_ENDPOINT")
    assert told.checks["GET"]["state"] == "ok"


def test_a_storage_that_hangs_costs_seconds(clinic):
    clinic.cloud.set_mode("hang")
    began = time.monotonic()
    told = ask(clinic)
    assert time.monotonic() - began < 20 * SLOWNESS
    told.must_fail("storage host", "no reply")
    assert "bucket" in told.states("skipped")
    assert told.checks["models"]["state"] == "ok"
    clinic.cloud.set_mode("up")


def test_a_host_that_never_speaks_tls_is_told(clinic):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        ask(clinic, AWS_ENDPOINT_URL_S3=url).must_fail("storage host", "TLS")


class Secure(http.server.HTTPServer):
    """A server with a certificate of its own making for `localhost`."""

    def __init__(self, folder: pathlib.Path):
        class Handler(http.server.BaseHTTPRequestHandler):
            """Answers as S3 does whom it does not know."""

            def do_HEAD(self):
                """A look at it."""
                self.send_response(403)
                self.end_headers()

            def log_message(self, *_):
                """Nothing: the test's output is pytest's."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.certificate = folder / "cert.pem"
        key = folder / "key.pem"
        subprocess.run(
            [need_tool("openssl"), "req", "-x509", "-newkey", "ec",
             "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost", "-keyout", str(key), "-out",
             str(self.certificate)], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://localhost:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.05,),
                         daemon=True).start()

    def handle_error(self, request, client_address):
        """Handshakes that fail are what the test is about."""


@pytest.fixture
def secure(tmp_path):
    """Such a server."""
    server = Secure(tmp_path)
    yield server
    server.shutdown()
    server.server_close()


def test_a_certificate_that_nobody_knows_is_named(clinic, secure):
    settings = {"AWS_ENDPOINT_URL_S3": secure.url, "AWS_MAX_ATTEMPTS": "1",
                "S3_ADDRESSING_STYLE": "path"}
    ask(clinic, **settings).must_fail(
        "storage host", "TLS", "self-signed certificate", "AWS_CA_BUNDLE")
    settings["AWS_CA_BUNDLE"] = str(secure.certificate)
    told = ask(clinic, **settings)
    assert "certificate is good" in told.checks["storage host"]["found"]
    told = ask(clinic, **settings | {
        "AWS_ENDPOINT_URL_S3": secure.url.replace("localhost", "127.0.0.1")})
    told.must_fail("storage host", "TLS", "127.0.0.1")


def test_a_bucket_that_the_certificate_does_not_cover_is_told(clinic, secure):
    told = ask(clinic, AWS_ENDPOINT_URL_S3=secure.url,
               AWS_CA_BUNDLE=str(secure.certificate),
               S3_ADDRESSING_STYLE="virtual")
    assert told.checks["storage host"]["state"] == "ok"
    told.must_fail("addressing", "TLS", "S3_ADDRESSING_STYLE=path")


class PathOnly(list):
    """Domains of a server that takes every host for its own name."""

    def __contains__(self, host):
        return True


def test_a_server_that_wants_the_bucket_in_the_path_is_told(clinic):
    url = clinic.cloud.url.replace("127.0.0.1", "localhost")
    settings = {"AWS_ENDPOINT_URL_S3": url, "S3_ADDRESSING_STYLE": "virtual"}
    told = ask(clinic, **settings)
    assert told.status == 0 and "virtual" in told.checks["addressing"]["found"]
    domains = clinic.cloud.domains
    clinic.cloud.domains = PathOnly()
    try:
        ask(clinic, **settings).must_fail(
            "bucket", "NoSuchBucket", "S3_ADDRESSING_STYLE=path")
    finally:
        clinic.cloud.domains = domains


def test_wrong_keys_bucket_and_region_are_told(clinic):
    ask(clinic, AWS_SECRET_ACCESS_KEY="wrong-secret-7f").must_fail(
        "bucket", "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY")
    ask(clinic, AWS_ACCESS_KEY_ID="AKIAWRONGWRONGWRONG1").must_fail(
        "bucket", "InvalidAccessKeyId")
    ask(clinic, STORAGE_BUCKET="another-bucket").must_fail(
        "bucket", "NoSuchBucket", "STORAGE_BUCKET")
    told = ask(clinic, AWS_REGION="us-west-2")
    told.must_fail("region", "us-west-2", "AWS_REGION=eu-central-1")
    assert told.states("failed") == ["region"]
    told = ask(clinic, without=("AWS_ACCESS_KEY_ID",
                                "AWS_SECRET_ACCESS_KEY"))
    told.must_fail("credentials", "no AWS credentials")
    ask(clinic, AWS_SECRET_ACCESS_KEY="").must_fail(
        "credentials", "AWS_SECRET_ACCESS_KEY")


def test_a_clock_that_is_off_is_told(clinic):
    clinic.cloud.clock_shift = 120
    told = ask(clinic)
    told.must_warn("clock", "behind the storage's", "timesyncd")
    assert told.status == 0
    clinic.cloud.clock_shift = -1200
    told = ask(clinic)
    told.must_fail("clock", "ahead of the storage's")
    assert told.checks["PUT"]["state"] == "ok"
    clinic.cloud.clock_shift = 0.0
    # The uploader has told the others of it, and will tell them again.
    wait_until(lambda: abs(clinic.status()["clock_offset_ms"]) < 3000,
               "the clock put right")


def test_keys_that_end_are_told_with_their_end(clinic, tmp_path):
    keys = {"Version": 1, "AccessKeyId": "ASIATEMPORARY0000001",
            "SecretAccessKey": "temporary-secret-31", "SessionToken": "tok",
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ",
                                        time.gmtime(time.time() + 3000))}
    (tmp_path / "keys").write_text(json.dumps(keys))
    (tmp_path / "config").write_text(
        f"[default]\ncredential_process = cat {tmp_path}/keys\n")
    clinic.cloud.keys[keys["AccessKeyId"]] = s3_double.Keys(
        keys["SecretAccessKey"], keys["SessionToken"])
    mine = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    settings = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    told = ask(clinic, mine, **settings)
    assert told.states("failed") == [], told.text
    told.must_warn("credentials", "PRESIGNED_URL_EXPIRY")  # of 3600 s
    found = told.checks["credentials"]["found"].splitlines()[0]
    assert re.fullmatch("from process, good for (49|50) min", found)
    lives = told.checks["presigned GET"]["found"]
    assert re.fullmatch(r"works, and lives (29\d\d|300\d) s", lives)
    told = ask(clinic, mine, PRESIGNED_URL_EXPIRY="900", **settings)
    assert told.checks["credentials"]["state"] == "ok"
    assert keys["SecretAccessKey"] not in told.text
    (tmp_path / "keys").write_text("nothing")
    ask(clinic, mine, **settings).must_fail("credentials", "process")


def test_a_session_without_an_end_is_not_taken_to_live_for_ever(clinic):
    told = ask(clinic, AWS_SESSION_TOKEN="t", PRESIGNED_URL_EXPIRY="604800")
    told.must_warn("credentials", "does not tell its end",
                   "PRESIGNED_URL_EXPIRY")
    assert told.checks["settings"]["state"] == "ok"


def is_copy(request) -> bool:
    """A PUT that is a copy."""
    return request.header("x-amz-copy-source") is not None


def is_whole(request) -> bool:
    """A GET of an object, not of a byte or a listing."""
    return request.key != "" and request.header("range") is None


@pytest.mark.parametrize("method, when, name, action", [
    ("DELETE", lambda r: True, "DELETE", "s3:DeleteObject"),
    ("PUT", lambda r: True, "PUT", "s3:PutObject"),
    ("PUT", is_copy, "COPY", "s3:PutObject"),
    ("GET", is_whole, "GET", "s3:GetObject"),
    ("HEAD", lambda r: r.key != "", "HEAD", "s3:GetObject"),
    ("GET", lambda r: r.key == "", "LIST", "s3:ListBucket"),
])
def test_each_right_that_is_denied_is_named_with_its_policy(
        clinic, method, when, name, action):
    clinic.cloud.on(s3_double.denied(), method=method, times=None,
                    when=lambda r: "charref-doctor" in r.target and when(r))
    told = ask(clinic)
    told.must_fail(name, action, f"arn:aws:s3:::{clinic.cloud.bucket}")
    assert not probes(clinic)
    if name == "DELETE":
        assert not clinic.cloud.asked("PUT")


def test_who_may_not_list_is_told_what_follows(clinic):
    clinic.cloud.may_list = False
    told = ask(clinic)
    told.must_warn("missing key", "403", "s3:ListBucket")
    told.must_fail("LIST", "s3:ListBucket")


def test_bytes_that_change_on_their_way_are_found(clinic):
    clinic.cloud.on(s3_double.corrupt(0), method="GET", times=None,
                    when=is_whole)
    told = ask(clinic)
    told.must_fail("GET", "other bytes", "proxy")
    told.must_fail("presigned GET", "other bytes")


def test_ctrl_c_ends_it_at_once_and_leaves_nothing(clinic):
    clinic.cloud.on(s3_double.stall("reply"), method="PUT", times=None)
    one = subprocess.Popen([program("charref"), "doctor", "--json"],
                           env=clinic.env, text=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    wait_until(lambda: probes(clinic), "the probe's object", 20)
    began = time.monotonic()
    one.send_signal(signal.SIGINT)
    out, errors = one.communicate(timeout=20 * SLOWNESS)
    assert time.monotonic() - began < 3 * SLOWNESS
    told = Doctor(subprocess.CompletedProcess(one.args, one.returncode, out,
                                              errors))
    assert told.status == 1 and told.states("failed") == []
    for name in ("PUT", "models"):
        assert told.checks[name]["found"] == "told to stop"
    assert not probes(clinic)


def test_ctrl_c_says_what_could_not_be_removed(clinic):
    clinic.cloud.on(s3_double.stall("reply"), method="PUT", times=None)
    one = subprocess.Popen([program("charref"), "doctor"], env=clinic.env,
                           stdin=subprocess.DEVNULL, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    [left] = wait_until(lambda: probes(clinic), "the probe's object", 20)
    clinic.cloud.on(s3_double.stall("headers"), method="DELETE", times=None)
    one.send_signal(signal.SIGINT)
    _, errors = one.communicate(timeout=10 * SLOWNESS)
    assert one.returncode == 1
    assert errors == \
        f"charref: remove what begins with {left} from the bucket\n"
    clinic.cloud.forget(objects=True)


def test_whatever_hangs_it_ends_within_a_minute(clinic):
    clinic.cloud.on(s3_double.stall("headers"), times=None,
                    when=lambda request: request.key != "")
    clinic.model.about = model_double.silence()
    began = time.monotonic()
    told = ask(clinic)
    assert time.monotonic() - began < 30 * SLOWNESS
    told.must_fail("bucket", "ask again later")
    assert told.checks["model key"]["state"] == "warning"
    clinic.cloud.forget(objects=True)


def test_ctrl_c_ends_it_while_the_storage_hangs(clinic):
    clinic.cloud.set_mode("hang")
    one = subprocess.Popen([program("charref"), "doctor"], env=clinic.env,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    clinic.cloud.wait_for(1, deadline=20 * SLOWNESS, method="HEAD")
    one.send_signal(signal.SIGTERM)
    out, _ = one.communicate(timeout=5 * SLOWNESS)
    clinic.cloud.set_mode("up")
    assert one.returncode == 1 and b"told to stop" in out


def test_a_reader_that_goes_away_leaves_nothing_behind(clinic):
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run([program("charref"), "doctor"], env=clinic.env,
                          stdin=subprocess.DEVNULL, stdout=theirs,
                          stderr=subprocess.PIPE, timeout=RUN_S, check=False)
    os.close(theirs)
    assert clinic.cloud.asked("PUT") and not probes(clinic)
    assert done.returncode == 1


def test_what_a_right_fails_in_the_middle_is_removed_again(clinic):
    clinic.cloud.on(s3_double.stall("reply"), method="PUT", times=None)
    began = time.monotonic()
    told = ask(clinic)
    assert time.monotonic() - began < 30 * SLOWNESS
    assert told.checks["PUT"]["state"] == "failed"
    assert not probes(clinic)


# ---------------------------------------------------------------- the model


def test_a_model_that_is_gone_is_a_warning_and_all_of_them_a_failure(clinic):
    clinic.model.gone = {IMAGEN}
    told = ask(clinic)
    told.must_warn("models", IMAGEN, f"{GEMINI}: there", "IMAGE_MODELS")
    assert told.status == 0
    clinic.model.gone = {IMAGEN, GEMINI}
    told = ask(clinic)
    told.must_fail("models", "name one that is there")
    assert told.checks["model key"]["state"] == "ok"


def test_a_key_that_is_wrong_or_missing_is_told(clinic):
    told = ask(clinic, GEMINI_API_KEY="wrong-model-key-9")
    told.must_fail("model key", "GEMINI_API_KEY")
    assert "models" in told.states("skipped")
    clinic.model.about = model_double.refuse(403, "PERMISSION_DENIED")
    ask(clinic).must_fail("model key", "GEMINI_API_KEY")
    told = ask(clinic, without=("GEMINI_API_KEY",),
               IMAGE_BASE_URL="https://localhost:1")
    told.must_fail("model host", "TCP", "IMAGE_BASE_URL")
    told.must_warn("model key", "nothing can be generated", "GEMINI_API_KEY")
    told = ask(clinic, IMAGE_BASE_URL="https://localhost:1")
    assert {"model key", "models"} <= set(told.states("skipped"))


def test_a_model_that_cannot_do_it_is_told(clinic):
    clinic.model.about = model_double.json_reply(
        200, {"name": "x", "supportedGenerationMethods": ["embedContent"]})
    ask(clinic).must_fail("models", f"{IMAGEN}: there, without predict")


def test_a_model_host_that_is_busy_is_no_failure(clinic):
    clinic.model.about = model_double.unavailable()
    told = ask(clinic)
    told.must_warn("model key", "busy")


def test_the_offline_model_answers_it_too(clinic):
    path = clinic.folder / "sketch.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)
        sketch = subprocess.Popen([program("charref-sketch")], stdin=listener,
                                  stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env=clinic.env)
        try:
            client = wire.FastCgi(str(path))
            found = client.ask("GET", "/v1beta/models/imagen-4.0-x")
            other = client.ask("GET", "/v1beta/models/")
            look = client.ask("HEAD", "/")
        finally:
            sketch.terminate()
            assert sketch.wait(20 * SLOWNESS) == 0
    path.unlink()
    assert (found.status, found.ended) == (200, True)
    assert json.loads(found.body)["supportedGenerationMethods"] == ["predict"]
    assert (other.status, look.status) == (404, 404)


def test_root_acts_as_the_owner_of_the_data(bare):
    if os.geteuid() != 0:
        return  # nobody to act as
    (bare.folder / "config").write_text(
        f"[default]\ncredential_process = sh -c 'id -u >{bare.folder}/who'\n")
    for path in (bare.folder, bare.root):
        os.chown(path, 65534, 65534)
    with contextlib.closing(s3_double.S3Double()) as double:
        told = ask(bare, AWS_CONFIG_FILE=str(bare.folder / "config"),
                   STORAGE_BUCKET=double.bucket,
                   AWS_ENDPOINT_URL_S3=double.url)
    told.must_fail("credentials", "process")
    assert told.checks["data folder"]["state"] == "ok"
    assert "as nobody" in told.checks["settings"]["found"]
    who = bare.folder / "who"
    assert who.read_text() == "65534\n" and who.stat().st_uid == 65534
    assert not list(bare.root.glob(".*"))
