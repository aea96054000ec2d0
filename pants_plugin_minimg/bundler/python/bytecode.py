"""The byte code of an image's Python: made by its own interpreter when the image is built."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.planning.assembly import Assembly
from pants_plugin_minimg.bundler.planning.request import Owned
from pants_plugin_minimg.bundler.python.interpreter import Interpreter
from pants_plugin_minimg.bundler.python.running import Runner, at_once
from pants_plugin_minimg.bundler.text import text

_SUFFIX = b".py"


def add(python: Interpreter, folders: Sequence[bytes], assembly: Assembly, runner: Runner) -> None:
    """Put `__pycache__` beside every module below `folders` of the image.

    Raises MinimgError MINIMG-E045 when the interpreter does not run.
    """
    sources = list(_sources(folders, assembly))
    folder = os.path.join(runner.folder, "bytecode")
    os.makedirs(folder)
    listing = os.path.join(folder, "listing")
    with open(listing, "wb") as out:
        for number, entry in enumerate(sources):
            source, made = (os.path.join(folder, f"{number}{suffix}") for suffix in ("", ".pyc"))
            runner.copy(entry.path, source)
            fields = (os.fsencode(source), entry.path, os.fsencode(made))
            out.write(b"".join(field + b"\0" for field in fields))
    tag = runner.run(python, "compiler", [listing, str(at_once())]).strip().encode()
    for number, entry in enumerate(sources):
        made = os.path.join(folder, f"{number}.pyc")
        if os.path.exists(made):
            with open(made, "rb") as file:
                _put(entry, tag, file.read(), assembly)


def _sources(folders: Sequence[bytes], assembly: Assembly) -> Iterator[Entry]:
    below = tuple(folder + b"/" for folder in folders)
    for path, entry in sorted(assembly.entries.items()):
        if entry.kind == "file" and path.endswith(_SUFFIX) and path.startswith(below):
            yield entry


def _put(entry: Entry, tag: bytes, code: bytes, assembly: Assembly) -> None:
    folder, _, name = entry.path.rpartition(b"/")
    path = folder + b"/__pycache__/" + name[: -len(_SUFFIX)] + b"." + tag + b".pyc"
    if path in assembly.entries or assembly.excluded(path):
        return
    owned = Owned(None, entry.uid, entry.gid)
    assembly.generate(path, code, 0o644, owned, f"byte code of {text(entry.path)}")
    assembly.entries[path].layer = entry.layer
