"""Gives the small ELF files of `elf_builder` tables of symbol versions."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Union

from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.binaries.elf import DT_VERDEF, DT_VERNEED

from .elf_builder import Spec, build

WEAK = 2
_DT_VERDEFNUM, _DT_VERNEEDNUM = 0x6FFFFFFD, 0x6FFFFFFF


def elf_hash(name: bytes) -> int:
    """System V ABI, chapter 5, Hash Table."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        value = (value ^ ((value & 0xF0000000) >> 24)) & 0x0FFFFFFF
    return value


@dataclass(frozen=True)
class Name:
    """A version that is needed or defined, with the fields that a test may want to be wrong."""

    name: bytes
    flags: int = 0
    hash: int | None = None
    next: int | None = None

    @property
    def hashed(self) -> int:
        return elf_hash(self.name) if self.hash is None else self.hash


@dataclass(frozen=True)
class Format:
    """`next` and `count` of the last record, where they are to lie."""

    version: int = 1
    next: int = 0
    count: int | None = None


#: Library -> the versions that are needed of it.
Needs = Mapping[bytes, Sequence[Union[bytes, Name]]]


def versioned(
    spec: Spec,
    needs: Needs | None = None,
    defines: Sequence[bytes | Name] | None = None,
    form: Format = Format(),
) -> bytes:
    """The file of `spec`, which must have a dynamic section, with DT_VERNEED and DT_VERDEF."""
    tags = list(spec.extra_tags)
    if needs is not None:
        tags += [(DT_VERNEED, 0), (_DT_VERNEEDNUM, len(needs))]
    if defines is not None:
        tags += [(DT_VERDEF, 0), (_DT_VERDEFNUM, len(defines))]
    bare = build(replace(spec, extra_tags=tags))
    strings_at = elf.read(io.BytesIO(bare)).tags[elf.DT_STRTAB]
    order = "<" if spec.endian == "little" else ">"
    tables, addresses = bytearray(), {}
    strings = bytearray()
    start = spec.base + len(bare)
    # All strings come first, so that their place does not depend on the tables.
    for library, names in (needs or {}).items():
        for raw in (library, *(_named(name).name for name in names)):
            strings += raw + b"\0"
    for name in defines or ():
        strings += _named(name).name + b"\0"

    def index(raw: bytes) -> int:
        return start + (b"\0" + strings).index(b"\0" + raw + b"\0") - strings_at

    if needs is not None:
        addresses[DT_VERNEED] = start + len(strings) + len(tables)
        tables += _verneed(order, needs, index, form)
    if defines is not None:
        addresses[DT_VERDEF] = start + len(strings) + len(tables)
        tables += _verdef(order, defines, index, form)
    tags = [(tag, addresses.get(tag, value)) for tag, value in tags]
    payload = spec.payload + bytes(strings + tables)
    return build(replace(spec, extra_tags=tags, payload=payload))


def _named(name: bytes | Name) -> Name:
    return Name(name) if isinstance(name, bytes) else name


def _verneed(order: str, needs: Needs, index: Callable[[bytes], int], form: Format) -> bytes:
    out = bytearray()
    for number, (library, names) in enumerate(needs.items()):
        last = number == len(needs) - 1
        count = form.count if last and form.count is not None else len(names)
        step = form.next if last else 16 + 16 * len(names)
        out += struct.pack(order + "HHIII", form.version, count, index(library), 16, step)
        for place, name in enumerate(map(_named, names)):
            following = 16 if place < len(names) - 1 else 0
            following = following if name.next is None else name.next
            fields = (name.hashed, name.flags, 2 + place, index(name.name), following)
            out += struct.pack(order + "IHHII", *fields)
    return bytes(out)


def _verdef(
    order: str, defines: Sequence[bytes | Name], index: Callable[[bytes], int], form: Format
) -> bytes:
    out = bytearray()
    for number, name in enumerate(map(_named, defines)):
        last = number == len(defines) - 1
        count = form.count if last and form.count is not None else 1
        step = form.next if last else 28
        fields = (form.version, name.flags, number + 1, count, name.hashed, 20, step)
        out += struct.pack(order + "HHHHIII", *fields)
        out += struct.pack(order + "II", index(name.name), 0)
    return bytes(out)
