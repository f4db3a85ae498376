"""The uploader: what waits comes to the bucket, whatever happens."""

import collections
import contextlib
import itertools
import random
import resource
import signal
import sqlite3
import subprocess
import time

import pytest

import pictures
import s3_double
from house import (SLOWNESS, Uploader, children_of, is_alive, kill,
                   need_tool, program, wait_until)
from s3_double import S3Double
from warehouse import (DAY_MS, LATER_MS, a_depot, change, key_of, make_due,
                       must_hold, now_ms, puts, state_of, states, stock,
                       store_in, wait_done)

ATTEMPTS_MAX = 8  # UPLOAD_ATTEMPTS_MAX
STOP_SECONDS = 2.0
RSS_MAX_KB = 48 << 10


@pytest.fixture(name="double")
def a_double():
    """A bucket of one's own; nobody was rude, and no object changed."""
    one = S3Double()
    yield one
    one.close()
    assert not one.complaints, one.complaints
    assert not one.changed, one.changed


@pytest.fixture(name="depots")
def make_depots(double):
    """Makes depots beside the double, and asks after their ends."""
    made = []

    def make(**settings):
        made.append(a_depot(double, **settings))
        return made[-1]

    yield make
    for one in reversed(made):
        one.end()


@pytest.fixture(name="depot")
def a_plain_depot(depots):
    """A house of folder, catalogue and commands; its uploader is not on."""
    return depots()


def events(depot, name: str) -> list[dict]:
    """The log's lines about such an event."""
    return [line for line in depot.log_lines() if line["event"] == name]


# ------------------------------------------------------------- what waits


def test_what_waits_at_the_start_is_brought_old_and_new(depot, double):
    """Version 1 and a time when the cloud was off left rows like these."""
    images = stock(depot, 10)
    images |= stock(depot, 10, queued_at=now_ms(), next_attempt_at=now_ms())
    images |= stock(depot, 10, queued_at=5, next_attempt_at=7, attempts=3,
                    last_error="long ago", error_at=6)
    depot.uploader.start()
    wait_done(depot)
    must_hold(double, images)
    assert set(puts(double).values()) == {1}
    assert depot.rows("SELECT max(attempts), max(last_error) FROM objects"
                      " WHERE next_attempt_at > 0") == [(None, None)]
    assert depot.status()["errors"] == []


def test_a_catalogue_of_version_1_is_taken_over(depot, double):
    images = stock(depot, 3)
    for sql in ("DROP INDEX objects_to_do", "DROP INDEX objects_by_proof",
                "DROP INDEX objects_by_error", "DROP INDEX objects_by_job",
                "DROP TABLE operations", "DROP TABLE job_files",
                "DROP TABLE uploads",
                "ALTER TABLE objects DROP COLUMN queued_at",
                "ALTER TABLE objects DROP COLUMN error_at",
                "CREATE INDEX objects_to_do"
                " ON objects (state, next_attempt_at)",
                "PRAGMA user_version = 1"):
        change(depot, sql)
    depot.uploader.start()
    wait_done(depot)
    must_hold(double, images)
    assert depot.rows("PRAGMA user_version") == [(3,)]


def test_a_job_s_object_is_copied_in_the_bucket_or_sent(depot, double):
    """Copied when its image is there alone; sent when that is not so."""
    images = stock(depot, 2, state="done", verified_at=now_ms())
    here, gone = images
    store_in(double, {here: images[here]})
    for image_id in images:
        change(depot, "INSERT INTO objects (image_id, job_id, key, state)"
               " VALUES (?, 'job-1', ?, 'waiting')", image_id,
               key_of(image_id, "job-1"))
    depot.uploader.start()
    wait_done(depot)
    must_hold(double, images, "job-1")
    copies = [one.key for one in double.asked("PUT")
              if one.header("x-amz-copy-source") and one.done]
    assert copies == [key_of(here, "job-1")]


def test_without_a_bucket_the_uploader_does_not_begin(depot):
    del depot.env["STORAGE_BUCKET"]
    depot.env["SERVE_FROM_CLOUD"] = "false"
    assert depot.uploader.start().process.wait(10 * SLOWNESS) == 1
    depot.uploader.process = None
    assert "STORAGE_BUCKET" in depot.log_lines()[-1]["message"]


