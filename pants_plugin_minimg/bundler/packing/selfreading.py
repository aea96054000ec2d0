"""Which programs read their own file, and so would not find there what UPX has moved."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from pants_plugin_minimg.bundler.binaries import elf, elfsections
from pants_plugin_minimg.bundler.inventory import gobuildinfo

#: Where a zip ends (PKWARE's APPNOTE, section 4.3.16): 22 bytes and a comment.
_ZIP_END, _ZIP_SIZE, _ZIP_COMMENT = b"PK\5\6", 22, 1 << 16
#: What ends a packed program (UPX's source: packhead.cpp).
_UPX = b"UPX!"
#: What PyInstaller's bootloader looks for (its source: pyi_archive.c, MAGIC).
_PYINSTALLER = b"MEI\014\013\012\013\016"
_TAIL = _ZIP_SIZE + _ZIP_COMMENT
#: AppImage specification, "Image format": at offset 8.
_APPIMAGES = (b"AI\1", b"AI\2")
#: The first UPX whose packed Go PIEs start.
_GO_PIE_FROM = (4, 2, 4)


def reason(file: BinaryIO, version: str) -> str | None:
    """Why UPX of a version must not pack a program, or None. Raises OSError."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    file.seek(8)
    if file.read(3) in _APPIMAGES:
        return "it is an AppImage, which mounts its own file"
    if _PYINSTALLER in tail:
        return "PyInstaller made it, which reads modules from the end of its own file"
    if _ends_as_zip(tail):
        return "a zip follows the program, which it reads from its own file"
    if _UPX in tail:
        return None  # packed already, with more behind it than the headers name: UPX says so itself
    file.seek(0)
    try:
        reader = elf.Reader(file)
        behind = size - _end(reader)
        if behind > 0:
            return f"{behind} bytes follow the program, which it may read from its own file"
        if _number(version) < _GO_PIE_FROM and reader.header.e_type == elf.ET_DYN:
            if gobuildinfo.read(reader) is not None:
                return f"it is a position-independent Go program, and UPX {version} breaks those"
    except elf.ElfError:
        return None  # UPX says what it thinks of it
    return None


def _ends_as_zip(tail: bytes) -> bool:
    at = tail.rfind(_ZIP_END)
    if at < 0 or len(tail) - at < _ZIP_SIZE:
        return False
    (comment,) = struct.unpack_from("<H", tail, at + 20)
    return bool(at + _ZIP_SIZE + comment == len(tail))


def _end(reader: elf.Reader) -> int:
    """The end of all that the headers name, in bytes from the start of the file."""
    ends = [segment.offset + segment.filesz for segment in reader.segments]
    return max([*ends, *elfsections.ends(reader)], default=0)


def _number(version: str) -> tuple[int, ...]:
    out = []
    for part in version.split("."):
        digits = "".join(char for char in part if char.isdigit())
        out.append(int(digits or 0))
    return tuple(out)
