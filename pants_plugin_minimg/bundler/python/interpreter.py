"""Which Python a sysroot has: its program, its version, its standard library."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.loader.context import context
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.globs import join
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text

#: Where distributions and python.org's own builds put it.
_PLACES = (b"/usr/bin/python3", b"/usr/local/bin/python3", b"/bin/python3")
_NAME = re.compile(rb"python3(?:\.(\d+))?\Z")
_VERSIONED = re.compile(rb"python3\.(\d+)\Z")
_LIMIT = 64 << 20


class Interpreter(NamedTuple):
    """`path` as it is named, `library` the folder of the standard library (canonical).

    `version` has two or three parts: the last one is unknown where the program does not tell.
    `machine` is ELF's, `glibc` the version of the loader that it asks for: None with musl's.
    """

    path: bytes
    version: tuple[int, ...]
    library: bytes
    machine: int
    glibc: tuple[int, int] | None

    @property
    def short(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"


def find(sysroot: Sysroot, named: Sequence[bytes], address: str) -> Interpreter:
    """The one that `named` (the image's `executables`) holds, else the one of the sysroot.

    Raises MinimgError MINIMG-E043 where there is none, or no standard library beside it.
    """
    own = [path for path in named if _NAME.match(path.rpartition(b"/")[2])]
    for path in own or _PLACES:
        walk = sysroot.walk(path)
        if walk.error is not None or walk.stat is None or walk.stat.kind != "file":
            continue
        return _interpreter(sysroot, path, walk.real, address)
    places = ", ".join(text(path) for path in own or _PLACES)
    raise MinimgError(
        "MINIMG-E043",
        address,
        f"the sysroot has no Python (looked for {places})",
        "Add the package `python3` to the sysroot, or name an interpreter in `executables`.",
    )


def without_library(
    sysroot: Sysroot, programs: Iterable[bytes], is_there: Callable[[bytes], bool]
) -> Iterator[str]:
    """A line for each Python among `programs` (canonical paths) that would end as it starts: all
    import encodings.

    `is_there` says of a canonical path whether the image has it; who keeps the landmark knows why.
    """
    for real in programs:
        if not _NAME.match(real.rpartition(b"/")[2]):
            continue
        found = _library(sysroot, real)
        if found is None:
            continue
        minor, library = found
        archive = join(library.rpartition(b"/")[0], b"python3%d.zip" % minor)
        kept = (library + b"/os.py", library + b"/encodings/__init__.py", archive)
        if not any(map(is_there, kept)):
            yield (
                f"{text(real)} does not start without its standard library, which the image has "
                f'not: add `include=["{text(library)}"]`, or name a `pex_binary`, which brings it.'
            )


def _interpreter(sysroot: Sysroot, path: bytes, real: bytes, address: str) -> Interpreter:
    with sysroot.open(real) as file:
        try:
            program = elf.read(file)
        except elf.ElfError as error:
            raise _unusable(path, address, f"is no ELF program ({error})") from None
        file.seek(0)
        content = file.read(_LIMIT)
    found = _library(sysroot, real)
    if found is None:
        prefix = text(_prefix(real))
        raise _unusable(path, address, f"has no standard library in {prefix}/lib/python3.N")
    minor, library = found
    version, machine = _version(content, minor), program.header.machine
    return Interpreter(path, version, library, machine, _glibc(sysroot, program.interp or b""))


def _prefix(real: bytes) -> bytes:
    return real.rpartition(b"/")[0].rpartition(b"/")[0] or b"/"


def _library(sysroot: Sysroot, real: bytes) -> tuple[int, bytes] | None:
    """3.N and the folder of the program's standard library, where its landmark is: CPython's
    Modules/getpath.py looks for lib/python3.N/os.py above the program."""
    match = _VERSIONED.match(real.rpartition(b"/")[2])
    above = join(_prefix(real), b"lib")
    for minor in [int(match[1])] if match else _minors(sysroot, above):
        library = sysroot.walk(join(above, b"python3.%d" % minor))
        if library.stat is None or library.stat.kind != "dir":
            continue
        if sysroot.walk(join(library.real, b"os.py")).stat is not None:
            return minor, library.real
    return None


def _glibc(sysroot: Sysroot, loader: bytes) -> tuple[int, int] | None:
    if b"/ld-musl-" in loader:
        return None
    return context(sysroot).facts(sysroot.walk(loader).real).version


def _minors(sysroot: Sysroot, folder: bytes) -> list[int]:
    walk = sysroot.walk(folder)
    if walk.stat is None or walk.stat.kind != "dir":
        return []
    found = map(_VERSIONED.match, sysroot.scandir(walk.real))
    return sorted((int(match[1]) for match in found if match), reverse=True)


def _version(content: bytes, minor: int) -> tuple[int, ...]:
    """With the third part where the program holds it as a string, as Py_GetVersion's."""
    found = re.search(rb"\x003\.%d\.(\d{1,2})[+a-z0-9]*\x00" % minor, content)
    return (3, minor) if found is None else (3, minor, int(found[1]))


def _unusable(path: bytes, address: str, problem: str) -> MinimgError:
    return MinimgError(
        "MINIMG-E043", address, f"{text(path)} {problem}", "Name another one in `executables`."
    )
