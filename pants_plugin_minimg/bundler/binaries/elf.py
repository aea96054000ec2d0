"""What a loader reads of an ELF file, in one pass over a few kilobytes.

Section headers play no part, as in the loaders themselves: PT_DYNAMIC's address is mapped through
PT_LOAD, strings are found by DT_STRTAB, the last of several equal tags counts (glibc
elf/get-dynamic-info.h, elf/dl-load.c). Everything that the file says is bounded before it is used.
"""

from __future__ import annotations

import struct

from pants_plugin_minimg.bundler.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE = 1, 2, 3, 4
DT_NULL, DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_SONAME, DT_RPATH = 0, 1, 4, 5, 6, 14, 15
DT_RUNPATH, DT_RELR, DT_GNU_HASH = 29, 36, 0x6FFFFEF5
DT_FLAGS_1, DT_VERDEF, DT_VERNEED = 0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFE
DT_AUXILIARY, DT_FILTER = 0x7FFFFFFD, 0x7FFFFFFF
DF_1_NODEFLIB, DF_1_NOOPEN, DF_1_PIE = 0x800, 0x40, 0x8000000
EM_386, EM_PPC64, EM_S390, EM_ARM, EM_X86_64, EM_AARCH64, EM_RISCV = 3, 21, 22, 40, 62, 183, 243
EF_ARM_HARD_FLOAT = 0x400

#: Bounds, far above what a linker writes and low enough that no file costs a second.
MAX_STRING = 1 << 16
MAX_STRINGS = 1 << 24
MAX_DYNAMIC = 1 << 20
MAX_NEEDED = 1 << 16
_ASKING = frozenset([DT_NEEDED, DT_AUXILIARY, DT_FILTER])
#: The tags that anybody here asks an Elf for: most of a file's are others.
_KEPT = frozenset(
    [DT_HASH, DT_STRTAB, DT_SYMTAB, DT_SONAME, DT_RPATH, DT_RUNPATH, DT_RELR]
    + [DT_GNU_HASH, DT_FLAGS_1, DT_VERDEF, DT_VERNEED]
)
_PAGE = 4096
_PATH_MAX = 4096
_WINDOW = 1 << 12
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
    `loads` is the number of segments to be mapped, `aligned` says whether all of them lie at whole
    pages, `has_notes` whether others hold notes, `dynamic` whether there is a PT_DYNAMIC. `tags` is
    its last value of each tag that is used here.
    """

    header: Header
    loads: int
    aligned: bool
    interp: bytes | None
    interp_error: str | None
    has_notes: bool
    dynamic: bool
    tags: dict[int, int]
    needed: tuple[tuple[int, bytes], ...] = ()
    soname: bytes | None = None
    rpath: bytes | None = None
    runpath: bytes | None = None
    flags_1: int = 0

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


class _Layout(NamedTuple):
    """How files of one class and byte order are laid out, from the ELF specification.

    `segment` is without p_paddr; of 64 bits its fields are in Segment's order.
    """

    elfclass: int
    endian: str
    order: str
    header: struct.Struct
    segment: struct.Struct
    entry: struct.Struct


def _layout(elfclass: int, endian: str) -> _Layout:
    order = "<" if endian == "little" else ">"
    wide = elfclass == 64
    header = struct.Struct(order + ("HHIQQQIHHH" if wide else "HHIIIIIHHH"))
    segment = struct.Struct(order + ("IIQQ8xQQQ" if wide else "III4xIIII"))
    entry = struct.Struct(order + ("qQ" if wide else "iI"))
    return _Layout(elfclass, endian, order, header, segment, entry)


#: By EI_CLASS and EI_DATA.
_LAYOUTS = {
    bytes([number, data]): _layout(elfclass, endian)
    for number, elfclass in ((1, 32), (2, 64))
    for data, endian in ((1, "little"), (2, "big"))
}


def _parse_header(raw: bytes) -> tuple[Header, _Layout]:
    """ElfError for no ELF file, or one cut off inside its header."""
    if raw[:4] != b"\x7fELF":
        raise ElfError("not an ELF file")
    if len(raw) < 52:
        raise ElfError("cut off in the file header")
    layout = _LAYOUTS.get(raw[4:6])
    if layout is None:
        raise ElfError("neither 32 nor 64 bits, or no known byte order")
    if len(raw) < 16 + layout.header.size:
        raise ElfError("cut off in the file header")
    fields = layout.header.unpack_from(raw, 16)
    e_type, machine, version, _, phoff, _, flags, _, phentsize, phnum = fields
    ident, elfclass, endian = raw[:16], layout.elfclass, layout.endian
    return (
        Header(ident, elfclass, endian, e_type, machine, version, flags, phoff, phentsize, phnum),
        layout,
    )


def head(file: BinaryIO) -> bytes:
    """The first bytes, which most files have all of their headers in. ElfError: unreadable."""
    return _at(file, 0, _PAGE)


def read(file: BinaryIO, first: bytes | None = None) -> Elf:
    """All that a loader reads. ElfError for whatever it would not load.

    `first` is the file's `head`, if that was read already.
    """
    return Reader(file, first).read()


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Up to `size` bytes; fewer at the end of the file.

    A size comes from the file itself and may lie: memory for it is taken as bytes arrive.
    """
    if offset < 0 or offset >= 1 << 62:
        return b""
    try:
        file.seek(offset)
        out = file.read(min(size, _CHUNK))
        if not out or len(out) == size:
            return out
        pieces = [out]
        while pieces[-1] and (left := size - sum(map(len, pieces))) > 0:
            pieces.append(file.read(min(left, _CHUNK)))
    except (OSError, ValueError, OverflowError) as err:
        raise ElfError(f"cannot be read: {err}") from err
    return b"".join(pieces)


