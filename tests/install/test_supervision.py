"""Scaling, reloading and dying under a real systemd.

Secrets come as credentials here, which systemd shows to some commands of a
unit and not to others.  One history, in this order.
"""

import time

from house import wait_until
from test_package import (GROUPS, OFFLINE, PICTURE, WORKERS, generate,
                          image_of, load, workers)

ENV = "/etc/charref/charref.env"
SOCKETS = {f"charref-{pool}.socket" for pool in ("fast", "lookup", "slow")}
image = []  # the one that all look at


def main_pid(room, unit: str) -> int:
    """The pid of a unit's main process."""
    return int(room.run("systemctl", "show", "-p", "MainPID", "--value", unit))


def children(room, pid: int) -> list[str]:
    """The pids of its children."""
    return room.run("cat", f"/proc/{pid}/task/{pid}/children",
                    check=False).split()


def settings(room, *lines: str):
    """Adds lines to the settings file."""
    path = room.root / ENV[1:]
    path.write_text(path.read_text() + "".join(line + "\n" for line in lines))


def has_workers(room, count: int):
    """Waits until there are just so many."""
    wait_until(lambda: len(workers(room)) == count, f"{count} workers", 20)


def test_workers_have_their_secrets_from_credentials(room, package):
    room.install(package)
    text = room.read(ENV)
    for name in OFFLINE:
        text = text.replace(f"#{name}=", f"{name}=")
    (room.root / ENV[1:]).write_text(text)
    for name in ("GEMINI_API_KEY", "SKETCH_KEY"):
        path = room.root / f"etc/charref/credentials/{name}"
        path.write_text("from-a-credential\n")
        path.chmod(0o600)
    room.run("systemctl", "start", "charref.target", "charref-sketch")
    # nginx lets its old workers, which know no charref, answer for a moment.
    wait_until(lambda: all(room.ask("/healthz").status == 200
                           for _ in range(10)), "health", 20)
    image.append(image_of(generate(room)))


def test_reloaded_workers_have_them_too_and_are_the_units_own(room):
    for _ in range(2):
        before = {unit: main_pid(room, unit) for unit in GROUPS}
        room.run("systemctl", "reload", "charref-*.service")
        for unit in GROUPS:
            assert main_pid(room, unit) not in (0, before[unit])
        has_workers(room, WORKERS)
        image_of(generate(room))
    assert room.units("active") >= GROUPS
    for name in ("GEMINI_API_KEY", "SKETCH_KEY"):
        assert "from-a-credential" not in room.run(
            "sh", "-c", "cat /proc/[0-9]*/environ | tr '\\0' '\\n'",
            check=False)


def test_the_numbers_of_workers_change_under_load(room):
    with load(room, PICTURE + image[0]) as total:
        for fast, slow in ((8, 6), (3, 3), (1, 1), (4, 4)):
            room.run("charref-scale", f"fast={fast}", f"slow={slow}")
            has_workers(room, fast + slow + 2)
            image_of(generate(room))
    assert total["bad"] == {} and total["good"] > 100, total
    assert room.read(ENV).count("FAST_WORKERS=") == 1
    assert room.run("stat", "-c", "%A %U:%G", ENV).split() == [
        "-rw-r-----", "root:charref"]


def test_wrong_settings_are_seen_and_cost_nothing(room):
    kept = room.read(ENV)
    unit = "charref-pool@fast-a.service"
    pid = main_pid(room, unit)
    settings(room, "GENERATE_DEADLINE=soon")
    said = room.run("systemctl", "reload", unit, check=False)
    assert "failed" in said
    assert main_pid(room, unit) == pid
    assert "GENERATE_DEADLINE must be" in room.run(
        "journalctl", "--no-pager", "-u", unit)
    assert room.ask("/healthz").status == 200
    assert "failed" in room.run("systemctl", "restart", unit, check=False)
    assert room.ask("/healthz").status == 200  # by the other group
    (room.root / ENV[1:]).write_text(kept)
    has_workers(room, WORKERS)


def test_workers_and_pools_that_are_killed_come_back(room):
    unit = "charref-pool@slow-a.service"
    for _ in range(7):
        victims = wait_until(lambda: children(room, main_pid(room, unit)),
                             "a worker to kill")
        room.run("sh", "-c", "kill -9 " + " ".join(victims), check=False)
        time.sleep(0.2)
    began = time.monotonic()
    has_workers(room, WORKERS)
    assert time.monotonic() - began < 3.0
    for _ in range(7):
        pid = wait_until(lambda: main_pid(room, unit), "a pool to kill")
        room.run("sh", "-c", f"kill -9 {pid}", check=False)
        wait_until(lambda pid=pid: main_pid(room, unit) not in (0, pid),
                   "another pool")
    has_workers(room, WORKERS)
    assert room.units("failed") == set()
    image_of(generate(room))


def test_sockets_of_systemd_take_over_and_give_back(room):
    room.run("systemctl", "start", "charref-sockets.target")
    assert room.units("active") >= SOCKETS
    assert not room.units("active") & GROUPS
    has_workers(room, WORKERS)
    image_of(generate(room))
    with load(room, PICTURE + image[0]) as total:
        for number in (1, 2, 3, 4):
            room.run("systemctl", "restart", f"charref-fast@{number}")
        room.run("systemctl", "start", "charref-fast@5")
        room.run("systemctl", "stop", "charref-fast@5")
    assert total["bad"] == {} and total["good"] > 100, total
    room.run("systemctl", "start", "charref.target")
    assert room.units("active") >= GROUPS
    assert not room.units("active") & SOCKETS
    has_workers(room, WORKERS)
    image_of(generate(room))


def test_stopping_leaves_nothing(room):
    room.run("systemctl", "stop", "charref.target", "charref-sockets.target",
             "charref-*.service", timeout=120)
    wait_until(lambda: room.units("active") == set(), "the end of all", 30)
    assert workers(room) == []
    assert room.units("failed") == set()
    assert room.run("sh", "-c", "ls /run/charref/*.sock", check=False
                    ).count(".sock\n") == 0
