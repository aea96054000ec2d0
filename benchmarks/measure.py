"""Running a command and keeping its time."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


class CommandFailed(Exception):
    """A measured command ended with a status that is not 0. The text has its last lines,
    `output` all that it wrote."""

    def __init__(self, text: str, output: str = "") -> None:
        super().__init__(text)
        self.output = output


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> float:
    """Seconds of wall clock that `command` took. Raises CommandFailed."""
    return run_and_read(command, cwd, env)[0]


def run_and_read(
    command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None
) -> tuple[float, str]:
    """Seconds of wall clock, and both outputs as one text. Raises CommandFailed."""
    began = time.perf_counter()
    done = subprocess.run(
        list(command),
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    seconds = time.perf_counter() - began
    output = done.stdout.decode(errors="replace").strip()
    if done.returncode != 0:
        words = " / ".join(output.splitlines()[-8:])
        raise CommandFailed(f"`{' '.join(command)}` ended with {done.returncode}: {words}", output)
    return seconds, output


def first_line(command: Sequence[str], cwd: Path | None = None) -> str | None:
    """The first line that `command` prints, None when it cannot be run or fails."""
    try:
        done = subprocess.run(
            list(command), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except OSError:
        return None
    text = done.stdout.decode(errors="replace").strip()
    return text.splitlines()[0] if done.returncode == 0 and text else None


@dataclass
class Times:
    """Seconds of repeated runs of one thing."""

    runs: list[float] = field(default_factory=list)

    def add(self, seconds: float) -> None:
        self.runs.append(seconds)

    @property
    def median(self) -> float | None:
        return statistics.median(self.runs) if self.runs else None


def paired(ours: Times, theirs: Times, of: Callable[[float, float], float]) -> float | None:
    """The median of `of` over runs that were made next to each other."""
    pairs = [of(a, b) for a, b in zip(ours.runs, theirs.runs)]
    return statistics.median(pairs) if pairs else None
