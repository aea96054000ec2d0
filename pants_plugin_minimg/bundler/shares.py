"""How is work on many items shared among the processors, with the result of one alone?"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: More processes only share the same memory and disk.
_MOST = 8


def in_shares(
    work: Callable[[Sequence[Item]], Result], items: Sequence[Item], least: int
) -> list[Result]:
    """What `work` makes of consecutive shares of `items`, in order; a share has about `least` or
    more. Results are what `marshal` writes; `work` must change nothing but its result."""
    count = max(1, min(os.cpu_count() or 1, len(items) // least, _MOST))
    size = max(1, -(-len(items) // count))
    first, *rest = [items[at : at + size] for at in range(0, len(items), size)] or [items]
    others = [_Fork(work, share) for share in rest]
    return [work(first), *(other.result() for other in others)]


class _Fork:
    """A process that works on one share."""

    def __init__(self, work: Callable[[Sequence[Any]], Any], share: Sequence[Any]) -> None:
        self._work, self._share = work, share
        reading, writing = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            try:
                with open(writing, "wb") as file:
                    file.write(marshal.dumps(work(share)))
                os._exit(0)
            finally:  # this process must not go on as a second caller
                os._exit(1)
        os.close(writing)
        self._file = open(reading, "rb")

    def result(self) -> Any:
        with self._file:
            written = self._file.read()
        status = os.waitpid(self._process, 0)[1]
        # A failure is told by the same work, done here.
        return marshal.loads(written) if status == 0 else self._work(self._share)
