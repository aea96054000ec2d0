"""gzip whose bytes depend on the input alone.

The compressor is the pinned zlib-ng, never the interpreter's own zlib: what that is differs from
one distribution to the next, and another compressor means another digest.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from zlib_ng import zlib_ng

#: zlib-ng's output depends on the size of the pieces that it is fed.
PIECE = 1 << 20

_LEVEL = 6
_RAW = -15  # no header of the compressor's own, a window of 32 KiB
_MEMORY = 8
# Magic, deflate, no flags, time 0, neither best nor fastest, unknown operating system.
_HEADER = b"\x1f\x8b\x08\x00\0\0\0\0\x00\xff"


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
    """Compresses pieces (see `Pieces`) into sinks."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks
        self._deflate = zlib_ng.compressobj(
            _LEVEL, zlib_ng.DEFLATED, _RAW, _MEMORY, zlib_ng.Z_DEFAULT_STRATEGY
        )
        self._crc = 0
        self._size = 0
        self._pass(_HEADER)

    def write(self, piece: bytes) -> None:
        self._crc = zlib_ng.crc32(piece, self._crc)
        self._size += len(piece)
        self._pass(self._deflate.compress(piece))

    def close(self) -> None:
        self._pass(self._deflate.flush(zlib_ng.Z_FINISH))
        self._pass(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))

    def _pass(self, data: bytes) -> None:
        if data:
            for sink in self._sinks:
                sink(data)
