"""Reading tars: what Python's tarfile and GNU tar write, and an error for all that is hostile."""

from __future__ import annotations

import io
import os
import random
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.tars import index as tarindex
from pants_plugin_minimg.bundler.tars import reader as tarreader
from pants_plugin_minimg.bundler.tars.index import Entry
from pants_plugin_minimg.bundler.tars.reader import Member, Tape
from tests.requirements import program

from .debian.debs import File, folder, hardlink, link, tar

LONG = "d/" + "/".join(["x" * 60] * 5)
NAMES: list[bytes] = [
    b"a",
    b"n" * 100,
    b"n" * 101,
    LONG.encode(),
    "größe/日本".encode(),
    b"not-utf8-\xff\xfe",
    b"\xff/" + b"y" * 200,
    b"new\nline",
    b"a = b",
    b"trailing\\",
]
FORMATS = [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT]


def tape(data: bytes, limit: int = 1 << 26, piece: int = 1000) -> Tape:
    pieces = (data[at : at + piece] for at in range(0, len(data), piece))
    return Tape(pieces, "it", limit, io.BytesIO())


def members(data: bytes) -> list[Member]:
    return list(tarreader.members(tape(data)))


def index(*files: File) -> list[Entry]:
    opened = tape(tar(files))
    return tarindex.package_index(tarreader.members(opened), opened)


def refused(data: bytes) -> str:
    opened = tape(data)
    with pytest.raises(MinimgError) as raised:
        tarindex.package_index(tarreader.members(opened), opened)
    assert raised.value.code == "MINIMG-E027"
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "tar_format"),
    [
        (name, tar_format)
        for name in NAMES
        for tar_format in FORMATS
        if tar_format != tarfile.USTAR_FORMAT or len(name) <= 100
    ],
)
def test_a_name_and_a_target_come_back(name: bytes, tar_format: int) -> None:
    files = [File(name, b"content"), File(b"l", kind="link", target=name, mode=0o777)]
    data = tar(files, tar_format)
    file, symlink = members(data)
    assert (file.name, file.kind, file.size) == (name, "file", 7)
    assert data[file.offset : file.offset + file.size] == b"content"
    assert (symlink.name, symlink.kind, symlink.target) == (b"l", "link", name)


@pytest.mark.parametrize("name", NAMES)
def test_gnu_tar_s_own_archives_are_read(name: bytes, tmp_path: Path) -> None:
    gnu = program("tar")
    path = os.path.join(os.fsencode(tmp_path), b"in", name)
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(b"content")
    os.link(path, path + b"+")
    for form in ("gnu", "pax", "oldgnu"):
        out = subprocess.run(
            [gnu, "-C", str(tmp_path / "in"), f"--format={form}", "-c", "--sort=name", "."],
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        opened = tape(out)
        found = {
            entry.path: entry for entry in tarindex.package_index(tarreader.members(opened), opened)
        }
        first, second = sorted((b"/" + name, b"/" + name + b"+"), key=lambda p: found[p].kind)
        assert found[first].kind == "file"
        assert (found[second].kind, found[second].target) == ("hardlink", first)
        for entry in (found[first], found[second]):
            assert out[entry.offset : entry.offset + entry.size] == b"content"


def test_the_stream_is_copied_to_its_last_byte() -> None:
    data = tar([File("a", b"x" * 3000)]) + b"what follows the end"
    out = io.BytesIO()
    list(tarreader.members(Tape(iter([data[:5], b"", data[5:]]), "it", 1 << 20, out)))
    assert out.getvalue() == data


def test_large_numbers_are_read() -> None:
    for tar_format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        (member,) = members(tar([File("a", uid=1 << 40, gid=3_000_000)], tar_format))
        assert (member.uid, member.gid) == (1 << 40, 3_000_000)


def test_a_long_name_in_two_parts_is_joined_in_posix_tars_only() -> None:
    name = b"d" * 90 + b"/" + b"n" * 90
    (member,) = members(tar([File(name)], tarfile.USTAR_FORMAT))
    assert member.name == name
    block = bytearray(tar([File("a")])[:512])
    block[345:356] = b"14000000000"  # a time, in GNU's format
    (member,) = members(_with_checksum(block) + b"\0" * 1024)
    assert member.name == b"a"


def test_a_directory_of_a_tar_before_posix_is_known_by_its_slash() -> None:
    block = bytearray(tar([File("d/")])[:512])
    block[156], block[257:265] = 0, bytes(8)
    (member,) = members(_with_checksum(block) + b"\0" * 1024)
    assert member.kind == "dir"


def test_a_global_header_counts_for_all_that_follow() -> None:
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "c", "uid": "7"}
    ) as archive:
        for name in "ab":
            archive.addfile(tarfile.TarInfo(name))
    assert [member.uid for member in members(out.getvalue())] == [7, 7]


