"""Whether the libraries that a program gets have the symbol versions asked of them.

The rule is glibc's (elf/dl-version.c, _dl_check_map_versions): every version in DT_VERNEED must be
in the DT_VERDEF of the object that is loaded under that name; a library without DT_VERDEF and a
weak version only make the loader print a warning. musl's loader (ldso/dynlink.c) compares none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from weakref import WeakKeyDictionary

from pants_plugin_minimg.bundler.binaries import elf_versions
from pants_plugin_minimg.bundler.binaries.elf import DT_NEEDED, DT_RELR, DT_VERNEED, Elf, ElfError
from pants_plugin_minimg.bundler.binaries.elf_versions import Definitions, Need
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.loader import Closure
from pants_plugin_minimg.bundler.loader.context import Context, context
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text

_RELR_MARKER = b"GLIBC_ABI_DT_RELR"
_RELR_SINCE = (2, 36)
_STOPS_BEFORE = (2, 41)
_NUMBERED = re.compile(rb"(.*?)_?([0-9]{1,9}(?:[._][0-9]{1,9})*)", re.DOTALL)
_UNPRINTABLE = re.compile(rb"[\x00-\x1f\x7f]")
_LONGEST, _MOST = 100, 8  # of what a message repeats


def check(sysroot: Sysroot, closure: Closure) -> tuple[list[MinimgError], list[str]]:
    """What stops the loader (MINIMG-E029, one for each object and library), and what it warns of.

    A library that the closure lacks is no matter here: that is reported where it is looked for.
    """
    if closure.interpreter is None or closure.is_musl:
        return [], []
    run = _Check(sysroot, closure)
    run.run()
    return run.problems, run.warnings


class _Known:
    """What was read already, by canonical path."""

    def __init__(self) -> None:
        self.needs: dict[bytes, tuple[Need, ...] | str] = {}
        self.definitions: dict[bytes, Definitions | None] = {}


_known: WeakKeyDictionary[Context, _Known] = WeakKeyDictionary()


class _Check:
    def __init__(self, sysroot: Sysroot, closure: Closure) -> None:
        self.problems: list[MinimgError] = []
        self.warnings: list[str] = []
        self._sysroot = sysroot
        self._closure = closure
        self._context = context(sysroot)
        self._read = _known.setdefault(self._context, _Known())
        self._objects = self._all_objects()
        self._names = self._all_names()

    def run(self) -> None:
        for real, elf in self._objects.items():
            needs = self._needs(real, elf)
            if isinstance(needs, str):
                self._damaged(real, real, needs)
                continue
            by_library: dict[bytes, list[Need]] = {}
            for need in needs:
                by_library.setdefault(need.library, []).append(need)
            for library, wanted in by_library.items():
                self._of(real, library, wanted)
            self._relative_relocations(real, elf, needs)

    def _of(self, real: bytes, library: bytes, wanted: list[Need]) -> None:
        """What one object needs of one library."""
        found = self._names.get(library)
        if found is None:
            if not self._is_reported(library):
                self._not_loaded(real, library)
            return
        path, elf = found
        defined = self._definitions(path, elf)
        if defined is None:
            self._without_versions(real, path, elf, wanted)
            return
        lacking = [need for need in wanted if (need.hash, need.version) not in defined.pairs]
        if lacking and defined.damage is not None:
            self._damaged(real, path, defined.damage)
            return
        weak = [need.version for need in lacking if need.weak]
        if weak:
            self.warnings.append(
                f"{text(path)} has no {_listed(weak)}, which {text(real)} can do without: the "
                "loader only warns of that."
            )
        fatal = [need.version for need in lacking if not need.weak]
        if fatal:
            self.problems.append(
                _lacking(real, library, path, fatal, [name for _, name in defined.pairs])
            )

    def _without_versions(self, real: bytes, path: bytes, elf: Elf, wanted: list[Need]) -> None:
        """A warning, since it may go well; without any DT_VERSYM in use it stops the loader once
        it looks up such a symbol, before 2.41 (glibc elf/dl-lookup.c, check_match)."""
        stops = DT_VERNEED not in elf.tags and self._release() < _STOPS_BEFORE
        fate = "stops once it needs one of them" if stops else "only warns of that"
        self.warnings.append(
            f"{text(path)} has no version information, and {text(real)} asks it for "
            f"{_listed(need.version for need in wanted)}: the loader {fate}."
        )

    # What is loaded, and under which names.

    def _all_objects(self) -> dict[bytes, Elf]:
        out = {self._closure.walk.real: self._closure.elf}
        for item in self._closure.loaded:
            elf = self._elf(item.walk.real)
            if elf is not None:
                out.setdefault(item.walk.real, elf)
        return out

    def _all_names(self) -> dict[bytes, tuple[bytes, Elf]]:
        """_dl_name_match_p: the path, and every name asked for that the object answered to.

        A soname is such a name once somebody asked for it; the loader's own always is
        (elf/rtld.c).
        """
        closure = self._closure
        asked = {name for elf in self._objects.values() for _, name in elf.needed}
        names: dict[bytes, tuple[bytes, Elf]] = {}

        def add(name: bytes | None, real: bytes) -> None:
            elf = self._objects.get(real) or self._elf(real)
            if name is not None and elf is not None:
                names.setdefault(name, (real, elf))

        def add_soname(real: bytes) -> None:
            elf = self._objects.get(real)
            if elf is not None and elf.soname in asked:
                add(elf.soname, real)

        add(closure.program if closure.elf.interp is None else None, closure.walk.real)
        add_soname(closure.walk.real)
        if closure.interp_walk is not None:
            rtld = closure.interp_walk.real
            add(closure.interpreter, rtld)
            interpreter = self._elf(rtld)
            add(interpreter.soname if interpreter is not None else None, rtld)
        for item in (*closure.loaded, *closure.twins):
            add(item.name, item.walk.real)
            add(item.path, item.walk.real)
            add_soname(item.walk.real)
        return names

    def _elf(self, real: bytes) -> Elf | None:
        walk = self._sysroot.walk(real)
        if walk.stat is None or walk.stat.kind != "file":
            return None
        file = self._context.file(real)
        return None if file is None else file.elf

    def _release(self) -> tuple[int, int]:
        """The sysroot's glibc; 0.0 where it has no loader, which is reported elsewhere."""
        rtld = self._closure.interp_walk
        return (0, 0) if rtld is None else self._context.facts(rtld.real).version

    def _is_reported(self, library: bytes) -> bool:
        """Whether the closure says already why the library is not there."""
        closure = self._closure
        if any(library == missing.name for missing in closure.missing):
            return True
        base = library.rpartition(b"/")[2]
        if any(base == refused.path.rpartition(b"/")[2] for refused in closure.refused):
            return True
        return closure.interp_walk is None or self._elf(closure.interp_walk.real) is None

    # What files say.

    def _needs(self, real: bytes, elf: Elf) -> tuple[Need, ...] | str:
        """The versions, or what is wrong with the table that should list them."""
        known = self._read.needs
        if real not in known:
            try:
                with self._sysroot.open(real) as file:
                    known[real] = elf_versions.needs(file, elf)
            except ElfError as error:
                known[real] = str(error)
        return known[real]

    def _definitions(self, real: bytes, elf: Elf) -> Definitions | None:
        known = self._read.definitions
        if real not in known:
            with self._sysroot.open(real) as file:
                known[real] = elf_versions.definitions(file, elf)
        return known[real]

    # What is wrong.

    def _relative_relocations(self, real: bytes, elf: Elf, needs: tuple[Need, ...]) -> None:
        """glibc 2.36 and later ask for a marker beside DT_RELR (glibc, elf/dl-version.c)."""
        if DT_RELR not in elf.tags or DT_VERNEED not in elf.tags:
            return
        if any(need.version == _RELR_MARKER for need in needs):
            return
        if not any(tag == DT_NEEDED and name.startswith(b"libc.so.") for tag, name in elf.needed):
            return
        if self._release() >= _RELR_SINCE:
            self._problem(
                real,
                f"it has DT_RELR and no {text(_RELR_MARKER)} among its versions, which this "
                "sysroot's loader refuses",
                "Link it with `-z pack-relative-relocs`, which adds the version.",
            )

    def _not_loaded(self, real: bytes, library: bytes) -> None:
        self._problem(
            real,
            f"it has versions of {_name(library)}, and nothing asks for a library of that name, "
            "at which the loader stops",
            "Link it again; an edited DT_NEEDED must be renamed in its version table, too.",
        )

    def _damaged(self, real: bytes, path: bytes, damage: str) -> None:
        whose = "its table of symbol versions" if real == path else f"that of {text(path)}"
        self._problem(real, f"{whose} is damaged: {damage}", "Build or install the file again.")

    def _problem(self, real: bytes, problem: str, remedy: str) -> None:
        self.problems.append(MinimgError("MINIMG-E029", text(real), problem, remedy))