# -------------------------------------------------------- coming and going


def test_sigterm_in_the_middle_of_a_batch_leaves_at_once(depot, double):
    images = stock(depot, 40)
    rule = double.on(s3_double.stall("body"), method="PUT", times=None)
    depot.uploader.start()
    rule.wait_taken(16, 10 * SLOWNESS)
    began = time.monotonic()
    assert depot.uploader.end() == 0
    assert time.monotonic() - began < STOP_SECONDS * SLOWNESS
    assert states(depot) == {"waiting": 40}
    double.forget()
    depot.uploader.start()
    make_due(depot)
    wait_done(depot)
    must_hold(double, images)
    assert not events(depot, "upload given up")


def both_children(pid: int) -> list[int]:
    """The watcher and the runner, in the order of their beginning."""
    return sorted(wait_until(
        lambda: (found := children_of(pid)) if len(children_of(pid)) == 2
        else None, "the watcher and the runner"))


def test_no_child_outlives_the_uploader(depot, double):
    """Also while the storage hangs and the watcher waits for it."""
    double.set_mode("hang")
    for sig in (signal.SIGTERM, signal.SIGKILL):
        depot.uploader.start()
        pid = depot.uploader.process.pid
        children = both_children(pid)
        wait_until(lambda: double.asked("GET"), "a probe")
        began = time.monotonic()
        depot.uploader.end(sig)
        assert not any(is_alive(child) for child in children)
        assert time.monotonic() - began < STOP_SECONDS * SLOWNESS
        double.forget()
        double.set_mode("hang")


@pytest.mark.parametrize("which", [0, 1], ids=["watcher", "runner"])
def test_an_uploader_whose_child_died_leaves_to_be_begun_anew(depot, which):
    depot.uploader.start()
    children = both_children(depot.uploader.process.pid)
    wait_until(lambda: events(depot, "uploader begins"), "its beginning")
    kill(children[which], signal.SIGKILL)
    assert depot.uploader.process.wait(10 * SLOWNESS) == 1
    depot.uploader.process = None
    name = ("watcher", "runner")[which]
    assert f"the {name} has died" in depot.log_lines()[-1]["message"]


def must_survive_kills(depot, double, kills: int):
    """Dies again and again, with more coming in, at any moment."""
    images = {}
    for _ in range(kills):
        images |= stock(depot, 12)
        make_due(depot)
        seen = len(double.asked("PUT"))
        depot.uploader.start()
        with contextlib.suppress(AssertionError):
            double.wait_for(seen + random.randrange(16), 0.5, method="PUT")
        time.sleep(random.random() * 0.02)
        depot.uploader.kill()
    assert states(depot)["failed"] == 0
    make_due(depot)
    depot.uploader.start()
    wait_until(lambda: children_of(depot.uploader.process.pid), "its child")
    wait_done(depot, 30.0)
    must_hold(double, images)
    assert depot.rows("PRAGMA integrity_check") == [("ok",)]


def test_killed_at_any_moment_it_loses_nothing(depot, double):
    must_survive_kills(depot, double, 6)


@pytest.mark.soak
def test_killed_again_and_again_it_loses_nothing(depot, double):
    must_survive_kills(depot, double, 60)


def dies_at(depot, call: str, n: int) -> bool:
    """An uploader that is killed at its n-th such call, or its child is.

    False: it brought all there was before it came so far.
    """
    tracer = subprocess.Popen(
        [need_tool("strace"), "-f", "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:signal=SIGKILL:when={n}", program("charref"),
         "uploader"], env=depot.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: tracer.poll() is not None
               or set(states(depot)) == {"done"}, f"{call} {n}")
    for pid in children_of(tracer.pid):  # strace itself would not leave
        kill(pid, signal.SIGTERM)
    return tracer.wait(10 * SLOWNESS) != 0


