"""The lock of a `debian_sysroot`: which packages, from where, by which hashes.

A lock names no host: `path` is below the base URL of any mirror of the archive, and the mirrors are
tried in order for each package.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from pants_plugin_minimg.bundler import tomlfile
from pants_plugin_minimg.bundler.errors import MinimgError

VERSION = 1
_CODE = "MINIMG-E023"
_REMEDY = "Write it anew: `pants generate-lockfiles`."
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")  # Debian Policy 5.6.1
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.~_%:=,@-]*(?:/[A-Za-z0-9+.~_%:=,@-]+)*\.deb\Z")
_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z\Z")
_PRINTABLE = re.compile(r"[ -~\u00a0-\U0010ffff]+\Z")


def is_package_name(name: str) -> bool:
    return bool(_NAME.match(name))


def is_sha256(text: str) -> bool:
    return bool(_SHA256.match(text))


def is_pool_path(path: str) -> bool:
    """Whether it stays below a mirror's base URL and names a package."""
    return bool(_PATH.match(path)) and not {".", ".."} & set(path.split("/"))


@dataclass(frozen=True)
class Package:
    """One package for one sysroot.

    `sysroot` is the architecture of the sysroot, `architecture` that of the package: `all`, or the
    same. `path` is below a mirror's base URL. `size` is the .deb's in bytes, `installed` what it
    says to take unpacked, in KiB. `source` is the source package's name and version, `depends` are
    names of other packages of the same sysroot.
    """

    name: str
    sysroot: str
    version: str
    architecture: str
    suite: str
    path: str
    sha256: str
    size: int
    installed: int
    source: str
    depends: tuple[str, ...]
    because: str


@dataclass(frozen=True)
class Lock:
    """`suites` as asked for, in that order; the other lists sorted.

    `timestamp` is what `{timestamp}` in a mirror's URL becomes.
    """

    origin: str
    timestamp: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    packages: tuple[str, ...]
    package: tuple[Package, ...]

    @cached_property
    def by_name(self) -> Mapping[tuple[str, str], Package]:
        """(name, sysroot) -> package."""
        return {(package.name, package.sysroot): package for package in self.package}

    def scope(self, roots: Iterable[str], architecture: str) -> tuple[Package, ...]:
        """What the roots reach by their dependencies, sorted by name. No roots: all packages.

        A root is a name of a package, or what the sysroot asked for, such as `git=1:2.39`. Raises
        MinimgError MINIMG-E023 for an architecture or a package that is not locked.
        """
        if architecture not in self.architectures:
            raise MinimgError(
                _CODE,
                architecture,
                f"the lock has only {' and '.join(self.architectures)}",
                "Add the architecture to `architectures` of the sysroot, and write the lock anew.",
            )
        names = [re.split("[=/]", root, maxsplit=1)[0] for root in roots]
        if not names:
            names = [package.name for package in self.package if package.sysroot == architecture]
        reached: dict[str, Package] = {}
        while names:
            name = names.pop()
            if name in reached:
                continue
            package = self.by_name.get((name, architecture))
            if package is None:
                raise MinimgError(
                    _CODE,
                    name,
                    f"no package of the lock for {architecture} has this name",
                    "Add it to `packages` of the sysroot, and write the lock anew.",
                )
            reached[name] = package
            names += package.depends
        return tuple(reached[name] for name in sorted(reached))

    def mismatch(
        self,
        suites: Sequence[str],
        components: Collection[str],
        architectures: Collection[str],
        packages: Collection[str],
    ) -> str | None:
        """How the lock differs from what is asked for, in a few words; None: it does not."""
        out = []
        if tuple(suites) != self.suites:
            out.append(f"suites are {list(suites)} and were {list(self.suites)}")
        pairs = (
            ("components", components, self.components),
            ("architectures", architectures, self.architectures),
            ("packages", packages, self.packages),
        )
        for name, now, then in pairs:
            more, less = sorted(set(now) - set(then)), sorted(set(then) - set(now))
            changes = [f"{', '.join(more)} added"] if more else []
            changes += [f"{', '.join(less)} removed"] if less else []
            if changes:
                out.append(f"{name}: {', '.join(changes)}")
        return "; ".join(out) or None


def render(lock: Lock, resolve: str) -> str:
    """The file's content. `resolve` is the name to give to `generate-lockfiles`."""
    document: dict[str, Any] = {"version": VERSION}
    for field in fields(Lock):
        value = getattr(lock, field.name)
        document[field.name] = list(value) if isinstance(value, tuple) else value
    ordered = sorted(lock.package, key=lambda package: (package.name, package.sysroot))
    document["package"] = [
        {**vars(package), "depends": list(package.depends)} for package in ordered
    ]
    command = f"pants generate-lockfiles --resolve={resolve}"
    return f"# Written by `{command}`; do not edit.\n{tomlfile.dumps(document)}"


