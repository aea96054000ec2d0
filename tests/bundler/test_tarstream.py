"""Headers are read back by Python's tarfile, and by GNU tar where there is one."""

from __future__ import annotations

import io
import os
import random
import subprocess
import tarfile
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.rendering import tarstream
from pants_plugin_minimg.bundler.rendering.tarstream import Member
from tests.requirements import program

LONG = b"d/" + b"/".join([b"x" * 60] * 5)
NAMES = [
    b"a",
    b"n" * 100,
    b"n" * 101,
    LONG,
    "größe/日本".encode(),
    b"not-utf8-\xff\xfe",
    b"\xff/" + b"y" * 200,
    b"new\nline",
    b"space and = sign",
    b"trailing\\",
]


def _read(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getmembers()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_back(name: bytes) -> None:
    members = [
        Member(name, tarstream.FILE, 0o640, uid=3, gid=4, mtime=5),
        Member(b"link", tarstream.LINK, 0o777, target=name),
        Member(b"hard", tarstream.HARD_LINK, 0o640, target=name),
    ]
    one, link, hard = _read(b"".join(map(tarstream.header, members)) + tarstream.END)
    assert os.fsencode(one.name) == name
    assert (one.mode, one.uid, one.gid, one.mtime, one.size) == (0o640, 3, 4, 5, 0)
    assert link.issym() and os.fsencode(link.linkname) == name
    assert hard.islnk() and os.fsencode(hard.linkname) == name


def test_random_names_come_back() -> None:
    generator = random.Random(20)
    names = sorted(
        {bytes(generator.choices(range(1, 256), k=generator.randint(1, 300))) for _ in range(200)}
    )
    names = [name.replace(b"/", b"_") for name in names]
    archive = b"".join(
        tarstream.header(Member(name, tarstream.LINK, 0o777, target=name[::-1])) for name in names
    )
    read = _read(archive + tarstream.END)
    assert [os.fsencode(member.name) for member in read] == names
    assert [os.fsencode(member.linkname) for member in read] == [name[::-1] for name in names]


@pytest.mark.parametrize("uid", [0o7777777, 0o10000000, 4294967294])
def test_large_numbers_come_back(uid: int) -> None:
    size, mtime = 8 << 30, 8 << 30
    header = tarstream.header(
        Member(b"big", tarstream.FILE, 0o644, size, uid=uid, gid=uid, mtime=mtime)
    )
    with tarfile.open(fileobj=io.BytesIO(header)) as tar:
        member = tar.next()
    assert member is not None
    assert (member.uid, member.gid, member.size, member.mtime) == (uid, uid, size, mtime)


def test_a_plain_name_needs_no_extended_header() -> None:
    assert len(tarstream.header(Member(b"usr/bin/git", tarstream.FILE, 0o755, 10))) == 512
    assert len(tarstream.header(Member(LONG, tarstream.FILE, 0o755, 10))) == 3 * 512


@pytest.mark.parametrize("length", [101, 120, *range(980, 1000)])
def test_a_record_counts_its_own_length(length: int) -> None:
    header = tarstream.header(Member(b"p" * length, tarstream.FILE, 0o644))
    record = header[512:-512].rstrip(b"\0")
    assert int(record.split(b" ")[0]) == len(record)


@pytest.mark.parametrize(("size", "padded"), [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)])
def test_content_is_padded_to_a_block(size: int, padded: int) -> None:
    assert tarstream.padding(size) == bytes(padded)


def test_gnu_tar_extracts_the_names(tmp_path: Path) -> None:
    tar = program("tar")
    archive = b"".join(
        tarstream.header(Member(name.replace(b"/", b"_"), tarstream.FILE, 0o600, 3))
        + b"abc"
        + tarstream.padding(3)
        for name in NAMES
        if len(name) < 255
    )
    (tmp_path / "a.tar").write_bytes(archive + tarstream.END)
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run([tar, "-xf", tmp_path / "a.tar", "-C", out], check=True)
    expected = sorted(name.replace(b"/", b"_") for name in NAMES if len(name) < 255)
    assert sorted(os.listdir(os.fsencode(out))) == expected