def must_survive_death_at(depot, double, calls, step: int):
    """Each call, or every so many of them, is its last in turn."""
    images, points = {}, collections.Counter()
    for call in calls:
        for n in itertools.count(1, step):
            images |= stock(depot, 2)
            make_due(depot)
            if not dies_at(depot, call, n):
                break
            points[call] += 1
            assert states(depot)["failed"] == 0
    print(f"{points.total()} kill points: {dict(points)}")
    assert min(points[call] for call in calls) > 0, points
    make_due(depot)
    depot.uploader.start()
    wait_until(lambda: children_of(depot.uploader.process.pid), "its child")
    wait_done(depot)
    must_hold(double, images)
    assert depot.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.plain
def test_killed_at_any_call_it_loses_nothing(depot, double):
    must_survive_death_at(depot, double, ("pwrite64", "fdatasync"), 1)


@pytest.mark.plain
@pytest.mark.soak
def test_killed_at_each_and_every_call_it_loses_nothing(depot, double):
    must_survive_death_at(depot, double, (
        "pwrite64", "fdatasync", "sendto", "pread64", "openat", "write",
        "close", "connect", "fcntl"), 1)


@pytest.mark.soak
def test_what_a_dead_one_had_taken_is_free_again_after_a_while(depot, double):
    """Nothing is moved by hand here: its lease has to run out."""
    images = stock(depot, 8)
    rule = double.on(s3_double.stall("body"), method="PUT", times=None)
    depot.uploader.start()
    rule.wait_taken(8)
    depot.uploader.kill()
    double.forget()
    depot.uploader.start()
    wait_done(depot, 40.0)
    must_hold(double, images)


def test_three_at_once_bring_each_object_once(depot, double):
    images = stock(depot, 90)
    others = [Uploader(depot.env).start() for _ in range(2)]
    depot.uploader.start()
    try:
        wait_done(depot)
    finally:
        codes = [one.end() for one in others]
    assert codes == [0, 0]
    must_hold(double, images)
    assert puts(double) == {key_of(image_id): 1 for image_id in images}


# --------------------------------------------------------- one that is bad


def refuse_alone(double, image_id: str, fault=None):
    """S3 takes this object never, and all others."""
    fault = fault or s3_double.reply(400, "InvalidRequest", "Not this one.")
    return double.on(fault, method="PUT", key=key_of(image_id), times=None)


def test_what_passes_is_waited_for_as_long_as_it_has_lasted(depot, double):
    """Half to one and a half of it, and at least of 2 s."""
    for age_s, most_s in ((0, 6), (10, 24), (3600, 90)):
        bad, = stock(depot, 1, queued_at=now_ms() - age_s * 1000)
        refuse_alone(double, bad, s3_double.denied())
        if not depot.uploader.is_alive():
            depot.uploader.start()
        wait_until(lambda bad=bad: state_of(depot, bad)[2] != "", "a try")
        wait_s = (depot.rows("SELECT next_attempt_at FROM objects WHERE"
                             " image_id = ?", bad)[0][0] - now_ms()) / 1000
        assert most_s / 6 - 1 <= wait_s <= most_s, age_s


def be_impatient(depot, image_id: str):
    """Moves the time of its next attempt until there are no more."""
    for n in range(1, ATTEMPTS_MAX):
        wait_until(lambda n=n: state_of(depot, image_id)[1] == n
                   and depot.rows("SELECT next_attempt_at > ? FROM objects"
                                  " WHERE image_id = ?", now_ms(), image_id),
                   f"attempt {n}")
        assert state_of(depot, image_id)[0] == "waiting"
        make_due(depot)
    wait_until(lambda: state_of(depot, image_id)[0] == "failed", "its end")


def test_one_that_s3_refuses_stops_no_other_and_fails_in_the_end(
        depot, double):
    images = stock(depot, 12)
    bad = list(images)[5]
    rule = refuse_alone(double, bad)
    depot.uploader.start()
    wait_until(lambda: states(depot)["done"] == 11, "the others")
    be_impatient(depot, bad)
    state, attempts, error = state_of(depot, bad)
    assert (state, attempts) == ("failed", ATTEMPTS_MAX)
    assert "InvalidRequest" in error and key_of(bad) in error
    assert rule.taken == ATTEMPTS_MAX  # a 400 is not sent again by itself
    assert depot.status()["errors"] == [
        {"image_id": bad, "job_id": None, "state": "failed",
         "attempts": ATTEMPTS_MAX, "error": error}]
    assert events(depot, "upload given up")[0]["image_id"] == bad
    double.forget()
    done = depot.charref("retry", bad)
    assert (done.returncode, done.stdout) == (0, "1 wait again\n")
    wait_done(depot)
    must_hold(double, images)
    assert state_of(depot, bad)[2] == ""


