"""The tar of a layout."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from tests.bundler.images import file, image, put, run


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    image(tmp_path, [file(b"/hello", put(tmp_path / "blobs", b"x"), 0o755)])
    return tmp_path / "image" / "layout"


def test_members_are_sorted_and_have_modes_of_their_own(layout: Path, tmp_path: Path) -> None:
    os.chmod(layout / "index.json", 0o600)
    os.utime(layout / "index.json", (7, 7))
    run("tar", "--layout", layout, "--out", tmp_path / "again" / "out.tar")
    content = (tmp_path / "again" / "out.tar").read_bytes()
    assert content == (tmp_path / "image.tar").read_bytes()
    with tarfile.open(tmp_path / "image.tar") as archive:
        members = archive.getmembers()
    names = [member.name.split("/") for member in members]
    assert names == sorted(names)
    assert [name for name in names if len(name) == 1] == [
        ["blobs"],
        ["index.json"],
        ["manifest.json"],
        ["oci-layout"],
    ]
    assert {(member.isdir(), member.mode) for member in members} == {(True, 0o755), (False, 0o644)}
    assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, 0)}


def test_what_is_cut_off_the_end_leaves_no_smaller_image(layout: Path, tmp_path: Path) -> None:
    """Engines go by these two documents, and some take a tar without its end."""
    with tarfile.open(tmp_path / "image.tar") as archive:
        end = {member.name: member.offset_data + member.size for member in archive.getmembers()}
    documents = [end.pop(name) for name in ("index.json", "manifest.json")]
    del end["oci-layout"]
    assert min(documents) > max(end.values())


def _refused(layout: Path, tmp_path: Path) -> str:
    with pytest.raises(MinimgError) as error:
        run("tar", "--layout", layout, "--out", tmp_path / "out.tar")
    assert error.value.code == "MINIMG-E001"
    return str(error.value)


def test_a_blob_that_is_not_there(layout: Path, tmp_path: Path) -> None:
    blobs = sorted((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    layer = next(path for path in blobs if path.read_bytes()[:2] == b"\x1f\x8b")
    layer.unlink()
    assert layer.name in _refused(layout, tmp_path)


def test_a_blob_that_was_changed(layout: Path, tmp_path: Path) -> None:
    blob = next((layout / "blobs" / "sha256").iterdir())
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    assert blob.name in _refused(layout, tmp_path)


@pytest.mark.parametrize("name", ["index.json", "oci-layout", "manifest.json"])
def test_a_document_that_is_not_there(layout: Path, tmp_path: Path, name: str) -> None:
    (layout / name).unlink()
    assert name in _refused(layout, tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", "[{}]", "[7]", '{"Config":1}'])
def test_a_manifest_that_cannot_be_read(layout: Path, tmp_path: Path, content: str) -> None:
    (layout / "manifest.json").write_text(content)
    assert "manifest.json" in _refused(layout, tmp_path)


def test_something_that_is_no_file(layout: Path, tmp_path: Path) -> None:
    os.mkfifo(layout / "pipe")
    assert "pipe" in _refused(layout, tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "nowhere" in _refused(tmp_path / "nowhere", tmp_path)
