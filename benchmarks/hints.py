"""How right the hints are: their recall against `.note.dlopen`, and who gets one.

    python3 -m benchmarks.hints --python /path/to/python --scratch /path/to/folder

Recall: packages of a suite whose files carry notes, and those with the libraries that the notes
name, are locked and fetched by the bundler's own commands; the notes are then ignored, and each
library that one of them names must be found by the strings alone. Linkers drop unused code and
keep its notes: a name that is nowhere in the file but in a note is of a library that the file
cannot open by name, which is counted apart. Share: of the programs in /usr/bin of this machine,
those that get at least one hint.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ours import CannotMeasure
from benchmarks.sysroot_packages import APT, Archive, Locked, architecture, extract
from benchmarks.sysroot_tool import Tool
from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.implicit import hints, strings
from pants_plugin_minimg.bundler.implicit.openings import read_notes
from pants_plugin_minimg.bundler.loader.context import context
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot

SUITE = "trixie"
#: Those that carry notes, and what has the libraries that they name.
PACKAGES = (
    *("systemd", "systemd-container", "systemd-coredump", "systemd-cryptsetup", "systemd-repart"),
    *("systemd-resolved", "systemd-journal-remote", "systemd-homed", "systemd-boot", "udev"),
    *("libnss-systemd", "libnss-resolve", "libnss-myhostname", "libpam-systemd", "libudev1"),
    *("kmod", "libkmod2", "util-linux", "libgnutls30t64", "libsdl3-0"),
    *("libarchive13t64", "libbpf1", "libbz2-1.0", "libcryptsetup12", "libcurl4t64", "libdw1t64"),
    *("libelf1t64", "libfido2-1", "libgcrypt20", "libidn2-0", "libip4tc2", "liblz4-1"),
    *("libmicrohttpd12t64", "libp11-kit0", "libpcre2-8-0", "libpwquality1", "libqrencode4"),
    *("libtss2-esys-3.0.2-0t64", "libtss2-rc0t64", "libtss2-mu-4.0.1-0t64", "libxkbcommon0"),
    *("libtss2-tcti-device0t64", "libapparmor1", "libzstd1", "liblzma5", "libseccomp2"),
)
ROUNDS = 5


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", help="with the bundler's packages; else a new environment")
    parser.add_argument("--scratch", type=Path, help="a folder to keep; else a temporary one")
    parser.add_argument("--mirror", help=f"base URL of {SUITE}; else as in the apt sources")
    parser.add_argument("--root", type=Path, help="use this unpacked tree for the recall")
    parser.add_argument("--only", choices=("recall", "share", "speed"))
    options = parser.parse_args(arguments)
    folder = options.scratch or Path(tempfile.mkdtemp(prefix="minimg-hints-"))
    folder.mkdir(parents=True, exist_ok=True)
    complete = True
    try:
        if options.only in (None, "share"):
            report_share(DirSysroot(b"/"))
        if options.only in (None, "speed"):
            report_speed()
        if options.only in (None, "recall"):
            root = options.root or packages(folder, options.python, options.mirror)
            complete = report_recall(DirSysroot(os.fsencode(root)))
    except CannotMeasure as error:
        print(f"not measured: {error}")
        return 2
    finally:
        if options.scratch is None:
            shutil.rmtree(folder)
    return 0 if complete else 1


# Packages with notes.


def packages(scratch: Path, python: str | None, mirror: str | None) -> Path:
    """A folder with the files of PACKAGES and all that they need. Raises CannotMeasure."""
    root = scratch / "root"
    if root.is_dir():
        return root
    archive = Archive(Tool(Path.cwd(), scratch, python), scratch)
    base = mirror or _base_url(archive)
    locked = _locked(archive, base)
    archive.fetch(locked)
    folders = archive.unpack(locked, scratch / "packages")
    extract(folders, scratch / "extracted")
    (scratch / "extracted").rename(root)
    return root


def _base_url(archive: Archive) -> str:
    """Of the suite, or of this machine's own: one archive has them all."""
    try:
        return archive.base_url(SUITE)
    except CannotMeasure:
        found = re.search(r"^VERSION_CODENAME=(\w+)$", _os_release(), re.MULTILINE)
        if found is None:
            raise
        return archive.base_url(found.group(1))


def _os_release() -> str:
    try:
        return Path("/etc/os-release").read_text()
    except OSError:
        return ""


def _locked(archive: Archive, mirror: str) -> list[Locked]:
    fields = {
        "version": 1,
        "suites": [SUITE],
        "components": ["main"],
        "architectures": [architecture()],
        "packages": sorted({*PACKAGES, "base-files"}),
        "mirrors": [mirror],
        "apt": APT,
        "lockfile": "hints.lock",
    }
    asked, out = archive.scratch / "lock-request.json", archive.scratch / "lock-out"
    request = {"resolve": "hints", "address": "//benchmark:hints", "keyrings": [], "previous": None}
    asked.write_text(json.dumps({**fields, **request, "gpgv": shutil.which("gpgv")}))
    archive.tool.call("lock", f"--request={asked}", f"--out={out}")
    lock = out / "lock.toml"
    scope = {"sysroot": "//benchmark:hints", "command": "lock", "roots": [], "apt_state": None}
    asked.write_text(json.dumps({**fields, **scope, "architecture": architecture()}))
    answer = archive.scratch / "scope.json"
    archive.tool.call("scope", f"--lock={lock}", f"--request={asked}", f"--out={answer}")
    return [
        Locked(
            *(item["name"], item["path"], tuple(item["urls"])),
            *(item["sha256"], item["size"], item["limit"]),
        )
        for item in json.loads(answer.read_text())["packages"]
    ]