def test_the_wait_after_each_refusal_grows(depot, double):
    """Half to one and a half of 2 s, 4 s, 8 s."""
    bad, = stock(depot, 1)
    refuse_alone(double, bad)
    depot.uploader.start()
    for n in (1, 2, 3):
        wait_until(lambda n=n: state_of(depot, bad)[1] == n, f"attempt {n}")
        wait_s = (depot.rows("SELECT next_attempt_at FROM objects")[0][0]
                  - now_ms()) / 1000
        assert 2 ** n / 2 - 1 <= wait_s <= 2 ** n * 1.5, n
        make_due(depot)


def test_retry_all_brings_back_what_has_failed(depot, double):
    images = stock(depot, 5, state="failed", attempts=ATTEMPTS_MAX,
                   last_error="refused", error_at=5)
    depot.uploader.start()
    done = depot.charref("retry", "--all")
    assert (done.returncode, done.stdout) == (0, "5 wait again\n")
    wait_done(depot)
    must_hold(double, images)
    assert depot.charref("retry", "--all").stdout == "0 wait again\n"
    for words in ([], ["--all", "abc"], ["no/id"]):
        assert depot.charref("retry", *words).returncode in (1, 2), words


@pytest.mark.parametrize("fault, word", [
    (s3_double.denied(), "AccessDenied"),
    (s3_double.internal_error(), "InternalError"),
    (s3_double.close("body"), "put character_references/"),
    (s3_double.reply(400, ""), "(status 400")],
    ids=["may not write", "a sick place", "closed", "not S3 speaks"])
def test_what_may_pass_is_told_waited_for_and_never_given_up(
        depot, double, fault, word):
    """S3 is well, as far as the probe knows: only PUTs of this key tell.
    None counts as an attempt, lest one refusal later were the last."""
    bad, = images = stock(depot, 1, attempts=ATTEMPTS_MAX - 1,
                          queued_at=now_ms() - DAY_MS)
    refuse_alone(double, bad, fault)
    depot.uploader.start()
    wait_until(lambda: state_of(depot, bad)[2] != "", "a try")
    assert state_of(depot, bad)[:2] == ("waiting", ATTEMPTS_MAX - 1)
    wait_s = (depot.rows("SELECT next_attempt_at FROM objects")[0][0]
              - now_ms()) / 1000
    assert 28 < wait_s <= 90
    status = depot.status()
    assert (status["waiting"], status["failed"]) == (1, 0)
    assert word in status["errors"][0]["error"]
    others = stock(depot, 3)
    wait_until(lambda: states(depot)["done"] == 3, "the others")
    double.forget()
    make_due(depot)
    wait_done(depot)
    must_hold(double, images | others)


@pytest.mark.parametrize("status, code", [
    (409, "OperationAborted"), (404, "NoSuchKey"), (400, "Strange")])
def test_one_odd_answer_is_no_reason_to_give_up(depot, double, status, code):
    """As of a proxy that has just begun; no file is at fault for it."""
    bad, = images = stock(depot, 1)
    refuse_alone(double, bad, s3_double.reply(status, code))
    depot.uploader.start()
    wait_until(lambda: state_of(depot, bad)[1] == 1, "an attempt")
    assert state_of(depot, bad)[0] == "waiting"
    double.forget()
    make_due(depot)
    wait_done(depot)
    must_hold(double, images)


def test_a_bucket_that_takes_no_objects_says_why_in_status_and_log(
        depot, double):
    """It answers the probe: only the uploads know what is wrong."""
    images = stock(depot, 2)
    rule = double.on(s3_double.internal_error(), method="PUT", times=None)
    depot.uploader.start()
    rule.wait_taken(2, 10 * SLOWNESS)
    errors = wait_until(lambda: depot.status()["errors"], "an error")
    assert "InternalError" in errors[0]["error"]
    assert states(depot) == {"waiting": 2}
    assert any("InternalError" in line.get("message", "")
               for line in events(depot, "uploaded"))
    double.forget()
    make_due(depot)
    wait_done(depot)
    must_hold(double, images)
    assert depot.status()["errors"] == []


