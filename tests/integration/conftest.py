"""Fixtures: a house that a module's tests share, and houses of one's own."""

import os
import signal

import pytest

import house as houses
import sharing
from front import Front
from gateway import Gateway
from house import SLOWNESS, House
from model_double import GEMINI

# Fixtures in whose tests a script answers instead of our workers.
WITHOUT_WORKERS = {"front", "new_front"}
# Fixtures that start Ceph, or a script of deploy/ with all that it starts.
SYSTEMS = {"gateway", "own_gateway", "project", "new_groups"}
TEST_SECONDS = int(min(60 * SLOWNESS, 400))


def pytest_sessionstart(session):
    """Nothing here works without the programs of the flavour."""
    for name in ("charref-fcgi", "charref", "charref-sketch"):
        if not (houses.BUILD / name).exists():
            pytest.exit(f"{houses.BUILD / name} is missing: run "
                        f"make F={houses.FLAVOUR} programs", 3)


def mark_by_fixtures(item):
    """Gives a test the marks that go with its fixtures."""
    fixtures = set(item.fixturenames)
    if WITHOUT_WORKERS & fixtures:
        item.add_marker(pytest.mark.once)
    if SYSTEMS & fixtures:
        item.add_marker(pytest.mark.systems)


def marks_of(item) -> set[str]:
    """The names of a test's marks."""
    return {mark.name for mark in item.iter_markers()}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Leaves out the soak unless asked for, and what asan cannot do or need
    not repeat; then tells pytest-xdist which tests stay together."""
    out = set()
    if os.environ.get("CHARREF_SOAK") != "1":
        out.add("soak")
    if houses.IS_ASAN:
        out |= {"plain", "once"}
    for item in items:
        mark_by_fixtures(item)
    left = [item for item in items if out & marks_of(item)]
    items[:] = [item for item in items if not out & marks_of(item)]
    if left:
        config.hook.pytest_deselected(items=left)
    names = sharing.group_names(items)
    items.sort(key=lambda item: sharing.rank(names[item]))
    for item, name in names.items():
        item.add_marker(pytest.mark.xdist_group(name))


def _too_long(_signal, _frame):
    raise TimeoutError(f"the test takes over {TEST_SECONDS} s")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """No test may hang: each has a deadline of its own."""
    factor = 20 if item.get_closest_marker("soak") else 1
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(TEST_SECONDS * factor)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the ends of its houses' logs."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for one in houses.LIVE:
            report.sections.append((f"house {one.folder}", one.story()))


@pytest.fixture(scope="module")
def shared_house():
    """One house for the tests of a module that leave it as it was."""
    with houses.a_house() as one:
        yield one


@pytest.fixture
def house(shared_house):
    """The shared house with a model that has forgotten earlier tests."""
    shared_house.model.forget()
    shared_house.revive()
    before = list(shared_house.pids())
    yield shared_house
    assert shared_house.pids() == before
    shared_house.inspect()


@pytest.fixture(scope="module")
def shared_gemini_house():
    """A house that knows only the newer model."""
    with houses.a_house(IMAGE_MODELS=GEMINI) as one:
        yield one


@pytest.fixture
def gemini_house(shared_gemini_house):
    """The same with a model that has forgotten earlier tests."""
    shared_gemini_house.model.forget()
    yield shared_gemini_house
    shared_gemini_house.inspect()


@pytest.fixture
def new_house():
    """Makes houses of one's own; their ends are asserted, too."""
    made: list[House] = []

    def make(start: bool = True, **kw) -> House:
        one = House(**kw)
        made.append(one)
        return one.start() if start else one

    yield make
    for one in reversed(made):
        one.end()


@pytest.fixture(scope="module")
def shared_front():
    """nginx before scripted workers, for the tests of a module."""
    one = Front()
    yield one
    one.end()


@pytest.fixture
def front(shared_front):
    """The same, having been asked nothing."""
    shared_front.forget()
    yield shared_front
    shared_front.house.inspect()


@pytest.fixture
def new_front():
    """Makes fronts with settings of their own."""
    made: list[Front] = []

    def make(groups: list[str] | None = None, **settings: str) -> Front:
        made.append(Front(groups, **settings))
        return made[-1]

    yield make
    for one in reversed(made):
        one.end()


@pytest.fixture(scope="session")
def gateway():
    """The S3 server of this session; see Gateway for how it ends."""
    one = Gateway()
    houses.LIVE.append(one)
    try:
        yield one.start()
    finally:
        houses.LIVE.remove(one)
        one.stop()
