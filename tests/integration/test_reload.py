"""deploy/reload against a systemctl of the test's own, which notes what it is
asked: what is refused before anything changes, and what is waited for."""

import os
import pathlib
import socket
import subprocess

import pytest

from house import PROJECT, SLOWNESS

pytestmark = pytest.mark.once

SYSTEMCTL = """#!/bin/bash
cd "$HERE"
case $1 in
list-units)
	for word; do
		case $word in -*|list-units) continue ;; esac
		for unit in $(<active); do
			# shellcheck disable=SC2053
			[[ $unit != $word && $unit != $word.service ]] || echo "$unit x"
		done
	done ;;
-q) grep -qw -- "$3" active ;;
show)
	case $3 in
	MainPID) if [ -e published ]; then echo 22; else echo 11; fi ;;
	*) echo active ;;
	esac
	if [ -e reloaded ]; then >published; >settings/uploader.1.22; fi ;;
*)
	echo "$*" >>calls
	[ "$2" != charref-uploader.service ] || >reloaded ;;
esac
"""
ADMIN = """#!/bin/bash
cd "$HERE"
case "$*" in
"config RUN_DIR") echo "$HERE" ;;
config) exit "$(cat wrong)" ;;
changes) exit "$(cat refused)" ;;
esac
"""


@pytest.fixture
def place(tmp_path):
    """The script with its paths in a folder, and a secret that changed."""
    text = (PROJECT / "deploy/reload").read_text()
    for path in ("/usr/sbin/", "/etc/charref/", "/run/credentials/",
                 "/run/systemd/system"):
        text = text.replace(path, f"{tmp_path}{path}")
    for name in ("usr/sbin", "etc/charref/credentials", "run/systemd/system",
                 "settings", "bin"):
        (tmp_path / name).mkdir(parents=True)
    for name, script in (("usr/sbin/charref-admin", ADMIN),
                         ("usr/sbin/charref-reload", text),
                         ("bin/systemctl", SYSTEMCTL)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "usr/sbin/common").write_text(
        (PROJECT / "deploy/common").read_text())
    (tmp_path / "etc/charref/credentials/API_KEY").write_text("new")
    for name in ("wrong", "refused"):
        (tmp_path / name).write_text("0")
    groups(tmp_path, "fast-a", "fast-b")
    return tmp_path


def groups(place: pathlib.Path, *names: str, more: str = ""):
    """Which groups run, all with workers."""
    (place / "active").write_text(
        " ".join(f"charref-pool@{name}.service" for name in names) + more)
    before = os.getcwd()
    os.chdir(place)  # a socket's path is short
    for name in names:
        pathlib.Path(f"{name}.sock").unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(f"{name}.sock")
    os.chdir(before)


def reload(place: pathlib.Path) -> tuple[int, str, list[str]]:
    """Exit status, what it said, and what was changed."""
    done = subprocess.run(
        [place / "usr/sbin/charref-reload"], text=True, capture_output=True,
        env={"PATH": f"{place}/bin:{os.environ['PATH']}", "HERE": str(place)},
        timeout=30 * SLOWNESS, check=False)
    calls = place / "calls"
    return (done.returncode, done.stderr,
            calls.read_text().splitlines() if calls.exists() else [])


def test_one_half_after_the_other_is_restarted_for_a_secret(place):
    assert reload(place) == (0, "", [
        f"restart charref-pool@fast-{half}.service" for half in "ab"])


def test_a_group_that_no_other_stands_in_for_is_not_restarted(place):
    (place / "fast-b.sock").unlink()
    (place / "fast-b.sock").symlink_to("fast-a.sock")
    code, said, calls = reload(place)
    assert (code, calls) == (1, [])
    assert "fast-b has no workers" in said and "FAST_WORKERS" in said
    groups(place, "fast-a")
    assert reload(place)[::2] == (1, [])


def test_wrong_settings_are_no_reason_to_advise_a_restart(place):
    (place / "wrong").write_text("1")
    code, said, calls = reload(place)
    assert (code, calls) == (1, [])
    assert "settings are wrong" in said and "restart" not in said


@pytest.mark.parametrize("status", [1, 4])
def test_a_refusal_alone_advises_a_restart(place, status):
    (place / "refused").write_text(str(status))
    code, said, calls = reload(place)
    assert (code, calls) == (1, [])
    assert ("systemctl restart" in said) == (status == 4)


def test_the_next_uploader_is_waited_for(place):
    groups(place, more=" charref-uploader.service")
    assert reload(place) == (0, "", ["restart charref-uploader.service"])
    assert (place / "published").exists()
