"""Programs, scripts, libraries and what they need without saying so, as entries with reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.implicit.openings import Failure, Openings, Wanted
from pants_plugin_minimg.bundler.planning import scripts
from pants_plugin_minimg.bundler.planning.assembly import Assembly
from pants_plugin_minimg.bundler.planning.request import DEFAULT_PATH
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.sysroot import Walk
from pants_plugin_minimg.bundler.text import text

_LIBGCC = b"libgcc_s.so.1"
_PRELOAD = b"/etc/ld.so.preload"

_WALK_ERRORS = {
    "ELOOP": ("MINIMG-E007", "its links lead round in a circle", "Mend the links."),
    "ENOTDIR": ("MINIMG-E012", "the path passes through a file", "Correct the path."),
    "EACCES": ("MINIMG-E002", "it cannot be read by this user", "Give this user the right to."),
}


class Options(NamedTuple):
    """What the image's fields say about the search for libraries."""

    ld_library_path: bytes = b""
    env_path: bytes = DEFAULT_PATH.encode()
    extra_libraries: tuple[bytes, ...] = ()
    allowed_missing: tuple[bytes, ...] = ()
    #: Whether libgcc_s is looked for when a program makes the C library open it.
    libgcc: bool = True
    #: What else programs open at run time.
    wanted: Wanted = Wanted()
    #: What to do about a path that is not there, where the sysroot knows.
    hint: Callable[[bytes], str | None] = lambda path: None


class Programs:
    """The programs of an image, each with the closure that the loader would make.

    Keys are canonical paths. `named` maps each to the path that it was asked for by.
    """

    def __init__(self) -> None:
        self.closures: dict[bytes, loader.Closure] = {}
        self.named: dict[bytes, bytes] = {}
        self.elves: dict[bytes, elf.Elf] = {}

    def loaded(self, path: bytes) -> dict[str, Any] | None:
        """The interpreter that a program names, and under which names it finds which files; None
        for one that is not linked dynamically."""
        closure = self.closures.get(path)
        if closure is None:
            return None
        return {
            "interpreter": text(closure.interpreter or b""),
            "libraries": [
                {"name": text(loaded.name), "path": text(loaded.walk.real)}
                for loaded in closure.loaded
            ],
        }


