"""Where this machine can be the sysroot, and where it is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from pants.engine.process import ProcessCacheScope
from pants.engine.rules import QueryRule, collect_rules, rule
from pants.testutil.rule_runner import RuleRunner

from pants_plugin_minimg import engine
from pants_plugin_minimg.register import target_types
from pants_plugin_minimg.util_rules.host import HostAccess, UnusableSysroot, obstacle
from tests.rules.support import needs_no_remote_machine, plugin_rules, set_options


@pytest.mark.parametrize(
    "environment,remote,platform,expected",
    [
        (None, False, "linux_x86_64", None),
        (None, False, "linux_arm64", None),
        ("local_environment", False, "linux_x86_64", None),
        (None, False, "macos_arm64", "macos arm64"),
        ("local_environment", False, "macos_x86_64", "macos x86_64"),
        ("docker_environment", False, "linux_x86_64", "`docker_environment`"),
        ("remote_environment", False, "linux_x86_64", "`remote_environment`"),
        ("experimental_workspace_environment", False, "linux_x86_64", "workspace"),
        (None, True, "linux_x86_64", "remote machines"),
    ],
)
def test_obstacle(
    environment: str | None, remote: bool, platform: str, expected: str | None
) -> None:
    found = obstacle(environment, remote, platform)
    assert found is None if expected is None else (found is not None and expected in found)


def test_the_error_names_the_way() -> None:
    HostAccess(None).check("//a:image")
    with pytest.raises(
        UnusableSysroot, match="^MINIMG-E019 //a:image: .*, and it rains.*`debian_sysroot`"
    ):
        HostAccess("it rains").check("//a:image")


def host_access(*args: str) -> HostAccess:
    rule_runner = RuleRunner(
        rules=[*plugin_rules(), QueryRule(HostAccess, [])], target_types=target_types()
    )
    set_options(rule_runner, args)
    return rule_runner.request(HostAccess, [])


def test_here() -> None:
    assert host_access().obstacle is None


@needs_no_remote_machine
def test_with_remote_execution() -> None:
    access = host_access("--remote-execution", "--remote-execution-address=grpc://127.0.0.1:1")
    assert access.obstacle == "processes run on remote machines"


@pytest.mark.parametrize("writes", [True, False])
def test_what_tells_of_this_machine_stays_on_it(writes: bool) -> None:
    """Where a remote cache is written to, the engine must not write there what has that scope.

    Later Pants has a scope of its own for it, which is right in either case.
    """
    cache = ("--remote-store-address=grpc://127.0.0.1:1", f"--remote-cache-write={writes}")
    scope = host_access(*cache).scope
    local = getattr(ProcessCacheScope, "LOCAL_SUCCESSFUL", None)
    assert scope == local or (scope == ProcessCacheScope.SUCCESSFUL) == (not writes)


@dataclass(frozen=True)
class Seen:
    state: str


@rule
async def see(look: engine.Look) -> Seen:
    return Seen((await engine.look(look)).state)


def test_each_session_looks_again(tmp_path: Path) -> None:
    rule_runner = RuleRunner(
        rules=[*plugin_rules(), *collect_rules(), QueryRule(Seen, [engine.Look])]
    )
    set_options(rule_runner)
    file = tmp_path / "file"
    look = engine.Look(json.dumps({"version": 1, "paths": {str(file): None}, "listed": {}}))

    def state() -> object:
        seen = json.loads(rule_runner.request(Seen, [look]).state)
        return seen["paths"][str(file)]

    assert state() is None
    file.touch()
    assert state() is None  # of the same session
    rule_runner.new_session("another")
    assert state() is not None
