"""Images without a model: laid on disk and into the catalogue by hand.

For tests of what is done with images that are there, by the hundred and in
any state, which no model has to draw and no worker to record first.
"""

import collections
import contextlib
import hashlib
import sqlite3
import time
import uuid

import pictures
from house import House, wait_until
from slowness import SLOWNESS

ALONE = "character_references/"
LATER_MS = 3600 * 1000
DAY_MS = 24 * LATER_MS
EMPTY: list[bytes] = []  # a catalogue without images, once one was made


def key_of(image_id: str, job: str = "", extension: str = "png") -> str:
    """Where an image's object belongs."""
    folder = f"videos/{job}/intermediate/character_reference/" if job \
        else ALONE
    return f"{folder}{image_id}.{extension}"


def now_ms() -> int:
    """The catalogue's clock."""
    return int(time.time() * 1000)


def a_depot(cloud, **kw) -> House:
    """A house without workers and nginx: folder, catalogue and commands."""
    house = House(cloud=cloud, nginx=False, uploader=False,
                  workers=dict.fromkeys(("fast", "lookup", "slow"), 0), **kw)
    house.start()
    make_catalogue(house)
    return house


def make_catalogue(house: House):
    """An empty one, and the folder of the images.

    The command makes the first; every other is a copy, and costs no process.
    """
    if not EMPTY:
        house.status()
        EMPTY.append((house.root / "catalogue.db").read_bytes())
        return
    house.store.mkdir(parents=True)
    (house.root / "catalogue.db").write_bytes(EMPTY[0])


def change(house: House, sql: str, *values):
    """Changes the catalogue behind everybody's back."""
    with contextlib.closing(sqlite3.connect(house.root / "catalogue.db",
                                            timeout=20 * SLOWNESS)) as db, db:
        db.execute(sql, values)


def add_rows(db, image_id: str, data: bytes, job: str, columns: dict):
    """The two rows of an image that waits, or is as the columns say."""
    now = now_ms()
    db.execute(
        "INSERT INTO images VALUES (?, 'png', 'image/png', ?, ?, 16, 16, ?,"
        " 'prompt', 'model', NULL, 'by-hand') ON CONFLICT DO NOTHING",
        (image_id, len(data), hashlib.sha256(data).hexdigest(), now))
    row = {"image_id": image_id, "job_id": job,
           "key": key_of(image_id, job), "state": "waiting"} | columns
    db.execute(f"INSERT INTO objects ({', '.join(row)}) VALUES "
               f"({', '.join('?' * len(row))})", tuple(row.values()))


def stock(house: House, n: int, make=pictures.png, job: str = "",
          **columns) -> dict[str, bytes]:
    """So many new images, each with its file and an object: bytes by id."""
    made = {str(uuid.uuid4()): make() for _ in range(n)}
    with contextlib.closing(sqlite3.connect(house.root / "catalogue.db",
                                            timeout=20 * SLOWNESS)) as db, db:
        for image_id, data in made.items():
            (house.store / f"{image_id}.png").write_bytes(data)
            add_rows(db, image_id, data, job, columns)
    return made


def store_in(double, images: dict[str, bytes]):
    """Puts images into the bucket as the service would have."""
    for image_id, data in images.items():
        double.put(key_of(image_id), data).metadata["sha256"] = \
            hashlib.sha256(data).hexdigest()


def make_due(house: House):
    """Lets the time pass after which what waits is tried again."""
    change(house, "UPDATE objects SET next_attempt_at = 0"
           " WHERE state = 'waiting'")


def states(house: House) -> collections.Counter:
    """How many objects are in which state."""
    return collections.Counter(
        state for state, in house.rows("SELECT state FROM objects"))


def state_of(house: House, image_id: str, job: str = "") -> tuple:
    """(state, attempts, last_error) of one object."""
    return house.rows("SELECT state, attempts, last_error FROM objects"
                      " WHERE image_id = ? AND job_id = ?", image_id, job)[0]


def wait_done(house: House, deadline: float = 15.0):
    """Returns once all objects are in the bucket, as the catalogue has it."""
    try:
        wait_until(lambda: set(states(house)) <= {"done"}, "all done",
                   deadline)
    except AssertionError as why:
        raise AssertionError((states(house), house.rows(
            "SELECT image_id, state, attempts, last_error FROM objects"
            " WHERE state <> 'done' LIMIT 5"))) from why


def must_hold(double, images: dict[str, bytes], job: str = ""):
    """The bucket has exactly these bytes, and their digests."""
    for image_id, data in images.items():
        stored = double.objects[key_of(image_id, job)]
        assert stored.data == data, image_id
        assert stored.metadata["sha256"] == hashlib.sha256(data).hexdigest()


def puts(double) -> collections.Counter:
    """How many PUTs of each key were done."""
    return collections.Counter(one.key for one in double.asked("PUT")
                               if one.done)
