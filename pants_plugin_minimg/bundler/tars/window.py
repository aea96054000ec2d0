"""A part of a file, as a file of its own: a member of an archive is read where it lies."""

from __future__ import annotations

import io
import os
from typing import Any


class Handle:
    """A file that stays open as long as somebody reads from it. Raises OSError."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self.fd).st_size

    def __del__(self) -> None:
        fd = getattr(self, "fd", None)
        if fd is not None:
            os.close(fd)


class Window(io.RawIOBase):
    """`size` bytes from `start` on, seekable; it shares its handle's file, not its position."""

    def __init__(self, handle: Handle, start: int, size: int) -> None:
        self._handle = handle
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset += self._at
        elif whence == os.SEEK_END:
            offset += self._size
        if offset < 0:
            raise ValueError("a position before the first byte")
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        at = self._at
        left = self._size - at
        if size is None or size < 0 or size > left:
            size = left
        if size <= 0:
            return b""
        data = os.pread(self._handle.fd, size, self._start + at)
        self._at = at + len(data)
        return data

    def readall(self) -> bytes:
        parts = iter(lambda: self.read(1 << 30), b"")
        return b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)
