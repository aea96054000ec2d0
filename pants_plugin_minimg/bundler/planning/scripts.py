"""Which programs a `#!` script starts (Linux, fs/binfmt_script.c), also through `env`."""

from __future__ import annotations

from collections.abc import Iterator

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.loader.context import START, context
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot, Walk
from pants_plugin_minimg.bundler.text import text

#: Scripts that may be each other's interpreter before execve gives up.
_MAX_NESTED = 5
_BLANK = b" \t"


class Step(NamedTuple):
    """A program that is started on the way: `path` as named (absolute), `named_by` "#!" or "env"
    (found in PATH, or a path that was given to `env`)."""

    path: bytes
    walk: Walk
    named_by: str


def interpreters(sysroot: Sysroot, path: bytes, env_path: bytes) -> list[Step]:
    """The interpreters of the script at `path`, in the order in which they are started.

    `env_path` is the PATH that `env` will see. A file that is no script has none. Raises
    MinimgError: MINIMG-E006 when one is missing or could not be started, MINIMG-E002 when there
    is no file at `path`, MINIMG-E001 when it cannot be read.
    """
    walk = sysroot.walk(path)
    if walk.error is not None or walk.stat is None:
        raise MinimgError("MINIMG-E002", text(path), "no such file")
    steps: list[Step] = []
    nested = 0
    seen = {walk.real}
    while True:
        line = _first_line(sysroot, path, walk)
        if line is None:
            return steps
        name, argument = _split(line, path)
        nested += 1
        if nested > _MAX_NESTED:
            raise _error(path, f"more than {_MAX_NESTED} scripts interpret each other")
        step = Step(name, _program(sysroot, name, path, line), "#!")
        steps.append(step)
        if name.rpartition(b"/")[2] == b"env":
            step = _through_env(sysroot, path, argument, env_path)
            steps.append(step)
            nested = 0  # a new execve
        path, walk = step.path, step.walk
        if walk.real in seen:
            raise _error(path, "it is its own interpreter")
        seen.add(walk.real)


def _error(path: bytes, problem: str, remedy: str = "") -> MinimgError:
    return MinimgError("MINIMG-E006", text(path), problem, remedy)


def _first_line(sysroot: Sysroot, path: bytes, walk: Walk) -> bytes | None:
    """What follows `#!`, as far as the kernel reads; None for a file that is no script."""
    found = context(sysroot).file(walk.real)
    if found is None:
        raise MinimgError("MINIMG-E001", text(path), "it may not be read")
    if found.raw[:2] != b"#!":
        return None
    rest = found.raw.ljust(START, b"\0")[2:]
    line, newline, _ = rest.partition(b"\n")
    if not newline:
        # Arguments may be cut off, but the kernel does not guess the interpreter's name.
        if not any(byte in b" \t\0" for byte in rest.lstrip(_BLANK)):
            raise _error(
                path,
                f"its first line is longer than {START - 1} bytes",
                "Shorten the interpreter's path.",
            )
        line = rest[:-1]
    return line.partition(b"\0")[0].strip(_BLANK)


def _split(line: bytes, path: bytes) -> tuple[bytes, bytes]:
    """The interpreter and its one argument (which may hold blanks)."""
    for index, byte in enumerate(line):
        if byte in _BLANK:
            name, argument = line[:index], line[index:].strip(_BLANK)
            break
    else:
        name, argument = line, b""
    if not name:
        raise _error(path, "its `#!` line names no interpreter")
    if name[:1] != b"/":
        raise _error(
            path,
            f"its interpreter {text(name)} is relative to the working directory",
            "Name it by its absolute path.",
        )
    return name, argument


def _program(sysroot: Sysroot, name: bytes, path: bytes, line: bytes) -> Walk:
    walk = sysroot.walk(name)
    if walk.error is not None or walk.stat is None:
        if line.endswith(b"\r"):
            raise _error(
                path,
                "its first line ends in a carriage return, which counts as part of the name",
                "Store the script with line ends of Unix.",
            )
        raise _error(path, f"its interpreter {text(name)} is not there")
    if walk.stat.kind != "file" or not walk.stat.mode & 0o111:
        raise _error(path, f"its interpreter {text(name)} is not an executable file")
    return walk


def _through_env(sysroot: Sysroot, path: bytes, argument: bytes, env_path: bytes) -> Step:
    name, env_path = _env_command(path, argument, env_path)
    if b"/" in name:
        if name[:1] != b"/":
            raise _error(path, f"env's {text(name)} is relative to the working directory")
        return Step(name, _program(sysroot, name, path, b""), "env")
    for directory in env_path.split(b":"):
        if directory[:1] != b"/":  # the working directory
            continue
        candidate = directory.rstrip(b"/") + b"/" + name
        walk = sysroot.walk(candidate)
        if walk.error is None and walk.stat is not None:
            if walk.stat.kind == "file" and walk.stat.mode & 0o111:
                return Step(candidate, walk, "env")
    tail = " (the carriage return at the line's end counts)" if name.endswith(b"\r") else ""
    raise _error(
        path,
        f"env does not find {text(name)}{tail} in {text(env_path) or 'an empty PATH'}",
        "Add the program, or set PATH.",
    )


def _env_command(path: bytes, argument: bytes, env_path: bytes) -> tuple[bytes, bytes]:
    """The command that env is given and the PATH that it looks it up in."""
    words = iter(_env_words(path, argument))
    for word in words:
        if word in (b"-u", b"--unset", b"-C", b"--chdir"):
            next(words, b"")
        elif word == b"--":
            continue
        elif word.startswith(b"-"):
            continue
        elif b"=" in word:
            if word.startswith(b"PATH="):
                env_path = word[5:]
        else:
            return word, env_path
    raise _error(path, "env is given no program to start")


def _env_words(path: bytes, argument: bytes) -> list[bytes]:
    """env's arguments: one, unless it is told to split it (-S, --split-string)."""
    for prefix in (b"--split-string=", b"--split-string", b"-S", b"-vS", b"-iS", b"-ivS", b"-viS"):
        if argument.startswith(prefix):
            return list(_words(path, argument[len(prefix) :]))
    return [argument] if argument else []


_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"f": b"\f", b"v": b"\v", b"_": b" "}


def _words(path: bytes, line: bytes) -> Iterator[bytes]:
    """Split as `env -S` does: blanks, both quotes, backslashes; `#` at a word's start ends it."""
    word: bytes | None = None
    quote = b""
    index = 0
    while index < len(line):
        byte = line[index : index + 1]
        index += 1
        if quote and byte == quote:
            quote = b""
        elif not quote and byte in (b"'", b'"'):
            quote, word = byte, word or b""
        elif byte == b"\\" and quote != b"'":
            following = line[index : index + 1]
            index += 1
            if following == b"c":
                break
            word = (word or b"") + _ESCAPES.get(following, following)
        elif not quote and byte in b" \t\n\r\f\v":
            if word is not None:
                yield word
            word = None
        elif not quote and byte == b"#" and word is None:
            return
        elif byte == b"$" and quote != b"'":
            raise _error(path, "env is told to expand a variable, whose value is not known here")
        else:
            word = (word or b"") + byte
    if quote:
        raise _error(path, "a quote in its `env -S` line does not end")
    if word is not None:
        yield word
