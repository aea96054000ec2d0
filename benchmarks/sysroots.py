"""Images from locked packages: builds, a lock that grows, large sysroots, sizes.

Run from the repository's root: `python3 -m benchmarks.sysroots --help`; see README.md.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks import (
    command,
    image_file,
    measure,
    pages,
    report,
    rows,
    sysroot_builds,
    sysroot_peers,
    sysroot_report,
)
from benchmarks.command import say
from benchmarks.engine import Engine
from benchmarks.machine import describe
from benchmarks.main_job import WAYS
from benchmarks.ours import Ours
from benchmarks.ours_times import NO_OP_PAIRS, FirstTimes, OurTimes, first_times
from benchmarks.pages import REPOSITORY
from benchmarks.peers.peer import Peer
from benchmarks.record import Record
from benchmarks.rows import Row
from benchmarks.sysroot_builds import FLAGSHIP, FLAGSHIP_PACKAGES, Growing
from benchmarks.sysroot_packages import Archive
from benchmarks.sysroot_peers import NETWORK, SCENARIOS
from benchmarks.sysroot_plan import LargeSysroot, PlanRuns
from benchmarks.sysroot_tool import Tool

PAGE = pages.SYSROOTS
SUITE = "bookworm"
PARTS = ("builds", "peers", "growing", "large", "sizes")
WITH_PANTS = {"builds", "growing", "sizes"}
NEEDED = ("sh", "cp", "gzip", "tar", "gpgv")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.sysroots", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", action="append", choices=PARTS, help="only this (repeatable)")
    parser.add_argument("--engine", default="docker", metavar="PROGRAM")
    parser.add_argument(
        "--python",
        metavar="PROGRAM",
        help="one that has what the bundler imports (default: a new environment from its lock)",
    )
    command.add_options(parser, PAGE)
    return command.parse(parser, arguments)


class Job:
    """One run: what each part measured; a part that is left out stays empty."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.parts = set(options.part or PARTS)
        self.load = os.getloadavg()[0]
        engine = Engine(options.engine)
        self.engine_version = engine.version()
        self.engine = engine if self.engine_version else None
        self.ours = Ours(REPOSITORY, scratch)
        self.first: FirstTimes | None = None
        self.builds: dict[str, OurTimes] = {}
        self.rows: dict[str, list[Row]] = {}
        self.peers: list[tuple[Peer | None, Row]] = []
        self.growing: Growing | None = None
        self.large: PlanRuns | None = None
        self.sizes: dict[str, image_file.Sizes] = {}

    def prepare(self) -> None:
        self.pants = self.ours.version()
        tool = Tool(REPOSITORY, self.scratch, self.options.python)
        archive = Archive(tool, self.scratch)
        mirror = archive.base_url(SUITE)
        locks = self.ours.root / "sysroots"
        archive.fetch(archive.scope(locks / "bookworm.lock", FLAGSHIP_PACKAGES))
        local = (archive.option(),)
        if "large" in self.parts:
            say("a large sysroot")
            self.large = PlanRuns(LargeSysroot(tool, archive, self.scratch, SUITE), say)
        if "peers" in self.parts:
            say("what the peers start from")
            self.peers = sysroot_peers.all_peers(SUITE, mirror, self.scratch, self.engine)
        if not WITH_PANTS & self.parts:
            return
        say("Pants with every cache empty")
        self.first = first_times(self.ours, self.scratch)
        if "builds" in self.parts:
            for scenario in SCENARIOS:
                self._add_builds(scenario, () if scenario == NETWORK else local)
        if "growing" in self.parts:
            say("a lock, and one with a package more")
            self.growing = Growing(self.ours, archive, SUITE, self.scratch, say)
            self.growing.prepare(self.first.primed)
        if "sizes" in self.parts:
            archive.fetch(archive.scope(locks / "upx.lock"))
            caches = self.first.primed.copied(self.scratch / "store-sizes")
            self.sizes = sysroot_builds.sizes(self.ours, caches, local, say)
            shutil.rmtree(caches.store)

    def _add_builds(self, scenario: str, options: Sequence[str]) -> None:
        pairs = 0 if scenario == NETWORK else NO_OP_PAIRS
        self.builds[scenario] = OurTimes(
            self.ours, FLAGSHIP, self.scratch, say, options, no_op_pairs=pairs
        )
        named = (f"{FLAGSHIP}, {scenario}, {way}" for way in WAYS)
        self.rows[scenario] = [Row(name, False, ours=True) for name in named]

    def run(self) -> None:
        order = random.Random(0)
        for number in range(self.options.rounds):
            jobs: list[Callable[[int], None]] = [partial(self._build, name) for name in self.builds]
            jobs += [partial(self._peer, peer, row) for peer, row in self.peers if peer]
            jobs += [part.round for part in (self.growing, self.large) if part is not None]
            order.shuffle(jobs)
            for job in jobs:
                job(number)

    def _build(self, scenario: str, number: int) -> None:
        assert self.first is not None
        times = self.builds[scenario]
        times.round(self.first.primed, number)
        for row, way in zip(self.rows[scenario], (times.without_daemon, times.with_daemon)):
            row.cold, row.no_op, row.digests = way.image_cold, way.image_no_op, times.digests
            if number == 0:
                rows.look_at_archive(row, self.ours.product(FLAGSHIP), self.engine)

    def _peer(self, peer: Peer, row: Row, number: int) -> None:
        if row.why_not is not None:
            return
        say(f"round {number + 1}: {peer.name}")
        try:
            rows.one_round(peer, row, self.engine, self.scratch)
        except measure.CommandFailed as error:
            row.why_not = str(error)
        if self.engine is not None:
            self.engine.prune(sysroot_peers.LABEL)

    def stop(self) -> None:
        self.ours.stop()
        if self.engine is not None and "peers" in self.parts:
            sysroot_peers.forget_bases(self.engine)

    def page(self) -> str:
        date = f" on {self.options.date}" if self.options.date else ""
        parts = [
            "# Benchmarks of sysroots",
            "Written by `python3 -m benchmarks.sysroots`; benchmarks/README.md says how to run it "
            "and what each figure means.",
            f"Measured{date}. {describe()}. Load average before the start: {self.load:.1f}.",
            "Versions: " + ", ".join(self._versions()) + ".",
            f"Rounds: {self.options.rounds}; figures are medians, ratios are medians over the "
            "rounds. MB are 10⁶ bytes. Rows that say *network* depend on the network.",
        ]
        parts += sysroot_report.builds(self.first, self.builds, self.rows, self.peers)
        parts += sysroot_report.growing(self.growing)
        parts += sysroot_report.large(self.large)
        parts += sysroot_report.sizes(self.sizes)
        if aims := self.record().aims:
            parts += ["## What we set ourselves", report.aims_table(aims)]
        parts += sysroot_report.commands(self.peers)
        return "\n\n".join(part for part in parts if part) + "\n"

    def record(self) -> Record:
        aims = sysroot_report.aims(self.builds, self.growing, self.large)
        return Record(tuple(aims), not_run=sysroot_report.not_run(self.peers, self.large))

    def _versions(self) -> list[str]:
        programs = ("gpgv", "debootstrap", "tar") if self.peers else ("gpgv", "tar")
        told = [measure.first_line([name, "--version"]) for name in programs]
        engine = f"{self.options.engine} {self.engine_version}" if self.engine else "no engine"
        return [self.pants, *(text for text in told if text), engine]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    return command.run(options, lacking, partial(Job, options), PAGE)


if __name__ == "__main__":
    sys.exit(main())
