"""What the resolutions in one sysroot share: parsed files, caches, directory lists."""

from __future__ import annotations

from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.loader.ldcache import Cache, parse
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.sysroot import Stat, Sysroot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The loader's own binary, its caches and lists are small; more is not read.
_MAX_LOADER, _MAX_CACHE = 1 << 24, 1 << 26


#: More than any loader has.
_MOST_DIRECTORIES = 64
#: For `translate`: NUL for all bytes that are in no name of a directory.
_IN_NAMES = bytes([byte if 0x21 <= byte <= 0x7E else 0 for byte in range(256)])
_RELEASE = b"release version "

#: What is kept of a file's start: of a script the kernel reads as much (BINPRM_BUF_SIZE).
START = 256


class File(NamedTuple):
    """A file that was opened: its first bytes, and what a loader reads of it or why it cannot."""

    raw: bytes
    elf: elf.Elf | None
    error: str


class LoaderFacts(NamedTuple):
    """Read from a glibc loader's binary: its directories (each with a slash at its end), its
    version and its SONAME. The version is (0, 0) and the SONAME None where they were not found."""

    directories: tuple[bytes, ...]
    version: tuple[int, int]
    soname: bytes | None


class Context:
    def __init__(self, sysroot: Sysroot) -> None:
        self.sysroot = sysroot
        self.generation = sysroot.generation
        self._files: dict[bytes, File | None] = {}
        self._verdicts: dict[tuple[bytes, int, int], dict[bytes, str | None]] = {}
        self._found: dict[tuple[Any, ...], dict[bytes, Any]] = {}
        self._facts: dict[bytes, LoaderFacts] = {}
        self._texts: dict[bytes, bytes | None] = {}
        self._caches: dict[bytes, Cache | None] = {}
        self._symbols: dict[tuple[bytes, tuple[bytes, ...], bool], frozenset[bytes]] = {}

    def file(self, real: bytes) -> File | None:
        """None when it cannot be opened, for want of permission."""
        if real not in self._files:
            self._files[real] = self._read(real)
        return self._files[real]

    def _read(self, real: bytes) -> File | None:
        try:
            file = self.sysroot.open(real)
        except MinimgError:
            return None
        with file:
            first = b""
            try:
                first = elf.head(file)
                return File(first[:START], elf.read(file, first), "")
            except elf.ElfError as err:
                return File(first[:START], None, str(err))

    def symbols(self, real: bytes, names: tuple[bytes, ...], *, defined: bool) -> frozenset[bytes]:
        """Which of `names` a file defines, or leaves undefined. None of them for a bad file."""
        key = (real, names, defined)
        if key not in self._symbols:
            self._symbols[key] = self._read_symbols(real, names, defined)
        return self._symbols[key]

    def _read_symbols(
        self, real: bytes, names: tuple[bytes, ...], defined: bool
    ) -> frozenset[bytes]:
        from pants_plugin_minimg.bundler.binaries import elf_symbols

        found = self.file(real)
        if found is None or found.elf is None:
            return frozenset()
        try:
            with self.sysroot.open(real) as file:
                return elf_symbols.symbols_among(file, found.elf, names, defined=defined)
        except (elf.ElfError, MinimgError):
            return frozenset()

    def verdicts(self, wanted: elf.Header) -> dict[bytes, str | None]:
        """What `accept.verify` says of files, by canonical path, for programs with such a header:
        to be filled by who asks."""
        key = (wanted.ident, wanted.machine, wanted.e_flags)
        return self._verdicts.setdefault(key, {})

    def found(self, *scope: Any) -> dict[bytes, Any]:
        """Where searches that `scope` decides found names: to be filled by who asks."""
        return self._found.setdefault(scope, {})

    def text(self, path: bytes) -> bytes | None:
        """A small file's bytes, through links; None where there is none."""
        if path not in self._texts:
            self._texts[path] = self._read_text(path, _MAX_CACHE)
        return self._texts[path]

    def _read_text(self, path: bytes, limit: int) -> bytes | None:
        walk = self.sysroot.walk(path)
        if walk.stat is None or walk.stat.kind != "file":
            return None
        try:
            with self.sysroot.open(walk.real) as file:
                # Reading without a size in mind would take memory for the limit first.
                return file.read(min(limit, walk.stat.size))
        except (MinimgError, OSError):
            return None

    def cache(self, path: bytes) -> Cache | None:
        if path not in self._caches:
            raw = self.text(path)
            self._caches[path] = None if raw is None else parse(raw)
        return self._caches[path]

    def facts(self, real: bytes) -> LoaderFacts:
        """Of the loader at a canonical path."""
        if real not in self._facts:
            raw = self._read_text(real, _MAX_LOADER) or b""
            file = self.file(real)
            soname = None if file is None or file.elf is None else file.elf.soname
            self._facts[real] = LoaderFacts(_directories(raw), _version(raw), soname)
        return self._facts[real]


def _directories(raw: bytes) -> tuple[bytes, ...]:
    """glibc's array system_dirs: the longest run of absolute directories that end in a slash."""
    best: list[bytes] = []
    run: list[bytes] = []
    behind = 0  # the directory before and its NUL
    while (slash := raw.find(b"/\0", behind)) >= 0:
        text = raw[raw.rfind(b"\0", 0, slash) + 1 : slash + 1]
        name = text.translate(_IN_NAMES).rpartition(b"\0")[2]
        directory = name[name.index(b"/") :]
        if slash + 1 - len(directory) != behind or len(run) == _MOST_DIRECTORIES:
            run = []
        run.append(directory)
        behind = slash + 2
        if len(run) > len(best) and any(b"lib" in directory for directory in run):
            best = run[:]
    return tuple(best)


def _version(raw: bytes) -> tuple[int, int]:
    found = raw.find(_RELEASE)
    if found < 0:
        return (0, 0)
    start = found + len(_RELEASE)
    major, _, rest = raw[start : start + 9].partition(b".")
    minor = rest[: len(rest) - len(rest.lstrip(b"0123456789"))]
    return (int(major), int(minor)) if major.isdigit() and minor else (0, 0)


def context(sysroot: Sysroot) -> Context:
    found: Context | None = sysroot.derived.get(Context)
    if found is None or found.generation != sysroot.generation:
        found = sysroot.derived[Context] = Context(sysroot)
    return found


def file_id(stat: Stat) -> tuple[int, int]:
    return stat.dev, stat.ino
