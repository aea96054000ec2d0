"""Puts the entries of presets into the collection of an image."""

from __future__ import annotations

from collections.abc import Sequence

from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.plan import FIRST_PARTY
from pants_plugin_minimg.bundler.planning import placement, runtime
from pants_plugin_minimg.bundler.planning.assembly import Assembly
from pants_plugin_minimg.bundler.planning.request import Owned


def add(names: Sequence[str], user: str, assembly: Assembly) -> None:
    """What is wrong is added to the problems of `assembly`."""
    try:
        entries = list(runtime.preset_entries(names, assembly.sysroot, user))
    except Problems as problems:
        assembly.problems += problems.errors
        return
    for entry in entries:
        try:
            _put(entry, assembly)
        except MinimgError as error:
            assembly.problems.append(error)


def _put(entry: runtime.Generated, assembly: Assembly) -> None:
    path, links = placement.canonical(assembly.sysroot, entry.path)
    assembly.links(links, path)
    owned = Owned(entry.mode, entry.uid, entry.gid)
    if entry.kind == "dir":
        assembly.directory(path, owned, entry.reason)
    elif entry.kind == "link":
        assembly.link(path, entry.content or b"", entry.reason)
    else:
        assembly.generate(path, entry.content or b"", entry.mode, owned, entry.reason)
    assembly.entries[path].layer = FIRST_PARTY
