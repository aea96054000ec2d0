"""Whether glibc takes a file (elf/dl-load.c: open_verify, _dl_map_object_from_fd)."""

from __future__ import annotations

import struct

from pants_plugin_minimg.bundler.binaries.elf import (
    DF_1_PIE,
    EF_ARM_HARD_FLOAT,
    EM_ARM,
    EM_PPC64,
    EM_RISCV,
    ET_DYN,
    ET_EXEC,
    Header,
)
from pants_plugin_minimg.bundler.loader.context import File

#: Not for this loader: the search goes on.
SKIP = "skip"

_EF_ARM_SOFT_FLOAT = 0x200
_PAGE = 4096


def verify(raw: bytes, wanted: Header) -> str | None:
    """None: fine. SKIP, or why the loader stops. `raw` is the start of the file."""
    wide = wanted.elfclass == 64
    if len(raw) < (64 if wide else 52):
        return "file too short"
    order = "<" if wanted.endian == "little" else ">"
    e_type, machine, version = struct.unpack_from(order + "HHI", raw, 16)
    flags, _, phentsize = struct.unpack_from(order + "IHH", raw, 48 if wide else 36)
    problem = _ident(raw[:16], wanted.ident)
    if problem is not None:
        # Of a foreign machine's file the loader does not mind the rest of e_ident.
        foreign = raw[:4] == wanted.ident[:4] and machine != wanted.machine
        return SKIP if foreign else problem
    if version != 1:
        return "ELF file version does not match"
    if machine != wanted.machine or not _same_abi(machine, flags, wanted.e_flags):
        return SKIP
    if e_type not in (ET_DYN, ET_EXEC):
        return "only ET_DYN and ET_EXEC can be loaded"
    if phentsize != (56 if wide else 32):
        return "program headers of an unexpected size"
    return None


def _ident(ident: bytes, wanted: bytes) -> str | None:
    if ident[:4] != b"\x7fELF":
        return "invalid ELF header"
    if ident[4] != wanted[4]:
        return SKIP
    if ident[5] != wanted[5]:
        return "another byte order"
    if ident[6] != 1:
        return "ELF file version ident does not match"
    if ident[7] not in (0, 3):
        return "ELF file OS ABI invalid"
    if ident[8] > (0 if ident[7] == 0 else 3):
        return "ELF file ABI version invalid"
    if any(ident[9:16]):
        return "nonzero padding in e_ident"
    return None


def _same_abi(machine: int, flags: int, wanted: int) -> bool:
    """elf_machine_matches_host of the machines that have several calling conventions."""
    if machine == EM_ARM:
        opposite = _EF_ARM_SOFT_FLOAT if wanted & EF_ARM_HARD_FLOAT else EF_ARM_HARD_FLOAT
        return not flags & opposite
    if machine == EM_RISCV:
        return flags & 6 == wanted & 6
    if machine == EM_PPC64:
        return flags & 3 in (0, wanted & 3)
    return True


def mappable(file: File) -> str | None:
    """Why a file that `verify` let pass cannot be mapped as a library; None: it can."""
    elf = file.elf
    if elf is None:
        return file.error
    if not elf.loads:
        return "object file has no loadable segments"
    if not elf.aligned:
        return "ELF load command not page-aligned"
    if elf.e_type != ET_DYN:
        return "cannot dynamically load executable"
    if not elf.dynamic:
        return "object file has no dynamic section"
    if elf.flags_1 & DF_1_PIE:
        return "cannot dynamically load position-independent executable"
    return None
