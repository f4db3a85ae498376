"""How pytest-xdist's workers share the tests: by groups, which stay together.

A group is a file, because its tests share a house.  A long file is split into
several groups of neighbouring tests.  The tests that need the Ceph gateway are
three groups, because a gateway takes three seconds of processor time to start.
The longest groups begin first.
"""

import collections
import math
import os

CEPH = "ceph-rest"
CEPH_OWN = {"test_jobs_kill.py": "ceph-kill", "test_jobs.py": "ceph-jobs"}
# Files that take long, the longest first, and into how many groups each is
# split.
LONG = {
    "test_run_s3.py": 3, "test_nginx.py": 3, "test_run.py": 3,
    "test_pool.py": 3, "test_persist.py": 2, "test_uploader.py": 2,
    "test_outage.py": 1, "test_upload.py": 1, "test_model_faults.py": 2,
    "test_cloud_get.py": 2, "test_request_id.py": 1, "test_kill_points.py": 1,
    "test_metrics.py": 1, "test_doctor.py": 2,
}


def file_of(item) -> str:
    """The name of a test's file."""
    return os.path.basename(item.location[0])


def group_names(items) -> dict:
    """The group of each test."""
    names = {}
    files = collections.defaultdict(list)
    for item in items:
        if "gateway" in item.fixturenames:
            names[item] = CEPH_OWN.get(file_of(item), CEPH)
        else:
            files[file_of(item)].append(item)
    for name, tests in files.items():
        share = math.ceil(len(tests) / LONG.get(name, 1))
        for i, item in enumerate(tests):
            names[item] = f"{name}-{i // share}"
    return names


def rank(name: str) -> int:
    """A group's place in the order in which the groups begin."""
    if name == CEPH or name in CEPH_OWN.values():
        return 0
    order = list(LONG)
    name = name.rpartition("-")[0]
    return 1 + (order.index(name) if name in LONG else len(order))
