"""What a loader reads of an ELF file, in one pass over a few kilobytes.

Section headers play no part, as in the loaders themselves: PT_DYNAMIC's address is mapped through
PT_LOAD, strings are found by DT_STRTAB, the last of several equal tags counts (glibc
elf/get-dynamic-info.h, elf/dl-load.c). Everything that the file says is bounded before it is used.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB, DT_SYMTAB, DT_SONAME, DT_RPATH, DT_RUNPATH = 1, 5, 6, 14, 15, 29
DT_HASH, DT_GNU_HASH, DT_FLAGS_1 = 4, 0x6FFFFEF5, 0x6FFFFFFB
DT_AUXILIARY, DT_FILTER = 0x7FFFFFFD, 0x7FFFFFFF
DF_1_NODEFLIB, DF_1_NOOPEN, DF_1_PIE = 0x800, 0x40, 0x8000000
EM_386, EM_PPC64, EM_S390, EM_ARM, EM_X86_64, EM_AARCH64, EM_RISCV = 3, 21, 22, 40, 62, 183, 243
EF_ARM_HARD_FLOAT = 0x400

#: Bounds, far above what a linker writes and low enough that no file costs a second.
MAX_STRING = 1 << 16
MAX_STRINGS = 1 << 24
MAX_DYNAMIC = 1 << 20
MAX_NEEDED = 1 << 16
_PAGE = 4096
_PATH_MAX = 4096
_WINDOW = 1 << 14
_CHUNK = 1 << 20


class ElfError(Exception):
    """The file is not an ELF file that a loader could read; the message says why."""


class Segment(NamedTuple):
    kind: int
    flags: int
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int


class Header(NamedTuple):
    """The file header. `elfclass` is 32 or 64, `endian` "little" or "big"; `ident` 16 bytes."""

    ident: bytes
    elfclass: int
    endian: str
    e_type: int
    machine: int
    e_version: int
    e_flags: int
    phoff: int
    phentsize: int
    phnum: int

    @property
    def osabi(self) -> int:
        return self.ident[7]


class Elf(NamedTuple):
    """`needed` holds (tag, name) in the order of the dynamic section: NEEDED, AUXILIARY, FILTER.

    `interp`, `soname`, `rpath` and `runpath` are None where absent; an empty one is b"".
    `interp_error` says why the kernel would refuse PT_INTERP (which loaders never look at).
    `dynamic` says whether there is a PT_DYNAMIC; `tags` its last value of each tag.
    """

    header: Header
    segments: tuple[Segment, ...]
    interp: bytes | None
    dynamic: bool
    tags: dict[int, int]
    needed: tuple[tuple[int, bytes], ...] = ()
    soname: bytes | None = None
    rpath: bytes | None = None
    runpath: bytes | None = None
    flags_1: int = 0
    interp_error: str | None = None

    @property
    def machine(self) -> int:
        return self.header.machine

    @property
    def elfclass(self) -> int:
        return self.header.elfclass

    @property
    def endian(self) -> str:
        return self.header.endian

    @property
    def e_type(self) -> int:
        return self.header.e_type

    @property
    def e_flags(self) -> int:
        return self.header.e_flags

    @property
    def osabi(self) -> int:
        return self.header.osabi


def read_header(file: BinaryIO) -> Header:
    """The first bytes alone. ElfError for no ELF file, or one cut off inside its header."""
    return _parse_header(_at(file, 0, 64))


def _parse_header(raw: bytes) -> Header:
    if raw[:4] != b"\x7fELF":
        raise ElfError("not an ELF file")
    if len(raw) < 52:
        raise ElfError("cut off in the file header")
    elfclass = {1: 32, 2: 64}.get(raw[4])
    endian = {1: "little", 2: "big"}.get(raw[5])
    if elfclass is None or endian is None:
        raise ElfError("neither 32 nor 64 bits, or no known byte order")
    order = "<" if endian == "little" else ">"
    layout = order + ("HHIQQQIHHH" if elfclass == 64 else "HHIIIIIHHH")
    if len(raw) < 16 + struct.calcsize(layout):
        raise ElfError("cut off in the file header")
    fields = struct.unpack_from(layout, raw, 16)
    e_type, machine, version, _, phoff, _, flags, _, phentsize, phnum = fields
    return Header(
        raw[:16], elfclass, endian, e_type, machine, version, flags, phoff, phentsize, phnum
    )


def read(file: BinaryIO) -> Elf:
    """All that a loader reads. ElfError for whatever it would not load."""
    return Reader(file).read()


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Up to `size` bytes; fewer at the end of the file.

    A size comes from the file itself and may lie: memory for it is taken as bytes arrive.
    """
    if offset < 0 or offset >= 1 << 62:
        return b""
    try:
        file.seek(offset)
        pieces = [file.read(min(size, _CHUNK))]
        while pieces[-1] and (left := size - sum(map(len, pieces))) > 0:
            pieces.append(file.read(min(left, _CHUNK)))
    except (OSError, ValueError, OverflowError) as err:
        raise ElfError(f"cannot be read: {err}") from err
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Reader:
    """One file being read; `first` saves most reads, since linkers put these tables in front."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.first = _at(file, 0, 2 * _PAGE)
        self._window, self._window_at = b"", 0
        self.header = _parse_header(self.first)
        self.order = "<" if self.header.endian == "little" else ">"
        self.wide = self.header.elfclass == 64
        self.segments = self._segments()
        # What is mapped later covers what was mapped before.
        self.loads = [s for s in reversed(self.segments) if s.kind == PT_LOAD]
        self._strings: dict[int, bytes] = {}
        self._string_bytes = 0

    def at(self, offset: int, size: int) -> bytes:
        if 0 <= offset and offset + size <= len(self.first):
            return self.first[offset : offset + size]
        start = offset - self._window_at
        if 0 <= start and start + size <= len(self._window):
            return self._window[start : start + size]
        if size >= _WINDOW:
            return _at(self.file, offset, size)
        self._window, self._window_at = _at(self.file, offset, _WINDOW), offset
        return self._window[:size]

    def _segments(self) -> tuple[Segment, ...]:
        header = self.header
        if header.phnum == 0:
            return ()
        # Without p_paddr; of 64 bits the fields are in Segment's order.
        layout = struct.Struct(self.order + ("IIQQ8xQQQ" if self.wide else "III4xIIII"))
        if header.phentsize != layout.size:
            raise ElfError(f"program headers of {header.phentsize} bytes each")
        raw = self.at(header.phoff, header.phnum * layout.size)
        if len(raw) < header.phnum * layout.size:
            raise ElfError("cut off in the program headers")
        if self.wide:
            return tuple(map(Segment._make, layout.iter_unpack(raw)))
        return tuple(
            Segment(kind, flags, offset, vaddr, filesz, memsz, align)
            for kind, offset, vaddr, filesz, memsz, flags, align in layout.iter_unpack(raw)
        )

    def read(self) -> Elf:
        interp, interp_error = self._interp()
        dynamic = None
        for segment in self.segments:
            # A file of debug information keeps the header with nothing behind it.
            if segment.kind == PT_DYNAMIC and segment.filesz:
                dynamic = segment
        if dynamic is None:
            return Elf(self.header, self.segments, interp, False, {}, interp_error=interp_error)
        needed: list[tuple[int, int]] = []
        tags: dict[int, int] = {}
        for tag, value in self._entries(dynamic):
            tags[tag] = value
            if tag in (DT_NEEDED, DT_AUXILIARY, DT_FILTER):
                needed.append((tag, value))
                if len(needed) > MAX_NEEDED:
                    raise ElfError("too many libraries asked for")
        table = tags.get(DT_STRTAB)

        def optional(tag: int) -> bytes | None:
            return None if tag not in tags else self.string(table, tags[tag])

        return Elf(
            header=self.header,
            segments=self.segments,
            interp=interp,
            dynamic=True,
            needed=tuple([(tag, self.string(table, value)) for tag, value in needed]),
            soname=optional(DT_SONAME),
            rpath=optional(DT_RPATH),
            runpath=optional(DT_RUNPATH),
            flags_1=tags.get(DT_FLAGS_1, 0),
            interp_error=interp_error,
            tags=tags,
        )

    def _interp(self) -> tuple[bytes | None, str | None]:
        """The first PT_INTERP, under the kernel's conditions (Linux, fs/binfmt_elf.c)."""
        for segment in self.segments:
            if segment.kind == PT_INTERP:
                if not 2 <= segment.filesz <= _PATH_MAX:
                    return None, "the interpreter's name is empty or too long"
                raw = self.at(segment.offset, segment.filesz)
                if len(raw) < segment.filesz or raw[-1:] != b"\0":
                    return None, "the interpreter's name has no end"
                return raw.partition(b"\0")[0], None
        return None, None

    def offset_of(self, vaddr: int) -> tuple[int, int]:
        """Where in the file an address is, and how many bytes of the file follow it there."""
        for segment in self.loads:
            if segment.vaddr <= vaddr < segment.vaddr + segment.filesz:
                return vaddr - segment.vaddr + segment.offset, segment.filesz - (
                    vaddr - segment.vaddr
                )
        for segment in self.loads:  # whole pages are mapped
            start = segment.vaddr & -_PAGE
            end = (segment.vaddr + segment.filesz + _PAGE - 1) & -_PAGE
            if segment.filesz and start <= vaddr < end:
                if segment.memsz > segment.filesz and vaddr >= segment.vaddr:
                    break  # zeroed
                return segment.offset - segment.vaddr + vaddr, end - vaddr
        raise ElfError(f"no segment maps the address {vaddr:#x}")

    def _entries(self, dynamic: Segment) -> Iterable[tuple[int, int]]:
        offset, room = self.offset_of(dynamic.vaddr)
        layout = struct.Struct(self.order + ("qQ" if self.wide else "iI"))
        room = min(room, MAX_DYNAMIC * layout.size)
        done = 0
        size = min(max(dynamic.filesz, layout.size), 1 << 16)
        while done + layout.size <= room:
            raw = self.at(offset + done, min(size, room - done) // layout.size * layout.size)
            whole = len(raw) // layout.size * layout.size
            if not whole:
                break
            for tag, value in layout.iter_unpack(raw[:whole]):
                if tag == 0:
                    return
                yield tag, value
            done += whole
        raise ElfError("the dynamic section has no end")

    def string(self, table: int | None, index: int) -> bytes:
        known = self._strings.get(index)
        if known is not None:
            return known
        if table is None:
            raise ElfError("names and no string table")
        offset, room = self.offset_of(table + index if table + index < 1 << 64 else 0)
        found = self._string_at(offset, room)
        self._string_bytes += len(found)
        if self._string_bytes > MAX_STRINGS:
            raise ElfError("names too long altogether")
        self._strings[index] = found
        return found

    def _string_at(self, offset: int, room: int) -> bytes:
        for size in (256, MAX_STRING):
            raw = self.at(offset, min(size, room))
            end = raw.find(b"\0")
            if end >= 0:
                return raw[:end]
        if room < MAX_STRING:
            # What the segment's last page holds beyond is mapped, too.
            raw = self.at(offset, room + (-(offset + room)) % _PAGE)
            end = raw.find(b"\0")
            if end >= 0:
                return raw[:end]
        raise ElfError("a name has no end or is too long")


def platform(elf: Elf) -> tuple[str, str, str | None]:
    """(os, architecture, variant) as OCI names them. ElfError for a machine that has no name there.

    x32 (a 32-bit file for x86-64) is refused: no container platform runs it.
    """
    wide = elf.elfclass == 64
    little = elf.endian == "little"
    machine = elf.machine
    if machine == EM_ARM and not wide and little:
        return "linux", "arm", "v7" if elf.e_flags & EF_ARM_HARD_FLOAT else "v5"
    known: dict[tuple[int, bool, bool], tuple[str, str | None]] = {
        (EM_X86_64, True, True): ("amd64", None),
        (EM_386, False, True): ("386", None),
        (EM_AARCH64, True, True): ("arm64", "v8"),
        (EM_RISCV, True, True): ("riscv64", None),
        (EM_PPC64, True, True): ("ppc64le", None),
        (EM_S390, True, False): ("s390x", None),
    }
    found = known.get((machine, wide, little))
    if found is None:
        if machine == EM_X86_64:
            raise ElfError("an x32 program (32-bit on x86-64), which images have no platform for")
        bits, order = elf.elfclass, elf.endian
        raise ElfError(f"no image platform for machine {machine}, {bits} bits, {order}-endian")
    return ("linux", *found)


def upx_packed(file: BinaryIO) -> bool:
    """Whether UPX made this file: its loader information follows the program headers."""
    return b"UPX!" in _at(file, 0, 1024)
