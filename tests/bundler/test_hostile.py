"""Hostile files by name: as the program, as a library, as what the loader reads besides."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.commands import closure as cli_closure
from pants_plugin_minimg.bundler.commands.closure import BAD, INCOMPLETE, Answer
from pants_plugin_minimg.bundler.loader.starts import Starts
from tests.requirements import unavailable

from .elf_builder import GLIBC, Spec, build
from .rootfs import Root


@pytest.fixture
def ground(root: Root) -> Root:
    root.glibc()
    root.elf("/lib/libc.so.6", soname=b"libc.so.6")
    root.elf("/usr/lib/libx.so.1", soname=b"libx.so.1")
    root.program("/bin/user", b"libx.so.1", b"libc.so.6")
    return root


def answer(root: Root, path: str) -> Answer:
    return cli_closure.answer(Starts(root.sysroot()), path.encode())


def _directory(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path, 0o755)


def _socket(path: Path) -> None:
    here = os.open(path.parent, os.O_PATH)  # a socket's path must be short
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)
    path.chmod(0o755)


def _device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o777, os.makedev(1, 5))  # zeros without end
    except PermissionError:
        unavailable("making a device takes the right to")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


SPECIAL = [_directory, _fifo, _socket, _device, _loop]
Make = Callable[[Path], None]


@pytest.mark.parametrize("make", SPECIAL)
def test_no_special_file_is_a_program(ground: Root, make: Make) -> None:
    make(ground.on_disk("/bin/odd"))
    found = answer(ground, "/bin/odd")
    assert found.status == BAD and found.error is not None
    assert found.error.code in ("MINIMG-E003", "MINIMG-E007")


@pytest.mark.parametrize("make", SPECIAL)
def test_no_special_file_is_a_library(ground: Root, make: Make) -> None:
    """The loader finds /lib before /usr/lib and stops there; at a loop of links it goes on."""
    make(ground.on_disk("/lib/libx.so.1"))
    found = answer(ground, "/bin/user")
    assert found.error is None and found.closure is not None
    if make is _loop:
        assert [item.path for item in found.closure.loaded][0] != b"/lib/libx.so.1"
    else:
        assert found.status == INCOMPLETE
        assert [item.path for item in found.closure.refused] == [b"/lib/libx.so.1"]


@pytest.mark.parametrize("make", SPECIAL)
@pytest.mark.parametrize("path", ["/etc/ld.so.cache", "/etc/ld.so.preload"])
def test_no_special_file_is_a_list_of_the_loader(ground: Root, make: Make, path: str) -> None:
    ground.directory("/etc")
    make(ground.on_disk(path))
    found = answer(ground, "/bin/user")
    assert found.error is None and found.closure is not None
    assert [item.path for item in found.closure.loaded][0] == b"/usr/lib/libx.so.1"


@pytest.mark.parametrize("make", SPECIAL)
def test_no_special_file_starts_a_program_or_script(ground: Root, make: Make) -> None:
    ground.program("/bin/other", b"libc.so.6", interp=b"/lib/odd.so")
    ground.file("/bin/script", b"#!/lib/odd.so\n", 0o755)
    make(ground.on_disk("/lib/odd.so"))
    for path in ("/bin/other", "/bin/script"):
        found = answer(ground, path)
        assert found.status in (INCOMPLETE, BAD), path


@pytest.mark.parametrize("size", [0, 1, 4, 16, 40, 63, 64, 100, 200, 300])
def test_a_truncated_file(ground: Root, size: int) -> None:
    whole = build(Spec(needed=[b"libx.so.1"], interp=GLIBC))
    ground.file("/bin/cut", whole[:size], 0o755)
    found = answer(ground, "/bin/cut")
    assert found.status == BAD and found.error is not None and found.error.code == "MINIMG-E003"
    ground.file("/lib/libx.so.1", whole[:size], 0o755)
    user = answer(ground, "/bin/user")
    assert user.status == INCOMPLETE and user.closure is not None
    assert [item.path for item in user.closure.refused] == [b"/lib/libx.so.1"]


def test_three_hundred_thousand_libraries_of_one_program(ground: Root) -> None:
    ground.program("/bin/many", *(b"lib%d.so" % index for index in range(300_000)))
    found = answer(ground, "/bin/many")
    assert found.status == BAD and found.error is not None and "too many" in str(found.error)


def test_the_same_library_again_and_again(ground: Root) -> None:
    ground.program("/bin/many", *[b"libx.so.1"] * 60_000)
    found = answer(ground, "/bin/many")
    assert found.closure is not None and len(found.closure.loaded) == 1


def test_overlapping_segments(ground: Root) -> None:
    """Two segments claim the same addresses, one of another place of the file."""
    raw = bytearray(build(Spec(needed=[b"libx.so.1"], interp=GLIBC)))
    at = 64
    while raw[at : at + 4] != (0x6474E551).to_bytes(4, "little"):  # PT_GNU_STACK
        at += 56
    raw[at : at + 56] = raw[64 + 56 : 64 + 112] if raw[64] == 3 else raw[64 : 64 + 56]
    ground.file("/bin/overlapping", bytes(raw), 0o755)
    found = answer(ground, "/bin/overlapping")
    assert found.closure is not None and found.closure.loaded[0].name == b"libx.so.1"


def test_a_foreign_byte_order(ground: Root) -> None:
    """32 bits, big-endian (MIPS): a program of another world, and no library of this one."""
    raw = build(Spec(needed=[b"libx.so.1"], elfclass=32, endian="big", machine=8, interp=GLIBC))
    ground.file("/bin/mips", raw, 0o755)
    found = answer(ground, "/bin/mips")
    assert found.kind == "dynamic" and found.error is None
    assert not found.closure or not found.closure.loaded  # this root's libraries are not for it
    ground.file("/lib/libx.so.1", raw, 0o755)
    assert loader.resolve(ground.sysroot(), b"/bin/user").loaded[0].path != b"/lib/libx.so.1"


def test_links_out_of_the_root_stay_in_it(ground: Root, tmp_path: Path) -> None:
    secret = tmp_path / "outside.so"
    secret.write_bytes(build(Spec(soname=b"libx.so.1")))
    for target in (f"../../../../../../../../..{secret}", str(secret)):
        link = ground.on_disk("/lib/libx.so.1")
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        found = answer(ground, "/bin/user")
        assert found.closure is not None
        assert found.closure.loaded[0].path == b"/usr/lib/libx.so.1"


def test_a_name_with_a_line_end_makes_no_second_line(ground: Root) -> None:
    """Found by a fuzzer: a line of a message must not be one that a name brings."""
    ground.file("/etc/ld.so.preload", b"evil\x85\xe2\x80\xa8\n")
    ground.program("/bin/odd", b"liba\nMINIMG-E000.so", b"$ORIGIN/\x0bx")
    found = answer(ground, "/bin/odd")
    assert found.closure is not None
    lines = [*found.lines(), *found.closure.warnings]
    assert all(len(line.splitlines()) == 1 for line in lines)
    assert any("liba\\x0aMINIMG-E000.so => not found" in line for line in lines)
