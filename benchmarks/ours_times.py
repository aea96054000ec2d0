"""What is measured of our own side, and in which order."""

from __future__ import annotations

import operator
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import image_file
from benchmarks.measure import Times, paired
from benchmarks.ours import ARCHIVE, TRIVIAL, Caches, Ours

NO_OP_PAIRS = 4


@dataclass
class Times4:
    """The four times of one way to run Pants, in seconds."""

    archive_cold: Times = field(default_factory=Times)
    image_cold: Times = field(default_factory=Times)
    archive_no_op: Times = field(default_factory=Times)
    image_no_op: Times = field(default_factory=Times)

    def beyond_runs(self) -> Times:
        """Seconds of the cold image beyond those of the cold archive, round by round."""
        pairs = zip(self.image_cold.runs, self.archive_cold.runs)
        return Times([image - archive for image, archive in pairs])

    def beyond(self) -> float | None:
        return self.beyond_runs().median

    def no_op_ratio(self) -> float | None:
        """The image's no-op by the archive's next to it."""
        return paired(self.image_no_op, self.archive_no_op, operator.truediv)


class OurTimes:
    """Measures one image target. All caches lie below `scratch`; each run gets `options`."""

    def __init__(
        self,
        ours: Ours,
        target: str,
        scratch: Path,
        say: Callable[[str], None],
        options: Sequence[str] = (),
        no_op_pairs: int = NO_OP_PAIRS,
    ) -> None:
        self.ours, self.target, self.scratch, self.say = ours, target, scratch, say
        self.options, self.no_op_pairs = options, no_op_pairs
        self.without_daemon, self.with_daemon = Times4(), Times4()
        self.digests: list[str] = []

    def round(self, primed: Caches, number: int) -> None:
        """One round of each way. `primed`: caches in which the sandbox tool is built."""
        self._round(primed, False, self.without_daemon, number)
        self._round(primed, True, self.with_daemon, number)
        self.ours.stop()
        for pantsd in (False, True):
            shutil.rmtree(self._store(pantsd, number), ignore_errors=True)

    def _round(self, primed: Caches, pantsd: bool, times: Times4, number: int) -> None:
        caches = primed.copied(self._store(pantsd, number))
        if pantsd:
            self._run(TRIVIAL, caches, pantsd)
        cold = [(ARCHIVE, times.archive_cold), (self.target, times.image_cold)]
        for target, into in cold if number % 2 == 0 else reversed(cold):
            into.add(self._run(target, caches, pantsd))
        self.digests.append(image_file.digest(self.ours.product(self.target)))
        no_op = [(ARCHIVE, times.archive_no_op), (self.target, times.image_no_op)]
        for pair in range(self.no_op_pairs):
            for target, into in no_op if pair % 2 == 0 else reversed(no_op):
                into.add(self._run(target, caches, pantsd))

    def _store(self, pantsd: bool, number: int) -> Path:
        return self.scratch / f"store-{'on' if pantsd else 'off'}-{number}"

    def _run(self, target: str, caches: Caches, pantsd: bool) -> float:
        seconds = self.ours.package(target, caches, pantsd, self.options)
        self.say(f"{target} {'with' if pantsd else 'without'} pantsd: {seconds:.2f} s")
        return seconds


@dataclass(frozen=True)
class FirstTimes:
    """Seconds with every cache empty, once: they depend on the network."""

    archive: float
    trivial: float
    primed: Caches

    @property
    def tool(self) -> float:
        """The build of the sandbox tool, at most: the trivial image's own steps are in it."""
        return self.trivial - self.archive


def first_times(ours: Ours, scratch: Path) -> FirstTimes:
    empty = Caches(scratch / "store-archive", scratch / "named-archive")
    archive = ours.package(ARCHIVE, empty, False)
    primed = Caches(scratch / "store-primed", scratch / "named-primed")
    return FirstTimes(archive, ours.package(TRIVIAL, primed, False), primed)
