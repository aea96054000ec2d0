"""What the program does with its words, its output and its own failures, as a user meets it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import __main__ as commands
from pants_plugin_minimg.bundler.commands import why as cli_why
from pants_plugin_minimg.bundler.rendering import tarstream
from tests import interrupts
from tests.bundler.images import directory, file, image, put, with_parents

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


def test_an_interrupt_is_quiet(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    os.mkfifo(plan)
    command = [sys.executable, "-m", "pants_plugin_minimg.bundler", "why", "--plan", str(plan)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=interrupts.heard,
    ) as running:
        with open(plan, "wb"):  # it reads now, and waits for more
            running.send_signal(signal.SIGINT)
            said, _ = running.communicate()
    assert (running.returncode, said) == (130, b"")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder with an image's tar, larger than its parts, and its layout in `image/layout`."""
    folder = tmp_path / "built"
    folder.mkdir()
    big = put(folder / "blobs", os.urandom(1 << 20))
    image(folder, with_parents([file(b"/bin/big", big, 0o755), directory(b"/tmp", 0o1777)]))
    return folder


def interrupted(*words: object) -> None:
    """By a Ctrl-C while it writes the third member of a tar."""
    calls: list[tarstream.Member] = []
    header = tarstream.header

    def third(member: tarstream.Member) -> bytes:
        calls.append(member)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return header(member)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tarstream, "header", third)
        with pytest.raises(KeyboardInterrupt):
            commands.main([str(word) for word in words])


def test_what_an_interrupted_command_has_written_is_removed(built: Path, tmp_path: Path) -> None:
    layout, out = built / "image" / "layout", tmp_path / "out"
    out.mkdir()
    interrupted("tar", "--layout", layout, "--out", out / "new.tar")
    assert list(out.iterdir()) == []
    (out / "old.tar").write_bytes(b"as it was")
    interrupted("tar", "--layout", layout, "--out", out / "old.tar")
    assert [path.name for path in out.iterdir()] == ["old.tar"]
    assert (out / "old.tar").read_bytes() == b"as it was"
    layer = ("layer", "--projection", built / "projection.json", "--blobs", built / "blobs")
    interrupted(*layer, "--out", out / "layer")
    assert not (out / "layer").exists()


def test_output_to_what_is_no_file_stays_there(built: Path) -> None:
    words = ("tar", "--layout", str(built / "image" / "layout"), "--out", "/dev/stdout")
    done = bundler(*words)
    assert done.stdout == (built / "image.tar").read_bytes()


def test_a_link_stays_one(built: Path, tmp_path: Path) -> None:
    out, link = tmp_path / "there.tar", tmp_path / "link.tar"
    link.symlink_to("there.tar")
    assert commands.main(["tar", "--layout", str(built / "image/layout"), "--out", str(link)]) == 0
    assert link.is_symlink() and out.read_bytes() == (built / "image.tar").read_bytes()


@pytest.mark.parametrize("command", ["tar", "verify", "rootfs"])
def test_a_disk_that_gets_full_is_no_finding(built: Path, tmp_path: Path, command: str) -> None:
    """As a limit of the size of files has it: the error is another, and its place the same."""
    out, tar = str(tmp_path / "out"), str(built / "image.tar")
    words = {
        "tar": ("--layout", str(built / "image" / "layout"), "--out", out),
        "verify": (tar,),
        "rootfs": ("--in", tar, "--limit", "9999999", "--out", out),
    }[command]
    done = subprocess.run(
        [sys.executable, "-m", "pants_plugin_minimg.bundler", command, *words],
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        check=False,
    )
    said = f"bundler {command}: [Errno 27] File too large\n"
    assert (done.returncode, done.stderr.decode()) == (4, said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built"]


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
