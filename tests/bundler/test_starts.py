"""Programs that start alike are resolved once, with the result of each alone."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.loader.starts import Starts
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot

from .elf_builder import GLIBC, MUSL
from .graphs import random_graph
from .rootfs import Root


def _told(closure: loader.Closure) -> tuple[object, ...]:
    return (
        *(closure.program, closure.walk, closure.elf, closure.interpreter, closure.interp_walk),
        *(closure.loaded, closure.missing, closure.refused, closure.warnings, closure.twins),
    )


@pytest.fixture
def programs(root: Root) -> list[bytes]:
    root.glibc()
    root.elf("/usr/lib/liba.so", b"libb.so")
    root.elf("/usr/lib/libb.so")
    root.elf("/opt/one/lib/libc.so")
    root.elf("/opt/two/lib/libc.so", b"liba.so")
    root.elf("/bin/itself", b"liba.so", soname=b"liba.so")
    root.file("/lib/ld-musl-x86_64.so.1", b"", 0o755)
    for name in ("/bin/first", "/bin/second", "/opt/one/third"):
        root.program(name, b"liba.so", b"libb.so")
    root.link("/bin/linked", "second")
    for folder in ("one", "two"):
        root.program(f"/opt/{folder}/own", b"libc.so", runpath=b"$ORIGIN/lib")
        root.program(f"/opt/{folder}/bound", b"libc.so", rpath=b"$ORIGIN/lib")
        root.program(f"/opt/{folder}/token", b"$ORIGIN/lib/libc.so")
        root.program(f"/opt/{folder}/lost", b"libgone.so", b"liba.so")
        root.program(f"/opt/{folder}/here", b"liba.so", rpath=b":relative")
    root.program("/bin/named", b"liba.so", soname=b"libb.so")
    root.program("/bin/strict", b"liba.so", b"libb.so", flags_1=0x800)
    root.program("/bin/knows", b"/bin/knows", b"libb.so")
    root.program("/bin/known", b"/bin/knows", b"libb.so")
    # Loaded once more by the name that it is started by, it finds another library.
    for name in ("real", "rival"):
        root.program(f"/opt/one/{name}", b"/opt/two/linked", b"$ORIGIN/libo.so")
    root.link("/opt/two/linked", "../one/real")
    root.elf("/opt/one/libo.so")
    root.elf("/opt/two/libo.so")
    root.program("/bin/other", b"liba.so", interp=MUSL)
    root.program("/bin/more", b"liba.so", interp=MUSL)
    found = [*root.on_disk("/bin").iterdir(), *root.on_disk("/opt").glob("**/*")]
    return [b"/" + bytes(path.relative_to(root.folder)) for path in sorted(found) if path.is_file()]


def test_alike_or_not(root: Root, programs: list[bytes]) -> None:
    alone = {path: _told(loader.resolve(root.sysroot(), path)) for path in programs}
    assert len(alone) > 20
    rng = random.Random(0)
    for _ in range(50):
        starts = Starts(root.sysroot())
        order = rng.sample(programs, len(programs))
        assert {path: _told(starts.resolve(path)) for path in order} == alone


@pytest.mark.parametrize("interpreter", [GLIBC, MUSL])
def test_copies_and_links_of_random_programs(interpreter: bytes, tmp_path: Path) -> None:
    complete = 0
    for seed in range(60):
        graph = random_graph(tmp_path / str(seed), seed, interpreter)
        base = os.fsencode(graph.folder)
        paths = [graph.main, *(base + name for name in (b"/bin/copy", b"/a/copy", b"/c/link"))]
        for copy in paths[1:3]:
            shutil.copy(graph.main, copy)
        os.symlink(graph.main, paths[3])
        alone = [
            loader.resolve(DirSysroot(b"/"), path, ld_library_path=graph.library_path)
            for path in paths
        ]
        starts = Starts(DirSysroot(b"/"), graph.library_path)
        together = [starts.resolve(path) for path in paths]
        assert list(map(_told, together)) == list(map(_told, alone)), seed
        complete += not (together[0].missing or together[0].refused or together[0].warnings)
    assert complete > 2
