"""Damaged files of every kind that the closure reads, and what comes of them.

    python -m tests.bundler.mutants --count 1000000 --jobs 2

A mutant is made from its number alone, so that one is had back by `--first N --count 1`. Allowed is
an answer, or the one error type. A mutant that takes more than `--seconds` of processor time, or
more than 64 MiB above what the process had before, is a failure too.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.implicit import hints
from pants_plugin_minimg.bundler.implicit.dlopen_notes import PRIORITIES
from pants_plugin_minimg.bundler.implicit.openings import Openings, Wanted
from pants_plugin_minimg.bundler.planning import scripts, symbol_versions
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot

from .elf_builder import AUXILIARY, FILTER, GLIBC, MUSL, Spec, build
from .implied import asks, holding, note, with_notes
from .rootfs import Root, loader_file
from .test_ldcache import ONE, both, new_cache, old_cache
from .versions import WEAK, Name, Needs, versioned

MEMORY = 64 << 20
_WARM_UP = 200  # mutants after which the interpreter has what it needs
_PATH = b"/bin:/usr/bin"
_NSSWITCH = "/etc/nsswitch.conf"
_AWKWARD = (0, 1, 2, 3, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


def _programs() -> list[bytes]:
    needed: list[bytes | tuple[int, bytes]] = [
        b"liba.so",
        (FILTER, b"libb.so"),
        (AUXILIARY, b"$ORIGIN/libc.so"),
        b"libc.so.6",
    ]
    machines = ((64, 62, "little"), (32, 3, "little"), (64, 22, "big"))
    out = [
        build(
            Spec(
                needed=needed,
                soname=b"liba.so",
                rpath=b"$ORIGIN:/lib",
                runpath=runpath,
                interp=interp,
                imports=[b"backtrace", b"getaddrinfo"],
                exports=[b"stdin"],
                elfclass=elfclass,
                machine=machine,
                endian=endian,
            )
        )
        for runpath in (None, b"/lib:$LIB:${ORIGIN}/x:/usr/lib")
        for interp in (None, GLIBC, MUSL)
        for elfclass, machine, endian in machines
    ]
    plain = Spec(needed=[b"libc.so.6", b"liba.so"], interp=GLIBC)
    versions: Needs = {b"libc.so.6": [b"GLIBC_2.34", Name(b"GLIBC_2.99", WEAK)]}
    noted = [asks("libb.so", "liba.so", priority="required"), asks("libgone.so")]
    return [
        *out,
        versioned(plain, versions, [b"OWN_1"]),
        with_notes(build(plain), note(b"abc\0", b"GNU\0", 3) + note(noted)),
        holding(b"libb.so", b"/usr/lib/plugins", needed=[b"libc.so.6"], interp=GLIBC),
        b"#!/bin/ok -x\nbody\n",
        b"#!/usr/bin/env -S A=1 ok 'x y'\n",
    ]


def _libraries() -> list[bytes]:
    return [
        build(Spec(needed=[b"libb.so"], soname=b"liba.so", runpath=b"$ORIGIN/../lib")),
        build(Spec(needed=[(AUXILIARY, b"libb.so")], soname=b"libb.so", imports=[b"dlopen"])),
        with_notes(build(Spec(soname=b"liba.so")), note([asks("libb.so", priority="suggested")])),
    ]


def _libc() -> list[bytes]:
    spec = Spec(soname=b"libc.so.6", exports=[b"getaddrinfo"])
    return [versioned(spec, None, [b"GLIBC_2.2.5", b"GLIBC_2.34", b"GLIBC_PRIVATE"])]


#: Path -> what stands there undamaged, one of several.
_SLOTS: dict[str, list[bytes]] = {
    "/bin/prog": _programs(),
    "/lib/liba.so": _libraries(),
    "/usr/lib/libb.so": _libraries(),
    "/lib/libc.so.6": _libc(),
    GLIBC.decode(): [loader_file(), loader_file(b"2.28")],
    MUSL.decode(): [loader_file()],
    "/etc/ld.so.cache": [
        new_cache(ONE * 3),
        new_cache(ONE, ">", 3),
        old_cache(ONE),
        both(ONE, ONE),
    ],
    "/etc/ld.so.preload": [b"/usr/lib/libb.so liba.so\n"],
    "/etc/ld-musl-x86_64.path": [b"/lib:/usr/lib\n"],
    _NSSWITCH: [b"hosts: files mymachines [NOTFOUND=return] dns\npasswd: compat\n"],
}
#: How often each is damaged, beside the program, which is in every second one.
_OFTEN = ("/bin/prog",) * 5 + tuple(_SLOTS)


class TookTooLong(BaseException):
    """No Exception, which code under test may catch."""


def damaged(raw: bytes, chance: random.Random) -> bytes:
    out = bytearray(raw)
    for _ in range(chance.randint(1, 6)):
        if not out:
            break
        start = chance.choice((0, 0, len(out) - 400))
        stop = chance.choice((len(out), min(len(out), 400)))
        at = chance.randrange(min(max(start, 0), stop - 1), stop)
        kind = chance.random()
        if kind < 0.5:
            out[at] = chance.choice((0, 1, 0x24, 0x2F, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind < 0.8:
            width, order = chance.choice((2, 4, 8)), chance.choice(("little", "little", "big"))
            value = chance.choice((*_AWKWARD, chance.randrange(2 * len(out)))) % (1 << 8 * width)
            out[at : at + width] = value.to_bytes(width, order)  # type: ignore[arg-type]
        elif kind < 0.9:
            del out[at:]
        else:
            out[at:at] = out[: chance.randrange(64)]
    return bytes(out)


@dataclass
class Ground:
    """A file system whose files are damaged and put right again."""

    root: Root
    now: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root.program("/bin/ok", b"liba.so", b"libc.so.6", imports=[b"pthread_exit"])
        self.root.link("/usr/bin", "../bin")
        self.root.elf("/usr/lib/plugins/one.so")

    def lay(self, number: int) -> None:
        chance = random.Random(number)
        files = {path: chance.choice(raws) for path, raws in _SLOTS.items()}
        for path in {chance.choice(_OFTEN) for _ in range(chance.randint(1, 3))}:
            files[path] = damaged(files[path], chance)
        for path, content in files.items():
            if self.now.get(path) != content:
                self.root.file(path, content, 0o755)
        self.now = files

    def look(self) -> int:
        """How many of the two programs have an answer. Raises what must not be raised."""
        answered = 0
        for path in (b"/bin/prog", b"/bin/ok"):
            sysroot = DirSysroot(os.fsencode(self.root.folder))
            try:
                answered += self._resolve(sysroot, path)
            except MinimgError:
                continue
        return answered

    def _resolve(self, sysroot: DirSysroot, path: bytes) -> bool:
        if loader.kind(sysroot, path) == "script":
            return bool(scripts.interpreters(sysroot, path, _PATH))
        wanted = Wanted(PRIORITIES, True, self.now[_NSSWITCH])
        openings = Openings(sysroot, wanted)
        closure = loader.resolve(sysroot, path, libgcc=True, implicit=openings.run)
        for item in closure.loaded:
            assert item.walk.real.startswith(b"/")
            assert os.path.isfile(os.fsencode(self.root.folder) + item.walk.real)
        problems, warnings = symbol_versions.check(sysroot, closure)
        said = [*map(str, problems), *warnings, *closure.warnings, *openings.warnings]
        said += hints.lines(sysroot, [closure], lambda _: False, ())
        assert all(len(line.splitlines()) == 1 for line in said)
        return True


@dataclass
class Outcome:
    """`failures` are numbers with the end of a traceback; `slowest` is in seconds of wall clock."""

    count: int = 0
    answered: int = 0
    slowest: float = 0.0
    failures: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        self.count += other.count
        self.answered += other.answered
        self.slowest = max(self.slowest, other.slowest)
        self.failures += other.failures


def examine(seconds: float, numbers: range) -> Outcome:
    """In a process of its own, whose limits it sets."""
    signal.signal(signal.SIGVTALRM, _too_long)
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Root(Path(folder) / "root"))
        for done, number in enumerate(numbers):
            if done == _WARM_UP:
                _limit_memory()
            _one(ground, number, seconds, outcome)
    return outcome


def _one(ground: Ground, number: int, seconds: float, outcome: Outcome) -> None:
    ground.lay(number)
    began = time.monotonic()
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        outcome.answered += ground.look()
    except (Exception, TookTooLong):
        outcome.failures.append((number, traceback.format_exc(limit=-3)))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    outcome.count += 1
    outcome.slowest = max(outcome.slowest, time.monotonic() - began)


def _too_long(signum: int, frame: FrameType | None) -> None:
    raise TookTooLong()


def _limit_memory() -> None:
    found = re.search(r"VmSize:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    size = int(found.group(1)) * 1024 + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bundler.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, metavar="N")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    numbers = range(options.first, options.first + options.count)
    # A new process now and then: what one leaves behind must not hide what another takes.
    each = min(20_000, -(-options.count // options.jobs))
    parts = [numbers[start : start + each] for start in range(0, options.count, each)]
    total = Outcome()
    with ProcessPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(partial(examine, options.seconds), parts):
            total.add(outcome)
    for number, text in total.failures[:20]:
        print(f"mutant {number}:\n{text}")
    print(
        f"{total.count} mutants from {numbers.start} on: {total.answered} programs resolved, "
        f"{len(total.failures)} failures, the slowest {total.slowest:.2f} s"
    )
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
