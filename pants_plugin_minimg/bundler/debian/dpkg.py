"""Which package a file of an installed Debian system belongs to, from dpkg's own database.

Formats: dpkg's file lists and `*.md5sums` (deb-md5sums(5)), the diversions file (three lines each,
dpkg lib/dpkg/diversions.c), `status` (deb822 stanzas, deb-status(5)).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pants_plugin_minimg.bundler.debian.listindex import ListIndex
from pants_plugin_minimg.bundler.debian.package import Package, fields, read
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text

_DATABASE = b"/var/lib/dpkg"
_LIST = b".list"
#: Folders that a merged /usr has as links while packages may still list what is below them.
_MERGED = (b"/bin", b"/sbin", b"/lib", b"/lib32", b"/lib64", b"/libo32", b"/libx32")
#: States in which a package's files are not there (dpkg(1), "package states").
_ABSENT = ("not-installed", "config-files")


class DpkgDatabase:
    """Reads on demand, through the sysroot alone: what was looked at is known to it.

    `index`: of its lists, as `index` made it of the same database; without one all are read.
    """

    def __init__(self, sysroot: Sysroot, index: ListIndex | None = None) -> None:
        self._sysroot = sysroot
        self._index = index
        self._links = _Links(sysroot)

    def owners(self, paths: Iterable[bytes]) -> dict[bytes, Package]:
        """The package of each canonical path that one package has.

        A path in the lists of several packages is a shared directory and has no owner, unless they
        are one package for several architectures: then the first in the order of their lists.
        Empty where there is no database. Raises MinimgError for one that cannot be read.
        """
        info = self._info()
        if info is None:
            return {}
        diversions = self._diversions()
        wanted: dict[bytes, bytes] = {}
        for path in paths:
            for twin in self._links.twins(path):
                wanted[twin] = path
        found = self._lists(info, wanted, diversions)
        single = {path: keys[0] for path, keys in found.items() if _one_package(keys)}
        packages = self._packages(info, set(single.values()), diversions)
        return {path: packages[key] for path, key in single.items() if key in packages}

    def index(self) -> ListIndex:
        """Of all its lists; there are none without a database. Raises MinimgError for one that
        cannot be read."""
        info = self._info()
        names = [] if info is None else self._names(info)
        return ListIndex.of((name, self._read(b"%s/%s" % (info, name))) for name in names)

    def _info(self) -> bytes | None:
        """The canonical path of the folder with the lists."""
        walk = self._sysroot.walk(_DATABASE + b"/info")
        return None if walk.stat is None or walk.stat.kind != "dir" else walk.real

    def _names(self, info: bytes) -> list[bytes]:
        return [name for name in self._sysroot.scandir(info) if name.endswith(_LIST)]

    def _lists(
        self, info: bytes, wanted: Mapping[bytes, bytes], diversions: _Diversions
    ) -> dict[bytes, list[bytes]]:
        """Canonical path -> the packages whose lists have it, as `name` or `name:arch`."""
        keys = frozenset(wanted) | diversions.moved_to(wanted)
        found: dict[bytes, list[bytes]] = {}
        names = self._names(info) if self._index is None else self._index.candidates(keys)
        for name in names:
            hits = keys.intersection(self._read(info + b"/" + name).split(b"\n"))
            key = name[: -len(_LIST)]
            for listed in hits:
                real = wanted.get(diversions.place(key, listed))
                if real is not None:
                    found.setdefault(real, []).append(key)
        return found

    def _packages(
        self, info: bytes, keys: set[bytes], diversions: _Diversions
    ) -> dict[bytes, Package]:
        out: dict[bytes, Package] = {}
        names = {key.partition(b":")[0] for key in keys}
        for stanza in self._optional(_DATABASE + b"/status").split(b"\n\n"):
            stanza = stanza.strip(b"\n")
            name = stanza[len(b"Package: ") : stanza.find(b"\n")]
            if not stanza.startswith(b"Package: ") or name not in names:
                continue
            control = stanza.decode("utf-8", "replace") + "\n"
            values = fields(control)
            qualified = name + b":" + values.get("architecture", "").encode()
            key = qualified if qualified in keys else name
            if key not in keys or values.get("status", "").rpartition(" ")[2] in _ABSENT:
                continue
            try:
                described = read(control, text(name))
            except MinimgError:
                continue  # no name or version that a scanner could look up
            out[key] = described.with_md5sums(self._md5sums(info, key, diversions))
        return out

    def _md5sums(self, info: bytes, key: bytes, diversions: _Diversions) -> dict[bytes, str]:
        out: dict[bytes, str] = {}
        for line in self._optional(info + b"/" + key + b".md5sums").split(b"\n"):
            digest, _, name = line.partition(b"  ")
            if len(digest) == 32 and name:
                path = diversions.place(key, b"/" + name)
                out[self._links.canonical(path)] = digest.decode("ascii", "replace")
        return out

    def _diversions(self) -> _Diversions:
        lines = self._optional(_DATABASE + b"/diversions").split(b"\n")
        return _Diversions(
            {
                (lines[index], lines[index + 2]): lines[index + 1]
                for index in range(0, len(lines) - 2, 3)
            }
        )

    def _optional(self, path: bytes) -> bytes:
        """The bytes of a file that need not be there."""
        walk = self._sysroot.walk(path)
        return b"" if walk.stat is None or walk.stat.kind != "file" else self._read(walk.real)

    def _read(self, path: bytes) -> bytes:
        with self._sysroot.open(path) as file:
            try:
                return file.read()
            except OSError as error:
                raise MinimgError(
                    "MINIMG-E001", text(path), f"it cannot be read: {error}"
                ) from None


def list_index(sysroot: Sysroot) -> bytes:
    """What `listindex.load` reads; empty where a list cannot be read: who needs it will say so."""
    try:
        return DpkgDatabase(sysroot).index().render()
    except MinimgError:
        return b""


class _Links:
    """The links of a merged /usr, as this sysroot has them."""

    def __init__(self, sysroot: Sysroot) -> None:
        self._real: dict[bytes, bytes] = {}
        for folder in _MERGED:
            walk = sysroot.walk(folder)
            if walk.links and walk.stat is not None and walk.stat.kind == "dir":
                self._real[folder] = walk.real

    def canonical(self, path: bytes) -> bytes:
        """`/lib/x` -> `/usr/lib/x` where `/lib` is a link there."""
        end = path.find(b"/", 1)
        real = self._real.get(path[:end]) if end > 0 else None
        return path if real is None else real + path[end:]

    def twins(self, path: bytes) -> list[bytes]:
        """The path, and every other that these links lead to it."""
        return [path] + [
            folder + path[len(real) :]
            for folder, real in self._real.items()
            if path.startswith(real + b"/")
        ]


class _Diversions:
    """(path, package that keeps it) -> where the file of every other package is."""

    def __init__(self, moved: dict[tuple[bytes, bytes], bytes]) -> None:
        self._moved = moved
        self._keepers = {path: keeper for path, keeper in moved}

    def place(self, key: bytes, path: bytes) -> bytes:
        """Where the file is that the package `key` lists as `path`."""
        keeper = self._keepers.get(path)
        if keeper is None or keeper == key.partition(b":")[0]:
            return path
        return self._moved[path, keeper]

    def moved_to(self, places: Collection[bytes]) -> set[bytes]:
        """The paths whose files a diversion moved to one of `places`."""
        return {path for (path, _), place in self._moved.items() if place in places}


def _one_package(keys: list[bytes]) -> bool:
    return len({key.partition(b":")[0] for key in keys}) == 1
