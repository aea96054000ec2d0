"""What the program does with its words, its output and its own failures, as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import __main__ as commands
from pants_plugin_minimg.bundler.commands import why as cli_why

ENTRIES = [
    {"path": f"/\u2192{number}", "kind": "file", "size": 9, "mode": 420, "uid": 0, "gid": 0}
    for number in range(99)
]


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"version": 1, "entries": ENTRIES, "loaded": {}}))
    return str(path)


def bundler(
    *words: str, stdout: int = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "pants_plugin_minimg.bundler", *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **variables},
        check=False,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["why", "closure"])
def test_a_full_disk_is_no_finding(plan: str, command: str, unbuffered: str) -> None:
    words = ("why", "--plan", plan) if command == "why" else ("closure", sys.executable)
    with open("/dev/full", "wb") as full:
        done = bundler(*words, stdout=full.fileno(), PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 4
    assert done.stderr.decode() == f"bundler {command}: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_is_gone_is_no_error(plan: str, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = bundler("why", "--plan", plan, stdout=writing, PYTHONUNBUFFERED=unbuffered)
    os.close(writing)
    assert (done.returncode, done.stderr) == (2, b"")


def test_output_that_nobody_wants(plan: str) -> None:
    program = f"{sys.executable} -m pants_plugin_minimg.bundler"
    for words in (f"why --plan {plan}", f"closure {sys.executable}"):
        done = subprocess.run(["sh", "-c", f"{program} {words} >&-"], stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, b"")


def test_what_cannot_be_written(plan: str, tmp_path: Path) -> None:
    done = bundler("sources", "--apt", str(tmp_path), "--out", str(tmp_path))
    assert done.returncode == 4
    assert done.stderr.decode() == f"bundler sources: [Errno 21] Is a directory: '{tmp_path}'\n"


def test_a_character_that_the_terminal_has_not_is_shown_by_its_number(plan: str) -> None:
    done = bundler("why", "--plan", plan, "/\u21927", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(rb"/\u21927 (9 B)")


def test_a_fault_of_ours_is_no_finding(
    plan: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: object) -> int:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(cli_why, "run_diff", run)
    assert commands.main(["diff", plan]) == 4
    assert "ZeroDivisionError: oh" in capsys.readouterr().err
