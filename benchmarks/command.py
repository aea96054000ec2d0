"""What every benchmark command does around its measuring: check, measure in a scratch, print."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from benchmarks import overview, pages
from benchmarks.machine import describe
from benchmarks.measure import CommandFailed
from benchmarks.ours import CannotMeasure
from benchmarks.pages import Page
from benchmarks.record import Record

#: The status of a benchmark that cannot be run on this machine.
CANNOT = 2


class Job(Protocol):
    def prepare(self) -> None: ...

    def run(self) -> None: ...

    def stop(self) -> None:
        """Ends what still runs, however far `prepare` and `run` came."""

    def page(self) -> str: ...

    def record(self) -> Record:
        """What `page` says, for the overview; without date and machine."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def add_options(parser: argparse.ArgumentParser, page: Page) -> None:
    """Those of every benchmark: where to work, and what to do with the page."""
    parser.add_argument("--scratch", type=Path, help="where to work (default: a new folder)")
    parser.add_argument("--date", help="the date to print; the clock is not asked")
    parser.add_argument("--write", action="store_true", help=f"write docs/{page.file}")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="write aims and plot there, as JSON"
    )


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    options = parser.parse_args(arguments)
    if options.write and not options.date:
        parser.error("--write needs --date")
    if options.rounds < 1:
        parser.error("at least one round")
    return options


def run(
    options: argparse.Namespace,
    lacking: Sequence[str],
    make: Callable[[Path], Job],
    page: Page,
) -> int:
    """Measures, prints the page and, with `--write`, writes it; the exit status.

    `make` gets a scratch folder (in `--scratch`), which is removed at the end.
    """
    # A plain `kill` too stops our daemon and removes the scratch folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if lacking:
        say("this machine lacks: " + ", ".join(lacking))
        return CANNOT
    if options.scratch is not None:
        options.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        job = None
        try:
            job = make(Path(folder).absolute())
            job.prepare()
            job.run()
        except (CannotMeasure, CommandFailed) as error:
            say(getattr(error, "output", ""))
            say(str(error))
            return CANNOT
        finally:
            if job is not None:
                job.stop()
        text = job.page()
        record = job.record().dated(options.date, describe()).to_json()
    print(text, end="")
    if options.record is not None:
        options.record.write_text(record, encoding="utf-8")
    if options.write:
        page.path.write_text(text, encoding="utf-8")
        (pages.DOCS / page.record).write_text(record, encoding="utf-8")
        overview.write(pages.REPOSITORY)
    return 0
