"""Strings in an ELF file that look like libraries or folders, for files of any size in little time.

Section headers may lie or be gone, so nothing but a hint may rest on what is found here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from pants_plugin_minimg.bundler.binaries import elfsections
from pants_plugin_minimg.bundler.binaries.elf import PT_LOAD, ElfError, Reader

_PF_X, _PF_W = 1, 2
#: What is read of one file at most.
_MAX_BYTES = 1 << 26
_MAX_STRING, _MAX_FOUND = 256, 1 << 12

_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-./")
#: Where systems put what programs load: a folder elsewhere holds no plugins of a package.
_FOLDERS = (b"/usr/lib", b"/usr/local/lib", b"/lib", b"/opt/")


def read(file: BinaryIO) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Names like `libfoo.so.1` (or absolute paths of such), and absolute folders; each once, in
    the file's order. What a string holds besides makes it none."""
    libraries: dict[bytes, None] = {}
    folders: dict[bytes, None] = {}
    try:
        for data in _constants(Reader(file)):
            libraries.update(dict.fromkeys(_libraries(data)))
            folders.update(dict.fromkeys(_folders(data)))
    except ElfError:
        pass
    return tuple(libraries), tuple(folders)


def folders(file: BinaryIO, part: bytes) -> tuple[bytes, ...]:
    """Absolute paths that hold `part`, by themselves or in lists, wherever they lead; each once, in
    the file's order."""
    found: dict[bytes, None] = {}
    try:
        for data in _constants(Reader(file)):
            for whole in _around(data, part):
                for one in whole.replace(b":", b" ").split():
                    if one[:1] == b"/" and part in one and _CHARACTERS.issuperset(one):
                        found[one.rstrip(b"/")] = None
    except ElfError:
        pass
    return tuple(found)


def _constants(reader: Reader) -> Iterator[bytes]:
    """Where compilers put strings: .rodata, which is a small part of most programs; without
    section headers, what is mapped to be read only, or else together with the code."""
    section = elfsections.find(reader, b".rodata")
    if section is not None:
        yield reader.at(section.offset, min(section.size, _MAX_BYTES))
        return
    mapped = [s for s in reader.segments if s.kind == PT_LOAD and not s.flags & _PF_W]
    constant = [s for s in mapped if not s.flags & _PF_X] or mapped
    left = _MAX_BYTES
    for segment in constant:
        size = min(segment.filesz, left)
        left -= size
        yield reader.at(segment.offset, size)


def _libraries(data: bytes) -> Iterator[bytes]:
    for whole in _around(data, b".so"):
        name = whole.rpartition(b"/")[2]
        if len(name) == len(whole) or whole[:1] == b"/":
            stem, _, version = name.partition(b".so")
            if name[:3] == b"lib" and len(stem) > 3 and _is_version(version):
                if _CHARACTERS.issuperset(whole):
                    yield whole


def _is_version(raw: bytes) -> bool:
    return not raw or (raw[:1] == b"." and raw[1:].replace(b".", b"").isdigit())


def _folders(data: bytes) -> Iterator[bytes]:
    """Also of lists as in PATH."""
    for whole in _around(data, b"/lib"):
        for one in whole.split(b":"):
            if one.startswith(_FOLDERS) and _CHARACTERS.issuperset(one):
                yield one.rstrip(b"/")


def _around(data: bytes, part: bytes) -> Iterator[bytes]:
    """The strings, ended by NUL, that hold `part`."""
    found = 0
    at = data.find(part)
    while at >= 0 and found < _MAX_FOUND:
        found += 1
        start = data.rfind(b"\0", max(0, at - _MAX_STRING), at) + 1
        end = data.find(b"\0", at, at + _MAX_STRING)
        if end >= 0 and (start or at < _MAX_STRING):
            yield data[start:end]
        at = data.find(part, at + len(part) if end < 0 else end)
