"""How much longer than on a quiet machine a test may take.

pytest-xdist's workers share the machine, and so may others: a time limit is
there to end a test that hangs, not to measure the machine.
"""

import os

FLAVOUR = os.environ.get("F", "release")
IS_ASAN = FLAVOUR == "asan"
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
SLOWNESS = (3.0 if IS_ASAN else 1.0) * max(2, WORKERS)
