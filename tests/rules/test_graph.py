"""What an image is made of is in the graph: `dependencies`, `peek`, and what has changed."""

from __future__ import annotations

import json
import os
from textwrap import dedent
from typing import Any

import pytest
from pants.backend.project_info import dependencies, dependents, list_targets, peek
from pants.backend.project_info.dependencies import Dependencies
from pants.backend.project_info.peek import Peek
from pants.backend.shell.target_types import ShellCommandTarget
from pants.core import register as core
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner
from pants.util.frozendict import FrozenDict
from pants.vcs import changed
from pants.vcs.changed import ChangedAddresses, ChangedRequest, DependentsOption

from pants_plugin_minimg import register
from tests.rules.support import plugin_rules, set_options

BUILD = """\
files(name="sources", sources=["*.c"])
shell_command(
    name="program",
    command="cc -o program program.c",
    tools=["cc"],
    execution_dependencies=[":sources"],
    output_files=["program"],
)
file(name="config", source="app.toml")
file(name="extra", source="extra.sh")
file(name="alone", source="alone.txt")
minimal_docker_image(
    name="image",
    binary=":program",
    extra_binaries=["//app:extra"],
    files={"/etc/app.toml": ":config", "/etc/b": image_file(":config", mode="0640", owner="0:1")},
)
debian_sysroot(name="debian", suites=["bookworm"], packages=["git"], lockfile="debian.lock")
file(name="tar", source="rootfs.tar")
rootfs_sysroot(name="rootfs", source=":tar")
minimal_docker_index(name="index", images=[":image", ":of_rootfs"])
minimal_docker_image(name="of_debian", sysroot=":debian", executables=["/usr/bin/git"])
minimal_docker_image(name="of_rootfs", sysroot="//app:rootfs", executables=["/bin/busybox"])
"""


@pytest.fixture
def rule_runner() -> RuleRunner:
    rule_runner = RuleRunner(
        rules=[
            *plugin_rules(),
            *core.rules(),
            *changed.rules(),
            *dependencies.rules(),
            *dependents.rules(),
            *list_targets.rules(),
            *peek.rules(),
            QueryRule(ChangedAddresses, [ChangedRequest]),
        ],
        target_types=[
            *register.target_types(),
            *core.target_types(),
            ShellCommandTarget,
        ],
        aliases=[register.build_file_aliases()],
    )
    set_options(rule_runner)
    rule_runner.write_files(
        {
            "app/BUILD": dedent(BUILD),
            "app/program.c": "",
            "app/app.toml": "",
            "app/extra.sh": "",
            "app/alone.txt": "",
            "app/debian.lock": "",
            "app/rootfs.tar": "",
        }
    )
    return rule_runner


def test_dependencies(rule_runner: RuleRunner) -> None:
    result = rule_runner.run_goal_rule(Dependencies, args=["app:image"])
    assert result.exit_code == 0
    assert result.stdout.split() == ["app:config", "app:extra", "app:program"]


def test_transitive_dependencies(rule_runner: RuleRunner) -> None:
    result = rule_runner.run_goal_rule(Dependencies, args=["--transitive", "app:image"])
    assert "app/program.c:sources" in result.stdout.split()


def test_a_sysroot_whose_lock_is_not_written_yet_has_dependencies(rule_runner: RuleRunner) -> None:
    os.remove(os.path.join(rule_runner.build_root, "app/debian.lock"))
    result = rule_runner.run_goal_rule(Dependencies, args=["app:of_debian"])
    assert result.stdout.split() == ["app:debian"]
    (data,) = json.loads(rule_runner.run_goal_rule(Peek, args=["app:debian"]).stdout)
    assert (data["packages"], data["sources"]) == (["git"], [])


def test_peek(rule_runner: RuleRunner) -> None:
    result = rule_runner.run_goal_rule(Peek, args=["app:image"])
    (data,) = json.loads(result.stdout)
    assert data["binary"] == ":program"
    assert data["extra_binaries"] == ["//app:extra"]
    assert data["files"] == {
        "/etc/app.toml": ":config",
        "/etc/b": {"address": ":config", "mode": "0640", "owner": "0:1"},
    }
    assert data["dependencies"] == ["app:config", "app:extra", "app:program"]
    assert data["user"] == "65532:65532"


@pytest.mark.parametrize(
    "image,expected",
    [
        ("of_debian", ["app:debian"]),
        ("of_rootfs", ["app:rootfs", "app:tar"]),
        (
            "index",
            [
                "app/program.c:sources",
                "app:config",
                "app:extra",
                "app:image",
                "app:of_rootfs",
                "app:program",
                "app:rootfs",
                "app:tar",
            ],
        ),
    ],
)
def test_a_sysroot_is_a_dependency(
    rule_runner: RuleRunner, image: str, expected: list[str]
) -> None:
    args = ["--transitive", f"app:{image}"]
    result = rule_runner.run_goal_rule(Dependencies, args=args)
    assert result.stdout.split() == expected


@pytest.mark.parametrize(
    "source,images",
    [
        ("app/program.c", ["app:image", "app:index"]),
        ("app/app.toml", ["app:image", "app:index"]),
        ("app/extra.sh", ["app:image", "app:index"]),
        ("app/debian.lock", ["app:of_debian"]),
        ("app/rootfs.tar", ["app:index", "app:of_rootfs"]),
        ("app/alone.txt", []),
    ],
)
def test_a_changed_file_changes_the_image(
    rule_runner: RuleRunner, source: str, images: list[str]
) -> None:
    """As `--changed-since=… --changed-dependents=transitive` asks, after git's part."""
    request: dict[str, Any] = {"sources": (source,), "dependents": DependentsOption.TRANSITIVE}
    if "sources_blocks" in ChangedRequest.__dataclass_fields__:
        request["sources_blocks"] = FrozenDict()  # of later Pants: no lines, but whole files
    found = rule_runner.request(ChangedAddresses, [ChangedRequest(**request)])
    every = {"app:image", "app:index", "app:of_debian", "app:of_rootfs"}
    assert sorted(every & set(map(str, found))) == images
    assert any(source in str(address) or "app:" in str(address) for address in found)
