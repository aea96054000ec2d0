"""What an image of a PEX needs beside its own files: an interpreter and a standard library."""

from __future__ import annotations

from collections.abc import Sequence

from pants_plugin_minimg.bundler.planning.assembly import Assembly
from pants_plugin_minimg.bundler.planning.closure import Programs, Resolver
from pants_plugin_minimg.bundler.planning.placement import App
from pants_plugin_minimg.bundler.planning.request import Request
from pants_plugin_minimg.bundler.python import (
    bytecode,
    compatibility,
    reachable,
    stdlib,
)
from pants_plugin_minimg.bundler.python.apptree import CODE, LIBRARIES, MAIN
from pants_plugin_minimg.bundler.python.interpreter import Interpreter
from pants_plugin_minimg.bundler.python.running import Runner
from pants_plugin_minimg.bundler.sysroots.globs import join
from pants_plugin_minimg.bundler.text import text

#: How many places a line of the log names.
_MOST_SHOWN = 10


class Apps:
    """The PEXes of an image, and the interpreter that runs them."""

    def __init__(
        self,
        apps: Sequence[App],
        python: Interpreter | None,
        assembly: Assembly,
        programs: Programs,
        runner: Runner,
    ) -> None:
        """`python` is None where the sysroot has none, which is a problem already."""
        self._apps = apps
        self._assembly = assembly
        self._programs = programs
        self._runner = runner
        self._python = python

    def add(self, request: Request, resolver: Resolver) -> None:
        """The interpreter and its standard library, with all that they load.

        Raises MinimgError MINIMG-E045 where the interpreter would have to run and does not.
        """
        found = self._python
        if found is None:
            return
        origins = ", ".join(app.origin for app in self._apps)
        resolver.program(found.path, f"runs {origins}", "Name another one in `executables`.")
        sysroot = self._assembly.sysroot
        files = list(stdlib.files(sysroot, found.library, request.python_stdlib))
        if request.python_stdlib == stdlib.REACHABLE:
            files = self._reachable(found, files)
        for path in files:
            walk = sysroot.walk(path)
            if walk.stat is None or walk.stat.kind != "file":
                continue
            if not self._assembly.excluded(path, walk.real):
                self._assembly.need(walk, f"standard library of {text(found.path)}")
                resolver.companion(path, walk)

    def check(self) -> None:
        """Each PEX must be for the interpreter that the sysroot has."""
        for app in self._apps if self._python else ():
            assert self._python is not None
            self._assembly.log += [
                f"{name} of {app.origin} is left out: Python {self._python.short} of the sysroot "
                f"does not need it ({why})."
                for name, why in app.left_out
            ]
            self._assembly.problems += compatibility.lacks(self._python, app.missing, app.origin)
            self._assembly.problems += compatibility.check(
                self._python, app.tree.constraints, app.tree.distributions, app.origin
            )

    def add_bytecode(self) -> None:
        """Raises MinimgError MINIMG-E045 where the interpreter does not run."""
        if self._python is None:
            return
        folders = [self._python.library]
        for app in self._apps:
            folders += [join(app.root, name.encode()) for name in (CODE, LIBRARIES)]
        bytecode.add(self._python, folders, self._assembly, self._runner)

    def command(self) -> list[str]:
        """What starts the app of `binary`, or the only one: no site directory of a user, and the
        rest of the environment as Python has it."""
        chosen = [app for app in self._apps if app.primary] or list(self._apps)
        if len(chosen) != 1 or self._python is None:
            return []
        main = text(join(chosen[0].root, MAIN.encode()))
        return [text(self._python.path), "-s", *chosen[0].tree.python_args, main]

    def _reachable(self, python: Interpreter, files: Sequence[bytes]) -> list[bytes]:
        folders = [app.tree.folder for app in self._apps]
        part = reachable.part(python, files, folders, self._runner)
        self._assembly.log.append(
            f"Of the standard library of {text(python.path)} {part.modules} of {part.of} modules "
            "are reachable."
        )
        if part.unseen:
            listing = ", ".join(part.unseen[:_MOST_SHOWN])
            more = len(part.unseen) - _MOST_SHOWN
            self._assembly.log.append(
                f"{listing}{f' and {more} more' if more > 0 else ''}: imports by a name that the "
                "program computes. If they load modules of the standard library, add those to "
                f'`include`, as in "{text(python.library)}/csv.py".'
            )
        return [path for path in files if path in part.paths]
