"""Parts of an image that no package manager knows: Go modules, Rust crates, Python distributions.

Each is read from what its language's own tools left in a file, before anything packs that file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from pants_plugin_minimg.bundler.binaries.elf import ElfError, Reader
from pants_plugin_minimg.bundler.inventory import cargoaudit, distinfo, gobuildinfo
from pants_plugin_minimg.bundler.inventory.components import Module
from pants_plugin_minimg.bundler.text import text

_DEVELOPMENT = "(devel)"  # Go's version of a module that was built where it is developed
_MAX_VERSION = 1024  # characters, as CycloneDX has it
_RELEASE = re.compile(r"go(\d\S*)")


def found(contents: Mapping[bytes, str], open_blob: Callable[[str], BinaryIO]) -> list[Module]:
    """All modules, sorted. `contents` maps paths to SHA-256, `open_blob` opens the bytes of one."""
    paths: dict[Module, list[str]] = {}
    known: dict[str, list[Module]] = {}
    for path, sha in sorted(contents.items()):
        if distinfo.is_metadata(path):
            with open_blob(sha) as file:
                modules = list(_distribution(file))
        elif sha in known:
            modules = known[sha]
        else:
            with open_blob(sha) as file:
                modules = known[sha] = list(_program(file))
        for module in dict.fromkeys(modules):
            if len(module.version) > _MAX_VERSION:
                continue
            paths.setdefault(module, []).append(text(path))
    return sorted(
        (module._replace(found_in=tuple(where)) for module, where in paths.items()),
        key=_order,
    )


def _order(module: Module) -> tuple[str, str, str, bool, str]:
    return module.kind, module.name, module.version, module.registered, module.licence or ""


def _distribution(file: BinaryIO) -> Iterator[Module]:
    found = distinfo.parse(file.read(distinfo.MAX_HEADER))
    if found is not None:
        yield Module("pypi", found.name, found.version, licence=found.licence)


def _program(file: BinaryIO) -> Iterator[Module]:
    try:
        reader = Reader(file)
    except ElfError:
        return
    built = gobuildinfo.read(reader)
    if built is not None:
        yield from _go(built)
    for crate in cargoaudit.read(reader) or ():
        if crate.kind == "runtime":
            public = crate.source == "crates.io"
            yield Module("cargo", crate.name, crate.version, registered=public)


def _go(built: gobuildinfo.BuildInfo) -> Iterator[Module]:
    release = _RELEASE.match(built.go)
    yield Module("golang", "stdlib", release[1] if release else "")
    for module in filter(None, (built.main, *built.dependencies)):
        path, version = module.path, module.version
        if module.replace is not None:
            # A folder in the place of a module: its text is of the machine that built it.
            path, version = (path, "") if _is_folder(module.replace[0]) else module.replace
        if path:
            yield Module("golang", path, "" if version == _DEVELOPMENT else version)


def _is_folder(replacement: str) -> bool:
    """Go tells folders from modules so (go.mod reference, "replace")."""
    return replacement.startswith(("./", "../", "/"))
