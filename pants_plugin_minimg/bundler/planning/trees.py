"""What a build left in a folder of the sandbox: files, links, and archives of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pants_plugin_minimg.bundler.records import NamedTuple


class Output(NamedTuple):
    """One file or link of a tree; `path` is relative to it. `target` is a link's text."""

    path: bytes
    source: bytes
    executable: bool
    target: bytes | None = None


def outputs(root: bytes, executable: frozenset[bytes] | None = None) -> list[Output]:
    """Every file and link below `root`, sorted by path. Raises OSError.

    `executable` are the paths that are executable, where the files' modes do not say it.
    """
    found = _scan(root, b"")
    if executable is not None:
        found = (output._replace(executable=output.path in executable) for output in found)
    return sorted(found, key=lambda output: output.path.split(b"/"))


def _scan(root: bytes, below: bytes) -> Iterator[Output]:
    with os.scandir(os.path.join(root, below)) as entries:
        for entry in entries:
            path = os.path.join(below, entry.name)
            if entry.is_symlink():
                yield Output(path, entry.path, False, os.readlink(entry.path))
            elif entry.is_dir():
                yield from _scan(root, path)
            else:
                yield Output(path, entry.path, bool(entry.stat().st_mode & 0o111))


def unpacked(tree: list[Output], origin: str, scratch: bytes) -> list[Output]:
    """The tree, or what its single file holds when that is a tar or a zip.

    Raises what unpacking.unpack does.
    """
    if len(tree) != 1 or tree[0].target is not None or tree[0].executable:
        return tree
    # Here, where it is needed: most trees are a program.
    from pants_plugin_minimg.bundler.planning import unpacking

    return outputs(scratch) if unpacking.unpack(tree[0].source, origin, scratch) else tree
