"""What two images differ in."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import __main__ as commands
from tests.bundler.images import directory, file, hello_program, image, link, put, with_parents


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
