"""Where the paths that packages list really are, once all of them are unpacked.

A directory that one package has as a link is followed for the files of all others, as dpkg does.
The links of the merged /usr (made by Debian's usrmerge or base-files) are there in any case.
"""

from __future__ import annotations

from collections.abc import Iterable

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots.sysroot import MAX_LINKS
from pants_plugin_minimg.bundler.text import text

#: Always there, and there when something lies below them.
_MERGED, _MERGED_IF_USED = (b"bin", b"lib", b"sbin"), (b"lib32", b"lib64", b"libx32")


def merged_usr(paths: Iterable[bytes]) -> dict[bytes, bytes]:
    """The links of a merged /usr for packages with these paths: path -> text."""
    used = {name for path in paths for name in _top(path)}
    names = [*_MERGED, *(name for name in _MERGED_IF_USED if name in used)]
    return {b"/" + name: b"usr/" + name for name in names}


def _top(path: bytes) -> list[bytes]:
    parts = path.split(b"/", 3)
    return parts[1:3] if parts[1] == b"usr" else parts[1:2]


class DirectoryLinks:
    """Maps directories to their canonical paths; `problems` are links without an end."""

    def __init__(self, merged: dict[bytes, bytes], links: dict[bytes, bytes]) -> None:
        """`links` are those of all packages, by the paths that the packages list."""
        self.problems: list[MinimgError] = []
        self._use(dict(merged))
        # A link may itself lie below another one; more rounds than this no system has.
        for _ in range(MAX_LINKS):
            placed = {self._place(path): target for path, target in links.items()}
            placed.update(merged)
            if placed == self._links:
                break
            self._use(placed)

    def _use(self, links: dict[bytes, bytes]) -> None:
        self._links = links
        self._known: dict[bytes, bytes] = {b"": b""}
        self._ends: dict[bytes, bytes | None] = {}
        self._depth = 0
        self.problems.clear()

    def _place(self, path: bytes) -> bytes:
        parent, _, name = path.rpartition(b"/")
        return self.folder(parent) + b"/" + name

    def folder(self, path: bytes) -> bytes:
        """The canonical path of a directory; the root is b"" on both sides."""
        known = self._known
        found = known.get(path)
        if found is not None:
            return found
        names = []
        while path not in known:
            path, _, name = path.rpartition(b"/")
            names.append(name)
        found = known[path]
        for name in reversed(names):
            path = path + b"/" + name
            found = known[path] = self._end(found + b"/" + name)
        return found

    def _end(self, place: bytes) -> bytes:
        """Where a canonical place leads, if it is a link."""
        target = self._links.get(place)
        if target is None:
            return place
        if place in self._ends:
            end = self._ends[place]
            if end is None:  # on the way already
                self._endless(place)
                return place
            return end
        if self._depth >= MAX_LINKS:
            self._endless(place)
            return place
        self._ends[place] = None
        self._depth += 1
        end = self._ends[place] = self._follow(place, target)
        self._depth -= 1
        return end

    def _follow(self, place: bytes, target: bytes) -> bytes:
        at = b"" if target[:1] == b"/" else place.rpartition(b"/")[0]
        for name in target.split(b"/"):
            if name == b"..":
                at = at.rpartition(b"/")[0]
            elif name not in (b"", b"."):
                at = self.folder(at + b"/" + name)
        return at

    def _endless(self, place: bytes) -> None:
        self.problems.append(
            MinimgError("MINIMG-E007", text(place), "a chain of links that does not end")
        )