def test_names_of_extended_attributes_are_kept() -> None:
    file = File("a", pax={"SCHILY.xattr.security.capability": "x"})
    (member,) = members(tar([file], tarfile.PAX_FORMAT))
    assert member.xattrs == ("SCHILY.xattr.security.capability",)
    assert "extended attributes" in refused(tar([file], tarfile.PAX_FORMAT))


def _with_checksum(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("at", "value", "problem"),
    [
        (124, b"-0000000001\0", "a number in|number that is none"),
        (124, b"0000000_001\0", "number that is none"),
        (124, b"\xff" * 12, "negative"),
        (124, b"\x80" + b"\xff" * 11, "too large"),
        (100, b"0o644\0\0\0", "number that is none"),
        (156, b"S", "not understood"),
        (156, b"M", "not understood"),
        (156, b"L", "half a member"),
    ],
)
def test_a_header_that_lies_is_refused(at: int, value: bytes, problem: str) -> None:
    data = tar([File("a", b"x")])
    block = bytearray(data[:512])
    block[at : at + len(value)] = value
    assert re.search(problem, refused(_with_checksum(block) + data[512:1024] + b"\0" * 1024))


def test_a_damaged_header_in_the_middle_is_no_end() -> None:
    data = bytearray(tar([File("a"), File("b"), File("c")]))
    data[512] ^= 1
    assert "no tar header where one must be (byte 512)" in refused(bytes(data))


def test_a_tar_that_is_cut_off_anywhere_is_refused() -> None:
    data = tar([File(LONG, b"x" * 700), File("b", b"y")])
    end = data.rindex(b"y") + 512 - data.rindex(b"y") % 512
    for length in range(0, end, 37):
        refused(data[:length])


@pytest.mark.parametrize(
    "records",
    [b"12 path=a\n", b"x", b"0 path=a\n", b"9 path=a", b"-9 path=a\n", b"99999999999 path=a\n"],
)
def test_a_damaged_pax_header_is_refused(records: bytes) -> None:
    block = bytearray(tar([File("a", records)])[:1024])
    block[156:157] = b"x"
    assert "pax header" in refused(_with_checksum(block[:512]) + bytes(block[512:]))


def test_a_sparse_file_is_refused() -> None:
    file = File("a", pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})
    assert "sparse" in refused(tar([file], tarfile.PAX_FORMAT))


def test_a_bomb_stops_at_its_limit() -> None:
    opened = tape(tar([File("a", b"\0" * 100_000)]), limit=50_000)
    with pytest.raises(MinimgError, match="more than 50000 bytes"):
        list(tarreader.members(opened))


