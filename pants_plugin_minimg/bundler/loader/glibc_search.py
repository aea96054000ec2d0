"""Where glibc looks for a name, and what it makes of the files it meets (elf/dl-load.c).

Optimised variants (glibc-hwcaps) are left out: an image must run on the baseline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pants_plugin_minimg.bundler.binaries.elf import DF_1_NODEFLIB, Elf
from pants_plugin_minimg.bundler.loader.accept import SKIP, mappable, verify
from pants_plugin_minimg.bundler.loader.context import Context, LoaderFacts, file_id
from pants_plugin_minimg.bundler.loader.dst import expand
from pants_plugin_minimg.bundler.loader.ldcache import flags_for
from pants_plugin_minimg.bundler.loader.model import Closure, Loaded, Missing, Refused
from pants_plugin_minimg.bundler.loader.platforms import baseline_platform
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.sysroot import Walk
from pants_plugin_minimg.bundler.text import text

CACHE = b"/etc/ld.so.cache"


class _Chain:
    """The directories of one RPATH, and those of the objects above."""

    __slots__ = ("directories", "above")

    def __init__(self, directories: list[bytes], above: _Chain | None) -> None:
        self.directories = directories
        self.above = above


class Found(NamedTuple):
    """A file that a name led to: `via` as of `Loaded`, `id` by device and inode; `error` says why
    it cannot be mapped, None: it can."""

    path: bytes
    walk: Walk
    via: str
    id: tuple[int, int]
    origin: bytes
    elf: Elf | None
    error: str | None


class Object:
    """A link map. `loader` is the object that first pulled it in; `elf` is None for the loader
    itself, which asks for nothing, `loaded` for the program; `who` is how messages and `by` name
    it. `plain` says whether its search is that of all who have no paths of their own."""

    __slots__ = (
        *("path", "elf", "loader", "origin", "loaded", "who"),
        *("rpath", "runpath", "rpaths", "has_rpaths", "plain"),
    )

    def __init__(
        self,
        path: bytes,
        elf: Elf | None,
        loader: Object | None,
        origin: bytes | None,
        loaded: Loaded | None,
        who: bytes,
    ) -> None:
        self.path = path
        self.elf = elf
        self.loader = loader
        self.origin = origin
        self.loaded = loaded
        self.who = who
        self.rpath: list[bytes] | None = None
        self.runpath: list[bytes] | None = None
        self.plain: bool | None = None
        self.rpaths: _Chain | None = None
        self.has_rpaths = False


class Fatal(Exception):
    """What makes the loader stop, unless it happens to an auxiliary or a preloaded library."""


class NotFound(Fatal):
    def __init__(self, missing: Missing) -> None:
        self.missing = missing


class Unusable(Fatal):
    def __init__(self, refused: Refused) -> None:
        self.refused = refused


class Search:
    """The search paths of one program start."""

    def __init__(
        self,
        context: Context,
        closure: Closure,
        facts: LoaderFacts,
        main: Object,
        ld_library_path: bytes,
    ) -> None:
        self.context = context
        self.sysroot = context.sysroot
        self.closure = closure
        self.facts = facts
        self.main = main
        self.header = closure.elf.header
        self._verdicts = context.verdicts(self.header)
        self._cache_flags = flags_for(self.header)
        self._library_path = self._split(ld_library_path, (b":", b";"), main)
        self._plain: dict[bytes, Found] = context.found(
            self.header.ident,
            self.header.machine,
            self.header.e_flags,
            facts,
            tuple(self._library_path),
        )

    def find(self, by: Object, name: bytes, searched: list[bytes]) -> Found | None:
        """The file that `by` gets for `name`; None: not found.

        What was tried is added to `searched`, unless the same search was made before.
        Unusable for a file that the loader stops at.
        """
        plain = by.plain
        if plain is None:
            plain = by.plain = self._is_plain(by)
        if plain:
            known = self._plain.get(name)
            if known is not None:
                return known
        warned = len(self.closure.warnings)
        answer = self._find(by, name, searched)
        if answer is None:
            return None
        path, walk, via = answer
        assert walk.stat is not None
        file = self.context.file(walk.real)
        assert file is not None
        number, origin = file_id(walk.stat), dirname(path)
        found = Found(path, walk, via, number, origin, file.elf, mappable(file))
        if plain and b"/" not in name and len(self.closure.warnings) == warned:
            self._plain[name] = found
        return found

    def _is_plain(self, by: Object) -> bool:
        """Whether nothing of `by`, nor of those who loaded it, decides where it looks."""
        elf = by.elf
        if elf is None or elf.runpath is not None or elf.flags_1 & DF_1_NODEFLIB:
            return False
        return self._rpaths(by) is None

    def _find(
        self, by: Object, name: bytes, searched: list[bytes]
    ) -> tuple[bytes, Walk, str] | None:
        if b"/" in name:
            path = expand(name, self.tokens(by)) or b""
            searched.append(path)
            walk, _ = self._open(path, by)
            return None if walk is None else (path, walk, "path")
        for directories, how in self._lists(by):
            found = self._in(directories, name, by, searched)
            if found is not None:
                return (*found, how)
        found = self._cached(by, name, searched)
        if found is not None:
            return (*found, "cache")
        if not _nodeflib(by):
            found = self._in(self.facts.directories, name, by, searched)
            if found is not None:
                return (*found, "system")
        return None

    def _lists(self, by: Object) -> Iterator[tuple[Sequence[bytes], str]]:
        if by.elf is None or by.elf.runpath is None:
            chain = self._rpaths(by)
            while chain is not None:
                yield chain.directories, "rpath"
                chain = chain.above
            if by.loader is None and by is not self.main and self.closure.elf.interp is not None:
                yield self._rpath(self.main), "rpath"
        yield self._library_path, "ld_library_path"
        yield self._runpath(by), "runpath"

    def _rpaths(self, by: Object) -> _Chain | None:
        """The lists of `by`, of who loaded it, and so on, without the empty ones.

        Each object keeps its own, so that a long chain of libraries takes no look at all of it for
        each of them.
        """
        unknown: list[Object] = []
        item: Object | None = by
        while item is not None and not item.has_rpaths:
            unknown.append(item)
            item = item.loader
        chain = None if item is None else item.rpaths
        for below in reversed(unknown):
            own = self._rpath(below)
            if own:
                chain = _Chain(own, chain)
            below.rpaths, below.has_rpaths = chain, True
        return chain

    def _rpath(self, item: Object) -> list[bytes]:
        if item.rpath is None:
            elf = item.elf
            raw = None if elf is None or elf.runpath is not None else elf.rpath
            item.rpath = self._split(raw or b"", (b":",), item)
        return item.rpath

    def _runpath(self, item: Object) -> list[bytes]:
        if item.runpath is None:
            raw = None if item.elf is None else item.elf.runpath
            item.runpath = self._split(raw or b"", (b":",), item)
        return item.runpath

    def _split(self, raw: bytes, separators: tuple[bytes, ...], item: Object) -> list[bytes]:
        """fillin_rpath: the list's directories, each once, with a slash at its end."""
        if not raw:
            return []
        for separator in separators[1:]:
            raw = raw.replace(separator, separators[0])
        out: dict[bytes, None] = {}
        for element in raw.split(separators[0]):
            directory = expand(element, self.tokens(item)) if b"$" in element else element
            if element and not directory:
                continue
            if not directory or directory[:1] != b"/":
                shown = text(element) or "an empty element"
                self.closure.warn(
                    f"{text(item.who)}: {shown} in its search path means the working directory, "
                    "where nothing is looked for"
                )
                continue
            out[directory.rstrip(b"/") + b"/"] = None
        return list(out)

    def tokens(self, item: Object) -> dict[bytes, bytes | None]:
        directories = self.facts.directories
        return {
            b"ORIGIN": item.origin,
            b"LIB": directories[0].strip(b"/") if directories else None,
            b"PLATFORM": self._platform(item),
        }

    def _platform(self, item: Object) -> bytes | None:
        elf = item.elf
        if elf is not None and any(
            b"PLATFORM" in value for value in (elf.rpath, elf.runpath) if value
        ):
            self.closure.warn(f"{text(item.who)}: $PLATFORM depends on the processor")
        return baseline_platform(self.header)

    def _in(
        self, directories: Sequence[bytes], name: bytes, by: Object, searched: list[bytes]
    ) -> tuple[bytes, Walk] | None:
        """open_path."""
        for directory in directories:
            path = directory + name
            walk, error = self._open(path, by)
            searched.append(directory)
            if walk is not None:
                return path, walk
            if error in ("ENOENT", "EACCES") or (error == "ENOTDIR" and self._lenient()):
                continue
            above = self.sysroot.walk(directory)
            if above.stat is not None and above.stat.kind == "dir":
                return None  # the rest of this list is given up
        return None

    def _lenient(self) -> bool:
        return self.facts.version >= (2, 39)

    def _open(self, path: bytes, by: Object) -> tuple[Walk | None, str]:
        """open_verify: (where it leads, "") or (None, error number's name)."""
        if path[:1] != b"/":
            return None, "ENOENT"
        walk = self.sysroot.walk(path)
        if walk.error is not None or walk.stat is None:
            return None, walk.error or "ENOENT"
        if walk.stat.kind != "file":
            what = "a directory" if walk.stat.kind == "dir" else "not a regular file"
            raise Unusable(Refused(path, by.who, what))
        file = self.context.file(walk.real)
        if file is None:
            self.closure.warn(f"{text(path)} may not be read")
            return None, "EACCES"
        if walk.real not in self._verdicts:
            self._verdicts[walk.real] = verify(file.raw, self.header)
        reason = self._verdicts[walk.real]
        if reason == SKIP:
            return None, "ENOENT"
        if reason is not None:
            raise Unusable(Refused(path, by.who, reason))
        return walk, ""

    def _cached(self, by: Object, name: bytes, searched: list[bytes]) -> tuple[bytes, Walk] | None:
        cache = self.context.cache(CACHE)
        path = None if cache is None else cache.lookup(name, self._cache_flags)
        if path is None:
            return None
        if _nodeflib(by) and path.startswith(self.facts.directories):
            return None
        searched.append(path)
        walk, _ = self._open(path, by)
        return None if walk is None else (path, walk)


def _nodeflib(item: Object) -> bool:
    return item.elf is not None and bool(item.elf.flags_1 & DF_1_NODEFLIB)


def dirname(path: bytes) -> bytes:
    return path.rpartition(b"/")[0] or b"/"
