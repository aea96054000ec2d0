"""Packed programs beside the plain ones. What stands for a packed one is compiled, not packed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import __main__ as commands
from pants_plugin_minimg.bundler.isolation import bubblewrap
from pants_plugin_minimg.bundler.isolation.command import Unusable
from pants_plugin_minimg.bundler.plan import Entry
from tests.bundler.images import with_parents
from tests.bundler.implied import compiled
from tests.requirements import program, unavailable

SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
#ifdef HANG
    sleep(600);
#endif
#ifdef TIME
    printf("%ld.%ld\n", (long)now.tv_sec, now.tv_nsec);
#elif defined(OTHER)
    puts("goodbye");
#else
    printf("hello %s\n", argc > 1 ? argv[1] : "");
#endif
#ifdef STATUS
    return 255;
#endif
#ifdef LARGE
    memset(malloc(64 << 20), 1, 64 << 20);
#endif
    usleep(50000);
    return 3;
}
"""


@pytest.fixture
def means() -> list[str]:
    path = program("bwrap")
    try:
        bubblewrap.check(path, (65532, 65532) if os.getuid() == 0 else None)
    except Unusable as reason:
        unavailable(str(reason))
    return ["--bubblewrap", path]


class Bench:
    def __init__(self, tmp_path: Path, means: list[str]) -> None:
        self.tmp, self.means = tmp_path, means
        self.report = tmp_path / "trial.json"

    def run(self, plain: str, packed: str, *options: str, **platform: str) -> int:
        """`plain` and `packed` are macros of the source."""
        binaries = [
            compiled(self.tmp / name, "tool", SOURCE, "-static", f"-D{macro}").read_bytes()
            for name, macro in (("plain", plain), ("packed", packed))
        ]
        sha = hashlib.sha256(binaries[0]).hexdigest()
        blobs, folder = self.tmp / "blobs", self.tmp / "sandbox"
        for each in (blobs, folder):
            each.mkdir(exist_ok=True)
        (blobs / sha).write_bytes(binaries[0])
        (folder / sha).write_bytes(binaries[1])
        (folder / f"{sha}.json").write_text(json.dumps({"version": 1, "outcome": "packed"}))
        entries = with_parents([Entry(b"/bin/tool", "file", 0o755, content=sha)])
        plan: dict[str, Any] = {
            "version": 1,
            "entries": [entry.to_json() for entry in entries],
            "platform": {"os": "linux", "architecture": "amd64", **platform},
        }
        (self.tmp / "plan.json").write_text(json.dumps(plan))
        return commands.main(
            [
                "packtrial", f"--plan={self.tmp / 'plan.json'}", f"--blobs={blobs}",
                f"--packed={folder}", f"--out={self.report}", *options, *self.means,
            ]
        )  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path, means: list[str]) -> Bench:
    if os.uname().machine != "x86_64":
        unavailable("the plan of the test is for x86-64")
    return Bench(tmp_path, means)


def test_a_program_that_does_the_same(bench: Bench) -> None:
    assert bench.run("PLAIN", "SAME", "--argument=there", "--env=A=b") == 0
    report = json.loads(bench.report.read_text())
    assert (report["arguments"], report["run_by"]) == (["there"], "bubblewrap")
    (found,) = report["programs"]
    assert found["path"] == "/bin/tool"
    assert 0 < found["plain_seconds"] < 30 and 0 < found["packed_seconds"] < 30


@pytest.mark.parametrize(
    "macro,problem",
    [("STATUS", "it ends with 255, and plain with 3"), ("OTHER", "it prints another thing")],
)
def test_one_that_does_another_thing(
    bench: Bench, macro: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.run("PLAIN", macro, "--argument=--version") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("MINIMG-E042 /bin/tool: packed by UPX and run with `--version`")
    assert problem in line
    assert not bench.report.exists()


def test_the_memory_is_the_program_own(bench: Bench) -> None:
    assert bench.run("PLAIN", "LARGE") == 0
    (found,) = json.loads(bench.report.read_text())["programs"]
    assert found["packed_memory"] > 64 << 20 > found["plain_memory"] > 0


def test_output_that_differs_by_nature_does_not_count(bench: Bench) -> None:
    assert bench.run("TIME", "TIME") == 0


def test_one_that_hangs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pants_plugin_minimg.bundler.trials import packtrial

    monkeypatch.setattr(packtrial, "_TIMEOUT", 1.0)
    assert bench.run("PLAIN", "HANG") == 2
    assert "it does not end within 1 s" in capsys.readouterr().err
    assert bench.run("HANG", "PLAIN") == 0
    (found,) = json.loads(bench.report.read_text())["programs"]
    assert "plain it does not end" in found["not_run"] and "set `upx_check`" in found["not_run"]


def test_where_it_cannot_be_run(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.run("PLAIN", "OTHER", architecture="s390x") == 3
    assert "the image is for s390x" in capsys.readouterr().out
    bench.means = []
    assert bench.run("PLAIN", "OTHER") == 3
    assert "neither bubblewrap" in capsys.readouterr().out
