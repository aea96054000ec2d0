"""Opens what the objects of a closure will open at run time: by their notes, and by name services.

Every opening is a dlopen by the object that asks, so that object's own search path counts; what it
brings may have notes and use name services in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakKeyDictionary

from pants_plugin_minimg.bundler.binaries import elf_symbols
from pants_plugin_minimg.bundler.binaries.elf import ElfError
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.implicit import dlopen_notes, nss
from pants_plugin_minimg.bundler.implicit.dlopen_notes import Note
from pants_plugin_minimg.bundler.loader import Closure, Loaded, Missing, Opener, Opening, Refused
from pants_plugin_minimg.bundler.loader.context import Context, context
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text


class Wanted(NamedTuple):
    """What an image's fields say: the priorities of notes to follow, and whether name services
    count; `nsswitch` is the content of the image's own nsswitch.conf, None without one."""

    dlopen: tuple[str, ...] = dlopen_notes.PRIORITIES[:1]
    nss: bool = True
    nsswitch: bytes | None = None


class Failure(NamedTuple):
    """An opening that failed; `why` is what was found or not found for its first name.

    `fatal` when the object says that it cannot do without.
    """

    opening: Opening
    why: Missing | Refused
    fatal: bool


class Openings:
    """`run` is what `loader.resolve` calls for one closure; then `failures` and `warnings` are to
    be read."""

    def __init__(self, sysroot: Sysroot, wanted: Wanted) -> None:
        self.sysroot = sysroot
        self.wanted = wanted
        self.failures: list[Failure] = []
        self.warnings: list[str] = []

    def run(self, closure: Closure, opener: Opener) -> None:
        _Run(self, closure, opener).run()


class _Run:
    def __init__(self, openings: Openings, closure: Closure, opener: Opener) -> None:
        self._openings = openings
        self._closure = closure
        self._opener = opener
        self._context = context(openings.sysroot)
        self._libc = closure.libc
        self._version = self._glibc_version()
        self._asked: set[bytes] = set()

    def run(self) -> None:
        closure = self._closure
        self._look_at(None, closure.walk.real)
        seen = 0
        while seen < len(closure.loaded):  # which grows meanwhile
            item = closure.loaded[seen]
            seen += 1
            if item.via != "interp" and item is not self._libc:
                self._look_at(item, item.walk.real)

    def _look_at(self, item: Loaded | None, real: bytes) -> None:
        """`item` None: the program."""
        path = self._closure.program if item is None else item.path
        by = None if item is None else item.path
        for note in self._notes(path, real):
            if note.priority in self._openings.wanted.dlopen:
                purpose = f': "{note.purpose}"' if note.purpose else ""
                reason = f".note.dlopen of {text(path)} ({note.priority}{purpose})"
                opening = Opening(note.names, by, reason)
                self._open(opening, fatal=note.priority == dlopen_notes.PRIORITIES[0])
        for library, reason in self._name_services(path, real):
            if library not in self._asked:
                self._asked.add(library)
                by = None if self._libc is None else self._libc.path
                self._open(Opening((library,), by, reason), fatal=False)

    def _open(self, opening: Opening, *, fatal: bool) -> None:
        closure = self._closure
        first: Missing | Refused | None = None
        for name in opening.names:
            before = len(closure.loaded)
            why = self._opener.attempt(name, opening.by)
            if why is None:
                closure.opened.append(Opening((name,), opening.by, opening.reason))
                if before < len(closure.loaded):
                    closure.told[closure.loaded[before].path] = opening.reason
                return
            first = first or why
        if first is not None:
            self._openings.failures.append(Failure(opening, first, fatal))

    # Notes.

    def _notes(self, path: bytes, real: bytes) -> tuple[Note, ...]:
        if not self._openings.wanted.dlopen:
            return ()
        notes, faults = read_notes(self._context, real)
        for fault in faults:
            self._openings.warnings.append(
                f"the .note.dlopen of {text(path)} cannot be read: {fault}. What it opens at run "
                "time is not known."
            )
        return notes

    # Name services.

    def _glibc_version(self) -> tuple[int, int]:
        closure = self._closure
        if closure.is_musl or closure.interp_walk is None or closure.interp_walk.error is not None:
            return 0, 0
        return self._context.facts(closure.interp_walk.real).version

    def _name_services(self, path: bytes, real: bytes) -> Iterator[tuple[bytes, str]]:
        wanted, version = self._openings.wanted, self._version
        if not wanted.nss or version == (0, 0) or self._libc is None or _is_of_libc(path):
            return
        if not nss.may_matter(wanted.nsswitch, version):
            return
        functions = nss.NAMES & _imports(self._context, real)
        databases: dict[str, bytes] = {}
        for function in sorted(functions):
            for database in nss.FUNCTIONS[function]:
                databases.setdefault(database, function)
        source = "the C library" if wanted.nsswitch is None else text(nss.CONFIGURATION)
        for library, database in nss.modules(databases, wanted.nsswitch, version).items():
            who = f"{text(databases[database])} in {text(path)}"
            yield library, f"needed by {source} as {text(library)} for {who}"


def _is_of_libc(path: bytes) -> bool:
    """Modules and the resolver use name services on behalf of others."""
    return path.rpartition(b"/")[2].startswith((b"libnss_", b"libresolv.so."))


class _Known:
    """What was read already, by canonical path."""

    def __init__(self) -> None:
        self.notes: dict[bytes, tuple[tuple[Note, ...], list[str]]] = {}
        self.imports: dict[bytes, frozenset[bytes]] = {}


_known: WeakKeyDictionary[Context, _Known] = WeakKeyDictionary()


def _imports(shared: Context, real: bytes) -> frozenset[bytes]:
    known = _known.setdefault(shared, _Known()).imports
    if real not in known:
        known[real] = frozenset()
        found = shared.file(real)
        if found is not None and found.elf is not None:
            try:
                with shared.sysroot.open(real) as file:
                    known[real] = elf_symbols.imports(file, found.elf)
            except (ElfError, MinimgError):
                pass
    return known[real]


def read_notes(shared: Context, real: bytes) -> tuple[tuple[Note, ...], list[str]]:
    """The notes of the file at a canonical path and what is wrong with them, read once."""
    known = _known.setdefault(shared, _Known()).notes
    if real not in known:
        known[real] = (), []
        found = shared.file(real)
        if found is not None and found.elf is not None:
            try:
                with shared.sysroot.open(real) as file:
                    known[real] = dlopen_notes.read(file, found.elf)
            except (ElfError, MinimgError) as error:
                known[real] = (), [str(error)]
    return known[real]
