"""Writes an ld.so.cache that glibc reads (glibc elf/cache.c, sysdeps/generic/dl-cache.h)."""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Mapping

from pants_plugin_minimg.bundler.binaries.elf import Header
from pants_plugin_minimg.bundler.loader.ldcache import flags_for

_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER, _ENTRY = 48, 24
_LITTLE_ENDIAN, _BIG_ENDIAN = 2, 3
_RUNS = re.compile(rb"[0-9]+|[^0-9]", re.DOTALL)


def render(paths: Mapping[bytes, bytes], header: Header) -> bytes:
    """The cache that notes for each name its path, for programs with such an ELF header."""
    order = "<" if header.endian == "little" else ">"
    names = sorted(paths, key=functools.cmp_to_key(_compare), reverse=True)
    strings_at = _HEADER + _ENTRY * len(names)
    entries, strings = bytearray(), bytearray()
    for name in names:
        key = strings_at + len(strings)
        value = key + len(name) + 1
        strings += name + b"\0" + paths[name] + b"\0"
        entries += struct.pack(order + "iIIIQ", max(flags_for(header)), key, value, 0, 0)
    head = struct.pack(
        order + "20sIIB3xI12x",
        _MAGIC,
        len(names),
        len(strings),
        _LITTLE_ENDIAN if header.endian == "little" else _BIG_ENDIAN,
        0,
    )
    return head + bytes(entries) + bytes(strings)


def _compare(one: bytes, other: bytes) -> int:
    """The order of the loader's binary search: runs of digits by value, all else by byte.

    glibc elf/dl-cache.c, _dl_cache_libcmp: a digit sorts after any other character.
    """
    for first, second in zip(_runs(one), _runs(other)):
        if first == second:
            continue
        if first.isdigit() and second.isdigit():
            if int(first) != int(second):
                return int(first) - int(second)
            continue
        if first.isdigit() or second.isdigit():
            return 1 if first.isdigit() else -1
        return int(first[0]) - int(second[0])
    return len(_runs(one)) - len(_runs(other))


def _runs(name: bytes) -> list[bytes]:
    return _RUNS.findall(name)
