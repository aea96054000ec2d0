"""Which lists may have a path: all that do, and hardly any other."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.__main__ import main
from pants_plugin_minimg.bundler.debian import dpkg, listindex
from pants_plugin_minimg.bundler.debian.listindex import ListIndex
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots import fingerprint
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from tests.requirements import unavailable

LISTS = [
    (b"git.list", b"/.\n/usr\n/usr/bin/git\n"),
    (b"less.list", b"/.\n/usr\n/usr/bin/less\n"),
    (b"odd\xff.list", b"/usr/bin/\xff"),
]


def test_the_lists_that_have_a_path() -> None:
    index = ListIndex.of(LISTS)
    assert index.candidates([b"/usr/bin/git"]) == [b"git.list"]
    assert index.candidates([b"/usr/bin/\xff", b"/usr"]) == [b"git.list", b"less.list", LISTS[2][0]]
    assert index.candidates([b"/usr/bin/other"]) == []
    assert ListIndex.of([]).candidates([b"/usr"]) == []


def test_no_list_is_left_out() -> None:
    rng = random.Random(20)
    paths = [b"/%x/%x" % (rng.getrandbits(8), rng.getrandbits(16)) for _ in range(3000)]
    contents = [set(rng.sample(paths, rng.randrange(200))) for _ in range(300)]
    lists = [(b"%d.list" % n, b"\n".join(sorted(lines))) for n, lines in enumerate(contents)]
    index = ListIndex.parse(ListIndex.of(lists).render())
    for path in rng.sample(paths, 500):
        expected = sorted(name for (name, _), lines in zip(lists, contents) if path in lines)
        assert set(index.candidates([path])) >= set(expected)
    several = rng.sample(paths, 40)
    found = index.candidates(several)
    assert found == sorted(set(found))
    assert set(found) >= {b"%d.list" % n for n, lines in enumerate(contents) if lines & {*several}}


def test_paths_of_one_checksum_are_candidates_both() -> None:
    one, other = b"/plumless", b"/buckeroo"
    pair = [(b"one.list", one), (b"other.list", other)]
    same = zlib.crc32(one[1:]) == zlib.crc32(other[1:])
    assert same, "the two best known words of one CRC-32"
    index = ListIndex.of([(name, path[1:]) for name, path in pair])
    assert index.candidates([one[1:]]) == [b"one.list", b"other.list"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "lists.index"
    for lists in (LISTS, [], [(b"empty.list", b"")]):
        content = ListIndex.of(lists).render()
        file.write_bytes(content)
        loaded = listindex.load(str(file))
        assert loaded is not None and loaded.render() == content
    file.write_bytes(b"")
    assert listindex.load(str(file)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        b"minimg lists 1 0",
        b"minimg lists 2 0\n",
        b"minimg lists 1 x\n",
        b"minimg lists 1 -1\n",
        b"minimg lists 1 7\na.list",
        b"minimg lists 1 0\n1234567",
    ],
)
def test_what_is_no_index_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "lists.index"
    file.write_bytes(content)
    with pytest.raises(MinimgError) as caught:
        listindex.load(str(file))
    assert (caught.value.code, caught.value.subject) == ("MINIMG-E001", str(file))


def test_of_this_machine(tmp_path: Path, host: DirSysroot) -> None:
    """What the sweep does not cover is no part of an index that is used as long as it is equal."""
    if host.walk(b"/var/lib/dpkg/info").stat is None:
        unavailable("this machine has no packages")
    sweep, out = tmp_path / "sweep.json", tmp_path / "lists.index"
    found = []
    for covered in (fingerprint.sweep(), {"folders": [], "files": [], "documents": "/doc"}):
        sweep.write_text(json.dumps(covered))
        assert main(["list-index", f"--sweep={sweep}", f"--out={out}"]) == 0
        found.append(out.read_bytes())
    assert found == [dpkg.list_index(host), b""]
    assert found[0].startswith(b"minimg lists 1 ")
