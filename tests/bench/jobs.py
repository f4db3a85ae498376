"""Whole jobs to a real S3 server and back: ours beside curl, rclone and aws.

One job has many files of 1 KiB to 5 MiB, the other a single big one.  All
have what they send in the page cache and nothing of it in any memory of
their own; what they fetch goes to a new folder, on a disk that has nothing
left to write when the clock starts.  Each run is timed from the start of its
process to its end, and must have brought every byte.

Ours does more: it hashes what it sends and what it fetches, and what it has
fetched is on the disk when it ends.
"""

import hashlib
import os
import pathlib
import random
import shutil
import statistics
import tempfile

import botocore.auth
import botocore.awsrequest
import house as houses
import uploading
from figure import absent, by_turns, installed, ratios, row, seconds_of
from gateway import REGION
from uploading import PARALLEL

JOB = "bench"
INSIDE = f"videos/{JOB}/intermediate"
SMALLEST, LARGEST = 1 << 10, 5 << 20
SKEW = 4.5  # most are small: 130 KiB on average
PER_FOLDER = 50
FILES, FILES_FULL = 500, 3000
BIG_MB, BIG_MB_FULL = 256, 1024
RUNS, RUNS_FULL = 3, 5
PEERS = ("rclone", "aws")
NO_BODY = hashlib.sha256().hexdigest()


def write_small(folder, count):
    """So many files in some folders, the same sizes each time."""
    sizes = random.Random(1)
    for n in range(count):
        share = sizes.random() ** SKEW
        size = int(SMALLEST * (LARGEST / SMALLEST) ** share)
        path = folder / f"scenes/{n // PER_FOLDER}/{n}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))


def write_big(folder, megabytes):
    """One file."""
    folder.mkdir(parents=True)
    with open(folder / "video.mp4", "wb") as f:
        for _ in range(megabytes):
            f.write(os.urandom(1 << 20))


def sizes_in(folder):
    """Bytes by path."""
    return {str(path.relative_to(folder)): path.stat().st_size
            for path in folder.rglob("*") if path.is_file()}


