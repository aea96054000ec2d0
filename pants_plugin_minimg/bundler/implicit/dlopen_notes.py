"""`.note.dlopen`: which libraries an ELF file says that it opens at run time.

UAPI Group specification 12, "ELF note metadata for dlopen() dependencies": notes of the owner FDO,
found through PT_NOTE as section headers may be gone, each an array in JSON.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from pants_plugin_minimg.bundler.binaries.elf import Elf, ElfError, Reader
from pants_plugin_minimg.bundler.records import NamedTuple

#: From what a program cannot do without to what it hardly misses.
PRIORITIES = ("required", "recommended", "suggested")
#: What the specification says of an entry without one.
_DEFAULT = "recommended"

_PT_NOTE = 4
_OWNER, _TYPE = b"FDO\0", 0x407C0C0A
#: Far above what is in use: libsystemd-shared's notes have 4 kB.
_MAX_NOTES, _MAX_ENTRIES, _MAX_ALTERNATIVES, _MAX_NAME = 1 << 18, 256, 16, 255
_LONGEST = 200  # of a description that a message repeats
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class Note(NamedTuple):
    """One library: `names` are alternatives, the best first. `purpose` is on one line, "" for none.
    `priority` is one of PRIORITIES."""

    names: tuple[bytes, ...]
    priority: str
    purpose: str


def read(file: BinaryIO, elf: Elf) -> tuple[tuple[Note, ...], list[str]]:
    """What the notes say, in their order, and what is wrong with those that cannot be read."""
    notes: list[Note] = []
    faults: list[str] = []
    if not elf.has_notes:
        return (), []
    try:
        for content in _contents(Reader(file)):
            try:
                for note in parse(content):
                    if len(notes) >= _MAX_ENTRIES:
                        raise ValueError(f"more than {_MAX_ENTRIES} entries")
                    notes.append(note)
            except ValueError as error:
                faults.append(str(error))
    except ElfError as error:
        faults.append(str(error))
    return tuple(notes), list(dict.fromkeys(faults))


def parse(content: bytes) -> Iterator[Note]:
    """The entries of one note. Raises ValueError."""
    try:
        document = json.loads(content.partition(b"\0")[0].decode("utf-8"))
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from None
    if not isinstance(document, list):
        raise ValueError("it is no array")
    for entry in document:
        yield _entry(entry)


def _entry(entry: Any) -> Note:
    if not isinstance(entry, dict):
        raise ValueError("an entry is no object")
    names = entry.get("soname")
    if not isinstance(names, list) or not names:
        raise ValueError("an entry has no array `soname`")
    if len(names) > _MAX_ALTERNATIVES:
        raise ValueError(f"an entry has more than {_MAX_ALTERNATIVES} alternatives")
    priority = entry.get("priority", _DEFAULT)
    if priority not in PRIORITIES:
        raise ValueError("an entry has a priority that is unknown")
    purpose = entry.get("description") or entry.get("feature") or ""
    if not isinstance(purpose, str):
        raise ValueError("an entry has a description that is no text")
    return Note(tuple(_name(name) for name in names), priority, _one_line(purpose))


def _name(raw: Any) -> bytes:
    """As bytes, which a name of a file in JSON cannot have but in UTF-8."""
    if not isinstance(raw, str) or not raw or len(raw) > _MAX_NAME or _UNPRINTABLE.search(raw):
        raise ValueError("an entry has a name that no file can have")
    return raw.encode("utf-8")


def _one_line(raw: str) -> str:
    shown = _UNPRINTABLE.sub(" ", raw).strip()
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"


def _contents(reader: Reader) -> Iterator[bytes]:
    """The bytes of each note of ours. Raises ElfError for a file that is cut off."""
    left = _MAX_NOTES
    for segment in reader.segments:
        if segment.kind != _PT_NOTE:
            continue
        if segment.filesz > left:
            raise ElfError(f"more than {_MAX_NOTES} bytes of notes")
        left -= segment.filesz
        # gABI: 8 in the segments that are aligned so, else 4 whatever p_align says.
        align = 8 if segment.align == 8 else 4
        yield from _of_segment(reader, reader.at(segment.offset, segment.filesz), align)


def _of_segment(reader: Reader, raw: bytes, align: int) -> Iterator[bytes]:
    """The chain of notes up to where it is damaged, which is no matter for notes of others."""
    header = struct.Struct(reader.order + "III")
    at = 0
    while at + header.size <= len(raw):
        name_size, size, kind = header.unpack_from(raw, at)
        start = at + header.size
        name = raw[start : start + min(name_size, len(_OWNER) + 1)]
        begin = start + name_size + -(start + name_size) % align
        ours = kind == _TYPE and name == _OWNER
        if begin + size > len(raw):
            if ours:
                raise ElfError("a note is cut off")
            return
        if ours:
            yield raw[begin : begin + size]
        at = begin + size + -(begin + size) % align