class Resolver:
    """Adds programs and libraries, with all that they need, to an assembly."""

    def __init__(self, assembly: Assembly, options: Options) -> None:
        self.programs = Programs()
        self._assembly = assembly
        self._options = options
        self._seen: set[bytes] = set()
        self._extra_found: set[bytes] = set()
        self._extra_searched: dict[bytes, tuple[bytes, ...]] = {}

    def program(self, path: bytes, reason: str, remedy: str) -> None:
        """A program by its path in the image: its links, interpreter and closure."""
        walk = self._found(path, remedy)
        if walk is None:
            return
        self._assembly.need(walk, reason)
        if walk.real in self.programs.named:
            return
        self.programs.named[walk.real] = path
        assert walk.stat is not None
        kind = loader.kind(self._assembly.sysroot, walk.real)
        if not walk.stat.mode & 0o111:
            self._refuse(walk.real, "it is not executable (no x bit)", "Name a program.")
        elif kind == "script":
            self._script(path)
        elif kind in ("dynamic", "static", "static-pie"):
            self._resolve(path, walk)
        else:
            self._refuse(
                walk.real,
                "it is a shared library" if kind == "shared" else "it is neither ELF nor `#!`",
                "Libraries belong in `extra_libraries`, other files in `include` or `files`.",
            )

    def companion(self, path: bytes, walk: Walk) -> None:
        """A file that is in the image for another reason: if it is ELF, it gets its closure."""
        if loader.kind(self._assembly.sysroot, walk.real) in ("dynamic", "shared", "static-pie"):
            self._resolve(path, walk)

    def finish(self) -> None:
        """Report the extra libraries that no program found."""
        for name in self._options.extra_libraries:
            if name in self._extra_found:
                continue
            searched = self._extra_searched.get(name, ())
            if not self.programs.closures:
                self._problem(
                    "MINIMG-E004",
                    text(name),
                    "named in `extra_libraries`, and the image has no dynamically linked program "
                    "that could open it",
                    "Remove it.",
                )
            else:
                self._missing(name, b"extra_libraries", searched)

    def _script(self, path: bytes) -> None:
        try:
            steps = scripts.interpreters(self._assembly.sysroot, path, self._options.env_path)
        except MinimgError as error:
            self._assembly.problems.append(error)
            return
        for step in steps:
            self.program(
                step.path,
                f"interpreter of {text(path)} ({step.named_by})",
                f"It is the interpreter of {text(path)}.",
            )

    def _resolve(self, path: bytes, walk: Walk) -> None:
        if walk.real in self._seen:
            return
        self._seen.add(walk.real)
        options, assembly = self._options, self._assembly
        openings = Openings(assembly.sysroot, options.wanted)
        try:
            closure = loader.resolve(
                assembly.sysroot,
                path,
                ld_library_path=options.ld_library_path,
                extra=options.extra_libraries,
                libgcc=options.libgcc,
                implicit=openings.run,
            )
        except MinimgError as error:
            assembly.problems.append(error)
            return
        except elf.ElfError as error:
            self._refuse(walk.real, f"the loader would refuse it: {error}", "Build it again.")
            return
        self._warn_if_packed(walk)
        self.programs.elves[walk.real] = closure.elf
        if closure.interpreter is not None:
            self.programs.closures[walk.real] = closure
            if closure.interp_walk is None or closure.interp_walk.error is not None:
                self._problem(
                    "MINIMG-E006",
                    text(walk.real),
                    f"its interpreter {text(closure.interpreter)} is not in the sysroot",
                    "Use the sysroot that the program was built for.",
                )
            else:
                assembly.need(closure.interp_walk, f"interpreter of {text(path)}")
        self._add_closure(closure)
        assembly.log += openings.warnings
        for failure in openings.failures:
            self._not_opened(failure)

    def _warn_if_packed(self, walk: Walk) -> None:
        """UPX takes PT_INTERP and PT_DYNAMIC away: any program then looks like a static one."""
        with self._assembly.sysroot.open(walk.real) as file:
            if elf.upx_packed(file):
                self._assembly.log.append(
                    f"{text(walk.real)} is packed with UPX already, which hides the libraries that "
                    "it needs: give it unpacked and set `upx=True`, unless it is static."
                )

    def _add_closure(self, closure: loader.Closure) -> None:
        assembly, options = self._assembly, self._options
        for loaded in closure.loaded:
            if loaded.name in options.extra_libraries:
                self._extra_found.add(loaded.name)
            assembly.need(loaded.walk, _reason(closure, loaded))
        if any(loaded.via == "preload" for loaded in closure.loaded):
            listed = assembly.sysroot.walk(_PRELOAD)
            if listed.error is None:
                assembly.need(listed, "names libraries that the loader opens for every program")
        for twin in closure.twins:
            assembly.need(twin.walk, _reason(closure, twin))
        for missing in closure.missing:
            if missing.name == _LIBGCC and closure.libgcc is not None:
                assembly.log.append(
                    f"{text(closure.program)} may abort: it uses {text(closure.libgcc)}, for which "
                    f"the C library opens {text(_LIBGCC)}, and the sysroot has none."
                )
            elif missing.name in options.extra_libraries:
                self._extra_searched.setdefault(missing.name, missing.searched)
            elif missing.name in options.allowed_missing:
                assembly.log.append(
                    f"{text(missing.name)}, needed by {text(missing.by)}, is left out as "
                    "`allowed_missing` says."
                )
            else:
                self._missing(missing.name, missing.by, missing.searched)
        for refused in closure.refused:
            self._problem(
                "MINIMG-E005",
                text(refused.path),
                f"the loader stops at it when {text(refused.by)} is started: {refused.reason}",
                "Remove the file from the search path, or build it for this architecture.",
            )
        assembly.log.extend(closure.warnings)

    def _not_opened(self, failure: Failure) -> None:
        opening = failure.opening
        names = " or ".join(map(text, opening.names))
        if failure.fatal and not set(opening.names) & set(self._options.allowed_missing):
            self._problem(
                "MINIMG-E004",
                text(opening.names[0]),
                f"{opening.reason} asks for {names}, {_found_none(failure.why)}",
                "Install it, or list it in `allowed_missing` if it is never used.",
            )
        else:
            self._assembly.log.append(f"{names} is not in the sysroot: {opening.reason}.")

    def _missing(self, name: bytes, by: bytes, searched: tuple[bytes, ...]) -> None:
        self._problem(
            "MINIMG-E004",
            text(name),
            f"needed by {text(by)} and {_found_in_none(searched)}",
            "Install it, name its directory in `env` as LD_LIBRARY_PATH, or list it in "
            "`allowed_missing` if it is never used.",
        )

    def _found(self, path: bytes, remedy: str) -> Walk | None:
        walk = self._assembly.sysroot.walk(path)
        if walk.error is None and walk.stat is not None and walk.stat.kind == "file":
            return walk
        if walk.error is None:
            self._refuse(path, "it is a directory or a special file", remedy)
            return None
        code, problem, advice = _WALK_ERRORS.get(
            walk.error,
            (
                "MINIMG-E002",
                "there is no such file in the sysroot",
                self._options.hint(path) or remedy,
            ),
        )
        self._problem(code, text(path), problem, advice)
        return None

    def _refuse(self, path: bytes, problem: str, remedy: str) -> None:
        self._problem("MINIMG-E003", text(path), problem, remedy)

    def _problem(self, code: str, subject: str, problem: str, remedy: str) -> None:
        self._assembly.problems.append(MinimgError(code, subject, problem, remedy))


def _found_in_none(searched: tuple[bytes, ...]) -> str:
    places = ", ".join(text(place) for place in searched) or "no directory at all"
    return f"found in none of: {places}"


def _found_none(why: loader.Missing | loader.Refused) -> str:
    if isinstance(why, loader.Refused):
        return f"and the loader would refuse {text(why.path)}: {why.reason}"
    return _found_in_none(why.searched)


def _reason(closure: loader.Closure, loaded: loader.Loaded) -> str:
    told = closure.told.get(loaded.path)
    if told is not None:
        return told
    if loaded.name == _LIBGCC and closure.libgcc is not None:
        return f"{text(_LIBGCC)} because of {text(closure.libgcc)} in {text(closure.program)}"
    return f"needed by {text(loaded.by)} as {text(loaded.name)} via {loaded.via}"
