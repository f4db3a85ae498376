"""What /metrics counts, what /readyz refuses, and what is made of them.

Counts are compared with what was done, exactly; a worker counts once its
reply has left, so the sums are waited for.
"""

import collections
import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import time
import uuid

import pytest

import pictures
from house import (PROJECT, SLOWNESS, House, Listener, need_tool, reap,
                   wait_until)
from model_double import IMAGEN, draw, filtered, images, refuse
from s3_double import S3Double
from wire import GENERATE, GET

SERIES = re.compile(r'([a-z0-9_]+)(?:\{((?:[a-z_]+="[^"\\\n]*",?)+)\})? '
                    r"([0-9.eE+-]+|\+Inf|NaN)\Z")
SCRAPE_S = 0.030 * SLOWNESS
READY_S = 1.0 * SLOWNESS  # a busy catalogue is waited for 5 s elsewhere
REQUESTS = "charref_http_requests_total"
WORKERS = "charref_workers"


class Scrape(dict):
    """Values by name and labels, as one reply of /metrics had them."""

    def __init__(self, reply):
        super().__init__()
        assert reply.status == 200, reply
        assert reply.headers["content-type"] == \
            "text/plain; version=0.0.4; charset=utf-8"
        assert reply.headers["cache-control"] == "no-store"
        self.text = reply.body.decode()
        self.seconds = reply.seconds
        for line in self.text.splitlines():
            if line.startswith("#"):
                continue
            found = SERIES.match(line)
            assert found, line
            name, labels, value = found.groups()
            key = (name, frozenset(re.findall(r'(\w+)="([^"]*)"',
                                              labels or "")))
            assert key not in self, line
            self[key] = float(value)

    def of(self, name: str, **labels: str) -> float:
        """The sum of the series of that name that have these labels."""
        return sum(value for (one, has), value in self.items()
                   if one == name and has >= set(labels.items()))


def scrape(house) -> Scrape:
    """Asks once."""
    return Scrape(house.http.get("/metrics"))


class Moves:
    """How far counters have moved since it was made."""

    def __init__(self, house):
        self.house = house
        self.before = scrape(house)

    def since(self, name: str, **labels: str) -> float:
        """By how much."""
        return scrape(self.house).of(name, **labels) \
            - self.before.of(name, **labels)

    def must_be(self, by: float, name: str, **labels: str):
        """Waits until a counter has moved so far, and asks once more."""
        wait_until(lambda: self.since(name, **labels) >= by,
                   f"{name} {labels} to move by {by}", 5.0)
        assert self.since(name, **labels) == by, (name, labels)


def ready(house) -> tuple[int, dict[str, dict], float]:
    """/readyz: its status, its checks by name, and how long it took."""
    reply = house.http.get("/readyz")
    document = reply.json()
    assert document["status"] == \
        ("ready" if reply.status == 200 else "not ready")
    assert ("retry-after" in reply.headers) == (reply.status == 503)
    assert reply.headers["cache-control"] == "no-store"
    checks = {one["name"]: one for one in document["checks"]}
    assert list(checks) == ["catalogue", "disk", "storage", "credentials",
                            "settings"]
    assert all(one["ok"] for one in checks.values()) == (reply.status == 200)
    for one in checks.values():
        assert set(one) == {"name", "ok", "reason"}
        assert one["ok"] or one["reason"], one
    assert str(house.folder) not in reply.body.decode()
    assert ".db" not in reply.body.decode()
    return reply.status, checks, reply.seconds


def failing(house, name: str) -> str:
    """The reason of the one check that fails."""
    status, checks, _ = ready(house)
    assert status == 503, checks
    assert [one for one in checks if not checks[one]["ok"]] == [name], checks
    return checks[name]["reason"]


@pytest.fixture(scope="module")
def metered_house():
    """A house with a bucket that the tests of this module share."""
    double = S3Double()
    one = House(cloud=double, workers={"fast": 3, "lookup": 1, "slow": 2})
    try:
        yield one.start()
    finally:
        one.end()
        double.close()


