"""What every benchmark does around its measuring."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

import pytest

from benchmarks import command, overview, pages
from benchmarks.measure import CommandFailed
from benchmarks.pages import CLOSURE
from benchmarks.record import Aim, Record, from_json

RECORD = Record((Aim("a ≤ 2", "1.60", True),))


class Job:
    """A benchmark that takes no time; `fails` says in what."""

    def __init__(self, scratch: Path, fails: bool = False) -> None:
        self.scratch, self.fails, self.stopped = scratch, fails, False

    def prepare(self) -> None:
        assert self.scratch.is_dir()

    def run(self) -> None:
        if self.fails:
            raise CommandFailed("`git` ended with 1: no such thing", "all that it wrote")

    def stop(self) -> None:
        self.stopped = True

    def page(self) -> str:
        return "# A page\n"

    def record(self) -> Record:
        return RECORD


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(pages, "REPOSITORY", tmp_path)
    monkeypatch.setattr(pages, "DOCS", tmp_path / "docs")
    (tmp_path / "docs" / pages.KEPT).mkdir(parents=True)
    (tmp_path / "README.md").write_text(f"{overview.BEGIN}{overview.END}")
    return tmp_path


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1)
    command.add_options(parser, CLOSURE)
    return command.parse(parser, arguments)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_page_is_printed_and_nothing_written(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(options(), [], Job, CLOSURE) == 0
    assert capsys.readouterr().out == "# A page\n"
    assert files(repository) == {"README.md"}


def test_the_record_has_the_date_and_the_machine(repository: Path) -> None:
    given = options("--date=2026-01-02", f"--record={repository / 'record.json'}")
    assert command.run(given, [], Job, CLOSURE) == 0
    record = from_json((repository / "record.json").read_text())
    assert record.aims == RECORD.aims
    assert record.date == "2026-01-02"
    assert " cores of " in record.machine
    assert files(repository) == {"README.md", "record.json"}


def test_writing_brings_the_overview_up_to_date(repository: Path) -> None:
    assert command.run(options("--write", "--date=2026-01-02"), [], Job, CLOSURE) == 0
    assert (repository / "docs" / CLOSURE.file).read_text() == "# A page\n"
    assert from_json((repository / "docs" / CLOSURE.record).read_text()).aims == RECORD.aims
    text = (repository / "docs" / overview.PAGE).read_text()
    assert f"| [closure]({CLOSURE.file}) | a ≤ 2 | 1.60 | met |" in text


def test_what_a_machine_lacks_is_no_measuring(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = options("--write", "--date=2026-01-02")
    assert command.run(given, ["upx", "bwrap"], Job, CLOSURE) == command.CANNOT
    assert capsys.readouterr().err.splitlines()[-1] == "this machine lacks: upx, bwrap"
    assert files(repository) == {"README.md"}


def test_a_command_that_fails_ends_with_its_words_and_writes_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = []

    def make(scratch: Path) -> Job:
        jobs.append(Job(scratch, fails=True))
        return jobs[0]

    assert command.run(options("--write", "--date=x"), [], make, CLOSURE) == command.CANNOT
    assert capsys.readouterr().err.splitlines()[-1] == "`git` ended with 1: no such thing"
    assert jobs[0].stopped
    assert files(repository) == {"README.md"}
