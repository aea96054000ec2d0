"""How is work on many items shared among the processors, with the result of one alone?"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, TypeVar

    Item = TypeVar("Item")
    Result = TypeVar("Result")

#: More processes only share the same memory and disk.
_MOST = 8
#: Blocks of a process beyond its first, which has three quarters of its items.
_SMALL = 8


def in_shares(
    work: Callable[[Iterable[Item]], list[Result]], items: Sequence[Item], least: int
) -> list[Result]:
    """What `work` makes of `items`, one by one and in their order; a process has about `least`.

    Results are what `marshal` writes. `work` must change nothing, for it may run in a process of
    its own. Neighbours stay together, since they often need the same; who is done first takes more.
    """
    count = max(1, min(os.cpu_count() or 1, len(items) // least, _MOST))
    if count == 1:
        return work(items)
    blocks = _blocks(items, count)
    reading, writing = os.pipe()
    os.write(writing, bytes(range(len(blocks))))
    os.close(writing)  # so that the queue has an end
    queue = open(reading, "rb", buffering=0)
    others = [_Fork(work, blocks, queue) for _ in range(1, count)]
    done = _work(work, blocks, queue)
    for other in others:
        done.update(other.results())
    queue.close()
    for number, block in enumerate(blocks):
        if number not in done:  # a failure is told by the same work, done here
            done[number] = work(block)
    return [result for number in range(len(blocks)) for result in done[number]]


def _blocks(items: Sequence[Item], count: int) -> list[Sequence[Item]]:
    """A large one for each process, then small ones; no more than a byte can count."""
    large = max(1, len(items) * 3 // (4 * count))
    rest = large * count
    small = max(1, -(-(len(items) - rest) // (count * _SMALL)))
    starts = [*range(0, rest, large), *range(rest, len(items), small)]
    return [items[start:end] for start, end in zip(starts, [*starts[1:], len(items)])]


def _work(
    work: Callable[[Iterable[Any]], list[Any]], blocks: Sequence[Sequence[Any]], queue: BinaryIO
) -> dict[int, list[Any]]:
    """The results of the blocks that nobody else took, by their numbers.

    `queue` is a pipe that holds a byte for each block, and each byte is read by one process alone.
    """
    taken: list[int] = []

    def items() -> Iterator[Any]:
        while number := queue.read(1):
            taken.append(number[0])
            yield from blocks[number[0]]

    results = iter(work(items()))
    return {number: [next(results) for _ in blocks[number]] for number in taken}


class _Fork:
    """A process that works on what it takes from the queue."""

    def __init__(
        self,
        work: Callable[[Iterable[Any]], list[Any]],
        blocks: Sequence[Sequence[Any]],
        queue: BinaryIO,
    ) -> None:
        reading, writing = os.pipe()
        self._file = open(reading, "rb")
        try:
            self._process = os.fork()
        except OSError:  # no more processes or memory for this user
            self._process = -1
        if self._process == 0:
            try:
                with open(writing, "wb") as file:
                    file.write(marshal.dumps(_work(work, blocks, queue)))
                os._exit(0)
            finally:  # this process must not go on as a second caller
                os._exit(1)
        os.close(writing)

    def results(self) -> dict[int, list[Any]]:
        with self._file:
            written = self._file.read()
        done: dict[int, list[Any]] = marshal.loads(written) if self._done() else {}
        return done

    def _done(self) -> bool:
        try:
            return self._process > 0 and os.waitpid(self._process, 0)[1] == 0
        except ChildProcessError:  # who started us ignores SIGCHLD, and the system tells nothing
            return False
