"""info.json and the lines that are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.rendering import report
from pants_plugin_minimg.bundler.rendering.imagespec import ImageSpec, IndexSpec, Name, Process
from pants_plugin_minimg.bundler.rendering.oci import MANIFEST, Blob, Layer

PROCESS = Process((), (), (), None, None, (), (), None, ())
PLATFORM = {"os": "linux", "architecture": "amd64"}


def _sha(letter: str) -> str:
    return letter * 64


def _layer(letter: str, size: int, files: int, disk: int) -> Layer:
    return Layer(f"sha256:{_sha(letter)}", f"sha256:{_sha('d')}", size, 0, files, disk)


def _packed(tmp: Path, content: str, outcome: str, reason: str, plain: int, packed: int) -> str:
    path = tmp / f"{content}.json"
    raw = {"version": 1, "content": content, "outcome": outcome, "reason": reason}
    raw["packed_content"] = _sha("e")
    wire = {"plain_wire": plain // 2, "packed_wire": packed - 1}
    tool = {"upx_version": "4.2.4", "args": ["--lzma"]}
    path.write_text(json.dumps({**raw, "plain": plain, "packed": packed, **wire, **tool}))
    return str(path)


@pytest.fixture
def info(tmp_path: Path) -> dict[str, Any]:
    entries = [
        Entry(b"/usr/bin/git", "file", content=_sha("1")),
        Entry(b"/usr/bin/git-again", "file", content=_sha("1")),
        Entry(b"/usr/bin/git-hard", "hardlink", content=_sha("1"), target=b"/usr/bin/git"),
        Entry(b"/bin/tiny", "file", content=_sha("2")),
        Entry(b"/bin/b\xff", "file", content=_sha("3")),
        Entry(b"/lib/libc.so.6", "file", content=_sha("4")),
    ]
    packed = report.load_packed(
        [
            _packed(tmp_path, _sha("1"), "packed", "", 4_000_000, 1_400_000),
            _packed(tmp_path, _sha("2"), "refused", "NotCompressibleException", 600, 600),
            _packed(tmp_path, _sha("3"), "broken", "`upx -t` fails: bad", 5000, 5000),
        ]
    )
    names = tuple(
        Name(repository, "{v}", tag, f"{repository}:{tag}")
        for repository, tag in (("r", "1"), ("r", "2"), ("other", "1"))
    )
    return report.info(
        ImageSpec("tools/x.tar", names, PROCESS),
        Blob("config", b"c" * 100),
        Blob(MANIFEST, b"m" * 200),
        PLATFORM,
        (_layer("a", 1000, 3, 4000), _layer("b", 50, 1, 60)),
        report.programs(entries, packed),
    )


def test_the_first_keys_are_those_of_docker_image(info: dict[str, Any]) -> None:
    assert (info["version"], info["image_id"][:7]) == (1, "sha256:")
    assert info["registries"] == [
        {
            "alias": None,
            "address": None,
            "repository": repository,
            "tags": [
                {
                    "template": "{v}",
                    "tag": tag,
                    "uses_local_alias": False,
                    "name": f"{repository}:{tag}",
                }
                for tag in tags
            ],
        }
        for repository, tags in (("r", "12"), ("other", "1"))
    ]


def test_sizes_and_counts_are_summed(info: dict[str, Any]) -> None:
    (image,) = info["manifests"]
    assert image["size_on_disk"] == 4060
    assert image["size_on_wire"] == 1000 + 50 + 100 + 200
    assert (image["files"], image["size"], image["media_type"]) == (4, 200, MANIFEST)
    assert image["platform"] == PLATFORM
    assert [layer["size"] for layer in image["layers"]] == [1000, 50]
    assert (info["artifact"], info["image_id"]) == ("tools/x.tar", image["image_id"])


def test_a_content_counts_once_for_each_path_that_is_a_file(info: dict[str, Any]) -> None:
    upx = info["manifests"][0]["upx"]
    assert upx["saved"] == 2 * 2_600_000
    assert [(program["path"], program["outcome"]) for program in upx["programs"]] == [
        ("/bin/b\\xff", "broken"),
        ("/bin/tiny", "refused"),
        ("/usr/bin/git", "packed"),
        ("/usr/bin/git-again", "packed"),
    ]


def test_which_upx_packed_and_how(info: dict[str, Any]) -> None:
    for program in info["manifests"][0]["upx"]["programs"]:
        assert (program["upx_version"], program["args"]) == ("4.2.4", ["--lzma"])


def test_the_advice_follows_from_what_the_wire_gains() -> None:
    assert report.on_the_wire(1000, 899).endswith("1.00 kB to 899 B")
    for packed, much in ((901, "little"), (1000, "no gain"), (1100, "no gain")):
        said = report.on_the_wire(1000, packed)
        assert f"{much}, so where only the wire counts, `upx=False` starts faster" in said


def test_the_lines_say_what_was_made_and_what_stayed_plain(info: dict[str, Any]) -> None:
    image = info["manifests"][0]
    assert info["log_lines"] == [
        "tools/x.tar: r:1, r:2, other:1",
        f"  manifest {image['digest']}",
        f"  image ID {info['image_id']}",
        "  4.06 kB on disk, 1.35 kB on the wire, 4 files in 2 layers",
        "  UPX saved 5.20 MB on disk: /usr/bin/git 4.00 MB to 1.40 MB, "
        "/usr/bin/git-again 4.00 MB to 1.40 MB",
        "  compressed, as registries have it, that is 4.00 MB to 2.80 MB",
        "  warning: /bin/b\\xff stays as it is, UPX broke it: `upx -t` fails: bad",
        "  /bin/tiny stays as it is: NotCompressibleException",
    ]


def test_an_index_says_of_each_image_what_upx_did(info: dict[str, Any]) -> None:
    spec = IndexSpec("i.tar", (), (), "a:i")
    told = report.index_info(spec, Blob("index", b""), info["manifests"])["log_lines"]
    (at,) = (number for number, line in enumerate(told) if "linux/amd64: manifest" in line)
    assert told[at + 1 :] == [f"  {line}" for line in info["log_lines"][4:]]


def test_without_upx_and_without_a_name(tmp_path: Path) -> None:
    info = report.info(
        ImageSpec("x.tar", (), PROCESS),
        Blob("c", b""),
        Blob(MANIFEST, b""),
        PLATFORM,
        (_layer("a", 999, 1, 999),),
        [],
    )
    assert info["log_lines"][0] == "x.tar: an image without a name"
    assert info["log_lines"][-1] == "  999 B on disk, 999 B on the wire, 1 file in 1 layer"
    assert info["registries"] == []
    assert info["manifests"][0]["upx"] == {"saved": 0, "programs": []}


def test_a_report_about_nothing_in_the_plan(tmp_path: Path) -> None:
    packed = report.load_packed([_packed(tmp_path, _sha("9"), "refused", "x", 1, 1)])
    with pytest.raises(MinimgError) as error:
        report.programs([], packed)
    assert (error.value.code, error.value.subject) == ("MINIMG-E001", _sha("9"))


def test_of_what_is_packed_in_the_image_the_packed_hash_is_known(tmp_path: Path) -> None:
    reports = [
        _packed(tmp_path, _sha("1"), "packed", "", 10, 5),
        _packed(tmp_path, _sha("2"), "refused", "x", 10, 10),
    ]
    assert report.packed_contents(report.load_packed(reports)) == {_sha("1"): _sha("e")}


@pytest.mark.parametrize("content", ["", '{"version":1}', '{"version":1,"content":"x"}'])
def test_a_file_that_is_no_report(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(MinimgError) as error:
        report.load_packed([str(path)])
    assert error.value.code == "MINIMG-E001"


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (9994, "9.99 kB"),
        (9996, "10.0 kB"),
        (99_960, "100 kB"),
        (999_400, "999 kB"),
        (999_600, "1.00 MB"),
        (41_600_000, "41.6 MB"),
        (12_345_678_901, "12.3 GB"),
    ],
)
def test_sizes_are_said_with_three_digits(size: int, said: str) -> None:
    info = report.info(
        ImageSpec("x", (), PROCESS),
        Blob("", b""),
        Blob("", b""),
        {},
        (_layer("a", 0, 0, size),),
        [],
    )
    assert f"  {said} on disk, " in info["log_lines"][3]
