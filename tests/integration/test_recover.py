"""Odd files among the images keep no worker from starting."""

import contextlib
import os
import shutil
import sqlite3
import threading
import time

import pictures
from model_double import draw
from slowness import SLOWNESS

TOO_BIG = 30 << 20


def test_workers_start_beside_files_that_cannot_be_adopted(new_house):
    house = new_house(start=False)
    house.store.mkdir(parents=True)
    data = pictures.png()
    house.model.gave([data])
    (house.store / "cat.png").write_bytes(data)
    (house.store / "holiday.png").write_bytes(data)
    os.truncate(house.store / "holiday.png", TOO_BIG)
    house.start()
    assert house.http.picture("cat").body == data
    house.http.picture("holiday").must_fail(404, "NotFound")
    assert "holiday" in {line["image_id"] for line in house.log_lines()
                         if line["event"] == "image not adopted"}
    assert (house.store / "holiday.png").stat().st_size == TOO_BIG


@contextlib.contextmanager
def locked(house):
    """Another program has the catalogue to itself meanwhile."""
    db = sqlite3.connect(house.root / "catalogue.db", timeout=5 * SLOWNESS,
                         isolation_level=None, check_same_thread=False)
    with contextlib.closing(db):
        db.execute("BEGIN EXCLUSIVE")
        yield db


def test_nothing_is_paid_while_the_catalogue_cannot_be_written(new_house):
    house = new_house()
    with locked(house):
        house.http.generate(num_images=1, deadline=20.0).must_fail(
            500, "InternalError")
    assert house.model.connections == 0
    assert house.http.generate(num_images=1).status == 200


def test_a_catalogue_that_is_busy_after_paying_is_waited_for(new_house):
    house = new_house()
    house.model.otherwise = draw(delay=1.0)

    def hold():
        time.sleep(0.5)  # the model is drawing
        with locked(house):
            time.sleep(6.5)

    holder = threading.Thread(target=hold)
    holder.start()
    reply = house.http.generate(num_images=1, deadline=30.0)
    holder.join()
    assert reply.status == 200
    assert house.model.paid() == 1
    assert house.http.picture(reply.images()[0]["id"]).status == 200


def test_a_folder_that_was_taken_away_loses_no_paid_image(new_house):
    house = new_house()
    shutil.rmtree(house.root / "mv")
    reply = house.http.generate(num_images=1)
    assert reply.status == 200
    assert house.http.picture(
        reply.images()[0]["id"]).body == reply.pictures()[0]