def load(path: str) -> Lock:
    """Raises MinimgError MINIMG-E023 for what is no whole lock of this version."""
    return _lock(tomlfile.load(path, _REMEDY), path)


def parse(content: bytes, subject: str) -> Lock:
    """As `load`, of a file's content; `subject` is its path, for messages."""
    return _lock(tomlfile.parse(content, subject, _REMEDY), subject)


def _lock(raw: dict[str, Any], subject: str) -> Lock:
    try:
        version = raw.pop("version", None)
        if version != VERSION or isinstance(version, bool):
            raise ValueError(f"version {version!r}, where this plugin reads version {VERSION}")
        packages = raw.pop("package", [])
        if not isinstance(packages, list):
            raise ValueError("'package' is no list of tables")
        _check_keys(raw, [field.name for field in fields(Lock) if field.name != "package"])
        lock = Lock(
            origin=_text(raw, "origin"),
            timestamp=_matching(raw, "timestamp", _TIMESTAMP),
            suites=_texts(raw, "suites"),
            components=_texts(raw, "components"),
            architectures=_texts(raw, "architectures"),
            packages=_texts(raw, "packages"),
            package=tuple(map(_package, packages)),
        )
        for problem in _problems(lock):
            raise ValueError(problem)
    except ValueError as error:
        raise MinimgError(
            _CODE, subject, f"this is no lock that can be used: {error}", _REMEDY
        ) from None
    return lock


def _package(raw: Any) -> Package:
    """Raises ValueError."""
    if not isinstance(raw, dict):
        raise ValueError("'package' is no list of tables")
    try:
        _check_keys(raw, [field.name for field in fields(Package)])
        if not is_pool_path(_text(raw, "path")):
            raise ValueError(f"path {raw['path']!r} is no path of a package in an archive")
        return Package(
            name=_matching(raw, "name", _NAME),
            sysroot=_matching(raw, "sysroot", _ARCHITECTURE),
            version=_text(raw, "version"),
            architecture=_matching(raw, "architecture", _ARCHITECTURE),
            suite=_text(raw, "suite"),
            path=raw["path"],
            sha256=_matching(raw, "sha256", _SHA256),
            size=_number(raw, "size"),
            installed=_number(raw, "installed"),
            source=_text(raw, "source"),
            depends=_texts(raw, "depends"),
            because=_text(raw, "because"),
        )
    except ValueError as error:
        raise ValueError(f"package {raw.get('name')!r}: {error}") from None


def _problems(lock: Lock) -> Iterator[str]:
    if len(lock.by_name) != len(lock.package):
        yield "a package is there twice for one sysroot"
    for package in lock.package:
        if package.sysroot not in lock.architectures:
            yield f"package {package.name!r} is for {package.sysroot}, which is not locked"
        if package.architecture not in (package.sysroot, "all"):
            yield f"package {package.name!r} of {package.architecture} is for {package.sysroot}"
        if package.suite not in lock.suites:
            yield f"package {package.name!r} is from {package.suite}, which is not locked"
        for name in package.depends:
            if (name, package.sysroot) not in lock.by_name:
                yield f"package {package.name!r} depends on {name!r}, which is not locked"
    for root in lock.packages:
        name = re.split("[=/]", root, maxsplit=1)[0]
        for architecture in lock.architectures:
            if (name, architecture) not in lock.by_name:
                yield f"{root!r} was asked for and is not locked for {architecture}"


def _check_keys(raw: Mapping[str, Any], names: Sequence[str]) -> None:
    missing = [name for name in names if name not in raw]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    unknown = sorted(set(raw) - set(names))
    if unknown:
        raise ValueError(f"it has {', '.join(unknown)}, which this version does not know")


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw[key]
    if not isinstance(value, str) or not _PRINTABLE.match(value):
        raise ValueError(f"{key} {value!r} is no line of text")
    return value


def _matching(raw: Mapping[str, Any], key: str, form: re.Pattern[str]) -> str:
    value = _text(raw, key)
    if not form.match(value):
        raise ValueError(f"{key} {value!r} does not have its form")
    return value


def _texts(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = raw[key]
    if not isinstance(value, list):
        raise ValueError(f"{key} is no list")
    return tuple(_text({key: item}, key) for item in value)


def _number(raw: Mapping[str, Any], key: str) -> int:
    value = raw[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key} {value!r} is no number of bytes")
    return value
