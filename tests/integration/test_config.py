"""Settings: shown without their secrets, and all mistakes at once."""

import json
import os
import socket
import subprocess

import pytest

from house import House, program
from slowness import SLOWNESS

SECRETS = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "SKETCH_KEY")
NAMES = ("CHARREF_ROOT", "IMAGE_BASE_URL", "IMAGE_SOCKET", "IMAGE_MODELS",
         "IMAGE_PROMPT", "GEMINI_API_KEY", "GENERATE_DEADLINE",
         "DISK_RESERVE_MB", "LOG_FILE", "LOG_LEVEL", "PORT", "RUN_DIR",
         "FAST_WORKERS", "LOOKUP_WORKERS", "SLOW_WORKERS", "SKETCH_KEY")
BAD = {
    "GENERATE_DEADLINE": "soon", "DISK_RESERVE_MB": "-1", "PORT": "70000",
    "FAST_WORKERS": "0", "LOOKUP_WORKERS": "1e3", "SLOW_WORKERS": "many",
    "LOG_LEVEL": "loud", "IMAGE_MODELS": "dall-e-3",
    "IMAGE_BASE_URL": "ftp://example.org", "IMAGE_PROMPT": "no placeholder",
}


def run(*arguments: str, name: str = "charref", stdin=None, **settings: str):
    """Runs a program of ours with just these settings."""
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8",
           "ASAN_OPTIONS": "exitcode=99"} | settings
    return subprocess.run([program(name), *arguments], env=env, text=True,
                          stdin=stdin or subprocess.DEVNULL,
                          capture_output=True, timeout=30 * SLOWNESS)


def test_config_prints_every_setting_and_no_secret():
    done = run("config", GEMINI_API_KEY="abc-secret", PORT="9000")
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert set(NAMES) <= set(lines)
    assert lines["GEMINI_API_KEY"] == "set"
    assert lines["SKETCH_KEY"] == "unset"
    assert lines["PORT"] == "9000"
    assert lines["FAST_WORKERS"].startswith("4 ")
    assert "abc-secret" not in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_config_of_a_name_prints_the_one_value(name):
    value = {"PORT": "9000", "IMAGE_PROMPT": "A {description}"}.get(name)
    done = run("config", name, **({name: value} if value else {}))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n") and done.stdout.count("\n") == 1
    if value:
        assert done.stdout == value + "\n"
    if name in SECRETS:
        assert done.stdout == "unset\n"


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_only_said_to_be_set(name):
    done = run("config", name, **{name: "abc-secret"})
    assert (done.returncode, done.stdout) == (0, "set\n")


def test_an_unknown_name_is_an_error():
    for name in ("NOTHING", "port", "", "PORT "):
        done = run("config", name)
        assert done.returncode != 0 and done.stdout == "", done
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [
    (), ("nothing",), ("config", "--json"), ("--nothing",), ("routes", "x")])
def test_wrong_usage_exits_2_and_says_how(arguments):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert "usage:" in done.stderr


def test_help_is_on_standard_output():
    done = run("--help")
    assert done.returncode == 0 and "usage:" in done.stdout


def test_all_mistakes_are_reported_at_once():
    done = run("config", **BAD)
    assert done.returncode == 1 and done.stdout == ""
    named = {line.split()[0].rstrip(":") for line in
             done.stderr.splitlines()}
    assert set(BAD) <= named, done.stderr


@pytest.mark.parametrize("name", BAD)
def test_each_mistake_alone_is_one(name):
    done = run("config", **{name: BAD[name]})
    assert done.returncode == 1
    assert name in done.stderr, done.stderr
    others = [other for other in BAD if other != name
              and any(line.startswith(other)
                      for line in done.stderr.splitlines())]
    assert not others, done.stderr


@pytest.mark.parametrize("url", [
    "http://example.org", "http://127.example.org", "http://localhost.evil",
    "http://localhost@example.org", "http://localhost:80@example.org",
    "https://", "https://host/path", "https://host?x", "//host", "host",
    "https:/host", "http://[::1]@example.org", "http://[::1].example.org",
    "https://user:pass@host", "https://ho st", "https://host#x",
    "https://host\\@example.org"])
def test_an_address_the_key_must_not_go_to_is_refused(url):
    done = run("config", "PORT", IMAGE_BASE_URL=url)
    assert done.returncode == 1, url
    assert "IMAGE_BASE_URL" in done.stderr


@pytest.mark.parametrize("url", [
    "https://example.org", "https://example.org:8443", "https://127.0.0.1",
    "http://127.0.0.1:8080", "http://localhost", "http://localhost:1",
    "http://[::1]:8080", "https://[2001:db8::1]:443"])
def test_an_address_the_key_may_go_to_is_taken(url):
    assert run("config", "PORT", IMAGE_BASE_URL=url).returncode == 0


