"""What a large sysroot costs: memory of `plan`, and the closure on stacked tars and a directory."""

from __future__ import annotations

import json
import os
import shutil
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import CommandFailed
from benchmarks.peers.peer import PROGRAMS
from benchmarks.sysroot_packages import Archive, Locked, extract
from benchmarks.sysroot_tool import Tool

# With all that they need, some 300 packages of bookworm.
LARGE = (
    *("ca-certificates", "curl", "ffmpeg", "git", "gnuplot-nox", "hlint", "imagemagick"),
    *("openssh-client", "python3", "vim"),
)
TARS, DIRECTORY = "tars", "directory"
SIDES = (TARS, DIRECTORY)
CLOSURE_PAIRS = 6
SMALL, ALL = "hlint and git", "all ELF programs of /usr/bin"


@dataclass
class Series:
    """Runs of one thing on both sides, neighbours in time: side to values."""

    values: dict[str, list[float]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def median(self, side: str) -> float | None:
        return statistics.median(self.values[side]) if self.values[side] else None

    def ratio(self) -> float | None:
        """Tars ÷ directory: the median over the pairs."""
        pairs = [a / b for a, b in zip(self.values[TARS], self.values[DIRECTORY])]
        return statistics.median(pairs) if pairs else None


class LargeSysroot:
    """Packages as they are read in place, and the same unpacked to a directory."""

    def __init__(self, tool: Tool, archive: Archive, scratch: Path, suite: str) -> None:
        self.tool, self.folder = tool, scratch / "large"
        self.folder.mkdir()
        lock = self.folder / "large.lock"
        archive.lock(suite, LARGE, lock)
        self.packages: list[Locked] = archive.scope(lock)
        archive.fetch(self.packages)
        folders = archive.unpack(self.packages, self.folder / "packages")
        root = self.folder / "root"
        extract(folders, root)
        self.deb_bytes = sum(package.size for package in self.packages)
        self.tar_bytes = sum((folder / "data.tar").stat().st_size for folder in folders)
        self.sysroots: dict[str, dict[str, Any]] = {
            TARS: {"kind": "debian", "packages": [str(folder) for folder in folders]},
            DIRECTORY: {"kind": "dir", "root": str(root)},
        }
        self.programs = sorted(
            f"/usr/bin/{entry.name}"
            for entry in os.scandir(root / "usr" / "bin")
            if entry.is_file() and os.access(entry.path, os.X_OK)
        )


class PlanRuns:
    """The rounds. `why_not` says what could not be planned."""

    def __init__(self, large: LargeSysroot, say: Callable[[str], None]) -> None:
        self.large, self.say = large, say
        names = ("open", "closure", "both", "process")
        self.closure = {name: Series() for name in names}
        self.memory = {wanted: Series() for wanted in (SMALL, ALL)}
        self.seconds = {wanted: Series() for wanted in (SMALL, ALL)}
        self.closure_memory = Series()
        self.answers: dict[str, dict[str, str]] = {}
        self.complete: list[str] = []
        self.why_not: dict[str, str] = {}

    def round(self, number: int) -> None:
        for pair in range(CLOSURE_PAIRS):
            for side in SIDES if pair % 2 == 0 else reversed(SIDES):
                self._closure(side)
        for wanted in (SMALL, ALL):
            for side in SIDES if number % 2 == 0 else reversed(SIDES):
                self._plan(side, wanted)

    def differing(self) -> list[str]:
        """Programs for which the two sides found different things."""
        tars, directory = (self.answers.get(side, {}) for side in SIDES)
        return sorted(path for path in tars if tars[path] != directory.get(path))

    def _closure(self, side: str) -> None:
        request = {"sysroot": self.large.sysroots[side], "programs": self.large.programs}
        told = self.large.tool.child("closure", request)
        for name in ("open", "closure"):
            self.closure[name].values[side].append(told[name])
        self.closure["both"].values[side].append(told["open"] + told["closure"])
        self.closure["process"].values[side].append(told["seconds"])
        self.closure_memory.values[side].append(told["peak"])
        self.answers[side] = told["answers"]
        if side == TARS:
            self.complete = told["complete"]
        self.say(f"closure on {side}: {told['open']:.2f} + {told['closure']:.2f} s")

    def _plan(self, side: str, wanted: str) -> None:
        if wanted in self.why_not:
            return
        out = self.large.folder / "plan"
        request = self.large.folder / "request.json"
        arguments = ["plan", f"--request={request}", f"--out={out}"]
        _write_request(request, self.large.sysroots[side], self._executables(wanted))
        try:
            told = self.large.tool.child("command", {"arguments": arguments})
        except CommandFailed as error:
            words = error.output.splitlines()
            self.why_not[wanted] = words[-1] if words else str(error)
            return
        finally:
            shutil.rmtree(out, ignore_errors=True)
        self.memory[wanted].values[side].append(told["peak"])
        self.seconds[wanted].values[side].append(told["inside"])
        self.say(f"plan of {wanted} on {side}: {told['inside']:.2f} s, {told['peak']} bytes")

    def _executables(self, wanted: str) -> list[str]:
        return list(PROGRAMS) if wanted == SMALL else self.complete


def _write_request(path: Path, sysroot: dict[str, Any], executables: list[str]) -> None:
    request = {
        "version": 1,
        "address": "//benchmark:large",
        "sysroot": sysroot,
        "executables": executables,
        "entrypoint": executables[:1],
        "package_records": True,
    }
    path.write_text(json.dumps(request))
