"""The life of an edited copy over HTTP, on two installations that share a
bucket.
"""

import pytest

from house import a_house, wait_until
from s3_double import S3Double, fetch
from warehouse import change, key_of, state_of

JOB = "job-789"
ASSOCIATE = "/api/mv/associate_character_images_with_job"
EDITED = b"what the pipeline has made of it"


@pytest.fixture(scope="module")
def pair():
    """Two whole installations."""
    double = S3Double()
    try:
        with a_house(cloud=double) as one, a_house(cloud=double) as other:
            yield one, other
            assert not double.complaints, double.complaints
    finally:
        double.close()


def run(house, what: str, **body) -> dict:
    """An operation, to its end."""
    got = house.http.post({"job_id": JOB} | body, f"/api/mv/{what}_job_assets")
    assert got.status == 202, got.body
    return wait_until(
        lambda: (seen := house.http.get(got.json()["status_url"]).json())
        ["state"] in ("done", "failed") and seen, "the end of an operation",
        30.0)


def associate(house, image_id: str) -> dict:
    got = house.http.post({"job_id": JOB, "image_ids": [image_id]}, ASSOCIATE)
    assert got.status == 200, got.body
    return got.json()["images"][0]


def copy_in(house, image_id: str):
    return house.folder / "jobs" / JOB / "character_reference" / \
        f"{image_id}.png"


def test_a_whole_life_over_http(pair):
    one, other = pair
    got = one.http.generate(num_images=1)
    [image_id] = [image["id"] for image in got.images()]
    [original] = got.pictures()
    assert associate(one, image_id)["status"] in ("copied", "uploaded")
    copy_in(one, image_id).write_bytes(EDITED)
    assert run(one, "persist")["state"] == "done"
    key = key_of(image_id, JOB)
    for house in pair:
        if house is other:
            assert run(house, "download")["state"] == "done"
        assert copy_in(house, image_id).read_bytes() == EDITED
        said = associate(house, image_id)
        assert said["status"] == "kept" and said["cloud_path"] == key, said
        assert list(said) == ["image_id", "status", "cloud_url", "cloud_path"]
        assert fetch(said["cloud_url"]).body == EDITED
        over = run(house, "persist")
        assert over["state"] == "done" and over["result"]["sent"] == 0, over
        got = house.http.post({"image_id": image_id, "job_id": JOB},
                              "/api/mv/persist_character_reference")
        assert fetch(got.json()["cloud_url"]).body == EDITED
        got = house.http.get(f"/api/mv/get_character_reference/{image_id}"
                             f"?job_id={JOB}")
        assert fetch(got.json()["image_url"]).body == EDITED
        must_be_done(house, image_id)
    must_not_be_doubted(one, image_id)
    must_be_forced(other, image_id, original)


def must_be_done(house, image_id: str):
    """The catalogue has nothing against it."""
    state, _, error = state_of(house, image_id, JOB)
    assert (state, error) == ("done", "")


def must_not_be_doubted(house, image_id: str):
    """The proof of long ago is made again: the copy is as it should be."""
    change(house, "UPDATE objects SET verified_at = 1 WHERE job_id = ?", JOB)
    wait_until(lambda: house.rows(
        "SELECT 1 FROM objects WHERE job_id = ? AND verified_at > 1"
        " AND state = 'done'", JOB), "a proof", 90.0)
    must_be_done(house, image_id)


def must_be_forced(house, image_id: str, original: bytes):
    """The image as it was made replaces what the folder never had."""
    copy_in(house, image_id).write_bytes(original)
    change(house, "DELETE FROM job_files")
    over = run(house, "persist")
    assert over["state"] == "failed", over
    [told] = over["result"]["troubles"]
    assert told["path"] == f"character_reference/{image_id}.png"
    assert '"force": true' in told["message"], told
    assert house.cloud.objects[key_of(image_id, JOB)].data == EDITED
    over = run(house, "persist", force=True)
    assert over["state"] == "done" and over["result"]["sent"] == 1, over
    assert house.cloud.objects[key_of(image_id, JOB)].data == original


@pytest.mark.parametrize("force", ["true", 1, [], {}])
def test_force_is_true_or_false(pair, force):
    pair[0].http.post({"job_id": JOB, "force": force},
                      "/api/mv/persist_job_assets").must_fail(
        400, "ValidationError", "force")


def test_force_may_be_null(pair):
    assert run(pair[1], "persist", force=None)["state"] in ("done", "failed")
