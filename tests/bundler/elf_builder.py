"""Writes small ELF files that real loaders map, so that tests need no compiler."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pants_plugin_minimg.bundler.binaries.elf import (
    DF_1_NODEFLIB,
    DT_AUXILIARY,
    DT_FILTER,
    DT_FLAGS_1,
    DT_HASH,
    DT_NEEDED,
    DT_RPATH,
    DT_RUNPATH,
    DT_SONAME,
    DT_STRTAB,
    DT_SYMTAB,
    EM_X86_64,
    ET_DYN,
    PT_DYNAMIC,
    PT_INTERP,
    PT_LOAD,
)

__all__ = ["AUXILIARY", "FILTER", "GLIBC", "MUSL", "NEEDED", "NODEFLIB", "Spec", "build"]

GLIBC = b"/lib64/ld-linux-x86-64.so.2"
MUSL = b"/lib/ld-musl-x86_64.so.1"
NEEDED, AUXILIARY, FILTER = DT_NEEDED, DT_AUXILIARY, DT_FILTER
NODEFLIB = DF_1_NODEFLIB
_DT_STRSZ, _DT_SYMENT, _PT_GNU_STACK = 10, 11, 0x6474E551
_PAGE = 4096


@dataclass
class Spec:
    """What the file says. `needed` holds names, or (tag, name) for the other tags."""

    needed: Sequence[bytes | tuple[int, bytes]] = ()
    soname: bytes | None = None
    rpath: bytes | None = None
    runpath: bytes | None = None
    flags_1: int = 0
    interp: bytes | None = None
    dynamic: bool = True
    elfclass: int = 64
    endian: str = "little"
    machine: int = EM_X86_64
    e_type: int = ET_DYN
    e_flags: int = 0
    imports: Sequence[bytes] = ()
    exports: Sequence[bytes] = ()
    extra_tags: Sequence[tuple[int, int]] = ()
    base: int = 0  # the address of the first byte
    payload: bytes = b""


class _Strings:
    def __init__(self) -> None:
        self.data = bytearray(b"\0")

    def add(self, value: bytes) -> int:
        if not value:
            return 0
        self.data += value + b"\0"
        return len(self.data) - len(value) - 1


def build(spec: Spec) -> bytes:
    order = "<" if spec.endian == "little" else ">"
    wide = spec.elfclass == 64
    strings = _Strings()
    tags = _tags(spec, strings)
    symbols, hash_table = _symbols(spec, strings, order, wide)
    entry = struct.Struct(order + ("qQ" if wide else "iI"))
    header_size, phdr_size = (64, 56) if wide else (52, 32)
    interp = b"" if spec.interp is None else spec.interp + b"\0"
    count = 2 + bool(spec.interp is not None) + spec.dynamic
    at_interp = header_size + count * phdr_size
    at_dynamic = _aligned(at_interp + len(interp))
    dynamic_size = (len(tags) + 6) * entry.size if spec.dynamic else 0
    at_hash = at_dynamic + dynamic_size
    at_symbols = _aligned(at_hash + len(hash_table))
    at_strings = at_symbols + len(symbols)
    tags += [
        (DT_HASH, spec.base + at_hash),
        (DT_SYMTAB, spec.base + at_symbols),
        (DT_STRTAB, spec.base + at_strings),
        (_DT_STRSZ, len(strings.data)),
        (_DT_SYMENT, 24 if wide else 16),
        (0, 0),
    ]
    body = bytearray(interp.ljust(at_dynamic - at_interp, b"\0"))
    if spec.dynamic:
        body += b"".join(entry.pack(tag, value) for tag, value in tags)
    body += hash_table.ljust(at_symbols - at_hash, b"\0") + symbols + strings.data + spec.payload
    size = at_interp + len(body)
    phdrs = [(PT_LOAD, 6, 0, size, _PAGE), (_PT_GNU_STACK, 6, 0, 0, 16)]
    if spec.interp is not None:
        phdrs.insert(0, (PT_INTERP, 4, at_interp, len(interp), 1))
    if spec.dynamic:
        phdrs.append((PT_DYNAMIC, 6, at_dynamic, dynamic_size, 8))
    head = _header(spec, order, wide, len(phdrs)) + b"".join(
        _phdr(phdr, spec.base, order, wide) for phdr in phdrs
    )
    return head + bytes(body)


def _aligned(offset: int) -> int:
    return -(-offset // 16) * 16


def _tags(spec: Spec, strings: _Strings) -> list[tuple[int, int]]:
    out = []
    for item in spec.needed:
        tag, name = (DT_NEEDED, item) if isinstance(item, bytes) else item
        out.append((tag, strings.add(name)))
    for tag, value in (
        (DT_SONAME, spec.soname),
        (DT_RPATH, spec.rpath),
        (DT_RUNPATH, spec.runpath),
    ):
        if value is not None:
            out.append((tag, strings.add(value)))
    if spec.flags_1:
        out.append((DT_FLAGS_1, spec.flags_1))
    return out + list(spec.extra_tags)


def _symbols(spec: Spec, strings: _Strings, order: str, wide: bool) -> tuple[bytes, bytes]:
    layout = struct.Struct(order + ("IBBHQQ" if wide else "IIIBBH"))
    names: Iterable[tuple[bytes, int]] = [(name, 0) for name in spec.imports] + [
        (name, 1) for name in spec.exports
    ]
    out = [layout.pack(0, 0, 0, 0, 0, 0)]
    for name, section in names:
        index = strings.add(name)
        if wide:
            out.append(layout.pack(index, 0x12, 0, section, spec.base, 8))
        else:
            out.append(layout.pack(index, spec.base, 8, 0x12, 0, section))
    # One bucket whose chain passes through every symbol.
    total = len(out)
    chain = [0] + [index + 1 if index + 1 < total else 0 for index in range(1, total)]
    words = [1, total, 1 if total > 1 else 0, *chain]
    return b"".join(out), struct.pack(f"{order}{len(words)}I", *words)


def _header(spec: Spec, order: str, wide: bool, count: int) -> bytes:
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    layout = order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH")
    size, phdr_size = (64, 56) if wide else (52, 32)
    return ident + struct.pack(
        layout,
        *(spec.e_type, spec.machine, 1, spec.base, size, 0, spec.e_flags),
        *(size, phdr_size, count, 0, 0, 0),
    )


def _phdr(phdr: tuple[int, int, int, int, int], base: int, order: str, wide: bool) -> bytes:
    kind, flags, offset, size, align = phdr
    address = base + offset if size else 0
    if wide:
        return struct.pack(
            order + "IIQQQQQQ", kind, flags, offset, address, address, size, size, align
        )
    return struct.pack(order + "IIIIIIII", kind, offset, address, address, size, size, flags, align)
