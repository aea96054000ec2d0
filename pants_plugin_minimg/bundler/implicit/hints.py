"""What an image may lack: libraries and plugin folders that programs know by name.

Only said in the log, never put in: that a program holds a name does not mean that it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.implicit import strings
from pants_plugin_minimg.bundler.implicit.dlopen_notes import PRIORITIES
from pants_plugin_minimg.bundler.implicit.openings import read_notes
from pants_plugin_minimg.bundler.loader import Closure, Loaded
from pants_plugin_minimg.bundler.loader.context import Context, context
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text

#: What opens a library at run time: dlopen(3), and the wrappers of libltdl and GModule.
OPENERS = (
    b"dlopen",
    b"dlmopen",
    b"lt_dlopen",
    b"lt_dlopenext",
    b"lt_dlopenadvise",
    b"g_module_open",
    b"g_module_open_full",
)
#: Of the C library, which is whole without them or gets them by rules of their own.
_OF_LIBC = (
    b"libc",
    b"libm",
    b"libdl",
    b"librt",
    b"libutil",
    b"libanl",
    b"libmvec",
    b"libpthread",
    b"libresolv",
    b"libthread_db",
    b"libBrokenLocale",
    b"libgcc_s",
)
#: libselinux opens it to load a policy into the kernel, which init does and no container.
_IDLE = (b"libsepol",)


class Hint(NamedTuple):
    """What one object knows and the image has not: names of libraries, paths of folders."""

    path: bytes
    libraries: tuple[bytes, ...]
    folders: tuple[bytes, ...]

    def __str__(self) -> str:
        pieces = []
        if self.libraries:
            pieces.append(f"extra_libraries={_listed(self.libraries)}")
        if self.folders:
            pieces.append(f"include={_listed(self.folders)}")
        what = "what it opens at run time by name" if self.libraries else "plugins"
        return (
            f"{text(self.path)} may look for {what}, which the image has not: if the program uses "
            f"that, add `{'` and `'.join(pieces)}`."
        )


class Offer(NamedTuple):
    """What a note of one object names with a priority that the image does not follow."""

    path: bytes
    priority: str
    libraries: tuple[bytes, ...]

    def __str__(self) -> str:
        return (
            f"{text(self.path)} can do more with {', '.join(map(text, self.libraries))}, which the "
            f'image has not: `dlopen="{self.priority}"` adds it.'
        )


def _listed(paths: Iterable[bytes]) -> str:
    return "[" + ", ".join(f'"{text(path)}"' for path in paths) + "]"


class Finder:
    """`is_there` says of a canonical path whether the image has it; `noted` whether libraries that
    notes name are no news."""

    def __init__(
        self, sysroot: Sysroot, is_there: Callable[[bytes], bool], noted: bool = True
    ) -> None:
        self.sysroot = sysroot
        self.is_there = is_there
        self.noted = noted
        self._seen: set[bytes] = set()
        self._strings: dict[bytes, tuple[tuple[bytes, ...], tuple[bytes, ...]]] = {}

    def of(self, closure: Closure) -> Iterator[Hint]:
        """The hints about each object of a closure that was in no closure before."""
        if closure.opener is None:
            return
        shared = context(self.sysroot)
        objects: list[tuple[Loaded | None, bytes]] = [(None, closure.walk.real)]
        objects += [(item, item.walk.real) for item in closure.loaded if item.via != "interp"]
        for item, real in objects:
            if real in self._seen:
                continue
            self._seen.add(real)
            path = closure.program if item is None else item.path
            if _is_no_news(path.rpartition(b"/")[2]):
                continue
            if not self._opens(shared, real):
                continue
            libraries, folders = self._read(real)
            hint = Hint(
                path,
                tuple(self._libraries(closure, item, real, libraries)),
                tuple(self._folders(closure, folders)),
            )
            if hint.libraries or hint.folders:
                yield hint

    def _opens(self, shared: Context, real: bytes) -> bool:
        """Without a DT_NEEDED it has nothing of its own to open others with."""
        file = shared.file(real)
        if file is None or file.elf is None or not file.elf.needed:
            return False
        return bool(shared.symbols(real, OPENERS, defined=False))

    def _read(self, real: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        if real not in self._strings:
            try:
                with self.sysroot.open(real) as file:
                    self._strings[real] = strings.read(file)
            except MinimgError:
                self._strings[real] = (), ()
        return self._strings[real]

    def _libraries(
        self, closure: Closure, item: Loaded | None, real: bytes, names: tuple[bytes, ...]
    ) -> Iterator[bytes]:
        assert closure.opener is not None
        shared = context(self.sysroot)
        noted: set[bytes] = set()
        if self.noted:
            notes, _ = read_notes(shared, real)
            noted = {name for note in notes for name in note.names}
        found: dict[bytes, list[bytes]] = {}
        for name in names:
            if name in noted or _is_no_news(name.rpartition(b"/")[2]):
                continue
            walk = closure.opener.find(name, None if item is None else item.path)
            if walk is not None and not self.is_there(walk.real):
                found.setdefault(walk.real, []).append(name)
        for where, alternatives in found.items():
            file = shared.file(where)
            soname = None if file is None or file.elf is None else file.elf.soname
            yield soname if soname in alternatives else alternatives[0]

    def _folders(self, closure: Closure, paths: tuple[bytes, ...]) -> Iterator[bytes]:
        """Those that hold libraries, none of which the image has, and that no loader searches."""
        used = {item.path.rpartition(b"/")[0] for item in closure.loaded}
        used |= {item.walk.real.rpartition(b"/")[0] for item in closure.loaded}
        if closure.interp_walk is not None and closure.interp_walk.error is None:
            facts = context(self.sysroot).facts(closure.interp_walk.real)
            used |= {directory.rstrip(b"/") for directory in facts.directories}
        given: set[bytes] = set()
        for path in paths:
            walk = self.sysroot.walk(path)
            if walk.stat is None or walk.stat.kind != "dir":
                continue
            if path in used or walk.real in used or walk.real in given:
                continue
            given.add(walk.real)
            if walk.real.endswith(b"/gconv"):
                continue
            if self._holds_plugins(walk.real):
                yield path

    def _holds_plugins(self, folder: bytes) -> bool:
        try:
            names = self.sysroot.scandir(folder)
        except MinimgError:
            return False
        plugins = [folder + b"/" + name for name in names if name.endswith(b".so")]
        return bool(plugins) and not any(self.is_there(path) for path in plugins)


def offers(
    closure: Closure, sysroot: Sysroot, is_there: Callable[[bytes], bool], followed: Iterable[str]
) -> Iterator[Offer]:
    """What notes name beside the priorities that are followed, of what the sysroot has."""
    if closure.opener is None:
        return
    followed = tuple(followed)
    objects: list[tuple[bytes | None, bytes]] = [(None, closure.walk.real)]
    objects += [(item.path, item.walk.real) for item in closure.loaded if item.via != "interp"]
    for path, real in objects:
        libraries: dict[str, list[bytes]] = {}
        for note in read_notes(context(sysroot), real)[0]:
            walks = [(name, closure.opener.find(name, path)) for name in note.names]
            found = [(name, walk.real) for name, walk in walks if walk is not None]
            if note.priority in followed or any(is_there(where) for _, where in found):
                continue
            libraries.setdefault(note.priority, []).extend(name for name, _ in found[:1])
        for priority in PRIORITIES:
            if libraries.get(priority):
                named = tuple(dict.fromkeys(libraries[priority]))
                yield Offer(path or closure.program, priority, named)


def _is_no_news(name: bytes) -> bool:
    return name.startswith(b"libnss_") or name.partition(b".so")[0] in (*_OF_LIBC, *_IDLE)


def lines(
    sysroot: Sysroot,
    closures: Iterable[Closure],
    is_there: Callable[[bytes], bool],
    followed: Iterable[str] = PRIORITIES,
) -> list[str]:
    """What to say about the closures of an image, each thing once. `followed` are the priorities
    of notes whose libraries the image has."""
    finder = Finder(sysroot, is_there)
    out: list[str] = []
    for closure in closures:
        out += map(str, offers(closure, sysroot, is_there, followed))
        out += map(str, finder.of(closure))
    return list(dict.fromkeys(out))
