"""gzip whose bytes depend on the input alone.

The compressor is the pinned zlib-ng, never the interpreter's own zlib: what that is differs from
one distribution to the next, and another compressor means another digest.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from zlib_ng import zlib_ng

#: What one thread compresses. The output depends on it.
PIECE = 1 << 20

_LEVEL = 9
_WINDOW_BITS = 15
_WINDOW = 1 << _WINDOW_BITS
_MEMORY = 8
# Magic, deflate, no flags, time 0, best compression, unknown operating system (RFC 1952).
_HEADER = b"\x1f\x8b\x08\x00\0\0\0\0\x02\xff"
_END = b"\x03\x00"  # an empty last block of fixed codes
#: More only take memory: few layers have that many pieces in reach of the reader.
_MOST_THREADS = 8

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

    Each piece is compressed by itself, with the end of the one before it as its dictionary, and
    ends on a byte: so the bytes are the same for any number of threads.
    """

    def __init__(self, *sinks: Sink, threads: int | None = None) -> None:
        self._sinks = sinks
        self._threads = threads or min(os.cpu_count() or 1, _MOST_THREADS)
        self._pool = ThreadPoolExecutor(self._threads)
        self._running: deque[Future[bytes]] = deque()
        self._last = b""
        self._crc = 0
        self._size = 0
        self._pass(_HEADER)

    def write(self, piece: bytes) -> None:
        self._crc = zlib_ng.crc32(piece, self._crc)
        self._size += len(piece)
        if len(self._running) > self._threads:
            self._pass(self._running.popleft().result())
        self._running.append(self._pool.submit(_deflate, piece, self._last))
        self._last = piece[-_WINDOW:]

    def close(self) -> None:
        while self._running:
            self._pass(self._running.popleft().result())
        self._pool.shutdown()
        self._pass(_END)
        self._pass(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))

    def _pass(self, data: bytes) -> None:
        for sink in self._sinks:
            sink(data)


def _deflate(piece: bytes, dictionary: bytes) -> bytes:
    """Part of a deflate stream that ends on a byte (RFC 1951, section 3.2.4; zlib's sync flush)."""
    deflate = zlib_ng.compressobj(
        _LEVEL,
        zlib_ng.DEFLATED,
        -_WINDOW_BITS,  # negative: no header of zlib's own
        _MEMORY,
        zlib_ng.Z_DEFAULT_STRATEGY,
        dictionary,
    )
    return deflate.compress(piece) + deflate.flush(zlib_ng.Z_SYNC_FLUSH)
