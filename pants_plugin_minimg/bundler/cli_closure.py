"""`closure`: what the loader would load for each file, as text or JSON."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroot import DirSysroot, OverlaySysroot, Sysroot
from pants_plugin_minimg.bundler.text import text

if TYPE_CHECKING:
    from pants_plugin_minimg.bundler import scripts

#: Where `env` looks when the caller does not say.
DEFAULT_PATH = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

OK, INCOMPLETE, BAD = 0, 1, 2


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

    def to_json(self) -> dict[str, Any]:
        closure = self.closure
        interpreter = self.interpreter()
        return {
            "path": text(self.path),
            "interpreter": None if interpreter is None else text(interpreter),
            "kind": self.kind,
            "loaded": [
                {
                    "name": text(item.name),
                    "path": text(item.path),
                    "real": text(item.walk.real),
                    "by": text(item.by),
                    "via": item.via,
                }
                for item in (closure.loaded if closure else ())
            ],
            "missing": [
                {
                    "name": text(item.name),
                    "by": text(item.by),
                    "searched": [text(path) for path in item.searched],
                }
                for item in self.missing()
            ],
            "refused": [
                {"path": text(item.path), "by": text(item.by), "reason": item.reason}
                for item in (closure.refused if closure else ())
            ],
            "interpreters": [
                {"path": text(step.path), "real": text(step.walk.real), "by": step.named_by}
                for step in self.steps
            ],
            "warnings": list(closure.warnings) if closure else [],
            "error": None if self.error is None else str(self.error),
        }

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


def answer(sysroot: Sysroot, path: bytes, ld_library_path: bytes = b"") -> Answer:
    """Never raises for what the file is."""
    kind = "not-elf"
    try:
        kind = loader.kind(sysroot, path)
        if kind == "script":
            from pants_plugin_minimg.bundler import scripts

            return Answer(path, kind, steps=scripts.interpreters(sysroot, path, DEFAULT_PATH))
        closure = loader.resolve(sysroot, path, ld_library_path=ld_library_path)
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
    library_path = os.fsencode(options.ld_library_path)
    status = OK
    answers = []
    for name in options.files:
        path = os.fsencode(name)
        if path[:1] != b"/":
            path = b"/" + path if options.root else os.path.join(os.getcwdb(), path)
        found = answer(sysroot, path, library_path)
        status = max(status, found.status)
        answers.append(found)
    sys.stdout.flush()
    sys.stdout.buffer.write(_render(answers, options.json).encode("utf-8"))
    sys.stdout.buffer.flush()
    for found in answers:
        if found.error is not None:
            print(found.error, file=sys.stderr)
    return status


def _render(answers: list[Answer], as_json: bool) -> str:
    if not as_json:
        return "".join(line + "\n" for found in answers for line in found.lines())
    import json  # 5 ms that text output does without

    # A line a file: `indent` would take the encoder that is written in Python, seven times as long.
    files = ",\n".join(json.dumps(found.to_json(), ensure_ascii=False) for found in answers)
    return f'{{"version": 1, "files": [\n{files}\n]}}\n'
