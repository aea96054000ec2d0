"""The byte code of an image's Python: made by its own interpreter when the image is built."""

from __future__ import annotations

import os
import pkgutil
import shutil
from collections.abc import Iterator, Sequence

from pants_plugin_minimg.bundler import toolrun
from pants_plugin_minimg.bundler.assembly import Assembly
from pants_plugin_minimg.bundler.closure import Programs
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.globs import join
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.python.apps import Run
from pants_plugin_minimg.bundler.python.apptree import CODE, LIBRARIES
from pants_plugin_minimg.bundler.request import Owned
from pants_plugin_minimg.bundler.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text

#: What an interpreter reads of its library before it runs the first line of a program.
_STARTUP = (b"encodings", b"abc.py", b"codecs.py", b"io.py", b"_bootlocale.py")
#: Nothing of a site, nothing written, no line about odd escapes; paths are UTF-8.
_OPTIONS = ("-S", "-s", "-B", "-W", "ignore", "-X", "utf8")
_SUFFIX = b".py"


def add(
    runs: Sequence[Run], assembly: Assembly, programs: Programs, scratch: str, emulator: str
) -> None:
    """Put `__pycache__` beside every module of the apps and of the standard library.

    `scratch` is a folder for what that takes, `emulator` what runs a program of this architecture;
    empty: this machine. Raises MinimgError MINIMG-E045 when the interpreter does not run.
    """
    if not runs:
        return
    python = runs[0].python
    sources = list(_sources(runs, assembly))
    folder = os.path.join(os.path.abspath(scratch), "bytecode")
    home = os.path.join(folder, "home")
    _copy_startup(assembly.sysroot, python.library, os.path.join(home, *_last_two(python.library)))
    real = assembly.sysroot.walk(python.path).real
    command = toolrun.command(
        assembly.sysroot, os.path.join(folder, "tool"), real, programs.loaded(real)
    )
    tag = _compile(
        [*([emulator] if emulator else []), *command], home, sources, assembly, folder, python.path
    )
    for number, entry in enumerate(sources):
        made = os.path.join(folder, "made", str(number))
        if os.path.exists(made):
            with open(made, "rb") as file:
                _put(entry, tag, file.read(), assembly)


def _sources(runs: Sequence[Run], assembly: Assembly) -> Iterator[Entry]:
    folders = {runs[0].python.library}
    for run in runs:
        folders |= {join(run.app.root, name.encode()) for name in (CODE, LIBRARIES)}
    below = tuple(folder + b"/" for folder in sorted(folders))
    for path, entry in sorted(assembly.entries.items()):
        if entry.kind == "file" and path.endswith(_SUFFIX) and path.startswith(below):
            yield entry


def _last_two(library: bytes) -> list[str]:
    """`lib/python3.11`, which is where an interpreter looks below its home."""
    return [os.fsdecode(part) for part in library.split(b"/")[-2:]]


def _copy_startup(sysroot: Sysroot, library: bytes, folder: str) -> None:
    for name in _STARTUP:
        _copy(sysroot, join(library, name), os.path.join(folder, os.fsdecode(name)))


def _copy(sysroot: Sysroot, path: bytes, target: str) -> None:
    walk = sysroot.walk(path)
    if walk.stat is None:
        return
    if walk.stat.kind == "dir":
        for name in sysroot.scandir(walk.real):
            if name.endswith(_SUFFIX):
                _copy(sysroot, join(walk.real, name), os.path.join(target, os.fsdecode(name)))
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with sysroot.open(walk.real) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)


def _compile(
    command: Sequence[str],
    home: str,
    sources: Sequence[Entry],
    assembly: Assembly,
    folder: str,
    python: bytes,
) -> bytes:
    """Compile source N to `made/N`; returns the tag of the names."""
    for name in ("sources", "made"):
        os.makedirs(os.path.join(folder, name))
    program, listing = os.path.join(folder, "compiler.py"), os.path.join(folder, "listing")
    with open(program, "wb") as out:
        out.write(pkgutil.get_data(__package__, "compiler.py") or b"")
    with open(listing, "wb") as out:
        for number, entry in enumerate(sources):
            source = os.path.join(folder, "sources", str(number))
            _copy(assembly.sysroot, entry.path, source)
            made = os.path.join(folder, "made", str(number))
            fields = (os.fsencode(source), entry.path, os.fsencode(made))
            out.write(b"".join(field + b"\0" for field in fields))
    # How many run at once changes no byte of what they make.
    at_once = str(len(os.sched_getaffinity(0)))
    try:
        done = toolrun.run(
            [*command, *_OPTIONS, program, listing, at_once],
            folder,
            {"PYTHONHOME": f"{home}:{home}", "PYTHONHASHSEED": "0", "PYTHONCOERCECLOCALE": "0"},
        )
    except OSError as error:
        raise _not_run(python, str(error)) from None
    if done.status != 0:
        last = (done.errors.strip().splitlines() or [f"status {done.status}"])[-1]
        raise _not_run(python, last)
    return done.output.strip().encode()


def _not_run(python: bytes, why: str) -> MinimgError:
    return MinimgError(
        "MINIMG-E045",
        text(python),
        f"it does not run on this machine, to make byte code: {why}",
        "For another architecture install qemu-user-static; or set `python_bytecode=False`.",
    )


def _put(entry: Entry, tag: bytes, code: bytes, assembly: Assembly) -> None:
    folder, _, name = entry.path.rpartition(b"/")
    path = folder + b"/__pycache__/" + name[: -len(_SUFFIX)] + b"." + tag + b".pyc"
    if path in assembly.entries or assembly.excluded(path):
        return
    owned = Owned(None, entry.uid, entry.gid)
    assembly.generate(path, code, 0o644, owned, f"byte code of {text(entry.path)}")
    assembly.entries[path].layer = entry.layer