@pytest.mark.parametrize("models, ok", [
    ("imagen-a", True), ("gemini-b,imagen-a", True), (" imagen-a , gemini-b ",
                                                      True),
    ("gpt-image-2", False), ("imagen-a,gpt", False), ("imagen-a/../b", False),
    ("imagen-a?x=", False), ("imagen-" + "x" * 100, False),
    (",".join(["imagen-a"] * 9), False), (",", False)])
def test_a_model_list_is_checked(models, ok):
    done = run("config", "PORT", IMAGE_MODELS=models)
    assert done.returncode == (0 if ok else 1), done.stderr
    assert ok or "IMAGE_MODELS" in done.stderr


@pytest.mark.parametrize("prompt, ok", [
    ("{description}", True), ("A {description} B", True), ("none", False),
    ("{description} {description}", False), ("{other} {description}", False),
    ("{description} }", False), ("{description", False)])
def test_a_prompt_has_one_placeholder(prompt, ok):
    done = run("config", "PORT", IMAGE_PROMPT=prompt)
    assert done.returncode == (0 if ok else 1), done.stderr


def test_a_variable_that_is_empty_is_not_set():
    done = run("config", "PORT", PORT="", LOG_LEVEL="")
    assert (done.returncode, done.stdout) == (0, "8000\n")


def test_a_number_is_a_number_and_nothing_else():
    for text in ("+5", " 5", "5 ", "0x5", "5.0", "5e1", "99999999999999999999",
                 "٥", "5\n"):
        assert run("config", GENERATE_DEADLINE=text).returncode == 1, text


@pytest.fixture
def listening(tmp_path):
    """A listening socket, as spawn-fcgi would hand it to a worker."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "s"))
        one.listen(1)
        yield one


def test_a_worker_with_wrong_settings_says_the_same_and_ends(listening):
    """In the same words; its standard error is a log, so as JSON lines."""
    done = run(name="charref-fcgi", stdin=listening, **BAD)
    assert done.returncode not in (0, 99)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["level"] for line in said} == {"error"}
    told = run("config", **BAD).stderr.replace("charref: ", "", 1)
    assert [line["message"] for line in said] == told.splitlines()


def test_a_worker_without_a_socket_says_how_to_start_it(tmp_path):
    for name in ("charref-fcgi", "charref-sketch"):
        done = run(name=name, CHARREF_ROOT=str(tmp_path))
        assert done.returncode not in (0, 99)
        assert "spawn-fcgi" in done.stderr, done.stderr


def test_a_worker_whose_log_cannot_be_opened_ends(listening, tmp_path):
    done = run(name="charref-fcgi", stdin=listening,
               CHARREF_ROOT=str(tmp_path), LOG_FILE=str(tmp_path / "no/log"))
    assert done.returncode not in (0, 99)
    assert "log" in done.stderr


@pytest.mark.parametrize("root", ["file", "file/below"])
def test_a_worker_whose_folder_cannot_be_made_ends(listening, tmp_path, root):
    (tmp_path / "file").write_text("")
    done = run(name="charref-fcgi", stdin=listening,
               CHARREF_ROOT=str(tmp_path / root))
    assert done.returncode not in (0, 99)
    assert done.stderr, "it must say why"


def test_a_worker_that_cannot_start_leaves_whole_lines_in_its_log(
        listening, tmp_path):
    """Once there is a log, that is where it says why: as JSON, too."""
    (tmp_path / "file").write_text("")
    house = House(nginx=False, workers=dict.fromkeys(
        ("fast", "lookup", "slow"), 0))
    try:
        done = run(name="charref-fcgi", stdin=listening,
                   CHARREF_ROOT=str(tmp_path / "file"),
                   LOG_FILE=str(house.log))
        assert done.returncode not in (0, 99)
        assert [line["level"] for line in house.log_lines()] == ["error"]
    finally:
        house.end()


def test_a_catalogue_that_is_no_database_is_refused(listening, tmp_path):
    (tmp_path / "catalogue.db").write_bytes(b"not a database" * 100)
    done = run(name="charref-fcgi", stdin=listening,
               CHARREF_ROOT=str(tmp_path))
    assert done.returncode not in (0, 99)
    assert done.stderr


def test_a_catalogue_from_the_future_is_refused(listening, tmp_path):
    import sqlite3
    with sqlite3.connect(tmp_path / "catalogue.db") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    done = run(name="charref-fcgi", stdin=listening,
               CHARREF_ROOT=str(tmp_path))
    assert done.returncode not in (0, 99)
    assert done.stderr


def test_routes_lists_what_there_is():
    done = run("routes")
    assert done.returncode == 0
    assert "POST /api/mv/generate_character_reference slow" in done.stdout
    assert "GET /api/mv/get_character_reference/ fast" in done.stdout