@pytest.fixture
def house(metered_house):
    """The same with a model that has forgotten earlier tests."""
    metered_house.model.forget()
    metered_house.revive()
    wait_until(lambda: metered_house.status()["storage"] == "up",
               "storage up", 5.0)
    yield metered_house
    metered_house.inspect()


@pytest.fixture
def own_house(new_house):
    """Makes houses with a bucket, unless `cloud` is false."""
    doubles = []

    def make(cloud: bool = True, **kw):
        if cloud:
            doubles.append(S3Double())
            kw["cloud"] = doubles[-1]
        return new_house(workers={"fast": 1, "lookup": 0, "slow": 1}, **kw)

    yield make
    for double in doubles:
        double.close()


# ----------------------------------------------------------------- counting


def test_requests_of_many_workers_add_up_by_route_and_status(house):
    moves = Moves(house)
    for _ in range(25):
        assert house.http.get("/healthz").status == 200
        assert house.http.get(GET + "nobody-has-it").status == 404
    for _ in range(5):
        assert house.http.ask("POST", "/healthz", b"").status == 405
        assert house.http.get("/nothing/here").status == 404
    moves.must_be(25, REQUESTS, route="/healthz", status="200")
    moves.must_be(25, REQUESTS, route=GET, status="404")
    moves.must_be(25, REQUESTS, route=GET)  # none twice for two pools
    moves.must_be(5, REQUESTS, route="/healthz", status="405")
    moves.must_be(5, REQUESTS, route="other", status="404")
    name = "charref_http_request_duration_seconds"
    moves.must_be(30, name + "_count", route="/healthz")
    moves.must_be(30, name + "_bucket", route="/healthz", le="+Inf")
    assert 0 < moves.since(name + "_sum", route="/healthz") < 30 * SLOWNESS


def test_a_killed_worker_loses_no_count_and_is_seen_no_more(house):
    moves = Moves(house)
    fast = house.pools["fast"]
    seen = collections.Counter()
    for _ in range(20):
        seen[house.http.get("/healthz").status] += 1
    moves.must_be(20, REQUESTS, route="/healthz", status="200")
    victim = fast.pids[0]
    fast.send(victim, signal.SIGKILL)
    assert reap(victim) == -signal.SIGKILL
    fast.retired.remove(victim)
    now = scrape(house)
    assert now.of(WORKERS, pool="fast") == 2
    assert now.of(REQUESTS, route="/healthz", status="200") - \
        moves.before.of(REQUESTS, route="/healthz", status="200") == 20
    for _ in range(10):
        seen[house.http.get("/healthz").status] += 1
    moves.must_be(30, REQUESTS, route="/healthz", status="200")
    assert seen == {200: 30}
    fast.replace(3)
    wait_until(lambda: scrape(house).of(WORKERS, pool="fast") == 3,
               "three workers", 10.0)
    moves.must_be(30, REQUESTS, route="/healthz", status="200")


def test_generations_images_and_uploads_are_counted_by_what_came_of_them(
        house):
    moves = Moves(house)
    given = [pictures.png(), pictures.png()]
    house.model.script(images(*given), filtered(1),
                       refuse(400, "INVALID_ARGUMENT"))
    assert len(house.http.generate(num_images=2).images()) == 2
    assert len(house.http.generate(num_images=2).images()) == 1
    assert house.http.generate(num_images=1).status == 502
    assert house.http.post({"num_images": 1}).status == 400  # is none
    generations, made = "charref_generations_total", \
        "charref_generated_images_total"
    moves.must_be(2, generations, model=IMAGEN, outcome="ok")
    moves.must_be(1, generations, model=IMAGEN, outcome="ProviderError")
    moves.must_be(3, generations)
    moves.must_be(3, made, model=IMAGEN, outcome="ok")
    moves.must_be(1, made, model=IMAGEN, outcome="ContentFiltered")
    moves.must_be(4, made)
    moves.must_be(3, "charref_model_request_duration_seconds_count",
                  model=IMAGEN)
    moves.must_be(3, "charref_uploads_total", outcome="ok")
    sizes = [size for size, in house.rows(
        "SELECT bytes FROM images ORDER BY created_at DESC LIMIT 3")]
    moves.must_be(sum(sizes), "charref_uploaded_bytes_total")
    moves.must_be(3, "charref_s3_requests_total", operation="put",
                  outcome="ok")
    assert moves.since("charref_images") == 3


