"""The result of a resolution."""

from __future__ import annotations

import abc

from pants_plugin_minimg.bundler.binaries.elf import Elf
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.sysroot import Walk


class Settings(NamedTuple):
    """What is outside of the files: two environment variables, and whether the loader's own list of
    libraries to preload counts."""

    ld_library_path: bytes = b""
    ld_preload: bytes = b""
    preload_file: bool = True


class Loaded(NamedTuple):
    """A library as the loader has it.

    `name` is what it was first asked for by, `path` what the loader calls it, `by` the path of who
    asked. `via` is "rpath", "runpath", "ld_library_path", "cache", "system", "path" (a name with a
    slash), "preload" or "interp" (the loader itself, there from the start).
    """

    name: bytes
    path: bytes
    walk: Walk
    by: bytes
    via: str


class Missing(NamedTuple):
    """A library that was not found; `searched` are the folders tried, in order."""

    name: bytes
    by: bytes
    searched: tuple[bytes, ...]


class Refused(NamedTuple):
    """A file that was found and that the loader stops at."""

    path: bytes
    by: bytes
    reason: str


class Opening(NamedTuple):
    """What an object opens at run time, as by dlopen: the first of `names` that is found.

    `by` is the object's path as the loader has it, None for the program; `reason` says who tells.
    """

    names: tuple[bytes, ...]
    by: bytes | None
    reason: str


class Opener(abc.ABC):
    """A program start that has come to the end of its DT_NEEDED."""

    @abc.abstractmethod
    def attempt(self, name: bytes, requester: bytes | None = None) -> Missing | Refused | None:
        """dlopen(name) by the library whose path is `requester`, or by the program; None: done.

        What it brings joins the closure. A failure is told to the caller alone.
        """

    @abc.abstractmethod
    def find(self, name: bytes, requester: bytes | None = None) -> Walk | None:
        """Where dlopen(name) would find a file; None where it finds none, or one that it refuses.

        Nothing is opened.
        """


class Closure:
    """`loaded` in the loader's order, without the program and the vdso.

    `interpreter` is the text of PT_INTERP, `interp_walk` where it leads; for a library without one
    they are the sysroot's own loader for that kind of file, if it has it. `twins` are other paths
    by which files of `loaded` (or the program) were found again, the same by device and inode:
    an image needs these paths, too, and as one file. `libgcc` is the symbol that made the loader
    look for libgcc_s, if that was asked for. `opened` are the openings beyond all tags that went
    well, each with the one name that did, in order; `told` says of each library that came by one,
    by its path, for which reason. `opener` goes on with the same program start.
    """

    def __init__(self, program: bytes, walk: Walk, elf: Elf) -> None:
        self.program = program
        self.walk = walk
        self.elf = elf
        self.interpreter: bytes | None = None
        self.interp_walk: Walk | None = None
        self.loaded: list[Loaded] = []
        self.missing: list[Missing] = []
        self.refused: list[Refused] = []
        self.warnings: list[str] = []
        self.twins: list[Loaded] = []
        self.libgcc: bytes | None = None
        self.opened: list[Opening] = []
        self.told: dict[bytes, str] = {}
        self.opener: Opener | None = None

    def load(self, item: Loaded) -> None:
        """Adds a library; the loader itself only where there is one, else nothing starts at all."""
        if item.walk.stat is not None and item.walk.stat.kind == "file":
            self.loaded.append(item)

    def warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)

    @property
    def libc(self) -> Loaded | None:
        """glibc's own file, where the program loads it."""
        for item in self.loaded:
            if b"libc.so." in (item.name[:8], item.path.rpartition(b"/")[2][:8]):
                return item
        return None

    @property
    def is_musl(self) -> bool:
        """Whether musl's loader starts it, which is its C library too."""
        name = (self.interpreter or b"").rpartition(b"/")[2]
        return name.startswith(b"ld-musl-")
