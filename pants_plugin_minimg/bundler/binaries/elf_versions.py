"""The symbol versions in an ELF file: what DT_VERNEED asks for, what DT_VERDEF offers.

Found by their tags through PT_LOAD, as a loader does, and never by section headers; the records are
read by pyelftools, which is imported with the first table since that takes as long as a closure.
The chains end where the loader sees their end, at a link of 0 (glibc elf/dl-version.c).
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from typing import Any, BinaryIO

from pants_plugin_minimg.bundler.binaries.elf import (
    DT_STRTAB,
    DT_VERDEF,
    DT_VERNEED,
    Elf,
    ElfError,
    Reader,
)
from pants_plugin_minimg.bundler.records import NamedTuple

#: Records of one table, and names of all of them; a C library, which has most, has a hundred.
MAX_RECORDS = 1 << 13

_VER_FLG_WEAK = 2

#: Stand-ins for modules while pyelftools is imported; its classes take of them what is here.
_DEBUGGING: dict[str, dict[str, object]] = {
    "elftools.construct.debug": {"Probe": None, "Debugger": None},
    "pprint": {"pformat": repr},
}


class Need(NamedTuple):
    """One version that a file needs of a library; `hash` is what the loader compares first."""

    library: bytes
    version: bytes
    hash: int
    weak: bool


class Definitions(NamedTuple):
    """The (hash, version) pairs that a library defines, up to where its table is damaged."""

    pairs: frozenset[tuple[int, bytes]]
    damage: str | None


def needs(file: BinaryIO, elf: Elf) -> tuple[Need, ...]:
    """The versions that the file needs, in its order. ElfError for a table that is damaged."""
    if DT_VERNEED not in elf.tags or DT_STRTAB not in elf.tags:
        return ()
    out: list[Need] = []
    reader = Reader(file)
    for record, names in _records(reader, elf, _tables().GNUVerNeedSection, DT_VERNEED, "vn"):
        if not out and record["vn_version"] != 1:
            raise ElfError(f"unsupported version {record['vn_version']} of the needed versions")
        out += [
            Need(record.name, name.name, name["vna_hash"], bool(name["vna_flags"] & _VER_FLG_WEAK))
            for name in names
        ]
    return tuple(out)


def definitions(file: BinaryIO, elf: Elf) -> Definitions | None:
    """The versions that the file defines; None where it has no such table."""
    if DT_VERDEF not in elf.tags:
        return None
    pairs = []
    try:
        reader = Reader(file)
        for record, names in _records(reader, elf, _tables().GNUVerDefSection, DT_VERDEF, "vd"):
            if record["vd_version"] != 1:
                raise ElfError(f"unsupported version {record['vd_version']} of the definitions")
            pairs.append((record["vd_hash"], names[0].name))
    except ElfError as error:
        return Definitions(frozenset(pairs), str(error))
    return Definitions(frozenset(pairs), None)


@functools.cache
def _tables() -> Any:
    """What pyelftools knows of version tables, without what it imports to debug alone.

    That brings Python's debugger, which from 3.13 on reads what the machine says of its terminals,
    `inspect` and, from 3.10 on, `dataclasses`: together half of what there is to import.
    """
    known = sys.modules.keys() & _DEBUGGING.keys()
    for name in _DEBUGGING.keys() - known:
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(_DEBUGGING[name])
    try:
        from elftools.elf import gnuversions
    finally:
        for name in _DEBUGGING.keys() - known:
            del sys.modules[name]
    return gnuversions


def _records(
    reader: Reader, elf: Elf, section: Any, tag: int, prefix: str
) -> Iterator[tuple[Any, list[Any]]]:
    """Each record of a table with its names: of a definition the first alone, its own."""
    from elftools.common.exceptions import ELFError

    header = {"sh_flags": 0, "sh_size": 0, "sh_addralign": 1, "sh_offset": 0}
    header["sh_info"] = left = MAX_RECORDS
    source = _Source(_structs(elf.endian, elf.elfclass), _Mapped(reader, elf.tags[tag]))
    strings = _Strings(reader, elf.tags.get(DT_STRTAB))
    try:
        for record, auxiliaries in section(header, "", source, strings).iter_versions():
            names = []
            for name in auxiliaries:
                names.append(name)
                left -= 1
                if left < 0:
                    raise ElfError("too many symbol versions")
                if prefix == "vd" or not name[f"{prefix}a_next"]:
                    break
            else:
                raise ElfError("a list of versions with no end")
            yield record, names
            if not record[f"{prefix}_next"]:
                return
    except ELFError as error:
        raise ElfError(f"symbol versions that cannot be read: {error}") from None
    raise ElfError("symbol versions with no end")


@functools.cache
def _structs(endian: str, elfclass: int) -> Any:
    from elftools.elf.structs import ELFStructs

    made: Any = ELFStructs  # it has no annotations
    structs = made(endian == "little", elfclass)
    structs.create_basic_structs()
    structs.create_advanced_structs()
    return structs


class _Source(NamedTuple):
    """What a section of pyelftools asks of its file."""

    structs: Any
    stream: _Mapped


class _Mapped:
    """A stream of what is mapped from an address on, to the end of its segment."""

    def __init__(self, reader: Reader, address: int) -> None:
        self._reader = reader
        self._offset, self._room = reader.offset_of(address)
        self._position = 0

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, size: int) -> bytes:
        size = min(size, self._room - self._position)
        raw = self._reader.at(self._offset + self._position, size) if size > 0 else b""
        self._position += len(raw)
        return raw


class _Strings:
    """The names, bounded and as bytes, where pyelftools would have text."""

    def __init__(self, reader: Reader, table: int | None) -> None:
        self._reader = reader
        self._table = table

    def get_string(self, offset: int) -> bytes:
        return self._reader.string(self._table, offset)
