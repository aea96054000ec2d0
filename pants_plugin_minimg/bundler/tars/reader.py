"""The members of a tar, read once from a stream: POSIX ustar and pax, GNU long names, old V7.

Formats: POSIX.1-2017 pax, sections "ustar Interchange Format" and "pax Header Block"; GNU tar's
manual, "Basic Tar Format". The standard library's reader takes a damaged header in the middle for
the end; this one is strict: what is not understood is an error, and so is a missing end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from pants_plugin_minimg.bundler.errors import MinimgError

BLOCK = 512
#: Bounds for a pax header and a long name.
_MAX_HEADER, _MAX_NAME = 1 << 20, 1 << 16

FILE, DIR, LINK, HARDLINK, OTHER = "file", "dir", "link", "hardlink", "other"
_KINDS = {
    b"\0": FILE,
    b"0": FILE,
    b"7": FILE,
    b"1": HARDLINK,
    b"2": LINK,
    b"3": OTHER,
    b"4": OTHER,
    b"5": DIR,
    b"6": OTHER,
}
_XATTRS = ("SCHILY.xattr.", "LIBARCHIVE.xattr.", "SCHILY.acl.", "RHT.security.")


class Member(NamedTuple):
    """One member as the tar has it. `offset` is where a file's data starts, `size` in bytes."""

    name: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    offset: int
    target: bytes
    xattrs: tuple[str, ...]


