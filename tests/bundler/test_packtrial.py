"""Packed programs beside the plain ones. What stands for a packed one is compiled, not packed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import __main__ as commands
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.isolation import bubblewrap, memory
from pants_plugin_minimg.bundler.isolation.command import Command, Outcome, Unusable
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.trials import packtrial
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
#ifndef QUICK
    usleep(50000);
#endif
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

    def run(
        self, plain: str, packed: str, *options: str, mode: int = 0o755, **platform: str
    ) -> int:
        """`plain` and `packed` are macros of the source, `mode` is the program's."""
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
        entries = with_parents([Entry(b"/bin/tool", "file", mode, content=sha)])
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
    assert (found["status"], found["same_output"]) == (3, True)
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


def test_memory_of_one_that_ends_at_once_is_not_known(bench: Bench) -> None:
    """Not the launcher's, nor what the program had when it began."""
    assert bench.run("QUICK", "QUICK") == 0
    (found,) = json.loads(bench.report.read_text())["programs"]
    assert all((found[key] or 1 << 20) > 300_000 for key in ("plain_memory", "packed_memory"))


def test_a_process_is_looked_at_as_itself() -> None:
    """Not before it is another program than what starts it, and not once only."""
    shell, sleep = (os.path.realpath(program(name)) for name in ("sh", "sleep"))
    watcher, other = memory.Watcher(0, shell), memory.Watcher(0, sleep)
    with subprocess.Popen([sleep, "60"]) as child:
        seen = []
        for _ in range(2):
            for each in (watcher, other):
                each.look(child.pid)
            seen.append((watcher.peak is None, other.peak is None))
        child.kill()
    assert seen == [(True, True), (False, True)]


def test_output_that_differs_by_nature_does_not_count(bench: Bench) -> None:
    assert bench.run("TIME", "TIME") == 0
    (found,) = json.loads(bench.report.read_text())["programs"]
    assert not found["same_output"]


def test_one_that_hangs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packtrial, "_TIMEOUT", 1.0)
    assert bench.run("PLAIN", "HANG") == 2
    assert "it does not end within 2 s" in capsys.readouterr().err
    assert bench.run("HANG", "PLAIN") == 0
    (found,) = json.loads(bench.report.read_text())["programs"]
    assert "plain it does not end" in found["not_run"] and "set `upx_check`" in found["not_run"]


@pytest.mark.skipif(os.getuid() != 0, reason="the user that runs the test owns the file")
def test_one_that_its_user_may_not_start(bench: Bench) -> None:
    assert bench.run("PLAIN", "SAME", mode=0o700) == 0
    (found,) = json.loads(bench.report.read_text())["programs"]
    assert found["status"] == 127


class Scripted:
    """What the plain and the packed program answer, one after the other."""

    name = "a script"

    def __init__(self, plain: list[Outcome], packed: list[Outcome]) -> None:
        self.answers = {False: iter(plain), True: iter(packed)}
        self.order = ""
        self.limits: list[float] = []

    def run(self, command: Command) -> Outcome:
        self.order += "+" if command.mounts else "-"
        self.limits.append(command.timeout)
        return next(self.answers[bool(command.mounts)])


def said(out: str, status: int = 0, errors: str = "") -> Outcome:
    return Outcome(status, out.encode(), errors.encode(), 0.1)


HANGS = Outcome(None, b"", b"", 30.0, timed_out=True)
HOW = packtrial.How(("--version",), 1, 1, {})


def tried(plain: list[Outcome], packed: list[Outcome]) -> tuple[packtrial.Tried, Scripted]:
    isolation = Scripted(plain, packed)
    return packtrial.run(packtrial.Program(b"/p", "p"), HOW, isolation), isolation


def differing(plain: list[Outcome], packed: list[Outcome]) -> str:
    with pytest.raises(MinimgError, match="^MINIMG-E042 /p: ") as error:
        tried(plain, packed)
    return str(error.value)


def test_the_plain_one_is_run_first_and_last() -> None:
    found, isolation = tried([said("a")] * 4, [said("a")] * 11)
    assert isolation.order == "-+-+-+" + "+" * 8 + "-"
    assert (found.status, found.same_output) == (0, True)
    # Slower to start, and eight on as few cores as there are: no reason to fail.
    assert isolation.limits == [30, 60] * 3 + [480] * 8 + [30]


def test_a_clock_that_goes_on_only_while_the_packed_one_runs() -> None:
    found, _ = tried([said("1")] * 3 + [said("2")], [said("1")] * 3 + [said("2")] * 8)
    assert not found.same_output


def test_of_output_that_differs_by_nature_something_must_be_there() -> None:
    plain = [said(str(number)) for number in range(4)]
    assert "another thing" in differing(plain, [said("7")] * 10 + [said("")])
    assert "another thing" in differing(plain, [said("7", errors="!")] * 11)


def test_a_status_that_differs_by_nature_tells_nothing() -> None:
    found, _ = tried([said("", 0), said("", 3), said("", 0), said("", 0)], [said("", 255)] * 11)
    assert found.to_json() == {
        "path": "/p",
        "not_run": "plain it ends with 0 and 3 by turns: set `upx_check`",
    }


def test_one_that_fails_only_beside_others() -> None:
    problem = differing([said("a")] * 4, [said("a")] * 9 + [said("a", 139), said("a")])
    assert "run with `--version` beside others of its kind, it ends with 139" in problem


def test_a_machine_that_has_not_the_memory_for_eight() -> None:
    found, _ = tried([said("a")] * 4, [said("a")] * 10 + [said("", 137)])
    assert found.not_run == "8 at once it was killed, as for want of memory"
    hollow = [said("a", 255)] * 10 + [said("", 137)]
    assert "it ends with 255, and plain with 0" in differing([said("a")] * 4, hollow)
    assert "it ends with 137, and plain with 0" in differing([said("a")] * 4, [said("", 137)] * 11)


def test_a_machine_that_is_busy_at_last() -> None:
    found, _ = tried([said("a")] * 3 + [HANGS], [said("a")] * 11)
    assert found.not_run == "plain it ends with 0 and nothing in time by turns: set `upx_check`"


def test_nothing_is_waited_for_twice() -> None:
    found, isolation = tried([HANGS], [])
    assert isolation.order == "-" and "does not end within 30 s" in (found.not_run or "")
    assert "it does not end within 60 s" in differing([said("a")], [HANGS])
    beside = differing([said("a")] * 3, [said("a")] * 10 + [HANGS])
    assert "beside others of its kind, it does not end within 480 s" in beside


def test_where_it_cannot_be_run(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.run("PLAIN", "OTHER", architecture="s390x") == 3
    assert "the image is for s390x" in capsys.readouterr().out
    bench.means = []
    assert bench.run("PLAIN", "OTHER") == 3
    assert "neither bubblewrap" in capsys.readouterr().out
