"""Runs packed programs beside the plain ones, and compares what they do.

UPX's own test passes on programs that are broken, and some fail only now and then, or side by side.
Nothing of the result reaches an image: a program that differs fails the build, and all else is a
report.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
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

#: Each in turn with the plain program, for the time to start; and side by side.
_ALONE, _TOGETHER = 3, 8
#: Seconds of the plain program. A packed one starts slower, and those side by side share the cores.
_TIMEOUT = 30.0
_ALONE_LIMIT, _TOGETHER_LIMIT = 2, 2 * _TOGETHER


@dataclass(frozen=True)
class Program:
    """A packed program: its path in the image, and the file with its packed bytes."""

    path: bytes
    packed: str


@dataclass(frozen=True)
class Tried:
    """`not_run` says why nothing can be said. Times to start are seconds, memory bytes.

    `status` is that of both. Without `same_output` the program prints another thing each time, so
    only the status was compared.
    """

    path: str
    not_run: str | None = None
    status: int | None = None
    same_output: bool = True
    plain_seconds: float = 0.0
    packed_seconds: float = 0.0
    plain_memory: int | None = None
    packed_memory: int | None = None

    def to_json(self) -> dict[str, Any]:
        if self.not_run is not None:
            return {"path": self.path, "not_run": self.not_run}
        return {
            "path": self.path,
            "status": self.status,
            "same_output": self.same_output,
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
        """Those that UPX packed, copied below `scratch` as they will be in the image.

        `packed` has SHA and SHA.json of each.
        """
        found: list[Program] = []
        for entry in self.entries:
            report = os.path.join(packed, f"{entry.content}.json")
            if entry.kind == "file" and os.path.exists(report):
                if jsonfile.load(report).get("outcome") == "packed":
                    copy = os.path.join(scratch, f"packed-{len(found)}")
                    shutil.copyfile(os.path.join(packed, str(entry.content)), copy)
                    materialize.own(os.fsencode(copy), entry)
                    os.chmod(copy, entry.mode)
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
    # The plain program is the first and the last to run: what changes with time, as a clock does,
    # then changes among its own answers too.
    plain, alone = [], []
    as_plain = _command(program, how, _TIMEOUT, packed=False)
    by_itself = _command(program, how, _TIMEOUT * _ALONE_LIMIT, packed=True)
    for _ in range(_ALONE):
        plain.append(isolation.run(as_plain))
        if plain[-1].timed_out:
            return Tried(path, f"plain it does not end within {_TIMEOUT:g} s: set `upx_check`")
        alone.append(isolation.run(by_itself))
        if alone[-1].timed_out:
            raise _broken(path, how, _endless(by_itself), beside=False)
    side_by_side = _command(program, how, _TIMEOUT * _TOGETHER_LIMIT, packed=True)
    with ThreadPoolExecutor(_TOGETHER) as pool:
        together = list(pool.map(lambda _: isolation.run(side_by_side), range(_TOGETHER)))
    if any(outcome.timed_out for outcome in together):
        raise _broken(path, how, _endless(side_by_side), beside=True)
    plain.append(isolation.run(as_plain))
    statuses = {outcome.status for outcome in plain}
    if len(statuses) > 1:
        told = " and ".join(sorted(_told(status) for status in statuses))
        return Tried(path, f"plain it ends with {told} by turns: set `upx_check`")
    for outcomes, beside in ((alone, False), (together, True)):
        if beside and _killed(together) and not _killed(alone):
            return Tried(path, f"{_TOGETHER} at once it was killed, as for want of memory")
        for outcome in outcomes:
            problem = _difference(outcome, plain)
            if problem is not None:
                raise _broken(path, how, problem, beside)
    return Tried(
        path,
        None,
        plain[0].status,
        len({_output(outcome) for outcome in plain}) == 1,
        statistics.median(outcome.seconds for outcome in plain),
        statistics.median(outcome.seconds for outcome in alone),
        _memory(plain),
        _memory(alone),
    )


def _command(program: Program, how: How, timeout: float, packed: bool) -> Command:
    path = os.fsdecode(program.path)
    return Command(
        argv=(path, *how.arguments),
        env=how.env,
        uid=how.uid,
        gid=how.gid,
        timeout=timeout,
        read_only=True,
        mounts={path: program.packed} if packed else {},
    )


def _endless(command: Command) -> str:
    return f"it does not end within {command.timeout:g} s"


def _told(status: int | None) -> str:
    return "nothing in time" if status is None else str(status)


def _killed(outcomes: Sequence[Outcome]) -> bool:
    """By SIGKILL, which no broken program gets that was started before."""
    return any(outcome.status == 128 + signal.SIGKILL for outcome in outcomes)


def _output(outcome: Outcome) -> tuple[bytes, bytes]:
    return outcome.stdout, outcome.stderr


def _difference(packed: Outcome, plain: Sequence[Outcome]) -> str | None:
    """What `packed` does that none of `plain` does, whose status is one."""
    if packed.status != plain[0].status:
        return f"it ends with {packed.status}, and plain with {plain[0].status}"
    # Of what differs by nature this much can still be told: that something is printed.
    for told in (_output, lambda outcome: tuple(map(bool, _output(outcome)))):
        known = {told(outcome) for outcome in plain}
        if len(known) == 1:
            return None if told(packed) in known else "it prints another thing than plain"
    return None


def _broken(path: str, how: How, problem: str, beside: bool) -> MinimgError:
    when = " beside others of its kind" if beside else ""
    arguments = f"with `{' '.join(how.arguments)}`" if how.arguments else "without arguments"
    return MinimgError(
        "MINIMG-E042",
        path,
        f"packed by UPX and run {arguments}{when}, {problem}",
        "Leave it plain (`upx=False`), or try another setting of `upx`.",
    )


def _memory(outcomes: Sequence[Outcome]) -> int | None:
    known = [outcome.peak for outcome in outcomes if outcome.peak is not None]
    return max(known) if known else None
