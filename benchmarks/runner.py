"""Runs the pages' scripts one after the other, each in a process of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import CANNOT, say
from benchmarks.pages import Page
from benchmarks.record import Record, from_json

#: What every script knows, and hands on when it was given.
COMMON = ("rounds", "date", "write", "scratch")


@dataclass(frozen=True)
class Outcome:
    """`why` is None when the page was measured, however much of it could not be: that is in the
    record. It is in one line."""

    page: Page
    record: Record | None
    why: str | None = None


def command(page: Page, options: argparse.Namespace, record: Path) -> list[str]:
    """The page's script with those of `options` that it knows and that were given."""
    argv = [sys.executable, "-m", f"benchmarks.{page.name}", f"--record={record}"]
    for name in (*COMMON, *page.options):
        value = getattr(options, name.replace("-", "_"))
        if value is True:
            argv.append(f"--{name}")
        elif isinstance(value, list):
            argv += [f"--{name}", *map(str, value)]
        elif value not in (None, False):
            argv.append(f"--{name}={value}")
    return argv


def run(page: Page, argv: Sequence[str], record: Path) -> Outcome:
    """Runs a script that prints its page and hands over `record`. What it says is passed on, and
    its last line is why it was not measured. When this is stopped, the script is, and is awaited.
    """
    last = ""
    sys.stdout.flush()
    with subprocess.Popen(
        list(argv), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as child:
        assert child.stderr is not None
        try:
            for line in child.stderr:
                print(line, end="", file=sys.stderr, flush=True)
                last = line.strip() or last
            status = child.wait()
        except BaseException:
            child.terminate()
            child.communicate()
            raise
    if status == CANNOT:
        return Outcome(page, None, f"not measured: {last}")
    if status != 0:
        return Outcome(page, None, f"failed with status {status}: {last}")
    if not record.exists():
        return Outcome(page, None, "failed: it handed over nothing")
    return Outcome(page, from_json(record.read_text(encoding="utf-8")))


def run_all(chosen: Sequence[Page], options: argparse.Namespace, folder: Path) -> list[Outcome]:
    """All pages in turn, whatever becomes of each; their records lie in `folder` then."""
    outcomes = []
    for number, page in enumerate(chosen, 1):
        say(f"{number} of {len(chosen)}, {page.name}: {page.what}")
        record = folder / Path(page.record).name
        began = time.monotonic()
        outcome = run(page, command(page, options, record), record)
        took = f"{time.monotonic() - began:.0f} s"
        say(f"{page.name}: {outcome.why or 'measured'} ({took})")
        print(flush=True)
        outcomes.append(outcome)
    return outcomes


def complaints(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What was not measured, a line each."""
    for outcome in outcomes:
        if outcome.why is not None:
            yield f"{outcome.page.name}: {outcome.why}"
        for part in outcome.record.not_run if outcome.record else ():
            yield f"{outcome.page.name}, {part.what}: not run: {part.why}"
