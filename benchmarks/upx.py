"""What each setting of UPX gains and costs, for git and hlint of this machine.

Run from the repository's root: `python3 -m benchmarks.upx --help`; see README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import command, measure, pages
from benchmarks.machine import describe
from benchmarks.pages import REPOSITORY
from benchmarks.record import Aim, Record
from benchmarks.report import aims_table, table_line
from benchmarks.sysroot_tool import Tool

PAGE = pages.UPX
PROGRAMS = ("/usr/bin/git", "/usr/bin/hlint")
SETTINGS: dict[str, tuple[str, ...]] = {
    '`upx="fast"` (`-1`)': ("-1",),
    '`upx="small"` (`-9`)': ("-9",),
    "`upx=True` (`--lzma`)": ("--lzma",),
    '`upx="smallest"` (`--best --lzma`)': ("--best", "--lzma"),
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.upx", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    command.add_options(parser, PAGE)
    return command.parse(parser, arguments)


def lacking() -> list[str]:
    return [name for name in ("git", "hlint", "upx", "bwrap") if shutil.which(name) is None]


class Job:
    """`rows`: program and setting -> facts; sizes are bytes, times seconds."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.load = os.getloadavg()[0]
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}

    def prepare(self) -> None:
        self.tool = Tool(REPOSITORY, self.scratch, None)
        for name, programs in (("plan", PROGRAMS), ("upx", (shutil.which("upx"),))):
            request = {
                "version": 1,
                "address": f"//benchmark:{name}",
                "executables": programs,
                "entrypoint": [programs[0]],
                "pack": True,
            }
            path = self.scratch / f"{name}.json"
            path.write_text(json.dumps(request))
            self.tool.call("plan", f"--request={path}", f"--out={self.scratch / name}")

    def run(self) -> None:
        for setting, arguments in SETTINGS.items():
            command.say(setting)
            self._setting(setting, arguments)

    def stop(self) -> None:
        pass

    def _setting(self, setting: str, arguments: tuple[str, ...]) -> None:
        out = self.scratch / hashlib.sha256(setting.encode()).hexdigest()[:8]
        plan = self.scratch / "plan"
        seconds = {}
        for item in json.loads((plan / "steps.json").read_text())["pack"]:
            seconds[item["path"]] = measure.run(
                [
                    *(self.tool.python, "-m", "pants_plugin_minimg.bundler", "pack"),
                    f"--tool={self.scratch / 'upx'}",
                    f"--content={plan / 'blobs' / item['content']}",
                    f"--sha={item['content']}",
                    f"--out={out}",
                    *(f"--arg={argument}" for argument in arguments),
                ],
                REPOSITORY,
            )
            report = json.loads((out / "packed" / f"{item['content']}.json").read_text())
            self.rows[item["path"], setting] = {"pack": seconds[item["path"]], **report}
        bubblewrap = shutil.which("bwrap")
        self.tool.call(
            "packtrial", f"--plan={plan / 'plan.json'}", f"--blobs={plan / 'blobs'}",
            f"--packed={out / 'packed'}", "--argument=--version", f"--bubblewrap={bubblewrap}",
            "--env=PATH=/usr/bin", f"--out={out / 'trial.json'}",
        )  # fmt: skip
        for item in json.loads((out / "trial.json").read_text())["programs"]:
            self.rows[item["path"], setting].update(item)

    def page(self) -> str:
        date = f" on {self.options.date}" if self.options.date else ""
        version = subprocess.run(["upx", "--version"], capture_output=True, text=True, check=False)
        parts = [
            "# Benchmarks of UPX",
            "Written by `python3 -m benchmarks.upx`; benchmarks/README.md says how to run it.",
            f"Measured{date}. {describe()}. Load average before the start: {self.load:.1f}. "
            f"{(version.stdout.splitlines() or ['upx'])[0]}. Start: `--version`, with what "
            "bubblewrap takes in it, the median; memory: the most that was seen.",
            *(f"## {path}\n\n{self._table(path)}" for path in PROGRAMS),
            "## What we set ourselves",
            aims_table(self.record().aims),
        ]
        return "\n\n".join(parts) + "\n"

    def record(self) -> Record:
        lzma = [facts for (_, setting), facts in self.rows.items() if "=True" in setting]
        others = {key: facts for key, facts in self.rows.items() if "smallest" not in key[1]}
        first = all(
            facts[size] < facts[size.replace("packed", "plain")]
            and all(
                other[size] >= facts[size]
                for (path, _), other in others.items()
                if path == facts["path"]
            )
            for facts in lzma
            for size in ("packed", "packed_wire")
        )
        text = "`upx=True` is smaller on disk and on the wire than plain and all but `smallest`"
        shares = (
            f"{facts['packed'] / facts['plain']:.2f} and "
            f"{facts['packed_wire'] / facts['plain_wire']:.2f} of plain"
            for facts in lzma
        )
        tables = (f"`{path}`:\n\n{self._table(path)}" for path in PROGRAMS)
        return Record((Aim(text, ", ".join(shares), first),), "\n\n".join(tables))

    def _table(self, path: str) -> str:
        titles = ["", "disk, MB", "wire, MB", "packs, s", "starts, ms", "memory, MB"]
        lines = [table_line(titles), table_line(["---", *["---:"] * 5])]
        rows = {setting: facts for (each, setting), facts in self.rows.items() if each == path}
        first = next(iter(rows.values()))
        lines.append(_line("plain", first, "plain", None))
        lines += [_line(setting, facts, "packed", facts["pack"]) for setting, facts in rows.items()]
        return "\n".join(lines)


def _line(name: str, facts: dict[str, Any], which: str, seconds: float | None) -> str:
    memory = facts.get(f"{which}_memory")
    return table_line(
        [
            name,
            f"{facts[which] / 1e6:.2f}",
            f"{facts[f'{which}_wire'] / 1e6:.2f}",
            "–" if seconds is None else f"{seconds:.1f}",
            f"{facts[f'{which}_seconds'] * 1000:.0f}",
            "–" if memory is None else f"{memory / 1e6:.0f}",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    return command.run(options, lacking(), partial(Job, options), PAGE)


if __name__ == "__main__":
    sys.exit(main())
