"""Which of dpkg's lists may have a path?

A system's lists are megabytes, and the plan of each image asks for some forty paths: the index is
made once for all of them. It holds checksums (CRC-32) of the paths, so that it may name a list that
has another path of the same one, and never leaves out one that has it.

Layout, version 1: `minimg lists 1 ` with the number of bytes of the names in decimal and a newline;
the names, a newline between two of them; and to the end of the file numbers of 64 bits in this
machine's byte order, ascending: a checksum in the upper half, the number of a list in the lower
one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from zlib import crc32

from pants_plugin_minimg.bundler import jsonfile

#: What the commands call it.
FILE = "lists.index"
_HEAD = b"minimg lists 1"
_NUMBERS = "Q"


def load(path: str) -> ListIndex | None:
    """None for an empty file: the lists themselves are to be read. Raises MinimgError MINIMG-E001
    for one that is no index."""
    with jsonfile.reading(path), open(path, "rb") as file:
        content = file.read()
        return ListIndex.parse(content) if content else None


class ListIndex:
    """`names` of lists, and the checksum of each of their lines with the number of its list."""

    def __init__(self, names: list[bytes], lines: array[int] | memoryview) -> None:
        self._names, self._lines = names, lines

    @classmethod
    def of(cls, lists: Iterable[tuple[bytes, bytes]]) -> ListIndex:
        """Of the names of lists and their contents."""
        names: list[bytes] = []
        lines: list[int] = []
        for number, (name, content) in enumerate(lists):
            names.append(name)
            lines += [checksum << 32 | number for checksum in map(crc32, content.split(b"\n"))]
        return cls(names, array(_NUMBERS, sorted(lines)))

    @classmethod
    def parse(cls, content: bytes) -> ListIndex:
        """Raises ValueError or TypeError for what `render` did not make."""
        start = content.index(b"\n") + 1
        head, _, size = content[: start - 1].rpartition(b" ")
        end = start + int(size)
        if head != _HEAD or not start <= end <= len(content):
            raise ValueError("no index of lists")
        # Of a view, as most of it is never looked at.
        lines = memoryview(content)[end:].cast(_NUMBERS)
        return cls(content[start:end].split(b"\n"), lines)

    def render(self) -> bytes:
        names = b"\n".join(self._names)
        return b"%s %d\n%s%s" % (_HEAD, len(names), names, bytes(self._lines))

    def candidates(self, paths: Iterable[bytes]) -> list[bytes]:
        """The names of all lists that have one of the paths, and perhaps of others; sorted."""
        return sorted({self._names[number] for path in paths for number in self._numbers(path)})

    def _numbers(self, path: bytes) -> Iterator[int]:
        lines = self._lines
        checksum = crc32(path)
        at = bisect_left(lines, checksum << 32)
        while at < len(lines) and lines[at] >> 32 == checksum:
            yield lines[at] & 0xFFFFFFFF
            at += 1
