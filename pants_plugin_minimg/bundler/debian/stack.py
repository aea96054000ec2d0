"""The packages of a scope as one file system, as dpkg would have unpacked them.

What maintainer scripts would generate is not there.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pants_plugin_minimg.bundler.debian.alternatives import Alternatives
from pants_plugin_minimg.bundler.debian.merge import Merge
from pants_plugin_minimg.bundler.debian.package import Package
from pants_plugin_minimg.bundler.debian.unpacked import load_all
from pants_plugin_minimg.bundler.errors import Problems
from pants_plugin_minimg.bundler.tars.sysroot import TarSysroot
from pants_plugin_minimg.bundler.text import path_bytes


class PackageStack(TarSysroot):
    """A sysroot that knows which package each file is of. `packages` are sorted by name."""

    def __init__(self, merge: Merge, alternatives: Alternatives) -> None:
        super().__init__([package.tar for package in merge.packages], merge.nodes)
        self._merge = merge
        self._alternatives = alternatives
        self._known: dict[int, Package] = {}

    @property
    def packages(self) -> tuple[Package, ...]:
        return tuple(map(self._package, range(len(self._merge.packages))))

    def owner(self, path: bytes) -> Package | None:
        """The package of a canonical path; None for directories, which nobody owns, and no file."""
        number = self._merge.owners.get(path)
        return None if number is None else self._package(number)

    def hint(self, path: bytes) -> str | None:
        """What to set when a missing path is an alternative that packages declare."""
        place = self._merge.canonical(path)
        return None if place in self._merge.nodes else self._alternatives.hint(place)

    def _package(self, number: int) -> Package:
        found = self._known.get(number)
        if found is None:
            unpacked = self._merge.packages[number]
            sums = {
                self._merge.listed(path_bytes(path), number): digest
                for path, digest in unpacked.md5sums.items()
            }
            found = self._known[number] = unpacked.about.with_md5sums(sums)
        return found


def open_packages(
    folders: Sequence[str], alternatives: Mapping[str, str] | None = None
) -> PackageStack:
    """The packages in `folders`, each made by `unpack`. `alternatives`: link -> chosen path.

    Raises Problems with all of: MINIMG-E028 two packages ship one path, MINIMG-E007 a directory
    that is a link without an end, MINIMG-E002 an alternative that no package declares. Raises
    MinimgError MINIMG-E001 for a folder that cannot be read.
    """
    with _no_collection():
        merge = Merge(load_all(folders))
        declared = Alternatives(merge)
        declared.choose(alternatives or {})
        merge.finish()
    if merge.problems:
        raise Problems(merge.problems)
    return PackageStack(merge, declared)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Growing tables would be searched for garbage again and again: a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