# Recall.


@dataclass
class Recall:
    """Counts over files with notes, of a library in each of them; `alone` are those that stand in
    the note and nowhere else in the file, `lost` the others without a hint: (file, library)."""

    files: int = 0
    names: int = 0
    alone: int = 0
    in_strings: int = 0
    openable: int = 0
    hinted: int = 0
    hints: int = 0
    of_no_note: collections.Counter[bytes] = field(default_factory=collections.Counter)
    lost: list[tuple[bytes, bytes]] = field(default_factory=list)


def report_recall(sysroot: DirSysroot) -> bool:
    found = Recall()
    for path in _elf_files(sysroot):
        _recall(sysroot, path, found)
    held = found.names - found.alone
    print(f"files with .note.dlopen: {found.files}, libraries named: {found.names}")
    print(f"in the note alone, their code dropped by the linker: {found.alone}")
    print(f"elsewhere in the file, too: {held}; found by the strings: {found.in_strings}")
    print(f"of these in the tree, and not loaded: {found.openable}; hinted at: {found.hinted}")
    for path, name in found.lost:
        print(f"  lost: {name.decode()} of {path.decode()}")
    print(f"libraries hinted at in these files: {found.hints}; in no note:")
    for name, count in found.of_no_note.most_common():
        print(f"  {name.decode()} ({count})")
    if not found.files:
        raise CannotMeasure("no file with a note is in the packages")
    return not found.lost


def _elf_files(sysroot: DirSysroot) -> Iterator[bytes]:
    for folder, _, names in sorted(os.walk(sysroot.root)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    if file.read(4) == b"\x7fELF":
                        yield path[len(sysroot.root) :]


def _recall(sysroot: DirSysroot, path: bytes, found: Recall) -> None:
    shared = context(sysroot)
    notes, faults = read_notes(shared, path)
    for fault in faults:
        print(f"  {path.decode()}: {fault}")
    if not notes:
        return
    found.files += 1
    rest = _without_notes(sysroot, path)
    with sysroot.open(path) as file:
        known = {name.rpartition(b"/")[2] for name in strings.read(file)[0]}
    closure = loader.resolve(sysroot, path)
    assert closure.opener is not None
    there = {closure.walk.real, *(item.walk.real for item in closure.loaded)}
    finder = hints.Finder(sysroot, there.__contains__, noted=False)
    libraries = [
        name for hint in finder.of(closure) if hint.path == path for name in hint.libraries
    ]
    told = {_real(closure, name): name for name in libraries}
    noted = set()
    for name in dict.fromkeys(name for note in notes for name in note.names):
        found.names += 1
        real = _real(closure, name)
        noted.add(real)
        if name not in rest:
            found.alone += 1
            continue
        found.in_strings += name in known
        if name not in known:
            found.lost.append((path, name))
        if real is not None and real not in there:
            found.openable += 1
            found.hinted += real in told
            if real not in told and name in known:
                found.lost.append((path, name))
    found.hints += len(told)
    found.of_no_note.update(name for real, name in told.items() if real not in noted)


def _without_notes(sysroot: DirSysroot, path: bytes) -> bytes:
    with sysroot.open(path) as file:
        segments = elf.Reader(file).segments
        file.seek(0)
        content = bytearray(file.read())
    for segment in segments:
        if segment.kind == elf.PT_NOTE:
            content[segment.offset : segment.offset + segment.filesz] = bytes(segment.filesz)
    return bytes(content)


def _real(closure: loader.Closure, name: bytes) -> bytes | None:
    assert closure.opener is not None
    walk = closure.opener.find(name)
    return None if walk is None else walk.real


# Share.


def report_share(sysroot: DirSysroot) -> None:
    programs = hinted = own = 0
    who: collections.Counter[str] = collections.Counter()
    for name in sysroot.scandir(b"/usr/bin"):
        closure = _closure(sysroot, b"/usr/bin/" + name)
        if closure is None:
            continue
        programs += 1
        there = {closure.walk.real, *(item.walk.real for item in closure.loaded)}
        got = list(hints.Finder(sysroot, there.__contains__).of(closure))
        hinted += bool(got)
        own += any(hint.path == closure.program for hint in got)
        who.update(str(hint) for hint in got)
    print(f"programs in /usr/bin: {programs}; with a hint: {hinted} ({hinted / programs:.1%})")
    print(f"with a hint about the program itself: {own} ({own / programs:.1%})")
    for line, count in who.most_common():
        print(f"  {count}: {line}")


def _closure(sysroot: DirSysroot, path: bytes) -> loader.Closure | None:
    try:
        return loader.resolve(sysroot, path) if loader.kind(sysroot, path) == "dynamic" else None
    except MinimgError:
        return None


# Speed.


def report_speed(programs: Sequence[bytes] = (b"/usr/bin/hlint", b"/usr/bin/git")) -> None:
    """What hints add to a closure, with nothing remembered of the files."""
    for path in programs:
        if not os.path.exists(path):
            continue
        seconds = []
        for _ in range(ROUNDS):
            sysroot = DirSysroot(b"/")
            closure = loader.resolve(sysroot, path)
            there = {closure.walk.real, *(item.walk.real for item in closure.loaded)}
            start = time.perf_counter()
            hints.lines(sysroot, [closure], there.__contains__)
            seconds.append(time.perf_counter() - start)
        print(f"hints of {path.decode()}: {1000 * statistics.median(seconds):.1f} ms")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
