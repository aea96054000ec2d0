"""What a traced run looked for in an image's tree, and what of the tree it never came to.

The trace is that of strace(1) with `-f -qq -y -e trace=%file`. It checks the closure and decides
nothing: another run may take another way.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.sizes import shown
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text

#: Arguments of strace before those of what it runs.
OPTIONS = ("-f", "-qq", "-y", "-e", "trace=%file", "-s", "4096")
_CALL = re.compile(
    r"(?P<pid>\d+) +(?P<call>\w+)\((?:(?:AT_FDCWD|\d+)(?:<(?P<base>[^>]*)>)?, )?"
    r'"(?P<path>(?:[^"\\]|\\.)+)"(?P<rest>.*)\Z'
)
_RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. (?P<call>\w+) resumed>(?P<rest>.*)\Z")
_UNFINISHED = "<unfinished ...>"
_MISSING = re.compile(r"= -1 (?:ENOENT|ENOTDIR)\b")
_DONE = re.compile(r"= (?:\d+|0x[0-9a-f]+)(?:<|\s|\Z)")
_OCTAL = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-f]{2})|(.))", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a"}
#: Not of an image: an engine makes them.
_OF_THE_KERNEL = (b"/proc/", b"/sys/", b"/dev/")
#: What every loader asks for once, and nothing lacks (ld.so(8)).
_OF_THE_LOADER = re.compile(
    rb"/etc/ld\.so\.(?:preload|cache)\Z|.*/(?:glibc-hwcaps|tls|x86_64)(?:/|\Z)"
)
#: Of scanners and people, not of programs.
_RECORDS = re.compile(rb"/var/lib/dpkg/status\.d/|/usr/share/doc/|(?:/etc|/usr/lib)/os-release\Z")
#: What Python looks for beside a source that it found (PEP 3147), and writes there.
_BYTE_CODE = re.compile(rb"(.*/__pycache__)(?:/([^/.]+)\.[^/]*)?\Z", re.DOTALL)
#: Calls that read a file; others only look whether it is there.
_READS = ("open", "openat", "openat2", "execve", "execveat")
_MOST_SHOWN = 20


@dataclass
class Seen:
    """By absolute paths as they were asked for: `found` ones, those `read` among them, and how
    often each that was `missing` was asked for."""

    found: set[bytes] = field(default_factory=set)
    read: set[bytes] = field(default_factory=set)
    missing: dict[bytes, int] = field(default_factory=dict)

    def add(self, call: str, path: bytes, result: str) -> None:
        if _MISSING.search(result):
            self.missing[path] = self.missing.get(path, 0) + 1
        elif _DONE.search(result):
            self.found.add(path)
            if call in _READS:
                self.read.add(path)


def load(path: str, cwd: str) -> Seen:
    """Raises OSError."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return parse(file, cwd)


def parse(trace: Iterable[str], cwd: str) -> Seen:
    """What the program did that the traced command started, and all that this started.

    `cwd` is the folder of the program, for relative names of calls that tell none.
    """
    seen = Seen()
    starters: set[str] = set()
    started = 0
    pending: dict[tuple[str, str], bytes] = {}
    for line in map(str.rstrip, trace):
        match = _CALL.match(line)
        if match is not None:
            if started < 2:
                starters.add(match["pid"])
            path = _absolute(match["base"] or cwd, match["path"])
            if match["rest"].endswith(_UNFINISHED):
                pending[match["pid"], match["call"]] = path
                continue
        else:
            match = _RESUMED.match(line)
            path = pending.pop((match["pid"], match["call"]), b"") if match else b""
            if match is None or not path:
                continue
        pid, call, rest = match["pid"], match["call"], match["rest"]
        if call == "execve" and _DONE.search(rest):
            started += 1
            if started == 2:
                starters.discard(pid)  # it is the program now
        if started > 1 and pid not in starters:
            seen.add(call, path, rest)
    return seen


def _absolute(base: str, path: str) -> bytes:
    raw = os.fsencode(base) + b"/" + _unescaped(path)
    return posixpath.normpath(_unescaped(path) if path.startswith("/") else raw)


