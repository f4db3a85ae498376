"""GETs of uploaded images: through a worker each, and from nginx's cache.

Through a worker, ours is beside libfcgi's own loop that answers one constant
redirect with the same headers of the same length; from the cache, beside
nginx's own `return 302` in the same server block.  A JSON reply is held
against the same two.
"""

import statistics

import load
import premises
from figure import by_turns, ratios, row
from wire import GET

REDIRECT = "?redirect=true"
ACCEPT = ["Accept: application/json"]
HOT = 100  # ids that are asked for again and again
WINDOW_S = 300
BARE = "/bench/bare"
DIFFERENT = ("date", "x-request-id", "content-length", "content-type")


def constant_reply(home, image_id):
    """What a worker says to one redirect, as bytes."""
    reply = home.pools["fast"].wire().ask(
        "GET", f"{GET}{image_id}{REDIRECT}", CHARREF_POOL="fast")
    assert reply.status == 302, reply
    head = "".join(f"{name.title()}: {value}\r\n"
                   for name, value in reply.headers.items())
    return head.encode() + b"\r\n" + reply.body


def bare_location(reply):
    """nginx's own redirect with the headers of that reply."""
    return f"""
location = {BARE} {{
	default_type text/plain;
	set $charref_pool fast;
	set $charref_cache_control "{reply.headers["cache-control"]}";
	set $charref_source s3;
	return 302 "{reply.headers["location"]}";
}}
"""


def must_be_alike(ours, bare):
    """The same headers, but for the length: `return` adds a page to it."""
    for reply in (ours, bare):
        assert reply.status == 302, reply
        for name in DIFFERENT:
            reply.headers.pop(name, None)
    assert ours.headers == bare.headers, (ours.headers, bare.headers)


def measure(home, paths, seen, name):
    """A function for by_turns: requests a second; keeps the client's share."""
    def run():
        got = load.ask(home.nginx.port, paths, ACCEPT)
        home.cut_logs()
        seen.setdefault(name, []).append(got.core)
        return got.a_second
    return run


def middle(values):
    """Their median."""
    return statistics.median(values)


def note(got, name, other, seen):
    """Both rates, and whether the client had anything left."""
    rates = " and ".join(f"{middle(got[one]):,.0f}"
                         for one in (name, other))
    core = max(max(seen[one]) for one in (name, other))
    return f"{rates} a second; client {core:.2f} of a core"


def the_row(what, got, name, other, seen, at_least):
    """Ours over the yardstick."""
    return row(what, ratios(got[name], got[other]),
               note(got, name, other, seen), at_least=at_least)


def cold_figures():
    """Rows: 10,000 ids in turn, each signed anew by a worker."""
    ours = premises.House(cloud=premises.NowhereCloud, uploader=False)
    with premises.started(ours):
        ids = premises.stock(ours)
        noop = premises.NoopHouse(constant_reply(ours, ids[0]))
        with premises.started(noop):
            redirect = premises.write_paths(ours, "redirect", ids, REDIRECT)
            plain = premises.write_paths(ours, "plain", ids)
            seen = {}
            got = by_turns({
                "302": measure(ours, redirect, seen, "302"),
                "noop": measure(noop, redirect, seen, "noop"),
                "json": measure(ours, plain, seen, "json")},
                slices=load.SLICES)
    return [the_row("GET redirect, 10,000 ids / no-op worker", got, "302",
                    "noop", seen, 1.0),
            the_row("GET JSON, 10,000 ids / no-op worker", got, "json",
                    "noop", seen, 0.95)]


def a_reply():
    """What nginx says to one redirect, to be said again by itself."""
    home = premises.House(cloud=premises.NowhereCloud, uploader=False,
                          PRESIGNED_URL_WINDOW=str(WINDOW_S))
    with premises.started(home):
        reply = home.http.get(
            f"{GET}{premises.stock(home, 1)[0]}{REDIRECT}")
    assert reply.status == 302, reply
    return reply


def hot_figures():
    """Rows: what nginx answers from its cache."""
    reply = a_reply()
    home = premises.House(bare_location(reply), uploader=False,
                          cloud=premises.NowhereCloud,
                          PRESIGNED_URL_WINDOW=str(WINDOW_S))
    with premises.started(home):
        ids = premises.stock(home, HOT)
        bare = home.folder / "bare"
        bare.write_text(f"{BARE}\n")
        must_be_alike(reply, home.http.get(BARE))
        seen = {}
        got = by_turns({
            "302": measure(home, premises.write_paths(
                home, "redirect", ids, REDIRECT), seen, "302"),
            "bare": measure(home, bare, seen, "bare"),
            "json": measure(home, premises.write_paths(home, "plain", ids),
                            seen, "json")}, slices=load.SLICES)
    return [the_row("GET redirect, hot / nginx return 302", got, "302",
                    "bare", seen, 0.70),
            the_row("GET JSON, hot / nginx return 302", got, "json",
                    "bare", seen, 0.65)]
