"""The main job, hlint and git as an image, beside the systems that do the same.

Run from the repository's root: `python3 -m benchmarks.main_job --help`; see README.md.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks import command, measure, pages, peers, report, rows
from benchmarks.command import say
from benchmarks.engine import Engine
from benchmarks.machine import describe
from benchmarks.ours import HOST_UPX, PLAIN, RECORDS, UPX, Ours
from benchmarks.ours_times import FirstTimes, OurTimes, Times4, first_times
from benchmarks.pages import REPOSITORY
from benchmarks.peers.peer import PROGRAMS, Peer
from benchmarks.record import Figures, NotRun, Record
from benchmarks.rows import Row

PAGE = pages.MAIN_JOB
WAYS = ("without pantsd", "with pantsd")
# A target: what the tables call it, and whether it is packed.
TARGETS = {PLAIN: ("plain", False), UPX: ("UPX", True), RECORDS: ("plain, with records", False)}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.main_job", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the plain rows")
    parser.add_argument("--upx-rounds", type=int, default=2, help="rounds of the rows with UPX")
    parser.add_argument("--slow", action="store_true", help="also rows of ten minutes (one round)")
    parser.add_argument("--only", choices=("peers", "ours"), help="leave the other side out")
    for tool in peers.TOOLS:
        parser.add_argument(f"--{tool}", default=tool, metavar="PROGRAM")
    parser.add_argument("--engine", default="docker", metavar="PROGRAM")
    command.add_options(parser, PAGE)
    options = command.parse(parser, arguments)
    if options.upx_rounds < 1:
        parser.error("at least one round")
    return options


def lacking() -> list[str]:
    """What this machine lacks for any row."""
    missing = [f"{program} (apt-get install hlint git)" for program in PROGRAMS]
    missing = [text for text in missing if not os.access(text.split()[0], os.X_OK)]
    tools = ("sh", "cp", "gzip", "tar", "ldd", "readelf", "awk", "sed")
    return missing + [name for name in tools if shutil.which(name) is None]


class Job:
    """One run of the benchmark: the rows fill up round by round, all systems in each round."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.load = os.getloadavg()[0]
        engine = Engine(options.engine)
        self.engine_version = engine.version()
        self.engine = engine if self.engine_version else None
        self.peers: list[tuple[Peer, Row]] = []
        self.first: FirstTimes | None = None
        self.ours: list[tuple[OurTimes, list[Row]]] = []
        self.versions: list[str] = []

    def prepare(self) -> None:
        if self.options.only != "ours":
            tools = {name: _absolute(getattr(self.options, name)) for name in peers.TOOLS}
            for peer in peers.all_peers(tools, self.options.engine):
                why = rows.why_not(peer, self.engine, self.options.slow)
                self.peers.append((peer, Row(peer.name, peer.upx, why_not=why, note=peer.note)))
                if why is None and (told := rows.version(peer)) not in self.versions:
                    self.versions += [told] if peer.program != "sh" else []
        if self.options.only != "peers":
            ours = Ours(REPOSITORY, self.scratch)
            self.versions.append(ours.version())
            self.first = first_times(ours, self.scratch)
            for target, (_, upx) in TARGETS.items():
                ways = [Row(f"{target}, {way}", upx, ours=True) for way in WAYS]
                times = OurTimes(ours, target, self.scratch, say, (HOST_UPX,))
                self.ours.append((times, ways))

    def run(self) -> None:
        order = random.Random(0)
        for number in range(max(self.options.rounds, self.options.upx_rounds)):
            jobs = [("peer", index) for index in range(len(self.peers))]
            jobs += [("ours", index) for index in range(len(self.ours))]
            order.shuffle(jobs)
            for side, index in jobs:
                (self._peer if side == "peer" else self._ours)(index, number)

    def _rounds(self, upx: bool) -> int:
        return int(self.options.upx_rounds if upx else self.options.rounds)

    def _peer(self, index: int, number: int) -> None:
        peer, row = self.peers[index]
        if row.why_not is not None or number >= (1 if peer.slow else self._rounds(peer.upx)):
            return
        say(f"round {number + 1}: {peer.name}")
        try:
            rows.one_round(peer, row, self.engine, self.scratch)
        except measure.CommandFailed as error:
            row.why_not = str(error)

    def _ours(self, index: int, number: int) -> None:
        times, ways = self.ours[index]
        if number >= self._rounds(ways[0].upx):
            return
        assert self.first is not None
        times.round(self.first.primed, number)
        product = times.ours.product(times.target)
        for row, way in zip(ways, (times.without_daemon, times.with_daemon)):
            row.cold, row.no_op, row.digests = way.image_cold, way.image_no_op, times.digests
        if number == 0:
            for row in ways:
                rows.look_at_archive(row, product, self.engine)

    def stop(self) -> None:
        for times, _ in self.ours:
            times.ours.stop()

    def page(self) -> str:
        all_rows, ways = self._rows(), self._ways()
        date = f" on {self.options.date}" if self.options.date else ""
        parts = [
            "# Benchmarks of the main job: hlint and git",
            "Written by `python3 -m benchmarks.main_job`; benchmarks/README.md says how to run it "
            "and what each column means.",
            f"Measured{date}. {describe()}. Load average before the start: {self.load:.1f}.",
            "Versions: " + ", ".join([*self.versions, *self._machine_versions()]) + ".",
            f"Rounds: {self.options.rounds} (UPX: {self.options.upx_rounds}, slow rows: 1); "
            "figures are medians, and every round runs all systems, in an order that changes. ▼ "
            "marks a figure of ours that a peer whose image starts betters. MB are 10⁶ bytes.",
            report.main_table(all_rows),
            report.failures(all_rows),
        ]
        if self.first is not None:
            parts += ["## Where the time of ours goes", report.pants_table(self.first, ways)]
            parts += ["## What we set ourselves", report.aims_table(self.record().aims)]
        if self.peers:
            parts += ["## The peers' commands", report.commands([peer for peer, _ in self.peers])]
        return "\n\n".join(part for part in parts if part) + "\n"

    def record(self) -> Record:
        aims = report.targets(self._rows(), self._ways()) if self.first is not None else ()
        slow = self.options.slow
        # What nobody asked for is not lacking.
        missing = report.not_run([row for peer, row in self.peers if slow or not peer.slow])
        if self.engine is None:
            missing += (NotRun("loading and starting", f"no {self.options.engine} answers"),)
        return Record(tuple(aims), figures=tuple(self._figures()), not_run=missing)

    def _figures(self) -> Iterator[Figures]:
        """What a user would ask for, in brackets what Pants alone takes, then the peers whose
        images start."""
        for target, name in ((PLAIN, "**this**"), (UPX, "**this**, UPX")):
            packed = TARGETS[target][1]
            for times, ours in self.ours:
                pairs = zip(WAYS, ours, (times.without_daemon, times.with_daemon))
                for way, row, alone in pairs if times.target == target else ():
                    pants = (alone.archive_no_op.median, alone.archive_cold.median)
                    yield report.figures(f"{name}, {way}", row, pants)
            for _, row in self.peers:
                if row.upx == packed and row.why_not is None and (row.starts or not row.tried):
                    yield report.figures(row.name, row)

    def _rows(self) -> list[Row]:
        return [row for _, ways in self.ours for row in ways] + [row for _, row in self.peers]

    def _ways(self) -> list[tuple[str, Times4]]:
        found = []
        for times, _ in self.ours:
            kind = TARGETS[times.target][0]
            for way, values in zip(WAYS, (times.without_daemon, times.with_daemon)):
                found.append((f"{kind}, {way}", values))
        return found

    def _machine_versions(self) -> list[str]:
        told = [measure.first_line([name, "--version"]) for name in (*PROGRAMS, "upx", "ldd")]
        engine = f"{self.options.engine} {self.engine_version}" if self.engine else "no engine"
        return [text for text in told if text] + [engine]


def _absolute(program: str) -> str:
    """A program as a path that holds in any folder; a bare name stays for PATH."""
    return str(Path(program).absolute()) if "/" in program else program


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    return command.run(options, lacking(), partial(Job, options), PAGE)


if __name__ == "__main__":
    sys.exit(main())
