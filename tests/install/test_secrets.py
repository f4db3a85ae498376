"""Secrets that move between the settings file and the folder of credentials,
under a real systemd, which reads the folder only when it starts a unit.

At every step the service is asked from outside: a stranger must be refused,
and a client with the key must get an image, for which the workers need the
very key that the offline model accepts.  One history, in this order.
"""

import contextlib
import json
import threading

import pytest

from house import wait_until
from test_package import (DUMMY_BUCKET, GENERATE, GROUPS, OFFLINE,
                          PICTURE, health, image_of, load)
from test_supervision import ENV, main_pid

FOLDER = "etc/charref/credentials"
KEY = "a-test-key-of-the-clients"
SECRETS = {"API_KEY": KEY, "GEMINI_API_KEY": "a-test-key-of-the-model",
           "AWS_ACCESS_KEY_ID": "test-key",
           "AWS_SECRET_ACCESS_KEY": "test-secret",
           "AWS_SESSION_TOKEN": "test-token"}
REFUSED = {"API_KEY": "would open the service",
           "GEMINI_API_KEY": "no image could be generated"}
ASK = {"character_description": "A red robot", "num_images": 1,
       "include_base64": False}
image = []  # the one that all look at


def set_line(room, name: str, value: str | None):
    """Sets a setting in the file, or takes it out."""
    path = room.root / ENV[1:]
    lines = [line for line in path.read_text().splitlines()
             if not line.startswith(f"{name}=")]
    if value is not None:
        lines.append(f"{name}={value}")
    path.write_text("\n".join(lines) + "\n")


def set_file(room, name: str, value: str | None):
    """Writes a secret's file, or removes it."""
    path = room.root / FOLDER / name
    if value is None:
        path.unlink()
    else:
        path.write_text(value + "\n")
        path.chmod(0o600)


def stranger(room) -> int:
    """The status that a POST without a key gets."""
    return room.ask(GENERATE, ASK).status


def client(room) -> str:
    """The image that one with the key gets."""
    return image_of(room.ask(GENERATE, ASK, headers=[f"X-API-Key: {KEY}"]))


def is_guarded(room):
    """Several times, as each may be answered by another worker."""
    assert {stranger(room) for _ in range(6)} == {401}
    client(room)


def admin(room, *words, **kw) -> str:
    """What charref-admin says."""
    return room.run("charref-admin", *words, **kw)


def finding(room) -> dict:
    """The doctor's check of the settings that run."""
    told = json.loads(admin(room, "doctor", "--json", check=False))
    return next(one for one in told["checks"]
                if one["name"] == "running settings")


def reload_pools(room, check=True) -> str:
    """A reload as systemd does it; what it said."""
    return room.run("systemctl", "reload", "charref-pool@*", check=check,
                    timeout=120)


def pids(room) -> dict[str, int]:
    """Main processes of the groups."""
    return {unit: main_pid(room, unit) for unit in sorted(GROUPS)}


@contextlib.contextmanager
def strangers(room):
    """POSTs without a key all the while; all must be refused."""
    stop, seen = threading.Event(), set()

    def ask():
        while not stop.wait(0.05):
            seen.add(stranger(room))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        stop.set()
        asking.join()
    assert seen == {401}


def taken_over(room):
    """charref-reload, with clients that read and strangers that try."""
    with load(room, PICTURE + image[0]) as total, strangers(room):
        room.run("charref-reload", timeout=180)
    assert total["bad"] == {} and total["good"] > 50, total
    is_guarded(room)
    assert admin(room, "changes") == ""
    assert finding(room)["state"] == "ok"


