"""How far a step is, for descriptions of processes: no part of their keys."""

from __future__ import annotations

from collections.abc import Iterable

from pants.engine.fs import FileEntry

from pants_plugin_minimg.bundler.sizes import shown


def size(files: Iterable[FileEntry], more: int = 0) -> str:
    """Of all of them and `more` bytes, as people read it."""
    return shown(more + sum(file.file_digest.serialized_bytes_length for file in files))


def place(number: int, count: int, *more: str) -> str:
    """`2 of 7, 3.1 MB`: alone it is no number, but what more there is to say."""
    return ", ".join((*((f"{number} of {count}",) if count > 1 else ()), *more))
