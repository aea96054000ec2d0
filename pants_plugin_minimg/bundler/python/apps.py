"""What an image of a PEX needs beside its own files: an interpreter and a standard library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pants_plugin_minimg.bundler.assembly import Assembly
from pants_plugin_minimg.bundler.closure import Programs, Resolver
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.globs import join
from pants_plugin_minimg.bundler.loader.context import context
from pants_plugin_minimg.bundler.placement import App
from pants_plugin_minimg.bundler.python import compatibility, interpreter, stdlib
from pants_plugin_minimg.bundler.python.apptree import MAIN
from pants_plugin_minimg.bundler.python.interpreter import Interpreter
from pants_plugin_minimg.bundler.request import Request
from pants_plugin_minimg.bundler.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text


@dataclass(frozen=True)
class Run:
    """An app and the interpreter that runs it."""

    app: App
    python: Interpreter


def add(
    request: Request,
    apps: Sequence[App],
    sysroot: Sysroot,
    assembly: Assembly,
    resolver: Resolver,
) -> list[Run]:
    """The interpreter and its standard library, with all that they load."""
    if not apps:
        return []
    try:
        found = interpreter.find(sysroot, request.executables, request.address)
    except MinimgError as error:
        assembly.problems.append(error)
        return []
    origins = ", ".join(app.origin for app in apps)
    resolver.program(found.path, f"runs {origins}", "Name another one in `executables`.")
    for path in stdlib.files(assembly.sysroot, found.library, request.python_stdlib):
        walk = assembly.sysroot.walk(path)
        if walk.stat is None or walk.stat.kind != "file" or assembly.excluded(path, walk.real):
            continue
        assembly.need(walk, f"standard library of {text(found.path)}")
        resolver.companion(path, walk)
    return [Run(app, found) for app in apps]


def check(runs: Sequence[Run], programs: Programs, assembly: Assembly) -> None:
    """Each PEX must be for the interpreter that the sysroot has."""
    for run in runs:
        assembly.problems += compatibility.check(
            run.python,
            run.app.tree.constraints,
            run.app.tree.distributions,
            _glibc(run.python, programs, assembly.sysroot),
            run.app.origin,
        )


def _glibc(python: Interpreter, programs: Programs, sysroot: Sysroot) -> tuple[int, int] | None:
    """The version that the interpreter's own loader is of; None with musl."""
    real = sysroot.walk(python.path).real
    closure = programs.closures.get(real) or programs.closures.get(python.path)
    if closure is None or closure.is_musl or closure.interp_walk is None:
        return None
    return context(sysroot).facts(closure.interp_walk.real).version


def command(runs: Sequence[Run]) -> list[str]:
    """What starts the app of `binary`, or the only one: no site directory of a user, and the rest
    of the environment as Python has it."""
    chosen = [run for run in runs if run.app.primary] or list(runs)
    if len(chosen) != 1:
        return []
    run = chosen[0]
    return [text(run.python.path), "-s", text(join(run.app.root, MAIN.encode()))]
