"""Runs all benchmarks, prints their pages and at last the overview; see README.md.

Each script runs in a process of its own, one after the other. One that fails does not stop the
others; what could not be measured is listed at the end, and the status is then 1.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import overview, peers, runner
from benchmarks.command import say
from benchmarks.pages import PAGES, Page

#: Options that are handed on to the scripts which know them.
HANDED_ON: dict[str, dict[str, Any]] = {
    "upx-rounds": {"type": int, "help": "rounds of the rows with UPX"},
    "counts": {"type": int, "nargs": "+", "help": "how many images"},
    "slow": {"action": "store_true", "help": "also what takes many minutes a row"},
    "engine": {"metavar": "PROGRAM", "help": "docker, or what answers as it does"},
    "python": {"metavar": "PROGRAM", "help": "one that has what the bundler imports"},
    "lddtree": {"metavar": "PROGRAM", "help": "pax-utils' own"},
    **{tool: {"metavar": "PROGRAM", "help": "this peer"} for tool in peers.TOOLS},
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [page.name for page in PAGES]
    parser = argparse.ArgumentParser(
        prog="python3 -m benchmarks",
        description=__doc__,
        epilog="Pages: " + "; ".join(f"{page.name}, {page.what}" for page in PAGES) + ".",
    )
    for name, what in (("only", "run this page alone"), ("skip", "leave this page out")):
        parser.add_argument(
            f"--{name}", action="append", choices=names, metavar="PAGE", help=f"{what} (repeatable)"
        )
    parser.add_argument("--rounds", type=int, help="of each page (default: its own)")
    parser.add_argument("--date", help="the date to print; the clock is not asked")
    parser.add_argument(
        "--write", action="store_true", help="write docs/ and the figures of the README"
    )
    parser.add_argument("--scratch", type=Path, help="where to work (default: new folders)")
    for name, how in HANDED_ON.items():
        knows = ", ".join(page.name for page in PAGES if name in page.options)
        parser.add_argument(f"--{name}", **{**how, "help": f"{how['help']}: {knows}"})
    options = parser.parse_args(arguments)
    if options.write and not options.date:
        parser.error("--write needs --date")
    if not chosen(options):
        parser.error("no page is left")
    return options


def chosen(options: argparse.Namespace) -> list[Page]:
    only, skipped = options.only or [page.name for page in PAGES], options.skip or ()
    return [page for page in PAGES if page.name in only and page.name not in skipped]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    # A plain `kill` too ends the script that runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if options.scratch is not None:
        options.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        outcomes = runner.run_all(chosen(options), options, Path(folder))
        print(overview.markdown(overview.read(Path(folder))), end="", flush=True)
    complaints = list(runner.complaints(outcomes))
    say("\n".join(["Not measured:", *complaints]) if complaints else "All was measured.")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