class Reader:
    """One file being read; `first` saves most reads, since linkers put these tables in front."""

    def __init__(self, file: BinaryIO, first: bytes | None = None) -> None:
        self.file = file
        self.first = head(file) if first is None else first
        self._window, self._window_at = b"", 0
        self.header, self._layout = _parse_header(self.first)
        self.order = self._layout.order
        self.wide = self.header.elfclass == 64
        self._rows = self._program_headers()
        self._loads = [row for row in self._rows if row[0] == PT_LOAD]
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

    @property
    def segments(self) -> list[Segment]:
        return [Segment(*row) for row in self._rows]

    def _program_headers(self) -> list[tuple[int, ...]]:
        """Their fields in Segment's order."""
        header, layout = self.header, self._layout.segment
        if header.phnum == 0:
            return []
        if header.phentsize != layout.size:
            raise ElfError(f"program headers of {header.phentsize} bytes each")
        raw = self.at(header.phoff, header.phnum * layout.size)
        if len(raw) < header.phnum * layout.size:
            raise ElfError("cut off in the program headers")
        if self.wide:
            return list(layout.iter_unpack(raw))
        return [
            (kind, flags, offset, vaddr, filesz, memsz, align)
            for kind, offset, vaddr, filesz, memsz, flags, align in layout.iter_unpack(raw)
        ]

    def read(self) -> Elf:
        interp, interp_error, dynamic, has_notes = None, None, None, False
        aligned = True
        for kind, _, offset, vaddr, filesz, _, align in self._rows:
            if kind == PT_LOAD:
                aligned = aligned and not (align | vaddr - offset) & (_PAGE - 1)
            # A file of debug information keeps the header with nothing behind it.
            elif kind == PT_DYNAMIC and filesz:
                dynamic = vaddr, filesz
            elif kind == PT_INTERP and interp is None and interp_error is None:
                interp, interp_error = self._interp(offset, filesz)
            elif kind == PT_NOTE:
                has_notes = True
        loads = len(self._loads)
        if dynamic is None:
            return Elf(self.header, loads, aligned, interp, interp_error, has_notes, False, {})
        tags, needed = self._tags(*dynamic)
        string, table = self.string, tags.get(DT_STRTAB)
        return Elf(
            self.header,
            loads,
            aligned,
            interp,
            interp_error,
            has_notes,
            True,
            tags,
            tuple([(tag, string(table, value)) for tag, value in needed]),
            string(table, tags[DT_SONAME]) if DT_SONAME in tags else None,
            string(table, tags[DT_RPATH]) if DT_RPATH in tags else None,
            string(table, tags[DT_RUNPATH]) if DT_RUNPATH in tags else None,
            tags.get(DT_FLAGS_1, 0),
        )

    def _interp(self, offset: int, size: int) -> tuple[bytes | None, str | None]:
        """The interpreter's name, or why the kernel would refuse it (Linux, fs/binfmt_elf.c)."""
        if not 2 <= size <= _PATH_MAX:
            return None, "the interpreter's name is empty or too long"
        raw = self.at(offset, size)
        if len(raw) < size or raw[-1:] != b"\0":
            return None, "the interpreter's name has no end"
        return raw.partition(b"\0")[0], None

    def offset_of(self, vaddr: int) -> tuple[int, int]:
        """Where in the file an address is, and how many bytes of the file follow it there."""
        # What is mapped later covers what was mapped before.
        for _, _, offset, start, filesz, _, _ in reversed(self._loads):
            if start <= vaddr < start + filesz:
                return vaddr - start + offset, filesz - (vaddr - start)
        for _, _, offset, start, filesz, memsz, _ in reversed(self._loads):
            end = (start + filesz + _PAGE - 1) & -_PAGE  # whole pages are mapped
            if filesz and start & -_PAGE <= vaddr < end:
                if memsz > filesz and vaddr >= start:
                    break  # zeroed
                return offset - start + vaddr, end - vaddr
        raise ElfError(f"no segment maps the address {vaddr:#x}")

    def _tags(self, vaddr: int, filesz: int) -> tuple[dict[int, int], list[tuple[int, int]]]:
        """The last value of each tag, and (tag, value) of all that ask for a library."""
        tags: dict[int, int] = {}
        needed: list[tuple[int, int]] = []
        offset, room = self.offset_of(vaddr)
        layout = self._layout.entry
        room = min(room, MAX_DYNAMIC * layout.size)
        done = 0
        size = min(max(filesz, layout.size), 1 << 16)
        while done + layout.size <= room:
            raw = self.at(offset + done, min(size, room - done) // layout.size * layout.size)
            whole = len(raw) // layout.size * layout.size
            if not whole:
                break
            for tag, value in layout.iter_unpack(raw[:whole]):
                if tag in _KEPT:
                    tags[tag] = value
                elif tag in _ASKING:
                    needed.append((tag, value))
                    if len(needed) > MAX_NEEDED:
                        raise ElfError("too many libraries asked for")
                elif tag == DT_NULL:
                    return tags, needed
            done += whole
        raise ElfError("the dynamic section has no end")

    def string(self, table: int | None, index: int) -> bytes:
        known = self._strings.get(index)
        if known is not None:
            return known
        if table is None:
            raise ElfError("names and no string table")
        offset, room = self.offset_of(table + index if table + index < 1 << 64 else 0)
        start = offset - self._window_at
        if offset >= 0 and (end := self.first.find(b"\0", offset, offset + room)) >= 0:
            found = self.first[offset:end]
        elif start >= 0 and (end := self._window.find(b"\0", start, start + room)) >= 0:
            found = self._window[start:end]
        else:
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
