"""Packages that `unpack` made folders of, read back."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.debian import package
from pants_plugin_minimg.bundler.debian.maintscripts import Alternative, Diversion
from pants_plugin_minimg.bundler.debian.package import Package
from pants_plugin_minimg.bundler.debian.unpack import DATA, DESCRIPTION
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.tars import index as tarindex
from pants_plugin_minimg.bundler.tars.index import Entry
from pants_plugin_minimg.bundler.text import path_bytes


class Unpacked(NamedTuple):
    """`about` has no hashes; they are in `md5sums`, by escaped paths as the package has them."""

    about: Package
    tar: str
    entries: list[Entry]
    md5sums: dict[str, str]
    conffiles: tuple[bytes, ...]
    diversions: tuple[Diversion, ...]
    alternatives: tuple[Alternative, ...]

    @property
    def label(self) -> str:
        """As messages name it."""
        return f"{self.about.name} {self.about.version} ({self.about.architecture})"


def load(folder: str) -> Unpacked:
    """Raises MinimgError MINIMG-E001 for a folder that `unpack` did not make."""
    path = os.path.join(folder, DESCRIPTION)
    raw = jsonfile.load(path)
    with jsonfile.reading(path):
        return Unpacked(
            about=package.read(raw["control"], folder),
            tar=os.path.join(folder, DATA),
            entries=tarindex.from_json(raw["index"]),
            md5sums=raw["md5sums"],
            conffiles=tuple(map(path_bytes, raw["conffiles"])),
            diversions=tuple(map(Diversion.from_json, raw["diversions"])),
            alternatives=tuple(map(Alternative.from_json, raw["alternatives"])),
        )


def load_all(folders: Sequence[str]) -> list[Unpacked]:
    """Sorted by name and architecture. MINIMG-E028 when one of them is there twice."""
    found: dict[tuple[str, str], Unpacked] = {}
    for folder in folders:
        one = load(folder)
        known = found.setdefault((one.about.name, one.about.architecture), one)
        if known is not one:
            raise MinimgError(
                "MINIMG-E028",
                one.about.name,
                f"it is there in two versions, {known.about.version} and {one.about.version}",
                "Leave one of them out.",
            )
    return [found[key] for key in sorted(found)]
