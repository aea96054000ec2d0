"""docs/benchmarks.md, the plots and the README's figures, from what the pages handed over.

`python3 -m benchmarks.overview --write` writes them anew from the records in docs/benchmarks/;
every benchmark does so with `--write`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from benchmarks import chart, pages
from benchmarks.pages import MAIN_JOB, PAGES, REPOSITORY, Page
from benchmarks.record import Record, from_json
from benchmarks.report import aim_cells, figures_table, picture, table_line

PAGE = "benchmarks.md"
BEGIN, END = (
    "<!-- figures: python3 -m benchmarks.overview --write -->\n",
    "<!-- end of figures -->\n",
)

#: What each page handed over, by its name; None for one that was not measured.
Records = Mapping[str, Optional[Record]]


def read(folder: Path) -> Records:
    """The records in a folder as docs/benchmarks/."""
    files = {page.name: folder / Path(page.record).name for page in PAGES}
    return {
        name: from_json(file.read_text(encoding="utf-8")) if file.exists() else None
        for name, file in files.items()
    }


def markdown(records: Records) -> str:
    """The overview. A page that was not measured is a row that says so."""
    parts = [
        "# Benchmarks",
        "Written by `python3 -m benchmarks.overview` from what the pages below handed over. "
        "[benchmarks/README.md](../benchmarks/README.md) says what each of them measures and "
        "how: `python3 -m benchmarks` runs all of them.",
        "## Three figures",
        *_three(records[MAIN_JOB.name], ""),
        "## Pages",
        _pages(records),
        *(_section(page, record) for page in PAGES if (record := records[page.name])),
        "## What we set ourselves",
        "A ratio is of runs in turn on one machine. *Beyond*: seconds of an image beyond those "
        "of an `archive`, which are Pants' own. A row that is neither met nor missed is there for "
        "comparison, or was not measured.",
        _aims(records),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def readme(text: str, records: Records) -> str:
    """The README with the figures of these records between its two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README lacks {BEGIN.strip()} or {END.strip()}")
    three = "\n\n".join(_three(records[MAIN_JOB.name], "docs/"))
    return "".join([before, begin, three, "\n", end, after])


def derived(repository: Path) -> dict[str, str]:
    """The text of each file that is made of the records, by its path in the repository."""
    records = read(repository / "docs" / pages.KEPT)
    old = (repository / "README.md").read_text(encoding="utf-8")
    files = {f"docs/{PAGE}": markdown(records), "README.md": readme(old, records)}
    for page in PAGES:
        record = records[page.name]
        if record is not None and record.chart is not None:
            files[f"docs/{page.chart}"] = chart.svg(record.chart)
    return files


def write(repository: Path) -> None:
    for path, text in derived(repository).items():
        (repository / path).write_text(text, encoding="utf-8")


def _three(record: Record | None, docs: str) -> list[str]:
    """`docs` is where docs/ lies, as the page refers to it."""
    if record is None or not record.figures:
        return ["Not measured."]
    date = f" on {record.date}" if record.date else ""
    return [
        f"Measured side by side{date}. {record.machine}. In brackets: what Pants takes for an "
        "`archive` of one small file. *From nothing*: with the sandbox tool built, and the page "
        "cache warm for all. No image here has records of packages: the peers write none.",
        figures_table(record.figures),
        f"The other columns, the peers' versions and commands: [{MAIN_JOB.file}]"
        f"({docs}{MAIN_JOB.file}).",
    ]


def _pages(records: Records) -> str:
    lines = [table_line(["page", "what it measures", "measured on", "aims met"])]
    lines.append(table_line(["---"] * 3 + ["---:"]))
    for page in PAGES:
        record = records[page.name]
        told = ["not measured", "–"]
        if record is not None:
            judged = [aim.met for aim in record.aims if aim.met is not None]
            told = [record.date or "–", f"{sum(judged)} of {len(judged)}"]
        lines.append(table_line([f"[{page.name}]({page.file})", page.what, *told]))
    return "\n".join(lines)


def _section(page: Page, record: Record) -> str:
    """A page's own table and plot; nothing for one that has neither."""
    shown = [record.table] if record.table else []
    shown += [picture(page, record.chart)] if record.chart else []
    title = f"### [{page.name}]({page.file}): {page.what}"
    return "\n\n".join([title, *shown]) if shown else ""


def _aims(records: Records) -> str:
    lines = [table_line(["page", "aim", "measured", ""])]
    lines.append(table_line(["---", "---", "---:", "---"]))
    for page in PAGES:
        record = records[page.name]
        aims = [["–", "not measured", ""]]
        if record is not None:
            aims = [aim_cells(aim) for aim in record.aims]
        lines += [table_line([f"[{page.name}]({page.file})", *cells]) for cells in aims]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.overview", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files that it makes")
    options = parser.parse_args(arguments)
    if options.write:
        write(REPOSITORY)
    print(derived(REPOSITORY)[f"docs/{PAGE}"], end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
