"""A log that grows: lines of JSON objects, each read and checked once.

A reader may see the beginning of a line that is being written; the rest of it
is read by the next look.
"""

import json
import os
import pathlib
from collections.abc import Callable


class LogFile:
    """The lines of one log.  A file that was replaced is read from its start."""

    def __init__(self, path: pathlib.Path, check: Callable[[str, dict], None]):
        self.path = path
        self.check = check
        self.forget()

    def forget(self):
        """The next look reads all of it again."""
        self.inode = self.size = 0
        self.rest = b""  # of a line that had no end
        self.seen: list[dict] = []

    def lines(self) -> list[dict]:
        """All whole lines of it so far."""
        if not self.path.exists():
            return []
        with open(self.path, "rb") as log:
            status = os.fstat(log.fileno())
            if status.st_ino != self.inode or status.st_size < self.size:
                self.forget()
                self.inode = status.st_ino
            log.seek(self.size)
            *whole, self.rest = log.read().split(b"\n")
        for line in whole:
            text = line.decode()
            entry = json.loads(text)
            assert isinstance(entry, dict), text
            self.check(text, entry)
            self.seen.append(entry)
            self.size += len(line) + 1
        return list(self.seen)

    def must_have_ended(self):
        """Reads all of it again, now that nobody writes."""
        self.forget()
        self.lines()
        assert not self.rest, self.rest[-200:]
