"""All benchmarks in turn: what becomes of one that fails, that lacks something, that is stopped."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command_line
from benchmarks import peers, runner
from benchmarks.pages import ASSEMBLY, CLOSURE, MAIN_JOB, PAGES, SCALE, UPX, Page
from benchmarks.record import Aim, NotRun, Record

each_page = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
MEASURED = Record((Aim("a ≤ 2", "1.60", True),))
PARTLY = Record(MEASURED.aims, not_run=(NotRun("magicpak", "magicpak not found"),))

LACKS = "import sys; print('this machine lacks: upx', file=sys.stderr); sys.exit(2)"
FAILS = "print('half a page', flush=True); raise RuntimeError('no memory')"
SILENT = "print('a page')"
WAITS = """
import pathlib, signal, sys
def stop(*_):
    pathlib.Path(sys.argv[1]).write_text("stopped")
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
print("ready", file=sys.stderr, flush=True)
while True:
    signal.pause()
"""


def measures(record: Record, page: str = "a page") -> str:
    """A script as the pages' are: it prints a page and hands a record over."""
    return (
        "import pathlib, sys\n"
        f"print({page!r})\n"
        "print('round 1', file=sys.stderr)\n"
        f"pathlib.Path(sys.argv[1]).write_text({record.to_json()!r}, encoding='utf-8')\n"
    )


def run(script: str, tmp_path: Path, page: Page = CLOSURE) -> runner.Outcome:
    record = tmp_path / "record.json"
    return runner.run(page, [sys.executable, "-c", script, str(record)], record)


@pytest.fixture(autouse=True)
def no_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that runs the tests keeps its own."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Python text by a page's name, which takes the place of its script; the others hand over
    MEASURED."""
    found: dict[str, str] = {}

    def command(page: Page, options: object, record: Path) -> list[str]:
        script = found.get(page.name, measures(MEASURED))
        return [sys.executable, "-c", script, str(record)]

    monkeypatch.setattr(runner, "command", command)
    return found


def test_a_script_hands_its_record_over_and_its_page_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = run(measures(PARTLY, "# Benchmarks of something"), tmp_path)
    assert outcome == runner.Outcome(CLOSURE, PARTLY)
    out, err = capfd.readouterr()
    assert out == "# Benchmarks of something\n"
    assert err == "round 1\n"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (LACKS, "not measured: this machine lacks: upx"),
        (FAILS, "failed with status 1: RuntimeError: no memory"),
        (SILENT, "failed: it handed over nothing"),
    ],
)
def test_one_that_measured_nothing_says_why(script: str, why: str, tmp_path: Path) -> None:
    assert run(script, tmp_path) == runner.Outcome(CLOSURE, None, why)


def test_a_script_is_stopped_with_what_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        def write(self, text: str) -> None:
            raise KeyboardInterrupt

        def flush(self) -> None:
            pass

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sys, "stderr", Interrupted())
        run(WAITS, tmp_path)
    assert (tmp_path / "record.json").read_text() == "stopped"


def test_what_fails_does_not_stop_the_others(
    scripts: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    scripts.update(closure=FAILS, upx=LACKS, main_job=measures(PARTLY))
    assert command_line.main([]) == 1
    out, err = capfd.readouterr()
    assert err.splitlines()[-4:] == [
        "Not measured:",
        "main_job, magicpak: not run: magicpak not found",
        "closure: failed with status 1: RuntimeError: no memory",
        "upx: not measured: this machine lacks: upx",
    ]
    assert out.splitlines().count("a page") == len(PAGES) - 2
    assert f"8 of 8, {PAGES[-1].name}: {PAGES[-1].what}" in err.splitlines()


def test_the_overview_is_of_this_run(
    scripts: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    scripts.update(upx=LACKS)
    assert command_line.main(["--only", "upx", "--only", "assembly"]) == 1
    out, _ = capfd.readouterr()
    assert f"| [assembly]({ASSEMBLY.file}) | a ≤ 2 | 1.60 | met |" in out
    assert f"| [upx]({UPX.file}) | – | not measured |  |" in out


def test_all_measured(scripts: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--skip", "main_job"]) == 0
    _, err = capfd.readouterr()
    assert err.splitlines()[-1] == "All was measured."
    assert "1 of 7, sysroots: " in err
    assert MAIN_JOB.what not in err


def names(arguments: Sequence[str]) -> list[str]:
    return [page.name for page in command_line.chosen(command_line.parse(arguments))]


def test_pages_are_chosen_and_left_out() -> None:
    assert names([]) == [page.name for page in PAGES]
    assert names(["--only", "upx", "--only", "closure"]) == ["closure", "upx"]
    assert names(["--only", "upx", "--only", "closure", "--skip", "closure"]) == ["upx"]
    assert "scale" not in names(["--skip", "scale"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "nothing"], "invalid choice: 'nothing'"),
        (["--only", "upx", "--skip", "upx"], "no page is left"),
        (["--write"], "--write needs --date"),
    ],
)
def test_wrong_options(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.parse(arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


#: Each option that is handed on, given.
GIVEN = {
    "rounds": ["--rounds=7"],
    "date": ["--date=2026-01-02"],
    "write": ["--write"],
    "scratch": ["--scratch=/a/folder"],
    "upx-rounds": ["--upx-rounds=3"],
    "counts": ["--counts", "1", "10"],
    "slow": ["--slow"],
    **{name: [f"--{name}=/a/{name}"] for name in ("engine", "python", "lddtree", *peers.TOOLS)},
}


def handed_on(page: Page, given: Sequence[str]) -> list[str]:
    options = command_line.parse(given)
    argv = runner.command(page, options, Path("/a/record.json"))
    assert argv[:3] == [sys.executable, "-m", f"benchmarks.{page.name}"]
    return argv[3:]


@each_page
def test_a_script_takes_all_that_is_handed_on_to_it(page: Page) -> None:
    module: Any = importlib.import_module(f"benchmarks.{page.name}")
    assert module.PAGE is page
    argv = handed_on(page, [word for words in GIVEN.values() for word in words])
    expected = [word for name in (*runner.COMMON, *page.options) for word in GIVEN[name]]
    assert argv == ["--record=/a/record.json", *expected]
    options = module.parse(argv)
    assert (options.rounds, options.date, options.write) == (7, "2026-01-02", True)
    assert (options.scratch, options.record) == (Path("/a/folder"), Path("/a/record.json"))
    for name in page.options:
        given = getattr(options, name.replace("-", "_"))
        assert given in (3, [1, 10], True, f"/a/{name}")


@each_page
def test_what_was_not_given_is_left_to_the_script(page: Page) -> None:
    assert handed_on(page, []) == ["--record=/a/record.json"]


def test_every_option_is_of_some_page() -> None:
    known = {name for page in PAGES for name in page.options}
    assert set(command_line.HANDED_ON) == known == set(GIVEN) - set(runner.COMMON)
    assert "counts" in SCALE.options
