"""From a plan to the tar that engines load, beside sha256 and gzip of the same bytes alone.

Run from the repository's root: `python3 -m benchmarks.assembly --help`; see README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import command, measure, pages
from benchmarks.machine import describe
from benchmarks.measure import Times
from benchmarks.ours import CannotMeasure, static_program
from benchmarks.pages import REPOSITORY
from benchmarks.record import Aim, Record
from benchmarks.report import aims_table, speeds_table
from benchmarks.sysroot_tool import Tool

PAGE = pages.ASSEMBLY
#: Where the content comes from: programs and libraries, as images have them.
FOLDERS = ("/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib")
IMAGE: dict[str, Any] = {
    "version": 1,
    "artifact": "image.tar",
    "names": [
        {
            "name": "benchmark:latest",
            "repository": "benchmark",
            "tag": "latest",
            "template": "latest",
        }
    ],
    "config": {
        **{"entrypoint": ["/program"], "cmd": [], "env": {}, "user": "65532:65532", "labels": {}},
        **{"ports": [], "volumes": [], "workdir": None, "stop_signal": None},
    },
}
_LARGEST = 64 << 20  # one file must not be most of the image
_GZIP = 'cat "$1"/* | gzip -6 | cat >/dev/null'


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.assembly", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--megabytes", type=int, default=150, help="of files, before their libraries"
    )
    parser.add_argument(
        "--python", help="one that has what the bundler imports (default: a new environment)"
    )
    command.add_options(parser, PAGE)
    options = command.parse(parser, arguments)
    if options.megabytes < 1:
        parser.error("at least one megabyte")
    return options


def lacking() -> list[str]:
    return [name for name in ("sh", "cat", "gzip", "sha256sum") if shutil.which(name) is None]


class Job:
    """`sizes` are bytes: of the files, of the tar."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.load = os.getloadavg()[0]
        self.ours, self.floor = Times(), Times()
        self.peaks: dict[str, int] = {}
        self.sizes = (0, 0)

    def prepare(self) -> None:
        self.tool = Tool(REPOSITORY, self.scratch, self.options.python)
        content = self.scratch / "content"
        _fill(content, self.options.megabytes * 1_000_000)
        program = self.scratch / "program" / "program"
        program.parent.mkdir()
        program.write_bytes(static_program(platform.machine()))
        program.chmod(0o755)
        request = {
            "version": 1,
            "address": "//benchmark:assembly",
            "trees": [
                _tree(program.parent, "program", "/"),
                _tree(content, "file", "/content"),
            ],
            "entrypoint": ["/program"],
        }
        asked, self.plan = self.scratch / "request.json", self.scratch / "plan"
        asked.write_text(json.dumps(request))
        self.tool.call("plan", f"--request={asked}", f"--out={self.plan}")
        (self.scratch / "image.json").write_text(json.dumps(IMAGE))
        # With the libraries that what was copied needs.
        self.blobs = self.plan / "blobs"
        self.sizes = (sum(blob.stat().st_size for blob in self.blobs.iterdir()), 0)
        self._ours()  # compiles, and fills the page cache

    def run(self) -> None:
        for number in range(self.options.rounds):
            command.say(f"round {number + 1}")
            for times, job in ((self.ours, self._ours), (self.floor, self._floor)):
                times.add(job())

    def stop(self) -> None:
        pass

    def _ours(self) -> float:
        """Seconds of all processes, one after the other; a build runs layers side by side."""
        out = self.scratch / "out"
        shutil.rmtree(out, ignore_errors=True)
        layout = out / "layout"
        layout.mkdir(parents=True)
        steps = json.loads((self.plan / "steps.json").read_text())
        seconds, layers = 0.0, []
        for number, layer in enumerate(steps["layers"], 1):
            folder = out / str(number)
            seconds += self._step(
                "layer",
                f"--projection={self.plan / layer['projection']}",
                f"--blobs={self.blobs}",
                f"--out={folder}",
            )
            shutil.copytree(folder / "blobs", layout / "blobs", dirs_exist_ok=True)
            layers.append(str(folder / "layer.json"))
        seconds += self._step(
            "image",
            f"--request={self.scratch / 'image.json'}",
            *("--layer", *layers),
            f"--plan={self.plan / 'plan.json'}",
            f"--layers={layout}",
            f"--tar={out / 'image.tar'}",
            f"--out={out / 'image'}",
        )
        self.sizes = (self.sizes[0], (out / "image.tar").stat().st_size)
        return seconds

    def _step(self, *arguments: str) -> float:
        answer = self.tool.child("command", {"arguments": list(arguments)})
        memory = answer["peak"] + (os.cpu_count() or 1) * answer["child_peak"]
        self.peaks[arguments[0]] = max(memory, self.peaks.get(arguments[0], 0))
        return float(answer["seconds"])

    def _floor(self) -> float:
        files = sorted(map(str, self.blobs.iterdir()))
        return measure.run(["sha256sum", *files], self.scratch) + measure.run(
            ["sh", "-c", _GZIP, "sh", str(self.blobs)], self.scratch
        )

    def page(self) -> str:
        date = f" on {self.options.date}" if self.options.date else ""
        files, tar = self.sizes
        parts = [
            "# Benchmarks of the assembly",
            "Written by `python3 -m benchmarks.assembly`; benchmarks/README.md says how to run it.",
            f"Measured{date}. {describe()}. Load average before the start: {self.load:.1f}. "
            f"Rounds: {self.options.rounds}; figures are medians. {files / 1e6:.0f} MB of programs "
            f"and libraries become an image of {tar / 1e6:.0f} MB.",
            self._table(),
            "Memory: " + ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in self._peaks()),
            "## What we set ourselves",
            aims_table(self.record().aims),
        ]
        return "\n\n".join(parts) + "\n"

    def _table(self) -> str:
        rows = {
            "ours: every layer, then image and tar, one process after the other": self.ours,
            "floor: `sha256sum`, then `gzip -6`": self.floor,
        }
        return speeds_table(
            {name: times.median or 0.0 for name, times in rows.items()}, self.sizes[0]
        )

    def record(self) -> Record:
        ratio = measure.paired(self.ours, self.floor, lambda a, b: a / b) or 0.0
        peak = max(self.peaks.values())
        return Record(
            (
                Aim("ours ÷ floor ≤ 2", f"{ratio:.2f}", ratio <= 2),
                Aim("memory < 300 MB", f"{peak / 1e6:.0f} MB", peak < 300e6),
            ),
            self._table(),
        )

    def _peaks(self) -> list[tuple[str, int]]:
        return [
            (f"`{name}` with all of its processes at most", size)
            for name, size in self.peaks.items()
        ]


def _tree(root: Path, role: str, path: str) -> dict[str, Any]:
    return {"root": str(root), "origin": "//benchmark", "role": role, "path": path}


def _fill(folder: Path, size: int) -> None:
    """Copies files of this machine until they have `size` bytes."""
    folder.mkdir()
    total = 0
    for top in FOLDERS:
        if not os.path.isdir(top):
            continue
        for entry in sorted(os.scandir(top), key=lambda entry: entry.name):
            if not entry.is_file(follow_symlinks=False) or entry.name in os.listdir(folder):
                continue
            length = entry.stat().st_size
            if length > _LARGEST or entry.stat().st_mode & 0o7000:
                continue
            shutil.copyfile(entry.path, folder / entry.name)
            total += length
            if total >= size:
                return
    raise CannotMeasure(f"this machine has not {size} bytes of programs and libraries")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    return command.run(options, lacking(), partial(Job, options), PAGE)


if __name__ == "__main__":
    sys.exit(main())