class Tape:
    """A stream that is read exactly, counted, and copied on the way."""

    def __init__(
        self, chunks: Iterator[bytes], subject: str, limit: int, out: BinaryIO | None = None
    ) -> None:
        """`limit`: how many bytes the stream may have, else MinimgError MINIMG-E027."""
        self.subject = subject
        self.position = 0
        self._chunks = chunks
        self._limit = limit
        self._out = out
        self._total = 0
        self._held = b""
        self._at = 0

    def _more(self) -> bool:
        """Whether there are bytes at hand, after reading on where there were none."""
        while self._at >= len(self._held):
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._total += len(chunk)
            if self._total > self._limit:
                raise self.error(
                    f"it unpacks to more than {self._limit} bytes, the limit for it",
                    "If that is its true size, it can not be used as it is.",
                )
            if self._out is not None:
                self._out.write(chunk)
            self._held, self._at = chunk, 0
        return True

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end."""
        end = self._at + size
        if end <= len(self._held):
            data = self._held[self._at : end]
            self._at = end
        else:
            parts = []
            left = size
            while left and self._more():
                part = self._held[self._at : self._at + left]
                self._at += len(part)
                left -= len(part)
                parts.append(part)
            data = b"".join(parts)
        self.position += len(data)
        return data

    def skip(self, size: int) -> None:
        left = size
        while left:
            if not self._more():
                raise self.error("it is cut off inside a member")
            step = min(left, len(self._held) - self._at)
            self._at += step
            left -= step
        self.position += size

    def drain(self) -> None:
        """To the end of the stream."""
        while self._more():
            self._at = len(self._held)

    def error(self, problem: str, remedy: str = "") -> MinimgError:
        return MinimgError("MINIMG-E027", self.subject, problem, remedy)


def members(tape: Tape) -> Iterator[Member]:
    """Every member in order; the tape is at its end afterwards. Raises MINIMG-E027."""
    shared: dict[str, bytes] = {}
    own: dict[str, bytes] = {}
    long_name: bytes | None = None
    long_target: bytes | None = None
    while True:
        block = tape.read(BLOCK)
        if len(block) < BLOCK:
            raise tape.error("the tar has no end: it is cut off")
        if block[:1] == b"\0" and not block.strip(b"\0"):
            break
        size = _checked(block, tape)
        kind = block[156:157]
        if kind == b"L":
            long_name = _data(tape, size, _MAX_NAME).partition(b"\0")[0]
        elif kind == b"K":
            long_target = _data(tape, size, _MAX_NAME).partition(b"\0")[0]
        elif kind == b"x":
            own = _pax(tape, _data(tape, size, _MAX_HEADER))
        elif kind == b"g":
            shared.update(_pax(tape, _data(tape, size, _MAX_HEADER)))
        else:
            found = _member(tape, block, size, {**shared, **own}, long_name, long_target)
            yield found
            tape.skip(-(-found.size // BLOCK) * BLOCK)
            own, long_name, long_target = {}, None, None
    if own or long_name is not None or long_target is not None:
        raise tape.error("the tar ends after half a member")
    tape.drain()


def _member(
    tape: Tape,
    block: bytes,
    size: int,
    pax: dict[str, bytes],
    long_name: bytes | None,
    long_target: bytes | None,
) -> Member:
    kind = _KINDS.get(block[156:157])
    name = long_name if long_name is not None else _name(block)
    if "path" in pax:
        name = pax["path"]
    target = pax.get("linkpath", block[157:257].partition(b"\0")[0])
    if long_target is not None and "linkpath" not in pax:
        target = long_target
    if kind is None or any(key.startswith("GNU.sparse.") for key in pax):
        raise tape.error(f"{name!r} is of a kind that is not understood (a sparse file?)")
    if kind == FILE and block[156:157] == b"\0" and name.endswith(b"/"):
        kind = DIR  # before POSIX
    if "size" in pax:
        size = _decimal(tape, pax["size"])
    return Member(
        name=name,
        kind=kind,
        mode=_number(tape, block[100:108]) & 0o7777,
        uid=_decimal(tape, pax["uid"]) if "uid" in pax else _number(tape, block[108:116]),
        gid=_decimal(tape, pax["gid"]) if "gid" in pax else _number(tape, block[116:124]),
        size=size if kind == FILE else 0,
        offset=tape.position if kind == FILE else 0,
        target=target if kind in (LINK, HARDLINK) else b"",
        xattrs=tuple(sorted(key for key in pax if key.startswith(_XATTRS))),
    )


def _checked(block: bytes, tape: Tape) -> int:
    """The size that a header gives, after its checksum (signed in some old tars) was compared."""
    if block[148:156].strip(b" \0"):
        wanted = _number(tape, block[148:156])
        total = sum(block) - sum(block[148:156]) + 8 * 32
        if wanted == total:
            return _number(tape, block[124:136])
        negative = sum(1 for byte in block[:148] + block[156:] if byte > 127)
        if wanted == total - 256 * negative:
            return _number(tape, block[124:136])
    raise tape.error(f"no tar header where one must be (byte {tape.position - BLOCK})")


def _name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    # GNU's own format has times where POSIX has the first part of a long name.
    if block[257:263] == b"ustar\0" and block[345:346] != b"\0":
        return block[345:500].partition(b"\0")[0] + b"/" + name
    return name


def _number(tape: Tape, raw: bytes) -> int:
    """Octal digits, or GNU's base 256."""
    if raw[0] & 0x80:
        if raw[0] != 0x80:
            raise tape.error("a negative number in a tar header")
        return _bounded(tape, int.from_bytes(raw[1:], "big"))
    digits = raw.partition(b"\0")[0].strip()
    if digits.strip(b"01234567"):
        raise tape.error("a tar header with a number that is none")
    return int(digits or b"0", 8)


def _decimal(tape: Tape, raw: bytes) -> int:
    if not raw.isdigit() or len(raw) > 20:
        raise tape.error("a pax header with a number that is none")
    return _bounded(tape, int(raw))


def _bounded(tape: Tape, number: int) -> int:
    if number >= 1 << 63:
        raise tape.error("a number in a tar header that is too large")
    return number


def _data(tape: Tape, size: int, limit: int) -> bytes:
    if size > limit:
        raise tape.error(f"a header of {size} bytes in the tar")
    data = tape.read(size)
    tape.skip(-size % BLOCK)
    if len(data) < size:
        raise tape.error("it is cut off inside a header")
    return data


def _pax(tape: Tape, raw: bytes) -> dict[str, bytes]:
    """Records of the form "LENGTH KEY=VALUE\\n", the length that of the whole record."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(raw):
        length, blank, _ = raw[at : at + 10].partition(b" ")
        if not blank or not length.isdigit():
            break
        end = at + int(length)
        key, equals, value = raw[at + len(length) + 1 : max(end - 1, 0)].partition(b"=")
        if not equals or end > len(raw) or raw[end - 1 : end] != b"\n":
            break
        found[key.decode("utf-8", "backslashreplace")] = value
        at = end
    if raw[at:].strip(b"\0"):
        raise tape.error("a damaged pax header")
    return found
