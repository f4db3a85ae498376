"""What a GET feels of others that wait: generations, and a silent S3.

16 generations wait for a model that takes 5 s, and others ask for ids that
only S3 could know, which does not answer them.  The GETs that are measured
are of known images: the pools keep the others out of their way.
"""

import contextlib
import threading
import uuid

import load
import pictures
import premises
import s3_double
from figure import by_turns, ratios, row
from getting import REDIRECT, middle
from model_double import draw
from wire import GENERATE, GET

GENERATIONS = 16
MODEL_S = 5.0
ASKERS = 4
PAUSE_S = 0.25  # or their own work would be what is measured
CONNECTIONS = 4
SECONDS = 4  # less than the model takes
IMAGES = 200
ASK = {"character_description": "a bench", "num_images": 1}


def is_listing(request):
    """How we look for what is not in the catalogue."""
    return "list-type" in request.query


class Waiters:
    """A context in which all of them wait."""

    def __init__(self, home):
        self.home = home
        self.over = threading.Event()
        self.statuses = []
        self.threads = [threading.Thread(target=self.generate)
                        for _ in range(GENERATIONS)]
        self.threads += [threading.Thread(target=self.ask_on)
                         for _ in range(ASKERS)]

    def generate(self):
        """One generation."""
        self.statuses.append(self.home.http.post(ASK, GENERATE).status)

    def ask_on(self):
        """One unknown id after another."""
        while not self.over.is_set():
            reply = self.home.http.get(f"{GET}{uuid.uuid4()}{REDIRECT}")
            assert reply.status in (502, 503), reply
            self.over.wait(PAUSE_S)

    def __enter__(self):
        before = self.home.model.paid()
        for one in self.threads:
            one.start()
        self.home.model.wait_for_calls(before + GENERATIONS)
        return self

    def __exit__(self, *_):
        self.over.set()
        for one in self.threads:
            one.join()
        assert self.statuses == [200] * GENERATIONS, self.statuses


def p99_ms(home, paths, context):
    """Of the known images, while that context lasts."""
    with context:
        got = load.ask(home.nginx.port, paths, seconds=SECONDS,
                       connections=CONNECTIONS)
    home.cut_logs()
    return got.p99_ms


def figures():
    """Rows for the table."""
    with contextlib.closing(s3_double.S3Double()) as cloud:
        cloud.on(s3_double.stall("body"), when=is_listing, times=None)
        home = premises.House(cloud=cloud, GENERATE_DEADLINE="20",
                              workers={"slow": GENERATIONS, "lookup": 2})
        with premises.started(home):
            picture = pictures.png()
            ids = premises.stock(home, IMAGES, picture)
            for one in ids:
                cloud.put(f"character_references/{one}.png", picture)
            home.model.otherwise = draw(MODEL_S)
            paths = premises.write_paths(home, "paths", ids, REDIRECT)
            got = by_turns({
                "with": lambda: p99_ms(home, paths, Waiters(home)),
                "none": lambda: p99_ms(home, paths,
                                       contextlib.nullcontext())})
            cloud.forget()  # nobody is kept from leaving
    return [row("p99 of GET, 16 generations wait / none do",
                ratios(got["with"], got["none"]),
                f"{middle(got['with']):.2f} and {middle(got['none']):.2f} ms,"
                f" {CONNECTIONS} clients", at_most=1.5)]
