"""/etc/ld.so.cache: which path `ldconfig` noted for a name (glibc elf/dl-cache.c, dl-cache.h)."""

from __future__ import annotations

import struct

from pants_plugin_minimg.bundler.binaries.elf import (
    EF_ARM_HARD_FLOAT,
    EM_386,
    EM_AARCH64,
    EM_ARM,
    EM_PPC64,
    EM_RISCV,
    EM_S390,
    EM_X86_64,
    Header,
)

_OLD_MAGIC = b"ld.so-1.7.0"
_NEW_MAGIC = b"glibc-ld.so.cache1.1"
_OLD_HEADER, _OLD_ENTRY = 16, 12
_NEW_HEADER, _NEW_ENTRY = 48, 24
_MAX_NAME = 4096


class Cache:
    """What the cache notes, without the entries for better processors.

    `entries`: name -> [(flags, where in `raw` the path is)] in the file's order. Names are as the
    loader compares them: see `compared`.
    """

    def __init__(self, raw: bytes, entries: dict[bytes, list[tuple[int, int]]]) -> None:
        self._raw = raw
        self.entries = entries

    def lookup(self, name: bytes, wanted: frozenset[int]) -> bytes | None:
        """The path noted for `name` whose flags (see `flags_for`) are among `wanted`."""
        for flags, value in self.entries.get(compared(name), ()):
            path = _string(self._raw, value) if flags in wanted else None
            if path is not None:
                return path
        return None


def compared(name: bytes) -> bytes:
    """Runs of digits count by their value: `liba.so.01` is found as `liba.so.1`.

    glibc elf/dl-cache.c, _dl_cache_libcmp.
    """
    pieces = []
    start = 0  # behind the zero that was left out last
    zero = name.find(b"0")
    while zero >= 0:
        leads = zero == start or not name[zero - 1 : zero].isdigit()
        if leads and name[zero + 1 : zero + 2].isdigit():
            pieces.append(name[start:zero])
            start = zero + 1
        zero = name.find(b"0", zero + 1)
    return b"".join([*pieces, name[start:]])


def flags_for(header: Header) -> frozenset[int]:
    """Entry flags that the loader of such files takes (glibc sysdeps/**/dl-cache.h)."""
    machine, wide = header.machine, header.elfclass == 64
    if machine == EM_X86_64:
        return frozenset([0x303 if wide else 0x803])
    if machine == EM_ARM:
        return frozenset([0x903 if header.e_flags & EF_ARM_HARD_FLOAT else 0xB03, 3])
    if machine == EM_RISCV:
        return frozenset([0x1003 if header.e_flags & 6 == 4 else 0xF03])
    if machine == EM_386:
        return frozenset([1, 3])
    known = {EM_AARCH64: 0xA03, EM_PPC64: 0x503, EM_S390: 0x403 if wide else 3}
    return frozenset([known.get(machine, 3)])


def parse(raw: bytes) -> Cache | None:
    """None for a file that the loader ignores: no cache, cut off, or of foreign byte order."""
    if raw.startswith(_NEW_MAGIC):
        return _new(raw, 0)
    if not raw.startswith(_OLD_MAGIC) or len(raw) < _OLD_HEADER:
        return None
    for order in "<>":
        (count,) = struct.unpack_from(order + "I", raw, 12)
        end = _OLD_HEADER + count * _OLD_ENTRY
        if end > len(raw):
            continue
        # The new format follows, aligned as the machine aligns 64-bit words.
        for start in (-(-end // 8) * 8, end):
            if raw.startswith(_NEW_MAGIC, start):
                return _new(raw, start)
        return _old(raw, order, count, end)
    return None


def _order(raw: bytes, start: int) -> str | None:
    # Bits 0 and 1: unset, invalid, little, big. Unset: told by a plausible number of entries.
    mark = raw[start + 28] & 3
    if mark == 0:
        (count,) = struct.unpack_from("<I", raw, start + 20)
        return "<" if count < 1 << 24 else ">"
    return {2: "<", 3: ">"}.get(mark)


def _new(raw: bytes, start: int) -> Cache | None:
    if len(raw) - start < _NEW_HEADER:
        return None
    order = _order(raw, start)
    if order is None:
        return None
    (count,) = struct.unpack_from(order + "I", raw, start + 20)
    first = start + _NEW_HEADER
    if count > (len(raw) - first) // _NEW_ENTRY:
        return None
    entries: dict[bytes, list[tuple[int, int]]] = {}
    table = memoryview(raw)[first : first + count * _NEW_ENTRY]
    for flags, key, value, _, hwcap in struct.iter_unpack(order + "iIIIQ", table):
        if hwcap == 0:  # else: for a processor beyond the baseline
            _add(entries, raw, flags, start + key, start + value)
    return Cache(raw, entries)


def _old(raw: bytes, order: str, count: int, strings: int) -> Cache:
    entries: dict[bytes, list[tuple[int, int]]] = {}
    table = memoryview(raw)[_OLD_HEADER : _OLD_HEADER + count * _OLD_ENTRY]
    for flags, key, value in struct.iter_unpack(order + "iII", table):
        _add(entries, raw, flags, strings + key, strings + value)
    return Cache(raw, entries)


def _add(
    entries: dict[bytes, list[tuple[int, int]]], raw: bytes, flags: int, key: int, value: int
) -> None:
    end = raw.find(b"\0", key, key + _MAX_NAME)
    if end >= 0:
        entries.setdefault(compared(raw[key:end]), []).append((flags, value))


def _string(raw: bytes, offset: int) -> bytes | None:
    end = raw.find(b"\0", offset, offset + _MAX_NAME)
    return None if end < 0 else raw[offset:end]
