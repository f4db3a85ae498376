#!/usr/bin/python3
"""Figures of the running system, as ratios of one run.

Each ratio is the median of RUNS paired runs: service and yardstick in turn,
so that a machine whose speed drifts slows both.  Prints a table, writes
build/bench.json, and exits 1 when a figure is missed.
"""
import base64
import json
import os
import pathlib
import socketserver
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
os.environ.setdefault("F", "release")

import house as houses  # noqa: E402
import pictures  # noqa: E402

RUNS = 5
IMAGES = 4
IDLE_WORKERS = 100
SETTLE_S = 5.0
GENERATE = "/api/mv/generate_character_reference"
ASK = json.dumps({"character_description": "a bench", "num_images": IMAGES})


class Canned(socketserver.ThreadingTCPServer):
    """A model that says the same thing at once, whoever asks."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, body):
        self.reply = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                      b"Content-Length: %d\r\nConnection: close\r\n\r\n"
                      % len(body)) + body
        super().__init__(("127.0.0.1", 0), CannedHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class CannedHandler(socketserver.StreamRequestHandler):
    """Reads one request by its Content-Length and sends the reply."""

    def handle(self):
        length = 0
        while (line := self.rfile.readline().strip()):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.rfile.read(length)
        self.wfile.write(self.server.reply)


def timed(*words, **kw):
    """Seconds that a command took; it must succeed."""
    started = time.perf_counter()
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, **kw)
    return time.perf_counter() - started


def post(url):
    return timed("curl", "-fsS", "-o", "/dev/null", "-H",
                 "Content-Type: application/json", "-d", ASK, url)


def coreutils(folder, texts):
    """What the same bytes cost: decode, hash, write and sync, in turn."""
    script = "".join(
        f"base64 -d {text} >{text}.raw; sha256sum {text}.raw >/dev/null;"
        f" dd if={text}.raw of={text}.out bs=1M conv=fsync status=none;"
        for text in texts)
    seconds = timed("sh", "-ec", script, cwd=folder)
    for text in texts:
        (folder / f"{text}.out").unlink()
    return seconds


def status_kib(pid, key):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise AssertionError(key)


def pss_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines()
                if line.startswith("Pss:"))


def a_canned_model():
    images = [pictures.big_png() for _ in range(IMAGES)]
    body = json.dumps({"predictions": [
        {"mimeType": "image/png", "bytesBase64Encoded": base64.b64encode(image).decode()}
        for image in images]}).encode()
    return Canned(body), images, len(body)


def generate_figures(rows):
    """What the service adds to a generation, and what its worker holds."""
    model, images, size = a_canned_model()
    with houses.a_house(workers={"slow": 1}, IMAGE_BASE_URL=model.url,
                        IMAGE_MODELS="imagen-canned") as home:
        url = f"http://127.0.0.1:{home.nginx.port}{GENERATE}"
        texts = []
        for n, image in enumerate(images):
            (home.folder / f"b64-{n}").write_text(base64.b64encode(image).decode())
            texts.append(f"b64-{n}")
        ratios, added, cost = [], [], []
        for run in range(RUNS + 1):
            service = post(url)
            canned = post(model.url)
            core = coreutils(home.folder, texts)
            if run == 0:
                continue  # warms everything up
            added.append(service - canned)
            cost.append(core)
            ratios.append((service - canned) / core)
        rows.append(row("generate 4 x 1.5 MB: added / coreutils", ratios, 3.0,
                        f"adds {statistics.median(added) * 1000:.0f} ms, "
                        f"coreutils {statistics.median(cost) * 1000:.0f} ms"))
        memory_figures(rows, home, url, size)
    model.shutdown()


def memory_figures(rows, home, url, size):
    pid = home.pools["slow"].pids[0]
    grown, kept = [], []
    idle = status_kib(pid, "VmRSS")
    for _ in range(RUNS):
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
        post(url)
        time.sleep(0.2)  # the worker ends the request after the reply left
        grown.append((status_kib(pid, "VmHWM") - idle) * 1024 / size)
        kept.append((status_kib(pid, "VmRSS") - idle) * 1024 / size)
    rows.append(row("generate: worker grows by / reply", grown, 5.0,
                    f"reply {size / 1e6:.1f} MB, idle {idle / 1024:.1f} MB"))
    rows.append(row("generate: worker keeps / reply", kept, 0.1, "afterwards"))


def idle_figures(rows):
    count = {"fast": IDLE_WORKERS, "lookup": 0, "slow": 0}
    with houses.a_house(workers=count, nginx=False) as home:
        time.sleep(SETTLE_S)
        each = [pss_kib(pid) / 1024 for pid in home.pools["fast"].pids]
        rows.append(row(f"{IDLE_WORKERS} idle workers: MB PSS each", each, 4.0,
                        f"{sum(each):.0f} MB together"))


def row(name, values, limit, note):
    values = sorted(values)
    median = statistics.median(values)
    return {"measure": name, "median": round(median, 3),
            "min": round(values[0], 3), "max": round(values[-1], 3),
            "at_most": limit, "reached": median <= limit, "note": note}


def main():
    rows = []
    generate_figures(rows)
    idle_figures(rows)
    print(f"{'measure':42} {'median':>8} {'min':>8} {'max':>8} {'at most':>8}")
    for one in rows:
        print(f"{one['measure']:42} {one['median']:8.2f} {one['min']:8.2f} "
              f"{one['max']:8.2f} {one['at_most']:8.2f} "
              f"{'' if one['reached'] else 'MISSED '} {one['note']}")
    path = ROOT / "build/bench.json"
    path.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if all(one["reached"] for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
