"""A real S3 server: one node of Ceph with its gateway, from deploy/s3-server.

Its objects are in memory, its folder is in /tmp, its ports are its own.  A
keeper, which is a shell at the other end of a pipe, starts it and waits: when
the pipe is closed, however this process ends, the keeper stops the server.
"""

import contextlib
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import uuid

from house import PROJECT, SLOWNESS, missing, processes_about

SERVER = str(PROJECT / "deploy/s3-server")
REGION = "us-east-1"
BUCKET = "charref-test"
COMMAND_SECONDS = 120
STARTS = 3

# Started with the verb's words; gone when its standard input ends.
KEEPER = """
server=$1 dir=$2
trap '' INT TERM HUP
"$server" start "$dir" 0 "$3" && read -r _
"$server" stop "$dir"
rm -rf -- "$dir"
"""


class Gateway:
    """One server.  `url`, the keys and `bucket` are there once it runs."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cr-", dir="/tmp"))
        self.bucket = BUCKET
        self.url = self.access_key = self.secret_key = ""
        self.port = 0
        self.keeper: subprocess.Popen | None = None

    def start(self) -> "Gateway":
        """Starts the server, again when a port was taken meanwhile."""
        said = ""
        for _ in range(STARTS):
            said = self._start_once()
            if not said:
                return self
            if "not installed" in said:
                missing(said)
        raise AssertionError(said)

    def _start_once(self) -> str:
        """Waits until it has its bucket: what it said if it has not."""
        self.folder.mkdir(exist_ok=True)
        self.keeper = subprocess.Popen(
            ["/bin/bash", "-c", KEEPER, "keeper", SERVER, str(self.folder),
             BUCKET], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True)
        said = ""
        for line in self.keeper.stdout:
            said += line
            if " ready at " in line:
                self._read_env()
                return ""
        self.stop()
        return said or "it said nothing"

    def _read_env(self):
        words = dict(shlex.split(line)[0].split("=", 1) for line in
                     (self.folder / "env").read_text().splitlines())
        self.url = words["AWS_ENDPOINT_URL_S3"]
        self.port = int(self.url.rpartition(":")[2])
        self.access_key = words["AWS_ACCESS_KEY_ID"]
        self.secret_key = words["AWS_SECRET_ACCESS_KEY"]

    def settings(self, bucket: str = "") -> dict[str, str]:
        """What our programs want to be told to use it."""
        return {"SERVE_FROM_CLOUD": "true", "STORAGE_BACKEND": "s3",
                "STORAGE_BUCKET": bucket or self.bucket,
                "AWS_ENDPOINT_URL_S3": self.url, "AWS_REGION": REGION,
                "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key}

    def stop(self):
        """Stops everything, asks whether it is gone, removes the folder."""
        if self.keeper is not None:
            said, _ = self.keeper.communicate(timeout=COMMAND_SECONDS)
            self.keeper = None
            left = processes_about(self.folder)
            assert not left, (left, said)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self):
        """SIGKILL to the gateway alone: its port refuses, data stay."""
        self._command("kill-gateway")

    def revive(self):
        """Brings the gateway back, on its port, and waits for it."""
        self._command("start-gateway")

    def _command(self, verb: str):
        done = subprocess.run(
            [SERVER, verb, str(self.folder)], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=COMMAND_SECONDS, check=False)
        assert done.returncode == 0, done.stderr

    def client(self):
        """A boto3 client: an opinion on S3 that is not ours."""
        return client(self.url, self.access_key, self.secret_key)

    def new_bucket(self) -> str:
        """Makes an empty bucket of one's own: its name."""
        name = f"{BUCKET}-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def story(self) -> str:
        """The end of the gateway's log, for a failed test's report."""
        with contextlib.suppress(OSError):
            text = (self.folder / "log/client.rgw.log").read_text()
            return "\n".join(line[:400] for line in text.splitlines()[-8:])
        return ""


def client(url: str, access_key: str, secret_key: str):
    """A boto3 client that neither retries nor waits for long."""
    try:
        import boto3
        import botocore.config
    except ImportError:
        missing("python3-boto3 is not installed")
    return boto3.client(
        "s3", endpoint_url=url, region_name=REGION,
        aws_access_key_id=access_key, aws_secret_access_key=secret_key,
        aws_session_token=None, config=botocore.config.Config(
            signature_version="s3v4", s3={"addressing_style": "path"},
            connect_timeout=5, read_timeout=30 * SLOWNESS,
            retries={"max_attempts": 0}))
