"""What two images differ in."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import __main__ as commands
from tests.bundler.images import (
    NAMES,
    directory,
    file,
    hello_program,
    image,
    link,
    put,
    with_parents,
)
from tests.bundler.indices import AMD, ARM, ARMHF, index
from tests.bundler.indices import made as platform_image


def made(tmp: Path, changed: bool) -> Path:
    tmp.mkdir()
    program = put(tmp / "blobs", hello_program())
    text = put(tmp / "blobs", b"x" * (3000 if changed else 1000))
    same = put(tmp / "blobs", b"same")
    entries = [
        file(b"/hello", program, 0o755),
        file(b"/etc/text", text),
        file(b"/etc/mode", same, 0o600 if changed else 0o644),
        link(b"/etc/link", b"text" if changed else b"mode"),
        directory(b"/data", 0o750, uid=5 if changed else 6),
        file(b"/etc/new" if changed else b"/etc/old|name", same),
    ]
    config = {"entrypoint": ["/hello"], "env": {"A": "2" if changed else "1"}}
    tar, _ = image(tmp, with_parents(entries), config)
    return tar


@pytest.fixture
def both(tmp_path: Path) -> tuple[str, str]:
    return str(made(tmp_path / "old", False)), str(made(tmp_path / "new", True))


def test_the_same_image(both: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["diff", both[0], both[0]]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert commands.main(["diff", "--format=markdown", both[0], both[0]]) == 0
    assert "The same files and the same config." in capsys.readouterr().out


def test_as_text(both: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["diff", *both]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("old sha256:") and lines[1].startswith("new sha256:")
    assert "(+2.00 kB)" in lines[2]
    assert lines[3:] == [
        "~  +2.00 kB  /etc/text",
        "+      +4 B  /etc/new",
        "-      -4 B  /etc/old|name",
        "~       0 B  /data  (owner 6:0 to 5:0)",
        "~       0 B  /etc/link  (target mode to text)",
        "~       0 B  /etc/mode  (mode 0644 to 0600)",
        '~ Env A: "1" to "2"',
    ]


def test_as_json_and_markdown(both: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["diff", "--format=json", *both]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["new"]["size_on_disk"] - found["old"]["size_on_disk"] == 2000
    assert found["config"] == [{"name": "Env A", "old": "1", "new": "2"}]
    assert {item["path"]: item["kind"] for item in found["paths"]} == {
        "/etc/text": "changed", "/etc/new": "added", "/etc/old|name": "removed",
        "/data": "moved", "/etc/link": "moved", "/etc/mode": "moved",
    }  # fmt: skip
    assert commands.main(["diff", "--format=markdown", *both]) == 1
    out = capsys.readouterr().out
    assert "| added | +4 B | `/etc/new` |  |" in out
    assert "`/etc/old\\|name`" in out


def test_what_is_no_image(
    both: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad").write_bytes(b"not a tar")
    assert commands.main(["diff", str(tmp_path / "bad"), both[0]]) == 2
    assert commands.main(["diff", both[0], str(tmp_path / "gone")]) == 2
    assert all(line.startswith("MINIMG-E") for line in capsys.readouterr().err.splitlines())


def test_a_layout_is_an_image_too(
    both: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = tmp_path / "layout"
    with tarfile.open(both[0]) as tar:
        tar.extractall(layout)
    assert commands.main(["diff", str(layout), both[0]]) == 0
    assert commands.main(["diff", both[1], str(layout)]) == 1
    assert commands.main(["verify", str(layout)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(": fine")
    (layout / "index.json").unlink()
    assert commands.main(["diff", str(layout), both[0]]) == 2
    assert "the layout does not hold index.json" in capsys.readouterr().err


def test_reasons_come_from_the_plans(
    both: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--title=//a:b since `main`"]
    for side, path in (("old", "/etc/old|name"), ("new", "/etc/text")):
        plan = tmp_path / side / "plan.json"
        raw = json.loads(plan.read_bytes())
        (entry,) = [each for each in raw["entries"] if each["path"] == path]
        entry["reasons"] = [f"a {side} | reason", "another"]
        plan.write_text(json.dumps(raw))
        options.append(f"--{side}-plan={plan}")
    assert commands.main(["diff", *options, *both]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "//a:b since `main`"
    assert "~  +2.00 kB  /etc/text: a new | reason (and 1 more)" in lines
    assert "-      -4 B  /etc/old|name: a old | reason (and 1 more)" in lines
    assert "+      +4 B  /etc/new" in lines
    assert commands.main(["diff", "--format=markdown", *options, *both]) == 1
    out = capsys.readouterr().out
    assert out.startswith("### //a:b since `main`\n\n**On disk** ")
    assert "| removed | -4 B | `/etc/old\\|name` |  | a old \\| reason (and 1 more) |" in out
    assert commands.main(["diff", "--format=json", *options, *both]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["title"] == "//a:b since `main`"
    reasons = {item["path"]: item["reasons"] for item in found["paths"] if item["reasons"]}
    assert reasons == {
        "/etc/text": ["a new | reason", "another"],
        "/etc/old|name": ["a old | reason", "another"],
    }


def test_an_image_that_is_new(both: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["diff", both[1]]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "old none: all of it is new"
    assert {line[0] for line in lines[3:] if "  /" in line} == {"+"}
    assert '~ Env A: null to "2"' in lines
    assert commands.main(["diff", "--format=json", both[1]]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["old"] is None and found["new"]["platform"] == "linux/amd64"
    assert {item["kind"] for item in found["paths"]} == {"added"}
    assert commands.main(["diff", "--format=markdown", both[1]]) == 1
    assert capsys.readouterr().out.startswith("All of it is new.\n")


def test_images_of_an_index_by_their_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tars = {}
    for name, platforms in (("old", [ARMHF, AMD]), ("new", [AMD, ARM])):
        parts = [platform_image(tmp_path / name, each, monkeypatch) for each in platforms]
        tars[name] = str(index(tmp_path / name, parts, NAMES)[0])
    assert commands.main(["diff", "--title=x", tars["old"], tars["new"]]) == 1
    blocks = [block.splitlines() for block in capsys.readouterr().out.split("\n\n")]
    assert [block[0] for block in blocks] == [
        "x for linux/amd64", "x for linux/arm64", "x for linux/arm/v7"
    ]  # fmt: skip
    assert [block[1][:8] == "old none" for block in blocks] == [False, True, False]
    assert [block[2][:8] == "new none" for block in blocks] == [False, False, True]
    assert len(blocks[0]) == 4  # the same
    assert commands.main(["diff", tars["new"], tars["new"]]) == 0
    plans = []
    for name in ("arm64", "amd64"):
        plan = tmp_path / "new" / name / "plan.json"
        raw = json.loads(plan.read_bytes())
        for entry in raw["entries"]:
            entry["reasons"] = [f"of {name}"]
        plan.write_text(json.dumps(raw))
        plans.append(f"--new-plan={plan}")
    capsys.readouterr()
    assert commands.main(["diff", *plans, tars["old"], tars["new"]]) == 1
    assert "+      +5 B  /etc/which: of arm64\n" in capsys.readouterr().out
    # One image, and an index that has its platform too.
    alone = str(tmp_path / "new/amd64/image.tar")
    capsys.readouterr()
    assert commands.main(["diff", "--format=json", tars["new"], alone]) == 1
    decoder, text = json.JSONDecoder(), capsys.readouterr().out
    first, end = decoder.raw_decode(text)
    second, _ = decoder.raw_decode(text[end:].lstrip())
    assert first["paths"] == [] and first["title"] == "linux/amd64"
    assert second["new"] is None and second["old"]["platform"] == "linux/arm64"


def test_blobs_alone(
    both: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts = [platform_image(tmp_path / "x", each, monkeypatch) for each in (AMD, ARM)]
    of_index = str(index(tmp_path / "x", parts, NAMES)[0])
    for tar in (both[0], of_index):
        bare = tmp_path / f"bare-{Path(tar).stem}"
        with tarfile.open(tar) as archive:
            archive.extractall(bare)
        (descriptor, *_) = json.loads((bare / "index.json").read_bytes())["manifests"]
        capsys.readouterr()
        assert (
            commands.main(["blobs", f"{bare}/blobs/{descriptor['digest'].replace(':', '/')}"]) == 0
        )
        named = json.loads(capsys.readouterr().out)
        assert {kind: len(found) for kind, found in named.items()} == (
            {"blobs": 0, "manifests": 2} if tar == of_index else {"blobs": 2, "manifests": 0}
        )
        for blob in (*named["blobs"], *named["manifests"]):
            path = bare / "blobs" / blob["digest"].replace(":", "/")
            assert path.stat().st_size == blob["size"]
        for name in ("index.json", "manifest.json", "oci-layout"):
            (bare / name).unlink()
        assert commands.main(["diff", f"{bare}@{descriptor['digest']}", tar]) == 0
        wrong = descriptor["digest"][:-1] + ("0" if descriptor["digest"][-1] != "0" else "1")
        assert commands.main(["diff", f"{bare}@{wrong}", tar]) == 2
        assert "MINIMG-E001 " in capsys.readouterr().err
    (tmp_path / "other").write_text('{"mediaType": "x"}')
    assert commands.main(["blobs", str(tmp_path / "other")]) == 2
