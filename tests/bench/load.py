"""GETs by the thousand: wrk, its script, and what it counted.

wrk has one thread and asks over kept connections, the next as soon as it has
the answer to the last.  Its own processor time is measured, too: it is part
of the machine's work in every figure, and a client that has a core full
would measure itself.
"""

import dataclasses
import pathlib
import resource
import subprocess

SCRIPT = pathlib.Path(__file__).with_name("load.lua")
CONNECTIONS = 16
SECONDS = 1
SLICES = 3  # so many such runs make one value
PATIENCE_S = 30


@dataclasses.dataclass
class Load:
    """What came of one run."""

    a_second: float
    p99_ms: float
    core: float  # the client's share of one core


def _cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ask(port, paths, headers=(), seconds=SECONDS, connections=CONNECTIONS):
    """Asks for the paths of a file; every answer must be under 400."""
    before = _cpu_seconds()
    words = [word for one in headers for word in ("-H", one)]
    done = subprocess.run(
        ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s",
         "--timeout", f"{PATIENCE_S}s", "-s", str(SCRIPT), *words,
         f"http://127.0.0.1:{port}", "--", str(paths)],
        check=True, capture_output=True, text=True,
        timeout=seconds + 2 * PATIENCE_S)
    line = next((one for one in done.stdout.splitlines()
                 if one.startswith("counted ")), "")
    assert line, done.stdout + done.stderr
    requests, duration_us, p99_us, errors = map(int, line.split()[1:])
    assert errors == 0, done.stdout
    took = duration_us / 1e6
    return Load(requests / took, p99_us / 1e3,
                (_cpu_seconds() - before) / took)
