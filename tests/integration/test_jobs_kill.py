"""A job whose carrier is killed, at any point: the command, the uploader with
its children, the S3 server.  Whoever comes next goes on, and in the end the
folder is there, whole and once, with nothing in pieces left anywhere.
"""

import contextlib
import pathlib
import random
import shutil
import signal
import subprocess
import time

import pytest

from gateway import Gateway
from house import House, is_alive, children_of, kill, reap
from slowness import SLOWNESS
from test_jobs import (BIG, DOWNLOAD, JOB, MIB, PERSIST, Machine, a_folder,
                       a_service, begin, folder_of, machines, must_be_equal,
                       operation, some_files, started, wait_over,
                       write_random)

ROUNDS = 20
FEW = 3  # of them, outside of the soak
FILES = 60
LOOK_S = 0.1  # between two looks at an operation

rounds = pytest.mark.parametrize("chance", [
    pytest.param(n, marks=[] if n < FEW else [pytest.mark.soak])
    for n in range(ROUNDS)])


@pytest.fixture(scope="module", name="pattern")
def a_job_of_all_sizes(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("pattern") / "job"
    a_folder(folder, some_files(FILES, 7, 2 * MIB))
    write_random(folder / "final/film.mp4", BIG)
    return folder


@pytest.fixture(scope="module", name="seconds")
def what_a_transfer_takes(gateway, pattern, tmp_path_factory) -> tuple:
    """There and back, when nobody is killed."""
    with machines(gateway, 2) as (a, b):
        began = time.monotonic()
        a.push(pattern)
        half = time.monotonic()
        b.pull(tmp_path_factory.mktemp("back"))
        return half - began, time.monotonic() - half


@pytest.fixture(scope="module", name="buckets")
def made_before_anything_is_killed(gateway) -> dict[int, str]:
    """A Ceph that has lost a gateway makes no bucket for half a minute."""
    return {chance: gateway.new_bucket() for chance in range(2 * ROUNDS)}


def wait_for_end(one: subprocess.Popen, delay: float):
    """Returns after so long, or as soon as the command has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        one.wait(delay)


def wait_for_operation(house: House, one: str, delay: float):
    """The same of an operation, as the catalogue has it."""
    end = time.monotonic() + delay
    while (left := end - time.monotonic()) > 0 and house.rows(
            "SELECT 1 FROM operations WHERE id = ? AND state IN"
            " ('queued', 'running')", one):
        time.sleep(min(left, LOOK_S))


def kill_under_way(machine: Machine, verb: str, folder, delay: float):
    """Begins a command and kills it after so long."""
    with started(machine.house, verb, folder) as one:
        wait_for_end(one, delay)
        one.kill()
        one.communicate()


@rounds
def test_a_killed_command_is_gone_on_with(gateway, pattern, seconds,
                                          tmp_path, chance):
    at = random.Random(chance)
    with machines(gateway, 2) as (a, b):
        for _ in range(2):
            kill_under_way(a, "persist-job", pattern,
                           at.uniform(0, seconds[0]))
        a.push(pattern)
        a.must_hold(pattern)
        back = tmp_path / "back"
        for _ in range(2):
            kill_under_way(b, "download-job", back, at.uniform(0, seconds[1]))
        b.pull(back)
        must_be_equal(pattern, back)
        assert b.verify(back)["troubles"] == []


def test_of_a_killed_upload_of_a_file_that_is_gone_nothing_is_left(
        gateway, pattern, seconds, tmp_path):
    folder = tmp_path / "job"
    shutil.copytree(pattern, folder)
    with machines(gateway, 1) as (a,):
        end = time.monotonic() + 30
        while not a.uploads():
            assert time.monotonic() < end
            shutil.copy2(pattern / "final/film.mp4", folder / "final/film.mp4")
            with started(a.house, "persist-job", folder) as one:
                while not a.uploads() and one.poll() is None:
                    time.sleep(0.005)
                one.kill()
                one.communicate()
            with contextlib.suppress(a.boto.exceptions.ClientError):
                a.delete(f"videos/{JOB}/final/film.mp4")
        (folder / "final/film.mp4").unlink()
        a.push(folder)
        a.must_hold(folder)


def kill_all(house: House):
    """SIGKILL to the uploader and its children, as a power cut would."""
    process = house.uploader.process
    children = children_of(process.pid)
    for pid in (process.pid, *children):
        kill(pid, signal.SIGKILL)
    process.wait(10)
    for pid in children:
        if is_alive(pid):
            reap(pid)
    house.uploader.process = None


@rounds
def test_a_killed_uploader_is_gone_on_with(gateway, pattern, seconds, chance):
    at = random.Random(chance)
    bucket = gateway.new_bucket()
    with a_service(gateway, bucket) as house:
        shutil.copytree(pattern, folder_of(house))
        one = begin(house, PERSIST)
        for _ in range(2):
            house.uploader.start()
            wait_for_operation(house, one, at.uniform(0, 1.3 * seconds[0]))
            kill_all(house)
            assert operation(house, one)["state"] != "failed"
        house.uploader.start()
        assert wait_over(house, one)["state"] == "done"
        Machine(gateway, bucket, house).must_hold(pattern)
    with a_service(gateway, bucket) as house:
        one = begin(house, DOWNLOAD)
        for _ in range(2):
            house.uploader.start()
            wait_for_operation(house, one, at.uniform(0, 1.3 * seconds[1]))
            kill_all(house)
        house.uploader.start()
        assert wait_over(house, one)["state"] == "done"
        must_be_equal(pattern, folder_of(house))


@contextlib.contextmanager
def an_outage(gateway: Gateway):
    """The S3 server is killed, and is back at the end."""
    gateway.kill()
    try:
        yield
    finally:
        gateway.revive()


@rounds
def test_a_killed_server_costs_a_command_and_nothing_else(
        gateway, pattern, seconds, buckets, tmp_path, chance):
    at = random.Random(chance)
    back = tmp_path / "back"
    with machines(gateway, 2, buckets[chance]) as (a, b):
        for machine, verb, folder, most in (
                (a, "persist-job", pattern, seconds[0]),
                (b, "download-job", back, seconds[1])):
            with started(machine.house, verb, folder) as one:
                wait_for_end(one, at.uniform(0, most))
                with an_outage(gateway):
                    _, complained = one.communicate(timeout=60 * SLOWNESS)
            assert one.returncode in (0, 1), complained
            machine.run(verb, folder)
        a.must_hold(pattern)
        must_be_equal(pattern, back)


@rounds
def test_an_operation_outlives_an_outage(
        gateway, pattern, seconds, buckets, chance):
    at = random.Random(chance)
    bucket = buckets[ROUNDS + chance]
    with a_service(gateway, bucket) as house:
        shutil.copytree(pattern, folder_of(house))
        house.uploader.start()
        one = begin(house, PERSIST)
        wait_for_operation(house, one, at.uniform(0, 1.3 * seconds[0]))
        with an_outage(gateway):
            time.sleep(at.uniform(0, 2))
        # Ceph itself is silent for up to half a minute after such a death.
        done = wait_over(house, one, 55.0)
        assert done["state"] == "done", done
        Machine(gateway, bucket, house).must_hold(pattern)
