"""The committed pages, their records, the overview and the README say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from benchmarks import overview
from benchmarks.pages import DOCS, KEPT, MAIN_JOB, PAGES, REPOSITORY, Page
from benchmarks.record import Record
from benchmarks.report import aims_table, picture

each_page = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
AIMS = "## What we set ourselves\n\n"


def record(page: Page) -> Record:
    found = overview.read(DOCS / KEPT)[page.name]
    assert found is not None, f"docs/{page.record} is missing"
    return found


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table's lines."""
    for line in text.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def aims(page: Page) -> list[list[str]]:
    text = page.path.read_text(encoding="utf-8").partition(AIMS)[2].partition("\n\n")[0]
    return list(rows(text))[2:]


@each_page
def test_a_page_has_the_aims_of_its_record(page: Page) -> None:
    text = page.path.read_text(encoding="utf-8")
    assert f"{AIMS}{aims_table(record(page).aims)}\n" in text


@each_page
def test_every_aim_of_a_page_is_in_the_overview(page: Page) -> None:
    found = list(rows((DOCS / overview.PAGE).read_text(encoding="utf-8")))
    assert aims(page)
    for aim in aims(page):
        assert [f"[{page.name}]({page.file})", *aim] in found


@each_page
def test_a_page_has_the_date_the_machine_the_table_and_the_plot_of_its_record(page: Page) -> None:
    text, kept = page.path.read_text(encoding="utf-8"), record(page)
    assert f"Measured on {kept.date}. {kept.machine}. " in text
    assert {tuple(row) for row in rows(kept.table)} <= {tuple(row) for row in rows(text)}
    assert kept.chart is None or picture(page, kept.chart) in text


@each_page
def test_a_page_names_the_script_that_wrote_it(page: Page) -> None:
    text = page.path.read_text(encoding="utf-8")
    assert f"Written by `python3 -m benchmarks.{page.name}`; " in text


def test_the_overview_the_plots_and_the_readme_are_made_of_the_records() -> None:
    for path, text in overview.derived(REPOSITORY).items():
        told = "python3 -m benchmarks.overview --write"
        assert (REPOSITORY / path).read_text(encoding="utf-8") == text, f"{path} is old: {told}"


def test_no_page_and_no_record_is_left_of_something_else() -> None:
    assert {path.name for path in DOCS.glob("benchmarks*.md")} == {
        overview.PAGE,
        *(page.file for page in PAGES),
    }
    kept = {page.record for page in PAGES}
    kept |= {page.chart for page in PAGES if record(page).chart is not None}
    assert {f"{KEPT}/{path.name}" for path in (DOCS / KEPT).iterdir()} == kept


def test_the_figures_of_the_readme_stand_in_the_page_that_it_names() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    shown = readme.partition(overview.BEGIN)[2].partition(overview.END)[0]
    assert f"(docs/{MAIN_JOB.file})" in shown
    text = MAIN_JOB.path.read_text(encoding="utf-8")
    figures = {cell.replace(" ▼", "") for row in rows(text) for cell in row}
    numbers = [
        number
        for row in list(rows(shown))[2:]
        for number in re.findall(r"[\d.]+", " ".join(row[1:]))
    ]
    assert len(numbers) > 20
    assert not [number for number in numbers if number not in figures]
    names = [row[0] for row in list(rows(shown))[2:] if not row[0].startswith("**this**")]
    assert names and set(names) <= figures
