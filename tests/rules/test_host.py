"""Where this machine can be the sysroot, and where it is refused."""

from __future__ import annotations

import pytest
from pants.engine.process import ProcessCacheScope
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from pants_plugin_minimg.register import target_types
from pants_plugin_minimg.util_rules import host
from pants_plugin_minimg.util_rules.host import HostAccess, UnusableSysroot, obstacle
from tests.rules.fake_engine import BUNDLER, Tree, install
from tests.rules.support import plugin_rules, set_options


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


def test_with_remote_execution() -> None:
    access = host_access("--remote-execution", "--remote-execution-address=grpc://127.0.0.1:1")
    assert access.obstacle == "processes run on remote machines"


def test_the_sweep_is_made_once_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(argv: tuple[str, ...], inputs: Tree) -> Tree:
        assert argv == ("sweep", "--out=sweep.json") and not inputs
        return {"sweep.json": b"{}"}

    fake = install(monkeypatch, command)
    digest = fake.run(host.sweep(BUNDLER))
    assert fake.tree(digest) == {"sweep.json": b"{}"}
    assert fake.processes[0].cache_scope == ProcessCacheScope.PER_SESSION
