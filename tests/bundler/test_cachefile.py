"""An ld.so.cache of ours, read by us and by the real loader."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.loader import cachefile, ldcache
from tests.requirements import unavailable, working

from .elf_builder import GLIBC, Spec, build

#: Their order in the file decides whether a binary search finds them.
NAMES = [
    b"liba.so",
    b"liba.so.1",
    b"liba.so.2",
    b"liba.so.10",
    b"liba-2.so",
    b"libA.so.1",
    b"libb.so.1",
    b"libb1.so.1",
    b"libb10.so",
    b"libb2.so",
    b"lib_b.so",
    b"libz.so.1.2.3",
    b"libz.so.1.10.3",
    b"libz.so.1",
]


def _header(tmp_path: Path) -> ldcache.Header:
    path = tmp_path / "program"
    path.write_bytes(build(Spec(interp=GLIBC)))
    with path.open("rb", buffering=0) as file:
        return elf.read(file).header


def test_our_reader_finds_every_name(tmp_path: Path) -> None:
    header = _header(tmp_path)
    paths = {name: b"/opt/odd/" + name for name in NAMES}
    cache = ldcache.parse(cachefile.render(paths, header))
    assert cache is not None
    for name, path in paths.items():
        assert cache.lookup(name, ldcache.flags_for(header)) == path
    assert cache.lookup(b"libnone.so", ldcache.flags_for(header)) is None


def test_digits_are_compared_by_value_as_the_loader_does(tmp_path: Path) -> None:
    header = _header(tmp_path)
    cache = ldcache.parse(cachefile.render({b"liba.so.10": b"/x/liba.so.10"}, header))
    assert cache is not None
    flags = ldcache.flags_for(header)
    assert cache.lookup(b"liba.so.010", flags) == b"/x/liba.so.10"
    assert cache.lookup(b"liba.so.1", flags) is None
    assert cache.lookup(b"liba.so.100", flags) is None


def test_the_order_of_the_names_does_not_reach_the_bytes(tmp_path: Path) -> None:
    header = _header(tmp_path)
    shuffled = NAMES[:]
    random.Random(5).shuffle(shuffled)
    one = cachefile.render({name: b"/x/" + name for name in NAMES}, header)
    assert cachefile.render({name: b"/x/" + name for name in shuffled}, header) == one


@pytest.mark.parametrize("count", [1, 2, len(NAMES)])
def test_the_real_loader_finds_every_name(tmp_path: Path, count: int) -> None:
    loader = os.fsdecode(GLIBC)
    if os.uname().machine != "x86_64" or not os.path.exists(loader):
        unavailable(f"there is no {loader} here")
    unshare = working(["unshare", "-m", "true"])
    names = NAMES[:count]
    asked = [*names, b"liba.so.01"] if b"liba.so.1" in names else names
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(build(Spec(soname=name)))
    program = tmp_path / "needs"
    program.write_bytes(build(Spec(needed=asked, interp=GLIBC)))
    program.chmod(0o755)
    cache = tmp_path / "ld.so.cache"
    paths = {name: os.fsencode(folder / os.fsdecode(name)) for name in names}
    cache.write_bytes(cachefile.render(paths, _header(tmp_path)))

    # The loader has the path of its cache built in: ours is put there for this process alone.
    script = (
        f"mount --bind {cache} /etc/ld.so.cache && LD_TRACE_LOADED_OBJECTS=1 {loader} {program}"
    )
    done = subprocess.run(
        [unshare, "-m", "--propagation", "private", "sh", "-c", script],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = {line.split()[0]: line.split()[2] for line in done.stdout.splitlines() if "=>" in line}
    assert found == {name.decode(): path.decode() for name, path in paths.items()}
    assert "not found" not in done.stdout  # liba.so.01 is liba.so.1, which is loaded already
