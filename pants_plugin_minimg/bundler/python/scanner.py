"""Says what sources import. It is run by the sysroot's own Python, whose syntax they have.

It imports nothing but what is built into every CPython from 3.9 on. Arguments: a file of paths
(each after `+` for one of the user, `-` for one of the standard library, and ended by a zero byte),
the folder to write to, and how many processes to use. Process N writes the file N: for each of its
sources a line `file INDEX`, then what is in it:

    import NAME               `import NAME`
    from LEVEL MODULE NAME    `from MODULE import NAME`, with LEVEL dots; MODULE is `.` for none
    dynamic LINE              an import by a name that the program computes
    text NAME.NAME            a text that may name a module, as configurations do
"""

from __future__ import annotations

import posix
import sys

#: The flag that makes `compile` stop at the tree (Python/compile.h, PyCF_ONLY_AST).
_ONLY_TREE = 0x400
_NOT_READ = (SyntaxError, ValueError, LookupError, RecursionError, OverflowError, MemoryError)
_IMPORTERS = ("import_module", "__import__")
#: Functions of modules of the standard library that nobody but their authors calls.
_OF_AUTHORS = ("_test", "_main", "_demo")


def found(source: bytes, own: bool) -> list[str]:
    """The lines about one source; `own`: it is not of the standard library."""
    lines = []
    pending = [compile(source, "source", "exec", _ONLY_TREE, True)]
    while pending:
        node = pending.pop()
        kind = type(node).__name__
        if kind == "If" and _never_here(node.test):
            pending += node.orelse
            continue
        if kind == "FunctionDef" and not own and node.name in _OF_AUTHORS:
            continue
        if kind == "Import":
            lines += ["import " + name.name for name in node.names]
        elif kind == "ImportFrom":
            head = f"from {node.level or 0} {node.module or '.'} "
            lines += [head + name.name for name in node.names]
        elif kind == "Call" and _called(node.func) in _IMPORTERS and (node.args or node.keywords):
            name = _text(node.args[0]) if node.args else ""
            lines.append(f"import {name}" if name else f"dynamic {node.lineno}")
        elif own and kind in ("Constant", "Str"):
            name = _text(node)
            if "." in name:
                lines.append("text " + name)
        for field in node._fields:
            value = getattr(node, field, None)
            pending += value if isinstance(value, list) else [value]
        pending = [node for node in pending if hasattr(node, "_fields")]
    return lines


def _never_here(test: object) -> bool:
    """`if __name__ == "__main__"` and `if TYPE_CHECKING`."""
    if type(test).__name__ == "Compare":
        return getattr(test.left, "id", "") == "__name__"  # type: ignore[attr-defined]
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def _called(function: object) -> str:
    return getattr(function, "attr", "") or getattr(function, "id", "")


def _text(node: object) -> str:
    """The name of a module that a constant is, else the empty text."""
    value = getattr(node, "value", None)
    if not isinstance(value, str):
        return ""
    return value if all(part.isidentifier() for part in value.split(".")) else ""


def _scan(paths: list[bytes], worker: int, workers: int, out: bytes) -> None:
    with open(out, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for index in range(worker, len(paths), workers):
            with open(paths[index][1:], "rb") as source:
                content = source.read()
            try:
                lines = found(content, paths[index][:1] == b"+")
            except _NOT_READ:
                continue
            file.write("".join(line + "\n" for line in [f"file {index}", *lines]))


def main(listing: str, folder: str, workers: int) -> None:
    with open(listing, "rb") as file:
        paths = file.read().split(b"\0")[:-1]
    for worker in range(workers):
        if posix.fork() == 0:
            status = 1
            try:
                _scan(paths, worker, workers, b"%s/%d" % (folder.encode(), worker))
                status = 0
            finally:
                posix._exit(status)
    for _ in range(workers):
        _, status = posix.wait()
        if status != 0:
            sys.exit(f"a scanner ended with status {status}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
