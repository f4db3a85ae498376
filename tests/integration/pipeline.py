"""Hosts that work on one job in turns, and what must hold after each step.

A model of the rule that an edited copy is never lost: what the bucket has of
the job's image changes only by persist-job, an edited copy is never followed
by the image as it was made, and every answer is true of the bucket.
"""

import contextlib
import itertools
import json
import pathlib
import random
import subprocess
import uuid

import pictures
from house import BUILD, missing
from s3_double import S3Double
from warehouse import a_depot, key_of, stock

COMMANDS = BUILD / "tools/commands"
FOLDER = "character_reference"
FORCE_WORDS = "--force"


class Shelf:
    """What a bucket holds, by key: bytes or None."""

    def __init__(self, get):
        self.get = get


def shelf_of_double(double) -> Shelf:
    """The double's bucket."""
    def get(key: str) -> bytes | None:
        found = double.objects.get(key)
        return found and found.data
    return Shelf(get)


def shelf_of_gateway(gateway, bucket: str) -> Shelf:
    """A real one, as boto3 sees it."""
    client = gateway.client()

    def get(key: str) -> bytes | None:
        try:
            return client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except client.exceptions.NoSuchKey:
            return None
    return Shelf(get)


class Host:
    """A machine with a catalogue, a store and a folder of jobs."""

    def __init__(self, cloud, shelf: Shelf, **settings):
        self.house = a_depot(cloud, **settings)
        self.shelf = shelf
        if not COMMANDS.exists():
            missing("tools/commands is missing: make F=... units")
        self.commands = subprocess.Popen(
            [str(COMMANDS)], env=self.house.env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)

    def say(self, *words: str) -> tuple[int, str]:
        """A command: its exit code and what it printed."""
        self.commands.stdin.write(" ".join(words) + "\n")
        self.commands.stdin.flush()
        said = ""
        while not (line := self.commands.stdout.readline()).startswith("= "):
            assert line, f"it died of {words}"
            said += line
        return int(line[2:]), said

    def run(self, *words: str) -> tuple[int, dict]:
        """A command that has a document."""
        code, said = self.say(*words, "--json")
        return code, json.loads(said)

    def end(self):
        """Everything, and what the house asks at its end."""
        with self.commands:
            self.commands.stdin.close()
        assert self.commands.returncode == 0
        self.house.end()


@contextlib.contextmanager
def two_hosts():
    """A double and two hosts that use it."""
    double = S3Double()
    both = [Host(double, shelf_of_double(double)) for _ in range(2)]
    try:
        yield double, both
    finally:
        for one in both:
            one.end()
        double.close()


def hosts_of_double(conditions: str):
    """Two hosts with a bucket of that character, for a fixture."""
    with two_hosts() as (double, both):
        double.conditions = conditions
        yield both
        assert not double.complaints, double.complaints


