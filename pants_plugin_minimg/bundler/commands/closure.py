"""`closure`: what the loader would load for each file, as text or JSON."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Sequence
from functools import partial

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.loader.starts import Starts
from pants_plugin_minimg.bundler.shares import in_shares
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot, OverlaySysroot, Sysroot
from pants_plugin_minimg.bundler.text import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from pants_plugin_minimg.bundler.planning import scripts

#: Where `env` looks when the caller does not say.
DEFAULT_PATH = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

OK, INCOMPLETE, BAD = 0, 1, 2

#: Files that are worth a process of their own: to start one takes as long as some ten of them.
_SHARE = 64


#: What a string of JSON must not hold as it is (RFC 8259, section 7).
_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x20)} | {0x22: '\\"', 0x5C: "\\\\"}


def _string(shown: str) -> str:
    if '"' in shown or "\\" in shown or not shown.isprintable():  # hardly ever
        shown = shown.translate(_ESCAPES)
    return f'"{shown}"'


class Strings(dict[bytes, str]):
    """Paths as JSON, each made once."""

    def __missing__(self, path: bytes) -> str:
        out = self[path] = _string(text(path))
        return out


class Answer:
    """One file's answer. `status` is OK, INCOMPLETE or BAD; `error` set exactly for BAD ones and
    for scripts that cannot be started."""

    def __init__(
        self,
        path: bytes,
        kind: str,
        status: int = OK,
        error: MinimgError | None = None,
        closure: loader.Closure | None = None,
        steps: Sequence[scripts.Step] = (),
    ) -> None:
        self.path = path
        self.kind = kind
        self.status = status
        self.error = error
        self.closure = closure
        self.steps = steps

    def interpreter(self) -> bytes | None:
        if self.steps:
            return self.steps[0].path
        return None if self.closure is None else self.closure.interpreter

    def missing(self) -> list[loader.Missing]:
        closure = self.closure
        if closure is None:
            return []
        out = list(closure.missing)
        walk = closure.interp_walk
        if closure.interpreter is not None and (walk is None or walk.error is not None):
            out.insert(0, loader.Missing(closure.interpreter, closure.program, ()))
        return out

    def json(self, strings: Strings) -> str:
        """One line. Written by hand: for thousands of libraries the paths are few."""
        closure = self.closure
        interpreter = self.interpreter()
        loaded = [
            f'{{"name": {strings[name]}, "path": {strings[path]}, "real": {strings[walk.real]}, '
            f'"by": {strings[by]}, "via": "{via}"}}'
            for name, path, walk, by, via in (closure.loaded if closure else ())
        ]
        missing = [
            f'{{"name": {strings[name]}, "by": {strings[by]}, '
            f'"searched": [{", ".join([strings[path] for path in searched])}]}}'
            for name, by, searched in self.missing()
        ]
        refused = [
            f'{{"path": {strings[path]}, "by": {strings[by]}, "reason": {_string(reason)}}}'
            for path, by, reason in (closure.refused if closure else ())
        ]
        steps = [
            f'{{"path": {strings[path]}, "real": {strings[walk.real]}, "by": "{named_by}"}}'
            for path, walk, named_by in self.steps
        ]
        warnings = [_string(warning) for warning in (closure.warnings if closure else ())]
        return (
            f'{{"path": {strings[self.path]}, '
            f'"interpreter": {"null" if interpreter is None else strings[interpreter]}, '
            f'"kind": "{self.kind}", "loaded": [{", ".join(loaded)}], '
            f'"missing": [{", ".join(missing)}], "refused": [{", ".join(refused)}], '
            f'"interpreters": [{", ".join(steps)}], "warnings": [{", ".join(warnings)}], '
            f'"error": {"null" if self.error is None else _string(str(self.error))}}}'
        )

    def lines(self) -> list[str]:
        """Indented by who asked for whom; a library that was shown before is shown without its
        own libraries."""
        interpreter = self.interpreter()
        head = text(self.path)
        if self.error is not None:
            return [f"{head}: {self.error}"]
        out = [f"{head} ({self.kind}, interpreter => {text(interpreter or b'none')})"]
        out += [f"    {step.named_by} => {text(step.path)}" for step in self.steps]
        if self.closure is not None:
            below: dict[bytes, list[str | loader.Loaded]] = {}
            for item in self.closure.loaded:
                below.setdefault(item.by, []).append(item)
            for lost in self.missing():
                below.setdefault(lost.by, []).append(f"{text(lost.name)} => not found")
            for bad in self.closure.refused:
                below.setdefault(bad.by, []).append(f"{text(bad.path)} => {bad.reason}")
            out += _tree(below, self.path)
        return out


def _tree(below: dict[bytes, list[str | loader.Loaded]], root: bytes) -> list[str]:
    out: list[str] = []
    pending: list[tuple[int, str | loader.Loaded]] = [
        (1, item) for item in reversed(below.pop(root, []))
    ]
    while pending:
        depth, item = pending.pop()
        if isinstance(item, str):
            out.append("    " * depth + item)
            continue
        out.append("    " * depth + f"{text(item.name)} => {text(item.path)}")
        pending += [(depth + 1, sub) for sub in reversed(below.pop(item.path, []))]
    return out


def answer(starts: Starts, path: bytes) -> Answer:
    """Never raises for what the file is."""
    kind = "not-elf"
    try:
        kind = loader.kind(starts.sysroot, path)
        if kind == "script":
            from pants_plugin_minimg.bundler.planning import scripts

            return Answer(
                path, kind, steps=scripts.interpreters(starts.sysroot, path, DEFAULT_PATH)
            )
        closure = starts.resolve(path)
    except MinimgError as error:
        status = INCOMPLETE if error.code == "MINIMG-E006" else BAD
        return Answer(path, kind, status, error)
    # A library is dynamic, too: what it needs is found by the same rules.
    out = Answer(path, "dynamic" if kind == "shared" else kind, closure=closure)
    if out.missing() or closure.refused:
        out.status = INCOMPLETE
    return out


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "closure",
        help="what the loader would load for each file",
        description="Exit status: 0 all found, 1 something is missing or refused, 2 bad input.",
    )
    parser.add_argument(
        "--root",
        action="append",
        default=[],
        metavar="DIR",
        help="take files from this folder instead of /; of several the first that has it",
    )
    parser.add_argument("--ld-library-path", default="", metavar="P")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("files", nargs="+", metavar="FILE", help="a path inside the root")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    roots = [os.fsencode(root) for root in options.root] or [b"/"]
    for root in roots:
        if not os.path.isdir(root):
            raise MinimgError("MINIMG-E001", text(root), "the root is not a folder")
    sysroot: Sysroot = DirSysroot(roots[-1])
    for root in reversed(roots[:-1]):
        sysroot = OverlaySysroot(DirSysroot(root), sysroot)
    paths = [_inside(os.fsencode(name), options) for name in options.files]
    work = partial(_answers, sysroot, os.fsencode(options.ld_library_path), options.json)
    answers = in_shares(work, paths, _SHARE)
    start, between, end = b"", b"\n", b"\n"
    if options.json:
        start, between, end = b'{"version": 1, "files": [\n', b",\n", b"\n]}\n"
    sys.stdout.flush()
    out = sys.stdout.buffer
    for number, (_, shown, _) in enumerate(answers):
        out.write(between if number else start)
        out.write(shown)
    out.write(end)
    out.flush()
    for _, _, error in answers:
        if error is not None:
            print(error, file=sys.stderr)
    return max(status for status, _, _ in answers)


def _inside(name: bytes, options: argparse.Namespace) -> bytes:
    if name[:1] == b"/":
        return name
    return b"/" + name if options.root else os.path.join(os.getcwdb(), name)


def _answers(
    sysroot: Sysroot, library_path: bytes, as_json: bool, paths: Iterable[bytes]
) -> list[tuple[int, bytes, str | None]]:
    """Of each file its status, what is shown of it, and what standard error says."""
    starts = Starts(sysroot, library_path)
    strings = Strings()
    out: list[tuple[int, bytes, str | None]] = []
    collects = gc.isenabled()
    gc.disable()  # nothing here makes circles; looking for some takes a third of the time
    for path in paths:
        found = answer(starts, path)
        shown = found.json(strings) if as_json else "\n".join(found.lines())
        said = None if found.error is None else str(found.error)
        out.append((found.status, shown.encode("utf-8"), said))
    if collects:
        gc.enable()
    return out
