"""Files of any size, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Readable(Protocol):
        def read(self, size: int, /) -> bytes: ...

    class State(Protocol):
        """What hashlib makes."""

        def update(self, data: bytes, /) -> None: ...

        def hexdigest(self) -> str: ...


#: Bytes. From 128 KiB on the allocator may ask the kernel for each piece's memory (glibc,
#: malloc/malloc.c, DEFAULT_MMAP_THRESHOLD), and it is cleared and mapped page by page.
SIZE = 1 << 16


def of(file: Readable) -> Iterator[bytes]:
    """From where the file is to its end. Raises OSError."""
    return iter(lambda: file.read(SIZE), b"")


def digest(file: Readable, state: State) -> str:
    """In hexadecimal digits, after `state` was given all that is left to read. Raises OSError."""
    for piece in of(file):
        state.update(piece)
    return state.hexdigest()
