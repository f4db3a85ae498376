"""The requirement's usage examples, as they are written there.

Through the real web server, real workers and a real S3 server; what the
requirement calls in Python is the command of the same name.
"""

import json
import os
import re
import subprocess
import urllib.parse

import pytest

import house as houses
import pictures
from house import need_tool, wait_until
from wire import GENERATE, GET

ROBOT = {"character_description":
         "A silver metallic humanoid robot with red shield",
         "num_images": 4, "aspect_ratio": "1:1"}


@pytest.fixture(scope="module")
def shared_site(gateway):
    """An installation with a bucket of its own in the real S3 server."""
    with houses.a_house(cloud=gateway, STORAGE_BACKEND="s3",
                        STORAGE_BUCKET=gateway.new_bucket()) as one:
        yield one


@pytest.fixture
def site(shared_site):
    """The same; every test finds the house standing and leaves it so."""
    yield shared_site
    shared_site.inspect()


@pytest.fixture
def client(gateway):
    """Somebody else's opinion of the bucket."""
    return gateway.client()


def curl(site, *arguments: str) -> bytes:
    """The documented command with this site's port."""
    done = subprocess.run(
        [need_tool("curl"), "-sS", "--max-time", "30",
         *(a.replace("localhost:8000", f"localhost:{site.http.port}")
           for a in arguments)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def stored(site, client, key: str) -> bytes:
    """An object as another S3 client reads it."""
    got = client.get_object(Bucket=site.env["STORAGE_BUCKET"], Key=key)
    return got["Body"].read()


def image_file(site, name: str) -> tuple[str, bytes]:
    """An image of the pipeline's own: path and bytes."""
    data = pictures.big_png(300)
    path = site.folder / name
    path.write_bytes(data)
    return str(path), data


def persist(site, image_id: str, *more: str) -> bytes:
    """Makes and persists an image: its bytes."""
    path, data = image_file(site, f"{image_id}.file")
    done = site.charref("persist", image_id, path, *more)
    assert done.returncode == 0, done.stderr
    return data


# ------------------------------------------------- 1. generate, with clouds


def test_generated_images_have_cloud_urls(site, client):
    reply = site.http.post(ROBOT, GENERATE)
    data = reply.json()
    assert len(data["images"]) == 4
    for image, picture in zip(data["images"], reply.pictures(), strict=True):
        key = f"character_references/{image['id']}.png"
        assert image["path"] == f"mv/outputs/character_reference/" \
            f"{image['id']}.png"
        assert image["cloud_url"].startswith("http")
        assert curl(site, image["cloud_url"]) == picture
        assert stored(site, client, key) == picture
        assert (site.root / image["path"]).read_bytes() == picture


# ------------------------------------------------------- 2. persist an image


def test_a_standalone_image_is_persisted(site, client):
    path, data = image_file(site, "image-2.png")
    done = site.charref("persist", "abc-2", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert curl(site, done.stdout.strip()) == data
    assert stored(site, client, "character_references/abc-2.png") == data


def test_an_image_is_persisted_as_part_of_a_job(site, client):
    path, data = image_file(site, "image-3.png")
    done = site.charref("persist", "abc-3", path, "--job", "job-456")
    assert (done.returncode, done.stderr) == (0, "")
    assert curl(site, done.stdout.strip()) == data
    assert stored(site, client, "videos/job-456/intermediate/"
                  "character_reference/abc-3.png") == data


def test_a_missing_file_is_file_not_found(site):
    done = site.charref("persist", "abc", "/nonexistent/image.png")
    assert done.returncode == 3
    assert done.stderr == "charref: file not found: /nonexistent/image.png\n"


def test_persisting_over_http_is_the_same(site, client):
    data = persist(site, "abc-4")
    said = json.loads(curl(
        site, "-X", "POST", "-H", "Content-Type: application/json", "-d",
        '{"image_id": "abc-4", "job_id": "job-456"}',
        "http://localhost:8000/api/mv/persist_character_reference"))
    assert said["cloud_path"] == "videos/job-456/intermediate/" \
        "character_reference/abc-4.png"
    assert stored(site, client, said["cloud_path"]) == data
    assert curl(site, said["cloud_url"]) == data


# ------------------------------------------------------------- 3. associate


def test_images_are_associated_with_a_job(site, client):
    datas = [persist(site, "abc-123"), persist(site, "def-456")]
    base = site.folder / "video_jobs/job-789"
    done = site.charref("associate", "job-789", "abc-123", "def-456",
                        "--base", str(base))
    assert (done.returncode, done.stderr) == (0, "")
    urls = done.stdout.splitlines()
    assert len(urls) == 2
    for url, image_id, data in zip(urls, ("abc-123", "def-456"), datas,
                                   strict=True):
        assert curl(site, url) == data
        assert stored(site, client, "videos/job-789/intermediate/"
                      f"character_reference/{image_id}.png") == data
        copy = base / "character_reference" / f"{image_id}.png"
        assert copy.read_bytes() == data
        assert copy.stat().st_nlink == 1


def test_associating_over_http_uses_the_folder_of_all_jobs(site):
    data = persist(site, "abc-5")
    said = json.loads(curl(
        site, "-H", "Content-Type: application/json", "-d",
        '{"job_id": "job-790", "image_ids": ["abc-5"]}',
        "http://localhost:8000/api/mv/associate_character_images_with_job"))
    [image] = said["images"]
    assert (said["job_id"], image["image_id"], image["status"]) == (
        "job-790", "abc-5", "copied")
    assert curl(site, image["cloud_url"]) == data
    assert (site.folder / "jobs/job-790/character_reference/abc-5.png") \
        .read_bytes() == data


# --------------------------------------------------------- 4. presigned URL


def test_a_jobs_image_has_a_presigned_url(site):
    data = persist(site, "abc-6", "--job", "job-456")
    done = site.charref("url", "abc-6", "--job", "job-456", "--extension",
                        "png")
    assert (done.returncode, done.stderr) == (0, "")
    assert curl(site, done.stdout.strip()) == data
    said = json.loads(curl(
        site, "http://localhost:8000/api/mv/get_character_reference_url/"
        "abc-6?job_id=job-456&extension=png"))
    assert said["cloud_path"] == "videos/job-456/intermediate/" \
        "character_reference/abc-6.png"
    assert curl(site, said["image_url"]) == data


def test_an_image_that_does_not_exist_has_none(site):
    done = site.charref("url", "nonexistent")
    assert (done.returncode, done.stdout) == (3, "")
    site.http.get("/api/mv/get_character_reference_url/nonexistent") \
        .must_fail(404, "NotFound")


# ------------------------------------------------- 5. retrieve over the API


def test_the_json_is_the_documented_one(site):
    data = persist(site, "abc-7")
    said = json.loads(curl(
        site, "http://localhost:8000/api/mv/get_character_reference/abc-7"))
    url = said.pop("image_url")
    assert said == {"image_id": "abc-7", "storage_backend": "s3",
                    "expires_in_seconds": 3600,
                    "cloud_path": "character_references/abc-7.png"}
    assert urllib.parse.urlsplit(url).path.endswith(
        f"/{site.env['STORAGE_BUCKET']}/character_references/abc-7.png")
    assert "X-Amz-Expires=3600" in url
    assert curl(site, url) == data


def test_redirect_mode_ends_at_the_exact_bytes(site, client):
    data = persist(site, "abc-8")
    url = "http://localhost:8000/api/mv/get_character_reference/abc-8" \
        "?redirect=true"
    assert curl(site, "-L", url) == data
    head = curl(site, "-I", url).decode()
    assert re.match(r"HTTP/1.1 302 ", head), head
    assert re.search(r"(?im)^location: http", head), head
    assert re.search(r"(?im)^HTTP/1.1 200 ", curl(site, "-IL", url).decode())


def test_a_link_that_was_changed_is_refused(site):
    persist(site, "abc-9")
    said = site.http.get(GET + "abc-9").json()["image_url"]
    for changed in (said.replace("abc-9", "abc-8"),
                    said.replace("Expires=3600", "Expires=9600"),
                    said[:-1] + ("0" if said[-1] != "0" else "1")):
        assert curl(site, "-o", os.devnull, "-w", "%{http_code}", changed) \
            == b"403"


# ----------------------------------------------------- storage unavailable


def test_when_the_cloud_fails_it_serves_from_local_storage(new_house,
                                                           gateway):
    """With a bucket that does not exist: the server refuses us."""
    one = new_house(cloud=gateway, STORAGE_BUCKET="charref-no-such-bucket")
    reply = one.http.generate(num_images=1)
    [image], [data] = reply.images(), reply.pictures()
    assert image["cloud_url"] is None
    for query in ("", "?redirect=true"):
        got = one.http.get(GET + image["id"] + query)
        assert (got.status, got.body) == (200, data)
        assert got.headers["x-asset-source"] == "local"
    one.http.post({"image_id": image["id"]},
                  "/api/mv/persist_character_reference") \
        .must_fail(502, "StorageDenied")


def test_what_was_made_while_it_was_down_comes_later(new_house, gateway,
                                                     client):
    """The bucket is made only after the images were."""
    bucket = "charref-later-bucket"
    one = new_house(cloud=gateway, STORAGE_BUCKET=bucket)
    [image] = one.http.generate(num_images=1).images()
    client.create_bucket(Bucket=bucket)
    key = f"character_references/{image['id']}.png"

    def has_come():
        return client.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"]
    wait_until(has_come, "the uploader", 20)
    got = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert got == one.files()[f"{image['id']}.png"]
    wait_until(lambda: one.http.get(GET + image["id"]).headers.get(
        "content-type") == "application/json", "the cloud's answer", 10)
