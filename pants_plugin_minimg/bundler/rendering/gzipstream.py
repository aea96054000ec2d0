"""gzip whose bytes depend on the input alone.

The compressor is the pinned libdeflate, never the interpreter's own zlib: what that is differs from
one distribution to the next, and another compressor means another digest.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

import deflate

#: What is compressed at a time, in bytes. The output depends on it.
PIECE = 4 << 20

#: A step higher takes half as long again and saves 0.4 %.
_LEVEL = 7
#: More only take memory: few layers have that many pieces in reach of the reader.
_MOST_WORKERS = 8

Sink = Callable[[bytes], object]


class Pieces:
    """Passes on what is written in pieces of exactly `PIECE` bytes, the last one apart."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks
        self._pending = bytearray()
        self.written = 0

    def write(self, data: bytes) -> None:
        self.written += len(data)
        if not self._pending and len(data) == PIECE:  # the common case in large files: no copy
            self._pass(data)
            return
        self._pending += data
        while len(self._pending) >= PIECE:
            self._pass(bytes(self._pending[:PIECE]))
            del self._pending[:PIECE]

    def close(self) -> None:
        if self._pending:
            self._pass(bytes(self._pending))
            self._pending.clear()

    def _pass(self, piece: bytes) -> None:
        for sink in self._sinks:
            sink(piece)


class Gzip:
    """Compresses pieces (see `Pieces`) into sinks, several at once.

    Each piece becomes a member of its own (RFC 1952, section 2.2), so the bytes are the same for
    any number of workers. They are processes, because the compressor keeps the interpreter's lock,
    forked, so that a piece need not be sent to one; a lone piece starts none. Raises OSError where
    one of them fails.
    """

    def __init__(self, *sinks: Sink, workers: int | None = None) -> None:
        self._sinks = sinks
        self._workers = workers or min(os.cpu_count() or 1, _MOST_WORKERS)
        self._running: deque[_Worker] = deque()
        self._written = 0
        self._first = b""

    def write(self, piece: bytes) -> None:
        self._written += 1
        if self._written == 1:
            self._first = piece
            return
        if self._written == 2:
            self._submit(self._first)
        self._submit(piece)

    def close(self) -> None:
        if self._written < 2:
            self._pass(_member(self._first))
        while self._running:
            self._pass(self._running.popleft().result())

    def _submit(self, piece: bytes) -> None:
        if len(self._running) > self._workers:
            self._pass(self._running.popleft().result())
        self._running.append(_Worker(piece))

    def _pass(self, data: bytes) -> None:
        for sink in self._sinks:
            sink(data)


def compressed_size(path: str) -> int:
    """The bytes of a file, compressed by itself as a layer is. Raises OSError."""
    sizes: list[int] = []
    packed = Gzip(lambda data: sizes.append(len(data)))
    pieces = Pieces(packed.write)
    with open(path, "rb") as file:
        for data in iter(lambda: file.read(PIECE), b""):
            pieces.write(data)
    pieces.close()
    packed.close()
    return sum(sizes)


class _Worker:
    """A process that compresses one piece."""

    def __init__(self, piece: bytes) -> None:
        self._end, end = os.pipe()
        self._process = os.fork()
        if self._process:
            os.close(end)
            return
        status = 1
        try:
            os.close(self._end)
            with open(end, "wb") as out:
                out.write(_member(piece))
            status = 0
        finally:
            os._exit(status)  # nothing of the parent's is flushed or cleaned up here

    def result(self) -> bytes:
        """To be asked for once. Raises OSError."""
        with open(self._end, "rb") as file:
            member = file.read()
        _, status = os.waitpid(self._process, 0)
        if status != 0:
            raise OSError(f"a process that compresses a layer ended with status {status}")
        return member


def _member(piece: bytes) -> bytes:
    """A gzip member with the time 0 and no name."""
    return bytes(deflate.gzip_compress(piece, _LEVEL))