def test_a_replay_is_no_generation(house):
    moves = Moves(house)
    house.model.script(draw())
    key = "metrics-" + uuid.uuid4().hex
    first = house.http.generate(num_images=1, key=key).images()
    assert house.http.generate(num_images=1, key=key).images()[0]["id"] == \
        first[0]["id"]
    moves.must_be(2, REQUESTS, route=GENERATE, status="200")
    moves.must_be(1, "charref_generations_total")
    moves.must_be(1, "charref_generated_images_total")


def test_a_command_counts_beside_the_service(house):
    picture = house.folder / "counted.png"
    picture.write_bytes(pictures.png())
    house.model.gave([picture.read_bytes()])
    moves = Moves(house)
    done = house.charref("persist", "counted-" + uuid.uuid4().hex[:8],
                         str(picture))
    assert done.returncode == 0, done.stderr
    moves.must_be(1, "charref_uploads_total", outcome="ok")
    moves.must_be(picture.stat().st_size, "charref_uploaded_bytes_total")


def test_strangers_make_no_series(house):
    before = set(scrape(house))
    for n in range(60):
        house.http.get(f"/{uuid.uuid4()}/{n}")
        house.http.get(f"{GET}{uuid.uuid4()}?job_id={n}")
        house.http.ask(f"VERB{n}", "/healthz")
    house.http.get("/metrics?a=1")
    new = {key for key in set(scrape(house)) - before
           if key[0] == REQUESTS}
    assert len(new) <= 3, new


def test_workers_are_seen_at_work_and_at_rest(house):
    slow = {"pool": "slow"}
    assert scrape(house).of(WORKERS, pool="slow", state="idle") == 2
    house.model.script(draw(delay=2.0))
    with house.pools["slow"].wire().send(
            "POST", GENERATE, json.dumps(
                {"character_description": "x", "num_images": 1}).encode()):
        wait_until(lambda: scrape(house).of(WORKERS, state="busy", **slow)
                   == 1, "a busy worker", 5.0)
        wait_until(lambda: scrape(house).of(
            "charref_worker_longest_busy_seconds", **slow) >= 0.5,
            "half a second of work", 5.0)
        assert scrape(house).of(WORKERS, state="busy", pool="fast") == 1
    wait_until(lambda: scrape(house).of(WORKERS, state="idle", **slow) == 2,
               "idle workers", 20.0)
    assert scrape(house).of("charref_worker_longest_busy_seconds",
                            **slow) == 0
    assert scrape(house).of(WORKERS, pool="other") == 0


def test_a_groups_workers_belong_to_its_pool(own_house):
    house = own_house(cloud=False)
    Listener(house, "lookup-b").ready_worker()
    assert scrape(house).of(WORKERS, pool="lookup") == 1
    assert scrape(house).of(WORKERS, pool="fast") == 1


def test_the_uploaders_processes_are_seen(house):
    name = "charref_uploader_processes"
    for role in ("uploader", "watcher", "runner"):
        wait_until(lambda role=role: scrape(house).of(name, role=role) == 1,
                   f"the {role}", 5.0)
    house.uploader.kill()
    wait_until(lambda: scrape(house).of(name) == 0, "none of them", 5.0)
    house.uploader.start()
    wait_until(lambda: scrape(house).of(name) == 3, "all of them", 10.0)


