"""What a figure is: values of one measure, of which the median counts."""

import json
import pathlib
import statistics
import subprocess
import time

RUNS = 5
COMMAND_S = "60"  # then something hangs


def row(name, values, note, at_most=None, at_least=None):
    """One line of the table; without a limit it is always reached."""
    values = sorted(values)
    median = statistics.median(values)
    reached = ((at_most is None or median <= at_most)
               and (at_least is None or median >= at_least))
    return {"measure": name, "median": round(median, 3),
            "min": round(values[0], 3), "max": round(values[-1], 3),
            "at_most": at_most, "at_least": at_least, "reached": reached,
            "note": note}


def ratios(mine, yardstick):
    """By pairs: the n-th of both were measured in turn."""
    return [a / b for a, b in zip(mine, yardstick, strict=True)]


def by_turns(measures, runs=RUNS):
    """One round of them more, each in the order opposite to the last.

    measures: name -> function.  The first round only warms everything up;
    the result has a list of so many values a name.
    """
    values = {name: [] for name in measures}
    names = list(measures)
    for round_ in range(runs + 1):
        for name in names:
            value = measures[name]()
            if round_ > 0:
                values[name].append(value)
        names.reverse()
    return values


def seconds_of(*words, **kw):
    """Seconds that a command took, its start included; it must succeed."""
    started = time.perf_counter()
    subprocess.run(["timeout", COMMAND_S, *words], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **kw)
    return time.perf_counter() - started


def status_kib(pid, key):
    """A number of /proc/PID/status."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise AssertionError(key)


def pss_kib(pid):
    """Its memory, where what n processes share counts an n-th for each."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines()
                if line.startswith("Pss:"))


def _limit(one):
    if one["at_most"] is not None:
        return f"<= {one['at_most']:g}"
    return "" if one["at_least"] is None else f">= {one['at_least']:g}"


def show(rows):
    """Prints the table."""
    print(f"{'measure':44} {'median':>9} {'min':>9} {'max':>9} {'limit':>8}")
    for one in rows:
        print(f"{one['measure']:44} {one['median']:9.2f} {one['min']:9.2f} "
              f"{one['max']:9.2f} {_limit(one):>8} "
              f"{'' if one['reached'] else 'MISSED '} {one['note']}")


def save(rows, path):
    """The same for programs."""
    path.write_text(json.dumps(rows, indent=1) + "\n")
