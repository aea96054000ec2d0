"""What one image is asked to hold: the JSON that the rules write and `plan` reads."""

from __future__ import annotations

import json
from typing import Any

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.implicit.dlopen_notes import PRIORITIES
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.text import path_bytes

VERSION = 1

#: PATH of a container whose image sets none (moby, oci/defaults).
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Owned(NamedTuple):
    """Mode and owner that a field asks for; `mode` None: 0755 or 0644 by the executable bit."""

    mode: int | None
    uid: int
    gid: int


class Tree(NamedTuple):
    """Files that the build made, below `root` in the sandbox.

    Role "program": the output of `binary` or `extra_binaries`, to be put below `install_to`.
    Role "pex": a PEX, whose files go there as they run. Role "file": one file (or a tree) that goes
    to `path`. `executable` are the paths below `root` that are so; None: as the files' own modes
    say. An engine that links large files into the sandbox gives them all the executable bit, so
    what the build said of them must come along.
    """

    root: str
    origin: str
    role: str
    path: bytes
    owned: Owned
    primary: bool
    executable: frozenset[bytes] | None = None


class SysrootSource(NamedTuple):
    """Where a sysroot is read from.

    Kind "host": this machine. "dir": the folder `root`. "debian": `packages`, folders made by
    `unpack`, with `alternatives` chosen. "rootfs": the folder `root`, made by `rootfs`.
    `architecture` is Debian's name of what it is taken for; None: whatever its programs are.
    `lists` is a file with the index of dpkg's lists in it (debian/listindex.py), or None.
    """

    kind: str
    root: str = "/"
    packages: tuple[str, ...] = ()
    alternatives: tuple[tuple[str, str], ...] = ()
    architecture: str | None = None
    lists: str | None = None


class Request(NamedTuple):
    """`libgcc`, `nss` and `dlopen` (the priorities of `.note.dlopen` to follow) say which libraries
    are added that no DT_NEEDED names, `hints` whether the log names more that may be missed.
    `emulator` is a program of this machine that runs those of the sysroot; empty: none is needed.
    `pack`: programs are offered to UPX. `link`: of this machine's files, links do for the contents.
    """

    address: str
    sysroot: SysrootSource
    trees: tuple[Tree, ...]
    install_to: bytes
    executables: tuple[bytes, ...]
    include: tuple[bytes, ...]
    exclude: tuple[bytes, ...]
    directories: tuple[tuple[bytes, Owned], ...]
    extra_libraries: tuple[bytes, ...]
    allowed_missing: tuple[bytes, ...]
    presets: tuple[str, ...]
    package_records: bool
    env: tuple[tuple[str, str], ...]
    pack: bool
    link: bool
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    user: str
    workdir: str
    libgcc: bool = True
    nss: bool = True
    dlopen: tuple[str, ...] = ("required",)
    hints: bool = True
    healthcheck: tuple[str, ...] = ()
    allowed_libraries: tuple[str, ...] | None = None
    allowed_secrets: tuple[bytes, ...] = ()
    python_stdlib: str = "default"
    python_bytecode: bool = False
    emulator: str = ""

    def variable(self, name: str) -> str | None:
        return dict(self.env).get(name)


def owner(spec: str | None) -> tuple[int, int]:
    """`"65532:65532"` or `"65532"` as (uid, gid); None is root. Raises ValueError."""
    if spec is None:
        return 0, 0
    uid, _, gid = spec.partition(":")
    return int(uid), int(gid or uid)


def _owned(mode: str | None, owner_spec: str | None) -> Owned:
    uid, gid = owner(owner_spec)
    return Owned(None if mode is None else int(mode, 8), uid, gid)


def _directory(spec: str) -> Owned:
    mode, _, owner_spec = spec.partition(" ")
    return _owned(mode or "0755", owner_spec.strip() or None)


def _sysroot(raw: dict[str, Any]) -> SysrootSource:
    kind = raw["kind"]
    if kind not in ("host", "dir", "debian", "rootfs"):
        raise ValueError(f"no kind of sysroot: {kind!r}")
    return SysrootSource(
        kind,
        root=raw["root"] if kind in ("dir", "rootfs") else "/",
        packages=tuple(raw["packages"]) if kind == "debian" else (),
        alternatives=tuple(raw.get("alternatives", {}).items()),
        architecture=raw.get("architecture"),
        lists=raw.get("lists"),
    )


def _tree(raw: dict[str, Any], install_to: str) -> Tree:
    return Tree(
        root=raw["root"],
        origin=raw["origin"],
        role=raw["role"],
        path=path_bytes(raw.get("path") or install_to),
        owned=_owned(raw.get("mode"), raw.get("owner")),
        primary=bool(raw.get("primary", raw["role"] in ("program", "pex"))),
        executable=frozenset(_paths(raw, "executable")) if "executable" in raw else None,
    )


def _paths(raw: dict[str, Any], key: str) -> tuple[bytes, ...]:
    return tuple(path_bytes(value) for value in raw.get(key, ()))


def _priorities(raw: list[str]) -> tuple[str, ...]:
    unknown = [name for name in raw if name not in PRIORITIES]
    if unknown:
        raise ValueError(f"no priority of a .note.dlopen: {unknown[0]!r}")
    return tuple(dict.fromkeys(raw))


def parse(raw: dict[str, Any]) -> Request:
    """Raises KeyError, ValueError or TypeError for what `load` turns into MINIMG-E001."""
    if raw["version"] != VERSION:
        raise ValueError(f"version {raw['version']} where {VERSION} is understood")
    install_to = raw.get("install_to") or "/"
    allowed = raw.get("allowed_libraries")
    return Request(
        address=raw["address"],
        sysroot=_sysroot(raw.get("sysroot", {"kind": "host"})),
        trees=tuple(_tree(tree, install_to) for tree in raw.get("trees", ())),
        install_to=path_bytes(install_to),
        executables=_paths(raw, "executables"),
        include=_paths(raw, "include"),
        exclude=_paths(raw, "exclude"),
        directories=tuple(
            (path_bytes(path), _directory(spec))
            for path, spec in sorted(raw.get("directories", {}).items())
        ),
        extra_libraries=_paths(raw, "extra_libraries"),
        allowed_missing=_paths(raw, "allowed_missing"),
        presets=tuple(raw.get("presets", ())),
        package_records=bool(raw.get("package_records", False)),
        env=tuple(raw.get("env", {}).items()),
        pack=bool(raw.get("pack", False)),
        link=bool(raw.get("link", False)),
        entrypoint=tuple(raw.get("entrypoint") or ()),
        cmd=tuple(raw.get("cmd") or ()),
        user=raw.get("user") or "0:0",
        workdir=raw.get("workdir") or "/",
        libgcc=bool(raw.get("libgcc", True)),
        nss=bool(raw.get("nss", True)),
        dlopen=_priorities(raw.get("dlopen", ["required"])),
        hints=bool(raw.get("hints", True)),
        healthcheck=tuple(raw.get("healthcheck") or ()),
        allowed_libraries=None if allowed is None else tuple(allowed),
        allowed_secrets=_paths(raw, "allowed_secrets"),
        python_stdlib=raw.get("python_stdlib") or "default",
        python_bytecode=bool(raw.get("python_bytecode", False)),
        emulator=raw.get("emulator") or "",
    )


def load(path: str) -> Request:
    """Raises MinimgError MINIMG-E001 when the file is not a request of this version."""
    try:
        with open(path, encoding="utf-8") as file:
            return parse(json.load(file))
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise MinimgError(
            "MINIMG-E001", path, f"not a request that this version reads: {error!r}"
        ) from None
