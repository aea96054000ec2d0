"""A layer's bytes, its facts, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.rendering.gzipstream import PIECE, Gzip, Pieces
from tests.bundler.images import (
    blob,
    directory,
    file,
    hard_link,
    layer,
    link,
    put,
    read_layer,
    with_parents,
)


def _codes(error: pytest.ExceptionInfo[Problems]) -> list[str]:
    return [problem.code for problem in error.value.errors]


def _members(tmp: Path, facts: dict[str, Any]) -> list[tarfile.TarInfo]:
    tar, members = read_layer(blob(tmp / "layer", facts["digest"]).read_bytes())
    assert facts["diff_id"] == "sha256:" + hashlib.sha256(tar).hexdigest()
    assert facts["unpacked"] == len(tar)
    return members


def test_a_layer_holds_its_entries_and_tells_of_itself(tmp_path: Path) -> None:
    sha = put(tmp_path / "blobs", b"content")
    entries = with_parents(
        [
            file(b"/usr/bin/tool", sha, 0o755, uid=1, gid=2),
            link(b"/bin", b"usr/bin"),
            directory(b"/tmp", 0o1777),
        ]
    )
    facts = layer(tmp_path, entries)
    wire = blob(tmp_path / "layer", facts["digest"]).read_bytes()
    assert facts["digest"] == "sha256:" + hashlib.sha256(wire).hexdigest()
    assert facts["size"] == len(wire)
    assert (facts["files"], facts["disk"], facts["version"]) == (2, 7, 1)
    assert facts["media_type"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    found = {
        member.name: (member.type, oct(member.mode), member.uid, member.gid, member.linkname)
        for member in _members(tmp_path, facts)
    }
    assert found == {
        "bin": (b"2", "0o777", 0, 0, "usr/bin"),
        "tmp": (b"5", "0o1777", 0, 0, ""),
        "usr": (b"5", "0o755", 0, 0, ""),
        "usr/bin": (b"5", "0o755", 0, 0, ""),
        "usr/bin/tool": (b"0", "0o755", 1, 2, ""),
    }
    assert list(found) == sorted(found)


def test_the_order_is_by_components_and_not_by_the_projection(tmp_path: Path) -> None:
    sha = put(tmp_path / "blobs", b"")
    entries = with_parents([file(b"/a/z", sha), file(b"/a-b", sha), file(b"/a.c", sha)])
    facts = layer(tmp_path, entries)
    assert [member.name for member in _members(tmp_path, facts)] == ["a", "a/z", "a-b", "a.c"]
    assert layer(tmp_path, entries[::-1]) == facts


def test_a_hard_link_follows_its_file_and_shares_what_it_is(tmp_path: Path) -> None:
    sha = put(tmp_path / "blobs", b"four")
    facts = layer(
        tmp_path,
        with_parents([hard_link(b"/a/first", b"/z/file"), file(b"/z/file", sha, 0o750, uid=5)]),
    )
    members = _members(tmp_path, facts)
    assert [member.name for member in members] == ["a", "z", "z/file", "a/first"]
    last = members[-1]
    assert (last.islnk(), last.linkname, last.mode, last.uid) == (True, "z/file", 0o750, 5)
    assert (facts["files"], facts["disk"]) == (2, 4)


def test_names_of_any_length_and_bytes(tmp_path: Path) -> None:
    sha = put(tmp_path / "blobs", b"x")
    names = [b"/" + b"n" * 200, b"/\xff\xfe", "/größe".encode(), b"/back\\slash", b"/new\nline"]
    facts = layer(tmp_path, with_parents([file(name, sha) for name in names]))
    found = {b"/" + os.fsencode(member.name) for member in _members(tmp_path, facts)}
    assert found == set(names)


def test_a_time_stamp_is_on_every_member(tmp_path: Path) -> None:
    sha = put(tmp_path / "blobs", b"x")
    entries = with_parents([file(b"/a/b", sha), link(b"/c", b"a")])
    plain = layer(tmp_path, entries)
    assert {member.mtime for member in _members(tmp_path, plain)} == {0}
    stamped = layer(tmp_path, entries, "--mtime", "1700000000")
    assert {member.mtime for member in _members(tmp_path, stamped)} == {1700000000}
    with pytest.raises(MinimgError) as error:
        layer(tmp_path, entries, "--mtime", "-1")
    assert error.value.code == "MINIMG-E018"


def test_a_packed_content_comes_before_the_plain_one(tmp_path: Path) -> None:
    plain = put(tmp_path / "blobs", b"a long program")
    put(tmp_path / "packed", b"short", plain)
    entries = [file(b"/program", plain, 0o755)]
    packed = layer(tmp_path, entries, "--packed", tmp_path / "packed")
    assert packed["disk"] == 5
    assert layer(tmp_path, entries)["disk"] == 14


@pytest.mark.parametrize("stored", [b"other", b"", None])
def test_a_content_that_is_not_what_it_is_called(tmp_path: Path, stored: bytes | None) -> None:
    sha = put(tmp_path / "blobs", b"right")
    if stored is None:
        (tmp_path / "blobs" / sha).unlink()
    else:
        put(tmp_path / "blobs", stored, sha)
    with pytest.raises(MinimgError) as error:
        layer(tmp_path, [file(b"/file", sha)])
    assert error.value.code == "MINIMG-E001"
    assert sha in str(error.value)
    assert list((tmp_path / "layer" / "blobs" / "sha256").iterdir()) == []


SHA = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([file(b"/a", SHA), file(b"/a", SHA, 0o755)], "MINIMG-E011"),
        ([file(b"/a", SHA), file(b"/a/b", SHA)], "MINIMG-E012"),
        ([link(b"/a", b"b"), file(b"/a/b", SHA)], "MINIMG-E012"),
        ([file(b"/a/b", SHA)], "MINIMG-E001"),
        ([file(b"/.wh.a", SHA)], "MINIMG-E013"),
        ([directory(b"/.wh..wh..opq")], "MINIMG-E013"),
        ([file(b"a", SHA)], "MINIMG-E013"),
        ([directory(b"/")], "MINIMG-E013"),
        ([file(b"/..", SHA)], "MINIMG-E013"),
        ([file(b"/a\0b", SHA)], "MINIMG-E013"),
        ([link(b"/a", b"b\0c")], "MINIMG-E013"),
        ([link(b"/a", b"")], "MINIMG-E013"),
        ([file(b"/a", "../escape")], "MINIMG-E013"),
        ([file(b"/a", SHA, 0o100644)], "MINIMG-E013"),
        ([file(b"/a", SHA, 0o644, uid=-1)], "MINIMG-E013"),
        ([Entry(b"/a", "device", 0o644)], "MINIMG-E013"),
        ([hard_link(b"/a", b"/gone")], "MINIMG-E001"),
        ([hard_link(b"/a", b"/d"), directory(b"/d")], "MINIMG-E001"),
    ],
)
def test_what_no_layer_may_hold(tmp_path: Path, entries: list[Entry], code: str) -> None:
    put(tmp_path / "blobs", b"")
    with pytest.raises(Problems) as error:
        layer(tmp_path, entries)
    assert _codes(error) == [code]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(Problems) as error:
        layer(tmp_path, [file(b"/.wh.a", SHA), file(b"/b/c", SHA), link(b"/d", b"")])
    assert _codes(error) == ["MINIMG-E013", "MINIMG-E001", "MINIMG-E013"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"version":2,"entries":[]}',
        '{"version":1}',
        '{"version":1,"entries":[7]}',
        '{"version":1,"entries":[{"path":"/a","kind":"dir","mode":"0755","uid":0,"gid":0}]}',
        '{"version":1,"entries":[{"path":"/\\\\q","kind":"dir","mode":493,"uid":0,"gid":0}]}',
        "\ud800",
        "[" * 100_000,
    ],
)
def test_a_file_that_is_no_projection(tmp_path: Path, content: str) -> None:
    from pants_plugin_minimg.bundler.rendering import layers

    path = tmp_path / "projection.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(MinimgError) as error:
        layers.load(str(path))
    assert (error.value.code, error.value.subject) == ("MINIMG-E001", str(path))


def test_memory_does_not_grow_with_a_file(tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as stream:
        stream.truncate(64 << 20)
    sha = hashlib.sha256(bytes(64 << 20)).hexdigest()
    (tmp_path / "blobs").mkdir()
    big.rename(tmp_path / "blobs" / sha)
    tracemalloc.start()
    try:
        facts = layer(tmp_path, [file(b"/big", sha)])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert facts["disk"] == 64 << 20
    assert peak < 48 << 20  # up to eight pieces with their results are under way


def test_an_empty_projection_is_an_empty_tar(tmp_path: Path) -> None:
    facts = layer(tmp_path, [])
    assert (facts["files"], facts["unpacked"]) == (0, 1024)


def _compressed(chunks: list[bytes], workers: int | None = None) -> bytes:
    out = bytearray()
    compressor = Gzip(out.extend, workers=workers)
    pieces = Pieces(compressor.write)
    for chunk in chunks:
        pieces.write(chunk)
    pieces.close()
    compressor.close()
    return bytes(out)


def test_gzip_does_not_depend_on_how_it_is_fed_or_on_the_number_of_workers() -> None:
    generator = random.Random(7)
    words = [bytes(generator.choices(b"abcdefgh", k=9)) for _ in range(50)]
    content = b" ".join(generator.choices(words, k=1_300_000))
    assert len(content) > 3 * PIECE
    whole = _compressed([content])
    digests = {hashlib.sha256(whole).hexdigest()}  # pytest would take minutes over the difference
    for size in (7777, PIECE):
        fed = [content[at : at + size] for at in range(0, len(content), size)]
        digests.add(hashlib.sha256(_compressed(fed)).hexdigest())
    for workers in (1, 2, 7):
        digests.add(hashlib.sha256(_compressed([content], workers)).hexdigest())
    assert len(digests) == 1
    unpacked = gzip.decompress(whole)
    assert hashlib.sha256(unpacked).digest() == hashlib.sha256(content).digest()


def test_the_gzip_header_names_no_time_and_no_system() -> None:
    assert _compressed([]).startswith(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
    assert gzip.decompress(_compressed([])) == b""


def test_layer_json_is_canonical(tmp_path: Path) -> None:
    facts = layer(tmp_path, [])
    content = (tmp_path / "layer" / "layer.json").read_text()
    assert content == json.dumps(facts, indent=2, sort_keys=True) + "\n"