def spoil(depot, image_id: str, how: str):
    """What may have happened to a file before its upload."""
    path = depot.store / f"{image_id}.png"
    data = path.read_bytes()
    path.unlink()
    if how == "truncated":
        path.write_bytes(data[:-9])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "altered":
        path.write_bytes(data[:-1] + b"?")
    elif how == "a folder":
        path.mkdir()
    elif how == "a link":
        path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("how, word", [
    ("deleted", "not in the local store"), ("truncated", "bytes, not"),
    ("empty", "bytes, not"), ("altered", "not those of the digest"),
    ("a folder", "not in the local store"),
    ("a link", "not in the local store")])
def test_a_file_that_is_not_what_it_was_fails_and_stops_no_other(
        depot, double, how, word):
    images = stock(depot, 6)
    bad = list(images)[2]
    spoil(depot, bad, how)
    depot.uploader.start()
    wait_until(lambda: states(depot) == {"done": 5, "failed": 1}, "the end")
    state, _, error = state_of(depot, bad)
    assert state == "failed" and word in error, error
    assert "/tmp" not in error
    assert key_of(bad) not in double.objects
    del images[bad]
    must_hold(double, images)
    if how == "a folder":
        (depot.store / f"{bad}.png").rmdir()
    if how == "altered":  # S3 itself is the judge of that one
        assert all("wrong payload hash" in one for one in double.complaints)
        double.complaints.clear()


# ------------------------------------------------------- trouble that passes


def some(fault, n: int = 5):
    """The fault, for the next n PUTs."""
    return lambda double: double.on(fault, method="PUT", times=n)


@pytest.mark.parametrize("trouble", [
    some(s3_double.slow_down()),
    some(s3_double.slow_down(Retry_After="1"), 2),
    some(s3_double.expired_token()), some(s3_double.internal_error()),
    some(s3_double.internal_error("reply")),
    some(s3_double.request_timeout()), some(s3_double.close("headers")),
    some(s3_double.close("body", reset=True)),
    some(s3_double.close("reply")), some(s3_double.close("status")),
    some(s3_double.reply(409, "OperationAborted"), 2),
    some(s3_double.reply(400, "IncompleteBody"))],
    ids=["slow down", "retry after", "expired token", "internal error",
         "error after the deed", "request timeout", "closed early", "reset",
         "closed after the deed", "half a reply", "aborted", "incomplete"])
def test_trouble_that_passes_is_waited_for(depot, double, trouble):
    images = stock(depot, 6)
    trouble(double)
    depot.uploader.start()
    wait_done(depot, 20.0)
    must_hold(double, images)


