"""Tar headers, byte for byte of our own making.

Python's `tarfile` has changed what it writes from release to release, and a layer's digest must
not depend on the interpreter. The format is POSIX.1-2001 (pax) over ustar headers.
"""

from __future__ import annotations

from pants_plugin_minimg.bundler.records import NamedTuple

FILE, HARD_LINK, LINK, DIRECTORY, EXTENDED = b"0", b"1", b"2", b"5", b"x"

BLOCK = 512

#: Two empty blocks close an archive.
END = bytes(2 * BLOCK)

_NAME_SIZE = 100
_MAX_ID = 0o7777777  # seven octal digits and the closing NUL
_MAX_NUMBER = 0o77777777777  # eleven


class Member(NamedTuple):
    """What a header says. `name` and `target` hold no NUL; times are seconds, sizes bytes."""

    name: bytes
    kind: bytes
    mode: int
    size: int = 0
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    target: bytes = b""


def header(member: Member) -> bytes:
    """One member's header blocks, with an extended header before them where it needs one."""
    records = _records(member)
    if not records:
        return _block(member)
    extended = Member(b"././@PaxHeader", EXTENDED, 0o644, len(records))
    return _block(extended) + records + padding(len(records)) + _block(member)


def padding(size: int) -> bytes:
    """What follows content of `size` bytes up to the next block."""
    return bytes(-size % BLOCK)


def _records(member: Member) -> bytes:
    """The extended header's records, for what a ustar header cannot hold; b"" when it can."""
    records = [
        (key, value)
        for key, value in ((b"path", member.name), (b"linkpath", member.target))
        if len(value) > _NAME_SIZE or not value.isascii()
    ]
    if any(not _is_utf8(value) for _, value in records):
        records.insert(0, (b"hdrcharset", b"BINARY"))
    for key, number, limit in (
        (b"size", member.size, _MAX_NUMBER),
        (b"uid", member.uid, _MAX_ID),
        (b"gid", member.gid, _MAX_ID),
        (b"mtime", member.mtime, _MAX_NUMBER),
    ):
        if number > limit:
            records.append((key, b"%d" % number))
    return b"".join(_record(key, value) for key, value in records)


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE\\n`, where the length counts its own digits too."""
    rest = len(key) + len(value) + 3
    length = rest
    while length != rest + len(str(length)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _octal(number: int, digits: int) -> bytes:
    """Zero where the number does not fit: the extended header holds it then."""
    return b"%0*o\0" % (digits, number if number < 8**digits else 0)


def _block(member: Member) -> bytes:
    before = b"".join(
        (
            member.name[:_NAME_SIZE].ljust(_NAME_SIZE, b"\0"),
            _octal(member.mode, 7),
            _octal(member.uid, 7),
            _octal(member.gid, 7),
            _octal(member.size, 11),
            _octal(member.mtime, 11),
        )
    )
    after = b"".join(
        (
            member.kind,
            member.target[:_NAME_SIZE].ljust(_NAME_SIZE, b"\0"),
            b"ustar\x0000",
            bytes(64),  # the names of owner and group: the numbers alone count
            _octal(0, 7),
            _octal(0, 7),
            bytes(167),
        )
    )
    checksum = sum(before) + sum(after) + 8 * ord(" ")
    return before + b"%06o\0 " % checksum + after