def test_all_secrets_in_the_settings_file(room, package):
    room.install(package)
    text = room.read(ENV)
    for name in OFFLINE:
        text = text.replace(f"#{name}=", f"{name}=")
    (room.root / ENV[1:]).write_text(text + DUMMY_BUCKET)
    for name, value in SECRETS.items():
        set_line(room, name, value)
    set_line(room, "SKETCH_KEY", SECRETS["GEMINI_API_KEY"])
    for name in ("RATE", "BURST"):  # strangers that try all the while
        set_line(room, f"NGINX_GENERATE_{name}", "100000")
    room.run("systemctl", "start", "charref.target", "charref-sketch")
    health(room)
    image.append(client(room))
    is_guarded(room)
    wait_until(lambda: "uploader" in room.run("ls", "/run/charref/settings"),
               "the uploader", 20)
    assert finding(room)["state"] == "ok"
    modes = room.run("sh", "-c", "stat -c '%a %U' /run/charref/settings/*")
    assert set(modes.splitlines()) == {"600 charref"}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_moves_to_the_folder_and_back(room, name):
    value = SECRETS[name]
    set_line(room, name, None)
    set_file(room, name, value)
    is_guarded(room)
    assert admin(room, "changes") == ""  # the files say what runs
    before = pids(room)
    if name in REFUSED:
        assert "failed" in reload_pools(room, check=False)
        told = room.run("journalctl", "--no-pager", "-u", "charref-pool@*")
        assert REFUSED[name] in told and name in told
        assert pids(room) == before
        is_guarded(room)
    taken_over(room)
    assert all(pids(room)[unit] != before[unit] for unit in GROUPS)
    before = pids(room)
    reload_pools(room)  # it has the secret now from the folder
    assert all(pids(room)[unit] != before[unit] for unit in GROUPS)
    is_guarded(room)
    set_file(room, name, None)
    set_line(room, name, value)
    reload_pools(room)  # the file of the settings is read at each reload
    is_guarded(room)
    taken_over(room)


def test_another_secret_that_goes_is_a_warning(room):
    set_line(room, "AWS_SESSION_TOKEN", None)
    assert "AWS_SESSION_TOKEN" in admin(room, "status")
    assert "charref-reload" in admin(room, "status")
    said = room.run("charref-reload", timeout=180)
    assert "warning: AWS_SESSION_TOKEN" in said
    is_guarded(room)
    assert finding(room)["state"] == "ok"


def test_settings_that_would_open_it_are_refused_and_a_restart_opens(room):
    set_line(room, "API_KEY", None)
    before = pids(room)
    assert "API_KEY" in room.run("charref-reload", check=False)
    assert "failed" in reload_pools(room, check=False)
    assert pids(room) == before
    is_guarded(room)
    found = finding(room)
    assert found["state"] == "warning" and "API_KEY" in found["found"]
    assert "restart" in found["remedy"]
    room.run("systemctl", "restart", "charref-pool@*", timeout=120)
    health(room)
    assert stranger(room) == 200
    set_line(room, "API_KEY", KEY)
    found = finding(room)
    assert found["state"] == "failed" and "charref-reload" in found["remedy"]
    room.run("charref-reload", timeout=180)
    is_guarded(room)
    assert finding(room)["state"] == "ok"


def test_reads_that_are_protected_stay_so_in_workers_and_in_nginx(room):
    path = PICTURE + image[0]
    set_line(room, "PROTECT_READS", "true")
    room.run("charref-reload", timeout=180)
    assert room.ask(path).status == 401
    set_line(room, "PROTECT_READS", None)
    assert "PROTECT_READS" in room.run("charref-reload", check=False)
    room.run("systemctl", "reload", "charref-*.service", check=False,
             timeout=120)
    told = room.run("journalctl", "--no-pager", "-u", "charref-site")
    assert "PROTECT_READS is not true" in told
    assert room.ask(path).status == 401
    assert "location @local_picture" not in room.run(
        "cat", "/run/charref-nginx/charref.conf")
    room.run("systemctl", "restart", "charref-pool@*", "charref-site",
             timeout=120)
    health(room)
    assert room.ask(path).status == 200


def test_workers_on_sockets_of_systemd_are_guarded_the_same(room):
    room.run("systemctl", "start", "charref-sockets.target", timeout=120)
    health(room)
    is_guarded(room)
    set_line(room, "API_KEY", None)
    said = room.run("systemctl", "reload", "charref-slow@1", check=False)
    assert "failed" in said
    is_guarded(room)
    set_file(room, "API_KEY", KEY)
    room.run("systemctl", "reload", "charref-slow@1")
    is_guarded(room)
    with load(room, PICTURE + image[0]) as total, strangers(room):
        room.run("charref-reload", timeout=240)
    assert total["bad"] == {} and total["good"] > 50, total
    is_guarded(room)
    assert room.units("failed") == set()
