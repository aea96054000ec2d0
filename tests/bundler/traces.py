"""Runs a program under strace and tells which paths it asked the kernel for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests import requirements

#: `openat(AT_FDCWD</folder>, "path", …`; a line of another thread may cut it off after the path.
_CALL = re.compile(
    r'^(?:\d+ +)?(?P<call>\w+)\((?:[^"<]*<(?P<base>[^>]*)>, )?'
    r'"(?P<path>(?:[^"\\]|\\.)+)"(?P<rest>.*)'
)
_SECOND = re.compile(r'"((?:[^"\\]|\\.)*)"')
#: What a call opened, after the links on the way.
_OPENED = re.compile(r"= \d+<(/[^>]*)>$")
_TWO_PATHS = ("rename", "link")
#: Calls that look at one name on the way to another, and read nothing.
_LOOKS = ("access", "stat", "lstat", "newfstatat", "readlink", "statx")

SOURCE = Path(__file__).resolve().parents[2]
#: Modules that bring shared libraries: of the standard library, and of the bundler's packages.
_EXTENSIONS = "bz2, ctypes, decimal, hashlib, lzma, math, ssl, uuid, zlib, deflate, zstandard"
_LIBRARY = re.compile(r"/[^/]+\.so[.\d]*\Z")
_OWN_PROCESS = re.compile(r"/proc/(self|\d+)/(fd(/\d+)?|maps|stat)\Z")
#: All else that an interpreter may ask of a machine.
_MACHINE = (
    "/dev/null",
    "/dev/urandom",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/ssl/openssl.cnf",  # of the library behind hashlib
    "/usr/lib/ssl/openssl.cnf",
    "/usr/share/zoneinfo/UTC",  # TZ is set to that
    "/usr/share/zoneinfo/Etc/UTC",
    "/sys/devices/system/cpu/online",  # of malloc, once there are threads
)


@dataclass(frozen=True)
class Asked:
    call: str
    path: str


def asked(trace: str, folder: str) -> Iterator[Asked]:
    """Every path of a trace that a program made in `folder`, absolute, each once."""
    seen = set()
    for line in trace.splitlines():
        for item in _of_line(line, folder):
            if item not in seen:
                seen.add(item)
                yield item


def _of_line(line: str, folder: str) -> Iterator[Asked]:
    match = _CALL.match(line)
    if match is not None:
        paths = [match["path"]]
        if match["call"].startswith(_TWO_PATHS):
            paths += _SECOND.findall(match["rest"])
        for path in paths:
            absolute = os.path.join(match["base"] or folder, path)
            yield Asked(match["call"], os.path.normpath(absolute))
    opened = _OPENED.search(line)
    if opened is not None:
        yield Asked("open", opened[1])


def run(command: Sequence[str], folder: Path) -> str:
    """The trace of a command in `folder`. Fails when the command does."""
    strace = requirements.working(["strace", "-f", "-y", "-o", "/dev/null", "true"])
    trace = folder.parent / "trace"
    options = ["-f", "-qq", "-y", "-e", "trace=%file", "-s", "4096", "-o", str(trace)]
    path = os.pathsep.join(dict.fromkeys([str(SOURCE), *filter(None, sys.path)]))
    done = subprocess.run(
        [strace, *options, *command],
        cwd=folder,
        # HOME: without it the interpreter looks it up as it starts, and then ignores it.
        env={
            "HOME": str(folder),
            "LC_ALL": "C",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": path,
            "TZ": "UTC",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return trace.read_text(errors="replace")


def strangers(trace: str, folder: Path) -> list[str]:
    """The paths that belong neither to `folder` nor to the interpreter and its packages."""
    folders = (str(folder), *_installation())
    files = {*_MACHINE, *_of_the_start(), *_of_the_interpreter()}
    ways = {str(parent) for path in folders for parent in Path(path).parents}
    found = dict.fromkeys(
        item.path
        for item in asked(trace, str(folder))
        if not (
            item.path in files
            or item.path in folders
            or item.path.startswith(tuple(f"{allowed}/" for allowed in folders))
            or (item.path in ways and item.call in _LOOKS)
            or _OWN_PROCESS.match(item.path)
        )
    )
    return list(found)


def _installation() -> list[str]:
    """The folders of modules, as they are named and as they really are."""
    named = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    named += [*filter(None, sys.path), str(SOURCE)]
    return list(dict.fromkeys([*named, *map(os.path.realpath, named)]))


@cache
def _of_the_start() -> frozenset[str]:
    """What the interpreter asks for to run nothing: where it is, and where its modules are."""
    found = frozenset(item.path for item in _asked_by("pass") if not os.path.isdir(item.path))
    assert not found & {"/etc/passwd", "/usr/lib", "/etc/hostname"}, "the tests read these"
    return found


@cache
def _of_the_interpreter() -> frozenset[str]:
    """Its shared libraries, where its loader looks for them, and what its prefix has."""
    homes = tuple({f"{prefix}/" for prefix in (sys.prefix, sys.base_prefix)} - {"/usr/"})
    return frozenset(
        item.path
        for item in _asked_by(f"import {_EXTENSIONS}")
        if _LIBRARY.search(item.path) or item.path.startswith(homes) or item.call == "execve"
    )


def _asked_by(code: str) -> list[Asked]:
    """What this interpreter asks for when it runs `code`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "folder")
        folder.mkdir()
        return list(asked(run([sys.executable, "-c", code], folder), str(folder)))
