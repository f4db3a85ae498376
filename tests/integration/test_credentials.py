"""Temporary keys as the whole service has them, with no keeper running."""

import pathlib
import time

import pytest

import pictures
from house import SLOWNESS, House, wait_until
from s3_double import ACCESS_KEY, SECRET_KEY, S3Double
from wire import GET

FEW = {"fast": 1, "lookup": 1, "slow": 1}
SECRET_WORDS = "login at https://sso.example/of/ours"
QUICK_S = 1.0
ABSENT = "nobody-has-this"


class Source:
    """A credential_process under the test's control.

    It is as slow as `delay` says, and fails while there is a file `fail`.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.run = folder / "run"  # where the keys may stand
        script = folder / "give"
        script.write_text(f"""#!/bin/sh
cd {folder}
printf x >>asked
[ -e fail ] && {{ cat fail >&2; exit 3; }}
sleep $(cat delay)
end=$(date -u -d "$(cat life) seconds" +%Y-%m-%dT%H:%M:%SZ)
printf '{{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"%s",' \\
    '{ACCESS_KEY}' '{SECRET_KEY}'
printf '"Expiration":"%s"}}' $end
""")
        script.chmod(0o700)
        self.config = folder / "config"
        self.config.write_text(f"[default]\ncredential_process = {script}\n")
        self.says(delay=0, life=3600)

    def says(self, **files):
        """Writes the files that the script reads."""
        for name, text in files.items():
            (self.folder / name).write_text(f"{text}\n")

    def asked(self) -> int:
        """How often it was run."""
        path = self.folder / "asked"
        return path.stat().st_size if path.exists() else 0


@pytest.fixture
def source(tmp_path):
    """The source of the keys of `a_house`."""
    return Source(tmp_path)


@pytest.fixture
def a_house(new_house, source):
    """Makes houses that have their keys from the source, and no uploader."""
    doubles = []

    def make() -> House:
        doubles.append(S3Double())
        return new_house(cloud=doubles[-1], workers=FEW, uploader=False,
                         AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="",
                         AWS_CONFIG_FILE=str(source.config),
                         RUN_DIR=str(source.run))

    yield make
    for double in doubles:
        double.close()


def known(house: House, image_id: str) -> str:
    """An image of the bucket that the catalogue knows: its GET."""
    house.cloud.put(f"character_references/{image_id}.png", pictures.png())
    assert house.http.get(GET + image_id).status == 200
    return GET + image_id


def test_a_client_never_hears_why_there_are_no_keys(a_house, source):
    source.says(fail=SECRET_WORDS)
    house = a_house()
    reply = house.http.get(GET + ABSENT)
    reply.must_fail(502, "StorageDenied")
    assert b"no AWS credentials from process" in reply.body
    for word in (b"sso.example", b"status 3", b"credential_process"):
        assert word not in reply.body
    told = [line for line in house.log_lines()
            if line["event"] == "no fresh credentials"]
    assert SECRET_WORDS in {line["details"] for line in told}
    assert len(told) <= sum(FEW.values())  # each worker once


def test_the_fast_pool_never_waits_for_keys(a_house, source):
    source.says(life=4)
    house = a_house()
    path = known(house, "short-lived")
    ended = time.monotonic() + 5.0
    fast = house.pools["fast"].wire()
    source.says(delay=2, life=3600)
    before = source.asked()
    while time.monotonic() < ended:
        began = time.monotonic()
        reply = fast.ask("GET", path, CHARREF_POOL="fast")
        assert time.monotonic() - began < QUICK_S * SLOWNESS
    assert reply.headers.get("x-accel-redirect") == "@lookup"
    assert source.asked() == before
    # The lookup pool asks, and the fast one has its keys from it.
    assert house.http.get(path).json()["storage_backend"] == "s3"
    assert source.asked() == before + 1
    wait_until(lambda: fast.ask("GET", path, CHARREF_POOL="fast").body,
               "keys in the fast pool", 5.0)
    assert source.asked() == before + 1


def test_status_asks_nobody_for_keys(a_house, source):
    house = a_house()
    before = source.asked()
    source.says(delay=100)
    assert house.status()["credentials"] == "process"
    assert source.asked() == before


def test_a_command_with_other_keys_tells_the_service_nothing(a_house, source):
    house = a_house()
    path = known(house, "theirs")
    good = dict(house.env)
    keys = source.run / "credentials"
    written = keys.stat().st_mtime_ns
    house.env |= {"AWS_ACCESS_KEY_ID": "AKIDOTHER",
                  "AWS_SECRET_ACCESS_KEY": "other"}
    done = house.charref("url", ABSENT)
    assert done.returncode == 1
    assert "the storage refuses our credentials" in done.stderr
    house.env.clear()
    house.env.update(good)
    assert house.status()["storage"] != "denied"
    assert house.http.get(path).status == 200
    assert keys.stat().st_mtime_ns == written
