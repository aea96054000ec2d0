"""The crates in a Rust program, where cargo-auditable recorded them.

Format: section `.dep-v0`, JSON compressed by zlib (cargo-auditable, PARSING.md).
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from pants_plugin_minimg.bundler.binaries import elfsections
from pants_plugin_minimg.bundler.binaries.elf import ElfError, Reader
from pants_plugin_minimg.bundler.records import NamedTuple

_SECTION = b".dep-v0"
#: Bytes of JSON; cargo-auditable's own readers stop at 8 MiB as well.
MAX_JSON = 1 << 23
_MAX_CRATES = 1 << 16


class Crate(NamedTuple):
    """`source` is "crates.io", "git", "local", "registry" or a registry's name.

    `kind` is "runtime" or "build"; `root` says whether the crate is the program's own.
    """

    name: str
    version: str
    source: str
    kind: str
    root: bool


def read(reader: Reader) -> tuple[Crate, ...] | None:
    """None for a program without the record, or with one that is damaged."""
    try:
        section = elfsections.find(reader, _SECTION)
        packed = None if section is None else elfsections.content(reader, section, MAX_JSON)
        return None if packed is None else _parse(_unpacked(packed))
    except (ElfError, zlib.error, LookupError, ValueError, TypeError, RecursionError):
        return None


def _unpacked(packed: bytes) -> bytes:
    engine = zlib.decompressobj()
    data = engine.decompress(packed, MAX_JSON)
    if not engine.eof:
        raise ValueError("cut off, or too much")
    return data


def _parse(document: bytes) -> tuple[Crate, ...]:
    packages = json.loads(document)["packages"]
    if not isinstance(packages, list) or len(packages) > _MAX_CRATES:
        raise ValueError("no list of packages")
    return tuple(_crate(raw) for raw in packages)


def _crate(raw: Any) -> Crate:
    kind = raw.get("kind", "runtime") if isinstance(raw, dict) else None
    root = isinstance(raw, dict) and raw.get("root", False)
    if kind not in ("runtime", "build") or not isinstance(root, bool):
        raise ValueError("no package")
    name, version, source = (_text(raw[key]) for key in ("name", "version", "source"))
    return Crate(name, version, source, kind, root)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("no text")
    value.encode("utf-8")  # JSON can spell half a character, which nothing can write again
    return value