def test_what_is_measured_is_what_is_so(house):
    now = scrape(house)
    (count,), = house.rows("SELECT count(*) FROM images")
    assert now.of("charref_images") == count
    assert now.of("charref_catalogue_readable") == 1
    assert now.of("charref_storage_state", state="up") == 1
    assert now.of("charref_storage_state") == 1
    assert 0 <= now.of("charref_storage_news_age_seconds") < 5 * SLOWNESS
    assert now.of("charref_credentials_info", source="environment") == 1
    assert ("charref_credentials_remaining_seconds", frozenset()) not in now
    assert now.of("charref_disk_reserve_bytes") == 1 << 20
    assert now.of("charref_disk_free_bytes") > 1 << 20
    assert {dict(has)["state"] for name, has in now
            if name == "charref_operations"} == \
        {"queued", "running", "done", "failed"}


def test_objects_that_wait_and_that_failed_are_told(own_house):
    house = own_house(uploader=False, UPLOAD_MODE="background")
    house.model.script(draw())
    house.http.generate(num_images=2).images()
    with contextlib.closing(sqlite3.connect(
            house.root / "catalogue.db", timeout=5 * SLOWNESS)) as db:
        db.execute("UPDATE objects SET queued_at = queued_at - 90000")
        db.execute("UPDATE objects SET state = 'failed' WHERE image_id = "
                   "(SELECT min(image_id) FROM objects)")
        db.commit()
    now = scrape(house)
    assert now.of("charref_objects_waiting") == 1
    assert now.of("charref_objects_failed") == 1
    assert 90 <= now.of("charref_objects_oldest_waiting_seconds") < 150
    assert now.of("charref_uploader_processes") == 0


def test_without_a_bucket_nothing_is_said_of_one(own_house):
    house = own_house(cloud=False)
    assert "charref_storage_state{" not in scrape(house).text
    assert "charref_credentials" not in scrape(house).text


def test_a_metrics_file_that_was_removed_is_made_again(own_house):
    house = own_house(cloud=False)
    path = house.folder / "metrics"
    assert path.stat().st_mode & 0o777 == 0o600
    house.http.get("/healthz")
    path.unlink()
    wait_until(lambda: scrape(house) and path.exists(), "a new file", 5.0)
    moves = Moves(house)
    house.http.get("/healthz")
    moves.must_be(1, REQUESTS, route="/healthz")
    assert scrape(house).of(WORKERS, pool="fast") == 1


def test_a_hundred_thousand_images_are_told_in_milliseconds(own_house):
    house = own_house(cloud=False)
    with contextlib.closing(sqlite3.connect(
            house.root / "catalogue.db", timeout=5 * SLOWNESS)) as db:
        ids = [(f"{n:08x}-0000-4000-8000-000000000000",)
               for n in range(100_000)]
        db.executemany(
            "INSERT INTO images VALUES (?, 'png', 'image/png', 1, '', 1, 1, 1"
            ", '', '', NULL, '')", ids)
        db.executemany(
            "INSERT INTO objects (image_id, key, state, verified_at)"
            " VALUES (?1, ?1, 'done', 1)", ids)
        db.commit()
    quickest = min(scrape(house).seconds for _ in range(10))
    assert scrape(house).of("charref_images") == 100_000
    assert quickest < SCRAPE_S, quickest
    with contextlib.closing(sqlite3.connect(
            house.root / "catalogue.db", timeout=5 * SLOWNESS)) as db:
        db.execute("DELETE FROM objects")  # for the house's last look
        db.execute("DELETE FROM images")
        db.commit()


# ----------------------------------------------------------------- promtool