def digest_of(path):
    """SHA-256 of a file."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


class Field:
    """One job's folder, and who brings it there and back."""

    def __init__(self, home, gateway, folder, files):
        self.home, self.gateway, self.folder = home, gateway, folder
        self.files = files
        self.sizes = sizes_in(files)
        self.digests = {path: digest_of(files / path) for path in self.sizes}
        others = uploading.Field(home, gateway, folder)
        self.peers, self.keys = others.peers, others.keys
        self.root = folder / "root"
        self.full = gateway.new_bucket()  # what all fetch from
        self.new_root()
        self.ours("persist-job", self.full, files)

    # -- ours

    def environment(self, bucket):
        """Of our command, for that bucket."""
        return self.home.env | {"STORAGE_BUCKET": bucket,
                                "CHARREF_ROOT": str(self.root)}

    def new_root(self):
        """A catalogue that remembers nothing."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()
        seconds_of(houses.program("charref"), "status",
                   env=self.environment(self.full))

    def ours(self, verb, bucket, folder):
        """Seconds of our command."""
        return seconds_of(houses.program("charref"), verb, JOB, str(folder),
                          "--json", env=self.environment(bucket))

    def ours_up(self, bucket):
        """persist-job."""
        return self.ours("persist-job", bucket, self.files)

    def ours_down(self, back):
        """download-job."""
        return self.ours("download-job", self.full, back)

    # -- theirs

    def signed(self, method, bucket, path, more):
        """The lines of curl's configuration for one file."""
        url = f"{self.gateway.url}/{bucket}/{INSIDE}/{path}"
        digest = self.digests[path] if method == "PUT" else NO_BODY
        headers = {"x-amz-content-sha256": digest}
        if method == "PUT":  # as ours says it, for the server to check
            headers["x-amz-meta-sha256"] = digest
        request = botocore.awsrequest.AWSRequest(method, url, headers=headers)
        signer = botocore.auth.S3SigV4Auth(self.keys, "s3", REGION)
        signer.payload = lambda _: digest
        signer.add_auth(request)
        return "\n".join([
            f'url = "{url}"', "fail", "silent", "show-error", "http1.1",
            'header = "Expect:"', *more,
            *(f'header = "{key}: {value}"'
              for key, value in request.headers.items())])

    def curl(self, method, bucket, about):
        """`curl -Z` of all files; about: what else is said of a path."""
        path = self.folder / "curl.conf"
        path.write_text("\nnext\n".join(
            self.signed(method, bucket, one, about(one))
            for one in self.sizes))
        return seconds_of("curl", "-q", "-Z", "--parallel-max", str(PARALLEL),
                          "--no-progress-meter", "-K", str(path))

    def curl_up(self, bucket):
        """PUTs of the same signed digests, which curl is given."""
        return self.curl("PUT", bucket, lambda path: [
            f'upload-file = "{self.files / path}"', 'output = "/dev/null"'])

    def curl_down(self, back):
        """GETs, whose bytes nobody looks at."""
        return self.curl("GET", self.full, lambda path: [
            "create-dirs", f'output = "{back / path}"'])

    def rclone(self, source, target):
        """`rclone copy --transfers 16`."""
        return seconds_of("rclone", "--config", "/dev/null", "copy", "-q",
                          "--transfers", str(PARALLEL), source, target,
                          env=self.peers)

    def rclone_up(self, bucket):
        """To the bucket."""
        return self.rclone(str(self.files), f"there:{bucket}/{INSIDE}/")

    def rclone_down(self, back):
        """From the bucket."""
        return self.rclone(f"there:{self.full}/{INSIDE}/", str(back))

    def aws(self, source, target):
        """`aws s3 sync`."""
        return seconds_of("aws", "--endpoint-url", self.gateway.url, "s3",
                          "sync", "--quiet", source, target, env=self.peers)

    def aws_up(self, bucket):
        """To the bucket."""
        return self.aws(str(self.files), f"s3://{bucket}/{INSIDE}/")

    def aws_down(self, back):
        """From the bucket."""
        return self.aws(f"s3://{self.full}/{INSIDE}/", str(back))

    # -- runs

    def there(self, bucket):
        """Keys and sizes in a bucket."""
        pages = self.gateway.client().get_paginator("list_objects_v2")
        return {one["Key"]: one["Size"]
                for page in pages.paginate(Bucket=bucket)
                for one in page.get("Contents", [])}

    def up(self, who):
        """Seconds to a new bucket, which then has everything."""
        bucket = self.gateway.new_bucket()
        self.new_root()
        os.sync()
        took = who(bucket)
        found = self.there(bucket)
        assert ({path: found.get(f"{INSIDE}/{path}") for path in self.sizes}
                == self.sizes)
        self.remove(bucket)
        return took

    def remove(self, bucket):
        """Empties a bucket and ends it: it is in memory."""
        client = self.gateway.client()
        keys = [{"Key": key} for key in self.there(bucket)]
        for at in range(0, len(keys), 1000):
            client.delete_objects(Bucket=bucket, Delete={
                "Objects": keys[at:at + 1000], "Quiet": True})
        client.delete_bucket(Bucket=bucket)

    def down(self, who):
        """Seconds to a new folder, which then has everything."""
        back = self.folder / "back"
        back.mkdir()
        self.new_root()
        os.sync()
        took = who(back)
        assert sizes_in(back) == self.sizes
        shutil.rmtree(back)
        return took

    def measure(self, runs, again=False):
        """Seconds a run, by way and name; again: of unchanged jobs, too."""
        names = ["ours", *installed(*PEERS)]
        names += ["curl"] * (len(self.sizes) > 1)
        took = {}
        for way in ("up", "down"):
            took[way] = by_turns({
                name: lambda who=getattr(self, f"{name}_{way}"), way=way:
                getattr(self, way)(who) for name in names}, runs)
        if again:
            took |= self.measure_again(runs)
        self.remove(self.full)
        return took

    def measure_again(self, runs):
        """The same when everything is right already."""
        back = self.folder / "same"
        back.mkdir()
        self.new_root()
        self.ours_up(self.full)
        self.ours_down(back)
        os.sync()
        return {f"{way} again": by_turns({
            name: lambda who=getattr(self, f"{name}_{way}"), target=target:
            who(target) for name in ["ours", *installed("rclone")]}, runs)
            for way, target in (("up", self.full), ("down", back))}


def rows_of(what, way, took, limit=1.1):
    """Ours against each of the others."""
    middle = {name: statistics.median(values) for name, values in took.items()}
    return [row(f"job {way}, {what}: ours / {name}",
                ratios(took["ours"], took[name]),
                f"ours {middle['ours']:.2f} s, {name} {middle[name]:.2f} s",
                at_most=limit)
            for name in took if name != "ours"]


def figures(gateway, full=False):
    """Rows for the table; full: as large as real jobs are."""
    count, megabytes, runs = (FILES_FULL, BIG_MB_FULL, RUNS_FULL) if full \
        else (FILES, BIG_MB, RUNS)
    nobody = {"fast": 0, "lookup": 0, "slow": 0}
    rows = [absent(f"jobs: ours / {name}", name)
            for name in PEERS if not installed(name)]
    with tempfile.TemporaryDirectory(prefix="cr-") as folder, houses.a_house(
            workers=nobody, nginx=False, cloud=gateway,
            uploader=False) as home:
        at = pathlib.Path(folder)
        for what, write, size in ((f"{count} files", write_small, count),
                                  (f"{megabytes} MiB", write_big, megabytes)):
            files = at / "files"
            write(files, size)
            many = write is write_small
            took = Field(home, gateway, at, files).measure(runs, again=many)
            shutil.rmtree(files)
            for way, values in took.items():
                rows += rows_of(what, way, values,
                                1.0 if "again" in way else 1.1)
    return rows
