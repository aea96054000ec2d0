"""The sandbox program: what goes into it, how it is run, and what its failures look like."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
from pants.engine.environment import EnvironmentName
from pants.engine.fs import EMPTY_DIGEST, Snapshot
from pants.engine.process import Process, ProcessResult
from pants.engine.rules import QueryRule, collect_rules, rule
from pants.testutil.rule_runner import RuleRunner

import pants_plugin_minimg
from pants_plugin_minimg.subsystems import bundler, wheel_tags
from pants_plugin_minimg.subsystems.bundler import BundlerError, of_address, process, run_all
from pants_plugin_minimg.subsystems.interpreter import Interpreter, own_interpreter
from tests.rules.fake_engine import BUNDLER, Failed, Tree, install
from tests.rules.support import plugin_rules, set_options

ROOT = Path(pants_plugin_minimg.__file__).parent


def test_sources_are_all_modules_of_the_bundler_and_no_other() -> None:
    found = {source.path: source.content for source in bundler.sources()}
    expected = {
        f"pants_plugin_minimg/{path.relative_to(ROOT)}": path.read_bytes()
        for path in (ROOT / "bundler").rglob("*.py")
    }
    assert found == {"pants_plugin_minimg/__init__.py": b"", **expected}
    assert list(found) == sorted(found)
    assert "pants_plugin_minimg/bundler/loader/__init__.py" in found


def test_the_package_around_it_is_empty() -> None:
    assert (ROOT / "__init__.py").read_bytes() == b""


def test_the_lock_is_pinned_by_hash_and_names_no_host() -> None:
    folder = files("pants_plugin_minimg.subsystems")
    lock = (folder / "bundler.lock").read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    requirements = [line for line in lock.splitlines() if line[:1].isalpha()]
    assert requirements and all("==" in line for line in requirements)
    metadata = json.loads((folder / "bundler.lock.metadata").read_text())
    assert metadata["valid_for_interpreter_constraints"] == ["CPython<3.15,>=3.9"]


def run(monkeypatch: pytest.MonkeyPatch, failures: dict[str, Failed]) -> None:
    def command(argv: tuple[str, ...], inputs: Tree) -> Tree:
        if argv[0] in failures:
            raise failures[argv[0]]
        return {}

    fake = install(monkeypatch, command)
    steps = [
        process(BUNDLER, (name,), description=f"Do {name}", inputs=EMPTY_DIGEST)
        for name in ("one", "two", "three")
    ]
    outputs = fake.run(run_all(steps))
    assert len(outputs) == 3


def test_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, {})


def test_bad_input_of_several_processes_is_one_error_of_their_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = {
        "one": Failed(2, "MINIMG-E004 /a: no.\nMINIMG-E009 /b: no.\n"),
        "three": Failed(2, "MINIMG-E009 /b: no.\nMINIMG-E002 /c: no.\n"),
    }
    with pytest.raises(BundlerError) as caught:
        run(monkeypatch, failures)
    assert str(caught.value) == ("MINIMG-E004 /a: no.\nMINIMG-E009 /b: no.\nMINIMG-E002 /c: no.")


def test_each_line_has_the_address_once() -> None:
    lines = "MINIMG-E004 /a: no.\nMINIMG-E018 //x:y: `env`: no.\nDo it: ended"
    told = "MINIMG-E004 //x:y: /a: no.\nMINIMG-E018 //x:y: `env`: no.\nDo it: ended"
    assert of_address(lines, "//x:y") == told == of_address(told, "//x:y")


def test_a_crash_says_which_step_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundlerError) as caught:
        run(monkeypatch, {"two": Failed(1, "Traceback\nboom")})
    assert str(caught.value) == "Do two: ended with exit code 1\nTraceback\nboom"


def test_a_silent_failure_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundlerError, match="^Do two: ended with exit code 2$"):
        run(monkeypatch, {"two": Failed(2, "")})


def test_processes_know_nothing_of_the_user() -> None:
    step = process(BUNDLER, ("sweep",), description="x", inputs=EMPTY_DIGEST)
    assert dict(step.env) == {"LC_ALL": "C", "PYTHONHASHSEED": "0", "TZ": "UTC"}


@dataclass(frozen=True)
class Python:
    interpreter: Interpreter | None


@rule
async def set_up(python: Python) -> bundler.Bundler:
    return await bundler.set_up_bundler(python.interpreter)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_it_runs_in_the_sandbox_of_its_own_modules_alone(elsewhere: bool) -> None:
    """Whatever constraints a user has, and without a word about the user. `elsewhere`: resolved
    for what the interpreter says of itself, as for one that is not here."""
    rule_runner = RuleRunner(
        rules=[
            *plugin_rules(),
            *collect_rules(),
            QueryRule(bundler.Bundler, [Python]),
            QueryRule(ProcessResult, [Process]),
        ]
    )
    set_options(rule_runner, ["--python-interpreter-constraints=['CPython==2.7.*']"])
    own = own_interpreter(sys.version_info[:3], sys.executable)
    assert own is not None
    platform = wheel_tags.complete_platform() if elsewhere else None
    python = Interpreter(*own, EnvironmentName(None), platform)
    tool = rule_runner.request(bundler.Bundler, [Python(python)])
    step = process(tool, ("--help",), description="Ask for help", inputs=EMPTY_DIGEST)
    result = rule_runner.request(ProcessResult, [step])
    for command in (b"plan", b"layer", b"pack", b"image", b"tar", b"closure"):
        assert command in result.stdout
    home = str(Path.home())
    assert not any(home in word for word in (*step.argv[1:], *step.env.values()))

    paths = rule_runner.request(Snapshot, [tool.tree]).files
    # The engine reads this list anew for each process.
    assert len(paths) < 10
    assert {"bundler/__main__.pyc", "bundler/modules.bin"} <= set(paths)
    assert {path.split("/")[1] for path in paths if path.endswith(".so")} == {
        "deflate",
        "zstandard",
    }
