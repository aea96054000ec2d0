"""Which modules of the standard library a program can come to, found without running it.

Every import of the app and its distributions counts, wherever it stands, and every import of what
they lead to. What sources do not tell (modules that C code imports, names that a module computes)
is in the tables here, which are of CPython's own sources, 3.9 to 3.14.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pants_plugin_minimg.bundler.python.interpreter import Interpreter
from pants_plugin_minimg.bundler.python.running import Runner, at_once
from pants_plugin_minimg.bundler.records import NamedTuple

#: What an interpreter itself imports: at its start, to run a module, to show an error.
_ALWAYS = (
    "site", "os", "io", "abc", "codecs", "encodings", "runpy", "importlib", "importlib.util",
    "importlib.machinery", "traceback", "linecache", "warnings", "tracemalloc", "zipimport",
    "_strptime", "copyreg", "_compat_pickle", "_collections_abc", "types", "enum",
)  # fmt: skip
#: Module -> what it imports by a name that it computes, or in C; a star stands for the rest.
_HIDDEN = {
    "encodings": ("encodings.*", "stringprep"),
    "sysconfig": ("_sysconfigdata*",),
    "xml.etree.ElementTree": ("xml.etree.ElementPath", "copy"),
    "xml.parsers.expat": ("pyexpat",),
    "xml.sax": ("xml.sax.expatreader",),
    "dbm": ("dbm.*",),
    "concurrent.futures": ("concurrent.futures.*",),
    "multiprocessing": ("multiprocessing.*",),
    "sqlite3": ("sqlite3.*",),
    "asyncio": ("asyncio.*",),
    "zoneinfo": ("zoneinfo.*",),
    "importlib.resources": ("importlib.resources.*",),
    "importlib.metadata": ("importlib.metadata.*",),
    "curses": ("curses.*",),
    "logging.config": ("logging.handlers",),
}
#: Module -> imports that no program needs: of an interactive session, of a fallback for what is
#: there in C.
_IDLE = {
    "site": ("readline", "rlcompleter", "_pyrepl"),
    "_sitebuiltins": ("pydoc",),
    "decimal": ("_pydecimal",),
    "datetime": ("_pydatetime",),
}
_EXTENSION = re.compile(r"(?:.*/)?lib-dynload/([^/.]+)\.[^/]*so\Z")
#: A module's name as C code has it.
_NAME_IN_C = re.compile(rb"(?<=\0)[A-Za-z_][A-Za-z0-9_.]{1,60}(?=\0)")


class Found:
    """What a source imports: absolute names, and lines with an import of a computed name."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.dynamic: list[int] = []


class Part(NamedTuple):
    """`paths` are the files of the library that are reachable, of `modules` out of `of`.

    `unseen` are places of the app where it imports what only it knows, as `PATH:LINE`.
    """

    paths: frozenset[bytes]
    modules: int
    of: int
    unseen: tuple[str, ...]


def part(python: Interpreter, files: Sequence[bytes], apps: Sequence[str], runner: Runner) -> Part:
    """The part of the library's `files` that the apps (folders of this machine) can come to.

    Raises MinimgError MINIMG-E045 where the sysroot's Python does not run.
    """
    library = _Library(python.library, files)
    own = [(app, path) for app in apps for path in _below(app)]
    sources = [(app, path) for app, path in own if _is_source(path)]
    folder = os.path.join(runner.folder, "scan")
    os.makedirs(folder)
    copies = []
    for number, source in enumerate(library.sources.values()):
        copies.append(os.path.join(folder, f"source-{number}"))
        runner.copy(source, copies[-1])
    users = [(path, True) for _, path in sources]
    lines = _scan(python, [*users, *((copy, False) for copy in copies)], runner)
    asked: set[str] = set()
    unseen = []
    for index, (app, path) in enumerate(sources):
        found = _found(lines.get(index, ()), "", False, library.modules)
        asked |= found.names
        unseen += [f"{os.path.relpath(path, app)}:{line}" for line in sorted(found.dynamic)]
    for _, path in own:
        if path.endswith(".so") or ".so." in os.path.basename(path):
            with open(path, "rb") as file:
                asked |= _names_in_c(file.read())
    imports = {
        name: _found(
            lines.get(len(sources) + number, ()),
            name,
            source.endswith(b"/__init__.py"),
            library.modules,
        ).names
        for number, (name, source) in enumerate(library.sources.items())
    }
    for name, extension in library.extensions.items():
        copy = os.path.join(folder, "extension")
        runner.copy(extension, copy)
        with open(copy, "rb") as file:
            imports[name] = _names_in_c(file.read())
    reached = _closure(asked | set(_ALWAYS), imports, library.modules)
    return Part(library.files_of(reached), len(reached), len(library.modules), tuple(unseen))


