"""What many images cost: cold, when nothing changed, and when one program of them did.

Run from the repository's root: `python3 -m benchmarks.scale --help`; see README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import truediv
from pathlib import Path

from benchmarks import command, measure, pages
from benchmarks.machine import describe
from benchmarks.measure import Times
from benchmarks.ours import Caches, Ours
from benchmarks.ours_times import FirstTimes, first_times
from benchmarks.pages import REPOSITORY
from benchmarks.record import Aim, Chart, Line, Record
from benchmarks.report import aims_table, picture, table_line
from benchmarks.scale_repository import EMPTY_OPTION, Images, empty_processes
from benchmarks.sysroot_tool import Tool

PAGE = pages.SCALE
#: The floor of a run in which nothing changed.
ARCHIVES = "nothing changed, as many archives, with pantsd"
#: As many processes stand out from what one start of Pants differs from the next by: a second.
_MANY = 1000
_CORES = os.cpu_count() or 1
_RAN = re.compile(r"Running (.*) under semaphore with concurrency id")
_KINDS = (
    ("plan", re.compile(r"Find what ")),
    ("layer", re.compile(r"Write layer ")),
    ("image and tar", re.compile(r"Write the image ")),
    ("index of packages", re.compile(r"Index what ")),
)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="of all but what is made of a thousand images for the first time",
    )
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 10, 100, 1000])
    command.add_options(parser, PAGE)
    return command.parse(parser, arguments)


@dataclass
class Measured:
    """Seconds, counts of processes by kind, and bytes.

    `cold_archives` are as many archives, of a process each, made for the first time; `cold_empties`
    as many processes as the images have, run by Pants too, that do nothing; `compression` of each
    different layer, once. With pantsd and unchanged: `declared` are as many images of a declared
    sysroot, and `beside_declared` the archives next to them; `large` are as many archives of as
    many bytes as the images, and `beside_large` the images next to them. Bytes are `memory` of the
    daemon, by how much the store grew for tars and for layouts, and `distinct`: of all files that
    are different among the programs and the layouts.
    """

    colds: Times = field(default_factory=Times)
    cold_archives: float = 0.0
    cold_empties: Times = field(default_factory=Times)
    compression: float = 0.0
    processes: Counter[str] = field(default_factory=Counter)
    no_op: dict[bool, Times] = field(default_factory=lambda: {True: Times(), False: Times()})
    archive: dict[bool, Times] = field(default_factory=lambda: {True: Times(), False: Times()})
    declared: Times = field(default_factory=Times)
    beside_declared: Times = field(default_factory=Times)
    large: Times = field(default_factory=Times)
    beside_large: Times = field(default_factory=Times)
    one_changed: Counter[str] = field(default_factory=Counter)
    one_changed_time: float = 0.0
    memory: int = 0
    store: int = 0
    layout_store: int = 0
    distinct: int = 0

    @property
    def cold(self) -> float:
        return self.colds.median or 0.0

    @property
    def cold_empty(self) -> float:
        return self.cold_empties.median or 0.0

    def processes_alone(self, empty: float) -> float:
        """Seconds of as many processes of `empty` seconds each, one after the other."""
        return sum(self.processes.values()) * empty

    def each(self, count: int, first: Measured) -> str:
        """Milliseconds that an image takes beyond the only one of `first`."""
        return f"{(self.cold - first.cold) / (count - 1) * 1000:.0f}" if count > 1 else ""

    def of_pants(self, count: int) -> float:
        """Milliseconds that Pants takes for a process which makes an archive."""
        return (self.cold_archives - (self.archive[False].median or 0.0)) / count * 1000

    def ratio(self, pantsd: bool) -> float:
        return measure.paired(self.no_op[pantsd], self.archive[pantsd], truediv) or 0.0

    def ratio_of_declared(self) -> float:
        """With pantsd, images of a declared sysroot to archives."""
        return measure.paired(self.declared, self.beside_declared, truediv) or 0.0

    def ratio_of_bytes(self) -> float:
        """With pantsd, to archives of as many bytes."""
        return measure.paired(self.beside_large, self.large, truediv) or 0.0


def kinds(log: str) -> Counter[str]:
    """The processes that ran, by what they are."""
    out: Counter[str] = Counter()
    for name in _RAN.findall(log):
        out[next((kind for kind, words in _KINDS if words.match(name)), name)] += 1
    return out


class Job:
    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.load = os.getloadavg()[0]
        self.ours: Ours | None = None
        self.found: dict[int, Measured] = {}

    def prepare(self) -> None:
        self.ours = Ours(REPOSITORY, self.scratch)
        self.version = self.ours.version()
        self.first: FirstTimes = first_times(self.ours, self.scratch)
        self.tool = Tool(REPOSITORY, self.scratch, None)
        self.images = {count: Images(self.ours.root, count) for count in self.options.counts}
        self.layouts = {
            count: Images(self.ours.root, count, "oci-layout") for count in self.options.counts
        }
        self.empty = self._empty()

    def run(self) -> None:
        for count in self.options.counts:
            command.say(f"{count} images")
            self.found[count] = self._measure(self.images[count], self.layouts[count])

    def stop(self) -> None:
        if self.ours is not None:
            self.ours.stop()

    def _empty(self) -> float:
        """Seconds of a process of the sandbox tool that does next to nothing."""
        times = Times()
        command = [*self.tool.built(), "layer", "--help"]
        for _ in range(20):
            times.add(measure.run(command, REPOSITORY))
        return times.median or 0.0

    def _package(
        self, targets: Sequence[str], caches: Caches, pantsd: bool, *options: str
    ) -> tuple[float, str]:
        assert self.ours is not None
        first, *others = targets
        argv = [*self.ours.command(first, caches, pantsd, options), *others]
        seconds, log = measure.run_and_read(argv, self.ours.root)
        return seconds, log

    def _measure(self, images: Images, layouts: Images) -> Measured:
        assert self.ours is not None
        out = Measured()
        caches = self.first.primed.copied(self.scratch / "store-scale")
        out.cold_archives = self._cold(images.archives())
        before = _size(caches.store)
        seconds, log = self._package(images.images(), caches, False, "--level=debug")
        out.processes = kinds(log)
        out.compression = self._compression(images)
        empties = empty_processes(self.ours.root, images.count, sum(out.processes.values()))
        for _ in range(1 if images.count >= _MANY else self.options.rounds):
            out.cold_empties.add(self._cold(empties, EMPTY_OPTION))
            shutil.rmtree(caches.store)
            caches = self.first.primed.copied(caches.store)
            seconds, _ = self._package(images.images(), caches, False)
            out.colds.add(seconds)
        out.store = _size(caches.store) - before
        command.say(
            f"  cold {out.cold:.1f} s, archives {out.cold_archives:.1f} s, "
            f"empty processes {out.cold_empty:.1f} s, "
            f"by themselves {out.processes_alone(self.empty):.1f} s, "
            f"compression {out.compression:.1f} s"
        )
        out.layout_store, out.distinct = self._stored(layouts)
        for pantsd in (False, True):
            # One store for both: another one would be another daemon.
            pair = [
                (images.archives(), out.archive[pantsd]),
                (images.images(), out.no_op[pantsd]),
            ]
            self._in_turn(pair, caches, pantsd)
            command.say(f"  no-op, pantsd {pantsd}: {out.ratio(pantsd):.2f} x an archive's")
        out.memory = self._memory()
        if images.count < _MANY:
            pair = [(images.archives(), out.beside_declared), (images.declared(), out.declared)]
            self._in_turn(pair, caches, True)
            command.say(f"  of a declared sysroot {out.ratio_of_declared():.2f} x an archive's")
        images.ballast(self._mean_size(images))
        pair = [(images.large_archives(), out.large), (images.images(), out.beside_large)]
        self._in_turn(pair, caches, True)
        command.say(f"  {out.ratio_of_bytes():.2f} x that of archives of as many bytes")
        images.change(images.count // 2, "changed")
        out.one_changed_time, log = self._package(images.images(), caches, True, "--level=debug")
        out.one_changed = kinds(log)
        command.say(f"  one changed: {_listed(out.one_changed)}")
        self.ours.stop()
        shutil.rmtree(caches.store, ignore_errors=True)
        return out

    def _in_turn(
        self, pair: Sequence[tuple[list[str], Times]], caches: Caches, pantsd: bool
    ) -> None:
        for targets, _ in pair:
            self._package(targets, caches, pantsd)
        for number in range(self.options.rounds):
            for targets, times in pair if number % 2 else reversed(pair):
                times.add(self._package(targets, caches, pantsd)[0])

    def _cold(self, targets: Sequence[str], *options: str) -> float:
        """Seconds of a first run, whose results are not kept."""
        caches = self.first.primed.copied(self.scratch / "store-cold")
        seconds, _ = self._package(targets, caches, False, *options)
        shutil.rmtree(caches.store)
        return seconds

    def _memory(self) -> int:
        """The daemon's resident bytes."""
        assert self.ours is not None
        for file in self.ours.root.glob(".pids/**/pantsd/pid"):
            status = Path(f"/proc/{file.read_text().strip()}/status")
            for line in status.read_text().splitlines() if status.exists() else ():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def _tars(self, images: Images) -> list[Path]:
        assert self.ours is not None
        return sorted((self.ours.root / "dist" / images.name).glob("image_*.tar"))

    def _mean_size(self, images: Images) -> int:
        """Bytes of an image's tar beyond its program's."""
        tars = self._tars(images)
        programs = sum(images.program(number).stat().st_size for number in range(images.count))
        return (sum(tar.stat().st_size for tar in tars) - programs) // len(tars)

    def _compression(self, images: Images) -> float:
        """The seconds that compressing each different layer takes."""
        tars = list(map(str, self._tars(images)))
        return float(self.tool.child("compress", {"images": tars})["compression"])

    def _stored(self, layouts: Images) -> tuple[int, int]:
        """By how much the store grows with layouts, and the bytes of what is different in it."""
        assert self.ours is not None
        caches = self.first.primed.copied(self.scratch / "store-layouts")
        before = _size(caches.store)
        self._package(layouts.images(), caches, False)
        grown = _size(caches.store) - before
        shutil.rmtree(caches.store)
        produced = (self.ours.root / "dist" / layouts.name).rglob("*")
        programs = map(layouts.program, range(layouts.count))
        files = [path for path in (*produced, *programs) if path.is_file()]
        sizes = {hashlib.sha256(path.read_bytes()).digest(): path.stat().st_size for path in files}
        return grown, sum(sizes.values())

    def page(self) -> str:
        date = f" on {self.options.date}" if self.options.date else ""
        parts = [
            "# Benchmarks of scale",
            "Written by `python3 -m benchmarks.scale`; benchmarks/README.md says how to run it.",
            f"Measured{date}. {describe()}. Load average before the start: {self.load:.1f}. "
            f"{self.version}. The sandbox tool is built, this machine's packages are indexed, and "
            "nothing else of the images is cached. An empty process of the tool, which prints the "
            f"help of a step, takes {self.empty * 1000:.0f} ms. What an archive's "
            "process takes is Pants' own share of each: it forks, and a larger Pants takes longer. "
            "That share is in the empty processes which Pants runs, as many and in as many targets "
            "as the images have. Compression is that of each different layer, once, on one core; "
            "beside what Pants runs it counts as on all. "
            "Images are of this machine, thousands of whose files are looked at in each run; those "
            "of a declared sysroot take the same libraries from a root file system. "
            "Archives of as many bytes hold ballast beside the program: Pants writes all that is "
            "packaged to dist/ again, however unchanged.",
            self._table(),
            picture(PAGE, self._chart()),
            f"The processes of one image: {_listed(self._one())}.",
            *(
                f"Of {count} images one changed: {_listed(one.one_changed)}."
                for count, one in self.found.items()
            ),
            "## What we set ourselves",
            aims_table(self._aims()),
        ]
        return "\n\n".join(parts) + "\n"

    def _one(self) -> Counter[str]:
        return self.found[min(self.found)].processes

    def _table(self) -> str:
        titles = [
            *("images", "cold, s", "ms an image beyond one", "processes"),
            *("as many empty ones, s", "by themselves, s", "compression, s"),
            *("archives cold: ms a process", "no-op, s", "÷ archives", "no-op, pantsd, s"),
            *("÷ archives", "declared sysroot ÷ archives", "÷ archives of as many bytes"),
            *("one changed, s", "its processes"),
            *("pantsd, MB", "store: tars, MB", "layouts, MB", "distinct bytes of these, MB"),
        ]
        lines = [table_line(titles), table_line(["---:"] * len(titles))]
        for count, one in self.found.items():
            lines.append(
                table_line(
                    [
                        str(count),
                        f"{one.cold:.1f}",
                        one.each(count, self.found[min(self.found)]),
                        str(sum(one.processes.values())),
                        f"{one.cold_empty:.1f}",
                        f"{one.processes_alone(self.empty):.1f}",
                        f"{one.compression:.1f}",
                        f"{one.of_pants(count):.0f}" if count >= _MANY else "",
                        f"{one.no_op[False].median or 0:.2f}",
                        f"{one.ratio(False):.2f}",
                        f"{one.no_op[True].median or 0:.2f}",
                        f"{one.ratio(True):.2f}",
                        f"{one.ratio_of_declared():.2f}" if one.declared.runs else "",
                        f"{one.ratio_of_bytes():.2f}",
                        f"{one.one_changed_time:.2f}",
                        str(sum(one.one_changed.values())),
                        f"{one.memory / 1e6:.0f}",
                        f"{one.store / 1e6:.1f}",
                        f"{one.layout_store / 1e6:.1f}",
                        f"{one.distinct / 1e6:.1f}",
                    ]
                )
            )
        return "\n".join(lines)

    def record(self) -> Record:
        return Record(tuple(self._aims()), self._table(), self._chart())

    def _chart(self) -> Chart:
        lines: dict[str, Callable[[Measured], float]] = {
            "cold, without pantsd": lambda one: one.cold,
            "one changed, with pantsd": lambda one: one.one_changed_time,
            "nothing changed, with pantsd": lambda one: one.no_op[True].median or 0.0,
            ARCHIVES: lambda one: one.archive[True].median or 0.0,
        }
        return Chart(
            "Seconds that Pants takes for many images",
            "images",
            "seconds",
            tuple(
                Line(
                    name,
                    tuple((count, round(of(one), 3)) for count, one in sorted(self.found.items())),
                    floor=name == ARCHIVES,
                )
                for name, of in lines.items()
            ),
            log=True,
        )

    def _floors(self, one: Measured, first: Measured) -> dict[str, float]:
        """Seconds that are the least for what is beyond the first image, by what they count."""
        alone = one.processes_alone(self.empty) - first.processes_alone(self.empty)
        compression = one.compression - first.compression
        return {
            # What Pants runs side by side is compressed side by side.
            "empty processes that Pants runs": (
                one.cold_empty - first.cold_empty + compression / _CORES
            ),
            "empty processes by themselves": alone + compression,
        }

    def _aim_of_declared(self, count: int, one: Measured) -> Aim:
        text = f"{count}: no-op of a declared sysroot ÷ archives', with pantsd ≤ 1.10"
        return Aim(text, f"{one.ratio_of_declared():.2f}", one.ratio_of_declared() <= 1.1)

    def _aims(self) -> list[Aim]:
        found = []
        first = self.found[min(self.found)]
        for count, one in self.found.items():
            for pantsd in (False, True):
                name = "with" if pantsd else "without"
                found.append(
                    Aim(
                        f"{count}: no-op ÷ archives', {name} pantsd ≤ 1.10",
                        f"{one.ratio(pantsd):.2f}",
                        one.ratio(pantsd) <= 1.1,
                    )
                )
            if one.declared.runs:
                found.append(self._aim_of_declared(count, one))
            if count == min(self.found):
                continue
            grown = one.layout_store / (one.distinct or 1)
            text = f"{count}: the store grows by layouts ÷ their distinct bytes ≤ 1.2"
            found.append(Aim(text, f"{grown:.2f}", grown <= 1.2))
            if count == 100:
                cost = one.cold / first.cold
                found.append(Aim("100: cold ÷ one image's ≤ 10", f"{cost:.1f}", cost <= 10))
            for what, floor in self._floors(one, first).items():
                cost = (one.cold - first.cold) / floor
                text = f"{count}: beyond one image ÷ ({what} + compression) ≤ 1.5"
                found.append(Aim(text, f"{cost:.2f}", cost <= 1.5))
            changed = sum(one.one_changed.values())
            alone = sum(self._one().values())
            found.append(
                Aim(
                    f"{count}: one changed: no more processes than one image has ({alone})",
                    str(changed),
                    changed <= alone,
                )
            )
        return found


def _listed(processes: Counter[str]) -> str:
    return ", ".join(f"{number} × {kind}" for kind, number in processes.items())


def _size(store: Path) -> int:
    """Bytes that the store's files take, holes apart."""
    return sum(
        os.lstat(os.path.join(folder, name)).st_blocks * 512
        for folder, _, names in os.walk(store)
        for name in names
    )


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    return command.run(options, [], partial(Job, options), PAGE)


if __name__ == "__main__":
    sys.exit(main())
