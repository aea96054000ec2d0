"""gzip, xz and zstd streams, decompressed in this process, a bounded piece at a time.

The format is known by its first bytes: RFC 1952 section 2.3.1, the xz file format section 2.1.1.1,
RFC 8878 section 3.1.1. Streams that follow each other count as one. What is cut off is an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from pants_plugin_minimg.bundler.errors import MinimgError

_GZIP, _XZ, _ZSTD = b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
#: What is read at once, and about what one piece of the result may measure.
_INPUT, _CHUNK = 1 << 15, 1 << 18
#: The largest dictionary of `xz -9` needs 65 MiB, the largest window of `zstd --ultra` is 128 MiB.
_XZ_MEMORY, _ZSTD_WINDOW = 1 << 28, 1 << 27


class Input:
    """Compressed bytes, with a look at what comes next."""

    def __init__(self, raw: BinaryIO, subject: str) -> None:
        self.subject = subject
        self._raw = raw
        self._held, self._at = b"", 0

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, or all that are left."""
        while len(self._held) - self._at < size:
            more = self._raw.read(_INPUT)
            if not more:
                break
            self._held, self._at = self._held[self._at :] + more, 0
        return self._held[self._at : self._at + size]

    def some(self) -> bytes:
        """What is at hand; nothing at the end."""
        held = self._held[self._at :]
        self._held, self._at = b"", 0
        return held or self._raw.read(_INPUT)

    def exactly(self, size: int) -> bytes:
        data = self.peek(size)
        if len(data) < size:
            raise self.damaged("it is cut off")
        self._at += size
        return data

    def give_back(self, data: bytes) -> None:
        self._held, self._at = data + self._held[self._at :], 0

    def damaged(self, problem: str) -> MinimgError:
        return MinimgError(
            "MINIMG-E027", self.subject, f"its compressed data is damaged: {problem}"
        )


def chunks(raw: BinaryIO, subject: str) -> Iterator[bytes]:
    """The bytes of a stream: decompressed, or as they are when its first bytes are no format's.

    No piece is much larger than 256 KiB. Raises MinimgError MINIMG-E027 about `subject`.
    """
    source = Input(raw, subject)
    head = source.peek(6)
    for magic, stream in _FORMATS:
        if head.startswith(magic):
            return _streams(source, magic, stream)
    return iter(source.some, b"")


def _streams(
    source: Input, magic: bytes, stream: Callable[[Input], Iterator[bytes]]
) -> Iterator[bytes]:
    while source.peek(len(magic)) == magic:
        yield from stream(source)
        while source.peek(1) == b"\0":  # padding
            source.give_back(source.some().lstrip(b"\0"))
    if source.peek(1):
        raise source.damaged("something else follows it")


def _gzip(source: Input) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=31)
    try:
        while not decoder.eof:
            data = decoder.unconsumed_tail or source.some()
            if not data:
                raise source.damaged("it is cut off")
            yield decoder.decompress(data, _CHUNK)
    except zlib.error as error:
        raise source.damaged(str(error)) from None
    source.give_back(decoder.unused_data)


def _xz(source: Input) -> Iterator[bytes]:
    try:
        import lzma
    except ImportError:
        raise MinimgError(
            "MINIMG-E027",
            source.subject,
            "it is compressed by xz, and this Python was built without the module `lzma`",
            "Let another interpreter run the build (`[python-bootstrap].search_path`).",
        ) from None
    try:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        while not decoder.eof:
            data = source.some() if decoder.needs_input else b""
            if decoder.needs_input and not data:
                raise source.damaged("it is cut off")
            yield decoder.decompress(data, _CHUNK)
    except lzma.LZMAError as error:
        raise source.damaged(str(error)) from None
    source.give_back(decoder.unused_data)


def _zstd(source: Input) -> Iterator[bytes]:
    """One frame, fed block by block: a block holds at most 128 KiB (RFC 8878 section 3.1.1.2.4)."""
    import zstandard

    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
    try:
        head, has_checksum = _zstd_header(source)
        yield decoder.decompress(head)
        last = False
        while not last:
            raw = source.exactly(3)
            block = int.from_bytes(raw, "little")
            last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
            if kind == 3 or size > 1 << 17:
                raise source.damaged("a block of no known kind or size")
            raw += source.exactly(1 if kind == 1 else size)
            if last and has_checksum:
                raw += source.exactly(4)
            yield decoder.decompress(raw)
    except zstandard.ZstdError as error:
        raise source.damaged(str(error)) from None
    if not decoder.eof:
        raise source.damaged("it is cut off")


def _zstd_header(source: Input) -> tuple[bytes, bool]:
    """The frame's header, RFC 8878 section 3.1.1.1, and whether a checksum ends the frame."""
    descriptor = source.peek(5)[4:5]
    if not descriptor:
        raise source.damaged("it is cut off")
    flags = descriptor[0]
    single_segment = bool(flags & 0x20)
    content_size = (1 if single_segment else 0, 2, 4, 8)[flags >> 6]
    dictionary = (0, 1, 2, 4)[flags & 3]
    size = 5 + (not single_segment) + dictionary + content_size
    return source.exactly(size), bool(flags & 4)


_FORMATS: tuple[tuple[bytes, Callable[[Input], Iterator[bytes]]], ...] = (
    (_GZIP, _gzip),
    (_XZ, _xz),
    (_ZSTD, _zstd),
)
