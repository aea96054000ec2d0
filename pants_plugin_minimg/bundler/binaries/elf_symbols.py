"""The dynamic symbols of an ELF file, counted by its hash tables as loaders do."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO

from pants_plugin_minimg.bundler.binaries.elf import (
    DT_GNU_HASH,
    DT_HASH,
    DT_STRTAB,
    DT_SYMTAB,
    EM_S390,
    MAX_STRING,
    Elf,
    ElfError,
    Reader,
)

_MAX_SYMBOLS = 1 << 21
_MAX_SYMBOL_NAMES = 1 << 26
_EM_ALPHA = 0x9026


def imports(file: BinaryIO, elf: Elf) -> frozenset[bytes]:
    """Names of the dynamic symbols that the file leaves to others to define. ElfError."""
    if not elf.dynamic:
        return frozenset()
    reader = _Symbols(file)
    raw, layout, strings = reader.symbol_table(elf.tags)
    out = set()
    for entry in layout.iter_unpack(raw):
        if not (entry[3] if reader.wide else entry[5]):  # st_shndx
            end = strings.find(b"\0", entry[0], entry[0] + MAX_STRING)
            if end > entry[0]:
                out.add(strings[entry[0] : end])
    return frozenset(out)


def symbols_among(
    file: BinaryIO, elf: Elf, names: Iterable[bytes], *, defined: bool
) -> frozenset[bytes]:
    """Which of `names` the file defines, or leaves undefined. ElfError.

    The strings are searched first: most files hold none of them, and that is a matter of
    microseconds where a walk over all symbols is not.
    """
    if not elf.dynamic:
        return frozenset()
    reader = _Symbols(file)
    raw, layout, strings = reader.symbol_table(elf.tags)
    starts: dict[int, bytes] = {}
    for name in names:
        found = strings.find(name + b"\0")
        while found >= 0:
            starts[found] = name
            found = strings.find(name + b"\0", found + 1)
    if not starts:
        return frozenset()
    return frozenset(
        starts[entry[0]]
        for entry in layout.iter_unpack(raw)
        if entry[0] in starts and bool(entry[3] if reader.wide else entry[5]) == defined
    )


class _Symbols(Reader):
    def symbol_count(self, tags: dict[int, int]) -> int:
        """From the hash tables, which is how a loader knows. 0 without one."""
        if DT_HASH in tags:
            offset, _ = self.offset_of(tags[DT_HASH])
            # s390x and Alpha have words of 64 bits here.
            odd = self.wide and self.header.machine in (EM_S390, _EM_ALPHA)
            raw = self.at(offset, 16 if odd else 8)
            if len(raw) < (16 if odd else 8):
                raise ElfError("cut off in the hash table")
            return int(struct.unpack(self.order + ("QQ" if odd else "II"), raw)[1])
        if DT_GNU_HASH in tags:
            return self._gnu_count(tags[DT_GNU_HASH])
        return 0

    def _gnu_count(self, address: int) -> int:
        offset, _ = self.offset_of(address)
        raw = self.at(offset, 16)
        if len(raw) < 16:
            raise ElfError("cut off in the hash table")
        buckets, first, bloom, _ = struct.unpack(self.order + "IIII", raw)
        if buckets > _MAX_SYMBOLS or bloom > _MAX_SYMBOLS:
            raise ElfError("a hash table too large")
        at = offset + 16 + bloom * (8 if self.wide else 4)
        raw = self.at(at, 4 * buckets)
        if len(raw) < 4 * buckets:
            raise ElfError("cut off in the hash table")
        last = max(struct.unpack(f"{self.order}{buckets}I", raw), default=0)
        if last < first:
            return int(first)
        chain = at + 4 * buckets + 4 * (last - first)
        for _ in range(_MAX_SYMBOLS // 1024):
            raw = self.at(chain, 4096)
            for (value,) in struct.iter_unpack(self.order + "I", raw[: len(raw) // 4 * 4]):
                last += 1
                if value & 1:
                    return int(last)
            if len(raw) < 4096:
                break
            chain += 4096
        raise ElfError("a hash chain has no end")

    def symbol_table(self, tags: dict[int, int]) -> tuple[bytes, struct.Struct, bytes]:
        """The symbols, their layout, and the strings that they index."""
        layout = struct.Struct(self.order + ("IBBHQQ" if self.wide else "IIIBBH"))
        if DT_SYMTAB not in tags or DT_STRTAB not in tags:
            return b"", layout, b""
        count = self.symbol_count(tags)
        if count > _MAX_SYMBOLS:
            raise ElfError("too many symbols")
        offset, _ = self.offset_of(tags[DT_SYMTAB])
        raw = self.at(offset, count * layout.size)
        if len(raw) < count * layout.size:
            raise ElfError("cut off in the symbol table")
        names, room = self.offset_of(tags[DT_STRTAB])
        # The strings end with the last name; the segment that they lie in may be the whole file.
        last = max((entry[0] for entry in layout.iter_unpack(raw)), default=0)
        room = min(room, last + MAX_STRING, _MAX_SYMBOL_NAMES)
        return raw, layout, self.at(names, room)
