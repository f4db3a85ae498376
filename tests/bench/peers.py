"""The same redirects from FastAPI, uvicorn and boto3, as people write them.

Two processes, asked directly: no nginx stands in between, which is in their
favour.  The existence check is one HEAD to a real S3 server.
"""

import contextlib
import importlib.util
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

import getting
import house as houses
import load
import premises
from figure import absent, by_turns, ratios, row
from gateway import REGION

PROCESSES = 2
IMAGE = "bench"
READY_S = 30.0
NAMES = {"signed": "GET redirect: ours / FastAPI and boto3",
         "checked": "GET redirect: ours / the same with a HEAD"}


def is_installed():
    """All of its three parts."""
    return all(importlib.util.find_spec(name)
               for name in ("fastapi", "uvicorn", "boto3"))


def answers(port):
    """Does it say anything yet?"""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextlib.contextmanager
def a_peer(cloud):
    """The port that it answers on."""
    cloud.client().put_object(
        Bucket=cloud.bucket, Body=b"bench",
        Key=f"character_references/{IMAGE}.png")
    port = houses.free_port()
    env = os.environ | {
        "BUCKET": cloud.bucket, "ENDPOINT": cloud.url,
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key,
        "AWS_DEFAULT_REGION": REGION, "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "peer:app", "--workers",
             str(PROCESSES), "--port", str(port), "--log-level", "error",
             "--no-access-log"], env=env,
            cwd=pathlib.Path(__file__).parent) as process:
        try:
            houses.wait_until(lambda: answers(port), "uvicorn", READY_S)
            yield port
        finally:
            process.terminate()


def measure(folder, port, verb):
    """A function for by_turns: requests a second."""
    path = folder / verb
    path.write_text(f"/{verb}/{IMAGE}\n")
    return lambda: load.ask(port, path).a_second


def figures(gateway):
    """Rows for the table: printed, without a limit."""
    if not is_installed():
        return [absent(name, "fastapi, uvicorn or boto3")
                for name in NAMES.values()]
    home = premises.House(cloud=gateway, uploader=False)
    with premises.started(home), a_peer(gateway) as port:
        paths = premises.write_paths(home, "redirect", premises.stock(home),
                                     getting.REDIRECT)
        seen = {}
        got = by_turns({
            "ours": getting.measure(home, paths, seen, "ours"),
            "signed": measure(home.folder, port, "signed"),
            "checked": measure(home.folder, port, "checked")},
            slices=load.SLICES)
    return [row(name, ratios(got["ours"], got[verb]),
                f"{getting.middle(got['ours']):,.0f} and "
                f"{getting.middle(got[verb]):,.0f} a second")
            for verb, name in NAMES.items()]