class _Library:
    """The modules of a standard library by their names, and the other files of its packages."""

    def __init__(self, folder: bytes, files: Sequence[bytes]) -> None:
        self.sources: dict[str, bytes] = {}
        self.extensions: dict[str, bytes] = {}
        self._others: list[tuple[str, bytes]] = []
        for path in files:
            relative = os.fsdecode(path[len(folder) + 1 :])
            extension = _EXTENSION.match(relative)
            if extension:
                self.extensions[extension[1]] = path
            elif relative.endswith(".py"):
                name = relative[:-3].replace("/", ".")
                self.sources[name[: -len(".__init__")] if name.endswith(".__init__") else name] = (
                    path
                )
            elif "/" in relative:
                self._others.append((os.path.dirname(relative).replace("/", "."), path))
        self.modules = frozenset((*self.sources, *self.extensions))

    def files_of(self, modules: set[str]) -> frozenset[bytes]:
        """With the data of packages that are reachable."""
        paths = {**self.sources, **self.extensions}
        others = {
            path
            for package, path in self._others
            if any(parent in modules for parent in _parents(package))
        }
        return frozenset({paths[name] for name in modules} | others)


def _below(folder: str) -> Iterator[str]:
    for top, folders, names in os.walk(folder):
        folders.sort()
        yield from (os.path.join(top, name) for name in sorted(names))


def _is_source(path: str) -> bool:
    """A module, or a script of a distribution, which has no ending."""
    if path.endswith(".py"):
        return True
    if os.path.basename(os.path.dirname(path)) != "bin":
        return False
    with open(path, "rb") as file:
        first = file.readline(256)
    return first.startswith(b"#!") and b"python" in first


def _parents(name: str) -> Iterator[str]:
    """`a.b.c`, `a.b` and `a`."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _scan(
    python: Interpreter, sources: Sequence[tuple[str, bool]], runner: Runner
) -> dict[int, list[str]]:
    """The scanner's lines about each source, by its index; `True` beside those of the user."""
    folder = os.path.join(runner.folder, "scan")
    listing = os.path.join(folder, "listing")
    with open(listing, "wb") as out:
        for path, own in sources:
            name = os.fsencode(os.path.abspath(path))  # the program runs in a folder of its own
            out.write((b"+" if own else b"-") + name + b"\0")
    workers = at_once()
    runner.run(python, "scanner", [listing, folder, str(workers)])
    out_lines: dict[int, list[str]] = {}
    for worker in range(workers):
        path = os.path.join(folder, str(worker))
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            lines: list[str] = []
            for line in file.read().split("\n")[:-1]:
                if line.startswith("file "):
                    lines = out_lines.setdefault(int(line[5:]), [])
                else:
                    lines.append(line)
    return out_lines


def _found(lines: Iterable[str], module: str, is_package: bool, modules: frozenset[str]) -> Found:
    """`module` is the name of the source itself; empty for one whose relative imports are no
    concern of the library."""
    found = Found()
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "import":
            found.names.add(rest)
        elif kind == "dynamic":
            found.dynamic.append(int(rest))
        elif kind == "text":
            found.names |= {name for name in _parents(rest) if "." in name and name in modules}
        else:
            level, base, name = rest.split(" ")
            base = _absolute(module, is_package, int(level), "" if base == "." else base)
            if base:
                found.names |= {base, f"{base}.{name}"}
    return found


def _absolute(module: str, is_package: bool, level: int, base: str) -> str:
    """The module that `from` names; empty where that is unknown (importlib._bootstrap,
    _resolve_name)."""
    if not level:
        return base
    parts = module.split(".") if is_package else module.split(".")[:-1]
    if not module or level - 1 > len(parts):
        return ""
    return ".".join([*parts[: len(parts) - level + 1], *([base] if base else [])])


def _names_in_c(content: bytes) -> set[str]:
    return {match.decode("ascii") for match in _NAME_IN_C.findall(content)}


def _closure(
    asked: Iterable[str], imports: Mapping[str, set[str]], modules: frozenset[str]
) -> set[str]:
    reached: set[str] = set()
    pending = list(asked)
    while pending:
        for name in _parents(pending.pop()):
            if name not in modules or name in reached:
                continue
            reached.add(name)
            idle = _IDLE.get(name, ())
            pending += [other for other in imports[name] if other.partition(".")[0] not in idle]
            for pattern in _HIDDEN.get(name, ()):
                pending += _expanded(pattern, modules)
    return reached


def _expanded(pattern: str, modules: frozenset[str]) -> list[str]:
    if not pattern.endswith("*"):
        return [pattern]
    return [name for name in modules if name.startswith(pattern[:-1])]
