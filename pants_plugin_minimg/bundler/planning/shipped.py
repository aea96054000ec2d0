"""Which packages the image's files are of, and the records in the image that say so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from pants_plugin_minimg.bundler import pieces
from pants_plugin_minimg.bundler.debian import listindex, records
from pants_plugin_minimg.bundler.debian.dpkg import DpkgDatabase
from pants_plugin_minimg.bundler.debian.package import Package
from pants_plugin_minimg.bundler.plan import FIRST_PARTY
from pants_plugin_minimg.bundler.planning.assembly import Assembly
from pants_plugin_minimg.bundler.planning.request import Owned
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot

_ROOT = Owned(None, 0, 0)


def owners(
    sysroot: Sysroot, lists: str | None
) -> Callable[[Iterable[bytes]], dict[bytes, Package]]:
    """What says of canonical paths the package of each that has one: the sysroot, if it is a stack
    of packages and knows without a database, or dpkg's in it. `lists` is the file of its index."""
    owner: Callable[[bytes], Package | None] | None = getattr(sysroot, "owner", None)
    if owner is None:
        return DpkgDatabase(sysroot, None if lists is None else listindex.load(lists)).owners

    def of_stack(paths: Iterable[bytes]) -> dict[bytes, Package]:
        found = {path: owner(path) for path in paths}
        return {path: package for path, package in found.items() if package is not None}

    return of_stack


def add_records(
    assembly: Assembly, lower: Sysroot, lists: str | None, wanted: bool
) -> list[dict[str, Any]]:
    """The packages of the plan, after putting their records into the image if `wanted`.

    `lower` is the sysroot without the files of the build, `lists` as for `owners`. The records lie
    in the last layer: the others are the same in every image that has their files.
    """
    owners_of = owners(lower, lists)
    by_path = owners_of([path for path in assembly.entries if assembly.is_of_sysroot(path)])
    for path, package in by_path.items():
        assembly.entries[path].origin += f" ({package.name} {package.version})"
    if wanted and by_path:
        added = _add_system_files(assembly, set(by_path.values()))
        by_path.update(owners_of(added))
    shipped: dict[Package, list[bytes]] = {package: [] for package in by_path.values()}
    for path, package in by_path.items():
        if assembly.entries[path].kind != "link":
            shipped[package].append(path)
    if wanted:
        for path, content in records.records(shipped, lambda path: _md5(lower, path)):
            assembly.generate(path, content, 0o644, _ROOT, "record of a package")
    return records.as_json(shipped, "")


def _add_system_files(assembly: Assembly, packages: set[Package]) -> list[bytes]:
    """os-release and the packages' copyright files, each with the links that lead to it: the paths
    that were not there."""
    before = len(assembly.entries)
    paths = {path: "says which system it is" for path in records.OS_RELEASE}
    for package in sorted(packages, key=lambda package: package.name):
        path = records.copyright_path(package)
        paths[path] = f"the licences of {package.name}"
    for path, reason in paths.items():
        walk = assembly.sysroot.walk(path)
        if walk.error is None and walk.stat is not None and walk.stat.kind == "file":
            assembly.need(walk, reason)
    added = list(assembly.entries)[before:]
    for path in added:
        assembly.entries[path].layer = FIRST_PARTY
    return added


def _md5(sysroot: Sysroot, path: bytes) -> str:
    """What dpkg's lists have; no question of security."""
    with sysroot.open(path) as file:
        return pieces.digest(file, hashlib.md5(usedforsecurity=False))
