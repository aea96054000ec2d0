"""Which interpreters would find no module of their language?

Perl and Tcl know in which folders they look, and nothing that a loader reads tells of these. They
run without, until a program asks for the first module. Only said in the log, as any hint. (Python
does not even start; python/interpreter.py says so.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.implicit import strings
from pants_plugin_minimg.bundler.loader import Closure
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text


class _Language(NamedTuple):
    """`programs` are names of interpreters, their version left out; `library` begins the name of
    the library that may know the folders in their place. `part` is in the path of every folder,
    and `landmark` is a file in those that can be used."""

    programs: tuple[bytes, ...]
    library: bytes
    part: bytes
    landmark: bytes


#: Perl: `strict` is in the smallest library that distributions have (perlvar, "@INC"). Tcl: what
#: an interpreter reads first (Tcl_Init(3)).
_LANGUAGES = (
    _Language((b"perl",), b"libperl.", b"/perl", b"strict.pm"),
    _Language((b"tclsh", b"wish"), b"libtcl", b"/tcl", b"init.tcl"),
)


def lines(
    sysroot: Sysroot, closures: Iterable[Closure], is_there: Callable[[bytes], bool]
) -> Iterator[str]:
    """One for each interpreter. `is_there` says of a canonical path whether the image has it."""
    for closure in closures:
        name = closure.walk.real.rpartition(b"/")[2].rstrip(b"0123456789.")
        for language in _LANGUAGES:
            if name not in language.programs:
                continue
            found = dict(_folders(sysroot, closure, language))
            if found and not any(map(is_there, found.values())):
                folders = ", ".join(f'"{text(folder)}"' for folder in found)
                yield (
                    f"{text(closure.program)} looks for its language's modules where the image has "
                    f"none: if a program uses any, add `include=[{folders}]`."
                )


def _folders(
    sysroot: Sysroot, closure: Closure, language: _Language
) -> Iterator[tuple[bytes, bytes]]:
    """The folders of modules that the sysroot has, each with the canonical path of its landmark."""
    told = [closure.walk.real]
    told += [
        item.walk.real
        for item in closure.loaded
        if item.walk.real.rpartition(b"/")[2].startswith(language.library)
    ]
    for real in told:
        for folder in _strings(sysroot, real, language.part):
            walk = sysroot.walk(b"%s/%s" % (folder, language.landmark))
            if walk.stat is not None and walk.stat.kind == "file":
                yield folder, walk.real


def _strings(sysroot: Sysroot, real: bytes, part: bytes) -> tuple[bytes, ...]:
    try:
        with sysroot.open(real) as file:
            return strings.folders(file, part)
    except MinimgError:
        return ()
