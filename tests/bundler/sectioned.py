"""Adds a section table to an ELF file of `elf_builder`, which writes none."""

from __future__ import annotations

import struct


def with_section(elf: bytes, name: bytes, data: bytes, *, size: int | None = None) -> bytes:
    """A 64-bit little-endian file with one section more: over bytes that it has, else appended.

    `size` is what the table says instead of the true one. The file's first address is 0.
    """
    at = elf.find(data) if data else -1
    address = at if at >= 0 else 0
    if at < 0:
        at = len(elf)
        elf += data
    names = b"\0" + name + b"\0.shstrtab\0"
    at_names = len(elf)
    elf += names + bytes(-(len(elf) + len(names)) % 8)
    row = struct.Struct("<IIQQQQIIQQ")
    said = len(data) if size is None else size
    table = row.pack(*([0] * 10))
    table += row.pack(1, 1, 0, address, at, said, 0, 0, 1, 0)
    table += row.pack(len(name) + 2, 3, 0, 0, at_names, len(names), 0, 0, 1, 0)
    head = bytearray(elf)
    struct.pack_into("<Q", head, 40, len(elf))
    struct.pack_into("<HHH", head, 58, row.size, 3, 2)
    return bytes(head) + table