class Story:
    """One image, one job and its hosts."""

    def __init__(self, hosts: list[Host], make=pictures.png):
        self.hosts = hosts
        self.job = "job-" + uuid.uuid4().hex[:12]
        [(self.id, self.original)] = stock(hosts[0].house, 1, make).items()
        self.key = key_of(self.id, self.job)
        self.persisted: set[bytes] = set()  # edited copies
        self.told: list[str] = []

    def folder(self, host: Host) -> pathlib.Path:
        return host.house.folder / "jobs" / self.job

    def file(self, host: Host) -> pathlib.Path:
        return self.folder(host) / FOLDER / f"{self.id}.png"

    def here(self, host: Host) -> bytes | None:
        path = self.file(host)
        return path.read_bytes() if path.exists() else None

    def there(self) -> bytes | None:
        return self.hosts[0].shelf.get(self.key)

    # -- steps

    def persist_alone(self, host: Host):
        """The image alone is in the bucket, where its host made it."""
        if host is self.hosts[0]:
            code, _ = host.run("persist", self.id)
            assert code == 0

    def persist(self, host: Host):
        """persist_character_reference with the job."""
        before = self.there()
        code, said = host.run("persist", self.id, "--job", self.job)
        assert code in (0, 3), said  # 3: this host does not know the image
        assert self.there() is not None or code
        if code == 0:
            assert said["cloud_path"] == self.key and said["cloud_url"]
            assert (said["status"] == "kept") == (
                self.there() != self.original and self.can_tell(host)), said
        assert before in (None, self.there())

    def associate(self, host: Host):
        """Copies and answers; an edited copy anywhere stays."""
        before, had = self.there(), self.here(host)
        code, said = host.run("associate", self.job, self.id)
        if code == 3:  # known nowhere but on the first host
            assert host is not self.hosts[0], said
            return
        assert code == 0, said
        [one] = said["images"]
        now = self.there()
        assert before in (None, now)
        assert (one["status"] == "kept") == (
            now != self.original and self.can_tell(host)), one
        assert one["status"] in ("kept", "copied", "uploaded"), one
        assert one["cloud_path"] == self.key and one["cloud_url"], one
        assert "error" not in one, one
        assert self.here(host) == (now if had is None else had)

    def can_tell(self, host: Host) -> bool:
        """Is the image as it was made known here, or in the bucket alone?"""
        return bool(host.house.rows(
            "SELECT 1 FROM images WHERE id = ? AND sha256 <> \'\'", self.id)
            or host.shelf.get(key_of(self.id)))

    def edit(self, host: Host):
        """The pipeline works on its copy."""
        if self.here(host) is not None:
            self.file(host).write_bytes(
                self.original + b"edited " + uuid.uuid4().bytes)

    def drop(self, host: Host):
        """The pipeline removes its copy."""
        self.file(host).unlink(missing_ok=True)

    def push(self, host: Host):
        """persist-job: replaces, or tells the file by name."""
        before, here = self.there(), self.here(host)
        self.folder(host).mkdir(parents=True, exist_ok=True)
        code, said = host.run("persist-job", self.job,
                              str(self.folder(host)))
        told = {one["path"]: one["message"] for one in said["troubles"]}
        now = self.there()
        if here is None:
            assert code == 0 and now == (
                before if before is not None else
                self.original if self.knows(host) else None), said
        elif code == 0:
            assert now == here and not told, said
            if here != self.original:
                self.persisted.add(here)
        else:
            assert here == self.original and now == before, said
            assert now in self.persisted, said
            assert FORCE_WORDS in told[f"{FOLDER}/{self.id}.png"], told

    def knows(self, host: Host) -> bool:
        """Would the job take the image from this host's store?"""
        return bool(host.house.rows(
            "SELECT 1 FROM objects WHERE image_id = ? AND job_id = ?",
            self.id, self.job)) and \
            (host.house.store / f"{self.id}.png").exists()

    def pull(self, host: Host):
        """download-job: what the bucket has is what the folder has."""
        before = self.there()
        code, said = host.run("download-job", self.job,
                              str(self.folder(host)))
        assert code in (0, 3), said
        assert self.there() == before
        if code == 0 and before is not None:
            assert self.here(host) == before

    def reindex(self, host: Host):
        """The catalogue is put right; an edited copy is no conflict."""
        before = self.there()
        code, said = host.say("reindex")
        assert code == 0 and "conflicts   0 " in said, said
        assert self.there() == before

    STEPS = ("persist_alone", "persist", "associate", "edit", "push", "pull",
             "reindex", "drop")

    def step(self, name: str, which: int):
        """One step, and what holds after every one."""
        self.told.append(f"{name} {which}")
        edited = self.there() in self.persisted
        try:
            getattr(self, name)(self.hosts[which])
            assert not edited or self.there() in self.persisted
            for host in self.hosts:
                assert not host.house.rows(
                    "SELECT last_error FROM objects WHERE image_id = ?"
                    " AND state = 'failed'", self.id)
        except AssertionError as why:
            raise AssertionError(f"after {self.told}: {why}") from why

    def end(self):
        """What every story ends with: the edited copy, everywhere."""
        if not self.persisted:
            return
        for which in range(len(self.hosts)):
            for name in ("associate", "pull", "push"):
                self.step(name, which)
            assert self.here(self.hosts[which]) == self.there()
        assert self.there() in self.persisted


WHOLE_LIFE = [("associate", 0), ("edit", 0), ("push", 0), ("pull", 1),
              ("associate", 1), ("push", 1), ("associate", 0), ("push", 0)]


def play(story: Story, steps):
    """A whole story."""
    for name, which in steps:
        story.step(name, which)
    story.end()


CHOICES = list(itertools.product(("persist", "associate", "push", "pull"),
                                 (0, 1)))
EDITED = [("associate", 0), ("edit", 0), ("push", 0)]


def orders_after_an_edit(first: tuple[str, int]):
    """Every order of two steps that begins so, the edited copy being in the
    bucket, and the image alone in every other story."""
    for n, second in enumerate(CHOICES):
        yield [("persist_alone", 0)] * (n % 2) + [*EDITED, first, second]


def some_order(seed: int, length: int):
    """A random order of all kinds of steps."""
    chance = random.Random(seed)
    return [(chance.choice(Story.STEPS), chance.randrange(2))
            for _ in range(length)]
