"""The sysroot's own Python, to run a program of ours while an image is planned."""

from __future__ import annotations

import os
import pkgutil
import shutil
from collections.abc import Sequence

from pants_plugin_minimg.bundler import toolrun
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.planning.assembly import Assembly
from pants_plugin_minimg.bundler.planning.closure import Programs
from pants_plugin_minimg.bundler.python.interpreter import Interpreter
from pants_plugin_minimg.bundler.sysroots.globs import join
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text

#: What an interpreter reads of its library before it runs the first line of a program of ours.
_STARTUP = (b"encodings", b"abc.py", b"codecs.py", b"io.py", b"_bootlocale.py", b"__future__.py")
_MOST_AT_ONCE = 16
#: Nothing of a site, nothing written, no line about odd escapes; paths are UTF-8.
_OPTIONS = ("-S", "-s", "-B", "-W", "ignore", "-X", "utf8")


class Runner:
    """Runs modules beside this one in the interpreter of an image, laid out once below `scratch`.

    `emulator` is what runs a program of its architecture; empty: this machine.
    """

    def __init__(self, assembly: Assembly, programs: Programs, scratch: str, emulator: str) -> None:
        self._assembly = assembly
        self._programs = programs
        self._emulator = [emulator] if emulator else []
        self._command: list[str] = []
        self._home = ""
        self.folder = os.path.join(os.path.abspath(scratch), "python")

    def run(self, python: Interpreter, module: str, arguments: Sequence[str]) -> str:
        """What it prints. Raises MinimgError MINIMG-E045 where the interpreter does not run."""
        self._lay_out(python)
        program = os.path.join(self.folder, f"{module}.py")
        with open(program, "wb") as out:
            out.write(pkgutil.get_data(__package__, f"{module}.py") or b"")
        try:
            done = toolrun.run(
                [*self._emulator, *self._command, *_OPTIONS, program, *arguments],
                self.folder,
                {
                    "PYTHONHOME": f"{self._home}:{self._home}",
                    "PYTHONHASHSEED": "0",
                    "TZ": "UTC",
                    "PYTHONCOERCECLOCALE": "0",
                },
            )
        except OSError as error:
            raise _not_run(python, str(error)) from None
        if done.status != 0:
            last = (done.errors.strip().splitlines() or [f"status {done.status}"])[-1]
            raise _not_run(python, last)
        return done.output

    def copy(self, path: bytes, target: str) -> None:
        """A file of the image as a file here, or the sources in a folder of it."""
        _copy(self._assembly.sysroot, path, target)

    def _lay_out(self, python: Interpreter) -> None:
        if self._command:
            return
        sysroot = self._assembly.sysroot
        real = sysroot.walk(python.path).real
        tool = os.path.join(self.folder, "tool")
        self._command = toolrun.command(sysroot, tool, real, self._programs.loaded(real))
        self._home = os.path.join(self.folder, "home")
        # `lib/python3.11`, which is where an interpreter looks below its home.
        below = [os.fsdecode(part) for part in python.library.split(b"/")[-2:]]
        for name in _STARTUP:
            target = os.path.join(self._home, *below, os.fsdecode(name))
            self.copy(join(python.library, name), target)


def at_once() -> int:
    """How many processes to use: it changes no byte of what they make."""
    return min(os.cpu_count() or 1, _MOST_AT_ONCE)


def _copy(sysroot: Sysroot, path: bytes, target: str) -> None:
    walk = sysroot.walk(path)
    if walk.stat is None:
        return
    if walk.stat.kind == "dir":
        for name in sysroot.scandir(walk.real):
            if name.endswith(b".py"):
                _copy(sysroot, join(walk.real, name), os.path.join(target, os.fsdecode(name)))
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with sysroot.open(walk.real) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)


def _not_run(python: Interpreter, why: str) -> MinimgError:
    return MinimgError(
        "MINIMG-E045",
        text(python.path),
        f"it does not run on this machine, which `python_bytecode` and the reachable part of the "
        f"library take: {why}",
        "For another architecture install qemu-user-static; or set `python_bytecode=False` and "
        '`python_stdlib="default"`.',
    )
