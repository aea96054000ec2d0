"""Which programs of a sysroot start alike? Each kind of start is resolved once."""

from __future__ import annotations

from pants_plugin_minimg.bundler.binaries.elf import Elf
from pants_plugin_minimg.bundler.loader.context import context
from pants_plugin_minimg.bundler.loader.model import Closure, Loaded
from pants_plugin_minimg.bundler.loader.programs import resolve
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot, Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Starts:
    """The closures of many programs, of which nothing else is opened."""

    def __init__(self, sysroot: Sysroot, ld_library_path: bytes = b"") -> None:
        self.sysroot = sysroot
        self._ld_library_path = ld_library_path
        self._context = context(sysroot)
        self._known: dict[tuple[Any, ...] | None, Closure] = {}

    def resolve(self, path: bytes) -> Closure:
        """As `programs.resolve`."""
        walk = self.sysroot.walk(path)
        elf = self._program(walk)
        key = None if elf is None else _key(walk, elf)
        known = self._known.get(key)
        if elf is not None and known is not None:
            return _alike(known, path, walk, elf)
        closure = resolve(self.sysroot, path, ld_library_path=self._ld_library_path)
        closure.opener = None  # which refers to the closure: so both go without the collector
        if key is not None and _general(closure):
            self._known[key] = closure
        return closure

    def _program(self, walk: Walk) -> Elf | None:
        """None for a library, too: it has a name and a number by which it may be found again."""
        if walk.error is not None or walk.stat is None or walk.stat.kind != "file":
            return None
        file = self._context.file(walk.real)
        return None if file is None or file.elf is None or file.elf.interp is None else file.elf


def _key(walk: Walk, elf: Elf) -> tuple[Any, ...]:
    """All that a loader knows of a program: what it asks for, and the folder of $ORIGIN."""
    return (
        walk.real.rpartition(b"/")[0],
        (elf.header.ident, elf.header.e_type, elf.header.machine, elf.header.e_flags),
        (elf.interp, elf.interp_error, elf.dynamic),
        (elf.needed, elf.soname, elf.rpath, elf.runpath, elf.flags_1),
    )


def _general(closure: Closure) -> bool:
    """Whether the program's name is in nothing but `by`."""
    special = closure.missing or closure.refused or closure.warnings or closure.twins
    return not special and all(item.path != closure.program for item in closure.loaded)


def _alike(known: Closure, program: bytes, walk: Walk, elf: Elf) -> Closure:
    closure = Closure(program, walk, elf)
    closure.interpreter, closure.interp_walk = known.interpreter, known.interp_walk
    closure.loaded = [
        Loaded(item.name, item.path, item.walk, program, item.via)
        if item.by == known.program
        else item
        for item in known.loaded
    ]
    return closure
