"""The settings of the processes that run, compared with those of the files.

Each process publishes HMACs of its settings in RUN_DIR/settings.  A group is
not replaced by one that would open the service, `charref status` and `doctor`
name what differs, and starting a group again takes any settings over.
"""

import json
import os
import signal
import stat
import threading

import pytest

from groups import NAMES, Groups
from house import House, is_alive, kill, wait_until
from model_double import images
from pictures import png
from s3_double import S3Double

KEY = "a-key-of-clients-of-this-service"
BODY = b'{"character_description": "A silver robot", "num_images": 1}'
WITH_WORKERS = [name for name in NAMES if name != "lookup-b"]
UNGIVEN = "/api/mv/get_character_reference/00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def guarded_groups():
    """Groups whose POSTs and GETs need a key."""
    one = Groups(fast=2, lookup=1, slow=2, API_KEY=KEY, PROTECT_READS="true",
                 GENERATE_DEADLINE="55",
                 SKETCH_KEY="never-compared",
                 AWS_SESSION_TOKEN="a-secret-that-may-go")
    try:
        yield one.start()
    finally:
        one.end()


@pytest.fixture
def house(guarded_groups):
    """The same with the settings that its groups were started with."""
    kept = dict(guarded_groups.env)
    yield guarded_groups
    guarded_groups.env.clear()
    guarded_groups.env.update(kept)
    other = {group for one in changes(guarded_groups)[1]["settings"]
             for group in one["processes"]}
    for name in WITH_WORKERS:
        if name in other or not published(guarded_groups, name):
            guarded_groups.group("replace", name)
    guarded_groups.inspect()


def settings_folder(house: House):
    """Where processes publish."""
    return house.folder / "settings"


def published(house: House, group: str = "") -> list:
    """The files of the processes, perhaps of one group."""
    if not settings_folder(house).exists():
        return []
    return sorted(path for path in settings_folder(house).iterdir()
                  if path.name.count(".") == 2 and path.name.startswith(group))


def changes(house: House, *words: str) -> tuple[int, dict]:
    """Exit status and document of `charref changes`."""
    done = house.charref("changes", *words, "--json")
    return done.returncode, json.loads(done.stdout)


def differing(house: House) -> dict[str, tuple[str, list[str]]]:
    """What `charref changes` says of each setting."""
    return {one["name"]: (one["change"], sorted(one["processes"]))
            for one in changes(house)[1]["settings"]}


def doctor(house: House) -> dict:
    """The doctor's check."""
    told = json.loads(house.charref("doctor", "--json").stdout)
    return next(one for one in told["checks"]
                if one["name"] == "running settings")


def is_closed(house: House) -> bool:
    """Is a stranger refused, whoever answers?"""
    return all(house.http.post(BODY).status == 401 and
               house.http.get(UNGIVEN).status == 401 for _ in range(8))


# ------------------------------------------------------------- what is public


