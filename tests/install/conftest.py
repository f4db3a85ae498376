"""Fixtures: the package, built once, and a room in which it is tried."""

import pathlib
import signal

import pytest

import room as rooms
from house import PROJECT, need_tool
from room import Room

TEST_SECONDS = 600


def _too_long(_signal, _frame):
    raise TimeoutError(f"the test takes over {TEST_SECONDS} s")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """No test may hang.  Nor may a fixture, but of those each command has a
    deadline of its own: all that is done for a Debian takes long."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(TEST_SECONDS)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its room's journal."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for one in rooms.LIVE:
            report.sections.append((f"room {one.root}", one.story()))


@pytest.fixture(scope="session")
def package() -> pathlib.Path:
    """What `make deb` builds."""
    for tool in ("dpkg-buildpackage", "dh", "lintian"):
        need_tool(tool)
    said = rooms.run("make", "-s", "deb", cwd=PROJECT, timeout=300)
    built = [PROJECT / line for line in said.splitlines()
             if line.startswith("build/charref_")]
    assert len(built) == 1, said
    return built[0]


@pytest.fixture(scope="session")
def newer(package, tmp_path_factory) -> pathlib.Path:
    """The same as a later version."""
    tree = tmp_path_factory.mktemp("newer") / "tree"
    rooms.run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN/control"
    now = rooms.run("dpkg-deb", "-f", package, "Version").strip()
    control.write_text(control.read_text().replace(
        f"Version: {now}\n", f"Version: {now}+next\n"))
    rooms.run("dpkg-deb", "--root-owner-group", "-b", tree, tree.parent)
    return next(tree.parent.glob("*.deb"))


@pytest.fixture(scope="module")
def room(package):
    """A fresh Debian; the tests of a module are its history."""
    one = Room(package)
    try:
        yield one
    finally:
        one.end()
