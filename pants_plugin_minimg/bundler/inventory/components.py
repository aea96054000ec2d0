"""What an image consists of, in the words of those who made it: packages, modules, files.

Pure data, kept as inventory.json from when the plan is made to when the SBOM is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.inventory.osrelease import OsRelease
from pants_plugin_minimg.bundler.records import NamedTuple


class File(NamedTuple):
    """`path` as text; `sha256` of the bytes before any packing."""

    path: str
    sha256: str

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> File:
        return cls(str(raw["path"]), str(raw["sha256"]))


class DebianPackage(NamedTuple):
    """`licence_file` is where the image has its copyright file, if it has; `licences` are short
    names out of it. `depends` are keys of packages in the image. `distro` may be empty.
    """

    name: str
    version: str
    architecture: str
    source_name: str
    source_version: str
    distro: str
    maintainer: str
    summary: str
    homepage: str
    licence_file: str | None
    licences: tuple[str, ...]
    files: tuple[File, ...]
    depends: tuple[str, ...]

    @property
    def key(self) -> str:
        return f"{self.name}:{self.architecture}"

    def to_json(self) -> dict[str, Any]:
        return {**self._asdict(), "files": [file._asdict() for file in self.files]}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> DebianPackage:
        lists = {
            "licences": tuple(map(str, raw["licences"])),
            "depends": tuple(map(str, raw["depends"])),
            "files": tuple(map(File.from_json, raw["files"])),
        }
        return cls(**{**raw, **lists})


class Module(NamedTuple):
    """`kind` is "golang", "cargo" or "pypi"; `version` is empty where nothing told one.

    `registered` says whether the name is the one that the language's public registry knows.
    `found_in` are the paths of the files that tell of it, sorted.
    """

    kind: str
    name: str
    version: str
    registered: bool = True
    licence: str | None = None
    found_in: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Module:
        return cls(**{**raw, "found_in": tuple(map(str, raw["found_in"]))})


class Components(NamedTuple):
    """All lists are sorted; `files` are those of no package."""

    system: OsRelease | None
    packages: list[DebianPackage]
    modules: list[Module]
    files: list[File]

    def to_json(self) -> dict[str, Any]:
        return {
            "version": jsonfile.VERSION,
            "system": None if self.system is None else self.system._asdict(),
            "packages": [package.to_json() for package in self.packages],
            "modules": [module._asdict() for module in self.modules],
            "files": [file._asdict() for file in self.files],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Components:
        """Raises LookupError, TypeError or ValueError for what `to_json` did not make."""
        system = raw["system"]
        return cls(
            system=None if system is None else OsRelease(**system),
            packages=[*map(DebianPackage.from_json, raw["packages"])],
            modules=[*map(Module.from_json, raw["modules"])],
            files=[*map(File.from_json, raw["files"])],
        )
