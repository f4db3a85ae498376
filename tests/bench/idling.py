"""What workers cost that have nothing to do."""

import time

import house as houses
from figure import pss_kib, row

COUNT = 100
SETTLE_S = 5.0


def figures(cloud, what):
    """Rows for the table."""
    workers = {"fast": COUNT, "lookup": 0, "slow": 0}
    with houses.a_house(workers=workers, nginx=False, cloud=cloud) as home:
        time.sleep(SETTLE_S)
        each = [pss_kib(pid) / 1024 for pid in home.pools["fast"].pids]
    return [row(f"{COUNT} idle workers, {what}: MB PSS each", each,
                f"{sum(each):.0f} MB together", at_most=4.0)]
