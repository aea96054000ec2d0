"""The overview, the plots and the README are what the pages handed over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Optional

import pytest

from benchmarks import overview
from benchmarks.pages import CLOSURE, MAIN_JOB, PAGES, SCALE, Page
from benchmarks.record import Aim, Chart, Figures, Line, Record

CHART = Chart("How it grows", "images", "seconds", (Line("cold", ((1, 1.0), (10, 2.0))),))
CLOSURES = Record(
    (Aim("a ≤ 2", "1.60", True), Aim("b ≤ 2", "2.60", False), Aim("c", "3", None)),
    table="| a table |\n| --- |",
    chart=CHART,
    date="2026-01-02",
    machine="A machine",
)
MAIN = Record(
    (Aim("d ≤ 1", "0.50", True),),
    figures=(Figures("**this**", "50.15", "12.65", "2.35 (2.12)", "5.49 (2.40)"),),
    date="2026-03-04",
    machine="Another machine",
)
README = f"before\n\n{overview.BEGIN}old\n{overview.END}\nafter\n"


def records(**given: Record) -> dict[str, Optional[Record]]:
    return {page.name: given.get(page.name) for page in PAGES}


def page_of(**given: Record) -> str:
    return overview.markdown(records(**given))


def repository(folder: Path, **given: Record) -> Path:
    (folder / "docs" / "benchmarks").mkdir(parents=True)
    (folder / "README.md").write_text(README)
    for name, record in given.items():
        (folder / "docs" / "benchmarks" / f"{name}.json").write_text(record.to_json())
    return folder


def test_every_aim_has_its_page_its_value_and_whether_it_is_met() -> None:
    lines = page_of(closure=CLOSURES, main_job=MAIN).splitlines()
    link = f"[closure]({CLOSURE.file})"
    assert f"| {link} | a ≤ 2 | 1.60 | met |" in lines
    assert f"| {link} | b ≤ 2 | 2.60 | **missed** |" in lines
    assert f"| {link} | c | 3 |  |" in lines
    assert f"| [main_job]({MAIN_JOB.file}) | d ≤ 1 | 0.50 | met |" in lines


def test_what_has_no_verdict_is_not_counted() -> None:
    lines = page_of(closure=CLOSURES).splitlines()
    assert f"| [closure]({CLOSURE.file}) | {CLOSURE.what} | 2026-01-02 | 1 of 2 |" in lines


def test_a_page_that_was_not_measured_is_said_not_left_out() -> None:
    lines = page_of(closure=CLOSURES).splitlines()
    assert f"| [scale]({SCALE.file}) | {SCALE.what} | not measured | – |" in lines
    assert f"| [scale]({SCALE.file}) | – | not measured |  |" in lines


def test_a_page_has_its_table_and_its_plot_there() -> None:
    text = page_of(closure=CLOSURES)
    assert f"### [closure]({CLOSURE.file}): {CLOSURE.what}\n\n| a table |\n| --- |\n\n" in text
    assert "![How it grows](benchmarks/closure.svg)" in text
    assert f"### [main_job]({MAIN_JOB.file})" not in page_of(main_job=MAIN)


def test_the_files_that_are_made_of_the_records(tmp_path: Path) -> None:
    files = overview.derived(repository(tmp_path, closure=CLOSURES, main_job=MAIN))
    assert set(files) == {"docs/benchmarks.md", "docs/benchmarks/closure.svg", "README.md"}
    assert files["docs/benchmarks.md"] == page_of(closure=CLOSURES, main_job=MAIN)
    assert "How it grows" in files["docs/benchmarks/closure.svg"]


def test_writing_again_changes_nothing_and_another_record_does(tmp_path: Path) -> None:
    root = repository(tmp_path, main_job=MAIN)
    overview.write(root)
    first = (root / "README.md").read_text()
    overview.write(root)
    assert (root / "README.md").read_text() == first
    newer = replace(MAIN, figures=(replace(MAIN.figures[0], wire="11.11"),))
    repository_file = root / "docs" / "benchmarks" / "main_job.json"
    repository_file.write_text(newer.to_json())
    overview.write(root)
    assert (root / "README.md").read_text() == first.replace("12.65", "11.11")


def test_the_readme_is_kept_but_for_what_is_between_its_marks() -> None:
    text = overview.readme(README, records(main_job=MAIN))
    assert text.startswith(
        f"before\n\n{overview.BEGIN}Measured side by side on 2026-03-04. Another"
    )
    assert text.endswith(f"({'docs/' + MAIN_JOB.file}).\n{overview.END}\nafter\n")
    assert "| **this** | 50.15 | 12.65 | 2.35 (2.12) | 5.49 (2.40) |" in text
    assert "old" not in text


@pytest.mark.parametrize("mark", [overview.BEGIN, overview.END])
def test_a_readme_without_a_mark_is_refused(mark: str) -> None:
    with pytest.raises(ValueError, match="the README lacks"):
        overview.readme(README.replace(mark, ""), records(main_job=MAIN))


def test_no_two_pages_share_a_name_or_a_file() -> None:
    def all_of(page: Page) -> tuple[str, ...]:
        return page.name, page.file, page.record, page.chart, page.what

    assert all(len(set(values)) == len(PAGES) for values in zip(*map(all_of, PAGES)))