def test_headers_without_bound_are_refused() -> None:
    assert "a header of" in refused(tar([File("n" * (1 << 17))]))


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ([File("../a")], "leaves the root by `..`"),
        ([File("./a/../b")], "leaves the root by `..`"),
        ([File("/etc/passwd")], "absolute"),
        ([File("")], "has no name"),
        ([File("n" * 5000)], "no file can have"),
        ([File("d/" * 300 + "a")], "no file can have"),
        ([File("a", kind="device")], "device"),
        ([File("a", kind="fifo")], "pipe"),
        ([File("./", b"x")], "place of the root"),
        ([hardlink("a", "/etc/passwd")], "outside"),
        ([hardlink("a", "../b")], "leaves the root"),
        ([hardlink("a", "b")], "no file before it"),
        ([hardlink("a", "b"), File("b")], "no file before it"),
        ([hardlink("a", "a")], "no file before it"),
        ([folder("d/"), hardlink("a", "d")], "no file before it"),
        ([link("a", "../b")], "leaves the root"),
        ([folder("d/"), link("d/a", "../../b")], "leaves the root"),
        ([folder("d/"), link("d/a", "x/../../../b")], "leaves the root"),
        ([link("a", "/../b")], "leaves the root"),
        ([link("a", "")], "leaves the root"),
        ([File("a"), File("a")], "twice"),
        ([File("a"), File("./a")], "twice"),
        ([link("a", "b"), link("a", "c")], "twice"),
        ([folder("a/"), File("a")], "twice"),
        ([folder("a/"), folder("a/", 0o700)], "twice"),
        ([link("a", "/etc"), File("a/b")], "no directory"),
        ([File("a"), File("a/b/c")], "no directory"),
        ([File("a/b/c"), File("a")], "no directory"),
    ],
)
def test_what_a_package_must_not_hold_is_refused(files: list[File], problem: str) -> None:
    assert problem in refused(tar(files))


def test_a_nul_in_a_name_is_refused() -> None:
    data = tar([File("a", pax={"path": "a\0b"})], tarfile.PAX_FORMAT)
    assert "no file can have" in refused(data)


def test_what_packages_do_hold_is_taken() -> None:
    found = index(
        folder("./", 0o755),
        folder("./usr/", 0o2755),
        folder("./usr/", 0o2755),
        File("./usr/a", b"abc", mode=0o4755, uid=1, gid=2),
        hardlink("./usr/b", "./usr/a"),
        hardlink("./usr/c", "usr/b"),
        link("./usr/l", "/etc/x/../y"),
        link("./usr/m", "../usr/./a"),
        hardlink("./usr/n", "./usr/m"),
    )
    rows = {entry.path: entry for entry in found}
    a = rows[b"/usr/a"]
    assert (a.mode, a.uid, a.gid, a.size) == (0o4755, 1, 2, 3)
    for name in (b"/usr/b", b"/usr/c"):
        assert rows[name] == a._replace(path=name, kind="hardlink", target=b"/usr/a")
    assert rows[b"/usr/l"].target == b"/etc/x/../y"
    assert (rows[b"/usr/n"].kind, rows[b"/usr/n"].target) == ("link", b"../usr/./a")
    assert rows[b"/usr"].mode == 0o2755
    assert found == sorted(found, key=lambda entry: entry.path.replace(b"/", b"\0"))


def test_an_index_survives_json() -> None:
    found = index(*[File(name) for name in NAMES[:3]], File(b"\xff\\"), link("l", "é"))
    assert tarindex.from_json(tarindex.to_json(found)) == found


def test_mutants_of_a_tar_give_members_or_one_error() -> None:
    data = tar(
        [folder("d/"), File(LONG, b"x"), hardlink("d/h", LONG), File("é", b"z" * 600)],
        tarfile.PAX_FORMAT,
    )
    rng = random.Random(27)
    outcomes = {True: 0, False: 0}
    for _ in range(3000):
        mutant = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(mutant) - 1024)
            mutant[at] = rng.choice([0, 0x20, 0x2F, 0x2E, 0x37, 0x80, 0xFF, rng.randrange(256)])
            if rng.random() < 0.8:
                start = at - at % 512
                mutant[start : start + 512] = _with_checksum(mutant[start : start + 512])
        opened = tape(bytes(mutant))
        try:
            found = tarindex.package_index(tarreader.members(opened), opened)
        except MinimgError as error:
            assert error.code == "MINIMG-E027"
            outcomes[False] += 1
        else:
            assert all(
                entry.path[:1] == b"/" and b".." not in entry.path.split(b"/") for entry in found
            )
            outcomes[True] += 1
    assert min(outcomes.values()) > 100
