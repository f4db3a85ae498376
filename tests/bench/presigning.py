"""What a presigned URL costs, beside bare SHA-256 and beside boto3."""

import json
import statistics
import subprocess
import tempfile
import time

import gateway as gateways
from figure import by_turns, row
from house import program

CALLS = 300
KEY = "character_references/3f2504e0-4f89-41d3-9a0c-0305e82c3301.png"


def ours(folder):
    """What tests/tools/presign_speed.c says."""
    done = subprocess.run([program("tools/presign_speed"), folder],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def boto3_ns(client):
    """Nanoseconds of one URL of the same length."""
    begun = time.perf_counter_ns()
    for _ in range(CALLS):
        client.generate_presigned_url(
            "get_object", Params={"Bucket": "bucket", "Key": KEY},
            ExpiresIn=3600)
    return (time.perf_counter_ns() - begun) / CALLS


def figures():
    """Rows for the table."""
    client = gateways.client("https://s3.eu-central-1.amazonaws.com",
                             "AKIAIOSFODNN7EXAMPLE", "k" * 40)
    with tempfile.TemporaryDirectory(prefix="cr-") as folder:
        took = by_turns({"ours": lambda: ours(folder),
                         "boto3": lambda: boto3_ns(client)})
    rows = []
    for name, who in (("sigv4_presign", "by the signer"),
                      ("s3_presign", "by the service")):
        mine = [one[name] for one in took["ours"]]
        rows.append(row(f"presign {who} / bare SHA-256",
                        [one["ratio"] for one in mine],
                        f"{statistics.median(x['ns'] for x in mine):.0f} ns, "
                        f"{took['ours'][0]['blocks']} blocks", at_most=2.0))
    rows.append(row("presign: boto3 / the service",
                    [b / a["s3_presign"]["ns"] for a, b in
                     zip(took["ours"], took["boto3"], strict=True)],
                    f"boto3 {statistics.median(took['boto3']) / 1000:.0f} us",
                    at_least=100))
    return rows
