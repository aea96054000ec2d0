"""`minimal_docker_index` and `architectures`, with the real sandbox program."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pants.core import register as core
from pants.core.goals.package import BuiltPackage
from pants.core.goals.run import RunRequest
from pants.core.target_types import FileTarget
from pants.engine.addresses import Address
from pants.engine.fs import Digest, DigestContents
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from pants_plugin_minimg import register
from pants_plugin_minimg.goals.package import MinimalDockerImageFieldSet
from pants_plugin_minimg.goals.package_index import MinimalDockerIndexFieldSet
from pants_plugin_minimg.goals.run import MinimalDockerImageRunFieldSet
from pants_plugin_minimg.goals.run_index import MinimalDockerIndexRunFieldSet
from pants_plugin_minimg.goals.why import MinimgWhy
from pants_plugin_minimg.util_rules.host import HostAccess
from pants_plugin_minimg.util_rules.products import BuiltMinimalImage
from tests.bundler.elf_builder import Spec, build
from tests.rules.support import INHERITED, plugin_rules, set_options

BUILD = """\
file(name="amd", source="amd/tool")
file(name="arm", source="arm/tool")
minimal_docker_image(name="image_amd", binary=":amd", image_labels={"for": "amd"})
minimal_docker_image(name="image_arm", binary=":arm", annotations={"for": "arm"})
minimal_docker_index(
    name="both",
    images=[":image_arm", ":image_amd"],
    repository="tools/both",
    image_tags=["1", "latest"],
    annotations={"org.example.a": "b"},
)
minimal_docker_index(name="folder", images=[":image_arm", ":image_amd"], format="oci-layout")
minimal_docker_index(name="twice", images=[":image_amd", ":image_amd_too"])
minimal_docker_image(name="image_amd_too", binary=":amd", cmd=["x"])
minimal_docker_index(name="of_files", images=[":amd"])
minimal_docker_index(name="empty", images=[])
minimal_docker_index(name="arm_alone", images=[":image_arm"])
rootfs_sysroot(name="multi", source=":both")
OF_MULTI = {"sysroot": ":multi", "executables": ["/tool"]}
minimal_docker_image(name="each", architectures=["amd64", "arm64"], **OF_MULTI)
minimal_docker_image(name="each_amd", architecture="amd64", **OF_MULTI)
minimal_docker_image(name="each_arm", architecture="arm64", **OF_MULTI)
"""


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = RuleRunner(
        rules=[
            *plugin_rules(),
            *core.rules(),
            QueryRule(BuiltPackage, [MinimalDockerImageFieldSet]),
            QueryRule(BuiltPackage, [MinimalDockerIndexFieldSet]),
            QueryRule(RunRequest, [MinimalDockerImageRunFieldSet]),
            QueryRule(RunRequest, [MinimalDockerIndexRunFieldSet]),
            QueryRule(DigestContents, [Digest]),
            QueryRule(HostAccess, []),
        ],
        target_types=[*register.target_types(), FileTarget],
        aliases=[register.build_file_aliases()],
    )
    set_options(rule_runner)
    rule_runner.write_files({"a/BUILD": BUILD})
    for name, machine in (("amd", 62), ("arm", 183)):
        spec = Spec(dynamic=False, machine=machine, e_type=2)
        rule_runner.write_files({f"a/{name}/tool": build(spec)})
    return rule_runner


def packaged(rule_runner: RuleRunner, name: str, kind: Any = MinimalDockerIndexFieldSet) -> Any:
    target = rule_runner.get_target(Address("a", target_name=name))
    return rule_runner.request(BuiltPackage, [kind.create(target)])


def files(rule_runner: RuleRunner, digest: Digest) -> dict[str, bytes]:
    return {file.path: file.content for file in rule_runner.request(DigestContents, [digest])}


def refusal(rule_runner: RuleRunner, name: str) -> str:
    with pytest.raises(ExecutionError) as caught:
        packaged(rule_runner, name)
    return str(caught.value)


def test_an_index_holds_the_very_manifests_of_its_images(rule_runner: RuleRunner) -> None:
    built = packaged(rule_runner, "both")
    index = built.artifacts[0]
    assert isinstance(index, BuiltMinimalImage) and index.layout is not None
    assert [str(name) for name in index.names] == ["tools/both:1", "tools/both:latest"]
    layout = files(rule_runner, index.layout)
    document = json.loads(layout[f"layout/blobs/{index.manifest.replace(':', '/')}"])
    singles = {
        platform: packaged(rule_runner, f"image_{name}", MinimalDockerImageFieldSet).artifacts[0]
        for platform, name in (("amd64", "amd"), ("arm64", "arm"))
    }
    assert [item["platform"]["architecture"] for item in document["manifests"]] == [
        "amd64",
        "arm64",
    ]
    for item in document["manifests"]:
        assert item["digest"] == singles[item["platform"]["architecture"]].manifest
    assert document["annotations"] == {"org.example.a": "b"}
    for single in singles.values():
        own = files(rule_runner, single.layout)
        blobs = {path: data for path, data in own.items() if path.startswith("layout/blobs/")}
        assert blobs.items() <= layout.items()
    assert sorted(files(rule_runner, built.digest)) == [
        "a/both.amd64.cdx.json",
        "a/both.arm64.cdx.json",
        "a/both.docker-info.json",
        "a/both.tar",
    ]
    assert any("linux/arm64/v8: manifest sha256:" in line for line in index.extra_log_lines)


def test_the_folder_of_an_index(rule_runner: RuleRunner) -> None:
    built = packaged(rule_runner, "folder")
    assert built.artifacts[0].relpath == "a/folder"
    written = files(rule_runner, built.digest)
    assert {"a/folder/index.json", "a/folder/oci-layout"} <= set(written)
    assert "a/folder.tar" not in written


@pytest.mark.parametrize(
    "name,kind", [("both", MinimalDockerIndexFieldSet), ("each", MinimalDockerImageFieldSet)]
)
def test_what_lies_beside_an_index_by_option(rule_runner: RuleRunner, name: str, kind: Any) -> None:
    set_options(rule_runner, ["--minimg-html", "--minimg-plans"])
    built = packaged(rule_runner, name, kind)
    set_options(rule_runner)
    written = files(rule_runner, built.digest)
    assert sorted(str(artifact.relpath) for artifact in built.artifacts[2:]) == [
        f"a/{name}.{end}"
        for end in (
            "amd64.cdx.json", "amd64.plan.json", "arm64.cdx.json", "arm64.plan.json", "html"
        )
    ]  # fmt: skip
    page = written[f"a/{name}.html"].decode()
    assert '<section id="amd64"' in page and '<section id="arm64"' in page
    for label in ("amd64", "arm64"):
        plan = json.loads(written[f"a/{name}.{label}.plan.json"])
        assert plan["platform"]["architecture"] == label


@pytest.mark.parametrize("name", ["both", "each"])
def test_why_says_it_of_each_platform(rule_runner: RuleRunner, name: str) -> None:
    result = rule_runner.run_goal_rule(
        MinimgWhy, args=[f"a:{name}", "--", "/tool"], env_inherit=INHERITED
    )
    heads = [line for line in result.stdout.splitlines() if line.endswith(":")]
    assert sorted(heads) == [f"a:{name} for amd64:", f"a:{name} for arm64:"]
    assert result.stdout.count("/tool (") == 2


def test_what_an_index_cannot_be_made_of(rule_runner: RuleRunner) -> None:
    assert "MINIMG-E040 a:twice: a:image_amd and a:image_amd_too are both for linux/amd64" in (
        refusal(rule_runner, "twice")
    )
    assert "MINIMG-E020 a:of_files: `images` names a:amd, a `file`" in refusal(
        rule_runner, "of_files"
    )
    assert "MINIMG-E016 a:empty: `images` is empty" in refusal(rule_runner, "empty")


def test_one_target_for_several_architectures_of_its_sysroot(rule_runner: RuleRunner) -> None:
    built = packaged(rule_runner, "each", MinimalDockerImageFieldSet)
    index = built.artifacts[0]
    assert isinstance(index, BuiltMinimalImage)
    assert [part.architecture for part in index.parts] == ["amd64", "arm64"]
    for part, name in zip(index.parts, ("amd", "arm")):
        single = packaged(rule_runner, f"each_{name}", MinimalDockerImageFieldSet).artifacts[0]
        assert single.manifest == part.manifest != index.manifest
    assert "a/each.tar" in files(rule_runner, built.digest)
    own = rule_runner.request(HostAccess, []).architecture
    target = rule_runner.get_target(Address("a", target_name="each"))
    request = rule_runner.request(RunRequest, [MinimalDockerImageRunFieldSet.create(target)])
    info = json.loads(files(rule_runner, request.digest)["a/each.docker-info.json"])
    assert [item["platform"]["architecture"] for item in info["manifests"]] == [own]


def test_the_image_of_this_machine_runs(rule_runner: RuleRunner) -> None:
    access = rule_runner.request(HostAccess, [])
    own = {"amd64": "amd", "arm64": "arm"}[access.architecture]
    target = rule_runner.get_target(Address("a", target_name="both"))
    request = rule_runner.request(RunRequest, [MinimalDockerIndexRunFieldSet.create(target)])
    written = files(rule_runner, request.digest)
    assert f"a/image_{own}.tar" in written
    assert f" image_{own}:latest " in written["minimg_run.sh"].decode()


def test_no_image_for_this_machine(rule_runner: RuleRunner) -> None:
    if rule_runner.request(HostAccess, []).architecture == "arm64":
        pytest.fail("write this test for arm64 too")
    target = rule_runner.get_target(Address("a", target_name="arm_alone"))
    with pytest.raises(ExecutionError) as caught:
        rule_runner.request(RunRequest, [MinimalDockerIndexRunFieldSet.create(target)])
    assert "MINIMG-E041 a:arm_alone: it has images for arm64, and this machine is amd64" in str(
        caught.value
    )
