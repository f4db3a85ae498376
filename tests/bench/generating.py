"""What the service adds to a generation, and what its worker holds."""

import base64
import json
import pathlib
import socketserver
import statistics
import threading
import time

import house as houses
import pictures
from figure import RUNS, by_turns, ratios, row, seconds_of, status_kib

IMAGES = 4
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


def post(url):
    return seconds_of("curl", "-fsS", "-o", "/dev/null", "-H",
                      "Content-Type: application/json", "-d", ASK, url)


def coreutils(folder, texts):
    """What the same bytes cost: decode, hash, write and sync, in turn."""
    script = "".join(
        f"base64 -d {text} >{text}.raw; sha256sum {text}.raw >/dev/null;"
        f" dd if={text}.raw of={text}.out bs=1M conv=fsync status=none;"
        for text in texts)
    seconds = seconds_of("sh", "-ec", script, cwd=folder)
    for text in texts:
        (folder / f"{text}.out").unlink()
    return seconds


def a_canned_model():
    images = [base64.b64encode(pictures.big_png()).decode()
              for _ in range(IMAGES)]
    body = json.dumps({"predictions": [
        {"mimeType": "image/png", "bytesBase64Encoded": image}
        for image in images]}).encode()
    return Canned(body), images, len(body)


def memory_figures(home, url, size):
    """How far a worker grows for a reply, and how small it is after it."""
    pid = home.pools["slow"].pids[0]
    grown, kept = [], []
    idle = status_kib(pid, "VmRSS")
    for _ in range(RUNS):
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
        post(url)
        time.sleep(0.2)  # the worker ends the request after the reply left
        grown.append((status_kib(pid, "VmHWM") - idle) * 1024 / size)
        kept.append((status_kib(pid, "VmRSS") - idle) * 1024 / size)
    return [row("generate: worker grows by / reply", grown,
                f"reply {size / 1e6:.1f} MB, idle {idle / 1024:.1f} MB",
                at_most=5.0),
            row("generate: worker keeps / reply", kept, "afterwards",
                at_most=0.1)]


def figures():
    """Rows for the table."""
    model, images, size = a_canned_model()
    with houses.a_house(workers={"slow": 1}, IMAGE_BASE_URL=model.url,
                        IMAGE_MODELS="imagen-canned") as home:
        url = f"http://127.0.0.1:{home.nginx.port}{GENERATE}"
        texts = []
        for n, image in enumerate(images):
            (home.folder / f"b64-{n}").write_text(image)
            texts.append(f"b64-{n}")
        took = by_turns({"service": lambda: post(url),
                         "canned": lambda: post(model.url),
                         "core": lambda: coreutils(home.folder, texts)})
        added = [a - b for a, b in zip(took["service"], took["canned"])]
        rows = [row("generate 4 x 1.5 MB: added / coreutils",
                    ratios(added, took["core"]),
                    f"adds {statistics.median(added) * 1000:.0f} ms, "
                    f"coreutils {statistics.median(took['core']) * 1000:.0f} "
                    "ms", at_most=3.0)]
        rows += memory_figures(home, url, size)
    model.shutdown()
    return rows
