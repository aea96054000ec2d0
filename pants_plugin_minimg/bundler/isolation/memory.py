"""The most memory that a process and those below it have had, looked at while they run.

getrusage(2) cannot tell: a child begins with what its parent had before it called exec.
"""

from __future__ import annotations

import os
import re

_PEAK = re.compile(rb"^VmHWM:\s*(\d+) kB$", re.MULTILINE)
_DEEPEST = 8


class Watcher:
    """`peak` in bytes, None before enough was seen."""

    def __init__(self, leave_out: int, launcher: str) -> None:
        """`leave_out`: how many generations from the top are not the command's own. `launcher` is
        the program that starts it: a process that still runs that is not the command yet."""
        self.peak: int | None = None
        self._leave_out = leave_out
        self._launcher = os.stat(launcher)
        #: What each process had at the first look, which is what it began with.
        self._first: dict[str, int] = {}

    def look(self, pid: int) -> None:
        """What is below `pid` now. A process that has ended has no memory any more."""
        generation = [str(pid)]
        for depth in range(_DEEPEST):
            if depth >= self._leave_out:
                for each in generation:
                    self._note(each)
            generation = [child for each in generation for child in _children(each)]

    def _note(self, pid: str) -> None:
        # In this order: what is another program now was none when its memory is read.
        try:
            if os.path.samestat(os.stat(f"/proc/{pid}/exe"), self._launcher):
                return
        except OSError:
            return
        found = _PEAK.search(_read(f"/proc/{pid}/status"))
        if found is not None:
            seen = int(found[1]) * 1024
            if pid in self._first:
                self.peak = max(self.peak or 0, self._first[pid], seen)
            self._first.setdefault(pid, seen)


def _children(pid: str) -> list[str]:
    return _read(f"/proc/{pid}/task/{pid}/children").decode("ascii").split()


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""