def test_each_process_publishes_one_mac_a_setting_for_its_user_alone(house):
    files = published(house)
    assert sorted(path.name.split(".")[0] for path in files) == WITH_WORKERS
    for path in [*files, settings_folder(house) / "key"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [line.split() for line in files[0].read_text().splitlines()]
    names = {name for name, mac in lines if len(mac) == 64}
    assert {"API_KEY", "PROTECT_READS", "GEMINI_API_KEY"} <= names
    assert not {"SKETCH_KEY", "PORT", "FAST_WORKERS", "RUN_DIR"} & names
    assert len({path.read_text() for path in files}) == 1


def test_no_value_of_a_setting_is_in_the_folder(house):
    everything = b"".join(path.read_bytes()
                          for path in settings_folder(house).iterdir())
    for name in ("API_KEY", "GEMINI_API_KEY", "AWS_SESSION_TOKEN"):
        assert house.env[name].encode() not in everything


def test_with_the_same_settings_nothing_differs(house):
    code, told = changes(house)
    assert (code, told["processes"], told["settings"]) == (0, 5, [])
    assert house.status()["settings"]["settings"] == []
    assert "same as in the 5 running processes" in house.charref("status").stdout
    assert doctor(house)["state"] == "ok"


# ------------------------------------------------------- refused and not


@pytest.mark.parametrize("gone", [
    {"API_KEY": "", "PROTECT_READS": ""}, {"PROTECT_READS": "false"},
    {"PROTECT_READS": ""}], ids=str)
@pytest.mark.parametrize("name", ["fast-a", "slow-b"])
def test_a_group_that_would_open_the_service_replaces_none(house, gone, name):
    pid = house.pool_pid(name)
    house.env.update(gone)
    said = house.group("replace", name, fails=True)
    for key in gone:
        assert key in said
    assert "would open the service" in said and "restart" in said
    assert changes(house, name)[0] == 4
    assert house.pool_pid(name) == pid
    assert is_closed(house)
    assert doctor(house)["state"] == "warning"
    assert "restart" in doctor(house)["remedy"]


def test_an_api_key_in_a_file_that_the_group_does_not_see_is_missed(
        house, tmp_path):
    """As when it was moved, and the group has the credentials of before."""
    (tmp_path / "API_KEY").write_text(KEY + "\n")
    house.env["API_KEY"] = ""
    house.env["PROTECT_READS"] = "false"
    assert "API_KEY" in house.group("replace", "slow-a", fails=True)
    assert is_closed(house)
    # With the folder in sight nothing but PROTECT_READS is missed, and with
    # that set, too, it is the same service.
    house.env["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    said = house.group("replace", "slow-a", fails=True)
    assert "PROTECT_READS" in said
    house.env["PROTECT_READS"] = "true"
    house.group("replace", "slow-a")
    assert is_closed(house)
    assert differing(house) == {}


def test_a_group_without_a_model_key_replaces_none_that_has_one(house):
    pid = house.pool_pid("slow-a")
    house.env["GEMINI_API_KEY"] = ""
    said = house.group("replace", "slow-a", fails=True)
    assert "GEMINI_API_KEY" in said and "GOOGLE_API_KEY" in said
    assert house.pool_pid("slow-a") == pid
    house.model.script(images(png()))
    reply = house.http.post(BODY, headers={"X-API-Key": KEY})
    assert reply.status == 200


def test_the_other_name_of_the_model_key_will_do_and_is_a_warning(house):
    house.env["GOOGLE_API_KEY"] = house.env["GEMINI_API_KEY"]
    house.env["GEMINI_API_KEY"] = ""
    said = house.group("replace", "slow-a")
    assert "warning: GEMINI_API_KEY" in said
    assert "warning: GOOGLE_API_KEY" not in said


def test_another_secret_that_goes_is_a_warning(house):
    house.env["AWS_SESSION_TOKEN"] = ""
    said = house.group("replace", "fast-b")
    assert "warning: AWS_SESSION_TOKEN" in said
    assert is_closed(house)


def test_another_key_is_taken_over_without_a_warning(house):
    other = "another-key-of-clients-of-this"
    house.env["API_KEY"] = f"{KEY},{other}"
    assert "warning" not in house.group("replace", "fast-a")
    assert differing(house)["API_KEY"] == (
        "other", sorted(set(WITH_WORKERS) - {"fast-a"}))


def test_a_group_of_none_is_judged_by_the_others(house):
    house.env["PROTECT_READS"] = "false"
    house.env["LOOKUP_WORKERS"] = "4"
    assert published(house, "lookup-b") == []
    assert "PROTECT_READS" in house.group("replace", "lookup-b", fails=True)


# ------------------------------------------------------------ what is told


def test_status_and_doctor_name_what_differs_and_the_command(house):
    house.env.update(GENERATE_DEADLINE="21", AWS_SESSION_TOKEN="a-third-token-of-tests")
    assert set(differing(house)) == {"GENERATE_DEADLINE", "AWS_SESSION_TOKEN"}
    text = house.charref("status").stdout
    for word in ("GENERATE_DEADLINE", "AWS_SESSION_TOKEN", "charref-reload",
                 "fast-a", "slow-b"):
        assert word in text
    found = doctor(house)
    assert found["state"] == "warning"
    assert "GENERATE_DEADLINE" in found["found"]
    assert "charref-reload" in found["remedy"]
    for secret in ("a-third-token-of-tests", "a-secret-that-may-go"):
        assert secret not in text + json.dumps(found)


def test_readyz_has_a_remark_and_stays_ready(house):
    house.env["GENERATE_DEADLINE"] = "22"
    house.group("replace", "slow-a")
    for _ in range(4):
        reply = house.http.get("/readyz")
        checks = {one["name"]: one for one in json.loads(reply.body)["checks"]}
        assert reply.status == 200 and checks["settings"]["ok"]
        assert "GENERATE_DEADLINE" in checks["settings"]["reason"]


def test_started_again_the_settings_are_meant_and_an_open_service_is_told(
        house):
    kept = dict(house.env)
    house.env.update(API_KEY="", PROTECT_READS="false")
    for name in ("slow-a", "slow-b"):
        house.group("stop", name)
        house.start_group(name)
        house.wait_for(name)
    house.model.script(images(png()))
    assert house.http.post(BODY).status == 200
    assert differing(house)["API_KEY"] == ("gone", ["fast-a", "fast-b",
                                                    "lookup-a"])
    # The files protect it again, and what runs does not.
    house.env.update(kept)
    found = doctor(house)
    assert found["state"] == "failed" and "API_KEY" in found["found"]
    assert "charref-reload" in found["remedy"]
    for name in ("slow-a", "slow-b"):
        house.group("replace", name)
    assert is_closed(house)
    assert doctor(house)["state"] == "ok"


# --------------------------------------------------- who counts, and who not


def test_what_a_killed_worker_published_counts_no_more_and_is_removed(house):
    victim = house.workers_of("slow-a")[0]
    before = {path.name for path in published(house, "slow-a")}
    assert any(name.endswith(f".{victim}") for name in before)
    kill(victim, signal.SIGKILL)
    wait_until(lambda: not is_alive(victim), "its end")
    wait_until(lambda: len(house.workers_of("slow-a")) == 1, "another", 10)
    wait_until(lambda: len(published(house, "slow-a")) == 1 and
               not published(house, "slow-a")[0].name.endswith(f".{victim}"),
               "what the next one published")


def test_a_file_without_a_living_owner_is_ignored(house):
    path = published(house, "fast-a")[0]
    group, pool, _ = path.name.split(".")
    dead = path.with_name(f"{group}.{pool}.999999999")
    dead.write_text(path.read_text().replace("API_KEY ", "API_KEY 0"))
    half = path.with_name(f"{group}.{pool}.999999998")
    half.write_text(path.read_text()[:100])
    draft = path.with_name(".draft-of-one-that-was-killed")
    draft.write_text(path.read_text()[:100])
    assert changes(house)[1]["processes"] == 5
    assert differing(house) == {}
    house.group("replace", "fast-b")  # sweeps
    assert not dead.exists() and not half.exists() and not draft.exists()


def test_workers_that_finish_their_last_request_do_not_count(house):
    asked, go_on, replies = threading.Event(), threading.Event(), []

    def wait_and_draw(call):
        asked.set()
        go_on.wait(50)
        images(png())(call)

    house.model.script(wait_and_draw)
    paying = threading.Thread(target=lambda: replies.append(
        house.http.post(BODY, headers={"X-API-Key": KEY}, deadline=60)))
    paying.start()
    try:
        assert asked.wait(10)
        house.env["GENERATE_DEADLINE"] = "23"
        for name in ("slow-a", "slow-b"):
            house.group("replace", name)
        wait_until(lambda: len(published(house, "slow-")) == 3,
                   "the end of the old worker that is idle")
        for name in ("slow-a", "slow-b"):
            told = changes(house, name)[1]
            assert (told["processes"], told["settings"]) == (1, [])
    finally:
        go_on.set()
        paying.join()
    assert replies[0].status == 200
    wait_until(lambda: len(published(house, "slow-")) == 2, "its end")


def test_processes_of_a_version_that_publishes_nothing_do_not_differ(house):
    """Their files are taken away, as they would have written none."""
    for path in published(house):
        path.unlink()
    house.env.update(API_KEY="", PROTECT_READS="false")
    assert changes(house) == (0, {
        "processes": 0, "opens": False, "is_open": False,
        "loses_model_key": False, "settings": []})
    assert doctor(house)["state"] == "skipped"
    checks = json.loads(house.http.get("/readyz").body)["checks"]
    assert all(one["ok"] and one["reason"] is None for one in checks), checks
    house.env.update(API_KEY=KEY, PROTECT_READS="true")


def test_a_folder_that_was_lost_is_made_by_the_next_that_start(house):
    for path in settings_folder(house).iterdir():
        path.unlink()
    os.rmdir(settings_folder(house))
    assert changes(house)[1]["processes"] == 0
    house.group("replace", "slow-a")
    assert changes(house)[1]["processes"] == 1


def test_macs_under_another_key_are_not_compared(house):
    (settings_folder(house) / "key").write_bytes(os.urandom(32))
    house.env["API_KEY"] = "another-key-of-clients-of-this"
    assert changes(house)[1]["processes"] == 0
    house.group("replace", "slow-a")
    house.env["API_KEY"] = KEY
    assert differing(house) == {"API_KEY": ("other", ["slow-a"])}


def test_what_cannot_be_compared_is_not_replaced_and_no_restart_is_advised(
        house):
    path, pid = settings_folder(house) / "key", house.pool_pid("slow-a")
    key = path.read_bytes()
    path.write_bytes(key[:7])
    try:
        said = house.group("replace", "slow-a", fails=True)
        assert "could not be compared" in said and "restart" not in said
        assert house.charref("changes").returncode == 1
        assert house.pool_pid("slow-a") == pid
    finally:
        path.write_bytes(key)
    assert differing(house) == {}


def test_wrong_settings_are_no_refusal(house):
    house.env["GENERATE_DEADLINE"] = "never"
    try:
        assert house.charref("changes").returncode == 1
        said = house.group("replace", "slow-a", fails=True)
        assert "settings are wrong" in said and "restart" not in said
    finally:
        house.env["GENERATE_DEADLINE"] = "55"


def test_the_uploader_publishes_too_until_it_ends():
    double = S3Double()
    one = House(workers={"fast": 1, "lookup": 0, "slow": 0}, cloud=double,
                nginx=False, API_KEY=KEY)
    try:
        one.start()
        for name in ("uploader", "fast-a"):
            wait_until(lambda name=name: published(one, name), name, 10)
        one.env["API_KEY"] = ""
        assert differing(one)["API_KEY"] == ("gone", ["fast-a", "uploader"])
        one.uploader.end()
        assert published(one, "uploader") == []
        assert differing(one)["API_KEY"] == ("gone", ["fast-a"])
    finally:
        one.end()
        double.close()