@pytest.mark.slow
def test_a_catalogue_that_others_hold_for_long_is_asked_again(depot, double):
    """Longer than SQLite is waited for, when the upload is to be settled."""
    stock(depot, 1)
    rule = double.on(s3_double.stall("reply"), method="PUT")
    depot.uploader.start()
    rule.wait_taken(1, 10 * SLOWNESS)
    with contextlib.closing(sqlite3.connect(
            depot.root / "catalogue.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        rule.release()
        time.sleep(6.0)
        db.execute("COMMIT")
    wait_done(depot, 10.0)
    assert list(puts(double).values()) == [1], "sent again though it arrived"
    assert depot.uploader.is_alive()


@pytest.mark.slow
def test_a_catalogue_that_cannot_be_written_is_told_and_survived(
        depot, double):
    """No file of the process may grow: to SQLite that is a full disk."""
    depot.uploader.start()
    pid = depot.uploader.process.pid
    wait_until(lambda: events(depot, "uploader begins"), "its beginning")
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    images = stock(depot, 3)
    time.sleep(1.5)  # turns in which it can take nothing
    assert depot.uploader.is_alive()
    assert states(depot) == {"waiting": 3} and not puts(double)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    wait_done(depot)
    must_hold(double, images)
    assert set(puts(double).values()) == {1}


# ---------------------------------------------------------- what is there


def proved_long_ago(depot, n: int) -> dict[str, bytes]:
    """Images that were in the bucket forty days ago."""
    return stock(depot, n, state="done", verified_at=now_ms() - 40 * DAY_MS)


def verified(depot) -> set[str]:
    """The images whose proof is younger than a day."""
    return {one for one, in depot.rows(
        "SELECT image_id FROM objects WHERE verified_at > ?",
        now_ms() - DAY_MS)}


def test_what_is_there_is_proved_anew_and_left_alone(depot, double):
    images = proved_long_ago(depot, 5)
    store_in(double, images)
    depot.uploader.start()
    wait_until(lambda: verified(depot) == set(images), "proofs")
    wait_until(lambda: len(double.asked("HEAD")) == 5, "questions")
    assert states(depot) == {"done": 5} and not double.asked("PUT")


def test_what_is_gone_from_the_bucket_is_brought_again(depot, double):
    images = proved_long_ago(depot, 4)
    depot.uploader.start()
    wait_until(lambda: len(puts(double)) == 4, "uploads")
    wait_done(depot)
    must_hold(double, images)
    assert {line["message"] for line in
            events(depot, "object not as it was left")} == {
        "it was gone from the bucket"}


def test_what_is_gone_everywhere_is_told(depot, double):
    lost, = proved_long_ago(depot, 1)
    (depot.store / f"{lost}.png").unlink()
    depot.uploader.start()
    wait_until(lambda: states(depot) == {"failed": 1}, "the bad news")
    assert "not in the local store" in state_of(depot, lost)[2]
    assert depot.status()["failed"] == 1
    assert not double.asked("PUT")


@pytest.mark.parametrize("how", ["size", "digest"])
def test_other_bytes_under_the_key_are_told_and_not_overwritten(
        depot, double, how):
    (image_id, data), = proved_long_ago(depot, 1).items()
    foreign = b"?" * (len(data) - (how == "size"))
    store_in(double, {image_id: foreign})
    depot.uploader.start()
    wait_until(lambda: states(depot) == {"failed": 1}, "the bad news")
    assert "other bytes" in state_of(depot, image_id)[2]
    assert double.objects[key_of(image_id)].data == foreign
    assert not double.asked("PUT")


def test_an_answer_that_does_not_say_the_size_is_no_other_image(
        depot, double):
    images = proved_long_ago(depot, 1)
    store_in(double, images)
    double.on(s3_double.no_length(), method="HEAD", times=None)
    depot.uploader.start()
    wait_until(lambda: double.asked("HEAD"), "a question")
    wait_until(lambda: depot.rows(
        "SELECT verified_at > ? FROM objects", now_ms() - DAY_MS)
        == [(1,)], "a proof")
    assert states(depot) == {"done": 1}


def test_with_verify_days_0_nobody_asks(depots, double):
    depot = depots(VERIFY_DAYS="0")
    store_in(double, proved_long_ago(depot, 3))
    images = stock(depot, 1)
    depot.uploader.start()
    wait_until(lambda: len(double.objects) == 4, "an upload")
    seen = len(double.asked("GET"))
    double.wait_for(seen + 2, 10 * SLOWNESS, method="GET")  # it was idle
    assert {one.key for one in double.asked("HEAD")} == {
        key_of(image_id) for image_id in images}  # before its upload
    must_hold(double, images)


@pytest.mark.parametrize("fault", [
    s3_double.internal_error(), s3_double.denied(), s3_double.close("body"),
    s3_double.reply(400, "Strange")],
    ids=["500", "403", "closed", "400"])
def test_an_answer_that_says_nothing_changes_nothing(depot, double, fault):
    """It is asked for again later, though not at once."""
    image_id, = images = proved_long_ago(depot, 1)
    rule = double.on(fault, method="HEAD", times=None)
    depot.uploader.start()
    rule.wait_taken(1, 10 * SLOWNESS)
    wait_until(lambda: depot.rows(
        "SELECT verified_at > ? FROM objects",
        now_ms() - 31 * DAY_MS) == [(1,)], "its place behind the others")
    assert depot.uploader.end() == 0
    assert state_of(depot, image_id) == ("done", 0, "")
    left = depot.rows("SELECT verified_at FROM objects")[0][0] \
        + 30 * DAY_MS - now_ms()
    assert 0 < left <= LATER_MS
    double.forget()
    store_in(double, images)
    change(depot, "UPDATE objects SET verified_at = verified_at - ?", LATER_MS)
    depot.uploader.start()
    wait_until(lambda: verified(depot) == {image_id}, "a proof")


def test_the_probe_s_own_object_may_vanish(depot, double):
    """It is brought again, and the storage is not down for that."""
    (image_id, data), = stock(depot, 1).items()
    depot.uploader.start()
    wait_done(depot)
    probes = [one for one in double.asked("GET")]
    wait_until(lambda: [one for one in double.asked("GET", key_of(image_id))
                        if one.status == 206], "a probe of it", 75.0)
    with double.lock:
        del double.objects[key_of(image_id)]
    wait_until(lambda: key_of(image_id) in double.objects, "its return")
    wait_done(depot)
    must_hold(double, {image_id: data})
    told = [line["state"] for line in events(depot, "storage")]
    assert told == ["up"], (told, probes)


# -------------------------------------------------------------------- status


def test_status_counts_and_says_how_the_storage_is(depot, double):
    stock(depot, 3, queued_at=now_ms() - 90 * 1000, next_attempt_at=now_ms()
          + LATER_MS)
    stock(depot, 2, queued_at=5, next_attempt_at=(1 << 63) - 1)
    stock(depot, 4, state="done", verified_at=now_ms())
    bad, = stock(depot, 1, state="failed", attempts=8, error_at=9,
                 last_error='S3 says "no"')
    said = depot.status()
    assert {name: said[name] for name in
            ("waiting", "lazy", "done", "failed", "credentials")} == {
        "waiting": 5, "lazy": 2, "done": 4, "failed": 1,
        "credentials": "environment"}
    assert 90 <= said["oldest_seconds"] < 150
    assert (said["storage"], said["storage_news_ms"]) == ("unknown", None)
    assert said["errors"] == [{"image_id": bad, "job_id": None, "attempts": 8,
                               "state": "failed", "error": 'S3 says "no"'}]
    text = depot.charref("status").stdout
    for words in ("waiting      5, the oldest for ", "2 of them for their "
                  "first GET", "done         4", "failed       1  (charref "
                  "retry --all", "storage      unknown", "credentials  "
                  "environment", f'{bad}  failed, 8 attempts: S3 says "no"'):
        assert words in text, text


def test_a_clock_that_was_put_back_makes_nothing_older_than_new(depot):
    stock(depot, 1, queued_at=now_ms() + DAY_MS)
    assert depot.status()["oldest_seconds"] == 0


@pytest.mark.parametrize("mode, word", [
    ("up", "up"), ("refuse", "down"), ("hang", "down"),
    ("slow_down", "down"), ("denied", "denied")])
def test_status_tells_one_trouble_from_another(depot, double, mode, word):
    store_in(double, stock(depot, 1, state="done", verified_at=now_ms()))
    double.set_mode(mode)
    depot.uploader.start()
    wait_until(lambda: depot.status()["storage"] == word, word)
    assert depot.status()["storage_news_ms"] < 5000
    assert f"storage      {word}, asked " in depot.charref("status").stdout


# -------------------------------------------------------------------- memory


def must_stay_small(depot, double, n: int):
    """Peak memory of its processes while many megabytes go up."""
    picture = pictures.big_png(710)
    images = stock(depot, n, make=lambda: picture)
    depot.uploader.start()
    pid = depot.uploader.process.pid
    children = both_children(pid)
    wait_done(depot, 55.0)
    peaks = [peak_kb(one) for one in (pid, *children)]
    print(f"{n} images of {len(picture)} bytes: peaks of {peaks} kB")
    assert max(peaks) < RSS_MAX_KB, peaks
    assert len(double.objects) == len(images)


def peak_kb(pid: int) -> int:
    """The most memory that a process ever had."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file
                    if line.startswith("VmHWM:"))


@pytest.mark.plain
def test_it_stays_small_with_big_images(depot, double):
    must_stay_small(depot, double, 40)


@pytest.mark.plain
@pytest.mark.soak
def test_it_stays_small_with_many_big_images(depot, double):
    must_stay_small(depot, double, 200)
