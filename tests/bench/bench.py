#!/usr/bin/python3
"""Figures of the running system, most of them as ratios of one run.

Each is the median of five paired runs: ours and the yardstick in turn, so
that a machine whose speed drifts slows both.  Prints a table, writes
build/bench.json, and exits 1 when a figure is missed.  With --full, whole
jobs are as large as real ones.
"""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
os.environ.setdefault("F", "release")

import figure  # noqa: E402
import gateway as gateways  # noqa: E402
import generating  # noqa: E402
import jobs  # noqa: E402
import presigning  # noqa: E402
import serving  # noqa: E402
import uploading  # noqa: E402


def measure(full):
    """All rows of the table."""
    rows = presigning.figures()
    rows += generating.figures()
    rows += serving.idle_figures(None, "cloud off")
    gateway = gateways.Gateway()
    try:
        gateway.start()
        rows += serving.idle_figures(gateway, "cloud on")
        rows += serving.figures(gateway)
        rows += uploading.figures(gateway)
        rows += jobs.figures(gateway, full)
    finally:
        gateway.stop()
    return rows


def main():
    """Measures, shows, keeps."""
    rows = measure("--full" in sys.argv[1:])
    figure.show(rows)
    figure.save(rows, ROOT / "build/bench.json")
    return 0 if all(one["reached"] for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
