"""What an image consists of, read from a plan and the bytes of its files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from pants_plugin_minimg.bundler.debian import depends, licences
from pants_plugin_minimg.bundler.debian.package import fields
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.inventory import modules, osrelease
from pants_plugin_minimg.bundler.inventory.components import Components, DebianPackage, File
from pants_plugin_minimg.bundler.inventory.osrelease import OsRelease
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.text import path_bytes, text

_OS_RELEASE = (b"/etc/os-release", b"/usr/lib/os-release")
_MAX_LINKS = 40
#: Files that are read whole: metadata, copyright files.
_MAX_TEXT = 1 << 21


def collect(plan: Mapping[str, Any], blobs: str) -> Components:
    """Of plan.json and the folder of its contents.

    Raises MinimgError MINIMG-E001 for a content that `blobs` does not hold.
    """
    image = _Image([Entry.from_json(entry) for entry in plan["entries"]], blobs)
    system = _system(image)
    files = {path: File(text(path), sha) for path, sha in image.contents.items()}
    raws = sorted(plan["packages"], key=lambda raw: (raw["name"], raw["architecture"]))
    related = depends.within([fields(raw["control"]) for raw in raws])
    packages = []
    for raw, needed in zip(raws, related):
        paths = sorted(path for path in map(path_bytes, raw["files"]) if path in files)
        mine = tuple(files.pop(path) for path in paths)
        packages.append(_package(raw, mine, needed, image, system))
    return Components(
        system=system,
        packages=packages,
        modules=modules.found(image.contents, image.open),
        files=[file for _, file in sorted(files.items())],
    )


class _Image:
    """The plan's paths, and the bytes behind them."""

    def __init__(self, entries: Iterable[Entry], blobs: str) -> None:
        self._links: dict[bytes, bytes] = {}
        self._blobs = blobs
        self.contents: dict[bytes, str] = {}
        shared: dict[bytes, bytes] = {}
        for entry in entries:
            if entry.kind == "file" and entry.content is not None:
                self.contents[entry.path] = entry.content
            elif entry.kind == "hardlink" and entry.target is not None:
                shared[entry.path] = entry.target
            elif entry.kind == "link" and entry.target is not None:
                self._links[entry.path] = entry.target
        for path, target in shared.items():
            self.contents[path] = self.contents[target]

    def resolve(self, path: bytes) -> bytes | None:
        """The file that a path leads to, links followed inside the image."""
        pending = path.split(b"/")[::-1]
        real: list[bytes] = []
        links = 0
        while pending:
            name = pending.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                del real[-1:]
                continue
            target = self._links.get(b"/" + b"/".join([*real, name]))
            if target is None:
                real.append(name)
                continue
            links += 1
            if links > _MAX_LINKS:
                return None
            if target[:1] == b"/":
                real = []
            pending.extend(target.split(b"/")[::-1])
        found = b"/" + b"/".join(real)
        return found if found in self.contents else None

    def open(self, sha: str) -> BinaryIO:
        path = os.path.join(self._blobs, sha)
        try:
            return open(path, "rb")
        except OSError as error:
            raise MinimgError(
                "MINIMG-E001", path, f"it cannot be read: {error.strerror or error}"
            ) from None

    def read(self, path: bytes) -> bytes:
        """At most the first bytes: enough of what is meant to be read by people."""
        with self.open(self.contents[path]) as file:
            return bytes(file.read(_MAX_TEXT))


def _system(image: _Image) -> OsRelease | None:
    for path in _OS_RELEASE:
        real = image.resolve(path)
        if real is not None:
            found = osrelease.parse(image.read(real))
            if found is not None:
                return found
    return None


def _package(
    raw: Mapping[str, Any],
    files: tuple[File, ...],
    needed: tuple[str, ...],
    image: _Image,
    system: OsRelease | None,
) -> DebianPackage:
    control = fields(str(raw["control"]))
    name = str(raw["name"])
    licence = image.resolve(b"/usr/share/doc/" + name.encode("utf-8") + b"/copyright")
    return DebianPackage(
        name=name,
        version=str(raw["version"]),
        architecture=str(raw["architecture"]),
        source_name=str(raw["source_name"]),
        source_version=str(raw["source_version"]),
        distro=str(raw.get("distro") or (system.distro if system else "")),
        maintainer=control.get("maintainer", ""),
        summary=control.get("description", "").partition("\n")[0],
        homepage=control.get("homepage", ""),
        licence_file=None if licence is None else text(licence),
        licences=() if licence is None else licences.names(image.read(licence)),
        files=files,
        depends=needed,
    )
