"""200 images to a real S3 server: our uploader beside curl, aws and rclone.

All have the files in the page cache, start as a process of their own, and
are timed from that start: ours, a daemon, to the moment when the catalogue
has its last object as done, the others to their end.  Each run has a bucket
of its own, which then must hold every object.
"""

import contextlib
import hashlib
import pathlib
import sqlite3
import statistics
import tempfile
import time
import uuid

import botocore.auth
import botocore.awsrequest
import botocore.credentials

import house as houses
import pictures
from figure import (absent, by_turns, installed, ratios, row, seconds_of,
                    status_kib)
from gateway import REGION

IMAGES = 200
PARALLEL = 16
SIDE = 720  # of a picture: 1.5 MB
PICTURES = 8  # different ones; each file has pages of its own all the same
PREFIX = "character_references"
LIMITS = {"curl": 1.1, "aws": 1.0, "rclone": 1.0}
WORDS = {"curl": "curl -Z", "aws": "aws s3 cp",
         "rclone": "rclone --transfers 16"}
DEADLINE_S = 60.0
LOOK_S = 0.005


class Field:
    """The images, where they go, and who brings them there."""

    def __init__(self, home, gateway, folder):
        self.home, self.gateway, self.folder = home, gateway, folder
        self.peaks = []  # MB of our two processes together, a run
        self.digests = {}
        self.keys = botocore.credentials.Credentials(
            gateway.access_key, gateway.secret_key)
        self.peers = {
            "PATH": "/usr/bin:/bin", "HOME": str(folder),
            "AWS_ACCESS_KEY_ID": gateway.access_key,
            "AWS_SECRET_ACCESS_KEY": gateway.secret_key,
            "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
            "RCLONE_CONFIG_THERE_TYPE": "s3",
            "RCLONE_CONFIG_THERE_PROVIDER": "Ceph",
            "RCLONE_CONFIG_THERE_ENV_AUTH": "true",
            "RCLONE_CONFIG_THERE_REGION": REGION,
            "RCLONE_CONFIG_THERE_ENDPOINT": gateway.url}

    def make_images(self):
        """Files in the store, and by `charref reindex` rows that wait."""
        made = [pictures.big_png(SIDE) for _ in range(PICTURES)]
        self.home.store.mkdir(parents=True)
        for n in range(IMAGES):
            name, data = f"{uuid.uuid4()}.png", made[n % PICTURES]
            (self.home.store / name).write_bytes(data)
            self.digests[name] = hashlib.sha256(data).hexdigest()
        done = self.home.charref("reindex")
        assert done.returncode == 0, done.stderr
        assert self.home.rows("SELECT count(*) FROM objects WHERE state ="
                              " 'waiting'") == [(IMAGES,)]

    def _queue_all(self):
        path = self.home.root / "catalogue.db"
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE objects SET state = 'waiting', attempts = 0,"
                       " next_attempt_at = 0, verified_at = NULL")

    def _wait_for_all(self):
        end = time.monotonic() + DEADLINE_S
        path = self.home.root / "catalogue.db"
        with contextlib.closing(sqlite3.connect(path, timeout=5)) as db:
            while db.execute("SELECT count(*) FROM objects WHERE state ="
                             " 'done'").fetchone()[0] < IMAGES:
                assert time.monotonic() < end, self.home.story()
                time.sleep(LOOK_S)

    def ours(self, bucket):
        """`charref uploader`, with every image waiting."""
        self._queue_all()
        uploader = houses.Uploader(self.home.env | {"STORAGE_BUCKET": bucket})
        started = time.perf_counter()
        uploader.start()
        try:
            self._wait_for_all()
            took = time.perf_counter() - started
            self.peaks.append(self._peak(uploader.process.pid))
        finally:
            code = uploader.end()
        assert code == 0, code
        return took

    @staticmethod
    def _peak(pid):
        both = [pid, *houses.children_of(pid)]
        return sum(status_kib(one, "VmHWM") for one in both) / 1024

    def _signed(self, bucket, name):
        """The lines of curl's configuration for the PUT that we send."""
        url = f"{self.gateway.url}/{bucket}/{PREFIX}/{name}"
        request = botocore.awsrequest.AWSRequest("PUT", url, headers={
            "content-type": "image/png",
            "cache-control": "private, max-age=31536000, immutable",
            "x-amz-meta-sha256": self.digests[name],
            "x-amz-content-sha256": self.digests[name]})
        signer = botocore.auth.S3SigV4Auth(self.keys, "s3", REGION)
        signer.payload = lambda _: self.digests[name]
        signer.add_auth(request)
        return [f'url = "{url}"', "fail", "silent", "show-error", "http1.1",
                f'upload-file = "{self.home.store / name}"',
                'output = "/dev/null"', 'header = "Expect:"',
                *(f'header = "{key}: {value}"'
                  for key, value in request.headers.items())]

    def curl(self, bucket):
        """`curl -Z` of the same files with the same signed headers."""
        path = self.folder / "curl.conf"
        path.write_text("\nnext\n".join(
            "\n".join(self._signed(bucket, name)) for name in self.digests))
        return seconds_of("curl", "-q", "-Z", "--parallel-max", str(PARALLEL),
                          "--no-progress-meter", "-K", str(path))

    def aws(self, bucket):
        """`aws s3 cp --recursive`."""
        return seconds_of("aws", "--endpoint-url", self.gateway.url, "s3",
                          "cp", "--recursive", "--quiet",
                          str(self.home.store), f"s3://{bucket}/{PREFIX}/",
                          env=self.peers)

    def rclone(self, bucket):
        """`rclone copy --transfers 16`."""
        return seconds_of("rclone", "--config", "/dev/null", "copy", "-q",
                          "--transfers", str(PARALLEL), str(self.home.store),
                          f"there:{bucket}/{PREFIX}/", env=self.peers)

    def in_a_new_bucket(self, who):
        """Seconds; the bucket is whole afterwards, and then removed."""
        bucket = self.gateway.new_bucket()
        took = who(bucket)
        client = self.gateway.client()
        found = client.list_objects_v2(Bucket=bucket)["Contents"]
        assert ({one["Key"] for one in found}
                == {f"{PREFIX}/{name}" for name in self.digests})
        client.delete_objects(Bucket=bucket, Delete={
            "Objects": [{"Key": one["Key"]} for one in found], "Quiet": True})
        client.delete_bucket(Bucket=bucket)
        return took


def measure(field):
    """Seconds a run, by name."""
    names = ["ours", *installed(*LIMITS)]
    return by_turns({name: lambda who=getattr(field, name):
                     field.in_a_new_bucket(who) for name in names})


def row_of(name, took):
    """Ours against one of the others."""
    if name not in took:
        return absent(f"upload: ours / {WORDS[name]}", name)
    ours, theirs = (statistics.median(took[one]) for one in ("ours", name))
    return row(f"upload {IMAGES} x 1.5 MB: ours / {WORDS[name]}",
               ratios(took["ours"], took[name]),
               f"ours {ours:.2f} s, {name} {theirs:.2f} s",
               at_most=LIMITS[name])


def figures(gateway):
    """Rows for the table."""
    nobody = {"fast": 0, "lookup": 0, "slow": 0}
    with tempfile.TemporaryDirectory(prefix="cr-") as folder, houses.a_house(
            workers=nobody, nginx=False, cloud=gateway,
            uploader=False) as home:
        field = Field(home, gateway, pathlib.Path(folder))
        field.make_images()
        took = measure(field)
    return [*(row_of(name, took) for name in LIMITS),
            row("upload: MB RSS of uploader and its watcher", field.peaks[1:],
                "peaks, added up", at_most=48)]
