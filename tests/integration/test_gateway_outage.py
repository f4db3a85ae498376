"""A real S3 server that dies under load, and comes back."""

import collections
import threading
import time

import pytest

import wire
from house import SLOWNESS, wait_until
from warehouse import key_of


class Load:
    """Clients that generate and look, and keep what went wrong."""

    def __init__(self, house, images: dict[str, bytes]):
        self.house = house
        self.images = dict(images)
        self.known = list(images)
        self.wrong: list[str] = []
        self.counts: collections.Counter = collections.Counter()
        self.slowest = {"GET": 0.0, "POST": 0.0}
        self.enough = threading.Event()
        self.threads = [threading.Thread(target=self._until_enough,
                                         args=(deed,))
                        for deed in (self.make, self.look, self.look)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        for thread in self.threads:
            thread.join(60 * SLOWNESS)

    def _until_enough(self, deed):
        while not self.enough.is_set():
            try:
                deed()
            except (AssertionError, OSError, ValueError) as why:
                self.wrong.append(repr(why)[:500])

    def make(self):
        """A generation, which must go well whatever the cloud does."""
        reply = self.house.http.generate(num_images=2)
        for image, data in zip(reply.images(), reply.pictures()):
            self.images[image["id"]] = data
            self.known.append(image["id"])
            self.counts["url" if image["cloud_url"] else "no url"] += 1
        self._count("POST", reply)

    def look(self):
        """A GET of the picture made last, or of any: it must be there."""
        nth = sum(self.counts.values())
        image_id = self.known[-1 if nth % 2 else nth % len(self.known)]
        reply = self.house.http.picture(image_id)
        self._count("GET", reply)
        assert reply.status == 200, reply
        if reply.headers.get("x-asset-source") == "local":
            assert reply.body == self.images[image_id], image_id
            self.counts["local"] += 1
        else:
            assert reply.json()["storage_backend"] == "s3", reply
            self.counts["s3"] += 1
        time.sleep(0.005)

    def _count(self, method: str, reply: wire.Reply):
        self.counts[f"{method} {reply.status}"] += 1
        self.slowest[method] = max(self.slowest[method], reply.seconds)


@pytest.fixture(name="bucket")
def an_own_bucket(gateway):
    """A bucket that nobody else looks at."""
    return gateway.new_bucket()


def stored(gateway, bucket: str, image_id: str) -> bytes:
    """The bytes of an object, as boto3 reads them."""
    return gateway.client().get_object(
        Bucket=bucket, Key=key_of(image_id))["Body"].read()


def wait_for_counts(load: Load, name: str, more: int = 5):
    """Until so many more of that have been counted."""
    want = load.counts[name] + more
    wait_until(lambda: load.counts[name] >= want or load.wrong,
               f"{want} times {name}", 20.0)
    assert not load.wrong, load.wrong[:3]


def must_survive_outages(house, gateway, bucket: str, outages: int):
    """The gateway is killed under load and comes back, again and again."""
    first = house.http.generate(num_images=2)
    images = {image["id"]: data for image, data in
              zip(first.images(), first.pictures())}
    assert all(image["cloud_url"] for image in first.images())
    with Load(house, images) as load:
        for _ in range(outages):
            wait_for_counts(load, "url")
            wait_for_counts(load, "s3")
            gateway.kill()
            try:
                wait_for_counts(load, "no url")
                wait_for_counts(load, "local", 20)
            finally:
                gateway.revive()
        wait_for_counts(load, "url")
    assert not load.wrong, load.wrong[:3]
    print(dict(load.counts), load.slowest)
    assert {name for name in load.counts if name[:4] in ("GET ", "POST")} \
        == {"GET 200", "POST 200"}
    began = time.monotonic()
    wait_until(lambda: house.status()["waiting"] == 0, "nothing that waits",
               30.0)
    print(f"nothing waits {time.monotonic() - began:.1f} s after the load")
    assert house.status()["failed"] == 0
    for image_id, data in load.images.items():
        assert (house.store / f"{image_id}.png").read_bytes() == data
        assert stored(gateway, bucket, image_id) == data, image_id


def test_what_a_real_gateway_has_is_what_was_uploaded(
        gateway, bucket, new_house):
    """Its kind, its caching and its digest, as boto3 is told them."""
    house = new_house(cloud=gateway, STORAGE_BUCKET=bucket)
    image, = house.http.generate(num_images=1).images()
    said = gateway.client().head_object(Bucket=bucket,
                                        Key=key_of(image["id"]))
    assert said["ContentType"] == "image/png"
    assert said["CacheControl"] == "private, max-age=31536000, immutable"
    (digest,), = house.rows("SELECT sha256 FROM images")
    assert said["Metadata"] == {"sha256": digest}


def test_reindex_reads_a_real_bucket(gateway, bucket, new_house):
    house = new_house(cloud=gateway, STORAGE_BUCKET=bucket)
    made = house.http.generate(num_images=3).images()
    for path in house.root.glob("catalogue*"):
        path.rename(path.with_name("lost-" + path.name))
    done = house.charref("reindex")
    assert done.returncode == 0, done.stderr
    assert "discovered  3 " in done.stdout, done.stdout
    assert house.rows("SELECT count(*) FROM objects WHERE state = 'done'") \
        == [(len(made),)]


def test_a_gateway_killed_under_load_costs_no_request_and_no_image(
        gateway, bucket, new_house):
    house = new_house(cloud=gateway, STORAGE_BUCKET=bucket)
    must_survive_outages(house, gateway, bucket, 1)


@pytest.mark.soak
def test_a_gateway_killed_again_and_again_costs_no_request_and_no_image(
        gateway, bucket, new_house):
    house = new_house(cloud=gateway, STORAGE_BUCKET=bucket)
    must_survive_outages(house, gateway, bucket, 15)
