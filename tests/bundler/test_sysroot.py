"""Paths lead where the kernel would lead them, and never out of the root."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots.sysroot import (
    DirSysroot,
    OverlaySysroot,
    TreeSysroot,
    Walk,
)

from .rootfs import Root


def test_links_on_the_way_are_reported_in_order(root: Root) -> None:
    root.file("/usr/lib/tri/libz.so.1.2", b"z")
    root.link("/usr/lib/tri/libz.so.1", "libz.so.1.2")
    root.link("/lib", "usr/lib")
    walk = root.sysroot().walk(b"/lib/tri/libz.so.1")
    assert walk.real == b"/usr/lib/tri/libz.so.1.2"
    assert walk.links == (
        (b"/lib", b"usr/lib"),
        (b"/usr/lib/tri/libz.so.1", b"libz.so.1.2"),
    )
    assert walk.error is None
    assert walk.stat is not None
    assert (walk.stat.kind, walk.stat.size) == ("file", 1)


def test_absolute_links_and_dots_stay_inside(root: Root, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    root.file("/secret", b"in")
    root.link("/a/up", "../../../../secret")
    root.link("/a/abs", "/secret")
    sysroot = root.sysroot()
    for path in (b"/a/up", b"/a/abs", b"/../../secret", b"/a/../../secret"):
        assert sysroot.walk(path).real == b"/secret"
        with sysroot.open(sysroot.walk(path).real) as file:
            assert file.read() == b"in"


def test_dots_apply_after_the_link(root: Root) -> None:
    root.file("/usr/x", b"")
    root.directory("/usr/lib")
    root.link("/lib", "usr/lib")
    assert root.sysroot().walk(b"/lib/../x").real == b"/usr/x"
    assert root.sysroot().walk(b"/lib/../lib/.").real == b"/usr/lib"


def test_errors_have_the_kernels_names(root: Root) -> None:
    root.file("/file", b"")
    root.directory("/dir")
    root.link("/loop", "loop")
    root.link("/one", "two")
    root.link("/two", "one")
    root.link("/dangling", "nowhere/else")
    root.link("/through", "file/x")
    sysroot = root.sysroot()
    expected = {
        b"/nothing": "ENOENT",
        b"/nothing/below": "ENOENT",
        b"/file/below": "ENOTDIR",
        b"/file/": "ENOTDIR",
        b"/file/.": "ENOTDIR",
        b"/file/..": "ENOTDIR",
        b"/loop": "ELOOP",
        b"/one/x": "ELOOP",
        b"/dangling": "ENOENT",
        b"/through": "ENOTDIR",
        b"/" + b"n" * 256: "ENAMETOOLONG",
        b"/dir" * 1100: "ENAMETOOLONG",
        b"/dir/": None,
        b"/dir/nothing\0nul": "ENOENT",
    }
    assert {path: sysroot.walk(path).error for path in expected} == expected
    assert sysroot.walk(b"/loop", follow_last=False).error is None
    assert sysroot.walk(b"/dangling", follow_last=False).stat is not None


def test_forty_links_pass_and_one_more_does_not(root: Root) -> None:
    root.file("/0", b"")
    for index in range(1, 42):
        root.link(f"/{index}", str(index - 1))
    sysroot = root.sysroot()
    assert sysroot.walk(b"/40").error is None
    assert sysroot.walk(b"/41").error == "ELOOP"
    assert os.path.exists(root.on_disk("/40"))
    assert not os.path.exists(root.on_disk("/41"))


def test_a_walk_is_what_the_kernel_does(tmp_path: Path) -> None:
    """Random trees of files, folders and links; `realpath` of the kernel has the last word."""
    for seed in range(40):
        rng = random.Random(seed)
        top = tmp_path / str(seed)
        names = ["a", "b", "c", "d"]
        folders = [top, top / "a", top / "a" / "b", top / "c"]
        for folder in folders:
            folder.mkdir()
        for _ in range(8):
            place = rng.choice(folders) / rng.choice(["l", "m", "n", "o"])
            target = "/".join(
                rng.choice([*names, "l", "m", "n", "..", "."]) for _ in range(rng.randint(1, 3))
            )
            if not os.path.lexists(place):
                if rng.random() < 0.3:
                    place.write_bytes(b"")
                else:
                    place.symlink_to(target)
        base = os.fsencode(top)
        host = DirSysroot(b"/")
        for _ in range(60):
            parts = [rng.choice([*names, "l", "m", "n", "o", ".."]) for _ in range(3)]
            path = base + b"/" + "/".join(parts).encode()
            walk = host.walk(path)
            try:
                fd = os.open(path, os.O_PATH)
            except OSError as err:
                assert walk.error == {2: "ENOENT", 20: "ENOTDIR", 40: "ELOOP"}[err.errno], path
            else:
                assert (walk.error, walk.real) == (
                    None,
                    os.readlink(b"/proc/self/fd/%d" % fd),
                )
                os.close(fd)
        shutil.rmtree(top)


def test_only_regular_files_are_opened(root: Root) -> None:
    os.mkfifo(root.on_disk("/fifo"))
    root.directory("/dir")
    root.file("/file", b"x")
    root.link("/link", "file")
    sysroot = root.sysroot()
    for path in (b"/fifo", b"/dir", b"/link", b"/nothing", b"/nul\0"):
        with pytest.raises(MinimgError) as caught:
            sysroot.open(path)
        assert caught.value.code == "MINIMG-E001"
    with pytest.raises(MinimgError):
        DirSysroot(b"/").open(b"/dev/null")


def test_reading_a_folder_or_link_that_is_none_is_an_error(root: Root) -> None:
    root.file("/file", b"x")
    sysroot = root.sysroot()
    for call in (sysroot.scandir, sysroot.readlink):
        with pytest.raises(MinimgError):
            call(b"/file")
    root.file("/b", b"")
    assert sysroot.scandir(b"/") == [b"b", b"file"]


def test_forget_makes_changes_visible(root: Root) -> None:
    sysroot = root.sysroot()
    assert sysroot.walk(b"/late").error == "ENOENT"
    root.file("/late", b"")
    assert sysroot.walk(b"/late").error == "ENOENT"
    sysroot.forget()
    assert sysroot.walk(b"/late").error is None


def test_the_root_may_be_named_through_a_link(root: Root, tmp_path: Path) -> None:
    root.file("/x", b"")
    (tmp_path / "alias").symlink_to(root.folder)
    sysroot = DirSysroot(os.fsencode(tmp_path / "alias") + b"/")
    assert sysroot.walk(b"/x").error is None
    assert sysroot.walk(b"/").stat is not None


def test_tree(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    tree = TreeSysroot()
    tree.add_file(b"/usr/bin/a", os.fsencode(source), 0o755)
    tree.add_file(b"/usr/bin/b", os.fsencode(source), 0o644)
    tree.add_link(b"/bin", b"usr/bin")
    tree.add_dir(b"/data", 0o750)
    one, two = tree.walk(b"/bin/a"), tree.walk(b"/bin/b")
    assert (one.real, one.links) == (b"/usr/bin/a", ((b"/bin", b"usr/bin"),))
    assert one.stat is not None
    assert two.stat is not None
    assert (one.stat.mode, one.stat.size, one.stat.dev) == (0o755, 7, -1)
    assert one.stat.ino != two.stat.ino
    assert tree.scandir(b"/usr/bin") == [b"a", b"b"]
    assert tree.scandir(b"/") == [b"bin", b"data", b"usr"]
    with tree.open(b"/usr/bin/a") as file:
        assert file.read() == b"content"
    assert tree.walk(b"/usr").stat is not None
    data = tree.walk(b"/data").stat
    assert data is not None
    assert (data.kind, data.mode) == ("dir", 0o750)
    for call in (tree.open, tree.readlink, tree.scandir):
        with pytest.raises(MinimgError):
            call(b"/nothing")
    with pytest.raises(MinimgError):
        tree.add_file(b"/x", os.fsencode(tmp_path), 0o644)


def test_tree_sees_what_is_added_later(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"")
    tree = TreeSysroot()
    overlay = OverlaySysroot(tree, TreeSysroot())
    assert overlay.walk(b"/a").error == "ENOENT"
    tree.add_file(b"/a", os.fsencode(source), 0o644)
    assert tree.walk(b"/a").error is None
    assert overlay.walk(b"/a").error is None


def test_overlay(root: Root, tmp_path: Path) -> None:
    root.file("/usr/lib/low", b"low")
    root.file("/usr/lib/both", b"low")
    root.file("/opt/hidden/x", b"low")
    root.link("/lib", "usr/lib")
    source = tmp_path / "source"
    source.write_bytes(b"up")
    tree = TreeSysroot()
    tree.add_file(b"/usr/lib/both", os.fsencode(source), 0o644)
    tree.add_file(b"/usr/lib/up", os.fsencode(source), 0o644)
    tree.add_file(b"/opt/hidden", os.fsencode(source), 0o644)
    overlay = OverlaySysroot(tree, root.sysroot())
    assert overlay.scandir(b"/usr/lib") == [b"both", b"low", b"up"]
    for name, content in ((b"both", b"up"), (b"low", b"low"), (b"up", b"up")):
        walk: Walk = overlay.walk(b"/lib/" + name)
        assert walk.real == b"/usr/lib/" + name
        with overlay.open(walk.real) as file:
            assert file.read() == content
    assert overlay.walk(b"/opt/hidden/x").error == "ENOTDIR"
    assert overlay.lstat(b"/opt/hidden/x") is None
    assert overlay.readlink(b"/lib") == b"usr/lib"
    with pytest.raises(MinimgError):
        overlay.scandir(b"/opt/hidden")


def test_what_may_not_be_looked_at() -> None:
    # pytest's own folders are closed to the user that root becomes here: it may look everywhere.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        root = Root(Path(folder) / "root")
        root.file("/closed/x", b"")
        root.on_disk("/closed").chmod(0)
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(65534)
            walk = root.sysroot().walk(b"/closed/x")
        finally:
            os.seteuid(user)
            root.on_disk("/closed").chmod(0o755)
        assert walk.error == "EACCES"
