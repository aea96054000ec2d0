"""gzip whose bytes depend on the input alone.

The compressor is the pinned libdeflate, never the interpreter's own zlib: what that is differs from
one distribution to the next, and another compressor means another digest.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import deflate

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

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
    any number of workers. They are processes, because the compressor keeps the interpreter's lock;
    a lone piece starts none.
    """

    def __init__(self, *sinks: Sink, workers: int | None = None) -> None:
        self._sinks = sinks
        self._workers = workers or min(os.cpu_count() or 1, _MOST_WORKERS)
        self._pool: ProcessPoolExecutor | None = None
        self._running: deque[Future[bytes]] = deque()
        self._first: bytes | None = None

    def write(self, piece: bytes) -> None:
        if self._pool is None:
            if self._first is None:
                self._first = piece
                return
            self._pool = _pool(self._workers)
            self._submit(self._pool, self._first)
        self._submit(self._pool, piece)

    def close(self) -> None:
        if self._pool is None:
            self._pass(_member(self._first or b""))
            return
        while self._running:
            self._pass(self._running.popleft().result())
        self._pool.shutdown()

    def _submit(self, pool: ProcessPoolExecutor, piece: bytes) -> None:
        if len(self._running) > self._workers:
            self._pass(self._running.popleft().result())
        self._running.append(pool.submit(_member, piece))

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


def _pool(workers: int) -> ProcessPoolExecutor:
    # Their import takes as long as compressing a small layer.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork"))


def _member(piece: bytes) -> bytes:
    """A gzip member with the time 0 and no name."""
    return bytes(deflate.gzip_compress(piece, _LEVEL))