# Messages.


def _lacking(
    real: bytes, library: bytes, path: bytes, missing: list[bytes], defined: list[bytes]
) -> MinimgError:
    newest = _newest(defined)
    needed = _newest(missing)
    has = [newest[space] for space in needed if space in newest]
    older = all(
        _number(newest[space]) < _number(needed[space]) for space in needed if space in newest
    )
    if not has:
        what = "has no such version"
    else:
        what = f"has {'them up to' if older else 'others, up to'} {_listed(has)}"
    enough = [*needed.values(), *(name for name in missing if _split(name) is None)]
    since = f" (glibc {'.'.join(map(str, _RELR_SINCE))})" if enough == [_RELR_MARKER] else ""
    return MinimgError(
        "MINIMG-E029",
        text(real),
        f"it needs {_listed(missing)} of {_name(library)}, and {text(path)} of this sysroot {what}",
        f"Build it on this sysroot's release, or take a sysroot whose {_name(library)} has "
        f"{_listed(enough)}{since}.",
    )


def _newest(versions: Iterable[bytes]) -> dict[bytes, bytes]:
    """Of each namespace, such as GLIBC or CXXABI, the version with the highest number."""
    out: dict[bytes, bytes] = {}
    for version in sorted(versions):
        split = _split(version)
        if split is not None:
            known = out.get(split[0])
            if known is None or _number(known) < split[1]:
                out[split[0]] = version
    return dict(sorted(out.items()))


def _number(version: bytes) -> tuple[int, ...]:
    split = _split(version)
    return () if split is None else split[1]


def _split(version: bytes) -> tuple[bytes, tuple[int, ...]] | None:
    """GLIBC_2.38 -> (GLIBC, (2, 38)); None where no number is at the end."""
    if len(version) > _LONGEST:
        return None
    match = _NUMBERED.fullmatch(version)
    if match is None:
        return None
    return match.group(1), tuple(int(part) for part in re.split(rb"[._]", match.group(2)))


def _order(version: bytes) -> tuple[bytes, tuple[int, ...], bytes]:
    return (*(_split(version) or (version, ())), version)


def _listed(versions: Iterable[bytes]) -> str:
    """The versions in the order of their numbers, few of many."""
    names = [_name(version) for version in sorted(set(versions), key=_order)]
    if len(names) > _MOST:
        names[_MOST:] = [f"{len(names) - _MOST} more"]
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def _name(raw: bytes) -> str:
    """A name out of a file, short and on one line."""
    shown = text(_UNPRINTABLE.sub(b"?", raw[:_LONGEST]))
    return shown if len(raw) <= _LONGEST else shown + "…"
