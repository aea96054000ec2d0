"""From addresses to the files of their targets: packaged, generated, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import Any

import pytest
from pants.backend.python.target_types import PexBinary
from pants.backend.shell.target_types import ShellCommandTarget
from pants.backend.shell.util_rules import shell_command
from pants.core import register as core
from pants.core.goals.package import BuiltPackage, BuiltPackageArtifact, PackageFieldSet
from pants.core.target_types import (
    ArchiveTarget,
    FilesGeneratorTarget,
    FileTarget,
    GenericTarget,
    RelocatedFiles,
    ResourceTarget,
)
from pants.engine.addresses import Address, UnparsedAddressInputs
from pants.engine.fs import EMPTY_DIGEST, Digest, Snapshot
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule, collect_rules, rule
from pants.engine.target import COMMON_TARGET_FIELDS, StringField, Target
from pants.engine.unions import UnionRule
from pants.testutil.rule_runner import RuleRunner

from pants_plugin_minimg import engine
from pants_plugin_minimg.util_rules import executables
from pants_plugin_minimg.util_rules.executables import Wish, base_folder
from tests.rules.support import plugin_rules, set_options


@pytest.mark.parametrize(
    "paths,preferred,expected",
    [
        (["a"], None, ""),
        (["x/a"], None, "x"),
        (["x/y/a"], "x", "x/y"),
        (["x/a", "x/lib/b"], "x", "x"),
        (["x/lib/a", "x/lib/b"], "x", "x"),
        (["x/lib/a", "x/lib/b"], None, "x/lib"),
        (["x/lib/a", "x/bin/b"], "elsewhere", "x"),
        (["x/a", "xy/b"], "x", ""),
        (["x/a", "b"], "x", ""),
        (["a", "b"], "", ""),
        (["x.y/app/a", "x.y/app/_internal/b"], None, "x.y/app"),
    ],
)
def test_base_folder(paths: list[str], preferred: str | None, expected: str) -> None:
    assert base_folder(paths, preferred) == expected


# A target that is packaged into nothing, as `docker_image` once was.
class NothingField(StringField):
    alias = "nothing"
    help = "Nothing."


class NothingTarget(Target):
    alias = "nothing"
    core_fields = (*COMMON_TARGET_FIELDS, NothingField)
    help = "Nothing."


@dataclass(frozen=True)
class NothingFieldSet(PackageFieldSet):
    required_fields = (NothingField,)
    nothing: NothingField


@rule
async def package_nothing(field_set: NothingFieldSet) -> BuiltPackage:
    return BuiltPackage(EMPTY_DIGEST, (BuiltPackageArtifact("what/is/not"),))


@dataclass(frozen=True)
class Wishes:
    wishes: tuple[Wish, ...]


@dataclass(frozen=True)
class Found:
    digest: Digest
    entries: tuple[str, ...]


@rule
async def find(request: Wishes) -> Found:
    trees = await executables.trees(request.wishes)
    digest = await engine.merge_all([tree.digest for tree in trees])
    return Found(digest, tuple(repr(tree.entry) for tree in trees))


@pytest.fixture
def rule_runner() -> RuleRunner:
    rule_runner = RuleRunner(
        rules=[
            *plugin_rules(),
            *core.rules(),
            *shell_command.rules(),
            *collect_rules(),
            UnionRule(PackageFieldSet, NothingFieldSet),
            QueryRule(Found, [Wishes]),
            QueryRule(Snapshot, [Digest]),
        ],
        target_types=[
            ArchiveTarget,
            FileTarget,
            FilesGeneratorTarget,
            GenericTarget,
            NothingTarget,
            PexBinary,
            RelocatedFiles,
            ResourceTarget,
            ShellCommandTarget,
        ],
    )
    set_options(rule_runner)
    rule_runner.write_files(
        {
            "x/a.txt": "a",
            "x/deep/b.txt": "b",
            "x/BUILD": dedent(
                """\
                file(name="a", source="a.txt")
                files(name="all", sources=["a.txt", "deep/b.txt"])
                archive(name="packed", format="tar", files=[":a"])
                shell_command(
                    name="one", command="echo 1 > one", tools=["echo"], output_files=["one"]
                )
                shell_command(
                    name="tree",
                    command="mkdir -p t/bin; echo 1 > t/bin/one; ln -s one t/bin/two",
                    tools=["mkdir", "ln", "echo"],
                    output_directories=["t"],
                )
                shell_command(
                    name="large",
                    command=(
                        "mkdir bin; head -c 600000 /dev/zero > large_data;"
                        "cp large_data bin/large_program; cp a.txt small_program;"
                        "chmod +x bin/large_program small_program"
                    ),
                    tools=["mkdir", "head", "cp", "chmod"],
                    execution_dependencies=[":a"],
                    output_files=["large_data", "bin/large_program", "small_program"],
                )
                relocated_files(name="moved", files_targets=[":a"], src="x", dest="y/z")
                resource(name="res", source="a.txt")
                pex_binary(name="pex", entry_point="x:y")
                target(name="plain")
                nothing(name="nothing", nothing="x")
                """
            ),
        }
    )
    return rule_runner


def wish(address: str, role: str = "program", **more: Any) -> Wish:
    inputs = UnparsedAddressInputs((address,), owning_address=None, description_of_origin="a test")
    field = "binary" if role == "program" else "files"
    return Wish("//the:image", field, inputs, role, **more)


def found(rule_runner: RuleRunner, *wishes: Wish) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    result = rule_runner.request(Found, [Wishes(wishes)])
    snapshot = rule_runner.request(Snapshot, [result.digest])
    return snapshot.files, [eval(entry) for entry in result.entries]


@pytest.mark.parametrize(
    "address,files,root",
    [
        ("x:a", ("trees/0/x/a.txt",), "trees/0/x"),
        ("x:packed", ("trees/0/x/packed.tar",), "trees/0/x"),
        ("x:one", ("trees/0/x/one",), "trees/0/x"),
        ("x:tree", ("trees/0/x/t/bin/one", "trees/0/x/t/bin/two"), "trees/0/x"),
        ("x:moved", ("trees/0/y/z/a.txt",), "trees/0/y/z"),
    ],
)
def test_what_builds_files(
    rule_runner: RuleRunner, address: str, files: tuple[str, ...], root: str
) -> None:
    listed, (entry,) = found(rule_runner, wish(address, primary=True))
    assert listed == files
    assert entry == {
        "root": root,
        "executable": [],
        "origin": address,
        "role": "program",
        "primary": True,
        "path": None,
        "mode": None,
        "owner": None,
    }


def test_several_wishes_keep_their_order_and_apart(rule_runner: RuleRunner) -> None:
    listed, entries = found(
        rule_runner,
        wish("x:one", primary=True),
        wish("x:a", "file", path="/etc/a", mode="0640", owner="0:1"),
        wish("x:packed"),
    )
    assert listed == ("trees/0/x/one", "trees/1/x/a.txt", "trees/2/x/packed.tar")
    assert [(entry["origin"], entry["primary"]) for entry in entries] == [
        ("x:one", True),
        ("x:a", False),
        ("x:packed", False),
    ]
    assert entries[1]["path"] == "/etc/a"
    assert (entries[1]["mode"], entries[1]["owner"]) == ("0640", "0:1")


def test_the_executable_bit_is_told_where_a_sandbox_does_not_show_it(
    rule_runner: RuleRunner,
) -> None:
    """Files over 512 KB are hard links to a store in which each has the bit."""
    _, (entry,) = found(rule_runner, wish("x:large"))
    assert entry["root"] == "trees/0/x"
    assert entry["executable"] == ["bin/large_program", "small_program"]


def test_a_generator_is_one_tree_of_what_it_generates(rule_runner: RuleRunner) -> None:
    listed, (entry,) = found(rule_runner, wish("x:all", "file", path="/data"))
    assert listed == ("trees/0/x/a.txt", "trees/0/x/deep/b.txt")
    assert (entry["origin"], entry["root"]) == ("x:all", "trees/0/x")


def refusal(rule_runner: RuleRunner, *wishes: Wish) -> list[str]:
    with pytest.raises(ExecutionError) as caught:
        found(rule_runner, *wishes)
    cause = list(caught.value.wrapped_exceptions)[0]
    assert isinstance(cause, executables.BadDependencies)
    return str(cause).splitlines()


@pytest.mark.parametrize("role,expected", [("program", "pex"), ("file", "file")])
def test_a_pex_has_a_role_of_its_own(role: str, expected: str) -> None:
    """Named in `files` it is a file as any other."""
    target = PexBinary({"entry_point": "m"}, Address("x", target_name="pex"))
    outputs = [executables._Output(target, EMPTY_DIGEST, None)]
    assert executables._role(wish("x:pex", role), outputs) == expected
    plain = FileTarget({"source": "f"}, Address("x", target_name="f"))
    others = [executables._Output(plain, EMPTY_DIGEST, None)]
    assert executables._role(wish("x:f", role), others) == role


@pytest.mark.parametrize("address,alias", [("x:res", "resource"), ("x:plain", "target")])
def test_what_builds_no_files_is_refused(rule_runner: RuleRunner, address: str, alias: str) -> None:
    (line,) = refusal(rule_runner, wish(address))
    assert line.startswith(f"MINIMG-E020 //the:image: `binary` names {address}, a `{alias}` target")
    assert "`go_binary`" in line


def test_a_package_without_files_is_refused(rule_runner: RuleRunner) -> None:
    (line,) = refusal(rule_runner, wish("x:nothing"))
    assert "x:nothing, a `nothing` target, which builds no file" in line


def test_all_refusals_are_told_together(rule_runner: RuleRunner) -> None:
    lines = refusal(rule_runner, wish("x:res", "file", path="/a"), wish("x:nothing"))
    assert [line.split(" ")[4] for line in lines] == ["x:res,", "x:nothing,"]
    assert "`files` names x:res" in lines[0]
