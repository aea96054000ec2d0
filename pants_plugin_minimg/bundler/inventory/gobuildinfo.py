"""What a Go program says of its build: the toolchain and every module in it.

The format is that of Go's debug/buildinfo (buildinfo.go) and runtime/debug (mod.go): a header found
by its magic, then either two strings with their lengths (since Go 1.18) or two pointers to strings.
"""

from __future__ import annotations

import struct

from pants_plugin_minimg.bundler.binaries import elfsections
from pants_plugin_minimg.bundler.binaries.elf import PT_LOAD, ElfError, Reader
from pants_plugin_minimg.bundler.records import NamedTuple

_MAGIC = b"\xff Go buildinf:"
_ALIGN, _HEADER = 16, 32
_INLINE, _BIG_ENDIAN = 2, 1
_PF_X, _PF_W = 1, 2
_CHUNK = 1 << 20
_MAX_VERSION, _MAX_MODULES = 1 << 12, 1 << 24


class Module(NamedTuple):
    """`replace` is what was built in the place of `path` and `version`, if anything.

    A replacement that is a folder has "(devel)" or, by older toolchains, no version.
    """

    path: str
    version: str
    replace: tuple[str, str] | None = None


class BuildInfo(NamedTuple):
    """`go` is the toolchain, such as "go1.21.0"; `path` the package that the program is.

    Without modules `main` is None and there are no dependencies.
    """

    go: str
    path: str
    main: Module | None
    dependencies: tuple[Module, ...]


def read(reader: Reader) -> BuildInfo | None:
    """None for what is no Go program, or one whose build information is damaged."""
    try:
        found = _raw(reader)
    except ElfError:
        return None
    if found is None:
        return None
    version, modules = found
    return _parse(version, modules)


def _raw(reader: Reader) -> tuple[str, str] | None:
    address = _search(reader)
    if address is None:
        return None
    header = _at(reader, address, _HEADER)
    if len(header) < _HEADER:
        return None
    strings = _inline(reader, address) if header[15] & _INLINE else _pointed(reader, header)
    if strings is None or not strings[0]:
        return None
    version, modules = strings
    # Two markers of 16 bytes frame the lines, so that they can be found in memory.
    framed = len(modules) >= 33 and modules[-17:-16] == b"\n"
    lines = modules[16:-16] if framed else b""
    return version.decode("utf-8", "replace"), lines.decode("utf-8", "replace")


def _at(reader: Reader, address: int, size: int) -> bytes:
    """Up to `size` bytes from where the address is in the file."""
    offset, room = reader.offset_of(address)
    return reader.at(offset, min(size, room))


def _search(reader: Reader) -> int | None:
    """The address of the header: in its own section, else in the first data segment."""
    section = elfsections.find(reader, b".go.buildinfo")
    if section is not None:
        start, size = section.address, section.size
    else:
        data = [
            segment
            for segment in reader.segments
            if segment.kind == PT_LOAD and segment.flags & (_PF_X | _PF_W) == _PF_W
        ]
        if not data or not data[0].filesz:
            return None
        start, size = data[0].vaddr, data[0].filesz
    end = start + size
    start = -(-start // _ALIGN) * _ALIGN
    while start < end:
        chunk = _at(reader, start, min(_CHUNK, end - start))
        if not chunk:
            return None
        at = chunk.find(_MAGIC)
        while at >= 0 and at % _ALIGN:
            at = chunk.find(_MAGIC, at + 1)
        if at >= 0:
            return start + at
        start += _CHUNK
    return None


def _inline(reader: Reader, address: int) -> tuple[bytes, bytes] | None:
    version = _counted(reader, address + _HEADER, _MAX_VERSION)
    if version is None:
        return None
    modules = _counted(reader, version[1], _MAX_MODULES)
    return None if modules is None else (version[0], modules[0])


def _counted(reader: Reader, address: int, limit: int) -> tuple[bytes, int] | None:
    """A string behind its length in base 128, and the address after it."""
    size = shift = used = 0
    for byte in _at(reader, address, 10):
        size |= (byte & 0x7F) << shift
        shift += 7
        used += 1
        if byte < 0x80:
            break
    else:
        return None
    if size > limit:
        return None
    data = _at(reader, address + used, size) if size else b""
    return (data, address + used + size) if len(data) == size else None


def _pointed(reader: Reader, header: bytes) -> tuple[bytes, bytes] | None:
    size = header[14]
    if size not in (4, 8):
        return None
    order = ">" if header[15] & _BIG_ENDIAN else "<"
    pair = struct.Struct(order + ("II" if size == 4 else "QQ"))
    version, modules = pair.unpack_from(header, 16)
    return (
        _string(reader, version, pair, _MAX_VERSION),
        _string(reader, modules, pair, _MAX_MODULES),
    )


def _string(reader: Reader, address: int, pair: struct.Struct, limit: int) -> bytes:
    """A Go string: a pointer and a length. Empty when it is not there."""
    try:
        start, size = pair.unpack(_at(reader, address, pair.size))
        data = _at(reader, start, size) if 0 < size <= limit else b""
    except (ElfError, struct.error):
        return b""
    return data if len(data) == size else b""


def _parse(version: str, text: str) -> BuildInfo | None:
    path = ""
    rows: list[tuple[str, Module]] = []
    for line in text.split("\n"):
        kind, _, rest = line.partition("\t")
        columns = rest.split("\t")
        if kind == "path":
            path = rest
        elif kind in ("mod", "dep"):
            if len(columns) not in (2, 3):
                return None
            rows.append((kind, Module(columns[0], columns[1])))
        elif kind == "=>":
            if len(columns) != 3 or not rows or rows[-1][1].replace is not None:
                return None
            kind, last = rows[-1]
            rows[-1] = kind, Module(last.path, last.version, (columns[0], columns[1]))
    main = [module for kind, module in rows if kind == "mod"]
    dependencies = tuple(module for kind, module in rows if kind == "dep")
    return BuildInfo(version, path, main[-1] if main else None, dependencies)
