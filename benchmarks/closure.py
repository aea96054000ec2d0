"""The closure command beside a traced loader and lddtree, its memory, growth and start.

Run from the repository's root: `python3 -m benchmarks.closure --help`; see README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import command, measure, pages
from benchmarks.machine import describe
from benchmarks.measure import Times
from benchmarks.pages import REPOSITORY
from benchmarks.record import Aim, Chart, Line, NotRun, Record
from benchmarks.report import aims_table, picture, table_line
from tests.bundler.elf_builder import GLIBC, Spec, build

PAGE = pages.CLOSURE
FOLDER = "/usr/bin"
ONE = "/usr/bin/git"
LOADER = os.fsdecode(GLIBC)
NAMES = ("ours", "traced", "ldd", "lddtree", "lddtree, one call")
#: Libraries of a generated chain, of which each needs the next, and of a star around one program.
GROWTH = (2_500, 5_000, 10_000)

_LDD = 'for file; do ldd "$file"; done >/dev/null 2>&1; true'
_TRACE = 'for file; do LD_TRACE_LOADED_OBJECTS=1 "$LOADER" "$file"; done >/dev/null 2>&1; true'
_LDDTREE = 'for file; do "$LDDTREE" -l "$file"; done >/dev/null 2>&1; true'
_ALL = '"$LDDTREE" -l "$@" >/dev/null 2>&1; true'
_CLOSURE = "from pants_plugin_minimg.bundler.__main__ import main; main({arguments!r})"
_PEAK = """
import re, sys
sys.stdout = open("/dev/null", "w")
{closure}
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read()).group(1), file=sys.stderr)
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.closure", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lddtree", default="lddtree", metavar="PROGRAM", help="pax-utils' own")
    command.add_options(parser, PAGE)
    return command.parse(parser, arguments)


def lacking() -> list[str]:
    missing = [] if os.access(ONE, os.X_OK) else [f"{ONE} (apt-get install git)"]
    return missing + ([] if os.access(LOADER, os.X_OK) else [f"{LOADER} (an x86-64 machine)"])


@dataclass
class Growth:
    """`chain` and `star`: seconds by the number of libraries."""

    chain: dict[int, Times] = field(default_factory=lambda: {count: Times() for count in GROWTH})
    star: dict[int, Times] = field(default_factory=lambda: {count: Times() for count in GROWTH})


