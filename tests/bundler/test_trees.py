from __future__ import annotations

import errno
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.planning import trees
from pants_plugin_minimg.bundler.python import pexfile


def _tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> None:
    with tarfile.open(path, mode) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _info(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o755
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


def _unpacked(folder: Path, scratch: Path) -> list[trees.Output]:
    tree = trees.outputs(os.fsencode(folder))
    return trees.unpacked(tree, "//a:archive", os.fsencode(scratch))


def test_outputs_lists_files_and_links_with_their_bits(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "bin/tool").chmod(0o755)
    (tmp_path / "data").write_bytes(b"x")
    (tmp_path / "link").symlink_to("data")
    found = trees.outputs(os.fsencode(tmp_path))
    assert [(output.path, output.executable, output.target) for output in found] == [
        (b"bin/tool", True, None),
        (b"data", False, None),
        (b"link", False, b"data"),
    ]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_single_tar_is_unpacked(tmp_path: Path, mode: str) -> None:
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    tree.mkdir()
    scratch.mkdir()
    _tar(
        tree / "dist.tar",
        [
            (_info("app/run"), b"#!/bin/sh\n"),
            (_info("app/data", mode=0o640), b"data"),
            (_info("app/link", tarfile.SYMTYPE, "data"), b""),
        ],
        mode,
    )
    found = {output.path: output for output in _unpacked(tree, scratch)}
    assert sorted(found) == [b"app/data", b"app/link", b"app/run"]
    assert found[b"app/run"].executable and not found[b"app/data"].executable
    assert found[b"app/link"].target == b"data"


def test_a_single_zip_is_unpacked(tmp_path: Path) -> None:
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    tree.mkdir()
    scratch.mkdir()
    with zipfile.ZipFile(tree / "dist.zip", "w") as archive:
        info = zipfile.ZipInfo("bin/run")
        info.external_attr = 0o100755 << 16
        archive.writestr(info, "#!/bin/sh\n")
    (found,) = _unpacked(tree, scratch)
    assert (found.path, found.executable) == (b"bin/run", True)


def test_a_program_is_not_taken_for_an_archive(tmp_path: Path) -> None:
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    tree.mkdir()
    scratch.mkdir()
    with zipfile.ZipFile(tree / "run", "w") as archive:
        archive.writestr("x", "x")
    (tree / "run").chmod(0o755)  # as a zip behind a launcher is
    (found,) = _unpacked(tree, scratch)
    assert found.path == b"run"


@pytest.mark.parametrize(
    ("member", "code"),
    [
        (_info("../out"), "MINIMG-E013"),
        (_info("/etc/passwd"), "MINIMG-E013"),
        (_info("a/../../out"), "MINIMG-E013"),
        (_info("pipe", tarfile.FIFOTYPE), "MINIMG-E013"),
        (_info("hard", tarfile.LNKTYPE, "../../etc/passwd"), "MINIMG-E013"),
    ],
)
def test_a_hostile_member_is_refused(tmp_path: Path, member: tarfile.TarInfo, code: str) -> None:
    tree, scratch = tmp_path / "tree", tmp_path / "in/scratch"
    tree.mkdir()
    scratch.mkdir(parents=True)
    _tar(tree / "x.tar.gz", [(member, b"")])
    with pytest.raises(MinimgError) as caught:
        _unpacked(tree, scratch)
    assert caught.value.code == code
    assert sorted(os.listdir(tmp_path)) == ["in", "tree"]
    assert os.listdir(tmp_path / "in") == ["scratch"]


def test_a_member_behind_a_link_of_the_archive_is_refused(tmp_path: Path) -> None:
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    tree.mkdir()
    scratch.mkdir()
    _tar(
        tree / "x.tar.gz",
        [(_info("out", tarfile.SYMTYPE, str(tmp_path)), b""), (_info("out/escaped"), b"!")],
    )
    with pytest.raises(MinimgError):
        _unpacked(tree, scratch)
    assert not (tmp_path / "escaped").exists()


def test_a_damaged_archive_is_one_error(tmp_path: Path) -> None:
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    tree.mkdir()
    scratch.mkdir()
    _tar(tree / "x.tar.gz", [(_info("big"), os.urandom(100_000))])
    whole = (tree / "x.tar.gz").read_bytes()
    (tree / "x.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MinimgError) as caught:
        _unpacked(tree, scratch)
    assert caught.value.code == "MINIMG-E001"
    assert "//a:archive" in str(caught.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_so_is_one_whose_compressed_bytes_are_damaged(method: int, tmp_path: Path) -> None:
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    tree.mkdir()
    scratch.mkdir()
    with zipfile.ZipFile(tree / "x.zip", "w", method) as archive:
        archive.writestr("a", bytes(range(256)) * 9)
    raw = bytearray((tree / "x.zip").read_bytes())
    raw[40:60] = b"\xff" * 20
    (tree / "x.zip").write_bytes(raw)
    with pytest.raises(MinimgError) as caught:
        _unpacked(tree, scratch)
    assert caught.value.code == "MINIMG-E001"
    with pytest.raises(MinimgError):
        pexfile.unpack(str(tree / "x.zip"), "//a:pex", str(scratch))


@pytest.mark.parametrize("unpacks", ["tar", "zip", "pex"])
def test_a_full_disk_says_nothing_about_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unpacks: str
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    if unpacks == "tar":
        with tarfile.open(tree / "a.tar", "w") as tar:
            tar.add(__file__, "PEX-INFO")
    else:
        with zipfile.ZipFile(tree / "a.zip", "w") as zipped:
            zipped.write(__file__, "PEX-INFO")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left on device"):
        if unpacks == "pex":
            pexfile.unpack(str(tree / "a.zip"), "//a:pex", str(tmp_path / "scratch"))
        else:
            _unpacked(tree, tmp_path / "scratch")
