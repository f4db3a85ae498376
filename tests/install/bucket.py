"""A bucket for the service of a room: the S3 double, until standard input
ends.  Prints its port."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "integration"))

from s3_double import S3Double  # noqa: E402

double = S3Double()
print(double.port, flush=True)
sys.stdin.read()
double.close()
