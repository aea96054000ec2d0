"""The most memory that a process and those below it have had, looked at while they run.

getrusage(2) cannot tell: a child begins with what its parent had before it called exec.
"""

from __future__ import annotations

import re

_PEAK = re.compile(rb"^VmHWM:\s*(\d+) kB$", re.MULTILINE)
_DEEPEST = 8


class Watcher:
    """`peak` in bytes, None before anything was seen."""

    def __init__(self, leave_out: int) -> None:
        """`leave_out`: how many generations from the top are not the command's own."""
        self.peak: int | None = None
        self._leave_out = leave_out

    def look(self, pid: int) -> None:
        """What is below `pid` now. A process that has ended has no memory any more."""
        generation = [str(pid)]
        for depth in range(_DEEPEST):
            if depth >= self._leave_out:
                for each in generation:
                    self._note(each)
            generation = [child for each in generation for child in _children(each)]

    def _note(self, pid: str) -> None:
        found = _PEAK.search(_read(f"/proc/{pid}/status"))
        if found is not None:
            self.peak = max(self.peak or 0, int(found[1]) * 1024)


def _children(pid: str) -> list[str]:
    return _read(f"/proc/{pid}/task/{pid}/children").decode("ascii").split()


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""
