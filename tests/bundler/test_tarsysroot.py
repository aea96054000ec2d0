"""Files in tars, read in place: the same interface as a folder, byte for byte."""

from __future__ import annotations

import io
import os
import random
import shutil
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot, Sysroot
from pants_plugin_minimg.bundler.tars.rootfs import convert, open_rootfs
from pants_plugin_minimg.bundler.tars.sysroot import _MAX_OPEN, Node, TarSysroot
from pants_plugin_minimg.bundler.tars.window import Handle, Window

from .debian.debs import File, folder, hardlink, link, tar


@pytest.fixture
def window(tmp_path: Path) -> Window:
    (tmp_path / "f").write_bytes(b"before" + bytes(range(200)) + b"after")
    return Window(Handle(str(tmp_path / "f")), 6, 200)


def test_a_window_behaves_as_a_file_of_its_bytes(window: Window) -> None:
    plain = io.BytesIO(bytes(range(200)))
    rng = random.Random(1)
    for _ in range(2000):
        step = rng.randrange(4)
        if step == 0:
            to = rng.randrange(250)
            assert window.seek(to) == plain.seek(to)
        elif step == 1:
            back = -rng.randrange(200)
            assert window.seek(back, os.SEEK_END) == plain.seek(back, os.SEEK_END)
        elif step == 2:
            size = rng.choice([0, 1, 50, 300])
            assert window.read(size) == plain.read(size)
        else:
            one, other = bytearray(30), bytearray(30)
            assert window.readinto(one) == plain.readinto(other)
            assert one == other
        assert window.tell() == plain.tell()
    window.seek(190)
    assert window.read() == bytes(range(190, 200))
    window.seek(0)
    assert io.BufferedReader(window).read() == bytes(range(200))


def test_a_window_has_nothing_before_its_start(window: Window) -> None:
    with pytest.raises(ValueError):
        window.seek(-1)


def test_two_windows_do_not_disturb_each_other(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"aabb")
    handle = Handle(str(tmp_path / "f"))
    one, other = Window(handle, 0, 2), Window(handle, 2, 2)
    assert (one.read(1), other.read(1), one.read(1), other.read(1)) == (b"a", b"b", b"a", b"b")


FILES = [
    folder("usr/"),
    folder("usr/bin/", 0o2755),
    File("usr/bin/a", b"content of a", mode=0o755),
    File("usr/bin/empty"),
    hardlink("usr/bin/b", "usr/bin/a"),
    link("bin", "usr/bin"),
    link("usr/abs", "/bin/a"),
    link("usr/up", "../../../bin/b"),
    link("loop", "loop"),
    link("dangling", "nowhere"),
    File(b"usr/\xff\n", b"odd name"),
]


@pytest.fixture
def both(tmp_path: Path) -> tuple[Sysroot, Sysroot]:
    """The same files as a tar and as a folder."""
    (tmp_path / "in.tar").write_bytes(tar(FILES))
    convert(str(tmp_path / "in.tar"), None, 1 << 20, str(tmp_path / "out"))
    disk = os.fsencode(tmp_path / "disk")
    os.mkdir(disk)
    for item in FILES:
        assert isinstance(item.target, (str, bytes))
        path = os.path.join(disk, os.fsencode(item.name))
        if item.kind == "dir":
            os.mkdir(path)
            os.chmod(path, item.mode)
        elif item.kind == "link":
            os.symlink(os.fsencode(item.target), path)
        elif item.kind == "hardlink":
            os.link(os.path.join(disk, os.fsencode(item.target)), path)
        else:
            Path(os.fsdecode(path)).write_bytes(item.data)
            os.chmod(path, item.mode)
    return open_rootfs(str(tmp_path / "out")), DirSysroot(disk)


def test_it_answers_as_a_folder_does(both: tuple[Sysroot, Sysroot]) -> None:
    ours, folder_ = both
    paths = [b"/"] + [b"/" + os.fsencode(item.name).rstrip(b"/") for item in FILES]
    for path in [*paths, b"/nothing", b"/usr/bin/a/below", b"/bin/a", b"/usr/../bin/b"]:
        for follow in (True, False):
            one, other = ours.walk(path, follow_last=follow), folder_.walk(path, follow_last=follow)
            assert (one.real, one.links, one.error) == (other.real, other.links, other.error)
            assert (one.stat is None) == (other.stat is None)
            if one.stat is not None and other.stat is not None:
                assert one.stat.kind == other.stat.kind
                if path != b"/":
                    assert one.stat.mode == other.stat.mode
                if one.stat.kind != "dir":
                    assert one.stat.size == other.stat.size
                if one.stat.kind == "file":
                    with ours.open(one.real) as a, folder_.open(one.real) as b:
                        assert a.read() == b.read()
                if one.stat.kind == "dir":
                    assert ours.scandir(one.real) == folder_.scandir(one.real)


def test_hard_links_are_one_file_and_nothing_else_is(both: tuple[Sysroot, Sysroot]) -> None:
    ours, _ = both
    stats = [ours.lstat(path) for path in (b"/usr/bin/a", b"/usr/bin/b", b"/usr/bin/empty")]
    assert stats[0] is not None and stats[0] == stats[1]
    assert stats[2] is not None and stats[2].ino != stats[0].ino
    assert (stats[0].mtime_ns, stats[0].ctime_ns) == (0, 0)


@pytest.mark.parametrize("path", [b"/usr", b"/bin", b"/nothing"])
def test_only_files_are_opened(both: tuple[Sysroot, Sysroot], path: bytes) -> None:
    with pytest.raises(MinimgError, match="MINIMG-E001"):
        both[0].open(path)


def test_what_is_no_link_has_no_text_and_no_directory_no_names(
    both: tuple[Sysroot, Sysroot],
) -> None:
    with pytest.raises(MinimgError, match="not a link"):
        both[0].readlink(b"/usr")
    with pytest.raises(MinimgError, match="not a directory"):
        both[0].scandir(b"/bin")


def test_a_tar_that_was_cut_off_afterwards_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(b"abc")
    nodes = {b"/": Node("dir"), b"/a": Node("file", size=4)}
    with pytest.raises(MinimgError, match="MINIMG-E027.*shorter than its index"):
        TarSysroot([str(tmp_path / "0.tar")], nodes).open(b"/a")


def test_more_tars_than_files_may_be_open_are_read(tmp_path: Path) -> None:
    number = _MAX_OPEN + 50
    nodes = {b"/": Node("dir")}
    for each in range(number):
        (tmp_path / f"{each}.tar").write_bytes(b"%06d" % each)
        nodes[b"/%d" % each] = Node("file", size=6, tar=each, ino=each)
    root = TarSysroot([str(tmp_path / f"{each}.tar") for each in range(number)], nodes)
    files = [root.open(b"/%d" % each) for each in range(number)]
    shutil.rmtree(tmp_path)
    assert len(root._open) == _MAX_OPEN
    # What was opened stays readable when its tar was closed for others.
    assert [file.read() for file in files] == [b"%06d" % each for each in range(number)]
