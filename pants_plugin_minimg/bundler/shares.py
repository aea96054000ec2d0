"""How is work on many items shared among the processors, with the result of one alone?"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    Item = TypeVar("Item")
    Result = TypeVar("Result")

#: More processes only share the same memory and disk.
_MOST = 8


def in_shares(
    work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], least: int
) -> list[Result]:
    """What `work` makes of `items`, one by one and in their order; a process has at least `least`.

    Results are what `marshal` writes. `work` must change nothing, for it may run in a process of
    its own. Neighbours go to different processes, since they often take as long as each other.
    """
    count = max(1, min(os.cpu_count() or 1, len(items) // least, _MOST))
    others = [_Fork(work, items[number::count]) for number in range(1, count)]
    shares = [work(items[::count]), *(other.results() for other in others)]
    out = [result for results in zip(*shares) for result in results]
    # The first shares may have one more.
    return out + [share[-1] for share in shares if len(share) > len(shares[-1])]


class _Fork:
    """A process that works on one share."""

    def __init__(self, work: Callable[[Sequence[Any]], list[Any]], share: Sequence[Any]) -> None:
        self._work, self._share = work, share
        reading, writing = os.pipe()
        self._file = open(reading, "rb")
        try:
            self._process = os.fork()
        except OSError:  # no more processes or memory for this user
            self._process = -1
        if self._process == 0:
            try:
                with open(writing, "wb") as file:
                    file.write(marshal.dumps(work(share)))
                os._exit(0)
            finally:  # this process must not go on as a second caller
                os._exit(1)
        os.close(writing)

    def results(self) -> list[Any]:
        with self._file:
            written = self._file.read()
        # A failure is told by the same work, done here.
        return marshal.loads(written) if self._done() else self._work(self._share)

    def _done(self) -> bool:
        try:
            return self._process > 0 and os.waitpid(self._process, 0)[1] == 0
        except ChildProcessError:  # who started us ignores SIGCHLD, and the system tells nothing
            return False