def _unescaped(path: str) -> bytes:
    """As C writes it."""

    def value(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, letter = match.groups()
        if octal:
            return bytes([int(octal, 8) & 0xFF])
        return bytes([int(hexadecimal, 16)]) if hexadecimal else _ESCAPES.get(letter, letter)

    return _OCTAL.sub(value, os.fsencode(path))


def lines(seen: Sequence[Seen], tree: Sysroot, files: Iterable[tuple[bytes, int]]) -> Iterator[str]:
    """What to tell of all runs of an image: what was not there, with the line to add, and which of
    its `files` (as of the function of that name) no run read, the largest first."""
    missing, modules = _not_found(seen)
    if missing or modules:
        yield "looked for and not in the image:"
        if modules:
            yield (
                f"  byte code of {modules} modules, which Python compiles at each start: of a "
                "PEX, `python_bytecode=True`"
            )
        for path in missing[:_MOST_SHOWN]:
            yield f'  {text(path)}: if it is needed, `include=["{text(path)}"]`'
        if len(missing) > _MOST_SHOWN:
            yield f"  and {len(missing) - _MOST_SHOWN} more"
    used = _used(seen, tree)
    whole, left = 0, []
    for path, size in files:
        whole += size
        if path not in used and not _RECORDS.match(path):
            left.append((size, path))
    if not missing and not modules and not left:
        yield "every file was read, and nothing was looked for in vain"
    left.sort(key=lambda item: (-item[0], item[1]))
    if left:
        total = sum(size for size, _ in left)
        yield f"never read: {len(left)} files, {shown(total)} of {shown(whole)}"
        for size, path in left[:_MOST_SHOWN]:
            yield f"  {shown(size):>8}  {text(path)}"
        if len(left) > _MOST_SHOWN:
            yield f"  and {len(left) - _MOST_SHOWN} more"


def _not_found(seen: Sequence[Seen]) -> tuple[list[bytes], int]:
    """Without what a search found in a later folder, and what no image has; and of how many Python
    modules the byte code was looked for, which is not among the paths."""
    found = {path for each in seen for path in each.found}
    names = {path.rpartition(b"/")[2] for path in found}
    missing = {path for each in seen for path in each.missing} - found
    compiled = {path: match for path in missing if (match := _BYTE_CODE.match(path))}
    paths = sorted(
        path
        for path in missing
        if path not in compiled
        and path.rpartition(b"/")[2] not in names
        and not path.startswith(_OF_THE_KERNEL)
        and not _OF_THE_LOADER.match(path)
    )
    return paths, len({match.groups() for match in compiled.values() if match[2]})


def _used(seen: Sequence[Seen], tree: Sysroot) -> set[bytes]:
    """The files that were read, by their canonical paths, and what the kernel read for them."""
    used: set[bytes] = set()
    pending = [path for each in seen for path in each.read]
    while pending:
        walk = tree.walk(pending.pop())
        if walk.stat is None or walk.stat.kind != "file" or walk.real in used:
            continue
        used.add(walk.real)
        interpreter = _interpreter(tree, walk.real)
        if interpreter is not None:
            pending.append(interpreter)
    return used


def _interpreter(tree: Sysroot, path: bytes) -> bytes | None:
    """What the kernel opens to start a program: PT_INTERP, or what `#!` names."""
    with tree.open(path) as file:
        head = file.read(256)
        if head.startswith(b"#!"):
            return (head[2:].split() or [b""])[0] or None
        try:
            file.seek(0)
            return elf.read(file).interp
        except elf.ElfError:
            return None


def files(tree: Sysroot) -> Iterator[tuple[bytes, int]]:
    """Each file with bytes, and how many."""
    pending = [b"/"]
    while pending:
        folder = pending.pop()
        for name in tree.scandir(folder):
            path = posixpath.join(folder, name)
            stat = tree.lstat(path)
            if stat is not None and stat.kind == "dir":
                pending.append(path)
            elif stat is not None and stat.kind == "file" and stat.size:
                yield path, stat.size