class Job:
    """Every round runs all that is measured, in an order that changes."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.load = os.getloadavg()[0]
        self.lddtree = shutil.which(options.lddtree)
        # A script: that it is there does not say that its modules are.
        self.version = self.lddtree and measure.first_line([self.lddtree, "--version"])
        self.times = {name: Times() for name in NAMES}
        self.start, self.empty = Times(), Times()
        self.growth = Growth()
        self.peak = 0
        self.files: list[str] = []
        self.dynamic: list[str] = []

    def prepare(self) -> None:
        self.files = sorted(
            entry.path for entry in os.scandir(FOLDER) if entry.is_file(follow_symlinks=False)
        )
        document = self.scratch / "closure.json"
        self._ours(["--json", *self.files], output=document)
        answers = json.loads(document.read_text())["files"]
        self.dynamic = [answer["path"] for answer in answers if answer["kind"] == "dynamic"]
        self.loaded = sum(len(answer["loaded"]) for answer in answers)
        for count in GROWTH:
            _generate(self.scratch / f"chain{count}", count, lambda index: [index + 1])
            _generate(self.scratch / f"star{count}", count, lambda _: [])
        self.peak = self._peak(["closure", "--json", *self.files])
        self._empty()

    def run(self) -> None:
        order = random.Random(0)
        for number in range(self.options.rounds):
            jobs: list[tuple[Times, Callable[[], float]]] = [
                (self.times["ours"], partial(self._ours, ["--json", *self.files])),
                (self.times["traced"], partial(self._shell, _TRACE)),
                (self.times["ldd"], partial(self._shell, _LDD)),
                (self.start, partial(self._ours, [ONE])),
                (self.empty, self._empty),
            ]
            if self.version and number == 0:  # minutes
                jobs.append((self.times["lddtree"], partial(self._shell, _LDDTREE)))
                jobs.append((self.times["lddtree, one call"], partial(self._shell, _ALL)))
            for name, grown in (("chain", self.growth.chain), ("star", self.growth.star)):
                for count in GROWTH:
                    root = self.scratch / f"{name}{count}"
                    jobs.append(
                        (grown[count], partial(self._ours, ["--json", f"--root={root}", "/main"]))
                    )
            order.shuffle(jobs)
            command.say(f"round {number + 1}")
            for times, job in jobs:
                times.add(job())

    def stop(self) -> None:
        pass

    def _python(self, *arguments: str) -> list[str]:
        return [sys.executable, "-S", *arguments]

    def _environment(self) -> dict[str, str]:
        """Byte code is kept, as where a package was installed, but not in the repository."""
        return {"PYTHONPYCACHEPREFIX": str(self.scratch / "pyc"), "PYTHONDONTWRITEBYTECODE": ""}

    def _ours(self, arguments: Sequence[str], output: Path = Path(os.devnull)) -> float:
        words = self._python("-m", "pants_plugin_minimg.bundler", "closure", *arguments)
        # Something in /usr/bin may lack a library: 1 is no failure here.
        script = f'"$@" >{output}; test $? -le 1'
        return measure.run(["sh", "-c", script, "sh", *words], REPOSITORY, self._environment())

    def _empty(self) -> float:
        words = [sys.executable, "-I", "-S", "-c", "pass"]
        return measure.run(["sh", "-c", '"$@" >/dev/null; test $? -le 1', "sh", *words], REPOSITORY)

    def _shell(self, script: str) -> float:
        variables = {"LOADER": LOADER, "LDDTREE": self.lddtree or ""}
        return measure.run(["sh", "-c", script, "sh", *self.dynamic], REPOSITORY, variables)

    def _peak(self, arguments: Sequence[str]) -> int:
        code = _PEAK.format(closure=_CLOSURE.format(arguments=list(arguments)))
        text = measure.run_and_read(self._python("-c", code), REPOSITORY, self._environment())[1]
        return int(text.splitlines()[-1]) * 1024

    def page(self) -> str:
        date = f" on {self.options.date}" if self.options.date else ""
        versions = [f"CPython {sys.version.split()[0]}", self.version or "no lddtree"]
        parts = [
            "# Benchmarks of the closure",
            "Written by `python3 -m benchmarks.closure`; benchmarks/README.md says how to run it.",
            f"Measured{date}. {describe()}. Load average before the start: {self.load:.1f}. "
            f"Versions: {', '.join(versions)}. Rounds: {self.options.rounds} (lddtree: 1); figures "
            "are medians.",
            f"## All of {FOLDER}",
            f"{len(self.files)} files, of which {len(self.dynamic)} are programs of the dynamic "
            f"loader, which load {self.loaded} libraries in all. The others get the programs "
            "alone, from one shell.",
            self._peers(),
            "## Growth",
            "A program whose libraries need each other in a chain, and one that needs all itself.",
            self._growth(),
            picture(PAGE, self._chart()),
            "## Start",
            f"From start to answer for {ONE}: {_ms(self.start)}; an empty `python -I -S`: "
            f"{_ms(self.empty)}.",
            "## What we set ourselves",
            aims_table(self._aims()),
        ]
        return "\n\n".join(parts) + "\n"

    def _peers(self) -> str:
        ours = self.times["ours"].median
        lines = [table_line(["", "seconds", "÷ ours"]), table_line(["---", "---:", "---:"])]
        shown = {
            "ours": "`closure --json`, all files in one call",
            "traced": "`LD_TRACE_LOADED_OBJECTS=1 ld.so FILE`, a call a file",
            "ldd": "`ldd FILE`, a call a file",
            "lddtree": "`lddtree -l FILE`, a call a file",
            "lddtree, one call": "`lddtree -l FILE…`, all files in one call",
        }
        for name, times in self.times.items():
            median = times.median
            if median is None or ours is None:
                lines.append(table_line([shown[name], "not found", ""]))
            else:
                lines.append(table_line([shown[name], f"{median:.2f}", f"{median / ours:.1f}"]))
        return "\n".join([*lines, "", f"Peak memory of ours: {self.peak / 1e6:.0f} MB."])

    def _growth(self) -> str:
        lines = [table_line(["libraries", *(f"{count:,}" for count in GROWTH)])]
        lines.append(table_line(["---", *("---:" for _ in GROWTH)]))
        for name, times in (("chain, s", self.growth.chain), ("star, s", self.growth.star)):
            lines.append(
                table_line([name, *(f"{times[count].median or 0:.2f}" for count in GROWTH)])
            )
        return "\n".join(lines)

    def record(self) -> Record:
        why = "does not run" if self.lddtree else "not found"
        missing = () if self.version else (NotRun("lddtree", f"{self.options.lddtree} {why}"),)
        return Record(tuple(self._aims()), self._peers(), self._chart(), not_run=missing)

    def _chart(self) -> Chart:
        lines = {"chain: each needs the next": self.growth.chain}
        lines["star: the program needs them all"] = self.growth.star
        return Chart(
            "Seconds to resolve a program, by the libraries that it loads",
            "libraries",
            "seconds",
            tuple(
                Line(name, tuple((count, round(times[count].median or 0, 3)) for count in GROWTH))
                for name, times in lines.items()
            ),
        )

    def _aims(self) -> list[Aim]:
        found = []
        for text, name, least in (
            ("one traced loader call a file ÷ ours ≥ 5", "traced", 5.0),
            ("lddtree, a call a file ÷ ours ≥ 50", "lddtree", 50.0),
        ):
            ratio = measure.paired(self.times[name], self.times["ours"], lambda a, b: a / b)
            if ratio is None:
                found.append(Aim(text, "not measured", None))
            else:
                found.append(Aim(text, f"{ratio:.1f}", ratio >= least))
        found.append(Aim("peak memory < 100 MB", f"{self.peak / 1e6:.0f} MB", self.peak < 1e8))
        for name, times in (("chain", self.growth.chain), ("star", self.growth.star)):
            share = GROWTH[-1] / GROWTH[0]
            ratio = measure.paired(times[GROWTH[-1]], times[GROWTH[0]], lambda a, b: a / b)
            if ratio is not None:
                text = f"{name} of {GROWTH[-1]:,} ÷ {GROWTH[0]:,} libraries ≤ {share:.0f}"
                found.append(Aim(text, f"{ratio:.1f}", ratio <= share))
        ratio = measure.paired(self.start, self.empty, lambda a, b: a / b)
        if ratio is not None:
            text = "start to answer ÷ an empty process < 4"
            found.append(Aim(text, f"{ratio:.1f}", ratio < 4))
        return found


def _ms(times: Times) -> str:
    return "–" if times.median is None else f"{times.median * 1000:.0f} ms"


def _generate(root: Path, count: int, needs: Callable[[int], list[int]]) -> None:
    """A root with `main`, which needs the first library or, where they need none, all of them."""
    folder, loader = root / "lib", root / LOADER.lstrip("/")
    folder.mkdir(parents=True)
    loader.parent.mkdir()
    shutil.copyfile(LOADER, loader)
    chained = bool(needs(0))
    for index in range(count):
        needed = [_name(other) for other in needs(index) if other < count]
        content = build(Spec(needed=needed, soname=_name(index)))
        (folder / os.fsdecode(_name(index))).write_bytes(content)
    first = [_name(index) for index in range(1 if chained else count)]
    main = root / "main"
    main.write_bytes(build(Spec(needed=first, interp=GLIBC)))
    main.chmod(0o755)


def _name(index: int) -> bytes:
    return b"lib%d.so" % index


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    return command.run(options, lacking(), partial(Job, options), PAGE)


if __name__ == "__main__":
    sys.exit(main())