def promtool(*arguments: str, said: str = "") -> str:
    """Runs it; it must be content."""
    done = subprocess.run([need_tool("promtool"), *arguments], input=said,
                          text=True, capture_output=True, timeout=60 * SLOWNESS,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_has_nothing_to_say_about_a_scrape(house):
    house.model.script(draw(), filtered(0),
                       refuse(400, "INVALID_ARGUMENT"))
    house.http.generate(num_images=2).images()
    house.http.generate(num_images=1)
    house.http.generate(num_images=1)
    text = scrape(house).text
    for part in ("outcome=\"ok\"", "outcome=\"ContentFiltered\"",
                 "charref_uploads_total{outcome=\"ok\"}"):
        assert part in text
    assert promtool("check", "metrics", said=text).strip() == ""


def test_every_metric_of_the_table_is_in_a_scrape(house):
    table = (PROJECT / "src/base/metrics.tbl.h").read_text()
    names = re.findall(r'"(charref_\w+)"', table)
    told = re.findall(r"^# TYPE (\w+) ", scrape(house).text, re.M)
    assert sorted(set(names) - {"charref_credentials_remaining_seconds"}) \
        == sorted(told)


def test_promtool_accepts_the_rules_and_they_fire_as_they_should():
    folder = PROJECT / "deploy/prometheus"
    promtool("check", "rules", str(folder / "charref.rules.yml"))
    promtool("check", "config", str(folder / "scrape.yml"))
    promtool("test", "rules", str(folder / "charref.rules.test.yml"))


def test_the_dashboard_is_one_that_grafana_can_read():
    board = json.loads((PROJECT / "deploy/grafana/charref.json").read_text())
    assert board["schemaVersion"] >= 36
    names = {one["name"] for one in board["templating"]["list"]}
    assert names == {"datasource", "instance"}
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"


# -------------------------------------------------------------------- ready


def test_a_house_that_is_well_is_ready(house):
    status, checks, seconds = ready(house)
    assert status == 200
    assert all(one["reason"] is None for one in checks.values()), checks
    assert seconds < READY_S
    head = house.http.ask("HEAD", "/readyz")
    assert (head.status, head.body) == (200, b"")


def test_a_full_disk_is_not_ready(own_house):
    house = own_house(cloud=False, DISK_RESERVE_MB="900000000")
    assert "disk space" in failing(house, "disk")
    now = scrape(house)
    assert now.of("charref_disk_free_bytes") < \
        now.of("charref_disk_reserve_bytes")


def test_a_locked_catalogue_is_not_ready_and_is_not_waited_for(own_house):
    house = own_house(cloud=False)
    with contextlib.closing(sqlite3.connect(
            house.root / "catalogue.db", timeout=5 * SLOWNESS)) as db:
        db.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        reason = failing(house, "catalogue")
        assert time.monotonic() - began < READY_S
        assert "log" in reason
        assert scrape(house).of("charref_catalogue_readable") == 1
        db.rollback()
    assert ready(house)[0] == 200


@pytest.mark.parametrize("mode, words", [
    ("refuse", "does not answer"), ("denied", "refuses")])
def test_a_bucket_that_is_down_or_denied_is_not_ready(own_house, mode, words):
    house = own_house()
    wait_until(lambda: ready(house)[0] == 200, "a ready house", 10.0)
    house.model.script(draw())  # what was there tells a refusal from no list
    assert house.http.generate(num_images=1).images()[0]["cloud_url"]
    house.cloud.set_mode(mode)
    wait_until(lambda: ready(house)[0] == 503, "news of the outage", 10.0)
    assert words in failing(house, "storage")
    state = {"refuse": "down", "denied": "denied"}[mode]
    assert scrape(house).of("charref_storage_state", state=state) == 1
    house.cloud.set_mode("up")
    wait_until(lambda: ready(house)[0] == 200, "a ready house", 10.0)


def test_a_bucket_that_serves_nobody_may_be_down(own_house):
    house = own_house(SERVE_FROM_CLOUD="false")
    house.cloud.set_mode("refuse")
    wait_until(lambda: scrape(house).of("charref_storage_state",
                                        state="down") == 1, "an outage", 10.0)
    assert ready(house)[0] == 200


def test_without_news_the_bucket_is_taken_as_up_and_it_is_said(own_house):
    house = own_house(uploader=False)
    status, checks, _ = ready(house)
    assert status == 200
    assert "taken as up" in checks["storage"]["reason"]


def test_without_credentials_it_is_not_ready(own_house):
    house = own_house(uploader=False, AWS_ACCESS_KEY_ID="",
                      AWS_SECRET_ACCESS_KEY="")
    assert "credentials" in failing(house, "credentials")
    assert scrape(house).of("charref_credentials_info", source="none") == 1
    assert ("charref_credentials_remaining_seconds", frozenset()) \
        in scrape(house)
