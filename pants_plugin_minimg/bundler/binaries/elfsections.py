"""Sections of an ELF file by name, for what is recorded in one and never loaded.

Section headers are optional and linkers' own (gABI, chapter "Sections"): a file without the section
and one whose table is damaged are told alike.
"""

from __future__ import annotations

import struct

from pants_plugin_minimg.bundler.binaries.elf import Reader
from pants_plugin_minimg.bundler.records import NamedTuple

_SHN_XINDEX, _SHT_NOBITS = 0xFFFF, 8
#: Far above what a linker writes.
_MAX_SECTIONS, _MAX_NAMES = 1 << 16, 1 << 22


class Section(NamedTuple):
    """`address` is virtual, 0 for what is not loaded; `offset` and `size` are of the file."""

    address: int
    offset: int
    size: int


def find(reader: Reader, name: bytes) -> Section | None:
    """The first section of that name that has bytes in the file. Raises ElfError of the reader."""
    table = _table(reader)
    if not table:
        return None
    names = _names(reader, table)
    wanted = name + b"\0"
    for index, kind, address, offset, size, _ in table:
        if kind != _SHT_NOBITS and size and names[index : index + len(wanted)] == wanted:
            return Section(address, offset, size)
    return None


def ends(reader: Reader) -> list[int]:
    """Where each section ends in the file, and where their table does."""
    wide = reader.wide
    place, each = (40, 64) if wide else (32, 40)
    (start,) = struct.unpack_from(
        reader.order + ("Q" if wide else "I"), reader.at(0, 64).ljust(64, b"\0"), place
    )
    table = _table(reader)
    sections = [offset + size for _, kind, _, offset, size, _ in table if kind != _SHT_NOBITS]
    return [*sections, start + each * len(table)] if table else sections


def content(reader: Reader, section: Section, limit: int) -> bytes | None:
    """The section's bytes; None when the file is cut off or they are more than `limit`."""
    if section.size > limit:
        return None
    data = reader.at(section.offset, section.size)
    return data if len(data) == section.size else None


_Row = tuple[int, int, int, int, int, int]


def _table(reader: Reader) -> list[_Row]:
    """(name, type, address, offset, size, link) of each section; empty where there is no table."""
    wide = reader.wide
    place, counts = (40, 58) if wide else (32, 46)
    raw = reader.at(0, 64 if wide else 52)
    if len(raw) < (64 if wide else 52):
        return []
    (start,) = struct.unpack_from(reader.order + ("Q" if wide else "I"), raw, place)
    each, count, _ = struct.unpack_from(reader.order + "HHH", raw, counts)
    layout = struct.Struct(reader.order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"))
    if start == 0 or each != layout.size:
        return []
    if count == 0:  # the number is in the first header's size (gABI, e_shnum)
        first = reader.at(start, layout.size)
        count = layout.unpack(first)[5] if len(first) == layout.size else 0
    data = reader.at(start, min(count, _MAX_SECTIONS) * layout.size)
    whole = len(data) // layout.size * layout.size
    return [
        (row[0], row[1], row[3], row[4], row[5], row[6]) for row in layout.iter_unpack(data[:whole])
    ]


def _names(reader: Reader, table: list[_Row]) -> bytes:
    (index,) = struct.unpack_from(reader.order + "H", reader.at(0, 64), 62 if reader.wide else 50)
    if index == _SHN_XINDEX:
        index = table[0][5]
    if index >= len(table):
        return b""
    _, _, _, offset, size, _ = table[index]
    return reader.at(offset, min(size, _MAX_NAMES))
