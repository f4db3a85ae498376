#!/usr/bin/python3
"""Figures of the running system, most of them as ratios of one run.

Each is the median of five paired runs: ours and the yardstick in turn, so
that a machine whose speed drifts slows both.  Prints a table as it goes,
writes build/bench.json, and exits 1 when a figure is missed.

    bench.py [--full] [--only PART]...
    bench.py --markdown

With --full, whole jobs are as large as real ones.  With --markdown, nothing
is measured: it prints what the last run kept as a table for the document.
"""
import argparse
import contextlib
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEPT = ROOT / "build/bench.json"
sys.path.insert(0, str(ROOT / "tests/integration"))
os.environ.setdefault("F", "release")

import figure  # noqa: E402
import filing  # noqa: E402
import gateway as gateways  # noqa: E402
import generating  # noqa: E402
import getting  # noqa: E402
import idling  # noqa: E402
import jobs  # noqa: E402
import peers  # noqa: E402
import presigning  # noqa: E402
import uploading  # noqa: E402
import waiting  # noqa: E402

# What is measured, by name; `b` is the Bench below.
PARTS = {
    "presign": lambda b: presigning.figures(),
    "get": lambda b: getting.cold_figures(),
    "hot": lambda b: getting.hot_figures(),
    "file": lambda b: filing.figures(),
    "wait": lambda b: waiting.figures(),
    "generate": lambda b: generating.figures(),
    "idle": lambda b: (idling.figures(None, "cloud off")
                       + idling.figures(b.gateway(), "cloud on")),
    "peers": lambda b: peers.figures(b.gateway()),
    "upload": lambda b: uploading.figures(b.gateway()),
    "jobs": lambda b: jobs.figures(b.gateway(), b.full),
}


class Bench:
    """What the parts share: an S3 server, started for the first of them."""

    def __init__(self, stack, full):
        self.stack, self.full = stack, full
        self.one = None

    def gateway(self):
        """The server, running."""
        if self.one is None:
            self.one = gateways.Gateway()
            self.stack.callback(self.one.stop)
            self.one.start()
        return self.one


def measure(parts, full):
    """All rows of the table, which grows as they come."""
    rows = []
    figure.show_head()
    with contextlib.ExitStack() as stack:
        bench = Bench(stack, full)
        for name in parts:
            new = PARTS[name](bench)
            figure.show(new)
            rows += new
            figure.save(rows, KEPT)
    return rows


def main():
    """Measures, shows, keeps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--only", action="append", choices=PARTS)
    given = parser.parse_args()
    if given.markdown:
        figure.markdown(KEPT)
        return 0
    rows = measure(given.only or PARTS, given.full)
    return 0 if all(one["reached"] for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
