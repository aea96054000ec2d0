"""The real loaders decide alike: on this machine's files and on random graphs of libraries.

How many files and graphs: MINIMG_ORACLE_FILES (0: all of /usr; else a sample of programs and of
the triplet's libraries), MINIMG_ORACLE_GRAPHS, from seed MINIMG_ORACLE_SEED on.
"""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot, Sysroot

from .elf_builder import GLIBC, MUSL
from .graphs import Graph, random_graph
from .host_files import elf_files

GRAPHS = int(os.environ.get("MINIMG_ORACLE_GRAPHS", "200"))
#: glibc's loader, even where nothing needs it (elf/rtld.c from 2.41 on).
LISTS_ITSELF = platform.libc_ver()[0] == "glibc" and tuple(
    map(int, platform.libc_ver()[1].split("."))
) >= (2, 41)
SEED = int(os.environ.get("MINIMG_ORACLE_SEED", "0"))

_ON_X86 = os.uname().machine == "x86_64"
glibc_here = pytest.mark.skipif(
    not (_ON_X86 and os.path.exists(GLIBC)), reason=f"no {GLIBC.decode()} on this machine"
)
musl_here = pytest.mark.skipif(
    not (_ON_X86 and os.path.exists(MUSL)), reason=f"no {MUSL.decode()} on this machine"
)


@dataclass
class Answer:
    """What a real loader said: ordered paths, names not found, whether it gave up."""

    paths: list[bytes]
    missing: set[bytes]
    fatal: str


def ask_glibc(path: bytes, library_path: bytes = b"") -> Answer:
    # Masked: variants for better processors, which an image does without.
    command = [GLIBC, b"--glibc-hwcaps-mask", b"none"]
    if library_path:
        command += [b"--library-path", library_path]
    # The variable is for the loader alone: a static program would run.
    environment = {b"LD_TRACE_LOADED_OBJECTS": b"1"}
    done = subprocess.run([*command, path], env=environment, capture_output=True, timeout=60)
    if done.returncode:
        return Answer([], set(), done.stderr.decode(errors="replace") or str(done.returncode))
    paths, missing = [], set()
    for line in done.stdout.split(b"\n"):
        name, arrow, found = line.strip().partition(b" => ")
        if found == b"not found":
            missing.add(name)
        elif line.strip() and line.strip() != b"statically linked":
            found = (found if arrow else name).rpartition(b" (0x")[0]
            if not found.startswith(b"linux-vdso"):
                paths.append(found)
    return Answer(paths, missing, "")


def ask_musl(path: bytes, library_path: bytes = b"") -> Answer:
    command = [MUSL, b"--list"]
    if library_path:
        command += [b"--library-path", library_path]
    done = subprocess.run([*command, path], env={}, capture_output=True, timeout=60)
    paths, missing = [], set()
    for line in done.stdout.split(b"\n")[1:]:  # the first is musl itself
        found = line.partition(b" => ")[2].rpartition(b" (0x")[0]
        if found and found != MUSL:
            paths.append(found)
    for line in done.stderr.split(b"\n"):
        if line.startswith(b"Error loading shared library "):
            missing.add(line[len(b"Error loading shared library ") :].partition(b": ")[0])
    return Answer(paths, missing, "" if done.returncode in (0, 127) else str(done.returncode))


def _dynamic(host: Sysroot, path: bytes) -> loader.Closure | None:
    """The closure, of files that this machine's glibc is asked for."""
    try:
        if loader.kind(host, path) not in ("dynamic", "shared"):
            return None
        closure = loader.resolve(host, path)
    except MinimgError:
        return None
    ours = closure.interpreter == GLIBC and closure.elf.elfclass == 64
    return closure if ours and closure.elf.machine == 62 else None


def _difference(closure: loader.Closure, real: Answer) -> str | None:
    """None when both agree."""
    ours = [item.path for item in closure.loaded]
    if real.fatal:
        return None if closure.refused else f"only the loader refuses: {real.fatal}"
    if closure.refused:
        return f"only we refuse: {closure.refused}"
    theirs = [path for path in real.paths if path != GLIBC or path in ours or not LISTS_ITSELF]
    if ours != theirs:
        return f"ours {ours}, the loader's {theirs}"
    names = {item.name for item in closure.missing}
    if not names <= real.missing:
        return f"we miss {names}, the loader {real.missing}"
    return None


@glibc_here
def test_the_machines_own_files(host: DirSysroot) -> None:
    files = elf_files()
    compared, wrong = 0, []
    for path in files:
        closure = _dynamic(host, path)
        if closure is None:
            continue
        compared += 1
        difference = _difference(closure, ask_glibc(path))
        if difference is not None:
            wrong.append((path, difference))
    print(f"compared {compared} of {len(files)} ELF files with glibc's loader")
    assert not wrong, wrong
    assert compared > 100


def _auxiliary_only(graph: Graph, real: Answer, closure: loader.Closure) -> bool:
    """glibc's listing names auxiliary libraries that are not there; starting ignores them."""
    extra = real.missing - {item.name for item in closure.missing}
    names = {name.rpartition(b"/")[2] for name in extra}
    return names <= {name.rpartition(b"/")[2] for name in graph.auxiliary}


@glibc_here
def test_random_graphs_as_glibc_resolves_them(tmp_path: Path) -> None:
    agreed, refused, endless, wrong = 0, 0, 0, []
    for seed in range(SEED, SEED + GRAPHS):
        graph = random_graph(tmp_path / str(seed), seed, GLIBC)
        host = DirSysroot(b"/")
        closure = loader.resolve(host, graph.main, ld_library_path=graph.library_path)
        if any("circle" in item.reason for item in closure.refused):
            endless += 1  # the real one would never answer
            graph.remove()
            continue
        real = ask_glibc(graph.main, graph.library_path)
        difference = _difference(closure, real)
        if difference is None and not closure.refused:
            if not _auxiliary_only(graph, real, closure):
                difference = f"we find what the loader misses: {real.missing}"
        if difference is not None:
            wrong.append((seed, difference))
        else:
            agreed += 1
            refused += bool(closure.refused)
            graph.remove()
    print(f"{agreed} graphs alike, {refused} of them refused by both; {endless} endless")
    assert not wrong, (len(wrong), wrong[:5])
    assert agreed > GRAPHS // 2


@musl_here
def test_random_graphs_as_musl_resolves_them(tmp_path: Path) -> None:
    agreed, complete, wrong = 0, 0, []
    for seed in range(SEED, SEED + GRAPHS):
        graph = random_graph(tmp_path / str(seed), seed, MUSL)
        closure = loader.resolve(DirSysroot(b"/"), graph.main, ld_library_path=graph.library_path)
        real = ask_musl(graph.main, graph.library_path)
        ours = [item.path for item in closure.loaded if item.via != "interp"]
        lost = {item.name for item in closure.missing}
        # What musl cannot map it reports as not loadable, like what it does not find.
        refused = {item.path for item in closure.refused}
        named = {path.rpartition(b"/")[2] for path in refused} | refused
        if real.fatal or ours != real.paths or not lost <= real.missing:
            wrong.append((seed, f"ours {ours} without {lost}, refused {named}; musl's {real}"))
        elif not real.missing - lost <= named:
            wrong.append((seed, f"musl misses {real.missing - lost}, we refuse {named}"))
        else:
            agreed += 1
            complete += not real.missing
            graph.remove()
    print(f"{agreed} graphs alike, {complete} of them complete")
    assert not wrong, (len(wrong), wrong[:5])
    assert agreed == GRAPHS
