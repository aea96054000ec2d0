"""The records that tell a scanner which Debian packages an image holds.

Layout: `/var/lib/dpkg/status.d/PACKAGE` and `PACKAGE.md5sums` beside it, as distroless describes it
in its PACKAGE_METADATA.md. Of two packages with one name each file is called
`PACKAGE:ARCHITECTURE`, as in dpkg's own `info` folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pants_plugin_minimg.bundler.debian.package import Package
from pants_plugin_minimg.bundler.text import text

FOLDER = b"/var/lib/dpkg/status.d"
#: Where a root says which system it is (os-release(5)); the first one may link to the second.
OS_RELEASE = (b"/etc/os-release", b"/usr/lib/os-release")

#: What dpkg adds to the control data of a package once it is installed.
_DATABASE_FIELDS = ("Status", "Conffiles", "Config-Version")


def records(
    shipped: Mapping[Package, Sequence[bytes]], md5: Callable[[bytes], str]
) -> list[tuple[bytes, bytes]]:
    """(path, content) of each record, sorted. `shipped` has the image's files of each package.

    `md5` gives the sum of a shipped file in hex, where the package lists none. Links have no sum:
    `shipped` holds files alone, and a package of which only links are there has an empty list.
    """
    out = []
    names = _names(shipped)
    for package, paths in shipped.items():
        path = FOLDER + b"/" + names[package].encode("ascii")
        out.append((path, stanza(package.control).encode("utf-8")))
        out.append((path + b".md5sums", _md5sums(package, paths, md5)))
    return sorted(out)


def copyright_path(package: Package) -> bytes:
    """Where the licence of a package is told (Policy 12.5); links may be on the way to it."""
    return b"/usr/share/doc/" + package.name.encode("utf-8") + b"/copyright"


def as_json(shipped: Mapping[Package, Sequence[bytes]], distro: str) -> list[dict[str, Any]]:
    """The packages as a plan holds them, which `components` reads; `distro` such as "debian-12"."""
    names = _names(shipped)
    return [
        {
            "name": package.name,
            "version": package.version,
            "architecture": package.architecture,
            "source_name": package.source_name,
            "source_version": package.source_version,
            "control": stanza(package.control),
            "distro": distro,
            "files": [text(path) for path in sorted(shipped[package])],
        }
        for package in sorted(shipped, key=lambda package: names[package])
    ]


def stanza(control: str) -> str:
    """Control data without what only dpkg's database adds, ending in one newline."""
    kept = []
    keep = True
    for line in control.strip("\n").split("\n"):
        if line[:1] not in (" ", "\t"):
            keep = bool(line) and line.partition(":")[0] not in _DATABASE_FIELDS
        if keep:
            kept.append(line)
    return "\n".join(kept) + "\n"


def _names(shipped: Mapping[Package, Sequence[bytes]]) -> dict[Package, str]:
    count = Counter(package.name for package in shipped)
    out = {}
    for package in shipped:
        suffix = f":{package.architecture}" if count[package.name] > 1 else ""
        out[package] = package.name + suffix
    return out


def _md5sums(package: Package, paths: Sequence[bytes], md5: Callable[[bytes], str]) -> bytes:
    lines = []
    for path in sorted(paths):
        digest = package.md5sums.get(path) or md5(path)
        lines.append(digest.encode("ascii") + b"  " + path.lstrip(b"/") + b"\n")
    return b"".join(lines)
