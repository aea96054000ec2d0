"""musl's rules (ldso/dynlink.c: load_library, path_open, fixup_rpath)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pants_plugin_minimg.bundler.binaries.elf import DT_NEEDED, ET_DYN, ET_EXEC, Elf, Header
from pants_plugin_minimg.bundler.loader.context import Context, file_id
from pants_plugin_minimg.bundler.loader.model import (
    Closure,
    Loaded,
    Missing,
    Opener,
    Refused,
    Settings,
)
from pants_plugin_minimg.bundler.sysroots.sysroot import Walk
from pants_plugin_minimg.bundler.text import text

_DEFAULT_PATH = b"/lib:/usr/local/lib:/usr/lib"
_RESERVED = re.compile(rb"lib(?:c|pthread|rt|m|dl|util|xnet)\.")
_ORIGIN = re.compile(rb"\$(?:ORIGIN|\{ORIGIN\})")
#: path_open's buffer is 2 * NAME_MAX + 2 bytes: a longer path is not tried.
_MAX_PATH = 511
_NAME_MAX = 255
_OF_LIBC = (b"__libc_start_main", b"stdin")
_SKIPPED = ("ENOENT", "ENOTDIR", "EACCES", "ENAMETOOLONG")


class _Object:
    """`searching` is the nearest that has a search path: itself, or of those who loaded it."""

    __slots__ = ("path", "elf", "loader", "loaded", "who", "short", "origin", "rpath", "searching")

    def __init__(
        self,
        path: bytes,
        elf: Elf | None,
        loader: _Object | None,
        loaded: Loaded | None,
        who: bytes,
        short: bytes | None,
    ) -> None:
        self.path = path
        self.elf = elf
        self.loader = loader
        self.loaded = loaded
        self.who = who
        self.short = short
        self.origin = b""
        self.rpath: bytes | None = None
        self.searching: _Object | None = None


class _Stop(Exception):
    """A search that musl breaks off."""


class Resolution(Opener):
    """One program start. `closure` is filled by `run` and `open`."""

    def __init__(self, context: Context, closure: Closure, settings: Settings) -> None:
        self.context = context
        self.sysroot = context.sysroot
        self.closure = closure
        self.header = closure.elf.header
        self.settings = settings
        program = closure.walk.real if closure.elf.interp is not None else closure.program
        self.main = _Object(program, closure.elf, None, None, closure.program, None)
        self._prepare(self.main)
        self._objects = [self.main]
        self._shorts: dict[bytes, _Object] = {}
        self._ids: dict[tuple[int, int], _Object] = {}
        self._self: _Object | None = None
        self._reported: set[tuple[bytes, bytes]] = set()
        self._system = self._system_path()

    def _prepare(self, item: _Object) -> None:
        """decode_dyn and fixup_rpath: DT_RUNPATH over DT_RPATH, $ORIGIN alone is known."""
        elf = item.elf
        item.origin = item.path.rpartition(b"/")[0]
        raw = None if elf is None else elf.rpath if elf.runpath is None else elf.runpath
        if raw is not None and raw.count(b"$") != len(_ORIGIN.findall(raw)):
            self.closure.warn(f"{text(item.who)}: musl ignores the whole of its {text(raw)}")
            raw = None
        item.rpath = None if raw is None else _ORIGIN.sub(lambda _: item.origin, raw)
        above = None if item.loader is None else item.loader.searching
        item.searching = above if item.rpath is None else item

    def _system_path(self) -> bytes:
        """The path file, found from the text of PT_INTERP; "" when it is there and unreadable."""
        interpreter = self.closure.interpreter or b""
        arch = interpreter.rpartition(b"/")[2][len(b"ld-musl-") :].partition(b".so")[0]
        # The text less its last two components.
        parts = interpreter.split(b"/")
        prefix = b"/".join(parts[:-2]) if interpreter[:1] == b"/" else b""
        path = prefix + b"/etc/ld-musl-" + arch + b".path"
        walk = self.sysroot.walk(path)
        if walk.error == "ENOENT":
            return _DEFAULT_PATH
        return (self.context.text(path) or b"").partition(b"\0")[0]

    def run(self) -> None:
        for name in re.split(rb"[:\s]+", self.settings.ld_preload):
            if name:
                self._load(self.main, name, "preload")
        self._ask_from(0)

    def open(self, name: bytes) -> None:
        """dlopen(name), called by the program: the search is that of its own needs."""
        start = len(self._objects)
        self._load(self.main, name, None)
        self._ask_from(start)

    def attempt(self, name: bytes, requester: bytes | None = None) -> Missing | Refused | None:
        """See `Opener`. Whoever calls dlopen, musl searches on behalf of the program."""
        start = len(self._objects)
        searched: list[bytes] = []
        reason = self._load_library(self.main, name, None, searched)
        if reason:
            return Refused(searched[-1], self.main.who, reason)
        if reason is not None:
            return Missing(name, self.main.who, tuple(searched))
        self._ask_from(start)
        return None

    def find(self, name: bytes, requester: bytes | None = None) -> Walk | None:
        """See `Opener`."""
        if not name or _RESERVED.match(name):
            return None
        found = self._find(self.main, name, [])
        if found is None or self._usable(found[1])[0] is not None:
            return None
        return found[1]

    def _ask_from(self, index: int) -> None:
        while index < len(self._objects):
            item = self._objects[index]
            index += 1
            for tag, name in () if item.elf is None else item.elf.needed:
                if tag == DT_NEEDED:
                    self._load(item, name, None)

    def _load(self, by: _Object, name: bytes, via: str | None) -> None:
        searched: list[bytes] = []
        reason = self._load_library(by, name, via, searched)
        if reason is None or (name, by.who) in self._reported:
            return
        self._reported.add((name, by.who))
        if reason:
            self.closure.refused.append(Refused(searched[-1], by.who, reason))
        else:
            self.closure.missing.append(Missing(name, by.who, tuple(searched)))

    def _load_library(
        self, by: _Object, name: bytes, via: str | None, searched: list[bytes]
    ) -> str | None:
        """None: loaded. "": not found. Else why the file, the last of `searched`, is refused."""
        if not name:
            return ""
        if _RESERVED.match(name) or name == self.closure.interpreter:
            self._add_self(by, name)
            return None
        slash = b"/" in name
        if not slash and name in self._shorts:
            return None
        found = self._find(by, name, searched)
        if found is None:
            return ""
        path, walk, how = found
        if walk.stat is None:
            return ""
        loaded = Loaded(name, path, walk, by.who, via or how)
        same = self._ids.get(file_id(walk.stat))
        if same is not None:
            if same.short is None and not slash:
                self._shorten(same)
            if same.path != path:
                self.closure.twins.append(loaded)
            return None
        searched.append(path)
        reason, elf = self._usable(walk)
        if reason is not None:
            return reason
        if len(self.context.symbols(walk.real, _OF_LIBC, defined=True)) == len(_OF_LIBC):
            # Another C library: musl takes itself instead.
            self._add_self(by, name)
            return None
        item = _Object(path, elf, by, loaded, path, None)
        self._prepare(item)
        self._ids[file_id(walk.stat)] = item
        if not slash:
            item.short = name
            self._shorts[name] = item
        self._append(item)
        return None

    def _shorten(self, item: _Object) -> None:
        item.short = item.path.rpartition(b"/")[2]
        self._shorts.setdefault(item.short, item)

    def _append(self, item: _Object) -> None:
        self._objects.append(item)
        if item.loaded is not None:
            self.closure.load(item.loaded)

    def _add_self(self, by: _Object, name: bytes) -> None:
        if self._self is None:
            path = self.closure.interpreter or b""
            walk = self.closure.interp_walk or Walk(path, None, (), "ENOENT")
            loaded = Loaded(name, path, walk, by.who, "interp")
            self._self = _Object(path, None, by, loaded, path, None)
            self._append(self._self)

    def _find(
        self, by: _Object, name: bytes, searched: list[bytes]
    ) -> tuple[bytes, Walk, str] | None:
        if b"/" in name:
            searched.append(name)
            walk = self.sysroot.walk(name) if name[:1] == b"/" else None
            return None if walk is None or walk.error else (name, walk, "path")
        if len(name) > _NAME_MAX:
            return None
        try:
            for raw, how in self._lists(by):
                found = self._in(raw, name, searched)
                if found is not None:
                    return (*found, how)
        except _Stop:
            pass
        return None

    def _lists(self, by: _Object) -> Iterator[tuple[bytes, str]]:
        yield self.settings.ld_library_path, "ld_library_path"
        above = by.searching
        while above is not None and above.rpath is not None:
            runpath = above.elf is not None and above.elf.runpath is not None
            yield above.rpath, "runpath" if runpath else "rpath"
            above = None if above.loader is None else above.loader.searching
        yield self._system, "system"

    def _in(self, raw: bytes, name: bytes, searched: list[bytes]) -> tuple[bytes, Walk] | None:
        for directory in re.split(rb"[:\n]+", raw):
            path = directory + b"/" + name
            if not directory or len(path) > _MAX_PATH:
                continue
            searched.append(directory)
            if path[:1] != b"/":
                self.closure.warn(f"{text(directory)} is relative, nothing is looked for there")
                continue
            walk = self.sysroot.walk(path)
            if walk.error is None:
                if walk.stat is not None and walk.stat.kind == "file":
                    if self.context.file(walk.real) is None:  # may not be read
                        continue
                return path, walk
            if walk.error not in _SKIPPED:
                raise _Stop
        return None

    def _usable(self, walk: Walk) -> tuple[str | None, Elf | None]:
        """map_library, and what relocation would stumble over later."""
        if walk.stat is None or walk.stat.kind != "file":
            return "not a regular file", None
        file = self.context.file(walk.real)
        if file is None:
            return "it may not be read", None
        if file.elf is None:
            return file.error, None
        if file.elf.e_type not in (ET_DYN, ET_EXEC):
            return "only ET_DYN and ET_EXEC can be loaded", None
        if not file.elf.dynamic:
            return "object file has no dynamic section", None
        if not _same_machine(file.elf.header, self.header):
            return "a library for another machine", None
        return None, file.elf


def _same_machine(one: Header, other: Header) -> bool:
    return (one.machine, one.elfclass, one.endian) == (
        other.machine,
        other.elfclass,
        other.endian,
    )
