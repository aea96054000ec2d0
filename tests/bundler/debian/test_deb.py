"""Reading package files: the same bytes as dpkg-deb, and one error for all that is damaged."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import __main__ as command_line
from pants_plugin_minimg.bundler.debian import package
from pants_plugin_minimg.bundler.debian.unpack import unpack
from pants_plugin_minimg.bundler.debian.unpacked import load
from pants_plugin_minimg.bundler.errors import MinimgError
from tests.requirements import program, unavailable

from .debs import (
    LIMIT,
    File,
    ar,
    compress,
    control,
    deb,
    folder,
    hardlink,
    link,
    stanza,
    tar,
    unpack_bytes,
)

CONTROL = stanza("pkg", "1:2.0-1", Source="src (1.9)", Description="short\n long\n .\n more")
DATA = tar(
    [
        folder("./"),
        folder("./usr/"),
        File("./usr/a", b"content", mode=0o4755, uid=3, gid=4),
        hardlink("./usr/b", "./usr/a"),
        link("./usr/l", "/etc/l"),
        File("./usr/" + "n" * 150, b"x" * 10_000),
        File(b"./usr/\xff", b"odd"),
    ]
)
MORE = {"md5sums": b"0123456789abcdef0123456789abcdef  usr/a\nnonsense\n", "conffiles": b"/etc/c\n"}
PARTS = [
    ("debian-binary", b"2.0\n"),
    ("control.tar.gz", compress(control(CONTROL), "gz")),
    ("data.tar.xz", compress(DATA, "xz")),
]


def refused(content: bytes, scratch: Path, limit: int = LIMIT) -> str:
    """The error; and nothing was left behind, in the folder or beside it."""
    scratch.mkdir(exist_ok=True)
    with pytest.raises(MinimgError) as raised:
        unpack_bytes(content, scratch, limit)
    assert raised.value.code == "MINIMG-E027"
    assert [path.suffix for path in scratch.iterdir()] == [".deb"]
    return str(raised.value)


@pytest.mark.parametrize("compression", ["", "gz", "xz", "zst"])
def test_a_package_becomes_its_tar_and_its_description(compression: str, tmp_path: Path) -> None:
    out = unpack_bytes(deb(CONTROL, DATA, MORE, compression), tmp_path / "p")
    assert sorted(path.name for path in out.iterdir()) == ["data.tar", "package.json"]
    assert (out / "data.tar").read_bytes() == DATA
    found = load(str(out))
    assert (found.about.name, found.about.version, found.about.architecture) == (
        "pkg",
        "1:2.0-1",
        "amd64",
    )
    assert (found.about.source_name, found.about.source_version) == ("src", "1.9")
    assert found.about.control == CONTROL
    assert found.md5sums == {"/usr/a": "0123456789abcdef0123456789abcdef"}
    assert found.conffiles == (b"/etc/c",)
    rows = {entry.path: entry for entry in found.entries}
    a = rows[b"/usr/a"]
    assert (a.kind, a.mode, a.uid, a.gid, a.size) == ("file", 0o4755, 3, 4, 7)
    assert DATA[a.offset : a.offset + a.size] == b"content"
    assert rows[b"/usr/b"].target == b"/usr/a"
    assert rows[b"/usr/l"].target == b"/etc/l"
    assert b"/usr/\xff" in rows


@pytest.mark.parametrize("compression", ["gz", "xz", "zst"])
def test_dpkg_deb_reads_the_same(compression: str, tmp_path: Path) -> None:
    dpkg_deb = program("dpkg-deb")
    if compression == "zst":
        version = subprocess.run([dpkg_deb, "--help"], stdout=subprocess.PIPE, check=True).stdout
        if b"zstd" not in version:
            unavailable("this dpkg-deb does not know zstd")
    out = unpack_bytes(deb(CONTROL, DATA, MORE, compression), tmp_path / "p")
    path = str(out).replace(".unpacked", ".deb")
    told = subprocess.run([dpkg_deb, "--fsys-tarfile", path], stdout=subprocess.PIPE, check=True)
    assert (out / "data.tar").read_bytes() == told.stdout
    told = subprocess.run([dpkg_deb, "--field", path], stdout=subprocess.PIPE, check=True)
    assert load(str(out)).about.control == told.stdout.decode()


def test_the_result_is_a_function_of_the_package_alone(tmp_path: Path) -> None:
    content = deb(CONTROL, DATA, MORE)
    one, other = (unpack_bytes(content, tmp_path / name) for name in "ab")
    assert (one / "package.json").read_bytes() == (other / "package.json").read_bytes()


def test_members_with_an_underscore_are_passed_over(tmp_path: Path) -> None:
    parts = [PARTS[0], ("_x", b"1"), PARTS[1], ("_gpg", b"22"), PARTS[2], ("_y", b"")]
    assert (unpack_bytes(ar(parts), tmp_path / "p") / "data.tar").read_bytes() == DATA


def test_names_may_end_in_a_slash(tmp_path: Path) -> None:
    parts = [(name + "/", data) for name, data in PARTS]
    assert (unpack_bytes(ar(parts), tmp_path / "p") / "data.tar").read_bytes() == DATA


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no ar archive"),
        (b"!<arch>\n", "debian-binary"),
        (ar(PARTS[1:]), "debian-binary"),
        (ar([("debian-binary", b"3.0\n"), *PARTS[1:]]), "format version"),
        (ar([("debian-binary", b"2"), *PARTS[1:]]), "format version"),
        (ar(PARTS[:2]), "no data member"),
        (ar([PARTS[0], PARTS[2]]), "before its control member"),
        (ar(PARTS[:1]), "no control member"),
        (ar([PARTS[0], PARTS[2], PARTS[1]]), "before its control member"),
        (ar([*PARTS, PARTS[2]]), "two data members"),
        (ar([*PARTS, ("data.tar.gz", b"")]), "two data members"),
        (ar([*PARTS, ("extra", b"")]), "not understood"),
        (ar([*PARTS[:2], ("data.tar.bz2", b"")]), "unknown compression"),
        (ar([*PARTS[:2], ("data.tar.lzma", b"")]), "unknown compression"),
        (ar([*PARTS[:2], ("data.tar.xz", b"no tar at all")]), "cut off"),
        (ar([*PARTS[:2], ("data.tar.xz", b"")]), "cut off"),
        (ar(PARTS)[:-100], "cut off"),
        (ar(PARTS)[:100], "cut off"),
        (ar(PARTS) + b"more" * 20, "no header of an ar member"),
        (ar(PARTS).replace(b"`\n", b"``", 1), "no header of an ar member"),
        (ar(PARTS).replace(b"4         `", b"x         `", 1), "without a size"),
        (ar(PARTS).replace(b"4         `", b"-4        `", 1), "without a size"),
        (ar(PARTS).replace(b"4         `", b"9999999999`", 1), "cut off"),
    ],
)
def test_a_damaged_archive_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    assert problem in refused(content, tmp_path / "p")


@pytest.mark.parametrize("compression", ["gz", "xz", "zst"])
def test_a_truncated_member_is_refused(compression: str, tmp_path: Path) -> None:
    packed = compress(DATA, compression)
    for number, length in enumerate((10, len(packed) // 2, len(packed) - 1)):
        parts = [*PARTS[:2], (f"data.tar.{compression}", packed[:length])]
        assert "cut off" in refused(ar(parts), tmp_path / str(number))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (CONTROL.replace("Package: pkg\n", ""), "`Package`"),
        (CONTROL.replace("pkg", "../pkg"), "`Package`"),
        (CONTROL.replace("pkg", "p/k"), "`Package`"),
        (CONTROL.replace("1:2.0-1", "1/2"), "`Version`"),
        (CONTROL.replace("amd64", "amd64 arm64"), "`Architecture`"),
        (CONTROL.replace("src (1.9)", "src (1.9"), "`Source`"),
    ],
)
def test_a_control_file_without_a_proper_name_is_refused(
    text: str, problem: str, tmp_path: Path
) -> None:
    assert problem in refused(deb(text, DATA), tmp_path / "p")


def test_a_control_member_without_control_is_refused(tmp_path: Path) -> None:
    empty = ("control.tar.gz", compress(tar([folder("./")]), "gz"))
    assert "no control file" in refused(ar([PARTS[0], empty, PARTS[2]]), tmp_path / "a")
    latin = ("control.tar", tar([File("control", b"Package: \xff\n")]))
    assert "not UTF-8" in refused(ar([PARTS[0], latin, PARTS[2]]), tmp_path / "b")


def test_a_bomb_is_refused_and_little_of_it_unpacked(tmp_path: Path) -> None:
    bomb = tar([File("./zeros", b"\0" * (1 << 25))])
    assert "more than 1048576 bytes" in refused(
        deb(CONTROL, bomb, None, "xz"), tmp_path / "p", 1 << 20
    )


def test_a_bomb_in_the_control_member_is_refused(tmp_path: Path) -> None:
    bomb = deb(CONTROL, DATA, {"md5sums": b"\0" * (1 << 27)}, "zst")
    assert "more than" in refused(bomb, tmp_path / "p", 1 << 30)


@pytest.mark.parametrize(
    "member",
    [
        File("../out"),
        File("/out"),
        link("./l", "../../out"),
        hardlink("./h", "../out"),
        File("./d", kind="device"),
    ],
)
def test_hostile_files_write_nothing_anywhere(member: File, tmp_path: Path) -> None:
    before = sorted(tmp_path.parent.iterdir())
    refused(deb(CONTROL, tar([member])), tmp_path / "p")
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
    assert sorted(tmp_path.parent.iterdir()) == before


def test_other_bytes_than_the_lock_s_are_refused(tmp_path: Path) -> None:
    content = deb(CONTROL, DATA)
    (tmp_path / "a.deb").write_bytes(content)
    good = hashlib.sha256(content).hexdigest()
    for sha256, size, problem in (
        ("0" * 64, len(content), f"its SHA-256 is {good} and must be 0000"),
        (good, len(content) + 1, f"it has {len(content)} bytes and must have {len(content) + 1}"),
    ):
        with pytest.raises(MinimgError, match=f"MINIMG-E027 a.deb: {problem}"):
            unpack(str(tmp_path / "a.deb"), sha256, size, LIMIT, str(tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.deb"]


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    content = deb(CONTROL, DATA)
    (tmp_path / "a.deb").write_bytes(content)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_bytes(b"")
    with pytest.raises(MinimgError, match="MINIMG-E001 .*out: it cannot be written"):
        unpack(
            str(tmp_path / "a.deb"),
            hashlib.sha256(content).hexdigest(),
            len(content),
            LIMIT,
            str(tmp_path / "out"),
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.deb", "out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


@pytest.mark.parametrize("compression", ["", "gz", "zst"])
def test_mutants_are_read_or_refused(compression: str, tmp_path: Path) -> None:
    whole = deb(CONTROL, DATA, MORE, compression)
    rng = random.Random(f"deb {compression}")
    path, out = tmp_path / "m.deb", tmp_path / "out"
    good = 0
    for number in range(700):
        mutant = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(mutant))
            mutant[at] = rng.randrange(256)
        if rng.random() < 0.2:
            del mutant[rng.randrange(len(mutant)) :]
        path.write_bytes(mutant)
        folder_ = tmp_path / f"out{number}"
        digest = hashlib.sha256(mutant).hexdigest()
        try:
            unpack(str(path), digest, len(mutant), LIMIT, str(folder_))
        except MinimgError as error:
            assert error.code == "MINIMG-E027"
            assert not folder_.exists() and not out.exists()
        else:
            load(str(folder_))
            good += 1
    assert 0 < good < 700
    assert sum(name.name.startswith("out") for name in tmp_path.iterdir()) == good


def test_the_command_unpacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = deb(CONTROL, DATA)
    path = tmp_path / "a.deb"
    path.write_bytes(content)
    arguments = [
        "unpack",
        f"--deb={path}",
        f"--size={len(content)}",
        "--limit=100000",
        f"--out={tmp_path / 'out'}",
    ]
    assert run(*arguments, "--sha256=" + "0" * 64) == 2
    assert capsys.readouterr().err.startswith("MINIMG-E027 a.deb: its SHA-256 is ")
    assert run(*arguments, "--sha256=" + hashlib.sha256(content).hexdigest()) == 0
    with open(tmp_path / "out" / "package.json", "rb") as file:
        document = json.load(file)
    assert sorted(document) == [
        "alternatives",
        "conffiles",
        "control",
        "diversions",
        "index",
        "md5sums",
        "version",
    ]
    assert run("unpack", "--deb=nowhere", "--size=1", "--limit=1", "--out=o", "--sha256=0") == 2
    assert capsys.readouterr().err.startswith("MINIMG-E001 nowhere: it cannot be read")


def run(*arguments: str) -> int:
    """The bundler with these arguments."""
    return command_line.main(list(arguments))


def test_fields_are_read_as_the_policy_says() -> None:
    found = package.fields("A: 1\n# B: 2\nC-d:\n x\n .\n y\nA: 3\nnonsense\n")
    assert found == {"a": "1", "c-d": "x\n.\ny"}
