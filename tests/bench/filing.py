"""An image's file by way of a worker (X-Accel), beside nginx alone.

The same files with the same headers; nginx alone asks nobody.
"""

import getting
import load
import pictures
import premises
from figure import by_turns
from wire import GET

FILES = 20  # of 1.5 MB
DIRECT = "/bench/direct/"
LOCATION = """
location /bench/direct/ {
	set $charref_pool fast;
	alias "STORE/";
	set $charref_cache_control "private, max-age=3600";
	set $charref_source local;
	set $charref_vary Accept;
}
"""


def figures():
    """Rows for the table."""
    home = premises.House()
    home.add(LOCATION.replace("STORE", str(home.store)))
    with premises.started(home):
        ids = premises.stock(home, FILES, pictures.big_png())
        by_worker = premises.write_paths(home, "worker", ids,
                                         getting.REDIRECT)
        direct = home.folder / "direct"
        direct.write_text("".join(f"{DIRECT}{one}.png\n" for one in ids))
        must_be_alike(home, ids[0])
        seen = {}
        got = by_turns({
            "worker": getting.measure(home, by_worker, seen, "worker"),
            "direct": getting.measure(home, direct, seen, "direct")},
            slices=load.SLICES)
    return [getting.the_row("local file by X-Accel / by nginx alone", got,
                            "worker", "direct", seen, 0.85)]


def must_be_alike(home, image_id):
    """Both answers, but for what differs each time."""
    ours = home.http.get(f"{GET}{image_id}{getting.REDIRECT}")
    theirs = home.http.get(f"{DIRECT}{image_id}.png")
    for reply in (ours, theirs):
        assert reply.status == 200, reply.headers
        for name in ("date", "x-request-id"):
            reply.headers.pop(name, None)
    assert ours.headers == theirs.headers, (ours.headers, theirs.headers)
    assert ours.body == theirs.body
