"""Writes a tree of entries as files, for something to run in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from typing import BinaryIO

from pants_plugin_minimg.bundler import pieces
from pants_plugin_minimg.bundler.plan import Entry

#: Where an engine mounts its own; a tree needs the folders.
_MOUNTS = (b"proc", b"dev")


def write(entries: Iterable[Entry], read: Callable[[Entry], BinaryIO], root: str) -> None:
    """All of `entries`, directories before what is in them, below the new folder `root`.

    Owners are set where this process may. Raises OSError.
    """
    top = os.fsencode(root)
    os.mkdir(top, 0o755)
    os.chmod(top, 0o755)
    folders: list[tuple[bytes, Entry]] = []
    linked: list[tuple[bytes, Entry]] = []
    for entry in entries:
        path = top + entry.path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if entry.kind == "dir":
            os.makedirs(path, exist_ok=True)
            folders.append((path, entry))
        elif entry.kind == "link":
            os.symlink(entry.target or b"", path)
            own(path, entry)
        elif entry.kind == "hardlink":
            linked.append((path, entry))
        else:
            with read(entry) as source, open(path, "wb") as out:
                shutil.copyfileobj(source, out, pieces.SIZE)
            own(path, entry)
            os.chmod(path, entry.mode)
    for path, entry in linked:
        os.link(top + (entry.target or b""), path)
    for name in _MOUNTS:
        os.makedirs(os.path.join(top, name), exist_ok=True)
    # Last: a folder that may not be written to holds files by now.
    for path, entry in reversed(folders):
        own(path, entry)
        os.chmod(path, entry.mode)


def own(path: bytes, entry: Entry) -> None:
    """The owner that `entry` names, where this process may. Raises OSError."""
    if os.getuid() == 0:
        os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
