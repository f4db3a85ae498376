"""Odd files among the images keep no worker from starting."""

import os

import pictures

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
