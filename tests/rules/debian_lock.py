"""Locks of a few packages for tests of the rules; what they depend on is made up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from pants.engine.addresses import Address

from pants_plugin_minimg.bundler.debian.lockfile import Lock, Package, render
from pants_plugin_minimg.sysroot_targets import DebianSysrootTarget, asked_for

MIRROR = "http://mirror.test/debian"
PATH = "s/bookworm.lock"


def deb(name: str, version: str = "1.0") -> bytes:
    """What the mirror has of a package; nothing reads it."""
    return f"the package {name} {version}".encode()


def package(
    name: str, depends: Sequence[str] = (), version: str = "1.0", architecture: str = "amd64"
) -> Package:
    content = deb(name, version)
    return Package(
        name=name,
        sysroot=architecture,
        version=version,
        architecture=architecture,
        suite="bookworm",
        path=f"pool/{name}_{version}.deb",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        installed=100,
        source=f"{name} {version}",
        depends=tuple(depends),
        because="asked for",
    )


def sysroot(**values: Any) -> DebianSysrootTarget:
    known = {"suites": ["bookworm"], "packages": ["git"], "lockfile": "bookworm.lock"}
    return DebianSysrootTarget({**known, **values}, Address("s", target_name="bookworm"))


def lock(target: DebianSysrootTarget, *packages: Package) -> Mapping[str, bytes]:
    """The lock of `target`, as a file of the repository."""
    written = Lock(
        origin="Debian",
        timestamp="20260711T161637Z",
        **{name: tuple(values) for name, values in asked_for(target).items()},
        package=packages,
    )
    return {PATH: render(written, "bookworm").encode()}


def served(*packages: Package, base: str = MIRROR) -> dict[str, bytes]:
    return {f"{base}/{item.path}": deb(item.name, item.version) for item in packages}
