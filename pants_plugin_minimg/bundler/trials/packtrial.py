"""Runs packed programs beside the plain ones, and compares what they do.

UPX's own test passes on programs that are broken, and some fail only now and then, or side by side.
Nothing of the result reaches an image: a program that differs fails the build, and all else is a
report.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.isolation import materialize
from pants_plugin_minimg.bundler.isolation.command import Command, Isolation, Outcome
from pants_plugin_minimg.bundler.plan import Entry, order
from pants_plugin_minimg.bundler.text import text
from pants_plugin_minimg.bundler.trials.trial import MACHINES

#: One after the other, for the time to start; and side by side.
_ALONE, _TOGETHER = 3, 8
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Program:
    """A packed program: its path in the image, and the file with its packed bytes."""

    path: bytes
    packed: str


@dataclass(frozen=True)
class Tried:
    """`not_run` says why nothing can be said. Times to start are seconds, memory bytes."""

    path: str
    not_run: str | None = None
    plain_seconds: float = 0.0
    packed_seconds: float = 0.0
    plain_memory: int | None = None
    packed_memory: int | None = None

    def to_json(self) -> dict[str, Any]:
        if self.not_run is not None:
            return {"path": self.path, "not_run": self.not_run}
        return {
            "path": self.path,
            "plain_seconds": round(self.plain_seconds, 4),
            "packed_seconds": round(self.packed_seconds, 4),
            "plain_memory": self.plain_memory,
            "packed_memory": self.packed_memory,
        }


@dataclass(frozen=True)
class Plan:
    """What of plan.json is needed: the entries, and the platform's architecture."""

    entries: list[Entry]
    architecture: str

    @classmethod
    def load(cls, path: str) -> Plan:
        """Raises MinimgError MINIMG-E001."""
        raw = jsonfile.load(path)
        with jsonfile.reading(path):
            entries = [Entry.from_json(entry) for entry in raw["entries"]]
            return cls(entries, str(raw["platform"]["architecture"]))

    def runs_here(self) -> bool:
        return self.architecture in MACHINES.get(platform.machine(), ())

    def write(self, blobs: str, root: str) -> None:
        """The plain tree. Raises OSError."""
        materialize.write(
            sorted(self.entries, key=order),
            lambda entry: open(os.path.join(blobs, str(entry.content)), "rb"),
            root,
        )

    def programs(self, packed: str, scratch: str) -> list[Program]:
        """Those that UPX packed, copied below `scratch`, where the image's user can read them.

        `packed` has SHA and SHA.json of each.
        """
        found = []
        for entry in self.entries:
            report = os.path.join(packed, f"{entry.content}.json")
            if entry.kind == "file" and os.path.exists(report):
                if jsonfile.load(report).get("outcome") == "packed":
                    copy = os.path.join(scratch, f"packed-{entry.content}")
                    shutil.copyfile(os.path.join(packed, str(entry.content)), copy)
                    os.chmod(copy, 0o755)
                    found.append(Program(entry.path, copy))
        return found


@dataclass(frozen=True)
class How:
    """The arguments of each program, and the user and environment that it runs with."""

    arguments: tuple[str, ...]
    uid: int
    gid: int
    env: dict[str, str]


def run(program: Program, how: How, isolation: Isolation) -> Tried:
    """Raises MinimgError MINIMG-E042 for a packed program that does another thing."""
    path = text(program.path)
    plain = [isolation.run(_command(program, how, packed=False)) for _ in range(_ALONE)]
    if any(outcome.timed_out for outcome in plain):
        return Tried(path, f"plain it does not end within {_TIMEOUT:g} s: set `upx_check`")
    told = {(outcome.status, outcome.stdout, outcome.stderr) for outcome in plain}
    command = _command(program, how, packed=True)
    alone = [isolation.run(command) for _ in range(_ALONE)]
    with ThreadPoolExecutor(_TOGETHER) as pool:
        together = list(pool.map(lambda _: isolation.run(command), range(_TOGETHER)))
    for number, outcome in enumerate([*alone, *together]):
        problem = _difference(outcome, plain[0], len(told) == 1)
        if problem is not None:
            raise _broken(path, how, problem, beside=number >= _ALONE)
    return Tried(
        path,
        None,
        statistics.median(outcome.seconds for outcome in plain),
        statistics.median(outcome.seconds for outcome in alone),
        _memory(plain),
        _memory(alone),
    )


def _command(program: Program, how: How, packed: bool) -> Command:
    path = os.fsdecode(program.path)
    return Command(
        argv=(path, *how.arguments),
        env=how.env,
        uid=how.uid,
        gid=how.gid,
        timeout=_TIMEOUT,
        read_only=True,
        mounts={path: program.packed} if packed else {},
    )


def _difference(packed: Outcome, plain: Outcome, same_output: bool) -> str | None:
    """`same_output`: whether the plain program prints the same each time."""
    if packed.timed_out:
        return f"it does not end within {_TIMEOUT:g} s"
    if packed.status != plain.status:
        return f"it ends with {packed.status}, and plain with {plain.status}"
    if same_output and (packed.stdout, packed.stderr) != (plain.stdout, plain.stderr):
        return "it prints another thing than plain"
    return None


def _broken(path: str, how: How, problem: str, beside: bool) -> MinimgError:
    when = " beside others of its kind" if beside else ""
    arguments = " ".join(how.arguments)
    return MinimgError(
        "MINIMG-E042",
        path,
        f"packed by UPX and run with `{arguments}`{when}, {problem}",
        "Leave it plain (`upx=False`), or try another setting of `upx`.",
    )


def _memory(outcomes: Sequence[Outcome]) -> int | None:
    known = [outcome.peak for outcome in outcomes if outcome.peak is not None]
    return max(known) if known else None
