"""What a figure is: values of one measure, of which the median counts."""

import json
import pathlib
import shutil
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


def absent(name, what):
    """A line for a measure that needs what is not installed."""
    return {"measure": name, "median": None, "min": None, "max": None,
            "at_most": None, "at_least": None, "reached": True,
            "note": f"not installed: {what}"}


def installed(*names):
    """Those of the commands that are there."""
    return [name for name in names if shutil.which(name)]


def ratios(mine, yardstick):
    """By pairs: the n-th of both were measured in turn."""
    return [a / b for a, b in zip(mine, yardstick, strict=True)]


def by_turns(measures, runs=RUNS, slices=1):
    """One round of them more, each in the order opposite to the last.

    measures: name -> function.  The first round only warms everything up;
    the result has a list of so many values a name.  Each is the mean of so
    many slices, between which the others have theirs: on a busy machine
    that evens out what short bursts of others' work take.
    """
    values = {name: [] for name in measures}
    names = list(measures)
    for round_ in range(runs + 1):
        came = {name: [] for name in measures}
        for _ in range(slices):
            for name in names:
                came[name].append(measures[name]())
            names.reverse()
        for name in names:
            if round_ > 0:
                values[name].append(
                    statistics.mean(came[name]) if slices > 1
                    else came[name][0])
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


def _number(value):
    return "" if value is None else f"{value:.2f}"


def show_head():
    """Prints the head of the table."""
    print(f"{'measure':48} {'median':>9} {'min':>9} {'max':>9} {'limit':>8}",
          flush=True)


def show(rows):
    """Prints lines of the table."""
    for one in rows:
        print(f"{one['measure']:48} {_number(one['median']):>9} "
              f"{_number(one['min']):>9} {_number(one['max']):>9} "
              f"{_limit(one):>8} "
              f"{'' if one['reached'] else 'MISSED '}{one['note']}",
              flush=True)


def markdown(path):
    """What was kept, as the table of docs/PERFORMANCE.md."""
    print("| measure | median | spread | limit | |\n|---|---|---|---|---|")
    for one in json.loads(path.read_text()):
        spread = "" if one["median"] is None else \
            f"{_number(one['min'])} to {_number(one['max'])}"
        limit = _limit(one).replace("<=", "at most").replace(
            ">=", "at least")
        median = _number(one["median"])
        print(f"| {one['measure']} | "
              f"{median if one['reached'] else f'**{median}, missed**'} | "
              f"{spread} | {limit} | {one['note']} |")


def save(rows, path):
    """The same for programs."""
    path.write_text(json.dumps(rows, indent=1) + "\n")
