"""Which Python runs the sandbox program."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pants.engine.environment import EnvironmentName
from pants.engine.rules import QueryRule, collect_rules, rule
from pants.testutil.rule_runner import RuleRunner

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems import wheel_tags
from pants_plugin_minimg.subsystems.bundler import BundlerError, set_up_bundler
from pants_plugin_minimg.subsystems.interpreter import Interpreter, interpreter, own_interpreter
from tests.rules.fake_engine import SERVED, install
from tests.rules.support import plugin_rules, set_options

HERE = EnvironmentName(None)


@dataclass(frozen=True)
class Wanted:
    name: str


@dataclass(frozen=True)
class Found:
    python: Interpreter | None


@rule
async def find_it(wanted: Wanted, search_path: engine.StandardSearchPath) -> Found:
    return Found(await interpreter(wanted.name, True, search_path, HERE))


def test_it_is_the_one_that_pants_runs_on_by_the_file_that_its_links_lead_to(
    tmp_path: Path,
) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    found = own_interpreter((3, 9, 18), str(link))
    assert found == (os.path.realpath(sys.executable), "3.9.18")


@pytest.mark.parametrize("version", [(3, 9, 0), (3, 14, 2)])
def test_every_version_that_the_lock_serves_will_do(version: tuple[int, ...]) -> None:
    assert own_interpreter(version, sys.executable) is not None


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 15, 0)])
def test_another_version_leaves_the_search_to_pants(version: tuple[int, ...]) -> None:
    assert own_interpreter(version, sys.executable) is None


def find(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None, local: bool, **programs: str
) -> Interpreter | None:
    fake = install(monkeypatch, lambda argv, inputs: {})
    fake.programs = programs
    search_path = engine.StandardSearchPath(("/usr/bin",))
    return fake.run(interpreter(wanted, local, search_path, HERE))


def test_pants_own_needs_no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find(monkeypatch, None, True, python3="/usr/bin/python3")
    assert found is not None and found.path == os.path.realpath(sys.executable)


def test_processes_elsewhere_do_not_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(monkeypatch, None, False) is None
    found = find(monkeypatch, None, False, **{"python3.12": "/opt/python3.12"})
    assert found is not None and found.path == "/opt/python3.12"
    assert found.platform == SERVED


def test_one_elsewhere_that_cannot_tell_its_wheels_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = install(monkeypatch, lambda argv, inputs: {})
    fake.programs = {"python3": "/broken/python3", "python3.12": "/opt/python3.12"}
    fake.broken = {"/broken/python3"}
    search_path = engine.StandardSearchPath(("/usr/bin",))
    found = fake.run(interpreter(None, False, search_path, HERE))
    assert found is not None and found.path == "/opt/python3.12"


def test_one_elsewhere_that_the_lock_has_no_wheels_for_is_the_last_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = install(monkeypatch, lambda argv, inputs: {})
    fake.programs = {"python3": "/bin/python3.13t", "python3.12": "/bin/python3.12"}
    fake.unserved = {"/bin/python3.13t"}
    search_path = engine.StandardSearchPath(("/bin",))
    found = fake.run(interpreter(None, False, search_path, HERE))
    assert found is not None and found.path == "/bin/python3.12" and found.served
    del fake.programs["python3.12"]
    found = fake.run(interpreter(None, False, search_path, HERE))
    assert found is not None and found.path == "/bin/python3.13t" and not found.served
    with pytest.raises(BundlerError, match="^MINIMG-E050 /bin/python3.13t: .* glibc from 2.17 on"):
        fake.run(set_up_bundler(found))


def of_tags(where: Iterable[str], threaded: bool = False) -> Interpreter:
    found = json.dumps({"compatible_tags": list(wheel_tags.tags(13, list(where), threaded))})
    return Interpreter("/python", "3.13.1", HERE, found)


@pytest.mark.parametrize(
    ("machine", "glibc", "musl", "served"),
    [
        ("x86_64", 36, None, True),
        ("aarch64", 17, None, True),
        ("x86_64", 16, None, False),
        ("aarch64", None, 2, True),
        ("x86_64", None, 3, True),
        ("x86_64", None, 1, False),
        ("x86_64", None, None, False),
        ("riscv64", 36, None, False),
    ],
)
def test_whom_the_lock_serves(
    machine: str, glibc: int | None, musl: int | None, served: bool
) -> None:
    assert of_tags(wheel_tags.platforms(machine, glibc, musl)).served == served


def test_free_threaded_builds_take_no_wheel_of_the_lock() -> None:
    where = list(wheel_tags.platforms("x86_64", 36, None))
    assert of_tags(where).served and not of_tags(where, threaded=True).served


@pytest.mark.parametrize("local", [True, False])
def test_one_that_is_named(monkeypatch: pytest.MonkeyPatch, local: bool) -> None:
    found = find(monkeypatch, "/opt/python3.11", local, **{"python3.11": "/opt/python3.11"})
    assert found is not None and found.path == "/opt/python3.11"
    assert find(monkeypatch, "python3.11", local, python3="/usr/bin/python3") is None


@pytest.mark.parametrize(
    ("name", "works"), [("python3.9", True), ("python3.8", False), ("other", False)]
)
def test_the_look_up_starts_it_and_reads_its_version(
    tmp_path: Path, name: str, works: bool
) -> None:
    """A stand-in tells another version, since a machine has no Python that is too old or new."""
    version = name[len("python") :].replace(".", ", ")
    (tmp_path / name).write_text(
        f"#!/bin/sh\nshift 3\nexec {sys.executable} -c 'import sys; sys.version_info = "
        f'({version}, 0); \'"$1"\n'
        if name != "other"
        else "#!/bin/sh\nexit 1\n"
    )
    (tmp_path / name).chmod(0o755)
    rule_runner = RuleRunner(rules=[*plugin_rules(), *collect_rules(), QueryRule(Found, [Wanted])])
    set_options(rule_runner)
    found = rule_runner.request(Found, [Wanted(str(tmp_path / name))]).python
    assert (found is not None) == works
    if found is not None:
        assert found.path == str(tmp_path / name)


def test_nothing_to_run_it_on_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, lambda argv, inputs: {})
    with pytest.raises(BundlerError, match="^MINIMG-E049 .*3.9 up to, not including, 3.15"):
        fake.run(set_up_bundler(None))
